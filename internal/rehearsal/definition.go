package rehearsal

import (
	"slices"
	"strings"

	"github.com/d1-rewind/d1-rewind/internal/statement"
)

// definition is what the text of a CREATE TABLE says and no PRAGMA shows.
type definition struct {
	columns       []definedColumn
	checks        [][]statement.Token
	foreign       []definedForeign  // in the order of the text
	unique        map[string]string // ON CONFLICT of UNIQUE, by the folded columns; "" for the usual
	primary       string            // ON CONFLICT of PRIMARY KEY
	autoincrement bool
}

type definedColumn struct {
	name      string
	collate   string
	notNull   string // ON CONFLICT of NOT NULL
	generated []statement.Token
}

type definedForeign struct {
	parent   string
	deferred bool
}

// cursor walks over tokens.
type cursor struct{ rest []statement.Token }

func (c *cursor) next() (t statement.Token) {
	if len(c.rest) > 0 {
		t, c.rest = c.rest[0], c.rest[1:]
	}
	return t
}

// words steps over the keywords if they come next.
func (c *cursor) words(words ...string) bool {
	if len(c.rest) < len(words) {
		return false
	}
	for i, w := range words {
		if !isWord(c.rest[i], w) {
			return false
		}
	}
	c.rest = c.rest[len(words):]
	return true
}

func (c *cursor) symbol(s string) bool {
	if !c.at(s) {
		return false
	}
	c.rest = c.rest[1:]
	return true
}

func (c *cursor) at(symbol string) bool { return len(c.rest) > 0 && isSymbol(c.rest[0], symbol) }

// group steps over parentheses and returns what stands in them.
func (c *cursor) group() ([]statement.Token, bool) {
	if !c.at("(") {
		return nil, false
	}
	depth := 0
	for i, t := range c.rest {
		if isSymbol(t, "(") {
			depth++
		} else if isSymbol(t, ")") {
			depth--
		}
		if depth == 0 {
			in := c.rest[1:i]
			c.rest = c.rest[i+1:]
			return in, true
		}
	}
	return nil, false
}

// conflict steps over an ON CONFLICT clause; "" is what holds without one.
func (c *cursor) conflict() string {
	if !c.words("on", "conflict") {
		return ""
	}
	if how := fold(c.next().Text); how != "abort" {
		return strings.ToUpper(how)
	}
	return ""
}

// named steps over CREATE …, IF NOT EXISTS and the object's name.
func (c *cursor) named(kind string) bool {
	if !c.words("create") {
		return false
	}
	_ = c.words("temp") || c.words("temporary") || c.words("unique") || c.words("virtual")
	if !c.words(kind) {
		return false
	}
	c.words("if", "not", "exists")
	c.next()
	if c.symbol(".") {
		c.next()
	}
	return true
}

// readTable follows the grammar of SQLite's parse.y, whose parser has taken the text before.
func readTable(sql string) (definition, bool) {
	d := definition{unique: map[string]string{}}
	c := &cursor{statement.Tokens(sql)}
	if !c.named("table") {
		return d, false
	}
	body, ok := c.group()
	if !ok {
		return d, false
	}
	c = &cursor{body}
	for len(c.rest) > 0 { // the commas between constraints are optional
		switch {
		case c.symbol(","):
		case c.words("constraint"):
			c.next()
		case c.words("primary", "key"):
			keys, _ := c.group()
			d.autoincrement = d.autoincrement || slices.ContainsFunc(keys, func(t statement.Token) bool { return isWord(t, "autoincrement") })
			d.primary = c.conflict()
		case c.words("unique"):
			keys, _ := c.group()
			var names []string
			for _, term := range split(keys) {
				names = append(names, fold(term[0].Text))
			}
			d.noteUnique(names, c.conflict())
		case c.words("check"):
			check, _ := c.group()
			d.checks = append(d.checks, check)
			c.conflict()
		case c.words("foreign", "key"):
			c.group()
			if c.words("references") {
				d.references(c)
			}
		default:
			d.column(c)
		}
	}
	return d, true
}

func (d *definition) noteUnique(columns []string, conflict string) {
	if key := strings.Join(columns, "\x00"); conflict != "" || d.unique[key] == "" {
		d.unique[key] = conflict
	}
}

func (d *definition) column(c *cursor) {
	column := definedColumn{name: c.next().Text}
	for len(c.rest) > 0 && !c.at(",") {
		switch {
		case c.words("constraint"):
			c.next()
		case c.words("default"):
			if _, group := c.group(); !group {
				_ = c.symbol("-") || c.symbol("+")
				c.next()
			}
		case c.words("not", "null"):
			column.notNull = c.conflict()
		case c.words("null"):
			c.conflict()
		case c.words("primary", "key"):
			_ = c.words("asc") || c.words("desc")
			d.primary = c.conflict()
			d.autoincrement = c.words("autoincrement") || d.autoincrement
		case c.words("unique"):
			d.noteUnique([]string{fold(column.name)}, c.conflict())
		case c.words("check"):
			check, _ := c.group()
			d.checks = append(d.checks, check)
			c.conflict()
		case c.words("references"):
			d.references(c)
		case d.deferrable(c):
		case c.words("collate"):
			column.collate = fold(c.next().Text)
		case c.words("as"):
			column.generated, _ = c.group()
		default: // the type, and what says nothing of its own
			if _, group := c.group(); !group {
				c.next()
			}
		}
	}
	if column.collate == "binary" {
		column.collate = ""
	}
	d.columns = append(d.columns, column)
}

func (d *definition) references(c *cursor) {
	d.foreign = append(d.foreign, definedForeign{parent: fold(c.next().Text)})
	c.group()
	for {
		switch {
		case c.words("on"):
			c.next() // DELETE, UPDATE
			_ = c.words("set") || c.words("no")
			c.next()
		case c.words("match"):
			c.next()
		case d.deferrable(c):
		default:
			return
		}
	}
}

// deferrable steps over a clause that is about the last foreign key.
func (d *definition) deferrable(c *cursor) bool {
	not := c.words("not", "deferrable")
	if !not && !c.words("deferrable") {
		return false
	}
	deferred := false
	if c.words("initially") {
		deferred = isWord(c.next(), "deferred")
	}
	if len(d.foreign) > 0 {
		d.foreign[len(d.foreign)-1].deferred = deferred && !not
	}
	return true
}

// readIndex returns the terms of a CREATE INDEX, without their order, and its WHERE.
func readIndex(sql string) (terms [][]statement.Token, where []statement.Token, ok bool) {
	c := &cursor{statement.Tokens(sql)}
	if !c.named("index") || !c.words("on") {
		return nil, nil, false
	}
	c.next()
	list, ok := c.group()
	if !ok {
		return nil, nil, false
	}
	for _, term := range split(list) {
		if last := term[len(term)-1]; isWord(last, "asc") || isWord(last, "desc") {
			term = term[:len(term)-1]
		}
		terms = append(terms, term)
	}
	if c.words("where") {
		where = c.rest
	}
	return terms, where, true
}

// readBody returns the tokens of a view, a trigger or a virtual table behind its name. A
// trigger says BEFORE and leaves FOR EACH ROW out, which mean the same as the opposite; a
// remote database has it in canonical text.
func readBody(kind, sql string) []statement.Token {
	if kind == "trigger" {
		sql, _ = statement.Canonical(sql)
	}
	c := &cursor{statement.Tokens(sql)}
	if !c.named(kind) {
		return c.rest
	}
	body := simplify(c.rest)
	if kind != "trigger" || len(body) == 0 {
		return body
	}
	if first := body[0]; !isWord(first, "before") && !isWord(first, "after") && !isWord(first, "instead") {
		body = slices.Insert(body, 0, statement.Token{Kind: statement.Word, Text: "before"})
	}
	on := slices.IndexFunc(body, func(t statement.Token) bool { return isWord(t, "on") })
	if each := (&cursor{body[min(on+2, len(body)):]}); on > 0 && each.words("for", "each", "row") {
		body = slices.Delete(body, on+2, on+5)
	}
	return body
}

// simplify writes operators that have two spellings in one of them, and leaves out the name of
// the only schema that there is.
func simplify(tokens []statement.Token) []statement.Token {
	var list []statement.Token
	for i, t := range tokens {
		last := len(list) - 1
		switch {
		case last >= 0 && isSymbol(t, ">") && isSymbol(list[last], "<"):
			list[last] = statement.Token{Kind: statement.Symbol, Text: "!"}
			t.Text = "="
		case last >= 0 && isSymbol(t, "=") && isSymbol(list[last], "="):
			continue
		case i+1 < len(tokens) && isSymbol(tokens[i+1], ".") && t.Kind != statement.String && fold(t.Text) == "main",
			i > 0 && isSymbol(t, ".") && tokens[i-1].Kind != statement.String && fold(tokens[i-1].Text) == "main":
			continue
		}
		list = append(list, t)
	}
	return list
}

// scope is where the expressions of a table stand.
type scope struct {
	table   string
	columns map[string]bool // folded
}

// expression writes an expression in one way of many: names in lower case and without quotes
// or table, operators in one spelling, no parentheses around it. A double-quoted word that is
// no name here is a string to SQLite, whose letters count.
func (s scope) expression(tokens []statement.Token) string {
	for c := (&cursor{tokens}); ; tokens = c.rest {
		c.rest = tokens
		in, group := c.group()
		if !group || len(c.rest) > 0 {
			break
		}
		c.rest = in
	}
	tokens = simplify(tokens)
	var (
		b    strings.Builder
		last statement.Token
	)
	for i := 0; i < len(tokens); i++ {
		t := tokens[i]
		if i+2 < len(tokens) && isSymbol(tokens[i+1], ".") && t.Kind != statement.String && fold(t.Text) == s.table && !isNumber(t) {
			i++ // with the point
			continue
		}
		if b.Len() > 0 && apart(last, t) {
			b.WriteByte(' ')
		}
		b.WriteString(s.word(tokens, i))
		last = t
	}
	return b.String()
}

// apart reports whether a space belongs between two tokens: always between two words.
func apart(a, b statement.Token) bool {
	switch {
	case isSymbol(a, "("), isSymbol(a, "."), isSymbol(b, ")"), isSymbol(b, ","), isSymbol(b, "."):
		return false
	case isSymbol(b, "("):
		return a.Kind == statement.Symbol
	case isSymbol(a, ")"), isSymbol(a, ","):
		return true
	default:
		return a.Kind != statement.Symbol || b.Kind != statement.Symbol
	}
}

func (s scope) word(tokens []statement.Token, i int) string {
	t := tokens[i]
	switch t.Kind {
	case statement.String:
		return quoteString(t.Text)
	case statement.DoubleQuoted:
		if named(tokens, i) || s.columns[fold(t.Text)] || rowids[fold(t.Text)] {
			return plain(t.Text)
		}
		return quoteString(t.Text)
	case statement.Name:
		return plain(t.Text)
	default:
		return fold(t.Text)
	}
}

// rowids are the names of a rowid that every table has unless a column is called so.
var rowids = map[string]bool{"rowid": true, "oid": true, "_rowid_": true}

// values are words that mean a value where they stand without quotes.
var values = map[string]bool{"null": true, "true": true, "false": true, "current_date": true, "current_time": true, "current_timestamp": true}

// plain writes a quoted name as it would be without its quotes, where it could be.
func plain(name string) string {
	name = fold(name)
	bare := len(statement.Tokens(name)) == 1 && statement.Tokens(name)[0] == statement.Token{Kind: statement.Word, Text: name}
	if !bare || values[name] || isNumber(statement.Token{Kind: statement.Word, Text: name}) {
		return quoteName(name)
	}
	return name
}

func quoteString(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// named reports whether only a name can stand there, quoted as it may be.
func named(tokens []statement.Token, i int) bool {
	if i > 0 && (isSymbol(tokens[i-1], ".") || isWord(tokens[i-1], "as") || isWord(tokens[i-1], "collate")) {
		return true
	}
	return i+1 < len(tokens) && (isSymbol(tokens[i+1], ".") || isSymbol(tokens[i+1], "("))
}

// sameBody compares the bodies of two views or triggers. known tells of a folded name whether
// something in the schema is called so: if not, double quotes make it a string.
func sameBody(a, b []statement.Token, known func(string) bool) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !sameToken(a[i], b[i], named(a, i) && named(b, i), known) {
			return false
		}
	}
	return true
}

func sameToken(a, b statement.Token, name bool, known func(string) bool) bool {
	if a.Kind > b.Kind {
		a, b = b, a
	}
	exact, folded := a.Text == b.Text, fold(a.Text) == fold(b.Text)
	switch {
	case a.Kind == statement.Symbol || b.Kind == statement.Blob:
		return a.Kind == b.Kind && folded
	case a.Kind == b.Kind && (a.Kind == statement.Word || a.Kind == statement.Name):
		return folded
	case name:
		return folded
	case a.Kind == statement.Word && (values[fold(a.Text)] || isNumber(a)):
		return false
	case b.Kind != statement.String && a.Kind != b.Kind:
		return folded
	case a.Kind == b.Kind && a.Kind == statement.DoubleQuoted:
		return exact || folded && known(fold(a.Text))
	case a.Kind == b.Kind: // two strings
		return exact
	case a.Kind == statement.DoubleQuoted:
		return exact && !known(fold(a.Text))
	default:
		return false
	}
}

// sameArguments compares two virtual tables, whose modules read names and strings alike.
func sameArguments(a, b []statement.Token) bool {
	return slices.EqualFunc(a, b, func(a, b statement.Token) bool {
		if a.Kind == statement.String || b.Kind == statement.String {
			return a.Text == b.Text
		}
		return fold(a.Text) == fold(b.Text)
	})
}

// alike reports whether two texts differ in nothing but letter case, quotes, white space and
// comments.
func alike(a, b []statement.Token) bool {
	return slices.EqualFunc(a, b, func(a, b statement.Token) bool { return fold(a.Text) == fold(b.Text) })
}

// split cuts a list at its commas.
func split(tokens []statement.Token) [][]statement.Token {
	var (
		list  [][]statement.Token
		depth int
		start int
	)
	add := func(end int) {
		if end > start {
			list = append(list, tokens[start:end])
		}
		start = end + 1
	}
	for i, t := range tokens {
		switch {
		case isSymbol(t, "("):
			depth++
		case isSymbol(t, ")"):
			depth--
		case isSymbol(t, ",") && depth == 0:
			add(i)
		}
	}
	add(len(tokens))
	return list
}

func isWord(t statement.Token, word string) bool {
	return t.Kind == statement.Word && fold(t.Text) == word
}

func isSymbol(t statement.Token, symbol string) bool {
	return t.Kind == statement.Symbol && t.Text == symbol
}

func isNumber(t statement.Token) bool {
	return t.Kind == statement.Word && t.Text[0] >= '0' && t.Text[0] <= '9'
}

// fold writes a name as SQLite compares it.
var fold = statement.Fold
