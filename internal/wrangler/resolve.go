package wrangler

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
)

// Selection says which database of which environment is meant.
type Selection struct {
	Environment string
	Database    string // binding, name or id; "" for the only one
	DatabaseID  string // takes the place of the configured id
}

// Target is one database in one environment.
type Target struct {
	Environment string
	Local       bool
	Database    Database
	Worker      string // name of the deployed Worker, "" if the configuration has none
	AccountID   string
	Mismatch    string // what disagrees between the name and the id that were given; the id wins
}

// Resolve finds the database that s means. Without a configuration c is nil. Errors are
// *ConfigErrors that list what exists.
//
// The environments are the contract's; as in wrangler, a named environment does not
// inherit d1_databases, and its Worker is "<name>-<environment>" unless it has a name of
// its own (https://developers.cloudflare.com/workers/wrangler/environments/).
func Resolve(c *Config, s Selection) (Target, error) {
	env, local, err := c.find(s.Environment)
	if err != nil {
		return Target{}, err
	}
	t := Target{Environment: s.Environment, Local: local}
	if c == nil {
		t.Database = Database{Binding: s.Database, ID: s.DatabaseID}
		if t.Database.Binding == "" {
			t.Database.Binding = "DB"
		}
		if !local && s.DatabaseID == "" {
			return Target{}, &ConfigError{Problem: fmt.Sprintf("there is no wrangler configuration to look up the environment %q in", s.Environment), Hint: "add one, or pass --database-id"}
		}
		return t, nil
	}
	section := c.environment(env)
	t.AccountID = section.AccountID
	if t.AccountID == "" {
		t.AccountID = c.AccountID
	}
	switch {
	case section.Name != "":
		t.Worker = section.Name
	case c.Name != "":
		t.Worker = c.Name + "-" + env
	}
	if t.Database, t.Mismatch, err = c.pick(env, section.Databases, s); err != nil {
		return Target{}, err
	}
	if !local && t.Database.ID == "" {
		return Target{}, &ConfigError{Path: c.Path, Problem: fmt.Sprintf("the binding %q of environment %q has no database_id", t.Database.Binding, s.Environment), Hint: "add database_id, or pass --database-id"}
	}
	return t, nil
}

// find returns the section of an environment, "" for the top level.
func (c *Config) find(name string) (env string, local bool, err error) {
	if rest, ok := strings.CutPrefix(name, "local:"); ok && c.has(rest) {
		return rest, true, nil
	}
	switch {
	case name == "local":
		return "", true, nil
	case c.has(name):
		return name, false, nil
	case name == "production":
		return "", false, nil
	}
	var path, from string
	if c != nil {
		path, from = c.Path, ""
	} else {
		from = " (there is no wrangler configuration)"
	}
	return "", false, &ConfigError{Path: path, Problem: fmt.Sprintf("unknown environment %q", name), Hint: "there are: " + strings.Join(c.names(), ", ") + from}
}

func (c *Config) has(name string) bool {
	if c == nil {
		return false
	}
	_, ok := c.Env[name]
	return ok
}

func (c *Config) names() []string {
	names := []string{"local", "production"}
	if c == nil {
		return names
	}
	for _, name := range slices.Sorted(maps.Keys(c.Env)) {
		names = append(names, "local:"+name)
		if name != "local" && name != "production" {
			names = append(names, name)
		}
	}
	return names
}

// pick chooses one of an environment's databases.
func (c *Config) pick(env string, databases []Database, s Selection) (db Database, mismatch string, err error) {
	fail := func(hint, format string, args ...any) error {
		return &ConfigError{Path: c.Path, Problem: fmt.Sprintf(format, args...), Hint: hint}
	}
	if len(databases) == 0 {
		hint := `add one: "d1_databases": [{"binding": "DB", "database_name": "app", "database_id": "…"}]`
		if env != "" && len(c.Databases) > 0 {
			hint = fmt.Sprintf("environments do not inherit d1_databases: repeat them in env.%s", env)
		}
		return db, "", fail(hint, "%sd1_databases is missing or empty", section(env))
	}
	byName := func(d Database) bool {
		return s.Database == d.Binding || s.Database == d.Name || s.Database == d.ID && d.ID != "" || s.Database == d.PreviewID && d.PreviewID != ""
	}
	byID := func(d Database) bool { return s.DatabaseID == d.ID || s.DatabaseID == d.PreviewID }
	if s.DatabaseID != "" {
		if i := slices.IndexFunc(databases, byID); i >= 0 {
			db = databases[i]
			if s.Database != "" && !byName(db) {
				mismatch = fmt.Sprintf("the id %q belongs to the database %s, not to %q; the id wins", s.DatabaseID, show(db), s.Database)
			}
			return db, mismatch, nil
		}
	}
	switch {
	case s.Database != "":
		i := slices.IndexFunc(databases, byName)
		if i < 0 {
			return db, "", fail("there are: "+showAll(databases), "there is no database %q in environment %q", s.Database, s.Environment)
		}
		db = databases[i]
	case len(databases) > 1:
		return db, "", fail("choose one with --database: "+showAll(databases), "there are %d databases in environment %q", len(databases), s.Environment)
	default:
		db = databases[0]
	}
	if s.DatabaseID != "" {
		db.ID, db.PreviewID = s.DatabaseID, ""
	}
	return db, "", nil
}

func show(d Database) string {
	text := fmt.Sprintf("%q", d.Binding)
	if d.Name != "" {
		text += fmt.Sprintf(" (%s)", d.Name)
	}
	return text
}

func showAll(databases []Database) string {
	var list []string
	for _, d := range databases {
		list = append(list, show(d))
	}
	return strings.Join(list, ", ")
}

// StateDir returns the directory of the local databases in a state directory such as
// .wrangler/state, or what --persist-to names.
func StateDir(root string) string {
	return filepath.Join(root, "v3", "d1", uniqueKey)
}
