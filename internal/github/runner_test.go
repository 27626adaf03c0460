package github_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/d1-rewind/d1-rewind/internal/github"
)

func runner(t *testing.T, env map[string]string) (*github.Runner, *bytes.Buffer) {
	t.Helper()
	log := &bytes.Buffer{}
	return github.New(func(name string) string { return env[name] }, log), log
}

// parse reads GITHUB_OUTPUT by the runner's rules.
func parse(t *testing.T, file string) map[string]string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	outputs := map[string]string{}
	lines := strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
	for i := 0; i < len(lines); i++ {
		name, delimiter, ok := strings.Cut(lines[i], "<<")
		if !ok {
			t.Fatalf("line %q is no output", lines[i])
		}
		var value []string
		for i++; lines[i] != delimiter; i++ {
			value = append(value, lines[i])
		}
		outputs[name] = strings.Join(value, "\n")
	}
	return outputs
}

func TestSetOutput(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "output")
	r, _ := runner(t, map[string]string{"GITHUB_OUTPUT": file})
	want := map[string]string{
		"plain":  "value",
		"empty":  "",
		"forged": "a\n_GitHubActionsFileCommandDelimeter_\nstatus=evil\nstatus<<EOF\nevil\nEOF",
	}
	for name, value := range want {
		if err := r.SetOutput(name, value); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(want, parse(t, file)); diff != "" {
		t.Errorf("outputs (-want +got):\n%s", diff)
	}
	broken, _ := runner(t, map[string]string{"GITHUB_OUTPUT": t.TempDir()})
	if err := broken.SetOutput("x", "y"); err == nil {
		t.Error("SetOutput() to a directory succeeded")
	}
	outside, _ := runner(t, nil)
	if err := outside.SetOutput("x", "y"); err != nil {
		t.Errorf("SetOutput() outside of a runner = %v", err)
	}
}

func TestPrint(t *testing.T) {
	t.Parallel()
	r, log := runner(t, nil)
	r.Print("plain text")
	if got := log.String(); got != "plain text\n" {
		t.Errorf("log = %q", got)
	}
	log.Reset()
	r.Print("  ::set-output name=a::b\n##[error]x")
	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	token, ok := strings.CutPrefix(lines[0], "::stop-commands::")
	if !ok || len(token) < 20 || lines[len(lines)-1] != "::"+token+"::" {
		t.Errorf("commands are not stopped around the text:\n%s", log)
	}
}

func TestAnnotate(t *testing.T) {
	t.Parallel()
	r, log := runner(t, nil)
	r.Annotate(
		github.Annotation{Severity: github.Notice, Message: "last"},
		github.Annotation{Severity: github.Warning, Title: "t", Message: "second"},
		github.Annotation{Severity: github.Error, File: "a,b::c%0A\n.sql", Line: 3, Message: "100%\n::error::forged %s"},
	)
	want := "::error file=a%2Cb%3A%3Ac%250A%0A.sql,line=3::100%25%0A::error::forged %25s\n::warning title=t::second\n::notice::last\n"
	if diff := cmp.Diff(want, log.String()); diff != "" {
		t.Errorf("annotations (-want +got):\n%s", diff)
	}
}

func TestMaskAndInput(t *testing.T) {
	t.Parallel()
	r, log := runner(t, map[string]string{"INPUT_API-TOKEN": " secret "})
	if got := r.Input("api-token"); got != "secret" {
		t.Errorf("Input() = %q", got)
	}
	r.Mask("")
	r.Mask("one\ntwo\n")
	if diff := cmp.Diff("::add-mask::one\n::add-mask::two\n", log.String()); diff != "" {
		t.Errorf("masks (-want +got):\n%s", diff)
	}
}

func TestSummaryStaysBelowTheLimit(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "summary")
	r, _ := runner(t, map[string]string{"GITHUB_STEP_SUMMARY": file})
	for range 3 {
		if err := r.Summary(strings.Repeat("0123456789abcde\n", 40_000)); err != nil {
			t.Fatal(err)
		}
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if len(data) >= 1<<20 || !strings.Contains(string(data), "The report was cut") {
		t.Errorf("the summary has %d bytes", len(data))
	}
}

func TestEvent(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		payload string
		want    int
	}{
		"pull_request":     {`{"pull_request":{"number":7}}`, 7},
		"comment_on_one":   {`{"issue":{"number":8,"pull_request":{}}}`, 8},
		"comment_on_issue": {`{"issue":{"number":8}}`, 0},
		"push":             {`{"ref":"x"}`, 0},
		"not_json":         {`<html>`, 0},
		"missing":          {"", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "event.json")
			if tc.payload != "" {
				if err := os.WriteFile(file, []byte(tc.payload), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			r, _ := runner(t, map[string]string{"GITHUB_EVENT_PATH": file, "GITHUB_SERVER_URL": "https://example.test", "GITHUB_REPOSITORY": "o/r", "GITHUB_RUN_ID": "5"})
			e := r.Event()
			if e.PullRequest != tc.want || e.RunURL != "https://example.test/o/r/actions/runs/5" {
				t.Errorf("Event() = %+v, want pull request %d", e, tc.want)
			}
		})
	}
}
