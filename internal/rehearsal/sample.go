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

// generations is how far a row's ancestors are followed.
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
	name    string
	key     []string // what tells its rows apart, quoted
	rowid   bool     // the key is one integer
	columns []string // that can be written
	foreign []foreign
}

type foreign struct {
	to           string
	from, parent []string // columns, quoted
}

// readSample reads it with one request. schema is an empty database with the schema of env.
func readSample(ctx context.Context, env migration.Environment, schema *sqlite.Scratch, touched []string) (sample, error) {
	tables, err := describe(ctx, schema)
	if err != nil {
		return sample{}, err
	}
	var (
		queries []migration.Query
		into    []keyed
		counts  []string
		known   = map[string]bool{}
	)
	ask := func(t keyed, where string) {
		sql := "SELECT " + strings.Join(t.literals(), ", ") + " FROM " + quoteName(t.name) + " WHERE " + where
		if len(t.columns) > 0 && !known[sql] {
			known[sql] = true
			queries, into = append(queries, migration.Query{SQL: sql}), append(into, t)
		}
	}
	var ancestors func(t keyed, where string, depth int)
	ancestors = func(t keyed, where string, depth int) {
		for _, f := range t.foreign {
			parent, ok := tables[fold(f.to)]
			if !ok || depth == 0 || slices.Contains(f.parent, quoteName("")) { // a key that leads to nothing
				continue
			}
			up := tuple(f.parent) + " IN (SELECT " + strings.Join(f.from, ", ") + " FROM " + quoteName(t.name) + " WHERE " + where + ")"
			ask(parent, up)
			ancestors(parent, up, depth-1)
		}
	}
	s := sample{tables: map[string]fact{}}
	for _, name := range touched {
		t, ok := tables[fold(name)]
		if !ok || len(t.key) == 0 {
			continue
		}
		where := tuple(t.key) + " = (" + t.one() + ")"
		ask(t, where)
		ancestors(t, where, generations)
		counts = append(counts, t.name)
	}
	rows := len(queries)
	for _, name := range counts {
		most := "NULL"
		if t := tables[fold(name)]; t.rowid {
			most = "(SELECT max(" + t.key[0] + ") FROM " + quoteName(name) + ")"
		}
		queries = append(queries, migration.Query{SQL: fmt.Sprintf("SELECT (SELECT count(*) FROM (SELECT 1 FROM %s LIMIT %d)), %s", quoteName(name), counted+1, most)})
	}
	if len(queries) == 0 {
		return s, nil
	}
	answers, err := env.Read(ctx, queries...)
	if err != nil {
		return s, err
	}
	for i, a := range answers {
		if a.Err != nil {
			if i < rows {
				s.gaps = append(s.gaps, fmt.Sprintf("a row of %s, which can't be read: %v", into[i].name, a.Err))
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
			row := sampleRow{table: sqlite.Stored{Name: into[i].name, Columns: into[i].columns}}
			for _, field := range v {
				if row.values, err = sqlite.Literals(fmt.Sprint(field), row.values); err != nil {
					return s, fmt.Errorf("read a row of %s: %w", into[i].name, err)
				}
			}
			s.rows = append(s.rows, row)
		}
	}
	for _, t := range tables {
		if _, ok := s.tables[fold(t.name)]; !ok {
			s.tables[fold(t.name)] = fact{rest: true} // nothing is known of it
		}
	}
	return s, nil
}

// one is a query for the key of one row.
func (t keyed) one() string {
	key := strings.Join(t.key, ", ")
	var columns, missing []string
	for _, f := range t.foreign {
		for _, c := range f.from {
			if !slices.Contains(columns, c) && !slices.Contains(t.key, c) {
				columns, missing = append(columns, c), append(missing, "("+c+" IS NULL)")
			}
		}
	}
	if len(columns) == 0 {
		return "SELECT " + key + " FROM " + quoteName(t.name) + " LIMIT 1"
	}
	// A rowid keeps no name of its own in a subquery.
	names := make([]string, len(t.key))
	inner := make([]string, len(t.key))
	for i, k := range t.key {
		names[i] = fmt.Sprintf("k%d", i)
		inner[i] = k + " AS " + names[i]
	}
	for i := range columns {
		inner = append(inner, fmt.Sprintf("%s AS f%d", missing[i], i))
		missing[i] = fmt.Sprintf("f%d", i)
	}
	return fmt.Sprintf("SELECT %s FROM (SELECT %s FROM %s LIMIT %d) ORDER BY %s LIMIT 1", strings.Join(names, ", "), strings.Join(inner, ", "), quoteName(t.name), searched, strings.Join(missing, " + "))
}

func tuple(columns []string) string {
	if len(columns) == 1 {
		return columns[0]
	}
	return "(" + strings.Join(columns, ", ") + ")"
}

// literals are expressions for the values of the columns as SQL literals.
func (t keyed) literals() []string {
	var list []string
	for _, c := range t.columns {
		list = append(list, exactLiteral(quoteName(c)))
	}
	return list
}

// describe reads what there is to know about the tables of a database; virtual ones and those
// that belong to them are left out.
func describe(ctx context.Context, m *sqlite.Scratch) (map[string]keyed, error) {
	answers, err := m.Read(ctx,
		migration.Query{SQL: `SELECT l.name, l.wr, x.name, x.hidden, x.pk, upper(x.type) FROM pragma_table_list AS l, pragma_table_xinfo(l.name) AS x
 WHERE l.schema = 'main' AND l.type = 'table' AND lower(substr(l.name, 1, 7)) <> 'sqlite_' ORDER BY l.name, x.cid`},
		migration.Query{SQL: `SELECT l.name, f.id, f."table", f."from", f."to" FROM pragma_table_list AS l, pragma_foreign_key_list(l.name) AS f
 WHERE l.schema = 'main' AND l.type = 'table' ORDER BY l.name, f.id, f.seq`})
	if err != nil {
		return nil, err
	}
	tables, primary := map[string]keyed{}, map[string]map[int64]string{}
	shadowed := map[string][]string{}
	for _, v := range answers[0].Values {
		name, column := fmt.Sprint(v[0]), fmt.Sprint(v[2])
		key := fold(name)
		t := tables[key]
		t.name, t.rowid = name, v[1] == int64(0)
		if hidden := v[3] == int64(2) || v[3] == int64(3); !hidden {
			t.columns = append(t.columns, column)
		}
		if pk, _ := v[4].(int64); pk > 0 {
			if primary[key] == nil {
				primary[key] = map[int64]string{}
			}
			primary[key][pk] = column
		}
		shadowed[key] = append(shadowed[key], fold(column))
		tables[key] = t
	}
	for key, t := range tables {
		if t.rowid {
			for _, alias := range []string{"rowid", "_rowid_", "oid"} {
				if !slices.Contains(shadowed[key], alias) {
					t.key = []string{alias}
					break
				}
			}
		}
		if len(t.key) == 0 { // also where all three names are those of columns
			t.rowid = false
			for i := int64(1); primary[key][i] != ""; i++ {
				t.key = append(t.key, quoteName(primary[key][i]))
			}
		}
		tables[key] = t
	}
	last := ""
	for _, v := range answers[1].Values {
		key := fold(fmt.Sprint(v[0]))
		t := tables[key]
		id := key + "\x00" + fmt.Sprint(v[1])
		if id != last {
			t.foreign = append(t.foreign, foreign{to: fmt.Sprint(v[2])})
		}
		last = id
		f := &t.foreign[len(t.foreign)-1]
		f.from = append(f.from, quoteName(fmt.Sprint(v[3])))
		to, _ := v[4].(string)
		if to == "" { // the parent's primary key
			to = primary[fold(f.to)][int64(len(f.from))]
		}
		f.parent = append(f.parent, quoteName(to))
		tables[key] = t
	}
	return tables, nil
}
