package report

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/d1-rewind/d1-rewind/internal/migration"
)

// This file says what a rehearsal found: hazards, drift, and what a run does to rows and schema.

// repositoryPath is the path of a migration's file relative to the repository.
func (r Report) repositoryPath(name string) string {
	if name == "" {
		return ""
	}
	return path.Join(r.Directory, name)
}

// Hazards are those that the result has, each with its file relative to the repository: errors
// first, and what is allowed behind what is not.
func (r Report) Hazards() []migration.Hazard {
	list := []migration.Hazard{}
	for _, h := range r.Result.Hazards {
		h.File = r.repositoryPath(h.File)
		list = append(list, h)
	}
	slices.SortStableFunc(list, func(a, b migration.Hazard) int { return cmp.Compare(weight(a), weight(b)) })
	return list
}

// IsError tells whether h, one of Hazards, is what the report's error is about: a guard has
// refused because of it, or D1 refuses the statement.
func (r Report) IsError(h migration.Hazard) bool {
	p := r.Problem()
	if p == nil || weight(h) > 0 || h.File != r.repositoryPath(p.File) || h.Code == migration.CodeRefused && p.Kind != migration.Failed {
		return false
	}
	if h.Code == migration.CodeRefused {
		return true // the error may name a line within the statement
	}
	return p.Kind == migration.Refused && h.Line == p.Line && strings.Contains(p.Err.Error(), h.Code)
}

// shownHazards are Hazards but for a refused statement that is shown as the error.
func (r Report) shownHazards() []migration.Hazard {
	return slices.DeleteFunc(r.Hazards(), func(h migration.Hazard) bool { return h.Code == migration.CodeRefused && r.IsError(h) })
}

// weight orders hazards as somebody wants to read them.
func weight(h migration.Hazard) int {
	switch {
	case h.Severity == migration.SeverityInfo:
		return 3
	case h.Allowed != "":
		return 2
	case h.Severity == migration.SeverityWarning:
		return 1
	default:
		return 0
	}
}

// serious is how many hazards there are that a guard refuses on.
func (r Report) serious() int {
	n := 0
	for _, h := range r.shownHazards() {
		if weight(h) == 0 {
			n++
		}
	}
	return n
}

// findings is what the verdict adds about them, such as ", 1 serious hazard"; "" if there is
// nothing that it should say.
func (r Report) findings() string {
	words := ""
	if n := r.serious(); n > 0 {
		words += ", " + migration.Count(n, "serious hazard")
	}
	if r.Result.Drift.State == drifted {
		words += ", drift"
	}
	return words
}

const drifted = "true"

// driftState is the contract's "drift".
func (r Report) driftState() string { return cmp.Or(r.Result.Drift.State, "unknown") }

// cosmetic says that there are differences that make none to SQLite.
func (r Report) cosmetic() string {
	n := len(r.Result.Drift.Cosmetic)
	if n == 0 {
		return ""
	}
	return migration.Count(n, "object") + " written in another way than in the files, and the same to SQLite"
}

// copied says which rows the rehearsal's copy had, "" if there was none.
func (r Report) copied() string {
	if !r.Result.Rehearsal.Ran {
		return ""
	}
	but := ""
	if len(r.Result.Rehearsal.Gaps) > 0 {
		but = ", but for what is said below"
	}
	switch r.Result.Rehearsal.Rows {
	case "one":
		return "rehearsed on a copy of the schema, with one real row of each table concerned"
	case "some":
		return "rehearsed on a copy with all rows of the tables concerned" + but
	case "all":
		return "rehearsed on a copy of all rows" + but
	default:
		return ""
	}
}

// affected are the tables whose rows are known to change.
func (r Report) affected() []migration.Table {
	var list []migration.Table
	for _, t := range r.Result.Rehearsal.Tables {
		appears := !t.Before.Known && t.After.Rows > 0 || !t.After.Known && t.Before.Rows > 0 && r.Result.Rehearsal.Rows == "all"
		if appears || t.Before.Known && t.After.Known && t.Before != t.After || effects(t) != "" {
			list = append(list, t)
		}
	}
	return list
}

// effects are what happens to a table's rows that no statement names.
func effects(t migration.Table) string {
	var words []string
	for _, e := range []struct {
		n    int64
		what string
	}{{t.Cascaded, "deleted by cascade"}, {t.Nulled, "lose their reference"}, {t.Orphans, "left without their parent"}} {
		if e.n > 0 {
			words = append(words, number(e.n)+" "+e.what)
		}
	}
	return strings.Join(words, ", ")
}

func rowcount(c migration.Rowcount) string {
	switch {
	case c.More:
		return "≥ " + number(c.Rows)
	case c.Known:
		return number(c.Rows)
	default:
		return "–"
	}
}

// number is n with commas: 1,234,567.
func number(n int64) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// changeCounts sums the schema's changes up, such as: 2 tables added, 1 column removed.
func (r Report) changeCounts() string {
	counts := map[string]int{}
	var order []string
	for _, c := range r.Result.Rehearsal.Changes {
		key := c.Kind + "\x00" + c.What
		if counts[key]++; counts[key] == 1 {
			order = append(order, key)
		}
	}
	var words []string
	for _, key := range order {
		kind, what, _ := strings.Cut(key, "\x00")
		noun := migration.Count(counts[key], kind)
		if counts[key] > 1 && kind == "index" {
			noun = fmt.Sprintf("%d indexes", counts[key])
		}
		words = append(words, noun+" "+what)
	}
	return strings.Join(words, ", ")
}

// slow is how long a statement takes on the copy that is worth a word.
const slow = 500 * time.Millisecond

// slowest are the statements that took longest, at most n that took at least d.
func (r Report) slowest(n int, d time.Duration) []migration.Timing {
	list := slices.DeleteFunc(slices.Clone(r.Result.Rehearsal.Timings), func(t migration.Timing) bool { return t.Took < d })
	slices.SortStableFunc(list, func(a, b migration.Timing) int { return cmp.Compare(b.Took, a.Took) })
	return list[:min(n, len(list))]
}

// estimated says how long the run may take on D1, "" if that can't be said.
func (r Report) estimated() string {
	e := r.Result.Rehearsal.Estimate
	if e == nil || math.IsNaN(e.Seconds) || math.IsInf(e.Seconds, 0) {
		return ""
	}
	words := fmt.Sprintf("may take %.3g s on D1", e.Seconds)
	switch {
	case !e.Fits():
		words += fmt.Sprintf(", which stops a run after %.3g s", e.Limit)
	case e.Limit > 0:
		words += fmt.Sprintf(", of the %.3g s that it allows", e.Limit)
	}
	if e.Assumption != "" {
		words += " (" + e.Assumption + ")"
	}
	return words
}

// fits tells whether nothing speaks against the run's time, or a hazard says so.
func (r Report) fits() bool {
	e := r.Result.Rehearsal.Estimate
	said := slices.ContainsFunc(r.Result.Hazards, func(h migration.Hazard) bool { return h.Code == migration.CodeTimeLimit })
	return e == nil || e.Fits() || said
}

// findingsJSON adds what the rehearsal found to a document.
func (r Report) findingsJSON(document map[string]any) {
	if d := r.Result.Drift; d.State != "" {
		document["driftDetails"] = map[string]any{"reason": d.Reason, "differences": orEmpty(d.Differences), "cosmetic": orEmpty(d.Cosmetic)}
	}
	rehearsal := r.Result.Rehearsal
	if e := rehearsal.Estimate; e != nil && r.estimated() == "" { // JSON has no such numbers
		rehearsal.Estimate = nil
	}
	document["rehearsal"] = rehearsal
	document["hazards"] = r.Hazards() // all of them
	if diagram := Mermaid(rehearsal.Picture); diagram != "" {
		document["diagram"] = diagram
	}
}

// hazardsOutput bounds the step output, in bytes: an environment variable, which outputs often
// become, takes no more than 128 KiB.
const hazardsOutput = 100_000

// hazardsJSON are the hazards as a step output, the worst first: the first fit of them.
func (r Report) hazardsJSON() (output string, fit int) {
	hazards := r.Hazards()
	for shortened := false; ; shortened = true {
		data, _ := json.Marshal(hazards) // strings and numbers always marshal
		switch {
		case len(data) <= hazardsOutput:
			return string(data), len(hazards)
		case shortened:
			hazards = hazards[:len(hazards)*3/4]
		default:
			for i, h := range hazards {
				hazards[i].Message, hazards[i].Advice, hazards[i].Allowed = clip(h.Message, 1000), clip(h.Advice, 1000), clip(h.Allowed, 1000)
			}
		}
	}
}

// allHazards says where all hazards are; quote marks what is to be typed.
func (r Report) allHazards(quote func(string) string) string {
	if r.Run.URL == "" {
		return quote("--format json") + " has them all"
	}
	if _, fit := r.hazardsJSON(); fit < len(r.Result.Hazards) {
		return fmt.Sprintf("the step output %s has the first %d, %s at a terminal has them all", quote("hazards"), fit, quote("--format json"))
	}
	return "the step output " + quote("hazards") + " has them all"
}

func plain(text string) string { return text }

// hazardsListed is how many hazards a terminal shows one by one, infosListed how many infos.
const (
	hazardsListed = 60
	infosListed   = 3
)

// changesListed bounds the schema's changes and the tables that a terminal shows.
const changesListed = 12

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
	hazards := r.shownHazards()
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

// byCode counts hazards by their codes: 4 trigger-transport, 1 allow-unused.
func byCode(hazards []migration.Hazard) string {
	counts := map[string]int{}
	var codes []string
	for _, h := range hazards {
		if counts[h.Code]++; counts[h.Code] == 1 {
			codes = append(codes, h.Code)
		}
	}
	for i, code := range codes {
		codes[i] = fmt.Sprintf("%d %s", counts[code], code)
	}
	return strings.Join(codes, ", ")
}

// place is a file with the line, if it is known.
func place(file string, line int) string {
	if line > 0 && file != "" {
		return fmt.Sprintf("%s:%d", file, line)
	}
	return file
}

// changeSign is what a diff has for added, removed and changed.
func changeSign(what string) string {
	switch what {
	case "added":
		return "+"
	case "removed":
		return "-"
	default:
		return "~"
	}
}

func seconds(d time.Duration) string {
	if d < time.Millisecond {
		return "< 0.001 s"
	}
	return fmt.Sprintf("%.3g s", d.Seconds())
}

func countRows(n int64) string {
	if n == 1 {
		return "1 row"
	}
	return number(n) + " rows"
}

// How many bytes the parts of the Markdown may take, so that what stands behind them fits. Where
// even that is too much they give way, the picture first.
const (
	hazardsRoom     = 20_000
	moreHazardsRoom = 12_000
	infosRoom       = 8_000
	rowsRoom        = 6_000
	changesRoom     = 8_000
	timingsRoom     = 4_000
)

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

// hazardsShown is how many hazards are on the first screen.
const hazardsShown = 10

// hazardParts are the hazards: the worst at once, the others folded.
func (r Report) hazardParts() []part {
	hazards := r.shownHazards()
	var lines, infos []string
	for _, h := range hazards {
		if h.Severity == migration.SeverityInfo {
			infos = append(infos, r.hazardRow(h))
		} else {
			lines = append(lines, r.hazardRow(h))
		}
	}
	shown, size := 0, 0
	for shown < min(len(lines), hazardsShown) && size+len(lines[shown]) < hazardsRoom {
		size += len(lines[shown])
		shown++
	}
	var parts []part
	if shown > 0 {
		parts = append(parts, part{text: hazardHead + strings.Join(lines[:shown], "") + "\n", gives: givesTable})
	}
	all := r.allHazards(code)
	return append(parts,
		part{text: folded(migration.Count(len(lines)-shown, "more hazard"), hazardHead, lines[shown:], moreHazardsRoom, all), gives: givesHazards},
		part{text: folded("🔵 "+migration.Count(len(infos), "info")+": "+escape(byCode(hazards[len(lines):])), hazardHead, infos, infosRoom, all), gives: givesInfos})
}

const hazardHead = "| Hazard | Where | What, and how to do it safely |\n| --- | --- | --- |\n"

func (r Report) hazardRow(h migration.Hazard) string {
	mark := [...]string{"🔴 error", "🟠 warning", "☑️ allowed", "🔵 info"}[weight(h)]
	name, _ := strings.CutPrefix(h.File, strings.TrimSuffix(path.Clean(r.Directory), "/")+"/")
	where := code(clip(place(name, h.Line), 200))
	if at := r.source(name, h.Line); at != "" && h.Code != migration.CodeMissing { // whose file is gone
		where = fmt.Sprintf("[%s](%s)", where, at)
	}
	if h.File == "" {
		where = ""
	}
	what, more := short(h.Message, 400), short(h.Advice, 400)
	if h.Allowed != "" {
		more = "allowed: " + short(h.Allowed, 400)
	}
	if more != "" {
		what += "<br><sub>" + more + "</sub>"
	}
	return fmt.Sprintf("| %s | %s<br>%s | %s |\n", mark, code(clip(h.Code, 100)), where, what)
}

// folded is a closed list with as many of lines as fit into room; "" without any.
func folded(summary, head string, lines []string, room int, all string) string {
	if len(lines) == 0 {
		return ""
	}
	return "<details><summary>" + summary + "</summary>\n\n" + head + bounded(lines, room, all) + "\n</details>\n\n"
}

// bounded joins as many of lines as fit into room, and says how many do not.
func bounded(lines []string, room int, all string) string {
	text := ""
	for i, line := range lines {
		if room -= len(line); room < 0 {
			return text + strings.TrimSuffix(fmt.Sprintf("\n…and %d more: %s", len(lines)-i, all), ": ") + "\n"
		}
		text += line
	}
	return text
}

// driftPart is the difference between the database and the files.
func (r Report) driftPart() part {
	d := r.Result.Drift
	if d.State != drifted {
		return part{}
	}
	var lines []string
	for _, c := range d.Differences {
		lines = append(lines, changeLine(c, c.Whereabouts()))
	}
	if text := r.cosmetic(); text != "" {
		lines = append(lines, "- "+text+"\n")
	}
	shown := min(len(lines), changesListed)
	text := "**Drift:** the database is not what the applied migrations produce.\n\n" + bounded(lines[:shown], rowsRoom, "")
	if more := len(lines) - shown; more > 0 {
		text += fmt.Sprintf("\n…and %d more\n", more)
	}
	return part{text: text + "\n", gives: givesTable}
}

// changeLine is a difference between two schemas as an item of a list.
func changeLine(c migration.Change, what string) string {
	name := clip(c.Name, 150)
	if c.Table != "" {
		name = clip(c.Table, 150) + "." + name
	}
	line := fmt.Sprintf("- %s %s %s %s", changeMark(c.What), short(c.Kind, 50), code(name), short(what, 50))
	if c.Detail != "" {
		line += " " + migration.Aside(short(c.Detail, 300))
	}
	return line + "\n"
}

// effectParts are what the run does to rows and schema.
func (r Report) effectParts() []part {
	var lines []string
	for _, t := range r.affected() {
		effect := effects(t)
		if effect != "" {
			effect = "**" + effect + "**"
		}
		lines = append(lines, fmt.Sprintf("| %s | %s | %s | %s |\n", code(clip(t.Name, 150)), rowcount(t.Before), rowcount(t.After), effect))
	}
	var parts []part
	if len(lines) > 0 {
		head := "| Rows | before | after | |\n| --- | ---: | ---: | --- |\n"
		shown := min(len(lines), hazardsShown)
		parts = append(parts, part{text: head + bounded(lines[:shown], rowsRoom, "") + "\n", gives: givesRows},
			part{text: folded(migration.Count(len(lines)-shown, "more table"), head, lines[shown:], rowsRoom, ""), gives: givesRows})
	}
	if text := r.estimated(); text != "" && !r.fits() {
		parts = append(parts, part{text: "⏱️ **The run " + short(text, 400) + ".**\n\n", gives: givesTable})
	}
	var changes []string
	for _, c := range r.Result.Rehearsal.Changes {
		changes = append(changes, changeLine(c, c.What))
	}
	return append(parts,
		part{text: folded("Schema: "+short(r.changeCounts(), 300), "", changes, changesRoom, ""), gives: givesChanges},
		part{text: r.picture(), gives: givesPicture},
		part{text: r.timings(), gives: givesTimings})
}

// entitiesAtOnce is how many tables a picture may have that is not folded away.
const entitiesAtOnce = 6

// picture is the schema's change as a diagram, or as a list where that would be too large.
func (r Report) picture() string {
	entities := r.Result.Rehearsal.Picture
	diagram := Mermaid(entities)
	switch {
	case diagram != "" && len(entities) <= entitiesAtOnce:
		return fence("mermaid", diagram)
	case diagram != "":
		return "<details><summary>Picture of " + migration.Count(len(entities), "table") + "</summary>\n\n" + fence("mermaid", diagram) + "</details>\n\n"
	}
	var lines []string
	for _, e := range entities {
		if e.What == "" {
			continue
		}
		line := fmt.Sprintf("- %s %s %s", changeMark(e.What), code(clip(e.Name, 150)), short(e.What, 50))
		var parents []string
		for _, reference := range e.References {
			parents = append(parents, reference.To)
		}
		if len(parents) > 0 {
			line += ", refers to " + codes(parents[:min(len(parents), 10)])
		}
		lines = append(lines, line+"\n")
	}
	return folded("Tables: too many for a picture", "", lines, changesRoom, "")
}

// timings are how long the statements took, and how long they may take on D1.
func (r Report) timings() string {
	list := r.Result.Rehearsal.Timings
	if len(list) == 0 {
		return ""
	}
	var took time.Duration
	for _, t := range list {
		took += t.Took
	}
	head := ""
	if text := r.estimated(); text != "" && r.fits() {
		head = "The run " + short(text, 400) + ".\n\n"
	}
	var lines []string
	for _, t := range r.slowest(hazardsShown, 0) {
		where := code(clip(place(t.File, t.Line), 200))
		if at := r.source(t.File, t.Line); at != "" {
			where = fmt.Sprintf("[%s](%s)", where, at)
		}
		lines = append(lines, fmt.Sprintf("| %s | %s | %s |\n", where, seconds(t.Took), number(t.Rows)))
	}
	return folded(fmt.Sprintf("Timings: %s on the copy for %s", seconds(took), migration.Count(len(list), "statement")),
		head+"| Slowest | took | rows written |\n| --- | ---: | ---: |\n", lines, timingsRoom, "")
}

// hazardCounts is how many hazards a migration has, for a cell of a table.
func (r Report) hazardCounts(name string) string {
	counts := [4]int{}
	for _, h := range r.shownHazards() {
		if h.File == r.repositoryPath(name) {
			counts[weight(h)]++
		}
	}
	var words []string
	for i, mark := range []string{"🔴", "🟠", "☑️"} {
		if counts[i] > 0 {
			words = append(words, fmt.Sprintf("%s %d", mark, counts[i]))
		}
	}
	return strings.Join(words, " ")
}
