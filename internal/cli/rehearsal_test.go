package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A run that asked for all rows and can't have them goes on with one of each table, and says so.
func TestRowsThatCannotBeCopied(t *testing.T) {
	const oneRow = "rehearsed on a copy of the schema, with one real row of each table concerned"
	files := func() map[string]string {
		return map[string]string{
			"migrations/0001_users.sql": "CREATE TABLE users(id INTEGER PRIMARY KEY, name TEXT);\nINSERT INTO users(name) VALUES ('a'), ('b');",
			"migrations/0002_big.sql":   "CREATE TABLE big(b BLOB);\nINSERT INTO big WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 35) SELECT zeroblob(1000000) FROM n;",
		}
	}
	const last = "DELETE FROM users;\nCREATE UNIQUE INDEX names ON users(name);\nUPDATE users SET name = 'c' WHERE id = 1;"

	t.Run("no room, remote", func(t *testing.T) {
		c := newCloud(t, files())
		c.run("migrate", "production", "--to", "0001_users.sql").want(t, 0)
		c.write("migrations/0002_big.sql", last)
		t.Setenv("TMPDIR", filepath.Join(c.dir, "nothing"))
		r := c.run("status", "production", "--rehearse", "data", "--hazards", "warn")
		r.want(t, 0, "delete-all: deletes all rows of users (2 rows)", oneRow, "not rehearsed: the rows: the database could not be copied", "TMPDIR")
		c.run("migrate", "production", "--rehearse", "data").want(t, 3, "hazard delete-all")
	})
	t.Run("no room, local", func(t *testing.T) {
		dir := workspace(t, files())
		d1rewind(nil, "migrate").want(t, 0)
		if err := os.WriteFile(filepath.Join(dir, "migrations", "0003_last.sql"), []byte(last), 0o600); err != nil {
			t.Fatal(err)
		}
		t.Setenv("TMPDIR", filepath.Join(dir, "nothing"))
		r := d1rewind(nil, "status")
		r.want(t, 0, "delete-all: deletes all rows of users (2 rows)", oneRow, "not rehearsed: the rows: the database could not be copied", "TMPDIR")
		if strings.Contains(r.stdout, "rehearse: data") {
			t.Errorf("a local database is always copied with its rows:\n%s", r.stdout)
		}
	})
	t.Run("too many, remote", func(t *testing.T) {
		c := newCloud(t, files())
		c.run("migrate", "production", "--to", "0001_users.sql").want(t, 0)
		c.write("migrations/0002_big.sql", "CREATE UNIQUE INDEX names ON users(name);")
		c.run("status", "production").want(t, 0, "whether the rows of users are (2 rows) was not looked at", "rehearse: data knows")
		c.run("status", "production", "--rehearse", "data", "--rehearse-limit", "1").
			want(t, 0, oneRow, "a higher rehearse-limit knows", "not rehearsed: the rows: the tables concerned have more than rehearse-limit (1 byte)")
	})
	t.Run("no key, remote", func(t *testing.T) {
		c := newCloud(t, map[string]string{"migrations/0001.sql": "CREATE TABLE t(rowid, _rowid_, oid);\nINSERT INTO t VALUES (1, 2, 3);"})
		c.run("migrate", "production").want(t, 0)
		c.write("migrations/0002.sql", "CREATE UNIQUE INDEX oids ON t(oid);")
		c.run("status", "production", "--rehearse", "data").want(t, 0, "whether the rows of t are (an unknown number of rows)",
			"a query on the database knows", "rehearsed on a copy of all rows, but for what is said below", "not rehearsed: table t has no rows in the copy")
	})
}

// The advice to record what is there names the database that the run was about.
func TestTablesFromBefore(t *testing.T) {
	c := newCloud(t, map[string]string{"migrations/0001_users.sql": "CREATE TABLE users(id INTEGER PRIMARY KEY, name TEXT);"})
	c.database.Rows("CREATE TABLE users(id INTEGER PRIMARY KEY, name TEXT)")
	c.run("status", "production").want(t, 1, "record what is there: d1-rewind baseline production")
	c.run("baseline", "production").want(t, 0, "recorded 1 migration as applied")
	c.database.Rows("CREATE INDEX names ON users(name)")
	c.run("status", "production").want(t, 0, "index users.names only in the database (name)")
}

// What is advised in a workflow can be typed there.
func TestAdviceInAWorkflow(t *testing.T) {
	h := newHub(t, sample())
	h.step(push, map[string]string{"mode": "migrate"}).want(t, 0, "applied 2 migrations")
	h.database.Rows("CREATE INDEX names ON users(name)")
	h.database.Rows("INSERT INTO users(name) VALUES ('a')")
	h.step(push, map[string]string{"mode": "status", "drift": "fail"}).want(t, 3, "the input drift: warn goes on all the same")
	h.write("migrations/0003_last.sql", "-- d1-rewind:allow drop-table,delete-all one comment for two\nDROP TABLE users;")
	h.step(push, map[string]string{"mode": "migrate", "transport": "import", "hazards": "fail"}).
		want(t, 3, "name one hazard by its code, each in a comment of its own", "note: to be sent by import")
	h.step(push, map[string]string{"mode": "status", "rehearse": "off", "hazards": "fail"}).
		want(t, 2, "hazards: fail requires a rehearsal, but rehearse is off", "remove one of the two")
}

// What loses rows of a remote database is refused unless someone says otherwise; locally it is shown.
func TestHazardsByDefault(t *testing.T) {
	const file = "migrations/0003_tidy.sql"
	files := sample()
	files["migrations/0001_users.sql"] += "INSERT INTO users(name) VALUES ('a');"
	c := newCloud(t, files)
	for _, environment := range []string{"local", "production"} {
		c.run("migrate", environment).want(t, 0, "applied 2 migrations")
	}
	c.write(file, "DELETE FROM users;\nCREATE INDEX orders_id ON orders(id);")
	for _, tc := range []struct {
		args []string
		code int
		says []string
	}{
		{[]string{"status", "local"}, 0, []string{"delete-all"}},
		{[]string{"status", "production"}, 3, []string{"environment production, database shop", "hazard delete-all: deletes all rows of users (1 row)", "-- d1-rewind:allow delete-all REASON", "nothing was written"}},
		{[]string{"migrate", "production"}, 3, []string{"hazard delete-all"}},
		{[]string{"migrate", "production", "--dry-run"}, 3, []string{"hazard delete-all"}},
		{[]string{"status", "production", "--hazards", "warn"}, 0, []string{"delete-all"}},
		{[]string{"status", "production", "--hazards", "delete-all=warn"}, 0, []string{"delete-all"}},
		{[]string{"status", "local", "--hazards", "delete-all=fail"}, 3, []string{"hazard delete-all"}},
		{[]string{"status", "production", "--hazards", "fail, out-of-order=warn"}, 3, []string{"hazard delete-all"}},
		{[]string{"status", "production", "--hazards", "off"}, 0, []string{"1 pending, 2 applied"}},
		{[]string{"status", "production", "--rehearse", "off"}, 0, []string{"not rehearsed: rehearse is off, and what only a rehearsal finds is not looked for; hazards are warnings only\n1 pending"}},
		{[]string{"status", "production", "--rehearse", "off", "--hazards", "warn, out-of-order=fail"}, 0, []string{"not rehearsed: rehearse is off"}},
		{[]string{"status", "production", "--rehearse", "off", "--hazards", "warn, delete-all=fail"}, 2, []string{"requires a rehearsal", "nothing was contacted or written"}},
		{[]string{"status", "local", "--rehearse", "off", "--hazards", "fail"}, 2, []string{"requires a rehearsal"}},
		{[]string{"status", "production", "--hazards", "fail, delete-al=warn"}, 2, []string{`unknown hazard code "delete-al"`, "did you mean delete-all?"}},
		{[]string{"status", "production", "--hazards", "loud"}, 2, []string{`"loud" is not off, warn, fail`, "write it as fail"}},
	} {
		t.Run(strings.Join(tc.args, " "), func(t *testing.T) {
			c.run(tc.args...).want(t, tc.code, tc.says...)
		})
	}
	c.write(file, "-- d1-rewind:allow delete-all they were test rows\nDELETE FROM users;")
	c.run("migrate", "production").want(t, 0, "allowed: they were test rows", "applied 1 migration")
}
