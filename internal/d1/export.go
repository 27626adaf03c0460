package d1

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/cloudflare/cloudflare-go/v4/d1"
	"github.com/cloudflare/cloudflare-go/v4/option"

	"github.com/d1-rewind/d1-rewind/internal/migration"
)

// ExportLosses is what the service's export does not keep, measured on its own code.
const ExportLosses = "the service's export rounds integers above 2^53 and mixes up texts that hold both a line break and the two characters \\n; Time Travel is exact, the export is not"

// Dump writes the service's SQL export of the database to w. The service answers no
// queries meanwhile, and drops an export that nobody asks for: a dump that stops half-way
// leaves nothing behind.
func (d *Database) Dump(ctx context.Context, w io.Writer) error {
	c := d.client
	ends, err := d.exportable(ctx)
	if err != nil {
		return err
	}
	c.config.Progress("exporting; the database answers nobody else meanwhile")
	var p progressing
	for said := ""; ; {
		var params d1.DatabaseExportParams
		params.AccountID.Value, params.AccountID.Present = segment(c.config.AccountID), true
		params.OutputFormat.Value, params.OutputFormat.Present = d1.DatabaseExportParamsOutputFormatPolling, true
		params.CurrentBookmark.Value, params.CurrentBookmark.Present = p.AtBookmark, p.AtBookmark != ""
		a, err := c.read(ctx, call{doing: "export the database", send: func(ctx context.Context, options ...option.RequestOption) error {
			_, err := c.databases.Export(ctx, segment(d.id), params, options...)
			return err
		}})
		if err == nil {
			err = p.next(a)
		}
		if err != nil {
			return exportProblem(c.problem(err, needsD1Edit))
		}
		if failure := p.failure(); failure != "" {
			return exportProblem(fmt.Errorf("export the database: %s", c.redact(failure)))
		}
		if p.Status == "complete" {
			break
		}
		if n := len(p.Messages); n > 0 && p.Messages[n-1] != said {
			said = p.Messages[n-1]
			c.config.Progress("export: " + said)
		}
		if err := c.config.Sleep(ctx, pollPause); err != nil {
			return err
		}
	}
	if p.Result == nil || p.Result.SignedURL == "" {
		return exportProblem(errors.New("export the database: the service named no file"))
	}
	c.config.Progress("fetching the export")
	whole := &export{w: w, progress: c.config.Progress}
	if err := c.download(ctx, p.Result.SignedURL, whole); err != nil {
		return exportProblem(fmt.Errorf("fetch the export: %w", err))
	}
	if err := whole.check(ends); err != nil {
		return exportProblem(err)
	}
	return nil
}

// export lets an export pass and remembers how it begins and ends.
type export struct {
	w          io.Writer
	progress   func(string)
	head, tail []byte
	size, said int64
}

const (
	exportHead = "PRAGMA defer_foreign_keys=TRUE;" // the first line of every export
	keepTail   = 200_000                           // more than the longest statement
	sayEvery   = 64 << 20
)

func (e *export) Write(p []byte) (int, error) {
	if missing := len(exportHead) - len(e.head); missing > 0 {
		e.head = append(e.head, p[:min(missing, len(p))]...)
	}
	e.tail = append(e.tail, p...)
	if len(e.tail) > 2*keepTail {
		e.tail = append(e.tail[:0], e.tail[len(e.tail)-keepTail:]...)
	}
	e.size += int64(len(p))
	if e.size-e.said > sayEvery {
		e.said = e.size
		e.progress(fmt.Sprintf("fetched %d MB", e.size/1e6))
	}
	return e.w.Write(p)
}

// check wants the first line and a complete last statement: indexes, triggers and views
// come last, so where there are any (ends) one of them has to be it.
func (e *export) check(ends []string) error {
	tail := strings.TrimRight(string(e.tail), " \r\n")
	whole := string(e.head) == exportHead && strings.HasSuffix(tail, ";")
	if whole && len(ends) > 0 {
		whole = slices.ContainsFunc(ends, func(sql string) bool { return strings.HasSuffix(tail, sql+";") })
	}
	if !whole {
		return fmt.Errorf("the export is not whole: after %d bytes it does not end as one does", e.size)
	}
	return nil
}

func exportProblem(err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	if p, ok := errors.AsType[*migration.Problem](err); ok {
		if p.State == "" {
			p.State = "no backup was written; the database is untouched"
		}
		return err
	}
	return &migration.Problem{Err: err, State: "no backup was written; the database is untouched", Next: "run again; Time Travel keeps the database's states in any case"}
}

// exportable refuses a database that the service can't export, before it is locked for the
// attempt: one with a virtual table in it. It returns the texts of which one ends the
// export.
func (d *Database) exportable(ctx context.Context) (ends []string, err error) {
	rows, err := d.Read(ctx, migration.Query{SQL: `SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE '\_cf\_%' ESCAPE '\' ORDER BY name`})
	if err != nil {
		return nil, err
	}
	if rows[0].Err != nil {
		return nil, rows[0].Err
	}
	var virtual []string
	for _, v := range rows[0].Values {
		kind, name, sql := fmt.Sprint(v[0]), fmt.Sprint(v[1]), fmt.Sprint(v[2])
		switch words := strings.Fields(strings.ToUpper(sql)); {
		case kind != "table":
			ends = append(ends, sql)
		case len(words) > 1 && words[1] == "VIRTUAL":
			virtual = append(virtual, name)
		}
	}
	if len(virtual) == 0 {
		return ends, nil
	}
	return nil, &migration.Problem{Err: fmt.Errorf("D1 does not export databases with virtual tables: %s", strings.Join(virtual, ", ")),
		State: "no backup was written; the database is untouched",
		Next:  "rely on Time Travel (d1-rewind info notes the bookmark), or drop and rebuild the virtual tables around the backup"}
}
