package store

import (
	"bytes"
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"
)

func TestMapsShrinkWhenMostIsGone(t *testing.T) {
	m := open(t)
	m.slots = make([]uint16, slotCount) // one shard for all, to have it large
	m.index.slots = m.slots
	ctx := t.Context()
	before := liveHeap()
	const many = 20_000
	for i := range many {
		if _, err := m.AddFor(ctx, fmt.Sprint("o", i), fmt.Sprint("k", i), nil, time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	full := liveHeap() - before
	for i := range many {
		if i%100 != 0 {
			if err := m.Delete(ctx, fmt.Sprint("k", i)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if left := liveHeap() - before; left > full/10 {
		t.Errorf("memory after 99 of 100 entries were deleted: got %d bytes of %d, want less than a tenth", left, full)
	}
	consistent(t, m)
	for i := 0; i < many; i += 100 {
		if _, err := m.Get(ctx, fmt.Sprint("k", i)); err != nil {
			t.Fatalf("Get of an entry that was not deleted: error %v, want none", err)
		}
		if list, err := m.ListFor(ctx, fmt.Sprint("o", i)); err != nil || len(list) != 1 {
			t.Fatalf("ListFor of an entry that was not deleted: got (%v, %v), want it alone", list, err)
		}
	}
}

func TestReplacedValuesAreFreed(t *testing.T) {
	m := open(t)
	ctx := t.Context()
	before := liveHeap()
	const many = 500
	large, small := bytes.Repeat([]byte{1}, MaxValueLen), []byte{1}
	for i := range many {
		key := fmt.Sprint("k", i)
		if _, err := m.AddFor(ctx, "o", key, large, time.Hour); err != nil {
			t.Fatal(err)
		}
		if i%2 == 0 {
			if done, err := m.Swap(ctx, key, large, small, time.Hour); !done || err != nil {
				t.Fatalf("Swap: got (%v, %v), want (true, <nil>)", done, err)
			}
		} else if err := m.Set(ctx, key, small, time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	if left := liveHeap() - before; left > many*MaxValueLen/4 {
		t.Errorf("memory after %d values of 16 KiB were replaced by one byte: got %d bytes more than before", many, left)
	}
	runtime.KeepAlive(m)
}

// Removing one of n entries of an owner by a walk through the others would take
// some hundred times as long as removing one of n owners' entries.
func TestRemovingOneOfManyEntriesOfAnOwnerIsNotAWalk(t *testing.T) {
	const many, tries, allowed = 30_000, 3, 6
	var one, each time.Duration
	for range tries { // the machine may have been busy with something else
		one = timeOfRemovals(t, many, func(int) string { return "o" })
		each = timeOfRemovals(t, many, func(i int) string { return fmt.Sprint("o", i) })
		if one < allowed*each {
			return
		}
	}
	t.Errorf("%d removals: got %v with one owner and %v with an owner for each, want at most %d times as long", many, one, each, allowed)
}

func timeOfRemovals(t *testing.T, many int, owner func(i int) string) time.Duration {
	t.Helper()
	m := open(t)
	keys := make([]string, many)
	for i := range keys {
		keys[i] = fmt.Sprint("k", i)
		if _, err := m.AddFor(t.Context(), owner(i), keys[i], nil, time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	start := time.Now()
	for i := range keys {
		if err := m.Delete(t.Context(), keys[(i*7919)%many]); err != nil {
			t.Fatal(err)
		}
	}
	took := time.Since(start)
	if m.Len() != 0 {
		t.Fatalf("Len: got %d, want 0", m.Len())
	}
	return took
}

func TestShrinkingLosesNothingThatWaitsForTheSweep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := open(t, WithSweepInterval(time.Hour))
		m.slots = make([]uint16, slotCount) // one shard for all, to have it large
		ctx := t.Context()
		const many = 8 * shrinkFrom
		for i := range many {
			ttl := 2 * time.Hour
			if i%8 == 0 {
				ttl = time.Second
			}
			if _, err := m.AddFor(ctx, "o", fmt.Sprint("k", i), nil, ttl); err != nil {
				t.Fatal(err)
			}
		}
		<-time.After(time.Second)
		for i := range many {
			if i%8 > 1 {
				if err := m.Delete(ctx, fmt.Sprint("k", i)); err != nil {
					t.Fatal(err)
				}
			}
		}
		if peak := m.shards[0].peak; peak >= many {
			t.Fatalf("peak: got %d, want the map to have been rebuilt", peak)
		}
		consistent(t, m)
		<-time.After(time.Hour)
		synctest.Wait()
		if m.Len() != many/8 {
			t.Errorf("Len after the sweep: got %d, want %d", m.Len(), many/8)
		}
		if list, err := m.ListFor(ctx, "o"); err != nil || len(list) != many/8 {
			t.Errorf("ListFor: got %d entries and %v, want %d", len(list), err, many/8)
		}
		consistent(t, m)
	})
}
