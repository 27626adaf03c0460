package migration

import (
	"strings"
	"testing"

	"github.com/ncruces/go-sqlite3"
)

// TestUnchanged runs the condition of a batch on ledgers and journals that are as planned but for one
// thing.
func TestUnchanged(t *testing.T) {
	t.Parallel()
	planned := recorded{
		ledger:  []ledgerRow{{name: "0001_a.sql"}, {name: "0002_b.sql"}},
		journal: []Entry{{Run: "one"}, {Run: "two"}},
	}.planned()
	middle := func(journal expectedJournal) expected {
		return expected{rows: -1, last: "0002_b.sql", journal: journal, run: "two"}
	}
	const insert = "INSERT INTO \"led?ger\" (name) VALUES ('0001_a.sql'), ('0002_b.sql'); INSERT INTO d1_rewind_journal (run) VALUES ('one'), ('two');"
	for _, tc := range []struct {
		name     string
		expected expected
		change   string
		holds    bool
	}{
		{"as planned", planned, "", true},
		{"a row less", planned, `DELETE FROM "led?ger" WHERE id = 1`, false},
		{"another last row", planned, `UPDATE "led?ger" SET name = '0002_c.sql' WHERE id = 2`, false},
		{"another run", planned, `UPDATE d1_rewind_journal SET run = 'three' WHERE id = 2`, false},
		{"a newer run", planned, `INSERT INTO d1_rewind_journal (run) VALUES ('three')`, false},
		{"nothing was there", recorded{}.planned(), `DELETE FROM "led?ger"; DROP TABLE d1_rewind_journal`, true},
		{"something is there now", recorded{}.planned(), "", false},
		{"no journal was there", recorded{}.planned(), `DELETE FROM "led?ger"; DELETE FROM d1_rewind_journal`, false},
		{"an empty journal", recorded{hasJournal: true}.planned(), `DELETE FROM "led?ger"; DELETE FROM d1_rewind_journal`, true},
		{"a journal that was empty", recorded{hasJournal: true}.planned(), `DELETE FROM "led?ger"`, false},
		{"in the middle of a run", middle(journalEnds), `DELETE FROM "led?ger" WHERE id = 1`, true},
		{"in the middle, taken back", middle(journalAny), `DELETE FROM "led?ger" WHERE id = 2`, false},
		{"a name that is no text", recorded{ledger: []ledgerRow{{name: "a"}, {name: "b"}}, journal: []Entry{{Run: "two"}}}.planned(), `UPDATE "led?ger" SET name = CAST('b' AS BLOB) WHERE id = 2`, true},
		{"a name that is none", recorded{ledger: []ledgerRow{{name: "a"}, {}}, journal: []Entry{{Run: "two"}}}.planned(), `UPDATE "led?ger" SET name = NULL WHERE id = 2`, true},
		{"anything", expected{rows: -1}, `DELETE FROM "led?ger"`, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			db, err := sqlite3.Open(":memory:")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = db.Close() })
			if err := db.Exec(`CREATE TABLE "led?ger" (id INTEGER PRIMARY KEY, name TEXT UNIQUE);` +
				`CREATE TABLE d1_rewind_journal (id INTEGER PRIMARY KEY, run TEXT);` +
				insert + tc.change); err != nil {
				t.Fatal(err)
			}
			condition := tc.expected.unchanged("led?ger")
			statement, _, err := db.Prepare(condition.SQL)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = statement.Close() })
			for i, arg := range condition.Args {
				if err := statement.BindText(i+1, arg.(string)); err != nil {
					t.Fatal(err)
				}
			}
			err = statement.Exec()
			if tc.holds && err != nil || !tc.holds && (err == nil || !strings.Contains(err.Error(), movedMark)) {
				t.Errorf("holds should be %v: %v", tc.holds, err)
			}
		})
	}
}
