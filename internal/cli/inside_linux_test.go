package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What an action opens lies in the workspace, whatever links a pull request has in it.
func TestLinksOutOfTheWorkspace(t *testing.T) {
	const state = ".wrangler/state"
	for name, tc := range map[string]struct {
		link   string // of these files the one that is replaced by a link to its like elsewhere; NAME is the database's
		gone   bool   // and what it leads to is not there yet
		inputs map[string]string
	}{
		"state":                 {link: state},
		"state_v3":              {link: state + "/v3"},
		"databases":             {link: state + "/v3/d1/miniflare-D1DatabaseObject"},
		"databases_gone":        {link: state + "/v3/d1/miniflare-D1DatabaseObject", gone: true},
		"database":              {link: state + "/v3/d1/miniflare-D1DatabaseObject/NAME.sqlite"},
		"database_gone":         {link: state + "/v3/d1/miniflare-D1DatabaseObject/NAME.sqlite", gone: true},
		"wal":                   {link: state + "/v3/d1/miniflare-D1DatabaseObject/NAME.sqlite-wal"},
		"shm":                   {link: state + "/v3/d1/miniflare-D1DatabaseObject/NAME.sqlite-shm"},
		"rollback_journal":      {link: state + "/v3/d1/miniflare-D1DatabaseObject/NAME.sqlite-journal"},
		"rollback_journal_gone": {link: state + "/v3/d1/miniflare-D1DatabaseObject/NAME.sqlite-journal", gone: true},
		"time_travel":           {link: state + "/d1-rewind"},
		"time_travel_gone":      {link: state + "/d1-rewind", gone: true},
		"copies":                {link: state + "/d1-rewind/NAME"},
		"migrations":            {link: "migrations"},
		"configuration":         {link: "wrangler.json"},
		"configuration_given":   {link: "wrangler.json", inputs: map[string]string{"config": "wrangler.json"}},
		"working_directory":     {link: "api", inputs: map[string]string{"working-directory": "api"}},
		"backup":                {link: "b.sql", inputs: map[string]string{"mode": "backup", "output": "b.sql"}},
		"backup_gone":           {link: "b.sql", gone: true, inputs: map[string]string{"mode": "backup", "output": "b.sql"}},
		"migrate_backup":        {link: "b.sql", gone: true, inputs: map[string]string{"mode": "migrate", "backup": "b.sql"}},
	} {
		t.Run(name, func(t *testing.T) {
			files := sample()
			const config = `{"d1_databases":[{"binding":"DB"}]}`
			files["wrangler.json"], files["api/wrangler.json"], files["b.sql"] = config, config, ""
			dir, outside := workspace(t, files), t.TempDir()
			r, _, _ := action(t, dir, map[string]string{"mode": "migrate", "environment": "local", "to": "0001_users.sql"})
			r.want(t, 0)
			made, err := filepath.Glob(filepath.Join(dir, state, "d1-rewind", "*"))
			if err != nil || len(made) != 1 {
				t.Fatal(made, err)
			}
			link := filepath.Join(dir, strings.ReplaceAll(tc.link, "NAME", filepath.Base(made[0])))
			elsewhere := filepath.Join(outside, filepath.Base(link))
			if err := os.Rename(link, elsewhere); os.IsNotExist(err) && !tc.gone {
				err = os.WriteFile(elsewhere, nil, 0o644)
				if err != nil {
					t.Fatal(err)
				}
			}
			if tc.gone {
				if err := os.RemoveAll(elsewhere); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.Symlink(elsewhere, link); err != nil {
				t.Fatal(err)
			}
			before := snapshot(t, outside)
			modes := []string{"status", "migrate"}
			if tc.inputs["mode"] != "" {
				modes = []string{tc.inputs["mode"]}
			}
			for _, mode := range modes {
				inputs := map[string]string{"environment": "local"}
				for name, value := range tc.inputs {
					inputs[name] = value
				}
				inputs["mode"] = mode
				r, _, _ := action(t, dir, inputs)
				r.want(t, 2, "outside of the workspace")
			}
			if diff := cmp.Diff(before, snapshot(t, outside)); diff != "" {
				t.Errorf("files outside (-before +after):\n%s", diff)
			}
		})
	}
	t.Run("directory_that_a_pattern_names", func(t *testing.T) {
		dir := workspace(t, map[string]string{"migrations/x": "", "wrangler.json": `{"d1_databases":
  [{"binding":"DB","migrations_dir":"migrations","migrations_pattern":"migrations/linked/*.sql"}]}`})
		outside := t.TempDir()
		if err := os.WriteFile(filepath.Join(outside, "0001_a.sql"), []byte("CREATE TABLE a(x);"), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(outside, filepath.Join(dir, "migrations/linked")); err != nil {
			t.Fatal(err)
		}
		r, _, _ := action(t, dir, map[string]string{"mode": "migrate", "environment": "local"})
		r.want(t, 2, "escapes")
		d1rewind(nil, "migrate").want(t, 0, "applied 1 migration") // a person's own machine has no workspace
	})
	t.Run("within", func(t *testing.T) { // links that stay inside are nobody's business
		dir := workspace(t, map[string]string{"db/migrations/0001_a.sql": "CREATE TABLE a(x);", "elsewhere/x": ""})
		if err := os.Symlink("db/migrations", filepath.Join(dir, "migrations")); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink("elsewhere/state", filepath.Join(dir, ".wrangler")); err != nil { // which is not there yet
			t.Fatal(err)
		}
		if err := os.Mkdir(filepath.Join(dir, "elsewhere/state"), 0o755); err != nil {
			t.Fatal(err)
		}
		r, _, _ := action(t, dir, map[string]string{"mode": "migrate", "environment": "local"})
		r.want(t, 0, "applied 1 migration")
	})
}

// What is in the place of the database and is no file is neither waited for nor taken for empty.
func TestNoFile(t *testing.T) {
	for name, tc := range map[string]struct {
		suffix string
		make   func(path string) error
		want   string
	}{
		"pipe":       {"", func(path string) error { return syscall.Mkfifo(path, 0o600) }, "is a pipe, not a file"},
		"device":     {"", func(path string) error { return os.Symlink("/dev/zero", path) }, "is a device, not a file"},
		"directory":  {"", func(path string) error { return os.Mkdir(path, 0o700) }, "is a directory, not a file"},
		"wal":        {"-wal", func(path string) error { return syscall.Mkfifo(path, 0o600) }, ".sqlite-wal is a pipe, not a file"},
		"shm":        {"-shm", func(path string) error { return os.Symlink("/dev/zero", path) }, ".sqlite-shm is a device, not a file"},
		"rolls_back": {"-journal", func(path string) error { return os.Symlink("/dev/zero", path) }, ".sqlite-journal is a device, not a file"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := workspace(t, sample())
			first := d1rewind(nil, "migrate", "--format", "json")
			first.want(t, 0)
			files, err := filepath.Glob(filepath.Join(dir, ".wrangler/state/v3/d1/*/*.sqlite"))
			if err != nil || len(files) != 1 {
				t.Fatal(files, err)
			}
			_ = os.Remove(files[0] + tc.suffix)
			if err := tc.make(files[0] + tc.suffix); err != nil {
				t.Fatal(err)
			}
			bookmark, _ := first.json(t)["bookmark"].(string)
			for _, args := range [][]string{{"status"}, {"migrate"}, {"info"}, {"restore", "--bookmark", bookmark}, {"reset", "--yes"},
				{"backup", "--output", "b.sql"}, {"baseline"}} {
				r := d1rewind(nil, args...)
				r.want(t, 1, tc.want, "nothing was written", "move it away", "--persist-to")
			}
			d1rewind(nil, "doctor").want(t, 1, tc.want)
		})
	}
}
