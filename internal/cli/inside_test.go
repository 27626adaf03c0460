package cli

import (
	"os"
	"path/filepath"
	"testing"
)

func TestRealPath(t *testing.T) {
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(root)
	for _, dir := range []string{"a/b", "elsewhere/deep"} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for link, to := range map[string]string{"a/link": "../elsewhere/deep", "a/absolute": filepath.Join(root, "elsewhere"), "dangling": "elsewhere/none", "circle": "circle"} {
		if err := os.Symlink(to, link); err != nil {
			t.Fatal(err)
		}
	}
	for path, want := range map[string]string{
		"a/b":                  "a/b",
		"./a/../a/./b":         "a/b",
		"a/link":               "elsewhere/deep",
		"a/link/..":            "elsewhere",
		"a/link/../x/y":        "elsewhere/x/y",
		"a/absolute/../a/link": "elsewhere/deep",
		"a/absolute/deep/..":   "elsewhere",
		"dangling":             "elsewhere/none",
		"new/file":             "new/file",
		"new/../file":          "",
		"circle":               "",
	} {
		got, err := realPath(path)
		if want == "" {
			if err == nil {
				t.Errorf("realPath(%q) = %q, want an error", path, got)
			}
			continue
		}
		if err != nil || got != filepath.Join(root, want) {
			t.Errorf("realPath(%q) = %q, %v, want %q", path, got, err, want)
		}
		if absolute, err := realPath(filepath.Join(root, "a") + "/../" + path); err != nil || absolute != got {
			t.Errorf("by an absolute path: %q, %v", absolute, err)
		}
	}
	if got := directoryOf("a/link/../wrangler.json"); got != filepath.Join(root, "elsewhere") {
		t.Errorf("directoryOf = %q", got)
	}
	if got := directoryOf("a/../wrangler.json"); got != "." {
		t.Errorf("directoryOf = %q", got)
	}
}
