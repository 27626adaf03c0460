package cli_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/d1-rewind/d1-rewind/internal/migration"
)

// documentedRows are in the database that the examples of docs/hazards.md are about.
const documentedRows = `INSERT INTO users VALUES (1, 'ada@example.com', 'Ada'), (2, 'grace@example.com', NULL), (3, 'mary@example.com', 'Mary');
INSERT INTO posts VALUES (1, 1, 'one'), (2, 1, 'two'), (3, 3, 'three');
INSERT INTO invoices VALUES (1, 1, 100), (2, 2, 200), (3, NULL, 300);
INSERT INTO items VALUES (1, 'A-1', 50, 'first'), (2, 'A-1', 250, NULL), (3, 'B-1', NULL, NULL);
INSERT INTO customers VALUES (1, 'Ada'), (2, 'Grace');
INSERT INTO orders VALUES (1, 1), (2, 2), (3, 2);`

// TestHazardsDocument holds docs/hazards.md to the codes, and its examples to the program: what it calls unsafe has
// the hazard, and what it calls safe is applied without it.
func TestHazardsDocument(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("../../docs/hazards.md")
	if err != nil {
		t.Fatal(err)
	}
	sections := strings.Split(string(data), "\n## ")
	blocks := func(section, kind string) (list []string) {
		for _, found := range regexp.MustCompile("(?s)```sql "+kind+"\n(.*?)```").FindAllStringSubmatch(section, -1) {
			list = append(list, found[1])
		}
		return list
	}
	schema := blocks(sections[0], "schema")
	var codes []string
	for _, section := range sections[1:] {
		code, text, _ := strings.Cut(section, "\n")
		codes = append(codes, code)
		if links := "(#" + code + ")"; !strings.Contains(sections[0], links) {
			t.Errorf("%s is not in the list at the beginning", code)
		}
		if severity := regexp.MustCompile(`^\n\*\*(Error|Warning|Info)\*\*|^\n\*\*(Error|Warning|Info)\.\*\*`); !severity.MatchString(text) {
			t.Errorf("%s: its text does not begin with its severity", code)
		}
		for _, kind := range []string{"unsafe", "safe"} {
			for _, sql := range blocks(text, kind) {
				t.Run(code+"/"+kind, func(t *testing.T) {
					t.Parallel()
					s := newSite(t, entry{applied: map[string]string{"0001_schema.sql": schema[0]}, rows: documentedRows, pending: map[string]string{"0002_example.sql": sql}})
					document, r := s.say(t, "status", "local")
					said := slices.ContainsFunc(document.Hazards, func(h migration.Hazard) bool {
						return h.Code == code && h.Allowed == "" && (kind == "unsafe" || h.Severity != migration.SeverityInfo)
					})
					if said != (kind == "unsafe") {
						t.Errorf("%s is said of what is %s: %t\n%s\n%s", code, kind, said, sql, r.stdout)
					}
					if kind == "unsafe" {
						return
					}
					for _, h := range document.Hazards {
						if h.Allowed == "" && h.Severity != migration.SeverityInfo {
							t.Errorf("what is safe has a hazard: %s %s, line %d: %s", h.Severity, h.Code, h.Line, h.Message)
						}
					}
					const references = "SELECT (SELECT count(*) FROM posts WHERE user_id IN (SELECT id FROM users)), (SELECT count(*) FROM invoices WHERE user_id IN (SELECT id FROM users))"
					before := s.remote.Rows(references)
					for _, environment := range []string{"local", "production"} {
						s.run("migrate", environment).want(t, 0, "applied 1 migration")
					}
					if diff := cmp.Diff(before, s.remote.Rows(references)); diff != "" && code != migration.CodeBrokenTable {
						t.Errorf("posts and invoices lose their users (-before +after):\n%s", diff)
					}
				})
			}
		}
	}
	want := slices.Clone(migration.Codes)
	slices.Sort(want)
	slices.Sort(codes)
	if diff := cmp.Diff(want, codes); diff != "" {
		t.Errorf("the codes and the document's headings (-codes +document):\n%s", diff)
	}
}
