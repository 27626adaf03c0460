package rehearsal

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/d1-rewind/d1-rewind/internal/migration"
	"github.com/d1-rewind/d1-rewind/internal/sqlite"
	"github.com/d1-rewind/d1-rewind/internal/statement"
)

// took looks at what a statement did that was not refused.
func (t *trial) took(s *sqlite.Trial, w work) error {
	at, sql := t.at(s.Index), t.statement(s.Index).SQL
	t.ledger(s.Events, at)
	t.pragmas(s.Events, at)
	t.foreignKeys(w, at, sql)
	t.sweeping(w, at, sql)
	t.unseen(w, at)
	if !w.schema {
		if kind, name, ok := conditional(sql); ok { // there is one: SQLite looks no further
			if err := t.noEffect(kind, name, at, sql); err != nil {
				return err
			}
		}
	}
	if w.schema {
		if err := t.reshaped(s.Events, w, at, sql); err != nil {
			return err
		}
	}
	t.limits(s.Events, w, at, sql)
	t.cost(s, w, at, sql)
	return nil
}

func (t *trial) ledger(events []sqlite.Event, at place) {
	for _, e := range events {
		switch e.Action {
		case sqlite.Insert, sqlite.Update, sqlite.Delete, sqlite.DropTable, sqlite.AlterTable:
			if t.own(e.Object) {
				t.add(migration.CodeTouchesLedger, migration.SeverityWarning, at, "changes "+e.Object+", in which it is written down what is applied",
					"leave the ledger to the tools; to record migrations that ran elsewhere use baseline")
				return
			}
		}
	}
}

func (t *trial) pragmas(events []sqlite.Event, at place) {
	for _, e := range events {
		if e.Action != sqlite.Pragma || e.Detail == "" {
			continue
		}
		switch on := isOn(e.Detail); fold(e.Object) {
		case "foreign_keys":
			if t.imports && !on {
				t.add(migration.CodeForeignKeysPragma, migration.SeverityWarning, at, "the import endpoint is reported to obey PRAGMA foreign_keys = OFF, unlike the rest of D1 and this rehearsal: what ON DELETE would do here, it may not do there",
					"leave it out, and go by the query endpoint, if the run fits")
				return
			}
			t.add(migration.CodeForeignKeysPragma, migration.SeverityInfo, at, "PRAGMA foreign_keys does nothing in D1: foreign keys are always enforced, and ON DELETE acts",
				"leave it out; PRAGMA defer_foreign_keys = ON puts the checks off, but not what ON DELETE does")
			return
		case "defer_foreign_keys":
			if !on && t.mark.violated > 0 {
				t.add(migration.CodeDeferOff, migration.SeverityInfo, at, fmt.Sprintf("forgets the foreign keys that are violated at this point (%d)", t.mark.violated),
					"this is what lets a rebuild of a parent table pass; the rehearsal checks afterwards that no row is left without its parent")
				return
			}
		case "ignore_check_constraints":
			if on {
				t.add(migration.CodeChecksOff, migration.SeverityWarning, at, "lets rows in that violate their table's CHECK", "fix the rows instead; later writes to them will be refused")
				return
			}
		}
	}
}

// isOn reads the value of a PRAGMA as workerd does, which looks at its beginning.
func isOn(value string) bool {
	value = strings.ToLower(strings.Trim(value, `'"`))
	for _, on := range []string{"1", "on", "true", "yes"} {
		if strings.HasPrefix(value, on) {
			return true
		}
	}
	return false
}

// foreignKeys notes what foreign keys did to other tables than the statement names.
func (t *trial) foreignKeys(w work, at place, sql string) {
	_, all := statement.Sweeping(sql)
	for _, c := range t.mark.children {
		live := t.live(c.table)
		now, unchanged := t.counts[fold(c.table)][c.column]
		if !unchanged {
			now, _ = t.integer(t.counting(c.table, c.column)) // a table that is gone has none
		}
		lost := c.count - now
		known, sampled := t.facts.tables[fold(live)]
		certain := w.drops || all
		if lost <= 0 && known.rest && (w.drops || !known.rows.Known || c.count == 0 && !known.rows.More) {
			t.add(migration.CodeNotJudged, migration.SeverityInfo, at, fmt.Sprintf("it may change rows of %s (%s), which refer to %s; on the copy none does", c.table, count(known.rows), w.target), t.witness+" knows")
			continue
		}
		if lost <= 0 && (!sampled || certain || known.rows.Rows == 0 || c.count == 0 && !known.rows.More) {
			continue
		}
		rows := migration.Rowcount{Rows: lost, Known: true}
		if sampled {
			rows = known.rows
		}
		e := t.effect(c.table)
		if lost <= 0 {
			c.count = 0 // the row of the copy is not concerned, so it can't be put back either
		}
		code, severity, what, advice := migration.CodeCascadeDelete, migration.SeverityError, "", ""
		if c.column == "" {
			if !sampled {
				e.cascaded += lost
			}
			what = fmt.Sprintf("deletes %s of %s by ON DELETE CASCADE", upTo(rows, certain || !sampled), c.table)
		} else {
			code = migration.CodeCascadeUpdate
			if !sampled {
				e.nulled += lost
			}
			what = fmt.Sprintf("takes the reference %s from %s of %s", c.column, upTo(rows, certain || !sampled), c.table)
		}
		switch {
		case w.replaces:
			code = migration.CodeReplaceParent
			what = "REPLACE deletes the row of " + w.target + " that is there, and that " + what
			advice = "use INSERT … ON CONFLICT … DO UPDATE, which keeps the row"
		case w.drops:
			what = "dropping " + w.target + " " + what
			advice = "copy the rows of " + c.table + " into another table first and put them back in the same migration, or add columns with ALTER TABLE instead of rebuilding " + w.target + "; no PRAGMA prevents it in D1"
		case len(w.inTrigger) > 0:
			what = "a trigger deletes rows of " + strings.Join(w.inTrigger, ", ") + ", and that " + what
			advice = "drop the trigger for the time of the migration, if the rows are to stay"
			severity = migration.SeverityWarning
		default:
			what = "the rows of " + w.target + " go, and that " + what
			advice = "if they are to stay, move them to another parent first"
			if !all {
				severity = migration.SeverityWarning
			}
		}
		t.losses = append(t.losses, loss{table: c.table, column: c.column, before: c.count, made: live == "",
			hazard: migration.Hazard{Code: code, Severity: severity, File: at.file, Line: at.line, Message: what, Advice: advice}})
	}
}

func upTo(r migration.Rowcount, exact bool) string {
	if exact {
		return count(r)
	}
	return "up to " + count(r)
}

func (t *trial) effect(table string) *effect {
	key := fold(table)
	if t.effects[key] == nil {
		t.effects[key] = &effect{}
	}
	return t.effects[key]
}

// sweeping notes an UPDATE or DELETE of all rows.
func (t *trial) sweeping(w work, at place, sql string) {
	verb, all := statement.Sweeping(sql)
	live := t.live(w.target)
	if !all || live == "" || t.own(w.target) {
		return
	}
	rows := migration.Rowcount{Rows: t.mark.swept, Known: true}
	if f, ok := t.facts.tables[fold(live)]; ok {
		rows = f.rows
	}
	if rows.Known && rows.Rows == 0 {
		return
	}
	if verb == "DELETE" {
		t.losses = append(t.losses, loss{table: w.target, before: t.mark.swept,
			hazard: migration.Hazard{Code: migration.CodeDeleteAll, Severity: migration.SeverityError, File: at.file, Line: at.line,
				Message: fmt.Sprintf("deletes all rows of %s (%s)", w.target, count(rows)), Advice: "say with WHERE which rows are meant"}})
		return
	}
	for _, column := range w.updates {
		if t.liveColumn(live, column) {
			t.add(migration.CodeUpdateAll, migration.SeverityWarning, at, fmt.Sprintf("sets %s in all rows of %s (%s)", column, w.target, count(rows)), "say with WHERE which rows are meant")
			return
		}
	}
}

// unseen says of a statement about a table of which the copy has one row what that does not show.
func (t *trial) unseen(w work, at place) {
	if t.facts.complete || !w.writes || w.drops || w.schema {
		return
	}
	tables := slices.Collect(maps.Keys(t.alone(w).looks))
	for inner, read := range t.alone(w).through {
		if n, err := t.integer("SELECT count(*) FROM sqlite_schema WHERE type = 'view' AND lower(name) = lower(?)", inner); err == nil && n > 0 {
			tables = append(tables, read...)
		}
	}
	slices.Sort(tables)
	for _, table := range append(tables, w.target) {
		live := t.live(table)
		f := t.facts.tables[fold(live)]
		if live == "" || !f.rest || w.actsOn(table) && fold(table) != fold(w.target) {
			continue
		}
		ran := "ran on one row of " + table + ", which has " + count(f.rows)
		if !f.rows.Known {
			ran = "ran without the rows of " + table
		}
		switch {
		case fold(table) != fold(w.target), !w.replaces && (len(w.updates) > 0 || w.deletes):
			t.add(migration.CodeNotJudged, migration.SeverityInfo, at, ran, t.witness+" knows")
			return
		case w.replaces, !f.rows.Known:
		case t.doubted(at.file + " seeds " + table):
		case t.hasKey(table):
			t.add(migration.CodeNotJudged, migration.SeverityInfo, at, fmt.Sprintf("inserts into %s, which has %s: whether one of them has the same key was not looked at", table, count(f.rows)), t.witness+" knows")
			return
		}
	}
}

// hasKey reports whether a table has values that no two rows may share.
func (t *trial) hasKey(table string) bool {
	n, err := t.integer(`SELECT (SELECT count(*) FROM pragma_index_list(?1) WHERE "unique") + (SELECT count(*) FROM pragma_table_info(?1) WHERE pk > 0)`, table)
	return err != nil || n > 0
}

// liveColumn reports whether a table of the live database has a column, which has that name now.
func (t *trial) liveColumn(table, column string) bool {
	return containsName(t.liveColumns[fold(table)], column)
}

// conditional reads CREATE … IF NOT EXISTS.
func conditional(sql string) (kind, name string, ok bool) {
	tokens := statement.Tokens(sql)
	if len(tokens) == 0 || !isWord(tokens[0], "create") {
		return "", "", false
	}
	for i := range min(len(tokens)-3, 5) {
		if !isWord(tokens[i], "if") || !isWord(tokens[i+1], "not") || !isWord(tokens[i+2], "exists") {
			continue
		}
		kind, name = fold(tokens[i-1].Text), tokens[i+3].Text
		if len(tokens) > i+5 && isSymbol(tokens[i+4], ".") {
			name = tokens[i+5].Text
		}
		return kind, name, true
	}
	return "", "", false
}

// noEffect looks at a CREATE … IF NOT EXISTS that found something of that name.
func (t *trial) noEffect(kind, name string, at place, sql string) error {
	rows, err := t.look.Query("SELECT type, sql FROM sqlite_schema WHERE lower(name) = lower(?) AND sql IS NOT NULL", name)
	if err != nil || len(rows.Values) == 0 {
		return err
	}
	there, _ := rows.Values[0][0].(string)
	stored, _ := rows.Values[0][1].(string)
	if there != kind || !sameDefinition(t.ctx, kind, stored, sql) {
		t.add(migration.CodeNoEffect, migration.SeverityWarning, at, fmt.Sprintf("does nothing: there is a %s %s already, with another definition", there, name),
			"leave IF NOT EXISTS out, so that it fails where it can't do what it says; to change the "+kind+" use ALTER, or drop and create it")
	}
	return nil
}

// sameDefinition reports whether a CREATE says what the object with the stored definition is.
func sameDefinition(ctx context.Context, kind, stored, create string) bool {
	if kind == "view" || kind == "trigger" {
		return sameBody(readBody(kind, stored), readBody(kind, create), func(string) bool { return true })
	}
	if kind != "table" || sqlite.IsVirtual(stored) {
		return slices.Equal(withoutCondition(stored), withoutCondition(create))
	}
	var models [2]model
	for i, sql := range []string{stored, create} {
		var err error
		if models[i], err = built(ctx, migration.Schema{{Type: kind, Name: "", SQL: sql}}, nil); err != nil {
			return false
		}
	}
	differences, _ := models[0].diff(models[1])
	return len(differences) == 0
}

// withoutCondition are the words of a CREATE but for IF NOT EXISTS, which is not stored.
func withoutCondition(sql string) []string {
	list := statement.Normalize(canonical(sql))
	for i := range min(len(list), 6) {
		if len(list) > i+2 && slices.Equal(list[i:i+3], []string{"if", "not", "exists"}) {
			return slices.Delete(list, i, i+3)
		}
	}
	return list
}

// indexed looks at a new index.
func (t *trial) indexed(w work, at place) {
	live := t.live(w.target)
	f := t.facts.tables[fold(live)]
	if live == "" || !f.rest {
		return
	}
	if n, err := t.integer(`SELECT "unique" FROM pragma_index_list(?) WHERE name = ?`, w.target, w.index); err == nil && n == 1 {
		t.add(migration.CodeUniqueUnproven, migration.SeverityInfo, at, fmt.Sprintf("%s is unique, and whether the rows of %s are (%s) was not looked at", w.index, w.target, count(f.rows)),
			t.witness+" knows; if two rows share a value the run is refused, and nothing is written")
	}
}

// limits looks for what D1 documents and this engine does not enforce, or only when rows are there.
func (t *trial) limits(events []sqlite.Event, w work, at place, sql string) {
	if t.mark.arguments {
		t.add(migration.CodeFunctionArguments, migration.SeverityWarning, at, fmt.Sprintf("a function has more than the %d arguments that D1 documents as the most", sqlite.RemoteArguments), "call it twice and join what it gives")
	}
	if w.likes && !w.alters {
		t.patterns(sql, at)
	}
	if slices.ContainsFunc(events, func(e sqlite.Event) bool { return e.Action == sqlite.CreateTrig }) {
		if _, changed := statement.Canonical(sql); changed {
			t.add(migration.CodeTriggerTransport, migration.SeverityInfo, at, "D1's query endpoint may refuse the trigger as it is written; it is sent in an equal text that it takes",
				"nothing to do here; wrangler d1 migrations apply may fail with it (incomplete input)")
		}
	}
}

// maxPattern is the most that D1 takes as a pattern of LIKE and GLOB, in bytes.
const maxPattern = 50

// patterns looks in the program that SQLite made of a statement for patterns that are too long:
// LIKE itself only says so when there is a row.
func (t *trial) patterns(sql string, at place) {
	rows, err := t.look.Query("EXPLAIN " + sql)
	if err != nil {
		return
	}
	var program [][]any
	for i, v := range rows.Values {
		program = append(program, v)
		if i+1 < len(rows.Values) && rows.Values[i+1][0] != int64(0) {
			continue
		}
		if n := longestPattern(program); n > maxPattern { // and behind it comes that of a trigger
			t.add(migration.CodeLikePattern, migration.SeverityError, at, fmt.Sprintf("a pattern of LIKE or GLOB has %d bytes, and D1 takes %d: it is refused as soon as there is a row", n, maxPattern),
				"compare with substr() or instr(), or use FTS5")
			return
		}
		program = nil
	}
}

// longestPattern returns the length of the longest text that a program hands to LIKE or GLOB as a
// pattern, which is the first argument of the two functions.
func longestPattern(program [][]any) (longest int) {
	texts := map[any]int{} // by register
	for _, v := range program {
		if op := v[1]; op == "String8" || op == "String" {
			text, _ := v[5].(string)
			texts[v[3]] = len(text)
		}
	}
	for _, v := range program {
		name, _ := v[5].(string)
		if strings.HasPrefix(name, "like(") || strings.HasPrefix(name, "glob(") {
			longest = max(longest, texts[v[3]])
		}
	}
	return longest
}

// many is from how many rows on a rewrite is worth a word.
const many = 50_000

// Rows that D1 may write in a second, where nothing was measured.
const assumedRate = 50_000

// requestLimit is how many seconds D1 gives the query endpoint for one request.
const requestLimit = 30

// slower is how much longer a statement is assumed to take in D1 than on the copy.
const slower = 3

// cost estimates how long a statement takes on D1.
func (t *trial) cost(s *sqlite.Trial, w work, at place, sql string) {
	live := t.live(w.target)
	rows := s.Answer.Changes
	if t.facts.complete {
		t.estimate += slower * s.Took.Seconds()
		if w.index != "" || w.alters {
			rows = 0
		}
	} else {
		rows = 0
		source := live
		if w.writes {
			for table := range w.reads {
				if t.rest(table) > t.rest(source) {
					source = table
				}
			}
		}
		_, all := statement.Sweeping(sql)
		if all || w.index != "" || w.drops || w.writes && fold(source) != fold(live) && len(w.updates) == 0 || w.alters && t.mark.dropsColumn {
			rows = t.rest(source)
		}
		t.estimate += float64(rows) / assumedRate
	}
	if rows >= many {
		t.add(migration.CodeLargeRewrite, migration.SeverityWarning, at, fmt.Sprintf("writes about %d rows", rows), "D1 serves nothing else meanwhile: do it in pieces, from a Worker or by several migrations, or when few use it")
	}
}

// rest is about how many rows a table of the live database has.
func (t *trial) rest(table string) int64 {
	if f, ok := t.facts.tables[fold(t.live(table))]; ok {
		return max(f.most, f.rows.Rows)
	}
	return 0
}

func (t *trial) estimated() *migration.Estimate {
	if len(t.timings) == 0 {
		return nil
	}
	e := &migration.Estimate{Seconds: t.estimate, Limit: requestLimit, Assumption: fmt.Sprintf("D1 writes %d rows a second", assumedRate)}
	if t.facts.complete {
		e.Assumption = fmt.Sprintf("D1 takes %d times as long as the copy on this machine", slower)
	}
	if t.imports {
		e.Limit = 0
	}
	return e
}
