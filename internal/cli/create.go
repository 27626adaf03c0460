package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/d1-rewind/d1-rewind/internal/migration"
	"github.com/d1-rewind/d1-rewind/internal/outfile"
)

// create writes the next migration's empty file, as wrangler would name and begin it. Nothing is left
// of one that can't be written, nor of the directories made for it.
func (j *job) create(ctx context.Context) (path string, err error) {
	directory := filepath.FromSlash(j.engine.Directory.Display)
	made, err := makeDirectories(directory)
	defer func() {
		if err == nil {
			return
		}
		for _, dir := range made {
			_ = os.Remove(dir) // the deepest first, and only what nobody else uses meanwhile
		}
	}()
	if err != nil {
		return "", unmade(err)
	}
	defer lockDirectory(ctx, directory, j.p.Sleep)()
	name, err := j.engine.Directory.NextName(j.title)
	if err != nil {
		return "", err
	}
	number, _, _ := strings.Cut(name, "_")
	path = filepath.Join(directory, name)
	text := fmt.Sprintf("-- Migration number: %s \t %s\n", number, j.p.Now().UTC().Format("2006-01-02T15:04:05.000Z"))
	err = outfile.Create(ctx, path, 0o644, []byte(text))
	if errors.Is(err, outfile.ErrExists) {
		return "", &migration.Problem{Err: fmt.Errorf("write the migration: %s exists already, and is no migration", filepath.ToSlash(path)),
			State: "nothing was written", Next: "move it away (a link, or a directory, is left out when migrations are read), or give another name"}
	}
	if _, ok := errors.AsType[*outfile.WriteError](err); ok {
		return "", unmade(err)
	}
	return filepath.ToSlash(path), err
}

// unmade is the problem of a migration that can't be written.
func unmade(err error) error {
	return &migration.Problem{Err: fmt.Errorf("write the migration: %w", err), State: "nothing was written",
		Next: "check that there is room on the disk and that the directory is writable"}
}

// makeDirectories makes a directory and those above it, and returns which are new, the deepest first,
// also with an error.
func makeDirectories(directory string) (made []string, err error) {
	var missing []string
	for at := directory; ; at = filepath.Dir(at) {
		if _, err := os.Stat(at); !errors.Is(err, fs.ErrNotExist) || at == filepath.Dir(at) {
			break
		}
		missing = append(missing, at)
	}
	for i := len(missing) - 1; i >= 0; i-- {
		switch err := os.Mkdir(missing[i], 0o755); {
		case err == nil:
			made = append([]string{missing[i]}, made...)
		case !errors.Is(err, fs.ErrExist): // someone else may have been faster
			return made, err
		}
	}
	return made, nil
}
