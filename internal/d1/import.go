package d1

import (
	"bytes"
	"cmp"
	"context"
	"crypto/md5"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/d1-rewind/d1-rewind/internal/migration"
	"github.com/d1-rewind/d1-rewind/internal/statement"
)

// importBody is a request to the import endpoint, which has four steps: init, an upload,
// ingest, and polls (https://developers.cloudflare.com/d1/tutorials/import-to-d1-with-rest-api/;
// wrangler's packages/wrangler/src/d1/execute.ts).
type importBody struct {
	Action          string `json:"action"`
	Etag            string `json:"etag,omitempty"`
	Filename        string `json:"filename,omitempty"`
	CurrentBookmark string `json:"current_bookmark,omitempty"`
}

// progressing is what import and export answer while they work.
type progressing struct {
	Success    *bool             `json:"success"`
	Status     string            `json:"status"` // active, complete, error
	AtBookmark string            `json:"at_bookmark"`
	Messages   []string          `json:"messages"`
	Error      string            `json:"error"`  // as the API's own description has it
	Errors     []json.RawMessage `json:"errors"` // as wrangler reads it
	Filename   string            `json:"filename"`
	UploadURL  string            `json:"upload_url"`
	Result     *struct {
		Filename  string `json:"filename"`
		SignedURL string `json:"signed_url"`
	} `json:"result"`
}

func (p progressing) failure() string {
	if p.Error != "" {
		return p.Error
	}
	if len(p.Errors) > 0 {
		var text string
		if json.Unmarshal(p.Errors[0], &text) != nil {
			text = string(p.Errors[0])
		}
		return text
	}
	if p.Status == "error" || p.Success != nil && !*p.Success {
		return "the service gave no reason"
	}
	return ""
}

// next reads a later answer into p; the bookmark stays where that one has none.
func (p *progressing) next(a answer) error {
	at := p.AtBookmark
	*p = progressing{}
	err := a.read(p)
	p.AtBookmark = cmp.Or(p.AtBookmark, at)
	return err
}

// pollPause lies between two questions how far an import or export is.
const pollPause = time.Second

// incomplete refuses what the import endpoint would leave out without a word: a statement
// that is not complete swallows everything behind it.
func incomplete(batch migration.Batch) error {
	for _, s := range batch.Statements {
		pieces := statement.Split(s.SQL + "\n;")
		if len(pieces) != 1 || pieces[0].End != len(s.SQL)+2 || pieces[0].SQL != s.SQL {
			return &migration.Problem{Kind: migration.Usage, File: s.Migration, Line: s.Line, SQL: s.SQL, State: "nothing was written",
				Err: errors.New("the statement does not end: an unterminated string, comment or trigger"), Next: "fix the statement and run again"}
		}
	}
	return nil
}

// importFile is the batch as one file. The first line makes every file different: the
// service runs a file that it knows as soon as its hash is named again.
func importFile(batch migration.Batch, run string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "-- d1-rewind %s\n", run)
	for _, s := range batch.Statements {
		b.WriteString(inline(s.Query))
		b.WriteString(";\n")
	}
	return b.Bytes()
}

// inline puts the parameters of our own statements into their text: an import has none.
func inline(q migration.Query) string {
	text := q.SQL
	for i, at := range slices.Backward(statement.Placeholders(q.SQL)[:len(q.Args)]) {
		text = text[:at] + "'" + strings.ReplaceAll(fmt.Sprint(q.Args[i]), "'", "''") + "'" + text[at+1:]
	}
	return text
}

// importBatch sends the batch through the import endpoint, which runs a file as one
// transaction. It always ends with an error: what became of it is for the ledger to say.
func (d *Database) importBatch(ctx context.Context, batch migration.Batch) error {
	if err := incomplete(batch); err != nil {
		return &migration.ApplyError{Err: err, Untouched: true}
	}
	c := d.client
	run := batch.Run
	if run == "" {
		run = rand.Text()
	}
	file := importFile(batch, run)
	hash := md5.Sum(file) // the service's choice: a check of the upload, no secret
	etag := hex.EncodeToString(hash[:])
	c.config.Progress(fmt.Sprintf("importing %.1f MB; the database answers nobody else meanwhile", float64(len(file))/1e6))
	begun, err := d.importStep(ctx, "begin the import", importBody{Action: "init", Etag: etag})
	if err != nil {
		if d.uploaded == etag { // a file that the service has is run by it
			return d.followLost(ctx, err, batch)
		}
		unclear := c.applyError(err)
		unclear.Untouched = true
		return unclear
	}
	if begun.UploadURL != "" {
		d.uploaded = etag // whatever is answered
		if err := c.upload(ctx, begun.UploadURL, etag, file); err != nil {
			unclear := c.applyError(err)
			unclear.Untouched = true // the service reads the file only when told to
			return unclear
		}
		started, err := d.importStep(ctx, "start the import", importBody{Action: "ingest", Etag: etag, Filename: begun.Filename})
		if err != nil {
			return d.followLost(ctx, err, batch)
		}
		begun = started
	}
	if err := d.followImport(ctx, begun); err != nil {
		return err
	}
	// A poll names no import: it may have been someone else's that is complete.
	return &migration.ApplyError{Err: errors.New("the service says that an import is complete")}
}

// followLost is what is known of an import whose beginning was answered with failed: it may be
// going on, so it is followed to its end before the ledger is asked.
func (d *Database) followLost(ctx context.Context, failed *Error, batch migration.Batch) *migration.ApplyError {
	unclear := d.client.applyError(failed)
	if !unclear.Untouched {
		after := d.followImport(ctx, progressing{Status: "active", AtBookmark: string(batch.Planned)})
		unclear.Pending = unclear.Pending || after != nil && after.Pending
	}
	return unclear
}

// followImport asks until the import is over; nil means that it is complete.
func (d *Database) followImport(ctx context.Context, now progressing) *migration.ApplyError {
	over := &migration.ApplyError{Err: errors.New("the import is over, and its result was not seen")}
	for said := ""; ; {
		switch failure := now.failure(); {
		case strings.Contains(failure, "Not currently importing anything"):
			return over
		case failure != "":
			return &migration.ApplyError{Err: &migration.StatementError{Index: -1, Offset: -1, Text: strings.TrimPrefix(d.client.redact(failure), "D1_ERROR: ")}}
		case now.Status == "complete":
			return nil
		}
		if n := len(now.Messages); n > 0 && now.Messages[n-1] != said {
			said = now.Messages[n-1]
			d.client.config.Progress("import: " + said)
		}
		if err := d.client.config.Sleep(ctx, pollPause); err != nil {
			return &migration.ApplyError{Err: err, Pending: true}
		}
		a, err := d.client.read(ctx, call{doing: "ask how far the import is", send: d.post, body: importBody{Action: "poll", CurrentBookmark: now.AtBookmark}})
		if failed, ok := errors.AsType[*Error](err); ok && strings.Contains(failed.Message, "Not currently importing anything") {
			return over
		}
		if err == nil {
			err = now.next(a)
		}
		if err != nil {
			return &migration.ApplyError{Err: d.client.problem(err, needsD1Edit), Pending: true}
		}
	}
}

// importStep sends one step that must not be repeated.
func (d *Database) importStep(ctx context.Context, doing string, body importBody) (progressing, *Error) {
	var p progressing
	a, err := d.client.write(ctx, call{doing: doing, send: d.post, body: body})
	if err == nil {
		err = a.read(&p)
	}
	if err == nil {
		return p, nil
	}
	failed, _ := errors.AsType[*Error](err)
	return p, failed
}

// upload puts the file where the service said.
func (c *Client) upload(ctx context.Context, where, etag string, file []byte) *Error {
	failed := &Error{Doing: "upload the import's file", sent: true}
	response, err := c.signed(ctx, http.MethodPut, where, file)
	if err != nil {
		failed.Err, failed.gaveUp = err, errors.Is(err, errStands)
		return failed
	}
	defer func() { _ = response.Body.Close() }()
	failed.Status = response.StatusCode
	switch {
	case response.StatusCode != http.StatusOK:
		page, _ := io.ReadAll(io.LimitReader(response.Body, 1<<16))
		failed.Message = title(page)
	case strings.Trim(response.Header.Get("ETag"), `"`) != etag:
		failed.Message = "the service received something else than was sent (ETag)"
	default:
		return nil
	}
	return failed
}

// download writes what a signed URL names to w.
func (c *Client) download(ctx context.Context, where string, w io.Writer) error {
	response, err := c.signed(ctx, http.MethodGet, where, nil)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		page, _ := io.ReadAll(io.LimitReader(response.Body, 1<<16))
		return fmt.Errorf("HTTP %d: %s", response.StatusCode, title(page))
	}
	_, err = io.Copy(w, response.Body)
	return err
}

// signed asks a URL that carries its own permission: without the token, and without the
// URL in errors and logs. A file takes as long as it takes, but something has to move.
func (c *Client) signed(ctx context.Context, method, where string, body []byte) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	watch := time.AfterFunc(c.config.Timeout, func() { cancel(fmt.Errorf("%w for %s", errStands, c.config.Timeout)) })
	transfer := moving{io.NopCloser(bytes.NewReader(body)), ctx, cancel, watch, c.config.Timeout}
	request, err := http.NewRequestWithContext(ctx, method, where, struct{ io.Reader }{transfer}) // its end is not that of the transfer
	if err != nil {
		_ = transfer.Close()
		return nil, errors.New("the service named no usable address")
	}
	if request.ContentLength = int64(len(body)); body == nil {
		request.Body = nil
	}
	c.config.Trace(method + " " + request.URL.Host + " (signed URL)")
	response, err := c.plain.Do(request)
	if err != nil {
		if wrapped, ok := errors.AsType[*url.Error](err); ok {
			err = wrapped.Err
		}
		err = stopped(ctx, err)
		_ = transfer.Close()
		return nil, fmt.Errorf("%s %s: %w", method, request.URL.Host, err)
	}
	transfer.ReadCloser = response.Body
	response.Body = transfer
	return response, nil
}

// errStands is why a transfer was given up.
var errStands = errors.New("nothing has moved")

// moving is a transfer that is given up when nothing has moved for a while.
type moving struct {
	io.ReadCloser
	ctx    context.Context
	cancel context.CancelCauseFunc // ends ctx
	watch  *time.Timer             // calls cancel
	limit  time.Duration
}

func (m moving) Read(p []byte) (int, error) {
	n, err := m.ReadCloser.Read(p)
	m.watch.Reset(m.limit)
	if err != nil {
		err = stopped(m.ctx, err)
	}
	return n, err
}

func (m moving) Close() error {
	m.watch.Stop()
	defer m.cancel(nil)
	return m.ReadCloser.Close()
}

// stopped says why a transfer ended with err, where its context did that.
func stopped(ctx context.Context, err error) error {
	switch cause := context.Cause(ctx); {
	case cause == nil:
		return err
	case errors.Is(cause, errStands):
		return cause
	default:
		return context.Canceled
	}
}
