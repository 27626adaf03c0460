package cli_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/d1-rewind/d1-rewind/internal/cli"
	"github.com/d1-rewind/d1-rewind/internal/d1/d1test"
	"github.com/d1-rewind/d1-rewind/internal/github/githubtest"
)

// play runs the commands of a document in the repository of a team: its checkout is the current directory, and its
// environments staging and production have databases on the stand-in for Cloudflare. The moments that documents name
// are real ones there.
type play struct {
	*team
	t        *testing.T
	document *document
	home     string // where the tests run
	env      map[string]string
	clock    atomic.Int64 // Unix seconds
	bookmark string       // the last that a command printed
	stdin    string       // what is typed at the terminal; without it there is nobody to ask
	printed  strings.Builder
}

func newPlay(t *testing.T, d *document) *play {
	t.Helper()
	home, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	return &play{t: t, document: d, home: home, env: map[string]string{}}
}

var (
	anyBookmark = regexp.MustCompile(`\b[0-9a-f]{8}(-[0-9a-f]{8}){2}-[0-9a-f]{32}\b|\bBOOKMARK\b`)
	anyID       = regexp.MustCompile(`\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b`)
	examples    = strings.NewReplacer("--confirm NAME", "--confirm shop-db", "help COMMAND", "help migrate")
	wayBack     = regexp.MustCompile(`bookmark[ =]([0-9a-f-]{52,})`)
)

// repository begins a scene on 24 November 2026 at 9 o'clock: new databases, and files for the named migrations.
func (p *play) repository(migrations ...string) {
	p.t.Helper()
	p.t.Chdir(p.home)
	p.team = newTeam(p.t)
	p.anywhere = true // what documents show is for Cloudflare
	p.at("09:00")
	p.cloud.Now = func() time.Time { return time.Unix(p.clock.Load(), 0) }
	for environment, name := range map[string]string{"staging": "shop-db-staging", "production": "shop-db"} {
		p.ids[environment] = p.cloud.Create(name)
	}
	p.cloud.Deploy("shop", versionOne)
	p.write("wrangler.jsonc", fmt.Sprintf(`{"name": "shop", "d1_databases": [{"binding": "DB"}], "env": {
  "staging": {"d1_databases": [{"binding": "DB", "database_name": "shop-db-staging", "database_id": %q}]},
  "production": {"name": "shop", "d1_databases": [{"binding": "DB", "database_name": "shop-db", "database_id": %q}]}}}`, p.ids["staging"].ID, p.ids["production"].ID))
	if err := os.Remove("migrations/0001_users.sql"); err != nil {
		p.t.Fatal(err)
	}
	for _, name := range migrations {
		p.add(name)
	}
	p.env["CLOUDFLARE_API_BASE_URL"] = p.cloud.URL
}

// signIn is for documents whose reader has done so.
func (p *play) signIn() {
	p.t.Helper()
	p.try(0, "export CLOUDFLARE_API_TOKEN=… CLOUDFLARE_ACCOUNT_ID=…")
}

// add writes a migration that makes the table of its name: 0007_orders.sql makes orders.
func (p *play) add(name string) {
	p.t.Helper()
	p.write("migrations/"+name, fmt.Sprintf("CREATE TABLE %s (id INTEGER PRIMARY KEY, created_at TEXT);\n", strings.TrimSuffix(name[5:], ".sql")))
}

func (p *play) at(clock string) {
	p.t.Helper()
	now, err := time.Parse("2006-01-02 15:04", "2026-11-24 "+clock)
	if err != nil {
		p.t.Fatal(err)
	}
	p.clock.Store(now.Unix())
}

// does runs a command of the document, the next with these words. It has to say what is expected, and to exit as the
// document says, with 0 unless that has "exit code N".
func (p *play) does(command string, says ...string) {
	p.t.Helper()
	for _, c := range p.document.commands {
		if c.text != command || c.played {
			continue
		}
		c.played = true
		want := 0
		if found := regexp.MustCompile(`exit code (\d+)`).FindStringSubmatch(c.comment); found != nil {
			want, _ = strconv.Atoi(found[1])
		}
		p.try(want, command, says...)
		return
	}
	p.t.Errorf("%s does not have %q (so often)", p.document.name, command)
}

// try runs a command line that no document need have. Where documents have an example of what only a run can know,
// it stands for the real one.
func (p *play) try(want int, command string, says ...string) {
	p.t.Helper()
	p.clock.Add(60) // D1 takes 10 restores in 10 minutes
	command = examples.Replace(anyBookmark.ReplaceAllString(command, p.bookmark))
	words := strings.Fields(command)
	if strings.HasPrefix(command, "npx d1-rewind ") { // .ci/example has the packages
		words = words[1:]
	}
	var r run
	switch words[0] {
	case "export":
		known := map[string]string{"CLOUDFLARE_API_TOKEN": d1test.Token, "CLOUDFLARE_ACCOUNT_ID": d1test.Account}
		for _, assignment := range words[1:] {
			name, value, _ := strings.Cut(assignment, "=")
			if known[name] == "" || value != known[name] && strings.Trim(value, ".…") != "" {
				p.t.Errorf("%q: the stand-in has %s=%s", command, name, known[name])
			}
			p.env[name] = known[name]
		}
	case "d1-rewind":
		r = p.rewind(words[1:])
	case "gh":
		r = p.start(anyID.ReplaceAllString(command, versionOne))
	default:
		r = p.shell(command)
	}
	r.want(p.t, want, says...)
	if p.t.Failed() {
		p.t.Fatalf("%s: %s", p.document.name, command)
	}
	output := r.stdout + r.stderr
	p.printed.WriteString(output)
	if found := wayBack.FindAllStringSubmatch(output, -1); found != nil {
		p.bookmark = found[len(found)-1][1]
	}
}

func (p *play) rewind(args []string) run {
	p.t.Helper()
	p.t.Chdir(p.source)
	var stdout, stderr bytes.Buffer
	process := cli.Process{Args: args, Program: "d1-rewind", Version: "test", Stdin: strings.NewReader(""), Stdout: &stdout, Stderr: &stderr,
		Getenv: func(name string) string { return p.env[name] }, Sleep: noSleep, Now: p.cloud.Now}
	if p.stdin != "" && runtime.GOOS == "linux" {
		process.Stdin = typing(p.t, p.stdin)
	} else if p.stdin != "" { // there is no such terminal
		process.Args = append(args, "--yes")
	}
	code := cli.Main(p.t.Context(), process)
	return run{code, stdout.String(), stderr.String()}
}

// typing is a terminal at which someone has typed text: it echoes.
func typing(t *testing.T, text string) *os.File {
	t.Helper()
	terminal, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = terminal.Close() })
	if _, err := terminal.WriteString(text); err != nil {
		t.Fatal(err)
	}
	return terminal
}

// start has GitHub run the workflow that gh is to start.
func (p *play) start(command string) run {
	p.t.Helper()
	results := p.paste(command)
	r := run{}
	if results.Conclusion() != githubtest.Success {
		r.code = 1
	}
	for _, result := range results {
		for _, step := range result.Steps {
			r.stdout += step.Log
		}
	}
	return r
}

// push has GitHub run the whole workflow of the document, which is to migrate production.
func (p *play) push() {
	p.t.Helper()
	i := slices.IndexFunc(p.document.blocks, func(b block) bool { return b.kind == "yaml" && strings.Contains(b.text, "\njobs:") })
	workflow := p.document.blocks[i].text
	if !strings.Contains(workflow, "\non:") { // the README leaves out when
		workflow = "on: push\n" + workflow
	}
	// The reusable workflow checks out the action, which is large.
	p.action = workspace(p.t, map[string]string{"action.yml": p.own("action.yml"), ".github/workflows/d1.yml": p.own(".github/workflows/d1.yml")})
	p.write(".github/workflows/documented.yml", workflow)
	results := p.do("documented.yml", githubtest.Run{Event: "push"})
	if rows := p.ids["production"].Rows(ledger); results.Conclusion() != githubtest.Success || len(rows) == 0 {
		p.t.Errorf("the workflow of %s has migrated %q: %+v", p.document.name, rows, results)
	}
}

// shell runs what is not ours on this machine, in the checkout; GitHub's files are those of this repository.
func (p *play) shell(command string) run {
	p.t.Helper()
	command = strings.ReplaceAll(command, "https://raw.githubusercontent.com/d1-rewind/d1-rewind/v1/", "file://"+p.action+"/")
	var stdout, stderr bytes.Buffer
	shell := exec.CommandContext(p.t.Context(), "bash", "-c", command)
	shell.Dir, shell.Stdout, shell.Stderr = p.source, &stdout, &stderr
	shell.Env = append(p.environ(), "WRANGLER_SEND_METRICS=false", "WRANGLER_HIDE_BANNER=true", "CI=1", "NO_COLOR=1", "GIT_CONFIG_NOSYSTEM=1", "GIT_AUTHOR_NAME=ada", "GIT_AUTHOR_EMAIL=ada@example.com", "GIT_COMMITTER_NAME=ada", "GIT_COMMITTER_EMAIL=ada@example.com")
	for name, value := range p.env {
		shell.Env = append(shell.Env, name+"="+value)
	}
	if err := shell.Run(); err != nil && shell.ProcessState == nil {
		p.t.Fatal(err)
	}
	return run{shell.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// wantPrinted holds what the document shows as printed against what was: line by line, since documents leave some
// out, whatever the ids.
func (p *play) wantPrinted() {
	p.t.Helper()
	ids := regexp.MustCompile(anyBookmark.String() + "|" + anyID.String() + `|\b[0-9a-f]{8}-…`)
	same := func(text string) string { return ids.ReplaceAllString(text, "ID") }
	printed := same(p.printed.String())
	for _, b := range p.document.blocks {
		if b.kind != "" {
			continue
		}
		for i, line := range strings.Split(b.text, "\n") {
			pattern := strings.ReplaceAll(regexp.QuoteMeta(same(line)), "…", ".*")
			if !regexp.MustCompile("(?m)^" + pattern + "$").MatchString(printed) {
				p.t.Errorf("%s:%d: nothing prints %q", p.document.name, b.line+i+1, line)
			}
		}
	}
}

// answers is does with someone at a terminal.
func (p *play) answers(answer, command string, says ...string) {
	p.t.Helper()
	p.stdin = answer + "\n"
	p.does(command, says...)
	p.stdin = ""
}

func (p *play) wantFile(name string) {
	p.t.Helper()
	if info, err := os.Stat(filepath.Join(p.source, name)); err != nil || info.Size() == 0 {
		p.t.Errorf("%s: %v", name, err)
	}
}

func (p *play) wantWorker(version string) {
	p.t.Helper()
	if got := p.cloud.Deployed("shop"); got != version {
		p.t.Errorf("the Worker has version %s, want %s", got, version)
	}
}

func playREADME(p *play) {
	p.repository()
	p.does("d1-rewind help", "d1-rewind create add_users")
	p.does("d1-rewind create add_users", "created migrations/0001_add_users.sql")
	p.does("d1-rewind status", "1 pending, 0 applied")
	p.does("d1-rewind migrate", "applied 1 migration")
	p.does("d1-rewind migrate local:staging", "applied 1 migration")
	p.answers("y", "d1-rewind reset", "applied 1 migration", "to go back:")

	p.does("export CLOUDFLARE_API_TOKEN=…")
	p.does("export CLOUDFLARE_ACCOUNT_ID=…")
	p.does("d1-rewind doctor production", "everything is in order", "token:", "account and database:", "permission D1 Edit:", "clock:")
	p.does("d1-rewind status production", "1 pending, 0 applied")
	p.does("d1-rewind migrate staging", "applied 1 migration")
	p.does("d1-rewind migrate production --backup before.sql", "applied 1 migration")
	p.wantFile("before.sql")

	p.repository("0006_prices.sql")
	p.push()

	p.repository("0006_prices.sql")
	p.try(0, "d1-rewind migrate")
	p.at("10:30")
	p.add("0007_orders.sql")
	p.try(0, "d1-rewind migrate")
	for _, back := range []string{"--bookmark 00000002-00000000-e7352547-a5c66d8846ac5f53c9adfd0e87c8dcb9", "--timestamp 2026-11-24T10:00:00Z", "--before 0007_orders.sql"} {
		p.does("d1-rewind restore "+back, "restored to", "held from now on, until a file changes or --release-hold: 0007_orders.sql\n", "to go back:")
		p.try(3, "d1-rewind status", "held")
		p.try(0, "d1-rewind restore --bookmark BOOKMARK")
		p.try(0, "d1-rewind status", "up to date: 2 applied")
	}
	p.try(0, "d1-rewind migrate production")
	p.cloud.Deploy("shop", versionTwo)
	p.does("d1-rewind restore production --before 0007_orders.sql --confirm shop-db --rollback-worker", "restored to")
	p.wantWorker(versionOne)
}

func playHelp(p *play) {
	p.repository()
	p.does("d1-rewind create add_users", "created migrations/0001_add_users.sql")
	p.does("d1-rewind status", "1 pending, 0 applied")
	p.does("d1-rewind migrate", "applied 1 migration")
	p.does("d1-rewind restore --before 0001_add_users.sql", "restored to")
	p.answers("y", "d1-rewind reset", "applied 1 migration")

	p.does("export CLOUDFLARE_API_TOKEN=...")
	p.does("export CLOUDFLARE_ACCOUNT_ID=...")
	p.does("d1-rewind doctor production", "everything is in order")
	p.add("0003_orders.sql")
	p.add("0007_orders.sql")
	p.write("migrations/0007_orders.sql", "CREATE INDEX orders_at ON orders(created_at);")
	p.does("d1-rewind migrate production --to 0003_orders.sql", "applied 2 migrations")
	p.does("d1-rewind status production --rehearse data --hazards fail,out-of-order=fail", "1 pending, 2 applied", "all rows")
	p.does("d1-rewind migrate production", "applied 1 migration")
	p.does("d1-rewind restore production --before 0007_orders.sql --confirm shop-db", "restored to")
	p.try(0, "d1-rewind restore production --bookmark BOOKMARK --confirm shop-db")
	p.does("d1-rewind restore production --before 0007_orders.sql --confirm NAME", "restored to")
	p.does("d1-rewind help COMMAND", "--dry-run")
	p.does("d1-rewind help restore", "--before")
	p.does("d1-rewind version", "d1-rewind test")

	p.repository()
	p.does("d1-rewind create add_users", "created migrations/0001_add_users.sql")
	p.add("0001_add_users.sql")
	p.does("d1-rewind reset --yes", "applied 1 migration")
	p.does("d1-rewind info", "bookmark at")
	p.write("migrations/0004_posts.sql", "SELECT 1;") // what is there already
	p.does("d1-rewind baseline --to 0004_posts.sql", "0004_posts.sql")
	p.does("d1-rewind doctor production", "everything is in order")
	p.does("d1-rewind backup production --output backup.sql", "backup.sql")
}

func playComingFrom(p *play) {
	p.signIn()
	p.repository()
	p.does("d1-rewind create add_users", "created migrations/0001_add_users.sql")
	p.does("d1-rewind status", "1 pending, 0 applied")
	p.does("d1-rewind migrate", "applied 1 migration")
	p.answers("y", "d1-rewind reset", "applied 1 migration")
	p.does("d1-rewind status production", "1 pending, 0 applied")
	p.does("d1-rewind migrate production", "applied 1 migration")
	p.does("d1-rewind info production", "bookmark at")
	p.does("d1-rewind restore production --bookmark BOOKMARK --confirm shop-db", "restored to", "held from now on")
	p.does("d1-rewind backup production --output dump.sql", "dump.sql")
	p.wantFile("dump.sql")

	p.repository("0006_prices.sql", "0007_orders.sql")
	p.made("CREATE TABLE prices (id INTEGER PRIMARY KEY, created_at TEXT)")
	p.does("d1-rewind baseline production --to 0006_prices.sql", "0006_prices.sql")
	p.does("d1-rewind status production", "1 pending, 1 applied", "rehearsed on a copy")
	p.does("d1-rewind migrate production --to 0007_orders.sql", "applied 1 migration")
	p.does("d1-rewind restore production --before 0007_orders.sql --confirm shop-db", "restored to", "held from now on, until a file changes or --release-hold: 0007_orders.sql\n")
	p.try(0, "d1-rewind migrate")
	p.does("d1-rewind restore --before 0007_orders.sql", "restored to", "held from now on")

	// What drizzle-kit generates, and a database that it has migrated.
	p.repository()
	p.configured(0)
	p.try(0, "mkdir -p drizzle/meta")
	p.write("drizzle/meta/_journal.json", `{"version":"7","dialect":"sqlite","entries":[]}`)
	p.write("drizzle/0000_curved_piledriver.sql", "CREATE TABLE `users` (\n\t`id` integer PRIMARY KEY NOT NULL\n);\n--> statement-breakpoint\nCREATE INDEX `users_id` ON `users` (`id`);\n")
	p.does("d1-rewind status", "1 pending, 0 applied", "0000_curved_piledriver.sql  (2 statements)")
	p.does("d1-rewind migrate", "applied 1 migration")
	p.write("drizzle/0004_last_one.sql", "CREATE TABLE `posts` (\n\t`id` integer PRIMARY KEY NOT NULL\n);\n")
	p.made("CREATE TABLE `users` (\n\t`id` integer PRIMARY KEY NOT NULL\n)", "CREATE INDEX `users_id` ON `users` (`id`)", "CREATE TABLE `posts` (\n\t`id` integer PRIMARY KEY NOT NULL\n)",
		"CREATE TABLE __drizzle_migrations (id SERIAL PRIMARY KEY, hash text NOT NULL, created_at numeric)")
	p.does("d1-rewind baseline production --to 0004_last_one.sql", "0004_last_one.sql")

	// Prisma's layout, and the flat one.
	p.repository()
	p.configured(1)
	p.does("mkdir -p prisma/migrations/20260101120000_init")
	p.try(0, "mkdir prisma/migrations/20260102120000_posts")
	for _, name := range []string{"20260101120000_init", "20260102120000_posts"} {
		p.write("prisma/migrations/"+name+"/migration.sql", "-- CreateTable\nCREATE TABLE \""+name+"\" (\n    \"id\" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT\n);\n")
	}
	p.does("d1-rewind status")
	p.repository("0001_init.sql")
	p.does("d1-rewind create posts", "created migrations/0002_posts.sql")
}

// made makes what someone else has made in production.
func (p *play) made(sql ...string) {
	p.t.Helper()
	if err := p.ids["production"].Exec(sql...); err != nil {
		p.t.Fatal(err)
	}
}

// configured uses a configuration of the document, with the id of the database that is there.
func (p *play) configured(n int) {
	p.t.Helper()
	blocks := slices.DeleteFunc(slices.Clone(p.document.blocks), func(b block) bool { return b.kind != "jsonc" || !strings.HasPrefix(b.text, "{") })
	p.write("wrangler.jsonc", anyID.ReplaceAllString(blocks[n].text, p.ids["production"].ID))
}

func playHazards(p *play) {
	p.repository("0006_prices.sql")
	p.try(0, "d1-rewind migrate")
	p.write("migrations/0007_nothing.sql", "SELECT 1;") // what is there already
	p.does("d1-rewind baseline", "0007_nothing.sql")
}

func playSetup(p *play) {
	p.repository("0006_prices.sql")
	if err := os.RemoveAll(filepath.Join(p.source, ".github")); err != nil {
		p.t.Fatal(err)
	}
	p.does("mkdir -p .github/workflows")
	for _, c := range p.document.commands {
		if strings.HasPrefix(c.text, "for name in ") {
			p.does(c.text)
		}
	}
	for _, name := range []string{"d1-status.yml", "d1-migrate.yml", "d1-restore.yml"} {
		got, err := os.ReadFile(filepath.Join(p.source, ".github/workflows", name))
		if want := oneLine.ReplaceAllString(p.own(".github/workflows/"+name), "${1}d1-rewind/d1-rewind@v1"); err != nil || string(got) != want {
			p.t.Errorf("%s is not ours with one line changed: %v\n%s", name, err, got)
		}
	}
	if left, err := filepath.Glob(filepath.Join(p.source, ".github/workflows/*")); err != nil || len(left) != 3 {
		p.t.Errorf(".github/workflows has %q, %v", left, err)
	}

	p.does("export CLOUDFLARE_API_TOKEN=…")
	p.does("export CLOUDFLARE_ACCOUNT_ID=0123456789abcdef0123456789abcdef")
	p.does("d1-rewind doctor production", "everything is in order")
	p.does("d1-rewind doctor staging", "everything is in order")

	p.made("CREATE TABLE prices (id INTEGER PRIMARY KEY, created_at TEXT)")
	p.add("0007_orders.sql")
	p.try(3, "d1-rewind baseline production")
	p.does("d1-rewind baseline production --to 0006_prices.sql", "0006_prices.sql")

	p.repository()
	p.try(0, `git init -q -b main && git init -q --bare "$HOME/origin.git" && git remote add origin "$HOME/origin.git" && git add . && git commit -qm begin`)
	p.does("git switch -c d1-rewind")
	p.does("d1-rewind create add_users", "created migrations/0001_add_users.sql")
	p.add("0001_add_users.sql")
	p.does("d1-rewind migrate", "applied 1 migration")
	p.does("git add .github migrations")
	p.does("git commit -m 'Migrate with d1-rewind'")
	p.does("git push -u origin d1-rewind")
	p.try(0, "git ls-tree -r --name-only origin/d1-rewind", "migrations/0001_add_users.sql", ".github/workflows/d1-restore.yml")

	p.repository("0006_prices.sql")
	p.push()
}

func playRunbook(p *play) {
	p.signIn()
	p.repository("0006_prices.sql")
	if got := p.merge(1, "", ""); got.Conclusion() != githubtest.Success {
		p.t.Fatalf("the first push: %+v", got)
	}
	p.at("10:30")
	p.cloud.Deploy("shop", versionOne)
	p.add("0007_orders.sql")
	night := p.merge(2, "", "").Job("production")
	p.cloud.Deploy("shop", versionTwo)
	p.bookmark = night.Outputs["bookmark"]
	copied := p.document.next("gh workflow run d1-restore.yml --repo")
	if real := anyID.ReplaceAllString(anyBookmark.ReplaceAllString(copied, p.bookmark), versionOne); real != night.Outputs["rollback-command"] {
		p.t.Errorf("the command in the comment looks like\n%s\nnot like\n%s", night.Outputs["rollback-command"], real)
	}
	p.does(copied, "0007_orders.sql")
	p.wantWorker(versionOne)
	undo := func() { p.try(0, "d1-rewind restore production --bookmark BOOKMARK --confirm shop-db", "restored to") }
	undo()

	// Look before you go back.
	p.does("d1-rewind status production", "up to date: 2 applied")
	p.does("d1-rewind info production", "bookmark at")
	p.does("d1-rewind info production --timestamp 2026-11-24T10:00:00Z", "bookmark at", night.Outputs["bookmark"])
	p.does("d1-rewind backup production --output before-restore.sql")
	p.wantFile("before-restore.sql")

	// Going back.
	p.does("gh workflow run d1-restore.yml -f environment=production -f confirm=shop-db -f before=0007_orders.sql", "0007_orders.sql")
	undo()
	p.does("export CLOUDFLARE_API_TOKEN=… CLOUDFLARE_ACCOUNT_ID=0123456789abcdef0123456789abcdef")
	p.cloud.Deploy("shop", versionTwo)
	back := "d1-rewind restore production --before 0007_orders.sql --confirm shop-db --rollback-worker"
	p.does(back, "restored to", "held from now on, until a file changes or --release-hold: 0007_orders.sql\n")
	p.wantWorker(versionOne)
	p.does("d1-rewind restore production --bookmark 00000003-ffffffff-00004c6d-1910ec847a01aae5352d1ada7dd32cfa --confirm shop-db", "restored to")

	// The hold, and the three ways that end it.
	p.try(0, back)
	p.try(3, "d1-rewind migrate production")
	p.does("gh workflow run d1-migrate.yml -f release-hold=true", "applied 1 migration")
	p.try(0, back)
	p.does("d1-rewind migrate production --release-hold --dry-run", "dry run: 1 migration")
	p.does("d1-rewind migrate production --release-hold", "applied 1 migration")
	p.try(0, back)
	p.try(0, "d1-rewind migrate")
	p.write("migrations/0007_orders.sql", "CREATE TABLE orders (id INTEGER PRIMARY KEY, created_at TEXT NOT NULL);")
	p.try(0, "d1-rewind status production")
	p.try(0, "d1-rewind status staging", "edited: edited since it was applied", "the database keeps what the old content did")
	p.does("d1-rewind restore staging --before 0007_orders.sql --confirm shop-db-staging", "restored to")
	p.answers("y", "d1-rewind reset", "applied 2 migrations")
	p.try(0, "d1-rewind migrate production", "applied 1 migration")

	// When the bookmark is lost, or the outcome is not known.
	p.does("d1-rewind status production", "up to date: 2 applied", "to undo that: ")
	p.does("d1-rewind status production", "up to date: 2 applied")
	p.does("d1-rewind doctor production", "everything is in order")
	p.does("d1-rewind doctor production", "everything is in order")
	p.does("d1-rewind restore production --timestamp 2026-11-24T09:59:00Z --confirm shop-db", "restored to", "undone by the restore: 0007_orders.sql")

	// What a failure looks like, and two files that came in another order.
	p.repository("0006_prices.sql")
	p.try(0, "d1-rewind migrate")
	p.add("0004_a.sql")
	p.try(0, "d1-rewind status", "out-of-order: pending, but sorted before one that is applied")
	p.write("migrations/0005_bad.sql", "CREATE TABLE b (id);\nINSERT INTO nope VALUES (1);")
	p.try(1, "d1-rewind migrate")
	p.try(1, "d1-rewind migrate --rehearse off", "nothing of this run was applied; the database is as it was before")
	p.try(1, "d1-rewind migrate --transaction migration --rehearse off")

	// Practise it on a laptop.
	p.repository()
	for _, name := range []string{"0001_create_notes.sql", "0002_add_tags.sql"} {
		p.write("migrations/"+name, p.own("migrations/"+name))
	}
	p.does("d1-rewind migrate local", "applied 2 migrations")
	p.does("d1-rewind info local", "bookmark at", "oldest: ", "copies kept: ")
	p.does("d1-rewind restore local --before 0002_add_tags.sql", "to go back:")
	p.does("d1-rewind status local", "held")
	p.does("d1-rewind migrate local", "held", "nothing was written")
	p.does("d1-rewind migrate local --release-hold", "applied 2 migrations")
	p.does("d1-rewind reset local --yes", "to go back:")
}

func playExample(p *play) {
	p.repository("0001_create_notes.sql")
	p.does("npx d1-rewind migrate local:staging", "applied 1 migration")
}

func playNPM(p *play) {
	p.repository("0001_users.sql")
	p.signIn()
	p.does("npx d1-rewind migrate", "applied 1 migration")
	p.does("npx d1-rewind status production", "1 pending, 0 applied")
	p.does("npx d1-rewind help", "d1-rewind create add_users")
}

func playLive(p *play) {
	p.does("export CLOUDFLARE_API_TOKEN=…")
	p.does("export CLOUDFLARE_ACCOUNT_ID=…")
}
