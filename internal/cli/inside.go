package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
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
	full, err := realPath(path)
	if err != nil {
		return "", &usageError{fmt.Sprintf("%s %q can't be read: %v", option, path, err), "check the path"}
	}
	rel, err := filepath.Rel(root, full)
	if err != nil || !filepath.IsLocal(rel) {
		return "", &usageError{fmt.Sprintf("%s %q is outside of the workspace %s", option, path, workspace),
			"paths in an action are relative to the repository; files elsewhere are lost when the container ends"}
	}
	return rel, nil
}

// longestChain is how many links are followed, as many as Linux follows (man 7 path_resolution).
const longestChain = 40

// realPath is where a path lies, as the system finds it: link by link, so that "link/.." is the
// directory above what the link leads to. What does not exist yet counts by where it would be made.
func realPath(path string) (string, error) {
	if !filepath.IsAbs(path) { // not filepath.Abs, which takes "link/.." away
		here, err := os.Getwd()
		if err != nil {
			return "", err
		}
		path = here + string(filepath.Separator) + path
	}
	volume := filepath.VolumeName(path)
	at, rest, links := volume+string(filepath.Separator), segments(path[len(volume):]), 0
	for len(rest) > 0 {
		name := rest[0]
		rest = rest[1:]
		switch name {
		case ".":
			continue
		case "..":
			at = filepath.Dir(at)
			continue
		}
		next := filepath.Join(at, name)
		info, err := os.Lstat(next)
		switch {
		case errors.Is(err, fs.ErrNotExist) && !slices.Contains(rest, ".."):
			return filepath.Join(append([]string{next}, rest...)...), nil
		case err != nil:
			return "", err
		case info.Mode()&fs.ModeSymlink == 0:
			at = next
			continue
		}
		if links++; links > longestChain {
			return "", errors.New("too many levels of symbolic links")
		}
		to, err := os.Readlink(next)
		if err != nil {
			return "", err
		}
		if filepath.IsAbs(to) {
			at = volume + string(filepath.Separator)
		}
		rest = append(segments(to), rest...)
	}
	return at, nil
}

// directoryOf is the directory of a file, also where its path goes up again after a link.
func directoryOf(path string) string {
	named, _ := filepath.Split(path)
	cleaned := filepath.Dir(path)
	if real, err := realPath(named); err == nil {
		if same, err := realPath(cleaned); err != nil || same != real {
			return real
		}
	}
	return cleaned
}

// segments cuts a path at its separators.
func segments(path string) []string {
	return strings.FieldsFunc(filepath.ToSlash(path), func(r rune) bool { return r == '/' })
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
