package cli

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/agnivade/levenshtein"
	"github.com/spf13/pflag"

	"github.com/d1-rewind/d1-rewind/internal/migration"
)

// option is one option of the contract: a flag --name and an action input of the same
// name.
type option struct {
	name                string
	value               string // what follows the flag in help; "" for a switch
	fallback            string // the default
	env                 string // environment variable behind flag and input
	commands            string // space-separated; "" for all
	inputOnly, flagOnly bool
	help                string
}

// options is the table from which flags, inputs, help and (by a test) action.yml and the
// README come.
var options = []option{
	{name: "environment", value: "NAME", help: "local, local:NAME, production, top-level, or a name of the configuration's env section (command line: local)"},
	{name: "mode", value: "MODE", fallback: "status", inputOnly: true, help: "migrate, status, restore, baseline or backup"},
	{name: "working-directory", value: "DIR", fallback: ".", help: "directory in which the search for the wrangler configuration starts"},
	{name: "config", value: "FILE", help: "the wrangler configuration (default: wrangler.json, wrangler.jsonc or wrangler.toml, here or above)"},
	{name: "database", value: "NAME", help: "which database, by binding, name or id; needed where there are several"},
	{name: "database-id", value: "ID", help: "the database's id, instead of the configuration's"},
	{name: "migrations-dir", value: "DIR", help: "the migrations directory (default: the configuration's, else migrations)"},
	{name: "migrations-table", value: "TABLE", help: "the ledger (default: the configuration's, else d1_migrations)"},
	{name: "account-id", value: "ID", env: "CLOUDFLARE_ACCOUNT_ID", help: "the Cloudflare account (default: CLOUDFLARE_ACCOUNT_ID, else the configuration's)"},
	{name: "api-token", env: "CLOUDFLARE_API_TOKEN", inputOnly: true, value: "TOKEN", help: "the Cloudflare API token; input and environment variable only"},
	{name: "api-address", value: "URL", help: "base URL of the API (default: CLOUDFLARE_API_BASE_URL, else Cloudflare's; in an action that variable may only name Cloudflare's own)"},
	{name: "persist-to", value: "DIR", help: "local state, as wrangler's flag (default: .wrangler/state beside the configuration)"},
	{name: "time-travel-limit", value: "SIZE", fallback: "4GiB", env: "D1_REWIND_TIME_TRAVEL_LIMIT", commands: "migrate restore info baseline reset", help: "local copies together take no more; the oldest go first; also the environment variable D1_REWIND_TIME_TRAVEL_LIMIT"},
	{name: "to", value: "MIGRATION", commands: "migrate baseline", help: "last migration to apply or record (default: all)"},
	{name: "dry-run", fallback: "false", commands: "migrate", help: "plan and rehearse, change nothing"},
	{name: "transaction", value: "run|migration", fallback: "run", commands: "migrate", help: "run: all pending migrations commit together or not at all; migration: one commit each"},
	{name: "transport", value: "auto|query|import", fallback: "auto", commands: "migrate", help: "how a remote database is written; auto: by the query endpoint, and by import what does not fit it"},
	{name: "rehearse", value: "off|schema|data", fallback: "schema", commands: "migrate status", help: "try the migrations on a copy first: with one row of each table touched, or all; a local database is copied with all"},
	{name: "rehearse-limit", value: "SIZE", fallback: "256MiB", commands: "migrate status", help: "of a larger database only the tables concerned and their neighbours are copied"},
	{name: "hazards", value: "POLICY", commands: "migrate status", help: "off, warn or fail, optionally followed by CODE=off|warn|fail, ...; fail refuses hazards of severity error (default: fail for remote environments, warn for local ones)"},
	{name: "drift", value: "off|warn|fail", fallback: "warn", commands: "migrate status", help: "fail: refuse if the schema is not what the applied files produce; off: do not compare"},
	{name: "journal", value: "on|off", fallback: "on", help: "off: no hold, no detection of edited files, no --before"},
	{name: "release-hold", fallback: "false", commands: "migrate", help: "apply also what a restore undid"},
	{name: "force", fallback: "false", commands: "baseline backup migrate", help: "replace an existing file; baseline: record although the schema was not proven equal"},
	{name: "allow-pull-request", fallback: "false", commands: "migrate restore baseline", help: "write to a remote database on pull-request events"},
	{name: "backup", value: "FILE", commands: "migrate", help: "file for an SQL export, taken before anything is applied; - is standard output"},
	{name: "bookmark", value: "BOOKMARK", commands: "restore", help: "go back to this bookmark"},
	{name: "timestamp", value: "TIME", commands: "restore info", help: "a moment, RFC 3339 or Unix seconds"},
	{name: "before", value: "MIGRATION", commands: "restore", help: "go back to before the run that applied it"},
	{name: "confirm", value: "NAME", commands: "restore", help: "the database's name; needed to restore a remote database without a terminal"},
	{name: "worker", value: "NAME", help: "the Worker whose deployed version is recorded (default: the configuration's name for the environment)"},
	{name: "rollback-worker", fallback: "false", commands: "restore", help: "put the Worker back first, then the database"},
	{name: "worker-version", value: "ID", commands: "restore", help: "the Worker version to go back to; implies rollback-worker (default: the one that the journal recorded)"},
	{name: "comment", value: "auto|off", fallback: "auto", help: "the comment on the pull request"},
	{name: "github-token", value: "TOKEN", env: "GITHUB_TOKEN", inputOnly: true, help: "the token that comments; input and environment variable only"},
	{name: "pull-request", value: "NUMBER", help: "the pull request to comment on (default: found)"},
	{name: "restore-workflow", value: "FILE", fallback: "d1-restore.yml", help: "the workflow that the rollback command starts"},
	{name: "output", value: "FILE", commands: "backup", help: "the file to write; - is standard output"},
	{name: "offline", fallback: "false", commands: "status", help: "ask no database: check the files alone, as for a pull request from a fork"},
	{name: "exit-code", fallback: "false", commands: "status", help: "exit with 5 if anything is pending"},
	{name: "yes", fallback: "false", commands: "reset", help: "do not ask"},
	{name: "verbose", fallback: "false", help: "say what is done and how long it takes"},
	{name: "format", value: "text|json|markdown", fallback: "text", flagOnly: true, help: "how the report is printed"},
}

// isSwitch reports whether the option is given without a value.
func (o option) isSwitch() bool { return o.value == "" }

func (o option) appliesTo(command string) bool {
	return o.commands == "" || slices.Contains(strings.Fields(o.commands), command)
}

// choices returns the allowed values, nil if any is.
func (o option) choices() []string {
	if strings.Contains(o.value, "|") {
		return strings.Split(o.value, "|")
	}
	if o.isSwitch() {
		return []string{"true", "false"}
	}
	return nil
}

// settings are the values of all options for one command.
type settings map[string]string

func (s settings) on(name string) bool { return s[name] == "true" || s[name] == "on" }

// asFlags are the inputs of an action that a command to be pasted repeats as flags. An address is
// the workflow's, which may keep a password in it.
func (s settings) asFlags() settings {
	flags := maps.Clone(s)
	delete(flags, "api-address")
	return flags
}

// differs reports whether the option is set to something else than its default.
func (s settings) differs(name string) bool { return s[name] != "" && s[name] != lookup(name).fallback }

// usageError is a wrong use of the command line or the action.
type usageError struct{ problem, next string }

func (e *usageError) Error() string { return e.problem }

// parseFlags reads the arguments behind the command. given tells which flags stood there.
func parseFlags(command string, args []string) (given settings, rest []string, err error) {
	flags := pflag.NewFlagSet(command, pflag.ContinueOnError)
	flags.SortFlags = false
	flags.Usage = func() {}
	for _, o := range options {
		if o.inputOnly {
			continue
		}
		flags.String(o.name, o.fallback, o.help)
		if o.isSwitch() {
			flags.Lookup(o.name).NoOptDefVal = "true"
		}
	}
	help := flags.BoolP("help", "h", false, "")
	err = flags.Parse(args)
	given = settings{} // an error is reported in the format that was asked for
	flags.Visit(func(f *pflag.Flag) {
		if f.Name != "help" {
			given[f.Name] = f.Value.String()
		}
	})
	if err != nil {
		given["format"] = formatIn(args)
		return given, nil, wrongFlag(err, args)
	}
	if *help {
		return nil, nil, pflag.ErrHelp
	}
	if address, ok := given["api-address"]; ok && strings.TrimSpace(address) == "" { // an unset variable of a script must not choose
		return given, nil, &usageError{"--api-address is empty",
			"leave it out for Cloudflare's own API, or name one like https://api.example.com/client/v4"}
	}
	for name, value := range given {
		if value == "" && name != "environment" && name != "api-address" { // as an unset variable of a script
			return given, nil, &usageError{fmt.Sprintf("--%s is empty", name), "leave it out, or give it a value"}
		}
		if o := lookup(name); !o.appliesTo(command) {
			return given, nil, &usageError{fmt.Sprintf("--%s is no option of %s", name, command), fmt.Sprintf("it belongs to: %s; see d1-rewind help %s", o.commands, command)}
		}
	}
	return given, flags.Args(), nil
}

func wrongFlag(err error, args []string) error {
	next := "d1-rewind help lists commands and options"
	for _, arg := range args {
		name, isFlag := strings.CutPrefix(arg, "--")
		name, _, _ = strings.Cut(name, "=")
		if o := lookup(name); isFlag && o.name == "" && name != "" {
			return &usageError{fmt.Sprintf("there is no option --%s", name), meant(name, "--", flagNames()) + next}
		} else if isFlag && o.inputOnly && o.env == "" {
			return &usageError{fmt.Sprintf("--%s is an input of the action; here the command says it", name), next}
		} else if isFlag && o.inputOnly {
			return &usageError{fmt.Sprintf("--%s is no flag: secrets on a command line can be read by every process", name), fmt.Sprintf("set the environment variable %s", o.env)}
		}
	}
	return &usageError{err.Error(), next}
}

// formatIn finds the format in arguments that can't be read as a whole.
func formatIn(args []string) string {
	for i, arg := range args {
		if value, ok := strings.CutPrefix(arg, "--format="); ok {
			return value
		}
		if arg == "--format" && i+1 < len(args) {
			return args[i+1]
		}
	}
	return ""
}

func lookup(name string) option {
	if i := slices.IndexFunc(options, func(o option) bool { return o.name == name }); i >= 0 {
		return options[i]
	}
	return option{}
}

func flagNames() []string {
	var names []string
	for _, o := range options {
		if !o.inputOnly {
			names = append(names, o.name)
		}
	}
	return names
}

// meant asks for the candidate that takes the fewest edits, prefix in front of it; "" where hardly
// a letter would stay.
func meant(word, prefix string, candidates []string) string {
	edits := func(candidate string) int { return levenshtein.ComputeDistance(word, candidate) }
	near := slices.MinFunc(candidates, func(a, b string) int { return edits(a) - edits(b) })
	if edits(near) > len(word)/2 {
		return ""
	}
	return "did you mean " + prefix + near + "? "
}

// resolve gives every option its value: flag or input, then the environment variable,
// then the default. Values are checked here, before anything is contacted.
func resolve(given settings, getenv func(string) string) (settings, error) {
	all := settings{}
	for _, o := range options {
		value := given[o.name]
		if value == "" && o.env != "" {
			value = getenv(o.env)
		}
		if value == "" {
			value = o.fallback
		}
		if choices := o.choices(); choices != nil && !slices.Contains(choices, value) {
			return nil, &usageError{fmt.Sprintf("%s can't be %q", o.name, value), "it is one of: " + strings.Join(choices, ", ")}
		}
		all[o.name] = value
	}
	for _, name := range []string{"rehearse-limit", "time-travel-limit"} {
		if _, err := parseSize(name, all[name]); err != nil {
			return nil, err
		}
	}
	if err := checkHazards(all["hazards"], all["rehearse"]); err != nil {
		return nil, err
	}
	if n, err := strconv.Atoi(all["pull-request"]); all["pull-request"] != "" && (err != nil || n < 1) {
		return nil, &usageError{fmt.Sprintf("pull-request can't be %q", all["pull-request"]), "it is a number"}
	}
	workflow := strings.TrimPrefix(all["restore-workflow"], ".github/workflows/")
	if strings.ContainsAny(workflow, "/\\") || strings.HasPrefix(workflow, "-") {
		return nil, &usageError{fmt.Sprintf("restore-workflow can't be %q", workflow), "it is a file of .github/workflows, such as d1-restore.yml"}
	}
	all["restore-workflow"] = workflow
	return all, nil
}

// checkHazards refuses a policy for hazards that can't be read, or that can't refuse what it should.
func checkHazards(policy, rehearse string) error {
	parsed, err := migration.ParseHazardPolicy(policy, migration.Warn)
	if unknown, ok := errors.AsType[*migration.UnknownCodeError](err); ok {
		return &usageError{"hazards: " + err.Error(), meant(unknown.Code, "", migration.Codes) + "the codes are: " + strings.Join(migration.Codes, ", ")}
	}
	if err != nil {
		return &usageError{"hazards: " + err.Error(), "write it as fail, or as fail, drop-column=warn, out-of-order=fail"}
	}
	if rehearse == "off" && parsed.NeedsRehearsal() {
		return &usageError{fmt.Sprintf("hazards: %s requires a rehearsal, but rehearse is off", policy),
			"remove one of the two; rehearse: off alone turns hazards into warnings"}
	}
	return nil
}

// parseTime reads RFC 3339 or Unix seconds.
func parseTime(value string) (time.Time, error) {
	if seconds, err := strconv.ParseInt(value, 10, 64); err == nil {
		return time.Unix(seconds, 0), nil
	}
	t, err := time.Parse(time.RFC3339, value)
	if err != nil || t.IsZero() { // which means now to an environment, and "not set" to a program that wrote it
		return t, &usageError{fmt.Sprintf("%q is no time", value), "write it as 2026-11-24T10:00:00Z, with an offset such as +01:00, or as Unix seconds"}
	}
	return t, nil
}

// parseSize reads a number of bytes with an optional unit.
func parseSize(option, value string) (int64, error) {
	units := []struct {
		suffix string
		factor int64
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"GB", 1e9}, {"MB", 1e6}, {"KB", 1e3}, {"B", 1}, {"", 1}}
	for _, u := range units {
		number, ok := strings.CutSuffix(value, u.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(number), 10, 64)
		if err != nil || n < 0 || n > (1<<62)/u.factor {
			break
		}
		return n * u.factor, nil
	}
	return 0, &usageError{fmt.Sprintf("%s can't be %q", option, value), "write it as 256MiB or 1GiB"}
}
