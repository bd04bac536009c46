package redisstore

import (
	"context"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/rueidis"
)

func sleep(d time.Duration) { <-time.After(d) }

func (c *LocalCache) changedLately(key string) bool {
	_, changed := c.begin(key)
	return changed > 0
}

func (c *LocalCache) read(key, value string, left time.Duration) {
	news, _ := c.begin(key)
	c.fill(key, value, news, left)
}

func TestAChangeIsRememberedForTheWholeStaleness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const most = time.Minute
		c := NewLocalCache(most, 1000)
		if c.changedLately("k") {
			t.Error("a key that nobody changed counts as changed")
		}
		// However the other changes fall, a change is remembered long enough, and
		// not much longer.
		for shift := range 12 {
			c.change("k")
			for step := range 12 {
				if !c.changedLately("k") {
					t.Fatalf("shift %d: forgotten %v after the change", shift, time.Duration(step)*most/12)
				}
				for i := range 200 { // every shard gets some
					c.change("other" + strconv.Itoa(200*step+i))
				}
				sleep(most / 12)
			}
			if c.changedLately("k") {
				t.Fatalf("shift %d: still remembered %v after the change", shift, most)
			}
			sleep(time.Duration(shift) * most / 12)
		}
	})
}

func TestNoTwoChangesAreReadAlike(t *testing.T) {
	c := NewLocalCache(time.Hour, 1000)
	seen := make(map[uint64]bool)
	for i := range 3 * maxChanged {
		key := strconv.Itoa(i % (2 * maxChanged)) // some again, some beyond what is remembered
		c.change(key)
		_, changed := c.begin(key)
		if changed == 0 || seen[changed] {
			t.Fatalf("change number %d of a key is read like another one", i)
		}
		seen[changed] = true
	}
}

func TestWhatIsRememberedOfChangesIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := NewLocalCache(time.Minute, 1000)
		const changes = 2 * maxChanged
		for i := range changes {
			c.change(strconv.Itoa(i))
		}
		remembered := 0
		for i := range c.shards {
			remembered += c.shards[i].changed.Len()
		}
		if remembered > maxChanged {
			t.Errorf("%d keys are remembered, want at most %d", remembered, maxChanged)
		}
		for i := range changes {
			if !c.changedLately(strconv.Itoa(i)) {
				t.Fatalf("the change number %d of %d is forgotten", i, changes)
			}
		}
		sleep(3 * time.Minute)
		c.change("k")
		if c.changedLately("1") || !c.changedLately("k") {
			t.Error("the cache is not back to normal after the flood")
		}
	})
}

func TestWhatWasReadBeforeNewsOfItIsNotKept(t *testing.T) {
	for name, test := range map[string]struct {
		news func(c *LocalCache)
		kept bool
	}{
		"no news":                      {func(*LocalCache) {}, true},
		"a change here":                {func(c *LocalCache) { c.change("k") }, false},
		"the connection is lost":       {func(c *LocalCache) { c.invalidate(nil) }, false},
		"the server forgot everything": {func(c *LocalCache) { c.read("k", "old", time.Hour); c.invalidate(nil) }, false},
		"the server tells of a change": {func(c *LocalCache) { c.shardOf("k").drop("k") }, false},
	} {
		c := NewLocalCache(time.Hour, 1000)
		news, changed := c.begin("k")
		if changed > 0 {
			t.Fatalf("%s: an empty cache knows of a change", name)
		}
		test.news(c)
		c.fill("k", "v", news, time.Hour)
		if got, ok := c.get("k"); ok != test.kept || ok && got != "v" {
			t.Errorf("%s: the cache answers %q, %v; want %v", name, got, ok, test.kept)
		}
	}
}

func TestNewsDropWhatIsCached(t *testing.T) {
	for name, news := range map[string]func(c *LocalCache){
		"a change here":                func(c *LocalCache) { c.change("k") },
		"the connection is lost":       func(c *LocalCache) { c.invalidate(nil) },
		"the server tells of a change": func(c *LocalCache) { c.shardOf("k").drop("k") },
	} {
		for age, grow := range map[string]func(c *LocalCache){
			"young": func(*LocalCache) {},
			"old": func(c *LocalCache) {
				s := c.shardOf("k")
				s.sessions.Turn(time.Since(c.start), c.maxStaleness, 1)
			},
		} {
			c := NewLocalCache(time.Hour, 1000)
			c.read("k", "v", time.Hour)
			grow(c)
			if _, ok := c.get("k"); !ok {
				t.Fatalf("%s, %s: what was read is not cached", name, age)
			}
			news(c)
			if _, ok := c.get("k"); ok {
				t.Errorf("%s: what is %s is still cached", name, age)
			}
		}
	}
}

func TestNothingIsCachedLongerThanItMayBe(t *testing.T) {
	const most = time.Minute
	for left, want := range map[time.Duration]time.Duration{
		most: most, 2 * most: most, most / 2: most / 2, 1: 1, 0: 0, -1: 0,
	} {
		synctest.Test(t, func(t *testing.T) {
			c := NewLocalCache(most, 1000)
			sleep(time.Second)
			c.read("k", "v", left)
			if want > 0 {
				sleep(want - 1)
				if _, ok := c.get("k"); !ok {
					t.Errorf("what is good for %v is not cached after %v", left, want-1)
				}
				sleep(1)
			}
			if _, ok := c.get("k"); ok {
				t.Errorf("what is good for %v is cached after %v", left, want)
			}
		})
	}
}

func TestTheCacheHoldsNoMoreThanItMay(t *testing.T) {
	for _, room := range []int{1, 64, 1000, 50_000} {
		c := NewLocalCache(time.Hour, room)
		for i := range 3 * room {
			c.read(strconv.Itoa(i), "v", time.Hour)
		}
		if held, most := c.len(), room+2*cacheShards; held > most {
			t.Errorf("a cache for %d sessions holds %d, want at most %d", room, held, most)
		}
		if _, ok := c.get(strconv.Itoa(3*room - 1)); !ok {
			t.Errorf("a cache for %d sessions lacks the last one", room)
		}
	}
}

func (c *LocalCache) len() (n int) {
	for i := range c.shards {
		n += c.shards[i].sessions.Len()
	}
	return n
}

func TestSessionsThatAreNotReadAnyMoreAreFreed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := NewLocalCache(time.Minute, 10_000)
		for i := range 5000 {
			c.read("gone"+strconv.Itoa(i), "v", time.Minute)
		}
		for i := range 4 * 1000 {
			c.read("new"+strconv.Itoa(i), "v", time.Minute)
			sleep(2 * time.Minute / 1000)
		}
		if held := c.len(); held > 2500 {
			t.Errorf("%d sessions are held, want those of two minutes", held)
		}
	})
}

// TestTheServersMessageIsHeardWhateverItMeets has the message right before or after
// the answer that it concerns, which no real server can be made to do.
func TestTheServersMessageIsHeardWhateverItMeets(t *testing.T) {
	const message = ">2\r\n$10\r\ninvalidate\r\n"
	key := func(key string) string { return message + "*1\r\n" + bulk(key) }
	for name, test := range map[string]struct {
		before, after string
		reads         int // of five calls
	}{
		"no message":                   {"", "", 1},
		"of the key, before":           {key("wxlogin:session:a"), "", 1},
		"of the key, after":            {"", key("wxlogin:session:a"), 5},
		"of everything, after":         {"", message + "_\r\n", 5},
		"of another key, after":        {"", key("wxlogin:session:b"), 1},
		"of another store's key after": {"", key("session:a"), 1},
		"of no text, after":            {"", message + "*1\r\n:1\r\n", 1},
	} {
		t.Run(name, func(t *testing.T) {
			var (
				reads atomic.Int64
				heard = make(chan struct{}, 10)
			)
			c := NewLocalCache(time.Hour, 1000)
			client, _ := connect(t, c.Listen(rueidis.ClientOption{
				PipelineMultiplex: -1,
				OnInvalidations:   func([]rueidis.RedisMessage) { heard <- struct{}{} },
			}), func(command []string) string {
				switch command[0] {
				case "MULTI":
					return "+OK\r\n"
				case "EXEC":
					reads.Add(1)
					return test.before + "*2\r\n:3600000\r\n" + bulk(plainHead+"v") + test.after
				}
				return "+QUEUED\r\n"
			})
			s := New(client, WithLocalCache(c))
			for call := range 5 {
				before := reads.Load()
				if got, err := s.Get(context.Background(), "session:a"); string(got) != "v" || err != nil {
					t.Fatalf("call %d: Get: %q, %v", call, got, err)
				}
				if strings.Contains(test.after, message) && reads.Load() > before {
					<-heard
				}
			}
			if got := int(reads.Load()); got != test.reads {
				t.Errorf("the server was asked %d times in five calls, want %d", got, test.reads)
			}
		})
	}
}

func TestACallerMayChangeWhatTheCacheAnswers(t *testing.T) {
	c := NewLocalCache(time.Hour, 1000)
	client, _ := connect(t, c.Listen(rueidis.ClientOption{}), func(command []string) string {
		switch command[0] {
		case "MULTI":
			return "+OK\r\n"
		case "EXEC":
			return "*2\r\n:3600000\r\n" + bulk(plainHead+"v")
		}
		return "+QUEUED\r\n"
	})
	s := New(client, WithLocalCache(c))
	for range 3 {
		got, err := s.Get(context.Background(), "session:a")
		if string(got) != "v" || err != nil {
			t.Fatalf("Get: %q, %v", got, err)
		}
		got[0] = 'x'
	}
}

func BenchmarkLocalCacheHit(b *testing.B) {
	c := NewLocalCache(time.Hour, 100_000)
	const key = "wxlogin:session:0123456789abcdefghijklmnopqrstuv0123456789abcdefghij"
	c.read(key, strings.Repeat("v", 160), time.Hour)
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := c.get(key); !ok {
			b.Fatal("a miss")
		}
	}
}

// BenchmarkLocalCacheSize fills a cache, as full as it gets, with sessions as long
// as those of the sizing table.
func BenchmarkLocalCacheSize(b *testing.B) {
	for _, sessions := range []int{100_000, 1_000_000} {
		b.Run(strconv.Itoa(sessions), func(b *testing.B) {
			value := strings.Repeat("v", 100)
			for b.Loop() {
				before := heap()
				c := NewLocalCache(time.Hour, sessions)
				for i := range sessions * 29 / 20 { // just before the older half goes
					c.read(fmt.Sprintf("wxlogin:session:%052d", i), strings.Clone(value), time.Hour)
				}
				b.ReportMetric(float64(heap()-before)/float64(sessions), "B/session")
				runtime.KeepAlive(c)
			}
		})
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
