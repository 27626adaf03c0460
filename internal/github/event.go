package github

import (
	"cmp"
	"encoding/json"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Event is what the runner says about the run.
type Event struct {
	Name       string // GITHUB_EVENT_NAME
	Repository string // owner/name
	SHA        string // of the files in the workspace; for a pull request its head, which outlives the merge that is tested
	Ref        string
	Run        RunID
	Actor      string
	Workspace  string // the checkout; everything else is lost when a container ends
	Workflow   string // file name of the workflow, "" if it is not known
	ServerURL  string // https://github.com, or a GitHub Enterprise Server
	APIURL     string

	PullRequest     int      // that the event names, 0 for none
	FromPullRequest bool     // whether a pull request started the run, directly or not, or may have
	Fork            bool     // whether that pull request comes from another repository, so that the token may only read
	Stranger        bool     // whether its files may come from another repository: they are not known to come from ours
	Commits         []string // that were pushed, newest first: their pull requests are the ones that were merged
}

// RunID orders the runs of a repository: GITHUB_RUN_ID, then GITHUB_RUN_ATTEMPT. The zero
// RunID is none.
type RunID struct{ ID, Attempt int64 }

// less tells whether r was started before other. Somebody starts a run again after having
// seen what came of it and of others, so that a second attempt is older than none.
func (r RunID) less(other RunID) bool {
	if r.ID == other.ID {
		return r.Attempt < other.Attempt
	}
	return r.ID < other.ID && r.Attempt < 2
}

// payload is what is read of an event file.
// https://docs.github.com/webhooks/webhook-events-and-payloads
type payload struct {
	Number      int
	PullRequest struct {
		Number int
		Head   struct {
			SHA  string
			Repo repository
		}
	} `json:"pull_request"`
	Issue struct {
		Number      int
		PullRequest *struct{} `json:"pull_request"`
	} `json:"issue"`
	WorkflowRun struct {
		Event          string
		HeadSHA        string                 `json:"head_sha"`
		HeadBranch     string                 `json:"head_branch"`
		HeadRepository repository             `json:"head_repository"`
		PullRequests   []struct{ Number int } `json:"pull_requests"`
	} `json:"workflow_run"`
	Commits []struct{ ID string }
}

type repository struct {
	FullName string `json:"full_name"`
}

// shownCommits bounds how many commits of a push are looked up.
const shownCommits = 10

// Event reads the run's GITHUB_* variables and its event file (GITHUB_EVENT_PATH). Of a file
// that is missing or not JSON nothing is known; an event that a pull request may have
// started then counts as one.
// https://docs.github.com/actions/reference/workflows-and-actions/variables
func (r *Runner) Event() Event {
	e := Event{
		Name: r.getenv("GITHUB_EVENT_NAME"), Repository: r.getenv("GITHUB_REPOSITORY"), SHA: r.getenv("GITHUB_SHA"),
		Ref: r.getenv("GITHUB_REF"), Actor: r.getenv("GITHUB_ACTOR"), Workspace: r.getenv("GITHUB_WORKSPACE"),
		ServerURL: strings.TrimRight(r.getenv("GITHUB_SERVER_URL"), "/"), APIURL: r.getenv("GITHUB_API_URL"),
	}
	e.Run.ID, _ = strconv.ParseInt(r.getenv("GITHUB_RUN_ID"), 10, 64)
	e.Run.Attempt, _ = strconv.ParseInt(r.getenv("GITHUB_RUN_ATTEMPT"), 10, 64)
	if ref := r.getenv("GITHUB_WORKFLOW_REF"); strings.Contains(ref, "@refs/") {
		e.Workflow = path.Base(ref[:strings.LastIndex(ref, "@refs/")])
	}
	var p payload
	if data, err := os.ReadFile(r.getenv("GITHUB_EVENT_PATH")); err != nil || json.Unmarshal(data, &p) != nil {
		p = payload{}
	}
	switch {
	case strings.HasPrefix(e.Name, "pull_request"):
		e.FromPullRequest = true
		e.PullRequest = cmp.Or(max(p.PullRequest.Number, 0), max(p.Number, 0), numberOf(e.Ref))
		e.Fork = e.Name == "pull_request" && p.PullRequest.Head.Repo.elsewhere(e.Repository)
		if p.PullRequest.Head.SHA != "" && e.Name != "pull_request_target" { // which checks out the base
			e.SHA = p.PullRequest.Head.SHA
		}
	case e.Name == "issue_comment":
		e.FromPullRequest = p.Issue.PullRequest != nil || p.Issue.Number == 0
		if e.FromPullRequest {
			e.PullRequest = p.Issue.Number
		}
	case e.Name == "workflow_run":
		// Whoever may push to the repository started these; anything else can be a stranger's.
		own := []string{"push", "schedule", "workflow_dispatch", "repository_dispatch", "release", "create", "merge_group"}
		e.FromPullRequest = !slices.Contains(own, p.WorkflowRun.Event) || p.WorkflowRun.HeadRepository.elsewhere(e.Repository)
		switch {
		case p.WorkflowRun.Event == "push" && !e.FromPullRequest && p.WorkflowRun.HeadSHA != "":
			e.Commits, e.Ref = []string{p.WorkflowRun.HeadSHA}, "refs/heads/"+p.WorkflowRun.HeadBranch
		case e.FromPullRequest && len(p.WorkflowRun.PullRequests) > 0:
			e.PullRequest = p.WorkflowRun.PullRequests[0].Number
		}
	case slices.Contains([]string{"deployment", "deployment_status", "check_run", "check_suite", "status"}, e.Name):
		e.FromPullRequest = true // they may be about any commit
	case p.PullRequest.Number > 0, p.Issue.PullRequest != nil:
		e.FromPullRequest, e.PullRequest = true, max(p.PullRequest.Number, p.Issue.Number)
	case e.Name == "push":
		e.Commits = append(e.Commits, e.SHA)
		for _, c := range slices.Backward(p.Commits) {
			if c.ID != e.SHA && c.ID != "" && len(e.Commits) < shownCommits {
				e.Commits = append(e.Commits, c.ID)
			}
		}
	}
	e.PullRequest = max(e.PullRequest, 0)
	head := p.PullRequest.Head.Repo
	if e.Name == "workflow_run" && p.WorkflowRun.Event == "pull_request" {
		head = p.WorkflowRun.HeadRepository
	}
	e.Stranger = e.FromPullRequest && (head.FullName == "" || head.elsewhere(e.Repository))
	return e
}

// numberOf is the pull request of a ref such as refs/pull/7/merge, 0 for none.
func numberOf(ref string) int {
	number, isPull := strings.CutPrefix(ref, "refs/pull/")
	number, _, _ = strings.Cut(number, "/")
	n, err := strconv.Atoi(number)
	if !isPull || err != nil {
		return 0
	}
	return max(n, 0)
}

// elsewhere tells whether the payload names another repository than ours. A repository that
// was deleted has no name.
func (r repository) elsewhere(ours string) bool {
	return r.FullName != "" && !strings.EqualFold(r.FullName, ours)
}

// RepositoryURL is the repository's page, "" if it is not known.
func (e Event) RepositoryURL() string {
	if e.ServerURL == "" || e.Repository == "" {
		return ""
	}
	return e.ServerURL + "/" + e.Repository
}

// RunURL is the run's page, "" if it is not known.
func (e Event) RunURL() string {
	if e.RepositoryURL() == "" || e.Run.ID == 0 {
		return ""
	}
	return e.RepositoryURL() + "/actions/runs/" + strconv.FormatInt(e.Run.ID, 10)
}
