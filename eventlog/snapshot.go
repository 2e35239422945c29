package eventlog

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Snapshots are states of projections, kept in a KV beside the log that they are
// made from: a cache, with the position up to which it is folded. A snapshot is
// stored in chunks under a name of its own and then pointed to, so that half of
// one is never seen and an older one never replaces a newer.
type Snapshots struct {
	kv KV
}

// NewSnapshots returns the snapshots in kv. Its keys begin with "snap/" and
// "snapdata/".
func NewSnapshots(kv KV) *Snapshots { return &Snapshots{kv: kv} }

// MaxSnapshotBytes is the largest snapshot that is kept.
const MaxSnapshotBytes = 512 << 20

const (
	snapshotChunk = 128 << 10
	// An upload that is not finished after this long is given up.
	snapshotUploadTTL = time.Hour
)

// Snapshot is a state of a channel's projection.
type Snapshot struct {
	// At is the position of the last record that the state covers.
	At   Position
	Data []byte
}

// pointer is what stands at "snap/NAME".
type pointer struct {
	Epoch  uint32 `json:"epoch"`
	Offset uint64 `json:"offset"`
	Upload string `json:"upload"`
	Chunks int    `json:"chunks"`
	Bytes  int    `json:"bytes"`
	SHA256 string `json:"sha256"`
}

// Put keeps a snapshot under a name, unless there is one of the same epoch that
// covers as much or more; that one then stays, and Put returns nil.
func (s *Snapshots) Put(ctx context.Context, name string, snap Snapshot) error {
	if len(snap.Data) > MaxSnapshotBytes {
		return fmt.Errorf("put snapshot %q: %d bytes, more than %d: %w", name, len(snap.Data), MaxSnapshotBytes, ErrInvalid)
	}
	now := time.Now()
	next := pointer{Epoch: snap.At.Epoch, Offset: snap.At.Offset, Upload: NewID(now.UnixMilli()), Bytes: len(snap.Data)}
	sum := sha256.Sum256(snap.Data)
	next.SHA256 = hex.EncodeToString(sum[:])
	for rest := snap.Data; len(rest) > 0; next.Chunks++ {
		n := min(len(rest), snapshotChunk)
		if _, err := s.kv.Put(ctx, chunkKey(name, next.Upload, next.Chunks), rest[:n], PutOptions{}); err != nil {
			return fmt.Errorf("put snapshot %q: %w", name, err)
		}
		rest = rest[n:]
	}
	kept, loser, err := s.point(ctx, name, next)
	if err != nil {
		return fmt.Errorf("put snapshot %q: %w", name, err)
	}
	if err := s.sweep(ctx, name, func(upload string) bool {
		return upload != kept && (upload == loser || idTime(upload).Before(now.Add(-snapshotUploadTTL)))
	}); err != nil {
		return fmt.Errorf("sweep snapshot %q: %w", name, err)
	}
	return nil
}

// point makes next the snapshot of a name, or finds a newer one. It returns the
// upload that is then pointed to and the one that is not, or not any more.
func (s *Snapshots) point(ctx context.Context, name string, next pointer) (kept, loser string, err error) {
	value, err := json.Marshal(next)
	if err != nil {
		return "", "", err
	}
	for {
		cur, rev, err := s.pointer(ctx, name)
		expect := AtRevision(rev)
		switch {
		case errors.Is(err, ErrNotFound):
			expect = Absent
		case err != nil:
			return "", "", err
		case cur.Epoch == next.Epoch && cur.Offset >= next.Offset:
			return cur.Upload, next.Upload, nil
		}
		_, err = s.kv.Put(ctx, pointerKey(name), value, PutOptions{Expect: expect})
		if errors.Is(err, ErrRevision) {
			continue
		}
		return next.Upload, cur.Upload, err
	}
}

// Get returns the newest snapshot of a name, or ErrNotFound. A snapshot whose
// chunks are gone or damaged is not found either: it is a cache.
func (s *Snapshots) Get(ctx context.Context, name string) (Snapshot, error) {
	for {
		p, rev, err := s.pointer(ctx, name)
		if err != nil {
			return Snapshot{}, fmt.Errorf("get snapshot %q: %w", name, err)
		}
		data, err := s.chunks(ctx, name, p)
		if err == nil {
			return Snapshot{At: Position{Epoch: p.Epoch, Offset: p.Offset}, Data: data}, nil
		}
		if !errors.Is(err, ErrNotFound) {
			return Snapshot{}, fmt.Errorf("get snapshot %q: %w", name, err)
		}
		// A newer one may have replaced it while it was read.
		if _, again, perr := s.pointer(ctx, name); perr != nil || again == rev {
			return Snapshot{}, fmt.Errorf("get snapshot %q: %w", name, err)
		}
	}
}

// Delete removes the snapshot of a name.
func (s *Snapshots) Delete(ctx context.Context, name string) error {
	if err := s.kv.Delete(ctx, pointerKey(name), 0); err != nil {
		return fmt.Errorf("delete snapshot %q: %w", name, err)
	}
	return s.sweep(ctx, name, func(string) bool { return true })
}

func (s *Snapshots) pointer(ctx context.Context, name string) (pointer, uint64, error) {
	it, err := s.kv.Get(ctx, pointerKey(name))
	if err != nil {
		return pointer{}, 0, err
	}
	var p pointer
	if err := json.Unmarshal(it.Value, &p); err != nil {
		return pointer{}, 0, err
	}
	return p, it.Revision, nil
}

func (s *Snapshots) chunks(ctx context.Context, name string, p pointer) ([]byte, error) {
	data := make([]byte, 0, min(p.Bytes, MaxSnapshotBytes))
	for i := range p.Chunks {
		it, err := s.kv.Get(ctx, chunkKey(name, p.Upload, i))
		if err != nil {
			return nil, err
		}
		data = append(data, it.Value...)
	}
	sum := sha256.Sum256(data)
	if hex.EncodeToString(sum[:]) != p.SHA256 {
		return nil, fmt.Errorf("checksum differs: %w", ErrNotFound)
	}
	return data, nil
}

// sweep removes the chunks of the uploads that are to go.
func (s *Snapshots) sweep(ctx context.Context, name string, gone func(upload string) bool) error {
	prefix, after := chunkPrefix(name), ""
	for {
		items, err := s.kv.List(ctx, prefix, after, 16)
		if err != nil {
			return err
		}
		for _, it := range items {
			after = it.Key
			upload, _, _ := strings.Cut(strings.TrimPrefix(it.Key, prefix), "/")
			if !gone(upload) {
				continue
			}
			if err := s.kv.Delete(ctx, it.Key, 0); err != nil {
				return err
			}
		}
		if len(items) < 16 {
			return nil
		}
	}
}

func pointerKey(name string) string { return "snap/" + name }

func chunkPrefix(name string) string { return "snapdata/" + name + "\x00" }

func chunkKey(name, upload string, i int) string {
	return fmt.Sprintf("%s%s/%06d", chunkPrefix(name), upload, i)
}

// idTime returns when an id was made, or the zero time.
func idTime(id string) time.Time {
	b, err := base64.RawURLEncoding.DecodeString(id)
	if err != nil || len(b) < 8 {
		return time.Time{}
	}
	return time.UnixMilli(int64(binary.BigEndian.Uint64(b) >> 16))
}
