package github

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/go-github/v62/github"
)

// Comment is what is to stand in the sticky comment of one subject on a pull request.
type Comment struct {
	Subject string // what it is about: there is one comment for each
	Run     RunID  // that says it; the zero RunID is newer than any
	Text    string // Markdown of at most CommentRoom characters
	Essence string // of two comments with the same essence the one that stands there stays
	Known   bool   // only where there is one already
}

// commentLimit is GitHub's limit for the body of a comment, in characters: a longer one is
// refused with 422, "Body is too long (maximum is 65536 characters)".
const commentLimit = 65536

// CommentRoom is how many bytes of Text fit into a comment, the hidden marker beside it.
const CommentRoom = commentLimit - 256

// written is a comment of ours on GitHub.
type written struct {
	id      int64
	url     string
	login   string
	run     RunID
	essence string
	touched bool // someone has edited it
}

// Say makes text the one comment of its subject on a pull request, and returns the
// comment's address. It looks at all comments, trusts only those of its own author, leaves
// one of a newer run or with the same essence as it is, and removes doubles that jobs made
// at the same time. newer is the run that has the last word, 0 if it is this one.
//
// https://docs.github.com/rest/issues/comments
func (r *Repository) Say(ctx context.Context, number int, c Comment) (url string, newer int64, err error) {
	doing := fmt.Sprintf("comment on pull request #%d", number)
	fail := func(err error) (string, int64, error) {
		return "", 0, r.explain(doing, err)
	}
	var last error
	own, err := r.author(ctx)
	if err != nil {
		return fail(err)
	}
	for range attempts {
		there, err := r.comments(ctx, number, own, c.Subject)
		if err != nil {
			return fail(err)
		}
		if len(there) > 0 {
			url, newer, err = r.update(ctx, there, c)
			if gone(err) {
				continue // deleted since it was listed
			}
			if err != nil {
				return fail(err)
			}
			return url, newer, nil
		}
		if c.Known {
			return "", 0, nil
		}
		made, response, err := r.client.Issues.CreateComment(ctx, r.owner, r.name, number, &github.IssueComment{Body: new(c.body())})
		if err != nil && response != nil && response.StatusCode < http.StatusInternalServerError {
			return fail(err)
		}
		if last = err; err != nil { // whether it was made shows only in the list
			if r.sleep(ctx, time.Second) != nil {
				return fail(err)
			}
			continue
		}
		// Another job may have made one at the same moment.
		if there, err = r.comments(ctx, number, own, c.Subject); err != nil || len(there) < 2 {
			return made.GetHTMLURL(), 0, nil
		}
		if url, newer, err = r.update(ctx, there, c); err == nil {
			return url, newer, nil
		}
		return made.GetHTMLURL(), 0, nil
	}
	return fail(cmp.Or(last, errors.New("someone keeps deleting it")))
}

// update writes c into the newest of the comments on its subject and removes the others.
// Jobs that do so at the same time agree on which one stays.
func (r *Repository) update(ctx context.Context, there []written, c Comment) (url string, newer int64, err error) {
	stays := there[0]
	for _, w := range there[1:] {
		if stays.run.less(w.run) {
			stays = w
		}
	}
	none := RunID{}
	switch {
	case c.Run != none && c.Run.less(stays.run):
		newer = stays.run.ID
	case stays.essence == c.essence() && !stays.touched:
	default:
		if c.Run == none || c.Run.ID < stays.run.ID { // no older run may take this for its turn
			c.Run = stays.run
		}
		if _, _, err = r.client.Issues.EditComment(ctx, r.owner, r.name, stays.id, &github.IssueComment{Body: new(c.body())}); err != nil {
			return "", 0, err
		}
	}
	for _, double := range there {
		if double.id == stays.id || double.login != stays.login {
			continue
		}
		if _, err := r.client.Issues.DeleteComment(ctx, r.owner, r.name, double.id); err != nil && !gone(err) {
			break // the next run tries again
		}
	}
	return stays.url, newer, nil
}

// author is whose comments are ours.
type author struct{ login string } // "" for any bot

// author asks who the token belongs to. The runner's own token may not ask that: then every
// bot's comment with our marker counts.
// https://docs.github.com/rest/users/users#get-the-authenticated-user
func (r *Repository) author(ctx context.Context) (author, error) {
	user, _, err := r.client.Users.Get(ctx, "")
	if err == nil {
		return author{user.GetLogin()}, nil
	}
	refused, ok := errors.AsType[*github.ErrorResponse](err) // a rate limit is another error
	if ok && (refused.Response.StatusCode == http.StatusForbidden || refused.Response.StatusCode == http.StatusNotFound) {
		return author{}, nil
	}
	return author{}, err
}

func (a author) wrote(c *github.IssueComment) bool {
	if a.login == "" {
		return c.GetUser().GetType() == "Bot"
	}
	return strings.EqualFold(c.GetUser().GetLogin(), a.login)
}

// comments returns our comments on a subject, the oldest first.
func (r *Repository) comments(ctx context.Context, number int, own author, subject string) ([]written, error) {
	var ours []written
	options := &github.IssueListCommentsOptions{ListOptions: github.ListOptions{Page: 1, PerPage: perPage}}
	for options.Page != 0 {
		page, response, err := r.client.Issues.ListComments(ctx, r.owner, r.name, number, options)
		if err != nil {
			return nil, err
		}
		for _, c := range page {
			if c == nil {
				continue
			}
			if w, ok := read(c.GetBody(), subject); ok && own.wrote(c) {
				w.id, w.url, w.login = c.GetID(), c.GetHTMLURL(), c.GetUser().GetLogin()
				ours = append(ours, w)
			}
		}
		options.Page = response.NextPage
	}
	slices.SortFunc(ours, func(a, b written) int { return cmp.Compare(a.id, b.id) })
	return ours, nil
}

// The marker is the comment's last line. What a report quotes can't forge it: nothing of the
// report follows that line.
var marker = regexp.MustCompile(`^((?s:.*)\n)<!-- d1-rewind:v1 subject=([0-9a-f]{32}) run=(\d{1,18})\.(\d{1,18}) essence=([0-9a-f]{32}) text=([0-9a-f]{32}) -->\s*$`)

func (c Comment) body() string {
	text := strings.TrimRight(c.Text, "\n") + "\n"
	return fmt.Sprintf("%s<!-- d1-rewind:v1 subject=%s run=%d.%d essence=%s text=%s -->", text, digest(c.Subject), c.Run.ID, c.Run.Attempt, c.essence(), digest(text))
}

func (c Comment) essence() string { return digest(c.Essence) }

// read reads the marker of a comment, if it has one for the subject.
func read(body, subject string) (written, bool) {
	found := marker.FindStringSubmatch(strings.ReplaceAll(body, "\r\n", "\n"))
	if found == nil || found[2] != digest(subject) {
		return written{}, false
	}
	w := written{essence: found[5], touched: found[6] != digest(found[1])}
	w.run.ID, _ = strconv.ParseInt(found[3], 10, 64) // 18 digits fit
	w.run.Attempt, _ = strconv.ParseInt(found[4], 10, 64)
	return w, true
}

func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:16])
}

// gone reports whether a comment is not there any more.
func gone(err error) bool {
	failed, ok := errors.AsType[*github.ErrorResponse](err)
	return ok && failed.Response.StatusCode == http.StatusNotFound
}
