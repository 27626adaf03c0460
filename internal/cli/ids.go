package cli

import (
	"cmp"
	"strings"

	"github.com/d1-rewind/d1-rewind/internal/d1"
	"github.com/d1-rewind/d1-rewind/internal/report"
)

// checkIDs looks at what is to become part of requests before there is one. Any of it may be the
// token by mistake.
func (j *job) checkIDs(r *report.Report, token string) error {
	hide := func(text string) string { return strings.ReplaceAll(text, token, "***") }
	if id := j.target.Database.ID; id != "" {
		if err := d1.CheckDatabaseID(id); err != nil {
			r.DatabaseID, r.DatabaseName = hide(r.DatabaseID), hide(r.DatabaseName)
			for i := range r.Warnings {
				r.Warnings[i] = hide(r.Warnings[i])
			}
			return &usageError{hide(err.Error()),
				"wrangler d1 list shows the ids; correct database_id in the configuration, or " + j.optionName("database-id")}
		}
	}
	if name := cmp.Or(j.settings["worker"], j.target.Worker); name != "" {
		if err := d1.CheckWorkerName(name); err != nil {
			return &usageError{hide(err.Error()), "correct the name in the configuration, or say which Worker uses the database: " + j.optionName("worker")}
		}
	}
	if version := j.settings["worker-version"]; version != "" {
		if err := d1.CheckVersion(version); err != nil {
			return &usageError{hide(err.Error()), "wrangler versions list shows them; without " + j.optionName("worker-version") +
				" the one that the journal recorded is taken"}
		}
	}
	return nil
}
