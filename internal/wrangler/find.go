package wrangler

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// configNames are the names of a configuration, in wrangler's order of preference.
var configNames = []string{"wrangler.json", "wrangler.jsonc", "wrangler.toml"}

// IsConfigName reports whether wrangler would take a file of this name for a configuration.
func IsConfigName(base string) bool { return slices.Contains(configNames, strings.ToLower(base)) }

// otherNames are configurations that wrangler has for other commands and does not read for
// those of D1: cloudflare.config.ts needs --experimental-new-config, which no d1 command has,
// and only deploy, dev, preview, triggers and versions follow .wrangler/deploy/config.json
// (useConfigRedirectIfAvailable).
var otherNames = []string{"cloudflare.config.ts", filepath.Join(".wrangler", "deploy", "config.json")}

// Found is what Find found. A file in the directory itself is named as the directory was, one
// above it by its absolute path without symbolic links.
type Found struct {
	Path   string // the configuration; "" if there is none
	Nearer string // a configuration nearer to the directory, which wrangler passes over for Path; "" if there is none
	Other  string // a file that wrangler reads only for other commands, where no configuration is as near; "" if there is none
}

// Find looks for the configuration of dir as wrangler does (findWranglerConfig; empathic's
// file, there called find-up before): it walks up to the root looking for wrangler.json, then
// once more for wrangler.jsonc, then for wrangler.toml. So a wrangler.json far above goes
// before a wrangler.toml in dir. The walk ends with the directory last, if dir lies in it.
//
// A dir that can't be searched is a *ConfigError; wrangler goes on silently, and so does Find
// in the directories above.
func Find(dir, last string) (Found, error) {
	dirs, err := upwards(dir, last)
	if err != nil {
		return Found{}, &ConfigError{Path: dir, Problem: "can't be read: " + cause(err), Hint: "check that the directory exists and can be read"}
	}
	paths := map[string]int{} // the nearest of each name, by how far above dir it is
	var found Found
	for i, at := range dirs {
		for _, name := range configNames {
			file := filepath.Join(at, name)
			info, err := os.Stat(file)
			switch {
			case err == nil && !info.IsDir():
				if _, seen := paths[name]; !seen {
					paths[name] = i
				}
			case err != nil && !errors.Is(err, fs.ErrNotExist) && i == 0:
				return Found{}, &ConfigError{Path: file, Problem: "can't be read: " + cause(err), Hint: "check that the directory can be read"}
			}
		}
		if len(paths) == 0 && found.Other == "" {
			found.Other = firstFile(at, otherNames)
		}
	}
	for _, name := range configNames {
		i, ok := paths[name]
		switch {
		case !ok:
		case found.Path == "":
			found.Path = filepath.Join(dirs[i], name)
			paths[found.Path] = i
		case i < paths[found.Path] && (found.Nearer == "" || i < paths[found.Nearer]):
			found.Nearer = filepath.Join(dirs[i], name)
			paths[found.Nearer] = i
		}
	}
	return found, nil
}

// upwards returns dir, as it is named, and all directories above it as far as last, without
// symbolic links: process.cwd(), from which wrangler starts, has none.
func upwards(dir, last string) ([]string, error) {
	at, err := physical(dir)
	if err != nil {
		return nil, err
	}
	if last != "" {
		if last, err = physical(last); err != nil {
			return nil, err
		}
	}
	dirs := []string{dir}
	for at != last && at != filepath.Dir(at) {
		at = filepath.Dir(at)
		dirs = append(dirs, at)
	}
	return dirs, nil
}

func physical(dir string) (string, error) {
	full, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(full)
}

func firstFile(dir string, names []string) string {
	for _, name := range names {
		if info, err := os.Stat(filepath.Join(dir, name)); err == nil && !info.IsDir() {
			return filepath.Join(dir, name)
		}
	}
	return ""
}
