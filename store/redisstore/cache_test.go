package redisstore

import (
	"strconv"
	"testing"
	"testing/synctest"
	"time"
)

func sleep(d time.Duration) { <-time.After(d) }

func TestAChangedKeyIsReadFromTheServerForTheWholeStaleness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const most = time.Minute
		c := newCache(most)
		if c.changed("k") {
			t.Error("a key that nobody changed counts as changed")
		}
		// However the other changes fall, a change is remembered long enough, and
		// not much longer.
		for shift := range 12 {
			c.change("k")
			for step := range 12 {
				if !c.changed("k") {
					t.Fatalf("shift %d: forgotten %v after the change", shift, time.Duration(step)*most/12)
				}
				c.change("other" + strconv.Itoa(step))
				sleep(most / 12)
			}
			sleep(2 * most)
			if c.changed("k") {
				t.Fatalf("shift %d: still remembered %v after the change", shift, 3*most)
			}
			sleep(time.Duration(shift) * most / 12)
		}
	})
}

func TestWhatIsRememberedIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCache(time.Minute)
		for i := range maxChanged + 10 {
			c.change(strconv.Itoa(i))
		}
		if n := len(c.recent); n > maxChanged {
			t.Errorf("%d keys are remembered, want at most %d", n, maxChanged)
		}
		if !c.changed(strconv.Itoa(maxChanged + 9)) {
			t.Error("the last key changed does not count as changed")
		}
		sleep(3 * time.Minute)
		c.change("k")
		if len(c.recent) != 1 || c.changed("1") || !c.changed("k") {
			t.Error("the cache is not back to normal after the flood")
		}
	})
}
