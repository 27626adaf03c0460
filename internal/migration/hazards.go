package migration

import (
	"fmt"
	"slices"
	"strings"
)

// Severity says how bad a hazard is.
type Severity string

// The severities. A guard refuses on errors only.
const (
	SeverityInfo    Severity = "info"    // good to know
	SeverityWarning Severity = "warning" // may break the running Worker, or costs more than it seems
	SeverityError   Severity = "error"   // loses data, fails on real data, or breaks what reads them
)

// Hazard is something in a migration that can lose data, fail on real data, or break the
// running Worker.
type Hazard struct {
	Code     string   `json:"code"` // one of Codes
	Severity Severity `json:"severity"`
	File     string   `json:"file"` // the migration
	Line     int      `json:"line"` // 1-based; 0 if it is about the file as a whole
	Message  string   `json:"message"`
	Advice   string   `json:"advice"`            // how to do it safely
	Allowed  string   `json:"allowed,omitempty"` // the reason that the file gives for allowing it: it then stops nothing
	Refuses  bool     `json:"-"`                 // whether the run's policy refuses because of it
}

// The codes of hazards. They are stable: files name them in order to allow a hazard.
const (
	CodeCascadeDelete     = "cascade-delete"      // rows of a child table are deleted by ON DELETE CASCADE
	CodeCascadeUpdate     = "cascade-update"      // rows of a child table lose their reference by SET NULL, SET DEFAULT or ON UPDATE
	CodeReplaceParent     = "replace-parent"      // REPLACE deletes the old row first, and what refers to it
	CodeDropTable         = "drop-table"          // a table goes, with its rows
	CodeDropColumn        = "drop-column"         // a column goes, with its values
	CodeDropView          = "drop-view"           // a view goes that the Worker may read
	CodeRenameTable       = "rename-table"        // the running Worker uses the old name
	CodeRenameColumn      = "rename-column"       // the running Worker uses the old name
	CodeDeleteAll         = "delete-all"          // DELETE without WHERE
	CodeUpdateAll         = "update-all"          // UPDATE without WHERE
	CodeRefused           = "refused"             // D1 refuses a statement: the run fails, and says so itself
	CodeUniqueViolated    = "unique-violated"     // existing rows violate a new unique index
	CodeNotNullViolated   = "not-null-violated"   // existing rows violate a new NOT NULL
	CodeUniqueUnproven    = "unique-unproven"     // a new unique index on rows that the rehearsal did not see
	CodeRebuildLost       = "rebuild-lost"        // a rebuilt table has lost an index, a trigger or a column
	CodeOrphans           = "orphans"             // rows are left whose foreign key leads nowhere
	CodeBrokenView        = "broken-view"         // a view can't be read afterwards
	CodeBrokenTrigger     = "broken-trigger"      // a table with a trigger can't be written afterwards
	CodeBrokenTable       = "broken-table"        // a table can't be written afterwards
	CodeLargeRewrite      = "large-rewrite"       // many rows are written
	CodeTimeLimit         = "time-limit"          // the run may not fit into D1's 30 seconds
	CodeForeignKeysPragma = "foreign-keys-pragma" // PRAGMA foreign_keys does nothing in D1
	CodeDeferOff          = "defer-off"           // PRAGMA defer_foreign_keys = OFF forgets the violations so far
	CodeChecksOff         = "checks-off"          // PRAGMA ignore_check_constraints lets rows in that violate CHECK
	CodeValueSize         = "value-size"          // a row is larger than D1 documents
	CodeFunctionArguments = "function-arguments"  // a function has more arguments than D1 documents
	CodeLikePattern       = "like-pattern"        // a LIKE or GLOB pattern is longer than D1 takes
	CodeNoEffect          = "no-effect"           // IF NOT EXISTS finds another object of that name
	CodeTouchesLedger     = "touches-ledger"      // a migration changes the ledger or the journal
	CodeNotJudged         = "not-judged"          // it depends on rows that the rehearsal did not have
	CodeTriggerTransport  = "trigger-transport"   // a trigger that wrangler could not send
	CodeOpenComment       = "open-comment"        // a comment that nothing ends
	CodeEdited            = "edited"              // an applied migration has changed
	CodeMissing           = "missing"             // an applied migration is gone
	CodeOutOfOrder        = "out-of-order"        // a pending migration is sorted before an applied one
	CodeDuplicateNumber   = "duplicate-number"    // two migrations have one number
	CodeAllowReason       = "allow-reason"        // an allowance without a reason, which allows nothing
	CodeAllowUnknown      = "allow-unknown"       // an allowance of a code that does not exist
	CodeAllowUnused       = "allow-unused"        // an allowance of what is not there
)

// Codes are all codes of hazards.
var Codes = []string{
	CodeCascadeDelete, CodeCascadeUpdate, CodeReplaceParent, CodeDropTable, CodeDropColumn, CodeDropView, CodeRenameTable, CodeRenameColumn,
	CodeDeleteAll, CodeUpdateAll, CodeRefused, CodeUniqueViolated, CodeNotNullViolated, CodeUniqueUnproven, CodeRebuildLost, CodeOrphans,
	CodeBrokenView, CodeBrokenTrigger, CodeBrokenTable, CodeLargeRewrite, CodeTimeLimit, CodeForeignKeysPragma, CodeDeferOff, CodeChecksOff,
	CodeValueSize, CodeFunctionArguments, CodeLikePattern, CodeNoEffect, CodeTouchesLedger, CodeNotJudged, CodeTriggerTransport, CodeOpenComment,
	CodeEdited, CodeMissing, CodeOutOfOrder, CodeDuplicateNumber, CodeAllowReason, CodeAllowUnknown, CodeAllowUnused,
}

// allowance is a comment in a migration that allows one hazard:
//
//	-- d1-rewind:allow drop-table the Worker stopped using it in March
//
// It is about the statement that it stands in or before, or behind on the same line.
type allowance struct {
	code, reason string
	line         int // 1-based
	from, to     int // the lines of its statement; 0 if there is none
}

// covers reports whether a is about h.
func (a allowance) covers(h Hazard) bool {
	return a.code == h.Code && (h.Line == 0 || a.from <= h.Line && h.Line <= a.to)
}

// judged marks the hazards that their files allow, adds what is wrong with allowances, and
// orders all: errors first, then as the files have them.
func judged(hazards []Hazard, plan []Migration) []Hazard {
	var wrong []Hazard
	for _, m := range plan {
		for _, a := range m.allowances {
			used := false
			for i, h := range hazards {
				if h.File == m.Name && a.covers(h) {
					used = true
					if h.Allowed == "" {
						hazards[i].Allowed = a.reason
					}
				}
			}
			one := Hazard{Severity: SeverityWarning, File: m.Name, Line: a.line}
			switch {
			case !slices.Contains(Codes, a.code):
				one.Code, one.Message, one.Advice = CodeAllowUnknown, fmt.Sprintf("d1-rewind:allow names %q, and no hazard is called so", a.code), "name one hazard by its code, each in a comment of its own: "+strings.Join(Codes, ", ")
			case a.reason == "":
				one.Code, one.Message, one.Advice = CodeAllowReason, fmt.Sprintf("d1-rewind:allow %s gives no reason, so it allows nothing", a.code), "say behind the code why it is safe; the report shows it"
			case !used:
				one.Code, one.Severity, one.Message, one.Advice = CodeAllowUnused, SeverityInfo, fmt.Sprintf("d1-rewind:allow %s stands where there is no such hazard", a.code), "remove it, or put it in front of the statement that it is about"
			default:
				continue
			}
			wrong = append(wrong, one)
		}
	}
	hazards = append(hazards, wrong...)
	order := map[string]int{}
	for i, m := range plan {
		order[m.Name] = i + 1
	}
	rank := map[Severity]int{SeverityError: 0, SeverityWarning: 1, SeverityInfo: 2}
	slices.SortStableFunc(hazards, func(a, b Hazard) int {
		if d := rank[a.Severity] - rank[b.Severity]; d != 0 {
			return d
		}
		if d := order[a.File] - order[b.File]; d != 0 {
			return d
		}
		return a.Line - b.Line
	})
	return hazards
}

// hazards are those that the comparison shows, and the texts of the pending files.
func (c Comparison) hazards() []Hazard {
	var list []Hazard
	add := func(code string, severity Severity, file string, line int, message, advice string) {
		list = append(list, Hazard{Code: code, Severity: severity, File: file, Line: line, Message: message, Advice: advice})
	}
	for _, name := range c.Missing {
		add(CodeMissing, SeverityWarning, name, 0, "applied, but the file is gone", "put the file back; a new environment would never get what it did")
	}
	for _, name := range c.Edited {
		add(CodeEdited, SeverityWarning, name, 0, "edited since it was applied: the database keeps what the old content did", "undo the edit and write a new migration; other environments would get the new content, this one never does")
	}
	for _, name := range c.OutOfOrder {
		add(CodeOutOfOrder, SeverityWarning, name, 0, "pending, but sorted before one that is applied: other environments run it in another order", "give it a number behind the applied ones, as long as no environment has applied it")
	}
	for _, names := range c.Duplicates {
		if pending := slices.ContainsFunc(c.Pending, func(m Migration) bool { return slices.Contains(names, m.Name) }); pending {
			add(CodeDuplicateNumber, SeverityWarning, names[len(names)-1], 0, "has the same number as "+strings.Join(names[:len(names)-1], ", "), "give the one that no environment has applied the next free number")
		}
	}
	for _, m := range c.Pending {
		if m.openComment > 0 {
			add(CodeOpenComment, SeverityWarning, m.Name, m.openComment, "nothing ends the comment that begins here; wrangler would lose the ledger's row in it, and apply the migration again and again",
				"close the comment with */")
		}
	}
	return list
}
