package githubtest

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rhysd/actionlint"
	"go.yaml.in/yaml/v4"
)

// ActionRepository is the repository whose action and reusable workflows a workflow may use from
// anywhere: they come from Run.ActionSource.
const ActionRepository = "d1-rewind/d1-rewind"

// Workflow is a workflow file that this package can run as GitHub does.
// https://docs.github.com/actions/reference/workflows-and-actions/workflow-syntax
type Workflow struct {
	path string
	*actionlint.Workflow
	queues map[*actionlint.Concurrency]string // their keys queue
	others []string                           // actions that a run has to play itself
}

// Load reads a workflow file. It refuses what GitHub would refuse, and what this package does not
// play: a workflow that loads is run as it stands. Of others' actions, "owner/name", those named in
// others are played by Run.Others.
func Load(path string, others ...string) (*Workflow, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	linter, err := actionlint.NewLinter(io.Discard, &actionlint.LinterOptions{})
	if err != nil {
		return nil, err
	}
	complaints, err := linter.Lint(path, content, nil)
	if err != nil {
		return nil, err
	}
	var problems []error
	for _, c := range complaints {
		// Advice, and what GitHub takes: a property that is not there is null.
		// The linter does not know the key queue.
		if slices.Contains([]string{"deprecated-commands", "if-cond", "runner-label"}, c.Kind) ||
			strings.HasPrefix(c.Message, "property ") || strings.HasPrefix(c.Message, `unexpected key "queue" for "concurrency"`) || strings.Contains(c.Message, "potentially untrusted") {
			continue
		}
		problems = append(problems, fmt.Errorf("%s:%d:%d: %s", path, c.Line, c.Column, c.Message))
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	parsed, _ := actionlint.Parse(content) // the linter has its errors
	w := &Workflow{path, parsed, map[*actionlint.Concurrency]string{}, others}
	var raw struct {
		Concurrency yaml.Node
		Jobs        map[string]struct{ Concurrency yaml.Node }
	}
	if err := yaml.Unmarshal(content, &raw); err != nil {
		return nil, err
	}
	if w.queues[w.Concurrency], err = queueOf(raw.Concurrency); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	for id, job := range raw.Jobs {
		if w.queues[w.Jobs[strings.ToLower(id)].Concurrency], err = queueOf(job.Concurrency); err != nil {
			return nil, fmt.Errorf("%s: job %s: %w", path, id, err)
		}
	}
	for _, construct := range w.unsupported() {
		problems = append(problems, fmt.Errorf("%s: %s is not supported", path, construct))
	}
	return w, errors.Join(problems...)
}

func queueOf(concurrency yaml.Node) (string, error) {
	var keys struct {
		Queue  string
		Cancel string `yaml:"cancel-in-progress"`
	}
	if concurrency.Kind == yaml.AliasNode {
		concurrency = *concurrency.Alias
	}
	if concurrency.Kind != yaml.MappingNode {
		return "", nil
	}
	err := concurrency.Decode(&keys)
	if err == nil && (!slices.Contains([]string{"", "single", "max"}, keys.Queue) || keys.Queue == "max" && keys.Cancel == "true") {
		err = fmt.Errorf("concurrency cannot have queue %q where cancel-in-progress is %q", keys.Queue, keys.Cancel)
	}
	return keys.Queue, err
}

// unsupported names what GitHub takes and this package cannot play.
func (w *Workflow) unsupported() []string {
	var found []string
	check := func(there bool, format string, arguments ...any) {
		if there {
			found = append(found, fmt.Sprintf(format, arguments...))
		}
	}
	for _, event := range w.On {
		switch e := event.(type) {
		case *actionlint.WebhookEvent:
			check(len(e.Workflows) > 0, "on.%s.workflows", e.EventName())
		case *actionlint.WorkflowDispatchEvent, *actionlint.WorkflowCallEvent, *actionlint.ScheduledEvent:
		default:
			check(true, "on.%s", event.EventName())
		}
	}
	env := func(where string, env *actionlint.Env) {
		check(env != nil && env.Expression != nil, "%s: an expression for the whole env", where)
	}
	shell := func(where string, shell *actionlint.String) {
		check(shell != nil && shells[shell.Value] == nil, "%s: this shell", where)
	}
	env("env", w.Env)
	if w.Defaults != nil && w.Defaults.Run != nil {
		shell("defaults", w.Defaults.Run.Shell)
	}
	for id, job := range w.Jobs {
		env(id, job.Env)
		check(job.Container != nil, "%s.container", id)
		check(job.Services != nil, "%s.services", id)
		check(job.Snapshot != nil, "%s.snapshot", id)
		check(job.ContinueOnError != nil, "%s.continue-on-error", id)
		if job.Strategy != nil && job.Strategy.Matrix != nil {
			m := job.Strategy.Matrix
			check(m.Include != nil || m.Exclude != nil, "%s.strategy.matrix: include and exclude", id)
		}
		if job.Defaults != nil && job.Defaults.Run != nil {
			shell(id+".defaults", job.Defaults.Run.Shell)
		}
		if job.WorkflowCall != nil {
			_, err := w.called(job.WorkflowCall.Uses.Value, "")
			check(err != nil, "%s.uses: %s", id, job.WorkflowCall.Uses.Value)
		}
		for i, step := range job.Steps {
			where := fmt.Sprintf("%s.steps[%d]", id, i)
			env(where, step.Env)
			switch exec := step.Exec.(type) {
			case *actionlint.ExecRun:
				shell(where, exec.Shell)
			case *actionlint.ExecAction:
				check(exec.Args != nil || exec.Entrypoint != nil, "%s.with: args and entrypoint", where)
				check(!slices.Contains(w.others, actionName(exec.Uses.Value)) && playedAs(exec.Uses.Value) == nil, "%s.uses: %s", where, exec.Uses.Value)
			}
		}
	}
	slices.Sort(found)
	return found
}

// called returns the file of a reusable workflow: of the caller's own repository, or of the
// action's, whose files are in actionSource.
func (w *Workflow) called(uses, actionSource string) (string, error) {
	if strings.HasPrefix(uses, "./.github/workflows/") {
		return filepath.Join(filepath.Dir(w.path), "..", "..", uses), nil
	}
	name, ours := strings.CutPrefix(uses, ActionRepository+"/.github/workflows/")
	name, _, pinned := strings.Cut(name, "@")
	if !ours || !pinned {
		return "", fmt.Errorf("the reusable workflow %s is not known here", uses)
	}
	return filepath.Join(actionSource, ".github/workflows", name), nil
}

// Run is what happened in a repository, and what a run of a workflow gets. Only Dir is required.
type Run struct {
	Event   string            // workflow_dispatch if empty
	Payload map[string]any    // the webhook's, as far as a workflow looks at it
	Inputs  map[string]string // of workflow_dispatch, and of workflow_call where Do starts one
	Changed []string          // the files that the push or the pull request changes, for paths filters

	Secrets map[string]string // GITHUB_TOKEN is github.token; all are masked
	Vars    map[string]string

	Repository, Ref, SHA, Actor, RunID, RunAttempt, ServerURL, APIURL string

	Source       string   // what actions/checkout copies; .git is left out
	ActionSource string   // the same for ActionRepository
	Dir          string   // where jobs get their directories
	Environ      []string // of the machine: what steps see of the outside, PATH and HOME too

	// Action plays a step that uses the action, and returns its exit code.
	Action func(context.Context, Call) int
	// Others do so for actions of others, by "owner/name"; before what this package plays itself.
	Others map[string]func(context.Context, Call) int
}

// Conclusions of jobs and steps.
// https://docs.github.com/actions/reference/workflows-and-actions/contexts#steps-context
const (
	Success   = "success"
	Failure   = "failure"
	Cancelled = "cancelled"
	Skipped   = "skipped"
)

// Result is what became of a job: of one cell of its matrix.
type Result struct {
	ID, Name    string
	Matrix      map[string]any
	Conclusion  string
	Outputs     map[string]string
	Warnings    []string          // such as the output that is left out because a secret is in it
	Permissions map[string]string // of the token; nil if the repository's settings decide
	Environment string
	Concurrency []Concurrency // the groups that it waits in: its workflow's, its own
	Steps       []Step
	Jobs        Results // of the reusable workflow that it calls
}

// Concurrency is a group of which one run goes on at a time.
// https://docs.github.com/actions/how-tos/write-workflows/choose-when-workflows-run/control-workflow-concurrency
type Concurrency struct {
	Group            string
	CancelInProgress bool
	Queue            string // max: up to 100 wait; else one does, and the next one cancels it
}

// Step is what became of a step. Log and Summary are masked, Outputs are not.
type Step struct {
	ID, Name            string
	Outcome, Conclusion string // before and after continue-on-error
	Outputs             map[string]string
	Log, Summary        string
}

// Results are those of all jobs of a run, in the order in which they ran.
type Results []Result

// Job returns the first result that has this id or name, nil if there is none.
func (r Results) Job(name string) *Result {
	for i := range r {
		if r[i].ID == name || r[i].Name == name {
			return &r[i]
		}
	}
	return nil
}

// Step returns the first step that has this id or name, nil if there is none.
func (r *Result) Step(name string) *Step {
	for i := range r.Steps {
		if r.Steps[i].ID == name || r.Steps[i].Name == name {
			return &r.Steps[i]
		}
	}
	return nil
}

// Conclusion is the one of the run: the worst of its jobs'; skipped if all are.
func (r Results) Conclusion() string {
	for _, worst := range []string{Failure, Cancelled, Success} {
		if slices.ContainsFunc(r, func(job Result) bool { return job.Conclusion == worst }) {
			return worst
		}
	}
	return Skipped
}

// Do runs a workflow as its event does, or of its jobs only these and what they need. It fails
// with ErrNotTriggered where GitHub starts no run. Any other error is one of the workflow file or
// of the run that is asked for; GitHub may report those of expressions as a failed job.
func (w *Workflow) Do(ctx context.Context, run Run, only ...string) (Results, error) {
	if run.Dir == "" {
		return nil, errors.New("a run needs a Dir")
	}
	for _, dir := range []*string{&run.Dir, &run.Source, &run.ActionSource} {
		if *dir != "" {
			absolute, err := filepath.Abs(*dir)
			if err != nil {
				return nil, err
			}
			*dir = absolute
		}
	}
	for field, fallback := range map[*string]string{
		&run.Event: "workflow_dispatch", &run.Repository: "octo/app", &run.Ref: "refs/heads/main", &run.Actor: "octocat",
		&run.SHA: "0123456789abcdef0123456789abcdef01234567", &run.RunID: "1", &run.RunAttempt: "1",
		&run.ServerURL: "https://github.com", &run.APIURL: "https://api.github.com",
	} {
		*field = cmp.Or(*field, fallback)
	}
	payload, err := json.Marshal(merged(run.Payload)) // an object even if there is none
	if err != nil {
		return nil, err
	}
	run.Payload = nil
	if err := json.Unmarshal(payload, &run.Payload); err != nil { // numbers are float64 from here on
		return nil, err
	}
	event, err := w.triggeredBy(&run)
	if err != nil {
		return nil, err
	}
	s := &session{run: &run, flow: w, secrets: run.Secrets}
	s.github = s.githubContext()
	base := scope{contexts: map[string]any{"github": s.github, "vars": object(run.Vars)}}
	switch e := event.(type) {
	case *actionlint.WorkflowDispatchEvent:
		s.inputs, err = dispatchInputs(e, &run)
	case *actionlint.WorkflowCallEvent:
		given := object(run.Inputs)
		for _, input := range e.Inputs {
			if value, ok := run.Inputs[input.Name.Value]; ok {
				given[input.Name.Value] = typed(value, input.Type == actionlint.WorkflowCallEventInputTypeBoolean, input.Type == actionlint.WorkflowCallEventInputTypeNumber)
			}
		}
		s.inputs, err = callInputs(e, given, base)
	default:
		if len(run.Inputs) > 0 {
			err = fmt.Errorf("event %s has no inputs", run.Event)
		}
	}
	if err != nil {
		return nil, err
	}
	s.base = base.with(map[string]any{"inputs": s.inputs})
	return s.jobs(ctx, only)
}

// githubContext is the same for all jobs but for what jobRun adds.
// https://docs.github.com/actions/reference/workflows-and-actions/contexts#github-context
func (s *session) githubContext() map[string]any {
	r := s.run
	owner, _, _ := strings.Cut(r.Repository, "/")
	refType, refName := "branch", strings.TrimPrefix(r.Ref, "refs/heads/")
	if tag, ok := strings.CutPrefix(r.Ref, "refs/tags/"); ok {
		refType, refName = "tag", tag
	}
	file := ".github/workflows/" + filepath.Base(s.flow.path)
	name := file
	if s.flow.Name != nil && s.flow.Name.Value != "" {
		name = s.flow.Name.Value
	}
	return map[string]any{
		"token": r.Secrets["GITHUB_TOKEN"], "event": r.Payload, "event_name": r.Event, "workflow": name,
		"workflow_ref": r.Repository + "/" + file + "@" + r.Ref, "workflow_sha": r.SHA,
		"repository": r.Repository, "repository_owner": owner, "actor": r.Actor, "triggering_actor": r.Actor,
		"ref": r.Ref, "ref_name": strings.TrimPrefix(refName, "refs/pull/"), "ref_type": refType, "ref_protected": "false",
		"head_ref": asText(lookup(r.Payload, "pull_request", "head", "ref")), "base_ref": asText(lookup(r.Payload, "pull_request", "base", "ref")), "sha": r.SHA,
		"run_id": r.RunID, "run_number": "1", "run_attempt": r.RunAttempt,
		"server_url": r.ServerURL, "api_url": r.APIURL, "graphql_url": r.APIURL + "/graphql",
	}
}

// session is one run of one workflow file, or one call of a reusable one.
type session struct {
	run         *Run
	flow        *Workflow
	github      map[string]any
	inputs      map[string]any
	secrets     map[string]string
	base        scope             // what every expression of the file can see
	prefix      string            // "caller / " in a reusable workflow
	allowed     map[string]string // permissions that the caller has; nil: not known
	concurrency []Concurrency     // groups that the caller waits in
	depth       int
}

// need is what jobs see of a job that they need.
type need struct {
	conclusion string
	outputs    map[string]string
	before     []string // all that it needs, directly or not
}

// jobs runs jobs in the order of their needs.
func (s *session) jobs(ctx context.Context, only []string) (Results, error) {
	var waiting []string
	if s.flow.Concurrency != nil {
		group, err := s.group(s.flow.Concurrency, s.base)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(s.concurrency, func(held Concurrency) bool { return held.Group == group.Group }) {
			return nil, fmt.Errorf("%s: deadlock: its caller waits in the concurrency group %q too", s.flow.path, group.Group)
		}
		s.concurrency = append(slices.Clip(s.concurrency), group)
	}
	if waiting = only; len(only) == 0 {
		waiting = slices.SortedFunc(maps.Keys(s.flow.Jobs), func(a, b string) int {
			return cmp.Compare(s.flow.Jobs[a].Pos.Line, s.flow.Jobs[b].Pos.Line)
		})
	}
	var results Results
	done := map[string]need{}
	var visit func(id string) error
	visit = func(id string) error {
		job := s.flow.Jobs[strings.ToLower(id)]
		if job == nil {
			return fmt.Errorf("%s has no job %s", s.flow.path, id)
		}
		if _, ok := done[job.ID.Value]; ok {
			return nil
		}
		this := need{outputs: map[string]string{}}
		direct := map[string]any{}
		for _, n := range job.Needs {
			if err := visit(n.Value); err != nil { // the linter has found cycles
				return err
			}
			needed := s.flow.Jobs[strings.ToLower(n.Value)].ID.Value
			this.before = append(append(this.before, needed), done[needed].before...)
			direct[needed] = map[string]any{"result": done[needed].conclusion, "outputs": object(done[needed].outputs)}
		}
		ran, err := s.job(ctx, job, this.before, done, direct)
		if err != nil {
			return fmt.Errorf("job %s: %w", job.ID.Value, err)
		}
		results = append(results, ran...)
		for _, r := range ran {
			maps.Copy(this.outputs, r.Outputs) // the last cell of a matrix that has one wins
		}
		this.conclusion = ran.Conclusion()
		done[job.ID.Value] = this
		return nil
	}
	for _, id := range waiting {
		if err := visit(id); err != nil {
			return nil, err
		}
	}
	return results, nil
}

// job runs all cells of a job's matrix, one after the other. A failed one cancels what has not
// begun, unless fail-fast is off.
func (s *session) job(ctx context.Context, job *actionlint.Job, before []string, done map[string]need, needs map[string]any) (Results, error) {
	here := s.base.with(map[string]any{"needs": needs})
	some := func(conclusion string) bool {
		return slices.ContainsFunc(before, func(id string) bool { return done[id].conclusion == conclusion })
	}
	// A skip goes on along the chain as a failure does.
	// https://docs.github.com/actions/reference/workflows-and-actions/workflow-syntax#jobsjob_idneeds
	here.status = func(function string) bool {
		switch function {
		case "failure":
			return some(Failure)
		case "cancelled":
			return ctx.Err() != nil
		}
		return ctx.Err() == nil && !some(Failure) && !some(Cancelled) && !some(Skipped)
	}
	runs, err := here.condition(valueOf(job.If))
	if err != nil {
		return nil, err
	}
	if here.status = nil; !runs {
		return Results{{ID: job.ID.Value, Name: s.prefix + cmp.Or(valueOf(job.Name), job.ID.Value), Conclusion: Skipped}}, nil
	}
	cells, err := matrix(job.Strategy, here)
	if err != nil {
		return nil, err
	}
	failFast := true
	if job.Strategy != nil && job.Strategy.FailFast != nil {
		if failFast, err = here.boolean(job.Strategy.FailFast); err != nil {
			return nil, err
		}
	}
	var results Results
	for i, cell := range cells {
		r := Result{ID: job.ID.Value, Matrix: cell.values, Conclusion: Cancelled, Outputs: map[string]string{}, Permissions: s.permissions(job)}
		cellScope := here.with(map[string]any{"matrix": cell.values, "strategy": map[string]any{
			"fail-fast": failFast, "job-index": float64(i), "job-total": float64(len(cells)),
		}})
		if err := s.describe(&r, job, cell, cellScope); err != nil {
			return nil, err
		}
		if !failFast || results.Conclusion() != Failure {
			if job.WorkflowCall != nil {
				err = s.call(ctx, job, cellScope, &r)
			} else {
				err = s.runJob(ctx, job, cellScope, &r)
			}
			if err != nil {
				return nil, err
			}
		}
		results = append(results, r)
	}
	return results, nil
}

// describe evaluates what a job says of itself.
func (s *session) describe(r *Result, job *actionlint.Job, cell cell, here scope) (err error) {
	if r.Name, err = here.text(cmp.Or(valueOf(job.Name), r.ID)); err != nil {
		return err
	}
	if len(cell.names) > 0 && !strings.Contains(valueOf(job.Name), "${{") {
		r.Name += " (" + strings.Join(cell.names, ", ") + ")"
	}
	r.Name = s.prefix + r.Name
	if job.Environment != nil {
		if r.Environment, err = here.text(valueOf(job.Environment.Name)); err != nil {
			return err
		}
	}
	r.Concurrency = slices.Clip(s.concurrency)
	if job.Concurrency != nil {
		group, err := s.group(job.Concurrency, here)
		if err != nil {
			return err
		}
		r.Concurrency = append(r.Concurrency, group)
	}
	for scope := range r.Permissions {
		if want := level(r.Permissions, scope); s.allowed != nil && want > level(s.allowed, scope) {
			return fmt.Errorf("it wants the permission %s: %s, which its caller does not have", scope, r.Permissions[scope])
		}
	}
	return nil
}

func (s *session) group(c *actionlint.Concurrency, here scope) (group Concurrency, err error) {
	group.Queue = s.flow.queues[c]
	if group.Group, err = here.text(c.Group.Value); err == nil && c.CancelInProgress != nil {
		group.CancelInProgress, err = here.boolean(c.CancelInProgress)
	}
	return group, err
}

// permissions are the job's, else the workflow's, else the caller's. A called workflow cannot have
// more than its caller.
// https://docs.github.com/actions/how-tos/reuse-automations/reuse-workflows#supported-keywords-for-jobs-that-call-a-reusable-workflow
func (s *session) permissions(job *actionlint.Job) map[string]string {
	declared := cmp.Or(job.Permissions, s.flow.Permissions)
	if declared == nil {
		return s.allowed
	}
	permissions := map[string]string{}
	if declared.All != nil {
		permissions["all"] = strings.TrimSuffix(declared.All.Value, "-all")
	}
	for _, scope := range declared.Scopes {
		permissions[scope.Name.Value] = scope.Value.Value
	}
	return permissions
}

func level(permissions map[string]string, scope string) int {
	granted, ok := permissions[scope]
	if !ok {
		granted = permissions["all"]
	}
	return slices.Index([]string{"", "read", "write"}, strings.TrimPrefix(granted, "none"))
}

// call runs the reusable workflow that a job uses.
// https://docs.github.com/actions/how-tos/reuse-automations/reuse-workflows
func (s *session) call(ctx context.Context, job *actionlint.Job, here scope, r *Result) error {
	call := job.WorkflowCall
	path, err := s.flow.called(call.Uses.Value, s.run.ActionSource)
	if err != nil {
		return err
	}
	flow, err := Load(path)
	if err != nil {
		return err
	}
	event, ok := flow.FindWorkflowCallEvent()
	if !ok || s.depth == 9 { // https://docs.github.com/actions/reference/workflows-and-actions/reusing-workflow-configurations#limitations-of-reusable-workflows
		return fmt.Errorf("%s cannot be called: it has no workflow_call trigger, or ten workflows call one another", path)
	}
	given := map[string]any{}
	for _, input := range call.Inputs {
		value, err := here.interpolate(input.Value.Value)
		if err != nil {
			return err
		}
		if literal := input.Value; !literal.Quoted && !literal.ContainsExpression() {
			value = typed(literal.Value, true, true)
		}
		given[input.Name.Value] = value
	}
	callee := &session{run: s.run, flow: flow, github: s.github, prefix: r.Name + " / ", allowed: r.Permissions, concurrency: r.Concurrency, depth: s.depth + 1}
	base := scope{contexts: map[string]any{"github": s.github, "vars": object(s.run.Vars)}}
	if callee.inputs, err = callInputs(event, given, base); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	callee.base = base.with(map[string]any{"inputs": callee.inputs})
	if callee.secrets, err = s.secretsFor(call, event, here); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if r.Jobs, err = callee.jobs(ctx, nil); err != nil {
		return err
	}
	r.Conclusion = r.Jobs.Conclusion()
	jobs := map[string]any{}
	for _, result := range r.Jobs {
		jobs[result.ID] = map[string]any{"result": result.Conclusion, "outputs": object(result.Outputs)}
	}
	outputs := map[string]string{}
	for _, output := range event.Outputs {
		outputs[output.Name.Value] = output.Value.Value
	}
	r.Outputs, err = callee.base.with(map[string]any{"jobs": jobs}).texts(outputs)
	return err
}

func (s *session) secretsFor(call *actionlint.WorkflowCall, event *actionlint.WorkflowCallEvent, here scope) (map[string]string, error) {
	if call.InheritSecrets {
		return s.secrets, nil
	}
	secrets := map[string]string{"GITHUB_TOKEN": s.run.Secrets["GITHUB_TOKEN"]}
	here = here.with(map[string]any{"secrets": object(s.secrets)})
	for _, secret := range call.Secrets {
		value, err := here.text(secret.Value.Value)
		if err != nil {
			return nil, err
		}
		if event.Secrets[strings.ToLower(secret.Name.Value)] == nil {
			return nil, fmt.Errorf("invalid secret, %s is not defined in the referenced workflow", secret.Name.Value)
		}
		secrets[secret.Name.Value] = value
	}
	for id, secret := range event.Secrets {
		if secret.Required != nil && secret.Required.Value && call.Secrets[id] == nil {
			return nil, fmt.Errorf("secret %s is required, but not provided while calling", secret.Name.Value)
		}
	}
	return secrets, nil
}

// cell is one combination of a matrix.
type cell struct {
	values map[string]any
	names  []string // the values, in the order of the file
}

// matrix returns the combinations of all vectors: one without values if there is no matrix.
func matrix(strategy *actionlint.Strategy, here scope) ([]cell, error) {
	cells := []cell{{}}
	if strategy == nil || strategy.Matrix == nil {
		return cells, nil
	}
	rows := strategy.Matrix.Rows
	names := slices.SortedFunc(maps.Keys(rows), func(a, b string) int {
		at, bt := position(rows[a]), position(rows[b])
		return cmp.Or(cmp.Compare(at.Line, bt.Line), cmp.Compare(at.Col, bt.Col))
	})
	whole := map[string]any{}
	for _, name := range names {
		values, err := vector(rows[name], here)
		if err != nil {
			return nil, fmt.Errorf("matrix %s: %w", name, err)
		}
		whole[name] = values
	}
	if strategy.Matrix.Expression != nil {
		value, err := here.interpolate(strategy.Matrix.Expression.Value)
		if err != nil {
			return nil, err
		}
		whole, _ = value.(map[string]any)
		names = sortedNames(whole)
	}
	for _, name := range names {
		values, _ := whole[name].([]any)
		if len(values) == 0 || name == "include" || name == "exclude" {
			return nil, fmt.Errorf("matrix %s is not a vector that has values", name)
		}
		var more []cell
		for _, c := range cells {
			for _, value := range values {
				more = append(more, cell{merged(c.values, map[string]any{name: value}), append(slices.Clip(c.names), asText(value))})
			}
		}
		cells = more
	}
	return cells, nil
}

// position is where a row begins: one that is an expression has no name.
func position(row *actionlint.MatrixRow) *actionlint.Pos {
	if row.Expression != nil {
		return row.Expression.Pos
	}
	return row.Name.Pos
}

func vector(row *actionlint.MatrixRow, here scope) (any, error) { // []any, if an expression says so
	if row.Expression != nil {
		return here.interpolate(row.Expression.Value)
	}
	var values []any
	for _, raw := range row.Values {
		text, ok := raw.(*actionlint.RawYAMLString)
		if !ok {
			return nil, fmt.Errorf("the value %s is not supported", raw)
		}
		// The parser forgets which values are quoted.
		if _, isText := typed(text.Value, true, true).(string); !isText || slices.Contains([]string{"", "~", "null"}, text.Value) {
			return nil, fmt.Errorf("the value %s could be text or not: give it by fromJSON", raw)
		}
		value, err := here.interpolate(text.Value)
		if err != nil {
			return nil, err
		}
		values = append(values, value)
	}
	return values, nil
}

func (s scope) boolean(b *actionlint.Bool) (bool, error) {
	if b.Expression == nil {
		return b.Value, nil
	}
	value, err := s.interpolate(b.Expression.Value)
	truth, ok := value.(bool)
	if err == nil && !ok {
		err = fmt.Errorf("%s is not a boolean", b.Expression.Value)
	}
	return truth, err
}

func valueOf(s *actionlint.String) string {
	if s == nil {
		return ""
	}
	return s.Value
}

func object(texts map[string]string) map[string]any {
	out := map[string]any{}
	for name, value := range texts {
		out[name] = value
	}
	return out
}

func merged[V any](all ...map[string]V) map[string]V {
	out := map[string]V{}
	for _, m := range all {
		maps.Copy(out, m)
	}
	return out
}

func sortedNames[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
