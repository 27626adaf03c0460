package migration_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/d1-rewind/d1-rewind/internal/migration"
)

func TestParseHazardPolicy(t *testing.T) {
	t.Parallel()
	type codes = map[string]migration.Policy
	for _, tc := range []struct {
		text string
		want migration.HazardPolicy
		err  string
	}{
		{"", migration.HazardPolicy{Rest: migration.Warn, ByCode: codes{}}, ""},
		{"fail", migration.HazardPolicy{Rest: migration.Fail, ByCode: codes{}}, ""},
		{"fail, out-of-order=fail, drop-column=warn",
			migration.HazardPolicy{Rest: migration.Fail, ByCode: codes{"out-of-order": migration.Fail, "drop-column": migration.Warn}}, ""},
		{"drop-view=off", migration.HazardPolicy{Rest: migration.Warn, ByCode: codes{"drop-view": migration.Off}}, ""},
		{" off ,\tedited = fail ", migration.HazardPolicy{Rest: migration.Off, ByCode: codes{"edited": migration.Fail}}, ""},
		{"fial", migration.HazardPolicy{}, `"fial" is not off, warn, fail or CODE=off|warn|fail`},
		{"drop-table=fial", migration.HazardPolicy{}, `"drop-table=fial" is not off, warn, fail or CODE=off|warn|fail`},
		{"fail\nedited=warn\n", migration.HazardPolicy{Rest: migration.Fail, ByCode: codes{"edited": migration.Warn}}, ""},
		{"warn, ,", migration.HazardPolicy{}, `"" is not off, warn, fail or CODE=off|warn|fail`},
		{"drop-table=warn, fail", migration.HazardPolicy{}, `"fail" must come first: it is for the codes that are not named`},
		{"fail, warn", migration.HazardPolicy{}, `"warn" must come first: it is for the codes that are not named`},
		{"fail, drop-tables=warn", migration.HazardPolicy{}, `unknown hazard code "drop-tables"`},
		{"fail, =warn", migration.HazardPolicy{}, `unknown hazard code ""`},
		{"edited=warn, edited=fail", migration.HazardPolicy{}, "the code edited is named twice"},
	} {
		t.Run(tc.text, func(t *testing.T) {
			t.Parallel()
			got, err := migration.ParseHazardPolicy(tc.text, migration.Warn)
			if tc.err != "" {
				if err == nil || err.Error() != tc.err {
					t.Errorf("error %v, want %q", err, tc.err)
				}
				return
			}
			if diff := cmp.Diff(tc.want, got); diff != "" || err != nil {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
		})
	}
}

func TestHazardPolicyNeedsRehearsal(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{"off": false, "warn": false, "fail": true, "warn, drop-table=fail": true,
		"warn, out-of-order=fail, edited=fail": false} {
		p, err := migration.ParseHazardPolicy(text, migration.Warn)
		if err != nil || p.NeedsRehearsal() != want {
			t.Errorf("%s: %v, %v", text, p.NeedsRehearsal(), err)
		}
	}
}

// A policy for one code refuses it whatever its severity, lets it pass, or leaves it out.
func TestHazardGuardByCode(t *testing.T) {
	t.Parallel()
	const bad = "0003_bad.sql"
	for _, tc := range []struct {
		policy string
		code   string // that refuses; "" for none
		want   []string
	}{
		{"fail", migration.CodeDropTable, []string{"error drop-table 0003_bad.sql:1", "warning drop-view 0003_bad.sql:2"}},
		{"fail, drop-table=warn", "", []string{"error drop-table 0003_bad.sql:1", "warning drop-view 0003_bad.sql:2"}},
		{"fail, drop-table=off", "", []string{"warning drop-view 0003_bad.sql:2"}},
		{"warn, drop-view=fail", migration.CodeDropView, []string{"error drop-table 0003_bad.sql:1", "warning drop-view 0003_bad.sql:2"}},
		{"off, drop-view=fail", migration.CodeDropView, []string{"warning drop-view 0003_bad.sql:2"}},
		{"off", "", nil},
	} {
		t.Run(tc.policy, func(t *testing.T) {
			t.Parallel()
			p := newProject(t)
			p.migrate(migration.MigrateOptions{})
			p.apply("INSERT INTO orders(user_id) VALUES (1)", "CREATE VIEW recent AS SELECT id FROM users")
			p.write(bad, "DROP TABLE orders;\nDROP VIEW recent;")
			var err error
			if p.engine.Hazards, err = migration.ParseHazardPolicy(tc.policy, migration.Warn); err != nil {
				t.Fatal(err)
			}
			result, err := p.engine.Migrate(context.Background(), migration.MigrateOptions{})
			if diff := cmp.Diff(tc.want, hazards(result)); diff != "" {
				t.Errorf("hazards (-want +got):\n%s", diff)
			}
			problem, refused := errors.AsType[*migration.Problem](err)
			if refused != (tc.code != "") || refused && (problem.Kind != migration.Refused || problem.Hazard == nil || problem.Hazard.Code != tc.code) {
				t.Errorf("error %v, want one about %q", err, tc.code)
			}
		})
	}
}
