package rehearsal

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/d1-rewind/d1-rewind/internal/migration"
	"github.com/d1-rewind/d1-rewind/internal/sqlite"
)

// explored is what a first run on empty tables shows.
type explored struct {
	touched  []string     // tables that the statements read or write, directly or not
	refused  map[int]bool // statements that need rows, or are wrong whatever the rows
	hopeless bool         // a statement does not even compile: rows would change nothing
	slow     bool         // the statements did not come to an end
}

// explore runs a plan on empty tables.
func explore(ctx context.Context, empty *sqlite.Scratch, plan migration.Plan, limit time.Duration) (explored, error) {
	e := &explorer{plan: plan, explored: explored{refused: map[int]bool{}}}
	bounded, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	err := empty.Try(bounded, plan.Batch, e)
	if err != nil && ctx.Err() != nil {
		return e.explored, ctx.Err()
	}
	e.slow = err != nil && bounded.Err() != nil
	e.hopeless = e.hopeless || err != nil // try comes to the same end, and words it
	return e.explored, nil
}

type explorer struct {
	plan migration.Plan
	explored
}

func (e *explorer) Before(*sqlite.Look, *sqlite.Trial) error { return nil }

func (e *explorer) After(l *sqlite.Look, s *sqlite.Trial) error {
	if e.plan.Batch.Statements[s.Index].Migration == "" {
		return nil
	}
	for _, event := range s.Events {
		switch event.Action {
		case sqlite.CreateIndex:
			e.touch(event.Detail)
		case sqlite.Read, sqlite.Insert, sqlite.Update, sqlite.Delete, sqlite.AlterTable, sqlite.DropTable:
			e.touch(event.Object)
		}
	}
	if s.Refusal == nil {
		return nil
	}
	e.refused[s.Index] = true
	if !s.Compiles || !strings.Contains(s.Refusal.Text, "SQLITE_CONSTRAINT") && !strings.Contains(s.Refusal.Text, "SQLITE_MISMATCH") {
		e.hopeless = true
		return s.Refusal
	}
	if s.Deferred {
		return l.Exec("PRAGMA defer_foreign_keys = OFF") // forgets the violations
	}
	return nil
}

func (e *explorer) End(*sqlite.Look) error { return nil }

// touch notes a table of the live database.
func (e *explorer) touch(table string) {
	if fold(table) == fold(e.plan.Ledger) || fold(table) == fold(migration.JournalTable) {
		return
	}
	live := slices.ContainsFunc(e.plan.Schema, func(o migration.Object) bool { return o.Type == "table" && fold(o.Name) == fold(table) })
	if live && !containsName(e.touched, table) {
		e.touched = append(e.touched, table)
	}
}
