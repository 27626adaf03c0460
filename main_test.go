package main

import (
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
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

// GODEBUG makes net/http write the headers of requests to the log, the token among them: the
// program keeps that log to itself.
func TestDebugLogIsSilent(t *testing.T) {
	t.Parallel()
	const token = "must-not-be-seen-0123456789abcdefghijklmnopq"
	var told atomic.Int32
	api := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor == 2 && r.Header.Get("Authorization") == "Bearer "+token {
			told.Add(1)
		}
		w.WriteHeader(http.StatusTeapot)
	}))
	api.EnableHTTP2 = true // whose client writes them
	api.StartTLS()
	t.Cleanup(api.Close)
	dir := t.TempDir()
	authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: api.Certificate().Raw})
	for name, content := range map[string][]byte{
		"authority.pem": authority,
		"0001_a.sql":    []byte("CREATE TABLE a(x);"),
		"wrangler.json": []byte(`{"d1_databases": [{"binding": "DB", "database_id": "9ebd6f14-b574-464c-8147-3885214d6a65", "migrations_dir": "."}]}`),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	process := exec.Command(executable, "status", "production", "--verbose")
	process.Dir = dir
	process.Env = []string{"D1_REWIND_TEST_PROCESS=1", "GODEBUG=http2debug=2", "SSL_CERT_FILE=" + filepath.Join(dir, "authority.pem"),
		"CLOUDFLARE_API_BASE_URL=" + api.URL, "CLOUDFLARE_API_TOKEN=" + token, "CLOUDFLARE_ACCOUNT_ID=0123456789abcdef0123456789abcdef"}
	out, err := process.CombinedOutput()
	if err == nil || told.Load() == 0 {
		t.Fatalf("the token was sent %d times, %v:\n%s", told.Load(), err, out)
	}
	if strings.Contains(string(out), token) {
		t.Errorf("the token is in the log:\n%s", out)
	}
}
