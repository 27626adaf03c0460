// Command d1-rewind migrates Cloudflare D1 databases and goes back again, as a GitHub
// Action and on the command line.
package main

import (
	"context"
	"io"
	"log"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/d1-rewind/d1-rewind/internal/cli"
)

// version is set by the release build.
var version = "dev"

func main() {
	log.SetOutput(io.Discard) // net/http writes headers to it, the token's too, where GODEBUG says http2debug
	ctx, cancel := context.WithCancelCause(context.Background())
	// A reader that goes away (| head) must not end a run in the middle of a write; without this the runtime does.
	signal.Ignore(syscall.SIGPIPE)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		caught := <-signals
		cancel(&cli.Interrupt{Signal: caught})
		// A second signal ends the program at once, but not the same one that comes from the
		// terminal and from npm.
		time.Sleep(time.Second)
		signal.Stop(signals)
	}()
	os.Exit(cli.Main(ctx, cli.Process{
		Args: os.Args[1:], Program: os.Args[0], Getenv: os.Getenv, Unsetenv: os.Unsetenv, Version: version,
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
	}))
}
