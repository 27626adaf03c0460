package migration

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/sync/errgroup"

	"github.com/d1-rewind/d1-rewind/internal/statement"
)

// JournalTable is the table of our own that keeps what wrangler's ledger can't.
const JournalTable = "d1_rewind_journal"

// ledgerRow is one row of the ledger.
type ledgerRow struct {
	name      string
	appliedAt string // UTC, "2006-01-02 15:04:05"
}

// File is a migration as the journal knows it.
type File struct {
	Name   string `json:"name"`
	SHA256 string `json:"sha256,omitempty"` // "" if only the name is known
}

// Entry is one row of the journal. Its JSON form is that of the rows in Undone.
type Entry struct {
	Run           string   `json:"run"`                     // random, unique to the write
	Kind          string   `json:"kind"`                    // migrate, baseline or restore
	At            string   `json:"at"`                      // RFC 3339, UTC
	Migrations    []File   `json:"migrations"`              // applied, recorded or undone
	Bookmark      Bookmark `json:"bookmark"`                // of the state before; for a restore the bookmark that undoes it
	Hold          []File   `json:"hold,omitempty"`          // what is held from this row on
	SetsHold      bool     `json:"setsHold,omitempty"`      // whether Hold says anything
	Undone        []Entry  `json:"undone,omitempty"`        // restore: the journal rows that travelled back with the database
	PullRequests  []string `json:"pullRequests,omitempty"`  // within Undone: those of the rows that this one had undone
	WorkerVersion string   `json:"workerVersion,omitempty"` // deployed when the run began
	Origin        Origin   `json:"origin"`
}

// Origin says on whose behalf a run writes.
type Origin struct {
	Commit      string `json:"commit,omitempty"`
	RunURL      string `json:"runUrl,omitempty"`
	PullRequest string `json:"pullRequest,omitempty"` // its number; several, of one push, are joined by commas
	Actor       string `json:"actor,omitempty"`
	ToolVersion string `json:"toolVersion,omitempty"`
}

// quoteName quotes an identifier for SQLite.
func quoteName(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// createLedger is wrangler's statement (getCreateMigrationsTableQuery in
// packages/wrangler/src/d1/migrations/helpers.ts), so that either tool can go on.
func createLedger(table string) BatchStatement {
	return BatchStatement{Query: Query{SQL: "CREATE TABLE IF NOT EXISTS " + quoteName(table) + `(
		id         INTEGER PRIMARY KEY AUTOINCREMENT,
		name       TEXT UNIQUE,
		applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL
)`}}
}

func insertLedger(table, name string) BatchStatement {
	return BatchStatement{Query: Query{SQL: "INSERT INTO " + quoteName(table) + " (name) VALUES (?)", Args: []any{name}}}
}

// keepLedger puts the row of insertLedger back where the migration itself has removed it:
// one that squashes its predecessors may empty the ledger. wrangler writes its row last.
func keepLedger(table, name string) BatchStatement {
	return BatchStatement{Query: Query{SQL: "INSERT OR IGNORE INTO " + quoteName(table) + " (name) VALUES (?)", Args: []any{name}}}
}

// mentions reports whether a statement of m has table among its words, however it is quoted.
func (m Migration) mentions(table string) bool {
	return slices.ContainsFunc(m.Statements, func(s statement.Statement) bool {
		return slices.ContainsFunc(statement.Normalize(s.SQL), func(word string) bool { return strings.EqualFold(strings.Trim(word, "\"'"), table) })
	})
}

const createJournal = `CREATE TABLE IF NOT EXISTS ` + JournalTable + ` (
  id             INTEGER PRIMARY KEY,
  run            TEXT NOT NULL UNIQUE,
  kind           TEXT NOT NULL,
  at             TEXT NOT NULL,
  migrations     TEXT NOT NULL,
  bookmark       TEXT NOT NULL,
  hold           TEXT,
  undone         TEXT,
  worker_version TEXT,
  commit_sha     TEXT,
  run_url        TEXT,
  pull_request   TEXT,
  actor          TEXT,
  tool_version   TEXT
)`

// Empty text stands for NULL: parameters of D1's REST API are documented as strings.
const insertJournal = `INSERT INTO ` + JournalTable + ` (run, kind, at, migrations, bookmark, hold, undone,
  worker_version, commit_sha, run_url, pull_request, actor, tool_version)
VALUES (?, ?, ?, ?, ?, nullif(?, ''), nullif(?, ''), ?, ?, ?, ?, ?, ?)`

// journalPiece is how much text of the journal goes into one statement: an import has no
// parameters, and D1 takes statements of up to 100,000 bytes, quotes doubled.
const journalPiece = 40_000

// journalStatements records e, creating the table if need be.
func journalStatements(e Entry) []BatchStatement {
	var hold, undone string
	if e.SetsHold {
		hold = mustJSON(nonNil(e.Hold))
	}
	if len(e.Undone) > 0 {
		undone = mustJSON(e.Undone)
	}
	columns := []struct{ name, first, rest string }{{name: "migrations", rest: mustJSON(nonNil(e.Migrations))}, {name: "hold", rest: hold}, {name: "undone", rest: undone}}
	for i, c := range columns {
		columns[i].first, columns[i].rest = piece(c.rest, journalPiece/len(columns))
	}
	statements := []BatchStatement{
		{Query: Query{SQL: createJournal}},
		{Query: Query{SQL: insertJournal, Args: []any{e.Run, e.Kind, e.At, columns[0].first, string(e.Bookmark), columns[1].first, columns[2].first,
			e.WorkerVersion, e.Origin.Commit, e.Origin.RunURL, e.Origin.PullRequest, e.Origin.Actor, e.Origin.ToolVersion}}},
	}
	for _, c := range columns {
		for first, rest := piece(c.rest, journalPiece); first != ""; first, rest = piece(rest, journalPiece) {
			statements = append(statements, BatchStatement{Query: Query{SQL: `UPDATE ` + JournalTable + ` SET ` + c.name + ` = ` + c.name + ` || ? WHERE run = ?`, Args: []any{first, e.Run}}})
		}
	}
	return statements
}

// piece cuts off at most n bytes, between characters.
func piece(text string, n int) (first, rest string) {
	n = min(n, len(text))
	for n < len(text) && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n], text[n:]
}

// bookmarkArg is where insertJournal has the bookmark among its arguments.
const bookmarkArg = 4

// rebased is the batch with another bookmark in its journal row: that of the state before
// it, where time has passed since the batch was made.
func (b Batch) rebased(before Bookmark) Batch {
	b.Planned = before
	if b.Run == "" {
		return b
	}
	i := slices.IndexFunc(b.Statements, func(s BatchStatement) bool { return s.SQL == insertJournal })
	b.Statements = slices.Clone(b.Statements)
	b.Statements[i].Args = slices.Clone(b.Statements[i].Args)
	b.Statements[i].Args[bookmarkArg] = string(before)
	return b
}

// recorded is what a database says of its own past.
type recorded struct {
	ledger                []ledgerRow
	journal               []Entry // oldest first
	hasLedger, hasJournal bool    // whether there is such a table
	schema                Schema  // if it was asked for
	// unsound says why ledger or journal can't be relied on; nil where they can. A restore
	// has to work all the same: it may be what fixes them.
	unsound error
}

// SchemaQuery reads the schema; ParseSchema reads its answer.
var SchemaQuery = Query{SQL: `SELECT type, name, tbl_name, sql FROM sqlite_schema
WHERE lower(substr(name, 1, 7)) <> 'sqlite_' AND lower(substr(name, 1, 4)) <> '_cf_' AND lower(substr(tbl_name, 1, 4)) <> '_cf_' ORDER BY rowid`}

// ParseSchema returns the schema in the answer to SchemaQuery.
func ParseSchema(rows Rows) (Schema, error) {
	if rows.Err != nil {
		return nil, fmt.Errorf("read the schema: %w", rows.Err)
	}
	var schema Schema
	for _, v := range rows.Values {
		if len(v) < 4 {
			return nil, errors.New("read the schema: the answer lacks columns")
		}
		schema = append(schema, Object{Type: text(v[0]), Name: text(v[1]), Table: text(v[2]), SQL: text(v[3])})
	}
	return schema, nil
}

// readRecorded reads ledger and journal, either of which may not exist, at the same time:
// a missing one fails the whole request of an environment that runs queries as one. The
// error is for a database that could not be read; see recorded.unsound for what stands in it.
//
// The schema, if it is wanted, comes with the ledger, in the same request.
func readRecorded(ctx context.Context, env Environment, table string, schema bool) (recorded, error) {
	var ledgerRows, journalRows []Rows
	reads, ctx := errgroup.WithContext(ctx)
	reads.Go(func() (err error) {
		queries := []Query{
			{SQL: "SELECT * FROM " + quoteName(table) + " ORDER BY 1", Optional: table},
			{SQL: `SELECT i.name, i.partial, c.name FROM pragma_index_list(?1) AS i, pragma_index_info(i.name) AS c WHERE i."unique"`, Args: []any{table}},
			{SQL: `SELECT name, type, pk FROM pragma_table_info(?1)`, Args: []any{table}},
		}
		if schema {
			queries = append(queries, SchemaQuery)
		}
		ledgerRows, err = env.Read(ctx, queries...)
		return err
	})
	reads.Go(func() (err error) {
		journalRows, err = env.Read(ctx, Query{SQL: "SELECT * FROM " + JournalTable + " ORDER BY id", Optional: JournalTable})
		return err
	})
	err := reads.Wait()
	if err != nil {
		return recorded{}, err
	}
	var r recorded
	if schema {
		if r.schema, err = ParseSchema(ledgerRows[3]); err != nil {
			return r, err
		}
	}
	ledger, unique, columns, journal := ledgerRows[0], ledgerRows[1], ledgerRows[2], journalRows[0]
	r.hasLedger, r.hasJournal = ledger.Err == nil, journal.Err == nil
	switch {
	case ledger.Err == nil:
		if unique.Err != nil || columns.Err != nil {
			return r, fmt.Errorf("read the columns of %q: %w", table, errors.Join(unique.Err, columns.Err))
		}
		r.unsound = checkLedger(table, columns, unique)
		name, at := slices.Index(ledger.Columns, "name"), slices.Index(ledger.Columns, "applied_at")
		for _, v := range ledger.Values {
			if name < 0 {
				break
			}
			row := ledgerRow{name: text(v[name])}
			if at >= 0 {
				row.appliedAt = text(v[at])
			}
			r.ledger = append(r.ledger, row)
		}
	case !missingTable(ledger.Err, table):
		return r, fmt.Errorf("read ledger %q: %w", table, ledger.Err)
	}
	switch {
	case journal.Err == nil:
		if r.journal, err = parseJournal(journal); err != nil && r.unsound == nil {
			r.unsound = fmt.Errorf("read journal %q: %w", JournalTable, err)
		}
	case !missingTable(journal.Err, JournalTable):
		return r, fmt.Errorf("read journal %q: %w", JournalTable, journal.Err)
	}
	return r, nil
}

// checkLedger refuses a table that is no ledger, or one in which a name could stand twice.
// The error is a *Problem of kind Refused.
func checkLedger(table string, columns, unique Rows) error {
	var names, keys []string
	for _, v := range columns.Values {
		names = append(names, text(v[0]))
		if text(v[2]) != "0" {
			keys = append(keys, text(v[0]))
		}
	}
	if !slices.Contains(names, "name") {
		return &Problem{Kind: Refused, State: stateUntouched,
			Err:  fmt.Errorf("table %q is not a ledger of migrations: it has the columns %s, but wrangler's has id, name, applied_at", table, strings.Join(names, ", ")),
			Next: "name the ledger with --migrations-table (migrations_table in the configuration)"}
	}
	if slices.Equal(keys, []string{"name"}) {
		return nil
	}
	perIndex := map[string][]string{}
	for _, v := range unique.Values {
		if text(v[1]) == "0" {
			perIndex[text(v[0])] = append(perIndex[text(v[0])], text(v[2]))
		}
	}
	for _, indexed := range perIndex {
		if slices.Equal(indexed, []string{"name"}) {
			return nil
		}
	}
	return &Problem{Kind: Refused, State: stateUntouched,
		Err:  fmt.Errorf("the ledger %q has no UNIQUE name, so nothing would stop a migration from being applied twice", table),
		Next: fmt.Sprintf("add it: CREATE UNIQUE INDEX %s ON %s (name)", quoteName(table+"_name"), quoteName(table))}
}

func parseJournal(rows Rows) ([]Entry, error) {
	column := map[string]int{}
	for i, name := range rows.Columns {
		column[name] = i
	}
	entries := make([]Entry, 0, len(rows.Values))
	for _, v := range rows.Values {
		field := func(name string) string {
			if i, ok := column[name]; ok {
				return text(v[i])
			}
			return ""
		}
		e := Entry{
			Run: field("run"), Kind: field("kind"), At: field("at"), Bookmark: Bookmark(field("bookmark")),
			WorkerVersion: field("worker_version"),
			Origin: Origin{Commit: field("commit_sha"), RunURL: field("run_url"), PullRequest: field("pull_request"),
				Actor: field("actor"), ToolVersion: field("tool_version")},
		}
		if err := json.Unmarshal([]byte(field("migrations")), &e.Migrations); err != nil {
			return nil, fmt.Errorf("row of run %q: migrations: %w", e.Run, err)
		}
		if hold := field("hold"); hold != "" {
			e.SetsHold = true
			if err := json.Unmarshal([]byte(hold), &e.Hold); err != nil {
				return nil, fmt.Errorf("row of run %q: hold: %w", e.Run, err)
			}
		}
		if undone := field("undone"); undone != "" {
			if err := json.Unmarshal([]byte(undone), &e.Undone); err != nil {
				return nil, fmt.Errorf("row of run %q: undone: %w", e.Run, err)
			}
		}
		entries = append(entries, e)
	}
	return entries, nil
}

// hash returns the content hash with which the journal last recorded name, "" if it
// never did.
func (r recorded) hash(name string) string {
	for _, e := range slices.Backward(r.journal) {
		if e.Kind == "restore" {
			continue
		}
		for _, f := range e.Migrations {
			if f.Name == name {
				return f.SHA256
			}
		}
	}
	return ""
}

// held returns the migrations that the last word in the journal holds and that are not
// applied. It does not look at files; hold does.
func (r recorded) held() []File {
	for _, e := range slices.Backward(r.journal) {
		if e.SetsHold {
			return slices.DeleteFunc(slices.Clone(e.Hold), func(f File) bool { return r.applied(f.Name) })
		}
	}
	return nil
}

// last returns the newest run that changed what is applied and left its row, nil for none.
func (r recorded) last() *Entry {
	for _, e := range slices.Backward(r.journal) {
		if !e.Bookmark.Valid() {
			continue // nobody can go back to that
		}
		if e.Kind == "restore" || e.Kind == "migrate" && slices.ContainsFunc(e.Migrations, func(f File) bool { return r.applied(f.Name) }) {
			return &e
		}
	}
	return nil
}

func (r recorded) applied(name string) bool {
	return slices.ContainsFunc(r.ledger, func(row ledgerRow) bool { return row.name == name })
}

// workerVersion returns the Worker's version from before the first run that a restore to
// target undoes, "" if that run did not record it: a later run's version may be one that
// needs what is undone. Bookmarks of one database sort by time.
func (r recorded) workerVersion(target Bookmark) string {
	for _, e := range r.journal {
		if e.Kind == "migrate" && e.Bookmark >= target {
			return e.WorkerVersion
		}
	}
	return ""
}

// undoneBy returns the applied migrations that a restore to target, or to a moment (zero:
// none is known), takes back, as far as ledger and journal tell: the first one that was
// applied since and, because ledgers grow at their end, all behind it.
func (r recorded) undoneBy(target Bookmark, at time.Time) []string {
	journalled := map[string]bool{}
	for _, e := range r.journal {
		for _, f := range e.Migrations {
			journalled[f.Name] = journalled[f.Name] || e.Kind != "restore" && e.Bookmark >= target
		}
	}
	since := ""
	if !at.IsZero() {
		since = at.UTC().Format(time.DateTime)
	}
	first := slices.IndexFunc(r.ledger, func(row ledgerRow) bool {
		return journalled[row.name] || since != "" && row.appliedAt > since
	})
	if first < 0 {
		return nil
	}
	var undone []string
	for _, row := range r.ledger[first:] {
		undone = append(undone, row.name)
	}
	return undone
}

// present counts the migrations of group that are applied.
func (r recorded) present(group []Migration) int {
	n := 0
	for _, m := range group {
		if r.applied(m.Name) {
			n++
		}
	}
	return n
}

// has reports whether the journal has the row of the given run.
func (r recorded) has(run string) bool {
	return run != "" && slices.ContainsFunc(r.journal, func(j Entry) bool { return j.Run == run })
}

// torn reports whether ledger and journal look as if a commit had come between the two reads,
// or as if they had been written by something that keeps no journal.
func (r recorded) torn(group []Migration, run string) bool {
	n := r.present(group)
	return n > 0 && !r.journalled(group) || n < len(group) && r.has(run)
}

// journalled reports whether the journal has runs that applied some of group.
func (r recorded) journalled(group []Migration) bool {
	return slices.ContainsFunc(r.journal, func(j Entry) bool {
		return j.Kind != "restore" && slices.ContainsFunc(j.Migrations, func(f File) bool {
			return slices.ContainsFunc(group, func(m Migration) bool { return m.Name == f.Name })
		})
	})
}

// missingTable reports whether err is SQLite's "no such table" for the table.
func missingTable(err error, table string) bool {
	return err != nil && strings.Contains(err.Error(), "no such table: "+table)
}

func text(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case []byte:
		return string(v)
	default:
		return fmt.Sprint(v)
	}
}

func mustJSON(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err) // strings and slices of strings only
	}
	return string(data)
}

func nonNil[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

func timestamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
