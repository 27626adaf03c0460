package migration

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestUndoneBy(t *testing.T) {
	t.Parallel()
	past := recorded{
		ledger: []ledgerRow{{"0001_a.sql", "2026-11-01 10:00:00"}, {"0002_b.sql", "2026-11-02 10:00:00"}, {"0003_wrangler.sql", "2026-11-03 10:00:00"}, {"0004_d.sql", "2026-11-04 10:00:00"}},
		journal: []Entry{
			{Kind: "migrate", Bookmark: "00000001", Migrations: []File{{Name: "0001_a.sql"}}},
			{Kind: "migrate", Bookmark: "00000002", Migrations: []File{{Name: "0002_b.sql"}}},
			{Kind: "restore", Bookmark: "00000009", Migrations: []File{{Name: "0002_b.sql"}}}, // of a longer history
			{Kind: "migrate", Bookmark: "00000004", Migrations: []File{{Name: "0004_d.sql"}}},
		},
	}
	cases := []struct {
		name   string
		target Bookmark
		at     time.Time
		want   []string
	}{
		{"state_before_a_run", "00000002", time.Time{}, []string{"0002_b.sql", "0003_wrangler.sql", "0004_d.sql"}},
		{"only_the_ledger_knows", "00000005", time.Date(2026, 11, 3, 10, 30, 0, 0, time.FixedZone("", 3600)), []string{"0003_wrangler.sql", "0004_d.sql"}},
		{"nothing_since", "00000005", time.Time{}, nil},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tc.want, past.undoneBy(tc.target, tc.at)); diff != "" {
				t.Errorf("undoneBy() (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAfterwards(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // its clock passes at once
		ctx, cancel := context.WithCancel(t.Context())
		asking, done := afterwards(ctx)
		defer done()
		time.Sleep(time.Hour)
		if asking.Err() != nil {
			t.Error("a run that goes on is cut short")
		}
		cancel()
		time.Sleep(lastWords - time.Second)
		if asking.Err() != nil {
			t.Error("a cancelled run has no last words")
		}
		time.Sleep(2 * time.Second)
		if asking.Err() == nil {
			t.Error("a cancelled run asks for ever")
		}
	})
}
