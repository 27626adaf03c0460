package d1test

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/d1-rewind/d1-rewind/internal/migration"
	"github.com/d1-rewind/d1-rewind/internal/sqlite"
	"github.com/d1-rewind/d1-rewind/internal/statement"
)

// Database is one D1 database. One request runs at a time, as in the service.
type Database struct {
	ID, Name string
	Version  string // "alpha" has no Time Travel

	server    *Server
	created   time.Time
	mutex     sync.Mutex
	memory    *sqlite.Scratch
	history   []State
	restores  []time.Time
	exporting string
	files     map[string][]byte // uploads and exports, by name
	importing *importJob
	done      *importJob
}

// State is one state that Time Travel can go back to, and what led to it.
type State struct {
	Bookmark string
	End      string // its other bookmark: how a restore names the state that it discards
	At       time.Time
	By       string   // "query", "import", "restore"; "" for the first
	SQL      []string // statements committed by it
	content  []byte
}

func (d *Database) begin() {
	memory, err := sqlite.NewScratch(context.Background(), "")
	if err != nil {
		panic(err) // no memory: nothing a test could do
	}
	d.memory = memory
	d.commit("", nil)
	d.created = d.now().At
}

func (d *Database) close() { _ = d.memory.Close() }

// commit notes the present state.
func (d *Database) commit(by string, sql []string) {
	var content []byte
	if by != "" {
		var err error
		if content, err = d.memory.Content(); err != nil {
			panic(err)
		}
	}
	n := len(d.history) + 1
	sum, end := md5.Sum([]byte(fmt.Sprint(d.ID, n))), md5.Sum([]byte(fmt.Sprint(d.ID, n, "end")))
	d.history = append(d.history, State{
		Bookmark: fmt.Sprintf("%08x-%08x-%08x-%s", n, len(sql), 0x4c6d, hex.EncodeToString(sum[:])),
		// As in the example of https://developers.cloudflare.com/d1/reference/time-travel/.
		End: fmt.Sprintf("%08x-ffffffff-%08x-%s", n, 0x4c6d, hex.EncodeToString(end[:])),
		At:  d.server.Now(), By: by, SQL: sql, content: content,
	})
}

func (d *Database) now() State { return d.history[len(d.history)-1] }

// History returns all states, oldest first.
func (d *Database) History() []State {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	return slices.Clone(d.history)
}

// Exec runs SQL as another client of the database would.
func (d *Database) Exec(sql ...string) error {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	_, err := d.run("query", queries(sql))
	return err
}

func queries(sql []string) []migration.Query {
	var list []migration.Query
	for _, s := range sql {
		list = append(list, migration.Query{SQL: s})
	}
	return list
}

// Rows returns the rows of a query as RowsOf does, and an error as one row.
func (d *Database) Rows(sql string) []string {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	rows, err := RowsOf(context.Background(), d.memory, migration.Query{SQL: sql})
	if err != nil {
		return []string{err.Error()}
	}
	return rows
}

// Reader is what answers queries: an environment, or a copy of one.
type Reader interface {
	Read(ctx context.Context, queries ...migration.Query) ([]migration.Rows, error)
}

// RowsOf returns the rows of a query, values as text joined by "|"; it is not nil without any.
func RowsOf(ctx context.Context, database Reader, query migration.Query) ([]string, error) {
	answers, err := database.Read(ctx, query)
	if err == nil {
		err = answers[0].Err
	}
	if err != nil {
		return nil, err
	}
	rows := []string{}
	for _, v := range answers[0].Values {
		var fields []string
		for _, field := range v {
			fields = append(fields, fmt.Sprint(field))
		}
		rows = append(rows, strings.Join(fields, "|"))
	}
	return rows, nil
}

// Exporting reports whether an export was begun and not finished.
func (d *Database) Exporting() bool {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	return d.exporting != ""
}

// run executes statements in one transaction and notes the new state.
func (d *Database) run(by string, list []migration.Query) ([]sqlite.Answer, error) {
	groups := [][]migration.Query{list}
	if d.server.SplitBatches && by == "query" {
		groups = slices.Collect(slices.Chunk(list, 1))
	}
	var all []sqlite.Answer
	for _, group := range groups {
		var batch migration.Batch
		var sql []string
		for _, q := range group {
			batch.Statements = append(batch.Statements, migration.BatchStatement{Query: q})
			text := q.SQL
			for _, arg := range q.Args {
				text += fmt.Sprintf(" /* %v */", arg)
			}
			sql = append(sql, text)
		}
		answers, err := d.memory.Run(context.Background(), batch)
		if err != nil {
			return all, err
		}
		all = append(all, answers...)
		if slices.ContainsFunc(answers, func(a sqlite.Answer) bool { return !a.ReadOnly }) {
			d.commit(by, sql)
		}
	}
	return all, nil
}

type queryBody struct {
	SQL    string      `json:"sql"`
	Params []any       `json:"params"`
	Batch  []queryBody `json:"batch"`
}

// maxBody is an assumption: users report that about 1 MB is the most.
const maxBody = 1 << 20

// maxAnswer is an assumption, too: nobody says how much the service answers at most.
const maxAnswer = 50_000_000

func (d *Database) query(w http.ResponseWriter, body []byte, raw, edit bool) {
	var q queryBody
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	if err := decoder.Decode(&q); err != nil {
		fail(w, http.StatusBadRequest, 7400, "The request is malformed: "+err.Error())
		return
	}
	if len(body) > maxBody {
		fail(w, http.StatusRequestEntityTooLarge, 7500, "Request entity is too large")
		return
	}
	if d.exporting != "" {
		d.exporting = "" // an export that nobody asks for cancels itself; here at the first other request
		fail(w, http.StatusBadRequest, 7500, "Currently processing a long-running export.")
		return
	}
	if job := d.importing; job != nil {
		if job.polls++; job.polls >= d.server.ImportPolls {
			d.finish() // it goes on whether or not anybody asks
		}
		fail(w, http.StatusInternalServerError, 7500, "D1 DB is overloaded. Requests queued for too long.")
		return
	}
	parts := q.Batch
	if parts == nil {
		parts = []queryBody{q}
	}
	var list []migration.Query
	for _, part := range parts {
		pieces, ok := d.split(part.SQL)
		if !ok {
			// workers-sdk #10998, #14991, #15178, #15314, #15690
			fail(w, http.StatusBadRequest, 7500, "incomplete input: SQLITE_ERROR")
			return
		}
		for _, piece := range pieces {
			list = append(list, migration.Query{SQL: piece, Args: params(part.Params)})
		}
	}
	if !edit && slices.ContainsFunc(list, func(q migration.Query) bool { return !reads(q.SQL) }) {
		fail(w, http.StatusForbidden, 10000, "Authentication error")
		return
	}
	answers, err := d.run("query", list)
	if err != nil {
		sqlError(w, err)
		return
	}
	results := []any{}
	size := 0
	for _, a := range answers {
		results = append(results, result(a, raw))
		size += length(a)
	}
	if size > maxAnswer {
		fail(w, http.StatusInternalServerError, 7500, "internal error; reference = d1test")
		return
	}
	succeed(w, results)
}

// length is about what an answer takes, in bytes.
func length(a sqlite.Answer) (bytes int) {
	for _, row := range a.Values {
		for _, field := range row {
			switch field := field.(type) {
			case string:
				bytes += len(field)
			case []byte:
				bytes += 4 * len(field)
			default:
				bytes += 8
			}
		}
	}
	return bytes
}

// sqlError words an error as the service does: code 7500 with SQLite's text.
func sqlError(w http.ResponseWriter, err error) {
	if refused, ok := errors.AsType[*migration.StatementError](err); ok {
		fail(w, http.StatusBadRequest, 7500, strings.TrimSuffix(refused.Text, sqlite.TransactionHint))
		return
	}
	fail(w, http.StatusInternalServerError, 7500, "internal error; reference = d1test")
}

// reads reports whether a token that may only read may send it: an assumption.
func reads(sql string) bool {
	words := statement.Normalize(sql)
	return len(words) > 0 && slices.Contains([]string{"select", "with", "explain", "pragma", "values"}, words[0])
}

func params(list []any) []any {
	var args []any
	for _, p := range list {
		switch p := p.(type) {
		case json.Number:
			if n, err := p.Int64(); err == nil {
				args = append(args, n)
			} else {
				f, _ := p.Float64()
				args = append(args, f)
			}
		case bool:
			args = append(args, map[bool]int64{true: 1}[p])
		default:
			args = append(args, p)
		}
	}
	return args
}

// result is one element of the answer; numbers are doubles, blobs lists of numbers.
func result(a sqlite.Answer, raw bool) any {
	rows := []any{}
	for _, v := range a.Values {
		var object map[string]any
		list := make([]any, 0, len(v))
		if !raw {
			object = map[string]any{}
		}
		for i, field := range v {
			switch f := field.(type) {
			case int64:
				field = float64(f)
			case []byte:
				blob := []int{}
				for _, b := range f {
					blob = append(blob, int(b))
				}
				field = blob
			}
			if raw {
				list = append(list, field)
			} else {
				object[a.Columns[i]] = field
			}
		}
		if raw {
			rows = append(rows, list)
		} else {
			rows = append(rows, object)
		}
	}
	var results any = rows
	if raw {
		results = map[string]any{"columns": append([]string{}, a.Columns...), "rows": rows}
	}
	return map[string]any{"success": true, "results": results, "meta": map[string]any{
		"served_by": "d1test", "duration": 0.1, "changes": a.Changes, "last_row_id": a.LastRowID,
		"changed_db": !a.ReadOnly, "size_after": 4096, "rows_read": len(a.Values), "rows_written": a.Changes,
	}}
}

// split cuts sql as the server's splitter does; false where it fails.
func (d *Database) split(sql string) ([]string, bool) {
	var pieces []string
	for _, s := range statement.Split(sql) {
		if d.server.Splitter != Exact && isTrigger(s.SQL) && (d.server.Splitter == Strict || refuses(s.SQL)) {
			return nil, false
		}
		pieces = append(pieces, s.SQL)
	}
	return pieces, true
}

func isTrigger(sql string) bool {
	words := statement.Normalize(sql)
	return len(words) > 2 && words[0] == "create" && (words[1] == "trigger" || words[2] == "trigger")
}

var (
	upperBody = regexp.MustCompile(`\sBEGIN\s`)
	upperEnd  = regexp.MustCompile(`;\s*END$`)
	caseWord  = regexp.MustCompile(`(?i)(.?)\s*\bcase\b`)
)

// refuses reports whether the service's splitter fails on a trigger. The shapes are those
// that users report, all answered with "incomplete input": CRLF in the body (workers-sdk
// #14991), lower-case begin (#10998, #15314), bodies of several lines (#15690), comments,
// and a CASE … END without parentheses.
func refuses(sql string) bool {
	bare, comments := withoutLiterals(sql)
	if comments || strings.ContainsAny(bare, "\r\n") || !upperBody.MatchString(bare) || !upperEnd.MatchString(bare) {
		return true
	}
	for _, match := range caseWord.FindAllStringSubmatch(bare, -1) {
		if match[1] != "(" {
			return true
		}
	}
	return false
}

// withoutLiterals empties all literals and quoted names.
func withoutLiterals(sql string) (bare string, comments bool) {
	var b strings.Builder
	for i := 0; i < len(sql); i++ {
		c := sql[i]
		end := byte(0)
		switch {
		case c == '\'' || c == '"' || c == '`':
			end = c
		case c == '[':
			end = ']'
		case strings.HasPrefix(sql[i:], "--") || strings.HasPrefix(sql[i:], "/*"):
			return sql, true
		}
		b.WriteByte(c)
		if end == 0 {
			continue
		}
		n := strings.IndexByte(sql[i+1:], end)
		if n < 0 {
			return b.String(), comments
		}
		i += n + 1
		b.WriteByte(end)
	}
	return b.String(), comments
}

// listed is the database as the list of all databases has it
// (https://developers.cloudflare.com/api/resources/d1/subresources/database/methods/list/).
func (d *Database) listed() map[string]any {
	return map[string]any{"uuid": d.ID, "name": d.Name, "version": d.Version, "created_at": d.created.UTC().Format(time.RFC3339Nano)}
}

// info is what the database itself answers. Which tables the service counts is an assumption.
func (d *Database) info() map[string]any {
	info := d.listed()
	info["file_size"], info["running_in_region"], info["read_replication"] = 4096, "WEUR", map[string]any{"mode": "disabled"}
	answers, err := d.memory.Read(context.Background(), migration.Query{SQL: "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND substr(name, 1, 7) <> 'sqlite_'"},
		migration.Query{SQL: "SELECT max(page_count, 1) * page_size FROM pragma_page_count, pragma_page_size"})
	if err == nil && answers[0].Err == nil && answers[1].Err == nil {
		info["num_tables"], info["file_size"] = len(answers[0].Values), answers[1].Values[0][0]
	}
	return info
}

// retention is that of a paid plan (https://developers.cloudflare.com/d1/reference/time-travel/).
const retention = 30 * 24 * time.Hour

func (d *Database) bookmark(w http.ResponseWriter, query url.Values) {
	if d.Version == "alpha" {
		fail(w, http.StatusBadRequest, 7500, "Time travel is not available for alpha D1 databases")
		return
	}
	state, problem := d.state(query)
	if problem != "" {
		fail(w, http.StatusBadRequest, 7500, problem)
		return
	}
	succeed(w, map[string]any{"bookmark": state.Bookmark})
}

// state finds what a query means; the words of its refusals are an assumption.
func (d *Database) state(query url.Values) (State, string) {
	switch {
	case query.Get("bookmark") != "":
		i := slices.IndexFunc(d.history, func(s State) bool { return s.Bookmark == query.Get("bookmark") || s.End == query.Get("bookmark") })
		if i < 0 || d.server.Now().Sub(d.history[i].At) > retention {
			return State{}, "Invalid bookmark: " + query.Get("bookmark")
		}
		return d.history[i], ""
	case query.Get("timestamp") != "":
		at, err := time.Parse(time.RFC3339, query.Get("timestamp"))
		if err != nil || d.server.Now().Sub(at) > retention {
			return State{}, "Invalid timestamp: " + query.Get("timestamp")
		}
		for _, s := range slices.Backward(d.history) {
			if !s.At.After(at) {
				return s, ""
			}
		}
		return State{}, "The timestamp is before the database was created"
	default:
		return d.now(), ""
	}
}

// restore goes back and adds a state, so that what lies between stays reachable.
func (d *Database) restore(w http.ResponseWriter, query url.Values) {
	now := d.server.Now()
	d.restores = slices.DeleteFunc(d.restores, func(t time.Time) bool { return now.Sub(t) > 10*time.Minute })
	if len(d.restores) >= 10 {
		// The number is documented (https://developers.cloudflare.com/d1/platform/limits/),
		// status and words are an assumption.
		fail(w, http.StatusTooManyRequests, 7500, "Too many restores: limit of 10 per 10 minutes")
		return
	}
	state, problem := d.state(query)
	if problem != "" {
		fail(w, http.StatusBadRequest, 7500, problem)
		return
	}
	previous := d.now().End
	if err := d.rewind(state); err != nil {
		fail(w, http.StatusInternalServerError, 7500, "internal error; reference = d1test")
		return
	}
	d.restores = append(d.restores, now)
	to := state.Bookmark
	if asked := query.Get("bookmark"); asked != "" {
		to = asked
	}
	succeed(w, map[string]any{"bookmark": to, "previous_bookmark": previous, "message": "Database restored"})
}

func (d *Database) rewind(to State) error {
	memory, err := sqlite.Load(context.Background(), to.content)
	if err != nil {
		return err
	}
	d.close()
	d.memory = memory
	d.commit("restore", []string{"restore to " + to.Bookmark})
	return nil
}

// Rewind takes the database back to a state of its history, as the dashboard does.
func (d *Database) Rewind(to State) error {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	return d.rewind(to)
}

type transferBody struct {
	Action          string `json:"action"`
	Etag            string `json:"etag"`
	Filename        string `json:"filename"`
	CurrentBookmark string `json:"current_bookmark"`
	DumpOptions     struct {
		NoSchema bool     `json:"no_schema"`
		NoData   bool     `json:"no_data"`
		Tables   []string `json:"tables"`
	} `json:"dump_options"`
}

// export is polled: the first request begins, the next one that names the bookmark is
// answered with a signed URL (wrangler's packages/wrangler/src/d1/export.ts).
func (d *Database) export(w http.ResponseWriter, body []byte) {
	var b transferBody
	if err := json.Unmarshal(body, &b); err != nil {
		fail(w, http.StatusBadRequest, 7400, "malformed")
		return
	}
	if o := b.DumpOptions; o.NoSchema || o.NoData || len(o.Tables) > 0 {
		fail(w, http.StatusNotImplemented, 7500, "d1test exports whole databases only")
		return
	}
	if d.exporting == "" || b.CurrentBookmark != d.exporting {
		var dump bytes.Buffer
		virtual, err := d.memory.Read(context.Background(), migration.Query{SQL: "SELECT 1 FROM sqlite_schema WHERE sql LIKE 'CREATE VIRTUAL%'"})
		if err == nil && len(virtual[0].Values) > 0 {
			succeed(w, map[string]any{"success": false, "type": "export", "status": "error", "error": "D1 Export error: cannot export databases with Virtual Tables (fts5)"})
			return
		}
		if err := d.memory.Dump(&dump); err != nil {
			fail(w, http.StatusInternalServerError, 7500, "internal error; reference = d1test")
			return
		}
		d.exporting = d.now().Bookmark
		d.files["export.sql"] = dump.Bytes()
		succeed(w, map[string]any{"success": true, "type": "export", "at_bookmark": d.exporting, "status": "active", "messages": []string{"Generating export.sql"}})
		return
	}
	at := d.exporting
	d.exporting = ""
	succeed(w, map[string]any{"success": true, "type": "export", "at_bookmark": at, "status": "complete", "messages": []string{"Uploaded"},
		"result": map[string]any{"filename": "export.sql", "signed_url": d.signedURL("export.sql")}})
}

func (d *Database) signedURL(file string) string {
	return d.server.URL + "/signed/" + d.ID + "/" + base64.RawURLEncoding.EncodeToString([]byte(file)) + "/secret-signature"
}

// signed serves the URLs that carry their own permission.
func (s *Server) signed(w http.ResponseWriter, r *http.Request, id, file, signature string, body []byte) {
	d := s.find(id)
	name, err := base64.RawURLEncoding.DecodeString(file)
	if d == nil || err != nil || signature != "secret-signature" || r.Header.Get("Authorization") != "" {
		http.Error(w, "<Error><Code>AccessDenied</Code></Error>", http.StatusForbidden)
		return
	}
	d.mutex.Lock()
	defer d.mutex.Unlock()
	if r.Method == http.MethodPut {
		d.files[string(name)] = body
		sum := md5.Sum(body)
		w.Header().Set("ETag", `"`+hex.EncodeToString(sum[:])+`"`)
		return
	}
	content, ok := d.files[string(name)]
	if !ok {
		http.Error(w, "<Error><Code>NoSuchKey</Code></Error>", http.StatusNotFound)
		return
	}
	_, _ = w.Write(content)
}

type importJob struct {
	bookmark string
	file     []byte
	polls    int
	answer   map[string]any
}

// imported is the import endpoint (wrangler's packages/wrangler/src/d1/execute.ts and
// https://developers.cloudflare.com/d1/tutorials/import-to-d1-with-rest-api/).
func (d *Database) imported(w http.ResponseWriter, body []byte) {
	var b transferBody
	if err := json.Unmarshal(body, &b); err != nil {
		fail(w, http.StatusBadRequest, 7400, "malformed")
		return
	}
	switch b.Action {
	case "init":
		// A file that the service knows is run at once.
		if file, ok := d.files[b.Etag+".sql"]; ok {
			d.start(w, file)
			return
		}
		succeed(w, map[string]any{"filename": b.Etag + ".sql", "upload_url": d.signedURL(b.Etag + ".sql")})
	case "ingest":
		file, ok := d.files[b.Filename]
		if sum := md5.Sum(file); !ok || hex.EncodeToString(sum[:]) != b.Etag {
			fail(w, http.StatusBadRequest, 7500, "the file was not uploaded")
			return
		}
		d.start(w, file)
	case "poll":
		job := d.importing
		switch {
		case b.CurrentBookmark == "":
			// cloudflare-go's DatabaseImportParamsBodyPoll requires it; code and words are an assumption.
			fail(w, http.StatusBadRequest, 7400, "current_bookmark is missing")
		case job == nil && d.done != nil:
			answer := d.done.answer
			d.done = nil
			succeed(w, answer)
		case job == nil:
			succeed(w, map[string]any{"success": false, "type": "import", "status": "error", "error": "Not currently importing anything."})
		case job.polls < d.server.ImportPolls:
			job.polls++
			succeed(w, job.active())
		default:
			d.finish()
			answer := d.done.answer
			d.done = nil
			succeed(w, answer)
		}
	default:
		fail(w, http.StatusBadRequest, 7400, "unknown action")
	}
}

func (j *importJob) active() map[string]any {
	return map[string]any{"success": true, "type": "import", "at_bookmark": j.bookmark, "status": "active", "messages": []string{fmt.Sprintf("Processed %d queries.", j.polls)}}
}

func (d *Database) start(w http.ResponseWriter, file []byte) {
	if d.importing != nil {
		fail(w, http.StatusBadRequest, 7500, "Currently processing a long-running import.")
		return
	}
	d.importing = &importJob{bookmark: d.now().Bookmark, file: file}
	active := d.importing.active()
	if d.server.ImportPolls == 0 {
		d.finish()
	}
	succeed(w, active)
}

// finish runs the file as one transaction. As sqlite3_complete has it, a last statement
// without a semicolon is left out without a word.
func (d *Database) finish() {
	job := d.importing
	d.importing, d.done = nil, job
	var list []migration.Query
	text := string(job.file)
	for _, s := range statement.Split(text) {
		if strings.HasSuffix(strings.TrimSpace(text[:s.End]), ";") {
			list = append(list, migration.Query{SQL: s.SQL})
		}
	}
	_, err := d.run("import", list)
	if err != nil {
		message := err.Error()
		if refused, ok := errors.AsType[*migration.StatementError](err); ok {
			message = refused.Text
		}
		job.answer = map[string]any{"success": false, "type": "import", "status": "error", "error": message, "errors": []string{message}}
		return
	}
	job.answer = map[string]any{"success": true, "type": "import", "at_bookmark": job.bookmark, "status": "complete",
		"messages": []string{"Done"}, "result": map[string]any{"num_queries": len(list), "final_bookmark": d.now().Bookmark,
			"meta": map[string]any{"served_by": "d1test", "duration": 1, "changes": 0, "last_row_id": 0, "changed_db": true, "size_after": 4096, "rows_read": 0, "rows_written": 0}}}
}
