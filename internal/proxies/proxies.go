// Package proxies finds out who a request is from when proxies stand between:
// what they say of it is believed only of those that are trusted.
package proxies

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// Headers are what proxies say who they pass on.
type Headers string

const (
	// XForwarded are X-Forwarded-For, X-Forwarded-Proto and X-Forwarded-Host.
	XForwarded Headers = "x-forwarded"
	// Forwarded is the header of RFC 7239.
	Forwarded Headers = "forwarded"
)

// Trust is which proxies are believed, and what they say. Only one kind of header
// is read: the other may come from the client itself, through a proxy that does
// not know it.
type Trust struct {
	Proxies []netip.Prefix
	Headers Headers // default XForwarded
}

// Parse reads addresses and CIDRs, such as 10.0.0.0/8 or ::1.
func Parse(list []string) ([]netip.Prefix, error) {
	var all []netip.Prefix
	for _, text := range list {
		if p, err := netip.ParsePrefix(text); err == nil {
			all = append(all, p.Masked())
			continue
		}
		a, err := netip.ParseAddr(text)
		if err != nil || a.Zone() != "" {
			return nil, fmt.Errorf("%q is neither an address nor a range such as 10.0.0.0/8", text)
		}
		all = append(all, netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen()))
	}
	return all, nil
}

func (t *Trust) trusts(a netip.Addr) bool {
	for _, p := range t.Proxies {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

type secureKey struct{}

// Secure tells whether a client made its request over TLS, and whether that is
// known.
func Secure(r *http.Request) (secure, known bool) {
	if s, ok := r.Context().Value(secureKey{}).(bool); ok {
		return s, true
	}
	return r.TLS != nil, r.TLS != nil // plain HTTP may have come through a proxy that nobody told of
}

// Request returns the request as the client made it: from its address, for its
// host. It is r itself unless a trusted proxy has passed it on.
func (t *Trust) Request(r *http.Request) *http.Request {
	if len(t.Proxies) == 0 {
		return r
	}
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || !t.trusts(peer.Addr().Unmap()) {
		return r
	}
	var hops []hop // the nearest last
	if t.Headers == Forwarded {
		hops = parseForwarded(r.Header.Values("Forwarded"))
	} else {
		hops = parseXForwarded(r.Header)
	}
	if len(hops) == 0 {
		return r
	}
	// From the right, for each was added by the one after it: as long as that one
	// is trusted, so is what it says.
	client, told := peer.Addr().Unmap(), hops[len(hops)-1]
	for i := len(hops) - 1; i >= 0 && t.trusts(client); i-- {
		if !hops[i].addr.IsValid() {
			break // it does not say: what stands before may be anybody's
		}
		client = hops[i].addr
		told.proto, told.host = or(hops[i].proto, told.proto), or(hops[i].host, told.host)
	}
	ctx := r.Context()
	if told.proto != "" {
		ctx = context.WithValue(ctx, secureKey{}, strings.EqualFold(told.proto, "https") || strings.EqualFold(told.proto, "wss"))
	}
	out := r.WithContext(ctx)
	out.RemoteAddr = net.JoinHostPort(client.String(), "0")
	if told.host != "" {
		out.Host = told.host
	}
	return out
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// hop is what a proxy says of whom it passes on.
type hop struct {
	addr        netip.Addr // not valid if it is not known
	proto, host string
}

func parseXForwarded(h http.Header) []hop {
	var hops []hop
	for _, line := range h.Values("X-Forwarded-For") {
		for text := range strings.SplitSeq(line, ",") {
			hops = append(hops, hop{addr: parseAddr(strings.TrimSpace(text))})
		}
	}
	// These say nothing of hops; the last value is that of the nearest proxy.
	proto, host := lastValue(h, "X-Forwarded-Proto"), lastValue(h, "X-Forwarded-Host")
	if len(hops) == 0 && proto+host != "" {
		hops = append(hops, hop{})
	}
	if len(hops) > 0 {
		hops[len(hops)-1].proto, hops[len(hops)-1].host = proto, host
	}
	return hops
}

func lastValue(h http.Header, name string) string {
	lines := h.Values(name)
	if len(lines) == 0 {
		return ""
	}
	line := lines[len(lines)-1]
	return strings.TrimSpace(line[strings.LastIndexByte(line, ',')+1:])
}

// parseAddr reads an address, perhaps in brackets, perhaps with a port.
func parseAddr(text string) netip.Addr {
	if ap, err := netip.ParseAddrPort(text); err == nil {
		return ap.Addr().Unmap().WithZone("")
	}
	a, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(text, "["), "]"))
	if err != nil {
		return netip.Addr{}
	}
	return a.Unmap().WithZone("")
}

// parseForwarded reads the elements of RFC 7239, section 4.
func parseForwarded(lines []string) []hop {
	var hops []hop
	for _, line := range lines {
		for _, element := range split(line, ',') {
			var one hop
			for _, pair := range split(element, ';') {
				name, value, _ := strings.Cut(strings.TrimSpace(pair), "=")
				value = unquote(strings.TrimSpace(value))
				switch strings.ToLower(strings.TrimSpace(name)) {
				case "for":
					one.addr = parseAddr(value)
				case "proto":
					one.proto = value
				case "host":
					one.host = value
				}
			}
			hops = append(hops, one)
		}
	}
	return hops
}

// split splits at a separator that does not stand in quotes.
func split(text string, at byte) []string {
	var parts []string
	from, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\' && quoted:
			i++
		case c == '"':
			quoted = !quoted
		case c == at && !quoted:
			parts = append(parts, text[from:i])
			from = i + 1
		}
	}
	return append(parts, text[from:])
}

func unquote(value string) string {
	inner, ok := strings.CutPrefix(value, `"`)
	if !ok {
		return value
	}
	inner = strings.TrimSuffix(inner, `"`)
	if !strings.Contains(inner, `\`) {
		return inner
	}
	var b strings.Builder
	for i := 0; i < len(inner); i++ {
		if inner[i] == '\\' && i+1 < len(inner) {
			i++
		}
		b.WriteByte(inner[i])
	}
	return b.String()
}
