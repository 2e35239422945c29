package auth

import (
	"container/list"
	"crypto/sha256"
	"sync"
	"time"
)

// digest stands for a token in the cache, which holds no token.
type digest = [sha256.Size]byte

// entry is a token that was verified.
type entry struct {
	sum   digest
	who   *Identity
	key   *key      // that verified it
	until time.Time // when it ends, with leeway; zero: it does not
	cost  int       // bytes, about
}

const shards = 16

// cache keeps verified tokens, the most recently used, within a number of bytes.
type cache struct{ shards [shards]shard }

type shard struct {
	mu      sync.Mutex // guards the following
	entries map[digest]*list.Element
	order   list.List // of *entry, the most recently used first
	room    int       // bytes
}

// newCache returns a cache of so many bytes, or nil, which keeps nothing.
func newCache(bytes int) *cache {
	if bytes <= 0 {
		return nil
	}
	c := &cache{}
	for i := range c.shards {
		c.shards[i].entries = map[digest]*list.Element{}
		c.shards[i].room = bytes / shards
	}
	return c
}

// get returns the entry of a token that holds at now, or nil.
func (c *cache) get(sum digest, now time.Time) *entry {
	if c == nil {
		return nil
	}
	s := &c.shards[sum[0]%shards]
	s.mu.Lock()
	defer s.mu.Unlock()
	el := s.entries[sum]
	if el == nil {
		return nil
	}
	e := el.Value.(*entry)
	if e.key.retired.Load() || !e.until.IsZero() && !now.Before(e.until) {
		s.remove(el)
		return nil
	}
	s.order.MoveToFront(el)
	return e
}

// put keeps an entry, and drops the least recently used for it.
func (c *cache) put(e *entry) {
	if c == nil {
		return
	}
	s := &c.shards[e.sum[0]%shards]
	s.mu.Lock()
	defer s.mu.Unlock()
	if el := s.entries[e.sum]; el != nil {
		s.remove(el)
	}
	s.entries[e.sum] = s.order.PushFront(e)
	for s.room -= e.cost; s.room < 0; {
		s.remove(s.order.Back())
	}
}

func (c *cache) drop(sum digest) {
	if c == nil {
		return
	}
	s := &c.shards[sum[0]%shards]
	s.mu.Lock()
	defer s.mu.Unlock()
	if el := s.entries[sum]; el != nil {
		s.remove(el)
	}
}

func (s *shard) remove(el *list.Element) {
	e := s.order.Remove(el).(*entry)
	delete(s.entries, e.sum)
	s.room += e.cost
}
