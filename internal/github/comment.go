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
	run     RunID
	essence string
}

// Say makes text the one comment of its subject on a pull request, and returns the
// comment's address. It looks at all comments, trusts only those of its own author, leaves
// one of a newer run or with the same essence as it is, and removes doubles that jobs made
// at the same time. left says why the comment was left alone, "" if it was written.
//
// https://docs.github.com/rest/issues/comments
func (r *Repository) Say(ctx context.Context, number int, c Comment) (url, left string, err error) {
	doing := fmt.Sprintf("comment on pull request #%d", number)
	fail := func(err error) (string, string, error) {
		return "", "", r.explain(doing, "pull-requests: write", err)
	}
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
			url, left, err = r.update(ctx, there, c)
			if gone(err) {
				continue // deleted since it was listed
			}
			if err != nil {
				return fail(err)
			}
			return url, left, nil
		}
		if c.Known {
			return "", "there is none, and this is no news", nil
		}
		made, response, err := r.client.Issues.CreateComment(ctx, r.owner, r.name, number, &github.IssueComment{Body: new(c.body())})
		if err != nil && response != nil && response.StatusCode < http.StatusInternalServerError {
			return fail(err)
		}
		if err != nil { // whether it was made shows only in the list
			if r.sleep(ctx, time.Second) != nil {
				return fail(err)
			}
			continue
		}
		// Another job may have made one at the same moment.
		if there, err = r.comments(ctx, number, own, c.Subject); err != nil || len(there) < 2 {
			return made.GetHTMLURL(), "", nil
		}
		if url, left, err = r.update(ctx, there, c); err == nil {
			return url, left, nil
		}
		return made.GetHTMLURL(), "", nil
	}
	return fail(errors.New("GitHub did not take it, several times"))
}

// update writes c into the newest of the comments on its subject and removes the others.
// Jobs that do so at the same time agree on which one stays.
func (r *Repository) update(ctx context.Context, there []written, c Comment) (url, left string, err error) {
	stays := there[0]
	for _, w := range there[1:] {
		if stays.run.less(w.run) {
			stays = w
		}
	}
	none := RunID{}
	switch {
	case c.Run != none && c.Run.less(stays.run):
		left = fmt.Sprintf("run %d, which is newer, has written it", stays.run.ID)
	case stays.essence == c.essence():
		if stays.run != c.Run {
			left = "it says the same already"
		}
	default:
		if c.Run == none {
			c.Run = stays.run
		}
		if _, _, err = r.client.Issues.EditComment(ctx, r.owner, r.name, stays.id, &github.IssueComment{Body: new(c.body())}); err != nil {
			return "", "", err
		}
	}
	for _, double := range there {
		if double.id == stays.id {
			continue
		}
		if _, err := r.client.Issues.DeleteComment(ctx, r.owner, r.name, double.id); err != nil && !gone(err) {
			break // the next run tries again
		}
	}
	return stays.url, left, nil
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
			if w, ok := read(c.GetBody(), subject); ok && own.wrote(c) {
				w.id, w.url = c.GetID(), c.GetHTMLURL()
				ours = append(ours, w)
			}
		}
		options.Page = response.NextPage
	}
	slices.SortFunc(ours, func(a, b written) int { return cmp.Compare(a.id, b.id) })
	return ours, nil
}

// The marker is the comment's last line. What a report quotes can't forge it: nothing of the
// report stands behind that line.
var marker = regexp.MustCompile(`(?:^|\n)<!-- d1-rewind:v1 subject=([0-9a-f]{32}) run=(\d+)\.(\d+) essence=([0-9a-f]{32}) -->\s*$`)

func (c Comment) body() string {
	return fmt.Sprintf("%s\n<!-- d1-rewind:v1 subject=%s run=%d.%d essence=%s -->", strings.TrimRight(c.Text, "\n"), digest(c.Subject), c.Run.ID, c.Run.Attempt, c.essence())
}

func (c Comment) essence() string { return digest(c.Essence) }

// read reads the marker of a comment, if it has one for the subject.
func read(body, subject string) (written, bool) {
	found := marker.FindStringSubmatch(strings.ReplaceAll(body, "\r\n", "\n"))
	if found == nil || found[1] != digest(subject) {
		return written{}, false
	}
	w := written{essence: found[4]}
	w.run.ID, _ = strconv.ParseInt(found[2], 10, 64)
	w.run.Attempt, _ = strconv.ParseInt(found[3], 10, 64)
	return w, true
}

func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:16])
}

// gone tells whether a comment is not there any more.
func gone(err error) bool {
	failed, ok := errors.AsType[*github.ErrorResponse](err)
	return ok && failed.Response.StatusCode == http.StatusNotFound
}
