package statement_test

import (
	"flag"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/ncruces/go-sqlite3"

	"github.com/d1-rewind/d1-rewind/internal/statement"
)

var (
	triggers = flag.Int("triggers", 2000, "how many triggers TestCanonicalRandom makes")
	seed     = flag.Uint64("seed", 1, "where their generator starts; 0 is somewhere else each time")
)

// TestCanonicalRandom makes triggers that SQLite accepts and holds their canonical texts
// against them: the programs of statements that fire them and the rows afterwards.
func TestCanonicalRandom(t *testing.T) {
	t.Parallel()
	start := *seed
	if start == 0 {
		start = rand.Uint64()
	}
	t.Logf("go test ./internal/statement -run TestCanonicalRandom -triggers %d -seed %d", *triggers, start)
	original, canonical := triggerDatabase(t, triggerSchema), triggerDatabase(t, triggerSchema)
	random := rand.New(rand.NewPCG(start, 0))
	unchanged, aborted := 0, 0
	for range *triggers {
		g := generator{Rand: random}
		sql := g.trigger()
		text, changed := statement.Canonical(sql)
		if !changed {
			unchanged++
		}
		checkTokens(t, sql, text)
		checkText(t, sql, text)
		firing := g.firing()
		want, ok := effects(t, original, sql, firing)
		if !ok {
			t.Fatalf("SQLite does not accept a trigger: %s\n%s", want[len(want)-1], sql)
		}
		got, _ := effects(t, canonical, text, firing)
		if !slices.Equal(want, got) {
			t.Errorf("effects of this trigger and its canonical text (-original +canonical):\n%s\n%s\n%s", cmp.Diff(want, got), sql, text)
		}
		if strings.HasPrefix(want[len(want)-1], "sqlite3: ") {
			aborted++
		}
		if t.Failed() {
			return
		}
	}
	// Triggers that are canonical by chance or stop with an error prove less.
	if unchanged > *triggers/20 || aborted > *triggers/2 {
		t.Errorf("of %d triggers, %d were canonical and %d stopped with an error", *triggers, unchanged, aborted)
	}
}

// effects creates a trigger, runs a statement that fires it and takes both back. It
// returns the program, the rows and the error, and false if SQLite refuses the trigger or
// can't compile it.
func effects(t *testing.T, conn *sqlite3.Conn, trigger, sql string) (list []string, ok bool) {
	t.Helper()
	if err := conn.Exec("BEGIN"); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if !conn.GetAutocommit() { // RAISE(ROLLBACK) may have done it
			ok = conn.Exec("ROLLBACK") == nil && ok
		}
	}()
	if err := conn.Exec(trigger); err != nil {
		return []string{err.Error()}, false
	}
	if list = program(conn, sql); len(list) == 2 {
		return list, false
	}
	err := conn.Exec(sql)
	for _, name := range []string{"t", "log", "begin", "end"} {
		list = append(list, rows(t, conn, "SELECT * FROM "+name)...)
	}
	if err != nil {
		list = append(list, err.Error())
	}
	return list, true
}

// A generator writes one trigger on triggerSchema, token by token, with white space,
// comments and letters as chance has them.
type generator struct {
	*rand.Rand
	b     strings.Builder
	last  string // token
	event string
	view  bool
	raise bool // whether an expression may RAISE
}

// emit writes tokens, which words holds with a space between them.
func (g *generator) emit(words ...string) {
	for _, token := range words {
		for token := range strings.FieldsSeq(token) {
			g.token(token)
		}
	}
}

// token writes one token that may hold spaces.
func (g *generator) token(token string) {
	tight := func(s string) bool { return slices.Contains([]string{"", "(", ")", ",", ";", "=", ".", "||"}, s) }
	if g.last != "" && (g.IntN(3) > 0 || !tight(token) && !tight(g.last)) {
		g.gap()
	}
	g.last = token
	letter := token[0] | 0x20
	if (letter < 'a' || letter > 'z') || len(token) > 1 && token[1] == '\'' {
		g.b.WriteString(token)
		return
	}
	style := g.IntN(4)
	for i := range len(token) {
		c := token[i]
		switch lower := c | 0x20; {
		case lower < 'a' || lower > 'z' || style == 0:
		case style == 1 || style == 2 && g.IntN(2) == 0:
			c = lower
		default:
			c = lower &^ 0x20
		}
		g.b.WriteByte(c)
	}
}

func (g *generator) gap() {
	if g.last == "-" { // which would join a comment
		g.b.WriteByte(' ')
	}
	for more := true; more; more = g.IntN(8) == 0 {
		g.b.WriteString(g.pick(" ", " ", " ", " ", "\n", "\r\n", "\t", "\r", "\f", "  ", "\n    ", " \v", " \ufeff",
			"/**/", "/* END; */", "/* it's \" [ */", "/*-- begin case\r\nend */", "/*/ ; /**/",
			"--\n", "-- END;\n", "-- it's `[\"/*\r\n", "-- case when\rend ;\n"))
	}
}

func (g *generator) pick(list ...string) string { return list[g.IntN(len(list))] }

// maybe writes the words in one of two cases.
func (g *generator) maybe(words ...string) bool {
	yes := g.IntN(2) == 0
	if yes {
		g.emit(words...)
	}
	return yes
}

// list writes f at least once, n times at most, and commas between.
func (g *generator) list(n int, f func()) {
	f()
	for range g.IntN(n) {
		g.emit(",")
		f()
	}
}

var columns = []string{"id", "a", "b", "end", `"end"`, "[end]", "`END`", "begin", "`begin`", "[case]", `"CASE"`, "caſe", "like", `"like"`}

func (g *generator) trigger() string {
	g.event = g.pick("INSERT", "UPDATE", "DELETE")
	g.view = g.IntN(4) == 0
	g.emit("CREATE")
	if temp := g.IntN(8) == 0; temp {
		g.emit(g.pick("TEMP", "TEMPORARY"), "TRIGGER")
		g.maybe("IF NOT EXISTS")
	} else {
		g.emit("TRIGGER")
		g.maybe("IF NOT EXISTS")
		if g.IntN(4) == 0 {
			g.emit("main .")
		}
	}
	g.token(g.pick("r", `"tr;1"`, "begin", "end", "[END; ]", "`a ``b`", "'it''s -- /*'", "caſe", `"x""y;"`))
	if g.view {
		g.emit("INSTEAD OF")
	} else {
		g.emit(g.pick("BEFORE", "AFTER", ""))
	}
	g.emit(g.event)
	if g.event == "UPDATE" && g.maybe("OF") {
		g.list(4, func() { g.emit(g.pick(columns...)) })
	}
	g.emit("ON")
	if g.view {
		g.emit(g.pick("v", `"v"`, "main . v"))
	} else {
		g.emit(g.pick("t", `"t"`, "[t]", "main . t", "'t'"))
	}
	g.maybe("FOR EACH ROW")
	if g.maybe("WHEN") {
		g.expr(2, g.row())
	}
	g.emit("BEGIN")
	g.raise = true
	for range 1 + g.IntN(3) {
		g.command()
		g.emit(";")
	}
	g.emit("END")
	return g.b.String()
}

// firing returns a statement that fires the trigger, whatever columns it is for.
func (g *generator) firing() string {
	name := "t"
	if g.view {
		name = "v"
	}
	switch g.event {
	case "INSERT":
		return "INSERT INTO " + name + g.pick(
			" VALUES (10, 'ten', 10, 5, 'x', 1, 'END', NULL)",
			" SELECT id + 20, begin, end, b, a, NULL, like, caſe FROM t")
	case "UPDATE":
		return "UPDATE " + name + g.pick(
			" SET id = id, a = a || ';', b = b + 1, end = begin, begin = end, [case] = 1, caſe = NULL, like = 'x' WHERE id < 3",
			" SET id = id + 50, a = NULL, b = NULL, end = 1, begin = NULL, [case] = a, caſe = b, like = end")
	}
	return "DELETE FROM " + name + g.pick("", " WHERE id = 2")
}

// A scope is the columns that an expression may use.
type scope []string

func qualified(prefix string, names ...string) scope {
	var list scope
	for _, name := range names {
		list = append(list, strings.TrimPrefix(prefix+" . "+name, " . "))
	}
	return list
}

// qualified returns the columns whose names stay unambiguous in a join.
func (s scope) qualified() scope {
	return slices.DeleteFunc(slices.Clone(s), func(name string) bool { return !strings.Contains(name, " . ") })
}

// row returns the columns of the row for which the trigger fires.
func (g *generator) row() scope {
	var list scope
	if g.event != "DELETE" {
		list = append(list, qualified("NEW", columns...)...)
	}
	if g.event != "INSERT" {
		list = append(list, qualified("OLD", columns...)...)
	}
	return list
}

// command writes a statement of the trigger's body.
func (g *generator) command() {
	row := g.row()
	conflict := func(verb string) {
		g.emit(verb)
		if g.IntN(3) == 0 {
			g.emit("OR", g.pick("IGNORE", "REPLACE", "ABORT", "FAIL"))
		}
	}
	switch g.IntN(8) {
	case 0, 1, 2:
		g.insert(conflict)
	case 3, 4:
		conflict("UPDATE")
		target, names := g.pick("log", `"log"`), qualified("log", "x", "end", `"k"`, "[END]")
		if g.IntN(4) == 0 {
			alias := g.pick("q", "begin", "end")
			target, names = target+" AS "+alias, qualified(alias, "x", "end", "k")
		}
		g.emit(target, "SET")
		g.list(2, func() {
			if g.IntN(4) == 0 {
				g.emit("( x ,", g.pick("end", "[end]"), ") = (")
				g.expr(2, append(names, row...))
				g.emit(",")
				g.expr(2, append(names, row...))
				g.emit(")")
				return
			}
			g.emit(g.pick("x", "end", `"x"`, "[end]"), "=")
			g.expr(2, append(names, row...))
		})
		if g.IntN(4) == 0 {
			g.emit("FROM t", g.pick("", "AS"), "s")
			names = append(names, qualified("s", columns...)...)
		}
		if g.maybe("WHERE") {
			g.expr(2, append(names, row...))
		}
	case 5:
		g.emit("DELETE FROM log")
		if g.maybe("WHERE") {
			g.expr(2, append(qualified("", "k", "x", "end"), row...))
		}
	case 6:
		g.values(2, row)
	default:
		g.query(2, 1+g.IntN(3), row)
	}
}

func (g *generator) insert(conflict func(verb string)) {
	row := g.row()
	if g.IntN(4) == 0 {
		g.emit("REPLACE")
	} else {
		conflict("INSERT")
	}
	g.emit("INTO log")
	names := append(qualified("log", "x", "end", "k"), qualified("excluded", "x", "end", "[k]")...)
	if g.IntN(4) == 0 {
		g.emit("AS end")
		names = append(qualified("end", "x", "end", "k"), qualified("excluded", "x", "end")...)
	}
	g.emit("(", g.pick("k , x", "x , [end]", "k , end", "end , x"), ")")
	upsert := g.IntN(2) == 0
	if g.maybe() {
		g.values(2, row)
	} else {
		g.selection(2, 2, row, upsert) // WHERE, lest ON belong to a join
	}
	if !upsert {
		return
	}
	g.emit("ON CONFLICT")
	if g.maybe("DO NOTHING") {
		return
	}
	g.emit("( k )")
	if g.maybe("DO NOTHING") {
		return
	}
	g.emit("DO UPDATE SET", g.pick("x", "end", "k"), "=")
	g.expr(2, append(names, row...))
	if g.maybe("WHERE") {
		g.expr(2, append(names, row...))
	}
}

func (g *generator) values(width int, names scope) {
	g.emit("VALUES")
	g.list(2, func() {
		g.emit("(")
		for i := range width {
			if i > 0 {
				g.emit(",")
			}
			g.expr(2, names)
		}
		g.emit(")")
	})
}

// query writes a SELECT, perhaps with a WITH or as part of a compound.
func (g *generator) query(depth, width int, outer scope) {
	if g.IntN(4) == 0 {
		g.emit("WITH")
		name := g.pick("c", "like", "key", `"c;"`)
		if g.maybe("RECURSIVE") {
			g.emit(name, "( end ) AS ( SELECT 1 UNION ALL SELECT CASE WHEN end THEN end + 1 END FROM", name, "WHERE end < 3 )")
		} else {
			g.emit(name, "( end ) AS", g.pick("", "MATERIALIZED", "NOT MATERIALIZED"), "(")
			g.selection(depth-1, 1, outer, false)
			g.emit(")")
		}
		g.emit("SELECT")
		for i := range width {
			if i > 0 {
				g.emit(",")
			}
			g.expr(depth-1, append(scope{"end", name + " . end"}, outer...))
		}
		g.emit("FROM", name)
		return
	}
	if g.IntN(4) == 0 {
		g.selection(depth-1, width, outer, true)
		g.emit(g.pick("UNION", "UNION ALL", "EXCEPT", "INTERSECT"))
		g.selection(depth-1, width, outer, true)
		return
	}
	g.selection(depth, width, outer, false)
}

// selection writes a SELECT; a plain one is no more than SELECT … FROM … WHERE.
func (g *generator) selection(depth, width int, outer scope, plain bool) {
	var from string
	var own scope
	switch alias := g.pick("", "q", "end", "begin", `"q;"`, "[case]"); g.IntN(4) {
	case 0:
		if !plain {
			break
		}
		fallthrough
	case 1:
		from = "t " + alias
		own = qualified(alias, columns...)
	case 2:
		from = "begin AS q " + g.pick("JOIN", "LEFT JOIN", "CROSS JOIN", ",") + " t AS begin"
		own, outer = append(qualified("q", "end", "rows"), qualified("begin", columns...)...), outer.qualified()
	default:
		from = "end"
		own = scope{"end", "end . end", `"end"`}
	}
	names := slices.Concat(own, outer)
	g.emit("SELECT", g.pick("", "", "DISTINCT", "ALL"))
	for i := range width {
		if i > 0 {
			g.emit(",")
		}
		if from != "" && g.IntN(6) == 0 {
			g.aggregate(depth, slices.Concat(own, g.row())) // one of outer columns belongs to the outer query
			continue
		}
		g.expr(depth, names)
		if g.IntN(4) == 0 {
			g.emit(g.pick("", "AS"), g.pick("end", "begin", "[case]", "`END`", `"x;"`))
		}
	}
	if from == "" {
		return
	}
	g.emit("FROM", from)
	if strings.Contains(from, "JOIN") && g.maybe("ON") {
		g.expr(depth-1, names)
	}
	if plain || g.IntN(2) == 0 {
		g.emit("WHERE")
		g.expr(depth-1, names)
	}
	if plain {
		return
	}
	if g.IntN(4) == 0 {
		g.emit("GROUP BY")
		g.list(2, func() { g.term(depth-1, names) })
		if g.maybe("HAVING") {
			g.expr(depth-1, names)
		}
	}
	if g.IntN(4) == 0 {
		g.emit("ORDER BY")
		g.list(2, func() {
			g.term(depth-1, names)
			g.emit(g.pick("", "ASC", "DESC", "DESC NULLS LAST", "COLLATE NOCASE"))
		})
	}
	if g.IntN(4) == 0 {
		g.emit("LIMIT")
		g.emit(g.pick("1", "CASE WHEN 1 THEN 2 END", "( CASE 1 WHEN 2 THEN 3 ELSE 2 END )"))
		if g.maybe(g.pick("OFFSET", ",")) {
			g.emit(g.pick("0", "CASE 'x' WHEN 'x' THEN 1 END"))
		}
	}
}

// term writes an expression that isn't the number of a result column.
func (g *generator) term(depth int, names scope) {
	if g.IntN(2) == 0 && len(names) > 0 {
		g.emit(g.pick(names...))
		return
	}
	g.cases(depth, names)
}

func (g *generator) aggregate(depth int, names scope) {
	switch g.IntN(4) {
	case 0:
		g.emit("count ( * )")
	case 1:
		g.emit(g.pick("max", "sum", "count", "group_concat"), "(", g.pick("", "DISTINCT"))
		g.expr(depth-1, names)
		g.emit(")")
	case 2:
		g.emit("sum (")
		g.cases(depth-1, names)
		g.emit(") FILTER ( WHERE")
		g.expr(depth-1, names)
		g.emit(")")
	default:
		g.emit("total (")
		g.expr(depth-1, names)
		g.emit(") OVER ( PARTITION BY")
		g.term(depth-1, names)
		g.emit("ORDER BY")
		g.term(depth-1, names)
		g.emit(g.pick("", "ROWS BETWEEN CASE WHEN 1 THEN 1 END PRECEDING AND CURRENT ROW", "DESC ROWS CASE 1 WHEN 1 THEN 2 END PRECEDING", "ROWS UNBOUNDED PRECEDING"), ")")
	}
}

// cases writes a CASE expression, sometimes in parentheses.
func (g *generator) cases(depth int, names scope) {
	enclosed := g.IntN(5) == 0
	if enclosed {
		g.emit("(")
	}
	g.emit("CASE")
	if g.IntN(3) == 0 {
		g.expr(depth-1, names)
	}
	for range 1 + g.IntN(2) {
		g.emit("WHEN")
		g.expr(depth-1, names)
		g.emit("THEN")
		g.expr(depth-1, names)
	}
	if g.IntN(2) == 0 {
		g.emit("ELSE")
		g.expr(depth-1, names)
	}
	g.emit("END")
	if enclosed {
		g.emit(")")
	}
}

func (g *generator) expr(depth int, names scope) {
	if depth <= 0 || g.IntN(5) == 0 {
		g.leaf(names)
		return
	}
	sub := func() { g.expr(depth-1, names) }
	switch g.IntN(22) {
	default:
		g.cases(depth, names)
	case 0, 1, 2:
		sub()
		g.emit(g.pick("+", "-", "*", "/", "%", "||", "=", "==", "<>", "!=", "<", "<=", ">", ">=", "&", "|", "<<", ">>",
			"AND", "OR", "IS", "IS NOT", "IS DISTINCT FROM", "IS NOT DISTINCT FROM", "LIKE", "NOT LIKE", "GLOB", "NOT GLOB"))
		sub()
	case 3:
		g.emit(g.pick("-", "+", "~", "NOT"))
		sub()
	case 4:
		sub()
		g.emit(g.pick("ISNULL", "NOTNULL", "NOT NULL", "IS NULL", "IS NOT NULL", "COLLATE NOCASE", "COLLATE [binary]"))
	case 5:
		sub()
		g.emit(g.pick("BETWEEN", "NOT BETWEEN"))
		g.leaf(names)
		g.emit("AND")
		sub()
	case 6:
		sub()
		g.emit(g.pick("IN", "NOT IN"), "(")
		g.list(3, sub)
		g.emit(")")
	case 7:
		sub()
		g.emit(g.pick("IN", "NOT IN"), g.pick("end", "main . end", `"end"`, "[END]"))
	case 8:
		sub()
		g.emit(g.pick("IN", "NOT IN"), "(")
		g.query(depth-1, 1, names)
		g.emit(")")
	case 9:
		g.emit(g.pick("EXISTS", "NOT EXISTS", ""), "(")
		g.query(depth-1, 1, names)
		g.emit(")")
	case 10:
		g.emit("CAST (")
		sub()
		g.emit("AS", g.pick("TEXT", "INTEGER", "varchar ( 10 )", "end", "begin end"), ")")
	case 11:
		g.emit(g.pick("coalesce", "ifnull", `"max"`, "min", "nullif", "like", "glob", "instr"), "(")
		sub()
		g.emit(",")
		sub()
		g.emit(")")
	case 12:
		g.emit(g.pick("typeof", "length", "upper", "quote", "[hex]"), "(")
		sub()
		g.emit(")")
	case 13:
		g.emit("(")
		sub()
		g.emit(")")
	case 14:
		g.emit("( (")
		sub()
		g.emit(",")
		sub()
		g.emit(")", g.pick("=", "<", "IS", "<>"), "(")
		sub()
		g.emit(",")
		sub()
		g.emit(") )")
	case 15:
		if !g.raise || g.IntN(3) > 0 {
			sub()
			return
		}
		g.emit("CASE WHEN")
		sub()
		g.emit("THEN RAISE (", g.pick("IGNORE", "ABORT , 'no;END;'", "FAIL , 'END' || CASE WHEN 1 THEN 'x' END", "ROLLBACK , 'back'"), ") END")
	case 16:
		g.leaf(names)
		g.emit("LIKE")
		g.leaf(names)
		g.emit("ESCAPE", g.pick("'!'", "CASE WHEN 1 THEN '!' END"))
	}
}

func (g *generator) leaf(names scope) {
	if len(names) > 0 && g.IntN(3) > 0 {
		g.emit(g.pick(names...))
		return
	}
	g.token(g.pick("0", "1", "2", "5", "1.", "1.5", ".5", "1.e1", "1.5E+1", "2e-1", "0x1F", "1_000", "NULL", "true", "x'3b00'", "X''",
		"'x'", "''", "'it''s'", "'END'", "'; END;'", "' case when '", "'-- no comment'", "'/* nor this'", "'line\nbreak\r\n'", "' \t\f\r end '", "'[`\"'", `"no; column  END"`))
}
