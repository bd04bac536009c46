package redisstore

import (
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func sleep(d time.Duration) { <-time.After(d) }

func (c *LocalCache) read(key, value string, left time.Duration) {
	c.fill(key, value, c.begin(key), left)
}

func TestWhatWasReadBeforeNewsOfItIsNotKept(t *testing.T) {
	for name, test := range map[string]struct {
		news func(c *LocalCache)
		kept bool
	}{
		"no news":                      {func(*LocalCache) {}, true},
		"news of the key":              {func(c *LocalCache) { c.drop("k") }, false},
		"the connection is lost":       {func(c *LocalCache) { c.invalidate(nil) }, false},
		"the server forgot everything": {func(c *LocalCache) { c.read("k", "old", time.Hour); c.invalidate(nil) }, false},
	} {
		c := NewLocalCache(time.Hour, 1000)
		r := c.begin("k")
		test.news(c)
		c.fill("k", "v", r, time.Hour)
		if got, ok := c.get("k"); ok != test.kept || ok && got != "v" {
			t.Errorf("%s: the cache answers %q, %v; want %v", name, got, ok, test.kept)
		}
	}
}

func TestNewsDropWhatIsCached(t *testing.T) {
	for name, news := range map[string]func(c *LocalCache){
		"news of the key":        func(c *LocalCache) { c.drop("k") },
		"the connection is lost": func(c *LocalCache) { c.invalidate(nil) },
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

func TestTheBoundCountsFromWhereTheReadBegan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := NewLocalCache(time.Minute, 1000)
		r := c.begin("k")
		sleep(40 * time.Second) // a machine that stood still, say
		c.fill("k", "v", r, time.Hour)
		sleep(20*time.Second - 1)
		if _, ok := c.get("k"); !ok {
			t.Error("dropped before its time")
		}
		sleep(1)
		if _, ok := c.get("k"); ok {
			t.Error("cached a minute after the read began")
		}
		r = c.begin("k")
		sleep(time.Minute)
		c.fill("k", "v", r, time.Hour)
		if _, ok := c.get("k"); ok {
			t.Error("what took a minute to read was kept")
		}
	})
}

func TestAnEndlessStalenessCountsAsADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := NewLocalCache(1<<63-1, 1000)
		c.read("k", "v", 1<<62)
		sleep(longestStaleness - 1)
		if _, ok := c.get("k"); !ok {
			t.Error("dropped before its time")
		}
		sleep(1)
		if _, ok := c.get("k"); ok {
			t.Error("cached for more than a day")
		}
	})
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
