package cli_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/d1-rewind/d1-rewind/internal/d1/d1test"
)

const otherAccount = "fedcba9876543210fedcba9876543210"

// newProject is a project with a remote database and an account of its own on the stand-in, and
// nothing in the environment of a process but the address.
func newProject(t *testing.T, files map[string]string) *cloud {
	t.Helper()
	c := newCloud(t, sample())
	c.write("wrangler.jsonc", fmt.Sprintf(`{"name": "shop", "d1_databases": [{"binding": "DB", "database_id": %q}], "env": {"staging": {"d1_databases": [{"binding": "DB", "database_name": "shop-db"}]}}}`, c.database.ID))
	delete(c.env, "CLOUDFLARE_API_TOKEN")
	for name, text := range files {
		c.write(name, text)
	}
	return c
}

// set are the lines of a .env file.
func set(token, account string) (text string) {
	if token != "" {
		text += "CLOUDFLARE_API_TOKEN=" + token + "\n"
	}
	if account != "" {
		text += "CLOUDFLARE_ACCOUNT_ID=" + account + "\n"
	}
	return text
}

// What .env files may say, and what wins over them. The stand-in knows one token and one account.
func TestDotEnv(t *testing.T) {
	const wrong = "a-token-that-nobody-made"
	good := set(d1test.Token, d1test.Account)
	cases := []struct {
		name        string
		files       map[string]string
		env         map[string]string
		environment string
		args        []string
		code        int
		says        []string
	}{
		{name: ".env", files: map[string]string{".env": good}},
		{name: ".env.local_goes_before", files: map[string]string{".env": set(wrong, otherAccount), ".env.local": good}},
		{name: ".env_of_the_environment_goes_before", files: map[string]string{".env.local": set(wrong, otherAccount), ".env.staging": good}, environment: "staging"},
		{name: "local_one_of_the_environment_goes_before", files: map[string]string{".env.staging": set(wrong, otherAccount), ".env.staging.local": good}, environment: "staging"},
		{name: "of_another_environment", files: map[string]string{".env.staging": good}, code: 2, says: []string{"needs an API token"}},
		{name: "of_production_is_not_of_the_top_level", files: map[string]string{".env.production": good}, code: 2, says: []string{"needs an API token"}},
		{name: "no_address", files: map[string]string{".env": good + "CLOUDFLARE_API_BASE_URL=http://127.0.0.1:1/client/v4\n"}},
		{name: "token_of_the_environment", files: map[string]string{".env": set(wrong, otherAccount)}, env: map[string]string{"CLOUDFLARE_API_TOKEN": d1test.Token, "CLOUDFLARE_ACCOUNT_ID": d1test.Account}},
		{name: "token_of_the_environment_and_no_account", files: map[string]string{".env": good}, env: map[string]string{"CLOUDFLARE_API_TOKEN": d1test.Token}, code: 2,
			says: []string{"no account id", "no .env file is read, because CLOUDFLARE_API_TOKEN is set in the environment"}},
		{name: "broken_and_not_read", files: map[string]string{".env": "'" + d1test.Token}, env: map[string]string{"CLOUDFLARE_API_TOKEN": d1test.Token, "CLOUDFLARE_ACCOUNT_ID": d1test.Account}},
		{name: "account_of_the_environment_is_the_same", files: map[string]string{".env": good}, env: map[string]string{"CLOUDFLARE_ACCOUNT_ID": d1test.Account}},
		{name: "account_of_the_environment_differs", files: map[string]string{".env": good}, env: map[string]string{"CLOUDFLARE_ACCOUNT_ID": otherAccount}, code: 2,
			says: []string{d1test.Account + " in .env", otherAccount + " in CLOUDFLARE_ACCOUNT_ID in the environment", "--account-id"}},
		{name: "account_of_the_environment_only", files: map[string]string{".env": set(d1test.Token, "")}, env: map[string]string{"CLOUDFLARE_ACCOUNT_ID": d1test.Account}},
		{name: "account_of_a_flag", files: map[string]string{".env": set(d1test.Token, otherAccount)}, env: map[string]string{"CLOUDFLARE_ACCOUNT_ID": otherAccount}, args: []string{"--account-id", d1test.Account}},
		{name: "token_here_and_account_there", files: map[string]string{".env": set("", d1test.Account), ".env.local": set(d1test.Token, "")}, code: 2,
			says: []string{"the token is in .env.local and the account id in .env", "write CLOUDFLARE_ACCOUNT_ID into .env.local", "--account-id " + d1test.Account}},
		{name: "token_there_and_account_here", files: map[string]string{".env": set(d1test.Token, ""), ".env.local": set("", d1test.Account)}, code: 2,
			says: []string{"the token is in .env and the account id in .env.local"}},
		{name: "token_here_and_account_there_and_in_a_flag", files: map[string]string{".env": set("", otherAccount), ".env.local": set(d1test.Token, "")}, args: []string{"--account-id", d1test.Account}},
		{name: "no_account_at_all", files: map[string]string{".env": set(d1test.Token, "")}, code: 2, says: []string{"no account id", "write CLOUDFLARE_ACCOUNT_ID into .env, next to the token"}},
		{name: "two_files_disagree", files: map[string]string{".env": good, ".env.local": set("", otherAccount)}, code: 2,
			says: []string{d1test.Account + " in .env, next to the token", otherAccount + " in .env.local", "make them the same"}},
		{name: "two_files_agree", files: map[string]string{".env": good, ".env.local": set("", d1test.Account)}},
		{name: "empty_token", files: map[string]string{".env": good, ".env.local": "CLOUDFLARE_API_TOKEN=\n"}, code: 2, says: []string{".env.local: CLOUDFLARE_API_TOKEN is empty", "remove the line"}},
		{name: "space_in_the_token", files: map[string]string{".env": "CLOUDFLARE_API_TOKEN='" + d1test.Token + " x'\n"}, code: 2, says: []string{"contains a space or a line break", "the token alone after CLOUDFLARE_API_TOKEN= in .env"}},
		{name: "lines_for_others", files: map[string]string{".env": "hello\n" + good + "my-var=3\n[x]\n"}},
		{name: "token_as_account", files: map[string]string{".env": set(d1test.Token, d1test.Token)}, code: 2, says: []string{".env: this is the API token, not the account id"}},
		{name: "token_as_account_of_the_environment", files: map[string]string{".env": good}, env: map[string]string{"CLOUDFLARE_ACCOUNT_ID": d1test.Token}, code: 2,
			says: []string{"CLOUDFLARE_ACCOUNT_ID in the environment: this is the API token"}},
		{name: "token_as_account_elsewhere", files: map[string]string{".env": set(d1test.Token, ""), ".env.local": "CLOUDFLARE_ACCOUNT_ID=" + d1test.Token}, code: 2,
			says: []string{".env.local: this is the API token"}},
		{name: "placeholders_and_a_flag", files: map[string]string{".env": set("", "abc"), ".env.local": set(d1test.Token, "")}, args: []string{"--account-id", d1test.Account}},
		{name: "account_that_is_none", files: map[string]string{".env": set(d1test.Token, "abc")}, code: 2, says: []string{".env: an account id has 32 hexadecimal digits"}},
		{name: "in_CI", files: map[string]string{".env": good}, env: map[string]string{"CI": "true"}, code: 2, says: []string{"needs an API token", "in CI no .env file is read"}},
		{name: "on_GitHub", files: map[string]string{".env": good}, env: map[string]string{"GITHUB_ACTIONS": "true"}, code: 2, says: []string{"needs an API token", "in CI no .env file is read"}},
		{name: "not_in_CI", files: map[string]string{".env": good}, env: map[string]string{"CI": "false"}},
		{name: "none", code: 2, says: []string{"needs an API token", "CLOUDFLARE_API_TOKEN", "in .env,", "wrangler login is not used"}},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			c := newProject(t, tc.files)
			for name, value := range tc.env {
				c.env[name] = value
			}
			environment := tc.environment
			if environment == "" {
				environment = "production"
			}
			for _, format := range []string{"text", "json", "markdown"} {
				r := c.run(append([]string{"status", environment, "--verbose", "--format", format}, tc.args...)...)
				if format == "text" {
					r.want(t, tc.code, tc.says...)
				}
				if strings.Contains(r.stdout+r.stderr, d1test.Token) {
					t.Errorf("the token is in:\n%s%s", r.stdout, r.stderr)
				}
			}
			if n := len(c.server.Requests()); (n == 0) != (tc.code == 2) {
				t.Errorf("%d requests", n)
			}
			c.run("status").want(t, 0) // a local environment reads none of it
		})
	}
}

// An account of the configuration and another one beside the token: wrangler would take the
// first, and a process environment the second.
func TestDotEnvAndTheConfiguration(t *testing.T) {
	c := newCloud(t, with(sample(), ".env", set(d1test.Token, otherAccount)))
	delete(c.env, "CLOUDFLARE_API_TOKEN")
	c.run("status", "production").want(t, 2, otherAccount+" in .env, next to the token", d1test.Account+" in account_id in wrangler.jsonc")
	c.run("status", "production", "--account-id", d1test.Account).want(t, 0)
	c.write(".env", set(d1test.Token, d1test.Account))
	c.run("status", "production").want(t, 0)
	c.write(".env", set(d1test.Token, ""))
	c.run("status", "production").want(t, 0)
}

// The files are those beside the configuration, wherever the command is typed.
func TestDotEnvBesideTheConfiguration(t *testing.T) {
	c := newProject(t, map[string]string{".env": set(d1test.Token, d1test.Account)})
	if err := os.Mkdir("src", 0o755); err != nil {
		t.Fatal(err)
	}
	c.write("src/.env", "CLOUDFLARE_API_TOKEN=another\n")
	t.Chdir("src")
	c.run("status", "production").want(t, 0)
	c.write(".env", set(d1test.Token, ""))
	c.run("status", "production").want(t, 2, "into ../.env, next to the token")
	c.write(".env", "")
	c.run("status", "production").want(t, 2, "in ../.env,")
	// Without a configuration they are where it was looked for.
	c.remove("wrangler.jsonc")
	c.write("src/.env", set(d1test.Token, d1test.Account))
	c.run("info", "production", "--database-id", c.database.ID).want(t, 0)
}

func TestDotEnvThatIsALink(t *testing.T) {
	c := newProject(t, map[string]string{"secrets": set(d1test.Token, d1test.Account)})
	must(t, os.Symlink("secrets", ".env"))
	c.run("status", "production").want(t, 0, "token from .env") // a monorepo has one for all
	c.write("secrets", "")
	if err := errors.Join(os.Remove("secrets"), os.Mkdir("secrets", 0o755)); err != nil {
		t.Fatal(err)
	}
	c.run("status", "production").want(t, 2, "needs an API token")
}

// In an action .env files choose nothing, whatever the runner says of itself.
func TestNoDotEnvInAnAction(t *testing.T) {
	c := newProject(t, map[string]string{".env": set(d1test.Token, d1test.Account)})
	r, _, _ := action(t, c.dir, map[string]string{"mode": "status", "environment": "production"})
	r.want(t, 2, "the input api-token is empty")
}
