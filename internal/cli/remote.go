package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/d1-rewind/d1-rewind/internal/d1"
	"github.com/d1-rewind/d1-rewind/internal/migration"
	"github.com/d1-rewind/d1-rewind/internal/report"
)

// remote is a job's side of Cloudflare.
type remote struct {
	client   *d1.Client
	database *d1.Database
	name     string // of the database; "" if only the configuration may know it
	worker   string // the Worker's name, "" if none is known
	account  string
}

// wireRemote makes the client for the target. It contacts Cloudflare only if the database
// has a name and no id.
func (j *job) wireRemote(ctx context.Context, r *report.Report) error {
	s := j.settings
	switch j.command {
	case "create": // it asks no database
		return nil
	case "reset":
		return &migration.Problem{Kind: migration.Refused, Err: fmt.Errorf("only a local database can be reset, and %s is none", s["environment"]),
			State: "nothing was contacted or written", Next: "d1-rewind reset local, or restore to go back on a remote one"}
	}
	if err := j.guardPullRequest(); err != nil {
		return err
	}
	token := strings.TrimSpace(s["api-token"])
	if j.offline = j.isOffline(token); j.offline {
		return nil
	}
	token, account, err := j.credentials(r, token)
	if err != nil {
		return err
	}
	if err := j.checkIDs(r, token); err != nil {
		return err
	}
	base, err := j.apiAddress()
	if err != nil {
		return err
	}
	config := d1.Config{AccountID: account, Token: token, Agent: "d1-rewind/" + j.p.version(), BaseURL: base, Now: j.p.Now, Sleep: j.p.Sleep, Progress: j.progress}
	if s.on("verbose") || j.debug {
		config.Trace = j.progress
	}
	client := d1.New(config)
	db := j.target.Database
	if db.ID == "" {
		found, err := client.Named(ctx, db.Name)
		if err != nil {
			return err
		}
		switch len(found) {
		case 0:
			if db.Provisioned {
				return unnamed("wrangler deploy creates it; if the database has another name, add database_name or database_id to the configuration",
					"account %s has no database named %q, which is the one that wrangler makes for the binding %q without database_id and database_name", account, db.Name, db.Binding)
			}
			return unnamed("create it (wrangler d1 create), or check database_name and the account", "account %s has no database named %q", account, db.Name)
		case 1:
			db.ID, r.DatabaseID = found[0].ID, found[0].ID
		default:
			var ids []string
			for _, info := range found {
				ids = append(ids, info.ID)
			}
			return unnamed("say which with --database-id, or database_id in the configuration", "account %s has %d databases named %q: %s", account, len(found), db.Name, strings.Join(ids, ", "))
		}
	}
	j.remote = &remote{client: client, database: client.Database(db.ID, s["transport"]), worker: cmp.Or(s["worker"], j.target.Worker), account: account}
	j.environment, j.dump = j.remote.database, j.remote.database.Dump
	return nil
}

// unnamed is the error of a name that does not name one database.
func unnamed(next, format string, args ...any) error {
	return &migration.Problem{Kind: migration.Usage, Err: fmt.Errorf(format, args...), State: "nothing was written", Next: next}
}

// writing are the commands that change a database.
var writing = map[string]bool{"migrate": true, "restore": true, "baseline": true}

// guardPullRequest refuses to write on behalf of a pull request: its SQL, with a token for
// the database, would be code of a stranger.
func (j *job) guardPullRequest() error {
	harmless := j.command == "migrate" && j.settings.on("dry-run")
	if !writing[j.command] || harmless || !j.event.FromPullRequest || j.settings.on("allow-pull-request") {
		return nil
	}
	p := &migration.Problem{Kind: migration.Refused, State: "nothing was contacted or written",
		Err:  fmt.Errorf("%s writes to a remote database, and this run was or may have been started by a pull request (event %s)", j.command, j.event.Name),
		Next: "use mode: status here and migrate on push; allow-pull-request: true is for a database that belongs to the pull request"}
	if j.event.Name == "" {
		p.Err = fmt.Errorf("%s writes to a remote database, and nothing says what started this run: it may have been a pull request", j.command)
		p.Next = "let a workflow run it, on a push or by hand: the runner sets GITHUB_EVENT_NAME"
	}
	return p
}

// confirmed guards the restore of a remote database: its name has to be given, or typed at
// a terminal once what will happen was shown.
func (j *job) confirmed(ctx context.Context, r *report.Report) (func(migration.Result, []string) error, error) {
	if j.remote == nil {
		return nil, nil
	}
	// The configuration may give the id another name.
	info, err := j.remote.database.Info(ctx)
	if err != nil {
		return nil, err
	}
	r.DatabaseName, j.remote.name = info.Name, info.Name
	refusal := func(why string) error {
		return &migration.Problem{Kind: migration.Refused, Err: errors.New(why), State: "nothing was written",
			Next: "a restore discards every write since then; if that is meant: " + j.option("confirm", r.DatabaseName)}
	}
	switch given := j.settings["confirm"]; {
	case given != "" && (given == r.DatabaseName || given == r.DatabaseID):
		return nil, nil
	case given != "":
		return nil, refusal(fmt.Sprintf("confirm is %q, but the database is %q", given, r.DatabaseName))
	case j.read == nil:
		return nil, refusal(fmt.Sprintf("the restore of the remote database %q was not confirmed", r.DatabaseName))
	}
	return func(result migration.Result, undoes []string) error {
		migrations := ""
		if len(undoes) > 0 {
			migrations = " and takes back " + report.Printable(strings.Join(undoes, ", "))
		}
		typed, err := j.read(ctx, fmt.Sprintf("Restore the remote database %s (%s) to %s?\nThat discards every write made since then%s; %s undoes it.\nType the database's name to go on: ",
			r.DatabaseName, j.settings["environment"], result.Target, migrations, result.Bookmark))
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			return refusal(fmt.Sprintf("the restore of the remote database %q was not confirmed", r.DatabaseName))
		case typed != r.DatabaseName:
			return refusal(fmt.Sprintf("%q is not the database's name", typed))
		}
		return nil
	}, nil
}

// doctorRemote checks one thing a line, as far as the line before allows.
func (j *job) doctorRemote(ctx context.Context, add, note func(name, detail string, err error)) {
	cloud := j.remote
	when, err := cloud.client.Verify(ctx)
	add("token", "accepted by Cloudflare", err)
	if !when.IsZero() {
		skew := j.p.Now().Sub(when)
		if math.Abs(skew.Seconds()) > 60 {
			err = &migration.Problem{Err: fmt.Errorf("this machine's clock differs from Cloudflare's by %s", skew.Round(time.Second)), Next: "set the clock: --timestamp would mean another moment"}
			add("clock", "", err)
		} else {
			add("clock", "agrees with Cloudflare's", nil)
		}
	}
	info, err := cloud.database.Info(ctx)
	add("account and database", fmt.Sprintf("account %s, database %s (%s), %.0f bytes", cloud.account, info.Name, info.ID, info.Size), err)
	if err != nil {
		return
	}
	if name := j.target.Database.Name; name != "" && name != info.Name {
		add("id and name", "", &migration.Problem{Err: fmt.Errorf("the configuration says database_name %q, but database_id %s is %q", name, info.ID, info.Name), Next: "the id wins; fix the configuration"})
	}
	if info.Version == "alpha" {
		add("time travel", "", &migration.Problem{Err: errors.New("an alpha database has no Time Travel"), Next: "move it: https://developers.cloudflare.com/d1/platform/alpha-migration/"})
		return
	}
	now, err := j.engine.Info(ctx, time.Time{})
	add("time travel", fmt.Sprintf("bookmark now %s", now.Bookmark), err)
	add("permission D1 Edit", "the token may write", cloud.database.MayWrite(ctx, now.Bookmark))
	if cloud.worker == "" {
		add("worker", "none is configured, so no version is recorded", nil)
		return
	}
	deployment, err := cloud.client.Worker(cloud.worker).Deployed(ctx)
	note("worker", fmt.Sprintf("%s runs version %s; whether the token may roll it back (Workers Scripts Edit) shows only when it does", cloud.worker, deployment.Version), err)
}
