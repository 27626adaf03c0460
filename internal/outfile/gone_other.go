//go:build !windows

package outfile

import "syscall"

// readerGone are the errors of a pipe, or a socket, that nobody reads any more.
var readerGone = []error{syscall.EPIPE, syscall.ECONNRESET}
