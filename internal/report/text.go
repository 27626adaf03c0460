package report

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/d1-rewind/d1-rewind/internal/migration"
)

// Text returns the report for a person at a terminal or in a log: what it is about, then the
// verdict. Errors are not part of it; see Error.
func Text(r Report, colour bool) string {
	paint := painter(colour)
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	if text := r.subject(); text != "" {
		line("%s", Printable(text))
	}
	if text := r.notRehearsed(); text != "" {
		line("%s", paint(yellow, Printable(text)))
	}
	if r.Err == nil {
		colour := green
		if r.findings() != "" {
			colour = yellow
		}
		line("%s", paint(colour, Printable(r.Verdict())))
	}
	for _, m := range r.listed() {
		line("  %s  %s", m.mark, Printable(m.name)+m.detail)
	}
	b.WriteString(r.findingsText(paint))
	for _, note := range r.Notes() {
		if note != r.notRehearsed() { // it is said above
			line("%s %s", paint(yellow, "note:"), Printable(note))
		}
	}
	if i := r.Info; i != nil && i.Kept != nil {
		line("copies kept: %d, %s (for 30 days, %s at most)", i.Kept.Copies, migration.Size(i.Kept.Bytes), migration.Size(i.Kept.Limit))
		if i.Kept.Copies > 0 {
			line("oldest: %s (%s)", i.Kept.Oldest, i.Kept.Since.Format(time.RFC3339))
		}
	}
	for _, c := range r.Checks {
		colour := green
		switch {
		case c.Warning:
			colour = yellow
		case !c.OK:
			colour = red
		}
		line("%s  %s: %s", paint(colour, c.mark()), c.Name, Printable(c.Detail))
		if c.Next != "" {
			line("      %s", Printable(c.Next))
		}
	}
	if r.Result.Bookmark != "" && r.Info == nil {
		label := "bookmark before:"
		if r.Rollback == "" {
			label = "bookmark now:   "
		}
		line("%s %s", label, r.Result.Bookmark)
	}
	if r.Rollback != "" {
		line("to go back:      %s", Printable(r.Rollback))
	}
	if !r.Until.IsZero() {
		line("                 (%s; it discards every write made since)", expiry(r.Until))
	}
	if last := r.Result.Last; r.offersLast() {
		what := "applied"
		if last.Kind == "restore" {
			what = "a restore undid"
		}
		line("last change:     %s", Printable(fmt.Sprintf("%s %s, %s", what, migration.Count(len(last.Migrations), "migration"), strings.TrimSpace(last.At+" "+last.Origin.Actor))))
		line("to undo that:    %s", Printable(r.LastRollback))
		if !r.LastUntil.IsZero() {
			line("                 (%s; it discards every write made since)", expiry(r.LastUntil))
		}
	}
	if r.heldUntilMerge() && r.Release != "" {
		line("after the merge: %s", Printable(r.Release))
		line("                 (it applies what is held, best with a new migration that fixes it)")
	}
	if r.Fallback != "" {
		line("without us:      %s", Printable(r.Fallback))
		if r.Command != "restore" {
			line("                 (then nothing holds what that undoes: the next migrate applies it again)")
		}
	}
	return b.String()
}

// Error returns what a person needs to know about the report's error: what happened,
// where, what state the database is in and what to do next. It is empty without one.
func Error(r Report, colour bool) string {
	p := r.Problem()
	if p == nil {
		return ""
	}
	paint := painter(colour)
	var b strings.Builder
	located := *p
	located.File = r.repositoryPath(p.File) // which a terminal can open
	fmt.Fprintf(&b, "%s %s\n", paint(red, "error:"), Printable(located.Error()))
	if p.SQL != "" {
		for i, l := range strings.Split(clip(p.SQL, 400), "\n") {
			if i == 6 {
				b.WriteString("    | …\n")
				break
			}
			fmt.Fprintf(&b, "    | %s\n", Printable(l))
		}
	}
	if p.State != "" {
		fmt.Fprintf(&b, "state: %s\n", Printable(p.State))
	}
	if p.Next != "" {
		fmt.Fprintf(&b, "next:  %s\n", Printable(p.Next))
	}
	return b.String()
}

type listedMigration struct{ mark, name, detail string }

// listed are the migrations that the report enumerates.
func (r Report) listed() []listedMigration {
	var list []listedMigration
	add := func(mark string, migrations []migration.Migration) {
		for _, m := range migrations {
			list = append(list, listedMigration{mark, m.Name, "  (" + migration.Count(len(m.Statements), "statement") + ")"})
		}
	}
	switch {
	case r.Command == "migrate" || r.Command == "reset" || r.Command == "baseline":
		add("applied", r.Result.Applied)
		if r.Result.DryRun {
			add("pending", r.Result.NotRun)
		} else if r.Err != nil {
			unclear := names(r.Result.Unclear)
			add("unknown", r.Result.Unclear)
			add("not run", slices.DeleteFunc(slices.Clone(r.Result.NotRun), func(m migration.Migration) bool { return slices.Contains(unclear, m.Name) }))
		}
	case r.Command == "status":
		held := map[string]bool{}
		for _, h := range r.Result.Comparison.Held {
			held[h] = true
		}
		for _, m := range r.Result.Comparison.Pending {
			mark := "pending"
			if held[m.Name] {
				mark = "held   "
			}
			add(mark, []migration.Migration{m})
		}
	}
	return list
}

// hazardsListed is how many hazards a terminal shows one by one, infosListed how many infos.
const (
	hazardsListed = 60
	infosListed   = 3
)

// findingsText is what a person at a terminal sees of the findings.
func (r Report) findingsText(paint func(colourCode, string) string) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	r.hazardsText(line, paint)
	if d := r.Result.Drift; d.State == drifted {
		line("%s the database is not what the applied migrations produce", paint(yellow, "drift: "))
		for _, c := range d.Differences[:min(changesListed, len(d.Differences))] {
			line("        %s", Printable(c.InDatabase()))
		}
		if more := len(d.Differences) - changesListed; more > 0 {
			line("        and %d more", more)
		}
		if text := r.cosmetic(); text != "" {
			line("        %s", text)
		}
	}
	if text := r.copied(); text != "" {
		line("%s", text)
	}
	affected := r.affected()
	if len(affected) > 0 {
		line("rows:")
	}
	for _, t := range affected[:min(changesListed, len(affected))] {
		text := fmt.Sprintf("%s: %s → %s", Printable(t.Name), rowcount(t.Before), rowcount(t.After))
		if e := effects(t); e != "" {
			text += ", " + paint(red, e)
		}
		line("  %s", text)
	}
	if more := len(affected) - changesListed; more > 0 {
		line("  and %s more", migration.Count(more, "table"))
	}
	changes := r.Result.Rehearsal.Changes
	if len(changes) > 0 {
		line("schema: %s", Printable(r.changeCounts()))
	}
	if len(changes) <= changesListed {
		for _, c := range changes {
			line("  %s %s", changeSign(c.What), Printable(c.String()))
		}
	}
	for _, t := range r.slowest(3, slow) {
		line("slow on the copy: %s took %s for %s", Printable(place(r.repositoryPath(t.File), t.Line)), seconds(t.Took), countRows(t.Rows))
	}
	if text := r.estimated(); text != "" && !r.fits() {
		line("%s the run %s", paint(yellow, "note:"), Printable(text))
	}
	return b.String()
}

// hazardsText has a line for each hazard, and one for those that are too many, or infos.
func (r Report) hazardsText(line func(string, ...any), paint func(colourCode, string) string) {
	hazards := slices.DeleteFunc(r.Hazards(), r.IsError) // which Error says
	infos := slices.IndexFunc(hazards, func(h migration.Hazard) bool { return h.Severity == migration.SeverityInfo })
	var more, folded []migration.Hazard
	if infos >= 0 && len(hazards)-infos > infosListed {
		hazards, folded = hazards[:infos], hazards[infos:]
	}
	if len(hazards) > hazardsListed {
		hazards, more = hazards[:hazardsListed], hazards[hazardsListed:]
	}
	for _, h := range hazards {
		colour, severity, advice := red, "error: ", h.Advice
		switch weight(h) {
		case 1:
			colour, severity = yellow, "warn:  "
		case 2:
			colour, severity = cyan, "allowed:"
		case 3:
			colour, severity = cyan, "info:  "
		}
		if h.Allowed != "" {
			advice = "allowed: " + h.Allowed
		}
		line("%s %s", paint(colour, severity), Printable(strings.TrimPrefix(fmt.Sprintf("%s  %s: %s", place(h.File, h.Line), h.Code, h.Message), "  ")))
		if advice != "" {
			line("        %s", Printable(advice))
		}
	}
	if len(more) > 0 {
		line("        and %d more: %s (%s)", len(more), byCode(more), r.allHazards(plain))
	}
	if len(folded) > 0 {
		line("%s %s (%s)", paint(cyan, "info:  "), byCode(folded), r.allHazards(plain))
	}
}

type colourCode string

const (
	red    colourCode = "31"
	green  colourCode = "32"
	yellow colourCode = "33"
	cyan   colourCode = "36"
)

func painter(on bool) func(colourCode, string) string {
	return func(c colourCode, s string) string {
		if !on {
			return s
		}
		return "\x1b[" + string(c) + "m" + s + "\x1b[0m"
	}
}

// Printable keeps file names, SQL and error texts from steering a terminal or forging
// lines: line ends become spaces and other control characters a replacement character.
func Printable(s string) string {
	return lines(strings.NewReplacer("\r\n", " ", "\n", " ").Replace(s))
}

// lines is Printable for text that may have several lines.
func lines(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\t' || r == '\n' || !unicode.IsControl(r) && !unicode.Is(unicode.Cf, r) {
			return r
		}
		return '\ufffd'
	}, s)
}

func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}
