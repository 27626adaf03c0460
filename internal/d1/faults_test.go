package d1_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/d1-rewind/d1-rewind/internal/d1"
	"github.com/d1-rewind/d1-rewind/internal/d1/d1test"
	"github.com/d1-rewind/d1-rewind/internal/migration"
)

var (
	schedules = flag.Int("schedules", 1000, "fault schedules of TestExactlyOnce")
	firstSeed = flag.Uint64("seed", 1, "seed of the first schedule")
)

// noSleep waits for nobody.
func noSleep(ctx context.Context, _ time.Duration) error { return ctx.Err() }

func client(s *d1test.Server) *d1.Client {
	return d1.New(d1.Config{AccountID: d1test.Account, Token: d1test.Token, BaseURL: s.URL, Sleep: noSleep, Timeout: 10 * time.Second})
}

// mortal is an environment of a process that dies: from then on no call of it ever gets to
// the database or comes back.
type mortal struct {
	migration.Environment
	life   *atomic.Int64 // calls left; the last one happens, but nobody sees its answer
	killed chan struct{}
	grave  context.Context
}

func (m mortal) live() (last bool) {
	switch left := m.life.Add(-1); {
	case left < 0:
		<-m.grave.Done()
		return true
	default:
		return left == 0
	}
}

func (m mortal) die() {
	close(m.killed)
	<-m.grave.Done()
}

func (m mortal) Read(ctx context.Context, q ...migration.Query) ([]migration.Rows, error) {
	last := m.live()
	if m.grave.Err() != nil {
		return nil, m.grave.Err()
	}
	rows, err := m.Environment.Read(ctx, q...)
	if last {
		m.die()
	}
	return rows, err
}

func (m mortal) Apply(ctx context.Context, b migration.Batch) error {
	last := m.live()
	if m.grave.Err() != nil {
		return m.grave.Err()
	}
	err := m.Environment.Apply(ctx, b)
	if last {
		m.die()
	}
	return err
}

// stale is the mutation: what it reads after a write is what it read before.
type stale struct {
	migration.Environment
	mutex *sync.Mutex
	seen  map[string][]migration.Rows
}

func (s stale) Read(ctx context.Context, q ...migration.Query) ([]migration.Rows, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	key := q[0].SQL
	if rows, ok := s.seen[key]; ok {
		return rows, nil
	}
	rows, err := s.Environment.Read(ctx, q...)
	if err == nil {
		s.seen[key] = rows
	}
	return rows, err
}

// schedule is one random life of a database: migrations, runs, and what goes wrong.
type schedule struct {
	seed     uint64
	random   *rand.Rand
	mutate   bool
	server   *d1test.Server
	database *d1test.Database
	files    fstest.MapFS
	names    []string
	broken   string // a migration that fails, "" if none does
	journal  bool

	runs       int
	rewound    bool // someone has taken the database back, so that what was applied may not be so any more
	late       bool // a request took effect after its run ended: what the run said may be outdated
	injected   int
	violations []string
}

func (s *schedule) violation(format string, args ...any) {
	s.violations = append(s.violations, fmt.Sprintf("seed %d: ", s.seed)+fmt.Sprintf(format, args...))
}

func newSchedule(seed uint64, mutate bool) *schedule {
	s := &schedule{seed: seed, random: rand.New(rand.NewPCG(seed, 2)), mutate: mutate, server: d1test.New(), files: fstest.MapFS{}}
	s.server.ImportPolls = s.random.IntN(3)
	s.database = s.server.Create("prod")
	if err := s.database.Exec("CREATE TABLE effects (migration TEXT)"); err != nil {
		panic(err)
	}
	s.journal = s.random.IntN(5) > 0
	for i := range 1 + s.random.IntN(4) {
		name := fmt.Sprintf("%04d_m.sql", i+1)
		sql := fmt.Sprintf("CREATE TABLE t%d (x);\nINSERT INTO effects VALUES ('%s');\n", i, name)
		if s.random.IntN(3) == 0 {
			sql += fmt.Sprintf("create trigger g%d after insert on t%d\r\nbegin\r\n  delete from t%d where x = case when new.x = 1 then 2 end;\r\nend;\n", i, i, i)
		}
		if s.broken == "" && s.random.IntN(8) == 0 {
			s.broken = name
			sql += "INSERT INTO missing VALUES (1);\n"
		}
		s.names = append(s.names, name)
		s.files[name] = &fstest.MapFile{Data: []byte(sql)}
	}
	return s
}

// fault is a random thing that goes wrong with a request.
func (s *schedule) fault() *d1test.Fault {
	page := http.Header{"Content-Type": {"text/html"}}
	f := &d1test.Fault{After: s.random.IntN(2) == 0}
	switch s.random.IntN(11) {
	case 0:
		f.Drop = true
	case 1:
		f.Truncate = true
	case 2:
		f.Status, f.Body = http.StatusTooManyRequests, `{"success":false,"errors":[{"code":10429,"message":"rate limited"}]}`
	case 3:
		f.Status, f.Header = http.StatusTooManyRequests, http.Header{"Retry-After": {"17"}}
	case 4:
		f.Status, f.Body, f.Header = http.StatusBadGateway, "<html><title>502 Bad Gateway</title></html>", page
	case 5:
		f.Status, f.Body, f.Header = http.StatusGatewayTimeout, "<html><title>504</title></html>", page
	case 6:
		f.Status, f.Body = http.StatusInternalServerError, `{"success":false,"errors":[{"code":7500,"message":"internal error; reference = x"}]}`
	case 7:
		f.Status, f.Body = http.StatusOK, `{"success":false,"errors":[{"code":7500,"message":"D1 DB is overloaded. Requests queued for too long."}],"result":[]}`
	case 8:
		f.Status, f.Body = http.StatusOK, `{"success":true,"errors":[],"result":[{"success":false}]}`
	case 9:
		f.Status, f.Body, f.Header = http.StatusOK, "<html><title>Welcome to the proxy</title></html>", page
	case 10:
		f.Late = true
	}
	return f
}

// rival is the dashboard, going back to an earlier state, or wrangler, applying the first migration
// that is not applied yet: its statements, then its ledger row, in one transaction.
func (s *schedule) rival() {
	if history := s.database.History(); len(history) > 2 && s.random.IntN(3) == 0 {
		s.rewound = true
		if err := s.database.Rewind(history[1+s.random.IntN(len(history)-1)]); err != nil { // with the table effects
			panic(err)
		}
		return
	}
	for _, name := range s.names {
		if name == s.broken || len(s.database.Rows("SELECT 1 FROM d1_migrations WHERE name = '"+name+"'")) == 1 && s.database.Rows("SELECT 1 FROM d1_migrations WHERE name = '" + name + "'")[0] == "1" {
			continue
		}
		m, err := migration.Parse(name, s.files[name].Data)
		if err != nil {
			panic(err)
		}
		sql := []string{"CREATE TABLE IF NOT EXISTS d1_migrations (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE, applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL)"}
		for _, st := range m.Statements {
			sql = append(sql, st.SQL)
		}
		_ = s.database.Exec(append(sql, "INSERT INTO d1_migrations (name) VALUES ('"+name+"')")...)
		return
	}
}

// actor names the run that goes on, in the journal.
func (s *schedule) actor() string { return fmt.Sprintf("run %d", s.runs) }

// run is one process that migrates while things go wrong.
func (s *schedule) run(grave context.Context) {
	s.runs++
	faulty := 1 + s.random.IntN(3) // requests that something happens to
	at := map[int]bool{}
	for range faulty {
		at[1+s.random.IntN(9)] = true
	}
	var mutex sync.Mutex // the random source is shared by requests that run at once
	n, quiet := 0, false
	fault := func(r d1test.Request) *d1test.Fault {
		mutex.Lock()
		defer mutex.Unlock()
		n++
		if quiet || !at[n] || strings.Contains(r.Path, "/signed/") && s.random.IntN(2) == 0 {
			return nil
		}
		s.injected++
		if s.random.IntN(6) == 0 {
			quiet = true
			s.rival()
			quiet = false
			return nil
		}
		f := s.fault()
		if f.Late && r.Writes() {
			s.late = true
		}
		return f
	}
	defer s.server.SetFault(nil)
	transport := []string{"auto", "auto", "query", "import"}[s.random.IntN(4)]
	var environment migration.Environment = client(s.server).Database(s.database.ID, transport)
	if s.mutate {
		environment = stale{environment, &sync.Mutex{}, map[string][]migration.Rows{}}
	}
	dying := mortal{environment, &atomic.Int64{}, make(chan struct{}), grave}
	dying.life.Store(1 << 40)
	if s.random.IntN(4) == 0 {
		dying.life.Store(1 + s.random.Int64N(6))
		s.injected++
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if s.random.IntN(6) == 0 { // a cancelled job
		calls := 1 + s.random.IntN(6)
		inner := fault
		fault = func(r d1test.Request) *d1test.Fault {
			f := inner(r)
			mutex.Lock()
			defer mutex.Unlock()
			if n == calls {
				s.injected++
				cancel()
			}
			return f
		}
	}
	engine := &migration.Engine{Environment: dying, Directory: migration.Directory{FS: s.files, Pattern: "*.sql", Display: "migrations"},
		Table: "d1_migrations", Journal: s.journal, Now: time.Now, Sleep: noSleep, Origin: migration.Origin{Actor: s.actor()}}
	before := s.applied()
	options := migration.MigrateOptions{PerMigration: s.random.IntN(4) == 0}
	type outcome struct {
		result migration.Result
		err    error
	}
	s.server.SetFault(fault)
	ended := make(chan outcome, 1)
	go func() {
		result, err := engine.Migrate(ctx, options)
		ended <- outcome{result, err}
	}()
	select {
	case <-dying.killed: // it says nothing any more
	case o := <-ended:
		s.judge(o.result, o.err, before, options)
	}
}

// applied returns the ledger's names.
func (s *schedule) applied() []string {
	rows := s.database.Rows("SELECT name FROM d1_migrations ORDER BY id")
	if len(rows) == 1 && strings.Contains(rows[0], "no such table") {
		return nil
	}
	return rows
}

// judge compares what a run says with what the server has committed.
func (s *schedule) judge(result migration.Result, err error, before []string, o migration.MigrateOptions) {
	after := s.applied()
	for _, m := range result.Applied {
		if !slices.Contains(after, m.Name) && !s.rewound {
			s.violation("said %s was applied, but it is not", m.Name)
		}
	}
	problem, _ := errors.AsType[*migration.Problem](err)
	switch {
	case err == nil:
		if len(after) != len(s.names) && !s.rewound {
			s.violation("said %s, but %d of %d are applied", result.Status, len(after), len(s.names))
		}
	case problem == nil:
		s.violation("an error without a state: %v", err)
	case problem.Kind == migration.Unknown, s.late:
	case strings.Contains(problem.State, "nothing of this run was applied"), strings.Contains(problem.State, "nothing was written"):
		// Whatever is new has to be a rival's: it has no journal row of this run.
		for _, name := range after {
			ours := s.database.Rows("SELECT 1 FROM d1_rewind_journal WHERE actor = '" + s.actor() + "' AND migrations LIKE '%" + name + "%'")
			if !slices.Contains(before, name) && s.journal && len(ours) == 1 && ours[0] == "1" {
				s.violation("said %q (%v), but %s is applied", problem.State, problem, name)
			}
		}
	}
}

// check holds the server's own record against the promises.
func (s *schedule) check() {
	applied := s.applied()
	for i, name := range s.names {
		missing := func(earlier string) bool { return earlier != s.broken && !slices.Contains(applied, earlier) }
		if slices.Contains(applied, name) && slices.ContainsFunc(s.names[:i], missing) {
			s.violation("%s is applied without one of those before it: %v", name, applied)
		}
		effects := len(s.database.Rows("SELECT 1 FROM effects WHERE migration = '" + name + "'"))
		recorded := 0
		if slices.Contains(applied, name) {
			recorded = 1
		}
		if effects != recorded {
			s.violation("%s took effect %d times and is in the ledger %d times", name, effects, recorded)
		}
		commits := 0
		for _, state := range s.database.History() {
			wrote := slices.ContainsFunc(state.SQL, func(sql string) bool { return strings.Contains(sql, "INSERT INTO effects VALUES ('"+name+"')") })
			entered := slices.ContainsFunc(state.SQL, func(sql string) bool {
				return strings.Contains(sql, "d1_migrations") && strings.HasPrefix(sql, "INSERT") && strings.Contains(sql, name)
			})
			if wrote != entered {
				s.violation("one commit has of %s: effect %v, ledger row %v", name, wrote, entered)
			}
			if wrote {
				commits++
			}
		}
		if commits > 1 && !s.rewound {
			s.violation("%s was committed %d times", name, commits)
		}
	}
}

// play runs the schedule and ends it with a run that nothing happens to.
func (s *schedule) play(grave context.Context) {
	defer s.server.Close()
	for range 1 + s.random.IntN(3) {
		if s.random.IntN(5) == 0 { // two runners at once
			var both sync.WaitGroup
			other := &migration.Engine{Environment: client(s.server).Database(s.database.ID, "auto"),
				Directory: migration.Directory{FS: s.files, Pattern: "*.sql"}, Table: "d1_migrations", Journal: s.journal, Now: time.Now, Sleep: noSleep}
			both.Go(func() { _, _ = other.Migrate(context.Background(), migration.MigrateOptions{}) })
			s.run(grave)
			both.Wait()
		} else {
			s.run(grave)
		}
		s.check()
	}
	s.late = false
	for range 2 { // the first one may let a late request in
		last := &migration.Engine{Environment: client(s.server).Database(s.database.ID, "auto"),
			Directory: migration.Directory{FS: s.files, Pattern: "*.sql"}, Table: "d1_migrations", Journal: s.journal, Now: time.Now, Sleep: noSleep}
		result, err := last.Migrate(context.Background(), migration.MigrateOptions{PerMigration: true})
		s.check()
		if s.broken == "" && err != nil {
			s.violation("the last run without faults failed: %v", err)
		}
		if s.broken == "" && len(s.applied()) != len(s.names) {
			s.violation("the last run said %s and left %v of %v", result.Status, s.applied(), s.names)
		}
		if s.broken != "" && slices.Contains(s.applied(), s.broken) {
			s.violation("the broken migration %s is in the ledger", s.broken)
		}
	}
}

func playAll(t *testing.T, count int, mutate bool) (injected int, violations []string) {
	t.Helper()
	grave, open := context.WithCancel(t.Context())
	defer open()
	var mutex sync.Mutex
	var workers sync.WaitGroup
	seeds := make(chan uint64)
	for range 4 {
		workers.Go(func() {
			for seed := range seeds {
				s := newSchedule(seed, mutate)
				s.play(grave)
				mutex.Lock()
				injected += s.injected
				violations = append(violations, s.violations...)
				mutex.Unlock()
			}
		})
	}
	for i := range count {
		seeds <- *firstSeed + uint64(i)
	}
	close(seeds)
	workers.Wait()
	return injected, violations
}

// TestExactlyOnce plays random schedules of faults, kills and rivals against the stand-in
// and holds its record of what was committed against the promises. One schedule alone:
// go test ./internal/d1 -run TestExactlyOnce -schedules 1 -seed N.
func TestExactlyOnce(t *testing.T) {
	t.Parallel()
	count := *schedules
	if testing.Short() {
		count = 100
	}
	injected, violations := playAll(t, count, false)
	t.Logf("%d schedules from seed %d, %d faults injected, %d violations", count, *firstSeed, injected, len(violations))
	for i, v := range violations {
		if i == 20 {
			break
		}
		t.Error(v)
	}
}

// TestExactlyOnceNoticesStaleReads shows that the schedules find an engine that does not
// read the ledger again after an unclear answer.
func TestExactlyOnceNoticesStaleReads(t *testing.T) {
	t.Parallel()
	_, violations := playAll(t, 100, true)
	if len(violations) == 0 {
		t.Error("100 schedules found nothing wrong with an engine that reads a stale ledger")
	} else {
		t.Logf("%d violations found, the first: %s", len(violations), violations[0])
	}
}
