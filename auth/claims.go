package auth

import (
	"bytes"
	stdjson "encoding/json"
	"math"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/go-jose/go-jose/v4/json"
)

// rawClaims are the claims that mean something here, unread. The decoder refuses
// a name that comes twice, and takes names by their case.
type rawClaims struct {
	Sub      json.RawMessage `json:"sub"`
	Jti      json.RawMessage `json:"jti"`
	Iss      json.RawMessage `json:"iss"`
	Aud      json.RawMessage `json:"aud"`
	Exp      json.RawMessage `json:"exp"`
	Nbf      json.RawMessage `json:"nbf"`
	Iat      json.RawMessage `json:"iat"`
	Channels json.RawMessage `json:"channels"`
	Info     json.RawMessage `json:"info"`
}

// identify reads claims whose signature holds, and checks them at now. until is
// when the token ends, with leeway.
func (v *Verifier) identify(payload []byte, now time.Time) (who *Identity, until time.Time, err error) {
	if !utf8.Valid(payload) {
		return nil, until, refuse(ErrClaims, "the claims are not valid UTF-8")
	}
	if !shallow(payload) {
		return nil, until, refuse(ErrClaims, "the claims are nested more than %d deep", maxDepth)
	}
	var raw rawClaims
	if err := json.Unmarshal(payload, &raw); err != nil || !bytes.HasPrefix(bytes.TrimLeft(payload, " \t\r\n"), []byte("{")) {
		return nil, until, refuse(ErrClaims, "the claims must be a JSON object in which no name comes twice")
	}
	if err := v.meant(&raw); err != nil {
		return nil, until, err
	}
	who = &Identity{}
	if who.Expires, who.IssuedAt, err = v.times(&raw, now); err != nil {
		return nil, until, err
	}
	if !who.Expires.IsZero() {
		until = who.Expires.Add(v.leeway)
	}
	if who.User, err = text("sub", raw.Sub); err != nil {
		return nil, until, err
	}
	if who.TokenID, err = text("jti", raw.Jti); err != nil {
		return nil, until, err
	}
	if raw.Channels != nil {
		if who.Grants, err = parseGrants(raw.Channels, who.User); err != nil {
			return nil, until, err
		}
	}
	who.Info, err = compact(raw.Info)
	return who, until, err
}

// meant checks who made the token, and for whom.
func (v *Verifier) meant(raw *rawClaims) error {
	if v.issuer != "" {
		iss, err := text("iss", raw.Iss)
		if err != nil {
			return err
		}
		if iss != v.issuer {
			return refuse(ErrIssuer, "iss is %s, and must be %s", short(iss), short(v.issuer))
		}
	}
	if v.audience == "" {
		return nil
	}
	var many []string
	if json.Unmarshal(raw.Aud, &many) != nil {
		var one string
		if raw.Aud != nil && json.Unmarshal(raw.Aud, &one) != nil {
			return refuse(ErrClaims, "aud must be a string or a list of strings")
		}
		many = []string{one}
	}
	if !slices.Contains(many, v.audience) {
		return refuse(ErrAudience, "aud must be or have in it %s", short(v.audience))
	}
	return nil
}

// times checks when the token holds, and returns when it ends.
func (v *Verifier) times(raw *rawClaims, now time.Time) (expires, issued time.Time, err error) {
	if expires, err = date("exp", raw.Exp); err != nil {
		return expires, issued, err
	}
	if issued, err = date("iat", raw.Iat); err != nil {
		return expires, issued, err
	}
	begins, err := date("nbf", raw.Nbf)
	if err != nil {
		return expires, issued, err
	}
	if expires.IsZero() && !v.noExpiry {
		return expires, issued, refuse(ErrClaims, "exp is missing: a token must say when it ends, in seconds since 1970")
	}
	if v.maxAge > 0 {
		if issued.IsZero() {
			return expires, issued, refuse(ErrClaims, "iat is missing: this server limits the age of tokens, so they must say when they were made")
		}
		if last := issued.Add(v.maxAge); expires.IsZero() || last.Before(expires) {
			expires = last
		}
	}
	if !expires.IsZero() && !now.Before(expires.Add(v.leeway)) {
		return expires, issued, refuse(ErrExpired, "it ended at %s, and it is %s: get a new one", stamp(expires), stamp(now))
	}
	for _, at := range []time.Time{begins, issued} {
		if !at.IsZero() && now.Before(at.Add(-v.leeway)) {
			return expires, issued, refuse(ErrNotYet, "it begins at %s, and it is %s: compare the clocks of the machines", stamp(at), stamp(now))
		}
	}
	return expires, issued, nil
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// text reads a claim that is a string, if it is there.
func text(name string, raw json.RawMessage) (s string, err error) {
	if raw == nil {
		return "", nil
	}
	if raw[0] != '"' || json.Unmarshal(raw, &s) != nil {
		return "", refuse(ErrClaims, "%s must be a string", name)
	}
	return s, checkText(name, s)
}

// lastSecond is the last that a date can name, in the year 9999.
const lastSecond = 253402300799

// date reads a claim that is a time, if it is there.
func date(name string, raw json.RawMessage) (time.Time, error) {
	if raw == nil {
		return time.Time{}, nil
	}
	var f float64
	if raw[0] == 'n' || json.Unmarshal(raw, &f) != nil || f < 0 || f > lastSecond {
		return time.Time{}, refuse(ErrClaims, "%s must be a number, of seconds since 1970", name)
	}
	whole, part := math.Modf(f)
	return time.Unix(int64(whole), int64(part*1e9)), nil
}

// compact returns the claim info on one line.
func compact(raw json.RawMessage) (stdjson.RawMessage, error) {
	if raw == nil || string(raw) == "null" {
		return nil, nil
	}
	var b bytes.Buffer
	if err := stdjson.Compact(&b, raw); err != nil {
		return nil, refuse(ErrClaims, "info is not JSON")
	}
	if b.Len() > MaxInfoBytes {
		return nil, refuse(ErrClaims, "info has %d bytes, and may have at most %d: let it name what the application can look up", b.Len(), MaxInfoBytes)
	}
	return b.Bytes(), nil
}
