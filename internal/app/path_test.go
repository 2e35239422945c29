package app

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

func TestBasePath(t *testing.T) {
	addr, stop := run(t, Config{Data: Memory, Dev: true, Apps: true, BasePath: "/a/rt"})
	defer func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	}()
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for path, want := range map[string]struct {
		status int
		text   string
	}{
		"/a/rt/":                          {200, "<html"},
		"/a/rt/ui/ui.css":                 {200, "{"},
		"/a/rt/playground":                {200, "<html"},
		"/a/rt/healthz":                   {200, "ok"},
		"/a/rt/readyz":                    {200, "ready"},
		"/a/rt/metrics":                   {200, "starling_sessions 0"},
		"/a/rt/poll?channel=c":            {200, "position"},
		"/a/rt/api/v1/channels/c/history": {200, "publications"},
		"/a/rt/docs/":                     {200, `href="/a/rt/ui/ui.css"`},
		"/a/rt/docs/errors/forbidden":     {200, "Error 4101"},
		"/a/rt/sdk/starling.tgz":          {200, "\x1f\x8b"},
		"/a/rt/poll?channel=%20":          {400, `"docs":"/a/rt/docs/errors/bad_channel"}}`},
		"/a/rt/api/v1/nothing":            {404, `"docs":"/a/rt/docs/errors/not_found"}}`},
		"/a/rt/ws":                        {426, "This address speaks WebSocket"},
		"/a/rt/nothing/here":              {404, `href="/a/rt/"`},
		"/a/rt":                           {308, ""},
		"/":                               {404, "--base-path /a/rt"},
		"/ws":                             {404, "--base-path /a/rt"},
		"/a/rtx":                          {404, "--base-path /a/rt"},
		"/healthz":                        {404, "--base-path /a/rt"},
	} {
		res, err := client.Get("http://" + addr + path)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || res.StatusCode != want.status || !strings.Contains(string(raw), want.text) {
			t.Errorf("%s: got %d %.300s, want %d %s", path, res.StatusCode, raw, want.status, want.text)
		}
	}
	res, err := client.Get("http://" + addr + "/a/rt?x=1")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if to, err := res.Location(); err != nil || to.Path != "/a/rt/" || to.RawQuery != "x=1" {
		t.Errorf("got %v, %v", to, err)
	}
}
