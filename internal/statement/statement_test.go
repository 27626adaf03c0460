package statement_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/ncruces/go-sqlite3"

	"github.com/d1-rewind/d1-rewind/internal/statement"
)

type splitterCase struct {
	Name       string
	SQL        string
	Setup      []string
	Statements []string
	Error      *struct {
		Statement int
		Contains  string
	}
}

func splitterCases(t testing.TB) []splitterCase {
	t.Helper()
	data, err := os.ReadFile("testdata/splitter-cases.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []splitterCase
	if err := json.Unmarshal(data, &cases); err != nil {
		t.Fatal(err)
	}
	if len(cases) < 64 {
		t.Fatalf("splitter-cases.json has %d cases, want at least 64", len(cases))
	}
	return cases
}

func TestSplit(t *testing.T) {
	t.Parallel()
	for _, tc := range splitterCases(t) {
		t.Run(tc.Name, func(t *testing.T) {
			t.Parallel()
			got := []string{}
			for _, s := range statement.Split(tc.SQL) {
				got = append(got, s.SQL)
			}
			if diff := cmp.Diff(tc.Statements, got); diff != "" {
				t.Errorf("Split() (-want +got):\n%s", diff)
			}
		})
	}
}

// TestSplitAsSQLite runs every case through the embedded SQLite and compares where it
// ends each statement.
func TestSplitAsSQLite(t *testing.T) {
	t.Parallel()
	for _, tc := range splitterCases(t) {
		t.Run(tc.Name, func(t *testing.T) {
			t.Parallel()
			conn := open(t)
			for _, sql := range tc.Setup {
				if err := conn.Exec(sql); err != nil {
					t.Fatal(err)
				}
			}
			ends, err := sqliteEnds(conn, tc.SQL)
			if tc.Error == nil && err != nil {
				t.Fatal(err)
			}
			if tc.Error != nil && (err == nil || !strings.Contains(err.Error(), tc.Error.Contains)) {
				t.Fatalf("SQLite says %v, want an error with %q", err, tc.Error.Contains)
			}
			compareEnds(t, tc.SQL, ends, err == nil)
		})
	}
}

func TestLineAt(t *testing.T) {
	t.Parallel()
	statements := statement.Split("-- head\n\nSELECT 1;\n/* a\n b */ SELECT\n  'x\ny',\n  2;\nSELECT 3")
	var got []int
	for _, s := range statements {
		got = append(got, s.Line, s.LineAt(len(s.SQL)))
	}
	if diff := cmp.Diff([]int{3, 3, 5, 8, 9, 9}, got); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
	if got := statements[1].LineAt(1000); got != 5 {
		t.Errorf("LineAt(1000) = %d, want the first line, 5", got)
	}
}

func TestText(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name, data, want string
		err              *statement.TextError
	}{
		{name: "plain", data: "SELECT 1", want: "SELECT 1"},
		{name: "byte_order_mark", data: "\ufeffSELECT 1", want: "SELECT 1"},
		{name: "replacement_character_is_valid", data: "SELECT '\ufffd'", want: "SELECT '\ufffd'"},
		{name: "latin1", data: "SELECT 1;\n-- caf\xe9", err: &statement.TextError{Line: 2, Column: 7, Problem: "byte 0xE9 is not UTF-8; save the file as UTF-8"}},
		{name: "nul", data: "SELECT 1;\x00", err: &statement.TextError{Line: 1, Column: 10, Problem: "a NUL byte, at which SQLite would stop reading"}},
		{name: "utf16", data: "\xff\xfeS\x00", err: &statement.TextError{Line: 1, Column: 1, Problem: "the text is UTF-16, not UTF-8; save the file as UTF-8"}},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, err := statement.Text([]byte(tc.data))
			var textErr *statement.TextError
			errors.As(err, &textErr)
			if diff := cmp.Diff(tc.err, textErr); diff != "" {
				t.Errorf("Text() error (-want +got):\n%s", diff)
			}
			if got != tc.want {
				t.Errorf("Text() = %q, want %q", got, tc.want)
			}
		})
	}
}

// FuzzSplit holds Split against SQLite's own prepare and tail: as far as SQLite accepts
// a text, both must end every statement at the same byte.
func FuzzSplit(f *testing.F) {
	for _, tc := range splitterCases(f) {
		f.Add(tc.SQL)
	}
	f.Add("SELECT 1;\v;/*")
	f.Add("SELECT $a::b(x;y), :c; SELECT x'3b';")
	f.Add("EXPLAIN QUERY PLAN CREATE TRIGGER r AFTER INSERT ON t BEGIN SELECT 1; END; SELECT 1")
	f.Fuzz(func(t *testing.T, src string) {
		text, err := statement.Text([]byte(src))
		if err != nil {
			t.Skip("not SQL text")
		}
		conn := open(t)
		if err := conn.Exec("CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT, b INTEGER)"); err != nil {
			t.Fatal(err)
		}
		ends, err := sqliteEnds(conn, text)
		compareEnds(t, text, ends, err == nil)
	})
}

func open(t testing.TB) *sqlite3.Conn {
	t.Helper()
	conn, err := sqlite3.Open(":memory:")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	for _, quirk := range []sqlite3.DBConfig{sqlite3.DBCONFIG_DQS_DML, sqlite3.DBCONFIG_DQS_DDL} {
		if _, err := conn.Config(quirk, true); err != nil {
			t.Fatal(err)
		}
	}
	return conn
}

// sqliteEnds returns the offsets at which SQLite ends the statements of src. It runs
// each before it prepares the next, which may need its tables, and stops at the first
// that SQLite refuses to prepare.
func sqliteEnds(conn *sqlite3.Conn, src string) (ends []int, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	conn.SetInterrupt(ctx)
	ends = []int{}
	for rest := src; rest != ""; {
		stmt, tail, err := conn.Prepare(rest)
		if err != nil {
			return ends, err
		}
		if stmt == nil {
			return ends, nil
		}
		rest = tail
		ends = append(ends, len(src)-len(rest))
		_ = stmt.Exec() // what it does to rows doesn't matter here
		if err := stmt.Close(); err != nil && ctx.Err() != nil {
			return ends, err
		}
	}
	return ends, nil
}

// compareEnds checks the statements of src that SQLite accepted, and that there are no
// others if it accepted all.
func compareEnds(t *testing.T, src string, want []int, all bool) {
	t.Helper()
	got := []int{}
	for _, s := range statement.Split(src) {
		got = append(got, s.End)
	}
	if !all && len(got) > len(want) {
		got = got[:len(want)]
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("ends of the statements of %q (-SQLite +Split):\n%s", src, diff)
	}
}
