package migration

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Status is the outcome of a run in one word; see the contract's step outputs.
type Status string

// The outcomes.
const (
	UpToDate  Status = "up-to-date"
	Pending   Status = "pending"
	Applied   Status = "applied"
	Restored  Status = "restored"
	Baselined Status = "baselined"
	BackedUp  Status = "backed-up"
	Offline   Status = "offline" // nothing remote could be asked
	Refusal   Status = "refused"
	Failure   Status = "failed"
	Uncertain Status = "unknown"
)

// Result is everything a run found out and did. It is complete as far as the run came,
// also where an error stands beside it.
type Result struct {
	Status           Status
	Bookmark         Bookmark // before anything was changed
	PreviousBookmark Bookmark // restore and reset: undoes it
	Target           Bookmark // restore: the state gone back to
	Comparison       Comparison
	Applied          []Migration // by this run; baseline: recorded
	NotRun           []Migration // planned, but not applied
	Unclear          []Migration // of those not run: the ones that may have been committed
	Checked          []Migration // offline: what was looked at
	Undone           []File      // restore: what it undid
	Holding          []File      // restore: what is held from now on
	Redone           []string    // restore: the migrations that are applied again, where it undid a restore
	UndoneRuns       []Entry     // restore: the journal rows that travelled back with the database, oldest first
	Last             *Entry      // the newest migrate or restore that the journal knew when the run was planned; nil for none
	Rehearsal        Rehearsal
	Hazards          []Hazard // of the migrations that are planned, and of their files
	Drift            Drift
	DryRun           bool
	Rival            bool     // another run applied the migrations meanwhile
	WorkerVersion    string   // of the Worker, deployed when the run began; "" if not known
	WorkerRolledBack string   // restore: the version that was put back first
	Transport        string   // how the batch is sent, where there is a choice
	Warnings         []string // what could not be found out and stopped nothing
	Elapsed          time.Duration

	workerAsked bool
	bookmarkAt  time.Time       // when Bookmark was read
	schema      Schema          // when the run was planned
	expected    expected        // of ledger and journal, when the run writes
	seen        map[string]bool // the runs in the journal when the run was planned
}

// Settle gives a result that ends with err its status, and returns err as a *Problem that
// says what state the database is in. An interrupted run ends with the kind Stopped, unless
// it could not find out what it has done.
func (r Result) Settle(err error) (Result, error) {
	p, ok := errors.AsType[*Problem](err)
	switch {
	case ok && p.Kind == Unknown: // interrupted or not, it says what is known
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		p = &Problem{Kind: Stopped, Err: errors.New("interrupted"), Next: "run again to go on"}
		err = p
	case !ok:
		p = &Problem{Err: err}
		err = p
	}
	if (p.Kind == Refused || p.Kind == Usage) && len(r.Applied) > 0 {
		p.Kind = Failed // these mean that nothing was written
	}
	r.Status = Failure
	switch p.Kind {
	case Refused:
		r.Status = Refusal
	case Unknown:
		r.Status = Uncertain
	}
	switch {
	case p.Kind == Unknown && len(r.Applied) > 0:
		p.State += "; applied before that and kept: " + strings.Join(names(r.Applied), ", ")
	case p.State != "" && p.State != stateUntouched:
	case len(r.Applied) > 0: // what failed did not write, but what came before it did
		p.State = "applied before that and kept: " + strings.Join(names(r.Applied), ", ")
	default:
		p.State = stateUntouched
	}
	r.halfDone(p)
	return r, err
}

// halfDone adds to the problem of a restore that ended after the Worker was put back what
// that leaves behind.
func (r *Result) halfDone(p *Problem) {
	if r.WorkerRolledBack == "" || r.PreviousBookmark != "" {
		return
	}
	worker := fmt.Sprintf("the Worker was put back to version %s", r.WorkerRolledBack)
	if p.Kind == Unknown {
		p.State = worker + "; " + p.State
	} else {
		p.State = worker + ", the database was not restored: it is as it was before"
	}
	if p.Next == "" {
		p.Next = "run the same restore again"
	}
	p.Next += "; the Worker is found in place then"
	if r.WorkerVersion != "" {
		p.Next += ", or put it forward again: wrangler rollback " + r.WorkerVersion
	}
}

// HeldPullRequests returns the pull requests whose runs the last restore undid: they are told
// how it went on.
func (r Result) HeldPullRequests() []string {
	if r.Last == nil || r.Last.Kind != "restore" {
		return nil
	}
	return pullRequests(r.Last.Undone)
}

// UndonePullRequests returns the pull requests whose runs a restore undid, the newest first,
// and those of runs that an undone restore had undone.
func (r Result) UndonePullRequests() []string { return pullRequests(r.UndoneRuns) }

func pullRequests(entries []Entry) []string {
	var numbers []string
	for _, e := range slices.Backward(entries) {
		for _, n := range slices.Concat(strings.Split(e.Origin.PullRequest, ","), pullRequests(e.Undone), e.PullRequests) {
			if n != "" && !slices.Contains(numbers, n) {
				numbers = append(numbers, n)
			}
		}
	}
	return numbers
}
