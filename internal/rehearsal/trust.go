package rehearsal

import (
	"slices"
	"strings"

	"github.com/d1-rewind/d1-rewind/internal/sqlite"
	"github.com/d1-rewind/d1-rewind/internal/statement"
)

// trust is what a table of the copy says about the live one behind the same statements.
type trust int

const (
	full trust = iota // it has the same rows
	some              // each of its rows is there, too
	none              // it may have rows that are not there
)

func (t *trial) trusts(table string) trust { return t.trust[fold(table)] }

func (t *trial) distrust(table string) {
	if !t.facts.complete && table != "" && !system(table) {
		t.trust[fold(table)] = none
	}
}

// beginTrust notes what the copy has of each table.
func (t *trial) beginTrust() error {
	if t.facts.complete {
		return nil
	}
	virtual, err := t.texts("SELECT name FROM pragma_table_list WHERE schema = 'main' AND type IN ('virtual', 'shadow')")
	if err != nil {
		return err
	}
	for key, f := range t.facts.tables {
		if !f.rest && f.rows.Known { // a row that the live database has against its own rules is not on the copy
			n, err := t.integer("SELECT count(*) FROM " + quoteName(key))
			f.rest = err != nil || n != f.rows.Rows
			t.facts.tables[key] = f
		}
		if f.rest {
			t.trust[key] = some
		}
	}
	for _, name := range virtual {
		if t.facts.empty != nil || t.trusts(name) == some {
			t.distrust(name) // an index of rows that are not there
		}
	}
	return nil
}

// definite reports whether D1 would refuse the statement, too: whether what it says follows from
// rows that the live database has, and not from the absence of others.
func (t *trial) definite(s *sqlite.Trial, w work) bool {
	text := s.Refusal.Text
	switch {
	case t.facts.complete || !w.compiles || !s.Deferred && !ofRows(text) && (w.alters || w.drops):
		return true
	case s.Deferred:
		return t.violates()
	case strings.Contains(text, "SQLITE_CORRUPT"):
		return false // an FTS5 index without the rows that it is of
	}
	if ofForeignKey(text) {
		for _, table := range w.touched {
			if t.trusts(table) == none || slices.ContainsFunc(t.children(table), func(c string) bool { return t.trusts(c) == none }) {
				return false
			}
		}
		for _, table := range w.stores {
			if slices.ContainsFunc(t.parents(table), func(p string) bool { return t.trusts(p) != full }) {
				return false
			}
		}
	}
	if strings.HasPrefix(text, "UNIQUE constraint failed: ") && slices.ContainsFunc(w.stores, func(table string) bool { return t.trusts(table) == none }) {
		return false
	}
	if w.alters || w.index != "" {
		return t.trusts(w.target) != none
	}
	switch t.sees(w) {
	case full:
		return true
	case some:
		return t.facts.empty != nil && !t.facts.empty[s.Index] && t.rowByRow(w, t.statement(s.Index).SQL)
	default:
		return false
	}
}

// ofRows reports whether a refusal may depend on rows: SQLite looks into a table before it adds some
// columns.
func ofRows(text string) bool {
	return strings.Contains(text, "SQLITE_CONSTRAINT") || strings.Contains(text, "SQLITE_MISMATCH") ||
		strings.HasPrefix(text, "Cannot add ") && !strings.HasPrefix(text, "Cannot add a UNIQUE ") && !strings.HasPrefix(text, "Cannot add a PRIMARY KEY ")
}

// sees is the least trust in what a statement reads, by triggers and views, too.
func (t *trial) sees(w work) trust {
	own := t.alone(w)
	least := full
	for table := range own.reads {
		least = max(least, t.trusts(table))
	}
	if w.deletes || len(w.updates) > 0 || w.schema {
		least = max(least, t.trusts(w.target))
	}
	if own.session {
		least = none
	}
	return least
}

// alone is w without what foreign keys read. Where SQLite can't tell, because it does not take the
// LIMIT of an UPDATE or DELETE, it is w.
func (t *trial) alone(w work) work {
	if !t.mark.alone.compiles {
		return w
	}
	return t.mark.alone
}

// rowByRow reports whether each row that a statement makes, changes or refuses comes of single rows
// that it reads, so that more rows there would not unmake it.
func (t *trial) rowByRow(w work, sql string) bool {
	for table := range t.alone(w).reads {
		if _, direct := t.alone(w).looks[table]; !direct && t.trusts(table) != full {
			return false // a trigger or a view may do what it likes
		}
	}
	words := statement.Normalize(sql)
	count := func(word string) (n int) {
		for _, other := range words {
			if other == word {
				n++
			}
		}
		return n
	}
	for _, word := range []string{"left", "right", "full", "limit", "having", "over", "with", "conflict", "distinct"} {
		if slices.Contains(words, word) {
			return false
		}
	}
	for i, word := range words[:len(words)-1] {
		if word == "in" && words[i+1] != "(" { // the rows of a table
			return false
		}
	}
	switch first := words[0]; {
	case len(words) > 1 && words[1] == "or" || first == "replace" || t.resolves(w.target):
		return false
	case first == "update" && count("select")+count("from") > 0, first == "delete" && count("select")+count("from") > 1, count("select") > 1:
		return false
	}
	program, err := t.look.Query("EXPLAIN " + sql)
	if err != nil {
		return false
	}
	for _, v := range program.Values {
		if op, _ := v[1].(string); strings.HasPrefix(op, "Agg") || op == "Count" {
			return false
		}
	}
	return true
}

// resolves reports whether a table has an ON CONFLICT of its own.
func (t *trial) resolves(table string) bool {
	list, err := t.texts("SELECT sql FROM sqlite_schema WHERE type = 'table' AND lower(name) = lower(?)", table)
	return err != nil || len(list) > 0 && slices.Contains(statement.Normalize(list[0]), "conflict")
}

// trusted follows what a statement that was taken does to the tables that it writes.
func (t *trial) trusted(w work, sql string) {
	if t.facts.complete || !w.writes && !w.schema || w.drops || w.alters || w.index != "" {
		return
	}
	seen := t.sees(w)
	simple := seen == full || seen == some && t.rowByRow(w, sql)
	same := seen == full && t.trusts(w.target) == full
	inserts := w.writes && !w.deletes && len(w.updates) == 0
	tables := slices.Clone(w.touched)
	if !slices.Contains(tables, w.target) {
		tables = append(tables, w.target)
	}
	for _, table := range tables {
		now := t.trusts(table)
		switch {
		case same && now == full:
		case fold(table) != fold(w.target), !simple:
			t.distrust(table)
		case inserts && now != full:
			t.distrust(table) // a row of the live database may have the key
		case table != "" && seen == some:
			t.trust[fold(table)] = max(now, some)
		}
	}
}

// violates reports whether a migration leaves a foreign key violated in the live database, too.
// Where none is, what was violated in between counts, as it does in D1.
func (t *trial) violates() bool {
	may := false
	for key, n := range t.violations() {
		if table, parent, _ := strings.Cut(key, "\x00"); n > t.orphans[key] {
			if !t.mayLead(table, parent) {
				return true
			}
			may = true
		}
	}
	if may {
		return false
	}
	for table := range t.concerned {
		for _, near := range slices.Concat([]string{table}, t.parents(table), t.children(table)) {
			if t.trusts(near) == none {
				return false
			}
		}
	}
	return true
}

// mayLead reports whether rows of table that refer to no row of parent on the copy may do so in the
// live database.
func (t *trial) mayLead(table, parent string) bool {
	if t.facts.complete {
		return false
	}
	_, written := t.stored[fold(table)]
	return t.trusts(table) == none || t.trusts(parent) == none || t.trusts(parent) == some && written
}

// children are the tables whose foreign keys lead to a table.
func (t *trial) children(table string) []string {
	children, _ := t.texts(`SELECT DISTINCT l.name FROM pragma_table_list AS l, pragma_foreign_key_list(l.name) AS f WHERE l.schema = 'main' AND lower(f."table") = lower(?)`, table)
	return children
}

// parents are the tables that the foreign keys of a table lead to.
func (t *trial) parents(table string) []string {
	parents, _ := t.texts(`SELECT DISTINCT "table" FROM pragma_foreign_key_list(?)`, table)
	return parents
}
