package sqlite

import (
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"io"
	"strings"
	"sync"

	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/vfs"
)

// pagesVFS is a file system for the target of SQLite's backup: SQLite reads the pages of a
// database, we never parse its files.
const pagesVFS = "d1-rewind-pages"

func init() { vfs.Register(pagesVFS, pages{}) }

var pageSinks sync.Map // name to *pageSink

// pageSink is a database file that takes the pages of one backup, writes them to a copy if
// there is one, and digests them in a goroutine of its own.
type pageSink struct {
	name  string
	copy  io.WriterAt // nil: only the digest is wanted
	size  int64
	page  int64  // size of a page
	first []byte // page 1: SQLite comes back to it when it finishes a backup
	sums  [][sha256.Size]byte
	full  chan span
	empty chan []byte
	now   span
	done  chan struct{}
	err   error // of the copy
}

// span is some pages that follow each other.
type span struct {
	page   int64
	offset int64
	data   []byte
}

// spanSize is how many bytes are written to the copy at once.
const spanSize = 1 << 18

func newPageSink(copied io.WriterAt) *pageSink {
	p := &pageSink{name: rand.Text(), copy: copied, full: make(chan span), empty: make(chan []byte, 3), done: make(chan struct{})}
	for range cap(p.empty) {
		p.empty <- make([]byte, 0, spanSize)
	}
	pageSinks.Store(p.name, p)
	go p.work()
	return p
}

// uri is where SQLite finds the file.
func (p *pageSink) uri() string {
	return "file:/" + p.name + "?vfs=" + pagesVFS + "&_pragma=journal_mode(off)&_pragma=synchronous(off)"
}

func (p *pageSink) work() {
	defer close(p.done)
	for s := range p.full {
		for i := int64(0); i < int64(len(s.data)); i += s.page {
			n := (s.offset + i) / s.page
			for int64(len(p.sums)) <= n {
				p.sums = append(p.sums, [sha256.Size]byte{})
			}
			p.sums[n] = sha256.Sum256(s.data[i : i+s.page])
		}
		p.empty <- s.data[:0]
	}
}

// close ends the backup and returns what became of the copy. Without it the goroutine stays.
func (p *pageSink) close() error {
	p.flush()
	close(p.full)
	<-p.done
	pageSinks.Delete(p.name)
	if p.copy != nil && p.err == nil && len(p.first) > 0 {
		// A copy is in no WAL mode: whoever opens it makes no files beside it
		// (https://sqlite.org/fileformat.html, section 1.3.3).
		p.first[18], p.first[19] = 1, 1
		_, p.err = p.copy.WriteAt(p.first, 0)
	}
	return p.err
}

// sum digests all pages in order, leaving out the parts of the header that change without
// a change of content: the file's journal mode, change counters and the schema cookie,
// which a backup sets anew.
func (p *pageSink) sum() []byte {
	h := sha256.New()
	first := append([]byte(nil), p.first...)
	for _, field := range [][2]int{{18, 20}, {24, 28}, {40, 44}, {92, 100}} {
		clear(first[field[0]:field[1]])
	}
	h.Write(first)
	for n := int64(1); p.page > 0 && n < p.size/p.page; n++ {
		var sum [sha256.Size]byte // the page at 1 GiB, where SQLite's locks are, is never written
		if n < int64(len(p.sums)) {
			sum = p.sums[n]
		}
		h.Write(sum[:])
	}
	return h.Sum(nil)
}

func (p *pageSink) flush() {
	if len(p.now.data) == 0 {
		return
	}
	if p.copy != nil && p.err == nil {
		_, p.err = p.copy.WriteAt(p.now.data, p.now.offset)
	}
	p.full <- p.now
	p.now = span{}
}

func (p *pageSink) WriteAt(data []byte, offset int64) (int, error) {
	p.size = max(p.size, offset+int64(len(data)))
	if offset == 0 {
		p.first, p.page = append(p.first[:0], data...), int64(len(data))
		return len(data), nil
	}
	if p.page == 0 {
		p.page = int64(len(data))
	}
	if offset != p.now.offset+int64(len(p.now.data)) || len(p.now.data)+len(data) > spanSize {
		p.flush()
	}
	if p.now.data == nil {
		p.now = span{p.page, offset, <-p.empty}
	}
	p.now.data = append(p.now.data, data...)
	return len(data), p.err
}

func (p *pageSink) ReadAt(data []byte, offset int64) (int, error) {
	if p.size == 0 {
		return 0, nil // SQLite fills the rest with zeros: an empty file
	}
	if offset+int64(len(data)) <= int64(len(p.first)) {
		return copy(data, p.first[offset:]), nil
	}
	return 0, errors.New("a backup read a page back")
}

func (p *pageSink) Truncate(size int64) error                     { p.size = size; return nil }
func (p *pageSink) Size() (int64, error)                          { return p.size, nil }
func (*pageSink) Close() error                                    { return nil }
func (*pageSink) Sync(vfs.SyncFlag) error                         { return nil }
func (*pageSink) Lock(vfs.LockLevel) error                        { return nil }
func (*pageSink) Unlock(vfs.LockLevel) error                      { return nil }
func (*pageSink) CheckReservedLock() (bool, error)                { return false, nil }
func (*pageSink) SectorSize() int                                 { return 0 }
func (*pageSink) DeviceCharacteristics() vfs.DeviceCharacteristic { return 0 }

type pages struct{}

func (pages) Open(name string, flags vfs.OpenFlag) (vfs.File, vfs.OpenFlag, error) {
	p, ok := pageSinks.Load(strings.TrimPrefix(name, "/"))
	if !ok || flags&vfs.OPEN_MAIN_DB == 0 {
		return nil, flags, sqlite3.CANTOPEN
	}
	return p.(*pageSink), flags, nil
}

func (pages) Delete(string, bool) error                   { return sqlite3.IOERR_DELETE_NOENT }
func (pages) Access(string, vfs.AccessFlag) (bool, error) { return false, nil }
func (pages) FullPathname(name string) (string, error)    { return name, nil }
