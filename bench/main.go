//go:build unix

// Command bench measures d1-rewind, beside wrangler where wrangler can do the same.
//
//	go run ./bench                            everything, as Markdown
//	go run ./bench local remote               some of it: local, remote, rehearsal, large
//	go run ./bench -write docs/benchmarks.md  puts the tables into that file, between its marks
//	go run ./bench -check                     a short run that fails where a ratio got worse
//
// It builds the program, starts it as users do, and reports medians: wall time, CPU time, the memory of the largest
// process, and requests. Remote databases are those of the stand-in for Cloudflare's API (internal/d1/d1test), a process of
// its own on loopback. Times of one machine say little about another; ratios within one run do, so -check looks at these and
// at the number of requests only. Needs a POSIX system; for wrangler also the directory that .ci/wrangler-parity installs.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// section is a part of the document that can be measured alone.
type section struct {
	name    string
	measure func(*bench) (table, error)
}

var sections = []section{
	{"local", (*bench).local},
	{"remote", (*bench).remote},
	{"rehearsal", (*bench).rehearsal},
	{"large", (*bench).large},
}

func run() error {
	cache, err := os.UserCacheDir()
	if err != nil {
		return err
	}
	runs := flag.Int("runs", 3, "how often each command is run")
	wrangler := flag.String("wrangler", filepath.Join(cache, "d1-rewind", "wrangler-"+wranglerVersion), "where wrangler is installed; without it d1-rewind runs alone")
	write := flag.String("write", "", "the document to put the tables into")
	check := flag.Bool("check", false, "few runs of the short cases; exit with 1 where a ratio got worse")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	b, err := newBench(ctx, *wrangler, *runs, *check)
	if err != nil {
		return err
	}
	defer b.close()

	wanted := flag.Args()
	if len(wanted) == 0 && *check {
		wanted = []string{"local", "remote", "rehearsal"}
	}
	for _, name := range wanted {
		if !slices.ContainsFunc(sections, func(s section) bool { return s.name == name }) {
			return fmt.Errorf("there is no section %q", name)
		}
	}
	var document strings.Builder
	fmt.Fprintf(&document, "%s\n", b.machine())
	for _, s := range sections {
		if len(wanted) > 0 && !slices.Contains(wanted, s.name) {
			continue
		}
		t, err := s.measure(b)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		fmt.Fprintf(&document, "\n%s", t)
	}
	if *write == "" {
		fmt.Print(document.String())
	} else if err := replace(*write, document.String()); err != nil {
		return err
	}
	if *check && len(b.worse) > 0 {
		return errors.New("got worse:\n" + strings.Join(b.worse, "\n"))
	}
	return nil
}

// The marks of a document: what is between them is written anew.
const begin, end = "<!-- bench: begin -->\n", "<!-- bench: end -->\n"

func replace(file, tables string) error {
	old, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	head, rest, opened := strings.Cut(string(old), begin)
	_, tail, closed := strings.Cut(rest, end)
	if !opened || !closed {
		return fmt.Errorf("%s has no marks: want %q and %q", file, strings.TrimSpace(begin), strings.TrimSpace(end))
	}
	return os.WriteFile(file, []byte(head+begin+tables+end+tail), 0o644)
}
