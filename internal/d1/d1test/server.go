// Package d1test is a stand-in for Cloudflare's API on loopback: D1 databases over the
// embedded SQLite, with the service's transactions, Time Travel, import, export, limits and
// quirks, and with faults on demand. Where a behaviour was read somewhere, its source stands
// beside it; what is an assumption says so. wrangler works against it, too.
package d1test

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// Account is the account of every server, Token a token with all permissions.
const (
	Account = "0123456789abcdef0123456789abcdef"
	Token   = "d1test-token-that-must-not-be-seen"
)

// Permissions are what a token may do.
type Permissions struct{ D1Read, D1Edit, WorkersRead, WorkersEdit bool }

// Splitter is how the query endpoint cuts SQL into statements.
type Splitter int

// The splitters.
const (
	Quirky Splitter = iota // refuses the trigger shapes that users report; see refuses
	Exact                  // as SQLite
	Strict                 // refuses every trigger
)

// Server is one account behind Cloudflare's API. Its fields are set before the first
// request, or through Set.
type Server struct {
	URL      string // what CLOUDFLARE_API_BASE_URL is set to
	Splitter Splitter
	// SplitBatches makes the batch form lose its transaction: each statement commits alone.
	SplitBatches bool
	// ImportPolls is how often an import answers "active" before it runs.
	ImportPolls int
	// Latency is added to every answer; only for measurements.
	Latency time.Duration
	// Gate is called before anything happens to a request, and may block.
	Gate func(Request)
	// Now is the service's clock.
	Now func() time.Time

	server    *httptest.Server
	faults    sync.Mutex
	fault     func(Request) *Fault
	mutex     sync.Mutex
	tokens    map[string]Permissions
	databases []*Database
	created   int
	workers   map[string]*Worker
	requests  []Request
	unknown   []string // what no handler answers
	late      []func()
}

// Request is what the server noted about one request.
type Request struct {
	N      int // counts from 1
	Method string
	Path   string // below the base URL
	Query  string
	Body   string
	Token  string
	At     time.Time // by the machine's clock
}

// Writes reports whether the request may change a database or a Worker.
func (r Request) Writes() bool {
	return r.Method == http.MethodPost && !strings.HasSuffix(r.Path, "/raw") && !strings.HasSuffix(r.Path, "/export")
}

// Fault is what goes wrong with one request.
type Fault struct {
	After    bool   // the request takes effect first; only its answer suffers
	Drop     bool   // the connection is closed without an answer
	Hang     bool   // no answer until the client gives up
	Truncate bool   // half of the real answer
	Status   int    // of an answer of our own
	Body     string // its body
	Header   http.Header
	// Late makes the request take effect only when the next one arrives, long after its
	// own connection was closed.
	Late bool
}

// New starts a server. The caller closes it.
func New() *Server {
	s := &Server{Now: time.Now, tokens: map[string]Permissions{Token: {true, true, true, true}}, workers: map[string]*Worker{}}
	s.server = httptest.NewServer(http.HandlerFunc(s.serve))
	s.URL = s.server.URL + "/client/v4"
	return s
}

// Close stops the server.
func (s *Server) Close() {
	s.server.CloseClientConnections()
	s.server.Close()
	for _, d := range s.databases {
		d.close()
	}
}

// Set runs f while no request looks at the server's fields.
func (s *Server) Set(f func()) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	f()
}

// SetFault says what goes wrong with requests from now on; nil, or a nil answer: nothing.
// It is called for one request at a time.
func (s *Server) SetFault(fault func(Request) *Fault) {
	s.faults.Lock()
	defer s.faults.Unlock()
	s.fault = fault
}

// Allow makes token valid, with the given permissions.
func (s *Server) Allow(token string, p Permissions) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.tokens[token] = p
}

// Requests returns what was asked so far.
func (s *Server) Requests() []Request {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return slices.Clone(s.requests)
}

// Forget empties the list of requests.
func (s *Server) Forget() {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.requests = nil
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/d1test/requests":
		fmt.Fprintln(w, len(s.Requests()))
		s.Forget()
		return
	case "/d1test/first":
		if requests := s.Requests(); len(requests) > 0 {
			fmt.Fprintln(w, requests[0].At.UnixMilli())
		}
		return
	case "/d1test/unknown":
		s.mutex.Lock()
		defer s.mutex.Unlock()
		fmt.Fprint(w, strings.Join(s.unknown, ""))
		return
	}
	body, _ := io.ReadAll(r.Body)
	request := s.note(r, string(body))
	if s.Latency > 0 {
		time.Sleep(s.Latency)
	}
	if s.Gate != nil {
		s.Gate(request)
	}
	var fault *Fault
	s.faults.Lock()
	if s.fault != nil {
		fault = s.fault(request)
	}
	s.faults.Unlock()
	s.runLate()
	answer := httptest.NewRecorder()
	answer.Header().Set("Date", s.Now().UTC().Format(http.TimeFormat))
	switch {
	case fault != nil && fault.Late:
		late := r.Clone(context.WithoutCancel(r.Context()))
		s.mutex.Lock()
		s.late = append(s.late, func() { s.route(httptest.NewRecorder(), late, body) })
		s.mutex.Unlock()
	case fault == nil || fault.After || fault.Truncate:
		s.route(answer, r, body)
	}
	if answer.Code == http.StatusNotFound && strings.Contains(answer.Body.String(), `"code":7003,`) {
		s.mutex.Lock()
		s.unknown = append(s.unknown, r.Method+" "+r.URL.Path+"\n")
		s.mutex.Unlock()
	}
	s.Set(func() {}) // whoever has the answer may set fields
	if fault != nil {
		switch {
		case fault.Drop, fault.Late:
			panic(http.ErrAbortHandler)
		case fault.Hang:
			<-r.Context().Done()
			panic(http.ErrAbortHandler)
		case fault.Truncate:
			answer.Body.Truncate(answer.Body.Len() / 2)
		case fault.Status != 0:
			answer.Code = fault.Status
			answer.Body.Reset()
			answer.Body.WriteString(fault.Body)
			for name, values := range fault.Header {
				answer.Header()[name] = values
			}
		}
	}
	for name, values := range answer.Header() {
		w.Header()[name] = values
	}
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes())
}

// note counts the request.
func (s *Server) note(r *http.Request, body string) Request {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	request := Request{N: len(s.requests) + 1, Method: r.Method, Path: strings.TrimPrefix(r.URL.Path, "/client/v4"), Query: r.URL.RawQuery, Body: body, Token: token, At: time.Now()}
	s.requests = append(s.requests, request)
	return request
}

// runLate lets the requests take effect that were held back.
func (s *Server) runLate() {
	s.mutex.Lock()
	late := s.late
	s.late = nil
	s.mutex.Unlock()
	for _, job := range late {
		job()
	}
}

// shortestToken tells a token from something else; the service's have 40 characters.
const shortestToken = 20

// route finds the handler. Paths are those of https://developers.cloudflare.com/api/.
func (s *Server) route(w http.ResponseWriter, r *http.Request, body []byte) {
	path := strings.Split(strings.Trim(strings.TrimPrefix(r.URL.Path, "/client/v4"), "/"), "/")
	if path[0] == "signed" && len(path) == 4 {
		s.signed(w, r, path[1], path[2], path[3], body)
		return
	}
	s.mutex.Lock()
	allowed, known := s.tokens[strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")]
	s.mutex.Unlock()
	switch {
	case len(r.Header.Get("Authorization")) < len("Bearer ")+shortestToken:
		// Seen with real tokens that lost some of their characters.
		reply(w, http.StatusBadRequest, map[string]any{"success": false, "messages": []any{}, "result": nil, "errors": []any{map[string]any{"code": 6003, "message": "Invalid request headers",
			"error_chain": []any{map[string]any{"code": 6111, "message": "Invalid format for Authorization header"}}}}})
	case !known:
		// Seen with real tokens: 403, "Invalid access token".
		fail(w, http.StatusForbidden, 9109, "Invalid access token")
	case slices.Equal(path, []string{"user", "tokens", "verify"}):
		succeed(w, map[string]any{"id": "d1test", "status": "active"})
	case slices.Equal(path, []string{"memberships"}), slices.Equal(path, []string{"accounts"}):
		succeed(w, []any{map[string]any{"id": Account, "name": "d1test", "account": map[string]any{"id": Account, "name": "d1test"}}})
	case slices.Equal(path, []string{"graphql"}):
		// wrangler d1 info asks for the figures of the last day (packages/wrangler/src/d1/info.ts).
		// GraphQL has an envelope of its own. That a database without traffic has no group is an
		// assumption.
		reply(w, http.StatusOK, map[string]any{"errors": nil, "data": map[string]any{"viewer": map[string]any{"accounts": []any{map[string]any{"d1AnalyticsAdaptiveGroups": []any{}}}}}})
	case slices.Equal(path, []string{"user"}):
		succeed(w, map[string]any{"id": "d1test", "email": "d1test@example.com"})
	case path[0] != "accounts" || len(path) < 3:
		fail(w, http.StatusNotFound, 7003, "Could not route to "+r.URL.Path+", perhaps your object identifier is invalid?")
	case path[1] != Account:
		fail(w, http.StatusForbidden, 7403, "The given account is not valid or is not authorized to access this service")
	case path[2] == "d1":
		s.d1(w, r, path[3:], body, allowed)
	case path[2] == "workers" && len(path) >= 6 && path[3] == "scripts":
		s.scripts(w, r, path[4], path[5:], body, allowed)
	default:
		fail(w, http.StatusNotFound, 7003, "Could not route to "+r.URL.Path)
	}
}

func (s *Server) d1(w http.ResponseWriter, r *http.Request, path []string, body []byte, allowed Permissions) {
	if !allowed.D1Read && !allowed.D1Edit {
		fail(w, http.StatusForbidden, 10000, "Authentication error")
		return
	}
	switch {
	case len(path) == 1 && r.Method == http.MethodGet:
		s.list(w, r)
		return
	case len(path) == 1 && r.Method == http.MethodPost:
		var wanted struct{ Name string }
		if json.Unmarshal(body, &wanted) != nil || wanted.Name == "" || !allowed.D1Edit {
			fail(w, http.StatusBadRequest, 7400, "a database needs a name")
			return
		}
		succeed(w, s.Create(wanted.Name).info())
		return
	case len(path) < 2:
		fail(w, http.StatusNotFound, 7003, "Could not route to "+r.URL.Path)
		return
	}
	database := s.find(path[1])
	if database != nil && database.ID != path[1] && (len(path) > 2 || r.Method != http.MethodGet) {
		database = nil // only the GET of a database also takes the name
	}
	if database == nil {
		// packages/wrangler/src/d1/utils.ts
		fail(w, http.StatusNotFound, 7404, "The database "+path[1]+" could not be found")
		return
	}
	what := strings.Join(path[2:], "/")
	writes := what == "import" || what == "export" || what == "time_travel/restore" || r.Method == http.MethodDelete
	if writes && !allowed.D1Edit {
		fail(w, http.StatusForbidden, 10000, "Authentication error")
		return
	}
	database.mutex.Lock()
	defer database.mutex.Unlock()
	switch {
	case what == "" && r.Method == http.MethodGet:
		info := database.info()
		if fields := r.URL.Query().Get("fields"); fields != "" { // packages/wrangler/src/d1/utils.ts
			maps.DeleteFunc(info, func(name string, _ any) bool { return !slices.Contains(strings.Split(fields, ","), name) })
		}
		succeed(w, info)
	case what == "" && r.Method == http.MethodDelete:
		s.mutex.Lock()
		s.databases = slices.DeleteFunc(s.databases, func(d *Database) bool { return d == database })
		s.mutex.Unlock()
		database.close()
		succeed(w, nil)
	case what == "query" || what == "raw":
		database.query(w, body, what == "raw", allowed.D1Edit)
	case what == "time_travel/bookmark" && r.Method == http.MethodGet:
		database.bookmark(w, r.URL.Query())
	case what == "time_travel/restore" && r.Method == http.MethodPost:
		database.restore(w, r.URL.Query())
	case what == "export" && r.Method == http.MethodPost:
		database.export(w, body)
	case what == "import" && r.Method == http.MethodPost:
		database.imported(w, body)
	default:
		fail(w, http.StatusNotFound, 7003, "Could not route to "+r.URL.Path)
	}
}

func (s *Server) list(w http.ResponseWriter, r *http.Request) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	var infos []any
	for _, d := range s.databases {
		if strings.Contains(d.Name, r.URL.Query().Get("name")) {
			infos = append(infos, d.listed())
		}
	}
	page, size := integer(r.URL.Query(), "page", 1), integer(r.URL.Query(), "per_page", 1000)
	from := min((page-1)*size, len(infos))
	shown := append([]any{}, infos[from:min(from+size, len(infos))]...)
	reply(w, http.StatusOK, map[string]any{"success": true, "errors": []any{}, "messages": []any{}, "result": shown,
		"result_info": map[string]any{"count": len(shown), "page": page, "per_page": size, "total_count": len(infos)}})
}

func integer(values url.Values, name string, fallback int) int {
	n := fallback
	_, _ = fmt.Sscan(values.Get(name), &n)
	return max(n, 1)
}

// find returns the database with the given id or name, nil if there is none.
func (s *Server) find(id string) *Database {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	for _, d := range s.databases {
		if d.ID == id || d.Name == id {
			return d
		}
	}
	return nil
}

// Create adds an empty database and returns it.
func (s *Server) Create(name string) *Database {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.created++
	sum := md5.Sum([]byte(fmt.Sprint(name, s.created)))
	h := hex.EncodeToString(sum[:])
	d := &Database{ID: h[:8] + "-" + h[8:12] + "-4" + h[13:16] + "-8" + h[17:20] + "-" + h[20:32], Name: name, Version: "production", server: s, files: map[string][]byte{}}
	d.begin()
	s.databases = append(s.databases, d)
	return d
}

func succeed(w http.ResponseWriter, result any) {
	reply(w, http.StatusOK, map[string]any{"success": true, "errors": []any{}, "messages": []any{}, "result": result})
}

func fail(w http.ResponseWriter, status, code int, message string) {
	reply(w, status, map[string]any{"success": false, "errors": []any{map[string]any{"code": code, "message": message}}, "messages": []any{}, "result": nil})
}

func reply(w http.ResponseWriter, status int, document any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(document)
}
