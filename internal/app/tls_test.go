package app

import (
	"bufio"
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
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// writeCertificate writes a certificate for 127.0.0.1, and returns its files.
func writeCertificate(t *testing.T, dir, name string) TLSSettings {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: name}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(720 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"localhost"}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	files := TLSSettings{filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")}
	for file, block := range map[string]*pem.Block{files.Cert: {Type: "CERTIFICATE", Bytes: der}, files.Key: {Type: "EC PRIVATE KEY", Bytes: raw}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

// overTLS returns a client that trusts a certificate, and counts its connections.
func overTLS(t *testing.T, files TLSSettings) (*http.Client, *tls.Config, *atomic.Int32) {
	t.Helper()
	raw, err := os.ReadFile(files.Cert)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(raw)
	conf := &tls.Config{RootCAs: roots}
	dials := &atomic.Int32{}
	transport := &http.Transport{
		TLSClientConfig: conf.Clone(), ForceAttemptHTTP2: true,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			dials.Add(1)
			var d net.Dialer
			return d.DialContext(ctx, network, addr)
		},
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}, conf, dials
}

// Twenty streams, more than the six connections that a browser opens to a host,
// go over one connection, and each gets what is published.
func TestStreamsOverHTTP2(t *testing.T) {
	files := writeCertificate(t, t.TempDir(), "one")
	addr, stop := run(t, Config{Data: Memory, Dev: true, TLS: files})
	client, _, dials := overTLS(t, files)
	const streams = 20
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	lines := make([]*bufio.Scanner, streams)
	next := func(i int, want string) {
		t.Helper()
		for lines[i].Scan() {
			if strings.Contains(lines[i].Text(), want) {
				return
			}
		}
		t.Fatalf("stream %d ended before %s: %v", i, want, lines[i].Err())
	}
	for i := range streams {
		req, err := http.NewRequestWithContext(ctx, "GET", "https://"+addr+"/sse?channel=c", nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if res.ProtoMajor != 2 || res.Header.Get("Content-Type") != "text/event-stream" || res.Header.Get("X-Accel-Buffering") != "no" ||
			res.Header.Get("Cache-Control") != "no-store, no-transform" {
			t.Fatalf("stream %d: got %s %v", i, res.Proto, res.Header)
		}
		lines[i] = bufio.NewScanner(res.Body)
		next(i, "event: session")
	}
	for n := range 10 {
		res, err := client.Post("https://"+addr+"/api/v1/publish", "application/json", strings.NewReader(fmt.Sprintf(`{"channel":"c","data":"no %d."}`, n)))
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
	}
	for i := range streams {
		for n := range 10 {
			next(i, fmt.Sprintf(`"no %d."`, n))
		}
	}
	if n := dials.Load(); n != 1 {
		t.Errorf("it took %d connections", n)
	}
	// The server says goodbye on each of them.
	ended := make(chan error, 1)
	go func() { ended <- stop() }()
	for i := range streams {
		next(i, `"code":4302`)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestProtocolsOverTLS(t *testing.T) {
	files := writeCertificate(t, t.TempDir(), "one")
	addr, stop := run(t, Config{Data: Memory, Dev: true, TLS: files})
	defer func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	}()
	client, conf, _ := overTLS(t, files)
	dial := func(change func(*tls.Config)) (*tls.Conn, error) {
		c := conf.Clone()
		change(c)
		return tls.Dial("tcp", addr, c)
	}
	t.Run("a browser that opens a WebSocket asks for HTTP/1.1", func(t *testing.T) {
		conn, err := dial(func(c *tls.Config) { c.NextProtos = []string{"http/1.1"} })
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
		if _, err := io.WriteString(conn, "GET /ws HTTP/1.1\r\nHost: localhost\r\nOrigin: https://localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil || res.StatusCode != http.StatusSwitchingProtocols {
			t.Errorf("got %v, %v", res, err)
		}
	})
	t.Run("everything else chooses HTTP/2", func(t *testing.T) {
		conn, err := dial(func(c *tls.Config) { c.NextProtos = []string{"h2", "http/1.1"} })
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if got := conn.ConnectionState().NegotiatedProtocol; got != "h2" {
			t.Errorf("got %q", got)
		}
	})
	t.Run("old TLS is refused, and counted", func(t *testing.T) {
		conn, err := dial(func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 })
		if err == nil {
			conn.Close()
			t.Fatal("TLS 1.1 was taken")
		}
		eventually(t, "the failure is counted", func() bool {
			res, err := client.Get("https://" + addr + "/metrics")
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			raw, err := io.ReadAll(res.Body)
			return err == nil && strings.Contains(string(raw), "starling_tls_handshake_errors_total 1")
		})
	})
	t.Run("a poll over HTTP/2", func(t *testing.T) {
		res, err := client.Get("https://" + addr + "/poll?channel=c")
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if res.StatusCode != 200 || res.ProtoMajor != 2 {
			t.Errorf("got %s %s", res.Proto, res.Status)
		}
	})
}

// A certificate that is renewed is shown without a restart; one that is half
// written is not.
func TestCertificateThatChanges(t *testing.T) {
	dir := t.TempDir()
	files := writeCertificate(t, dir, "one")
	addr, stop := run(t, Config{Data: Memory, Dev: true, TLS: files})
	defer func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	}()
	shown := func() string {
		conn, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		return conn.ConnectionState().PeerCertificates[0].Subject.CommonName
	}
	if got := shown(); got != "one" {
		t.Fatalf("got %q", got)
	}
	whole, err := os.ReadFile(files.Key)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(files.Key, whole[:40], 0o600); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	eventually(t, "the files are looked at", func() bool {
		if got := shown(); got != "one" {
			t.Fatalf("got %q", got)
		}
		return time.Since(began) > 2*lookEvery
	})
	writeCertificate(t, dir, "two")
	eventually(t, "the new certificate is shown", func() bool { return shown() == "two" })
}

// eventually waits until something is so.
func eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !so() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited in vain: %s", what)
		}
	}
}
