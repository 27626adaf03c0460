package rehearsal

import (
	"fmt"
	"maps"
	"slices"

	"github.com/d1-rewind/d1-rewind/internal/migration"
	"github.com/d1-rewind/d1-rewind/internal/sqlite"
)

// origin says where a table comes from.
type origin struct {
	name string // that it has now
	live string // that it has in the live database; "" if the run made it
}

// removal is a table of the live database that was dropped or renamed.
type removal struct {
	place
	live, to string // its name there; of a rename the new one
	rows     migration.Rowcount
	copied   int64            // rows on the copy
	values   map[string]int64 // of each column, how many are not NULL
}

// tableNames returns the names of the tables that there are by their folded names, but for those in
// which virtual ones keep their content: these come, go and change their names with them.
func (t *trial) tableNames() (map[string]string, error) {
	rows, err := t.look.Query("SELECT name, CASE rootpage WHEN 0 THEN sql END FROM sqlite_schema WHERE type = 'table'")
	names, hidden := map[string]string{}, map[string]bool{}
	for _, v := range rows.Values {
		name := text(v[0])
		if !system(name) {
			names[fold(name)] = name
		}
		for _, shadow := range shadows(name, text(v[1])) {
			hidden[shadow] = true
		}
	}
	maps.DeleteFunc(names, func(key, _ string) bool { return hidden[key] })
	return names, err
}

// named returns a table's name as the schema writes it.
func (t *trial) named(table string) string {
	if o, there := t.origin[fold(table)]; there {
		return o.name
	}
	return table
}

// live returns the name that a table has in the live database, "" if it has none there.
func (t *trial) live(table string) string { return t.origin[fold(table)].live }

// there reports whether there is a table of that name now.
func (t *trial) there(table string) bool {
	_, there := t.origin[fold(table)]
	return there
}

// reshaped follows tables and columns through statements that make, alter and drop them.
func (t *trial) reshaped(events []sqlite.Event, w work, at place, sql string) error {
	version, err := t.integer("PRAGMA schema_version")
	if err != nil {
		return err
	}
	t.lastChange = at
	if version == t.mark.version {
		if kind, name, ok := conditional(sql); ok {
			return t.noEffect(kind, name, at, sql)
		}
		return nil
	}
	tables, err := t.tableNames()
	if err != nil {
		return err
	}
	t.removeAndRename(tables, w, at)
	t.noteObjects(events, w, at)
	if w.alters && t.there(w.target) {
		if err := t.altered(w.target, at); err != nil {
			return err
		}
	}
	if w.index != "" {
		t.indexed(w, at)
	}
	return nil
}

// removeAndRename finds the table that a statement dropped or renamed: tables are those that there
// are behind it, by their folded names.
func (t *trial) removeAndRename(tables map[string]string, w work, at place) {
	gone, added := "", "" // folded
	for key := range t.origin {
		if _, there := tables[key]; !there {
			gone = key
		}
	}
	for key, name := range tables {
		if !t.there(key) && !t.own(key) { // the run makes the ledger without a statement of a migration
			added = key
		}
		t.origin[key] = origin{name: name, live: t.live(key)}
	}
	live := t.live(gone)
	delete(t.origin, gone)
	switch to := tables[added]; {
	case gone == "":
	case w.alters && added != "":
		t.origin[added] = origin{name: to, live: live}
		t.follow(gone, to)
		t.gone[gone] = at
		if live != "" {
			t.renames = append(t.renames, removal{place: at, live: live, to: to})
		}
	case w.drops:
		t.gone[gone] = at
		if live != "" {
			t.drops = append(t.drops, removal{place: at, live: live, rows: t.mark.rows, copied: t.mark.copied, values: t.mark.values})
			t.follow(gone, live) // under which name it counts
		}
		for _, name := range []string{gone, live} {
			if !t.there(name) {
				delete(t.trust, fold(name))
			}
		}
	}
}

// noteObjects notes what a statement made and dropped by name, but for tables that it dropped.
func (t *trial) noteObjects(events []sqlite.Event, w work, at place) {
	for _, e := range events {
		switch e.Action {
		case sqlite.CreateView, sqlite.CreateTrig, sqlite.CreateTable, sqlite.CreateVirt:
			if e.Inner == "" && !system(e.Object) {
				t.made[fold(e.Object)] = at
			}
		case sqlite.DropIndex, sqlite.DropTrig:
			if !w.drops {
				t.dropped[fold(e.Object)] = true
			}
		case sqlite.DropView:
			if !slices.ContainsFunc(t.views, func(v removal) bool { return fold(v.live) == fold(e.Object) }) {
				t.gone[fold(e.Object)] = at
				t.views = append(t.views, removal{place: at, live: e.Object})
			}
		}
	}
}

// follow lets what is known of a table go on under its new name.
func (t *trial) follow(from, to string) {
	old, name := fold(from), fold(to)
	move(t.before, old, name)
	move(t.written, old, name)
	move(t.unjudged, old, name)
	move(t.trust, old, name)
	move(t.effects, old, name)
	move(t.refilled, old, name)
	if move(t.touched, old, name) {
		t.touched[name] = to
	}
	if move(t.stored, old, name) {
		t.stored[name] = to
	}
	for _, list := range [][]loss{t.losses, t.settled} {
		for i := range list {
			if fold(list[i].table) == fold(from) {
				list[i].table = to
			}
		}
	}
}

func move[V any](m map[string]V, from, to string) bool {
	v, ok := m[from]
	if ok {
		delete(m, from)
		m[to] = v
	}
	return ok
}

// altered compares a table's columns with those from before, of which at most one has another name
// or is gone.
func (t *trial) altered(table string, at place) error {
	now, err := t.columns(table)
	live := t.live(table)
	if err != nil || live == "" {
		return err
	}
	before := t.mark.columns
	i := slices.IndexFunc(before, func(c string) bool { return !slices.Contains(now, c) })
	if i < 0 {
		return nil
	}
	column, columns := before[i], t.liveColumns[fold(live)]
	t.gone[fold(column)] = at
	known := slices.IndexFunc(columns, func(c string) bool { return fold(c) == fold(column) })
	switch {
	case known < 0: // the run added it
	case len(now) == len(before):
		columns[known] = now[i]
		t.add(migration.CodeRenameColumn, migration.SeverityWarning, at, fmt.Sprintf("renames %s.%s to %s, and the running Worker uses the old name", live, column, now[i]),
			"add the new column, fill it, let the Worker write both and read the new one, and drop the old one when no version uses it")
	default:
		t.liveColumns[fold(live)] = slices.Delete(columns, known, known+1)
		t.dropColumn(live, column, at, t.mark.values[column])
	}
	return nil
}

func (t *trial) dropColumn(table, column string, at place, values int64) {
	severity, has, known := migration.SeverityError, migration.Count(int(values), "value"), true
	if f, sampled := t.facts.tables[fold(table)]; sampled {
		values, has, known = f.rows.Rows, "the table has "+count(f.rows), f.rows.Known
	}
	if known && values == 0 {
		severity, has = migration.SeverityWarning, "no row has a value"
	}
	t.add(migration.CodeDropColumn, severity, at, fmt.Sprintf("drops %s.%s (%s)", table, column, has),
		"deploy a Worker that does not use the column first (also not by SELECT * or INSERT without columns); drop it in a later migration")
}
