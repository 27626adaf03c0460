package migration_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/d1-rewind/d1-rewind/internal/migration"
	"github.com/d1-rewind/d1-rewind/internal/rehearsal"
	"github.com/d1-rewind/d1-rewind/internal/sqlite"
)

// project is a migrations directory and a local database of its own.
type project struct {
	t      *testing.T
	files  fstest.MapFS
	db     *sqlite.Database
	engine *migration.Engine
}

const (
	users  = "0001_users.sql"
	orders = "0002_orders.sql"
	bad    = "0003_bad.sql"
)

func newProject(t *testing.T) *project {
	t.Helper()
	dir := t.TempDir()
	p := &project{t: t, files: fstest.MapFS{}, db: sqlite.Open(filepath.Join(dir, "0123456789ab.sqlite"),
		sqlite.Options{Copies: filepath.Join(dir, "copies"), Limit: 1 << 30, Now: time.Now, Progress: func(string) {}})}
	p.engine = &migration.Engine{Environment: p.db, Directory: migration.Directory{FS: p.files, Pattern: "*.sql", Display: "migrations"},
		Table: "d1_migrations", Journal: true, Now: time.Now, Rehearse: rehearsal.Local(p.db, rehearsal.Options{Limit: 1 << 30})}
	p.write(users, "CREATE TABLE users(id INTEGER PRIMARY KEY, name TEXT);\nINSERT INTO users(name) VALUES ('ada');")
	p.write(orders, "CREATE TABLE orders(id INTEGER PRIMARY KEY, user_id INTEGER REFERENCES users(id));")
	return p
}

func (p *project) write(name, sql string) { p.files[name] = &fstest.MapFile{Data: []byte(sql)} }

func (p *project) migrate(o migration.MigrateOptions) migration.Result {
	p.t.Helper()
	result, err := p.engine.Migrate(context.Background(), o)
	if err != nil {
		p.t.Fatalf("Migrate() = %v", err)
	}
	return result
}

func (p *project) restore(o migration.RestoreOptions) migration.Result {
	p.t.Helper()
	result, err := p.engine.Restore(context.Background(), o)
	if err != nil {
		p.t.Fatalf("Restore() = %v", err)
	}
	return result
}

func (p *project) refused(kind migration.Kind, err error) *migration.Problem {
	p.t.Helper()
	problem, ok := errors.AsType[*migration.Problem](err)
	if !ok || problem.Kind != kind {
		p.t.Fatalf("error = %v (%T), want a problem of kind %d", err, err, kind)
	}
	return problem
}

// ledger returns the names in the ledger, nil if there is none.
func (p *project) ledger() []string { return p.column("SELECT name FROM d1_migrations ORDER BY id") }

func (p *project) column(sql string) []string {
	p.t.Helper()
	rows, err := p.db.Read(context.Background(), migration.Query{SQL: sql})
	if err != nil {
		p.t.Fatal(err)
	}
	var values []string
	for _, v := range rows[0].Values {
		values = append(values, fmt.Sprint(v[0]))
	}
	return values
}

func (p *project) wantLedger(want ...string) {
	p.t.Helper()
	if diff := cmp.Diff(want, p.ledger()); diff != "" {
		p.t.Errorf("ledger (-want +got):\n%s", diff)
	}
}

// apply writes behind the engine's back, as wrangler would.
func (p *project) apply(sql ...string) {
	p.t.Helper()
	batch := migration.Batch{}
	for _, s := range sql {
		batch.Statements = append(batch.Statements, migration.BatchStatement{Query: migration.Query{SQL: s}})
	}
	if err := p.db.Apply(context.Background(), batch); err != nil {
		p.t.Fatal(err)
	}
}

func names(migrations []migration.Migration) (list []string) {
	for _, m := range migrations {
		list = append(list, m.Name)
	}
	return list
}

func TestMigrate(t *testing.T) {
	t.Parallel()
	t.Run("applies_what_is_pending_once", func(t *testing.T) {
		t.Parallel()
		p := newProject(t)
		first := p.migrate(migration.MigrateOptions{})
		if first.Status != migration.Applied || !first.Rehearsal.Ran {
			t.Errorf("status = %s, rehearsal = %+v", first.Status, first.Rehearsal)
		}
		p.wantLedger(users, orders)
		if again := p.migrate(migration.MigrateOptions{}); again.Status != migration.UpToDate {
			t.Errorf("second run: status = %s, want up-to-date", again.Status)
		}
		if got := p.column("SELECT count(*) FROM users"); got[0] != "1" {
			t.Errorf("users has %s rows, want 1", got[0])
		}
	})
	t.Run("keeps_nothing_of_a_failed_run", func(t *testing.T) {
		t.Parallel()
		for _, rehearse := range []bool{true, false} {
			p := newProject(t)
			if !rehearse {
				p.engine.Rehearse = nil
			}
			p.write(orders, "CREATE TABLE a(x);\nCREATE TABLE b(x);\n\nINSERT INTO nowhere\n  VALUES (1);")
			result, err := p.engine.Migrate(context.Background(), migration.MigrateOptions{})
			problem := p.refused(migration.Failed, err)
			if problem.File != orders || problem.Line != 4 || !strings.Contains(problem.Error(), "statement 3 of 3: no such table: nowhere") {
				t.Errorf("problem = %s:%d %v", problem.File, problem.Line, problem)
			}
			if len(result.Applied) != 0 || result.Bookmark == "" {
				t.Errorf("applied = %v, bookmark = %q", names(result.Applied), result.Bookmark)
			}
			p.wantLedger()
			if got := p.column("SELECT name FROM sqlite_schema"); got != nil {
				t.Errorf("schema = %q, want nothing", got)
			}
		}
	})
	t.Run("per_migration_stops_at_the_first_failure", func(t *testing.T) {
		t.Parallel()
		p := newProject(t)
		p.engine.Rehearse = nil
		p.write(bad, "SELECT * FROM nowhere")
		p.write("0004_never.sql", "CREATE TABLE never(x)")
		result, err := p.engine.Migrate(context.Background(), migration.MigrateOptions{PerMigration: true})
		problem := p.refused(migration.Failed, err)
		if !strings.Contains(problem.State, users+", "+orders) {
			t.Errorf("state = %q, want it to name what is kept", problem.State)
		}
		if diff := cmp.Diff([]string{bad, "0004_never.sql"}, names(result.NotRun)); diff != "" {
			t.Errorf("not run (-want +got):\n%s", diff)
		}
		p.wantLedger(users, orders)
		p.restore(migration.RestoreOptions{Before: orders})
		p.wantLedger(users)
	})
	t.Run("to_and_dry_run", func(t *testing.T) {
		t.Parallel()
		p := newProject(t)
		p.migrate(migration.MigrateOptions{DryRun: true})
		if got := p.column("SELECT name FROM sqlite_schema"); got != nil {
			t.Errorf("a dry run wrote %q", got)
		}
		p.migrate(migration.MigrateOptions{To: users})
		p.wantLedger(users)
		_, err := p.engine.Migrate(context.Background(), migration.MigrateOptions{To: "0009_none.sql"})
		p.refused(migration.Usage, err)
	})
	t.Run("continues_wranglers_ledger", func(t *testing.T) {
		t.Parallel()
		p := newProject(t)
		p.apply("CREATE TABLE d1_migrations(id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE, applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL)",
			"INSERT INTO d1_migrations(name) VALUES ('0001_users.sql'), ('0000_gone.sql')", "CREATE TABLE users(id INTEGER PRIMARY KEY, name TEXT)")
		result := p.migrate(migration.MigrateOptions{})
		if diff := cmp.Diff([]string{orders}, names(result.Applied)); diff != "" {
			t.Errorf("applied (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]string{"0000_gone.sql"}, result.Comparison.Missing); diff != "" {
			t.Errorf("missing (-want +got):\n%s", diff)
		}
	})
	t.Run("refuses_a_ledger_that_can_hold_a_name_twice", func(t *testing.T) {
		t.Parallel()
		p := newProject(t)
		p.apply("CREATE TABLE d1_migrations(id INTEGER PRIMARY KEY, name TEXT, applied_at TEXT)")
		_, err := p.engine.Migrate(context.Background(), migration.MigrateOptions{})
		if problem := p.refused(migration.Refused, err); !strings.Contains(problem.Next, "CREATE UNIQUE INDEX") {
			t.Errorf("next = %q", problem.Next)
		}
		p.apply(`CREATE UNIQUE INDEX u ON d1_migrations(name)`)
		p.migrate(migration.MigrateOptions{})
		other := newProject(t)
		other.apply("CREATE TABLE d1_migrations(id INTEGER PRIMARY KEY, hash TEXT)")
		_, err = other.engine.Migrate(context.Background(), migration.MigrateOptions{})
		other.refused(migration.Refused, err)
	})
	t.Run("finds_edited_out_of_order_and_duplicates", func(t *testing.T) {
		t.Parallel()
		p := newProject(t)
		p.migrate(migration.MigrateOptions{})
		p.write(users, "CREATE TABLE users(id INTEGER PRIMARY KEY, name TEXT, mail TEXT)")
		p.write("0001_tags.sql", "CREATE TABLE tags(x)")
		result, err := p.engine.Status(context.Background(), migration.StatusOptions{})
		if err != nil {
			t.Fatal(err)
		}
		c := result.Comparison
		if diff := cmp.Diff([][]string{{users}, {"0001_tags.sql"}, {"0001_tags.sql", users}}, append([][]string{c.Edited, c.OutOfOrder}, c.Duplicates...)); diff != "" {
			t.Errorf("edited, out of order, duplicates (-want +got):\n%s", diff)
		}
	})
	t.Run("line_endings_are_no_edit", func(t *testing.T) {
		t.Parallel()
		p := newProject(t)
		p.migrate(migration.MigrateOptions{})
		p.write(users, strings.ReplaceAll(string(p.files[users].Data), "\n", "\r\n"))
		result, err := p.engine.Status(context.Background(), migration.StatusOptions{})
		if err != nil || len(result.Comparison.Edited) > 0 {
			t.Errorf("Status() = %v, edited %q", err, result.Comparison.Edited)
		}
	})
	t.Run("odd_files", func(t *testing.T) {
		t.Parallel()
		p := newProject(t)
		p.write("0003_empty.sql", "")
		p.write("0004_comment.sql", "-- nothing; yet")
		p.write("0005_bom_crlf.sql", "\ufeffCREATE TABLE c(x);\r\nCREATE TRIGGER t AFTER INSERT ON c\r\nbegin\r\n SELECT 1;\r\nend;\r\n")
		p.write("0006_open.sql", "CREATE TABLE d(x); /* open")
		p.migrate(migration.MigrateOptions{})
		if got := len(p.ledger()); got != 6 {
			t.Errorf("ledger has %d rows, want 6", got)
		}
		p.write("0007_latin1.sql", "SELECT 1;\nSELECT 'caf\xe9';")
		_, err := p.engine.Migrate(context.Background(), migration.MigrateOptions{})
		if problem := p.refused(migration.Usage, err); problem.Line != 2 {
			t.Errorf("line = %d, want 2", problem.Line)
		}
	})
	t.Run("a_rival_applied_it_meanwhile", func(t *testing.T) {
		t.Parallel()
		p := newProject(t)
		rival := newProject(t)
		rival.engine.Environment, rival.engine.Rehearse = p.db, nil
		try := p.engine.Rehearse
		for _, early := range []bool{true, false} { // before the copy is taken, and after
			p.engine.Rehearse = func(ctx context.Context, b migration.Plan) (migration.Rehearsal, error) {
				if early {
					rival.migrate(migration.MigrateOptions{})
				}
				rehearsed, err := try(ctx, b)
				if !early {
					rival.migrate(migration.MigrateOptions{})
				}
				return rehearsed, err
			}
			result := p.migrate(migration.MigrateOptions{})
			if len(result.Applied) != 0 {
				t.Errorf("applied %q beside the rival", names(result.Applied))
			}
			p.wantLedger(users, orders)
			p.restore(migration.RestoreOptions{Before: users})
			p.write(users, "CREATE TABLE users(id INTEGER PRIMARY KEY)")
			rival.write(users, "CREATE TABLE users(id INTEGER PRIMARY KEY)")
		}
	})
	t.Run("cancelled_before_the_write", func(t *testing.T) {
		t.Parallel()
		p := newProject(t)
		ctx, cancel := context.WithCancel(context.Background())
		p.engine.OnProgress = func(string) { cancel() }
		_, err := p.engine.Migrate(ctx, migration.MigrateOptions{})
		p.refused(migration.Stopped, err)
		p.wantLedger()
	})
}

func TestRestore(t *testing.T) {
	t.Parallel()
	t.Run("holds_what_it_undid_until_a_file_changes", func(t *testing.T) {
		t.Parallel()
		p := newProject(t)
		p.migrate(migration.MigrateOptions{})
		p.write(bad, "DELETE FROM users")
		p.migrate(migration.MigrateOptions{})
		result := p.restore(migration.RestoreOptions{Before: bad})
		if result.PreviousBookmark == "" || len(result.Holding) != 1 {
			t.Fatalf("undo = %q, holding = %v", result.PreviousBookmark, result.Holding)
		}
		p.wantLedger(users, orders)
		if got := p.column("SELECT name FROM users"); len(got) != 1 {
			t.Errorf("users = %q, want the row back", got)
		}
		_, err := p.engine.Migrate(context.Background(), migration.MigrateOptions{})
		p.refused(migration.Refused, err)
		_, err = p.engine.Status(context.Background(), migration.StatusOptions{})
		p.refused(migration.Refused, err)
		p.write(bad, "UPDATE users SET name = 'grace'")
		p.migrate(migration.MigrateOptions{})
		p.wantLedger(users, orders, bad)
	})
	t.Run("ends_by_release_or_when_a_file_goes", func(t *testing.T) {
		t.Parallel()
		p := newProject(t)
		p.migrate(migration.MigrateOptions{To: users})
		p.migrate(migration.MigrateOptions{})
		p.write(bad, "DELETE FROM users")
		p.migrate(migration.MigrateOptions{})
		p.restore(migration.RestoreOptions{Before: orders})
		delete(p.files, bad)
		p.migrate(migration.MigrateOptions{})
		p.restore(migration.RestoreOptions{Before: orders})
		p.migrate(migration.MigrateOptions{ReleaseHold: true})
		p.wantLedger(users, orders)
	})
	t.Run("second_restore_further_back_keeps_the_first_hold", func(t *testing.T) {
		t.Parallel()
		p := newProject(t)
		p.migrate(migration.MigrateOptions{To: users})
		p.migrate(migration.MigrateOptions{To: orders})
		p.write(bad, "DELETE FROM users")
		p.migrate(migration.MigrateOptions{})
		p.restore(migration.RestoreOptions{Before: bad})
		second := p.restore(migration.RestoreOptions{Before: orders})
		var held []string
		for _, f := range second.Holding {
			held = append(held, f.Name)
		}
		if diff := cmp.Diff([]string{bad, orders}, held); diff != "" {
			t.Errorf("held (-want +got):\n%s", diff)
		}
		p.restore(migration.RestoreOptions{Bookmark: second.PreviousBookmark})
		p.wantLedger(users, orders)
	})
	t.Run("undo_lifts_the_hold", func(t *testing.T) {
		t.Parallel()
		p := newProject(t)
		first := p.migrate(migration.MigrateOptions{})
		undone := p.restore(migration.RestoreOptions{Bookmark: first.Bookmark})
		p.wantLedger()
		p.restore(migration.RestoreOptions{Bookmark: undone.PreviousBookmark})
		p.wantLedger(users, orders)
		if result, err := p.engine.Status(context.Background(), migration.StatusOptions{}); err != nil || len(result.Comparison.Held) != 0 {
			t.Errorf("Status() = %v, held %v", err, result.Comparison.Held)
		}
	})
	t.Run("bad_input", func(t *testing.T) {
		t.Parallel()
		p := newProject(t)
		p.migrate(migration.MigrateOptions{})
		now := time.Now()
		for name, o := range map[string]migration.RestoreOptions{
			"nonsense":       {Bookmark: "yesterday"},
			"other_database": {Bookmark: "00000001-00000000-ffffffff-e3b0c44298fc1c149afbf4c8996fb924"},
			"never_copied":   {Bookmark: "00000009-00000000-01234567-e3b0c44298fc1c149afbf4c8996fb924"},
			"future":         {Timestamp: now.Add(time.Hour)},
			"before_history": {Timestamp: now.Add(-31 * 24 * time.Hour)},
			"not_applied":    {Before: "0009_none.sql"},
		} {
			_, err := p.engine.Restore(context.Background(), o)
			if problem := p.refused(migration.Usage, err); problem.Next == "" {
				t.Errorf("%s: no next step: %v", name, problem)
			}
		}
		p.wantLedger(users, orders)
	})
	t.Run("a_journal_with_anything_in_it", func(t *testing.T) { // whoever can write to the database can write there
		t.Parallel()
		p := newProject(t)
		p.migrate(migration.MigrateOptions{})
		p.apply("UPDATE d1_rewind_journal SET bookmark = 'x to nowhere?" + "\x1b[2K" + "'")
		_, err := p.engine.Restore(context.Background(), migration.RestoreOptions{Before: orders, Confirm: func(migration.Result, []string) error {
			t.Error("asked to confirm what is no bookmark")
			return nil
		}})
		if problem := p.refused(migration.Usage, err); !strings.Contains(problem.Next, "--timestamp") {
			t.Errorf("next = %q", problem.Next)
		}
	})
	t.Run("by_timestamp", func(t *testing.T) {
		t.Parallel()
		p := newProject(t)
		before := time.Now()
		p.migrate(migration.MigrateOptions{})
		p.restore(migration.RestoreOptions{Timestamp: before})
		p.wantLedger()
	})
}

// rival is a local database to which someone writes right before or after its bookmark is read.
type rival struct {
	*sqlite.Database
	before, after func()
}

func (r rival) Bookmark(ctx context.Context, at time.Time) (migration.Bookmark, error) {
	if r.before != nil {
		r.before()
	}
	bookmark, err := r.Database.Bookmark(ctx, at)
	if r.after != nil {
		r.after()
	}
	return bookmark, err
}

// A restore between two commits of a run: the run must neither go on with its old plan nor say
// that it applied what is undone.
func TestARestoreInTheMiddleOfARun(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	base := "0000_base.sql"
	p.write(base, "CREATE TABLE base(x);")
	p.migrate(migration.MigrateOptions{To: base})
	other, bookmarks := *p.engine, 0
	p.engine.Environment = rival{Database: p.db, before: func() {
		if bookmarks++; bookmarks == 2 {
			if _, err := other.Restore(context.Background(), migration.RestoreOptions{Before: users}); err != nil {
				t.Error(err)
			}
		}
	}}
	result, err := p.engine.Migrate(context.Background(), migration.MigrateOptions{PerMigration: true})
	p.refused(migration.Refused, err)
	if len(result.Applied) > 0 {
		t.Errorf("applied = %v", names(result.Applied))
	}
	p.wantLedger(base)
}

// A restore while a baseline proves its schema: what it recorded then would stand on another one.
func TestARestoreBesideABaseline(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	p.migrate(migration.MigrateOptions{To: users})
	p.migrate(migration.MigrateOptions{})
	p.write(bad, "CREATE TABLE bad(x);")
	now, other := time.Now(), *p.engine
	p.engine.Now = func() time.Time { return now }
	var proven [][]string
	_, err := p.engine.Baseline(context.Background(), bad, false, func(_ context.Context, files []migration.Migration) error {
		now, proven = now.Add(time.Minute), append(proven, names(files))
		if len(proven) == 1 {
			_, err := other.Restore(context.Background(), migration.RestoreOptions{Before: users})
			return err
		}
		return errors.New("there is no table at all")
	})
	p.refused(migration.Refused, err)
	if len(proven) != 2 {
		t.Errorf("proven: %v, want it twice", proven)
	}
	p.wantLedger()
}

// The ledger must not be older than the bookmark that the write is held against.
func TestALocalRestoreSeesARival(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	p.migrate(migration.MigrateOptions{To: users})
	p.migrate(migration.MigrateOptions{})
	late := "0003_late.sql"
	p.write(late, "CREATE TABLE late(x);")
	wrote := false
	p.engine.Environment = rival{Database: p.db, after: func() {
		if !wrote {
			p.apply("CREATE TABLE late(x)", "INSERT INTO d1_migrations(name) VALUES ('"+late+"')")
		}
		wrote = true
	}}
	_, err := p.engine.Restore(context.Background(), migration.RestoreOptions{Before: orders})
	if problem := p.refused(migration.Failed, err); !errors.Is(problem, migration.ErrMoved) {
		t.Errorf("error = %v, want ErrMoved", err)
	}
	p.wantLedger(users, orders, late)
}

func TestBaseline(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	p.apply("CREATE TABLE users(id INTEGER PRIMARY KEY, name TEXT)", "CREATE TABLE extra(x)")
	prove := func(ctx context.Context, files []migration.Migration) error {
		return rehearsal.Prove(ctx, p.db, files, "d1_migrations", migration.JournalTable)
	}
	_, err := p.engine.Baseline(context.Background(), users, false, prove)
	if problem := p.refused(migration.Refused, err); !strings.Contains(problem.Error(), `table "extra" is only in the database`) {
		t.Errorf("problem = %v", problem)
	}
	p.apply("DROP TABLE extra")
	if _, err := p.engine.Baseline(context.Background(), users, false, prove); err != nil {
		t.Fatal(err)
	}
	p.wantLedger(users)
	p.migrate(migration.MigrateOptions{})
	p.wantLedger(users, orders)
}

func TestReset(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	p.migrate(migration.MigrateOptions{})
	p.apply("INSERT INTO users(name) VALUES ('grace')")
	result, err := p.engine.Reset(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if got := p.column("SELECT count(*) FROM users"); got[0] != "1" {
		t.Errorf("users has %s rows after the reset, want 1", got[0])
	}
	p.restore(migration.RestoreOptions{Bookmark: result.PreviousBookmark})
	if got := p.column("SELECT count(*) FROM users"); got[0] != "2" {
		t.Errorf("users has %s rows after the undo, want 2", got[0])
	}
	p.write(bad, "SELECT * FROM nowhere")
	if _, err := p.engine.Reset(context.Background()); err == nil {
		t.Error("Reset() with a bad migration succeeded")
	}
	if got := p.column("SELECT count(*) FROM users"); got[0] != "2" {
		t.Errorf("users has %s rows after a failed reset, want 2", got[0])
	}
}

func TestDirectoryOrder(t *testing.T) {
	t.Parallel()
	// As observed with wrangler 4.164.
	want := []string{"000X_cohort.sql", "0001_a.sql", "0001_z.sql", "1_a.sql", "0002_x.sql", "9_a.sql", "10_b.sql", "init.sql"}
	files := fstest.MapFS{".hidden.sql": {}, "notes.txt": {}, "sub/0001_x.sql": {}}
	for _, name := range want {
		files[name] = &fstest.MapFile{}
	}
	got, err := migration.Directory{FS: files, Pattern: "*.sql"}.Read()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, names(got)); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
	next, err := migration.Directory{FS: files, Pattern: "*.sql"}.NextName("add users")
	if err != nil || next != "0011_add_users.sql" {
		t.Errorf("NextName() = %q, %v", next, err)
	}
}
