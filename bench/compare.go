//go:build unix

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// comparison is one command of both tools on the same project.
type comparison struct {
	name         string
	migrations   int
	applied      bool // before it is measured
	ours, theirs []string
	faster       float64 // wrangler takes at least so many times as long
	requests     int     // of d1-rewind, at the most
}

// comparisons are the cases of an environment. A bound is a third of what was measured, or less: it
// finds what got slow, not what the machine does.
func (b *bench) comparisons(environment, where string, faster [5]float64, requests [5]int) []comparison {
	list, apply := []string{"d1", "migrations", "list", "DB", where}, []string{"d1", "migrations", "apply", "DB", where}
	status, migrate := []string{"status", environment}, []string{"migrate", environment}
	all := []comparison{
		{"`status`, nothing pending, 1 applied", 1, true, status, list, faster[0], requests[0]},
		{"`status`, nothing pending, 200 applied", 200, true, status, list, faster[1], requests[1]},
		{"`migrate`, 1 pending, first run", 1, false, migrate, apply, faster[2], requests[2]},
		{"`migrate`, 10 pending, first run", 10, false, migrate, apply, faster[3], requests[3]},
		{"`migrate`, 100 pending, first run", 100, false, migrate, apply, faster[4], requests[4]},
	}
	if b.short { // with 100 wrangler takes a minute
		return []comparison{all[0], all[1], all[3]}
	}
	return all
}

func (b *bench) local() (table, error) {
	t := table{
		title:   "A local database",
		about:   "The file that `wrangler dev` serves. The rehearsal, the comparison for drift and the copy before the write are included.",
		columns: []string{"wall: d1-rewind", "wrangler", "ratio", "CPU: d1-rewind", "wrangler", "ratio", "memory: d1-rewind", "wrangler", "ratio"},
	}
	row, err := b.sideBySide(comparison{name: "start: `--version`", ours: []string{"version"}, theirs: []string{"--version"}, faster: 30}, func(int) (project, error) {
		return project{dir: b.temp}, nil
	})
	if err != nil {
		return t, err
	}
	t.rows = append(t.rows, row)
	for _, c := range b.comparisons("local", "--local", [...]float64{40, 8, 15, 50, 100}, [5]int{}) {
		row, err := b.sideBySide(c, func(n int) (project, error) {
			p := project{dir: filepath.Join(b.temp, "local")}
			return p, b.write(p, n, "app", "11111111-2222-3333-4444-555555555555")
		})
		if err != nil {
			return t, err
		}
		t.rows = append(t.rows, row)
	}
	return t, nil
}

// latency is what a request to Cloudflare's API takes from one of GitHub's runners, by and large.
const latency = 80 * time.Millisecond

func (b *bench) remote() (table, error) {
	t := table{
		title: "A remote database",
		about: fmt.Sprintf("The stand-in for Cloudflare's API, with %d ms added to every answer. The rehearsal and the comparison for drift are included.", latency.Milliseconds()),
		columns: []string{"wall: d1-rewind", "wrangler", "ratio", "CPU: d1-rewind", "wrangler", "ratio", "memory: d1-rewind", "wrangler", "ratio",
			"requests: d1-rewind", "wrangler"},
	}
	for _, c := range b.comparisons("production", "--remote", [...]float64{5, 3, 2, 2.5, 8}, [...]int{4, 4, 6, 6, 6}) {
		var s *service
		row, err := b.sideBySide(c, func(n int) (project, error) {
			s.close()
			var err error
			if s, err = b.serve(latency); err != nil {
				return project{}, err
			}
			p := project{dir: filepath.Join(b.temp, "remote"), service: s}
			return p, b.write(p, n, "db", s.id)
		})
		s.close()
		if err != nil {
			return t, err
		}
		t.rows = append(t.rows, row)
	}
	return t, nil
}

// project is a directory with a configuration and migrations, and the service of its database.
type project struct {
	dir     string
	service *service
}

func (b *bench) write(p project, migrations int, name, id string) error {
	if err := os.RemoveAll(p.dir); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(p.dir, "migrations"), 0o755); err != nil {
		return err
	}
	for i := 1; i <= migrations; i++ {
		sql := fmt.Sprintf("CREATE TABLE t%d(id INTEGER PRIMARY KEY, name TEXT);\nINSERT INTO t%d(name) VALUES (%d);\n", i, i, i)
		if err := p.migration(i, sql); err != nil {
			return err
		}
	}
	config := fmt.Sprintf(`{"name":"shop","compatibility_date":"2026-11-01","d1_databases":[{"binding":"DB","database_name":%q,"database_id":%q}]}`, name, id)
	return os.WriteFile(filepath.Join(p.dir, "wrangler.json"), []byte(config), 0o644)
}

func (p project) migration(number int, sql string) error {
	return os.WriteFile(filepath.Join(p.dir, "migrations", fmt.Sprintf("%04d_m.sql", number)), []byte(sql), 0o644)
}

// rewind runs d1-rewind in a project, and counts its requests.
func (b *bench) rewind(p project, arguments ...string) (figures, error) {
	return b.counted(p, append([]string{b.program}, arguments...))
}

func (b *bench) counted(p project, command []string) (figures, error) {
	if p.service != nil {
		if _, err := p.service.requests(); err != nil { // forgets those before
			return figures{}, err
		}
	}
	f, err := b.process(p.dir, p.service.environment(), command...)
	if err == nil && p.service != nil {
		f.requests, err = p.service.requests()
	}
	return f, err
}

// sideBySide measures both tools in turn, each on a new project, and returns a row.
func (b *bench) sideBySide(c comparison, prepare func(migrations int) (project, error)) ([]string, error) {
	once := func(command []string) (figures, error) {
		p, err := prepare(c.migrations)
		if err != nil {
			return figures{}, err
		}
		if c.applied {
			if _, err := b.rewind(p, append([]string{"migrate", "--rehearse", "off"}, c.ours[1:]...)...); err != nil {
				return figures{}, err
			}
		}
		f, err := b.counted(p, command)
		if err == nil && c.migrations > 0 { // all have to be applied in the end, by whom ever
			_, err = b.rewind(p, append([]string{"status", "--exit-code"}, c.ours[1:]...)...)
		}
		return f, err
	}
	var ours, theirs []figures
	for i := range b.runs {
		f, err := once(append([]string{b.program}, c.ours...))
		if err != nil {
			return nil, err
		}
		ours = append(ours, f)
		if b.wrangler == nil || b.short && i > 0 {
			continue
		}
		f, err = once(append(b.wrangler[:len(b.wrangler):len(b.wrangler)], c.theirs...))
		if err != nil {
			return nil, err
		}
		theirs = append(theirs, f)
	}
	remote := c.requests > 0
	o := median(ours)
	b.bound(c.name+": requests", float64(o.requests), float64(c.requests))
	if b.wrangler == nil {
		row := []string{c.name, seconds(o.wall), "", "", seconds(o.cpu), "", "", megabytes(o.memory), "", ""}
		if remote {
			row = append(row, fmt.Sprint(o.requests), "")
		}
		return row, nil
	}
	w := median(theirs)
	b.bound(c.name+": wall time, of wrangler's", o.wall.Seconds()/w.wall.Seconds(), 1/c.faster)
	b.bound(c.name+": memory, of wrangler's", float64(o.memory)/float64(w.memory), 0.25)
	row := []string{c.name,
		seconds(o.wall), seconds(w.wall), times(o.wall.Seconds(), w.wall.Seconds()),
		seconds(o.cpu), seconds(w.cpu), times(o.cpu.Seconds(), w.cpu.Seconds()),
		megabytes(o.memory), megabytes(w.memory), times(float64(o.memory), float64(w.memory))}
	if remote {
		row = append(row, fmt.Sprint(o.requests), fmt.Sprint(w.requests))
	}
	return row, nil
}
