//go:build unix

package wranglertest

import (
	"os/exec"
	"syscall"
)

// lead makes the command the leader of a process group: wrangler starts workerd and others.
func lead(c *exec.Cmd) { c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

func kill(c *exec.Cmd) { _ = syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }
