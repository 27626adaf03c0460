package migration

import "fmt"

// Kind says what a Problem means for the caller.
type Kind int

// The kinds of problems; each has an exit code of its own.
const (
	Failed  Kind = iota // it was tried and did not work
	Usage               // wrong options or configuration; nothing was tried
	Refused             // a guard said no; nothing was written
	Unknown             // the outcome could not be found out
	Stopped             // a signal ended the run
)

// Problem is an error as a user needs it: what happened, where, what state the database
// is in and what to do next.
type Problem struct {
	Kind Kind
	Err  error
	File string // a migration's name, "" if none is concerned
	Line int    // 1-based; 0 if unknown
	SQL  string // the statement concerned
	// Computed are those words of Err that a migration may have computed from rows: they are not
	// for those who may not see the rows. "" for none.
	Computed string
	Held     bool    // whether a hold is what refused
	Hazard   *Hazard // that a guard refused because of; nil if that is not the reason
	State    string  // which state the database is in
	Next     string  // what to do
}

func (p *Problem) Error() string {
	switch {
	case p.File != "" && p.Line > 0:
		return fmt.Sprintf("%s:%d: %v", p.File, p.Line, p.Err)
	case p.File != "":
		return fmt.Sprintf("%s: %v", p.File, p.Err)
	default:
		return p.Err.Error()
	}
}

func (p *Problem) Unwrap() error { return p.Err }

func usage(next, format string, args ...any) *Problem {
	return &Problem{Kind: Usage, Err: fmt.Errorf(format, args...), State: stateUntouched, Next: next}
}

const stateUntouched = "nothing was written"
