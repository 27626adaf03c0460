// Package rehearsal runs a plan on an embedded copy of a database, so that what would
// fail fails there first.
package rehearsal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/d1-rewind/d1-rewind/internal/migration"
	"github.com/d1-rewind/d1-rewind/internal/sqlite"
	"github.com/d1-rewind/d1-rewind/internal/statement"
)

// Options are how a plan is rehearsed.
type Options struct {
	Rows   bool  // on all rows, and not on one of each table that is touched
	Import bool  // the run goes to D1's import endpoint
	Limit  int64 // of the bytes that are copied
	// Size asks how large a remote database is, in bytes; nil, or 0: that is found out by copying.
	Size     func(context.Context) (int64, error)
	Progress func(string)
	Patience time.Duration // for the migrations' statements; 0: two minutes

	witness string // what knows of rows that the copy does not have; "": rehearse: data
}

// What knows of rows that were asked for and are not on the copy.
const (
	ofLimit   = "a higher rehearse-limit"
	ofCopy    = "a copy of all rows"
	ofNothing = "a query on the database"
)

// Local returns a rehearsal on a copy of a local database, rows included, as migration.Engine
// wants it. Of a database of more than o.Limit bytes only one row of each table is copied.
func Local(d *sqlite.Database, o Options) func(context.Context, migration.Plan) (migration.Rehearsal, error) {
	return func(ctx context.Context, plan migration.Plan) (migration.Rehearsal, error) {
		copied, size, err := d.Copy(ctx, o.Limit)
		if failed, ok := errors.AsType[sqlite.CopyError](err); ok {
			return withoutRows(ctx, d, plan, o, failed)
		}
		if err != nil {
			return migration.Rehearsal{Reason: "the database could not be copied"}, err
		}
		if copied == nil {
			o.witness = ofLimit
			r, err := onSample(ctx, d, plan, o)
			r.Gaps = append(r.Gaps, fmt.Sprintf("the rows: the database has %s, more than rehearse-limit (%s)", migration.Size(size), migration.Size(o.Limit)))
			return r, err
		}
		defer copied.Close()
		r, err := try(ctx, copied, plan, facts{complete: true}, o)
		r.Rows = "all"
		return r, err
	}
}

// Remote returns a rehearsal of plans for env on an embedded database, as migration.Engine
// wants it.
func Remote(env migration.Environment, o Options) func(context.Context, migration.Plan) (migration.Rehearsal, error) {
	return func(ctx context.Context, plan migration.Plan) (migration.Rehearsal, error) {
		if o.Rows {
			return onRows(ctx, env, plan, o)
		}
		return onSample(ctx, env, plan, o)
	}
}

// onRows rehearses on all rows, or on those of the tables concerned where all are too many.
func onRows(ctx context.Context, env migration.Environment, plan migration.Plan, o Options) (migration.Rehearsal, error) {
	var size int64
	if o.Size != nil {
		var err error
		if size, err = o.Size(ctx); err != nil {
			return migration.Rehearsal{}, err
		}
	}
	rows := "all"
	copied, result, err := copyData(ctx, env, plan.Schema, nil, size, o.Limit, o.Progress)
	if err == nil && result.over {
		o.Progress(fmt.Sprintf("the database has more than rehearse-limit (%s): copying only the tables concerned and their neighbours", migration.Size(o.Limit)))
		var tables []string
		rows = "some"
		if tables, err = concerned(ctx, plan, o); err == nil {
			copied, result, err = copyData(ctx, env, plan.Schema, tables, 0, o.Limit, o.Progress)
		}
	}
	switch problem, ok := errors.AsType[*migration.Problem](err); {
	case ctx.Err() != nil:
		return migration.Rehearsal{}, ctx.Err()
	case ok:
		return migration.Rehearsal{}, problem
	case err != nil:
		return withoutRows(ctx, env, plan, o, err)
	case result.over:
		o.witness = ofLimit
		r, err := onSample(ctx, env, plan, o)
		r.Gaps = append(r.Gaps, fmt.Sprintf("the rows: the tables concerned have more than rehearse-limit (%s)", migration.Size(o.Limit)))
		return r, err
	}
	defer copied.Close()
	o.witness = ofNothing
	known := facts{complete: len(result.partly) == 0, tables: map[string]fact{}}
	for _, table := range result.partly {
		known.tables[fold(table)] = fact{rest: true}
	}
	r, err := try(ctx, copied, plan, known, o)
	r.Rows, r.Gaps = rows, append(r.Gaps, result.gaps...)
	return r, err
}

// withoutRows rehearses on a sample, because a copy could not be made: a run that asked for all rows
// is not to go on with none.
func withoutRows(ctx context.Context, env migration.Environment, plan migration.Plan, o Options, why error) (migration.Rehearsal, error) {
	o.witness = ofCopy
	r, err := onSample(ctx, env, plan, o)
	if r.Reason == "" {
		r.Gaps = append(r.Gaps, fmt.Sprintf("the rows: the database could not be copied: %v", why))
	}
	return r, err
}

// concerned are the tables that a plan touches, and their neighbours by foreign key. Virtual
// tables are, too, wherever one of them is.
func concerned(ctx context.Context, plan migration.Plan, o Options) ([]string, error) {
	empty, err := sqlite.NewScratch(ctx, "")
	if err != nil {
		return nil, err
	}
	defer empty.Close()
	if err := empty.Build(ctx, plan.Schema); err != nil {
		return nil, err
	}
	first, err := explore(ctx, empty, plan, o.patience()/4)
	if err == nil && first.slow {
		err = errors.New("the statements take too long even on empty tables, so it is not known which tables they concern")
	}
	if err != nil {
		return nil, err
	}
	tables, err := describe(ctx, empty)
	if err != nil {
		return nil, err
	}
	touched := func(name string) bool { return containsName(first.touched, name) }
	wanted := slices.Clone(first.touched)
	for _, t := range tables {
		for _, f := range t.foreign {
			if touched(t.Name) && !touched(f.to) {
				wanted = append(wanted, f.to)
			}
			if touched(f.to) && !touched(t.Name) {
				wanted = append(wanted, t.Name)
			}
		}
	}
	slices.Sort(wanted)
	return slices.Compact(wanted), nil
}

func (o Options) patience() time.Duration { return cmp.Or(o.Patience, patience) }

// onSample rehearses on the live schema, with one real row of each table that the plan touches.
func onSample(ctx context.Context, env migration.Environment, plan migration.Plan, o Options) (migration.Rehearsal, error) {
	empty, err := sqlite.NewScratch(ctx, "")
	if err != nil {
		return migration.Rehearsal{}, err
	}
	defer empty.Close()
	if err := empty.Build(ctx, plan.Schema); err != nil {
		if ctx.Err() != nil {
			return migration.Rehearsal{}, ctx.Err()
		}
		return migration.Rehearsal{Reason: fmt.Sprintf("the live schema can't be loaded: %v", err)}, nil
	}
	first, err := explore(ctx, empty, plan, o.patience()/4)
	if err != nil {
		return migration.Rehearsal{}, err
	}
	o.Patience = o.patience() * 3 / 4 // what is endless is so on empty tables, too
	copied, known := empty, facts{empty: first.refused}
	var gaps []string
	if len(first.touched) > 0 && !first.hopeless {
		s, err := readSample(ctx, env, empty, first.touched)
		if err != nil {
			return migration.Rehearsal{}, err
		}
		known.tables, gaps = s.tables, s.gaps
		filled, err := sqlite.NewScratch(ctx, "")
		if err != nil {
			return migration.Rehearsal{}, err
		}
		defer filled.Close()
		err = filled.Fill(ctx, plan.Schema, s.load)
		if err != nil {
			if ctx.Err() != nil {
				return migration.Rehearsal{}, ctx.Err()
			}
			return migration.Rehearsal{Reason: fmt.Sprintf("the sample of the rows can't be loaded: %v", err)}, nil
		}
		reindex(ctx, filled, plan.Schema)
		copied = filled
	}
	if len(first.touched) > 0 {
		known.unknown(plan.Schema)
	}
	r, err := try(ctx, copied, plan, known, o)
	if first.slow && err == nil { // on the second run they came to one, but the time for a sample was gone
		gaps = append(gaps, "the rows: on empty tables alone the statements took more than a quarter of their time")
	}
	r.Rows, r.Gaps = "one", append(r.Gaps, gaps...)
	return r, err
}

// Locate finds the statement of batch that env refused without saying which: it is the
// one that an embedded database with env's schema, but without its rows, refuses in the
// same words. Where there is none it returns refused as it is.
func Locate(ctx context.Context, env migration.Environment, batch migration.Batch, refused *migration.StatementError) *migration.StatementError {
	objects, err := liveSchema(ctx, env)
	if err != nil {
		return refused
	}
	copied, err := sqlite.NewScratch(ctx, "")
	if err != nil {
		return refused
	}
	defer copied.Close()
	if err := copied.Build(ctx, objects); err != nil {
		return refused
	}
	found, ok := errors.AsType[*migration.StatementError](copied.Apply(ctx, batch.Anywhere()))
	if !ok || found.Index < 0 || ofForeignKey(found.Text) || strings.HasPrefix(found.Text, "NOT NULL constraint failed") {
		return refused // without rows the first statement that refers to one or looks one up is refused like that
	}
	located := &migration.StatementError{Index: found.Index, Offset: found.Offset, Text: refused.Text}
	words, transaction := strings.CutSuffix(found.Text, sqlite.TransactionHint)
	switch {
	case transaction && strings.HasPrefix(refused.Text, words): // the service says more
		located.Text += sqlite.TransactionHint
	case !sameWords(found.Text, refused.Text):
		return refused
	}
	return located
}

// sameWords compares two refusals up to the name of SQLite's code: the service does not
// always say it, nor the offset.
func sameWords(a, b string) bool {
	cut := func(s string) string {
		s, _, _ = strings.Cut(s, ": SQLITE_")
		s, _, _ = strings.Cut(s, " at offset ")
		return s
	}
	return cut(a) == cut(b)
}

// reindex lets the FTS5 tables of a sample index the rows that are there: their triggers take out
// of the index what they find in a row, and FTS5 calls an index damaged that never had it.
func reindex(ctx context.Context, m *sqlite.Scratch, schema migration.Schema) {
	for _, o := range schema {
		if o.Type == "table" && sqlite.IsVirtual(o.SQL) && slices.Contains(statement.Normalize(o.SQL), "fts5") {
			name := quoteName(o.Name)
			rebuild := migration.Query{SQL: "INSERT INTO " + name + "(" + name + ") VALUES ('rebuild')"}
			_ = m.Apply(ctx, migration.Batch{Statements: []migration.BatchStatement{{Query: rebuild}}}) // one without content refuses
		}
	}
}
