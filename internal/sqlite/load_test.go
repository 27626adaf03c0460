package sqlite

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/ncruces/go-sqlite3"

	"github.com/d1-rewind/d1-rewind/internal/migration"
)

// TestLiterals writes values as SQLite does and reads them back.
func TestLiterals(t *testing.T) {
	t.Parallel()
	m, err := NewScratch(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	random := rand.New(rand.NewPCG(1, 2))
	values := []any{nil, int64(0), int64(math.MinInt64), int64(math.MaxInt64), 0.0, 1.0, -1e300, math.SmallestNonzeroFloat64, math.MaxFloat64, math.Inf(1), math.Inf(-1),
		"", "'", "''", "a'b,c", "NULL", "x\ny\r", []byte{}, []byte{0, 255}}
	for range 20_000 {
		if f := math.Float64frombits(random.Uint64()); !math.IsNaN(f) {
			values = append(values, f, random.NormFloat64(), int64(random.Uint64()))
		}
	}
	for chunk := range values {
		if chunk%50 != 0 {
			continue
		}
		list := values[chunk:min(chunk+50, len(values))]
		q := migration.Query{SQL: "SELECT quote(?)", Args: list}
		for range list[1:] {
			q.SQL += " || ',' || quote(?)"
		}
		answers, err := m.Read(t.Context(), q)
		if err != nil || answers[0].Err != nil {
			t.Fatal(err, answers[0].Err)
		}
		got, err := Literals(answers[0].Values[0][0].(string), nil)
		if err != nil || len(got) != len(list) {
			t.Fatalf("Literals(%v) = %v, %v", answers[0].Values, got, err)
		}
		for i, v := range got {
			if back := v.plain(); !cmp.Equal(list[i], back) {
				t.Errorf("%v came back as %v", list[i], back)
			}
		}
	}
}

func (v Value) plain() any {
	switch v.kind {
	case sqlite3.INTEGER:
		return v.integer
	case sqlite3.FLOAT:
		return v.real
	case sqlite3.TEXT:
		return v.text
	case sqlite3.BLOB:
		return v.blob
	default:
		return nil
	}
}

func TestScratchInAFile(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	m, err := NewScratchFile(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	run := func(f func(migration.Batch) error, sql ...string) {
		t.Helper()
		var batch migration.Batch
		for _, s := range sql {
			batch.Statements = append(batch.Statements, migration.BatchStatement{Query: migration.Query{SQL: s}, Migration: "0001.sql"})
		}
		if err := f(batch); err != nil {
			t.Fatal(err)
		}
	}
	apply := func(b migration.Batch) error { return m.Apply(t.Context(), b) }
	run(apply, "CREATE TABLE t(a INTEGER PRIMARY KEY, b)", "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) INSERT INTO t SELECT i, zeroblob(500) FROM n")
	var journal int64
	try := func(b migration.Batch) error {
		return m.Try(t.Context(), b, atEnd(func() { journal = size(t, dir, "copy-journal") }))
	}
	run(try, "UPDATE t SET b = 'changed'", "CREATE INDEX i ON t(b)", "DROP TABLE t")
	if journal < 5<<20 {
		t.Errorf("the journal has %d bytes; what undoes the trial is somewhere else", journal)
	}
	answers, err := m.Read(t.Context(), migration.Query{SQL: "SELECT count(*), sum(length(b)) FROM t"})
	if err != nil || fmt.Sprint(answers[0].Values) != "[[20000 10000000]]" {
		t.Errorf("after the trial: %v, %v", answers, err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) > 0 {
		t.Errorf("Close() left %q", left)
	}
}

// atEnd is a Watch that is called at the end of a trial.
type atEnd func()

func (atEnd) Before(*Look, *Trial) error { return nil }
func (atEnd) After(_ *Look, s *Trial) error {
	if s.Refusal != nil {
		return s.Refusal
	}
	return nil
}
func (f atEnd) End(*Look) error { f(); return nil }

func size(t *testing.T, dir, name string) int64 {
	t.Helper()
	found, _ := filepath.Glob(filepath.Join(dir, "*", name))
	if len(found) != 1 {
		t.Fatalf("found %q", found)
	}
	info, err := os.Stat(found[0])
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}
