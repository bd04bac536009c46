package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestAFullStoreRefusesNewKeysAndNothingElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := open(t, WithMaxEntries(2))
		ctx := t.Context()
		if err := m.Set(ctx, "a", []byte("1"), time.Hour); err != nil {
			t.Fatal(err)
		}
		if done, err := m.AddFor(ctx, "o", "b", []byte("1"), time.Hour); !done || err != nil {
			t.Fatalf("AddFor up to the limit: got (%v, %v), want (true, <nil>)", done, err)
		}
		if err := m.Set(ctx, "c", nil, time.Hour); !errors.Is(err, ErrFull) {
			t.Errorf("Set of a new key: got error %v, want ErrFull", err)
		}
		if done, err := m.Add(ctx, "c", nil, time.Hour); done || !errors.Is(err, ErrFull) {
			t.Errorf("Add of a new key: got (%v, %v), want (false, ErrFull)", done, err)
		}
		if done, err := m.AddFor(ctx, "o", "c", nil, time.Hour); done || !errors.Is(err, ErrFull) {
			t.Errorf("AddFor of a new key: got (%v, %v), want (false, ErrFull)", done, err)
		}
		if done, err := m.Add(ctx, "a", nil, time.Hour); done || err != nil {
			t.Errorf("Add of a key that is there: got (%v, %v), want (false, <nil>)", done, err)
		}
		if err := m.Set(ctx, "a", []byte("2"), time.Hour); err != nil {
			t.Errorf("Set of a key that is there: error %v, want none", err)
		}
		if done, err := m.Swap(ctx, "b", []byte("1"), []byte("2"), time.Hour); !done || err != nil {
			t.Errorf("Swap: got (%v, %v), want (true, <nil>)", done, err)
		}
		for _, key := range []string{"a", "b"} {
			if got, err := m.Get(ctx, key); err != nil || string(got) != "2" {
				t.Errorf("Get of %s in a full store: got (%q, %v), want (\"2\", <nil>)", key, got, err)
			}
		}
		consistent(t, m)
		if err := m.Delete(ctx, "a"); err != nil {
			t.Fatal(err)
		}
		if done, err := m.Add(ctx, "c", nil, time.Hour); !done || err != nil {
			t.Errorf("Add after a Delete made room: got (%v, %v), want (true, <nil>)", done, err)
		}
	})
}

func TestAnExpiredKeyCanBeTakenAgainInAFullStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := open(t, WithMaxEntries(1), WithSweepInterval(time.Hour))
		for range 3 {
			if done, err := m.Add(t.Context(), "k", nil, time.Second); !done || err != nil {
				t.Fatalf("Add: got (%v, %v), want (true, <nil>)", done, err)
			}
			<-time.After(2 * time.Second)
		}
	})
}

func TestAFullStoreSweepsEarlyAndNotAllTheTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := open(t, WithMaxEntries(1), WithSweepInterval(time.Hour))
		refused := func(key string) {
			t.Helper()
			if err := m.Set(t.Context(), key, nil, time.Millisecond); !errors.Is(err, ErrFull) {
				t.Fatalf("Set of a new key: got error %v, want ErrFull", err)
			}
			synctest.Wait()
		}
		if err := m.Set(t.Context(), "a", nil, time.Millisecond); err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Millisecond)
		refused("b") // asks for the sweep
		if err := m.Set(t.Context(), "b", nil, time.Millisecond); err != nil {
			t.Errorf("Set after the early sweep: error %v, want none", err)
		}
		<-time.After(time.Millisecond)
		refused("c")
		refused("c") // less than a second since the last sweep
		<-time.After(time.Second)
		refused("c")
		if err := m.Set(t.Context(), "c", nil, time.Millisecond); err != nil {
			t.Errorf("Set after the next early sweep: error %v, want none", err)
		}
	})
}

func TestParallelWritesNeverExceedTheLimit(t *testing.T) {
	m := open(t, WithMaxEntries(100))
	var stored atomic.Int64
	var wg sync.WaitGroup
	for caller := range 4 {
		wg.Go(func() {
			for i := range 100 {
				done, err := m.Add(t.Context(), fmt.Sprintf("k:%d:%d", caller, i), nil, time.Hour)
				if done {
					stored.Add(1)
				} else if !errors.Is(err, ErrFull) {
					t.Errorf("Add: got (%v, %v), want true or ErrFull", done, err)
				}
			}
		})
	}
	wg.Wait()
	if stored.Load() != 100 || m.Len() != 100 {
		t.Errorf("got %d successful Adds and Len %d, want 100 of both", stored.Load(), m.Len())
	}
}

func TestWrongOptionsPanic(t *testing.T) {
	for name, make := range map[string]func(){
		"negative limit":    func() { WithMaxEntries(-1) },
		"no interval":       func() { WithSweepInterval(0) },
		"negative interval": func() { WithSweepInterval(-time.Second) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("got no panic, want one that names the option")
				}
			}()
			make()
		})
	}
}

func TestAClosedStoreAnswersErrClosed(t *testing.T) {
	m := NewMemory()
	ctx := t.Context()
	if done, err := m.AddFor(ctx, "o", "k", nil, time.Hour); !done || err != nil {
		t.Fatalf("AddFor: got (%v, %v), want (true, <nil>)", done, err)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if err := m.Close(); err != nil {
				t.Errorf("Close: error %v, want none", err)
			}
			select {
			case <-m.stopped:
			default:
				t.Error("Close returned before the sweeper had ended")
			}
		})
	}
	wg.Wait()
	_, get := m.Get(ctx, "k")
	_, getString := m.GetString(ctx, "k")
	_, add := m.Add(ctx, "k", nil, time.Hour)
	_, addFor := m.AddFor(ctx, "o", "k", nil, time.Hour)
	_, swap := m.Swap(ctx, "k", nil, nil, time.Hour)
	_, list := m.ListFor(ctx, "o")
	for verb, err := range map[string]error{
		"Get": get, "GetString": getString, "Set": m.Set(ctx, "k", nil, time.Hour), "Add": add, "AddFor": addFor,
		"Swap": swap, "Delete": m.Delete(ctx, "k"), "ListFor": list, "DeleteFor": m.DeleteFor(ctx, "o"),
	} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("%s: got error %v, want ErrClosed", verb, err)
		}
	}
}

func TestGetStringIsGet(t *testing.T) {
	m := open(t)
	ctx, cancel := context.WithCancel(t.Context())
	if err := m.Set(ctx, "k", []byte("value"), time.Hour); err != nil {
		t.Fatal(err)
	}
	if got, err := m.GetString(ctx, "k"); got != "value" || err != nil {
		t.Errorf("got (%q, %v), want (\"value\", <nil>)", got, err)
	}
	if got, err := m.GetString(ctx, "absent"); got != "" || !errors.Is(err, ErrNotFound) {
		t.Errorf("of an absent key: got (%q, %v), want (\"\", ErrNotFound)", got, err)
	}
	cancel()
	if got, err := m.GetString(ctx, "k"); got != "" || !errors.Is(err, context.Canceled) {
		t.Errorf("with a cancelled context: got (%q, %v), want (\"\", context.Canceled)", got, err)
	}
}

func TestDeleteForStopsWithItsContext(t *testing.T) {
	m := open(t)
	for i := range 3 {
		if _, err := m.AddFor(t.Context(), "o", fmt.Sprint("k", i), nil, time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	// The context ends after DeleteFor has looked at it once.
	ctx := &endingContext{Context: t.Context()}
	if err := m.DeleteFor(ctx, "o"); !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v, want context.Canceled", err)
	}
	consistent(t, m)
}

type endingContext struct {
	context.Context
	asked int
}

func (c *endingContext) Err() error {
	if c.asked++; c.asked > 2 {
		return context.Canceled
	}
	return nil
}

func TestSetKeepsTheOwnerOfALiveEntryAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := open(t)
		ctx := t.Context()
		if _, err := m.AddFor(ctx, "o", "k", []byte("1"), time.Second); err != nil {
			t.Fatal(err)
		}
		if err := m.Set(ctx, "k", []byte("2"), time.Second); err != nil {
			t.Fatal(err)
		}
		if list, err := m.ListFor(ctx, "o"); err != nil || len(list) != 1 || string(list[0].Value) != "2" {
			t.Errorf("ListFor after Set: got (%v, %v), want the new value", list, err)
		}
		consistent(t, m)
		<-time.After(time.Second)
		if err := m.Set(ctx, "k", []byte("3"), time.Hour); err != nil {
			t.Fatal(err)
		}
		if list, err := m.ListFor(ctx, "o"); err != nil || len(list) != 0 {
			t.Errorf("ListFor after the entry expired and was set again: got (%v, %v), want none", list, err)
		}
		consistent(t, m)
	})
}

func TestGetCostsOneAllocation(t *testing.T) {
	m := open(t)
	if err := m.Set(t.Context(), "k", benchSession, time.Hour); err != nil {
		t.Fatal(err)
	}
	var got []byte
	n := testing.AllocsPerRun(100, func() { got, _ = m.Get(benchCtx, "k") })
	if n > 1 || !bytes.Equal(got, benchSession) {
		t.Errorf("got %v allocations, want the returned copy alone", n)
	}
}

func TestShardsShareTheKeysSmoothly(t *testing.T) {
	shards := make([]int, shardCount)
	for _, s := range skewed() {
		shards[s]++
	}
	for i, n := range shards {
		if least := slotCount / shardCount / 2; n < least || n > 4*least {
			t.Errorf("shard %d: got %d slots, want %d to %d", i, n, least, 4*least)
		}
	}
	if shards[0] < shards[shardCount-1]*3/2 {
		t.Errorf("got %d slots for the first and %d for the last shard, want about twice as many", shards[0], shards[shardCount-1])
	}
}

func TestOwnersThatShareAListAreToldApart(t *testing.T) {
	m := open(t)
	one, other := "12345678aaaaaaaa", "12345678aabbbbbb" // ids of one shard and one list
	for i, owner := range []string{one, other, one, other} {
		key := fmt.Sprint("k", i)
		s := m.shardOf(key)
		s.mu.Lock()
		if err := s.insert(owner, key, nil, time.Hour); err != nil {
			t.Fatal(err)
		}
		s.mu.Unlock()
	}
	consistent(t, m)
	for owner, want := range map[string][]string{one: {"k0", "k2"}, other: {"k1", "k3"}} {
		got := m.index.keys(owner)
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("keys of %s: got %v, want %v", owner, got, want)
		}
	}
	// As by a DeleteFor whose list was read before the key changed hands.
	m.shardOf("k1").removeFor(one, "k1")
	if _, err := m.Get(t.Context(), "k1"); err != nil {
		t.Errorf("Get of an entry after its removal for another owner: error %v, want none", err)
	}
	m.shardOf("k1").removeFor(other, "k1")
	if _, err := m.Get(t.Context(), "k1"); err != ErrNotFound {
		t.Errorf("Get after the removal for its owner: error %v, want ErrNotFound", err)
	}
	consistent(t, m)
}
