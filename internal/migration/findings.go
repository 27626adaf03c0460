package migration

import (
	"encoding/json"
	"strings"
	"time"
)

// Object is one table, index, view or trigger, as sqlite_schema has it.
type Object struct {
	Type  string // table, index, view or trigger
	Name  string
	Table string // that it belongs to; of a table or a view its own name
	SQL   string // as it is stored; "" for an index that a constraint made
}

// Schema is what a database consists of, oldest first. What SQLite and D1 keep for themselves
// is no part of it.
type Schema []Object

// Plan is what a rehearsal tries.
type Plan struct {
	Batch      Batch // as it would be sent
	Migrations []Migration
	Schema     Schema // of the database, when the plan was made
	Ledger     string // the ledger's table
}

// Rehearsal says what came of trying a plan on a copy.
type Rehearsal struct {
	Ran    bool   `json:"ran"`
	Reason string `json:"reason,omitempty"` // why it did not run
	// Rows tells which rows the copy had: "all", "some" (all of the tables concerned), or "one"
	// (of each table that is touched).
	Rows     string    `json:"rows,omitempty"`
	Gaps     []string  `json:"gaps,omitempty"` // what was not rehearsed, and why
	Hazards  []Hazard  `json:"-"`              // see Result.Hazards
	Tables   []Table   `json:"tables,omitempty"`
	Changes  []Change  `json:"changes,omitempty"`
	Timings  []Timing  `json:"statements,omitempty"` // of the migrations' statements, in their order
	Estimate *Estimate `json:"estimate,omitempty"`   // nil: nothing to estimate
	Picture  []Entity  `json:"-"`
}

// Table is what a run does to the rows of one table.
type Table struct {
	Name   string   `json:"table"`
	Before Rowcount `json:"before"`
	After  Rowcount `json:"after"`
	// Cascaded rows are deleted, Nulled ones lose their reference, by the ON DELETE or ON UPDATE
	// of a foreign key and not by a statement of their own.
	Cascaded int64 `json:"cascaded,omitempty"`
	Nulled   int64 `json:"nulled,omitempty"`
	Orphans  int64 `json:"orphans,omitempty"` // rows whose foreign key leads nowhere, less those before
}

// Rowcount is a number of rows.
type Rowcount struct {
	Rows  int64 `json:"rows"`
	Known bool  `json:"known"`          // false: it was not counted, or there is no such table
	More  bool  `json:"more,omitempty"` // there are at least so many
}

// Change is a difference between two schemas.
type Change struct {
	Kind   string `json:"kind"` // table, column, index, view or trigger
	Name   string `json:"name"`
	Table  string `json:"table,omitempty"` // that it belongs to, if that is another name
	What   string `json:"what"`            // added, removed or changed
	Detail string `json:"detail,omitempty"`
}

// Timing is how long one statement took on the copy.
type Timing struct {
	File string
	Line int
	Took time.Duration
	Rows int64 // changed, those of triggers and foreign keys included
}

// MarshalJSON writes the time in seconds.
func (t Timing) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		File    string  `json:"file"`
		Line    int     `json:"line"`
		Seconds float64 `json:"seconds"`
		Rows    int64   `json:"rows"`
	}{t.File, t.Line, t.Took.Seconds(), t.Rows})
}

// Estimate is how long the run may take on D1.
type Estimate struct {
	Seconds    float64 `json:"seconds"`
	Limit      float64 `json:"limit"` // D1's own, for one request; 0 where there is none
	Assumption string  `json:"assumption"`
}

// Fits reports whether the run stays below D1's limit.
func (e Estimate) Fits() bool { return e.Limit == 0 || e.Seconds <= e.Limit }

// Entity is a table of the picture: one that the run touches, or a neighbour by foreign key.
type Entity struct {
	Name       string
	What       string // added, removed, changed; "" for a neighbour
	Attributes []Attribute
	References []Reference
}

// Attribute is a column.
type Attribute struct {
	Name, Type string
	What       string // added, removed or changed; "" for neither
	Primary    bool
	Foreign    bool
	Unique     bool
}

// Reference is a foreign key.
type Reference struct {
	To       string // the parent table
	Columns  []string
	OnDelete string // "CASCADE", "SET NULL", …; "" for NO ACTION
	What     string // added or removed; "" for neither
	Optional bool   // whether the columns may be NULL
}

// Drift says whether the schema is what the applied files produce.
type Drift struct {
	State       string   `json:"state"`            // "true", "false" or "unknown"
	Reason      string   `json:"reason,omitempty"` // why it is unknown
	Differences []Change `json:"differences,omitempty"`
	Cosmetic    []Change `json:"cosmetic,omitempty"` // written in another way, and the same to SQLite
}

// DriftNotLookedFor is the reason of a drift that nobody asked about.
const DriftNotLookedFor = "drift is not looked for"

// Summary says in one line what differs, naming the first few objects; "" if nothing is known to.
func (d Drift) Summary() string {
	if d.State != "true" {
		return ""
	}
	const most = 5
	var list []string
	for _, c := range d.Differences[:min(most, len(d.Differences))] {
		list = append(list, c.InDatabase())
	}
	return "drift: the database is not what the applied migrations produce: " + strings.Join(list, "; ") + more(len(d.Differences)-len(list))
}

// String says a change in a few words, such as: index users_email removed.
func (c Change) String() string { return c.words(c.What) }

// InDatabase is String for a difference between the files and the database.
func (c Change) InDatabase() string { return c.words(c.Whereabouts()) }

// Whereabouts says of a difference between the files and the database where the object is.
func (c Change) Whereabouts() string {
	switch c.What {
	case "added":
		return "only in the database"
	case "removed":
		return "missing in the database"
	default:
		return "different in the database"
	}
}

func (c Change) words(what string) string {
	words := c.Kind + " " + c.Name
	if c.Table != "" {
		words = c.Kind + " " + c.Table + "." + c.Name
	}
	words += " " + what
	if c.Detail != "" {
		words += " " + Aside(c.Detail)
	}
	return words
}
