package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/d1-rewind/d1-rewind/internal/cli"
)

// run is one run of the program in the current directory.
type run struct {
	code           int
	stdout, stderr string
}

func d1rewind(env map[string]string, args ...string) run {
	return d1rewindContext(context.Background(), env, args...)
}

func d1rewindContext(ctx context.Context, env map[string]string, args ...string) run {
	return start(ctx, env, cli.Process{Args: args})
}

// start runs the program where nobody can be asked.
func start(ctx context.Context, env map[string]string, p cli.Process) run {
	var stdout, stderr bytes.Buffer
	p.Program, p.Version, p.Stdin, p.Stdout, p.Stderr = "d1-rewind", "test", strings.NewReader(""), &stdout, &stderr
	p.Getenv = func(name string) string { return env[name] }
	code := cli.Main(ctx, p)
	return run{code, stdout.String(), stderr.String()}
}

// must ends the test at an error of preparing it.
func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// workspace makes files in a new directory and goes there.
func workspace(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
	return dir
}

func sample() map[string]string {
	return map[string]string{
		"migrations/0001_users.sql":  "CREATE TABLE users(id INTEGER PRIMARY KEY, name TEXT NOT NULL);\n",
		"migrations/0002_orders.sql": "CREATE TABLE orders(id INTEGER PRIMARY KEY);\n-- the end",
	}
}

func (r run) want(t *testing.T, code int, parts ...string) {
	t.Helper()
	if r.code != code {
		t.Errorf("exit code %d, want %d", r.code, code)
	}
	for _, part := range parts {
		if !strings.Contains(r.stdout+r.stderr, part) {
			t.Errorf("output lacks %q", part)
		}
	}
	if t.Failed() {
		t.Logf("stdout:\n%s\nstderr:\n%s", r.stdout, r.stderr)
	}
}

func (r run) json(t *testing.T) map[string]any {
	t.Helper()
	var document map[string]any
	if err := json.Unmarshal([]byte(r.stdout), &document); err != nil {
		t.Fatalf("stdout is not one JSON document: %v\n%s", err, r.stdout)
	}
	return document
}

func TestMigrateAndBack(t *testing.T) {
	workspace(t, sample())
	first := d1rewind(nil, "migrate")
	first.want(t, 0, "applied 2 migrations", "0002_orders.sql  (1 statement)", "bookmark before: 0000")
	d1rewind(nil, "migrate").want(t, 0, "up to date: 2 applied")
	back := regexp.MustCompile(`to go back: +d1-rewind (.*)`).FindStringSubmatch(first.stdout)
	if back == nil {
		t.Fatalf("no command that goes back in:\n%s", first.stdout)
	}
	d1rewind(nil, strings.Fields(back[1])...).want(t, 0, "restored to", "held from now on", "to go back:")
	d1rewind(nil, "migrate").want(t, 3, "held", "--release-hold")
	d1rewind(nil, "status").want(t, 3)
	d1rewind(nil, "migrate", "--release-hold").want(t, 0, "applied 2 migrations")
	got := d1rewind(nil, "status", "--format", "json").json(t)
	if diff := cmp.Diff([]any{"0001_users.sql", "0002_orders.sql"}, got["applied"]); diff != "" {
		t.Errorf("applied (-want +got):\n%s", diff)
	}
}

func TestLocalTimestamp(t *testing.T) {
	workspace(t, sample())
	now := time.Now().Add(-5 * time.Hour)
	at := func(args ...string) run {
		return start(context.Background(), nil, cli.Process{Args: args, Now: func() time.Time { return now }})
	}
	at("migrate", "--to", "0001_users.sql").want(t, 0, "applied 1 migration")
	now = now.Add(time.Hour)
	between := fmt.Sprint(now.Unix())
	now = now.Add(time.Hour)
	at("migrate").want(t, 0, "applied 1 migration")
	now = now.Add(time.Hour)
	at("info").want(t, 0, "copies kept: 2,", "4 GiB at most", "oldest: 00000001-")
	at("info", "--timestamp", between).want(t, 0, "00000002-")
	restored := at("restore", "--timestamp", between, "--format", "json")
	restored.want(t, 0)
	if diff := cmp.Diff([]any{"0001_users.sql"}, at("status", "--format", "json").json(t)["applied"]); diff != "" {
		t.Errorf("applied after the restore (-want +got):\n%s", diff)
	}
	undo, _ := restored.json(t)["previousBookmark"].(string)
	at("restore", "--bookmark", undo).want(t, 0, "restored to "+undo)
	at("status").want(t, 0, "up to date: 2 applied")
	now = now.AddDate(0, 0, 40)
	at("restore", "--timestamp", between).want(t, 2, "reaches back 30 days", "nothing was written")
	at("restore", "--bookmark", undo, "--time-travel-limit", "3 apples").want(t, 2, "time-travel-limit can't be")
}

func TestStatusWritesNothing(t *testing.T) {
	dir := workspace(t, sample())
	d1rewind(nil, "status", "--exit-code").want(t, 5, "2 pending, 0 applied")
	d1rewind(nil, "migrate", "--dry-run").want(t, 0, "dry run: 2 migrations")
	d1rewind(nil, "info").want(t, 0, "bookmark at")
	if _, err := os.Stat(filepath.Join(dir, ".wrangler")); !os.IsNotExist(err) {
		t.Errorf("status, dry run or info made .wrangler: %v", err)
	}
	d1rewind(nil, "migrate").want(t, 0)
	before := snapshot(t, dir)
	d1rewind(nil, "status").want(t, 0)
	d1rewind(nil, "info").want(t, 0)
	if diff := cmp.Diff(before, snapshot(t, dir)); diff != "" {
		t.Errorf("files changed (-before +after):\n%s", diff)
	}
}

func snapshot(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		files[path] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestBadInput(t *testing.T) {
	cases := []struct {
		name  string
		files map[string]string
		args  []string
		code  int
		parts []string
	}{
		{"no_configuration_and_no_migrations", nil, []string{"migrate"}, 2, []string{"no migrations directory", "the create command"}},
		{"empty_directory", map[string]string{"migrations/readme.txt": ""}, []string{"migrate"}, 2, []string{`no files that match "*.sql"`}},
		{"nested_files", map[string]string{"migrations/0001_a/migration.sql": ""}, []string{"migrate"}, 2, []string{"migrations_pattern"}},
		{"broken_pattern", map[string]string{"wrangler.json": `{"d1_databases":[{"binding":"DB","migrations_dir":"migrations","migrations_pattern":"migrations/[a"}]}`, "migrations/0001_a.sql": ""}, []string{"migrate"}, 2,
			[]string{`"[a" is no pattern`, "correct migrations_pattern"}},
		{"unknown_environment", sample(), []string{"migrate", "stagin"}, 2, []string{`unknown environment "stagin"`, "local, production"}},
		{"two_environments", sample(), []string{"migrate", "local", "--environment", "production"}, 2, []string{"two environments"}},
		{"two_databases", map[string]string{"wrangler.json": `{"d1_databases":[{"binding":"A"},{"binding":"B"}]}`}, []string{"status"}, 2, []string{`"A", "B"`, "--database"}},
		{"broken_configuration", map[string]string{"wrangler.jsonc": "{\n  \"name\": }"}, []string{"status"}, 2, []string{"wrangler.jsonc:2:"}},
		{"remote_environment", map[string]string{"wrangler.toml": "[[d1_databases]]\nbinding='DB'\ndatabase_id='x'\n"}, []string{"migrate", "production"}, 2, []string{"remote"}},
		{"unknown_option", sample(), []string{"migrate", "--databse", "x"}, 2, []string{"did you mean --database?"}},
		{"option_of_another_command", sample(), []string{"migrate", "--before", "x"}, 2, []string{"no option of migrate"}},
		{"token_as_flag", sample(), []string{"migrate", "--api-token", "secret"}, 2, []string{"CLOUDFLARE_API_TOKEN"}},
		{"unknown_command", sample(), []string{"migrat"}, 2, []string{"did you mean migrate?"}},
		{"begin", map[string]string{"migrations/0001_a.sql": "CREATE TABLE a(x);\nBEGIN;"}, []string{"migrate"}, 1, []string{"0001_a.sql:2:", "To execute a transaction"}},
		{"attach", map[string]string{"migrations/0001_a.sql": "ATTACH 'x' AS y"}, []string{"status"}, 1, []string{"not authorized: SQLITE_AUTH"}},
		{"pragma", map[string]string{"migrations/0001_a.sql": "PRAGMA user_version=1"}, []string{"migrate"}, 1, []string{"not authorized: SQLITE_AUTH"}},
		{"long_statement", map[string]string{"migrations/0001_a.sql": "SELECT '" + strings.Repeat("x", 100_000) + "'"}, []string{"migrate"}, 1, []string{"statement too long: SQLITE_TOOBIG"}},
		{"syntax", map[string]string{"migrations/0001_a.sql": "-- a\nCREATE TABLE a(\n  x,\n  y z FROM);"}, []string{"migrate"}, 1, []string{"0001_a.sql:4:", `near "FROM": syntax error at offset`}},
		{"restore_nonsense", sample(), []string{"restore", "--timestamp", "yesterday"}, 2, []string{"2026-11-24T10:00:00Z"}},
		{"restore_to_no_time", sample(), []string{"restore", "--timestamp", "0001-01-01T00:00:00Z"}, 2, []string{"is no time"}},
		{"restore_nothing", sample(), []string{"restore"}, 2, []string{"exactly one of"}},
		{"empty_backup", sample(), []string{"migrate", "--backup", ""}, 2, []string{"--backup is empty"}},
		{"empty_to", sample(), []string{"migrate", "--to="}, 2, []string{"--to is empty"}},
		{"backup_in_place_of_the_state", sample(), []string{"migrate", "--backup", ".wrangler"}, 2, []string{"in .wrangler, where wrangler keeps local databases"}},
		{"backup_of_nothing", sample(), []string{"backup", "--output", "x.sql"}, 2, []string{"there is no local database yet"}},
		{"migrations_that_are_a_file", map[string]string{"migrations": "x"}, []string{"migrate"}, 2, []string{`read migrations directory "migrations"`, "not a directory"}},
		{"create_latin_1", sample(), []string{"create", "caf\xe9"}, 2, []string{"can't be part of a file name"}},
		{"create_of_nothing", sample(), []string{"create", " "}, 2, []string{"can't be part of a file name"}},
		{"create_that_windows_refuses", sample(), []string{"create", "a:b"}, 2, []string{"can't be part of a file name"}},
		{"reset_unconfirmed", sample(), []string{"reset"}, 3, []string{"--yes"}},
		{"worker_of_a_local_environment", sample(), []string{"restore", "--before", "x", "--rollback-worker"}, 2, []string{"no deployed Worker"}},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			dir := workspace(t, tc.files)
			d1rewind(nil, tc.args...).want(t, tc.code, tc.parts...)
			if _, err := os.Stat(filepath.Join(dir, ".wrangler")); !os.IsNotExist(err) {
				t.Errorf("a refused run made .wrangler: %v", err)
			}
		})
	}
}

func TestCreate(t *testing.T) {
	dir := workspace(t, map[string]string{"wrangler.json": `{"name": "shop", "d1_databases": [{"binding": "DB"}],
  "env": {"staging": {"d1_databases": [{"binding": "DB", "database_id": "x", "migrations_dir": "staging"}]}}}`})
	d1rewind(nil, "create", "add users").want(t, 0, "created migrations/0001_add_users.sql")
	if data, err := os.ReadFile("migrations/0001_add_users.sql"); err != nil || !strings.HasPrefix(string(data), "-- Migration number: 0001 \t 20") {
		t.Errorf("the file begins with %q, %v", data, err)
	}
	d1rewind(nil, "create", "orders", "--environment", "staging").want(t, 0, "created staging/0001_orders.sql") // no token: no database is asked
	d1rewind(nil, "create").want(t, 2, "the name of the migration")
	d1rewind(nil, "create", "../users").want(t, 2, "can't be part of a file name")
	if err := os.Symlink("elsewhere", filepath.Join(dir, "migrations/0002_orders.sql")); err != nil { // which is no migration
		t.Fatal(err)
	}
	d1rewind(nil, "create", "orders").want(t, 1, "migrations/0002_orders.sql exists already, and is no migration", "nothing was written", "give another name")
	d1rewind(nil, "create", "bills").want(t, 0, "created migrations/0002_bills.sql")
}

func TestNothingIsMeant(t *testing.T) {
	for _, args := range [][]string{{"--format", "json"}, {"status", "--title"}} {
		r := d1rewind(nil, args...)
		if r.want(t, 2, "there is no", "d1-rewind help lists"); strings.Contains(r.stdout+r.stderr, "did you mean") {
			t.Errorf("%v: a guess that is none:\n%s", args, r.stderr)
		}
	}
}

func TestWrongFlagsInJSON(t *testing.T) {
	for _, args := range [][]string{{"status", "--format", "json", "--bogus"}, {"status", "--bogus", "--format=json"}, {"status", "--format", "json", "--to", "x"}, {"statsu", "--format", "json"},
		{"status", "", "--format", "json"}, {"status", "--environment", "", "--format", "json"}, {"status", "--rehearse-limit", "x", "--format", "json"}, {"status", "--pull-request", "x", "--format", "json"}} {
		r := d1rewind(nil, args...)
		r.want(t, 2)
		if document := r.json(t); document["status"] != "failed" || document["exitCode"] != 2.0 {
			t.Errorf("%v: status %v, exitCode %v", args, document["status"], document["exitCode"])
		}
	}
}

// Whether a migration works is not for doctor to say, and a rehearsal of a remote one reads rows.
func TestDoctorTriesNothing(t *testing.T) {
	files := sample()
	files["migrations/0003_bad.sql"] = "DROP TABLE nowhere;"
	workspace(t, files)
	d1rewind(nil, "doctor").want(t, 0, "ok    ledger: 0 applied, 3 pending")
	d1rewind(nil, "status").want(t, 1, "no such table: nowhere")
}

func TestCorruptDatabase(t *testing.T) {
	dir := workspace(t, sample())
	d1rewind(nil, "migrate", "--to", "0001_users.sql").want(t, 0)
	matches, err := filepath.Glob(filepath.Join(dir, ".wrangler/state/v3/d1/*/*.sqlite"))
	if err != nil || len(matches) != 1 {
		t.Fatalf("database files: %q, %v", matches, err)
	}
	if err := os.WriteFile(matches[0], bytes.Repeat([]byte("garbage "), 1000), 0o644); err != nil {
		t.Fatal(err)
	}
	d1rewind(nil, "migrate").want(t, 1, "file is not a database", "next:")
	d1rewind(nil, "doctor").want(t, 1, "FAIL  database")
}

func TestInterrupted(t *testing.T) {
	workspace(t, sample())
	for signal, code := range map[syscall.Signal]int{syscall.SIGINT: 130, syscall.SIGTERM: 143} {
		ctx, cancel := context.WithCancelCause(context.Background())
		cancel(&cli.Interrupt{Signal: signal})
		d1rewindContext(ctx, nil, "migrate").want(t, code, "interrupted", "nothing was written")
	}
}

// action runs the program as GitHub's runner does and returns the step outputs too.
func action(t *testing.T, dir string, inputs map[string]string) (run, map[string]string, string) {
	t.Helper()
	temp := t.TempDir()
	env := map[string]string{"GITHUB_WORKSPACE": dir, "GITHUB_OUTPUT": filepath.Join(temp, "output"), "GITHUB_STEP_SUMMARY": filepath.Join(temp, "summary")}
	for name, value := range inputs {
		env["INPUT_"+strings.ToUpper(name)] = value
	}
	r := d1rewind(env)
	summary, _ := os.ReadFile(env["GITHUB_STEP_SUMMARY"])
	return r, readOutputs(env["GITHUB_OUTPUT"]), string(summary)
}

// readOutputs reads the file of a step's outputs as the runner does.
func readOutputs(file string) map[string]string {
	outputs := map[string]string{}
	if info, err := os.Stat(file); err != nil || !info.Mode().IsRegular() {
		return outputs
	}
	data, _ := os.ReadFile(file)
	lines := strings.Split(string(data), "\n")
	for i := 0; i < len(lines); i++ {
		name, delimiter, ok := strings.Cut(lines[i], "<<")
		if !ok {
			continue
		}
		var value []string
		for i++; lines[i] != delimiter; i++ {
			value = append(value, lines[i])
		}
		outputs[name] = strings.Join(value, "\n")
	}
	return outputs
}

func TestAction(t *testing.T) {
	dir := workspace(t, sample())
	r, outputs, summary := action(t, dir, map[string]string{"mode": "migrate", "environment": "local", "api-token": "s3cret"})
	r.want(t, 0, "::group::d1-rewind migrate local", "::add-mask::s3cret")
	if strings.Count(r.stdout, "s3cret") != 1 {
		t.Errorf("the token is in the log:\n%s", r.stdout)
	}
	if outputs["status"] != "applied" || outputs["applied-count"] != "2" || outputs["bookmark"] == "" || !strings.Contains(outputs["rollback-command"], outputs["bookmark"]) {
		t.Errorf("outputs = %q", outputs)
	}
	if !strings.Contains(summary, "2 migrations applied") {
		t.Errorf("summary = %q", summary)
	}
	r, outputs, _ = action(t, dir, map[string]string{"mode": "restore", "environment": "local", "bookmark": outputs["bookmark"]})
	r.want(t, 0)
	if outputs["status"] != "restored" || outputs["previous-bookmark"] == "" || outputs["held"] != `["0001_users.sql","0002_orders.sql"]` {
		t.Errorf("outputs = %q", outputs)
	}
}

func TestActionFailure(t *testing.T) {
	dir := workspace(t, map[string]string{"api/migrations/0001_a.sql": "CREATE TABLE a(x);\n\nINSERT INTO a VALUES (1, 2);", "api/wrangler.json": `{"d1_databases":[{"binding":"DB"}]}`})
	r, outputs, summary := action(t, dir, map[string]string{"mode": "migrate", "environment": "local", "working-directory": "api"})
	r.want(t, 1, "::error file=api/migrations/0001_a.sql,line=3,title=d1-rewind migrate::")
	if outputs["status"] != "failed" || outputs["bookmark"] == "" {
		t.Errorf("outputs = %q", outputs)
	}
	if !strings.Contains(summary, "table a has 1 columns but 2 values were supplied") {
		t.Errorf("summary = %q", summary)
	}
	r, _, _ = action(t, dir, map[string]string{"mode": "status", "environment": "local", "migrations-dir": "/etc"})
	r.want(t, 2, "outside of the workspace")
	if err := os.Symlink("/etc", filepath.Join(dir, "elsewhere")); err != nil {
		t.Fatal(err)
	}
	r, _, _ = action(t, dir, map[string]string{"mode": "status", "environment": "local", "migrations-dir": "elsewhere"})
	r.want(t, 2, "outside of the workspace")
	r, _, _ = action(t, dir, map[string]string{"mode": "status", "environment": "local", "config": "elsewhere/../wrangler.json"}) // that of /
	r.want(t, 2, "outside of the workspace")
	r, _, _ = action(t, dir, map[string]string{"mode": "status"})
	r.want(t, 2, "environment is missing")
	for _, mode := range []string{"doctor", "status restore"} { // neither is one, and the second does nothing at all
		r, outputs, _ = action(t, dir, map[string]string{"mode": mode, "environment": "local"})
		r.want(t, 2, "mode can't be", "one of: migrate, status, restore, baseline, backup")
		if outputs["status"] != "failed" {
			t.Errorf("mode %q: outputs = %q", mode, outputs)
		}
	}
}

// A migration must not be able to speak to the runner or to forge an output.
func TestActionUntrusted(t *testing.T) {
	dir := workspace(t, map[string]string{"migrations/0001_a.sql": "SELECT '\n::set-output name=x::y\n::error::forged' FROM \"no\n::warning::table\";"})
	r, outputs, _ := action(t, dir, map[string]string{"mode": "migrate", "environment": "local"})
	r.want(t, 1)
	stopped := ""
	for line := range strings.Lines(r.stdout) {
		line = strings.TrimSpace(line)
		if token, ok := strings.CutPrefix(line, "::stop-commands::"); ok {
			stopped = token
		} else if line == "::"+stopped+"::" {
			stopped = ""
		} else if stopped == "" && (strings.HasPrefix(line, "::warning::table") || strings.HasPrefix(line, "::set-output") || strings.HasPrefix(line, "::error::forged")) {
			t.Errorf("the runner would obey %q", line)
		}
	}
	if outputs["status"] != "failed" {
		t.Errorf("outputs = %q", outputs)
	}
}
