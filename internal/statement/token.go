package statement

import (
	"iter"
	"strings"
)

type kind int

const (
	other kind = iota
	space
	comment
	semicolon
	word   // a keyword, a bare name or a number
	quoted // '…', "…", `…` or […]
)

type token struct {
	kind       kind
	start, end int // byte offsets
}

func (t token) is(src, keyword string) bool {
	return t.kind == word && strings.EqualFold(src[t.start:t.end], keyword)
}

const bom = "\ufeff"

// tokens yields all tokens of src, white space and comments included, so that they
// cover it without a gap. It follows sqlite3GetToken in SQLite's src/tokenize.c.
func tokens(src string) iter.Seq[token] {
	return func(yield func(token) bool) {
		for start := 0; start < len(src); {
			t := scan(src, start)
			if !yield(t) {
				return
			}
			start = t.end
		}
	}
}

func scan(src string, start int) token {
	rest := src[start:]
	until := func(k kind, n int) token { return token{k, start, start + n} }
	switch c := rest[0]; {
	case isSpace(c) && c != '\v': // a vertical tab is white space only behind other white space
		n := 1
		for n < len(rest) && isSpace(rest[n]) {
			n++
		}
		return until(space, n)
	case strings.HasPrefix(rest, bom):
		return until(space, len(bom))
	case strings.HasPrefix(rest, "--"):
		if n := strings.IndexByte(rest, '\n'); n >= 0 {
			return until(comment, n)
		}
		return until(comment, len(rest))
	case strings.HasPrefix(rest, "/*") && len(rest) > 2: // at the very end it is two operators
		if n := strings.Index(rest[2:], "*/"); n >= 0 {
			return until(comment, n+4)
		}
		return until(comment, len(rest))
	case c == ';':
		return until(semicolon, 1)
	case c == '\'' || c == '"' || c == '`':
		return until(quoted, quotedLength(rest))
	case c == '[':
		if n := strings.IndexByte(rest, ']'); n >= 0 {
			return until(quoted, n+1)
		}
		return until(quoted, len(rest))
	case (c == 'x' || c == 'X') && len(rest) > 1 && rest[1] == '\'':
		return until(quoted, blobLength(rest))
	case c == '$' || c == '@' || c == ':' || c == '#':
		return until(other, variableLength(rest))
	case isWord(c):
		n := 1
		for n < len(rest) && isWord(rest[n]) {
			n++
		}
		return until(word, n)
	default:
		return until(other, 1)
	}
}

// quotedLength returns the length of the quoted token at the start of s; the quote is
// escaped by doubling it, and there are no backslash escapes.
func quotedLength(s string) int {
	for i := 1; i < len(s); i++ {
		if s[i] != s[0] {
			continue
		}
		if i+1 < len(s) && s[i+1] == s[0] {
			i++
			continue
		}
		return i + 1
	}
	return len(s)
}

// blobLength returns the length of x'…'. Whatever stands between the quotes belongs to
// the token; SQLite refuses it later if it is not hexadecimal.
func blobLength(s string) int {
	if n := strings.IndexByte(s[2:], '\''); n >= 0 {
		return n + 3
	}
	return len(s)
}

// variableLength returns the length of a parameter. Those that begin with a letter-like
// sign may carry a Tcl suffix, "$name::space(index)", which can contain a semicolon.
func variableLength(s string) int {
	named := 0
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case isWord(c):
			named++
		case c == '(' && named > 0:
			for i++; i < len(s) && s[i] != ')' && !isSpace(s[i]); i++ {
			}
			if i < len(s) && s[i] == ')' {
				i++
			}
			return i
		case c == ':' && i+1 < len(s) && s[i+1] == ':':
			i++
		default:
			return i
		}
	}
	return len(s)
}

func isSpace(c byte) bool { return c == ' ' || '\t' <= c && c <= '\r' }

// isWord reports whether c can stand inside a bare name; every byte of a non-ASCII
// character can (no-break spaces and emoji included).
func isWord(c byte) bool {
	return c == '_' || c == '$' || c >= 0x80 ||
		'0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// Kind is what a Token is.
type Kind int

// The kinds of tokens. A DoubleQuoted one is a name, or a string where no such name exists.
const (
	Symbol       Kind = iota // an operator or punctuation, of one character
	Word                     // a keyword, a bare name or a number
	Name                     // `…` or […]
	DoubleQuoted             // "…"
	String                   // '…'
	Blob                     // x'…'
)

// Token is one token of a statement.
type Token struct {
	Kind Kind
	Text string // as it stands; of what is quoted, without the quotes
}

// Tokens returns the tokens of sql but white space and comments.
func Tokens(sql string) []Token {
	var list []Token
	for t := range tokens(sql) {
		text := sql[t.start:t.end]
		switch {
		case t.kind == space || t.kind == comment:
		case t.kind == word:
			list = append(list, Token{Word, text})
		case t.kind != quoted:
			list = append(list, Token{Symbol, text})
		case text[0] == '\'':
			list = append(list, Token{String, inside(text)})
		case text[0] == '"':
			list = append(list, Token{DoubleQuoted, inside(text)})
		case text[0] == '[':
			list = append(list, Token{Name, strings.TrimSuffix(text[1:], "]")})
		case text[0] == '`':
			list = append(list, Token{Name, inside(text)})
		default:
			list = append(list, Token{Blob, text})
		}
	}
	return list
}

// Placeholders returns the offsets, in bytes, of the parameters "?" in sql.
func Placeholders(sql string) []int {
	var offsets []int
	for t := range tokens(sql) {
		if t.kind == other && sql[t.start] == '?' {
			offsets = append(offsets, t.start)
		}
	}
	return offsets
}

// inside returns what stands between two quotes, which are doubled in it.
func inside(text string) string {
	quote := text[:1]
	return strings.ReplaceAll(strings.TrimSuffix(text[1:], quote), quote+quote, quote)
}

// Normalize returns the tokens of sql without white space and comments, words in lower
// case and quoted names in double quotes; string literals stay as they are. Two
// definitions with equal tokens mean the same to SQLite.
func Normalize(sql string) []string {
	var list []string
	for t := range tokens(sql) {
		text := sql[t.start:t.end]
		switch {
		case t.kind == space || t.kind == comment:
			continue
		case t.kind == word:
			text = Fold(text)
		case t.kind == quoted && (text[0] == '`' || text[0] == '[') && len(text) > 1:
			text = `"` + text[1:len(text)-1] + `"`
		}
		list = append(list, text)
	}
	return list
}

// Fold writes a name as SQLite compares it: only ASCII letters have a case.
func Fold(name string) string {
	for i := range len(name) {
		if 'A' <= name[i] && name[i] <= 'Z' {
			return strings.Map(func(r rune) rune {
				if 'A' <= r && r <= 'Z' {
					return r + 'a' - 'A'
				}
				return r
			}, name)
		}
	}
	return name
}
