package cli

import (
	"errors"
	"strings"

	"github.com/d1-rewind/d1-rewind/internal/github"
	"github.com/d1-rewind/d1-rewind/internal/migration"
	"github.com/d1-rewind/d1-rewind/internal/report"
)

// outputs are the step outputs of the action. Where it writes to a database, later steps go by
// them: they deploy, or put back what failed. So a lost one is a failure there, and elsewhere a warning.
type outputs struct {
	runner *github.Runner
	mode   string
	dryRun bool
	warn   func(error)
}

func (o outputs) needed() bool { return writing[o.mode] && !o.dryRun }

// bookmark sets the output of that name as soon as the bookmark is known. Without it nothing is
// written, except that a restore goes on: the way back does not wait for a file. All outputs are
// set once more at the end.
func (o outputs) bookmark(b migration.Bookmark) error {
	err := o.runner.SetOutput("bookmark", string(b))
	if err == nil || !o.needed() || o.mode == "restore" {
		return nil
	}
	return lostOutputs(err, "", runAgain)
}

// set sets outputs and returns the exit code of the step: a lost one makes it fail where nothing
// else has.
func (o outputs) set(r report.Report, values ...report.Output) (code int) {
	for _, v := range values {
		err := o.runner.SetOutput(v.Name, v.Value)
		if err == nil {
			continue
		}
		if _, said := errors.AsType[*lostError](r.Err); said {
			return r.ExitCode
		}
		if !o.needed() || r.ExitCode != exitDone {
			o.warn(err)
			return r.ExitCode // the others would fail alike
		}
		failed := report.Report{Command: o.mode, Public: true, ExitCode: exitFailed,
			Err: lostOutputs(err, whatWasDone(r), "fix that, then do by hand what the later steps would have done: they did not get this step's outputs")}
		o.runner.Print(report.Error(failed, false))
		o.runner.Annotate(annotations(failed)...)
		return failed.ExitCode
	}
	return r.ExitCode
}

const runAgain = "fix that, then run again: without outputs later steps would not know what was done"

// lostError is why outputs can't be set.
type lostError struct{ error }

func (e *lostError) Error() string {
	return "the outputs of this step can't be set: " + e.error.Error()
}

func (e *lostError) Unwrap() error { return e.error }

// lostOutputs is the problem of outputs that can't be set.
func lostOutputs(err error, state, next string) error {
	return &migration.Problem{Err: &lostError{err}, State: state,
		Next: "look at the file that GITHUB_OUTPUT names (its owner, its disk); " + next}
}

// whatWasDone says what a run that had no error did to the database.
func whatWasDone(r report.Report) string {
	var names []string
	for _, m := range r.Result.Applied {
		names = append(names, m.Name)
	}
	said := "nothing was written"
	switch r.Result.Status {
	case migration.Applied:
		said = "applied and kept: " + strings.Join(names, ", ")
	case migration.Baselined:
		said = "recorded as applied: " + strings.Join(names, ", ")
	case migration.Restored:
		said = "the database was restored to " + string(r.Result.Target)
	}
	if r.Rollback != "" {
		said += "; to go back: " + r.Rollback
	}
	return said
}
