package report_test

import (
	"errors"
	"flag"
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
			Rehearsal: migration.Rehearsal{Reason: "switched off"}}),
		"held": r("status", migration.Result{Status: migration.Refusal, Comparison: migration.Comparison{Pending: files("0002_b.sql", "0003_c.sql"), Held: []string{"0002_b.sql"}}},
			func(r *report.Report) {
				r.Err = &migration.Problem{Kind: migration.Refused, Err: errors.New("a restore undid 0002_b.sql"), State: "nothing was written", Next: "mend the file, or --release-hold"}
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
					SQL: "SELECT '\x1b[31m'\n```\nFROM <b>", State: "nothing was written", Next: "mend it"}
				r.ExitCode = 1
			}),
		"info": r("info", migration.Result{}, func(r *report.Report) {
			at := time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)
			r.Info = &migration.Info{Bookmark: before, At: at, Kept: &migration.Kept{Copies: 2, Bytes: 8192, Limit: 4 << 30, Oldest: before, Since: at}}
		}),
		"doctor": r("doctor", migration.Result{}, func(r *report.Report) {
			r.Result.Bookmark = ""
			r.Checks = []report.Check{{Name: "configuration", OK: true, Detail: "fine"}, {Name: "database", Detail: "damaged", Next: "move it away"}}
		}),
	}
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
