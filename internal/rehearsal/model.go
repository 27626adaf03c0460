package rehearsal

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/d1-rewind/d1-rewind/internal/migration"
	"github.com/d1-rewind/d1-rewind/internal/statement"
)

// reader runs a query of our own: Look.Query of a trial, or a database outside of one.
type reader func(sql string, args ...any) (migration.Rows, error)

// model is a schema as SQLite understands it, whichever way it was written.
type model struct {
	tables   []table // all sorted by name
	views    []object
	triggers []object
	names    map[string]bool // of tables, views and columns, folded
}

// object is a view or a trigger.
type object struct {
	name  string
	table string // that a trigger belongs to
	body  []statement.Token
}

// table is a table with its columns, constraints and indexes.
type table struct {
	name          string
	virtual       bool
	strict        bool
	withoutRowid  bool
	columns       []column
	primary       key   // without terms if there is none
	uniques       []key // UNIQUE constraints
	checks        []string
	foreign       []foreignKey
	autoincrement bool
	indexes       []index           // those with a name
	text          []statement.Token // of the definition, behind the name
	unread        bool              // the text is not what the PRAGMAs say: compare it as it is
}

type column struct {
	name      string
	typ       string
	notNull   bool
	conflict  string // ON CONFLICT of NOT NULL
	fallback  string // the DEFAULT in one way of many; "" for none
	said      string // the DEFAULT as it stands
	collate   string // "" for BINARY
	generated string // the expression; "" for none
	stored    bool
}

// key is PRIMARY KEY or UNIQUE.
type key struct {
	terms    []term
	conflict string
}

// term is a column of a key or an index, or an expression.
type term struct {
	column  string // folded
	expr    string // instead of a column
	collate string // "" for BINARY
	desc    bool
}

type index struct {
	name   string
	unique bool
	terms  []term
	where  string
}

type foreignKey struct {
	columns  []string // folded
	parent   string
	to       []string // folded; those that REFERENCES leaves out are the parent's PRIMARY KEY
	onUpdate string   // "" for NO ACTION
	onDelete string
	deferred bool
}

// readModel reads a schema, less what SQLite and D1 keep for themselves and the tables named
// in except with all that belongs to them.
func readModel(read reader, except ...string) (model, error) {
	out := map[string]bool{}
	for _, name := range except {
		out[fold(name)] = true
	}
	m := model{names: map[string]bool{}}
	list, err := rows(read, `SELECT name, type, wr, strict FROM pragma_table_list WHERE schema = 'main'`)
	if err != nil {
		return m, err
	}
	kinds := map[string][]any{} // by folded name
	for _, v := range list.Values {
		name := fold(v[0].(string))
		kinds[name] = v
		if v[1] == "shadow" || strings.HasPrefix(name, "sqlite_") || strings.HasPrefix(name, "_cf_") {
			out[name] = true
		}
	}
	objects, err := rows(read, migration.SchemaQuery.SQL)
	if err != nil {
		return m, err
	}
	for _, v := range objects.Values {
		for _, shadow := range shadows(v[1].(string), text(v[3])) {
			out[shadow] = true
		}
	}
	texts := map[string]string{} // of tables and indexes, by kind and folded name
	for _, v := range objects.Values {
		kind, name, owner, sql := v[0].(string), v[1].(string), v[2].(string), text(v[3])
		if out[fold(owner)] || out[fold(name)] {
			continue
		}
		switch kind {
		case "table":
			t := table{name: name}
			if row, ok := kinds[fold(name)]; ok {
				t.virtual, t.withoutRowid, t.strict = row[1] == "virtual", number(row[2]) != 0, number(row[3]) != 0
			}
			if t.virtual {
				t.text = readBody("table", sql)
			} else {
				c := &cursor{statement.Tokens(sql)}
				c.named("table")
				t.text = c.rest
			}
			m.tables = append(m.tables, t)
			m.names[fold(name)] = true
			texts["table "+fold(name)] = sql
		case "index":
			texts["index "+fold(name)] = sql
		case "view":
			m.views = append(m.views, object{name: name, body: readBody("view", sql)})
			m.names[fold(name)] = true
		case "trigger":
			m.triggers = append(m.triggers, object{name: name, table: owner, body: readBody("trigger", sql)})
		}
	}
	slices.SortFunc(m.tables, func(a, b table) int { return strings.Compare(fold(a.name), fold(b.name)) })
	if err := m.readTables(read, texts); err != nil {
		return m, err
	}
	byName := func(a, b object) int { return strings.Compare(fold(a.name), fold(b.name)) }
	slices.SortFunc(m.views, byName)
	slices.SortFunc(m.triggers, byName)
	return m, nil
}

// shadows are the tables that a virtual table keeps its content in, folded. PRAGMA table_list
// takes them for others as long as it has not seen their module at work, which a view that
// can't be read keeps it from.
func shadows(name, sql string) (names []string) {
	c := &cursor{statement.Tokens(sql)}
	if !c.words("create", "virtual") {
		return nil
	}
	for len(c.rest) > 0 && !c.words("using") {
		c.next()
	}
	suffixes := map[string]string{"fts5": "data idx content docsize config", "rtree": "node rowid parent", "rtree_i32": "node rowid parent"}
	for _, suffix := range strings.Fields(suffixes[fold(c.next().Text)]) {
		names = append(names, fold(name)+"_"+suffix)
	}
	return names
}

// readTables reads what is in the tables, of all of them at once. Virtual ones have no pages
// of their own: what is in them is their module's business, which may not even be there.
func (m *model) readTables(read reader, texts map[string]string) error {
	const of = ` FROM sqlite_schema AS s, `
	const where = ` WHERE s.type = 'table' AND s.rootpage > 0`
	columns, err := rows(read, `SELECT s.name, c.name, c.type, c."notnull", c.dflt_value, c.pk, c.hidden`+of+`pragma_table_xinfo(s.name) AS c`+where)
	if err != nil {
		return err
	}
	foreign, err := rows(read, `SELECT s.name, f.id, f."table", f."from", f."to", f.on_update, f.on_delete`+of+`pragma_foreign_key_list(s.name) AS f`+where)
	if err != nil {
		return err
	}
	indexes, err := rows(read, `SELECT s.name, i.name, i."unique", i.origin, c.cid, c.name, c."desc", c.coll`+of+
		`pragma_index_list(s.name) AS i, pragma_index_xinfo(i.name) AS c`+where+` AND c."key"`)
	if err != nil {
		return err
	}
	byTable := func(rows migration.Rows) map[string][][]any {
		groups := map[string][][]any{}
		for _, v := range rows.Values {
			groups[v[0].(string)] = append(groups[v[0].(string)], v)
		}
		return groups
	}
	ofColumns, ofForeign, ofIndexes := byTable(columns), byTable(foreign), byTable(indexes)
	for i := range m.tables {
		t := &m.tables[i]
		if t.virtual {
			continue
		}
		d, ok := readTable(texts["table "+fold(t.name)])
		t.unread = !ok
		t.readColumns(ofColumns[t.name], d)
		t.readForeign(ofForeign[t.name], d)
		t.readIndexes(ofIndexes[t.name], d, texts)
		t.autoincrement = d.autoincrement
		for _, c := range t.columns {
			m.names[fold(c.name)] = true
		}
	}
	for i := range m.tables {
		for j, f := range m.tables[i].foreign {
			if p := m.table(f.parent); p != nil && len(f.to) == 0 && len(p.primary.terms) == len(f.columns) {
				m.tables[i].foreign[j].to = p.primary.columns()
			}
		}
		slices.SortFunc(m.tables[i].foreign, func(a, b foreignKey) int { return strings.Compare(a.identity(), b.identity()) })
		m.tables[i].foreign = slices.CompactFunc(m.tables[i].foreign, func(a, b foreignKey) bool { return a.identity() == b.identity() })
	}
	return nil
}

func (t *table) scope() scope {
	s := scope{fold(t.name), map[string]bool{}}
	for _, c := range t.columns {
		s.columns[fold(c.name)] = true
	}
	return s
}

func (t *table) readColumns(values [][]any, d definition) {
	defined := map[string]definedColumn{}
	for _, c := range d.columns {
		defined[fold(c.name)] = c
	}
	t.unread = t.unread || len(d.columns) != len(values)
	type ordinal struct {
		at   int64
		name string
	}
	var primary []ordinal
	for _, v := range values {
		c := column{name: text(v[1]), typ: typeName(text(v[2])), notNull: number(v[3]) != 0, stored: number(v[6]) == 3}
		t.columns = append(t.columns, c)
		if at := number(v[5]); at > 0 {
			primary = append(primary, ordinal{at, c.name})
		}
	}
	s := t.scope()
	for i, v := range values {
		c := &t.columns[i]
		def, ok := defined[fold(c.name)]
		t.unread = t.unread || !ok
		c.collate, c.conflict = def.collate, def.notNull
		if v[4] != nil {
			c.fallback, c.said = defaultValue(text(v[4])), text(v[4])
		}
		if number(v[6]) >= 2 {
			c.generated = s.expression(def.generated)
			t.unread = t.unread || len(def.generated) == 0
		}
	}
	slices.SortFunc(primary, func(a, b ordinal) int { return cmp.Compare(a.at, b.at) })
	for _, p := range primary {
		t.primary.terms = append(t.primary.terms, term{column: fold(p.name)})
	}
	t.primary.conflict = d.primary
	for _, check := range d.checks {
		t.checks = append(t.checks, s.expression(check))
	}
	slices.Sort(t.checks)
	t.checks = slices.Compact(t.checks)
}

func (t *table) readForeign(values [][]any, d definition) {
	byID := map[int64]int{}
	for _, v := range values {
		id := number(v[1])
		i, known := byID[id]
		if !known {
			i = len(t.foreign)
			byID[id] = i
			t.foreign = append(t.foreign, foreignKey{parent: text(v[2]), onUpdate: action(text(v[5])), onDelete: action(text(v[6]))})
		}
		f := &t.foreign[i]
		f.columns = append(f.columns, fold(text(v[3])))
		if v[4] != nil {
			f.to = append(f.to, fold(text(v[4])))
		}
	}
	if len(byID) != len(d.foreign) {
		t.unread = true
		return
	}
	for id, i := range byID {
		defined := d.foreign[len(d.foreign)-1-int(id)] // SQLite numbers them from the last one
		t.unread = t.unread || defined.parent != fold(t.foreign[i].parent)
		t.foreign[i].deferred = defined.deferred
	}
}

func (t *table) readIndexes(values [][]any, d definition, texts map[string]string) {
	s := t.scope()
	withIndex := false // the primary key is no alias of the rowid
	for len(values) > 0 {
		name, unique, origin := values[0][1].(string), number(values[0][2]) != 0, values[0][3]
		n := slices.IndexFunc(values, func(v []any) bool { return v[1] != name })
		if n < 0 {
			n = len(values)
		}
		terms, where, ok := readIndex(texts["index "+fold(name)])
		one := index{name: name, unique: unique}
		for i, v := range values[:n] {
			w := term{column: fold(text(v[5])), desc: number(v[6]) != 0}
			if w.collate = fold(text(v[7])); w.collate == "binary" {
				w.collate = ""
			}
			if number(v[4]) == -2 {
				if i < len(terms) {
					w.expr = s.expression(terms[i])
				}
				t.unread = t.unread || len(terms) != n
			}
			if number(v[4]) == -1 {
				w.column = "rowid"
			}
			one.terms = append(one.terms, w)
		}
		values = values[n:]
		switch {
		case origin == "pk":
			withIndex = true
			t.primary.terms = one.terms
		case origin == "u":
			k := key{terms: one.terms}
			k.conflict = d.unique[strings.Join(k.columns(), "\x00")]
			t.uniques = append(t.uniques, k)
		default:
			t.unread = t.unread || !ok
			one.where = s.expression(where)
			t.indexes = append(t.indexes, one)
		}
	}
	slices.SortFunc(t.uniques, func(a, b key) int { return strings.Compare(a.String(), b.String()) })
	slices.SortFunc(t.indexes, func(a, b index) int { return strings.Compare(fold(a.name), fold(b.name)) })
	if !t.withoutRowid && !withIndex && len(t.primary.terms) == 1 {
		// An alias of the rowid is never NULL, whether that is said or not.
		i := slices.IndexFunc(t.columns, func(c column) bool { return fold(c.name) == t.primary.terms[0].column })
		t.columns[i].notNull, t.columns[i].conflict = true, ""
	}
}

// table returns the table of that name, nil if there is none.
func (m *model) table(name string) *table {
	i, found := slices.BinarySearchFunc(m.tables, fold(name), func(t table, name string) int { return strings.Compare(fold(t.name), name) })
	if !found {
		return nil
	}
	return &m.tables[i]
}

func (k key) columns() []string {
	var names []string
	for _, t := range k.terms {
		names = append(names, t.column)
	}
	return names
}

func (k key) String() string {
	if len(k.terms) == 0 {
		return ""
	}
	s := list(k.terms)
	if k.conflict != "" {
		s += " ON CONFLICT " + k.conflict
	}
	return s
}

func (t term) String() string {
	s := t.column
	if t.expr != "" {
		s = t.expr
	}
	if t.collate != "" {
		s += " COLLATE " + t.collate
	}
	if t.desc {
		s += " DESC"
	}
	return s
}

func list(terms []term) string {
	var words []string
	for _, t := range terms {
		words = append(words, t.String())
	}
	return "(" + strings.Join(words, ", ") + ")"
}

func (f foreignKey) identity() string {
	return fmt.Sprintf("%s %q %q %s %s %v", fold(f.parent), f.columns, f.to, f.onDelete, f.onUpdate, f.deferred)
}

// typeName writes a column's type in one way.
func typeName(s string) string {
	var b strings.Builder
	word := false
	for _, t := range statement.Tokens(s) {
		if word && t.Kind != statement.Symbol {
			b.WriteByte(' ')
		}
		b.WriteString(strings.ToUpper(t.Text))
		word = t.Kind != statement.Symbol || t.Text == ")"
	}
	return b.String()
}

// defaultValue writes a DEFAULT, as PRAGMA table_xinfo has it, in one way. A name that stands
// alone is a string.
func defaultValue(s string) string {
	tokens := statement.Tokens(s)
	if len(tokens) == 2 && isSymbol(tokens[0], "+") && isNumber(tokens[1]) {
		tokens = tokens[1:]
	}
	if len(tokens) != 1 {
		return scope{}.expression(tokens)
	}
	switch t := tokens[0]; {
	case isWord(t, "true"):
		return "1"
	case isWord(t, "false"):
		return "0"
	case t.Kind == statement.Blob, t.Kind == statement.Word && (values[fold(t.Text)] || isNumber(t)):
		return fold(t.Text)
	default:
		return quoteString(t.Text)
	}
}

func action(s string) string {
	if s == "NO ACTION" {
		return ""
	}
	return s
}

func rows(read reader, sql string) (migration.Rows, error) {
	answer, err := read(sql)
	if err != nil {
		return answer, fmt.Errorf("read the schema: %w", err)
	}
	return answer, nil
}

func text(v any) string {
	s, _ := v.(string)
	return s
}

func number(v any) int64 {
	n, _ := v.(int64)
	return n
}
