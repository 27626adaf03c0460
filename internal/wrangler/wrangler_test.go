package wrangler_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/d1-rewind/d1-rewind/internal/wrangler"
)

func TestStateFile(t *testing.T) {
	t.Parallel()
	// As wrangler 4.164 names them on disk.
	for identifier, want := range map[string]string{
		"11111111-2222-3333-4444-555555555555": "f023adf8de81e80d62670e09f086149af129cccda34c51f26517069258c53e8c",
		"bbbbbbbb-2222-3333-4444-555555555555": "e4636ca12c8756fbae3936c1caa31b634bcf61f2f05e31c7171a0f4436d81102",
		"NOID":                                 "4352776c43bd0755e466d0f7c7a1f4b761c294a796aa48768ba01c743affd068",
		"m1":                                   "4a2a44f3a34a28cb671c0ddb274b440300d443d6bea5a65d3deded5a1b70a83b",
		"nl1":                                  "238e840b8ee2366bc48152931dda172f4f4f146e3fa529944af28b4068e3aa5d",
	} {
		if got := wrangler.StateFile(identifier); got != want+".sqlite" {
			t.Errorf("StateFile(%q) = %s, want %s.sqlite", identifier, got, want)
		}
	}
}

const jsonc = `{
  // the Worker
  "name": "shop", "account_id": "acc",
  "d1_databases": [
    {"binding": "DB", "database_name": "shop-db", "database_id": "id-top", "preview_database_id": "id-preview",},
  ],
  "env": {
    "staging": {"d1_databases": [
      {"binding": "DB", "database_name": "shop-staging", "database_id": "id-staging"},
      {"binding": "LOG", "database_name": "log-staging", "database_id": "id-log", "migrations_dir": "log", "migrations_table": "t"}]},
    "empty": {"name": "own-name"},
  },
}`

const tomlText = `name = "shop"
account_id = "acc"
[[d1_databases]]
binding = "DB"
database_name = "shop-db"
database_id = "id-top"
preview_database_id = "id-preview"
[[env.staging.d1_databases]]
binding = "DB"
database_name = "shop-staging"
database_id = "id-staging"
[[env.staging.d1_databases]]
binding = "LOG"
database_name = "log-staging"
database_id = "id-log"
migrations_dir = "log"
migrations_table = "t"
[env.empty]
name = "own-name"
`

func write(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func load(t *testing.T, name, content string) *wrangler.Config {
	t.Helper()
	config, err := wrangler.Load(write(t, name, content))
	if err != nil {
		t.Fatal(err)
	}
	return config
}

func TestJSONAndTOMLSayTheSame(t *testing.T) {
	t.Parallel()
	a, b := load(t, "wrangler.jsonc", jsonc), load(t, "wrangler.toml", tomlText)
	a.Path, b.Path = "", ""
	if diff := cmp.Diff(a, b); diff != "" {
		t.Errorf("configurations (-jsonc +toml):\n%s", diff)
	}
}

func TestResolve(t *testing.T) {
	t.Parallel()
	config := load(t, "wrangler.jsonc", jsonc)
	type answer struct {
		Identifier, Worker string
		Local, Mismatch    bool
	}
	cases := []struct {
		name   string
		config *wrangler.Config
		s      wrangler.Selection
		want   answer
		err    string // part of problem and hint
	}{
		{"local_is_the_preview_of_the_top_level", config, wrangler.Selection{Environment: "local"}, answer{"id-preview", "shop", true, false}, ""},
		{"production_is_the_top_level", config, wrangler.Selection{Environment: "production"}, answer{"id-preview", "shop", false, false}, ""},
		{"named_environment", config, wrangler.Selection{Environment: "staging", Database: "DB"}, answer{"id-staging", "shop-staging", false, false}, ""},
		{"its_local_state_by_name", config, wrangler.Selection{Environment: "local:staging", Database: "log-staging"}, answer{"id-log", "shop-staging", true, false}, ""},
		{"by_id", config, wrangler.Selection{Environment: "local:staging", Database: "id-log"}, answer{"id-log", "shop-staging", true, false}, ""},
		{"id_wins", config, wrangler.Selection{Environment: "staging", Database: "DB", DatabaseID: "id-log"}, answer{"id-log", "shop-staging", false, true}, ""},
		{"unknown_id_replaces_the_configured", config, wrangler.Selection{Environment: "local", DatabaseID: "other"}, answer{"other", "shop", true, true}, ""},
		{"two_databases", config, wrangler.Selection{Environment: "staging"}, answer{}, `"LOG" (name "log-staging", id "id-log")`},
		{"unknown_database", config, wrangler.Selection{Environment: "staging", Database: "x"}, answer{}, `no database "x"`},
		{"unknown_environment", config, wrangler.Selection{Environment: "stagin"}, answer{}, "empty, local, local:empty, local:staging, production, staging"},
		{"unknown_local_environment", config, wrangler.Selection{Environment: "local:x"}, answer{}, `unknown environment "local:x"`},
		{"databases_are_not_inherited", config, wrangler.Selection{Environment: "empty"}, answer{}, "do not inherit"},
		{"no_configuration", nil, wrangler.Selection{Environment: "local"}, answer{"DB", "", true, false}, ""},
		{"no_configuration_with_id", nil, wrangler.Selection{Environment: "production", DatabaseID: "x"}, answer{"x", "", false, false}, ""},
		{"no_configuration_remote", nil, wrangler.Selection{Environment: "production"}, answer{}, "--database-id"},
		{"no_configuration_unknown", nil, wrangler.Selection{Environment: "staging"}, answer{}, "no wrangler configuration"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			target, err := wrangler.Resolve(tc.config, tc.s)
			if tc.err != "" {
				wrong, ok := errors.AsType[*wrangler.ConfigError](err)
				if !ok || !strings.Contains(wrong.Error()+" "+wrong.Hint, tc.err) {
					t.Fatalf("Resolve() = %+v, want an error with %q", err, tc.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got := answer{target.Database.Identifier(), target.Worker, target.Local, target.Mismatch != ""}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("Resolve() (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLoadErrors(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		file, content, want string
	}{
		"json_syntax": {"wrangler.json", "{\n\n  \"name\": ,\n}", "wrangler.json:3: "},
		"toml_syntax": {"wrangler.toml", "name = \"x\"\n[broken", "wrangler.toml:2: "},
		"not_a_list":  {"wrangler.json", `{"d1_databases": "DB"}`, "d1_databases is a string"},
		"no_binding":  {"wrangler.json", `{"env": {"x": {"d1_databases": [{}]}}}`, "env.x.d1_databases[0] has no binding"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := wrangler.Load(write(t, tc.file, tc.content))
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("Load() = %v, want %q", err, tc.want)
			}
		})
	}
}

func TestMigrations(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		db                wrangler.Database
		dir, pattern, err string
	}{
		{wrangler.Database{}, "migrations", "*.sql", ""},
		{wrangler.Database{MigrationsDir: `.\db\up/`}, "db/up", "*.sql", ""},
		{wrangler.Database{MigrationsDir: "drizzle", MigrationsPattern: "./drizzle/*/migration.sql"}, "drizzle", "*/migration.sql", ""},
		{wrangler.Database{MigrationsPattern: "x/*.sql"}, "", "", "without migrations_dir"},
		{wrangler.Database{MigrationsDir: "a", MigrationsPattern: "b/*.sql"}, "", "", "does not begin with"},
	} {
		dir, pattern, err := tc.db.Migrations()
		if dir != tc.dir || pattern != tc.pattern || (err == nil) != (tc.err == "") || err != nil && !strings.Contains(err.Error(), tc.err) {
			t.Errorf("Migrations() of %+v = %q, %q, %v", tc.db, dir, pattern, err)
		}
	}
}

func FuzzLoad(f *testing.F) {
	f.Add(jsonc, true)
	f.Add(tomlText, false)
	f.Fuzz(func(t *testing.T, content string, json bool) {
		name := "wrangler.toml"
		if json {
			name = "wrangler.jsonc"
		}
		config, err := wrangler.Load(write(t, name, content))
		if err == nil {
			_, _ = wrangler.Resolve(config, wrangler.Selection{Environment: "local"})
		}
	})
}
