package cli

import (
	"fmt"

	"al.essio.dev/pkg/shellescape"
)

// isOffline reports whether the run does without Cloudflare: because it was asked to, or because
// GitHub gives it no secret and all it has to do is to look.
func (j *job) isOffline(token string) bool {
	return j.command == "status" && (j.settings.on("offline") || token == "" && j.event.NoSecrets)
}

// whyOffline says why the database was not asked.
func (j *job) whyOffline() string {
	if j.settings.on("offline") {
		return "the database was not asked, because offline is on"
	}
	return "the database was not asked: this run has no Cloudflare token, as GitHub gives none to pull requests from forks and from Dependabot"
}

// noToken says what is missing and where it belongs. Without a secret a run of the repository
// itself would be green for ever.
func (j *job) noToken() error {
	environment := j.settings["environment"]
	switch {
	case !j.inAction:
		return j.noTokenHere()
	case j.event.NoSecrets:
		return &usageError{
			fmt.Sprintf("the environment %q is remote, and GitHub gives no secrets to a run of a fork or of Dependabot", environment),
			"use mode: status here, which then checks what can be checked without the database, and run " + j.command + " on a push",
		}
	}
	return &usageError{
		fmt.Sprintf("the environment %q is remote, and the input api-token is empty: a secret is missing, or this job does not see it", environment),
		fmt.Sprintf("pass api-token: ${{ secrets.CLOUDFLARE_API_TOKEN }}; a job without \"environment:\" gets the repository's secret, "+
			"a token that may read: gh secret set CLOUDFLARE_API_TOKEN; "+
			"a job with \"environment: NAME\" gets that environment's, a token that may write: gh secret set CLOUDFLARE_API_TOKEN --env %s; "+
			"a job that names no environment does not see an environment's secret; to check pull requests without any: offline: true",
			shellescape.Quote(environment)),
	}
}

// noAccount says where the account's id belongs.
func (j *job) noAccount() error {
	if !j.inAction {
		next := "set CLOUDFLARE_ACCOUNT_ID, account_id in the configuration, or --account-id; it is in the dashboard's address"
		if j.settings["api-token"] != "" && j.readsDotEnv() {
			next += "; no .env file is read, because CLOUDFLARE_API_TOKEN is set in the environment"
		}
		return &usageError{"no account id", next}
	}
	return &usageError{"no account id: the input account-id is empty, and the configuration has no account_id",
		"set the variable: gh variable set CLOUDFLARE_ACCOUNT_ID (it asks for the value: the 32 hexadecimal digits in the dashboard's address), " +
			"and pass it: account-id: ${{ vars.CLOUDFLARE_ACCOUNT_ID }}; or add account_id to the configuration"}
}
