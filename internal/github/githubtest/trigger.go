package githubtest

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/rhysd/actionlint"
)

// ErrNotTriggered says that GitHub would not start the workflow.
var ErrNotTriggered = errors.New("the event does not trigger the workflow")

// triggeredBy returns the trigger that fits the run's event.
// https://docs.github.com/actions/reference/workflows-and-actions/events-that-trigger-workflows
func (w *Workflow) triggeredBy(run *Run) (actionlint.Event, error) {
	i := slices.IndexFunc(w.On, func(event actionlint.Event) bool { return event.EventName() == run.Event })
	if i < 0 {
		return nil, fmt.Errorf("%w: no on.%s", ErrNotTriggered, run.Event)
	}
	event, ok := w.On[i].(*actionlint.WebhookEvent)
	if !ok {
		return w.On[i], nil
	}
	pull := run.Event == "pull_request" || run.Event == "pull_request_target"
	var types []string
	for _, t := range event.Types {
		types = append(types, t.Value)
	}
	if pull && types == nil {
		types = []string{"opened", "synchronize", "reopened"}
	}
	if action := asText(lookup(run.Payload, "action")); types != nil && !slices.Contains(types, action) {
		return nil, fmt.Errorf("%w: its types are %q, not %q", ErrNotTriggered, types, action)
	}

	branch, isBranch := strings.CutPrefix(run.Ref, "refs/heads/")
	tag, isTag := strings.CutPrefix(run.Ref, "refs/tags/")
	if pull {
		branch, isBranch, isTag = asText(lookup(run.Payload, "pull_request", "base", "ref")), true, false
	}
	branches, tags := !event.Branches.IsEmpty() || !event.BranchesIgnore.IsEmpty(), !event.Tags.IsEmpty() || !event.TagsIgnore.IsEmpty()
	switch {
	case isBranch && (tags && !branches || !passes(event.Branches, event.BranchesIgnore, branch)):
		return nil, fmt.Errorf("%w: not for the branch %s", ErrNotTriggered, branch)
	case isTag && (branches && !tags || !passes(event.Tags, event.TagsIgnore, tag)):
		return nil, fmt.Errorf("%w: not for the tag %s", ErrNotTriggered, tag)
	}
	if !isTag && (!event.Paths.IsEmpty() || !event.PathsIgnore.IsEmpty()) { // tags are not asked for paths
		if run.Changed == nil {
			return nil, fmt.Errorf("on.%s has a filter of paths: the run must say what was changed", run.Event)
		}
		if !slices.ContainsFunc(run.Changed, func(path string) bool { return passes(event.Paths, event.PathsIgnore, path) }) {
			return nil, fmt.Errorf("%w: not for changes of %q", ErrNotTriggered, run.Changed)
		}
	}
	return event, nil
}

// passes reports whether a name passes a filter: the last pattern that fits decides.
func passes(only, ignore *actionlint.WebhookEventFilter, name string) bool {
	pass := only.IsEmpty()
	for _, filter := range []*actionlint.WebhookEventFilter{only, ignore} {
		if filter.IsEmpty() {
			continue
		}
		for _, value := range filter.Values {
			pattern, negated := strings.CutPrefix(value.Value, "!")
			if globbed(pattern).MatchString(name) {
				pass = negated == (filter == ignore)
			}
		}
	}
	return pass
}

var globTokens = regexp.MustCompile(`\*\*/|\*\*|\*|[?+]|\[[^\]]*\]|\\.|.`)

// globbed translates a filter pattern; the linter has checked that it is one.
// https://docs.github.com/actions/reference/workflows-and-actions/workflow-syntax#filter-pattern-cheat-sheet
func globbed(pattern string) *regexp.Regexp {
	return regexp.MustCompile("^" + globTokens.ReplaceAllStringFunc(pattern, func(token string) string {
		switch {
		case token == "**/":
			return "(?:.*/)?"
		case token == "**":
			return ".*"
		case token == "*":
			return "[^/]*"
		case token == "?" || token == "+" || len(token) > 1:
			return token
		}
		return regexp.QuoteMeta(token)
	}) + "$")
}
