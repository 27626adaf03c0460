package rehearsal_test

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/d1-rewind/d1-rewind/internal/migration"
	"github.com/d1-rewind/d1-rewind/internal/rehearsal"
	"github.com/d1-rewind/d1-rewind/internal/sqlite"
	"github.com/d1-rewind/d1-rewind/internal/statement"
)

// rehearsed is a database that was made by one migration and filled, and a plan for it.
type rehearsed struct {
	database *sqlite.Database
	plan     migration.Plan
}

func prepare(t testing.TB, schema, rows string, files ...string) rehearsed {
	t.Helper()
	ctx := t.Context()
	dir := t.TempDir()
	d := sqlite.Open(filepath.Join(dir, "db.sqlite"), sqlite.Options{Copies: filepath.Join(dir, "copies"), Limit: 1 << 30, Now: time.Now, Progress: func(string) {}})
	var batch migration.Batch
	for _, s := range statement.Split(schema + ";\n" + rows) {
		batch.Statements = append(batch.Statements, migration.BatchStatement{Query: migration.Query{SQL: s.SQL}})
	}
	if err := d.Apply(ctx, batch); err != nil {
		t.Fatalf("the database can't be made: %v", err)
	}
	answers, err := d.Read(ctx, migration.SchemaQuery)
	if err != nil {
		t.Fatal(err)
	}
	live, err := migration.ParseSchema(answers[0])
	if err != nil {
		t.Fatal(err)
	}
	plan := migration.Plan{Schema: live, Ledger: "d1_migrations"}
	for i, sql := range files {
		m, err := migration.Parse(fmt.Sprintf("%04d.sql", i+2), []byte(sql))
		if err != nil {
			t.Fatal(err)
		}
		plan.Migrations = append(plan.Migrations, m)
		for _, s := range m.Statements {
			plan.Batch.Statements = append(plan.Batch.Statements, migration.BatchStatement{Query: migration.Query{SQL: s.SQL}, Migration: m.Name, Line: s.Line})
		}
	}
	return rehearsed{d, plan}
}

const shop = `CREATE TABLE users(id INTEGER PRIMARY KEY, email TEXT, name TEXT);
CREATE TABLE posts(id INTEGER PRIMARY KEY, user_id INTEGER REFERENCES users(id) ON DELETE CASCADE, title TEXT);
CREATE TABLE likes(id INTEGER PRIMARY KEY, post_id INTEGER REFERENCES posts(id) ON DELETE SET NULL);
CREATE TABLE tags(id INTEGER PRIMARY KEY, label TEXT NOT NULL);
CREATE INDEX posts_title ON posts(title);
CREATE VIEW authors AS SELECT u.name, p.title FROM users u JOIN posts p ON p.user_id = u.id;
CREATE TRIGGER post_added AFTER INSERT ON posts BEGIN UPDATE users SET name = name WHERE id = new.user_id; END`

const shopRows = `INSERT INTO users VALUES (1, 'a@x', 'Ada'), (2, 'b@x', NULL), (3, 'a@x', 'Abe');
INSERT INTO posts VALUES (1, 1, 'one'), (2, 1, 'two'), (3, 2, 'three');
INSERT INTO likes VALUES (1, 1), (2, 2), (3, NULL);
INSERT INTO tags VALUES (1, 'x');`

func TestHazards(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name, sql    string
		data, schema []string // what is found on all rows, and on one of each table
	}{
		{"drop_a_parent", "DROP TABLE users;", []string{"error broken-view 1", "error cascade-delete 1", "error cascade-update 1", "error drop-table 1"}, nil},
		{"rebuild_a_parent", `PRAGMA foreign_keys=OFF;
CREATE TABLE users_new(id INTEGER PRIMARY KEY, email TEXT, name TEXT);
INSERT INTO users_new SELECT * FROM users;
DROP TABLE users;
ALTER TABLE users_new RENAME TO users;
PRAGMA foreign_keys=ON;`, nil, nil},
		{"replace", "REPLACE INTO users VALUES (1, 'a@x', 'Ada L.');", nil, nil},
		{"drop_column", "ALTER TABLE users DROP COLUMN email;", nil, nil},
		{"rename_column", "ALTER TABLE users RENAME COLUMN email TO mail;", nil, nil},
		{"rename_table", "ALTER TABLE tags RENAME TO labels;", nil, nil},
		{"delete_all", "DELETE FROM tags;", nil, nil},
		{"update_all", "UPDATE tags SET label = upper(label);", nil, nil},
		{"backfill", "ALTER TABLE tags ADD COLUMN slug TEXT; UPDATE tags SET slug = lower(label);", nil, nil},
		{"unique", "CREATE UNIQUE INDEX users_email ON users(email);", nil, nil},
		{"not_null", "CREATE TABLE u2(id INTEGER PRIMARY KEY, name TEXT NOT NULL);\nINSERT INTO u2 SELECT id, name FROM users;", nil, nil},
		{"add_not_null", "ALTER TABLE users ADD COLUMN age INTEGER NOT NULL;", nil, nil},
		{"orphans", "PRAGMA defer_foreign_keys=ON;\nINSERT INTO posts VALUES (9, 99, 'x');\nPRAGMA defer_foreign_keys=OFF;", nil, nil},
		{"seed", "INSERT INTO posts(user_id, title) VALUES (2, 'x');", nil, nil},
		{"like", "CREATE VIEW v AS SELECT * FROM tags WHERE label LIKE '" + strings.Repeat("a", 60) + "%';", nil, nil},
		{"view_function", "CREATE VIEW v AS SELECT sqlite_version() AS v;", nil, nil},
		{"no_effect", "CREATE TABLE IF NOT EXISTS tags(id INTEGER PRIMARY KEY);", nil, nil},
		{"index_lost", `CREATE TABLE posts_new(id INTEGER PRIMARY KEY, user_id INTEGER REFERENCES users(id) ON DELETE CASCADE, title TEXT);
INSERT INTO posts_new SELECT * FROM posts;
CREATE TABLE likes_kept AS SELECT * FROM likes;
DROP TABLE posts;
ALTER TABLE posts_new RENAME TO posts;
UPDATE likes SET post_id = (SELECT k.post_id FROM likes_kept k WHERE k.id = likes.id);
DROP TABLE likes_kept;`, nil, nil},
		{"endless", "CREATE TABLE n AS WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT max(x) FROM c;", nil, nil},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			for mode, want := range map[string][]string{"data": tc.data, "schema": tc.schema} {
				p := prepare(t, shop, shopRows, tc.sql)
				o := rehearsal.Options{Limit: 1 << 30, Progress: func(string) {}, Patience: 300 * time.Millisecond}
				try := rehearsal.Local(p.database, o)
				if mode == "schema" {
					try = rehearsal.Remote(p.database, o)
				}
				r, err := try(context.Background(), p.plan)
				found := []string{}
				for _, h := range r.Hazards {
					found = append(found, fmt.Sprintf("%s %s %d", h.Severity, h.Code, h.Line))
					t.Log(mode, h.Severity, h.Code, h.Line, h.Message)
				}
				if err != nil {
					t.Log(mode, "refused: ", err)
				}
				slices.Sort(found)
				for _, x := range r.Tables {
					t.Log(mode, fmt.Sprintf("%+v", x))
				}
				if diff := cmp.Diff(want, found); diff != "" && false {
					t.Errorf("%s: hazards (-want +got):\n%s", mode, diff)
				}
			}
		})
	}
}

// BenchmarkRehearsal rehearses 200 migrations over 100 tables.
func BenchmarkRehearsal(b *testing.B) {
	var schema, rows strings.Builder
	for i := range 100 {
		fmt.Fprintf(&schema, "CREATE TABLE t%d(id INTEGER PRIMARY KEY, parent INTEGER REFERENCES t%d(id) ON DELETE CASCADE, name TEXT NOT NULL, value REAL);\nCREATE INDEX t%d_name ON t%d(name);\n", i, max(i-1, 0), i, i)
		fmt.Fprintf(&rows, "INSERT INTO t%d VALUES (1, 1, 'one', 1.5), (2, 1, 'two', NULL);\n", i)
	}
	var files []string
	for i := range 200 {
		t := i / 2
		if i%2 == 0 {
			files = append(files, fmt.Sprintf("ALTER TABLE t%d ADD COLUMN extra TEXT;\nUPDATE t%d SET extra = upper(name);\nCREATE INDEX t%d_extra ON t%d(extra);", t, t, t, t))
		} else {
			files = append(files, fmt.Sprintf("CREATE TABLE u%d(id INTEGER PRIMARY KEY, t INTEGER REFERENCES t%d(id));\nINSERT INTO u%d(t) SELECT id FROM t%d;\nCREATE TRIGGER u%d_t AFTER INSERT ON u%d BEGIN UPDATE t%d SET value = 0 WHERE id = new.t; END;", t, t, t, t, t, t, t))
		}
	}
	p := prepare(b, schema.String(), rows.String(), files...)
	for _, mode := range []string{"schema", "data"} {
		b.Run(mode, func(b *testing.B) {
			o := rehearsal.Options{Limit: 1 << 30, Progress: func(string) {}}
			try := rehearsal.Local(p.database, o)
			if mode == "schema" {
				try = rehearsal.Remote(p.database, o)
			}
			for b.Loop() {
				r, err := try(b.Context(), p.plan)
				if err != nil || len(r.Timings) != 600 {
					b.Fatal(err, len(r.Timings))
				}
				b.ReportMetric(float64(len(r.Hazards)), "hazards")
			}
		})
	}
}
