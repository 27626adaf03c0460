//go:build linux

package cli_test

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/ext/fts5"

	"github.com/d1-rewind/d1-rewind/internal/sqlite"
)

// The tests in this file take the process, the disk or the permissions away from a run at
// many moments, and look at what is left: nothing may be lost, and the next run has to work.
//
// By system call, strace kills a run on entry to its n-th call of a kind, or makes that call
// fail. A first run, untouched, lists the calls that concern the local state: each is a point,
// and between two of them nothing on disk can change but the shared memory beside the
// write-ahead log, which SQLite builds anew. strace counts calls per thread; therefore the
// program's main goroutine, which does all the writing, is bound to the main thread here, and
// each kill is looked up in strace's log: a point counts as met only if it was that call. Of
// those chosen, 98 in 100 are met; the others are kills too, at a call nearby.

var (
	kills    = flag.Int("kills", 7, "how often TestNothingIsLost kills by time, and by system call; faults are fewer")
	killSeed = flag.Uint64("kill-seed", 1, "seed of the points that are chosen where there are more")
)

func init() {
	if os.Getenv("D1_REWIND_TEST_PROCESS") != "" {
		runtime.LockOSThread()
	}
}

// aScenario is one run that is disturbed.
type aScenario struct {
	name    string
	before  [][]string // the runs that make the state before
	args    []string   // "{0}" is the bookmark of the first copy, "{1}" of the second …
	between [][]string // runs that lead from the state before to one where the run may stop
	wal     bool       // part of the state before is in a write-ahead log that someone left behind
	large   bool       // the transaction does not fit SQLite's page cache
}

var scenarios = []aScenario{
	{name: "migrate_nothing_yet", args: []string{"migrate"}},
	{name: "migrate", before: [][]string{{"migrate", "--to", "0001_shop.sql"}}, args: []string{"migrate"}, wal: true},
	{name: "migrate_one_by_one", before: [][]string{{"migrate", "--to", "0001_shop.sql"}}, args: []string{"migrate", "--transaction", "migration"},
		between: [][]string{{"migrate", "--to", "0002_search.sql"}}},
	{name: "migrate_large", before: [][]string{{"migrate"}}, args: []string{"migrate"}, large: true},
	{name: "restore", before: [][]string{{"migrate", "--to", "0001_shop.sql"}, {"migrate"}}, args: []string{"restore", "--bookmark", "{1}"}},
	{name: "restore_to_nothing", before: [][]string{{"migrate"}}, args: []string{"restore", "--bookmark", "{0}"}, wal: true},
	{name: "reset", before: [][]string{{"migrate"}}, args: []string{"reset", "--yes"}, wal: true},
}

var shop = map[string]string{
	"0001_shop.sql": `CREATE TABLE items(id INTEGER PRIMARY KEY, name TEXT NOT NULL, price INTEGER);
CREATE INDEX by_name ON items(name);
INSERT INTO items(name, price) VALUES ('pear', 3), ('plum', 2), ('quince', 7);`,
	"0002_search.sql": `CREATE VIRTUAL TABLE search USING fts5(name);
INSERT INTO search(rowid, name) SELECT id, name FROM items;
CREATE TRIGGER found AFTER INSERT ON items BEGIN INSERT INTO search(rowid, name) VALUES (new.id, new.name); END;
INSERT INTO items(name, price) VALUES ('medlar', 9);`,
	"0003_rebuild.sql": `CREATE TABLE items_new(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, price INTEGER NOT NULL DEFAULT 0) STRICT;
INSERT INTO items_new SELECT id, name, price FROM items;
DROP TABLE items;
ALTER TABLE items_new RENAME TO items;`,
}

// large is more than SQLite's page cache, which holds 2 MB.
const large = `CREATE TABLE large(id INTEGER PRIMARY KEY, v TEXT);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 700) INSERT INTO large SELECT i, printf('%04000d', i) FROM n;
UPDATE items SET price = price + 1;`

// scene is a scenario with its states, as undisturbed runs leave them.
type scene struct {
	aScenario
	dir      string // as it is before; never changed
	args     []string
	first    string            // the bookmark of the oldest state
	bookmark string            // of the state before
	states   map[string]string // name to content: before, after, between
	start    string            // the content after a restore to first
}

func setScene(t *testing.T, s aScenario) *scene {
	t.Helper()
	dir := t.TempDir()
	write := func(name, sql string) {
		if err := os.WriteFile(filepath.Join(dir, "migrations", name), []byte(sql), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "migrations"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, sql := range shop {
		write(name, sql)
	}
	for _, args := range s.before {
		in(dir, args...).want(t, 0)
	}
	if s.large {
		write("0004_large.sql", large)
	}
	if s.wal {
		leaveLog(t, databaseFile(t, dir), "INSERT INTO items(name, price) VALUES ('from the log', 1)")
	}
	sc := &scene{aScenario: s, dir: dir, states: map[string]string{}}
	var err error
	if sc.states["before"], err = inspect(t, dir); err != nil {
		t.Fatal(err)
	}
	sc.bookmark, _ = in(dir, "info", "--format", "json").json(t)["bookmark"].(string)
	bookmarks := append(slices.Sorted(maps.Keys(copies(t, dir))), sc.bookmark)
	sc.first = bookmarks[0]
	sc.args = slices.Clone(s.args)
	for i := range sc.args {
		for n, bookmark := range bookmarks {
			sc.args[i] = strings.ReplaceAll(sc.args[i], fmt.Sprintf("{%d}", n), bookmark)
		}
	}
	for name, run := range map[string][][]string{"after": {sc.args}, "between": s.between} {
		if len(run) == 0 {
			continue
		}
		there := copied(t, dir)
		for _, args := range run {
			in(there, args...).want(t, 0)
		}
		if sc.states[name], err = inspect(t, there); err != nil {
			t.Fatal(err)
		}
	}
	there := copied(t, dir)
	in(there, sc.args...).want(t, 0)
	in(there, "restore", "--bookmark", sc.first).want(t, 0)
	if sc.start, err = inspect(t, there); err != nil {
		t.Fatal(err)
	}
	if sc.states["after"] == sc.states["before"] {
		t.Fatalf("%s changes nothing", s.name)
	}
	return sc
}

// in runs the program in this process.
func in(dir string, args ...string) run {
	return d1rewind(nil, append(slices.Clone(args), "--working-directory", dir)...)
}

// program is the same as a process of its own.
func program(dir string, args ...string) *exec.Cmd {
	executable, err := os.Executable()
	if err != nil {
		panic(err)
	}
	command := exec.Command(executable, append(slices.Clone(args), "--working-directory", dir)...)
	command.Env = []string{"D1_REWIND_TEST_PROCESS=1", "HOME=" + dir, "TMPDIR=" + os.TempDir()}
	return command
}

func databaseFile(t *testing.T, dir string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, ".wrangler/state/v3/d1/*/*.sqlite"))
	if err != nil || len(files) > 1 {
		t.Fatalf("database files: %q, %v", files, err)
	}
	if len(files) == 0 {
		return ""
	}
	return files[0]
}

// copies returns the files of the local Time Travel by their bookmarks.
func copies(t *testing.T, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(filepath.Join(dir, ".wrangler/state/d1-rewind"), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		if name, ok := strings.CutSuffix(entry.Name(), ".copy"); ok {
			_, bookmark, _ := strings.Cut(name, "_")
			found[bookmark] = path
		} else if ext := filepath.Ext(name); !strings.HasPrefix(name, "unfinished-") && ext != ".seen" && ext != ".gone" { // the first of a killed run; later ones clear them away
			t.Errorf("%s is neither a copy nor an unfinished one", entry.Name())
		}
		return nil
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return found
}

// copied returns a copy of dir.
func copied(t *testing.T, dir string) string {
	t.Helper()
	to := t.TempDir()
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return to
}

func connect(path string, flags sqlite3.OpenFlag) (*sqlite3.Conn, error) {
	c, err := sqlite3.OpenFlags("file:"+path, flags|sqlite3.OPEN_URI)
	if err == nil {
		err = fts5.Register(c)
	}
	return c, err
}

// leaveLog commits sql as a process does that is killed before its checkpoint, as wrangler's are.
func leaveLog(t *testing.T, path, sql string) {
	t.Helper()
	c, err := connect(path, sqlite3.OPEN_READWRITE)
	if err == nil {
		_, err = c.Config(sqlite3.DBCONFIG_NO_CKPT_ON_CLOSE, true)
	}
	if err := errors.Join(err, c.Exec(sql), c.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path + "-wal"); err != nil {
		t.Fatal(err)
	}
}

// content tells what the database is, without what differs from run to run: its schema, a digest
// of each table, and of ledger and journal what the engine goes by. An error is a damaged one.
func content(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	c, err := connect(path, sqlite3.OPEN_READWRITE)
	if err != nil {
		return "", err
	}
	defer c.Close()
	var out strings.Builder
	if damage, err := lines(c, "PRAGMA integrity_check"); err != nil || !slices.Equal(damage, []string{"ok"}) {
		return "", fmt.Errorf("integrity_check: %q, %w", damage, err)
	}
	schema, err := lines(c, "SELECT type, name, sql FROM sqlite_schema ORDER BY name")
	if err != nil {
		return "", err
	}
	out.WriteString(strings.Join(schema, "\n"))
	tables, err := lines(c, "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
	if err != nil {
		return "", err
	}
	for _, table := range tables {
		query := map[string]string{
			"d1_migrations":     "SELECT name FROM d1_migrations ORDER BY id",
			"d1_rewind_journal": "SELECT kind, iif(kind = 'restore', '', migrations), hold FROM d1_rewind_journal ORDER BY id",
		}[table]
		rows, err := lines(c, cmp.Or(query, "SELECT * FROM \""+table+"\""))
		if err != nil {
			return "", fmt.Errorf("%s: %w", table, err)
		}
		text := strings.Join(rows, "\n")
		if query == "" {
			text = fmt.Sprintf("%d rows, %.4x", len(rows), sha256.Sum256([]byte(text)))
		}
		fmt.Fprintf(&out, "\n%s: %s", table, text)
	}
	return out.String(), nil
}

func lines(c *sqlite3.Conn, sql string) (rows []string, err error) {
	stmt, _, err := c.Prepare(sql)
	if err != nil {
		return nil, err
	}
	defer stmt.Close()
	for stmt.Step() {
		var row []string
		for i := range stmt.ColumnCount() {
			row = append(row, stmt.ColumnText(i))
		}
		rows = append(rows, strings.Join(row, "|"))
	}
	return rows, stmt.Err()
}

// inspect returns the content of the database in dir. It looks at a copy, so that nothing is fixed
// that the next run has to cope with.
func inspect(t *testing.T, dir string) (string, error) {
	t.Helper()
	path := databaseFile(t, dir)
	if path == "" {
		return "", nil
	}
	scratch := filepath.Join(t.TempDir(), "scratch")
	defer os.RemoveAll(scratch)
	if err := os.CopyFS(scratch, os.DirFS(filepath.Dir(path))); err != nil {
		t.Fatal(err)
	}
	return content(filepath.Join(scratch, filepath.Base(path)))
}

// look checks what a disturbed run has left in dir, and returns which of the scenario's states it is.
func (sc *scene) look(t *testing.T, dir string) string {
	t.Helper()
	now, err := inspect(t, dir)
	if err != nil {
		t.Errorf("the database is damaged: %v", err)
		return ""
	}
	state := ""
	for name, want := range sc.states {
		if now == want {
			state = name
		}
	}
	if state == "" {
		t.Errorf("the database is in no state that it may be in:\n%s", now)
	}
	kept := copies(t, dir)
	for bookmark, path := range kept {
		// The bookmark of a copy, seen as a database, ends with the fingerprint of its content.
		own, err := sqlite.Open(path, sqlite.Options{Copies: filepath.Join(dir, "none"), Now: time.Now, Progress: func(string) {}}).Bookmark(t.Context(), time.Time{})
		if err != nil || !strings.HasSuffix(bookmark, string(own[len(own)-33:])) {
			t.Errorf("copy %s has the content of %s, %v", bookmark, own, err)
		}
	}
	if state == "before" {
		return state
	}
	if path, ok := kept[sc.bookmark]; !ok {
		t.Errorf("no copy has the bookmark from before the change, %s", sc.bookmark)
	} else if info, err := os.Stat(path); err != nil || info.Size() == 0 && sc.states["before"] != "" {
		t.Errorf("the copy from before the change is empty: %v", err)
	} else if info.Size() > 0 {
		if was, err := content(path + "?immutable=1"); err != nil || was != sc.states["before"] {
			t.Errorf("the copy from before the change holds something else: %v\n%s", err, was)
		}
	}
	return state
}

// goOn checks that the next run works, and that a later one finds its way back to the start.
func (sc *scene) goOn(t *testing.T, dir string) {
	t.Helper()
	in(dir, sc.args...).want(t, 0)
	if state := sc.look(t, dir); state != "after" {
		t.Errorf("the next run leads to the state %q", state)
	}
	in(dir, "restore", "--bookmark", sc.first).want(t, 0)
	if now, err := inspect(t, dir); err != nil || now != sc.start {
		t.Errorf("a restore to the first bookmark leads elsewhere: %v\n%s", err, now)
	}
}

// disturb runs the scenarios' command in copies of their states, as many at a time as there are
// processors, and checks what each leaves. A disturbance says in what way, and sees to it.
type disturbance struct {
	*scene
	name  string
	run   func(t *testing.T, dir string)
	place func(t *testing.T, sc *scene) string // where the run happens, if not in a copy
}

func disturb(t *testing.T, all []disturbance) {
	t.Helper()
	queue := make(chan disturbance)
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for d := range queue {
				t.Run(d.scene.name+"/"+d.name, func(t *testing.T) {
					if d.place == nil {
						d.place = func(t *testing.T, sc *scene) string { return copied(t, sc.dir) }
					}
					dir := d.place(t, d.scene)
					d.run(t, dir)
					if !t.Failed() {
						d.goOn(t, dir)
					}
				})
			}
		})
	}
	for _, d := range all {
		queue <- d
	}
	close(queue)
	workers.Wait()
}

// share is how many of the disturbances that the flag asks for fall to one of n.
func share(n int) int {
	if testing.Short() {
		return 1
	}
	return (*kills + n - 1) / n
}

func random() *rand.Rand { return rand.New(rand.NewPCG(*killSeed, 0)) }

func shuffled[T any](all []T, source *rand.Rand) []T {
	all = slices.Clone(all)
	source.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all
}

// tally counts what became of the disturbed runs.
type tally struct {
	mutex  sync.Mutex
	counts map[string]int
}

func (c *tally) add(what string) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.counts == nil {
		c.counts = map[string]int{}
	}
	c.counts[what]++
}

// TestNothingIsLost runs all that this file has. Its parts are named for what they take away.
func TestNothingIsLost(t *testing.T) {
	t.Parallel()
	var stages []*scene
	for _, s := range scenarios {
		if !testing.Short() || s.name == "migrate" || s.name == "restore" {
			stages = append(stages, setScene(t, s))
		}
	}
	t.Run("kill_by_time", func(t *testing.T) { killByTime(t, stages) })
	t.Run("kill_by_call", func(t *testing.T) { killByCall(t, stages) })
	t.Run("failing_calls", func(t *testing.T) { failCalls(t, stages) })
	t.Run("permissions", func(t *testing.T) { takePermissions(t, stages) })
	t.Run("disk", func(t *testing.T) { fillDisk(t, stages) })
}

// killByTime kills runs at moments spread over the time that they take.
func killByTime(t *testing.T, stages []*scene) {
	var all []disturbance
	var result tally
	source := random()
	for _, sc := range stages {
		start := time.Now()
		if err := program(sc.dir, "version").Run(); err != nil {
			t.Fatal(err)
		}
		startup := time.Since(start)
		dir := copied(t, sc.dir)
		start = time.Now()
		if out, err := program(dir, sc.args...).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		took := time.Since(start)
		for range share(len(stages)) {
			after := startup/2 + time.Duration(source.Float64()*1.1*float64(max(took-startup/2, 0)))
			all = append(all, disturbance{scene: sc, name: after.String(), run: func(t *testing.T, dir string) {
				command := program(dir, sc.args...)
				if err := command.Start(); err != nil {
					t.Fatal(err)
				}
				timer := time.AfterFunc(after, func() { _ = command.Process.Kill() })
				err := command.Wait()
				timer.Stop()
				state := sc.look(t, dir)
				if err == nil && state != "after" {
					t.Errorf("the run was done, but the state is %q", state)
				}
				result.add(outcome(err, state))
			}})
		}
	}
	disturb(t, all)
	t.Logf("%d runs, seed %d: %v", len(all), *killSeed, result.counts)
}

func outcome(err error, state string) string {
	if err == nil {
		return "ended before the kill"
	}
	return "killed, left " + state
}

// traced are the calls that can change what is on disk or in memory shared with others, or take
// a lock. A question mark is for calls that some architectures do not have.
const traced = "openat,?mkdir,mkdirat,?unlink,unlinkat,?link,linkat,?symlink,symlinkat,?rename,renameat,renameat2,pwrite64,?pwritev,ftruncate,fallocate,fsync,fdatasync,?sync_file_range,fchmod,?fchmodat,close,fcntl,flock,mmap,msync"

// point is a system call of a run: the n-th of its name in the main thread.
type point struct {
	call string
	n    int
}

// underStrace makes command run under strace with a log and the given injections. Not with
// --seccomp-bpf: strace 6.1 loses the signals that it injects then.
func underStrace(t *testing.T, command *exec.Cmd, log string, injections ...string) *exec.Cmd {
	t.Helper()
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Fatal(err)
	}
	args := []string{strace, "-f", "-qq", "-y", "-s", "0", "-e", "signal=none", "-e", "trace=" + traced, "-o", log}
	for _, injection := range injections {
		args = append(args, "-e", "inject="+injection)
	}
	command.Path, command.Args = strace, append(append(args, "--"), append([]string{command.Path}, command.Args[1:]...)...)
	return command
}

var call = regexp.MustCompile(`^(\d+) +(\w+)\(`)

// calls returns the main thread's calls in strace's log, with their lines.
func calls(t *testing.T, log string) (points []point, lines []string) {
	t.Helper()
	data, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	main, counts := "", map[string]int{}
	for line := range strings.Lines(string(data)) {
		found := call.FindStringSubmatch(line)
		if found == nil {
			continue
		}
		if main = cmp.Or(main, found[1]); found[1] != main {
			continue
		}
		counts[found[2]]++
		points, lines = append(points, point{found[2], counts[found[2]]}), append(lines, line)
	}
	return points, lines
}

// points lists the calls of an undisturbed run that concern the local state.
func (sc *scene) points(t *testing.T) []point {
	t.Helper()
	dir, log := copied(t, sc.dir), filepath.Join(t.TempDir(), "log")
	if out, err := underStrace(t, program(dir, sc.args...), log).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var concern []point
	all, lines := calls(t, log)
	for i, p := range all {
		if strings.Contains(lines[i], filepath.Join(dir, ".wrangler")) {
			concern = append(concern, p)
		}
	}
	return concern
}

// some chooses n of points by chance, as evenly among the kinds of calls as there are of them.
func some(points []point, n int, source *rand.Rand) []point {
	if len(points) <= n {
		return points
	}
	points = shuffled(points, source)
	rank, seen := map[point]int{}, map[string]int{}
	for _, p := range points {
		seen[p.call]++
		rank[p] = seen[p.call]
	}
	slices.SortStableFunc(points, func(a, b point) int { return cmp.Compare(rank[a], rank[b]) })
	return points[:n]
}

// needStrace skips a test where processes cannot be traced.
func needStrace(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("strace"); err != nil {
		t.Skip("strace is not installed")
	}
	if out, err := exec.Command("strace", "-f", "-qq", "-e", "trace=openat", "-o", os.DevNull, "true").CombinedOutput(); err != nil {
		t.Skipf("strace does not work here: %v\n%s", err, out)
	}
}

// killByCall kills runs on entry to their system calls.
func killByCall(t *testing.T, stages []*scene) {
	needStrace(t)
	var all []disturbance
	var result tally
	source, there := random(), 0
	for _, sc := range stages {
		points := sc.points(t)
		there += len(points)
		for _, p := range some(points, share(len(stages)), source) {
			all = append(all, disturbance{scene: sc, name: fmt.Sprintf("%s_%d", p.call, p.n), run: func(t *testing.T, dir string) {
				log := dir + ".log"
				err := underStrace(t, program(dir, sc.args...), log, fmt.Sprintf("%s:signal=KILL:when=%d", p.call, p.n)).Run()
				state := sc.look(t, dir)
				result.add(outcome(err, state))
				if met, _ := calls(t, log); err != nil && len(met) > 0 && met[len(met)-1] == p {
					result.add("exactly there")
				}
			}})
		}
	}
	disturb(t, all)
	t.Logf("%d of %d calls, seed %d: %v", len(all), there, *killSeed, result.counts)
	if met := result.counts["exactly there"]; len(all) >= 100 && met < len(all)*9/10 {
		t.Errorf("only %d of %d kills met the call that they were meant for", met, len(all))
	}
}

// faults are what a full or failing disk and missing permissions do to system calls. sticky
// ones stay from that call on, as a full disk does; the others fail once.
var faults = []struct {
	call, error string
	sticky      bool
}{
	{"pwrite64", "ENOSPC", true}, {"pwrite64", "ENOSPC", false}, {"pwrite64", "EIO", false}, {"fallocate", "ENOSPC", true}, {"ftruncate", "ENOSPC", true},
	{"fdatasync", "EIO", false}, {"fsync", "EIO", false}, {"openat", "ENOSPC", true}, {"openat", "EROFS", true}, {"openat", "EACCES", true},
	{"renameat", "ENOSPC", false}, {"renameat", "EROFS", false}, {"linkat", "ENOSPC", false}, {"mkdirat", "ENOSPC", false}, {"mkdirat", "EACCES", false},
	{"unlinkat", "EROFS", true},
}

// named is what the message of such a run has to speak of.
var named = regexp.MustCompile(`(?i)disk|space|full|permission|writable|read-only`)

// disturbed checks a run that came to its end in spite of a fault: it says what is wrong and what
// state the database is in, and that is true.
func (sc *scene) disturbed(t *testing.T, dir string, output []byte, err error) (what string) {
	t.Helper()
	state, code := sc.look(t, dir), 0
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		code = exit.ExitCode()
	}
	said := string(output)
	switch {
	case code == 0 && state == "after":
	case code == 1 && state == "before" && named.MatchString(said) &&
		(strings.Contains(said, "as it was before") || strings.Contains(said, "nothing was written")):
	case code == 1 && state == "between" && named.MatchString(said) && strings.Contains(said, "applied before that and kept: 0002_search.sql"):
	default:
		t.Errorf("exit code %d, state %q, and it said:\n%s", code, state, said)
	}
	return fmt.Sprintf("exit code %d, %s", code, state)
}

// failCalls makes system calls of runs fail.
func failCalls(t *testing.T, stages []*scene) {
	needStrace(t)
	var all []disturbance
	var result tally
	source, there := random(), 0
	for _, sc := range stages {
		points := map[string][]point{}
		for _, p := range sc.points(t) {
			points[p.call] = append(points[p.call], p)
		}
		var own []disturbance
		for _, fault := range faults {
			for _, p := range points[fault.call] {
				injection := fmt.Sprintf("%s:error=%s:when=%d", p.call, fault.error, p.n)
				if fault.sticky {
					injection += "+"
				}
				own = append(own, disturbance{scene: sc, name: injection, run: func(t *testing.T, dir string) {
					output, err := underStrace(t, program(dir, sc.args...), dir+".log", injection).CombinedOutput()
					result.add(sc.disturbed(t, dir, output, err))
				}})
			}
		}
		there += len(own)
		all = append(all, shuffled(own, source)[:min(len(own), (share(len(stages))+1)/2)]...)
	}
	disturb(t, all)
	t.Logf("%d of %d faults, seed %d: %v", len(all), there, *killSeed, result.counts)
}

// inNamespace runs the test again as root of a namespace of its own, where it may mount, and tells
// whether this is that run.
func inNamespace(t *testing.T) bool {
	t.Helper()
	if os.Geteuid() == 0 {
		return true
	}
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	again := exec.Command(executable, "-test.run", "^"+strings.ReplaceAll(t.Name(), "/", "$/^")+"$", "-test.v", fmt.Sprintf("-kills=%d", *kills), fmt.Sprintf("-kill-seed=%d", *killSeed))
	again.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}}
	out, err := again.CombinedOutput()
	if _, ran := errors.AsType[*exec.ExitError](err); err != nil && !ran {
		t.Skipf("not root, and a user namespace cannot be made: %v", err)
	}
	if err != nil {
		t.Errorf("in a namespace: %v", err)
	}
	t.Logf("%s", out)
	return false
}

// small mounts a file system of its own for the run.
func small(t *testing.T, sc *scene) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, diskSize); err != nil {
		t.Skipf("tmpfs cannot be mounted: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	place := filepath.Join(dir, "project")
	if err := os.CopyFS(place, os.DirFS(sc.dir)); err != nil {
		t.Fatal(err)
	}
	return place
}

const diskSize = "size=24m"

// fillDisk runs with but a few pages free on a real file system, or on one that is read-only.
func fillDisk(t *testing.T, stages []*scene) {
	if !inNamespace(t) {
		return
	}
	var all []disturbance
	var result tally
	source := random()
	for _, sc := range stages {
		all = append(all, disturbance{scene: sc, name: "read_only", place: small, run: func(t *testing.T, dir string) {
			remount := func(flags uintptr) {
				if err := syscall.Mount("", filepath.Dir(dir), "", syscall.MS_REMOUNT|flags, diskSize); err != nil {
					t.Fatal(err)
				}
			}
			remount(syscall.MS_RDONLY)
			output, err := program(dir, sc.args...).CombinedOutput()
			remount(0)
			if result.add(sc.disturbed(t, dir, output, err)); err == nil {
				t.Errorf("a run that could not write succeeded:\n%s", output)
			}
		}})
		enough := 50 // pages
		if sc.large {
			enough = 2000
		}
		for _, free := range source.Perm(enough)[:min(enough, (share(len(stages))+2)/3)] {
			all = append(all, disturbance{scene: sc, name: fmt.Sprintf("%d_pages_free", free), place: small, run: func(t *testing.T, dir string) {
				ballast := fill(t, dir, free)
				output, err := program(dir, sc.args...).CombinedOutput()
				result.add(sc.disturbed(t, dir, output, err))
				if err := os.Remove(ballast); err != nil {
					t.Fatal(err)
				}
			}})
		}
	}
	disturb(t, all)
	t.Logf("%d disks, seed %d: %v", len(all), *killSeed, result.counts)
}

// fill leaves so many pages free on the disk of dir, and returns the file that takes the rest.
func fill(t *testing.T, dir string, free int) string {
	t.Helper()
	file, err := os.Create(filepath.Join(dir, "ballast"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var disk syscall.Statfs_t
	if err := syscall.Fstatfs(int(file.Fd()), &disk); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Fallocate(int(file.Fd()), 0, 0, (int64(disk.Bavail)-int64(free))*disk.Bsize); err != nil {
		t.Fatal(err)
	}
	return file.Name()
}

// parts of the state that may be write-protected.
var parts = map[string]string{
	"project":    ".",
	"state":      ".wrangler/state",
	"directory":  ".wrangler/state/v3/d1/miniflare-D1DatabaseObject",
	"database":   ".wrangler/state/v3/d1/miniflare-D1DatabaseObject/*.sqlite",
	"log":        ".wrangler/state/v3/d1/miniflare-D1DatabaseObject/*-wal",
	"copies":     ".wrangler/state/d1-rewind/*",
	"all_copies": ".wrangler/state/d1-rewind",
}

// nobody has no rights. Root may write anywhere, so root's runs happen as nobody, from where that
// one gets to the program.
const nobody = 65534

// takePermissions takes the right to write to a part of the state away.
func takePermissions(t *testing.T, stages []*scene) {
	base := t.TempDir()
	binary, err := os.ReadFile(program("").Path)
	executable := filepath.Join(base, "d1-rewind")
	if err := errors.Join(err, os.WriteFile(executable, binary, 0o755), os.Chmod(filepath.Dir(base), 0o755)); err != nil {
		t.Fatal(err)
	}
	var all []disturbance
	var result tally
	source := random()
	place := func(t *testing.T, sc *scene) string {
		dir := filepath.Join(base, strings.ReplaceAll(t.Name(), "/", "_"))
		err := os.CopyFS(dir, os.DirFS(sc.dir))
		if err == nil && os.Geteuid() == 0 {
			err = filepath.WalkDir(dir, func(path string, _ fs.DirEntry, _ error) error { return os.Lchown(path, nobody, nobody) })
		}
		if err != nil {
			t.Fatal(err)
		}
		return dir
	}
	for _, sc := range stages {
		var own []disturbance
		for name, part := range parts {
			paths, err := filepath.Glob(filepath.Join(sc.dir, part))
			if err != nil || len(paths) == 0 {
				continue // there is none
			}
			own = append(own, disturbance{scene: sc, name: name, place: place, run: func(t *testing.T, dir string) {
				path := filepath.Join(dir, strings.TrimPrefix(paths[0], sc.dir))
				info, err := os.Stat(path)
				if err == nil {
					err = os.Chmod(path, info.Mode().Perm()&^0o222)
				}
				if err != nil {
					t.Fatal(err)
				}
				command := program(dir, sc.args...)
				command.Path = executable
				if os.Geteuid() == 0 {
					command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
				}
				output, err := command.CombinedOutput()
				if err := os.Chmod(path, info.Mode().Perm()); err != nil {
					t.Fatal(err)
				}
				result.add(sc.disturbed(t, dir, output, err))
			}})
		}
		slices.SortFunc(own, func(a, b disturbance) int { return cmp.Compare(a.name, b.name) })
		all = append(all, shuffled(own, source)[:min(len(own), share(len(stages)))]...)
	}
	disturb(t, all)
	t.Logf("%d runs: %v", len(all), result.counts)
}
