package rehearsal

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/d1-rewind/d1-rewind/internal/migration"
	"github.com/d1-rewind/d1-rewind/internal/sqlite"
)

// errLeft ends a trial of which the rest can't be tried.
var errLeft = errors.New("the rest can't be tried")

// refused decides about a refusal: nil where it may be due to rows that the copy does not have.
func (t *trial) refused(s *sqlite.Trial, w work) error {
	if t.definite(s, w) {
		known := len(t.hazards)
		if t.explain(s, w); len(t.hazards) == known {
			t.refuses(s, w)
		}
		return s.Refusal
	}
	at, text := t.at(s.Index), s.Refusal.Text
	t.add(migration.CodeNotJudged, migration.SeverityInfo, at, "refused on the copy, which does not have all rows: "+w.said(text),
		t.witness+" knows; if it would be refused in D1, the whole run is, and nothing is written")
	for _, table := range w.stores {
		t.unjudged[fold(table)], t.written[fold(table)] = true, at
	}
	if s.Deferred {
		return t.look.Exec("PRAGMA defer_foreign_keys = OFF") // forgets the violations
	}
	for _, table := range append(w.touched, w.target) {
		t.distrust(table)
	}
	if t.look.Gone() {
		t.gaps = append(t.gaps, fmt.Sprintf("all behind %s:%d: on the copy that statement ended the transaction, which may be due to the rows that are missing there", at.file, at.line))
		return errLeft
	}
	on, err := t.integer("PRAGMA defer_foreign_keys")
	if err != nil {
		return err
	}
	if on == 0 && ofForeignKey(text) {
		// The rows that it writes are needed for what follows.
		if err := t.look.Exec("PRAGMA defer_foreign_keys = ON"); err != nil {
			return err
		}
		again := t.look.Exec(t.statement(s.Index).SQL)
		if err := t.look.Exec("PRAGMA defer_foreign_keys = OFF"); err != nil {
			return err
		}
		if again == nil && w.schema {
			return t.reshaped(s.Events, w, at, t.statement(s.Index).SQL)
		}
		if again == nil {
			return nil
		}
	}
	if w.schema {
		t.gaps = append(t.gaps, fmt.Sprintf("all behind %s:%d: on the copy that statement was refused, which may be due to the rows that are missing there", at.file, at.line))
		return errLeft
	}
	return nil
}

// said is what a refusal of the statement says but for words that may have been computed from rows.
func (w work) said(text string) string {
	if ofForeignKey(text) || strings.Contains(text, " constraint failed: ") && !strings.Contains(text, "SQLITE_CONSTRAINT_TRIGGER") {
		return text
	}
	if w.alters && (strings.HasPrefix(text, "error in ") || strings.HasPrefix(text, "Cannot add ")) { // and names follow
		return text
	}
	return "by a trigger or a check of its own"
}

func ofForeignKey(text string) bool { return strings.HasPrefix(text, "FOREIGN KEY constraint failed") }

// explain adds what the rows say about a refusal.
func (t *trial) explain(s *sqlite.Trial, w work) {
	at, text := t.at(s.Index), s.Refusal.Text
	names, isUnique := strings.CutPrefix(text, "UNIQUE constraint failed: ")
	names, _, _ = strings.Cut(names, ": SQLITE_")
	switch {
	case isUnique:
		message := "existing rows have the same values: " + names
		if table, columns, ok := t.columnsIn(names); ok && w.index != "" {
			if n, rows, err := t.duplicates(table, columns); err == nil && rows > 0 && t.facts.complete {
				message = fmt.Sprintf("%s of %s share %s: %s", migration.Count(int(rows), "row"), table, migration.Count(int(n), "value"), names)
			}
		}
		t.add(migration.CodeUniqueViolated, migration.SeverityError, at, message, "fix the rows first, in a migration of its own: decide which of them stays, and change or delete the others")
	case strings.HasPrefix(text, "NOT NULL constraint failed: "):
		names = strings.TrimPrefix(text, "NOT NULL constraint failed: ")
		names, _, _ = strings.Cut(names, ": SQLITE_")
		message := "rows without a value: " + names
		if _, columns, ok := t.columnsIn(names); ok && len(w.reads) > 0 && t.facts.complete {
			for _, table := range slices.Sorted(maps.Keys(w.reads)) {
				if n, err := t.integer("SELECT count(*) FROM " + quoteName(table) + " WHERE " + quoteName(columns[0]) + " IS NULL"); err == nil && n > 0 {
					message = fmt.Sprintf("%s of %s have no %s", migration.Count(int(n), "row"), table, columns[0])
				}
			}
		}
		t.add(migration.CodeNotNullViolated, migration.SeverityError, at, message, "give these rows a value first: UPDATE … SET … WHERE … IS NULL, or coalesce(…) in the SELECT")
	case strings.HasPrefix(text, "Cannot add a NOT NULL column with default value NULL"):
		rows := t.rowsOf(w.target)
		t.add(migration.CodeNotNullViolated, migration.SeverityError, at, fmt.Sprintf("%s has %s, which would have no value", w.target, count(rows)),
			"add the column with a constant DEFAULT, or without NOT NULL, fill it, and let the Worker insist on a value")
	}
}

// columnsIn reads "t.a, t.b".
func (t *trial) columnsIn(names string) (table string, columns []string, ok bool) {
	for _, name := range strings.Split(names, ", ") {
		of, column, found := strings.Cut(name, ".")
		if !found || table != "" && of != table {
			return "", nil, false
		}
		table, columns = of, append(columns, column)
	}
	return table, columns, true
}

// duplicates counts the values that several rows share, and these rows.
func (t *trial) duplicates(table string, columns []string) (values, rows int64, err error) {
	var quoted, present []string
	for _, c := range columns {
		quoted, present = append(quoted, quoteName(c)), append(present, quoteName(c)+" IS NOT NULL")
	}
	answer, err := t.look.Query("SELECT count(*), coalesce(sum(n), 0) FROM (SELECT count(*) AS n FROM " + quoteName(table) + " WHERE " + strings.Join(present, " AND ") +
		" GROUP BY " + strings.Join(quoted, ", ") + " HAVING count(*) > 1)")
	if err != nil {
		return 0, 0, err
	}
	values, _ = answer.Values[0][0].(int64)
	rows, _ = answer.Values[0][1].(int64)
	return values, rows, nil
}

// refuses adds what D1 refuses whatever the rows, or because of rows that say no more. It has no
// words that may have been computed from them: these are for the error alone.
func (t *trial) refuses(s *sqlite.Trial, w work) {
	message, advice := w.said(s.Refusal.Text), "fix the statement; the error has D1's own words"
	if !s.Compiles { // then nothing was computed
		message = s.Refusal.Text
	}
	message, _, _ = strings.Cut(message, ": SQLITE_")
	switch {
	case strings.HasSuffix(s.Refusal.Text, sqlite.TransactionHint):
		message, advice = "it controls the transaction, and D1 runs every migration in one of its own", "remove the statement; a run commits as a whole or not at all without it"
	case strings.HasPrefix(s.Refusal.Text, "statement too long"):
		message, advice = "it is too long: D1 takes 100,000 bytes", "split it; several rows of an INSERT can be several statements"
	}
	t.add(migration.CodeRefused, migration.SeverityError, t.at(s.Index), "D1 refuses the statement: "+message, advice)
}
