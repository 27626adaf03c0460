package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// inside refuses paths that a container would lose, everything but the workspace being gone when
// it ends, and that a pull request's symbolic links may have led elsewhere.
func (j *job) inside(option, path string) error {
	_, err := j.within(option, path)
	return err
}

// within returns the path below the workspace at which path really lies; "" outside of an action.
func (j *job) within(option, path string) (string, error) {
	workspace := j.event.Workspace
	if !j.inAction || workspace == "" {
		return "", nil
	}
	root, err := filepath.EvalSymlinks(workspace)
	if err != nil {
		return "", &usageError{fmt.Sprintf("the workspace %q can't be read: %v", workspace, err), "check out the repository before this step"}
	}
	full, err := filepath.Abs(path)
	if err == nil {
		full, err = realPath(full)
	}
	if err != nil {
		return "", &usageError{fmt.Sprintf("%s %q can't be read: %v", option, path, err), "check the path"}
	}
	rel, err := filepath.Rel(root, full)
	if err != nil || !filepath.IsLocal(rel) {
		return "", &usageError{fmt.Sprintf("%s %q lies outside of the workspace %s", option, path, workspace),
			"paths in an action are relative to the repository; files elsewhere are lost when the container ends"}
	}
	return rel, nil
}

// longestChain is how many links that lead to nothing yet are followed, as many as Linux follows.
const longestChain = 40

// realPath is where an absolute path lies: the part that exists decides, and a link to what does not
// exist yet counts by where a file would be made through it.
func realPath(path string) (string, error) {
	existing, missing := path, ""
	for range longestChain {
		resolved, err := filepath.EvalSymlinks(existing)
		if err == nil {
			return filepath.Join(resolved, missing), nil
		}
		if !errors.Is(err, fs.ErrNotExist) || existing == filepath.Dir(existing) {
			return "", err
		}
		if to, err := os.Readlink(existing); err == nil {
			if !filepath.IsAbs(to) {
				above, err := realPath(filepath.Dir(existing))
				if err != nil {
					return "", err
				}
				to = filepath.Join(above, to)
			}
			existing = to
			continue
		}
		existing, missing = filepath.Dir(existing), filepath.Join(filepath.Base(existing), missing)
	}
	return "", errors.New("too many levels of symbolic links")
}

// insideState refuses a link below persist-to that leads out of the workspace: on the way to the
// database's file, the file itself and those that SQLite keeps beside it, and the copies.
func (j *job) insideState(state, file string) error {
	copies := filepath.Join(state, "d1-rewind", strings.TrimSuffix(filepath.Base(file), ".sqlite"))
	beside := file
	if resolved, err := filepath.EvalSymlinks(file); err == nil {
		beside = resolved
	}
	for _, path := range []string{file, beside + "-wal", beside + "-shm", beside + "-journal", copies} {
		if err := j.inside("persist-to", path); err != nil {
			return err
		}
	}
	return nil
}

// files is the migrations directory. In an action no link in it leads out of the workspace, at the
// very moment when a file is opened.
func (j *job) files(directory string) (fs.FS, error) {
	rel, err := j.within("migrations-dir", directory)
	if err != nil {
		return nil, err
	}
	if rel == "" {
		return os.DirFS(directory), nil
	}
	workspace, err := os.OpenRoot(j.event.Workspace)
	if err != nil {
		return nil, err
	}
	return fs.Sub(workspace.FS(), filepath.ToSlash(rel))
}
