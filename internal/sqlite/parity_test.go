package sqlite_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/d1-rewind/d1-rewind/internal/migration"
	"github.com/d1-rewind/d1-rewind/internal/sqlite"
	"github.com/d1-rewind/d1-rewind/internal/statement"
	"github.com/d1-rewind/d1-rewind/internal/wrangler"
	"github.com/d1-rewind/d1-rewind/internal/wrangler/wranglertest"
)

var update = flag.Bool("update", false, "TestWorkerd writes what workerd, wrangler and the embedded engine do into testdata")

// topic is one part of the record: statements.json and migrations.json.
type topic struct {
	Topic string        `json:"topic"`
	Cases []*parityCase `json:"cases"`
}

// parityCase is SQL and what came of it on the database that setup.sql makes. What the embedded engine,
// or wrangler's way to run a file, makes of it otherwise than D1 is a known difference; why there is one
// stands beside it, and it has to be there.
type parityCase struct {
	SQL      string   `json:"sql,omitempty"`  // {{x*3}} stands for xxx
	Name     string   `json:"name,omitempty"` // of the file in testdata/migrations that has the SQL
	D1       outcome  `json:"d1"`
	Embedded *outcome `json:"embedded,omitempty"`
	Wrangler *outcome `json:"wrangler,omitempty"`
	Why      string   `json:"why,omitempty"`
}

// outcome is what an engine made of a case.
type outcome struct {
	Error      string             `json:"error,omitempty"`
	Rows       []wranglertest.Row `json:"rows,omitempty"`       // of the last statement
	After      []string           `json:"after,omitempty"`      // what it added (+) and took away (-)
	Unrecorded bool               `json:"unrecorded,omitempty"` // applied without a row in the ledger
}

func (c *parityCase) embedded() outcome { return orElse(c.Embedded, c.D1) }

func (c *parityCase) wrangler() outcome {
	o := orElse(c.Wrangler, c.D1)
	o.Rows = nil // it doesn't say
	return o
}

func orElse(o *outcome, otherwise outcome) outcome {
	if o != nil {
		return *o
	}
	return otherwise
}

// differing is nil where there is no difference to record.
func differing(got, d1 outcome) *outcome {
	if cmp.Equal(got, d1, cmpopts.EquateEmpty()) {
		return nil
	}
	return &got
}

const testdata, migrations = "testdata", "migrations"

// record reads the cases, with their SQL in full.
func record(t *testing.T) (topics map[string][]topic, cases []*parityCase) {
	t.Helper()
	topics = map[string][]topic{}
	for _, name := range []string{"statements", migrations} {
		data, err := os.ReadFile(filepath.Join(testdata, name+".json"))
		if err != nil {
			t.Fatal(err)
		}
		var list []topic
		if err := json.Unmarshal(data, &list); err != nil {
			t.Fatal(err)
		}
		topics[name] = list
		for _, topic := range list {
			cases = append(cases, topic.Cases...)
		}
	}
	err := fs.WalkDir(os.DirFS(filepath.Join(testdata, migrations)), ".", func(file string, entry fs.DirEntry, err error) error {
		name, isSQL := strings.CutSuffix(file, ".sql")
		if err != nil || !isSQL || slices.ContainsFunc(cases, func(c *parityCase) bool { return c.Name == name }) {
			return err
		}
		if !*update {
			t.Errorf("%s is not in the record: run TestWorkerd with -update", file)
		}
		list := topics[migrations]
		list[0].Cases = append(list[0].Cases, &parityCase{Name: name})
		cases = append(cases, list[0].Cases[len(list[0].Cases)-1])
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return topics, cases
}

// write writes the record as people read it: a case is a line.
func write(t *testing.T, topics map[string][]topic) {
	t.Helper()
	for name, list := range topics {
		var text bytes.Buffer
		for i, topic := range list {
			fmt.Fprintf(&text, "%s{\"topic\": %q, \"cases\": [\n", [2]string{"[", ", "}[min(i, 1)], topic.Topic)
			for i, c := range topic.Cases {
				if c.Embedded == nil && c.Wrangler == nil {
					c.Why = ""
				}
				var line bytes.Buffer
				encoder := json.NewEncoder(&line)
				encoder.SetEscapeHTML(false)
				if err := encoder.Encode(c); err != nil {
					t.Fatal(err)
				}
				fmt.Fprintf(&text, "  %s%s\n", bytes.TrimSpace(line.Bytes()), [2]string{"", ","}[min(len(topic.Cases)-1-i, 1)])
			}
			text.WriteString("]}")
		}
		text.WriteString("]\n")
		if err := os.WriteFile(filepath.Join(testdata, name+".json"), text.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func setupSQL(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(testdata, "setup.sql"))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

var repeated = regexp.MustCompile(`(?s)\{\{(.+?)\*(\d+)\}\}`)

// sql returns the case's SQL in full.
func (c *parityCase) sql(t *testing.T) string {
	t.Helper()
	sql := c.SQL
	if c.Name != "" {
		data, err := os.ReadFile(filepath.Join(testdata, migrations, c.Name+".sql"))
		if err != nil {
			t.Fatal(err)
		}
		sql = string(data)
	}
	return repeated.ReplaceAllStringFunc(sql, func(s string) string {
		parts := repeated.FindStringSubmatch(s)
		n, err := strconv.Atoi(parts[2])
		if err != nil {
			t.Fatal(err)
		}
		return strings.Repeat(parts[1], n)
	})
}

func (c *parityCase) title() string {
	if c.Name != "" {
		return c.Name
	}
	return c.SQL[:min(len(c.SQL), 60)]
}

// reader is a database, read with our own code.
type reader interface {
	Read(ctx context.Context, queries ...migration.Query) ([]migration.Rows, error)
}

func rowsOf(t *testing.T, db reader, statements ...string) (answers [][]wranglertest.Row) {
	t.Helper()
	var queries []migration.Query
	for _, sql := range statements {
		queries = append(queries, migration.Query{SQL: sql})
	}
	results, err := db.Read(t.Context(), queries...)
	if err != nil {
		t.Fatal(err)
	}
	for i, rows := range results {
		if rows.Err != nil {
			t.Fatalf("%s: %v", statements[i], rows.Err)
		}
		answers = append(answers, asWorker(t, rows))
	}
	return answers
}

// asWorker returns rows as a Worker would see them.
func asWorker(t *testing.T, rows migration.Rows) (seen []wranglertest.Row) {
	t.Helper()
	list := []wranglertest.Row{}
	for _, values := range rows.Values {
		row := wranglertest.Row{}
		for i, v := range values {
			if blob, ok := v.([]byte); ok {
				numbers := make([]int, len(blob))
				for i, b := range blob {
					numbers[i] = int(b)
				}
				v = numbers
			}
			row[rows.Columns[i]] = v
		}
		list = append(list, row)
	}
	text, err := json.Marshal(list)
	if err == nil {
		err = json.Unmarshal(text, &seen)
	}
	if err != nil {
		t.Fatal(err)
	}
	return seen
}

// The tables of the two tools, and sqlite_stat4, which only the embedded ANALYZE makes, are not compared.
const (
	own  = "('d1_migrations', 'd1_rewind_journal', 'sqlite_stat4')"
	user = "m.tbl_name NOT IN " + own + " AND lower(substr(m.name, 1, 4)) <> '_cf_'"
)

// whole reads the schema, and makes the statements that read each table, shadow tables included.
var whole = []string{
	"SELECT type || ' ' || name || ': ' || coalesce(sql, '') AS line FROM sqlite_schema m WHERE m.name <> 'sqlite_sequence' AND " + user,
	`SELECT format('SELECT %Q || concat_ws('', '', %s) AS line FROM "%w"%s', m.name || ': ', group_concat(format('quote("%w")', x.name), ', ' ORDER BY x.cid), m.name,
	  CASE m.name WHEN 'sqlite_sequence' THEN ' WHERE name NOT IN ` + strings.ReplaceAll(own, "'", "''") + `' WHEN 'sqlite_stat1' THEN ' WHERE tbl NOT IN ` + strings.ReplaceAll(own, "'", "''") + `' ELSE '' END) AS sql
	FROM sqlite_schema m JOIN pragma_table_xinfo(m.name) x WHERE m.type = 'table' AND m.sql NOT LIKE 'CREATE VIRTUAL%' AND x.hidden <> 1 AND ` + user + " GROUP BY m.name",
}

// content returns the schema and the rows of all tables.
func content(t *testing.T, db reader) []string {
	t.Helper()
	answers := rowsOf(t, db, whole...)
	var tables []string
	for _, row := range answers[1] {
		tables = append(tables, row["sql"].(string))
	}
	return lines(append(rowsOf(t, db, tables...), answers[0]))
}

// contentOnWorkerd is content, of the last answers to a Worker that ran whole and nil.
func contentOnWorkerd(t *testing.T, answers []wranglertest.Answer) []string {
	t.Helper()
	answers = answers[len(answers)-2:]
	if refusal := answers[0].Error + answers[1].Error; refusal != "" {
		t.Fatalf("workerd can't read the database: %s", refusal)
	}
	return lines(append(answers[1].Rows, answers[0].Rows[0]))
}

func lines(answers [][]wranglertest.Row) (lines []string) {
	for _, rows := range answers {
		for _, row := range rows {
			lines = append(lines, short(row["line"].(string)))
		}
	}
	slices.Sort(lines)
	return lines
}

// short keeps the record readable.
func short(s string) string {
	if len(s) <= 400 {
		return s
	}
	return fmt.Sprintf("%s… %d bytes, SHA-256 %.4x", strings.ToValidUTF8(s[:60], ""), len(s), sha256.Sum256([]byte(s)))
}

// changes returns what is in only one of two sorted lists.
func changes(before, after []string) (lines []string) {
	for len(before) > 0 || len(after) > 0 {
		switch {
		case len(after) == 0 || len(before) > 0 && before[0] < after[0]:
			lines, before = append(lines, "-"+before[0]), before[1:]
		case len(before) == 0 || after[0] < before[0]:
			lines, after = append(lines, "+"+after[0]), after[1:]
		default:
			before, after = before[1:], after[1:]
		}
	}
	slices.SortStableFunc(lines, func(a, b string) int { return strings.Compare(b[:1], a[:1]) })
	return lines
}

// unstable are statements whose rows are not the same each time or everywhere.
var unstable = regexp.MustCompile(`^(EXPLAIN|PRAGMA data_version)`)

func shown(sql string, rows []wranglertest.Row) []wranglertest.Row {
	if unstable.MatchString(sql) {
		return nil
	}
	for _, row := range rows {
		for name, value := range row {
			if text, ok := value.(string); ok {
				row[name] = short(text)
			}
		}
	}
	return rows
}

// run runs the case on the embedded engine, on the database that base made.
func (c *parityCase) run(t *testing.T, base []byte, before []string) (o outcome) {
	t.Helper()
	m, err := sqlite.Load(t.Context(), base)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	sql := c.sql(t)
	answers, err := m.Run(t.Context(), batch("case", sql))
	if err != nil {
		o.Error = short(err.Error())
		if _, ok := errors.AsType[*migration.StatementError](err); !ok {
			t.Errorf("the error is a %T: %v", err, err)
		}
	} else if len(answers) > 0 {
		o.Rows = shown(sql, asWorker(t, answers[len(answers)-1].Rows))
	}
	o.After = changes(before, content(t, m))
	return o
}

// base is the database that a case finds.
func base(t *testing.T) (file []byte, lines []string) {
	t.Helper()
	m, err := sqlite.NewScratch(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if err := m.Apply(t.Context(), batch("setup", setupSQL(t))); err != nil {
		t.Fatal(err)
	}
	if file, err = m.Content(); err != nil {
		t.Fatal(err)
	}
	return file, content(t, m)
}

// TestAsD1 holds the embedded engine against what the real workerd did.
func TestAsD1(t *testing.T) {
	t.Parallel()
	_, cases := record(t)
	file, before := base(t)
	for _, c := range cases {
		t.Run(c.title(), func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(c.embedded(), c.run(t, file, before), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("%s (-recorded +embedded):\n%s", c.SQL, diff)
			}
			if differs := c.Embedded != nil || c.Wrangler != nil; differs != (c.Why != "") {
				t.Errorf("%s: a known difference has its reason beside it, and nothing else has", c.SQL)
			}
			if c.Embedded != nil && differing(*c.Embedded, c.D1) == nil || c.Wrangler != nil && differing(*c.Wrangler, c.wrangler()) != nil {
				t.Errorf("%s: there is no difference", c.SQL)
			}
		})
	}
}

var reference = regexp.MustCompile(`(internal error; reference = )\w+`)

// TestWorkerd holds the record against the real workerd and wrangler, and exchanges files with them:
// workerd reads what d1-rewind wrote, and our code what workerd wrote.
func TestWorkerd(t *testing.T) {
	wranglertest.Tools(t)
	topics, cases := record(t)
	file, before := base(t)
	program := wranglertest.Program(t)
	defer func() {
		if *update {
			write(t, topics)
		}
	}()
	t.Run("files", func(t *testing.T) { exchangeFiles(t, program, cases, file, before) })
	t.Run("wrangler", func(t *testing.T) {
		for i, c := range cases {
			if c.Name == "" || strings.Contains(c.Name, "/") {
				continue // what statements do, whoever sends them: it takes 2 s
			}
			if testing.Short() && i%3 > 0 {
				continue // wrangler takes 3 s to start
			}
			t.Run(c.Name, func(t *testing.T) {
				t.Parallel()
				runFiles(t, program, c, before)
			})
		}
	})
}

func exchangeFiles(t *testing.T, program string, cases []*parityCase, file []byte, before []string) {
	var bindings []map[string]string
	files := map[string]string{}
	ours := func(i int) string { return fmt.Sprintf("OURS%d", i) }
	theirs := func(i int) string { return fmt.Sprintf("THEIRS%d", i) }
	for i, c := range cases {
		bindings = append(bindings, map[string]string{"binding": ours(i), "migrations_dir": ours(i)}, map[string]string{"binding": theirs(i)})
		files[ours(i)+"/0001_setup.sql"], files[ours(i)+"/0002_case.sql"] = setupSQL(t), c.sql(t)
	}
	config, err := json.Marshal(map[string]any{"name": "parity", "compatibility_date": "2026-11-01", "d1_databases": bindings})
	if err != nil {
		t.Fatal(err)
	}
	files["wrangler.json"] = string(config)
	dir := wranglertest.Project(t, files)
	path := func(binding string) string {
		return filepath.Join(wrangler.StateDir(filepath.Join(dir, ".wrangler/state")), wrangler.StateFile(binding))
	}
	if output, code := wranglertest.Rewind(t, program, dir, "migrate", "local", "--database", ours(0), "--to", "0001_setup.sql"); code != 0 {
		t.Fatal(output)
	}
	start, err := os.ReadFile(path(ours(0)))
	if err != nil {
		t.Fatal(err)
	}
	t.Run("write", func(t *testing.T) {
		for i, c := range cases {
			t.Run(c.title(), func(t *testing.T) {
				t.Parallel()
				if err := os.WriteFile(path(ours(i)), start, 0o644); err != nil {
					t.Fatal(err)
				}
				if *update {
					c.Embedded = differing(c.run(t, file, before), c.D1)
				}
				output, code := wranglertest.Rewind(t, program, dir, "migrate", "local", "--database", ours(i))
				if want := c.embedded().Error; (code == 0) != (want == "") {
					t.Errorf("%s: d1-rewind exits with %d, want the error %q\n%s", c.SQL, code, want, output)
				}
			})
		}
	})
	worker := wranglertest.Dev(t, dir)
	t.Run("read", func(t *testing.T) {
		for i, c := range cases {
			t.Run(c.title(), func(t *testing.T) {
				t.Parallel()
				sql := c.sql(t)
				answers := worker.Batches(t, theirs(i), texts(setupSQL(t)), texts(sql), whole, nil)
				if refusal := answers[0].Error; refusal != "" {
					t.Fatal(refusal)
				}
				after := contentOnWorkerd(t, answers)
				got := outcome{Error: short(reference.ReplaceAllString(answers[1].Error, "$1…"))}
				if rows := answers[1].Rows; len(rows) > 0 {
					got.Rows = shown(sql, rows[len(rows)-1])
				}
				got.After = changes(before, after)
				if *update {
					embedded := c.embedded()
					c.D1 = got
					c.Embedded = differing(embedded, got)
				}
				if diff := cmp.Diff(c.D1, got, cmpopts.EquateEmpty()); diff != "" {
					t.Errorf("%s (-recorded +workerd):\n%s", c.SQL, diff)
				}
				if diff := cmp.Diff(c.embedded().After, changes(before, contentOnWorkerd(t, worker.Batches(t, ours(i), whole, nil))), cmpopts.EquateEmpty()); diff != "" {
					t.Errorf("%s: what workerd reads in the file of d1-rewind (-want +got):\n%s", c.SQL, diff)
				}
				if diff := cmp.Diff(after, content(t, sqlite.Open(path(theirs(i)), options(t.TempDir())))); diff != "" {
					t.Errorf("%s: the file of workerd (-as workerd reads it +as we do):\n%s", c.SQL, diff)
				}
			})
		}
	})
}

// texts never returns nil, which a Worker takes for something else.
func texts(sql string) []string {
	statements := []string{}
	for _, s := range statement.Split(sql) {
		statements = append(statements, s.SQL)
	}
	return statements
}

var wranglerError = regexp.MustCompile(`(?s)\[ERROR\] (.+?)\n\n`)

// runFiles applies the same two files with wrangler and with d1-rewind.
func runFiles(t *testing.T, program string, c *parityCase, before []string) {
	const second = "0002_case.sql"
	dir := wranglertest.Project(t, map[string]string{"wrangler.json": `{"name":"parity","compatibility_date":"2026-11-01","d1_databases":[{"binding":"DB"}]}`,
		"migrations/0001_setup.sql": setupSQL(t), "migrations/" + second: c.sql(t)})
	after := func(state string) (lines []string, recorded bool) {
		path := filepath.Join(wrangler.StateDir(filepath.Join(dir, state)), wrangler.StateFile("DB"))
		db := sqlite.Open(path, options(t.TempDir()))
		ledger := rowsOf(t, db, "SELECT name FROM d1_migrations ORDER BY id")[0]
		if len(ledger) == 0 || ledger[0]["name"] != "0001_setup.sql" || len(ledger) > 1 && ledger[1]["name"] != second {
			t.Errorf("%s: ledger = %v", state, ledger)
		}
		return changes(before, content(t, db)), len(ledger) == 2
	}

	output, code := wranglertest.Wrangler(t, dir, "d1", "migrations", "apply", "DB", "--local")
	var got outcome
	if code != 0 {
		got.Error = "unknown"
		if found := wranglerError.FindStringSubmatch(output); found != nil {
			got.Error = short(reference.ReplaceAllString(found[1], "$1…"))
		}
	}
	lines, recorded := after(".wrangler/state")
	got.After, got.Unrecorded = lines, code == 0 && !recorded
	if *update {
		c.Wrangler = nil
		c.Wrangler = differing(got, c.wrangler())
	}
	if diff := cmp.Diff(c.wrangler(), got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("(-recorded +wrangler):\n%s\n%s", diff, output)
	}

	if output, code := wranglertest.Rewind(t, program, dir, "migrate", "local", "--persist-to", "ours", "--to", "0001_setup.sql"); code != 0 {
		t.Fatal(output)
	}
	output, code = wranglertest.Rewind(t, program, dir, "migrate", "local", "--persist-to", "ours")
	lines, recorded = after("ours")
	if want := c.embedded(); (code == 0) != (want.Error == "") || recorded != (code == 0) || !cmp.Equal(lines, want.After, cmpopts.EquateEmpty()) {
		t.Errorf("d1-rewind: exit code %d, recorded %v, want %q; (-want +got)\n%s\n%s", code, recorded, want.Error, cmp.Diff(want.After, lines), output)
	}
}
