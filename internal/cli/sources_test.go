package cli_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/d1-rewind/d1-rewind/internal/d1/d1test"
)

// A report says where the configuration and the token come from, as seen from where it was asked for.
func TestSources(t *testing.T) {
	for _, tc := range []struct {
		name, in, environment string
		ofTheProcess          bool // the token
		configuration         string
		token                 any // nil: nothing is said
	}{
		{"beside", ".", "production", false, "wrangler.jsonc", ".env"},
		{"above", "src", "production", false, "../wrangler.jsonc", "../.env"},
		{"local", "src", "local", false, "../wrangler.jsonc", nil},
		{"token_of_the_process", "src", "production", true, "../wrangler.jsonc", nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := newProject(t, map[string]string{".env": set(d1test.Token, d1test.Account)})
			if err := os.Mkdir("src", 0o755); err != nil {
				t.Fatal(err)
			}
			t.Chdir(filepath.Join(c.dir, tc.in))
			if tc.ofTheProcess {
				c.env["CLOUDFLARE_API_TOKEN"], c.env["CLOUDFLARE_ACCOUNT_ID"] = d1test.Token, d1test.Account
			}
			r := c.run("status", tc.environment, "--format", "json")
			r.want(t, 0)
			if got := r.json(t); got["configuration"] != tc.configuration || got["tokenSource"] != tc.token {
				t.Errorf("configuration %v, token from %v, want %v, %v", got["configuration"], got["tokenSource"], tc.configuration, tc.token)
			}
		})
	}
	t.Run("no_configuration", func(t *testing.T) {
		workspace(t, sample())
		if got := d1rewind(nil, "status", "--format", "json").json(t)["configuration"]; got != "" {
			t.Errorf("configuration %q", got)
		}
	})
}
