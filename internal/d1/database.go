package d1

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/cloudflare/cloudflare-go/v4/d1"
	"github.com/cloudflare/cloudflare-go/v4/option"
	"golang.org/x/sync/errgroup"

	"github.com/d1-rewind/d1-rewind/internal/migration"
	"github.com/d1-rewind/d1-rewind/internal/statement"
)

// Database is a remote D1 database. It implements migration.Environment and
// migration.Transporter.
type Database struct {
	client    *Client
	id        string
	transport string // auto, query or import
	cut       bool   // the query endpoint's splitter refused a trigger
	uploaded  string // hash of the last import's file that the service may have
}

// Database returns the database with the given id. transport is "auto", "query" or
// "import": how batches are sent.
func (c *Client) Database(id, transport string) *Database {
	return &Database{client: c, id: id, transport: transport}
}

// post is a typed call for a request with a body; see call.path and call.body.
func (d *Database) post(ctx context.Context, options ...option.RequestOption) error {
	var params d1.DatabaseImportParams
	params.AccountID.Value, params.AccountID.Present = segment(d.client.config.AccountID), true
	_, err := d.client.databases.Import(ctx, segment(d.id), params, options...)
	return err
}

// get is the typed call for the database itself, and for what lies below it; see call.path.
func (d *Database) get(ctx context.Context, options ...option.RequestOption) error {
	var params d1.DatabaseGetParams
	params.AccountID.Value, params.AccountID.Present = segment(d.client.config.AccountID), true
	_, err := d.client.databases.Get(ctx, segment(d.id), params, options...)
	return err
}

func (d *Database) path(tail string) string {
	return "accounts/" + segment(d.client.config.AccountID) + "/d1/database/" + segment(d.id) + tail
}

// statementJSON is one element of the query endpoint's batch form
// (https://developers.cloudflare.com/api/resources/d1/subresources/database/methods/query/).
type statementJSON struct {
	SQL    string `json:"sql"`
	Params []any  `json:"params,omitempty"`
}

type batchJSON struct {
	Batch []statementJSON `json:"batch"`
}

// rawResult is one element of the raw endpoint's result.
type rawResult struct {
	Success bool `json:"success"`
	Results struct {
		Columns []string `json:"columns"`
		Rows    [][]any  `json:"rows"`
	} `json:"results"`
}

// Read implements migration.Environment with one request. Where the database refuses one of
// several queries, which fails them all, it asks again without the one whose optional table
// is missing, or else for each alone.
func (d *Database) Read(ctx context.Context, queries ...migration.Query) ([]migration.Rows, error) {
	rows, err := d.raw(ctx, queries)
	failed, ok := errors.AsType[*Error](err)
	if err == nil || !ok || !failed.refused() {
		return rows, d.client.problem(err, needsD1Read)
	}
	rows = make([]migration.Rows, len(queries))
	if len(queries) == 1 {
		rows[0].Err = errors.New(failed.Message)
		return rows, nil
	}
	var rest []int
	for i, q := range queries {
		if q.Optional != "" && strings.Contains(failed.Message, "no such table: "+q.Optional) {
			rows[i].Err = errors.New(failed.Message)
		} else {
			rest = append(rest, i)
		}
	}
	ask := func(ctx context.Context, which ...int) error {
		var some []migration.Query
		for _, i := range which {
			some = append(some, queries[i])
		}
		answers, err := d.Read(ctx, some...)
		if err != nil {
			return err
		}
		for n, i := range which {
			rows[i] = answers[n]
		}
		return nil
	}
	if len(rest) < len(queries) {
		return rows, ask(ctx, rest...)
	}
	parts, ctx := errgroup.WithContext(ctx)
	each := 1
	if len(rest) > 8 { // a request for each would be many
		each = (len(rest) + 1) / 2
	}
	for some := range slices.Chunk(rest, each) {
		parts.Go(func() error { return ask(ctx, some...) })
	}
	return rows, parts.Wait()
}

// raw runs queries as one request of the raw endpoint, which keeps the columns' order.
func (d *Database) raw(ctx context.Context, queries []migration.Query) ([]migration.Rows, error) {
	if len(queries) == 0 {
		return nil, nil
	}
	var body batchJSON
	for _, q := range queries {
		body.Batch = append(body.Batch, statementJSON{q.SQL, q.Args})
	}
	a, err := d.client.read(ctx, call{doing: "read from the database", send: d.post, path: d.path("/raw"), body: body})
	if err != nil {
		return nil, err
	}
	var results []rawResult
	decoder := json.NewDecoder(bytes.NewReader(a.result))
	decoder.UseNumber()
	if err := decoder.Decode(&results); err != nil || len(results) != len(queries) {
		return nil, a.unusable("%d results for %d queries", len(results), len(queries))
	}
	rows := make([]migration.Rows, len(results))
	for i, r := range results {
		if !r.Success {
			return nil, a.unusable("a query does not say success")
		}
		rows[i].Columns = r.Results.Columns
		for _, row := range r.Results.Rows {
			for n := range row {
				row[n] = value(row[n])
			}
			rows[i].Values = append(rows[i].Values, row)
		}
	}
	return rows, nil
}

// value turns a JSON value into one of migration.Rows. D1 sends blobs as lists of numbers,
// and every number as a double: integers above 2^53 have lost digits.
func value(v any) any {
	switch v := v.(type) {
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n
		}
		f, _ := v.Float64()
		return f
	case []any:
		blob := make([]byte, 0, len(v))
		for _, b := range v {
			if n, ok := b.(json.Number); ok {
				i, _ := n.Int64()
				blob = append(blob, byte(i))
			}
		}
		return blob
	default:
		return v
	}
}

// milliseconds is how a timestamp is sent, as wrangler does.
const milliseconds = "2006-01-02T15:04:05.000Z"

// Bookmark implements migration.Environment
// (GET …/time_travel/bookmark; wrangler's packages/wrangler/src/d1/timeTravel/utils.ts).
func (d *Database) Bookmark(ctx context.Context, at time.Time) (migration.Bookmark, error) {
	path, doing := d.path("/time_travel/bookmark"), "read the bookmark"
	if !at.IsZero() {
		if age := d.client.config.Now().Sub(at); age > migration.Retention {
			return "", &migration.Problem{Kind: migration.Usage, Err: fmt.Errorf("%s is %d days ago", at.UTC().Format(time.RFC3339), int(age.Hours()/24)), State: "nothing was written",
				Next: "Time Travel goes back 30 days (7 on the free plan): choose a later moment, or load a backup"}
		}
		path += "?timestamp=" + url.QueryEscape(at.UTC().Format(milliseconds))
		doing = "find the bookmark at " + at.UTC().Format(time.RFC3339)
	}
	a, err := d.client.read(ctx, call{doing: doing, send: d.get, path: path})
	if err != nil {
		return "", d.explain(ctx, err, at)
	}
	var result struct {
		Bookmark migration.Bookmark `json:"bookmark"`
	}
	if err := json.Unmarshal(a.result, &result); err != nil || result.Bookmark == "" {
		return "", &migration.Problem{Err: errors.New("the answer to the question for the bookmark has none"), State: "nothing was written", Next: "without a bookmark there is no way back, so nothing is written; run again"}
	}
	return result.Bookmark, nil
}

// explain looks for the reason why a database has no bookmark, or none at that time.
func (d *Database) explain(ctx context.Context, err error, at time.Time) error {
	failed, ok := errors.AsType[*Error](err)
	if ok && failed.Code != codeHeaders && (failed.Status == http.StatusBadRequest || failed.Status == http.StatusNotFound) {
		if info, infoErr := d.Info(ctx); infoErr == nil && info.Version == "alpha" {
			return &migration.Problem{Err: fmt.Errorf("%q is an alpha database, and those have no Time Travel", info.Name), State: "nothing was written",
				Next: "move it to a new database: https://developers.cloudflare.com/d1/platform/alpha-migration/"}
		}
		if failed.Status == http.StatusBadRequest && !at.IsZero() {
			return &migration.Problem{Kind: migration.Usage, Err: failed, State: "nothing was written", Next: "Time Travel goes back 30 days, 7 on the free plan, and not before the database was created"}
		}
	}
	return d.client.problem(err, needsD1Read)
}

// Transport implements migration.Transporter.
func (d *Database) Transport(batch migration.Batch) (string, error) {
	switch d.transport {
	case "query":
		return "query", nil
	case "import":
		return "import (asked for)", incomplete(batch)
	}
	why := d.whyImport(batch, len(queryBody(batch)))
	if why == "" {
		return "query", nil
	}
	if err := foreignKeys(batch, why); err != nil {
		return "", err
	}
	return "import (" + why + ")", incomplete(batch)
}

// whyImport says why a batch, whose request would have size bytes, does not fit the query
// endpoint; "" if it does.
func (d *Database) whyImport(batch migration.Batch, size int) string {
	switch {
	case size > maxQuery:
		return fmt.Sprintf("%.1f MB, more than the query endpoint takes", float64(size)/1e6)
	case d.cut && slices.ContainsFunc(batch.Statements, isTrigger):
		return "the query endpoint's splitter refused a trigger"
	}
	return ""
}

func isTrigger(s migration.BatchStatement) bool {
	words := statement.Normalize(s.SQL)
	return len(words) > 2 && words[0] == "create" && slices.Contains(words[1:3], "trigger")
}

// foreignKeys refuses to send a batch by import without being asked to, if that would change
// what it means: users report that the import endpoint obeys PRAGMA foreign_keys, which the
// query endpoint ignores (drizzle-orm #4938, workers-sdk #9503).
func foreignKeys(batch migration.Batch, why string) error {
	named := func(word string) bool { return strings.EqualFold(strings.Trim(word, `"'`), "foreign_keys") } // it may be quoted
	for _, s := range batch.Statements {
		if words := statement.Normalize(s.SQL); len(words) > 1 && words[0] == "pragma" && slices.ContainsFunc(words, named) {
			return &migration.Problem{Kind: migration.Refused, File: s.Migration, Line: s.Line, SQL: s.SQL, State: "nothing was written",
				Err:  fmt.Errorf("this run would have to go by import (%s), and the import endpoint obeys PRAGMA foreign_keys, which the query endpoint ignores: the migration would not do what it does everywhere else", why),
				Next: "say --transport import if that is meant, or leave the statement out; it does nothing elsewhere"}
		}
	}
	return nil
}

// maxQuery is the size in bytes from which a request goes to the import endpoint. Users
// report about 1 MB as the most that the query endpoint takes.
const maxQuery = 1_000_000

func queryBody(batch migration.Batch) []byte {
	body := batchJSON{Batch: make([]statementJSON, 0, len(batch.Statements))}
	for _, s := range batch.Statements {
		sql, _ := statement.Canonical(s.SQL)
		body.Batch = append(body.Batch, statementJSON{sql, s.Args})
	}
	data, _ := json.Marshal(body) // strings and numbers always marshal
	return data
}

// Apply implements migration.Environment.
func (d *Database) Apply(ctx context.Context, batch migration.Batch) error {
	data := queryBody(batch)
	if d.transport == "import" {
		return d.importBatch(ctx, batch)
	}
	if why := d.whyImport(batch, len(data)); why != "" && d.transport == "auto" {
		if err := foreignKeys(batch, why); err != nil {
			return &migration.ApplyError{Err: err, Untouched: true}
		}
		return d.importBatch(ctx, batch)
	}
	a, err := d.client.write(ctx, call{doing: "apply the migrations", send: d.post, path: d.path("/query"), body: json.RawMessage(data)})
	if err == nil {
		err = proof(a, len(batch.Statements))
	}
	if err == nil {
		return nil
	}
	failed, _ := errors.AsType[*Error](err)
	if d.transport == "auto" && failed.refused() && strings.Contains(failed.Message, "incomplete input") && incomplete(batch) == nil {
		// The service's own splitter refused a statement, not SQLite. Once the ledger has
		// shown that nothing was written, the run is sent again, by import.
		d.cut = true
		if why := d.whyImport(batch, len(data)); why != "" {
			if err := foreignKeys(batch, why); err != nil {
				return &migration.ApplyError{Err: err}
			}
			return &migration.ApplyError{Err: errors.New("the query endpoint cut a trigger in two (incomplete input), so the run goes by import"), Transient: true}
		}
	}
	return d.client.applyError(failed)
}

// proof wants a success for every statement.
func proof(a answer, statements int) error {
	var results []struct {
		Success bool `json:"success"`
	}
	if err := json.Unmarshal(a.result, &results); err != nil || len(results) != statements {
		return a.unusable("%d results for %d statements", len(results), statements)
	}
	for _, r := range results {
		if !r.Success {
			return a.unusable("a statement does not say success")
		}
	}
	return nil
}

// unclear is what the answer to a write, or the lack of one, tells of what became of it.
func (e *Error) unclear(err error) *migration.ApplyError {
	return &migration.ApplyError{Err: err, Untouched: e.untouched(), Pending: e.sent && (e.gaveUp || errors.Is(e.Err, context.Canceled)),
		Transient: e.passes() && !e.gaveUp, After: e.after}
}

// applyError says what the engine needs to know about a write without a clear success.
func (c *Client) applyError(failed *Error) *migration.ApplyError {
	unclear := failed.unclear(nil)
	if unclear.After > longestWait {
		unclear.Transient = false
	}
	if refused := failed.statement(); refused != nil {
		if strings.Contains(refused.Text, "incomplete input") {
			refused.Text += " (if SQLite takes the statement, the query endpoint's own splitter did not: try --transport import)"
		}
		unclear.Err, unclear.Transient = refused, false
	} else {
		unclear.Err = c.problem(failed, needsD1Edit)
	}
	return unclear
}

// Restore implements migration.Environment. It is sent once
// (POST …/time_travel/restore; wrangler's packages/wrangler/src/d1/timeTravel/restore.ts).
func (d *Database) Restore(ctx context.Context, to migration.Bookmark) (migration.Bookmark, error) {
	a, err := d.client.write(ctx, call{doing: "restore the database", send: d.post, path: d.path("/time_travel/restore?bookmark=" + url.QueryEscape(string(to))), bare: true})
	var result struct {
		Previous migration.Bookmark `json:"previous_bookmark"`
	}
	if err == nil {
		if json.Unmarshal(a.result, &result) == nil && result.Previous != "" {
			return result.Previous, nil
		}
		err = a.unusable("the answer has no bookmark that undoes it")
	}
	failed, _ := errors.AsType[*Error](err)
	unclear := failed.unclear(d.client.problem(failed, needsD1Edit))
	unclear.Untouched = unclear.Untouched || failed.declined() || failed.Status == http.StatusTooManyRequests && !failed.html
	if unclear.Untouched && failed.Status != 0 {
		p := &migration.Problem{Err: failed, State: "the database was not restored; it is as it was before", Next: d.client.advice(failed, needsD1Edit)}
		switch {
		case failed.Status == http.StatusTooManyRequests, strings.Contains(failed.Message, "limit"):
			p.Next = "D1 takes 10 restores of one database in 10 minutes: wait, then run the same restore again"
		case failed.Status == http.StatusBadRequest:
			p.Next = "check the bookmark: it has to be one of this database, and not older than 30 days (7 on the free plan)"
		}
		unclear.Err = p
	}
	return "", unclear
}
