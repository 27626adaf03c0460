package rehearsal

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/d1-rewind/d1-rewind/internal/sqlite"
)

const everything = `CREATE TABLE users(id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL COLLATE NOCASE DEFAULT 'Nobody', upper_name TEXT AS (upper(name)), "size" REAL GENERATED ALWAYS AS (length(name) * 1.5) STORED, CHECK(name <> ''));
CREATE TABLE strict(a INT, b TEXT, PRIMARY KEY(a, b)) STRICT, WITHOUT ROWID;
CREATE TABLE child(id INTEGER PRIMARY KEY, u INTEGER REFERENCES users ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED, a INT, b TEXT, FOREIGN KEY(a, b) REFERENCES strict(a, b) ON UPDATE SET NULL, UNIQUE(u, a) ON CONFLICT IGNORE);
CREATE TABLE copied AS SELECT id, name || 'x' AS longer FROM users;
CREATE TABLE [odd ""name](` + "`select`" + ` "my type" (10, -2), 'text' DEFAULT "Text", "null");
CREATE INDEX plain ON child(u);
CREATE UNIQUE INDEX partial ON child(lower(b) DESC, a COLLATE RTRIM) WHERE b IS NOT NULL;
CREATE INDEX by_rowid ON strict(b);
CREATE VIEW v(one, "Two") AS WITH x AS (SELECT 1) SELECT *, "Nothing Such" FROM x;
CREATE VIEW broken AS SELECT nothing_such FROM nowhere;
CREATE TRIGGER after_users AFTER UPDATE OF name ON users WHEN old.name <> new.name BEGIN UPDATE users SET name = CASE WHEN 1 THEN 'a' END; DELETE FROM child; END;
CREATE TRIGGER instead INSTEAD OF INSERT ON v BEGIN SELECT RAISE(ABORT, 'No'); END;
CREATE VIRTUAL TABLE f USING fts5(title, body, content='users', tokenize = "unicode61 remove_diacritics 2");
CREATE VIRTUAL TABLE r USING rtree(id, x0, x1, +name TEXT);
CREATE VIRTUAL TABLE words USING fts5vocab(f, row)`

func TestModel(t *testing.T) {
	t.Parallel()
	m := modelOf(t, everything)
	var names []string
	for _, table := range m.tables {
		names = append(names, table.name)
		if table.unread {
			t.Errorf("the text of %q was not understood", table.name)
		}
	}
	if diff := cmp.Diff([]string{"child", "copied", "f", `odd ""name`, "r", "strict", "users", "words"}, names); diff != "" {
		t.Error(diff)
	}
	if d, c := m.diff(m); len(d)+len(c) > 0 {
		t.Errorf("it differs from itself: %v %v", d, c)
	}
	child := m.table("CHILD")
	var keys []string
	for _, f := range child.foreign {
		keys = append(keys, f.identity())
	}
	if diff := cmp.Diff([]string{`strict ["a" "b"] ["a" "b"]  SET NULL false`, `users ["u"] ["id"] CASCADE  true`}, keys); diff != "" {
		t.Error(diff)
	}
	users := m.table("users")
	if got, want := users.columns[3].generated, "length(name) * 1.5"; got != want {
		t.Errorf("generated as %q, want %q", got, want)
	}
	differences, _ := model{}.diff(m)
	back, _ := m.diff(model{})
	if len(differences) != len(back) || len(back) != 8+3+2+2 {
		t.Errorf("%d added, %d removed: %v", len(differences), len(back), lines(differences))
	}
	// All that belongs to a table goes with it.
	without, err := built(t.Context(), database(t, everything), []string{"Child", "V", "users"})
	if err != nil {
		t.Fatal(err)
	}
	gone, _ := m.diff(without)
	want := []string{"table child removed", "index child.partial removed (UNIQUE (lower(b) DESC, a COLLATE rtrim) WHERE b is not null)", "index child.plain removed (u)", "table users removed", "trigger users.after_users removed", "view v removed", "trigger v.instead removed"}
	if diff := cmp.Diff(want, lines(gone)); diff != "" {
		t.Error(diff)
	}
}

func TestDetailsAreShort(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("é", 300)
	a := modelOf(t, "CREATE TABLE t(a, b)")
	b := modelOf(t, "CREATE TABLE t(a DEFAULT '"+long+"' CHECK(a <> '"+long+"\n'), b UNIQUE CHECK(b <> '"+long+"')); CREATE INDEX i ON t(b) WHERE b <> '"+long+"'")
	differences, _ := a.diff(b)
	if len(differences) != 3 {
		t.Errorf("differences: %v", lines(differences))
	}
	for _, c := range differences {
		if len(c.Detail) > 200 || !utf8.ValidString(c.Detail) || strings.Contains(c.Detail, "\n") {
			t.Errorf("%d bytes: %q", len(c.Detail), c.Detail)
		}
	}
}

// within reads the model before the first statement and behind the last one.
type within struct{ before, after model }

func (w *within) Before(look *sqlite.Look, trial *sqlite.Trial) (err error) {
	if trial.Index == 0 {
		w.before, err = readModel(look.Query)
	}
	return err
}

func (w *within) After(_ *sqlite.Look, trial *sqlite.Trial) error {
	if trial.Refusal != nil {
		return trial.Refusal
	}
	return nil
}

func (w *within) End(look *sqlite.Look) (err error) {
	w.after, err = readModel(look.Query)
	return err
}

func TestModelWithinATrial(t *testing.T) {
	t.Parallel()
	scratch, err := sqlite.NewScratch(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer scratch.Close()
	if err := scratch.Build(t.Context(), database(t, everything)); err != nil {
		t.Fatal(err)
	}
	var w within
	migrations := file("m", "DROP VIEW broken; ALTER TABLE users RENAME COLUMN name TO called; ALTER TABLE child DROP COLUMN id2; DROP TABLE words")
	if err := scratch.Try(t.Context(), batch(migrations), &w); err == nil {
		t.Fatal("a column that does not exist was dropped")
	}
	migrations = file("m", "DROP VIEW broken; ALTER TABLE users RENAME COLUMN name TO called; ALTER TABLE child ADD COLUMN id2 INT; DROP TABLE words; DROP INDEX plain")
	if err := scratch.Try(t.Context(), batch(migrations), &w); err != nil {
		t.Fatal(err)
	}
	differences, cosmetic := w.before.diff(w.after)
	want := []string{"column child.id2 added (INT)", "index child.plain removed (u)", "table users changed (CHECK differs: name != '' → called != '')",
		"column users.called added (TEXT NOT NULL DEFAULT 'Nobody')", "column users.upper_name changed (generated as upper(name) → upper(called))",
		"column users.size changed (generated as length(name) * 1.5 → length(called) * 1.5)", "column users.name removed (TEXT NOT NULL DEFAULT 'Nobody')",
		"trigger users.after_users changed (its definition differs)", "table words removed", "view broken removed"}
	if diff := cmp.Diff(want, lines(differences)); diff != "" {
		t.Error(diff)
	}
	if len(cosmetic) > 0 {
		t.Errorf("cosmetic: %v", lines(cosmetic))
	}
	m, err := readModel(outside(t.Context(), scratch))
	if err != nil {
		t.Fatal(err)
	}
	if d, _ := m.diff(w.before); len(d) > 0 {
		t.Errorf("the trial left something behind: %v", lines(d))
	}
}
