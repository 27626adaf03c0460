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

// patience is how long the statements of a run may take on a copy. D1 gives a request 30 s
// (https://developers.cloudflare.com/d1/platform/limits/), and an import more.
const patience = 2 * time.Minute

// facts is what is known about the rows of the live database.
type facts struct {
	complete bool            // the copy has all rows
	tables   map[string]fact // by folded name; of tables that the copy does not have whole
	empty    map[int]bool    // statements, by index, that are refused on empty tables, too
}

type fact struct {
	rows migration.Rowcount
	most int64 // about how many rows there are, where rows has only how many at least
	rest bool  // there are more rows than the copy has
}

// unknown notes of the tables of which nothing is known that they may have rows.
func (f *facts) unknown(schema migration.Schema) {
	if f.tables == nil {
		f.tables = map[string]fact{}
	}
	for _, o := range schema {
		if _, known := f.tables[fold(o.Name)]; o.Type == "table" && !known {
			f.tables[fold(o.Name)] = fact{rest: true}
		}
	}
}

// try runs a plan on a copy and tells what came of it. The error is a *migration.StatementError
// for what D1 would refuse.
func try(ctx context.Context, copied *sqlite.Scratch, plan migration.Plan, known facts, o Options) (migration.Rehearsal, error) {
	t := newTrial(ctx, plan, known, o)
	bounded, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	t.clock = clock{cancel: cancel, left: map[error]time.Duration{errEndless: o.patience(), errLooking: patience}}
	t.clock.turn(errLooking)
	err := copied.Try(bounded, plan.Batch, t)
	t.clock.stop()
	if ctx.Err() == nil && bounded.Err() != nil {
		if err = context.Cause(bounded); errors.Is(err, errEndless) {
			err = &migration.StatementError{Index: t.current, Offset: -1,
				Text: fmt.Sprintf("interrupted: the migrations ran for %s on the copy without coming to an end, and D1 gives a request 30 s", o.patience())}
		}
	}
	if errors.Is(err, errLeft) {
		err = nil
	}
	result := t.result()
	result.Ran = true
	if _, refused := errors.AsType[*migration.StatementError](err); err != nil && !refused && ctx.Err() == nil {
		// It is the rehearsal that failed, not the plan: a full disk, memory, a schema that is odd.
		result.Ran, result.Reason, err = false, fmt.Sprintf("the rehearsal could not go on: %v", err), nil
	}
	return result, err
}

// What ends a trial that takes too long: its statements, or what is asked between them, which says
// nothing about the statements.
var (
	errEndless = errors.New("the statements come to no end")
	errLooking = fmt.Errorf("looking at the rows between the statements took more than %s", patience)
)

// clock stops a trial when what it does has used up its time.
type clock struct {
	cancel context.CancelCauseFunc
	left   map[error]time.Duration
	what   error
	since  time.Time
	timer  *time.Timer
}

// turn begins to count the time of something else.
func (c *clock) turn(what error) {
	c.stop()
	c.what, c.since = what, time.Now()
	c.timer = time.AfterFunc(c.left[what], func() { c.cancel(what) })
}

func (c *clock) stop() {
	if c.timer != nil {
		c.timer.Stop()
		c.left[c.what] -= time.Since(c.since)
	}
}

// trial watches a plan run on a copy. Names of tables that are keys are folded.
type trial struct {
	ctx     context.Context // of the calls of Watch
	plan    migration.Plan
	imports bool // the run goes to the import endpoint
	facts   facts
	witness string // what knows of rows that the copy does not have
	clock   clock

	// How it was before anything ran.
	start       model
	liveColumns map[string][]string // by table, under their names now, without those that are gone
	objects     []migration.Object  // indexes and triggers
	broken      map[string]string   // what could not be read or written, and why
	orphans     map[string]int64    // rows whose foreign key leads nowhere, by table and parent

	// Where it is.
	look      *sqlite.Look // the same throughout
	current   int          // the statement that runs
	mark      mark         // what was counted before it
	violated  int64
	losses    []loss           // of this migration, that may be put back
	trust     map[string]trust // in what tables of the copy have
	concerned map[string]bool  // tables whose rows this migration changes
	// counts has the rows of children as they were counted last, by table and column; a seed of a
	// thousand REPLACEs would count them as often.
	counts map[string]map[string]int64
	losing map[string]string // by table and column, what counts the rows that a foreign key can change

	// What happened so far.
	origin     map[string]origin             // the tables that there are
	touched    map[string]string             // tables of the live database, by their names now
	before     map[string]migration.Rowcount // how many rows these had
	written    map[string]place              // tables by the statement that wrote to them last
	stored     map[string]string             // tables that got rows or values
	refilled   map[string]bool               // tables that got rows from one that the run made
	unjudged   map[string]bool               // tables whose new rows could not be judged
	dropped    map[string]bool               // indexes and triggers that a statement dropped by name
	made       map[string]place              // objects by the statement that made them
	gone       map[string]place              // tables, views and columns by the statement that removed or renamed them
	effects    map[string]*effect
	settled    []loss // of the migrations that are over
	drops      []removal
	renames    []removal
	views      []removal
	lastChange place           // of the schema
	doubts     map[string]bool // what was said not to be judged: once for a statement, once for all seeds of a table

	// How it is at the end, if the run came to it.
	ended bool
	end   model

	hazards  []migration.Hazard
	timings  []migration.Timing
	tables   []migration.Table
	estimate float64 // seconds
	gaps     []string
}

func newTrial(ctx context.Context, plan migration.Plan, known facts, o Options) *trial {
	return &trial{
		ctx:         ctx,
		plan:        plan,
		imports:     o.Import,
		facts:       known,
		witness:     cmp.Or(o.witness, "rehearse: data"),
		liveColumns: map[string][]string{},
		trust:       map[string]trust{},
		concerned:   map[string]bool{},
		counts:      map[string]map[string]int64{},
		losing:      map[string]string{},
		origin:      map[string]origin{},
		touched:     map[string]string{},
		before:      map[string]migration.Rowcount{},
		written:     map[string]place{},
		stored:      map[string]string{},
		refilled:    map[string]bool{},
		unjudged:    map[string]bool{},
		dropped:     map[string]bool{},
		made:        map[string]place{},
		gone:        map[string]place{},
		effects:     map[string]*effect{},
		doubts:      map[string]bool{},
	}
}

// place is a statement's file and line.
type place struct {
	file string
	line int
}

// effect is what foreign keys did to a table's rows.
type effect struct{ cascaded, nulled int64 }

// loss is rows of a table, or references from them, that a foreign key's action or a DELETE of all
// rows took.
type loss struct {
	hazard migration.Hazard
	table  string
	column string // of rows that lost their reference
	before int64  // rows, or references, on the copy
	back   bool   // the migration has put it back
	made   bool   // the run made the table
}

// mark is what was counted before a statement.
type mark struct {
	version     int64 // of the schema
	children    []child
	columns     []string           // of the table, where the statement alters it
	dropsColumn bool               // whether it may drop one
	values      map[string]int64   // of the table's columns, how many are not NULL
	rows        migration.Rowcount // of the table, where the statement drops it
	copied      int64              // and how many the copy has
	swept       int64              // rows on the copy, where the statement is about all of them
	arguments   bool               // whether a function has more than D1 documents
	violated    int64              // foreign keys that are violated and not yet checked
	alone       work               // what the statement does without foreign keys, where the copy lacks rows
}

func (t *trial) statement(index int) migration.BatchStatement { return t.plan.Batch.Statements[index] }

func (t *trial) at(index int) place {
	s := t.statement(index)
	return place{s.Migration, s.Line}
}

func (t *trial) add(code string, severity migration.Severity, at place, message, advice string) {
	if code == migration.CodeNotJudged && t.doubted(fmt.Sprint(at)) {
		return
	}
	t.hazards = append(t.hazards, migration.Hazard{Code: code, Severity: severity, File: at.file, Line: at.line, Message: message, Advice: advice})
}

// doubted reports whether there was such a doubt before, and notes it.
func (t *trial) doubted(what string) bool {
	before := t.doubts[what]
	t.doubts[what] = true
	return before
}

// own reports whether a table is the ledger or the journal.
func (t *trial) own(table string) bool {
	return fold(table) == fold(t.plan.Ledger) || fold(table) == fold(migration.JournalTable)
}

func system(table string) bool {
	lower := fold(table)
	return strings.HasPrefix(lower, "sqlite_") || strings.HasPrefix(lower, "pragma_")
}

// begin looks at the copy before anything ran.
func (t *trial) begin() (err error) {
	if t.start, err = readModel(t.look.Query, t.plan.Ledger, migration.JournalTable); err != nil {
		return err
	}
	tables, err := t.tableNames()
	if err != nil {
		return err
	}
	for key, name := range tables {
		t.origin[key] = origin{name: name, live: name}
	}
	columns, err := t.look.Query("SELECT l.name, x.name FROM pragma_table_list AS l, pragma_table_xinfo(l.name) AS x WHERE l.schema = 'main' AND l.type IN ('table', 'virtual')")
	if err != nil {
		return err
	}
	for _, v := range columns.Values {
		table := fold(fmt.Sprint(v[0]))
		t.liveColumns[table] = append(t.liveColumns[table], fmt.Sprint(v[1]))
	}
	if t.objects, err = t.belongings(); err != nil {
		return err
	}
	if t.broken, err = t.exercise(nil); err != nil {
		return err
	}
	t.orphans = t.violations()
	return t.beginTrust()
}

func (t *trial) texts(sql string, args ...any) ([]string, error) {
	rows, err := t.look.Query(sql, args...)
	var list []string
	for _, v := range rows.Values {
		list = append(list, fmt.Sprint(v[0]))
	}
	return list, err
}

func (t *trial) integer(sql string, args ...any) (int64, error) {
	rows, err := t.look.Query(sql, args...)
	if err != nil || len(rows.Values) == 0 {
		return 0, err
	}
	n, _ := rows.Values[0][0].(int64)
	return n, nil
}

// Before implements sqlite.Watch.
func (t *trial) Before(l *sqlite.Look, s *sqlite.Trial) (err error) {
	defer t.clock.turn(errEndless)
	t.look = l
	if s.Index == 0 {
		if err := t.begin(); err != nil {
			return err
		}
	}
	t.current, t.mark = s.Index, mark{}
	if t.statement(s.Index).Migration == "" {
		return nil
	}
	w := t.read(s)
	if w.schema {
		if t.mark.version, err = t.integer("PRAGMA schema_version"); err != nil {
			return err
		}
	}
	if sql := t.statement(s.Index).SQL; strings.Count(sql, ",") >= sqlite.RemoteArguments && w.compiles {
		err := t.look.WithinArguments(sql) // now: SQLite counts when it parses, and a trigger is parsed once
		t.mark.arguments = err != nil && strings.Contains(err.Error(), "too many arguments")
	}
	t.mark.violated = t.violated // SQLite obeys some PRAGMAs when it compiles them
	if !t.facts.complete {
		alone := sqlite.Trial{}
		if alone.Events, err = t.look.Alone(t.statement(s.Index).SQL); err == nil {
			alone.Compiles = true
			t.mark.alone = t.read(&alone)
		}
	}
	if w.drops && w.target != "" {
		t.mark.rows = t.rowsOf(w.target)
		t.mark.copied, _ = t.integer("SELECT count(*) FROM " + quoteName(w.target)) // not every virtual table can be counted
		if err := t.values(w.target); err != nil {
			return err
		}
	}
	if _, all := statement.Sweeping(t.statement(s.Index).SQL); all && t.live(w.target) != "" { // and not a view, which may be endless
		t.mark.swept, _ = t.integer("SELECT count(*) FROM " + quoteName(w.target))
	}
	for _, table := range w.touched {
		t.count(table)
	}
	for _, c := range w.children {
		key := fold(c.table)
		n, known := t.counts[key][c.column]
		if !known {
			if n, err = t.integer(t.counting(c.table, c.column)); err != nil {
				continue // it is a view, or there is no such table; the statement will say so
			}
			if t.counts[key] == nil {
				t.counts[key] = map[string]int64{}
			}
			t.counts[key][c.column] = n
		}
		c.count = n
		t.mark.children = append(t.mark.children, c)
	}
	if w.alters {
		return t.beforeAlter(w.target)
	}
	return nil
}

// counting is a query for the rows of a child, or for those of its references that are not what a
// foreign key can make of them: NULL, or the default.
func (t *trial) counting(table, column string) string {
	if column == "" {
		return "SELECT count(*) FROM " + quoteName(table)
	}
	key := fold(table + "\x00" + column)
	if sql, known := t.losing[key]; known {
		return sql
	}
	sql := "SELECT count(" + quoteName(column) + ") FROM " + quoteName(table)
	defaults, err := t.texts(`SELECT x.dflt_value FROM pragma_table_xinfo(?1) AS x, pragma_foreign_key_list(?1) AS f
 WHERE lower(x.name) = lower(?2) AND lower(f."from") = lower(?2) AND 'SET DEFAULT' IN (f.on_delete, f.on_update) AND x.dflt_value IS NOT NULL`, table, column)
	if err == nil && len(defaults) > 0 {
		sql = "SELECT count(*) FROM " + quoteName(table) + " WHERE " + quoteName(column) + " IS NOT (" + defaults[0] + ")" // SQLite's own text
	}
	t.losing[key] = sql
	return sql
}

// count notes how many rows a table has, the first time that the run touches it.
func (t *trial) count(table string) {
	key := fold(table)
	if _, known := t.before[key]; known || t.own(table) || system(table) {
		return
	}
	live := t.live(table)
	if live == "" {
		return
	}
	if f, ok := t.facts.tables[fold(live)]; ok {
		t.before[key], t.touched[key] = f.rows, t.named(table)
		return
	}
	t.touched[key] = t.named(table)
	n, err := t.integer("SELECT count(*) FROM " + quoteName(table))
	if err != nil {
		return // a virtual table without rows to count
	}
	t.before[key] = migration.Rowcount{Rows: n, Known: true}
}

// rowsOf are the rows that a table of the live database had before the run.
func (t *trial) rowsOf(table string) migration.Rowcount {
	if f, ok := t.facts.tables[fold(t.live(table))]; ok {
		return f.rows
	}
	n, err := t.integer("SELECT count(*) FROM " + quoteName(table))
	return migration.Rowcount{Rows: n, Known: err == nil}
}

// beforeAlter looks at the columns of a table, one of which may go with its values.
func (t *trial) beforeAlter(table string) (err error) {
	if t.mark.columns, err = t.columns(table); err != nil {
		return err
	}
	words := statement.Normalize(t.statement(t.current).SQL)
	t.mark.dropsColumn = slices.Contains(words, "drop")
	if t.mark.dropsColumn {
		return t.values(table)
	}
	return nil
}

// values counts what each column of a table has beside NULL.
func (t *trial) values(table string) error {
	t.mark.values = map[string]int64{}
	live := t.live(table)
	if _, sampled := t.facts.tables[fold(live)]; sampled || live == "" {
		return nil
	}
	columns, err := t.columns(table)
	if err != nil {
		return err
	}
	for group := range slices.Chunk(columns, 50) { // more would be too many for one result
		var counts []string
		for _, c := range group {
			counts = append(counts, "count("+quoteName(c)+")")
		}
		rows, err := t.look.Query("SELECT " + strings.Join(counts, ", ") + " FROM " + quoteName(table))
		if err != nil {
			return nil // a virtual table that can't be read
		}
		for i, c := range group {
			t.mark.values[c], _ = rows.Values[0][i].(int64)
		}
	}
	return nil
}

func (t *trial) columns(table string) ([]string, error) {
	return t.texts("SELECT name FROM pragma_table_xinfo(?)", table)
}

// After implements sqlite.Watch.
func (t *trial) After(_ *sqlite.Look, s *sqlite.Trial) error {
	t.clock.turn(errLooking)
	b := t.statement(s.Index)
	if b.Migration == "" {
		if s.Refusal != nil {
			return s.Refusal
		}
		return nil
	}
	w := t.read(s)
	t.recount(s, w)
	for _, table := range w.touched {
		t.concerned[fold(table)] = true
	}
	if s.Refusal == nil || s.Deferred {
		t.writes(w, t.at(s.Index), t.statement(s.Index).SQL)
	}
	if s.Refusal != nil {
		if err := t.refused(s, w); err != nil {
			return err
		}
	}
	t.timings = append(t.timings, migration.Timing{File: b.Migration, Line: b.Line, Took: s.Took, Rows: s.Answer.Changes})
	if s.Refusal == nil || s.Deferred {
		if err := t.took(s, w); err != nil {
			return err
		}
	}
	var err error
	if t.violated, err = t.look.Violated(); err != nil {
		return err
	}
	if last := s.Index+1 == len(t.plan.Batch.Statements) || t.statement(s.Index+1).Migration != b.Migration; last {
		clear(t.concerned)
		t.settle()
	}
	return nil
}

// recount keeps the counts of children up to date.
func (t *trial) recount(s *sqlite.Trial, w work) {
	acted := s.Answer.Changes > 1 || w.drops || !w.replaces && !w.deletes
	var one *child
	if len(w.children) == 1 && len(t.mark.children) == 1 && s.Refusal == nil && !w.drops && !w.triggers && len(w.updates) == 0 {
		one = &t.mark.children[0]
	}
	for _, table := range w.touched {
		switch key := fold(table); {
		case fold(table) == fold(w.target):
			delete(t.counts, key)
		case one != nil && fold(one.table) == fold(table) && !strings.Contains(t.counting(one.table, one.column), " WHERE "):
			t.counts[key] = map[string]int64{one.column: one.count - (s.Answer.Changes - s.Answer.Own)} // SQLite has counted
		case acted:
			delete(t.counts, key)
		}
	}
}

// writes notes what a statement that was taken did to tables.
func (t *trial) writes(w work, at place, sql string) {
	for _, table := range w.touched {
		t.written[fold(table)] = at
	}
	for _, table := range w.stores {
		for source := range w.looks { // a table of the run's own may have kept rows
			if t.there(source) && t.live(source) == "" {
				t.refilled[fold(table)] = true
			}
		}
		if !t.own(table) {
			t.stored[fold(table)] = table
		}
	}
	t.trusted(w, sql)
}

// count says a number of rows.
func count(r migration.Rowcount) string {
	switch {
	case !r.Known:
		return "an unknown number of rows"
	case r.More:
		return fmt.Sprintf("%d rows or more", r.Rows)
	default:
		return migration.Count(int(r.Rows), "row")
	}
}

// result is what was found, as far as the run came.
func (t *trial) result() migration.Rehearsal {
	return migration.Rehearsal{Hazards: t.hazards, Tables: t.tables, Changes: t.changes(), Timings: t.timings, Estimate: t.estimated(), Gaps: t.gaps, Picture: t.picture()}
}

// quoteName quotes an identifier for SQLite.
func quoteName(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }
