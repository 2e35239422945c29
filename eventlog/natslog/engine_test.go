package natslog_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nkeys"

	"github.com/starling-rt/starling/eventlog"
	"github.com/starling-rt/starling/eventlog/logtest"
	"github.com/starling-rt/starling/eventlog/natslog"
	"github.com/starling-rt/starling/internal/natstest"
)

func stream(t testing.TB, c *natstest.Cluster, name string) jetstream.Stream {
	t.Helper()
	nc, err := c.Connect()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	s, err := js.Stream(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// stored returns how many messages a stream keeps.
func stored(t testing.TB, s jetstream.Stream) uint64 {
	t.Helper()
	info, err := s.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return info.State.Msgs
}

func TestServersThatCannotKeepALog(t *testing.T) {
	refused := func(name, want string, o natslog.Options) {
		t.Helper()
		e, err := natslog.Open(t.Context(), o)
		if err == nil {
			t.Errorf("%s: it was opened", name)
			_ = e.Close()
			return
		}
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %q, want it to say %q", name, err, want)
		}
	}
	small := natstest.Start(t, 1, natstest.Options{MaxPayload: "1MB"})
	refused("small messages", "max_payload: 2MB", fresh(small))

	o := fresh(one)
	o.URLs = nil
	refused("no URL", "nats://127.0.0.1:4222", o)
	o = fresh(one)
	o.URLs = []string{"nats://127.0.0.1:1"}
	refused("nobody there", "connect to NATS at nats://127.0.0.1:1", o)
	o = fresh(one)
	o.Prefix = "a.b"
	refused("odd prefix", "prefix", o)
	o = fresh(one)
	o.User, o.Token = "u", "t"
	refused("two ways in", "more than one", o)
	o = fresh(one)
	o.Replicas = 3
	refused("too many replicas", "fewer replicas", o)
	o = fresh(one)
	o.NKeyFile = filepath.Join(t.TempDir(), "none")
	refused("no nkey file", "nkey file", o)
	o = fresh(one)
	open(t, o)
	o.Partitions = 3
	refused("other partitions", "spread over 2 partitions, not 3", o)
	o.Partitions = 0
	open(t, o)

	locked := natstest.Start(t, 1, natstest.Options{User: "u", Password: "p"})
	o = fresh(locked)
	refused("no password", "Authorization", o)
	o.User, o.Password = "u", "p"
	open(t, o)
}

func TestJetStreamIsOff(t *testing.T) {
	c := natstest.Start(t, 1, natstest.Options{Config: `
accounts {
  NOJS { users: [{user: nojs, password: nojs}] }
  JS { jetstream: enabled, users: [{user: js, password: js}] }
  SYS { users: [{user: sys, password: sys}] }
}
system_account: SYS
no_auth_user: js
`})
	o := fresh(c)
	o.User, o.Password = "nojs", "nojs"
	_, err := natslog.Open(t.Context(), o)
	if err == nil || !strings.Contains(err.Error(), "JetStream is off") {
		t.Errorf("got %v, want that JetStream is off", err)
	}
	o.User, o.Password = "js", "js"
	open(t, o)
}

// keyPair returns files with a certificate for this machine and its key, and who
// trusts it.
func keyPair(t *testing.T) (cert, key string, trust *x509.CertPool) {
	t.Helper()
	srv := httptest.NewTLSServer(nil)
	srv.Close()
	pair := srv.TLS.Certificates[0]
	secret, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for name, block := range map[string]*pem.Block{
		cert: {Type: "CERTIFICATE", Bytes: pair.Certificate[0]}, key: {Type: "PRIVATE KEY", Bytes: secret},
	} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	trust = x509.NewCertPool()
	trust.AddCert(srv.Certificate())
	return cert, key, trust
}

func TestNKeyOverTLS(t *testing.T) {
	pair, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	public, err := pair.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	seed, err := pair.Seed()
	if err != nil {
		t.Fatal(err)
	}
	seedFile := filepath.Join(t.TempDir(), "seed.nk")
	if err := os.WriteFile(seedFile, seed, 0o600); err != nil {
		t.Fatal(err)
	}
	cert, key, trust := keyPair(t)
	login, err := nats.NkeyOptionFromSeed(seedFile)
	if err != nil {
		t.Fatal(err)
	}
	c := natstest.Start(t, 1, natstest.Options{
		Config: fmt.Sprintf("tls { cert_file: %q, key_file: %q }\nauthorization { users: [{nkey: %s}] }\n", cert, key, public),
		Client: []nats.Option{login, nats.Secure(&tls.Config{RootCAs: trust, MinVersion: tls.VersionTLS12})},
	})
	o := fresh(c)
	o.NKeyFile = seedFile
	if e, err := natslog.Open(t.Context(), o); err == nil {
		t.Error("a certificate that is not trusted was taken")
		_ = e.Close()
	}
	o.TLS = &tls.Config{RootCAs: trust, MinVersion: tls.VersionTLS12}
	put(t, eventlog.New(open(t, o)), "c", "k", "1")
}

// What the guide says that an account needs is enough.
func TestPermissions(t *testing.T) {
	c := natstest.Start(t, 1, natstest.Options{Config: `
authorization { users: [
  { user: all, password: all }
  { user: starling, password: p, permissions: {
    publish: ["starling.>", "$JS.API.>", "_INBOX.>"]
    subscribe: ["starling.>", "_INBOX.>", "$JS.EVENT.ADVISORY.STREAM.LEADER_ELECTED.*"]
  } }
] }
`, Client: []nats.Option{nats.UserInfo("all", "all")}})
	o := fresh(c)
	o.Prefix, o.User, o.Password = "", "starling", "p"
	var said strings.Builder
	o.Logger = slog.New(slog.NewTextHandler(&said, &slog.HandlerOptions{Level: slog.LevelWarn}))
	e, err := natslog.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	l := eventlog.New(e)
	sink := &lives{}
	watch(t, e, "*", sink)
	a := put(t, l, "c", "k", "1")
	for _, err := range []error{
		l.Trim(t.Context(), "c", a.First),
		l.Signal(t.Context(), eventlog.Signal{Channel: "c"}),
		l.Signal(t.Context(), eventlog.Signal{Channel: "c", Key: "k"}),
		l.Delete(t.Context(), "c"),
		l.Snapshots().Put(t.Context(), "c", eventlog.Snapshot{Data: []byte("x")}),
	} {
		if err != nil {
			t.Error(err)
		}
	}
	eventually(t, 10*time.Second, "all is delivered", func() bool {
		return sink.count(eventlog.LiveRecord) == 1 && sink.count(eventlog.LiveSignal) == 3
	})
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	if said.Len() > 0 {
		t.Errorf("it was said:\n%s", said.String())
	}
}

func TestToken(t *testing.T) {
	c := natstest.Start(t, 1, natstest.Options{
		Config: "authorization { token: secret }\n", Client: []nats.Option{nats.Token("secret")},
	})
	o := fresh(c)
	o.Token = "secret"
	put(t, eventlog.New(open(t, o)), "c", "k", "1")
}

// Nodes that start at once on empty servers agree on the streams.
func TestOpenAtOnce(t *testing.T) {
	o := fresh(one)
	engines := make([]*natslog.Engine, 4)
	var wg sync.WaitGroup
	for i := range engines {
		wg.Go(func() {
			e, err := natslog.Open(t.Context(), o)
			if err != nil {
				t.Error(err)
				return
			}
			engines[i] = e
		})
	}
	wg.Wait()
	epochs := map[uint32]bool{}
	for _, e := range engines {
		if e == nil {
			continue
		}
		p, err := e.Head(t.Context(), "c")
		if err != nil {
			t.Error(err)
		}
		epochs[p.Epoch] = true
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}
	if len(epochs) != 1 {
		t.Errorf("the epochs are %v, want one", epochs)
	}
}

// Appends that are gathered, of which one was stored before, keep their order.
func TestGatheredAppendsKeepTheirOrder(t *testing.T) {
	const n = 300
	l := eventlog.New(open(t, fresh(one)))
	before := put(t, l, "c", "50", "50")
	want := []string{"50"}
	var wg sync.WaitGroup
	for i := range n {
		key := fmt.Sprint(i)
		if i%7 == 3 && i != 50 {
			key = ""
		}
		if i != 50 {
			want = append(want, fmt.Sprint(i))
		}
		wg.Add(1)
		l.AppendAsync(entry("c", key, fmt.Sprint(i)), func(a eventlog.Appended, err error) {
			defer wg.Done()
			if err != nil || a.Duplicate != (i == 50) || i == 50 && a.Last != before.Last {
				t.Errorf("append %d: got %+v, %v", i, a, err)
			}
		})
	}
	wg.Wait()
	var got []string
	for _, r := range all(t, l, "c") {
		got = append(got, string(r.Data))
	}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("got %q, want %q", got, want)
	}
}

// What the leader alone tells is what the replicas tell.
func TestReadFromTheLeader(t *testing.T) {
	e := open(t, fresh(one))
	l := eventlog.New(e)
	for i := range 20 {
		put(t, l, fmt.Sprint("c", i%2), "", "x")
	}
	var want []uint64
	for _, r := range all(t, l, "c0") {
		want = append(want, r.Offset)
	}
	got, err := natslog.LeaderOffsets(t.Context(), e, "c0", want[2], want[8])
	if err != nil || !slices.Equal(got, want[3:9]) {
		t.Errorf("got %v, %v, want %v", got, err, want[3:9])
	}
}

// What is hidden goes from the servers too, but for the last record.
func TestTrimmedRecordsAreRemoved(t *testing.T) {
	o := fresh(one)
	o.Partitions = 1
	l := eventlog.New(open(t, o))
	s := stream(t, one, o.Prefix+"-log-0")
	for i := range 10 {
		put(t, l, "c", "", fmt.Sprint(i))
	}
	if err := l.Trim(t.Context(), "c", eventlog.MaxOffset); err != nil {
		t.Fatal(err)
	}
	if n := stored(t, s); n != 2 { // the head, and the mark
		t.Errorf("%d messages are left, want 2", n)
	}
	put(t, l, "c", "", "next")
	if err := l.Trim(t.Context(), "c", eventlog.MaxOffset); err != nil {
		t.Fatal(err)
	}
	if n := stored(t, s); n != 2 {
		t.Errorf("%d messages are left after another trim, want 2", n)
	}
}

// Records that became too old while no node was there go when one looks at all
// channels.
func TestSweepRemovesWhatIsTooOld(t *testing.T) {
	o := fresh(one)
	o.Partitions = 1
	o.Policies = logtest.Policies
	e := open(t, o)
	for i := range 10 {
		put(t, eventlog.New(e), fmt.Sprint("young/", i%2), "", "x")
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	s := stream(t, one, o.Prefix+"-log-0")
	next := open(t, o)
	eventually(t, 20*time.Second, "what is old is gone", func() bool {
		if err := natslog.Sweep(t.Context(), next); err != nil {
			t.Fatal(err)
		}
		return stored(t, s) == 4 // two heads with two marks
	})
}

// Live deliveries on a quiet server are all that was stored and signalled.
func TestLivePatterns(t *testing.T) {
	e := open(t, fresh(one))
	l := eventlog.New(e)
	names := []string{"room", "room:1", "room:12", "roam", "*", "other", "room:", "room:a:b"}
	want := map[string]int{"*": 8, "room*": 5, "room:*": 4, "room:1": 1, "room:1*": 2, "r*": 6, "none*": 0, "room:12*": 1, "room:a:*": 1}
	sinks := map[string]*lives{}
	for pattern := range want {
		sinks[pattern] = &lives{}
		watch(t, e, pattern, sinks[pattern])
	}
	for _, n := range names {
		put(t, l, n, "", n)
		if err := l.Signal(t.Context(), eventlog.Signal{Channel: n, User: "u", Data: []byte(n)}); err != nil {
			t.Fatal(err)
		}
	}
	for pattern, n := range want {
		sink := sinks[pattern]
		eventually(t, 10*time.Second, fmt.Sprintf("%q has %d of each", pattern, n), func() bool {
			return sink.count(eventlog.LiveRecord) >= n && sink.count(eventlog.LiveSignal) >= n
		})
	}
	put(t, l, "room:12", "", "last")
	eventually(t, 10*time.Second, "the last record", func() bool { return sinks["*"].count(eventlog.LiveRecord) == 9 })
	for pattern, n := range want {
		if pattern == "*" || pattern == "r*" || strings.HasPrefix("room:12", strings.TrimSuffix(pattern, "*")) && strings.HasSuffix(pattern, "*") {
			n++
		}
		sink := sinks[pattern]
		eventually(t, 10*time.Second, fmt.Sprintf("%q has %d", pattern, n), func() bool { return sink.count(eventlog.LiveRecord) >= n })
		for _, live := range sink.got {
			text := string(live.Record.Data) + string(live.Signal.Data)
			if text != live.Channel && text != "last" {
				t.Errorf("%q: got %q on %q", pattern, text, live.Channel)
			}
		}
	}
}

// Live records name the record before, and slots tell when they are filled, emptied
// and too old.
func TestLiveDetails(t *testing.T) {
	e := open(t, fresh(one))
	l := eventlog.New(e)
	sink := &lives{}
	watch(t, e, "c", sink)
	first, second := put(t, l, "c", "", "1"), put(t, l, "c", "k", "2")
	for _, s := range []eventlog.Signal{
		{Channel: "c", Key: "a", Data: []byte("1"), TTL: time.Hour},
		{Channel: "c", Key: "a", Delete: true},
		{Channel: "c", Key: "b\x00", Data: []byte("2"), TTL: time.Second},
	} {
		if err := l.Signal(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, 20*time.Second, "all is delivered", func() bool {
		return sink.count(eventlog.LiveRecord) == 2 && sink.count(eventlog.LiveSignal) == 4
	})
	var signals []string
	var version uint64
	for _, live := range sink.got {
		switch {
		case live.Kind == eventlog.LiveSignal:
			signals = append(signals, fmt.Sprintf("%q %q %v", live.Signal.Key, live.Signal.Data, live.Signal.Delete))
			if live.Signal.Version <= version {
				t.Errorf("version %d after %d", live.Signal.Version, version)
			}
			version = live.Signal.Version
		case live.Record.Offset == first.First && live.Prev != 0, live.Record.Offset == second.First && live.Prev != first.First:
			t.Errorf("record at %d: got prev %d", live.Record.Offset, live.Prev)
		}
	}
	want := `"a" "1" false|"a" "" true|"b\x00" "2" false|"b\x00" "" true`
	if got := strings.Join(signals, "|"); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// Appends beyond what may be in flight are refused at once.
func TestBackpressure(t *testing.T) {
	c := natstest.Start(t, 1, natstest.Options{})
	o := fresh(c)
	o.MaxInFlight, o.AppendTimeout = 10, time.Second
	e := open(t, o)
	c.Members[0].Freeze()
	var wg sync.WaitGroup
	results := make(chan error, 30)
	for i := range 30 {
		wg.Add(1)
		eventlog.New(e).AppendAsync(entry("c", "", fmt.Sprint(i)), func(_ eventlog.Appended, err error) {
			results <- err
			wg.Done()
		})
	}
	wg.Wait()
	c.Members[0].Thaw()
	close(results)
	unknown, unavailable := 0, 0
	for err := range results {
		switch {
		case errors.Is(err, eventlog.ErrUnknown):
			unknown++
		case errors.Is(err, eventlog.ErrUnavailable):
			unavailable++
		default:
			t.Errorf("got %v", err)
		}
	}
	if unknown != 10 || unavailable != 20 {
		t.Errorf("%d unknown and %d unavailable, want 10 and 20", unknown, unavailable)
	}
}

// A full disk is an error with a name, and nothing is stored.
func TestStreamIsFull(t *testing.T) {
	o := fresh(one)
	o.Partitions = 1
	l := eventlog.New(open(t, o))
	put(t, l, "c", "", "1")
	s := stream(t, one, o.Prefix+"-log-0")
	nc, err := one.Connect()
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	full := s.CachedInfo().Config
	full.MaxMsgs = 1
	if _, err := js.UpdateStream(t.Context(), full); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"", "k"} {
		if _, err := l.Append(t.Context(), entry("c", key, "2")); !errors.Is(err, eventlog.ErrUnavailable) {
			t.Errorf("key %q: got %v, want unavailable", key, err)
		}
	}
	full.MaxMsgs = -1
	if _, err := js.UpdateStream(t.Context(), full); err != nil {
		t.Fatal(err)
	}
	if a := put(t, l, "c", "k", "2"); a.Duplicate {
		t.Errorf("got %+v, want a new record", a)
	}
	if got := all(t, l, "c"); len(got) != 2 {
		t.Errorf("%d records, want 2", len(got))
	}
}

func TestHealthTellsWhatIsWrong(t *testing.T) {
	c := natstest.Start(t, 1, natstest.Options{})
	e := open(t, fresh(c))
	if err := e.Health(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.Members[0].Kill()
	eventually(t, 20*time.Second, "it is not healthy", func() bool { return e.Health(t.Context()) != nil })
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if err := e.Health(ctx); !errors.Is(err, eventlog.ErrUnavailable) || !strings.Contains(err.Error(), "no connection") {
		t.Errorf("got %v", err)
	}
}
