package store

import (
	"bytes"
	"context"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"
)

// The shape of what wxlogin keeps: a session under a hashed id, and a user's pair
// of sealed session_keys.
var (
	benchSession = bytes.Repeat([]byte{'s'}, 100)
	benchKeypair = bytes.Repeat([]byte{'k'}, 130)
	benchCtx     = context.Background()

	benchGot []byte // or the compiler leaves the copy out
)

func benchKey(prefix string, n int) string {
	var id [32]byte
	binary.BigEndian.PutUint64(id[:], uint64(n)*0x9e3779b97f4a7c15)
	return prefix + string(bytes.ToLower([]byte(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(id[:]))))
}

func benchOwner(n int) string { return fmt.Sprintf("wx0123456789abcdef:o%027d", n) }

func filled(b *testing.B, sessions int, ttl func(n int) time.Duration) *Memory {
	b.Helper()
	m := NewMemory(WithSweepInterval(24 * time.Hour))
	b.Cleanup(func() { m.Close() })
	for n := range sessions {
		if done, err := m.AddFor(benchCtx, benchOwner(n), benchKey("session:", n), benchSession, ttl(n)); err != nil || !done {
			b.Fatalf("AddFor: got (%v, %v), want (true, <nil>)", done, err)
		}
	}
	return m
}

func anHour(int) time.Duration { return time.Hour }

func BenchmarkMemoryGet(b *testing.B) {
	m := filled(b, 10_000, anHour)
	keys := make([]string, 1024)
	for i := range keys {
		keys[i] = benchKey("session:", i)
	}
	b.Run("one at a time", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			var err error
			if benchGot, err = m.Get(benchCtx, keys[i%len(keys)]); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("parallel", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			var get func(context.Context, string) ([]byte, error) = m.Get
			for i := 0; pb.Next(); i++ {
				if _, err := get(benchCtx, keys[i%len(keys)]); err != nil {
					b.Error(err)
					return
				}
			}
		})
	})
	b.Run("absent", func(b *testing.B) {
		b.ReportAllocs()
		key := benchKey("absent:", 1)
		for b.Loop() {
			if _, err := m.Get(benchCtx, key); err != ErrNotFound {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkMemorySwap(b *testing.B) {
	m := filled(b, 10_000, anHour)
	key := benchKey("session:", 1)
	b.ReportAllocs()
	for b.Loop() {
		if done, err := m.Swap(benchCtx, key, benchSession, benchSession, time.Hour); err != nil || !done {
			b.Fatal(done, err)
		}
	}
}

// BenchmarkMemoryAddFor is a login and a logout, so that the store keeps its size.
func BenchmarkMemoryAddFor(b *testing.B) {
	m := filled(b, 10_000, anHour)
	const many = 4096
	keys, owners := make([]string, many), make([]string, many)
	for i := range keys {
		keys[i], owners[i] = benchKey("login:", i), benchOwner(i)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		at := i % many
		if done, err := m.AddFor(benchCtx, owners[at], keys[at], benchSession, time.Hour); err != nil || !done {
			b.Fatal(done, err)
		}
		if err := m.Delete(benchCtx, keys[at]); err != nil {
			b.Fatal(err)
		}
	}
}

func liveHeap() int64 {
	var stats runtime.MemStats
	for range 2 {
		runtime.GC() // twice: what a finished goroutine held goes with the second one
	}
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}

// BenchmarkMillionSessions reports the memory of a session of its own account and
// of a user's pair of session_keys, at a million and at other sizes, because Go's
// maps double.
func BenchmarkMillionSessions(b *testing.B) {
	for _, sessions := range []int{10_000, 100_000, 700_000, 850_000, 1_000_000, 1_200_000, 1_400_000} {
		b.Run(fmt.Sprint(sessions), func(b *testing.B) {
			for b.Loop() {
				before := liveHeap()
				m := filled(b, sessions, anHour)
				full := liveHeap()
				b.ReportMetric(float64(full-before)/float64(sessions), "B/session")
				for n := range sessions {
					if err := m.Set(benchCtx, benchKey("subject:", n), benchKeypair, time.Hour); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(liveHeap()-full)/float64(sessions), "B/keypair")
				m.Close()
				runtime.KeepAlive(m)
			}
		})
	}
}

// BenchmarkSweepPause has a million sessions, half of which have expired, and one
// caller that reads and logs in without a break. It reports the longest that the
// sweep held one shard, which bounds what it can cost a request (max-pause), the
// processor time of the same (max-cpu-pause: what it is on a machine that does
// nothing else), and the longest call of the caller, with a sweep and without one.
func BenchmarkSweepPause(b *testing.B) {
	const sessions = 1_000_000
	for b.Loop() {
		m := filled(b, sessions, func(n int) time.Duration {
			if n%2 == 0 {
				return time.Millisecond
			}
			return time.Hour
		})
		runtime.GC()
		if m.Len() != sessions {
			b.Fatalf("Len before the sweep: got %d, want %d", m.Len(), sessions)
		}
		var held, worked []time.Duration
		during := longestCalls(b, m, 0, func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			for i := range m.shards {
				start, before := time.Now(), threadTime()
				m.shards[i].sweep()
				worked = append(worked, threadTime()-before)
				held = append(held, time.Since(start))
				runtime.Gosched()
			}
		})
		var swept time.Duration
		for _, d := range held {
			swept += d
		}
		if n := m.Len(); n > sessions/2+len(during) {
			b.Fatalf("Len after the sweep: got %d, want half of %d and the logins meanwhile", n, sessions)
		}
		without := longestCalls(b, m, 1, func() { <-time.After(swept) })
		slices.Sort(held)
		slices.Sort(worked)
		report(b, "max-cpu-pause-µs", worked[len(worked)-1])
		report(b, "p99-cpu-pause-µs", worked[len(worked)*99/100])
		report(b, "max-pause-µs", held[len(held)-1])
		report(b, "median-pause-µs", held[len(held)/2])
		report(b, "sweep-µs", swept)
		report(b, "max-call-µs", during[len(during)-1])
		report(b, "p99.99-call-µs", during[len(during)*9999/10000])
		report(b, "max-call-without-µs", without[len(without)-1])
		report(b, "p99.99-call-without-µs", without[len(without)*9999/10000])
	}
}

func report(b *testing.B, unit string, d time.Duration) {
	b.ReportMetric(float64(d.Nanoseconds())/1000, unit)
}

// longestCalls reads and logs in until work is done, and returns how long the calls
// took, in order.
func longestCalls(b *testing.B, m *Memory, run int, work func()) []time.Duration {
	b.Helper()
	keys, owners := make([]string, 1<<16), make([]string, 1<<16)
	for i := range keys {
		keys[i], owners[i] = fmt.Sprintf("%s:%d", benchKey("login:", i), run), benchOwner(2_000_000+i)
	}
	took := make([]time.Duration, 0, 1<<21)
	runtime.GC()
	done := make(chan struct{})
	go func() { defer close(done); work() }()
	for i := 0; len(took) < cap(took); i++ {
		select {
		case <-done:
			slices.Sort(took)
			return took
		default:
		}
		start := time.Now()
		var err error
		if at := i / 8; i%8 == 0 && at < len(keys) {
			_, err = m.AddFor(benchCtx, owners[at], keys[at], benchSession, time.Hour)
		} else {
			_, err = m.Get(benchCtx, keys[i%len(keys)])
		}
		took = append(took, time.Since(start))
		if err != nil && err != ErrNotFound {
			b.Fatal(err)
		}
	}
	<-done
	slices.Sort(took)
	return took
}
