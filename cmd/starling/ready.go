package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// readyCmd is starling ready: for health checks of containers that have no curl.
type readyCmd struct {
	URL     string        `help:"The server." default:"http://127.0.0.1:8080" placeholder:"URL"`
	Timeout time.Duration `help:"How long to wait for the answer." default:"3s"`
}

// Run asks whether the server takes connections, and fails if it does not.
func (c *readyCmd) Run(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(c.URL, "/")+"/readyz", nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode == http.StatusOK {
		return nil
	}
	why, _ := io.ReadAll(io.LimitReader(res.Body, 1<<10)) // what has come
	return fmt.Errorf("%s: %s", res.Status, strings.TrimSpace(string(why)))
}
