package d1_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/d1-rewind/d1-rewind/internal/d1"
	"github.com/d1-rewind/d1-rewind/internal/d1/d1test"
	"github.com/d1-rewind/d1-rewind/internal/migration"
)

// What a pull request can write into a configuration leads no request to another path.
func TestPathsAreEscaped(t *testing.T) {
	t.Parallel()
	for evil, segment := range map[string]string{
		"shop":                   "shop",
		"../../../../user/x?x=#": "..%2F..%2F..%2F..%2Fuser%2Fx%3Fx=%23",
		"..":                     "%2E%2E",
		".":                      "%2E",
		"a/b":                    "a%2Fb",
		"%2e%2e/x":               "%252e%252e%2Fx",
		"a?b":                    "a%3Fb",
		"a#b":                    "a%23b",
		"a\nb":                   "a%0Ab",
	} {
		account := "/accounts/" + segment
		database, worker := account+"/d1/database/"+segment, account+"/workers/scripts/"+segment
		escaped := url.QueryEscape(evil)
		want := map[string][]string{
			"Info":     {"GET " + database},
			"Read":     {"POST " + database + "/raw"},
			"Dump":     {"POST " + database + "/raw", "POST " + database + "/export"},
			"Bookmark": {"GET " + database + "/time_travel/bookmark"},
			"Apply":    {"POST " + database + "/query"},
			"Restore":  {"POST " + database + "/time_travel/restore?bookmark=" + escaped},
			"MayWrite": {"POST " + database + "/import"},
			"Named":    {"GET " + account + "/d1/database?name=" + escaped + "&page=1&per_page=100"},
			"Verify":   {"GET /user/tokens/verify", "GET " + account + "/tokens/verify"},
			"Deployed": {"GET " + worker + "/deployments"},
			"Versions": {"GET " + worker + "/versions?deployable=true"},
			"Rollback": {"POST " + worker + "/deployments"},
		}
		if diff := cmp.Diff(want, requestsOf(t, evil)); diff != "" {
			t.Errorf("%q leads elsewhere (-want +got):\n%s", evil, diff)
		}
	}
}

// requestsOf calls each method with the same text as the account, the database, the Worker, and what
// else there is to name, and returns what each asked for.
func requestsOf(t *testing.T, text string) map[string][]string {
	t.Helper()
	var asked []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Method+" "+r.RequestURI)
		if strings.HasSuffix(r.URL.Path, "/raw") { // which Dump begins with
			_, _ = io.WriteString(w, `{"success": true, "result": [{"success": true, "results": {"columns": [], "rows": []}}]}`)
			return
		}
		w.WriteHeader(http.StatusTeapot)
		_, _ = io.WriteString(w, `{"success": false, "errors": [{"code": 1, "message": "no"}]}`)
	}))
	defer server.Close()
	client := d1.New(d1.Config{AccountID: text, Token: "token", BaseURL: server.URL, Sleep: noSleep})
	database, worker := client.Database(text, "query"), client.Worker(text)
	ctx := t.Context()
	all := map[string][]string{}
	for name, call := range map[string]func(){
		"Info":     func() { _, _ = database.Info(ctx) },
		"Read":     func() { _, _ = database.Read(ctx, migration.Query{SQL: "SELECT 1"}) },
		"Dump":     func() { _ = database.Dump(ctx, io.Discard) },
		"Bookmark": func() { _, _ = database.Bookmark(ctx, time.Time{}) },
		"Apply":    func() { _ = database.Apply(ctx, migration.Batch{}) },
		"Restore":  func() { _, _ = database.Restore(ctx, migration.Bookmark(text)) },
		"MayWrite": func() { _ = database.MayWrite(ctx, "") },
		"Named":    func() { _, _ = client.Named(ctx, text) },
		"Verify":   func() { _, _ = client.Verify(ctx) },
		"Deployed": func() { _, _ = worker.Deployed(ctx) },
		"Versions": func() { _, _ = worker.Versions(ctx) },
		"Rollback": func() { _ = worker.Rollback(ctx, text, "") },
	} {
		asked = nil
		call()
		all[name] = asked
	}
	return all
}

// A Worker or a database that is named like the token: neither an error nor a line of --verbose shows it.
// (An account like it is refused earlier.)
func TestTokenAsAName(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]d1test.Fault{
		"refused": {Status: http.StatusForbidden, Body: `{"success": false, "errors": [{"code": 10007, "message": "no"}]}`},
		"passes":  {Status: http.StatusBadGateway},
		"dropped": {Drop: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, _ := server(t)
			s.SetFault(func(d1test.Request) *d1test.Fault { return &fault })
			var traced, said, failed []string
			client := d1.New(d1.Config{AccountID: d1test.Account, Token: d1test.Token, BaseURL: s.URL, Sleep: noSleep,
				Trace: func(line string) { traced = append(traced, line) }, Progress: func(line string) { said = append(said, line) }})
			worker, database := client.Worker(d1test.Token), client.Database(d1test.Token, "query")
			_, deployed := worker.Deployed(t.Context())
			_, versions := worker.Versions(t.Context())
			_, info := database.Info(t.Context())
			rollback := worker.Rollback(t.Context(), d1test.Token, "")
			for _, err := range []error{deployed, versions, info, rollback} {
				failed = append(failed, fmt.Sprintf("%v %+v", err, errors.Unwrap(err)))
			}
			for what, lines := range map[string][]string{"trace": traced, "progress": said, "error": failed} {
				text := strings.Join(lines, "\n")
				if strings.Contains(text, d1test.Token) {
					t.Errorf("the token is in a line of %s:\n%s", what, text)
				}
				if !strings.Contains(text, "***") && (what != "progress" || name != "refused") { // nothing is tried again then
					t.Errorf("no line of %s has a name in it:\n%s", what, text)
				}
			}
		})
	}
}

func TestChecks(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		check func(string) error
		value string
		want  string // in the error; "" for none
	}{
		{d1.CheckAccountID, "0123456789abcdef0123456789ABCDEF", ""},
		{d1.CheckAccountID, "0123456789abcdef0123456789abcde", "this has 31 characters"},
		{d1.CheckAccountID, "0123456789abcdef0123456789abcdeg", "other characters in it"},
		{d1.CheckAccountID, "v1-0-0123456789_abcdef-0123456789abcdef0123456789", "looks like an API token"},
		{d1.CheckAccountID, "9ebd6f14-b574-464c-8147-3885214d6a65", "looks like a database's id"},
		{d1.CheckAccountID, "0123456789abcdef0123456789abcdef\n", "this has 33 characters"},
		{d1.CheckAccountID, "..", "this has 2 characters"},
		{d1.CheckDatabaseID, "9ebd6f14-b574-464c-8147-3885214d6a65", ""},
		{d1.CheckDatabaseID, "9ebd6f14-b574-464c-8147-3885214d6a65/../x", "is not a database id"},
		{d1.CheckDatabaseID, "shop-db", "is not a database id"},
		{d1.CheckWorkerName, "shop-Staging_2", ""},
		{d1.CheckWorkerName, strings.Repeat("x", 255), ""},
		{d1.CheckWorkerName, strings.Repeat("x", 256), "is not a Worker name"},
		{d1.CheckWorkerName, "-x", "is not a Worker name"},
		{d1.CheckWorkerName, "..", "is not a Worker name"},
		{d1.CheckWorkerName, "a/b", "is not a Worker name"},
		{d1.CheckWorkerName, "a?b", "is not a Worker name"},
		{d1.CheckWorkerName, "a\n", "is not a Worker name"},
		{d1.CheckVersion, "11111111-1111-4111-8111-111111111111", ""},
		{d1.CheckVersion, "latest", "is not a Worker version"},
	} {
		err := tc.check(tc.value)
		if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%q: %v, want %q", tc.value, err, tc.want)
		}
	}
	if err := d1.CheckAccountID("v1-0-0123456789"); strings.Contains(err.Error(), "v1-0") {
		t.Errorf("the value is shown: %v", err)
	}
}
