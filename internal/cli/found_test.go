package cli_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/d1-rewind/d1-rewind/internal/d1/d1test"
	"github.com/d1-rewind/d1-rewind/internal/wrangler"
)

// with returns files and more.
func with(files map[string]string, more ...string) map[string]string {
	all := maps.Clone(files)
	for i := 0; i < len(more); i += 2 {
		all[more[i]] = more[i+1]
	}
	return all
}

// below lists the files below dir, without the contents of .wrangler but for databases.
func below(t *testing.T, dir string) (files []string) {
	t.Helper()
	for path := range snapshot(t, dir) {
		name, _ := filepath.Rel(dir, path)
		if !strings.Contains(filepath.ToSlash(name), ".wrangler/state/d1-rewind/") {
			files = append(files, filepath.ToSlash(name))
		}
	}
	slices.Sort(files)
	return files
}

// In a sub-folder of a project everything is the project's, and is named so that it can be opened.
func TestInASubfolder(t *testing.T) {
	dir := workspace(t, with(sample(), "wrangler.toml", "[[d1_databases]]\nbinding = 'DB'\n", "src/deep/index.ts", ""))
	t.Chdir("src/deep")
	d1rewind(nil, "migrate").want(t, 0, "applied 2 migrations")
	d1rewind(nil, "create", "add_items").want(t, 0, "created ../../migrations/0003_add_items.sql")
	state := ".wrangler/state/v3/d1/miniflare-D1DatabaseObject/" + wrangler.StateFile("DB")
	want := []string{state, "migrations/0001_users.sql", "migrations/0002_orders.sql", "migrations/0003_add_items.sql", "src/deep/index.ts", "wrangler.toml"}
	if diff := cmp.Diff(want, below(t, dir)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	d1rewind(nil, "doctor").want(t, 0, "3 files in ../../migrations", "../../"+state)
	if err := os.WriteFile("../../migrations/0003_add_items.sql", []byte("\nDROP TABLE nowhere;"), 0o644); err != nil {
		t.Fatal(err)
	}
	d1rewind(nil, "migrate").want(t, 1, "error: ../../migrations/0003_add_items.sql:2: ")
	if err := os.WriteFile("../../migrations/0003_add_items.sql", []byte("DROP TABLE orders;"), 0o644); err != nil {
		t.Fatal(err)
	}
	d1rewind(nil, "status").want(t, 0, "../../migrations/0003_add_items.sql:1  drop-table")
	d1rewind(nil, "status", "nowhere").want(t, 2, `error: ../../wrangler.toml: unknown environment "nowhere"`)
	if err := os.WriteFile("../../wrangler.toml", []byte("\nx = ="), 0o644); err != nil {
		t.Fatal(err)
	}
	d1rewind(nil, "status").want(t, 2, "error: ../../wrangler.toml:2: ")
	if diff := cmp.Diff(want, below(t, dir)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

// --working-directory says where looking begins, and --config what it finds.
func TestWhereLookingBegins(t *testing.T) {
	files := map[string]string{"apps/api/wrangler.json": `{"d1_databases": [{"binding": "API"}]}`,
		"apps/api/migrations/0001_a.sql": "CREATE TABLE a(x);", "apps/api/src/x.ts": "",
		"wrangler.json": `{"d1_databases": [{"binding": "ROOT"}]}`, "migrations/0001_root.sql": "CREATE TABLE root(x);"}
	dir := workspace(t, files)
	d1rewind(nil, "status", "--working-directory", "apps/api/src", "--format", "json").want(t, 0, `"0001_a.sql"`, `"databaseName": "API"`)
	d1rewind(nil, "create", "b", "--working-directory", "apps/api/src").want(t, 0, "created apps/api/migrations/0002_b.sql")
	t.Chdir("apps/api/src")
	d1rewind(nil, "status", "--working-directory", "../../..", "--format", "json").want(t, 0, `"databaseName": "ROOT"`)
	d1rewind(nil, "status", "--config", "../../../wrangler.json", "--format", "json").want(t, 0, `"databaseName": "ROOT"`)
	// A terminal may know the working directory by another name.
	link := filepath.Join(t.TempDir(), "link")
	must(t, os.Symlink(filepath.Join(dir, "apps/api/src"), link))
	t.Chdir(link)
	d1rewind(nil, "create", "c").want(t, 0, "created ../migrations/0003_c.sql")
	if _, err := os.Stat(filepath.Join(dir, "apps/api/migrations/0003_c.sql")); err != nil {
		t.Error(err)
	}
}

// A configuration above and one here: wrangler looks for one name after the other.
func TestConfigurationAboveAndHere(t *testing.T) {
	workspace(t, with(sample(), "wrangler.json", `{"d1_databases": [{"binding": "ABOVE"}]}`, "here/wrangler.toml", "[[d1_databases]]\nbinding = 'HERE'\n",
		"same/wrangler.json", `{"d1_databases": [{"binding": "SAME"}]}`, "same/migrations/0001_a.sql", "CREATE TABLE a(x);"))
	t.Chdir("here")
	d1rewind(nil, "status", "--format", "json").want(t, 0, `"databaseName": "ABOVE"`,
		"wrangler.toml is nearer, but wrangler reads ../wrangler.json first", "--config chooses")
	d1rewind(nil, "create", "x", "--config", "wrangler.toml").want(t, 0, "created migrations/0001_x.sql")
	t.Chdir("../same")
	if r := d1rewind(nil, "status", "--format", "json"); strings.Contains(r.stdout, "nearer") {
		t.Errorf("a warning about nothing:\n%s", r.stdout)
	} else {
		r.want(t, 0, `"databaseName": "SAME"`)
	}
}

// In a workflow nothing above the checkout is read.
func TestNotAboveTheWorkspace(t *testing.T) {
	dir := workspace(t, with(sample(), "wrangler.json", `{"d1_databases": [{"binding": "ABOVE"}]}`,
		"checkout/migrations/0001_a.sql", "CREATE TABLE a(x);", "checkout/apps/x", "",
		"project/wrangler.json", `{"d1_databases": [{"binding": "PROJECT"}]}`,
		"project/migrations/0001_bad.sql", "CREATE TABLE a(x);\nCREATE TABLE a(x);", "project/src/x", ""))
	t.Chdir("checkout")
	r, outputs, _ := action(t, filepath.Join(dir, "checkout"), map[string]string{"mode": "status", "environment": "local"})
	if r.want(t, 0); outputs["database-name"] != "DB" || outputs["pending"] != `["0001_a.sql"]` {
		t.Errorf("outputs %v", outputs)
	}
	env := map[string]string{"GITHUB_ACTIONS": "true", "GITHUB_WORKSPACE": filepath.Join(dir, "checkout")} // of a step's "run:"
	d1rewind(env, "status", "--format", "json").want(t, 0, `"databaseName": "DB"`)
	d1rewind(nil, "status", "--format", "json").want(t, 0, `"databaseName": "ABOVE"`)
	// Within the checkout it walks, and paths are relative to the repository.
	t.Chdir(dir)
	r, outputs, _ = action(t, dir, map[string]string{"mode": "status", "environment": "local", "working-directory": "project/src"})
	if r.want(t, 1, "::error file=project/migrations/0001_bad.sql,line=2"); outputs["database-name"] != "PROJECT" {
		t.Errorf("outputs %v", outputs)
	}
}

// What wrangler's d1 commands do not read must not leave a phantom of a database behind.
func TestOtherConfigurations(t *testing.T) {
	for _, name := range []string{"cloudflare.config.ts", ".wrangler/deploy/config.json"} {
		t.Run(name, func(t *testing.T) {
			dir := workspace(t, with(sample(), name, "{}", "src/x", ""))
			files := below(t, dir)
			for where, shown := range map[string]string{".": name, "src": "../" + name} {
				t.Chdir(filepath.Join(dir, where))
				for _, args := range [][]string{{"migrate"}, {"create", "x"}, {"status"}, {"doctor"}, {"reset", "--yes"}, {"status", "production"}} {
					code := 2
					if args[0] == "doctor" {
						code = 1
					}
					d1rewind(nil, args...).want(t, code, "no wrangler configuration, only "+shown, "--database-id")
				}
			}
			if diff := cmp.Diff(files, below(t, dir)); diff != "" {
				t.Errorf("files (-before +after):\n%s", diff)
			}
			t.Chdir(dir)
			d1rewind(nil, "status", "--database-id", "x").want(t, 0, "2 pending")
		})
	}
	workspace(t, with(sample(), "wrangler.json", `{"d1_databases": [{"binding": "DB"}]}`, "app/cloudflare.config.ts", ""))
	t.Chdir("app")
	d1rewind(nil, "status").want(t, 0, "cloudflare.config.ts is nearer, but as wrangler's d1 commands this reads ../wrangler.json")
}

func TestAbsoluteMigrationsDirectory(t *testing.T) {
	elsewhere := t.TempDir()
	dir := workspace(t, map[string]string{"wrangler.json": fmt.Sprintf(`{"d1_databases": [{"binding": "DB", "migrations_dir": %q}]}`,
		filepath.ToSlash(elsewhere))})
	d1rewind(nil, "create", "a").want(t, 0, "created "+filepath.ToSlash(elsewhere)+"/0001_a.sql")
	if _, err := os.Stat(filepath.Join(elsewhere, "0001_a.sql")); err != nil {
		t.Error(err)
	}
	d1rewind(nil, "migrate").want(t, 0, "applied 1 migration")
	if files := below(t, dir); len(files) != 2 {
		t.Errorf("files %q", files)
	}
	// One below the working directory is named from there.
	if err := os.WriteFile("wrangler.json", fmt.Appendf(nil, `{"d1_databases": [{"binding": "DB", "migrations_dir": %q}]}`,
		filepath.ToSlash(dir)+"/sql"), 0o644); err != nil {
		t.Fatal(err)
	}
	d1rewind(nil, "create", "a").want(t, 0, "created sql/0001_a.sql")
}

// State that --persist-to names is the working directory's, as wrangler's.
func TestPersistToInASubfolder(t *testing.T) {
	dir := workspace(t, with(sample(), "wrangler.json", `{"d1_databases": [{"binding": "DB"}]}`, "src/x", ""))
	t.Chdir("src")
	d1rewind(nil, "migrate", "--persist-to", "state").want(t, 0)
	d1rewind(nil, "doctor", "--persist-to", "../other").want(t, 0, " ../other/v3/d1/")
	if _, err := os.Stat(filepath.Join(dir, "src/state/v3/d1/miniflare-D1DatabaseObject", wrangler.StateFile("DB"))); err != nil {
		t.Error(err)
	}
}

const environments = `{"name": "shop", "d1_databases": [{"binding": "DB"}],
  "env": {"staging": {"d1_databases": [{"binding": "DB", "database_id": "11111111-2222-4333-8444-555555555555"},
    {"binding": "LOGS", "database_name": "logs"}]}}}`

// CLOUDFLARE_ENV chooses a local database where nothing else chooses, and never a remote one.
func TestEnvironmentVariable(t *testing.T) {
	dir := workspace(t, with(sample(), "wrangler.json", environments))
	env := map[string]string{"CLOUDFLARE_ENV": "staging", "CLOUDFLARE_API_TOKEN": "unused"}
	r := d1rewind(env, "migrate", "--database", "DB")
	r.want(t, 0, "applied 2 migrations", "restore local:staging --bookmark")
	state := filepath.Join(dir, ".wrangler/state/v3/d1/miniflare-D1DatabaseObject")
	if files := below(t, state); !slices.Equal(files, []string{wrangler.StateFile("11111111-2222-4333-8444-555555555555")}) {
		t.Errorf("databases %q", files)
	}
	d1rewind(env, "status", "local").want(t, 0, "2 pending")
	d1rewind(env, "status", "--environment", "local").want(t, 0, "2 pending")
	d1rewind(map[string]string{"CLOUDFLARE_ENV": ""}, "status").want(t, 0, "2 pending")
	env["CLOUDFLARE_ENV"] = "stagin"
	d1rewind(env, "status").want(t, 2, `CLOUDFLARE_ENV names the environment "stagin"`, "there are: staging", "did you mean staging?", "unset it")
	d1rewind(env, "status", "local").want(t, 0, "2 pending")
	d1rewind(env, "create", "x").want(t, 2, "CLOUDFLARE_ENV")
	env["CLOUDFLARE_ENV"] = "production" // which is remote
	d1rewind(env, "migrate").want(t, 2, `CLOUDFLARE_ENV names the environment "production"`)
	delete(env, "CLOUDFLARE_ENV")
	must(t, os.WriteFile(".env", []byte("CLOUDFLARE_ENV=staging"), 0o600))
	d1rewind(env, "status", "--database", "DB").want(t, 0, "environment local:staging", "nothing pending", "restore local:staging --bookmark")
	d1rewind(env, "status", "local").want(t, 0, "2 pending")
	env["CI"] = "true"
	d1rewind(env, "status").want(t, 0, "environment local,", "2 pending")
	delete(env, "CI")
	must(t, os.WriteFile(".env.local", []byte("CLOUDFLARE_ENV=stagin"), 0o600))
	d1rewind(env, "migrate").want(t, 2, `CLOUDFLARE_ENV in .env.local names the environment "stagin"`, "did you mean staging?")
	env["CLOUDFLARE_ENV"] = "staging"
	d1rewind(env, "status", "--database", "DB").want(t, 0, "environment local:staging", "nothing pending")
	must(t, os.WriteFile(".env.local", []byte("CLOUDFLARE_ENV="), 0o600))
	d1rewind(nil, "status").want(t, 0, "environment local,", "2 pending")
	must(t, os.Remove(".env.local"), os.Symlink(".env.local", ".env.local")) // can't be read, not even by root
	d1rewind(nil, "status").want(t, 2, ".env.local: can't be read: ", "next:  correct that, or name the environment: local")
	d1rewind(nil, "status", "local").want(t, 0, "2 pending")
	r, _, _ = action(t, dir, map[string]string{"mode": "status", "environment": "local"})
	r.want(t, 0)
	env["INPUT_MODE"] = "status"
	d1rewind(env).want(t, 2, "the input environment is missing")
}

// The name of a database in the place of an environment: the command that was meant works as it
// is printed.
func TestDatabaseInsteadOfEnvironment(t *testing.T) {
	for args, environment := range map[string]string{
		"migrate DB": "local", "migrate --environment DB --dry-run": "local",
		"status LOGS --format markdown --exit-code=false": "local:staging", "create add_x --environment logs": "local:staging",
		"status 11111111-2222-4333-8444-555555555555 --rehearse off": "local:staging", "migrate DB --transaction migration": "local",
	} {
		t.Run(args, func(t *testing.T) {
			workspace(t, with(sample(), "wrangler.json", environments))
			r := d1rewind(nil, strings.Fields(args)...)
			r.want(t, 2, "that is a database: d1-rewind ", environment)
			command := regexp.MustCompile(`that is a database: d1-rewind (.*?)(\*\*|\n|$)`).FindStringSubmatch(r.stdout + r.stderr)
			if command == nil {
				t.Fatal("no command")
			}
			again := d1rewind(nil, strings.Fields(command[1])...)
			if again.want(t, 0); strings.Contains(args, "dry-run") {
				again.want(t, 0, "dry run")
			}
		})
	}
	dir := workspace(t, with(sample(), "wrangler.json", environments))
	d1rewind(nil, "status", "shop-db").want(t, 2, "that is a database: d1-rewind status top-level --database shop-db")
	r, _, _ := action(t, dir, map[string]string{"mode": "status", "environment": "LOGS"})
	r.want(t, 2, "set the inputs environment: staging and database: LOGS")
	d1rewind(nil, "status", "stagin").want(t, 2, `unknown environment "stagin"; there are: staging, local,`, "did you mean staging?")
}

// "production" must not be the top level where the project has a production of another name.
func TestProductionOfAnotherName(t *testing.T) {
	c := newCloud(t, sample())
	prod := c.server.Create("prod-db")
	c.write("wrangler.jsonc", fmt.Sprintf(`{"name": "shop", "account_id": %q,
  "d1_databases": [{"binding": "DB", "database_name": "shop-db", "database_id": %q}],
		"env": {"prod": {"d1_databases": [{"binding": "DB", "database_name": "prod-db", "database_id": %q}]}}}`, d1test.Account, c.database.ID, prod.ID))
	for _, command := range []string{"migrate", "status", "info"} {
		c.run(command, "production").want(t, 2, "env.prod", "prod or top-level", "nothing was contacted or written")
	}
	if n := len(c.server.Requests()); n != 0 {
		t.Errorf("%d requests", n)
	}
	c.run("migrate", "prod", "--format", "json").want(t, 0, prod.ID)
	c.run("migrate", "top-level", "--format", "json").want(t, 0, c.database.ID)
}

func TestDatabaseOnlyInDev(t *testing.T) {
	workspace(t, with(sample(), "wrangler.json", `{"env": {"dev": {"d1_databases": [{"binding": "DB", "database_id": "x"}]}}}`))
	for environment, offered := range map[string]string{"local": "local:dev", "production": "dev"} {
		r := d1rewind(nil, "status", environment)
		if r.want(t, 2, "environments with databases: "+offered, "pass one of them"); strings.Contains(r.stderr, "add to the top level") {
			t.Errorf("advice that makes a database of dev that of production:\n%s", r.stderr)
		}
	}
	d1rewind(nil, "status", "local:dev").want(t, 0, "2 pending")
}

// A binding without id and name is the database that wrangler deploy makes for it.
func TestProvisionedDatabase(t *testing.T) {
	c := newCloud(t, sample())
	made := c.server.Create("my_shop-staging-order-db")
	c.write("wrangler.jsonc", fmt.Sprintf(`{"name": "my_shop", "account_id": %q, "d1_databases": [{"binding": "DB"}],
		"env": {"staging": {"d1_databases": [{"binding": "Order_DB"}]}}}`, d1test.Account))
	r := c.run("migrate", "staging", "--format", "json")
	r.want(t, 0, made.ID, `"databaseName": "my_shop-staging-order-db"`)
	fallback := r.json(t)["fallbackCommand"]
	if want := "npx wrangler d1 time-travel restore my_shop-staging-order-db --bookmark "; !strings.HasPrefix(fmt.Sprint(fallback), want) {
		t.Errorf("wrangler's command is %q, want %q", fallback, want)
	}
	back := c.run("migrate", "staging").want
	back(t, 0, "up to date")
	c.run("status", "staging", "--database", "my_shop-staging-order-db").want(t, 0, "up to date")
	c.run("status", "production").want(t, 2, `no database named "my_shop-db"`, `for the binding "DB"`, "wrangler deploy creates it")
	c.run("status").want(t, 0, "2 pending") // locally it has no name
	c.write("wrangler.jsonc", `{"d1_databases": [{"binding": "DB"}]}`)
	c.run("status", "production").want(t, 2, "neither database_id nor database_name", `add database_id or database_name, or "name"`)
}

// A configuration that is none is an error that does not quote it.
func TestConfigurationThatIsNone(t *testing.T) {
	const secret = "top-secret"
	for name, tc := range map[string]struct{ text, want string }{
		"deep":  {`{"x": "` + secret + `", "y": ` + strings.Repeat("[", 1<<19), "wrangler.json:1: is nested more than 500 levels deep"},
		"large": {`{"x": "` + strings.Repeat(secret, 1<<18) + `"}`, "wrangler.json: can't be read: it is larger than 1 MiB"},
	} {
		t.Run(name, func(t *testing.T) {
			workspace(t, with(sample(), "wrangler.json", tc.text))
			r := d1rewind(nil, "status")
			if r.want(t, 2, tc.want); strings.Contains(r.stdout+r.stderr, secret) {
				t.Error("the file is quoted")
			}
		})
	}
}
