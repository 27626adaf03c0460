package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/d1-rewind/d1-rewind/internal/migration"
	"github.com/d1-rewind/d1-rewind/internal/rehearsal"
	"github.com/d1-rewind/d1-rewind/internal/report"
	"github.com/d1-rewind/d1-rewind/internal/sqlite"
	"github.com/d1-rewind/d1-rewind/internal/wrangler"
)

// This file connects a job to what it works on: configuration, database, migrations directory and rehearsal.

// otherLedgers are the tables in which other tools record what they applied: drizzle-kit,
// Prisma. A baseline takes over from them.
var otherLedgers = []string{"__drizzle_migrations", "_prisma_migrations"}

// wire finds configuration, database and migrations directory.
func (j *job) wire(ctx context.Context, r *report.Report) error {
	s := j.settings
	dir := s["working-directory"]
	if err := j.inside("working-directory", dir); err != nil {
		return err
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		if err == nil {
			err = errors.New("it is not a directory")
		}
		return &usageError{fmt.Sprintf("the directory %q can't be used: %v", dir, err), "check --working-directory"}
	}
	path, err := j.findConfig(r, dir)
	if err != nil {
		return err
	}
	var config *wrangler.Config
	if path != "" {
		if err := j.inside("config", path); err != nil {
			return err
		}
		j.configFile = shown(path)
		r.Config = j.configFile
		if config, err = wrangler.Load(path); err != nil {
			return configuration(err)
		}
		dir = directoryOf(path)
	}
	j.configDir = dir
	chosenBy, err := j.chooseEnvironment(r)
	if err != nil {
		return err
	}
	selection := wrangler.Selection{Environment: s["environment"], Database: s["database"], DatabaseID: s["database-id"], Variable: chosenBy}
	if j.target, err = wrangler.Resolve(config, selection); err != nil {
		return j.unresolved(err)
	}
	db := j.target.Database
	r.DatabaseName, r.DatabaseID = cmp.Or(db.Name, db.Binding), db.ID
	for _, warning := range []string{j.target.Shadowed, j.target.Mismatch} {
		if warning != "" {
			r.Warnings = append(r.Warnings, warning)
		}
	}
	if err := j.wireOutput(config); err != nil {
		return err
	}
	if j.target.Local {
		err = j.wireLocal(r)
	} else {
		err = j.wireRemote(ctx, r)
	}
	if err != nil {
		return err
	}
	return j.wireEngine(r)
}

// chooseEnvironment lets the variable CLOUDFLARE_ENV choose the environment where the user named none, as
// in wrangler (getCloudflareEnv), but never a remote database. It returns what chose, "" if nothing did.
func (j *job) chooseEnvironment(r *report.Report) (chosenBy string, err error) {
	if j.inAction || j.isNamed {
		return "", nil
	}
	name, chosenBy := j.p.Getenv(wrangler.EnvironmentVariable), wrangler.EnvironmentVariable
	if name == "" && j.readsDotEnv() {
		var file string
		if name, file, err = wrangler.ReadEnvironment(j.configDir, j.p.Getenv); err != nil {
			return "", configuration(err)
		}
		chosenBy += " in " + shown(file)
	}
	if name == "" {
		return "", nil
	}
	r.Environment = "local:" + name
	j.settings["environment"] = r.Environment
	return chosenBy, nil
}

// findConfig returns the configuration that is given or found from dir, "" if there is none. One
// above dir is named from the working directory, so that everything in its project is.
func (j *job) findConfig(r *report.Report, dir string) (string, error) {
	if given := j.settings["config"]; given != "" {
		return given, nil
	}
	found, err := wrangler.Find(dir, j.checkout())
	if err != nil {
		return "", configuration(err)
	}
	other := shown(fromHere(found.Other))
	switch {
	case found.Path == "" && found.Other != "" && j.settings["database-id"] == "":
		return "", &usageError{fmt.Sprintf("there is no wrangler configuration, only %s, which wrangler's d1 commands do not read", other),
			"add a wrangler.jsonc with d1_databases, pass the file that has them with --config, or pass --database-id"}
	case found.Path != "" && found.Other != "":
		r.Warnings = append(r.Warnings, fmt.Sprintf("%s is nearer, but as wrangler's d1 commands this reads %s", other, shown(fromHere(found.Path))))
	}
	if found.Nearer != "" {
		r.Warnings = append(r.Warnings, fmt.Sprintf("%s is nearer, but wrangler reads %s first, whose name goes before; --config chooses",
			shown(fromHere(found.Nearer)), shown(fromHere(found.Path))))
	}
	return fromHere(found.Path), nil
}

// checkout is the directory above which no configuration is looked for: the workspace of a run on
// GitHub, if dir lies in it.
func (j *job) checkout() string {
	if info, err := os.Stat(j.event.Workspace); err != nil || !info.IsDir() {
		return ""
	}
	return j.event.Workspace
}

// unresolved turns an error of wrangler.Resolve into one of usage. Where a database was named in
// the place of an environment, the command that was meant is what to do next.
func (j *job) unresolved(err error) error {
	c, ok := errors.AsType[*wrangler.ConfigError](err)
	if !ok || len(c.Instead) == 0 {
		return configuration(err)
	}
	meant, next := c.Instead[0], "that is a database: "
	if j.inAction {
		for _, s := range c.Instead { // a workflow is seldom about a local one
			if meant = s; s.Environment != "local" && !strings.HasPrefix(s.Environment, "local:") {
				break
			}
		}
		next += fmt.Sprintf("set the inputs environment: %s and database: %s", meant.Environment, meant.Database)
	} else {
		next += j.instead(meant)
	}
	return &usageError{fmt.Sprintf("there is no environment %q", j.settings["environment"]), next}
}

// wireLocal opens the file of wrangler dev.
func (j *job) wireLocal(r *report.Report) error {
	s := j.settings
	if s.on("rollback-worker") || s["worker-version"] != "" {
		return &usageError{"a local environment has no deployed Worker to roll back", "leave out rollback-worker and worker-version"}
	}
	state := cmp.Or(s["persist-to"], wrangler.DefaultState(j.configDir))
	if err := j.inside("persist-to", state); err != nil {
		return err
	}
	name := wrangler.StateFile(j.target.Database.Identifier())
	r.File = shown(filepath.Join(wrangler.StateDir(state), name))
	state, err := filepath.Abs(state)
	if err != nil {
		return err
	}
	limit, _ := parseSize("time-travel-limit", s["time-travel-limit"]) // resolve has checked it
	file := filepath.Join(wrangler.StateDir(state), name)
	if err := j.insideState(state, file); err != nil {
		return err
	}
	j.stateFile = r.File
	j.database = sqlite.Open(file, sqlite.Options{Display: r.File, Copies: filepath.Join(state, "d1-rewind"), Limit: limit, Now: j.p.Now, Progress: j.progress})
	j.environment, j.dump = j.database, j.database.Dump
	return nil
}

// migrationsDirectory is where the migrations are, and which of the files there are some.
func (j *job) migrationsDirectory() (directory, pattern string, err error) {
	directory, pattern, err = j.target.Database.Migrations()
	if err != nil {
		return "", "", configuration(err)
	}
	if j.settings["migrations-dir"] == "" {
		return besideConfiguration(j.configDir, directory), pattern, nil
	}
	if j.target.Database.MigrationsPattern == "" {
		pattern = "*.sql"
	}
	return j.settings["migrations-dir"], pattern, nil
}

// wireEngine finds the migrations directory and makes the engine that works on it.
func (j *job) wireEngine(r *report.Report) error {
	s, db := j.settings, j.target.Database
	directory, pattern, err := j.migrationsDirectory()
	if err != nil {
		return err
	}
	files, err := j.files(directory)
	if err != nil {
		return err
	}
	r.Directory = shown(directory)
	j.engine = &migration.Engine{
		Environment:     j.environment,
		Directory:       migration.Directory{FS: files, Pattern: pattern, Display: r.Directory},
		Table:           cmp.Or(s["migrations-table"], db.MigrationsTable, wrangler.DefaultMigrationsTable),
		Journal:         s.on("journal"),
		Now:             j.p.Now,
		Sleep:           j.p.Sleep,
		StatusCommand:   j.statusCommand(),
		BaselineCommand: ownCommand(j.p, "baseline", j.given, s["environment"], nil),
		ReleaseCommand:  cmp.Or(j.releaseCommand(), "run migrate with the input release-hold: true"),
		RestoreCommand:  func(to migration.Bookmark) string { return j.restoreCommand(to, "") },
		OnBookmark:      j.onBookmark,
		OnProgress:      j.progress,
		Origin: migration.Origin{Commit: j.event.SHA, RunURL: j.event.RunURL(), Actor: j.event.Actor,
			ToolVersion: j.p.version()},
	}
	if j.talk != nil {
		j.engine.PullRequest = j.talk.pullRequest
	} else if j.event.PullRequest > 0 {
		j.engine.Origin.PullRequest = fmt.Sprint(j.event.PullRequest)
	}
	if j.remote != nil {
		j.engine.Locate = func(ctx context.Context, batch migration.Batch, refused *migration.StatementError) *migration.StatementError {
			return rehearsal.Locate(ctx, j.environment, batch, refused)
		}
	}
	if j.remote != nil && j.remote.worker != "" {
		j.engine.Worker = j.remote.client.Worker(j.remote.worker)
	}
	return j.wireRehearsal()
}

// wireRehearsal says how the engine tries what is pending, and what it does with what that finds.
func (j *job) wireRehearsal() error {
	s := j.settings
	j.engine.Hazards, j.engine.Drift = j.hazardPolicy(), migration.Policy(s["drift"])
	if !lookup("rehearse").appliesTo(j.command) {
		return nil
	}
	limit, _ := parseSize("rehearse-limit", s["rehearse-limit"]) // resolve has checked it
	if s["rehearse"] == "data" && j.remote != nil && j.event.Stranger {
		return &migration.Problem{Kind: migration.Refused, Err: errors.New("rehearse: data copies all rows to the runner, and this run may be on behalf of a pull request from a fork, whose SQL would run on them"),
			State: "nothing was written", Next: "use rehearse: schema here; rehearse: data is for branches of the repository, and for pushes"}
	}
	how := rehearsal.Options{Rows: s["rehearse"] == "data", Import: j.remote != nil && s["transport"] == "import", Limit: limit, Progress: j.progress}
	switch {
	case s["rehearse"] == "off":
		j.engine.NoRehearsal = "rehearse is off, and what only a rehearsal finds is not looked for"
		if s["hazards"] == "" {
			j.engine.NoRehearsal += "; hazards are warnings only"
		}
	case j.remote != nil:
		how.Size = func(ctx context.Context) (int64, error) {
			info, err := j.remote.database.Info(ctx)
			return int64(info.Size), err
		}
		j.engine.Rehearse = rehearsal.Remote(j.environment, how)
	case j.database != nil:
		j.engine.Rehearse = rehearsal.Local(j.database, how)
	}
	j.engine.Replay = func(ctx context.Context, live migration.Schema, applied []migration.Migration) migration.Drift {
		return rehearsal.Replay(ctx, live, applied, j.notOurs()...)
	}
	return nil
}

// hazardPolicy is what the user said about hazards, or else the default of the environment: what
// would lose data on a remote database is refused, unless nothing is rehearsed.
func (j *job) hazardPolicy() migration.HazardPolicy {
	rest := migration.Warn
	if !j.target.Local && j.settings["rehearse"] != "off" {
		rest = migration.Fail
	}
	policy, _ := migration.ParseHazardPolicy(j.settings["hazards"], rest) // resolve has checked it
	return policy
}

// notOurs are the tables that no migration is expected to make: ledgers and the journal.
func (j *job) notOurs() []string {
	return slices.Concat(otherLedgers, []string{j.engine.Table, migration.JournalTable})
}
