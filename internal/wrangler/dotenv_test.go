package wrangler_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/d1-rewind/d1-rewind/internal/wrangler"
)

// dotEnv writes .env files into a new directory.
func dotEnv(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// none is an environment without variables.
func none(string) string { return "" }

func TestReadCredentials(t *testing.T) {
	t.Parallel()
	const one, two = "CLOUDFLARE_API_TOKEN=one\nCLOUDFLARE_ACCOUNT_ID=acc-one\n", "CLOUDFLARE_API_TOKEN=two\nCLOUDFLARE_ACCOUNT_ID=acc-two\n"
	cases := []struct {
		name  string
		files map[string]string
		want  wrangler.Credentials
	}{
		{"none", nil, wrangler.Credentials{}},
		{"nothing_of_interest", map[string]string{".env": "SECRET=x\n# CLOUDFLARE_API_TOKEN=y\n"}, wrangler.Credentials{}},
		{".env", map[string]string{".env": one}, wrangler.Credentials{Token: "one", AccountID: "acc-one", File: ".env"}},
		{".env.local", map[string]string{".env": one, ".env.local": two}, wrangler.Credentials{Token: "two", AccountID: "acc-two", File: ".env.local"}},
		{".env.staging", map[string]string{".env": one, ".env.local": one, ".env.staging": two}, wrangler.Credentials{Token: "two", AccountID: "acc-two", File: ".env.staging"}},
		{".env.staging.local", map[string]string{".env.staging": one, ".env.staging.local": two}, wrangler.Credentials{Token: "two", AccountID: "acc-two", File: ".env.staging.local"}},
		{"another_environment", map[string]string{".env": one, ".env.production": two}, wrangler.Credentials{Token: "one", AccountID: "acc-one", File: ".env"}},
		{"spelled_otherwise", map[string]string{".env": "\ufeffexport CLOUDFLARE_API_TOKEN = \" one \" # mine\r\nID=acc\r\nCLOUDFLARE_ACCOUNT_ID='acc-one'"}, wrangler.Credentials{Token: "one", AccountID: "acc-one", File: ".env"}},
		{"expanded", map[string]string{".env": "A=acc\nCLOUDFLARE_API_TOKEN=one\nCLOUDFLARE_ACCOUNT_ID=${A}-one"}, wrangler.Credentials{Token: "one", AccountID: "acc-one", File: ".env"}},
		{"account_before", map[string]string{".env": one, ".env.local": "CLOUDFLARE_ACCOUNT_ID=acc-two"},
			wrangler.Credentials{Token: "one", AccountID: "acc-one", File: ".env", OtherAccount: "acc-two", OtherFile: ".env.local"}},
		{"account_elsewhere", map[string]string{".env": "CLOUDFLARE_ACCOUNT_ID=acc-one", ".env.local": "CLOUDFLARE_API_TOKEN=two"},
			wrangler.Credentials{Token: "two", File: ".env.local", OtherAccount: "acc-one", OtherFile: ".env"}},
		{"account_only", map[string]string{".env": "CLOUDFLARE_ACCOUNT_ID=acc-one"}, wrangler.Credentials{OtherAccount: "acc-one", OtherFile: ".env"}},
		{"what_comes_after_the_token_may_be_broken", map[string]string{".env": "'", ".env.local": one}, wrangler.Credentials{Token: "one", AccountID: "acc-one", File: ".env.local"}},
		{"lines_that_say_nothing", map[string]string{".env": "hello world\nFOO\nexport BAR\nmy-var=3\n[section]\nsource ./x\nA='a'b\n" + one}, wrangler.Credentials{Token: "one", AccountID: "acc-one", File: ".env"}},
		{"backticks", map[string]string{".env": "CLOUDFLARE_API_TOKEN=`one`\nCLOUDFLARE_ACCOUNT_ID: acc-one"}, wrangler.Credentials{Token: "one", AccountID: "acc-one", File: ".env"}},
		{"spaces_of_a_web_page", map[string]string{".env": "\u00a0CLOUDFLARE_API_TOKEN\u00a0=\u00a0one\u00a0\n\vCLOUDFLARE_ACCOUNT_ID=acc-one"}, wrangler.Credentials{Token: "one", AccountID: "acc-one", File: ".env"}},
		{"a_default", map[string]string{".env": "CLOUDFLARE_API_TOKEN=${NOTHING:-one}\nCLOUDFLARE_ACCOUNT_ID=$ELSEWHERE"}, wrangler.Credentials{Token: "one", File: ".env"}},
		{"an_open_quote", map[string]string{".env": "CLOUDFLARE_API_TOKEN='one"}, wrangler.Credentials{Token: "'one", File: ".env"}},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			dir := dotEnv(t, tc.files)
			got, err := wrangler.ReadCredentials(dir, "staging", none)
			if err != nil {
				t.Fatal(err)
			}
			for _, path := range []*string{&got.File, &got.OtherFile} {
				*path = strings.TrimPrefix(*path, dir+string(filepath.Separator))
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("ReadCredentials() (-want +got):\n%s", diff)
			}
		})
	}
}

func TestReadCredentialsErrors(t *testing.T) {
	t.Parallel()
	const secret = "top-secret"
	cases := []struct{ name, text, want string }{
		{"empty_token", "CLOUDFLARE_API_TOKEN=\n", ".env.local: CLOUDFLARE_API_TOKEN is empty"},
		{"token_from_nowhere", "CLOUDFLARE_API_TOKEN=$TOKEN\n", ".env.local: CLOUDFLARE_API_TOKEN is empty"},
		{"too_large", "A=" + strings.Repeat(secret, 1<<17), ".env.local: can't be read: it is larger than 1 MiB"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, err := wrangler.ReadCredentials(dotEnv(t, map[string]string{".env.local": tc.text, ".env": "CLOUDFLARE_API_TOKEN=other"}), "", none)
			if e := checkError(t, err, tc.want); strings.Contains(e.Error()+e.Hint, secret) || got != (wrangler.Credentials{}) {
				t.Errorf("%+v, %v", got, e)
			}
		})
	}
	t.Run("link", func(t *testing.T) {
		t.Parallel()
		dir := dotEnv(t, map[string]string{"elsewhere": "CLOUDFLARE_API_TOKEN=one"})
		if err := os.Symlink("elsewhere", filepath.Join(dir, ".env")); err != nil {
			t.Skip(err)
		}
		if got, err := wrangler.ReadCredentials(dir, "", none); err != nil || got.Token != "one" {
			t.Errorf("%+v, %v", got, err)
		}
	})
	t.Run("directory", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		if err := os.Mkdir(filepath.Join(dir, ".env"), 0o700); err != nil { // of Python
			t.Fatal(err)
		}
		if got, err := wrangler.ReadCredentials(dir, "", none); err != nil || got != (wrangler.Credentials{}) {
			t.Errorf("%+v, %v", got, err)
		}
	})
}

// FuzzReadCredentials wants no panic, and no error that quotes the file.
func FuzzReadCredentials(f *testing.F) {
	for _, text := range []string{"", "A=b", "export A='", "A: \"$B\\n\"", "=\n=", "\xff\xfe", "A=\"\\\"", "CLOUDFLARE_API_TOKEN=${CLOUDFLARE_API_TOKEN}", "#\n#"} {
		f.Add([]byte(text))
	}
	dir := f.TempDir()
	want := map[string]bool{"CLOUDFLARE_API_TOKEN is empty": true}
	f.Fuzz(func(t *testing.T, data []byte) {
		file := filepath.Join(dir, ".env")
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := wrangler.ReadCredentials(dir, "", none)
		if err == nil {
			return
		}
		if problem := strings.TrimPrefix(err.Error(), filepath.ToSlash(file)+": "); !want[problem] {
			t.Errorf("error %q, want one of %q", problem, slices.Collect(maps.Keys(want)))
		}
	})
}
