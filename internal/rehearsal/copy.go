package rehearsal

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/d1-rewind/d1-rewind/internal/migration"
	"github.com/d1-rewind/d1-rewind/internal/sqlite"
)

// copyResult says what a copy has.
type copyResult struct {
	partly []string // tables that are not as in the database
	gaps   []string // which these are, and why
	over   bool     // there is more than the limit: nothing was copied
}

var errOver = errors.New("more than the limit")

// copyData makes an embedded database with the schema and the rows of the given tables of env,
// nil: of all of them. A virtual table is copied through the tables that it stores its content in.
// size is what the service says that the database has, 0 if it did not; limit bounds it, and the
// bytes that are copied. progress is told at the beginning what the copy will cost.
//
// The rows come by ranges of their keys, as literals: D1's numbers are doubles, and JSON has no
// bytes. One value can't be told from another one in SQL, and is not kept: -0.0 becomes 0.0.
func copyData(ctx context.Context, env migration.Environment, schema migration.Schema, tables []string, size, limit int64, progress func(string)) (copied *sqlite.Scratch, result copyResult, err error) {
	if tables == nil && size > limit {
		return nil, copyResult{over: true}, nil
	}
	copied, err = sqlite.NewScratchFile(ctx)
	if err != nil {
		return nil, copyResult{}, err
	}
	c := &copier{env: env, limit: limit, progress: progress}
	err = copied.Fill(ctx, schema, func(l *sqlite.Loader) error {
		c.to = l
		return c.run(ctx, schema, tables)
	})
	if err == nil {
		return copied, c.result, nil
	}
	closing := copied.Close()
	switch {
	case ctx.Err() != nil:
		return nil, copyResult{}, errors.Join(ctx.Err(), closing)
	case errors.Is(err, errOver):
		return nil, copyResult{over: true}, closing
	case c.moved:
		err = fmt.Errorf("the database was written to while it was copied: %w", err)
	}
	return nil, copyResult{}, errors.Join(err, closing)
}

type copier struct {
	env      migration.Environment
	to       *sqlite.Loader
	limit    int64
	progress func(string)
	result   copyResult
	moved    bool  // the bookmark did, so someone wrote
	bytes    int64 // of the values so far
	written  int64 // rows, as far as progress is concerned
	expected int64
	said     time.Time
}

// copyTable is a table that is being copied.
type copyTable struct {
	sqlite.Stored
	size        copySize
	rows, bytes int64  // copied
	problem     string // why it can't be as in the database
	empty       bool   // and has no rows, then
}

// copySize is what a database says of a table.
type copySize struct {
	rows, bytes int64
	first, last int64  // rowid
	refused     string // why it can't be read
}

func (c *copier) run(ctx context.Context, schema migration.Schema, wanted []string) error {
	before, err := c.env.Bookmark(ctx, time.Time{})
	if err != nil {
		return err
	}
	tables, err := c.choose(schema, wanted)
	if err != nil {
		return err
	}
	if err := c.measure(ctx, tables); err != nil {
		return err
	}
	var bytes int64
	for _, t := range tables {
		c.expected += t.size.rows
		bytes += t.size.bytes
	}
	if bytes > c.limit {
		return errOver
	}
	c.progress(fmt.Sprintf("copying %s, %s, about %s; D1 bills about %s rows read",
		migration.Count(len(tables), "table"), rowCount(c.expected), migration.Size(bytes), thousands(2*c.expected)))
	if err := c.copy(ctx, tables); err != nil {
		return err
	}
	after, err := c.env.Bookmark(ctx, time.Time{})
	if err != nil {
		return err
	}
	c.moved = after != before
	if again := differing(tables); c.moved || len(again) > 0 {
		if err := c.again(ctx, tables, again); err != nil {
			return err
		}
	}
	if err := c.sequence(ctx, tables); err != nil {
		return err
	}
	for _, t := range tables {
		if t.problem != "" {
			c.result.partly = append(c.result.partly, t.Name)
			c.result.gaps = append(c.result.gaps, fmt.Sprintf("table %s %s", t.Name, t.problem))
		}
	}
	return nil
}

// choose returns the tables that are to be copied, without those that have no key.
func (c *copier) choose(schema migration.Schema, wanted []string) ([]*copyTable, error) {
	stored, err := c.to.Stored()
	if err != nil {
		return nil, err
	}
	var own []string // what the names of the tables begin with that belong to a virtual one
	for _, o := range schema {
		if o.Type == "table" && (wanted == nil || containsName(wanted, o.Name)) {
			own = append(own, fold(o.Name)+"_")
		}
	}
	var tables []*copyTable
	for _, s := range stored {
		belongs := func(prefix string) bool { return s.Shadow && strings.HasPrefix(fold(s.Name), prefix) }
		switch {
		case wanted != nil && !containsName(wanted, s.Name) && !slices.ContainsFunc(own, belongs):
		case len(s.Key) == 0:
			c.result.partly = append(c.result.partly, s.Name)
			c.result.gaps = append(c.result.gaps, fmt.Sprintf("table %s has no rows in the copy: its columns have all names of its rowid, so nothing tells its rows apart", s.Name))
		default:
			tables = append(tables, &copyTable{Stored: s})
		}
	}
	return tables, nil
}

func containsName(names []string, name string) bool {
	return slices.ContainsFunc(names, func(n string) bool { return fold(n) == fold(name) })
}

// measure asks for the size of each table.
func (c *copier) measure(ctx context.Context, tables []*copyTable) error {
	var queries []migration.Query
	for _, t := range tables {
		queries = append(queries, t.measure())
	}
	answers, err := readAll(ctx, c.env, queries)
	if err != nil {
		return err
	}
	for i, a := range answers {
		if tables[i].size, err = measured(a); err != nil {
			return fmt.Errorf("count the rows of %s: %w", tables[i].Name, err)
		}
	}
	return nil
}

// readAll runs queries with as few requests as can have them.
func readAll(ctx context.Context, env migration.Environment, queries []migration.Query) (answers []migration.Rows, err error) {
	for len(queries) > 0 {
		n, length := 0, 0
		for n < len(queries) && (n == 0 || length+len(queries[n].SQL) <= copyBody) {
			length += len(queries[n].SQL)
			n++
		}
		some, err := env.Read(ctx, queries[:n]...)
		if err == nil && len(some) != n {
			err = errAnswer
		}
		if err != nil {
			return nil, err
		}
		answers, queries = append(answers, some...), queries[n:]
	}
	return answers, nil
}

func measured(a migration.Rows) (copySize, error) {
	if a.Err != nil {
		return copySize{refused: a.Err.Error()}, nil
	}
	if len(a.Values) != 1 || len(a.Values[0]) != 4 {
		return copySize{}, errAnswer
	}
	v := a.Values[0]
	return copySize{rows: whole(v[0]), bytes: whole(v[1]), first: whole(v[2]), last: whole(v[3])}, nil
}

var errAnswer = errors.New("the database answered something else than it was asked for")

// whole reads a whole number, which D1 may have made a double; one that has to be exact is asked
// for as text.
func whole(v any) int64 {
	switch v := v.(type) {
	case int64:
		return v
	case float64:
		return int64(v)
	case string:
		n, _ := strconv.ParseInt(v, 10, 64)
		return n
	default:
		return 0
	}
}

// differing returns the tables whose rows did not come as they were counted.
func differing(tables []*copyTable) (list []*copyTable) {
	for _, t := range tables {
		if t.size.refused == "" && (t.rows != t.size.rows || t.problem != "") {
			list = append(list, t)
		}
	}
	return list
}

// again copies a second time, after someone wrote, the tables in which that can be seen.
func (c *copier) again(ctx context.Context, tables, again []*copyTable) error {
	first := map[*copyTable]copySize{}
	for _, t := range tables {
		first[t] = t.size
	}
	if err := c.measure(ctx, tables); err != nil {
		return err
	}
	for _, t := range tables {
		if t.size != first[t] && !slices.Contains(again, t) {
			again = append(again, t)
		}
	}
	if len(again) == 0 {
		c.result.gaps = append(c.result.gaps, "the database was written to while it was copied: rows that were changed without a change of their size may be as they were before")
		return nil
	}
	c.written, c.expected = 0, 0
	second := map[*copyTable]copySize{}
	for _, t := range again {
		c.expected += t.size.rows
		second[t] = t.size
	}
	c.progress(fmt.Sprintf("copying %s again, %s: the database was written to meanwhile", migration.Count(len(again), "table"), rowCount(c.expected)))
	if err := c.copy(ctx, again); err != nil {
		return err
	}
	if err := c.measure(ctx, again); err != nil {
		return err
	}
	for _, t := range again {
		if t.problem == "" && (t.size != second[t] || t.rows != t.size.rows) {
			t.problem = "was written to while it was copied"
		}
	}
	return nil
}

// copy fills tables. Several read at the same time, this one writes.
func (c *copier) copy(ctx context.Context, tables []*copyTable) error {
	c.said = time.Now()
	var streams []*copyStream
	for _, t := range tables {
		c.bytes -= t.bytes
		t.rows, t.bytes, t.problem, t.empty = 0, 0, "", false
		if err := c.to.Empty(t.Name); err != nil {
			return fmt.Errorf("empty %s: %w", t.Name, err)
		}
		if t.size.refused != "" {
			t.problem, t.empty = unreadable(t.size.refused), true
			continue
		}
		streams = append(streams, t.streams(c.env)...)
	}
	groups := together(streams)
	waiting := make(chan []*copyStream, len(groups))
	for _, g := range groups {
		waiting <- g
	}
	close(waiting)
	stopping, stop := context.WithCancel(ctx)
	defer stop()
	reads, reading := errgroup.WithContext(stopping)
	pages, ended := make(chan copyPage), make(chan error, 1)
	for range copyStreams {
		reads.Go(func() error {
			for g := range waiting {
				if err := runTogether(reading, g, pages); err != nil {
					return err
				}
			}
			return nil
		})
	}
	go func() {
		ended <- reads.Wait()
		close(pages)
	}()
	var failed error
	for page := range pages {
		if failed == nil {
			if failed = c.write(page); failed != nil {
				stop()
			}
		}
	}
	if err := <-ended; failed == nil {
		failed = err
	}
	for _, t := range tables {
		if failed == nil && t.empty {
			failed = c.to.Empty(t.Name) // of what was read so far
			t.rows = 0
		}
	}
	return failed
}

func unreadable(why string) string {
	return "has no rows in the copy: the database does not let them be read: " + why
}

// copyPage is some rows: of each the literals of its key, then those of its other columns.
type copyPage struct {
	table   *copyTable
	rows    [][]any
	problem string // that the table has
	empty   bool   // because of it
}

// write adds rows to the copy.
func (c *copier) write(page copyPage) error {
	t := page.table
	if page.problem != "" {
		t.problem, t.empty = page.problem, t.empty || page.empty
	}
	var row []sqlite.Value
	for _, cells := range page.rows {
		row = row[:0]
		for _, cell := range cells {
			text, ok := cell.(string)
			if !ok {
				return fmt.Errorf("copy the rows of %s: %w", t.Name, errAnswer)
			}
			var err error
			if row, err = sqlite.Literals(text, row); err != nil {
				return fmt.Errorf("copy the rows of %s: %w", t.Name, err)
			}
		}
		for _, v := range row {
			t.bytes += v.Size()
			c.bytes += v.Size()
		}
		if c.bytes > c.limit {
			return errOver
		}
		err := c.to.Insert(t.Stored, row)
		if refused, ok := errors.AsType[sqlite.RowError](err); ok {
			t.problem = "lacks rows in the copy: " + refused.Error()
			continue
		}
		if err != nil {
			return fmt.Errorf("copy the rows of %s: %w", t.Name, err)
		}
		t.rows++
	}
	c.written += int64(len(page.rows))
	if now := time.Now(); c.expected > 0 && now.Sub(c.said) >= time.Second {
		c.said = now
		c.progress(fmt.Sprintf("copied %s of %s (%d %%)", thousands(c.written), rowCount(c.expected), min(100, 100*c.written/c.expected)))
	}
	return nil
}

// sequence copies what AUTOINCREMENT goes on from.
func (c *copier) sequence(ctx context.Context, tables []*copyTable) error {
	into, there, err := c.to.Sequence()
	if err != nil || !there {
		return err
	}
	answers, err := c.env.Read(ctx, migration.Query{SQL: "SELECT name, " + exactLiteral("name") + ", quote(seq) FROM sqlite_sequence"})
	if err != nil {
		return err
	}
	if err := answers[0].Err; err != nil {
		return fmt.Errorf("read sqlite_sequence: %w", err)
	}
	if err := c.to.Empty(into.Name); err != nil {
		return err
	}
	page := copyPage{table: &copyTable{Stored: into}}
	for _, v := range answers[0].Values {
		if len(v) != 3 {
			return errAnswer
		}
		name, _ := v[0].(string)
		if slices.ContainsFunc(tables, func(t *copyTable) bool { return t.Name == name }) {
			page.rows = append(page.rows, v[1:])
		}
	}
	return c.write(page)
}

func rowCount(n int64) string {
	if n == 1 {
		return "1 row"
	}
	return thousands(n) + " rows"
}

// thousands writes a number with a comma every three digits.
func thousands(n int64) string {
	digits := strconv.FormatInt(n, 10)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
