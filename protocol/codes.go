package protocol

import "fmt"

// Code is the number of an error, stable for ever. It is the code in an error
// message, and the close code of a WebSocket that ends because of it.
type Code int

// The codes. 40xx: the client's message is wrong. 41xx: the client may not, or
// not so much. 42xx: what was asked is not so. 43xx: the server can't, now.
const (
	Malformed     Code = 4000 // not a JSON object in UTF-8
	UnknownType   Code = 4001 // no such command
	InvalidField  Code = 4002 // a field is missing, of the wrong type or out of range
	BadChannel    Code = 4003 // not the name of a channel
	BadPosition   Code = 4004 // not a position
	TooLarge      Code = 4005 // a message or its data exceeds the limit
	NotSupported  Code = 4006 // the command is not for this channel or transport
	NotFound      Code = 4007 // no such path, method or thing
	Unauthorized  Code = 4100 // who are you?
	Forbidden     Code = 4101 // not allowed
	RateLimited   Code = 4102 // too many commands
	LimitReached  Code = 4103 // too many of something: subscriptions, keys
	BadOrigin     Code = 4104 // the page's origin is not allowed
	Slow          Code = 4105 // the reader is too slow for its subscription's policy
	NoPong        Code = 4106 // no answer to a heartbeat
	TokenExpired  Code = 4107 // the token has expired: get a new one
	Revoked       Code = 4108 // the token, or its user, was revoked
	Disconnected  Code = 4109 // the session was ended by the application
	TooMany       Code = 4110 // the user or the address has as many sessions as it may have
	AlreadyThere  Code = 4200 // subscribed already
	NotThere      Code = 4201 // not subscribed
	KeyReused     Code = 4202 // the idempotency key was used for other data
	Conflict      Code = 4203 // the channel has moved on
	SessionGone   Code = 4204 // no such session: open a new one from your positions
	SessionBusy   Code = 4205 // another request of this session is in progress
	Unavailable   Code = 4300 // not possible now; nothing was stored
	UnknownResult Code = 4301 // not known whether it was stored: retry with the same key
	Draining      Code = 4302 // the server is going away: come back, elsewhere perhaps
	Internal      Code = 4303 // our fault; the server's log says more
)

type codeInfo struct {
	name  string
	http  int
	retry bool
}

var codes = map[Code]codeInfo{
	Malformed:     {"malformed", 400, false},
	UnknownType:   {"unknown_type", 400, false},
	InvalidField:  {"invalid_field", 400, false},
	BadChannel:    {"bad_channel", 400, false},
	BadPosition:   {"bad_position", 400, false},
	TooLarge:      {"too_large", 413, false},
	NotSupported:  {"not_supported", 400, false},
	NotFound:      {"not_found", 404, false},
	Unauthorized:  {"unauthorized", 401, false},
	Forbidden:     {"forbidden", 403, false},
	RateLimited:   {"rate_limited", 429, true},
	LimitReached:  {"limit_reached", 429, false},
	BadOrigin:     {"bad_origin", 403, false},
	Slow:          {"slow", 503, true},
	NoPong:        {"no_pong", 503, true},
	TokenExpired:  {"token_expired", 401, false},
	Revoked:       {"revoked", 403, false},
	Disconnected:  {"disconnected", 403, false},
	TooMany:       {"too_many_sessions", 429, true},
	AlreadyThere:  {"already_subscribed", 409, false},
	NotThere:      {"not_subscribed", 409, false},
	KeyReused:     {"key_reused", 409, false},
	Conflict:      {"conflict", 409, false},
	SessionGone:   {"session_gone", 410, true},
	SessionBusy:   {"session_busy", 409, true},
	Unavailable:   {"unavailable", 503, true},
	UnknownResult: {"unknown_result", 503, true},
	Draining:      {"draining", 503, true},
	Internal:      {"internal", 500, true},
}

// Codes returns every code, in no order.
func Codes() []Code {
	all := make([]Code, 0, len(codes))
	for c := range codes {
		all = append(all, c)
	}
	return all
}

// String returns the code's name, such as "rate_limited".
func (c Code) String() string {
	if info, ok := codes[c]; ok {
		return info.name
	}
	return fmt.Sprintf("code_%d", int(c))
}

// HTTP returns the status with which an HTTP response carries the code.
func (c Code) HTTP() int {
	if info, ok := codes[c]; ok {
		return info.http
	}
	return 500
}

// Retry tells whether the same may succeed later.
func (c Code) Retry() bool { return codes[c].retry }

// Error is a refusal: a stable code, and a sentence for people that says what to
// do.
type Error struct {
	Code    Code
	Message string
}

func (e *Error) Error() string { return fmt.Sprintf("%s (%d): %s", e.Code, int(e.Code), e.Message) }

// Errorf makes an Error; the format is the sentence.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}
