package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/d1-rewind/d1-rewind/internal/d1"
	"github.com/d1-rewind/d1-rewind/internal/github"
	"github.com/d1-rewind/d1-rewind/internal/migration"
	"github.com/d1-rewind/d1-rewind/internal/outfile"
	"github.com/d1-rewind/d1-rewind/internal/rehearsal"
	"github.com/d1-rewind/d1-rewind/internal/report"
	"github.com/d1-rewind/d1-rewind/internal/sqlite"
	"github.com/d1-rewind/d1-rewind/internal/wrangler"
)

// job is one command with its options, wired to what it works on.
type job struct {
	p          Process
	command    string
	title      string   // create
	isNamed    bool     // the user named the environment
	given      settings // what the user set
	settings   settings // with environment variables and defaults
	event      github.Event
	inAction   bool
	read       func(ctx context.Context, question string) (answer string, err error) // nil: nobody to ask
	debug      bool                                                                  // of the runner
	progress   func(string)
	onBookmark func(migration.Bookmark) error

	target      wrangler.Target
	output      *outfile.File // what the command writes beside the database; nil: nothing
	configFile  string        // as it is shown; "" without one
	configDir   string        // where it is, or where it was looked for
	stateFile   string        // a local database's, as it is shown
	environment migration.Environment
	dump        func(context.Context, io.Writer) error
	database    *sqlite.Database // a local environment's
	remote      *remote          // nil in a local one
	offline     bool             // remote, and nothing can be asked
	talk        *conversation    // with the pull request; nil: none
	release     *string          // see releaseCommand
	engine      *migration.Engine
	// reportsElsewhere is set where output is standard output, so that nothing else may go there.
	reportsElsewhere bool
}

// run resolves what is meant and runs the command. The report is complete as far as the
// command came.
func (j *job) run(ctx context.Context) (r report.Report) {
	r = report.Report{Command: j.command, Environment: j.settings["environment"], BeforeMerge: j.beforeMerge()}
	defer func() { r.At, r.Run = j.p.Now(), j.runInfo() }()
	if r.Err = j.wire(ctx, &r); r.Err != nil {
		if j.command == "doctor" {
			p := settled(r).Problem()
			r.Checks = []report.Check{{Name: "configuration", Detail: p.Error(), Next: p.Next}}
			r.Err = nil
		}
		return r
	}
	switch j.command {
	case "migrate":
		j.migrate(ctx, &r)
	case "status":
		j.status(ctx, &r)
	case "restore":
		j.restore(ctx, &r)
	case "info":
		j.info(ctx, &r)
	case "backup":
		j.backup(ctx, &r)
	case "baseline":
		r.Result, r.Err = j.engine.Baseline(ctx, j.settings["to"], j.settings.on("force"), func(ctx context.Context, files []migration.Migration) error {
			return rehearsal.Prove(ctx, j.environment, files, j.notOurs()...)
		})
	case "create":
		r.Path, r.Err = j.create(ctx)
	case "reset":
		j.reset(ctx, &r)
	case "doctor":
		r.Checks = j.doctor(ctx)
	}
	if r.Err == nil && ctx.Err() != nil && j.command == "doctor" {
		r.Err = ctx.Err() // the checks after the signal say nothing
	}
	r.Release = j.releaseCommand()
	j.offerWayBack(&r)
	return r
}

func (j *job) status(ctx context.Context, r *report.Report) {
	if !j.offline {
		r.Result, r.Err = j.engine.Status(ctx, migration.StatusOptions{HoldWarns: r.BeforeMerge})
		return
	}
	var fresh migration.Environment
	how := "the files were read, not tried (rehearse is off)"
	if j.settings["rehearse"] != "off" {
		empty, err := sqlite.NewScratch(ctx, "")
		if err != nil {
			r.Err = err
			return
		}
		defer empty.Close()
		j.engine.Rehearse = rehearsal.Remote(empty, rehearsal.Options{Progress: j.progress})
		fresh, how = empty, "all of them were tried, in order, on an empty database"
	}
	why := j.whyOffline()
	if r.Result, r.Err = j.engine.Offline(ctx, fresh); r.Err == nil {
		why += "; " + how + "; what is applied and pending there, and what the migrations would do to its rows, could not be checked"
	}
	r.Offline, r.Warnings = why, append(r.Warnings, why)
}

// beforeMerge reports whether the run is about commits that are not merged yet.
func (j *job) beforeMerge() bool {
	e := j.event
	return strings.HasPrefix(e.Name, "pull_request") || e.Name == "merge_group" || e.FromPullRequest && (e.PullRequest > 0 || e.Name == "workflow_run")
}

func (j *job) migrate(ctx context.Context, r *report.Report) {
	o := migration.MigrateOptions{To: j.settings["to"], DryRun: j.settings.on("dry-run"),
		PerMigration: j.settings["transaction"] == "migration", ReleaseHold: j.settings.on("release-hold")}
	o.ReleaseHold = o.ReleaseHold || o.DryRun && r.BeforeMerge // as a status there
	if file := j.settings["backup"]; file != "" {
		o.Backup = func(ctx context.Context) error {
			err := j.writeBackup(ctx)
			if err == nil {
				r.Path = j.named(file)
				j.warnOfLosses(r)
			}
			return err
		}
	}
	r.Result, r.Err = j.engine.Migrate(ctx, o)
}

func (j *job) restore(ctx context.Context, r *report.Report) {
	s := j.settings
	given := 0
	for _, name := range []string{"bookmark", "timestamp", "before"} {
		if s[name] != "" {
			given++
		}
	}
	if given != 1 {
		r.Err = &usageError{fmt.Sprintf("restore needs exactly one of bookmark, timestamp and before; there are %d", given),
			"the info command shows the bookmark now; what is applied: " + j.statusCommand()}
		return
	}
	o := migration.RestoreOptions{Bookmark: migration.Bookmark(strings.ToLower(strings.TrimSpace(s["bookmark"]))), Before: s["before"]}
	if s["timestamp"] != "" {
		if o.Timestamp, r.Err = parseTime(s["timestamp"]); r.Err != nil {
			return
		}
	}
	o.RollbackWorker, o.WorkerVersion = s.on("rollback-worker") || s["worker-version"] != "", s["worker-version"]
	if o.Confirm, r.Err = j.confirmed(ctx, r); r.Err != nil {
		return
	}
	r.Result, r.Err = j.engine.Restore(ctx, o)
}

func (j *job) info(ctx context.Context, r *report.Report) {
	var at time.Time
	if t := j.settings["timestamp"]; t != "" {
		if at, r.Err = parseTime(t); r.Err != nil {
			return
		}
	}
	info, err := j.engine.Info(ctx, at)
	if err != nil {
		r.Err = err
		return
	}
	r.Info, r.Result.Bookmark = &info, info.Bookmark
}

func (j *job) reset(ctx context.Context, r *report.Report) {
	if !j.settings.on("yes") && !j.agreed(ctx, fmt.Sprintf("Empty the local database %s and apply all migrations?", r.DatabaseName)) {
		if r.Err = ctx.Err(); r.Err != nil {
			return
		}
		r.Err = &migration.Problem{Kind: migration.Refused, Err: errors.New("reset empties the local database, and nobody confirmed it"),
			State: "nothing was written", Next: "answer y at a terminal, or add --yes"}
		return
	}
	r.Result, r.Err = j.engine.Reset(ctx)
}

// agreed puts a question to the person at the terminal; without one the answer is no.
func (j *job) agreed(ctx context.Context, question string) bool {
	if j.read == nil {
		return false
	}
	answer, _ := j.read(ctx, question+" [y/N] ")
	answer = strings.ToLower(answer)
	return answer == "y" || answer == "yes"
}

func (j *job) backup(ctx context.Context, r *report.Report) {
	if j.database != nil {
		if _, err := os.Stat(j.database.Path()); errors.Is(err, fs.ErrNotExist) {
			r.Err = &usageError{"there is no local database yet: " + r.File, "make it with migrate, or check where you are and --persist-to"}
			return
		}
	}
	if r.Err = j.writeBackup(ctx); r.Err == nil {
		r.Path, r.Result.Status = j.named(j.settings["output"]), migration.BackedUp
		j.warnOfLosses(r)
	}
}

// warnOfLosses says what a remote export does not keep; the local one keeps everything.
func (j *job) warnOfLosses(r *report.Report) {
	if j.remote != nil {
		r.Warnings = append(r.Warnings, d1.ExportLosses)
	}
}

// doctor checks one thing a line, each on its own.
func (j *job) doctor(ctx context.Context) []report.Check {
	var checks []report.Check
	add := func(name, detail string, err error) {
		c := report.Check{Name: name, OK: err == nil, Detail: detail}
		if err != nil {
			p := report.Report{Err: err}.Problem()
			c.Detail, c.Next = p.Error(), p.Next
		}
		checks = append(checks, c)
	}
	// What can't be read, and stops no run, is noted.
	note := func(name, detail string, err error) {
		add(name, detail, err)
		if last := &checks[len(checks)-1]; err != nil {
			last.OK, last.Warning = true, true
		}
	}
	add("configuration", fmt.Sprintf("environment %s, database %s", j.settings["environment"], j.target.Database.Identifier()), nil)
	if j.target.Mismatch != "" {
		add("id and name", "", errors.New(j.target.Mismatch))
	}
	files, err := j.engine.Directory.Read()
	add("migrations", fmt.Sprintf("%s in %s", migration.Count(len(files), "file"), j.engine.Directory.Display), err)
	if j.remote != nil {
		j.doctorRemote(ctx, add, note)
	} else {
		j.doctorLocal(ctx, add)
	}
	if slices.ContainsFunc(checks, func(c report.Check) bool { return !c.OK }) {
		return checks
	}
	result, err := j.engine.Status(ctx, migration.StatusOptions{})
	add("ledger", fmt.Sprintf("%d applied, %d pending", len(result.Comparison.Applied), len(result.Comparison.Pending)), err)
	return checks
}

func (j *job) doctorLocal(ctx context.Context, add func(name, detail string, err error)) {
	_, err := os.Stat(j.database.Path())
	detail := j.stateFile
	if errors.Is(err, fs.ErrNotExist) {
		detail, err = detail+" does not exist yet; migrate creates it", nil
	} else if err == nil {
		err = j.database.Check(ctx)
	}
	add("database", detail, err)
	if info, err := j.engine.Info(ctx, time.Time{}); err != nil {
		add("time travel", "", err)
	} else {
		add("time travel", fmt.Sprintf("%s kept, bookmark now %s", migration.Count(info.Kept.Copies, "state"), info.Bookmark), nil)
	}
}

// configuration turns an error of the configuration into one of usage, hint included.
func configuration(err error) error {
	if c, ok := errors.AsType[*wrangler.ConfigError](err); ok {
		here := *c
		if here.Path != "" {
			here.Path = shown(c.Path)
		}
		return &usageError{here.Error(), c.Hint}
	}
	return &usageError{err.Error(), "check the wrangler configuration"}
}

// fromHere is the path of a file that was looked for, relative to the working directory, so
// that a terminal can open it; "" stays "".
func fromHere(path string) string {
	if !filepath.IsAbs(path) {
		return path
	}
	here, err := os.Getwd()
	if err != nil {
		return path
	}
	if here, err = filepath.EvalSymlinks(here); err != nil { // ".." leads up from there
		return path
	}
	rel, err := filepath.Rel(here, path)
	if err != nil {
		return path
	}
	return rel
}

// shown is path as outputs name it: relative to the repository where it is absolute.
func shown(path string) string {
	if filepath.IsAbs(path) {
		return relative(path)
	}
	return filepath.ToSlash(filepath.Clean(path))
}

// relative shows path as the user would name it.
func relative(path string) string {
	here, err := os.Getwd()
	if err != nil {
		return path
	}
	rel, err := filepath.Rel(here, path)
	if err != nil || !filepath.IsLocal(rel) {
		return path
	}
	return filepath.ToSlash(rel)
}
