package cli_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/d1-rewind/d1-rewind/internal/cli"
	"github.com/d1-rewind/d1-rewind/internal/d1/d1test"
)

// TestMain is the program itself when a test starts it as a process of its own.
func TestMain(m *testing.M) {
	if os.Getenv("D1_REWIND_TEST_PROCESS") != "" {
		os.Exit(cli.Main(context.Background(), cli.Process{Args: os.Args[1:], Program: "d1-rewind", Version: "test",
			Getenv: os.Getenv, Unsetenv: os.Unsetenv, Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Sleep: noSleep}))
	}
	os.Exit(m.Run())
}

func noSleep(ctx context.Context, _ time.Duration) error { return ctx.Err() }

// cloud is a project with a remote production database on the stand-in.
type cloud struct {
	t        *testing.T
	server   *d1test.Server
	database *d1test.Database
	env      map[string]string
	dir      string
	ctx      context.Context // of the runs
	sleep    func(context.Context, time.Duration) error
}

const (
	versionOne = "11111111-1111-4111-8111-111111111111"
	versionTwo = "22222222-2222-4222-8222-222222222222"
)

func newCloud(t *testing.T, files map[string]string) *cloud {
	t.Helper()
	server := d1test.New()
	t.Cleanup(server.Close)
	c := &cloud{t: t, server: server, database: server.Create("shop-db"), ctx: t.Context(), sleep: noSleep}
	server.Deploy("shop", versionOne)
	all := map[string]string{"wrangler.jsonc": fmt.Sprintf(`{"name": "shop", "account_id": %q,
  "d1_databases": [{"binding": "DB", "database_name": "shop-db", "database_id": %q}]}`, d1test.Account, c.database.ID)}
	for name, content := range files {
		all[name] = content
	}
	c.dir = workspace(t, all)
	c.env = map[string]string{"CLOUDFLARE_API_BASE_URL": server.URL, "CLOUDFLARE_API_TOKEN": d1test.Token}
	return c
}

func (c *cloud) run(args ...string) run {
	c.t.Helper()
	return start(c.ctx, c.env, cli.Process{Args: args, Sleep: c.sleep, Now: c.server.Now})
}

// send sends a request once more.
func (c *cloud) send(r d1test.Request) {
	c.t.Helper()
	request, err := http.NewRequestWithContext(c.t.Context(), r.Method, c.server.URL+r.Path, strings.NewReader(r.Body))
	if err != nil {
		c.t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+d1test.Token)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		c.t.Fatal(err)
	}
	_ = response.Body.Close()
}

func (c *cloud) write(name, content string) {
	c.t.Helper()
	if err := os.WriteFile(filepath.Join(c.dir, filepath.FromSlash(name)), []byte(content), 0o644); err != nil {
		c.t.Fatal(err)
	}
}

func (c *cloud) remove(name string) {
	c.t.Helper()
	if err := os.Remove(filepath.Join(c.dir, filepath.FromSlash(name))); err != nil {
		c.t.Fatal(err)
	}
}

func (c *cloud) wantRows(sql string, want ...string) {
	c.t.Helper()
	if diff := cmp.Diff(append([]string{}, want...), c.database.Rows(sql)); diff != "" {
		c.t.Errorf("%s (-want +got):\n%s", sql, diff)
	}
}

const ledger = "SELECT name FROM d1_migrations ORDER BY id"

// faultAt lets fault happen to the n-th request that matches.
func (c *cloud) faultAt(n int, match func(d1test.Request) bool, fault d1test.Fault) {
	seen := 0
	var mutex sync.Mutex
	c.server.SetFault(func(r d1test.Request) *d1test.Fault {
		mutex.Lock()
		defer mutex.Unlock()
		if !match(r) {
			return nil
		}
		if seen++; seen != n {
			return nil
		}
		return &fault
	})
}

// onceAt lets do happen when the first request to a path with suffix has arrived, before it
// takes effect.
func (c *cloud) onceAt(suffix string, do func()) {
	var once sync.Once
	c.server.Set(func() {
		c.server.Gate = func(r d1test.Request) {
			if strings.HasSuffix(r.Path, suffix) {
				once.Do(func() {
					c.server.Set(func() { c.server.Gate = nil })
					do()
				})
			}
		}
	})
}

// faultAlways lets fault happen to every request that matches.
func (c *cloud) faultAlways(match func(d1test.Request) bool, fault d1test.Fault) {
	c.server.SetFault(func(r d1test.Request) *d1test.Fault {
		if !match(r) {
			return nil
		}
		return &fault
	})
}

func to(suffix string) func(d1test.Request) bool {
	return func(r d1test.Request) bool { return strings.HasSuffix(r.Path, suffix) }
}

func TestRemoteMigrate(t *testing.T) {
	c := newCloud(t, sample())
	c.run("status", "production").want(t, 0, "2 pending", "0001_users.sql", "bookmark now")
	if got := len(c.database.History()); got != 1 {
		t.Errorf("status made %d states of the database, want 1", got)
	}
	r := c.run("migrate", "production", "--format", "json")
	r.want(t, 0)
	document := r.json(t)
	for name, want := range map[string]any{"status": "applied", "databaseName": "shop-db", "databaseId": c.database.ID,
		"workerVersion": versionOne, "transport": "query", "bookmark": c.database.History()[0].Bookmark} {
		if document[name] != want {
			t.Errorf("%s = %v, want %v", name, document[name], want)
		}
	}
	command := fmt.Sprint(document["rollbackCommand"])
	for _, part := range []string{"restore production", "--confirm shop-db", "--worker-version " + versionOne} {
		if !strings.Contains(command, part) {
			t.Errorf("rollback command %q lacks %q", command, part)
		}
	}
	c.wantRows(ledger, "0001_users.sql", "0002_orders.sql")
	c.wantRows("SELECT kind, worker_version, hold IS NULL FROM d1_rewind_journal", "migrate|"+versionOne+"|1")
	c.run("migrate", "production").want(t, 0, "up to date: 2 applied")
	c.run("status", "production").want(t, 0, "up to date: 2 applied")
	if got := len(c.database.History()); got != 2 {
		t.Errorf("the database went through %d states, want 2", got)
	}
}

// TestWayBack runs the commands that a run names.
func TestWayBack(t *testing.T) {
	t.Run("another_database_than_the_configured_one", func(t *testing.T) {
		c := newCloud(t, sample())
		other := c.server.Create("preview-17")
		document := c.run("migrate", "production", "--database-id", other.ID, "--format", "json").json(t)
		if document["fallbackCommand"] != nil {
			t.Errorf("wrangler takes no id, but it is to run %v", document["fallbackCommand"])
		}
		if document["bookmarkExpires"] == nil {
			t.Error("it is not said until when the bookmark lives")
		}
		c.run(strings.Fields(fmt.Sprint(document["rollbackCommand"]))[1:]...).want(t, 0, "restored to", "time-travel restore preview-17 ")
	})
	t.Run("named_otherwise_by_the_configuration", func(t *testing.T) {
		c := newCloud(t, sample())
		c.write("wrangler.jsonc", fmt.Sprintf(`{"account_id":%q,"d1_databases":[{"binding":"DB","database_name":"other","database_id":%q}]}`, d1test.Account, c.database.ID))
		document := c.run("migrate", "production", "--format", "json").json(t)
		c.run(strings.Fields(fmt.Sprint(document["rollbackCommand"]))[1:]...).want(t, 3, "--confirm shop-db")
	})
	t.Run("of_an_environment", func(t *testing.T) {
		c := newCloud(t, sample())
		c.write("wrangler.jsonc", fmt.Sprintf(`{"d1_databases":[{"binding":"DB","database_name":"app"}],"env":{"staging":{"account_id":%q,"d1_databases":[{"binding":"DB","database_name":"app","database_id":%q}]}}}`,
			d1test.Account, c.server.Create("app").ID))
		document := c.run("migrate", "staging", "--config", "wrangler.jsonc", "--format", "json").json(t)
		if got := fmt.Sprint(document["fallbackCommand"]); !strings.HasSuffix(got, " --env staging --config wrangler.jsonc") {
			t.Errorf("for wrangler: %s", got)
		}
		c.run(strings.Fields(fmt.Sprint(document["rollbackCommand"]))[1:]...).want(t, 0, "restored to")
	})
}

// TestRequests holds the number of requests and how many of them wait for others. Each wave
// is let through only once it is complete: a request that waits for another one of its wave
// would never arrive.
func TestRequests(t *testing.T) {
	wranglers := "CREATE TABLE d1_migrations(id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE, applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL)"
	cases := []struct {
		name    string
		before  func(*cloud)
		command string
		pending int
		waves   []int // 6 requests in 3 waves at most, but for the first run on tables that someone else made
	}{
		{"status_first_time", nil, "status", 2, []int{4, 1}},
		{"status_nothing_pending", func(c *cloud) { c.run("migrate", "production") }, "status", 2, []int{4}},
		{"migrate_nothing_pending", func(c *cloud) { c.run("migrate", "production") }, "migrate", 2, []int{4}},
		{"first_run_on_an_empty_database", nil, "migrate", 2, []int{4, 1, 1}},
		{"ledger_of_wrangler", func(c *cloud) { _ = c.database.Exec(wranglers) }, "migrate", 2, []int{4, 1}},
		{"one_pending", func(c *cloud) { c.run("migrate", "production", "--to", "0001_m.sql") }, "migrate", 2, []int{4, 1}},
		{"ten_pending", func(c *cloud) { c.run("migrate", "production", "--to", "0001_m.sql") }, "migrate", 11, []int{4, 1}},
		{"pending_on_tables", func(c *cloud) {
			c.run("migrate", "production", "--to", "0001_m.sql")
			c.write("migrations/0002_m.sql", "ALTER TABLE t0 ADD COLUMN y;")
			c.write("migrations/0003_m.sql", "CREATE INDEX t0_y ON t0(y);")
		}, "migrate", 3, []int{4, 1, 1}},
		{"first_run_on_tables", func(c *cloud) {
			_ = c.database.Exec("CREATE TABLE t(x)", "INSERT INTO t VALUES (1)")
			c.write("migrations/0001_m.sql", "ALTER TABLE t ADD COLUMN y;")
		}, "migrate", 1, []int{4, 1, 1, 1}},
		{"hundred_pending", func(c *cloud) { c.run("migrate", "production", "--to", "0001_m.sql") }, "migrate", 101, []int{4, 1}},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			files := map[string]string{}
			for i := range tc.pending {
				files[fmt.Sprintf("migrations/%04d_m.sql", i+1)] = fmt.Sprintf("CREATE TABLE t%d(x);\nINSERT INTO t%d VALUES (1);\n", i, i)
			}
			c := newCloud(t, files)
			if tc.before != nil {
				tc.before(c)
			}
			c.server.Forget()
			gate := newGate(tc.waves)
			c.server.Set(func() { c.server.Gate = gate.pass })
			c.run(tc.command, "production").want(t, 0)
			total := 0
			for _, n := range tc.waves {
				total += n
			}
			if got := len(c.server.Requests()); got != total {
				t.Errorf("%d requests, want %d in waves %v", got, total, tc.waves)
			}
		})
	}
}

// gate lets requests through in waves of the given sizes.
type gate struct {
	mutex   sync.Mutex
	waves   []int
	arrived int
	open    chan struct{}
}

func newGate(waves []int) *gate { return &gate{waves: slices.Clone(waves), open: make(chan struct{})} }

func (g *gate) pass(d1test.Request) {
	g.mutex.Lock()
	if len(g.waves) == 0 {
		g.mutex.Unlock()
		return // one too many; it is counted
	}
	g.arrived++
	open := g.open
	if g.arrived == g.waves[0] {
		close(open)
		g.waves, g.arrived, g.open = g.waves[1:], 0, make(chan struct{})
	}
	g.mutex.Unlock()
	<-open
}

func TestRemoteErrors(t *testing.T) {
	page := http.Header{"Content-Type": {"text/html"}}
	always := func(f d1test.Fault) func(*cloud) {
		return func(c *cloud) { c.server.SetFault(func(d1test.Request) *d1test.Fault { return &f }) }
	}
	cases := []struct {
		name    string
		arrange func(*cloud)
		args    []string
		code    int
		want    []string
	}{
		{"no_token", func(c *cloud) { delete(c.env, "CLOUDFLARE_API_TOKEN") }, nil, 2, []string{"needs an API token", "CLOUDFLARE_API_TOKEN", "D1 > Edit"}},
		{"token_with_line_break", func(c *cloud) { c.env["CLOUDFLARE_API_TOKEN"] = "abc def" }, nil, 2, []string{"a space or a line break"}},
		{"cut_token", func(c *cloud) { c.env["CLOUDFLARE_API_TOKEN"] = "cut-token" }, nil, 1, []string{"Invalid request headers (Invalid format for Authorization header, code 6111)", "HTTP 400, code 6003", "wrong, expired or revoked"}},
		{"wrong_token", func(c *cloud) { c.env["CLOUDFLARE_API_TOKEN"] = "a-token-that-nobody-ever-made" }, nil, 1, []string{"Invalid access token", "HTTP 403, code 9109", "wrong, expired or revoked"}},
		{"wrong_token_info", func(c *cloud) { c.env["CLOUDFLARE_API_TOKEN"] = "a-token-that-nobody-ever-made" }, []string{"info", "production"}, 1, []string{"HTTP 403, code 9109"}},
		{"wrong_token_backup", func(c *cloud) { c.env["CLOUDFLARE_API_TOKEN"] = "a-token-that-nobody-ever-made" }, []string{"backup", "production", "--output", "b.sql"}, 1, []string{"HTTP 403, code 9109"}},
		{"wrong_token_restore", func(c *cloud) { c.env["CLOUDFLARE_API_TOKEN"] = "a-token-that-nobody-ever-made" }, []string{"restore", "production", "--confirm", "shop-db", "--timestamp", "2026-11-20T00:00:00Z"}, 1,
			[]string{"HTTP 403, code 9109"}},
		{"token_without_d1", func(c *cloud) {
			c.server.Allow("a-token-without-permission-for-d1", d1test.Permissions{WorkersRead: true})
			c.env["CLOUDFLARE_API_TOKEN"] = "a-token-without-permission-for-d1"
		}, nil, 1,
			[]string{"code 10000", "D1 > Read", "belongs to another account"}},
		{"read_only_token_migrates", func(c *cloud) {
			c.server.Allow("a-token-that-may-only-read", d1test.Permissions{D1Read: true, WorkersRead: true})
			c.env["CLOUDFLARE_API_TOKEN"] = "a-token-that-may-only-read"
		}, []string{"migrate", "production"}, 1, []string{"apply the migrations", "D1 > Edit", "nothing of this run was applied"}},
		{"no_account", func(c *cloud) {
			c.write("wrangler.jsonc", `{"d1_databases":[{"binding":"DB","database_id":"x","database_name":"n"}]}`)
		}, nil, 2, []string{"no account id", "CLOUDFLARE_ACCOUNT_ID"}},
		{"wrong_account", nil, []string{"status", "production", "--account-id", "ffffffffffffffffffffffffffffffff"}, 1, []string{"code 7403", "check the account id (ffffffffffffffffffffffffffffffff)"}},
		{"unknown_database", func(c *cloud) {
			c.write("wrangler.jsonc", fmt.Sprintf(`{"account_id":%q,"d1_databases":[{"binding":"DB","database_id":"00000000-0000-4000-8000-000000000000"}]}`, d1test.Account))
		}, nil, 1, []string{"code 7404", "wrangler d1 list"}},
		{"database_by_name", func(c *cloud) {
			c.write("wrangler.jsonc", fmt.Sprintf(`{"account_id":%q,"d1_databases":[{"binding":"DB","database_name":"shop-db"}]}`, d1test.Account))
		}, nil, 0, []string{"2 pending"}},
		{"unknown_name", func(c *cloud) {
			c.write("wrangler.jsonc", fmt.Sprintf(`{"account_id":%q,"d1_databases":[{"binding":"DB","database_name":"shop"}]}`, d1test.Account))
		}, nil, 2, []string{`no database named "shop"`}},
		{"two_of_one_name", func(c *cloud) {
			other := c.server.Create("shop-db").ID
			c.write("wrangler.jsonc", fmt.Sprintf(`{"account_id":%q,"d1_databases":[{"binding":"DB","database_name":"shop-db"}]}`, d1test.Account))
			c.env["other"] = other
		}, nil, 2, []string{`2 databases named "shop-db"`, "--database-id"}},
		{"alpha_database", func(c *cloud) { c.database.Version = "alpha" }, nil, 1, []string{"alpha database", "no Time Travel"}},
		{"forbidden_without_body", always(d1test.Fault{Status: http.StatusForbidden}), nil, 1, []string{"an empty answer", "HTTP 403", "client IP filter"}},
		{"proxy_answers_html", always(d1test.Fault{Status: http.StatusOK, Body: "<html><head><title>Sign in to Example Proxy</title></head></html>", Header: page}), nil, 1,
			[]string{"HTML instead of JSON: Sign in to Example Proxy", "proxies, firewalls"}},
		{"bad_gateway", always(d1test.Fault{Status: http.StatusBadGateway, Body: "<title>502</title>", Header: page}), nil, 1, []string{"HTTP 502", "cloudflarestatus.com"}},
		{"rate_limited", always(d1test.Fault{Status: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {"250"}}, Body: `{"success":false,"errors":[{"code":971,"message":"Please wait and consider throttling your request speed"}]}`}), nil, 1,
			[]string{"HTTP 429", "1,200 requests in 5 minutes"}},
		{"truncated", always(d1test.Fault{Truncate: true}), nil, 1, []string{"no complete JSON document"}},
		{"connection_refused", func(c *cloud) { c.env["CLOUDFLARE_API_BASE_URL"] = "http://127.0.0.1:1/client/v4" }, nil, 1, []string{"refused", "nothing was sent", "CLOUDFLARE_API_BASE_URL"}},
		{"connection_refused_and_tried_again", func(c *cloud) { c.env["CLOUDFLARE_API_BASE_URL"] = "http://127.0.0.1:1/client/v4" }, []string{"status", "production", "--verbose"}, 1, []string{"connection refused; trying again in 500ms"}},
		{"dns_failure", func(c *cloud) { c.env["CLOUDFLARE_API_BASE_URL"] = "https://api.invalid/client/v4" }, nil, 1, []string{"api.invalid", "DNS"}},
		{"certificate_of_nobody", func(c *cloud) {
			proxy := httptest.NewUnstartedServer(http.NotFoundHandler())
			proxy.Config.ErrorLog = log.New(io.Discard, "", 0)
			proxy.StartTLS()
			c.t.Cleanup(proxy.Close)
			c.env["CLOUDFLARE_API_BASE_URL"] = proxy.URL
		}, nil, 1, []string{"certificate", "nothing was sent", "certificates and clock"}},
		{"no_https", func(c *cloud) {
			c.env["CLOUDFLARE_API_BASE_URL"] = strings.Replace(c.server.URL, "http:", "https:", 1)
		}, nil, 1, []string{"HTTP response to HTTPS client", "nothing was sent", "CLOUDFLARE_API_BASE_URL"}},
		{"redirect", always(d1test.Fault{Status: http.StatusFound, Header: http.Header{"Location": {"https://example.com/login"}}}), nil, 1, []string{"a redirect", "HTTP 302", "proxies, firewalls"}},
		{"transaction_in_a_migration", func(c *cloud) {
			c.write("migrations/0002_orders.sql", "BEGIN TRANSACTION;\nCREATE TABLE orders(id);\nCOMMIT;")
		}, []string{"migrate", "production"}, 1,
			[]string{"0002_orders.sql:1: statement 1 of 3: To execute a transaction", "remove the statement"}},
		{"broken_sql", func(c *cloud) { c.write("migrations/0002_orders.sql", "CREATE TABL orders(id);") }, []string{"migrate", "production"}, 1,
			[]string{`error: migrations/0002_orders.sql:1: statement 1 of 1: near "TABL": syntax error`, "| CREATE TABL orders(id);"[:24], "nothing was written"}},
		{"no_worker", func(c *cloud) {}, []string{"status", "production", "--worker", "shopp"}, 0, []string{"the Worker's deployed version is not recorded", "code 10007"}},
		{"no_permission_for_workers", func(c *cloud) {
			c.server.Allow("a-token-for-nothing-but-d1", d1test.Permissions{D1Read: true, D1Edit: true})
			c.env["CLOUDFLARE_API_TOKEN"] = "a-token-for-nothing-but-d1"
		}, []string{"migrate", "production"}, 0, []string{"applied 2 migrations", "the Worker's deployed version is not recorded"}},
		{"wrong_bookmark", nil, []string{"restore", "production", "--confirm", "shop-db", "--bookmark", "00000099-00000000-00004c6d-be4decac30cbe2b81297d5c924b27945"}, 1,
			[]string{"Invalid bookmark", "was not restored", "of this database"}},
		{"cut_bookmark", nil, []string{"restore", "production", "--confirm", "shop-db", "--bookmark", "00000099-00000000"}, 2, []string{"is not a bookmark", "copy it whole"}},
		{"before_there_was_a_database", nil, []string{"restore", "production", "--confirm", "shop-db", "--timestamp", fmt.Sprint(time.Now().Add(-time.Hour).Unix())}, 2, []string{"not before the database was created"}},
		{"no_such_version", nil, []string{"restore", "production", "--confirm", "shop-db", "--timestamp", fmt.Sprint(time.Now().Add(30 * time.Second).Unix()), "--worker-version", "33333333-3333-4333-8333-333333333333"}, 1,
			[]string{"version 33333333-3333-4333-8333-333333333333 does not exist", "wrangler versions list", "neither the Worker nor the database was changed"}},
		{"not_confirmed", nil, []string{"restore", "production", "--timestamp", "2026-11-20T00:00:00Z"}, 3, []string{"not confirmed", "--confirm shop-db", "nothing was written"}},
		{"wrongly_confirmed", nil, []string{"restore", "production", "--confirm", "shop", "--timestamp", "2026-11-20T00:00:00Z"}, 3, []string{`confirm is "shop", but the database is "shop-db"`}},
		{"too_long_ago", nil, []string{"restore", "production", "--confirm", "shop-db", "--timestamp", "2020-01-01T00:00:00Z"}, 2, []string{"30 days (7 on the free plan)"}},
		{"reset", nil, []string{"reset", "production", "--yes"}, 3, []string{"only a local database can be reset"}},
		{"backup_without_directory", nil, []string{"backup", "production", "--output", "missing/b.sql"}, 2, []string{"the directory missing does not exist"}},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			c := newCloud(t, sample())
			if tc.arrange != nil {
				tc.arrange(c)
			}
			args := tc.args
			if args == nil {
				args = []string{"status", "production"}
			}
			r := c.run(args...)
			r.want(t, tc.code, tc.want...)
			if tc.code != 0 && (!strings.Contains(r.stderr, "error: ") || !strings.Contains(r.stderr, "state: ") || !strings.Contains(r.stderr, "next:  ")) {
				t.Errorf("the message lacks error, state or next:\n%s", r.stderr)
			}
			if strings.Contains(r.stdout+r.stderr, c.env["CLOUDFLARE_API_TOKEN"]) && c.env["CLOUDFLARE_API_TOKEN"] != "" {
				t.Errorf("the token is in the output:\n%s%s", r.stdout, r.stderr)
			}
			if tc.code != 0 && len(c.database.History()) > 1 {
				t.Errorf("a run that failed wrote: %v", c.database.History())
			}
		})
	}
}

// TestLostAnswers breaks the one request that writes in every way, before and after it took
// effect, once and for good.
func TestLostAnswers(t *testing.T) {
	page := http.Header{"Content-Type": {"text/html"}}
	faults := map[string]d1test.Fault{
		"dropped":        {Drop: true},
		"truncated":      {Truncate: true},
		"rate_limited":   {Status: http.StatusTooManyRequests, Body: `{"success":false,"errors":[{"code":971,"message":"slow down"}]}`},
		"retry_after":    {Status: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {"17"}}},
		"internal":       {Status: http.StatusInternalServerError, Body: `{"success":false,"errors":[{"code":7500,"message":"internal error; reference = x"}]}`},
		"bad_gateway":    {Status: http.StatusBadGateway, Body: "<html><title>502</title></html>", Header: page},
		"gateway_timout": {Status: http.StatusGatewayTimeout, Body: "<html><title>504</title></html>", Header: page},
		"no_success":     {Status: http.StatusOK, Body: `{"success":false,"errors":[{"code":7500,"message":"Network connection lost."}],"result":[]}`},
		"empty":          {Status: http.StatusOK},
	}
	for name, fault := range faults {
		for _, after := range []bool{false, true} {
			for _, times := range []int{1, 100} {
				t.Run(fmt.Sprintf("%s_after_%v_%d_times", name, after, times), func(t *testing.T) {
					c := newCloud(t, sample())
					n := 0
					c.server.SetFault(func(r d1test.Request) *d1test.Fault {
						if !strings.HasSuffix(r.Path, "/query") {
							return nil
						}
						if n++; n > times {
							return nil
						}
						f := fault
						f.After = after
						return &f
					})
					r := c.run("migrate", "production")
					if after || fault.Truncate || times == 1 {
						r.want(t, 0, "applied 2 migrations")
						c.wantRows(ledger, "0001_users.sql", "0002_orders.sql")
					} else {
						r.want(t, 1, "nothing of this run was applied", "as far as the ledger shows", "running again is safe")
						c.wantRows("SELECT name FROM sqlite_schema")
					}
				})
			}
		}
	}
}

func TestRemoteReadsFailAfterTheWrite(t *testing.T) {
	c := newCloud(t, sample())
	wrote := false
	c.server.SetFault(func(r d1test.Request) *d1test.Fault {
		if strings.HasSuffix(r.Path, "/query") {
			wrote = true
			return &d1test.Fault{After: true, Drop: true}
		}
		if wrote {
			return &d1test.Fault{Status: http.StatusBadGateway, Body: "<title>502</title>"}
		}
		return nil
	})
	r := c.run("migrate", "production")
	r.want(t, 4, "not known whether the run was committed", "running again is safe", c.database.History()[0].Bookmark)
	c.server.SetFault(nil)
	c.run("migrate", "production").want(t, 0, "up to date: 2 applied")
}

// TestBrokenPromise is about a service that would not keep a batch whole.
func TestBrokenPromise(t *testing.T) {
	c := newCloud(t, sample())
	c.write("migrations/0002_orders.sql", "CREATE TABLE orders(id);\nINSERT INTO missing VALUES (1);")
	c.server.Set(func() { c.server.SplitBatches = true })
	r := c.run("migrate", "production", "--rehearse", "off")
	r.want(t, 4, "no run's journal row", "did not keep the transaction whole", "nothing more was touched", "restore production --bookmark "+c.database.History()[0].Bookmark)
}

func TestRemoteBaseline(t *testing.T) {
	files := sample()
	files["migrations/0003_trigger.sql"] = "create trigger named after insert on users\nbegin\n  update users set name = case when new.name = '' then 'nobody' else new.name end; -- always\nend;"
	c := newCloud(t, files)
	c.run("migrate", "production").want(t, 0)
	if err := c.database.Exec("DROP TABLE d1_migrations", "DROP TABLE d1_rewind_journal"); err != nil {
		t.Fatal(err)
	}
	c.run("baseline", "production", "--to", "0002_orders.sql").want(t, 3, `trigger "named" is only in the database`)
	c.run("baseline", "production").want(t, 0, "recorded 3 migrations")
	c.run("migrate", "production").want(t, 0, "up to date: 3 applied")
	if err := c.database.Exec("DELETE FROM d1_migrations WHERE name = '0001_users.sql'"); err != nil {
		t.Fatal(err)
	}
	c.onceAt("/query", func() { c.run("baseline", "production", "--to", "0001_users.sql").want(t, 0, "recorded 1 migration") })
	c.run("baseline", "production", "--to", "0001_users.sql").want(t, 0, "another run")
	c.write("migrations/0004_more.sql", "CREATE TABLE more(x);")
	c.run("baseline", "production", "--to", "0001_users.sql").want(t, 0, "up to date as far as asked: 3 applied, 1 pending")
}

// TestBaselineTakesItsTime: the way back leads to the moment before the write.
func TestBaselineTakesItsTime(t *testing.T) {
	c := newCloud(t, sample())
	if err := c.database.Exec("CREATE TABLE users(id INTEGER PRIMARY KEY, name TEXT NOT NULL)", "CREATE TABLE orders(id INTEGER PRIMARY KEY)"); err != nil {
		t.Fatal(err)
	}
	passed, start := atomic.Int64{}, time.Now()
	c.server.Set(func() {
		c.server.Now = func() time.Time { return start.Add(time.Duration(passed.Load())) }
	})
	c.server.SetFault(func(r d1test.Request) *d1test.Fault {
		if strings.Contains(r.Body, "tbl_name, sql FROM sqlite_schema") && !strings.Contains(r.Body, "d1_migrations") { // the proof
			passed.Add(int64(time.Minute))
			if err := c.database.Exec("INSERT INTO users (name) VALUES ('x')"); err != nil {
				t.Error(err)
			}
		}
		return nil
	})
	c.run("baseline", "production", "--force").want(t, 0)
	if err := c.database.Exec("DROP TABLE d1_migrations", "DROP TABLE d1_rewind_journal"); err != nil {
		t.Fatal(err)
	}
	c.run("baseline", "production").want(t, 0)
	history := c.database.History()
	c.wantRows("SELECT bookmark FROM d1_rewind_journal", history[len(history)-2].Bookmark)
}

// TestOldJournalProvesNothing: a migration that was applied before, and taken out of the
// ledger to be run again, has a journal row of then.
func TestOldJournalProvesNothing(t *testing.T) {
	c := newCloud(t, sample())
	c.run("migrate", "production").want(t, 0)
	if err := c.database.Exec("DELETE FROM d1_migrations WHERE name = '0002_orders.sql'", "DROP TABLE orders"); err != nil {
		t.Fatal(err)
	}
	c.write("migrations/0002_orders.sql", "CREATE TABLE orders(id);\nINSERT INTO missing VALUES (1);")
	c.server.Set(func() { c.server.SplitBatches = true })
	c.run("migrate", "production", "--rehearse", "off").want(t, 4, "no run's journal row")
}

// TestMigrationThatRecordsAnother: its ledger row is there before its turn comes.
func TestMigrationThatRecordsAnother(t *testing.T) {
	for _, environment := range []string{"local", "production"} {
		t.Run(environment, func(t *testing.T) {
			c := newCloud(t, map[string]string{"migrations/0001_a.sql": "CREATE TABLE IF NOT EXISTS a(x);\nINSERT INTO d1_migrations (name) VALUES ('0002_b.sql');", "migrations/0002_b.sql": "CREATE TABLE b(x);"})
			c.run("migrate", environment).want(t, 1, "record 0002_b.sql as applied: a migration before it in the same run has done so already", "--transaction migration")
			if environment == "local" {
				c.run("status", environment).want(t, 1, "record 0002_b.sql as applied")
			}
			c.run("migrate", environment, "--transaction", "migration", "--rehearse", "off").want(t, 0, "applied 1 migration")
			c.run("migrate", environment).want(t, 0, "up to date: 2 applied")
		})
	}
}

// TestSignals lets a signal come while a command waits for an answer.
func TestSignals(t *testing.T) {
	signed := func(r d1test.Request) bool { return strings.Contains(r.Path, "/signed/") }
	cases := []struct {
		name  string
		args  []string
		match func(d1test.Request) bool
	}{
		{"info", []string{"info", "production"}, to("/bookmark")},
		{"export", []string{"backup", "production", "--output", "b.sql"}, to("/export")},
		{"download", []string{"backup", "production", "--output", "b.sql"}, signed},
		{"backup_before_a_migrate", []string{"migrate", "production", "--backup", "b.sql"}, signed},
		{"upload", []string{"migrate", "production", "--transport", "import"}, signed},
		{"doctor", []string{"doctor", "production"}, to("/bookmark")},
		{"confirmation", []string{"restore", "production", "--confirm", "shop-db", "--bookmark", "00000001-00000000-00004c6d-8e61117bf38d7adb71b934ebbf891683"},
			func(r d1test.Request) bool { return r.Method == http.MethodGet && strings.Count(r.Path, "/") == 5 }},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			c := newCloud(t, sample())
			ctx, cancel := context.WithCancelCause(t.Context())
			c.ctx = ctx
			c.server.SetFault(func(r d1test.Request) *d1test.Fault {
				if !tc.match(r) {
					return nil
				}
				cancel(&cli.Interrupt{Signal: syscall.SIGTERM})
				return &d1test.Fault{Hang: true}
			})
			c.run(tc.args...).want(t, 143, "interrupted", "state: ")
			if n := len(c.database.History()); n != 1 {
				t.Errorf("%d states", n)
			}
		})
	}
}

// TestBrokenPromiseBeforeImport is the same where the query endpoint's splitter refuses a
// later statement: the run must not go on by import.
func TestBrokenPromiseBeforeImport(t *testing.T) {
	c := newCloud(t, sample())
	c.faultAt(1, to("/query"), d1test.Fault{After: true, Status: http.StatusBadRequest, Body: `{"success":false,"errors":[{"code":7500,"message":"incomplete input: SQLITE_ERROR"}]}`})
	c.write("migrations/0002_orders.sql", "CREATE TABLE orders(id);\nINSERT INTO missing VALUES (1);")
	c.server.Set(func() { c.server.SplitBatches = true })
	c.run("migrate", "production", "--rehearse", "off").want(t, 4, "no run's journal row", "nothing more was touched")
	if slices.ContainsFunc(c.server.Requests(), to("/import")) {
		t.Error("an import was begun")
	}
}

// TestDoorsOfOthers is about answers that do not come from the API: they prove nothing about
// what became of the write.
func TestDoorsOfOthers(t *testing.T) {
	for _, status := range []int{http.StatusForbidden, http.StatusNotFound, http.StatusRequestTimeout} {
		for _, path := range []string{"/query", "/restore"} {
			t.Run(fmt.Sprint(status, path), func(t *testing.T) {
				c := newCloud(t, sample())
				before := c.now()
				args := []string{"migrate", "production"}
				if path == "/restore" {
					c.run("migrate", "production").want(t, 0)
					args = []string{"restore", "production", "--confirm", "shop-db", "--bookmark", before}
				}
				c.faultAt(1, to(path), d1test.Fault{After: true, Status: status, Body: "<html><title>Proxy</title></html>"})
				c.run(args...).want(t, 0)
			})
		}
	}
}

// TestRivals lets someone else apply migrations between the reading and the write.
func TestRivals(t *testing.T) {
	wrangler := func(c *cloud, names ...string) {
		sql := []string{"CREATE TABLE IF NOT EXISTS d1_migrations(id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE, applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL)"}
		for _, name := range names {
			statement, _, _ := strings.Cut(sample()["migrations/"+name], ";")
			sql = append(sql, statement, "INSERT INTO d1_migrations (name) VALUES ('"+name+"')")
		}
		if err := c.database.Exec(sql...); err != nil {
			t.Error(err)
		}
	}
	cases := []struct {
		name  string
		rival func(*cloud)
		fault *d1test.Fault
		code  int
		want  string
	}{
		{"wrangler_applies_all", func(c *cloud) { wrangler(c, "0001_users.sql", "0002_orders.sql") }, nil, 0, "another run applied the migrations meanwhile"},
		{"wrangler_applies_one_to_a_ledger_in_other_letters", func(c *cloud) {
			if err := c.database.Exec("CREATE TABLE D1_Migrations(id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE, applied_at TEXT)"); err != nil {
				t.Error(err)
			}
			wrangler(c, "0001_users.sql")
		}, nil, 0, "applied 1 migration"},
		{"d1_rewind_applies_one_and_the_other_fails", func(c *cloud) {
			c.run("migrate", "production", "--to", "0001_users.sql").want(t, 0)
			c.write("migrations/0002_orders.sql", "INSERT INTO missing VALUES (1);")
		}, nil, 1, "nothing of this run was applied; what another run did meanwhile is kept"},
		{"wrangler_applies_one", func(c *cloud) { wrangler(c, "0001_users.sql") }, nil, 0, "applied 1 migration"},
		{"d1_rewind_applies_all", func(c *cloud) { c.run("migrate", "production").want(t, 0) }, nil, 0, "another run applied the migrations meanwhile"},
		{"d1_rewind_applies_all_and_the_answer_is_lost", func(c *cloud) { c.run("migrate", "production").want(t, 0) }, &d1test.Fault{After: true, Drop: true}, 0, "another run applied the migrations meanwhile"},
		{"wrangler_applies_all_and_the_answer_is_lost", func(c *cloud) { wrangler(c, "0001_users.sql", "0002_orders.sql") }, &d1test.Fault{After: true, Drop: true}, 4, "another tool applied them at the same moment"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			c := newCloud(t, sample())
			c.onceAt("/query", func() {
				tc.rival(c)
				c.server.SetFault(func(d1test.Request) *d1test.Fault {
					defer func() { tc.fault = nil }()
					return tc.fault
				})
			})
			c.run("migrate", "production", "--rehearse", "off").want(t, tc.code, tc.want)
			if tc.code != 1 {
				c.wantRows(ledger, "0001_users.sql", "0002_orders.sql")
			}
		})
	}
}

// TestRestoreInTheMiddle takes the database back between a migrate's plan and its write: a restore
// does not wait for a migrate, so the migrate has to notice. No UNIQUE name does.
func TestRestoreInTheMiddle(t *testing.T) {
	for _, tc := range []struct {
		name    string
		args    []string
		restore func(t *testing.T, c *cloud, to string)
		code    int
		want    string
		ledger  []string
	}{
		{"by d1-rewind", nil, func(t *testing.T, c *cloud, to string) {
			c.run("restore", "production", "--bookmark", to, "--confirm", "shop-db").want(t, 0, "held from now on")
		}, 3, "a restore undid 0002_orders.sql", []string{"0001_users.sql"}},
		{"by the dashboard", nil, func(t *testing.T, c *cloud, to string) { c.timeTravel(to) }, 0, "applied 2 migrations", []string{"0001_users.sql", "0002_orders.sql", "0003_names.sql"}},
		{"by the dashboard, one by one", []string{"--transaction", "migration"}, func(t *testing.T, c *cloud, to string) { c.timeTravel(to) }, 0, "applied 2 migrations",
			[]string{"0001_users.sql", "0002_orders.sql", "0003_names.sql"}},
		{"by the dashboard, without a journal", []string{"--journal", "off"}, func(t *testing.T, c *cloud, to string) { c.timeTravel(to) }, 0, "applied 2 migrations",
			[]string{"0001_users.sql", "0002_orders.sql", "0003_names.sql"}},
		{"by the dashboard, import", []string{"--transport", "import"}, func(t *testing.T, c *cloud, to string) { c.timeTravel(to) }, 0, "applied 2 migrations",
			[]string{"0001_users.sql", "0002_orders.sql", "0003_names.sql"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			files := sample()
			files["migrations/0003_names.sql"] = "CREATE INDEX names ON users(name);"
			c := newCloud(t, files)
			c.run("migrate", "production", "--to", "0001_users.sql").want(t, 0)
			second := c.run("migrate", "production", "--to", "0002_orders.sql", "--format", "json")
			second.want(t, 0)
			to, _ := second.json(t)["bookmark"].(string)
			write := "/query"
			if slices.Contains(tc.args, "import") {
				write = "/import"
			}
			c.onceAt(write, func() { tc.restore(t, c, to) })
			c.run(append([]string{"migrate", "production"}, tc.args...)...).want(t, tc.code, tc.want)
			c.wantRows(ledger, tc.ledger...)
		})
	}
}

// TestRestoreBetweenTwoTransactions takes the database back after the first migration of a run that
// commits each on its own.
func TestRestoreBetweenTwoTransactions(t *testing.T) {
	for _, journal := range []string{"on", "off"} {
		t.Run("journal "+journal, func(t *testing.T) {
			files := sample()
			files["migrations/0003_names.sql"] = "CREATE INDEX names ON users(name);"
			c := newCloud(t, files)
			c.run("migrate", "production", "--to", "0001_users.sql").want(t, 0)
			to, _ := c.run("info", "production", "--format", "json").json(t)["bookmark"].(string)
			writes := 0
			c.server.Set(func() {
				c.server.Gate = func(r d1test.Request) {
					if strings.HasSuffix(r.Path, "/query") {
						if writes++; writes == 2 {
							c.timeTravel(to)
						}
					}
				}
			})
			c.run("migrate", "production", "--transaction", "migration", "--journal", journal).want(t, 0, "applied 2 migrations")
			c.wantRows(ledger, "0001_users.sql", "0002_orders.sql", "0003_names.sql")
		})
	}
}

// TestMigrateBeforeTheHold lets a migrate go through after the database went back and before what that
// undid is held. The restore says so; it does not say that it holds what is applied.
func TestMigrateBeforeTheHold(t *testing.T) {
	files := sample()
	files["migrations/0003_names.sql"] = "CREATE INDEX names ON users(name);"
	c := newCloud(t, files)
	c.run("migrate", "production", "--to", "0001_users.sql").want(t, 0)
	second := c.run("migrate", "production", "--format", "json")
	second.want(t, 0)
	to, _ := second.json(t)["bookmark"].(string)
	c.onceAt("/query", func() {
		c.run("migrate", "production", "--to", "0002_orders.sql").want(t, 0, "applied 1 migration")
	})
	r := c.run("restore", "production", "--bookmark", to, "--confirm", "shop-db")
	r.want(t, 1, "restored, but another run has applied 0002_orders.sql again, before it was held", "to undo all of it: d1-rewind restore production")
	c.wantRows(ledger, "0001_users.sql", "0002_orders.sql")
	c.run("status", "production").want(t, 3, "a restore undid 0003_names.sql")
}

// TestMigrateBeforeTheHoldIsRead is the same, before the restored database is read for the first time.
func TestMigrateBeforeTheHoldIsRead(t *testing.T) {
	files := sample()
	files["migrations/0003_names.sql"] = "CREATE INDEX names ON users(name);"
	c := newCloud(t, files)
	c.run("migrate", "production", "--to", "0001_users.sql").want(t, 0)
	second := c.run("migrate", "production", "--format", "json")
	to, _ := second.json(t)["bookmark"].(string)
	restored := false
	c.server.Set(func() {
		c.server.Gate = func(r d1test.Request) {
			switch {
			case strings.HasSuffix(r.Path, "/time_travel/restore"):
				restored = true
			case restored:
				c.server.Set(func() { c.server.Gate = nil })
				c.run("migrate", "production", "--to", "0002_orders.sql").want(t, 0, "applied 1 migration")
			}
		}
	})
	c.run("restore", "production", "--bookmark", to, "--confirm", "shop-db").want(t, 1, "another run has applied 0002_orders.sql again")
	c.run("status", "production").want(t, 3, "a restore undid 0003_names.sql")
}

// TestHoldWithoutALedger restores to before the ledger; wrangler makes a new one before the hold is written.
func TestHoldWithoutALedger(t *testing.T) {
	c := newCloud(t, sample())
	first := c.run("migrate", "production", "--format", "json")
	first.want(t, 0)
	to, _ := first.json(t)["bookmark"].(string)
	c.onceAt("/query", func() {
		if err := c.database.Exec("CREATE TABLE d1_migrations(id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE, applied_at TEXT)",
			"CREATE TABLE users(id INTEGER PRIMARY KEY, name TEXT NOT NULL)", "INSERT INTO d1_migrations(name) VALUES ('0001_users.sql')"); err != nil {
			t.Error(err)
		}
	})
	c.run("restore", "production", "--bookmark", to, "--confirm", "shop-db").want(t, 1, "another run has applied 0001_users.sql again")
	c.run("status", "production").want(t, 3, "a restore undid 0002_orders.sql")
}

// TestBeforeTheJournal goes back to before ledger and journal while a run is about to write.
func TestBeforeTheJournal(t *testing.T) {
	c := newCloud(t, sample())
	first := c.run("migrate", "production", "--to", "0001_users.sql", "--format", "json")
	to, _ := first.json(t)["bookmark"].(string)
	c.onceAt("/query", func() { c.timeTravel(to) })
	c.run("migrate", "production").want(t, 0, "applied 2 migrations")
	c.wantRows(ledger, "0001_users.sql", "0002_orders.sql")
}

// TestJournalThatCannotBeRead: a restore has to work all the same, and to hold.
func TestJournalThatCannotBeRead(t *testing.T) {
	c := newCloud(t, sample())
	c.run("migrate", "production", "--to", "0001_users.sql").want(t, 0)
	if err := c.database.Exec("INSERT INTO d1_rewind_journal (run, kind, at, migrations, bookmark) VALUES ('x', 'migrate', '', 'no JSON', '')"); err != nil {
		t.Fatal(err)
	}
	to, _ := c.run("info", "production", "--format", "json").json(t)["bookmark"].(string)
	if err := c.database.Exec("INSERT INTO d1_migrations(name) VALUES ('0002_orders.sql')"); err != nil {
		t.Fatal(err)
	}
	c.run("restore", "production", "--bookmark", to, "--confirm", "shop-db").want(t, 0, "held from now on, until a file changes or --release-hold: 0002_orders.sql")
}

// TestReleaseOfAnotherHold: who releases a hold has not seen the one of a restore meanwhile.
func TestReleaseOfAnotherHold(t *testing.T) {
	files := sample()
	files["migrations/0003_names.sql"] = "CREATE INDEX names ON users(name);"
	c := newCloud(t, files)
	bookmark := func(r run) string { to, _ := r.json(t)["bookmark"].(string); return to }
	c.run("migrate", "production", "--to", "0001_users.sql").want(t, 0)
	second := bookmark(c.run("migrate", "production", "--to", "0002_orders.sql", "--format", "json"))
	third := bookmark(c.run("migrate", "production", "--format", "json"))
	c.run("restore", "production", "--bookmark", third, "--confirm", "shop-db").want(t, 0)
	c.onceAt("/query", func() {
		c.run("restore", "production", "--bookmark", second, "--confirm", "shop-db").want(t, 0)
	})
	c.run("migrate", "production", "--release-hold").want(t, 3, "a restore undid 0002_orders.sql, 0003_names.sql")
	c.wantRows(ledger, "0001_users.sql")
}

// TestFirstJournal plans a run on a database without a journal, and lets another run write the first row.
func TestFirstJournal(t *testing.T) {
	c := newCloud(t, sample())
	if err := c.database.Exec("CREATE TABLE d1_migrations(id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE, applied_at TEXT)",
		"CREATE TABLE users(id INTEGER PRIMARY KEY, name TEXT NOT NULL)", "INSERT INTO d1_migrations(name) VALUES ('0001_users.sql')"); err != nil {
		t.Fatal(err)
	}
	to, _ := c.run("info", "production", "--format", "json").json(t)["bookmark"].(string)
	c.onceAt("/query", func() {
		c.run("migrate", "production").want(t, 0, "applied 1 migration")
		c.run("restore", "production", "--bookmark", to, "--confirm", "shop-db").want(t, 0, "held from now on")
	})
	c.run("migrate", "production").want(t, 3, "a restore undid 0002_orders.sql")
	c.wantRows(ledger, "0001_users.sql")
}

// timeTravel restores as the dashboard does: nothing holds what that undoes.
func (c *cloud) timeTravel(to string) {
	c.t.Helper()
	c.send(d1test.Request{Method: http.MethodPost, Path: "/accounts/" + d1test.Account + "/d1/database/" + c.database.ID + "/time_travel/restore?bookmark=" + to})
}

// TestLateAndThenTurnedAway: what the door says of the second sending says nothing of the
// first, which takes effect just before.
func TestLateAndThenTurnedAway(t *testing.T) {
	c := newCloud(t, sample())
	var first d1test.Request
	n := 0
	c.server.SetFault(func(r d1test.Request) *d1test.Fault {
		if !strings.HasSuffix(r.Path, "/query") {
			return nil
		}
		switch n++; n {
		case 1:
			first = r
			return &d1test.Fault{Drop: true}
		case 2:
			if err := c.database.Exec(batchSQL(t, first.Body)...); err != nil {
				t.Error(err)
			}
			return &d1test.Fault{Status: http.StatusForbidden, Body: `{"success":false,"errors":[{"code":10000,"message":"Authentication error"}]}`}
		}
		return nil
	})
	c.run("migrate", "production").want(t, 0, "applied 2 migrations")
	c.wantRows(ledger, "0001_users.sql", "0002_orders.sql")
}

// batchSQL are the statements of a request in batch form, with their parameters inside.
func batchSQL(t *testing.T, body string) []string {
	t.Helper()
	var request struct {
		Batch []struct {
			SQL    string
			Params []string
		}
	}
	if err := json.Unmarshal([]byte(body), &request); err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, s := range request.Batch {
		for _, p := range s.Params {
			s.SQL = strings.Replace(s.SQL, "?", "'"+strings.ReplaceAll(p, "'", "''")+"'", 1)
		}
		list = append(list, s.SQL)
	}
	return list
}

// TestLateWithoutJournal lets a write whose connection broke take effect just before it
// arrives a second time. Without a journal only the ledger can tell.
func TestLateWithoutJournal(t *testing.T) {
	c := newCloud(t, sample())
	c.faultAt(1, to("/query"), d1test.Fault{Drop: true})
	var first d1test.Request
	c.server.Set(func() {
		c.server.Gate = func(r d1test.Request) {
			switch {
			case !strings.HasSuffix(r.Path, "/query"):
			case first.Path == "":
				first = r
			default:
				c.server.Set(func() { c.server.Gate = nil })
				c.send(first)
			}
		}
	})
	document := c.run("migrate", "production", "--journal", "off", "--format", "json").json(t)
	if document["status"] != "applied" || document["appliedCount"] != 2.0 || document["rollbackCommand"] == "" {
		t.Errorf("status %v, applied %v, rollback command %v", document["status"], document["applied"], document["rollbackCommand"])
	}
	c.wantRows(ledger, "0001_users.sql", "0002_orders.sql")
}

// TestCancelled cancels a run when its n-th request of a kind arrives.
func TestCancelled(t *testing.T) {
	page := d1test.Fault{Status: http.StatusBadGateway, Body: "<title>502</title>"}
	cases := []struct {
		name   string
		args   []string
		cancel func(d1test.Request) bool
		fault  *d1test.Fault // of that request
		then   *d1test.Fault // of those behind it
		code   int
		want   []string
	}{
		{"import_goes_on", []string{"--transport", "import"}, func(r d1test.Request) bool { return strings.Contains(r.Body, `"action":"poll"`) }, nil, nil, 4,
			[]string{"it is not known whether the run was committed", "nothing is applied twice"}},
		{"write_and_then_unreadable", nil, to("/query"), &d1test.Fault{After: true, Drop: true}, &page, 4, []string{"it is not known whether the run was committed", "unknown  0001_users.sql"}},
		{"second_write_and_then_unreadable", []string{"--transaction", "migration"}, func(r d1test.Request) bool {
			return strings.HasSuffix(r.Path, "/query") && strings.Contains(r.Body, "0002_orders.sql")
		}, &d1test.Fault{After: true, Drop: true}, &page, 4, []string{"applied before that and kept: 0001_users.sql", "unknown  0002_orders.sql"}},
		{"and_the_write_is_answered", nil, to("/query"), nil, nil, 130, []string{"applied 2 migrations"}},
		{"while_waiting_to_send_again", nil, to("/query"), &page, nil, 130, []string{"interrupted", "nothing was written"}},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			c := newCloud(t, sample())
			c.server.Set(func() { c.server.ImportPolls = 50 })
			ctx, cancel := context.WithCancelCause(t.Context())
			c.ctx = ctx
			seen := false
			c.server.SetFault(func(r d1test.Request) *d1test.Fault {
				switch {
				case seen:
					return tc.then
				case tc.cancel(r):
					seen = true
					cancel(&cli.Interrupt{Signal: syscall.SIGINT})
					return tc.fault
				}
				return nil
			})
			r := c.run(append([]string{"migrate", "production"}, tc.args...)...)
			r.want(t, tc.code, tc.want...)
			if strings.Contains(r.stdout, "not run") && tc.code == 4 {
				t.Errorf("said not to have run what may have been committed:\n%s", r.stdout)
			}
			c.ctx = t.Context()
			c.server.SetFault(nil)
			c.server.Set(func() { c.server.ImportPolls = 0 })
			c.run("status", "production") // lets the import end
			c.run("migrate", "production").want(t, 0)
			c.wantRows(ledger, "0001_users.sql", "0002_orders.sql")
		})
	}
}

// TestBookmarkOfAWriteThatIsSentAgain: the way back leads to the moment before the write,
// also where Cloudflare asked to wait for minutes before it.
func TestBookmarkOfAWriteThatIsSentAgain(t *testing.T) {
	c := newCloud(t, sample())
	passed := atomic.Int64{}
	start := time.Now()
	c.server.Set(func() {
		c.server.Now = func() time.Time { return start.Add(time.Duration(passed.Load())) }
	})
	write := func(table string) {
		if err := c.database.Exec("CREATE TABLE " + table + "(x)"); err != nil {
			t.Error(err)
		}
	}
	n := 0
	c.server.SetFault(func(r d1test.Request) *d1test.Fault {
		if !strings.HasSuffix(r.Path, "/query") {
			return nil
		}
		switch n++; n {
		case 1:
			return &d1test.Fault{Status: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {"250"}}}
		case 2:
			passed.Add(int64(30 * time.Second))
			write("written_during_a_time_out")
			return &d1test.Fault{Status: http.StatusGatewayTimeout}
		}
		return nil
	})
	c.sleep = func(ctx context.Context, d time.Duration) error {
		if passed.Add(int64(d)); d > time.Minute {
			write("written_while_waiting")
		}
		return ctx.Err()
	}
	document := c.run("migrate", "production", "--format", "json").json(t)
	history := c.database.History()
	if want := history[len(history)-2].Bookmark; document["bookmark"] != want {
		t.Errorf("bookmark %v, but before the write it was %s", document["bookmark"], want)
	}
	c.wantRows("SELECT bookmark FROM d1_rewind_journal", fmt.Sprint(document["bookmark"]))
}

// TestSquash: a migration may empty the ledger, and is recorded all the same.
func TestSquash(t *testing.T) {
	for _, transport := range []string{"query", "import"} {
		t.Run(transport, func(t *testing.T) {
			c := newCloud(t, map[string]string{"migrations/0001_a.sql": "CREATE TABLE a(x);"})
			c.run("migrate", "production").want(t, 0)
			c.remove("migrations/0001_a.sql")
			c.write("migrations/0002_squash.sql", "DELETE FROM \"D1_MIGRATIONS\";\nINSERT INTO a VALUES ('once');")
			c.run("migrate", "production", "--transport", transport).want(t, 0, "applied 1 migration")
			c.run("migrate", "production").want(t, 0, "up to date: 1 applied")
			c.wantRows(ledger, "0002_squash.sql")
			c.wantRows("SELECT x FROM a", "once")
		})
	}
}

// TestNoDryRunOfARestore is about the action, where every input is given in every mode.
func TestNoDryRunOfARestore(t *testing.T) {
	for _, mode := range []string{"restore", "baseline"} {
		for _, event := range []string{"workflow_dispatch", "pull_request"} {
			t.Run(mode+"_"+event, func(t *testing.T) {
				c, before := migrated(t, 2)
				states := len(c.database.History())
				c.env["INPUT_MODE"], c.env["INPUT_ENVIRONMENT"], c.env["INPUT_DRY-RUN"], c.env["INPUT_FORCE"] = mode, "production", "true", "true"
				c.env["INPUT_BOOKMARK"], c.env["INPUT_CONFIRM"], c.env["GITHUB_EVENT_NAME"] = before[1], "shop-db", event
				c.run().want(t, 2, "there is no dry run of "+mode)
				if got := len(c.database.History()); got != states {
					t.Errorf("a dry run made %d states", got-states)
				}
			})
		}
	}
}

// TestUntrustedProgress: names and answers must not steer a terminal, nor forge a line that
// a runner takes for a command, while a run speaks.
func TestUntrustedProgress(t *testing.T) {
	evil := "\x1b[2J\n::add-mask::x"
	cases := []struct {
		name    string
		arrange func(*cloud) []string
	}{
		{"file", func(c *cloud) []string {
			c.write("migrations/0001_"+evil+".sql", "CREATE TABLE a(x);")
			return []string{"migrate", "production", "--verbose"}
		}},
		{"answer", func(c *cloud) []string {
			c.faultAt(1, to("/raw"), d1test.Fault{Status: http.StatusBadGateway, Body: "<html><title>" + evil + "</title></html>"})
			return []string{"status", "production", "--verbose"}
		}},
		{"ledger", func(c *cloud) []string {
			before := c.now()
			c.run("migrate", "production")
			if err := c.database.Exec("INSERT INTO d1_migrations (name) VALUES ('" + evil + "')"); err != nil {
				t.Fatal(err)
			}
			return []string{"restore", "production", "--confirm", "shop-db", "--bookmark", before, "--verbose"}
		}},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			c := newCloud(t, sample())
			r := c.run(tc.arrange(c)...)
			r.want(t, 0, "add-mask")
			if said := r.stdout + r.stderr; strings.Contains(said, "\x1b") || strings.Contains(said, "\n::add-mask") {
				t.Errorf("%q", said)
			}
		})
	}
}

// TestBaseURLIsNotQuoted: it may hold a password.
func TestBaseURLIsNotQuoted(t *testing.T) {
	for _, base := range []string{"http://user:s3cr3t@127.0.0.1:1/x", "http://user:s3cr3t@127.0.0.1:bad/x", "http://user:s3cr3t@%zz/x", "user:s3cr3t@x"} {
		for _, command := range []string{"status", "doctor", "migrate"} {
			c := newCloud(t, sample())
			c.env["CLOUDFLARE_API_BASE_URL"] = base
			if r := c.run(command, "production", "--verbose"); strings.Contains(r.stdout+r.stderr, "s3cr3t") || r.code == 0 {
				t.Errorf("%s with %s: exit code %d\n%s%s", command, base, r.code, r.stdout, r.stderr)
			}
		}
	}
}

// TestKilled kills the process when its n-th request arrives, before or after it took effect.
func TestKilled(t *testing.T) {
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for n := 1; n <= 6; n++ {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprintf("request_%d_after_%v", n, after), func(t *testing.T) {
				c := newCloud(t, sample())
				process := exec.Command(executable, "migrate", "production")
				process.Env = append(os.Environ(), "GITHUB_ACTIONS=", "D1_REWIND_TEST_PROCESS=1", "CLOUDFLARE_API_BASE_URL="+c.server.URL, "CLOUDFLARE_API_TOKEN="+d1test.Token)
				reached, seen := make(chan struct{}), 0
				c.server.SetFault(func(d1test.Request) *d1test.Fault {
					if seen++; seen != n {
						return nil
					}
					close(reached)
					return &d1test.Fault{After: after, Hang: true}
				})
				if err := process.Start(); err != nil {
					t.Fatal(err)
				}
				ended := make(chan error, 1)
				go func() { ended <- process.Wait() }()
				select {
				case <-reached:
					if err := process.Process.Kill(); err != nil {
						t.Fatal(err)
					}
					<-ended
				case err := <-ended: // it makes fewer requests than n
					if err != nil {
						t.Fatal(err)
					}
				}
				c.server.SetFault(nil)
				if got := c.database.Rows("SELECT count(*) FROM sqlite_schema WHERE name IN ('users', 'orders', 'd1_migrations', 'd1_rewind_journal')"); got[0] != "0" && got[0] != "4" {
					t.Errorf("%s of 4 tables are there", got[0])
				}
				c.run("migrate", "production").want(t, 0)
				c.wantRows(ledger, "0001_users.sql", "0002_orders.sql")
			})
		}
	}
}

// TestTokenNowhere looks for the token in everything that leaves the program except the one
// header that is for it.
func TestTokenNowhere(t *testing.T) {
	c := newCloud(t, sample())
	github := t.TempDir()
	c.env["GITHUB_OUTPUT"], c.env["GITHUB_STEP_SUMMARY"] = filepath.Join(github, "output"), filepath.Join(github, "summary")
	echo := func(r d1test.Request) *d1test.Fault {
		return &d1test.Fault{Status: http.StatusTeapot, Body: "<html><title>you sent Bearer " + r.Token + "</title></html>", Header: http.Header{"Content-Type": {"text/html"}}}
	}
	var streams []string
	commands := [][]string{{"status", "production", "--verbose"}, {"migrate", "production", "--verbose", "--format", "json"}, {"info", "production"}, {"doctor", "production", "--verbose"},
		{"backup", "production", "--output", "b.sql"}, {"restore", "production", "--before", "0001_users.sql", "--confirm", "shop-db", "--format", "markdown", "--verbose"}, {"baseline", "production", "--force"}}
	for _, fault := range []func(d1test.Request) *d1test.Fault{nil, echo} {
		c.server.SetFault(fault)
		for _, command := range commands {
			r := c.run(command...)
			streams = append(streams, r.stdout, r.stderr)
		}
		c.env["INPUT_MODE"], c.env["INPUT_ENVIRONMENT"], c.env["INPUT_API-TOKEN"], c.env["INPUT_API-ADDRESS"] = "migrate", "production", d1test.Token, c.server.URL
		c.env["GITHUB_EVENT_NAME"], c.env["INPUT_COMMENT"] = "push", "off"
		r := c.run()
		streams = append(streams, strings.ReplaceAll(r.stdout, "::add-mask::"+d1test.Token, ""), r.stderr)
	}
	for _, r := range c.server.Requests() {
		streams = append(streams, r.Path, r.Query, r.Body)
	}
	for _, dir := range []string{c.dir, github} {
		err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			data, err := os.ReadFile(path)
			streams = append(streams, path, string(data))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range streams {
		if strings.Contains(s, d1test.Token) {
			t.Errorf("the token is in:\n%s", s)
		}
	}
	if !slices.ContainsFunc(streams, func(s string) bool { return strings.Contains(s, "you sent Bearer ***") }) {
		t.Error("no message held what the proxy echoed: the test proves nothing")
	}
}

// TestPullRequestsDoNotWrite is the guard of write modes.
func TestPullRequestsDoNotWrite(t *testing.T) {
	for _, event := range []string{"pull_request", "pull_request_target"} {
		for _, mode := range []string{"migrate", "restore", "baseline"} {
			t.Run(event+"_"+mode, func(t *testing.T) {
				c := newCloud(t, sample())
				c.env["INPUT_MODE"], c.env["INPUT_ENVIRONMENT"], c.env["GITHUB_EVENT_NAME"] = mode, "production", event
				c.run().want(t, 3, "may have been started by a pull request", "nothing was contacted")
				c.env["GITHUB_ACTIONS"] = "true" // and in a step's "run:"
				c.run(mode, "production").want(t, 3, "may have been started by a pull request", "nothing was contacted")
				if n := len(c.server.Requests()); n != 0 {
					t.Errorf("%d requests", n)
				}
			})
		}
	}
}

func TestDoctorRemote(t *testing.T) {
	cases := []struct {
		name    string
		arrange func(*cloud)
		code    int
		want    []string
	}{
		{"in_order", nil, 0, []string{"token: accepted", "database shop-db", "clock: agrees", "permission D1 Edit: the token may write", "shop runs version " + versionOne, "0 applied, 2 pending"}},
		{"may_only_read", func(c *cloud) {
			c.server.Allow("a-token-that-may-only-read", d1test.Permissions{D1Read: true})
			c.env["CLOUDFLARE_API_TOKEN"] = "a-token-that-may-only-read"
		}, 1,
			[]string{"FAIL  permission D1 Edit", "D1 > Edit", "note  worker", "Workers Scripts > Read"}},
		{"no_permission_for_workers", func(c *cloud) {
			c.server.Allow("a-token-for-nothing-but-d1", d1test.Permissions{D1Read: true, D1Edit: true})
			c.env["CLOUDFLARE_API_TOKEN"] = "a-token-for-nothing-but-d1"
		}, 0, []string{"everything is in order", "note  worker", "Workers Scripts > Read", "ok    ledger"}},
		{"numbers_are_doubles", func(c *cloud) {
			c.faultAlways(to("/"+c.database.ID), d1test.Fault{Status: http.StatusOK, Body: `{"success":true,"errors":[],"result":{"uuid":"` + c.database.ID + `","name":"shop-db","version":"production","file_size":36864.0}}`})
		}, 0, []string{"36864 bytes"}},
		{"service_fails", func(c *cloud) {
			c.faultAlways(to("/import"), d1test.Fault{Status: http.StatusBadGateway, Body: "<title>502</title>"})
		}, 1,
			[]string{"FAIL  permission D1 Edit", "HTTP 502"}},
		{"wrong_token", func(c *cloud) { c.env["CLOUDFLARE_API_TOKEN"] = "nonsense" }, 1, []string{"FAIL  token", "wrong, expired or revoked"}},
		{"other_name", func(c *cloud) {
			c.write("wrangler.jsonc", fmt.Sprintf(`{"account_id":%q,"d1_databases":[{"binding":"DB","database_name":"other","database_id":%q}]}`, d1test.Account, c.database.ID))
		}, 1, []string{`database_name "other"`, `is "shop-db"`, "the id wins"}},
		{"clock", func(c *cloud) {
			now := c.server.Now
			c.server.Set(func() { c.server.Now = func() time.Time { return now().Add(-time.Hour) } })
			c.env["skew"] = "1"
		}, 1, []string{"clock differs"}},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			c := newCloud(t, sample())
			if tc.arrange != nil {
				tc.arrange(c)
			}
			if c.env["skew"] != "" { // the program keeps the right time
				start(t.Context(), c.env, cli.Process{Args: []string{"doctor", "production"}, Sleep: noSleep}).want(t, tc.code, tc.want...)
				return
			}
			c.run("doctor", "production").want(t, tc.code, tc.want...)
			if n := len(c.database.History()); n != 1 {
				t.Errorf("doctor made %d states", n)
			}
		})
	}
}
