// Package githubtest imitates GitHub for tests: on a Server the part of its REST API that
// reports need, with permissions, pages and faults; as a Workflow a runner that plays workflow
// files as they stand, with what GitHub says about the event that started them.
package githubtest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// The tokens that a Server knows from the beginning.
const (
	RunnerToken   = "githubtest-runner-token-that-must-not-be-seen"    // of github-actions[bot]; may write
	ReadOnlyToken = "githubtest-read-only-token-that-must-not-be-seen" // of github-actions[bot]; may only read
	PersonToken   = "githubtest-person-token-that-must-not-be-seen"    // of ada; may write
)

// Repository is the only repository of a Server.
const Repository = "octo/shop"

// Identity is whom a token belongs to.
type Identity struct {
	Login string
	Type  string // Bot or User
	Write bool   // issues and pull requests
}

// Pull is a pull request.
type Pull struct {
	Number   int
	State    string // open or closed
	Locked   bool
	Merged   bool
	MergeSHA string
	MergedAt time.Time
	Base     string   // branch
	Commits  []string // that it is associated with
}

// Comment is a comment on a pull request.
type Comment struct {
	ID     int64
	Pull   int
	Author Identity
	Body   string
	Edits  int // how often it was edited
}

// Server is GitHub's REST API on loopback. Its fields may be changed before requests come;
// Change does so between them.
type Server struct {
	*httptest.Server
	Tokens   map[string]Identity
	Pulls    []Pull
	Comments []Comment
	// Fault answers a request in the place of the server where it returns true; nil: no faults.
	Fault func(http.ResponseWriter, *http.Request) bool

	mutex    sync.Mutex
	nextID   int64
	requests []string
	unknown  []string
}

// New starts a Server. Its base path is that of a GitHub Enterprise Server, so that a
// client which does not use GITHUB_API_URL as it is finds nothing.
func New() *Server {
	s := &Server{nextID: 1000, Tokens: map[string]Identity{
		RunnerToken:   {"github-actions[bot]", "Bot", true},
		ReadOnlyToken: {"github-actions[bot]", "Bot", false},
		PersonToken:   {"ada", "User", true},
	}}
	mux := http.NewServeMux()
	in := "/repos/" + Repository
	mux.HandleFunc("GET /user", s.user)
	mux.HandleFunc("GET "+in+"/commits/{sha}/pulls", s.pullsOfCommit)
	mux.HandleFunc("GET "+in+"/issues/{number}/comments", s.list)
	mux.HandleFunc("POST "+in+"/issues/{number}/comments", s.create)
	mux.HandleFunc("PATCH "+in+"/issues/comments/{id}", s.edit)
	mux.HandleFunc("DELETE "+in+"/issues/comments/{id}", s.remove)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		s.unknown = append(s.unknown, r.Method+" "+r.URL.Path)
		refuse(w, http.StatusNotFound, "Not Found")
	})
	handler := http.StripPrefix(apiPath, mux)
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mutex.Lock()
		defer s.mutex.Unlock()
		s.requests = append(s.requests, r.Method+" "+r.URL.RequestURI())
		if s.Fault != nil && s.Fault(w, r) {
			return
		}
		if _, known := s.identity(r); !known {
			refuse(w, http.StatusUnauthorized, "Bad credentials")
			return
		}
		handler.ServeHTTP(w, r)
	}))
	return s
}

const apiPath = "/api/v3"

// API is the base address, the value of GITHUB_API_URL.
func (s *Server) API() string { return s.URL + apiPath }

// Change runs f while no request is served.
func (s *Server) Change(f func()) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	f()
}

// On returns the comments on a pull request, the oldest first.
func (s *Server) On(pull int) (comments []Comment) {
	s.Change(func() {
		for _, c := range s.Comments {
			if c.Pull == pull {
				comments = append(comments, c)
			}
		}
	})
	return comments
}

// Requests returns the requests since it was asked last, as "METHOD /path?query".
func (s *Server) Requests() (requests []string) {
	s.Change(func() { requests, s.requests = s.requests, nil })
	return requests
}

// Unknown returns the requests that had no handler.
func (s *Server) Unknown() (unknown []string) {
	s.Change(func() { unknown = slices.Clone(s.unknown) })
	return unknown
}

// Add puts a comment on a pull request as someone else would.
func (s *Server) Add(pull int, by Identity, body string) (id int64) {
	s.Change(func() { id = s.add(pull, by, body).ID })
	return id
}

func (s *Server) add(pull int, by Identity, body string) Comment {
	s.nextID++
	c := Comment{ID: s.nextID, Pull: pull, Author: by, Body: body}
	s.Comments = append(s.Comments, c)
	return c
}

func (s *Server) identity(r *http.Request) (Identity, bool) {
	identity, known := s.Tokens[trimBearer(r.Header.Get("Authorization"))]
	return identity, known
}

func trimBearer(header string) string {
	for _, scheme := range []string{"Bearer ", "token "} {
		if token, ok := strings.CutPrefix(header, scheme); ok {
			return token
		}
	}
	return ""
}

// user refuses the token of a runner, as GitHub does for every installation's.
func (s *Server) user(w http.ResponseWriter, r *http.Request) {
	if who, _ := s.identity(r); who.Type != "Bot" {
		answer(w, http.StatusOK, map[string]any{"login": who.Login, "type": who.Type})
		return
	}
	refuse(w, http.StatusForbidden, "Resource not accessible by integration")
}

func (s *Server) pullsOfCommit(w http.ResponseWriter, r *http.Request) {
	found := []any{}
	for _, p := range s.Pulls {
		if !slices.Contains(p.Commits, r.PathValue("sha")) && p.MergeSHA != r.PathValue("sha") {
			continue
		}
		pull := map[string]any{"number": p.Number, "state": p.State, "base": map[string]any{"ref": p.Base}, "merge_commit_sha": p.MergeSHA, "merged_at": nil}
		if p.Merged {
			pull["merged_at"] = p.MergedAt.UTC().Format(time.RFC3339)
		}
		found = append(found, pull)
	}
	s.page(w, r, found)
}

func (s *Server) list(w http.ResponseWriter, r *http.Request) {
	pull, ok := s.pull(w, r)
	if !ok {
		return
	}
	all := []any{}
	for _, c := range s.Comments {
		if c.Pull == pull.Number {
			all = append(all, s.shown(c))
		}
	}
	s.page(w, r, all)
}

func (s *Server) create(w http.ResponseWriter, r *http.Request) {
	pull, ok := s.pull(w, r)
	if !ok || !s.mayWrite(w, r) {
		return
	}
	if pull.Locked {
		refuse(w, http.StatusForbidden, "Unable to create comment because issue is locked.")
		return
	}
	if body, ok := s.body(w, r); ok {
		who, _ := s.identity(r)
		answer(w, http.StatusCreated, s.shown(s.add(pull.Number, who, body)))
	}
}

func (s *Server) edit(w http.ResponseWriter, r *http.Request) {
	i, ok := s.comment(w, r)
	if !ok || !s.mayWrite(w, r) {
		return
	}
	if body, ok := s.body(w, r); ok {
		s.Comments[i].Body = body
		s.Comments[i].Edits++
		answer(w, http.StatusOK, s.shown(s.Comments[i]))
	}
}

func (s *Server) remove(w http.ResponseWriter, r *http.Request) {
	i, ok := s.comment(w, r)
	if !ok || !s.mayWrite(w, r) {
		return
	}
	s.Comments = slices.Delete(s.Comments, i, i+1)
	w.WriteHeader(http.StatusNoContent)
}

func (s *Server) pull(w http.ResponseWriter, r *http.Request) (Pull, bool) {
	number, _ := strconv.Atoi(r.PathValue("number"))
	if i := slices.IndexFunc(s.Pulls, func(p Pull) bool { return p.Number == number }); i >= 0 {
		return s.Pulls[i], true
	}
	refuse(w, http.StatusNotFound, "Not Found")
	return Pull{}, false
}

func (s *Server) comment(w http.ResponseWriter, r *http.Request) (int, bool) {
	id, _ := strconv.ParseInt(r.PathValue("id"), 10, 64)
	i := slices.IndexFunc(s.Comments, func(c Comment) bool { return c.ID == id })
	if i < 0 {
		refuse(w, http.StatusNotFound, "Not Found")
	}
	return i, i >= 0
}

// mayWrite refuses with the words that fill support threads.
func (s *Server) mayWrite(w http.ResponseWriter, r *http.Request) bool {
	who, _ := s.identity(r)
	if !who.Write {
		refuse(w, http.StatusForbidden, "Resource not accessible by integration")
	}
	return who.Write
}

// body reads a comment's text and refuses what GitHub refuses.
func (s *Server) body(w http.ResponseWriter, r *http.Request) (string, bool) {
	var sent struct{ Body string }
	if data, err := io.ReadAll(r.Body); err != nil || json.Unmarshal(data, &sent) != nil {
		refuse(w, http.StatusBadRequest, "Problems parsing JSON")
		return "", false
	}
	why := ""
	switch {
	case sent.Body == "":
		why = "Body can't be blank"
	case utf8.RuneCountInString(sent.Body) > 65536:
		why = "Body is too long (maximum is 65536 characters)"
	default:
		return sent.Body, true
	}
	answer(w, http.StatusUnprocessableEntity, map[string]any{"message": "Validation Failed", "errors": []any{map[string]any{"resource": "IssueComment", "code": "unprocessable", "field": "data", "message": why}}})
	return "", false
}

func (s *Server) shown(c Comment) map[string]any {
	return map[string]any{"id": c.ID, "body": c.Body, "user": map[string]any{"login": c.Author.Login, "type": c.Author.Type},
		"html_url": fmt.Sprintf("https://github.com/%s/pull/%d#issuecomment-%d", Repository, c.Pull, c.ID)}
}

// page answers with one page of a list and the links to the others.
// https://docs.github.com/rest/using-the-rest-api/using-pagination-in-the-rest-api
func (s *Server) page(w http.ResponseWriter, r *http.Request, all []any) {
	size, page := 30, 1
	if n, err := strconv.Atoi(r.URL.Query().Get("per_page")); err == nil && n > 0 {
		size = min(n, 100)
	}
	if n, err := strconv.Atoi(r.URL.Query().Get("page")); err == nil && n > 0 {
		page = n
	}
	from, to := min((page-1)*size, len(all)), min(page*size, len(all))
	if to < len(all) {
		next := *r.URL
		query := next.Query()
		query.Set("page", strconv.Itoa(page+1))
		next.RawQuery = query.Encode()
		w.Header().Set("Link", fmt.Sprintf(`<%s%s>; rel="next"`, s.API(), next.RequestURI()))
	}
	answer(w, http.StatusOK, all[from:to])
}

func refuse(w http.ResponseWriter, status int, message string) {
	answer(w, status, map[string]any{"message": message, "documentation_url": "https://docs.github.com/rest", "status": strconv.Itoa(status)})
}

func answer(w http.ResponseWriter, status int, document any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(document)
}

// RateLimited is a fault: the token has no requests left until reset.
// https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api
func RateLimited(reset time.Time) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("X-RateLimit-Limit", "1000")
		w.Header().Set("X-RateLimit-Remaining", "0")
		w.Header().Set("X-RateLimit-Reset", strconv.FormatInt(reset.Unix(), 10))
		refuse(w, http.StatusForbidden, "API rate limit exceeded for installation ID 1.")
		return true
	}
}

// Times is a fault that answers the first n requests with a method (any for "") by status
// and a page that is not JSON, as a gateway does.
func Times(n int, method string, status int) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if n == 0 || method != "" && r.Method != method {
			return false
		}
		n--
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, "<html><body>Unicorn!</body></html>")
		return true
	}
}
