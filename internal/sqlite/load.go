package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/ncruces/go-sqlite3"

	"github.com/d1-rewind/d1-rewind/internal/migration"
)

// Fill is Build for rows that come from another database, value by value. The tables of virtual
// tables can be filled, too, and what stands in a row is not checked again.
func (m *Scratch) Fill(ctx context.Context, schema migration.Schema, rows func(*Loader) error) error {
	return m.build(ctx, schema, func(c conn) (err error) {
		// D1 took the rows, maybe with PRAGMA ignore_check_constraints.
		if err := c.exec("PRAGMA ignore_check_constraints = ON"); err != nil {
			return err
		}
		l := &Loader{c: c, inserts: map[string]*sqlite3.Stmt{}}
		defer func() { err = errors.Join(err, l.close()) }()
		return rows(l)
	})
}

// Loader fills the tables of a database that is being made.
type Loader struct {
	c       conn
	inserts map[string]*sqlite3.Stmt // by table
}

// Stored is a table with rows of its own: an ordinary one, or one of a virtual table's.
type Stored struct {
	Name   string
	Shadow bool // it is one of a virtual table's
	// Key is what tells rows apart: the rowid by one of its names, or the primary key of a table
	// without rowid; empty if columns have taken all of the rowid's names.
	Key     []KeyColumn
	Rowid   bool
	Columns []string // that are stored, without those of Key
}

// KeyColumn is a column of a primary key, in its order there.
type KeyColumn struct {
	Name      string // as SQL, quoted if it has to be
	Collation string // of the key, as SQL; "" if the column itself has it
	Desc      bool
}

// Stored returns the tables, but not SQLite's own.
func (l *Loader) Stored() ([]Stored, error) { return l.c.stored() }

// Stored returns the tables, but not SQLite's own.
func (m *Scratch) Stored() ([]Stored, error) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	return m.held.stored()
}

func (c conn) stored() ([]Stored, error) {
	rows, err := c.query(migration.Query{SQL: `SELECT name, type = 'shadow', wr FROM pragma_table_list
WHERE schema = 'main' AND type IN ('table', 'shadow') AND lower(substr(name, 1, 7)) <> 'sqlite_' ORDER BY name`})
	if err != nil {
		return nil, err
	}
	var tables []Stored
	for _, v := range rows.Values {
		t := Stored{Name: v[0].(string), Shadow: v[1] == int64(1)}
		if err := c.columns(&t, v[2] == int64(1)); err != nil {
			return nil, err
		}
		tables = append(tables, t)
	}
	return tables, nil
}

func (c conn) columns(t *Stored, withoutRowid bool) error {
	columns, err := c.query(migration.Query{SQL: "SELECT name, pk, hidden FROM pragma_table_xinfo(?)", Args: []any{t.Name}})
	if err != nil {
		return err
	}
	key, err := c.query(migration.Query{SQL: `SELECT x.name, x.coll, x."desc" FROM pragma_index_list(?) AS i, pragma_index_xinfo(i.name) AS x
WHERE i.origin = 'pk' AND x.key ORDER BY x.seqno`, Args: []any{t.Name}})
	if err != nil {
		return err
	}
	inKey := map[string]bool{}
	if withoutRowid {
		for _, v := range key.Values {
			name, collation := v[0].(string), v[1].(string)
			inKey[name] = true
			_, own, _, _, _, err := c.TableColumnMetadata("main", t.Name, name)
			if err != nil {
				return err
			}
			k := KeyColumn{Name: quoteName(name), Desc: v[2] == int64(1)}
			if !strings.EqualFold(own, collation) {
				k.Collation = quoteName(collation)
			}
			t.Key = append(t.Key, k)
		}
	}
	taken := map[string]bool{}
	for _, v := range columns.Values {
		name := v[0].(string)
		taken[strings.ToLower(name)] = true
		switch {
		case v[2] == int64(2) || v[2] == int64(3): // generated
		case !withoutRowid && v[1] != int64(0) && len(key.Values) == 0: // no index, so it is the rowid itself
			t.Key, t.Rowid = []KeyColumn{{Name: quoteName(name)}}, true
		case !inKey[name]:
			t.Columns = append(t.Columns, name)
		}
	}
	for _, name := range []string{"rowid", "_rowid_", "oid"} {
		if len(t.Key) == 0 && !withoutRowid && !taken[name] {
			t.Key, t.Rowid = []KeyColumn{{Name: name}}, true
		}
	}
	return nil
}

// RowError is why SQLite did not take a row.
type RowError struct{ text string }

func (e RowError) Error() string { return e.text }

// Insert adds a row: the values of t's key, then those of its other columns. The error is a
// RowError where the row contradicts another one, or the table's definition.
func (l *Loader) Insert(t Stored, row []Value) (err error) {
	defer recovered(&err)
	stmt, err := l.insert(t)
	if err != nil {
		return err
	}
	if len(row) != stmt.BindCount() {
		return errLiteral
	}
	for i, v := range row {
		switch v.kind {
		case sqlite3.INTEGER:
			err = stmt.BindInt64(i+1, v.integer)
		case sqlite3.FLOAT:
			err = stmt.BindFloat(i+1, v.real)
		case sqlite3.TEXT:
			err = stmt.BindText(i+1, v.text)
		case sqlite3.BLOB:
			err = stmt.BindBlob(i+1, v.blob)
		default:
			err = stmt.BindNull(i + 1)
		}
		if err != nil {
			return err
		}
	}
	if err = stmt.Exec(); errors.Is(err, sqlite3.CONSTRAINT) || errors.Is(err, sqlite3.MISMATCH) {
		return RowError{describe(err)}
	} else if errors.Is(err, sqlite3.IOERR) || errors.Is(err, sqlite3.FULL) {
		return fmt.Errorf("%s: is there room in %s?", describe(err), os.TempDir())
	}
	return err
}

func (l *Loader) insert(t Stored) (*sqlite3.Stmt, error) {
	if stmt, ok := l.inserts[t.Name]; ok {
		return stmt, nil
	}
	var names, values []string
	for _, k := range t.Key {
		names = append(names, k.Name)
	}
	for _, c := range t.Columns {
		names = append(names, quoteName(c))
	}
	for range names {
		values = append(values, "?")
	}
	stmt, _, err := l.c.PrepareFlags(fmt.Sprintf("INSERT INTO main.%s(%s) VALUES (%s)", quoteName(t.Name), strings.Join(names, ", "), strings.Join(values, ", ")), sqlite3.PREPARE_PERSISTENT)
	if err != nil {
		return nil, err
	}
	l.inserts[t.Name] = stmt
	return stmt, nil
}

// Empty removes all rows of a table, also those that come with a virtual table.
func (l *Loader) Empty(table string) error { return l.c.exec("DELETE FROM main." + quoteName(table)) }

// Sequence returns SQLite's own table of the last keys of AUTOINCREMENT; false if there is none.
func (l *Loader) Sequence() (Stored, bool, error) {
	there, err := l.c.has(migration.Object{Type: "table", Name: "sqlite_sequence"})
	return Stored{Name: "sqlite_sequence", Rowid: true, Columns: []string{"name", "seq"}}, there, err
}

func (l *Loader) close() (err error) {
	for _, stmt := range l.inserts {
		err = errors.Join(err, stmt.Close())
	}
	return err
}
