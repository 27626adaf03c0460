package sqlite

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/d1-rewind/d1-rewind/internal/migration"
)

// retention is D1's on the paid plan (https://developers.cloudflare.com/d1/reference/time-travel/).
const retention = 30 * 24 * time.Hour

// timeTravel keeps copies of one database in a directory. Each is a file of its own, named
// "<time>_<bookmark>.copy" and put in place by a rename, so that there is no index that
// could disagree with the files. The copy of a database that did not exist is empty.
//
// A bookmark is the copy's number, zero, the first digits of the database's own name and
// the fingerprint of its content. So the bookmark of a state can be told before a copy of
// it exists, stays the same while nothing changes, and sorts by time.
type timeTravel struct {
	dir string
	id  string // eight hexadecimal digits
	now func() time.Time
}

const (
	copySuffix = ".copy"
	copyTime   = "20060102T150405.000000000Z"
)

type snapshot struct {
	path     string
	taken    time.Time
	bookmark migration.Bookmark
	number   uint64
	size     int64
}

// list returns all copies, oldest first.
func (t timeTravel) list() ([]snapshot, error) {
	entries, err := os.ReadDir(t.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read the copies of the local Time Travel: %w", err)
	}
	var copies []snapshot
	for _, entry := range entries {
		name, ok := strings.CutSuffix(entry.Name(), copySuffix)
		stamp, bookmark, ok2 := strings.Cut(name, "_")
		taken, err := time.Parse(copyTime, stamp)
		if !ok || !ok2 || err != nil || len(bookmark) < 8 {
			continue
		}
		number, err := strconv.ParseUint(bookmark[:8], 16, 32)
		if err != nil {
			continue
		}
		info, err := entry.Info()
		if err != nil {
			continue // pruned by another run meanwhile
		}
		copies = append(copies, snapshot{filepath.Join(t.dir, entry.Name()), taken, migration.Bookmark(bookmark), number, info.Size()})
	}
	slices.SortFunc(copies, func(a, b snapshot) int {
		return cmp.Or(cmp.Compare(a.number, b.number), a.taken.Compare(b.taken))
	})
	return copies, nil
}

// bookmark names the state with the given fingerprint: the newest copy's own if it is of
// that state, else the one that the next copy will have.
func (t timeTravel) bookmark(print string) (migration.Bookmark, error) {
	copies, err := t.list()
	if err != nil {
		return "", err
	}
	number := uint64(1)
	if n := len(copies); n > 0 {
		newest := copies[n-1]
		if strings.HasSuffix(string(newest.bookmark), "-"+print) {
			return newest.bookmark, nil
		}
		number = newest.number + 1
	}
	return migration.Bookmark(fmt.Sprintf("%08x-00000000-%s-%s", number, t.id, print)), nil
}

// keep stores a copy under bookmark, made by write, unless it is there already. A copy of
// the same content is linked, not written again.
func (t timeTravel) keep(bookmark migration.Bookmark, write func(path string) error) error {
	copies, err := t.list()
	if err != nil {
		return err
	}
	if slices.ContainsFunc(copies, func(s snapshot) bool { return s.bookmark == bookmark }) {
		return nil
	}
	if err := os.MkdirAll(t.dir, 0o755); err != nil {
		return err
	}
	temp, err := os.CreateTemp(t.dir, "unfinished-*")
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name())
	if err := temp.Close(); err != nil {
		return err
	}
	final := filepath.Join(t.dir, t.now().UTC().Format(copyTime)+"_"+string(bookmark)+copySuffix)
	print := string(bookmark[len(bookmark)-fingerprintLength:])
	for _, s := range slices.Backward(copies) {
		if strings.HasSuffix(string(s.bookmark), "-"+print) && os.Link(s.path, final) == nil {
			return t.prune(copies)
		}
	}
	if print != emptyFingerprint {
		if err := write(temp.Name()); err != nil {
			return err
		}
	}
	if err := os.Rename(temp.Name(), final); err != nil {
		return err
	}
	return t.prune(copies)
}

// prune removes copies that D1 would not keep either.
func (t timeTravel) prune(copies []snapshot) error {
	for _, s := range copies {
		if t.now().Sub(s.taken) > retention {
			if err := os.Remove(s.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	return nil
}

// at returns the bookmark of what was true at a moment: the first copy taken at or after
// it, or the state now. What wrangler dev wrote in between belongs to the later copy.
func (t timeTravel) at(when time.Time, now migration.Bookmark) (migration.Bookmark, error) {
	copies, err := t.list()
	if err != nil {
		return "", err
	}
	if age := t.now().Sub(when); age > retention {
		next := "nothing was copied yet"
		if len(copies) > 0 {
			next = fmt.Sprintf("the oldest copy is from %s", copies[0].taken.Format(time.RFC3339))
		}
		return "", &migration.Problem{Kind: migration.Usage, State: "nothing was written", Next: next,
			Err: fmt.Errorf("the time %s lies before the history: Time Travel reaches back 30 days", when.UTC().Format(time.RFC3339))}
	}
	for _, s := range copies {
		if !s.taken.Before(when) {
			return s.bookmark, nil
		}
	}
	return now, nil
}

// find returns the file of a bookmark. The error is a *migration.Problem of kind Usage.
func (t timeTravel) find(bookmark migration.Bookmark) (string, error) {
	copies, err := t.list()
	if err != nil {
		return "", err
	}
	for _, s := range copies {
		if s.bookmark == bookmark {
			return s.path, nil
		}
	}
	p := &migration.Problem{Kind: migration.Usage, State: "nothing was written", Next: "nothing was copied yet: a copy is taken before every write of d1-rewind"}
	if len(copies) > 0 {
		oldest, newest := copies[0], copies[len(copies)-1]
		p.Next = fmt.Sprintf("there are %s, from %s (%s) to %s (%s)", migration.Count(len(copies), "state"),
			oldest.taken.Format(time.RFC3339), oldest.bookmark, newest.taken.Format(time.RFC3339), newest.bookmark)
	}
	if groups := strings.Split(string(bookmark), "-"); len(groups) == 4 && groups[2] != t.id {
		p.Err = fmt.Errorf("the bookmark %s belongs to another database: those of this local one have %q as their third group", bookmark, t.id)
	} else {
		p.Err = fmt.Errorf("no copy was taken of the state %s: the local Time Travel keeps the states before each write of d1-rewind, not those in between", bookmark)
	}
	return "", p
}

func (t timeTravel) kept() (migration.Kept, error) {
	copies, err := t.list()
	kept := migration.Kept{Copies: len(copies)}
	if len(copies) > 0 {
		kept.Oldest, kept.Since = copies[0].bookmark, copies[0].taken
	}
	for _, s := range copies {
		kept.Bytes += s.size
	}
	return kept, err
}

// fingerprintLength is that of the last group of a bookmark.
const fingerprintLength = 32

// emptyFingerprint is that of a database without any object, whether or not it has a file.
var emptyFingerprint = digest(sha256.New().Sum(nil))

func digest(sum []byte) string { return hex.EncodeToString(sum)[:fingerprintLength] }

// fingerprint digests the content of the database as its connection sees it, through the
// write-ahead log. It is the same for a database and a copy of it, and costs one read of
// all pages.
func fingerprint(ctx context.Context, c conn) (string, error) {
	objects, err := c.value("SELECT count(*) FROM sqlite_schema")
	if err != nil {
		return "", err
	}
	if objects == int64(0) {
		return emptyFingerprint, nil
	}
	pages := &pageDigest{}
	name, forget := registerPages(pages)
	defer forget()
	if err := backup(ctx, c, "file:/"+name+"?vfs="+pagesVFS+"&_pragma=journal_mode(off)&_pragma=synchronous(off)"); err != nil {
		return "", err
	}
	return digest(pages.sum()), nil
}

// backupStep is how many pages are copied between two looks at the context.
const backupStep = 4096

// backup copies the database to the one at uri.
func backup(ctx context.Context, c conn, uri string) (err error) {
	defer recovered(&err)
	b, err := c.BackupInit("main", uri)
	if err != nil {
		return err
	}
	for done := false; !done && err == nil; {
		if err = ctx.Err(); err == nil {
			done, err = b.Step(backupStep)
		}
	}
	return errors.Join(err, b.Close())
}
