package cli_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"github.com/d1-rewind/d1-rewind/internal/cli"
)

// openTerminal returns the two ends of a terminal (man 7 pty).
func openTerminal(t *testing.T) (person, program *os.File) {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = person.Close() })
	var locked, number int32
	for request, value := range map[uintptr]*int32{syscall.TIOCSPTLCK: &locked, syscall.TIOCGPTN: &number} {
		if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, person.Fd(), request, uintptr(unsafe.Pointer(value))); errno != 0 {
			t.Fatal(errno)
		}
	}
	program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = program.Close() })
	return person, program
}

// watched calls answer as soon as a question stands in what was written.
type watched struct {
	bytes.Buffer
	question string
	answer   func()
}

func (w *watched) Write(p []byte) (int, error) {
	n, err := w.Buffer.Write(p)
	if w.answer != nil && strings.Contains(w.String(), w.question) {
		w.answer()
		w.answer = nil
	}
	return n, err
}

func TestQuestions(t *testing.T) {
	const interrupt = "\x03"
	c := newCloud(t, sample())
	before := string(c.database.History()[0].Bookmark)
	restore := []string{"restore", "production", "--bookmark", before}
	c.run("migrate", "production").want(t, 0)
	d1rewind(nil, "migrate").want(t, 0)
	for _, tc := range []struct {
		name, question, answer string
		args                   []string
		code                   int
		part                   string
	}{
		{"restore_interrupted", "Type the database's name to go on: ", interrupt, restore, 130, "nothing was written"},
		{"restore_another_name", "Type the database's name to go on: ", "staging-db\n", restore, 3, "is not the database's name"},
		{"restore", "Type the database's name to go on: ", "shop-db\n", restore, 0, "restored to " + before},
		{"reset_interrupted", "apply all migrations? [y/N] ", interrupt, []string{"reset"}, 130, "nothing was written"},
		{"reset_no", "apply all migrations? [y/N] ", "\n", []string{"reset"}, 3, "nothing was written"},
		{"reset", "apply all migrations? [y/N] ", "y\n", []string{"reset"}, 0, "then applied 2 migrations"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			person, program := openTerminal(t)
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			var stdout bytes.Buffer
			stderr := watched{question: tc.question, answer: func() {
				if tc.answer == interrupt {
					cancel(&cli.Interrupt{Signal: os.Interrupt})
				} else if _, err := person.WriteString(tc.answer); err != nil {
					t.Error(err)
				}
			}}
			code := cli.Main(ctx, cli.Process{Args: tc.args, Program: "d1-rewind", Version: "test", Stdin: program, Stdout: &stdout, Stderr: &stderr,
				Getenv: func(name string) string { return c.env[name] }, Sleep: noSleep, Now: c.server.Now})
			run{code, stdout.String(), stderr.String()}.want(t, tc.code, tc.question, tc.part)
		})
	}
}
