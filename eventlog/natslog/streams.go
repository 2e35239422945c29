package natslog

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/starling-rt/starling/eventlog"
)

// What the streams of a log say of themselves.
const (
	metaPartitions = "starling-partitions"
	metaEpoch      = "starling-epoch"
	metaLayout     = "starling-layout"
	layout         = "1"
)

// minPayload is the largest message that the engine sends: data, and all that a
// record has beside.
const minPayload = eventlog.MaxDataBytes + 16<<10

// markerTTL is how long the servers keep the note that a slot has expired.
const markerTTL = time.Second

// partition is what the engine knows of one.
type partition struct {
	// Static after Open.
	log, slots          string // streams
	records, marks      string // subjects of the log, up to the channel
	markers, slotValues string
	probe               string // subject that is stored for nobody

	epoch     atomic.Uint32
	epochSeen atomic.Int64 // when the leader told it, in Unix nanoseconds
	// doubted says that the last append that told anything of the servers was not
	// stored.
	doubted atomic.Bool
}

func newPartition(prefix string, i int) *partition {
	n := strconv.Itoa(i)
	return &partition{
		log: prefix + "-log-" + n, slots: prefix + "-slots-" + n,
		records: prefix + ".log." + n + ".r.", marks: prefix + ".log." + n + ".t.",
		markers: prefix + ".log." + n + ".k.", slotValues: prefix + ".slot." + n + ".",
		probe: prefix + ".log." + n + ".h",
	}
}

// checkServer returns what is wrong with the server that the engine is connected
// to, for who runs it.
func checkServer(ctx context.Context, nc *nats.Conn, js jetstream.JetStream) error {
	version := nc.ConnectedServerVersion()
	if !atLeast(version, 2, 15) {
		return fmt.Errorf("nats-server %s is too old: version 2.15 or newer is needed", version)
	}
	if got := nc.MaxPayload(); got < minPayload {
		return fmt.Errorf("max_payload of the nats-server is %d bytes, and a record may have %d: set max_payload: 2MB in its configuration", got, minPayload)
	}
	if !nc.HeadersSupported() {
		return errors.New("headers are switched off on the nats-server: remove no_header_support from its configuration")
	}
	err := again(ctx, func(ctx context.Context) error {
		_, err := js.AccountInfo(ctx)
		return err
	})
	switch {
	case errors.Is(err, jetstream.ErrJetStreamNotEnabled), errors.Is(err, nats.ErrNoResponders):
		return errors.New(`JetStream is off on the nats-server: add jetstream { store_dir: "/var/lib/nats", sync_interval: always } to its configuration`)
	case errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount):
		return errors.New("JetStream is off for this account of the nats-server: add jetstream: enabled to the account")
	case err != nil:
		return fmt.Errorf("ask the nats-server for JetStream: %w", err)
	}
	return nil
}

// atLeast compares a version such as 2.15.2 or 2.15.0-RC.1.
func atLeast(version string, major, minor int) bool {
	parts := strings.SplitN(strings.TrimPrefix(version, "v"), ".", 3)
	if len(parts) < 2 {
		return false
	}
	a, err1 := strconv.Atoi(parts[0])
	b, err2 := strconv.Atoi(parts[1])
	return err1 == nil && err2 == nil && (a > major || a == major && b >= minor)
}

// replicas returns how many copies new streams get.
func (o *Options) replicas(nc *nats.Conn) int {
	switch {
	case o.Replicas > 0:
		return o.Replicas
	case nc.ConnectedClusterName() != "":
		return 3
	}
	return 1
}

func (e *Engine) logConfig(i, partitions int) jetstream.StreamConfig {
	p := newPartition(e.opts.Prefix, i)
	return jetstream.StreamConfig{
		Name: p.log, Description: "Records of Starling's channels",
		Subjects: []string{e.opts.Prefix + ".log." + strconv.Itoa(i) + ".>"},
		Storage:  jetstream.FileStorage, Replicas: e.opts.replicas(e.nc), Retention: jetstream.LimitsPolicy,
		Discard: jetstream.DiscardNew, AllowDirect: true, AllowMsgTTL: true, AllowAtomicPublish: true,
		RePublish: &jetstream.RePublish{Source: p.records + "*.*", Destination: e.live("{{wildcard(1)}}.{{wildcard(2)}}", liveRecord)},
		Metadata: map[string]string{
			metaLayout: layout, metaPartitions: strconv.Itoa(partitions),
			metaEpoch: strconv.FormatUint(uint64(rand.Uint32()|1), 10),
		},
	}
}

func (e *Engine) slotsConfig(i int) jetstream.StreamConfig {
	p := newPartition(e.opts.Prefix, i)
	return jetstream.StreamConfig{
		Name: p.slots, Description: "Newest values of Starling's conflated signals",
		Subjects: []string{p.slotValues + ">"},
		Storage:  jetstream.MemoryStorage, Replicas: e.opts.replicas(e.nc), Retention: jetstream.LimitsPolicy,
		Discard: jetstream.DiscardNew, MaxMsgsPerSubject: 1,
		AllowDirect: true, AllowMsgTTL: true, SubjectDeleteMarkerTTL: markerTTL,
		RePublish: &jetstream.RePublish{Source: p.slotValues + "*.*.*", Destination: e.live("{{wildcard(1)}}.{{wildcard(2)}}", liveSignal)},
		// Sequences are versions, and those grow also when all servers have lost
		// what they had in memory.
		FirstSeq: uint64(time.Now().UnixMicro()),
		Metadata: map[string]string{metaLayout: layout},
	}
}

func (e *Engine) kvConfig() jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name: e.kvStream(), Description: "Key-values of Starling",
		Subjects: []string{e.opts.Prefix + ".kv.>"},
		Storage:  jetstream.FileStorage, Replicas: e.opts.replicas(e.nc), Retention: jetstream.LimitsPolicy,
		Discard: jetstream.DiscardNew, MaxMsgsPerSubject: 1, AllowDirect: true, AllowMsgTTL: true,
		Metadata: map[string]string{metaLayout: layout},
	}
}

// ensure makes the streams that are missing, and learns of those that are there.
func (e *Engine) ensure(ctx context.Context, partitions int) (found int, err error) {
	if partitions == 0 {
		partitions = defaultPartitions
	}
	info, err := e.ensureStream(ctx, e.logConfig(0, partitions))
	if err != nil {
		return 0, err
	}
	found, err = strconv.Atoi(info.Config.Metadata[metaPartitions])
	if err != nil || found < 1 || found > maxPartitions || info.Config.Metadata[metaLayout] != layout {
		return 0, fmt.Errorf("stream %s is not of this version of Starling: its metadata is %v", info.Config.Name, info.Config.Metadata)
	}
	if e.opts.Partitions != 0 && found != e.opts.Partitions {
		return 0, fmt.Errorf("the channels are spread over %d partitions, not %d: the number cannot be changed", found, e.opts.Partitions)
	}
	if e.parts == nil {
		for i := range found {
			e.parts = append(e.parts, newPartition(e.opts.Prefix, i))
		}
	}
	for i, p := range e.parts {
		if i > 0 {
			if info, err = e.ensureStream(ctx, e.logConfig(i, found)); err != nil {
				return 0, err
			}
		}
		epoch, err := strconv.ParseUint(info.Config.Metadata[metaEpoch], 10, 32)
		if err != nil || epoch == 0 {
			return 0, fmt.Errorf("stream %s has no epoch in its metadata: %v", info.Config.Name, info.Config.Metadata)
		}
		p.epoch.Store(uint32(epoch))
		if info, err = e.ensureStream(ctx, e.slotsConfig(i)); err != nil {
			return 0, err
		}
		if err := e.raiseVersions(ctx, info); err != nil {
			return 0, err
		}
	}
	_, err = e.ensureStream(ctx, e.kvConfig())
	return found, err
}

// raiseVersions makes the sequences of a stream of slots that begins anew go on
// where the clock is: servers that come back begin where the stream once began.
func (e *Engine) raiseVersions(ctx context.Context, info *jetstream.StreamInfo) error {
	now, first := uint64(time.Now().UnixMicro()), info.Config.FirstSeq
	if info.State.LastSeq >= first || first+uint64(time.Second.Microseconds()) > now {
		return nil
	}
	in := struct {
		Seq uint64 `json:"seq"`
	}{now}
	var out struct{}
	return apiFailed(e.request(ctx, "$JS.API.STREAM.PURGE."+info.Config.Name, in, &out))
}

// ensureStream makes a stream if it is missing. One that is there keeps what the
// engine does not need, such as its placement.
func (e *Engine) ensureStream(ctx context.Context, want jetstream.StreamConfig) (*jetstream.StreamInfo, error) {
	var s jetstream.Stream
	err := again(ctx, func(ctx context.Context) (err error) {
		s, err = e.js.Stream(ctx, want.Name)
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			s, err = e.js.CreateStream(ctx, want)
			if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) { // another node was faster
				s, err = e.js.Stream(ctx, want.Name)
			}
			if errors.Is(err, jetstream.ErrStreamNotFound) { // and is making it
				err = fmt.Errorf("%w: %w", errInTheMaking, err)
			}
		}
		return err
	})
	if err != nil {
		return nil, e.explain(want, err)
	}
	info := s.CachedInfo()
	have := info.Config
	if !e.repair(&have, &want) {
		return info, nil
	}
	if err := again(ctx, func(ctx context.Context) (err error) { s, err = e.js.UpdateStream(ctx, have); return err }); err != nil {
		return nil, fmt.Errorf("change stream %s to what is needed: %w", want.Name, err)
	}
	return s.CachedInfo(), nil
}

// repair sets in have what want needs, and tells whether that changed anything.
func (e *Engine) repair(have, want *jetstream.StreamConfig) (changed bool) {
	set := func(ok bool, change func()) {
		if !ok {
			change()
			changed = true
		}
	}
	set(have.AllowDirect, func() { have.AllowDirect = true })
	set(have.AllowMsgTTL, func() { have.AllowMsgTTL = true })
	set(have.AllowAtomicPublish == want.AllowAtomicPublish, func() { have.AllowAtomicPublish = want.AllowAtomicPublish })
	same := have.RePublish == nil && want.RePublish == nil ||
		have.RePublish != nil && want.RePublish != nil && *have.RePublish == *want.RePublish
	set(same, func() { have.RePublish = want.RePublish })
	set(e.opts.Replicas == 0 || have.Replicas == e.opts.Replicas, func() { have.Replicas = e.opts.Replicas })
	return changed
}

// explain says what to do about a stream that cannot be made.
func (e *Engine) explain(want jetstream.StreamConfig, err error) error {
	var refused *jetstream.APIError
	if errors.As(err, &refused) && (refused.ErrorCode == codeNoPeers || refused.ErrorCode == codeNoCluster) {
		return fmt.Errorf("make stream %s with %d replicas: there are not that many servers with JetStream; start more, or ask for fewer replicas: %w",
			want.Name, want.Replicas, err)
	}
	return fmt.Errorf("make stream %s: %w", want.Name, err)
}
