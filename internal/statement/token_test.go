package statement

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTokens(t *testing.T) {
	t.Parallel()
	got := Tokens("CREATE /* x */ TABLE [a b](`c``d` \"e\"\"f\", 'g''h', X'0A') -- end\n; Größe")
	want := []Token{
		{Word, "CREATE"}, {Word, "TABLE"}, {Name, "a b"}, {Symbol, "("}, {Name, "c`d"}, {DoubleQuoted, `e"f`}, {Symbol, ","},
		{String, "g'h"}, {Symbol, ","}, {Blob, "X'0A'"}, {Symbol, ")"}, {Symbol, ";"}, {Word, "Größe"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestPlaceholders(t *testing.T) {
	t.Parallel()
	got := Placeholders("SELECT ?, '?', \"a?\" /* ? */ FROM [t?] WHERE x IS ? -- ?\nAND `?` = ?")
	if diff := cmp.Diff([]int{7, 49, 66}, got); diff != "" {
		t.Error(diff)
	}
}
