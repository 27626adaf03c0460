package rehearsal_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/d1-rewind/d1-rewind/internal/migration"
	"github.com/d1-rewind/d1-rewind/internal/rehearsal"
)

var runs = flag.Uint64("runs", 40, "random migrations that are rehearsed and then applied")

// A rehearsal on all rows says what applying does: it refuses what is refused, and its numbers are
// right. One on single rows refuses nothing that is taken.
func TestRandom(t *testing.T) {
	t.Parallel()
	for seed := range *runs {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			g := &random{Rand: rand.New(rand.NewPCG(seed, 6))}
			schema, rows := g.database()
			var files []string
			for range 1 + g.IntN(3) {
				var file strings.Builder
				for range 1 + g.IntN(5) {
					file.WriteString(g.statement() + ";\n")
				}
				files = append(files, file.String())
			}
			p := prepare(t, schema, rows, files...)
			o := rehearsal.Options{Limit: 1 << 30, Progress: func(string) {}, Patience: 10 * time.Second}
			story := func() string { return schema + "\n" + rows + "\n" + strings.Join(files, "-- next\n") }
			one, errOne := rehearsal.Remote(p.database, o)(t.Context(), p.plan)
			all, errAll := rehearsal.Local(p.database, o)(t.Context(), p.plan)
			before, errBefore := counted(t.Context(), p)
			err := p.database.Apply(t.Context(), p.plan.Batch)
			after, errAfter := counted(t.Context(), p)
			if errors.Join(errBefore, errAfter) != nil {
				t.Fatal(errBefore, errAfter)
			}
			if !one.Ran || !all.Ran {
				t.Fatalf("%q %q\n%s", one.Reason, all.Reason, story())
			}
			if fmt.Sprint(err) != fmt.Sprint(errAll) {
				t.Errorf("on all rows: %v\nreally: %v\n%s", errAll, err, story())
			}
			if err == nil && errOne != nil {
				t.Errorf("taken, but on one row: %v\n%s", errOne, story())
			}
			if unjudged := len(one.Gaps) > 0 || hasCode(one, migration.CodeNotJudged) || hasCode(one, migration.CodeUniqueUnproven); err != nil && errOne == nil && !unjudged {
				t.Errorf("refused: %v\nand on one row nothing is said\n%s", err, story())
			}
			if err != nil {
				return
			}
			said := map[string]migration.Table{}
			for _, one := range all.Tables {
				said[one.Name] = one
			}
			for name, n := range after {
				one, ok := said[name]
				if was, there := before[name]; ok && (one.After.Rows != n.rows || !one.After.Known || there && one.Before.Known && one.Before.Rows != was.rows) ||
					!ok && (!there || was.rows != n.rows) {
					t.Errorf("%s had %d rows and has %d: %+v\n%s", name, was.rows, n.rows, one, story())
				}
				if want := max(0, n.orphans-before[name].orphans); one.Orphans != want && g.settled[name] {
					t.Errorf("%s has %d more orphans, and not %d\n%s", name, want, one.Orphans, story())
				}
			}
			for _, one := range one.Tables {
				if n, there := after[one.Name]; there && one.After.Known && one.After.Rows != n.rows {
					t.Errorf("on one row, %s has %d rows and not %d\n%s", one.Name, one.After.Rows, n.rows, story())
				}
			}
			for _, h := range one.Hazards {
				if h.Code == migration.CodeOrphans && !hasCode(all, h.Code) {
					t.Errorf("on one row: %s\n%s", h.Message, story())
				}
			}
		})
	}
}

// What foreign keys do when rows of a parent go is counted right.
func TestRandomDeletes(t *testing.T) {
	t.Parallel()
	for seed := range *runs {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			g := &random{Rand: rand.New(rand.NewPCG(seed, 7))}
			schema, rows := g.database()
			rows, _, _ = strings.Cut(rows, "CREATE TRIGGER")
			from := g.table()
			sql := "DELETE FROM " + from + g.one(" WHERE id < 3", " WHERE id > 1", "")
			if g.IntN(3) == 0 {
				sql = "UPDATE OR REPLACE " + from + " SET id = id + 1 WHERE id = 1"
			}
			p := prepare(t, schema, rows, sql)
			all, errAll := rehearsal.Local(p.database, rehearsal.Options{Limit: 1 << 30, Progress: func(string) {}})(t.Context(), p.plan)
			before, errBefore := counted(t.Context(), p)
			err := p.database.Apply(t.Context(), p.plan.Batch)
			after, errAfter := counted(t.Context(), p)
			if fmt.Sprint(err) != fmt.Sprint(errAll) || errBefore != nil || errAfter != nil {
				t.Fatal(err, errAll, errBefore, errAfter)
			}
			if err != nil {
				return
			}
			said := map[string]migration.Table{}
			for _, one := range all.Tables {
				said[one.Name] = one
			}
			for name, was := range before {
				if lost := was.rows - after[name].rows; name != from && said[name].Cascaded != lost {
					t.Errorf("%s lost %d rows: %+v\n%s\n%s\n%s", name, lost, said[name], schema, rows, sql)
				}
			}
			refs := func(c map[string]content) (n int64) {
				for name, one := range c {
					if name != from {
						n += one.references
					}
				}
				return n
			}
			var nulled, gone int64
			for _, one := range said {
				if one.Name != from {
					nulled, gone = nulled+one.Nulled, gone+one.Cascaded
				}
			}
			if lost := refs(before) - refs(after); gone == 0 && nulled < lost {
				t.Errorf("%d references are lost, and %d said to be\n%s\n%s\n%s", lost, nulled, schema, rows, sql)
			}
		})
	}
}

func hasCode(r migration.Rehearsal, code string) bool {
	for _, h := range r.Hazards {
		if h.Code == code {
			return true
		}
	}
	return false
}

type content struct{ rows, orphans, references int64 }

// counted counts what is in a database.
func counted(ctx context.Context, p rehearsed) (map[string]content, error) {
	names, err := p.database.Read(ctx, migration.Query{SQL: "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'"})
	if err != nil {
		return nil, err
	}
	tables := map[string]content{}
	for _, v := range names[0].Values {
		name := fmt.Sprint(v[0])
		answers, err := p.database.Read(ctx, migration.Query{SQL: "SELECT count(*) FROM \"" + name + "\""},
			migration.Query{SQL: "SELECT count(*) FROM pragma_foreign_key_check(?)", Args: []any{name}})
		if err != nil {
			return nil, err
		}
		one := content{rows: answers[0].Values[0][0].(int64)}
		if answers[1].Err == nil {
			one.orphans = answers[1].Values[0][0].(int64)
		}
		keys, err := p.database.Read(ctx, migration.Query{SQL: "SELECT \"from\" FROM pragma_foreign_key_list(?)", Args: []any{name}})
		if err != nil {
			return nil, err
		}
		for _, key := range keys[0].Values {
			answers, err := p.database.Read(ctx, migration.Query{SQL: fmt.Sprintf("SELECT count(%s) FROM %q", key[0], name)})
			if err != nil {
				return nil, err
			}
			one.references += answers[0].Values[0][0].(int64)
		}
		tables[name] = one
	}
	return tables, nil
}

// random writes schemas and migrations.
type random struct {
	*rand.Rand
	tables  []string
	columns map[string][]string
	fresh   int
	settled map[string]bool // tables whose foreign keys never change
}

func (g *random) one(of ...string) string { return of[g.IntN(len(of))] }

func (g *random) table() string { return g.one(g.tables...) }

func (g *random) column(table string) string { return g.one(g.columns[table]...) }

func (g *random) database() (schema, rows string) {
	g.columns, g.settled = map[string][]string{}, map[string]bool{}
	var s, r strings.Builder
	for i := range 2 + g.IntN(4) {
		name := fmt.Sprintf("t%d", i)
		g.tables = append(g.tables, name)
		g.settled[name] = true
		s.WriteString(g.create(name, i > 0) + ";\n")
		for id := range g.IntN(6) {
			r.WriteString("INSERT OR IGNORE INTO " + name + " VALUES (" + g.values(name, fmt.Sprint(id+1)) + ");\n")
		}
	}
	rows = "PRAGMA defer_foreign_keys = ON;\n" + r.String() + g.fix()
	for range g.IntN(2) {
		rows += g.trigger() + ";\n"
	}
	return s.String(), rows
}

// fix takes rows away until no foreign key is violated.
func (g *random) fix() string {
	var b strings.Builder
	for range 4 {
		for _, name := range g.tables {
			for _, c := range g.columns[name] {
				if parent, ok := strings.CutPrefix(c, "to_"); ok {
					fmt.Fprintf(&b, "DELETE FROM %s WHERE %s NOT IN (SELECT id FROM %s);\n", name, c, parent)
				}
			}
		}
	}
	return b.String()
}

func (g *random) create(name string, child bool) string {
	columns := []string{"id"}
	sql := "CREATE TABLE " + name + "(id INTEGER PRIMARY KEY"
	for i := range 1 + g.IntN(3) {
		c := fmt.Sprintf("c%d", i)
		columns = append(columns, c)
		sql += ", " + c + " " + g.one("TEXT", "INTEGER", "REAL", "") + g.one("", "", "", " NOT NULL", " UNIQUE", " CHECK ("+c+" IS NULL OR "+c+" < 4)", " DEFAULT 1", " NOT NULL DEFAULT 2", " UNIQUE ON CONFLICT IGNORE")
	}
	if child {
		for range g.IntN(3) {
			parent := g.one(append(g.tables[:len(g.tables):len(g.tables)], name)...)
			c := "to_" + parent
			if strings.Contains(sql, c+" ") {
				continue
			}
			columns = append(columns, c)
			key := " INTEGER REFERENCES " + parent + "(id)"
			sql += ", " + c + g.one(key, key+" ON DELETE CASCADE NOT NULL", key+" NOT NULL", key+" ON DELETE CASCADE", key+" ON DELETE SET NULL", key+" ON DELETE RESTRICT",
				key+" ON UPDATE CASCADE", key+" ON DELETE SET DEFAULT", key+" DEFERRABLE INITIALLY DEFERRED", key+" ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED")
		}
	}
	g.columns[name] = columns
	return sql + ")" + g.one("", "", "", " WITHOUT ROWID")
}

func (g *random) value() string {
	return g.one("NULL", "1", "2", "3", "4", "5", "'a'", "'b'", "1.5", "7")
}

func (g *random) values(table, id string) string {
	list := []string{id}
	for range g.columns[table][1:] {
		list = append(list, g.value())
	}
	return strings.Join(list, ", ")
}

func (g *random) scalar() string {
	t := g.table()
	return "(SELECT " + g.one(g.column(t), "max("+g.column(t)+")", "count(*)", "sum("+g.column(t)+")") + " FROM " + t + g.one("", g.where(t), " ORDER BY id DESC LIMIT 1") + ")"
}

func (g *random) expression(table string) string {
	switch g.IntN(6) {
	case 0:
		return g.scalar()
	case 1:
		return "coalesce(" + g.column(table) + ", " + g.value() + ")"
	case 2:
		return g.column(table) + " + 1"
	case 3:
		return g.column(table)
	default:
		return g.value()
	}
}

func (g *random) where(table string) string {
	switch g.IntN(8) {
	case 0:
		return ""
	case 1:
		other := g.table()
		return " WHERE " + g.column(table) + g.one(" IN ", " NOT IN ") + "(SELECT " + g.column(other) + " FROM " + other + ")"
	case 2:
		other := g.table()
		return " WHERE" + g.one("", " NOT") + " EXISTS (SELECT 1 FROM " + other + " AS o WHERE o." + g.column(other) + " = " + table + "." + g.column(table) + ")"
	case 3:
		return " WHERE " + g.column(table) + " IS NULL"
	default:
		return " WHERE " + g.column(table) + g.one(" = ", " < ", " > ") + g.value()
	}
}

// from reads as many columns as a table has.
func (g *random) from(into string) string {
	t := g.table()
	join := ""
	if g.IntN(4) == 0 {
		other := g.table()
		join = g.one(" JOIN ", " LEFT JOIN ") + other + " AS j ON j." + g.column(other) + " = " + t + "." + g.column(t)
	}
	var list []string
	for i := range g.columns[into] {
		switch {
		case i == 0 && g.IntN(3) > 0:
			list = append(list, g.one(t+".id + 10", "NULL", t+".id", "max("+t+".id) + 1"))
		case join != "" && g.IntN(3) == 0:
			list = append(list, "j.id")
		default:
			list = append(list, g.one(t+"."+g.column(t), g.value(), t+".id"))
		}
	}
	where := ""
	if join == "" {
		where = g.where(t)
	}
	return "SELECT " + g.one("", "", "", "DISTINCT ") + strings.Join(list, ", ") + " FROM " + t + join + where + g.one("", "", "", " LIMIT 1", " GROUP BY 1")
}

func (g *random) trigger() string {
	g.fresh++
	t := g.table()
	body := g.one("UPDATE "+t+" SET "+g.column(t)+" = "+g.value()+" WHERE id = 1", g.write(), "SELECT RAISE(ABORT, 'no') WHERE "+g.scalar()+" > 2", "DELETE FROM "+t+" WHERE id = 2")
	return fmt.Sprintf("CREATE TRIGGER g%d %s %s ON %s BEGIN %s; END", g.fresh, g.one("BEFORE", "AFTER"), g.one("INSERT", "UPDATE", "DELETE"), g.table(), body)
}

func (g *random) write() string {
	t := g.table()
	or := g.one("", "", "", " OR IGNORE", " OR REPLACE")
	switch g.IntN(7) {
	case 0:
		return "INSERT" + or + " INTO " + t + " VALUES (" + g.values(t, g.one("NULL", "1", "2", "11", "12")) + ")"
	case 1:
		return "INSERT" + or + " INTO " + t + "(" + g.columns[t][0] + ", " + g.columns[t][1] + ") VALUES (" + g.one("NULL", "3", "13") + ", " + g.scalar() + ")"
	case 2, 3:
		return "INSERT" + or + " INTO " + t + " " + g.from(t)
	case 4:
		return "DELETE FROM " + t + g.where(t)
	default:
		return "UPDATE" + or + " " + t + " SET " + g.column(t) + " = " + g.expression(t) + g.where(t)
	}
}

func (g *random) statement() string {
	g.fresh++
	name := fmt.Sprintf("n%d", g.fresh)
	switch g.IntN(16) {
	case 0, 1:
		sql := g.create(name, true)
		g.tables = append(g.tables, name)
		g.settled[name] = true
		return sql
	case 2:
		t := g.table()
		g.columns[t] = append(g.columns[t], name)
		return "ALTER TABLE " + t + " ADD COLUMN " + name + g.one("", " TEXT DEFAULT 'x'", " NOT NULL", " INTEGER CHECK ("+name+" > 0)", " NOT NULL DEFAULT 3")
	case 3:
		t := g.table()
		return fmt.Sprintf("CREATE %sINDEX %s_i ON %s(%s)", g.one("", "UNIQUE "), name, t, g.column(t))
	case 4:
		return "PRAGMA defer_foreign_keys = " + g.one("ON", "ON", "OFF")
	case 5: // a rebuild
		t := g.table()
		g.settled[t] = false
		return fmt.Sprintf("CREATE TABLE %s AS SELECT * FROM %s%s;\nDROP TABLE %s;\nALTER TABLE %s RENAME TO %s", name, t, g.where(t), t, name, t)
	case 6:
		if len(g.tables) < 3 || g.IntN(2) == 0 {
			return "SELECT 1"
		}
		i := g.IntN(len(g.tables))
		t := g.tables[i]
		g.tables = append(g.tables[:i:i], g.tables[i+1:]...)
		return "DROP TABLE " + t
	case 7:
		if g.IntN(3) > 0 {
			return g.write()
		}
		return g.trigger()
	default:
		return g.write()
	}
}
