package rehearsal

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/d1-rewind/d1-rewind/internal/migration"
	"github.com/d1-rewind/d1-rewind/internal/sqlite"
	"github.com/d1-rewind/d1-rewind/internal/statement"
)

// Replay compares the live schema with what the applied migrations produce on an empty
// database, leaving out the tables named in except and what SQLite and D1 keep for themselves.
// The differences lead from the files to the database: what is added is only in the database.
// It does what migration.Engine wants of its Replay.
func Replay(ctx context.Context, live migration.Schema, applied []migration.Migration, except ...string) migration.Drift {
	unknown := func(format string, args ...any) migration.Drift {
		return migration.Drift{State: "unknown", Reason: fmt.Sprintf(format, args...)}
	}
	var database model
	var unloadable error
	loaded := make(chan struct{})
	go func() { // beside the replay, which takes longer
		defer close(loaded)
		database, unloadable = built(ctx, live, except)
	}()
	files, err := replayed(ctx, applied, except)
	<-loaded
	if stop, ok := errors.AsType[*stopped](err); ok {
		return unknown("the replay on an empty database stops at %s:%d: %v; the files alone do not make this database: "+
			"a table may have been made elsewhere, or an applied file edited, removed or renamed since", stop.file, stop.line, stop.refusal)
	} else if err != nil {
		return unknown("the files could not be replayed on an empty database: %v", err)
	}
	if unloadable != nil {
		return unknown("the database's schema can't be loaded here: %v", unloadable)
	}
	drift := migration.Drift{State: "false"}
	if drift.Differences, drift.Cosmetic = files.diff(database); len(drift.Differences) > 0 {
		drift.State = "true"
	}
	return drift
}

// Prove returns nil if the migrations produce the schema of env on an empty database. The error
// says what differs, or why that can't be told.
func Prove(ctx context.Context, env migration.Environment, migrations []migration.Migration, except ...string) error {
	objects, err := liveSchema(ctx, env)
	if err != nil {
		return err
	}
	drift := Replay(ctx, objects, migrations, except...)
	if drift.State == "unknown" {
		return errors.New(drift.Reason)
	}
	var differences []string
	for _, c := range drift.Differences {
		said := fmt.Sprintf("%s %q", c.Kind, c.Name)
		if c.Kind == "column" {
			said += fmt.Sprintf(" of %q", c.Table)
		}
		switch c.What {
		case "added":
			said += " is only in the database"
		case "removed":
			said += " is missing in the database"
		default:
			said += " is defined differently"
			if c.Detail != "" {
				said += " (files → database: " + c.Detail + ")"
			}
		}
		differences = append(differences, said)
	}
	if len(differences) > 0 {
		return errors.New(strings.Join(differences, "; "))
	}
	return nil
}

// liveSchema reads the schema of env.
func liveSchema(ctx context.Context, env migration.Environment) (migration.Schema, error) {
	rows, err := env.Read(ctx, migration.SchemaQuery)
	if err != nil {
		return nil, err
	}
	return migration.ParseSchema(rows[0])
}

// built is the model of a schema.
func built(ctx context.Context, schema migration.Schema, except []string) (model, error) {
	scratch, err := sqlite.NewScratch(ctx, "")
	if err != nil {
		return model{}, err
	}
	defer scratch.Close()
	schema = slices.DeleteFunc(slices.Clone(schema), func(o migration.Object) bool {
		return slices.ContainsFunc(except, func(name string) bool { return fold(name) == fold(o.Table) })
	})
	if err := scratch.Build(ctx, schema); err != nil {
		return model{}, err
	}
	return readModel(outside(ctx, scratch), except...)
}

// outside reads a database outside of a trial.
func outside(ctx context.Context, env migration.Environment) reader {
	return func(sql string, args ...any) (migration.Rows, error) {
		rows, err := env.Read(ctx, migration.Query{SQL: sql, Args: args})
		if err != nil {
			return migration.Rows{}, err
		}
		return rows[0], rows[0].Err
	}
}

// stopped says where a replay ended.
type stopped struct {
	file    string
	line    int
	refusal *migration.StatementError
}

func (s *stopped) Error() string { return fmt.Sprintf("%s:%d: %v", s.file, s.line, s.refusal) }

// aboutRows begin the statements that are left out of a replay. It is the schema that is asked
// for, and the rows that the files write are not those that the database had at the time: they
// would only be in the way, and take their time.
var aboutRows = []string{"insert", "replace", "update", "delete", "with", "select", "values"}

// replayed is the model of what migrations produce on an empty database.
func replayed(ctx context.Context, migrations []migration.Migration, except []string) (model, error) {
	scratch, err := sqlite.NewScratch(ctx, "")
	if err != nil {
		return model{}, err
	}
	defer scratch.Close()
	r := &replaying{except: except}
	for _, m := range migrations {
		for _, s := range m.Statements {
			first := statement.Normalize(s.SQL)[0]
			if slices.Contains([]string{"begin", "commit", "end"}, first) {
				continue // wrangler takes them out where it applies a file to the local database
			}
			if !slices.Contains(aboutRows, first) {
				r.batch.Statements = append(r.batch.Statements, migration.BatchStatement{Query: migration.Query{SQL: s.SQL}, Migration: m.Name, Line: s.Line})
			}
		}
	}
	err = scratch.Try(ctx, r.batch, r)
	return r.model, err
}

// replaying is a sqlite.Watch that reads the schema at the end.
type replaying struct {
	batch  migration.Batch
	except []string
	model  model
}

func (r *replaying) Before(*sqlite.Look, *sqlite.Trial) error { return nil }

func (r *replaying) After(look *sqlite.Look, trial *sqlite.Trial) error {
	s := r.batch.Statements[trial.Index]
	if trial.Refusal != nil && !trial.Deferred {
		if !r.leftOut(trial.Refusal) {
			return &stopped{s.Migration, s.Line, trial.Refusal}
		}
	}
	if trial.Index+1 == len(r.batch.Statements) || r.batch.Statements[trial.Index+1].Migration != s.Migration {
		// As the end of a transaction does; what it violated is a matter of rows.
		return look.Exec("PRAGMA defer_foreign_keys = OFF")
	}
	return nil
}

// leftOut reports whether a statement was refused for the want of a table that is left out: the
// ledger is there before its first migration.
func (r *replaying) leftOut(refusal *migration.StatementError) bool {
	_, name, found := strings.Cut(refusal.Text, "no such table: ")
	name, _, _ = strings.Cut(name, ": SQLITE_")
	name, _, _ = strings.Cut(name, " at offset ")
	return found && slices.ContainsFunc(r.except, func(s string) bool { return fold(s) == fold(strings.TrimPrefix(name, "main.")) })
}

func (r *replaying) End(look *sqlite.Look) (err error) {
	r.model, err = readModel(look.Query, r.except...)
	return err
}
