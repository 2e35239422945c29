package starling

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/starling-rt/starling/auth"
	"github.com/starling-rt/starling/eventlog"
	"github.com/starling-rt/starling/internal/transport"
	"github.com/starling-rt/starling/protocol"
)

// devSecretKey is where the secret of tokens made in development is kept, so that
// they outlive a restart.
const devSecretKey = "dev/secret"

// devSecret returns the secret of tokens made in development: the one that is kept,
// or fresh, which is kept from now on.
func devSecret(ctx context.Context, kv eventlog.KV, fresh string) (string, error) {
	for {
		it, err := kv.Get(ctx, devSecretKey)
		if err == nil {
			return string(it.Value), nil
		}
		if errors.Is(err, eventlog.ErrNotFound) {
			_, err = kv.Put(ctx, devSecretKey, []byte(fresh), eventlog.PutOptions{Expect: eventlog.Absent})
			if err == nil {
				return fresh, nil
			}
		}
		// Another node was first, or the log is not there yet.
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return "", err
		}
	}
}

// devTokens makes tokens for whoever asks, in development.
type devTokens struct {
	signer           *auth.Signer
	issuer, audience string // that a token must have
}

// devTokenRequest is the body of POST /dev/token.
type devTokenRequest struct {
	User     string                 `json:"user"`
	Channels map[string][]auth.Verb `json:"channels"`
	// ExpiresIn is in seconds; default 3,600.
	ExpiresIn int64           `json:"expiresIn"`
	TokenID   string          `json:"id"`
	Info      json.RawMessage `json:"info"`
}

const maxDevToken = 16 << 10 // bytes of a request

func (d *devTokens) serve(w http.ResponseWriter, r *http.Request) *protocol.Error {
	body, bad := transport.ReadBody(w, r, maxDevToken, transport.DefaultBodyTimeout)
	if bad != nil {
		return bad
	}
	var req devTokenRequest
	if err := json.Unmarshal(body, &req); err != nil {
		return protocol.Errorf(protocol.InvalidField, `The body is {"user","channels"?,"expiresIn"?,"id"?,"info"?}.`)
	}
	if req.ExpiresIn == 0 {
		req.ExpiresIn = 3600
	}
	if req.ExpiresIn < 1 || req.ExpiresIn > 365*24*3600 {
		return protocol.Errorf(protocol.InvalidField, `The field "expiresIn" is a number of seconds, at most a year.`)
	}
	now := time.Now()
	var audience []string
	if d.audience != "" {
		audience = []string{d.audience}
	}
	token, err := d.signer.Sign(auth.Claims{
		Issuer: d.issuer, Audience: audience,
		User: req.User, TokenID: req.TokenID, IssuedAt: now, Expires: now.Add(time.Duration(req.ExpiresIn) * time.Second),
		Channels: req.Channels, Info: req.Info,
	})
	if err != nil {
		return protocol.Errorf(protocol.InvalidField, "There can be no such token: %s.", plain(err))
	}
	out := protocol.AppendString([]byte(`{"token":`), token)
	transport.WriteJSON(w, http.StatusOK, append(out, "}\n"...), transport.DefaultWriteTimeout)
	return nil
}
