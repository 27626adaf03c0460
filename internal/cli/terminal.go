package cli

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/d1-rewind/d1-rewind/internal/migration"
	"github.com/d1-rewind/d1-rewind/internal/report"
)

// terminal is the command line's side of a person. What was asked for goes to standard
// output, everything else to standard error.
type terminal struct {
	p                 Process
	colour, errColour bool
	// reportsElsewhere is set where standard output gets a file, and standard error the report.
	reportsElsewhere bool
}

func (t terminal) finish(ctx context.Context, r report.Report, s settings) int {
	r = t.settled(ctx, r, s)
	t.print(r, s)
	return t.delivered(r, r.ExitCode, s)
}

func (t terminal) settled(ctx context.Context, r report.Report, s settings) report.Report {
	r = settled(r)
	r.Public, r.ExitCode = t.p.Getenv("GITHUB_ACTIONS") == "true", exitCode(ctx, r, s) // whose log others read
	return r
}

// finishAndTell tells the pull request as well: after the report is printed, because GitHub
// may take its time, but before a JSON document, which has the comment's address.
func (t terminal) finishAndTell(ctx context.Context, r report.Report, s settings, j *job) int {
	r = t.settled(ctx, r, s)
	if s["format"] != "json" {
		t.print(r, s)
	}
	address, problems := j.talk.say(ctx, j, r)
	r.CommentURL = address
	for _, problem := range problems {
		r.Warnings = append(r.Warnings, problem.Error())
		if s["format"] != "json" {
			fmt.Fprintf(t.p.Stderr, "warning: %s\n", report.Printable(problem.Error()))
		}
	}
	switch {
	case s["format"] == "json":
		t.print(r, s)
	case address != "":
		fmt.Fprintln(t.p.Stderr, "comment:", report.Printable(address))
	}
	return t.delivered(r, r.ExitCode, s)
}

// delivered is the exit code of a run whose report may not have reached standard output: that is a
// failure, unless nobody wanted to read on. s are the settings of the run.
func (t terminal) delivered(r report.Report, code int, s settings) int {
	out, ok := t.p.Stdout.(*inTurn)
	if !ok || out.failure() == nil {
		return code
	}
	problem := &migration.Problem{Err: fmt.Errorf("the report could not be written to standard output: %w", out.failure()),
		Next: t.lookAgain(r, s)}
	switch {
	case r.Command == "help" || r.Command == "version":
		problem.State = "nothing was contacted or written"
	case r.Err != nil: // it says what to do
		problem.State, problem.Next = "what went wrong is said above; the database is as this run left it", ""
	case r.Command == "create":
		problem.State, problem.Next = r.Verdict(), "see that standard output can be written (a full disk?); the file need not be made again"
	default:
		problem.State = r.Verdict() + "; the database is as this run left it"
	}
	if r.Rollback != "" && r.Err == nil {
		problem.Next = "to go back: " + r.Rollback
	}
	fmt.Fprint(t.p.Stderr, report.Error(report.Report{Command: r.Command, Err: problem}, t.errColour))
	if code == exitDone {
		return exitFailed
	}
	return code
}

// lookAgain says how to see what a report would have said.
func (t terminal) lookAgain(r report.Report, s settings) string {
	const first = "see that standard output can be written (a full disk?), then "
	if known, ok := findCommand(r.Command); !ok || known.args != "[ENVIRONMENT]" || s["environment"] == "" {
		return first + "run again"
	}
	return first + "look with: " + ownCommand(t.p, "status", s, s["environment"], nil)
}

func (t terminal) print(r report.Report, s settings) {
	out, colour := t.p.Stdout, t.colour
	if t.reportsElsewhere && s["format"] != "json" { // which is refused, in a document
		out, colour = t.p.Stderr, t.errColour
	}
	switch s["format"] {
	case "json":
		_, _ = out.Write(report.JSON(r))
	case "markdown":
		fmt.Fprint(out, report.Markdown(r, 0))
	default:
		fmt.Fprint(out, report.Text(r, colour))
	}
	fmt.Fprint(t.p.Stderr, report.Error(r, t.errColour))
}

// progress prints steps on standard error: as they come for a person and with --verbose,
// elsewhere once a run takes its time. done ends that.
func (t terminal) progress(s settings) (say func(string), done func()) {
	write := func(line string) { fmt.Fprint(t.p.Stderr, line) }
	done = func() {}
	if !s.on("verbose") && !isTerminal(t.p.Stderr) {
		write, done = unlessQuick(write)
	}
	return steps(t.p, s.on("verbose"), write), done
}

// quick is how long a run may take without a word in a log.
const quick = time.Second

// unlessQuick holds lines back until the run has taken a second: a log is not silent while
// something waits, and has nothing about steps of a few milliseconds.
func unlessQuick(write func(string)) (held func(string), done func()) {
	var (
		mutex sync.Mutex
		lines strings.Builder
		slow  bool
	)
	timer := time.AfterFunc(quick, func() {
		mutex.Lock()
		defer mutex.Unlock()
		slow = true
		write(lines.String())
	})
	held = func(line string) {
		mutex.Lock()
		defer mutex.Unlock()
		if slow {
			write(line)
			return
		}
		lines.WriteString(line)
	}
	done = func() {
		timer.Stop()
		mutex.Lock() // a timer that has just fired is waited for
		defer mutex.Unlock()
		write = func(string) {}
	}
	return held, done
}

// steps writes each step on a line of its own, with the seconds since the start if timed.
func steps(p Process, timed bool, write func(string)) func(string) {
	start := p.Now()
	return func(line string) {
		line = report.Printable(line)
		if timed {
			line = fmt.Sprintf("%6.3fs  %s", p.Now().Sub(start).Seconds(), line)
		}
		write(line + "\n")
	}
}

// reader returns a function that puts a question to the person at the terminal, nil if
// there is nobody to ask. A signal is an answer, too: the error is then that of the context.
func (t terminal) reader() func(ctx context.Context, question string) (string, error) {
	if !isTerminal(t.p.Stdin) {
		return nil
	}
	return func(ctx context.Context, question string) (string, error) {
		var (
			line string
			err  error
			read = make(chan struct{})
		)
		fmt.Fprint(t.p.Stderr, question)
		go func() { // nothing but the person ends it
			defer close(read)
			line, err = bufio.NewReader(t.p.Stdin).ReadString('\n')
		}()
		select {
		case <-read:
			return strings.TrimSpace(line), err
		case <-ctx.Done():
			fmt.Fprintln(t.p.Stderr)
			return "", ctx.Err()
		}
	}
}

// colours are for terminals, and for nobody who set NO_COLOR (https://no-color.org).
func colours(p Process, stream any) bool {
	return p.Getenv("NO_COLOR") == "" && p.Getenv("TERM") != "dumb" && isTerminal(stream)
}

func isTerminal(stream any) bool {
	if w, ok := stream.(*inTurn); ok {
		stream = w.stream
	}
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
