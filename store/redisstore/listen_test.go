package redisstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/ginwx/wxlogin/store"
)

// told is what a server that is asked by a caching client writes by itself.
const told = ">2\r\n$10\r\ninvalidate\r\n"

func toldOf(key string) string { return told + "*1\r\n" + bulk(key) }

// cachedServer answers reads for a cache with "v", with something before and after
// each answer, and whatever else it is sent as if it had succeeded.
type cachedServer struct {
	reads         atomic.Int64
	before, after string
	refuses       bool // reads for a cache
	listed        []string
}

func (s *cachedServer) answer(command []string) string {
	switch command[0] {
	case "MULTI", "SET":
		return "+OK\r\n"
	case "GET":
		if s.refuses {
			return bulk(plainHead + "v")
		}
		return "+QUEUED\r\n"
	case "PTTL":
		return "+QUEUED\r\n"
	case "EXEC":
		s.reads.Add(1)
		if s.refuses {
			return "-EXECABORT out of memory\r\n"
		}
		return s.before + "*2\r\n:3600000\r\n" + bulk(plainHead+"v") + s.after
	}
	if command[0] == "EVALSHA" && len(s.listed) > 0 { // the listing comes first
		listing := fmt.Sprintf("*%d\r\n", 2*len(s.listed))
		for _, key := range s.listed {
			listing += bulk(key) + bulk("1")
		}
		s.listed = nil
		return listing
	}
	return ":1\r\n"
}

// cachedStore returns a store with a local cache on such a server; heard gets one
// message for each that the server told.
func cachedStore(t *testing.T, server *cachedServer) (s *Store, heard chan struct{}) {
	t.Helper()
	heard = make(chan struct{}, 100)
	cache := NewLocalCache(time.Hour, 1000)
	client, _ := connect(t, cache.Listen(rueidis.ClientOption{
		PipelineMultiplex: -1,
		OnInvalidations:   func([]rueidis.RedisMessage) { heard <- struct{}{} },
	}), server.answer)
	return New(client, WithLocalCache(cache)), heard
}

func wantV(t *testing.T, s *Store, key string) {
	t.Helper()
	if got, err := s.Get(context.Background(), key); string(got) != "v" || err != nil {
		t.Fatalf("Get(%s): %q, %v", key, got, err)
	}
}

// TestTheServersMessageIsHeardWhateverItMeets has the message right before or after
// the answer that it concerns, which no real server can be made to do.
func TestTheServersMessageIsHeardWhateverItMeets(t *testing.T) {
	for name, test := range map[string]struct {
		before, after string
		reads         int64 // of five calls
	}{
		"no message":                    {"", "", 1},
		"of the key, before":            {toldOf("wxlogin:session:a"), "", 5},
		"of the key, after":             {"", toldOf("wxlogin:session:a"), 5},
		"of the key, after another one": {"", told + "*2\r\n" + bulk("x") + bulk("wxlogin:session:a"), 5},
		"of everything, after":          {"", told + "_\r\n", 5},
		"of another key, after":         {"", toldOf("wxlogin:session:b"), 1},
		"of another store's key, after": {"", toldOf("other:session:a"), 1},
		"of no text, after":             {"", told + "*1\r\n:1\r\n", 1},
	} {
		t.Run(name, func(t *testing.T) {
			server := &cachedServer{before: test.before, after: test.after}
			s, heard := cachedStore(t, server)
			for neighbours(s.cache, "wxlogin:session:a", "wxlogin:session:b", "other:session:a") {
				s, heard = cachedStore(t, server)
			}
			for range 5 {
				before := server.reads.Load()
				wantV(t, s, "session:a")
				if strings.Contains(test.after, told) && server.reads.Load() > before {
					<-heard
				}
			}
			if got := server.reads.Load(); got != test.reads {
				t.Errorf("the server was asked %d times in five calls, want %d", got, test.reads)
			}
		})
	}
}

// neighbours reports whether news of another key would keep a read of key from the
// cache, as it does by chance.
func neighbours(c *LocalCache, key string, others ...string) bool {
	return slices.ContainsFunc(others, func(other string) bool { return c.shardOf(other) == c.shardOf(key) })
}

// TestAChangeHereIsSeenWithoutAMessage has a server that tells nothing.
func TestAChangeHereIsSeenWithoutAMessage(t *testing.T) {
	ctx := context.Background()
	for name, change := range map[string]func(s *Store) error{
		"Set":    func(s *Store) error { return s.Set(ctx, "session:a", nil, time.Hour) },
		"Swap":   func(s *Store) error { _, err := s.Swap(ctx, "session:a", nil, nil, time.Hour); return err },
		"Add":    func(s *Store) error { _, err := s.Add(ctx, "session:a", nil, time.Hour); return err },
		"Delete": func(s *Store) error { return s.Delete(ctx, "session:a") },
		"AddFor": func(s *Store) error { _, err := s.AddFor(ctx, "o", "session:a", nil, time.Hour); return err },
	} {
		server := &cachedServer{}
		s, _ := cachedStore(t, server)
		wantV(t, s, "session:a")
		wantV(t, s, "session:b")
		r := s.cache.begin(s.prefix + "session:a")
		if err := change(s); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		s.cache.fill(s.prefix+"session:a", "old", r, time.Hour) // a read that was slower
		wantV(t, s, "session:a")
		wantV(t, s, "session:b")
		if got := server.reads.Load(); got != 3 {
			t.Errorf("%s: the server was asked %d times, want 3: for both, and for what was changed again", name, got)
		}
	}
}

func TestARevocationHereIsSeenWithoutAMessage(t *testing.T) {
	keys := []string{"session:a", "session:b", "session:c"}
	server := &cachedServer{listed: keys}
	s, _ := cachedStore(t, server)
	for _, key := range keys {
		wantV(t, s, key)
	}
	if err := s.DeleteFor(context.Background(), "account:a"); err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		wantV(t, s, key)
	}
	if got, want := server.reads.Load(), int64(2*len(keys)); got != want {
		t.Errorf("the server was asked %d times, want %d: for each, before and after", got, want)
	}
}

func TestAChangeOfWhatIsNoSessionLeavesTheCacheAlone(t *testing.T) {
	server := &cachedServer{}
	s, _ := cachedStore(t, server)
	wantV(t, s, "session:a")
	before := s.cache.begin(s.prefix + "session:a").news
	for _, key := range []string{"subject:a", "revoked:a"} {
		for range 50 {
			if err := s.Delete(context.Background(), key); err != nil {
				t.Fatal(err)
			}
		}
	}
	if got := s.cache.begin(s.prefix + "session:a").news; got != before {
		t.Error("a change of another entry counts as news of sessions")
	}
}

func TestARefusedReadForACacheIsReadWithoutOne(t *testing.T) {
	server := &cachedServer{refuses: true}
	s, _ := cachedStore(t, server)
	for range 3 {
		wantV(t, s, "session:a")
	}
	if got := server.reads.Load(); got != 3 {
		t.Errorf("the server was asked for a cache %d times, want 3: nothing was kept", got)
	}
}

func TestOneReadersEndIsItsOwn(t *testing.T) {
	server := &cachedServer{}
	s, _ := cachedStore(t, server)
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := s.Get(gone, "session:a"); !errors.Is(err, context.Canceled) || errors.Is(err, store.ErrNotFound) {
		t.Errorf("Get by somebody who left: %v", err)
	}
	wantV(t, s, "session:a")
}

func TestACallerMayChangeWhatTheCacheAnswers(t *testing.T) {
	s, _ := cachedStore(t, &cachedServer{})
	for range 3 {
		got, err := s.Get(context.Background(), "session:a")
		if string(got) != "v" || err != nil {
			t.Fatalf("Get: %q, %v", got, err)
		}
		got[0] = 'x'
	}
}

func TestAReplyThatNobodyReadForACacheIsNotKept(t *testing.T) {
	var p passage
	var reply rueidis.RedisMessage
	if got := p.Update("k", "GET", reply); got != 0 {
		t.Errorf("good until %d without a read, want 0", got)
	}
	p.Flight("k", "GET", time.Hour, time.Now())
	p.Flight("k", "GET", time.Hour, time.Now())
	p.Cancel("k", "GET", nil)
	if !p.land("k") || p.land("k") {
		t.Error("two reads and one that was given up leave one")
	}
	if len(p.pending) != 0 {
		t.Errorf("%d keys are pending, want none", len(p.pending))
	}
}
