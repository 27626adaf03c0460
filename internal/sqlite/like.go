package sqlite

import (
	"errors"
	"strings"
	"sync"

	"github.com/ncruces/go-sqlite3"
)

// likeAsD1 makes LIKE and GLOB read a BLOB as text. D1's SQLite does, the embedded one is built
// with SQLITE_LIKE_DOESNT_MATCH_BLOBS: so they are answered by a connection of their own, which
// is never given a BLOB. PRAGMA case_sensitive_like, which defines LIKE anew, undoes that.
func (c conn) likeAsD1() error {
	var failed error
	for _, o := range operators {
		failed = errors.Join(failed, c.CreateFunction(o.function, o.operands, sqlite3.DETERMINISTIC|sqlite3.INNOCUOUS,
			func(ctx sqlite3.Context, args ...sqlite3.Value) {
				if matches, err := o.matches(args); err != nil {
					message, _, _ := strings.Cut(describe(err), ": SQLITE_")
					ctx.ResultError(errors.New(message))
				} else if matches != nil {
					ctx.ResultBool(*matches)
				}
			}))
	}
	return failed
}

// operator is LIKE or GLOB, asked of SQLite.
type operator struct {
	function string
	operands int
	sql      string
	mutex    sync.Mutex
	stmt     *sqlite3.Stmt // for the life of the program
}

// The function's first operand is the pattern.
var operators = []*operator{
	{function: "like", operands: 2, sql: "SELECT ?2 LIKE ?1"},
	{function: "like", operands: 3, sql: "SELECT ?2 LIKE ?1 ESCAPE ?3"},
	{function: "glob", operands: 2, sql: "SELECT ?2 GLOB ?1"},
}

// matches returns nil for NULL.
func (o *operator) matches(args []sqlite3.Value) (result *bool, err error) {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	defer recovered(&err)
	if o.stmt == nil {
		c, err := sqlite3.Open(":memory:") // not by our open, which would have it ask us
		if err != nil {
			return nil, err
		}
		c.Limit(sqlite3.LIMIT_LIKE_PATTERN_LENGTH, limits[sqlite3.LIMIT_LIKE_PATTERN_LENGTH])
		if o.stmt, _, err = c.Prepare(o.sql); err != nil {
			return nil, errors.Join(err, c.Close())
		}
	}
	defer func() { err = errors.Join(err, o.stmt.Reset()) }()
	for i, arg := range args {
		bind := func() error { return o.stmt.BindText(i+1, arg.Text()) }
		if arg.Type() == sqlite3.NULL {
			bind = func() error { return o.stmt.BindNull(i + 1) }
		}
		if err := bind(); err != nil {
			return nil, err
		}
	}
	if o.stmt.Step() && o.stmt.ColumnType(0) != sqlite3.NULL {
		matches := o.stmt.ColumnBool(0)
		return &matches, nil
	}
	return nil, o.stmt.Err()
}
