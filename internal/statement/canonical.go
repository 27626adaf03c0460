package statement

import (
	"slices"
	"strings"
)

// Canonical returns the text in which a statement is sent to D1's query endpoint, and
// whether that differs from sql, which is one statement as Split cuts it.
//
// Only CREATE TRIGGER changes. The service cuts what it is sent with a splitter of its
// own, and users report that it refuses triggers with CRLF or begin in lower case
// (https://github.com/cloudflare/workers-sdk/issues/14991 and /issues/10998) or with
// CASE … END outside parentheses, and takes one-line triggers. So a trigger becomes one
// line without comments, BEGIN and END stand in capitals between spaces, and each CASE
// expression is in capitals and directly inside parentheses. Literals and quoted names
// stay byte for byte, line breaks included, and so do the letters of every other word.
//
// Any other statement returns as it is, and so does a trigger of which not all is there.
//
// SQLite compiles both texts to the same program or refuses both; tests hold it to that.
// One thing can tell them apart, a column's name that is the text of its expression:
// SELECT "1  +  1" FROM (SELECT 1  +  1).
func Canonical(sql string) (text string, changed bool) {
	pieces := triggerPieces(sql)
	if !markTrigger(pieces) {
		return sql, false
	}
	var b strings.Builder
	for i, p := range pieces {
		if p.gap && i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(p.text)
	}
	return b.String(), b.String() != sql
}

// piece is a token other than white space and comments, as it will be written.
type piece struct {
	kind kind
	text string
	gap  bool // white space or a comment stands in front of it
}

// keyword returns the word that p is in capitals. Only ASCII letters have them in
// SQLite's keywords: "caſe" is a name.
func (p piece) keyword() string {
	if p.kind != word {
		return ""
	}
	return strings.Map(func(r rune) rune {
		if 'a' <= r && r <= 'z' {
			return r - 'a' + 'A'
		}
		return r
	}, p.text)
}

// triggerPieces returns the pieces of a CREATE TRIGGER statement without its terminator,
// and nothing if sql is anything else or not the whole of one.
func triggerPieces(sql string) []piece {
	var (
		pieces  []piece
		trigger triggerState
		gap     bool
		ended   bool
	)
	for t := range tokens(sql) {
		switch {
		case t.kind == space || t.kind == comment:
			gap = true
			continue
		case t.kind == semicolon && trigger.trigger && trigger.ends():
			ended = true
			continue
		case ended || sql[t.start] == '\v': // which would be white space behind a space of ours
			return nil
		}
		if trigger.next(t, sql); trigger.head == headDone {
			return nil
		}
		pieces = append(pieces, piece{t.kind, sql[t.start:t.end], gap})
		gap = false
	}
	if !trigger.trigger || !trigger.ends() {
		return nil
	}
	return pieces
}

// Words behind which an operand stands. SQLite reserves them: they are no names.
var beforeOperand = []string{
	"ALL", "AND", "BETWEEN", "COLLATE", "DISTINCT", "ELSE", "ESCAPE", "FROM", "HAVING", "IN", "IS",
	"JOIN", "LIMIT", "ON", "OR", "SELECT", "THEN", "WHEN", "WHERE",
}

// Words that are such behind an operand and names where an operand is expected.
var operators = []string{"BY", "GLOB", "GROUPS", "LIKE", "MATCH", "OFFSET", "OVER", "RANGE", "REGEXP", "ROWS"}

// markTrigger writes BEGIN, END and the CASE expressions of a trigger as Canonical wants
// them, and reports false if the pieces are not those of a trigger that SQLite parses.
//
// CASE is a reserved word, but BEGIN and END are names wherever SQLite's parser can't
// take them for keywords (%fallback in its src/parse.y). It can where an operand has just
// ended, BEGIN outside all parentheses and END directly inside a CASE expression; so that
// is what markTrigger keeps track of. It need not know more of the grammar, since between
// CASE and END nothing but an expression stands outside parentheses.
func markTrigger(pieces []piece) bool {
	type level struct {
		opener int  // the piece that opened it, "(" or CASE
		rows   bool // behind VALUES: a parenthesis opens a row, not an expression
	}
	var (
		levels  = []level{{opener: -1}}
		operand bool // whether the last piece ended an operand
		on      bool // whether the table is named: nothing in front of it is BEGIN
		begun   bool
	)
	for i := range pieces {
		p, top := &pieces[i], &levels[len(levels)-1]
		keyword := p.keyword()
		inCase := top.opener >= 0 && pieces[top.opener].kind == word
		rows := top.rows
		if p.kind == word || p.kind == semicolon {
			top.rows = keyword == "VALUES"
		}
		switch {
		case p.text == "(":
			levels = append(levels, level{opener: i})
			operand = false
		case p.text == ")":
			if inCase || len(levels) == 1 {
				return false
			}
			levels = levels[:len(levels)-1]
			operand = true
		case p.kind == quoted:
			operand = true
		case p.text == "." && !p.gap && pieces[i-1].kind == word && isDigit(pieces[i-1].text[0]):
			// the point of a number, even if no digit follows
		case p.kind != word:
			operand = false
		case keyword == "NOT": // NOT x or x NOT LIKE y
		case keyword == "CASE":
			if operand || rows || pieces[i-1].keyword() == "IN" {
				return false // SQLite refuses it, but might not in parentheses
			}
			p.text = "CASE"
			levels = append(levels, level{opener: i})
		case keyword == "END" && inCase && operand:
			p.text = "END"
			enclose(pieces, top.opener, i)
			levels = levels[:len(levels)-1]
		case keyword == "BEGIN" && on && !begun && operand && len(levels) == 1:
			p.text, p.gap, begun = "BEGIN", true, true
		case slices.Contains(beforeOperand, keyword):
			on = on || keyword == "ON"
			operand = false
		case slices.Contains(operators, keyword):
			operand = !operand
		default:
			operand = true
		}
	}
	if !begun || len(levels) > 1 {
		return false
	}
	end := &pieces[len(pieces)-1]
	end.text, end.gap = "END", true
	return true
}

// enclose puts pieces[first] to pieces[last] into parentheses, unless they already are
// all that stands in a pair, and leaves no space inside that pair: the splitter of
// wrangler, whose words users' reports fit, looks for "CASE" and "END" between spaces.
func enclose(pieces []piece, first, last int) {
	if pieces[first-1].text == "(" && pieces[last+1].text == ")" {
		pieces[first].gap, pieces[last+1].gap = false, false
		return
	}
	pieces[first].text = "(" + pieces[first].text
	pieces[last].text += ")"
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
