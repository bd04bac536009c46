package storetest

import (
	"errors"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ginwx/wxlogin/store"
)

// flaws maps each flaw to a rule that must catch it.
var flaws = map[string]string{
	"has its own error for absence":                 "get of a key that was never set is ErrNotFound",
	"set keeps the first value":                     "set writes the value, whether or not there was one",
	"add overwrites":                                "add writes only where there is no live value",
	"add does not forget a delete":                  "add writes after a delete",
	"delete takes a prefix":                         "delete removes the key, and only that key",
	"delete of nothing is an error":                 "delete of a key that is not there is no error",
	"takes empty for absent":                        "a value may be empty and hold any byte",
	"cuts values at zero bytes":                     "a value may be empty and hold any byte",
	"keeps the caller's slice":                      "the store copies what it is given",
	"gives its own slice away":                      "the caller may change what it was given",
	"swap does not look at the old value":           "swap with a wrong old value changes nothing",
	"swap folds case":                               "swap with a wrong old value changes nothing",
	"swap trims":                                    "swap with a wrong old value changes nothing",
	"counts changed rows":                           "swap of a value by the same value is told true",
	"swap makes what is absent":                     "swap of a key that was never set is ErrNotFound",
	"swap of nothing is a lost race":                "swap of a key that was never set is ErrNotFound",
	"swap revives what was deleted":                 "swap after delete does not revive the entry",
	"swap does not see expiry":                      "swap after expiry does not revive the entry",
	"swap keeps the time to live":                   "swap sets the time to live",
	"a refused swap moves the end":                  "a refused swap or add leaves the time to live as it was",
	"a refused add moves the end":                   "a refused swap or add leaves the time to live as it was",
	"never expires":                                 "get after expiry is ErrNotFound",
	"reads what expired":                            "get after expiry is ErrNotFound",
	"counts in seconds":                             "a time to live below a second is kept",
	"ends everything at once":                       "a time to live below a second is kept",
	"never expires a tiny time to live":             "a time to live below the store's precision is neither an error nor endless",
	"overflows after a month":                       "a time to live of a year is kept",
	"set keeps the first time to live":              "set sets the time to live",
	"add does not see expiry":                       "add after expiry writes",
	"delete after expiry is an error":               "delete after expiry is no error",
	"cuts keys":                                     "keys of 128 bytes and values of 16 KiB are kept whole",
	"ignores the context":                           "a context that is done is an error and changes nothing",
	"adds in two steps":                             "of parallel adds exactly one is told true",
	"takes over what expired in two steps":          "of parallel adds in place of an expired entry exactly one is told true",
	"swaps in two steps":                            "parallel swaps and a delete end deleted",
	"leaves a gap while it replaces":                "a reader sees a whole value, and never a gap while it is replaced",
	"addFor takes the key over":                     "addFor writes only where there is no live value",
	"an empty list is an error":                     "listFor returns every live entry of the owner",
	"list stops at ten":                             "listFor returns every live entry of the owner",
	"list shows what expired":                       "listFor leaves out what expired or was deleted",
	"list shows what was deleted":                   "listFor leaves out what expired or was deleted",
	"the index expires with its newest entry":       "an entry with a long life stays listed beside ones with a short life",
	"owners share a prefix":                         "owners do not see each other",
	"keeps the index among the keys":                "an owner and a key of the same text are two things",
	"list gives its own slices away":                "listFor shares no bytes with the caller or the store",
	"deleteFor leaves one":                          "deleteFor removes every entry of the owner, and no other",
	"deleteFor takes everybody's":                   "deleteFor removes every entry of the owner, and no other",
	"deleteFor of nothing is an error":              "deleteFor of an owner without entries is no error",
	"swap loses the owner":                          "swap keeps the owner",
	"the index expires with the first time to live": "an entry that a swap makes live longer stays listed",
	"what expired keeps its owner":                  "addFor of an expired key by another owner moves it",
	"a plain add keeps the former owner":            "an entry that is added again belongs to whoever adds it",
	"adds for an owner in two steps":                "of parallel addFors of different owners exactly one is told true",
	"deleteFor drops the index in a second step":    "listFor and deleteFor work while logins run",
	"deleteFor forgets what is added meanwhile":     "a key that is added again while deleteFor of its owner runs is either gone or listed",
	"list stops at a hundred":                       "two thousand entries of one owner are listed, deleted one by one and together",
	"swap never succeeds":                           "swap replaces the value if it is the old one",
	"swaps in two steps, for all to win":            "of parallel swaps from one value exactly one is told true",
	"trims keys":                                    "a key may have one byte, and every byte of its alphabet",
	"reads through one buffer":                      "parallel calls for different keys do not disturb each other",
	"leaves a goroutine":                            closeRule,
	"is empty once closed":                          closeRule,
	"cannot be closed twice":                        closeRule,
	"panics when closed twice":                      closeRule,
}

const closeRule = "close may be called twice, leaves nothing running, and is not an absence"

func ruleNamed(t *testing.T, rule string) check {
	t.Helper()
	all := checks()
	i := slices.IndexFunc(all, func(c check) bool { return c.rule == rule })
	if i < 0 {
		t.Fatalf("there is no rule %q", rule)
	}
	return all[i]
}

// verdict tests one rule on one store, in no time.
func verdict(t *testing.T, c check, flaw string) (err error) {
	t.Helper()
	f := newFlawed(flaw)
	if c.whole != nil {
		err = c.whole(t, func(*testing.T) store.Store { return flawedCloser{f} })
		close(f.stop)
		return err
	}
	synctest.Test(t, func(t *testing.T) {
		err = c.try(f, config{advance: time.Sleep, timeout: DefaultTimeout})
	})
	return err
}

func TestASoundStoreBreaksNoRule(t *testing.T) {
	for _, c := range checks() {
		t.Run(c.rule, func(t *testing.T) {
			if err := verdict(t, c, ""); err != nil {
				t.Errorf("rule %q: got %v, want no error", c.rule, err)
			}
		})
	}
}

func TestEveryFlawIsCaughtByItsRule(t *testing.T) {
	for flaw, rule := range flaws {
		t.Run(flaw, func(t *testing.T) {
			if err := verdict(t, ruleNamed(t, rule), flaw); err == nil {
				t.Errorf("a store that %q passed the rule %q", flaw, rule)
			} else {
				t.Log(err)
			}
		})
	}
}

func TestEveryRuleCatchesAFlaw(t *testing.T) {
	caught := slices.Collect(maps.Values(flaws))
	seen := map[string]bool{}
	for _, c := range checks() {
		if !slices.Contains(caught, c.rule) {
			t.Errorf("no flaw proves that the rule %q can fail", c.rule)
		}
		if c.why == "" || seen[c.rule] {
			t.Errorf("rule %q: it has no reason or its name is taken", c.rule)
		}
		seen[c.rule] = true
	}
}

func TestAStoreThatHangsIsReported(t *testing.T) {
	f := newFlawed("hangs")
	synctest.Test(t, func(t *testing.T) {
		f.stop = make(chan struct{})
		err := checks()[0].try(f, config{advance: time.Sleep, timeout: time.Minute})
		if err == nil || !strings.Contains(err.Error(), "no end after 1m0s") {
			t.Errorf("got %v, want the time limit of one minute to be reported", err)
		}
		close(f.stop)
	})
}

func TestAStoreThatPanicsIsReported(t *testing.T) {
	err := checks()[0].try(nil, config{advance: time.Sleep, timeout: time.Minute})
	if err == nil || !strings.Contains(err.Error(), "panic: ") {
		t.Errorf("got %v, want the panic to be reported", err)
	}
}

func TestRunUsesTheHookForTime(t *testing.T) {
	start := time.Now()
	synctest.Test(t, func(t *testing.T) {
		var advanced time.Duration
		c := ruleNamed(t, "get after expiry is ErrNotFound")
		err := c.try(newFlawed(""), config{timeout: DefaultTimeout, advance: func(d time.Duration) {
			advanced += d
			<-time.After(d)
		}})
		if err != nil || advanced < soon {
			t.Errorf("got error %v after the clock was advanced by %v, want none and at least %v", err, advanced, soon)
		}
	})
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("took %v of real time", took)
	}
}

// plain hides the account methods and Close of a store.
type plain struct{ store.Store }

const childEnv = "WXLOGIN_STORETEST_FLAW"

// TestRunInChild is run by TestRunFailsTheTest, in a process of its own, because
// it is to fail.
func TestRunInChild(t *testing.T) {
	flaw, ok := os.LookupEnv(childEnv)
	if !ok {
		return
	}
	Run(t, func(*testing.T) store.Store {
		if flaw == "plain" {
			return plain{newFlawed("")}
		}
		return newFlawed(flaw)
	}, InBubble(), WithTimeout(time.Minute), WithAdvance(time.Sleep))
}

func TestRunFailsTheTest(t *testing.T) {
	run := func(flaw string) (string, error) {
		child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestRunInChild$", "-test.v")
		child.Env = append(os.Environ(), childEnv+"="+flaw)
		out, err := child.CombinedOutput()
		return string(out), err
	}
	t.Run("for a flawed store, with rule, call and reason", func(t *testing.T) {
		out, err := run("swap revives what was deleted")
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			t.Fatalf("got error %v, want a failed test:\n%s", err, out)
		}
		for _, want := range []string{
			"--- FAIL: TestRunInChild/swap_after_delete_does_not_revive_the_entry",
			"broken rule: swap after delete does not revive the entry",
			"after Delete: got (true, <nil>), want (false, store.ErrNotFound)",
			"why it matters: a request that was under way",
		} {
			if !strings.Contains(out, want) {
				t.Errorf("output lacks %q:\n%s", want, out)
			}
		}
	})
	t.Run("not for a sound one without accounts and Close", func(t *testing.T) {
		out, err := run("plain")
		if err != nil {
			t.Fatalf("got error %v, want none:\n%s", err, out)
		}
		if n := strings.Count(out, "the store is no store.AccountStore, which is allowed"); n < 10 {
			t.Errorf("%d rules about accounts were skipped with a reason, want at least 10:\n%s", n, out)
		}
	})
}
