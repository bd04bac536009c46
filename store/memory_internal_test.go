package store

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func open(t *testing.T, opts ...MemoryOption) *Memory {
	t.Helper()
	m := NewMemory(opts...)
	t.Cleanup(func() { m.Close() })
	return m
}

// consistent checks what must hold between calls: every entry with an owner is in
// its owner's list exactly once, lists hold nothing else, and the counters agree.
func consistent(t *testing.T, m *Memory) {
	t.Helper()
	listed := map[*entry]bool{}
	for i := range m.index.shards {
		for id, e := range m.index.shards[i].first {
			if e == nil || e.prev != nil {
				t.Fatalf("list %x: its first entry is missing or has one before it", id)
			}
			for ; e != nil; e = e.next {
				if listed[e] {
					t.Fatalf("an entry is listed twice")
				}
				if e.next != nil && e.next.prev != e {
					t.Fatalf("a list is not linked backwards")
				}
				listed[e] = true
			}
		}
	}
	total := 0
	for i := range m.shards {
		s := &m.shards[i]
		items := s.items.Load()
		if items == nil {
			if s.count != 0 {
				t.Fatalf("shard %d: count is %d without a map", i, s.count)
			}
			continue
		}
		if n := items.ItemCount(); n != s.count {
			t.Fatalf("shard %d: got count %d, want %d", i, s.count, n)
		}
		if row, bit := m.filled(i); s.count > 0 && row.Load()&bit == 0 {
			t.Fatalf("shard %d: it holds entries, and the sweep would not visit it", i)
		}
		total += s.count
		for key, item := range items.Items() {
			e := item.Object.(*entry)
			if e.key() != key {
				t.Fatal("an entry is stored under another key than its own")
			}
			if owned := e.owner() != ""; owned != listed[e] {
				t.Fatalf("an entry: got listed %v, want %v as it has an owner or not", listed[e], owned)
			}
			delete(listed, e)
		}
	}
	if m.Len() != total {
		t.Fatalf("Len: got %d, want %d", m.Len(), total)
	}
	for e := range listed {
		if m.shardOf(e.key()).live(e.key()) != nil {
			t.Fatal("a list holds an entry that was replaced or removed")
		}
	}
}

func TestRandomCallsKeepEntriesAndIndexInStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := open(t, WithSweepInterval(20*time.Millisecond))
		ctx := t.Context()
		random := rand.New(rand.NewPCG(1, 2))
		for round := range 20 {
			var wg sync.WaitGroup
			for range 4 {
				seed := random.Uint64()
				wg.Go(func() {
					r := rand.New(rand.NewPCG(seed, 0))
					for range 200 {
						randomCall(ctx, m, r)
					}
				})
			}
			wg.Wait()
			consistent(t, m)
			<-time.After(time.Duration(round) * time.Millisecond)
		}
		<-time.After(time.Second)
		synctest.Wait()
		consistent(t, m)
		if m.Len() != 0 {
			t.Errorf("Len after everything expired: got %d, want 0", m.Len())
		}
	})
}

func randomCall(ctx context.Context, m *Memory, r *rand.Rand) {
	key, owner := fmt.Sprintf("k%d", r.IntN(60)), fmt.Sprintf("o%d", r.IntN(5))
	value := []byte{byte('0' + r.IntN(2))}
	ttl := time.Duration(1+r.IntN(50)) * time.Millisecond
	switch r.IntN(9) {
	case 0:
		_ = m.Set(ctx, key, value, ttl)
	case 1:
		_, _ = m.Add(ctx, key, value, ttl)
	case 2, 3, 4:
		_, _ = m.AddFor(ctx, owner, key, value, ttl)
	case 5:
		_, _ = m.Swap(ctx, key, []byte("0"), value, ttl)
	case 6:
		_ = m.Delete(ctx, key)
	case 7:
		_, _ = m.ListFor(ctx, owner)
	case 8:
		_ = m.DeleteFor(ctx, owner)
	}
}

func TestExpiryIsExactForEveryMethod(t *testing.T) {
	const ttl = 1500 * time.Millisecond
	methods := map[string]func(ctx context.Context, m *Memory) (alive bool){
		"Get":    func(ctx context.Context, m *Memory) bool { _, err := m.Get(ctx, "k"); return err == nil },
		"Add":    func(ctx context.Context, m *Memory) bool { done, _ := m.Add(ctx, "k", nil, ttl); return !done },
		"AddFor": func(ctx context.Context, m *Memory) bool { done, _ := m.AddFor(ctx, "o", "k", nil, ttl); return !done },
		"Swap": func(ctx context.Context, m *Memory) bool {
			_, err := m.Swap(ctx, "k", nil, nil, ttl)
			return err == nil
		},
		"ListFor": func(ctx context.Context, m *Memory) bool { list, _ := m.ListFor(ctx, "o"); return len(list) == 1 },
		"sweep":   func(_ context.Context, m *Memory) bool { m.sweep(); return m.Len() == 1 },
	}
	for name, alive := range methods {
		for when, want := range map[time.Duration]bool{ttl - 1: true, ttl: false, ttl + 1: false} {
			t.Run(fmt.Sprintf("%s, %v past the end", name, when-ttl), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					m := open(t)
					if done, err := m.AddFor(t.Context(), "o", "k", nil, ttl); !done || err != nil {
						t.Fatalf("AddFor: got (%v, %v), want (true, <nil>)", done, err)
					}
					<-time.After(when)
					if got := alive(t.Context(), m); got != want {
						t.Errorf("alive: got %v, want %v", got, want)
					}
				})
			})
		}
	}
}

func TestTimesToLiveAtTheEdges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := open(t, WithSweepInterval(10000*time.Hour))
		for name, ttl := range map[string]time.Duration{"tiny": 1, "huge": math.MaxInt64} {
			if err := m.Set(t.Context(), name, nil, ttl); err != nil {
				t.Fatalf("Set with a time to live of %v: error %v, want none", ttl, err)
			}
			if _, err := m.Get(t.Context(), name); err != nil {
				t.Errorf("Get of %s: error %v, want none", name, err)
			}
		}
		<-time.After(time.Millisecond)
		if _, err := m.Get(t.Context(), "tiny"); err != ErrNotFound {
			t.Errorf("Get of tiny after a millisecond: error %v, want ErrNotFound", err)
		}
		<-time.After(50 * 365 * 24 * time.Hour)
		if _, err := m.Get(t.Context(), "huge"); err != nil {
			t.Errorf("Get of huge after 50 years: error %v, want none", err)
		}
		<-time.After(51 * 365 * 24 * time.Hour)
		if _, err := m.Get(t.Context(), "huge"); err != ErrNotFound {
			t.Errorf("Get of huge after 101 years: error %v, want ErrNotFound", err)
		}
	})
}

func TestTheSweepFreesWhatExpiredAndKeepsTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := open(t)
		for i := range 3000 {
			ttl := 30 * time.Second
			if i%3 == 0 {
				ttl = time.Hour
			}
			if done, err := m.AddFor(t.Context(), fmt.Sprintf("o%d", i%700), fmt.Sprintf("k%d", i), nil, ttl); !done || err != nil {
				t.Fatalf("AddFor: got (%v, %v), want (true, <nil>)", done, err)
			}
		}
		<-time.After(DefaultSweepInterval - 1)
		if m.Len() != 3000 {
			t.Errorf("Len before the first sweep: got %d, want 3000", m.Len())
		}
		<-time.After(time.Nanosecond)
		synctest.Wait()
		if m.Len() != 1000 {
			t.Errorf("Len after the first sweep: got %d, want 1000", m.Len())
		}
		consistent(t, m)
		<-time.After(time.Hour)
		synctest.Wait()
		if m.Len() != 0 {
			t.Errorf("Len after the last sweep: got %d, want 0", m.Len())
		}
		consistent(t, m)
		for i := range m.rows {
			if row := m.rows[i].Load(); row != 0 {
				t.Errorf("row %d after the last sweep: got %b, want none filled", i, row)
			}
		}
	})
}

func TestMalformedArgumentsAreErrorsAndNotAnAbsence(t *testing.T) {
	m := open(t)
	ctx := t.Context()
	for name, key := range map[string]string{
		"empty": "", "too long": strings.Repeat("k", MaxKeyLen+1), "upper case": "Key", "space": "a b", "zero byte": "a\x00",
		"slash": "a/b", "semicolon": "a;b", "brace": "a{b", "back quote": "a`b", "not ASCII": "é", "newline": "a\n",
	} {
		t.Run(name, func(t *testing.T) {
			_, get := m.Get(ctx, key)
			_, add := m.Add(ctx, key, nil, time.Hour)
			_, addFor := m.AddFor(ctx, "owner", key, nil, time.Hour)
			_, addForOwner := m.AddFor(ctx, key, "key", nil, time.Hour)
			_, swap := m.Swap(ctx, key, nil, nil, time.Hour)
			_, list := m.ListFor(ctx, key)
			for verb, err := range map[string]error{
				"Get": get, "Set": m.Set(ctx, key, nil, time.Hour), "Add": add, "AddFor": addFor, "AddFor with such an owner": addForOwner,
				"Swap": swap, "Delete": m.Delete(ctx, key), "ListFor": list, "DeleteFor": m.DeleteFor(ctx, key),
			} {
				if err == nil || errors.Is(err, ErrNotFound) || len(key) > 3 && strings.Contains(err.Error(), key) {
					t.Errorf("%s: got error %v, want one that is not ErrNotFound and does not show the key", verb, err)
				}
			}
		})
	}
	t.Run("value and time to live", func(t *testing.T) {
		if err := m.Set(ctx, "swap", nil, time.Hour); err != nil {
			t.Fatal(err)
		}
		before := m.Len()
		for name, c := range map[string]struct {
			size int
			ttl  time.Duration
			want error
		}{
			"a value that is too long": {MaxValueLen + 1, time.Hour, errValue}, "no time to live": {1, 0, errTTL}, "a negative time to live": {1, -1, errTTL},
		} {
			value := make([]byte, c.size)
			_, add := m.Add(ctx, "k", value, c.ttl)
			_, addFor := m.AddFor(ctx, "o", "k", value, c.ttl)
			_, swap := m.Swap(ctx, "swap", nil, value, c.ttl)
			for verb, err := range map[string]error{"Set": m.Set(ctx, "k", value, c.ttl), "Add": add, "AddFor": addFor, "Swap": swap} {
				if err != c.want {
					t.Errorf("%s with %s: got error %v, want %v", verb, name, err, c.want)
				}
			}
		}
		if m.Len() != before {
			t.Errorf("Len after refused writes: got %d, want %d", m.Len(), before)
		}
	})
}

func FuzzKeysAreCheckedByTheirAlphabet(f *testing.F) {
	for _, seed := range []string{"", "session:abc", ":", "A", "a\x00", "é", "k/", strings.Repeat("9", MaxKeyLen), strings.Repeat("9", MaxKeyLen+1)} {
		f.Add(seed, []byte("value"))
	}
	m := NewMemory()
	f.Cleanup(func() { m.Close() })
	f.Fuzz(func(t *testing.T, key string, value []byte) {
		want := key != "" && len(key) <= MaxKeyLen && strings.Trim(key, "0123456789abcdefghijklmnopqrstuvwxyz:") == "" &&
			strings.IndexFunc(key, func(r rune) bool { return !strings.ContainsRune("0123456789abcdefghijklmnopqrstuvwxyz:", r) }) < 0
		if got := CheckKey(key) == nil; got != want {
			t.Fatalf("key %q is well-formed: got %v, want %v", key, got, want)
		}
		if !want || len(value) > MaxValueLen {
			return
		}
		e := newEntry(ownerID(key), key, value)
		if e.key() != key || e.owner() != ownerID(key) || e.value() != string(value) {
			t.Fatal("an entry with an owner does not give back what it was made of")
		}
		if e := newEntry("", key, value); e.key() != key || e.owner() != "" || e.value() != string(value) {
			t.Fatal("an entry without an owner does not give back what it was made of")
		}
		if err := m.Set(t.Context(), key, value, time.Minute); err != nil {
			t.Fatalf("Set: error %v, want none", err)
		}
		if got, err := m.Get(t.Context(), key); err != nil || string(got) != string(value) {
			t.Fatalf("Get: got (%q, %v), want the value that was set", got, err)
		}
	})
}
