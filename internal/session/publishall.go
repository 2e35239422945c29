package session

import (
	"context"
	"sync"

	"github.com/starling-rt/starling/eventlog"
	"github.com/starling-rt/starling/protocol"
)

const (
	// maxWindow bounds the bytes of data that PublishAll has wait for the log at
	// once, and maxKinds the kinds that it asks at once.
	maxWindow = 8 << 20
	maxKinds  = 16
)

// Outcome is what came of a publication.
type Outcome struct {
	Appended eventlog.Appended
	Err      *protocol.Error
}

// PublishAll is Publish for several, which are stored together where the log can do
// that, and those of one channel in their order. If ctx ends first, what is not
// stored yet may be stored or not.
func (sv *Server) PublishAll(ctx context.Context, all []*Publishing) []Outcome {
	out := make([]Outcome, len(all))
	kinded := map[string][]int{} // by channel
	var plain []int
	for i, p := range all {
		if sv.kind(p.Channel) != nil {
			kinded[p.Channel] = append(kinded[p.Channel], i)
		} else {
			plain = append(plain, i)
		}
	}
	var wg sync.WaitGroup
	slots := make(chan struct{}, maxKinds)
	for _, places := range kinded {
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			for _, i := range places {
				out[i].Appended, out[i].Err = sv.Publish(ctx, all[i])
			}
		})
	}
	sv.appendAll(ctx, all, plain, out)
	wg.Wait()
	return out
}

// appendAll appends those of the publications that stand at places.
func (sv *Server) appendAll(ctx context.Context, all []*Publishing, places []int, out []Outcome) {
	type result struct {
		place    int
		appended eventlog.Appended
		err      error
	}
	results := make(chan result, len(places))
	waiting, bytes := 0, 0
	settle := func() bool {
		select {
		case r := <-results:
			waiting, bytes = waiting-1, bytes-len(all[r.place].Data)
			out[r.place].Appended = r.appended
			out[r.place].Err = nil
			if r.err != nil {
				out[r.place].Err = sv.Explain(r.err)
			}
			return true
		case <-ctx.Done():
			return false
		}
	}
	late := protocol.Errorf(protocol.UnknownResult, "It is not known whether it was stored. Try again with the same key.")
	for n, i := range places {
		for waiting > 0 && bytes+len(all[i].Data) > maxWindow {
			if !settle() {
				for _, rest := range places[n:] {
					out[rest].Err = protocol.Errorf(protocol.Unavailable, "The request has ended; nothing was stored. Try again.")
				}
				return
			}
		}
		waiting, bytes = waiting+1, bytes+len(all[i].Data)
		out[i].Err = late // until it is known
		span := sv.trace(ctx, "publish", all[i].Channel)
		inner := sv.trace(span.Within(ctx), "append", all[i].Channel)
		sv.conf.Log.AppendAsync(all[i].append(), func(a eventlog.Appended, err error) {
			inner.End(err)
			span.End(err)
			results <- result{i, a, err}
		})
	}
	for waiting > 0 && settle() {
	}
}
