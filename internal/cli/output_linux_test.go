package cli_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/d1-rewind/d1-rewind/internal/cli"
	"github.com/d1-rewind/d1-rewind/internal/d1/d1test"
)

// tree lists what is in dir: what kind of file, its mode, and its content or where it leads.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		content := ""
		switch {
		case info.Mode().IsRegular():
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			content = string(data)
		case info.Mode()&fs.ModeSymlink != 0:
			if content, err = os.Readlink(path); err != nil {
				return err
			}
		}
		name, _ := filepath.Rel(dir, path)
		files[name] = info.Mode().String() + " " + content
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// device makes a device of its own in dir, which only root may.
func device(t *testing.T, path string, mode uint32, major, minor int) {
	t.Helper()
	if err := syscall.Mknod(path, mode|0o666, major<<8|minor); err != nil {
		t.Skipf("a device cannot be made: %v", err)
	}
}

// Whatever the name of the file is, a refusal comes before anything is contacted, and changes nothing.
func TestWrongOutputs(t *testing.T) {
	link := func(to string) func(*testing.T) {
		return func(t *testing.T) { must(t, os.Symlink(to, "out")) }
	}
	const untouched = "nothing was contacted or written"
	cases := []struct {
		name    string
		arrange func(t *testing.T)
		output  string
		force   bool
		code    int
		parts   []string
	}{
		{"exists", nil, "old.sql", false, 3, []string{"old.sql already exists", "nothing was written", "--force"}},
		{"exists_behind_a_link", link("old.sql"), "out", false, 3, []string{"out already exists", "--force"}},
		{"configuration", nil, "wrangler.jsonc", true, 2, []string{"wrangler.jsonc is a wrangler configuration", untouched,
			"name another file"}},
		{"configuration_by_another_path", nil, "migrations/../wrangler.jsonc", true, 2, []string{"is a wrangler configuration"}},
		{"configuration_behind_a_link", link("wrangler.jsonc"), "out", true, 2, []string{"out is a wrangler configuration"}},
		{"configuration_under_a_second_name", func(t *testing.T) { must(t, os.Link("wrangler.jsonc", "out")) }, "out", true, 2,
			[]string{"out is a wrangler configuration"}},
		{"configuration_that_would_be_found_first", nil, "wrangler.json", false, 2, []string{"wrangler.json is a wrangler configuration"}},
		{"configuration_behind_a_dangling_link", link("wrangler.toml"), "out", false, 2, []string{"out is a wrangler configuration"}},
		{"migration", nil, "migrations/0001_users.sql", true, 2, []string{"is in the migrations directory migrations", untouched}},
		{"new_migration", nil, "migrations/0009_new.sql", false, 2, []string{"is in the migrations directory migrations"}},
		{"deep_in_the_migrations_directory", func(t *testing.T) { must(t, os.MkdirAll("migrations/a/b", 0o755)) }, "migrations/a/b/c.sql",
			false, 2, []string{"is in the migrations directory"}},
		{"migration_by_a_link_to_the_directory", link("migrations"), "out/0009_new.sql", false, 2, []string{"is in the migrations directory"}},
		{"migration_under_a_second_name", func(t *testing.T) { must(t, os.Link("migrations/0001_users.sql", "out")) }, "out", true, 2,
			[]string{"is in the migrations directory"}},
		{"migration_of_another_environment", nil, "elsewhere/0001_x.sql", false, 2, []string{"is in the migrations directory elsewhere"}},
		{"in_place_of_a_migrations_directory", nil, "not_yet", false, 2, []string{"is in the migrations directory not_yet"}},
		{"local_state", nil, ".wrangler/state/v3/x.sql", false, 2, []string{"is in the local state .wrangler/state"}},
		{"copies_of_the_local_state", nil, ".wrangler/state/d1-rewind/x.sql", false, 2, []string{"is in the local state"}},
		{"configuration_of_another_project", func(t *testing.T) { must(t, os.Mkdir("other", 0o755)) }, "other/Wrangler.TOML", false, 2, []string{"is a wrangler configuration"}},
		{"state_of_another_project", func(t *testing.T) { must(t, os.MkdirAll("other/.wrangler/state", 0o755)) }, "other/.wrangler/state/x", false, 2,
			[]string{"in .wrangler, where wrangler keeps local databases"}},
		{"migration_of_another_project", func(t *testing.T) {
			must(t, os.MkdirAll("other/sql", 0o755), os.WriteFile("other/wrangler.json", []byte(`{"d1_databases":[{"binding":"X","migrations_dir":"sql"}]}`), 0o644))
		}, "other/sql/0002_x.sql", false, 2, []string{"is in the migrations directory other/sql"}},
		{"directory", nil, "folder", true, 2, []string{"folder is a directory", untouched}},
		{"here", nil, ".", true, 2, []string{". is a directory"}},
		{"link_to_a_directory", link("folder"), "out", true, 2, []string{"out is a directory"}},
		{"new_directory", nil, "new/", false, 2, []string{"the directory new does not exist"}},
		{"no_such_directory", nil, "nowhere/b.sql", false, 2, []string{"the directory nowhere does not exist",
			"name a file in a directory that exists"}},
		{"link_to_no_such_directory", link("nowhere/b.sql"), "out", false, 2, []string{"out can't be created: the directory"}},
		{"circle_of_links", func(t *testing.T) { must(t, os.Symlink("out", "other"), os.Symlink("other", "out")) }, "out", true, 2,
			[]string{"too many levels of symbolic links"}},
		{"file_in_a_file", nil, "old.sql/b.sql", true, 2, []string{"old.sql/b.sql can't be created", "not a directory"}},
		{"name_too_long", nil, strings.Repeat("x", 300), false, 2, []string{"file name too long"}},
		{"no_open_file", nil, "/dev/fd/987", false, 2, []string{"/dev/fd/987 is not an open file of this process"}},
		{"socket", func(t *testing.T) {
			listener, err := net.Listen("unix", "out")
			must(t, err)
			t.Cleanup(func() { _ = listener.Close() })
		}, "out", true, 2, []string{"out is a socket"}},
		{"disk", func(t *testing.T) { device(t, "out", syscall.S_IFBLK, 7, 200) }, "out", true, 2, []string{"out is a block device"}},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			c := newCloud(t, sample())
			c.write("wrangler.jsonc", fmt.Sprintf(`{"name": "shop", "account_id": %q, "d1_databases": [{"binding": "DB", "database_name": "shop-db"}],
  "env": {"staging": {"d1_databases": [{"binding": "DB", "migrations_dir": "elsewhere"}, {"binding": "X", "migrations_dir": "not_yet"}]}}}`, d1test.Account))
			must(t, os.Mkdir("elsewhere", 0o755), os.Mkdir("folder", 0o755), os.MkdirAll(".wrangler/state/v3", 0o755),
				os.MkdirAll(".wrangler/state/d1-rewind", 0o755), os.WriteFile("old.sql", []byte("old"), 0o644))
			if tc.arrange != nil {
				tc.arrange(t)
			}
			before := tree(t, c.dir)
			for _, args := range [][]string{{"backup", "production", "--output", tc.output}, {"migrate", "production", "--backup", tc.output}} {
				if tc.force {
					args = append(args, "--force")
				}
				r := c.run(args...)
				r.want(t, tc.code, append(tc.parts, "next:  ")...)
				if n := len(c.server.Requests()); n > 0 { // the database's id is not known, so it would be asked for first
					t.Errorf("%v: %d requests", args, n)
				}
				if diff := cmp.Diff(before, tree(t, c.dir)); diff != "" {
					t.Errorf("%v changed files (-before +after):\n%s", args, diff)
				}
			}
		})
	}
}

func TestOutputIsNotTheLocalState(t *testing.T) {
	dir := workspace(t, sample())
	must(t, os.Mkdir("state", 0o755), os.Mkdir("away", 0o755), os.Symlink("away", "linked"))
	for _, state := range []string{"", "state", "linked", "."} {
		var persist []string
		if state != "" {
			persist = []string{"--persist-to", state}
		}
		d1rewind(nil, append([]string{"migrate"}, persist...)...).want(t, 0)
		if state == "" {
			state = ".wrangler/state"
		}
		state = filepath.Join(dir, state)
		file, err := filepath.Glob(filepath.Join(state, "v3/d1/*/*.sqlite"))
		if err != nil || len(file) != 1 {
			t.Fatalf("%q, %v", file, err)
		}
		second := filepath.Join(dir, "second")
		_ = os.Remove(second)
		must(t, os.Link(file[0], second))
		before := tree(t, dir)
		for _, output := range []string{file[0], second, filepath.Join(state, "v3", "b.sql"), filepath.Join(state, "d1-rewind", "b.sql")} {
			d1rewind(nil, append([]string{"backup", "--force", "--output", output}, persist...)...).want(t, 2, "is in the local state",
				"nothing was contacted or written")
		}
		if diff := cmp.Diff(before, tree(t, dir)); diff != "" {
			t.Errorf("files changed (-before +after):\n%s", diff)
		}
	}
	// The project as the state is not closed, nor is a directory of it that the command is typed in.
	d1rewind(nil, "backup", "--persist-to", ".", "--output", "b.sql").want(t, 0, "backed up to b.sql")
	must(t, os.WriteFile("wrangler.toml", []byte("[[d1_databases]]\nbinding = 'DB'\n"), 0o644), os.Mkdir("src", 0o755))
	t.Chdir("src")
	d1rewind(nil, "migrate", "--persist-to", ".").want(t, 0, "applied 2 migrations")
	d1rewind(nil, "backup", "--persist-to", ".", "--output", "b.sql").want(t, 0, "backed up to b.sql")
	d1rewind(nil, "backup", "--persist-to", ".", "--output", "v3/b.sql").want(t, 2, "is in the local state v3")
	must(t, os.Mkdir("../project", 0o755),
		os.WriteFile("../project/wrangler.toml", []byte("[[d1_databases]]\nbinding = 'DB'\nmigrations_dir = '../migrations'\n"), 0o644))
	for _, args := range [][]string{{"migrate"}, {"backup", "--output", "../project/b.sql"}} {
		d1rewind(nil, append(args, "--config", "../project/wrangler.toml", "--persist-to", "../project")...).want(t, 0)
	}
}

// export is what a backup of the local database writes.
func export(t *testing.T) string {
	t.Helper()
	r := d1rewind(nil, "backup", "--output", "-")
	r.want(t, 0, "backed up to standard output")
	if !strings.HasPrefix(r.stdout, "PRAGMA defer_foreign_keys=TRUE;\n") || strings.Contains(r.stdout, "backed up") {
		t.Fatalf("standard output:\n%s", r.stdout)
	}
	return r.stdout
}

func TestOutputIsReplaced(t *testing.T) {
	dir := workspace(t, sample())
	d1rewind(nil, "migrate", "--to", "0001_users.sql").want(t, 0)
	whole := export(t)
	must(t, os.Mkdir("away", 0o755), os.WriteFile("away/old.sql", []byte("old"), 0o644), os.Chmod("away/old.sql", 0o664),
		os.Symlink("away/old.sql", "old"),
		os.Symlink("old", "to_old"), os.Symlink("away/new.sql", "new"), os.Mkdir("sub", 0o755), os.Symlink("../away", "sub/up"),
		os.Symlink("../away/third.sql", "sub/third"))
	before := tree(t, dir)
	d1rewind(nil, "backup", "--output", "b.sql").want(t, 0, "backed up to b.sql")
	d1rewind(nil, "backup", "--output", "to_old", "--force").want(t, 0, "backed up to to_old")
	d1rewind(nil, "backup", "--output", "./new").want(t, 0, "backed up to ./new\n") // as it was given
	d1rewind(nil, "backup", "--output", "sub/third").want(t, 0, "backed up to sub/third")
	d1rewind(nil, "migrate", "--backup", "sub/up/../first.sql").want(t, 0, "applied 1 migration")
	after := tree(t, dir)
	for name, want := range map[string]string{"b.sql": "-rw------- ", "away/old.sql": "-rw-rw-r-- ", "away/new.sql": "-rw------- ",
		"away/third.sql": "-rw------- ",
		"first.sql":      "-rw------- "} {
		if diff := cmp.Diff(want+whole, after[name]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		delete(before, name)
		delete(after, name)
	}
	ignore := func(files map[string]string) {
		for name := range files {
			if strings.HasPrefix(name, ".wrangler") {
				delete(files, name)
			}
		}
	}
	ignore(before)
	ignore(after)
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("other files changed (-before +after):\n%s", diff)
	}
	d1rewind(nil, "migrate", "--force").want(t, 2, "--force does nothing here")
	must(t, os.WriteFile("away/other.jsonc", []byte(`{"d1_databases": [{"binding": "DB", "migrations_dir": "../migrations"}]}`), 0o644))
	for _, output := range []string{"away/other.jsonc", "away/wrangler.toml",
		"wrangler.toml"} { // the latter would be found here without --config
		d1rewind(nil, "backup", "--config", "away/other.jsonc", "--force", "--output", output).want(t, 2, "is a wrangler configuration")
	}
}

func TestOutputWhereTheProjectIsTheMigrationsDirectory(t *testing.T) {
	workspace(t, sample())
	whole := func(pattern string) []byte {
		return []byte(`{"d1_databases": [{"binding": "DB", "migrations_dir": "."` + pattern + `}]}`)
	}
	deep := whole(`, "migrations_pattern": "**/*.sql"`)
	must(t, os.MkdirAll("other/out", 0o755), os.MkdirAll("deep/out", 0o755), os.WriteFile("other/wrangler.json", whole(""), 0o644),
		os.WriteFile("deep/wrangler.json", deep, 0o644))
	d1rewind(nil, "migrate").want(t, 0)
	for output, code := range map[string]int{
		"other/b.sql": 2, "other/b.txt": 0, "other/out/b.sql": 0,
		"deep/b.sql": 2, "deep/b.txt": 0, "deep/out/b.sql": 2,
	} {
		d1rewind(nil, "backup", "--output", output).want(t, code)
		t.Run("from_its_project", func(t *testing.T) {
			t.Chdir(strings.Split(output, "/")[0])
			_, within, _ := strings.Cut(output, "/")
			d1rewind(nil, "backup", "--force", "--persist-to", "../.wrangler/state", "--output", within).want(t, code)
		})
	}
}

// reading reads a pipe to its end, or n bytes of it.
func reading(t *testing.T, path string, n int64) (content func() string) {
	t.Helper()
	var all bytes.Buffer
	done := make(chan error, 1)
	go func() {
		file, err := os.Open(path)
		if err == nil {
			if n < 0 {
				_, err = io.Copy(&all, file)
			} else {
				_, err = io.CopyN(&all, file, n)
			}
			err = errors.Join(err, file.Close())
		}
		done <- err
	}()
	return func() string {
		t.Helper()
		if err := <-done; err != nil {
			t.Error(err)
		}
		return all.String()
	}
}

// kind is what is at path: a device has to stay one.
func kind(t *testing.T, path string) fs.FileMode {
	t.Helper()
	info, err := os.Lstat(path)
	must(t, err)
	return info.Mode().Type()
}

func TestOutputIsWrittenThrough(t *testing.T) {
	workspace(t, sample())
	d1rewind(nil, "migrate").want(t, 0)
	whole := export(t)
	t.Run("pipe", func(t *testing.T) {
		must(t, syscall.Mkfifo("pipe", 0o600), os.Symlink("pipe", "to_pipe"))
		for _, name := range []string{"pipe", "to_pipe"} {
			content := reading(t, "pipe", -1)
			d1rewind(nil, "backup", "--output", name).want(t, 0, "backed up to "+name)
			if diff := cmp.Diff(whole, content()); diff != "" {
				t.Errorf("%s (-want +got):\n%s", name, diff)
			}
		}
		content := reading(t, "pipe", -1)
		d1rewind(nil, "migrate", "--backup", "pipe").want(t, 0, "up to date")
		must(t, os.WriteFile("migrations/0003_a.sql", []byte("CREATE TABLE a(x);"), 0o600))
		d1rewind(nil, "migrate", "--backup", "pipe").want(t, 0, "applied 1 migration")
		if content() != whole {
			t.Error("another backup")
		}
		must(t, os.Remove("migrations/0003_a.sql"))
		whole = export(t)
		if got := kind(t, "pipe"); got != fs.ModeNamedPipe {
			t.Errorf("the pipe is %v", got)
		}
	})
	t.Run("process_substitution", func(t *testing.T) {
		reader, writer, err := os.Pipe()
		must(t, err)
		content := reading(t, fmt.Sprintf("/proc/self/fd/%d", reader.Fd()), -1)
		r := d1rewind(nil, "backup", "--output", fmt.Sprintf("/dev/fd/%d", writer.Fd()))
		must(t, writer.Close())
		r.want(t, 0)
		got := content()
		must(t, reader.Close())
		if diff := cmp.Diff(whole, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
	t.Run("descriptor_of_a_file", func(t *testing.T) {
		file, err := os.Create("log.sql")
		must(t, err)
		_, err = file.WriteString("-- begin\n")
		must(t, err)
		d1rewind(nil, "backup", "--output", fmt.Sprintf("/dev/fd/%d", file.Fd())).want(t, 0)
		_, err = file.WriteString("-- end\n")
		must(t, err, file.Close())
		if data, err := os.ReadFile("log.sql"); err != nil || string(data) != "-- begin\n"+whole+"-- end\n" {
			t.Errorf("%v\n%s", err, data)
		}
		file, err = os.OpenFile("migrations/0001_users.sql", os.O_WRONLY|os.O_APPEND, 0)
		must(t, err)
		d1rewind(nil, "backup", "--output", fmt.Sprintf("/dev/fd/%d", file.Fd())).want(t, 2, "is in the migrations directory")
		must(t, file.Close())
	})
	t.Run("terminal", func(t *testing.T) {
		person, program := openTerminal(t)
		lines := make(chan string)
		go func() {
			var seen strings.Builder
			buffer := make([]byte, 1<<16)
			for !strings.Contains(seen.String(), "'d1_migrations',") {
				n, err := person.Read(buffer)
				if err != nil {
					break
				}
				seen.Write(buffer[:n])
			}
			lines <- seen.String()
		}()
		d1rewind(nil, "backup", "--output", program.Name()).want(t, 0, "backed up to "+program.Name())
		if got := strings.ReplaceAll(<-lines, "\r\n", "\n"); !strings.HasPrefix(got, "PRAGMA defer_foreign_keys") {
			t.Errorf("the terminal shows:\n%s", got)
		}
		if got := kind(t, program.Name()); got != fs.ModeDevice|fs.ModeCharDevice {
			t.Errorf("the terminal is %v", got)
		}
	})
	t.Run("devices", func(t *testing.T) {
		device(t, "null", syscall.S_IFCHR, 1, 3)
		device(t, "full", syscall.S_IFCHR, 1, 7)
		d1rewind(nil, "backup", "--output", "null").want(t, 0, "backed up to null")
		d1rewind(nil, "backup", "--output", "null", "--force").want(t, 0)
		d1rewind(nil, "backup", "--output", "full", "--force").want(t, 1, "write the backup to full: no space left on device",
			"what full got is not whole", "next:  ")
		must(t, os.WriteFile("migrations/0004_b.sql", []byte("CREATE TABLE b(x);"), 0o600))
		d1rewind(nil, "migrate", "--backup", "full").want(t, 1, "backup before the run", "no space left on device")
		d1rewind(nil, "status", "--format", "json").want(t, 0, `"0004_b.sql"`, `"pendingCount": 1`)
		for _, name := range []string{"null", "full"} {
			if got := kind(t, name); got != fs.ModeDevice|fs.ModeCharDevice {
				t.Errorf("%s is %v", name, got)
			}
		}
	})
	t.Run("standard_output_by_its_path", func(t *testing.T) {
		for _, name := range []string{"/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"} {
			command := program(".", "backup", "--output", name)
			var stdout, stderr bytes.Buffer
			command.Stdout, command.Stderr = &stdout, &stderr
			if err := command.Run(); err != nil || !strings.HasPrefix(stdout.String(), "PRAGMA") || strings.Contains(stdout.String(),
				"backed up") || !strings.Contains(stderr.String(), "backed up to standard output") {
				t.Errorf("%s: %v\n%s\n%s", name, err, stdout.String(), stderr.String())
			}
		}
	})
}

// Nobody reads the pipe, or not to its end.
func TestOutputIsNotRead(t *testing.T) {
	files := sample()
	files["migrations/0003_rows.sql"] = "CREATE TABLE rows(v);\n" +
		"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000) INSERT INTO rows SELECT printf('%01000d', i) FROM n;"
	workspace(t, files)
	d1rewind(nil, "migrate").want(t, 0)
	must(t, syscall.Mkfifo("pipe", 0o600), os.WriteFile("migrations/0004_a.sql", []byte("CREATE TABLE a(x);"), 0o600))
	// interrupted runs the program until it says something.
	interrupted := func(t *testing.T, says string, also func(), args ...string) run {
		t.Helper()
		ctx, cancel := context.WithCancelCause(t.Context())
		defer cancel(nil)
		stderr := &watched{question: says, answer: func() {
			also()
			cancel(&cli.Interrupt{Signal: os.Interrupt})
		}}
		var stdout bytes.Buffer
		code := cli.Main(ctx, cli.Process{Args: append(args, "--verbose"), Program: "d1-rewind", Version: "test",
			Stdin: strings.NewReader(""), Stdout: &stdout, Stderr: stderr, Getenv: func(string) string { return "" }})
		return run{code, stdout.String(), stderr.String()}
	}
	const waiting = "waiting for a reader of the pipe"
	t.Run("interrupted_before_there_is_a_reader", func(t *testing.T) {
		interrupted(t, waiting, func() {}, "backup", "--output", "pipe").want(t, 130, "interrupted", "nothing was written")
		interrupted(t, waiting, func() {}, "migrate", "--backup", "pipe").want(t, 130, "interrupted", "nothing was written")
	})
	t.Run("interrupted_while_the_reader_sleeps", func(t *testing.T) {
		var reader *os.File
		opened := make(chan error, 1)
		go func() {
			var err error
			reader, err = os.Open("pipe")
			opened <- err
		}()
		clock := time.Now()
		ctx, cancel := context.WithCancelCause(t.Context())
		go func() {
			err := <-opened
			if err == nil {
				_, err = io.ReadFull(reader, make([]byte, 1))
			}
			if err != nil {
				t.Error(err)
			}
			cancel(&cli.Interrupt{Signal: syscall.SIGTERM})
		}()
		r := start(ctx, nil, cli.Process{Args: []string{"backup", "--output", "pipe"}, Now: func() time.Time { return clock }})
		r.want(t, 143, "interrupted", "what pipe got is not whole", "next:  ")
		must(t, reader.Close())
	})
	t.Run("reader_leaves", func(t *testing.T) {
		content := reading(t, "pipe", 1)
		d1rewind(nil, "backup", "--output", "pipe").want(t, 1, "the reader closed it before everything was written", "what pipe got is not whole")
		content()
		content = reading(t, "pipe", 1)
		d1rewind(nil, "migrate", "--backup", "pipe").want(t, 1, "backup before the run", "what pipe got is not whole")
		content()
	})
	if got := d1rewind(nil, "status", "--format", "json").json(t)["pendingCount"]; got != 1.0 {
		t.Errorf("%v are pending: a migrate without its backup went on", got)
	}
	if got := kind(t, "pipe"); got != fs.ModeNamedPipe {
		t.Errorf("the pipe is %v", got)
	}
}

func TestOutputInterrupted(t *testing.T) {
	c, _ := migrated(t, 1)
	before := tree(t, c.dir)
	ctx, cancel := context.WithCancelCause(t.Context())
	c.ctx = ctx
	c.server.SetFault(func(r d1test.Request) *d1test.Fault {
		if strings.Contains(r.Path, "/signed/") {
			cancel(&cli.Interrupt{Signal: os.Interrupt})
		}
		return nil
	})
	c.run("backup", "production", "--output", "b.sql").want(t, 130, "interrupted")
	if diff := cmp.Diff(before, tree(t, c.dir)); diff != "" {
		t.Errorf("files changed (-before +after):\n%s", diff)
	}
}

// A file, or a link, that comes up while the backup is written is someone else's.
func TestOutputComesUpMeanwhile(t *testing.T) {
	cases := []struct {
		name  string
		other func() error
		code  int
		part  string
	}{
		{"file", func() error { return os.WriteFile("b.sql", []byte("another run's"), 0o600) }, 3, "b.sql already exists"},
		{"link", func() error { return os.Symlink("wrangler.jsonc", "b.sql") }, 3, "b.sql already exists"},
		{"directory", func() error { return os.Mkdir("b.sql", 0o700) }, 3, "b.sql already exists"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			c := newCloud(t, sample())
			before := tree(t, c.dir)
			c.server.SetFault(func(r d1test.Request) *d1test.Fault {
				if strings.Contains(r.Path, "/signed/") {
					if err := tc.other(); err != nil {
						t.Error(err)
					}
				}
				return nil
			})
			c.run("migrate", "production", "--backup", "b.sql").want(t, tc.code, tc.part, "nothing was written", "--force")
			must(t, os.Remove("b.sql"))
			if diff := cmp.Diff(before, tree(t, c.dir)); diff != "" {
				t.Errorf("files changed (-before +after):\n%s", diff)
			}
			c.wantRows("SELECT name FROM sqlite_schema WHERE name = 'users'")
		})
	}
}

// What the name means may change while the migrations are rehearsed.
func TestOutputIsAnotherMeanwhile(t *testing.T) {
	const another = "the name means another file than at the start of the run"
	again := func(to string) func() error {
		return func() error { return errors.Join(os.Remove("out"), os.Symlink(to, "out")) }
	}
	cases := []struct {
		name, output string
		arrange      func() error
		other        func() error
		code         int
		parts        []string
	}{
		{"file", "out", nil, func() error { return os.WriteFile("out", nil, 0o600) }, 3, []string{"out already exists"}},
		{"link", "out", func() error { return os.Symlink("b.sql", "out") }, again("wrangler.toml"), 1, []string{another}},
		{"link_of_the_directory", "out/b.sql", func() error { return os.Symlink("away", "out") }, again("migrations"), 1, []string{another}},
		{"device", "out", nil, func() error { return syscall.Mkfifo("out", 0o600) }, 1, []string{another}},
		{"no_pipe", "out", func() error { return syscall.Mkfifo("out", 0o600) },
			func() error { return errors.Join(os.Remove("out"), os.WriteFile("out", []byte("old"), 0o600)) }, 1, []string{another}},
		{"directory", "out", nil, func() error { return os.Mkdir("out", 0o700) }, 1, []string{"out is a directory", "the database is untouched"}},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			c := newCloud(t, sample())
			must(t, os.Mkdir("away", 0o755))
			if tc.arrange != nil {
				must(t, tc.arrange())
			}
			var before map[string]string
			c.server.SetFault(func(r d1test.Request) *d1test.Fault {
				if before == nil {
					if err := tc.other(); err != nil {
						t.Error(err)
					}
					before = tree(t, c.dir)
				}
				return nil
			})
			c.run("migrate", "production", "--backup", tc.output).want(t, tc.code, tc.parts...)
			if diff := cmp.Diff(before, tree(t, c.dir)); diff != "" {
				t.Errorf("files changed (-before +after):\n%s", diff)
			}
			if slices.ContainsFunc(c.server.Requests(), to("/export")) {
				t.Error("an export was begun")
			}
			c.wantRows("SELECT name FROM sqlite_schema WHERE name = 'users'")
		})
	}
}

// Of two runs at once one has the name, also where a file can't have two names for a moment.
func TestOutputsAtOnce(t *testing.T) {
	dir := workspace(t, sample())
	d1rewind(nil, "migrate").want(t, 0)
	whole := export(t)
	codes := make([]int, 8)
	var group sync.WaitGroup
	for i := range codes {
		group.Go(func() { codes[i] = d1rewind(nil, "backup", "--output", "b.sql").code })
	}
	group.Wait()
	slices.Sort(codes)
	if diff := cmp.Diff([]int{0, 3, 3, 3, 3, 3, 3, 3}, codes); diff != "" {
		t.Errorf("exit codes (-want +got):\n%s", diff)
	}
	if got := tree(t, dir)["b.sql"]; got != "-rw------- "+whole {
		t.Errorf("b.sql: %s", got)
	}
	t.Run("without_hard_links", func(t *testing.T) {
		needStrace(t)
		before := tree(t, dir)
		backup := func(injections ...string) ([]byte, error) {
			return underStrace(t, program(dir, "backup", "--output", filepath.Join(dir, "c.sql")), filepath.Join(t.TempDir(), "log"),
				injections...).CombinedOutput()
		}
		if out, err := backup("linkat:error=EPERM", "renameat,renameat2:error=EIO"); err == nil || !strings.Contains(string(out),
			"input/output error") {
			t.Errorf("%v\n%s", err, out)
		}
		if diff := cmp.Diff(before, tree(t, dir)); diff != "" {
			t.Errorf("files changed (-before +after):\n%s", diff)
		}
		if out, err := backup("linkat:error=EPERM"); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		before["c.sql"] = "-rw------- " + whole
		if diff := cmp.Diff(before, tree(t, dir)); diff != "" {
			t.Errorf("files changed (-want +after):\n%s", diff)
		}
	})
}

func TestOutputIsStandardOutput(t *testing.T) {
	workspace(t, sample())
	first := d1rewind(nil, "migrate", "--backup", "-")
	first.want(t, 0, "applied 2 migrations", "to go back:")
	if first.stdout != "PRAGMA defer_foreign_keys=TRUE;\n" {
		t.Errorf("standard output:\n%s", first.stdout)
	}
	whole := export(t)
	if r := d1rewind(nil, "backup", "--output", "-", "--format", "markdown"); r.code != 0 || r.stdout != whole ||
		!strings.Contains(r.stderr, "backed up to standard output") {
		t.Errorf("in Markdown: exit code %d, standard error:\n%s", r.code, r.stderr)
	}
	for _, args := range [][]string{{"backup", "--output", "-"}, {"migrate", "--backup", "-"}} {
		r := d1rewind(nil, append(args, "--format", "json")...)
		r.want(t, 2, "both write to standard output")
		r.json(t)
	}
	if r := d1rewind(nil, "backup", "nowhere", "--output", "-", "--format", "markdown"); r.code != 2 ||
		r.stdout != "" { // which goes into someone's dump
		t.Errorf("exit code %d, standard output:\n%s", r.code, r.stdout)
	}
	d1rewind(nil, "backup", "--output", "./-").want(t, 0, "backed up to ./-")
	r := toFile(t, "/dev/full", "backup", "--output", "-")
	r.want(t, 1, "write the backup to standard output: no space left on device", "is not whole")
	if strings.Contains(r.stderr, "the report could not be written") {
		t.Errorf("said twice:\n%s", r.stderr)
	}
}

func TestOutputInAnAction(t *testing.T) {
	dir := workspace(t, sample())
	must(t, os.Symlink(filepath.Join(t.TempDir(), "out.sql"), "out"), os.WriteFile("old.sql", nil, 0o644))
	d1rewind(nil, "migrate").want(t, 0)
	cases := []struct {
		output, force string
		code          int
		parts         []string
	}{
		{"-", "", 2, []string{"output can't be standard output in an action", "name a file of the workspace"}},
		{"/dev/stdout", "", 2, []string{"can't be standard output in an action"}},
		{"/dev/null", "", 2, []string{"outside of the workspace"}},
		{"out", "true", 2, []string{"outside of the workspace"}}, // a link to a file that is not there
		{"../b.sql", "", 2, []string{"outside of the workspace"}},
		{"old.sql", "", 3, []string{"old.sql already exists", "replace this one: the input force: true"}},
		{"old.sql", "true", 0, []string{"backed up to old.sql"}},
		{filepath.Join(dir, "b.sql"), "", 0, []string{"backed up to b.sql"}},
	}
	for _, tc := range cases {
		r, outputs, _ := action(t, dir, map[string]string{"mode": "backup", "environment": "local", "output": tc.output, "force": tc.force})
		r.want(t, tc.code, tc.parts...)
		if tc.code == 0 && !strings.HasSuffix(outputs["backup-file"], ".sql") || tc.code == 0 && filepath.IsAbs(outputs["backup-file"]) {
			t.Errorf("%s: the output backup-file is %q", tc.output, outputs["backup-file"])
		}
	}
	// A log that can't be written ends nothing.
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	must(t, err)
	defer full.Close()
	env := map[string]string{"INPUT_MODE": "migrate", "INPUT_ENVIRONMENT": "local", "GITHUB_WORKSPACE": dir}
	if code := cli.Main(t.Context(), cli.Process{Program: "d1-rewind", Version: "test", Stdin: strings.NewReader(""), Stdout: full,
		Stderr: full, Getenv: func(name string) string { return env[name] }}); code != 0 {
		t.Errorf("exit code %d", code)
	}
	d1rewind(nil, "status").want(t, 0, "up to date: 2 applied")
}

func TestOutputSaysHowFarItIs(t *testing.T) {
	workspace(t, sample())
	d1rewind(nil, "migrate").want(t, 0)
	now := time.Now()
	r := start(t.Context(), nil, cli.Process{Args: []string{"backup", "--output", "b.sql", "--verbose"},
		Now: func() time.Time { now = now.Add(6 * time.Second); return now }})
	r.want(t, 0, "writing the SQL export to b.sql", "wrote 1.")
}

// toFile runs the program with a file as standard output.
func toFile(t *testing.T, file string, args ...string) run {
	t.Helper()
	out, err := os.OpenFile(file, os.O_WRONLY, 0)
	must(t, err)
	defer out.Close()
	return writingTo(t, out, args...)
}

func writingTo(t *testing.T, stdout io.Writer, args ...string) run {
	t.Helper()
	var stderr bytes.Buffer
	code := cli.Main(t.Context(), cli.Process{Args: args, Program: "d1-rewind", Version: "test", Stdin: strings.NewReader(""),
		Stdout: stdout, Stderr: &stderr, Getenv: func(string) string { return "" }})
	return run{code, "", stderr.String()}
}

func TestReportIsNotWritten(t *testing.T) {
	const lost, asLeft = "the report could not be written to standard output: no space left on device", "; the database is as this run left it"
	const goBack = "restore --before 0001_users.sql"
	cases := []struct {
		before []string // commands
		args   string
		code   int
		parts  []string
	}{
		{nil, "help", 1, []string{"nothing was contacted or written"}},
		{nil, "help migrate", 1, nil},
		{nil, "version", 1, nil},
		{nil, "version --format json", 1, nil},
		{nil, "create third", 1, []string{"created migrations/0003_third.sql\n", "the file need not be made again"}},
		{nil, "status", 1, []string{"2 pending, 0 applied" + asLeft, "d1-rewind status local"}},
		{nil, "status --format json", 1, []string{"2 pending, 0 applied" + asLeft}},
		{nil, "status --format markdown", 1, []string{"2 pending, 0 applied" + asLeft}},
		{nil, "status --exit-code", 5, []string{"2 pending, 0 applied"}},
		{nil, "migrate --to 0001_users.sql", 1, []string{"applied 1 migration in", asLeft, "to go back: d1-rewind restore local --bookmark"}},
		{[]string{"migrate"}, "info", 1, []string{"bookmark at"}},
		{[]string{"migrate"}, "doctor", 1, []string{"everything is in order"}},
		{[]string{"migrate"}, "backup --output b.sql", 1, []string{"backed up to b.sql"}},
		{[]string{"migrate"}, "reset --yes", 1, []string{"reset: emptied, then applied 2 migrations", "to go back: "}},
		{[]string{"migrate"}, goBack + " --format json", 1, []string{"restored to", "to go back: "}},
		{[]string{"migrate", goBack}, "migrate --format json", 3, []string{"held", "what went wrong is said above" + asLeft}},
		{nil, "status nowhere --format json", 2, []string{"unknown environment", "what went wrong is said above"}},
	}
	for _, tc := range cases {
		t.Run(strings.ReplaceAll(tc.args, " ", "_"), func(t *testing.T) {
			prepare := func() {
				workspace(t, sample())
				for _, command := range tc.before {
					d1rewind(nil, strings.Fields(command)...).want(t, 0)
				}
			}
			prepare()
			r := toFile(t, "/dev/full", strings.Fields(tc.args)...)
			r.want(t, tc.code, append(tc.parts, lost)...)
			if n := strings.Count(r.stderr, lost); n != 1 {
				t.Errorf("said %d times:\n%s", n, r.stderr)
			}

			prepare()
			reader, writer, err := os.Pipe()
			must(t, err, reader.Close())
			defer writer.Close()
			r = writingTo(t, writer, strings.Fields(tc.args)...)
			want := tc.code
			if want == 1 { // someone who does not read on knows that
				want = 0
			}
			if r.code != want || strings.Contains(r.stderr, "could not be written") {
				t.Errorf("nobody reads: exit code %d, want %d\n%s", r.code, want, r.stderr)
			}
		})
	}
}

// smallDisk mounts a file system of its own, which is full but for so many pages and files.
func smallDisk(t *testing.T, options string, arrange func(dir string)) (dir string) {
	t.Helper()
	mount := t.TempDir()
	if err := syscall.Mount("tmpfs", mount, "tmpfs", 0, options); err != nil {
		t.Skipf("tmpfs cannot be mounted: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(mount, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	dir = filepath.Join(mount, "project")
	must(t, os.Mkdir(dir, 0o755))
	arrange(dir)
	return dir
}

func TestFullDisk(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	project := func(t *testing.T) string {
		dir := workspace(t, sample())
		d1rewind(nil, "migrate").want(t, 0)
		return dir
	}
	unchanged := func(t *testing.T, dir string, code int, parts []string, args ...string) {
		t.Helper()
		before := tree(t, dir)
		t.Chdir(dir)
		d1rewind(nil, args...).want(t, code, parts...)
		if diff := cmp.Diff(before, tree(t, dir)); diff != "" {
			t.Errorf("%v left something behind (-before +after):\n%s", args, diff)
		}
	}
	t.Run("no_room_for_content", func(t *testing.T) {
		from := project(t)
		for free := range 2 { // the export has more than one page
			dir := smallDisk(t, diskSize, func(dir string) {
				must(t, os.CopyFS(dir, os.DirFS(from)), os.WriteFile(filepath.Join(dir, "old.sql"), []byte("old"), 0o644),
					os.WriteFile(filepath.Join(dir, "wrangler.json"),
						[]byte(`{"d1_databases":[{"binding":"DB"}],"env":{"new":{"d1_databases":[{"binding":"DB","migrations_dir":"a/b/c"}]}}}`), 0o644))
				long := "CREATE TABLE long(v TEXT DEFAULT '" + strings.Repeat("x", 9000) + "')"
				must(t, os.WriteFile(filepath.Join(dir, "migrations/0003_long.sql"), []byte(long), 0o644))
				in(dir, "migrate").want(t, 0)
				must(t, os.WriteFile(filepath.Join(dir, "migrations/0004_more.sql"), []byte("CREATE TABLE more(x)"), 0o644))
			})
			fill(t, dir, free)
			full := []string{"no space left on device", "no backup was written; the database is untouched", "make room"}
			unchanged(t, dir, 1, full, "backup", "--output", "b.sql")
			unchanged(t, dir, 1, full, "backup", "--output", "old.sql", "--force")
			unchanged(t, dir, 1, full, "migrate", "--backup", "b.sql", "--rehearse", "off")
			if free == 0 {
				unfinished := []string{"write the migration: no space left on device", "nothing was written", "room on the disk"}
				unchanged(t, dir, 1, unfinished, "create", "next")
				unchanged(t, dir, 1, unfinished, "create", "next", "--environment", "local:new")
			}
		}
	})
	t.Run("no_room_for_a_file", func(t *testing.T) {
		from := project(t)
		for free := range 3 {
			dir := smallDisk(t, "nr_inodes=100", func(dir string) {
				must(t, os.CopyFS(dir, os.DirFS(from)), os.RemoveAll(filepath.Join(dir, "migrations")))
				var names []string
				for i := range 100 {
					name := filepath.Join(dir, fmt.Sprintf("ballast%d", i))
					if err := os.WriteFile(name, nil, 0o600); err != nil {
						break
					}
					names = append(names, name)
				}
				for _, name := range names[:free] {
					must(t, os.Remove(name))
				}
			})
			if free == 0 {
				unchanged(t, dir, 1, []string{"no space left on device", "no backup was written"}, "backup", "--output", "b.sql")
			}
			unchanged(t, dir, 1, []string{"no space left on device", "nothing was written"}, "create", "next", "--migrations-dir", "a/b/c")
		}
	})
	t.Run("write_protected", func(t *testing.T) {
		from := project(t)
		dir := smallDisk(t, diskSize, func(dir string) { must(t, os.CopyFS(dir, os.DirFS(from))) })
		must(t, syscall.Mount("", filepath.Dir(dir), "", syscall.MS_REMOUNT|syscall.MS_RDONLY, diskSize))
		unchanged(t, dir, 1, []string{"read-only file system", "no backup was written"}, "backup", "--output", "b.sql")
		unchanged(t, dir, 1, []string{"read-only file system", "nothing was written", "is writable"}, "create", "next")
	})
}

func TestCreatesAtOnce(t *testing.T) {
	workspace(t, nil)
	const creates = 8
	var group sync.WaitGroup
	runs := make([]run, creates)
	for i := range runs {
		group.Go(func() { runs[i] = d1rewind(nil, "create", fmt.Sprintf("change %d", i%2)) })
	}
	group.Wait()
	for _, r := range runs {
		r.want(t, 0, "created migrations/")
	}
	files, err := os.ReadDir("migrations")
	must(t, err)
	var numbers []string
	for _, file := range files {
		number, _, _ := strings.Cut(file.Name(), "_")
		numbers = append(numbers, number)
	}
	if diff := cmp.Diff([]string{"0001", "0002", "0003", "0004", "0005", "0006", "0007", "0008"}, numbers); diff != "" {
		t.Errorf("numbers (-want +got):\n%s", diff)
	}
	// As one who runs it under flock(1) holds it: that ends no create, and makes none wait for ever.
	directory, err := os.Open("migrations")
	must(t, err)
	defer directory.Close()
	must(t, syscall.Flock(int(directory.Fd()), syscall.LOCK_EX))
	start(t.Context(), nil, cli.Process{Args: []string{"create", "last"}, Sleep: noSleep}).want(t, 0, "created migrations/0009_last.sql")
}
