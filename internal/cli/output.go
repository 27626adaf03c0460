package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/d1-rewind/d1-rewind/internal/migration"
	"github.com/d1-rewind/d1-rewind/internal/outfile"
	"github.com/d1-rewind/d1-rewind/internal/wrangler"
)

// outputOptions are the options that name the file which a command writes.
var outputOptions = map[string]string{"backup": "output", "migrate": "backup"}

// standardOutput is the name of standard output where a file could be named.
const standardOutput = "-"

// outputFile returns what the user gave as the file to write, and by which option.
func outputFile(command string, s settings) (option, name string) {
	option = outputOptions[command]
	return option, s[option]
}

// wireOutput looks at the file that the command is to write, before anything is contacted.
func (j *job) wireOutput(config *wrangler.Config) error {
	option, name := outputFile(j.command, j.settings)
	switch {
	case j.command == "backup" && name == "":
		return &usageError{"backup needs a file to write", "for example: " + j.option("output", "backup.sql")}
	case name == "" && j.command == "migrate" && j.settings.on("force") && !j.inAction:
		return &usageError{"--force does nothing here: it replaces the file of --backup",
			"leave it out; what a restore undid is applied with --release-hold"}
	case option == "" || name == "":
		return nil
	case name == standardOutput && j.inAction:
		return j.noStream(option)
	case name == standardOutput:
		j.output = j.toStandardOutput()
	default:
		if err := j.findOutput(option, name); err != nil {
			return err
		}
	}
	if j.reportsElsewhere && j.settings["format"] == "json" {
		return &usageError{fmt.Sprintf("--format json and --%s %s both write to standard output", option, name),
			"name a file, or leave out --format json"}
	}
	if err := j.protect(option, name, config); err != nil {
		return err
	}
	if j.output.Exists() && !j.settings.on("force") && !j.settings.on("dry-run") {
		return j.existsAlready(name)
	}
	return nil
}

// findOutput looks for what name means.
func (j *job) findOutput(option, name string) error {
	found, err := outfile.Find(name)
	if err != nil {
		return unsuitable(err)
	}
	switch {
	case found.Path() != "":
		if err := j.inside(option, found.Path()); err != nil {
			return err
		}
	case j.inAction:
		return j.noStream(option)
	}
	j.output = found
	if number, ok := found.Descriptor(); ok && number == 1 {
		j.output = j.toStandardOutput()
	}
	return nil
}

// noStream refuses a stream of the process in an action.
func (j *job) noStream(option string) error {
	return &usageError{option + " can't be standard output in an action: that is the log, and this has rows in it", "name a file of the workspace"}
}

// toStandardOutput makes standard output the file to write. What would be said there goes to standard
// error.
func (j *job) toStandardOutput() *outfile.File {
	j.reportsElsewhere = true
	w := j.p.Stdout
	if own, ok := w.(*inTurn); ok {
		w = own.stream // its errors are those of the file, not of a report
	}
	return outfile.Stream("standard output", w)
}

// protect refuses to write what a run of this program, or of wrangler, reads: here, or in another
// project of the repository.
func (j *job) protect(option, name string, config *wrangler.Config) error {
	refused := func(problem string) error {
		return &usageError{fmt.Sprintf("%s is %s", j.option(option, name), problem), "name another file"}
	}
	path := j.output.Path()
	if wrangler.IsConfigName(filepath.Base(path)) || config != nil && j.output.Is(config.Path) {
		return refused("a wrangler configuration")
	}
	for _, directory := range j.stateDirectories() {
		if j.output.Inside(directory) {
			return refused("in the local state " + shown(directory) + ", which has the local databases and their copies")
		}
	}
	if slices.Contains(strings.Split(filepath.ToSlash(path), "/"), ".wrangler") { // of any project
		return refused("in .wrangler, where wrangler keeps local databases")
	}
	directories, err := j.migrationDirectories(config)
	if err != nil {
		return err
	}
	for _, m := range directories {
		if j.output.Inside(m.directory) && !m.harmless(path) {
			return refused("in the migrations directory " + shown(m.directory) + ", whose files are applied")
		}
	}
	return nil
}

// migrationsOf are the migrations of a database, and the directory of the project they belong to.
type migrationsOf struct{ project, directory, pattern string }

// harmless reports whether a file could not be taken for a migration, where the whole project is the
// migrations directory: it is no SQL, or is in a directory below, where the pattern does not look.
func (m migrationsOf) harmless(path string) bool {
	switch {
	case !outfile.Within(m.project, m.directory):
		return false
	case !strings.EqualFold(filepath.Ext(path), ".sql"):
		return true
	default:
		return !strings.Contains(m.pattern, "/") && !outfile.Within(m.directory, filepath.Dir(path))
	}
}

// migrationDirectories are those of all databases of the configuration, and of the one above the
// file to write.
func (j *job) migrationDirectories(config *wrangler.Config) ([]migrationsOf, error) {
	directory, pattern, err := j.migrationsDirectory()
	if err != nil {
		return nil, err
	}
	all := append([]migrationsOf{{j.configDir, directory, pattern}}, directoriesOf(config)...)
	if path := j.output.Path(); path != "" {
		found, err := wrangler.Find(filepath.Dir(path), j.checkout())
		if err == nil && found.Path != "" && (config == nil || found.Path != config.Path) {
			if other, err := wrangler.Load(found.Path); err == nil { // one that can't be read has no say
				all = append(all, directoriesOf(other)...)
			}
		}
	}
	return all, nil
}

// directoriesOf are the migrations directories that a configuration names.
func directoriesOf(config *wrangler.Config) (all []migrationsOf) {
	if config == nil {
		return nil
	}
	sections := []wrangler.Environment{config.Environment}
	for _, section := range config.Env {
		sections = append(sections, section)
	}
	for _, section := range sections {
		for _, db := range section.Databases {
			if directory, pattern, err := db.Migrations(); err == nil { // that of another database need not be right
				project := filepath.Dir(config.Path)
				all = append(all, migrationsOf{project, besideConfiguration(project, directory), pattern})
			}
		}
	}
	return all
}

// besideConfiguration is a directory as a configuration names it.
func besideConfiguration(configDir, directory string) string {
	if directory = filepath.FromSlash(directory); filepath.IsAbs(directory) {
		return directory
	}
	return filepath.Join(configDir, directory)
}

// stateDirectories are where wrangler keeps local databases, and this program its copies. Where the
// project itself is named as the state, they are what is made in it.
func (j *job) stateDirectories() []string {
	all := []string{wrangler.DefaultState(j.configDir)}
	switch given := j.settings["persist-to"]; {
	case given == "":
		return all
	case outfile.Within(j.configDir, given) || outfile.Within(".", given):
		return append(all, filepath.Join(given, "v3"), filepath.Join(given, "d1-rewind"))
	default:
		return append(all, given)
	}
}

// existsAlready refuses to replace a file.
func (j *job) existsAlready(name string) error {
	force := "--force"
	if j.inAction {
		force = "the input force: true"
	}
	return &migration.Problem{Kind: migration.Refused, Err: fmt.Errorf("%s already exists", name),
		State: "nothing was written", Next: "name another file, or replace this one: " + force}
}

// unsuitable is the problem of a name under which nothing can be written.
func unsuitable(err error) error {
	return &usageError{err.Error(), "name a file in a directory that exists"}
}

// writeBackup writes the SQL export to the file that the user named, which appears complete or not
// at all.
func (j *job) writeBackup(ctx context.Context) error {
	_, name := outputFile(j.command, j.settings)
	named := j.named(name)
	say := "writing the SQL export to " + named
	if j.output.IsPipe() {
		say = "waiting for a reader of the pipe " + named + ", then writing the SQL export to it"
	}
	j.progress(say)
	written := &counted{now: j.p.Now, say: j.progress, said: j.p.Now()}
	err := j.output.Write(ctx, j.settings.on("force"), 0o600, func(w io.Writer) error { // for its rows
		written.w = w
		return j.dump(ctx, written)
	})
	return j.unwritten(err, name, named, written.size > 0)
}

// unwritten gives an error of writing the backup the words for what is left of it.
func (j *job) unwritten(err error, name, named string, begun bool) error {
	state, next := "no backup was written; the database is untouched", "make room, or name a file elsewhere, and run again"
	if j.output.IsStream() && begun {
		state, next = fmt.Sprintf("what %s got is not whole; the database is untouched", named),
			"throw that away, see that it can be written, and run again"
	}
	if changed, ok := errors.AsType[*outfile.Unsuitable](err); ok { // since the start of the run
		return &migration.Problem{Err: fmt.Errorf("write the backup: %w", changed), State: state, Next: next}
	}
	if failed, ok := errors.AsType[*outfile.WriteError](err); ok {
		return &migration.Problem{Err: fmt.Errorf("write the backup to %s: %w", named, failed), State: state, Next: next}
	}
	if errors.Is(err, outfile.ErrExists) {
		return j.existsAlready(name)
	}
	if p, ok := errors.AsType[*migration.Problem](err); ok && j.output.IsStream() && begun {
		p.State = state
	} else if errors.Is(err, context.Canceled) && j.output.IsStream() && begun {
		return &migration.Problem{Kind: migration.Stopped, Err: errors.New("interrupted"), State: state, Next: next}
	}
	return err
}

// named is the file to write as reports name it: on the command line as given, in an action relative to
// the repository.
func (j *job) named(name string) string {
	switch {
	case j.reportsElsewhere:
		return "standard output"
	case j.inAction:
		return shown(name)
	default:
		return name
	}
}

// counted says from time to time how much was written.
type counted struct {
	w    io.Writer
	now  func() time.Time
	say  func(string)
	said time.Time
	size int64
}

// oftenEnough is how long a write of many rows may take without a word.
const oftenEnough = 5 * time.Second

func (c *counted) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.size += int64(n)
	if now := c.now(); now.Sub(c.said) >= oftenEnough {
		c.said = now
		c.say("wrote " + migration.Size(c.size))
	}
	return n, err
}
