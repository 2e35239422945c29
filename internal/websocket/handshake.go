package websocket

import (
	"crypto/sha1" // RFC 6455 §4.2.2 wants SHA-1; nothing secret is hashed
	"encoding/base64"
	"net/http"
	"slices"
	"strings"
)

// Upgrade is a request for a WebSocket that can be granted.
type Upgrade struct {
	Accept    string   // of Sec-WebSocket-Accept
	Protocols []string // the subprotocols that the client offers
	Deflate   bool     // the client offers permessage-deflate in a form that we take
}

// CheckUpgrade reads the handshake of RFC 6455 §4.2.1. If it is not one, status
// and text say why.
func CheckUpgrade(r *http.Request) (u Upgrade, status int, text string) {
	switch {
	case r.Method != http.MethodGet:
		return u, http.StatusMethodNotAllowed, "A WebSocket is opened with GET."
	case !hasToken(r.Header, "Upgrade", "websocket") || !hasToken(r.Header, "Connection", "upgrade"):
		return u, http.StatusUpgradeRequired, "This address speaks WebSocket: the headers Upgrade: websocket and Connection: Upgrade are missing. A proxy in between may have removed them."
	case r.Header.Get("Sec-Websocket-Version") != "13":
		return u, http.StatusUpgradeRequired, "Only version 13 of WebSocket is spoken here."
	}
	key := r.Header.Get("Sec-Websocket-Key")
	if raw, err := base64.StdEncoding.DecodeString(key); err != nil || len(raw) != 16 {
		return u, http.StatusBadRequest, "Sec-WebSocket-Key is not 16 bytes in base64."
	}
	u.Accept = acceptKey(key)
	for _, line := range r.Header.Values("Sec-Websocket-Protocol") {
		for p := range strings.SplitSeq(line, ",") {
			u.Protocols = append(u.Protocols, strings.TrimSpace(p))
		}
	}
	u.Deflate = negotiateDeflate(r.Header.Values("Sec-Websocket-Extensions"))
	return u, 0, ""
}

// AppendResponse appends the answer that grants u, with one of its subprotocols
// or none, and with compression if it was offered and is wanted.
func (u Upgrade) AppendResponse(dst []byte, protocol string, deflate bool) []byte {
	dst = append(dst, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "...)
	dst = append(dst, u.Accept...)
	if protocol != "" {
		dst = append(append(dst, "\r\nSec-WebSocket-Protocol: "...), protocol...)
	}
	if deflate && u.Deflate {
		dst = append(dst, "\r\nSec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover"...)
	}
	return append(dst, "\r\n\r\n"...)
}

// Offers tells whether the client offers a subprotocol.
func (u Upgrade) Offers(protocol string) bool { return slices.Contains(u.Protocols, protocol) }

func acceptKey(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// negotiateDeflate looks for an offer of permessage-deflate that we can take. We
// always ask for no context takeover on both sides, which every client must
// accept, and we never shrink our window, so an offer that demands a smaller one
// is not for us.
func negotiateDeflate(lines []string) bool {
	for _, line := range lines {
		for offer := range strings.SplitSeq(line, ",") {
			name, params, _ := strings.Cut(offer, ";")
			if !strings.EqualFold(strings.TrimSpace(name), "permessage-deflate") {
				continue
			}
			if acceptable(params) {
				return true
			}
		}
	}
	return false
}

func acceptable(params string) bool {
	seen := map[string]bool{}
	for p := range strings.SplitSeq(params, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(p), "=")
		name, value = strings.ToLower(strings.TrimSpace(name)), strings.Trim(strings.TrimSpace(value), `"`)
		if name == "" && params == "" {
			return true
		}
		if seen[name] {
			return false
		}
		seen[name] = true
		switch name {
		case "server_no_context_takeover", "client_no_context_takeover", "client_max_window_bits":
		case "server_max_window_bits":
			if value != "15" {
				return false
			}
		default:
			return false
		}
	}
	return true
}

func hasToken(h http.Header, key, token string) bool {
	for _, line := range h.Values(key) {
		for t := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(strings.TrimSpace(t), token) {
				return true
			}
		}
	}
	return false
}
