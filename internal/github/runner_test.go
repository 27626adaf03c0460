package github_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/d1-rewind/d1-rewind/internal/github"
)

func runner(t *testing.T, env map[string]string) (*github.Runner, *bytes.Buffer) {
	t.Helper()
	log := &bytes.Buffer{}
	return github.New(func(name string) string { return env[name] }, log), log
}

// parse reads GITHUB_OUTPUT by the runner's rules (FileCommandManager.cs): "name=value", or
// a heredoc that ends at the first line equal to its delimiter.
func parse(t *testing.T, file string) map[string]string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	outputs := map[string]string{}
	lines := strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
	for i := 0; i < len(lines); i++ {
		if lines[i] == "" {
			continue
		}
		equals, heredoc := strings.Index(lines[i], "="), strings.Index(lines[i], "<<")
		if equals >= 0 && (heredoc < 0 || equals < heredoc) {
			outputs[lines[i][:equals]] = lines[i][equals+1:]
			continue
		}
		name, delimiter, ok := strings.Cut(lines[i], "<<")
		if !ok || name == "" || delimiter == "" {
			t.Fatalf("line %q is no output", lines[i])
		}
		var value []string
		for i++; i < len(lines) && lines[i] != delimiter; i++ {
			value = append(value, lines[i])
		}
		if i == len(lines) {
			t.Fatalf("output %q has no end", name)
		}
		outputs[name] = strings.Join(value, "\n")
	}
	return outputs
}

func TestSetOutput(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "output")
	r, _ := runner(t, map[string]string{"GITHUB_OUTPUT": file})
	want := map[string]string{
		"plain":          "value",
		"empty":          "",
		"blank_lines":    "\n\na\n\n",
		"line_ends":      "a\r\nb\rc",
		"unicode":        "Grüße, 数据",
		"forged_line":    "a\nstatus=evil",
		"forged_heredoc": "a\nstatus<<EOF\nevil\nEOF\n",
		"fixed_end":      "a\n_GitHubActionsFileCommandDelimeter_\nstatus=evil",
	}
	for name, value := range want {
		if err := r.SetOutput(name, value); err != nil {
			t.Fatal(err)
		}
	}
	// Whoever has seen the whole file can't end the next value with it either.
	seen, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	want["earlier_ends"] = string(seen) + "\nstatus=evil"
	if err := r.SetOutput("earlier_ends", want["earlier_ends"]); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, parse(t, file)); diff != "" {
		t.Errorf("outputs (-want +got):\n%s", diff)
	}
	broken, _ := runner(t, map[string]string{"GITHUB_OUTPUT": t.TempDir()})
	if err := broken.SetOutput("x", "y"); err == nil || !strings.Contains(err.Error(), `set output "x"`) {
		t.Errorf("SetOutput() to a directory = %v", err)
	}
	outside, _ := runner(t, nil)
	if err := outside.SetOutput("x", "y"); err != nil {
		t.Errorf("SetOutput() outside of a runner = %v", err)
	}
}

func TestPrint(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name, text string
		stopped    bool
	}{
		{"plain", "plain text", false},
		{"empty", "", false},
		{"several_lines", "one\n\ntwo\n", false},
		{"colons_inside", "std::vector ::error::x", false},
		{"hashes", "## [heading]\n# #[x]", false},
		{"first_line", "::set-output name=a::b", true},
		{"after_spaces", "a\n \t\u00a0::error::x\nb", true},
		{"after_crlf", "a\r\n::error::x", true},
		{"after_lone_cr", "a\r::error::x", true},
		{"legacy_first", "##[error]x", true},
		{"legacy_inside", "text ##[set-output name=a]b", true},
		{"hidden_by_format_character", "\u00ad:\u200b:error::x", true},
		{"hidden_by_control_character", "\x00::error::x\n#\x01#[error]", true},
		{"invalid_utf8", "\xff\n::error::\xff", true},
		{"stop_of_its_own", "::stop-commands::x\n::x::\n::error::y", true},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			r, log := runner(t, nil)
			r.Print(tc.text)
			want := tc.text
			if want != "" && !strings.HasSuffix(want, "\n") {
				want += "\n"
			}
			got := log.String()
			if tc.stopped {
				head, body, _ := strings.Cut(got, "\n")
				token, ok := strings.CutPrefix(head, "::stop-commands::")
				if !ok || len(token) < 20 {
					t.Fatalf("commands are not stopped before the text: %q", got)
				}
				if got, ok = strings.CutSuffix(body, "::"+token+"::\n"); !ok || strings.Contains(got, token) {
					t.Fatalf("commands are not started after the text: %q", body)
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("log (-want +got):\n%s", diff)
			}
		})
	}
}

func TestPrintTokens(t *testing.T) {
	t.Parallel()
	r, log := runner(t, nil)
	r.Print("::error::x")
	first := log.String()
	r.Print(first)
	token := strings.TrimSpace(strings.TrimPrefix(strings.SplitAfter(first, "\n")[0], "::stop-commands::"))
	if second := strings.TrimPrefix(log.String(), first); strings.HasPrefix(second, "::stop-commands::"+token) {
		t.Errorf("the token %s came twice", token)
	}
}

func TestGroup(t *testing.T) {
	t.Parallel()
	r, log := runner(t, nil)
	r.Group("migrate\r\n::error::100%\tdone ")
	r.EndGroup()
	if diff := cmp.Diff("::group::migrate ::error::100%25 done\n::endgroup::\n", log.String()); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
}

// full is a log that can't be written.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

func TestLogErrorsAreNoPanic(t *testing.T) {
	t.Parallel()
	r := github.New(func(string) string { return "" }, full{})
	r.Mask("a")
	r.Print("a\n::b::")
	r.Group("a")
	r.EndGroup()
	r.Annotate(github.Annotation{Message: "a"})
}

func TestAnnotate(t *testing.T) {
	t.Parallel()
	r, log := runner(t, nil)
	given := []github.Annotation{
		{Severity: github.Notice, Message: "last"},
		{Severity: github.Warning, Title: "a: b, c\nd", Message: "third"},
		{Severity: github.Error, File: "a,b::c%0A\n.sql", Line: 3, Message: "100%\r\n::error::forged %s"},
		{Severity: github.Warning, Line: 7, Message: "fourth: a line needs a file"},
		{Severity: github.Error, File: "b.sql", Message: "second %!d(MISSING)"},
	}
	before := slices.Clone(given)
	r.Annotate(given...)
	want := "::error file=a%2Cb%3A%3Ac%250A%0A.sql,line=3::100%25%0D%0A::error::forged %25s\n" +
		"::error file=b.sql::second %25!d(MISSING)\n" +
		"::warning title=a%3A b%2C c%0Ad::third\n" +
		"::warning::fourth: a line needs a file\n" +
		"::notice::last\n"
	if diff := cmp.Diff(want, log.String()); diff != "" {
		t.Errorf("annotations (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(before, given); diff != "" {
		t.Errorf("Annotate() changed its arguments (-want +got):\n%s", diff)
	}
}

func TestInput(t *testing.T) {
	t.Parallel()
	r, _ := runner(t, map[string]string{"INPUT_API-TOKEN": " secret\n", "INPUT_DRY_RUN": "true"})
	for name, want := range map[string]string{"api-token": "secret", "dry-run": "", "missing": ""} {
		if got := r.Input(name); got != want {
			t.Errorf("Input(%q) = %q, want %q", name, got, want)
		}
	}
}

func TestMask(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ secret, want string }{
		"empty":         {"", ""},
		"white_space":   {" \n\t", ""},
		"one_line":      {"100%\n", "::add-mask::100%25\n"},
		"several_lines": {"one\r\n\n two\rthree\n", "::add-mask::one%0D%0A%0A two%0Dthree\n::add-mask::one\n::add-mask::two\n::add-mask::three\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, log := runner(t, nil)
			r.Mask(tc.secret)
			if diff := cmp.Diff(tc.want, log.String()); diff != "" {
				t.Errorf("masks (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDebug(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]bool{"": false, "0": false, "1": true} {
		if r, _ := runner(t, map[string]string{"RUNNER_DEBUG": value}); r.Debug() != want {
			t.Errorf("Debug() with %q = %t, want %t", value, !want, want)
		}
	}
}

func TestSummary(t *testing.T) {
	t.Parallel()
	const note = "\n*The report was cut: a job summary holds 1 MiB.*\n"
	lines := strings.Repeat("0123456789abcde\n", 40_000)
	for name, tc := range map[string]struct {
		calls []string
		check func(string) bool
	}{
		"as_given":        {[]string{"# One\n", "two"}, func(s string) bool { return s == "# One\ntwo\n" }},
		"invalid_utf8":    {[]string{"a\xff\xfeb"}, func(s string) bool { return s == "a\ufffdb\n" }},
		"first_call_fits": {[]string{lines}, func(s string) bool { return s == lines }},
		"second_call_is_cut_once": {[]string{lines, lines, lines, "late\n"}, func(s string) bool {
			body, ok := strings.CutSuffix(s, note)
			return ok && len(s) > 1_000_000 && strings.HasPrefix(lines+lines, body) && strings.HasSuffix(body, "abcde\n")
		}},
		"no_line_end":           {[]string{"kept\n", strings.Repeat("ü", 1<<20), "late\n"}, func(s string) bool { return s == "kept\n"+note }},
		"one_call_is_too_large": {[]string{lines + lines}, func(s string) bool { return strings.HasSuffix(s, "abcde\n"+note) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "summary")
			r, _ := runner(t, map[string]string{"GITHUB_STEP_SUMMARY": file})
			for _, markdown := range tc.calls {
				if err := r.Summary(markdown); err != nil {
					t.Fatal(err)
				}
			}
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if s := string(data); len(s) >= 1<<20 || !utf8.ValidString(s) || !tc.check(s) {
				t.Errorf("the summary has %d bytes and ends in %q", len(s), s[max(len(s)-80, 0):])
			}
		})
	}
	broken, _ := runner(t, map[string]string{"GITHUB_STEP_SUMMARY": t.TempDir()})
	if err := broken.Summary("x"); err == nil {
		t.Error("Summary() to a directory succeeded")
	}
	outside, _ := runner(t, nil)
	if err := outside.Summary(lines + lines); err != nil {
		t.Errorf("Summary() outside of a runner = %v", err)
	}
}
