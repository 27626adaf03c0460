package cli_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// Later steps go by the outputs: where a database is written a lost one is no small matter.
func TestLostOutputs(t *testing.T) {
	lost := func(h *hub) func(map[string]string) {
		return func(env map[string]string) { env["GITHUB_OUTPUT"] = h.dir } // a directory can't be opened
	}
	full := func(env map[string]string) { env["GITHUB_OUTPUT"] = "/dev/full" } // opens, and takes nothing
	t.Run("refused_at_the_start", func(t *testing.T) {
		h := newHub(t, sample())
		for _, mode := range []string{"migrate", "baseline"} {
			s := h.step(push, map[string]string{"mode": mode, "before": "0001_users.sql", "confirm": "shop-db"}, lost(h))
			s.want(t, 1, "the outputs of this step can't be set", "nothing was contacted or written", "look at the file that GITHUB_OUTPUT names", "::error")
		}
		if n := len(h.server.Requests()); n != 0 {
			t.Errorf("%d requests", n)
		}
		h.step(push, map[string]string{"mode": "migrate", "environment": "local"}, lost(h)).want(t, 1, "nothing was contacted or written")
		h.step(push, map[string]string{"mode": "migrate", "dry-run": "true"}, lost(h)).want(t, 0, "::warning", "set output")
		h.step(push, map[string]string{"mode": "status"}, lost(h)).want(t, 0, "::warning", "set output")
		h.step(push, map[string]string{"mode": "status", "environment": "nowhere"}, lost(h)).want(t, 2, "::warning", "set output")
	})
	t.Run("bookmark", func(t *testing.T) {
		for _, mode := range []string{"migrate", "baseline"} {
			h := newHub(t, sample())
			h.step(push, map[string]string{"mode": mode, "force": "true"}, full).want(t, 1, "the outputs of this step can't be set",
				"no space left on device", "nothing was written", "run again")
			h.wantRows("SELECT name FROM sqlite_schema")
		}
	})
	t.Run("restore_goes_on", func(t *testing.T) {
		h := newHub(t, sample())
		h.step(push, map[string]string{"mode": "migrate"}).want(t, 0)
		back := h.step(push, map[string]string{"mode": "status"}).outputs["bookmark"]
		if back == "" {
			t.Fatal("no bookmark")
		}
		s := h.step(byHand, map[string]string{"mode": "restore", "before": "0001_users.sql", "confirm": "shop-db"}, full)
		s.want(t, 1, "restored to", "the database was restored to", "to go back: gh workflow run d1-restore.yml",
			"do by hand what the later steps would have done", "::error")
		if strings.Contains(s.stdout, "run again: without") {
			t.Error("a restore is not to be run again")
		}
		h.wantRows("SELECT name FROM sqlite_schema WHERE name = 'users'")
		if !strings.Contains(h.comment(7), "restored") {
			t.Errorf("comment = %q", h.comment(7))
		}
		h.step(byHand, map[string]string{"mode": "restore", "bookmark": back, "confirm": "shop-db"}, lost(h)).
			want(t, 1, "the database was restored to "+back)
	})
	t.Run("at_the_end", func(t *testing.T) {
		h := newHub(t, sample())
		pipe := filepath.Join(t.TempDir(), "output")
		if err := syscall.Mkfifo(pipe, 0o600); err != nil {
			t.Fatal(err)
		}
		reader, err := os.OpenFile(pipe, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		h.onceAt("/query", func() { _ = reader.Close() }) // once the bookmark is set
		s := h.step(push, map[string]string{"mode": "migrate"}, func(env map[string]string) {
			env["GITHUB_OUTPUT"] = pipe
		})
		s.want(t, 1, "applied 2 migrations", "the outputs of this step can't be set",
			"applied and kept: 0001_users.sql, 0002_orders.sql; to go back: gh workflow run", "do by hand", "::error")
		h.wantRows(ledger, "0001_users.sql", "0002_orders.sql")
		h.wantComment(7, "2 migrations applied")
		h.step(push, map[string]string{"mode": "status"}, full).want(t, 0, "::warning", "set output")
		h.step(push, map[string]string{"mode": "migrate", "migrations-dir": "nowhere"}, full).
			want(t, 2, "::warning", "set output") // the other error is the worse one
	})
}

// Outputs, summary and event are those of a user who need not own the workspace.
func TestCommandFilesOfAnotherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can become the workspace's owner")
	}
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	const owner, other = 1001, 1002
	dir, commands := workspace(t, sample()), t.TempDir()
	files := map[string]string{"output": "", "summary": "",
		"event.json": `{"pull_request":{"number":7,"head":{"sha":"` + headSHA + `","repo":{"full_name":"octo/shop"}}}}`}
	for name, content := range files {
		if err := errors.Join(os.WriteFile(filepath.Join(commands, name), []byte(content), 0o600),
			os.Chown(filepath.Join(commands, name), other, other)); err != nil {
			t.Fatal(err)
		}
	}
	err = filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		return errors.Join(err, os.Lchown(path, owner, owner))
	})
	err = errors.Join(err, os.Chown(commands, other, other), os.Chmod(commands, 0o700),
		os.Chmod(filepath.Dir(dir), 0o755)) // the last is testing's own user's alone
	if err != nil {
		t.Fatal(err)
	}
	process := exec.Command(executable)
	process.Env = []string{"D1_REWIND_TEST_PROCESS=1", "D1_REWIND_CONTAINER=1", "GITHUB_ACTIONS=true", "INPUT_MODE=migrate",
		"INPUT_ENVIRONMENT=local", "INPUT_COMMENT=off", "GITHUB_WORKSPACE=" + dir,
		"GITHUB_OUTPUT=" + filepath.Join(commands, "output"), "GITHUB_STEP_SUMMARY=" + filepath.Join(commands, "summary"),
		"GITHUB_EVENT_PATH=" + filepath.Join(commands, "event.json"),
		"GITHUB_EVENT_NAME=pull_request", "GITHUB_REPOSITORY=octo/shop", "GITHUB_SERVER_URL=https://github.com",
		"GITHUB_RUN_ID=1", "GITHUB_RUN_ATTEMPT=1", "GITHUB_SHA=" + mergeSHA}
	out, err := process.CombinedOutput()
	if err != nil || strings.Contains(string(out), "::warning") {
		t.Fatalf("%v\n%s", err, out)
	}
	if outputs := readOutputs(filepath.Join(commands, "output")); outputs["status"] != "applied" || outputs["bookmark"] == "" {
		t.Errorf("outputs = %q", outputs)
	}
	summary, err := os.ReadFile(filepath.Join(commands, "summary"))
	if err != nil || !strings.Contains(string(summary), "2 migrations applied") {
		t.Errorf("summary = %q, %v", summary, err)
	}
	if !strings.Contains(string(summary), headSHA[:7]) {
		t.Errorf("the event was not read: the summary does not name the head of the pull request:\n%s", summary)
	}
	made := 0
	err = filepath.WalkDir(filepath.Join(dir, ".wrangler"), func(path string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		if made++; info.Sys().(*syscall.Stat_t).Uid != owner {
			t.Errorf("%s belongs to %d", path, info.Sys().(*syscall.Stat_t).Uid)
		}
		return nil
	})
	if err != nil || made == 0 {
		t.Errorf("%d files, %v", made, err)
	}
}
