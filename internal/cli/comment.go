package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/d1-rewind/d1-rewind/internal/github"
	"github.com/d1-rewind/d1-rewind/internal/migration"
	"github.com/d1-rewind/d1-rewind/internal/report"
)

// conversation is a run's side of the pull requests that it reports to. Nothing in it can
// fail the run.
type conversation struct {
	repository *github.Repository
	unable     error // why there is none
	event      github.Event
	found      chan struct{} // closed when numbers and lookup are there
	given      int           // the number that was asked for, 0 for none
	numbers    []int
	lookup     error
}

// commenting are the commands whose outcome is news for a pull request.
var commenting = map[string]bool{"migrate": true, "status": true, "restore": true, "baseline": true}

// How long GitHub may take: for the look-up, for all of the reporting, and where a signal has
// ended the run: a cancelled job has about 10 seconds.
// https://docs.github.com/actions/reference/workflows-and-actions/workflow-cancellation
const (
	lookupTime      = 8 * time.Second // the run waits for it before it writes its journal row
	reportTime      = 30 * time.Second
	interruptedTime = 2 * time.Second
)

// pullRequestsShown bounds how many pull requests one run comments on.
const pullRequestsShown = 10

// converse begins to look for the pull request of the run, while the run goes on. It
// returns nil where none is to be told.
func converse(ctx context.Context, p Process, command string, s settings, event github.Event, inAction bool) *conversation {
	event.Repository, event.APIURL = cmp.Or(event.Repository, p.Getenv("GITHUB_REPOSITORY")), cmp.Or(event.APIURL, p.Getenv("GITHUB_API_URL"))
	if event.Name == "workflow_dispatch" && command == "migrate" && event.SHA != "" { // with release-hold: of the branch's last merge
		event.Commits = []string{event.SHA}
	}
	c := &conversation{event: event, found: make(chan struct{})}
	c.given, _ = strconv.Atoi(s["pull-request"]) // resolve has checked it
	token := strings.TrimSpace(s["github-token"])
	outside := c.event.Name == "" || !inAction && token == ""
	if s["comment"] == "off" || !commenting[command] || outside && c.given == 0 {
		return nil
	}
	c.repository, c.unable = github.NewRepository(github.Config{APIURL: event.APIURL, Token: token,
		Repository: event.Repository, Fork: event.Fork, Agent: "d1-rewind/" + p.version(), Sleep: p.Sleep, Transport: p.GitHub})
	switch {
	case c.given > 0:
		c.numbers = []int{c.given}
	case event.PullRequest > 0:
		c.numbers = []int{event.PullRequest}
	case len(c.event.Commits) > 0 && c.unable == nil:
		go func() {
			defer close(c.found)
			defer func() {
				if crash := recover(); crash != nil {
					c.lookup = fmt.Errorf("look for it: %v", crash)
				}
			}()
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookupTime)
			defer cancel()
			c.numbers, c.lookup = c.repository.Merged(ctx, event.Ref, c.event.Commits...)
		}()
		return c
	}
	close(c.found)
	return c
}

// pullRequest is the number for the journal, "" for none, several joined by commas. It waits
// for the look-up, but not in a run that was cancelled.
func (c *conversation) pullRequest(ctx context.Context) string {
	numbers, _ := c.wait(ctx.Done())
	var texts []string
	for _, n := range numbers {
		texts = append(texts, strconv.Itoa(n))
	}
	return strings.Join(texts, ",")
}

func (c *conversation) wait(cancelled <-chan struct{}) ([]int, error) {
	select {
	case <-c.found:
		return c.numbers, c.lookup
	case <-cancelled:
		return nil, errors.New("GitHub did not answer in time")
	}
}

// say puts the report where the pull request's readers look, and returns the address of the
// comment. problems say what was not reported.
func (c *conversation) say(run context.Context, j *job, r report.Report) (address string, problems []error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(run), reportTime)
	defer cancel()
	defer context.AfterFunc(run, func() { time.AfterFunc(interruptedTime, cancel) })()
	defer func() {
		if crash := recover(); crash != nil {
			problems = append(problems, fmt.Errorf("the pull request was not told: %v", crash))
		}
	}()
	numbers, lookup := c.audience(ctx, r)
	subject := j.subject()
	// A push that has nothing to do with migrations is not worth a new comment.
	quiet := r.Err == nil && r.Result.Status == migration.UpToDate && !c.event.FromPullRequest && c.given == 0
	if why := c.untold(numbers, lookup, subject, quiet, r); why != nil {
		return "", []error{why}
	}
	if len(numbers) == 0 {
		return "", nil
	}
	if extra := len(numbers) - pullRequestsShown; extra > 0 {
		problems = append(problems, fmt.Errorf("%d more pull requests were not told", extra))
		numbers = numbers[:pullRequestsShown]
	}
	if lookup != nil {
		problems = append(problems, fmt.Errorf("another pull request may not have been told: %w", lookup))
	}
	comment := github.Comment{Subject: subject, Run: c.event.Run, Text: report.Markdown(r, github.CommentRoom), Essence: report.Essence(r), Known: quiet}
	for _, number := range numbers {
		j.progress(fmt.Sprintf("reporting to pull request #%d", number))
		at, newer, err := c.repository.Say(ctx, number, comment)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		if newer > 0 {
			problems = append(problems, fmt.Errorf("the comment on pull request #%d was left as it is: run %d, which is newer, has written it", number, newer))
		}
		address = cmp.Or(address, at)
	}
	return address, problems
}

// untold says why nobody can be told of a run of which someone should be; nil where someone can,
// or nobody has to.
func (c *conversation) untold(numbers []int, lookup error, subject string, quiet bool, r report.Report) error {
	pushed := (c.event.Name == "push" || c.event.Name == "workflow_run") && len(c.event.Commits) > 0 && strings.HasPrefix(c.event.Ref, "refs/heads/")
	belongs := strings.HasPrefix(c.event.Name, "pull_request") || c.event.FromPullRequest && (c.event.Name == "issue_comment" || c.event.Name == "workflow_run")
	switch {
	case subject == "" && len(numbers) > 0:
		return errors.New("the pull request was not told, because the run did not come as far as a database")
	case subject == "":
		return nil
	case c.unable != nil && (len(numbers) > 0 || pushed && !quiet):
		return fmt.Errorf("the pull request was not told: %w", c.unable)
	case len(numbers) > 0:
		return nil
	case lookup != nil:
		return fmt.Errorf("the pull request was not told: %w", lookup)
	case belongs:
		return fmt.Errorf("no pull request was told: the event %s does not say which", c.event.Name)
	case r.Command == "restore" && len(r.Result.Undone) > 0:
		return errors.New("no pull request was told: the journal names none for what was undone")
	case pushed && !quiet:
		return fmt.Errorf("no pull request was told: none was merged into %s by commit %s", strings.TrimPrefix(c.event.Ref, "refs/heads/"), c.event.Commits[0])
	}
	return nil
}

// audience is whom the report is for: the pull request of the event or of the pushed
// commit, and those whose runs a restore undid.
func (c *conversation) audience(ctx context.Context, r report.Report) ([]int, error) {
	numbers, err := c.wait(ctx.Done())
	if c.given > 0 {
		return numbers, err
	}
	numbers = slices.Clone(numbers)
	concerned := r.Result.UndonePullRequests()
	if r.Command == "migrate" && len(r.Result.Applied) > 0 {
		concerned = append(concerned, r.Result.HeldPullRequests()...)
	}
	for _, text := range concerned {
		if n, err := strconv.Atoi(text); err == nil && n > 0 && !slices.Contains(numbers, n) {
			numbers = append(numbers, n)
		}
	}
	return numbers, err
}

// subject is what a comment is about: one environment and one database, as the
// configuration calls it, and a local one by its file. It is "" before they are known.
func (j *job) subject() string {
	db, file := j.target.Database, ""
	if cmp.Or(db.Name, db.ID, db.Binding) == "" {
		return ""
	}
	if j.database != nil {
		file = relative(j.database.Path())
	}
	return strings.Join([]string{j.settings["environment"], cmp.Or(db.Name, db.Binding), db.ID, file}, "\n")
}

// runInfo is where on GitHub the command runs, as the report shows it.
func (j *job) runInfo() report.Run {
	e := j.event
	if e.RunURL() == "" {
		return report.Run{}
	}
	run := report.Run{Repository: e.RepositoryURL(), URL: e.RunURL(), ID: e.Run.ID, Actor: e.Actor, Event: e.Name, Commit: e.SHA, Tool: j.p.version()}
	if j.onGitHub() && !j.target.Local {
		run.RestoreWorkflow = run.Repository + "/actions/workflows/" + url.PathEscape(j.settings["restore-workflow"])
	}
	return run
}
