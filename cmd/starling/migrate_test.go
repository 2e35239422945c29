package main_test

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/starling-rt/starling/client"
	"github.com/starling-rt/starling/eventlog"
	"github.com/starling-rt/starling/eventlog/natslog"
	"github.com/starling-rt/starling/eventlog/pebblelog"
	"github.com/starling-rt/starling/internal/natstest"
	"github.com/starling-rt/starling/protocol"
)

// A migration that is killed goes on when it is started again, and a node on NATS
// has then what the directory had.
func TestMigrateKilledInTheMiddle(t *testing.T) {
	const n, keys = 300, 300
	p := newProcess(t)
	e, err := pebblelog.Open(p.dir, pebblelog.Options{})
	if err != nil {
		t.Fatal(err)
	}
	log := eventlog.New(e)
	var stored sync.WaitGroup
	for i := range n {
		a := eventlog.Append{Channel: "moved", Entries: []eventlog.Entry{{Data: fmt.Append(nil, i)}}}
		if i%3 == 0 {
			a.Key, a.User = fmt.Sprint("key-", i), "ann"
		}
		stored.Add(1)
		log.AppendAsync(a, func(_ eventlog.Appended, err error) {
			if err != nil {
				t.Errorf("append: %v", err)
			}
			stored.Done()
		})
	}
	stored.Wait()
	for i := range keys {
		if _, err := log.KV().Put(t.Context(), fmt.Sprintf("kept/%03d", i), fmt.Append(nil, i), eventlog.PutOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	want, err := log.Read(t.Context(), "moved", 0, eventlog.Limit{Records: 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	c := natstest.Start(t, 1, natstest.Options{})
	command := func() *exec.Cmd { return exec.Command(p.bin, "migrate", "--from", p.dir, "--to", c.URLs()) }
	to, err := natslog.Open(t.Context(), natslog.Options{URLs: strings.Split(c.URLs(), ",")})
	if err != nil {
		t.Fatal(err)
	}
	defer to.Close()
	copied := func() int {
		page, err := to.Read(t.Context(), "moved", 0, eventlog.Limit{Records: n})
		if err != nil {
			t.Fatal(err)
		}
		return len(page.Records)
	}
	moved := func() int {
		items, err := to.KV().List(t.Context(), "kept/", "", keys)
		if err != nil {
			t.Fatal(err)
		}
		return len(items)
	}
	// It is killed among the records, and then among the keys.
	for _, some := range []func() int{copied, moved} {
		cut := command()
		if err := cut.Start(); err != nil {
			t.Fatal(err)
		}
		soon(t, "something is copied", func() bool { return some() > 0 })
		_ = cut.Process.Kill()
		if err := cut.Wait(); err == nil {
			t.Fatal("it ended before it was killed")
		}
		t.Logf("%d of %d records and %d of %d keys were there when it was killed", copied(), n, moved(), keys)
	}
	out, err := command().CombinedOutput()
	if err != nil {
		t.Fatalf("migrate: %v\n%s", err, out)
	}
	if said := fmt.Sprintf("1 channels, %d records, %d keys", n, keys); !strings.Contains(string(out), said) {
		t.Errorf("it says %s, want %s", out, said)
	}
	if got := moved(); got != keys {
		t.Errorf("%d keys are there, want %d", got, keys)
	}
	node := onNATS(t, c, "a")
	api, err := client.New(client.Options{URL: node.url()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var all []protocol.Publication
	for pub, err := range api.History(ctx, "moved", "") {
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(len(all)); string(pub.Data) != got {
			t.Fatalf("publication %d is %s", len(all), pub.Data)
		}
		all = append(all, pub)
	}
	if len(all) != n || all[0].ID != want.Records[0].ID {
		t.Errorf("%d publications, the first is %q, want %d and %q", len(all), all[0].ID, n, want.Records[0].ID)
	}
}
