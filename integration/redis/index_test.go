package redis

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/ginwx/wxlogin/integration/engine"
	"github.com/ginwx/wxlogin/integration/faultproxy"
	"github.com/ginwx/wxlogin/store"
	"github.com/ginwx/wxlogin/store/redisstore"
)

const prefix = redisstore.DefaultPrefix

// both runs a test with scripts of two keys, as on one server, and with commands
// of one key, as in a cluster.
func both(t *testing.T, test func(t *testing.T, opts ...redisstore.Option)) {
	t.Run("as on one server", func(t *testing.T) { t.Parallel(); test(t) })
	t.Run("as in a cluster", func(t *testing.T) { t.Parallel(); test(t, redisstore.WithSingleKeyCommands()) })
}

// pttl returns a key's time to live, 0 for one that is not there. A key that
// never expires fails the test.
func pttl(t *testing.T, client rueidis.Client, key string) time.Duration {
	t.Helper()
	ms, err := client.Do(context.Background(), client.B().Pttl().Key(key).Build()).AsInt64()
	if err != nil || ms == -1 {
		t.Fatalf("PTTL %s: %d, %v", key, ms, err)
	}
	return time.Duration(max(ms, 0)) * time.Millisecond
}

// indexes returns the names of all indexes.
func indexes(t *testing.T, client rueidis.Client) (found []string) {
	t.Helper()
	for _, key := range allKeys(t, client) {
		if strings.HasPrefix(key, prefix+"index/") {
			found = append(found, key)
		}
	}
	return found
}

func listed(t *testing.T, client rueidis.Client, index string) int64 {
	t.Helper()
	n, err := client.Do(context.Background(), client.B().Zcard().Key(index).Build()).AsInt64()
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// age makes every key of the index look as if it had been listed an hour ago.
func age(t *testing.T, client rueidis.Client, index string) {
	t.Helper()
	ctx := context.Background()
	all, err := client.Do(ctx, client.B().Zrange().Key(index).Min("0").Max("-1").Withscores().Build()).AsZScores()
	if err != nil {
		t.Fatal(err)
	}
	for _, z := range all {
		score := z.Score - float64(time.Hour.Microseconds())
		if err := client.Do(ctx, client.B().Zadd().Key(index).ScoreMember().ScoreMember(score, z.Member).Build()).Error(); err != nil {
			t.Fatal(err)
		}
	}
}

func list(t *testing.T, s *redisstore.Store, owner string) int {
	t.Helper()
	entries, err := s.ListFor(context.Background(), owner)
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

func TestAnIndexOutlivesEachOfItsEntries(t *testing.T) {
	both(t, func(t *testing.T, opts ...redisstore.Option) {
		client := connectTo(t, engine.StartRedis(t))
		s := redisstore.New(client, opts...)
		ctx := context.Background()
		lives := []time.Duration{time.Millisecond, time.Second, time.Minute, time.Hour, 30 * 24 * time.Hour, 200 * 365 * 24 * time.Hour}
		random := rand.New(rand.NewPCG(1, 2))
		for round := range 60 {
			owner := fmt.Sprintf("account:%d", round)
			for range 8 {
				key, ttl := fmt.Sprintf("session:%d:%d", round, random.IntN(2)), lives[random.IntN(len(lives))]
				var err error
				switch random.IntN(6) {
				case 0:
					err = s.Delete(ctx, key)
				case 1:
					err = s.Set(ctx, key, []byte("v"), ttl)
				case 2, 3:
					_, err = s.AddFor(ctx, owner, key, []byte("v"), ttl)
				default:
					_, err = s.Swap(ctx, key, []byte("v"), []byte("v"), ttl)
				}
				if err != nil && !errors.Is(err, store.ErrNotFound) {
					t.Fatal(err)
				}
				covered(t, client, s, owner)
			}
			if err := s.DeleteFor(ctx, owner); err != nil {
				t.Fatal(err)
			}
			if err := client.Do(ctx, client.B().Flushall().Build()).Error(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// covered fails the test if an entry of the one owner there is outlives its index.
func covered(t *testing.T, client rueidis.Client, s *redisstore.Store, owner string) {
	t.Helper()
	entries, err := s.ListFor(context.Background(), owner)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		entry := pttl(t, client, prefix+e.Key)
		if index := pttl(t, client, indexes(t, client)[0]); index < entry {
			t.Fatalf("an entry lives for %v, its index for %v", entry, index)
		}
	}
}

func TestTimesToLiveAreKeptToTheMillisecond(t *testing.T) {
	both(t, func(t *testing.T, opts ...redisstore.Option) {
		client := connectTo(t, engine.StartRedis(t))
		s := redisstore.New(client, opts...)
		ctx := context.Background()
		const ttl = 90*time.Second + 123*time.Millisecond
		for verb, write := range map[string]func(key string) error{
			"Set": func(key string) error { return s.Set(ctx, key, nil, ttl) },
			"Add": func(key string) error { _, err := s.Add(ctx, key, nil, ttl); return err },
			"AddFor": func(key string) error {
				_, err := s.AddFor(ctx, "account:a", key, nil, ttl)
				return err
			},
			"Swap": func(key string) error {
				_, err := s.AddFor(ctx, "account:a", key, nil, time.Hour)
				if err == nil {
					_, err = s.Swap(ctx, key, nil, nil, ttl)
				}
				return err
			},
		} {
			key := "session:" + strings.ToLower(verb)
			before := time.Now()
			if err := write(key); err != nil {
				t.Fatal(err)
			}
			left := pttl(t, client, prefix+key)
			if least := ttl - time.Since(before) - 2*time.Millisecond; left > ttl || left < least {
				t.Errorf("after %s for %v an entry lives for %v", verb, ttl, left)
			}
		}
	})
}

// cutAt returns a fault that strikes the nth request with a command.
func cutAt(command string, n int64, verdict faultproxy.Verdict) faultproxy.Fault {
	var seen atomic.Int64
	return faultproxy.Fault{Request: func(piece []byte) faultproxy.Verdict {
		if strings.Contains(string(piece), command) && seen.Add(1) == n {
			return verdict
		}
		return faultproxy.Pass
	}}
}

func TestACrashBetweenTheWritesLeavesNothingUsable(t *testing.T) {
	for name, test := range map[string]struct {
		fault   faultproxy.Fault
		opts    []redisstore.Option
		written bool // the entry
		index   bool
	}{
		"before the index": {
			fault: cutAt("EVALSHA", 1, faultproxy.CutBefore),
			opts:  []redisstore.Option{redisstore.WithSingleKeyCommands()},
		},
		"after the index": {
			fault: cutAt("EVALSHA", 1, faultproxy.LoseAnswer),
			opts:  []redisstore.Option{redisstore.WithSingleKeyCommands()},
			index: true,
		},
		"before the entry": {
			fault: cutAt("\r\nSET\r\n", 1, faultproxy.CutBefore),
			opts:  []redisstore.Option{redisstore.WithSingleKeyCommands()},
			index: true,
		},
		"after the entry": {
			fault:   cutAt("\r\nSET\r\n", 1, faultproxy.LoseAnswer),
			opts:    []redisstore.Option{redisstore.WithSingleKeyCommands()},
			written: true, index: true,
		},
		"before the script of both": {fault: cutAt("EVALSHA", 1, faultproxy.CutBefore)},
		"after the script of both":  {fault: cutAt("EVALSHA", 1, faultproxy.LoseAnswer), written: true, index: true},
	} {
		t.Run(name, func(t *testing.T) {
			server := engine.StartRedis(t)
			proxy := faultproxy.Start(t, engine.Addr(engine.FreePort(t)), server.Addr())
			client := connectTo(t, server)
			s := redisstore.New(connect(t, rueidis.ClientOption{InitAddress: []string{proxy.Addr()}}), test.opts...)
			ctx := context.Background()
			if _, err := s.AddFor(ctx, "account:other", "session:other", nil, time.Minute); err != nil {
				t.Fatal(err) // loads the scripts
			}
			if err := s.DeleteFor(ctx, "account:other"); err != nil {
				t.Fatal(err)
			}
			if err := client.Do(ctx, client.B().Flushall().Build()).Error(); err != nil {
				t.Fatal(err)
			}

			proxy.Set(test.fault)
			added, err := s.AddFor(ctx, "account:a", "session:a", []byte("v"), time.Hour)
			if err == nil || added || errors.Is(err, store.ErrNotFound) {
				t.Fatalf("AddFor without an answer: %v, %v; want an error", added, err)
			}
			proxy.Heal()
			if written := pttl(t, client, prefix+"session:a") > 0; written != test.written {
				t.Errorf("the entry is there: %v, want %v", written, test.written)
			}
			if got := len(indexes(t, client)) == 1; got != test.index {
				t.Errorf("the index is there: %v, want %v", got, test.index)
			}
			everyKeyExpiresIn(t, client, 2*time.Hour)
			if got := list(t, s, "account:a") == 1; got != test.written {
				t.Errorf("the entry is listed: %v, want %v", got, test.written)
			}
			if err := s.DeleteFor(ctx, "account:a"); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Get(ctx, "session:a"); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("Get after DeleteFor: %v, want a miss", err)
			}
		})
	}
}

func everyKeyExpiresIn(t *testing.T, client rueidis.Client, most time.Duration) {
	t.Helper()
	for _, key := range allKeys(t, client) {
		if left := pttl(t, client, key); left > most {
			t.Errorf("key %q lives for %v, want at most %v", key, left, most)
		}
	}
}

func TestAWriteWhoseAnswerIsLostIsAnError(t *testing.T) {
	server := engine.StartRedis(t)
	proxy := faultproxy.Start(t, engine.Addr(engine.FreePort(t)), server.Addr())
	s := redisstore.New(connect(t, rueidis.ClientOption{InitAddress: []string{proxy.Addr()}}))
	ctx := context.Background()
	if err := s.Set(ctx, "swapped", []byte("old"), time.Minute); err != nil {
		t.Fatal(err)
	}
	proxy.Set(cutAt("\r\nSET\r\n", 1, faultproxy.LoseAnswer))
	if added, err := s.Add(ctx, "added", []byte("v"), time.Minute); added || err == nil {
		t.Errorf("Add: %v, %v; want an error, for the caller would take false for somebody else's", added, err)
	}
	proxy.Set(cutAt("EVALSHA", 1, faultproxy.LoseAnswer))
	if swapped, err := s.Swap(ctx, "swapped", []byte("old"), []byte("new"), time.Minute); swapped || err == nil || errors.Is(err, store.ErrNotFound) {
		t.Errorf("Swap: %v, %v; want an error", swapped, err)
	}
	proxy.Heal()
	for key, want := range map[string]string{"added": "v", "swapped": "new"} {
		if got, err := s.Get(ctx, key); string(got) != want || err != nil {
			t.Errorf("Get(%s): %q, %v; want %q", key, got, err, want)
		}
	}
}

func TestAListingRemovesKeysWithoutAnEntry(t *testing.T) {
	both(t, func(t *testing.T, opts ...redisstore.Option) {
		client := connectTo(t, engine.StartRedis(t))
		s := redisstore.New(client, opts...)
		ctx := context.Background()
		for i := range 10 {
			if _, err := s.AddFor(ctx, "account:a", fmt.Sprintf("session:%d", i), nil, time.Hour); err != nil {
				t.Fatal(err)
			}
		}
		index := indexes(t, client)[0]
		for i := range 6 {
			if err := s.Delete(ctx, fmt.Sprintf("session:%d", i)); err != nil {
				t.Fatal(err)
			}
		}
		if n := list(t, s, "account:a"); n != 4 {
			t.Errorf("ListFor gives %d entries, want 4", n)
		}
		if n := listed(t, client, index); n != 10 {
			t.Errorf("%d keys are listed just after their AddFor, want 10: an entry may be about to be written", n)
		}
		age(t, client, index)
		if n := list(t, s, "account:a"); n != 4 {
			t.Errorf("ListFor gives %d entries, want 4", n)
		}
		if n := listed(t, client, index); n != 4 {
			t.Errorf("%d keys are listed after a listing, want 4", n)
		}
		if err := s.DeleteFor(ctx, "account:a"); err != nil {
			t.Fatal(err)
		}
		if keys := allKeys(t, client); len(keys) != 0 {
			t.Errorf("%d keys are left after DeleteFor, want none", len(keys))
		}
	})
}

func TestAnAccountThatNobodyListsIsTidiedByItsLogins(t *testing.T) {
	both(t, func(t *testing.T, opts ...redisstore.Option) {
		client := connectTo(t, engine.StartRedis(t))
		s := redisstore.New(client, opts...)
		ctx := context.Background()
		for i := range 1000 {
			key := fmt.Sprintf("session:%d", i)
			if _, err := s.AddFor(ctx, "account:a", key, nil, time.Hour); err != nil {
				t.Fatal(err)
			}
			if err := s.Delete(ctx, key); err != nil {
				t.Fatal(err)
			}
			if i%50 == 49 {
				age(t, client, indexes(t, client)[0])
			}
		}
		if n := listed(t, client, indexes(t, client)[0]); n > 128 {
			t.Errorf("%d keys are listed after 1,000 logins and logouts, want at most 128", n)
		}
	})
}
