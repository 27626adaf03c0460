package cli

// isOffline reports whether the run does without Cloudflare: because it was asked to, or because
// GitHub gives it no secret and all it has to do is to look.
func (j *job) isOffline(token string) bool {
	return j.command == "status" && (j.settings.on("offline") || token == "" && j.event.NoSecrets)
}

// whyOffline says why the database was not asked.
func (j *job) whyOffline() string {
	if j.settings.on("offline") {
		return "the database was not asked (offline is on)"
	}
	return "the database was not asked: this run has no Cloudflare token, as GitHub gives none to pull requests from forks and from Dependabot"
}
