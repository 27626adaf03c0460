package cli_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/d1-rewind/d1-rewind/internal/cli"
	"github.com/d1-rewind/d1-rewind/internal/d1/d1test"
	"github.com/d1-rewind/d1-rewind/internal/github/githubtest"
)

// hub is a cloud whose runs are steps of workflows on GitHub.
type hub struct {
	*cloud
	github *githubtest.Server
	runID  int
}

func newHub(t *testing.T, files map[string]string) *hub {
	t.Helper()
	files[".github/workflows/d1-migrate.yml"] = "on: {workflow_dispatch: {inputs: {release-hold: {type: boolean}}}}\n"
	h := &hub{cloud: newCloud(t, files), github: githubtest.New(), runID: 100}
	h.github.Pulls = []githubtest.Pull{{Number: 7, State: "closed", Base: "main", Merged: true, MergedAt: time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC), MergeSHA: mergeSHA}}
	t.Cleanup(func() {
		h.github.Close()
		if unknown := h.github.Unknown(); len(unknown) > 0 {
			t.Errorf("GitHub does not know %q", unknown)
		}
	})
	return h
}

const (
	mergeSHA = "0123456789abcdef0123456789abcdef01234567"
	headSHA  = "fedcba9876543210fedcba9876543210fedcba98"
)

// event is what starts a workflow.
type event struct{ name, payload string }

var (
	push        = event{"push", `{"ref":"refs/heads/main","commits":[{"id":"` + mergeSHA + `"}]}`}
	pullRequest = event{"pull_request", `{"number":7,"pull_request":{"number":7,"head":{"sha":"` + headSHA + `","repo":{"full_name":"octo/shop"}}}}`}
	fromFork    = event{"pull_request", `{"number":7,"pull_request":{"number":7,"head":{"sha":"` + headSHA + `","repo":{"full_name":"stranger/shop"}}}}`}
	byHand      = event{"workflow_dispatch", `{"inputs":{}}`}
)

// act runs the action: in this process, or where D1_REWIND_TEST_ACTION names a program that
// starts the container as the runner does, by that.
func act(t *testing.T, ctx context.Context, service *d1test.Server, call githubtest.Call) int {
	t.Helper()
	if container := os.Getenv("D1_REWIND_TEST_ACTION"); container != "" {
		call.Env = append(call.Env, "PATH="+os.Getenv("PATH"), "HOME="+os.Getenv("HOME"))
		return githubtest.Command(container)(ctx, call)
	}
	t.Chdir(call.Workspace)
	return cli.Main(ctx, cli.Process{Program: "/d1-rewind", Version: "1.0.0", Stdin: strings.NewReader(""), Stdout: call.Stdout, Stderr: call.Stderr,
		Getenv: call.Getenv, Sleep: noSleep, Now: service.Now})
}

// step is what a step of a workflow leaves behind.
type step struct {
	run
	t       *testing.T
	outputs map[string]string
	summary string
}

// step runs the action as a step of a workflow that e started.
func (h *hub) step(e event, inputs map[string]string, change ...func(env map[string]string)) step {
	h.t.Helper()
	temp := h.t.TempDir()
	commands, events := filepath.Join(temp, "_runner_file_commands"), filepath.Join(temp, "_github_workflow")
	if err := errors.Join(os.Mkdir(commands, 0o755), os.Mkdir(events, 0o755)); err != nil {
		h.t.Fatal(err)
	}
	h.runID++
	workflow := map[string]string{"push": "d1-migrate.yml", "pull_request": "d1-status.yml"}[e.name]
	env := map[string]string{
		"INPUT_API-ADDRESS": h.server.URL, "INPUT_API-TOKEN": h.env["CLOUDFLARE_API_TOKEN"], "INPUT_GITHUB-TOKEN": githubtest.RunnerToken,
		"INPUT_ENVIRONMENT": "production", "INPUT_COMMENT": "auto", "INPUT_RESTORE-WORKFLOW": "d1-restore.yml",
		"GITHUB_ACTIONS": "true", "GITHUB_WORKSPACE": h.dir, "GITHUB_OUTPUT": filepath.Join(commands, "output"), "GITHUB_STEP_SUMMARY": filepath.Join(commands, "summary"),
		"RUNNER_TEMP": temp, "GITHUB_EVENT_NAME": e.name, "GITHUB_EVENT_PATH": filepath.Join(events, "event.json"), "GITHUB_API_URL": h.github.API(), "GITHUB_SERVER_URL": "https://github.com",
		"GITHUB_REPOSITORY": githubtest.Repository, "GITHUB_REF": "refs/heads/main", "GITHUB_SHA": mergeSHA, "GITHUB_ACTOR": "ada",
		"GITHUB_RUN_ID": fmt.Sprint(h.runID), "GITHUB_RUN_ATTEMPT": "1", "GITHUB_WORKFLOW_REF": "octo/shop/.github/workflows/" + workflow + "@refs/heads/main",
	}
	if err := os.WriteFile(env["GITHUB_EVENT_PATH"], []byte(e.payload), 0o600); err != nil {
		h.t.Fatal(err)
	}
	for name, value := range inputs {
		env["INPUT_"+strings.ToUpper(name)] = value
	}
	for _, c := range change {
		c(env)
	}
	var stdout, stderr bytes.Buffer
	call := githubtest.Call{Workspace: h.dir, Stdout: &stdout, Stderr: &stderr}
	for name, value := range env {
		call.Env = append(call.Env, name+"="+value)
	}
	code := act(h.t, h.ctx, h.server, call)
	summary, _ := os.ReadFile(env["GITHUB_STEP_SUMMARY"])
	s := step{t: h.t, run: run{code, stdout.String(), stderr.String()}, outputs: readOutputs(env["GITHUB_OUTPUT"]), summary: string(summary)}
	for _, line := range strings.Split(s.stdout+s.stderr+s.summary, "\n") {
		if strings.Contains(line, "must-not-be-seen") && !strings.HasPrefix(line, "::add-mask::") {
			h.t.Errorf("a token is seen: %s", line)
		}
	}
	return s
}

// comments are what stands on a pull request, without our markers.
func (h *hub) comments(pull int) (texts []string) {
	for _, c := range h.github.On(pull) {
		text, _, _ := strings.Cut(c.Body, "\n<!-- d1-rewind")
		texts = append(texts, text)
	}
	return texts
}

// comment is the only comment on a pull request.
func (h *hub) comment(pull int) string {
	h.t.Helper()
	texts := h.comments(pull)
	if len(texts) != 1 {
		h.t.Fatalf("%d comments on #%d, want 1: %q", len(texts), pull, texts)
	}
	return texts[0]
}

func (h *hub) wantComment(pull int, parts ...string) {
	h.t.Helper()
	text := h.comment(pull)
	for _, part := range parts {
		if !strings.Contains(text, part) {
			h.t.Errorf("the comment lacks %q:\n%s", part, text)
		}
	}
}

// typed are the inputs of a "gh workflow run" command, and the workflow that it starts.
func typed(t *testing.T, command string) (workflow string, inputs map[string]string) {
	t.Helper()
	workflow, repository, _, inputs, err := githubtest.ParseDispatch(strings.Fields(command))
	if err != nil || repository != githubtest.Repository {
		t.Fatalf("%q: %v, %q", command, err, repository)
	}
	return workflow, inputs
}

// TestCommentOfAPullRequest follows one pull request: opened, merged, undone, undone again.
func TestCommentOfAPullRequest(t *testing.T) {
	h := newHub(t, sample())
	mode := func(name string) map[string]string { return map[string]string{"mode": name} }

	s := h.step(pullRequest, mode("status"))
	s.want(t, 0)
	h.wantComment(7, "🟡 <code>production</code> · <code>shop-db</code>: 2 migrations pending, 0 applied", "/blob/"+headSHA+"/migrations/0002_orders.sql")
	first := s.outputs["comment-url"]
	if first == "" || !strings.Contains(s.summary, "2 migrations pending") {
		t.Errorf("comment-url = %q, summary = %q", first, s.summary)
	}
	h.step(pullRequest, mode("status")).want(t, 0)
	if edits := h.github.On(7)[0].Edits; edits != 0 {
		t.Errorf("nothing has changed, and the comment was edited %d times", edits)
	}

	s = h.step(push, mode("migrate"))
	s.want(t, 0)
	rollback := s.outputs["rollback-command"]
	want := "gh workflow run d1-restore.yml --repo octo/shop -f environment=production -f database=shop-db -f bookmark=" + s.outputs["bookmark"] + " -f confirm=shop-db -f worker-version=" + versionOne
	if rollback != want || s.outputs["comment-url"] != first {
		t.Errorf("rollback-command = %q, want %q; comment-url = %q", rollback, want, s.outputs["comment-url"])
	}
	h.wantComment(7, "✅", "2 migrations applied", rollback, "actions/workflows/d1-restore.yml", "npx wrangler d1 time-travel restore", "by ada (push)", "discards every write")
	h.wantRows("SELECT pull_request, commit_sha, actor, run_url FROM d1_rewind_journal", "7|"+mergeSHA+"|ada|https://github.com/octo/shop/actions/runs/103")

	h.step(push, mode("status")).want(t, 0) // the pipeline's last step leaves the way back where it is
	h.wantComment(7, "up to date: 2 applied, nothing pending", "Last change: 2 migrations applied (<code>0001&#95;users.sql</code>", rollback, "actions/runs/103")

	workflow, inputs := typed(t, rollback)
	inputs["mode"] = "restore"
	s = h.step(byHand, inputs)
	s.want(t, 0)
	if workflow != "d1-restore.yml" || s.outputs["comment-url"] != first {
		t.Errorf("%s, comment-url = %q", workflow, s.outputs["comment-url"])
	}
	h.wantComment(7, "⏪", "restored, 2 migrations undone and held", "To undo this restore", s.outputs["rollback-command"], "gh workflow run d1-migrate.yml --repo octo/shop -f release-hold=true")

	held := h.step(push, mode("migrate"))
	held.want(t, 3, "gh workflow run d1-migrate.yml --repo octo/shop -f release-hold=true")
	h.wantComment(7, "⏸️", "2 migrations held, because a restore undid them", "release-hold=true", s.outputs["rollback-command"])

	h.remove(".github/workflows/d1-migrate.yml") // a team that has no such workflow is not sent to it
	h.step(push, mode("migrate")).want(t, 3, "apply both: run migrate with the input release-hold: true")
	if text := h.comment(7); strings.Contains(text, "d1-migrate.yml") {
		t.Errorf("the comment names a workflow that is not there:\n%s", text)
	}

	_, inputs = typed(t, s.outputs["rollback-command"])
	inputs["mode"] = "restore"
	h.step(byHand, inputs).want(t, 0)
	h.wantComment(7, "⏪", "restored", "To undo this restore")
	h.step(push, mode("status")).want(t, 0)
	h.wantComment(7, "up to date: 2 applied, nothing pending")
}

// A restore tells every pull request whose run it undid.
func TestRestoreTellsAllItUndid(t *testing.T) {
	h := newHub(t, sample())
	first := h.step(push, map[string]string{"mode": "migrate"})
	h.github.Change(func() {
		h.github.Pulls = append(h.github.Pulls, githubtest.Pull{Number: 8, Base: "main", Merged: true, MergeSHA: headSHA})
	})
	h.write("migrations/0003_more.sql", "CREATE TABLE more (id INTEGER PRIMARY KEY);")
	h.step(push, map[string]string{"mode": "migrate"}, func(env map[string]string) { env["GITHUB_SHA"] = headSHA })
	s := h.step(byHand, map[string]string{"mode": "restore", "bookmark": first.outputs["bookmark"], "confirm": "shop-db"})
	s.want(t, 0)
	for _, pull := range []int{7, 8} {
		h.wantComment(pull, "restored, 3 migrations undone and held")
	}
	if !strings.Contains(s.outputs["comment-url"], "/pull/8#") {
		t.Errorf("comment-url = %q, want that of the newest", s.outputs["comment-url"])
	}
}

// A queue merges several pull requests with one push.
func TestMergeQueue(t *testing.T) {
	h := newHub(t, sample())
	h.github.Pulls = append(h.github.Pulls, githubtest.Pull{Number: 8, Base: "main", Merged: true, MergeSHA: headSHA})
	queue := event{"push", `{"commits":[{"id":"` + headSHA + `"},{"id":"` + mergeSHA + `"}]}`}
	h.step(queue, map[string]string{"mode": "migrate"}).want(t, 0)
	h.wantComment(7, "2 migrations applied")
	h.wantComment(8, "2 migrations applied")
	s := h.step(byHand, map[string]string{"mode": "restore", "before": "0001_users.sql", "confirm": "shop-db"})
	s.want(t, 0)
	h.wantComment(7, "2 migrations undone and held")
	h.wantComment(8, "2 migrations undone and held")
	h.step(byHand, map[string]string{"mode": "restore", "bookmark": s.outputs["previous-bookmark"], "confirm": "shop-db"}).want(t, 0)
	h.wantComment(8, "restored, 2 migrations applied again", "0002&#95;orders.sql")
	h.wantRows("SELECT pull_request FROM d1_rewind_journal", "7,8")
}

// Pushes that have nothing to do with migrations are not worth a new comment.
func TestNoNews(t *testing.T) {
	h := newHub(t, sample())
	h.run("migrate", "production").want(t, 0)
	s := h.step(push, map[string]string{"mode": "migrate"})
	s.want(t, 0)
	if texts := h.comments(7); len(texts) != 0 || s.outputs["comment-url"] != "" || strings.Contains(s.stdout, "::warning") {
		t.Errorf("comments %q, comment-url %q, log:\n%s", texts, s.outputs["comment-url"], s.stdout)
	}
}

// Nothing that happens to the report happens to the migration.
func TestReportingFails(t *testing.T) {
	reset := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	fault := func(f func(http.ResponseWriter, *http.Request) bool) func(*hub, map[string]string) {
		return func(h *hub, _ map[string]string) { h.github.Fault = f }
	}
	for name, tc := range map[string]struct {
		arrange func(*hub, map[string]string)
		event   event
		want    string // in the warning; "" for none
		told    bool
	}{
		"read_only_token":   {arrange: func(_ *hub, env map[string]string) { env["INPUT_GITHUB-TOKEN"] = githubtest.ReadOnlyToken }, want: "permissions:%0A  contents: read%0A  pull-requests: write"},
		"wrong_token":       {arrange: func(_ *hub, env map[string]string) { env["INPUT_GITHUB-TOKEN"] = "nonsense" }, want: "Bad credentials"},
		"no_token":          {arrange: func(_ *hub, env map[string]string) { delete(env, "INPUT_GITHUB-TOKEN") }, want: "the pull request was not told%3A there is no token for GitHub"},
		"no_pull_request":   {arrange: func(h *hub, _ map[string]string) { h.github.Pulls = nil }, want: "none was merged into main by commit " + mergeSHA},
		"gone_pull_request": {arrange: func(h *hub, env map[string]string) { env["INPUT_PULL-REQUEST"] = "99" }, want: "GitHub answered 404"},
		"github_fails":      {arrange: fault(githubtest.Times(1000, "", http.StatusBadGateway)), want: "GitHub answered 502"},
		"github_hiccups":    {arrange: fault(githubtest.Times(2, "", http.StatusBadGateway)), told: true},
		"comments_fail":     {arrange: fault(githubtest.Times(1000, http.MethodPost, http.StatusBadGateway)), want: "comment on pull request #7: GitHub answered 502"},
		"rate_limited":      {arrange: fault(githubtest.RateLimited(reset)), want: "it may ask again at 2030-01-02T03%3A04%3A05Z"},
		"unreachable":       {arrange: func(h *hub, env map[string]string) { env["GITHUB_API_URL"] = "http://127.0.0.1:1/api/v3" }, want: "connection refused"},
		"address_is_none":   {arrange: func(h *hub, env map[string]string) { env["GITHUB_API_URL"] = "nonsense" }, want: "GITHUB_API_URL is not the address of an API"},
		"no_repository":     {arrange: func(h *hub, env map[string]string) { env["GITHUB_REPOSITORY"] = "" }, want: "GITHUB_REPOSITORY is not owner/name"},
		"event_missing":     {arrange: func(h *hub, env map[string]string) { env["GITHUB_EVENT_PATH"] += ".gone" }, told: true},
		"event_not_json":    {event: event{"push", "<html>"}, told: true},
		"locked":            {arrange: func(h *hub, _ map[string]string) { h.github.Pulls[0].Locked = true }, want: "because issue is locked"},
		"summary_fails":     {arrange: func(h *hub, env map[string]string) { env["GITHUB_STEP_SUMMARY"] = h.dir }, want: "write the job summary", told: true},
		"summary_full": {arrange: func(h *hub, env map[string]string) {
			if err := os.WriteFile(env["GITHUB_STEP_SUMMARY"], bytes.Repeat([]byte("x\n"), 1<<19), 0o644); err != nil {
				h.t.Fatal(err)
			}
		}, told: true},
		"switched_off": {arrange: func(_ *hub, env map[string]string) { env["INPUT_COMMENT"] = "off" }},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHub(t, sample())
			if tc.event.name == "" {
				tc.event = push
			}
			s := h.step(tc.event, map[string]string{"mode": "migrate"}, func(env map[string]string) {
				if tc.arrange != nil {
					tc.arrange(h, env)
				}
			})
			s.want(t, 0, "applied 2 migrations")
			h.wantRows(ledger, "0001_users.sql", "0002_orders.sql")
			warnings := slices.DeleteFunc(strings.Split(s.stdout, "\n"), func(line string) bool {
				return !strings.HasPrefix(line, "::warning") || strings.Contains(line, "not rehearsed")
			})
			switch {
			case tc.want == "" && len(warnings) > 0:
				t.Errorf("warnings: %q", warnings)
			case tc.want != "" && !strings.Contains(strings.ReplaceAll(strings.Join(warnings, "\n"), ":", "%3A"), strings.ReplaceAll(tc.want, ":", "%3A")):
				t.Errorf("warnings = %q, want %q", warnings, tc.want)
			}
			h.github.Change(func() { h.github.Fault = nil })
			told := slices.ContainsFunc(h.comments(7), func(text string) bool { return strings.Contains(text, "2 migrations applied") })
			if told != tc.told {
				t.Errorf("the pull request was told: %v, want %v", told, tc.told)
			}
			if !strings.Contains(s.summary, "2 migrations applied") && name != "summary_fails" && name != "summary_full" {
				t.Errorf("summary = %q", s.summary)
			}
		})
	}
}

// A pull request from a fork has no secrets and may not comment.
func TestFork(t *testing.T) {
	fork := func(env map[string]string) {
		env["INPUT_API-TOKEN"], env["INPUT_GITHUB-TOKEN"] = "", githubtest.ReadOnlyToken
	}
	h := newHub(t, sample())
	s := h.step(fromFork, map[string]string{"mode": "status"}, fork)
	s.want(t, 0, "offline: 2 migrations checked, the database was not asked", "could not be checked", "a pull request from a fork may only read")
	s.wantAnnotations("::notice title=d1-rewind status::the database was not asked")
	if s.outputs["status"] != "offline" || s.outputs["pending"] != "[]" || s.outputs["bookmark"] != "" || s.outputs["database-name"] != "shop-db" {
		t.Errorf("outputs = %q", s.outputs)
	}
	for _, part := range []string{"2 migrations checked, the database was not asked", "tried", "GitHub gives none to pull requests from forks"} {
		if !strings.Contains(s.summary, part) {
			t.Errorf("the summary lacks %q:\n%s", part, s.summary)
		}
	}
	if strings.Contains(s.stdout+s.summary, "real row") {
		t.Errorf("an empty database has no real rows:\n%s", s.summary)
	}
	h.write("migrations/0003_broken.sql", "CREATE TABLE ok (id INTEGER);\n\nCREATE TABLE broken (id INTEGER,);\n")
	s = h.step(fromFork, map[string]string{"mode": "status"}, fork)
	s.want(t, 1, "::error file=migrations/0003_broken.sql", "line=3", "the real one was not asked")
	if s.outputs["status"] != "failed" {
		t.Errorf("status = %q", s.outputs["status"])
	}
	s = h.step(fromFork, map[string]string{"mode": "status", "rehearse": "off"}, fork)
	s.want(t, 0, "the files were read, not tried")
	h.step(fromFork, map[string]string{"mode": "status"}, fork, func(env map[string]string) { env["INPUT_MIGRATIONS-DIR"] = "nowhere" }).want(t, 2, `no migrations directory "nowhere"`)
	s.wantAnnotations("::notice title=d1-rewind status::the database was not asked")
	h.step(push, map[string]string{"mode": "status"}, fork).want(t, 2, "the secret is missing") // nobody's fork
	h.write("migrations/0003_broken.sql", "SELECT 1;")
	h.write("migrations/0003_again.sql", "SELECT 1;")
	s = h.step(fromFork, map[string]string{"mode": "status"}, fork)
	s.want(t, 0)
	s.wantAnnotations("::warning file=migrations/0003_broken.sql", "::notice title=d1-rewind status::the database was not asked")
	if requests := h.server.Requests(); len(requests) != 0 {
		t.Errorf("Cloudflare was asked: %v", requests)
	}
	if texts := h.comments(7); len(texts) != 0 {
		t.Errorf("comments = %q", texts)
	}
}

// wantAnnotations holds the annotations of a step to those that begin so, in any order.
func (s step) wantAnnotations(want ...string) {
	s.t.Helper()
	var got []string
	for line := range strings.Lines(s.stdout) {
		if strings.HasPrefix(line, "::error") || strings.HasPrefix(line, "::warning") || strings.HasPrefix(line, "::notice") {
			got = append(got, line)
		}
	}
	left := slices.Clone(got)
	for _, w := range want {
		i := slices.IndexFunc(left, func(line string) bool { return strings.HasPrefix(line, w) })
		if i < 0 {
			s.t.Errorf("no annotation %q in:\n%s", w, strings.Join(got, ""))
			return
		}
		left = slices.Delete(left, i, i+1)
	}
	if len(left) > 0 {
		s.t.Errorf("annotations that nobody wants:\n%s", strings.Join(left, ""))
	}
}

// A secret that is missing on a branch of the repository is a mistake of the set-up, not a fork.
func TestMissingSecret(t *testing.T) {
	review := event{"pull_request_review", fromFork.payload}
	deleted := event{"pull_request", `{"number":7,"pull_request":{"number":7,"head":{"sha":"` + headSHA + `","repo":null}}}`}
	for name, tc := range map[string]struct {
		event event
		actor string
		code  int
	}{
		"fork":                   {fromFork, "", 0},
		"deleted_fork":           {deleted, "", 0},
		"review_of_a_fork":       {review, "", 0},
		"review_comment_on_fork": {event{"pull_request_review_comment", fromFork.payload}, "", 0},
		"dependabot":             {pullRequest, "dependabot[bot]", 0},
		"push_of_dependabot":     {push, "dependabot[bot]", 0},
		"own_branch":             {pullRequest, "", 2},
		"target":                 {event{"pull_request_target", fromFork.payload}, "", 2},
		"queue":                  {event{"merge_group", `{}`}, "", 2},
		"push":                   {push, "", 2},
		"by_hand":                {byHand, "", 2},
		"unreadable":             {event{"pull_request", `<html>`}, "", 2},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHub(t, sample())
			without := func(env map[string]string) {
				env["INPUT_API-TOKEN"] = ""
				if tc.actor != "" {
					env["GITHUB_ACTOR"] = tc.actor
				}
			}
			s := h.step(tc.event, map[string]string{"mode": "status"}, without)
			s.want(t, tc.code)
			if tc.code != 0 {
				s.want(t, 2, "the input api-token is empty", "does not see", "gh secret set CLOUDFLARE_API_TOKEN for a job without", "gh secret set CLOUDFLARE_API_TOKEN --env NAME for a job with",
					"nothing was contacted or written", "::error")
			} else if s.outputs["status"] != "offline" {
				t.Errorf("status = %q", s.outputs["status"])
			}
			if tc.code == 0 && !strings.HasPrefix(name, "push") {
				h.step(tc.event, map[string]string{"mode": "migrate", "dry-run": "true"}, without).want(t, 2, "GitHub gives no secrets to a run of a fork or of Dependabot", "use mode: status here")
			}
			s = h.step(tc.event, map[string]string{"mode": "status", "offline": "true"}) // with a token
			s.want(t, 0, "(offline is on)")
			if name != "unreadable" { // which leaves nobody to be told
				s.wantAnnotations("::notice title=d1-rewind status::the database was not asked (offline is on)")
			}
			if requests := h.server.Requests(); len(requests) != 0 {
				t.Errorf("Cloudflare was asked: %v", requests)
			}
		})
	}
	t.Run("migrate_offline", func(t *testing.T) {
		h := newHub(t, sample())
		h.step(push, map[string]string{"mode": "migrate", "offline": "true"}).want(t, 2, "offline is no option of migrate")
		if requests := h.server.Requests(); len(requests) != 0 {
			t.Errorf("Cloudflare was asked: %v", requests)
		}
	})
	t.Run("account", func(t *testing.T) {
		h := newHub(t, sample())
		h.write("wrangler.jsonc", `{"d1_databases": [{"binding": "DB", "database_id": "`+h.database.ID+`"}]}`)
		h.step(push, map[string]string{"mode": "migrate"}).want(t, 2, "no account id", "gh variable set CLOUDFLARE_ACCOUNT_ID (", "account-id: ${{ vars.CLOUDFLARE_ACCOUNT_ID }}")
	})
	t.Run("command_line", func(t *testing.T) {
		c := newCloud(t, sample())
		c.run("status", "production", "--offline").want(t, 0, "offline: 2 migrations checked", "(offline is on)")
		c.run("migrate", "production", "--offline").want(t, 2, "--offline is no option of migrate")
		c.run("status", "local", "--offline").want(t, 0, "2 pending")
		if requests := c.server.Requests(); len(requests) != 0 {
			t.Errorf("Cloudflare was asked: %v", requests)
		}
	})
}

// Another job that comments has nothing to do with the comment of this database.
func TestOneCommentForEachDatabase(t *testing.T) {
	h := newHub(t, sample())
	staging := h.server.Create("shop-db-of-staging")
	h.write("wrangler.jsonc", fmt.Sprintf(`{"name": "shop", "account_id": %q, "d1_databases": [{"binding": "DB", "database_name": "shop-db", "database_id": %q}],
  "env": {"staging": {"d1_databases": [{"binding": "DB", "database_name": "shop-db", "database_id": %q}]}}}`, d1test.Account, h.database.ID, staging.ID))
	for range 2 {
		h.step(pullRequest, map[string]string{"mode": "status"}).want(t, 0)
		h.step(pullRequest, map[string]string{"mode": "status", "environment": "staging"}).want(t, 0)
	}
	if n := len(h.comments(7)); n != 2 {
		t.Errorf("%d comments, want 2", n)
	}
	// Another application of the repository, whose database has the same name.
	h.write("wrangler.jsonc", fmt.Sprintf(`{"name": "b", "account_id": %q, "d1_databases": [{"binding": "DB", "database_name": "shop-db", "database_id": %q}]}`, d1test.Account, staging.ID))
	h.step(pullRequest, map[string]string{"mode": "status"}).want(t, 0)
	if n := len(h.comments(7)); n != 3 {
		t.Errorf("%d comments, want 3", n)
	}
}

// A restore that could not hold what it undid is the news that nobody may miss.
func TestNotHeldIsTold(t *testing.T) {
	for name, fault := range map[string]d1test.Fault{
		"not_held": {Status: http.StatusForbidden, Body: `{"success":false,"errors":[{"code":10000,"message":"Authentication error"}]}`},
		"not_read": {Status: http.StatusForbidden, Body: `{"success":false,"errors":[{"code":10000,"message":"Authentication error"}]}`},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHub(t, sample())
			back := h.step(push, map[string]string{"mode": "migrate"}).outputs["bookmark"]
			restored := false
			h.server.SetFault(func(r d1test.Request) *d1test.Fault {
				if strings.Contains(r.Path, "/time_travel/restore") {
					restored = true
				} else if restored && (strings.HasSuffix(r.Path, "/query") || name == "not_read") {
					return &fault
				}
				return nil
			})
			s := h.step(byHand, map[string]string{"mode": "restore", "bookmark": back, "confirm": "shop-db"})
			s.want(t, 1, "restored, NOT held")
			h.wantComment(7, "restored, but not held", "NOT held", s.outputs["rollback-command"])
		})
	}
}

// Everyday errors are not taken for row values.
func TestErrorsAreShown(t *testing.T) {
	for sql, want := range map[string]string{
		"SELECT emial FROM users;":            "no such column: emial",
		"SELECT u.emial FROM users u;":        "no such column: u.emial",
		"SELECT [my col] FROM users;":         "no such column: my col",
		"UPDATE users SET nam = 1;":           "no such column: nam",
		"CREATE INDEX i ON users (nope);":     "nope",
		"ALTER TABLE users DROP COLUMN nope;": "no such column",
		"CREATE TABLE t (a, b, UNIQUE (a, b)); INSERT INTO t VALUES (1, 1), (1, 1);":                                              "UNIQUE constraint failed: t.a, t.b",
		"CREATE TABLE t (a CHECK (a > 0)); INSERT INTO t VALUES (0);":                                                             "CHECK constraint failed: a > 0",
		"CREATE TABLE t (a INTEGER) STRICT; INSERT INTO t VALUES ('x');":                                                          "cannot store TEXT value in INTEGER column t.a",
		"CREATE TABLE t (a NOT NULL); INSERT INTO t VALUES (NULL);":                                                               "NOT NULL constraint failed: t.a",
		"CREATE VIRTUAL TABLE f USING fts5(x); INSERT INTO f(rowid, x) VALUES (1, 'a'); INSERT INTO f(rowid, x) VALUES (1, 'a');": "constraint failed",
		"SELECT json_extract('{}', 'nope');":                                                                                      "bad JSON path: 'nope'",
		"SELECT * FROM nowhere;":                                                                                                  "no such table: nowhere",
	} {
		h := newHub(t, sample())
		h.write("migrations/0003_wrong.sql", sql)
		h.step(push, map[string]string{"mode": "migrate"}).want(t, 1, want)
		h.step(pullRequest, map[string]string{"mode": "status", "environment": "local"}).want(t, 1, want)
	}
}

// What ends a hold has to pass the checks of its pull request: there a hold is shown, and refuses nothing.
func TestHoldOnAPullRequest(t *testing.T) {
	h := newHub(t, sample())
	back := h.step(push, map[string]string{"mode": "migrate"}).outputs["rollback-command"]
	_, inputs := typed(t, back)
	inputs["mode"] = "restore"
	h.step(byHand, inputs).want(t, 0)
	const release = "gh workflow run d1-migrate.yml --repo octo/shop -f release-hold=true"
	h.write("migrations/0003_fix.sql", "CREATE INDEX users_name ON users(name);")

	s := h.step(pullRequest, map[string]string{"mode": "status"})
	s.want(t, 0, "3 pending (2 of them held), 0 applied", "after the merge: "+release, "after the merge migrate refuses")
	if s.outputs["status"] != "pending" || s.outputs["held"] != `["0001_users.sql","0002_orders.sql"]` || s.outputs["pending-count"] != "3" {
		t.Errorf("outputs = %q", s.outputs)
	}
	h.wantComment(7, "3 migrations pending, 2 of them held", "**After the merge, to apply what is held**", release)
	h.step(event{"merge_group", "{}"}, map[string]string{"mode": "status"}).want(t, 0, "2 of them held")
	h.step(push, map[string]string{"mode": "status"}).want(t, 3, "a restore undid 0001_users.sql, 0002_orders.sql")
	h.step(push, map[string]string{"mode": "migrate"}).want(t, 3, "a restore undid 0001_users.sql, 0002_orders.sql")

	// What is held and what is new are rehearsed together, and that decides.
	h.write("migrations/0003_fix.sql", "DROP TABLE orders; DROP TABLE customers;")
	h.step(pullRequest, map[string]string{"mode": "status"}).want(t, 1, "no such table: customers", "0003_fix.sql:1")
	h.write("migrations/0002_orders.sql", "CREATE TABLE orders(id INTEGER PRIMARY KEY); -- changed")
	h.write("migrations/0003_fix.sql", "DROP TABLE orders;")
	h.step(pullRequest, map[string]string{"mode": "status"}).want(t, 0, "the hold is over: 0002_orders.sql has changed")
}

// A hold's command is named where a workflow takes it.
func TestReleaseCommandIsTaken(t *testing.T) {
	for content, taken := range map[string]bool{
		"on:\n  workflow_dispatch:\n    inputs:\n\n      # of a restore\n      release-hold:\n        type: boolean\njobs: {}\n": true,
		"on: {workflow_dispatch: {inputs: {release-hold: {type: boolean}}}}\n":                                                   true,
		"on:\n  push:\n  workflow_dispatch:\njobs:\n  a:\n    steps:\n      - with:\n          release-hold: false\n":            false,
		"# workflow_dispatch: with release-hold: see docs\non: push\n":                                                           false,
		"on: push\n": false,
	} {
		h := newHub(t, sample())
		back := h.step(push, map[string]string{"mode": "migrate"}).outputs["bookmark"]
		h.step(byHand, map[string]string{"mode": "restore", "bookmark": back, "confirm": "shop-db"}).want(t, 0)
		h.write(".github/workflows/d1-migrate.yml", content)
		s := h.step(push, map[string]string{"mode": "migrate"})
		if got := strings.Contains(s.stdout, "gh workflow run d1-migrate.yml --repo octo/shop -f release-hold=true"); got != taken || s.code != 3 {
			t.Errorf("exit %d, named: %v, want %v, for\n%s", s.code, got, taken, content)
		}
	}
	h := newHub(t, sample()) // a link leads nowhere
	h.remove(".github/workflows/d1-migrate.yml")
	if err := os.Symlink("/dev/zero", filepath.Join(h.dir, ".github/workflows/d1-migrate.yml")); err != nil {
		t.Fatal(err)
	}
	h.step(push, map[string]string{"mode": "migrate"}).want(t, 0)
}

// What a step asks for and gets beside a comment.
func TestStep(t *testing.T) {
	h := newHub(t, sample())
	s := h.step(pullRequest, map[string]string{"mode": "", "exit-code": "true"}) // an expression that was empty
	s.want(t, 5, "::error title=d1-rewind status::2 migrations pending")
	h.step(pullRequest, map[string]string{"rehearse": "off"}).want(t, 0, "::notice title=d1-rewind status::not rehearsed: rehearse is off, and what only a rehearsal finds is not looked for; hazards are warnings only")
	if s.outputs["status"] != "pending" {
		t.Errorf("outputs = %q", s.outputs)
	}
	h.step(pullRequest, map[string]string{"restore-workflow": "../x.yml"}).want(t, 2, "restore-workflow can't be")
	if s := h.step(push, map[string]string{"mode": "migrate", "restore-workflow": ".github/workflows/back.yml"}); !strings.HasPrefix(s.outputs["rollback-command"], "gh workflow run back.yml ") {
		t.Errorf("rollback-command = %q", s.outputs["rollback-command"])
	}
	h.step(pullRequest, map[string]string{"mode": "status", "migrations-dir": "nowhere"}).want(t, 2, "name another one with the input migrations-dir")
	h.step(pullRequest, map[string]string{"mode": "status", "environment": "nowhere"}).want(t, 2, "the run did not come as far as a database")
	broken := event{"pull_request", "<html>"}
	h.step(broken, map[string]string{"mode": "status"}).want(t, 0, "the event pull_request does not say which")
	h.step(broken, map[string]string{"mode": "status"}, func(env map[string]string) { env["GITHUB_REF"] = "refs/pull/7/merge" }).want(t, 0)
	s = h.step(push, map[string]string{"mode": "status"}, func(env map[string]string) { env["GITHUB_STEP_SUMMARY"], env["INPUT_GITHUB-TOKEN"] = h.dir, "nonsense" })
	s.want(t, 0, "the report is in the log")
	if r := h.run("version", "--format", "json"); r.json(t)["version"] != "test" {
		t.Errorf("version = %q", r.stdout)
	}
}

// A hold has room for any number of migrations.
func TestHoldOfMany(t *testing.T) {
	files := map[string]string{}
	for i := range 2500 {
		files[fmt.Sprintf("migrations/%04d_%s.sql", i+1, strings.Repeat("long", 20))] = "SELECT 1;"
	}
	workspace(t, files)
	r := d1rewind(nil, "migrate", "--rehearse", "off", "--format", "json")
	r.want(t, 0)
	d1rewind(nil, "restore", "--bookmark", r.json(t)["bookmark"].(string)).want(t, 0, "held from now on")
	held := d1rewind(nil, "status", "--rehearse", "off", "--format", "json")
	if list, _ := held.json(t)["held"].([]any); held.code != 3 || len(list) != 2500 {
		t.Errorf("exit %d, %d held", held.code, len(list))
	}
	c := newCloud(t, files) // whose statements have a limit, and whose import has no parameters
	back := c.run("migrate", "production", "--rehearse", "off", "--format", "json")
	back.want(t, 0)
	c.run("restore", "production", "--bookmark", back.json(t)["bookmark"].(string), "--confirm", "shop-db").want(t, 0, "held from now on")
	if list, _ := c.run("status", "production", "--rehearse", "off", "--format", "json").json(t)["held"].([]any); len(list) != 2500 {
		t.Errorf("%d held", len(list))
	}
}

// A GitHub Enterprise Server is named in the commands; a number that was given is the only
// one that is told.
func TestWhereTheCommandsLead(t *testing.T) {
	h := newHub(t, sample())
	s := h.step(push, map[string]string{"mode": "migrate"}, func(env map[string]string) { env["GITHUB_SERVER_URL"] = "https://git.example.com" })
	if want := "--repo git.example.com/octo/shop "; !strings.Contains(s.outputs["rollback-command"], want) {
		t.Errorf("rollback-command = %q, want %q", s.outputs["rollback-command"], want)
	}
	h.github.Change(func() { h.github.Pulls = append(h.github.Pulls, githubtest.Pull{Number: 9, Base: "main"}) })
	h.step(byHand, map[string]string{"mode": "restore", "bookmark": s.outputs["bookmark"], "confirm": "shop-db", "pull-request": "9"}).want(t, 0)
	h.wantComment(9, "restored, 2 migrations undone and held")
	h.wantComment(7, "2 migrations applied")
}

// silent is a GitHub that takes every request and never answers.
type silent struct{}

func (silent) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// TestSilentGitHub measures on a clock that passes at once how long a run waits.
func TestSilentGitHub(t *testing.T) {
	for name, tc := range map[string]struct {
		event    event
		mode     string
		cancel   time.Duration // after which a signal comes, 0 for none
		code     int
		at, most time.Duration
	}{
		"look_up":                {push, "migrate", 0, 0, 0, 8 * time.Second},
		"look_up_of_a_status":    {push, "status", 0, 0, 0, 8 * time.Second},
		"comment":                {pullRequest, "status", 0, 0, 0, 30 * time.Second},
		"cancelled_in_look_up":   {push, "migrate", time.Second, 130, 0, 3*time.Second + 100*time.Millisecond},
		"cancelled_in_comment":   {pullRequest, "status", 5 * time.Second, 0, 0, 7*time.Second + 100*time.Millisecond},
		"cancelled_before_a_run": {push, "status", time.Nanosecond, 130, 0, 2*time.Second + 100*time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			dir := workspace(t, sample())
			file := filepath.Join(t.TempDir(), "event.json")
			if err := os.WriteFile(file, []byte(tc.event.payload), 0o600); err != nil {
				t.Fatal(err)
			}
			env := map[string]string{"INPUT_MODE": tc.mode, "INPUT_ENVIRONMENT": "local", "INPUT_GITHUB-TOKEN": "t", "GITHUB_ACTIONS": "true", "GITHUB_WORKSPACE": dir,
				"GITHUB_EVENT_NAME": tc.event.name, "GITHUB_EVENT_PATH": file, "GITHUB_REPOSITORY": "octo/shop", "GITHUB_REF": "refs/heads/main", "GITHUB_SHA": mergeSHA}
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancelCause(t.Context())
				defer cancel(nil)
				switch {
				case tc.cancel == time.Nanosecond:
					cancel(&cli.Interrupt{Signal: os.Interrupt})
				case tc.cancel > 0:
					time.AfterFunc(tc.cancel, func() { cancel(&cli.Interrupt{Signal: os.Interrupt}) })
				}
				began := time.Now()
				start(ctx, env, cli.Process{GitHub: silent{}}).want(t, tc.code, "::warning title=d1-rewind::", "in time", "the report is in the job summary")
				if took := time.Since(began); took > tc.most {
					t.Errorf("it took %s, want at most %s", took, tc.most)
				}
				time.Sleep(time.Minute) // whatever is left ends within the bubble
			})
		})
	}
}

// The newest run has the last word, whichever ends last.
func TestNewestRunWins(t *testing.T) {
	h := newHub(t, sample())
	h.step(push, map[string]string{"mode": "migrate"}, func(env map[string]string) { env["GITHUB_RUN_ID"] = "500" }).want(t, 0)
	h.write("migrations/0003_more.sql", "CREATE TABLE more (id INTEGER PRIMARY KEY);")
	s := h.step(pullRequest, map[string]string{"mode": "status"}, func(env map[string]string) { env["GITHUB_RUN_ID"] = "400" })
	s.want(t, 0)
	h.wantComment(7, "2 migrations applied")
	if s.outputs["comment-url"] == "" || !strings.Contains(s.summary, "1 migration pending") {
		t.Errorf("outputs = %q, summary = %q", s.outputs, s.summary)
	}
}

// A step's "run:" comments if it is given the token, as the contract says; a laptop does not.
func TestCommentOfTheCommandLine(t *testing.T) {
	h := newHub(t, sample())
	h.env["GITHUB_TOKEN"] = githubtest.PersonToken
	h.run("status", "production").want(t, 0)
	if requests := h.github.Requests(); len(requests) != 0 {
		t.Errorf("GitHub was asked: %q", requests)
	}
	h.env["GITHUB_API_URL"], h.env["GITHUB_REPOSITORY"] = h.github.API(), githubtest.Repository
	h.run("status", "production", "--pull-request", "7").want(t, 0)
	h.wantComment(7, "2 migrations pending")
	if r := h.run("status", "production", "--pull-request", "8", "--format", "json"); r.code != 0 || !strings.Contains(fmt.Sprint(r.json(t)["warnings"]), "GitHub answered 404") {
		t.Errorf("exit %d\n%s", r.code, r.stdout)
	}
}

// A cancelled job says what it knows within the seconds that it has.
func TestCommentOfACancelledRun(t *testing.T) {
	h := newHub(t, sample())
	ctx, cancel := context.WithCancelCause(t.Context())
	h.ctx = ctx
	h.onceAt("/raw", func() { cancel(&cli.Interrupt{Signal: os.Interrupt}) })
	s := h.step(push, map[string]string{"mode": "migrate"})
	s.want(t, 130)
	h.wantComment(7, "interrupted, nothing was written")
}

// Whoever may only comment on a pull request, or open one, changes no database.
func TestWhoMayWrite(t *testing.T) {
	for name, tc := range map[string]struct {
		event event
		code  int
	}{
		"pull_request":        {pullRequest, 3},
		"target":              {event{"pull_request_target", pullRequest.payload}, 3},
		"review":              {event{"pull_request_review", pullRequest.payload}, 3},
		"review_comment":      {event{"pull_request_review_comment", pullRequest.payload}, 3},
		"comment":             {event{"issue_comment", `{"issue":{"number":7,"pull_request":{}}}`}, 3},
		"comment_on_an_issue": {event{"issue_comment", `{"issue":{"number":9}}`}, 0},
		"run_of_one":          {event{"workflow_run", `{"workflow_run":{"event":"pull_request","head_repository":{"full_name":"octo/shop"}}}`}, 3},
		"run_of_who_knows":    {event{"workflow_run", `<html>`}, 3},
		"dispatch":            {event{"repository_dispatch", `{"client_payload":{"pull_request":{"number":7}}}`}, 3},
		"dispatch_of_nothing": {event{"repository_dispatch", `{"client_payload":{}}`}, 0},
		"no_event":            {event{"", `{}`}, 3},
		"of_tomorrow":         {event{"of_tomorrow", `{}`}, 3},
		"run_of_a_push":       {event{"workflow_run", `{"workflow_run":{"event":"push","head_repository":{"full_name":"octo/shop"}}}`}, 0},
		"by_hand":             {byHand, 0},
		"schedule":            {event{"schedule", `{}`}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHub(t, sample())
			s := h.step(tc.event, map[string]string{"mode": "migrate"})
			s.want(t, tc.code)
			if tc.code != 0 {
				if requests := h.server.Requests(); len(requests) != 0 {
					t.Errorf("requests: %v", requests)
				}
				h.step(tc.event, map[string]string{"mode": "migrate", "allow-pull-request": "true"}).want(t, 0)
			}
			h.wantRows(ledger, "0001_users.sql", "0002_orders.sql")
		})
	}
}

// The rows of a database are not copied to where the files of a stranger run.
func TestWhoseFilesSeeRows(t *testing.T) {
	for name, tc := range map[string]struct {
		event event
		code  int
	}{
		"own_branch":          {pullRequest, 0},
		"fork":                {fromFork, 3},
		"target_of_a_fork":    {event{"pull_request_target", fromFork.payload}, 3},
		"comment":             {event{"issue_comment", `{"issue":{"number":7,"pull_request":{}}}`}, 3},
		"run_of_a_fork":       {event{"workflow_run", `{"workflow_run":{"event":"pull_request","head_repository":{"full_name":"stranger/shop"}}}`}, 3},
		"deployment":          {event{"deployment_status", `{}`}, 3},
		"push":                {push, 0},
		"comment_on_an_issue": {event{"issue_comment", `{"issue":{"number":9}}`}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHub(t, sample())
			s := h.step(tc.event, map[string]string{"mode": "status", "rehearse": "data"})
			s.want(t, tc.code)
			if tc.code != 0 {
				s.want(t, 3, "copies all rows to the runner", "use rehearse: schema here")
				if requests := h.server.Requests(); len(requests) != 0 {
					t.Errorf("requests: %v", requests)
				}
			}
			h.step(tc.event, map[string]string{"mode": "status", "rehearse": "schema"}).want(t, 0)
		})
	}
}

// Names that someone chose reach neither the log, nor the summary, nor the comment as more
// than text.
func TestUntrustedOnGitHub(t *testing.T) {
	evil := "0003_`<img src=x>`@octo #1 \"::error::x.sql"
	h := newHub(t, sample())
	h.write("migrations/"+evil, "CREATE TABLE more (id INTEGER PRIMARY KEY,\n::set-output name=status::applied);")
	s := h.step(push, map[string]string{"mode": "migrate"})
	s.want(t, 1)
	for what, text := range map[string]string{"summary": s.summary, "comment": h.comment(7)} {
		text, _, _ = strings.Cut(text, "```sql")
		for _, part := range []string{"<img", "@octo", " #1", "`<"} {
			if strings.Contains(text, part) {
				t.Errorf("the %s contains %q:\n%s", what, part, text)
			}
		}
	}
	if diff := cmp.Diff("failed", s.outputs["status"]); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
}

// What a trigger computes from rows stays with those who may see the rows.
func TestRowValuesStay(t *testing.T) {
	files := sample()
	files["migrations/0003_secret.sql"] = `CREATE TABLE secrets (value TEXT); INSERT INTO secrets VALUES ('row-' || 'value');
CREATE TRIGGER reveal BEFORE UPDATE ON secrets BEGIN SELECT RAISE(ABORT, 'it is ' || old.value); END;`
	h := newHub(t, files)
	h.step(push, map[string]string{"mode": "migrate"}).want(t, 0)
	h.write("migrations/0004_reveal.sql", "UPDATE secrets SET value = value;")
	s := h.step(push, map[string]string{"mode": "migrate"})
	s.want(t, 1, "left out here")
	for what, text := range map[string]string{"log": s.stdout + s.stderr, "summary": s.summary, "comment": h.comment(7), "outputs": fmt.Sprint(s.outputs)} {
		if strings.Contains(text, "row-value") {
			t.Errorf("the %s has a row's value:\n%s", what, text)
		}
	}
	h.server.SetFault(func(r d1test.Request) *d1test.Fault { // nor where nothing can be read any more
		if slices.ContainsFunc(h.server.Requests(), func(r d1test.Request) bool { return strings.Contains(r.Body, `"poll"`) }) && strings.HasSuffix(r.Path, "/raw") {
			return &d1test.Fault{Status: http.StatusForbidden, Body: `{"success":false,"errors":[{"code":10000,"message":"Authentication error"}]}`}
		}
		return nil
	})
	s = h.step(push, map[string]string{"mode": "migrate", "transport": "import", "rehearse": "off"})
	s.want(t, 4, "could not be read")
	if strings.Contains(s.stdout+s.summary+h.comment(7), "row-value") {
		t.Errorf("a row's value is seen:\n%s", s.stdout)
	}
	h.server.SetFault(nil)
	h.run("migrate", "production").want(t, 1, "it is row-value") // a terminal
	h.run("migrate", "local").want(t, 1, "it is row-value")
	if r := h.run("migrate", "local", "--format", "markdown"); strings.Contains(r.stdout, "row-value") {
		t.Errorf("Markdown is for others:\n%s", r.stdout)
	}
	h.env["GITHUB_ACTIONS"] = "true" // a step's "run:"
	if r := h.run("migrate", "local"); r.code != 1 || strings.Contains(r.stdout+r.stderr, "row-value") {
		t.Errorf("a log is for others: exit %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	// Words that stand in the files are known to whoever sees them.
	h.write("migrations/0003_secret.sql", strings.Replace(files["migrations/0003_secret.sql"], "'it is ' || old.value", "'it isn''t allowed'", 1))
	h.env = map[string]string{}
	h.run("reset", "local", "--yes").want(t, 1, "it isn't allowed")
	if r := h.run("migrate", "local", "--format", "markdown"); !strings.Contains(r.stdout, "it isn't allowed") {
		t.Errorf("a constant text is left out:\n%s", r.stdout)
	}
}

// Reporting costs a handful of requests, and none of them stands between two of Cloudflare's.
func TestRequestsToGitHub(t *testing.T) {
	h := newHub(t, sample())
	methods := func() (list []string) {
		for _, request := range h.github.Requests() {
			method, address, _ := strings.Cut(request, " ")
			address, _, _ = strings.Cut(address, "?")
			list = append(list, method+" "+address[strings.LastIndex(address, "/")+1:])
		}
		return list
	}
	h.step(push, map[string]string{"mode": "migrate"}).want(t, 0)
	if diff := cmp.Diff([]string{"GET pulls", "GET user", "GET comments", "POST comments", "GET comments"}, methods()); diff != "" {
		t.Errorf("the first comment (-want +got):\n%s", diff)
	}
	h.step(push, map[string]string{"mode": "status"}).want(t, 0)
	if diff := cmp.Diff([]string{"GET pulls", "GET user", "GET comments", "PATCH 1001"}, methods()); diff != "" {
		t.Errorf("an edit (-want +got):\n%s", diff)
	}
	h.step(push, map[string]string{"mode": "status"}).want(t, 0)
	if diff := cmp.Diff([]string{"GET pulls", "GET user", "GET comments"}, methods()); diff != "" {
		t.Errorf("no news (-want +got):\n%s", diff)
	}
}
