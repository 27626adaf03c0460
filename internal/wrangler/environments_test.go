package wrangler_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/d1-rewind/d1-rewind/internal/wrangler"
)

// "production" must not be the top level where the project calls another environment so.
func TestProductionIsRefused(t *testing.T) {
	t.Parallel()
	for _, env := range []string{"prod", "PROD", "prd", "live", "main", "prod-eu", "prod_2", "live-1", "Main_", "Production", "production-eu", "production_2"} {
		for _, tc := range []struct{ text, hint string }{
			{`{"d1_databases": [{"binding": "A", "database_id": "a"}], "env": {%q: {"d1_databases": [{"binding": "B", "database_id": "b"}]}}}`,
				"say which is meant: %s or top-level"},
			{`{"env": {%q: {"d1_databases": [{"binding": "B", "database_id": "b"}]}}}`, "say which is meant: %s"},
		} {
			c := load(t, "wrangler.json", fmt.Sprintf(tc.text, env))
			_, err := wrangler.Resolve(c, wrangler.Selection{Environment: "production"})
			e := checkError(t, err, `wrangler.json: "production" would be the top-level database here, and there is env.`+env)
			if want := fmt.Sprintf(tc.hint, env); e.Hint != want {
				t.Errorf("hint %q, want %q", e.Hint, want)
			}
			if target, err := wrangler.Resolve(c, wrangler.Selection{Environment: env}); err != nil || target.Database.ID != "b" {
				t.Errorf("%s is %+v, %v", env, target, err)
			}
		}
	}
}

func TestProductionIsTheTopLevel(t *testing.T) {
	t.Parallel()
	const text = `{"d1_databases": [{"binding": "A", "database_id": "a"}], "env": {%q: {"d1_databases": [{"binding": "B", "database_id": "b"}]}}}`
	for env, want := range map[string]string{"staging": "a", "preprod": "a", "prods": "a", "product": "a", "alive": "a", "domain": "a",
		"mainly": "a", "production": "b"} {
		c := load(t, "wrangler.json", fmt.Sprintf(text, env))
		if target, err := wrangler.Resolve(c, wrangler.Selection{Environment: "production"}); err != nil || target.Database.ID != want {
			t.Errorf("with env.%s production is %+v, %v", env, target, err)
		}
	}
	// With env.production beside it, env.prod is nobody's production.
	c := load(t, "wrangler.json", `{"env": {"production": {"d1_databases": [{"binding": "A", "database_id": "a"}]},
		"prod": {"d1_databases": [{"binding": "B"}]}}}`)
	if target, err := wrangler.Resolve(c, wrangler.Selection{Environment: "production"}); err != nil || target.Database.ID != "a" {
		t.Errorf("production is %+v, %v", target, err)
	}
}

// A database in the place of an environment gets the environments that have it.
func TestInstead(t *testing.T) {
	t.Parallel()
	const uuid = "11111111-2222-4333-8444-555555555555"
	c := load(t, "wrangler.json", `{"name": "w",
		"d1_databases": [{"binding": "DB", "database_name": "shop", "database_id": "`+uuid+`", "preview_database_id": "p"}],
		"env": {"dev": {"d1_databases": [{"binding": "DEV_DB"}, {"binding": "LOGS", "database_name": "logs"}]},
			"local:x": {"d1_databases": [{"binding": "ODD", "database_id": "o"}]}, "": {},
			"local": {"d1_databases": [{"binding": "HERE", "database_id": "h"}]}, "top-level": {}}}`)
	check := func(c *wrangler.Config, word, environments string) {
		t.Helper()
		_, err := wrangler.Resolve(c, wrangler.Selection{Environment: word})
		e, ok := errors.AsType[*wrangler.ConfigError](err)
		if !ok {
			t.Fatalf("%q: error %v", word, err)
		}
		var want []wrangler.Selection
		for _, environment := range strings.Fields(environments) {
			want = append(want, wrangler.Selection{Environment: environment, Database: word})
		}
		if diff := cmp.Diff(want, e.Instead); diff != "" {
			t.Errorf("instead of %q (-want +got):\n%s", word, diff)
		}
		for _, s := range e.Instead {
			if _, err := wrangler.Resolve(c, s); err != nil {
				t.Errorf("%+v: %v", s, err)
			}
		}
	}
	for word, environments := range map[string]string{"DB": "local top-level", "shop": "local top-level", uuid: "local top-level",
		"p": "local", "logs": "local:dev dev",
		"DEV_DB": "local:dev dev", "w-dev-dev-db": "dev", "ODD": "local:local:x", "HERE": "local:local", "nowhere": "", "": "", "local:": "", "local:x": ""} {
		check(c, word, environments)
	}
	check(nil, uuid, "production")
	check(nil, "DB", "")
}
