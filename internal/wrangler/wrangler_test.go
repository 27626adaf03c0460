package wrangler_test

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"github.com/d1-rewind/d1-rewind/internal/wrangler"
)

const jsonc = `// everything that D1 Rewind reads, and some that it does not
{
	"$schema": "node_modules/wrangler/config-schema.json",
	"name": "shop", /* the Worker */
	"account_id": "acc-top",
	"vars": { "d1_databases": 1 },
	"d1_databases": [
		{
			"binding": "DB",
			"database_name": "shop",
			"database_id": "id-top", // remote
			"preview_database_id": "id-top-preview",
			"migrations_dir": "./db/migrations/",
			"migrations_table": "ledger",
			"migrations_pattern": "db/migrations/*/migration.sql",
			"remote": false,
		},
	],
	"env": {
		"staging": {
			"d1_databases": [
				{ "binding": "DB", "database_name": "shop-staging", "database_id": "id-staging" },
				{ "binding": "LOGS", "database_name": "logs-staging", "database_id": "id-logs" },
				{ "binding": "NEW" },
			],
		},
		"named": {
			"name": "own-name",
			"account_id": "acc-named",
			"d1_databases": [{ "binding": "DB", "database_id": "id-named" }],
		},
		"bare": { "vars": {} },
		"empty": { "d1_databases": [] },
	},
}
`

const tomlText = `# the same, shorter
name = "shop"
account_id = "acc-top"
compatibility_date = 2026-01-01
limit = inf

[[d1_databases]]
binding = "DB"
database_name = "shop"
database_id = "id-top"
migrations_dir = 'db\migrations'

[env.staging]
name = "shop-next"

[[env.staging.d1_databases]]
binding = "DB"
database_name = "shop-staging"
database_id = "id-staging"

[env.bare]
`

// write makes a file of a directory of its own.
func write(t testing.TB, name, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func load(t testing.TB, name, text string) *wrangler.Config {
	t.Helper()
	c, err := wrangler.Load(write(t, name, text))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// checkError wants a ConfigError with this text, a hint and clean output.
func checkError(t testing.TB, err error, want string) *wrangler.ConfigError {
	t.Helper()
	var e *wrangler.ConfigError
	if !errors.As(err, &e) {
		t.Fatalf("error is %T (%v), want *ConfigError", err, err)
	}
	got := err.Error()
	if e.Path != "" { // which lies in a directory of the test
		got = strings.TrimPrefix(got, filepath.ToSlash(filepath.Dir(e.Path))+"/")
	}
	if got != want {
		t.Errorf("error (-want +got):\n%s", cmp.Diff(want, got))
	}
	if e.Hint == "" || strings.HasSuffix(e.Problem, ".") || strings.HasSuffix(e.Hint, ".") && !strings.HasSuffix(e.Hint, "…") {
		t.Errorf("problem %q, hint %q: want a hint, and no full stops", e.Problem, e.Hint)
	}
	return e
}

func TestLoad(t *testing.T) {
	t.Parallel()
	top := wrangler.Database{Binding: "DB", Name: "shop", ID: "id-top", PreviewID: "id-top-preview",
		MigrationsDir: "./db/migrations/", MigrationsTable: "ledger", MigrationsPattern: "db/migrations/*/migration.sql"}
	staging := wrangler.Database{Binding: "DB", Name: "shop-staging", ID: "id-staging"}
	fromJSON := &wrangler.Config{
		Environment: wrangler.Environment{Name: "shop", AccountID: "acc-top", Databases: []wrangler.Database{top}},
		Env: map[string]wrangler.Environment{
			"staging": {Databases: []wrangler.Database{staging, {Binding: "LOGS", Name: "logs-staging", ID: "id-logs"}, {Binding: "NEW"}}},
			"named":   {Name: "own-name", AccountID: "acc-named", Databases: []wrangler.Database{{Binding: "DB", ID: "id-named"}}},
			"bare":    {},
			"empty":   {Databases: []wrangler.Database{}},
		},
	}
	cases := []struct {
		name string
		file string
		text string
		want *wrangler.Config
	}{
		{name: "jsonc", file: "wrangler.jsonc", text: jsonc, want: fromJSON},
		{name: "json_may_have_comments_too", file: "wrangler.json", text: jsonc, want: fromJSON},
		{name: "byte_order_mark_and_crlf", file: "wrangler.json", text: "\ufeff" + strings.ReplaceAll(jsonc, "\n", "\r\n"), want: fromJSON},
		{
			name: "toml", file: "wrangler.toml", text: tomlText,
			want: &wrangler.Config{
				Environment: wrangler.Environment{Name: "shop", AccountID: "acc-top",
					Databases: []wrangler.Database{{Binding: "DB", Name: "shop", ID: "id-top", MigrationsDir: `db\migrations`}}},
				Env: map[string]wrangler.Environment{
					"staging": {Name: "shop-next", Databases: []wrangler.Database{staging}},
					"bare":    {},
				},
			},
		},
		{name: "toml_inline", file: "wrangler.toml", text: `d1_databases = [{ binding = "DB" }]`,
			want: &wrangler.Config{Environment: wrangler.Environment{Databases: []wrangler.Database{{Binding: "DB"}}}}},
		{name: "empty_toml", file: "wrangler.toml", want: &wrangler.Config{}},
		{name: "keys_are_case_sensitive", file: "wrangler.json", text: `{"Name": "x", "D1_Databases": 1, "env": null}`, want: &wrangler.Config{}},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got := load(t, tc.file, tc.text)
			if filepath.Base(got.Path) != tc.file {
				t.Errorf("Path is %q, want one that ends in %q", got.Path, tc.file)
			}
			got.Path = ""
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("Load() (-want +got):\n%s", diff)
			}
		})
	}
}

func TestJSONAndTOMLSayTheSame(t *testing.T) {
	t.Parallel()
	const (
		asJSON = `{"name": "shop", "d1_databases": [{"binding": "DB", "database_name": "shop", "database_id": "a", "preview_database_id": "b"}],
			"env": {"next": {"d1_databases": [{"binding": "DB", "migrations_dir": "m", "migrations_table": "t", "migrations_pattern": "m/*/up.sql"}, {"binding": "LOG"}]}}}`
		asTOML = `name = "shop"
d1_databases = [{ binding = "DB", database_name = "shop", database_id = "a", preview_database_id = "b" }]
[[env.next.d1_databases]]
binding = "DB"
migrations_dir = "m"
migrations_table = "t"
migrations_pattern = "m/*/up.sql"
[[env.next.d1_databases]]
binding = "LOG"
`
	)
	a, b := load(t, "wrangler.json", asJSON), load(t, "wrangler.toml", asTOML)
	a.Path, b.Path = "", ""
	if diff := cmp.Diff(a, b); diff != "" {
		t.Errorf("configurations (-json +toml):\n%s", diff)
	}
}

func TestLoadErrors(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name string
		file string
		text string
		want string
	}{
		{"json_syntax", "wrangler.json", "{\n  \"name\": \"a\"\n  \"b\": 1\n}", `wrangler.json:3: invalid character '"' after object value (expecting ',' or '}')`},
		{"json_cut_off", "wrangler.jsonc", "{\n// x\n", "wrangler.jsonc:3: parsing value: unexpected EOF"},
		{"json_empty", "wrangler.json", "", "wrangler.json:1: parsing value: unexpected EOF"},
		{"toml_syntax", "wrangler.toml", "name = \"a\"\nb = \n", "wrangler.toml:2: unexpected character U+000A at start of value"},
		{"utf_16", "wrangler.json", "\xff\xfe{\x00}\x00", "wrangler.json:1: is encoded as UTF-16"},
		{"document_is_array", "wrangler.json", "[]", "wrangler.json:1: the document is an array, want an object"},
		{"name_is_number", "wrangler.json", "{\n\"name\": 1}", "wrangler.json:2: name is a number, want a string"},
		{"account_is_null", "wrangler.json", `{"account_id": null}`, "wrangler.json:1: account_id is null, want a string"},
		{"databases_is_object", "wrangler.jsonc", "{\n\n\"d1_databases\": {}}", "wrangler.jsonc:3: d1_databases is an object, want an array"},
		{"databases_is_null", "wrangler.json", `{"d1_databases": null}`, "wrangler.json:1: d1_databases is null, want an array"},
		{"databases_is_table", "wrangler.toml", "[d1_databases]\nbinding = \"DB\"", "wrangler.toml: d1_databases is an object, want an array"},
		{"entry_is_string", "wrangler.json", `{"d1_databases": ["DB"]}`, "wrangler.json:1: d1_databases[0] is a string, want an object"},
		{"binding_missing", "wrangler.json", "{\"d1_databases\": [{\"binding\": \"A\"},\n{\"database_id\": \"x\"}]}", "wrangler.json:2: d1_databases[1] has no binding"},
		{"binding_missing_toml", "wrangler.toml", "[[env.a.d1_databases]]\ndatabase_id = \"x\"", "wrangler.toml: env.a.d1_databases[0] has no binding"},
		{"binding_is_number", "wrangler.toml", "[[d1_databases]]\nbinding = 1", "wrangler.toml: d1_databases[0].binding is a number, want a string"},
		{"id_is_boolean", "wrangler.json", "{\"env\": {\"a/b~\": {\"d1_databases\": [\n{\"binding\": \"DB\",\n\"database_id\": true}]}}}", `wrangler.json:3: env."a/b~".d1_databases[0].database_id is a boolean, want a string`},
		{"dir_is_date", "wrangler.toml", "[[d1_databases]]\nbinding = \"DB\"\nmigrations_dir = 2026-01-01", "wrangler.toml: d1_databases[0].migrations_dir is a date or time, want a string"},
		{"env_is_array", "wrangler.json", `{"env": []}`, "wrangler.json:1: env is an array, want an object"},
		{"environment_is_string", "wrangler.json", `{"env": {"a": "b"}}`, "wrangler.json:1: env.a is a string, want an object"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c, err := wrangler.Load(write(t, tc.file, tc.text))
			if c != nil {
				t.Errorf("Load() = %+v, want nil", c)
			}
			checkError(t, err, tc.want)
		})
	}
	t.Run("missing_file", func(t *testing.T) {
		t.Parallel()
		_, err := wrangler.Load(filepath.Join(t.TempDir(), "other.json"))
		checkError(t, err, "other.json: can't be read: no such file or directory")
	})
}

func TestResolve(t *testing.T) {
	t.Parallel()
	top := wrangler.Database{Binding: "DB", Name: "shop", ID: "id-top", PreviewID: "id-top-preview",
		MigrationsDir: "./db/migrations/", MigrationsTable: "ledger", MigrationsPattern: "db/migrations/*/migration.sql"}
	topWith := func(id, previewID string) wrangler.Database {
		db := top
		db.ID, db.PreviewID = id, previewID
		return db
	}
	staging := wrangler.Database{Binding: "DB", Name: "shop-staging", ID: "id-staging"}
	logs := wrangler.Database{Binding: "LOGS", Name: "logs-staging", ID: "id-logs"}
	cases := []struct {
		name      string
		selection wrangler.Selection
		want      wrangler.Target
	}{
		{"local", wrangler.Selection{Environment: "local"}, wrangler.Target{Local: true, Database: top, Worker: "shop", AccountID: "acc-top"}},
		{"production_is_top_level", wrangler.Selection{Environment: "production"}, wrangler.Target{Database: top, Worker: "shop", AccountID: "acc-top"}},
		{"remote_by_binding", wrangler.Selection{Environment: "staging", Database: "DB"}, wrangler.Target{Section: "staging", Database: staging, Worker: "shop-staging", AccountID: "acc-top"}},
		{"remote_by_name", wrangler.Selection{Environment: "staging", Database: "logs-staging"}, wrangler.Target{Section: "staging", Database: logs, Worker: "shop-staging", AccountID: "acc-top"}},
		{"remote_by_id", wrangler.Selection{Environment: "staging", Database: "id-logs"}, wrangler.Target{Section: "staging", Database: logs, Worker: "shop-staging", AccountID: "acc-top"}},
		{"remote_by_database_id", wrangler.Selection{Environment: "staging", DatabaseID: "id-logs"}, wrangler.Target{Section: "staging", Database: logs, Worker: "shop-staging", AccountID: "acc-top"}},
		{"local_of_environment", wrangler.Selection{Environment: "local:staging", Database: "NEW"}, wrangler.Target{Section: "staging", Local: true, Database: wrangler.Database{Binding: "NEW"}, Worker: "shop-staging", AccountID: "acc-top"}},
		{"own_name_and_account", wrangler.Selection{Environment: "named"}, wrangler.Target{Section: "named", Database: wrangler.Database{Binding: "DB", ID: "id-named"}, Worker: "own-name", AccountID: "acc-named"}},
		{"local_by_preview_id", wrangler.Selection{Environment: "local", DatabaseID: "id-top-preview"}, wrangler.Target{Local: true, Database: top, Worker: "shop", AccountID: "acc-top"}},
		{"local_named_by_preview_id", wrangler.Selection{Environment: "local", Database: "id-top-preview"}, wrangler.Target{Local: true, Database: top, Worker: "shop", AccountID: "acc-top"}},
		{"remote_by_preview_id_is_that_database", wrangler.Selection{Environment: "production", DatabaseID: "id-top-preview"},
			wrangler.Target{Database: topWith("id-top-preview", "id-top-preview"), Worker: "shop", AccountID: "acc-top",
				Mismatch: `the id "id-top-preview" is the preview_database_id of "DB" (name "shop", id "id-top"); the id wins`}},
		{"id_and_name_agree", wrangler.Selection{Environment: "staging", Database: "LOGS", DatabaseID: "id-logs"}, wrangler.Target{Section: "staging", Database: logs, Worker: "shop-staging", AccountID: "acc-top"}},
		{"id_and_name_disagree", wrangler.Selection{Environment: "staging", Database: "shop-staging", DatabaseID: "id-logs"},
			wrangler.Target{Section: "staging", Database: logs, Worker: "shop-staging", AccountID: "acc-top",
				Mismatch: `the id "id-logs" belongs to "LOGS" (name "logs-staging", id "id-logs"), not to "shop-staging"; the id wins`}},
		{"name_by_which_wrangler_provisions", wrangler.Selection{Environment: "staging", Database: "NEW"},
			wrangler.Target{Section: "staging", Database: wrangler.Database{Binding: "NEW", Name: "shop-staging-new", Provisioned: true}, Worker: "shop-staging", AccountID: "acc-top"}},
		{"name_by_which_wrangler_provisions_picks", wrangler.Selection{Environment: "staging", Database: "shop-staging-new"},
			wrangler.Target{Section: "staging", Database: wrangler.Database{Binding: "NEW", Name: "shop-staging-new", Provisioned: true}, Worker: "shop-staging", AccountID: "acc-top"}},
		{"top_level", wrangler.Selection{Environment: "top-level"}, wrangler.Target{Database: top, Worker: "shop", AccountID: "acc-top"}},
		{"id_takes_the_place_of_none", wrangler.Selection{Environment: "staging", Database: "NEW", DatabaseID: "id-new"},
			wrangler.Target{Section: "staging", Database: wrangler.Database{Binding: "NEW", ID: "id-new"}, Worker: "shop-staging", AccountID: "acc-top"}},
		{"id_takes_the_place_of_the_preview_id_too", wrangler.Selection{Environment: "local", DatabaseID: "id-other"},
			wrangler.Target{Local: true, Database: topWith("id-other", ""), Worker: "shop", AccountID: "acc-top",
				Mismatch: `"DB" (name "shop", id "id-top") is configured with another id than "id-other"; the id "id-other" wins`}},
		{"id_takes_the_place_of_another", wrangler.Selection{Environment: "production", DatabaseID: "id-other"},
			wrangler.Target{Database: topWith("id-other", ""), Worker: "shop", AccountID: "acc-top",
				Mismatch: `"DB" (name "shop", id "id-top") is configured with another id than "id-other"; the id "id-other" wins`}},
	}
	c := load(t, "wrangler.jsonc", jsonc)
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, err := wrangler.Resolve(c, tc.selection)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("Resolve() (-want +got):\n%s", diff)
			}
		})
	}
}

func TestResolveErrors(t *testing.T) {
	t.Parallel()
	const all = `"DB" (name "shop-staging", id "id-staging"), "LOGS" (name "logs-staging", id "id-logs"), "NEW"`
	const remotely = `"DB" (name "shop-staging", id "id-staging"), "LOGS" (name "logs-staging", id "id-logs"), "NEW" (name "shop-staging-new")`
	const environments = "bare, empty, local, local:bare, local:empty, local:named, local:staging, named, production, staging, top-level"
	const stagingFirst = "staging, bare, empty, local, local:bare, local:empty, local:named, local:staging, named, production, top-level"
	const localFirst = "local, bare, empty, local:bare, local:empty, local:named, local:staging, named, production, staging, top-level"
	cases := []struct {
		name      string
		selection wrangler.Selection
		want      string
	}{
		{"unknown", wrangler.Selection{Environment: "stagin"}, `wrangler.jsonc: unknown environment "stagin"; there are: ` + stagingFirst},
		{"unknown_local", wrangler.Selection{Environment: "local:x"}, `wrangler.jsonc: unknown environment "local:x"; there are: ` + localFirst},
		{"local_of_nothing", wrangler.Selection{Environment: "local:"}, `wrangler.jsonc: unknown environment "local:"; there are: ` + localFirst},
		{"no_environment", wrangler.Selection{}, `wrangler.jsonc: unknown environment ""; there are: ` + environments},
		{"other_case", wrangler.Selection{Environment: "Staging"}, `wrangler.jsonc: unknown environment "Staging"; there are: ` + stagingFirst},
		{"several", wrangler.Selection{Environment: "staging"}, `wrangler.jsonc: 3 databases in environment "staging": ` + remotely},
		{"several_and_foreign_id", wrangler.Selection{Environment: "staging", DatabaseID: "x"}, `wrangler.jsonc: no database with the id "x" in environment "staging"; there are: ` + remotely},
		{"not_found", wrangler.Selection{Environment: "local:staging", Database: "x\n"}, `wrangler.jsonc: no database "x\n" in environment "local:staging"; there are: ` + all},
		{"preview_id_does_not_name_a_remote_database", wrangler.Selection{Environment: "production", Database: "id-top-preview"},
			`wrangler.jsonc: no database "id-top-preview" in environment "production"; there are: "DB" (name "shop", id "id-top")`},
		{"not_inherited", wrangler.Selection{Environment: "bare"},
			"wrangler.jsonc: env.bare has no d1_databases, and environments do not inherit those of the top level; environments with databases: top-level, named, staging"},
		{"not_inherited_locally", wrangler.Selection{Environment: "local:bare"},
			"wrangler.jsonc: env.bare has no d1_databases, and environments do not inherit those of the top level; environments with databases: local, local:named, local:staging"},
		{"empty", wrangler.Selection{Environment: "empty"}, "wrangler.jsonc: env.empty.d1_databases is empty; environments with databases: top-level, named, staging"},
	}
	c := load(t, "wrangler.jsonc", jsonc)
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, err := wrangler.Resolve(c, tc.selection)
			checkError(t, err, tc.want)
			if diff := cmp.Diff(wrangler.Target{}, got); diff != "" {
				t.Errorf("Resolve() with an error (-want +got):\n%s", diff)
			}
		})
	}
}

// TestResolveSmall is about configurations that need only a line.
func TestResolveSmall(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name      string
		file      string
		text      string
		selection wrangler.Selection
		want      wrangler.Target
		err       string
		hint      string
	}{
		{name: "env_production_goes_before_top_level", file: "wrangler.json",
			text:      `{"name": "w", "d1_databases": [{"binding": "A", "database_id": "a"}], "env": {"production": {"d1_databases": [{"binding": "B", "database_id": "b"}]}}}`,
			selection: wrangler.Selection{Environment: "production"},
			want:      wrangler.Target{Section: "production", Database: wrangler.Database{Binding: "B", ID: "b"}, Worker: "w-production"}},
		{name: "env_production_without_databases", file: "wrangler.json",
			text:      `{"d1_databases": [{"binding": "A", "database_id": "a"}], "env": {"production": {}}}`,
			selection: wrangler.Selection{Environment: "production"},
			err:       "wrangler.json: env.production has no d1_databases, and environments do not inherit those of the top level; environments with databases: top-level",
			hint:      `pass one of them, or add to env.production for example: "d1_databases": [{ "binding": "DB", "database_name": "app", "database_id": "…" }]`},
		{name: "env_local_is_not_local", file: "wrangler.json",
			text:      `{"d1_databases": [{"binding": "A"}], "env": {"local": {"d1_databases": [{"binding": "B"}]}}}`,
			selection: wrangler.Selection{Environment: "local"},
			want: wrangler.Target{Local: true, Database: wrangler.Database{Binding: "A"},
				Shadowed: "local is the local database of the top level; that of env.local is local:local"}},
		{name: "env_top-level_is_not_the_top_level", file: "wrangler.json",
			text:      `{"name": "w", "d1_databases": [{"binding": "A"}], "env": {"top-level": {"d1_databases": [{"binding": "B", "database_id": "b"}]}}}`,
			selection: wrangler.Selection{Environment: "top-level"},
			want: wrangler.Target{Database: wrangler.Database{Binding: "A", Name: "w-a", Provisioned: true}, Worker: "w",
				Shadowed: "top-level is the remote database of the top level; to choose that of env.top-level, give the environment another name"}},
		{name: "local_of_env_top-level", file: "wrangler.json",
			text:      `{"d1_databases": [{"binding": "A"}], "env": {"top-level": {"d1_databases": [{"binding": "B", "database_id": "b"}]}}}`,
			selection: wrangler.Selection{Environment: "local:top-level"},
			want:      wrangler.Target{Section: "top-level", Local: true, Database: wrangler.Database{Binding: "B", ID: "b"}}},
		{name: "local_of_env_local", file: "wrangler.json",
			text:      `{"d1_databases": [{"binding": "A"}], "env": {"local": {"d1_databases": [{"binding": "B"}]}}}`,
			selection: wrangler.Selection{Environment: "local:local"},
			want:      wrangler.Target{Section: "local", Local: true, Database: wrangler.Database{Binding: "B"}}},
		{name: "local_prefix_is_never_remote", file: "wrangler.json",
			text:      `{"env": {"local:x": {"d1_databases": [{"binding": "B", "database_id": "b"}]}}}`,
			selection: wrangler.Selection{Environment: "local:x"},
			err:       `wrangler.json: unknown environment "local:x"; there are: local, local:local:x, production, top-level`,
			hint:      "did you mean local? pass one of them, or add it to env in the configuration"},
		{name: "strange_names_are_quoted", file: "wrangler.json",
			text:      `{"env": {"a b\n": {}, "": {}}}`,
			selection: wrangler.Selection{Environment: "x"},
			err:       `wrangler.json: unknown environment "x"; there are: "a b\n", "local:a b\n", local, production, top-level`,
			hint:      "pass one of them, or add it to env in the configuration"},
		{name: "no_databases", file: "wrangler.json", text: `{"env": {"a": {}}}`,
			selection: wrangler.Selection{Environment: "local"},
			err:       "wrangler.json: the top level has no d1_databases",
			hint:      `add to the top level for example: "d1_databases": [{ "binding": "DB", "database_name": "app", "database_id": "…" }]`},
		{name: "no_databases_in_environment", file: "wrangler.json", text: `{"env": {"a": {}}}`,
			selection: wrangler.Selection{Environment: "a"},
			err:       "wrangler.json: env.a has no d1_databases",
			hint:      `add to env.a for example: "d1_databases": [{ "binding": "DB", "database_name": "app", "database_id": "…" }]`},
		{name: "empty_databases_toml", file: "wrangler.toml", text: "env.a.d1_databases = []",
			selection: wrangler.Selection{Environment: "local:a"},
			err:       "wrangler.toml: env.a.d1_databases is empty",
			hint:      `add to env.a for example: [[env.a.d1_databases]] with binding = "DB", database_name = "app" and database_id = "…"`},
		{name: "only_in_env_dev", file: "wrangler.json", text: `{"env": {"dev": {"d1_databases": [{"binding": "DB", "database_id": "x"}]}}}`,
			selection: wrangler.Selection{Environment: "production"},
			err:       "wrangler.json: the top level has no d1_databases; environments with databases: dev",
			hint:      "pass one of them"},
		{name: "only_in_env_dev_locally", file: "wrangler.json", text: `{"env": {"dev": {"d1_databases": [{"binding": "DB", "database_id": "x"}]}}}`,
			selection: wrangler.Selection{Environment: "local"},
			err:       "wrangler.json: the top level has no d1_databases; environments with databases: local:dev",
			hint:      "pass one of them"},
		{name: "only_in_previews", file: "wrangler.json", text: `{"previews": {"d1_databases": [{"binding": "DB", "database_id": "x"}]}}`,
			selection: wrangler.Selection{Environment: "local"},
			err:       "wrangler.json: the top level has no d1_databases",
			hint: `add to the top level for example: "d1_databases": [{ "binding": "DB", "database_name": "app", "database_id": "…" }]` +
				"; databases of the previews block are not read, as by wrangler's d1 commands: pass --database-id"},
		{name: "one_more_in_previews", file: "wrangler.json",
			text:      `{"d1_databases": [{"binding": "DB", "database_id": "x"}], "previews": {"d1_databases": [{"binding": "PREVIEW", "database_id": "y"}]}, "env": {"dev": {"d1_databases": [{"binding": "DB"}]}}}`,
			selection: wrangler.Selection{Environment: "local:dev", Database: "PREVIEW"},
			err:       `wrangler.json: no database "PREVIEW" in environment "local:dev"; there are: "DB"`,
			hint:      "pass --database with a binding, a name or an id from there; databases of the previews block are not read, as by wrangler's d1 commands: pass --database-id"},
		{name: "no_Worker_to_name_it_after", file: "wrangler.json", text: `{"d1_databases": [{"binding": "DB"}]}`,
			selection: wrangler.Selection{Environment: "production"},
			err:       `wrangler.json: the binding "DB" of environment "production" has neither database_id nor database_name, and there is no Worker name to derive one from`,
			hint:      `add database_id or database_name, or "name", that of the Worker: then the database is the one that wrangler deploy makes for the binding; or pass --database-id`},
		{name: "named_after_the_Worker_as_it_is", file: "wrangler.json", text: `{"name": "my_shop", "env": {"Next_1": {"d1_databases": [{"binding": "Order_DB"}]}}}`,
			selection: wrangler.Selection{Environment: "Next_1"},
			want:      wrangler.Target{Section: "Next_1", Worker: "my_shop-Next_1", Database: wrangler.Database{Binding: "Order_DB", Name: "my_shop-Next_1-order-db", Provisioned: true}}},
		{name: "variable_names_nothing", file: "wrangler.json", text: `{"env": {"staging": {}, "dev": {}}}`,
			selection: wrangler.Selection{Environment: "local:stagin", Variable: "CLOUDFLARE_ENV"},
			err:       `wrangler.json: CLOUDFLARE_ENV names the environment "stagin", which the configuration does not have; there are: staging, dev`,
			hint:      "did you mean staging? set CLOUDFLARE_ENV to an environment of the configuration, unset it, or name the environment: local"},
		{name: "variable_without_environments", file: "wrangler.json", text: `{}`,
			selection: wrangler.Selection{Environment: "local:production", Variable: "CLOUDFLARE_ENV"},
			err:       `wrangler.json: CLOUDFLARE_ENV names the environment "production", which the configuration does not have`,
			hint:      "set CLOUDFLARE_ENV to an environment of the configuration, unset it, or name the environment: local"},
		{name: "variable_without_configuration",
			selection: wrangler.Selection{Environment: "local:staging", Variable: "CLOUDFLARE_ENV"},
			err:       `CLOUDFLARE_ENV names the environment "staging", and there is no wrangler configuration`,
			hint:      "unset CLOUDFLARE_ENV, or name the environment: local"},
		{name: "without_configuration_top_level",
			selection: wrangler.Selection{Environment: "top-level", DatabaseID: "x"},
			want:      wrangler.Target{Database: wrangler.Database{Binding: "DB", ID: "x"}}},
		{name: "same_id_twice_and_name", file: "wrangler.json",
			text:      `{"d1_databases": [{"binding": "A", "database_id": "x"}, {"binding": "B", "database_id": "x"}]}`,
			selection: wrangler.Selection{Environment: "production", Database: "B", DatabaseID: "x"},
			want:      wrangler.Target{Database: wrangler.Database{Binding: "B", ID: "x"}}},
		{name: "id_goes_before_preview_id", file: "wrangler.json",
			text:      `{"d1_databases": [{"binding": "A", "database_id": "a", "preview_database_id": "x"}, {"binding": "B", "database_id": "x"}]}`,
			selection: wrangler.Selection{Environment: "production", DatabaseID: "x"},
			want:      wrangler.Target{Database: wrangler.Database{Binding: "B", ID: "x"}}},
		{name: "toml", file: "wrangler.toml", text: tomlText,
			selection: wrangler.Selection{Environment: "staging"},
			want: wrangler.Target{Section: "staging", Database: wrangler.Database{Binding: "DB", Name: "shop-staging", ID: "id-staging"},
				Worker: "shop-next", AccountID: "acc-top"}},
		{name: "without_configuration_local",
			selection: wrangler.Selection{Environment: "local"},
			want:      wrangler.Target{Local: true, Database: wrangler.Database{Binding: "DB"}}},
		{name: "without_configuration_local_binding_and_id",
			selection: wrangler.Selection{Environment: "local", Database: "LOGS", DatabaseID: "x"},
			want:      wrangler.Target{Local: true, Database: wrangler.Database{Binding: "LOGS", ID: "x"}}},
		{name: "without_configuration_production",
			selection: wrangler.Selection{Environment: "production", DatabaseID: "x"},
			want:      wrangler.Target{Database: wrangler.Database{Binding: "DB", ID: "x"}}},
		{name: "without_configuration_and_id",
			selection: wrangler.Selection{Environment: "production"},
			err:       `the environment "production" needs a database id, and there is no wrangler configuration`,
			hint:      "pass --database-id, or add a wrangler configuration with d1_databases"},
		{name: "without_configuration_unknown",
			selection: wrangler.Selection{Environment: "staging", DatabaseID: "x"},
			err:       `unknown environment "staging"; there are: local, production, top-level (no wrangler configuration)`,
			hint:      "pass one of them, or add a wrangler configuration that has it in env"},
		{name: "without_configuration_unknown_local",
			selection: wrangler.Selection{Environment: "local:staging"},
			err:       `unknown environment "local:staging"; there are: local, production, top-level (no wrangler configuration)`,
			hint:      "pass one of them, or add a wrangler configuration that has it in env"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var c *wrangler.Config
			if tc.file != "" {
				c = load(t, tc.file, tc.text)
			}
			got, err := wrangler.Resolve(c, tc.selection)
			if tc.err != "" {
				if e := checkError(t, err, tc.err); e.Hint != tc.hint {
					t.Errorf("hint (-want +got):\n%s", cmp.Diff(tc.hint, e.Hint))
				}
			} else if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("Resolve() (-want +got):\n%s", diff)
			}
		})
	}
}

func TestConfigError(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name string
		err  wrangler.ConfigError
		want string
	}{
		{"path_and_line", wrangler.ConfigError{Path: "a/wrangler.jsonc", Line: 12, Problem: "p", Hint: "h"}, "a/wrangler.jsonc:12: p"},
		{"path", wrangler.ConfigError{Path: "a/wrangler.jsonc", Problem: "p"}, "a/wrangler.jsonc: p"},
		{"neither", wrangler.ConfigError{Line: 12, Problem: "p"}, "p"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if got := tc.err.Error(); got != tc.want {
				t.Errorf("Error() = %q, want %q", got, tc.want)
			}
		})
	}
}

func TestMigrations(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name         string
		dir, pattern string
		wantDir      string
		wantPattern  string
		err          string
	}{
		{name: "default", wantDir: wrangler.DefaultMigrationsDir, wantPattern: "*.sql"},
		{name: "directory", dir: "./db/migrations/", wantDir: "db/migrations", wantPattern: "*.sql"},
		{name: "backslashes", dir: `db\migrations`, pattern: `.\db\migrations\*\migration.sql`, wantDir: "db/migrations", wantPattern: "*/migration.sql"},
		{name: "parent", dir: "../shared", pattern: "../shared/**/*.sql", wantDir: "../shared", wantPattern: "**/*.sql"},
		{name: "absolute", dir: "/srv//migrations/", pattern: "/srv/migrations/*/up.sql", wantDir: "/srv/migrations", wantPattern: "*/up.sql"},
		{name: "here", dir: "./", pattern: "./*.up.sql", wantDir: ".", wantPattern: "*.up.sql"},
		{name: "pattern_without_directory", pattern: "migrations/*.sql", err: `migrations_pattern "migrations/*.sql" of binding "DB" is set without migrations_dir`},
		{name: "pattern_elsewhere", dir: "db", pattern: "database/*.sql", err: `migrations_pattern "database/*.sql" of binding "DB" does not begin with its migrations_dir "db"`},
		{name: "pattern_climbs_out", dir: "db", pattern: "db/../other/*.sql", err: `migrations_pattern "db/../other/*.sql" of binding "DB" does not begin with its migrations_dir "db"`},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			dir, pattern, err := wrangler.Database{Binding: "DB", MigrationsDir: tc.dir, MigrationsPattern: tc.pattern}.Migrations()
			if tc.err != "" {
				checkError(t, err, tc.err)
			} else if err != nil {
				t.Fatal(err)
			}
			if dir != tc.wantDir || pattern != tc.wantPattern {
				t.Errorf("Migrations() = %q, %q, want %q, %q", dir, pattern, tc.wantDir, tc.wantPattern)
			}
		})
	}
}

func TestIdentifier(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name string
		db   wrangler.Database
		want string
	}{
		{"preview_id", wrangler.Database{Binding: "DB", Name: "n", ID: "i", PreviewID: "p"}, "p"},
		{"id", wrangler.Database{Binding: "DB", Name: "n", ID: "i"}, "i"},
		{"binding_not_name", wrangler.Database{Binding: "DB", Name: "n"}, "DB"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if got := tc.db.Identifier(); got != tc.want {
				t.Errorf("Identifier() = %q, want %q", got, tc.want)
			}
		})
	}
}

// Each name was observed on disk under wrangler dev.
func TestStateFile(t *testing.T) {
	t.Parallel()
	cases := []struct{ name, identifier, want string }{
		{"id", "11111111-2222-3333-4444-555555555555", "f023adf8de81e80d62670e09f086149af129cccda34c51f26517069258c53e8c"},
		{"preview_id", "bbbbbbbb-2222-3333-4444-555555555555", "e4636ca12c8756fbae3936c1caa31b634bcf61f2f05e31c7171a0f4436d81102"},
		{"binding", "NOID", "4352776c43bd0755e466d0f7c7a1f4b761c294a796aa48768ba01c743affd068"},
		{"short", "m1", "4a2a44f3a34a28cb671c0ddb274b440300d443d6bea5a65d3deded5a1b70a83b"},
		{"short_too", "nl1", "238e840b8ee2366bc48152931dda172f4f4f146e3fa529944af28b4068e3aa5d"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if got, want := wrangler.StateFile(tc.identifier), tc.want+".sqlite"; got != want {
				t.Errorf("StateFile(%q) = %q, want %q", tc.identifier, got, want)
			}
		})
	}
}

func TestStateDir(t *testing.T) {
	t.Parallel()
	got, want := wrangler.StateDir("state"), filepath.FromSlash("state/v3/d1/miniflare-D1DatabaseObject")
	if got != want {
		t.Errorf("StateDir() = %q, want %q", got, want)
	}
}

// FuzzLoad wants no panic, and only errors that can be shown.
func FuzzLoad(f *testing.F) {
	for _, text := range []string{jsonc, tomlText, "", "[]", `{"d1_databases": [{}]}`, `{"env": {"": {"name": 1}}}`, "[[d1_databases]]\nbinding = 1", "a = inf", `{"d1_databases": [1], "d1_databases": [`} {
		f.Add([]byte(text))
	}
	dir := f.TempDir()
	shown := func(t *testing.T, err error) {
		if e, ok := errors.AsType[*wrangler.ConfigError](err); err != nil && (!ok || e.Hint == "" || strings.ContainsFunc(e.Error()+e.Hint, func(r rune) bool { return !unicode.IsPrint(r) })) {
			t.Errorf("error %q (%T)", err, err)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, name := range []string{"wrangler.json", "wrangler.jsonc", "wrangler.toml"} {
			file := filepath.Join(dir, name)
			if err := os.WriteFile(file, data, 0o600); err != nil {
				t.Fatal(err)
			}
			c, err := wrangler.Load(file)
			if shown(t, err); err != nil {
				continue
			}
			for _, env := range append(slices.Collect(maps.Keys(c.Env)), "local", "nowhere") {
				target, err := wrangler.Resolve(c, wrangler.Selection{Environment: env})
				if shown(t, err); err == nil {
					_, _, err = target.Database.Migrations()
					shown(t, err)
				}
			}
		}
	})
}

// A key that is empty is there.
func TestEmptyKeys(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "wrangler.json")
	if err := os.WriteFile(file, []byte(`{"d1_databases": [{"binding": "A", "database_id": "", "migrations_dir": ""},
  {"binding": "B", "database_id": "x", "preview_database_id": ""}, {"binding": "C"}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := wrangler.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, d := range c.Databases {
		dir, _, err := d.Migrations()
		if err != nil {
			t.Error(err)
		}
		got = append(got, d.Identifier()+" "+dir)
	}
	if diff := cmp.Diff([]string{" .", " migrations", "C migrations"}, got); diff != "" {
		t.Errorf("identifiers and directories (-want +got):\n%s", diff)
	}
	target, err := wrangler.Resolve(c, wrangler.Selection{Environment: "local", Database: "A", DatabaseID: "y"})
	if err != nil || target.Database.Identifier() != "y" {
		t.Errorf("with another id: %q, %v", target.Database.Identifier(), err)
	}
	for _, environment := range []string{"local", "production"} {
		target, err := wrangler.Resolve(&wrangler.Config{Path: "wrangler.json"}, wrangler.Selection{Environment: environment, DatabaseID: "y"})
		if err != nil || target.Database.ID != "y" || target.Database.Identifier() != "y" {
			t.Errorf("%s, by its id alone: %+v, %v", environment, target, err)
		}
	}
}
