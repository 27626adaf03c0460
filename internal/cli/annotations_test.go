package cli

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/d1-rewind/d1-rewind/internal/github"
	"github.com/d1-rewind/d1-rewind/internal/migration"
	"github.com/d1-rewind/d1-rewind/internal/report"
)

// Hazards stand beside their lines, the worst first, and no more than GitHub shows.
func TestAnnotations(t *testing.T) {
	t.Parallel()
	hazard := func(severity migration.Severity, line int, allowed string) migration.Hazard {
		return migration.Hazard{Code: migration.CodeDropTable, Severity: severity, File: "0002_b.sql", Line: line, Message: "it goes", Advice: "keep it", Allowed: allowed}
	}
	r := report.Report{Command: "status", Directory: "db/migrations", Result: migration.Result{
		Hazards: []migration.Hazard{hazard(migration.SeverityInfo, 1, ""), hazard(migration.SeverityError, 2, "it is meant"), hazard(migration.SeverityWarning, 3, ""), hazard(migration.SeverityError, 4, ""),
			{Code: migration.CodeTimeLimit, Severity: migration.SeverityWarning, Message: "too\x1b[31m long\u202e"}},
		Drift:      migration.Drift{State: "true", Differences: []migration.Change{{Kind: "index", Name: "i", What: "added"}}},
		Comparison: migration.Comparison{HoldEnded: "the hold is over"},
		Rehearsal:  migration.Rehearsal{Ran: true, Gaps: []string{"a table of a module"}},
	}}
	const title, file = "d1-rewind status", "db/migrations/0002_b.sql"
	want := []github.Annotation{
		{Severity: github.Error, File: file, Line: 4, Title: title + ": drop-table", Message: "it goes\nkeep it"},
		{Severity: github.Warning, File: file, Line: 3, Title: title + ": drop-table", Message: "it goes\nkeep it"},
		{Severity: github.Warning, Title: title + ": time-limit", Message: "too\ufffd[31m long\ufffd"},
		{Severity: github.Notice, File: file, Line: 2, Title: title + ": drop-table", Message: "it goes\nallowed: it is meant"},
		{Severity: github.Notice, File: file, Line: 1, Title: title + ": drop-table", Message: "it goes\nkeep it"},
		{Severity: github.Warning, Title: title, Message: "drift: the database is not what the applied migrations produce: index i only in the database"},
		{Severity: github.Warning, Title: title, Message: "the hold is over"},
		{Severity: github.Notice, Title: title, Message: "not rehearsed: a table of a module"},
	}
	if diff := cmp.Diff(want, annotations(r)); diff != "" {
		t.Error(diff)
	}

	r = report.Report{Command: "migrate", Directory: "migrations", Err: &migration.Problem{Kind: migration.Refused, File: "0002_b.sql", Line: 4, Err: errors.New("hazard drop-table: it goes")}}
	for i := range 30 {
		r.Result.Hazards = append(r.Result.Hazards, hazard(migration.SeverityError, 30-i, ""), hazard(migration.SeverityInfo, i, ""))
	}
	counts := map[string]int{}
	for _, a := range annotations(r) {
		counts[fmt.Sprint(a.Severity)]++
		if a.Severity == github.Error && a.Line == 4 && a.Title != "d1-rewind migrate" {
			t.Error("the hazard that is the error is shown twice")
		}
	}
	if diff := cmp.Diff(map[string]int{fmt.Sprint(github.Error): 11, fmt.Sprint(github.Notice): 10}, counts); diff != "" {
		t.Error(diff)
	}
}
