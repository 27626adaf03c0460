package sqlite

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestHoldersNamesOtherProcesses(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "0123456789abcdef.sqlite")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	other := exec.CommandContext(t.Context(), "cat")
	other.ExtraFiles = []*os.File{file}
	in, _ := other.StdinPipe()
	out, _ := other.StdoutPipe()
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = in.Close(); _ = other.Wait() }()
	if _, err := fmt.Fprintln(in, "it runs"); err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{fmt.Sprintf("cat (process %d)", other.Process.Pid)}, holders(path)); diff != "" {
		t.Errorf("holders (-want +got):\n%s", diff)
	}
	if got := holders(path + "-nothing"); got != nil {
		t.Errorf("holders of a file that nobody has: %v", got)
	}
}
