package cli_test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/d1-rewind/d1-rewind/internal/d1/d1test"
	"github.com/d1-rewind/d1-rewind/internal/wrangler"
	"github.com/d1-rewind/d1-rewind/internal/wrangler/wranglertest"
)

// The tests in this file hold what is found to what the real wrangler finds on the same folder.

const dated = `"name":"w","compatibility_date":"2026-11-01"`

// two are the two tools where a person uses them.
type two struct {
	t       *testing.T
	program string
	person  wranglertest.Person
	dir     string // where commands are typed
}

func bothTools(t *testing.T, program, dir string, variables ...string) two {
	t.Helper()
	return two{t, program, wranglertest.NewPerson(t, variables...), dir}
}

func (b two) wrangler(code int, says string, args ...string) string {
	b.t.Helper()
	output, got := b.person.Wrangler(b.t, b.dir, args...)
	if got != code || !strings.Contains(output, says) {
		b.t.Fatalf("wrangler %q: exit code %d, want %d and %q in:\n%s", args, got, code, says, output)
	}
	return output
}

// rewind runs d1-rewind and returns the names of what is applied and pending after it.
func (b two) rewind(args ...string) (applied, pending []string) {
	b.t.Helper()
	output, code := b.person.Rewind(b.t, b.program, b.dir, append(args, "--format", "json")...)
	var report struct{ Applied, Pending []string }
	if err := json.NewDecoder(strings.NewReader(output)).Decode(&report); code != 0 || err != nil {
		b.t.Fatalf("d1-rewind %q: exit code %d, %v\n%s", args, code, err, output)
	}
	return report.Applied, report.Pending
}

// meet applies one migration with each tool and wants both to know of both. write writes one; theirs
// and ours are further arguments.
func (b two) meet(write func(name, sql string), binding string, theirs, ours []string) {
	b.t.Helper()
	write("0001_a.sql", "CREATE TABLE a(x);")
	b.wrangler(0, "0001_a.sql", append([]string{"d1", "migrations", "apply", binding, "--local"}, theirs...)...)
	if applied, pending := b.rewind(append([]string{"status"}, ours...)...); len(applied) != 1 || len(pending) != 0 {
		b.t.Errorf("after wrangler applied are %q, pending %q", applied, pending)
	}
	write("0002_b.sql", "CREATE TABLE b(x);")
	if applied, _ := b.rewind(append([]string{"migrate"}, ours...)...); len(applied) != 1 {
		b.t.Errorf("d1-rewind applied %q", applied)
	}
	b.wrangler(0, "No migrations to apply", append([]string{"d1", "migrations", "list", binding, "--local"}, theirs...)...)
}

// writer writes migrations into a directory.
func writer(t *testing.T, dir string) func(name, sql string) {
	return func(name, sql string) {
		t.Helper()
		wranglertest.Write(t, dir, map[string]string{name: sql})
	}
}

// databases are the local databases below dir.
func databases(t *testing.T, dir string) (files []string) {
	t.Helper()
	for _, file := range below(t, dir) {
		if strings.HasSuffix(file, ".sqlite") && filepath.Base(file) != "metadata.sqlite" {
			files = append(files, file)
		}
	}
	return files
}

func stateOf(identifier string) []string {
	return []string{".wrangler/state/v3/d1/miniflare-D1DatabaseObject/" + wrangler.StateFile(identifier)}
}

func TestBesideWranglerWhereItFinds(t *testing.T) {
	wranglertest.Tools(t)
	const empty = "an empty identifier"
	program := wranglertest.Program(t)
	absolute := t.TempDir()
	one := func(binding string) string { return "{" + dated + `,"d1_databases":[{"binding":"` + binding + `"}]}` }
	toml := func(binding string) string {
		return "name = 'w'\ncompatibility_date = '2026-11-01'\n[[d1_databases]]\nbinding = '" + binding + "'\n"
	}
	cases := []struct {
		name         string
		files        map[string]string
		in           string // the working directory
		migrations   string
		binding      string
		theirs, ours []string
		variables    []string
		database     string // its identifier
	}{
		{name: "above", files: map[string]string{"wrangler.toml": toml("DB"), "src/deep/x.ts": ""}, in: "src/deep"},
		{name: "nearest_above", files: map[string]string{"wrangler.jsonc": one("FAR"), "apps/wrangler.jsonc": "{}", "wrangler.toml": "",
			"apps/api/wrangler.jsonc": one("DB"), "apps/api/src/x.ts": ""}, in: "apps/api/src",
			migrations: "apps/api/migrations"},
		{name: "one_above_and_one_here", files: map[string]string{"wrangler.json": one("DB"), "here/wrangler.toml": toml("DB"),
			"here/migrations/0009_wrong.sql": "SELECT nonsense;"}, in: "here"},
		{name: "one_above_and_one_here_of_the_same_name",
			files: map[string]string{"wrangler.json": one("OTHER"), "here/wrangler.json": one("DB")}, in: "here",
			migrations: "here/migrations"},
		{name: "directory_of_that_name", files: map[string]string{"wrangler.toml": toml("DB"), "here/wrangler.json/x": ""}, in: "here"},
		{name: "absolute_migrations_dir", files: map[string]string{"wrangler.json": "{" + dated +
			fmt.Sprintf(`,"d1_databases":[{"binding":"DB","migrations_dir":%q}]}`, absolute)}, migrations: absolute},
		{name: "CLOUDFLARE_ENV", files: map[string]string{"wrangler.json": "{" + dated +
			`,"d1_databases":[{"binding":"TOP"}],"env":{"staging":{"d1_databases":[{"binding":"DB","database_id":"s"}]}}}`},
			variables: []string{"CLOUDFLARE_ENV=staging"}, database: "s"},
		{name: "environment_before_CLOUDFLARE_ENV",
			files: map[string]string{"wrangler.json": "{" + dated +
				`,"d1_databases":[{"binding":"TOP"}],"env":{"staging":{"d1_databases":[{"binding":"DB","database_id":"s"}]},"dev":{}}}`},
			variables: []string{"CLOUDFLARE_ENV=dev"}, theirs: []string{"--env", "staging"}, ours: []string{"--environment", "local:staging"}, database: "s"},
		{name: "CLOUDFLARE_ENV_in_.env", files: map[string]string{"wrangler.json": "{" + dated +
			`,"d1_databases":[{"binding":"TOP"}],"env":{"staging":{"d1_databases":[{"binding":"DB","database_id":"s"}]}}}`,
			".env": "CLOUDFLARE_ENV=staging"}, database: "s"},
		{name: "empty_CLOUDFLARE_ENV_in_.env.local", files: map[string]string{"wrangler.json": "{" + dated +
			`,"d1_databases":[{"binding":"DB"}],"env":{"staging":{}}}`,
			".env": "CLOUDFLARE_ENV=staging", ".env.local": "CLOUDFLARE_ENV="}},
		{name: "empty_CLOUDFLARE_ENV", files: map[string]string{"wrangler.json": "{" + dated +
			`,"d1_databases":[{"binding":"DB"}],"env":{"staging":{}}}`}, variables: []string{"CLOUDFLARE_ENV="}},
		{name: "redirected_configuration", files: map[string]string{"wrangler.json": one("DB"),
			".wrangler/deploy/config.json": `{"configPath":"../../dist/wrangler.json"}`,
			"dist/wrangler.json":           "{" + dated + `,"d1_databases":[{"binding":"DB","database_id":"redirected"}]}`}},
		{name: "redirected_configuration_in_between",
			files: map[string]string{"wrangler.json": one("DB"),
				"here/.wrangler/deploy/config.json": `{"configPath":"../../wrangler.json"}`,
				"here/there/x":                      ""}, in: "here/there"},
		{name: "cloudflare.config.ts_beside", files: map[string]string{"wrangler.json": one("DB"), "cloudflare.config.ts": "export default {}"}},
		{name: "empty_database_id", files: map[string]string{"wrangler.json": "{" + dated + `,"d1_databases":[{"binding":"DB","database_id":""}]}`}, database: empty},
		{name: "empty_preview_database_id", files: map[string]string{"wrangler.json": "{" + dated +
			`,"d1_databases":[{"binding":"DB","database_id":"x","preview_database_id":""}]}`}, database: empty},
		{name: "persist_to_in_a_subfolder", files: map[string]string{"wrangler.json": one("DB"), "src/x": ""}, in: "src",
			theirs: []string{"--persist-to", "../.wrangler/state"}, ours: []string{"--persist-to", "../.wrangler/state"}},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			root := wranglertest.Project(t, tc.files)
			b := bothTools(t, program, filepath.Join(root, tc.in), tc.variables...)
			migrations := tc.migrations
			if migrations == "" {
				migrations = "migrations"
			}
			if !filepath.IsAbs(migrations) {
				migrations = filepath.Join(root, migrations)
			}
			b.meet(writer(t, migrations), "DB", tc.theirs, tc.ours)
			identifier := tc.database
			switch identifier {
			case "":
				identifier = "DB"
			case empty:
				identifier = ""
			}
			project := root
			if !filepath.IsAbs(tc.migrations) && tc.migrations != "" {
				project = filepath.Dir(migrations)
			}
			if diff := cmp.Diff(stateOf(identifier), databases(t, project)); diff != "" {
				t.Errorf("databases (-want +got):\n%s", diff)
			}
			if all := databases(t, root); len(all) != 1 {
				t.Errorf("phantoms: %q", all)
			}
		})
	}
}

// Where wrangler has no database, d1-rewind has none.
func TestBesideWranglerThatFindsNothing(t *testing.T) {
	wranglertest.Tools(t)
	program := wranglertest.Program(t)
	cases := []struct {
		name     string
		files    map[string]string
		wrangler string
		ours     []string
		code     int
		rewind   string
	}{
		{"cloudflare.config.ts", map[string]string{"cloudflare.config.ts": "export default {}"}, "No configuration file found", nil, 2,
			"no wrangler configuration, only cloudflare.config.ts"},
		{"redirected", map[string]string{".wrangler/deploy/config.json": `{"configPath":"../../dist/wrangler.json"}`,
			"dist/wrangler.json": "{" + dated + `,"d1_databases":[{"binding":"DB"}]}`},
			"No configuration file found", nil, 2, "no wrangler configuration, only .wrangler/deploy/config.json"},
		{"previews", map[string]string{"wrangler.json": "{" + dated + `,"previews":{"d1_databases":[{"binding":"DB"}]}}`},
			"Couldn't find a D1 DB with the name or binding 'DB'", nil, 2, "databases of the previews block are not read"},
		{"only_in_env_dev", map[string]string{"wrangler.json": "{" + dated + `,"env":{"dev":{"d1_databases":[{"binding":"DB"}]}}}`},
			"Couldn't find a D1 DB with the name or binding 'DB'", nil, 2, "environments with databases: local:dev"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			tc.files["migrations/0001_a.sql"] = "CREATE TABLE a(x);"
			b := bothTools(t, program, wranglertest.Project(t, tc.files))
			b.wrangler(1, tc.wrangler, "d1", "migrations", "apply", "DB", "--local")
			output, code := b.person.Rewind(t, b.program, b.dir, "migrate")
			if code != tc.code || !strings.Contains(output, tc.rewind) {
				t.Errorf("d1-rewind: exit code %d, want %d and %q in:\n%s", code, tc.code, tc.rewind, output)
			}
			if all := databases(t, b.dir); len(all) != 0 {
				t.Errorf("phantoms: %q", all)
			}
		})
	}
}

// Both tools make a binding without id and name the same remote database.
func TestBesideWranglerWithoutIDAndName(t *testing.T) {
	wranglertest.Tools(t)
	program := wranglertest.Program(t)
	server := d1test.New()
	t.Cleanup(server.Close)
	for _, name := range []string{"my_shop-order-db", "my_shop-staging-order-db", "own-order-db"} {
		server.Create(name)
	}
	dir := wranglertest.Project(t, map[string]string{"wrangler.json": `{"name":"my_shop","compatibility_date":"2026-11-01","account_id":"` +
		d1test.Account + `","d1_databases":[{"binding":"Order_DB"}],
		"env":{"staging":{"d1_databases":[{"binding":"Order_DB"}]},
		"named":{"name":"own","d1_databases":[{"binding":"Order_DB"}]},"missing":{"d1_databases":[{"binding":"Order_DB"}]}}}`,
		"migrations/0001_a.sql": "CREATE TABLE a(x);"})
	b := bothTools(t, program, dir, "CLOUDFLARE_API_BASE_URL="+server.URL, "CLOUDFLARE_API_TOKEN="+d1test.Token)
	for environment, section := range map[string]string{"production": "", "staging": "staging", "named": "named"} {
		if applied, pending := b.rewind("status", environment); len(applied) != 0 || len(pending) != 1 {
			t.Errorf("%s: before anything applied are %q, pending %q", environment, applied, pending)
		}
		b.wrangler(0, "0001_a.sql", "d1", "migrations", "apply", "Order_DB", "--remote", "--env", section)
		if applied, pending := b.rewind("status", environment); len(applied) != 1 || len(pending) != 0 {
			t.Errorf("%s: after wrangler applied are %q, pending %q", environment, applied, pending)
		}
	}
	b.wrangler(1, "Couldn't find an auto-provisioned D1 DB named 'my_shop-missing-order-db'", "d1", "migrations", "apply", "Order_DB",
		"--remote", "--env", "missing")
	output, code := b.person.Rewind(t, b.program, dir, "status", "missing")
	if want := `no database named "my_shop-missing-order-db"`; code != 2 || !strings.Contains(output, want) {
		t.Errorf("exit code %d, want 2 and %q in:\n%s", code, want, output)
	}
}

// Both tools take the token and the account from the same .env file. The stand-in refuses most of
// them, and notes what it was asked with.
func TestBesideWranglerDotEnv(t *testing.T) {
	wranglertest.Tools(t)
	program := wranglertest.Program(t)
	const one, two, three = "token-one-token-one-token-one-token-one-", "token-two-token-two-token-two-token-two-", "token-three-token-three-token-three-toke"
	account := func(n int) string { return fmt.Sprintf("%032x", n) }
	const databases = `"d1_databases":[{"binding":"DB","database_id":"11111111-2222-4333-8444-555555555555"}]`
	config := "{" + dated + "," + databases + `,"env":{"staging":{` + databases + "}}}"
	cases := []struct {
		name      string
		files     map[string]string
		section   string
		variables []string
		token     string
		account   int
	}{
		{name: ".env", files: map[string]string{".env": set(one, account(1))}, token: one, account: 1},
		{name: ".env.local", files: map[string]string{".env": set(one, account(1)), ".env.local": set(two, account(2))}, token: two, account: 2},
		{name: ".env.NAME", files: map[string]string{".env": set(one, account(1)), ".env.local": set(two, account(2)),
			".env.staging": set(three, account(3))}, section: "staging", token: three, account: 3},
		{name: ".env.NAME.local", files: map[string]string{".env.local": set(one, account(1)), ".env.staging": set(two, account(2)),
			".env.staging.local": set(three, account(3))}, section: "staging", token: three, account: 3},
		{name: "of_another_environment", files: map[string]string{".env": set(one, account(1)), ".env.staging": set(two, account(2))}, token: one, account: 1},
		{name: "of_production_is_not_of_the_top_level",
			files: map[string]string{".env": set(one, account(1)), ".env.production": set(two, account(2))}, token: one, account: 1},
		{name: "process", files: map[string]string{".env": set(one, account(1))},
			variables: []string{"CLOUDFLARE_API_TOKEN=" + two, "CLOUDFLARE_ACCOUNT_ID=" + account(2)}, token: two, account: 2},
		{name: "empty_in_the_process", files: map[string]string{".env": set(one, account(1))}, variables: []string{"CLOUDFLARE_API_TOKEN="},
			token: one, account: 1},
		{name: "syntax", files: map[string]string{".env": "# x\nexport CLOUDFLARE_API_TOKEN = \"" + one + "\" # mine\nA=" + account(1) +
			"\nCLOUDFLARE_ACCOUNT_ID='" + account(1) + "'\n"}, token: one, account: 1},
		{name: "expansion", files: map[string]string{".env": "A=" + account(1) + "\nCLOUDFLARE_API_TOKEN=" + one +
			"\nCLOUDFLARE_ACCOUNT_ID=${A}\n"}, token: one, account: 1},
		{name: "directory", files: map[string]string{".env.local/x": "", ".env": set(one, account(1))}, token: one, account: 1},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			server := d1test.New()
			t.Cleanup(server.Close)
			tc.files["wrangler.json"], tc.files["migrations/0001_a.sql"] = config, "CREATE TABLE a(x);"
			b := bothTools(t, program, wranglertest.Project(t, tc.files), append([]string{"CLOUDFLARE_API_BASE_URL=" + server.URL}, tc.variables...)...)
			environment := "production"
			if tc.section != "" {
				environment = tc.section
			}
			theirs, _ := b.person.Wrangler(t, b.dir, "d1", "execute", "DB", "--remote", "--command", "SELECT 1", "--env", tc.section)
			first := asked(server)
			ours, _ := b.person.Rewind(t, b.program, b.dir, "status", environment)
			second := asked(server)
			want := tc.token + " for " + account(tc.account)
			if first != want || second != want {
				t.Errorf("wrangler asked with %q, d1-rewind with %q, want %q\n%s\n%s", first, second, want, theirs, ours)
			}
		})
	}
}

// asked is the token and the account of the requests for a database since the last time.
func asked(server *d1test.Server) string {
	defer server.Forget()
	for _, r := range server.Requests() {
		if account, ok := strings.CutPrefix(r.Path, "/accounts/"); ok && strings.Contains(r.Path, "/d1/database/") {
			account, _, _ = strings.Cut(account, "/")
			return r.Token + " for " + account
		}
	}
	return ""
}
