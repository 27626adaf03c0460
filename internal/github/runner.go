// Package github speaks to the GitHub Actions runner (inputs, masks, log groups,
// annotations, outputs, job summary, event) and keeps one sticky comment on a pull request.
package github

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"unicode"

	"github.com/sethvargo/go-githubactions"
)

// Runner is the runner that started this process.
type Runner struct {
	getenv func(string) string
	w      io.Writer
	action *githubactions.Action
	cut    bool // the job summary is full
	files  map[string]commandFile
}

// commandFile is a file through which a step speaks to the runner, once it was opened.
type commandFile struct {
	*os.File
	err error // why it could not be
}

// The variables that name a step's command files.
const (
	outputVariable  = "GITHUB_OUTPUT"
	summaryVariable = "GITHUB_STEP_SUMMARY"
)

// Open opens the files of outputs and job summary, for as long as the process may: they can
// belong to another user than the one that it becomes. What can't be opened fails again when it
// is written. Without Open each is opened when it is written.
func (r *Runner) Open() (outputs, summary error) {
	r.files = map[string]commandFile{}
	for _, variable := range []string{outputVariable, summaryVariable} {
		file, err := r.open(variable)
		r.files[variable] = commandFile{file, err}
	}
	return r.files[outputVariable].err, r.files[summaryVariable].err
}

// Close closes what Open opened.
func (r *Runner) Close() {
	for _, f := range r.files {
		if f.File != nil {
			_ = f.Close() // each write has been checked
		}
	}
	r.files = nil
}

// open returns nil where the runner named no file.
func (r *Runner) open(variable string) (*os.File, error) {
	path := r.getenv(variable)
	if path == "" {
		return nil, nil
	}
	return os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
}

// New returns a Runner that reads the environment through getenv and writes the log to w.
func New(getenv func(string) string, w io.Writer) *Runner {
	w = quiet{w}
	return &Runner{getenv: getenv, w: w, action: githubactions.New(githubactions.WithGetenv(getenv), githubactions.WithWriter(w))}
}

// quiet swallows write errors: go-githubactions panics on them, and a log that can't be
// written must not end a migration.
type quiet struct{ w io.Writer }

func (q quiet) Write(p []byte) (int, error) {
	_, _ = q.w.Write(p)
	return len(p), nil
}

// Input returns an action input without surrounding white space, "" if it is not set. The
// runner keeps hyphens: INPUT_API-TOKEN.
// https://docs.github.com/actions/reference/metadata-syntax-for-github-actions#inputs
func (r *Runner) Input(name string) string { return strings.TrimSpace(r.action.GetInput(name)) }

// Debug reports whether someone asked the runner for debug logging (RUNNER_DEBUG).
// https://docs.github.com/actions/reference/workflows-and-actions/variables
func (r *Runner) Debug() bool { return r.getenv("RUNNER_DEBUG") == "1" }

// newline is where the runner ends a line of the log: at a lone carriage return too.
func newline(c rune) bool { return c == '\n' || c == '\r' }

// Mask hides a secret in the log from here on (::add-mask::), and each of its lines on its
// own, because a log is searched line by line. An empty secret hides nothing.
// https://docs.github.com/actions/reference/workflow-commands-for-github-actions#masking-a-value-in-a-log
func (r *Runner) Mask(secret string) {
	secret = strings.TrimSpace(secret)
	if strings.ContainsFunc(secret, newline) {
		r.action.AddMask(secret)
	}
	for line := range strings.FieldsFuncSeq(secret, newline) {
		if line = strings.TrimSpace(line); line != "" {
			r.action.AddMask(line)
		}
	}
}

// Print writes text to the log in such a way that nothing in it is a workflow command:
// what a pull request can influence must not speak to the runner (::stop-commands::, only
// where there is something to stop).
// https://docs.github.com/actions/reference/workflow-commands-for-github-actions#stopping-and-starting-workflow-commands
func (r *Runner) Print(text string) {
	if !strings.HasSuffix(text, "\n") && text != "" {
		text += "\n"
	}
	if !commands(text) {
		fmt.Fprint(r.w, text)
		return
	}
	token := rand.Text()
	fmt.Fprintf(r.w, "::stop-commands::%s\n%s::%s::\n", token, text, token)
}

// commands reports whether the runner could take a line of text for a command: "::" after
// white space, or "##[" anywhere. Control and format characters hide neither: the runner
// compares by culture, which may ignore them.
// https://github.com/actions/runner/blob/main/src/Runner.Common/ActionCommand.cs
func commands(text string) bool {
	seen := strings.Map(func(c rune) rune {
		if newline(c) || unicode.IsGraphic(c) {
			return c
		}
		return -1
	}, text)
	for line := range strings.FieldsFuncSeq(seen, newline) {
		if strings.HasPrefix(strings.TrimSpace(line), "::") || strings.Contains(line, "##[") {
			return true
		}
	}
	return false
}

// Group begins a fold in the log (::group::); EndGroup ends it. The title becomes one line.
// https://docs.github.com/actions/reference/workflow-commands-for-github-actions#grouping-log-lines
func (r *Runner) Group(title string) {
	r.action.Group(strings.Join(strings.Fields(title), " "))
}

// EndGroup ends the fold that Group began (::endgroup::).
// https://docs.github.com/actions/reference/workflow-commands-for-github-actions#grouping-log-lines
func (r *Runner) EndGroup() { r.action.EndGroup() }

// Severity is how much an annotation matters: its workflow command.
type Severity int

// The severities, the most severe first.
const (
	Error   Severity = iota // ::error::
	Warning                 // ::warning::
	Notice                  // ::notice::
)

// Annotation is a message that GitHub shows on the run, and beside a line if it has one.
type Annotation struct {
	Severity Severity
	File     string // relative to the repository, "" for none
	Line     int    // 1-based, 0 for none
	Title    string
	Message  string
}

// Annotate shows annotations (::error::, ::warning::, ::notice::), the most severe first:
// GitHub shows no more than ten of a kind for each step.
// https://docs.github.com/actions/reference/workflow-commands-for-github-actions#setting-an-error-message
func (r *Runner) Annotate(annotations ...Annotation) {
	sorted := slices.Clone(annotations)
	slices.SortStableFunc(sorted, func(a, b Annotation) int { return int(a.Severity - b.Severity) })
	for _, a := range sorted {
		fields := map[string]string{}
		if a.Title != "" {
			fields["title"] = a.Title
		}
		if a.File != "" {
			fields["file"] = a.File
			if a.Line > 0 {
				fields["line"] = fmt.Sprint(a.Line)
			}
		}
		action := r.action.WithFieldsMap(fields)
		switch a.Severity {
		case Error:
			action.Errorf("%s", a.Message)
		case Warning:
			action.Warningf("%s", a.Message)
		default:
			action.Noticef("%s", a.Message)
		}
	}
}

// SetOutput sets a step output in the file GITHUB_OUTPUT. The delimiter around the value is
// random, so that no value can forge another output; go-githubactions' is fixed. Without
// the file there is nothing to do.
// https://docs.github.com/actions/reference/workflow-commands-for-github-actions#multiline-strings
func (r *Runner) SetOutput(name, value string) error {
	delimiter := "d1-rewind-" + rand.Text()
	for strings.Contains(value, delimiter) {
		delimiter = "d1-rewind-" + rand.Text()
	}
	err := r.appendTo(outputVariable, fmt.Sprintf("%s<<%s\n%s\n%s\n", name, delimiter, value, delimiter))
	if err != nil {
		return fmt.Errorf("set output %q: %w", name, err)
	}
	return nil
}

// SummaryRoom is how many bytes GitHub takes as the job summary of one step, less a note that
// it was cut; of a larger summary GitHub shows nothing.
const SummaryRoom = 1<<20 - 1024

// Summary appends Markdown to the job summary (GITHUB_STEP_SUMMARY). Where the step would
// exceed GitHub's limit of 1 MiB it is cut at a line end, once, with a note; what comes
// later is dropped. Without the file there is nothing to do.
// https://docs.github.com/actions/reference/workflow-commands-for-github-actions#adding-a-job-summary
func (r *Runner) Summary(markdown string) error {
	if r.cut || markdown == "" {
		return nil
	}
	markdown = strings.ToValidUTF8(markdown, "\ufffd")
	if !strings.HasSuffix(markdown, "\n") {
		markdown += "\n"
	}
	room := SummaryRoom
	if info, err := r.stat(summaryVariable); err == nil {
		room -= int(min(info.Size(), SummaryRoom))
	}
	if len(markdown) > room {
		markdown = markdown[:strings.LastIndexByte(markdown[:room], '\n')+1] + "\n*The report was cut: a job summary holds 1 MiB.*\n"
		r.cut = true
	}
	if err := r.appendTo(summaryVariable, markdown); err != nil {
		return fmt.Errorf("write the job summary: %w", err)
	}
	return nil
}

func (r *Runner) stat(variable string) (os.FileInfo, error) {
	if f := r.files[variable].File; f != nil {
		return f.Stat()
	}
	return os.Stat(r.getenv(variable))
}

func (r *Runner) appendTo(variable, text string) error {
	if f, opened := r.files[variable]; opened {
		if f.File == nil {
			return f.err
		}
		_, err := f.WriteString(text)
		return err
	}
	file, err := r.open(variable)
	if err != nil || file == nil {
		return err
	}
	_, err = file.WriteString(text)
	return errors.Join(err, file.Close())
}
