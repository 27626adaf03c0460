package statement

import (
	"slices"
	"strings"
)

// Limited is an UPDATE or a DELETE with LIMIT, cut into its clauses: joined, they are the
// statement.
type Limited struct {
	Head      string // WITH …, UPDATE or DELETE FROM
	Table     string // with its schema and alias
	Set       string // of an UPDATE; each clause begins with its keyword
	Where     string
	Returning string
	Tail      string // ORDER BY and LIMIT
	Limit     bool   // whether it has the latter
}

// CutLimit cuts a statement whose ORDER BY or LIMIT begins at offset tail, in bytes. It
// reports false for all that is no such UPDATE or DELETE. Of one with a FROM clause behind
// SET or with INDEXED BY, which can't be cut, it returns nothing but the Tail.
func CutLimit(sql string, tail int) (cut Limited, ok bool) {
	outer, whole := outside(sql[:tail])
	behind, whole2 := outside(sql[tail:])
	if !whole || !whole2 || len(behind) == 0 || !behind[0].is(sql[tail:], "ORDER") && !behind[0].is(sql[tail:], "LIMIT") {
		return cut, false
	}
	limit := slices.ContainsFunc(behind, func(t token) bool { return t.is(sql[tail:], "LIMIT") })
	find := func(from int, keywords ...string) int {
		for i := from; i < len(outer); i++ {
			for _, k := range keywords {
				if outer[i].is(sql, k) {
					return i
				}
			}
		}
		return len(outer)
	}
	at := func(i int) int {
		if i < len(outer) {
			return outer[i].start
		}
		return tail
	}
	verb := find(0, "UPDATE", "DELETE")
	if verb == len(outer) || verb > 0 && find(0, "WITH", "EXPLAIN") > 0 {
		return cut, false
	}
	table := verb + 1
	if find(table, "FROM") == table { // DELETE FROM
		table++
	} else if find(table, "OR") == table { // UPDATE OR IGNORE
		table += 2
	}
	set := find(table, "SET", "WHERE", "RETURNING")
	where := find(set, "WHERE", "RETURNING")
	returning := find(where, "RETURNING")
	if table >= len(outer) {
		return cut, false
	}
	for i := find(table, "FROM", "INDEXED"); i < len(outer); i = find(i+1, "FROM", "INDEXED") {
		if !outer[i-1].is(sql, "DISTINCT") && !outer[i-1].is(sql, "NOT") { // IS DISTINCT FROM, NOT INDEXED
			return Limited{Tail: sql[tail:], Limit: limit}, true
		}
	}
	return Limited{
		Head: sql[:at(table)], Table: sql[at(table):at(set)], Set: sql[at(set):at(where)],
		Where: sql[at(where):at(returning)], Returning: sql[at(returning):tail], Tail: sql[tail:], Limit: limit,
	}, true
}

// Sweeping reports whether sql is an UPDATE or a DELETE of all rows: one without WHERE and LIMIT.
func Sweeping(sql string) (verb string, ok bool) {
	outer, _ := outside(sql)
	for i, t := range outer {
		switch {
		case verb == "" && (t.is(sql, "UPDATE") || t.is(sql, "DELETE")):
			if i > 0 && !outer[0].is(sql, "WITH") {
				return "", false // CREATE TRIGGER … AFTER UPDATE, ON CONFLICT DO UPDATE
			}
			verb = strings.ToUpper(sql[t.start:t.end])
		case verb == "" && (t.is(sql, "INSERT") || t.is(sql, "REPLACE") || t.is(sql, "SELECT")):
			return "", false
		case verb != "" && (t.is(sql, "WHERE") || t.is(sql, "LIMIT")):
			return "", false
		}
	}
	return verb, verb != ""
}

// outside returns the tokens outside of all parentheses, and false if some are not closed or
// not opened.
func outside(sql string) (outer []token, whole bool) {
	depth := 0
	for t := range tokens(sql) {
		switch text := sql[t.start:t.end]; {
		case t.kind == space || t.kind == comment:
		case text == "(":
			depth++
		case text == ")":
			if depth--; depth < 0 {
				return nil, false
			}
		case depth == 0:
			outer = append(outer, t)
		}
	}
	return outer, depth == 0
}
