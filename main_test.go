package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestMain is the program itself when a test starts it as a process of its own.
func TestMain(m *testing.M) {
	if os.Getenv("D1_REWIND_TEST_PROCESS") != "" {
		main()
	}
	os.Exit(m.Run())
}

// Without a word to the runtime SIGPIPE ends a process that writes to standard output or standard
// error when nobody reads on, wherever it is.
func TestNobodyReads(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "migrations"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "migrations", "0001_users.sql"), []byte("CREATE TABLE users(id INTEGER PRIMARY KEY);"), 0o600); err != nil {
		t.Fatal(err)
	}
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program := func(args ...string) *exec.Cmd {
		command := exec.Command(executable, args...)
		command.Dir, command.Env = dir, []string{"D1_REWIND_TEST_PROCESS=1", "HOME=" + dir, "TMPDIR=" + os.TempDir()}
		return command
	}
	for _, args := range [][]string{{"status", "--verbose"}, {"migrate", "--verbose"}, {"help"}, {"version"}, {"status", "--format", "json"}} {
		reader, writer, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := reader.Close(); err != nil {
			t.Fatal(err)
		}
		command := program(args...)
		command.Stdout, command.Stderr = writer, writer
		if err := command.Run(); err != nil {
			t.Errorf("%v: %v", args, err)
		}
		_ = writer.Close()
	}
	if out, err := program("status").Output(); err != nil || !strings.Contains(string(out), "\nup to date: 1 applied") {
		t.Errorf("afterwards: %v\n%s", err, out)
	}
}
