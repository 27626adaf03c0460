package statement

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"
)

// TextError says why bytes can't be read as SQL text.
type TextError struct {
	Line    int // 1-based
	Column  int // 1-based, in bytes
	Problem string
}

func (e *TextError) Error() string {
	return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, e.Problem)
}

// Text returns data as SQL text without its byte order mark. The error is a
// *TextError for bytes that SQLite would misread without a word: anything that is not
// UTF-8, and NUL, at which SQLite stops reading.
func Text(data []byte) (string, error) {
	if bytes.HasPrefix(data, []byte{0xff, 0xfe}) || bytes.HasPrefix(data, []byte{0xfe, 0xff}) {
		return "", &TextError{1, 1, "the text is UTF-16, not UTF-8; save the file as UTF-8"}
	}
	text := strings.TrimPrefix(string(data), bom)
	for i, r := range text {
		switch {
		case r == 0:
			return "", textError(text, i, "a NUL byte, at which SQLite would stop reading")
		case r == utf8.RuneError && !strings.HasPrefix(text[i:], "\ufffd"):
			return "", textError(text, i, fmt.Sprintf("byte 0x%02X is not UTF-8; save the file as UTF-8", text[i]))
		}
	}
	return text, nil
}

func textError(text string, offset int, problem string) *TextError {
	before := text[:offset]
	return &TextError{
		Line:    1 + strings.Count(before, "\n"),
		Column:  offset - strings.LastIndexByte(before, '\n'),
		Problem: problem,
	}
}
