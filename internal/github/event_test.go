package github_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/d1-rewind/d1-rewind/internal/github"
)

func TestEvent(t *testing.T) {
	t.Parallel()
	type facts struct {
		number  int
		ours    bool // a pull request's files are known to be this repository's
		pr      bool
		fork    bool
		without bool // secrets
		sha     string
		commits []string
		ref     string
	}
	for name, tc := range map[string]struct {
		event, payload string
		want           facts
	}{
		"pull_request":         {"pull_request", `{"number":7,"pull_request":{"number":7,"head":{"sha":"feed","repo":{"full_name":"O/R"}}}}`, facts{number: 7, pr: true, ours: true, sha: "feed"}},
		"from_a_fork":          {"pull_request", `{"pull_request":{"number":7,"head":{"sha":"feed","repo":{"full_name":"stranger/r"}}}}`, facts{number: 7, pr: true, fork: true, without: true, sha: "feed"}},
		"deleted_fork":         {"pull_request", `{"pull_request":{"number":7,"head":{"sha":"feed","repo":null}}}`, facts{number: 7, pr: true, fork: true, without: true, sha: "feed"}},
		"review_of_a_fork":     {"pull_request_review", `{"pull_request":{"number":7,"head":{"sha":"feed","repo":{"full_name":"stranger/r"}}}}`, facts{number: 7, pr: true, fork: true, without: true, sha: "feed"}},
		"note_on_a_fork":       {"pull_request_review_comment", `{"pull_request":{"number":7,"head":{"sha":"feed","repo":{"full_name":"stranger/r"}}}}`, facts{number: 7, pr: true, fork: true, without: true, sha: "feed"}},
		"review_of_ours":       {"pull_request_review", `{"pull_request":{"number":7,"head":{"sha":"feed","repo":{"full_name":"o/r"}}}}`, facts{number: 7, pr: true, ours: true, sha: "feed"}},
		"target":               {"pull_request_target", `{"pull_request":{"number":7,"head":{"sha":"feed","repo":{"full_name":"stranger/r"}}}}`, facts{number: 7, pr: true}},
		"review":               {"pull_request_review", `{"pull_request":{"number":9}}`, facts{number: 9, pr: true}},
		"review_comment":       {"pull_request_review_comment", `{"pull_request":{"number":9}}`, facts{number: 9, pr: true}},
		"number_only":          {"pull_request_target", `{"number":7}`, facts{number: 7, pr: true}},
		"number_of_something":  {"workflow_dispatch", `{"number":7}`, facts{}},
		"comment_on_one":       {"issue_comment", `{"issue":{"number":8,"pull_request":{"url":"x"}}}`, facts{number: 8, pr: true}},
		"comment_on_issue":     {"issue_comment", `{"issue":{"number":8}}`, facts{}},
		"comment_on_what":      {"issue_comment", `<html>`, facts{pr: true}},
		"push":                 {"push", `{"commits":[{"id":"1"},{"id":"2"},{"id":"c0ffee"}]}`, facts{commits: []string{"c0ffee", "2", "1"}}},
		"push_of_many":         {"push", `{"commits":[{"id":"1"},{"id":"2"},{"id":"3"},{"id":"4"},{"id":"5"},{"id":"6"},{"id":"7"},{"id":"8"},{"id":"9"},{"id":"10"},{"id":"c0ffee"}]}`, facts{commits: []string{"c0ffee", "10", "9", "8", "7", "6", "5", "4", "3", "2"}}},
		"push_not_json":        {"push", `<html>`, facts{commits: []string{"c0ffee"}}},
		"push_missing":         {"push", ``, facts{commits: []string{"c0ffee"}}},
		"run_of_a_push":        {"workflow_run", `{"workflow_run":{"event":"push","head_repository":{"full_name":"o/r"},"pull_requests":[{"number":3}]}}`, facts{}},
		"run_of_a_push_to":     {"workflow_run", `{"workflow_run":{"event":"push","head_sha":"feed","head_branch":"release","head_repository":{"full_name":"o/r"}}}`, facts{commits: []string{"feed"}, ref: "refs/heads/release"}},
		"run_of_one":           {"workflow_run", `{"workflow_run":{"event":"pull_request","head_repository":{"full_name":"o/r"},"pull_requests":[{"number":3}]}}`, facts{number: 3, pr: true, ours: true}},
		"run_of_a_fork":        {"workflow_run", `{"workflow_run":{"event":"pull_request","head_repository":{"full_name":"stranger/r"},"pull_requests":[]}}`, facts{pr: true}},
		"run_of_a_forks_push":  {"workflow_run", `{"workflow_run":{"event":"push","head_repository":{"full_name":"stranger/r"}}}`, facts{pr: true}},
		"run_of_a_comment":     {"workflow_run", `{"workflow_run":{"event":"issue_comment","head_repository":{"full_name":"o/r"}}}`, facts{pr: true}},
		"run_of_a_run":         {"workflow_run", `{"workflow_run":{"event":"workflow_run","head_repository":{"full_name":"o/r"}}}`, facts{pr: true}},
		"run_of_who_knows":     {"workflow_run", ``, facts{pr: true}},
		"deployment":           {"deployment_status", `{}`, facts{pr: true}},
		"check":                {"check_suite", `{}`, facts{pr: true}},
		"an_event_of_tomorrow": {"pr_something", `{"pull_request":{"number":7}}`, facts{number: 7, pr: true}},
		"queue":                {"merge_group", `{}`, facts{}},
		"run_of_a_release":     {"workflow_run", `{"workflow_run":{"event":"release","head_repository":{"full_name":"o/r"}}}`, facts{}},
		"null":                 {"pull_request", `{"pull_request":null}`, facts{pr: true}},
		"negative":             {"pull_request", `{"number":-1,"pull_request":{"number":-1}}`, facts{pr: true}},
		"number_is_no_number":  {"pull_request", `{"pull_request":{"number":"7"}}`, facts{pr: true}},
		"payload_is_no_object": {"pull_request", `[7]`, facts{pr: true}},
		"missing":              {"pull_request", "", facts{pr: true}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "event.json")
			if tc.payload != "" {
				if err := os.WriteFile(file, []byte(tc.payload), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			r, _ := runner(t, map[string]string{
				"GITHUB_EVENT_NAME": tc.event, "GITHUB_EVENT_PATH": file, "GITHUB_SERVER_URL": "https://example.test/",
				"GITHUB_REPOSITORY": "o/r", "GITHUB_SHA": "c0ffee", "GITHUB_REF": "refs/heads/main", "GITHUB_RUN_ID": "5", "GITHUB_RUN_ATTEMPT": "2",
				"GITHUB_ACTOR": "octocat", "GITHUB_WORKSPACE": "/github/workspace", "GITHUB_API_URL": "https://example.test/api/v3",
				"GITHUB_WORKFLOW_REF": "o/r/.github/workflows/d1-migrate.yml@refs/heads/main",
			})
			if tc.want.sha == "" {
				tc.want.sha = "c0ffee"
			}
			if tc.want.ref == "" {
				tc.want.ref = "refs/heads/main"
			}
			want := github.Event{
				Name: tc.event, Repository: "o/r", SHA: tc.want.sha, Ref: tc.want.ref, Run: github.RunID{ID: 5, Attempt: 2}, Actor: "octocat",
				Workspace: "/github/workspace", Workflow: "d1-migrate.yml", ServerURL: "https://example.test", APIURL: "https://example.test/api/v3",
				PullRequest: tc.want.number, FromPullRequest: tc.want.pr, Fork: tc.want.fork, NoSecrets: tc.want.without, Stranger: tc.want.pr && !tc.want.ours, Commits: tc.want.commits,
			}
			got := r.Event()
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("Event() (-want +got):\n%s", diff)
			}
			if got, want := got.RunURL(), "https://example.test/o/r/actions/runs/5"; got != want {
				t.Errorf("RunURL() = %q, want %q", got, want)
			}
		})
	}
	lost, _ := runner(t, map[string]string{"GITHUB_EVENT_NAME": "pull_request", "GITHUB_REF": "refs/pull/12/merge"})
	if e := lost.Event(); e.PullRequest != 12 {
		t.Errorf("without an event file the pull request is %d, want 12", e.PullRequest)
	}
	outside, _ := runner(t, nil)
	if diff := cmp.Diff(github.Event{FromPullRequest: true, Stranger: true}, outside.Event()); diff != "" {
		t.Errorf("Event() outside of a runner (-want +got):\n%s", diff)
	}
}

// Every event of GitHub's, with what a write may follow from.
func TestWhoseEvent(t *testing.T) {
	t.Parallel()
	const pull = `{"x":[{"pull_request":{"number":7}}]}`
	for _, tc := range []struct {
		event, payload string // "": the file is missing
		pr             bool
	}{
		{"pull_request", `{}`, true}, {"pull_request_comment", `{}`, true}, {"pull_request_review", `{}`, true}, {"pull_request_review_comment", `{}`, true}, {"pull_request_target", `{}`, true},
		{"check_run", `{}`, true}, {"check_suite", `{}`, true}, {"deployment", `{}`, true}, {"deployment_status", `{}`, true}, {"status", `{}`, true},
		{"issue_comment", `{"issue":{"number":8}}`, false}, {"issue_comment", `{"issue":{"number":8,"pull_request":{}}}`, true}, {"issue_comment", ``, true},
		{"workflow_run", `{"workflow_run":{"event":"push","pull_requests":[{"number":3}]}}`, false}, {"workflow_run", `{"workflow_run":{"event":"pull_request"}}`, true}, {"workflow_run", ``, true},
		{"repository_dispatch", `{"client_payload":{"sha":"1","pull_request":null}}`, false}, {"repository_dispatch", `{"client_payload":{"a":{"pull_request":{"number":7}}}}`, true},
		{"repository_dispatch", `{"client_payload":{"github":{"payload":{"pull_requests":[7]}}}}`, true}, {"repository_dispatch", `{"client_payload":{"pull_request":7}}`, true},
		{"repository_dispatch", `{"client_payload":{"Pull_Request":"7"}}`, true}, {"repository_dispatch", `{"client_payload":{"pull_requests":[],"pull_request":""}}`, false}, {"repository_dispatch", ``, true},
		{"repository_dispatch", `[]`, true},
		{"workflow_dispatch", `{"inputs":{"environment":"production"}}`, false}, {"workflow_dispatch", `{"inputs":{"pull_request":"7"}}`, true}, {"workflow_dispatch", ``, false},
		{"push", `{}`, false}, {"push", ``, false}, {"push", pull, false},
		{"schedule", `{}`, false}, {"schedule", ``, false}, {"schedule", pull, true},
		{"release", `{}`, false}, {"release", ``, false}, {"release", pull, true},
		{"merge_group", `{}`, false}, {"merge_group", ``, false}, {"merge_group", pull, true},
		{"branch_protection_rule", `{}`, false}, {"create", `{}`, false}, {"delete", `{}`, false}, {"discussion", `{}`, false}, {"discussion_comment", `{}`, false}, {"fork", `{}`, false},
		{"gollum", `{}`, false}, {"image_version", `{}`, false}, {"issues", `{}`, false}, {"label", `{}`, false}, {"milestone", `{}`, false}, {"page_build", `{}`, false}, {"public", `{}`, false},
		{"registry_package", `{}`, false}, {"watch", `{}`, false},
		{"of_tomorrow", `{}`, true}, {"of_tomorrow", ``, true}, {"dynamic", `{}`, true}, {"Push", `{}`, true},
	} {
		file := filepath.Join(t.TempDir(), "event.json")
		if tc.payload != "" {
			if err := os.WriteFile(file, []byte(tc.payload), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		r, _ := runner(t, map[string]string{"GITHUB_EVENT_NAME": tc.event, "GITHUB_EVENT_PATH": file, "GITHUB_REPOSITORY": "o/r"})
		if got := r.Event().FromPullRequest; got != tc.pr {
			t.Errorf("%s with %q: FromPullRequest = %v, want %v", tc.event, tc.payload, got, tc.pr)
		}
	}
}

// GitHub gives no secrets to whatever Dependabot starts.
func TestDependabot(t *testing.T) {
	t.Parallel()
	for _, event := range []string{"pull_request", "pull_request_target", "push", "create", "deployment_status"} {
		r, _ := runner(t, map[string]string{"GITHUB_EVENT_NAME": event, "GITHUB_ACTOR": "dependabot[bot]"})
		if !r.Event().NoSecrets {
			t.Errorf("%s of Dependabot has secrets", event)
		}
		r, _ = runner(t, map[string]string{"GITHUB_EVENT_NAME": event, "GITHUB_ACTOR": "dependabot"}) // who may be called so
		if r.Event().NoSecrets {
			t.Errorf("%s of someone else has none", event)
		}
	}
}
