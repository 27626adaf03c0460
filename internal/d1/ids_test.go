package d1_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/d1-rewind/d1-rewind/internal/d1"
	"github.com/d1-rewind/d1-rewind/internal/migration"
)

// What a pull request can write into a configuration leads no request to another path.
func TestPathsAreEscaped(t *testing.T) {
	t.Parallel()
	const evil = "../../../../user/tokens/verify?x=#"
	for _, evil := range []string{evil, "..", ".", "a/b", "%2e%2e/x", "a?b", "a#b", "a\nb"} {
		var paths []string
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			paths = append(paths, r.RequestURI)
			w.WriteHeader(http.StatusTeapot)
		}))
		client := d1.New(d1.Config{AccountID: evil, Token: "token", BaseURL: server.URL, Sleep: noSleep})
		database, worker := client.Database(evil, "auto"), client.Worker(evil)
		_, _ = database.Info(t.Context())
		_, _ = database.Read(t.Context(), migration.Query{SQL: "SELECT 1"})
		_ = database.Dump(t.Context(), &strings.Builder{})
		_ = database.MayWrite(t.Context(), "")
		_, _ = client.Named(t.Context(), evil)
		_, _ = client.Verify(t.Context())
		_, _ = worker.Deployed(t.Context())
		_, _ = worker.Versions(t.Context())
		_ = worker.Rollback(t.Context(), evil, "")
		server.Close()
		if len(paths) < 8 {
			t.Fatalf("%q: %d requests", evil, len(paths))
		}
		for _, path := range paths {
			path, _, _ := strings.Cut(path, "?")
			segments := strings.Split(path, "/")
			switch {
			case path == "/user/tokens/verify":
			case segments[1] != "accounts" || segments[2] == "" || strings.Trim(segments[2], ".") == "" || len(segments) > 7 || len(segments) > 3 && segments[3] != "d1" && segments[3] != "workers" && segments[3] != "tokens":
				t.Errorf("%q leads to %s", evil, path)
			}
		}
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
		{d1.CheckDatabaseID, "9ebd6f14-b574-464c-8147-3885214d6a65/../x", "is no database id"},
		{d1.CheckDatabaseID, "shop-db", "is no database id"},
		{d1.CheckWorkerName, "shop-Staging_2", ""},
		{d1.CheckWorkerName, strings.Repeat("x", 255), ""},
		{d1.CheckWorkerName, strings.Repeat("x", 256), "is no name of a Worker"},
		{d1.CheckWorkerName, "-x", "is no name of a Worker"},
		{d1.CheckWorkerName, "..", "is no name of a Worker"},
		{d1.CheckWorkerName, "a/b", "is no name of a Worker"},
		{d1.CheckWorkerName, "a?b", "is no name of a Worker"},
		{d1.CheckWorkerName, "a\n", "is no name of a Worker"},
		{d1.CheckVersion, "11111111-1111-4111-8111-111111111111", ""},
		{d1.CheckVersion, "latest", "is no version of a Worker"},
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
