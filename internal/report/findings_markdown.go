package report

import (
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/d1-rewind/d1-rewind/internal/migration"
)

// This file shows in Markdown what findings.go says.

// How many bytes the parts of the Markdown may take, so that what follows them fits. Where
// even that is too much they give way, the picture first.
const (
	hazardsRoom     = 20_000
	moreHazardsRoom = 12_000
	infosRoom       = 8_000
	rowsRoom        = 6_000
	changesRoom     = 8_000
	timingsRoom     = 4_000
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
