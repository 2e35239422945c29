package protocol

import (
	"encoding/json"
	"fmt"
)

// ParsePublication reads a message as [AppendPublication] writes it.
func ParsePublication(msg []byte) (Publication, error) {
	var m struct {
		Type    string            `json:"type"`
		Channel string            `json:"channel"`
		Offset  uint64            `json:"offset"`
		ID      string            `json:"id"`
		Data    json.RawMessage   `json:"data"`
		Data64  *string           `json:"data64"`
		Key     string            `json:"key"`
		User    string            `json:"user"`
		Time    int64             `json:"time"`
		Tags    map[string]string `json:"tags"`
	}
	if err := json.Unmarshal(msg, &m); err != nil {
		return Publication{}, fmt.Errorf("read a publication: %w", err)
	}
	if m.Type != "publication" {
		return Publication{}, fmt.Errorf("read a publication: it is a message of the type %q", clip(m.Type))
	}
	if err := data64(&m.Data, m.Data64); err != nil {
		return Publication{}, fmt.Errorf("read a publication: %w", err)
	}
	return Publication{m.Channel, m.Offset, m.ID, m.Data, m.Key, m.User, m.Time, m.Tags}, nil
}

// ParseSignal reads a message as [AppendSignal] writes it.
func ParseSignal(msg []byte) (Signal, error) {
	var m struct {
		Type     string          `json:"type"`
		Channel  string          `json:"channel"`
		Data     json.RawMessage `json:"data"`
		Data64   *string         `json:"data64"`
		Conflate string          `json:"conflate"`
		Deleted  bool            `json:"deleted"`
		User     string          `json:"user"`
		Time     int64           `json:"time"`
	}
	if err := json.Unmarshal(msg, &m); err != nil {
		return Signal{}, fmt.Errorf("read a signal: %w", err)
	}
	if m.Type != "signal" {
		return Signal{}, fmt.Errorf("read a signal: it is a message of the type %q", clip(m.Type))
	}
	if err := data64(&m.Data, m.Data64); err != nil {
		return Signal{}, fmt.Errorf("read a signal: %w", err)
	}
	return Signal{m.Channel, m.Data, m.Conflate, m.Deleted, m.User, m.Time}, nil
}

// data64 makes bytes of data if there is text for it.
func data64(data *json.RawMessage, text *string) error {
	if text == nil {
		return nil
	}
	b, err := ParseData64(*text)
	if err != nil {
		return err
	}
	*data = b
	return nil
}
