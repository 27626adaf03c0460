package migration

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// apply commits plan and finds out what happened where the answer does not say.
func (e *Engine) apply(ctx context.Context, result *Result, plan []Migration, planned Bookmark, o MigrateOptions) error {
	done := 0
	for i, group := range groups(plan, o) {
		result.NotRun = plan[done:]
		if err := ctx.Err(); err != nil {
			return err
		}
		step := *result // each transaction has its own way back
		if i > 0 || len(result.Applied) > 0 {
			step.bookmarkAt = e.Now()
			b, err := e.Environment.Bookmark(ctx, time.Time{})
			if err == nil {
				err = e.undisturbed(ctx, result)
			}
			if err != nil {
				if p, ok := errors.AsType[*Problem](err); ok {
					p.State = e.stateAfter(result) // the environment knows of this reading only
				}
				return err
			}
			step.Bookmark, planned = b, b
		}
		e.progress("applying " + group[0].Name + more(len(group)-1))
		batch := e.batch(group, &step, o.ReleaseHold).ifUnchanged(result.expected, e.Table, 1)
		batch.Planned = planned
		if err := e.commit(ctx, batch, step.bookmarkAt, group, result); err != nil {
			return err
		}
		result.seen[batch.Run] = true
		result.expected = expected{rows: -1, last: group[len(group)-1].Name} // the migrations may have changed other rows
		if batch.Run != "" {
			result.expected.journal, result.expected.run = journalEnds, batch.Run
		}
		done += len(group)
		result.Applied = append(result.Applied, group...)
		result.NotRun = plan[done:]
		if o.ReleaseHold {
			result.Comparison.Held = nil
		}
	}
	return nil
}

// undisturbed looks, behind a bookmark that was read in the middle of a run, whether someone
// else wrote before it was: the write would not be refused for that, and the plan be an old one.
// A remote environment can't compare bookmarks anyway.
func (e *Engine) undisturbed(ctx context.Context, result *Result) error {
	if _, local := e.Environment.(Replacer); !local {
		return nil
	}
	now, err := readRecorded(ctx, e.Environment, e.Table, false)
	if err != nil {
		return err
	}
	gone := func(m Migration) bool { return !now.applied(m.Name) }
	unknown := func(j Entry) bool { return !result.seen[j.Run] }
	if slices.ContainsFunc(result.Applied, gone) || e.Journal && slices.ContainsFunc(now.journal, unknown) {
		return errRival
	}
	return nil
}

// sends bounds how often one batch is sent: again only after the database has shown that
// it was not committed, and only for errors known to pass.
const sends = 4

// commit sends batch, whose bookmark was read at the given time, until it is known to be
// committed (nil) or known to have failed.
func (e *Engine) commit(ctx context.Context, batch Batch, bookmarkAt time.Time, group []Migration, result *Result) error {
	wait := time.Second
	for send := 1; ; send++ {
		cause := e.Environment.Apply(ctx, batch)
		if cause == nil {
			return nil
		}
		again, err := e.outcome(ctx, cause, batch, group, result, send > 1)
		if p, ok := errors.AsType[*Problem](err); ok && p.Kind == Unknown {
			result.Unclear = group
		}
		if !again || send == sends || ctx.Err() != nil {
			return err
		}
		unclear, _ := errors.AsType[*ApplyError](cause)
		pause := max(wait, unclear.After)
		wait *= 2
		e.progress(fmt.Sprintf("%v; the database shows that nothing was committed: sending again in %s", cause, pause.Round(time.Second)))
		if err := e.sleep(ctx, pause); err != nil {
			return err
		}
		if batch.Planned == "" || e.Now().Sub(bookmarkAt) <= freshness {
			continue
		}
		// The way back is to lead to the moment before the write, not before the wait.
		var now Bookmark
		bookmarkAt = e.Now()
		if len(result.Applied) == 0 {
			err = e.bookmark(ctx, result)
			now = result.Bookmark
		} else {
			now, err = e.Environment.Bookmark(ctx, time.Time{})
		}
		if err != nil {
			return err
		}
		batch = batch.rebased(now)
	}
}

func (e *Engine) sleep(ctx context.Context, d time.Duration) error {
	if e.Sleep != nil {
		return e.Sleep(ctx, d)
	}
	return Pause(ctx, d)
}

// Pause waits for d on the clock, or until ctx ends; the error is that of ctx.
func Pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// outcome turns the error of an Apply into what is true of the database; nil means that
// the batch was committed all the same. again tells that it was not, and that sending the
// same batch again makes sense; resent, that it was sent before.
func (e *Engine) outcome(ctx context.Context, cause error, batch Batch, group []Migration, result *Result, resent bool) (again bool, err error) {
	if errors.Is(cause, ErrMoved) {
		return false, cause
	}
	unclear, isUnclear := errors.AsType[*ApplyError](cause)
	refused, isRefused := errors.AsType[*StatementError](cause)
	if isRefused {
		defer func() {
			if p, ok := errors.AsType[*Problem](err); ok && strings.Contains(p.Err.Error(), refused.Text) {
				p.Computed = e.computed(refused)
			}
		}()
	}
	notApplied := func() error {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		p := &Problem{Err: cause, Next: "fix the cause and run again"}
		if isRefused {
			if refused.Index < 0 && e.Locate != nil {
				refused = e.Locate(ctx, batch, refused)
			}
			p = e.locate(refused, batch, group)
		} else if known, ok := errors.AsType[*Problem](cause); ok {
			whole := *known
			p = &whole
		}
		p.State = e.stateAfter(result)
		if isUnclear && !isRefused && (resent || !unclear.Untouched) { // it may have been late
			p.State += ", as far as the ledger shows"
			p.Next = strings.TrimPrefix(p.Next+"; ", "; ") + "running again is safe: nothing is applied twice"
		}
		return p
	}
	switch {
	case isRefused && !isUnclear && refused.byRival(batch, e.Table):
		result.Rival = true
		return false, errRival
	case isRefused && !isUnclear:
		return false, notApplied()
	case isUnclear && unclear.Untouched && !resent: // else an earlier sending may have been late
		return unclear.Transient, notApplied()
	}
	// The answer is lost or unclear: only the database can tell.
	asking, cancel := afterwards(ctx)
	defer cancel()
	e.progress("asking the database what it has committed")
	look := func() (recorded, error) {
		past, err := readRecorded(asking, e.Environment, e.Table, false)
		past.journal = slices.DeleteFunc(past.journal, func(j Entry) bool { return result.seen[j.Run] }) // what is older proves nothing
		return past, err
	}
	past, err := look()
	if err == nil && past.torn(group, batch.Run) {
		past, err = look()
	}
	if err == nil && len(group) > 0 {
		err = past.unsound
	}
	if err != nil {
		return false, &Problem{Kind: Unknown, Err: fmt.Errorf("%w; and then the ledger could not be read: %w", cause, err), State: "it is not known whether the run was committed",
			Next: fmt.Sprintf("look again when the database answers: %s (running again is safe: nothing is applied twice; the state before is %s)", e.statusCommand(), result.Bookmark)}
	}
	present, ours := past.present(group), past.has(batch.Run)
	switch {
	case ours && present == len(group):
		return false, nil
	case present == 0 && !ours && isRefused && refused.moved(batch, e.Table):
		result.Rival = true
		return false, errRival
	case present == 0 && !ours && isUnclear && unclear.Pending:
		return false, &Problem{Kind: Unknown, Err: errors.New("the run gave up while the write was under way: " + cause.Error()), State: "nothing of it is committed so far, but it may yet be",
			Next: fmt.Sprintf("look again in a minute: %s (running again is safe: nothing is applied twice; the state before is %s)", e.statusCommand(), result.Bookmark)}
	case present == 0 && !ours:
		return isUnclear && unclear.Transient, notApplied()
	case batch.Run == "" && present == len(group) && (resent || !isRefused): // without a journal the ledger alone judges
		return false, nil
	case isRefused && refused.byRival(batch, e.Table), past.journalled(group):
		result.Rival = true
		return false, errRival
	default:
		return false, &Problem{Kind: Unknown, Err: fmt.Errorf("%d of %d migrations of one transaction are in the ledger, but no run's journal row: %w", present, len(group), cause),
			State: "either the service did not keep the transaction whole, or another tool applied them at the same moment; nothing more was touched",
			Next:  "compare the schema with the files, or go back: " + e.restoreCommand(result.Bookmark)}
	}
}

// lastWords is how long a cancelled run still asks what it has done: a job that is
// cancelled has but a few seconds.
const lastWords = 5 * time.Second

// afterwards is the context for finding out what a write did. A cancelled run asks too,
// within its last words.
func afterwards(ctx context.Context) (context.Context, context.CancelFunc) {
	asking, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(lastWords, cancel) })
	return asking, func() { stop(); cancel() }
}

// byRival reports whether the statement was refused because someone has written since the run
// was planned: the ledger's UNIQUE name has the migration already, or see moved. Where the
// database did not say which statement it was, its words have to do.
func (e *StatementError) byRival(batch Batch, table string) bool {
	if e.moved(batch, table) {
		return true
	}
	if e.Index < 0 { // SQLite names the table as it was created, in whatever letters
		return strings.Contains(strings.ToLower(e.Text), strings.ToLower("UNIQUE constraint failed: "+table+".name"))
	}
	if e.Index >= len(batch.Statements) || !strings.Contains(e.Text, "UNIQUE constraint failed") {
		return false
	}
	s := batch.Statements[e.Index]
	return s.Migration == "" && len(s.Args) == 1 && strings.HasPrefix(s.SQL, "INSERT")
}

// moved reports whether the batch was refused because ledger or journal are not as planned, or not
// there any more.
func (e *StatementError) moved(batch Batch, table string) bool {
	if e.Index >= 0 {
		return e.Index < len(batch.Statements) && batch.Statements[e.Index].Unchanged
	}
	return strings.Contains(e.Text, movedMark) || missingTable(e, JournalTable) || missingTable(e, table)
}

func (e *Engine) stateAfter(result *Result) string {
	if len(result.Applied) == 0 && result.Rival {
		return "nothing of this run was applied; what another run did meanwhile is kept"
	}
	if len(result.Applied) == 0 {
		return "nothing of this run was applied; the database is as it was before"
	}
	return fmt.Sprintf("applied before that and kept: %s; nothing of the failed migration was kept", strings.Join(names(result.Applied), ", "))
}

// locate names file, line and statement of what the database refused.
func (e *Engine) locate(refused *StatementError, batch Batch, plan []Migration) *Problem {
	p := &Problem{Err: refused, Next: "fix the statement and run again"}
	p.Computed = e.computed(refused)
	if strings.Contains(refused.Text, " already exists") {
		p.Next += "; if the database had its tables before its first migration here, record what is there: " + cmp.Or(e.BaselineCommand, "d1-rewind baseline")
	}
	if refused.Index < 0 || refused.Index >= len(batch.Statements) {
		if len(plan) == 1 {
			p.File = plan[0].Name
		} else if len(plan) > 1 {
			p.Err = fmt.Errorf("in one of %s to %s: %w", plan[0].Name, plan[len(plan)-1].Name, refused)
		}
		return p
	}
	s := batch.Statements[refused.Index]
	if s.Migration == "" && refused.byRival(batch, e.Table) {
		p.Err = fmt.Errorf("record %s as applied: a migration before it in the same run has done so already: %w", text(s.Args[0]), refused)
		p.Next = "leave the ledger to the tool, or apply them one by one (--transaction migration)"
		return p
	}
	if s.Migration == "" {
		p.Err = fmt.Errorf("write ledger and journal: %w", refused)
		p.Next = "look at the tables' definitions; both are created by this tool or by wrangler"
		return p
	}
	p.File, p.Line, p.SQL = s.Migration, s.Line, s.SQL
	if refused.Offset > 0 && refused.Offset <= len(s.SQL) {
		p.Line += strings.Count(s.SQL[:refused.Offset], "\n")
	}
	for _, m := range plan {
		if m.Name != s.Migration {
			continue
		}
		for i, own := range m.Statements {
			if own.Line == s.Line && own.SQL == s.SQL {
				p.Err = fmt.Errorf("statement %d of %d: %w", i+1, len(m.Statements), refused)
				return p
			}
		}
	}
	return p
}
