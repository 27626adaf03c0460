// Package outfile writes the files that a user names: whole or not at all, with the links
// followed, and through a device or a pipe rather than over it.
package outfile

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// ErrExists is the error of a write that would replace a file without being told to.
var ErrExists = errors.New("exists already")

// Unsuitable is the error of a name under which nothing can be written.
type Unsuitable struct {
	Name    string // as the user gave it
	Problem string
}

func (u *Unsuitable) Error() string { return u.Name + " " + u.Problem }

// WriteError is the error of a write that failed. What was there before is still there, unless
// it is a stream: that has got what was written so far.
type WriteError struct{ Err error }

func (w *WriteError) Error() string { return w.Err.Error() }

func (w *WriteError) Unwrap() error { return w.Err }

// File is what a name means.
type File struct {
	name   string
	path   string      // without links; "" for an open stream
	info   fs.FileInfo // nil for a new file, and for a writer
	folder fs.FileInfo // the directory of path
	stream bool        // written through, never replaced
	writer io.Writer   // an open stream
	number int         // of the descriptor that the name means, -1 for none
}

// maxLinks is where a chain of symbolic links counts as a loop, as on Linux (man 7 path_resolution).
const maxLinks = 40

// Find follows the links of name. Nothing is opened or written. The error is an *Unsuitable.
func Find(name string) (*File, error) {
	bad := func(format string, args ...any) error { return &Unsuitable{name, fmt.Sprintf(format, args...)} }
	path := name
	if !filepath.IsAbs(path) {
		here, err := os.Getwd()
		if err != nil {
			return nil, bad("can't be found: %v", cause(err))
		}
		path = below(here, path)
	}
	for from, links := "", 0; links <= maxLinks; links++ {
		directory, base := filepath.Split(path)
		folder, err := filepath.EvalSymlinks(directory)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil, bad("can't be created: the directory %s does not exist", shortened(name, path, directory))
		case err != nil:
			return nil, bad("can't be created: the directory %s: %v", shortened(name, path, directory), cause(err))
		case base == "" || base == "." || base == "..":
			if info, err := os.Stat(folder); err == nil && !info.IsDir() {
				return nil, bad("can't be created: %s is not a directory", shortened(name, path, directory))
			}
			return nil, bad("is a directory")
		}
		path = filepath.Join(folder, base)
		if n, ok := descriptor(path); ok {
			return findDescriptor(name, path, n)
		}
		info, err := os.Lstat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			// A link of the kernel's, as in /proc/1/fd, may lead to what has no name.
			if there, err := os.Stat(from); err == nil && isStream(there.Mode()) {
				return found(name, from, folder, there)
			}
			return inFolder(&File{name: name, path: path, number: -1}, folder)
		case err != nil:
			return nil, bad("can't be created: %v", cause(err))
		case info.Mode()&fs.ModeSymlink == 0:
			return found(name, path, folder, info)
		}
		link, err := os.Readlink(path)
		if err != nil {
			return nil, bad("can't be created: %v", cause(err))
		}
		if !filepath.IsAbs(link) {
			link = folder + string(filepath.Separator) + link
		}
		from, path = path, link
	}
	return nil, bad("can't be created: too many levels of symbolic links")
}

// below is path in the directory here: not filepath.Abs, which would shorten link/../file without
// looking at the link. On Windows a path may be relative to a drive, which only that knows.
func below(here, path string) string {
	if filepath.VolumeName(path) != "" || path != "" && os.IsPathSeparator(path[0]) {
		if full, err := filepath.Abs(path); err == nil {
			return full
		}
	}
	return here + string(filepath.Separator) + path
}

// Stream is an open stream as a File.
func Stream(name string, w io.Writer) *File {
	return &File{name: name, stream: true, writer: w, number: -1}
}

// Path returns the file without links, "" for an open stream.
func (f *File) Path() string { return f.path }

// Exists reports whether a file is there that a write would replace.
func (f *File) Exists() bool { return f.info != nil && !f.stream }

// IsStream reports whether the file is written through: a device, a pipe, an open descriptor.
func (f *File) IsStream() bool { return f.stream }

// IsPipe reports whether the file is a named pipe: opening it waits for its reader.
func (f *File) IsPipe() bool {
	return f.stream && f.number < 0 && f.info != nil && f.info.Mode()&fs.ModeNamedPipe != 0
}

// Descriptor returns the number of the open descriptor that the name means, as /dev/stdout does.
func (f *File) Descriptor() (number int, ok bool) { return f.number, f.number >= 0 }

// Is reports whether the file is the one at path, or would be made there.
func (f *File) Is(path string) bool {
	if f.info != nil {
		if info, err := os.Stat(path); err == nil && os.SameFile(info, f.info) {
			return true
		}
	}
	if f.path == "" || f.folder == nil {
		return false
	}
	folder, err := os.Stat(filepath.Dir(path))
	return err == nil && os.SameFile(folder, f.folder) && strings.EqualFold(filepath.Base(path), filepath.Base(f.path))
}

// Inside reports whether the file is in directory, however deep, is the directory's own name, or
// is one of the files there under a second name.
func (f *File) Inside(directory string) bool {
	if f.Is(directory) {
		return true
	}
	if f.path != "" && Within(filepath.Dir(f.path), directory) {
		return true
	}
	return f.info != nil && f.info.Mode().IsRegular() && f.linkedIn(directory)
}

// Within reports whether path, which exists, is directory or lies in it, links followed.
func Within(path, directory string) bool {
	info, err := os.Stat(directory)
	if err != nil {
		return false // then nothing is in it
	}
	if path, err = filepath.Abs(path); err == nil {
		path, err = filepath.EvalSymlinks(path)
	}
	for at := path; err == nil; at = filepath.Dir(at) {
		if there, err := os.Stat(at); err == nil && os.SameFile(there, info) {
			return true
		}
		if at == filepath.Dir(at) {
			break
		}
	}
	return false
}

// linkedIn reports whether one of the files in directory is this one.
func (f *File) linkedIn(directory string) bool {
	if real, err := filepath.EvalSymlinks(directory); err == nil {
		directory = real // a link is not walked
	}
	same := false
	_ = filepath.WalkDir(directory, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return nil
		}
		if info, err := entry.Info(); err == nil && os.SameFile(info, f.info) {
			same = true
			return fs.SkipAll
		}
		return nil
	})
	return same
}

// Write calls write with what takes the content, and puts that in place once it is whole; a stream
// gets it as it comes. A new file gets mode, less the umask; one that is replaced keeps its own.
// Without replace a file that exists stays, even one that came up meanwhile: the error is then
// ErrExists. One that ctx ended is its own, others are those of write, an *Unsuitable or a *WriteError.
func (f *File) Write(ctx context.Context, replace bool, mode fs.FileMode, write func(io.Writer) error) error {
	if f.stream {
		return f.through(ctx, write)
	}
	now, err := Find(f.name)
	if err != nil {
		return err
	}
	if now.Exists() && !replace { // before write takes its time
		return ErrExists
	}
	root, err := os.OpenRoot(filepath.Dir(f.path))
	if err != nil {
		return &WriteError{cause(err)}
	}
	defer func() { _ = root.Close() }()
	if here, err := root.Stat("."); err != nil || now.stream || now.path != f.path || !os.SameFile(here, f.folder) {
		return &WriteError{errors.New("the name means another file than at the start of the run")}
	}
	return whole(ctx, root, filepath.Base(f.path), now.info, replace, mode, write)
}

// Create writes a new file, as Write does. What has its name, a link too, stays.
func Create(ctx context.Context, path string, mode fs.FileMode, content []byte) error {
	root, err := os.OpenRoot(filepath.Dir(path))
	if err != nil {
		return &WriteError{cause(err)}
	}
	defer func() { _ = root.Close() }()
	return whole(ctx, root, filepath.Base(path), nil, false, mode, func(w io.Writer) error {
		_, err := w.Write(content)
		return err
	})
}

// whole writes a temporary file and puts it into its place; nothing is left of it otherwise.
func whole(
	ctx context.Context, root *os.Root, base string, old fs.FileInfo, replace bool, mode fs.FileMode, write func(io.Writer) error,
) error {
	temporary := ".d1-rewind-" + rand.Text()
	file, err := root.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return &WriteError{cause(err)}
	}
	defer func() { _ = root.Remove(temporary) }() // unless it has its place
	out := &remembering{w: file}
	err = write(out)
	closing := file.Sync()
	if old != nil && closing == nil {
		closing = file.Chmod(old.Mode().Perm())
	}
	closing = errors.Join(closing, file.Close())
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case out.err != nil:
		return &WriteError{cause(out.err)}
	case err != nil:
		return err
	case closing != nil:
		return &WriteError{cause(closing)}
	}
	if err := place(root, temporary, base, replace); errors.Is(err, ErrExists) {
		return err
	} else if err != nil {
		return &WriteError{cause(err)}
	}
	if directory, err := root.Open("."); err == nil { // the name survives a loss of power, too, where the system can do that
		_ = directory.Sync()
		_ = directory.Close()
	}
	return nil
}

// place gives the temporary file its name. Where nothing may be replaced the system decides that,
// so that of two runs one has the name: by a second name for the file, which is refused if there
// is one, and where the file system has no such names (FAT, some network shares) by an empty file.
func place(root *os.Root, temporary, base string, replace bool) error {
	if replace {
		return root.Rename(temporary, base)
	}
	err := root.Link(temporary, base)
	if err == nil {
		return nil
	}
	if errors.Is(err, fs.ErrExist) {
		return ErrExists
	}
	claim, err := root.OpenFile(base, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return ErrExists
	} else if err != nil {
		return err
	}
	if err := errors.Join(claim.Close(), root.Rename(temporary, base)); err != nil {
		return errors.Join(err, root.Remove(base))
	}
	return nil
}

// found is the File of what is at path.
func found(name, path, folder string, info fs.FileInfo) (*File, error) {
	mode := info.Mode()
	problem := ""
	switch {
	case mode.IsDir():
		problem = "is a directory"
	case mode&fs.ModeSocket != 0:
		problem = "is a socket, which can't be written as a file"
	case mode&fs.ModeDevice != 0 && mode&fs.ModeCharDevice == 0:
		problem = "is a block device, whose content this would destroy"
	case !mode.IsRegular() && !isStream(mode):
		problem = "is not a file that can be written"
	}
	if problem != "" {
		return nil, &Unsuitable{name, problem}
	}
	return inFolder(&File{name: name, path: path, info: info, stream: isStream(mode), number: -1}, folder)
}

func inFolder(f *File, folder string) (*File, error) {
	info, err := os.Stat(folder)
	if err != nil {
		return nil, &Unsuitable{f.name, fmt.Sprintf("can't be created: the directory %s: %v", folder, cause(err))}
	}
	f.folder = info
	return f, nil
}

func isStream(mode fs.FileMode) bool {
	return mode&fs.ModeNamedPipe != 0 || mode&fs.ModeCharDevice != 0
}

// shortened is directory as the user named it, if no link was followed.
func shortened(name, path, directory string) string {
	if strings.HasSuffix(path, name) {
		directory, _ = filepath.Split(name)
	}
	if trimmed := strings.TrimRightFunc(directory, func(r rune) bool { return r < 0x80 && os.IsPathSeparator(uint8(r)) }); trimmed != "" {
		return trimmed
	}
	return directory
}

// cause is an error without the path, which is that of a temporary file or one with the links
// followed; the caller has the name that the user knows.
func cause(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	if l, ok := errors.AsType[*os.LinkError](err); ok {
		return l.Err
	}
	return err
}

// ReaderGone reports whether a write failed because nobody reads on.
func ReaderGone(err error) bool {
	for _, code := range readerGone {
		if errors.Is(err, code) {
			return true
		}
	}
	return false
}
