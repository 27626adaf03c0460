//go:build !unix

package wranglertest

import "os/exec"

func lead(*exec.Cmd) {}

func kill(c *exec.Cmd) { _ = c.Process.Kill() }
