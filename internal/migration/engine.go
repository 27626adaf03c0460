package migration

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

// Engine runs one command against one environment.
type Engine struct {
	Environment Environment
	Directory   Directory
	Table       string // the ledger
	Journal     bool   // false: no hold, no detection of edited files, no "before"
	Origin      Origin
	Worker      Worker // nil: none is known
	Now         func() time.Time
	// Sleep waits before a write is sent again; nil: on the clock.
	Sleep func(ctx context.Context, d time.Duration) error

	// Rehearse tries a plan on a copy of the database and says how it went; nil: not
	// rehearsed. A refused statement is a *StatementError.
	Rehearse func(ctx context.Context, plan Plan) (Rehearsal, error)
	// NoRehearsal says why Rehearse is nil.
	NoRehearsal string
	// Replay compares the live schema with what the given migrations produce, applied in their
	// order to an empty database; nil: drift is not looked for.
	Replay func(ctx context.Context, live Schema, applied []Migration) Drift
	// Hazards and Drift say what these findings do to a run; their zero values are Warn.
	Hazards HazardPolicy
	Drift   Policy

	// Locate finds the statement of a batch that the database refused without saying which;
	// nil, or an answer without an Index: it stays unknown.
	Locate func(ctx context.Context, batch Batch, refused *StatementError) *StatementError

	// PullRequest returns the number of the pull request that the run belongs to, "" for none. It
	// is asked before a write, may take a while, and ends with ctx; nil: Origin says it.
	PullRequest func(ctx context.Context) string

	// StatusCommand is the command that shows this environment's status, complete; "": in short.
	StatusCommand string
	// BaselineCommand is the command that records migrations as applied, complete; "": in short.
	BaselineCommand string
	// ReleaseCommand is the command that applies what is held, too, complete; "": in short.
	ReleaseCommand string
	// RestoreCommand is the command that goes back to a bookmark, complete; nil: in short.
	RestoreCommand func(Bookmark) string

	// OnBookmark is called as soon as the bookmark from before the run is known. An error ends the
	// run before it has written.
	OnBookmark func(Bookmark) error
	// OnProgress is called with one line for each step that may take a while.
	OnProgress func(string)
}

// MigrateOptions are the choices of one migrate run.
type MigrateOptions struct {
	To           string // last migration to apply, "" for all
	DryRun       bool
	PerMigration bool // a transaction for each migration instead of one for the run
	ReleaseHold  bool
	Backup       func(context.Context) error // taken before anything is applied, may be nil
}

// attempts bounds how often a run is planned anew because someone else wrote meanwhile.
const attempts = 5

// freshness is how long a bookmark counts as that of the moment before the write.
const freshness = 5 * time.Second

// Migrate applies what is pending. It is the order of a run: read and compare, rehearse, guard,
// bookmark, apply, and find out what happened.
func (e *Engine) Migrate(ctx context.Context, o MigrateOptions) (result Result, err error) {
	start := e.Now()
	result = Result{Status: Failure, DryRun: o.DryRun}
	defer func() { result.Elapsed = e.Now().Sub(start) }()
	backup := o.Backup
	var released []string // what was held when the run began
	for attempt := range attempts {
		plan, err := e.plan(ctx, &result, o)
		result.NotRun = plan
		if err != nil {
			return result.Settle(err)
		}
		held := result.Comparison.Held
		if o.ReleaseHold && attempt > 0 && slices.ContainsFunc(held, func(name string) bool { return !slices.Contains(released, name) }) {
			return result.Settle(e.heldProblem(held)) // by a restore that nobody knew of who asked for the release
		}
		released = held
		if len(plan) == 0 {
			if err := e.guard(&result); err != nil {
				return result.Settle(err)
			}
			result.Status = UpToDate
			if len(result.Applied) > 0 {
				result.Status = Applied
			}
			return result, nil
		}
		planned := result.Bookmark
		if err := e.rehearse(ctx, &result, plan); errors.Is(err, errRival) {
			continue
		} else if err != nil {
			return result.Settle(err)
		}
		if result.Transport, err = e.transport(&result, plan, o); err != nil {
			return result.Settle(err)
		}
		if err := e.guard(&result); err != nil {
			return result.Settle(err)
		}
		if o.DryRun {
			result.Status = Pending
			return result, nil
		}
		if backup != nil {
			if err := backup(ctx); err != nil {
				return result.Settle(fmt.Errorf("backup before the run: %w", err))
			}
			backup = nil // a second one would have in it what this run has applied
		}
		e.belong(ctx)
		if e.Now().Sub(result.bookmarkAt) > freshness && len(result.Applied) == 0 {
			if err := e.bookmark(ctx, &result); err != nil {
				return result.Settle(err)
			}
		}
		err = e.apply(ctx, &result, plan, planned, o)
		if errors.Is(err, ErrMoved) || errors.Is(err, errRival) {
			e.progress("someone else wrote to the database meanwhile: comparing again")
			continue
		}
		if err != nil {
			return result.Settle(err)
		}
		if how, err := e.transport(&result, plan, o); err == nil {
			result.Transport = how // it may have become another one on the way
		}
		result.Status = Applied
		return result, nil
	}
	return result.Settle(&Problem{Err: ErrMoved, State: e.stateAfter(&result),
		Next: "stop what keeps writing to the database (another run, wrangler dev) and run again"})
}

// transport asks how plan will be sent, where there is a choice.
func (e *Engine) transport(result *Result, plan []Migration, o MigrateOptions) (string, error) {
	chooser, ok := e.Environment.(Transporter)
	if !ok {
		return "", nil
	}
	said := ""
	for _, group := range groups(plan, o) {
		how, err := chooser.Transport(e.batch(group, result, o.ReleaseHold))
		if err != nil {
			return "", err
		}
		if said == "" || len(how) > len(said) { // the longer one has a reason
			said = how
		}
	}
	return said, nil
}

func groups(plan []Migration, o MigrateOptions) [][]Migration {
	if o.PerMigration {
		return slices.Collect(slices.Chunk(plan, 1))
	}
	return [][]Migration{plan}
}

// StatusOptions are the choices of one status.
type StatusOptions struct {
	// HoldWarns lets a status with held migrations end well: on a pull request, which may be
	// what ends the hold. They are rehearsed together with what is new.
	HoldWarns bool
}

// Status compares and rehearses, and writes nothing.
func (e *Engine) Status(ctx context.Context, o StatusOptions) (Result, error) {
	for range attempts {
		result := Result{Status: Failure}
		plan, err := e.plan(ctx, &result, MigrateOptions{DryRun: true, ReleaseHold: true})
		if err != nil {
			return result.Settle(err)
		}
		result.Status = UpToDate
		if len(plan) > 0 {
			if err := e.rehearse(ctx, &result, plan); errors.Is(err, errRival) {
				continue // applied since it was read
			} else if err != nil {
				return result.Settle(err)
			}
			if result.Transport, err = e.transport(&result, plan, MigrateOptions{}); err != nil {
				return result.Settle(err)
			}
			result.Status = Pending
		}
		if len(result.Comparison.Held) > 0 && !o.HoldWarns {
			return result.Settle(e.heldProblem(result.Comparison.Held))
		}
		if err := e.guard(&result); err != nil {
			return result.Settle(err)
		}
		return result, nil
	}
	return Result{}.Settle(&Problem{Err: ErrMoved, Next: "someone keeps applying migrations: look again in a moment"})
}

// Offline does what Status can do without the database: it reads the files and, unless fresh
// is nil, rehearses all of them on fresh, an empty database.
func (e *Engine) Offline(ctx context.Context, fresh Environment) (Result, error) {
	files, err := e.Directory.Read()
	if err != nil {
		return Result{}.Settle(err)
	}
	result := Result{Status: Offline, Checked: files, Comparison: Comparison{Duplicates: compare(files, recorded{}).Duplicates}}
	if fresh == nil {
		return result, nil
	}
	onFresh := *e
	onFresh.Environment, onFresh.Replay, onFresh.Journal, onFresh.Worker, onFresh.OnBookmark = fresh, nil, false, nil, nil
	found, err := onFresh.Migrate(ctx, MigrateOptions{DryRun: true})
	result.Rehearsal, result.Hazards = found.Rehearsal, found.Hazards
	result.Rehearsal.Rows = "" // fresh has none
	if p, ok := errors.AsType[*Problem](err); ok && p.Kind != Stopped {
		p.State = "this happened on an empty database in memory; the real one was not asked"
		result.Status = found.Status
		return result, p
	}
	if err != nil {
		return result.Settle(err)
	}
	return result, nil
}

// plan reads files and database and returns what is to be applied. The bookmark is read
// in any case: without one nothing may be written.
func (e *Engine) plan(ctx context.Context, result *Result, o MigrateOptions) ([]Migration, error) {
	files, err := e.Directory.Read()
	if err != nil {
		return nil, err
	}
	past, err := e.past(ctx, result)
	if err == nil {
		err = past.unsound
	}
	if err != nil {
		return nil, err
	}
	result.Comparison = compare(files, past)
	result.schema = past.schema
	if err := e.drift(ctx, result, files); err != nil {
		return nil, err
	}
	result.Hazards = e.Hazards.apply(judged(result.Comparison.hazards(), nil))
	planned, err := upTo(result.Comparison.Pending, o.To, files)
	if err != nil {
		return nil, err
	}
	if held := result.Comparison.Held; !o.ReleaseHold {
		if first := slices.IndexFunc(planned, func(m Migration) bool { return slices.Contains(held, m.Name) }); first >= 0 {
			return nil, e.heldProblem(held)
		}
	}
	return planned, nil
}

// past reads the bookmark of now, the ledger, the journal and the Worker's version, all at
// the same time: the run is one round trip deep so far.
func (e *Engine) past(ctx context.Context, result *Result) (recorded, error) {
	if err := ctx.Err(); err != nil {
		return recorded{}, err
	}
	var (
		past   recorded
		noted  = *result
		worker = make(chan struct{})
	)
	whole, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		defer close(worker)
		e.deployed(whole, result)
	}()
	reads, ctx := errgroup.WithContext(whole)
	if _, local := e.Environment.(Replacer); local {
		// The bookmark first, and nothing beside it: what someone writes after it was read is found
		// out by the comparison with it, what is read before it would not be.
		reads.SetLimit(1)
	}
	reads.Go(func() error {
		if len(noted.Applied) > 0 {
			return nil
		}
		return e.bookmark(ctx, &noted)
	})
	reads.Go(func() (err error) {
		past, err = readRecorded(ctx, e.Environment, e.Table, e.Rehearse != nil || e.Replay != nil)
		return err
	})
	err := reads.Wait()
	if err != nil {
		cancel()
	}
	<-worker
	result.Bookmark, result.bookmarkAt = noted.Bookmark, noted.bookmarkAt
	if err != nil {
		return past, err
	}
	// Another run may have taken back what this one applied before it planned anew.
	result.Applied = slices.DeleteFunc(result.Applied, func(m Migration) bool { return !past.applied(m.Name) })
	result.seen = map[string]bool{}
	for _, j := range past.journal {
		result.seen[j.Run] = true
	}
	result.expected = past.planned()
	if !e.Journal {
		past.journal = nil
	}
	result.Last = past.last()
	return past, nil
}

// bookmark reads the state of now as the one before the run.
func (e *Engine) bookmark(ctx context.Context, result *Result) error {
	at := e.Now()
	bookmark, err := e.Environment.Bookmark(ctx, time.Time{})
	if err != nil {
		return err
	}
	known := bookmark == result.Bookmark
	result.Bookmark, result.bookmarkAt = bookmark, at
	if e.OnBookmark != nil && !known {
		return e.OnBookmark(bookmark)
	}
	return nil
}

// deployed notes the Worker's version. Not being able to read it stops nothing.
func (e *Engine) deployed(ctx context.Context, result *Result) {
	if e.Worker == nil || result.workerAsked {
		return
	}
	result.workerAsked = true
	deployment, err := e.Worker.Deployed(ctx)
	switch {
	case err == nil:
		result.WorkerVersion = deployment.Version
		if !deployment.only(deployment.Version) {
			result.Warnings = append(result.Warnings, fmt.Sprintf("the Worker is being deployed gradually: version %s, which serves %.4g %% of the requests, counts as deployed", deployment.Version, deployment.Percent))
		}
	case ctx.Err() == nil:
		result.Warnings = append(result.Warnings, fmt.Sprintf("the Worker's deployed version is not recorded: %v", err))
	}
}

func (e *Engine) heldProblem(held []string) *Problem {
	return &Problem{Kind: Refused, Held: true, State: stateUntouched,
		Err: fmt.Errorf("a restore undid %s, and nothing has changed since: held, so that the same migration does not do the same damage again", strings.Join(held, ", ")),
		Next: "either fix the file (or delete it): the hold ends by itself, and other environments that applied the old content have to be restored too; " +
			"or add the fix as a new migration, and apply both: " + cmp.Or(e.ReleaseCommand, "d1-rewind migrate --release-hold")}
}

// batch is one transaction: for each migration its ledger row first, then its statements;
// the journal row behind them, in pieces where it is long. A rival run trips over the
// ledger's UNIQUE name before any statement of the migration runs, and the journal row
// proves that all of them did.
func (e *Engine) batch(group []Migration, result *Result, release bool) Batch {
	batch := Batch{Planned: result.Bookmark, Statements: []BatchStatement{createLedger(e.Table)}}
	entry := e.entry("migrate", result.Bookmark)
	entry.WorkerVersion = result.WorkerVersion
	for _, m := range group {
		batch.Statements = append(batch.Statements, insertLedger(e.Table, m.Name))
		for _, s := range m.Statements {
			batch.Statements = append(batch.Statements, BatchStatement{Query: Query{SQL: s.SQL}, Migration: m.Name, Line: s.Line})
		}
		if m.mentions(e.Table) {
			batch.Statements = append(batch.Statements, keepLedger(e.Table, m.Name))
		}
		entry.Migrations = append(entry.Migrations, File{m.Name, m.SHA256})
	}
	// A hold that is over has to be so for good: its files are about to be applied, and
	// then nothing shows any more that one of them has changed or gone.
	entry.SetsHold = release && len(result.Comparison.Held) > 0 || result.Comparison.HoldEnded != ""
	return e.journalled(batch, entry)
}

// journalled adds the journal row to a batch.
func (e *Engine) journalled(batch Batch, entry Entry) Batch {
	if e.Journal {
		batch.Statements = append(batch.Statements, journalStatements(entry)...)
		batch.Run = entry.Run
	}
	return batch
}

func (e *Engine) entry(kind string, bookmark Bookmark) Entry {
	return Entry{Run: rand.Text(), Kind: kind, At: timestamp(e.Now()), Bookmark: bookmark, Origin: e.Origin}
}

func (e *Engine) rehearse(ctx context.Context, result *Result, plan []Migration) error {
	if e.Rehearse == nil {
		result.Rehearsal = Rehearsal{Reason: e.NoRehearsal}
		return nil
	}
	e.progress(fmt.Sprintf("rehearsing %s on a copy", Count(len(plan), "migration")))
	batch := e.batch(plan, result, false)
	var err error
	result.Rehearsal, err = e.Rehearse(ctx, Plan{Batch: batch, Migrations: plan, Schema: result.schema, Ledger: e.Table})
	result.Hazards = e.Hazards.apply(judged(append(result.Comparison.hazards(), result.Rehearsal.Hazards...), plan))
	if err == nil {
		return nil
	}
	if refused, ok := errors.AsType[*StatementError](err); ok {
		if refused.byRival(batch, e.Table) {
			past, err := readRecorded(ctx, e.Environment, e.Table, false)
			if err != nil {
				return err
			}
			if result.Rival = past.present(plan) > 0; result.Rival {
				return errRival
			}
		}
		p := e.locate(refused, batch, plan)
		p.State = "nothing was written: this happened on a copy, in the rehearsal"
		return p
	}
	return fmt.Errorf("rehearse on a copy: %w", err)
}

// drift compares the live schema with what the applied files produce.
func (e *Engine) drift(ctx context.Context, result *Result, files []Migration) error {
	if e.Replay == nil || e.Drift == Off {
		result.Drift = Drift{State: "unknown", Reason: DriftNotLookedFor}
		return nil
	}
	if gone := result.Comparison.Missing; len(gone) > 0 {
		result.Drift = Drift{State: "unknown", Reason: fmt.Sprintf("%s is applied, but its file is gone", strings.Join(gone, ", "))}
		return nil
	}
	var applied []Migration
	for _, name := range result.Comparison.Applied {
		applied = append(applied, files[slices.IndexFunc(files, func(m Migration) bool { return m.Name == name })])
	}
	result.Drift = e.Replay(ctx, result.schema, applied)
	return ctx.Err()
}

// guard refuses what the user does not want to happen.
func (e *Engine) guard(result *Result) error {
	if i := slices.IndexFunc(result.Hazards, func(h Hazard) bool { return h.Refuses }); i >= 0 {
		h := result.Hazards[i]
		return &Problem{Kind: Refused, Hazard: &h, File: h.File, Line: h.Line, State: stateUntouched, Err: fmt.Errorf("hazard %s: %s", h.Code, h.Message),
			Next: h.Advice + "; or, if it is meant, " + h.howToAllow()}
	}
	if why := result.Rehearsal.Reason; why != "" && e.Rehearse != nil && e.Hazards.NeedsRehearsal() {
		return &Problem{Kind: Refused, State: stateUntouched, Err: fmt.Errorf("hazards are to be refused, and whether there are any is not known: %s", why),
			Next: "fix that, or go on with what is known: --hazards warn"}
	}
	if drift := result.Drift.Summary(); drift != "" && e.Drift == Fail {
		return &Problem{Kind: Refused, State: stateUntouched, Err: errors.New(drift),
			Next: "write a migration that makes the difference, or take it back in the database; --drift warn goes on all the same"}
	}
	return nil
}

// errRival means that the ledger had the row already: someone else applied it.
var errRival = errors.New("another run applied the migration meanwhile")

// belong finds out, once, which pull request the run belongs to.
func (e *Engine) belong(ctx context.Context) {
	if e.PullRequest != nil {
		e.Origin.PullRequest, e.PullRequest = e.PullRequest(ctx), nil
	}
}

func (e *Engine) statusCommand() string { return cmp.Or(e.StatusCommand, "d1-rewind status") }

func (e *Engine) restoreCommand(to Bookmark) string {
	if e.RestoreCommand != nil {
		return e.RestoreCommand(to)
	}
	return "d1-rewind restore --bookmark " + string(to)
}

func (e *Engine) progress(line string) {
	if e.OnProgress != nil {
		e.OnProgress(line)
	}
}
