package app

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

func TestLabIsServedOnlyWithApps(t *testing.T) {
	for name, row := range map[string]struct {
		config Config
		path   string
		want   string
	}{
		"with":              {Config{Data: Memory, Apps: true}, "/lab/api/workspaces", `"workspace"`},
		"with a base path":  {Config{Data: Memory, Apps: true, BasePath: "/rt"}, "/rt/lab/api/workspaces", `"workspace"`},
		"in development":    {Config{Data: Memory, Apps: true, Dev: true}, "/lab/api/workspaces", `"workspace"`},
		"without":           {Config{Data: Memory}, "/lab/api/workspaces", "404 page not found"},
		"without, the link": {Config{Data: Memory, Dev: true}, "/lab/link/AAAAAAAAAAAAAAAAAAAAAAAAAA/a/send", "404 page not found"},
	} {
		t.Run(name, func(t *testing.T) {
			addr, stop := run(t, row.config)
			defer func() {
				if err := stop(); err != nil {
					t.Error(err)
				}
			}()
			res, err := http.Post("http://"+addr+row.path, "application/json", nil)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			body, err := io.ReadAll(res.Body)
			if err != nil || !strings.Contains(string(body), row.want) {
				t.Errorf("got %d %s, %v", res.StatusCode, body, err)
			}
		})
	}
}
