package d1

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
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
	if err := d.exportable(ctx); err != nil {
		return err
	}
	c.config.Progress("exporting; the database answers nobody else meanwhile")
	var p progressing
	for said := ""; ; {
		var params d1.DatabaseExportParams
		params.AccountID.Value, params.AccountID.Present = c.config.AccountID, true
		params.OutputFormat.Value, params.OutputFormat.Present = d1.DatabaseExportParamsOutputFormatPolling, true
		params.CurrentBookmark.Value, params.CurrentBookmark.Present = p.AtBookmark, p.AtBookmark != ""
		a, err := c.read(ctx, call{doing: "export the database", send: func(ctx context.Context, options ...option.RequestOption) error {
			_, err := c.databases.Export(ctx, d.id, params, options...)
			return err
		}})
		if err != nil {
			return exportProblem(c.problem(err, needsD1Edit))
		}
		at := p.AtBookmark
		p = progressing{}
		if err := json.Unmarshal(a.Result, &p); err != nil {
			return exportProblem(fmt.Errorf("export the database: the answer can't be read: %w", err))
		}
		if p.AtBookmark == "" {
			p.AtBookmark = at
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
	response, body, err := c.signed(ctx, http.MethodGet, p.Result.SignedURL, nil)
	if err != nil {
		return exportProblem(fmt.Errorf("fetch the export: %w", err))
	}
	if response.StatusCode != http.StatusOK || looksLikeHTML(response.Header, body) {
		return exportProblem(fmt.Errorf("fetch the export: HTTP %d: %s", response.StatusCode, title(body)))
	}
	// The first line and the last statement are always there; a length that is too short is
	// an error of the HTTP client already.
	text := strings.TrimSpace(string(body))
	if !strings.HasPrefix(text, "PRAGMA defer_foreign_keys=TRUE;") || !strings.HasSuffix(text, ";") {
		return exportProblem(errors.New("the export is not whole: it does not begin or end as one does"))
	}
	_, err = w.Write(body)
	return err
}

func exportProblem(err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	if p, ok := errors.AsType[*migration.Problem](err); ok && p.State != "" {
		return err
	}
	return &migration.Problem{Err: err, State: "no backup was written; the database is untouched", Next: "run again; Time Travel keeps the database's states in any case"}
}

// exportable refuses a database that the service can't export, before it is locked for the
// attempt: one with a virtual table in it.
func (d *Database) exportable(ctx context.Context) error {
	rows, err := d.Read(ctx, migration.Query{SQL: `SELECT name FROM sqlite_schema WHERE type = 'table' AND sql LIKE 'CREATE VIRTUAL%' ORDER BY name`})
	if err != nil {
		return err
	}
	if rows[0].Err != nil {
		return rows[0].Err
	}
	var names []string
	for _, v := range rows[0].Values {
		names = append(names, fmt.Sprint(v[0]))
	}
	if len(names) == 0 {
		return nil
	}
	return &migration.Problem{Err: fmt.Errorf("D1 does not export databases with virtual tables: %s", strings.Join(names, ", ")),
		State: "no backup was written; the database is untouched",
		Next:  "rely on Time Travel (d1-rewind info notes the bookmark), or drop and rebuild the virtual tables around the backup"}
}
