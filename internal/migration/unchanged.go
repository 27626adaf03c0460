package migration

import (
	"fmt"
	"slices"
	"strings"
)

// expected is what ledger and journal are when a run is planned. A batch is committed only if they
// still are: a restore, by whatever means, takes rows away that the plan counts on, and no UNIQUE
// name notices that.
type expected struct {
	rows    int             // of the ledger; -1 for any number, noLedger where there is no such table
	last    string          // a name that the ledger has, its last; "" for any
	journal expectedJournal // what the journal is
	run     string          // of its newest row, for journalEnds
}

const noLedger = -2

type expectedJournal int

const (
	journalAny    expectedJournal = iota
	journalAbsent                 // there is no such table
	journalEmpty                  // it has no rows
	journalEnds                   // with the row of a run
)

// planned is what a plan made from r counts on.
func (r recorded) planned() expected {
	if r.unsound != nil { // what was read of it is not all that there is
		return expected{rows: -1}
	}
	e := expected{rows: len(r.ledger), journal: journalAbsent}
	if e.rows > 0 {
		e.last = r.ledger[e.rows-1].name
	}
	switch n := len(r.journal); {
	case n > 0:
		e.journal, e.run = journalEnds, r.journal[n-1].Run
	case r.hasJournal:
		e.journal = journalEmpty
	}
	return e
}

// movedMark is in the error of a statement made by unchanged: SQLite quotes a path that is none.
const movedMark = "d1-rewind: not as planned"

// unchanged is a statement that fails unless ledger and journal are as expected. A ledger of which
// anything is expected has to be there.
func (e expected) unchanged(table string) BatchStatement {
	var (
		conditions []string
		args       []any
	)
	add := func(condition string, values ...any) {
		conditions, args = append(conditions, condition), append(args, values...)
	}
	if e.rows == noLedger {
		add("NOT EXISTS (SELECT 1 FROM sqlite_schema WHERE lower(name) = lower(?))", table)
	}
	if e.rows >= 0 {
		add("(SELECT count(*) FROM "+quoteName(table)+") = CAST(? AS INTEGER)", fmt.Sprint(e.rows))
	}
	if e.last != "" { // a ledger may hold a name that is no text
		add("EXISTS (SELECT 1 FROM "+quoteName(table)+" WHERE CAST(name AS TEXT) IS ?)", e.last)
	}
	switch e.journal {
	case journalAbsent:
		add("NOT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = '" + JournalTable + "')")
	case journalEmpty:
		add("NOT EXISTS (SELECT 1 FROM " + JournalTable + ")")
	case journalEnds:
		add("(SELECT run FROM "+JournalTable+" ORDER BY id DESC LIMIT 1) IS ?", e.run)
	}
	if len(conditions) == 0 {
		conditions = []string{"1"}
	}
	// The path is not constant, so that SQLite can't compute it before it is needed.
	failure := "json_extract('{}', '" + movedMark + "; objects in the schema: ' || (SELECT count(*) FROM sqlite_schema))"
	sql := "SELECT CASE WHEN " + strings.Join(conditions, " AND ") + " THEN 1 ELSE " + failure + " END"
	return BatchStatement{Query: Query{SQL: sql, Args: args}, Unchanged: true}
}

// ifUnchanged is the batch with the condition that ledger and journal are as expected, after its first
// at statements.
func (b Batch) ifUnchanged(e expected, table string, at int) Batch {
	b.Statements = slices.Insert(slices.Clone(b.Statements), at, e.unchanged(table))
	return b
}

// Anywhere is the batch for a database that has not the ledger it was planned for, such as a
// copy of the schema. Its statements have the same indexes.
func (b Batch) Anywhere() Batch {
	b.Statements = slices.Clone(b.Statements)
	for i, s := range b.Statements {
		if s.Unchanged {
			b.Statements[i].Query = Query{SQL: "SELECT 1"}
		}
	}
	return b
}
