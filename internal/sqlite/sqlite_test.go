package sqlite_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/ncruces/go-sqlite3"

	"github.com/d1-rewind/d1-rewind/internal/migration"
	"github.com/d1-rewind/d1-rewind/internal/sqlite"
	"github.com/d1-rewind/d1-rewind/internal/statement"
)

func batch(name, sql string) (b migration.Batch) {
	for _, s := range statement.Split(sql) {
		b.Statements = append(b.Statements, migration.BatchStatement{Query: migration.Query{SQL: s.SQL}, Migration: name, Line: s.Line})
	}
	return b
}

func options(copies string) sqlite.Options {
	return sqlite.Options{Copies: copies, Limit: 1 << 30, Now: time.Now, Progress: func(string) {}}
}

func open(t *testing.T) *sqlite.Database {
	t.Helper()
	dir := t.TempDir()
	return sqlite.Open(filepath.Join(dir, "d1", "0123456789abcdef.sqlite"), options(filepath.Join(dir, "copies")))
}

func apply(t *testing.T, d *sqlite.Database, sql string) {
	t.Helper()
	if err := d.Apply(t.Context(), batch("m", sql)); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, env migration.Environment, sql string) string {
	t.Helper()
	rows, err := env.Read(t.Context(), migration.Query{SQL: sql})
	if err != nil || rows[0].Err != nil {
		t.Fatal(err, rows[0].Err)
	}
	return fmt.Sprint(rows[0].Values)
}

func bookmark(t *testing.T, d *sqlite.Database) migration.Bookmark {
	t.Helper()
	b, err := d.Bookmark(t.Context(), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestBookmarks(t *testing.T) {
	t.Parallel()
	d := open(t)
	var all []migration.Bookmark
	for i := range 3 {
		all = append(all, bookmark(t, d))
		if again := bookmark(t, d); again != all[i] {
			t.Errorf("bookmark of an unchanged database: %s, then %s", all[i], again)
		}
		apply(t, d, fmt.Sprintf("CREATE TABLE t%d(x); INSERT INTO t%d VALUES (%d)", i, i, i))
	}
	for i := 1; i < len(all); i++ {
		if all[i] <= all[i-1] {
			t.Errorf("%s does not sort behind %s", all[i], all[i-1])
		}
	}
	last := bookmark(t, d)
	undo, err := d.Restore(t.Context(), all[1])
	if err != nil || undo != last {
		t.Fatalf("Restore() = %s, %v, want the undo %s", undo, err, last)
	}
	if got := read(t, d, "SELECT name FROM sqlite_schema"); got != "[[t0]]" {
		t.Errorf("schema after the restore: %s", got)
	}
	if _, err := d.Restore(t.Context(), undo); err != nil {
		t.Fatal(err)
	}
	if got := read(t, d, "SELECT x FROM t2"); got != "[[2]]" {
		t.Errorf("rows after the undo: %s", got)
	}
	kept, err := d.Kept(t.Context())
	if err != nil || kept.Copies != 5 || kept.Oldest != all[0] {
		t.Errorf("Kept() = %+v, %v", kept, err)
	}
}

func TestApplyRefusesAMovedDatabase(t *testing.T) {
	t.Parallel()
	d := open(t)
	planned := bookmark(t, d)
	apply(t, d, "CREATE TABLE rival(x)")
	b := batch("m", "CREATE TABLE mine(x)")
	b.Planned = planned
	if err := d.Apply(t.Context(), b); !errors.Is(err, migration.ErrMoved) {
		t.Errorf("Apply() = %v, want ErrMoved", err)
	}
	if got := read(t, d, "SELECT name FROM sqlite_schema"); got != "[[rival]]" {
		t.Errorf("schema = %s", got)
	}
}

// Wrangler is killed without a checkpoint after each command: all data sits in the -wal.
func TestReadsTheWriteAheadLog(t *testing.T) {
	t.Parallel()
	d := open(t)
	apply(t, d, "CREATE TABLE t(x)")
	reader := sqlite.Open(d.Path(), options(t.TempDir()))
	apply(t, d, "INSERT INTO t VALUES (1)")
	if got := read(t, reader, "SELECT x FROM t"); got != "[[1]]" {
		t.Errorf("rows = %s", got)
	}
	if entries, err := os.ReadDir(filepath.Dir(d.Path())); err != nil || len(entries) != 1 {
		t.Errorf("files = %v, %v", entries, err)
	}
}

func TestEndlessStatementIsInterrupted(t *testing.T) {
	t.Parallel()
	d := open(t)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err := d.Apply(ctx, batch("m", "CREATE TABLE t(x); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) INSERT INTO t SELECT i FROM n"))
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Apply() = %v", err)
	}
	if got := read(t, d, "SELECT count(*) FROM sqlite_schema"); got != "[[0]]" {
		t.Errorf("objects = %s", got)
	}
}

func TestSettingsDoNotReachTheNextMigration(t *testing.T) {
	t.Parallel()
	d := open(t)
	b := batch("first", "CREATE TABLE t(x CHECK (x > 0)); PRAGMA ignore_check_constraints = ON; INSERT INTO t VALUES (-1)")
	b.Statements = append(b.Statements, batch("second", "INSERT INTO t VALUES (-2)").Statements...)
	err := d.Apply(t.Context(), b)
	refused, ok := errors.AsType[*migration.StatementError](err)
	if !ok || refused.Index != 3 || !strings.Contains(refused.Text, "CHECK constraint failed") {
		t.Errorf("Apply() = %v, want the second migration refused", err)
	}
}

// What a killed run has left of a copy goes with the next one.
func TestAbandonedCopiesGo(t *testing.T) {
	for name, makeCopy := range map[string]func(t *testing.T){
		"of_all_rows": func(t *testing.T) {
			m, err := sqlite.NewScratchFile(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = m.Close() })
		},
		"of_a_database_in_the_middle_of_a_write": func(t *testing.T) {
			if got := read(t, killedInATransaction(t), "SELECT count(*) FROM t"); got != "[[1]]" {
				t.Errorf("rows = %s", got)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("TMPDIR", t.TempDir())
			old, young := time.Now().Add(-2*time.Hour), time.Now()
			for name, ages := range map[string]struct{ dir, file time.Time }{"old": {old, old}, "begun": {old, young}, "empty": {old, time.Time{}}} {
				dir := filepath.Join(os.TempDir(), "d1-rewind-copy-"+name)
				if err := os.Mkdir(dir, 0o700); err != nil {
					t.Fatal(err)
				}
				if file := filepath.Join(dir, "copy"); !ages.file.IsZero() {
					if err := errors.Join(os.WriteFile(file, []byte("rows"), 0o600), os.Chtimes(file, ages.file, ages.file)); err != nil {
						t.Fatal(err)
					}
				}
				if err := os.Chtimes(dir, ages.dir, ages.dir); err != nil {
					t.Fatal(err)
				}
			}
			makeCopy(t)
			for name, want := range map[string]bool{"old": false, "empty": false, "begun": true} {
				if _, err := os.Stat(filepath.Join(os.TempDir(), "d1-rewind-copy-"+name)); os.IsNotExist(err) == want {
					t.Errorf("%s: %v, want it there: %t", name, err, want)
				}
			}
		})
	}
}

// killedInATransaction is a database whose last writer was killed when it had written a part of a
// transaction, with a rollback journal.
func killedInATransaction(t *testing.T) *sqlite.Database {
	t.Helper()
	original, dir := filepath.Join(t.TempDir(), "original"), t.TempDir()
	c, err := sqlite3.Open("file:" + original)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	path := filepath.Join(dir, "0123456789abcdef.sqlite")
	if err := c.Exec("CREATE TABLE t(x); INSERT INTO t VALUES (1); PRAGMA cache_size = 1; BEGIN; INSERT INTO t SELECT zeroblob(100000) FROM (VALUES (1), (2), (3))"); err != nil {
		t.Fatal(err)
	}
	for _, suffix := range []string{"", "-journal"} {
		data, err := os.ReadFile(original + suffix)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path+suffix, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return sqlite.Open(path, options(filepath.Join(dir, "copies")))
}

// R*Tree keeps statements active, with which SQLite defines no functions.
func TestMigrationsBehindAnRTree(t *testing.T) {
	t.Parallel()
	d := open(t)
	b := batch("first", "CREATE VIRTUAL TABLE r USING rtree(id, a, b); INSERT INTO r VALUES (1, 0, 1)")
	b.Statements = append(b.Statements, batch("second", "INSERT INTO r VALUES (2, 0, 1); CREATE TABLE t AS SELECT 'a' LIKE 'A' AS l").Statements...)
	if err := d.Apply(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if got := read(t, d, "SELECT count(*), l FROM r, t"); got != "[[2 1]]" {
		t.Errorf("rows = %s", got)
	}
}

func TestDumpLoadsIntoAnEmptyDatabase(t *testing.T) {
	t.Parallel()
	d := open(t)
	apply(t, d, `CREATE TABLE child(id INTEGER PRIMARY KEY, pid REFERENCES parent(id), g AS (id * 2));
CREATE TABLE parent(id INTEGER PRIMARY KEY AUTOINCREMENT, "odd ""name" TEXT, b BLOB);
INSERT INTO parent VALUES (9007199254740993, 'real
newline and \n', x'00ff'), (2, NULL, 1e300);
INSERT INTO child(id, pid) VALUES (1, 2);
CREATE VIRTUAL TABLE own USING fts5(a); INSERT INTO own(rowid, a) VALUES (7, 'some words');
CREATE VIRTUAL TABLE ext USING fts5(v,
	content = 'notes', content_rowid='id'); CREATE TABLE notes(id INTEGER PRIMARY KEY, v); INSERT INTO notes VALUES (3, 'other words');
CREATE VIRTUAL TABLE fts5_r USING rtree(id, a, b); INSERT INTO fts5_r VALUES (1, 2, 3);
CREATE VIRTUAL TABLE vocabulary USING fts5vocab(own, row);
CREATE TABLE texts(v); INSERT INTO texts VALUES ('a' || char(0) || 'b'), (CAST(x'ff41' AS TEXT)), (CAST(x'2700ff2741' AS TEXT)), (char(65533)), (''), ('it''s' || char(13, 10));
CREATE INDEX i ON parent(b); CREATE VIEW v AS SELECT * FROM child; CREATE TRIGGER tr INSTEAD OF INSERT ON v BEGIN SELECT 1; END;`)
	var out bytes.Buffer
	if err := d.Dump(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	loaded := open(t)
	if _, err := statement.Text(out.Bytes()); err != nil {
		t.Error(err)
	}
	apply(t, loaded, out.String())
	for _, sql := range []string{
		`SELECT id, "odd ""name", b FROM parent ORDER BY id`, "SELECT * FROM child", "SELECT rowid, a FROM own WHERE own MATCH 'words'", "SELECT * FROM fts5_r", "SELECT * FROM vocabulary", "SELECT typeof(v), hex(v) FROM texts",
		"SELECT * FROM sqlite_sequence", "SELECT type, name, sql FROM sqlite_schema WHERE name NOT LIKE '%\\_%' ESCAPE '\\' ORDER BY name",
	} {
		if diff := cmp.Diff(read(t, d, sql), read(t, loaded, sql)); diff != "" {
			t.Errorf("%s (-original +loaded):\n%s", sql, diff)
		}
	}
	if got := read(t, loaded, "SELECT rowid FROM ext WHERE ext MATCH 'other'"); got != "[[3]]" {
		t.Errorf("the external index finds %s", got)
	}
	apply(t, d, "CREATE VIRTUAL TABLE none USING fts5(a, content='')")
	if err := d.Dump(t.Context(), &out); err == nil || !strings.Contains(err.Error(), "contentless") {
		t.Errorf("Dump() with a contentless table = %v", err)
	}
}

func TestCopiesAreKeptForThirtyDays(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	dir := t.TempDir()
	o := options(filepath.Join(dir, "copies"))
	o.Now = func() time.Time { return now }
	d := sqlite.Open(filepath.Join(dir, "0123456789abcdef.sqlite"), o)
	for _, days := range []int{0, 29, 2} { // the first copy is 31 days old at the third
		now = now.AddDate(0, 0, days)
		apply(t, d, fmt.Sprintf("CREATE TABLE t%d(x)", days))
	}
	kept, err := d.Kept(t.Context())
	if err != nil || kept.Copies != 2 || !kept.Since.Equal(now.AddDate(0, 0, -2)) {
		t.Errorf("Kept() = %+v, %v, want the two copies of the last 30 days", kept, err)
	}
	if _, err := d.Bookmark(t.Context(), now.AddDate(0, 0, -31)); err == nil {
		t.Error("Bookmark() of a time before the history succeeded")
	}
}

// history is a database whose clock stands at each migration and whose copies have a limit.
type history struct {
	*sqlite.Database // as the newest run has it
	path, copies     string
	limit            int64
	now              time.Time
	said             []string
}

func newHistory(t *testing.T, limit int64) *history {
	t.Helper()
	dir := t.TempDir()
	h := &history{path: filepath.Join(dir, "0123456789abcdef.sqlite"), copies: filepath.Join(dir, "copies"), limit: limit, now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	h.run()
	return h
}

// run opens the database anew, an hour later.
func (h *history) run() {
	h.now = h.now.Add(time.Hour)
	h.Database = sqlite.Open(h.path, sqlite.Options{Copies: h.copies, Limit: h.limit,
		Now: func() time.Time { return h.now }, Progress: func(line string) { h.said = append(h.said, line) }})
}

// write is a run that adds rows of about size bytes. It returns the bookmark from before.
func (h *history) write(t *testing.T, size int) migration.Bookmark {
	t.Helper()
	h.run()
	before := bookmark(t, h.Database)
	apply(t, h.Database, fmt.Sprintf("CREATE TABLE IF NOT EXISTS t(x); INSERT INTO t VALUES (randomblob(%d))", size))
	return before
}

func (h *history) kept(t *testing.T) migration.Kept {
	t.Helper()
	kept, err := h.Kept(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return kept
}

func TestCopiesAreKeptUpToALimit(t *testing.T) {
	t.Parallel()
	h := newHistory(t, 2<<20)
	var states []migration.Bookmark
	for range 6 {
		states = append(states, h.write(t, 200_000))
	}
	kept := h.kept(t)
	if kept.Bytes > 2<<20 || kept.Copies != 2 || kept.Oldest != states[4] { // 1000 and 800 kB, 600 more would be too much
		t.Errorf("Kept() = %+v, want the newest copies within 2 MiB; states %v", kept, states)
	}
	_, err := h.Restore(t.Context(), states[1])
	if p, ok := errors.AsType[*migration.Problem](err); !ok || p.Kind != migration.Usage || !strings.Contains(p.Error(), "not kept any more") || !strings.Contains(p.Error(), "2 MiB") {
		t.Errorf("Restore() of a pruned state: %v", err)
	}
	first := kept.Since
	if got, err := h.Bookmark(t.Context(), first.Add(-time.Minute)); err != nil || got != states[4] {
		t.Errorf("Bookmark() between the last pruned copy and the oldest = %s, %v, want %s", got, err, states[4])
	}
	if got, err := h.Bookmark(t.Context(), first.Add(-61*time.Minute)); err == nil {
		t.Errorf("Bookmark() of a time that only a pruned copy had = %s", got)
	}
}

// A restore takes a copy first, which must not push out the one that it goes back to.
func TestARestoreKeepsItsTarget(t *testing.T) {
	t.Parallel()
	h := newHistory(t, 1)
	h.write(t, 100)
	target := h.write(t, 100)
	rows := read(t, h.Database, "SELECT count(*) FROM t")
	h.run()
	undo, err := h.Restore(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	if got := read(t, h.Database, "SELECT count(*) FROM t"); got != "[[1]]" || rows != "[[2]]" {
		t.Errorf("rows before and after the restore: %s, %s", rows, got)
	}
	if _, err := h.Restore(t.Context(), undo); err != nil {
		t.Fatal(err)
	}
	if got := read(t, h.Database, "SELECT count(*) FROM t"); got != rows {
		t.Errorf("rows after the undo: %s", got)
	}
}

func TestUnchangedDatabasesAreNotCopiedTwice(t *testing.T) {
	t.Parallel()
	h := newHistory(t, 1<<30)
	h.write(t, 100_000)
	last := h.write(t, 100_000)
	once := h.kept(t)
	size, err := os.Stat(h.Path())
	if err != nil {
		t.Fatal(err)
	}
	for range 3 { // there and back again: each state has one copy, under several bookmarks
		undo, err := h.Restore(t.Context(), last)
		if err != nil {
			t.Fatal(err)
		}
		if last = undo; !undo.Valid() {
			t.Errorf("undo = %q", undo)
		}
	}
	if twice := h.kept(t); twice.Bytes != once.Bytes+size.Size() || twice.Copies != once.Copies+3 {
		t.Errorf("Kept() = %+v, then %+v; the database has %d bytes", once, twice, size.Size())
	}
	if entries, err := filepath.Glob(filepath.Join(h.copies, "*", "unfinished-*")); err != nil || len(entries) > 0 {
		t.Errorf("left over: %v, %v", entries, err)
	}
}

func problem(t *testing.T, err error, parts ...string) {
	t.Helper()
	p, ok := errors.AsType[*migration.Problem](err)
	if !ok {
		t.Fatalf("error = %v (%T), want a problem", err, err)
	}
	for _, part := range parts {
		if text := p.Error() + " | " + p.State + " | " + p.Next; !strings.Contains(text, part) {
			t.Errorf("%q is missing in %s", part, text)
		}
	}
}

// A copy whose write came to nothing is still that of the state when a later one succeeds.
func TestATimestampBetweenTwoAttempts(t *testing.T) {
	t.Parallel()
	h := newHistory(t, 1<<30)
	h.write(t, 10)
	h.run()
	before := bookmark(t, h.Database)
	if err := h.Apply(t.Context(), batch("m", "CREATE TABLE u(x); INSERT INTO nope VALUES (1)")); err == nil {
		t.Fatal("the statement was accepted")
	}
	h.run()
	between := h.now
	h.write(t, 10)
	if got, err := h.Bookmark(t.Context(), between); err != nil || got != before {
		t.Errorf("Bookmark() between the attempts = %s, %v, want %s", got, err, before)
	}
}

// The same, but that copy is pruned since: its state must not be taken for the next one's.
func TestATimestampBetweenTwoAttemptsThatArePruned(t *testing.T) {
	t.Parallel()
	h := newHistory(t, 1)
	h.write(t, 10)
	h.run()
	if err := h.Apply(t.Context(), batch("m", "INSERT INTO nope VALUES (1)")); err == nil {
		t.Fatal("the statement was accepted")
	}
	h.run()
	between := h.now
	h.write(t, 10) // in the state of the copy before the failed attempt
	h.write(t, 10)
	h.write(t, 10)
	_, err := h.Bookmark(t.Context(), between)
	problem(t, err, "before the history")
}

func TestAClockThatIsSetBack(t *testing.T) {
	t.Parallel()
	h := newHistory(t, 1<<30)
	first := h.write(t, 10)
	began := h.now
	h.write(t, 10)
	h.now = h.now.Add(-time.Hour - time.Second) // NTP
	h.write(t, 10)
	want := func(when time.Time, want migration.Bookmark) {
		t.Helper()
		if got, err := h.Bookmark(t.Context(), when); err != nil || got != want {
			t.Errorf("Bookmark(%s) = %s, %v, want %s", when, got, err, want)
		}
	}
	want(began, first)
	h.now = h.now.Add(-5 * time.Hour)
	h.write(t, 10)
	h.run()
	want(h.now, bookmark(t, h.Database))
	_, err := h.Bookmark(t.Context(), h.now.Add(-90*time.Minute))
	problem(t, err, "the clock was set back", "name a bookmark")
}

func TestARunKeepsItsOwnWayBack(t *testing.T) {
	t.Parallel()
	h := newHistory(t, 1)
	h.write(t, 10)
	h.run()
	first := bookmark(t, h.Database)
	for range 3 { // transaction: migration
		h.now = h.now.Add(time.Second)
		apply(t, h.Database, "INSERT INTO t VALUES (randomblob(10))")
	}
	if _, err := h.Restore(t.Context(), first); err != nil {
		t.Errorf("Restore() of the state before the run: %v", err)
	}
}

func TestADamagedCopyIsNotRestored(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func(path string) error{
		"cut off": func(path string) error { return os.Truncate(path, 5000) },
		"written to": func(path string) error {
			c, err := sqlite3.Open("file:" + path)
			if err != nil {
				return err
			}
			return errors.Join(c.Exec("INSERT INTO t VALUES (99)"), c.Close())
		},
		"empty":       func(path string) error { return os.Truncate(path, 0) },
		"no database": func(path string) error { return os.WriteFile(path, []byte(strings.Repeat("x", 9000)), 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHistory(t, 1<<30)
			h.write(t, 10)
			target := h.write(t, 10)
			copies, err := filepath.Glob(filepath.Join(h.copies, "*", "*_"+string(target)+".copy"))
			if err != nil || len(copies) != 1 {
				t.Fatal(copies, err)
			}
			if err := errors.Join(os.Chmod(copies[0], 0o600), damage(copies[0])); err != nil {
				t.Fatal(err)
			}
			before := bookmark(t, h.Database)
			_, err = h.Restore(t.Context(), target)
			problem(t, err, "damaged or changed", filepath.Base(copies[0]), "as it was before")
			if after := bookmark(t, h.Database); after != before {
				t.Errorf("the database moved from %s to %s", before, after)
			}
			if left, _ := filepath.Glob(filepath.Join(h.copies, "*", "unfinished-*")); len(left) > 0 {
				t.Errorf("left over: %v", left)
			}
		})
	}
}

// The database was made anew by a program with another page size.
func TestACopyWithOtherPages(t *testing.T) {
	t.Parallel()
	h := newHistory(t, 1<<30)
	c, err := sqlite3.Open("file:" + h.path)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(c.Exec("PRAGMA page_size = 8192; CREATE TABLE t(x)"), c.Close()); err != nil {
		t.Fatal(err)
	}
	h.write(t, 10)
	target := h.write(t, 10)
	for _, file := range []string{h.path, h.path + "-wal", h.path + "-shm"} {
		if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
	}
	h.write(t, 10)
	undo, err := h.Restore(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	if got := read(t, h.Database, "SELECT count(*), (SELECT page_size FROM pragma_page_size) FROM t"); got != "[[1 8192]]" {
		t.Errorf("rows and page size = %s", got)
	}
	if _, err := h.Restore(t.Context(), undo); err != nil {
		t.Error(err)
	}
}

func TestADatabaseBehindALink(t *testing.T) {
	t.Parallel()
	h := newHistory(t, 1<<30)
	h.write(t, 10)
	link := filepath.Join(t.TempDir(), "0123456789abcdef.sqlite")
	if err := os.Symlink(h.path, link); err != nil {
		t.Skip(err)
	}
	c, err := sqlite3.Open("file:" + h.path) // holds the write-ahead log
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if err := c.Exec("INSERT INTO t VALUES ('in the log')"); err != nil {
		t.Fatal(err)
	}
	if got := read(t, sqlite.Open(link, options(t.TempDir())), "SELECT count(*) FROM t"); got != "[[2]]" {
		t.Errorf("rows through the link: %s", got)
	}
}

func TestCopiesInADirectoryWithBrackets(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "a[b*?%20 ü")
	d := sqlite.Open(filepath.Join(dir, "0123456789abcdef.sqlite"), options(filepath.Join(dir, "copies")))
	apply(t, d, "CREATE TABLE t(x)")
	apply(t, d, "CREATE TABLE u(x)")
}

func TestLeftoversOfKilledRunsGo(t *testing.T) {
	t.Parallel()
	h := newHistory(t, 1<<30)
	h.write(t, 10)
	old, young := filepath.Join(h.copies, "0123456789abcdef", "unfinished-1"), filepath.Join(h.copies, "0123456789abcdef", "unfinished-2")
	for path, age := range map[string]time.Duration{old: time.Hour, young: -time.Hour} {
		if err := errors.Join(os.WriteFile(path, make([]byte, 100), 0o600), os.Chtimes(path, h.now, h.now.Add(-age))); err != nil {
			t.Fatal(err)
		}
	}
	h.write(t, 10)
	if _, err := os.Stat(old); err == nil {
		t.Error("the old leftover is still there")
	}
	if _, err := os.Stat(young); err != nil {
		t.Errorf("a copy that is being written went: %v", err)
	}
}

// The clock jumps at each look, so that every part takes long.
func TestCopyingSaysHowFarItIs(t *testing.T) {
	t.Parallel()
	h := newHistory(t, 1<<30)
	h.write(t, 5_000_000)
	last := h.write(t, 5_000_000)
	slow := sqlite.Open(h.Path(), sqlite.Options{Copies: h.copies, Limit: 1 << 30, Progress: func(line string) { h.said = append(h.said, line) },
		Now: func() time.Time { h.now = h.now.Add(time.Second); return h.now }})
	if _, err := slow.Restore(t.Context(), last); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"copying the database: 4 MiB of 9.6 MiB", "writing the database: 4 MiB of 4.8 MiB"} {
		if !slices.Contains(h.said, want) {
			t.Errorf("%q is missing in %q", want, h.said)
		}
	}
}

// TestUpdateAndDeleteWithLimit has what workerd answers, whose SQLite has such statements.
func TestUpdateAndDeleteWithLimit(t *testing.T) {
	t.Parallel()
	const tables = `CREATE TABLE t(id INTEGER PRIMARY KEY, v); INSERT INTO t VALUES (1,'c'),(2,'b'),(3,'a'),(4,NULL);
CREATE TABLE w(a, b, v, PRIMARY KEY (a, b)) WITHOUT ROWID; INSERT INTO w VALUES (1,1,'x'),(1,2,'y'),(2,1,'z');
CREATE TABLE "odd ""name"("rowid", v); INSERT INTO "odd ""name" VALUES (1,1),(1,2),(1,3);
CREATE TABLE r(rowid, _rowid_, oid, k TEXT PRIMARY KEY); INSERT INTO r VALUES (1,1,1,NULL);
CREATE VIEW o AS SELECT * FROM t; CREATE TRIGGER od INSTEAD OF DELETE ON o BEGIN DELETE FROM t WHERE id = old.id; END;`
	for sql, want := range map[string]string{ // the rows of all tables, or the refusal
		"DELETE FROM t LIMIT 1": "[[2] [3] [4]] 3 3",
		"DELETE FROM t ORDER BY v DESC LIMIT 2 OFFSET 1; -- the end":                              "[[1] [4]] 3 3",
		"DELETE FROM main.t AS x WHERE x.v > 'a' ORDER BY x.id DESC LIMIT 1":                      "[[1] [3] [4]] 3 3",
		"WITH k(i) AS (SELECT 3) DELETE FROM t WHERE id < (SELECT i FROM k) RETURNING id LIMIT 1": "[[2] [3] [4]] 3 3",
		"UPDATE t SET id = id + 10 WHERE v IS NOT NULL ORDER BY id DESC LIMIT 2":                  "[[1] [4] [12] [13]] 3 3",
		"DELETE FROM w WHERE a = 1 ORDER BY b DESC LIMIT 1":                                       "[[1] [2] [3] [4]] 2 3",
		`DELETE FROM "odd ""name" ORDER BY v LIMIT 2`:                                             "[[1] [2] [3] [4]] 3 1",
		"DELETE FROM t LIMIT -- one\n 1 -- row":                                                   "[[2] [3] [4]] 3 3",
		"WITH t AS (SELECT 1 AS id) DELETE FROM t LIMIT 1":                                        "[[2] [3] [4]] 3 3",
		"DELETE FROM t NOT INDEXED WHERE v IS NOT DISTINCT FROM 'c' LIMIT 1":                      "[[2] [3] [4]] 3 3",
		"DELETE FROM r LIMIT 1":                                "D1 takes this UPDATE or DELETE with LIMIT",
		"DELETE FROM t limited":                                `near "limited": syntax error`,
		"DELETE FROM t orders LIMIT 1":                         `near "orders": syntax error`,
		"DELETE FROM t LIMIT 1) OR (1":                         `near "LIMIT": syntax error`,
		"DELETE FROM t ORDER BY (SELECT 1 LIMIT 1)":            "ORDER BY without LIMIT on DELETE",
		"UPDATE t SET v = 1 ORDER BY (SELECT 1 LIMIT 1)":       "ORDER BY without LIMIT on UPDATE",
		"DELETE FROM t LIMIT":                                  "incomplete input",
		"SELECT * FROM t LIMIT 5 ORDER BY id":                  `near "ORDER": syntax error at offset 24: SQLITE_ERROR`,
		"CREATE INDEX i ON t(v) LIMIT 1":                       `near "LIMIT": syntax error at offset 23: SQLITE_ERROR`,
		"DELETE FROM t ORDER BY id":                            "ORDER BY without LIMIT on DELETE: SQLITE_ERROR",
		"DELETE FROM t ORDER BY nope LIMIT 1":                  "no such column: nope",
		"DELETE FROM t LIMIT 1 nonsense":                       `near "nonsense": syntax error`,
		"DELETE FROM o LIMIT 1":                                "D1 takes this UPDATE or DELETE with LIMIT",
		"UPDATE t SET v = w.v FROM w WHERE w.a = t.id LIMIT 1": "D1 takes this UPDATE or DELETE with LIMIT",
		"DELETE FROM nope LIMIT 1":                             "no such table: nope",
		"DELETE FROM _cf_x LIMIT 1":                            "no such table: _cf_x",
	} {
		t.Run(sql, func(t *testing.T) {
			t.Parallel()
			d := open(t)
			apply(t, d, tables)
			got := ""
			if err := d.Apply(t.Context(), batch("m", sql)); err != nil {
				if got = err.Error(); !strings.Contains(got, want) {
					t.Errorf("refused: %s, want %s", got, want)
				}
				return
			}
			got = read(t, d, "SELECT id FROM t ORDER BY id") + strings.Trim(read(t, d, "SELECT ' '||(SELECT count(*) FROM w)||' '||(SELECT count(*) FROM \"odd \"\"name\")"), "[]")
			if got != want {
				t.Errorf("rows = %s, want %s", got, want)
			}
		})
	}
}
