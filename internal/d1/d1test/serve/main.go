// Command serve runs the stand-in for Cloudflare's API on its own, for tests and
// measurements that drive other programs against it. It creates the databases named as
// arguments, prints one line with the base URL, and one with name and id for each, and
// serves until standard input ends.
//
// GET /d1test/requests answers how many requests came since it was asked last.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/d1-rewind/d1-rewind/internal/d1/d1test"
)

func main() {
	latency := flag.Duration("latency", 0, "added to every answer")
	splitter := flag.String("splitter", "quirky", "quirky, exact or strict")
	worker := flag.String("worker", "", "name of a Worker with one deployed version")
	flag.Parse()
	server := d1test.New()
	defer server.Close()
	server.Latency = *latency
	server.Splitter = map[string]d1test.Splitter{"quirky": d1test.Quirky, "exact": d1test.Exact, "strict": d1test.Strict}[*splitter]
	fmt.Println(server.URL)
	for _, name := range flag.Args() {
		fmt.Println(name, server.Create(name).ID)
	}
	if *worker != "" {
		server.Deploy(*worker, "00000000-0000-4000-8000-000000000001")
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
}
