package rehearsal_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/d1-rewind/d1-rewind/internal/migration"
	"github.com/d1-rewind/d1-rewind/internal/rehearsal"
)

const record = "../sqlite/testdata"

// recorded is a case of the record of what workerd does.
type recorded struct {
	SQL, Name string
	D1        struct{ Error string }
	Embedded  *struct{ Error string }
}

func (c recorded) refused() bool {
	if c.Embedded != nil {
		return c.Embedded.Error != ""
	}
	return c.D1.Error != ""
}

var repeated = regexp.MustCompile(`\{\{(.*?)\*(\d+)\}\}`)

func (c recorded) text(t *testing.T) string {
	text := c.SQL
	if c.Name != "" {
		data, err := os.ReadFile(filepath.Join(record, "migrations", c.Name+".sql"))
		if err != nil {
			t.Fatal(err)
		}
		text = string(data)
	}
	return repeated.ReplaceAllStringFunc(text, func(s string) string {
		parts := repeated.FindStringSubmatch(s)
		n, _ := strconv.Atoi(parts[2])
		return strings.Repeat(parts[1], n)
	})
}

// TestRecord holds rehearsals against what D1 did with the same statements: on all rows they agree;
// on one row of each table nothing is refused that D1 takes, and where D1 refuses they do, too, or
// say that they can't judge.
func TestRecord(t *testing.T) {
	t.Parallel()
	setup, err := os.ReadFile(filepath.Join(record, "setup.sql"))
	if err != nil {
		t.Fatal(err)
	}
	p := prepare(t, string(setup), "")
	for _, file := range []string{"statements.json", "migrations.json"} {
		data, err := os.ReadFile(filepath.Join(record, file))
		if err != nil {
			t.Fatal(err)
		}
		var topics []struct {
			Topic string
			Cases []recorded
		}
		if err := json.Unmarshal(data, &topics); err != nil {
			t.Fatal(err)
		}
		for _, topic := range topics {
			t.Run(topic.Topic, func(t *testing.T) {
				t.Parallel()
				for i, c := range topic.Cases {
					if testing.Short() && i%8 > 0 {
						continue
					}
					text := c.text(t)
					m, err := migration.Parse("0002.sql", []byte(text))
					if err != nil || len(m.Statements) == 0 {
						continue
					}
					plan := migration.Plan{Schema: p.plan.Schema, Ledger: "d1_migrations", Migrations: []migration.Migration{m}}
					for _, s := range m.Statements {
						plan.Batch.Statements = append(plan.Batch.Statements, migration.BatchStatement{Query: migration.Query{SQL: s.SQL}, Migration: m.Name, Line: s.Line})
					}
					o := rehearsal.Options{Limit: 1 << 30, Progress: func(string) {}}
					all, err := rehearsal.Local(p.database, o)(t.Context(), plan)
					if (err != nil) != c.refused() {
						t.Errorf("%.300s\non all rows: %v; in D1: %q", text, err, c.D1.Error)
					}
					if err != nil && !isRefusal(err) {
						t.Errorf("%.300s\non all rows: %v", text, err)
					}
					one, err := rehearsal.Remote(p.database, o)(t.Context(), plan)
					unjudged := one.Reason != ""
					for _, h := range one.Hazards {
						unjudged = unjudged || h.Code == migration.CodeNotJudged || h.Code == migration.CodeUniqueUnproven
					}
					switch {
					case err != nil && !isRefusal(err):
						t.Errorf("%.300s\non one row: %v", text, err)
					case err != nil && !c.refused():
						t.Errorf("%.300s\nrefused on one row: %v; D1 takes it", text, err)
					case err == nil && c.refused() && !unjudged:
						t.Errorf("%.300s\ntaken on one row; D1: %q", text, c.D1.Error)
					}
					if len(all.Gaps)+len(one.Gaps) > 0 || !all.Ran {
						t.Errorf("%.300s\ngaps: %q %q %q", text, all.Gaps, one.Gaps, all.Reason)
					}
				}
			})
		}
	}
}

func isRefusal(err error) bool {
	_, ok := errors.AsType[*migration.StatementError](err)
	return ok
}
