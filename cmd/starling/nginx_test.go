package main_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/starling-rt/starling/internal/natstest"
)

// nginx runs one with deploy/nginx.conf before a server, and returns its URL and
// its certificate.
func nginx(t *testing.T, server string) (url, cert string) {
	t.Helper()
	bin, err := exec.LookPath("nginx")
	if err != nil {
		if bin = "/usr/sbin/nginx"; os.Getenv("CI") != "" {
			t.Fatal("nginx is not installed")
		}
		if _, err := os.Stat(bin); err != nil {
			t.Skip("nginx is not installed")
		}
	}
	addr, err := natstest.FreeAddr()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cert = selfSigned(t, dir)
	raw, err := os.ReadFile(filepath.Join("..", "..", "deploy", "nginx.conf"))
	if err != nil {
		t.Fatal(err)
	}
	text := string(raw)
	for old, with := range map[string]string{
		"    listen 443 ssl;\n": "    listen " + addr + " ssl http2;\n", "    http2 on; # nginx before 1.25: \"listen 443 ssl http2;\" instead\n": "",
		"server 127.0.0.1:8080": "server " + server, "/etc/ssl/example.com.pem": cert, "/etc/ssl/example.com.key": filepath.Join(dir, "key.pem"),
	} {
		if !strings.Contains(text, old) {
			t.Fatalf("deploy/nginx.conf does not say %q", old)
		}
		text = strings.ReplaceAll(text, old, with)
	}
	main := "daemon off;\nmaster_process off;\npid " + dir + "/pid;\nerror_log stderr;\nevents {}\nhttp {\naccess_log off;\n"
	for _, temp := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		main += temp + "_temp_path " + dir + "/" + temp + ";\n"
	}
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(main+text+"}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	said := &log{}
	cmd := exec.Command(bin, "-p", dir, "-c", file)
	cmd.Stderr = said
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may be gone
		_ = cmd.Wait()         // it was killed
	})
	deadline := time.After(30 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			conn.Close()
			return "https://" + addr, cert
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("nginx does not listen: %s", said)
		}
	}
}

// selfSigned writes a certificate for 127.0.0.1.
func selfSigned(t *testing.T, dir string) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(720 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{"cert.pem": {Type: "CERTIFICATE", Bytes: der}, "key.pem": {Type: "EC PRIVATE KEY", Bytes: raw}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "cert.pem")
}

// The example configuration passes everything on: WebSockets, streams at once,
// long polls to their end, large requests; and who the client is.
func TestBehindNginx(t *testing.T) {
	_, said := serve(t, nil, "--dev", "--listen", "127.0.0.1:0", "--data", ":memory:", "--trusted-proxies", "127.0.0.1", "--limit-address-sessions", "4",
		"--allowed-origins", "https://127.0.0.1")
	server := addressIn(said.says(t, "msg=listening"))
	url, cert := nginx(t, server)
	bin, err := build()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(bin, "doctor", "--url", url, "--wait", "3s")
	cmd.Env = append(os.Environ(), "SSL_CERT_FILE="+cert)
	out, err := cmd.CombinedOutput()
	if err != nil || bytes.Count(out, []byte("ok    ")) < 7 || bytes.Contains(out, []byte("warn")) || bytes.Contains(out, []byte("skip")) {
		t.Errorf("the doctor says %v:\n%s", err, out)
	}

	raw, err := os.ReadFile(cert)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(raw)
	from := func(last byte) *http.Client {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, last)}}
		return &http.Client{Transport: &http.Transport{DialContext: d.DialContext, TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true}}
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	open := func(c *http.Client, forwarded string) *http.Response {
		t.Helper()
		req, err := http.NewRequestWithContext(ctx, "GET", url+"/sse?channel=c", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Forwarded-For", forwarded)
		req.Header.Set("Origin", url) // the page's own
		res, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { res.Body.Close() })
		return res
	}
	first := open(from(2), "9.9.9.9")
	lines := bufio.NewScanner(first.Body)
	wait := func(want string) {
		t.Helper()
		for lines.Scan() {
			if strings.Contains(lines.Text(), want) {
				return
			}
		}
		t.Fatalf("the stream ended before %q: %v", want, lines.Err())
	}
	wait("event: session")
	for range 3 {
		open(from(2), "9.9.9.9")
	}
	// Another stream of the same address is one too many, whatever it claims.
	for _, claim := range []string{"9.9.9.9", "8.8.8.8", "127.0.0.1"} {
		head := make([]byte, 200)
		n, err := io.ReadAtLeast(open(from(2), claim).Body, head, 60)
		if err != nil || !strings.Contains(string(head[:n]), "4110") {
			t.Errorf("a stream that claims to be %s: got %q, %v", claim, head[:n], err)
		}
	}
	second := open(from(3), "9.9.9.9")
	if line, err := bufio.NewReader(second.Body).ReadString('\n'); err != nil || !strings.HasPrefix(line, "retry:") {
		t.Errorf("a stream of another address: got %q, %v", line, err)
	}
	// What is published comes at once, one by one.
	for i := range 5 {
		if status, body := get(t, "POST", "http://"+server+"/api/v1/publish", fmt.Sprintf(`{"channel":"c","data":"no %d."}`, i)); status != 200 {
			t.Fatalf("publish: got %d %s", status, body)
		}
		wait(fmt.Sprintf("no %d.", i))
	}
}
