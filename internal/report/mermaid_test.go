package report_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/d1-rewind/d1-rewind/internal/migration"
	"github.com/d1-rewind/d1-rewind/internal/report"
)

// pictured is what a small run does to a shop.
var pictured = []migration.Entity{
	{Name: "users", What: "changed", Attributes: []migration.Attribute{
		{Name: "id", Type: "INTEGER", Primary: true}, {Name: "email", Type: "TEXT", Unique: true}, {Name: "name", Type: "TEXT", What: "removed"}, {Name: "display_name", Type: "TEXT", What: "added"},
		{Name: "balance", Type: "DECIMAL(10,2)", What: "changed"}}},
	{Name: "orders", What: "added", Attributes: []migration.Attribute{
		{Name: "id", Type: "INTEGER", Primary: true, What: "added"}, {Name: "user_id", Type: "INTEGER", Foreign: true, What: "added"}, {Name: "placed at", Type: "", What: "added"}},
		References: []migration.Reference{{To: "Users", Columns: []string{"user_id"}, OnDelete: "CASCADE", What: "added"}}},
	{Name: "profiles", Attributes: []migration.Attribute{{Name: "user_id", Type: "INTEGER", Primary: true, Foreign: true}, {Name: "pk", Type: "TEXT"}, {Name: "region", Type: "TEXT", Foreign: true, What: "added"}},
		References: []migration.Reference{{To: "users", Columns: []string{"user_id"}, OnDelete: "SET NULL", Optional: true}, {To: "Users", Columns: []string{"region"}, What: "added"}, {To: "not shown", Columns: []string{"pk"}}}},
	{Name: "sessions", What: "removed", Attributes: []migration.Attribute{{Name: "token", Type: "BLOB", Primary: true, What: "removed"}, {Name: "user_id", Type: "INTEGER", Foreign: true, What: "removed"}},
		References: []migration.Reference{{To: "users", Columns: []string{"user_id"}, OnDelete: "CASCADE", What: "removed"}}},
}

// hostileNames are names that SQL takes and Mermaid, Markdown or HTML could take for more.
func hostileNames() []string {
	list := []string{
		"", " ", "\"", `a"b`, `"]`, "`", "``` x", "a`b", "'", "%%", "%% comment", "%%{init: {\"theme\":\"dark\"}}%%", "100%", "}", "{", "} t1 {", "a\nb", "a\r\nb", "\nerDiagram\n", "\t", "\x00", "\x1b[31m", "\\", "a\\nb", "\v\b",
		"<script>alert(1)</script>", "<b>bold</b>", "<img src=x onerror=alert(1)>", "a<br>b", "&amp;", "&lt;script&gt;", "#lt;", "#35;", "#", "ﬂ°°60¶ß", "ﬂ°lt¶ß",
		"title", "direction", "direction TB", "x direction  LR y", "DIRECTION\tRL", "direction\u00a0BT", "style", "style a:b#c;", "style x fill:#f9f;", "classDef", "classDef a:b #c; d;", "class", "click", "accTitle: x", "accDescr { x", "accDescr: x", "erDiagram", "subgraph", "end",
		"to", "optionally to", "one or more", "zero or one", "only one", "many(0)", "1", "1+", "0+", "u", " u", "||--o{", "|o", "}o", "--", "..", ".-", "-.", "---", "---\ntitle: x\n---", "~", "~a~", "a~b~c~d", "*", "**bold**", "_", "__x__", "_cf_KV", "_a_", "1. one", "1) one", "- item", "+ item", "[link](https://evil.test)", "https://evil.test", "$$x$$", ":::", "a:::b", ";", "a;b",
		"pk", "PK", "fk", "uk", "Pk-1", "pk(1)", "pk_1", "pkey", "__proto__", "constructor", "prototype", "toString", "hasOwnProperty", "null", "undefined",
		"order", "select", "table", "user name", "Users", "users", "USERS", "user-name", "user_name", "user.name", "naïve", "価格", "цена", "שם", "🙂", "👩\u200d💻", "e\u0301", "\u202eevil", "\ufeff", "ſ", "İ", "@octo/team", "#1", "GH-1",
		strings.Repeat("x", 1000), strings.Repeat("x", 1001), strings.Repeat("数", 1000), strings.Repeat("_", 1000), strings.Repeat("\"", 1000), strings.Repeat("direction TB ", 80), strings.Repeat("🙂", 1000),
	}
	return list
}

// hostileDiagrams use every hostile name as everything that has a name.
func hostileDiagrams() map[string]string {
	diagrams := map[string]string{}
	names := hostileNames()
	for i, n := range names {
		other := names[(i+7)%len(names)]
		diagrams[fmt.Sprintf("hostile_%03d", i)] = report.Mermaid([]migration.Entity{
			{Name: n, What: "added", Attributes: []migration.Attribute{
				{Name: n, Type: n, What: "added", Primary: true, Foreign: true, Unique: true}, {Name: n, Type: other, Unique: true}, {Name: other, Type: n, What: n}, {Name: n}},
				References: []migration.Reference{{To: n, Columns: []string{n, other}, OnDelete: "CASCADE"}, {To: other + "!", Columns: []string{n}, OnDelete: n, What: "removed", Optional: true}, {To: n}}},
			{Name: other + "!", What: n, References: []migration.Reference{{To: n, Columns: []string{other}, Optional: true}}},
			{Name: n + "?"},
		})
	}
	for from := 0; from < len(names); from += 15 {
		var entities []migration.Entity
		for _, n := range names[from:min(from+15, len(names))] {
			entities = append(entities, migration.Entity{Name: n, Attributes: []migration.Attribute{{Name: n, Type: n}}, References: []migration.Reference{{To: names[from], Columns: []string{n}}}})
		}
		diagrams[fmt.Sprintf("hostile_together_%d", from)] = report.Mermaid(entities)
	}
	return diagrams
}

// The real parser reads what this writes: see .ci/mermaid.
func TestDiagrams(t *testing.T) {
	t.Parallel()
	diagrams := hostileDiagrams()
	diagrams["pictured"] = report.Mermaid(pictured)
	for name, text := range diagrams {
		if text == "" {
			t.Errorf("%s is not drawn", name)
		}
		for _, line := range strings.Split(text, "\n") {
			if strings.ContainsAny(line, "<>`\\%~") || strings.Count(line, `"`)%2 != 0 {
				t.Errorf("%s: a name has become more than text:\n%s", name, line)
			}
		}
	}
	directory := os.Getenv("D1_REWIND_TEST_DIAGRAMS")
	if directory == "" {
		return
	}
	for name, text := range diagrams {
		if err := os.WriteFile(filepath.Join(directory, name+".mmd"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestMermaid(t *testing.T) {
	t.Parallel()
	want := `erDiagram
    t1["🟨 users (changed)"] {
        INTEGER id PK
        TEXT email UK
        TEXT name "🟥 removed"
        TEXT display_name "🟩 added"
        DECIMAL(10_2) balance "🟨 changed"
    }
    t2["🟩 orders (added)"] {
        INTEGER id PK
        INTEGER user_id FK
        _ placed_at "placed at"
    }
    t3["profiles"] {
        INTEGER user_id PK, FK
        TEXT pk_ "pk"
        TEXT region FK "🟩 added"
    }
    t4["🟥 sessions (removed)"] {
        BLOB token PK
        INTEGER user_id FK
    }
    t1 ||--o{ t2 : "user_id, ON DELETE CASCADE"
    t1 |o--o| t3 : "user_id, ON DELETE SET NULL"
    t1 ||--o{ t3 : "🟩 region (added)"
    t1 ||--o{ t4 : "user_id, ON DELETE CASCADE"`
	if diff := cmp.Diff(want, report.Mermaid(pictured)); diff != "" {
		t.Error(diff)
	}
	same := report.Mermaid([]migration.Entity{{Name: "a"}, {Name: "A"}, {Name: "a."}, {Name: "a#"}, {Name: strings.Repeat("x", 100) + "1"}, {Name: strings.Repeat("x", 100) + "2"}})
	seen := map[string]bool{}
	for _, line := range strings.Split(same, "\n") {
		_, label, _ := strings.Cut(line, "[")
		if seen[label] {
			t.Errorf("two tables look the same: %s", line)
		}
		seen[label] = true
	}
}

// What nobody could read is not drawn.
func TestMermaidTooLarge(t *testing.T) {
	t.Parallel()
	entities := func(n, attributes, references int, name string) (list []migration.Entity) {
		for i := range n {
			e := migration.Entity{Name: fmt.Sprint(name, i)}
			for j := range attributes {
				e.Attributes = append(e.Attributes, migration.Attribute{Name: fmt.Sprint(name, j), Type: "TEXT"})
			}
			for range references {
				e.References = append(e.References, migration.Reference{To: name + "0", Columns: []string{name + "0"}})
			}
			list = append(list, e)
		}
		return list
	}
	for name, tt := range map[string]struct {
		entities []migration.Entity
		drawn    bool
	}{
		"nothing":         {nil, false},
		"just enough":     {entities(30, 10, 3, "t"), true},
		"many tables":     {entities(31, 1, 0, "t"), false},
		"many columns":    {entities(3, 101, 0, "t"), false},
		"many references": {entities(11, 1, 10, "t"), false},
		"long names":      {entities(30, 10, 0, strings.Repeat("\"", 60)), false},
	} {
		if got := report.Mermaid(tt.entities); (got != "") != tt.drawn || len(got) > 20_000 {
			t.Errorf("%s: drawn: %t (%d bytes), want %t", name, got != "", len(got), tt.drawn)
		}
	}
}
