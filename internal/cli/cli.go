// Package cli runs one command: it reads options from flags or action inputs, wires the
// environment, prints the report and picks the exit code. Everything that comes from the
// process, streams and environment variables included, is handed in.
package cli

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/d1-rewind/d1-rewind/internal/github"
	"github.com/d1-rewind/d1-rewind/internal/migration"
	"github.com/d1-rewind/d1-rewind/internal/report"
)

// Process is what the program is given by its surroundings.
type Process struct {
	Args    []string // without the program's name
	Program string   // how it was called
	Getenv  func(string) string
	Version string
	Stdin   io.Reader
	Stdout  io.Writer
	Stderr  io.Writer
	Now     func() time.Time // nil: the clock
	// Sleep waits for what takes time elsewhere; nil: on the clock.
	Sleep func(context.Context, time.Duration) error
	// GitHub sends requests to GitHub's API; nil: http.DefaultTransport.
	GitHub http.RoundTripper
}

// Main runs the command that the arguments, or in an action the inputs, ask for, and
// returns the exit code. A signal arrives as the cancellation of ctx with an *Interrupt
// as its cause.
func Main(ctx context.Context, p Process) int {
	if p.Now == nil {
		p.Now = time.Now
	}
	if p.Sleep == nil {
		p.Sleep = migration.Pause
	}
	p.Stdout, p.Stderr = &inTurn{stream: p.Stdout}, &inTurn{stream: p.Stderr}
	if len(p.Args) == 0 && isAction(p.Getenv) {
		return runAction(ctx, p)
	}
	return runCommand(ctx, p)
}

// isAction tells whether the runner has started the action: it sets all inputs, those that a
// workflow leaves empty to their defaults, and those that it sets to nothing to nothing.
func isAction(getenv func(string) string) bool {
	return getenv("INPUT_MODE") != "" || getenv("GITHUB_ACTIONS") == "true" && slices.ContainsFunc(options, func(o option) bool {
		return !o.flagOnly && getenv("INPUT_"+strings.ToUpper(o.name)) != ""
	})
}

// runCommand is the command line.
func runCommand(ctx context.Context, p Process) int {
	name, args := "help", p.Args
	if len(args) > 0 {
		name, args = args[0], args[1:]
	}
	switch name {
	case "-h", "--help":
		name = "help"
	case "-v", "--version":
		name = "version"
	}
	out := terminal{p: p, colour: colours(p, p.Stdout), errColour: colours(p, p.Stderr)}
	if _, ok := findCommand(name); !ok {
		return out.finish(ctx, report.Report{Command: name, Err: unknownCommand(name)}, settings{"format": formatIn(args)})
	}
	given, rest, err := parseFlags(name, args)
	if errors.Is(err, pflag.ErrHelp) {
		name, rest, given, err = "help", []string{name}, settings{}, nil
	}
	if err != nil {
		return out.finish(ctx, report.Report{Command: name, Err: err}, given)
	}
	switch name {
	case "version":
		if given["format"] == "json" {
			fmt.Fprintf(p.Stdout, "{\n  \"version\": %q\n}\n", p.version())
		} else {
			fmt.Fprintln(p.Stdout, "d1-rewind", p.version())
		}
		return exitDone
	case "help":
		text, err := helpText(strings.Join(rest, " "))
		if err != nil {
			return out.finish(ctx, report.Report{Command: name, Err: err}, given)
		}
		fmt.Fprint(p.Stdout, text)
		return exitDone
	}
	title := ""
	switch {
	case name == "create" && len(rest) == 1:
		title, rest = rest[0], nil
	case name == "create":
		return out.finish(ctx, report.Report{Command: name, Err: &usageError{"create takes the name of the migration", "for example: d1-rewind create add_users"}}, given)
	case len(rest) == 1 && rest[0] == "": // an unset variable of a script must not mean local
		err = &usageError{"the environment is empty", "name it: local, production, or one of the configuration"}
	case len(rest) == 1 && given["environment"] != "" && given["environment"] != rest[0]:
		err = &usageError{fmt.Sprintf("two environments: %q and %q", rest[0], given["environment"]), "name one"}
	case len(rest) == 1:
		given["environment"], rest = rest[0], nil
	}
	if err == nil && len(rest) > 0 {
		err = &usageError{fmt.Sprintf("don't know what to do with %q", rest), "d1-rewind help " + name}
	}
	if named, ok := given["environment"]; ok && named == "" && err == nil {
		err = &usageError{"the environment is empty", "name it: local, production, or one of the configuration"}
	} else if !ok {
		given["environment"] = "local"
	}
	r := report.Report{Command: name, Environment: given["environment"], Err: err}
	var all settings
	if err == nil {
		if all, r.Err = resolve(given, p.Getenv); r.Err == nil {
			progress, done := out.progress(all)
			job := &job{p: p, command: name, title: title, given: given, settings: all, read: out.reader(), progress: progress}
			if p.Getenv("GITHUB_ACTIONS") == "true" { // a step's "run:"
				job.event = github.New(p.Getenv, io.Discard).Event()
			}
			if name == "restore" { // what undoes it is known even if nothing more can be said
				job.onBookmark = func(b migration.Bookmark) { fmt.Fprintln(p.Stderr, "bookmark before:", b) }
			}
			job.talk = converse(ctx, p, name, all, job.event, false)
			r = job.run(ctx)
			done()
			if job.talk != nil {
				return out.finishAndTell(ctx, r, all, job)
			}
		}
	}
	if all == nil {
		all = given
	}
	return out.finish(ctx, r, all)
}

// modes are the commands that the action has.
var modes = []string{"migrate", "status", "restore", "baseline", "backup"}

// runAction is the GitHub Action: options come from inputs, results go to outputs, the
// log, annotations and the job summary. No failure to report changes the exit code.
func runAction(ctx context.Context, p Process) int {
	runner := github.New(p.Getenv, p.Stdout)
	given := settings{}
	for _, o := range options {
		if !o.flagOnly {
			if v := runner.Input(o.name); v != "" {
				given[o.name] = v
			}
		}
	}
	for _, name := range []string{"api-token", "github-token"} {
		runner.Mask(given[name])
		runner.Mask(p.Getenv(lookup(name).env))
	}
	mode := cmp.Or(given["mode"], lookup("mode").fallback)
	warn := func(err error) {
		if err != nil {
			runner.Annotate(github.Annotation{Severity: github.Warning, Title: "d1-rewind", Message: err.Error()})
		}
	}
	if err := becomeOwner(p.Getenv("GITHUB_WORKSPACE"), p.Getenv); err != nil {
		warn(fmt.Errorf("files made in the workspace will belong to root: %w", err))
	}
	r := report.Report{Command: mode, Environment: given["environment"]}
	var (
		all settings
		j   *job
	)
	switch all, r.Err = resolve(given, p.Getenv); {
	case r.Err != nil:
	case !slices.Contains(modes, mode):
		r.Err = &usageError{fmt.Sprintf("mode can't be %q", mode), "it is one of: " + strings.Join(modes, ", ")}
	case all.on("dry-run") && !lookup("dry-run").appliesTo(mode) && mode != "status":
		r.Err = &usageError{fmt.Sprintf("there is no dry run of %s", mode), "leave dry-run out; status shows what is applied, and writes nothing"}
	case given["environment"] == "":
		r.Err = &usageError{"the input environment is missing", "add for example: environment: production"}
	default:
		runner.Group("d1-rewind " + mode + " " + given["environment"])
		j = &job{p: p, command: mode, given: given, settings: all, event: runner.Event(), inAction: true, debug: runner.Debug(),
			progress:   steps(p, all.on("verbose") || runner.Debug(), runner.Print),
			onBookmark: func(b migration.Bookmark) { warn(runner.SetOutput("bookmark", string(b))) },
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
	for _, o := range r.Outputs() {
		if err := runner.SetOutput(o.Name, o.Value); err != nil {
			warn(err) // the others would fail alike
			break
		}
	}
	where := "job summary"
	if err := runner.Summary(report.Markdown(r, github.SummaryRoom)); err != nil {
		warn(err)
		where = "log"
	}
	if j != nil && j.talk != nil { // last, because it may take a while
		address, problems := j.talk.say(ctx, j, r)
		if address != "" {
			warn(runner.SetOutput("comment-url", address))
		}
		for _, problem := range problems {
			warn(fmt.Errorf("the report is in the %s; %w", where, problem))
		}
	}
	return r.ExitCode
}

// asInputs words advice for a workflow: what is a flag at a terminal is an input there. Text
// with a command in it stays as it is.
func asInputs(text string) string {
	for _, program := range []string{"d1-rewind ", "wrangler ", "gh "} {
		if strings.Contains(text, program) {
			return text
		}
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

// annotationLength is how much of a message somebody reads beside a run; the log has it all.
const annotationLength = 1000

func clip(text string) string {
	text = report.Printable(text)
	if len(text) <= annotationLength {
		return text
	}
	return strings.ToValidUTF8(text[:annotationLength], "") + "…"
}

// settled gives a report whose command never reached the engine its status and words.
func settled(r report.Report) report.Report {
	if wrong, ok := errors.AsType[*usageError](r.Err); ok { // also from within a command
		r.Err = &migration.Problem{Kind: migration.Usage, Err: errors.New(wrong.problem), State: "nothing was contacted or written", Next: wrong.next}
	}
	if r.Err != nil && r.Result.Status == "" {
		r.Result, r.Err = r.Result.Settle(r.Err)
	}
	return r
}

// terminal is the command line's side of a person. What was asked for goes to standard
// output, everything else to standard error.
type terminal struct {
	p                 Process
	colour, errColour bool
}

func (t terminal) finish(ctx context.Context, r report.Report, s settings) int {
	r = t.settled(ctx, r, s)
	t.print(r, s)
	return r.ExitCode
}

func (t terminal) settled(ctx context.Context, r report.Report, s settings) report.Report {
	r = settled(r)
	r.Public, r.ExitCode = t.p.Getenv("GITHUB_ACTIONS") == "true", exitCode(ctx, r, s) // whose log others read
	return r
}

// finishAndTell tells the pull request as well: after the report is printed, because GitHub
// may take its time, but before a JSON document, which has the comment's address.
func (t terminal) finishAndTell(ctx context.Context, r report.Report, s settings, j *job) int {
	r = t.settled(ctx, r, s)
	if s["format"] != "json" {
		t.print(r, s)
	}
	address, problems := j.talk.say(ctx, j, r)
	r.CommentURL = address
	for _, problem := range problems {
		r.Warnings = append(r.Warnings, problem.Error())
		if s["format"] != "json" {
			fmt.Fprintf(t.p.Stderr, "warning: %s\n", report.Printable(problem.Error()))
		}
	}
	switch {
	case s["format"] == "json":
		t.print(r, s)
	case address != "":
		fmt.Fprintln(t.p.Stderr, "comment:", report.Printable(address))
	}
	return r.ExitCode
}

func (t terminal) print(r report.Report, s settings) {
	switch s["format"] {
	case "json":
		_, _ = t.p.Stdout.Write(report.JSON(r))
	case "markdown":
		fmt.Fprint(t.p.Stdout, report.Markdown(r, 0))
	default:
		fmt.Fprint(t.p.Stdout, report.Text(r, t.colour))
	}
	fmt.Fprint(t.p.Stderr, report.Error(r, t.errColour))
}

// progress prints steps on standard error: as they come for a person and with --verbose,
// elsewhere once a run takes its time. done ends that.
func (t terminal) progress(s settings) (say func(string), done func()) {
	write := func(line string) { fmt.Fprint(t.p.Stderr, line) }
	done = func() {}
	if !s.on("verbose") && !isTerminal(t.p.Stderr) {
		write, done = unlessQuick(write)
	}
	return steps(t.p, s.on("verbose"), write), done
}

// quick is how long a run may take without a word in a log.
const quick = time.Second

// unlessQuick holds lines back until the run has taken a second: a log is not silent while
// something waits, and has nothing about steps of a few milliseconds.
func unlessQuick(write func(string)) (held func(string), done func()) {
	var (
		mutex sync.Mutex
		lines strings.Builder
		slow  bool
	)
	timer := time.AfterFunc(quick, func() {
		mutex.Lock()
		defer mutex.Unlock()
		slow = true
		write(lines.String())
	})
	held = func(line string) {
		mutex.Lock()
		defer mutex.Unlock()
		if slow {
			write(line)
			return
		}
		lines.WriteString(line)
	}
	done = func() {
		timer.Stop()
		mutex.Lock() // a timer that has just fired is waited for
		defer mutex.Unlock()
		write = func(string) {}
	}
	return held, done
}

// steps writes each step on a line of its own, with the seconds since the start if timed.
func steps(p Process, timed bool, write func(string)) func(string) {
	start := p.Now()
	return func(line string) {
		line = report.Printable(line)
		if timed {
			line = fmt.Sprintf("%6.3fs  %s", p.Now().Sub(start).Seconds(), line)
		}
		write(line + "\n")
	}
}

// inTurn is a stream that takes one write after the other: requests that go on at the same
// time report at the same time.
type inTurn struct {
	mutex  sync.Mutex
	stream io.Writer
}

func (w *inTurn) Write(p []byte) (int, error) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	return w.stream.Write(p)
}

// reader returns a function that puts a question to the person at the terminal, nil if
// there is nobody to ask. A signal is an answer, too: the error is then that of the context.
func (t terminal) reader() func(ctx context.Context, question string) (string, error) {
	if !isTerminal(t.p.Stdin) {
		return nil
	}
	return func(ctx context.Context, question string) (string, error) {
		var (
			line string
			err  error
			read = make(chan struct{})
		)
		fmt.Fprint(t.p.Stderr, question)
		go func() { // nothing but the person ends it
			defer close(read)
			line, err = bufio.NewReader(t.p.Stdin).ReadString('\n')
		}()
		select {
		case <-read:
			return strings.TrimSpace(line), err
		case <-ctx.Done():
			fmt.Fprintln(t.p.Stderr)
			return "", ctx.Err()
		}
	}
}

// colours are for terminals, and for nobody who set NO_COLOR (https://no-color.org).
func colours(p Process, stream any) bool {
	return p.Getenv("NO_COLOR") == "" && p.Getenv("TERM") != "dumb" && isTerminal(stream)
}

func isTerminal(stream any) bool {
	if w, ok := stream.(*inTurn); ok {
		stream = w.stream
	}
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// parseTime reads RFC 3339 or Unix seconds.
func parseTime(value string) (time.Time, error) {
	if seconds, err := strconv.ParseInt(value, 10, 64); err == nil {
		return time.Unix(seconds, 0), nil
	}
	t, err := time.Parse(time.RFC3339, value)
	if err != nil {
		return t, &usageError{fmt.Sprintf("%q is no time", value), "write it as 2026-11-24T10:00:00Z, with an offset such as +01:00, or as Unix seconds"}
	}
	return t, nil
}

// parseSize reads a number of bytes with an optional unit.
func parseSize(option, value string) (int64, error) {
	units := []struct {
		suffix string
		factor int64
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"GB", 1e9}, {"MB", 1e6}, {"KB", 1e3}, {"B", 1}, {"", 1}}
	for _, u := range units {
		number, ok := strings.CutSuffix(value, u.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(number), 10, 64)
		if err != nil || n < 0 || n > (1<<62)/u.factor {
			break
		}
		return n * u.factor, nil
	}
	return 0, &usageError{fmt.Sprintf("%s can't be %q", option, value), "write it as 256MiB or 1GiB"}
}
