package githubtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/rhysd/actionlint"
)

// scope is what an expression can see where it stands: contexts by their lower-case names, and
// the status functions, which only an `if` has.
// https://docs.github.com/actions/reference/workflows-and-actions/contexts#context-availability
type scope struct {
	contexts map[string]any
	status   func(function string) bool
}

// with returns a scope that has more contexts, or other ones of the same name.
func (s scope) with(more map[string]any) scope {
	return scope{merged(s.contexts, more), s.status}
}

// evaluate returns the value of an expression: nil, a bool, float64, string, []any or map[string]any.
func (s scope) evaluate(tree actionlint.ExprNode, source string) (any, error) {
	e := evaluation{scope: s}
	value := e.value(tree)
	if e.err != nil {
		return nil, fmt.Errorf("expression %q: %w", strings.TrimSpace(source), e.err)
	}
	return value, nil
}

// parseExpression parses up to the closing braces and returns how many bytes those end at.
func parseExpression(source string) (actionlint.ExprNode, int, error) {
	lexer := actionlint.NewExprLexer(source)
	tree, err := actionlint.NewExprParser().Parse(lexer)
	if err != nil { // not an error yet: a nil *ExprError is not a nil error
		return nil, 0, fmt.Errorf("expression %q: %s", strings.TrimSpace(source), err.Message)
	}
	return tree, lexer.Offset(), nil
}

// interpolate puts the values of all ${{ }} into text. One that is the whole text keeps its type.
func (s scope) interpolate(text string) (any, error) {
	var out strings.Builder
	for rest := text; ; {
		before, after, found := strings.Cut(rest, "${{")
		out.WriteString(before)
		if !found {
			return out.String(), nil
		}
		tree, end, err := parseExpression(after)
		if err != nil {
			return nil, err
		}
		value, err := s.evaluate(tree, after[:end-len("}}")])
		if err != nil {
			return nil, err
		}
		if rest = after[end:]; rest == "" && len(text) == len("${{")+end {
			return value, nil
		}
		out.WriteString(asText(value))
	}
}

// text is interpolate for where only text can stand.
func (s scope) text(source string) (string, error) {
	value, err := s.interpolate(source)
	return asText(value), err
}

// texts is text for the values of a map.
func (s scope) texts(sources map[string]string) (map[string]string, error) {
	out := map[string]string{}
	for name, source := range sources {
		value, err := s.text(source)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		out[name] = value
	}
	return out, nil
}

// condition evaluates an `if`, whose braces can be left out, and which has success() in front of
// it unless it asks for the status itself.
// https://docs.github.com/actions/reference/workflows-and-actions/expressions#status-check-functions
func (s scope) condition(source string) (bool, error) {
	if inner, braced := strings.CutPrefix(strings.TrimSpace(source), "${{"); braced {
		source, braced = strings.CutSuffix(inner, "}}")
		if !braced || strings.Contains(source, "${{") {
			return false, fmt.Errorf("if %q is text around an expression, which is always true", inner)
		}
	}
	if strings.TrimSpace(source) == "" {
		source = "success()"
	}
	tree, _, err := parseExpression(source + "}}")
	if err != nil {
		return false, err
	}
	asks := false
	actionlint.VisitExprNode(tree, func(node, _ actionlint.ExprNode, _ bool) {
		call, ok := node.(*actionlint.FuncCallNode)
		asks = asks || ok && slices.Contains([]string{"success", "failure", "always", "cancelled"}, strings.ToLower(call.Callee))
	})
	value, err := s.evaluate(tree, source)
	return truthy(value) && (asks || s.status("success")), err
}

// evaluation is one walk over an expression; its first error stays.
type evaluation struct {
	scope
	err error
}

func (e *evaluation) fail(format string, arguments ...any) any {
	if e.err == nil {
		e.err = fmt.Errorf(format, arguments...)
	}
	return nil
}

// filtered is the array that .* makes: what is asked of it is asked of its elements.
type filtered []any

func (e *evaluation) value(node actionlint.ExprNode) any {
	value := e.node(node)
	if array, ok := value.(filtered); ok {
		return []any(array)
	}
	return value
}

func (e *evaluation) node(node actionlint.ExprNode) any {
	switch n := node.(type) {
	case *actionlint.NullNode:
		return nil
	case *actionlint.BoolNode:
		return n.Value
	case *actionlint.IntNode:
		return float64(n.Value)
	case *actionlint.FloatNode:
		return n.Value
	case *actionlint.StringNode:
		return n.Value
	case *actionlint.VariableNode:
		value, known := e.contexts[n.Name]
		if !known {
			return e.fail("there is no context %s here", n.Name)
		}
		return value
	case *actionlint.ObjectDerefNode:
		return e.index(e.node(n.Receiver), n.Property)
	case *actionlint.IndexAccessNode:
		return e.index(e.node(n.Operand), e.value(n.Index))
	case *actionlint.ArrayDerefNode:
		return star(e.node(n.Receiver))
	case *actionlint.NotOpNode:
		return !truthy(e.value(n.Operand))
	case *actionlint.LogicalOpNode:
		left := e.value(n.Left)
		if truthy(left) == (n.Kind == actionlint.LogicalOpNodeKindOr) {
			return left
		}
		return e.value(n.Right)
	case *actionlint.CompareOpNode:
		if _, chained := n.Right.(*actionlint.CompareOpNode); chained {
			// The parser reads a == b == c from the right, GitHub from the left.
			return e.fail("a comparison on the right of a comparison is not supported")
		}
		return compare(n.Kind, e.value(n.Left), e.value(n.Right))
	case *actionlint.FuncCallNode:
		return e.call(n)
	}
	return e.fail("%T is not supported", node)
}

// index looks a property or an element up. What is not there is null.
func (e *evaluation) index(receiver, key any) any {
	switch r := receiver.(type) {
	case filtered:
		found := filtered{}
		for _, element := range r {
			if value := e.index(element, key); value != nil {
				found = append(found, value)
			}
		}
		return found
	case []any:
		if i := toNumber(key); i >= 0 && i < float64(len(r)) {
			return r[int(i)]
		}
	case map[string]any:
		name := asText(key)
		if value, ok := r[name]; ok {
			return value
		}
		var found []string
		for _, candidate := range sortedNames(r) {
			if strings.EqualFold(candidate, name) {
				found = append(found, candidate)
			}
		}
		if len(found) > 1 {
			return e.fail("%s could be any of %q", name, found)
		} else if len(found) == 1 {
			return r[found[0]]
		}
	}
	return nil
}

// lookup follows properties from a value.
func lookup(value any, properties ...string) any {
	for _, property := range properties {
		value = (&evaluation{}).index(value, property)
	}
	return value
}

func star(receiver any) filtered {
	out := filtered{}
	switch r := receiver.(type) {
	case filtered:
		for _, element := range r {
			out = append(out, star(element)...)
		}
	case []any:
		out = append(out, r...)
	case map[string]any:
		for _, name := range sortedNames(r) {
			out = append(out, r[name])
		}
	}
	return out
}

// call calls a function.
// https://docs.github.com/actions/reference/workflows-and-actions/expressions#functions
func (e *evaluation) call(n *actionlint.FuncCallNode) any {
	arguments := make([]any, len(n.Args), len(n.Args)+1)
	for i, argument := range n.Args {
		arguments[i] = e.value(argument)
	}
	name := strings.ToLower(n.Callee)
	limits, known := map[string][2]int{
		"contains": {2, 2}, "startswith": {2, 2}, "endswith": {2, 2}, "format": {1, 255}, "join": {1, 2}, "tojson": {1, 1},
		"fromjson": {1, 1}, "success": {0, 0}, "failure": {0, 0}, "always": {0, 0}, "cancelled": {0, 0},
	}[name]
	switch {
	case !known:
		return e.fail("function %s is not supported", n.Callee)
	case len(arguments) < limits[0] || len(arguments) > limits[1]:
		return e.fail("function %s cannot have %d arguments", n.Callee, len(arguments))
	}
	lower := func(i int) string { return strings.ToLower(asText(arguments[i])) }
	switch name {
	case "contains":
		if array, ok := arguments[0].([]any); ok {
			return slices.ContainsFunc(array, func(element any) bool { return equal(element, arguments[1]) })
		}
		return primitive(arguments[0]) && primitive(arguments[1]) && strings.Contains(lower(0), lower(1))
	case "startswith":
		return primitive(arguments[0]) && primitive(arguments[1]) && strings.HasPrefix(lower(0), lower(1))
	case "endswith":
		return primitive(arguments[0]) && primitive(arguments[1]) && strings.HasSuffix(lower(0), lower(1))
	case "format":
		return e.format(asText(arguments[0]), arguments[1:])
	case "join":
		array, ok := arguments[0].([]any)
		if !ok {
			return asText(arguments[0])
		}
		words := make([]string, len(array))
		for i, element := range array {
			words[i] = asText(element)
		}
		return strings.Join(words, asText(append(arguments, ",")[1]))
	case "tojson":
		var out bytes.Buffer
		encoder := json.NewEncoder(&out)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "  ")
		if err := encoder.Encode(arguments[0]); err != nil {
			return e.fail("toJSON: %w", err)
		}
		return strings.TrimSuffix(out.String(), "\n")
	case "fromjson":
		var value any
		if err := json.Unmarshal([]byte(asText(arguments[0])), &value); err != nil {
			return e.fail("fromJSON: %w", err)
		}
		return value
	}
	if e.status == nil {
		return e.fail("function %s is for an if only", n.Callee)
	}
	return name == "always" || e.status(name)
}

var placeholder = regexp.MustCompile(`\{\{|\}\}|\{(\d+)\}|[{}]`)

func (e *evaluation) format(template string, arguments []any) any {
	return placeholder.ReplaceAllStringFunc(template, func(match string) string {
		if match == "{{" || match == "}}" {
			return match[:1]
		}
		i, err := strconv.Atoi(strings.Trim(match, "{}"))
		if err != nil || i >= len(arguments) {
			e.fail("format: %q has no argument", match)
			return ""
		}
		return asText(arguments[i])
	})
}

// compare compares loosely: values of different types become numbers, strings are equal whatever
// their case, arrays and objects are equal only to themselves.
// https://docs.github.com/actions/reference/workflows-and-actions/expressions#operators
func compare(kind actionlint.CompareOpNodeKind, left, right any) bool {
	switch kind {
	case actionlint.CompareOpNodeKindEq:
		return equal(left, right)
	case actionlint.CompareOpNodeKindNotEq:
		return !equal(left, right)
	case actionlint.CompareOpNodeKindLess:
		return greater(right, left)
	case actionlint.CompareOpNodeKindLessEq:
		return greater(right, left) || equal(left, right)
	case actionlint.CompareOpNodeKindGreater:
		return greater(left, right)
	default:
		return greater(left, right) || equal(left, right)
	}
}

func equal(left, right any) bool {
	l, leftText := left.(string)
	r, rightText := right.(string)
	switch {
	case leftText && rightText:
		return strings.EqualFold(l, r)
	case !primitive(left) && !primitive(right):
		a, b := reflect.ValueOf(left), reflect.ValueOf(right)
		return a.Type() == b.Type() && a.Len() == b.Len() && a.Pointer() == b.Pointer()
	}
	return toNumber(left) == toNumber(right)
}

func greater(left, right any) bool {
	l, leftText := left.(string)
	r, rightText := right.(string)
	if leftText && rightText {
		return strings.ToUpper(l) > strings.ToUpper(r)
	}
	return toNumber(left) > toNumber(right)
}

func primitive(value any) bool {
	switch value.(type) {
	case []any, map[string]any:
		return false
	}
	return true
}

func truthy(value any) bool {
	switch v := value.(type) {
	case nil:
		return false
	case bool:
		return v
	case float64:
		return v != 0 && !math.IsNaN(v)
	case string:
		return v != ""
	}
	return true
}

var jsonNumber = regexp.MustCompile(`^[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$`)

func toNumber(value any) float64 {
	switch v := value.(type) {
	case nil:
		return 0
	case bool:
		if v {
			return 1
		}
		return 0
	case float64:
		return v
	case string:
		v = strings.TrimSpace(v)
		if v == "" {
			return 0
		}
		if jsonNumber.MatchString(v) {
			if number, err := strconv.ParseFloat(v, 64); err == nil {
				return number
			}
		} else if strings.HasPrefix(v, "0x") || strings.HasPrefix(v, "0o") {
			if number, err := strconv.ParseInt(v, 0, 64); err == nil {
				return float64(number)
			}
		}
	}
	return math.NaN()
}

// asText is how a value stands in text.
func asText(value any) string {
	switch v := value.(type) {
	case nil:
		return ""
	case string:
		return v
	case float64:
		return strconv.FormatFloat(v, 'G', 15, 64)
	case []any:
		return "Array"
	case map[string]any:
		return "Object"
	}
	return fmt.Sprint(value)
}
