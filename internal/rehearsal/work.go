package rehearsal

import (
	"slices"

	"github.com/d1-rewind/d1-rewind/internal/sqlite"
)

// work is what a statement does, as SQLite told the authorizer.
type work struct {
	compiles  bool
	schema    bool     // it makes, drops or alters something
	writes    bool     // rows of a table that it names
	deletes   bool     // these rows
	inTrigger []string // tables that its triggers delete from
	alters    bool
	drops     bool // a table
	index     string
	target    string              // the table that it is about
	stores    []string            // tables that get rows or other values, those of triggers included
	touched   []string            // every table whose rows change or may go
	children  []child             // on which foreign keys act
	updates   []string            // columns of the target that an UPDATE sets
	reads     map[string][]string // columns that are read, by table
	looks     map[string][]string // those of them that the statement itself reads, and not a trigger or view
	through   map[string][]string // tables that a trigger or view reads
	session   bool                // it calls a function that tells what statements before it did
	triggers  bool
	likes     bool
	replaces  bool
}

// child is a table on which foreign keys act, without a statement that says so.
type child struct {
	table, column string // column: of references that are set to another value
	count         int64
}

// read makes sense of the events of a statement. What it does itself comes before what it
// makes foreign keys do; neither is within a trigger.
func (t *trial) read(s *sqlite.Trial) work {
	w := work{compiles: s.Compiles, reads: map[string][]string{}, looks: map[string][]string{}, through: map[string][]string{}}
	gone := map[string][]string{} // tables that a trigger deletes from, by the trigger
	note := func(list *[]string, table string) {
		if !containsName(*list, table) {
			*list = append(*list, table)
		}
	}
	for _, e := range s.Events {
		if system(e.Object) && e.Action != sqlite.Pragma {
			continue
		}
		w.triggers = w.triggers || e.Inner != ""
		switch e.Action {
		case sqlite.AlterTable:
			w.schema, w.alters, w.target = true, true, e.Object
			note(&w.touched, e.Object)
		case sqlite.CreateTable, sqlite.CreateView, sqlite.DropView, sqlite.CreateVirt:
			w.schema = true
			if w.target == "" {
				w.target = e.Object
			}
		case sqlite.DropTable, sqlite.DropVirt:
			w.schema, w.drops = true, true
			if w.target == "" {
				w.target = e.Object
			}
			note(&w.touched, e.Object)
		case sqlite.CreateIndex:
			w.schema, w.index, w.target = true, e.Object, e.Detail
			note(&w.touched, e.Detail)
		case sqlite.DropIndex, sqlite.CreateTrig, sqlite.DropTrig:
			w.schema = true
			if w.target == "" {
				w.target = e.Detail
			}
		case sqlite.Insert:
			note(&w.touched, e.Object)
			note(&w.stores, e.Object)
			if e.Inner == "" {
				w.writes = true
				if w.target == "" {
					w.target = e.Object
				}
			}
		case sqlite.Delete:
			note(&w.touched, e.Object)
			switch {
			case e.Inner != "" && t.follows(e.Object, "", gone[e.Inner]):
				w.children = append(w.children, child{table: e.Object})
			case e.Inner != "":
				gone[e.Inner] = append(gone[e.Inner], e.Object)
			case w.target == "" || fold(w.target) == fold(e.Object) && !w.deletes:
				w.target, w.writes, w.deletes = e.Object, true, true
			case !slices.ContainsFunc(w.children, func(c child) bool { return c.column == "" && fold(c.table) == fold(e.Object) }):
				if fold(e.Object) != fold(w.target) || !w.drops && t.actsOnItself(e.Object) {
					w.children = append(w.children, child{table: e.Object})
				}
			}
		case sqlite.Update:
			note(&w.touched, e.Object)
			switch {
			case e.Inner != "" && t.follows(e.Object, e.Detail, gone[e.Inner]):
				w.children = append(w.children, child{table: e.Object, column: e.Detail})
			case e.Inner != "":
				note(&w.stores, e.Object)
			case w.target == "" || fold(w.target) == fold(e.Object):
				if w.target == "" || !w.drops {
					w.target, w.writes = e.Object, true
					note(&w.stores, e.Object)
					note(&w.updates, e.Detail)
				}
			case !slices.ContainsFunc(w.children, func(c child) bool { return fold(c.table) == fold(e.Object) && c.column == e.Detail }):
				w.children = append(w.children, child{table: e.Object, column: e.Detail})
			}
		case sqlite.Read:
			w.reads[e.Object] = append(w.reads[e.Object], e.Detail)
			if e.Inner == "" {
				w.looks[e.Object] = append(w.looks[e.Object], e.Detail)
			} else {
				w.through[e.Inner] = append(w.through[e.Inner], e.Object)
			}
		case sqlite.Function:
			switch fold(e.Detail) {
			case "like", "glob":
				w.likes = true
			case "changes", "total_changes", "last_insert_rowid":
				w.session = true
			}
		}
	}
	for _, parents := range gone {
		w.inTrigger = append(w.inTrigger, parents...)
	}
	slices.Sort(w.inTrigger)
	w.inTrigger = slices.Compact(w.inTrigger)
	// A plain INSERT makes no foreign key act, and a plain UPDATE none that deletes: these replace rows.
	w.replaces = w.writes && !w.drops && !w.deletes && len(w.inTrigger) == 0 && slices.ContainsFunc(w.children, func(c child) bool { return len(w.updates) == 0 || c.column == "" })
	return w
}

// follows reports whether the rows of a table go, or with a column lose their reference, when a row
// of one of the parents goes.
func (t *trial) follows(table, column string, parents []string) bool {
	for _, parent := range parents {
		n, err := t.integer(`SELECT count(*) FROM pragma_foreign_key_list(?1) WHERE lower("table") = lower(?2)
 AND (?3 = '' AND on_delete = 'CASCADE' OR lower("from") = lower(?3) AND on_delete IN ('SET NULL', 'SET DEFAULT'))`, table, parent, column)
		if err == nil && n > 0 {
			return true
		}
	}
	return false
}

// actsOn reports whether foreign keys make the statement change a table.
func (w work) actsOn(table string) bool {
	return slices.ContainsFunc(w.children, func(c child) bool { return fold(c.table) == fold(table) })
}

// actsOnItself reports whether a deleted row of a table may take others of the same table with it.
func (t *trial) actsOnItself(table string) bool {
	n, err := t.integer(`SELECT count(*) FROM pragma_foreign_key_list(?1) WHERE lower("table") = lower(?1) AND on_delete = 'CASCADE'`, table)
	return err == nil && n > 0
}
