package statement

// Limited is an UPDATE or a DELETE with LIMIT, cut into its clauses: joined, they are the
// statement.
type Limited struct {
	Head      string // WITH …, UPDATE or DELETE FROM
	Table     string // with its schema and alias
	Set       string // of an UPDATE; each clause begins with its keyword
	Where     string
	Returning string
	Tail      string // ORDER BY and LIMIT
}

// CutLimit cuts a statement whose ORDER BY or LIMIT begins at offset tail, in bytes. It
// reports false for all that is no UPDATE or DELETE, and for those with a FROM clause behind
// SET or with INDEXED BY.
func CutLimit(sql string, tail int) (cut Limited, ok bool) {
	var outer []token // those outside of parentheses
	depth := 0
	for t := range tokens(sql[:tail]) {
		switch text := sql[t.start:t.end]; {
		case text == "(":
			depth++
		case text == ")":
			depth--
		case depth == 0 && t.kind != space && t.kind != comment:
			outer = append(outer, t)
		}
	}
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
	if verb > 0 && find(0, "WITH") > 0 {
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
	if table >= len(outer) || find(table, "FROM", "INDEXED") < len(outer) {
		return cut, false
	}
	return Limited{
		Head: sql[:at(table)], Table: sql[at(table):at(set)], Set: sql[at(set):at(where)],
		Where: sql[at(where):at(returning)], Returning: sql[at(returning):tail], Tail: sql[tail:],
	}, true
}
