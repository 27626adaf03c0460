package sqlite

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/ncruces/go-sqlite3"

	"github.com/d1-rewind/d1-rewind/internal/migration"
)

// Database is a local D1 database: the file that wrangler dev serves. Each call opens a
// connection of its own, so that pragmas of one migration never reach the next and the
// file is held no longer than needed.
type Database struct {
	path     string // of the .sqlite file, which need not exist
	display  string
	time     timeTravel
	now      func() time.Time
	progress func(string)
}

// Options are what a local database needs beside its file.
type Options struct {
	Display  string // the file as errors name it; "" for the path itself
	Copies   string // the directory for the copies of the local Time Travel
	Limit    int64  // how many bytes they may take together
	Now      func() time.Time
	Progress func(string) // told what takes more than a second
}

// Open returns the database at path, which is created by the first write.
func Open(path string, o Options) *Database {
	id := filepath.Base(path)
	d := &Database{path: path, display: cmp.Or(o.Display, path), now: o.Now, progress: o.Progress, time: timeTravel{
		dir: filepath.Join(o.Copies, strings.TrimSuffix(id, ".sqlite")), id: id[:min(8, len(id))], limit: o.Limit, since: o.Now(), now: o.Now}}
	if target, err := filepath.EvalSymlinks(path); err == nil {
		d.path = target // beside which its write-ahead log is
	}
	return d
}

// Path returns the database's file.
func (d *Database) Path() string { return d.path }

func fileURI(path string, query string) string {
	return (&url.URL{Scheme: "file", Path: filepath.ToSlash(path), RawQuery: query}).String()
}

// exists reports whether there is a database; a missing one reads as empty.
func (d *Database) exists() (bool, error) {
	info, err := os.Stat(d.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, err
	}
	if err := d.regular(); err != nil {
		return false, err
	}
	return info.Size() > 0 || fileExists(d.path+"-wal"), nil
}

// regular refuses what is in the place of the database, or of a file that SQLite keeps beside it,
// and is no file: a pipe would be waited for, a device reads as empty and would be written to.
func (d *Database) regular() error {
	for _, suffix := range []string{"", "-wal", "-shm", "-journal"} {
		info, err := os.Stat(d.path + suffix)
		if err != nil || info.Mode().IsRegular() {
			continue // what can't be looked at can't be opened either, which says why
		}
		what := "a device"
		switch mode := info.Mode(); {
		case mode.IsDir():
			what = "a directory"
		case mode&fs.ModeNamedPipe != 0:
			what = "a pipe"
		case mode&fs.ModeSocket != 0:
			what = "a socket"
		}
		return &migration.Problem{Err: fmt.Errorf("local database %s is %s, not a file", d.display+suffix, what), State: "nothing was written",
			Next: "move it away, or name another state directory with --persist-to; migrate makes a new database"}
	}
	return nil
}

func fileExists(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Size() > 0
}

// reading calls f with a connection that leaves no trace on disk: no file is created and
// no checkpoint made. Without a write-ahead log nobody has the database open, and it can
// be read as an immutable file; should someone start to write meanwhile, f is repeated.
func (d *Database) reading(ctx context.Context, f func(conn) error) error {
	ok, err := d.exists()
	if err != nil {
		return d.problem(err)
	}
	if !ok {
		return withConn(ctx, ":memory:", 0, f)
	}
	for range 3 {
		uri, before := fileURI(d.path, "mode=ro"), d.stamp()
		quiet := !fileExists(d.path+"-wal") && !fileExists(d.path+"-journal")
		if quiet {
			uri = fileURI(d.path, "immutable=1")
		}
		err = withConn(ctx, uri, sqlite3.OPEN_READONLY, func(c conn) error {
			if _, err := c.Config(sqlite3.DBCONFIG_NO_CKPT_ON_CLOSE, true); err != nil {
				return err
			}
			if err := c.exec("BEGIN"); err != nil {
				return err
			}
			return errors.Join(f(c), c.exec("ROLLBACK"))
		})
		if errors.Is(err, sqlite3.READONLY_ROLLBACK) {
			quiet, err = true, d.onCopy(ctx, f)
		}
		if !quiet || d.stamp() == before {
			return d.problem(err)
		}
	}
	return &migration.Problem{Err: fmt.Errorf("local database %s: someone keeps writing to it while it is read", d.display),
		State: "nothing was written by this run", Next: "let the other process finish (wrangler dev, another d1-rewind), then run again"}
}

// onCopy calls f with a copy of a database whose last writer was killed in a transaction with a
// rollback journal, as that which makes a new file a database in WAL mode. The journal has to be
// played back before anything can be read, which is for the next writer to do.
func (d *Database) onCopy(ctx context.Context, f func(conn) error) error {
	dir, err := temporaryDirectory()
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	path := filepath.Join(dir, copyName)
	for _, suffix := range []string{"-journal", ""} {
		if err := copyFile(path+suffix, d.path+suffix); err != nil {
			return err
		}
	}
	return withConn(ctx, fileURI(path, ""), sqlite3.OPEN_READWRITE, f)
}

func copyFile(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// stamp changes when someone writes to the main file.
func (d *Database) stamp() string {
	info, err := os.Stat(d.path)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprint(info.Size(), info.ModTime().UnixNano())
}

func withConn(ctx context.Context, uri string, flags sqlite3.OpenFlag, f func(conn) error) error {
	c, err := open(ctx, uri, flags)
	if err != nil {
		return stopped(ctx, err)
	}
	err = f(c)
	c.SetInterrupt(context.Background()) // closing may have to roll back
	return stopped(ctx, errors.Join(err, c.Close()))
}

// stopped turns SQLite's words for an interrupted statement, and for one that no longer waits
// for a lock, into the context's own error.
func stopped(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil && (errors.Is(err, sqlite3.INTERRUPT) || errors.Is(err, sqlite3.BUSY)) {
		return ctx.Err()
	}
	return err
}

// Read implements migration.Environment. All queries see the same state.
func (d *Database) Read(ctx context.Context, queries ...migration.Query) ([]migration.Rows, error) {
	var results []migration.Rows
	err := d.reading(ctx, func(c conn) error {
		results = results[:0]
		for _, q := range queries {
			rows, err := c.query(q)
			if err != nil {
				if errors.Is(err, sqlite3.ERROR) {
					rows.Err = errors.New(describe(err))
				} else {
					return err
				}
			}
			results = append(results, rows)
		}
		return nil
	})
	return results, err
}

// Bookmark implements migration.Environment.
func (d *Database) Bookmark(ctx context.Context, at time.Time) (migration.Bookmark, error) {
	var now migration.Bookmark
	err := d.reading(ctx, func(c conn) error {
		print, err := d.scan(ctx, c, "reading the database", nil)
		if err != nil {
			return err
		}
		now, err = d.time.bookmark(print)
		return err
	})
	if err != nil || at.IsZero() {
		return now, err
	}
	return d.time.at(at, now)
}

// Apply implements migration.Environment. A copy of the database is taken first unless
// there is one of this very state.
func (d *Database) Apply(ctx context.Context, batch migration.Batch) error {
	sent := false
	err := d.writing(ctx, func(c conn) error {
		version, err := d.keep(ctx, c, batch.Planned)
		if err != nil {
			return err
		}
		if err := c.asD1(); err != nil {
			return err
		}
		if err := c.exec("BEGIN IMMEDIATE"); err != nil {
			return err
		}
		if err := c.unmoved(version); err != nil {
			return errors.Join(err, c.exec("ROLLBACK"))
		}
		sent, err = commit(ctx, c, batch, nil)
		return err
	})
	if _, refused := errors.AsType[*migration.StatementError](err); err == nil || sent || refused {
		return err
	}
	return &migration.ApplyError{Err: err, Untouched: true}
}

// commit runs batch in the transaction that is open and ends it. An error leaves in doubt what was
// committed only if the COMMIT was sent.
func commit(ctx context.Context, c conn, batch migration.Batch, each func(Answer)) (sent bool, err error) {
	err = c.run(batch, each, nil)
	if err == nil {
		if err = ctx.Err(); err == nil {
			sent = true
			if err = c.exec("COMMIT"); err == nil {
				return sent, nil
			}
			if errors.Is(err, sqlite3.CONSTRAINT) {
				err = &migration.StatementError{Index: -1, Text: describe(err), Offset: -1}
			}
		}
	}
	c.SetInterrupt(context.WithoutCancel(ctx))
	if !c.GetAutocommit() {
		err = errors.Join(err, c.exec("ROLLBACK"))
	}
	return sent, err
}

// writing calls f with a connection that may write, creating the database if need be.
func (d *Database) writing(ctx context.Context, f func(conn) error) error {
	if err := os.MkdirAll(filepath.Dir(d.path), 0o755); err != nil {
		return d.problem(err)
	}
	if err := d.regular(); err != nil {
		return err
	}
	return d.problem(withConn(ctx, fileURI(d.path, ""), sqlite3.OPEN_READWRITE|sqlite3.OPEN_CREATE, func(c conn) error {
		if err := c.BusyHandler(d.wait()); err != nil {
			return err
		}
		// workerd keeps its databases in WAL mode and switches others to it.
		if mode, err := c.value("PRAGMA journal_mode"); err != nil {
			return err
		} else if mode != "wal" {
			if err := c.exec("PRAGMA journal_mode = WAL"); err != nil {
				return err
			}
		}
		return f(c)
	}))
}

// wait is how a write waits for another process: as long as busyTimeout, and not in silence.
func (d *Database) wait() func(context.Context, int) bool {
	var begun time.Time
	said := false
	return func(ctx context.Context, count int) bool {
		if count == 0 {
			begun, said = time.Now(), false
		}
		waited := time.Since(begun)
		if waited > busyTimeout || ctx.Err() != nil {
			return false
		}
		if waited > time.Second && !said {
			said = true
			d.progress(fmt.Sprintf("waiting %s at most for another process that holds the database (%s)", busyTimeout, d.holders()))
		}
		time.Sleep(min(time.Duration(count+1)*time.Millisecond, 50*time.Millisecond))
		return true
	}
}

// holders says who may hold the database.
func (d *Database) holders() string {
	if open := holders(d.path); len(open) > 0 {
		return "open in " + strings.Join(open, ", ")
	}
	return "a wrangler dev in the middle of a write, another d1-rewind, or a database browser"
}

// keep takes a copy of the state in which the connection finds the database, unless there is
// one, and returns the connection's data_version at that state, which has to be the one planned,
// "" for any.
func (d *Database) keep(ctx context.Context, c conn, planned migration.Bookmark) (version any, err error) {
	version, err = c.value("PRAGMA data_version")
	if err != nil {
		return nil, err
	}
	held, err := d.time.holds(planned)
	if err == nil && !held {
		err = d.time.keep(planned, func(file *os.File) (string, error) { return d.scan(ctx, c, "copying the database", file) })
	} else if err == nil {
		var print string
		var bookmark migration.Bookmark
		if print, err = d.scan(ctx, c, "reading the database", nil); err == nil {
			bookmark, err = d.time.bookmark(print)
		}
		if err == nil && bookmark != planned {
			err = migration.ErrMoved
		}
		if err == nil {
			err = d.time.confirm(planned)
		}
	}
	if err != nil {
		return nil, during{"copy the database before writing", err}
	}
	return version, c.unmoved(version)
}

// unmoved returns migration.ErrMoved if someone else wrote since c had the data_version.
func (c conn) unmoved(version any) error {
	now, err := c.value("PRAGMA data_version")
	if err == nil && now != version {
		err = migration.ErrMoved
	}
	return err
}

// Restore implements migration.Environment.
func (d *Database) Restore(ctx context.Context, to migration.Bookmark) (migration.Bookmark, error) {
	now, err := d.Bookmark(ctx, time.Time{})
	if err != nil {
		return "", err
	}
	draft, err := d.Draft(ctx, to, now)
	if err != nil {
		return "", err
	}
	defer draft.Close()
	return now, d.Replace(ctx, draft)
}

// Replace implements migration.Replacer. The content goes into the existing file, so that a
// running wrangler dev sees it at its next query; the file is locked against writers between
// the copy of its old content and the new one.
func (d *Database) Replace(ctx context.Context, draft migration.Draft) error {
	m, ok := draft.(*Scratch)
	if !ok {
		return fmt.Errorf("a %T can't replace a local database", draft)
	}
	return d.writing(ctx, func(reader conn) error {
		version, err := d.keep(ctx, reader, m.before)
		if err != nil {
			return err
		}
		if err := reader.exec("BEGIN IMMEDIATE; ROLLBACK"); err != nil { // the backup would wait in silence
			return err
		}
		return withConn(ctx, m.uri, sqlite3.OPEN_READONLY, func(from conn) error {
			changed, err := reader.fit(from)
			if err != nil {
				return err
			}
			locked := func() error { return reader.unmoved(version) }
			if changed { // and no longer in WAL mode: the lock would keep the reader out, too
				err, locked = locked(), nil
			}
			if err != nil {
				return err
			}
			target := fileURI(d.path, fmt.Sprintf("_pragma=busy_timeout(%d)", busyTimeout.Milliseconds()))
			return d.backup(ctx, from, "writing the database", target, locked)
		})
	})
}

// fit makes the database take the content of another whose pages have another size, as one
// that another program made anew may have, and reports whether it had to: in WAL mode it can't.
func (c conn) fit(from conn) (changed bool, err error) {
	ours, err := c.pageSize()
	if err != nil {
		return false, err
	}
	theirs, err := from.pageSize()
	if err != nil || ours == theirs {
		return false, err
	}
	if err := c.exec("PRAGMA journal_mode = DELETE"); err != nil {
		return false, during{fmt.Sprintf("the copy has pages of %d bytes, the database of %d, and they change only while nobody else has it open", theirs, ours), err}
	}
	return true, nil
}

// Holds reports whether there is a copy of the state that to names.
func (d *Database) Holds(to migration.Bookmark) (bool, error) { return d.time.holds(to) }

// Kept implements migration.History.
func (d *Database) Kept(context.Context) (migration.Kept, error) { return d.time.kept() }

// during is an error and what was being done.
type during struct {
	what string
	error
}

func (e during) Unwrap() error { return e.error }
func (e during) Error() string { return e.what + ": " + e.error.Error() }

// problem words errors of the file itself as a user needs them.
func (d *Database) problem(err error) error {
	if err == nil {
		return nil
	}
	text := describe(err)
	if step, ok := errors.AsType[during](err); ok {
		text = step.what + ": " + describe(step.error)
	}
	p := &migration.Problem{Err: fmt.Errorf("local database %s: %s", d.display, text), State: "nothing was written; the database is as it was before"}
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, migration.ErrMoved):
		return err
	case errors.Is(err, sqlite3.BUSY), errors.Is(err, sqlite3.LOCKED):
		p.Next = fmt.Sprintf("another process has held the database for %s (%s): let it finish or stop it, then run again", busyTimeout, d.holders())
	case errors.Is(err, sqlite3.NOTADB), errors.Is(err, sqlite3.CORRUPT):
		p.Next = "the file is damaged or no SQLite database: move it away with its -wal and -shm, then restore a state (" + d.time.newest() + ") or run migrate again"
	case errors.Is(err, sqlite3.FULL), errors.Is(err, sqlite3.IOERR), errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT), errors.Is(err, syscall.EIO):
		p.Next = "the disk is full or failing: check the free space (a restore needs three times the size of the database) and run again"
	case errors.Is(err, sqlite3.READONLY), errors.Is(err, sqlite3.CANTOPEN), errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		p.Next = "check who owns the file that is named and its directory: both must be writable"
	default:
		return err
	}
	return p
}
