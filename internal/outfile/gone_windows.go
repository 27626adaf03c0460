package outfile

import "syscall"

// readerGone are the errors of a pipe that nobody reads any more: ERROR_BROKEN_PIPE and ERROR_NO_DATA
// (https://learn.microsoft.com/windows/win32/debug/system-error-codes--0-499-).
var readerGone = []error{syscall.Errno(109), syscall.Errno(232)}
