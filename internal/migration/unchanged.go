package migration

import (
	"fmt"
	"strings"
)

// expected is what ledger and journal are when a run is planned. A batch is committed only if they
// still are: a restore, by whatever means, takes rows away that the plan counts on, and no UNIQUE
// name notices that.
type expected struct {
	rows int    // of the ledger; -1 for any number
	last string // a name that the ledger has, its last; "" for any
	run  string // of the journal's newest row, "" for any
}

// planned is what a plan made from r counts on.
func (r recorded) planned() expected {
	e := expected{rows: len(r.ledger)}
	if e.rows > 0 {
		e.last = r.ledger[e.rows-1].name
	}
	if n := len(r.journal); n > 0 {
		e.run = r.journal[n-1].Run
	}
	return e
}

// movedMark is in the error of a statement made by unchanged: SQLite quotes a path that is none.
const movedMark = "d1-rewind: not as planned"

// unchanged is a statement that fails unless ledger and journal are as expected. It goes after the
// statement that creates the ledger.
func (e expected) unchanged(table string) BatchStatement {
	var (
		conditions []string
		args       []any
	)
	add := func(condition string, values ...any) {
		conditions, args = append(conditions, condition), append(args, values...)
	}
	rows := "(SELECT count(*) FROM " + quoteName(table) + ")"
	if e.rows >= 0 {
		add(rows+" = CAST(? AS INTEGER)", fmt.Sprint(e.rows))
	}
	if e.last != "" {
		add("EXISTS (SELECT 1 FROM "+quoteName(table)+" WHERE name IS ?)", e.last)
	}
	if e.run != "" {
		add("(SELECT run FROM "+JournalTable+" ORDER BY id DESC LIMIT 1) IS ?", e.run)
	}
	if len(conditions) == 0 {
		conditions = []string{"1"}
	}
	// The path is not constant, so that SQLite can't compute it before it is needed.
	failure := "json_extract('{}', '" + movedMark + "; rows in the ledger: ' || " + rows + ")"
	sql := "SELECT CASE WHEN " + strings.Join(conditions, " AND ") + " THEN 1 ELSE " + failure + " END"
	return BatchStatement{Query: Query{SQL: sql, Args: args}, Unchanged: true}
}

// ifUnchanged is the batch with the condition that ledger and journal are as expected.
func (b Batch) ifUnchanged(e expected, table string) Batch {
	statements := append([]BatchStatement{b.Statements[0], e.unchanged(table)}, b.Statements[1:]...)
	b.Statements = statements
	return b
}

// Anywhere is the batch for a database that has not the ledger it was planned for, such as a
// copy of the schema. Its statements have the same indexes.
func (b Batch) Anywhere() Batch {
	statements := append([]BatchStatement{}, b.Statements...)
	for i, s := range statements {
		if s.Unchanged {
			statements[i].Query = Query{SQL: "SELECT 1"}
		}
	}
	b.Statements = statements
	return b
}
