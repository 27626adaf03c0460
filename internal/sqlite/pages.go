package sqlite

import (
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"strings"
	"sync"

	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/vfs"
)

// pagesVFS is a file system whose files keep nothing but the digest of each page that
// SQLite's backup writes: SQLite reads the pages of a database, we never parse its files.
const pagesVFS = "d1-rewind-pages"

func init() { vfs.Register(pagesVFS, pages{}) }

var pageDigests sync.Map // name to *pageDigest

// registerPages makes p reachable by a file name until forget is called.
func registerPages(p *pageDigest) (name string, forget func()) {
	name = rand.Text()
	pageDigests.Store(name, p)
	return name, func() { pageDigests.Delete(name) }
}

// pageDigest is a database file of which only digests are kept.
type pageDigest struct {
	size  int64
	page1 []byte // SQLite comes back to the header when it finishes a backup
	pages map[int64][sha256.Size]byte
	page  int64 // size of a page
}

// sum digests all pages in order, leaving out the parts of the header that change without
// a change of content: the file's journal mode, change counters and the schema cookie,
// which a backup sets anew.
func (p *pageDigest) sum() []byte {
	h := sha256.New()
	first := append([]byte(nil), p.page1...)
	for _, field := range [][2]int{{18, 20}, {24, 28}, {40, 44}, {92, 100}} {
		clear(first[field[0]:field[1]])
	}
	h.Write(first)
	for offset := p.page; p.page > 0 && offset < p.size; offset += p.page {
		sum := p.pages[offset]
		h.Write(sum[:])
	}
	return h.Sum(nil)
}

func (p *pageDigest) WriteAt(data []byte, offset int64) (int, error) {
	if offset == 0 {
		p.page1 = append(p.page1[:0], data...)
		p.page = int64(len(data))
	} else {
		if p.pages == nil {
			p.pages = map[int64][sha256.Size]byte{}
		}
		p.pages[offset] = sha256.Sum256(data)
	}
	p.size = max(p.size, offset+int64(len(data)))
	return len(data), nil
}

func (p *pageDigest) ReadAt(data []byte, offset int64) (int, error) {
	if p.size == 0 {
		return 0, nil // SQLite fills the rest with zeros: an empty file
	}
	if offset+int64(len(data)) <= int64(len(p.page1)) {
		return copy(data, p.page1[offset:]), nil
	}
	return 0, errors.New("a backup read a page back")
}

func (p *pageDigest) Truncate(size int64) error                     { p.size = size; return nil }
func (p *pageDigest) Size() (int64, error)                          { return p.size, nil }
func (*pageDigest) Close() error                                    { return nil }
func (*pageDigest) Sync(vfs.SyncFlag) error                         { return nil }
func (*pageDigest) Lock(vfs.LockLevel) error                        { return nil }
func (*pageDigest) Unlock(vfs.LockLevel) error                      { return nil }
func (*pageDigest) CheckReservedLock() (bool, error)                { return false, nil }
func (*pageDigest) SectorSize() int                                 { return 0 }
func (*pageDigest) DeviceCharacteristics() vfs.DeviceCharacteristic { return 0 }

type pages struct{}

func (pages) Open(name string, flags vfs.OpenFlag) (vfs.File, vfs.OpenFlag, error) {
	p, ok := pageDigests.Load(strings.TrimPrefix(name, "/"))
	if !ok || flags&vfs.OPEN_MAIN_DB == 0 {
		return nil, flags, sqlite3.CANTOPEN
	}
	return p.(*pageDigest), flags, nil
}

func (pages) Delete(string, bool) error                   { return sqlite3.IOERR_DELETE_NOENT }
func (pages) Access(string, vfs.AccessFlag) (bool, error) { return false, nil }
func (pages) FullPathname(name string) (string, error)    { return name, nil }
