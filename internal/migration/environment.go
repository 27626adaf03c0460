// Package migration is the engine: it compares the migrations directory with the ledger
// of an environment, and applies, baselines and restores. It owns the interface that an
// environment must satisfy and reaches databases and files through nothing else.
package migration

import (
	"context"
	"errors"
	"strings"
	"time"
)

// Bookmark names one state of a database: 8, 8, 8 and 32 hexadecimal digits joined by
// hyphens. Bookmarks of one database sort by time.
type Bookmark string

// Valid reports whether b has the form of a bookmark.
func (b Bookmark) Valid() bool {
	groups := strings.Split(string(b), "-")
	if len(groups) != 4 {
		return false
	}
	for i, length := range []int{8, 8, 8, 32} {
		if len(groups[i]) != length || strings.Trim(groups[i], "0123456789abcdef") != "" {
			return false
		}
	}
	return true
}

// Retention is how long Time Travel keeps a state on a paid plan; on the free one it is 7 days
// (https://developers.cloudflare.com/d1/reference/time-travel/).
const Retention = 30 * 24 * time.Hour

// Environment is one D1 database, local or remote.
type Environment interface {
	// Read runs queries that change nothing and returns a result for each, in order. A
	// query that the database refuses has Rows.Err; the error is for an environment that
	// could not be asked at all. It creates nothing, not even a missing local file.
	Read(ctx context.Context, queries ...Query) ([]Rows, error)

	// Bookmark returns the bookmark of the state at the given time, or of the state now
	// for the zero time. A time without a known state is a *Problem of kind Usage.
	Bookmark(ctx context.Context, at time.Time) (Bookmark, error)

	// Apply runs batch in one transaction. A *StatementError means that a statement was
	// refused and nothing was committed, ErrMoved that the database is no longer in the
	// state batch was planned for, and nothing was written. After any other error the
	// outcome has to be read from the ledger; an *ApplyError says more about it.
	Apply(ctx context.Context, batch Batch) error

	// Restore puts the database back to the state named to and returns the bookmark that
	// undoes it. The ledger and the journal are part of the database and travel back too.
	// An *ApplyError means that it may have happened, unless it says Untouched.
	Restore(ctx context.Context, to Bookmark) (undo Bookmark, err error)
}

// Query is one SQL statement with its parameters.
type Query struct {
	SQL  string
	Args []any // nil, string, int64, float64, []byte
	// Optional names a table that may be missing: then only this query has an error. An
	// environment that runs all queries of a Read as one needs to know.
	Optional string
}

// Rows is the answer to a Query. Values are nil, int64, float64, string or []byte.
type Rows struct {
	Columns []string
	Values  [][]any
	Err     error
}

// Batch is what one transaction runs.
type Batch struct {
	// Planned is the bookmark of the state that the batch was planned for; "" if it fits
	// any. Environments that can't compare it within the transaction leave it to the
	// ledger's UNIQUE name.
	Planned    Bookmark
	Statements []BatchStatement
	// Run is the key of the journal row that the batch writes last; "" if it writes none.
	Run string
}

// BatchStatement is one statement of a Batch.
type BatchStatement struct {
	Query
	// Migration is the name of the migration that the statement comes from, "" for
	// statements of the ledger and the journal.
	Migration string
	Line      int // in the migration's file, 1-based
	// Unchanged marks the statement that fails where ledger and journal are not what the batch
	// was planned for.
	Unchanged bool
}

// StatementError says which statement of a batch the database refused.
type StatementError struct {
	Index  int    // into Batch.Statements; -1 if the database did not say
	Text   string // the database's own words
	Offset int    // in bytes into the statement, -1 if unknown
}

func (e *StatementError) Error() string { return e.Text }

// ApplyError is what an environment knows about a write that was not answered with a
// clear success. What became of it is for the ledger to say.
type ApplyError struct {
	Err       error         // *StatementError where a statement was refused
	Untouched bool          // the write did not reach the database
	Pending   bool          // the run gave up waiting: the write may yet take effect
	Transient bool          // the same write may well succeed if it is sent again
	After     time.Duration // how long the service asks to wait before that, 0 if it does not
}

func (e *ApplyError) Error() string { return e.Err.Error() }
func (e *ApplyError) Unwrap() error { return e.Err }

// ErrMoved is returned by Environment.Apply when someone else wrote to the database
// between planning and applying. Nothing was written.
var ErrMoved = errors.New("the database changed while the run was being prepared")

// A History is an environment that can tell which earlier states it keeps itself.
type History interface {
	Kept(ctx context.Context) (Kept, error)
}

// Kept describes the copies that the local Time Travel holds.
type Kept struct {
	Copies int
	Bytes  int64     // that they take on the disk together
	Limit  int64     // of Bytes; beyond it the oldest are removed
	Oldest Bookmark  // "" without copies
	Since  time.Time // when the oldest copy was taken
}

// A Transporter is an environment with more than one way to take a batch.
type Transporter interface {
	// Transport says in a few words how batch will be sent, and why if that is not the
	// usual way. The error is a *Problem where the batch can't be sent as it was asked for.
	Transport(batch Batch) (string, error)
}

// A Worker is the deployed program that uses the database.
type Worker interface {
	// Deployed returns the version that serves the requests, in a gradual deployment the one
	// that serves most of them.
	Deployed(ctx context.Context) (Deployment, error)
	// Versions describes the latest versions that could be deployed, newest first, one
	// line each.
	Versions(ctx context.Context) ([]string, error)
	// Rollback makes version serve all requests; why is kept with the deployment. An
	// *ApplyError means that it may have happened, unless it says Untouched.
	Rollback(ctx context.Context, version, why string) error
}

// Deployment is a version of a Worker that serves requests.
type Deployment struct {
	Version string
	Percent float64 // of the requests; less than 100 in a gradual deployment
}

// only reports whether version alone serves the requests.
func (d Deployment) only(version string) bool { return d.Version == version && d.Percent >= 100 }

// A Replacer is an environment whose whole content can be replaced: a local one.
type Replacer interface {
	// Draft returns a database with the content of the environment's state of, an empty one
	// for "", that behaves as the environment does and whose bookmark is planned, the one of
	// the environment now. Nobody else sees it. The caller closes it.
	Draft(ctx context.Context, of, planned Bookmark) (Draft, error)
	// Replace puts the content of draft in the place of the environment's own, after a copy
	// was taken. It happens completely or not at all, and with ErrMoved not at all, where the
	// environment is no longer in the state planned.
	Replace(ctx context.Context, draft Draft) error
}

// Draft is a database whose content may take an environment's place.
type Draft interface {
	Environment
	Close() error
}
