package rehearsal

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/d1-rewind/d1-rewind/internal/migration"
)

func TestPicture(t *testing.T) {
	t.Parallel()
	const rest = `CREATE TABLE aside(id INTEGER PRIMARY KEY); CREATE TABLE far(id INTEGER PRIMARY KEY);
CREATE TABLE teams(id INTEGER PRIMARY KEY, title TEXT, far INTEGER REFERENCES far);
CREATE TABLE Posts(id INTEGER PRIMARY KEY, body TEXT, author INTEGER NOT NULL REFERENCES users(id) ON DELETE CASCADE);
CREATE TABLE log(at TEXT, what TEXT);`
	before := modelOf(t, rest+`CREATE TABLE users(id INTEGER PRIMARY KEY, name TEXT, old TEXT, team INTEGER REFERENCES teams ON DELETE SET NULL);
CREATE TABLE gone(x TEXT)`)
	after := modelOf(t, rest+`CREATE TABLE users(id INTEGER PRIMARY KEY, name TEXT NOT NULL, team INTEGER REFERENCES Teams, email TEXT UNIQUE);
CREATE TABLE fresh(x INTEGER, post INTEGER REFERENCES posts, nowhere INTEGER REFERENCES missing)`)
	want := []migration.Entity{
		{Name: "fresh", What: "added", Attributes: []migration.Attribute{{Name: "x", Type: "INTEGER"}, {Name: "post", Type: "INTEGER", Foreign: true}, {Name: "nowhere", Type: "INTEGER", Foreign: true}},
			References: []migration.Reference{{To: "missing", Columns: []string{"nowhere"}, Optional: true}, {To: "Posts", Columns: []string{"post"}, Optional: true}}},
		{Name: "gone", What: "removed", Attributes: []migration.Attribute{{Name: "x", Type: "TEXT"}}},
		{Name: "log", Attributes: []migration.Attribute{{Name: "at", Type: "TEXT"}, {Name: "what", Type: "TEXT"}}},
		{Name: "users", What: "changed", Attributes: []migration.Attribute{{Name: "id", Type: "INTEGER", Primary: true}, {Name: "name", Type: "TEXT", What: "changed"}, {Name: "team", Type: "INTEGER", Foreign: true},
			{Name: "email", Type: "TEXT", What: "added", Unique: true}, {Name: "old", Type: "TEXT", What: "removed"}},
			References: []migration.Reference{{To: "teams", Columns: []string{"team"}, What: "added", Optional: true}, {To: "teams", Columns: []string{"team"}, OnDelete: "SET NULL", What: "removed", Optional: true}}},
		{Name: "Posts", Attributes: []migration.Attribute{{Name: "id", Type: "INTEGER", Primary: true}, {Name: "author", Type: "INTEGER", Foreign: true}},
			References: []migration.Reference{{To: "users", Columns: []string{"author"}, OnDelete: "CASCADE"}}},
		{Name: "teams", Attributes: []migration.Attribute{{Name: "id", Type: "INTEGER", Primary: true}, {Name: "far", Type: "INTEGER", Foreign: true}}},
	}
	if diff := cmp.Diff(want, picture(before, after, []string{"LOG", "no such table"})); diff != "" {
		t.Error(diff)
	}
	if got := picture(after, after, nil); got != nil {
		t.Errorf("nothing happens, and the picture shows %v", got)
	}
}

// TestPictureOfAnIndex: a table whose index or trigger changes is a changed one.
func TestPictureOfAnIndex(t *testing.T) {
	t.Parallel()
	before, after := modelOf(t, "CREATE TABLE t(a); CREATE TABLE u(a)"), modelOf(t, "CREATE TABLE t(a); CREATE INDEX i ON t(a); CREATE TABLE u(a); CREATE TRIGGER r AFTER INSERT ON u BEGIN SELECT 1; END; CREATE VIEW v AS SELECT 1 AS a")
	var got []string
	for _, e := range picture(before, after, nil) {
		got = append(got, e.Name+" "+e.What)
	}
	if diff := cmp.Diff([]string{"t changed", "u changed"}, got); diff != "" {
		t.Error(diff)
	}
}
