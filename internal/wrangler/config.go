// Package wrangler reads wrangler's configuration and knows where wrangler keeps local
// state.
//
// What it says about wrangler was read in wrangler 4.164.0; functions in brackets are
// wrangler's own.
package wrangler

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"unicode"

	"github.com/pelletier/go-toml/v2"
	"github.com/tailscale/hujson"
)

// Wrangler's defaults (DEFAULT_MIGRATION_PATH, there "./migrations", and
// DEFAULT_MIGRATION_TABLE in src/d1/constants.ts).
const (
	DefaultMigrationsDir   = "migrations"
	DefaultMigrationsTable = "d1_migrations"
)

// Config is one wrangler configuration file, as far as D1 needs it.
type Config struct {
	Path        string // as it was given to Load
	Environment        // the top level
	Env         map[string]Environment
}

// Environment is the top level of a configuration, or one of its named environments.
type Environment struct {
	Name      string // of the Worker; "" if there is none
	AccountID string
	Databases []Database // d1_databases; nil if the key is missing
	Previews  []Database // previews.d1_databases, which wrangler's d1 commands do not read
}

// Database is one entry of d1_databases, with "" for the keys that it does not have
// (validateD1Binding: only binding is required).
type Database struct {
	Binding           string // binding
	Name              string // database_name
	ID                string // database_id
	PreviewID         string // preview_database_id
	EmptyID           bool   // database_id is there and empty, which names a local database, as in many templates
	EmptyPreviewID    bool   // so is preview_database_id
	MigrationsDir     string // migrations_dir
	MigrationsTable   string // migrations_table
	MigrationsPattern string // migrations_pattern
	Provisioned       bool   // it has neither id nor name, and Name is the one that "wrangler deploy" gives it
}

// ConfigError is a fault in the configuration, or a choice that it does not have.
type ConfigError struct {
	Path    string // "" without a configuration
	Line    int    // 1-based, 0 if unknown
	Problem string
	Hint    string // what to do next, one sentence; may be ""
	// Instead are the selections of the database that an unknown environment has the name of,
	// local ones first; nil if it is no database's.
	Instead []Selection
}

// Error returns the problem after the file and, if known, the line.
func (e *ConfigError) Error() string {
	switch {
	case e.Path != "" && e.Line > 0:
		return fmt.Sprintf("%s:%d: %s", filepath.ToSlash(e.Path), e.Line, e.Problem)
	case e.Path != "":
		return fmt.Sprintf("%s: %s", filepath.ToSlash(e.Path), e.Problem)
	default:
		return e.Problem
	}
}

// Load reads a configuration: TOML if the name ends in .toml, otherwise JSON with comments
// and trailing commas, which wrangler takes in .json too (parseRawConfigFile, parseJSONC).
// Keys that D1 does not need are ignored. Errors are *ConfigErrors; those about syntax, and
// in JSON those about wrong types, have the line. Files larger than 1 MiB and brackets that
// nest deeper than 500 levels are errors.
func Load(file string) (*Config, error) {
	data, err := readFile(file)
	if err != nil {
		return nil, &ConfigError{Path: file, Problem: "can't be read: " + cause(err), Hint: "check --config"}
	}
	// As wrangler does (removeBOMAndValidate).
	if bytes.HasPrefix(data, []byte("\xff\xfe")) || bytes.HasPrefix(data, []byte("\xfe\xff")) {
		return nil, &ConfigError{Path: file, Line: 1, Problem: "is encoded as UTF-16", Hint: "save the file as UTF-8"}
	}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))

	isTOML := filepath.Ext(file) == ".toml"
	if line := tooDeep(data, isTOML); line > 0 {
		return nil, &ConfigError{Path: file, Line: line, Problem: fmt.Sprintf("is nested more than %d levels deep", maxDepth),
			Hint: "check --config: this is no configuration of wrangler"}
	}
	d := decoder{path: file, line: func([]string) int { return 0 }}
	var root any
	if isTOML {
		table := map[string]any{}
		err = toml.Unmarshal(data, &table)
		root = table
	} else {
		root, err = d.parseJSON(data)
	}
	if err != nil {
		return nil, syntaxError(file, err)
	}
	return d.config(root)
}

// cause drops the path from an error of the file system: ConfigError shows it already.
func cause(err error) string {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		err = e.Err
	}
	return err.Error()
}

func syntaxError(file string, err error) *ConfigError {
	e := &ConfigError{Path: file, Hint: "correct the syntax of the file"}
	problem := err.Error()
	if decode, ok := errors.AsType[*toml.DecodeError](err); ok {
		e.Line, _ = decode.Position()
		problem = strings.TrimPrefix(problem, "toml: ")
	} else if _, scanErr := fmt.Sscanf(problem, "hujson: line %d,", &e.Line); scanErr == nil {
		// hujson has no typed error: "hujson: line 3, column 5: …".
		_, problem, _ = strings.Cut(strings.TrimPrefix(problem, "hujson: "), ": ")
	}
	// Both parsers may quote the file.
	e.Problem = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, problem)
	return e
}

// decoder turns a document into a Config. It does this by hand, not with struct tags,
// because wrangler's keys are case-sensitive and an error has to name its key.
type decoder struct {
	path string
	line func(key []string) int // where key stands, 0 if unknown
}

func (d *decoder) parseJSON(data []byte) (root any, err error) {
	tree, err := hujson.Parse(data)
	if err != nil {
		return nil, err
	}
	d.line = func(key []string) int {
		escape := strings.NewReplacer("~", "~0", "/", "~1")
		pointer := ""
		for _, k := range key {
			pointer += "/" + escape.Replace(k)
		}
		v := tree.Find(pointer)
		if v == nil || v.StartOffset > len(data) {
			return 0
		}
		return 1 + bytes.Count(data[:v.StartOffset], []byte("\n"))
	}
	plain := tree.Clone()
	plain.Standardize()
	return root, json.Unmarshal(plain.Pack(), &root)
}

func (d *decoder) config(root any) (*Config, error) {
	object, ok := root.(map[string]any)
	if !ok {
		return nil, d.wrongType(nil, root, "an object")
	}
	top, err := d.environment(nil, object)
	if err != nil {
		return nil, err
	}
	c := &Config{Path: d.path, Environment: top}
	if object["env"] == nil {
		return c, nil
	}
	envs, ok := object["env"].(map[string]any)
	if !ok {
		return nil, d.wrongType([]string{"env"}, object["env"], "an object")
	}
	c.Env = make(map[string]Environment, len(envs))
	for _, name := range slices.Sorted(maps.Keys(envs)) {
		key := []string{"env", name}
		object, ok := envs[name].(map[string]any)
		if !ok {
			return nil, d.wrongType(key, envs[name], "an object")
		}
		if c.Env[name], err = d.environment(key, object); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func (d *decoder) environment(key []string, object map[string]any) (e Environment, err error) {
	if e.Name, err = d.text(key, object, "name"); err != nil {
		return e, err
	}
	if e.AccountID, err = d.text(key, object, "account_id"); err != nil {
		return e, err
	}
	if previews, ok := object["previews"].(map[string]any); ok {
		e.Previews, _ = d.databases(at(key, "previews"), previews) // it only makes messages better
	}
	e.Databases, err = d.databases(key, object)
	return e, err
}

// databases returns the entries of d1_databases, nil if object has no such key.
func (d *decoder) databases(key []string, object map[string]any) ([]Database, error) {
	value, ok := object["d1_databases"]
	if !ok {
		return nil, nil
	}
	key = at(key, "d1_databases")
	entries, ok := value.([]any)
	if !ok {
		return nil, d.wrongType(key, value, "an array")
	}
	databases := make([]Database, 0, len(entries))
	for i, entry := range entries {
		db, err := d.database(at(key, fmt.Sprint(i)), entry)
		if err != nil {
			return nil, err
		}
		databases = append(databases, db)
	}
	return databases, nil
}

func (d *decoder) database(key []string, entry any) (db Database, err error) {
	object, ok := entry.(map[string]any)
	if !ok {
		return db, d.wrongType(key, entry, "an object")
	}
	for _, field := range []struct {
		name string
		to   *string
	}{
		{"binding", &db.Binding},
		{"database_name", &db.Name},
		{"database_id", &db.ID},
		{"preview_database_id", &db.PreviewID},
		{"migrations_dir", &db.MigrationsDir},
		{"migrations_table", &db.MigrationsTable},
		{"migrations_pattern", &db.MigrationsPattern},
	} {
		if *field.to, err = d.text(key, object, field.name); err != nil {
			return db, err
		}
	}
	empty := func(name string) bool { return object[name] == "" } // which is not absent (??, not ||, in d1DatabaseEntry)
	db.EmptyID, db.EmptyPreviewID = empty("database_id"), empty("preview_database_id")
	if empty("migrations_dir") {
		db.MigrationsDir = "." // the configuration's own directory
	}
	if db.Binding == "" {
		return db, d.fail(key, fmt.Sprintf("%s has no binding", keyText(key)),
			"add the variable by which the Worker knows the database: "+example(d.path, "binding", "DB"))
	}
	return db, nil
}

// text returns the string under name, "" if there is none.
func (d *decoder) text(key []string, object map[string]any, name string) (string, error) {
	value, ok := object[name]
	if !ok {
		return "", nil
	}
	text, ok := value.(string)
	if !ok {
		return "", d.wrongType(at(key, name), value, "a string")
	}
	return text, nil
}

func (d *decoder) fail(key []string, problem, hint string) error {
	return &ConfigError{Path: d.path, Line: d.line(key), Problem: problem, Hint: hint}
}

// wrongType does not show the value, which may be secret.
func (d *decoder) wrongType(key []string, value any, want string) error {
	return d.fail(key, fmt.Sprintf("%s is %s, want %s", keyText(key), kind(value), want),
		"see https://developers.cloudflare.com/workers/wrangler/configuration/#d1-databases for what wrangler takes there")
}

// at returns a new key, so that siblings do not share memory.
func at(key []string, name string) []string { return append(slices.Clip(key), name) }

// keyText shows a key as people write it: env.staging.d1_databases[0].binding.
func keyText(key []string) string {
	var text strings.Builder
	for i, k := range key {
		switch {
		case i > 0 && key[i-1] == "d1_databases" && k != "" && strings.Trim(k, "0123456789") == "":
			fmt.Fprintf(&text, "[%s]", k)
		case i > 0:
			text.WriteString("." + plain(k))
		default:
			text.WriteString(plain(k))
		}
	}
	if text.Len() == 0 {
		return "the document"
	}
	return text.String()
}

func kind(value any) string {
	switch value.(type) {
	case nil:
		return "null"
	case string:
		return "a string"
	case bool:
		return "a boolean"
	case int64, float64:
		return "a number"
	case []any:
		return "an array"
	case map[string]any:
		return "an object"
	default: // of TOML
		return "a date or time"
	}
}

// plain quotes a name only if it needs it.
func plain(name string) string {
	for _, r := range name {
		if r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("_-.:", r) {
			return fmt.Sprintf("%q", name)
		}
	}
	if name == "" {
		return `""`
	}
	return name
}

// example writes one pair as the file's format does.
func example(file, key, value string) string {
	if filepath.Ext(file) == ".toml" {
		return fmt.Sprintf("%s = %q", key, value)
	}
	return fmt.Sprintf("%q: %q", key, value)
}

// Identifier returns the name under which wrangler keeps the database's local state:
// preview_database_id, else database_id, else the binding, never database_name
// (d1DatabaseEntry).
func (d Database) Identifier() string {
	switch {
	case d.PreviewID != "" || d.EmptyPreviewID:
		return d.PreviewID
	case d.ID != "" || d.EmptyID:
		return d.ID
	default:
		return d.Binding
	}
}

// Migrations returns the migrations directory, absolute or relative to the configuration's,
// and the pattern of its files, relative to the migrations directory; both with forward slashes.
// The pattern is "*.sql" unless configured. As in wrangler (resolveMigrationsConfig,
// normalizeRelativePath) a migrations_pattern needs a migrations_dir and has to begin with
// it: otherwise the error is a *ConfigError, without a path because d does not know it.
func (d Database) Migrations() (dir, pattern string, err error) {
	if d.MigrationsPattern != "" && d.MigrationsDir == "" {
		return "", "", &ConfigError{
			Problem: fmt.Sprintf("migrations_pattern %q of binding %q is set without migrations_dir", d.MigrationsPattern, d.Binding),
			Hint:    "add migrations_dir; migrations_pattern has to begin with it",
		}
	}
	dir = DefaultMigrationsDir
	if d.MigrationsDir != "" {
		dir = normalize(d.MigrationsDir)
	}
	if d.MigrationsPattern == "" {
		return dir, "*.sql", nil
	}
	pattern = normalize(d.MigrationsPattern)
	if dir == "." {
		return dir, pattern, nil
	}
	rest, ok := strings.CutPrefix(pattern, dir+"/")
	if !ok {
		return "", "", &ConfigError{
			Problem: fmt.Sprintf("migrations_pattern %q of binding %q does not begin with its migrations_dir %q", d.MigrationsPattern, d.Binding, dir),
			Hint:    fmt.Sprintf("write for example %q, or change migrations_dir", path.Join(dir, "*.sql")),
		}
	}
	return dir, rest, nil
}

func normalize(p string) string { return path.Clean(strings.ReplaceAll(p, `\`, "/")) }
