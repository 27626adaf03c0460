package cli_test

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/d1-rewind/d1-rewind/internal/d1/d1test"
	"github.com/d1-rewind/d1-rewind/internal/github/githubtest"
)

// team is a repository that has copied our workflows, with staging and production on the
// stand-in for Cloudflare and its pull requests on the one for GitHub.
type team struct {
	t      *testing.T
	hub    *githubtest.Server
	cloud  *d1test.Server
	source string // the repository's files
	action string // ours
	tools  string // npm and gh
	ids    map[string]*d1test.Database
	vars   map[string]string
	runs   int

	anywhere bool // a step that names no API gets the stand-in's
}

// oneLine is the change that a team makes to each of the workflows.
var oneLine = regexp.MustCompile(`(?m)^( +(?:- )?uses: (?:&d1-rewind )?)\./$`)

func newTeam(t *testing.T) *team {
	t.Helper()
	own, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	m := &team{action: own, t: t, hub: githubtest.New(), cloud: d1test.New(), tools: t.TempDir(), ids: map[string]*d1test.Database{}, vars: map[string]string{"CLOUDFLARE_ACCOUNT_ID": d1test.Account, "BASE_URL": "https://shop.test"}}
	m.vars["CLOUDFLARE_API_ADDRESS"] = m.cloud.URL
	t.Cleanup(m.hub.Close)
	t.Cleanup(m.cloud.Close)
	files := map[string]string{
		"migrations/0001_users.sql": "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL);\nINSERT INTO users (name) VALUES ('ada');",
		"package.json":              "{}",
	}
	for _, environment := range []string{"staging", "production"} {
		m.ids[environment] = m.cloud.Create("shop-" + environment)
		m.cloud.Deploy("shop-"+environment, versionOne)
	}
	files["wrangler.jsonc"] = fmt.Sprintf(`{"name": "shop", "env": {
  "staging": {"d1_databases": [{"binding": "DB", "database_name": "shop-staging", "database_id": %q}]},
  "production": {"d1_databases": [{"binding": "DB", "database_name": "shop-production", "database_id": %q}]}}}`, m.ids["staging"].ID, m.ids["production"].ID)
	for _, name := range []string{"d1-status.yml", "d1-migrate.yml", "d1-restore.yml"} {
		content := m.own(".github/workflows/" + name)
		if n := len(oneLine.FindAllString(content, -1)); n != 1 {
			t.Fatalf("%s: %d lines to change, want 1", name, n)
		}
		files[".github/workflows/"+name] = oneLine.ReplaceAllString(content, "${1}d1-rewind/d1-rewind@v1")
	}
	m.source = workspace(t, files)
	// npm fails the smoke test of an environment for as long as a file says so, and a deployment
	// is a new version; gh hands its words on.
	m.tool("npm", `if test "$1" = ci && test -e "$TOOLS/postinstall"; then exec sh "$TOOLS/postinstall"; fi
case "$2" in
  deploy:*) test -n "$CLOUDFLARE_API_TOKEN" && echo "${2#deploy:}" >>"$TOOLS/deployed" ;;
  test:smoke:*) test -n "$BASE_URL" && ! test -e "$TOOLS/${2#test:smoke:}-is-broken" ;;
esac`)
	m.tool("gh", `printf '%s\0' "$0" "$@" | sed -z '1s/.*/gh/' >"$TOOLS/words"`)
	return m
}

// own is the content of a file of this repository.
func (m *team) own(name string) string {
	m.t.Helper()
	content, err := os.ReadFile(filepath.Join(m.action, name))
	if err != nil {
		m.t.Fatal(err)
	}
	return string(content)
}

func (m *team) tool(name, script string) {
	m.t.Helper()
	if err := os.WriteFile(filepath.Join(m.tools, name), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
		m.t.Fatal(err)
	}
}

func (m *team) environ() []string {
	return []string{"PATH=" + m.tools + ":" + os.Getenv("PATH"), "HOME=" + m.tools, "TOOLS=" + m.tools}
}

// do runs a workflow, the action being this program.
func (m *team) do(workflow string, run githubtest.Run) githubtest.Results {
	m.t.Helper()
	m.runs++
	run.Repository, run.Source, run.ActionSource, run.Dir = cmp.Or(run.Repository, githubtest.Repository), m.source, m.action, m.t.TempDir()
	run.Secrets = map[string]string{"CLOUDFLARE_API_TOKEN": d1test.Token, "GITHUB_TOKEN": githubtest.RunnerToken}
	run.Vars, run.APIURL, run.RunID, run.Environ = m.vars, m.hub.API(), fmt.Sprint(m.runs), m.environ()
	run.Action = func(ctx context.Context, call githubtest.Call) int {
		if m.anywhere && call.Getenv("INPUT_API-ADDRESS") == "" {
			call.Env = append(call.Env, "INPUT_API-ADDRESS="+m.cloud.URL)
		}
		return act(m.t, ctx, m.cloud, call)
	}
	w, err := githubtest.Load(filepath.Join(m.source, ".github/workflows", workflow))
	if err != nil {
		m.t.Fatal(err)
	}
	results, err := w.Do(m.t.Context(), run)
	if err != nil {
		m.t.Fatalf("%s: %v", workflow, err)
	}
	return results
}

// merge pushes a file that a pull request has added.
func (m *team) merge(pull int, name, content string) githubtest.Results {
	m.t.Helper()
	sha := fmt.Sprintf("%x", sha256.Sum256([]byte{byte(pull)}))[:40]
	m.hub.Change(func() {
		m.hub.Pulls = append(m.hub.Pulls, githubtest.Pull{Number: pull, Base: "main", Merged: true, MergedAt: time.Unix(0, 0), MergeSHA: sha})
	})
	if name != "" {
		m.write("migrations/"+name, content)
	}
	return m.do("d1-migrate.yml", githubtest.Run{Event: "push", SHA: sha, Payload: map[string]any{"commits": []any{map[string]any{"id": sha}}}})
}

func (m *team) write(name, content string) {
	m.t.Helper()
	if err := os.WriteFile(filepath.Join(m.source, name), []byte(content), 0o644); err != nil {
		m.t.Fatal(err)
	}
}

// paste gives a command to a shell, where a stand-in for gh takes it, and runs what it starts.
func (m *team) paste(command string) githubtest.Results {
	m.t.Helper()
	shell := exec.CommandContext(m.t.Context(), "bash", "-c", command)
	shell.Env = m.environ()
	if out, err := shell.CombinedOutput(); err != nil {
		m.t.Fatalf("%s: %v\n%s", command, err, out)
	}
	words, err := os.ReadFile(filepath.Join(m.tools, "words"))
	if err != nil {
		m.t.Fatal(err)
	}
	workflow, repository, _, inputs, err := githubtest.ParseDispatch(strings.Split(strings.TrimSuffix(string(words), "\x00"), "\x00"))
	if err != nil || cmp.Or(repository, githubtest.Repository) != githubtest.Repository { // without a name it is that of the clone
		m.t.Fatalf("%s: %v (repository %q)", command, err, repository)
	}
	return m.do(workflow, githubtest.Run{Inputs: inputs})
}

func (m *team) breaks(environment string, broken bool) {
	m.t.Helper()
	file := filepath.Join(m.tools, environment+"-is-broken")
	err := os.WriteFile(file, nil, 0o644)
	if !broken {
		err = os.Remove(file)
	}
	if err != nil {
		m.t.Fatal(err)
	}
}

// comment is what stands on a pull request about an environment.
func (m *team) comment(pull int, environment string) string {
	m.t.Helper()
	for _, c := range m.hub.On(pull) {
		if strings.Contains(c.Body, "<code>"+environment+"</code>") {
			return c.Body
		}
	}
	m.t.Fatalf("no comment on #%d about %s", pull, environment)
	return ""
}

// shown is the command of a workflow that a text shows in a code block, to be pasted.
func shown(t *testing.T, text, workflow string) string {
	t.Helper()
	found := regexp.MustCompile("(?m)^gh workflow run " + regexp.QuoteMeta(workflow) + " .*$").FindString(text)
	if found == "" {
		t.Fatalf("no command that starts %s in:\n%s", workflow, text)
	}
	return found
}

func (m *team) want(results githubtest.Results, job, conclusion string, parts ...string) githubtest.Result {
	m.t.Helper()
	r := results.Job(job)
	if r == nil || r.Conclusion != conclusion {
		m.t.Fatalf("job %s: %+v, want %s", job, r, conclusion)
	}
	text := ""
	for _, s := range r.Steps {
		text += s.Log + s.Summary
	}
	for _, part := range parts {
		if !strings.Contains(text, part) {
			m.t.Errorf("job %s does not say %q:\n%s", job, part, text)
		}
	}
	return *r
}

// TestNight is the drill: a migration that hurts production is taken back with the command
// that its run left, and the next one goes through with nothing typed but what was said.
func TestNight(t *testing.T) {
	m := newTeam(t)
	if results := m.merge(1, "", ""); results.Conclusion() != githubtest.Success {
		t.Fatalf("the first run: %+v", results)
	}
	if diff := m.ids["production"].Rows("SELECT name FROM users"); len(diff) != 1 {
		t.Fatalf("production has %q", diff)
	}

	m.breaks("production", true)
	m.write("migrations/0002_orders.sql", "CREATE TABLE orders (id INTEGER PRIMARY KEY, buyer INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE);\nCREATE INDEX orders_buyer ON orders (buyer);\n")
	results := m.merge(2, "0003_tidy_users.sql", "DELETE FROM users WHERE id NOT IN (SELECT buyer FROM orders);\n")
	m.want(results, "staging", githubtest.Success)
	night := m.want(results, "production", githubtest.Failure, "to go back:")
	rollback := night.Outputs["rollback-command"]
	if rollback == "" || night.Outputs["bookmark"] == "" || rollback != shown(t, m.comment(2, "production"), "d1-restore.yml") {
		t.Fatalf("outputs %q, comment:\n%s", night.Outputs, m.comment(2, "production"))
	}
	if file := os.Getenv("D1_REWIND_TEST_COMMENT"); file != "" { // to be looked at in a browser
		if err := os.WriteFile(file, []byte(m.comment(2, "production")), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	m.cloud.Deploy("shop-production", versionTwo) // what the failed deployment left

	back := m.paste(rollback)
	for _, results := range []githubtest.Results{results, back} { // who waits for an approval keeps no queue, and has no secrets
		gate := m.want(results, "approval of production", githubtest.Success)
		if gate.Environment != "production-approval" || len(gate.Concurrency) > 0 || len(gate.Permissions) > 0 {
			t.Errorf("the gate: environment %q, queues %v, permissions %v", gate.Environment, gate.Concurrency, gate.Permissions)
		}
	}
	restored := m.want(back, "restore", githubtest.Success, "To undo this restore")
	if restored.Environment != "production" || restored.Concurrency[0].Group != "d1-production" || restored.Concurrency[0].Queue != "max" {
		t.Errorf("the restore ran as %q in %v", restored.Environment, restored.Concurrency)
	}
	if rows := m.ids["production"].Rows("SELECT name FROM users"); len(rows) != 1 {
		t.Errorf("production has %q", rows)
	}
	if !strings.Contains(m.comment(2, "production"), "the Worker was put back to version "+versionOne) {
		t.Errorf("the Worker was not put back:\n%s", m.comment(2, "production"))
	}
	undo := shown(t, m.comment(2, "production"), "d1-restore.yml")
	if undo != restored.Outputs["undo-command"] {
		t.Errorf("the comment says %q, the output %q", undo, restored.Outputs["undo-command"])
	}

	// Someone regrets it, and then regrets that.
	again := m.want(m.paste(undo), "restore", githubtest.Success)
	if rows := m.ids["production"].Rows("SELECT name FROM users"); len(rows) != 0 {
		t.Errorf("after the undo production has %q", rows)
	}
	m.want(m.paste(again.Outputs["undo-command"]), "restore", githubtest.Success)

	m.breaks("production", false)
	fixed := m.merge(3, "0004_back.sql", "INSERT INTO users (name) SELECT 'ada' WHERE NOT EXISTS (SELECT 1 FROM users);")
	m.want(fixed, "production", githubtest.Failure, "held", "release-hold=true")
	release := shown(t, m.comment(3, "production"), "d1-migrate.yml")
	m.want(m.paste(release), "production", githubtest.Success)
	if told := m.comment(2, "production"); !strings.Contains(told, "3 migrations applied") {
		t.Errorf("the pull request whose migrations were held is told:\n%s", told)
	}
	for name, database := range m.ids {
		if rows := database.Rows("SELECT (SELECT count(*) FROM d1_migrations) || ' ' || name FROM users"); len(rows) != 1 || rows[0] != "4 ada" {
			t.Errorf("%s has %q", name, rows)
		}
	}
	if results := m.merge(4, "", ""); results.Conclusion() != githubtest.Success {
		t.Errorf("the next push: %+v", results)
	}
}

// TestBadDay is the README's: a pull request rebuilds a parent table, as schema tools write it, and is
// merged although its status is red. Neither environment loses a row, whatever is started.
func TestBadDay(t *testing.T) {
	m := newTeam(t)
	m.write("migrations/0001_users.sql", `CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT);
CREATE TABLE orders (id INTEGER PRIMARY KEY, user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE, total INTEGER);
INSERT INTO users VALUES (1, 'a@example.com'), (2, 'b@example.com');
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1800) INSERT INTO orders SELECT i, 1 + i % 2, i FROM n;`)
	if results := m.merge(1, "", ""); results.Conclusion() != githubtest.Success {
		t.Fatalf("the first run: %+v", results)
	}
	keeps := func(when string) {
		t.Helper()
		for name, database := range m.ids {
			if rows := database.Rows("SELECT (SELECT count(*) FROM orders) || ' ' || (SELECT count(*) FROM users)"); rows[0] != "1800 2" {
				t.Errorf("%s, %s has %q", when, name, rows)
			}
		}
	}
	const loses, line = "deletes 1800 rows of orders by ON DELETE CASCADE", "0002_email.sql:3"
	m.write("migrations/0002_email.sql", `CREATE TABLE users_new (id INTEGER PRIMARY KEY, email TEXT NOT NULL);
INSERT INTO users_new SELECT id, email FROM users;
DROP TABLE users;
ALTER TABLE users_new RENAME TO users;`)
	m.hub.Pulls = append(m.hub.Pulls, githubtest.Pull{Number: 2, Base: "main"})
	status := m.do("d1-status.yml", githubtest.Run{Event: "pull_request", Changed: []string{"migrations/0002_email.sql"},
		Payload: map[string]any{"action": "opened", "number": 2, "pull_request": map[string]any{"number": 2, "head": map[string]any{"sha": headSHA, "repo": map[string]any{"full_name": githubtest.Repository}}}}})
	for _, environment := range []string{"staging", "production"} {
		m.want(status, "status of "+environment, githubtest.Failure, "::error file=migrations/0002_email.sql,line=3", loses)
		if text := m.comment(2, environment); !strings.Contains(text, "1 hazard, refused: nothing was written") || !strings.Contains(text, loses) {
			t.Errorf("comment:\n%s", text)
		}
	}

	merged := m.merge(3, "", "")
	m.want(merged, "staging", githubtest.Failure, line, loses)
	m.want(merged, "production", githubtest.Skipped)
	keeps("after the merge")

	// By hand, with the step that only looks left out.
	m.want(m.do("d1-migrate.yml", githubtest.Run{Inputs: map[string]string{"release-hold": "true"}}), "staging", githubtest.Failure, line, loses)
	m.write(".github/workflows/one-line.yml", `on: workflow_dispatch
jobs:
  migrate:
    uses: d1-rewind/d1-rewind/.github/workflows/d1.yml@v1
    with: { environment: production, mode: migrate }
    secrets: { CLOUDFLARE_API_TOKEN: "${{ secrets.CLOUDFLARE_API_TOKEN }}" }
    permissions: { contents: read, pull-requests: write }
`)
	if results := m.do("one-line.yml", githubtest.Run{}); results.Conclusion() != githubtest.Failure {
		t.Errorf("d1.yml: %+v", results)
	}
	keeps("at the end")
}

// TestHostileDependency lets a package's install script write a migration, say where the token goes,
// and listen there. It runs after the migrations, and what runs after it does not listen to it.
func TestHostileDependency(t *testing.T) {
	m := newTeam(t)
	evil := d1test.New()
	t.Cleanup(evil.Close)
	if err := os.WriteFile(filepath.Join(m.tools, "postinstall"), []byte(`set -eu
echo 'CREATE TABLE stolen (x);' >migrations/0099_stolen.sql
for name in CLOUDFLARE_API_BASE_URL INPUT_API-ADDRESS GITHUB_API_URL HTTP_PROXY; do
  echo "$name=`+evil.URL+`" >>"$GITHUB_ENV"
done
echo "SSL_CERT_FILE=$PWD/evil.pem" >>"$GITHUB_ENV"
touch "$TOOLS/was-run"
`), 0o644); err != nil {
		t.Fatal(err)
	}
	m.vars["D1_RESTORE_ON_FAILURE"] = "true"
	if results := m.merge(1, "", ""); results.Conclusion() != githubtest.Success {
		t.Fatalf("%+v", results)
	}
	m.breaks("production", true) // so that a step that writes comes after the script
	m.want(m.merge(2, "0002_orders.sql", "CREATE TABLE orders (id INTEGER PRIMARY KEY);"), "production", githubtest.Failure, "restored to")
	if _, err := os.Stat(filepath.Join(m.tools, "was-run")); err != nil {
		t.Error("the script was not run: the test proves nothing")
	}
	for name, database := range m.ids {
		if rows := database.Rows("SELECT name FROM sqlite_schema WHERE name = 'stolen' UNION ALL SELECT name FROM d1_migrations WHERE name LIKE '%stolen%'"); len(rows) > 0 {
			t.Errorf("%s has %q", name, rows)
		}
	}
	if requests := evil.Requests(); len(requests) > 0 {
		t.Errorf("the listener got %v", requests)
	}
}

// Restoring by itself discards what was written since, so that someone has to want it.
func TestRestoresByItselfOnlyIfWanted(t *testing.T) {
	for wanted, count := range map[string]string{"": "0", "true": "1"} {
		t.Run("wanted_"+wanted, func(t *testing.T) {
			m := newTeam(t)
			m.merge(1, "", "")
			if wanted != "" {
				m.vars["D1_RESTORE_ON_FAILURE"] = wanted
			}
			m.breaks("production", true)
			m.want(m.merge(2, "0002_tidy.sql", "-- d1-rewind:allow delete-all they sign up again\nDELETE FROM users;"), "production", githubtest.Failure)
			if rows := m.ids["production"].Rows("SELECT count(*) FROM users"); rows[0] != count {
				t.Errorf("production has %q users, want %s", rows, count)
			}
			if wanted != "" && !strings.Contains(m.comment(2, "production"), "restored, 1 migration undone and held") {
				t.Errorf("comment:\n%s", m.comment(2, "production"))
			}
		})
	}
}

// TestStatusWorkflow plays a pull request of a colleague, and one from a fork.
func TestStatusWorkflow(t *testing.T) {
	m := newTeam(t)
	m.hub.Pulls = []githubtest.Pull{{Number: 5, Base: "main"}}
	payload := func(repository string) map[string]any {
		return map[string]any{"action": "opened", "number": 5, "pull_request": map[string]any{"number": 5, "head": map[string]any{"sha": headSHA, "repo": map[string]any{"full_name": repository}}, "base": map[string]any{"ref": "main"}}}
	}
	run := githubtest.Run{Event: "pull_request", Changed: []string{"migrations/0001_users.sql"}, Payload: payload(githubtest.Repository)}
	results := m.do("d1-status.yml", run)
	for _, environment := range []string{"staging", "production"} {
		r := m.want(results, "status of "+environment, githubtest.Success, "1 pending")
		if r.Permissions["pull-requests"] != "write" || r.Permissions["contents"] != "read" || len(r.Permissions) != 2 {
			t.Errorf("permissions %v", r.Permissions)
		}
		if !strings.Contains(m.comment(5, environment), "1 migration pending") {
			t.Errorf("comment:\n%s", m.comment(5, environment))
		}
	}
	for name, database := range m.ids {
		if tables := database.Rows("SELECT name FROM sqlite_schema"); len(tables) != 0 {
			t.Errorf("a status has written to %s: %q", name, tables)
		}
	}
	w, err := githubtest.Load(filepath.Join(m.source, ".github/workflows/d1-status.yml"))
	if err != nil {
		t.Fatal(err)
	}
	run.Changed, run.Dir = []string{"README.md"}, t.TempDir()
	if _, err := w.Do(t.Context(), run); !errors.Is(err, githubtest.ErrNotTriggered) {
		t.Errorf("a pull request without migrations: %v", err)
	}
}

// TestReusableWorkflow is for those who want one line.
func TestReusableWorkflow(t *testing.T) {
	m := newTeam(t)
	m.action = workspace(t, map[string]string{"action.yml": m.own("action.yml"), ".github/workflows/d1.yml": m.own(".github/workflows/d1.yml")})
	m.write(".github/workflows/one-line.yml", `on: workflow_dispatch
jobs:
  migrate:
    uses: d1-rewind/d1-rewind/.github/workflows/d1.yml@v1
    with: { environment: production, mode: migrate, github-environment: production, approval-environment: production-approval }
    secrets: { CLOUDFLARE_API_TOKEN: "${{ secrets.CLOUDFLARE_API_TOKEN }}" }
    permissions: { contents: read, pull-requests: write }
  after:
    needs: migrate
    runs-on: ubuntu-latest
    outputs: { bookmark: "${{ needs.migrate.outputs.bookmark }}" }
    steps:
      - run: test "$STATUS" = applied
        env: { STATUS: "${{ needs.migrate.outputs.status }}" }
`)
	results := m.do("one-line.yml", githubtest.Run{})
	if after := m.want(results, "after", githubtest.Success); after.Outputs["bookmark"] == "" {
		t.Errorf("outputs %q", after.Outputs)
	}
	if rows := m.ids["production"].Rows("SELECT name FROM users"); len(rows) != 1 {
		t.Errorf("production has %q", rows)
	}
}

// TestOwnWorkflows runs the workflows as they stand in this repository: on the example, with
// local databases.
func TestOwnWorkflows(t *testing.T) {
	m := newTeam(t)
	files := map[string]string{"action.yml": m.own("action.yml")}
	for _, name := range []string{".github/workflows/d1-status.yml", ".github/workflows/d1-migrate.yml", ".github/workflows/d1-restore.yml", "examples/worker/wrangler.jsonc",
		"examples/worker/migrations/0001_create_notes.sql", "examples/worker/migrations/0002_index_notes.sql", "examples/worker/migrations/0003_count_notes.sql"} {
		files[name] = m.own(name)
	}
	m.source = workspace(t, files)
	own := githubtest.ActionRepository
	m.want(m.do("d1-status.yml", githubtest.Run{Repository: own, Event: "pull_request", Changed: []string{"examples/worker/migrations/0001_create_notes.sql"},
		Payload: map[string]any{"action": "opened", "number": 5}}), "status of staging", githubtest.Success, "3 pending, 0 applied")
	migrated := m.do("d1-migrate.yml", githubtest.Run{Repository: own, Event: "push"})
	for _, job := range []string{"staging", "production"} {
		if r := m.want(migrated, job, githubtest.Success, "applied 3 migrations", "up to date: 3 applied"); r.Outputs["bookmark"] == "" || r.Step("deploy the Worker").Conclusion != githubtest.Skipped {
			t.Errorf("%s: outputs %q, steps %+v", job, r.Outputs, r.Steps)
		}
	}
	restored := m.do("d1-restore.yml", githubtest.Run{Repository: own, Inputs: map[string]string{"environment": "production", "confirm": "notes-production", "before": "0003_count_notes.sql"}})
	if r := m.want(restored, "restore", githubtest.Success, "undone and held"); r.Outputs["status"] != "restored" {
		t.Errorf("outputs %q", r.Outputs)
	}
	if requests := m.cloud.Requests(); len(requests) != 0 {
		t.Errorf("Cloudflare was asked: %v", requests)
	}
}
