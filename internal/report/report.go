// Package report renders what a command found out and did as text, Markdown or JSON. Its
// functions are pure: they do no I/O and look at no clock.
package report

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/d1-rewind/d1-rewind/internal/migration"
)

// Report is everything that is said about one command.
type Report struct {
	Command      string
	Environment  string
	DatabaseName string
	DatabaseID   string
	Config       string // the configuration, as it is named to the user; "" if there is none
	TokenSource  string // the .env file that the API token comes from, as it is named to the user; "" if it is from elsewhere
	File         string // the local database's file, relative to the working directory
	Directory    string // the migrations directory, as it is named to the user
	Result       migration.Result
	Info         *migration.Info
	Checks       []Check   // doctor
	Path         string    // create and backup: the file written
	Rollback     string    // the command that goes back to the state before
	Fallback     string    // wrangler's command for the day when nothing else works, "" for a local environment
	Until        time.Time // when Time Travel forgets the bookmark; zero if nothing says so
	LastRollback string    // the command that goes back to the state before Result.Last, "" for none
	LastUntil    time.Time // when Time Travel forgets that one's bookmark
	Release      string    // the command that applies what is held, too
	BeforeMerge  bool      // it is about commits that are not merged yet
	At           time.Time // when the report was made
	Run          Run       // where on GitHub
	CommentURL   string    // of the comment on the pull request, "" without one
	Warnings     []string  // what the user should know and that stopped nothing
	Offline      string    // why the database was not asked, "" if it was; among Warnings, too
	Public       bool      // others read it, too: leave out what may have been computed from rows
	Err          error
	ExitCode     int
}

// Check is one line of doctor.
type Check struct {
	Name    string `json:"name"`
	OK      bool   `json:"ok"`
	Warning bool   `json:"warning,omitempty"` // not in order, but nothing that stops a run
	Detail  string `json:"detail"`
	Next    string `json:"next,omitempty"`
}

// mark is the check's outcome in four characters.
func (c Check) mark() string {
	switch {
	case c.Warning:
		return "note"
	case c.OK:
		return "ok  "
	default:
		return "FAIL"
	}
}

// Problem returns the error as a problem, nil if there is none.
func (r Report) Problem() *migration.Problem {
	if r.Err == nil {
		return nil
	}
	p, ok := errors.AsType[*migration.Problem](r.Err)
	if !ok {
		return &migration.Problem{Err: r.Err}
	}
	whole := *p
	if p.Error() != r.Err.Error() {
		whole.Err = r.Err
		whole.File, whole.Line = "", 0 // the words of r.Err name them already
	}
	if r.Public && p.Computed != "" {
		whole.Err = errors.New(strings.ReplaceAll(whole.Err.Error(), p.Computed, leftOut))
	}
	return &whole
}

// leftOut stands for words that a migration may have computed from rows.
const leftOut = "refused by the migration's own words, which are left out here because they may hold values of rows; run it on a copy at a terminal to see them"

// appliedNames is the contract's "applied": this run's, or all for status.
func (r Report) appliedNames() []string {
	if r.Command == "status" {
		return orEmpty(r.Result.Comparison.Applied)
	}
	return names(r.Result.Applied)
}

// PendingNames is the contract's "pending": what is not known to be applied when the
// command ends.
func (r Report) PendingNames() []string {
	applied := names(r.Result.Applied)
	return slices.DeleteFunc(names(r.Result.Comparison.Pending), func(n string) bool { return slices.Contains(applied, n) })
}

// heldNames is the contract's "held".
func (r Report) heldNames() []string {
	held := orEmpty(r.Result.Comparison.Held)
	for _, f := range r.Result.Holding {
		if !slices.Contains(held, f.Name) {
			held = append(held, f.Name)
		}
	}
	applied := names(r.Result.Applied)
	return slices.DeleteFunc(held, func(n string) bool { return slices.Contains(applied, n) })
}

// heldUntilMerge reports whether held migrations did not refuse, because a pull request may be
// what ends the hold.
func (r Report) heldUntilMerge() bool {
	return (r.Command == "status" || r.Result.DryRun) && r.BeforeMerge && len(r.Result.Comparison.Held) > 0
}

// expiry says until when a bookmark lives; a plan that keeps less is not visible from here.
func expiry(until time.Time) string {
	return fmt.Sprintf("until %s, on the free plan until %s", until.UTC().Format(time.DateOnly), until.AddDate(0, 0, -23).UTC().Format(time.DateOnly))
}

// offersLast reports whether the way back from the last change is to be shown: where the command
// has none of its own, and Time Travel still knows the bookmark.
func (r Report) offersLast() bool {
	return r.Result.Last != nil && r.LastRollback != "" && r.Rollback == "" && (r.Command == "status" || r.Command == "migrate") &&
		(r.LastUntil.IsZero() || r.At.Before(r.LastUntil))
}

// subject names what the report is about: "" before the database is known.
func (r Report) subject() string {
	if r.DatabaseName == "" && r.DatabaseID == "" {
		return ""
	}
	configuration := "no configuration"
	if r.Config != "" {
		configuration = "configuration " + r.Config
	}
	database := cmp.Or(r.DatabaseName, r.DatabaseID)
	if r.File == "" && r.DatabaseID != "" && r.DatabaseID != database {
		database += " (" + r.DatabaseID + ")" // which is what counts, whatever it is called here
	}
	words := fmt.Sprintf("environment %s, database %s, %s", r.Environment, database, configuration)
	if r.TokenSource != "" {
		words += ", token from " + r.TokenSource
	}
	return words
}

// notRehearsed says why what the report is about was not rehearsed at all; "" if it was.
func (r Report) notRehearsed() string {
	reason := r.Result.Rehearsal.Reason
	if reason == "" || r.Command == "baseline" || len(r.Result.Applied) == 0 && len(r.Result.Comparison.Pending) == 0 {
		return ""
	}
	return NotRehearsed + reason
}

// Output is one step output.
type Output struct{ Name, Value string }

// Outputs returns the step outputs in the contract's order.
func (r Report) Outputs() []Output {
	j := func(names []string) string {
		data, _ := json.Marshal(names) // strings always marshal
		return string(data)
	}
	applied, pending := r.appliedNames(), r.PendingNames()
	hazards, _ := r.hazardsJSON()
	return []Output{
		{"status", string(r.Result.Status)},
		{"environment", r.Environment},
		{"database-name", r.DatabaseName},
		{"database-id", r.DatabaseID},
		{"bookmark", string(r.Result.Bookmark)},
		{"previous-bookmark", string(r.Result.PreviousBookmark)},
		{"applied", j(applied)},
		{"pending", j(pending)},
		{"held", j(r.heldNames())},
		{"missing", j(orEmpty(r.Result.Comparison.Missing))},
		{"applied-count", fmt.Sprint(len(applied))},
		{"pending-count", fmt.Sprint(len(pending))},
		{"hazards", hazards},
		{"drift", r.driftState()},
		{"worker-version", r.Result.WorkerVersion},
		{"rollback-command", r.Rollback},
		{"comment-url", r.CommentURL},
		{"backup-file", r.backupFile()},
	}
}

func (r Report) backupFile() string {
	if r.Command == "create" {
		return ""
	}
	return r.Path
}

// JSON returns the outputs under camelCase names, lists as lists and counts as numbers,
// with the details of the run. It is one document that ends with a newline.
func JSON(r Report) []byte {
	document := map[string]any{}
	for _, o := range r.Outputs() {
		var value any = o.Value
		switch o.Name {
		case "applied", "pending", "held", "missing", "hazards", "applied-count", "pending-count":
			value = json.RawMessage(o.Value)
		}
		document[camel(o.Name)] = value
	}
	c := r.Result.Comparison
	document["command"] = r.Command
	document["configuration"] = r.Config
	if r.TokenSource != "" {
		document["tokenSource"] = r.TokenSource
	}
	document["exitCode"] = r.ExitCode
	document["warnings"] = append(orEmpty(r.Result.Warnings), r.Warnings...)
	document["edited"], document["outOfOrder"], document["duplicates"] = orEmpty(c.Edited), orEmpty(c.OutOfOrder), orEmpty(c.Duplicates)
	r.findingsJSON(document)
	document["dryRun"] = r.Result.DryRun
	if len(r.Result.Unclear) > 0 {
		document["unclear"] = names(r.Result.Unclear)
	}
	if r.Result.Transport != "" {
		document["transport"] = r.Result.Transport
	}
	if r.Fallback != "" {
		document["fallbackCommand"] = r.Fallback
	}
	if r.offersLast() {
		last := r.Result.Last
		document["lastChange"] = map[string]any{"kind": last.Kind, "at": last.At, "migrations": fileNames(last.Migrations), "bookmark": last.Bookmark,
			"actor": last.Origin.Actor, "commit": last.Origin.Commit, "runUrl": last.Origin.RunURL, "rollbackCommand": r.LastRollback}
	}
	if !r.Until.IsZero() {
		document["bookmarkExpires"] = r.Until.UTC().Format(time.RFC3339)
	}
	if r.File != "" {
		document["file"] = r.File
	}
	if r.Command == "restore" {
		document["target"] = r.Result.Target
		document["undone"] = fileNames(r.Result.Undone)
		document["workerRolledBack"] = r.Result.WorkerRolledBack
	}
	if r.Command == "create" {
		document["created"] = r.Path
	}
	if i := r.Info; i != nil {
		document["bookmark"], document["at"] = i.Bookmark, i.At.UTC().Format(time.RFC3339)
		if i.Kept != nil {
			document["copies"], document["copiesBytes"], document["copiesLimit"], document["oldestBookmark"] = i.Kept.Copies, i.Kept.Bytes, i.Kept.Limit, i.Kept.Oldest
		}
	}
	if r.Checks != nil {
		document["checks"] = r.Checks
	}
	if p := r.Problem(); p != nil {
		document["error"] = map[string]any{"message": p.Error(), "file": p.File, "line": p.Line, "statement": p.SQL, "state": p.State, "next": p.Next}
	}
	data, err := json.MarshalIndent(document, "", "  ")
	if err != nil {
		panic(err) // strings, finite numbers and lists of them only
	}
	return append(data, '\n')
}

func camel(name string) string {
	words := strings.Split(name, "-")
	for i := 1; i < len(words); i++ {
		words[i] = strings.ToUpper(words[i][:1]) + words[i][1:]
	}
	return strings.Join(words, "")
}

// Verdict is the outcome in one line.
func (r Report) Verdict() string {
	if r.Err == nil && (r.Command == "status" || r.Command == "migrate") {
		return r.outcome() + r.findings()
	}
	return r.outcome()
}

func (r Report) outcome() string {
	res := r.Result
	switch {
	case r.Err != nil:
		return r.Command + " " + string(res.Status)
	case res.Status == migration.Offline:
		return fmt.Sprintf("offline: %s checked, the database was not asked", migration.Count(len(res.Checked), "migration"))
	case r.Command == "info":
		return fmt.Sprintf("bookmark at %s: %s", r.Info.At.UTC().Format(time.RFC3339), r.Info.Bookmark)
	case r.Command == "create":
		return "created " + r.Path
	case r.Command == "backup":
		return "backed up to " + r.Path
	case r.Command == "doctor":
		if i := slices.IndexFunc(r.Checks, func(c Check) bool { return !c.OK }); i >= 0 {
			return "not everything is in order"
		}
		return "everything is in order"
	case r.Command == "reset":
		return "reset: emptied, then applied " + migration.Count(len(res.Applied), "migration")
	case r.Command == "baseline" && res.Status == migration.Baselined:
		return "recorded " + migration.Count(len(res.Applied), "migration") + " as applied, without running them"
	case r.Command == "restore" && res.Status == migration.UpToDate:
		return "nothing to restore: the database is in that state already"
	case r.Command == "restore":
		return "restored to " + string(res.Target)
	case res.DryRun && res.Status == migration.Pending:
		return fmt.Sprintf("dry run: %s would be applied; nothing was written", migration.Count(len(res.NotRun), "migration"))
	case res.Rival && len(res.Applied) == 0:
		return "nothing left to do: another run applied the migrations meanwhile"
	case res.Status == migration.Applied:
		return fmt.Sprintf("applied %s in %s", migration.Count(len(res.Applied), "migration"), res.Elapsed.Round(time.Millisecond))
	case res.Status == migration.Pending && len(res.Comparison.Held) > 0:
		return fmt.Sprintf("%d pending (%d of them held), %d applied", len(res.Comparison.Pending), len(res.Comparison.Held), len(res.Comparison.Applied))
	case res.Status == migration.Pending:
		return fmt.Sprintf("%d pending, %d applied", len(res.Comparison.Pending), len(res.Comparison.Applied))
	case len(res.Comparison.Pending) > 0:
		return fmt.Sprintf("up to date as far as asked: %d applied, %d pending", len(res.Comparison.Applied), len(res.Comparison.Pending))
	default:
		return fmt.Sprintf("up to date: %d applied, nothing pending", len(res.Comparison.Applied))
	}
}

// What notes begin with that say what is not known.
const (
	NotRehearsed = "not rehearsed: " // why there was no rehearsal, or what it left out
	DriftUnknown = "drift unknown: "
)

const (
	noteUndone  = "undone by the restore: "
	noteRedone  = "applied again: "
	noteHolding = "held from now on, until a file changes or --release-hold: "
)

// Notes are the findings worth a line each.
func (r Report) Notes() []string {
	c := r.Result.Comparison
	var notes []string
	add := func(format string, list []string) {
		if len(list) > 0 {
			notes = append(notes, fmt.Sprintf(format, strings.Join(list, ", ")))
		}
	}
	// Where there was a rehearsal these are hazards, and said once.
	unsaid := func(code string, names []string) []string {
		return slices.DeleteFunc(slices.Clone(names), func(name string) bool {
			return slices.ContainsFunc(r.Result.Hazards, func(h migration.Hazard) bool { return h.Code == code && h.File == name })
		})
	}
	add("missing: applied, but the file is gone: %s", unsaid(migration.CodeMissing, c.Missing))
	add("edited since applied (the database keeps the old content): %s", unsaid(migration.CodeEdited, c.Edited))
	add("out of order: pending, but sorted before an applied one: %s", unsaid(migration.CodeOutOfOrder, c.OutOfOrder))
	for _, d := range c.Duplicates {
		if len(unsaid(migration.CodeDuplicateNumber, d)) == len(d) {
			add("same number: %s", d)
		}
	}
	if c.HoldEnded != "" {
		notes = append(notes, c.HoldEnded)
	}
	if r.heldUntilMerge() {
		add("held, because a restore undid it: %s; after the merge migrate refuses until one of the held files changes or goes, or the hold is released", c.Held)
	}
	if len(r.Result.Undone) > 0 {
		add(noteUndone+"%s", fileNames(r.Result.Undone))
	}
	add(noteRedone+"%s", r.Result.Redone)
	if len(r.Result.Holding) > 0 {
		add(noteHolding+"%s", fileNames(r.Result.Holding))
	}
	if r.Result.Status == migration.Restored {
		held := r.heldNames()
		when := "the next migrate applies it"
		if len(held) > 0 {
			when = "a migrate applies it as soon as the hold is over"
		}
		add("pending and not held, so "+when+": %s", slices.DeleteFunc(r.PendingNames(), func(n string) bool { return slices.Contains(held, n) }))
	}
	if text := r.notRehearsed(); text != "" {
		notes = append(notes, text)
	}
	for _, gap := range r.Result.Rehearsal.Gaps {
		notes = append(notes, NotRehearsed+gap)
	}
	if d := r.Result.Drift; d.State == "unknown" && d.Reason != "" && d.Reason != migration.DriftNotLookedFor {
		notes = append(notes, DriftUnknown+d.Reason)
	}
	if r.Result.WorkerRolledBack != "" {
		notes = append(notes, fmt.Sprintf("the Worker was put back to version %s (before: %s)", r.Result.WorkerRolledBack, r.Result.WorkerVersion))
	}
	if strings.HasPrefix(r.Result.Transport, "import") {
		sent := "sent by "
		if len(r.Result.Applied) == 0 && r.Result.Status != migration.Uncertain {
			sent = "to be " + sent
		}
		notes = append(notes, sent+r.Result.Transport)
	}
	return append(append(notes, r.Result.Warnings...), r.Warnings...)
}

func names(migrations []migration.Migration) []string {
	list := []string{}
	for _, m := range migrations {
		list = append(list, m.Name)
	}
	return list
}

func fileNames(files []migration.File) []string {
	list := []string{}
	for _, f := range files {
		list = append(list, f.Name)
	}
	return list
}

// orEmpty is a copy of list that JSON writes as a list, also where there is nothing in it.
func orEmpty[T any](list []T) []T {
	return append([]T{}, list...)
}
