package githubtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// load writes files into a repository and loads the first.
func load(t *testing.T, files ...string) (*Workflow, error) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), ".github", "workflows")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for i, content := range files {
		name := filepath.Join(dir, []string{"main.yml", "called.yml", "deeper.yml"}[i])
		if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return Load(filepath.Join(dir, "main.yml"))
}

// do runs a workflow whose source has an action.yml.
func do(t *testing.T, run Run, files ...string) (Results, error) {
	t.Helper()
	w, err := load(t, files...)
	if err != nil {
		t.Fatal(err)
	}
	source := t.TempDir()
	for name, content := range map[string]string{
		"action.yml": "inputs:\n  api-token:\n    required: true\n  mode: {default: status}\n  two words: {}\n  github-token: {default: '${{ github.token }}'}\nruns: {using: docker, image: Dockerfile}\n",
		".git/HEAD":  "ref: refs/heads/main\n",
		"a/run.sh":   "echo ran \"$1\"\n",
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(source, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(source, name), []byte(content), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	run.Dir, run.Source, run.ActionSource = t.TempDir(), source, source
	return w.Do(t.Context(), run)
}

func mustDo(t *testing.T, run Run, files ...string) Results {
	t.Helper()
	results, err := do(t, run, files...)
	if err != nil {
		t.Fatal(err)
	}
	return results
}

// job is a workflow of one job that is dispatched; steps are indented by six.
func job(steps string) string {
	return "on: workflow_dispatch\njobs:\n  one:\n    runs-on: ubuntu-latest\n    outputs:\n      out: ${{ steps.last.outputs.out }}\n      secret: ${{ steps.last.outputs.secret }}\n    steps:\n" + steps
}

func conclusions(r Results) map[string]string {
	all := map[string]string{}
	for _, job := range r {
		all[job.Name] = job.Conclusion
		for _, step := range job.Steps {
			all[job.Name+"/"+step.Name] = step.Outcome + "," + step.Conclusion
		}
		for name, conclusion := range conclusions(job.Jobs) {
			all[name] = conclusion
		}
	}
	return all
}

func equals(t *testing.T, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func TestLoadRefuses(t *testing.T) {
	t.Parallel()
	for workflow, want := range map[string]string{
		job("      - run: a\n        shel: bash\n"):                                                                                               "unexpected key \"shel\"",
		job("      - uses: other/action@v1\n"):                                                                                                    "one.steps[0].uses: other/action@v1 is not supported",
		job("      - uses: docker://alpine:3\n"):                                                                                                  "one.steps[0].uses: docker://alpine:3 is not supported",
		job("      - run: a\n        shell: python\n"):                                                                                            "one.steps[0]: this shell is not supported",
		job("      - run: a\n        if: secrets.A != ''\n"):                                                                                      "context \"secrets\" is not allowed here",
		job("      - run: ${{ upper('a') }}\n"):                                                                                                   "undefined function \"upper\"",
		job("      - run: ${{ nothing.a }}\n"):                                                                                                    "undefined variable \"nothing\"",
		job("      - run: a\n        env: ${{ fromJSON('{}') }}\n"):                                                                               "an expression for the whole env is not supported",
		"on: push\njobs:\n  a:\n    needs: b\n    runs-on: x\n    steps: [{run: a}]\n":                                                            "\"b\" which does not exist",
		"on: push\njobs:\n  a:\n    runs-on: x\n    container: alpine\n    steps: [{run: a}]\n":                                                   "a.container is not supported",
		"on: push\njobs:\n  a:\n    runs-on: x\n    strategy: {matrix: {a: [b], include: [{a: c}]}}\n    steps: [{run: a}]\n":                     "include and exclude is not supported",
		"on: {workflow_run: {workflows: [x], types: [completed]}}\njobs:\n  a:\n    runs-on: x\n    steps: [{run: a}]\n":                          "on.workflow_run.workflows is not supported",
		"on: push\njobs:\n  a:\n    uses: other/other/.github/workflows/a.yml@v1\n":                                                               "a.uses: other/other/.github/workflows/a.yml@v1 is not supported",
		"on: push\njobs:\n  a:\n    runs-on: x\n    if: secrets.A\n    steps: [{run: a}]\n":                                                       "context \"secrets\" is not allowed here",
		"on: push\nconcurrency: {group: a, queue: all}\njobs:\n  a:\n    runs-on: x\n    steps: [{run: a}]\n":                                     "cannot have queue \"all\"",
		"on: push\njobs:\n  a:\n    runs-on: x\n    concurrency: {group: a, queue: max, cancel-in-progress: true}\n    steps: [{run: a}]\n":       "cannot have queue \"max\"",
		"on: push\nconcurrency:\n  grup: a\njobs:\n  a:\n    runs-on: x\n    steps: [{run: a}]\n":                                                 "unexpected key \"grup\"",
		"on: push\njobs:\n  a:\n    runs-on: x\n    continue-on-error: true\n    steps: [{run: a}]\n":                                             "a.continue-on-error is not supported",
		"on: push\njobs:\n  a:\n    needs: b\n    runs-on: x\n    steps: [{run: a}]\n  b:\n    needs: a\n    runs-on: x\n    steps: [{run: a}]\n": "cyclic dependencies",
	} {
		if _, err := load(t, workflow); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\nloads with %v, want %q", workflow, err, want)
		}
	}
}

func TestTriggers(t *testing.T) {
	t.Parallel()
	pull := func(action, base string) map[string]any {
		return map[string]any{"action": action, "pull_request": map[string]any{"base": map[string]any{"ref": base}}}
	}
	for _, c := range []struct {
		on   string
		run  Run
		want string // "" where it is triggered
	}{
		{"push", Run{Event: "push"}, ""},
		{"push", Run{Event: "pull_request"}, "no on.pull_request"},
		{"[push, workflow_dispatch]", Run{Event: "workflow_dispatch"}, ""},
		{"{schedule: [{cron: '0 4 * * 1'}]}", Run{Event: "schedule"}, ""},
		{"{push: {branches: [main, 'releases/**']}}", Run{Event: "push", Ref: "refs/heads/releases/a/b"}, ""},
		{"{push: {branches: [main, 'releases/*']}}", Run{Event: "push", Ref: "refs/heads/releases/a/b"}, "not for the branch"},
		{"{push: {branches: ['v[12].?*', '!v1.0']}}", Run{Event: "push", Ref: "refs/heads/v1.0"}, "not for the branch"},
		{"{push: {branches: [main]}}", Run{Event: "push", Ref: "refs/tags/main"}, "not for the tag"},
		{"{push: {tags: ['v*']}}", Run{Event: "push", Ref: "refs/tags/v1"}, ""},
		{"{push: {tags: ['v*']}}", Run{Event: "push"}, "not for the branch"},
		{"{push: {branches-ignore: ['wip/**', '!wip/ok']}}", Run{Event: "push", Ref: "refs/heads/wip/a"}, "not for the branch"},
		{"{push: {branches-ignore: ['wip/**']}}", Run{Event: "push", Ref: "refs/heads/main"}, ""},
		{"{push: {paths: ['migrations/**']}}", Run{Event: "push", Changed: []string{"README.md", "migrations/0001.sql"}}, ""},
		{"{push: {paths: ['**/*.sql', '!old/**']}}", Run{Event: "push", Changed: []string{"README.md", "old/a.sql"}}, "not for changes"},
		{"{push: {paths: ['**/a.sql']}}", Run{Event: "push", Changed: []string{"a.sql"}}, ""},
		{"{push: {paths-ignore: ['docs/**']}}", Run{Event: "push", Changed: []string{"docs/a"}}, "not for changes"},
		{"{push: {paths-ignore: ['docs/**']}}", Run{Event: "push", Changed: []string{"docs/a", "b"}}, ""},
		{"{push: {paths: ['docs/**']}}", Run{Event: "push"}, "must say what was changed"},
		{"pull_request", Run{Event: "pull_request", Payload: pull("opened", "main")}, ""},
		{"pull_request", Run{Event: "pull_request", Payload: pull("closed", "main")}, "its types are"},
		{"{pull_request: {types: [closed], branches: [main]}}", Run{Event: "pull_request", Payload: pull("closed", "main")}, ""},
		{"{pull_request: {branches: [main]}}", Run{Event: "pull_request", Payload: pull("opened", "next")}, "not for the branch next"},
		{"push", Run{Event: "push", Inputs: map[string]string{"a": "b"}}, "has no inputs"},
	} {
		results, err := do(t, c.run, "on: "+c.on+"\njobs:\n  one:\n    runs-on: ubuntu-latest\n    steps:\n      - run: 'true'\n")
		if c.want == "" && (err != nil || results.Conclusion() != Success) || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("on: %s, %+v: %v, want %q", c.on, c.run, err, c.want)
		}
		if said := strings.HasPrefix(c.want, "not for") || strings.HasPrefix(c.want, "no on"); said != errors.Is(err, ErrNotTriggered) && !strings.HasPrefix(c.want, "its") {
			t.Errorf("on: %s, %+v: %v is ErrNotTriggered: %v", c.on, c.run, err, !said)
		}
	}
}

const restore = `
name: restore
on:
  workflow_dispatch:
    inputs:
      environment: {type: choice, options: [staging, production], required: true}
      bookmark: {required: true}
      confirm: {type: string, default: 'no'}
      dry-run: {type: boolean, default: true}
      wait: {type: number}
      worker: {type: boolean}
permissions:
  contents: read
concurrency:
  group: d1-${{ inputs.environment }}
defaults:
  run:
    shell: bash
jobs:
  restore:
    runs-on: ubuntu-latest
    timeout-minutes: 5
    environment: ${{ inputs.environment }}
    concurrency:
      group: ${{ inputs.environment }}
      cancel-in-progress: false
      queue: max
    steps:
      - id: say
        env:
          ALL: ${{ toJSON(inputs) }} ${{ toJSON(github.event.inputs) }}
        run: |
          printf '%s' "$ALL" | tr -d ' \n'
          test -z '${{ inputs.dry-run && 'dry' || '' }}' || echo dry
`

func TestDispatch(t *testing.T) {
	t.Parallel()
	file, repo, ref, inputs, err := ParseDispatch([]string{"gh", "workflow", "run", "d1-restore.yml", "--repo", "o/r", "-f", "environment=production", "-fbookmark=a=b c", "-F", "dry-run=false", "--raw-field=wait=1.5", "-r", "main"})
	if err != nil {
		t.Fatal(err)
	}
	equals(t, "words", []string{file, repo, ref}, []string{"d1-restore.yml", "o/r", "main"})
	equals(t, "inputs", inputs, map[string]string{"environment": "production", "bookmark": "a=b c", "dry-run": "false", "wait": "1.5"})

	r := mustDo(t, Run{Inputs: inputs, Repository: repo}, restore)[0]
	equals(t, "environment", r.Environment, "production")
	equals(t, "permissions", r.Permissions, map[string]string{"contents": "read"})
	equals(t, "concurrency", r.Concurrency, []Concurrency{{Group: "d1-production"}, {Group: "production", Queue: "max"}})
	equals(t, "log", r.Step("say").Log, `{"bookmark":"a=bc","confirm":"no","dry-run":false,"environment":"production","wait":1.5,"worker":false}`+
		`{"bookmark":"a=bc","confirm":"no","dry-run":"false","environment":"production","wait":"1.5","worker":"false"}`+"\n")

	for want, inputs := range map[string]map[string]string{
		`HTTP 422: Unexpected inputs provided: ["bokmark"]`:                                         {"environment": "staging", "bookmark": "b", "bokmark": "x"},
		"HTTP 422: Required input 'bookmark' not provided":                                          {"environment": "staging"},
		"HTTP 422: Provided value 'live' for input 'environment' not in the list of allowed values": {"environment": "live", "bookmark": "b"},
		"HTTP 422: Provided value 'yes' for input 'dry-run' not in the list of allowed values":      {"environment": "staging", "bookmark": "b", "dry-run": "yes"},
		"HTTP 422: Provided value 'long' for input 'wait' not in the list of allowed values":        {"environment": "staging", "bookmark": "b", "wait": "long"},
	} {
		if _, err := do(t, Run{Inputs: inputs}, restore); err == nil || err.Error() != want {
			t.Errorf("inputs %v: %v, want %s", inputs, err, want)
		}
	}
	for _, line := range []string{"gh workflow list", "gh workflow run", "gh workflow run a b", "gh workflow run a --rep o/r", "gh workflow run a -f b", "gh workflow run a -F b=@c", "gh workflow run a --json", "gh"} {
		if _, _, _, _, err := ParseDispatch(strings.Fields(line)); err == nil {
			t.Errorf("%s is taken", line)
		}
	}
}

func TestSteps(t *testing.T) {
	t.Parallel()
	results := mustDo(t, Run{Environ: []string{"OUTSIDE=o", "MODE=machine"}, Vars: map[string]string{"V": "v"}}, `
on: workflow_dispatch
env: {MODE: workflow, LEVEL: w}
jobs:
  one:
    runs-on: ubuntu-latest
    env: {MODE: job, FROM: "${{ vars.V }}"}
    defaults: {run: {working-directory: sub}}
    outputs:
      out: ${{ steps.files.outputs.one }}-${{ steps.files.outputs.two }}
      none: ${{ steps.nowhere.outputs.x }}
    steps:
      - name: env
        working-directory: .
        env: {MODE: "step ${{ env.MODE }}"}
        run: |
          mkdir sub
          echo "$OUTSIDE $MODE $LEVEL $FROM ${HOME##*/} $CI $GITHUB_ACTIONS $GITHUB_REPOSITORY $GITHUB_REF_NAME $GITHUB_JOB ${GITHUB_WORKSPACE#"$PWD"} $RUNNER_OS $GITHUB_ACTION ${LEAK-clean}"
          grep -c '"inputs"' "$GITHUB_EVENT_PATH"
      - id: files
        run: |
          pwd | sed 's/.*\///'
          echo one=1=1 >>"$GITHUB_OUTPUT"
          printf 'two<<EOF\na\n\nb=c\nEOF\n' >>"$GITHUB_OUTPUT"
          echo ADDED=added >>"$GITHUB_ENV"
          echo "$PWD/bin" >>"$GITHUB_PATH"
          echo '# Title' >>"$GITHUB_STEP_SUMMARY"
          mkdir bin; printf '#!/bin/sh\necho tool\n' >bin/tool; chmod +x bin/tool
      - name: ${{ env.ADDED }} name
        run: |
          tool; echo "$ADDED ${{ steps.files.outputs.one }}" '${{ steps.files.outcome }}'
      - name: pasted
        env: {TEXT: "a; echo b"}
        run: echo ${{ env.TEXT }}
      - name: no pipefail
        run: false | true
      - name: sh
        shell: sh
        run: test -z "$BASH_VERSION" || echo "$0"
`)
	r := results[0]
	equals(t, "conclusions", conclusions(results), map[string]string{
		"one": Success, "one/env": "success,success", "one/Run pwd | sed 's/.*\\///'": "success,success", "one/added name": "success,success",
		"one/pasted": "success,success", "one/no pipefail": "success,success", "one/sh": "success,success",
	})
	equals(t, "env", r.Step("env").Log, "o step job w v home true true octo/app main one  Linux __run clean\n1\n")
	equals(t, "files", r.Step("files").Log, "sub\n")
	equals(t, "summary", r.Step("files").Summary, "# Title\n")
	equals(t, "later", r.Step("added name").Log, "tool\nadded 1=1 success\n")
	equals(t, "pasted", r.Step("pasted").Log, "a\nb\n")
	equals(t, "outputs", r.Outputs, map[string]string{"out": "1=1-a\n\nb=c"})
}

func TestFailingSteps(t *testing.T) {
	t.Parallel()
	results := mustDo(t, Run{}, job(`      - {id: soft, name: soft, run: exit 3, continue-on-error: true}
      - {name: sees, run: "echo ${{ steps.soft.outcome }} ${{ steps.soft.conclusion }} ${{ job.status }}"}
      - {name: bash, shell: bash, run: 'false | true'}
      - {id: skipped, name: skipped, run: echo no}
      - {name: on failure, if: failure() && steps.skipped.outcome == 'skipped', run: 'echo ${{ job.status }}'}
      - {name: true is not always, if: true, run: echo no}
      - {id: last, name: always, if: "${{ always() }}", run: 'echo out=kept >>"$GITHUB_OUTPUT"'}
`))
	r := results[0]
	equals(t, "conclusions", conclusions(results), map[string]string{
		"one": Failure, "one/soft": "failure,success", "one/sees": "success,success", "one/bash": "failure,failure", "one/skipped": "skipped,skipped",
		"one/on failure": "success,success", "one/true is not always": "skipped,skipped", "one/always": "success,success",
	})
	equals(t, "log", r.Steps[0].Log+r.Steps[1].Log+r.Steps[4].Log, "##[error]Process completed with exit code 3.\nfailure success success\nfailure\n")
	equals(t, "outputs", r.Outputs, map[string]string{"out": "kept"})

	for file, want := range map[string]string{
		"no delimiter": "invalid format 'no delimiter'", "a<<END\nb": "no matching delimiter 'END'", "=x": "the name is empty", "<<A\nA": "invalid format",
	} {
		r := mustDo(t, Run{}, job(fmt.Sprintf("      - run: printf '%%b\\n' %q >>\"$GITHUB_OUTPUT\"\n", file)))[0]
		if r.Conclusion != Failure || !strings.Contains(r.Steps[0].Log, want) {
			t.Errorf("GITHUB_OUTPUT %q: %s %q, want %q", file, r.Conclusion, r.Steps[0].Log, want)
		}
	}
	r = mustDo(t, Run{}, job("      - run: head -c 1048577 /dev/zero >\"$GITHUB_STEP_SUMMARY\"\n"))[0]
	equals(t, "a summary that is too large", r.Steps[0].Log+r.Steps[0].Summary, "##[error]$GITHUB_STEP_SUMMARY upload aborted, supports content up to a size of 1024k, got 1024k\n")
	if _, err := do(t, Run{}, job("      - run: echo ::set-output name=a::b\n")); err == nil || !strings.Contains(err.Error(), "set-output is not supported") {
		t.Errorf("set-output: %v", err)
	}
	if _, err := do(t, Run{}, job("      - run: echo ${{ fromJSON(github.ref) }}\n")); err == nil || !strings.Contains(err.Error(), "job one: step 1: expression") {
		t.Errorf("fromJSON of no JSON: %v", err)
	}
}

func TestMasks(t *testing.T) {
	t.Parallel()
	r := mustDo(t, Run{Secrets: map[string]string{"TOKEN": "s3cret", "KEY": "line-1\nline-2\n", "GITHUB_TOKEN": "ghs_1"}}, job(`      - env: {T: "${{ secrets.token }}"}
        run: |
          echo "$T"; echo "a s3cretive line-2" >&2; echo ${{ github.token }} ${{ secrets.NONE }}.
      - id: last
        run: |
          echo before hidden
          echo "  ::add-mask::hidden%0Amore"
          echo after hidden, more
          printf '::stop-commands::tok\n::add-mask::shown\n::tok::\nshown\r##[add-mask]old%%5Dway\r\nold]way'
          echo summary hidden >>"$GITHUB_STEP_SUMMARY"
          echo out=fine >>"$GITHUB_OUTPUT"
          echo secret=the hidden one >>"$GITHUB_OUTPUT"
`))[0]
	equals(t, "secrets", r.Steps[0].Log, "***\na ***ive ***\n*** .\n")
	equals(t, "commands", r.Steps[1].Log, "before hidden\nafter ***, ***\n::stop-commands::tok\n::add-mask::shown\n::tok::\nshown\n***\n")
	equals(t, "summary", r.Steps[1].Summary, "summary ***\n")
	equals(t, "outputs", r.Outputs, map[string]string{"out": "fine"})
	equals(t, "warnings", r.Warnings, []string{"Skip output 'secret' since it may contain secret."})
}

func TestAction(t *testing.T) {
	t.Parallel()
	var calls []Call
	action := func(_ context.Context, c Call) int {
		calls = append(calls, c)
		fmt.Fprintln(c.Stderr, "::add-mask::shh")
		fmt.Fprint(c.Stdout, "a line of shh")
		file, err := os.OpenFile(c.Getenv("GITHUB_OUTPUT"), os.O_APPEND|os.O_WRONLY, 0)
		if err == nil {
			fmt.Fprintf(file, "out=%s\n", c.Getenv("INPUT_MODE"))
			err = file.Close()
		}
		if err != nil {
			t.Error(err)
		}
		return len(calls) / 3
	}
	results := mustDo(t, Run{Action: action, Secrets: map[string]string{"GITHUB_TOKEN": "ghs_1", "T": "token"}}, job(`      - uses: &checkout actions/checkout@v5
        with: {persist-credentials: false}
      - uses: actions/setup-node@v6
      - id: last
        uses: &action ./
        env: {INSIDE: "1"}
        with:
          Mode: ${{ github.event_name }}
          api-token: ${{ secrets.T }}
          extra: true
      - name: other
        uses: *checkout
        with: {repository: d1-rewind/d1-rewind, path: .d1-rewind}
      - {name: again, uses: ./.d1-rewind}
      - {name: script, run: 'a/run.sh "${{ steps.last.outputs.out }}"; ls -A'}
      - {name: pinned, uses: d1-rewind/d1-rewind@v1}
      - {name: never, uses: *action}
`))
	equals(t, "conclusions", conclusions(results), map[string]string{
		"one": Failure, "one/Run actions/checkout@v5": "success,success", "one/Run actions/setup-node@v6": "success,success", "one/Run ./": "success,success",
		"one/other": "success,success", "one/again": "success,success", "one/script": "success,success", "one/pinned": "failure,failure", "one/never": "skipped,skipped",
	})
	r := results[0]
	equals(t, "outputs", r.Outputs, map[string]string{"out": "workflow_dispatch"})
	equals(t, "log", strings.Split(r.Step("last").Log, "valid")[0], "##[warning]Unexpected input(s) 'extra', ")
	equals(t, "script", r.Step("script").Log, "ran workflow_dispatch\n.d1-rewind\na\naction.yml\n")
	if !strings.HasSuffix(r.Step("last").Log, "\na line of ***\n") || !strings.Contains(r.Step("pinned").Log, "exit code 1.") {
		t.Errorf("logs are %q and %q", r.Step("last").Log, r.Step("pinned").Log)
	}
	var inputs []string
	for _, variable := range calls[0].Env {
		if strings.HasPrefix(variable, "INPUT_") || strings.HasPrefix(variable, "INSIDE") || strings.HasPrefix(variable, "GITHUB_ACTION=") {
			inputs = append(inputs, variable)
		}
	}
	equals(t, "environment", inputs, []string{"GITHUB_ACTION=last", "INPUT_API-TOKEN=token", "INPUT_EXTRA=true", "INPUT_GITHUB-TOKEN=ghs_1", "INPUT_MODE=workflow_dispatch", "INPUT_TWO_WORDS=", "INSIDE=1"})
	equals(t, "directory", calls[1].ActionDir, filepath.Join(calls[1].Workspace, ".d1-rewind"))

	for want, steps := range map[string]string{
		"is it checked out?":                "      - uses: ./\n",
		"Run.Action must play it":           "      - uses: d1-rewind/d1-rewind@v1\n",
		"no source for repository o/o":      "      - uses: actions/checkout@v5\n        with: {repository: o/o}\n",
		"no source for ref other":           "      - uses: actions/checkout@v5\n        with: {ref: other}\n",
		"input submodules is not supported": "      - uses: actions/checkout@v5\n        with: {submodules: true}\n",
	} {
		if _, err := do(t, Run{}, job(steps)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", steps, err, want)
		}
	}
}

func TestCommand(t *testing.T) {
	t.Parallel()
	r := mustDo(t, Run{Action: Command("bash", "-c", `echo "${0##*/} $(env | grep ^INPUT_API) ${PWD##*/}"; exit 4`)}, job("      - uses: actions/checkout@v5\n      - uses: ./\n        with: {api-token: t}\n"))[0]
	equals(t, "log", r.Steps[1].Log, "app INPUT_API-TOKEN=t app\n##[error]Process completed with exit code 4.\n")
	r = mustDo(t, Run{Action: Command("./none")}, job("      - uses: actions/checkout@v5\n      - uses: ./\n"))[0]
	equals(t, "no program", r.Conclusion, Failure)
}

func TestCancelled(t *testing.T) {
	t.Parallel()
	w, err := load(t, job(`      - {name: first, uses: d1-rewind/d1-rewind@v1}
      - {name: next, run: echo no}
      - {name: on failure, if: failure(), run: echo no}
      - {name: always, if: always(), run: echo yes}
      - {name: cancelled, if: cancelled(), run: echo yes}
`)+"  two:\n    needs: one\n    if: ${{ !cancelled() }}\n    runs-on: ubuntu-latest\n    steps: [{run: 'true'}]\n")
	if err != nil {
		t.Fatal(err)
	}
	source := t.TempDir()
	if err := os.WriteFile(filepath.Join(source, "action.yml"), []byte("runs: {using: docker, image: Dockerfile}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	results, err := w.Do(ctx, Run{Dir: t.TempDir(), ActionSource: source, Action: func(ctx context.Context, _ Call) int {
		cancel()
		<-ctx.Done()
		return 1
	}})
	if err != nil {
		t.Fatal(err)
	}
	equals(t, "conclusions", conclusions(results), map[string]string{
		"one": Cancelled, "one/first": "cancelled,cancelled", "one/next": "skipped,skipped", "one/on failure": "skipped,skipped",
		"one/always": "success,success", "one/cancelled": "success,success", "two": Skipped,
	})
}

func TestOrphans(t *testing.T) {
	t.Parallel()
	r := mustDo(t, Run{}, job("      - run: |\n          tail -f /dev/null >/dev/null 2>&1 &\n          echo $!\n"))[0]
	environ := filepath.Join("/proc", strings.TrimSpace(r.Steps[0].Log), "environ")
	if content, _ := os.ReadFile(environ); strings.Contains(string(content), "RUNNER_TRACKING_ID") && runtime.GOOS == "linux" {
		t.Errorf("%s: the process outlived its job", environ)
	}
}

func TestJobs(t *testing.T) {
	t.Parallel()
	run := func(id, more, script string) string {
		return fmt.Sprintf("  %s:\n    runs-on: ubuntu-latest\n%s    steps:\n      - {id: s, run: '%s'}\n", id, more, script)
	}
	results := mustDo(t, Run{Inputs: map[string]string{"list": `["x","y"]`}}, "on: {workflow_dispatch: {inputs: {list: {}}}}\njobs:\n"+
		run("last", "    needs: [fails, works]\n    if: always()\n", "echo ${{ needs.works.outputs.v }} ${{ needs.fails.result }} ${{ needs.works.result }}")+
		run("works", "    outputs: {v: '${{ steps.s.outputs.v }}'}\n", "echo v=1 >>$GITHUB_OUTPUT")+
		run("fails", "    needs: works\n", "exit 1")+
		run("skipped", "    needs: fails\n", "exit 1")+
		run("skipped-too", "    needs: skipped\n", "exit 1")+
		run("skipped-behind-last", "    needs: last\n", "exit 1")+
		run("on-failure", "    needs: skipped\n    if: failure()\n", "true")+
		run("not", "    if: github.ref == 'refs/heads/other'\n", "exit 1")+
		run("matrix", "    needs: works\n    strategy: {fail-fast: false, matrix: {env: [a, '${{ needs.works.outputs.v }}'], list: '${{ fromJSON(inputs.list) }}'}}\n    outputs: {v: '${{ matrix.env }}${{ matrix.list }}'}\n",
			"echo ${{ strategy.job-index }}/${{ strategy.job-total }}; test ${{ matrix.env }}${{ matrix.list }} != ay")+
		run("fast", "    strategy: {matrix: {v: [a, b]}}\n    name: fast ${{ matrix.v }}\n", "exit 1")+
		run("after-matrix", "    needs: [matrix]\n    if: '!cancelled()'\n", "echo ${{ needs.matrix.outputs.v }} ${{ needs.matrix.result }}"))
	all := conclusions(results)
	for name := range all {
		if strings.Contains(name, "/") {
			delete(all, name)
		}
	}
	equals(t, "conclusions", all, map[string]string{
		"last": Success, "works": Success, "fails": Failure, "skipped": Skipped, "skipped-too": Skipped, "skipped-behind-last": Skipped, "on-failure": Success, "not": Skipped,
		"matrix (a, x)": Success, "matrix (a, y)": Failure, "matrix (1, x)": Success, "matrix (1, y)": Success, "fast a": Failure, "fast b": Cancelled, "after-matrix": Success,
	})
	equals(t, "conclusion", results.Conclusion(), Failure)
	equals(t, "needs", results.Job("last").Steps[0].Log, "1 failure success\n")
	equals(t, "matrix", results.Job("after-matrix").Steps[0].Log, "1y failure\n")
	equals(t, "cell", results.Job("matrix (1, x)").Steps[0].Log, "2/4\n")
	equals(t, "values", results.Job("matrix (1, x)").Matrix, map[string]any{"env": "1", "list": "x"})

	w, err := load(t, "on: workflow_dispatch\njobs:\n"+run("a", "", "true")+run("b", "    needs: a\n", "true")+run("c", "    needs: b\n", "true"))
	if err != nil {
		t.Fatal(err)
	}
	if results, err = w.Do(t.Context(), Run{Dir: t.TempDir()}, "b"); err != nil || len(results) != 2 || results[0].ID != "a" {
		t.Errorf("only b: %+v, %v", results, err)
	}
	if _, err = w.Do(t.Context(), Run{Dir: t.TempDir()}, "d"); err == nil {
		t.Error("there is no job d")
	}
	if _, err := do(t, Run{}, "on: workflow_dispatch\njobs:\n"+run("a", "    strategy: {matrix: {v: [1]}}\n", "true")); err == nil || !strings.Contains(err.Error(), "give it by fromJSON") {
		t.Errorf("a number in a matrix: %v", err)
	}
}

const called = `
on:
  workflow_call:
    inputs:
      environment: {type: string, required: true}
      dry-run: {type: boolean, default: true}
      wait: {type: number}
    secrets:
      api-token: {required: true}
    outputs:
      status: {value: "${{ jobs.migrate.outputs.status }}"}
permissions: {contents: read}
concurrency: &group {group: "called-${{ inputs.environment }}", queue: max}
jobs:
  migrate:
    runs-on: ubuntu-latest
    concurrency: *group
    outputs: {status: "${{ steps.s.outputs.status }}"}
    steps:
      - id: s
        env: {T: "${{ secrets.api-token }}"}
        run: |
          echo "${{ inputs.environment }} ${{ inputs.dry-run == false }} ${{ inputs.wait }} ${#T} ${{ github.workflow }} ${UP-no}"
          echo status=${{ inputs.environment }}-done >>"$GITHUB_OUTPUT"
`

func TestReusableWorkflows(t *testing.T) {
	t.Parallel()
	caller := func(with string) string {
		return "name: caller\non: workflow_dispatch\npermissions: {contents: write}\nconcurrency: caller\nenv: {UP: up}\njobs:\n  call:\n    uses: ./.github/workflows/called.yml\n" + with +
			"  after:\n    needs: call\n    runs-on: ubuntu-latest\n    steps: [{run: 'echo ${{ needs.call.outputs.status }}'}]\n"
	}
	secrets := map[string]string{"TOKEN": "12345", "API-TOKEN": "123"}
	results := mustDo(t, Run{Secrets: secrets}, caller("    with: {environment: staging, dry-run: false, wait: 2}\n    secrets: {api-token: '${{ secrets.TOKEN }}'}\n"), called)
	equals(t, "conclusions", conclusions(results)["call / migrate"], Success)
	inner := results.Job("call").Jobs[0]
	equals(t, "log", inner.Steps[0].Log, "staging true 2 5 caller no\n")
	equals(t, "permissions", inner.Permissions, map[string]string{"contents": "read"})
	equals(t, "concurrency", inner.Concurrency, []Concurrency{{Group: "caller"}, {Group: "called-staging", Queue: "max"}, {Group: "called-staging", Queue: "max"}})
	equals(t, "outputs", results.Job("after").Steps[0].Log, "staging-done\n")

	results = mustDo(t, Run{Secrets: secrets}, caller("    strategy: {matrix: {e: [a, b]}}\n    with: {environment: '${{ matrix.e }}', dry-run: \"${{ 1 == 2 }}\"}\n    secrets: inherit\n"), called)
	equals(t, "matrix", results.Job("call (b)").Jobs[0].Steps[0].Log, "b true 0 3 caller no\n")

	token := "    secrets: {api-token: x}\n"
	for want, with := range map[string]string{
		"input environment is required, but not provided while calling":        token,
		"invalid input, other is not defined in the referenced workflow":       "    with: {environment: a, other: b}\n" + token,
		"input dry-run is true, which has another type":                        "    with: {environment: a, dry-run: 'true'}\n" + token,
		"input wait is false, which has another type":                          "    with: {environment: a, wait: '${{ 1 == 2 }}'}\n" + token,
		"secret api-token is required, but not provided while calling":         "    with: {environment: a}\n",
		"invalid secret, other is not defined in the referenced workflow":      "    with: {environment: a}\n    secrets: {api-token: x, other: y}\n",
		"it wants the permission contents: read, which its caller does not":    "    permissions: {}\n    with: {environment: a}\n" + token,
		"deadlock: its caller waits in the concurrency group \"called-a\" too": "    concurrency: called-a\n    with: {environment: a}\n" + token,
	} {
		if _, err := do(t, Run{}, caller(with), called); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", with, err, want)
		}
	}
	r := mustDo(t, Run{Event: "workflow_call", Inputs: map[string]string{"environment": "true", "dry-run": "false"}}, called)[0]
	equals(t, "a call from nowhere", r.Steps[0].Log, "true true 0 0 .github/workflows/main.yml no\n")
}

// A workflow of this repository that this package cannot run is one that no test runs.
func TestOwnWorkflowsLoad(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../../.github/workflows/*.yml")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		others := map[string][]string{ // TestRelease plays the first one
			"release.yml":   releasing,
			"scorecard.yml": {"ossf/scorecard-action", "github/codeql-action/upload-sarif"},
			"codeql.yml":    {"github/codeql-action/init", "github/codeql-action/analyze"},
		}[filepath.Base(file)]
		if _, err := Load(file, others...); err != nil {
			t.Error(err)
		}
	}
}

// Everybody's actions are pinned to a commit: a tag can be moved to another one.
func TestOwnWorkflowsArePinned(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../../.github/workflows/*.yml")
	if err != nil {
		t.Fatal(err)
	}
	pinned := regexp.MustCompile(`@[0-9a-f]{40} # v\d+\.\d+\.\d+$`)
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(content)) {
			_, uses, found := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "- "), "uses: ")
			uses = strings.TrimSpace(uses)
			if !found || strings.HasPrefix(strings.TrimSpace(line), "#") || strings.Contains(uses, "./") || strings.HasPrefix(uses, "*") || strings.Contains(uses, ActionRepository) {
				continue
			}
			if !pinned.MatchString(uses) {
				t.Errorf("%s: %s is not pinned to a commit with its version behind it", filepath.Base(file), uses)
			}
		}
	}
}
