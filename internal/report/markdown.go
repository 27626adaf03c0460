package report

import (
	"fmt"
	"slices"
	"strings"
)

// Markdown returns the report for a job summary. Whatever comes from files or the
// database is escaped: it can't open HTML, a link, a mention or a heading.
func Markdown(r Report) string {
	var b strings.Builder
	mark := "✅"
	switch {
	case r.Err != nil, slices.ContainsFunc(r.Checks, func(c Check) bool { return !c.OK }):
		mark = "❌"
	case r.Command != "restore" && len(r.PendingNames()) > 0:
		mark = "🟡"
	}
	fmt.Fprintf(&b, "### %s d1-rewind %s: %s\n\n", mark, escape(r.Command), escape(r.Verdict()))
	fmt.Fprintf(&b, "| | |\n| --- | --- |\n| Environment | %s |\n| Database | %s |\n", code(r.Environment), code(r.DatabaseName))
	if r.Result.Bookmark != "" && r.Info == nil {
		fmt.Fprintf(&b, "| Bookmark before | %s |\n", code(string(r.Result.Bookmark)))
	}
	if r.Result.PreviousBookmark != "" {
		fmt.Fprintf(&b, "| Undo bookmark | %s |\n", code(string(r.Result.PreviousBookmark)))
	}
	b.WriteString("\n")
	if p := r.Problem(); p != nil {
		fmt.Fprintf(&b, "**Error:** %s\n\n", escape(p.Error()))
		if p.SQL != "" {
			b.WriteString(fence("sql", clip(p.SQL, 2000)))
		}
		if p.State != "" {
			fmt.Fprintf(&b, "**State:** %s\n\n", escape(p.State))
		}
		if p.Next != "" {
			fmt.Fprintf(&b, "**Next:** %s\n\n", escape(p.Next))
		}
	}
	if len(r.Checks) > 0 {
		b.WriteString("| | Check | |\n| --- | --- | --- |\n")
		for _, c := range r.Checks {
			fmt.Fprintf(&b, "| %s | %s | %s |\n", strings.TrimSpace(c.mark()), escape(c.Name), escape(strings.TrimSuffix(c.Detail+". "+c.Next, ". ")))
		}
		b.WriteString("\n")
	}
	if migrations := r.listed(); len(migrations) > 0 {
		b.WriteString("| Migration | |\n| --- | --- |\n")
		for _, m := range migrations {
			fmt.Fprintf(&b, "| %s %s | %s |\n", code(m.name), escape(m.detail), escape(strings.TrimSpace(m.mark)))
		}
		b.WriteString("\n")
	}
	for _, note := range r.Notes() {
		fmt.Fprintf(&b, "- %s\n", escape(note))
	}
	if r.Rollback != "" {
		fmt.Fprintf(&b, "\nTo go back (this discards every write made since):\n\n%s", fence("sh", r.Rollback))
	}
	if !r.Until.IsZero() {
		fmt.Fprintf(&b, "The bookmark lives %s.\n", r.expiry())
	}
	if r.Fallback != "" {
		fmt.Fprintf(&b, "\nWithout d1-rewind, which then holds nothing:\n\n%s", fence("sh", r.Fallback))
	}
	return b.String()
}

// escape makes s plain text on one line, also inside a table. GitHub looks for mentions and
// references after it has decoded entities, so a zero-width space follows their signs.
func escape(s string) string {
	return strings.NewReplacer("&#64;", "@&#8203;", "&#35;", "#&#8203;").Replace(entities(s))
}

// code shows s as code on one line, also inside a table; GitHub links nothing in there.
func code(s string) string { return "<code>" + entities(s) + "</code>" }

// entities writes everything that Markdown or HTML could take for markup as an entity.
func entities(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "\\", "&#92;", "`", "&#96;", "*", "&#42;", "_", "&#95;",
		"[", "&#91;", "]", "&#93;", "|", "&#124;", "~", "&#126;", "@", "&#64;", "#", "&#35;", "://", "&#58;//", "www.", "www&#46;",
	).Replace(strings.Join(strings.Fields(Printable(s)), " "))
}

// fence puts s into a code block that s can't close.
func fence(language, s string) string {
	ticks := "```"
	for strings.Contains(s, ticks) {
		ticks += "`"
	}
	return ticks + language + "\n" + lines(s) + "\n" + ticks + "\n\n"
}
