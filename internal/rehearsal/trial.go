package rehearsal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
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
	liveColumns map[string][]string
	objects     []migration.Object // indexes and triggers
	broken      map[string]string  // what could not be read or written, and why
	orphans     map[string]int64   // rows whose foreign key leads nowhere, by table and parent

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

// origin says where a table comes from.
type origin struct {
	name string // that it has now
	live string // that it has in the live database; "" if the run made it
}

// removal is a table of the live database that was dropped or renamed.
type removal struct {
	place
	live, to string // its name there; of a rename the new one
	rows     migration.Rowcount
	copied   int64            // rows on the copy
	values   map[string]int64 // of each column, how many are not NULL
}

// effect is what foreign keys did to a table's rows.
type effect struct{ cascaded, nulled int64 }

// loss is rows of a child table that a foreign key's action took.
type loss struct {
	place
	code     string
	severity migration.Severity
	table    string
	column   string // of rows that lost their reference
	before   int64  // rows, or references, on the copy
	hazard   migration.Hazard
	back     bool // the migration has put it back
	made     bool // the run made the table
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

// child is a table on which foreign keys act, without a statement that says so.
type child struct {
	table, column string // column: of references that are set to another value
	count         int64
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

// doubted tells whether there was such a doubt before, and notes it.
func (t *trial) doubted(what string) bool {
	before := t.doubts[what]
	t.doubts[what] = true
	return before
}

// own tells whether a table is the ledger or the journal.
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

// named returns a table's name as the schema writes it.
func (t *trial) named(table string) string {
	if o, there := t.origin[fold(table)]; there {
		return o.name
	}
	return table
}

// live returns the name that a table has in the live database, "" if it has none there.
func (t *trial) live(table string) string { return t.origin[fold(table)].live }

// there tells whether there is a table of that name now.
func (t *trial) there(table string) bool {
	_, there := t.origin[fold(table)]
	return there
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

// tableNames returns the names of the tables that there are by their folded names, but for those in
// which virtual ones keep their content: these come, go and change their names with them.
func (t *trial) tableNames() (map[string]string, error) {
	rows, err := t.look.Query("SELECT name, CASE rootpage WHEN 0 THEN sql END FROM sqlite_schema WHERE type = 'table'")
	names, hidden := map[string]string{}, map[string]bool{}
	for _, v := range rows.Values {
		name := text(v[0])
		if !system(name) {
			names[fold(name)] = name
		}
		for _, shadow := range shadows(name, text(v[1])) {
			hidden[shadow] = true
		}
	}
	maps.DeleteFunc(names, func(key, _ string) bool { return hidden[key] })
	return names, err
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

// errLeft ends a trial of which the rest can't be tried.
var errLeft = errors.New("the rest can't be tried")

// refused decides about a refusal: nil where it may be due to rows that the copy does not have.
func (t *trial) refused(s *sqlite.Trial, w work) error {
	if t.definite(s, w) {
		known := len(t.hazards)
		if t.explain(s, w); len(t.hazards) == known {
			t.refuses(s, w)
		}
		return s.Refusal
	}
	at, text := t.at(s.Index), s.Refusal.Text
	t.add(migration.CodeNotJudged, migration.SeverityInfo, at, "refused on the copy, which does not have all rows: "+w.said(text),
		t.witness+" knows; if it would be refused in D1, the whole run is, and nothing is written")
	for _, table := range w.stores {
		t.unjudged[fold(table)], t.written[fold(table)] = true, at
	}
	if s.Deferred {
		return t.look.Exec("PRAGMA defer_foreign_keys = OFF") // forgets the violations
	}
	for _, table := range append(w.touched, w.target) {
		t.distrust(table)
	}
	if t.look.Gone() {
		t.gaps = append(t.gaps, fmt.Sprintf("all behind %s:%d: on the copy that statement ended the transaction, which may be due to the rows that are missing there", at.file, at.line))
		return errLeft
	}
	on, err := t.integer("PRAGMA defer_foreign_keys")
	if err != nil {
		return err
	}
	if on == 0 && ofForeignKey(text) {
		// The rows that it writes are needed for what follows.
		if err := t.look.Exec("PRAGMA defer_foreign_keys = ON"); err != nil {
			return err
		}
		again := t.look.Exec(t.statement(s.Index).SQL)
		if err := t.look.Exec("PRAGMA defer_foreign_keys = OFF"); err != nil {
			return err
		}
		if again == nil && w.schema {
			return t.reshaped(s.Events, w, at, t.statement(s.Index).SQL)
		}
		if again == nil {
			return nil
		}
	}
	if w.schema {
		t.gaps = append(t.gaps, fmt.Sprintf("all behind %s:%d: on the copy that statement was refused, which may be due to the rows that are missing there", at.file, at.line))
		return errLeft
	}
	return nil
}

// said is what a refusal of the statement says but for words that may have been computed from rows.
func (w work) said(text string) string {
	if ofForeignKey(text) || strings.Contains(text, " constraint failed: ") && !strings.Contains(text, "SQLITE_CONSTRAINT_TRIGGER") {
		return text
	}
	if w.alters && (strings.HasPrefix(text, "error in ") || strings.HasPrefix(text, "Cannot add ")) { // and names follow
		return text
	}
	return "by a trigger or a check of its own"
}

func ofForeignKey(text string) bool { return strings.HasPrefix(text, "FOREIGN KEY constraint failed") }

// explain adds what the rows say about a refusal.
func (t *trial) explain(s *sqlite.Trial, w work) {
	at, text := t.at(s.Index), s.Refusal.Text
	names, isUnique := strings.CutPrefix(text, "UNIQUE constraint failed: ")
	names, _, _ = strings.Cut(names, ": SQLITE_")
	switch {
	case isUnique:
		message := "existing rows have the same values: " + names
		if table, columns, ok := t.columnsIn(names); ok && w.index != "" {
			if n, rows, err := t.duplicates(table, columns); err == nil && rows > 0 && t.facts.complete {
				message = fmt.Sprintf("%s of %s share %s: %s", migration.Count(int(rows), "row"), table, migration.Count(int(n), "value"), names)
			}
		}
		t.add(migration.CodeUniqueViolated, migration.SeverityError, at, message, "mend the rows first, in a migration of its own: decide which of them stays, and change or delete the others")
	case strings.HasPrefix(text, "NOT NULL constraint failed: "):
		names = strings.TrimPrefix(text, "NOT NULL constraint failed: ")
		names, _, _ = strings.Cut(names, ": SQLITE_")
		message := "rows without a value: " + names
		if _, columns, ok := t.columnsIn(names); ok && len(w.reads) > 0 && t.facts.complete {
			for table := range w.reads {
				if n, err := t.integer("SELECT count(*) FROM " + quoteName(table) + " WHERE " + quoteName(columns[0]) + " IS NULL"); err == nil && n > 0 {
					message = fmt.Sprintf("%s of %s have no %s", migration.Count(int(n), "row"), table, columns[0])
				}
			}
		}
		t.add(migration.CodeNotNullViolated, migration.SeverityError, at, message, "give these rows a value first: UPDATE … SET … WHERE … IS NULL, or coalesce(…) in the SELECT")
	case strings.HasPrefix(text, "Cannot add a NOT NULL column with default value NULL"):
		rows := t.rowsOf(w.target)
		t.add(migration.CodeNotNullViolated, migration.SeverityError, at, fmt.Sprintf("%s has %s, which would have no value", w.target, count(rows)),
			"add the column with a constant DEFAULT, or without NOT NULL, fill it, and let the Worker insist on a value")
	}
}

// refuses adds what D1 refuses whatever the rows, or because of rows that say no more. It has no
// words that may have been computed from them: these are for the error alone.
func (t *trial) refuses(s *sqlite.Trial, w work) {
	message, advice := w.said(s.Refusal.Text), "mend the statement; the error has D1's own words"
	if !s.Compiles { // then nothing was computed
		message = s.Refusal.Text
	}
	message, _, _ = strings.Cut(message, ": SQLITE_")
	switch {
	case strings.HasSuffix(s.Refusal.Text, sqlite.TransactionHint):
		message, advice = "it controls the transaction, and D1 runs every migration in one of its own", "remove the statement; a run commits as a whole or not at all without it"
	case strings.HasPrefix(s.Refusal.Text, "statement too long"):
		message, advice = "it is too long: D1 takes 100,000 bytes", "split it; several rows of an INSERT can be several statements"
	}
	t.add(migration.CodeRefused, migration.SeverityError, t.at(s.Index), "D1 refuses the statement: "+message, advice)
}

// columnsIn reads "t.a, t.b".
func (t *trial) columnsIn(names string) (table string, columns []string, ok bool) {
	for _, name := range strings.Split(names, ", ") {
		of, column, found := strings.Cut(name, ".")
		if !found || table != "" && of != table {
			return "", nil, false
		}
		table, columns = of, append(columns, column)
	}
	return table, columns, true
}

// duplicates counts the values that several rows share, and these rows.
func (t *trial) duplicates(table string, columns []string) (values, rows int64, err error) {
	var quoted, present []string
	for _, c := range columns {
		quoted, present = append(quoted, quoteName(c)), append(present, quoteName(c)+" IS NOT NULL")
	}
	answer, err := t.look.Query("SELECT count(*), coalesce(sum(n), 0) FROM (SELECT count(*) AS n FROM " + quoteName(table) + " WHERE " + strings.Join(present, " AND ") +
		" GROUP BY " + strings.Join(quoted, ", ") + " HAVING count(*) > 1)")
	if err != nil {
		return 0, 0, err
	}
	values, _ = answer.Values[0][0].(int64)
	rows, _ = answer.Values[0][1].(int64)
	return values, rows, nil
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

// work is what a statement does, as SQLite told the authorizer.
type work struct {
	compiles  bool
	schema    bool     // it makes, drops or alters something
	writes    bool     // rows of a table that it names
	deletes   bool     // these rows
	inTrigger []string // tables that its triggers delete from
	alters    bool
	drops     bool // a table
	index     string
	target    string              // the table that it is about
	stores    []string            // tables that get rows or other values, those of triggers included
	touched   []string            // every table whose rows change or may go
	children  []child             // on which foreign keys act
	updates   []string            // columns of the target that an UPDATE sets
	reads     map[string][]string // columns that are read, by table
	looks     map[string][]string // those of them that the statement itself reads, and not a trigger or view
	through   map[string][]string // tables that a trigger or view reads
	session   bool                // it calls a function that tells what statements before it did
	triggers  bool
	likes     bool
	replaces  bool
}

// read makes sense of the events of a statement. What it does itself comes before what it
// makes foreign keys do; neither is within a trigger.
func (t *trial) read(s *sqlite.Trial) work {
	w := work{compiles: s.Compiles, reads: map[string][]string{}, looks: map[string][]string{}, through: map[string][]string{}}
	gone := map[string][]string{} // tables that a trigger deletes from, by the trigger
	note := func(list *[]string, table string) {
		if !containsName(*list, table) {
			*list = append(*list, table)
		}
	}
	for _, e := range s.Events {
		if system(e.Object) && e.Action != sqlite.Pragma {
			continue
		}
		w.triggers = w.triggers || e.Inner != ""
		switch e.Action {
		case sqlite.AlterTable:
			w.schema, w.alters, w.target = true, true, e.Object
			note(&w.touched, e.Object)
		case sqlite.CreateTable, sqlite.CreateView, sqlite.DropView, sqlite.CreateVirt:
			w.schema = true
			if w.target == "" {
				w.target = e.Object
			}
		case sqlite.DropTable, sqlite.DropVirt:
			w.schema, w.drops = true, true
			if w.target == "" {
				w.target = e.Object
			}
			note(&w.touched, e.Object)
		case sqlite.CreateIndex:
			w.schema, w.index, w.target = true, e.Object, e.Detail
			note(&w.touched, e.Detail)
		case sqlite.DropIndex, sqlite.CreateTrig, sqlite.DropTrig:
			w.schema = true
			if w.target == "" {
				w.target = e.Detail
			}
		case sqlite.Insert:
			note(&w.touched, e.Object)
			note(&w.stores, e.Object)
			if e.Inner == "" {
				w.writes = true
				if w.target == "" {
					w.target = e.Object
				}
			}
		case sqlite.Delete:
			note(&w.touched, e.Object)
			switch {
			case e.Inner != "" && t.follows(e.Object, "", gone[e.Inner]):
				w.children = append(w.children, child{table: e.Object})
			case e.Inner != "":
				gone[e.Inner] = append(gone[e.Inner], e.Object)
			case w.target == "" || fold(w.target) == fold(e.Object) && !w.deletes:
				w.target, w.writes, w.deletes = e.Object, true, true
			case !slices.ContainsFunc(w.children, func(c child) bool { return c.column == "" && fold(c.table) == fold(e.Object) }):
				if fold(e.Object) != fold(w.target) || !w.drops && t.actsOnItself(e.Object) {
					w.children = append(w.children, child{table: e.Object})
				}
			}
		case sqlite.Update:
			note(&w.touched, e.Object)
			switch {
			case e.Inner != "" && t.follows(e.Object, e.Detail, gone[e.Inner]):
				w.children = append(w.children, child{table: e.Object, column: e.Detail})
			case e.Inner != "":
				note(&w.stores, e.Object)
			case w.target == "" || fold(w.target) == fold(e.Object):
				if w.target == "" || !w.drops {
					w.target, w.writes = e.Object, true
					note(&w.stores, e.Object)
					note(&w.updates, e.Detail)
				}
			case !slices.ContainsFunc(w.children, func(c child) bool { return fold(c.table) == fold(e.Object) && c.column == e.Detail }):
				w.children = append(w.children, child{table: e.Object, column: e.Detail})
			}
		case sqlite.Read:
			w.reads[e.Object] = append(w.reads[e.Object], e.Detail)
			if e.Inner == "" {
				w.looks[e.Object] = append(w.looks[e.Object], e.Detail)
			} else {
				w.through[e.Inner] = append(w.through[e.Inner], e.Object)
			}
		case sqlite.Function:
			switch fold(e.Detail) {
			case "like", "glob":
				w.likes = true
			case "changes", "total_changes", "last_insert_rowid":
				w.session = true
			}
		}
	}
	for _, parents := range gone {
		w.inTrigger = append(w.inTrigger, parents...)
	}
	// A plain INSERT makes no foreign key act, and a plain UPDATE none that deletes: these replace rows.
	w.replaces = w.writes && !w.drops && !w.deletes && len(w.inTrigger) == 0 && slices.ContainsFunc(w.children, func(c child) bool { return len(w.updates) == 0 || c.column == "" })
	return w
}

// follows tells whether the rows of a table go, or with a column lose their reference, when a row
// of one of the parents goes.
func (t *trial) follows(table, column string, parents []string) bool {
	for _, parent := range parents {
		n, err := t.integer(`SELECT count(*) FROM pragma_foreign_key_list(?1) WHERE lower("table") = lower(?2)
 AND (?3 = '' AND on_delete = 'CASCADE' OR lower("from") = lower(?3) AND on_delete IN ('SET NULL', 'SET DEFAULT'))`, table, parent, column)
		if err == nil && n > 0 {
			return true
		}
	}
	return false
}

// actsOn tells whether foreign keys make the statement change a table.
func (w work) actsOn(table string) bool {
	return slices.ContainsFunc(w.children, func(c child) bool { return fold(c.table) == fold(table) })
}

// actsOnItself tells whether a deleted row of a table may take others of the same table with it.
func (t *trial) actsOnItself(table string) bool {
	n, err := t.integer(`SELECT count(*) FROM pragma_foreign_key_list(?1) WHERE lower("table") = lower(?1) AND on_delete = 'CASCADE'`, table)
	return err == nil && n > 0
}

// parents are the tables that the foreign keys of a table lead to.
func (t *trial) parents(table string) []string {
	parents, _ := t.texts(`SELECT DISTINCT "table" FROM pragma_foreign_key_list(?)`, table)
	return parents
}
