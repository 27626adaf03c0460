package migration

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// Baseline records the migrations up to and including to as applied without running
// them. prove says whether the live schema is what those that are then applied produce; its
// error is shown.
func (e *Engine) Baseline(ctx context.Context, to string, force bool, prove func(context.Context, []Migration) error) (Result, error) {
	result := Result{Status: Failure}
	for range attempts {
		plan, err := e.plan(ctx, &result, MigrateOptions{To: to, ReleaseHold: true})
		result.NotRun = plan
		if err != nil {
			return result.Settle(err)
		}
		if len(plan) == 0 {
			result.Status = UpToDate
			return result, nil
		}
		planned := result.Bookmark // what follows takes its time
		if !force {
			if err := e.proven(ctx, &result, plan, prove); err != nil {
				return result.Settle(err)
			}
		}
		e.belong(ctx)
		if e.Now().Sub(result.bookmarkAt) > freshness {
			if err := e.bookmark(ctx, &result); err != nil {
				return result.Settle(err)
			}
		}
		entry := e.entry("baseline", result.Bookmark)
		entry.SetsHold = result.Comparison.HoldEnded != "" // for good, as in a migrate
		batch := Batch{Planned: planned, Statements: []BatchStatement{createLedger(e.Table)}}
		for _, m := range plan {
			batch.Statements = append(batch.Statements, insertLedger(e.Table, m.Name))
			entry.Migrations = append(entry.Migrations, File{m.Name, m.SHA256})
		}
		batch = batch.ifUnchanged(result.expected, e.Table, 1)
		err = e.commit(ctx, e.journalled(batch, entry), result.bookmarkAt, plan, &result)
		if errors.Is(err, ErrMoved) || errors.Is(err, errRival) {
			continue
		}
		if err != nil {
			return result.Settle(err)
		}
		result.Status, result.Applied, result.NotRun = Baselined, plan, nil
		return result, nil
	}
	return result.Settle(&Problem{Err: ErrMoved, State: stateUntouched, Next: "stop what keeps writing to the database and run again"})
}

// proven replays what is applied and what is to be recorded as such.
func (e *Engine) proven(ctx context.Context, result *Result, plan []Migration, prove func(context.Context, []Migration) error) error {
	files, err := e.Directory.Read()
	if err != nil {
		return err
	}
	recorded := slices.Concat(result.Comparison.Applied, names(plan))
	files = slices.DeleteFunc(files, func(m Migration) bool { return !slices.Contains(recorded, m.Name) })
	e.progress("replaying the files on an empty copy")
	if err := prove(ctx, files); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return &Problem{Kind: Refused, State: stateUntouched,
			Err:  fmt.Errorf("the schema is not proven to be what the migrations produce: %w", err),
			Next: "name another migration with --to, fix the difference, or record them all the same with --force"}
	}
	return nil
}
