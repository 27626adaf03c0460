package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/d1-rewind/d1-rewind/internal/github/githubtest"
)

const workflow = `
on:
  workflow_dispatch:
    inputs:
      bookmark: {required: true}
jobs:
  restore:
    runs-on: ubuntu-latest
    outputs:
      bookmark: ${{ steps.action.outputs.bookmark }}
    steps:
      - uses: actions/checkout@v5
      - id: action
        uses: ./
        with: {bookmark: "${{ inputs.bookmark }}", token: "${{ secrets.JOB_TEST_TOKEN }}"}
`

const action = `#!/bin/sh
env | sed -n 's/^INPUT_BOOKMARK=/bookmark=/p' >>"$GITHUB_OUTPUT"
env | grep INPUT_TOKEN
echo "# $GITHUB_REPOSITORY $GITHUB_REF" >>"$GITHUB_STEP_SUMMARY"
test -e "$1/action.yml" && test -z "$FAIL"
`

func TestJob(t *testing.T) {
	t.Setenv("JOB_TEST_TOKEN", "s3cret")
	dir := t.TempDir()
	for name, content := range map[string]string{
		"source/.github/workflows/d1-restore.yml": workflow,
		"source/action.yml":                       "inputs: {bookmark: {}, token: {}}\nruns: {using: docker, image: Dockerfile}\n",
		"action":                                  action,
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	source, out := filepath.Join(dir, "source"), filepath.Join(dir, "out")
	flags := []string{"-source", source, "-action", filepath.Join(dir, "action"), "-out", out, "-secret", "JOB_TEST_TOKEN"}
	gh := strings.Fields("gh workflow run d1-restore.yml --repo o/r --ref main -f bookmark=0000-1")
	call := func(arguments ...[]string) (conclusion, stdout string, err error) {
		var line []string
		for _, a := range arguments {
			line = append(line, a...)
		}
		var b strings.Builder
		conclusion, err = run(t.Context(), line, &b)
		return conclusion, b.String(), err
	}

	conclusion, stdout, err := call(flags, gh)
	if err != nil || conclusion != githubtest.Success {
		t.Fatal(conclusion, err, stdout)
	}
	if want := "restore: success\n  Run actions/checkout@v5: success\n    checked out into .\n  Run ./: success\n    INPUT_TOKEN=***\n"; stdout != want {
		t.Errorf("it prints:\n%s", cmp.Diff(want, stdout))
	}
	var outputs map[string]string
	content, err := os.ReadFile(filepath.Join(out, "restore.outputs.json"))
	if err != nil || json.Unmarshal(content, &outputs) != nil || outputs["bookmark"] != "0000-1" {
		t.Errorf("outputs are %s, %v", content, err)
	}
	if summary, err := os.ReadFile(filepath.Join(out, "restore.summary.md")); err != nil || string(summary) != "# o/r refs/heads/main\n" {
		t.Errorf("the summary is %q, %v", summary, err)
	}

	file := []string{"-workflow", filepath.Join(source, ".github/workflows/d1-restore.yml")}
	if conclusion, _, err = call(flags, file, []string{"-job", "restore", "-input", "bookmark=1", "-environ", "FAIL=yes"}); err != nil || conclusion != githubtest.Failure {
		t.Errorf("an action that fails: %s, %v", conclusion, err)
	}
	for name, line := range map[string][]string{
		"no source":            {"-out", out},
		"an unknown flag":      append([]string{"-nope"}, flags...),
		"no workflow":          flags,
		"no such trigger":      append(append([]string{"-event", "push"}, file...), flags...),
		"a missing input":      append(file, flags...),
		"no such secret":       append(append([]string{"-secret", "JOB_TEST_NONE"}, flags...), gh...),
		"another repository":   append(append([]string{"-repository", "o/other"}, flags...), gh...),
		"inputs and a command": append(append([]string{"-input", "bookmark=2"}, flags...), gh...),
	} {
		if conclusion, _, err := call(line); err == nil {
			t.Errorf("%s: %s", name, conclusion)
		}
	}
}
