package migration

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// RestoreOptions say where to go back to; exactly one of the first three is set.
type RestoreOptions struct {
	Bookmark  Bookmark
	Timestamp time.Time
	Before    string // a migration: the state before the run that applied it

	RollbackWorker bool   // put the Worker back first
	WorkerVersion  string // to which version; "": the one that the journal recorded
	// Confirm is asked once the target is known and before anything is written; nil: not
	// asked. undoes are the migrations that the restore takes back, as far as ledger and
	// journal tell.
	Confirm func(so Result, undoes []string) error
}

// Restore goes back and holds what that undid: Time Travel rewinds ledger and journal
// too, so without the hold the next run would apply the same migrations again.
func (e *Engine) Restore(ctx context.Context, o RestoreOptions) (Result, error) {
	result := Result{Status: Failure}
	if o.Bookmark != "" && !o.Bookmark.Valid() {
		return result.Settle(usage("copy it whole from the run that printed it, or go by --timestamp or --before",
			"%q is not a bookmark; it looks like 00000085-0000024c-00004c6d-8e61117bf38d7adb71b934ebbf891683", string(o.Bookmark)))
	}
	before, err := e.past(ctx, &result)
	if err != nil {
		return result.Settle(err)
	}
	e.compare(&result, before)
	result.Target, err = e.target(ctx, o, before)
	if err != nil {
		return result.Settle(err)
	}
	undoes := before.undoneBy(result.Target, o.Timestamp)
	if o.Confirm != nil {
		if err := o.Confirm(result, undoes); err != nil {
			return result.Settle(err)
		}
	}
	if err := ctx.Err(); err != nil {
		return result.Settle(err)
	}
	e.belong(ctx)
	if o.RollbackWorker {
		if err := e.rollbackWorker(ctx, &result, o, before); err != nil {
			return result.Settle(err)
		}
	}
	if o.Confirm != nil || o.RollbackWorker || e.Now().Sub(result.bookmarkAt) > freshness {
		if before, err = e.past(ctx, &result); err != nil { // someone may have written meanwhile
			return result.Settle(err)
		}
		undoes = before.undoneBy(result.Target, o.Timestamp)
		e.compare(&result, before)
	}
	if before.unsound != nil {
		result.Warnings = append(result.Warnings, fmt.Sprintf("what the restore takes back is not known for sure: %v", before.unsound))
	}
	if result.Target == result.Bookmark {
		result.Status, result.PreviousBookmark = UpToDate, result.Bookmark
		return result, nil
	}
	if err := ctx.Err(); err != nil {
		return result.Settle(err)
	}
	if len(undoes) > 0 {
		e.progress("this takes back " + strings.Join(undoes, ", "))
	}
	e.progress(fmt.Sprintf("restoring the database to %s; %s undoes that", result.Target, result.Bookmark))
	// As far as bookmarks tell; the restored database knows better, if it can be asked.
	result.UndoneRuns = slices.DeleteFunc(slices.Clone(before.journal), func(j Entry) bool { return j.Bookmark < result.Target })
	if local, ok := e.Environment.(Replacer); ok {
		return e.rewind(ctx, result, before, local)
	}
	undo, err := e.Environment.Restore(ctx, result.Target)
	if err != nil {
		if undo, err = e.restored(ctx, &result, before, err); err != nil {
			if p, ok := errors.AsType[*Problem](err); !ok || p.Kind != Unknown {
				result.UndoneRuns = nil
			}
			return result.Settle(err)
		}
		result.Warnings = append(result.Warnings, fmt.Sprintf("the answer to the restore was lost: %s is the last bookmark known from before it, and lacks what was written in the moment between", undo))
	}
	result.PreviousBookmark = undo
	if err := e.hold(ctx, &result, before); err != nil {
		p := &Problem{Err: fmt.Errorf("restored, NOT held: %w", err),
			State: fmt.Sprintf("the database is back at %s, but the next migrate will apply again what the restore undid", result.Target),
			Next:  "remove or fix these files before the next migrate, or undo: " + e.restoreCommand(undo)}
		if again, ok := errors.AsType[*appliedAgain](err); ok {
			p.Err = fmt.Errorf("restored, but %w", again)
			p.State = fmt.Sprintf("the database was back at %s, and has what that run did since; what is not applied again is held", result.Target)
			p.Next = "look at it (" + e.statusCommand() + "); if it is to go back once more: " + e.restoreCommand(result.Target) + "; to undo all of it: " + e.restoreCommand(undo)
		}
		if unknown, ok := errors.AsType[*Problem](err); ok && unknown.Kind == Unknown {
			p.Kind, p.Err = Unknown, fmt.Errorf("restored, but it is not known whether what that undid is held: %w", err)
			p.State = fmt.Sprintf("the database is back at %s", result.Target)
			p.Next = e.statusCommand() + " shows what is held; if nothing is, the next migrate applies again what the restore undid; to undo it: " + e.restoreCommand(undo)
		}
		return result.Settle(p)
	}
	result.Status = Restored
	return result, nil
}

// rewind restores and holds in one transaction, where an environment lets itself be replaced:
// killed between the two, a run would leave nothing that shows what must not be applied again.
func (e *Engine) rewind(ctx context.Context, result Result, before recorded, local Replacer) (Result, error) {
	done := result
	done.PreviousBookmark = result.Bookmark // Replace insists on it
	err := func() error {
		draft, err := local.Draft(ctx, result.Target, result.Bookmark)
		if err != nil {
			return err
		}
		defer draft.Close()
		onDraft := *e
		onDraft.Environment = draft
		if err := onDraft.hold(ctx, &done, before); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		return local.Replace(ctx, draft)
	}()
	if err != nil {
		result.UndoneRuns = nil
		_, err = e.restored(ctx, &result, before, err)
		return result.Settle(err)
	}
	done.Status = Restored
	return done, nil
}

// compare notes how the files relate to what is recorded. A restore does without them where
// they can't be read.
func (e *Engine) compare(result *Result, past recorded) (files []Migration, ok bool) {
	files, err := e.Directory.Read()
	if err != nil {
		return nil, false
	}
	result.Comparison = compare(files, past)
	return files, true
}

// rollbackWorker puts the Worker back, unless it is there already.
func (e *Engine) rollbackWorker(ctx context.Context, result *Result, o RestoreOptions, past recorded) error {
	if e.Worker == nil {
		return usage("name it with --worker", "no Worker is known that could be put back")
	}
	version := o.WorkerVersion
	if version == "" {
		version = past.workerVersion(result.Target)
	}
	if version == "" {
		there := ""
		if versions, err := e.Worker.Versions(ctx); err == nil && len(versions) > 0 {
			there = "; the latest are " + strings.Join(versions, ", ")
		}
		return usage("name it with --worker-version, or leave out --rollback-worker"+there,
			"the journal recorded no Worker version for the runs after %s", result.Target)
	}
	if now, err := e.Worker.Deployed(ctx); err == nil && now.only(version) {
		e.progress("the Worker runs version " + version + " already")
		return nil
	}
	e.progress("putting the Worker back to version " + version)
	err := e.Worker.Rollback(ctx, version, "d1-rewind restore to "+string(result.Target))
	if err == nil {
		result.WorkerRolledBack = version
		return nil
	}
	refused := &Problem{Err: fmt.Errorf("put the Worker back to version %s: %w", version, err), State: "neither the Worker nor the database was changed",
		Next: "put the Worker back by hand (wrangler rollback), then restore without --rollback-worker"}
	if known, ok := errors.AsType[*Problem](err); ok && known.Next != "" {
		refused.Next = known.Next
	}
	unclear, ok := errors.AsType[*ApplyError](err)
	if !ok || unclear.Untouched {
		return refused
	}
	asking, cancel := afterwards(ctx)
	defer cancel()
	now, readErr := e.Worker.Deployed(asking)
	unknown := func(why string) error {
		return &Problem{Kind: Unknown, Err: fmt.Errorf("put the Worker back to version %s: %w; %s", version, err, why),
			State: "it is not known whether the Worker was put back; the database was not touched",
			Next:  "look at the deployed version (wrangler deployments status), then run the same restore again: a Worker that is in place is left alone"}
	}
	switch {
	case readErr != nil:
		return unknown(fmt.Sprintf("and then its deployments could not be read: %v", readErr))
	case now.only(version): // only the answer was lost
		result.WorkerRolledBack = version
		return nil
	case unclear.Pending:
		return unknown("so far it runs " + now.Version)
	default:
		return refused
	}
}

// restored finds out what became of a restore that was not answered with success. It is
// never sent again: a second one would discard what was written since the first.
func (e *Engine) restored(ctx context.Context, result *Result, before recorded, cause error) (undo Bookmark, err error) {
	if errors.Is(cause, ErrMoved) {
		return "", &Problem{Err: cause, State: stateUntouched, Next: "nothing of the other write was lost; look at it (" + e.statusCommand() + "), then restore again; if that goes on, stop what keeps writing (wrangler dev) meanwhile"}
	}
	unclear, ok := errors.AsType[*ApplyError](cause)
	if !ok || unclear.Untouched {
		return "", fmt.Errorf("restore to %s: %w", result.Target, cause)
	}
	asking, cancel := afterwards(ctx)
	defer cancel()
	e.progress("asking the database what it is now")
	after, err := readRecorded(asking, e.Environment, e.Table, false)
	var now Bookmark
	if err == nil {
		now, err = e.Environment.Bookmark(asking, time.Time{})
	}
	unknown := func(err error) *Problem {
		return &Problem{Kind: Unknown, Err: fmt.Errorf("restore to %s: %w", result.Target, err), State: "it is not known whether the database was restored; the restore is not repeated",
			Next: "look at the data and the status (" + e.statusCommand() + "); if it was not restored, run the same restore again; " +
				"if it was, nothing holds what that undid: undo it, then restore again: " + e.restoreCommand(result.Bookmark)}
	}
	gone := func(row ledgerRow) bool { return !after.applied(row.name) }
	rewound := func(entry Entry) bool { return !after.has(entry.Run) }
	switch {
	case err != nil:
		return "", unknown(fmt.Errorf("%w; and then the database could not be read: %w", cause, err))
	case slices.ContainsFunc(before.ledger, gone), slices.ContainsFunc(before.journal, rewound):
		return result.Bookmark, nil // only a restore takes these back
	case now == result.Bookmark && !unclear.Pending:
		return "", &Problem{Err: fmt.Errorf("restore to %s: %w", result.Target, cause), State: "the database was not restored; it is as it was before", Next: "run the same restore again"}
	default:
		return "", unknown(cause)
	}
}

// appliedAgain is the error of a restore after which someone else applied what it had undone, before
// that was held.
type appliedAgain struct{ names []string }

func (a *appliedAgain) Error() string {
	return "another run has applied " + strings.Join(a.names, ", ") + " again, before it was held"
}

// hold finds out what a restore undid and writes it into the restored database, if that is as it was
// read. It does so also when the run is cancelled meanwhile.
func (e *Engine) hold(ctx context.Context, result *Result, before recorded) error {
	ctx = context.WithoutCancel(ctx)
	var undone []File // by the first look
	for range attempts {
		after, err := readRecorded(ctx, e.Environment, e.Table, false)
		if err != nil {
			return err
		}
		err = e.holdOnce(ctx, result, before, after)
		if undone == nil {
			undone = result.Undone
		}
		if errors.Is(err, errRival) {
			result.Rival = false // it is told by name
			continue
		}
		if _, alone := e.Environment.(Draft); alone || err != nil {
			return err
		}
		if again := redoneSince(result.Bookmark, before, after, undone); len(again) > 0 {
			return &appliedAgain{again}
		}
		return nil
	}
	return ErrMoved
}

// redoneSince are the migrations that a restore has undone and someone else has applied since: those that
// were seen as undone before, and those of a run that is gone which no run from before the bookmark
// has applied. Bookmarks of one database sort by time.
func redoneSince(bookmark Bookmark, before, after recorded, undone []File) (names []string) {
	has := func(e Entry, name string) bool {
		return e.Kind != "restore" && slices.ContainsFunc(e.Migrations, func(f File) bool { return f.Name == name })
	}
	for _, row := range after.ledger {
		seen := slices.ContainsFunc(undone, func(f File) bool { return f.Name == row.name })
		gone := slices.ContainsFunc(before.journal, func(e Entry) bool { return !after.has(e.Run) && has(e, row.name) })
		kept := slices.ContainsFunc(after.journal, func(e Entry) bool { return e.Bookmark <= bookmark && has(e, row.name) })
		if seen || gone && !kept && before.applied(row.name) {
			names = append(names, row.name)
		}
	}
	return names
}

func (e *Engine) holdOnce(ctx context.Context, result *Result, before, after recorded) error {
	files, haveFiles := e.compare(result, before)
	held := before.held()
	if haveFiles && result.Comparison.HoldEnded != "" {
		held = nil
	}
	var holding []File
	result.Undone, holding = holdAfter(held, before, after)
	result.UndoneRuns = slices.DeleteFunc(slices.Clone(before.journal), func(j Entry) bool { return after.has(j.Run) })
	asRead := after.planned()
	if !after.hasLedger {
		asRead.rows = noLedger
	}
	result.Redone = nil
	for _, row := range after.ledger {
		if !before.applied(row.name) {
			result.Redone = append(result.Redone, row.name)
		}
	}
	if !e.Journal {
		holding, after.journal = nil, nil
	}
	if haveFiles { // as it is until the hold is written
		result.Comparison = compare(files, after)
	}
	if e.Journal && (len(holding) > 0 || len(after.held()) > 0) {
		entry := e.entry("restore", result.PreviousBookmark)
		entry.Migrations, entry.Hold, entry.SetsHold = result.Undone, holding, true
		for _, j := range result.UndoneRuns {
			// Each row keeps its own; nesting them would grow without end.
			j.PullRequests, j.Undone = pullRequests([]Entry{{Undone: j.Undone, PullRequests: j.PullRequests}}), nil
			entry.Undone = append(entry.Undone, j)
		}
		if err := e.commit(ctx, e.journalled(Batch{}, entry).ifUnchanged(asRead, e.Table, 0), time.Time{}, nil, result); err != nil {
			return err
		}
		after.journal = append(after.journal, entry)
	}
	if haveFiles {
		result.Comparison = compare(files, after)
	}
	if result.Comparison.HoldEnded == "" {
		result.Holding = holding
	}
	return nil
}

// target resolves the options to a bookmark. Errors are *Problems of kind Usage.
func (e *Engine) target(ctx context.Context, o RestoreOptions, past recorded) (Bookmark, error) {
	switch {
	case o.Bookmark != "":
		return o.Bookmark, nil
	case o.Before != "" && !e.Journal:
		return "", usage("leave out --journal off, or go by --timestamp", "the bookmark from before %q stands in the journal, which is switched off", o.Before)
	case o.Before != "":
		for _, entry := range slices.Backward(past.journal) {
			if entry.Kind == "migrate" && slices.ContainsFunc(entry.Migrations, func(f File) bool { return f.Name == o.Before }) && past.applied(o.Before) {
				if entry.Bookmark.Valid() {
					return entry.Bookmark, nil
				}
				break // an older run's would go further back than was asked for
			}
		}
		i := slices.IndexFunc(past.ledger, func(row ledgerRow) bool { return row.name == o.Before })
		if i < 0 && slices.ContainsFunc(past.held(), func(f File) bool { return f.Name == o.Before }) {
			return "", usage("what is held, and how to go on: "+e.statusCommand(), "%q is undone already, and held", o.Before)
		}
		if i < 0 {
			return "", usage(e.statusCommand()+" lists what is applied", "%q is not applied, so there is nothing before it to go back to", o.Before)
		}
		return "", usage(fmt.Sprintf("the ledger says that it was applied at %s UTC: use --timestamp with a moment before that", past.ledger[i].appliedAt),
			"the journal has no bookmark for %q: it was applied by wrangler, recorded by baseline, or without journal", o.Before)
	default:
		return e.at(ctx, o.Timestamp)
	}
}

// at returns the bookmark of a moment in the past.
func (e *Engine) at(ctx context.Context, when time.Time) (Bookmark, error) {
	if now := e.Now(); when.After(now.Add(time.Minute)) {
		return "", usage("check the clock and the time zone; it is now "+timestamp(now), "the time %s lies in the future", timestamp(when))
	}
	return e.Environment.Bookmark(ctx, when)
}

// Info is what Info found out.
type Info struct {
	Bookmark Bookmark
	At       time.Time
	Kept     *Kept // nil where the environment does not keep copies itself
}

// Info returns the bookmark of a moment, of now for the zero time. It writes nothing.
func (e *Engine) Info(ctx context.Context, at time.Time) (Info, error) {
	info := Info{At: at}
	var err error
	if at.IsZero() {
		info.At = e.Now()
		info.Bookmark, err = e.Environment.Bookmark(ctx, at)
	} else {
		info.Bookmark, err = e.at(ctx, at)
	}
	if err != nil {
		return info, err
	}
	if history, ok := e.Environment.(History); ok {
		kept, err := history.Kept(ctx)
		if err != nil {
			return info, err
		}
		info.Kept = &kept
	}
	return info, nil
}

// Reset empties a local database and applies all migrations. They run on an empty
// database in memory first, whose content then takes the place of the old one, so that a
// failure or a kill leaves the database as it was.
func (e *Engine) Reset(ctx context.Context) (Result, error) {
	result := Result{Status: Failure}
	local, ok := e.Environment.(Replacer)
	if !ok {
		return result.Settle(&Problem{Kind: Refused, Err: errors.New("only a local database can be reset"), State: stateUntouched, Next: "use restore to go back on a remote one"})
	}
	before, err := e.Environment.Bookmark(ctx, time.Time{})
	if err != nil {
		return result.Settle(err)
	}
	draft, err := local.Draft(ctx, "", before)
	if err != nil {
		return result.Settle(err)
	}
	defer draft.Close()
	onDraft := *e
	onDraft.Environment, onDraft.Rehearse = draft, nil
	if result, err = onDraft.Migrate(ctx, MigrateOptions{}); err != nil {
		if p, ok := errors.AsType[*Problem](err); ok && p.Kind == Failed {
			p.State = "the database was not reset; it is as it was before"
		}
		return result, err
	}
	if err := ctx.Err(); err != nil {
		return result.Settle(err)
	}
	if err := local.Replace(ctx, draft); err != nil {
		result.Applied = nil
		if errors.Is(err, ErrMoved) {
			err = &Problem{Err: err, State: stateUntouched, Next: "nothing of the other write was lost; run reset again, and if that goes on, stop what keeps writing (wrangler dev) meanwhile"}
		}
		return result.Settle(fmt.Errorf("replace the database: %w", err))
	}
	result.Status, result.PreviousBookmark, result.Rehearsal = Applied, before, Rehearsal{}
	return result, nil
}
