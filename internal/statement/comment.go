package statement

import "strings"

// Comment is a comment of a text.
type Comment struct {
	Text      string // without its marks and the white space around it
	Line      int    // 1-based, where it begins
	Open      bool   // nothing ends it: it runs to the end of the text
	Statement int    // what it is about, an index into what Split returns; -1 for none
}

// Comments returns the comments of src. A comment is about the statement that it stands in or
// before, or behind on the same line.
func Comments(src string) []Comment {
	if !strings.Contains(src, "--") && !strings.Contains(src, "/*") {
		return nil
	}
	statements := Split(src)
	var comments []Comment
	line, counted, next := 1, 0, 0
	for t := range tokens(src) {
		if t.kind != comment {
			continue
		}
		line += strings.Count(src[counted:t.start], "\n")
		counted = t.start
		for next < len(statements) && statements[next].End <= t.start {
			next++
		}
		c := Comment{Line: line, Statement: next}
		if next > 0 && !strings.Contains(src[statements[next-1].End:t.start], "\n") {
			c.Statement = next - 1
		} else if next == len(statements) {
			c.Statement = -1
		}
		text := src[t.start:t.end]
		if rest, ok := strings.CutPrefix(text, "/*"); ok {
			text, ok = strings.CutSuffix(rest, "*/")
			c.Open = !ok
		} else {
			text = strings.TrimPrefix(text, "--")
		}
		c.Text = strings.TrimSpace(text)
		comments = append(comments, c)
	}
	return comments
}
