package githubtest

import (
	"strings"
	"testing"
)

// The rules of https://docs.github.com/actions/reference/workflows-and-actions/expressions.
func TestExpressions(t *testing.T) {
	t.Parallel()
	here := scope{contexts: map[string]any{
		"github": map[string]any{"ref": "refs/heads/main", "run_id": "7", "event": map[string]any{
			"number": 12.0, "draft": false,
			"labels": []any{map[string]any{"name": "bug"}, map[string]any{"name": "D1"}, map[string]any{}},
		}},
		"env":    map[string]any{"A": "upper", "B": ""},
		"inputs": map[string]any{"dry-run": true, "count": 3.0, "0": "zero"},
		"matrix": map[string]any(nil),
	}}
	for source, want := range map[string]string{
		// literals
		"null": "", "true": "true", "711": "711", "-9.2": "-9.2", "0xff": "255", "-2.99e-2": "-0.0299", "'It''s open source!'": "It's open source!",
		"1000000": "1000000", "1e15": "1E+15",

		// dereferences
		"github.ref": "refs/heads/main", "GitHub['REF']": "refs/heads/main", "github.event.number": "12", "github['event']['labels'][1].name": "D1",
		"github.event.labels[9].name": "", "github.none.of.it": "", "github.ref.length": "", "env.a": "upper", "matrix.x": "", "github.event.labels": "Array", "github.event": "Object",
		"join(github.event.labels.*.name, '+')": "bug+D1", "join(github.event.*.*.name)": "bug,D1", "inputs.dry-run": "true", "inputs[0]": "zero",

		// loose equality
		"null == 0": "true", "null == ''": "true", "null == false": "true", "true == 1": "true", "true == '1'": "true", "'' == 0": "true", "' 12 ' == 12": "true",
		"'0x10' == 16": "true", "'abc' == 0": "false", "'abc' != 0": "true", "'true' == true": "false", "'ABC' == 'abc'": "true", "'1' == '1.0'": "false",
		"github.event == github.event": "true", "github.event == github": "false", "github.event.labels == 'Array'": "false", "fromJSON('[1]') == fromJSON('[1]')": "false",
		"github.run_id == 7": "true", "github.none == null": "true",

		// order
		"1 < 2": "true", "2 <= 2": "true", "3 > '4'": "false", "'b' > 'A'": "true", "'_' > 'a'": "true", "'a' < 1": "false", "'a' >= 1": "false", "true > false": "true", "null >= 0": "true",

		// truth
		"!''": "true", "!'false'": "false", "!0": "true", "!-0": "true", "!null": "true", "!github": "false", "!!'a'": "true",
		"'' || 'default'": "default", "0 || '' || null": "", "'a' && 'b'": "b", "'' && 'b' || 'c'": "c", "false && 1": "false", "true || false && false": "true", "!true == false": "true",

		// functions
		"contains('Hello world', 'LLO')": "true", "contains('a', '')": "true", "contains(github.event.labels.*.name, 'd1')": "true", "contains(fromJSON('[\"push\",\"x\"]'), 'pus')": "false",
		"contains(fromJSON('[1,2]'), '2')": "true", "contains(github.event, 'number')": "false", "contains(123, 2)": "true",
		"startsWith('Hello', 'he')": "true", "startsWith(github.ref, 'refs/tags/')": "false", "endsWith('Hello', 'LO')": "true",
		"format('{{Hello {0} {1} {0}!}}', 'Mona', 1)": "{Hello Mona 1 Mona!}", "format('none')": "none",
		"join('text', '-')": "text", "join(fromJSON('[1,null,true]'))": "1,,true", "toJSON('a<b')": `"a<b"`, "toJSON(fromJSON('{\"b\":[1],\"a\":{}}'))": "{\n  \"a\": {},\n  \"b\": [\n    1\n  ]\n}",
		"fromJSON('true') && 'yes'": "yes", "fromJSON('{\"a\":{\"b\":1.5}}').a.B": "1.5", "TOJSON(null)": "null",
	} {
		got, err := here.text("${{ " + source + " }}")
		if err != nil || got != want {
			t.Errorf("%s is %q, %v; want %q", source, got, err, want)
		}
	}
	for text, want := range map[string]any{
		"plain": "plain", "${{ inputs.count }}": 3.0, " ${{ inputs.count }}": " 3", "a ${{ '}}' }} b ${{ env.A }}": "a }} b upper", "${{inputs.dry-run}}": true, "": "",
	} {
		if got, err := here.interpolate(text); err != nil || got != want {
			t.Errorf("%q is %v, %v; want %v", text, got, err, want)
		}
	}
	for source, want := range map[string]string{
		"secrets.A":              "there is no context secrets here",
		"hashFiles('**/go.sum')": "function hashFiles is not supported",
		"upper('a')":             "function upper is not supported",
		"contains('a')":          "cannot have 1 arguments",
		"success()":              "for an if only",
		"1 == 2 == false":        "on the right of a comparison",
		"format('{1}', 'a')":     "has no argument",
		"format('{a', 'a')":      "has no argument",
		"fromJSON('{')":          "fromJSON:",
		`"double"`:               "unexpected character",
		"TRUE":                   "there is no context true here",
		"github.":                "unexpected",
		"'open":                  "unexpected",
	} {
		if got, err := here.text("${{ " + source + " }}"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s is %q, %v; want an error %q", source, got, err, want)
		}
	}
}

func TestConditions(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		source string
		status string
		want   bool
	}{
		{"", "success", true}, {"", "failure", false}, {"true", "failure", false}, {"${{ true }}", "success", true}, {"false", "success", false}, {"'text'", "success", true},
		{"always()", "failure", true}, {"always()", "cancelled", true}, {"failure()", "failure", true}, {"failure()", "success", false}, {"!cancelled()", "failure", true},
		{"${{ !cancelled() }}", "cancelled", false}, {"success() || failure()", "failure", true}, {"Failure() && false", "failure", false}, {"cancelled()", "cancelled", true},
	} {
		here := scope{status: func(function string) bool { return function == c.status }}
		if got, err := here.condition(c.source); err != nil || got != c.want {
			t.Errorf("if: %s in a job of %s is %v, %v", c.source, c.status, got, err)
		}
	}
	for _, source := range []string{"${{ true }} && false", "${{ true }} ${{ true }}", "a ${{ true }}", "nothing.a", "hashFiles('a')"} {
		here := scope{status: func(string) bool { return true }}
		if got, err := here.condition(source); err == nil {
			t.Errorf("if: %s is %v, want an error", source, got)
		}
	}
}
