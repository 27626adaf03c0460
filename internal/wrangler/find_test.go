package wrangler_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/d1-rewind/d1-rewind/internal/wrangler"
)

// tree makes files, and directories whose names end in a slash, in a new directory.
func tree(t *testing.T, names ...string) string {
	t.Helper()
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		full := filepath.Join(root, filepath.FromSlash(name))
		if strings.HasSuffix(name, "/") {
			err = os.MkdirAll(full, 0o700)
		} else {
			err = errors.Join(os.MkdirAll(filepath.Dir(full), 0o700), os.WriteFile(full, nil, 0o600))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestFind(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name  string
		files []string
		last  string
		want  wrangler.Found // below the root of the test
	}{
		{name: "none", files: []string{"a/b/package.json"}},
		{name: "json_first", files: []string{"a/b/wrangler.toml", "a/b/wrangler.jsonc", "a/b/wrangler.json"}, want: wrangler.Found{Path: "a/b/wrangler.json"}},
		{name: "jsonc_before_toml", files: []string{"a/b/wrangler.toml", "a/b/wrangler.jsonc"}, want: wrangler.Found{Path: "a/b/wrangler.jsonc"}},
		{name: "toml", files: []string{"a/b/wrangler.toml"}, want: wrangler.Found{Path: "a/b/wrangler.toml"}},
		{name: "directory_is_no_configuration", files: []string{"a/b/wrangler.json/", "a/b/wrangler.toml"}, want: wrangler.Found{Path: "a/b/wrangler.toml"}},
		{name: "above", files: []string{"wrangler.toml", "a/b/"}, want: wrangler.Found{Path: "wrangler.toml"}},
		{name: "nearest_of_a_name", files: []string{"wrangler.toml", "a/wrangler.toml", "a/b/"}, want: wrangler.Found{Path: "a/wrangler.toml"}},
		{name: "here_and_above", files: []string{"wrangler.json", "a/b/wrangler.json"}, want: wrangler.Found{Path: "a/b/wrangler.json"}},
		{name: "name_before_nearness", files: []string{"wrangler.json", "a/wrangler.jsonc", "a/b/wrangler.toml"},
			want: wrangler.Found{Path: "wrangler.json", Nearer: "a/b/wrangler.toml"}},
		{name: "nearest_of_two_passed_over", files: []string{"wrangler.json", "a/wrangler.toml", "a/b/wrangler.jsonc"},
			want: wrangler.Found{Path: "wrangler.json", Nearer: "a/b/wrangler.jsonc"}},
		{name: "near_and_first", files: []string{"wrangler.toml", "a/b/wrangler.json"}, want: wrangler.Found{Path: "a/b/wrangler.json"}},
		{name: "not_above_the_last", files: []string{"wrangler.json", "a/b/"}, last: "a"},
		{name: "the_last_itself", files: []string{"wrangler.json", "a/wrangler.toml", "a/b/"}, last: "a", want: wrangler.Found{Path: "a/wrangler.toml"}},
		{name: "not_below_the_last", files: []string{"wrangler.json", "a/b/", "c/"}, last: "c", want: wrangler.Found{Path: "wrangler.json"}},
		{name: "cloudflare.config.ts", files: []string{"cloudflare.config.ts", "a/b/"}, want: wrangler.Found{Other: "cloudflare.config.ts"}},
		{name: "redirected", files: []string{"a/.wrangler/deploy/config.json", "a/b/"}, want: wrangler.Found{Other: "a/.wrangler/deploy/config.json"}},
		{name: "beside_is_nothing_special", files: []string{"a/.wrangler/deploy/config.json", "a/cloudflare.config.ts", "a/wrangler.toml",
			"a/b/"}, want: wrangler.Found{Path: "a/wrangler.toml"}},
		{name: "nearer_cloudflare.config.ts", files: []string{"wrangler.toml", "a/b/cloudflare.config.ts"},
			want: wrangler.Found{Path: "wrangler.toml", Other: "a/b/cloudflare.config.ts"}},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			root := tree(t, tc.files...)
			got, err := wrangler.Find(filepath.Join(root, "a", "b"), filepath.Join(root, tc.last))
			if err != nil {
				t.Fatal(err)
			}
			for _, path := range []*string{&got.Path, &got.Nearer, &got.Other} {
				*path = filepath.ToSlash(strings.TrimPrefix(*path, root+string(filepath.Separator)))
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("Find() (-want +got):\n%s", diff)
			}
		})
	}
}

// wrangler starts from the working directory as the system knows it.
func TestFindFollowsTheLinkToTheDirectory(t *testing.T) {
	t.Parallel()
	root := tree(t, "project/wrangler.toml", "project/src/", "elsewhere/wrangler.toml")
	link := filepath.Join(root, "elsewhere", "link")
	if err := os.Symlink(filepath.Join(root, "project", "src"), link); err != nil {
		t.Skip(err)
	}
	if got, err := wrangler.Find(link, ""); err != nil || got.Path != filepath.Join(root, "project", "wrangler.toml") {
		t.Errorf("Find() = %+v, %v", got, err)
	}
}

func TestFindErrors(t *testing.T) {
	t.Parallel()
	root := tree(t, "a/")
	_, err := wrangler.Find(filepath.Join(root, "nowhere"), root)
	checkError(t, err, "nowhere: can't be read: no such file or directory")
}

// What is no file of a reasonable size is not read.
func TestLoadLimits(t *testing.T) {
	t.Parallel()
	const secret = "top-secret"
	deep := strings.Repeat("[", 1<<19)
	cases := []struct{ name, file, text, want string }{
		{"too_large", "wrangler.json", `{"x": "` + strings.Repeat(secret, 1<<17) + `"}`, "wrangler.json: can't be read: it is larger than 1 MiB"},
		{"arrays", "wrangler.json", `{"x":` + "\n" + deep, "wrangler.json:2: is nested more than 500 levels deep"},
		{"objects", "wrangler.jsonc", strings.Repeat(`{"x":`, 1<<17), "wrangler.jsonc:1: is nested more than 500 levels deep"},
		{"toml_arrays", "wrangler.toml", "x = " + deep, "wrangler.toml:1: is nested more than 500 levels deep"},
		{"toml_tables", "wrangler.toml", "x = " + strings.Repeat("{x=", 1<<18), "wrangler.toml:1: is nested more than 500 levels deep"},
		{"after_a_string", "wrangler.json", `{"a": "\"", "b": ` + deep, "wrangler.json:1: is nested more than 500 levels deep"},
		{"after_comments", "wrangler.jsonc", "// \"\n/* \" */" + deep, "wrangler.jsonc:2: is nested more than 500 levels deep"},
		{"toml_after_strings", "wrangler.toml", "# '\na = '''\n\"'''\nb = \"\"\"'\\\"\"\"\"\nc = '\"'\nd = " + deep,
			"wrangler.toml:6: is nested more than 500 levels deep"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			_, err := wrangler.Load(write(t, tc.file, tc.text))
			checkError(t, err, tc.want)
			if err != nil && strings.Contains(err.Error(), secret) {
				t.Errorf("the error quotes the file: %v", err)
			}
		})
	}
}

func TestBracketsThatDoNotNest(t *testing.T) {
	t.Parallel()
	many := strings.Repeat("[", 1000)
	for name, text := range map[string]string{
		"wrangler.json":  `{"a": "` + many + `" /* ` + many + " */, // " + many + "\n" + `"b": [` + strings.Repeat("[],", 1000) + "]}",
		"wrangler.jsonc": `{"a": ` + strings.Repeat("[", 400) + strings.Repeat("]", 400) + "}",
		"wrangler.toml":  "a = '" + many + "' # " + many + "\nb = '''" + many + "'''\n" + `c = """` + many + `"""`,
	} {
		if _, err := wrangler.Load(write(t, name, text)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A key of many names nests, too, without brackets. What it is in is read all the same.
func TestLongKeys(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a.", 1<<18)
	const database = "[[d1_databases]]\nbinding = 'DB'\n"
	want := []wrangler.Database{{Binding: "DB"}}
	for _, text := range []string{long + "a = 1\n" + database, database + "[" + long + "a]", "x = {" + long + "a = 1}\n" + database} {
		config, err := wrangler.Load(write(t, "wrangler.toml", text))
		if err != nil {
			t.Errorf("%.10s…: %.200v", text, err)
			continue
		}
		if diff := cmp.Diff(want, config.Databases); diff != "" {
			t.Errorf("%.10s…: databases (-want +got):\n%s", text, diff)
		}
	}
	_, err := wrangler.Load(write(t, "wrangler.toml", "d1_databases."+long+"a = 1"))
	checkError(t, err, "wrangler.toml: d1_databases is an object, want an array")
}
