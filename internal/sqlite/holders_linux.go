package sqlite

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// holders returns the other processes that have the database at path open, as far as this
// one may see: "workerd (process 4711)".
func holders(path string) []string {
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil
	}
	descriptors, _ := filepath.Glob("/proc/[0-9]*/fd/*") // the pattern is well-formed
	var found []string
	for _, descriptor := range descriptors {
		process := strings.Split(descriptor, "/")[2]
		target, err := os.Readlink(descriptor)
		if err != nil || process == strconv.Itoa(os.Getpid()) || !slices.Contains([]string{path, path + "-wal", path + "-shm"}, target) {
			continue
		}
		name, _ := os.ReadFile(filepath.Join("/proc", process, "comm")) // gone meanwhile
		found = append(found, fmt.Sprintf("%s (process %s)", strings.TrimSpace(string(name)), process))
	}
	slices.Sort(found)
	return slices.Compact(found)
}
