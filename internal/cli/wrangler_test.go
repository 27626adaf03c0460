package cli_test

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/ncruces/go-sqlite3"

	"github.com/d1-rewind/d1-rewind/internal/wrangler"
	"github.com/d1-rewind/d1-rewind/internal/wrangler/wranglertest"
)

// steps are three migrations, each of which needs the one before.
var steps = []string{
	"CREATE TABLE users(id INTEGER PRIMARY KEY, name TEXT);\n",
	"CREATE TRIGGER users_named AFTER INSERT ON users BEGIN\n  UPDATE users SET name = upper(name) WHERE id = new.id;\nEND;\nINSERT INTO users(name) VALUES ('ada');\n",
	"CREATE TABLE seen AS SELECT name FROM users WHERE name = 'ADA';\n",
}

// TestInterchange begins a ledger with one tool, continues it with the other and comes back.
func TestInterchange(t *testing.T) {
	wranglertest.Tools(t)
	program := wranglertest.Program(t)
	const date = `"name":"w","compatibility_date":"2026-11-01"`
	one := func(fields string) map[string]string {
		return map[string]string{"wrangler.jsonc": "{" + date + `, // a comment` + "\n" + `"d1_databases":[{"binding":"DB",` + fields + `}]}`}
	}
	const toml = "name = 'w'\ncompatibility_date = '2026-11-01'\n[[d1_databases]]\nbinding = 'DB'\ndatabase_id = 'top'\n"
	cases := []struct {
		name             string
		config           map[string]string
		file             string // of a migration, for its number; migrations/%04d_step.sql if empty
		rewind, wrangler []string
	}{
		{name: "database_id", config: one(`"database_name":"app","database_id":"11111111-2222-3333-4444-555555555555"`)},
		{name: "preview_database_id", config: one(`"database_name":"app","database_id":"aaaaaaaa-2222-3333-4444-555555555555","preview_database_id":"bbbbbbbb-2222-3333-4444-555555555555"`)},
		{name: "binding_without_id", config: map[string]string{"wrangler.json": "{" + date + `,"d1_databases":[{"binding":"DB"}]}`}},
		{name: "toml", config: map[string]string{"wrangler.toml": toml}},
		{name: "environment", config: map[string]string{"wrangler.toml": toml + "[env.staging]\n[[env.staging.d1_databases]]\nbinding = 'DB'\ndatabase_name = 'next'\ndatabase_id = 'next'\n"},
			rewind: []string{"--environment", "local:staging"}, wrangler: []string{"--env", "staging"}},
		{name: "persist_to", config: one(`"database_id":"x"`), rewind: []string{"--persist-to", "elsewhere/state"}, wrangler: []string{"--persist-to", "elsewhere/state"}},
		{name: "layout_of_drizzle", config: one(`"database_id":"x","migrations_dir":"drizzle","migrations_pattern":"drizzle/*/migration.sql"`), file: "drizzle/%04d_step/migration.sql"},
		{name: "own_directory_and_table", config: map[string]string{"wrangler.toml": toml + "migrations_dir = 'db/steps'\nmigrations_table = 'applied steps'\n"}, file: "db/steps/%04d.sql"},
	}
	for _, tc := range cases {
		for _, first := range []string{"d1-rewind", "wrangler"} {
			t.Run(tc.name+"/"+first, func(t *testing.T) {
				t.Parallel()
				dir := wranglertest.Project(t, tc.config)
				file := tc.file
				if file == "" {
					file = "migrations/%04d_step.sql"
				}
				wrangle := func(command string) string {
					output, code := wranglertest.Wrangler(t, dir, append([]string{"d1", "migrations", command, "DB", "--local"}, tc.wrangler...)...)
					if code != 0 {
						t.Fatalf("wrangler %s: exit code %d\n%s", command, code, output)
					}
					return output
				}
				rewind := func(command string) (report struct {
					Status           string
					Applied, Pending []string
				}) {
					output, code := wranglertest.Rewind(t, program, dir, append([]string{command, "--format", "json"}, tc.rewind...)...)
					if err := json.NewDecoder(strings.NewReader(output)).Decode(&report); code != 0 || err != nil {
						t.Fatalf("d1-rewind %s: exit code %d, %v\n%s", command, code, err, output)
					}
					return report
				}
				ours := first == "d1-rewind"
				for i, step := range steps {
					wranglertest.Write(t, dir, map[string]string{fmt.Sprintf(file, i): step})
					if ours {
						if report := rewind("migrate"); len(report.Applied) != 1 {
							t.Fatalf("d1-rewind applied %q, want the one that is new", report.Applied)
						}
					} else {
						wrangle("apply")
					}
					if report := rewind("status"); len(report.Applied) != i+1 || len(report.Pending) != 0 {
						t.Fatalf("after step %d applied are %q, pending %q", i, report.Applied, report.Pending)
					}
					ours = !ours
				}
				if first == "d1-rewind" { // wrangler hasn't seen the last step
					if output := wrangle("list"); !strings.Contains(output, "No migrations to apply") {
						t.Errorf("wrangler would apply more:\n%s", output)
					}
				}
			})
		}
	}
}

// beside is a project that wrangler dev serves.
type beside struct {
	program, dir, file string
	worker             *wranglertest.Worker
}

func besideDev(t *testing.T, files map[string]string) beside {
	t.Helper()
	wranglertest.Tools(t)
	files = maps.Clone(files)
	files["wrangler.json"] = `{"name":"w","compatibility_date":"2026-11-01","d1_databases":[{"binding":"DB"}]}`
	b := beside{program: wranglertest.Program(t), dir: wranglertest.Project(t, files)}
	b.file = filepath.Join(wrangler.StateDir(filepath.Join(b.dir, ".wrangler/state")), wrangler.StateFile("DB"))
	b.worker = wranglertest.Dev(t, b.dir)
	return b
}

func (b beside) rewind(t *testing.T, code int, args ...string) string {
	t.Helper()
	output, got := wranglertest.Rewind(t, b.program, b.dir, args...)
	if got != code {
		t.Fatalf("d1-rewind %q: exit code %d, want %d\n%s", args, got, code, output)
	}
	return output
}

// seen is what the Worker reads: the values of the column v.
func (b beside) seen(t *testing.T, sql string) string {
	t.Helper()
	answer := b.worker.Batch(t, "DB", sql)
	if answer.Error != "" {
		return answer.Error
	}
	var values []string
	for _, row := range answer.Rows[0] {
		values = append(values, fmt.Sprint(row["v"]))
	}
	return strings.Join(values, " ")
}

func (b beside) sees(t *testing.T, sql, want string) {
	t.Helper()
	if got := b.seen(t, sql); got != want {
		t.Errorf("the Worker's %s gives %q, want %q", sql, got, want)
	}
}

func (b beside) open(t *testing.T) *sqlite3.Conn {
	t.Helper()
	c, err := sqlite3.Open("file:" + b.file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func execute(t *testing.T, c *sqlite3.Conn, sql string) {
	t.Helper()
	if err := c.Exec(sql); err != nil {
		t.Fatal(err)
	}
}

// The running Worker keeps its connection to the file for ten seconds after a query.
func TestBesideDevEachChangeIsSeen(t *testing.T) {
	b := besideDev(t, map[string]string{"migrations/0001_a.sql": "CREATE TABLE a(v); INSERT INTO a VALUES (1);"})
	b.sees(t, "SELECT count(*) AS v FROM sqlite_schema", "0")
	b.rewind(t, 0, "migrate")
	before, err := os.Stat(b.file)
	if err != nil {
		t.Fatal(err)
	}
	b.sees(t, "SELECT v FROM a", "1")
	b.sees(t, "INSERT INTO a VALUES (2) RETURNING v", "2")

	wranglertest.Write(t, b.dir, map[string]string{"migrations/0002_b.sql": "CREATE TABLE b(v); INSERT INTO b SELECT v * 10 FROM a; DELETE FROM a WHERE v = 1;"})
	b.rewind(t, 0, "migrate")
	b.sees(t, "SELECT v FROM b", "10 20")
	b.sees(t, "INSERT INTO b VALUES (30) RETURNING v", "30")

	restore := func(args ...string) (undo string) {
		t.Helper()
		var report struct{ PreviousBookmark string }
		output := b.rewind(t, 0, append([]string{"restore", "--format", "json"}, args...)...)
		if err := json.NewDecoder(strings.NewReader(output)).Decode(&report); err != nil {
			t.Fatalf("%v\n%s", err, output)
		}
		return report.PreviousBookmark
	}
	undo := restore("--before", "0002_b.sql")
	b.sees(t, "SELECT v FROM a", "1 2")
	b.sees(t, "SELECT v FROM b", "no such table: b: SQLITE_ERROR")
	redo := restore("--bookmark", undo)
	b.sees(t, "SELECT v FROM b", "10 20 30")
	restore("--bookmark", redo)
	b.sees(t, "INSERT INTO a VALUES (3) RETURNING v", "3")

	b.rewind(t, 0, "reset", "--yes")
	b.sees(t, "SELECT v FROM a", "")
	b.sees(t, "SELECT v FROM b", "10")
	after, err := os.Stat(b.file)
	if err != nil {
		t.Fatal(err)
	}
	if !os.SameFile(before, after) {
		t.Error("the file was replaced: a Worker that has it open keeps the old one")
	}
}

// Another process that holds the write lock is waited for, and not for ever.
func TestBesideAWriter(t *testing.T) {
	b := besideDev(t, map[string]string{"migrations/0001_a.sql": "CREATE TABLE a(v); INSERT INTO a VALUES (1);"})
	b.rewind(t, 0, "migrate")
	wranglertest.Write(t, b.dir, map[string]string{"migrations/0002_b.sql": "CREATE TABLE b(v);"})
	holder := b.open(t)

	execute(t, holder, "BEGIN IMMEDIATE")
	started := time.Now()
	output := b.rewind(t, 1, "migrate")
	waited := time.Since(started)
	for _, part := range []string{"locked", "another process has held the database", "the database is as it was before"} {
		if !strings.Contains(output, part) {
			t.Errorf("the message lacks %q:\n%s", part, output)
		}
	}
	if waited < 4*time.Second || waited > 20*time.Second {
		t.Errorf("gave up after %s, want about 5 s", waited)
	}
	b.sees(t, "SELECT name AS v FROM d1_migrations", "0001_a.sql")
	b.sees(t, "INSERT INTO a VALUES (2)", "database is locked: SQLITE_BUSY")

	// It copies the database before it asks for the lock; then the holder lets go.
	known := len(timeTravelFiles(t, b.dir))
	execute(t, holder, "INSERT INTO a VALUES (3); COMMIT; BEGIN IMMEDIATE") // a copy of another state
	done := make(chan string, 1)
	go func() {
		output, code := wranglertest.Rewind(t, b.program, b.dir, "migrate", "--format", "json")
		done <- fmt.Sprintf("exit code %d\n%s", code, output)
	}()
	for deadline := time.Now().Add(20 * time.Second); len(timeTravelFiles(t, b.dir)) == known && len(done) == 0 && time.Now().Before(deadline); {
		time.Sleep(2 * time.Millisecond)
	}
	execute(t, holder, "ROLLBACK")
	if output := <-done; !strings.HasPrefix(output, "exit code 0\n") {
		t.Errorf("with the lock free again: %s", output)
	}
	b.sees(t, "SELECT count(*) AS v FROM b", "0")
}

// timeTravelFiles are the files of the local Time Travel.
func timeTravelFiles(t *testing.T, dir string) (files []string) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join(dir, ".wrangler/state/d1-rewind"), func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			files = append(files, path)
		}
		return nil // what goes while it is looked at
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// workerd doesn't wait for a lock, so whatever holds one longer than the migration itself takes breaks
// a Worker's writes: the copy for Time Travel and the rehearsal must not.
func TestBesideDevLocksAreShort(t *testing.T) {
	const slow = "UPDATE big SET v = hex(v) || id WHERE id % 2; CREATE INDEX big_v ON big(v);"
	b := besideDev(t, map[string]string{"migrations/0001_a.sql": "CREATE TABLE hits(v); CREATE TABLE big(id INTEGER PRIMARY KEY, v);"})
	b.rewind(t, 0, "migrate")
	filler := b.open(t)
	execute(t, filler, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 25000) INSERT INTO big(v) SELECT randomblob(4000) FROM n")
	started := time.Now()
	execute(t, filler, "BEGIN;"+slow+"ROLLBACK")
	own := time.Since(started)
	if err := filler.Close(); err != nil {
		t.Fatal(err)
	}
	wranglertest.Write(t, b.dir, map[string]string{"migrations/0002_slow.sql": slow})

	// It takes the lock and changes nothing: the run has no reason to begin anew.
	code, output, written, locked := b.writing(t, "DELETE FROM hits WHERE false")
	t.Logf("the statements alone take %s; %d writes succeeded beside the run, the others failed within %s", own, written, locked)
	if code != 0 {
		t.Errorf("exit code %d\n%s", code, output)
	}
	if written == 0 || locked == 0 || locked > 2*own+2*time.Second {
		t.Errorf("%d writes succeeded, others failed within %s; the statements alone take %s", written, locked, own)
	}
}

// A Worker that never stops to write may keep a run from beginning, but the run has to say so.
func TestBesideDevThatWrites(t *testing.T) {
	b := besideDev(t, map[string]string{"migrations/0001_a.sql": "CREATE TABLE hits(v); CREATE TABLE big(v);"})
	b.rewind(t, 0, "migrate")
	filler := b.open(t) // a copy takes several steps, and each write of the Worker begins it anew
	execute(t, filler, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) INSERT INTO big(v) SELECT randomblob(4000) FROM n")
	if err := filler.Close(); err != nil {
		t.Fatal(err)
	}
	wranglertest.Write(t, b.dir, map[string]string{"migrations/0002_b.sql": "CREATE TABLE b(v);"})
	code, output, written, _ := b.writing(t, "INSERT INTO hits VALUES (1)")
	switch {
	case code == 0:
	case code == 1 && strings.Contains(output, "the database changed while the run was being prepared"):
		b.sees(t, "SELECT count(*) AS v FROM sqlite_schema WHERE name = 'b'", "0")
	default:
		t.Errorf("exit code %d\n%s", code, output)
	}
	b.sees(t, "SELECT count(*) AS v FROM hits", fmt.Sprint(written))
	b.rewind(t, 0, "migrate")
	b.sees(t, "SELECT count(*) AS v FROM b", "0")
}

// writing lets the Worker write again and again while migrate runs. It returns how that ended, how
// many writes succeeded, and the time from the first to the last that found the database locked.
func (b beside) writing(t *testing.T, sql string) (code int, output string, written int, locked time.Duration) {
	t.Helper()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		output, code = wranglertest.Rewind(t, b.program, b.dir, "migrate")
	}()
	var first, last time.Time
	for {
		select {
		case <-ended:
			return code, output, written, last.Sub(first)
		default:
		}
		at := time.Now()
		switch answer := b.worker.Batch(t, "DB", sql); {
		case answer.Error == "":
			written++
		case strings.Contains(answer.Error, "SQLITE_BUSY"):
			if first.IsZero() {
				first = at
			}
			last = time.Now()
		default:
			t.Fatal(answer.Error)
		}
	}
}

// TestBesideBatches runs the batches of two runs on the real workerd. A batch that is sent once more,
// or after someone's restore, is refused as a whole by its first condition.
func TestBesideBatches(t *testing.T) {
	wranglertest.Tools(t)
	c := newCloud(t, sample())
	c.run("migrate", "production", "--to", "0001_users.sql").want(t, 0)
	c.run("migrate", "production").want(t, 0)
	var batches [][]string
	for _, r := range c.server.Requests() {
		if strings.HasSuffix(r.Path, "/query") {
			batches = append(batches, batchSQL(t, r.Body))
		}
	}
	if len(batches) != 2 {
		t.Fatalf("%d batches", len(batches))
	}
	worker := wranglertest.Dev(t, wranglertest.Project(t, map[string]string{"wrangler.json": `{"name": "app", "compatibility_date": "2026-01-01", "d1_databases": [{"binding": "DB", "database_id": "x"}]}`}))
	names := func(want ...string) {
		t.Helper()
		var got []string
		for _, row := range worker.Batch(t, "DB", "SELECT name FROM d1_migrations ORDER BY id").Rows[0] {
			got = append(got, fmt.Sprint(row["name"]))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("ledger (-want +got):\n%s", diff)
		}
	}
	for _, batch := range batches {
		if answer := worker.Batch(t, "DB", batch...); answer.Error != "" {
			t.Fatal(answer.Error)
		}
	}
	names("0001_users.sql", "0002_orders.sql")
	for _, batch := range batches {
		if answer := worker.Batch(t, "DB", batch...); !strings.Contains(answer.Error, "d1-rewind: not as planned") {
			t.Errorf("sent once more it was answered with %+v", answer)
		}
	}
	worker.Batch(t, "DB", "DELETE FROM d1_migrations", "DELETE FROM d1_rewind_journal", "DROP TABLE users", "DROP TABLE orders")
	if answer := worker.Batch(t, "DB", batches[1]...); !strings.Contains(answer.Error, "d1-rewind: not as planned") {
		t.Errorf("without the first one it was answered with %+v", answer)
	}
	names()
}
