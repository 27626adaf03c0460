package d1

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/d1-rewind/d1-rewind/internal/migration"
)

// Error is an answer of Cloudflare's API that is no success, or the lack of an answer.
type Error struct {
	Doing   string // completes "could not …"
	Method  string
	Path    string
	Status  int    // of HTTP; 0 if no answer came
	Code    int    // of the API; 0 if it gave none
	Message string // the API's, or what is wrong with its answer
	Err     error  // why no answer came

	sent      bool // whether the request may have reached the service
	gaveUp    bool // no answer came in time
	untrusted bool // whoever answered did not show that it is the service
	html      bool
	after     time.Duration
}

// cause is what went wrong, whatever was to be done; "" if nothing tells.
func (e *Error) cause() string {
	if e.Err != nil {
		return e.Err.Error()
	}
	return e.Message
}

// brief is the error without the request.
func (e *Error) brief() string {
	if cause := e.cause(); cause != "" {
		return fmt.Sprintf("could not %s: %s", e.Doing, cause)
	}
	return "could not " + e.Doing
}

func (e *Error) Error() string {
	var about []string
	if e.Method != "" {
		about = append(about, e.Method+" "+e.Path)
	}
	if e.Status != 0 {
		about = append(about, fmt.Sprintf("HTTP %d", e.Status))
	}
	if e.Code != 0 {
		about = append(about, fmt.Sprintf("code %d", e.Code))
	}
	if len(about) == 0 {
		return e.brief()
	}
	return fmt.Sprintf("%s (%s)", e.brief(), strings.Join(about, ", "))
}

func (e *Error) Unwrap() error { return e.Err }

// The API's codes that mean something here; where each was read stands beside it.
const (
	codeSQL            = 7500  // SQL error (HTTP 400), but also "internal error" (HTTP 500): D1 changelog of 2024-04
	codeNoDatabase     = 7404  // wrangler, packages/wrangler/src/d1
	codeNoAccount      = 7403  // account not valid, or not authorised for the service: workers-sdk #15553
	codeAuthentication = 10000 // authentication error: wrangler
	codeTokenInvalid   = 9109  // unauthorised access, "Invalid access token": wrangler
	codeNoCredentials  = 9106  // authentication error: wrangler
	codeHeaders        = 6003  // "Invalid request headers": a token of the wrong form
	codeNoWorker       = 10007 // wrangler
	codeSecretsChanged = 10220 // wrangler, packages/wrangler/src/versions/rollback
)

// passes reports whether the same request may well succeed later.
func (e *Error) passes() bool {
	switch {
	case errors.Is(e.Err, context.Canceled), e.untrusted:
		return false
	case e.Status == 0:
		return true
	case e.Status == http.StatusRequestTimeout, e.Status == http.StatusTooManyRequests, e.Status >= 500:
		return true
	case e.Status < 300 && e.Code == 0:
		return !e.html // a broken document; a proxy's page would come again
	default:
		return resettable(e.Message)
	}
}

// resettable reports whether D1 asks to send the query again; the messages are those of
// https://developers.cloudflare.com/d1/observability/debug-d1/#errors.
func resettable(message string) bool {
	for _, words := range []string{"Network connection lost", "caused object to be reset", "reset because its code was updated",
		"Cannot resolve D1 DB due to transient issue", "D1 DB is overloaded",
		"Currently processing a long-running"} { // an export or import of someone else
		if strings.Contains(message, words) {
			return true
		}
	}
	return false
}

// refused reports whether the database itself refused the SQL, with a clear answer.
func (e *Error) refused() bool {
	return e.Code == codeSQL && e.Status < 500 && e.Status != http.StatusRequestEntityTooLarge && e.Message != "" && !resettable(e.Message)
}

// statement returns the database's words where it refused the SQL, nil elsewhere.
func (e *Error) statement() *migration.StatementError {
	if !e.refused() {
		return nil
	}
	return &migration.StatementError{Index: -1, Offset: -1, Text: strings.TrimPrefix(e.Message, "D1_ERROR: ")}
}

// untouched reports whether the request certainly changed nothing: it was not sent, or the
// API itself turned it away at the door. A page of someone in between proves nothing.
func (e *Error) untouched() bool {
	switch e.Code {
	case codeNoDatabase, codeNoAccount, codeAuthentication, codeNoCredentials, codeTokenInvalid, codeHeaders:
		return true
	}
	switch e.Status {
	case 0:
		return !e.sent
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusRequestEntityTooLarge:
		return e.Code != 0
	}
	return false
}

// declined reports whether the API itself answered that it won't do what it was asked to.
func (e *Error) declined() bool {
	return e.Code != 0 && e.Status >= 400 && e.Status < 500 && e.Status != http.StatusRequestTimeout && !resettable(e.Message)
}

// problem adds to err, an *Error, what the reader can do about it. needs is the permission
// that the request takes.
func (c *Client) problem(err error, needs string) error {
	e, ok := errors.AsType[*Error](err)
	if !ok || errors.Is(err, context.Canceled) {
		return err
	}
	return &migration.Problem{Err: e, Next: c.advice(e, needs)}
}

func (c *Client) advice(e *Error, needs string) string {
	switch {
	case e.untrusted:
		return "nothing was sent: check the API's address (--api-address, CLOUDFLARE_API_BASE_URL), the proxies in between, and this machine's certificates and clock"
	case e.Status == 0 && !e.sent:
		return "nothing was sent: check the network, DNS and the API's address (--api-address, CLOUDFLARE_API_BASE_URL), then run again"
	case e.Status == 0:
		return "check the network and https://www.cloudflarestatus.com, then run again"
	case e.Status == http.StatusTooManyRequests:
		return "Cloudflare takes 1,200 requests in 5 minutes from one user, then none for 5 minutes; wait and run again"
	case e.Code == codeHeaders, e.Code == codeTokenInvalid, e.Code == codeNoCredentials, e.Status == http.StatusUnauthorized:
		return "the token is wrong, expired or revoked: make a new one with the permission " + needs + " and set it as CLOUDFLARE_API_TOKEN"
	case e.Code == codeAuthentication:
		return fmt.Sprintf("the token is not accepted for account %s: it lacks the permission %s, or belongs to another account", c.config.AccountID, needs)
	case e.Code == codeNoAccount:
		return fmt.Sprintf("check the account id (%s): it is not valid, or the token is for another account; it needs %s", c.config.AccountID, needs)
	case e.Code == codeNoDatabase:
		return "check the database id (--database-id, database_id in the configuration) and the account id; wrangler d1 list shows what there is"
	case e.Status == http.StatusRequestEntityTooLarge:
		return "the query endpoint does not take this much at once: leave out --transport query, or say --transport import"
	case e.Code == codeNoWorker:
		return "check the Worker's name (--worker); it has not been deployed under this one"
	case e.html && e.Status < 500:
		return "something between here and Cloudflare answered: check proxies, firewalls and the API's address (--api-address, CLOUDFLARE_API_BASE_URL)"
	case e.Status == http.StatusForbidden:
		return "refused without a reason: check the token's permissions (" + needs + ") and its client IP filter, and what stands between here and Cloudflare"
	case e.Status == http.StatusNotFound:
		return "check the account id and the database id; wrangler d1 list shows what there is"
	case e.Status >= 500:
		return "Cloudflare's side failed: see https://www.cloudflarestatus.com, then run again"
	default:
		return "--verbose shows the requests; the doctor command checks token, permissions and database"
	}
}

// The permissions of an API token, as the dashboard names them.
const (
	needsD1Read      = "Account > D1 > Read (Edit for whatever writes)"
	needsD1Edit      = "Account > D1 > Edit"
	needsWorkersRead = "Account > Workers Scripts > Read"
	needsWorkersEdit = "Account > Workers Scripts > Edit"
)
