package migration

import (
	"fmt"
	"slices"
	"strings"
)

// Comparison is how the files relate to what the database has recorded.
type Comparison struct {
	Applied    []string    // in ledger and files, in the ledger's order
	Pending    []Migration // in files only, in the order in which they would be applied
	Missing    []string    // in the ledger only
	Held       []string    // pending, but undone by a restore and not released
	HoldEnded  string      // why a hold that the journal knows is over; "" if there was none
	OutOfOrder []string    // pending, but sorted before one that is applied
	Edited     []string    // applied with other content, as far as the journal knows
	Duplicates [][]string  // files that share a leading number
}

// compare is a pure function of the files and of what the database has recorded.
func compare(files []Migration, past recorded) Comparison {
	var c Comparison
	byName := map[string]Migration{}
	for _, f := range files {
		byName[f.Name] = f
	}
	lastApplied := ""
	for _, row := range past.ledger {
		f, ok := byName[row.name]
		if !ok {
			c.Missing = append(c.Missing, row.name)
			continue
		}
		c.Applied = append(c.Applied, row.name)
		if lastApplied == "" || compareNames(row.name, lastApplied) > 0 {
			lastApplied = row.name
		}
		if hash := past.hash(row.name); hash != "" && hash != f.SHA256 {
			c.Edited = append(c.Edited, row.name)
		}
	}
	numbers := map[float64][]string{}
	for _, f := range files {
		if n, ok := leadingNumber(f.Name); ok {
			numbers[n] = append(numbers[n], f.Name)
		}
		if past.applied(f.Name) {
			continue
		}
		c.Pending = append(c.Pending, f)
		if lastApplied != "" && compareNames(f.Name, lastApplied) < 0 {
			c.OutOfOrder = append(c.OutOfOrder, f.Name)
		}
	}
	for _, f := range files {
		if n, ok := leadingNumber(f.Name); ok && len(numbers[n]) > 1 && numbers[n][0] == f.Name {
			c.Duplicates = append(c.Duplicates, numbers[n])
		}
	}
	c.Held, c.HoldEnded = hold(files, past)
	return c
}

// hold returns what is held. A hold ends as a whole as soon as one of its files has
// changed or is gone: the team has then decided how to go on.
func hold(files []Migration, past recorded) (held []string, ended string) {
	for _, h := range past.held() {
		i := slices.IndexFunc(files, func(f Migration) bool { return f.Name == h.Name })
		switch {
		case i < 0:
			return nil, fmt.Sprintf("the hold is over: %s is gone", h.Name)
		case h.SHA256 != "" && h.SHA256 != files[i].SHA256:
			return nil, fmt.Sprintf("the hold is over: %s has changed since it was applied", h.Name)
		}
		held = append(held, h.Name)
	}
	slices.SortFunc(held, compareNames)
	return held, ""
}

// holdAfter returns what is to be held after a restore: what was held before and what the
// restore undid, less what is applied in the restored state.
func holdAfter(held []File, before, after recorded) (undone, holding []File) {
	for _, row := range before.ledger {
		if !after.applied(row.name) {
			undone = append(undone, File{Name: row.name, SHA256: before.hash(row.name)})
		}
	}
	for _, f := range slices.Concat(held, undone) {
		known := slices.ContainsFunc(holding, func(h File) bool { return h.Name == f.Name })
		if !known && !after.applied(f.Name) {
			holding = append(holding, f)
		}
	}
	return undone, holding
}

// upTo returns the migrations up to and including the one named to; all for "". The
// error is a *Problem of kind Usage.
func upTo(migrations []Migration, to string, files []Migration) ([]Migration, error) {
	if to == "" {
		return migrations, nil
	}
	if !slices.ContainsFunc(files, func(m Migration) bool { return m.Name == to }) {
		return nil, usage("name a file of the migrations directory: "+strings.Join(names(files), ", "), "there is no migration %q", to)
	}
	var selected []Migration
	for _, m := range migrations {
		if compareNames(m.Name, to) <= 0 {
			selected = append(selected, m)
		}
	}
	return selected, nil
}

func names(migrations []Migration) []string {
	list := make([]string, 0, len(migrations))
	for _, m := range migrations {
		list = append(list, m.Name)
	}
	return list
}
