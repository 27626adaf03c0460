package statement

import "strings"

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

// inside returns what stands between two quotes, which are doubled in it.
func inside(text string) string {
	quote := text[:1]
	return strings.ReplaceAll(strings.TrimSuffix(text[1:], quote), quote+quote, quote)
}
