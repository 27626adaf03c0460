package d1

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/cloudflare/cloudflare-go/v4/option"
	"github.com/cloudflare/cloudflare-go/v4/workers"

	"github.com/d1-rewind/d1-rewind/internal/migration"
)

// Worker is a deployed Worker. It implements migration.Worker.
type Worker struct {
	client *Client
	name   string
}

// Worker returns the Worker with the given name.
func (c *Client) Worker(name string) *Worker { return &Worker{client: c, name: name} }

// Deployed implements migration.Worker: the newest deployment's version, in a gradual
// deployment the one with the largest share (GET …/workers/scripts/{name}/deployments).
func (w *Worker) Deployed(ctx context.Context) (migration.Deployment, error) {
	var params workers.ScriptDeploymentGetParams
	params.AccountID.Value, params.AccountID.Present = segment(w.client.config.AccountID), true
	doing := fmt.Sprintf("read the deployments of the Worker %q", w.name)
	a, err := w.client.read(ctx, call{doing: doing, send: func(ctx context.Context, options ...option.RequestOption) error {
		_, err := w.client.scripts.Deployments.Get(ctx, segment(w.name), params, options...)
		return err
	}})
	var result struct {
		Deployments []struct {
			CreatedOn string `json:"created_on"` // RFC 3339, UTC: sorts as text
			Versions  []struct {
				ID         string  `json:"version_id"`
				Percentage float64 `json:"percentage"`
			} `json:"versions"`
		} `json:"deployments"`
	}
	if err == nil {
		err = a.read(&result)
	}
	if err != nil {
		return migration.Deployment{}, w.client.problem(err, needsWorkersRead)
	}
	var latest migration.Deployment
	newest := ""
	for _, deployment := range result.Deployments {
		if deployment.CreatedOn <= newest {
			continue
		}
		newest, latest = deployment.CreatedOn, migration.Deployment{}
		for _, v := range deployment.Versions {
			if v.Percentage > latest.Percent {
				latest = migration.Deployment{Version: v.ID, Percent: v.Percentage}
			}
		}
	}
	if latest.Version == "" {
		return latest, fmt.Errorf("the Worker %q has no deployment", w.name)
	}
	return latest, nil
}

// shownVersions is how many versions are worth a look.
const shownVersions = 5

// Versions implements migration.Worker (GET …/workers/scripts/{name}/versions).
func (w *Worker) Versions(ctx context.Context) ([]string, error) {
	var params workers.ScriptVersionListParams
	params.AccountID.Value, params.AccountID.Present = segment(w.client.config.AccountID), true
	params.Deployable.Value, params.Deployable.Present = true, true
	doing := fmt.Sprintf("list the versions of the Worker %q", w.name)
	a, err := w.client.read(ctx, call{doing: doing, send: func(ctx context.Context, options ...option.RequestOption) error {
		_, err := w.client.scripts.Versions.List(ctx, segment(w.name), params, options...)
		return err
	}})
	type version struct {
		ID       string  `json:"id"`
		Number   float64 `json:"number"`
		Metadata struct {
			CreatedOn string `json:"created_on"`
		} `json:"metadata"`
	}
	var result struct {
		Items []version `json:"items"`
	}
	if err == nil {
		err = a.read(&result)
	}
	if err != nil {
		return nil, w.client.problem(err, needsWorkersRead)
	}
	slices.SortFunc(result.Items, func(a, b version) int { return cmp.Compare(b.Number, a.Number) })
	var lines []string
	for _, v := range result.Items[:min(len(result.Items), shownVersions)] {
		lines = append(lines, fmt.Sprintf("%s (%s)", v.ID, v.Metadata.CreatedOn))
	}
	return lines, nil
}

// Rollback implements migration.Worker: wrangler's rollback is a new deployment of the old
// version at 100 % (packages/wrangler/src/versions/rollback/index.ts).
func (w *Worker) Rollback(ctx context.Context, version, why string) error {
	doing := fmt.Sprintf("deploy version %s of the Worker %q", version, w.name)
	var params workers.ScriptDeploymentNewParams
	params.AccountID.Value, params.AccountID.Present = segment(w.client.config.AccountID), true
	_, err := w.client.write(ctx, call{doing: doing, send: func(ctx context.Context, options ...option.RequestOption) error {
		_, err := w.client.scripts.Deployments.New(ctx, segment(w.name), params, options...)
		return err
	}, body: map[string]any{
		"strategy":    "percentage",
		"versions":    []map[string]any{{"version_id": version, "percentage": 100}},
		"annotations": map[string]string{"workers/message": why},
	}})
	failed, ok := errors.AsType[*Error](err)
	if !ok {
		return err
	}
	p := &migration.Problem{Err: failed, Next: w.client.advice(failed, needsWorkersEdit)}
	switch {
	case failed.Code == codeSecretsChanged:
		p.Next = "the Worker's secrets have changed since that version, and going back would bring back the old ones; look at them, then decide: wrangler rollback " + version + " asks and can do it, and restore without --rollback-worker goes on with the database"
	case failed.Status == http.StatusBadRequest:
		p.Next = "check the version: wrangler versions list shows those that can be deployed; without --rollback-worker and --worker-version the database alone goes back"
	}
	unclear := failed.unclear(p)
	unclear.Untouched = unclear.Untouched || failed.declined()
	return unclear
}
