package storetest

import (
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ginwx/wxlogin/store"
)

// instanceFlaws maps each flaw of an instance to a rule that must catch it.
var instanceFlaws = map[string]string{
	"serves what it read before":                 "what one instance writes the other reads at once",
	"remembers what was not there":               "what one instance writes the other reads at once",
	"adds where it has not added itself":         "add is refused where the other instance has added",
	"serves what the other instance deleted":     "what one instance deletes is gone for the other at once",
	"swaps what it read last":                    "swap of a value that the other instance has replaced is refused",
	"writes ends by its own clock":               "a time to live ends at the same moment for both instances",
	"reads ends by its own clock":                "a time to live ends at the same moment for both instances",
	"sweeps by its own clock":                    "a time to live ends at the same moment for both instances",
	"lists only what it added":                   "listFor shows what the other instance added",
	"ends only what it added":                    "deleteFor ends what the other instance added, at once",
	"ends the index by its own clock":            "an index lives as long as the entries of both instances",
	"drops the index after the values":           "a key that one instance adds again while the other deletes for its owner is either gone or listed",
	"adds for an owner under a lock of its own":  "of parallel addFors of both instances exactly one is told true",
	"adds under a lock of its own":               "of parallel adds of both instances exactly one is told true",
	"swaps under a lock of its own":              "of parallel swaps of both instances exactly one is told true",
	"swaps under a lock of its own, and revives": "swaps of one instance in parallel with a delete of the other end deleted",
}

func instanceVerdict(t *testing.T, c check, flaw string) (err error) {
	t.Helper()
	one, other := newInstances(flaw)
	synctest.Test(t, func(t *testing.T) {
		err = c.tryPair(one, other, config{advance: time.Sleep, timeout: DefaultTimeout})
	})
	return err
}

func TestSoundInstancesBreakNoRule(t *testing.T) {
	for _, c := range instanceChecks() {
		t.Run(c.rule, func(t *testing.T) {
			if err := instanceVerdict(t, c, ""); err != nil {
				t.Errorf("rule %q: got %v, want no error", c.rule, err)
			}
		})
	}
}

func TestEveryFlawOfAnInstanceIsCaughtByItsRule(t *testing.T) {
	for flaw, rule := range instanceFlaws {
		t.Run(flaw, func(t *testing.T) {
			all := instanceChecks()
			i := slices.IndexFunc(all, func(c check) bool { return c.rule == rule })
			if i < 0 {
				t.Fatalf("there is no rule %q", rule)
			}
			if err := instanceVerdict(t, all[i], flaw); err == nil {
				t.Errorf("an instance that %q passed the rule %q", flaw, rule)
			} else {
				t.Log(err)
			}
		})
	}
}

func TestEveryRuleOfInstancesCatchesAFlaw(t *testing.T) {
	caught := slices.Collect(maps.Values(instanceFlaws))
	seen := map[string]bool{}
	for _, c := range instanceChecks() {
		if !slices.Contains(caught, c.rule) {
			t.Errorf("no flaw proves that the rule %q can fail", c.rule)
		}
		if c.why == "" || seen[c.rule] {
			t.Errorf("rule %q: it has no reason or its name is taken", c.rule)
		}
		seen[c.rule] = true
	}
}

// What Run finds in a store that is alone proves little about the rules of
// RunInstances.
func TestAnInstanceThatIsAloneBreaksNoRule(t *testing.T) {
	for _, flaw := range []string{"lists only what it added", "ends only what it added", "adds under a lock of its own", "sweeps by its own clock", "writes ends by its own clock"} {
		t.Run(flaw, func(t *testing.T) {
			Run(t, func(*testing.T) store.Store {
				one, _ := newInstances(flaw)
				return struct{ store.AccountStore }{one}
			}, InBubble())
		})
	}
}

func TestRunInstancesRunsEveryRule(t *testing.T) {
	pairs, closed := 0, 0
	t.Run("pairs", func(t *testing.T) {
		RunInstances(t, func(*testing.T) (store.Store, store.Store) {
			pairs++
			one, other := newInstances("")
			return &closing{one, &closed}, &closing{other, &closed}
		}, InBubble(), WithTimeout(time.Minute), WithAdvance(time.Sleep))
	})
	if want := len(instanceChecks()); pairs != want || closed != 2*want {
		t.Errorf("got %d pairs made and %d stores closed, want %d and %d", pairs, closed, want, 2*want)
	}
	t.Run("without accounts", func(t *testing.T) {
		RunInstances(t, func(*testing.T) (store.Store, store.Store) {
			one, other := newInstances("lists only what it added")
			return plain{one}, other
		}, InBubble())
	})
}

type closing struct {
	store.AccountStore
	closed *int
}

func (c *closing) Close() { *c.closed++ }
