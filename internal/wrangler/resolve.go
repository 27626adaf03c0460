package wrangler

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Selection says which database of which environment is meant.
type Selection struct {
	Environment string
	Database    string // binding, name or id; "" for the only one
	DatabaseID  string // picks the database with this id, or takes the place of the configured id
}

// Target is one database in one environment.
type Target struct {
	Section   string // the configuration's env section, "" for the top level
	Local     bool
	Database  Database
	Worker    string // name of the deployed Worker, "" if the configuration has none
	AccountID string // the environment's own, else the top level's
	Mismatch  string // what disagrees between the name and the id that were given; the id wins
}

// Resolve finds the database that s means in c, or without a configuration if c is nil.
// Errors are *ConfigErrors, and list what exists where s names something that does not.
//
// "local" and "local:NAME" are the local state of the top-level database and of that of
// env.NAME; "production" is the top-level remote database unless there is env.production;
// any other name is the remote database of that environment. As in wrangler, a named
// environment does not inherit d1_databases (notInheritable), inherits account_id
// (inheritable), and its Worker is "<name>-<environment>" unless it has a name of its own
// (appendEnvName); see https://developers.cloudflare.com/workers/wrangler/environments/.
//
// Without a configuration "local" is the database that a binding DB would have, or the one
// of s.Database, and "production" needs s.DatabaseID.
func Resolve(c *Config, s Selection) (Target, error) {
	env, local, err := c.find(s.Environment)
	if err != nil {
		return Target{}, err
	}
	t := Target{Local: local}
	if c == nil {
		if !local && s.DatabaseID == "" && id.MatchString(s.Database) {
			s.Database, s.DatabaseID = "", s.Database
		}
		if !local && s.DatabaseID == "" {
			return Target{}, &ConfigError{
				Problem: fmt.Sprintf("the environment %q needs a database id, and there is no wrangler configuration", s.Environment),
				Hint:    "pass --database-id, or add a wrangler configuration with d1_databases",
			}
		}
		t.Database = Database{Binding: s.Database, ID: s.DatabaseID}
		if t.Database.Binding == "" {
			t.Database.Binding = "DB"
		}
		return t, nil
	}
	t.Section = env
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
	if t.Database, t.Mismatch, err = c.pick(env, local, s); err != nil {
		return Target{}, err
	}
	if !local && t.Database.ID == "" && t.Database.Name == "" {
		return Target{}, c.fail("add database_id or database_name, or pass --database-id",
			"the binding %q of environment %q has neither database_id nor database_name", t.Database.Binding, s.Environment)
	}
	return t, nil
}

// id is the form of a database's id.
var id = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// find returns the section that an environment's name means, "" for the top level.
func (c *Config) find(name string) (env string, local bool, err error) {
	if rest, ok := strings.CutPrefix(name, "local:"); ok {
		if c.has(rest) {
			return rest, true, nil
		}
	} else {
		switch {
		case name == "local":
			return "", true, nil
		case c.has(name):
			return name, false, nil
		case name == "production":
			return "", false, nil
		}
	}
	e := &ConfigError{
		Problem: fmt.Sprintf("unknown environment %q; there are: %s", name, strings.Join(c.names(), ", ")),
		Hint:    "pass one of them, or add it to env in the configuration",
	}
	if c == nil {
		e.Problem += " (no wrangler configuration)"
		e.Hint = "pass one of them, or add a wrangler configuration that has it in env"
	} else {
		e.Path = c.Path
	}
	return "", false, e
}

func (c *Config) has(env string) bool {
	if c == nil || env == "" {
		return false
	}
	_, ok := c.Env[env]
	return ok
}

// environment returns a section; "" is the top level.
func (c *Config) environment(env string) Environment {
	if env == "" {
		return c.Environment
	}
	return c.Env[env]
}

// names returns the names that find knows.
func (c *Config) names() []string {
	names := []string{"local", "production"}
	if c != nil {
		for env := range c.Env {
			if env == "" {
				continue
			}
			names = append(names, plain("local:"+env))
			if env != "local" && env != "production" && !strings.HasPrefix(env, "local:") {
				names = append(names, plain(env))
			}
		}
	}
	slices.Sort(names)
	return names
}

// pick chooses one of a section's databases.
func (c *Config) pick(env string, local bool, s Selection) (db Database, mismatch string, err error) {
	databases := c.environment(env).Databases
	if len(databases) == 0 {
		return db, "", c.noDatabases(env, databases != nil)
	}
	named := func(d Database) bool {
		// A preview_database_id means the remote database of that id, which is not d.
		return s.Database == d.Binding || s.Database == d.Name || s.Database == d.ID || local && s.Database == d.PreviewID
	}
	if s.DatabaseID != "" {
		if i := byID(databases, s, named); i >= 0 {
			db = databases[i]
			if s.Database != "" && !named(db) {
				mismatch = fmt.Sprintf("the id %q belongs to %s, not to %q; the id wins", s.DatabaseID, show(db), s.Database)
			}
			if !local && db.ID != s.DatabaseID {
				// The remote database of this id is meant, not the one beside it.
				if mismatch == "" {
					mismatch = fmt.Sprintf("the id %q is the preview_database_id of %s; the id wins", s.DatabaseID, show(db))
				}
				db.ID = s.DatabaseID
			}
			return db, mismatch, nil
		}
	}
	switch {
	case s.Database != "":
		i := slices.IndexFunc(databases, named)
		if i < 0 {
			return db, "", c.fail("pass --database with a binding, a name or an id from there",
				"no database %q in environment %q; there are: %s", s.Database, s.Environment, showAll(databases))
		}
		db = databases[i]
	case len(databases) == 1:
		db = databases[0]
	case s.DatabaseID != "":
		return db, "", c.fail("pass --database to say which of them has this id",
			"no database with the id %q in environment %q; there are: %s", s.DatabaseID, s.Environment, showAll(databases))
	default:
		return db, "", c.fail("choose one with --database: its binding, name or id",
			"%d databases in environment %q: %s", len(databases), s.Environment, showAll(databases))
	}
	if s.DatabaseID != "" {
		if db.ID != "" {
			mismatch = fmt.Sprintf("%s is configured with another id than %q; the id %q wins", show(db), s.DatabaseID, s.DatabaseID)
		}
		// Without preview_database_id, or it would stay the one of the local state.
		db.ID, db.PreviewID = s.DatabaseID, ""
	}
	return db, mismatch, nil
}

// byID returns the index of the database with the id s.DatabaseID, -1 if there is none.
// Several bindings may share an id: the one that is also named wins, and then database_id
// goes before preview_database_id.
func byID(databases []Database, s Selection, named func(Database) bool) int {
	id := func(d Database) bool { return d.ID == s.DatabaseID }
	previewID := func(d Database) bool { return d.PreviewID == s.DatabaseID }
	for _, match := range []func(Database) bool{
		func(d Database) bool { return s.Database != "" && named(d) && id(d) },
		func(d Database) bool { return s.Database != "" && named(d) && previewID(d) },
		id,
		previewID,
	} {
		if i := slices.IndexFunc(databases, match); i >= 0 {
			return i
		}
	}
	return -1
}

func (c *Config) noDatabases(env string, empty bool) error {
	where, table := "the top level", "d1_databases"
	if env != "" {
		where, table = "env."+plain(env), "env."+plain(env)+".d1_databases"
	}
	entry := `"d1_databases": [{ "binding": "DB", "database_name": "app", "database_id": "…" }]`
	if filepath.Ext(c.Path) == ".toml" {
		entry = `[[` + table + `]] with binding = "DB", database_name = "app" and database_id = "…"`
	}
	hint := fmt.Sprintf("add to %s for example: %s", where, entry)
	switch {
	case empty:
		return c.fail(hint, "%s is empty", table)
	case env != "" && len(c.Databases) > 0:
		return c.fail(hint, "%s has no d1_databases, and environments do not inherit those of the top level", where)
	default:
		return c.fail(hint, "%s has no d1_databases", where)
	}
}

func (c *Config) fail(hint, format string, args ...any) error {
	return &ConfigError{Path: c.Path, Problem: fmt.Sprintf(format, args...), Hint: hint}
}

// show names a database by all that can pick it.
func show(d Database) string {
	text := fmt.Sprintf("%q", d.Binding)
	var more []string
	if d.Name != "" {
		more = append(more, fmt.Sprintf("name %q", d.Name))
	}
	if d.ID != "" {
		more = append(more, fmt.Sprintf("id %q", d.ID))
	}
	if len(more) > 0 {
		text += " (" + strings.Join(more, ", ") + ")"
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
