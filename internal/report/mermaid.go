package report

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/d1-rewind/d1-rewind/internal/migration"
)

// What a picture may have: more of it nobody can read.
const (
	entitiesDrawn   = 30
	attributesDrawn = 300
	referencesDrawn = 100
	diagramLength   = 20_000
	labelLength     = 40
)

// Mermaid draws entities as an entity-relationship diagram; "" if there are none, or more than
// someone could read. Any name is drawn and can't become part of the diagram's language.
//
// It is written in what Mermaid 10 and later understand, because nothing says which version
// GitHub uses, and an enterprise server has an older one. So what is added, removed or changed
// has a coloured square and the word, not a style: classDef came with 11.5, and to earlier ones
// the whole diagram would be an error.
func Mermaid(entities []migration.Entity) string {
	attributes, references := 0, 0
	for _, e := range entities {
		attributes += len(e.Attributes)
		references += len(e.References)
	}
	if len(entities) == 0 || len(entities) > entitiesDrawn || attributes > attributesDrawn || references > referencesDrawn {
		return ""
	}
	var b strings.Builder
	b.WriteString("erDiagram\n")
	labels := map[string]int{}
	for i, e := range entities {
		label := marked(e.What, drawn(e.Name))
		if labels[label]++; labels[label] > 1 { // another name that looks the same when it is clipped
			label += fmt.Sprintf(" (%d)", labels[label])
		}
		// The box has a name of ours, so that no name is a keyword, and names that differ in case only
		// are two.
		fmt.Fprintf(&b, "    t%d[\"%s\"]", i+1, label)
		if len(e.Attributes) > 0 {
			b.WriteString(" {\n")
			for _, a := range e.Attributes {
				a.What = unlessWhole(e, a.What)
				b.WriteString("        " + attributeLine(a) + "\n")
			}
			b.WriteString("    }")
		}
		b.WriteString("\n")
	}
	for i, e := range entities {
		for _, r := range e.References {
			if parent := entityNamed(entities, r.To); parent >= 0 {
				r.What = unlessWhole(e, r.What)
				fmt.Fprintf(&b, "    t%d %s t%d : \"%s\"\n", parent+1, cardinality(e, r), i+1, referenceLabel(r))
			}
		}
	}
	if b.Len() > diagramLength {
		return ""
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// unlessWhole leaves out what is said of the table as a whole.
func unlessWhole(e migration.Entity, what string) string {
	if e.What == what && what != "changed" {
		return ""
	}
	return what
}

// entityNamed finds the parent that a foreign key names, in whatever case.
func entityNamed(entities []migration.Entity, name string) int {
	if i := slices.IndexFunc(entities, func(e migration.Entity) bool { return e.Name == name }); i >= 0 {
		return i
	}
	return slices.IndexFunc(entities, func(e migration.Entity) bool { return strings.EqualFold(e.Name, name) })
}

// cardinality is the line from a parent to its child.
func cardinality(child migration.Entity, r migration.Reference) string {
	parents, children := "||", "o{"
	if r.Optional {
		parents = "|o"
	}
	primary := 0
	for _, a := range child.Attributes {
		if a.Primary {
			primary++
		}
	}
	if len(r.Columns) == 1 && slices.ContainsFunc(child.Attributes, func(a migration.Attribute) bool {
		return strings.EqualFold(a.Name, r.Columns[0]) && (a.Unique || a.Primary && primary == 1)
	}) {
		children = "o|"
	}
	return parents + "--" + children
}

func referenceLabel(r migration.Reference) string {
	var columns []string
	for _, c := range r.Columns {
		columns = append(columns, drawn(c))
	}
	label := strings.Join(columns, ", ")
	if r.OnDelete != "" {
		label = strings.TrimPrefix(label+", ON DELETE "+drawn(r.OnDelete), ", ")
	}
	if label == "" {
		label = "foreign key"
	}
	return marked(r.What, label)
}

// attributeLine is a column: its type, name and keys, and as the comment what becomes of it, and
// its name where that can't be written as one.
func attributeLine(a migration.Attribute) string {
	kind, _ := word(a.Type)
	name, same := word(a.Name)
	line := kind + " " + name
	var keys []string
	for _, k := range []struct {
		is   bool
		name string
	}{{a.Primary, "PK"}, {a.Foreign, "FK"}, {a.Unique && !a.Primary, "UK"}} {
		if k.is {
			keys = append(keys, k.name)
		}
	}
	if len(keys) > 0 {
		line += " " + strings.Join(keys, ", ")
	}
	comment := ""
	if !same {
		comment = drawn(a.Name)
	}
	switch {
	case a.What != "" && comment == "":
		comment = changeMark(a.What) + " " + drawn(a.What)
	case a.What != "":
		comment = marked(a.What, comment)
	}
	if comment != "" {
		line += ` "` + comment + `"`
	}
	return line
}

// changeMark is what stands for added, removed and changed.
func changeMark(what string) string {
	switch what {
	case "added":
		return "🟩"
	case "removed":
		return "🟥"
	default:
		return "🟨"
	}
}

func marked(what, label string) string {
	if what == "" {
		return label
	}
	return fmt.Sprintf("%s %s (%s)", changeMark(what), label, drawn(what))
}

// word is s as a type or the name of an attribute: what all versions take for a word. same
// reports whether it is s unchanged.
func word(s string) (w string, same bool) {
	w = strings.Map(func(r rune) rune {
		switch {
		case r < unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r)), r == '_', r == '-', r == '(', r == ')':
			return r
		default:
			return '_'
		}
	}, clip(s, labelLength))
	if w == "" || !unicode.IsLetter(rune(w[0])) && w[0] != '_' {
		w = "_" + w
	}
	// These are keys, not names.
	if len(w) >= 2 && strings.Contains(" pk fk uk ", " "+strings.ToLower(w[:2])+" ") && (len(w) == 2 || strings.ContainsAny(w[2:3], "-()")) {
		w = w[:2] + "_" + w[2:]
	}
	emphasis := len(w) > 2 && w[0] == '_' && w[len(w)-1] == '_' // it is Markdown, too
	return w, w == s && !emphasis
}

// drawn is s within quotes: letters, digits and what separates them stay, everything else is
// written as Mermaid's entities.
func drawn(s string) string {
	runes := []rune(strings.Join(strings.Fields(Printable(s)), " "))
	if len(runes) == 0 {
		return "(no name)"
	}
	if len(runes) > labelLength {
		runes = append(runes[:labelLength], '…')
	}
	// "direction TB" is a command wherever it stands on a line.
	direction := strings.Contains(strings.ToLower(string(runes)), "direction")
	var b strings.Builder
	alphanumeric := func(i int) bool {
		return i >= 0 && i < len(runes) && (unicode.IsLetter(runes[i]) || unicode.IsDigit(runes[i]))
	}
	for i, r := range runes {
		switch {
		case r == '\ufb02': // Mermaid's own sign for an entity begins with it
			fmt.Fprintf(&b, "#%d;", r)
		case unicode.IsLetter(r), unicode.IsDigit(r), unicode.IsMark(r), r == '(', r == ')' && !(i > 0 && unicode.IsDigit(runes[i-1])), r == ',', r == '…', r == ' ' && !direction:
			b.WriteRune(r)
		case (r == '_' || r == '-') && alphanumeric(i-1) && alphanumeric(i+1): // elsewhere they are Markdown
			b.WriteRune(r)
		default:
			fmt.Fprintf(&b, "#%d;", r)
		}
	}
	return b.String()
}
