// Package statement cuts SQL text into statements exactly where SQLite does and
// knows the line on which each of them stands.
//
// The rules are those of SQLite's tokenizer (src/tokenize.c) and, for CREATE
// TRIGGER, of the state machine of sqlite3_complete (src/complete.c). They hold
// without a database: SQLite itself can only say where a statement ends after the
// ones before it have run. A fuzz test holds the two together.
package statement

import (
	"strings"
)

// Statement is one SQL statement of a text.
type Statement struct {
	// SQL runs from the first token of the statement to the last one before its
	// terminator; comments around that range belong to no statement.
	SQL string
	// Line is the 1-based line on which SQL begins.
	Line int
	// End is the offset in bytes just behind the statement's terminator.
	End int
}

// LineAt returns the line of the text on which the given byte offset into SQL lies.
// An offset outside SQL counts as the statement's first line.
func (s Statement) LineAt(offset int) int {
	if offset < 0 || offset > len(s.SQL) {
		return s.Line
	}
	return s.Line + strings.Count(s.SQL[:offset], "\n")
}

// Split cuts src into its statements. Empty statements and comments yield nothing.
// What SQLite could not parse is returned as it stands: an unterminated string or
// trigger runs to the end of src and is left for SQLite to refuse.
func Split(src string) []Statement {
	var (
		statements []Statement
		current    = -1 // offset of the open statement's first token
		last       int  // offset behind its last token
		trigger    triggerState
		line       = 1
		counted    int // offset up to which line is counted
	)
	for t := range tokens(src) {
		switch {
		case t.kind == space || t.kind == comment:
			continue
		case t.kind == semicolon && (current < 0 || trigger.ends()):
			if current >= 0 {
				line += strings.Count(src[counted:current], "\n")
				counted = current
				statements = append(statements, Statement{SQL: src[current:last], Line: line, End: t.end})
			}
			current, trigger = -1, triggerState{}
			continue
		case current < 0:
			current = t.start
		}
		trigger.next(t, src)
		last = t.end
	}
	if current >= 0 {
		line += strings.Count(src[counted:current], "\n")
		statements = append(statements, Statement{SQL: src[current:last], Line: line, End: len(src)})
	}
	return statements
}

// triggerState follows a statement just far enough to know whether a semicolon ends
// it: inside CREATE TRIGGER only the one behind "; END" does.
type triggerState struct {
	head    int // how far [EXPLAIN [QUERY PLAN]] CREATE [TEMP] TRIGGER was seen
	trigger bool
	body    int // 1 behind a semicolon, 2 behind the END that follows it
}

const (
	headStart = iota
	headExplain
	headQuery
	headCreate
	headDone
)

func (s *triggerState) next(t token, src string) {
	if s.trigger {
		switch {
		case t.kind == semicolon:
			s.body = 1
		case s.body == 1 && t.is(src, "END"):
			s.body = 2
		default:
			s.body = 0
		}
		return
	}
	switch {
	case s.head == headStart && t.is(src, "EXPLAIN"):
		s.head = headExplain
	case s.head == headExplain && t.is(src, "QUERY"):
		s.head = headQuery
	case s.head == headQuery && t.is(src, "PLAN"):
		s.head = headExplain
	case (s.head == headStart || s.head == headExplain) && t.is(src, "CREATE"):
		s.head = headCreate
	case s.head == headCreate && (t.is(src, "TEMP") || t.is(src, "TEMPORARY")):
	case s.head == headCreate && t.is(src, "TRIGGER"):
		s.trigger = true
	default:
		s.head = headDone
	}
}

func (s *triggerState) ends() bool { return !s.trigger || s.body == 2 }
