package statement_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/d1-rewind/d1-rewind/internal/statement"
)

func TestCutLimit(t *testing.T) {
	t.Parallel()
	for sql, want := range map[string]string{
		"DELETE FROM t |LIMIT 1": "DELETE FROM _t ____LIMIT 1",
		"delete from main.t AS x where (a) = 'WHERE' |order by b limit":                      "delete from _main.t AS x __where (a) = 'WHERE' __order by b limit",
		"UPDATE OR IGNORE t SET a = (SELECT b FROM u WHERE c) WHERE d RETURNING id |LIMIT 1": "UPDATE OR IGNORE _t _SET a = (SELECT b FROM u WHERE c) _WHERE d _RETURNING id _LIMIT 1",
		"WITH u AS (DELETE WHERE) UPDATE \"SET\"SET a = 1 |LIMIT 1":                          "WITH u AS (DELETE WHERE) UPDATE _\"SET\"_SET a = 1 ___LIMIT 1",
		"UPDATE t SET a = 1 FROM u |LIMIT 1":                                                 "_____LIMIT 1",
		"DELETE FROM t NOT INDEXED WHERE a IS NOT DISTINCT FROM 1 |LIMIT 1":                  "DELETE FROM _t NOT INDEXED __WHERE a IS NOT DISTINCT FROM 1 __LIMIT 1",
		"DELETE FROM t |limited":                                                             "",
		"DELETE FROM t |orders LIMIT 1":                                                      "",
		"DELETE FROM t |LIMIT 1) OR (1":                                                      "",
		"DELETE FROM t |LIMIT (1":                                                            "",
		"DELETE FROM t |ORDER BY (SELECT 1 LIMIT 1)":                                         "DELETE FROM _t ____ORDER BY (SELECT 1 LIMIT 1) (no LIMIT)",
		"DELETE FROM t INDEXED BY i |LIMIT 1":                                                "_____LIMIT 1",
		"SELECT 1 FROM t |LIMIT 1":                                                           "",
		"CREATE TRIGGER x AFTER INSERT ON t BEGIN DELETE FROM t |LIMIT 1; END":               "",
		"EXPLAIN DELETE FROM t |LIMIT 1":                                                     "EXPLAIN DELETE FROM _t ____LIMIT 1",
		"UPDATE |LIMIT 1":                                                                    "",
	} {
		head, tail, _ := strings.Cut(sql, "|")
		cut, ok := statement.CutLimit(head+tail, len(head))
		got := strings.Join([]string{cut.Head, cut.Table, cut.Set, cut.Where, cut.Returning, cut.Tail}, "_")
		if !cut.Limit {
			got += " (no LIMIT)"
		}
		if ok != (want != "") || ok && got != want {
			t.Errorf("CutLimit(%q) = %v, %s", sql, ok, cmp.Diff(want, got))
		}
	}
}

func TestSweeping(t *testing.T) {
	t.Parallel()
	for sql, want := range map[string]string{
		"DELETE FROM t":                                          "DELETE",
		"delete from t where id = 1":                             "",
		"DELETE FROM t LIMIT 1":                                  "",
		"UPDATE t SET a = 1":                                     "UPDATE",
		"UPDATE OR IGNORE t SET a = (SELECT 1 WHERE 1)":          "UPDATE",
		"UPDATE t SET a = 1 WHERE b":                             "",
		"WITH c AS (SELECT 1 WHERE 1) DELETE FROM t":             "DELETE",
		"INSERT INTO t SELECT 1 ON CONFLICT DO UPDATE SET a":     "",
		"REPLACE INTO t VALUES (1)":                              "",
		"CREATE TRIGGER g AFTER DELETE ON t BEGIN SELECT 1; END": "",
		"CREATE TABLE t(a REFERENCES p ON DELETE CASCADE)":       "",
		`DELETE FROM "where"`:                                    "DELETE",
		"SELECT 1":                                               "",
		"":                                                       "",
	} {
		if verb, ok := statement.Sweeping(sql); verb != want || ok != (want != "") {
			t.Errorf("Sweeping(%q) = %q, %t, want %q", sql, verb, ok, want)
		}
	}
}
