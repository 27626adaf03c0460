package sqlite

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/d1-rewind/d1-rewind/internal/migration"
)

// timeTravel keeps copies of one database in a directory. Each is a file of its own, named
// "<time>_<bookmark>.copy" and put in place by a rename, so that there is no index that
// could disagree with the files. The copy of a database that did not exist is empty.
//
// A bookmark is the copy's number, zero, the first digits of the database's own name and
// the fingerprint of its content. So the bookmark of a state can be told before a copy of
// it exists, stays the same while nothing changes, and sorts by time.
type timeTravel struct {
	dir   string
	id    string // eight hexadecimal digits
	limit int64  // bytes that all copies may take
	since time.Time
	now   func() time.Time
}

const (
	copySuffix = ".copy"
	seenSuffix = ".seen" // of an empty file that says when the database was still in a copy's state
	goneSuffix = ".gone" // of an empty file that says so of the newest copy that was pruned
	unfinished = "unfinished-"
	copyTime   = "20060102T150405.000000000Z"
)

// abandoned is how long nothing was written to an unfinished copy whose run was killed.
const abandoned = 10 * time.Minute

// clockStep is how far clocks are set back without a word, as NTP does.
const clockStep = time.Minute

type snapshot struct {
	path     string
	taken    time.Time
	seen     time.Time // last
	bookmark migration.Bookmark
	number   uint64
	info     fs.FileInfo
}

func (s snapshot) fingerprint() string {
	return string(s.bookmark[strings.LastIndexByte(string(s.bookmark), '-')+1:])
}

// list returns all copies, oldest first.
func (t timeTravel) list() ([]snapshot, error) {
	copies, err := t.files(copySuffix)
	if err != nil {
		return nil, err
	}
	seen, err := t.files(seenSuffix)
	for i := range copies {
		copies[i].seen = copies[i].taken
		for _, s := range seen {
			if s.bookmark == copies[i].bookmark && s.taken.After(copies[i].seen) {
				copies[i].seen = s.taken
			}
		}
	}
	return copies, err
}

// others returns the copies but one.
func (t timeTravel) others(but snapshot) []snapshot {
	copies, _ := t.list() // for a message
	return slices.DeleteFunc(copies, func(s snapshot) bool { return s.bookmark == but.bookmark })
}

func (t timeTravel) files(suffix string) ([]snapshot, error) {
	entries, err := os.ReadDir(t.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read the copies of the local Time Travel: %w", err)
	}
	var copies []snapshot
	for _, entry := range entries {
		name, ok := strings.CutSuffix(entry.Name(), suffix)
		stamp, name, ok2 := strings.Cut(name, "_")
		taken, err := time.Parse(copyTime, stamp)
		bookmark := migration.Bookmark(name)
		if !ok || !ok2 || err != nil || !bookmark.Valid() || !entry.Type().IsRegular() {
			continue
		}
		number, err := strconv.ParseUint(name[:8], 16, 32)
		if err != nil {
			continue
		}
		info, err := entry.Info()
		if err != nil {
			continue // pruned by another run meanwhile
		}
		copies = append(copies, snapshot{filepath.Join(t.dir, entry.Name()), taken, taken, bookmark, number, info})
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
	return t.next(copies, print), err
}

func (t timeTravel) next(copies []snapshot, print string) migration.Bookmark {
	number := uint64(1)
	if n := len(copies); n > 0 {
		newest := copies[n-1]
		if newest.fingerprint() == print {
			return newest.bookmark
		}
		number = newest.number + 1
	}
	return migration.Bookmark(fmt.Sprintf("%08x-00000000-%s-%s", number, t.id, print))
}

// holds reports whether there is a copy under bookmark.
func (t timeTravel) holds(bookmark migration.Bookmark) (bool, error) {
	copies, err := t.list()
	return slices.ContainsFunc(copies, func(s snapshot) bool { return s.bookmark == bookmark }), err
}

// keep stores a copy, which write makes, unless there is one of this very state. A copy of the
// same content as an earlier one is linked to it. Should the state turn out not to be the one
// planned, "" for any, nothing is kept and the error is migration.ErrMoved.
func (t timeTravel) keep(planned migration.Bookmark, write func(*os.File) (fingerprint string, err error)) error {
	if err := os.MkdirAll(t.dir, 0o755); err != nil {
		return err
	}
	if err := t.prune(); err != nil { // what a killed run left may be what fills the disk
		return err
	}
	temp, err := os.CreateTemp(t.dir, unfinished+"*")
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name())
	print, err := write(temp)
	if err := errors.Join(err, temp.Chmod(0o400), temp.Sync(), temp.Close()); err != nil {
		return err
	}
	copies, err := t.list()
	if err != nil {
		return err
	}
	bookmark := t.next(copies, print)
	if planned != "" && bookmark != planned {
		return migration.ErrMoved
	}
	if slices.ContainsFunc(copies, func(s snapshot) bool { return s.bookmark == bookmark }) {
		return t.confirm(bookmark)
	}
	final := t.path(bookmark, copySuffix)
	linked := slices.ContainsFunc(copies, func(s snapshot) bool { return s.fingerprint() == print && os.Link(s.path, final) == nil })
	if !linked {
		if err := os.Rename(temp.Name(), final); err != nil {
			return err
		}
	}
	syncDirectory(t.dir)
	return t.prune()
}

// draft copies s into a file of its own and returns its path. The caller removes it.
func (t timeTravel) draft(ctx context.Context, s snapshot, m *meter) (path string, err error) {
	from, err := os.Open(s.path)
	if err != nil {
		return "", err
	}
	defer func() { _ = from.Close() }()
	to, err := os.CreateTemp(t.dir, unfinished+"*")
	if err != nil {
		return "", err
	}
	for n, done := int64(0), int64(0); err == nil && ctx.Err() == nil; done += n {
		m.at("copying the state to restore", done, s.info.Size())
		n, err = io.CopyN(to, from, 1<<26) // the system copies from file to file by itself
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	if err := errors.Join(err, ctx.Err(), to.Close()); err != nil {
		return "", errors.Join(err, os.Remove(to.Name()))
	}
	return to.Name(), nil
}

// syncDirectory makes the names in it outlive a loss of power, where systems can.
func syncDirectory(dir string) {
	if d, err := os.Open(dir); err == nil {
		_ = d.Sync()
		_ = d.Close()
	}
}

// confirm notes that the database is in the state of the newest copy, which has to be the one
// under bookmark, now: what comes of the write that follows is not sure. The copy keeps its
// name, for those who are reading the directory.
func (t timeTravel) confirm(bookmark migration.Bookmark) error {
	copies, err := t.list()
	if i := len(copies) - 1; err == nil && i >= 0 && copies[i].bookmark == bookmark {
		err = os.WriteFile(t.path(bookmark, seenSuffix), nil, 0o600)
	}
	return errors.Join(err, t.prune())
}

// path returns the file of now for a bookmark.
func (t timeTravel) path(bookmark migration.Bookmark, suffix string) string {
	return filepath.Join(t.dir, t.now().UTC().Format(copyTime)+"_"+string(bookmark)+suffix)
}

// prune removes the copies that D1 would not keep either, then the oldest until the others
// take no more than the limit. The newest always stays, and so do those that this run took: it
// names them as the way back. It also removes what killed runs left unfinished.
func (t timeTravel) prune() error {
	copies, err := t.list()
	if err != nil {
		return err
	}
	var total int64
	var kept, gone []snapshot
	for i, s := range slices.Backward(copies) {
		if !slices.ContainsFunc(kept, func(k snapshot) bool { return os.SameFile(k.info, s.info) }) {
			total += s.info.Size()
		}
		outlived := t.now().Sub(s.seen) > migration.Retention || total > t.limit && s.seen.Before(t.since)
		if i < len(copies)-1 && outlived {
			gone = append(gone, s)
		} else {
			kept = append(kept, s)
		}
	}
	if len(gone) > 0 {
		if err := t.remember(gone[0]); err != nil {
			return err
		}
	}
	for _, s := range slices.Backward(gone) {
		_ = os.Remove(s.path) // the next run tries again
	}
	seen, err := t.files(seenSuffix)
	if err != nil {
		return err
	}
	for _, s := range seen {
		if !slices.ContainsFunc(kept, func(k snapshot) bool { return k.bookmark == s.bookmark && !s.taken.Before(k.seen) }) {
			_ = os.Remove(s.path)
		}
	}
	entries, err := os.ReadDir(t.dir)
	for _, entry := range entries {
		info, err := entry.Info()
		if err == nil && strings.HasPrefix(entry.Name(), unfinished) && t.now().Sub(info.ModTime()) > abandoned {
			_ = os.Remove(filepath.Join(t.dir, entry.Name()))
		}
	}
	return err
}

// remember leaves a trace of the newest copy that is pruned: what was true up to when its
// state was last seen can't be told any more.
func (t timeTravel) remember(s snapshot) error {
	traces, err := t.files(goneSuffix)
	if err != nil {
		return err
	}
	trace := filepath.Join(t.dir, s.seen.Format(copyTime)+"_"+string(s.bookmark)+goneSuffix)
	if err := os.WriteFile(trace, nil, 0o600); err != nil {
		return err
	}
	for _, old := range traces {
		if old.number < s.number {
			_ = os.Remove(old.path)
		}
	}
	return nil
}

// pruned returns the trace of the newest copy that was pruned, nil without one.
func (t timeTravel) pruned() (*snapshot, error) {
	traces, err := t.files(goneSuffix)
	if err != nil || len(traces) == 0 {
		return nil, err
	}
	return &traces[len(traces)-1], nil
}

// at returns the bookmark of what was true at a moment: the first copy taken at or after
// it, or the state now. What wrangler dev wrote in between belongs to the later copy.
func (t timeTravel) at(when time.Time, now migration.Bookmark) (migration.Bookmark, error) {
	copies, err := t.list()
	if err != nil {
		return "", err
	}
	pruned, err := t.pruned()
	if err != nil {
		return "", err
	}
	before := func(why string) error {
		return &migration.Problem{Kind: migration.Usage, State: "nothing was written", Next: t.reach(copies),
			Err: fmt.Errorf("the time %s lies before the history: %s", when.UTC().Format(time.RFC3339), why)}
	}
	if t.now().Sub(when) > migration.Retention {
		return "", before("Time Travel reaches back 30 days")
	}
	if pruned != nil && !pruned.taken.Before(when) {
		return "", before(t.policy())
	}
	newer := t.now()
	for _, s := range slices.Backward(copies) {
		if s.seen.Sub(newer) > clockStep {
			return "", &migration.Problem{Kind: migration.Usage, State: "nothing was written", Next: "name a bookmark: " + t.reach(copies),
				Err: fmt.Errorf("the clock was set back since %s: what was true at %s can't be told", s.seen.Format(time.RFC3339), when.UTC().Format(time.RFC3339))}
		}
		if s.seen.Before(when) {
			break
		}
		now, newer = s.bookmark, s.taken
	}
	return now, nil
}

// policy says how long copies are kept.
func (t timeTravel) policy() string {
	return fmt.Sprintf("copies are kept for 30 days, and the oldest go first when all take more than the time-travel-limit, %s now", migration.Size(t.limit))
}

// reach says which states there are.
func (t timeTravel) reach(copies []snapshot) string {
	if len(copies) == 0 {
		return "nothing was copied yet: a copy is taken before every write of d1-rewind"
	}
	oldest, newest := copies[0], copies[len(copies)-1]
	if len(copies) == 1 {
		return fmt.Sprintf("there is one state, of %s (%s)", oldest.taken.Format(time.RFC3339), oldest.bookmark)
	}
	return fmt.Sprintf("there are %s, from %s (%s) to %s (%s)", migration.Count(len(copies), "state"),
		oldest.taken.Format(time.RFC3339), oldest.bookmark, newest.taken.Format(time.RFC3339), newest.bookmark)
}

// newest names the newest copy, for those whose database is lost.
func (t timeTravel) newest() string {
	copies, err := t.list()
	if err != nil || len(copies) == 0 {
		return "there is none"
	}
	return "the newest is " + string(copies[len(copies)-1].bookmark)
}

// find returns the copy under a bookmark. The error is a *migration.Problem of kind Usage.
func (t timeTravel) find(bookmark migration.Bookmark) (snapshot, error) {
	copies, err := t.list()
	if err != nil {
		return snapshot{}, err
	}
	if i := slices.IndexFunc(copies, func(s snapshot) bool { return s.bookmark == bookmark }); i >= 0 {
		return copies[i], nil
	}
	pruned, err := t.pruned()
	if err != nil {
		return snapshot{}, err
	}
	p := &migration.Problem{Kind: migration.Usage, State: "nothing was written", Next: t.reach(copies)}
	groups := strings.Split(string(bookmark), "-")
	number, _ := strconv.ParseUint(groups[0], 16, 32)
	switch {
	case len(groups) == 4 && groups[2] != t.id:
		p.Err = fmt.Errorf("the bookmark %s belongs to another database: those of this local one have %q as their third group", bookmark, t.id)
	case pruned != nil && number <= pruned.number:
		p.Err = fmt.Errorf("the state %s is not kept any more: %s", bookmark, t.policy())
	default:
		p.Err = fmt.Errorf("no copy was taken of the state %s: the local Time Travel keeps the states before each write of d1-rewind, not those in between", bookmark)
	}
	return snapshot{}, p
}

func (t timeTravel) kept() (migration.Kept, error) {
	copies, err := t.list()
	kept := migration.Kept{Copies: len(copies), Limit: t.limit}
	if len(copies) > 0 {
		kept.Oldest, kept.Since = copies[0].bookmark, copies[0].taken
	}
	for i, s := range copies {
		if !slices.ContainsFunc(copies[:i], func(k snapshot) bool { return os.SameFile(k.info, s.info) }) {
			kept.Bytes += s.info.Size()
		}
	}
	return kept, err
}

// fingerprintLength is that of the last group of a bookmark.
const fingerprintLength = 32

// emptyFingerprint is that of a database without any object, whether or not it has a file.
var emptyFingerprint = digest(sha256.New().Sum(nil))

func digest(sum []byte) string { return hex.EncodeToString(sum)[:fingerprintLength] }

// scan reads the whole database as its connection sees it, through the write-ahead log, and
// returns the fingerprint of its content, which is the same for a database and a copy of it.
// It writes the copy to file unless that is nil; the copy of a database without any object
// is empty. doing is for the progress.
func (d *Database) scan(ctx context.Context, c conn, doing string, file *os.File) (fingerprint string, err error) {
	objects, err := c.value("SELECT count(*) FROM sqlite_schema")
	if err != nil {
		return "", err
	}
	if objects == int64(0) {
		return emptyFingerprint, nil
	}
	var copied io.WriterAt
	if file != nil {
		copied = file
	}
	sink := newPageSink(copied)
	err = d.backup(ctx, c, doing, sink.uri(), nil)
	if err := errors.Join(err, sink.close()); err != nil {
		return "", err
	}
	return digest(sink.sum()), nil
}

// backupStep is how many pages are copied between two looks at context and clock.
const backupStep = 1024

// backup copies the database that c has open to the one at uri, in one state: without a
// transaction SQLite would begin anew whenever another process writes, and read back pages that
// a fingerprint does not keep. locked, which may be nil, is called when the target is locked
// against writers and nothing was written to it yet.
func (d *Database) backup(ctx context.Context, c conn, doing, uri string, locked func() error) (err error) {
	defer recovered(&err)
	if c.GetAutocommit() {
		if err := c.exec("BEGIN; SELECT 1 FROM sqlite_schema"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, c.exec("ROLLBACK")) }()
	}
	b, err := c.BackupInit("main", uri)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	if locked != nil {
		if _, err := b.Step(0); err != nil { // takes the lock
			return err
		}
		if err := locked(); err != nil {
			return err
		}
	}
	page, err := c.pageSize()
	if err != nil {
		return err
	}
	for m := d.meter(); ; {
		if err := ctx.Err(); err != nil {
			return err
		}
		if done, err := b.Step(backupStep); done || err != nil {
			return err
		}
		m.at(doing, int64(b.PageCount()-b.Remaining())*page, int64(b.PageCount())*page)
	}
}

// meter says once a second how far something is.
type meter struct {
	now  func() time.Time
	say  func(string)
	said time.Time
}

func (d *Database) meter() *meter { return &meter{d.now, d.progress, d.now()} }

func (m *meter) at(doing string, done, all int64) {
	if now := m.now(); now.Sub(m.said) >= time.Second {
		m.say(fmt.Sprintf("%s: %s of %s", doing, migration.Size(done), migration.Size(all)))
		m.said = now
	}
}
