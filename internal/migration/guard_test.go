package migration_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/d1-rewind/d1-rewind/internal/migration"
)

func hazards(r migration.Result) (list []string) {
	for _, h := range r.Hazards {
		words := fmt.Sprintf("%s %s %s:%d", h.Severity, h.Code, h.File, h.Line)
		if h.Allowed != "" {
			words += " allowed: " + h.Allowed
		}
		list = append(list, words)
	}
	return list
}

func TestHazardGuard(t *testing.T) {
	t.Parallel()
	const drop = "DROP TABLE orders;"
	cases := []struct {
		name, sql string
		policy    migration.Policy
		refuses   bool
		want      []string
	}{
		{"fail", "-- the orders go\n" + drop, migration.Fail, true, []string{"error drop-table 0003_bad.sql:2"}},
		{"warn", drop, migration.Warn, false, []string{"error drop-table 0003_bad.sql:1"}},
		{"off", drop, migration.Off, false, nil},
		{"warnings_do_not_refuse", "ALTER TABLE orders RENAME TO sales;", migration.Fail, false, []string{"warning rename-table 0003_bad.sql:1"}},
		{"allowed", "-- d1-rewind:allow drop-table nobody uses it since March\n" + drop, migration.Fail, false, []string{"error drop-table 0003_bad.sql:2 allowed: nobody uses it since March"}},
		{"allowed_behind_it", drop + " -- d1-rewind:allow drop-table replaced by sales", migration.Fail, false, []string{"error drop-table 0003_bad.sql:1 allowed: replaced by sales"}},
		{"allowed_within_it", "DROP TABLE /* d1-rewind:allow drop-table replaced by sales */\norders;", migration.Fail, false, []string{"error drop-table 0003_bad.sql:1 allowed: replaced by sales"}},
		{"without_a_reason", "-- d1-rewind:allow drop-table\n" + drop, migration.Fail, true, []string{"error drop-table 0003_bad.sql:2", "warning allow-reason 0003_bad.sql:1"}},
		{"another_code", "-- d1-rewind:allow drop-column it is empty\n" + drop, migration.Fail, true, []string{"error drop-table 0003_bad.sql:2", "info allow-unused 0003_bad.sql:1"}},
		{"no_such_code", "-- d1-rewind:allow everything please\n" + drop, migration.Fail, true, []string{"error drop-table 0003_bad.sql:2", "warning allow-unknown 0003_bad.sql:1"}},
		{"another_statement", drop + "\n-- d1-rewind:allow drop-table it is gone\nCREATE TABLE sales(id);", migration.Fail, true, []string{"error drop-table 0003_bad.sql:1", "info allow-unused 0003_bad.sql:2"}},
		{"not_ours", "-- d1-rewind:allowed drop-table x\n" + drop, migration.Fail, true, []string{"error drop-table 0003_bad.sql:2"}},
		{"open_comment", "CREATE TABLE sales(id);\n/* the ledger's row", migration.Fail, false, []string{"warning open-comment 0003_bad.sql:2"}},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			p := newProject(t)
			p.migrate(migration.MigrateOptions{})
			p.apply("INSERT INTO orders(user_id) VALUES (1)")
			p.write(bad, tc.sql)
			p.engine.Hazards = migration.HazardPolicy{Rest: tc.policy}
			status, statusErr := p.engine.Status(context.Background(), migration.StatusOptions{})
			result, err := p.engine.Migrate(context.Background(), migration.MigrateOptions{})
			for _, one := range []struct {
				result migration.Result
				err    error
			}{{status, statusErr}, {result, err}} {
				if diff := cmp.Diff(tc.want, hazards(one.result)); diff != "" {
					t.Errorf("hazards (-want +got):\n%s", diff)
				}
				if tc.refuses {
					if problem := p.refused(migration.Refused, one.err); !strings.Contains(problem.Next, "d1-rewind:allow drop-table REASON") || problem.File != bad || one.result.Status != migration.Refusal {
						t.Errorf("problem = %+v, status %s", problem, one.result.Status)
					}
				} else if one.err != nil {
					t.Error(one.err)
				}
			}
			if tc.refuses {
				p.wantLedger(users, orders)
			} else {
				p.wantLedger(users, orders, bad)
			}
		})
	}
}

func TestHazardGuardWithoutRehearsal(t *testing.T) {
	t.Parallel()
	p := newProject(t)
	p.engine.Hazards = migration.HazardPolicy{Rest: migration.Fail}
	p.engine.Rehearse = func(context.Context, migration.Plan) (migration.Rehearsal, error) {
		return migration.Rehearsal{Reason: "no room"}, nil
	}
	_, err := p.engine.Migrate(context.Background(), migration.MigrateOptions{})
	if problem := p.refused(migration.Refused, err); !strings.Contains(problem.Error(), "no room") {
		t.Error(problem)
	}
	p.engine.Hazards = migration.HazardPolicy{Rest: migration.Warn}
	p.migrate(migration.MigrateOptions{})
	p.engine.Hazards = migration.HazardPolicy{Rest: migration.Fail} // nothing is pending: there is nothing to refuse
	p.migrate(migration.MigrateOptions{})
}

func TestDriftGuard(t *testing.T) {
	t.Parallel()
	differs := migration.Drift{State: "true", Differences: []migration.Change{{Kind: "index", Name: "i", Table: "users", What: "removed"}}}
	for _, tc := range []struct {
		name    string
		policy  migration.Policy
		found   migration.Drift
		refuses bool
	}{
		{"fail", migration.Fail, differs, true},
		{"warn", migration.Warn, differs, false},
		{"unknown", migration.Fail, migration.Drift{State: "unknown", Reason: "0001 can't be replayed"}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			p := newProject(t)
			p.migrate(migration.MigrateOptions{To: users})
			p.engine.Drift = tc.policy
			p.engine.Replay = func(_ context.Context, live migration.Schema, applied []migration.Migration) migration.Drift {
				if len(live) < 2 || len(applied) != 1 || applied[0].Name != users {
					t.Errorf("Replay was handed %v and %v", live, names(applied))
				}
				return tc.found
			}
			_, err := p.engine.Migrate(context.Background(), migration.MigrateOptions{})
			if !tc.refuses {
				if err != nil {
					t.Error(err)
				}
				p.wantLedger(users, orders)
				return
			}
			if problem := p.refused(migration.Refused, err); !strings.Contains(problem.Error(), "index users.i missing in the database") {
				t.Error(problem)
			}
			p.wantLedger(users)
		})
	}
	t.Run("a_file_is_gone", func(t *testing.T) {
		t.Parallel()
		p := newProject(t)
		p.migrate(migration.MigrateOptions{})
		delete(p.files, orders)
		p.engine.Replay = func(context.Context, migration.Schema, []migration.Migration) migration.Drift {
			t.Error("replayed without a file")
			return migration.Drift{}
		}
		result := p.migrate(migration.MigrateOptions{})
		if result.Drift.State != "unknown" || !strings.Contains(result.Drift.Reason, orders) {
			t.Errorf("drift = %+v", result.Drift)
		}
		if diff := cmp.Diff([]string{"warning missing 0002_orders.sql:0"}, hazards(result)); diff != "" {
			t.Errorf("hazards (-want +got):\n%s", diff)
		}
	})
}
