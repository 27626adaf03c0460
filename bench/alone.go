//go:build unix

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// rehearsal is what rehearsals of a remote database cost: copies of all rows, and what a rehearsal adds to a run.
func (b *bench) rehearsal() (table, error) {
	t := table{
		title:   "Rehearsals of a remote database",
		about:   "The same stand-in, without latency and on the same processors. A row has about 250 bytes. The last column is the time against `rehearse: off`, or the speed of the copy.",
		columns: []string{"wall", "CPU", "memory", "requests", ""},
	}
	sizes := []int{1, 50, 250}
	if b.short {
		sizes = sizes[:1]
	}
	for _, size := range sizes {
		if err := b.copyOfRows(&t, size); err != nil {
			return t, err
		}
	}
	for _, c := range []struct{ pending, tables int }{{10, 10}, {200, 100}} {
		if b.short && c.pending > 10 {
			continue
		}
		if err := b.manyPending(&t, c.pending, c.tables); err != nil {
			return t, err
		}
	}
	return t, nil
}

func (b *bench) withService(measure func(project) error) error {
	s, err := b.serve(0)
	if err != nil {
		return err
	}
	defer s.close()
	p := project{dir: filepath.Join(b.temp, "alone"), service: s}
	if err := b.write(p, 0, "db", s.id); err != nil {
		return err
	}
	return measure(p)
}

func (b *bench) copyOfRows(t *table, size int) error {
	rows := size * 4000
	return b.withService(func(p project) error {
		if err := p.migration(1, fmt.Sprintf(`CREATE TABLE large(id INTEGER PRIMARY KEY, name TEXT, words TEXT, number REAL, bytes BLOB);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)
INSERT INTO large SELECT i, 'name ' || i, hex(randomblob(60)), i / 7.0, randomblob(90) FROM n;
`, rows)); err != nil {
			return err
		}
		if _, err := b.rewind(p, "migrate", "production", "--rehearse", "off"); err != nil {
			return err
		}
		if err := p.migration(2, "CREATE INDEX large_name ON large(name);\n"); err != nil {
			return err
		}
		f, err := b.repeated(p, "status", "production", "--rehearse", "data", "--rehearse-limit", "1GiB")
		t.row(fmt.Sprintf("`rehearse: data`, %d MB, %d rows", size, rows), f, fmt.Sprintf("%.0f MB a second", float64(size)/f.wall.Seconds()))
		return err
	})
}

func (b *bench) manyPending(t *table, pending, tables int) error {
	return b.withService(func(p project) error {
		var sql strings.Builder // tables that refer to each other
		for i := range tables {
			fmt.Fprintf(&sql, "CREATE TABLE t%d(id INTEGER PRIMARY KEY, parent INTEGER REFERENCES t%d(id) ON DELETE CASCADE, name TEXT NOT NULL);\n", i, max(i-1, 0))
			fmt.Fprintf(&sql, "INSERT INTO t%d VALUES (1, 1, %d), (2, 1, %d);\n", i, i, i)
		}
		if err := p.migration(1, sql.String()); err != nil {
			return err
		}
		if _, err := b.rewind(p, "migrate", "production", "--rehearse", "off"); err != nil {
			return err
		}
		for i := range pending {
			if err := p.migration(i+2, fmt.Sprintf("ALTER TABLE t%[1]d ADD COLUMN c%[2]d TEXT;\nUPDATE t%[1]d SET c%[2]d = upper(name);\nCREATE INDEX i%[2]d ON t%[1]d(c%[2]d);\n", i%tables, i)); err != nil {
				return err
			}
		}
		var without time.Duration
		for _, how := range []string{"off", "schema", "data"} {
			f, err := b.repeated(p, "status", "production", "--rehearse", how)
			if err != nil {
				return err
			}
			name := fmt.Sprintf("`status`, %d pending over %d tables, `rehearse: %s`", pending, tables, how)
			if how == "off" {
				without = f.wall
				t.row(name, f, "")
				continue
			}
			b.bound(name+": against off", f.wall.Seconds()/without.Seconds(), float64(20+pending/2))
			t.row(name, f, times(without.Seconds(), f.wall.Seconds()))
		}
		return nil
	})
}

// repeated measures a command that changes nothing.
func (b *bench) repeated(p project, arguments ...string) (figures, error) {
	var all []figures
	for range b.runs {
		f, err := b.rewind(p, arguments...)
		if err != nil {
			return f, err
		}
		all = append(all, f)
	}
	return median(all), nil
}

func (t *table) row(name string, f figures, note string) {
	t.rows = append(t.rows, []string{name, seconds(f.wall), seconds(f.cpu), megabytes(f.memory), fmt.Sprint(f.requests), note})
}

// large is what a local database of a gigabyte takes, against a copy of its file.
func (b *bench) large() (table, error) {
	const size = 1000
	t := table{
		title: "A large local database",
		about: fmt.Sprintf("%d MB. A status reads it once; a migrate reads and copies it once; a restore reads it four times and writes three: the undo, the draft, "+
			"the database through its log.", size),
		columns: []string{"wall", "CPU", "memory", "requests", "against `cp` and `fsync`"},
	}
	p := project{dir: filepath.Join(b.temp, "large")}
	if err := b.write(p, 0, "app", "11111111-2222-3333-4444-555555555555"); err != nil {
		return t, err
	}
	if err := p.migration(1, fmt.Sprintf(`CREATE TABLE t(id INTEGER PRIMARY KEY, b BLOB);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d * 250)
INSERT INTO t SELECT i, randomblob(3900) FROM n;
`, size)); err != nil {
		return t, err
	}
	if _, err := b.rewind(p, "migrate"); err != nil {
		return t, err
	}
	files, err := filepath.Glob(filepath.Join(p.dir, ".wrangler/state/v3/d1/*/*.sqlite"))
	if err != nil {
		return t, err
	}
	if len(files) == 0 {
		return t, errors.New("d1-rewind migrate has made no database")
	}
	var cp, status, migrate, restore []figures
	for i := range b.runs {
		note := func(all *[]figures, f figures, err error) error { *all = append(*all, f); return err }
		f, err := b.process(p.dir, nil, "dd", "if="+files[0], "of=copy", "bs=1M", "conv=fsync")
		if err := note(&cp, f, err); err != nil {
			return t, err
		}
		if err := os.Remove(filepath.Join(p.dir, "copy")); err != nil {
			return t, err
		}
		f, err = b.rewind(p, "status")
		if err := note(&status, f, err); err != nil {
			return t, err
		}
		// A new copy each time: one of an unchanged database is not made twice.
		if err := os.RemoveAll(filepath.Join(p.dir, ".wrangler/state/d1-rewind")); err != nil {
			return t, err
		}
		if err := p.migration(i+2, "INSERT INTO t(b) VALUES (x'00');\n"); err != nil {
			return t, err
		}
		f, err = b.rewind(p, "migrate")
		if err := note(&migrate, f, err); err != nil {
			return t, err
		}
		f, err = b.rewind(p, "restore", "--before", fmt.Sprintf("%04d_m.sql", i+2))
		if err := note(&restore, f, err); err != nil {
			return t, err
		}
		if _, err = b.rewind(p, "migrate", "--release-hold"); err != nil {
			return t, err
		}
	}
	base := median(cp)
	for _, row := range []struct {
		name string
		all  []figures
	}{{"`cp` and `fsync`", cp}, {"`status`", status}, {"`migrate`, with the copy before it", migrate}, {"`restore`, with the copy of what it undoes", restore}} {
		f := median(row.all)
		t.row(row.name, f, times(base.wall.Seconds(), f.wall.Seconds()))
	}
	return t, nil
}
