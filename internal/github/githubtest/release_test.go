package githubtest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// releasing are the actions of others in release.yml.
var releasing = []string{
	"actions/attest-build-provenance", "actions/download-artifact", "actions/upload-artifact",
	"docker/build-push-action", "docker/login-action", "docker/setup-buildx-action", "sigstore/cosign-installer",
}

// release is this repository's release.yml on a clone with a real git and the real .ci/release, but for the
// build: what it would publish goes to stand-ins that write down what they are asked.
type release struct {
	t           *testing.T
	origin, dir string
	digest      string // of the image
	source      string // what the packages for npm are built of
	flow        *Workflow
}

func newRelease(t *testing.T) *release {
	t.Helper()
	if _, err := exec.LookPath("jq"); err != nil {
		t.Skip("jq is missing")
	}
	r := &release{t: t, origin: filepath.Join(t.TempDir(), "origin.git"), dir: t.TempDir(), digest: "sha256:" + strings.Repeat("a", 64)}
	work := filepath.Join(r.dir, "work")
	for name, source := range map[string]string{"action.yml": "action.yml", "Dockerfile": "Dockerfile", ".ci/parts": ".ci/release"} {
		content, err := os.ReadFile(filepath.Join("../../..", source))
		if err != nil {
			t.Fatal(err)
		}
		r.write(filepath.Join(work, name), string(content))
	}
	r.write(filepath.Join(work, ".ci/release"), "#!/usr/bin/env bash\nif [[ $1 == build ]]; then mkdir dist; else exec .ci/parts \"$@\"; fi\n")
	r.write(filepath.Join(work, "CHANGELOG.md"), "# Changelog\n\n## [Unreleased]\n\n## [1.2.3]\n\n- Something new.\n\n## [1.3.0-rc.1]\n\n- Tried first.\n")
	r.git("", "init", "--quiet", "--bare", "--initial-branch=main", r.origin)
	r.git(work, "init", "--quiet", "--initial-branch=main")
	r.git(work, "add", ".")
	r.git(work, "commit", "--quiet", "--message", "main")
	r.git(work, "push", "--quiet", r.origin, "main")
	flow, err := Load("../../../.github/workflows/release.yml", releasing...)
	if err != nil {
		t.Fatal(err)
	}
	r.flow = flow

	// The programs of the runner. A file in published is something that is there for everybody.
	bin, published := filepath.Join(r.dir, "bin"), filepath.Join(r.dir, "published")
	if err := os.MkdirAll(published, 0o755); err != nil {
		t.Fatal(err)
	}
	script := func(name, body string) {
		r.write(filepath.Join(bin, name), "#!/usr/bin/env bash\nset -euo pipefail\ncd "+published+"\necho \"$(basename \"$0\") $*\" >>../asked\n"+body)
	}
	script("gh", `case "$1 $2" in
  "run list") cat ../ci-passed 2>/dev/null || echo 1 ;;
  "release view") [[ $* == *" --json isDraft --jq .isDraft" ]] && cat "release-$3" ;;
  "release create") [[ ! -e release-$3 ]] && echo false >"release-$3" ;;
  "release delete") rm "release-$3" ;;
  "release download") ;;
esac
`)
	script("npm", `case $1 in
  view) [[ $3 == dist.integrity ]] && cat "npm-${2//\//_}" ;;
  publish)
    name=$(tar -xzOf "$OLDPWD/$2" package/package.json | jq -r '"\(.name)@\(.version)"')
    [[ ! -e ../npm-fails || $name != d1-rewind@* ]]
    echo "sha512-$(openssl dgst -sha512 -binary "$OLDPWD/$2" | base64 --wrap=0)" >"npm-${name//\//_}" ;;
esac
`)
	script("cosign", `[[ $1 != sign-blob ]] || touch "$OLDPWD/${4}"`+"\n")
	script("docker", "")
	script("npx", "")
	return r
}

func (r *release) write(path, content string) {
	r.t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o755); err != nil {
		r.t.Fatal(err)
	}
}

func (r *release) git(dir string, arguments ...string) string {
	r.t.Helper()
	c := exec.Command("git", arguments...)
	c.Dir = dir
	c.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.com", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@example.com",
		"GIT_AUTHOR_DATE=2026-11-01T10:00:00Z", "GIT_COMMITTER_DATE=2026-11-01T10:00:00Z")
	out, err := c.CombinedOutput()
	if err != nil {
		r.t.Fatalf("git %q: %v\n%s", arguments, err, out)
	}
	return strings.TrimSpace(string(out))
}

// startAgain makes the next runs those of jobs that are started again: what checks a version is not among these.
func (r *release) startAgain() {
	r.t.Helper()
	git, err := exec.LookPath("git")
	if err != nil {
		r.t.Fatal(err)
	}
	r.write(filepath.Join(r.dir, "bin", "git"), "#!/usr/bin/env bash\n[[ $1 != ls-remote ]] || exit 2\nexec "+git+" \"$@\"\n")
}

// do plays the jobs up to the last one that publishes, and returns it and what was asked of the outside.
func (r *release) do(version string, run Run) (last *Result, asked []string) {
	r.t.Helper()
	run.Repository, run.Inputs, run.Dir = ActionRepository, map[string]string{"version": version}, filepath.Join(r.dir, "jobs")
	if err := os.MkdirAll(run.Dir, 0o755); err != nil {
		r.t.Fatal(err)
	}
	run.Payload = map[string]any{"repository": map[string]any{"default_branch": "main"}}
	run.Secrets = map[string]string{"GITHUB_TOKEN": "token"}
	run.Environ = []string{"PATH=" + filepath.Join(r.dir, "bin") + ":" + os.Getenv("PATH"), "GIT_CONFIG_GLOBAL=/dev/null"}
	nothing := func(context.Context, Call) int { return 0 }
	dist := func(_ context.Context, c Call) int {
		for _, name := range []string{"d1-rewind_" + version + "_linux_amd64.tar.gz", "d1-rewind_" + version + "_windows_amd64.zip", "d1-rewind_" + version + ".cdx.json", "SHA256SUMS"} {
			r.write(filepath.Join(c.Workspace, "dist", name), name)
		}
		for _, name := range []string{"d1-rewind", "@d1-rewind/linux-x64", "@d1-rewind/win32-x64"} {
			file := strings.NewReplacer("@", "", "/", "-").Replace(name)
			dir := filepath.Join(r.dir, "npm", file)
			r.write(filepath.Join(dir, "package", "package.json"), fmt.Sprintf(`{"name": %q, "version": %q, "description": %q}`, name, version, r.source))
			target := filepath.Join(c.Workspace, "dist", "npm", file+"-"+version+".tgz")
			if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
				r.t.Error(err)
			}
			if out, err := exec.Command("tar", "--mtime=@0", "-czf", target, "-C", dir, "package").CombinedOutput(); err != nil {
				r.t.Errorf("%v\n%s", err, out)
			}
		}
		return 0
	}
	run.Others = map[string]func(context.Context, Call) int{
		"actions/checkout": func(_ context.Context, c Call) int {
			r.git("", "clone", "--quiet", "--branch", strings.TrimPrefix(or(c.Getenv("INPUT_REF"), "main"), "refs/tags/"), r.origin, c.Workspace)
			return 0
		},
		"docker/build-push-action": func(_ context.Context, c Call) int {
			return output(r.t, c, "digest", r.digest)
		},
		"actions/attest-build-provenance": func(_ context.Context, c Call) int {
			bundle := filepath.Join(c.Workspace, "bundle")
			r.write(bundle, "{}")
			return output(r.t, c, "bundle-path", bundle)
		},
		"actions/download-artifact": dist,
	}
	for _, name := range releasing {
		if run.Others[name] == nil {
			run.Others[name] = nothing
		}
	}
	log := filepath.Join(r.dir, "asked")
	r.write(log, "")
	results, err := r.flow.Do(r.t.Context(), run, "publish")
	if err != nil {
		r.t.Fatal(err)
	}
	content, err := os.ReadFile(log)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, job := range results {
		for _, step := range job.Steps {
			if step.Conclusion == Failure {
				r.t.Logf("%s, %s:\n%s", job.ID, step.Name, step.Log)
			}
		}
	}
	return results.Job("publish"), strings.Split(strings.TrimSpace(string(content)), "\n")
}

// published are the requests that changed something for others.
func published(asked []string) (changes []string) {
	for _, line := range asked {
		for _, verb := range []string{"npm publish", "gh release create", "gh release delete", "cosign sign "} {
			if strings.HasPrefix(line, verb) {
				changes = append(changes, line)
			}
		}
	}
	return changes
}

func TestRelease(t *testing.T) {
	t.Parallel()
	r := newRelease(t)
	image := "ghcr.io/d1-rewind/d1-rewind@" + r.digest

	r.write(filepath.Join(r.dir, "npm-fails"), "")
	last, asked := r.do("1.2.3", Run{})
	equals(t, "publish without the npm package", last.Conclusion, Skipped)
	equals(t, "what npm took before it failed", published(asked), []string{
		"cosign sign --yes --recursive " + image,
		"npm publish dist/npm/d1-rewind-linux-x64-1.2.3.tgz --access public --provenance --tag latest",
		"npm publish dist/npm/d1-rewind-win32-x64-1.2.3.tgz --access public --provenance --tag latest",
		"npm publish dist/npm/d1-rewind-1.2.3.tgz --access public --provenance --tag latest",
	})
	equals(t, "tags", r.git(r.origin, "tag"), "")

	if err := os.Remove(filepath.Join(r.dir, "npm-fails")); err != nil {
		t.Fatal(err)
	}
	last, asked = r.do("1.2.3", Run{})
	equals(t, "publish", last.Conclusion, Success)
	equals(t, "the second attempt", published(asked), []string{
		"cosign sign --yes --recursive " + image,
		"npm publish dist/npm/d1-rewind-1.2.3.tgz --access public --provenance --tag latest",
		"gh release create v1.2.3 --verify-tag --title 1.2.3 --notes-file notes.md dist/d1-rewind_1.2.3_linux_amd64.tar.gz dist/d1-rewind_1.2.3_windows_amd64.zip " +
			"dist/d1-rewind_1.2.3.cdx.json dist/SHA256SUMS dist/SHA256SUMS.sigstore.json dist/provenance.intoto.jsonl",
	})
	equals(t, "the files that the tag changes", r.git(r.origin, "diff", "--numstat", "main", "v1.2.3"), "1\t1\taction.yml")
	equals(t, "the image of the tag", strings.Contains(r.git(r.origin, "show", "v1.2.3:action.yml"), "  image: docker://"+image), true)
	equals(t, "the time of the tag", r.git(r.origin, "log", "-1", "--format=%ct", "v1.2.3"), r.git(r.origin, "log", "-1", "--format=%ct", "main"))
	equals(t, "the major tag", r.git(r.origin, "rev-parse", "v1"), r.git(r.origin, "rev-parse", "v1.2.3"))

	last, asked = r.do("1.2.3", Run{})
	equals(t, "another run of a version that is tagged", last.Conclusion, Skipped)
	equals(t, "which publishes", len(published(asked)), 0)

	r.startAgain()
	last, asked = r.do("1.2.3", Run{})
	equals(t, "once more", last.Conclusion, Success)
	equals(t, "once more publishes nothing", published(asked), []string{"cosign sign --yes --recursive " + image})

	r.write(filepath.Join(r.dir, "published", "release-v1.2.3"), "true\n")
	last, asked = r.do("1.2.3", Run{})
	equals(t, "after a release that stayed a draft", last.Conclusion, Success)
	equals(t, "the draft goes", published(asked)[1], "gh release delete v1.2.3 --yes")
	equals(t, "and the release comes", strings.HasPrefix(published(asked)[2], "gh release create v1.2.3 "), true)

	r.git(r.origin, "tag", "v1.10.0", "main")
	r.git(r.origin, "tag", "--force", "v1", "v1.10.0")
	last, _ = r.do("1.2.3", Run{})
	equals(t, "after a newer release", last.Conclusion, Success)
	equals(t, "the major tag stays", r.git(r.origin, "rev-parse", "v1"), r.git(r.origin, "rev-parse", "v1.10.0"))

	r.source = "other"
	last, _ = r.do("1.2.3", Run{})
	equals(t, "another package of a version that npm has", last.Conclusion, Skipped)
	r.source = ""

	major := r.git(r.origin, "rev-parse", "v1")
	last, asked = r.do("1.3.0-rc.1", Run{})
	equals(t, "a release candidate", last.Conclusion, Success)
	equals(t, "does not move the major tag", r.git(r.origin, "rev-parse", "v1"), major)
	for _, want := range []string{"gh release create v1.3.0-rc.1 --verify-tag --title 1.3.0-rc.1 --notes-file notes.md --prerelease", "npm publish dist/npm/d1-rewind-1.3.0-rc.1.tgz --access public --provenance --tag next"} {
		if !strings.Contains(strings.Join(asked, "\n"), want) {
			t.Errorf("a release candidate: no %q in %q", want, asked)
		}
	}

	r.digest = "sha256:" + strings.Repeat("b", 64)
	last, _ = r.do("1.2.3", Run{})
	equals(t, "another image for a tag that is there", last.Conclusion, Failure)
}

func TestReleaseRefuses(t *testing.T) {
	t.Parallel()
	r := newRelease(t)
	for _, c := range []struct {
		version string
		run     Run
	}{
		{"9.9.9", Run{}}, // no notes
		{"1.2", Run{}},
		{"01.2.3", Run{}}, // npm takes no zero in front
		{"1.2.3; touch x", Run{}},
		{"1.2.3", Run{Ref: "refs/heads/other"}},
	} {
		last, asked := r.do(c.version, c.run)
		if last.Conclusion != Skipped || len(published(asked)) > 0 {
			t.Errorf("%q on %q: %s, %q", c.version, c.run.Ref, last.Conclusion, asked)
		}
	}
	r.write(filepath.Join(r.dir, "ci-passed"), "0\n")
	if last, asked := r.do("1.2.3", Run{}); last.Conclusion != Skipped || len(published(asked)) > 0 {
		t.Errorf("without ci: %s, %q", last.Conclusion, asked)
	}
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func output(t *testing.T, c Call, name, value string) int {
	f, err := os.OpenFile(c.Getenv("GITHUB_OUTPUT"), os.O_APPEND|os.O_WRONLY, 0)
	if err == nil {
		_, err = fmt.Fprintf(f, "%s=%s\n", name, value)
	}
	if err != nil {
		t.Error(err)
		return 1
	}
	return 0
}
