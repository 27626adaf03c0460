package cli_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/d1-rewind/d1-rewind/internal/d1/d1test"
)

// migrated is a cloud on which each file was applied by a run of its own. before[i] is the
// bookmark from before file i+1.
func migrated(t *testing.T, n int) (c *cloud, before []string) {
	t.Helper()
	files := map[string]string{}
	for i := 1; i <= n; i++ {
		files[fmt.Sprintf("migrations/%04d_m.sql", i)] = fmt.Sprintf("CREATE TABLE t%d(x);", i)
	}
	c = newCloud(t, files)
	for i := 1; i <= n; i++ {
		before = append(before, c.now())
		c.run("migrate", "production", "--to", fmt.Sprintf("%04d_m.sql", i)).want(t, 0)
	}
	return c, before
}

func (c *cloud) now() string {
	history := c.database.History()
	return history[len(history)-1].Bookmark
}

// end is the bookmark by which a restore names the present state as the one that it discards.
func (c *cloud) end() string {
	history := c.database.History()
	return history[len(history)-1].End
}

func (c *cloud) restore(bookmark string, more ...string) run {
	c.t.Helper()
	return c.run(append([]string{"restore", "production", "--confirm", "shop-db", "--bookmark", bookmark}, more...)...)
}

func (c *cloud) wantHeld(names ...string) {
	c.t.Helper()
	document := c.run("status", "production", "--format", "json").json(c.t)
	got := []string{}
	for _, name := range document["held"].([]any) {
		got = append(got, name.(string))
	}
	if diff := cmp.Diff(append([]string{}, names...), got); diff != "" {
		c.t.Errorf("held (-want +got):\n%s", diff)
	}
}

func TestHold(t *testing.T) {
	t.Run("restore_holds_and_undo_lifts", func(t *testing.T) {
		c, before := migrated(t, 3)
		undo := c.end()
		c.restore(before[1]).want(t, 0, "undone by the restore: 0002_m.sql, 0003_m.sql", "held from now on", "--bookmark "+undo)
		c.wantHeld("0002_m.sql", "0003_m.sql")
		c.run("migrate", "production").want(t, 3, "held", "nothing was written")
		c.restore(undo).want(t, 0)
		c.wantHeld()
		c.run("migrate", "production").want(t, 0, "up to date: 3 applied")
	})
	t.Run("second_restore_further_back", func(t *testing.T) {
		c, before := migrated(t, 3)
		c.restore(before[2]).want(t, 0)
		c.wantHeld("0003_m.sql")
		c.restore(before[1]).want(t, 0)
		c.wantHeld("0002_m.sql", "0003_m.sql")
	})
	t.Run("one_of_two_files_fixed", func(t *testing.T) {
		c, before := migrated(t, 3)
		c.restore(before[1]).want(t, 0)
		c.write("migrations/0003_m.sql", "CREATE TABLE t3(x, y);")
		c.run("status", "production").want(t, 0, "the hold is over: 0003_m.sql has changed")
		c.run("migrate", "production").want(t, 0, "applied 2 migrations")
		c.wantRows("SELECT name FROM pragma_table_info('t3')", "x", "y")
		c.wantHeld()
	})
	t.Run("a_file_deleted", func(t *testing.T) {
		c, before := migrated(t, 3)
		c.restore(before[1]).want(t, 0)
		c.remove("migrations/0003_m.sql")
		c.run("migrate", "production").want(t, 0, "applied 1 migration", "0003_m.sql is gone")
	})
	t.Run("restore_to_before_the_first_run", func(t *testing.T) {
		c, before := migrated(t, 2)
		c.restore(before[0]).want(t, 0, "undone by the restore: 0001_m.sql, 0002_m.sql")
		c.wantHeld("0001_m.sql", "0002_m.sql")
		c.wantRows("SELECT kind, json_array_length(undone) FROM d1_rewind_journal", "restore|2")
		c.run("migrate", "production", "--release-hold").want(t, 0, "applied 2 migrations")
		c.wantHeld()
	})
	t.Run("the_mend_is_undone_too", func(t *testing.T) {
		c, _ := migrated(t, 2)
		back := func() {
			c.run("restore", "production", "--confirm", "shop-db", "--before", "0002_m.sql").want(t, 0, "held from now on, until a file changes or --release-hold: 0002_m.sql")
		}
		back()
		c.write("migrations/0002_m.sql", "CREATE TABLE t2(x, fixed);")
		c.run("migrate", "production").want(t, 0, "applied 1 migration")
		back()
		c.wantHeld("0002_m.sql")
		c.run("migrate", "production").want(t, 3, "held")
	})
	t.Run("what_came_after_a_deleted_file_is_undone_too", func(t *testing.T) {
		c, before := migrated(t, 2)
		c.restore(before[1]).want(t, 0)
		c.remove("migrations/0002_m.sql")
		c.write("migrations/0003_m.sql", "CREATE TABLE t3(x);")
		c.run("migrate", "production").want(t, 0, "applied 1 migration")
		c.run("restore", "production", "--confirm", "shop-db", "--before", "0003_m.sql").want(t, 0, "held from now on")
		c.wantHeld("0003_m.sql")
	})
	t.Run("what_ended_before_anything_was_applied_stays_so", func(t *testing.T) {
		c, before := migrated(t, 3)
		c.restore(before[2]).want(t, 0)
		c.remove("migrations/0003_m.sql")
		c.restore(before[1]).want(t, 0, "held from now on, until a file changes or --release-hold: 0002_m.sql\n")
		c.wantHeld("0002_m.sql")
	})
	t.Run("ends_as_a_whole_and_for_good", func(t *testing.T) {
		c, before := migrated(t, 3)
		c.restore(before[1]).want(t, 0)
		c.write("migrations/0002_m.sql", "CREATE TABLE t2(x, fixed);")
		c.run("migrate", "production", "--to", "0002_m.sql").want(t, 0, "the hold is over: 0002_m.sql has changed")
		c.wantHeld()
		c.run("migrate", "production").want(t, 0, "applied 1 migration")
	})
	t.Run("ends_with_a_baseline_too", func(t *testing.T) {
		c, before := migrated(t, 3)
		c.restore(before[1]).want(t, 0)
		c.write("migrations/0002_m.sql", "CREATE TABLE t2(x, fixed);")
		c.run("baseline", "production", "--to", "0002_m.sql", "--force").want(t, 0)
		c.wantHeld()
		c.run("migrate", "production").want(t, 0, "applied 1 migration")
	})
	t.Run("is_named_where_nothing_is_restored", func(t *testing.T) {
		c, before := migrated(t, 3)
		c.restore(before[1]).want(t, 0)
		for _, to := range []string{c.now(), "00000099-00000000-00004c6d-be4decac30cbe2b81297d5c924b27945"} {
			document := c.restore(to, "--format", "json").json(t)
			if diff := cmp.Diff([]any{"0002_m.sql", "0003_m.sql"}, document["held"]); diff != "" {
				t.Errorf("held (-want +got):\n%s", diff)
			}
		}
		document := c.run("migrate", "production", "--release-hold", "--to", "0002_m.sql", "--format", "json").json(t)
		if diff := cmp.Diff([]any{}, document["held"]); diff != "" {
			t.Errorf("held after its release (-want +got):\n%s", diff)
		}
	})
	t.Run("over_before_it_began", func(t *testing.T) {
		c, before := migrated(t, 2)
		c.write("migrations/0002_m.sql", "CREATE TABLE t2(x, fixed);")
		document := c.restore(before[1], "--format", "json").json(t)
		if diff := cmp.Diff([]any{}, document["held"]); diff != "" {
			t.Errorf("held (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]any{"0002_m.sql"}, document["pending"]); diff != "" {
			t.Errorf("pending (-want +got):\n%s", diff)
		}
		c.wantHeld()
	})
	t.Run("before_a_migration", func(t *testing.T) {
		c, _ := migrated(t, 3)
		c.run("restore", "production", "--confirm", "shop-db", "--before", "0002_m.sql").want(t, 0, "undone by the restore: 0002_m.sql, 0003_m.sql")
		c.wantRows(ledger, "0001_m.sql")
	})
	t.Run("killed_between_restore_and_hold", func(t *testing.T) {
		c, before := migrated(t, 2)
		undo, end := c.now(), c.end()
		restored := false
		c.server.SetFault(func(r d1test.Request) *d1test.Fault {
			if strings.HasSuffix(r.Path, "/restore") {
				restored = true
			} else if restored { // nothing gets through any more
				return &d1test.Fault{Drop: true}
			}
			return nil
		})
		c.restore(before[1], "--verbose").want(t, 1, "restored, NOT held", "this takes back 0002_m.sql", "restoring the database to "+before[1]+"; "+undo+" undoes that", "the next migrate will apply again", "or undo: d1-rewind restore production --bookmark "+end+" --confirm shop-db")
		c.server.SetFault(nil)
		c.wantHeld()
		c.wantRows(ledger, "0001_m.sql")
		c.restore(undo).want(t, 0)
		c.wantRows(ledger, "0001_m.sql", "0002_m.sql")
	})
	t.Run("hold_whose_answer_is_lost", func(t *testing.T) {
		c, before := migrated(t, 2)
		c.faultAt(1, to("/query"), d1test.Fault{After: true, Drop: true})
		c.restore(before[1]).want(t, 0)
		c.server.SetFault(nil)
		c.wantHeld("0002_m.sql")
		c.wantRows("SELECT count(*) FROM d1_rewind_journal WHERE kind = 'restore'", "1")
	})
	t.Run("nobody_knows_whether_it_holds", func(t *testing.T) {
		c, before := migrated(t, 2)
		wrote := false
		c.server.SetFault(func(r d1test.Request) *d1test.Fault {
			if wrote = wrote || strings.HasSuffix(r.Path, "/query"); wrote {
				return &d1test.Fault{After: true, Drop: true}
			}
			return nil
		})
		r := c.restore(before[1])
		r.want(t, 4, "restored, but it is not known whether what that undid is held", "d1-rewind status production shows what is held")
		if strings.Contains(r.stdout, "held from now on") {
			t.Errorf("it is not known, but said to be held:\n%s", r.stdout)
		}
		c.server.SetFault(nil)
		c.wantHeld("0002_m.sql")
	})
	t.Run("refused", func(t *testing.T) {
		c, before := migrated(t, 2)
		c.faultAlways(to("/query"), d1test.Fault{Status: http.StatusForbidden, Body: `{"success":false,"errors":[{"code":10000,"message":"Authentication error"}]}`})
		r := c.restore(before[1], "--format", "json")
		r.want(t, 1, "restored, NOT held", "the next migrate will apply again what the restore undid")
		document := r.json(t)
		for name, want := range map[string]any{"held": []any{}, "pending": []any{"0002_m.sql"}, "undone": []any{"0002_m.sql"}} {
			if diff := cmp.Diff(want, document[name]); diff != "" {
				t.Errorf("%s (-want +got):\n%s", name, diff)
			}
		}
	})
	t.Run("restored_without_a_hold_and_again", func(t *testing.T) {
		c, before := migrated(t, 2)
		undo := c.now()
		restored := false
		c.server.SetFault(func(r d1test.Request) *d1test.Fault {
			if restored = restored || strings.HasSuffix(r.Path, "/restore"); restored {
				return &d1test.Fault{After: true, Drop: true}
			}
			return nil
		})
		c.restore(before[1]).want(t, 4, "if it was, nothing holds what that undid: undo it, then restore again: d1-rewind restore production --bookmark "+undo+" --confirm shop-db")
		c.server.SetFault(nil)
		c.restore(before[1]).want(t, 0, "pending and not held, so the next migrate applies it: 0002_m.sql")
		c.restore(undo).want(t, 0)
		c.restore(before[1]).want(t, 0, "held from now on")
		c.wantHeld("0002_m.sql")
	})
	t.Run("somebody_migrates_just_before", func(t *testing.T) {
		c, before := migrated(t, 2)
		c.write("migrations/0003_m.sql", "CREATE TABLE t3(x);")
		c.onceAt("/restore", func() { c.run("migrate", "production").want(t, 0, "applied 1 migration") })
		c.restore(before[1]).want(t, 0, "pending and not held, so a migrate applies it as soon as the hold is over: 0003_m.sql")
		c.wantHeld("0002_m.sql")
	})
	t.Run("damage_to_ledger_or_journal_is_mended", func(t *testing.T) {
		for _, damage := range []string{"ALTER TABLE d1_migrations RENAME COLUMN name TO title", "DROP TABLE d1_migrations", "UPDATE d1_rewind_journal SET migrations = 'x'"} {
			c, _ := migrated(t, 1)
			good := c.now()
			if err := c.database.Exec(damage); err != nil {
				t.Fatal(err)
			}
			c.restore(good).want(t, 0, "restored to "+good)
			c.run("status", "production").want(t, 0, "up to date: 1 applied")
		}
	})
	t.Run("to_before_the_ledger_was_unique", func(t *testing.T) {
		c := newCloud(t, sample())
		if err := c.database.Exec("CREATE TABLE d1_migrations(id INTEGER PRIMARY KEY, name TEXT, applied_at TEXT)"); err != nil {
			t.Fatal(err)
		}
		before := c.now()
		c.run("migrate", "production").want(t, 3, "CREATE UNIQUE INDEX")
		if err := c.database.Exec("CREATE UNIQUE INDEX d1_migrations_name ON d1_migrations (name)"); err != nil {
			t.Fatal(err)
		}
		c.run("migrate", "production").want(t, 0)
		undo := c.now()
		c.restore(before).want(t, 0, "held from now on")
		c.restore(undo).want(t, 0, "not known for sure", "no UNIQUE name")
		c.wantRows(ledger, "0001_users.sql", "0002_orders.sql")
	})
	t.Run("wrangler_applied_it", func(t *testing.T) {
		c, _ := migrated(t, 1)
		before := c.now()
		c.write("migrations/0002_w.sql", "CREATE TABLE w(x);")
		if err := c.database.Exec("CREATE TABLE w(x)", "INSERT INTO d1_migrations (name) VALUES ('0002_w.sql')"); err != nil {
			t.Fatal(err)
		}
		c.restore(before).want(t, 0)
		c.wantHeld("0002_w.sql")
	})
}

func TestLostRestore(t *testing.T) {
	cases := []struct {
		name  string
		fault d1test.Fault
		code  int
		want  []string
		held  []string
	}{
		{"lost_after", d1test.Fault{After: true, Drop: true}, 0, []string{"restored to", "the answer to the restore was lost", "lacks what was written in the moment between"}, []string{"0002_m.sql"}},
		{"lost_before", d1test.Fault{Drop: true}, 1, []string{"the database was not restored", "run the same restore again"}, nil},
		{"bad_gateway_after", d1test.Fault{After: true, Status: http.StatusBadGateway, Body: "<title>502</title>"}, 0, []string{"restored to"}, []string{"0002_m.sql"}},
		{"truncated", d1test.Fault{Truncate: true}, 0, []string{"restored to"}, []string{"0002_m.sql"}},
		{"page_of_a_proxy", d1test.Fault{After: true, Status: http.StatusTooManyRequests, Body: "<title>Too many</title>"}, 0, []string{"restored to"}, []string{"0002_m.sql"}},
		{"rate_limited", d1test.Fault{Status: http.StatusTooManyRequests, Body: `{}`}, 1, []string{"10 restores of one database in 10 minutes", "was not restored"}, nil},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			c, before := migrated(t, 2)
			undo := c.now()
			c.faultAt(1, to("/restore"), tc.fault)
			r := c.restore(before[1])
			r.want(t, tc.code, append(tc.want, undo)...)
			sent := 0
			for _, request := range c.server.Requests() {
				if strings.HasSuffix(request.Path, "/restore") {
					sent++
				}
			}
			if sent != 1 {
				t.Errorf("the restore was sent %d times", sent)
			}
			c.server.SetFault(nil)
			c.wantHeld(tc.held...)
		})
	}
	t.Run("nothing_to_tell_it_by", func(t *testing.T) {
		c, _ := migrated(t, 1)
		before := c.now()
		if err := c.database.Exec("INSERT INTO t1 VALUES (1)"); err != nil {
			t.Fatal(err)
		}
		undo := c.now()
		c.faultAt(1, to("/restore"), d1test.Fault{After: true, Drop: true})
		c.restore(before).want(t, 4, "not known whether the database was restored", "is not repeated", "restore production --bookmark "+undo)
	})
}

func TestRestoreWithoutConfiguration(t *testing.T) {
	c := newCloud(t, sample())
	c.remove("wrangler.jsonc")
	c.env["CLOUDFLARE_ACCOUNT_ID"] = d1test.Account
	before := c.now()
	c.run("migrate", "production", "--database-id", c.database.ID).want(t, 0,
		"restore production --bookmark "+before+" --confirm "+c.database.ID+" --database-id "+c.database.ID)
	c.run("restore", "production", "--database-id", c.database.ID, "--bookmark", before, "--confirm", "DB").want(t, 3, `confirm is "DB", but the database is "shop-db"`)
	c.run("restore", "production", "--database-id", c.database.ID, "--bookmark", before, "--confirm", c.database.ID).want(t, 0, "restored to "+before, "--confirm shop-db")
}

func TestRestoreBudgetAndExpiry(t *testing.T) {
	c, before := migrated(t, 2)
	after := c.now()
	for i := range 10 {
		c.restore([]string{before[1], after}[i%2]).want(t, 0)
	}
	c.restore(before[1]).want(t, 1, "10 restores of one database in 10 minutes: wait", "was not restored")
	now := time.Now()
	c.server.Set(func() { c.server.Now = func() time.Time { return now.Add(31 * 24 * time.Hour) } })
	c.restore(before[1]).want(t, 1, "Invalid bookmark", "not older than 30 days (7 on the free plan)")
}

func TestWorkerAndDatabaseAsAPair(t *testing.T) {
	pair := func(t *testing.T) (*cloud, string) {
		c := newCloud(t, sample())
		before := c.now()
		c.run("migrate", "production").want(t, 0)
		c.server.Deploy("shop", versionTwo)
		return c, before
	}
	t.Run("worker_first", func(t *testing.T) {
		c, before := pair(t)
		r := c.restore(before, "--rollback-worker", "--verbose")
		r.want(t, 0, "--worker-version "+versionTwo, "putting the Worker back to version "+versionOne, "the Worker was put back to version "+versionOne+" (before: "+versionTwo+")", "restored to "+before)
		if got := c.server.Deployed("shop"); got != versionOne {
			t.Errorf("deployed: %s", got)
		}
		c.wantRows("SELECT name FROM sqlite_schema WHERE name = 'users'")
		writes := []string{}
		for _, request := range c.server.Requests() {
			if request.Method == http.MethodPost && (strings.HasSuffix(request.Path, "/deployments") || strings.HasSuffix(request.Path, "/restore")) {
				writes = append(writes, request.Path[strings.LastIndex(request.Path, "/"):])
			}
		}
		if diff := cmp.Diff([]string{"/deployments", "/restore"}, writes); diff != "" {
			t.Errorf("order (-want +got):\n%s", diff)
		}
	})
	t.Run("confirmed_by_a_name_that_only_the_configuration_has", func(t *testing.T) {
		c, before := pair(t)
		c.write("wrangler.jsonc", fmt.Sprintf(`{"account_id":%q,"d1_databases":[{"binding":"DB","database_name":"staging-db","database_id":%q}]}`, d1test.Account, c.database.ID))
		c.run("restore", "production", "--bookmark", before, "--confirm", "staging-db").want(t, 3, `confirm is "staging-db", but the database is "shop-db"`)
	})
	t.Run("there_already", func(t *testing.T) {
		c, before := pair(t)
		c.restore(before, "--worker-version", versionTwo, "--verbose").want(t, 0, "runs version "+versionTwo+" already")
	})
	t.Run("secrets_changed", func(t *testing.T) {
		c, before := pair(t)
		c.server.Deploy("shop", versionTwo).SecretsChanged = []string{versionOne}
		c.restore(before, "--rollback-worker").want(t, 1, "code 10220", "secrets have changed since that version", "neither the Worker nor the database was changed")
		c.wantRows(ledger, "0001_users.sql", "0002_orders.sql")
	})
	t.Run("second_half_fails", func(t *testing.T) {
		c, before := pair(t)
		c.faultAt(1, to("/restore"), d1test.Fault{Status: http.StatusBadRequest, Body: `{"success":false,"errors":[{"code":7500,"message":"Invalid bookmark"}]}`})
		c.restore(before, "--rollback-worker").want(t, 1, "the Worker was put back to version "+versionOne+", the database was not restored: it is as it was before",
			"the Worker is found in place then", "wrangler rollback "+versionTwo)
		c.server.SetFault(nil)
		c.restore(before, "--rollback-worker").want(t, 0)
	})
	t.Run("lost_answer_of_the_deployment", func(t *testing.T) {
		c, before := pair(t)
		c.faultAt(1, func(r d1test.Request) bool {
			return r.Method == http.MethodPost && strings.HasSuffix(r.Path, "/deployments")
		}, d1test.Fault{After: true, Drop: true})
		c.restore(before, "--rollback-worker").want(t, 0, "the Worker was put back")
	})
	t.Run("nobody_knows_what_became_of_the_deployment", func(t *testing.T) {
		c, before := pair(t)
		sent := false
		c.server.SetFault(func(r d1test.Request) *d1test.Fault {
			if !strings.HasSuffix(r.Path, "/deployments") || r.Method == http.MethodGet && !sent {
				return nil
			}
			sent = true
			return &d1test.Fault{After: true, Drop: true}
		})
		c.restore(before, "--rollback-worker").want(t, 4, "it is not known whether the Worker was put back; the database was not touched", "run the same restore again")
		c.wantRows(ledger, "0001_users.sql", "0002_orders.sql")
		c.server.SetFault(nil)
		c.restore(before, "--rollback-worker").want(t, 0, "restored to "+before)
	})
	t.Run("second_look_fails", func(t *testing.T) {
		c, before := pair(t)
		sent := false
		c.server.SetFault(func(r d1test.Request) *d1test.Fault {
			sent = sent || r.Method == http.MethodPost && strings.HasSuffix(r.Path, "/deployments")
			if sent && strings.HasSuffix(r.Path, "/raw") {
				return &d1test.Fault{Status: http.StatusBadRequest, Body: `{"success":false,"errors":[{"code":7500,"message":"odd"}]}`}
			}
			return nil
		})
		c.restore(before, "--rollback-worker").want(t, 1, "the database was not restored: it is as it was before", "next:  run the same restore again; the Worker is found in place then")
	})
	t.Run("second_half_is_unknown", func(t *testing.T) {
		c, before := pair(t)
		sent := false
		c.server.SetFault(func(r d1test.Request) *d1test.Fault {
			sent = sent || strings.HasSuffix(r.Path, "/restore")
			if sent {
				return &d1test.Fault{Drop: true}
			}
			return nil
		})
		c.restore(before, "--rollback-worker").want(t, 4, "the Worker was put back to version "+versionOne+"; it is not known whether the database was restored")
	})
	t.Run("cancelled_between_the_two", func(t *testing.T) {
		c, before := pair(t)
		ctx, cancel := context.WithCancel(t.Context())
		c.ctx = ctx
		c.server.SetFault(func(r d1test.Request) *d1test.Fault {
			if r.Method == http.MethodPost && strings.HasSuffix(r.Path, "/deployments") {
				cancel()
			}
			return nil
		})
		c.restore(before, "--rollback-worker").want(t, 130, "interrupted", "the Worker was put back to version "+versionOne+", the database was not restored", "wrangler rollback "+versionTwo)
		c.wantRows(ledger, "0001_users.sql", "0002_orders.sql")
	})
	gradual := d1test.Fault{Status: http.StatusOK, Body: fmt.Sprintf(`{"success":true,"errors":[],"result":{"deployments":[{"id":"d","created_on":"2026-11-20T10:00:00.000000Z",
		"versions":[{"version_id":%q,"percentage":60},{"version_id":%q,"percentage":40}]}]}}`, versionOne, versionTwo)}
	t.Run("serves_only_most_of_the_requests", func(t *testing.T) {
		c, before := pair(t)
		c.server.SetFault(func(r d1test.Request) *d1test.Fault {
			if strings.HasSuffix(r.Path, "/deployments") && r.Method == http.MethodGet {
				return &gradual
			}
			return nil
		})
		c.restore(before, "--rollback-worker", "--verbose").want(t, 0, "being deployed gradually", "serves 60 % of the requests", "the Worker was put back to version "+versionOne)
	})
	t.Run("lost_and_serves_only_most_of_the_requests", func(t *testing.T) {
		c, before := pair(t)
		sent := false
		c.server.SetFault(func(r d1test.Request) *d1test.Fault {
			switch {
			case !strings.HasSuffix(r.Path, "/deployments"):
			case r.Method == http.MethodPost:
				sent = true
				return &d1test.Fault{Drop: true}
			case sent:
				return &gradual
			}
			return nil
		})
		c.restore(before, "--rollback-worker").want(t, 1, "neither the Worker nor the database was changed")
	})
	t.Run("version_of_a_later_run", func(t *testing.T) {
		c := newCloud(t, sample())
		before := c.now()
		c.faultAlways(to("/deployments"), d1test.Fault{Status: http.StatusBadGateway, Body: "<title>502</title>"})
		c.run("migrate", "production", "--to", "0001_users.sql").want(t, 0, "not recorded")
		c.server.SetFault(nil)
		c.server.Deploy("shop", versionTwo) // needs 0001
		c.run("migrate", "production").want(t, 0)
		c.restore(before, "--rollback-worker").want(t, 2, "recorded no Worker version")
	})
	t.Run("no_version_known", func(t *testing.T) {
		c, _ := pair(t)
		before := c.now()
		if err := c.database.Exec("INSERT INTO users (name) VALUES ('x')"); err != nil {
			t.Fatal(err)
		}
		c.restore(before, "--rollback-worker").want(t, 2, "recorded no Worker version", "--worker-version", "the latest are "+versionTwo, versionOne)
	})
	t.Run("no_worker", func(t *testing.T) {
		c, before := pair(t)
		c.write("wrangler.jsonc", fmt.Sprintf(`{"account_id":%q,"d1_databases":[{"binding":"DB","database_name":"shop-db","database_id":%q}]}`, d1test.Account, c.database.ID))
		c.restore(before, "--rollback-worker").want(t, 2, "no Worker is known", "--worker")
	})
}

func TestRemoteBackup(t *testing.T) {
	t.Run("whole", func(t *testing.T) {
		c, _ := migrated(t, 1)
		if err := c.database.Exec("INSERT INTO t1 VALUES ('it''s')"); err != nil {
			t.Fatal(err)
		}
		c.run("backup", "production", "--output", "b.sql", "--verbose").want(t, 0, "backed up to b.sql", "answers nobody else meanwhile", "rounds integers above 2^53")
		data, err := os.ReadFile("b.sql")
		if err != nil || !bytes.Contains(data, []byte("'it''s'")) {
			t.Errorf("backup: %v\n%s", err, data)
		}
	})
	t.Run("before_a_migrate", func(t *testing.T) {
		c := newCloud(t, sample())
		c.run("migrate", "production", "--backup", "b.sql").want(t, 0, "applied 2 migrations")
		data, err := os.ReadFile("b.sql")
		if err != nil || bytes.Contains(data, []byte("users")) {
			t.Errorf("backup: %v\n%s", err, data)
		}
	})
	t.Run("takes_so_long_that_the_bookmark_is_read_again", func(t *testing.T) {
		c := newCloud(t, sample())
		start, minutes := time.Now(), atomic.Int64{}
		c.server.Set(func() {
			c.server.Now = func() time.Time { return start.Add(time.Duration(minutes.Load()) * time.Minute) }
		})
		c.server.SetFault(func(r d1test.Request) *d1test.Fault {
			if r.Method == http.MethodGet && strings.Contains(r.Path, "/signed/") {
				minutes.Add(1)
				if err := c.database.Exec("CREATE TABLE written_meanwhile(x)"); err != nil {
					t.Error(err)
				}
			}
			return nil
		})
		c.run("migrate", "production", "--backup", "b.sql").want(t, 0)
		history := c.database.History()
		c.wantRows("SELECT bookmark FROM d1_rewind_journal", history[len(history)-2].Bookmark)
	})
	t.Run("not_again_when_the_run_is_planned_anew", func(t *testing.T) {
		c := newCloud(t, sample())
		c.faultAt(2, func(r d1test.Request) bool { return strings.Contains(r.Path, "/signed/") }, d1test.Fault{Status: http.StatusForbidden})
		n := 0
		c.server.Set(func() {
			c.server.Gate = func(r d1test.Request) {
				if strings.HasSuffix(r.Path, "/query") {
					if n++; n == 2 {
						if err := c.database.Exec("CREATE TABLE orders(id)", "INSERT INTO d1_migrations (name) VALUES ('0002_orders.sql')"); err != nil {
							t.Error(err)
						}
					}
				}
			}
		})
		c.run("migrate", "production", "--transaction", "migration", "--backup", "b.sql").want(t, 0, "applied 1 migration")
		data, err := os.ReadFile("b.sql")
		if err != nil || bytes.Contains(data, []byte("users")) {
			t.Errorf("backup: %v\n%s", err, data)
		}
	})
	t.Run("to_a_directory", func(t *testing.T) {
		c := newCloud(t, sample())
		c.run("migrate", "production", "--backup", "migrations").want(t, 2, "migrations is a directory")
		if slices.ContainsFunc(c.server.Requests(), to("/export")) {
			t.Error("an export was begun")
		}
	})
	t.Run("outside_of_the_workspace", func(t *testing.T) {
		c := newCloud(t, sample())
		c.env["INPUT_MODE"], c.env["INPUT_ENVIRONMENT"], c.env["INPUT_BACKUP"], c.env["GITHUB_WORKSPACE"] = "migrate", "production", "../b.sql", c.dir
		c.env["INPUT_API-ADDRESS"], c.env["GITHUB_EVENT_NAME"] = c.server.URL, "push"
		c.run().want(t, 2, "backup ", "is outside of the workspace")
		if n := len(c.server.Requests()); n > 0 {
			t.Errorf("%d requests", n)
		}
	})
	failures := []struct {
		name  string
		match func(d1test.Request) bool
		fault d1test.Fault
		want  string
	}{
		{"truncated_file", func(r d1test.Request) bool { return strings.Contains(r.Path, "/signed/") }, d1test.Fault{Truncate: true}, "not whole"},
		{"expired_url", func(r d1test.Request) bool { return strings.Contains(r.Path, "/signed/") }, d1test.Fault{Status: http.StatusForbidden, Body: "<Error>Expired</Error>"}, "HTTP 403"},
		{"error_of_the_service", to("/export"), d1test.Fault{Status: http.StatusOK, Body: `{"success":true,"errors":[],"result":{"success":false,"status":"error","error":"out of space"}}`}, "out of space"},
	}
	for _, tc := range failures {
		t.Run(tc.name, func(t *testing.T) {
			c, _ := migrated(t, 1)
			c.faultAt(1, tc.match, tc.fault)
			c.run("backup", "production", "--output", "b.sql").want(t, 1, tc.want, "no backup was written")
			entries, err := os.ReadDir(".")
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range entries {
				if strings.HasSuffix(e.Name(), ".sql") || strings.HasPrefix(e.Name(), ".d1-rewind") {
					t.Errorf("%s was left behind", e.Name())
				}
			}
		})
	}
	t.Run("virtual_tables", func(t *testing.T) {
		c := newCloud(t, sample())
		if err := c.database.Exec("CREATE VIRTUAL TABLE notes USING fts5(body)"); err != nil {
			t.Fatal(err)
		}
		c.run("migrate", "production", "--backup", "b.sql").want(t, 1, "does not export databases with virtual tables: notes", "rely on Time Travel")
		if c.database.Exporting() || slices.ContainsFunc(c.server.Requests(), to("/export")) {
			t.Error("an export was begun")
		}
		c.wantRows("SELECT name FROM sqlite_schema WHERE name = 'users'")
	})
	t.Run("lost_answers_while_polling", func(t *testing.T) {
		c, _ := migrated(t, 1)
		c.faultAt(2, to("/export"), d1test.Fault{Drop: true})
		c.run("backup", "production", "--output", "b.sql").want(t, 0)
		if c.database.Exporting() {
			t.Error("the export dangles")
		}
	})
}

func TestImportTransport(t *testing.T) {
	large := func() map[string]string {
		files := sample()
		files["migrations/0002_orders.sql"] = "CREATE TABLE orders(id INTEGER PRIMARY KEY, note TEXT);\n" + strings.Repeat("INSERT INTO orders (note) VALUES ('"+strings.Repeat("it''s; ", 10_000)+"');\n", 21)
		return files
	}
	t.Run("too_large_for_the_query_endpoint", func(t *testing.T) {
		c := newCloud(t, large())
		c.server.Set(func() { c.server.ImportPolls = 3 })
		c.run("status", "production").want(t, 0, "sent by import (1.5 MB, more than the query endpoint takes)")
		c.run("migrate", "production", "--verbose").want(t, 0, "applied 2 migrations", "import: Processed 2 queries.")
		c.wantRows("SELECT count(*), sum(length(note)) FROM orders", "21|1260000")
		c.wantRows(ledger, "0001_users.sql", "0002_orders.sql")
		c.wantRows("SELECT kind, json_array_length(migrations), hold IS NULL FROM d1_rewind_journal", "migrate|2|1")
	})
	t.Run("foreign_keys_pragma", func(t *testing.T) {
		for _, pragma := range []string{"foreign_keys", `main."Foreign_Keys"`, "'foreign_keys'"} {
			files := large()
			files["migrations/0001_users.sql"] = "-- rebuild\nPRAGMA " + pragma + " = OFF;\nCREATE TABLE users(id);"
			c := newCloud(t, files)
			c.run("migrate", "production", "--rehearse", "off").want(t, 3, "0001_users.sql:2", "obeys PRAGMA foreign_keys", "--transport import", "nothing was written")
			c.run("migrate", "production", "--rehearse", "off", "--transport", "import").want(t, 0, "sent by import (asked for)")
		}
	})
	t.Run("foreign_keys_pragma_and_a_trigger", func(t *testing.T) {
		files := sample()
		files["migrations/0002_orders.sql"] = "PRAGMA foreign_keys = OFF;\nCREATE TABLE orders(id);\nCREATE TRIGGER g AFTER INSERT ON orders BEGIN SELECT 1; END;"
		c := newCloud(t, files)
		c.server.Set(func() { c.server.Splitter = d1test.Strict })
		c.run("migrate", "production").want(t, 3, "0002_orders.sql:1", "splitter refused a trigger", "obeys PRAGMA foreign_keys", "nothing of this run was applied")
		c.run("migrate", "production", "--transport", "import").want(t, 0, "sent by import (asked for)")
	})
	t.Run("foreign_keys_pragma_behind_a_trigger", func(t *testing.T) {
		c := newCloud(t, map[string]string{"migrations/0001_a.sql": "CREATE TABLE a(x);\nCREATE TRIGGER g AFTER INSERT ON a BEGIN SELECT 1; END;",
			"migrations/0002_b.sql": "PRAGMA foreign_keys = OFF;\nCREATE TABLE b(x);", "migrations/0003_c.sql": "PRAGMA foreign_keys = OFF;\nCREATE TRIGGER h AFTER INSERT ON a BEGIN SELECT 1; END;"})
		c.server.Set(func() { c.server.Splitter = d1test.Strict })
		// Not 3, because what went before is applied.
		c.run("migrate", "production", "--transaction", "migration").want(t, 1, "0003_c.sql:1", "obeys PRAGMA foreign_keys", "applied before that and kept: 0001_a.sql, 0002_b.sql")
		by := []string{}
		for _, state := range c.database.History()[1:] {
			by = append(by, state.By)
		}
		if diff := cmp.Diff([]string{"import", "query"}, by); diff != "" {
			t.Errorf("transports (-want +got):\n%s", diff)
		}
	})
	t.Run("somebody_elses_import_is_complete", func(t *testing.T) {
		files := sample()
		files["migrations/0002_orders.sql"] = "INSERT INTO missing VALUES (1);"
		c := newCloud(t, files)
		c.faultAlways(func(r d1test.Request) bool { return strings.Contains(r.Body, `"action":"poll"`) },
			d1test.Fault{Status: http.StatusOK, Body: `{"success":true,"errors":[],"result":{"success":true,"type":"import","status":"complete","messages":["Done"],"result":{"num_queries":1}}}`})
		c.run("migrate", "production", "--rehearse", "off", "--transport", "import").want(t, 1, "says that an import is complete", "nothing of this run was applied")
	})
	t.Run("asked_for_the_wrong_one", func(t *testing.T) {
		c := newCloud(t, large())
		c.run("migrate", "production", "--transport", "query").want(t, 1, "HTTP 413", "leave out --transport query", "nothing of this run was applied")
	})
	t.Run("statement_that_does_not_end", func(t *testing.T) {
		files := sample()
		files["migrations/0002_orders.sql"] = "CREATE TABLE orders(id);\nCREATE TRIGGER g AFTER INSERT ON orders BEGIN SELECT 1;"
		c := newCloud(t, files)
		c.run("migrate", "production").want(t, 1, "0002_orders.sql:2", "incomplete input", "nothing was written")
		c.run("migrate", "production", "--rehearse", "off", "--transport", "import").want(t, 2, "0002_orders.sql:2", "does not end", "nothing was written")
		c.run("migrate", "production", "--rehearse", "off").want(t, 1, "incomplete input", "nothing of this run was applied")
		c.wantRows("SELECT name FROM sqlite_schema")
	})
	t.Run("query_endpoint_refuses_all_triggers", func(t *testing.T) {
		files := sample()
		files["migrations/0002_orders.sql"] = "CREATE TABLE orders(id);\nCREATE TRIGGER g AFTER INSERT ON orders BEGIN SELECT 1; END;"
		c := newCloud(t, files)
		c.server.Set(func() { c.server.Splitter = d1test.Strict })
		c.run("migrate", "production", "--verbose").want(t, 0, "so the run goes by import; the database shows that nothing was committed", "sent by import (the query endpoint's splitter refused a trigger)")
		c.wantRows(ledger, "0001_users.sql", "0002_orders.sql")
		c.write("migrations/0003_more.sql", "CREATE TRIGGER h AFTER INSERT ON orders BEGIN SELECT 1; END;")
		c.run("migrate", "production", "--transport", "query").want(t, 1, "incomplete input", "try --transport import")
	})
	t.Run("fails_in_the_middle", func(t *testing.T) {
		files := large()
		files["migrations/0002_orders.sql"] += "INSERT INTO missing VALUES (1);"
		c := newCloud(t, files)
		c.run("migrate", "production", "--rehearse", "off").want(t, 1, "no such table: missing", "nothing of this run was applied")
		c.wantRows("SELECT name FROM sqlite_schema")
	})
	for _, step := range []string{"init", "ingest", "poll"} {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s_lost_after_%v", step, after), func(t *testing.T) {
				c := newCloud(t, large())
				c.server.Set(func() { c.server.ImportPolls = 2 })
				c.faultAt(1, func(r d1test.Request) bool { return strings.Contains(r.Body, `"action":"`+step+`"`) }, d1test.Fault{After: after, Drop: true})
				c.run("migrate", "production").want(t, 0, "applied 2 migrations")
				c.wantRows("SELECT count(*) FROM orders", "21")
				c.wantRows(ledger, "0001_users.sql", "0002_orders.sql")
			})
		}
	}
	t.Run("many_migrations", func(t *testing.T) {
		files := map[string]string{}
		for i := range 950 {
			files[fmt.Sprintf("migrations/%04d_ä_migration_with_a_name.sql", i)] = fmt.Sprintf("CREATE TABLE t%d(x);", i)
		}
		c := newCloud(t, files)
		c.run("migrate", "production", "--transport", "import", "--rehearse", "off", "--drift", "off").want(t, 0, "applied 950 migrations")
		c.wantRows("SELECT kind, json_array_length(migrations) FROM d1_rewind_journal", "migrate|950")
		c.run("status", "production", "--drift", "off").want(t, 0, "up to date: 950 applied")
	})
	t.Run("upload_and_next_init_lost", func(t *testing.T) { // the service has the file by then, and runs it
		c := newCloud(t, large())
		uploads, inits := 0, 0
		c.server.SetFault(func(r d1test.Request) *d1test.Fault {
			if r.Method == http.MethodPut {
				if uploads++; uploads == 1 {
					return &d1test.Fault{After: true, Drop: true}
				}
			}
			if strings.Contains(r.Body, `"action":"init"`) {
				if inits++; inits == 2 {
					return &d1test.Fault{After: true, Status: http.StatusOK, Body: "<title>Proxy</title>"}
				}
			}
			return nil
		})
		c.run("migrate", "production").want(t, 0, "applied 2 migrations")
		c.wantRows(ledger, "0001_users.sql", "0002_orders.sql")
	})
	t.Run("awkward_names", func(t *testing.T) {
		c := newCloud(t, map[string]string{"migrations/0001_it's ?.sql": "CREATE TABLE a(x);"})
		c.run("migrate", "production", "--transport", "import", "--migrations-table", `led"ger?`).want(t, 0, "applied 1 migration")
		c.wantRows(`SELECT name FROM "led""ger?"`, "0001_it's ?.sql")
	})
	t.Run("upload_damaged", func(t *testing.T) {
		c := newCloud(t, large())
		c.server.SetFault(func(r d1test.Request) *d1test.Fault {
			if r.Method != http.MethodPut {
				return nil
			}
			return &d1test.Fault{Status: http.StatusOK, Header: http.Header{"Etag": {`"something-else"`}}}
		})
		c.run("migrate", "production").want(t, 1, "received something else than was sent", "nothing of this run was applied")
	})
	t.Run("repeated_init_runs_nothing_twice", func(t *testing.T) {
		c := newCloud(t, large())
		c.run("migrate", "production").want(t, 0)
		for _, r := range c.server.Requests() {
			if strings.Contains(r.Body, `"action":"init"`) { // the service knows the file: init alone runs it
				c.send(r)
			}
		}
		c.wantRows("SELECT count(*) FROM orders", "21")
		c.wantRows(ledger, "0001_users.sql", "0002_orders.sql")
	})
}
