package rehearsal

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/d1-rewind/d1-rewind/internal/migration"
	"github.com/d1-rewind/d1-rewind/internal/sqlite"
	"github.com/d1-rewind/d1-rewind/internal/statement"
)

// settle looks, behind each migration, which of the rows that foreign keys or a DELETE took it
// has put back.
func (t *trial) settle() {
	counts := map[string]int64{}
	for _, one := range t.losses {
		sql := t.counting(one.table, one.column)
		now, known := counts[sql]
		var err error
		if !known {
			now, err = t.integer(sql)
			if err == nil {
				counts[sql] = now
			}
		}
		// One row is put back by any other: there have to be rows that someone kept.
		kept := t.facts.complete || t.refilled[fold(one.table)]
		if err == nil && now >= one.before && one.before > 0 && kept {
			one.hazard.Severity = migration.SeverityInfo
			one.hazard.Message += "; at the end of the migration as many are there as before"
			one.back = true
		}
		t.settled = append(t.settled, one)
	}
	t.losses = nil
}

// End implements sqlite.Watch.
func (t *trial) End(l *sqlite.Look) (err error) {
	t.look = l
	if t.end, err = readModel(t.look.Query, t.plan.Ledger, migration.JournalTable); err != nil {
		return err
	}
	t.ended = true
	t.lost()
	if err := t.removed(); err != nil {
		return err
	}
	t.counted()
	broken, err := t.exercise(t.made)
	if err != nil {
		return err
	}
	t.nowBroken(broken)
	t.orphaned()
	if err := t.sizes(); err != nil {
		return err
	}
	if e := t.estimated(); e != nil && !e.Fits() {
		last := t.statement(t.current)
		t.add(migration.CodeTimeLimit, migration.SeverityWarning, place{t.plan.Migrations[len(t.plan.Migrations)-1].Name, last.Line},
			fmt.Sprintf("the run may take about %.0f s, and D1 gives a request %.0f s; assuming that %s", e.Seconds, e.Limit, e.Assumption),
			"split it (transaction: migration runs each by itself), do the large part in pieces, or use transport: import")
	}
	return nil
}

// lost reports what foreign keys and DELETEs took, of tables that are still there.
func (t *trial) lost() {
	for _, one := range t.settled {
		if !t.there(one.table) {
			continue // meant to go: see removed
		}
		if _, live := t.liveColumns[fold(one.table)]; one.made && !live {
			continue // it is no table of the live database's, under whatever name
		}
		if one.back {
			*t.effect(one.table) = effect{}
		}
		t.hazards = append(t.hazards, one.hazard)
	}
}

// removed reports tables, views, indexes and triggers of the live database that are gone.
func (t *trial) removed() error {
	for _, d := range t.drops {
		if t.there(d.live) && t.live(d.live) == "" { // and not one that had another name there
			if err := t.rebuilt(d); err != nil {
				return err
			}
			continue
		}
		if slices.ContainsFunc(slices.Collect(maps.Values(t.origin)), func(o origin) bool { return o.live == d.live }) {
			continue // it lives on under another name
		}
		if before := t.before[fold(d.live)]; before.Known && before.Rows > d.rows.Rows {
			d.rows = before // the run had emptied it
		}
		severity := migration.SeverityError
		if d.rows.Known && d.rows.Rows == 0 {
			severity = migration.SeverityWarning
		}
		t.add(migration.CodeDropTable, severity, d.place, fmt.Sprintf("drops %s (%s)", d.live, count(d.rows)),
			"deploy a Worker that does not use the table first; drop it in a later migration, when nobody misses it")
	}
	for _, r := range t.renames {
		there, err := t.integer("SELECT count(*) FROM sqlite_schema WHERE type IN ('view', 'table') AND lower(name) = lower(?)", r.live)
		if err != nil {
			return err
		}
		if there > 0 || !t.there(r.to) {
			continue
		}
		t.add(migration.CodeRenameTable, migration.SeverityWarning, r.place, fmt.Sprintf("renames %s to %s, and the running Worker uses the old name", r.live, r.to),
			fmt.Sprintf("leave a view %s behind for as long as a Worker reads it, or make the new table beside the old one and move over", r.live))
	}
	for _, v := range t.views {
		n, err := t.integer("SELECT count(*) FROM sqlite_schema WHERE type IN ('view', 'table') AND lower(name) = lower(?)", v.live)
		if err != nil {
			return err
		}
		if n == 0 && slices.ContainsFunc(t.start.views, func(o object) bool { return fold(o.name) == fold(v.live) }) {
			t.add(migration.CodeDropView, migration.SeverityWarning, v.place, fmt.Sprintf("drops the view %s, which the running Worker may read", v.live), "drop it when no deployed Worker reads it")
		}
	}
	return nil
}

// rebuilt compares a table that was dropped and made again with what it was.
func (t *trial) rebuilt(d removal) error {
	name := t.named(d.live)
	rows, err := t.integer("SELECT count(*) FROM " + quoteName(name))
	if err != nil {
		return err
	}
	if f := t.facts.tables[fold(d.live)]; f.rest && f.rows.Known {
		t.add(migration.CodeNotJudged, migration.SeverityInfo, d.place, fmt.Sprintf("rebuilds %s (%s): whether the new one gets all of its rows was not looked at", d.live, count(f.rows)), t.witness+" knows")
	}
	if rows < d.copied {
		t.add(migration.CodeDropTable, migration.SeverityError, d.place, fmt.Sprintf("drops %s (%s) and makes it again with fewer rows", d.live, count(d.rows)),
			"copy the rows into the new table before the old one goes")
	}
	now, err := t.columns(name)
	if err != nil {
		return err
	}
	var lost []string
	for _, c := range t.liveColumns[fold(d.live)] {
		if !containsName(now, c) {
			lost = append(lost, c)
		}
	}
	for _, c := range lost {
		t.gone[fold(c)] = d.place
		t.dropColumn(d.live, c, d.place, d.values[c])
	}
	objects, err := t.belongings()
	if err != nil {
		return err
	}
	for _, o := range t.objects {
		if fold(o.Table) != fold(d.live) || t.dropped[fold(o.Name)] {
			continue
		}
		if slices.ContainsFunc(objects, func(n migration.Object) bool { return n.Type == o.Type && fold(n.Name) == fold(o.Name) }) {
			continue
		}
		if slices.ContainsFunc(lost, func(c string) bool {
			return slices.Contains(statement.Normalize(o.SQL), fold(c)) || slices.Contains(statement.Normalize(o.SQL), quoteName(c))
		}) {
			continue // it goes with its column
		}
		if slices.ContainsFunc(objects, func(n migration.Object) bool {
			return n.Type == o.Type && fold(n.Table) == fold(name) && sameButName(n, o)
		}) {
			continue
		}
		t.add(migration.CodeRebuildLost, migration.SeverityWarning, d.place, fmt.Sprintf("the rebuild of %s drops its %s %s, and nothing makes it again", d.live, o.Type, o.Name),
			"create it again at the end of the migration: "+short(o.SQL, 200))
	}
	return nil
}

// sameButName reports whether two indexes or triggers differ in nothing but how they are called.
func sameButName(a, b migration.Object) bool {
	rest := func(o migration.Object) []string {
		return slices.DeleteFunc(statement.Normalize(canonical(o.SQL)), func(w string) bool { return fold(strings.Trim(w, `"`)) == fold(o.Name) })
	}
	return slices.Equal(rest(a), rest(b))
}

// canonical is how a remote database has a trigger stored; other definitions stay as they are.
func canonical(sql string) string {
	text, _ := statement.Canonical(sql)
	return text
}

// belongings are the indexes and triggers that someone wrote.
func (t *trial) belongings() ([]migration.Object, error) {
	rows, err := t.look.Query("SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE type IN ('index', 'trigger') AND sql IS NOT NULL")
	var objects []migration.Object
	for _, v := range rows.Values {
		objects = append(objects, migration.Object{Type: fmt.Sprint(v[0]), Name: fmt.Sprint(v[1]), Table: fmt.Sprint(v[2]), SQL: fmt.Sprint(v[3])})
	}
	return objects, err
}

// counted compares the numbers of rows.
func (t *trial) counted() {
	names := maps.Clone(t.touched)
	for key, o := range t.origin {
		if !t.own(key) {
			names[key] = o.name
		}
	}
	for _, key := range slices.Sorted(maps.Keys(names)) {
		name := names[key]
		before, touched := t.before[key]
		made := t.there(name) && t.live(name) == ""
		if !touched && !made {
			continue
		}
		one := migration.Table{Name: name, Before: before}
		if t.there(name) && t.trusts(name) == full {
			if n, err := t.integer("SELECT count(*) FROM " + quoteName(name)); err == nil {
				one.After = migration.Rowcount{Rows: n, Known: true}
			}
		}
		if e := t.effects[key]; e != nil {
			one.Cascaded, one.Nulled = e.cascaded, e.nulled
		}
		t.tables = append(t.tables, one)
	}
}

// exercise compiles what reads every view and writes every table, which is when SQLite looks into
// views, triggers and foreign keys, and returns what D1 refuses of that with its words.
func (t *trial) exercise(made map[string]place) (map[string]string, error) {
	rows, err := t.look.Query(`SELECT l.name, l.type,
 EXISTS (SELECT 1 FROM sqlite_schema AS s WHERE s.type = 'trigger' AND lower(s.tbl_name) = lower(l.name)) FROM pragma_table_list AS l WHERE l.schema = 'main' AND l.type IN ('table', 'view')`)
	if err != nil {
		return nil, err
	}
	broken := map[string]string{}
	for _, v := range rows.Values {
		name, kind := fmt.Sprint(v[0]), fmt.Sprint(v[1])
		if t.own(name) || system(name) || strings.HasPrefix(fold(name), "_cf_") {
			continue
		}
		column := ""
		if columns, err := t.texts("SELECT name FROM pragma_table_xinfo(?) WHERE hidden = 0 LIMIT 1", name); err == nil && len(columns) > 0 { // a broken view has none
			column = columns[0]
		}
		triggers := v[2] == int64(1)
		var probes []string
		if kind == "view" {
			probes = append(probes, "SELECT * FROM "+quoteName(name))
		}
		if kind == "table" || triggers {
			probes = append(probes, "INSERT INTO "+quoteName(name)+" DEFAULT VALUES", "DELETE FROM "+quoteName(name))
			if column != "" {
				probes = append(probes, "UPDATE "+quoteName(name)+" SET "+quoteName(column)+" = "+quoteName(column))
			}
		}
		for _, probe := range probes {
			err := t.look.Compiles(probe)
			if err == nil {
				continue
			}
			if kind == "view" && !strings.HasPrefix(probe, "SELECT") && strings.HasPrefix(err.Error(), "cannot modify ") {
				continue // it has no trigger for that
			}
			what := kind
			if triggers && !strings.HasPrefix(probe, "SELECT") {
				what = "trigger"
			}
			broken[what+" "+name] = err.Error()
			break
		}
		if made != nil {
			t.probed(name, probes)
		}
	}
	return broken, nil
}

// probed looks at patterns in the tables, views and triggers that the run made.
func (t *trial) probed(name string, probes []string) {
	objects, err := t.look.Query("SELECT name, sql FROM sqlite_schema WHERE type IN ('view', 'trigger', 'table') AND lower(tbl_name) = lower(?)", name)
	if err != nil {
		return
	}
	for _, v := range objects.Values {
		at, made := t.made[fold(fmt.Sprint(v[0]))]
		sql := fmt.Sprint(v[1])
		if !made {
			continue
		}
		words := statement.Normalize(sql)
		if !slices.Contains(words, "like") && !slices.Contains(words, "glob") {
			continue
		}
		for _, probe := range probes {
			before := len(t.hazards)
			if t.patterns(probe, at); len(t.hazards) > before {
				break
			}
		}
	}
}

// nowBroken reports what worked before the run.
func (t *trial) nowBroken(broken map[string]string) {
	for _, key := range slices.Sorted(maps.Keys(broken)) {
		if _, before := t.broken[key]; before {
			continue
		}
		kind, name, _ := strings.Cut(key, " ")
		why := broken[key]
		at := t.culprit(kind, name, why)
		switch kind {
		case "view":
			t.add(migration.CodeBrokenView, migration.SeverityError, at, fmt.Sprintf("after the run the view %s can't be read: %s", name, why), "create the view again, so that it fits, in the same migration")
		case "trigger":
			t.add(migration.CodeBrokenTrigger, migration.SeverityError, at, fmt.Sprintf("after the run %s can't be written, because of its triggers or foreign keys: %s", name, why),
				"create its triggers again, so that they fit, in the same migration")
		default:
			t.add(migration.CodeBrokenTable, migration.SeverityError, at, fmt.Sprintf("after the run %s can't be written: %s", name, why), "fix its foreign keys: they have to lead to a table's primary key or to unique columns")
		}
	}
}

// culprit is the statement to blame: the one that made what is broken, that removed what the
// message misses, or the last that changed the schema.
func (t *trial) culprit(kind, name, why string) place {
	if at, ok := t.made[fold(name)]; ok && kind == "view" {
		return at
	}
	missing := ""
	for _, prefix := range []string{"no such table: main.", "no such table: ", "no such column: "} {
		if _, rest, ok := strings.Cut(why, prefix); ok {
			missing, _, _ = strings.Cut(rest, ": SQLITE_")
			missing, _, _ = strings.Cut(missing, " at offset")
			if i := strings.LastIndex(missing, "."); i >= 0 {
				missing = missing[i+1:]
			}
			break
		}
	}
	if at, ok := t.gone[fold(missing)]; ok && missing != "" {
		return at
	}
	for _, o := range t.triggersOf(name) {
		if at, ok := t.made[fold(o)]; ok {
			return at
		}
	}
	if at, ok := t.made[fold(name)]; ok {
		return at
	}
	return t.lastChange
}

func (t *trial) triggersOf(table string) []string {
	names, _ := t.texts("SELECT name FROM sqlite_schema WHERE type = 'trigger' AND lower(tbl_name) = lower(?)", table)
	return names
}

// violations counts the rows whose foreign keys lead nowhere, by table and parent.
func (t *trial) violations() map[string]int64 {
	found := map[string]int64{}
	rows, err := t.look.Query(`SELECT "table", parent, count(*) FROM pragma_foreign_key_check GROUP BY 1, 2`)
	if err != nil {
		return found // a foreign key that leads to no table or no key: see exercise
	}
	for _, v := range rows.Values {
		n, _ := v[2].(int64)
		found[fmt.Sprint(v[0])+"\x00"+fmt.Sprint(v[1])] = n
	}
	return found
}

func (t *trial) orphaned() {
	now := t.violations()
	for _, key := range slices.Sorted(maps.Keys(now)) {
		n := now[key] - t.orphans[key]
		table, parent, _ := strings.Cut(key, "\x00")
		if n <= 0 {
			continue
		}
		at, ok := t.written[fold(table)]
		if gone, dropped := t.gone[fold(parent)]; dropped {
			at, ok = gone, true
		}
		if !ok {
			if at, ok = t.written[fold(parent)]; !ok {
				at = t.lastChange
			}
		}
		if t.mayLead(table, parent) {
			if !t.unjudged[fold(table)] { // or it was said
				t.add(migration.CodeNotJudged, migration.SeverityInfo, at, fmt.Sprintf("rows of %s refer to rows of %s that the copy does not have", table, parent), t.witness+" knows")
			}
			continue
		}
		if i := slices.IndexFunc(t.tables, func(o migration.Table) bool { return fold(o.Name) == fold(table) }); i >= 0 && t.facts.complete {
			t.tables[i].Orphans += n
		}
		t.add(migration.CodeOrphans, migration.SeverityError, at, fmt.Sprintf("leaves %s of %s with a foreign key to %s that leads nowhere", migration.Count(int(n), "row"), table, parent),
			"move these rows to another parent, set the key to NULL, or delete them; PRAGMA defer_foreign_keys = OFF hides the violation and fixes nothing")
	}
}

// maxRow is the largest row that D1 documents, in bytes; the engine takes more
// (https://developers.cloudflare.com/d1/platform/limits/).
const maxRow = 2_000_000

func (t *trial) sizes() error {
	for _, key := range slices.Sorted(maps.Keys(t.stored)) {
		name := t.stored[key]
		columns, err := t.texts("SELECT name FROM pragma_table_xinfo(?) WHERE hidden = 0", name)
		if err != nil {
			return err
		}
		if len(columns) == 0 {
			continue // it is gone
		}
		var sizes []string
		for group := range slices.Chunk(columns, 30) { // an expression has at most 100 levels
			var terms []string
			for _, c := range group {
				terms = append(terms, "coalesce(octet_length("+quoteName(c)+"), 0)")
			}
			sizes = append(sizes, "("+strings.Join(terms, " + ")+")")
		}
		n, err := t.integer("SELECT max(" + strings.Join(sizes, " + ") + ") FROM " + quoteName(name))
		if err == nil && n > maxRow {
			t.add(migration.CodeValueSize, migration.SeverityWarning, t.written[key], fmt.Sprintf("writes a row of %d bytes to %s; D1 documents %d as the most", n, name, maxRow), "keep what is large in R2, and its key in the database")
		}
	}
	return nil
}

func (t *trial) changes() []migration.Change {
	if !t.ended {
		return nil
	}
	differences, _ := t.start.diff(t.end)
	return differences
}

func (t *trial) picture() []migration.Entity {
	if !t.ended {
		return nil
	}
	var touched []string
	for _, key := range slices.Sorted(maps.Keys(t.touched)) {
		touched = append(touched, t.touched[key])
	}
	return picture(t.start, t.end, touched)
}
