package auth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// How often a JWKS is read.
const (
	minFresh    = time.Minute      // what Cache-Control can shorten it to
	stdFresh    = 10 * time.Minute // without Cache-Control
	maxFresh    = 24 * time.Hour   // what Cache-Control can lengthen it to
	fileFresh   = time.Minute
	betweenGood = 10 * time.Second // between two readings because of unknown keys
	betweenBad  = 30 * time.Second // after a failure, with keys to go on with
	betweenNone = 2 * time.Second  // after a failure, without any
	loadTimeout = 5 * time.Second
)

// source is a JWKS that is read when somebody needs it: no goroutine lives
// between two readings.
type source struct {
	where  string
	load   func(ctx context.Context) (raw []byte, fresh time.Duration, err error)
	report func(where string, keys int, err error)

	life context.Context // ends with close
	end  context.CancelFunc

	set atomic.Pointer[loaded] // nil until the first success

	mu      sync.Mutex // guards the following
	flight  *flight    // the reading that is under way
	nextTry time.Time
	lastErr error // of the last reading
	closed  bool
	wg      sync.WaitGroup
}

// loaded is what a reading found. It is immutable.
type loaded struct {
	keys  []*key
	fresh time.Time // until when nobody needs to look again
}

// flight is one reading, for all who wait for it.
type flight struct {
	done chan struct{}
	err  error // set before done is closed
}

// knows tells whether a key may be the one that a token names, or does not name.
func (l *loaded) knows(kid string) bool {
	return slices.ContainsFunc(l.keys, func(k *key) bool { return kid == "" || k.id == "" || k.id == kid })
}

// keys returns the keys that are known, after a reading if they are stale or kid
// is not among them. An error comes with the keys that are known nevertheless.
func (s *source) keys(ctx context.Context, kid string) ([]*key, error) {
	l := s.set.Load()
	if l != nil && l.knows(kid) && time.Now().Before(l.fresh) {
		return l.keys, nil
	}
	err := s.refresh(ctx, false)
	if l = s.set.Load(); l == nil {
		return nil, err
	}
	return l.keys, err
}

// refresh reads the set, or waits for who does. Unless forced it reads nothing
// soon after the last time, and returns how that ended.
func (s *source) refresh(ctx context.Context, force bool) error {
	s.mu.Lock()
	f := s.flight
	if f == nil {
		if s.closed {
			s.mu.Unlock()
			return errors.New("the verifier is closed")
		}
		if !force && time.Now().Before(s.nextTry) {
			err := s.lastErr
			s.mu.Unlock()
			return err
		}
		f = &flight{done: make(chan struct{})}
		s.flight = f
		s.wg.Go(func() { s.fly(f) })
	}
	s.mu.Unlock()
	select {
	case <-f.done:
		return f.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *source) fly(f *flight) {
	ctx, cancel := context.WithTimeout(s.life, loadTimeout)
	defer cancel()
	raw, fresh, err := s.load(ctx)
	var keys []*key
	if err == nil {
		keys, err = readSet(raw)
	}
	now := time.Now()
	wait := betweenGood
	if err != nil {
		err = fmt.Errorf("read the JWKS %s: %w", s.where, err)
		if wait = betweenBad; s.set.Load() == nil {
			wait = betweenNone
		}
	} else {
		s.replace(keys, now.Add(fresh))
	}
	if s.report != nil {
		s.report(s.where, len(keys), err)
	}
	s.mu.Lock()
	s.flight, s.lastErr, s.nextTry = nil, err, now.Add(wait)
	s.mu.Unlock()
	f.err = err
	close(f.done)
}

// replace puts new keys in place, and retires those that are no longer there, so
// that no cached token outlives its key. A key that stays is the same *key.
func (s *source) replace(keys []*key, fresh time.Time) {
	known := map[string]*key{}
	if old := s.set.Load(); old != nil {
		for _, k := range old.keys {
			known[k.print] = k
		}
	}
	for i, k := range keys {
		if old := known[k.print]; old != nil {
			keys[i] = old
			delete(known, k.print)
		} else {
			k.source = s
		}
	}
	s.set.Store(&loaded{keys: keys, fresh: fresh})
	for _, k := range known {
		k.retired.Store(true)
	}
}

// close ends a reading that is under way, and waits for it.
func (s *source) close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.end()
	s.wg.Wait()
}

// newSource returns the source of where: a URL, or the name of a file.
func newSource(where string, transport http.RoundTripper) (*source, error) {
	s := &source{where: where}
	if strings.Contains(where, "://") {
		u, err := url.Parse(where)
		if err != nil {
			return nil, fmt.Errorf("auth: JWKS: %w", err)
		}
		s.where = u.Redacted()
		switch {
		case u.Host == "":
			return nil, fmt.Errorf("auth: JWKS %s has no host", s.where)
		case u.Scheme == "https", u.Scheme == "http" && loopback(u.Hostname()):
		default:
			return nil, fmt.Errorf("auth: JWKS %s must be https, or http on this machine: who can change the answer on its way can sign tokens", s.where)
		}
		if transport == nil {
			transport = defaultTransport()
		}
		client := &http.Client{
			Transport:     transport,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
		s.load = func(ctx context.Context) ([]byte, time.Duration, error) { return download(ctx, client, u.String()) }
	} else {
		s.load = func(context.Context) ([]byte, time.Duration, error) { return readFile(where) }
	}
	s.life, s.end = context.WithCancel(context.Background())
	return s, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// defaultTransport keeps no connection: minutes pass between two requests.
func defaultTransport() http.RoundTripper {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DisableKeepAlives:      true,
		DisableCompression:     true,
		ForceAttemptHTTP2:      true,
		TLSHandshakeTimeout:    loadTimeout,
		MaxResponseHeaderBytes: 64 << 10,
	}
}

func download(ctx context.Context, client *http.Client, where string) ([]byte, time.Duration, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, where, nil)
	if err != nil {
		return nil, 0, err
	}
	req.Header.Set("Accept", "application/jwk-set+json, application/json")
	res, err := client.Do(req)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err // the URL is in the sentence already
		}
		return nil, 0, err
	}
	defer func() { _ = res.Body.Close() }() // it was read as far as it is wanted
	if res.StatusCode >= 300 && res.StatusCode < 400 {
		return nil, 0, errors.New("it redirects, which is not followed: configure the final URL")
	}
	if res.StatusCode != http.StatusOK {
		return nil, 0, fmt.Errorf("it answered %d", res.StatusCode)
	}
	raw, err := io.ReadAll(io.LimitReader(res.Body, maxSetBytes+1))
	return raw, freshness(res.Header), err
}

// freshness returns for how long an answer is good, within bounds.
func freshness(h http.Header) time.Duration {
	fresh := stdFresh
	for d := range strings.SplitSeq(strings.Join(h.Values("Cache-Control"), ","), ",") {
		name, value, _ := strings.Cut(strings.ToLower(strings.TrimSpace(d)), "=")
		switch name {
		case "no-store", "no-cache":
			return minFresh
		case "max-age":
			n, err := strconv.ParseUint(strings.Trim(value, `"`), 10, 31)
			if err != nil {
				return minFresh
			}
			age, _ := strconv.ParseUint(h.Get("Age"), 10, 31) // none: 0
			fresh = time.Duration(n)*time.Second - time.Duration(age)*time.Second
		}
	}
	return min(max(fresh, minFresh), maxFresh)
}

func readFile(name string) ([]byte, time.Duration, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, 0, err
	}
	defer func() { _ = f.Close() }() // it was only read
	raw, err := io.ReadAll(io.LimitReader(f, maxSetBytes+1))
	return raw, fileFresh, err
}
