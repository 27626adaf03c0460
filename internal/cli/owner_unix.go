//go:build unix

package cli

import (
	"os"
	"syscall"
)

// becomeOwner gives up root for the owner of the workspace, so that files made there
// belong to that user as the runner's own do. GitHub starts a container action as root,
// and the runner's command files belong to the workspace's owner as well.
func becomeOwner(workspace string, getenv func(string) string) error {
	if getenv("D1_REWIND_CONTAINER") == "" || workspace == "" || os.Geteuid() != 0 {
		return nil
	}
	info, err := os.Stat(workspace)
	if err != nil {
		return err
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok || owner.Uid == 0 {
		return nil
	}
	if err := syscall.Setgroups(nil); err != nil {
		return err
	}
	if err := syscall.Setgid(int(owner.Gid)); err != nil {
		return err
	}
	return syscall.Setuid(int(owner.Uid))
}
