package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/starling-rt/starling/internal/app"
)

// tool runs the binary, and returns what it says and its exit code.
func tool(t *testing.T, env []string, args ...string) (string, int) {
	t.Helper()
	bin, err := build()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(bin, args...)
	cmd.Env = append(os.Environ(), env...)
	out, _ := cmd.CombinedOutput() // the code tells
	return string(out), cmd.ProcessState.ExitCode()
}

const secret = "a secret that is as long as it has to be"

func TestDoctorOfAMachine(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	letters := filepath.Join(dir, "letters")
	if err := os.MkdirAll(filepath.Join(letters, "a"), 0o755); err != nil {
		t.Fatal(err)
	}
	good := "listen: 127.0.0.1:0\ndata: " + filepath.Join(dir, "data") + "\napiKeys: [k]\ntrustedProxies: [127.0.0.1]\ntokens: {hmacSecrets: [" + secret + "]}\n"
	for name, row := range map[string]struct {
		file string
		env  []string
		code int
		want string
	}{
		"good":         {good, nil, 0, "ok    access: clients can get in"},
		"a mistake":    {"listn: x\n", nil, 1, `did you mean "listen"?`},
		"other things": {"data: " + letters + "\n", nil, 1, "FAIL  data: \"" + letters + "\" holds other things"},
		"nobody":       {"listen: 127.0.0.1:0\ndata: ':memory:'\n", nil, 1, "FAIL  access: no client can do anything"},
		"trust":        {good + "proxyHeaders: forwarded\n", []string{"STARLING_TRUSTED_PROXIES=0.0.0.0/0"}, 1, "FAIL  proxies: 0.0.0.0/0 trusts everybody"},
		"dev for all":  {good + "dev: true\n", []string{"STARLING_LISTEN=0.0.0.0:0"}, 1, "FAIL  access: --dev with 0.0.0.0:0, which others can reach"},
		"typo":         {good, []string{"STARLING_LISTN=x"}, 0, "warn  environment: STARLING_LISTN is not a setting"},
		"stars":        {good + "allowedOrigins: ['*']\n", nil, 0, "warn  origins: pages of all sites may connect"},
	} {
		t.Run(name, func(t *testing.T) {
			out, code := tool(t, row.env, "doctor", "--config", write("c.yaml", row.file))
			if code != row.code || !strings.Contains(out, row.want) || strings.Contains(out, secret) {
				t.Errorf("got %d, want %d and %q:\n%s", code, row.code, row.want, out)
			}
		})
	}
}

func TestDoctorOfAServer(t *testing.T) {
	_, said := serve(t, nil, "--listen", "127.0.0.1:0", "--data", ":memory:", "--token-hmac-secret", secret, "--base-path", "/rt")
	url := "http://" + addressIn(said.says(t, "msg=listening"))
	if out, code := tool(t, nil, "doctor", "--url", url, "--wait", "1s"); code != 1 || !strings.Contains(out, "With --base-path the path belongs to the URL.") {
		t.Errorf("the wrong URL: got %d\n%s", code, out)
	}
	out, code := tool(t, nil, "doctor", "--url", url+"/rt", "--wait", "1s")
	if code != 0 || !strings.Contains(out, "skip  SSE: the server refuses: 4101 forbidden") || !strings.Contains(out, "Give --token TOKEN") {
		t.Errorf("without a token: got %d\n%s", code, out)
	}
	token, code := tool(t, nil, "token", "--user", "ann", "--channels", "doctor=subscribe", "--hmac-secret", secret)
	if code != 0 {
		t.Fatalf("token: got %d %s", code, token)
	}
	out, code = tool(t, nil, "doctor", "--url", url+"/rt/", "--wait", "1s", "--token", strings.TrimSpace(token))
	if code != 0 || strings.Count(out, "ok    ") != 7 || strings.Contains(out, token[:20]) {
		t.Errorf("with a token: got %d\n%s", code, out)
	}
	if strings.Contains(said.String(), secret) || strings.Contains(said.String(), token[:20]) {
		t.Errorf("the log tells a secret:\n%s", said)
	}
}

func TestToken(t *testing.T) {
	for name, row := range map[string]struct {
		args []string
		want string
	}{
		"no key":    {[]string{"--user", "a"}, "there is nothing to sign with"},
		"short":     {[]string{"--user", "a", "--hmac-secret", "short"}, "at least 32"},
		"verb":      {[]string{"--user", "a", "--hmac-secret", secret, "--channels", "a=fly"}, "fly"},
		"no verbs":  {[]string{"--user", "a", "--hmac-secret", secret, "--channels", "a"}, "is not of the form"},
		"two keys":  {[]string{"--hmac-secret", secret, "--key", "x"}, "can't be used together"},
		"no file":   {[]string{"--key", "/nonexistent"}, "no such file"},
		"never":     {[]string{"--hmac-secret", secret, "--no-expiry"}, "eyJ"},
		"with more": {[]string{"--hmac-secret", secret, "--user", "a", "--id", "1", "--issuer", "i", "--audience", "b", "--channels", "a:*=subscribe, publish", "--channels", "b=*"}, "eyJ"},
	} {
		t.Run(name, func(t *testing.T) {
			out, code := tool(t, nil, append([]string{"token"}, row.args...)...)
			if !strings.Contains(out, row.want) || (code == 0) != (row.want == "eyJ") {
				t.Errorf("got %d %s, want %q", code, out, row.want)
			}
		})
	}
}

// What is taken for a setting in the environment is one.
func TestEnvironment(t *testing.T) {
	out, code := tool(t, nil, "serve", "--help")
	if code != 0 {
		t.Fatalf("got %d %s", code, out)
	}
	names := app.Environment()
	for _, name := range names {
		if !strings.Contains(out, "$"+name+")") {
			t.Errorf("%s is not in the help", name)
		}
	}
	if n := strings.Count(out, "$STARLING_"); n != len(names) {
		t.Errorf("the help has %d variables, and there are %d", n, len(names))
	}
	if out, code := tool(t, nil, "version"); code != 0 || !strings.HasPrefix(out, "starling ") {
		t.Errorf("version: got %d %s", code, out)
	}
}
