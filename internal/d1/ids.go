package d1

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
)

// Names and ids become part of a request's path, and cloudflare-go pastes them as they are. They
// come from files that a pull request can change, so they are checked before anything is sent,
// and escaped all the same.

var (
	accountID  = regexp.MustCompile(`^[0-9a-fA-F]{32}$`)
	uuid       = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)
	workerName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_-]{0,254}$`)
	tokenLike  = regexp.MustCompile(`^[A-Za-z0-9_-]{40,}$`)
)

// CheckAccountID wants 32 hexadecimal digits. The error does not quote the id: it may be the
// token by mistake.
func CheckAccountID(id string) error {
	if accountID.MatchString(id) {
		return nil
	}
	looks := fmt.Sprintf("this has %d characters", len([]rune(id)))
	switch {
	case uuid.MatchString(id):
		looks = "this looks like a database's id"
	case tokenLike.MatchString(id):
		looks = "this looks like an API token"
	case len(id) == 32:
		looks = "this has other characters in it"
	}
	return fmt.Errorf("an account id has 32 hexadecimal digits; %s", looks)
}

// CheckDatabaseID wants a UUID.
func CheckDatabaseID(id string) error {
	if uuid.MatchString(id) {
		return nil
	}
	return fmt.Errorf("%q is not a database id (expected a UUID such as 9ebd6f14-b574-464c-8147-3885214d6a65)", id)
}

// CheckWorkerName wants what Cloudflare takes as a Worker's name, where upper-case letters do no
// harm (isValidName in packages/workers-utils/src/config/validation-helpers.ts of wrangler: letters,
// digits, dashes and underscores, no dash in front).
func CheckWorkerName(name string) error {
	if workerName.MatchString(name) {
		return nil
	}
	return fmt.Errorf("%q is not a Worker name (letters, digits, \"-\" and \"_\", not starting with \"-\")", name)
}

// CheckVersion wants a UUID.
func CheckVersion(id string) error {
	if uuid.MatchString(id) {
		return nil
	}
	return fmt.Errorf("%q is not a Worker version (expected a UUID)", id)
}

// segment makes text one segment of a path, whatever is in it: url.PathEscape leaves dots alone.
func segment(text string) string {
	if strings.Trim(text, ".") == "" {
		return strings.ReplaceAll(text, ".", "%2E")
	}
	return url.PathEscape(text)
}
