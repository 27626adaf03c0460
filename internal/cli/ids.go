package cli

import (
	"cmp"
	"strings"

	"github.com/d1-rewind/d1-rewind/internal/d1"
	"github.com/d1-rewind/d1-rewind/internal/report"
)

// checkIDs looks at what is to become part of requests before there is one. Any of it may be the
// token by mistake.
func (j *job) checkIDs(r *report.Report, account, token string) error {
	hide := func(text string) string { return strings.ReplaceAll(text, token, "***") }
	if err := d1.CheckAccountID(account); err != nil {
		source := "account_id in " + j.configFile
		if j.given["account-id"] != "" {
			source = "account-id"
		} else if j.settings["account-id"] != "" {
			source = lookup("account-id").env
		}
		problem := source + ": " + err.Error()
		if account == token {
			problem = source + " has the API token in the place of the account's id"
		}
		return &usageError{problem, "the id is in the dashboard's address; wrangler whoami shows it, too"}
	}
	if id := j.target.Database.ID; id != "" {
		if err := d1.CheckDatabaseID(id); err != nil {
			r.DatabaseID, r.DatabaseName = hide(r.DatabaseID), hide(r.DatabaseName)
			for i := range r.Warnings {
				r.Warnings[i] = hide(r.Warnings[i])
			}
			return &usageError{hide(err.Error()), "wrangler d1 list shows the ids; correct database_id in the configuration, or --database-id"}
		}
	}
	if name := cmp.Or(j.settings["worker"], j.target.Worker); name != "" {
		if err := d1.CheckWorkerName(name); err != nil {
			return &usageError{hide(err.Error()), "correct the name in the configuration, or say which Worker uses the database with --worker"}
		}
	}
	if version := j.settings["worker-version"]; version != "" {
		if err := d1.CheckVersion(version); err != nil {
			return &usageError{hide(err.Error()),
				"wrangler versions list shows them; without --worker-version the one that the journal recorded is taken"}
		}
	}
	return nil
}
