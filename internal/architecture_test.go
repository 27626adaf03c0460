package internal_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const module = "github.com/d1-rewind/d1-rewind"

// arrows are the imports that each room has, and may have: they point inwards to the engine.
var arrows = map[string][]string{
	"": {"internal/cli"},
	"internal/cli": {"internal/d1", "internal/github", "internal/migration", "internal/outfile", "internal/rehearsal", "internal/report", "internal/sqlite",
		"internal/wrangler"},
	"internal/rehearsal": {"internal/migration", "internal/sqlite", "internal/statement"},
	"internal/report":    {"internal/migration"},
	"internal/sqlite":    {"internal/migration", "internal/statement"},
	"internal/migration": {"internal/statement"},
	"internal/d1":        {"internal/migration", "internal/statement"},
	"internal/github":    {},
	"internal/outfile":   {},
	"internal/statement": {},
	"internal/wrangler":  {},
	"bench":              {}, // drives the built program
}

func TestArrows(t *testing.T) {
	t.Parallel()
	seen, used := map[string]bool{}, map[string]bool{}
	for _, file := range files(t) {
		if file.test {
			continue
		}
		allowed, known := allowedIn(file.room)
		if !known && !seen[file.room] {
			t.Errorf("%s is a new room: give it a sentence in docs/architecture.md and its arrows here", file.room)
		}
		seen[file.room] = true
		for _, spec := range file.syntax.Imports {
			imported, inside := strings.CutPrefix(importPath(t, spec), module+"/")
			used[file.room+" "+imported] = true
			if known && inside && !slices.Contains(allowed, imported) {
				t.Errorf("%s: room %q must not import %s", file.name, file.room, imported)
			}
		}
	}
	for room, to := range arrows {
		if !seen[room] {
			t.Errorf("room %q is in the picture, but there is no such package", room)
		}
		for _, imported := range to {
			if !used[room+" "+imported] {
				t.Errorf("room %q does not import %s", room, imported)
			}
		}
	}
}

// TestPicture holds the picture in docs/architecture.md, and its list of rooms, to the arrows.
func TestPicture(t *testing.T) {
	t.Parallel()
	document, err := os.ReadFile("../docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	drawn := map[string][]string{"internal/github": {}, "internal/outfile": {}, "internal/statement": {}, "internal/wrangler": {}, "bench": {}} // without arrows
	for line := range strings.Lines(string(document)) {
		from, to, found := strings.Cut(strings.TrimSpace(line), " --> ")
		if !found {
			continue
		}
		if from = "internal/" + from; from == "internal/main" {
			from = ""
		}
		for _, room := range strings.Split(to, " & ") {
			drawn[from] = append(drawn[from], "internal/"+room)
		}
		slices.Sort(drawn[from])
	}
	if diff := cmp.Diff(arrows, drawn); diff != "" {
		t.Errorf("the picture (-want +got):\n%s", diff)
	}
	for room := range arrows {
		if name := "`" + or(room, "main.go") + "`"; !strings.Contains(string(document), name) {
			t.Errorf("docs/architecture.md has no sentence for %s", name)
		}
	}
}

func or(name, fallback string) string {
	if name == "" {
		return fallback
	}
	return name
}

// allowedIn returns the arrows of a room. A test-only room, x/xtest, stands beside the room that
// it serves: it may import that one, what that one may import, and the embedded SQLite. It is in
// nobody's arrows, so only tests can import it.
func allowedIn(room string) (allowed []string, known bool) {
	if allowed, known = arrows[room]; known {
		return allowed, true
	}
	if served, isProgram := programOf(room); isProgram {
		return []string{served}, true
	}
	served := path.Dir(room)
	if path.Base(room) != path.Base(served)+"test" {
		return nil, false
	}
	allowed, known = arrows[served]
	return append(slices.Clone(allowed), served, "internal/sqlite"), known
}

// programOf returns the test-only room that a room makes a program of its own: x/xtest/serve, a
// stand-in that runs until it is told to stop, and x/xtest/job, which does one thing and exits with
// what came of it.
func programOf(room string) (served string, isProgram bool) {
	name := path.Base(room)
	return path.Dir(room), strings.HasSuffix(path.Dir(room), "test") && (name == "serve" || name == "job")
}

func TestRoomsAreNamedForWhatTheyDo(t *testing.T) {
	t.Parallel()
	empty := []string{"common", "helper", "helpers", "models", "types", "util", "utils"}
	for _, file := range files(t) {
		name := strings.TrimSuffix(file.syntax.Name.Name, "_test")
		if slices.Contains(empty, name) || slices.Contains(empty, path.Base(file.room)) {
			t.Errorf("%s: package %s says nothing of what is in it", file.name, name)
		}
	}
}

func TestMainIsAWire(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("../main.go")
	if err != nil {
		t.Fatal(err)
	}
	if lines := strings.Count(string(source), "\n"); lines > 40 {
		t.Errorf("main.go has %d lines: logic belongs into internal/cli", lines)
	}
}

func TestOnlyMainExits(t *testing.T) {
	t.Parallel()
	exits := map[string][]string{
		"os":      {"Exit"},
		"syscall": {"Exit"},
		"log":     {"Fatal", "Fatalf", "Fatalln"},
	}
	for _, file := range files(t) {
		if _, isProgram := programOf(file.room); path.Base(file.name) == "main.go" && (isProgram || file.room == "" || file.room == "bench") {
			continue
		}
		names := map[string][]string{} // what the file calls the packages
		for _, spec := range file.syntax.Imports {
			imported := importPath(t, spec)
			name := imported
			if spec.Name != nil {
				name = spec.Name.Name
			}
			if exits[imported] != nil {
				names[name] = exits[imported]
			}
		}
		ast.Inspect(file.syntax, func(node ast.Node) bool {
			selector, ok := node.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			testMain := file.test && selector.Sel.Name == "Exit" // what a TestMain ends with
			if name, ok := selector.X.(*ast.Ident); ok && slices.Contains(names[name.Name], selector.Sel.Name) && !testMain {
				t.Errorf("%s uses %s.%s: return an error, only main exits", file.name, name.Name, selector.Sel.Name)
			}
			return true
		})
	}
}

type file struct {
	name   string // relative to the module
	room   string // its directory; "" is the module's
	test   bool
	syntax *ast.File
}

// files parses every Go file of the module, whichever system it is built for. It reads them itself
// because `go list` sees only those of the system it runs on.
func files(t *testing.T) []file {
	t.Helper()
	var found []file
	err := filepath.WalkDir("..", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := entry.Name()
		if entry.IsDir() {
			if name != ".." && (strings.HasPrefix(base, ".") || base == "testdata" || base == "node_modules") {
				return fs.SkipDir
			}
			return nil
		}
		if filepath.Ext(base) != ".go" {
			return nil
		}
		syntax, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		relative, err := filepath.Rel("..", name)
		if err != nil {
			return err
		}
		relative = filepath.ToSlash(relative)
		room := path.Dir(relative)
		if room == "." {
			room = ""
		}
		found = append(found, file{relative, room, strings.HasSuffix(base, "_test.go"), syntax})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func importPath(t *testing.T, spec *ast.ImportSpec) string {
	t.Helper()
	imported, err := strconv.Unquote(spec.Path.Value)
	if err != nil {
		t.Fatal(err)
	}
	return imported
}
