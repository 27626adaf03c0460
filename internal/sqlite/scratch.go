package sqlite

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/ext/serdes"
	"github.com/ncruces/go-sqlite3/vfs/memdb"

	"github.com/d1-rewind/d1-rewind/internal/migration"
)

// Scratch is a database of our own with D1's behaviour, for rehearsals, resets and restores:
// in memory, or in a file that goes with it.
type Scratch struct {
	name   string // of one in memory
	file   string // of the other
	dir    string // that the file has for itself and its journal; "" if it has none
	uri    string
	mutex  sync.Mutex
	held   conn // without which the database would go while nobody works on it
	before migration.Bookmark
}

// NewScratch returns an empty database in memory that reports before as its bookmark.
func NewScratch(ctx context.Context, before migration.Bookmark) (*Scratch, error) {
	return newScratch(ctx, before, nil)
}

// NewScratchFile returns an empty database in a temporary file that only this user can read. What
// SQLite keeps to undo a transaction is in a file, too, so that memory stays bounded whatever the
// size. Close removes it all.
func NewScratchFile(ctx context.Context) (*Scratch, error) {
	dir, err := temporaryDirectory()
	if err != nil {
		return nil, err
	}
	m := &Scratch{dir: dir, file: filepath.Join(dir, copyName)}
	file, err := os.OpenFile(m.file, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err == nil {
		err = file.Close()
	}
	if err == nil {
		m.uri = fileURI(m.file, "_pragma=synchronous(off)&_pragma=temp_store(file)")
		err = m.hold(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return m, nil
}

// temporary is what the names of directories for copies begin with.
const temporary = "d1-rewind-copy-"

// copyName is how a copy is called in its directory.
const copyName = "copy"

// orphaned is how long nobody writes to a copy that belongs to a killed run: a copy goes on all
// the time, and a trial on it ends after two minutes.
const orphaned = time.Hour

// temporaryDirectory makes a directory for a copy. It removes those that killed runs have left:
// they have rows.
func temporaryDirectory() (string, error) {
	entries, _ := os.ReadDir(os.TempDir()) // what can't be read can't be swept
	for _, entry := range entries {
		dir := filepath.Join(os.TempDir(), entry.Name())
		young := func(path string) bool {
			info, err := os.Stat(path)
			return err == nil && time.Since(info.ModTime()) <= orphaned
		}
		if strings.HasPrefix(entry.Name(), temporary) && !young(dir) && !young(filepath.Join(dir, copyName)) {
			_ = os.RemoveAll(dir)
		}
	}
	dir, err := os.MkdirTemp("", temporary)
	if err != nil {
		return "", fmt.Errorf("no temporary file can be made, and TMPDIR can name another directory for it: %w", err)
	}
	return dir, nil
}

func newScratch(ctx context.Context, before migration.Bookmark, content []byte) (*Scratch, error) {
	name := rand.Text()
	if content != nil {
		memdb.Create(name, content)
	}
	m := &Scratch{name: name, uri: "file:/" + name + "?vfs=memdb", before: before}
	return m, m.hold(ctx)
}

func (m *Scratch) hold(ctx context.Context) (err error) {
	m.held, err = open(context.WithoutCancel(ctx), m.uri, sqlite3.OPEN_READWRITE|sqlite3.OPEN_CREATE)
	return err
}

// Close frees the database.
func (m *Scratch) Close() error {
	switch {
	case m.dir != "":
		return errors.Join(m.held.Close(), os.RemoveAll(m.dir))
	case m.file != "":
		return errors.Join(m.held.Close(), os.Remove(m.file))
	}
	memdb.Delete(m.name)
	return m.held.Close()
}

// Read implements migration.Environment.
func (m *Scratch) Read(_ context.Context, queries ...migration.Query) ([]migration.Rows, error) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	var results []migration.Rows
	for _, q := range queries {
		rows, err := m.held.query(q)
		if err != nil {
			rows.Err = errors.New(describe(err))
		}
		results = append(results, rows)
	}
	return results, nil
}

// Bookmark implements migration.Environment; a scratch database has no history.
func (m *Scratch) Bookmark(context.Context, time.Time) (migration.Bookmark, error) {
	return m.before, nil
}

// Apply implements migration.Environment.
func (m *Scratch) Apply(ctx context.Context, batch migration.Batch) error {
	_, err := m.Run(ctx, batch)
	return err
}

// Run is Apply, and returns what each statement gave.
func (m *Scratch) Run(ctx context.Context, batch migration.Batch) ([]Answer, error) {
	var answers []Answer
	err := withConn(ctx, m.uri, sqlite3.OPEN_READWRITE, func(c conn) error {
		if err := c.asD1(); err != nil {
			return err
		}
		if err := c.exec("BEGIN IMMEDIATE"); err != nil {
			return err
		}
		_, err := commit(ctx, c, batch, func(a Answer) { answers = append(answers, a) })
		return err
	})
	return answers, err
}

// Content returns the database as SQLite would write it to a file.
func (m *Scratch) Content() ([]byte, error) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	return serialize(m.held)
}

// Load returns a database in memory with a copy of the given content, which may be empty.
func Load(ctx context.Context, content []byte) (*Scratch, error) {
	if len(content) == 0 {
		return newScratch(ctx, "", nil)
	}
	return newScratch(ctx, "", bytes.Clone(content)) // memdb writes into what it is given
}

// Dump writes the database as SQL; see Database.Dump.
func (m *Scratch) Dump(w io.Writer) error {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	out := &dump{c: m.held, w: bufio.NewWriter(w)}
	return errors.Join(out.all(), out.w.Flush())
}

// Restore implements migration.Environment.
func (m *Scratch) Restore(context.Context, migration.Bookmark) (migration.Bookmark, error) {
	return "", errors.New("a scratch database has no Time Travel")
}

// Draft implements migration.Replacer. A copy is as large as the database, so it is in a file.
func (d *Database) Draft(ctx context.Context, of, planned migration.Bookmark) (migration.Draft, error) {
	if of == "" {
		return d.empty(ctx, planned)
	}
	copied, err := d.time.find(of)
	if err != nil {
		return nil, err
	}
	if copied.fingerprint() == emptyFingerprint {
		return d.empty(ctx, planned)
	}
	m := &Scratch{before: planned}
	if m.file, err = d.time.draft(ctx, copied, d.meter()); err != nil {
		return nil, d.problem(err)
	}
	m.uri = fileURI(m.file, "_pragma=journal_mode(memory)&_pragma=synchronous(off)")
	if err := d.unchanged(ctx, m, copied); err != nil {
		return nil, errors.Join(err, os.Remove(m.file))
	}
	return m, nil
}

// unchanged opens a draft and holds its content against the bookmark of the copy that it is of.
// Nobody else would notice a copy that was damaged or written to.
func (d *Database) unchanged(ctx context.Context, m *Scratch, copied snapshot) error {
	err := m.hold(ctx)
	if err == nil {
		var print string
		print, err = d.scan(ctx, m.held, "checking the copy", nil)
		if err == nil && print == copied.fingerprint() {
			return nil
		}
		_ = m.held.Close()
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	why := "its content is not what its name says"
	if err != nil {
		if !errors.Is(err, sqlite3.NOTADB) && !errors.Is(err, sqlite3.CORRUPT) {
			return d.problem(during{"check the copy " + copied.path, err})
		}
		why = describe(err)
	}
	return &migration.Problem{Err: fmt.Errorf("the copy %s was damaged or changed: %s", copied.path, why),
		State: "nothing was written; the database is as it was before", Next: "go back to another state: " + d.time.reach(d.time.others(copied))}
}

// empty returns an empty database whose content can take the place of d's: a database in
// WAL mode can't change the size of its pages.
func (d *Database) empty(ctx context.Context, before migration.Bookmark) (*Scratch, error) {
	var size int64
	err := d.reading(ctx, func(c conn) (err error) {
		size, err = c.pageSize()
		return err
	})
	if err != nil {
		return nil, err
	}
	m, err := NewScratch(ctx, before)
	if err != nil {
		return nil, err
	}
	// Writing the version makes the first page: a backup of no page at all would be
	// complete before it has taken the lock.
	err = m.held.exec(fmt.Sprintf("PRAGMA page_size = %d; PRAGMA user_version = 1; PRAGMA user_version = 0", size))
	if err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return m, nil
}

// inMemory is up to which size a copy is in memory, in bytes.
const inMemory = 32 << 20

// CopyError is why a copy could not be made of a database that can be read.
type CopyError struct{ text string }

func (e CopyError) Error() string { return e.text }

// Copy returns a copy of the database, or nil and its size if that is more than limit bytes. A
// large one is in a temporary file; the error is a CopyError where that fails. The caller closes it.
func (d *Database) Copy(ctx context.Context, limit int64) (m *Scratch, size int64, err error) {
	var failed error
	err = d.reading(ctx, func(c conn) error {
		failed = nil
		if m != nil { // someone wrote meanwhile, and it is done once more
			if err := m.Close(); err != nil {
				return err
			}
			m = nil
		}
		v, err := c.value("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size")
		if err != nil {
			return err
		}
		switch size, _ = v.(int64); {
		case size > limit:
			return nil
		case size > inMemory:
			if m, err = NewScratchFile(ctx); err == nil {
				err = d.backup(ctx, c, "copying the database for the rehearsal", m.uri, nil)
			}
			if err != nil && ctx.Err() == nil {
				failed = CopyError{describe(err)}
				return nil
			}
			return err
		}
		content, err := serialize(c)
		if err != nil {
			return err
		}
		m, err = newScratch(ctx, "", content)
		return err
	})
	if err == nil {
		err = failed
	}
	if err != nil && m != nil {
		err = errors.Join(err, m.Close())
		m = nil
	}
	return m, size, err
}

func serialize(c conn) (content []byte, err error) {
	defer recovered(&err)
	return serdes.Serialize(c.Conn, "main")
}
