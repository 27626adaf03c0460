package cli

import (
	"cmp"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/d1-rewind/d1-rewind/internal/report"
	"github.com/d1-rewind/d1-rewind/internal/wrangler"
)

// credentials returns the API token and the account that it is for. token is the one that was
// given, "" for none: then a .env file may have one, and the account of it.
func (j *job) credentials(r *report.Report, token string) (string, string, error) {
	var file wrangler.Credentials
	if token == "" && j.readsDotEnv() {
		var err error
		if file, err = wrangler.ReadCredentials(j.configDir, j.target.Section); err != nil {
			return "", "", configuration(err)
		}
		token = file.Token
		if file.File != "" {
			r.TokenSource = shown(file.File)
		}
	}
	if token == "" {
		return "", "", j.noToken()
	}
	if strings.ContainsAny(token, " \t\r\n") {
		where := wrangler.TokenVariable
		if r.TokenSource != "" {
			where += " in " + r.TokenSource
		}
		return "", "", &usageError{"the API token has a space or a line break in it",
			"set " + where + " again, without anything around the token"}
	}
	account, err := j.account(file)
	return token, account, err
}

// readsDotEnv reports whether .env files are read: at somebody's own terminal, where wrangler
// reads them too. In CI the repository's files would choose the account of the run.
func (j *job) readsDotEnv() bool {
	ci := strings.ToLower(j.p.Getenv("CI"))
	return !j.inAction && j.p.Getenv("GITHUB_ACTIONS") == "" && (ci == "" || ci == "false" || ci == "0")
}

// noTokenHere is the error of a remote environment without a token on the command line.
func (j *job) noTokenHere() error {
	const permission = "to a token with the permission Account > D1 > Edit; for status Read is enough"
	problem := fmt.Sprintf("the environment %q is remote and needs an API token", j.settings["environment"])
	if !j.readsDotEnv() {
		return &usageError{problem, "set CLOUDFLARE_API_TOKEN " + permission + "; in CI no .env file is read"}
	}
	file := shown(filepath.Join(j.configDir, ".env"))
	return &usageError{problem, fmt.Sprintf("set CLOUDFLARE_API_TOKEN, in the environment or in %s, %s; "+
		"the session of wrangler login is not used", file, permission)}
}

// account chooses the account id: the flag's, else the environment variable's, else that beside
// the token in its .env file, else the configuration's. Sources that may be for different
// accounts are not mixed: a name would find another database there.
func (j *job) account(file wrangler.Credentials) (string, error) {
	given, configured := j.settings["account-id"], j.target.AccountID
	if j.inAction || j.given["account-id"] != "" || file.File == "" {
		if account := cmp.Or(given, configured); account != "" {
			return account, nil
		}
		return "", j.noAccount()
	}
	source := shown(file.File)
	differ := func(other, where string) error {
		return &usageError{fmt.Sprintf("two account ids: %s in %s, beside the token, and %s in %s", file.AccountID, source, other, where),
			"the token is for one of them: make them the same, or say which with --account-id"}
	}
	switch {
	case file.AccountID == "" && cmp.Or(given, configured) != "":
		return cmp.Or(given, configured), nil
	case file.AccountID == "" && file.OtherAccount != "":
		return "", &usageError{
			fmt.Sprintf("the token is in %s and the account id in %s, and both are only taken from one file", source, shown(file.OtherFile)),
			fmt.Sprintf("write %s into %s, or pass --account-id %s", wrangler.AccountVariable, source, file.OtherAccount),
		}
	case file.AccountID == "":
		return "", &usageError{"no account id", fmt.Sprintf("write %s into %s, beside the token; or set account_id in the configuration, "+
			"or --account-id; it is in the dashboard's address", wrangler.AccountVariable, source)}
	case given != "" && given != file.AccountID:
		return "", differ(given, wrangler.AccountVariable+" of the environment")
	case given == "" && configured != "" && configured != file.AccountID:
		return "", differ(configured, "account_id of "+j.configFile)
	case given == "" && file.OtherAccount != "" && file.OtherAccount != file.AccountID:
		return "", differ(file.OtherAccount, shown(file.OtherFile))
	default:
		return file.AccountID, nil
	}
}
