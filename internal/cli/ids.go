package cli

import (
	"cmp"
	"errors"
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
	if err := j.checkWorker(r, token); err != nil {
		return err
	}
	if version := j.settings["worker-version"]; version != "" {
		if err := d1.CheckVersion(version); err != nil {
			return &usageError{hide(err.Error()), "wrangler versions list shows them; without " + j.optionName("worker-version") +
				" the one that the journal recorded is taken"}
		}
	}
	return nil
}

// checkWorker refuses a Worker's name that is none, where someone gave it or the Worker is to be put
// back. The configuration's, of which nothing but a version is wanted, is passed over.
func (j *job) checkWorker(r *report.Report, token string) error {
	name := cmp.Or(j.settings["worker"], j.target.Worker)
	if name == "" {
		return nil
	}
	err := d1.CheckWorkerName(name)
	if name == token {
		err = errors.New("this is the API token, not a Worker name")
	}
	switch {
	case err == nil:
		return nil
	case j.settings["worker"] != "" || j.settings.on("rollback-worker") || j.settings["worker-version"] != "":
		return &usageError{strings.ReplaceAll(err.Error(), token, "***"),
			"correct the name in the configuration, or say which Worker uses the database: " + j.optionName("worker")}
	}
	r.Warnings = append(r.Warnings, "the Worker's version is not recorded: "+strings.ReplaceAll(err.Error(), token, "***"))
	j.target.Worker = ""
	return nil
}
