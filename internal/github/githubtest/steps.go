package githubtest

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rhysd/actionlint"
	"go.yaml.in/yaml/v4"
)

// shells are the command lines of the shells; the script's name follows.
// https://docs.github.com/actions/reference/workflows-and-actions/workflow-syntax#jobsjob_idstepsshell
var shells = map[string][]string{
	"":     {"bash", "-e"},
	"bash": {"bash", "--noprofile", "--norc", "-eo", "pipefail"},
	"sh":   {"sh", "-e"},
}

// Call is what a step that uses the action starts with.
type Call struct {
	Env            []string // the step's whole environment: INPUT_*, GITHUB_*, RUNNER_*, env
	Workspace      string   // the working directory
	ActionDir      string   // where action.yml is
	Stdout, Stderr io.Writer
}

// Getenv looks a variable of the step up.
func (c Call) Getenv(name string) string {
	for _, variable := range slices.Backward(c.Env) {
		if value, ok := strings.CutPrefix(variable, name+"="); ok {
			return value
		}
	}
	return ""
}

// jobRun is a job while its steps run.
type jobRun struct {
	*session
	here            scope
	workspace, temp string
	environ         map[string]string // of the machine
	env             map[string]string // the workflow's, the job's, then what steps add
	path            []string          // what steps add
	steps           map[string]any
	runner          map[string]any
	masks           *masks
	status          string
	defaults        actionlint.DefaultsRun
	result          *Result
}

// runJob runs the steps of a job in directories of its own.
func (s *session) runJob(ctx context.Context, job *actionlint.Job, here scope, r *Result) error {
	dir, err := os.MkdirTemp(s.run.Dir, r.ID+"-")
	if err != nil {
		return err
	}
	_, repository, _ := strings.Cut(s.run.Repository, "/")
	j := &jobRun{
		session: s, result: r, status: Success, masks: &masks{}, steps: map[string]any{},
		workspace: filepath.Join(dir, repository, repository), temp: filepath.Join(dir, "_temp"),
		environ: map[string]string{"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": filepath.Join(dir, "home"), "CI": "true", "RUNNER_TRACKING_ID": "github_" + rand.Text()},
	}
	for _, d := range []string{j.workspace, j.temp, j.environ["HOME"], filepath.Join(dir, "_tool"), filepath.Join(j.temp, "_github_workflow"), filepath.Join(j.temp, "_runner_file_commands")} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return err
		}
	}
	event, err := json.Marshal(s.run.Payload)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(j.temp, "_github_workflow", "event.json"), event, 0o644); err != nil {
		return err
	}
	for _, variable := range s.run.Environ {
		name, value, _ := strings.Cut(variable, "=")
		j.environ[name] = value
	}
	for _, secrets := range []map[string]string{s.run.Secrets, s.secrets} {
		for _, secret := range secrets {
			j.masks.add(secret)
		}
	}
	github := merged(s.github, map[string]any{"job": r.ID, "workspace": j.workspace, "event_path": filepath.Join(j.temp, "_github_workflow", "event.json")})
	arch := map[string]string{"amd64": "X64", "arm64": "ARM64"}[runtime.GOARCH]
	j.runner = map[string]any{"name": "githubtest", "os": "Linux", "arch": arch, "environment": "github-hosted", "temp": j.temp, "tool_cache": filepath.Join(dir, "_tool")}
	secrets := map[string]any{"secrets": object(s.secrets)}
	workflowEnv, err := s.base.with(secrets).texts(envOf(s.flow.Env))
	if err != nil {
		return err
	}
	jobEnv, err := here.with(secrets).texts(envOf(job.Env))
	if err != nil {
		return err
	}
	j.env = merged(workflowEnv, jobEnv)
	j.here = here.with(map[string]any{"github": github, "runner": j.runner, "secrets": secrets["secrets"], "steps": j.steps})
	j.here.status = func(function string) bool {
		return j.status == map[string]string{"success": Success, "failure": Failure, "cancelled": Cancelled}[function]
	}
	for _, defaults := range []*actionlint.Defaults{s.flow.Defaults, job.Defaults} {
		if defaults != nil && defaults.Run != nil {
			if defaults.Run.Shell != nil {
				j.defaults.Shell = defaults.Run.Shell
			}
			if defaults.Run.WorkingDirectory != nil {
				j.defaults.WorkingDirectory = defaults.Run.WorkingDirectory
			}
		}
	}
	defer killOrphans(j.environ["RUNNER_TRACKING_ID"])
	for i, step := range job.Steps {
		done, err := j.step(ctx, i, step)
		if err != nil {
			return fmt.Errorf("step %d: %w", i+1, err)
		}
		r.Steps = append(r.Steps, done)
	}
	if r.Conclusion = j.status; ctx.Err() != nil && r.Conclusion == Success {
		r.Conclusion = Cancelled
	}
	return j.outputs(job)
}

// killOrphans ends what steps have left running, such as a server. As the runner does, it looks
// for the job's mark in the environment of processes; where there is no /proc it finds none.
// https://github.com/actions/runner/blob/main/src/Runner.Worker/JobExtension.cs
func killOrphans(mark string) {
	for range 100 { // until the last one is gone, which takes a moment
		environments, _ := filepath.Glob("/proc/[0-9]*/environ")
		alive := false
		for _, file := range environments {
			environ, err := os.ReadFile(file)
			if err != nil || !slices.Contains(strings.Split(string(environ), "\x00"), "RUNNER_TRACKING_ID="+mark) {
				continue
			}
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
			if process, err := os.FindProcess(pid); err == nil {
				_, alive = process.Kill(), true
			}
		}
		if !alive {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// outputs are left out if they are empty or have a masked value in them.
// https://docs.github.com/actions/reference/workflows-and-actions/workflow-syntax#jobsjob_idoutputs
func (j *jobRun) outputs(job *actionlint.Job) error {
	for _, output := range job.Outputs {
		value, err := j.scope().text(output.Value.Value)
		if err != nil {
			return fmt.Errorf("outputs.%s: %w", output.Name.Value, err)
		}
		if j.masks.hide(value) != value {
			j.result.Warnings = append(j.result.Warnings, fmt.Sprintf("Skip output '%s' since it may contain secret.", output.Name.Value))
		} else if value != "" {
			j.result.Outputs[output.Name.Value] = value
		}
	}
	return nil
}

func (j *jobRun) scope() scope {
	return j.here.with(map[string]any{"env": object(j.env), "job": map[string]any{"status": j.status, "workflow_repository": j.home(), "workflow_sha": j.run.SHA}})
}

// step runs a step, or skips it, and does what its file commands say.
func (j *jobRun) step(ctx context.Context, number int, step *actionlint.Step) (done Step, err error) {
	if ctx.Err() != nil {
		if j.status == Success {
			j.status = Cancelled
		}
		ctx = context.WithoutCancel(ctx) // for the steps that run all the same
	}
	done = Step{ID: valueOf(step.ID), Outcome: Skipped, Conclusion: Skipped, Outputs: map[string]string{}}
	outside := j.scope()
	env, err := outside.texts(envOf(step.Env))
	if err != nil {
		return done, err
	}
	here := outside.with(map[string]any{"env": object(merged(j.env, env))})
	inIf := here.with(nil)
	delete(inIf.contexts, "secrets")
	runs, err := inIf.condition(valueOf(step.If))
	if err != nil {
		return done, err
	}
	here.status = nil
	log := &transcript{masks: j.masks}
	defer func() {
		done.Log = log.text.String()
		if done.ID != "" {
			j.steps[done.ID] = map[string]any{"outputs": object(done.Outputs), "outcome": done.Outcome, "conclusion": done.Conclusion}
		}
	}()
	if done.Name, err = here.text(stepName(step)); err != nil || !runs {
		return done, err
	}
	files := map[string]string{}
	for name, file := range map[string]string{"GITHUB_OUTPUT": "set_output", "GITHUB_ENV": "set_env", "GITHUB_PATH": "add_path", "GITHUB_STATE": "save_state", "GITHUB_STEP_SUMMARY": "step_summary"} {
		files[name] = filepath.Join(j.temp, "_runner_file_commands", fmt.Sprintf("%s_%d", file, number))
		if err := os.WriteFile(files[name], nil, 0o644); err != nil {
			return done, err
		}
	}
	variables := merged(j.environ, j.env, env)
	if len(j.path) > 0 {
		variables["PATH"] = strings.Join(append(slices.Clone(j.path), variables["PATH"]), ":")
	}
	code, err := j.execute(ctx, step, here, variables, files, log)
	if err != nil {
		return done, err
	}
	if log.err != nil {
		return done, log.err
	}
	failed := code != 0
	if failed {
		log.print(fmt.Sprintf("##[error]Process completed with exit code %d.", code))
	}
	if err := j.fileCommands(files, &done); err != nil {
		log.print("##[error]" + err.Error())
		failed = true
	}
	done.Outcome, done.Conclusion = Success, Success
	switch {
	case ctx.Err() != nil:
		done.Outcome, done.Conclusion, j.status = Cancelled, Cancelled, Cancelled
	case failed:
		done.Outcome = Failure
		goOn := false
		if step.ContinueOnError != nil {
			if goOn, err = here.boolean(step.ContinueOnError); err != nil {
				return done, err
			}
		}
		if !goOn {
			done.Conclusion, j.status = Failure, Failure
		}
	}
	return done, nil
}

func stepName(step *actionlint.Step) string {
	if step.Name != nil {
		return step.Name.Value
	}
	switch exec := step.Exec.(type) {
	case *actionlint.ExecRun:
		line, _, _ := strings.Cut(strings.TrimSpace(exec.Run.Value), "\n")
		return "Run " + line
	case *actionlint.ExecAction:
		return "Run " + exec.Uses.Value
	}
	return ""
}

func (j *jobRun) execute(ctx context.Context, step *actionlint.Step, here scope, variables, files map[string]string, log *transcript) (int, error) {
	switch exec := step.Exec.(type) {
	case *actionlint.ExecRun:
		return j.script(ctx, exec, here, j.environment(variables, files, stepID(step, "__run")), log)
	case *actionlint.ExecAction:
		u := use{with: map[string]string{}, log: log, environment: func(inputs map[string]string) []string {
			return j.environment(merged(variables, inputs), files, stepID(step, "__self"))
		}}
		for _, input := range exec.Inputs {
			value, err := here.text(input.Value.Value)
			if err != nil {
				return 0, fmt.Errorf("with.%s: %w", input.Name.Value, err)
			}
			u.with[input.Name.Value] = value
		}
		if other := j.run.Others[actionName(exec.Uses.Value)]; other != nil {
			inputs := map[string]string{}
			for name, value := range u.with {
				inputs[variable(name)] = value
			}
			return j.play(ctx, other, "", u, inputs), nil
		}
		player := playedAs(exec.Uses.Value)
		if player == nil {
			return 0, fmt.Errorf("Run.Others does not play %s", exec.Uses.Value)
		}
		return player(ctx, j, u)
	}
	return 0, errors.New("neither run nor uses")
}

func stepID(step *actionlint.Step, fallback string) string {
	if step.ID != nil {
		return step.ID.Value
	}
	return fallback
}

// environment is the one of a step. GITHUB_* and RUNNER_* cannot be overwritten.
// https://docs.github.com/actions/reference/workflows-and-actions/variables
func (j *jobRun) environment(variables, files map[string]string, action string) []string {
	all := merged(variables, files, map[string]string{"GITHUB_ACTIONS": "true", "GITHUB_ACTION": action})
	for name, value := range j.here.contexts["github"].(map[string]any) {
		if name != "token" && name != "event" {
			all["GITHUB_"+strings.ToUpper(name)] = asText(value)
		}
	}
	for name, value := range j.runner {
		all["RUNNER_"+strings.ToUpper(name)] = asText(value)
	}
	var environment []string
	for _, name := range sortedNames(all) {
		environment = append(environment, name+"="+all[name])
	}
	return environment
}

// script runs a step's run in its shell.
func (j *jobRun) script(ctx context.Context, run *actionlint.ExecRun, here scope, environment []string, log *transcript) (int, error) {
	text, err := here.text(run.Run.Value)
	if err != nil {
		return 0, err
	}
	shell, directory := run.Shell, run.WorkingDirectory
	if shell == nil {
		shell = j.defaults.Shell
	}
	if directory == nil {
		directory = j.defaults.WorkingDirectory
	}
	dir, err := here.text(valueOf(directory))
	if err != nil {
		return 0, err
	}
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(j.workspace, dir)
	}
	file, err := os.CreateTemp(j.temp, "*.sh")
	if err != nil {
		return 0, err
	}
	if _, err := file.WriteString(text + "\n"); err != nil {
		return 0, err
	}
	if err := file.Close(); err != nil {
		return 0, err
	}
	out := log.lines()
	code, err := execute(ctx, append(slices.Clone(shells[valueOf(shell)]), file.Name()), dir, environment, out, out)
	out.close()
	return code, err
}

// Command returns a Run.Action that runs another program in the step's environment and working
// directory, with the directory of action.yml as its last argument.
func Command(line ...string) func(context.Context, Call) int {
	return func(ctx context.Context, c Call) int {
		code, err := execute(ctx, append(slices.Clone(line), c.ActionDir), c.Workspace, c.Env, c.Stdout, c.Stderr)
		if err != nil {
			fmt.Fprintln(c.Stderr, err)
			return 127
		}
		return code
	}
}

// execute returns a program's exit code. A run that is cancelled interrupts it.
// https://docs.github.com/actions/reference/workflows-and-actions/workflow-cancellation
func execute(ctx context.Context, line []string, dir string, environment []string, stdout, stderr io.Writer) (int, error) {
	command := exec.CommandContext(ctx, line[0], line[1:]...)
	command.Dir, command.Env, command.Stdout, command.Stderr = dir, environment, stdout, stderr
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
	command.WaitDelay = 10 * time.Second
	err := command.Run()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		return max(exit.ExitCode(), 1), nil // -1 after a signal
	case errors.Is(err, exec.ErrWaitDelay), ctx.Err() != nil:
		return 0, nil
	}
	return 0, err
}

// use is a step that uses something.
type use struct {
	with        map[string]string
	environment func(inputs map[string]string) []string
	log         *transcript
}

type player func(context.Context, *jobRun, use) (int, error)

// actionName is the action that a step uses, without its version.
func actionName(uses string) string {
	name, _, _ := strings.Cut(uses, "@")
	return name
}

// playedAs returns what plays `uses`, nil if nothing does.
func playedAs(uses string) player {
	name, _, pinned := strings.Cut(uses, "@")
	switch {
	case strings.Contains(uses, "${{"):
		return nil
	case strings.HasPrefix(uses, "./"):
		return func(ctx context.Context, j *jobRun, u use) (int, error) {
			return j.action(ctx, filepath.Join(j.workspace, uses), u)
		}
	case name == ActionRepository && pinned:
		return func(ctx context.Context, j *jobRun, u use) (int, error) { return j.action(ctx, j.run.ActionSource, u) }
	case name == "actions/checkout" && pinned:
		return func(_ context.Context, j *jobRun, u use) (int, error) { return 0, j.checkout(u) }
	case (name == "actions/setup-go" || name == "actions/setup-node") && pinned:
		return func(_ context.Context, _ *jobRun, u use) (int, error) {
			u.log.print(uses + " does nothing here")
			return 0, nil
		}
	}
	return nil
}

// home is the repository that the workflow file of the job is from.
// https://docs.github.com/actions/reference/workflows-and-actions/contexts#job-context
func (j *jobRun) home() string {
	if j.run.ActionSource != "" && strings.HasPrefix(j.flow.path, j.run.ActionSource+string(filepath.Separator)) {
		return ActionRepository
	}
	return j.run.Repository
}

// checkout copies the source that its inputs name; what was in its place is gone.
// https://github.com/actions/checkout#usage
func (j *jobRun) checkout(u use) error {
	source := j.run.Source
	for name, value := range u.with {
		switch name {
		case "path", "persist-credentials", "fetch-depth", "token":
		case "repository":
			if value == ActionRepository && value != j.run.Repository {
				source = j.run.ActionSource
			} else if value != "" && value != j.run.Repository {
				return fmt.Errorf("checkout: there is no source for repository %s", value)
			}
		case "ref":
			head := lookup(j.run.Payload, "pull_request", "head")
			known := []string{"", j.run.Ref, j.run.SHA, asText(j.github["ref_name"]), asText(lookup(head, "sha")), asText(lookup(head, "ref"))}
			if u.with["repository"] != ActionRepository && !slices.Contains(known, value) {
				return fmt.Errorf("checkout: there is no source for ref %s", value)
			}
		default:
			return fmt.Errorf("checkout: input %s is not supported", name)
		}
	}
	if source == "" {
		return errors.New("checkout: the run has no source")
	}
	target := filepath.Join(j.workspace, u.with["path"])
	old, err := os.ReadDir(target)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	for _, entry := range old {
		if err := os.RemoveAll(filepath.Join(target, entry.Name())); err != nil {
			return err
		}
	}
	u.log.print("checked out into " + filepath.Join(".", u.with["path"]))
	if err := os.CopyFS(target, os.DirFS(source)); err != nil {
		return err
	}
	return os.RemoveAll(filepath.Join(target, ".git"))
}

// action calls the container action of a directory. Inputs without a value are empty, and the
// runner does not mind whether they are required.
// https://docs.github.com/actions/reference/workflows-and-actions/metadata-syntax#inputs
func (j *jobRun) action(ctx context.Context, dir string, u use) (int, error) {
	content, err := os.ReadFile(filepath.Join(dir, "action.yml"))
	if err != nil {
		return 0, fmt.Errorf("no action (is it checked out?): %w", err)
	}
	var metadata struct {
		Inputs map[string]struct{ Default *string }
		Runs   map[string]any
	}
	if err := yaml.Unmarshal(content, &metadata); err != nil {
		return 0, err
	}
	if metadata.Runs["using"] != "docker" || len(metadata.Runs) != 2 || j.run.Action == nil {
		return 0, fmt.Errorf("%s: only a container with nothing but an image is supported, and Run.Action must play it", dir)
	}
	defaults := scope{contexts: map[string]any{}}
	for _, name := range []string{"github", "job", "matrix", "runner", "strategy"} {
		defaults.contexts[name] = j.scope().contexts[name]
	}
	inputs := map[string]string{}
	for name, input := range metadata.Inputs {
		value := ""
		if input.Default != nil {
			if value, err = defaults.text(*input.Default); err != nil {
				return 0, err
			}
		}
		inputs[variable(name)] = value
	}
	for _, name := range sortedNames(u.with) {
		if _, known := inputs[variable(name)]; !known {
			u.log.print(fmt.Sprintf("##[warning]Unexpected input(s) '%s', valid inputs are %q", name, sortedNames(metadata.Inputs)))
		}
		inputs[variable(name)] = u.with[name]
	}
	return j.play(ctx, j.run.Action, dir, u, inputs), nil
}

func (j *jobRun) play(ctx context.Context, action func(context.Context, Call) int, dir string, u use, inputs map[string]string) int {
	stdout, stderr := u.log.lines(), u.log.lines()
	code := action(ctx, Call{Env: u.environment(inputs), Workspace: j.workspace, ActionDir: dir, Stdout: stdout, Stderr: stderr})
	stdout.close()
	stderr.close()
	return code
}

// variable is the one that an input is passed in: spaces become underscores, hyphens stay.
func variable(input string) string {
	return "INPUT_" + strings.ToUpper(strings.ReplaceAll(input, " ", "_"))
}

// fileCommands does what a step has written into its files.
// https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands#environment-files
func (j *jobRun) fileCommands(files map[string]string, done *Step) error {
	text := map[string]string{}
	for name, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		text[name] = string(content)
	}
	done.Summary = j.masks.hide(text["GITHUB_STEP_SUMMARY"])
	for line := range strings.FieldsFuncSeq(text["GITHUB_PATH"], func(r rune) bool { return r == '\n' }) {
		j.path = slices.Insert(j.path, 0, line)
	}
	env, err := assignments(text["GITHUB_ENV"])
	if err != nil {
		return fmt.Errorf("GITHUB_ENV: %w", err)
	}
	maps.Copy(j.env, env)
	outputs, err := assignments(text["GITHUB_OUTPUT"])
	if err != nil {
		return fmt.Errorf("GITHUB_OUTPUT: %w", err)
	}
	maps.Copy(done.Outputs, outputs)
	if size := len(done.Summary); size > 1<<20 {
		done.Summary = ""
		return fmt.Errorf("$GITHUB_STEP_SUMMARY upload aborted, supports content up to a size of 1024k, got %dk", size>>10)
	}
	return nil
}

// assignments reads name=value, and name<<delimiter with lines up to the delimiter.
// https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands#multiline-strings
func assignments(text string) (map[string]string, error) {
	values := map[string]string{}
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	for i := 0; i < len(lines); i++ {
		line := lines[i]
		if line == "" {
			continue
		}
		equals, heredoc := strings.Index(line, "="), strings.Index(line, "<<")
		switch {
		case equals >= 0 && (heredoc < 0 || equals < heredoc):
			if equals == 0 {
				return nil, fmt.Errorf("invalid format '%s'. the name is empty", line)
			}
			values[line[:equals]] = line[equals+1:]
		case heredoc > 0 && line[heredoc+2:] != "":
			delimiter := line[heredoc+2:]
			end := slices.Index(lines[i+1:], delimiter)
			if end < 0 {
				return nil, fmt.Errorf("invalid value: no matching delimiter '%s'", delimiter)
			}
			values[line[:heredoc]] = strings.Join(lines[i+1:i+1+end], "\n")
			i += end + 1
		default:
			return nil, fmt.Errorf("invalid format '%s'", line)
		}
	}
	return values, nil
}

func envOf(env *actionlint.Env) map[string]string {
	out := map[string]string{}
	if env != nil {
		for _, variable := range env.Vars {
			out[variable.Name.Value] = variable.Value.Value
		}
	}
	return out
}

// masks are the values of a job that nobody may see.
type masks struct {
	sync.Mutex
	values []string
}

// add masks a value and each of its lines.
func (m *masks) add(value string) {
	m.Lock()
	defer m.Unlock()
	m.values = append(m.values, strings.FieldsFunc(value, func(r rune) bool { return r == '\n' || r == '\r' })...)
	m.values = append(m.values, value)
	m.values = slices.DeleteFunc(m.values, func(value string) bool { return strings.TrimSpace(value) == "" })
	slices.SortFunc(m.values, func(a, b string) int { return len(b) - len(a) })
}

func (m *masks) hide(text string) string {
	m.Lock()
	defer m.Unlock()
	for _, value := range m.values {
		text = strings.ReplaceAll(text, value, "***")
	}
	return text
}

// transcript keeps the log of a step as it was written, less secrets and the commands that set
// masks, and does what workflow commands say.
// https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands
type transcript struct {
	sync.Mutex
	masks   *masks
	text    strings.Builder
	stopped string // the token that starts commands again
	err     error
}

func (t *transcript) print(line string) {
	t.Lock()
	defer t.Unlock()
	command, data := commandOf(line)
	switch {
	case t.stopped != "":
		if strings.EqualFold(command, t.stopped) {
			t.stopped = ""
		}
	case command == "add-mask":
		t.masks.add(data)
		return
	case command == "stop-commands":
		t.stopped = data
	case slices.Contains([]string{"set-output", "save-state", "set-env", "add-path", "add-matcher", "remove-matcher"}, command):
		t.err = fmt.Errorf("the workflow command %s is not supported", command)
	}
	t.text.WriteString(t.masks.hide(line) + "\n")
}

// commandOf reads a line as the runner does: ::name properties::data after white space, or the
// older ##[name properties]data anywhere.
// https://github.com/actions/runner/blob/main/src/Runner.Common/ActionCommand.cs
func commandOf(line string) (name, data string) {
	head, data, ok := "", "", false
	unescape := strings.NewReplacer("%25", "%", "%0D", "\r", "%0A", "\n")
	if rest, begins := strings.CutPrefix(strings.TrimSpace(line), "::"); begins {
		head, data, ok = strings.Cut(rest, "::")
	} else if _, rest, begins := strings.Cut(line, "##["); begins {
		head, data, ok = strings.Cut(rest, "]")
		unescape = strings.NewReplacer("%3B", ";", "%5D", "]", "%25", "%", "%0D", "\r", "%0A", "\n")
	}
	if !ok {
		return "", ""
	}
	name, _, _ = strings.Cut(head, " ")
	return strings.ToLower(name), unescape.Replace(data)
}

// lines returns a writer of whole lines to the log; close writes an unfinished one.
func (t *transcript) lines() *lineWriter { return &lineWriter{t: t} }

type lineWriter struct {
	t    *transcript
	rest []byte
}

func (l *lineWriter) Write(p []byte) (int, error) {
	l.rest = append(l.rest, p...)
	for {
		end := bytes.IndexAny(l.rest, "\r\n")
		if end < 0 || end == len(l.rest)-1 && l.rest[end] == '\r' { // a \n could follow
			return len(p), nil
		}
		next := end + 1
		if l.rest[end] == '\r' && l.rest[next] == '\n' {
			next++
		}
		l.t.print(string(l.rest[:end]))
		l.rest = l.rest[next:]
	}
}

func (l *lineWriter) close() {
	if len(l.rest) > 0 {
		l.t.print(strings.TrimSuffix(string(l.rest), "\r"))
	}
	l.rest = nil
}
