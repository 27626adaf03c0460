package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/d1-rewind/d1-rewind/internal/cli"
	"github.com/d1-rewind/d1-rewind/internal/d1/d1test"
	"github.com/d1-rewind/d1-rewind/internal/migration"
	"github.com/d1-rewind/d1-rewind/internal/sqlite"
	"github.com/d1-rewind/d1-rewind/internal/statement"
	"github.com/d1-rewind/d1-rewind/internal/wrangler"
	"github.com/d1-rewind/d1-rewind/internal/wrangler/wranglertest"
)

var update = flag.Bool("update", false, "TestCatalogueOnWorkerd writes the row counts of workerd into the catalogue")

const catalogueDir = "../rehearsal/testdata"

// entry is one folder of the catalogue: migrations that are pending on a database with rows, and
// what has to be said about them.
type entry struct {
	name     string            // bad/… or harmless/…
	applied  map[string]string // applied earlier: schema.sql as 0001_schema.sql, and what is in applied
	edited   map[string]string // of these, with the content that they have now
	rows     string            // put in after that
	pending  map[string]string
	expected expectation
}

type expectation struct {
	From       string            `json:"from"`
	Gone       []string          `json:"gone,omitempty"`  // applied files that are not there any more
	Drift      string            `json:"drift,omitempty"` // of harmless ones; "false" if it is not said
	verdict                      // of a rehearsal with all rows, and of D1
	Rows       map[string]counts `json:"rows"` // of the tables that have another number afterwards
	Changes    []string          `json:"changes,omitempty"`
	SchemaMode *verdict          `json:"schema-mode,omitempty"` // of a rehearsal with one row of each table, where it is another one
}

type verdict struct {
	Failure string       `json:"failure,omitempty"` // part of D1's words
	File    string       `json:"file,omitempty"`    // where there is more than one pending
	Line    int          `json:"line,omitempty"`
	Hazards []wantHazard `json:"hazards,omitempty"`
}

// wantHazard is a hazard that must be among those found.
type wantHazard struct {
	Code     string `json:"code"` // or several that will do, with | between them
	Severity string `json:"severity"`
	File     string `json:"file,omitempty"` // where there is more than one pending
	Line     int    `json:"line,omitempty"` // absent where it may be said of any
}

func (w wantHazard) is(h migration.Hazard, file string) bool {
	return slices.Contains(strings.Split(w.Code, "|"), h.Code) && (w.Severity == "any" || w.Severity == string(h.Severity)) && filepath.Base(h.File) == file && (w.Line == 0 || w.Line == h.Line)
}

// counts are the rows of a table before and after; nil where there is no such table.
type counts [2]*int64

func (c counts) String() string {
	text := func(n *int64) string {
		if n == nil {
			return "null"
		}
		return fmt.Sprint(*n)
	}
	return "[" + text(c[0]) + ", " + text(c[1]) + "]"
}

// repeats is how a long text is written in the catalogue: {{, 1*40}}.
var repeats = regexp.MustCompile(`(?s)\{\{(.+?)\*(\d+)\}\}`)

func expanded(text string) string {
	return repeats.ReplaceAllStringFunc(text, func(s string) string {
		parts := repeats.FindStringSubmatch(s)
		n, _ := strconv.Atoi(parts[2])
		return strings.Repeat(parts[1], n)
	})
}

func catalogue(t *testing.T) (list []entry) {
	t.Helper()
	dirs, err := filepath.Glob(catalogueDir + "/*/*/expect.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range dirs {
		dir := filepath.Dir(file)
		e := entry{name: filepath.ToSlash(strings.TrimPrefix(dir, filepath.FromSlash(catalogueDir)+string(filepath.Separator))),
			applied: map[string]string{}, edited: map[string]string{}, pending: map[string]string{}}
		files := map[string]string{}
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			data, err := os.ReadFile(path)
			name, _ := filepath.Rel(dir, path)
			files[filepath.ToSlash(name)] = expanded(string(data))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		decoder := json.NewDecoder(strings.NewReader(files["expect.json"]))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&e.expected); err != nil {
			t.Fatalf("%s: %v", e.name, err)
		}
		const schema = "0001_schema.sql"
		e.applied[schema], e.rows = files["schema.sql"], files["rows.sql"]
		for name, text := range files {
			earlier, isApplied := strings.CutPrefix(name, "applied/")
			switch {
			case isApplied:
				e.applied[earlier] = text
			case name == schema:
				e.edited[name] = text
			case name != "schema.sql" && name != "rows.sql" && strings.HasSuffix(name, ".sql"):
				e.pending[name] = text
			}
		}
		list = append(list, e)
	}
	return list
}

// only returns the pending file, where there is one.
func (e entry) only(file string) string {
	if file == "" {
		file = slices.Sorted(maps.Keys(e.pending))[0]
	}
	return file
}

func (e entry) harmless() bool { return strings.HasPrefix(e.name, "harmless/") }

// mode is a way to rehearse.
type mode struct {
	environment, rehearse string
}

// site is a project with the database that an entry finds, local and remote.
type site struct {
	dir    string
	server *d1test.Server
	remote *d1test.Database
	local  *sqlite.Database
}

func newSite(t *testing.T, e entry) site {
	t.Helper()
	s := site{dir: t.TempDir(), server: d1test.New()}
	t.Cleanup(s.server.Close)
	s.remote = s.server.Create("shop-db")
	s.put(t, map[string]string{"wrangler.jsonc": fmt.Sprintf(`{"name": "shop", "account_id": %q, "d1_databases": [{"binding": "DB", "database_name": "shop-db", "database_id": %q}]}`, d1test.Account, s.remote.ID)})
	s.put(t, inMigrations(e.applied))
	for _, environment := range []string{"local", "production"} {
		if r := s.run("migrate", environment, "--rehearse", "off", "--hazards", "off"); r.code != 0 {
			t.Fatalf("the schema, on %s: %s", environment, r.stdout+r.stderr)
		}
	}
	state := filepath.Join(s.dir, ".wrangler/state")
	s.local = sqlite.Open(filepath.Join(wrangler.StateDir(state), wrangler.StateFile(s.remote.ID)), sqlite.Options{Copies: t.TempDir(), Limit: 1 << 30, Now: time.Now})
	var batch migration.Batch
	for _, sql := range texts(e.rows) {
		batch.Statements = append(batch.Statements, migration.BatchStatement{Query: migration.Query{SQL: sql}})
	}
	if len(batch.Statements) > 0 {
		if err := errors.Join(s.local.Apply(t.Context(), batch), s.remote.Exec(texts(e.rows)...)); err != nil {
			t.Fatalf("rows.sql: %v", err)
		}
	}
	for _, name := range e.expected.Gone {
		if err := os.Remove(filepath.Join(s.dir, "migrations", name)); err != nil {
			t.Fatal(err)
		}
	}
	s.put(t, inMigrations(e.edited))
	s.put(t, inMigrations(e.pending))
	return s
}

func texts(sql string) (list []string) {
	for _, s := range statement.Split(sql) {
		list = append(list, s.SQL)
	}
	return list
}

func inMigrations(files map[string]string) map[string]string {
	all := map[string]string{}
	for name, text := range files {
		all["migrations/"+name] = text
	}
	return all
}

func (s site) put(t *testing.T, files map[string]string) {
	t.Helper()
	wranglertest.Write(t, s.dir, files)
}

func (s site) run(args ...string) run {
	env := map[string]string{"CLOUDFLARE_API_BASE_URL": s.server.URL, "CLOUDFLARE_API_TOKEN": d1test.Token}
	return start(context.Background(), env, cli.Process{Args: append(args, "--working-directory", s.dir), Sleep: noSleep, Now: s.server.Now})
}

// said is what the program prints about a run.
type said struct {
	Status    string
	Drift     string
	Hazards   []migration.Hazard
	Rehearsal struct {
		Ran     bool
		Reason  string
		Rows    string
		Gaps    []string
		Tables  []migration.Table
		Changes []migration.Change
	}
	Error *struct {
		Message, File string
		Line          int
	}
}

func (s site) say(t *testing.T, args ...string) (document said, r run) {
	t.Helper()
	r = s.run(append(args, "--format", "json")...)
	if err := json.Unmarshal([]byte(r.stdout), &document); err != nil {
		t.Fatalf("%q: %v\n%s%s", args, err, r.stdout, r.stderr)
	}
	return document, r
}

// TestCatalogue holds the rehearsal to what the catalogue says: locally, and remotely with one row of
// each table and with all; and then holds the prediction against what migrating without a rehearsal does.
func TestCatalogue(t *testing.T) {
	t.Parallel()
	bad, harmless := 0, 0
	for i, e := range catalogue(t) {
		if e.harmless() {
			harmless++
		} else {
			bad++
		}
		if testing.Short() && i%8 > 0 { // with the race detector all of them would take minutes
			continue
		}
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, e)
			before := s.rows(t, "local")
			for _, m := range []mode{{"local", "schema"}, {"production", "schema"}, {"production", "data"}} {
				document, r := s.say(t, "status", m.environment, "--rehearse", m.rehearse, "--hazards", "warn")
				if !document.Rehearsal.Ran {
					t.Errorf("%s: not rehearsed: %s", m, document.Rehearsal.Reason)
					continue
				}
				e.check(t, m, document, before)
				if t.Failed() {
					t.Logf("%s: exit code %d\n%s", m, r.code, r.stdout)
				}
			}
			e.migrates(t, s)
		})
	}
	if bad < 70 || harmless < 70 {
		t.Errorf("the catalogue has %d bad and %d harmless ones: some are not found", bad, harmless)
	}
}

func (m mode) String() string { return m.environment + ", rehearse: " + m.rehearse }

// sample reports whether the rehearsal had one row of each table: the local database is copied whole.
func (m mode) sample() bool { return m.environment != "local" && m.rehearse == "schema" }

// check holds what was said about a rehearsal against what is expected.
func (e entry) check(t *testing.T, m mode, document said, before map[string]int64) {
	t.Helper()
	want := e.expected.verdict
	if m.sample() && e.expected.SchemaMode != nil {
		want = *e.expected.SchemaMode
	}
	e.fails(t, m.String(), want, document, true)
	for _, w := range want.Hazards {
		if !slices.ContainsFunc(document.Hazards, func(h migration.Hazard) bool { return w.is(h, e.only(w.File)) }) {
			t.Errorf("%s: %s %s is not said of %s:%d", m, w.Severity, w.Code, e.only(w.File), w.Line)
		}
	}
	for _, h := range document.Hazards {
		if h.Message == "" || h.Advice == "" || !slices.Contains(migration.Codes, h.Code) {
			t.Errorf("%s: a hazard lacks its message, its advice or its code: %+v", m, h)
		}
		if e.harmless() && h.Allowed == "" && h.Severity != migration.SeverityInfo {
			t.Errorf("%s: harmless, but %s %s is said of %s:%d: %s", m, h.Severity, h.Code, h.File, h.Line, h.Message)
		}
	}
	if drift := orElse(e.expected.Drift, "false"); e.harmless() && document.Drift != drift {
		t.Errorf("%s: drift is %q, want %q", m, document.Drift, drift)
	}
	if want.Failure == "" {
		changes := []string{}
		for _, c := range document.Rehearsal.Changes {
			changes = append(changes, c.Kind+" "+qualified(c)+" "+c.What)
		}
		for _, c := range e.expected.Changes {
			if !slices.Contains(changes, c) {
				t.Errorf("%s: the change %q is not among %q", m, c, changes)
			}
		}
	}
	if rows := map[bool]string{true: "one", false: "all"}[m.sample()]; document.Rehearsal.Rows != rows {
		t.Errorf("%s: the copy had the rows %q, want %q", m, document.Rehearsal.Rows, rows)
	} else if want.Failure == "" && !m.sample() {
		if len(document.Rehearsal.Gaps) == 0 { // rows of a table that could not be copied decide others
			e.counts(t, m, document.Rehearsal.Tables, before)
		}
	}
}

func qualified(c migration.Change) string {
	if c.Table != "" {
		return c.Table + "." + c.Name
	}
	return c.Name
}

func orElse(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// fails holds the failure of a run against the one that is wanted. Where a remote database refuses a statement and
// nobody rehearsed, only an empty copy is asked which one it is: it knows nothing of rows.
func (e entry) fails(t *testing.T, what string, want verdict, document said, located bool) {
	t.Helper()
	switch got := document.Error; {
	case want.Failure == "" && got != nil:
		t.Errorf("%s: fails at %s:%d: %s", what, got.File, got.Line, got.Message)
	case want.Failure != "" && got == nil:
		t.Errorf("%s: nothing fails, want %q at %s:%d", what, want.Failure, e.only(want.File), want.Line)
	case want.Failure == "":
	case !strings.Contains(got.Message, want.Failure) || filepath.Base(got.File) != e.only(want.File) || got.Line != want.Line && (located || got.Line != 0):
		t.Errorf("%s: fails at %s:%d: %s\nwant %q at %s:%d", what, got.File, got.Line, got.Message, want.Failure, e.only(want.File), want.Line)
	}
}

// counts holds the rows that the rehearsal counted against those that were predicted. A virtual table, which
// workerd can't always count, is neither in before nor expected.
func (e entry) counts(t *testing.T, m mode, tables []migration.Table, before map[string]int64) {
	t.Helper()
	number := func(c migration.Rowcount) *int64 {
		if !c.Known {
			return nil
		}
		return &c.Rows
	}
	got, want := map[string]counts{}, maps.Clone(e.expected.Rows)
	for _, table := range tables {
		c := counts{number(table.Before), number(table.After)}
		_, expected := want[table.Name]
		if _, ordinary := before[table.Name]; (ordinary || expected) && c.String() != (counts{c[1], c[0]}).String() {
			got[table.Name] = c
		}
	}
	// A table without rows that comes or goes, and one that has another name afterwards, are no news about rows: here
	// tables go by their names, and a rehearsal knows which one it is.
	for name, c := range e.expected.Rows {
		renamed := func(other counts) bool { return other.String() == (counts{c[1], c[0]}).String() }
		if _, said := got[name]; !said && (c.String() == "[0, null]" || c.String() == "[null, 0]" || slices.ContainsFunc(slices.Collect(maps.Values(e.expected.Rows)), renamed)) {
			delete(want, name)
		}
	}
	maps.DeleteFunc(got, func(name string, c counts) bool {
		_, expected := want[name]
		return !expected && c[0] == nil && before[name] == *c[1]
	})
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("%s: rows of tables before and after (-want +got):\n%s", m, diff)
	}
}

// migrates applies the entry without a rehearsal: what was predicted has to happen.
func (e entry) migrates(t *testing.T, s site) {
	t.Helper()
	for _, environment := range []string{"local", "production"} {
		before := s.rows(t, environment)
		document, r := s.say(t, "migrate", environment, "--rehearse", "off")
		e.fails(t, "migrate "+environment, e.expected.verdict, document, environment == "local")
		if failed := r.code != 0; failed != (e.expected.Failure != "") {
			t.Errorf("migrate %s: exit code %d\n%s%s", environment, r.code, r.stdout, r.stderr)
		}
		if diff := cmp.Diff(e.expected.Rows, differences(before, s.rows(t, environment)), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("migrate %s: rows of tables before and after (-want +got):\n%s", environment, diff)
		}
	}
}

// tablesSQL makes the statement that counts the rows of each table.
const tablesSQL = `SELECT format('SELECT %Q AS name, count(*) AS n FROM "%w"', name, name) AS sql FROM pragma_table_list
WHERE schema = 'main' AND type = 'table' AND substr(name, 1, 7) <> 'sqlite_' AND substr(name, 1, 3) <> 'd1_' AND substr(name, 1, 4) <> '_cf_'`

// rows counts the rows of all tables.
func (s site) rows(t *testing.T, environment string) map[string]int64 {
	t.Helper()
	read := func(sql string) []string {
		if environment != "local" {
			return s.remote.Rows(sql)
		}
		lines, err := d1test.RowsOf(t.Context(), s.local, migration.Query{SQL: sql})
		if err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
		return lines
	}
	numbers := map[string]int64{}
	for _, sql := range read(tablesSQL) {
		name, n, _ := strings.Cut(read(sql)[0], "|")
		number, err := strconv.ParseInt(n, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		numbers[name] = number
	}
	return numbers
}

func differences(before, after map[string]int64) map[string]counts {
	all := map[string]counts{}
	for name, n := range before {
		if later, ok := after[name]; !ok {
			all[name] = counts{&n, nil}
		} else if later != n {
			all[name] = counts{&n, &later}
		}
	}
	for name, n := range after {
		if _, ok := before[name]; !ok {
			all[name] = counts{nil, &n}
		}
	}
	return all
}

// TestCatalogueOnWorkerd runs the catalogue on the real workerd: what it refuses, where, and the rows that it
// leaves have to be those of the catalogue, and what reads them afterwards has to work, or not.
func TestCatalogueOnWorkerd(t *testing.T) {
	wranglertest.Tools(t)
	entries := catalogue(t)
	var bindings []map[string]string
	for i := range entries {
		bindings = append(bindings, map[string]string{"binding": fmt.Sprintf("DB%d", i)})
	}
	config, err := json.Marshal(map[string]any{"name": "catalogue", "compatibility_date": "2026-11-01", "d1_databases": bindings})
	if err != nil {
		t.Fatal(err)
	}
	worker := wranglertest.Dev(t, wranglertest.Project(t, map[string]string{"wrangler.json": string(config)}))
	for i, e := range entries {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			e.onWorkerd(t, worker, fmt.Sprintf("DB%d", i))
		})
	}
}

// ledgerSQL is wrangler's own.
const ledgerSQL = `CREATE TABLE d1_migrations(id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE, applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL)`

func (e entry) onWorkerd(t *testing.T, worker *wranglertest.Worker, binding string) {
	batch := func(statements ...string) wranglertest.Answer {
		if len(statements) == 0 {
			return wranglertest.Answer{}
		}
		return worker.Batch(t, binding, statements...)
	}
	fill := []string{ledgerSQL}
	for _, name := range slices.Sorted(maps.Keys(e.applied)) {
		fill = append(fill, texts(e.applied[name])...)
	}
	fill = append(fill, fmt.Sprintf("INSERT INTO d1_migrations(name) VALUES ('%s')", "0001_schema.sql"))
	if refusal := batch(append(fill, texts(e.rows)...)...).Error; refusal != "" {
		t.Fatal(refusal)
	}
	before := countOnWorkerd(t, worker, binding)
	earlier := e.look(t, worker, binding)

	// Up to the statement that is refused everything is taken.
	var all, taken []string
	for _, name := range slices.Sorted(maps.Keys(e.pending)) {
		for _, s := range statement.Split(e.pending[name]) {
			if e.expected.Failure != "" && e.only(e.expected.File) == name && e.expected.Line == s.Line {
				taken = slices.Clone(all)
			}
			all = append(all, s.SQL)
		}
	}
	if e.expected.Failure != "" {
		if len(taken) == len(all) {
			t.Fatalf("no statement begins on line %d", e.expected.Line)
		}
		const stop = "d1_rewind_stops_here"
		if refusal := batch(append(taken, "SELECT * FROM "+stop)...).Error; !strings.Contains(refusal, stop) {
			t.Errorf("workerd refuses an earlier statement: %s", refusal)
		}
	}

	refusal := batch(all...).Error
	// Where the transaction is gone, or its end is refused, workerd says no more than this.
	const internal = "internal error; reference = "
	gone := strings.Contains(e.applied["0001_schema.sql"]+strings.Join(all, ";"), "ROLLBACK")
	unsaid := strings.HasPrefix(refusal, internal) && (gone || strings.Contains(e.expected.Failure, "FOREIGN KEY"))
	if (refusal != "") != (e.expected.Failure != "") || !unsaid && !strings.Contains(refusal, e.expected.Failure) {
		t.Errorf("workerd refuses it with %q, want %q", refusal, e.expected.Failure)
	}
	rows := differences(before, countOnWorkerd(t, worker, binding))
	if *update {
		e.expected.Rows = rows
		e.write(t)
	}
	if diff := cmp.Diff(e.expected.Rows, rows, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("rows of tables before and after (-want +workerd):\n%s", diff)
	}

	says := func(codes ...string) bool {
		return slices.ContainsFunc(e.expected.Hazards, func(h wantHazard) bool {
			return slices.ContainsFunc(codes, func(code string) bool { return slices.Contains(strings.Split(h.Code, "|"), code) })
		})
	}
	looked := e.look(t, worker, binding)
	if got := looked.orphans > earlier.orphans; got != says(migration.CodeOrphans) {
		t.Errorf("foreign_key_check finds %d rows, and the catalogue says orphans: %t", looked.orphans, !got)
	}
	if got := looked.view != earlier.view; got != says(migration.CodeBrokenView) {
		t.Errorf("a view that can't be read: %q, and the catalogue says broken-view: %t", looked.view, !got)
	}
	if got := looked.table != earlier.table; got != says(migration.CodeBrokenTable, migration.CodeBrokenTrigger) && !says(migration.CodeLikePattern) { // which only running shows
		t.Errorf("a table that can't be written: %q, and the catalogue says broken-table or broken-trigger: %t", looked.table, !got)
	}
}

func countOnWorkerd(t *testing.T, worker *wranglertest.Worker, binding string) map[string]int64 {
	t.Helper()
	numbers := map[string]int64{}
	answers := worker.Batches(t, binding, []string{tablesSQL}, nil)
	if refusal := answers[0].Error + answers[1].Error; refusal != "" {
		t.Fatal(refusal)
	}
	for _, rows := range answers[1].Rows {
		numbers[rows[0]["name"].(string)] = int64(rows[0]["n"].(float64))
	}
	return numbers
}

// looked is what is found where someone reads and writes.
type looked struct {
	orphans     int
	view, table string // D1's words about the first that is broken
}

// look reads each view, compiles writes to each table and to views that have triggers, and looks for orphans.
func (e entry) look(t *testing.T, worker *wranglertest.Worker, binding string) (l looked) {
	t.Helper()
	const views = `SELECT format('SELECT * FROM "%w" LIMIT 1', name) AS sql FROM sqlite_schema WHERE type = 'view'`
	const writes = `SELECT format(w.way, m.name, x.name, x.name) AS sql FROM sqlite_schema m JOIN pragma_table_xinfo(m.name) x ON x.hidden = 0
JOIN (SELECT 'EXPLAIN INSERT INTO "%w"("%w") VALUES (NULL)' AS way, 0 AS each UNION ALL SELECT 'EXPLAIN DELETE FROM "%w"', 0 UNION ALL SELECT 'EXPLAIN UPDATE "%w" SET "%w" = "%w"', 1) w ON x.cid = 0 OR w.each AND x.cid < 10
WHERE substr(m.name, 1, 7) <> 'sqlite_' AND substr(m.name, 1, 4) <> '_cf_' AND CASE m.type WHEN 'view' THEN m.name IN (SELECT tbl_name FROM sqlite_schema WHERE type = 'trigger')
  WHEN 'table' THEN m.name IN (SELECT name FROM pragma_table_list WHERE type = 'table') END`
	for _, step := range []struct {
		makes string
		into  *string
	}{{views, &l.view}, {writes, &l.table}} {
		list := worker.Batch(t, binding, step.makes)
		if list.Error != "" {
			t.Fatal(list.Error)
		}
		var batches [][]string
		for _, row := range list.Rows[0] {
			batches = append(batches, []string{row["sql"].(string)})
		}
		if len(batches) == 0 {
			continue
		}
		for _, answer := range worker.Batches(t, binding, batches...) {
			if *step.into == "" && !strings.Contains(answer.Error, "because it is a view") { // the trigger is for another way
				*step.into = answer.Error
			}
		}
	}
	check := worker.Batch(t, binding, "PRAGMA foreign_key_check")
	switch {
	case strings.Contains(check.Error, "foreign key mismatch"):
		l.table = orElse(l.table, check.Error)
	case check.Error != "":
		t.Fatal(check.Error)
	default:
		l.orphans = len(check.Rows[0])
	}
	return l
}

// write writes expect.json as people read it: a hazard is a line.
func (e entry) write(t *testing.T) {
	t.Helper()
	var text bytes.Buffer
	field := func(indent, name string, value any) {
		var line bytes.Buffer
		encoder := json.NewEncoder(&line)
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(value); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&text, "%s%q: %s,\n", indent, name, bytes.TrimSpace(line.Bytes()))
	}
	says := func(indent string, v verdict) {
		field(indent, "failure", v.Failure)
		if v.File != "" {
			field(indent, "file", v.File)
		}
		if v.Line != 0 {
			field(indent, "line", v.Line)
		}
		if len(v.Hazards) > 0 {
			fmt.Fprintf(&text, "%s\"hazards\": [\n", indent)
			for i, h := range v.Hazards {
				line, _ := json.Marshal(h)
				fmt.Fprintf(&text, "%s  %s%s\n", indent, line, [2]string{"", ","}[min(len(v.Hazards)-1-i, 1)])
			}
			fmt.Fprintf(&text, "%s],\n", indent)
		}
	}
	x := e.expected
	text.WriteString("{\n")
	field("  ", "from", x.From)
	if len(x.Gone) > 0 {
		field("  ", "gone", x.Gone)
	}
	if x.Drift != "" {
		field("  ", "drift", x.Drift)
	}
	says("  ", x.verdict)
	field("  ", "rows", x.Rows)
	if len(x.Changes) > 0 {
		field("  ", "changes", x.Changes)
	}
	if x.SchemaMode != nil {
		text.WriteString("  \"schema-mode\": {\n")
		says("    ", *x.SchemaMode)
		text.Truncate(text.Len() - 2)
		text.WriteString("\n  },\n")
	}
	text.Truncate(text.Len() - 2)
	text.WriteString("\n}\n")
	if err := os.WriteFile(filepath.Join(catalogueDir, filepath.FromSlash(e.name), "expect.json"), text.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}
