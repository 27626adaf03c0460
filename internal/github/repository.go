package github

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/go-github/v62/github"
)

// Config says how GitHub's REST API is reached. Sleep is required.
type Config struct {
	APIURL     string // used as it is: GitHub Enterprise Server has a path in it; "": https://api.github.com
	Token      string
	Repository string // owner/name
	Fork       bool   // the run belongs to a pull request of another repository, whose token may only read
	Agent      string
	Sleep      func(context.Context, time.Duration) error
	Transport  http.RoundTripper // nil: http.DefaultTransport
}

// Repository is one repository of GitHub's REST API.
type Repository struct {
	client      *github.Client
	owner, name string
	token       string
	fork        bool
	sleep       func(context.Context, time.Duration) error
}

// requestTimeout bounds one request: nothing that reports may hold up a job for long.
const requestTimeout = 10 * time.Second

// NewRepository returns the repository that c describes. It contacts nothing.
func NewRepository(c Config) (*Repository, error) {
	owner, name, ok := strings.Cut(c.Repository, "/")
	if !ok || owner == "" || name == "" || strings.Contains(name, "/") {
		return nil, errors.New("which repository it is in is not known (GITHUB_REPOSITORY is not owner/name)")
	}
	if c.Token == "" {
		return nil, errors.New("there is no token for GitHub (the input github-token, or GITHUB_TOKEN)")
	}
	transport := c.Transport
	if transport == nil {
		transport = http.DefaultTransport
	}
	client := github.NewClient(&http.Client{Timeout: requestTimeout, Transport: patient{transport, c.Sleep}, CheckRedirect: sameHost}).WithAuthToken(c.Token)
	client.UserAgent = c.Agent
	if c.APIURL != "" {
		at, err := url.Parse(strings.TrimRight(c.APIURL, "/") + "/")
		if err != nil || at.Scheme != "https" && at.Scheme != "http" || at.Host == "" {
			return nil, errors.New("GITHUB_API_URL is not the address of an API") // it may hold a password, so it is not quoted
		}
		client.BaseURL = at
	}
	return &Repository{client: client, owner: owner, name: name, token: c.Token, fork: c.Fork, sleep: c.Sleep}, nil
}

// sameHost follows a redirect, as that of a renamed repository, only where the token may go
// (go-github adds it to every request), and where a write stays one (301 and 302 make it a GET).
func sameHost(request *http.Request, via []*http.Request) error {
	if first := via[0].URL; request.URL.Host != first.Host || request.URL.Scheme != first.Scheme || request.Method != via[0].Method || len(via) > 5 {
		return http.ErrUseLastResponse
	}
	return nil
}

// answerLimit bounds an answer: a page of comments has at most about 25 MB.
const answerLimit = 32 << 20

// attempts is how often a request is sent that may be sent again.
const attempts = 3

// patient repeats what may be repeated: any request that a second sending does not do
// twice, after errors that pass.
type patient struct {
	next  http.RoundTripper
	sleep func(context.Context, time.Duration) error
}

// longestWait is how long a service may ask to wait.
const longestWait = 5 * time.Second

func (t patient) RoundTrip(request *http.Request) (*http.Response, error) {
	for attempt := 1; ; attempt++ {
		response, err := t.next.RoundTrip(request)
		passing := err != nil || response.StatusCode >= http.StatusInternalServerError
		if err == nil {
			response.Body = bounded{io.LimitReader(response.Body, answerLimit), response.Body}
		}
		if !passing || attempt == attempts || request.Method == http.MethodPost || request.Context().Err() != nil {
			return response, err
		}
		wait := time.Duration(attempt) * time.Second
		if err == nil {
			if asked, err := time.ParseDuration(response.Header.Get("Retry-After") + "s"); err == nil {
				wait = asked
			}
			if wait > longestWait {
				return response, nil
			}
			_ = response.Body.Close()
		}
		if t.sleep(request.Context(), wait) != nil {
			return nil, request.Context().Err()
		}
		if request.GetBody != nil {
			if request.Body, err = request.GetBody(); err != nil {
				return nil, err
			}
		}
	}
}

type bounded struct {
	io.Reader
	io.Closer
}

// perPage is the most that GitHub puts on one page.
// https://docs.github.com/rest/using-the-rest-api/using-pagination-in-the-rest-api
const perPage = 100

// Merged returns the numbers of the pull requests that commits were merged by into ref, in
// the order of the commits; with an error, those that could be found out. It serves squash,
// rebase, merge commits and the merge queue: GitHub knows the merged pull request of each
// (https://docs.github.com/rest/commits/commits#list-pull-requests-associated-with-a-commit).
func (r *Repository) Merged(ctx context.Context, ref string, commits ...string) ([]int, error) {
	branch, isBranch := strings.CutPrefix(ref, "refs/heads/")
	if !isBranch {
		return nil, nil
	}
	var (
		numbers []int
		failed  error
	)
	for _, commit := range commits {
		var found []*github.PullRequest
		for page := 1; page != 0; {
			pulls, response, err := r.client.PullRequests.ListPullRequestsWithCommit(ctx, r.owner, r.name, commit, &github.ListOptions{Page: page, PerPage: perPage})
			if err != nil {
				failed = cmp.Or(failed, r.explain("find the pull request of commit "+commit, err))
				break
			}
			found = append(found, pulls...)
			page = response.NextPage
		}
		merged := slices.DeleteFunc(found, func(p *github.PullRequest) bool {
			return p == nil || p.MergedAt == nil || p.GetBase().GetRef() != branch
		})
		// One that this commit is the merge of goes before one that only has it among its commits.
		slices.SortStableFunc(merged, func(a, b *github.PullRequest) int {
			if own, other := a.GetMergeCommitSHA() == commit, b.GetMergeCommitSHA() == commit; own != other {
				if own {
					return -1
				}
				return 1
			}
			return b.GetMergedAt().Compare(a.GetMergedAt().Time)
		})
		if len(merged) > 0 && !slices.Contains(numbers, merged[0].GetNumber()) {
			numbers = append(numbers, merged[0].GetNumber())
		}
	}
	return numbers, failed
}

// permissions is what a workflow has to grant for what this package does. Naming one takes
// all others away, so the checkout's is named as well.
const permissions = "permissions:\n  contents: read\n  pull-requests: write"

// explain says what failed and what to do about it.
func (r *Repository) explain(doing string, err error) error {
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() || errors.Is(err, context.Canceled) {
		return fmt.Errorf("%s: GitHub did not answer in time", doing)
	}
	if limit, ok := errors.AsType[*github.RateLimitError](err); ok {
		return fmt.Errorf("%s: %s", doing, limited(limit.Response))
	}
	if limit, ok := errors.AsType[*github.AbuseRateLimitError](err); ok {
		return fmt.Errorf("%s: %s", doing, limited(limit.Response))
	}
	failed, ok := errors.AsType[*github.ErrorResponse](err)
	if !ok {
		return fmt.Errorf("%s: %s", doing, r.hide(err.Error()))
	}
	status, message := failed.Response.StatusCode, strings.Join(strings.Fields(r.hide(failed.Message)), " ")
	if status == http.StatusTooManyRequests {
		return fmt.Errorf("%s: %s", doing, limited(failed.Response))
	}
	said := strings.TrimSpace(fmt.Sprintf("%s: GitHub answered %d %s", doing, status, message))
	for _, e := range failed.Errors {
		if e.Message != "" {
			said += ", " + r.hide(e.Message)
		}
	}
	switch {
	case status == http.StatusUnauthorized:
		return fmt.Errorf("%s; check the token (the input github-token)", said)
	case status == http.StatusForbidden && r.fork:
		return fmt.Errorf("%s; the token of a pull request from a fork may only read", said)
	case status == http.StatusForbidden && strings.Contains(message, "not accessible by"): // "… integration", "… personal access token"
		return fmt.Errorf("%s; the token lacks a permission: add to the workflow\n%s", said, permissions)
	case status == http.StatusNotFound:
		return fmt.Errorf("%s; check the number and the repository, and that the token may see it; a workflow needs\n%s", said, permissions)
	default:
		return errors.New(said)
	}
}

// limited says when a token may ask again.
// https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api
func limited(response *http.Response) string {
	said := "GitHub asks for fewer requests"
	if response == nil {
		return said
	}
	if seconds, err := strconv.Atoi(response.Header.Get("Retry-After")); err == nil {
		return fmt.Sprintf("%s; it may be asked again in %s", said, time.Duration(seconds)*time.Second)
	}
	if reset, err := strconv.ParseInt(response.Header.Get("X-RateLimit-Reset"), 10, 64); err == nil {
		return fmt.Sprintf("the token has used up its requests to GitHub; it may ask again at %s", time.Unix(reset, 0).UTC().Format(time.RFC3339))
	}
	return said
}

// hide takes the token out of a text that came from elsewhere.
func (r *Repository) hide(text string) string { return strings.ReplaceAll(text, r.token, "***") }
