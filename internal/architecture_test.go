package internal_test

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/d1-rewind/d1-rewind"

// arrows are the imports that each room may have: they point inwards to the engine.
var arrows = map[string][]string{
	"":                   {"internal/cli"},
	"internal/cli":       {"internal/github", "internal/migration", "internal/rehearsal", "internal/report", "internal/sqlite", "internal/wrangler"},
	"internal/rehearsal": {"internal/migration", "internal/sqlite", "internal/statement"},
	"internal/report":    {"internal/migration", "internal/rehearsal"},
	"internal/sqlite":    {"internal/migration", "internal/statement"},
	"internal/migration": {"internal/statement"},
	"internal/github":    {},
	"internal/statement": {},
	"internal/wrangler":  {},
}

func TestArrows(t *testing.T) {
	t.Parallel()
	command := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Imports", module+"/...")
	command.Stderr = os.Stderr
	output, err := command.Output()
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	decoder := json.NewDecoder(strings.NewReader(string(output)))
	for {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if len(p.Imports) == 0 {
			continue // tests only
		}
		room := within(p.ImportPath)
		allowed, known := arrows[room]
		if !known {
			t.Errorf("%s is a new room: give it a sentence in CONTRIBUTING.md and its arrows here", room)
		}
		seen++
		for _, imported := range p.Imports {
			if strings.HasPrefix(imported, module+"/") && !slices.Contains(allowed, within(imported)) {
				t.Errorf("%q must not import %s", room, within(imported))
			}
		}
	}
	if seen != len(arrows) {
		t.Errorf("go list found %d rooms, the picture has %d", seen, len(arrows))
	}
}

func within(path string) string {
	return strings.TrimPrefix(strings.TrimPrefix(path, module), "/")
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
	err = filepath.WalkDir(".", func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(path) != ".go" || path == "architecture_test.go" {
			return err
		}
		data, err := os.ReadFile(path)
		if strings.Contains(string(data), "os.Exit(") {
			t.Errorf("%s calls os.Exit: only main does", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
