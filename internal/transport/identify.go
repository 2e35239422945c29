package transport

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/starling-rt/starling/auth"
	"github.com/starling-rt/starling/protocol"
)

// identify tells who makes a request: whom the token in its Authorization header
// names, or in its query, or in its cookie. Nil is anonymous.
func (h *Handler) identify(r *http.Request) (*auth.Identity, *protocol.Error) {
	token := h.tokenOf(r)
	if token == "" {
		return nil, nil
	}
	return h.conf.Sessions.Authenticate(token)
}

func (h *Handler) tokenOf(r *http.Request) string {
	if token, ok := bearer(r); ok {
		return token
	}
	if token := r.URL.Query().Get("token"); token != "" {
		return token
	}
	if h.conf.Cookie == "" || !h.sameSide(r) {
		return ""
	}
	c, err := r.Cookie(h.conf.Cookie)
	if err != nil {
		return ""
	}
	return c.Value
}

// bearer returns what stands behind "Bearer" in the Authorization header.
func bearer(r *http.Request) (string, bool) {
	scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	return strings.TrimSpace(token), ok && strings.EqualFold(scheme, "Bearer")
}

// sameSide tells whether a request comes from a page that may speak in the name of
// who looks at it, or from no page at all. Browsers send cookies whoever asks.
func (h *Handler) sameSide(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" {
		// A request without one may still be made by another site's page.
		site := r.Header.Get("Sec-Fetch-Site")
		return site == "" || site == "same-origin" || site == "none"
	}
	u, err := url.Parse(origin)
	if err != nil {
		return false
	}
	return sameOrigin(u, r) || h.origins.Load().allows(u) || h.conf.LocalOrigins && IsLocal(u.Hostname())
}
