package rehearsal

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/d1-rewind/d1-rewind/internal/migration"
	"github.com/d1-rewind/d1-rewind/internal/sqlite"
	"github.com/d1-rewind/d1-rewind/internal/statement"
)

// seeds is how many random histories a plain run plays; without the fuzzer's instruments they
// are faster by far.
var seeds = flag.Uint64("seeds", 60, "random histories of schemas that are played")

// FuzzDrift plays a random history of migrations. What it leads to is compared with its live
// twin, the same schema written in another way, and with a twin in which one thing is changed.
func FuzzDrift(f *testing.F) {
	if testing.Short() {
		*seeds = min(*seeds, 6)
	}
	for seed := range *seeds {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		h := newHistory(t, seed)
		defer h.scratch.Close()
		for range 4 + h.IntN(12) {
			h.migrate()
		}
		schema, err := liveSchema(t.Context(), h.scratch)
		if err != nil {
			t.Fatal(err)
		}
		replay, err := replayed(t.Context(), h.applied, nil)
		if err != nil {
			t.Fatalf("%v in\n%s", err, h)
		}
		compare := func(what string, schema migration.Schema) (differences, cosmetic []string, ok bool) {
			m, err := built(t.Context(), schema, nil)
			if err != nil {
				if what == "changed" {
					return nil, nil, false
				}
				t.Fatalf("the %s twin: %v\n%s", what, err, show(schema))
			}
			for _, one := range []model{replay, m} {
				if d, c := one.diff(one); len(d)+len(c) > 0 {
					t.Fatalf("a schema differs from itself: %v %v\n%s", lines(d), lines(c), show(schema))
				}
			}
			for _, one := range m.tables {
				if one.unread {
					t.Errorf("the text of %s was not understood\n%s", one.name, show(schema))
				}
			}
			d, c := replay.diff(m)
			return lines(d), lines(c), true
		}
		if d, c, _ := compare("same", schema); len(d)+len(c) > 0 {
			t.Fatalf("the same: %v %v\n%s", d, c, h)
		}
		twin := h.rewritten(schema)
		if d, _, _ := compare("live", twin); len(d) > 0 {
			t.Fatalf("written in another way, it differs: %v\n%s\n--- and\n%s", d, show(schema), show(twin))
		}
		for range 3 {
			changed, what := h.changed(twin)
			if what == "" {
				continue
			}
			if d, _, ok := compare("changed", changed); ok && len(d) == 0 {
				t.Fatalf("%s, and nothing differs:\n%s\n--- and\n%s", what, show(schema), show(changed))
			}
		}
	})
}

// FuzzWriting writes one random table in two ways, with its constraints in the columns or behind
// them.
func FuzzWriting(f *testing.F) {
	for seed := range *seeds {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		h := newHistory(t, seed)
		defer h.scratch.Close()
		h.tables, h.columns = []string{"p"}, map[string][]string{"p": {"id"}}
		table := h.table("t")
		first, second := table.sql(h.Rand), table.sql(h.Rand)
		if !h.accepts(parent, first) {
			return
		}
		a := modelOf(t, parent+first)
		b := modelOf(t, parent+second)
		if d, _ := a.diff(b); len(d) > 0 {
			t.Fatalf("%v\n%s\n%s", lines(d), first, second)
		}
	})
}

func show(schema migration.Schema) string {
	var b strings.Builder
	for _, o := range schema {
		fmt.Fprintf(&b, "%s;\n", o.SQL)
	}
	return b.String()
}

// history is a random past of a database.
type history struct {
	*rand.Rand
	t       *testing.T
	scratch *sqlite.Scratch
	applied []migration.Migration
	tables  []string
	columns map[string][]string
	fresh   int
}

func newHistory(t *testing.T, seed uint64) *history {
	scratch, err := sqlite.NewScratch(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	return &history{Rand: rand.New(rand.NewPCG(seed, 1)), t: t, scratch: scratch, columns: map[string][]string{}}
}

func (h *history) String() string {
	var b strings.Builder
	for _, m := range h.applied {
		for _, s := range m.Statements {
			fmt.Fprintf(&b, "%s;\n", s.SQL)
		}
	}
	return b.String()
}

func pick[T any](r *rand.Rand, list ...T) T { return list[r.IntN(len(list))] }

func (h *history) accepts(texts ...string) bool {
	scratch, err := sqlite.NewScratch(h.t.Context(), "")
	if err != nil {
		h.t.Fatal(err)
	}
	defer scratch.Close()
	return scratch.Apply(h.t.Context(), batch(file("m", strings.Join(texts, ";\n")))) == nil
}

func batch(m migration.Migration) (b migration.Batch) {
	for _, s := range m.Statements {
		b.Statements = append(b.Statements, migration.BatchStatement{Query: migration.Query{SQL: s.SQL}, Migration: m.Name, Line: s.Line})
	}
	return b
}

// migrate adds one migration that the database takes.
func (h *history) migrate() {
	for range 10 {
		m := file(fmt.Sprintf("%04d_m.sql", len(h.applied)+1), h.sql())
		took := h.scratch.Apply(h.t.Context(), batch(m)) == nil
		h.look()
		if took {
			h.applied = append(h.applied, m)
			return
		}
	}
}

// look notes which tables and columns there are.
func (h *history) look() {
	rows, err := h.scratch.Read(h.t.Context(), migration.Query{SQL: `SELECT l.name, c.name FROM pragma_table_list AS l, pragma_table_xinfo(l.name) AS c WHERE l.type = 'table' AND l.schema = 'main' AND l.name NOT LIKE 'sqlite%' ORDER BY l.name, c.cid`})
	if err != nil || rows[0].Err != nil {
		h.t.Fatal(err, rows)
	}
	h.tables, h.columns = nil, map[string][]string{}
	for _, v := range rows[0].Values {
		table, column := v[0].(string), v[1].(string)
		if !slices.Contains(h.tables, table) {
			h.tables = append(h.tables, table)
		}
		h.columns[table] = append(h.columns[table], column)
	}
}

var namePool = []string{"users", "Orders", "order", "a b", "größe", "select", "null", `q"uote`, "Title", "body_text", "x1", "parentId", "values", "key"}

func (h *history) name(prefix string) string {
	h.fresh++
	return fmt.Sprintf("%s%s%d", prefix, pick(h.Rand, namePool...), h.fresh)
}

func (h *history) columnName(taken []string) string {
	for {
		name := pick(h.Rand, namePool...)
		if h.IntN(3) == 0 {
			name += fmt.Sprint(h.IntN(9))
		}
		if !slices.ContainsFunc(taken, func(s string) bool { return strings.EqualFold(s, name) }) {
			return name
		}
	}
}

// q quotes a name in one of the four ways.
func q(r *rand.Rand, name string) string {
	bare := len(name) > 0 && !strings.ContainsAny(name, ` "`) && !slices.Contains([]string{"order", "select", "null", "values"}, strings.ToLower(name))
	switch style := r.IntN(4); {
	case style == 0 && bare:
		return name
	case style == 1:
		return "[" + name + "]"
	case style == 2:
		return "`" + name + "`"
	default:
		return `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
	}
}

func (h *history) q(name string) string { return q(h.Rand, name) }

func (h *history) anyTable() string {
	if len(h.tables) == 0 {
		return "none"
	}
	return pick(h.Rand, h.tables...)
}

func (h *history) column(table string) string {
	if len(h.columns[table]) == 0 {
		return "none"
	}
	return pick(h.Rand, h.columns[table]...)
}

func (h *history) expression(column string) string {
	c := h.q(column)
	return pick(h.Rand, c+" > 0", c+" IS NOT NULL", "length("+c+") < 9", c+" <> 'Open'", c+` != "Shut it"`, "("+c+" + 1.5) * 2 >= 0", c+" IN (1, 2, 'x')", c+" LIKE 'A%'", "CASE WHEN "+c+" THEN 1 ELSE 0 END = 1", c+" || 'Z' = X'0A'", "coalesce("+c+", TRUE)", "CAST("+c+" AS TEXT) == 'y'")
}

func (h *history) sql() string {
	t := h.anyTable()
	c := h.column(t)
	switch h.IntN(20) {
	case 0, 1, 2, 3:
		return h.table(h.name("")).sql(h.Rand)
	case 4, 5:
		return "ALTER TABLE " + h.q(t) + " ADD COLUMN " + strings.Join(h.oneColumn(h.columnName(h.columns[t]), false).words(), " ")
	case 6:
		return "ALTER TABLE " + h.q(t) + " DROP COLUMN " + h.q(c)
	case 7:
		return "ALTER TABLE " + h.q(t) + " RENAME COLUMN " + h.q(c) + " TO " + h.q(h.columnName(h.columns[t]))
	case 8, 9:
		return "ALTER TABLE " + h.q(t) + " RENAME TO " + h.q(h.name(""))
	case 10, 11:
		return h.index(t)
	case 12, 13:
		return pick(h.Rand, "CREATE VIEW ", "create view if not exists ") + h.q(h.name("v")) + " AS SELECT " + h.q(c) + pick(h.Rand, ", count(*) AS \"Total\"", ", 'Open'", `, "Nothing Such"`, "") + " FROM " + h.q(t) + " WHERE " + h.expression(c)
	case 14:
		return h.trigger(t)
	case 15:
		if h.IntN(3) == 0 {
			return "CREATE VIRTUAL TABLE " + h.q(h.name("r")) + " USING rtree(id, x0, x1)"
		}
		return "CREATE VIRTUAL TABLE " + h.q(h.name("f")) + " USING fts5(a, b, " + pick(h.Rand, "tokenize = 'porter'", "prefix='2 3'", "content=''") + ")"
	case 16:
		return "INSERT INTO " + h.q(t) + " DEFAULT VALUES"
	case 17: // a rebuild in twelve steps, less those that nothing stands in the way of
		n := h.name("n")
		table := h.table(n)
		h.columns[t] = table.names // for the index; look reads them anew
		return table.sql(h.Rand) + "; DROP TABLE " + h.q(t) + "; ALTER TABLE " + h.q(n) + " RENAME TO " + h.q(t) + "; " + h.index(t)
	case 18:
		v := h.name("v")
		return "CREATE VIEW " + h.q(v) + " AS SELECT " + h.q(c) + " AS a FROM " + h.q(t) + "; CREATE TRIGGER " + h.q(h.name("t")) + " INSTEAD OF INSERT ON " + h.q(v) +
			" BEGIN UPDATE " + h.q(t) + " SET " + h.q(c) + " = new.a; END"
	default:
		return "DROP TABLE " + h.q(t)
	}
}

func (h *history) index(t string) string {
	var terms []string
	for range 1 + h.IntN(2) {
		c := h.q(h.column(t))
		terms = append(terms, pick(h.Rand, c, c+" DESC", c+" COLLATE NOCASE", "lower("+c+")", "("+c+" || 'x') DESC", "length("+c+") COLLATE RTRIM"))
	}
	s := pick(h.Rand, "CREATE INDEX ", "CREATE UNIQUE INDEX ", "create index if not exists ") + h.q(h.name("i")) + " ON " + h.q(t) + "(" + strings.Join(terms, ", ") + ")"
	if h.IntN(3) == 0 {
		s += " WHERE " + h.expression(h.column(t))
	}
	return s
}

func (h *history) trigger(t string) string {
	c, other := h.q(h.column(t)), h.anyTable()
	s := "create trigger " + h.q(h.name("t")) + pick(h.Rand, " AFTER", " BEFORE", "") + pick(h.Rand, " INSERT", " DELETE", " UPDATE", " UPDATE OF "+c) + " ON " + h.q(t) + pick(h.Rand, "", " FOR EACH ROW")
	if h.IntN(2) == 0 {
		s += " WHEN " + pick(h.Rand, "1 < 2", "'On' <> 'Off'", "CASE WHEN 1 THEN 2 ELSE 3 END")
	}
	return s + " BEGIN " + pick(h.Rand, "SELECT 1;", "UPDATE "+h.q(other)+" SET "+h.q(h.column(other))+" = case when 1 then 'A' else \"b c\" end;", "DELETE FROM "+h.q(other)+" WHERE "+h.expression(h.column(other))+";") + pick(h.Rand, " END", "\r\nend")
}

// tableSketch is a table that can be written in several ways.
type tableSketch struct {
	name    string
	names   []string // of the columns
	columns []columnSketch
	behind  []string // table constraints
	options string
}

type columnSketch struct {
	name, typ string
	own       []string    // what stands in the column only
	either    [][2]string // in the column, or as a constraint of the table
}

func (c columnSketch) words() []string {
	words := append([]string{c.name, c.typ}, c.own...)
	for _, e := range c.either {
		words = append(words, e[0])
	}
	return words
}

func (h *history) oneColumn(name string, first bool) columnSketch {
	quoted := h.q(name)
	c := columnSketch{name: quoted, typ: pick(h.Rand, "INTEGER", "TEXT", "REAL", "BLOB", "varchar ( 20 )", "", "DECIMAL(10,2)")}
	if first {
		switch h.IntN(5) {
		case 0:
			c.typ = "INTEGER"
			c.own = append(c.own, "PRIMARY KEY AUTOINCREMENT")
			return c
		case 1, 2:
			c.either = append(c.either, [2]string{"PRIMARY KEY", "PRIMARY KEY(" + quoted + ")"})
			if h.IntN(2) == 0 {
				c.typ = "INTEGER"
			}
			return c
		}
	}
	if h.IntN(8) == 0 && !first {
		c.own = append(c.own, pick(h.Rand, "AS (1 + 2)", "GENERATED ALWAYS AS ('x' || \"Y z\") VIRTUAL", "AS (abs(-3)) STORED"))
		return c
	}
	if h.IntN(3) == 0 {
		c.own = append(c.own, pick(h.Rand, "NOT NULL", "NOT NULL ON CONFLICT REPLACE", "CONSTRAINT nn NOT NULL"))
	}
	if h.IntN(3) == 0 {
		c.own = append(c.own, "DEFAULT "+pick(h.Rand, "1", "-1.5", "'Text'", `"Quoted"`, "NULL", "CURRENT_TIMESTAMP", "(1 + 2)", "(datetime('now'))", "X'0AFF'", "1e3", "TRUE", "bare", "0x1F", "+2"))
	}
	if h.IntN(4) == 0 {
		c.own = append(c.own, "COLLATE "+pick(h.Rand, "NOCASE", "rtrim", `"nocase"`))
	}
	if h.IntN(4) == 0 {
		conflict := pick(h.Rand, "", " ON CONFLICT IGNORE")
		c.either = append(c.either, [2]string{"UNIQUE" + conflict, "UNIQUE(" + quoted + ")" + conflict})
	}
	if h.IntN(4) == 0 {
		check := "CHECK(" + h.expression(name) + ")"
		c.either = append(c.either, [2]string{check, pick(h.Rand, "", "CONSTRAINT c ") + check})
	}
	if h.IntN(4) == 0 {
		to := h.anyTable()
		parent := h.q(to)
		if columns := h.columns[to]; len(columns) > 0 && h.IntN(2) == 0 {
			parent += "(" + h.q(h.column(to)) + ")"
		}
		reference := "REFERENCES " + parent + pick(h.Rand, "", " ON DELETE CASCADE", " ON DELETE SET NULL ON UPDATE CASCADE", " ON UPDATE RESTRICT", " MATCH FULL ON DELETE SET DEFAULT") +
			pick(h.Rand, "", "", " DEFERRABLE INITIALLY DEFERRED", " NOT DEFERRABLE INITIALLY IMMEDIATE")
		c.either = append(c.either, [2]string{reference, "FOREIGN KEY(" + quoted + ") " + reference})
	}
	return c
}

func (h *history) table(name string) tableSketch {
	t := tableSketch{name: h.q(name)}
	var names []string
	for i := range 2 + h.IntN(4) {
		n := h.columnName(names)
		names = append(names, n)
		t.columns = append(t.columns, h.oneColumn(n, i == 0))
	}
	t.names = names
	if h.IntN(5) == 0 {
		t.behind = append(t.behind, "UNIQUE("+h.q(names[0])+", "+h.q(names[1])+" COLLATE NOCASE)")
	}
	if h.IntN(5) == 0 {
		t.behind = append(t.behind, "CHECK("+h.q(name)+"."+h.q(names[0])+" <> "+h.q(names[1])+")")
	}
	t.options = pick(h.Rand, "", "", "", " STRICT", " WITHOUT ROWID", " without rowid, strict")
	return t
}

func (t tableSketch) sql(r *rand.Rand) string {
	var body, behind []string
	for _, c := range t.columns {
		words := append([]string{c.name, c.typ}, c.own...)
		for _, e := range c.either {
			if r.IntN(2) == 0 {
				words = append(words, e[0])
			} else {
				behind = append(behind, e[1])
			}
		}
		body = append(body, strings.Join(words, " "))
	}
	behind = append(behind, t.behind...)
	r.Shuffle(len(behind), func(i, j int) { behind[i], behind[j] = behind[j], behind[i] })
	return "CREATE TABLE " + t.name + "(" + strings.Join(append(body, behind...), ", ") + ")" + t.options
}

// rewritten is the schema with other quotes, white space, comments and letter case.
func (h *history) rewritten(schema migration.Schema) migration.Schema {
	known := map[string]bool{}
	for _, t := range h.tables {
		known[t] = true
		for _, c := range h.columns[t] {
			known[c] = true
		}
	}
	schema = slices.Clone(schema)
	for i, o := range schema {
		if o.SQL == "" || strings.HasPrefix(o.SQL, "CREATE VIRTUAL") {
			continue
		}
		if o.Type == "trigger" && h.IntN(2) == 0 {
			schema[i].SQL, _ = statement.Canonical(o.SQL)
			continue
		}
		schema[i].SQL = h.written(statement.Tokens(o.SQL), known)
	}
	return schema
}

func (h *history) written(tokens []statement.Token, known map[string]bool) string {
	var b strings.Builder
	for i, t := range tokens {
		if i > 0 {
			last := tokens[i-1]
			operators := t.Kind == statement.Symbol && last.Kind == statement.Symbol && !strings.Contains("(),;", t.Text) && !strings.Contains("(),;", last.Text)
			switch {
			case isWord(last, "generated"), isWord(t, "generated"):
				b.WriteString(pick(h.Rand, " ", "\n", "\t ")) // around a comment, SQLite takes it for a part of the type
			case !operators && !isSymbol(t, ".") && !isSymbol(last, "."):
				b.WriteString(pick(h.Rand, " ", " ", "\n", "\t", "/* a 'comment' */", " -- one; \"more\n", "  "))
			}
		}
		behindDefault := i > 0 && isWord(tokens[i-1], "default")
		switch {
		case t.Kind == statement.Blob, t.Kind == statement.Symbol:
			b.WriteString(t.Text)
		case t.Kind == statement.String:
			b.WriteString(quoteString(t.Text))
		case t.Kind == statement.Name, (t.Kind == statement.DoubleQuoted || t.Kind == statement.Word) && known[t.Text] && !behindDefault && i+1 < len(tokens) && !isNumber(t):
			b.WriteString(h.q(t.Text))
		case t.Kind == statement.DoubleQuoted && (behindDefault || strings.Contains(t.Text, " ") && !known[t.Text] && !strings.ContainsAny(t.Text, "0123456789") && t.Text != "a b"):
			b.WriteString(pick(h.Rand, quoteString(t.Text), `"`+t.Text+`"`)) // a string
		case t.Kind == statement.DoubleQuoted:
			b.WriteString(`"` + strings.ReplaceAll(t.Text, `"`, `""`) + `"`)
		case behindDefault || known[t.Text]:
			b.WriteString(t.Text)
		default:
			b.WriteString(pick(h.Rand, t.Text, strings.ToLower(t.Text), ascii(t.Text)))
		}
	}
	return b.String()
}

// ascii is strings.ToUpper as SQLite sees it.
func ascii(s string) string {
	return strings.Map(func(r rune) rune {
		if 'a' <= r && r <= 'z' {
			return r - 'a' + 'A'
		}
		return r
	}, s)
}

// swaps are words that mean another thing in a definition.
var swaps = map[string][]string{
	"text": {"BLOB"}, "real": {"TEXT"}, "blob": {"TEXT"}, "nocase": {"RTRIM"}, "rtrim": {"NOCASE"}, "cascade": {"RESTRICT"}, "restrict": {"CASCADE"},
	"stored": {"VIRTUAL"}, "before": {"AFTER"}, "after": {"BEFORE"}, "ignore": {"FAIL"}, "replace": {"ABORT"}, "1": {"2"}, "2": {"3"}, "0": {"5"}, "9": {"8"},
	"20": {"21"}, "10": {"11"}, "lower": {"upper"}, "length": {"abs"}, "insert": {"DELETE"}, "bare": {"Bare"}, "strict": {""}, "autoincrement": {""},
	"current_timestamp": {"CURRENT_DATE"}, "deferred": {"IMMEDIATE"},
}

// changed is the schema with one thing that differs, and what that is; "" if there is nothing to
// change.
func (h *history) changed(schema migration.Schema) (migration.Schema, string) {
	if len(schema) == 0 {
		return nil, ""
	}
	schema = slices.Clone(schema)
	i := h.IntN(len(schema))
	o := schema[i]
	if o.SQL == "" || o.Type == "table" && !slices.Contains(h.tables, o.Name) {
		return nil, "" // a shadow table
	}
	if o.Type != "table" && h.IntN(6) == 0 {
		return slices.Delete(schema, i, i+1), "removed " + o.Name
	}
	if strings.HasPrefix(o.SQL, "CREATE VIRTUAL") {
		return nil, ""
	}
	tokens := statement.Tokens(o.SQL)
	start := 3
	var places []int
	for j, t := range tokens {
		if j < start || o.Type == "table" && slices.Contains(tokens[:j], statement.Token{Kind: statement.Word, Text: "match"}) {
			continue
		}
		switch {
		case t.Kind == statement.Word && swaps[fold(t.Text)] != nil,
			t.Kind == statement.String,
			isSymbol(t, ">"), isSymbol(t, "<") && !isSymbol(tokens[j+1], ">"),
			o.Type == "index" && isWord(t, "desc"),
			isWord(t, "null") && isWord(tokens[j-1], "not") && o.Type == "table" && j+1 < len(tokens) && !isWord(tokens[j-2], "is") && !isWord(tokens[j+1], "on"):
			places = append(places, j)
		}
	}
	if len(places) == 0 {
		return nil, ""
	}
	j := pick(h.Rand, places...)
	t := tokens[j]
	switch {
	case t.Kind == statement.String:
		t.Text += "x"
		if upper := ascii(tokens[j].Text); upper != tokens[j].Text {
			t.Text = upper
		}
	case isSymbol(t, ">"):
		t.Text = "<"
		if isSymbol(tokens[j-1], "<") { // <>
			t.Text = "="
		}
	case isSymbol(t, "<"):
		t.Text = ">"
	case isWord(t, "desc"):
		t.Text = "asc"
	case isWord(t, "null"):
		tokens = slices.Delete(slices.Clone(tokens), j-1, j)
		j--
		t = statement.Token{Kind: statement.Word, Text: "null"}
	default:
		t.Text = pick(h.Rand, swaps[fold(t.Text)]...)
	}
	tokens = slices.Clone(tokens)
	what := fmt.Sprintf("%s has %q instead of %q", o.Name, t.Text, tokens[j].Text)
	tokens[j] = t
	if t.Text == "" {
		tokens = slices.Delete(tokens, j, j+1)
	}
	schema[i].SQL = h.written(tokens, map[string]bool{})
	return schema, what
}

func BenchmarkReplay(b *testing.B) {
	var applied []migration.Migration
	for i := range 100 {
		sql := fmt.Sprintf("CREATE TABLE t%d(id INTEGER PRIMARY KEY, name TEXT NOT NULL CHECK(length(name) > 0), at TEXT DEFAULT CURRENT_TIMESTAMP, p INTEGER REFERENCES t%d(id) ON DELETE CASCADE, UNIQUE(name, p)); CREATE INDEX i%d ON t%d(at DESC) WHERE p IS NOT NULL", i, max(i-1, 0), i, i)
		applied = append(applied, file(fmt.Sprintf("%04d_create.sql", i), sql))
	}
	for i := range 100 {
		applied = append(applied, file(fmt.Sprintf("%04d_alter.sql", 100+i), fmt.Sprintf("ALTER TABLE t%d ADD COLUMN extra TEXT; INSERT INTO t%d(id, name) VALUES(1, 'x'); UPDATE t%d SET extra = 'y'", i, i, i)))
	}
	scratch, err := sqlite.NewScratch(context.Background(), "")
	if err != nil {
		b.Fatal(err)
	}
	defer scratch.Close()
	for _, m := range applied {
		if err := scratch.Apply(context.Background(), batch(m)); err != nil {
			b.Fatal(err)
		}
	}
	schema, err := liveSchema(context.Background(), scratch)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if drift := Replay(context.Background(), schema, applied); drift.State != "false" {
			b.Fatalf("%+v", drift)
		}
	}
}
