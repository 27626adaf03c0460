// Package wrangler reads wrangler's configuration and knows where wrangler keeps local
// state.
package wrangler

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/tailscale/hujson"
)

// Wrangler's defaults (DEFAULT_MIGRATION_PATH and DEFAULT_MIGRATION_TABLE in
// packages/wrangler/src/d1/constants.ts).
const (
	DefaultMigrationsDir   = "migrations"
	DefaultMigrationsTable = "d1_migrations"
)

// Config is one wrangler configuration file, as far as D1 needs it.
type Config struct {
	Path string // as it was given to Load
	Environment
	Env map[string]Environment
}

// Environment is the top level of a configuration, or one of its named environments.
type Environment struct {
	Name      string     `json:"name"` // of the Worker
	AccountID string     `json:"account_id"`
	Databases []Database `json:"d1_databases"`
}

// Database is one entry of d1_databases.
type Database struct {
	Binding           string `json:"binding"`
	Name              string `json:"database_name"`
	ID                string `json:"database_id"`
	PreviewID         string `json:"preview_database_id"`
	MigrationsDir     string `json:"migrations_dir"`
	MigrationsTable   string `json:"migrations_table"`
	MigrationsPattern string `json:"migrations_pattern"`
}

// ConfigError is a fault in the configuration, or a choice that it does not have.
type ConfigError struct {
	Path    string // "" without a configuration
	Line    int    // 1-based, 0 if unknown
	Problem string
	Hint    string // what to do, one sentence; may be ""
}

func (e *ConfigError) Error() string {
	switch {
	case e.Path != "" && e.Line > 0:
		return fmt.Sprintf("%s:%d: %s", filepath.Base(e.Path), e.Line, e.Problem)
	case e.Path != "":
		return fmt.Sprintf("%s: %s", filepath.Base(e.Path), e.Problem)
	default:
		return e.Problem
	}
}

// Find returns the configuration file in dir in wrangler's order of preference, "" if
// there is none.
func Find(dir string) (string, error) {
	for _, name := range []string{"wrangler.json", "wrangler.jsonc", "wrangler.toml"} {
		file := filepath.Join(dir, name)
		switch _, err := os.Stat(file); {
		case err == nil:
			return file, nil
		case !errors.Is(err, fs.ErrNotExist):
			return "", &ConfigError{Path: file, Problem: err.Error(), Hint: "check that the directory can be read"}
		}
	}
	return "", nil
}

// Load reads a configuration: TOML by its ending, else JSON with comments and trailing
// commas. Errors are *ConfigErrors, with the line of a syntax error.
func Load(file string) (*Config, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, &ConfigError{Path: file, Problem: "can't be read: " + errors.Unwrap(err).Error(), Hint: "check --config"}
	}
	if filepath.Ext(file) == ".toml" {
		data, err = fromTOML(data)
	} else {
		data, err = hujson.Standardize(data)
	}
	if err != nil {
		return nil, syntax(file, err)
	}
	var raw struct {
		Environment
		Env map[string]Environment `json:"env"`
	}
	if err := json.Unmarshal(data, &raw); err != nil {
		problem := err.Error()
		if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			problem = fmt.Sprintf("%s is a %s, which wrangler does not take there", wrong.Field, wrong.Value)
		}
		return nil, &ConfigError{Path: file, Problem: problem, Hint: "see https://developers.cloudflare.com/workers/wrangler/configuration/#d1-databases"}
	}
	config := &Config{Path: file, Environment: raw.Environment, Env: raw.Env}
	for _, name := range append([]string{""}, slices.Sorted(maps.Keys(config.Env))...) {
		for i, db := range config.environment(name).Databases {
			if db.Binding == "" {
				return nil, &ConfigError{Path: file, Problem: fmt.Sprintf("%sd1_databases[%d] has no binding", section(name), i), Hint: `add one, for example "binding": "DB"`}
			}
		}
	}
	return config, nil
}

func fromTOML(data []byte) ([]byte, error) {
	var document map[string]any
	if err := toml.Unmarshal(data, &document); err != nil {
		return nil, err
	}
	return json.Marshal(document)
}

func syntax(file string, err error) *ConfigError {
	e := &ConfigError{Path: file, Problem: err.Error(), Hint: "mend the syntax"}
	if decode, ok := errors.AsType[*toml.DecodeError](err); ok {
		e.Line, _ = decode.Position()
		return e
	}
	// hujson says "hujson: line 3, column 5: …" and has no typed error.
	if _, scanErr := fmt.Sscanf(e.Problem, "hujson: line %d,", &e.Line); scanErr == nil {
		_, e.Problem, _ = strings.Cut(e.Problem, ": ")
		if _, rest, ok := strings.Cut(e.Problem, ": "); ok {
			e.Problem = rest
		}
	}
	return e
}

func (c *Config) environment(name string) Environment {
	if name == "" {
		return c.Environment
	}
	return c.Env[name]
}

func section(env string) string {
	if env == "" {
		return ""
	}
	return "env." + env + "."
}

// Identifier returns the name under which wrangler keeps the database's local state: never
// database_name (getIdFromDatabase in packages/wrangler/src/d1/utils.ts).
func (d Database) Identifier() string {
	switch {
	case d.PreviewID != "":
		return d.PreviewID
	case d.ID != "":
		return d.ID
	default:
		return d.Binding
	}
}

// Migrations returns the migrations directory, relative to the configuration, and the
// pattern of its files, relative to that directory. The rules and the errors are
// wrangler's (resolveMigrationsConfig in packages/wrangler/src/d1/migrations/helpers.ts).
func (d Database) Migrations() (dir, pattern string, err error) {
	if d.MigrationsPattern != "" && d.MigrationsDir == "" {
		return "", "", &ConfigError{Problem: fmt.Sprintf("migrations_pattern %q is set without migrations_dir", d.MigrationsPattern), Hint: `add "migrations_dir"; the pattern has to begin with it`}
	}
	dir = clean(d.MigrationsDir)
	if d.MigrationsDir == "" {
		dir = DefaultMigrationsDir
	}
	if d.MigrationsPattern == "" {
		return dir, "*.sql", nil
	}
	pattern = clean(d.MigrationsPattern)
	if dir == "." {
		return dir, pattern, nil
	}
	rest, ok := strings.CutPrefix(pattern, dir+"/")
	if !ok {
		return "", "", &ConfigError{Problem: fmt.Sprintf("migrations_pattern %q does not begin with the migrations_dir %q", d.MigrationsPattern, dir), Hint: fmt.Sprintf("write for example %q", dir+"/*.sql")}
	}
	return dir, rest, nil
}

func clean(p string) string { return path.Clean(strings.ReplaceAll(p, `\`, "/")) }
