package d1_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/d1-rewind/d1-rewind/internal/d1"
	"github.com/d1-rewind/d1-rewind/internal/d1/d1test"
	"github.com/d1-rewind/d1-rewind/internal/migration"
	"github.com/d1-rewind/d1-rewind/internal/statement"
)

// TestLive holds what the program relies on against Cloudflare's own service, where
// D1_REWIND_LIVE=1, CLOUDFLARE_API_TOKEN (permission Account > D1 > Edit) and
// CLOUDFLARE_ACCOUNT_ID are set, and else against the stand-in. It makes a database of its
// own and deletes it; a free account is enough, and no other database is touched.
//
// Where a promise of the program depends on the service, a difference fails. Where it is
// merely an assumption, the log has it as "service says: …".
func TestLive(t *testing.T) {
	t.Parallel()
	s := theService(t)
	for _, test := range []struct {
		name string
		run  func(*service, *testing.T)
	}{
		{"batch_is_atomic", (*service).batchIsAtomic},
		{"batch_with_ddl_is_atomic", (*service).batchWithDDLIsAtomic},
		{"missing_table_fails_only_its_own_query", (*service).missingTable},
		{"ledger_refuses_a_repeated_batch", (*service).repeatedBatch},
		{"loser_of_a_race_ends_well", (*service).race},
		{"canonical_triggers_pass", (*service).canonicalTriggers},
		{"parameters_are_strings", (*service).parameters},
		{"error_texts", (*service).errorTexts},
		{"bookmarks_sort", (*service).bookmarksSort},
		{"bookmark_is_stable_while_nothing_is_written", (*service).bookmarkIsStable},
		{"timestamp_names_the_state_of_then", (*service).timestamp},
		{"restore_and_undo_bring_rows_back", (*service).restoreAndUndo},
		{"restore_holds_what_it_undid", (*service).restoreHolds},
		{"lost_answer_to_a_restore", (*service).lostRestore},
		{"lost_answer_to_a_query", func(s *service, t *testing.T) { s.lostAnswer(t, "query", "/query", true) }},
		{"lost_answer_without_a_journal", func(s *service, t *testing.T) { s.lostAnswer(t, "query", "/query", false) }},
		{"lost_answer_to_an_import", func(s *service, t *testing.T) { s.lostAnswer(t, "import", `"action":"ingest"`, true) }},
		{"import_with_ledger_and_journal", (*service).importOnce},
		{"identical_import_does_not_apply_twice", (*service).importTwice},
		{"export_ends_whole", (*service).export},
		{"size_of_a_request", (*service).requestSize},
		{"token_is_verified", (*service).rightToken},
		{"wrong_token_gives_the_advice_about_tokens", (*service).wrongToken},
		{"facts_that_nothing_depends_on", (*service).facts},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(s, t) })
	}
}

// service is Cloudflare or the stand-in, with one database to try things on.
type service struct {
	ctx                  context.Context // ends early enough for the database to be deleted
	base, account, token string
	real                 bool
	now                  func() time.Time
	sleep                func(context.Context, time.Duration) error
	name, id             string // of the database
}

// leftover begins the name of every database that this test makes.
const leftover = "d1-rewind-live-"

// theService starts the stand-in, or takes Cloudflare from the environment, makes a
// database there and sees to its end.
func theService(t *testing.T) *service {
	t.Helper()
	s := &service{ctx: t.Context(), name: leftover + strings.ToLower(rand.Text()[:12])}
	if os.Getenv("D1_REWIND_LIVE") == "1" {
		s.cloudflare(t)
	} else {
		standIn := d1test.New()
		t.Cleanup(standIn.Close)
		passing := &clock{now: time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)}
		standIn.Now, standIn.ImportPolls = passing.Now, 2
		s.base, s.account, s.token = standIn.URL, d1test.Account, d1test.Token
		s.now, s.sleep = passing.Now, passing.Sleep
	}
	t.Logf("service: %s", s.base)

	c := s.client(s.base, s.token)
	if s.real {
		if all, err := c.Named(s.ctx, ""); err == nil {
			for _, d := range all {
				if strings.HasPrefix(d.Name, leftover) {
					t.Logf("an earlier run was killed or is still going on: if no other one is, wrangler d1 delete %s", d.Name)
				}
			}
		}
	}
	// The answer to the creation may be lost, so the name finds what is to be deleted.
	t.Cleanup(func() { s.delete(t) })
	status, answer := s.call(s.ctx, t, http.MethodPost, "/d1/database", map[string]string{"name": s.name})
	var made struct{ Result struct{ UUID string } }
	if err := json.Unmarshal([]byte(answer), &made); err != nil || status != http.StatusOK || made.Result.UUID == "" {
		t.Fatalf("creating a database was answered with HTTP %d: %s", status, answer)
	}
	s.id = made.Result.UUID
	for try := range 10 { // a new database may take a moment to be there for everybody
		_, err := s.database("query").Bookmark(s.ctx, time.Time{})
		if err == nil {
			break
		}
		if try == 9 {
			t.Fatalf("the new database does not answer: %v", err)
		}
		s.wait(t, 2*time.Second)
	}
	return s
}

// cloudflare makes s the real service.
func (s *service) cloudflare(t *testing.T) {
	t.Helper()
	s.real, s.base = true, d1.DefaultBaseURL
	if base := os.Getenv("CLOUDFLARE_API_BASE_URL"); base != "" {
		s.base = base
	}
	s.account, s.token = os.Getenv("CLOUDFLARE_ACCOUNT_ID"), os.Getenv("CLOUDFLARE_API_TOKEN")
	if s.account == "" || s.token == "" {
		t.Fatal("D1_REWIND_LIVE=1 needs CLOUDFLARE_API_TOKEN and CLOUDFLARE_ACCOUNT_ID")
	}
	s.now = time.Now
	s.sleep = func(ctx context.Context, d time.Duration) error {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(d):
			return nil
		}
	}
	ctx, stop := signal.NotifyContext(s.ctx, os.Interrupt, syscall.SIGTERM)
	t.Cleanup(stop)
	if deadline, ok := t.Deadline(); ok {
		early, cancel := context.WithDeadline(ctx, deadline.Add(-90*time.Second))
		t.Cleanup(cancel)
		ctx = early
	}
	s.ctx = ctx
}

// delete deletes the database, however the test ended.
func (s *service) delete(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.ctx), 80*time.Second)
	defer cancel()
	for range 5 {
		found, err := s.client(s.base, s.token).Named(ctx, s.name)
		if err == nil && len(found) == 0 {
			return
		}
		for _, d := range found {
			status, answer := s.call(ctx, t, http.MethodDelete, "/d1/database/"+d.ID, nil)
			t.Logf("deleting the database %s: HTTP %d", s.name, status)
			if status != http.StatusOK {
				t.Log(answer)
			}
		}
		_ = s.sleep(ctx, time.Second)
	}
	if found, err := s.client(s.base, s.token).Named(ctx, s.name); err != nil || len(found) > 0 {
		t.Errorf("the database may be left behind: wrangler d1 delete %s", s.name)
	}
}

// call sends one request that the program itself never sends. Status 0 is no answer.
func (s *service) call(ctx context.Context, t *testing.T, method, path string, body any) (status int, answer string) {
	t.Helper()
	data, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	if body == nil {
		data = nil
	}
	request, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(s.base, "/")+"/accounts/"+url.PathEscape(s.account)+path, bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+s.token)
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err.Error()
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, err.Error()
	}
	return response.StatusCode, string(text)
}

func (s *service) client(base, token string) *d1.Client {
	return d1.New(d1.Config{AccountID: s.account, Token: token, BaseURL: base, Now: s.now, Sleep: s.sleep})
}

func (s *service) database(transport string) *d1.Database {
	return s.client(s.base, s.token).Database(s.id, transport)
}

// says records what the service does where no promise depends on it. The stand-in has to
// do what we assume.
func (s *service) says(t *testing.T, assumed bool, format string, args ...any) {
	t.Helper()
	said := fmt.Sprintf(format, args...)
	switch {
	case assumed:
		t.Logf("service says: %s", said)
	case s.real:
		t.Logf("service says: %s (we assumed otherwise)", said)
	default:
		t.Errorf("the stand-in says: %s", said)
	}
}

func (s *service) wait(t *testing.T, d time.Duration) {
	t.Helper()
	if err := s.sleep(s.ctx, d); err != nil {
		t.Fatal(err)
	}
}

func batchOf(sql ...string) migration.Batch {
	var b migration.Batch
	for _, text := range sql {
		b.Statements = append(b.Statements, migration.BatchStatement{Query: migration.Query{SQL: text}})
	}
	return b
}

func (s *service) apply(sql ...string) error {
	return s.database("query").Apply(s.ctx, batchOf(sql...))
}

func (s *service) must(t *testing.T, sql ...string) {
	t.Helper()
	if err := s.apply(sql...); err != nil {
		t.Fatalf("%s: %v", strings.Join(sql, "; "), err)
	}
}

// rows returns the rows of a query, values as text joined by "|".
func (s *service) rows(t *testing.T, sql string, args ...any) []string {
	t.Helper()
	rows, err := d1test.RowsOf(s.ctx, s.database("query"), migration.Query{SQL: sql, Args: args})
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return rows
}

func (s *service) wantRows(t *testing.T, want []string, sql string, args ...any) {
	t.Helper()
	if diff := cmp.Diff(want, s.rows(t, sql, args...)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", sql, diff)
	}
}

func (s *service) bookmark(t *testing.T) migration.Bookmark {
	t.Helper()
	b, err := s.database("query").Bookmark(s.ctx, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// refusal wants an error that says that the database refused a statement.
func refusal(t *testing.T, err error) *migration.StatementError {
	t.Helper()
	refused, ok := errors.AsType[*migration.StatementError](err)
	if !ok {
		t.Fatalf("got %v, want a refused statement", err)
	}
	return refused
}

// batchIsAtomic: a batch whose last statement fails leaves nothing, whether it fails when
// it is compiled or when it runs.
func (s *service) batchIsAtomic(t *testing.T) {
	s.must(t, "CREATE TABLE atomic (x UNIQUE)", "INSERT INTO atomic VALUES (0)")
	for _, last := range []string{"INSERT INTO atomic_missing VALUES (1)", "INSERT INTO atomic VALUES (0)"} {
		before := s.bookmark(t)
		refusal(t, s.apply("INSERT INTO atomic VALUES (1)", "UPDATE atomic SET x = 2 WHERE x = 1", last))
		s.wantRows(t, []string{"0"}, "SELECT x FROM atomic ORDER BY x")
		after := s.bookmark(t)
		s.says(t, after == before, "the bookmark before a batch that fails with %s is %s, after it %s", last, before, after)
	}
}

func (s *service) batchWithDDLIsAtomic(t *testing.T) {
	s.must(t, "CREATE TABLE atomic_ddl (x)", "INSERT INTO atomic_ddl VALUES (0)", "CREATE TABLE atomic_dropped (x)")
	schema := "SELECT type, name, sql FROM sqlite_schema WHERE name LIKE 'atomic!_d%' ESCAPE '!' ORDER BY name"
	before := s.rows(t, schema)
	for _, last := range []string{"INSERT INTO atomic_missing VALUES (1)", "INSERT INTO atomic_ddl SELECT abs(-9223372036854775808)"} {
		refusal(t, s.apply(
			"CREATE TABLE atomic_d1 (x)", "INSERT INTO atomic_d1 VALUES (1)", "ALTER TABLE atomic_ddl ADD COLUMN y DEFAULT 1",
			"CREATE INDEX atomic_d2 ON atomic_ddl (y)", "CREATE TRIGGER atomic_d3 AFTER INSERT ON atomic_ddl BEGIN SELECT 1; END",
			"DROP TABLE atomic_dropped", last))
		if diff := cmp.Diff(before, s.rows(t, schema)); diff != "" {
			t.Errorf("the schema after %s (-before +after):\n%s", last, diff)
		}
		s.wantRows(t, []string{"0"}, "SELECT * FROM atomic_ddl")
	}
}

// missingTable: that is how a database without ledger or journal is read.
func (s *service) missingTable(t *testing.T) {
	answers, err := s.database("query").Read(s.ctx, migration.Query{SQL: "SELECT * FROM missing_ledger", Optional: "missing_ledger"}, migration.Query{SQL: "SELECT 1 AS one"})
	if err != nil {
		t.Fatal(err)
	}
	if err := answers[0].Err; err == nil || !strings.Contains(err.Error(), "no such table: missing_ledger") {
		t.Errorf("the missing table gives the error %v", err)
	}
	if diff := cmp.Diff(migration.Rows{Columns: []string{"one"}, Values: [][]any{{int64(1)}}}, answers[1]); diff != "" {
		t.Errorf("the other query (-want +got):\n%s", diff)
	}
}

// files are two migrations of which each notes once that it ran.
func files(prefix string) fstest.MapFS {
	all := fstest.MapFS{}
	for i := 1; i <= 2; i++ {
		name := fmt.Sprintf("%04d_%s.sql", i, prefix)
		all[name] = &fstest.MapFile{Data: []byte(fmt.Sprintf("CREATE TABLE IF NOT EXISTS effects (migration TEXT);\nINSERT INTO effects VALUES ('%s');\nCREATE TABLE %s_%d (x);\n", name, prefix, i))}
	}
	return all
}

// engine is a run with the ledger prefix_ledger.
func (s *service) engine(env migration.Environment, prefix string) *migration.Engine {
	return &migration.Engine{Environment: env, Directory: migration.Directory{FS: files(prefix), Pattern: "*.sql", Display: "migrations"},
		Table: prefix + "_ledger", Journal: true, Now: s.now, Sleep: s.sleep, Origin: migration.Origin{Actor: "TestLive"}}
}

func (s *service) migrate(t *testing.T, env migration.Environment, prefix string) {
	t.Helper()
	result, err := s.engine(env, prefix).Migrate(s.ctx, migration.MigrateOptions{})
	if err != nil || result.Status != migration.Applied {
		t.Fatalf("Migrate() = %s, %v; want applied", result.Status, err)
	}
}

// once wants each migration to be there exactly once: its effect, its ledger row and, but
// for journal 0, its journal row.
func (s *service) once(t *testing.T, prefix string, journal int) {
	t.Helper()
	for i := 1; i <= 2; i++ {
		name := fmt.Sprintf("%04d_%s.sql", i, prefix)
		s.wantRows(t, []string{"1"}, "SELECT count(*) FROM effects WHERE migration = ?", name)
		s.wantRows(t, []string{"1"}, "SELECT count(*) FROM "+prefix+"_ledger WHERE name = ?", name)
		if journal > 0 {
			s.wantRows(t, []string{fmt.Sprint(journal)}, "SELECT count(*) FROM "+migration.JournalTable+" WHERE kind = 'migrate' AND instr(migrations, ?)", name)
		}
	}
}

// before is an environment in which something happens just before the first write.
type before struct {
	migration.Environment
	once *sync.Once
	do   func(migration.Batch)
}

func (b before) Apply(ctx context.Context, batch migration.Batch) error {
	b.once.Do(func() { b.do(batch) })
	return b.Environment.Apply(ctx, batch)
}

// repeatedBatch sends the engine's own batch a second time.
func (s *service) repeatedBatch(t *testing.T) {
	var sent migration.Batch
	s.migrate(t, before{s.database("query"), &sync.Once{}, func(b migration.Batch) { sent = b }}, "repeated")
	for want, batch := range map[string]migration.Batch{
		"d1-rewind: not as planned":                      sent,            // its condition
		"UNIQUE constraint failed: repeated_ledger.name": sent.Anywhere(), // without it the ledger
	} {
		refused := refusal(t, s.database("query").Apply(s.ctx, batch))
		if !strings.Contains(refused.Text, want) {
			t.Errorf("the repeated batch is refused with %q, which does not contain %q", refused.Text, want)
		}
		s.says(t, true, "%s", refused.Text)
	}
	s.once(t, "repeated", 1)
}

// race lets another run apply the same migrations between a run's plan and its write.
func (s *service) race(t *testing.T) {
	env := before{s.database("query"), &sync.Once{}, func(migration.Batch) { s.migrate(t, s.database("query"), "raced") }}
	result, err := s.engine(env, "raced").Migrate(s.ctx, migration.MigrateOptions{})
	if err != nil || !result.Rival || result.Status != migration.UpToDate {
		t.Errorf("Migrate() = %s, rival %v, %v; want up-to-date, because of a rival", result.Status, result.Rival, err)
	}
	s.once(t, "raced", 1)
}

// canonicalTriggers sends every CREATE TRIGGER of the splitter's cases, in canonical text
// as the program does, and as it stands.
func (s *service) canonicalTriggers(t *testing.T) {
	data, err := os.ReadFile("../statement/testdata/splitter-cases.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Name              string
		Setup, Statements []string
		Error             *struct{ Contains string }
		D1                string // why D1 refuses it
	}
	if err := json.Unmarshal(data, &cases); err != nil {
		t.Fatal(err)
	}
	others := s.rows(t, "SELECT name FROM sqlite_schema")
	count := func() (n int) {
		for _, row := range s.rows(t, "SELECT name FROM sqlite_schema WHERE type = 'trigger'") {
			if !slices.Contains(others, row) {
				n++
			}
		}
		return n
	}
	forget := func() {
		var drops []string
		for _, row := range s.rows(t, "SELECT type, name FROM sqlite_schema WHERE type IN ('table', 'view') AND substr(name, 1, 7) <> 'sqlite_' ORDER BY type DESC") {
			if kind, name, _ := strings.Cut(row, "|"); !slices.Contains(others, name) {
				drops = append(drops, "DROP "+kind+` "`+strings.ReplaceAll(name, `"`, `""`)+`"`)
			}
		}
		if len(drops) > 0 {
			s.must(t, drops...)
		}
	}
	tried := 0
	for _, tc := range cases {
		var triggers, differ int
		for _, sql := range tc.Statements {
			if words := statement.Normalize(sql); len(words) > 2 && words[0] == "create" && slices.Contains(words[1:3], "trigger") {
				triggers++
			}
			if _, changed := statement.Canonical(sql); changed {
				differ++
			}
		}
		if triggers == 0 || tc.Error != nil || tc.D1 != "" {
			continue
		}
		tried++
		sql := slices.Concat(tc.Setup, tc.Statements)
		if err := s.apply(sql...); err != nil {
			t.Errorf("%s: the canonical text is refused: %v", tc.Name, err)
		} else if n := count(); n != triggers {
			t.Errorf("%s: %d triggers are there, want %d", tc.Name, n, triggers)
		}
		forget()
		if differ == 0 {
			continue
		}
		type element struct {
			SQL string `json:"sql"`
		}
		var raw struct {
			Batch []element `json:"batch"`
		}
		for _, text := range sql {
			raw.Batch = append(raw.Batch, element{text})
		}
		status, answer := s.call(s.ctx, t, http.MethodPost, "/d1/database/"+s.id+"/query", raw)
		verdict := "taken"
		if status != http.StatusOK {
			verdict = fmt.Sprintf("refused with HTTP %d: %s", status, strings.TrimSpace(answer))
		}
		s.says(t, true, "raw shape %s %q is %s", tc.Name, tc.Statements, verdict)
		forget()
	}
	t.Logf("%d cases with triggers", tried)
	if tried < 10 {
		t.Errorf("only %d cases with triggers were found", tried)
	}
}

// parameters: the API's description has them as strings only, so empty text stands for
// NULL in the journal's INSERT.
func (s *service) parameters(t *testing.T) {
	s.must(t, "CREATE TABLE parameters (id INTEGER PRIMARY KEY, a TEXT, b TEXT, c)")
	texts := []string{"", "it's; ?", "-- no comment\r\n\t\"q\"", "ünï 😀", "007", `{"a":[1]}`, strings.Repeat("x", 50_000)}
	var batch migration.Batch
	for i, text := range texts {
		batch.Statements = append(batch.Statements, migration.BatchStatement{Query: migration.Query{
			SQL: "INSERT INTO parameters VALUES (?, ?, nullif(?, ''), ?)", Args: []any{fmt.Sprint(i), text, text, text}}})
	}
	if err := s.database("query").Apply(s.ctx, batch); err != nil {
		t.Fatal(err)
	}
	answers, err := s.database("query").Read(s.ctx, migration.Query{SQL: "SELECT a, b FROM parameters ORDER BY id"},
		migration.Query{SQL: "SELECT id FROM parameters WHERE a = ?1 AND c = ?1", Args: []any{"007"}})
	if err := errors.Join(err, answers[0].Err, answers[1].Err); err != nil {
		t.Fatal(err)
	}
	var want [][]any
	for _, text := range texts {
		row := []any{text, text}
		if text == "" {
			row[1] = nil
		}
		want = append(want, row)
	}
	if diff := cmp.Diff(want, answers[0].Values); diff != "" {
		t.Errorf("texts (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([][]any{{int64(4)}}, answers[1].Values); diff != "" {
		t.Errorf("the row found by ?1 (-want +got):\n%s", diff)
	}
	types := strings.Join(s.rows(t, "SELECT DISTINCT typeof(c) FROM parameters"), ", ")
	s.says(t, types == "text", "a string for a column without a type is stored as %s", types)
}

// errorTexts: that a refused statement is recognised as one is what the program needs, and
// the words of those errors that it reads.
func (s *service) errorTexts(t *testing.T) {
	s.must(t, "CREATE TABLE errors_unique (x UNIQUE)", "INSERT INTO errors_unique VALUES (1)", "CREATE TABLE errors_child (x REFERENCES errors_unique (x))",
		"CREATE TABLE errors_late (x REFERENCES errors_unique (x) DEFERRABLE INITIALLY DEFERRED)")
	for _, tc := range []struct {
		name, sql, want string
		read            bool // the program reads the words
	}{
		{"no_such_table", "INSERT INTO errors_missing VALUES (1)", `no such table: errors_missing`, true},
		{"unique", "INSERT INTO errors_unique VALUES (1)", `UNIQUE constraint failed: errors_unique\.x`, true},
		{"syntax_error", "SELEC 1", `near "SELEC": syntax error`, false},
		{"foreign_key", "INSERT INTO errors_child VALUES (2)", `FOREIGN KEY constraint failed`, false},
		{"attach", "ATTACH 'other.db' AS other", `not authorized`, false},
		{"begin_transaction", "BEGIN TRANSACTION", `(?i)transaction`, false},
		{"pragma", "PRAGMA journal_mode = DELETE", `not authorized`, false},
		{"reserved_name", "CREATE TABLE _cf_errors (x)", `not authorized`, false},
	} {
		refused := refusal(t, s.apply(tc.sql))
		matches := regexp.MustCompile(tc.want).MatchString(refused.Text)
		s.says(t, matches, "%s: %s", tc.name, refused.Text)
		if tc.read && !matches {
			t.Errorf("%s: the program looks for %q in %q", tc.name, tc.want, refused.Text)
		}
	}
	err := s.apply("INSERT INTO errors_late VALUES (2)")
	if err == nil {
		t.Error("a deferred violation is committed")
	} else {
		s.says(t, true, "deferred foreign key: %v", err)
	}
	s.wantRows(t, []string{"0|0"}, "SELECT (SELECT count(*) FROM errors_child), (SELECT count(*) FROM errors_late)")
}

// bookmarksSort: a write that leaves the bookmark as it is could not be undone.
func (s *service) bookmarksSort(t *testing.T) {
	s.must(t, "CREATE TABLE sorted (x)")
	last := s.bookmark(t)
	t.Logf("service says: bookmarks look like %s", last)
	if !regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{8}-[0-9a-f]{8}-[0-9a-f]{32}$`).MatchString(string(last)) {
		t.Errorf("restore --bookmark would refuse %q", last)
	}
	for i := range 8 {
		s.must(t, fmt.Sprintf("INSERT INTO sorted VALUES (%d)", i))
		now := s.bookmark(t)
		if now <= last {
			t.Errorf("the bookmark after write %d is %s, not greater than %s before it", i+1, now, last)
		}
		last = now
	}
}

// bookmarkIsStable: where it is not, more outcomes of a restore can't be found out.
func (s *service) bookmarkIsStable(t *testing.T) {
	s.must(t, "CREATE TABLE stable (x)")
	first := s.bookmark(t)
	for _, pause := range []time.Duration{0, time.Second, 5 * time.Second} {
		s.wait(t, pause)
		s.rows(t, "SELECT * FROM stable")
		now := s.bookmark(t)
		s.says(t, now == first, "%s after the bookmark %s, and with nothing but reads, it is %s", pause, first, now)
	}
}

func (s *service) timestamp(t *testing.T) {
	s.must(t, "CREATE TABLE timed (x)", "INSERT INTO timed VALUES ('a')")
	first := s.bookmark(t)
	s.wait(t, 3*time.Second)
	then := s.now()
	s.wait(t, 3*time.Second)
	s.must(t, "INSERT INTO timed VALUES ('b')")
	second := s.bookmark(t)
	got, err := s.database("query").Bookmark(s.ctx, then)
	if err != nil {
		t.Fatal(err)
	}
	if got >= second {
		t.Errorf("the bookmark from before a write is %s, which is that of after it (%s) or a later one", got, second)
	}
	s.says(t, got == first, "the bookmark of a moment between two states is %s; the one before has %s, the one after %s", got, first, second)
}

func (s *service) restoreAndUndo(t *testing.T) {
	db := s.database("query")
	restore := func(to migration.Bookmark, want ...string) (previous migration.Bookmark) {
		t.Helper()
		was := s.bookmark(t)
		previous, err := db.Restore(s.ctx, to)
		if err != nil {
			t.Fatalf("restore to %s: %v", to, err)
		}
		s.wantRows(t, want, "SELECT x FROM restored ORDER BY x")
		s.says(t, previous >= was && previous[:8] == was[:8], "a restore at %s returns the previous bookmark %s", was, previous)
		if now := s.bookmark(t); now == was {
			t.Errorf("the bookmark is %s before and after a restore", now)
		}
		return previous
	}
	s.must(t, "CREATE TABLE restored (x)", "INSERT INTO restored VALUES ('a')")
	one := s.bookmark(t)
	s.must(t, "INSERT INTO restored VALUES ('b')", "CREATE TABLE restored_too (x)")
	two := s.bookmark(t)
	undo := restore(one, "a")
	s.wantRows(t, []string{}, "SELECT name FROM sqlite_schema WHERE name = 'restored_too'")
	restore(undo, "a", "b")
	restore(one, "a")
	restore(two, "a", "b") // what a run names whose restore was not answered
	s.wantRows(t, []string{"restored_too"}, "SELECT name FROM sqlite_schema WHERE name = 'restored_too'")
}

// restoreHolds: the hold is written and read right after the restore.
func (s *service) restoreHolds(t *testing.T) {
	s.migrate(t, s.database("query"), "held")
	engine := s.engine(s.database("query"), "held")
	result, err := engine.Restore(s.ctx, migration.RestoreOptions{Before: "0001_held.sql"})
	if err != nil || result.Status != migration.Restored || len(result.Holding) != 2 {
		t.Fatalf("Restore() = %s, holding %v, %v; want restored, holding both migrations", result.Status, result.Holding, err)
	}
	if result, err = engine.Migrate(s.ctx, migration.MigrateOptions{}); result.Status != migration.Refusal {
		t.Errorf("Migrate() after the restore = %s, %v; want refused", result.Status, err)
	}
	if result, err = engine.Migrate(s.ctx, migration.MigrateOptions{ReleaseHold: true}); err != nil || result.Status != migration.Applied {
		t.Errorf("Migrate() that releases the hold = %s, %v; want applied", result.Status, err)
	}
	s.once(t, "held", 1) // the restore took the first run's row back
}

// cut is a way to the service on which the connection is closed in place of the answer to
// the first request that has what in its path or body. The service has acted on it by
// then. seen counts these requests.
func (s *service) cut(t *testing.T, what string) (base string, seen func() int) {
	t.Helper()
	target, err := url.Parse(s.base)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{
		Rewrite:      func(r *httputil.ProxyRequest) { r.SetURL(target) },
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}
	var mutex sync.Mutex
	n := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		if !strings.Contains(r.URL.Path, what) && !bytes.Contains(body, []byte(what)) {
			proxy.ServeHTTP(w, r)
			return
		}
		mutex.Lock()
		n++
		first := n == 1
		mutex.Unlock()
		if !first {
			proxy.ServeHTTP(w, r)
			return
		}
		proxy.ServeHTTP(httptest.NewRecorder(), r)
		panic(http.ErrAbortHandler)
	}))
	t.Cleanup(server.Close)
	return server.URL + "/", func() int {
		mutex.Lock()
		defer mutex.Unlock()
		return n
	}
}

// lostAnswer: the service has committed, and the run never hears of it.
func (s *service) lostAnswer(t *testing.T, transport, what string, journal bool) {
	prefix := map[bool]string{true: "lost_" + transport, false: "lost_unjournaled"}[journal]
	base, seen := s.cut(t, what)
	engine := s.engine(s.client(base, s.token).Database(s.id, transport), prefix)
	engine.Journal = journal
	engine.OnProgress = func(line string) { t.Log(line) }
	result, err := engine.Migrate(s.ctx, migration.MigrateOptions{})
	if err != nil || result.Status != migration.Applied && result.Status != migration.UpToDate {
		t.Errorf("Migrate() = %s, %v; want applied", result.Status, err)
	}
	s.says(t, seen() == 1, "%d writes were sent, the run says %s", seen(), result.Status)
	if seen() == 0 {
		t.Error("no answer was lost")
	}
	s.once(t, prefix, map[bool]int{true: 1}[journal])
}

func (s *service) lostRestore(t *testing.T) {
	s.must(t, "CREATE TABLE lost_restore (x)", "INSERT INTO lost_restore VALUES ('before')")
	s.migrate(t, s.database("query"), "relost")
	base, seen := s.cut(t, "/time_travel/restore")
	engine := s.engine(s.client(base, s.token).Database(s.id, "query"), "relost")
	result, err := engine.Restore(s.ctx, migration.RestoreOptions{Before: "0001_relost.sql"})
	if err != nil || result.Status != migration.Restored || len(result.Holding) != 2 {
		t.Fatalf("Restore() = %s, holding %v, %v; want restored, holding both migrations", result.Status, result.Holding, err)
	}
	if seen() != 1 {
		t.Errorf("%d restores were sent, want 1", seen())
	}
	s.wantRows(t, []string{"before"}, "SELECT x FROM lost_restore")
	if _, err := s.database("query").Restore(s.ctx, result.PreviousBookmark); err != nil {
		t.Fatal(err)
	}
	s.once(t, "relost", 1)
}

// importOnce also sends a trigger of a shape that the query endpoint is said to refuse.
func (s *service) importOnce(t *testing.T) {
	engine := s.engine(s.database("import"), "imported")
	engine.OnProgress = func(line string) { t.Log(line) }
	engine.Directory.FS.(fstest.MapFS)["0003_trigger.sql"] = &fstest.MapFile{
		Data: []byte("create trigger imported_trigger after insert on imported_1\r\nbegin\r\n  -- end;\r\n  insert into imported_2 values (case when new.x = 'é;' then 1 end);\r\nend; -- done")}
	result, err := engine.Migrate(s.ctx, migration.MigrateOptions{})
	if err != nil || result.Status != migration.Applied || !strings.HasPrefix(result.Transport, "import") {
		t.Fatalf("Migrate() = %s by %q, %v; want applied by import", result.Status, result.Transport, err)
	}
	s.once(t, "imported", 1)
	s.must(t, "INSERT INTO imported_1 VALUES ('é;')")
	s.wantRows(t, []string{"1"}, "SELECT x FROM imported_2")
	s.wantRows(t, []string{"NULL|NULL"}, "SELECT quote(hold), quote(undone) FROM "+migration.JournalTable+" WHERE instr(migrations, '0001_imported.sql')")
}

// importTwice: the service runs a file that it knows as soon as its hash is named again.
func (s *service) importTwice(t *testing.T) {
	var sent migration.Batch
	s.migrate(t, before{s.database("import"), &sync.Once{}, func(b migration.Batch) { sent = b }}, "reimported")
	err := s.database("import").Apply(s.ctx, sent)
	s.once(t, "reimported", 1)
	refused, ok := errors.AsType[*migration.StatementError](err)
	s.says(t, ok && strings.Contains(refused.Text, "d1-rewind: not as planned"), "the second import ends with %v", err)
}

func (s *service) export(t *testing.T) {
	s.must(t, "CREATE TABLE exported (id INTEGER PRIMARY KEY AUTOINCREMENT, x TEXT)", "INSERT INTO exported (x) VALUES ('it''s; ünï'), (NULL)", "CREATE INDEX exported_x ON exported (x)",
		"CREATE VIEW exported_view AS SELECT x FROM exported", "CREATE TRIGGER exported_trigger AFTER INSERT ON exported BEGIN SELECT (CASE WHEN NEW.x = 'a' THEN 1 END); END")
	var dump bytes.Buffer
	if err := s.database("query").Dump(s.ctx, &dump); err != nil {
		t.Fatal(err)
	}
	text := dump.String()
	for _, part := range []string{"CREATE TABLE exported", "it''s; ünï", "CREATE INDEX exported_x", "CREATE VIEW exported_view", "CREATE TRIGGER exported_trigger"} {
		if !strings.Contains(text, part) {
			t.Errorf("the export lacks %q", part)
		}
	}
	statements := statement.Split(text)
	s.says(t, true, "an export of %d bytes has %d statements, the last of them %q", dump.Len(), len(statements), statements[len(statements)-1].SQL)
	s.wantRows(t, []string{"2"}, "SELECT count(*) FROM exported") // it answers again
}

// requestSize sends requests of exactly these sizes. Up to 1,000,000 bytes the program
// counts on the query endpoint.
func (s *service) requestSize(t *testing.T) {
	const counted = 1_000_000
	for _, size := range []int{500_000, counted, 2_000_000} {
		batch := batchOf()
		for left := size - len(`{"batch":[]}`) + 1; left > 0; {
			const frame = len(`{"sql":"SELECT length('')"},`)
			piece := min(left, 90_000)
			if rest := left - piece; rest > 0 && rest < 2*frame {
				piece -= 2 * frame
			}
			batch.Statements = append(batch.Statements, batchOf("SELECT length('"+strings.Repeat("x", piece-frame)+"')").Statements...)
			left -= piece
		}
		start := s.now()
		err := s.database("query").Apply(s.ctx, batch)
		took := s.now().Sub(start).Round(time.Millisecond)
		if err == nil {
			s.says(t, true, "a request of %d bytes, %d statements, is taken (%s)", size, len(batch.Statements), took)
			continue
		}
		unclear, _ := errors.AsType[*migration.ApplyError](err)
		s.says(t, size > counted, "a request of %d bytes is refused (certainly untouched: %v): %v", size, unclear != nil && unclear.Untouched, err)
		if size <= counted {
			t.Errorf("the program sends up to %d bytes by query, but %d are refused", counted, size)
		}
	}
}

// rightToken asks what doctor asks.
func (s *service) rightToken(t *testing.T) {
	c := s.client(s.base, s.token)
	at, err := c.Verify(s.ctx)
	if err != nil {
		t.Errorf("Verify() of the right token: %v", err)
	}
	s.says(t, !at.IsZero(), "its clock is %s off", at.Sub(s.now()).Round(time.Second))
	if err := c.Database(s.id, "query").MayWrite(s.ctx, s.bookmark(t)); err != nil {
		t.Errorf("MayWrite() of the right token: %v", err)
	}
}

func (s *service) wrongToken(t *testing.T) {
	for _, token := range []string{(rand.Text() + rand.Text())[:40], "malformed"} { // one has the form of a token
		db := s.client(s.base, token).Database(s.id, "query")
		_, bookmarkErr := db.Bookmark(s.ctx, time.Time{})
		_, readErr := db.Read(s.ctx, migration.Query{SQL: "SELECT 1"})
		applyErr := db.Apply(s.ctx, batchOf("CREATE TABLE wrong_token (x)"))
		for _, err := range []error{bookmarkErr, readErr, applyErr} {
			p, ok := errors.AsType[*migration.Problem](err)
			if !ok {
				t.Errorf("token %q: got %v, want a *Problem", token, err)
				continue
			}
			t.Logf("service says: token %q: %v; our advice: %s", token, p, p.Next)
			if !strings.Contains(p.Next, "token") {
				t.Errorf("token %q: %v: the advice %q says nothing of the token", token, p, p.Next)
			}
			if strings.Contains(p.Error()+p.Next, token) {
				t.Errorf("token %q is in the error %q", token, p)
			}
		}
		if unclear, ok := errors.AsType[*migration.ApplyError](applyErr); !ok || !unclear.Untouched {
			t.Errorf("token %q: Apply() = %v: not known to have changed nothing", token, applyErr)
		}
	}
	s.wantRows(t, []string{}, "SELECT name FROM sqlite_schema WHERE name = 'wrong_token'")
}

// facts notes what is good to know.
func (s *service) facts(t *testing.T) {
	answers, err := s.database("query").Read(s.ctx, migration.Query{SQL: "SELECT sqlite_version()"})
	if err != nil {
		t.Fatal(err)
	}
	s.says(t, true, "sqlite_version(): %v %v", answers[0].Values, answers[0].Err)
	s.must(t, "CREATE TABLE facts_parent (x PRIMARY KEY)", "CREATE TABLE facts_child (x REFERENCES facts_parent (x))")
	err = s.apply("PRAGMA defer_foreign_keys = ON", "INSERT INTO facts_child VALUES (1)", "PRAGMA defer_foreign_keys = OFF")
	s.says(t, true, "a violation between defer_foreign_keys = ON and OFF: %v", err)
	err = s.apply("PRAGMA foreign_keys = OFF", "INSERT INTO facts_child VALUES (2)")
	s.says(t, true, "a violation behind foreign_keys = OFF: %v", err)
	info, err := s.database("query").Info(s.ctx)
	s.says(t, true, "version %q, %d bytes, %v", info.Version, int64(info.Size), err)
}
