package rehearsal

import (
	"slices"
	"strings"

	"github.com/d1-rewind/d1-rewind/internal/migration"
)

// picture draws the tables that differ between two schemas, those named in touched, and their
// neighbours by foreign key, which show their keys only. The former come first; both are
// sorted by name.
func picture(before, after model, touched []string) []migration.Entity {
	concerned := map[string]string{} // what happens to a table, by folded name
	for _, name := range touched {
		if before.table(name) != nil || after.table(name) != nil {
			concerned[fold(name)] = ""
		}
	}
	differences, _ := before.diff(after)
	changed := map[migration.Change]bool{} // columns
	for _, c := range differences {
		owner := c.Table
		if c.Kind == "table" {
			owner = c.Name
		}
		owner = fold(owner)
		switch {
		case c.Kind == "table" && c.What != "changed":
			concerned[owner] = c.What
		case before.table(owner) != nil && after.table(owner) != nil:
			concerned[owner] = "changed"
		}
		if c.Kind == "column" && c.What == "changed" {
			changed[migration.Change{Table: owner, Name: fold(c.Name)}] = true
		}
	}
	shown := map[string]bool{}
	for name := range concerned {
		shown[name] = true
	}
	for _, m := range []model{before, after} {
		for _, t := range m.tables {
			_, from := concerned[fold(t.name)]
			for _, f := range t.foreign {
				if _, to := concerned[fold(f.parent)]; to {
					shown[fold(t.name)] = true
				}
				if from && m.table(f.parent) != nil {
					shown[fold(f.parent)] = true
				}
			}
		}
	}
	var entities []migration.Entity
	for name := range shown {
		what, whole := concerned[name]
		a, b := before.table(name), after.table(name)
		e := migration.Entity{What: what}
		for _, t := range []*table{a, b} {
			if t != nil {
				e.Name = t.name
			}
		}
		e.Attributes = attributes(a, b, whole, func(column string) bool { return changed[migration.Change{Table: name, Name: column}] })
		e.References = references(before, after, a, b, shown, whole)
		entities = append(entities, e)
	}
	slices.SortFunc(entities, func(a, b migration.Entity) int {
		_, first := concerned[fold(a.Name)]
		_, second := concerned[fold(b.Name)]
		if first != second {
			return map[bool]int{true: -1, false: 1}[first]
		}
		return strings.Compare(fold(a.Name), fold(b.Name))
	})
	return entities
}

// attributes are the columns of a table before and after, either of which may be nil; not all
// of them: those of its keys.
func attributes(before, after *table, all bool, changed func(string) bool) (list []migration.Attribute) {
	position := func(t *table, name string) int {
		if t == nil {
			return -1
		}
		return slices.IndexFunc(t.columns, func(c column) bool { return fold(c.name) == fold(name) })
	}
	add := func(t *table, c column, what string) {
		a := migration.Attribute{Name: c.name, Type: c.typ, What: what}
		name := fold(c.name)
		a.Primary = slices.Contains(t.primary.columns(), name)
		a.Foreign = slices.ContainsFunc(t.foreign, func(f foreignKey) bool { return slices.Contains(f.columns, name) })
		alone := func(terms []term) bool { return len(terms) == 1 && terms[0].expr == "" && terms[0].column == name }
		a.Unique = slices.ContainsFunc(t.uniques, func(k key) bool { return alone(k.terms) }) ||
			slices.ContainsFunc(t.indexes, func(i index) bool { return i.unique && i.where == "" && alone(i.terms) })
		if all || a.Primary || a.Foreign {
			list = append(list, a)
		}
	}
	if after != nil {
		for _, c := range after.columns {
			what := ""
			switch {
			case before == nil: // the table is marked
			case position(before, c.name) < 0:
				what = "added"
			case changed(fold(c.name)):
				what = "changed"
			}
			add(after, c, what)
		}
	}
	if before != nil {
		for _, c := range before.columns {
			switch {
			case after == nil:
				add(before, c, "")
			case position(after, c.name) < 0:
				add(before, c, "removed")
			}
		}
	}
	return list
}

// references are the foreign keys of a table; of a neighbour those to tables that are shown.
func references(before, after model, a, b *table, shown map[string]bool, all bool) (list []migration.Reference) {
	add := func(m model, t *table, f foreignKey, what string) {
		if !all && !shown[fold(f.parent)] {
			return
		}
		r := migration.Reference{To: f.parent, OnDelete: f.onDelete, What: what}
		if p := m.table(f.parent); p != nil {
			r.To = p.name
		}
		for _, c := range t.columns {
			if slices.Contains(f.columns, fold(c.name)) {
				r.Columns = append(r.Columns, c.name)
				r.Optional = r.Optional || !c.notNull
			}
		}
		list = append(list, r)
	}
	has := func(t *table, f foreignKey) bool {
		return slices.ContainsFunc(t.foreign, func(o foreignKey) bool {
			return fold(o.parent) == fold(f.parent) && slices.Equal(o.columns, f.columns) && o.onDelete == f.onDelete
		})
	}
	if b != nil {
		for _, f := range b.foreign {
			if a != nil && !has(a, f) {
				add(after, b, f, "added")
			} else {
				add(after, b, f, "")
			}
		}
	}
	if a != nil {
		for _, f := range a.foreign {
			switch {
			case b == nil:
				add(before, a, f, "")
			case !has(b, f):
				add(before, a, f, "removed")
			}
		}
	}
	return list
}
