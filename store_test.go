package wxlogin

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ginwx/wxlogin/store"
)

var testContext = context.Background()

// sleep moves the clock of a synctest bubble.
func sleep(d time.Duration) { <-time.After(d) }

func contains(text, part string) bool { return strings.Contains(text, part) }

// countingStore is a memory store that counts its calls, fails on demand, and
// lets a test step in before a verb.
type countingStore struct {
	*store.Memory
	mu      sync.Mutex
	calls   map[string]int
	errs    map[string]error
	hooks   map[string]func()
	records []string
	ttls    map[string]time.Duration
}

func newCountingStore(t testing.TB) *countingStore {
	return &countingStore{
		Memory: newTestStore(t), calls: make(map[string]int), errs: make(map[string]error), hooks: make(map[string]func()),
		ttls: make(map[string]time.Duration),
	}
}

func (s *countingStore) fail(verb string, err error)  { s.mu.Lock(); s.errs[verb] = err; s.mu.Unlock() }
func (s *countingStore) before(verb string, f func()) { s.mu.Lock(); s.hooks[verb] = f; s.mu.Unlock() }

func (s *countingStore) count(verb string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[verb]
}

func (s *countingStore) total() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, calls := range s.calls {
		n += calls
	}
	return n
}

// ttlOf returns the time to live of the last Add under a key with the prefix.
func (s *countingStore) ttlOf(prefix string) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, ttl := range s.ttls {
		if strings.HasPrefix(key, prefix) {
			return ttl
		}
	}
	return 0
}

// written returns key and value of every write.
func (s *countingStore) written() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.records
}

func (s *countingStore) enter(verb string, record ...string) error {
	s.mu.Lock()
	s.calls[verb]++
	hook, err := s.hooks[verb], s.errs[verb]
	if len(record) > 0 {
		s.records = append(s.records, strings.Join(record, " "))
	}
	s.mu.Unlock()
	if hook != nil {
		hook()
	}
	return err
}

func (s *countingStore) Get(ctx context.Context, key string) ([]byte, error) {
	if err := s.enter("Get"); err != nil {
		return nil, err
	}
	return s.Memory.Get(ctx, key)
}

func (s *countingStore) Set(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	if err := s.enter("Set", key, string(value)); err != nil {
		return err
	}
	return s.Memory.Set(ctx, key, value, ttl)
}

func (s *countingStore) Add(ctx context.Context, key string, value []byte, ttl time.Duration) (bool, error) {
	if err := s.enter("Add", key, string(value)); err != nil {
		return false, err
	}
	s.mu.Lock()
	s.ttls[key] = ttl
	s.mu.Unlock()
	return s.Memory.Add(ctx, key, value, ttl)
}

func (s *countingStore) Swap(ctx context.Context, key string, old, new []byte, ttl time.Duration) (bool, error) {
	if err := s.enter("Swap", key, string(new)); err != nil {
		return false, err
	}
	return s.Memory.Swap(ctx, key, old, new, ttl)
}

func (s *countingStore) Delete(ctx context.Context, key string) error {
	if err := s.enter("Delete"); err != nil {
		return err
	}
	return s.Memory.Delete(ctx, key)
}

func (s *countingStore) AddFor(ctx context.Context, owner, key string, value []byte, ttl time.Duration) (bool, error) {
	if err := s.enter("AddFor", owner, key, string(value)); err != nil {
		return false, err
	}
	return s.Memory.AddFor(ctx, owner, key, value, ttl)
}

func (s *countingStore) ListFor(ctx context.Context, owner string) ([]store.Entry, error) {
	if err := s.enter("ListFor"); err != nil {
		return nil, err
	}
	return s.Memory.ListFor(ctx, owner)
}

func (s *countingStore) DeleteFor(ctx context.Context, owner string) error {
	if err := s.enter("DeleteFor"); err != nil {
		return err
	}
	return s.Memory.DeleteFor(ctx, owner)
}

// plainStore hides the account index of a store.
type plainStore struct{ store.Store }

// logBuffer collects what an Auth logs, as text and as JSON.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *logBuffer) attach(cfg *Config) {
	cfg.Logger = slog.New(slog.NewJSONHandler(b, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func (b *logBuffer) contains(text string) bool { return contains(b.text(), text) }

func (b *logBuffer) text() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
