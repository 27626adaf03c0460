// Package github speaks to the GitHub Actions runner: inputs, masks, log groups,
// annotations, outputs and the job summary.
package github

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/sethvargo/go-githubactions"
)

// Runner is the runner that started this process.
type Runner struct {
	getenv  func(string) string
	w       io.Writer
	action  *githubactions.Action
	summary int // bytes written to the job summary so far
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
func (r *Runner) Input(name string) string { return strings.TrimSpace(r.action.GetInput(name)) }

// Mask hides a secret in the log from here on (::add-mask::), each of its lines on its own.
// https://docs.github.com/actions/reference/workflow-commands-for-github-actions#masking-a-value-in-a-log
func (r *Runner) Mask(secret string) {
	for line := range strings.Lines(secret) {
		if line = strings.TrimSpace(line); line != "" {
			r.action.AddMask(line)
		}
	}
}

// Print writes text to the log in such a way that nothing in it is a workflow command:
// what a pull request can influence must not speak to the runner (::stop-commands::).
// https://docs.github.com/actions/reference/workflow-commands-for-github-actions#stopping-and-starting-workflow-commands
func (r *Runner) Print(text string) {
	if !strings.HasSuffix(text, "\n") && text != "" {
		text += "\n"
	}
	if !strings.Contains(text, "::") && !strings.Contains(text, "##[") {
		fmt.Fprint(r.w, text)
		return
	}
	token := rand.Text()
	fmt.Fprintf(r.w, "::stop-commands::%s\n%s::%s::\n", token, text, token)
}

// Group begins a fold in the log (::group::); EndGroup ends it.
func (r *Runner) Group(title string) {
	r.action.Group(strings.Join(strings.Fields(title), " "))
}

// EndGroup ends the fold that Group began.
func (r *Runner) EndGroup() { r.action.EndGroup() }

// Severity is how much an annotation matters.
type Severity int

// The severities, the most severe first.
const (
	Error Severity = iota
	Warning
	Notice
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
	err := r.appendTo("GITHUB_OUTPUT", fmt.Sprintf("%s<<%s\n%s\n%s\n", name, delimiter, value, delimiter))
	if err != nil {
		return fmt.Errorf("set output %q: %w", name, err)
	}
	return nil
}

// summaryLimit is what GitHub takes for one step; more than that is dropped as a whole.
const summaryLimit = 1<<20 - 1024

// Summary appends Markdown to the job summary, cut at a line end where it would exceed
// GitHub's limit of 1 MiB. Without GITHUB_STEP_SUMMARY there is nothing to do.
func (r *Runner) Summary(markdown string) error {
	markdown = strings.ToValidUTF8(markdown, "\ufffd")
	const cut = "\n\n*The report was cut: a job summary holds 1 MiB.*\n"
	if room := summaryLimit - r.summary; len(markdown) > room {
		keep := max(room-len(cut), 0)
		markdown = markdown[:max(strings.LastIndexByte(markdown[:keep], '\n'), 0)] + cut
	}
	r.summary += len(markdown)
	if err := r.appendTo("GITHUB_STEP_SUMMARY", markdown); err != nil {
		return fmt.Errorf("write the job summary: %w", err)
	}
	return nil
}

func (r *Runner) appendTo(variable, text string) error {
	path := r.getenv(variable)
	if path == "" {
		return nil
	}
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	if _, err := file.WriteString(text); err != nil {
		_ = file.Close()
		return err
	}
	return file.Close()
}

// Event is what the runner says about the run.
type Event struct {
	Name        string // GITHUB_EVENT_NAME
	Repository  string // owner/name
	SHA         string
	Ref         string
	RunID       string
	RunURL      string
	Actor       string
	Workspace   string // the checkout; everything else is lost when a container ends
	PullRequest int    // of the event itself, 0 for none
}

// Event reads the run's GITHUB_* variables and its event file. A file that is missing or
// not JSON leaves PullRequest 0.
// https://docs.github.com/actions/reference/workflows-and-actions/variables
func (r *Runner) Event() Event {
	e := Event{
		Name: r.getenv("GITHUB_EVENT_NAME"), Repository: r.getenv("GITHUB_REPOSITORY"), SHA: r.getenv("GITHUB_SHA"),
		Ref: r.getenv("GITHUB_REF"), RunID: r.getenv("GITHUB_RUN_ID"), Actor: r.getenv("GITHUB_ACTOR"), Workspace: r.getenv("GITHUB_WORKSPACE"),
	}
	if server := r.getenv("GITHUB_SERVER_URL"); server != "" && e.Repository != "" && e.RunID != "" {
		e.RunURL = server + "/" + e.Repository + "/actions/runs/" + e.RunID
	}
	var payload struct {
		PullRequest struct{ Number int } `json:"pull_request"`
		Issue       struct {
			Number      int
			PullRequest *struct{} `json:"pull_request"`
		} `json:"issue"`
	}
	data, err := os.ReadFile(r.getenv("GITHUB_EVENT_PATH"))
	if err != nil || json.Unmarshal(data, &payload) != nil {
		return e
	}
	if e.PullRequest = payload.PullRequest.Number; e.PullRequest == 0 && payload.Issue.PullRequest != nil {
		e.PullRequest = payload.Issue.Number
	}
	return e
}
