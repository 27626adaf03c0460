//go:build unix

package wrangler_test

import (
	"path/filepath"
	"syscall"
	"testing"

	"github.com/d1-rewind/d1-rewind/internal/wrangler"
)

// A pipe may have nobody who writes, and a device no end.
func TestLoadWaitsForNobody(t *testing.T) {
	t.Parallel()
	pipe := filepath.Join(t.TempDir(), "wrangler.json")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Skip(err)
	}
	for path, want := range map[string]string{pipe: "wrangler.json: can't be read: it is a pipe or a device, not a file",
		"/dev/zero": "zero: can't be read: it is a pipe or a device, not a file"} {
		_, err := wrangler.Load(path)
		checkError(t, err, want)
	}
	// Passing over the pipe would leave nothing but a phantom.
	if got, err := wrangler.Find(filepath.Dir(pipe), filepath.Dir(pipe)); err != nil || filepath.Base(got.Path) != "wrangler.json" {
		t.Errorf("Find() = %+v, %v", got, err)
	}
}

func TestDotEnvPipe(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(dir, ".env"), 0o600); err != nil {
		t.Skip(err)
	}
	_, err := wrangler.ReadCredentials(dir, "", none)
	checkError(t, err, ".env: can't be read: it is a pipe or a device, not a file")
}
