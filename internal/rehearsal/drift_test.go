package rehearsal

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/d1-rewind/d1-rewind/internal/migration"
	"github.com/d1-rewind/d1-rewind/internal/sqlite"
	"github.com/d1-rewind/d1-rewind/internal/statement"
)

func file(name, sql string) migration.Migration {
	return migration.Migration{Name: name, Statements: statement.Split(sql)}
}

func files(texts ...string) (list []migration.Migration) {
	for i, sql := range texts {
		list = append(list, file(fmt.Sprintf("%04d_m.sql", i+1), sql))
	}
	return list
}

// database runs sql as D1 does, the statements one by one, and returns the schema.
func database(t testing.TB, sql string) migration.Schema {
	t.Helper()
	scratch, err := sqlite.NewScratch(context.Background(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer scratch.Close()
	var batch migration.Batch
	for _, s := range statement.Split(sql) {
		batch.Statements = append(batch.Statements, migration.BatchStatement{Query: migration.Query{SQL: s.SQL}})
	}
	if err := scratch.Apply(context.Background(), batch); err != nil {
		t.Fatalf("%v in\n%s", err, sql)
	}
	schema, err := liveSchema(context.Background(), scratch)
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

func modelOf(t testing.TB, sql string) model {
	t.Helper()
	m, err := built(context.Background(), database(t, sql), nil)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func lines(changes []migration.Change) (list []string) {
	for _, c := range changes {
		list = append(list, c.String())
	}
	return list
}

const parent = "CREATE TABLE p(id INTEGER PRIMARY KEY, x);"

// TestDrift has the pairs of what SQLite does to the stored text, and of what it does not show.
func TestDrift(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		files string // migrations, separated by a line of hyphens
		live  string
		want  []string // none: no drift
		// cosmetic: whether something is written in another way
		cosmetic bool
	}{
		// Equal.
		{name: "nothing"},
		{name: "add column", files: "CREATE TABLE t(a INT);\n---\nALTER TABLE t ADD COLUMN b TEXT DEFAULT 'x'", live: "CREATE TABLE t(a INT, b TEXT DEFAULT 'x')"},
		{name: "add column before constraints", files: "CREATE TABLE t(a INT, CHECK(a > 0), UNIQUE(a));\n---\nALTER TABLE t ADD COLUMN b", live: "CREATE TABLE t(a INT, b, CHECK(a > 0), UNIQUE(a))"},
		{name: "drop column", files: "CREATE TABLE t(a, b, c);\n---\nALTER TABLE t DROP COLUMN b", live: "CREATE TABLE t(a, c)"},
		{name: "rename column", files: "CREATE TABLE t(a, b CHECK(b > 0), UNIQUE(b)); CREATE INDEX i ON t(b) WHERE b > 1;\n---\nALTER TABLE t RENAME COLUMN b TO c",
			live: "CREATE TABLE t(a, c CHECK(c > 0), UNIQUE(c)); CREATE INDEX i ON t(c) WHERE c > 1"},
		{name: "rename table", files: "CREATE TABLE t(a CHECK(t.a > 0));\n---\nALTER TABLE t RENAME TO u", live: "CREATE TABLE u(a CHECK(u.a > 0))"},
		{name: "rename table, qualified or not", files: "CREATE TABLE t(a CHECK(0 < t.a));\n---\nALTER TABLE t RENAME TO u", live: "CREATE TABLE u(a CHECK(0 < a))", cosmetic: true},
		{name: "rebuild", files: parent + "CREATE TABLE t(a, p REFERENCES p); CREATE INDEX i ON t(a);\n---\nPRAGMA defer_foreign_keys=ON; CREATE TABLE n(a TEXT NOT NULL, p REFERENCES p); INSERT INTO n SELECT * FROM t; DROP TABLE t; ALTER TABLE n RENAME TO t; CREATE INDEX i ON t(a)",
			live: parent + "CREATE TABLE t(a TEXT NOT NULL, p REFERENCES p); CREATE INDEX i ON t(a)"},
		{name: "renamed parent", files: parent + "CREATE TABLE c(p INT REFERENCES p(id) ON DELETE CASCADE);\n---\nALTER TABLE p RENAME TO q",
			live: "CREATE TABLE q(id INTEGER PRIMARY KEY, x); CREATE TABLE c(p INT REFERENCES q(id) ON DELETE CASCADE)"},
		{name: "view and trigger after rename", files: "CREATE TABLE t(a, b); CREATE VIEW v AS SELECT a, t.b FROM t; CREATE TRIGGER r AFTER INSERT ON t BEGIN UPDATE t SET a = new.b; END;\n---\nALTER TABLE t RENAME TO u;\n---\nALTER TABLE u RENAME COLUMN b TO c",
			live: "CREATE TABLE u(a, c); CREATE VIEW v AS SELECT a, u.c FROM u; CREATE TRIGGER r AFTER INSERT ON u BEGIN UPDATE u SET a = new.c; END"},
		{name: "white space, comments, case, quotes", files: "CREATE TABLE IF NOT EXISTS t(a INTEGER NOT NULL, b VARCHAR(255) DEFAULT 'It''s' CHECK(a > b AND b <> 'X')); CREATE INDEX i ON t(a, b COLLATE NOCASE DESC) WHERE b IS NOT NULL; CREATE VIEW v AS SELECT a FROM t WHERE b = 'Y'",
			live: "create table main.\"T\" -- a table\n( [A] integer not  null,/*b*/ `B` varchar ( 255 ) default 'It''s' check (\"a\" > [b] and b<>'X') ) ; create index \"I\" on T(\"a\",`b` collate \"nocase\" desc) where [b] is not null; create view [V] as select \"a\" from `t` where b='Y'", cosmetic: true},
		{name: "quotes only", files: "CREATE TABLE t(a INTEGER, b TEXT)", live: "CREATE TABLE \"t\"(`a` INTEGER,\n  [b] TEXT -- b\n)"},
		{name: "left out", files: "CREATE TABLE t(id INTEGER PRIMARY KEY AUTOINCREMENT)",
			live: "CREATE TABLE d1_migrations(id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE); CREATE INDEX other ON d1_migrations(id); CREATE TABLE t(id INTEGER PRIMARY KEY AUTOINCREMENT); CREATE TABLE Drizzle(x); INSERT INTO t VALUES(1); ANALYZE"},
		{name: "inline UNIQUE", files: "CREATE TABLE t(a UNIQUE, b TEXT COLLATE NOCASE UNIQUE)", live: "CREATE TABLE t(a, b TEXT COLLATE NOCASE, CONSTRAINT x UNIQUE(b), UNIQUE(a))", cosmetic: true},
		{name: "inline PRIMARY KEY", files: "CREATE TABLE t(a TEXT PRIMARY KEY); CREATE TABLE i(a INTEGER PRIMARY KEY)", live: "CREATE TABLE t(a TEXT, PRIMARY KEY(a)); CREATE TABLE i(a INTEGER, CONSTRAINT pk PRIMARY KEY(\"a\"))", cosmetic: true},
		{name: "inline FOREIGN KEY", files: parent + "CREATE TABLE t(a REFERENCES p(id) ON UPDATE CASCADE DEFERRABLE INITIALLY DEFERRED, b REFERENCES p)",
			live: parent + "CREATE TABLE t(a, b, FOREIGN KEY(b) REFERENCES p(id), CONSTRAINT f FOREIGN KEY(a) REFERENCES P ON UPDATE CASCADE ON DELETE NO ACTION DEFERRABLE INITIALLY DEFERRED)", cosmetic: true},
		{name: "inline CHECK", files: "CREATE TABLE t(a CHECK(a > 0) CHECK((a) < 9), b)", live: "CREATE TABLE t(a, b, CONSTRAINT x CHECK(t.a>0) CHECK(((a) < 9)))", cosmetic: true},
		{name: "operators", files: "CREATE TABLE t(a CHECK(a <> 1 AND a == 2))", live: "CREATE TABLE t(a CHECK(a != 1 AND a = 2))", cosmetic: true},
		{name: "defaults", files: `CREATE TABLE t(a DEFAULT "It", b DEFAULT It, c DEFAULT TRUE, d DEFAULT (CURRENT_TIMESTAMP), e DEFAULT +1, f DEFAULT (1))`,
			live: `CREATE TABLE t(a DEFAULT 'It', b DEFAULT 'It', c DEFAULT 1, d DEFAULT current_timestamp, e DEFAULT 1, f DEFAULT 1)`, cosmetic: true},
		{name: "defaults what is usual", files: parent + "CREATE TABLE t(a NOT NULL UNIQUE COLLATE BINARY, b REFERENCES p ON DELETE NO ACTION NOT DEFERRABLE, id INTEGER PRIMARY KEY)",
			live: parent + "CREATE TABLE t(a NOT NULL ON CONFLICT ABORT UNIQUE ON CONFLICT ABORT, b REFERENCES p, id INTEGER PRIMARY KEY NOT NULL)", cosmetic: true},
		{name: "quoted string", files: `CREATE TABLE t(a CHECK(a <> "Open")); CREATE VIEW v AS SELECT "Open", a AS "Total" FROM t`, live: `CREATE TABLE t(a CHECK(a <> 'Open')); CREATE VIEW v AS SELECT 'Open', a AS [total] FROM t`},
		{name: "canonical trigger", files: "CREATE TABLE t(a, b);\n---\ncreate trigger r insert on t for each row\r\nbegin\r\n  update t set b = case when new.a then 1 else 2 end; -- x\r\nend",
			live: "CREATE TABLE t(a, b); CREATE TRIGGER r BEFORE INSERT ON t BEGIN update t set b = (CASE when new.a then 1 else 2 END); END"},
		{name: "FTS5", files: "CREATE VIRTUAL TABLE f USING fts5(a, b, tokenize = 'porter ascii');\n---\nALTER TABLE f RENAME TO g", live: `create virtual table if not exists "g" using FTS5(a,b , tokenize='porter ascii')`},
		{name: "with COMMIT", files: "BEGIN TRANSACTION; CREATE TABLE t(a); COMMIT;", live: "CREATE TABLE t(a)"},
		{name: "rows that are refused", files: "CREATE TABLE t(a UNIQUE); INSERT INTO t VALUES(1); INSERT INTO t VALUES(1);\n---\nCREATE TABLE u(b)", live: "CREATE TABLE t(a UNIQUE); CREATE TABLE u(b)"},
		{name: "deferred violation", files: parent + "CREATE TABLE c(p REFERENCES p DEFERRABLE INITIALLY DEFERRED); INSERT INTO c VALUES(1);\n---\nPRAGMA defer_foreign_keys=ON; INSERT INTO c VALUES(2);\n---\nCREATE TABLE u(b)",
			live: parent + "CREATE TABLE c(p REFERENCES p DEFERRABLE INITIALLY DEFERRED); CREATE TABLE u(b)"},
		{name: "rows that are too long", files: "CREATE TABLE t(a); INSERT INTO t VALUES('" + strings.Repeat("x", 100_000) + "')", live: "CREATE TABLE t(a)"},
		{name: "rows of a table made elsewhere", files: "INSERT INTO users VALUES(1)", live: "CREATE TABLE users(id)", want: []string{"table users added"}},
		{name: "rows that are in the way", files: "CREATE TABLE t(a); INSERT INTO t VALUES(1), (1);\n---\nCREATE UNIQUE INDEX i ON t(a);\n---\nALTER TABLE t ADD COLUMN b NOT NULL", live: "CREATE TABLE t(a, b NOT NULL); CREATE UNIQUE INDEX i ON t(a)"},
		{name: "rolled back", files: "CREATE TABLE t(a UNIQUE ON CONFLICT ROLLBACK); INSERT INTO t VALUES(1), (1)", live: "CREATE TABLE t(a UNIQUE ON CONFLICT ROLLBACK)"},
		{name: "the ledger fixed by a migration", files: "CREATE TABLE t(a); UPDATE D1_migrations SET name = 'x'; CREATE INDEX n ON d1_migrations(name); DROP TABLE drizzle;\n---\nDROP TABLE d1_migrations", live: "CREATE TABLE t(a)"},
		{name: "strings for names", files: "CREATE TABLE 't'('a' INTEGER, 'b' REFERENCES 't'('a'), UNIQUE('a' DESC) ON CONFLICT IGNORE); CREATE INDEX 'i' ON 't'('b')", live: "CREATE TABLE t(a INTEGER UNIQUE ON CONFLICT IGNORE, b REFERENCES t(a)); CREATE INDEX i ON t(b)", want: []string{"table t changed (UNIQUE (a DESC) ON CONFLICT IGNORE removed; UNIQUE (a) ON CONFLICT IGNORE added)"}},
		{name: "constraints without commas", files: "CREATE TABLE t(a, b, PRIMARY KEY(a) UNIQUE(b) CHECK(a > b))", live: "CREATE TABLE t(a PRIMARY KEY, b UNIQUE CHECK(a > b))", cosmetic: true},

		// Different.
		{name: "column order", files: "CREATE TABLE t(a, b)", live: "CREATE TABLE t(b, a)", want: []string{"table t changed (order of columns: a, b → b, a)"}},
		{name: "STRICT", files: "CREATE TABLE t(a INT)", live: "CREATE TABLE t(a INT) STRICT", want: []string{"table t changed (STRICT added)"}},
		{name: "WITHOUT ROWID", files: "CREATE TABLE t(a TEXT PRIMARY KEY NOT NULL) WITHOUT ROWID", live: "CREATE TABLE t(a TEXT PRIMARY KEY NOT NULL)", want: []string{"table t changed (WITHOUT ROWID removed)"}},
		{name: "index DESC", files: "CREATE TABLE t(a); CREATE INDEX i ON t(a)", live: "CREATE TABLE t(a); CREATE INDEX i ON t(a DESC)", want: []string{"index t.i changed (a) → (a DESC)"}},
		{name: "index WHERE", files: "CREATE TABLE t(a); CREATE INDEX i ON t(a)", live: "CREATE TABLE t(a); CREATE INDEX i ON t(a) WHERE a > 0", want: []string{"index t.i changed ((a) → (a) WHERE a > 0)"}},
		{name: "index expression", files: "CREATE TABLE t(a); CREATE INDEX i ON t(lower(a))", live: "CREATE TABLE t(a); CREATE INDEX i ON t(upper(a))", want: []string{"index t.i changed (lower(a)) → (upper(a))"}},
		{name: "index UNIQUE", files: "CREATE TABLE t(a); CREATE INDEX i ON t(a)", live: "CREATE TABLE t(a); CREATE UNIQUE INDEX i ON t(a)", want: []string{"index t.i changed (a) → UNIQUE (a)"}},
		{name: "index on another table", files: "CREATE TABLE t(a); CREATE TABLE u(a); CREATE INDEX i ON t(a)", live: "CREATE TABLE t(a); CREATE TABLE u(a); CREATE INDEX i ON u(a)", want: []string{"index t.i removed (a)", "index u.i added (a)"}},
		{name: "CHECK", files: "CREATE TABLE t(a CHECK(a > 0))", live: "CREATE TABLE t(a CHECK(a >= 0))", want: []string{"table t changed (CHECK differs: a > 0 → a >= 0)"}},
		{name: "CHECK's string", files: "CREATE TABLE t(a CHECK(a <> 'x'))", live: "CREATE TABLE t(a CHECK(a <> 'X'))", want: []string{"table t changed (CHECK differs: a != 'x' → a != 'X')"}},
		{name: "CHECK's quoted string", files: `CREATE TABLE t(a CHECK(a <> "Open"))`, live: `CREATE TABLE t(a CHECK(a <> "open"))`, want: []string{"table t changed (CHECK differs: a != 'Open' → a != 'open')"}},
		{name: "COLLATE", files: "CREATE TABLE t(a TEXT)", live: "CREATE TABLE t(a TEXT COLLATE NOCASE)", want: []string{"column t.a changed (collation binary → nocase)"}},
		{name: "generated", files: "CREATE TABLE t(a, b AS (a + 1))", live: "CREATE TABLE t(a, b AS (a + 2))", want: []string{"column t.b changed (generated as a + 1 → a + 2)"}},
		{name: "STORED", files: "CREATE TABLE t(a, b AS (a + 1))", live: "CREATE TABLE t(a, b GENERATED ALWAYS AS (a + 1) STORED)", want: []string{"column t.b changed (VIRTUAL → STORED)"}},
		{name: "AUTOINCREMENT", files: "CREATE TABLE t(id INTEGER PRIMARY KEY)", live: "CREATE TABLE t(id INTEGER PRIMARY KEY AUTOINCREMENT)", want: []string{"table t changed (AUTOINCREMENT added)"}},
		{name: "DEFERRABLE", files: parent + "CREATE TABLE t(a REFERENCES p, b REFERENCES p)", live: parent + "CREATE TABLE t(a REFERENCES p DEFERRABLE INITIALLY DEFERRED, b REFERENCES p)", want: []string{"table t changed (foreign key to p: INITIALLY DEFERRED added)"}},
		{name: "ON CONFLICT", files: "CREATE TABLE t(a UNIQUE, b NOT NULL, c TEXT PRIMARY KEY)", live: "CREATE TABLE t(a UNIQUE ON CONFLICT IGNORE, b NOT NULL ON CONFLICT REPLACE, c TEXT, PRIMARY KEY(c) ON CONFLICT FAIL)",
			want: []string{"table t changed (PRIMARY KEY (c) → (c) ON CONFLICT FAIL; UNIQUE (a) removed; UNIQUE (a) ON CONFLICT IGNORE added)", "column t.b changed (NOT NULL ON CONFLICT ABORT → REPLACE)"}},
		{name: "foreign key", files: parent + "CREATE TABLE t(a REFERENCES p ON DELETE CASCADE, b REFERENCES p)", live: parent + "CREATE TABLE t(a REFERENCES p ON UPDATE SET NULL, b)",
			want: []string{"table t changed (foreign key to p: ON DELETE CASCADE → NO ACTION, ON UPDATE NO ACTION → SET NULL; foreign key (b) to p removed)"}},
		{name: "columns", files: "CREATE TABLE t(a TEXT, b DEFAULT 1, c NOT NULL, d)", live: "CREATE TABLE t(a INTEGER, b DEFAULT 2, c, e TEXT NOT NULL DEFAULT 'x')",
			want: []string{"column t.a changed (type TEXT → INTEGER)", "column t.b changed (default 1 → 2)", "column t.c changed (NOT NULL removed)", "column t.e added (TEXT NOT NULL DEFAULT 'x')", "column t.d removed"}},
		{name: "default's case", files: `CREATE TABLE t(a DEFAULT "It", b DEFAULT It)`, live: `CREATE TABLE t(a DEFAULT "it", b DEFAULT it)`, want: []string{`column t.a changed (default "It" → "it")`, "column t.b changed (default It → it)"}},
		{name: "default NULL or 'null'", files: `CREATE TABLE t(a DEFAULT "null", b DEFAULT '1')`, live: `CREATE TABLE t(a DEFAULT null, b DEFAULT 1)`, want: []string{`column t.a changed (default "null" → null)`, "column t.b changed (default '1' → 1)"}},
		{name: "objects", files: "CREATE TABLE t(a); CREATE TABLE u(b); CREATE INDEX i ON u(b); CREATE VIEW v AS SELECT 1; CREATE TRIGGER r AFTER INSERT ON t BEGIN SELECT 1; END", live: "CREATE TABLE t(a); CREATE TABLE w(b UNIQUE); CREATE VIEW v AS SELECT 2; CREATE TRIGGER s AFTER INSERT ON t BEGIN SELECT 1; END",
			want: []string{"trigger t.r removed", "trigger t.s added", "table u removed", "index u.i removed (b)", "table w added", "view v changed (its definition differs)"}},
		{name: "trigger", files: "CREATE TABLE t(a); CREATE TRIGGER r AFTER INSERT ON t BEGIN SELECT 'x'; END", live: "CREATE TABLE t(a); CREATE TRIGGER r AFTER INSERT ON t BEGIN SELECT 'X'; END", want: []string{"trigger t.r changed (its definition differs)"}},
		{name: "INSTEAD OF", files: "CREATE VIEW v AS SELECT 1 AS a; CREATE TRIGGER r INSTEAD OF INSERT ON v BEGIN SELECT 1; END", live: "CREATE VIEW v AS SELECT 1 AS a", want: []string{"trigger v.r removed"}},
		{name: "table or view", files: "CREATE TABLE t(a)", live: "CREATE VIEW t AS SELECT 1 AS a", want: []string{"table t removed", "view t added"}},
		{name: "FTS5 differs", files: "CREATE VIRTUAL TABLE f USING fts5(a)", live: "CREATE VIRTUAL TABLE f USING fts5(a, b)", want: []string{"table f changed (its module or arguments differ)"}},
		{name: "UNIQUE or an index", files: "CREATE TABLE t(a UNIQUE)", live: "CREATE TABLE t(a); CREATE UNIQUE INDEX i ON t(a)", want: []string{"table t changed (UNIQUE (a) removed)", "index t.i added (UNIQUE (a))"}},
		{name: "PRIMARY KEY", files: "CREATE TABLE t(a INTEGER PRIMARY KEY, b)", live: "CREATE TABLE t(a INTEGER NOT NULL, b, PRIMARY KEY(a, b))", want: []string{"table t changed (PRIMARY KEY (a) → (a, b))"}},
		{name: "PRIMARY KEY DESC", files: "CREATE TABLE t(a INTEGER PRIMARY KEY)", live: "CREATE TABLE t(a INTEGER PRIMARY KEY DESC NOT NULL)", want: []string{"table t changed (PRIMARY KEY (a) → (a DESC))"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			applied := files(strings.Split(c.files, "\n---\n")...)
			drift := Replay(context.Background(), database(t, c.live), applied, "d1_migrations", "drizzle")
			state := map[bool]string{true: "true", false: "false"}[len(c.want) > 0]
			if drift.State != state || drift.Reason != "" {
				t.Errorf("state %q (%s), want %q", drift.State, drift.Reason, state)
			}
			if diff := cmp.Diff(c.want, lines(drift.Differences)); diff != "" {
				t.Errorf("differences (-want +got):\n%s", diff)
			}
			if got := len(drift.Cosmetic) > 0; got != c.cosmetic {
				t.Errorf("cosmetic: %v", lines(drift.Cosmetic))
			}
		})
	}
}

func TestDriftUnknown(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, files, live, want string }{
		{"a base table made elsewhere", "-- x\n\nALTER TABLE users ADD COLUMN a", "CREATE TABLE users(id, a)", "stops at 0001_m.sql:3: no such table: users"},
		{"edited history", "CREATE TABLE t(a);\n---\nCREATE TABLE t(a, b)", "CREATE TABLE t(a, b)", "stops at 0002_m.sql:1: table t already exists"},
		{"what D1 refuses", "CREATE TEMP TABLE t(a)", "", "stops at 0001_m.sql:1: not authorized"},
		{"too long", "CREATE TABLE t(a DEFAULT '" + strings.Repeat("x", 100_000) + "')", "CREATE TABLE t(a)", "stops at 0001_m.sql:1: statement too long"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			drift := Replay(context.Background(), database(t, c.live), files(strings.Split(c.files, "\n---\n")...))
			if drift.State != "unknown" || !strings.Contains(drift.Reason, c.want) {
				t.Errorf("%s: %s; want %s", drift.State, drift.Reason, c.want)
			}
		})
	}
	t.Run("a schema that can't be loaded", func(t *testing.T) {
		t.Parallel()
		drift := Replay(context.Background(), migration.Schema{{Type: "table", Name: "g", Table: "g", SQL: "CREATE VIRTUAL TABLE g USING vec0()"}}, nil)
		if want := `the database's schema can't be loaded here: table "g": no such module: vec0`; drift.State != "unknown" || !strings.Contains(drift.Reason, want) {
			t.Errorf("%+v, want %s", drift, want)
		}
	})
	t.Run("interrupted", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if drift := Replay(ctx, nil, files("CREATE TABLE t(a)")); drift.State != "unknown" {
			t.Errorf("%+v", drift)
		}
	})
}
