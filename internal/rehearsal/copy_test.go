package rehearsal

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/d1-rewind/d1-rewind/internal/d1"
	"github.com/d1-rewind/d1-rewind/internal/d1/d1test"
	"github.com/d1-rewind/d1-rewind/internal/migration"
	"github.com/d1-rewind/d1-rewind/internal/sqlite"
)

// remote is a database of the stand-in, and a client for it.
type remote struct {
	t      *testing.T
	server *d1test.Server
	db     *d1test.Database
	env    *d1.Database
	said   []string
}

func newRemote(t *testing.T, sql ...string) *remote {
	t.Helper()
	server := d1test.New()
	t.Cleanup(server.Close)
	client := d1.New(d1.Config{AccountID: d1test.Account, Token: d1test.Token, BaseURL: server.URL,
		Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }})
	db := server.Create("shop")
	r := &remote{t: t, server: server, db: db, env: client.Database(db.ID, "auto")}
	r.exec(sql...)
	return r
}

func (r *remote) exec(sql ...string) {
	r.t.Helper()
	if err := r.db.Exec(sql...); err != nil {
		r.t.Fatal(err)
	}
}

func (r *remote) schema() migration.Schema {
	r.t.Helper()
	answers, err := r.env.Read(r.t.Context(), migration.SchemaQuery)
	if err != nil {
		r.t.Fatal(err)
	}
	schema, err := migration.ParseSchema(answers[0])
	if err != nil {
		r.t.Fatal(err)
	}
	return schema
}

// copy copies the tables and keeps what progress was told.
func (r *remote) copy(ctx context.Context, tables []string, limit int64) (*sqlite.Scratch, copyResult, error) {
	r.t.Helper()
	copied, result, err := copyData(ctx, r.env, r.schema(), tables, 0, limit, func(line string) { r.said = append(r.said, line) })
	if copied != nil {
		r.t.Cleanup(func() { _ = copied.Close() })
	}
	return copied, result, err
}

func (r *remote) mustCopy() (*sqlite.Scratch, copyResult) {
	r.t.Helper()
	copied, result, err := r.copy(r.t.Context(), nil, 1<<30)
	if err != nil || copied == nil {
		r.t.Fatalf("copyData() = %v, %v", result, err)
	}
	return copied, result
}

// rowsOf returns what a scratch database answers, as d1test.Database.Rows does.
func rowsOf(t *testing.T, m *sqlite.Scratch, sql string) []string {
	t.Helper()
	answers, err := m.Read(t.Context(), migration.Query{SQL: sql})
	if err == nil {
		err = answers[0].Err
	}
	if err != nil {
		return []string{err.Error()}
	}
	rows := []string{}
	for _, v := range answers[0].Values {
		var fields []string
		for _, field := range v {
			fields = append(fields, fmt.Sprint(field))
		}
		rows = append(rows, strings.Join(fields, "|"))
	}
	return rows
}

// content asks for everything in a database, each value in a way that tells it from any other.
func content(rows func(sql string) []string) map[string][]string {
	all := map[string][]string{"schema": rows("SELECT type, name, sql FROM sqlite_schema ORDER BY 1, 2")}
	for _, line := range rows("SELECT name || '|' || wr FROM pragma_table_list WHERE schema = 'main' AND type IN ('table', 'shadow') AND name NOT LIKE 'sqlite_schema'") {
		at := strings.LastIndex(line, "|")
		name, withoutRowid := line[:at], line[at+1:] == "1"
		var columns []string
		taken := map[string]bool{}
		for _, c := range rows("SELECT name FROM pragma_table_xinfo('" + strings.ReplaceAll(name, "'", "''") + "')") {
			columns = append(columns, fmt.Sprintf("typeof(%[1]s) || ' ' || CASE WHEN typeof(%[1]s) IN ('text', 'blob') THEN hex(CAST(%[1]s AS BLOB)) ELSE quote(%[1]s) END", quoteName(c)))
			taken[strings.ToLower(c)] = true
		}
		for _, rowid := range []string{"rowid", "_rowid_", "oid"} {
			if !withoutRowid && !taken[rowid] {
				columns = append(columns, rowid)
				break
			}
		}
		all[name] = rows("SELECT " + strings.Join(columns, ", ") + " FROM " + quoteName(name))
		slices.Sort(all[name])
	}
	return all
}

// compare holds the copy against the database.
func (r *remote) compare(copied *sqlite.Scratch) {
	r.t.Helper()
	want, got := content(r.db.Rows), content(func(sql string) []string { return rowsOf(r.t, copied, sql) })
	if diff := cmp.Diff(want, got); diff != "" {
		r.t.Errorf("the copy differs (-database +copy):\n%.4000s", diff)
	}
}

const (
	numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) "
)

func TestCopy(t *testing.T) {
	t.Parallel()
	wide := func(n int) (create, insert string) {
		var columns, values []string
		for i := range n {
			columns, values = append(columns, fmt.Sprintf("c%d", i)), append(values, fmt.Sprintf("i * %d || 'ä'", i))
		}
		return strings.Join(columns, ", "), strings.Join(values, ", ")
	}
	columns, values := wide(100)
	for _, test := range []struct {
		name string
		sql  []string
		slow bool
	}{
		{"values", []string{
			"CREATE TABLE v(id INTEGER PRIMARY KEY, v, i INTEGER, r REAL, t TEXT, b BLOB)",
			"INSERT INTO v(v) VALUES (9007199254740993), (-9223372036854775807 - 1), (9223372036854775807), (0), (-1), (0.1), (1e300), (-2.0), (5e-324), (2.2250738585072011e-308), (1.7976931348623157e308), (9e999), (-9e999), (3.0)",
			"INSERT INTO v(v) VALUES (''), (x''), (NULL), (x'00ff27'), ('it''s'), (''''''''), (char(10) || char(13, 10)), ('a' || char(0) || 'b'), (char(0)), ('a,b'), ('NULL'), (CAST(x'ff41' AS TEXT)), (CAST(x'eda080' AS TEXT)), (char(65533)), ('日本語 🎉')",
			"INSERT INTO v(i, r, t, b) VALUES ('text', 'text', 1.5, 7), (x'31', x'31', x'31', 'blob'), (1.5, 3, 12345678901234567890, 1e15), ('', '', '', '')",
		}, false},
		{"names", []string{
			`CREATE TABLE "it's a ""table""` + "\n" + `"("order" TEXT, "a""b" INT, "c` + "\n" + `d" INT, "e'f", [g h], "?1", "rowid ")`,
			`INSERT INTO "it's a ""table""` + "\n" + `" VALUES (1, 2, 3, 4, 5, 6, 7)`,
			`CREATE TABLE k0(k0, c0, t, value, "key", s)`, "INSERT INTO k0 VALUES (1, 2, 3, 4, 5, 6)",
			`CREATE TABLE "order"("COLLATE" TEXT COLLATE NOCASE, "desc" INT, PRIMARY KEY("desc" DESC, "COLLATE")) WITHOUT ROWID`, `INSERT INTO "order" VALUES ('a', 1), ('B', 1), ('b', 2)`,
		}, false},
		{"rowids", []string{
			"CREATE TABLE a(x)", "INSERT INTO a(rowid, x) VALUES (-9223372036854775807 - 1, 'least'), (9223372036854775807, 'most'), (0, 'none'), (-5, 'less'), (1 << 60, 'far')",
			"CREATE TABLE b(rowid, x)", "INSERT INTO b(_rowid_, rowid, x) VALUES (7, 1, 'b')",
			"CREATE TABLE c(RowId, _ROWID_, x)", "INSERT INTO c(oid, rowid) VALUES (7, 1)",
			"CREATE TABLE d(rowid, _rowid_, oid, id INTEGER PRIMARY KEY)", "INSERT INTO d VALUES (1, 2, 3, 4)",
			"CREATE TABLE e(id INTEGER PRIMARY KEY DESC, x)", "INSERT INTO e(rowid, id) VALUES (99, 1)", // not the rowid, for historical reasons
			"CREATE TABLE f(rowid INTEGER PRIMARY KEY, x)", "INSERT INTO f VALUES (3, 3)",
		}, false},
		{"generated and strict", []string{
			"CREATE TABLE g(a INTEGER, b AS (a * 2) STORED, c TEXT, d AS (a || c) VIRTUAL, UNIQUE(b))", "INSERT INTO g(a, c) VALUES (1, 'x'), (2, 'y')",
			"CREATE TABLE s(id INTEGER PRIMARY KEY, a ANY, b BLOB, r REAL) STRICT", "INSERT INTO s VALUES (1, '1', x'00', 3), (2, 1, NULL, 1.5), (3, x'01', NULL, NULL)",
			"PRAGMA ignore_check_constraints = ON", "CREATE TABLE k(x CHECK(x > 0))", "INSERT INTO k VALUES (-1)",
		}, false},
		{"100 columns", []string{
			"CREATE TABLE w(" + columns + ")", fmt.Sprintf(numbers, 300) + "INSERT INTO w SELECT " + values + " FROM n",
			"CREATE TABLE x(" + columns + ", PRIMARY KEY(c0, c99, c50)) WITHOUT ROWID", fmt.Sprintf(numbers, 300) + "INSERT INTO x SELECT " + values + " FROM n",
		}, true},
		{"large rows", []string{
			"CREATE TABLE l(id INTEGER PRIMARY KEY, small, large)",
			"INSERT INTO l VALUES (1, 'a', randomblob(1900000)), (2, NULL, replace(hex(zeroblob(475000)), '00', 'it''s')), (3, 'c', zeroblob(400000)), (4, 'd', zeroblob(400001)), (5, randomblob(900000), CAST(randomblob(900000) AS TEXT))",
			fmt.Sprintf(numbers, 2000) + "INSERT INTO l SELECT 1000 + i, i, CASE WHEN i % 50 = 0 THEN hex(randomblob(20000)) ELSE 'small' END FROM n",
			"CREATE TABLE m(a TEXT COLLATE NOCASE, b REAL, c, PRIMARY KEY(a, b DESC)) WITHOUT ROWID",
			"INSERT INTO m SELECT 'key' || id, id / 3.0, large FROM l",
		}, true},
		{"without rowid", []string{
			"CREATE TABLE p(a TEXT COLLATE NOCASE, b INT, c, d, PRIMARY KEY(a, c DESC, b)) WITHOUT ROWID",
			fmt.Sprintf(numbers, 6000) + "INSERT INTO p SELECT CASE i % 3 WHEN 0 THEN 'Ab' WHEN 1 THEN 'aC' ELSE 'ab''c' END, i, CASE i % 5 WHEN 0 THEN i / 7.0 WHEN 1 THEN CAST(i AS TEXT) WHEN 2 THEN CAST(CAST(i AS TEXT) AS BLOB) WHEN 3 THEN 9000000000000000000 + i ELSE '' END, hex(zeroblob(300)) || i FROM n",
			"CREATE TABLE q(a TEXT, b TEXT COLLATE NOCASE, PRIMARY KEY(a COLLATE NOCASE DESC, b COLLATE BINARY DESC)) WITHOUT ROWID",
			fmt.Sprintf(numbers, 6000) + "INSERT INTO q SELECT char(65 + i % 26), char(97 + i % 7, 65 + i % 2 * 32) || hex(zeroblob(150)) || i FROM n",
			"CREATE TABLE r(a, PRIMARY KEY(a)) WITHOUT ROWID",
			fmt.Sprintf(numbers, 6000) + "INSERT INTO r SELECT CASE i % 4 WHEN 0 THEN i WHEN 1 THEN hex(zeroblob(150)) || i WHEN 2 THEN CAST(hex(zeroblob(300)) || i || 'ÿ' AS BLOB) ELSE i + 0.5 END FROM n",
			"INSERT INTO r VALUES (9e999), (-9e999), (''), (x''), (CAST(x'ff' AS TEXT)), ('a' || char(0))",
		}, true},
		{"references, triggers and views", []string{
			"CREATE TABLE c(id INTEGER PRIMARY KEY, p REFERENCES p(id) ON DELETE CASCADE)", "CREATE TABLE p(id INTEGER PRIMARY KEY AUTOINCREMENT, n INT DEFAULT 0)",
			"CREATE TRIGGER t AFTER INSERT ON c BEGIN UPDATE p SET n = n + 1 WHERE id = new.p; END", "CREATE VIEW v AS SELECT * FROM c JOIN p ON p.id = c.p", "CREATE UNIQUE INDEX i ON c(p, id)",
			"INSERT INTO p(id) VALUES (1), (50)", "INSERT INTO c(p) VALUES (1), (1), (50)", "DELETE FROM p WHERE id = 50", "ANALYZE",
		}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if testing.Short() && test.slow {
				t.Skip("takes minutes with the race detector")
			}
			r := newRemote(t, test.sql...)
			copied, result := r.mustCopy()
			// Statistics are SQLite's own and change no result.
			r.exec("DROP TABLE IF EXISTS sqlite_stat1", "DROP TABLE IF EXISTS sqlite_stat4")
			r.compare(copied)
			if len(result.gaps) > 0 {
				t.Errorf("gaps: %q", result.gaps)
			}
		})
	}
}

func TestCopyOfVirtualTables(t *testing.T) {
	t.Parallel()
	r := newRemote(t,
		"CREATE TABLE notes(id INTEGER PRIMARY KEY, title TEXT, body TEXT)",
		"CREATE VIRTUAL TABLE inside USING fts5(title, body)",
		"CREATE VIRTUAL TABLE outside USING fts5(title, body, content=notes, content_rowid=id, tokenize=porter)",
		"CREATE VIRTUAL TABLE nowhere USING fts5(body, content='', tokenize=trigram)",
		"CREATE VIRTUAL TABLE gone USING fts5(body, content='', contentless_delete=1, prefix='2 3')",
		"CREATE VIRTUAL TABLE words USING fts5vocab(inside, row)",
		"CREATE VIRTUAL TABLE boxes USING rtree(id, x1, x2, y1, y2, +label TEXT)",
		fmt.Sprintf(numbers, 2000)+"INSERT INTO notes SELECT i, 'note ' || i, 'the quick brown fox number ' || i || ' jumps over ' || char(97 + i % 26) || char(97 + i % 5) FROM n",
		"INSERT INTO inside(rowid, title, body) SELECT id, title, body FROM notes", "INSERT INTO outside(rowid, title, body) SELECT id, title, body FROM notes",
		"INSERT INTO nowhere(rowid, body) SELECT id, body FROM notes", "INSERT INTO gone(rowid, body) SELECT id, body FROM notes", "DELETE FROM gone WHERE rowid % 2",
		"INSERT INTO inside(inside, rank) VALUES ('pgsz', 100)", "INSERT INTO inside(inside) VALUES ('optimize')", "DELETE FROM inside WHERE rowid < 100",
		fmt.Sprintf(numbers, 2000)+"INSERT INTO boxes SELECT i, i, i + 1, -i, -i + 2, 'box ' || i FROM n",
	)
	copied, result := r.mustCopy()
	r.compare(copied)
	if len(result.gaps) > 0 {
		t.Errorf("gaps: %q", result.gaps)
	}
	for _, sql := range []string{
		"SELECT rowid, title FROM inside WHERE inside MATCH 'fox AND 150' ORDER BY rank", "SELECT rowid, highlight(outside, 1, '<', '>') FROM outside WHERE outside MATCH 'jump' ORDER BY rank LIMIT 20",
		"SELECT rowid FROM nowhere WHERE nowhere MATCH 'rown fo' ORDER BY rowid LIMIT 20", "SELECT rowid FROM gone WHERE gone MATCH 'ca*' ORDER BY rowid", "SELECT * FROM words",
		"SELECT id, label FROM boxes WHERE x1 >= 100 AND x2 <= 120 ORDER BY id", "SELECT rtreecheck('boxes')",
	} {
		want := r.db.Rows(sql)
		if diff := cmp.Diff(want, rowsOf(t, copied, sql)); diff != "" || len(want) == 0 {
			t.Errorf("%s (%d rows; -database +copy):\n%s", sql, len(want), diff)
		}
	}
	// The copy can be written to as D1 would.
	var batch migration.Batch
	for _, sql := range []string{"INSERT INTO inside(inside) VALUES ('integrity-check')", "INSERT INTO inside(title, body) VALUES ('new', 'zebra')", "DELETE FROM boxes WHERE id = 5", "INSERT INTO outside(outside) VALUES ('integrity-check')"} {
		batch.Statements = append(batch.Statements, migration.BatchStatement{Query: migration.Query{SQL: sql}})
	}
	if err := copied.Apply(t.Context(), batch); err != nil {
		t.Error(err)
	}
	if got := rowsOf(t, copied, "SELECT title FROM inside WHERE inside MATCH 'zebra'"); !slices.Equal(got, []string{"new"}) {
		t.Errorf("got %q", got)
	}
}

// TestCopyOfRandomTables invents tables and values.
func TestCopyOfRandomTables(t *testing.T) {
	t.Parallel()
	seeds := uint64(16)
	if testing.Short() {
		seeds = 4
	}
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(seed, 0))
			pick := func(list ...string) string { return list[random.IntN(len(list))] }
			value := func() string {
				return pick("NULL", fmt.Sprint(int64(random.Uint64())), fmt.Sprint(random.IntN(100)), fmt.Sprintf("%.17g", random.NormFloat64()*float64(random.Uint64())),
					fmt.Sprintf("%.17ge%d", random.Float64(), random.IntN(640)-330), fmt.Sprintf("randomblob(%d)", random.IntN(50)), fmt.Sprintf("CAST(randomblob(%d) AS TEXT)", random.IntN(20)),
					"'it''s '", "'text' || char(10, 0, 13)", fmt.Sprintf("char(%d, %d)", random.IntN(0xd7ff), random.IntN(0x10fff)+0x10000), "''", fmt.Sprintf("'%d'", random.IntN(1000)), fmt.Sprintf("replace(hex(zeroblob(%d)), '0', char(39, 0x20ac))", random.IntN(2000)))
			}
			var sql []string
			for n := range 1 + random.IntN(4) {
				columns := 1 + random.IntN(12)
				var definitions, names []string
				for i := range columns {
					name := pick("a", "B", "rowid", "order", "it's", "c\"d", "k", "value", "ö") + fmt.Sprint(i)
					if random.IntN(8) == 0 && i == 0 {
						name = pick("rowid", "_rowid_", "oid")
					}
					names = append(names, quoteName(name))
					definitions = append(definitions, quoteName(name)+" "+pick("", "INTEGER", "TEXT", "REAL", "BLOB", "NUMERIC", "VARCHAR(10)")+pick("", "", " COLLATE NOCASE", " COLLATE RTRIM"))
				}
				end := ")"
				switch random.IntN(3) {
				case 0:
					var key []string
					for _, i := range random.Perm(columns)[:1+random.IntN(min(3, columns))] {
						key = append(key, names[i]+pick("", " COLLATE NOCASE", " COLLATE BINARY")+pick("", "", " DESC"))
					}
					end = ", PRIMARY KEY(" + strings.Join(key, ", ") + ")) WITHOUT ROWID"
				case 1:
					definitions = append(definitions, "id INTEGER PRIMARY KEY"+pick("", " AUTOINCREMENT", " DESC"))
				}
				table := quoteName(pick("t", "T'", "select", "é") + fmt.Sprint(n))
				sql = append(sql, "CREATE TABLE "+table+"("+strings.Join(definitions, ", ")+end)
				for range random.IntN(150) {
					var values []string
					for range names {
						values = append(values, value())
					}
					sql = append(sql, "INSERT OR IGNORE INTO "+table+"("+strings.Join(names, ", ")+") VALUES ("+strings.Join(values, ", ")+")")
				}
			}
			r := newRemote(t, sql...)
			copied, result := r.mustCopy()
			r.compare(copied)
			if len(result.gaps) > 0 {
				t.Errorf("gaps: %q", result.gaps)
			}
		})
	}
}

// isPage reports whether a request asks for rows by their keys.
func isPage(q d1test.Request) bool { return strings.Contains(q.Body, " LIMIT ") }

func TestCopyWhileSomebodyWrites(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		sql    string
		always bool // with each answer, and not once
		gaps   []string
	}{
		{"rows are added", "INSERT INTO t(b) VALUES ('more')", false, nil},
		{"rows are removed", "DELETE FROM t WHERE a IN (SELECT max(a) FROM t)", false, nil},
		{"keys change", "UPDATE t SET a = -a WHERE a IN (SELECT max(a) FROM t)", false, nil},
		{"a value grows", "UPDATE t SET b = b || '!' WHERE a = 1", false, nil},
		{"a value moves to another row", "UPDATE u SET a = CASE a WHEN 1 THEN 200 ELSE a END", false, nil},
		{"a value changes", "UPDATE t SET b = 'values' WHERE a = 1", false, []string{"the database was written to while it was copied: rows that were changed without a change of their size may be as they were before"}},
		{"it never ends", "INSERT INTO t(b) VALUES ('more')", true, []string{"table t was written to while it was copied"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := newRemote(t, "CREATE TABLE t(a INTEGER PRIMARY KEY AUTOINCREMENT, b)", "CREATE TABLE u(a UNIQUE)", fmt.Sprintf(numbers, 100)+"INSERT INTO t SELECT i, 'value' || (i % 10) FROM n", fmt.Sprintf(numbers, 100)+"INSERT INTO u SELECT i FROM n")
			var pages atomic.Int32
			r.server.Set(func() {
				r.server.Gate = func(q d1test.Request) {
					if !isPage(q) {
						return
					}
					if pages.Add(1) == 1 || test.always {
						if err := r.db.Exec(test.sql); err != nil {
							t.Error(err)
						}
					}
				}
			})
			copied, result := r.mustCopy()
			if diff := cmp.Diff(test.gaps, result.gaps); diff != "" {
				t.Errorf("gaps (-want +got):\n%s\nprogress: %q", diff, r.said)
			}
			if !test.always {
				r.compare(copied)
			}
		})
	}
}

func TestCopyThroughFaults(t *testing.T) {
	t.Parallel()
	r := newRemote(t, "CREATE TABLE t(a INTEGER PRIMARY KEY, b)", "CREATE TABLE u(a, b, PRIMARY KEY(a, b)) WITHOUT ROWID", fmt.Sprintf(numbers, 6000)+"INSERT INTO t SELECT i, hex(zeroblob(300)) FROM n", fmt.Sprintf(numbers, 6000)+"INSERT INTO u SELECT i % 100, hex(zeroblob(200)) || i FROM n")
	n := 0
	faults := []*d1test.Fault{{Status: http.StatusTooManyRequests, Body: "{}"}, nil, {Drop: true}, {Truncate: true}, nil, {Status: http.StatusBadGateway, Body: "<html>"}, nil, {Status: http.StatusInternalServerError, Body: `{"success":false,"errors":[{"code":7500,"message":"D1 DB is overloaded. Requests queued for too long."}]}`}, nil, nil}
	r.server.SetFault(func(d1test.Request) *d1test.Fault { n++; return faults[n%len(faults)] })
	copied, result := r.mustCopy()
	r.server.SetFault(nil)
	if n < len(faults) {
		t.Errorf("%d requests, want more", n)
	}
	r.compare(copied)
	if len(result.gaps) > 0 {
		t.Errorf("gaps: %q", result.gaps)
	}

	r.server.SetFault(func(q d1test.Request) *d1test.Fault {
		if isPage(q) {
			return &d1test.Fault{Status: http.StatusBadGateway, Body: "<html>"}
		}
		return nil
	})
	if copied, _, err := r.copy(t.Context(), nil, 1<<30); err == nil || copied != nil {
		t.Errorf("copyData() = %v, %v; want an error", copied, err)
	}
}

// TestCopyOfHostileAnswers sees to it that what comes from the service is taken as values or not at all.
func TestCopyOfHostileAnswers(t *testing.T) {
	t.Parallel()
	for _, cell := range []string{`"1); DROP TABLE t; --"`, `"(SELECT 1)"`, `"1,2,3"`, `"'a' || 'b'"`, `"'a"`, `"X'0"`, `"X'zz'"`, `"TX'6'"`, `"CURRENT_TIMESTAMP"`, `"1e"`, `""`, `"1 "`, `"--1"`, `"99999999999999999999"`,
		`"ATTACH 'x' AS y"`, `"NULL,"`, `"nan"`, `"0x10"`, `["1"]`, `true`, `{}`, `"@T99999999999"`, `"@X2000000000"`, `"@"`, `"@T-1"`} {
		t.Run(cell, func(t *testing.T) {
			t.Parallel()
			r := newRemote(t, "CREATE TABLE t(a INTEGER PRIMARY KEY, b)", "INSERT INTO t VALUES (1, 2)")
			for _, answer := range []string{`[["1", ` + cell + `]]`, `[[` + cell + `, "1"]]`} {
				r.server.SetFault(func(q d1test.Request) *d1test.Fault {
					if isPage(q) || strings.Contains(q.Body, "json_each") {
						return &d1test.Fault{Status: http.StatusOK, Body: `{"success":true,"errors":[],"messages":[],"result":[{"success":true,"results":{"columns":["a","b"],"rows":` + answer + `}}]}`}
					}
					return nil
				})
				copied, result, err := r.copy(t.Context(), nil, 1<<20)
				if err == nil && len(result.gaps) == 0 {
					t.Errorf("copyData() took %s: %v", answer, rowsOf(t, copied, "SELECT quote(a), quote(b) FROM t"))
				}
				if err != nil && strings.Contains(err.Error(), strings.Trim(cell, `"`)) && len(cell) > 4 {
					t.Errorf("the error has the value: %v", err)
				}
			}
		})
	}
}

func TestCopyWithinTheLimit(t *testing.T) {
	t.Parallel()
	r := newRemote(t, "CREATE TABLE small(a)", "CREATE TABLE large(a)", "INSERT INTO small VALUES ('x')", "INSERT INTO large VALUES (zeroblob(100000))",
		"CREATE VIRTUAL TABLE f USING fts5(x)", "INSERT INTO f VALUES ('found')")
	r.server.Forget()
	copied, result, err := r.copy(t.Context(), nil, 50_000)
	if err != nil || copied != nil || !result.over {
		t.Errorf("copyData() = %v, %v, %v; want over", copied, result, err)
	}
	if slices.ContainsFunc(r.server.Requests(), isPage) {
		t.Error("rows were read, though it was known that there are too many")
	}
	copied, result, err = copyData(t.Context(), r.env, r.schema(), nil, 200_000, 150_000, nil)
	if err != nil || copied != nil || !result.over {
		t.Errorf("copyData() = %v, %v, %v; want over", copied, result, err)
	}

	copied, result, err = r.copy(t.Context(), []string{"SMALL", "f", "missing"}, 50_000)
	if err != nil || copied == nil {
		t.Fatal(result, err)
	}
	for sql, want := range map[string]string{"SELECT count(*) FROM small": "1", "SELECT count(*) FROM large": "0", "SELECT x FROM f WHERE f MATCH 'found'": "found"} {
		if got := rowsOf(t, copied, sql); !slices.Equal(got, []string{want}) {
			t.Errorf("%s = %q, want %q", sql, got, want)
		}
	}
}

// Of a database that is too large only the tables concerned are copied; which these are has to be known.
func TestCopyForStatementsWithoutEnd(t *testing.T) {
	t.Parallel()
	r := newRemote(t, "CREATE TABLE small(x)", "CREATE TABLE large(x)", "INSERT INTO large VALUES (zeroblob(50000))")
	endless := "CREATE TABLE n AS WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT max(x) FROM c; DELETE FROM small"
	plan := migration.Plan{Schema: r.schema(), Batch: batch(file("m", endless))}
	result, err := Remote(r.env, Options{Rows: true, Limit: 10_000, Patience: 400 * time.Millisecond, Progress: func(string) {}})(t.Context(), plan)
	want := "the rows: the database could not be copied: the statements take too long even on empty tables, so it is not known which tables they concern"
	if err == nil || !slices.Contains(result.Gaps, want) || result.Rows != "one" {
		t.Errorf("%v, rows %s, gaps %q", err, result.Rows, result.Gaps)
	}
}

func TestCopySaysWhatItCosts(t *testing.T) {
	t.Parallel()
	r := newRemote(t, "CREATE TABLE a(x)", "CREATE TABLE b(x)", fmt.Sprintf(numbers, 1200)+"INSERT INTO a SELECT zeroblob(1024) FROM n")
	r.mustCopy()
	if want := "copying 2 tables, 1,200 rows, about 1.2 MiB; D1 bills about 2,400 rows read"; len(r.said) == 0 || r.said[0] != want {
		t.Errorf("progress was told %q, want %q first", r.said, want)
	}
}

func TestCopyOfWhatCannotBeCopied(t *testing.T) {
	t.Parallel()
	r := newRemote(t, "CREATE TABLE t(rowid, _rowid_, oid)", "INSERT INTO t VALUES (1, 2, 3)", "CREATE TABLE u(a)", "INSERT INTO u VALUES (1)")
	copied, result := r.mustCopy()
	if want := []string{"table t has no rows in the copy: its columns have all names of its rowid, so nothing tells its rows apart"}; !slices.Equal(result.gaps, want) {
		t.Errorf("gaps: %q, want %q", result.gaps, want)
	}
	if got := rowsOf(t, copied, "SELECT (SELECT count(*) FROM t), (SELECT count(*) FROM u)"); !slices.Equal(got, []string{"0|1"}) {
		t.Errorf("got %q", got)
	}

	schema := append(r.schema(), migration.Object{Type: "table", Name: "vectors", Table: "vectors", SQL: "CREATE VIRTUAL TABLE vectors USING vec0(embedding float[4])"})
	_, _, err := copyData(t.Context(), r.env, schema, nil, 0, 1<<20, func(string) {})
	if err == nil || !strings.Contains(err.Error(), `"vectors"`) || !strings.Contains(err.Error(), "no such module: vec0") {
		t.Errorf("copyData() = %v, want an error that names table and module", err)
	}
}

// TestCopyLeavesNothing is about the file: nobody else can read it, and it goes however the copy ends.
func TestCopyLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	left := func() []string {
		found, _ := filepath.Glob(filepath.Join(dir, "*"))
		return found
	}
	r := newRemote(t, "CREATE TABLE t(a INTEGER PRIMARY KEY, b)", fmt.Sprintf(numbers, 6000)+"INSERT INTO t SELECT i, hex(zeroblob(300)) FROM n")
	copied, _, err := copyData(t.Context(), r.env, r.schema(), nil, 0, 1<<30, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range append(left(), filepath.Join(left()[0], "copy")) {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
	if err := copied.Close(); err != nil || len(left()) > 0 {
		t.Errorf("Close() = %v, left %q", err, left())
	}

	ctx, cancel := context.WithCancel(t.Context())
	var pages atomic.Int32
	r.server.Set(func() {
		r.server.Gate = func(q d1test.Request) {
			if isPage(q) && pages.Add(1) == 2 {
				cancel()
			}
		}
	})
	if _, _, err := copyData(ctx, r.env, r.schema(), nil, 0, 1<<30, func(string) {}); !errors.Is(err, context.Canceled) || len(left()) > 0 {
		t.Errorf("copyData() = %v, left %q", err, left())
	}
}

// Small tables share requests: Cloudflare takes 1,200 in five minutes.
func TestCopyOfManyTables(t *testing.T) {
	t.Parallel()
	var sql []string
	for i := range 300 {
		sql = append(sql, fmt.Sprintf("CREATE TABLE t%d(a, b TEXT, c INT PRIMARY KEY)%s", i, []string{"", " WITHOUT ROWID"}[i%2]))
		for n := range i % 4 {
			sql = append(sql, fmt.Sprintf("INSERT INTO t%d VALUES (x'00ff', 'é' || char(0) || '%d', %d)", i, i, n))
		}
	}
	sql = append(sql, "CREATE TABLE large(a)", "INSERT INTO large WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) SELECT printf('%0100d', i) FROM n",
		"CREATE TABLE wide(a)", "INSERT INTO wide VALUES (zeroblob(1500000)), (1)")
	r := newRemote(t, sql...)
	copied, _ := r.mustCopy()
	if n := len(r.server.Requests()); n > 26 { // one of them is for the schema
		t.Errorf("%d requests", n)
	}
	r.compare(copied)
}

// A row has one value more than D1's results have columns where the rowid is none of 100.
func TestSampleOfAWideTable(t *testing.T) {
	t.Parallel()
	columns := make([]string, maxColumns)
	for i := range columns {
		columns[i] = fmt.Sprintf("c%d", i)
	}
	r := newRemote(t, "CREATE TABLE wide("+strings.Join(columns, ", ")+")", "INSERT INTO wide(rowid, c0, c99) VALUES (7, 'a', 'z')")
	plan := migration.Plan{Schema: r.schema(), Batch: batch(file("m", "CREATE TABLE n(a CHECK (a = 'a7z')); INSERT INTO n SELECT c0 || rowid || c99 FROM wide"))}
	result, err := Remote(r.env, Options{Limit: 1 << 30, Progress: func(string) {}})(t.Context(), plan)
	if err != nil || len(result.Gaps)+len(result.Hazards) > 0 {
		t.Errorf("%v, gaps %q, hazards %v", err, result.Gaps, result.Hazards)
	}
}

// Ten tables that refer to each other have thousands of ways to an ancestor.
func TestSampleOfManyReferences(t *testing.T) {
	t.Parallel()
	var create, insert, update []string
	var change strings.Builder
	for i := range 10 {
		create = append(create, fmt.Sprintf("CREATE TABLE t%[1]d(id INTEGER PRIMARY KEY, a REFERENCES t%[2]d, b REFERENCES t%[3]d, c REFERENCES t%[4]d, d REFERENCES t%[1]d)", i, (i+1)%10, (i+4)%10, (i+7)%10))
		insert = append(insert, fmt.Sprintf("INSERT INTO t%d(id) VALUES (1), (7)", i))
		update = append(update, fmt.Sprintf("UPDATE t%d SET a = 7, b = 1, c = id, d = id", i))
		fmt.Fprintf(&change, "ALTER TABLE t%d ADD COLUMN e NOT NULL;", i)
	}
	r := newRemote(t, slices.Concat(create, insert, update)...)
	plan := migration.Plan{Schema: r.schema(), Batch: batch(file("m", change.String()))}
	before := len(r.server.Requests())
	_, err := Remote(r.env, Options{Limit: 1 << 30, Progress: func(string) {}})(t.Context(), plan)
	if n := len(r.server.Requests()) - before; n != 1 || err == nil || !strings.Contains(err.Error(), "Cannot add a NOT NULL column") {
		t.Errorf("%d requests, %v", n, err)
	}
}

// TestCopyReadsEachRowOnce holds the queries against SQLite's planner: a page that began at the
// table's beginning, or was sorted, would cost more with each page.
func TestCopyReadsEachRowOnce(t *testing.T) {
	t.Parallel()
	m, err := sqlite.NewScratch(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	columns := []string{"c0"}
	for i := range 99 {
		columns = append(columns, fmt.Sprintf("c%d", i+1))
	}
	var schema migration.Schema
	for i, sql := range []string{"(a, b)", "(a INTEGER PRIMARY KEY, b)", "(" + strings.Join(columns, ", ") + ")",
		"(a, b, PRIMARY KEY(a)) WITHOUT ROWID", "(a INTEGER, b REAL, c TEXT COLLATE NOCASE, PRIMARY KEY(a, b, c)) WITHOUT ROWID", "(a INTEGER, b BLOB, PRIMARY KEY(a DESC, b DESC)) WITHOUT ROWID",
		"(a TEXT, b, c INT, PRIMARY KEY(c, a COLLATE NOCASE DESC, b)) WITHOUT ROWID", "(a NUMERIC, PRIMARY KEY(a COLLATE RTRIM)) WITHOUT ROWID"} {
		schema = append(schema, migration.Object{Type: "table", Name: fmt.Sprint("t", i), SQL: fmt.Sprintf("CREATE TABLE t%d%s", i, sql)})
	}
	queries := map[string][]migration.Query{}
	err = m.Fill(t.Context(), schema, func(l *sqlite.Loader) error {
		stored, err := l.Stored()
		for _, s := range stored {
			table := &copyTable{Stored: s}
			stream := &copyStream{table: table}
			if !table.Rowid {
				for range table.Key {
					stream.after = append(stream.after, "TX'61'")
				}
			}
			for stream.same = range len(s.Key) {
				queries[s.Name] = append(queries[s.Name], stream.page(10))
			}
			if len(s.Columns) > 0 {
				queries[s.Name] = append(queries[s.Name], table.piece(strings.Join(stream.after, ","), 0, 1))
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, list := range queries {
		for _, q := range list {
			q.SQL = "EXPLAIN QUERY PLAN " + q.SQL
			answers, err := m.Read(t.Context(), q)
			if err != nil || answers[0].Err != nil {
				t.Fatal(name, err, answers)
			}
			var plan []string
			for _, v := range answers[0].Values {
				plan = append(plan, v[3].(string))
			}
			if text := strings.Join(plan, "; "); !strings.Contains(text, "SEARCH t USING") || strings.Contains(text, "TEMP") || strings.Contains(text, "SCAN t") {
				t.Errorf("%s: %s\n%s", name, text, q.SQL)
			}
		}
	}
}
