package sqlite

import (
	"encoding/hex"
	"errors"
	"math"
	"strconv"
	"strings"

	"github.com/ncruces/go-sqlite3"
)

// Value is one value of a row.
type Value struct {
	kind    sqlite3.Datatype // 0: NULL
	integer int64
	real    float64
	text    string
	blob    []byte
}

// Size is about what the value takes in a row, in bytes.
func (v Value) Size() int64 {
	switch v.kind {
	case sqlite3.TEXT:
		return int64(len(v.text))
	case sqlite3.BLOB:
		return int64(len(v.blob))
	case sqlite3.INTEGER, sqlite3.FLOAT:
		return 8
	default:
		return 1
	}
}

var errLiteral = errors.New("an answer that is no list of literals")

// Literals reads the literals in text, which commas separate, and adds them to values. It takes
// what SQLite's quote() writes, TX'…' for a text in hexadecimal digits, and nothing else: what
// comes from a database is never run as SQL. The error does not have the text.
func Literals(text string, values []Value) ([]Value, error) {
	for {
		v, rest, err := literal(text)
		if err != nil {
			return values, err
		}
		values = append(values, v)
		if rest == "" {
			return values, nil
		}
		if rest[0] != ',' {
			return values, errLiteral
		}
		text = rest[1:]
	}
}

func literal(text string) (v Value, rest string, err error) {
	switch {
	case strings.HasPrefix(text, "'"):
		v.kind = sqlite3.TEXT
		v.text, rest, err = quoted(text[1:])
		return v, rest, err
	case strings.HasPrefix(text, "X'"):
		v.kind = sqlite3.BLOB
		v.blob, rest, err = digits(text[2:])
		return v, rest, err
	case strings.HasPrefix(text, "TX'"):
		v.kind = sqlite3.TEXT
		var bytes []byte
		bytes, rest, err = digits(text[3:])
		v.text = string(bytes)
		return v, rest, err
	}
	word, end := text, strings.IndexByte(text, ',')
	if end >= 0 {
		word, rest = text[:end], text[end:]
	}
	switch {
	case word == "NULL":
		return v, rest, nil
	case strings.Trim(word, "-0123456789") == "":
		v.kind = sqlite3.INTEGER
		v.integer, err = strconv.ParseInt(word, 10, 64)
	case strings.TrimLeft(word, "-") == "Inf": // as some versions write what others write as 9.0e+999
		v.kind, v.real = sqlite3.FLOAT, math.Inf(1)
		if word[0] == '-' {
			v.real = math.Inf(-1)
		}
	case strings.Trim(word, "-+.0123456789e") == "":
		v.kind = sqlite3.FLOAT
		v.real, err = strconv.ParseFloat(word, 64)
		if errors.Is(err, strconv.ErrRange) {
			err = nil // infinity
		}
	default:
		err = errLiteral
	}
	if err != nil {
		err = errLiteral // strconv's own would have the value
	}
	return v, rest, err
}

// quoted returns what is before the closing quote, whose pairs are quotes of the text itself.
func quoted(text string) (content, rest string, err error) {
	pairs := false
	for i := 0; ; i += 2 {
		n := strings.IndexByte(text[i:], '\'')
		if n < 0 {
			return "", "", errLiteral
		}
		i += n
		if i+1 == len(text) || text[i+1] != '\'' {
			content, rest = text[:i], text[i+1:]
			break
		}
		pairs = true
	}
	if pairs {
		content = strings.ReplaceAll(content, "''", "'")
	}
	return content, rest, nil
}

func digits(text string) (content []byte, rest string, err error) {
	end := strings.IndexByte(text, '\'')
	if end < 0 {
		return nil, "", errLiteral
	}
	content, err = hex.DecodeString(text[:end])
	if err != nil {
		return nil, "", errLiteral
	}
	return content, text[end+1:], nil
}
