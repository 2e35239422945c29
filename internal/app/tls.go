package app

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// lookEvery is how often the files of a certificate are looked at.
const lookEvery = time.Second

// certificate is one that is read again when its files change.
type certificate struct {
	files  TLSSettings
	logger *slog.Logger
	now    atomic.Pointer[tls.Certificate]
	looked atomic.Int64 // Unix nanoseconds

	mu   sync.Mutex // held by who looks; guards the following
	seen [2]stamp
}

// stamp tells one state of a file from another.
type stamp struct {
	size int64
	at   time.Time
}

func (c *certificate) stamps() (s [2]stamp) {
	for i, name := range []string{c.files.Cert, c.files.Key} {
		if info, err := os.Stat(name); err == nil {
			s[i] = stamp{info.Size(), info.ModTime()}
		}
	}
	return s
}

// loadCertificate reads a certificate and its key.
func loadCertificate(files TLSSettings) (*tls.Certificate, error) {
	pair, err := tls.LoadX509KeyPair(files.Cert, files.Key)
	if err != nil {
		return nil, fmt.Errorf("read the certificate: %w", err)
	}
	return &pair, nil
}

func openCertificate(files TLSSettings, logger *slog.Logger) (*certificate, error) {
	c := &certificate{files: files, logger: logger}
	c.seen = c.stamps()
	pair, err := loadCertificate(files)
	if err != nil {
		return nil, err
	}
	c.now.Store(pair)
	c.looked.Store(time.Now().UnixNano())
	if left := time.Until(pair.Leaf.NotAfter); left < 14*24*time.Hour {
		logger.Warn("the certificate expires soon", "at", pair.Leaf.NotAfter, "file", files.Cert)
	}
	return c, nil
}

// get returns the certificate for a handshake. Once in a while it looks whether
// the files have changed; nobody else waits for that.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	last, now := c.looked.Load(), time.Now().UnixNano()
	if now-last >= int64(lookEvery) && c.looked.CompareAndSwap(last, now) {
		c.look()
	}
	return c.now.Load(), nil
}

// look reads the files again if they have changed. What cannot be read, perhaps
// because it is being written, is tried again later; until then the old one holds.
func (c *certificate) look() {
	c.mu.Lock()
	defer c.mu.Unlock()
	stamps := c.stamps()
	if stamps == c.seen {
		return
	}
	pair, err := loadCertificate(c.files)
	if err != nil {
		c.logger.Warn("the certificate has changed, but cannot be used; the old one stays", "err", err)
		return
	}
	c.seen = stamps
	if !same(pair, c.now.Load()) {
		c.now.Store(pair)
		c.logger.Info("the certificate was read again", "file", c.files.Cert, "expires", pair.Leaf.NotAfter)
	}
}

func same(a, b *tls.Certificate) bool {
	var x, y *x509.Certificate = a.Leaf, b.Leaf
	return bytes.Equal(x.Raw, y.Raw)
}

// secure has an HTTP server speak TLS. HTTP/2 carries any number of streams on one
// connection; a WebSocket needs HTTP/1.1, which browsers ask for when they open
// one.
func secure(hs *http.Server, c *certificate) {
	hs.TLSConfig = &tls.Config{
		MinVersion: tls.VersionTLS12, GetCertificate: c.get, NextProtos: []string{"h2", "http/1.1"},
	}
	hs.HTTP2 = &http.HTTP2Config{
		MaxConcurrentStreams: 1000,
		// Whoever is gone without a word is noticed.
		SendPingTimeout: 30 * time.Second, PingTimeout: 15 * time.Second,
		WriteByteTimeout: time.Minute,
	}
}
