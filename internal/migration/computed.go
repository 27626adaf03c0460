package migration

import (
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/d1-rewind/d1-rewind/internal/statement"
)

// This file finds the words of a refusal that a migration may have computed from rows: they
// may be values, and comments, summaries and logs that others read must not have those.

// What SQLite says by itself of a violated constraint names tables, columns and indexes.
var ownWords = regexp.MustCompile(`^((UNIQUE|NOT NULL|PRIMARY KEY) constraint failed: (index '.*'|[^.]+\..+)|(CHECK constraint failed|FOREIGN KEY constraint failed|rtree constraint failed|cannot store ).*|constraint failed|datatype mismatch)$`)

// Some functions quote an argument, which may be a row's value; FTS5 a column of the query.
var quotingWords = regexp.MustCompile(`^(?:bad JSON path|JSON path error near|fts5: syntax error near|unknown special query|parse error in rank function|no such column):? (.*)$`)

// codeSuffix is what D1 adds to SQLite's message.
var codeSuffix = regexp.MustCompile(`: SQLITE_[A-Z]+( \(extended: SQLITE_[A-Z_]+\))?( \[code: \d+\])?$`)

// compiling ends the message of an error in the statement's text: no row was read so far.
var compiling = regexp.MustCompile(` at offset \d+: SQLITE_ERROR( \[code: \d+\])?$`)

// computed returns what SQLite may have from an expression: the words of a RAISE, which takes
// one since 3.47, or those that a function quotes of its argument; "" for none.
func (e *StatementError) computed() (raised, quoted string) {
	if compiling.MatchString(e.Text) {
		return "", ""
	}
	words := codeSuffix.ReplaceAllString(e.Text, "")
	if quoting := quotingWords.FindStringSubmatch(words); quoting != nil {
		return "", quoting[1]
	}
	if strings.Contains(e.Text, "SQLITE_CONSTRAINT_TRIGGER") || strings.Contains(e.Text, "SQLITE_CONSTRAINT") && !ownWords.MatchString(words) {
		return words, ""
	}
	return "", ""
}

// computed returns the message of a refusal if it may hold a row's value: words that an
// expression has made, and that don't stand in the migrations themselves.
func (e *Engine) computed(refused *StatementError) string {
	raised, quoted := refused.computed()
	if raised == "" && quoted == "" {
		return ""
	}
	files, err := e.Directory.Read()
	if err != nil {
		return refused.Text
	}
	known := map[string]bool{}
	for _, m := range files {
		for _, s := range m.Statements {
			for _, token := range statement.Normalize(s.SQL) {
				known[strings.ReplaceAll(strings.Trim(token, "'\""), "''", "'")] = true
				if strings.HasPrefix(token, "'") { // a literal may hold a path or a query
					for _, word := range words(token) {
						known[word] = true
					}
				}
			}
		}
	}
	if raised != "" && !known[raised] {
		return refused.Text
	}
	if slices.ContainsFunc(words(quoted), func(word string) bool { return !known[word] && !known[strings.ToLower(word)] }) {
		return refused.Text
	}
	return ""
}

func words(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r) })
}
