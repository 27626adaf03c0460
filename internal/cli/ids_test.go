package cli_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/d1-rewind/d1-rewind/internal/d1/d1test"
)

// Ids and names that a pull request can change become no other request, and what is the token
// by mistake is not shown.
func TestIDs(t *testing.T) {
	configured := func(worker, account, id string) func(*hub, map[string]string) {
		return func(h *hub, _ map[string]string) {
			h.write("wrangler.jsonc", fmt.Sprintf(`{"name": %q, "account_id": %q, "d1_databases": [{"binding": "DB", "database_name": "shop-db", "database_id": %q}]}`, worker, account, id))
		}
	}
	input := func(name, value string) func(*hub, map[string]string) {
		return func(_ *hub, env map[string]string) { env["INPUT_"+strings.ToUpper(name)] = value }
	}
	const id = "9ebd6f14-b574-464c-8147-3885214d6a65"
	for name, tc := range map[string]struct {
		change func(*hub, map[string]string)
		want   []string
	}{
		"worker":              {input("worker", "../../../../user/tokens/verify?x="), []string{"is not a Worker name", "the input worker"}},
		"worker_is_the_token": {input("worker", d1test.Token), []string{"this is the API token, not a Worker name"}},
		"worker_to_put_back": {func(h *hub, env map[string]string) {
			configured("../x", d1test.Account, id)(h, env)
			env["INPUT_ROLLBACK-WORKER"] = "true"
		}, []string{"is not a Worker name"}},
		"account":          {configured("shop", "../user", id), []string{"account_id in wrangler.jsonc: an account id has 32 hexadecimal digits", "dashboard"}},
		"account_is_token": {configured("shop", d1test.Token, id), []string{"account_id in wrangler.jsonc: this is the API token, not the account id"}},
		"account_of_input": {input("account-id", d1test.Token), []string{"account-id: this is the API token, not the account id"}},
		"account_of_variable": {func(h *hub, env map[string]string) {
			configured("shop", "", id)(h, env)
			env["CLOUDFLARE_ACCOUNT_ID"] = "x" + d1test.Token
		}, []string{"CLOUDFLARE_ACCOUNT_ID in the environment: an account id has"}},
		"database":          {configured("shop", d1test.Account, "../../x"), []string{"is not a database id", "wrangler d1 list"}},
		"database_is_token": {configured("shop", d1test.Account, d1test.Token), []string{`"***" is not a database id`}},
		"database_of_input": {input("database-id", d1test.Token), []string{`"***" is not a database id`}},
		"version":           {input("worker-version", "../"+d1test.Token), []string{`"../***" is not a Worker version`}},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHub(t, sample())
			s := h.step(byHand, map[string]string{"mode": "restore", "bookmark": "00000001-00000000-00004c6d-8e61117bf38d7adb71b934ebbf891683", "confirm": "shop-db"},
				func(env map[string]string) { tc.change(h, env) })
			s.want(t, 2, append(tc.want, "nothing was contacted or written")...)
			if n := len(h.server.Requests()); n != 0 {
				t.Errorf("%d requests", n)
			}
			for output, value := range s.outputs { // step looks at log and summary
				if strings.Contains(value, d1test.Token) {
					t.Errorf("output %s = %q", output, value)
				}
			}
			h.step(byHand, map[string]string{"mode": "migrate", "environment": "local"}, func(env map[string]string) {
				tc.change(h, env)
				env["INPUT_WORKER-VERSION"], env["INPUT_ROLLBACK-WORKER"] = "", ""
				delete(env, "INPUT_DATABASE-ID")
			}).want(t, 0)
		})
	}
}

// A Worker whose name is none, as that of an environment with a slash in its name, is not asked for its
// version; the database is migrated all the same.
func TestWorkerThatHasNoName(t *testing.T) {
	for _, name := range []string{"shop-feature/x", "../../../../user/tokens/verify?x=", d1test.Token} {
		h := newHub(t, sample())
		h.write("wrangler.jsonc", fmt.Sprintf(`{"name": %q, "account_id": %q, "d1_databases": [{"binding": "DB", "database_name": "shop-db", "database_id": %q}]}`,
			name, d1test.Account, h.database.ID))
		h.step(push, map[string]string{"mode": "migrate"}).want(t, 0, "applied 2 migrations", "the Worker's version is not recorded")
		for _, r := range h.server.Requests() {
			if !strings.HasPrefix(r.Path, "/accounts/"+d1test.Account+"/d1/") {
				t.Errorf("%s was asked for", r.Path)
			}
		}
	}
}
