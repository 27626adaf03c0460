// Command serve runs the stand-in for Cloudflare's API on its own, for tests and
// measurements that drive other programs against it. It creates the databases named as
// arguments, prints one line with the base URL, and one with name and id for each, and
// serves until standard input ends.
//
// GET /d1test/requests answers how many requests came since it was asked last, GET
// /d1test/first when the first of them came, in milliseconds, and GET /d1test/unknown which
// requests had no handler here.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/d1-rewind/d1-rewind/internal/d1/d1test"
)

func main() {
	latency := flag.Duration("latency", 0, "added to every answer")
	splitter := flag.String("splitter", "quirky", "quirky, exact or strict")
	worker := flag.String("worker", "", "names of Workers, by commas, each with an old version and a deployed one")
	secrets := flag.String("secrets", "", "name of the Worker whose old version has other secrets")
	flag.Parse()
	splitters := map[string]d1test.Splitter{"quirky": d1test.Quirky, "exact": d1test.Exact, "strict": d1test.Strict}
	cut, known := splitters[*splitter]
	if !known {
		fmt.Fprintf(os.Stderr, "serve: there is no splitter %q\n", *splitter)
		os.Exit(2)
	}
	server := d1test.New()
	defer server.Close()
	server.Latency = *latency
	server.Splitter = cut
	for _, name := range strings.FieldsFunc(*worker, func(r rune) bool { return r == ',' }) {
		server.Deploy(name, "00000000-0000-4000-8000-000000000001")
		w := server.Deploy(name, "00000000-0000-4000-8000-000000000002")
		if name == *secrets {
			w.SecretsChanged = w.Versions[:1]
		}
	}
	fmt.Println(server.URL)
	for _, name := range flag.Args() {
		fmt.Println(name, server.Create(name).ID)
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
}
