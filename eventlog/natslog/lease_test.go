package natslog_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/starling-rt/starling/eventlog"
	"github.com/starling-rt/starling/eventlog/natslog"
)

const (
	// ownerVariable has this program be an owner of a lease, in a process of its
	// own, on the servers that it names.
	ownerVariable = "NATSLOG_TEST_OWNER"
	ownerLease    = 2 * time.Second
	ownedDocument = "doc:1"
)

// ownerProcess owns a document, says so, and when it is told to writes once more
// with what it knew, and says what came of it.
func ownerProcess(urls string) {
	say := func(format string, args ...any) { fmt.Printf(format+"\n", args...) }
	ctx := context.Background()
	e, err := natslog.Open(ctx, natslog.Options{URLs: strings.Split(urls, ","), Prefix: os.Getenv("NATSLOG_TEST_PREFIX"), Logger: quiet()})
	if err != nil {
		say("open: %v", err)
		return
	}
	log := eventlog.New(e)
	lease, err := log.Leases().Acquire(ctx, ownedDocument, "first", ownerLease)
	if err != nil {
		say("acquire: %v", err)
		return
	}
	head, err := write(log, lease, 0)
	if err != nil {
		say("write: %v", err)
		return
	}
	say("owner %d until %d", lease.Token, lease.Until.UnixMilli())
	if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != nil {
		say("read: %v", err)
		return
	}
	_, wrote := write(log, lease, head)
	_, renewed := log.Leases().Renew(ctx, lease)
	say("late %v, conflict %v, lost %v", time.Now().After(lease.Until), errors.Is(wrote, eventlog.ErrConflict), errors.Is(renewed, eventlog.ErrLeaseLost))
}

// write appends what the owner of a document decided, if nobody has written since.
func write(log *eventlog.Log, lease eventlog.Lease, head uint64) (uint64, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	done, err := log.Append(ctx, eventlog.Append{
		Channel: ownedDocument, Expect: eventlog.At(head), Entries: []eventlog.Entry{{Data: fmt.Append(nil, lease.Token)}},
	})
	return done.Last.Offset, err
}

// scans tells whether a text is of a format, and reads it.
func scans(text, format string, into ...any) bool {
	_, err := fmt.Sscanf(text, format, into...)
	return err == nil
}

// An owner that hangs beyond its lease, and goes on without knowing, is refused: who
// owns the document by then has written to it.
func TestOwnerThatHangs(t *testing.T) {
	o := fresh(one)
	log := eventlog.New(open(t, o))
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), ownerVariable+"="+strings.Join(o.URLs, ","), "NATSLOG_TEST_PREFIX="+o.Prefix)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may be gone
		_ = cmd.Wait()         // it was killed
	})
	said := bufio.NewReader(out)
	hear := func() string {
		line, err := said.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(line)
	}
	var token, until int64
	if got := hear(); !scans(got, "owner %d until %d", &token, &until) || token != 1 {
		t.Fatalf("the first owner says %q", got)
	}
	signal := func(s syscall.Signal) {
		if err := cmd.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
	}
	signal(syscall.SIGSTOP)
	var lease eventlog.Lease
	eventually(t, time.Minute, "the lease is free", func() bool {
		lease, err = log.Leases().Acquire(t.Context(), ownedDocument, "second", time.Minute)
		if !errors.Is(err, eventlog.ErrLeaseHeld) && time.Now().UnixMilli() < until {
			t.Errorf("while the first may still write: got %v, want that it is held", err)
		}
		return err == nil
	})
	if lease.Token <= 1 {
		t.Errorf("the second owner has the token %d, not a higher one than the first", lease.Token)
	}
	head, err := log.Head(t.Context(), ownedDocument)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := write(log, lease, head.Offset); err != nil {
		t.Fatalf("the second owner writes: %v", err)
	}
	signal(syscall.SIGCONT)
	if _, err := io.WriteString(in, "write\n"); err != nil {
		t.Fatal(err)
	}
	if got := hear(); got != "late true, conflict true, lost true" {
		t.Errorf("the first owner says %q", got)
	}
	page, err := log.Read(t.Context(), ownedDocument, 0, eventlog.Limit{})
	if err != nil {
		t.Fatal(err)
	}
	var tokens []string
	for i := range page.Records {
		tokens = append(tokens, string(page.Records[i].Data))
	}
	if got := strings.Join(tokens, " "); got != fmt.Sprint("1 ", lease.Token) {
		t.Errorf("the document was written under the tokens %s", got)
	}
}

// Owners on two nodes contend for a document and write to it: their tokens only
// grow, and nobody has another's.
func TestOwnersThatContend(t *testing.T) {
	o := fresh(one)
	const turns = 5
	var all sync.WaitGroup
	for i := range 4 {
		log := eventlog.New(open(t, o))
		all.Go(func() {
			for n := 0; n < turns; {
				lease, err := log.Leases().Acquire(t.Context(), ownedDocument, fmt.Sprint("owner-", i), 30*time.Second)
				if errors.Is(err, eventlog.ErrLeaseHeld) {
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				head, err := log.Head(t.Context(), ownedDocument)
				if err == nil {
					_, err = write(log, lease, head.Offset)
				}
				if err != nil {
					t.Errorf("the owner writes: %v", err)
				}
				if err := log.Leases().Release(t.Context(), lease); err != nil {
					t.Error(err)
				}
				n++
			}
		})
	}
	all.Wait()
	page, err := eventlog.New(open(t, o)).Read(t.Context(), ownedDocument, 0, eventlog.Limit{})
	if err != nil {
		t.Fatal(err)
	}
	last := uint64(0)
	for i := range page.Records {
		var token uint64
		if _, err := fmt.Sscan(string(page.Records[i].Data), &token); err != nil || token <= last {
			t.Errorf("token %s comes after %d", page.Records[i].Data, last)
		}
		last = token
	}
	if len(page.Records) != 4*turns {
		t.Errorf("%d were written, want %d", len(page.Records), 4*turns)
	}
}
