package sqlite

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ncruces/go-sqlite3"

	"github.com/d1-rewind/d1-rewind/internal/migration"
)

// Action is what a statement does, in the words of SQLite's authorizer
// (https://www.sqlite.org/c3ref/c_alter_table.html), without the prefix and in capitals.
type Action string

// The actions that tell what a statement touches.
const (
	Read        Action = "READ"
	Insert      Action = "INSERT"
	Update      Action = "UPDATE"
	Delete      Action = "DELETE"
	AlterTable  Action = "ALTER_TABLE"
	CreateTable Action = "CREATE_TABLE"
	DropTable   Action = "DROP_TABLE"
	CreateIndex Action = "CREATE_INDEX"
	DropIndex   Action = "DROP_INDEX"
	CreateView  Action = "CREATE_VIEW"
	DropView    Action = "DROP_VIEW"
	CreateTrig  Action = "CREATE_TRIGGER"
	DropTrig    Action = "DROP_TRIGGER"
	CreateVirt  Action = "CREATE_VTABLE"
	DropVirt    Action = "DROP_VTABLE"
	Pragma      Action = "PRAGMA"
	Function    Action = "FUNCTION"
)

var actions = map[sqlite3.AuthorizerActionCode]Action{
	sqlite3.AUTH_READ: Read, sqlite3.AUTH_INSERT: Insert, sqlite3.AUTH_UPDATE: Update, sqlite3.AUTH_DELETE: Delete,
	sqlite3.AUTH_ALTER_TABLE: AlterTable, sqlite3.AUTH_CREATE_TABLE: CreateTable, sqlite3.AUTH_DROP_TABLE: DropTable,
	sqlite3.AUTH_CREATE_INDEX: CreateIndex, sqlite3.AUTH_DROP_INDEX: DropIndex, sqlite3.AUTH_CREATE_VIEW: CreateView,
	sqlite3.AUTH_DROP_VIEW: DropView, sqlite3.AUTH_CREATE_TRIGGER: CreateTrig, sqlite3.AUTH_DROP_TRIGGER: DropTrig,
	sqlite3.AUTH_CREATE_VTABLE: CreateVirt, sqlite3.AUTH_DROP_VTABLE: DropVirt, sqlite3.AUTH_PRAGMA: Pragma,
	sqlite3.AUTH_FUNCTION: Function,
}

// Event is one thing that SQLite asked its authorizer about a statement.
type Event struct {
	Action Action
	Object string // the table, view, index or trigger; of a PRAGMA its name; of a FUNCTION ""
	Detail string // READ and UPDATE: the column; PRAGMA: the argument; FUNCTION: its name; indexes and triggers: their table
	Inner  string // the trigger or view within which it happens; "" for the statement itself
}

// Trial is one statement of a batch that is being tried.
type Trial struct {
	Index int // into the batch; it counts up
	// Compiles reports whether SQLite could make a program of it: then a refusal may be about rows.
	Compiles bool
	Events   []Event // what compiling it asked for; after it ran, also what running it did
	Answer   Answer  // after it ran
	Took     time.Duration
	// Refusal is why D1 would refuse the statement, or the migration that it is the last of.
	Refusal *migration.StatementError
	// Deferred tells that the statement itself was taken, but the migration ends with a foreign
	// key violated.
	Deferred bool
}

// Watch is told about each statement of a batch that is being tried.
type Watch interface {
	// Before is called before a statement runs.
	Before(*Look, *Trial) error
	// After is called when it ran, or was refused: then the trial goes on without it if the answer is
	// nil, and ends with the refusal if that is returned.
	After(*Look, *Trial) error
	// End is called behind the last statement, in the same transaction.
	End(*Look) error
}

// Try runs batch as Apply does, in one transaction, and takes it back at the end. The error is
// what Apply would return, or what watch returned.
func (m *Scratch) Try(ctx context.Context, batch migration.Batch, watch Watch) error {
	return withConn(ctx, m.uri, sqlite3.OPEN_READWRITE, func(c conn) error {
		if err := c.asD1(); err != nil {
			return err
		}
		if err := c.exec("BEGIN IMMEDIATE"); err != nil {
			return err
		}
		err := c.run(batch, nil, watch)
		c.SetInterrupt(context.WithoutCancel(ctx))
		if !c.GetAutocommit() {
			err = errors.Join(err, c.exec("ROLLBACK"))
		}
		return err
	})
}

// Look is how a Watch looks at the database between two statements, within the transaction.
type Look struct {
	c     conn
	guard *authorizer
}

// Query runs a query of our own, past D1's authorizer.
func (l *Look) Query(sql string, args ...any) (migration.Rows, error) {
	defer l.authorized(false)()
	return l.c.query(migration.Query{SQL: sql, Args: args})
}

// Exec runs SQL of our own, past D1's authorizer.
func (l *Look) Exec(sql string) error {
	defer l.authorized(false)()
	return l.c.exec(sql)
}

// authorized switches D1's authorizer on or off until what it returns is called, which also
// forgets what was asked of it meanwhile.
func (l *Look) authorized(on bool) (back func()) {
	off, events := l.guard.off, l.guard.events
	l.guard.off, l.guard.events = !on, nil
	return func() { l.guard.off, l.guard.events = off, events }
}

// Gone reports whether the last statement has rolled the whole transaction back.
func (l *Look) Gone() bool { return l.c.GetAutocommit() }

// Violated returns how many violated foreign keys the transaction has put off.
func (l *Look) Violated() (int64, error) {
	n, _, err := l.c.Status(sqlite3.DBSTATUS_DEFERRED_FKS, false)
	return n, err
}

// Compiles reports whether D1 takes a statement, which is not run: the error has SQLite's words.
func (l *Look) Compiles(sql string) error {
	defer l.authorized(true)()
	if err := l.c.prepare(sql); err != nil {
		return errors.New(describe(err))
	}
	return nil
}

// Alone returns what a statement asks for as if there were no foreign keys, and why it does not
// compile.
func (l *Look) Alone(sql string) (events []Event, err error) {
	defer l.authorized(true)()
	if _, err := l.c.Config(sqlite3.DBCONFIG_ENABLE_FKEY, false); err != nil {
		return nil, err
	}
	err = l.c.prepare(sql)
	_, failed := l.c.Config(sqlite3.DBCONFIG_ENABLE_FKEY, true)
	return l.guard.events, errors.Join(err, failed)
}

// RemoteArguments is how many arguments a function may have in D1; workerd takes more
// (https://developers.cloudflare.com/d1/platform/limits/).
const RemoteArguments = 32

// WithinArguments is Compiles under D1's documented limit for arguments of functions.
func (l *Look) WithinArguments(sql string) error {
	defer l.c.Limit(sqlite3.LIMIT_FUNCTION_ARG, l.c.Limit(sqlite3.LIMIT_FUNCTION_ARG, RemoteArguments))
	return l.Compiles(sql)
}

// Build makes the objects of a schema in an empty database, without rows. The error names the
// object that could not be made.
func (m *Scratch) Build(ctx context.Context, schema migration.Schema) error {
	return m.build(ctx, schema, func(conn) error { return nil })
}

// build makes the objects in an order that always works: virtual tables, which bring their shadow
// tables; the other tables; then, when rows has filled them, indexes, views and triggers. Neither
// foreign keys nor D1's limits hold meanwhile: what D1 has, it took at some time.
func (m *Scratch) build(ctx context.Context, schema migration.Schema, rows func(conn) error) error {
	return withConn(ctx, m.uri, sqlite3.OPEN_READWRITE, func(c conn) error {
		for option, on := range map[sqlite3.DBConfig]bool{sqlite3.DBCONFIG_ENABLE_FKEY: false, sqlite3.DBCONFIG_DQS_DML: true, sqlite3.DBCONFIG_DQS_DDL: true,
			sqlite3.DBCONFIG_DEFENSIVE: false, sqlite3.DBCONFIG_TRUSTED_SCHEMA: true} {
			if _, err := c.Config(option, on); err != nil {
				return err
			}
		}
		c.Limit(sqlite3.LIMIT_ATTACHED, 0) // what comes from a database stays in this one
		if err := c.exec("BEGIN IMMEDIATE"); err != nil {
			return err
		}
		for _, step := range []func(migration.Object) bool{
			func(o migration.Object) bool { return o.Type == "table" && IsVirtual(o.SQL) },
			func(o migration.Object) bool { return o.Type == "table" && !IsVirtual(o.SQL) },
			nil, // rows
			func(o migration.Object) bool { return o.Type == "index" },
			func(o migration.Object) bool { return o.Type == "view" },
			func(o migration.Object) bool { return o.Type == "trigger" },
		} {
			if step == nil {
				if err := rows(c); err != nil {
					return err
				}
				continue
			}
			for _, o := range schema {
				if !step(o) || o.SQL == "" {
					continue
				}
				if there, err := c.has(o); err != nil {
					return err
				} else if there {
					continue // a shadow table
				}
				if err := c.single(o.SQL); err != nil {
					return fmt.Errorf("%s %q: %w", o.Type, o.Name, errors.New(describe(err)))
				}
			}
		}
		return c.exec("COMMIT")
	})
}

// single runs exactly one statement, past D1's authorizer.
func (c conn) single(sql string) error {
	_, err := c.answer(migration.Query{SQL: sql})
	return err
}

func (c conn) has(o migration.Object) (bool, error) {
	rows, err := c.query(migration.Query{SQL: "SELECT 1 FROM sqlite_schema WHERE type = ? AND name = ?", Args: []any{o.Type, o.Name}})
	return len(rows.Values) > 0, err
}

// IsVirtual tells of a stored definition whether it is that of a virtual table: SQLite writes
// these words itself.
func IsVirtual(sql string) bool {
	const words = "CREATE VIRTUAL TABLE "
	return len(sql) >= len(words) && strings.EqualFold(sql[:len(words)], words)
}
