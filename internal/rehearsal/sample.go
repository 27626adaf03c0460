package rehearsal

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/d1-rewind/d1-rewind/internal/migration"
	"github.com/d1-rewind/d1-rewind/internal/sqlite"
)

// counted bounds what counting the rows of one table costs: D1 bills every row that is read.
const counted = 10_000

// searched is among how many rows of a table the one is looked for that has most of its
// foreign keys.
const searched = 100

// generations is how far a row's ancestors are followed, as long as one request can have them.
const generations = 4

// a sample is one row of each table that a plan touches, as far as it has any, with the rows
// that its foreign keys lead to.
type sample struct {
	tables map[string]fact // by folded name
	rows   []sampleRow
	gaps   []string
}

type sampleRow struct {
	table  sqlite.Stored
	values []sqlite.Value
}

// load puts the rows into a database that is being made. The same one may be there twice.
func (s sample) load(l *sqlite.Loader) error {
	for _, r := range s.rows {
		err := l.Insert(r.table, r.values)
		if _, there := errors.AsType[sqlite.RowError](err); err != nil && !there {
			return err
		}
	}
	return nil
}

// keyed is a table as a sample needs to know it.
type keyed struct {
	sqlite.Stored
	foreign []foreign
}

type foreign struct {
	to           string
	from, parent []string // columns, quoted
}

// readSample reads it with one request, or a few if that would be too large. schema is an empty
// database with the schema of env.
func readSample(ctx context.Context, env migration.Environment, schema *sqlite.Scratch, touched []string) (sample, error) {
	tables, err := describe(ctx, schema)
	if err != nil {
		return sample{}, err
	}
	type some struct { // of a table's rows
		table keyed
		where string
	}
	var (
		queries []migration.Query
		into    []keyed
		counts  []string
		known   = map[string]bool{}
		next    []some
		length  int
	)
	s := sample{tables: map[string]fact{}}
	for _, name := range touched {
		t, ok := tables[fold(name)]
		if !ok || len(t.Key) == 0 {
			continue
		}
		next = append(next, some{t, tuple(t.key()) + " = (" + t.one() + ")"})
		counts = append(counts, t.Name)
	}
	for generation := range generations + 1 {
		var above []some
		for _, r := range next {
			sql := "SELECT " + strings.Join(r.table.literals(), ", ") + " FROM " + quoteName(r.table.Name) + " WHERE " + r.where
			if known[sql] || generation > 0 && length+len(sql) > copyBody/2 { // with each generation there are more
				continue
			}
			known[sql], length = true, length+len(sql)
			queries, into = append(queries, migration.Query{SQL: sql}), append(into, r.table)
			for _, f := range r.table.foreign {
				parent, ok := tables[fold(f.to)]
				if !ok || slices.Contains(f.parent, quoteName("")) { // a key that leads to nothing
					continue
				}
				above = append(above, some{parent, tuple(f.parent) + " IN (SELECT " + strings.Join(f.from, ", ") + " FROM " + quoteName(r.table.Name) + " WHERE " + r.where + ")"})
			}
		}
		next = above
	}
	rows := len(queries)
	for _, name := range counts {
		most := "NULL"
		if t := tables[fold(name)]; t.Rowid {
			most = "(SELECT max(" + t.Key[0].Name + ") FROM " + quoteName(name) + ")"
		}
		queries = append(queries, migration.Query{SQL: fmt.Sprintf("SELECT (SELECT count(*) FROM (SELECT 1 FROM %s LIMIT %d)), %s", quoteName(name), counted+1, most)})
	}
	answers, err := readAll(ctx, env, queries)
	if err != nil {
		return s, err
	}
	for i, a := range answers {
		if a.Err != nil {
			if i < rows {
				s.gaps = append(s.gaps, fmt.Sprintf("a row of %s, which can't be read: %v", into[i].Name, a.Err))
			}
			continue
		}
		if i >= rows {
			n, _ := a.Values[0][0].(int64)
			most, _ := a.Values[0][1].(int64)
			s.tables[fold(counts[i-rows])] = fact{rows: migration.Rowcount{Rows: min(n, counted), Known: true, More: n > counted}, most: max(n, most), rest: n > 1}
			continue
		}
		for _, v := range a.Values {
			row := sampleRow{table: into[i].Stored}
			for _, field := range v {
				if row.values, err = sqlite.Literals(fmt.Sprint(field), row.values); err != nil {
					return s, fmt.Errorf("read a row of %s: %w", into[i].Name, err)
				}
			}
			s.rows = append(s.rows, row)
		}
	}
	for key := range tables {
		if _, ok := s.tables[key]; !ok {
			s.tables[key] = fact{rest: true} // nothing is known of it
		}
	}
	return s, nil
}

// key is the columns of the key, quoted.
func (t keyed) key() (columns []string) {
	for _, k := range t.Key {
		columns = append(columns, k.Name)
	}
	return columns
}

// one is a query for the key of one row.
func (t keyed) one() string {
	key := t.key()
	var columns, missing []string
	for _, f := range t.foreign {
		for _, c := range f.from {
			if !slices.Contains(columns, c) && !slices.Contains(key, c) {
				columns, missing = append(columns, c), append(missing, "("+c+" IS NULL)")
			}
		}
	}
	if len(columns) == 0 {
		return "SELECT " + strings.Join(key, ", ") + " FROM " + quoteName(t.Name) + " LIMIT 1"
	}
	// A rowid keeps no name of its own in a subquery.
	names := make([]string, len(key))
	inner := make([]string, len(key))
	for i, k := range key {
		names[i] = fmt.Sprintf("k%d", i)
		inner[i] = k + " AS " + names[i]
	}
	for i := range columns {
		inner = append(inner, fmt.Sprintf("%s AS f%d", missing[i], i))
		missing[i] = fmt.Sprintf("f%d", i)
	}
	return fmt.Sprintf("SELECT %s FROM (SELECT %s FROM %s LIMIT %d) ORDER BY %s LIMIT 1", strings.Join(names, ", "), strings.Join(inner, ", "), quoteName(t.Name), searched, strings.Join(missing, " + "))
}

func tuple(columns []string) string {
	if len(columns) == 1 {
		return columns[0]
	}
	return "(" + strings.Join(columns, ", ") + ")"
}

// literals are expressions for the values of a row as SQL literals, in the order of Loader.Insert.
func (t keyed) literals() []string {
	var list []string
	for _, k := range t.key() {
		list = append(list, exactLiteral(k))
	}
	for _, c := range t.Columns {
		list = append(list, exactLiteral(quoteName(c)))
	}
	if len(list) > maxColumns { // the rowid is one too many
		list = append([]string{listed(list[:2])}, list[2:]...)
	}
	return list
}

// describe reads what there is to know about the tables of a database, by their folded names;
// virtual ones and those that belong to them are left out.
func describe(ctx context.Context, m *sqlite.Scratch) (map[string]keyed, error) {
	stored, err := m.Stored()
	if err != nil {
		return nil, err
	}
	tables := map[string]keyed{}
	for _, s := range stored {
		if !s.Shadow {
			tables[fold(s.Name)] = keyed{Stored: s}
		}
	}
	answers, err := m.Read(ctx, migration.Query{SQL: `SELECT l.name, f.id, f."table", f."from",
 coalesce(f."to", (SELECT x.name FROM pragma_table_xinfo(f."table") AS x WHERE x.pk = f.seq + 1), '')
 FROM pragma_table_list AS l, pragma_foreign_key_list(l.name) AS f WHERE l.schema = 'main' AND l.type = 'table' ORDER BY l.name, f.id, f.seq`})
	if err == nil {
		err = answers[0].Err
	}
	if err != nil {
		return nil, err
	}
	last := ""
	for _, v := range answers[0].Values {
		key := fold(text(v[0]))
		t := tables[key]
		if id := fmt.Sprint(key, "\x00", v[1]); id != last {
			t.foreign, last = append(t.foreign, foreign{to: text(v[2])}), id
		}
		f := &t.foreign[len(t.foreign)-1]
		f.from, f.parent = append(f.from, quoteName(text(v[3]))), append(f.parent, quoteName(text(v[4])))
		tables[key] = t
	}
	return tables, nil
}
