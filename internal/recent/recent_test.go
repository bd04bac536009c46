package recent

import (
	"strconv"
	"testing"
	"time"
)

const span = time.Minute

func TestWhatIsPutIsKeptForASpanAndDroppedAfterTwo(t *testing.T) {
	const step = span / 10
	for put := range time.Duration(25) {
		var m Map[time.Duration]
		for now := time.Duration(0); now < 6*span; now += step {
			m.Turn(now, span, 0)
			m.Put("other"+strconv.Itoa(int(now)), now)
			if now == put*step {
				m.Put("k", now)
			}
			age := now - put*step
			v, ok := m.Get("k")
			switch {
			case age < 0 && ok:
				t.Fatalf("there before it was put")
			case age >= 0 && age < span && (!ok || v != put*step):
				t.Fatalf("put at %v: %v, %v after %v", put*step, v, ok, age)
			case age > 2*span && ok:
				t.Fatalf("put at %v: still there after %v", put*step, age)
			}
		}
		if got := m.Len(); got > 2*int(span/step) {
			t.Fatalf("%d entries are kept, want those of two spans", got)
		}
	}
}

func TestAFullMapDropsItsOlderHalf(t *testing.T) {
	for _, room := range []int{1, 2, 3, 10, 101} {
		var m Map[int]
		for i := range 10 * room {
			m.Turn(0, span, room)
			m.Put(strconv.Itoa(i), i)
			if got := m.Len(); got > room+1 {
				t.Fatalf("a map for %d holds %d", room, got)
			}
			if v, ok := m.Get(strconv.Itoa(i)); !ok || v != i {
				t.Fatalf("a map for %d lacks what was put last", room)
			}
		}
		if _, ok := m.Get("0"); ok {
			t.Errorf("a map for %d still has the first", room)
		}
	}
}

func TestWhatIsDeletedIsGoneFromBothHalves(t *testing.T) {
	var m Map[int]
	m.Put("k", 1)
	m.Turn(span, span, 0)
	m.Put("k", 2)
	m.Delete("k")
	if v, ok := m.Get("k"); ok {
		t.Errorf("Get after Delete: %d", v)
	}
	m.Delete("none")
	if _, ok := new(Map[int]).Get("k"); ok {
		t.Error("the zero Map has something")
	}
}
