// Package d1 is the Cloudflare environment: a D1 database behind Cloudflare's REST API,
// its Time Travel, import and export, and the versions of the Worker that uses it.
//
// Of cloudflare-go only the packages d1 and workers are imported: its root package, which
// has the generic calls, would add 5.5 MB to the binary and 95 s to a cold build. Endpoints
// that the two packages lack are reached by giving a typed call another path.
package d1

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/cloudflare/cloudflare-go/v4/d1"
	"github.com/cloudflare/cloudflare-go/v4/option"
	"github.com/cloudflare/cloudflare-go/v4/workers"
	"golang.org/x/time/rate"

	"github.com/d1-rewind/d1-rewind/internal/migration"
)

// DefaultBaseURL is where Cloudflare's API answers.
const DefaultBaseURL = "https://api.cloudflare.com/client/v4"

// Config is what a Client needs.
type Config struct {
	AccountID string
	Token     string // never logged, never part of an error
	BaseURL   string // "" means DefaultBaseURL
	Agent     string // how the program calls itself to the service

	Timeout  time.Duration                              // of one request; 0: 45 s, which is more than D1's own 30 s
	Grace    time.Duration                              // for a write that is under way when the run is cancelled; 0: 4 s
	Now      func() time.Time                           // nil: the clock
	Sleep    func(context.Context, time.Duration) error // nil: on the clock
	Progress func(string)                               // one line for whatever takes long; may be nil
	Trace    func(string)                               // one line for each request; may be nil
}

// Client asks Cloudflare's API on behalf of one account.
type Client struct {
	config    Config
	databases *d1.DatabaseService
	scripts   *workers.ScriptService
	limiter   *rate.Limiter
	plain     *http.Client // for signed URLs, which take no token

	mutex sync.Mutex
	said  string // see sayOnce
}

// Cloudflare takes 1,200 requests in five minutes from one token, then refuses all of them
// for five minutes (https://developers.cloudflare.com/fundamentals/api/reference/limits/).
// A burst and the steady rate together stay at that number in any five minutes.
const (
	burst  = 200
	steady = 300 * time.Millisecond
)

// New returns a client. It contacts nothing.
func New(c Config) *Client {
	if c.BaseURL == "" {
		c.BaseURL = DefaultBaseURL
	}
	if c.Timeout == 0 {
		c.Timeout = 45 * time.Second
	}
	if c.Grace == 0 {
		c.Grace = 4 * time.Second
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Sleep == nil {
		c.Sleep = migration.Pause
	}
	if c.Progress == nil {
		c.Progress = func(string) {}
	}
	if c.Trace == nil {
		c.Trace = func(string) {}
	}
	// A redirected write would be sent a second time by the HTTP client.
	direct := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	options := []option.RequestOption{
		option.WithBaseURL(strings.TrimSuffix(c.BaseURL, "/") + "/"),
		option.WithHTTPClient(direct),
		option.WithMaxRetries(0), // the library repeats writes, too; Client.read repeats what may be repeated
		option.WithHeader("Authorization", "Bearer "+c.Token),
		option.WithHeader("User-Agent", c.Agent),
	}
	return &Client{
		config:    c,
		databases: d1.NewDatabaseService(options...),
		scripts:   workers.NewScriptService(options...),
		limiter:   rate.NewLimiter(rate.Every(steady), burst),
		plain:     direct,
	}
}

// call is one request to the API.
type call struct {
	doing string // completes the sentence "could not …"
	send  func(ctx context.Context, options ...option.RequestOption) error
	path  string // takes the place of the typed call's path
	body  any    // takes the place of the typed call's body, as JSON
	bare  bool   // no body at all
}

// answer is what came back, and what of it is not in the body.
type answer struct {
	doing  string // see call
	result json.RawMessage
	date   time.Time // the service's clock, zero if it did not say
}

// envelope surrounds every answer (https://developers.cloudflare.com/api/).
type envelope struct {
	Success *bool `json:"success"`
	Errors  []struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
		Chain   []struct {
			Code    int    `json:"code"`
			Message string `json:"message"`
		} `json:"error_chain"`
	} `json:"errors"`
	Result json.RawMessage `json:"result"`
}

// once sends one request. The error is an *Error.
func (c *Client) once(ctx context.Context, q call) (answer, error) {
	failed := &Error{Doing: c.redact(q.doing)}
	if err := c.pace(ctx); err != nil {
		failed.Err = err
		return answer{}, failed
	}
	ctx, cancel := context.WithTimeoutCause(ctx, c.config.Timeout, fmt.Errorf("no answer within %s", c.config.Timeout))
	defer cancel()
	var body []byte
	var response *http.Response
	var readErr error
	options := []option.RequestOption{option.WithMiddleware(func(r *http.Request, next option.MiddlewareNext) (*http.Response, error) {
		if q.path != "" {
			path, query, _ := strings.Cut(q.path, "?")
			at, err := url.Parse(strings.TrimSuffix(c.config.BaseURL, "/") + "/" + path)
			if err != nil {
				return nil, err
			}
			at.RawQuery = query
			r.URL = at
		}
		if q.bare {
			r.Body, r.GetBody, r.ContentLength = nil, nil, 0
			r.Header.Del("Content-Type")
		}
		failed.Method, failed.Path = r.Method, c.redact(r.URL.Path)
		start := c.config.Now()
		failed.sent = true
		res, err := next(r)
		if err != nil {
			c.config.Trace(fmt.Sprintf("%s %s: %s (%s)", r.Method, failed.Path, c.redact(err.Error()), c.config.Now().Sub(start).Round(time.Millisecond)))
			return res, err
		}
		response = res
		body, readErr = io.ReadAll(res.Body)
		_ = res.Body.Close()
		res.Body = io.NopCloser(strings.NewReader("{}")) // the library would read it all once more; see judge
		c.config.Trace(fmt.Sprintf("%s %s: %d, %d bytes (%s)", r.Method, failed.Path, res.StatusCode, len(body), c.config.Now().Sub(start).Round(time.Millisecond)))
		return res, nil
	})}
	if q.body != nil {
		data, err := json.Marshal(q.body)
		if err != nil {
			failed.Err = err
			return answer{}, failed
		}
		options = append(options, option.WithRequestBody("application/json", data))
	}
	err := q.send(ctx, options...)
	switch {
	case response == nil:
		return answer{}, c.lost(ctx, failed, err)
	case readErr != nil:
		return answer{}, c.lost(ctx, failed, fmt.Errorf("the answer broke off: %w", readErr))
	}
	return c.judge(failed, response, body)
}

// lost says why there is no answer, without the token and without the URL that is named
// anyway.
func (c *Client) lost(ctx context.Context, failed *Error, err error) *Error {
	failed.sent = failed.sent && !neverSent(err)
	switch cause := context.Cause(ctx); {
	case err == nil:
		failed.Err = errors.New("no answer")
	case errors.Is(ctx.Err(), context.Canceled): // not err: net/http gives up a connection for reasons of its own, too
		failed.Err = context.Canceled
	case ctx.Err() != nil && cause != nil:
		failed.Err, failed.gaveUp = cause, true
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		failed.Err = errors.New("the connection was closed before there was an answer")
	default:
		if wrapped, ok := errors.AsType[*url.Error](err); ok {
			err = wrapped.Err
		}
		failed.Err, failed.untrusted = errors.New(c.redact(err.Error())), untrusted(err)
	}
	return failed
}

// judge reads the answer. Only a complete document with success:true is success, whatever
// the status says: cloudflare-go lets success:false with status 200 pass.
func (c *Client) judge(failed *Error, response *http.Response, body []byte) (answer, error) {
	failed.Status = response.StatusCode
	failed.after = retryAfter(response.Header, c.config.Now())
	a := answer{doing: failed.Doing}
	a.date, _ = http.ParseTime(response.Header.Get("Date"))
	var e envelope
	if err := json.Unmarshal(body, &e); err != nil {
		switch {
		case response.StatusCode >= 300 && response.StatusCode < 400:
			failed.html, failed.Message = true, "a redirect"
		case len(body) == 0:
			failed.Message = "an empty answer"
		case looksLikeHTML(response.Header, body):
			failed.html = true
			failed.Message = "a page of HTML instead of JSON: " + c.redact(title(body))
		default:
			failed.Message = fmt.Sprintf("the answer is no complete JSON document (%d bytes)", len(body))
		}
		return a, failed
	}
	if len(e.Errors) > 0 {
		failed.Code, failed.Message = e.Errors[0].Code, c.redact(e.Errors[0].Message)
		for _, more := range e.Errors[0].Chain {
			failed.Message += fmt.Sprintf(" (%s, code %d)", c.redact(more.Message), more.Code)
		}
	}
	if response.StatusCode >= 300 || e.Success == nil || !*e.Success {
		if failed.Message == "" {
			failed.Message = "the answer does not say success"
		}
		return a, failed
	}
	a.result = e.Result
	return a, nil
}

// write sends a request that changes something, once. When ctx is cancelled it still waits
// a moment for the answer: a request that is given up may yet take effect.
func (c *Client) write(ctx context.Context, q call) (answer, error) {
	if err := ctx.Err(); err != nil {
		return answer{}, &Error{Doing: c.redact(q.doing), Err: err}
	}
	sending, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(c.config.Grace, cancel) })
	defer stop()
	return c.once(sending, q)
}

// read reads what was asked for into target. The error is an *Error: the service did what
// it was asked to, but its answer can't be used.
func (a answer) read(target any) error {
	if err := json.Unmarshal(a.result, target); err != nil {
		return a.unusable("the answer can't be read: %v", err)
	}
	return nil
}

// unusable is the error of an answer that says success and lacks what it should have.
func (a answer) unusable(format string, args ...any) *Error {
	return &Error{Doing: a.doing, Status: http.StatusOK, Message: fmt.Sprintf(format, args...), sent: true}
}

// tries bounds how often a read is sent.
const tries = 5

// longestWait is the most that one read waits in all: a little more than Cloudflare's own
// block after too many requests.
const longestWait = 6 * time.Minute

// read sends a request that changes nothing, again after errors that pass.
func (c *Client) read(ctx context.Context, q call) (answer, error) {
	wait, waited := 500*time.Millisecond, time.Duration(0)
	for try := 1; ; try++ {
		a, err := c.once(ctx, q)
		if err == nil {
			c.answered()
			return a, nil
		}
		failed, _ := errors.AsType[*Error](err)
		pause := max(wait, failed.after)
		if try == tries || ctx.Err() != nil || !failed.passes() || waited+pause > longestWait {
			return a, err
		}
		wait, waited = 2*wait, waited+pause
		c.sayOnce(failed, fmt.Sprintf("; trying again in %s", pause.Round(100*time.Millisecond)))
		if err := c.config.Sleep(ctx, pause); err != nil {
			return a, &Error{Doing: c.redact(q.doing), Err: err}
		}
	}
}

// sayOnce says what failed, and what follows, unless another request that goes on at the
// same time has just said the same of itself.
func (c *Client) sayOnce(failed *Error, follows string) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if said := failed.cause() + follows; said != c.said {
		c.said = said
		c.config.Progress(failed.brief() + follows)
	}
}

// answered lets the next failure be said again.
func (c *Client) answered() {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.said = ""
}

// pace waits for the limiter.
func (c *Client) pace(ctx context.Context) error {
	now := c.config.Now()
	reservation := c.limiter.ReserveN(now, 1)
	wait := reservation.DelayFrom(now)
	if wait == 0 {
		return ctx.Err()
	}
	if wait > 2*time.Second { // several that wait for each other at the steady rate are no news
		c.config.Progress(fmt.Sprintf("waiting %s: Cloudflare takes 1,200 requests in 5 minutes", wait.Round(time.Second)))
	}
	return c.config.Sleep(ctx, wait)
}

// redact takes the token out of a text that came from outside.
func (c *Client) redact(text string) string {
	if c.config.Token == "" {
		return text
	}
	return strings.ReplaceAll(text, c.config.Token, "***")
}

// neverSent reports whether no byte of the request can have reached the service.
func neverSent(err error) bool {
	if _, ok := errors.AsType[*net.DNSError](err); ok || untrusted(err) {
		return true
	}
	dial, ok := errors.AsType[*net.OpError](err)
	return ok && dial.Op == "dial"
}

// untrusted reports whether whoever answered could not show that it is the service.
func untrusted(err error) bool {
	_, wrong := errors.AsType[*tls.CertificateVerificationError](err)
	_, garbled := errors.AsType[tls.RecordHeaderError](err)
	return wrong || garbled || errors.Is(err, http.ErrSchemeMismatch)
}

// retryAfter reads how long the service asks to wait, 0 if it does not.
func retryAfter(header http.Header, now time.Time) time.Duration {
	value := header.Get("Retry-After")
	if seconds, err := strconv.ParseFloat(value, 64); err == nil && seconds > 0 && seconds < math.MaxInt32 {
		return time.Duration(seconds * float64(time.Second))
	}
	if when, err := http.ParseTime(value); err == nil && when.After(now) {
		return when.Sub(now)
	}
	return 0
}

func looksLikeHTML(header http.Header, body []byte) bool {
	return strings.Contains(header.Get("Content-Type"), "html") || bytes.HasPrefix(bytes.TrimSpace(body), []byte("<"))
}

// title returns the title of a page of HTML, or its beginning, on one line.
func title(page []byte) string {
	text := string(page)
	if _, after, ok := strings.Cut(text, "<title>"); ok {
		text, _, _ = strings.Cut(after, "</title>")
	}
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > 120 {
		text = strings.ToValidUTF8(text[:120], "") + "…"
	}
	return text
}
