// Package sqlite is the embedded SQLite, set up the way D1 sets up its own, and the local
// environment on top of it: the file that wrangler dev serves, with a Time Travel of its
// own. What D1 accepts, refuses and says was tested against workerd's SQLite.
package sqlite

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/ext/fts5"
	"github.com/ncruces/go-sqlite3/ext/rtree"

	"github.com/d1-rewind/d1-rewind/internal/migration"
)

// busyTimeout is how long a write waits for another process. wrangler dev itself does not
// wait at all, so its writes are short.
const busyTimeout = 5 * time.Second

// maxStatement is D1's limit for one statement, in bytes
// (https://developers.cloudflare.com/d1/platform/limits/).
const maxStatement = 100_000

// limits are those of D1's engine, as measured on workerd; VDBE_OP is left alone because
// its effect depends on the size of a pointer.
var limits = map[sqlite3.LimitCategory]int{
	sqlite3.LIMIT_LENGTH:              8_388_642,
	sqlite3.LIMIT_SQL_LENGTH:          maxStatement,
	sqlite3.LIMIT_COLUMN:              100,
	sqlite3.LIMIT_EXPR_DEPTH:          100,
	sqlite3.LIMIT_COMPOUND_SELECT:     5,
	sqlite3.LIMIT_FUNCTION_ARG:        127,
	sqlite3.LIMIT_ATTACHED:            0,
	sqlite3.LIMIT_LIKE_PATTERN_LENGTH: 50,
	sqlite3.LIMIT_VARIABLE_NUMBER:     100,
	sqlite3.LIMIT_TRIGGER_DEPTH:       10,
	sqlite3.LIMIT_WORKER_THREADS:      0,
}

// conn is a connection whose calls never panic: the library panics when memory runs out
// and when an error offset belongs to SQL that SQLite made itself.
type conn struct{ *sqlite3.Conn }

func open(ctx context.Context, uri string, flags sqlite3.OpenFlag) (_ conn, err error) {
	defer recovered(&err)
	c, err := sqlite3.OpenFlags(uri, flags|sqlite3.OPEN_URI)
	if err != nil {
		return conn{}, err
	}
	c.SetInterrupt(ctx)
	if err := errors.Join(c.BusyTimeout(busyTimeout), fts5.Register(c), rtree.Register(c), conn{c}.likeAsD1()); err != nil {
		return conn{}, errors.Join(err, c.Close())
	}
	return conn{c}, nil
}

// asD1 sets the connection up as D1 does: foreign keys always on, double-quoted strings
// allowed, D1's limits and its authorizer.
func (c conn) asD1() error {
	for option, on := range map[sqlite3.DBConfig]bool{
		sqlite3.DBCONFIG_ENABLE_FKEY:     true,
		sqlite3.DBCONFIG_DQS_DML:         true,
		sqlite3.DBCONFIG_DQS_DDL:         true,
		sqlite3.DBCONFIG_DEFENSIVE:       true,
		sqlite3.DBCONFIG_TRUSTED_SCHEMA:  true,
		sqlite3.DBCONFIG_WRITABLE_SCHEMA: false,
	} {
		if _, err := c.Config(option, on); err != nil {
			return err
		}
	}
	for category, value := range limits {
		c.Limit(category, value)
	}
	return nil
}

// exec runs our own SQL, past D1's authorizer.
func (c conn) exec(sql string) (err error) {
	defer recovered(&err)
	return c.Exec(sql)
}

// words is an error in D1's own words.
type words string

func (w words) Error() string { return string(w) }

// query runs one statement with parameters and returns its rows.
func (c conn) query(q migration.Query) (migration.Rows, error) {
	answer, err := c.answer(q)
	return answer.Rows, err
}

func (c conn) answer(q migration.Query) (rows Answer, err error) {
	defer recovered(&err)
	before := c.TotalChanges()
	stmt, tail, err := c.Prepare(q.SQL)
	if err != nil {
		return rows, err
	}
	if stmt == nil || strings.Trim(tail, " \t\r\n;") != "" {
		return rows, errors.Join(errors.New("SQL code did not contain exactly one statement"), stmt.Close())
	}
	defer func() { err = errors.Join(err, stmt.Close()) }()
	if stmt.BindCount() != len(q.Args) {
		return rows, words("Wrong number of parameter bindings for SQL query.")
	}
	for i, arg := range q.Args {
		if err := bind(stmt, i+1, arg); err != nil {
			return rows, err
		}
	}
	for i := range stmt.ColumnCount() {
		rows.Columns = append(rows.Columns, stmt.ColumnName(i))
	}
	for stmt.Step() {
		row := make([]any, stmt.ColumnCount())
		for i := range row {
			row[i] = column(stmt, i)
		}
		rows.Values = append(rows.Values, row)
	}
	rows.Changes, rows.LastRowID, rows.ReadOnly = c.TotalChanges()-before, c.LastInsertRowID(), stmt.ReadOnly()
	if rows.Changes > 0 {
		rows.Own = c.Conn.Changes()
	}
	return rows, stmt.Err()
}

func bind(stmt *sqlite3.Stmt, i int, arg any) error {
	switch v := arg.(type) {
	case nil:
		return stmt.BindNull(i)
	case string:
		return stmt.BindText(i, v)
	case int64:
		return stmt.BindInt64(i, v)
	case float64:
		return stmt.BindFloat(i, v)
	case []byte:
		return stmt.BindBlob(i, v)
	default:
		return fmt.Errorf("parameter %d has the type %T", i, arg)
	}
}

func column(stmt *sqlite3.Stmt, i int) any {
	switch stmt.ColumnType(i) {
	case sqlite3.INTEGER:
		return stmt.ColumnInt64(i)
	case sqlite3.FLOAT:
		return stmt.ColumnFloat(i)
	case sqlite3.TEXT:
		return stmt.ColumnText(i)
	case sqlite3.BLOB:
		return stmt.ColumnBlob(i, nil)
	default:
		return nil
	}
}

func (c conn) value(sql string) (any, error) {
	rows, err := c.query(migration.Query{SQL: sql})
	if err != nil {
		return nil, err
	}
	if len(rows.Values) == 0 || len(rows.Values[0]) == 0 {
		return nil, nil
	}
	return rows.Values[0][0], nil
}

func (c conn) pageSize() (bytes int64, err error) {
	size, err := c.value("PRAGMA page_size")
	bytes, _ = size.(int64)
	return bytes, err
}

func recovered(err *error) {
	if r := recover(); r != nil {
		if fmt.Sprint(r) == "sqlite3: out of memory" {
			*err = errors.Join(*err, errors.New("out of memory: SQLITE_NOMEM"))
			return
		}
		// The offset of an error inside SQL that SQLite made itself, as for ALTER TABLE …
		// CONSTRAINT, points outside of the statement.
		*err = errors.Join(*err, words("not authorized, or refused inside of SQL that SQLite made itself: SQLITE_ERROR"))
	}
}

// Answer is what one statement of a batch gave.
type Answer struct {
	migration.Rows
	Changes   int64 // rows changed by it
	Own       int64 // of these not by triggers or foreign keys
	LastRowID int64
	ReadOnly  bool // it can't have changed anything
}

// run executes the statements of a batch one by one inside a transaction that the caller
// has opened, and hands each one's answer to each. Both each and watch may be nil. The error is
// a *migration.StatementError with D1's words.
func (c conn) run(batch migration.Batch, each func(Answer), watch Watch) error {
	guard := &authorizer{watched: watch != nil}
	if err := c.SetAuthorizer(guard.authorize); err != nil {
		return err
	}
	defer func() { _ = c.SetAuthorizer(nil) }()
	internal, err := c.internalNames()
	if err != nil {
		return err
	}
	look := &Look{c, guard}
	for i, s := range batch.Statements {
		trial := &Trial{Index: i}
		if watch != nil {
			guard.events = nil
			trial.Compiles = c.prepare(s.SQL) == nil // and for its events; an error comes again
			trial.Events = guard.events
			if err := watch.Before(look, trial); err != nil {
				return err
			}
		}
		if err := c.one(s, trial, guard, internal); err != nil {
			return err
		}
		if each != nil {
			each(trial.Answer)
		}
		last := i+1 == len(batch.Statements) || batch.Statements[i+1].Migration != s.Migration
		if s.Migration != "" && last && trial.Refusal == nil {
			if err := c.noneViolated(); err != nil {
				trial.Refusal, trial.Deferred = refused(i, s.SQL, err, false), true
			}
		}
		switch {
		case watch != nil:
			if err := watch.After(look, trial); err != nil {
				return err
			}
			if trial.Refusal != nil && c.GetAutocommit() {
				return trial.Refusal // with the transaction
			}
		case trial.Refusal != nil:
			return trial.Refusal
		}
		if s.Migration != "" && last {
			if err := c.resetPragmas(guard); err != nil {
				return err
			}
		}
	}
	if watch != nil {
		return watch.End(look)
	}
	return nil
}

// one runs one statement. What D1 would refuse is in trial.Refusal; the error is for what
// concerns the run as a whole.
func (c conn) one(s migration.BatchStatement, trial *Trial, guard *authorizer, internal []string) error {
	guard.transaction, guard.events = false, nil
	start := time.Now()
	answer, err := c.statement(s.Query)
	trial.Answer, trial.Took = answer, time.Since(start)
	if guard.watched {
		trial.Events = append(trial.Events, guard.events...)
		trial.Compiles = trial.Compiles || err == nil || errors.Is(err, sqlite3.CONSTRAINT) // of a LIMIT's other form
	}
	if err == nil && isAlter(s.SQL) {
		err = c.noNewInternalNames(guard, internal)
	}
	if err == nil && c.GetAutocommit() {
		err = errors.New("the statement rolled the whole transaction back (ON CONFLICT ROLLBACK or RAISE(ROLLBACK)); D1 answers with an internal error")
	}
	switch {
	case err == nil:
	case c.GetInterrupt().Err() != nil:
		return c.GetInterrupt().Err()
	case ofFile(err) && !(guard.watched && errors.Is(err, sqlite3.CORRUPT_VTAB)):
		return err
	default:
		trial.Refusal = refused(trial.Index, s.SQL, err, guard.transaction)
	}
	return nil
}

// ofFile reports whether err is about the file or the disk, not about a statement.
func ofFile(err error) bool {
	for _, code := range []sqlite3.ErrorCode{sqlite3.FULL, sqlite3.IOERR, sqlite3.CORRUPT, sqlite3.NOTADB, sqlite3.READONLY, sqlite3.CANTOPEN, sqlite3.BUSY} {
		if errors.Is(err, code) {
			return true
		}
	}
	return false
}

func (c conn) statement(q migration.Query) (Answer, error) {
	if len(q.SQL) > maxStatement {
		return Answer{}, fmt.Errorf("statement too long: SQLITE_TOOBIG (%d bytes, D1 takes %d)", len(q.SQL), maxStatement)
	}
	answer, err := c.answer(q)
	if err != nil && len(q.Args) == 0 {
		return c.limited(q.SQL, err)
	}
	return answer, err
}

// stickyPragmas outlive the statement that sets them; D1 resets them with each
// transaction, so a migration must not leave them to the next one.
var stickyPragmas = []string{"legacy_alter_table", "recursive_triggers", "ignore_check_constraints", "reverse_unordered_selects"}

// noneViolated refuses a migration of a shared transaction that ends with a foreign key
// violated, as if it were committed alone.
func (c conn) noneViolated() error {
	open, _, err := c.Status(sqlite3.DBSTATUS_DEFERRED_FKS, false)
	if err != nil {
		return err
	}
	if open != 0 {
		return errors.New("FOREIGN KEY constraint failed: SQLITE_CONSTRAINT (extended: SQLITE_CONSTRAINT_FOREIGNKEY): the migration ends with a deferred violation")
	}
	return nil
}

// resetPragmas leaves no setting of a migration to the next one of the same transaction.
func (c conn) resetPragmas(guard *authorizer) error {
	guard.off = true
	defer func() { guard.off = false }()
	for _, pragma := range stickyPragmas {
		if err := c.exec("PRAGMA " + pragma + " = OFF"); err != nil {
			return err
		}
	}
	if !guard.like { // R*Tree keeps statements active, and then no function can be defined
		return nil
	}
	guard.like = false
	if err := c.exec("PRAGMA case_sensitive_like = OFF"); err != nil {
		return err
	}
	return c.likeAsD1()
}

func isAlter(sql string) bool { return len(sql) > 5 && strings.EqualFold(sql[:5], "ALTER") }

// internalNames returns the objects whose names D1 keeps for itself. A rename to such a
// name does not reach the authorizer, so it is looked for afterwards.
func (c conn) internalNames() ([]string, error) {
	rows, err := c.query(migration.Query{SQL: "SELECT name FROM sqlite_schema WHERE lower(substr(name, 1, 4)) = '_cf_' ORDER BY name"})
	var names []string
	for _, v := range rows.Values {
		names = append(names, fmt.Sprint(v[0]))
	}
	return names, err
}

func (c conn) noNewInternalNames(guard *authorizer, before []string) error {
	guard.off = true
	defer func() { guard.off = false }()
	after, err := c.internalNames()
	if err == nil && !slices.Equal(before, after) {
		return errors.New("not authorized: SQLITE_AUTH (names that begin with _cf_ belong to D1)")
	}
	return err
}

// TransactionHint is what is added to D1's own words where they name an API that a
// migration doesn't have.
const TransactionHint = " (D1 runs every migration in a transaction of its own: remove the statement)"

// refused words err as D1 does: "message at offset N: SQLITE_CODE (extended: …)".
func refused(index int, sql string, err error, transaction bool) *migration.StatementError {
	refusal := &migration.StatementError{Index: index, Text: describe(err), Offset: -1}
	if transaction {
		refusal.Text = "To execute a transaction, please use the state.storage.transaction() or state.storage.transactionSync() APIs instead of the SQL BEGIN TRANSACTION or SAVEPOINT statements." +
			TransactionHint
		return refusal
	}
	if e, ok := errors.AsType[*sqlite3.Error](err); ok && e.SQL() != "" && len(e.SQL()) <= len(sql) {
		refusal.Offset = len(sql) - len(e.SQL())
		message, code, _ := strings.Cut(refusal.Text, ": SQLITE_")
		refusal.Text = fmt.Sprintf("%s at offset %d: SQLITE_%s", message, refusal.Offset, code)
	}
	if _, ok := errors.AsType[limitError](err); ok {
		refusal.Text += "; D1 takes this UPDATE or DELETE with LIMIT, the embedded SQLite can't: write WHERE rowid IN (SELECT rowid … LIMIT …)"
	}
	return refusal
}

// maxMessage is how much of SQLite's message is shown, in bytes.
const maxMessage = 500

// describe returns SQLite's message followed by the name of its code.
func describe(err error) string {
	e, ok := errors.AsType[*sqlite3.Error](err)
	if !ok {
		if code, ok := errors.AsType[sqlite3.ExtendedErrorCode](err); ok {
			return strings.TrimPrefix(code.Error(), "sqlite3: ") + ": " + codeName(code)
		}
		return err.Error()
	}
	code := e.ExtendedCode()
	message := strings.TrimPrefix(e.Error(), code.Error())
	message = strings.TrimPrefix(message, ": ")
	if message == "" {
		message = strings.TrimPrefix(code.Error(), "sqlite3: ")
	}
	if len(message) > maxMessage { // an unterminated string is quoted whole
		message = strings.ToValidUTF8(message[:maxMessage], "") + "…"
	}
	return message + ": " + codeName(code)
}

var codeNames = map[sqlite3.ErrorCode]string{
	sqlite3.ERROR: "SQLITE_ERROR", sqlite3.PERM: "SQLITE_PERM", sqlite3.ABORT: "SQLITE_ABORT", sqlite3.BUSY: "SQLITE_BUSY",
	sqlite3.LOCKED: "SQLITE_LOCKED", sqlite3.READONLY: "SQLITE_READONLY", sqlite3.INTERRUPT: "SQLITE_INTERRUPT",
	sqlite3.IOERR: "SQLITE_IOERR", sqlite3.CORRUPT: "SQLITE_CORRUPT", sqlite3.FULL: "SQLITE_FULL", sqlite3.CANTOPEN: "SQLITE_CANTOPEN",
	sqlite3.SCHEMA: "SQLITE_SCHEMA", sqlite3.TOOBIG: "SQLITE_TOOBIG", sqlite3.CONSTRAINT: "SQLITE_CONSTRAINT",
	sqlite3.MISMATCH: "SQLITE_MISMATCH", sqlite3.AUTH: "SQLITE_AUTH", sqlite3.RANGE: "SQLITE_RANGE", sqlite3.NOTADB: "SQLITE_NOTADB",
}

var extendedNames = map[sqlite3.ExtendedErrorCode]string{
	sqlite3.CONSTRAINT_CHECK: "CHECK", sqlite3.CONSTRAINT_FOREIGNKEY: "FOREIGNKEY", sqlite3.CONSTRAINT_NOTNULL: "NOTNULL",
	sqlite3.CONSTRAINT_PRIMARYKEY: "PRIMARYKEY", sqlite3.CONSTRAINT_TRIGGER: "TRIGGER", sqlite3.CONSTRAINT_UNIQUE: "UNIQUE",
	sqlite3.CONSTRAINT_ROWID: "ROWID", sqlite3.CONSTRAINT_DATATYPE: "DATATYPE", sqlite3.CONSTRAINT_VTAB: "VTAB",
	sqlite3.ERROR_MISSING_COLLSEQ: "MISSING_COLLSEQ",
}

func codeName(code sqlite3.ExtendedErrorCode) string {
	name, ok := codeNames[code.Code()]
	if !ok {
		name = fmt.Sprintf("SQLITE_%d", code.Code())
	}
	if extended, ok := extendedNames[code]; ok {
		return fmt.Sprintf("%s (extended: %s_%s)", name, name, extended)
	}
	return name
}
