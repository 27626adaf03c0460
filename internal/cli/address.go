package cli

import (
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"

	"github.com/d1-rewind/d1-rewind/internal/d1"
)

// cloudflareHosts answer for Cloudflare's own API: everybody's, and that of the compliance region
// FedRAMP High (getCloudflareApiBaseUrl in packages/workers-utils/src/environment-variables/misc-variables.ts
// of wrangler).
var cloudflareHosts = []string{"api.cloudflare.com", "api.fed.cloudflare.com"}

// baseURLVariable is the variable with which wrangler lets itself be led to another API.
const baseURLVariable = "CLOUDFLARE_API_BASE_URL"

// apiAddress returns the address of the API that gets the token, "" for Cloudflare's usual one.
// Whoever chooses it gets the token, so in an action the workflow has to say it: every step
// before, and so every dependency, can set a variable for the steps after it, but no input
// (https://docs.github.com/actions/reference/workflow-commands-for-github-actions#setting-an-environment-variable).
// The address may hold a password, so no message quotes more of it than scheme and host.
func (j *job) apiAddress() (string, error) {
	source, address := "api-address", strings.TrimSpace(j.settings["api-address"])
	if address == "" {
		source, address = baseURLVariable, strings.TrimSpace(j.p.Getenv(baseURLVariable))
	}
	if address == "" {
		return "", nil
	}
	at, err := url.Parse(address)
	if err != nil || at.Scheme != "https" && at.Scheme != "http" || at.Hostname() == "" || at.RawQuery != "" || at.ForceQuery || at.Fragment != "" {
		return "", &usageError{source + " is not the address of an API", "leave it unset, or set it to one like " + d1.DefaultBaseURL}
	}
	own := at.Scheme == "https" && slices.Contains(cloudflareHosts, strings.ToLower(at.Hostname()))
	short := at.Scheme + "://" + at.Host
	switch {
	case source == "api-address" && !j.inAction && at.User != nil:
		return "", &usageError{"--api-address has a user or a password in it: every process can read a command line",
			"set the environment variable " + baseURLVariable + " instead"}
	case own:
		return address, nil
	case j.inAction && source == baseURLVariable:
		return "", &usageError{
			fmt.Sprintf("%s points to %s, which is not Cloudflare's API; in an action that variable alone is not trusted, "+
				"because an earlier step or a dependency may have set it through GITHUB_ENV", source, short),
			"find out what sets it, and remove that; if this API is meant, name it in the workflow, with the step's input api-address",
		}
	case at.Scheme == "http" && !loopback(at.Hostname()):
		return "", &usageError{fmt.Sprintf("%s is %s: plain http would expose the token on the network", source, short),
			"use https; plain http is for this machine's own addresses (127.0.0.1, ::1, localhost)"}
	}
	j.progress("asking the API at " + at.Host + ", which is not Cloudflare's own")
	return address, nil
}

// loopback reports whether host is this machine, as Go's HTTP client sees it: it takes another
// spelling of localhost to a proxy.
func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// certificateVariables choose the authorities that Go trusts (crypto/x509, root_unix.go).
var certificateVariables = []string{"SSL_CERT_FILE", "SSL_CERT_DIR"}

// trustOwnCertificates makes an action trust the certificates of its image alone: who could set
// these variables and HTTPS_PROXY through GITHUB_ENV would read the token in between. Go looks
// at them once, at the first connection. The proxy keeps its effect: without an authority it
// sees nothing but names of hosts. dropped are the variables that had a value.
func trustOwnCertificates(p Process) (dropped []string, err error) {
	for _, name := range certificateVariables {
		if p.Getenv(name) == "" || p.Unsetenv == nil {
			continue
		}
		if err := p.Unsetenv(name); err != nil {
			return dropped, fmt.Errorf("unset %s: %w", name, err)
		}
		dropped = append(dropped, name)
	}
	return dropped, nil
}
