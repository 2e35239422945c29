package auth

import (
	"crypto/sha256"
	"fmt"
	"sync"
	"testing"
	"time"
)

func TestCacheIsBounded(t *testing.T) {
	const bytes = 160_000
	c, k, now := newCache(bytes), &key{}, time.Now()
	for i := range 10_000 {
		c.put(&entry{sum: sha256.Sum256(fmt.Append(nil, i)), who: &Identity{}, key: k, cost: 500 + i%2000})
	}
	kept, cost := 0, 0
	for i := range c.shards {
		s := &c.shards[i]
		if s.room < 0 || s.order.Len() != len(s.entries) {
			t.Errorf("shard %d has room %d, %d in order and %d entries", i, s.room, s.order.Len(), len(s.entries))
		}
		kept += len(s.entries)
		for el := s.order.Front(); el != nil; el = el.Next() {
			cost += el.Value.(*entry).cost
		}
	}
	if cost > bytes || kept < bytes/2500/2 {
		t.Errorf("it keeps %d entries of %d bytes, and has room for %d", kept, cost, bytes)
	}
	if c.get(sha256.Sum256(fmt.Append(nil, 9_999)), now) == nil {
		t.Error("the newest entry is gone")
	}
	c.put(&entry{sum: digest{1}, key: k, cost: bytes})
	if c.get(digest{1}, now) != nil {
		t.Error("an entry that is larger than a shard is kept")
	}
}

func TestCacheKeepsWhatIsUsed(t *testing.T) {
	c, k, now := newCache(shards*3), &key{}, time.Now()
	sum := func(i byte) digest { return digest{0, i} }
	for i := range byte(3) {
		c.put(&entry{sum: sum(i), key: k, cost: 1})
	}
	c.get(sum(0), now)
	c.put(&entry{sum: sum(3), key: k, cost: 1})
	for i, want := range []bool{true, false, true, true} {
		if got := c.get(sum(byte(i)), now) != nil; got != want {
			t.Errorf("entry %d: got %v, want %v", i, got, want)
		}
	}
	c.put(&entry{sum: sum(3), key: k, cost: 1}) // again
	if s := &c.shards[0]; s.room != 0 || len(s.entries) != 3 {
		t.Errorf("after the same entry again there is room %d, and %d entries", s.room, len(s.entries))
	}
}

func TestCacheForgets(t *testing.T) {
	c, k, now := newCache(1<<20), &key{}, time.Now()
	e := &entry{sum: digest{1}, key: k, until: now.Add(time.Minute), cost: 1}
	c.put(e)
	if c.get(e.sum, now.Add(time.Minute-1)) != e {
		t.Error("it is gone before its time")
	}
	if c.get(e.sum, now.Add(time.Minute)) != nil {
		t.Error("it is there after its time")
	}
	c.put(e)
	k.retired.Store(true)
	if c.get(e.sum, now) != nil {
		t.Error("it outlived its key")
	}
	if c.get(e.sum, now) != nil || len(c.shards[1].entries) != 0 {
		t.Error("it is still kept")
	}
	var none *cache
	none.put(e)
	none.drop(e.sum)
	if none.get(e.sum, now) != nil {
		t.Error("no cache keeps something")
	}
}

func TestCacheConcurrently(t *testing.T) {
	c, k, now := newCache(shards*1000), &key{}, time.Now()
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 2000 {
				sum := sha256.Sum256(fmt.Append(nil, i%200))
				switch (i + g) % 3 {
				case 0:
					c.put(&entry{sum: sum, key: k, cost: 100})
				case 1:
					if e := c.get(sum, now); e != nil && e.sum != sum {
						t.Error("got the entry of another token")
					}
				case 2:
					c.drop(sum)
				}
			}
		})
	}
	wg.Wait()
}
