// Command job runs jobs of a workflow file without GitHub:
//
//	job -workflow FILE [-job NAME]… [-event NAME] [-payload FILE] [-input NAME=VALUE]… [-secret NAME]…
//	    [-var NAME=VALUE]… [-environ NAME=VALUE]… [-changed PATH]… -source DIR [-action-source DIR]
//	    -action COMMAND -out DIR [-repository O/R] [-ref REF] [-sha SHA] [-actor NAME] [-run-id ID]
//	    [-api-url URL] [gh workflow run FILE --repo O/R -f NAME=VALUE…]
//
// The words of a gh command after the flags dispatch the workflow that they name, which is looked
// for in the source's .github/workflows. A secret's value is in the environment variable of its
// name. The action is COMMAND, started in the step's environment and working directory with the
// directory of action.yml as its argument; a script of dash would lose inputs with a hyphen, which
// it does not take for variables, one of bash keeps them. Each job leaves NAME.outputs.json and NAME.summary.md
// in DIR; what its steps wrote into the workspace is in DIR/jobs.
//
// It exits with 0 if all jobs succeeded or were skipped, with 1 if one did not, and with 2 for a
// wrong use, a workflow that cannot be run, and an event that does not trigger it.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"

	"github.com/d1-rewind/d1-rewind/internal/github/githubtest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	conclusion, err := run(ctx, os.Args[1:], os.Stdout)
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, "job:", err)
		os.Exit(2)
	case conclusion != githubtest.Success && conclusion != githubtest.Skipped:
		os.Exit(1)
	}
}

// list is a flag that can be given again.
type list []string

func (l *list) String() string         { return strings.Join(*l, " ") }
func (l *list) Set(value string) error { *l = append(*l, value); return nil }

func (l *list) pairs() (map[string]string, error) {
	pairs := map[string]string{}
	for _, pair := range *l {
		name, value, ok := strings.Cut(pair, "=")
		if !ok {
			return nil, fmt.Errorf("%q is not NAME=VALUE", pair)
		}
		pairs[name] = value
	}
	return pairs, nil
}

func run(ctx context.Context, arguments []string, stdout io.Writer) (conclusion string, err error) {
	var r githubtest.Run
	var jobs, inputs, secrets, vars, environ, changed list
	flags := flag.NewFlagSet("job", flag.ContinueOnError)
	file := flags.String("workflow", "", "the workflow file")
	payload := flags.String("payload", "", "file of the webhook's payload")
	action := flags.String("action", "", "the command that plays the action")
	out := flags.String("out", "", "directory for outputs, summaries and the jobs' own directories")
	for name, list := range map[string]*list{"job": &jobs, "input": &inputs, "secret": &secrets, "var": &vars, "environ": &environ, "changed": &changed} {
		flags.Var(list, name, "can be given again")
	}
	for name, value := range map[string]*string{
		"event": &r.Event, "source": &r.Source, "action-source": &r.ActionSource, "repository": &r.Repository, "ref": &r.Ref,
		"sha": &r.SHA, "actor": &r.Actor, "run-id": &r.RunID, "api-url": &r.APIURL,
	} {
		flags.StringVar(value, name, "", "of the run")
	}
	if err := flags.Parse(arguments); err != nil {
		return "", err
	}
	if *out == "" || r.Source == "" {
		return "", errors.New("-out and -source are required")
	}
	if r.Inputs, err = inputs.pairs(); err != nil {
		return "", err
	}
	if r.Vars, err = vars.pairs(); err != nil {
		return "", err
	}
	if flags.NArg() > 0 {
		if err := dispatch(&r, flags.Args(), file); err != nil {
			return "", err
		}
	}
	r.Secrets = map[string]string{}
	for _, name := range secrets {
		value, ok := os.LookupEnv(name)
		if !ok {
			return "", fmt.Errorf("the secret %s is not in the environment", name)
		}
		r.Secrets[name] = value
	}
	if *payload != "" {
		content, err := os.ReadFile(*payload)
		if err != nil {
			return "", err
		}
		if err := json.Unmarshal(content, &r.Payload); err != nil {
			return "", fmt.Errorf("%s: %w", *payload, err)
		}
	}
	r.Environ, r.Changed, r.Dir = environ, changed, filepath.Join(*out, "jobs")
	if err := os.MkdirAll(r.Dir, 0o755); err != nil {
		return "", err
	}
	if *action != "" {
		command := *action
		if strings.Contains(command, "/") {
			if command, err = filepath.Abs(command); err != nil {
				return "", err
			}
		}
		r.Action = githubtest.Command(command)
	}
	workflow, err := githubtest.Load(*file)
	if err != nil {
		return "", err
	}
	results, err := workflow.Do(ctx, r, jobs...)
	if err != nil {
		return "", err
	}
	return results.Conclusion(), write(results, *out, stdout)
}

// dispatch takes the run from the words of a gh command.
func dispatch(r *githubtest.Run, words []string, file *string) error {
	workflow, repository, ref, inputs, err := githubtest.ParseDispatch(words)
	switch {
	case err != nil:
		return err
	case *file != "" && filepath.Base(*file) != workflow:
		return fmt.Errorf("the command is for the workflow %s", workflow)
	case r.Repository != "" && repository != "" && r.Repository != repository:
		return fmt.Errorf("the command is for the repository %s", repository)
	case len(r.Inputs) > 0 || r.Event != "" && r.Event != "workflow_dispatch":
		return errors.New("the command says event and inputs")
	}
	if *file == "" {
		*file = filepath.Join(r.Source, ".github", "workflows", workflow)
	}
	if repository != "" {
		r.Repository = repository
	}
	if ref != "" && !strings.HasPrefix(ref, "refs/") {
		ref = "refs/heads/" + ref
	}
	if ref != "" {
		r.Ref = ref
	}
	r.Inputs = inputs
	return nil
}

// write prints what happened, and leaves outputs and summaries.
func write(results githubtest.Results, out string, stdout io.Writer) error {
	for _, r := range results {
		fmt.Fprintf(stdout, "%s: %s\n", r.Name, r.Conclusion)
		for _, warning := range r.Warnings {
			fmt.Fprintln(stdout, "  warning:", warning)
		}
		var summary strings.Builder
		for _, step := range r.Steps {
			fmt.Fprintf(stdout, "  %s: %s\n", step.Name, step.Conclusion)
			for line := range strings.Lines(step.Log) {
				fmt.Fprint(stdout, "    ", line)
			}
			summary.WriteString(step.Summary)
		}
		outputs, err := json.MarshalIndent(r.Outputs, "", "  ")
		if err != nil {
			return err
		}
		base := filepath.Join(out, strings.NewReplacer("/", "-", " ", "").Replace(r.Name))
		if err := os.WriteFile(base+".outputs.json", append(outputs, '\n'), 0o644); err != nil {
			return err
		}
		if err := os.WriteFile(base+".summary.md", []byte(summary.String()), 0o644); err != nil {
			return err
		}
		if err := write(r.Jobs, out, stdout); err != nil {
			return err
		}
	}
	return nil
}
