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
	if !strings.Contains(e.Error(), "syntax error") {
		return Answer{}, refusal
	}
	cut, ok := statement.CutLimit(sql, len(sql)-len(e.SQL()))
	if !ok {
		return Answer{}, refusal
	}
	if err := c.prepare(sql[:len(sql)-len(e.SQL())]); err != nil {
		if text := describe(err); !strings.Contains(text, "syntax error") && !strings.Contains(text, "incomplete input") {
			refusal = words(text) // there is more to it than the LIMIT
		}
		return Answer{}, refusal
	}
	switch {
	case !cut.Limit && cut.Set == "":
		return Answer{}, words("ORDER BY without LIMIT on DELETE: SQLITE_ERROR")
	case !cut.Limit:
		return Answer{}, words("ORDER BY without LIMIT on UPDATE: SQLITE_ERROR")
	case cut.Head == "":
		return Answer{}, limitError{refusal}
	}
	key, err := c.key(cut.Table)
	if err != nil {
		return Answer{}, limitError{refusal}
	}
	inner := cut.Table
	if schema, _ := tableName(inner); schema == "" {
		inner = "main." + inner // not what a WITH calls so
	}
	defer c.Limit(sqlite3.LIMIT_SQL_LENGTH, c.Limit(sqlite3.LIMIT_SQL_LENGTH, 3*maxStatement)) // the text has grown
	answer, err := c.answer(migration.Query{SQL: cut.Head + cut.Table + " " + cut.Set + " WHERE (" + key + ") IN (SELECT " + key + " FROM " + inner +
		" " + cut.Where + " " + strings.TrimRight(cut.Tail, "; \t\r\n") + "\n) " + cut.Returning})
	if e, ok := errors.AsType[*sqlite3.Error](err); ok && e.SQL() != "" { // its offset is not one of the statement's
		text := describe(err)
		if strings.HasPrefix(text, `near ")"`) { // which the statement does not have there
			text = "incomplete input: SQLITE_ERROR"
		}
		err = words(text)
	}
	return answer, err
}

// prepare reports whether SQLite takes a statement, which it does not run.
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
	_, name := tableName(table)
	rows, err := c.query(migration.Query{SQL: "SELECT i.name FROM pragma_table_list(?1) AS l, pragma_table_info(?1) AS i WHERE l.schema = 'main' AND l.wr AND i.pk > 0 ORDER BY i.pk",
		Args: []any{name}})
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

// tableName returns the names in "main.t AS x", without quotes.
func tableName(table string) (schema, name string) {
	tokens := statement.Normalize(table)
	name = tokens[0]
	if len(tokens) > 2 && tokens[1] == "." {
		schema, name = tokens[0], tokens[2]
	}
	if quote := name[:1]; quote == `"` || quote == "'" {
		name = strings.ReplaceAll(name[1:len(name)-1], quote+quote, quote)
	}
	return schema, name
}
