package report_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/d1-rewind/d1-rewind/internal/migration"
	"github.com/d1-rewind/d1-rewind/internal/report"
)

// commentRoom is what GitHub takes, less our marker.
const commentRoom = 65536 - 256

// comments has one report for each state that a pull request's reader can meet.
func comments() map[string]report.Report {
	at := time.Date(2026, 11, 24, 10, 3, 0, 0, time.UTC)
	gh := func(workflow, inputs string) string {
		return "gh workflow run " + workflow + " --repo octo/shop " + inputs
	}
	restore := func(to migration.Bookmark) string {
		return gh("d1-restore.yml", "-f environment=production -f database=shop -f bookmark="+string(to)+" -f confirm=shop")
	}
	r := func(command string, result migration.Result, change ...func(*report.Report)) report.Report {
		one := report.Report{Command: command, Environment: "production", DatabaseName: "shop", DatabaseID: "id", Directory: "migrations", Config: "wrangler.jsonc", Result: result, At: at,
			Release: gh("d1-migrate.yml", "-f release-hold=true"),
			Run: report.Run{Repository: "https://github.com/octo/shop", URL: "https://github.com/octo/shop/actions/runs/42", ID: 42, Actor: "octocat", Event: "push",
				Commit: "0123456789abcdef0123456789abcdef01234567", RestoreWorkflow: "https://github.com/octo/shop/actions/workflows/d1-restore.yml", Tool: "1.0.0"}}
		if one.Result.Bookmark == "" {
			one.Result.Bookmark = before
		}
		for _, c := range change {
			c(&one)
		}
		return one
	}
	back := func(r *report.Report) {
		to := r.Result.Bookmark
		if r.Result.PreviousBookmark != "" {
			to = r.Result.PreviousBookmark
		}
		r.Rollback, r.Until = restore(to), at.Add(migration.Retention)
		r.Fallback = "npx wrangler d1 time-travel restore shop --bookmark " + string(to)
	}
	pullRequest := func(r *report.Report) { r.Run.Event = "pull_request" }
	fails := func(p migration.Problem) func(*report.Report) {
		return func(r *report.Report) { r.Err = &p }
	}
	last := func(kind string) func(*report.Report) {
		return func(r *report.Report) {
			r.Result.Last = &migration.Entry{Kind: kind, At: "2026-11-20T09:00:00Z", Bookmark: undo, Migrations: []migration.File{{Name: "0007_orders.sql"}},
				Origin: migration.Origin{Actor: "ada", RunURL: "https://github.com/octo/shop/actions/runs/7"}}
			r.LastRollback, r.LastUntil = restore(undo), time.Date(2026, 12, 20, 9, 0, 0, 0, time.UTC)
		}
	}
	many := func(n int, name func(int) string) (list []string) {
		for i := range n {
			list = append(list, name(i+1))
		}
		return list
	}
	hostile := func(i int) string {
		return fmt.Sprintf("%04d_`</code><img src=x onerror=alert(1)>|](https://evil.test) @octo/team a@b.co #1 GH-1 $x$ <!-- d1-rewind:v1 -->%s.sql", i, strings.Repeat("x", 150))
	}
	held := migration.Comparison{Applied: []string{"0001_a.sql"}, Pending: files("0007_orders.sql", "0008_mend.sql"), Held: []string{"0007_orders.sql"}}
	return map[string]report.Report{
		"applied": r("migrate", migration.Result{Status: migration.Applied, Applied: files("0007_orders.sql", "0008_index.sql"), Elapsed: 260 * time.Millisecond,
			WorkerVersion: "6f1c9c3e-0000-4000-8000-000000000001", Comparison: migration.Comparison{Pending: files("0007_orders.sql", "0008_index.sql")},
			Rehearsal: migration.Rehearsal{Reason: "this version rehearses on local databases only: migrate local first"}}, back),
		"applied_local": r("migrate", migration.Result{Status: migration.Applied, Applied: files("0001_a.sql"), Rehearsal: migration.Rehearsal{Ran: true}}, func(r *report.Report) {
			r.Environment, r.File, r.Rollback, r.Run.RestoreWorkflow = "local", ".wrangler/state/v3/d1/x.sqlite", "d1-rewind restore local --bookmark "+string(before), ""
		}),
		"applied_many": r("migrate", migration.Result{Status: migration.Applied, Applied: files(many(20, func(i int) string { return fmt.Sprintf("%04d_step.sql", i) })...)}, back),
		"up_to_date":   r("migrate", migration.Result{Status: migration.UpToDate, Comparison: migration.Comparison{Applied: []string{"0007_orders.sql"}}}, last("migrate")),
		"another_run":  r("migrate", migration.Result{Status: migration.UpToDate, Rival: true, Comparison: migration.Comparison{Applied: []string{"0007_orders.sql"}}}, last("migrate")),
		"pending": r("status", migration.Result{Status: migration.Pending, Comparison: migration.Comparison{Applied: []string{"0001_a.sql"}, Pending: files("0008_index.sql"),
			OutOfOrder: []string{"0008_index.sql"}}}, pullRequest, last("migrate")),
		"first": r("status", migration.Result{Status: migration.Pending, Comparison: migration.Comparison{Pending: files("0001_a.sql")}}, pullRequest),
		"held": r("status", migration.Result{Status: migration.Refusal, Comparison: held}, pullRequest, last("restore"),
			fails(migration.Problem{Kind: migration.Refused, Held: true, Err: errors.New("a restore undid 0007_orders.sql, and nothing has changed since: held"), State: "nothing was written",
				Next: "either fix the file (or delete it), or add the fix as a new migration, and apply both: " + gh("d1-migrate.yml", "-f release-hold=true")})),
		"held_until_merge": r("status", migration.Result{Status: migration.Pending, Comparison: held, Rehearsal: migration.Rehearsal{Ran: true, Rows: "one"}}, pullRequest, last("restore"),
			func(r *report.Report) { r.BeforeMerge = true }),
		"failed": r("migrate", migration.Result{Status: migration.Failure, NotRun: files("0007_orders.sql", "0008_index.sql"), Comparison: migration.Comparison{Pending: files("0007_orders.sql", "0008_index.sql")}},
			fails(migration.Problem{Err: errors.New("statement 2 of 2: no such table: main.order"), File: "0008_index.sql", Line: 3, SQL: "CREATE INDEX by_user ON \"order\" (user_id)",
				State: "nothing of this run was applied", Next: "fix the file and run again"})),
		"failed_in_part": r("migrate", migration.Result{Status: migration.Failure, Applied: files("0007_orders.sql"), NotRun: files("0008_index.sql"),
			Comparison: migration.Comparison{Pending: files("0007_orders.sql", "0008_index.sql")}}, back,
			fails(migration.Problem{Err: errors.New("no such table: main.order"), File: "0008_index.sql", Line: 3, State: "applied before that and kept: 0007_orders.sql", Next: "fix the file and run again"})),
		"would_fail": r("status", migration.Result{Status: migration.Failure, Comparison: migration.Comparison{Pending: files("0007_orders.sql", "0008_index.sql")}}, pullRequest,
			fails(migration.Problem{Err: errors.New("no such table: main.order"), File: "0008_index.sql", Line: 3, State: "nothing was written: this happened on a copy, in the rehearsal", Next: "fix the file"})),
		"unknown": r("migrate", migration.Result{Status: migration.Uncertain, NotRun: files("0007_orders.sql"), Unclear: files("0007_orders.sql"), Comparison: migration.Comparison{Pending: files("0007_orders.sql")}}, back,
			fails(migration.Problem{Kind: migration.Unknown, Err: errors.New("the answer was lost, and the database can't be read"), State: "the run may have been committed", Next: "look: d1-rewind status production"})),
		"interrupted": r("migrate", migration.Result{Status: migration.Failure, NotRun: files("0007_orders.sql"), Comparison: migration.Comparison{Pending: files("0007_orders.sql")}},
			fails(migration.Problem{Kind: migration.Stopped, Err: errors.New("interrupted"), State: "nothing was written", Next: "run again to go on"})),
		"refused": r("migrate", migration.Result{Status: migration.Refusal}, pullRequest,
			fails(migration.Problem{Kind: migration.Refused, Err: errors.New("migrate writes to a remote database, and this run belongs to a pull request"), State: "nothing was contacted or written", Next: "use mode: status here"})),
		"no_token": r("status", migration.Result{Status: migration.Failure},
			fails(migration.Problem{Err: errors.New("read the ledger: HTTP 401, code 10000: Authentication error"), State: "nothing was written", Next: "check the token"})),
		"offline": r("status", migration.Result{Status: migration.Offline, Checked: files("0001_a.sql", "0002_b.sql"), Rehearsal: migration.Rehearsal{Ran: true}}, pullRequest, func(r *report.Report) {
			r.Result.Bookmark = ""
			r.Warnings = []string{"the database was not asked: this run has no Cloudflare token"}
		}),
		"restored": r("restore", migration.Result{Status: migration.Restored, Target: before, PreviousBookmark: undo, WorkerVersion: "v2", WorkerRolledBack: "v1",
			Undone: []migration.File{{Name: "0007_orders.sql"}}, Holding: []migration.File{{Name: "0007_orders.sql"}}}, back),
		"undone": r("restore", migration.Result{Status: migration.Restored, Target: before, PreviousBookmark: undo, Redone: []string{"0007_orders.sql"}, Comparison: migration.Comparison{Applied: []string{"0007_orders.sql"}}}, back),
		"not_held": r("restore", migration.Result{Status: migration.Failure, Target: before, PreviousBookmark: undo, Undone: []migration.File{{Name: "0007_orders.sql"}}}, back,
			fails(migration.Problem{Err: errors.New("restored, NOT held: HTTP 503"), State: "the database is back, but the next migrate will apply again what the restore undid", Next: "remove or fix these files"})),
		"restored_further": r("restore", migration.Result{Status: migration.Restored, Target: before, PreviousBookmark: undo, Holding: []migration.File{{Name: "0007_orders.sql"}}}, back),
		"unreadable": r("status", migration.Result{Status: migration.Failure}, pullRequest,
			fails(migration.Problem{Kind: migration.Usage, Err: errors.New("not UTF-8"), File: "0008_index.sql", Line: 2, State: "nothing was written", Next: "fix the file"})),
		"half_way": r("restore", migration.Result{Status: migration.Failure, Target: before, WorkerVersion: "v2", WorkerRolledBack: "v1"},
			fails(migration.Problem{Kind: migration.Stopped, Err: errors.New("interrupted"), State: "the Worker was put back to version v1, the database was not restored: it is as it was before", Next: "run the same restore again"})),
		"recorded": r("baseline", migration.Result{Status: migration.Baselined, Applied: files("0001_a.sql")}),
		"rehearsed": r("status", migration.Result{Status: migration.Pending, Drift: migration.Drift{State: "false"}, Comparison: migration.Comparison{Applied: []string{"0001_a.sql"}, Pending: files("0002_orders.sql")},
			Rehearsal: migration.Rehearsal{Ran: true, Rows: "one", Picture: pictured[:3], Changes: []migration.Change{{Kind: "table", Name: "orders", What: "added"}, {Kind: "column", Name: "display_name", Table: "users", What: "added"}},
				Timings: []migration.Timing{{File: "0002_orders.sql", Line: 1, Took: 2 * time.Millisecond}}, Estimate: &migration.Estimate{Seconds: 0.2, Limit: 30, Assumption: "the rows are counted, and written at 10,000 a second"}}}, pullRequest, last("migrate")),
		"hazards":         r("status", risky(migration.Pending), pullRequest, last("migrate")),
		"hazards_applied": r("migrate", risky(migration.Applied), back),
		"hazards_refused": r("status", risky(migration.Refusal), pullRequest, fails(migration.Problem{Kind: migration.Refused, Hazard: &hazards()[0], File: "0003_tidy.sql", Line: 4, Err: errors.New("hazard cascade-delete: " + hazards()[0].Message),
			State: "nothing was written", Next: "or, if it is meant, say so in front of the statement: -- d1-rewind:allow cascade-delete REASON"})),
		"infos":            r("status", migration.Result{Status: migration.Pending, Hazards: infos(5), Comparison: migration.Comparison{Pending: files("0002_orders.sql")}, Rehearsal: migration.Rehearsal{Ran: true, Rows: "some"}}, pullRequest),
		"drift":            r("status", migration.Result{Status: migration.UpToDate, Drift: different(14), Comparison: migration.Comparison{Applied: []string{"0001_a.sql"}}}, pullRequest),
		"drift_refused":    r("migrate", migration.Result{Status: migration.Refusal, Drift: different(1), NotRun: files("0002_orders.sql")}, fails(migration.Problem{Kind: migration.Refused, Err: errors.New("drift: the database is not what the applied migrations produce"), State: "nothing was written"})),
		"drift_unknown":    r("status", migration.Result{Status: migration.UpToDate, Drift: migration.Drift{State: "unknown", Reason: "0001_a.sql can't be replayed: no such table: x"}, Comparison: migration.Comparison{Applied: []string{"0001_a.sql"}}}, pullRequest),
		"hostile_findings": r("status", poisoned(hostile), pullRequest),
		"hostile": r("migrate", migration.Result{Status: migration.Failure, NotRun: files(hostile(1), hostile(2)), Comparison: migration.Comparison{Pending: files(hostile(1), hostile(2)), Edited: []string{hostile(3)}}},
			fails(migration.Problem{Err: errors.New("near \"" + hostile(4) + "\": syntax error\n\n# Heading\n- [x] done"), File: hostile(2), Line: 1, SQL: "SELECT 1;\n```\n" + hostile(5), State: "nothing of this run was applied", Next: "fix it"}),
			func(r *report.Report) { r.DatabaseName = hostile(6)[:60]; r.Run.Actor = "dependabot[bot]" }),
	}
}

// risky is a run with hazards of all kinds.
func risky(status migration.Status) migration.Result {
	result := migration.Result{Status: status, Hazards: hazards(), Rehearsal: rehearsed("some"), Drift: migration.Drift{State: "false"}}
	result.Comparison = migration.Comparison{Applied: []string{"0001_a.sql"}, Pending: files("0002_orders.sql", "0003_tidy.sql"), Edited: []string{"0001_a.sql"}, OutOfOrder: []string{"0002_orders.sql"}}
	result.Hazards[0].Refuses = status == migration.Refusal
	if status == migration.Applied {
		result.Applied = result.Comparison.Pending
	}
	return result
}

// large is more than a comment takes.
func large() migration.Result {
	result := risky(migration.Pending)
	result.Comparison.Pending = nil
	for i := range 200 {
		name := fmt.Sprintf("%04d_%s.sql", i, strings.Repeat("step", 10))
		result.Comparison.Pending = append(result.Comparison.Pending, files(name)...)
		for _, h := range hazards() {
			h.File, h.Line, h.Message = name, i+1, strings.Repeat(h.Message+", ", 5)
			result.Hazards = append(result.Hazards, h)
		}
		known := migration.Rowcount{Rows: int64(i), Known: true}
		table := strings.Repeat("table", 10) + fmt.Sprint(i)
		result.Rehearsal.Tables = append(result.Rehearsal.Tables, migration.Table{Name: table, Before: known, Cascaded: int64(i)})
		result.Rehearsal.Changes = append(result.Rehearsal.Changes, migration.Change{Kind: "table", Name: table, What: "added", Detail: strings.Repeat("detail ", 20)})
		result.Rehearsal.Timings = append(result.Rehearsal.Timings, migration.Timing{File: name, Line: 1, Took: time.Duration(i) * time.Second})
		if i < 25 {
			result.Rehearsal.Picture = append(result.Rehearsal.Picture, migration.Entity{Name: table, What: "added", Attributes: slices.Repeat([]migration.Attribute{{Name: table[:30], Type: "TEXT", What: "added"}}, 10)})
		}
	}
	result.Drift = different(200)
	return result
}

// poisoned has a hostile name wherever a name can be.
func poisoned(name func(int) string) migration.Result {
	n := name(9)
	change := migration.Change{Kind: n, Name: n, Table: n, What: n, Detail: n}
	entities := []migration.Entity{{Name: n, What: n, Attributes: []migration.Attribute{{Name: n, Type: n, What: n}}, References: []migration.Reference{{To: n, Columns: []string{n}, OnDelete: n, What: n}}}}
	result := migration.Result{Status: migration.Pending, Comparison: migration.Comparison{Pending: files(n)}, Drift: migration.Drift{State: "true", Reason: n, Differences: []migration.Change{change}, Cosmetic: []migration.Change{change}},
		Rehearsal: migration.Rehearsal{Ran: true, Rows: "all", Gaps: []string{n}, Tables: []migration.Table{{Name: n, Cascaded: 1}}, Changes: []migration.Change{change},
			Timings: []migration.Timing{{File: n, Line: 1, Took: time.Second}}, Estimate: &migration.Estimate{Seconds: 90, Limit: 30, Assumption: n}, Picture: entities}}
	for _, s := range []migration.Severity{migration.SeverityError, migration.SeverityWarning, migration.SeverityInfo} {
		result.Hazards = append(result.Hazards, migration.Hazard{Code: n, Severity: s, File: n, Line: 1, Message: n, Advice: n}, migration.Hazard{Code: n, Severity: s, File: n, Message: n, Advice: n, Allowed: n})
	}
	return result
}

// However much there is to say, the comment fits, and what someone needs at night is in it.
func TestCommentFits(t *testing.T) {
	t.Parallel()
	all := comments()
	big := all["applied"]
	var names []string
	for i := range 3000 {
		names = append(names, fmt.Sprintf("%04d_%s.sql", i, strings.Repeat("数", 80)))
	}
	big.Result.Applied = files(names...)
	big.Result.Comparison.Edited, big.Result.Comparison.Missing = names, names
	for range 100 {
		big.Warnings = append(big.Warnings, strings.Repeat("@mention ", 200))
	}
	failed := all["failed"]
	failed.Result.NotRun = big.Result.Applied
	failed.Err = &migration.Problem{Err: errors.New(strings.Repeat("<no> ", 20000)), File: names[2000], Line: 3, SQL: strings.Repeat("SELECT `1`;\n", 9000), State: strings.Repeat("_state_ ", 9000), Next: strings.Repeat("*next* ", 9000)}
	for name, r := range map[string]report.Report{"applied": big, "failed": failed} {
		for _, room := range []int{commentRoom, 1<<20 - 1024} {
			text := report.Markdown(r, room)
			if len(text) > room {
				t.Errorf("%s: %d bytes, want at most %d", name, len(text), room)
			}
			for _, must := range []string{"### ", string(before), r.Rollback, "run 42", "more: the log names them all."} {
				if room == commentRoom && !strings.Contains(text, must) {
					t.Errorf("%s in %d bytes lacks %q", name, room, must)
				}
			}
			if open, closed := strings.Count(text, "<details>"), strings.Count(text, "</details>"); open != closed {
				t.Errorf("%s: %d <details>, %d </details>", name, open, closed)
			}
		}
	}
	for _, name := range []string{"hazards", "hazards_applied"} {
		r := all[name]
		found := large()
		r.Result.Hazards, r.Result.Drift, r.Result.Rehearsal, r.Result.Comparison.Pending = found.Hazards, found.Drift, found.Rehearsal, found.Comparison.Pending
		for _, room := range []int{commentRoom, 30000, 12000, 5000} {
			text := report.Markdown(r, room)
			if len(text) > room || !strings.Contains(text, "serious hazards") || !strings.Contains(text, r.Rollback) || !strings.Contains(text, "run 42") {
				t.Errorf("%s: %d bytes in a room of %d lack verdict, way back or footer:\n%.500s", name, len(text), room, text)
			}
		}
	}
	endless := all["applied"]
	endless.Rollback = "gh workflow run " + strings.Repeat("x", 70000)
	if text := report.Markdown(endless, commentRoom); len(text) > commentRoom || !strings.Contains(text, "2 migrations applied") || !strings.Contains(text, "run 42") {
		t.Errorf("a command without end: %d bytes\n%.500s", len(text), text)
	}
	if small := report.Markdown(all["applied"], 1500); !strings.Contains(small, all["applied"].Rollback) || strings.Contains(small, "Worker version") {
		t.Errorf("where room is short, details give way:\n%s", small)
	}
}

// Where room is short, the picture gives way first, and hazards last.
func TestGivesWay(t *testing.T) {
	t.Parallel()
	r := comments()["hazards"]
	order := []string{"```mermaid", "Timings: ", "Schema: ", "| Rows |", "🔵 1 info", "not rehearsed: ", "cascade-delete"}
	last := -1
	for room := len(report.Markdown(r, 0)); room > 1500; room -= 50 {
		text := report.Markdown(r, room)
		gone := 0
		for i, part := range order {
			if !strings.Contains(text, part) {
				gone = i + 1
			}
		}
		for _, part := range order[:gone] {
			if strings.Contains(text, part) {
				t.Errorf("in %d bytes %q is there, and what is worth more is not", room, part)
			}
		}
		if gone < last {
			t.Errorf("in %d bytes more is there than in more room", room)
		}
		last = gone
		if note := "Some details do not fit here"; gone > 0 && len(text)+len(note) < room-60 && !strings.Contains(text, note) {
			t.Errorf("in %d bytes nothing says that something is missing:\n%s", room, text)
		}
	}
	if last < len(order)-1 {
		t.Errorf("only %d parts gave way", last)
	}
}

// The first screen is 25 lines: verdict, what it is about, and the way back.
func TestFirstScreen(t *testing.T) {
	t.Parallel()
	for name, r := range comments() {
		lines := strings.Split(report.Markdown(r, commentRoom), "\n")
		screen := strings.Join(lines[:min(len(lines), 25)], "\n")
		if r.Rollback != "" && !strings.Contains(screen, r.Rollback) {
			t.Errorf("%s: the way back is not on the first screen:\n%s", name, screen)
		}
	}
}

// The journal can hold anything: links lead to runs of the repository, bookmarks that nobody
// can go back to are not offered.
func TestLastChangeIsNotTrusted(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"https://evil.test/", "https://github.com/octo/shop/../../evil", "https://github.com/octo/shop/actions/runs/1?x=y", "javascript:alert(1)",
		"https://github.com/octo/shop/actions/runs/", "https://github.com/octo/shop/actions/runs/1\" onclick=\"x", ""} {
		r := comments()["pending"]
		last := *r.Result.Last
		last.Origin.RunURL, last.Origin.Actor = address, "<b>@ada</b>"
		r.Result.Last = &last
		if text := report.Markdown(r, commentRoom); strings.Contains(text, "<a ") || strings.Contains(text, "<b>") {
			t.Errorf("%q is a link:\n%s", address, text)
		}
	}
	r := comments()["pending"]
	r.LastUntil = r.At.Add(-time.Hour)
	if text := report.Markdown(r, commentRoom); strings.Contains(text, r.LastRollback) {
		t.Errorf("a bookmark that is forgotten is offered:\n%s", text)
	}
}

// The time, the run, the commit and who started it are no news; state and files are.
func TestEssence(t *testing.T) {
	t.Parallel()
	r := comments()["up_to_date"]
	later := r
	later.At, later.Run.ID, later.Run.URL, later.Run.Actor = r.At.Add(72*time.Hour), 43, "https://github.com/octo/shop/actions/runs/43", "ada"
	if report.Essence(r) != report.Essence(later) {
		t.Errorf("a later run of the same state is news:\n%s\n%s", report.Essence(r), report.Essence(later))
	}
	later.Run.Commit = "fedcba9876543210fedcba9876543210fedcba98"
	if report.Essence(r) != report.Essence(later) {
		t.Error("another commit with the same files is news")
	}
	pending := comments()["pending"]
	other, err := migration.Parse("0008_index.sql", []byte("SELECT 3; SELECT 4"))
	if err != nil {
		t.Fatal(err)
	}
	edited := pending
	edited.Result.Comparison.Pending = []migration.Migration{other}
	if report.Essence(pending) == report.Essence(edited) {
		t.Error("a file of other content is no news")
	}
	hazards := comments()["hazards"]
	slower := comments()["hazards"]
	slower.Result.Rehearsal.Timings = []migration.Timing{{File: "0002_orders.sql", Line: 1, Took: time.Hour}}
	slower.Result.Rehearsal.Estimate = &migration.Estimate{Seconds: 31}
	for i, h := range slower.Result.Hazards {
		if h.Code == migration.CodeTimeLimit {
			slower.Result.Hazards[i].Message = "the run may take 46.1 s"
		}
	}
	if report.Essence(hazards) != report.Essence(slower) {
		t.Error("another time on the copy is news")
	}
	if text := report.Markdown(slower, 0); !strings.Contains(text, "46.1 s") {
		t.Error("the essence has changed the report")
	}
	slower.Result.Hazards[0].Allowed = "it is meant"
	if report.Essence(hazards) == report.Essence(slower) {
		t.Error("a hazard that is allowed is no news")
	}
	for name, other := range comments() {
		if name != "up_to_date" && report.Essence(other) == report.Essence(r) {
			t.Errorf("%s has the essence of up_to_date", name)
		}
	}
}
