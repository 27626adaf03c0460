package d1_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/d1-rewind/d1-rewind/internal/d1"
	"github.com/d1-rewind/d1-rewind/internal/d1/d1test"
	"github.com/d1-rewind/d1-rewind/internal/migration"
	"github.com/google/go-cmp/cmp"
)

// clock is a time that passes only while someone sleeps.
type clock struct {
	mutex sync.Mutex
	now   time.Time
	slept []time.Duration
}

func (c *clock) Now() time.Time {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.now
}

func (c *clock) Sleep(ctx context.Context, d time.Duration) error {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.now = c.now.Add(d)
	c.slept = append(c.slept, d)
	return ctx.Err()
}

func server(t *testing.T) (*d1test.Server, *d1test.Database) {
	t.Helper()
	s := d1test.New()
	t.Cleanup(s.Close)
	return s, s.Create("prod")
}

func TestPace(t *testing.T) {
	t.Parallel()
	s, database := server(t)
	time0 := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)
	c := &clock{now: time0}
	var sent []time.Time
	s.SetFault(func(d1test.Request) *d1test.Fault { sent = append(sent, c.Now()); return nil })
	db := d1.New(d1.Config{AccountID: d1test.Account, Token: d1test.Token, BaseURL: s.URL, Now: c.Now, Sleep: c.Sleep}).Database(database.ID, "auto")
	const requests = 2500
	for range requests {
		if _, err := db.Bookmark(t.Context(), time.Time{}); err != nil {
			t.Fatal(err)
		}
	}
	most := 0
	for i := range sent {
		n := 0
		for _, later := range sent[i:] {
			if later.Sub(sent[i]) < 5*time.Minute {
				n++
			}
		}
		most = max(most, n)
	}
	t.Logf("%d requests took %s; at most %d of them in 5 minutes", requests, c.Now().Sub(time0).Round(time.Second), most)
	if most > 1200 || most < 1100 {
		t.Errorf("%d requests in 5 minutes, want just under 1200", most)
	}
}

func TestReadsAreRepeated(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name  string
		fault d1test.Fault
		slept []time.Duration
	}{
		{"retry_after_seconds", d1test.Fault{Status: 429, Header: http.Header{"Retry-After": {"70"}}}, []time.Duration{70 * time.Second}},
		{"no_retry_after", d1test.Fault{Status: 429}, []time.Duration{500 * time.Millisecond}},
		{"bad_gateway", d1test.Fault{Status: 502, Body: "<html>"}, []time.Duration{500 * time.Millisecond}},
		{"dropped", d1test.Fault{Drop: true}, []time.Duration{500 * time.Millisecond}},
		{"truncated", d1test.Fault{Truncate: true}, []time.Duration{500 * time.Millisecond}},
		{"overloaded_inside_200", d1test.Fault{Status: 200, Body: `{"success":false,"errors":[{"code":7500,"message":"D1 DB is overloaded. Requests queued for too long."}]}`}, []time.Duration{500 * time.Millisecond}},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s, database := server(t)
			c := &clock{now: time.Now()}
			n := 0
			s.SetFault(func(d1test.Request) *d1test.Fault {
				if n++; n == 1 {
					return &tc.fault
				}
				return nil
			})
			db := d1.New(d1.Config{AccountID: d1test.Account, Token: d1test.Token, BaseURL: s.URL, Now: c.Now, Sleep: c.Sleep}).Database(database.ID, "auto")
			bookmark, err := db.Bookmark(t.Context(), time.Time{})
			if err != nil || string(bookmark) != database.History()[0].Bookmark {
				t.Errorf("Bookmark() = %q, %v", bookmark, err)
			}
			if diff := cmp.Diff(tc.slept, c.slept); diff != "" {
				t.Errorf("waits (-want +got):\n%s", diff)
			}
		})
	}
	t.Run("said_once", func(t *testing.T) {
		t.Parallel()
		s, database := server(t)
		s.SetFault(func(d1test.Request) *d1test.Fault { return &d1test.Fault{Status: http.StatusBadGateway} })
		const requests = 4
		var all sync.WaitGroup
		var mutex sync.Mutex
		var said []string
		round := make(chan struct{}, requests)
		sleep := func(ctx context.Context, d time.Duration) error { // until all of them sleep
			if d > 500*time.Millisecond {
				return context.Canceled
			}
			round <- struct{}{}
			for len(round) < requests {
				runtime.Gosched()
			}
			return nil
		}
		db := d1.New(d1.Config{AccountID: d1test.Account, Token: d1test.Token, BaseURL: s.URL, Sleep: sleep, Progress: func(line string) {
			mutex.Lock()
			defer mutex.Unlock()
			said = append(said, line)
		}}).Database(database.ID, "auto")
		for range requests {
			all.Go(func() { _, _ = db.Bookmark(t.Context(), time.Time{}) })
		}
		all.Wait()
		if diff := cmp.Diff([]string{"could not read the bookmark: an empty answer; trying again in 500ms", "could not read the bookmark: an empty answer; trying again in 1s"}, said); diff != "" {
			t.Errorf("said (-want +got):\n%s", diff)
		}
	})
	t.Run("said_again_when_it_comes_again", func(t *testing.T) {
		t.Parallel()
		s, database := server(t)
		n, said := 0, 0
		s.SetFault(func(d1test.Request) *d1test.Fault {
			if n++; n%2 == 1 {
				return &d1test.Fault{Status: http.StatusBadGateway}
			}
			return nil
		})
		db := d1.New(d1.Config{AccountID: d1test.Account, Token: d1test.Token, BaseURL: s.URL, Sleep: noSleep, Progress: func(string) { said++ }}).Database(database.ID, "auto")
		for range 2 {
			if _, err := db.Bookmark(t.Context(), time.Time{}); err != nil {
				t.Fatal(err)
			}
		}
		if said != 2 {
			t.Errorf("two waits, one after the other, were said %d times", said)
		}
	})
	t.Run("not_for_ever", func(t *testing.T) {
		t.Parallel()
		s, database := server(t)
		c := &clock{now: time.Now()}
		s.SetFault(func(d1test.Request) *d1test.Fault {
			return &d1test.Fault{Status: 429, Header: http.Header{"Retry-After": {"200"}}}
		})
		db := d1.New(d1.Config{AccountID: d1test.Account, Token: d1test.Token, BaseURL: s.URL, Now: c.Now, Sleep: c.Sleep}).Database(database.ID, "auto")
		if _, err := db.Bookmark(t.Context(), time.Time{}); err == nil {
			t.Error("no error")
		}
		if diff := cmp.Diff([]time.Duration{200 * time.Second}, c.slept); diff != "" {
			t.Errorf("waits (-want +got):\n%s", diff)
		}
	})
}

// TestWritesAreSentOnce holds that nothing below the engine repeats a write: neither the
// client, nor cloudflare-go, nor net/http.
func TestWritesAreSentOnce(t *testing.T) {
	t.Parallel()
	faults := map[string]d1test.Fault{"internal": {Status: 500}, "conflict": {Status: 409}, "rate_limited": {Status: 429}, "timeout": {Status: 408}, "dropped": {Drop: true},
		"redirect": {Status: 307, Header: http.Header{"Location": {"/client/v4/elsewhere"}}}, "asked_to": {Status: 503, Header: http.Header{"X-Should-Retry": {"true"}}}}
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, database := server(t)
			db := client(s).Database(database.ID, "auto")
			if _, err := db.Bookmark(t.Context(), time.Time{}); err != nil { // the connection is open and used again
				t.Fatal(err)
			}
			s.Forget()
			s.SetFault(func(d1test.Request) *d1test.Fault { return &fault })
			err := db.Apply(t.Context(), migration.Batch{Statements: []migration.BatchStatement{{Query: migration.Query{SQL: "CREATE TABLE t(x)"}}}})
			if _, ok := errors.AsType[*migration.ApplyError](err); !ok {
				t.Errorf("Apply() = %v, want an *ApplyError", err)
			}
			if _, err := db.Restore(t.Context(), "x"); err == nil {
				t.Error("Restore() has no error")
			}
			if got := s.Requests(); len(got) != 2 {
				t.Errorf("%d requests for two writes", len(got))
			}
		})
	}
}

func TestTimeout(t *testing.T) {
	t.Parallel()
	s, database := server(t)
	s.SetFault(func(r d1test.Request) *d1test.Fault {
		if r.Writes() {
			return &d1test.Fault{Hang: true}
		}
		return nil
	})
	db := d1.New(d1.Config{AccountID: d1test.Account, Token: d1test.Token, BaseURL: s.URL, Timeout: 50 * time.Millisecond, Sleep: noSleep}).Database(database.ID, "auto")
	err := db.Apply(t.Context(), migration.Batch{Statements: []migration.BatchStatement{{Query: migration.Query{SQL: "CREATE TABLE t(x)"}}}})
	unclear, ok := errors.AsType[*migration.ApplyError](err)
	if !ok || unclear.Untouched || unclear.Transient || !strings.Contains(err.Error(), "no answer within 50ms") {
		t.Errorf("Apply() = %+v", err)
	}
}

// TestLateWrites lets each kind of write take effect only after the run has given it up.
func TestLateWrites(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/query", "/restore", "/deployments"} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			s, database := server(t)
			s.Deploy("shop", "v1")
			engine := &migration.Engine{Environment: client(s).Database(database.ID, "auto"), Table: "d1_migrations", Journal: true, Now: time.Now, Sleep: noSleep, Worker: client(s).Worker("shop"),
				Directory: migration.Directory{FS: fstest.MapFS{"0001_a.sql": {Data: []byte("CREATE TABLE a(x)")}}, Pattern: "*.sql"}}
			before := migration.Bookmark(database.History()[0].Bookmark)
			if path != "/query" {
				if _, err := engine.Migrate(t.Context(), migration.MigrateOptions{}); err != nil {
					t.Fatal(err)
				}
				s.Deploy("shop", "v2")
			}
			impatient := d1.New(d1.Config{AccountID: d1test.Account, Token: d1test.Token, BaseURL: s.URL, Sleep: noSleep, Timeout: 500 * time.Millisecond})
			engine.Environment, engine.Worker = impatient.Database(database.ID, "auto"), impatient.Worker("shop")
			release := make(chan struct{})
			s.Set(func() {
				s.Gate = func(r d1test.Request) {
					if r.Method == http.MethodPost && strings.HasSuffix(r.Path, path) {
						<-release
					}
				}
			})
			defer close(release)
			var result migration.Result
			var err error
			if path == "/query" {
				result, err = engine.Migrate(t.Context(), migration.MigrateOptions{})
			} else {
				result, err = engine.Restore(t.Context(), migration.RestoreOptions{Bookmark: before, RollbackWorker: path == "/deployments"})
			}
			if result.Status != migration.Uncertain {
				t.Errorf("it may yet take effect, but the run says %s: %v", result.Status, err)
			}
		})
	}
}

// TestStandingTransfers is about the two requests that have no time-out of their own.
func TestStandingTransfers(t *testing.T) {
	t.Parallel()
	s, database := server(t)
	s.SetFault(func(r d1test.Request) *d1test.Fault {
		if strings.HasPrefix(r.Path, "/signed/") {
			return &d1test.Fault{Hang: true}
		}
		return nil
	})
	db := d1.New(d1.Config{AccountID: d1test.Account, Token: d1test.Token, BaseURL: s.URL, Sleep: noSleep, Timeout: 500 * time.Millisecond}).Database(database.ID, "import")
	err := db.Apply(t.Context(), migration.Batch{Statements: []migration.BatchStatement{{Query: migration.Query{SQL: "CREATE TABLE t(x)"}}}})
	if unclear, ok := errors.AsType[*migration.ApplyError](err); !ok || !unclear.Untouched || unclear.Transient || !strings.Contains(err.Error(), "nothing has moved for 500ms") {
		t.Errorf("Apply() = %+v", err)
	}
	if err := db.Dump(t.Context(), io.Discard); err == nil || !strings.Contains(err.Error(), "nothing has moved for 500ms") {
		t.Errorf("Dump() = %v", err)
	}
}

// TestInterruptedInit: an import that was not told to begin has done nothing, whatever becomes
// of its first request.
func TestInterruptedInit(t *testing.T) {
	t.Parallel()
	s, database := server(t)
	ctx, cancel := context.WithCancel(t.Context())
	s.SetFault(func(d1test.Request) *d1test.Fault { cancel(); return &d1test.Fault{Hang: true} })
	db := d1.New(d1.Config{AccountID: d1test.Account, Token: d1test.Token, BaseURL: s.URL, Sleep: noSleep, Grace: 100 * time.Millisecond}).Database(database.ID, "import")
	err := db.Apply(ctx, migration.Batch{Statements: []migration.BatchStatement{{Query: migration.Query{SQL: "CREATE TABLE t(x)"}}}})
	if unclear, ok := errors.AsType[*migration.ApplyError](err); !ok || !unclear.Untouched {
		t.Errorf("Apply() = %+v", err)
	}
}

// torn is an environment in which someone commits between the readings of journal and
// ledger that follow a write.
type torn struct {
	migration.Environment
	wrote         *atomic.Bool
	read          chan struct{} // closed when the journal was read
	close, commit func()        // happen once
}

func (e torn) Apply(context.Context, migration.Batch) error {
	e.wrote.Store(true)
	return &migration.ApplyError{Err: errors.New("lost")}
}

func (e torn) Read(ctx context.Context, queries ...migration.Query) ([]migration.Rows, error) {
	switch {
	case !e.wrote.Load():
	case queries[0].Optional == migration.JournalTable:
		defer e.close()
	default:
		<-e.read
		e.commit()
	}
	return e.Environment.Read(ctx, queries...)
}

// TestTornReading: ledger and journal are two requests, and a rival may commit in between.
func TestTornReading(t *testing.T) {
	t.Parallel()
	s, database := server(t)
	env := client(s).Database(database.ID, "auto")
	engine := migration.Engine{Environment: env, Table: "d1_migrations", Journal: true, Now: time.Now, Sleep: noSleep,
		Directory: migration.Directory{FS: fstest.MapFS{"0001_a.sql": {Data: []byte("CREATE TABLE a(x)")}}, Pattern: "*.sql"}}
	rival := engine
	read := make(chan struct{})
	engine.Environment = torn{env, &atomic.Bool{}, read, sync.OnceFunc(func() { close(read) }), sync.OnceFunc(func() {
		if _, err := rival.Migrate(t.Context(), migration.MigrateOptions{}); err != nil {
			t.Error(err)
		}
	})}
	if result, err := engine.Migrate(t.Context(), migration.MigrateOptions{}); err != nil || !result.Rival {
		t.Errorf("Migrate() = %s, rival %v, %v", result.Status, result.Rival, err)
	}
}

// TestWriteWhileBeingAsked: a person takes time to confirm a restore.
func TestWriteWhileBeingAsked(t *testing.T) {
	t.Parallel()
	s, database := server(t)
	engine := migration.Engine{Environment: client(s).Database(database.ID, "auto"), Table: "d1_migrations", Journal: true, Now: time.Now, Sleep: noSleep,
		Directory: migration.Directory{FS: fstest.MapFS{"0001_a.sql": {Data: []byte("CREATE TABLE a(x)")}}, Pattern: "*.sql"}}
	if _, err := engine.Migrate(t.Context(), migration.MigrateOptions{}); err != nil {
		t.Fatal(err)
	}
	now := migration.Bookmark(database.History()[1].Bookmark)
	result, err := engine.Restore(t.Context(), migration.RestoreOptions{Bookmark: now, Confirm: func(migration.Result, []string) error {
		return database.Exec("INSERT INTO a VALUES (1)")
	}})
	if rows := database.Rows("SELECT * FROM a"); err != nil || result.Status != migration.Restored || len(rows) > 0 {
		t.Errorf("Restore() = %s, %v; rows %v", result.Status, err, rows)
	}
}

// TestInterruptedWrite cancels a run while its write is under way.
func TestInterruptedWrite(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name  string
		fault *d1test.Fault
		want  migration.Status
	}{
		{"answered_within_the_grace", nil, migration.Applied},
		{"lost_within_the_grace", &d1test.Fault{After: true, Drop: true}, migration.Applied},
		{"no_answer_committed", &d1test.Fault{After: true, Hang: true}, migration.Applied},
		{"no_answer", &d1test.Fault{Hang: true}, migration.Uncertain},
		{"lost_before_it_took_effect", &d1test.Fault{Drop: true}, migration.Failure},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s, database := server(t)
			ctx, cancel := context.WithCancel(t.Context())
			s.SetFault(func(r d1test.Request) *d1test.Fault {
				if !strings.HasSuffix(r.Path, "/query") {
					return nil
				}
				cancel()
				return tc.fault
			})
			c := d1.New(d1.Config{AccountID: d1test.Account, Token: d1test.Token, BaseURL: s.URL, Grace: 100 * time.Millisecond, Sleep: noSleep})
			engine := &migration.Engine{Environment: c.Database(database.ID, "auto"), Table: "d1_migrations", Journal: true, Now: time.Now, Sleep: noSleep,
				Directory: migration.Directory{FS: fstest.MapFS{"0001_a.sql": {Data: []byte("CREATE TABLE a(x)")}}, Pattern: "*.sql"}}
			result, err := engine.Migrate(ctx, migration.MigrateOptions{})
			if result.Status != tc.want {
				t.Errorf("Migrate() = %s, %v; want %s", result.Status, err, tc.want)
			}
			if p, ok := errors.AsType[*migration.Problem](err); ok && tc.want == migration.Uncertain && !strings.Contains(p.State, "may yet be") {
				t.Errorf("state: %s", p.State)
			}
		})
	}
}

// TestRequestShapes holds the requests against those that the service documents.
func TestRequestShapes(t *testing.T) {
	t.Parallel()
	s, database := server(t)
	db := client(s).Database(database.ID, "auto")
	base := "/accounts/" + d1test.Account + "/d1/database/" + database.ID
	ctx := t.Context()
	at := time.Date(2026, 11, 24, 1, 2, 3, 0, time.FixedZone("", 3600))
	_, _ = db.Read(ctx, migration.Query{SQL: "SELECT ?", Args: []any{"a"}}, migration.Query{SQL: "SELECT 2"})
	_, _ = db.Bookmark(ctx, time.Time{})
	_, _ = d1.New(d1.Config{AccountID: d1test.Account, Token: d1test.Token, BaseURL: s.URL + "/", Now: func() time.Time { return at }, Sleep: noSleep}).Database(database.ID, "auto").Bookmark(ctx, at)
	_, _ = db.Restore(ctx, "00000001-00000000-00004c6d-00000000000000000000000000000000")
	_ = db.Apply(ctx, migration.Batch{Statements: []migration.BatchStatement{{Query: migration.Query{SQL: "create trigger g after insert on t\r\nbegin select 1; -- c\nend"}}}})
	type shape struct{ Method, Path, Query, Body string }
	var got []shape
	for _, r := range s.Requests() {
		got = append(got, shape{r.Method, r.Path, r.Query, r.Body})
	}
	want := []shape{
		{"POST", base + "/raw", "", `{"batch":[{"sql":"SELECT ?","params":["a"]},{"sql":"SELECT 2"}]}`},
		{"GET", base + "/time_travel/bookmark", "", ""},
		{"GET", base + "/time_travel/bookmark", "timestamp=2026-11-24T00%3A02%3A03.000Z", ""},
		{"GET", base, "", ""}, // there was no database at that time: is it an alpha one?
		{"POST", base + "/time_travel/restore", "bookmark=00000001-00000000-00004c6d-00000000000000000000000000000000", ""},
		{"POST", base + "/query", "", `{"batch":[{"sql":"create trigger g after insert on t BEGIN select 1; END"}]}`},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

// TestValues holds what comes back against what is stored.
func TestValues(t *testing.T) {
	t.Parallel()
	s, database := server(t)
	rows, err := client(s).Database(database.ID, "auto").Read(t.Context(),
		migration.Query{SQL: "SELECT 1 AS a, 2.5 AS b, 'ä' AS c, x'00ff' AS d, NULL AS e, 1 AS a"},
		migration.Query{SQL: "SELECT * FROM missing", Optional: "missing"}, migration.Query{SQL: "SELECT 3 AS z WHERE 0"})
	if err != nil {
		t.Fatal(err)
	}
	want := []migration.Rows{{Columns: []string{"a", "b", "c", "d", "e", "a"}, Values: [][]any{{int64(1), 2.5, "ä", []byte{0, 255}, nil, int64(1)}}}, {}, {Columns: []string{"z"}}}
	if rows[1].Err == nil || !strings.Contains(rows[1].Err.Error(), "no such table: missing") {
		t.Errorf("the missing table's error is %v", rows[1].Err)
	}
	rows[1].Err = nil
	if diff := cmp.Diff(want, rows); diff != "" {
		t.Errorf("Read() (-want +got):\n%s", diff)
	}
	if n := len(s.Requests()); n != 2 {
		t.Errorf("%d requests, want 2: one without the missing table", n)
	}
}

// One query that is refused among many costs a request for each half, not one for each query.
func TestReadOfMany(t *testing.T) {
	t.Parallel()
	s, database := server(t)
	var queries []migration.Query
	for i := range 64 {
		queries = append(queries, migration.Query{SQL: fmt.Sprintf("SELECT %d", i)})
	}
	queries[40].SQL = "SELECT * FROM missing"
	rows, err := client(s).Database(database.ID, "auto").Read(t.Context(), queries...)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range rows {
		if (r.Err != nil) != (i == 40) || i != 40 && fmt.Sprint(r.Values) != fmt.Sprintf("[[%d]]", i) {
			t.Errorf("query %d: %v, %v", i, r.Values, r.Err)
		}
	}
	if n := len(s.Requests()); n > 20 {
		t.Errorf("%d requests", n)
	}
}
