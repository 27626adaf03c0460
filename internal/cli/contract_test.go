package cli

import (
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v4"

	"github.com/d1-rewind/d1-rewind/internal/report"
)

// The tests in this file hold together what users rely on: the table of options, --help,
// action.yml and the README.

type actionYAML struct {
	Inputs map[string]struct {
		Description string
		Default     *string
		Required    bool
	}
	Outputs map[string]struct{ Description string }
}

func readAction(t *testing.T) actionYAML {
	t.Helper()
	data, err := os.ReadFile("../../action.yml")
	if err != nil {
		t.Fatal(err)
	}
	var action actionYAML
	if err := yaml.Unmarshal(data, &action); err != nil {
		t.Fatal(err)
	}
	return action
}

func readREADME(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func sortedKeys[V any](m map[string]V) []string {
	keys := []string{}
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func TestActionInputsAreTheOptions(t *testing.T) {
	t.Parallel()
	action := readAction(t)
	var want []string
	for _, o := range options {
		if o.flagOnly {
			continue
		}
		want = append(want, o.name)
		input := action.Inputs[o.name]
		if input.Description == "" {
			t.Errorf("input %s has no description", o.name)
		}
		got := ""
		if input.Default != nil {
			got = *input.Default
		}
		if o.name == "github-token" {
			got = strings.TrimPrefix(got, "${{ github.token }}")
		}
		if got != o.fallback {
			t.Errorf("input %s has the default %q, the option %q", o.name, got, o.fallback)
		}
		if input.Required != (o.name == "environment") {
			t.Errorf("input %s: required is %v", o.name, input.Required)
		}
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, sortedKeys(action.Inputs)); diff != "" {
		t.Errorf("inputs of action.yml (-options +action.yml):\n%s", diff)
	}
}

func TestActionOutputsAreTheReports(t *testing.T) {
	t.Parallel()
	var want []string
	for _, o := range (report.Report{}).Outputs() {
		want = append(want, o.Name)
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, sortedKeys(readAction(t).Outputs)); diff != "" {
		t.Errorf("outputs of action.yml (-report +action.yml):\n%s", diff)
	}
	for _, name := range want {
		if !strings.Contains(readREADME(t), "\n| `"+name+"` |") {
			t.Errorf("the README's table has no output %s", name)
		}
	}
}

func TestREADMEListsOptions(t *testing.T) {
	t.Parallel()
	_, section, _ := strings.Cut(readREADME(t), "## Options")
	section, _, _ = strings.Cut(section, "\n## ")
	rows := regexp.MustCompile("(?m)^\\| `([a-z-]+)` \\| (.*?) \\|").FindAllStringSubmatch(section, -1)
	got := map[string]string{}
	for _, row := range rows {
		got[row[1]] = strings.Trim(row[2], "`–")
	}
	want := map[string]string{}
	for _, o := range options {
		want[o.name] = o.fallback
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("options and defaults in the README (-options +README):\n%s", diff)
	}
}

func TestREADMEAndHelpListExitCodes(t *testing.T) {
	t.Parallel()
	help, err := helpText("")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range exitCodes {
		if row := "| " + strconv.Itoa(e.code) + " | " + e.meaning + " |"; !strings.Contains(readREADME(t), row) {
			t.Errorf("the README has no row %q", row)
		}
		if !strings.Contains(help, e.meaning) {
			t.Errorf("help does not explain exit code %d", e.code)
		}
	}
}

func TestHelpListsEveryFlag(t *testing.T) {
	t.Parallel()
	for _, o := range options {
		listed := false
		for _, c := range commands {
			text, err := helpText(c.name)
			if err != nil {
				t.Fatal(err)
			}
			listed = listed || strings.Contains(text, "--"+o.name+" ")
		}
		if listed == o.inputOnly {
			t.Errorf("--%s is listed in help: %v", o.name, listed)
		}
	}
}
