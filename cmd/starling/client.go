package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/starling-rt/starling/internal/client"
	"github.com/starling-rt/starling/protocol"
)

// target is the server that a tool speaks to.
type target struct {
	URL    string `help:"The server." default:"http://localhost:8080" placeholder:"URL"`
	APIKey string `help:"A key of its HTTP API." placeholder:"KEY"`
}

func (t *target) http() *client.HTTP { return &client.HTTP{URL: t.URL, Key: t.APIKey} }

// publishCmd is starling publish.
type publishCmd struct {
	target  `embed:""`
	Channel string `arg:"" help:"The channel."`
	Data    string `arg:"" help:"JSON, or - to read it from the standard input. What is not JSON is sent as a text."`
	Key     string `help:"Idempotency key." placeholder:"TEXT"`
}

// Run runs the command.
func (c *publishCmd) Run(ctx context.Context) error {
	data := []byte(c.Data)
	if c.Data == "-" {
		var err error
		if data, err = io.ReadAll(io.LimitReader(os.Stdin, protocol.MaxMessageBytes)); err != nil {
			return err
		}
	}
	if !json.Valid(data) {
		data = protocol.AppendString(nil, string(data))
	}
	answer, err := c.http().Publish(ctx, c.Channel, data, c.Key)
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(answer)
	return err
}

// historyCmd is starling history.
type historyCmd struct {
	target  `embed:""`
	Channel string `arg:"" help:"The channel."`
	Since   string `help:"Begin after this position instead of at the oldest." placeholder:"POSITION"`
	Limit   int    `help:"At most so many; 0 is all." default:"0"`
}

// Run runs the command.
func (c *historyCmd) Run(ctx context.Context) error {
	since := c.Since
	for left := c.Limit; ; {
		limit := protocol.MaxHistoryLimit
		if c.Limit > 0 {
			limit = min(limit, left)
		}
		page, err := c.http().History(ctx, c.Channel, since, limit)
		if err != nil {
			return err
		}
		for _, p := range page.Publications {
			fmt.Println(string(p))
		}
		since, left = page.Position, left-len(page.Publications)
		if !page.More || c.Limit > 0 && left <= 0 {
			return nil
		}
	}
}

// subscribeCmd is starling subscribe.
type subscribeCmd struct {
	target  `embed:""`
	Channel string `arg:"" help:"The channel, or a wildcard such as chat:*."`
	Since   string `help:"Resume after this position; 0 begins at the oldest that is kept." placeholder:"POSITION"`
}

// Run follows the channel, and comes back when the connection breaks, without
// loss.
func (c *subscribeCmd) Run(ctx context.Context) error {
	f := &follower{channel: c.Channel, since: c.Since}
	if c.Since == "0" {
		page, err := c.http().History(ctx, c.Channel, "", 1)
		if err != nil {
			return err
		}
		if len(page.Publications) > 0 {
			fmt.Println(string(page.Publications[0]))
		}
		f.since = page.Position
	}
	for wait := time.Duration(0); ; {
		err := f.follow(ctx, c.URL)
		if ctx.Err() != nil {
			return nil
		}
		if f.refused != nil {
			return f.refused
		}
		if f.heard {
			wait = 0
		}
		f.heard = false
		wait = min(max(2*wait, 500*time.Millisecond), 20*time.Second)
		fmt.Fprintf(os.Stderr, "starling: %v; again in %v\n", err, wait)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil
		}
	}
}

// follower is where a subscription stands.
type follower struct {
	channel string
	since   string
	offset  uint64 // of the last publication since the position was given
	heard   bool
	refused error
}

func (f *follower) follow(ctx context.Context, url string) error {
	conn, err := client.Dial(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	cmd, err := json.Marshal(map[string]any{"type": "subscribe", "id": 1, "channel": f.channel, "since": f.since, "offset": f.offset})
	if err != nil {
		return err
	}
	if err := conn.Write(cmd); err != nil {
		return err
	}
	for {
		raw, err := conn.Read()
		if err != nil {
			return err
		}
		f.heard = true
		if err := f.take(raw); err != nil {
			return err
		}
	}
}

func (f *follower) take(raw []byte) error {
	var m struct {
		Type     string        `json:"type"`
		Offset   uint64        `json:"offset"`
		Position string        `json:"position"`
		Error    *client.Error `json:"error"`
		Result   struct {
			Position  string `json:"position"`
			Recovered bool   `json:"recovered"`
		} `json:"result"`
	}
	if err := json.Unmarshal(raw, &m); err != nil {
		return err
	}
	switch {
	case m.Error != nil && !m.Error.Retry:
		f.refused = m.Error
		return m.Error
	case m.Error != nil:
		return m.Error
	case m.Type == "reply":
		if f.since != "" && !m.Result.Recovered {
			fmt.Fprintln(os.Stderr, "starling: publications were missed; this goes on live")
		}
		if !m.Result.Recovered {
			f.offset = 0
		}
		f.since = m.Result.Position
	case m.Type == "publication":
		fmt.Println(string(raw))
		f.offset = m.Offset
	case m.Type == "reset":
		fmt.Fprintln(os.Stderr, "starling:", string(raw))
		f.since, f.offset = m.Position, 0
	case m.Type == "position", m.Type == "skipped":
		f.since, f.offset = m.Position, 0
	}
	return nil
}
