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

// attempt is a rehearsal, as migration.Engine wants it.
type attempt = func(context.Context, migration.Plan) (migration.Rehearsal, error)

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

// Statements run twice, on empty tables first: together they have as long as on all rows.
func TestPatience(t *testing.T) {
	t.Parallel()
	p := prepare(t, shop, "", "CREATE TABLE n AS WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT max(x) FROM c;")
	o := rehearsal.Options{Limit: 1 << 30, Progress: func(string) {}, Patience: 400 * time.Millisecond}
	for want, try := range map[string]attempt{"ran for 400ms": rehearsal.Local(p.database, o), "ran for 300ms": rehearsal.Remote(p.database, o)} {
		if _, err := try(t.Context(), p.plan); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// What is found on all rows and on one of each table; schema is "" where that is the same.
func TestHazards(t *testing.T) {
	t.Parallel()
	const same = "same"
	for _, tc := range []struct{ name, sql, data, schema string }{
		{"drop_a_parent", "DROP TABLE users;",
			"error broken-trigger 1, error broken-view 1, error cascade-delete 1, error cascade-update 1, error drop-table 1", same},
		{"rebuild_a_parent", `DROP VIEW authors; DROP TRIGGER post_added;
PRAGMA foreign_keys=OFF;
CREATE TABLE users_new(id INTEGER PRIMARY KEY, email TEXT, name TEXT);
INSERT INTO users_new SELECT * FROM users;
DROP TABLE users;
ALTER TABLE users_new RENAME TO users;
PRAGMA foreign_keys=ON;`,
			"error cascade-delete 5, error cascade-update 5, info foreign-keys-pragma 2, info foreign-keys-pragma 7, warning drop-view 1",
			"error cascade-delete 5, error cascade-update 5, info foreign-keys-pragma 2, info foreign-keys-pragma 7, info not-judged 4, info not-judged 5, warning drop-view 1"},
		{"rebuild_a_parent_whose_view_names_it", `CREATE TABLE users_new(id INTEGER PRIMARY KEY, email TEXT, name TEXT);
DROP TABLE users;
ALTER TABLE users_new RENAME TO users;`, "error refused 3, refused: error in view authors: no such table: main.users",
			"error refused 3, info not-judged 2, refused: error in view authors: no such table: main.users"},
		{"transaction", "BEGIN;\nCREATE TABLE more(id);\nCOMMIT;", "error refused 1, refused: To execute a transaction, please use the state.storage.transaction() or state.storage.transactionSync() APIs instead of the SQL BEGIN TRANSACTION or SAVEPOINT statements. (D1 runs every migration in a transaction of its own: remove the statement)", same},
		{"too_long", "CREATE TABLE more(id);\nINSERT INTO more VALUES ('" + strings.Repeat("x", 100_000) + "');", "error refused 2, refused: statement too long", same},
		{"pragma", "PRAGMA journal_mode = WAL;", "error refused 1, refused: not authorized", same},
		{"function", "CREATE TABLE more(v TEXT DEFAULT (sqlite_version()));", "error refused 1, refused: not authorized to use function: sqlite_version at offset 34", same},
		{"raise", "CREATE TRIGGER frozen BEFORE UPDATE ON tags BEGIN SELECT RAISE(ABORT, 'it is ' || old.label); END;\nUPDATE tags SET label = 'y' WHERE id = 1;",
			"error refused 2, refused: it is x", "error refused 2, refused: it is x"},
		{"children_are_put_back", `DROP VIEW authors; DROP TRIGGER post_added; CREATE TABLE kept AS SELECT * FROM posts; CREATE TABLE kept_likes AS SELECT * FROM likes;
CREATE TABLE users_new(id INTEGER PRIMARY KEY, email TEXT, name TEXT);
INSERT INTO users_new SELECT * FROM users;
DROP TABLE users;
ALTER TABLE users_new RENAME TO users;
INSERT INTO posts SELECT * FROM kept;
UPDATE likes SET post_id = (SELECT k.post_id FROM kept_likes AS k WHERE k.id = likes.id);
DROP TABLE kept; DROP TABLE kept_likes;
CREATE VIEW authors AS SELECT u.name, p.title FROM users u JOIN posts p ON p.user_id = u.id;`,
			"info cascade-delete 4, info cascade-update 4, warning update-all 7",
			"info cascade-delete 4, info cascade-update 4, info not-judged 3, info not-judged 4, info not-judged 6, info not-judged 7, warning update-all 7"},
		{"replace", "REPLACE INTO users VALUES (1, 'a@x', 'Ada L.');", "error replace-parent 1, error replace-parent 1", same},
		{"replace_of_a_new_row", "REPLACE INTO users VALUES (9, 'z@x', 'Zoe');", "", "error replace-parent 1, error replace-parent 1"},
		{"drop_column", "ALTER TABLE users DROP COLUMN email;", "error drop-column 1", same},
		{"rename_column", "ALTER TABLE users RENAME COLUMN email TO mail;", "warning rename-column 1", same},
		{"rename_and_drop_a_column", "ALTER TABLE users RENAME COLUMN email TO mail;\nALTER TABLE users DROP COLUMN mail;", "error drop-column 2, warning rename-column 1", same},
		{"rename_and_rebuild_without_a_column", `ALTER TABLE tags RENAME COLUMN label TO name; CREATE TABLE n(id INTEGER PRIMARY KEY);
INSERT INTO n SELECT id FROM tags;
DROP TABLE tags; ALTER TABLE n RENAME TO tags;`, "error drop-column 3, warning rename-column 1", same},
		{"add_a_column_in_the_place_of_another", "ALTER TABLE users DROP COLUMN email; ALTER TABLE users ADD COLUMN email;\nUPDATE users SET email = 'x';", "error drop-column 1",
			"error drop-column 1, info not-judged 2"},
		{"another_table_in_the_place", "DROP TABLE likes;\nALTER TABLE tags RENAME TO likes;", "error drop-table 1, warning rename-table 2", same},
		{"rename_table", "ALTER TABLE tags RENAME TO labels;", "warning rename-table 1", same},
		{"rename_and_leave_a_view", "ALTER TABLE tags RENAME TO labels; CREATE VIEW tags AS SELECT * FROM labels;", "", same},
		{"drop_a_view_that_is_called_as_a_column_was", "ALTER TABLE tags ADD COLUMN authors; ALTER TABLE tags DROP COLUMN authors; DROP VIEW authors;", "warning drop-view 1", same},
		{"delete_all", "DELETE FROM tags;", "error delete-all 1", same},
		{"update_all", "UPDATE tags SET label = upper(label);", "warning update-all 1", same},
		{"backfill", "ALTER TABLE tags ADD COLUMN slug TEXT; UPDATE tags SET slug = lower(label);", "", same},
		{"unique", "CREATE UNIQUE INDEX users_email ON users(email);", "error unique-violated 1, refused: UNIQUE constraint failed: users.email", "info unique-unproven 1"},
		{"not_null", "CREATE TABLE u2(id INTEGER PRIMARY KEY, name TEXT NOT NULL);\nINSERT INTO u2 SELECT id, name FROM users;",
			"error not-null-violated 2, refused: NOT NULL constraint failed: u2.name", "info not-judged 2"},
		{"add_not_null", "ALTER TABLE users ADD COLUMN age INTEGER NOT NULL;", "error not-null-violated 1, refused: Cannot add a NOT NULL column with default value NULL", same},
		{"orphans", "PRAGMA defer_foreign_keys=ON;\nINSERT INTO posts VALUES (9, 99, 'x');\nPRAGMA defer_foreign_keys=OFF;", "error orphans 2, info defer-off 3", "info defer-off 3, info not-judged 2"},
		{"seed", "INSERT INTO posts(user_id, title) VALUES (2, 'x');", "", "info not-judged 1"},
		{"pattern_in_a_view", "CREATE VIEW v AS SELECT * FROM tags WHERE label LIKE '" + strings.Repeat("a", 60) + "%';", "error like-pattern 1", same},
		{"function_in_a_view", "CREATE VIEW v AS SELECT sqlite_version() AS v;", "error broken-view 1", same},
		{"no_effect", "CREATE TABLE IF NOT EXISTS tags(id INTEGER PRIMARY KEY);", "warning no-effect 1", same},
		{"no_effect_and_none_needed", "CREATE TABLE IF NOT EXISTS \"tags\" (ID INTEGER PRIMARY KEY, label TEXT NOT NULL); CREATE INDEX IF NOT EXISTS posts_title ON posts (title);", "", same},
		{"what_a_rebuild_loses", `DROP VIEW authors;
CREATE TABLE posts_new(id INTEGER PRIMARY KEY, user_id INTEGER REFERENCES users(id) ON DELETE CASCADE);
INSERT INTO posts_new SELECT id, user_id FROM posts;
DELETE FROM likes; DROP TABLE posts;
ALTER TABLE posts_new RENAME TO posts;`,
			"error delete-all 4, error drop-column 4, warning drop-view 1, warning rebuild-lost 4",
			"error delete-all 4, error drop-column 4, info not-judged 3, info not-judged 4, warning drop-view 1, warning rebuild-lost 4"},
		{"endless", "CREATE TABLE n AS WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT max(x) FROM c;", "refused: interrupted", same},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if tc.schema == same {
				tc.schema = tc.data
			}
			p := prepare(t, shop, shopRows, tc.sql)
			o := rehearsal.Options{Limit: 1 << 30, Progress: func(string) {}}
			if tc.name == "endless" {
				o.Patience = 300 * time.Millisecond
			}
			for _, mode := range []struct {
				name, want string
				try        attempt
			}{{"all rows", tc.data, rehearsal.Local(p.database, o)}, {"one row", tc.schema, rehearsal.Remote(p.database, o)}} {
				r, err := mode.try(t.Context(), p.plan)
				var found, all []string
				for _, h := range r.Hazards {
					found = append(found, fmt.Sprintf("%s %s %d", h.Severity, h.Code, h.Line))
					all = append(all, h.Message)
				}
				if err != nil {
					text, _, _ := strings.Cut(err.Error(), ": SQLITE_")
					text, _, _ = strings.Cut(text, ": the migrations ran")
					found = append(found, "refused: "+text)
				}
				slices.Sort(found)
				if strings.Contains(strings.Join(all, " "), "it is x") {
					t.Errorf("on %s: a hazard has words that were computed from a row: %q", mode.name, all)
				}
				if diff := cmp.Diff(mode.want, strings.Join(found, ", ")); diff != "" {
					t.Errorf("on %s (-want +got):\n%s\n%s", mode.name, diff, strings.Join(all, "\n"))
				}
			}
		})
	}
}

// A refusal has SQLite's words, unless they may have been computed from rows.
func TestWordsOfARefusal(t *testing.T) {
	t.Parallel()
	for sql, want := range map[string]string{
		"ALTER TABLE users DROP COLUMN name;":                                     "D1 refuses the statement: error in view authors after drop column: no such column: u.name",
		"ALTER TABLE tags ADD COLUMN at TEXT DEFAULT CURRENT_TIMESTAMP;":          "D1 refuses the statement: Cannot add a column with non-constant default",
		"ALTER TABLE tags ADD COLUMN at CHECK (at > 0 AND at IS NOT NULL);":       "D1 refuses the statement: CHECK constraint failed",
		"UPDATE tags SET label = json_extract('{}', label);":                      "D1 refuses the statement: by a trigger or a check of its own",
		"CREATE UNIQUE INDEX i ON users(email); DROP TABLE users; DROP TABLE no;": "2 rows of users share 1 value: users.email",
	} {
		p := prepare(t, shop, shopRows, sql)
		r, err := rehearsal.Local(p.database, rehearsal.Options{Limit: 1 << 30, Progress: func(string) {}})(t.Context(), p.plan)
		if err == nil || len(r.Hazards) != 1 || r.Hazards[0].Message != want {
			t.Errorf("%s: %v, %v, want %s", sql, err, r.Hazards, want)
		}
	}
}

// The tables in which an FTS5 index keeps its content are neither made nor dropped by themselves.
func TestReshapedBesideAnIndex(t *testing.T) {
	t.Parallel()
	for sql, want := range map[string]string{
		"ALTER TABLE notes RENAME TO labels;":                 "warning rename-table 1; tables labels",
		"CREATE TABLE u(a);\nDROP TABLE f;":                   "error drop-table 2; tables f, u",
		"CREATE TABLE u(a);\nALTER TABLE f RENAME TO g;":      "warning rename-table 2; tables g, u",
		"DROP TABLE f; CREATE VIRTUAL TABLE f USING fts5(b);": "error drop-column 1, error drop-table 1; tables f",
	} {
		p := prepare(t, "CREATE TABLE notes(id INTEGER PRIMARY KEY, v); CREATE VIRTUAL TABLE f USING fts5(a)", "INSERT INTO notes VALUES (1, 'x'); INSERT INTO f VALUES ('x')", sql)
		p.says(t, rehearsal.Local, want)
	}
}

// The first run makes the ledger and the journal, which are not what a table was renamed to.
func TestRenamedInTheFirstRun(t *testing.T) {
	t.Parallel()
	p := prepare(t, "CREATE TABLE notes(id)", "", "ALTER TABLE notes RENAME TO labels;")
	for _, sql := range []string{"CREATE TABLE d1_rewind_journal(id)", "CREATE TABLE d1_migrations(id)"} {
		p.plan.Batch.Statements = slices.Insert(p.plan.Batch.Statements, 0, migration.BatchStatement{Query: migration.Query{SQL: sql}})
	}
	p.says(t, rehearsal.Local, "warning rename-table 1; tables labels")
}

// Only ASCII letters have a case in SQLite's names.
func TestNamesBeyondASCII(t *testing.T) {
	t.Parallel()
	for sql, want := range map[string]string{
		"DROP TABLE ä;":        "error drop-table 1; tables ä",
		"DROP TABLE Ä;":        "warning drop-table 1; tables Ä",
		"DROP VIEW Übersicht;": "warning drop-view 1; tables ",
		"DROP VIEW ÜBERsicht;": "warning drop-view 1; tables ",
		"INSERT INTO ö(ö) VALUES (1), (2); DELETE FROM ö;": "error delete-all 1; tables ö",
	} {
		p := prepare(t, "CREATE TABLE Ä(id); CREATE TABLE ä(id); CREATE TABLE Ö(Ö); CREATE TABLE ö(ö); CREATE VIEW Übersicht AS SELECT 1", "INSERT INTO ä VALUES (1)", sql)
		p.says(t, rehearsal.Local, want)
	}
}

// One row of a child does not tell what a foreign key does to the others.
func TestChildrenBesideTheSample(t *testing.T) {
	t.Parallel()
	const schema = `CREATE TABLE p(id INTEGER PRIMARY KEY); CREATE TABLE q(id INTEGER PRIMARY KEY);
CREATE TABLE two(id INTEGER PRIMARY KEY, p REFERENCES p ON DELETE SET NULL, q REFERENCES q ON DELETE SET NULL);
CREATE TABLE keyless(rowid, _rowid_, oid, p REFERENCES p ON DELETE CASCADE, v)`
	for sql, want := range map[string]string{
		"DELETE FROM q WHERE id = 1;":          "info not-judged 1; tables q, two",
		"REPLACE INTO q VALUES (1);":           "info not-judged 1; tables q, two",
		"DROP TABLE two;\nDROP TABLE p;":       "error broken-table 2, error drop-table 1, error drop-table 2, info not-judged 2; tables keyless, p, two",
		"ALTER TABLE keyless DROP COLUMN v;":   "error drop-column 1; tables keyless",
		"ALTER TABLE two DROP COLUMN p;":       "error drop-column 1; tables two",
		"INSERT INTO two VALUES (3, 1, NULL);": "info not-judged 1; tables two",
	} {
		p := prepare(t, schema, "INSERT INTO p VALUES (1); INSERT INTO q VALUES (1); INSERT INTO two VALUES (1, 1, NULL), (2, NULL, 1); INSERT INTO keyless VALUES (1, 2, 3, 1, 'x')", sql)
		p.says(t, func(d *sqlite.Database, o rehearsal.Options) attempt { return rehearsal.Remote(d, o) }, want)
	}
}

// says holds a rehearsal against its hazards, and the tables that it names.
func (p rehearsed) says(t *testing.T, how func(*sqlite.Database, rehearsal.Options) attempt, want string) {
	t.Helper()
	r, err := how(p.database, rehearsal.Options{Limit: 1 << 30, Progress: func(string) {}})(t.Context(), p.plan)
	if err != nil {
		t.Fatal(err)
	}
	var hazards, tables []string
	for _, h := range r.Hazards {
		hazards = append(hazards, fmt.Sprintf("%s %s %d", h.Severity, h.Code, h.Line))
	}
	slices.Sort(hazards)
	for _, table := range r.Tables {
		tables = append(tables, table.Name)
	}
	if got := strings.Join(hazards, ", ") + "; tables " + strings.Join(tables, ", "); got != want {
		t.Errorf("%s: %s, want %s", p.plan.Batch.Statements[0].SQL, got, want)
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
