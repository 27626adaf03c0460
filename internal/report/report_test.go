package report_test

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/d1-rewind/d1-rewind/internal/migration"
	"github.com/d1-rewind/d1-rewind/internal/report"
)

var update = flag.Bool("update", false, "write the golden files anew")

func files(names ...string) (list []migration.Migration) {
	for _, name := range names {
		m, err := migration.Parse(name, []byte("SELECT 1; SELECT 2"))
		if err != nil {
			panic(err)
		}
		list = append(list, m)
	}
	return list
}

const (
	before = migration.Bookmark("00000001-00000000-e7352547-e3b0c44298fc1c149afbf4c8996fb924")
	undo   = migration.Bookmark("00000002-00000000-e7352547-eef8c40b99e19a574dc108c762bc63df")
	back   = "d1-rewind restore local --bookmark " + string(before)
)

// reports has one report for each state that a user can meet.
func reports() map[string]report.Report {
	r := func(command string, result migration.Result, change ...func(*report.Report)) report.Report {
		result.Bookmark = before
		one := report.Report{Command: command, Environment: "local", DatabaseName: "shop", DatabaseID: "id", Directory: "migrations", Result: result}
		for _, c := range change {
			c(&one)
		}
		return one
	}
	remote := func(r *report.Report) {
		r.Config, r.TokenSource = "wrangler.jsonc", ".env"
		r.Environment, r.Rollback, r.Fallback = "production", back, "npx wrangler d1 time-travel restore shop --bookmark "+string(before)
		r.Until = time.Date(2026, 12, 24, 10, 0, 0, 0, time.UTC)
	}
	evil := "0002_`</code><img src=x>|@team #1\n::error::.sql"
	return map[string]report.Report{
		"up_to_date": r("migrate", migration.Result{Status: migration.UpToDate, Comparison: migration.Comparison{Applied: []string{"0001_a.sql"}}}),
		"applied": r("migrate", migration.Result{Status: migration.Applied, Applied: files("0001_a.sql", "0002_b.sql"), Elapsed: 12 * time.Millisecond,
			Rehearsal: migration.Rehearsal{Ran: true}, Comparison: migration.Comparison{Pending: files("0001_a.sql", "0002_b.sql")}},
			func(r *report.Report) { r.Rollback = back }),
		"pending": r("status", migration.Result{Status: migration.Pending, Rehearsal: migration.Rehearsal{Ran: true},
			Comparison: migration.Comparison{Applied: []string{"0001_a.sql", "0003_c.sql"}, Pending: files("0002_b.sql"), OutOfOrder: []string{"0002_b.sql"},
				Edited: []string{"0001_a.sql"}, Missing: []string{"0000_gone.sql"}, Duplicates: [][]string{{"0003_c.sql", "0003_d.sql"}}}}),
		"dry_run": r("migrate", migration.Result{Status: migration.Pending, DryRun: true, NotRun: files("0001_a.sql"), Comparison: migration.Comparison{Pending: files("0001_a.sql", "0002_b.sql")},
			Rehearsal: migration.Rehearsal{Reason: "rehearse is off"}}),
		"held": r("status", migration.Result{Status: migration.Refusal, Comparison: migration.Comparison{Pending: files("0002_b.sql", "0003_c.sql"), Held: []string{"0002_b.sql"}}},
			func(r *report.Report) {
				r.Err = &migration.Problem{Kind: migration.Refused, Held: true, Err: errors.New("a restore undid 0002_b.sql"), State: "nothing was written", Next: "fix the file, or --release-hold"}
				r.ExitCode = 3
			}),
		"restored": r("restore", migration.Result{Status: migration.Restored, Target: before, PreviousBookmark: undo,
			Undone: []migration.File{{Name: "0002_b.sql"}}, Holding: []migration.File{{Name: "0002_b.sql"}}},
			func(r *report.Report) { r.Rollback = strings.Replace(back, string(before), string(undo), 1) }),
		"applied_remote": r("migrate", migration.Result{Status: migration.Applied, Applied: files("0001_a.sql"), Elapsed: 260 * time.Millisecond, WorkerVersion: "v1",
			Transport: "import (1.5 MB, more than the query endpoint takes)", Comparison: migration.Comparison{Pending: files("0001_a.sql")}}, remote),
		"restored_remote": r("restore", migration.Result{Status: migration.Restored, Target: before, PreviousBookmark: undo, WorkerVersion: "v2", WorkerRolledBack: "v1",
			Undone: []migration.File{{Name: "0002_b.sql"}}, Holding: []migration.File{{Name: "0002_b.sql"}}}, remote),
		"failed": r("migrate", migration.Result{Status: migration.Failure, NotRun: files("0001_a.sql", evil), Comparison: migration.Comparison{Pending: files("0001_a.sql", evil)}},
			func(r *report.Report) {
				r.Err = &migration.Problem{Err: errors.New("statement 1 of 2: near \"`</code>\": syntax error\n::error::forged"), File: evil, Line: 7,
					SQL: "SELECT '\x1b[31m'\n```\nFROM <b>", State: "nothing was written", Next: "fix it"}
				r.ExitCode = 1
			}),
		"info": r("info", migration.Result{}, func(r *report.Report) {
			at := time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)
			r.Info = &migration.Info{Bookmark: before, At: at, Kept: &migration.Kept{Copies: 2, Bytes: 8192, Limit: 4 << 30, Oldest: before, Since: at}}
		}),
		"hazards": r("status", migration.Result{Status: migration.Pending, Hazards: hazards(), Drift: migration.Drift{State: "false", Cosmetic: []migration.Change{{Kind: "table", Name: "users", What: "changed"}}},
			Rehearsal: rehearsed("one"), Comparison: migration.Comparison{Applied: []string{"0001_a.sql"}, Pending: files("0002_orders.sql", "0003_tidy.sql"), Edited: []string{"0001_a.sql"}, OutOfOrder: []string{"0002_orders.sql"}}}),
		"infos": r("migrate", migration.Result{Status: migration.Pending, DryRun: true, NotRun: files("0002_orders.sql"), Comparison: migration.Comparison{Pending: files("0002_orders.sql")}, Hazards: infos(5),
			Rehearsal: migration.Rehearsal{Ran: true, Rows: "all"}}),
		"drift": r("status", migration.Result{Status: migration.UpToDate, Comparison: migration.Comparison{Applied: []string{"0001_a.sql"}}, Drift: different(14)}),
		"drift_unknown": r("status", migration.Result{Status: migration.UpToDate, Comparison: migration.Comparison{Applied: []string{"0001_a.sql"}},
			Drift: migration.Drift{State: "unknown", Reason: "0000_gone.sql is applied, but its file is gone"}}),
		"doctor": r("doctor", migration.Result{}, func(r *report.Report) {
			r.Result.Bookmark = ""
			r.Checks = []report.Check{{Name: "configuration", OK: true, Detail: "fine"}, {Name: "database", Detail: "damaged", Next: "move it away"}}
		}),
	}
}

// hazards has one of each kind.
func hazards() []migration.Hazard {
	return []migration.Hazard{
		{Code: migration.CodeCascadeDelete, Severity: migration.SeverityError, File: "0003_tidy.sql", Line: 4, Message: `DROP TABLE "users" deletes 3,400 rows of "sessions" by ON DELETE CASCADE`,
			Advice: "copy the rows of sessions aside, and put them back in the same migration"},
		{Code: migration.CodeDropTable, Severity: migration.SeverityError, File: "0003_tidy.sql", Line: 4, Message: `the table "users" goes, with its 1,200 rows`, Advice: "take it out of the Worker first",
			Allowed: "the Worker stopped using it in March"},
		{Code: migration.CodeOutOfOrder, Severity: migration.SeverityWarning, File: "0002_orders.sql", Message: "pending, but sorted before one that is applied", Advice: "give it a number behind the applied ones"},
		{Code: migration.CodeEdited, Severity: migration.SeverityWarning, File: "0001_a.sql", Message: "edited since it was applied", Advice: "undo the edit and write a new migration"},
		{Code: migration.CodeTimeLimit, Severity: migration.SeverityWarning, Message: "the run may take 45.2 s"},
		{Code: migration.CodeTriggerTransport, Severity: migration.SeverityInfo, File: "0002_orders.sql", Line: 12, Message: "wrangler could not send this trigger", Advice: "nothing to do here"},
	}
}

func infos(n int) (list []migration.Hazard) {
	for i := range n {
		list = append(list, migration.Hazard{Code: []string{migration.CodeTriggerTransport, migration.CodeAllowUnused}[i/(n-1)], Severity: migration.SeverityInfo, File: "0002_orders.sql", Line: i + 1, Message: "good to know", Advice: "nothing"})
	}
	return list
}

// rehearsed is what a rehearsal of two migrations finds.
func rehearsed(rows string) migration.Rehearsal {
	known := func(n int64) migration.Rowcount { return migration.Rowcount{Rows: n, Known: true} }
	return migration.Rehearsal{Ran: true, Rows: rows, Gaps: []string{`the table "search" is of a module that only D1 has`},
		Tables: []migration.Table{{Name: "users", Before: known(1200)}, {Name: "sessions", Before: known(3400), After: known(0), Cascaded: 3400}, {Name: "profiles", Before: known(12), After: known(12), Nulled: 10, Orphans: 2},
			{Name: "events", Before: migration.Rowcount{Rows: 1000000, Known: true, More: true}, After: known(1000001)}, {Name: "unchanged", Before: known(5), After: known(5)}, {Name: "new", After: known(0)}},
		Changes:  []migration.Change{{Kind: "table", Name: "orders", What: "added"}, {Kind: "column", Name: "name", Table: "users", What: "removed"}, {Kind: "index", Name: "users_email", Table: "users", What: "changed", Detail: "unique before"}},
		Timings:  []migration.Timing{{File: "0002_orders.sql", Line: 1, Took: 2 * time.Millisecond}, {File: "0003_tidy.sql", Line: 4, Took: 1520 * time.Millisecond, Rows: 4600}},
		Estimate: &migration.Estimate{Seconds: 45.2, Limit: 30, Assumption: "1 real row stands for 1,200"}, Picture: pictured}
}

// different is a database that someone has changed by hand.
func different(n int) migration.Drift {
	d := migration.Drift{State: "true", Cosmetic: []migration.Change{{Kind: "view", Name: "v", What: "changed"}}}
	for i := range n {
		d.Differences = append(d.Differences, migration.Change{Kind: "index", Name: fmt.Sprintf("by_hand_%d", i), What: "added", Detail: "by nobody's migration"})
	}
	return d
}

func TestGolden(t *testing.T) {
	t.Parallel()
	for name, r := range reports() {
		golden(t, name+".txt", report.Text(r, false)+report.Error(r, false))
		golden(t, name+".md", report.Markdown(r, 0))
		golden(t, name+".json", string(report.JSON(r)))
	}
	for name, r := range comments() {
		golden(t, "comment_"+name+".md", report.Markdown(r, commentRoom))
	}
	cut := comments()["hazards"]
	cut.Result = large()
	golden(t, "comment_large.md", report.Markdown(cut, 32000))
}

func golden(t *testing.T, name, got string) {
	t.Run(name, func(t *testing.T) {
		t.Parallel()
		file := filepath.Join("testdata", name)
		if *update {
			if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("%s (-want +got; -update writes it anew):\n%s", file, diff)
		}
	})
}

// What files and errors say must not reach a terminal or Markdown as more than text.
func TestUntrusted(t *testing.T) {
	t.Parallel()
	r := reports()["failed"]
	if text := report.Text(r, false) + report.Error(r, false); strings.Contains(text, "\x1b") {
		t.Errorf("an escape sequence reaches the terminal:\n%q", text)
	}
	markdown := report.Markdown(r, 0)
	for _, part := range []string{"<img", "<b>\n\n", "@team", " #1", "\n::error"} {
		outside, _, _ := strings.Cut(markdown, "````") // the fenced statement may say anything
		if strings.Contains(outside, part) {
			t.Errorf("Markdown contains %q:\n%s", part, markdown)
		}
	}
	if coloured := report.Text(reports()["applied"], true); !strings.Contains(coloured, "\x1b[32m") {
		t.Errorf("no colour in %q", coloured)
	}
}

// What is a hazard is no note as well; what is not remains one.
func TestSaidOnce(t *testing.T) {
	t.Parallel()
	c := migration.Comparison{Missing: []string{"0000_gone.sql"}, Edited: []string{"0001_a.sql", "0002_b.sql"}, OutOfOrder: []string{"0003_c.sql"}, Duplicates: [][]string{{"0004_d.sql", "0004_e.sql"}, {"0005_f.sql", "0005_g.sql"}}}
	r := report.Report{Command: "status", Result: migration.Result{Comparison: c}}
	want := []string{"missing: applied, but the file is gone: 0000_gone.sql", "edited since applied (the database keeps the old content): 0001_a.sql, 0002_b.sql",
		"out of order: pending, but sorted before an applied one: 0003_c.sql", "same number: 0004_d.sql, 0004_e.sql", "same number: 0005_f.sql, 0005_g.sql"}
	if diff := cmp.Diff(want, r.Notes()); diff != "" {
		t.Error(diff)
	}
	r.Result.Hazards = []migration.Hazard{{Code: migration.CodeMissing, File: "0000_gone.sql"}, {Code: migration.CodeEdited, File: "0001_a.sql"}, {Code: migration.CodeOutOfOrder, File: "0003_c.sql"},
		{Code: migration.CodeDuplicateNumber, File: "0004_e.sql"}}
	if diff := cmp.Diff([]string{"edited since applied (the database keeps the old content): 0002_b.sql", "same number: 0005_f.sql, 0005_g.sql"}, r.Notes()); diff != "" {
		t.Error(diff)
	}
}

func TestFindingsOutputs(t *testing.T) {
	t.Parallel()
	output := func(r report.Report, name string) string {
		for _, o := range r.Outputs() {
			if o.Name == name {
				return o.Value
			}
		}
		return "no such output"
	}
	r := report.Report{Command: "status", Directory: "packages/api/migrations"}
	if h, d := output(r, "hazards"), output(r, "drift"); h != "[]" || d != "unknown" {
		t.Errorf("without a rehearsal: hazards %s, drift %s", h, d)
	}
	r.Result.Hazards, r.Result.Drift.State = hazards()[1:2], "false"
	want := `[{"code":"drop-table","severity":"error","file":"packages/api/migrations/0003_tidy.sql","line":4,"message":"the table \"users\" goes, with its 1,200 rows","advice":"take it out of the Worker first","allowed":"the Worker stopped using it in March"}]`
	if diff := cmp.Diff(want, output(r, "hazards")); diff != "" || output(r, "drift") != "false" {
		t.Errorf("drift %s, hazards %s", output(r, "drift"), diff)
	}
	r.Result.Rehearsal = migration.Rehearsal{Ran: true, Estimate: &migration.Estimate{Seconds: math.Inf(1)}, Picture: pictured}
	if document := string(report.JSON(r)); strings.Contains(document, "estimate") || !strings.Contains(document, `"diagram": "erDiagram`) {
		t.Errorf("an estimate without end is no number:\n%s", document)
	}
}

func TestHazardsOutputIsBounded(t *testing.T) {
	t.Parallel()
	r := report.Report{Command: "status"}
	for i := range 2000 {
		r.Result.Hazards = append(r.Result.Hazards, migration.Hazard{Code: "drop-table", Severity: migration.SeverityError, File: fmt.Sprintf("%04d.sql", i), Message: strings.Repeat("x", 200)})
	}
	for _, o := range r.Outputs() {
		var list []migration.Hazard
		if o.Name == "hazards" && (len(o.Value) > 128<<10 || json.Unmarshal([]byte(o.Value), &list) != nil || len(list) < 100) {
			t.Errorf("%d hazards in %d bytes", len(list), len(o.Value))
		}
	}
	if text := report.Text(r, false); !strings.Contains(text, "and 1940 more: 1940 drop-table (--format json has them all)") || strings.Count(text, "\n") > 200 {
		t.Errorf("a terminal gets %d lines", strings.Count(text, "\n"))
	}
	r.Run.URL = "https://github.com/octo/shop/actions/runs/1"
	for _, text := range []string{report.Text(r, false), strings.NewReplacer("<code>", "", "</code>", "").Replace(report.Markdown(r, 0))} {
		if !strings.Contains(text, "the step output hazards has the first ") {
			t.Errorf("%.300s does not say what the step output lacks", text)
		}
	}
	long := report.Report{Command: "status", Result: migration.Result{Hazards: []migration.Hazard{{Code: "drop-table", Message: strings.Repeat("x", 200_000)}}}}
	for _, o := range long.Outputs() {
		if o.Name == "hazards" && !strings.Contains(o.Value, "drop-table") {
			t.Errorf("one long hazard is left out: %s", o.Value)
		}
	}
	var document struct{ Hazards []migration.Hazard }
	if err := json.Unmarshal(report.JSON(r), &document); err != nil || len(document.Hazards) != 2000 {
		t.Errorf("JSON has %d hazards: %v", len(document.Hazards), err)
	}
}
