package store

import (
	"crypto/sha256"
	"encoding/binary"
	"maps"
	"sync"
)

// ownerIDLen is the length of an owner in an entry. 128 bits of SHA-256 are
// enough to tell owners apart, also those that somebody chose.
const ownerIDLen = 16

func ownerID(owner string) string {
	sum := sha256.Sum256([]byte(owner))
	return string(sum[:ownerIDLen])
}

// index finds the entries of an owner: it holds the first, and the entries hold
// the others. Whoever calls link, unlink or replace holds the lock of the entry's
// shard; the index's own lock is always the inner one.
type index struct {
	slots  []uint16
	shards []indexShard
}

type indexShard struct {
	mu sync.Mutex
	// first is keyed by half of the owner's id, to be small. Should two owners
	// share it, they share a list, and keys tells them apart.
	first map[uint64]*entry
	peak  int // the largest size that the map has had
}

func newIndex(slots []uint16) index {
	return index{slots: slots, shards: make([]indexShard, shardCount)}
}

func (x *index) shardOf(owner string) (*indexShard, uint64) {
	id := []byte(owner)
	return &x.shards[x.slots[binary.LittleEndian.Uint64(id[8:])%slotCount]], binary.LittleEndian.Uint64(id)
}

func (x *index) link(e *entry) {
	s, id := x.shardOf(e.owner())
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.first == nil {
		s.first = make(map[uint64]*entry)
	}
	if e.next = s.first[id]; e.next != nil {
		e.next.prev = e
	}
	s.first[id] = e
	s.peak = max(s.peak, len(s.first))
}

func (x *index) unlink(e *entry) {
	s, id := x.shardOf(e.owner())
	s.mu.Lock()
	defer s.mu.Unlock()
	if e.next != nil {
		e.next.prev = e.prev
	}
	switch {
	case e.prev != nil:
		e.prev.next = e.next
	case e.next != nil:
		s.first[id] = e.next
	default:
		delete(s.first, id)
		s.shrink()
	}
	e.next, e.prev = nil, nil
}

// replace puts next where old was.
func (x *index) replace(old, next *entry) {
	s, id := x.shardOf(old.owner())
	s.mu.Lock()
	defer s.mu.Unlock()
	next.next, next.prev = old.next, old.prev
	if next.next != nil {
		next.next.prev = next
	}
	if next.prev != nil {
		next.prev.next = next
	} else {
		s.first[id] = next
	}
	old.next, old.prev = nil, nil
}

// keys returns the keys of an owner's entries, expired ones among them.
func (x *index) keys(owner string) []string {
	s, id := x.shardOf(owner)
	s.mu.Lock()
	defer s.mu.Unlock()
	var keys []string
	for e := s.first[id]; e != nil; e = e.next {
		if e.owner() == owner {
			keys = append(keys, e.key())
		}
	}
	return keys
}

// shrink is needed because Go's maps only grow.
func (s *indexShard) shrink() {
	if s.peak < shrinkFrom || len(s.first) > s.peak/4 {
		return
	}
	smaller := make(map[uint64]*entry, len(s.first))
	maps.Copy(smaller, s.first)
	s.first, s.peak = smaller, len(smaller)
}
