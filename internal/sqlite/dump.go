package sqlite

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/d1-rewind/d1-rewind/internal/migration"
	"github.com/d1-rewind/d1-rewind/internal/statement"
)

// Check looks for damage with SQLite's own quick_check.
func (d *Database) Check(ctx context.Context) error {
	return d.reading(ctx, func(c conn) error {
		verdict, err := c.value("PRAGMA quick_check(1)")
		if err == nil && verdict != "ok" {
			err = &migration.Problem{Err: fmt.Errorf("local database %s is damaged: %v", d.display, verdict),
				Next: "restore a state from before the damage (" + d.time.newest() + ")"}
		}
		return err
	})
}

// Dump writes the database as SQL that loads into an empty D1 database: all tables first,
// then their rows as exact literals, then indexes, views and triggers, so that neither
// foreign keys nor triggers get in the way. A contentless FTS5 table has no rows to read
// back and is refused.
func (d *Database) Dump(ctx context.Context, w io.Writer) error {
	return d.reading(ctx, func(c conn) error {
		out := &dump{c: c, w: bufio.NewWriter(w)}
		return errors.Join(out.all(), out.w.Flush())
	})
}

type dump struct {
	c       conn
	w       *bufio.Writer
	rebuild []string // FTS5 tables over other tables' rows, indexed anew when those are there
}

func (d *dump) all() error {
	tables, err := d.c.query(migration.Query{SQL: `SELECT l.name, l.type, l.wr, s.sql FROM pragma_table_list AS l JOIN sqlite_schema AS s ON s.name = l.name AND s.type = 'table'
WHERE l.schema = 'main' AND l.type IN ('table', 'virtual') AND lower(substr(l.name, 1, 4)) <> '_cf_' AND l.name NOT LIKE 'sqlite\_%' ESCAPE '\' ORDER BY s.rowid`})
	if err != nil {
		return err
	}
	d.print("PRAGMA defer_foreign_keys=TRUE;\n")
	for _, t := range tables.Values {
		d.print("%s;\n", t[3])
	}
	for _, t := range tables.Values {
		module, content := "", (*string)(nil)
		if t[1] == "virtual" {
			module, content = virtual(fmt.Sprint(t[3]))
		}
		if err := d.rows(fmt.Sprint(t[0]), module, content); err != nil {
			return fmt.Errorf("table %q: %w", t[0], err)
		}
	}
	for _, table := range d.rebuild {
		d.print("INSERT INTO %[1]s(%[1]s) VALUES('rebuild');\n", table)
	}
	if exists, err := d.c.value("SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_sequence'"); err != nil {
		return err
	} else if exists != nil {
		d.print("DELETE FROM sqlite_sequence;\n")
		if err := d.inserts("sqlite_sequence", []string{"name", "seq"}); err != nil {
			return err
		}
	}
	others, err := d.c.query(migration.Query{SQL: `SELECT sql FROM sqlite_schema WHERE type IN ('index', 'view', 'trigger') AND sql IS NOT NULL
AND lower(substr(tbl_name, 1, 4)) <> '_cf_' ORDER BY CASE type WHEN 'index' THEN 1 WHEN 'view' THEN 2 ELSE 3 END, rowid`})
	for _, o := range others.Values {
		d.print("%s;\n", o[0])
	}
	return err
}

// virtual reads the definition of a virtual table: its module, and what FTS5's option content
// names, nil without one.
func virtual(sql string) (module string, content *string) {
	tokens := statement.Tokens(sql)
	for i, t := range tokens {
		switch word := statement.Fold(t.Text); {
		case t.Kind != statement.Word || i+1 == len(tokens):
		case module == "" && word == "using":
			module = statement.Fold(tokens[i+1].Text)
		case module != "" && word == "content" && tokens[i+1].Text == "=" && i+2 < len(tokens):
			content = &tokens[i+2].Text
		}
	}
	return module, content
}

// rows writes the rows of a table; module is "" and content nil unless it is a virtual one.
func (d *dump) rows(table, module string, content *string) error {
	switch {
	case module == "fts5vocab":
		return nil // it shows what is in another one
	case content != nil && *content == "":
		return errors.New("a contentless FTS5 table keeps no rows that could be exported")
	case content != nil:
		d.rebuild = append(d.rebuild, quoteName(table))
		return nil
	}
	columns, err := d.c.query(migration.Query{SQL: "SELECT name FROM pragma_table_xinfo(?) WHERE hidden = 0 ORDER BY cid", Args: []any{table}})
	if err != nil {
		return err
	}
	var names []string
	for _, v := range columns.Values {
		names = append(names, fmt.Sprint(v[0]))
	}
	if module == "fts5" {
		names = append([]string{"rowid"}, names...)
	}
	return d.inserts(table, names)
}

// inserts writes a table's rows as SQLite quotes them, which loses no digit of an integer. A
// text that it would cut off, or that a file of SQL can't have, is written in hexadecimal digits.
func (d *dump) inserts(table string, columns []string) error {
	quoted, literals := make([]string, len(columns)), make([]string, len(columns))
	for i, name := range columns {
		quoted[i] = quoteName(name)
		literals[i] = fmt.Sprintf("CASE WHEN typeof(%[1]s) = 'text' AND instr(%[1]s, char(0)) > 0 THEN 'CAST(' || quote(CAST(%[1]s AS BLOB)) || ' AS TEXT)' ELSE quote(%[1]s) END", quoted[i])
	}
	stmt, _, err := d.c.Prepare("SELECT " + strings.Join(literals, ", ") + " FROM " + quoteName(table))
	if err != nil {
		return err
	}
	defer stmt.Close()
	for stmt.Step() {
		values := make([]string, len(columns))
		for i := range values {
			values[i] = stmt.ColumnText(i)
			if content, ok := strings.CutPrefix(values[i], "'"); ok && !utf8.ValidString(content) {
				values[i] = fmt.Sprintf("CAST(X'%X' AS TEXT)", strings.ReplaceAll(strings.TrimSuffix(content, "'"), "''", "'"))
			}
		}
		d.print("INSERT INTO %s (%s) VALUES(%s);\n", quoteName(table), strings.Join(quoted, ","), strings.Join(values, ","))
	}
	return stmt.Err()
}

func (d *dump) print(format string, args ...any) { fmt.Fprintf(d.w, format, args...) }

func quoteName(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }
