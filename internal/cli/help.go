package cli

import (
	"fmt"
	"strings"
)

const overview = `d1-rewind migrates Cloudflare D1 databases and goes back again.

  $ d1-rewind create add_users          write an empty migration, 0001_add_users.sql
  $ d1-rewind status                    what is pending; tried on a copy, nothing written
  $ d1-rewind migrate                   apply it to the database of wrangler dev
  $ d1-rewind restore --before 0001_add_users.sql
                                        go back to before it
  $ d1-rewind reset                     empty the local database and apply everything

A status or a migrate rehearses on a copy what is pending, and names the hazards: what
loses data, fails on real data, or breaks the running Worker. One that is meant is allowed
in front of its statement: -- d1-rewind:allow CODE REASON

A run prints the bookmark of the state before and the command that goes back to it.
Restored migrations are held: they are not applied again until their file changes or
--release-hold says so.

Commands:
%s
The environment may follow the command: d1-rewind migrate local:staging. Without one it
is local, or local:NAME where CLOUDFLARE_ENV=NAME is set. Local environments are the files
that wrangler dev serves; production, top-level and the names in the configuration's env
section are remote databases, on which hazards of severity error are refused:

  $ export CLOUDFLARE_API_TOKEN=...     permission Account > D1 > Edit
  $ export CLOUDFLARE_ACCOUNT_ID=...    or account_id in the configuration
  $ d1-rewind doctor production         check token, permissions and database
  $ d1-rewind migrate production
  $ d1-rewind restore production --before 0007_orders.sql --confirm NAME

  $ d1-rewind help COMMAND              the options of one command

Exit codes:
%s`

type command struct {
	name, args, help string
	example          string
}

var commands = []command{
	{"migrate", "[ENVIRONMENT]", "apply what is pending, after a rehearsal on a copy", "d1-rewind migrate production --to 0003_orders.sql"},
	{"status", "[ENVIRONMENT]", "applied, pending, missing, held; rehearsal, hazards, drift; writes nothing", "d1-rewind status production --rehearse data --hazards fail,out-of-order=fail"},
	{"restore", "[ENVIRONMENT]", "Time Travel to a bookmark, a time or before a migration", "d1-rewind restore production --before 0007_orders.sql --confirm shop-db"},
	{"info", "[ENVIRONMENT]", "the bookmark now, or at --timestamp", "d1-rewind info"},
	{"backup", "[ENVIRONMENT]", "SQL export to --output", "d1-rewind backup production --output backup.sql"},
	{"baseline", "[ENVIRONMENT]", "record migrations as applied without running them", "d1-rewind baseline --to 0004_posts.sql"},
	{"create", "NAME", "next numbered empty migration file", "d1-rewind create add_users"},
	{"reset", "[ENVIRONMENT]", "local only: empty database, then all migrations", "d1-rewind reset --yes"},
	{"doctor", "[ENVIRONMENT]", "check configuration, migrations, token and database", "d1-rewind doctor production"},
	{"version", "", "print the version", "d1-rewind version"},
	{"help", "[COMMAND]", "this text, or the options of one command", "d1-rewind help restore"},
}

func findCommand(name string) (command, bool) {
	for _, c := range commands {
		if c.name == name {
			return c, true
		}
	}
	return command{}, false
}

func helpText(name string) (string, error) {
	var b strings.Builder
	if name == "" {
		var list, codes strings.Builder
		for _, c := range commands {
			fmt.Fprintf(&list, "  %-9s %-14s %s\n", c.name, c.args, c.help)
		}
		for _, e := range exitCodes {
			fmt.Fprintf(&codes, "  %3d  %s\n", e.code, e.meaning)
		}
		return fmt.Sprintf(overview, list.String(), codes.String()), nil
	}
	c, ok := findCommand(name)
	if !ok {
		return "", unknownCommand(name)
	}
	fmt.Fprintf(&b, "d1-rewind %s %s\n\n  %s\n\n  $ %s\n", c.name, c.args, c.help, c.example)
	if name == "version" || name == "help" {
		return b.String(), nil
	}
	b.WriteString("\nOptions:\n")
	for _, o := range options {
		if o.inputOnly || !o.appliesTo(name) {
			continue
		}
		flag := "--" + o.name
		if !o.isSwitch() {
			flag += " " + o.value
		}
		fmt.Fprintf(&b, "  %-34s %s", flag, o.help)
		if o.fallback != "" && !o.isSwitch() {
			fmt.Fprintf(&b, " (default %s)", o.fallback)
		}
		b.WriteString("\n")
	}
	return b.String(), nil
}

func unknownCommand(name string) error {
	var names []string
	for _, c := range commands {
		names = append(names, c.name)
	}
	return &usageError{fmt.Sprintf("there is no command %q", name), meant(name, "", names) + "d1-rewind help lists all"}
}
