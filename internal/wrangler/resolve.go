package wrangler

import (
	"cmp"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
)

// TopLevel is the name of the top-level remote database, whatever the environments are called.
const TopLevel = "top-level"

// Selection says which database of which environment is meant.
type Selection struct {
	Environment string
	Database    string // binding, name or id; "" for the only one
	DatabaseID  string // picks the database with this id, or takes the place of the configured id
	Variable    string // the environment variable that chose Environment; "" if the user named it
}

// Target is one database in one environment.
type Target struct {
	Section   string // the configuration's env section, "" for the top level
	Local     bool
	Database  Database
	Worker    string // name of the deployed Worker, "" if the configuration has none
	AccountID string // the environment's own, else the top level's
	Mismatch  string // what disagrees between the name and the id that were given; the id wins
	Shadowed  string // says that an environment has the same name and is not the one that is meant; "" if none has
}

// Resolve finds the database that s means in c, or without a configuration if c is nil.
// Errors are *ConfigErrors, and list what exists where s names something that does not.
//
// "local" and "local:NAME" are the local state of the top-level database and of that of
// env.NAME; "top-level" is the top-level remote database, and so is "production" unless there is
// env.production; any other name is the remote database of that environment. Where another
// environment looks like production, "production" is an error: see lookalikes. As in wrangler, a
// named environment does not inherit d1_databases (notInheritable), inherits account_id
// (inheritable), and its Worker is "<name>-<environment>" unless it has a name of its own
// (appendEnvName); see https://developers.cloudflare.com/workers/wrangler/environments/. A remote
// database without id and name has the name under which "wrangler deploy" makes it.
//
// Without a configuration "local" is the database that a binding DB would have, or the one
// of s.Database, and "production" and "top-level" need s.DatabaseID.
func Resolve(c *Config, s Selection) (Target, error) {
	env, local, err := c.find(s)
	if err != nil {
		return Target{}, err
	}
	if c == nil {
		return unconfigured(s, local)
	}
	section := c.environment(env)
	t := Target{Section: env, Local: local, Worker: section.Name, AccountID: cmp.Or(section.AccountID, c.AccountID),
		Shadowed: c.shadowed(s.Environment)}
	if t.Worker == "" && c.Name != "" {
		t.Worker = c.Name + "-" + env
	}
	databases := section.Databases
	if !local {
		databases = provision(databases, t.Worker)
	}
	if t.Database, t.Mismatch, err = c.pick(env, local, databases, s); err != nil {
		return Target{}, err
	}
	if !local && t.Database.ID == "" && t.Database.Name == "" {
		return Target{}, c.fail(`add database_id or database_name, or "name", that of the Worker: `+
			"then the database is the one that wrangler deploy makes for the binding; or pass --database-id",
			"the binding %q of environment %q has neither database_id nor database_name, and there is no Worker name to derive one from",
			t.Database.Binding, s.Environment)
	}
	return t, nil
}

// unconfigured is Resolve without a configuration.
func unconfigured(s Selection, local bool) (Target, error) {
	if !local && s.DatabaseID == "" && id.MatchString(s.Database) {
		s.Database, s.DatabaseID = "", s.Database
	}
	if !local && s.DatabaseID == "" {
		return Target{}, &ConfigError{
			Problem: fmt.Sprintf("the environment %q needs a database id, and there is no wrangler configuration", s.Environment),
			Hint:    "pass --database-id, or add a wrangler configuration with d1_databases",
		}
	}
	return Target{Local: local, Database: Database{Binding: cmp.Or(s.Database, "DB"), ID: s.DatabaseID}}, nil
}

// provision returns databases with a name for each that has neither id nor name: that under
// which "wrangler deploy" makes it and wrangler's d1 commands look for it
// (autoProvisionedResourceName, getDatabaseByNameOrBinding).
func provision(databases []Database, worker string) []Database {
	databases = slices.Clone(databases)
	for i, d := range databases {
		if d.ID == "" && d.Name == "" && worker != "" {
			databases[i].Name = worker + "-" + strings.ReplaceAll(strings.ToLower(d.Binding), "_", "-")
			databases[i].Provisioned = true
		}
	}
	return databases
}

// id is the form of a database's id.
var id = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)

// find returns the section that an environment's name means, "" for the top level.
func (c *Config) find(s Selection) (env string, local bool, err error) {
	env, local, known := c.section(s.Environment)
	switch {
	case known:
		return env, local, nil
	case s.Environment == "production":
		return "", false, c.ambiguous(c.lookalikes())
	default:
		return "", false, c.unknown(s)
	}
}

// section is find without words.
func (c *Config) section(name string) (env string, local, known bool) {
	if env, local = strings.CutPrefix(name, "local:"); local {
		return env, true, c.has(env)
	}
	switch {
	case name == "local":
		return "", true, true
	case name == TopLevel:
		return "", false, true
	case c.has(name):
		return name, false, true
	default:
		return "", false, name == "production" && len(c.lookalikes()) == 0
	}
}

// lookalike matches the names of environments that people mean by "production".
var lookalike = regexp.MustCompile(`(?i)^(prod|prd|live|main|production)([-_].*)?$`)

// lookalikes returns the environments for which "production" may be meant, nil where there is
// env.production.
func (c *Config) lookalikes() (names []string) {
	if c == nil || c.has("production") {
		return nil
	}
	for _, env := range slices.Sorted(maps.Keys(c.Env)) {
		if lookalike.MatchString(env) {
			names = append(names, env)
		}
	}
	return names
}

// ambiguous is the error of "production" where it would be the top level and alike are there.
// It offers those that have databases.
func (c *Config) ambiguous(alike []string) error {
	var sections, offers []string
	for _, env := range alike {
		sections = append(sections, "env."+plain(env))
		if len(c.Env[env].Databases) > 0 {
			offers = append(offers, plain(env))
		}
	}
	if len(c.Databases) > 0 || len(offers) == 0 {
		offers = append(offers, TopLevel)
	}
	return c.fail("say which is meant: "+strings.Join(offers, " or "),
		`"production" would be the top-level database here, and there is %s`, strings.Join(sections, ", "))
}

// shadowed says that an environment of this very name is not what it means.
func (c *Config) shadowed(name string) string {
	switch {
	case !c.has(name):
		return ""
	case name == "local":
		return "local is the local database of the top level; that of env.local is local:local"
	case name == TopLevel:
		return "top-level is the remote database of the top level; to choose that of env.top-level, give the environment another name"
	default:
		return ""
	}
}

// unknown is the error of a name that is no environment's.
func (c *Config) unknown(s Selection) error {
	if s.Variable != "" {
		return c.unknownVariable(s)
	}
	names := c.names()
	hint := nearestFirst(s.Environment, names)
	e := &ConfigError{Hint: hint + "pass one of them, or add it to env in the configuration",
		Problem: fmt.Sprintf("unknown environment %q; there are: %s", s.Environment, strings.Join(names, ", "))}
	if c == nil {
		e.Problem += " (no wrangler configuration)"
		e.Hint = hint + "pass one of them, or add a wrangler configuration that has it in env"
	} else {
		e.Path = c.Path
	}
	e.Instead = c.instead(s.Environment)
	return e
}

// unknownVariable is unknown where an environment variable names the environment, which is
// local then.
func (c *Config) unknownVariable(s Selection) error {
	given := strings.TrimPrefix(s.Environment, "local:")
	e := &ConfigError{Problem: fmt.Sprintf("%s names the environment %q, ", s.Variable, given)}
	if c == nil {
		e.Problem += "and there is no wrangler configuration"
		e.Hint = fmt.Sprintf("unset %s, or name the environment: local", s.Variable)
		return e
	}
	e.Path = c.Path
	var names []string
	for _, env := range slices.Sorted(maps.Keys(c.Env)) {
		if env != "" {
			names = append(names, plain(env))
		}
	}
	hint := nearestFirst(given, names)
	if e.Problem += "which the configuration does not have"; len(names) > 0 {
		e.Problem += "; there are: " + strings.Join(names, ", ")
	}
	e.Hint = fmt.Sprintf("%sset %s to an environment of the configuration, unset it, or name the environment: local", hint, s.Variable)
	return e
}

// instead returns the selections of the database that word names, one for each environment that
// has it, local ones first.
func (c *Config) instead(word string) (found []Selection) {
	if c == nil && id.MatchString(word) {
		return []Selection{{Environment: "production", Database: word}}
	}
	if c == nil || word == "" {
		return nil
	}
	environments := []string{"local"}
	for _, env := range slices.Sorted(maps.Keys(c.Env)) {
		environments = append(environments, "local:"+env)
	}
	environments = append(environments, TopLevel)
	for _, env := range slices.Sorted(maps.Keys(c.Env)) {
		if !slices.Contains(environments, env) { // as env.local is
			environments = append(environments, env)
		}
	}
	for _, env := range environments {
		if _, _, known := c.section(env); !known {
			continue
		}
		s := Selection{Environment: env, Database: word}
		if _, err := Resolve(c, s); err == nil {
			found = append(found, s)
		}
	}
	return found
}

// nearestFirst moves the name that takes the fewest edits to the front, and returns the question
// whether it was meant; "" where hardly a letter would stay.
func nearestFirst(word string, names []string) string {
	if len(names) == 0 {
		return ""
	}
	edits := func(name string) int {
		return levenshtein.ComputeDistance(strings.ToLower(word), strings.ToLower(name))
	}
	near := slices.MinFunc(names, func(a, b string) int { return edits(a) - edits(b) })
	if edits(near) > len(word)/2 {
		return ""
	}
	i := slices.Index(names, near)
	copy(names[1:i+1], names[:i])
	names[0] = near
	return fmt.Sprintf("did you mean %s? ", near)
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
	names := []string{"local", TopLevel}
	if len(c.lookalikes()) == 0 {
		names = append(names, "production")
	}
	if c != nil {
		for env := range c.Env {
			if env == "" {
				continue
			}
			names = append(names, plain("local:"+env))
			if env != "local" && env != TopLevel && env != "production" && !strings.HasPrefix(env, "local:") {
				names = append(names, plain(env))
			}
		}
	}
	slices.Sort(names)
	return names
}

// pick chooses one of a section's databases.
func (c *Config) pick(env string, local bool, databases []Database, s Selection) (db Database, mismatch string, err error) {
	if len(databases) == 0 && s.DatabaseID != "" { // which says enough
		return Database{Binding: cmp.Or(s.Database, "DB"), ID: s.DatabaseID}, "", nil
	}
	if len(databases) == 0 {
		return db, "", c.noDatabases(env, local, databases != nil)
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
			hint := "pass --database with a binding, a name or an id from there"
			if slices.ContainsFunc(c.previews(env), named) {
				hint += "; " + previewsUnread
			}
			return db, "", c.fail(hint,
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
		db.ID, db.PreviewID, db.EmptyPreviewID = s.DatabaseID, "", false
		if db.Provisioned { // which is the name of another one
			db.Name, db.Provisioned = "", false
		}
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

// previewsUnread is said where a database is in a previews block and nowhere else: it is for
// "wrangler preview", and the d1 commands look into d1_databases only (getDatabaseInfoFromConfig).
const previewsUnread = "databases of the previews block are not read, as by wrangler's d1 commands: pass --database-id"

// previews returns the databases of a section's previews block, which is inherited (inheritable).
func (c *Config) previews(env string) []Database {
	if own := c.environment(env).Previews; own != nil {
		return own
	}
	return c.Previews
}

// noDatabases is the error of a section without databases. Where others have some, it offers
// them: an entry at the top level would become the database of "production".
func (c *Config) noDatabases(env string, local, empty bool) error {
	where, table := "the top level", "d1_databases"
	if env != "" {
		where, table = "env."+plain(env), "env."+plain(env)+".d1_databases"
	}
	problem := where + " has no d1_databases"
	switch {
	case empty:
		problem = table + " is empty"
	case env != "" && len(c.Databases) > 0:
		problem += ", and environments do not inherit those of the top level"
	}
	others := c.withDatabases(local)
	if len(others) > 0 {
		problem += "; environments with databases: " + strings.Join(others, ", ")
	}
	hint := "add to " + where + " for example: " + c.entry(table)
	switch {
	case len(others) > 0 && env == "":
		hint = "pass one of them"
	case len(others) > 0:
		hint = "pass one of them, or " + hint
	}
	if len(c.previews(env)) > 0 {
		hint += "; " + previewsUnread
	}
	return c.fail(hint, "%s", problem)
}

// withDatabases returns the names of the local, or the remote, environments that have databases.
func (c *Config) withDatabases(local bool) (names []string) {
	top, prefix := TopLevel, ""
	if local {
		top, prefix = "local", "local:"
	}
	if len(c.Databases) > 0 {
		names = append(names, top)
	}
	for _, env := range slices.Sorted(maps.Keys(c.Env)) {
		name := prefix + env
		if found, isLocal, known := c.section(name); known && found == env && isLocal == local && len(c.Env[env].Databases) > 0 {
			names = append(names, plain(name))
		}
	}
	return names
}

// entry is an example of a database's entry, as the format of the configuration has it.
func (c *Config) entry(table string) string {
	if filepath.Ext(c.Path) == ".toml" {
		return `[[` + table + `]] with binding = "DB", database_name = "app" and database_id = "…"`
	}
	return `"d1_databases": [{ "binding": "DB", "database_name": "app", "database_id": "…" }]`
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
