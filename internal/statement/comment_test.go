package statement_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/d1-rewind/d1-rewind/internal/statement"
)

func TestComments(t *testing.T) {
	t.Parallel()
	type c = statement.Comment
	for _, tc := range []struct {
		name, src string
		want      []c
	}{
		{"none", "SELECT 1", nil},
		{"in_a_string", "SELECT '-- no /* comment'", nil},
		{"before", "-- a\nSELECT 1; SELECT 2", []c{{Text: "a", Line: 1}}},
		{"behind_on_the_line", "SELECT 1; -- a\nSELECT 2;", []c{{Text: "a", Line: 1}}},
		{"behind_on_the_next", "SELECT 1;\n-- a\nSELECT 2;", []c{{Text: "a", Line: 2, Statement: 1}}},
		{"within", "SELECT /* a */\n1;", []c{{Text: "a", Line: 1}}},
		{"at_the_end", "SELECT 1;\n-- a", []c{{Text: "a", Line: 2, Statement: -1}}},
		{"alone", "-- a", []c{{Text: "a", Line: 1, Statement: -1}}},
		{"open", "SELECT 1;\n\n/* a\nb", []c{{Text: "a\nb", Line: 3, Open: true, Statement: -1}}},
		{"open_at_once", "SELECT 1; /*/", []c{{Text: "/", Line: 1, Open: true}}},
		{"without_a_semicolon", "SELECT 1 -- a", []c{{Text: "a", Line: 1}}},
		{"in_a_trigger", "CREATE TRIGGER g AFTER INSERT ON t BEGIN\nSELECT 1; -- a\nEND;\nSELECT 2;", []c{{Text: "a", Line: 2}}},
		{"several", "-- a\n-- b\nSELECT 1;\n/* c */ SELECT 2;", []c{{Text: "a", Line: 1}, {Text: "b", Line: 2}, {Text: "c", Line: 4, Statement: 1}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(tc.want, statement.Comments(tc.src)); diff != "" {
				t.Errorf("Comments(%q) (-want +got):\n%s", tc.src, diff)
			}
		})
	}
}
