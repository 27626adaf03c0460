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

// IsError reports whether h, one of Hazards, is what the report's error is about: a guard has
// refused because of it, or D1 refuses the statement.
func (r Report) IsError(h migration.Hazard) bool {
	p := r.Problem()
	switch {
	case p == nil:
		return false
	case h.Code == migration.CodeRefused && weight(h) == 0: // the error may name a line within the statement
		return p.Kind == migration.Failed && h.File == r.repositoryPath(p.File)
	default:
		return p.Hazard != nil && h.Code == p.Hazard.Code && h.Line == p.Hazard.Line && h.File == r.repositoryPath(p.Hazard.File)
	}
}

// shownHazards are Hazards but for a refused statement that is shown as the error.
func (r Report) shownHazards() []migration.Hazard {
	return slices.DeleteFunc(r.Hazards(), func(h migration.Hazard) bool { return h.Code == migration.CodeRefused && r.IsError(h) })
}

// weight orders hazards as someone wants to read them.
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

// serious is how many errors there are that nothing allows.
func (r Report) serious() int {
	return r.count(func(h migration.Hazard) bool { return weight(h) == 0 })
}

// refusing is how many hazards the run was refused because of.
func (r Report) refusing() int { return r.count(func(h migration.Hazard) bool { return h.Refuses }) }

func (r Report) count(counts func(migration.Hazard) bool) (n int) {
	for _, h := range r.shownHazards() {
		if counts(h) {
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

// fits reports whether nothing speaks against the run's time, or a hazard says so.
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

// changesListed bounds the schema's changes and the tables that a terminal shows.
const changesListed = 12

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
