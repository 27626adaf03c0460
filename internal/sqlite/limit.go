package sqlite

import (
	"errors"
	"slices"
	"strings"

	"github.com/ncruces/go-sqlite3"

	"github.com/d1-rewind/d1-rewind/internal/migration"
	"github.com/d1-rewind/d1-rewind/internal/statement"
)

// limitError is the refusal of an UPDATE or DELETE with LIMIT, which D1 takes. D1's SQLite is
// built with SQLITE_ENABLE_UPDATE_DELETE_LIMIT, the embedded one is not.
type limitError struct{ error }

func (e limitError) Unwrap() error { return e.error }

// limited runs such a statement as D1 does, where SQLite can prove that it means the same. It
// is called with the error that the statement gave as it is written.
//
// D1's SQLite makes "DELETE FROM t WHERE c LIMIT 1" into "DELETE FROM t WHERE rowid IN (SELECT
// rowid FROM t WHERE c LIMIT 1)" itself (sqlite3LimitWhere in its src/delete.c), with the
// primary key in the place of rowid where there is none.
func (c conn) limited(sql string, refusal error) (Answer, error) {
	e, ok := errors.AsType[*sqlite3.Error](refusal)
	if !ok || e.SQL() == "" || len(e.SQL()) >= len(sql) || len(sql) > maxStatement {
		return Answer{}, refusal
	}
	tail := strings.ToUpper(e.SQL()[:min(5, len(e.SQL()))])
	if tail != "LIMIT" && tail != "ORDER" || !strings.Contains(e.Error(), "syntax error") {
		return Answer{}, refusal
	}
	if err := c.prepare(sql[:len(sql)-len(e.SQL())]); err != nil {
		if text := describe(err); !strings.Contains(text, "syntax error") && !strings.Contains(text, "incomplete input") {
			refusal = words(text) // there is more to it than the LIMIT
		}
		return Answer{}, refusal
	}
	cut, ok := statement.CutLimit(sql, len(sql)-len(e.SQL()))
	if !ok {
		return Answer{}, limitError{refusal}
	}
	if tail == "ORDER" && !slices.Contains(statement.Normalize(cut.Tail), "limit") {
		return Answer{}, words("ORDER BY without LIMIT on " + strings.ToUpper(strings.Fields(cut.Head)[0]) + ": SQLITE_ERROR")
	}
	key, err := c.key(cut.Table)
	if err != nil {
		return Answer{}, limitError{refusal}
	}
	answer, err := c.answer(migration.Query{SQL: cut.Head + cut.Table + " " + cut.Set + " WHERE (" + key + ") IN (SELECT " + key + " FROM " + cut.Table +
		" " + cut.Where + " " + strings.TrimRight(cut.Tail, "; \t\r\n") + "\n) " + cut.Returning})
	if e, ok := errors.AsType[*sqlite3.Error](err); ok && e.SQL() != "" {
		err = words(describe(err)) // its offset is not one of the statement's
	}
	return answer, err
}

// prepare tells whether SQLite takes a statement, which it does not run.
func (c conn) prepare(sql string) (err error) {
	defer recovered(&err)
	stmt, _, err := c.Prepare(sql)
	return errors.Join(err, stmt.Close())
}

// key returns what tells the rows of a table apart, as SQL. A view has no such thing.
func (c conn) key(table string) (key string, err error) {
	defer recovered(&err)
	stmt, _, err := c.Prepare("SELECT * FROM " + table + "\n")
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, stmt.Close()) }()
	columns := make([]string, stmt.ColumnCount())
	for i := range columns {
		columns[i] = strings.ToLower(stmt.ColumnName(i))
	}
	for _, rowid := range []string{"rowid", "_rowid_", "oid"} {
		if !slices.Contains(columns, rowid) && c.prepare("SELECT "+rowid+" FROM "+table+"\n") == nil {
			return rowid, nil
		}
	}
	rows, err := c.query(migration.Query{SQL: "SELECT name FROM pragma_table_info(?) WHERE pk > 0 ORDER BY pk", Args: []any{unquoted(table)}})
	if err != nil || len(rows.Values) == 0 {
		return "", errors.Join(err, errors.New("a table without a key that can be named"))
	}
	var names []string
	for _, v := range rows.Values {
		text, _ := v[0].(string)
		names = append(names, quoteName(text))
	}
	return strings.Join(names, ", "), nil
}

// unquoted returns the name of the table in "main.t AS x".
func unquoted(table string) string {
	tokens := statement.Normalize(table)
	name := tokens[0]
	if len(tokens) > 2 && tokens[1] == "." {
		name = tokens[2]
	}
	if quote := name[:1]; quote == `"` || quote == "'" {
		name = strings.ReplaceAll(name[1:len(name)-1], quote+quote, quote)
	}
	return name
}
