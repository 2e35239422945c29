package app

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/starling-rt/starling"
)

// File is the configuration file, in JSON:
//
//	{
//	  "namespaces": {
//	    "chat":  {"maxRecords": 100000, "maxAge": "720h", "users": ["subscribe", "publish", "history"]},
//	    "ticks": {"memory": true, "interval": "50ms", "anonymous": ["subscribe"]},
//	    "":      {"anonymous": []}
//	  }
//	}
//
// Durations are written as 300ms, 10s, 24h.
type File struct {
	Namespaces map[string]FileNamespace `json:"namespaces"`
}

// FileNamespace is a [starling.Namespace] as it stands in the file.
type FileNamespace struct {
	MaxRecords int             `json:"maxRecords"`
	MaxBytes   int64           `json:"maxBytes"`
	MaxAge     duration        `json:"maxAge"`
	Memory     bool            `json:"memory"`
	KeyWindow  duration        `json:"keyWindow"`
	Interval   duration        `json:"interval"`
	MaxSlots   int             `json:"maxSlots"`
	SlotTTL    duration        `json:"slotTTL"`
	Anonymous  []starling.Verb `json:"anonymous"`
	Users      []starling.Verb `json:"users"`
}

type duration time.Duration

// UnmarshalJSON reads "10s" and the like.
func (d *duration) UnmarshalJSON(raw []byte) error {
	var text string
	if err := json.Unmarshal(raw, &text); err != nil {
		return fmt.Errorf("%s is not a duration such as \"10s\"", raw)
	}
	v, err := time.ParseDuration(text)
	if err != nil {
		return fmt.Errorf("%q is not a duration such as \"10s\"", text)
	}
	*d = duration(v)
	return nil
}

// ReadFile reads a configuration file. Errors name the line.
func ReadFile(name string) (*File, error) {
	raw, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	f := &File{}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(f); err != nil {
		at := dec.InputOffset()
		var syntax *json.SyntaxError
		var kind *json.UnmarshalTypeError
		switch {
		case errors.As(err, &syntax):
			at = syntax.Offset
		case errors.As(err, &kind):
			at = kind.Offset
		}
		line := 1 + bytes.Count(raw[:min(int(at), len(raw))], []byte("\n"))
		return nil, fmt.Errorf("%s, line %d: %w", name, line, err)
	}
	return f, nil
}

func (f *File) namespaces() starling.Namespaces {
	all := starling.Namespaces{}
	for name, n := range f.Namespaces {
		all[name] = starling.Namespace{
			MaxRecords: n.MaxRecords, MaxBytes: n.MaxBytes, MaxAge: time.Duration(n.MaxAge), Memory: n.Memory,
			KeyWindow: time.Duration(n.KeyWindow), Interval: time.Duration(n.Interval), MaxSlots: n.MaxSlots,
			SlotTTL: time.Duration(n.SlotTTL), Anonymous: n.Anonymous, Users: n.Users,
		}
	}
	return all
}
