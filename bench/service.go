//go:build unix

package main

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// service is the stand-in for Cloudflare's API with one database, db, that nobody used.
type service struct {
	url, id string
	client  *http.Client
	input   io.Closer
	command *exec.Cmd
}

// serve starts a new one for each database: it keeps all states of its databases.
func (b *bench) serve(latency time.Duration) (*service, error) {
	c := exec.CommandContext(b.ctx, b.standIn, "-latency", latency.String(), "-worker", "shop", "db")
	input, err := c.StdinPipe()
	if err != nil {
		return nil, err
	}
	output, err := c.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := c.Start(); err != nil {
		return nil, err
	}
	s := &service{input: input, command: c, client: &http.Client{Transport: &http.Transport{}}} // without a proxy
	var name string
	if _, err := fmt.Fscan(bufio.NewReader(output), &s.url, &name, &s.id); err != nil {
		s.close()
		return nil, fmt.Errorf("the stand-in did not start: %w", err)
	}
	return s, nil
}

// close ends the stand-in, which does so with its standard input. A nil service is closed.
func (s *service) close() {
	if s == nil {
		return
	}
	_ = s.input.Close()
	_ = s.command.Wait()
}

// environment are the variables with which the tools find it.
func (s *service) environment() []string {
	if s == nil {
		return nil
	}
	return []string{"CLOUDFLARE_API_BASE_URL=" + s.url, "CLOUDFLARE_API_TOKEN=d1test-token-that-must-not-be-seen",
		"CLOUDFLARE_ACCOUNT_ID=0123456789abcdef0123456789abcdef"}
}

// requests is how many came since this was asked last.
func (s *service) requests() (int, error) {
	answer, err := s.client.Get(strings.TrimSuffix(s.url, "/client/v4") + "/d1test/requests")
	if err != nil {
		return 0, err
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(text)))
}
