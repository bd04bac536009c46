package redisstore

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/redis/rueidis"

	"github.com/ginwx/wxlogin/store"
)

var testContext = context.Background()

// verbs are all methods, on a session that is not there.
func verbs(s *Store) map[string]func(context.Context) error {
	const key, owner = "session:secretkey", "account:secretowner"
	value := []byte("secretvalue")
	return map[string]func(context.Context) error{
		"Get":       func(ctx context.Context) error { _, err := s.Get(ctx, key); return err },
		"Set":       func(ctx context.Context) error { return s.Set(ctx, key, value, time.Minute) },
		"Add":       func(ctx context.Context) error { _, err := s.Add(ctx, key, value, time.Minute); return err },
		"Swap":      func(ctx context.Context) error { _, err := s.Swap(ctx, key, value, value, time.Minute); return err },
		"Delete":    func(ctx context.Context) error { return s.Delete(ctx, key) },
		"AddFor":    func(ctx context.Context) error { _, err := s.AddFor(ctx, owner, key, value, time.Minute); return err },
		"ListFor":   func(ctx context.Context) error { _, err := s.ListFor(ctx, owner); return err },
		"DeleteFor": func(ctx context.Context) error { return s.DeleteFor(ctx, owner) },
	}
}

func TestAnErrorOfTheServerIsAnOutage(t *testing.T) {
	for _, reply := range []string{
		"-OOM command not allowed when used memory > 'maxmemory'.",
		"-READONLY You can't write against a read only replica.",
		"-MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
		"-MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk.",
		"-NOREPLICAS Not enough good replicas to write.",
		"-LOADING Redis is loading the dataset in memory",
		"-BUSY Redis is busy running a script.",
		"-CLUSTERDOWN The cluster is down",
		"-TRYAGAIN Multiple keys request during rehashing of slot",
		"-MOVED 3999 127.0.0.1:6381",
		"-NOAUTH Authentication required.",
		"-NOPERM this user has no permissions to run the command",
		"-WRONGTYPE Operation against a key holding the wrong kind of value",
		"-CROSSSLOT Keys in request don't hash to the same slot",
		"-NOSCRIPT No matching script. Please use EVAL.",
		"-EXECABORT Transaction discarded because of previous errors.",
		"-ERR max number of clients reached",
		"+QUEUED",
		":7",
		"#t",
		",3.14",
		"*2\r\n:1\r\n:1",
		"%1\r\n+a\r\n+b",
	} {
		s, _ := newScripted(t, always(reply+"\r\n"), WithCallTimeout(50*time.Millisecond))
		for verb, call := range verbs(s) {
			if (verb == "Delete" || verb == "AddFor") && strings.HasPrefix(reply, ":") {
				continue // they are answered by a number
			}
			err := call(testContext)
			if err == nil || errors.Is(err, store.ErrNotFound) {
				t.Errorf("%s answered %q: error %v, want one that is no miss", verb, reply, err)
				continue
			}
			for _, secret := range []string{"secretkey", "secretowner", "secretvalue"} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("%s answered %q: the error holds what it was given: %v", verb, reply, err)
				}
			}
		}
	}
}

func TestANullIsAMiss(t *testing.T) {
	for _, null := range []string{"$-1\r\n", "_\r\n", "*-1\r\n"} {
		s, _ := newScripted(t, always(null))
		if _, err := s.Get(testContext, "session:a"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("Get answered %q: %v, want %v", null, err, store.ErrNotFound)
		}
		if added, err := s.Add(testContext, "k", nil, time.Minute); added || err != nil {
			t.Errorf("Add answered %q: %v, %v; want false", null, added, err)
		}
	}
}

func TestAServerThatDoesNotAnswerCostsTheCallTimeoutAndNoMore(t *testing.T) {
	const limit = 50 * time.Millisecond
	s, _ := newScripted(t, always(""), WithCallTimeout(limit))
	for verb, call := range verbs(s) {
		begin := time.Now()
		err := call(testContext)
		if took := time.Since(begin); took > limit+2*time.Second {
			t.Errorf("%s took %v, want %v", verb, took, limit)
		}
		if err == nil || errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s without an answer: %v", verb, err)
		}
	}
}

func TestAnEntryThatNobodyWroteIsAnOutage(t *testing.T) {
	for _, raw := range []string{"", "\x00", "x", "{}", "\x03abc", ownedHead, ownedHead + "short", strings.Repeat("\xff", 100)} {
		s, _ := newScripted(t, always(bulk(raw)))
		if _, err := s.Get(testContext, "session:a"); !errors.Is(err, errUnreadable) {
			t.Errorf("Get of %q: %v, want %v", raw, err, errUnreadable)
		}
	}
}

func TestAnEntryIsReadAsItWasWritten(t *testing.T) {
	owner := ownerID("account:a")
	for _, test := range []struct{ raw, owner, value string }{
		{plainHead, "", ""},
		{plainHead + "\x02value", "", "\x02value"},
		{ownedHead + owner + "12345", owner, ""},
		{ownedHead + owner + "\x00\x00\x00\x00\x00value", owner, "value"},
	} {
		e, err := decode([]byte(test.raw))
		if err != nil || e.owner != test.owner || string(e.value) != test.value {
			t.Errorf("decode(%q): owner %q, value %q, %v; want %q, %q", test.raw, e.owner, e.value, err, test.owner, test.value)
		}
		if cap(e.value) != len(e.value) {
			t.Errorf("decode(%q): an append to the value would write to memory that is not the caller's", test.raw)
		}
	}
}

func TestATimeToLiveThatIsNotPositiveChangesNothing(t *testing.T) {
	s, server := newScripted(t, always("+OK\r\n"))
	for _, ttl := range []time.Duration{0, -time.Second} {
		errs := map[string]error{"Set": s.Set(testContext, "k", nil, ttl)}
		_, errs["Add"] = s.Add(testContext, "k", nil, ttl)
		_, errs["Swap"] = s.Swap(testContext, "k", nil, nil, ttl)
		_, errs["AddFor"] = s.AddFor(testContext, "o", "k", nil, ttl)
		for verb, err := range errs {
			if !errors.Is(err, errTTL) {
				t.Errorf("%s for %v: %v, want %v", verb, ttl, err, errTTL)
			}
		}
	}
	if sent := server.commands(); len(sent) != 0 {
		t.Errorf("the server was sent %q", sent)
	}
}

func TestMillisecondsAreNeverZeroAndNeverOverflow(t *testing.T) {
	for ttl, want := range map[time.Duration]int64{
		1: 1, time.Microsecond: 1, time.Millisecond: 1, time.Millisecond + 1: 1, time.Second: 1000,
		1<<63 - 1: maxTTL.Milliseconds(),
	} {
		if got, err := millis(ttl); got != want || err != nil {
			t.Errorf("millis(%v): %d, %v; want %d", ttl, got, err, want)
		}
	}
}

func TestEveryKeyIsUnderThePrefix(t *testing.T) {
	s, server := newScripted(t, always("$-1\r\n"), WithPrefix("mine:"))
	for _, call := range verbs(s) {
		_ = call(testContext)
	}
	if len(server.commands()) < 8 {
		t.Fatalf("the server was sent %q, want a command for each verb", server.commands())
	}
	for _, command := range server.commands() {
		keys := command[1:2]
		if strings.HasPrefix(command[0], "EVAL") {
			keys = command[3 : 3+int(command[2][0]-'0')]
		}
		for _, key := range keys {
			if !strings.HasPrefix(key, "mine:") {
				t.Errorf("%s names the key %q", command[0], key)
			}
		}
	}
}

func TestSingleKeyCommandsNameOneKey(t *testing.T) {
	s, server := newScripted(t, func(command []string) string {
		if strings.HasPrefix(command[0], "EVAL") {
			return "*2\r\n$5\r\n12345\r\n:1\r\n"
		}
		return "+OK\r\n"
	}, WithSingleKeyCommands())
	if added, err := s.AddFor(testContext, "account:a", "session:a", []byte("v"), time.Minute); !added || err != nil {
		t.Fatalf("AddFor: %v, %v", added, err)
	}
	sent := server.commands()
	if len(sent) != 2 || sent[0][0] != "EVALSHA" || sent[0][2] != "1" || sent[1][0] != "SET" {
		t.Fatalf("the server was sent %q, want a script of one key and then SET", sent)
	}
	if want := ownedHead + ownerID("account:a") + "12345v"; sent[1][2] != want {
		t.Errorf("SET writes %q, want %q", sent[1][2], want)
	}
}

func TestWrongOptionsPanicAtOnce(t *testing.T) {
	for name, wrong := range map[string]func(){
		"nil client":           func() { New(nil) },
		"long prefix":          func() { WithPrefix(strings.Repeat("x", 65)) },
		"no call timeout":      func() { WithCallTimeout(0) },
		"negative timeout":     func() { WithCallTimeout(-1) },
		"no cache":             func() { WithLocalCache(nil) },
		"no staleness":         func() { NewLocalCache(0, 1) },
		"too little staleness": func() { NewLocalCache(time.Microsecond, 1) },
		"no room":              func() { NewLocalCache(time.Minute, 0) },
		"a cache that does not listen": func() {
			client, _ := connect(t, rueidis.ClientOption{}, always(""))
			New(client, WithLocalCache(NewLocalCache(time.Minute, 1)))
		},
		"a client with a cache of its own": func() {
			NewLocalCache(time.Minute, 1).Listen(rueidis.ClientOption{NewCacheStoreFn: func(rueidis.CacheStoreOption) rueidis.CacheStore { return nil }})
		},
		"a client that is told of other changes": func() {
			NewLocalCache(time.Minute, 1).Listen(rueidis.ClientOption{ClientTrackingOptions: []string{"BCAST"}})
		},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			wrong()
		}()
	}
}
