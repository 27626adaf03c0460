package report

import (
	"cmp"
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/d1-rewind/d1-rewind/internal/migration"
)

// Run says where on GitHub a command ran. Its zero value is somewhere else.
type Run struct {
	Repository      string // its page, such as https://github.com/octo/shop
	URL             string // the run's page
	ID              int64
	Actor           string
	Event           string
	Commit          string
	RestoreWorkflow string // the page of the workflow that the rollback command starts
	Tool            string // version of d1-rewind
}

// Markdown returns the report for a pull-request comment and a job summary, in at most room
// bytes (0: any number). The first screen has the verdict, what it is about and the way
// back; where room is short, details give way, these never do. Whatever comes from files,
// configuration or the database is escaped: it can't open HTML, a link, a mention, a
// reference or a heading.
func Markdown(r Report, room int) string {
	r.Public = true
	verdict := r.verdictLine()
	rows := r.rows()
	shown := rows[:min(len(rows), rowsShown)]
	parts := append([]part{{text: verdict}, {text: r.caution()}}, r.problem()...)
	parts = append(parts,
		part{text: r.checkTable(), gives: givesTable},
		part{text: r.table(shown), gives: givesTable},
	)
	wayBack, found := []part{{text: r.wayBack()}, {text: r.release()}}, append(append(r.hazardParts(), r.driftPart()), r.effectParts()...)
	if r.Rollback != "" { // what has happened is undone before it is studied
		parts = append(append(parts, wayBack...), found...)
	} else {
		parts = append(append(parts, found...), wayBack...)
	}
	parts = append(parts,
		part{text: r.facts(), gives: givesFacts},
		part{fold: true},
		part{text: r.fallback(), gives: givesFacts},
		part{text: r.footer()},
	)
	left, gave := shorten(parts, room)
	var b strings.Builder
	const note = "Some details do not fit here; the log has more of them.\n\n"
	gave = gave && left >= len(note)
	if gave {
		left -= len(note)
	}
	for i, p := range parts {
		if gave && i == len(parts)-1 {
			b.WriteString(note)
		}
		if p.fold {
			p.text = r.more(rows[len(shown):], left)
			left -= len(p.text)
		}
		b.WriteString(p.text)
	}
	if room > 0 && b.Len() > room { // names without end: what can be said without them
		return verdict + "The report does not fit here; the log has it.\n\n" + r.footer()
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}

// verdictLine is the heading: which database, and what became of it.
func (r Report) verdictLine() string {
	mark, words := r.headline()
	var subject []string
	for _, name := range []string{r.Environment, r.DatabaseName} {
		if name != "" {
			subject = append(subject, code(clip(name, 100)))
		}
	}
	if len(subject) > 0 {
		words = strings.Join(subject, " · ") + ": " + words
	}
	if r.subject() != "" {
		source := cmp.Or(r.Config, "no configuration")
		if r.TokenSource != "" {
			source += ", token from " + r.TokenSource
		}
		words += " <sub>" + escape(clip(source, 200)) + "</sub>"
	}
	return "### " + mark + " " + words + "\n\n"
}

// caution says before everything else that nothing was rehearsed.
func (r Report) caution() string {
	text := r.notRehearsed()
	if text == "" {
		return ""
	}
	return "**" + strings.ToUpper(text[:1]) + short(text[1:], factLength) + ".**\n\n"
}

// part is a piece of the Markdown.
type part struct {
	text  string
	gives int  // the higher, the sooner it gives way; 0 never does
	fold  bool // where the rows stand that are not shown at once
}

// When the parts give way, see part.gives.
const (
	givesTable = iota + 1
	givesFacts
	givesHazards
	givesInfos
	givesRows
	givesChanges
	givesTimings
	givesSQL
	givesPicture
)

// shorten lets parts give way until they fit into room (0: any), and returns what is left and
// whether any gave way.
func shorten(parts []part, room int) (left int, gave bool) {
	if room <= 0 {
		return 1 << 30, false
	}
	left = room
	for _, p := range parts {
		left -= len(p.text)
	}
	for gives := givesPicture; gives > 0 && left < 0; gives-- {
		for i := range parts {
			if parts[i].gives == gives {
				gave = gave || parts[i].text != ""
				left += len(parts[i].text)
				parts[i].text = ""
			}
		}
	}
	return left, gave
}

// Essence is what the report says but for when, in which run and for which commit: of two
// reports with the same essence, for files of the same content, the second one is no news.
func Essence(r Report) string {
	content := ""
	for _, m := range slices.Concat(r.Result.Applied, r.Result.NotRun, r.Result.Comparison.Pending, r.Result.Checked) {
		content += m.SHA256
	}
	r.At, r.Run, r.Result.Elapsed = time.Time{}, Run{Repository: r.Run.Repository, RestoreWorkflow: r.Run.RestoreWorkflow}, 0
	r.Result.Rehearsal.Timings, r.Result.Rehearsal.Estimate = nil, nil
	r.Result.Hazards = slices.Clone(r.Result.Hazards)
	for i, h := range r.Result.Hazards {
		if h.Code == migration.CodeTimeLimit { // it says how long
			r.Result.Hazards[i].Message = ""
		}
	}
	if r.Rollback == "" { // the bookmark of now, which changes with every write
		r.Result.Bookmark, r.Result.WorkerVersion = "", ""
	}
	return Markdown(r, 0) + content
}

// headline is the outcome in words that are understood in three seconds.
func (r Report) headline() (mark, words string) {
	res := r.Result
	held := len(r.Result.Comparison.Held)
	p := r.Problem()
	count := func(n int) string { return migration.Count(n, "migration") }
	switch {
	case p == nil:
	case p.Kind == migration.Unknown:
		return "❓", "the outcome is not known"
	case res.WorkerRolledBack != "" && res.PreviousBookmark == "":
		return "❌", "the Worker was put back, the database was not restored"
	case p.Kind == migration.Stopped && len(res.Applied) > 0:
		return "❌", fmt.Sprintf("interrupted after %d of %s", len(res.Applied), count(len(res.Applied)+len(res.NotRun)))
	case p.Kind == migration.Stopped:
		return "❌", "interrupted, nothing was written"
	case p.Held:
		return "⏸️", count(held) + " held, because a restore undid " + pronoun(held)
	case p.Kind == migration.Refused && slices.ContainsFunc(r.Hazards(), r.IsError):
		return "⛔", migration.Count(r.refusing(), "hazard") + ", refused: nothing was written"
	case p.Kind == migration.Refused && res.Drift.State == drifted:
		return "⛔", "drift, refused: nothing was written"
	case p.Kind == migration.Refused:
		return "⛔", escape(r.Command) + " refused, nothing was written"
	case p.Kind == migration.Usage && p.File != "":
		return "❌", code(clip(p.File, 100)) + " can't be used, nothing was written"
	case p.Kind == migration.Usage:
		return "❌", escape(r.Command) + " can't be done like that, nothing was written"
	case r.Command == "status" && p.File != "":
		return "❌", code(clip(p.File, 100)) + " would fail"
	case r.Command == "status":
		return "❌", "the status could not be found out"
	case r.Command == "restore" && res.PreviousBookmark != "":
		return "❌", "restored, but not held"
	case len(res.Applied) > 0:
		return "❌", fmt.Sprintf("failed after %d of %s", len(res.Applied), count(len(res.Applied)+len(res.NotRun)))
	case r.Command == "migrate":
		return "❌", "failed, nothing was applied"
	case r.Command == "restore":
		return "❌", "not restored"
	default:
		return "❌", escape(r.Command) + " failed"
	}
	if slices.ContainsFunc(r.Checks, func(c Check) bool { return !c.OK }) {
		return "❌", escape(r.Verdict())
	}
	done, todo, found := "✅", "🟡", r.findings()
	if found != "" {
		done, todo = "⚠️", "⚠️"
	}
	switch {
	case res.Status == migration.Offline:
		return todo, fmt.Sprintf("%s checked, the database was not asked", count(len(res.Checked))) + found
	case r.Command == "restore" && res.Status == migration.Restored && len(res.Holding) > 0:
		switch undone, holding := len(res.Undone), len(res.Holding); undone {
		case 0:
			return "⏪", fmt.Sprintf("restored, %s still held", count(holding))
		case holding:
			return "⏪", fmt.Sprintf("restored, %s undone and held", count(undone))
		default:
			return "⏪", fmt.Sprintf("restored, %s undone, %d held", count(undone), holding)
		}
	case r.Command == "restore" && res.Status == migration.Restored && len(res.Undone) > 0:
		return "⏪", fmt.Sprintf("restored, %s undone, not held", count(len(res.Undone)))
	case r.Command == "restore" && res.Status == migration.Restored && len(res.Redone) > 0:
		return "⏪", "restored, " + count(len(res.Redone)) + " applied again"
	case r.Command == "restore" && res.Status == migration.Restored:
		return "⏪", "restored"
	case r.Command == "migrate" && res.Status == migration.Applied:
		return done, count(len(res.Applied)) + " applied" + found
	case r.Command == "status" && held > 0: // on a pull request
		return todo, fmt.Sprintf("%s pending, %d of them held", count(len(res.Comparison.Pending)), held) + found
	case r.Command == "status" && res.Status == migration.Pending && found != "":
		return todo, count(len(res.Comparison.Pending)) + " pending" + found
	case r.Command == "status" && res.Status == migration.Pending:
		return todo, fmt.Sprintf("%s pending, %d applied", count(len(res.Comparison.Pending)), len(res.Comparison.Applied))
	case res.Status == migration.Pending:
		return todo, escape(r.Verdict())
	default:
		return done, escape(r.Verdict())
	}
}

func pronoun(n int) string {
	if n == 1 {
		return "it"
	}
	return "them"
}

// said bounds what one message may take of a comment; the log has all of it.
const said = 1500

// problem is what happened, in which state the database is, and what to do.
func (r Report) problem() []part {
	p := r.Problem()
	if p == nil {
		return nil
	}
	what := short(p.Error(), said)
	if at := r.source(p.File, p.Line); at != "" && p.Err != nil {
		place := p.File
		if p.Line > 0 {
			place = fmt.Sprintf("%s:%d", p.File, p.Line)
		}
		what = fmt.Sprintf("[%s](%s): %s", code(clip(place, 300)), at, short(p.Err.Error(), said))
	}
	label := "Error"
	switch p.Kind {
	case migration.Refused:
		label = "Refused"
	case migration.Unknown:
		label = "Unknown"
	}
	parts := []part{{text: "**" + label + ":** " + what + "\n\n"}}
	if p.SQL != "" {
		parts = append(parts, part{text: fence("sql", clip(p.SQL, said)), gives: givesSQL})
	}
	if p.State != "" {
		parts = append(parts, part{text: "**State:** " + short(p.State, said) + "\n\n"})
	}
	if p.Next != "" {
		parts = append(parts, part{text: "**Next:** " + short(p.Next, said) + "\n\n"})
	}
	return parts
}

func (r Report) checkTable() string {
	if len(r.Checks) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString("| | Check | |\n| --- | --- | --- |\n")
	for _, c := range r.Checks {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", strings.TrimSpace(c.mark()), escape(c.Name), short(strings.TrimSuffix(c.Detail+". "+c.Next, ". "), said))
	}
	return b.String() + "\n"
}

// row is one migration in the table.
type row struct {
	name       string
	statements int // -1: not known
	state      string
	line       int // where it failed
	order      int // what needs a look stands first
}

// rowsShown is how many migrations are on the first screen.
const rowsShown = 8

// rows are the migrations that the report is about.
func (r Report) rows() []row {
	var rows []row
	held, unclear := r.Result.Comparison.Held, names(r.Result.Unclear)
	p := r.Problem()
	add := func(migrations []migration.Migration, state string) {
		for _, m := range migrations {
			one := row{name: m.Name, statements: len(m.Statements), state: state, order: 2}
			switch {
			case state == "applied" || state == "recorded":
			case p != nil && p.File == m.Name:
				one.state, one.line, one.order = "failed", p.Line, 0
				if p.Kind == migration.Refused {
					one.state = "refused"
				} else if r.Command == "status" || r.Result.DryRun {
					one.state = "would fail"
				}
			case slices.Contains(unclear, m.Name):
				one.state, one.order = "unknown", 0
			case slices.Contains(held, m.Name):
				one.state, one.order = "held", 1
			}
			rows = append(rows, one)
		}
	}
	switch r.Command {
	case "status":
		add(r.Result.Comparison.Pending, "pending")
		state := "read"
		if r.Result.Rehearsal.Ran {
			state = "tried"
		}
		add(r.Result.Checked, state)
	case "baseline":
		add(r.Result.Applied, "recorded")
	case "migrate", "reset":
		add(r.Result.Applied, "applied")
		rest := r.Result.NotRun
		if len(rest) == 0 && r.Err != nil {
			rest = r.Result.Comparison.Pending
		}
		if r.Result.DryRun {
			add(rest, "pending")
		} else if r.Err != nil {
			add(rest, "not applied")
		}
	case "restore":
		for _, f := range r.Result.Undone {
			one := row{name: f.Name, statements: -1, state: "undone"}
			if slices.ContainsFunc(r.Result.Holding, func(h migration.File) bool { return h.Name == f.Name }) {
				one.state = "undone, held"
			}
			rows = append(rows, one)
		}
		for _, name := range r.Result.Redone {
			rows = append(rows, row{name: name, statements: -1, state: "applied again"})
		}
	}
	slices.SortStableFunc(rows, func(a, b row) int { return cmp.Compare(a.order, b.order) })
	return rows
}

// tableHead has a column for hazards where there are any.
func (r Report) tableHead() string {
	if len(r.Result.Hazards) > 0 {
		return "| Migration | Statements | State | Hazards |\n| --- | --- | --- | --- |\n"
	}
	return "| Migration | Statements | State |\n| --- | --- | --- |\n"
}

func (r Report) table(rows []row) string {
	if len(rows) == 0 {
		return ""
	}
	text := r.tableHead()
	for _, one := range rows {
		text += r.tableRow(one)
	}
	return text + "\n"
}

func (r Report) tableRow(one row) string {
	name := code(clip(one.name, 200))
	if at := r.source(one.name, one.line); at != "" {
		name = fmt.Sprintf("[%s](%s)", name, at)
	}
	statements, state := "", one.state
	if one.statements >= 0 {
		statements = fmt.Sprint(one.statements)
	}
	if one.line > 0 {
		state += fmt.Sprintf(", line %d", one.line)
	}
	if len(r.Result.Hazards) > 0 {
		state += " | " + r.hazardCounts(one.name)
	}
	return fmt.Sprintf("| %s | %s | %s |\n", name, statements, state)
}

// more folds away the rows that are not on the first screen, as many as fit into room.
func (r Report) more(rows []row, room int) string {
	if len(rows) == 0 {
		return ""
	}
	const end, note = "\n</details>\n\n", "…and %d more: the log names them all.\n"
	head := fmt.Sprintf("<details><summary>%s more</summary>\n\n", migration.Count(len(rows), "migration")) + r.tableHead()
	text, room := head, room-len(head)-len(end)-len(note)-20
	for i, one := range rows {
		line := r.tableRow(one)
		if room -= len(line); room < 0 {
			if i == 0 {
				text = ""
			}
			rest := fmt.Sprintf("\n"+note, len(rows)-i)
			if text == "" {
				return strings.TrimPrefix(rest, "\n") + "\n"
			}
			return text + rest + end
		}
		text += line
	}
	return text + end
}

// source is the address of a migration's file at the commit that was run, with the line if
// it is known; "" outside of GitHub.
func (r Report) source(name string, line int) string {
	at := path.Join(r.Directory, name)
	if r.Run.Repository == "" || r.Run.Commit == "" || name == "" || path.IsAbs(r.Directory) || strings.HasPrefix(at, "..") {
		return ""
	}
	segments := strings.Split(at, "/")
	for i := range segments { // PathEscape leaves signs that mean something in Markdown
		segments[i] = strings.ReplaceAll(url.QueryEscape(segments[i]), "+", "%20")
	}
	address := r.Run.Repository + "/blob/" + url.PathEscape(r.Run.Commit) + "/" + strings.Join(segments, "/")
	if line > 0 {
		address += fmt.Sprintf("#L%d", line)
	}
	return address
}

// release is the command that ends a hold.
func (r Report) release() string {
	if r.Release == "" || len(r.heldNames()) == 0 {
		return ""
	}
	when := "To apply what is held"
	if r.heldUntilMerge() {
		when = "After the merge, to apply what is held"
	}
	return "**" + when + "**, best with a new migration that fixes it:\n\n" + fence("sh", r.Release)
}

// wayBack is the command that undoes what was done, or else the last change.
func (r Report) wayBack() string {
	if r.Rollback == "" {
		return r.lastWayBack()
	}
	title, discards := "To go back to the state before this run", "It discards every write made to the database since then, and holds the migrations that it undoes."
	switch {
	case r.Command == "restore" && r.Result.PreviousBookmark != "":
		title, discards = "To undo this restore", "It discards every write made to the database since the restore."
	case r.Result.Status == migration.Uncertain:
		title = "If it has to be undone, to go back to the state before this run"
	}
	bookmark := r.Result.Bookmark
	if r.Result.PreviousBookmark != "" {
		bookmark = r.Result.PreviousBookmark
	}
	return r.command(title, r.Rollback, discards, bookmark, r.At, r.Until)
}

// lastWayBack is the way back from the newest run that the journal knows: after a later
// status, or a run that had nothing to do, it is still what someone looks for at night.
func (r Report) lastWayBack() string {
	if !r.offersLast() {
		return ""
	}
	last := r.Result.Last
	what := migration.Count(len(last.Migrations), "migration") + " applied"
	title, discards := "To go back to the state before that", "It discards every write made to the database since then, and holds the migrations that it undoes."
	if last.Kind == "restore" {
		what = "a restore that undid " + migration.Count(len(last.Migrations), "migration")
		title, discards = "To undo that restore", "It discards every write made to the database since then."
	}
	if len(last.Migrations) > 0 && len(last.Migrations) <= 3 {
		what += " (" + codes(fileNames(last.Migrations)) + ")"
	}
	at, err := time.Parse(time.RFC3339, last.At)
	if err == nil {
		what += " on " + minute(at)
	}
	if last.Origin.Actor != "" {
		what += " by " + escape(clip(last.Origin.Actor, 100))
	}
	if link := r.ownLink(last.Origin.RunURL); link != "" {
		what += fmt.Sprintf(` in <a href="%s">a run</a>`, link) // within <summary> there is no Markdown
	}
	text := r.command(title, r.LastRollback, discards, last.Bookmark, at, r.LastUntil)
	what = "Last change: " + what + "."
	if len(r.PendingNames()) == 0 || last.Kind == "restore" {
		return what + " " + text
	}
	return fmt.Sprintf("<details><summary>%s</summary>\n\n%s</details>\n\n", what, text)
}

// ownLink returns address if it is that of a run in the repository: the journal can hold
// anything.
func (r Report) ownLink(address string) string {
	id, ours := strings.CutPrefix(address, r.Run.Repository+"/actions/runs/")
	if !ours || r.Run.Repository == "" || id == "" || strings.Trim(id, "0123456789") != "" {
		return ""
	}
	return address
}

// command shows a way back: what it does, where it is started, and how long it exists.
func (r Report) command(title, command, discards string, bookmark migration.Bookmark, taken, until time.Time) string {
	var b strings.Builder
	b.WriteString("**" + title + "**")
	if r.Run.RestoreWorkflow != "" {
		fmt.Fprintf(&b, ", start the [restore workflow](%s), or paste", r.Run.RestoreWorkflow)
	}
	b.WriteString(":\n\n" + fence("sh", command) + discards)
	fmt.Fprintf(&b, " Bookmark %s", code(string(bookmark)))
	if !taken.IsZero() && !r.At.IsZero() {
		b.WriteString(", taken " + minute(taken))
		if age := r.At.Sub(taken); age >= time.Minute {
			b.WriteString(" (" + old(age) + " when this was written)")
		}
	}
	if !until.IsZero() {
		b.WriteString(", lives " + expiry(until))
	}
	b.WriteString(".")
	if r.File != "" && r.Run.URL != "" {
		b.WriteString(" The database is a file of the job's runner, and usually gone with it.")
	}
	return b.String() + "\n\n"
}

func minute(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// old is an age in its largest unit.
func old(age time.Duration) string {
	for _, unit := range []struct {
		name   string
		length time.Duration
	}{{"day", 24 * time.Hour}, {"hour", time.Hour}} {
		if n := int(age / unit.length); n > 0 {
			return migration.Count(n, unit.name) + " old"
		}
	}
	return migration.Count(int(age/time.Minute), "minute") + " old"
}

// factsShown bounds the findings of one comment; the log has all of them.
const factsShown, factLength = 12, 600

// facts are what else is worth a line.
func (r Report) facts() string {
	var lines []string
	if b := r.Result.Bookmark; b != "" && r.Info == nil && r.Rollback == "" && r.Command != "status" && r.Err != nil {
		lines = append(lines, "bookmark now: "+code(string(b)))
	}
	if v := r.Result.WorkerVersion; v != "" && r.Command != "status" && r.Result.WorkerRolledBack == "" {
		lines = append(lines, "Worker version deployed when the run began: "+code(clip(v, 100)))
	}
	if text := r.copied(); text != "" {
		lines = append(lines, text)
	}
	notes := slices.DeleteFunc(r.Notes(), func(n string) bool { return n == r.notRehearsed() })
	if r.Command == "restore" { // the table has them
		notes = slices.DeleteFunc(notes, func(n string) bool {
			return strings.HasPrefix(n, noteUndone) || strings.HasPrefix(n, noteRedone) || strings.HasPrefix(n, noteHolding) && len(r.Result.Holding) <= len(r.Result.Undone)
		})
		if len(r.Result.Holding) > 0 {
			notes = append([]string{"what is held is not applied again until one of its files changes or goes, or until a migrate with release-hold"}, notes...)
		}
	}
	for _, note := range notes {
		line := short(note, factLength)
		if strings.IndexAny(line, "-+0123456789") == 0 {
			line = "&#8203;" + line // or it would begin a list
		}
		lines = append(lines, line)
	}
	if len(lines) == 0 {
		return ""
	}
	if more := len(lines) - factsShown; more > 0 {
		lines = append(lines[:factsShown], fmt.Sprintf("and %d more: the log has them all", more))
	}
	return "- " + strings.Join(lines, "\n- ") + "\n\n"
}

func (r Report) fallback() string {
	if r.Fallback == "" {
		return ""
	}
	after := ""
	if r.Command != "restore" {
		after = "Then nothing holds what that undoes: the next migrate applies it again.\n\n"
	}
	return "<details><summary>Without GitHub and d1-rewind</summary>\n\n" + fence("sh", r.Fallback) + after + "</details>\n\n"
}

// footer says who, when, of which commit, and in which run.
func (r Report) footer() string {
	if r.Run == (Run{}) {
		return ""
	}
	words := []string{"d1-rewind " + escape(r.Run.Tool) + " " + escape(r.Command)}
	if r.Run.Actor != "" {
		words = append(words, fmt.Sprintf("by %s (%s)", escape(clip(r.Run.Actor, 100)), escape(r.Run.Event)))
	}
	if r.Run.Commit != "" {
		commit := code(r.Run.Commit[:min(len(r.Run.Commit), 7)])
		if r.Run.Repository != "" {
			commit = fmt.Sprintf("[%s](%s/commit/%s)", commit, r.Run.Repository, url.PathEscape(r.Run.Commit))
		}
		words = append(words, "commit "+commit)
	}
	if r.Run.URL != "" {
		words = append(words, fmt.Sprintf("[run %d](%s)", r.Run.ID, r.Run.URL))
	}
	if !r.At.IsZero() {
		words = append(words, minute(r.At))
	}
	if took := r.Result.Elapsed.Round(10 * time.Millisecond); took > 0 {
		words = append(words, took.String())
	}
	return "<sub>" + strings.Join(words, " · ") + "</sub>\n"
}

// short is escape of at most about n bytes of s, however much longer escaping makes them.
func short(s string, n int) string {
	text := escape(clip(s, n))
	for len(text) > 4*n && n > 0 {
		n = n * 2 / 3
		text = escape(clip(s, n))
	}
	return text
}

// escape makes s plain text on one line, also inside a table. GitHub looks for mentions and
// references after it has decoded entities, so a zero-width space follows their signs, and
// for formulas within one piece of text, so a comment ends it.
func escape(s string) string {
	return strings.NewReplacer("&#64;", "@&#8203;", "&#35;", "#&#8203;", "GH-", "GH&#8203;-", "gh-", "gh&#8203;-", "Gh-", "Gh&#8203;-", "&#36;", "&#36;<!-- -->").Replace(entities(s))
}

// code shows s as code on one line, also inside a table; GitHub links nothing in there.
func code(s string) string {
	// The comment keeps an address from becoming a link, and a name as it is when it is copied.
	return "<code>" + strings.ReplaceAll(entities(s), "&#64;", "&#64;<!-- -->") + "</code>"
}

func codes(list []string) string {
	shown := make([]string, len(list))
	for i, s := range list {
		shown[i] = code(clip(s, 100))
	}
	return strings.Join(shown, ", ")
}

// entities writes everything that Markdown or HTML could take for markup as an entity.
func entities(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "\\", "&#92;", "`", "&#96;", "*", "&#42;", "_", "&#95;", "$", "&#36;",
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
