// Package cli runs one command: it reads options from flags or action inputs, wires the
// environment, prints the report and picks the exit code. Everything that comes from the
// process, streams and environment variables included, is handed in.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/spf13/pflag"

	"github.com/d1-rewind/d1-rewind/internal/github"
	"github.com/d1-rewind/d1-rewind/internal/migration"
	"github.com/d1-rewind/d1-rewind/internal/outfile"
	"github.com/d1-rewind/d1-rewind/internal/report"
)

// Process is what the program is given by its surroundings.
type Process struct {
	Args    []string // without the program's name
	Program string   // how it was called
	Getenv  func(string) string
	// Unsetenv takes a variable out of the process's environment; nil: it has none of its own.
	Unsetenv func(string) error
	Version  string
	Stdin    io.Reader
	Stdout   io.Writer
	Stderr   io.Writer
	Now      func() time.Time // nil: the clock
	// Sleep waits for what takes time elsewhere; nil: on the clock.
	Sleep func(context.Context, time.Duration) error
	// GitHub sends requests to GitHub's API; nil: http.DefaultTransport.
	GitHub http.RoundTripper
}

// version is the release's, that of the module when "go install" built it, or the one that a
// workflow names: GitHub builds the image of an action without arguments.
func (p Process) version() string {
	v := p.Version
	if v != "dev" {
		return v
	}
	if ref := p.Getenv("GITHUB_ACTION_REF"); ref != "" && isAction(p.Getenv) {
		return ref
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return v
}

// Main runs the command that the arguments, or in an action the inputs, ask for, and
// returns the exit code. A signal arrives as the cancellation of ctx with an *Interrupt
// as its cause.
func Main(ctx context.Context, p Process) int {
	if p.Now == nil {
		p.Now = time.Now
	}
	if p.Sleep == nil {
		p.Sleep = migration.Pause
	}
	p.Stdout, p.Stderr = &inTurn{stream: p.Stdout}, &inTurn{stream: p.Stderr}
	if len(p.Args) == 0 && isAction(p.Getenv) {
		return runAction(ctx, p)
	}
	return runCommand(ctx, p)
}

// inTurn is a stream that takes one write after the other: requests that go on at the same
// time report at the same time. It remembers that a write failed. Not being read to the end is
// no failure: what comes after that is dropped.
type inTurn struct {
	mutex  sync.Mutex
	stream io.Writer
	failed error
}

func (w *inTurn) Write(p []byte) (int, error) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	n, err := w.stream.Write(p)
	if outfile.ReaderGone(err) {
		return len(p), nil
	}
	if err != nil && w.failed == nil {
		w.failed = err
	}
	return n, err
}

// failure is the first error of a write.
func (w *inTurn) failure() error {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	if p, ok := errors.AsType[*fs.PathError](w.failed); ok {
		return p.Err
	}
	return w.failed
}

// runCommand is the command line.
func runCommand(ctx context.Context, p Process) int {
	name, args := "help", p.Args
	if len(args) > 0 {
		name, args = args[0], args[1:]
	}
	switch name {
	case "-h", "--help":
		name = "help"
	case "-v", "--version":
		name = "version"
	}
	out := terminal{p: p, colour: colours(p, p.Stdout), errColour: colours(p, p.Stderr)}
	if _, ok := findCommand(name); !ok {
		return out.finish(ctx, report.Report{Command: name, Err: unknownCommand(name)}, settings{"format": formatIn(args)})
	}
	given, rest, err := parseFlags(name, args)
	if errors.Is(err, pflag.ErrHelp) {
		name, rest, given, err = "help", []string{name}, settings{}, nil
	}
	if err != nil {
		return out.finish(ctx, report.Report{Command: name, Err: err}, given)
	}
	switch name {
	case "version":
		if given["format"] == "json" {
			fmt.Fprintf(p.Stdout, "{\n  \"version\": %q\n}\n", p.version())
		} else {
			fmt.Fprintln(p.Stdout, "d1-rewind", p.version())
		}
		return out.delivered(report.Report{Command: name}, exitDone, given)
	case "help":
		text, err := helpText(strings.Join(rest, " "))
		if err != nil {
			return out.finish(ctx, report.Report{Command: name, Err: err}, given)
		}
		fmt.Fprint(p.Stdout, text)
		return out.delivered(report.Report{Command: name}, exitDone, given)
	}
	if _, file := outputFile(name, given); file == standardOutput {
		out.reportsElsewhere = true
	}
	title, named, err := operands(name, rest, given)
	r := report.Report{Command: name, Environment: given["environment"], Err: err}
	if err != nil {
		return out.finish(ctx, r, given)
	}
	all, err := resolve(given, p.Getenv)
	if err != nil {
		r.Err = err
		return out.finish(ctx, r, given)
	}
	progress, done := out.progress(all)
	j := &job{p: p, command: name, title: title, isNamed: named, given: given, settings: all, read: out.reader(), progress: progress}
	if p.Getenv("GITHUB_ACTIONS") == "true" { // a step's "run:"
		j.event = github.New(p.Getenv, io.Discard).Event()
	}
	if name == "restore" { // what undoes it is known even if nothing more can be said
		j.onBookmark = func(b migration.Bookmark) error {
			fmt.Fprintln(p.Stderr, "bookmark before:", b)
			return nil
		}
	}
	j.talk = converse(ctx, p, name, all, j.event, false)
	r = j.run(ctx)
	done()
	out.reportsElsewhere = out.reportsElsewhere || j.reportsElsewhere
	if j.talk != nil {
		return out.finishAndTell(ctx, r, all, j)
	}
	return out.finish(ctx, r, all)
}

// operands takes the arguments of a command that have no flag: for create the name of the
// migration, for the others the environment, which is local unless a flag or this says another.
// named reports whether one does.
func operands(command string, rest []string, given settings) (title string, named bool, err error) {
	if command == "create" {
		if len(rest) != 1 {
			return "", false, &usageError{"create takes the name of the migration", "for example: d1-rewind create add_users"}
		}
		title, rest = rest[0], nil
	}
	environment, named := given["environment"]
	switch {
	case len(rest) > 1:
		err = &usageError{fmt.Sprintf("don't know what to do with %q", rest), "d1-rewind help " + command}
	case len(rest) == 1 && rest[0] != "" && environment != "" && environment != rest[0]:
		err = &usageError{fmt.Sprintf("two environments: %q and %q", rest[0], environment), "name one"}
	case len(rest) == 1:
		environment, named = rest[0], true
	}
	switch {
	case !named:
		environment = "local"
	case environment == "" && err == nil: // an unset variable of a script must not mean local
		err = &usageError{"the environment is empty", "name it: local, production, or one of the configuration"}
	}
	given["environment"] = environment
	return title, named, err
}

// settled gives a report whose command never reached the engine its status and words.
func settled(r report.Report) report.Report {
	if wrong, ok := errors.AsType[*usageError](r.Err); ok { // also from within a command
		r.Err = &migration.Problem{Kind: migration.Usage, Err: errors.New(wrong.problem), State: "nothing was contacted or written", Next: wrong.next}
	}
	if r.Err != nil && r.Result.Status == "" {
		r.Result, r.Err = r.Result.Settle(r.Err)
	}
	return r
}
