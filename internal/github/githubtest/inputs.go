package githubtest

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/rhysd/actionlint"
	"github.com/spf13/pflag"
)

// dispatchInputs checks the inputs of a workflow_dispatch as GitHub's API does, and adds defaults.
// The payload gets them as text, the context inputs with their types.
// https://docs.github.com/rest/actions/workflows#create-a-workflow-dispatch-event
// https://docs.github.com/actions/reference/workflows-and-actions/workflow-syntax#onworkflow_dispatchinputs
func dispatchInputs(event *actionlint.WorkflowDispatchEvent, run *Run) (map[string]any, error) {
	for name := range run.Inputs {
		if input := event.Inputs[strings.ToLower(name)]; input == nil || input.Name.Value != name {
			return nil, fmt.Errorf("HTTP 422: Unexpected inputs provided: [%q]", name)
		}
	}
	inputs, raw := map[string]any{}, map[string]any{}
	for _, input := range event.Inputs {
		name := input.Name.Value
		value, given := run.Inputs[name]
		if !given {
			if input.Required != nil && input.Required.Value && input.Default == nil {
				return nil, fmt.Errorf("HTTP 422: Required input '%s' not provided", name)
			}
			value = valueOf(input.Default)
		}
		var allowed []string
		boolean := input.Type == actionlint.WorkflowDispatchEventInputTypeBoolean
		number := input.Type == actionlint.WorkflowDispatchEventInputTypeNumber
		switch {
		case boolean:
			allowed = []string{"true", "false"}
			if !given {
				value = cmp.Or(value, "false")
			}
		case input.Type == actionlint.WorkflowDispatchEventInputTypeChoice:
			for _, option := range input.Options {
				allowed = append(allowed, option.Value)
			}
			if !given && input.Default == nil {
				return nil, fmt.Errorf("input %s: GitHub's documents do not say what a choice is without a value and a default", name)
			}
		}
		if allowed != nil && !slices.Contains(allowed, value) || number && value != "" && !jsonNumber.MatchString(value) {
			return nil, fmt.Errorf("HTTP 422: Provided value '%s' for input '%s' not in the list of allowed values", value, name)
		}
		raw[name], inputs[name] = value, typed(value, boolean, number)
	}
	run.Payload["inputs"] = raw
	return inputs, nil
}

// callInputs checks the inputs that a caller gives to a reusable workflow, and adds defaults.
// https://docs.github.com/actions/reference/workflows-and-actions/workflow-syntax#onworkflow_callinputs
func callInputs(event *actionlint.WorkflowCallEvent, given map[string]any, here scope) (map[string]any, error) {
	inputs := map[string]any{}
	for _, input := range event.Inputs {
		name := input.Name.Value
		var zero any
		switch input.Type {
		case actionlint.WorkflowCallEventInputTypeBoolean:
			zero = false
		case actionlint.WorkflowCallEventInputTypeNumber:
			zero = 0.0
		default:
			zero = ""
		}
		value, ok := given[name]
		switch {
		case !ok && input.IsRequired():
			return nil, fmt.Errorf("input %s is required, but not provided while calling", name)
		case !ok && input.Default == nil:
			value = zero
		case !ok:
			var err error
			if value, err = here.interpolate(input.Default.Value); err != nil {
				return nil, err
			}
			if !input.Default.ContainsExpression() {
				value = typed(input.Default.Value, zero == false, zero == 0.0)
			}
		}
		if zero == "" && primitive(value) {
			value = asText(value)
		}
		if fmt.Sprintf("%T", value) != fmt.Sprintf("%T", zero) {
			return nil, fmt.Errorf("input %s is %v, which has another type than the one that the workflow declares", name, value)
		}
		inputs[name] = value
	}
	for name := range given {
		if _, ok := inputs[name]; !ok {
			return nil, fmt.Errorf("invalid input, %s is not defined in the referenced workflow", name)
		}
	}
	return inputs, nil
}

// ParseDispatch stands in for gh: it reads the words of a command line
// `gh workflow run FILE --repo OWNER/NAME [--ref REF] [-f name=value]…`. An unknown flag is an error.
// https://cli.github.com/manual/gh_workflow_run
func ParseDispatch(words []string) (workflow, repo, ref string, inputs map[string]string, err error) {
	if len(words) < 3 || !slices.Equal(words[:3], []string{"gh", "workflow", "run"}) {
		return "", "", "", nil, fmt.Errorf("%q is not gh workflow run", words)
	}
	flags := pflag.NewFlagSet("gh workflow run", pflag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVarP(&repo, "repo", "R", "", "")
	flags.StringVarP(&ref, "ref", "r", "", "")
	raw := flags.StringArrayP("raw-field", "f", nil, "")
	fields := flags.StringArrayP("field", "F", nil, "")
	if err := flags.Parse(words[3:]); err != nil {
		return "", "", "", nil, err
	}
	if flags.NArg() != 1 {
		return "", "", "", nil, fmt.Errorf("want one workflow, have %q", flags.Args())
	}
	inputs = map[string]string{}
	for _, field := range append(*raw, *fields...) {
		name, value, ok := strings.Cut(field, "=")
		if !ok {
			return "", "", "", nil, fmt.Errorf("field %s requires a value separated by an '=' sign", strconv.Quote(field))
		}
		if slices.Contains(*fields, field) && strings.HasPrefix(value, "@") {
			return "", "", "", nil, fmt.Errorf("field %s: reading a file is not supported", name)
		}
		inputs[name] = value
	}
	return flags.Arg(0), repo, ref, inputs, nil
}

// typed makes a boolean or a number of text that is one; other text remains.
func typed(text string, boolean, number bool) any {
	if boolean && (text == "true" || text == "false") {
		return text == "true"
	}
	if number && jsonNumber.MatchString(text) {
		return toNumber(text)
	}
	return text
}
