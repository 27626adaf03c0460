package cli

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/d1-rewind/d1-rewind/internal/d1"
	"github.com/d1-rewind/d1-rewind/internal/report"
	"github.com/d1-rewind/d1-rewind/internal/wrangler"
)

// credentials returns the API token and the account that it is for. token is the one that was
// given, "" for none: then a .env file may have one, and the account of it.
func (j *job) credentials(r *report.Report, token string) (string, string, error) {
	var file wrangler.Credentials
	if token == "" && j.readsDotEnv() {
		var err error
		if file, err = wrangler.ReadCredentials(j.configDir, j.target.Section, j.p.Getenv); err != nil {
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
		return "", "", &usageError{"the API token contains a space or a line break", j.tokenAlone(r.TokenSource)}
	}
	account, err := j.account(file, token)
	return token, account, err
}

func (j *job) tokenAlone(file string) string {
	switch {
	case j.inAction:
		return "store the token alone in the secret: no \"Bearer\", no line break"
	case file != "":
		return "write the token alone after " + wrangler.TokenVariable + "= in " + file
	default:
		return "set " + wrangler.TokenVariable + " to the token alone: no \"Bearer\", no line break"
	}
}

// readsDotEnv reports whether .env files are read: on the command line outside CI. In CI the
// repository's files would choose the account of the run.
func (j *job) readsDotEnv() bool {
	ci := strings.ToLower(j.p.Getenv("CI"))
	return !j.inAction && j.p.Getenv("GITHUB_ACTIONS") == "" && (ci == "" || ci == "false" || ci == "0")
}

// accountSource is an account id with the place that it is from.
type accountSource struct{ id, where string }

// account chooses the account id: the flag's or input's, else the environment variable's, else that
// next to the token in its .env file, else the configuration's. Two that differ are an error where the
// token is from a file: a name would find another database in the other account.
func (j *job) account(file wrangler.Credentials, token string) (string, error) {
	given := accountSource{j.settings["account-id"], j.optionName("account-id")}
	if j.given["account-id"] == "" {
		given.where = wrangler.AccountVariable + " in the environment"
	}
	beside := accountSource{file.AccountID, shown(file.File)}
	other := accountSource{file.OtherAccount, shown(file.OtherFile)}
	configured := accountSource{j.target.AccountID, "account_id in " + j.configFile}
	switch {
	case given.id != "" && (j.given["account-id"] != "" || beside.id == ""):
		return given.id, given.check(token)
	case beside.id == "" && configured.id != "":
		return configured.id, configured.check(token)
	case beside.id == "" && other.id != "":
		if err := other.check(token); err != nil {
			return "", err
		}
		return "", &usageError{fmt.Sprintf("the token is in %s and the account id in %s, but both must be in one file", shown(file.File), other.where),
			fmt.Sprintf("write %s into %s, or pass --account-id %s", wrangler.AccountVariable, shown(file.File), other.id)}
	case beside.id == "" && file.File != "":
		return "", &usageError{"no account id", fmt.Sprintf("write %s into %s, next to the token; or set account_id in the configuration, "+
			"or --account-id; it is in the dashboard's address", wrangler.AccountVariable, beside.where)}
	case beside.id == "":
		return "", j.noAccount()
	case given.id != "": // the environment goes before the configuration
		configured.id = ""
	}
	return beside.id, beside.agree(token, given, configured, other)
}

// agree refuses other ids than that next to the token.
func (s accountSource) agree(token string, others ...accountSource) error {
	for _, source := range append([]accountSource{s}, others...) {
		if err := source.check(token); err != nil {
			return err
		}
		if source.id != "" && source.id != s.id {
			return &usageError{fmt.Sprintf("two account ids: %s in %s, next to the token, and %s in %s", s.id, s.where, source.id, source.where),
				"the token is for one of them: make them the same, or say which with --account-id"}
		}
	}
	return nil
}

// check refuses what has not the form of an account id, without a word of it: it may be the token.
func (s accountSource) check(token string) error {
	err := d1.CheckAccountID(s.id)
	switch {
	case s.id == "" || err == nil:
		return nil
	case s.id == token:
		err = errors.New("this is the API token, not the account id")
	}
	return &usageError{s.where + ": " + err.Error(), "the id is in the dashboard's address; wrangler whoami shows it, too"}
}

// noToken says what is missing and where it belongs. Without a secret a run of the repository
// itself would be green for ever.
func (j *job) noToken() error {
	environment := j.settings["environment"]
	remote := fmt.Sprintf("the environment %q is remote", environment)
	const permission = "to a token with the permission Account > D1 > Edit; for status Read is enough"
	switch {
	case !j.inAction && !j.readsDotEnv():
		return &usageError{remote + " and needs an API token", "set CLOUDFLARE_API_TOKEN " + permission + "; in CI no .env file is read"}
	case !j.inAction:
		return &usageError{remote + " and needs an API token", fmt.Sprintf("set CLOUDFLARE_API_TOKEN, in the environment or in %s, %s; "+
			"the session of wrangler login is not used", shown(filepath.Join(j.configDir, ".env")), permission)}
	case j.event.NoSecrets:
		return &usageError{remote + ", and GitHub gives no secrets to a run of a fork or of Dependabot",
			"use mode: status here, which then checks what can be checked without the database, and run " + j.command + " on a push"}
	}
	next := "in the workflow set api-token: ${{ secrets.CLOUDFLARE_API_TOKEN }}, and check that the secret exists: " +
		"gh secret set CLOUDFLARE_API_TOKEN for a job without \"environment:\", " +
		"gh secret set CLOUDFLARE_API_TOKEN --env NAME for a job with \"environment: NAME\", which a job without does not see"
	if j.command == "status" {
		next += "; to check the files without a token: offline: true"
	}
	return &usageError{remote + ", and the input api-token is empty: the secret is missing, or this job does not see it", next}
}

// noAccount says where the account's id belongs.
func (j *job) noAccount() error {
	if j.inAction {
		return &usageError{"no account id: the input account-id is empty, and the configuration has no account_id",
			"set the variable: gh variable set CLOUDFLARE_ACCOUNT_ID (it asks for the value: the 32 hexadecimal digits in the dashboard's address), " +
				"and pass it: account-id: ${{ vars.CLOUDFLARE_ACCOUNT_ID }}; or add account_id to the configuration"}
	}
	next := "set CLOUDFLARE_ACCOUNT_ID, account_id in the configuration, or --account-id; it is in the dashboard's address"
	if j.settings["api-token"] != "" && j.readsDotEnv() {
		next += "; no .env file is read, because CLOUDFLARE_API_TOKEN is set in the environment"
	}
	return &usageError{"no account id", next}
}
