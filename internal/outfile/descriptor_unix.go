//go:build unix

package outfile

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"syscall"
)

// descriptors are the names of this process's open descriptors: on Linux /dev/fd and /dev/stdout
// lead to the first (man 5 proc), elsewhere they are the second.
var descriptors = regexp.MustCompile(fmt.Sprintf(`^(?:/proc/%d(?:/task/\d+)?|/dev)/fd/(\d+)$`, os.Getpid()))

// descriptor returns the number of the open descriptor that path names.
func descriptor(path string) (number int, ok bool) {
	match := descriptors.FindStringSubmatch(path)
	if match == nil {
		return -1, false
	}
	number, err := strconv.Atoi(match[1])
	return number, err == nil
}

// findDescriptor is what a descriptor's name means: the stream that is open there, at its place in
// the file if it is one. It is duplicated now, before the program opens files of its own.
func findDescriptor(name, path string, number int) (*File, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, &Unsuitable{name, "is not an open file of this process"}
	}
	if info.IsDir() {
		return nil, &Unsuitable{name, "is a directory"}
	}
	own, err := syscall.Dup(number)
	if err != nil {
		return nil, &Unsuitable{name, "can't be written: " + err.Error()}
	}
	syscall.CloseOnExec(own)
	return &File{name: name, info: info, stream: true, writer: os.NewFile(uintptr(own), name), number: number}, nil
}
