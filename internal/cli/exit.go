package cli

import (
	"context"
	"errors"
	"os"
	"syscall"

	"github.com/d1-rewind/d1-rewind/internal/migration"
	"github.com/d1-rewind/d1-rewind/internal/report"
)

// The exit codes of the contract.
const (
	exitDone       = 0
	exitFailed     = 1
	exitUsage      = 2
	exitRefused    = 3
	exitUnknown    = 4
	exitPending    = 5
	exitInterrupt  = 130
	exitTerminated = 143
)

var exitCodes = []struct {
	code    int
	meaning string
}{
	{exitDone, "done, nothing to do, or another run did it meanwhile"},
	{exitFailed, "failed; the message says what state the database is in"},
	{exitUsage, "wrong usage or configuration"},
	{exitRefused, "refused by a guard; nothing was written"},
	{exitUnknown, "the outcome could not be found out; the message says how to"},
	{exitPending, "status --exit-code: something is pending"},
	{exitInterrupt, "interrupted (SIGINT), after finding out what was applied"},
	{exitTerminated, "interrupted (SIGTERM), after finding out what was applied"},
}

// Interrupt is the cause of a context that a signal cancelled.
type Interrupt struct{ Signal os.Signal }

func (i *Interrupt) Error() string { return i.Signal.String() }

func (i *Interrupt) code() int {
	if i.Signal == syscall.SIGTERM {
		return exitTerminated
	}
	return exitInterrupt
}

// exitCode is the process's answer to a report that is settled.
func exitCode(ctx context.Context, r report.Report, s settings) int {
	if i, ok := errors.AsType[*Interrupt](context.Cause(ctx)); ok && r.Err == nil {
		return i.code() // all is done, but whoever sent the signal does not want to go on
	}
	if r.Err == nil {
		if r.Command == "status" && s.on("exit-code") && len(r.PendingNames()) > 0 {
			return exitPending
		}
		for _, c := range r.Checks {
			if !c.OK {
				return exitFailed
			}
		}
		return exitDone
	}
	p, ok := errors.AsType[*migration.Problem](r.Err)
	if !ok {
		return exitFailed
	}
	switch p.Kind {
	case migration.Usage:
		return exitUsage
	case migration.Refused:
		return exitRefused
	case migration.Unknown:
		return exitUnknown
	case migration.Stopped:
		if i, ok := errors.AsType[*Interrupt](context.Cause(ctx)); ok {
			return i.code()
		}
		return exitInterrupt
	default:
		return exitFailed
	}
}
