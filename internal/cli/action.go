package cli

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/d1-rewind/d1-rewind/internal/github"
	"github.com/d1-rewind/d1-rewind/internal/migration"
	"github.com/d1-rewind/d1-rewind/internal/report"
)

// isAction reports whether the runner has started the action: it sets all inputs, those that a
// workflow leaves empty to their defaults, and those that it sets to nothing to nothing.
func isAction(getenv func(string) string) bool {
	return getenv("INPUT_MODE") != "" || getenv("GITHUB_ACTIONS") == "true" && slices.ContainsFunc(options, func(o option) bool {
		return !o.flagOnly && getenv("INPUT_"+strings.ToUpper(o.name)) != ""
	})
}

// modes are the commands that the action has.
var modes = []string{"migrate", "status", "restore", "baseline", "backup"}

// runAction is the GitHub Action: options come from inputs, results go to outputs, the
// log, annotations and the job summary. No failure to report changes the exit code, except
// an output that is lost by a mode that writes.
func runAction(ctx context.Context, p Process) int {
	runner := github.New(p.Getenv, p.Stdout)
	given := inputs(runner, p.Getenv)
	warn := func(err error) {
		if err != nil {
			runner.Annotate(github.Annotation{Severity: github.Warning, Title: "d1-rewind", Message: err.Error()})
		}
	}
	lost, _ := runner.Open() // before root is given up; a summary that is lost is said when it is written
	defer runner.Close()
	event := runner.Event()
	if err := becomeOwner(p.Getenv("GITHUB_WORKSPACE"), p.Getenv); err != nil {
		warn(fmt.Errorf("files made in the workspace will belong to root: %w", err))
	}
	dropped, untrusted := trustOwnCertificates(p)
	for _, name := range dropped {
		runner.Print(name + " is ignored in an action, because an earlier step could set it to intercept the token; only the image's certificates are trusted\n")
	}
	mode := cmp.Or(given["mode"], lookup("mode").fallback)
	all, err := resolve(given, p.Getenv)
	out := outputs{runner: runner, mode: mode, dryRun: all.on("dry-run"), warn: warn}
	if err = cmp.Or(err, untrusted); err == nil {
		err = unfit(mode, given, all, out, lost)
	}
	r := report.Report{Command: mode, Environment: given["environment"], Err: err}
	var j *job
	if err == nil {
		runner.Group("d1-rewind " + mode + " " + given["environment"])
		j = &job{p: p, command: mode, given: given.asFlags(), settings: all, event: event, inAction: true, debug: runner.Debug(),
			progress:   steps(p, all.on("verbose") || runner.Debug(), runner.Print),
			onBookmark: out.bookmark,
		}
		j.talk = converse(ctx, p, mode, all, j.event, true)
		r = j.run(ctx)
		runner.EndGroup()
	}
	r = settled(r)
	if problem := r.Problem(); problem != nil {
		problem.Next = asInputs(problem.Next)
		r.Err = problem
	}
	r.Public, r.ExitCode = true, exitCode(ctx, r, all)
	runner.Print(report.Text(r, false) + report.Error(r, false))
	runner.Annotate(annotations(r)...)
	r.ExitCode = out.set(r, r.Outputs()...)
	where := "job summary"
	if err := runner.Summary(report.Markdown(r, github.SummaryRoom)); err != nil {
		warn(err)
		where = "log"
	}
	if j != nil && j.talk != nil { // last, because it may take a while
		r.ExitCode = j.tell(ctx, r, out, where)
	}
	return r.ExitCode
}

// inputs are those of the action that are not empty. Tokens among them are masked.
func inputs(runner *github.Runner, getenv func(string) string) settings {
	given := settings{}
	for _, o := range options {
		if o.flagOnly {
			continue
		}
		if v := runner.Input(o.name); v != "" {
			given[o.name] = v
		}
	}
	for _, name := range []string{"api-token", "github-token"} {
		runner.Mask(given[name])
		runner.Mask(getenv(lookup(name).env))
	}
	return given
}

// unfit says why a step can't run as it was asked to; nil if it can. lost is why outputs can't be set.
func unfit(mode string, given, all settings, out outputs, lost error) error {
	switch {
	case !slices.Contains(modes, mode):
		return &usageError{fmt.Sprintf("mode can't be %q", mode), "it is one of: " + strings.Join(modes, ", ")}
	case all.on("dry-run") && !lookup("dry-run").appliesTo(mode) && mode != "status":
		return &usageError{fmt.Sprintf("there is no dry run of %s", mode), "leave dry-run out; status shows what is applied, and writes nothing"}
	case all.on("offline") && !lookup("offline").appliesTo(mode):
		return &usageError{fmt.Sprintf("offline is no option of %s, which works on the database", mode), "leave it out, or use mode: status"}
	case lost != nil && out.needed() && mode != "restore": // the way back does not wait for a file
		return lostOutputs(lost, "nothing was contacted or written", runAgain)
	case given["environment"] == "":
		return &usageError{"the input environment is missing", "add for example: environment: production"}
	}
	return nil
}

// tell reports to the pull request and returns the step's exit code; where is the report's other place.
func (j *job) tell(ctx context.Context, r report.Report, out outputs, where string) (code int) {
	code = r.ExitCode
	address, problems := j.talk.say(ctx, j, r)
	if address != "" {
		code = out.set(r, report.Output{Name: "comment-url", Value: address})
	}
	for _, problem := range problems {
		problem = fmt.Errorf("the report is in the %s; %w", where, problem)
		if j.event.NoSecrets { // whose token may not write either, and nobody can help it
			out.runner.Print(problem.Error())
			continue
		}
		out.warn(problem)
	}
	return code
}

// asInputs words advice for a workflow: what is a flag at a terminal is an input there. Text
// with a command in it stays as it is.
func asInputs(text string) string {
	if commandInText.MatchString(text) {
		return text
	}
	return flagInText.ReplaceAllStringFunc(text, func(flag string) string {
		name, value, _ := strings.Cut(strings.TrimPrefix(flag, "--"), " ")
		switch o := lookup(name); {
		case o.name == "":
			return flag
		case value == "":
			return "the input " + name
		case slices.Contains(strings.Split(o.value, "|"), value):
			return "the input " + name + ": " + value
		default:
			return "the input " + name + " " + value
		}
	})
}

// commandInText finds commands of the programs that messages name.
var commandInText = regexp.MustCompile(`\b(d1-rewind|gh) |\bwrangler (d1|rollback|versions|deployments) `)

var flagInText = regexp.MustCompile(`--[a-z][a-z-]*[a-z]( [a-z]+)?`)

// annotations are what GitHub shows on the run: the error, beside its line, and the notes.
func annotations(r report.Report) []github.Annotation {
	title := "d1-rewind " + r.Command
	var list []github.Annotation
	if problem := r.Problem(); problem != nil {
		file := ""
		if problem.File != "" {
			file = filepath.ToSlash(filepath.Join(r.Directory, problem.File))
		}
		list = append(list, github.Annotation{Severity: github.Error, File: file, Line: problem.Line, Title: title,
			Message: strings.Join([]string{clip(problem.Err.Error()), clip(problem.State), clip(problem.Next)}, "\n")})
	}
	if r.ExitCode == exitPending {
		list = append(list, github.Annotation{Severity: github.Error, Title: title,
			Message: fmt.Sprintf("%s pending, and exit-code: true asks for a failure then", migration.Count(len(r.PendingNames()), "migration"))})
	}
	list = append(list, hazardAnnotations(r, title)...)
	if r.Offline != "" { // which is how such a run is meant to be: one notice, the log has the rest
		return append(list, github.Annotation{Severity: github.Notice, Title: title, Message: clip(r.Offline)})
	}
	if drift := r.Result.Drift.Summary(); drift != "" {
		list = append(list, github.Annotation{Severity: github.Warning, Title: title, Message: clip(drift)})
	}
	for _, note := range r.Notes() {
		severity := github.Warning
		if strings.HasPrefix(note, report.NotRehearsed) || strings.HasPrefix(note, report.DriftUnknown) {
			severity = github.Notice // GitHub shows ten warnings
		}
		list = append(list, github.Annotation{Severity: severity, Title: title, Message: clip(note)})
	}
	return list
}

// hazardAnnotations are the hazards beside their lines. GitHub shows ten of a kind; the log has
// the others.
func hazardAnnotations(r report.Report, title string) []github.Annotation {
	var list []github.Annotation
	shown := map[github.Severity]int{}
	for _, h := range r.Hazards() { // the worst first
		if r.IsError(h) {
			continue // it is there already
		}
		severity, more := github.Notice, h.Advice
		switch {
		case h.Allowed != "":
			more = "allowed: " + h.Allowed
		case h.Severity == migration.SeverityError:
			severity = github.Error
		case h.Severity == migration.SeverityWarning:
			severity = github.Warning
		}
		if shown[severity]++; shown[severity] > 10 {
			continue
		}
		list = append(list, github.Annotation{Severity: severity, File: h.File, Line: h.Line, Title: title + ": " + h.Code, Message: strings.TrimSpace(clip(h.Message) + "\n" + clip(more))})
	}
	return list
}

// annotationLength is how much of a message someone reads beside a run; the log has it all.
const annotationLength = 1000

func clip(text string) string {
	text = report.Printable(text)
	if len(text) <= annotationLength {
		return text
	}
	return strings.ToValidUTF8(text[:annotationLength], "") + "…"
}
