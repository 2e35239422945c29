package app

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

func TestPagesAreThereOnlyWithApps(t *testing.T) {
	for _, apps := range []bool{true, false} {
		addr, stop := run(t, Config{Data: Memory, Dev: true, Apps: apps})
		for path, want := range map[string]struct {
			with, without int
			text          string // of the answer without
		}{
			"/":             {200, 200, "--apps"},
			"/playground":   {200, 404, ""},
			"/design":       {200, 404, ""},
			"/licenses.txt": {200, 404, ""},
			"/ui/ui.css":    {200, 200, "--accent"},
			"/sdk/react.js": {200, 200, "import"},
		} {
			res, err := http.Get("http://" + addr + path)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(res.Body)
			res.Body.Close()
			status := want.without
			if apps {
				status = want.with
			}
			if err != nil || res.StatusCode != status || (!apps && !strings.Contains(string(body), want.text)) {
				t.Errorf("%s with Apps %t: got %d %.200s, want %d %s", path, apps, res.StatusCode, body, status, want.text)
			}
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	}
}
