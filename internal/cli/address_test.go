package cli_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/d1-rewind/d1-rewind/internal/d1/d1test"
	"github.com/d1-rewind/d1-rewind/internal/github/githubtest"
)

// Which API gets the token: on the command line the variable decides as with wrangler, in an
// action only the workflow.
func TestAPIAddress(t *testing.T) {
	input := func(address string) func(*hub, map[string]string) {
		return func(h *hub, env map[string]string) {
			env["INPUT_API-ADDRESS"] = strings.ReplaceAll(address, "SERVER", strings.TrimPrefix(h.server.URL, "http://"))
		}
	}
	variable := func(address string) func(*hub, map[string]string) {
		return func(h *hub, env map[string]string) {
			input("")(h, env)
			env["CLOUDFLARE_API_BASE_URL"] = strings.ReplaceAll(address, "SERVER", strings.TrimPrefix(h.server.URL, "http://"))
		}
	}
	for name, tc := range map[string]struct {
		change func(*hub, map[string]string)
		code   int
		want   []string
	}{
		"input":                  {input("http://SERVER"), 0, []string{"asking the API at 127.0.0.1:", "not Cloudflare's own"}},
		"input_with_white_space": {input(" http://SERVER/ \n"), 0, nil},
		"input_wins":             {func(h *hub, env map[string]string) { env["CLOUDFLARE_API_BASE_URL"] = "https://evil.example" }, 0, nil},
		"variable_alone": {variable("http://SERVER"), 2,
			[]string{"CLOUDFLARE_API_BASE_URL points to http://127.0.0.1:", "GITHUB_ENV", "input api-address",
				"nothing was contacted"}},
		"variable_of_a_stranger":   {variable("https://user:s3cr3t-path@evil.example/s3cr3t-path"), 2, []string{"https://evil.example,", "GITHUB_ENV"}},
		"variable_with_tricks":     {variable("https://api.cloudflare.com@evil.example/client/v4"), 2, []string{"https://evil.example,"}},
		"variable_looks_alike":     {variable("https://api.cloudflare.com.evil.example/client/v4"), 2, []string{"GITHUB_ENV"}},
		"variable_in_the_clear":    {variable("http://api.cloudflare.com/client/v4"), 2, []string{"GITHUB_ENV"}},
		"variable_is_no_address":   {variable("evil"), 2, []string{"CLOUDFLARE_API_BASE_URL is not the address of an API"}},
		"input_is_no_address":      {input("ftp://s3cr3t-path@example"), 2, []string{"api-address is not the address of an API"}},
		"input_with_a_query":       {input("https://evil.example/?x="), 2, []string{"api-address is not the address of an API"}},
		"input_in_the_clear":       {input("http://proxy.example/s3cr3t-path"), 2, []string{"http://proxy.example", "plain http", "use https"}},
		"input_in_the_clear_local": {input("http://10.0.0.1/"), 2, []string{"plain http"}},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHub(t, sample())
			s := h.step(push, map[string]string{"mode": "migrate"}, func(env map[string]string) { tc.change(h, env) })
			s.want(t, tc.code, tc.want...)
			if strings.Contains(s.stdout+s.stderr+s.summary, "s3cr3t-path") {
				t.Errorf("the address is quoted:\n%s", s.stdout)
			}
			if n := len(h.server.Requests()); (n > 0) != (tc.code == 0) {
				t.Errorf("%d requests", n)
			}
		})
	}
	t.Run("local", func(t *testing.T) {
		h := newHub(t, sample())
		h.step(push, map[string]string{"mode": "migrate", "environment": "local"},
			func(env map[string]string) { variable("https://evil.example")(h, env) }).want(t, 0)
	})
	t.Run("command_line", func(t *testing.T) {
		c := newCloud(t, sample())
		c.env["CLOUDFLARE_API_BASE_URL"] = "https://evil.example"
		c.run("status", "production", "--api-address", "").want(t, 2, "--api-address is empty", "leave it out")
		c.run("status", "production", "--api-address", "https://u:p@example.com").want(t, 2, "every process can read", "CLOUDFLARE_API_BASE_URL")
		c.run("status", "production", "--api-address", "http://example.com").want(t, 2, "plain http")
		r := c.run("migrate", "production", "--api-address", c.server.URL, "--verbose", "--format", "json")
		r.want(t, 0, "asking the API at 127.0.0.1:")
		if command, _ := r.json(t)["rollbackCommand"].(string); !strings.Contains(command, " --api-address "+c.server.URL) {
			t.Errorf("rollbackCommand = %q", command)
		}
		c.run("migrate", "local", "--api-address", "https://evil.example").want(t, 0)
	})
}

// A command to be pasted repeats flags, but not the address that the workflow may keep a password in.
func TestCommandsLackTheWorkflowsAddress(t *testing.T) {
	h := newHub(t, sample())
	restore := map[string]string{"mode": "restore", "before": "0009_x.sql", "confirm": "shop-db", "database-id": h.database.ID}
	s := h.step(byHand, restore, func(env map[string]string) {
		env["INPUT_API-ADDRESS"] = "http://ada:s3cr3t@" + strings.TrimPrefix(h.server.URL, "http://")
	})
	s.want(t, 2, "d1-rewind status production --database-id "+h.database.ID+" lists what is applied")
	if len(h.server.Requests()) == 0 {
		t.Error("the API was not asked")
	}
	if text := s.stdout + s.stderr + s.summary + fmt.Sprint(s.outputs); strings.Contains(text, "--api-address") || strings.Contains(text, "s3cr3t") {
		t.Errorf("the address is shown:\n%s", text)
	}
}

// Which hosts are Cloudflare's: an action sends nothing to others, and the command line says that it does.
// A proxy that refuses every connection sees where they lead.
func TestCloudflareHosts(t *testing.T) {
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	newCloud(t, sample())
	for _, tc := range []struct {
		host string
		own  bool
	}{
		{"api.cloudflare.com", true},
		{"api.fed.cloudflare.com", true},
		{"API.Fed.Cloudflare.com", true},
		{"fed.cloudflare.com", false},
		{"api.fed.cloudflare.com.evil.example", false},
		{"evil.example", false},
	} {
		for _, inAction := range []bool{true, false} {
			hosts := make(chan string, 100)
			proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				hosts <- r.Method + " " + strings.ToLower(r.Host)
				w.WriteHeader(http.StatusForbidden)
			}))
			process := exec.Command(executable)
			process.Env = []string{"D1_REWIND_TEST_PROCESS=1", "HTTPS_PROXY=" + proxy.URL,
				"CLOUDFLARE_API_BASE_URL=https://" + tc.host + "/client/v4", "CLOUDFLARE_API_TOKEN=" + d1test.Token}
			if inAction {
				process.Env = append(process.Env, "GITHUB_EVENT_NAME=push", "INPUT_MODE=migrate", "INPUT_ENVIRONMENT=production", "INPUT_COMMENT=off")
			} else {
				process.Args = append(process.Args, "status", "production", "--verbose")
			}
			out, err := process.CombinedOutput()
			proxy.Close()
			close(hosts)
			if err == nil {
				t.Errorf("%s, in an action %t: it worked:\n%s", tc.host, inAction, out)
			}
			want := "CONNECT " + strings.ToLower(tc.host) + ":443"
			if inAction && !tc.own {
				want = "" // nothing is asked
			}
			first, others := <-hosts, 0
			for host := range hosts {
				if host != first {
					others++
				}
			}
			if first != want || others > 0 {
				t.Errorf("%s, in an action %t: %q and %d others, want %q:\n%s", tc.host, inAction, first, others, want, out)
			}
			if said := strings.Contains(string(out), "not Cloudflare's own"); !inAction && said == tc.own {
				t.Errorf("%s: the command line says %t that it is not Cloudflare's:\n%s", tc.host, said, out)
			}
		}
	}
}

// authority makes a certificate that is its own authority, for Cloudflare's API.
func authority(t *testing.T) (tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "evil"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"api.cloudflare.com"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "evil.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, file
}

// between is a proxy that answers for Cloudflare's API itself, and counts who tells it the token.
func between(t *testing.T, certificate tls.Certificate) (proxy string, connections, told *atomic.Int32) {
	t.Helper()
	connections, told = &atomic.Int32{}, &atomic.Int32{}
	api := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.Header.Get("Authorization"), d1test.Token) {
			told.Add(1)
		}
		w.WriteHeader(http.StatusTeapot)
	}))
	api.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
	api.EnableHTTP2 = true
	api.Config.ErrorLog = log.New(io.Discard, "", 0)
	api.StartTLS()
	t.Cleanup(api.Close)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		connections.Add(1)
		out, err := net.Dial("tcp", api.Listener.Addr().String())
		if err != nil {
			t.Error(err)
			return
		}
		in, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = io.WriteString(in, "HTTP/1.1 200 OK\r\n\r\n")
		go func() {
			_, _ = io.Copy(out, buffered)
			_ = out.Close()
		}()
		_, _ = io.Copy(in, out)
		_ = in.Close()
	}))
	t.Cleanup(server.Close)
	return server.URL, connections, told
}

// A step that sets a proxy and an authority for the steps after it does not see the token.
func TestAuthorityOfAStep(t *testing.T) {
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, inAction := range []bool{true, false} {
		c := newCloud(t, sample())
		certificate, file := authority(t)
		proxy, connections, told := between(t, certificate)
		process := exec.Command(executable)
		process.Env = []string{"D1_REWIND_TEST_PROCESS=1", "HTTPS_PROXY=" + proxy, "SSL_CERT_FILE=" + file,
			"SSL_CERT_DIR=" + filepath.Dir(file), "CLOUDFLARE_API_TOKEN=" + d1test.Token}
		if inAction {
			process.Env = append(process.Env, "GITHUB_EVENT_NAME=push", "INPUT_MODE=migrate", "INPUT_ENVIRONMENT=production",
				"INPUT_COMMENT=off", "GITHUB_WORKSPACE="+c.dir)
		} else {
			process.Args = append(process.Args, "migrate", "production")
		}
		out, err := process.CombinedOutput()
		if err == nil {
			t.Fatalf("it worked:\n%s", out)
		}
		if connections.Load() == 0 {
			t.Errorf("the proxy was not used:\n%s", out)
		}
		if !inAction { // the own machine's own setting: without it the test proves nothing
			if told.Load() == 0 {
				t.Errorf("the token was not sent:\n%s", out)
			}
			continue
		}
		for _, want := range []string{"SSL_CERT_FILE is ignored in an action", "SSL_CERT_DIR is ignored", "certificate"} {
			if !strings.Contains(string(out), want) {
				t.Errorf("the log lacks %q:\n%s", want, out)
			}
		}
		if n := told.Load(); n > 0 {
			t.Errorf("%d requests with the token arrived:\n%s", n, out)
		}
	}
}

// A dependency of a step before the action sets what it can, to get the token; what the
// repository has set itself works.
func TestHostileStep(t *testing.T) {
	m := newTeam(t)
	evil := d1test.New()
	t.Cleanup(evil.Close)
	m.write("hostile.yml", strings.ReplaceAll(`on: push
jobs:
  migrate:
    runs-on: ubuntu-latest
    permissions: { contents: read, pull-requests: write }
    steps:
      - uses: actions/checkout@v5
      - run: |
          for name in CLOUDFLARE_API_BASE_URL INPUT_API-ADDRESS GITHUB_API_URL; do
            echo "$name=EVIL" >>"$GITHUB_ENV"
          done
      - uses: d1-rewind/d1-rewind@v1
        with:
          environment: production
          mode: migrate
          api-token: ${{ secrets.CLOUDFLARE_API_TOKEN }}
          account-id: ${{ vars.CLOUDFLARE_ACCOUNT_ID }}
          api-address: ${{ vars.CLOUDFLARE_API_ADDRESS }}
`, "EVIL", evil.URL))
	workflow, err := githubtest.Load(filepath.Join(m.source, "hostile.yml"))
	if err != nil {
		t.Fatal(err)
	}
	m.vars["CLOUDFLARE_API_ADDRESS"] = "" // as in every other repository
	play := func() githubtest.Results {
		results, err := workflow.Do(t.Context(), githubtest.Run{Event: "push", Repository: githubtest.Repository, Source: m.source, ActionSource: m.action,
			Dir: t.TempDir(), APIURL: m.hub.API(), RunID: "1", Vars: m.vars, Environ: []string{"PATH=" + os.Getenv("PATH")},
			Secrets: map[string]string{"CLOUDFLARE_API_TOKEN": d1test.Token, "GITHUB_TOKEN": githubtest.RunnerToken},
			Action:  func(ctx context.Context, call githubtest.Call) int { return act(t, ctx, m.cloud, call) }})
		if err != nil {
			t.Fatal(err)
		}
		return results
	}
	m.want(play(), "migrate", githubtest.Failure, "CLOUDFLARE_API_BASE_URL points to "+strings.TrimSuffix(evil.URL, "/client/v4"), "GITHUB_ENV")
	m.vars["CLOUDFLARE_API_ADDRESS"] = m.cloud.URL
	m.want(play(), "migrate", githubtest.Success, "asking the API at ", "applied 1 migration")
	if n := len(evil.Requests()); n > 0 {
		t.Errorf("%d requests arrived", n)
	}
}
