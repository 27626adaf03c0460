package cli

import (
	"cmp"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"al.essio.dev/pkg/shellescape"

	"github.com/d1-rewind/d1-rewind/internal/migration"
	"github.com/d1-rewind/d1-rewind/internal/report"
	"github.com/d1-rewind/d1-rewind/internal/wrangler"
)

// The commands in this file are those that reports and messages print: complete, so that
// they paste as they are.

// pruned reports whether the local Time Travel certainly has no copy of a state any more.
func (j *job) pruned(to migration.Bookmark) bool {
	if j.database == nil {
		return false
	}
	held, err := j.database.Holds(to)
	return err == nil && !held
}

// offerWayBack names the command that undoes what was done, or may have been done, and where
// nothing was done the one that undoes the last change.
func (j *job) offerWayBack(r *report.Report) {
	if last := r.Result.Last; last != nil && !j.pruned(last.Bookmark) {
		worker := ""
		if last.Kind == "migrate" {
			worker = last.WorkerVersion
		}
		r.LastRollback = j.restoreCommand(last.Bookmark, worker)
		if at, err := time.Parse(time.RFC3339, last.At); err == nil && j.remote != nil {
			r.LastUntil = at.Add(migration.Retention)
		}
	}
	back := r.Result.Bookmark
	if r.Result.PreviousBookmark != "" {
		back = r.Result.PreviousBookmark
	}
	changed := len(r.Result.Applied) > 0 || r.Result.PreviousBookmark != "" && r.Result.Status != migration.UpToDate
	if back == "" || !changed && r.Result.Status != migration.Uncertain {
		return
	}
	worker := ""
	if r.Command == "migrate" || r.Result.WorkerRolledBack != "" {
		worker = r.Result.WorkerVersion
	}
	r.Rollback = j.restoreCommand(back, worker)
	if j.remote != nil {
		r.Fallback = j.wranglerCommand(back)
		r.Until = j.p.Now().Add(migration.Retention)
	}
}

// restoreCommand is the command that goes back to a bookmark, and with the Worker to a
// version of it, "" for the database alone: complete, and quoted for a shell.
func (j *job) restoreCommand(to migration.Bookmark, worker string) string {
	extra := []string{"--bookmark", string(to)}
	if j.remote != nil {
		confirm := j.databaseName()
		if confirm == "" {
			confirm = j.target.Database.ID
		}
		if j.onGitHub() {
			inputs := [][2]string{{"environment", j.settings["environment"]}, {"database", j.selector()}, {"bookmark", string(to)}, {"confirm", confirm}}
			if worker != "" {
				inputs = append(inputs, [2]string{"worker-version", worker})
			}
			return j.dispatch(j.settings["restore-workflow"], inputs...)
		}
		extra = append(extra, "--confirm", confirm)
		if worker != "" {
			extra = append(extra, "--worker-version", worker)
		}
	}
	return ownCommand(j.p, "restore", j.given, j.settings["environment"], extra)
}

// statusCommand is the command that shows the status of what this one works on.
func (j *job) statusCommand() string {
	return ownCommand(j.p, "status", j.given, j.settings["environment"], nil)
}

// option is how whoever reads a message sets an option.
func (j *job) option(name, value string) string {
	if j.inAction {
		return "the input " + name + ": " + value
	}
	return "--" + name + " " + shellescape.Quote(value)
}

// optionName is how whoever reads a message knows an option.
func (j *job) optionName(name string) string {
	if j.inAction {
		return "the input " + name
	}
	return "--" + name
}

// releaseCommand is the command that applies also what is held, "" where no workflow does.
func (j *job) releaseCommand() string {
	if j.remote == nil || !j.onGitHub() {
		return ownCommand(j.p, "migrate", j.given, j.settings["environment"], []string{"--release-hold"})
	}
	if j.release == nil {
		j.release = new("")
		for _, workflow := range []string{migrateWorkflow, j.event.Workflow} {
			if j.offersRelease(workflow) {
				*j.release = j.dispatch(workflow, [2]string{"release-hold", "true"})
			}
		}
	}
	return *j.release
}

// offersRelease reports whether a workflow of the checkout can be started by hand to release a
// hold. GitHub refuses inputs that a workflow does not have.
func (j *job) offersRelease(workflow string) bool {
	checkout, err := os.OpenRoot(j.event.Workspace)
	if err != nil || workflow == "" {
		return false
	}
	defer checkout.Close()
	name := path.Join(".github", "workflows", workflow)
	if info, err := checkout.Lstat(name); err != nil || !info.Mode().IsRegular() || info.Size() > 1<<20 {
		return false
	}
	content, err := checkout.ReadFile(name)
	return err == nil && releaseInput.Match(comments.ReplaceAll(content, nil))
}

var (
	comments     = regexp.MustCompile(`(?m)^[ \t]*#.*$`)
	releaseInput = regexp.MustCompile(`workflow_dispatch:.*(\n([ \t].*)?)*?[ \t{]release-hold:`) // before the next key of the top level
)

// migrateWorkflow is what the project calls the workflow that migrates.
const migrateWorkflow = "d1-migrate.yml"

// onGitHub reports whether whoever reads the report has workflows to start rather than this
// program.
func (j *job) onGitHub() bool { return j.inAction && j.event.Repository != "" }

// dispatch is the command of GitHub's own tool that starts a workflow
// (https://cli.github.com/manual/gh_workflow_run), complete and quoted for a shell.
func (j *job) dispatch(workflow string, inputs ...[2]string) string {
	repository := j.event.Repository
	if at, err := url.Parse(j.event.ServerURL); err == nil && at.Host != "" && at.Host != "github.com" {
		repository = at.Host + "/" + repository
	}
	words := []string{"gh", "workflow", "run", workflow, "--repo", repository}
	for _, input := range inputs {
		words = append(words, "-f", input[0]+"="+input[1])
	}
	return shellescape.QuoteCommand(words)
}

// selector is what the option database says to mean this database again.
func (j *job) selector() string {
	db := j.target.Database
	return cmp.Or(j.settings["database"], j.settings["database-id"], db.Name, db.ID, db.Binding)
}

// wranglerCommand is the command of wrangler that goes back to a bookmark, "" if the
// database's name is not known: wrangler takes no id. It looks the name up in the
// environment's section first (getDatabaseByNameOrBinding in packages/wrangler/src/d1/utils.ts).
func (j *job) wranglerCommand(to migration.Bookmark) string {
	name := j.databaseName()
	if name == "" || strings.HasPrefix(name, "-") { // which wrangler would take for an option
		return ""
	}
	words := []string{"npx", "wrangler", "d1", "time-travel", "restore", name, "--bookmark", string(to)}
	if j.target.Section != "" {
		words = append(words, "--env", j.target.Section)
	}
	if j.configFile != "" && (j.given.differs("config") || j.given.differs("working-directory")) {
		words = append(words, "--config", j.configFile)
	}
	return shellescape.QuoteCommand(words)
}

// databaseName is the name of the remote database as far as it is known: "" if the
// configuration has one for another id.
func (j *job) databaseName() string {
	if j.remote.name != "" {
		return j.remote.name
	}
	if j.target.Mismatch != "" {
		return ""
	}
	return j.target.Database.Name
}

// ownCommand is one of the program's own commands, complete and quoted for a shell, with
// extra and with what the user said about which database is meant.
func ownCommand(p Process, command string, given settings, environment string, extra []string) string {
	words := append(programWords(p), command, environment)
	words = append(words, extra...)
	for _, name := range []string{"working-directory", "config", "database", "database-id", "account-id", "api-address",
		"migrations-dir", "migrations-table", "persist-to", "worker"} {
		if isLocal(environment) && slices.Contains([]string{"account-id", "api-address", "worker"}, name) {
			continue // which have no effect there, and may be the token by mistake
		}
		if given.differs(name) {
			words = append(words, "--"+name, given[name])
		}
	}
	return shellescape.QuoteCommand(words)
}

// isLocal reports whether an environment's name is that of a local one.
func isLocal(environment string) bool {
	return environment == "local" || strings.HasPrefix(environment, "local:")
}

// instead is the command that works on what was meant, with all that the user said otherwise.
func (j *job) instead(meant wrangler.Selection) string {
	words := append(programWords(j.p), j.command)
	if j.command == "create" {
		words = append(words, j.title, "--environment")
	}
	words = append(words, meant.Environment)
	for _, o := range options {
		value, given := j.given[o.name]
		switch {
		case o.name == "environment" || o.name == "database-id" || o.name == "database" || !given:
		case o.isSwitch():
			words = append(words, "--"+o.name+"="+value)
		default:
			words = append(words, "--"+o.name, value)
		}
	}
	return shellescape.QuoteCommand(append(words, "--database", meant.Database))
}

// programWords is how the person called the program, so that the command pastes as it is:
// "go run" builds it in a temporary directory, and a runner's paths are nobody else's.
func programWords(p Process) []string {
	program := p.Program
	switch {
	case p.Getenv("GITHUB_ACTIONS") == "true":
		return []string{"d1-rewind"}
	case program == "npx d1-rewind": // npm/d1-rewind.js says so
		return strings.Fields(program)
	case strings.Contains(filepath.ToSlash(program), "/go-build"):
		return []string{"go", "run", "."}
	case strings.ContainsRune(program, os.PathSeparator) && program != "/d1-rewind":
		return []string{program}
	default:
		return []string{"d1-rewind"}
	}
}
