package github_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/d1-rewind/d1-rewind/internal/github"
	"github.com/d1-rewind/d1-rewind/internal/github/githubtest"
)

// hub is a GitHub with the open pull request 7.
func hub(t *testing.T) *githubtest.Server {
	t.Helper()
	s := githubtest.New()
	s.Pulls = []githubtest.Pull{{Number: 7, State: "open", Base: "main"}}
	t.Cleanup(func() {
		s.Close()
		if unknown := s.Unknown(); len(unknown) > 0 {
			t.Errorf("requests that GitHub does not know here: %q", unknown)
		}
	})
	return s
}

func shop(t *testing.T, s *githubtest.Server, token string) *github.Repository {
	t.Helper()
	r, err := github.NewRepository(github.Config{APIURL: s.API(), Token: token, Repository: githubtest.Repository, Agent: "test",
		Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func comment(subject, text string, run int64) github.Comment {
	return github.Comment{Subject: subject, Text: text, Essence: text, Run: github.RunID{ID: run, Attempt: 1}}
}

// bodies are the comments without our markers.
func bodies(s *githubtest.Server, pull int) (texts []string) {
	for _, c := range s.On(pull) {
		text, _, _ := strings.Cut(c.Body, "\n<!-- d1-rewind")
		texts = append(texts, text)
	}
	return texts
}

var (
	bot     = githubtest.Identity{Login: "github-actions[bot]", Type: "Bot"}
	mallory = githubtest.Identity{Login: "mallory", Type: "User"}
)

func say(t *testing.T, r *github.Repository, c github.Comment) (url string, newer int64) {
	t.Helper()
	url, newer, err := r.Say(t.Context(), 7, c)
	if err != nil {
		t.Fatal(err)
	}
	return url, newer
}

func TestSay(t *testing.T) {
	t.Parallel()
	s := hub(t)
	for i := range 130 { // ours is to be found on the second page
		s.Add(7, mallory, fmt.Sprint("first! ", i))
	}
	r := shop(t, s, githubtest.RunnerToken)
	url, _ := say(t, r, comment("staging", "2 pending", 1))
	again, _ := say(t, r, comment("staging", "applied", 2))
	if url == "" || url != again {
		t.Errorf("Say() = %q, then %q, want the same comment", url, again)
	}
	say(t, r, comment("production", "2 pending", 2)) // a subject of its own
	if diff := cmp.Diff([]string{"applied", "2 pending"}, bodies(s, 7)[130:]); diff != "" {
		t.Errorf("comments (-want +got):\n%s", diff)
	}
	s.Requests()
	if _, newer := say(t, r, comment("staging", "applied", 3)); newer != 0 {
		t.Errorf("run %d, an older one, has the last word", newer)
	}
	for _, request := range s.Requests() {
		if !strings.HasPrefix(request, "GET ") {
			t.Errorf("unchanged, but %s", request)
		}
	}
	if _, newer := say(t, r, comment("staging", "2 pending", 1)); newer != 2 {
		t.Errorf("an older run: newer = %d", newer)
	}
	say(t, r, comment("staging", "failed", 2)) // another step of the run that wrote it
	if got := bodies(s, 7)[130]; got != "failed" {
		t.Errorf("an equal run wrote %q", got)
	}
	say(t, r, github.Comment{Subject: "staging", Text: "by hand", Essence: "by hand"})
	if got := bodies(s, 7)[130]; got != "by hand" {
		t.Errorf("without a run: %q", got)
	}
	if _, newer := say(t, r, comment("staging", "old", 1)); newer != 2 {
		t.Error("the run was forgotten where a comment without one was written")
	}
	rerun := comment("staging", "run 1, started again", 1)
	rerun.Run.Attempt = 2
	if say(t, r, rerun); bodies(s, 7)[130] != rerun.Text {
		t.Errorf("someone started run 1 again, and its comment is %q", bodies(s, 7)[130])
	}
	if _, newer := say(t, r, comment("staging", "older than run 2", 1)); newer != 2 {
		t.Error("a run that was started again made room for older ones")
	}
	s.Change(func() { s.Comments = nil }) // someone deletes all of them
	say(t, r, comment("staging", "2 pending", 4))
	if diff := cmp.Diff([]string{"2 pending"}, bodies(s, 7)); diff != "" {
		t.Errorf("after a deletion (-want +got):\n%s", diff)
	}
}

// Only our own comments are ours, whatever stands in others.
func TestSayTrustsItsOwnAuthor(t *testing.T) {
	t.Parallel()
	s := hub(t)
	say(t, shop(t, s, githubtest.RunnerToken), comment("staging", "by the bot", 1))
	forged := s.On(7)[0].Body
	s.Change(func() { s.Comments = nil })
	s.Add(7, mallory, forged)
	s.Add(7, bot, "```\n"+forged+"\n```") // a bot that quotes it
	s.Add(7, bot, forged+"\nand more")
	s.Add(7, bot, strings.Replace(forged, "run=1.1", "run=99999999999999999999.1", 1)) // no number that we write
	say(t, shop(t, s, githubtest.RunnerToken), comment("staging", "mine", 2))
	say(t, shop(t, s, githubtest.PersonToken), comment("staging", "ada's", 3))
	say(t, shop(t, s, githubtest.PersonToken), comment("staging", "ada's again", 4))
	if diff := cmp.Diff([]string{"by the bot", "```\nby the bot", "by the bot", "by the bot", "mine", "ada's again"}, bodies(s, 7)); diff != "" {
		t.Errorf("comments (-want +got):\n%s", diff)
	}
	s.Change(func() {
		for i := range s.Comments { // GitHub hands out the line ends that a browser's editor sends
			s.Comments[i].Body = strings.ReplaceAll(s.Comments[i].Body, "\n", "\r\n")
		}
	})
	say(t, shop(t, s, githubtest.PersonToken), comment("staging", "ada's third", 5))
	if got := len(s.On(7)); got != 6 {
		t.Errorf("%d comments after one was edited by hand, want 6", got)
	}
	s.Change(func() { s.Comments[5].Body = strings.Replace(s.Comments[5].Body, "ada's third", "all fine", 1) })
	say(t, shop(t, s, githubtest.PersonToken), comment("staging", "ada's third", 6))
	if got := bodies(s, 7)[5]; got != "ada's third" {
		t.Errorf("what someone wrote into it stays: %q", got)
	}
	// Another bot's comment is not ours to remove, whatever we take it for.
	echo := s.Add(7, githubtest.Identity{Login: "echo[bot]", Type: "Bot"}, s.On(7)[4].Body)
	say(t, shop(t, s, githubtest.RunnerToken), comment("staging", "mine again", 7))
	if !slices.ContainsFunc(s.On(7), func(c githubtest.Comment) bool { return c.ID == echo }) {
		t.Error("a comment of another bot was removed")
	}
}

// Jobs that comment at the same time leave one comment, that of the newest run.
func TestSayAtOnce(t *testing.T) {
	t.Parallel()
	s := hub(t)
	var listed, all sync.WaitGroup
	const jobs = 4
	listed.Add(jobs)
	first := map[string]bool{}
	wait := func(agent string) { // nobody writes before all have seen that there is none
		s.Change(func() {
			if !first[agent] {
				first[agent] = true
				listed.Done()
			}
		})
		listed.Wait()
	}
	for job := range jobs {
		all.Go(func() {
			agent := fmt.Sprint("job", job)
			r, err := github.NewRepository(github.Config{APIURL: s.API(), Token: githubtest.RunnerToken, Repository: githubtest.Repository, Agent: agent,
				Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
				Transport: roundTrip(func(request *http.Request) (*http.Response, error) {
					if request.Method == http.MethodPost {
						wait(agent)
					}
					return http.DefaultTransport.RoundTrip(request)
				})})
			if err != nil {
				t.Error(err)
				return
			}
			if _, _, err := r.Say(t.Context(), 7, comment("staging", agent, int64(job+1))); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if diff := cmp.Diff([]string{"job3"}, bodies(s, 7)); diff != "" {
		t.Errorf("comments (-want +got):\n%s", diff)
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestSayFaults(t *testing.T) {
	t.Parallel()
	reset := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	for name, tc := range map[string]struct {
		token  string
		fork   bool
		number int
		change func(*githubtest.Server)
		want   string // in the error; "" for none
	}{
		"read_only":         {token: githubtest.ReadOnlyToken, want: "permissions:\n  contents: read\n  pull-requests: write"},
		"fork":              {token: githubtest.ReadOnlyToken, fork: true, want: "a pull request from a fork may only read"},
		"bad_token":         {token: "githubtest-unknown", want: "401 Bad credentials; check the token"},
		"no_pull_request":   {number: 8, want: "comment on pull request #8: GitHub answered 404 Not Found; check the number"},
		"locked":            {change: func(s *githubtest.Server) { s.Pulls[0].Locked = true }, want: "because issue is locked"},
		"closed":            {change: func(s *githubtest.Server) { s.Pulls[0].State = "closed" }},
		"reading_fails":     {change: func(s *githubtest.Server) { s.Fault = githubtest.Times(2, http.MethodGet, http.StatusBadGateway) }},
		"writing_fails":     {change: func(s *githubtest.Server) { s.Fault = githubtest.Times(2, http.MethodPost, http.StatusBadGateway) }},
		"all_fails":         {change: func(s *githubtest.Server) { s.Fault = githubtest.Times(1000, "", http.StatusBadGateway) }, want: "GitHub answered 502"},
		"all_writing_fails": {change: func(s *githubtest.Server) { s.Fault = githubtest.Times(1000, http.MethodPost, http.StatusBadGateway) }, want: "comment on pull request #7: GitHub answered 502"},
		"rate_limited":      {change: func(s *githubtest.Server) { s.Fault = githubtest.RateLimited(reset) }, want: "it may ask again at 2030-01-02T03:04:05Z"},
		"secondary_limit": {change: func(s *githubtest.Server) {
			s.Fault = func(w http.ResponseWriter, _ *http.Request) bool {
				w.Header().Set("Retry-After", "60")
				w.WriteHeader(http.StatusForbidden)
				_, _ = w.Write([]byte(`{"message":"x","documentation_url":"https://docs.github.com/rest/overview/rate-limits-for-the-rest-api#about-secondary-rate-limits"}`))
				return true
			}
		}, want: "it may be asked again in 1m0s"},
		"rate_limited_429": {change: func(s *githubtest.Server) {
			s.Fault = func(w http.ResponseWriter, _ *http.Request) bool {
				w.Header().Set("X-RateLimit-Reset", "1893553445")
				w.WriteHeader(http.StatusTooManyRequests)
				return true
			}
		}, want: "it may ask again at 2030-01-02T03:04:05Z"},
		"archived": {change: func(s *githubtest.Server) {
			s.Fault = func(w http.ResponseWriter, r *http.Request) bool {
				if r.Method == http.MethodPost {
					w.WriteHeader(http.StatusForbidden)
					_, _ = w.Write([]byte(`{"message":"Repository was archived so is read-only."}`))
				}
				return r.Method == http.MethodPost
			}
		}, want: "GitHub answered 403 Repository was archived so is read-only."},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := hub(t)
			if tc.change != nil {
				s.Change(func() { tc.change(s) })
			}
			if tc.token == "" {
				tc.token = githubtest.RunnerToken
			}
			if tc.number == 0 {
				tc.number = 7
			}
			r, err := github.NewRepository(github.Config{APIURL: s.API(), Token: tc.token, Repository: githubtest.Repository, Fork: tc.fork,
				Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }})
			if err != nil {
				t.Fatal(err)
			}
			_, _, err = r.Say(t.Context(), tc.number, comment("staging", "text", 1))
			switch {
			case tc.want == "" && err != nil:
				t.Fatal(err)
			case tc.want == "":
				if diff := cmp.Diff([]string{"text"}, bodies(s, 7)); diff != "" {
					t.Errorf("comments (-want +got):\n%s", diff)
				}
			case err == nil || !strings.Contains(err.Error(), tc.want):
				t.Errorf("Say() = %v, want %q in it", err, tc.want)
			case strings.Contains(err.Error(), tc.token):
				t.Errorf("the token stands in %q", err)
			}
		})
	}
}

// A creation whose answer was lost is not repeated.
func TestSayLostAnswer(t *testing.T) {
	t.Parallel()
	s := hub(t)
	lost := false
	r, err := github.NewRepository(github.Config{APIURL: s.API(), Token: githubtest.RunnerToken, Repository: githubtest.Repository,
		Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() },
		Transport: roundTrip(func(request *http.Request) (*http.Response, error) {
			response, err := http.DefaultTransport.RoundTrip(request)
			if err == nil && request.Method == http.MethodPost && !lost {
				lost = true
				_ = response.Body.Close()
				return nil, fmt.Errorf("connection reset, %s", githubtest.RunnerToken)
			}
			return response, err
		})})
	if err != nil {
		t.Fatal(err)
	}
	if url, newer := say(t, r, comment("staging", "text", 1)); url == "" || newer != 0 {
		t.Errorf("Say() = %q, %d", url, newer)
	}
	posts := slices.DeleteFunc(s.Requests(), func(r string) bool { return !strings.HasPrefix(r, "POST") })
	if len(posts) != 1 {
		t.Errorf("%d POSTs, want 1", len(posts))
	}
	if got := len(s.On(7)); got != 1 || !lost {
		t.Errorf("%d comments, want 1", got)
	}
}

func TestMerged(t *testing.T) {
	t.Parallel()
	s := hub(t)
	day := func(n int) time.Time { return time.Date(2026, 11, n, 0, 0, 0, 0, time.UTC) }
	s.Pulls = append(s.Pulls,
		githubtest.Pull{Number: 11, Base: "main", Merged: true, MergedAt: day(1), MergeSHA: "squash"},
		githubtest.Pull{Number: 12, Base: "main", Merged: true, MergedAt: day(2), MergeSHA: "rebase3", Commits: []string{"rebase1", "rebase2", "rebase3"}},
		githubtest.Pull{Number: 13, Base: "main", Merged: true, MergedAt: day(3), MergeSHA: "merge", Commits: []string{"work", "work2"}},
		githubtest.Pull{Number: 14, Base: "feature", Merged: true, MergedAt: day(4), MergeSHA: "inner", Commits: []string{"work"}}, // stacked: merged into another branch first
		githubtest.Pull{Number: 15, Base: "main", Commits: []string{"work", "squash", "open"}},
		githubtest.Pull{Number: 16, Base: "main", Merged: true, MergedAt: day(6), MergeSHA: "queue2", Commits: []string{"work2"}},
		githubtest.Pull{Number: 17, Base: "main", Merged: true, MergedAt: day(5), MergeSHA: "queue1"},
		githubtest.Pull{Number: 18, Base: "release", Merged: true, MergedAt: day(7), Commits: []string{"squash"}},
	)
	for range 120 {
		s.Pulls = append([]githubtest.Pull{{Number: 100, Base: "other", Commits: []string{"popular"}}}, s.Pulls...)
	}
	s.Pulls = append(s.Pulls, githubtest.Pull{Number: 19, Base: "main", Merged: true, Commits: []string{"popular"}})
	for name, tc := range map[string]struct {
		ref     string
		commits []string
		want    []int
	}{
		"squash":              {"refs/heads/main", []string{"squash"}, []int{11}},
		"rebase":              {"refs/heads/main", []string{"rebase3", "rebase2", "rebase1"}, []int{12}},
		"merge_commit":        {"refs/heads/main", []string{"merge", "work"}, []int{13}},
		"merge_queue":         {"refs/heads/main", []string{"queue2", "queue1"}, []int{16, 17}},
		"the_commit_of_it":    {"refs/heads/main", []string{"work2"}, []int{16}},
		"into_another_branch": {"refs/heads/release", []string{"squash"}, []int{18}},
		"only_open":           {"refs/heads/main", []string{"open"}, nil},
		"none":                {"refs/heads/main", []string{"unknown"}, nil},
		"second_page":         {"refs/heads/main", []string{"popular"}, []int{19}},
		"tag":                 {"refs/tags/v1", []string{"squash"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := shop(t, s, githubtest.ReadOnlyToken).Merged(t.Context(), tc.ref, tc.commits...)
			if diff := cmp.Diff(tc.want, got); diff != "" || err != nil {
				t.Errorf("Merged() (-want +got): %v\n%s", err, diff)
			}
		})
	}
}

func TestNewRepositoryRefuses(t *testing.T) {
	t.Parallel()
	for want, config := range map[string]github.Config{
		"GITHUB_REPOSITORY is not owner/name": {Token: "t", Repository: "shop"},
		"no token for GitHub":                 {Repository: "octo/shop"},
		"GITHUB_API_URL is not the address":   {Token: "t", Repository: "octo/shop", APIURL: "ftp://user:secret@x"},
	} {
		if _, err := github.NewRepository(config); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("NewRepository(%+v) = %v, want %q", config, err, want)
		}
	}
}

// The token goes to GitHub's API and nowhere else, and no answer brings it back into a text.
func TestTokenStays(t *testing.T) {
	t.Parallel()
	var seen []string
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen = append(seen, r.Header.Get("Authorization")) }))
	defer other.Close()
	s := hub(t)
	r := shop(t, s, githubtest.RunnerToken)
	answers := map[string]func(w http.ResponseWriter, r *http.Request){
		"redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, strings.Replace(other.URL, "127.0.0.1", "localhost", 1), http.StatusTemporaryRedirect)
		},
		"moved": func(w http.ResponseWriter, r *http.Request) { // a GET in the place of a PATCH is no success
			if r.Method == http.MethodGet && strings.Contains(r.URL.Path, "moved") {
				_, _ = fmt.Fprint(w, "{}")
				return
			}
			http.Redirect(w, r, "/moved"+r.URL.Path, http.StatusFound)
		},
		"message": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusUnprocessableEntity)
			fmt.Fprintf(w, `{"message":"no %s","errors":[{"message":"not %s"}]}`, githubtest.RunnerToken, githubtest.RunnerToken)
		},
		"broken": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "http://"+githubtest.RunnerToken+":x/%zz")
			w.WriteHeader(http.StatusTemporaryRedirect)
		},
	}
	for name, answer := range answers {
		s.Change(func() {
			s.Fault = func(w http.ResponseWriter, r *http.Request) bool { answer(w, r); return true }
		})
		_, _, err := r.Say(t.Context(), 7, comment("staging", "text", 1))
		_, lookup := r.Merged(t.Context(), "refs/heads/main", "sha")
		if text := fmt.Sprint(err, lookup); err == nil || lookup == nil || strings.Contains(text, githubtest.RunnerToken) {
			t.Errorf("%s: %s", name, text)
		}
	}
	if len(seen) > 0 {
		t.Errorf("another host was asked, with %q", seen)
	}
}

// What GitHub does not send today must not end a run tomorrow.
func TestStrangeAnswers(t *testing.T) {
	t.Parallel()
	s := hub(t)
	r := shop(t, s, githubtest.RunnerToken)
	for _, body := range []string{`[null]`, `[{}]`, `[{"user":null,"body":null,"base":null,"merged_at":null}]`, `null`, `{}`, `[`, ``, strings.Repeat("[", 10000)} {
		s.Change(func() {
			s.Fault = func(w http.ResponseWriter, r *http.Request) bool {
				if r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "s") {
					_, _ = fmt.Fprint(w, body)
					return true
				}
				return false
			}
		})
		_, _, err := r.Say(t.Context(), 7, comment("staging", "text", 1))
		numbers, lookup := r.Merged(t.Context(), "refs/heads/main", "sha")
		t.Logf("%.20q: %v, %v, %v", body, err, numbers, lookup)
		if len(numbers) > 0 {
			t.Errorf("%q: found %v", body, numbers)
		}
	}
}

// One commit whose pull request can't be found out does not hide the others'.
func TestMergedInPart(t *testing.T) {
	t.Parallel()
	s := hub(t)
	s.Pulls = []githubtest.Pull{{Number: 11, Base: "main", Merged: true, MergeSHA: "good"}}
	s.Fault = func(w http.ResponseWriter, r *http.Request) bool {
		if strings.Contains(r.URL.Path, "bad") {
			w.WriteHeader(http.StatusBadGateway)
			return true
		}
		return false
	}
	got, err := shop(t, s, githubtest.RunnerToken).Merged(t.Context(), "refs/heads/main", "bad", "good")
	if diff := cmp.Diff([]int{11}, got); diff != "" || err == nil || !strings.Contains(err.Error(), "commit bad") {
		t.Errorf("Merged() (-want +got): %v\n%s", err, diff)
	}
}

// An edit survives a gateway that fails, and a comment that someone deletes at the same moment.
func TestSayEdits(t *testing.T) {
	t.Parallel()
	s := hub(t)
	r := shop(t, s, githubtest.RunnerToken)
	say(t, r, comment("staging", "first", 1))
	s.Change(func() { s.Fault = githubtest.Times(2, http.MethodPatch, http.StatusBadGateway) })
	say(t, r, comment("staging", "second", 2))
	if diff := cmp.Diff([]string{"second"}, bodies(s, 7)); diff != "" {
		t.Errorf("after a gateway's errors (-want +got):\n%s", diff)
	}
	s.Change(func() {
		s.Fault = func(_ http.ResponseWriter, r *http.Request) bool {
			if r.Method == http.MethodPatch {
				s.Comments, s.Fault = nil, nil
			}
			return false
		}
	})
	say(t, r, comment("staging", "third", 3))
	if diff := cmp.Diff([]string{"third"}, bodies(s, 7)); diff != "" {
		t.Errorf("deleted between list and edit (-want +got):\n%s", diff)
	}
	// Doubles that an earlier run left behind: the newest stays, another job removes one meanwhile.
	double := s.On(7)[0].Body
	s.Add(7, bot, strings.Replace(double, "run=3.1", "run=9.1", 1))
	s.Add(7, bot, double)
	s.Change(func() {
		s.Fault = func(_ http.ResponseWriter, r *http.Request) bool {
			if r.Method == http.MethodDelete {
				s.Comments, s.Fault = s.Comments[:2], nil
			}
			return false
		}
	})
	say(t, r, comment("staging", "tenth", 10))
	if diff := cmp.Diff([]string{"tenth"}, bodies(s, 7)); diff != "" {
		t.Errorf("doubles (-want +got):\n%s", diff)
	}
}
