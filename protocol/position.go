package protocol

import (
	"encoding/base64"
	"encoding/binary"
	"strconv"
	"strings"
)

// MaxPositionChannels is how many channels one position can cover.
const MaxPositionChannels = 32

// MaxPositionBytes is the length of the longest position.
const MaxPositionBytes = 1024

// Position is a place in several channels at once, as the client sees it: an
// opaque text of A–Z, a–z, 0–9, "-" and "_". The server reads it as below.
//
//	position = base64url( version *place )     version = 0x01
//	place    = hash epoch offset               hash    = FNV-1a 64 of the name, 8 bytes, big-endian
//	                                           epoch   = 4 bytes, big-endian
//	                                           offset  = uvarint
//
// A channel stands in it by the hash of its name, so that 32 long names fit. Two
// of 32 names share a hash with a chance of 3·10⁻¹⁷.
type Position struct {
	places []byte // without the version
}

const positionVersion = 1

// AppendPlace returns dst with the place of a channel appended, in the form that
// EncodePosition takes.
func AppendPlace(dst []byte, channel string, epoch uint32, offset uint64) []byte {
	dst = binary.BigEndian.AppendUint64(dst, hashName(channel))
	dst = binary.BigEndian.AppendUint32(dst, epoch)
	return binary.AppendUvarint(dst, offset)
}

// AppendPosition appends the text of a position of the places given, as
// AppendPlace made them.
func AppendPosition(dst, places []byte) []byte {
	// The version and the first two bytes of the places share three bytes, so
	// that the rest can be encoded where it stands.
	var head [3]byte
	head[0] = positionVersion
	n := copy(head[1:], places)
	dst = base64.RawURLEncoding.AppendEncode(dst, head[:1+n])
	return base64.RawURLEncoding.AppendEncode(dst, places[n:])
}

// MaxSinceBytes is the length of the longest text that ParseSince reads.
const MaxSinceBytes = 8 << 10

// ParseSince reads where a client stands: positions with commas between, which
// together cover at most MaxPositionChannels channels. A position of one channel
// may have a dot behind it and the offset of the last publication of that channel
// that the client has seen since it was given the position.
//
//	since = cursor *( "," cursor )     cursor = position [ "." offset ]
func ParseSince(text string) (Position, *Error) {
	if len(text) > MaxSinceBytes {
		return Position{}, Errorf(BadPosition, "A position has at most %d characters.", MaxSinceBytes)
	}
	if !strings.ContainsAny(text, ".,") {
		return ParsePosition(text)
	}
	var all Position
	n := 0
	for cursor := range strings.SplitSeq(text, ",") {
		at, seen, ok := strings.Cut(cursor, ".")
		p, err := ParsePosition(at)
		if err != nil {
			return Position{}, err
		}
		if ok {
			if p, err = p.seen(seen); err != nil {
				return Position{}, err
			}
		}
		if n += p.channels(); n > MaxPositionChannels {
			return Position{}, Errorf(BadPosition, "A position covers at most %d channels.", MaxPositionChannels)
		}
		all.places = append(all.places, p.places...)
	}
	return all, nil
}

// seen returns the position of one channel, moved on to an offset.
func (p Position) seen(text string) (Position, *Error) {
	n, bad := strconv.ParseUint(text, 10, 53)
	if bad != nil || p.channels() != 1 {
		return Position{}, Errorf(BadPosition, "An offset stands behind the position of one channel, with a dot between.")
	}
	hash, epoch, offset, _ := nextPlace(p.places)
	places := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint64(nil, hash), epoch)
	return Position{places: binary.AppendUvarint(places, max(offset, n))}, nil
}

// channels returns how many channels the position covers.
func (p Position) channels() int {
	n := 0
	for rest := p.places; len(rest) > 0; n++ {
		_, _, _, rest = nextPlace(rest)
	}
	return n
}

// EncodePosition returns the position of one channel.
func EncodePosition(channel string, epoch uint32, offset uint64) string {
	var buf [24]byte
	return string(AppendPosition(nil, AppendPlace(buf[:0], channel, epoch, offset)))
}

// ParsePosition reads a position. The empty text is the empty position, which
// knows no channel.
func ParsePosition(text string) (Position, *Error) {
	if text == "" {
		return Position{}, nil
	}
	bad := Errorf(BadPosition, "This is not a position that a Starling server gave out; leave it away to start live.")
	if len(text) > MaxPositionBytes || strings.ContainsAny(text, "\r\n") {
		return Position{}, bad
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || raw[0] != positionVersion {
		return Position{}, bad
	}
	p := Position{places: raw[1:]}
	n := 0
	for rest := p.places; len(rest) > 0; n++ {
		if _, _, _, rest = nextPlace(rest); rest == nil || n == MaxPositionChannels {
			return Position{}, bad
		}
	}
	return p, nil
}

// In returns the place of a channel, if the position knows it.
func (p Position) In(channel string) (epoch uint32, offset uint64, ok bool) {
	want := hashName(channel)
	for rest := p.places; len(rest) > 0; {
		var h uint64
		if h, epoch, offset, rest = nextPlace(rest); h == want {
			return epoch, offset, true
		}
	}
	return 0, 0, false
}

// IsZero tells whether p is the empty position.
func (p Position) IsZero() bool { return len(p.places) == 0 }

// nextPlace splits the first place off; rest is nil when there is none.
func nextPlace(b []byte) (hash uint64, epoch uint32, offset uint64, rest []byte) {
	if len(b) < 13 {
		return 0, 0, 0, nil
	}
	offset, n := binary.Uvarint(b[12:])
	if n <= 0 || offset > 1<<53-1 {
		return 0, 0, 0, nil
	}
	return binary.BigEndian.Uint64(b), binary.BigEndian.Uint32(b[8:]), offset, b[12+n:]
}

func hashName(name string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(name) {
		h = (h ^ uint64(name[i])) * 1099511628211
	}
	return h
}
