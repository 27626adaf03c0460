package wrangler

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
)

const (
	maxSize  = 1 << 20 // of a configuration or a .env file
	maxDepth = 500     // of a configuration; the parsers call themselves for each level
)

// readFile reads a regular file that is not larger than maxSize. It does not wait for a writer
// of a pipe.
func readFile(file string) ([]byte, error) {
	f, err := os.OpenFile(file, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case info.IsDir():
		return nil, syscall.EISDIR
	case !info.Mode().IsRegular():
		return nil, errors.New("it is a pipe or a device, not a file")
	}
	data, err := io.ReadAll(io.LimitReader(f, maxSize+1))
	if err == nil && len(data) > maxSize {
		err = fmt.Errorf("it is larger than %d MiB", maxSize>>20)
	}
	return data, err
}

// tooDeep returns the line on which brackets nest deeper than maxDepth, 0 if there is none. In
// what comes after an error of syntax it may be wrong, but there no parser gets.
func tooDeep(data []byte, isTOML bool) int {
	depth := 0
	for i := 0; i < len(data); {
		rest := data[i:]
		if n := skipped(rest, isTOML); n > 0 {
			i += n
			continue
		}
		switch rest[0] {
		case '[', '{':
			if depth++; depth > maxDepth {
				return 1 + bytes.Count(data[:i], []byte("\n"))
			}
		case ']', '}':
			depth--
		}
		i++
	}
	return 0
}

// skipped returns the length of the comment or string at the beginning of data, 0 if there is
// none.
func skipped(data []byte, isTOML bool) int {
	until := func(start int, end string, escapes bool) int {
		for i := start; i < len(data); i++ {
			switch {
			case escapes && data[i] == '\\':
				i++
			case bytes.HasPrefix(data[i:], []byte(end)):
				return i + len(end)
			}
		}
		return len(data)
	}
	starts := func(s string) bool { return bytes.HasPrefix(data, []byte(s)) }
	switch {
	case isTOML && starts("#"), !isTOML && starts("//"):
		return until(1, "\n", false)
	case !isTOML && starts("/*"):
		return until(2, "*/", false)
	case isTOML && starts(`"""`):
		return until(3, `"""`, true)
	case isTOML && starts("'''"):
		return until(3, "'''", false)
	case isTOML && starts("'"):
		return until(1, "'", false)
	case starts(`"`):
		return until(1, `"`, true)
	}
	return 0
}
