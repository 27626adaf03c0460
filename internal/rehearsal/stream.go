package rehearsal

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/d1-rewind/d1-rewind/internal/migration"
	"github.com/d1-rewind/d1-rewind/internal/sqlite"
)

const (
	// copyStreams is how many reads are under way at once. D1 runs one at a time; the others
	// are for the time that a request and its answer are on their way.
	copyStreams = 4
	// copyAnswer is what an answer should have, in bytes; copyMost what it may have where the
	// rows are not of the size that they have on average.
	copyAnswer, copyMost = 2_000_000, 8_000_000
	copyMostRows         = 20_000
	// copyWide is the size of a row, in bytes, beyond which it is read value by value, and
	// copyPiece that of a value beyond which that is read in pieces. D1 makes no string of more
	// than 2,000,000 bytes (https://developers.cloudflare.com/d1/platform/limits/), and a literal
	// has up to twice the bytes of its value.
	copyWide, copyPiece = 400_000, 400_000
	// copyLargest is more than any value has: workerd's limit is 8,388,642 bytes, D1's 2,000,000.
	copyLargest   = 10_000_000
	copyPieces    = 3       // in one request
	copyColumns   = 50      // values by themselves in one query, of which maxColumns allows twice as many
	copyArguments = 30      // of a function: it takes 32
	copyBody      = 400_000 // bytes of SQL in one request, which may have about 1 MB
	// copySmall is how much of an answer tables have that are read with others in one request, and
	// copyTogether how many: Cloudflare counts requests.
	copySmall, copyTogether = copyAnswer / 20, 50
)

// maxColumns is how many columns a table and a result may have in D1
// (https://developers.cloudflare.com/d1/platform/limits/).
const maxColumns = 100

// copyStream reads the rows of a table, or of a range of its rowids, in the order of their keys.
type copyStream struct {
	table    *copyTable
	env      migration.Environment
	from, to int64    // rowids
	after    []string // the key of the last row that was read: literals; nil: none so far
	same     int      // how many columns of the key the next rows have in common with after
	wide     []wideRow
	ahead    *migration.Rows // the first page, where it was read with those of other tables
}

// wideRow is a row that an answer was too small for, or whose text JSON can't have.
type wideRow struct {
	key  string
	size int64
}

// streams cuts the reading of a table into pieces that can go on at the same time.
func (t *copyTable) streams(env migration.Environment) []*copyStream {
	if t.size.rows == 0 {
		return nil
	}
	parts := int64(1)
	if t.Rowid {
		parts = min(max(t.size.bytes/copyAnswer/4, 1), copyStreams)
	}
	width := (uint64(t.size.last)-uint64(t.size.first))/uint64(parts) + 1
	var streams []*copyStream
	for i := range parts {
		s := &copyStream{table: t, env: env, from: math.MinInt64, to: math.MaxInt64}
		if i > 0 {
			s.from = int64(uint64(t.size.first) + uint64(i)*width)
		}
		if i+1 < parts {
			s.to = int64(uint64(t.size.first)+uint64(i+1)*width) - 1
		}
		streams = append(streams, s)
	}
	return streams
}

// together puts the streams of small tables into groups that read their first page, and most
// likely their only one, with one request.
func together(streams []*copyStream) (groups [][]*copyStream) {
	var small []*copyStream
	answer, body := int64(0), 0
	for _, s := range streams {
		rows, length := s.table.size.rows, len(s.page(s.first()).SQL)
		bytes := rows * s.usual()
		if bytes > copySmall || rows >= s.first() {
			groups = append(groups, []*copyStream{s})
			continue
		}
		if len(small) > 0 && (len(small) == copyTogether || answer+bytes > copyAnswer || body+length > copyBody) {
			groups, small, answer, body = append(groups, small), nil, 0, 0
		}
		small, answer, body = append(small, s), answer+bytes, body+length
	}
	if len(small) > 0 {
		groups = append(groups, small)
	}
	return groups
}

// runTogether is run for a group.
func runTogether(ctx context.Context, group []*copyStream, pages chan<- copyPage) error {
	if len(group) > 1 {
		var queries []migration.Query
		for _, s := range group {
			queries = append(queries, s.page(s.first()))
		}
		answers, err := group[0].ask(ctx, queries...)
		if err != nil {
			return err
		}
		for i, s := range group {
			s.ahead = &answers[i]
		}
	}
	for _, s := range group {
		if err := s.run(ctx, pages); err != nil {
			return err
		}
	}
	return nil
}

// usual is the size of a row in an answer.
func (s *copyStream) usual() int64 {
	return s.table.size.bytes/s.table.size.rows*6/5 + int64(4*len(s.table.Columns)) + 10
}

// first is how many rows the first page may have.
func (s *copyStream) first() int64 { return clamp(copyAnswer/s.usual(), 1, copyMostRows) }

// run reads all rows and hands them to pages.
func (s *copyStream) run(ctx context.Context, pages chan<- copyPage) error {
	t, n := s.table, s.first()
	for {
		answer := s.ahead
		if s.ahead = nil; answer == nil {
			answers, err := s.ask(ctx, s.page(n))
			if err != nil {
				return err
			}
			answer = &answers[0]
		}
		if refused := answer.Err; refused != nil {
			if n == 1 {
				return send(ctx, pages, copyPage{table: t, problem: unreadable(refused.Error()), empty: true})
			}
			n = max(1, n/8) // maybe it was too much at once
			continue
		}
		rows := answer.Values
		full := int64(len(rows)) >= n
		last, received, err := s.setAside(&rows)
		if err != nil {
			return fmt.Errorf("copy the rows of %s: %w", t.Name, err)
		}
		if err := send(ctx, pages, copyPage{table: t, rows: rows}); err != nil {
			return err
		}
		more := full
		switch {
		case full && t.Rowid:
			more = s.advance(last)
		case full:
			s.after = strings.Split(last, ",") // a key's literals have no commas
			s.same = len(s.after) - 1
			if t.comparable() {
				s.same = 0
			}
		case s.same > 0:
			s.same--
			more = true
		}
		if err := s.flush(ctx, pages, !more); err != nil || !more {
			return err
		}
		if !full {
			continue
		}
		n = clamp(copyAnswer/max(received/n, 1), max(1, n/8), min(4*n, copyMostRows))
	}
}

func clamp(n, least, most int64) int64 { return max(least, min(n, most)) }

func send(ctx context.Context, pages chan<- copyPage, page copyPage) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case pages <- page:
		return nil
	}
}

func (s *copyStream) ask(ctx context.Context, queries ...migration.Query) ([]migration.Rows, error) {
	answers, err := s.env.Read(ctx, queries...)
	if err == nil && len(answers) != len(queries) {
		err = errAnswer
	}
	return answers, err
}

func firstError(answers []migration.Rows) error {
	for _, a := range answers {
		if a.Err != nil {
			return a.Err
		}
	}
	return nil
}

// setAside takes the rows out of an answer that have to be read in another way, and returns the last
// one's key and the answer's size.
func (s *copyStream) setAside(rows *[][]any) (last string, bytes int64, err error) {
	complete, cells := (*rows)[:0], 1+len(s.table.groups())
	for _, row := range *rows {
		if len(row) != cells {
			return "", 0, errAnswer
		}
		key, ok := row[0].(string)
		if !ok {
			return "", 0, errAnswer
		}
		last, bytes = key, bytes+int64(len(key))
		wide := int64(0)
		for _, cell := range row[1:] {
			switch cell := cell.(type) {
			case string:
				bytes += int64(len(cell))
				if strings.Contains(cell, "\uFFFD") { // maybe in the place of bytes that are no UTF-8
					wide = max(wide, int64(len(cell)))
				}
			default:
				wide = max(wide, whole(cell), 1)
			}
		}
		if wide > 0 {
			s.wide = append(s.wide, wideRow{key, wide})
		} else {
			complete = append(complete, row)
		}
	}
	*rows = complete
	return last, bytes, nil
}

// advance moves on to the rowid that follows; false if there is none, or the answer went back.
func (s *copyStream) advance(last string) bool {
	n, err := strconv.ParseInt(last, 10, 64)
	if err != nil || n < s.from || n >= s.to {
		return false
	}
	s.from = n + 1
	return true
}

// flush reads the rows that were put aside, as many as fill an answer, or all.
func (s *copyStream) flush(ctx context.Context, pages chan<- copyPage, all bool) error {
	for most := 1000; len(s.wide) > 0; {
		some, size := 0, int64(0)
		for some < min(len(s.wide), most) && (some == 0 || size+s.wide[some].size <= copyAnswer) {
			size += s.wide[some].size
			some++
		}
		if some == len(s.wide) && size < copyAnswer && !all {
			return nil
		}
		page, refused, err := s.values(ctx, s.wide[:some])
		if err != nil {
			return err
		}
		if refused != nil {
			if some > 1 {
				most = max(1, some/8)
				continue
			}
			page = copyPage{table: s.table, problem: unreadable(refused.Error()), empty: true}
		}
		if err := send(ctx, pages, page); err != nil {
			return err
		}
		s.wide = s.wide[some:]
	}
	s.wide = nil
	return nil
}

// values reads rows with each value by itself, and values that are too large for that in pieces.
func (s *copyStream) values(ctx context.Context, rows []wideRow) (page copyPage, refused, err error) {
	page.table = s.table
	var keys []string
	for _, r := range rows {
		keys = append(keys, r.key)
	}
	var queries []migration.Query
	for first := 0; first < len(s.table.Columns); first += copyColumns {
		queries = append(queries, s.table.valuesOf(keys, first, min(first+copyColumns, len(s.table.Columns))))
	}
	answers, err := s.ask(ctx, queries...)
	if err != nil {
		return page, nil, err
	}
	if refused := firstError(answers); refused != nil {
		return page, refused, nil
	}
	page.rows = answers[0].Values
	for i := range page.rows {
		for _, more := range answers[1:] {
			if len(more.Values) != len(page.rows) || more.Values[i][0] != page.rows[i][0] {
				return page, nil, errAnswer
			}
			page.rows[i] = append(page.rows[i], more.Values[i][1:]...)
		}
		key, _ := page.rows[i][0].(string)
		for n, cell := range page.rows[i][1:] {
			text, _ := cell.(string)
			if !strings.HasPrefix(text, "@") {
				continue
			}
			if n >= len(s.table.Columns) {
				return page, nil, errAnswer
			}
			whole, changed, err := s.pieces(ctx, key, n, text)
			if err != nil {
				return page, nil, err
			}
			if changed {
				page.problem, whole = "was written to while it was copied", "NULL"
			}
			page.rows[i][1+n] = whole
		}
	}
	return page, nil, nil
}

// pieces reads one large value, which is announced as @T or @X with its size.
func (s *copyStream) pieces(ctx context.Context, key string, column int, announced string) (literal string, changed bool, err error) {
	size, err := strconv.ParseInt(strings.TrimLeft(announced, "@TX"), 10, 64)
	if err != nil || size > copyLargest {
		return "", false, errAnswer
	}
	var text strings.Builder
	received := int64(0)
	text.WriteString(strings.TrimRight(announced[1:], "0123456789X") + "X'")
	for at := int64(1); at <= size; {
		var queries []migration.Query
		for range copyPieces {
			if at <= size {
				queries = append(queries, s.table.piece(key, column, at))
				at += copyPiece
			}
		}
		answers, err := s.ask(ctx, queries...)
		if err == nil {
			err = firstError(answers)
		}
		if err != nil {
			return "", false, err
		}
		for _, a := range answers {
			if len(a.Values) != 1 {
				return "", true, nil
			}
			digits, _ := a.Values[0][0].(string)
			text.WriteString(digits)
			received += int64(len(digits))
		}
	}
	text.WriteByte('\'')
	return text.String(), received != 2*size, nil
}

// The SQL. A table is read as (SELECT its key AS k0, …, its other columns AS c0, …), which SQLite
// resolves as if it were not there, so that names, which may be long, appear once and the columns'
// own affinities and collations hold.

func (t *copyTable) source() string {
	if !t.renamed() {
		return "main." + quoteName(t.Name) + " AS t"
	}
	var columns []string
	for i, k := range t.Key {
		columns = append(columns, fmt.Sprintf("t.%s AS k%d", k.Name, i))
	}
	for i, c := range t.Columns {
		columns = append(columns, fmt.Sprintf("t.%s AS c%d", quoteName(c), i))
	}
	return "(SELECT " + strings.Join(columns, ", ") + " FROM main." + quoteName(t.Name) + " AS t)"
}

// renamed reports whether a result can have all columns; it can't where the rowid is one too many.
func (t *copyTable) renamed() bool { return len(t.Key)+len(t.Columns) <= maxColumns }

// k and c are the columns of the key and the others in source.
func (t *copyTable) k(i int) string {
	if t.renamed() {
		return fmt.Sprintf("k%d", i)
	}
	return "t." + t.Key[i].Name
}

func (t *copyTable) c(i int) string {
	if t.renamed() {
		return fmt.Sprintf("c%d", i)
	}
	return "t." + quoteName(t.Columns[i])
}

// octets is the size of a row.
func (t *copyTable) octets(withKey bool) string {
	var terms []string
	if withKey {
		for i := range t.Key {
			terms = append(terms, "octet_length("+t.k(i)+")")
		}
	}
	for i := range t.Columns {
		terms = append(terms, "ifnull(octet_length("+t.c(i)+"), 0)")
	}
	return balanced(terms)
}

// balanced adds terms up: a sum from left to right of 100 would be too deep for D1.
func balanced(terms []string) string {
	switch n := len(terms); n {
	case 0:
		return "0"
	case 1:
		return terms[0]
	default:
		return "(" + balanced(terms[:n/2]) + " + " + balanced(terms[n/2:]) + ")"
	}
}

func (t *copyTable) measure() migration.Query {
	first, last := "0", "0"
	if t.Rowid {
		first, last = "quote(min("+t.k(0)+"))", "quote(max("+t.k(0)+"))"
	}
	return migration.Query{SQL: fmt.Sprintf("SELECT count(*), total(%s), %s, %s FROM %s", t.octets(true), first, last, t.source())}
}

// exactLiteral is a value as a literal whatever it holds.
func exactLiteral(column string) string {
	return fmt.Sprintf("CASE typeof(%[1]s) WHEN 'text' THEN 'T' || quote(CAST(%[1]s AS BLOB)) ELSE quote(%[1]s) END", column)
}

// plainLiteral is a value as a literal; for bytes in a text that are no UTF-8 see setAside.
// quote() ends a text where it has a NUL.
func plainLiteral(column string) string {
	return fmt.Sprintf("CASE WHEN typeof(%[1]s) = 'text' AND instr(%[1]s, char(0)) > 0 THEN 'T' || quote(CAST(%[1]s AS BLOB)) ELSE quote(%[1]s) END", column)
}

// listed joins literals by commas.
func listed(literals []string) string {
	for len(literals) > 1 {
		var lists []string
		for some := range slices.Chunk(literals, copyArguments) {
			lists = append(lists, "concat_ws(',', "+strings.Join(some, ", ")+")")
		}
		literals = lists
	}
	return literals[0]
}

func (t *copyTable) key() string {
	if t.Rowid {
		return "quote(" + t.k(0) + ")"
	}
	var literals []string
	for i := range t.Key {
		literals = append(literals, exactLiteral(t.k(i)))
	}
	return listed(literals)
}

// groups are the result's columns behind the key.
func (t *copyTable) groups() (lists []string) {
	var literals []string
	for i := range t.Columns {
		literals = append(literals, plainLiteral(t.c(i)))
	}
	for some := range slices.Chunk(literals, copyArguments) {
		lists = append(lists, listed(some))
	}
	return lists
}

// page asks for the next n rows. A row that is too large comes as its size.
func (s *copyStream) page(n int64) migration.Query {
	t := s.table
	columns := []string{t.key()}
	for _, g := range t.groups() {
		columns = append(columns, fmt.Sprintf("CASE WHEN %[1]s <= %[2]d THEN %[3]s ELSE %[1]s END", t.octets(false), clamp(copyMost/n, 1000, copyWide), g))
	}
	head := "SELECT " + strings.Join(columns, ", ") + " FROM " + t.source()
	if t.Rowid {
		return migration.Query{SQL: fmt.Sprintf("%s WHERE %[2]s BETWEEN CAST(?1 AS INTEGER) AND CAST(?2 AS INTEGER) ORDER BY %[2]s LIMIT %d", head, t.k(0), n),
			Args: []any{strconv.FormatInt(s.from, 10), strconv.FormatInt(s.to, 10)}}
	}
	var order []string
	for i := range t.Key {
		order = append(order, t.collated(i))
		if t.Key[i].Desc {
			order[i] += " DESC"
		}
	}
	where, args := s.behind()
	return migration.Query{SQL: fmt.Sprintf("%s%s ORDER BY %s LIMIT %d", head, where, strings.Join(order, ", "), n), Args: args}
}

func (t *copyTable) collated(i int) string {
	if t.Key[i].Collation == "" {
		return t.k(i)
	}
	return t.k(i) + " COLLATE " + t.Key[i].Collation
}

// comparable reports whether SQLite finds what follows on a key by comparing it as a whole: it has
// to go in one direction, and to have the collations of its columns. Otherwise copyStream asks
// first for what has all but the last column in common with a key, then all but the last two, …
func (t *copyTable) comparable() bool {
	return !slices.ContainsFunc(t.Key, func(k sqlite.KeyColumn) bool { return k.Desc != t.Key[0].Desc || k.Collation != "" })
}

// behind says which rows follow on s.after.
func (s *copyStream) behind() (where string, args []any) {
	t := s.table
	if s.after == nil {
		return "", nil
	}
	for _, literal := range s.after {
		args = append(args, literal)
	}
	var left, right, terms []string
	for i := range t.Key {
		left, right = append(left, t.collated(i)), append(right, valueOf(fmt.Sprintf("?%d", i+1)))
	}
	operator := func(i int) string {
		if t.Key[i].Desc {
			return "<"
		}
		return ">"
	}
	if t.comparable() {
		return fmt.Sprintf(" WHERE (%s) %s (%s)", strings.Join(left, ", "), operator(0), strings.Join(right, ", ")), args
	}
	for i := range s.same {
		terms = append(terms, left[i]+" = "+right[i])
	}
	terms = append(terms, left[s.same]+" "+operator(s.same)+" "+right[s.same])
	return " WHERE " + strings.Join(terms, " AND "), args[:s.same+1]
}

// valueOf is the value of a literal that exactLiteral made, as SQL in which only the literal's
// place stands. It has no affinity, so that the column's holds.
func valueOf(literal string) string {
	return fmt.Sprintf(`CASE substr(%[1]s, 1, 1) WHEN 'T' THEN CAST(unhex(substr(%[1]s, 4, length(%[1]s) - 4)) AS TEXT) WHEN 'X' THEN unhex(substr(%[1]s, 3, length(%[1]s) - 3))
ELSE CASE WHEN %[1]s GLOB '*[.eI]*' THEN CAST(%[1]s AS REAL) ELSE CAST(%[1]s AS INTEGER) END END`, literal)
}

// among is what the rows that have one of the keys are read from.
func (t *copyTable) among(keys []string) (from string, args []any) {
	var lists [][]string
	for _, key := range keys {
		lists = append(lists, strings.Split(key, ","))
	}
	var terms []string
	for i := range t.Key {
		value := fmt.Sprintf("(j.value ->> %d)", i)
		if t.Rowid {
			value = "CAST(" + value + " AS INTEGER)"
		} else {
			value = valueOf(value)
		}
		terms = append(terms, t.collated(i)+" = "+value)
	}
	list, _ := json.Marshal(lists) // strings always marshal
	return fmt.Sprintf("json_each(?1) AS j, %s WHERE %s", t.source(), strings.Join(terms, " AND ")), []any{string(list)}
}

// valuesOf asks for the columns from first to last, each by itself; a large value is announced.
func (t *copyTable) valuesOf(keys []string, first, last int) migration.Query {
	columns := []string{t.key()}
	for i := first; i < last; i++ {
		columns = append(columns, fmt.Sprintf("CASE WHEN octet_length(%[1]s) > %[2]d THEN CASE typeof(%[1]s) WHEN 'text' THEN '@T' ELSE '@X' END || octet_length(%[1]s) ELSE %[3]s END",
			t.c(i), copyPiece, exactLiteral(t.c(i))))
	}
	from, args := t.among(keys)
	return migration.Query{SQL: fmt.Sprintf("SELECT %s FROM %s ORDER BY j.key", strings.Join(columns, ", "), from), Args: args}
}

// piece asks for a part of a value, in hexadecimal digits.
func (t *copyTable) piece(key string, column int, at int64) migration.Query {
	from, args := t.among([]string{key})
	return migration.Query{SQL: fmt.Sprintf("SELECT hex(substr(CAST(%s AS BLOB), %d, %d)) FROM %s", t.c(column), at, copyPiece, from), Args: args}
}
