package d1

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/cloudflare/cloudflare-go/v4/d1"
	"github.com/cloudflare/cloudflare-go/v4/option"

	"github.com/d1-rewind/d1-rewind/internal/migration"
)

// This file asks about the account, the token and the database as a whole.

// Info is what the API says about a database.
type Info struct {
	ID      string  `json:"uuid"`
	Name    string  `json:"name"`
	Version string  `json:"version"`   // "alpha" has no Time Travel
	Size    float64 `json:"file_size"` // in bytes
}

// Info asks for the database's name, version and size.
func (d *Database) Info(ctx context.Context) (Info, error) {
	var info Info
	a, err := d.client.read(ctx, call{doing: "find the database " + d.id, send: d.get})
	if err == nil {
		err = a.read(&info)
	}
	if err == nil && info.Name == "" { // a restore is confirmed with it
		err = a.unusable("the answer names no database")
	}
	return info, d.client.problem(err, needsD1Read)
}

const perPage = 100

// Named returns the databases of the account whose name is exactly name, all for ""; the
// API also finds those whose name contains it.
func (c *Client) Named(ctx context.Context, name string) ([]Info, error) {
	var found []Info
	for page := 1; ; page++ {
		var params d1.DatabaseListParams
		params.AccountID.Value, params.AccountID.Present = segment(c.config.AccountID), true
		params.Name.Value, params.Name.Present = name, name != ""
		params.Page.Value, params.Page.Present = float64(page), true
		params.PerPage.Value, params.PerPage.Present = perPage, true
		a, err := c.read(ctx, call{doing: "list the account's databases", send: func(ctx context.Context, options ...option.RequestOption) error {
			_, err := c.databases.List(ctx, params, options...)
			return err
		}})
		var infos []Info
		if err == nil {
			err = a.read(&infos)
		}
		if err != nil {
			return nil, c.problem(err, needsD1Read)
		}
		for _, info := range infos {
			if name == "" || info.Name == name {
				found = append(found, info)
			}
		}
		if len(infos) < perPage {
			return found, nil
		}
	}
}

// Verify asks whether the token is valid and returns the service's clock, zero if it did
// not tell (GET /user/tokens/verify, for tokens that an account owns
// /accounts/{id}/tokens/verify).
func (c *Client) Verify(ctx context.Context) (time.Time, error) {
	ask := c.Database("any", "").get // the path is replaced
	a, err := c.read(ctx, call{doing: "verify the token", send: ask, path: "user/tokens/verify"})
	if failed, ok := errors.AsType[*Error](err); ok && failed.Code != 0 && failed.Status < 500 {
		owned, ownedErr := c.read(ctx, call{doing: "verify the token", send: ask, path: "accounts/" + segment(c.config.AccountID) + "/tokens/verify"})
		if ownedErr == nil {
			a, err = owned, nil
		}
	}
	var result struct{ Status string }
	if err == nil && json.Unmarshal(a.result, &result) == nil && result.Status != "active" {
		err = &migration.Problem{Err: fmt.Errorf("the token is %s", result.Status), Next: "make a new one and set it as CLOUDFLARE_API_TOKEN"}
	}
	return a.date, c.problem(err, needsD1Edit)
}

// MayWrite reports whether the token has the permission to write, without writing: it asks
// how far an import is that nobody began, which takes the same permission. now is the
// bookmark of now.
func (d *Database) MayWrite(ctx context.Context, now migration.Bookmark) error {
	_, err := d.client.read(ctx, call{doing: "check the permission to write", send: d.post, body: importBody{Action: "poll", CurrentBookmark: string(now)}})
	failed, ok := errors.AsType[*Error](err)
	if ok && failed.Status == http.StatusBadRequest && failed.Code != 0 && !failed.untouched() {
		return nil // it got past the door
	}
	return d.client.problem(err, needsD1Edit)
}
