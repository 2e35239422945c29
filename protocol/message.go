package protocol

import (
	"maps"
	"slices"
	"strconv"
)

// Publication is an entry of a channel's log as clients see it.
type Publication struct {
	Channel string
	Offset  uint64
	ID      string
	Data    []byte // JSON, one line; or bytes (see [DataBytes])
	Key     string
	User    string
	Time    int64 // Unix milliseconds
	Tags    map[string]string
}

// Signal is a signal as clients see it.
type Signal struct {
	Channel  string
	Data     []byte // JSON, one line; or bytes (see [DataBytes])
	Conflate string
	Deleted  bool
	User     string
	Time     int64 // Unix milliseconds
}

// AppendPublication appends the message that carries a publication.
func AppendPublication(dst []byte, p *Publication) []byte {
	dst = append(dst, `{"type":"publication","channel":`...)
	dst = AppendString(dst, p.Channel)
	dst = append(dst, `,"offset":`...)
	dst = strconv.AppendUint(dst, p.Offset, 10)
	dst = append(dst, `,"id":`...)
	dst = AppendString(dst, p.ID)
	dst = AppendData(append(dst, ','), p.Data)
	dst = appendText(dst, `,"key":`, p.Key)
	dst = appendText(dst, `,"user":`, p.User)
	dst = append(dst, `,"time":`...)
	dst = strconv.AppendInt(dst, p.Time, 10)
	if len(p.Tags) > 0 {
		dst = append(dst, `,"tags":{`...)
		for i, k := range slices.Sorted(maps.Keys(p.Tags)) {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(AppendString(dst, k), ':')
			dst = AppendString(dst, p.Tags[k])
		}
		dst = append(dst, '}')
	}
	return append(dst, '}')
}

// AppendSignal appends the message that carries a signal.
func AppendSignal(dst []byte, s *Signal) []byte {
	dst = append(dst, `{"type":"signal","channel":`...)
	dst = AppendString(dst, s.Channel)
	if s.Deleted {
		dst = append(dst, `,"deleted":true`...)
	} else {
		dst = AppendData(append(dst, ','), s.Data)
	}
	dst = appendText(dst, `,"conflate":`, s.Conflate)
	dst = appendText(dst, `,"user":`, s.User)
	dst = append(dst, `,"time":`...)
	dst = strconv.AppendInt(dst, s.Time, 10)
	return append(dst, '}')
}

// AppendReset appends the message that tells that publications of a channel
// were missed, and where it goes on. A wildcard has no position.
func AppendReset(dst []byte, channel, position, reason string) []byte {
	dst = append(dst, `{"type":"reset","channel":`...)
	dst = AppendString(dst, channel)
	dst = appendText(dst, `,"position":`, position)
	dst = append(dst, `,"reason":`...)
	dst = AppendString(dst, reason)
	return append(dst, '}')
}

// AppendSkipped appends the message that tells that a subscription which wants
// the latest only has left publications out, and where it goes on.
func AppendSkipped(dst []byte, channel, position string) []byte {
	dst = append(dst, `{"type":"skipped","channel":`...)
	dst = AppendString(dst, channel)
	dst = appendText(dst, `,"position":`, position)
	return append(dst, '}')
}

// AppendPositionMessage appends the message that tells that a subscription has
// moved on without a publication, because its filter left them out.
func AppendPositionMessage(dst []byte, channel, position string) []byte {
	dst = append(dst, `{"type":"position","channel":`...)
	dst = AppendString(dst, channel)
	dst = appendText(dst, `,"position":`, position)
	return append(dst, '}')
}

// AppendSubscribed appends the message that tells of a subscription that the
// client did not ask for with an id.
func AppendSubscribed(dst []byte, channel, position string, recovered bool) []byte {
	dst = append(dst, `{"type":"subscribed","channel":`...)
	dst = AppendString(dst, channel)
	dst = appendText(dst, `,"position":`, position)
	dst = append(dst, `,"recovered":`...)
	dst = strconv.AppendBool(dst, recovered)
	return append(dst, '}')
}

// AppendUnsubscribed appends the message that tells that the server has ended a
// subscription, and why.
func AppendUnsubscribed(dst []byte, channel string, why *Error) []byte {
	dst = append(dst, `{"type":"unsubscribed","channel":`...)
	dst = AppendString(dst, channel)
	if why != nil {
		dst = append(dst, `,"error":`...)
		dst = AppendError(dst, why)
	}
	return append(dst, '}')
}

// AppendSession appends the message that names the session to a client on a
// transport that does not carry its commands.
func AppendSession(dst []byte, session string) []byte {
	dst = append(dst, `{"type":"session","session":`...)
	return append(AppendString(dst, session), '}')
}

// AppendPing appends a heartbeat.
func AppendPing(dst []byte) []byte { return append(dst, `{"type":"ping"}`...) }

// AppendPong appends the answer to a client's ping.
func AppendPong(dst []byte) []byte { return append(dst, `{"type":"pong"}`...) }

// AppendDrain appends the message that asks the client to come back after so
// many milliseconds, because the server is going away.
func AppendDrain(dst []byte, afterMillis int64) []byte {
	dst = append(dst, `{"type":"drain","after":`...)
	dst = strconv.AppendInt(dst, afterMillis, 10)
	return append(dst, '}')
}

// AppendReply appends the reply to a command: result is JSON.
func AppendReply(dst, id, result []byte) []byte {
	dst = append(dst, `{"type":"reply","id":`...)
	dst = append(dst, id...)
	dst = append(dst, `,"result":`...)
	dst = append(dst, result...)
	return append(dst, '}')
}

// AppendRefusal appends the answer to a command that was refused: a reply if it
// had an id, and otherwise a message of its own.
func AppendRefusal(dst, id []byte, channel string, err *Error) []byte {
	if id != nil {
		dst = append(dst, `{"type":"reply","id":`...)
		dst = append(dst, id...)
	} else {
		dst = append(dst, `{"type":"error"`...)
		dst = appendText(dst, `,"channel":`, channel)
	}
	dst = append(dst, `,"error":`...)
	return append(AppendError(dst, err), '}')
}

// AppendError appends the object {"code","name","message","retry"}.
func AppendError(dst []byte, e *Error) []byte {
	dst = append(dst, `{"code":`...)
	dst = strconv.AppendInt(dst, int64(e.Code), 10)
	dst = append(dst, `,"name":`...)
	dst = AppendString(dst, e.Code.String())
	dst = append(dst, `,"message":`...)
	dst = AppendString(dst, e.Message)
	dst = append(dst, `,"retry":`...)
	dst = strconv.AppendBool(dst, e.Code.Retry())
	return append(dst, '}')
}

// Connected is the result of connect.
type Connected struct {
	Session    string
	User       string // "" of an anonymous client
	Ping       int64  // milliseconds between heartbeats; 0 when there are none
	MaxMessage int    // bytes
	Expires    int64  // milliseconds until the token expires; 0: it does not
}

// AppendConnected appends the result of connect.
func AppendConnected(dst []byte, c *Connected) []byte {
	dst = append(dst, `{"session":`...)
	dst = AppendString(dst, c.Session)
	dst = appendText(dst, `,"user":`, c.User)
	dst = append(dst, `,"ping":`...)
	dst = strconv.AppendInt(dst, c.Ping, 10)
	dst = append(dst, `,"maxMessage":`...)
	dst = strconv.AppendInt(dst, int64(c.MaxMessage), 10)
	dst = appendExpires(dst, c.Expires)
	return append(dst, '}')
}

// AppendRefreshed appends the result of refresh. The new token expires in so many
// milliseconds; 0: it does not.
func AppendRefreshed(dst []byte, user string, expires int64) []byte {
	dst = append(dst, `{"user":`...)
	dst = AppendString(dst, user)
	dst = appendExpires(dst, expires)
	return append(dst, '}')
}

func appendExpires(dst []byte, millis int64) []byte {
	if millis == 0 {
		return dst
	}
	return strconv.AppendInt(append(dst, `,"expires":`...), millis, 10)
}

// AppendCallResult appends the result of call: data is JSON, bytes, or empty for
// null.
func AppendCallResult(dst, data []byte) []byte {
	return append(AppendData(append(dst, '{'), data), '}')
}

// AppendSubscribeResult appends the result of subscribe.
func AppendSubscribeResult(dst []byte, position string, recovered bool) []byte {
	if position == "" {
		dst = append(dst, `{"recovered":`...)
	} else {
		dst = append(dst, `{"position":`...)
		dst = AppendString(dst, position)
		dst = append(dst, `,"recovered":`...)
	}
	dst = strconv.AppendBool(dst, recovered)
	return append(dst, '}')
}

// AppendPublishResult appends the result of publish.
func AppendPublishResult(dst []byte, offset uint64, position string, duplicate bool) []byte {
	dst = append(dst, `{"offset":`...)
	dst = strconv.AppendUint(dst, offset, 10)
	dst = appendText(dst, `,"position":`, position)
	dst = append(dst, `,"duplicate":`...)
	dst = strconv.AppendBool(dst, duplicate)
	return append(dst, '}')
}

// AppendHistoryResult appends the result of history.
func AppendHistoryResult(dst []byte, position string, publications []Publication, complete, more bool) []byte {
	dst = append(dst, `{"position":`...)
	dst = AppendString(dst, position)
	dst = append(dst, `,"publications":[`...)
	for i := range publications {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = AppendPublication(dst, &publications[i])
	}
	dst = append(dst, `],"complete":`...)
	dst = strconv.AppendBool(dst, complete)
	dst = append(dst, `,"more":`...)
	dst = strconv.AppendBool(dst, more)
	return append(dst, '}')
}

// appendText appends a field unless its text is empty.
func appendText(dst []byte, field, text string) []byte {
	if text == "" {
		return dst
	}
	return AppendString(append(dst, field...), text)
}
