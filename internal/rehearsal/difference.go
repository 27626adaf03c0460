package rehearsal

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/d1-rewind/d1-rewind/internal/migration"
)

// diff says what has to be done to m to get to: by table, its columns, indexes and triggers
// behind it, and then by view. What means the same and is written in another way is cosmetic;
// white space, comments, quotes and the case of keywords are nothing at all.
func (m model) diff(to model) (differences, cosmetic []migration.Change) {
	d := &differ{known: map[string]bool{}}
	for _, names := range []map[string]bool{m.names, to.names, rowids} {
		maps.Copy(d.known, names)
	}
	both(m.tables, to.tables, func(t table) string { return t.name }, func(a, b *table) {
		d.table(a, b)
		d.triggers(m, to, a, b)
	})
	both(m.views, to.views, func(o object) string { return o.name }, func(a, b *object) {
		d.object("view", a, b)
		var tables [2]*table // that its INSTEAD OF triggers are written for
		for i, o := range []*object{a, b} {
			if o != nil {
				tables[i] = &table{name: o.name}
			}
		}
		d.triggers(m, to, tables[0], tables[1])
	})
	return d.differences, d.cosmetic
}

type differ struct {
	known                 map[string]bool
	differences, cosmetic []migration.Change
}

// both walks over two lists, each sorted by folded name, and hands on what has one name; nil
// for what is in one of them only.
func both[T any](from, to []T, name func(T) string, pair func(a, b *T)) {
	for len(from) > 0 || len(to) > 0 {
		order := 0
		switch {
		case len(from) == 0:
			order = 1
		case len(to) == 0:
			order = -1
		default:
			order = strings.Compare(fold(name(from[0])), fold(name(to[0])))
		}
		var a, b *T
		if order <= 0 {
			a, from = &from[0], from[1:]
		}
		if order >= 0 {
			b, to = &to[0], to[1:]
		}
		pair(a, b)
	}
}

// maxDetail bounds a detail, in bytes.
const maxDetail = 200

func (d *differ) add(kind, name, table, what string, details ...string) {
	d.differences = append(d.differences, migration.Change{Kind: kind, Name: name, Table: table, What: what, Detail: short(strings.Join(details, "; "), maxDetail)})
}

// written notes a name whose letters changed their case, and a text that did not keep its words.
func (d *differ) written(kind, from, to, table string, same bool) {
	detail := ""
	switch {
	case from != to:
		detail = fmt.Sprintf("written %s → %s", from, to)
	case !same:
		detail = "written in another way"
	default:
		return
	}
	d.cosmetic = append(d.cosmetic, migration.Change{Kind: kind, Name: to, Table: table, What: "changed", Detail: short(detail, maxDetail)})
}

func (d *differ) table(a, b *table) {
	switch {
	case a == nil:
		d.add("table", b.name, "", "added")
		for _, i := range b.indexes {
			d.add("index", i.name, b.name, "added", i.String())
		}
		return
	case b == nil:
		d.add("table", a.name, "", "removed")
		for _, i := range a.indexes {
			d.add("index", i.name, a.name, "removed", i.String())
		}
		return
	}
	before := len(d.differences)
	if details := a.differs(b); len(details) > 0 {
		d.add("table", b.name, "", "changed", details...)
	}
	var recased [][2]string
	position := func(t *table, name string) int {
		return slices.IndexFunc(t.columns, func(c column) bool { return fold(c.name) == fold(name) })
	}
	for _, c := range b.columns {
		i := position(a, c.name)
		if i < 0 {
			d.add("column", c.name, b.name, "added", c.String())
			continue
		}
		if details := a.columns[i].differs(c); len(details) > 0 {
			d.add("column", c.name, b.name, "changed", details...)
		} else if a.columns[i].name != c.name {
			recased = append(recased, [2]string{a.columns[i].name, c.name})
		}
	}
	for _, c := range a.columns {
		if position(b, c.name) < 0 {
			d.add("column", c.name, b.name, "removed", c.String())
		}
	}
	if len(d.differences) == before {
		d.written("table", a.name, b.name, "", len(recased) > 0 || alike(a.text, b.text))
		for _, r := range recased {
			d.written("column", r[0], r[1], b.name, true)
		}
	}
	both(a.indexes, b.indexes, func(i index) string { return i.name }, func(from, to *index) {
		switch {
		case from == nil:
			d.add("index", to.name, b.name, "added", to.String())
		case to == nil:
			d.add("index", from.name, b.name, "removed", from.String())
		case from.String() != to.String():
			d.add("index", to.name, b.name, "changed", from.String()+" → "+to.String())
		default:
			d.written("index", from.name, to.name, b.name, true)
		}
	})
}

// differs says what is different about two tables but their columns and indexes.
func (t *table) differs(to *table) (details []string) {
	if t.virtual || to.virtual {
		switch {
		case !t.virtual:
			return []string{"virtual now"}
		case !to.virtual:
			return []string{"no longer virtual"}
		case !sameArguments(t.text, to.text):
			return []string{"its module or arguments differ"}
		}
		return nil
	}
	option := func(name string, from, to bool) {
		switch {
		case !from && to:
			details = append(details, name+" added")
		case from && !to:
			details = append(details, name+" removed")
		}
	}
	option("STRICT", t.strict, to.strict)
	option("WITHOUT ROWID", t.withoutRowid, to.withoutRowid)
	option("AUTOINCREMENT", t.autoincrement, to.autoincrement)
	details = append(details, moved("PRIMARY KEY", t.primary.String(), to.primary.String())...)
	details = append(details, sets("UNIQUE ", keys(t.uniques), keys(to.uniques))...)
	if removed, added := without(t.checks, to.checks), without(to.checks, t.checks); len(removed)+len(added) > 0 {
		switch {
		case len(removed) == 0:
			details = append(details, "CHECK added: "+short(strings.Join(added, ", "), 60))
		case len(added) == 0:
			details = append(details, "CHECK removed: "+short(strings.Join(removed, ", "), 60))
		default:
			details = append(details, "CHECK differs: "+short(removed[0], 60)+" → "+short(added[0], 60))
		}
	}
	details = append(details, foreignDetails(t.foreign, to.foreign)...)
	if a, b := t.common(to), to.common(t); !slices.Equal(a, b) {
		details = append(details, fmt.Sprintf("order of columns: %s → %s", short(strings.Join(a, ", "), 60), short(strings.Join(b, ", "), 60)))
	}
	if len(details) == 0 && (t.unread || to.unread) && !alike(t.text, to.text) {
		details = append(details, "its definition differs")
	}
	return details
}

// common returns the columns that are in both tables, in the order of t.
func (t *table) common(other *table) (names []string) {
	for _, c := range t.columns {
		if slices.ContainsFunc(other.columns, func(o column) bool { return fold(o.name) == fold(c.name) }) {
			names = append(names, fold(c.name))
		}
	}
	return names
}

func keys(list []key) (words []string) {
	for _, k := range list {
		words = append(words, k.String())
	}
	return words
}

// moved says how one word became another, either of which may be "".
func moved(what, from, to string) []string {
	switch {
	case from == to:
		return nil
	case from == "":
		return []string{fmt.Sprintf("%s %s added", what, to)}
	case to == "":
		return []string{fmt.Sprintf("%s %s removed", what, from)}
	default:
		return []string{fmt.Sprintf("%s %s → %s", what, short(from, 60), short(to, 60))}
	}
}

func sets(what string, from, to []string) (details []string) {
	for _, s := range without(from, to) {
		details = append(details, what+s+" removed")
	}
	for _, s := range without(to, from) {
		details = append(details, what+s+" added")
	}
	return details
}

func without(list, other []string) (rest []string) {
	for _, s := range list {
		if !slices.Contains(other, s) {
			rest = append(rest, s)
		}
	}
	return rest
}

func foreignDetails(from, to []foreignKey) (details []string) {
	same := func(list []foreignKey, f foreignKey) bool {
		return slices.ContainsFunc(list, func(o foreignKey) bool { return o.identity() == f.identity() })
	}
	removed := slices.DeleteFunc(slices.Clone(from), func(f foreignKey) bool { return same(to, f) })
	added := slices.DeleteFunc(slices.Clone(to), func(f foreignKey) bool { return same(from, f) })
	for _, f := range removed {
		i := slices.IndexFunc(added, func(o foreignKey) bool {
			return slices.Equal(f.columns, o.columns) && fold(f.parent) == fold(o.parent)
		})
		if i < 0 {
			details = append(details, f.String()+" removed")
			continue
		}
		o := added[i]
		added = slices.Delete(added, i, i+1)
		var words []string
		words = append(words, moved("column", strings.Join(f.to, ", "), strings.Join(o.to, ", "))...)
		for _, clause := range [][3]string{{"ON DELETE", f.onDelete, o.onDelete}, {"ON UPDATE", f.onUpdate, o.onUpdate}} {
			if clause[1] != clause[2] {
				words = append(words, fmt.Sprintf("%s %s → %s", clause[0], cmp.Or(clause[1], "NO ACTION"), cmp.Or(clause[2], "NO ACTION")))
			}
		}
		if f.deferred != o.deferred {
			words = append(words, map[bool]string{true: "INITIALLY DEFERRED added", false: "INITIALLY DEFERRED removed"}[o.deferred])
		}
		details = append(details, "foreign key to "+o.parent+": "+strings.Join(words, ", "))
	}
	for _, f := range added {
		details = append(details, f.String()+" added")
	}
	return details
}

func (f foreignKey) String() string {
	return fmt.Sprintf("foreign key (%s) to %s", strings.Join(f.columns, ", "), f.parent)
}

// differs says what is different about two columns of one name.
func (c column) differs(to column) (details []string) {
	if c.typ != to.typ {
		details = append(details, fmt.Sprintf("type %s → %s", cmp.Or(short(c.typ, 40), "none"), cmp.Or(short(to.typ, 40), "none")))
	}
	switch {
	case !c.notNull && to.notNull:
		details = append(details, "NOT NULL added")
	case c.notNull && !to.notNull:
		details = append(details, "NOT NULL removed")
	case c.conflict != to.conflict:
		details = append(details, fmt.Sprintf("NOT NULL ON CONFLICT %s → %s", cmp.Or(c.conflict, "ABORT"), cmp.Or(to.conflict, "ABORT")))
	}
	switch {
	case c.fallback == to.fallback:
	case c.fallback == "":
		details = append(details, "default "+short(to.said, 40)+" added")
	case to.fallback == "":
		details = append(details, "default "+short(c.said, 40)+" removed")
	default:
		details = append(details, fmt.Sprintf("default %s → %s", short(c.said, 40), short(to.said, 40)))
	}
	if c.collate != to.collate {
		details = append(details, fmt.Sprintf("collation %s → %s", cmp.Or(short(c.collate, 40), "binary"), cmp.Or(short(to.collate, 40), "binary")))
	}
	switch {
	case c.generated == "" && to.generated != "":
		details = append(details, "generated now")
	case c.generated != "" && to.generated == "":
		details = append(details, "no longer generated")
	case c.generated != to.generated:
		details = append(details, fmt.Sprintf("generated as %s → %s", short(c.generated, 40), short(to.generated, 40)))
	case c.stored != to.stored:
		details = append(details, map[bool]string{true: "VIRTUAL → STORED", false: "STORED → VIRTUAL"}[to.stored])
	}
	return details
}

func (c column) String() string {
	words := []string{}
	if c.typ != "" {
		words = append(words, short(c.typ, 40))
	}
	if c.notNull {
		words = append(words, "NOT NULL")
	}
	if c.fallback != "" {
		words = append(words, "DEFAULT "+short(c.said, 40))
	}
	if c.generated != "" {
		words = append(words, "generated")
	}
	return strings.Join(words, " ")
}

func (i index) String() string {
	s := list(i.terms)
	if i.unique {
		s = "UNIQUE " + s
	}
	if i.where != "" {
		s += " WHERE " + i.where
	}
	return s
}

func (d *differ) triggers(m, to model, a, b *table) {
	of := func(m model, t *table) (list []object) {
		if t == nil {
			return nil
		}
		for _, o := range m.triggers {
			if fold(o.table) == fold(t.name) {
				list = append(list, o)
			}
		}
		return list
	}
	both(of(m, a), of(to, b), func(o object) string { return o.name }, func(a, b *object) { d.object("trigger", a, b) })
}

func (d *differ) object(kind string, a, b *object) {
	switch {
	case a == nil:
		d.add(kind, b.name, b.table, "added")
	case b == nil:
		d.add(kind, a.name, a.table, "removed")
	case !sameBody(a.body, b.body, func(name string) bool { return d.known[name] }):
		d.add(kind, b.name, b.table, "changed", "its definition differs")
	default:
		d.written(kind, a.name, b.name, b.table, true)
	}
}

// short cuts a text to n bytes at most, and puts it on one line.
func short(s string, n int) string {
	s = strings.Join(strings.Fields(s), " ")
	if len(s) <= n {
		return s
	}
	n -= len("…")
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}
