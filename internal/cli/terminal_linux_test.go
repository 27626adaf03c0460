package cli_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"github.com/d1-rewind/d1-rewind/internal/cli"
	"github.com/d1-rewind/d1-rewind/internal/d1/d1test"
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

// interrupt is what Ctrl-C types.
const interrupt = "\x03"

// answered runs the program at a terminal where someone answers its question.
func (c *cloud) answered(question, answer string, args ...string) run {
	c.t.Helper()
	person, program := openTerminal(c.t)
	ctx, cancel := context.WithCancelCause(c.ctx)
	defer cancel(nil)
	var stdout bytes.Buffer
	stderr := watched{question: question, answer: func() {
		if answer == interrupt {
			cancel(&cli.Interrupt{Signal: os.Interrupt})
		} else if _, err := person.WriteString(answer); err != nil {
			c.t.Error(err)
		}
	}}
	code := cli.Main(ctx, cli.Process{Args: args, Program: "d1-rewind", Version: "test", Stdin: program, Stdout: &stdout, Stderr: &stderr,
		Getenv: func(name string) string { return c.env[name] }, Sleep: c.sleep, Now: c.server.Now})
	return run{code, stdout.String(), stderr.String()}
}

func TestQuestions(t *testing.T) {
	const name, sure = "Type the database's name to go on: ", "apply all migrations? [y/N] "
	c := newCloud(t, sample())
	before := c.now()
	restore := []string{"restore", "production", "--bookmark", before}
	c.run("migrate", "production").want(t, 0)
	d1rewind(nil, "migrate").want(t, 0)
	for _, tc := range []struct {
		name, question, answer string
		args                   []string
		code                   int
		part                   string
	}{
		{"restore_interrupted", name, interrupt, restore, 130, "nothing was written"},
		{"restore_another_name", name, "staging-db\n", restore, 3, "is not the database's name"},
		{"restore", name, "shop-db\n", restore, 0, "restored to " + before},
		{"reset_interrupted", sure, interrupt, []string{"reset"}, 130, "nothing was written"},
		{"reset_no", sure, "\n", []string{"reset"}, 3, "nothing was written"},
		{"reset", sure, "y\n", []string{"reset"}, 0, "then applied 2 migrations"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c.answered(tc.question, tc.answer, tc.args...).want(t, tc.code, tc.question, tc.part)
		})
	}
	t.Run("restore_of_a_database_without_a_name", func(t *testing.T) { // Enter is not its name
		c.faultAt(1, to(c.database.ID), d1test.Fault{Status: http.StatusOK, Body: `{"success":true,"errors":[],"result":{}}`})
		c.answered(name, "\n", restore...).want(t, 1, "the answer names no database")
	})
}
