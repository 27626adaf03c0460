package cli

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/d1-rewind/d1-rewind/internal/report"
)

// TestSources wants a report to know where configuration and token come from.
func TestSources(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"wrangler.toml": "[[d1_databases]]\nbinding = 'DB'\ndatabase_id = 'x'\n", ".env": "CLOUDFLARE_API_TOKEN='a b'", "src/x": ""} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	reported := func(environment string, env map[string]string) report.Report {
		getenv := func(name string) string { return env[name] }
		given := settings{"environment": environment}
		all, err := resolve(given, getenv)
		if err != nil {
			t.Fatal(err)
		}
		j := job{p: Process{Program: "d1-rewind", Version: "test", Getenv: getenv, Now: time.Now}, command: "status", given: given, settings: all, progress: func(string) {}}
		r := report.Report{}
		_ = j.wire(t.Context(), &r) // nothing is contacted: the token has a space
		return r
	}
	for _, tc := range []struct {
		name, in, environment string
		env                   map[string]string
		config, token         string
	}{
		{"beside", ".", "production", nil, "wrangler.toml", ".env"},
		{"above", "src", "production", nil, "../wrangler.toml", "../.env"},
		{"local", "src", "local", nil, "../wrangler.toml", ""},
		{"token_of_the_process", "src", "production", map[string]string{"CLOUDFLARE_API_TOKEN": "a b"}, "../wrangler.toml", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Chdir(filepath.Join(dir, tc.in))
			if r := reported(tc.environment, tc.env); r.Config != tc.config || r.TokenSource != tc.token {
				t.Errorf("config %q, token %q, want %q, %q", r.Config, r.TokenSource, tc.config, tc.token)
			}
		})
	}
	t.Run("none", func(t *testing.T) {
		t.Chdir(t.TempDir())
		if r := reported("local", nil); r.Config != "" || r.TokenSource != "" {
			t.Errorf("config %q, token %q", r.Config, r.TokenSource)
		}
	})
}
