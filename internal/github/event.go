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
	NoSecrets       bool     // whether GitHub gives the run none: it belongs to a fork, or Dependabot started it
	Stranger        bool     // whether its files may come from another repository: they are not known to come from ours
	Commits         []string // that were pushed, newest first: their pull requests are the ones that were merged
}

// RunID orders the runs of a repository: GITHUB_RUN_ID, then GITHUB_RUN_ATTEMPT. The zero
// RunID is none.
type RunID struct{ ID, Attempt int64 }

// less reports whether r was started before other. Someone starts a run again after having
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
// that is missing or not JSON nothing is known; an event that may be a pull request's then
// counts as one.
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
	p, named, readable := r.payload()
	e.FromPullRequest = fromPullRequest(e, p, named, readable)
	switch {
	case strings.HasPrefix(e.Name, "pull_request"):
		e.PullRequest = cmp.Or(max(p.PullRequest.Number, 0), max(p.Number, 0), numberOf(e.Ref))
		if p.PullRequest.Head.SHA != "" && e.Name != "pull_request_target" { // which checks out the base
			e.SHA = p.PullRequest.Head.SHA
		}
	case e.Name == "workflow_run":
		switch {
		case p.WorkflowRun.Event == "push" && !e.FromPullRequest && p.WorkflowRun.HeadSHA != "":
			e.Commits, e.Ref = []string{p.WorkflowRun.HeadSHA}, "refs/heads/"+p.WorkflowRun.HeadBranch
		case e.FromPullRequest && len(p.WorkflowRun.PullRequests) > 0:
			e.PullRequest = p.WorkflowRun.PullRequests[0].Number
		}
	case e.Name == "push":
		e.Commits = append(e.Commits, e.SHA)
		for _, c := range slices.Backward(p.Commits) {
			if c.ID != e.SHA && c.ID != "" && len(e.Commits) < shownCommits {
				e.Commits = append(e.Commits, c.ID)
			}
		}
	case e.FromPullRequest && !commits[e.Name]:
		e.PullRequest = max(p.PullRequest.Number, p.Issue.Number)
	}
	e.PullRequest = max(e.PullRequest, 0)
	head := p.PullRequest.Head.Repo
	if e.Name == "workflow_run" && p.WorkflowRun.Event == "pull_request" {
		head = p.WorkflowRun.HeadRepository
	}
	e.Stranger = e.FromPullRequest && (head.FullName == "" || head.elsewhere(e.Repository))
	e.Fork = ofTheHead[e.Name] && p.PullRequest.Head.SHA != "" && e.Stranger
	e.NoSecrets = e.Fork || e.Actor == dependabot && ofDependabot[e.Name]
	return e
}

// payload reads the event file. named reports whether a pull request is anywhere in it.
func (r *Runner) payload() (p payload, named, readable bool) {
	data, err := os.ReadFile(r.getenv("GITHUB_EVENT_PATH"))
	var all map[string]any
	if err != nil || json.Unmarshal(data, &all) != nil || json.Unmarshal(data, &p) != nil {
		return payload{}, false, false
	}
	return p, namesPullRequest(all), true
}

// rule says how it is decided whether a run may be a pull request's.
type rule int

const (
	always  rule = iota // it is, or may be about any commit
	unless              // it may be, unless its payload shows that it is not
	message             // if the payload, which has whatever its sender wrote into it, names one or can't be read
	ours                // the files are the default branch's, or of someone who may push, unless the payload names one all the same
)

// rules are GitHub's events. An event that is not here counts as a pull request's.
// https://docs.github.com/actions/reference/workflows-and-actions/events-that-trigger-workflows
var rules = map[string]rule{
	"pull_request":                always,
	"pull_request_comment":        always,
	"pull_request_review":         always,
	"pull_request_review_comment": always,
	"pull_request_target":         always,
	"check_run":                   always,
	"check_suite":                 always,
	"deployment":                  always,
	"deployment_status":           always,
	"status":                      always,
	"issue_comment":               unless,
	"workflow_run":                unless,
	"repository_dispatch":         message,
	"push":                        ours,
	"branch_protection_rule":      ours,
	"create":                      ours,
	"delete":                      ours,
	"discussion":                  ours,
	"discussion_comment":          ours,
	"fork":                        ours,
	"gollum":                      ours,
	"image_version":               ours,
	"issues":                      ours,
	"label":                       ours,
	"merge_group":                 ours,
	"milestone":                   ours,
	"page_build":                  ours,
	"public":                      ours,
	"registry_package":            ours,
	"release":                     ours,
	"schedule":                    ours,
	"watch":                       ours,
	"workflow_dispatch":           ours,
}

// commits are the events about a commit, whichever pull requests have it.
var commits = map[string]bool{"check_run": true, "check_suite": true, "deployment": true, "deployment_status": true, "status": true}

// ofTheHead are the events that run the files of a pull request's head, and so without secrets
// where that is in another repository
// (https://docs.github.com/actions/reference/workflows-and-actions/events-that-trigger-workflows#workflows-in-forked-repositories).
var ofTheHead = map[string]bool{"pull_request": true, "pull_request_review": true, "pull_request_review_comment": true}

// dependabot is who starts runs that get no secrets of Actions for these events; a run that someone
// starts again counts as its, too
// (https://docs.github.com/code-security/dependabot/troubleshooting-dependabot/troubleshooting-dependabot-on-github-actions).
const dependabot = "dependabot[bot]"

var ofDependabot = map[string]bool{"push": true, "create": true, "deployment": true, "deployment_status": true,
	"pull_request": true, "pull_request_review": true, "pull_request_review_comment": true, "pull_request_target": true}

// fromPullRequest reports whether a pull request started the run, or may have.
func fromPullRequest(e Event, p payload, named, readable bool) bool {
	switch rules[e.Name] { // always for those that are not in it
	case unless:
		if e.Name == "issue_comment" {
			return !readable || p.Issue.PullRequest != nil || p.Issue.Number == 0
		}
		// Whoever may push to the repository started these; anything else can be a stranger's.
		own := []string{"push", "schedule", "workflow_dispatch", "repository_dispatch", "release", "create", "merge_group"}
		return !slices.Contains(own, p.WorkflowRun.Event) || p.WorkflowRun.HeadRepository.elsewhere(e.Repository)
	case message:
		return named || !readable
	case ours:
		return named && e.Name != "push"
	}
	return true
}

// namesPullRequest reports whether a value has a pull request somewhere in it.
func namesPullRequest(value any) bool {
	switch v := value.(type) {
	case map[string]any:
		for key, inner := range v {
			if (strings.EqualFold(key, "pull_request") || strings.EqualFold(key, "pull_requests")) && !blank(inner) || namesPullRequest(inner) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(v, namesPullRequest)
	}
	return false
}

func blank(value any) bool {
	switch v := value.(type) {
	case map[string]any:
		return len(v) == 0
	case []any:
		return len(v) == 0
	}
	return value == nil || value == "" || value == false || value == 0.0
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

// elsewhere reports whether the payload names another repository than ours. A repository that
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
