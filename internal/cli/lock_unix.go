//go:build linux || darwin

package cli

import (
	"context"
	"os"
	"syscall"
	"time"
)

// How long a create waits for another one, which takes some milliseconds.
const (
	lockPause = 20 * time.Millisecond
	lockTries = 100
)

// lockDirectory keeps other creates from taking the same number, as far as the file system can: a
// directory that can't be locked is no error. It returns what ends the lock; so does the program's end.
func lockDirectory(ctx context.Context, path string, sleep func(context.Context, time.Duration) error) (unlock func()) {
	directory, err := os.Open(path)
	if err != nil {
		return func() {}
	}
	for range lockTries {
		if syscall.Flock(int(directory.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != syscall.EWOULDBLOCK || sleep(ctx, lockPause) != nil {
			break
		}
	}
	return func() { _ = directory.Close() }
}
