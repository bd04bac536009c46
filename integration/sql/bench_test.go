package sql

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ginwx/wxlogin/integration/engine"
	"github.com/ginwx/wxlogin/integration/testapp"
	"github.com/ginwx/wxlogin/store"
	"github.com/ginwx/wxlogin/store/sqlstore"
)

// BenchmarkSQLStore measures every verb, with as many callers at a time as its
// name says, on servers with their default durability: a write is on disk before
// it is answered. A value is as long as that of a session.
func BenchmarkSQLStore(b *testing.B) {
	for name, start := range map[string]func(b *testing.B) database{
		"PostgreSQL": func(b *testing.B) database {
			return database{sqlstore.PostgreSQL, "pgx", engine.StartPostgres(b).DSN()}
		},
		"MariaDB": func(b *testing.B) database {
			return database{sqlstore.MySQL, "mysql", engine.StartMariaDB(b).DSN("interpolateParams=true")}
		},
		"SQLite": func(b *testing.B) database {
			return sqliteIn(b.TempDir(), "?_pragma=journal_mode(WAL)&_pragma=busy_timeout(1000)&_pragma=synchronous(FULL)")
		},
		"SQLite relaxed": func(b *testing.B) database { return sqliteIn(b.TempDir(), walDSN) },
	} {
		b.Run(name, func(b *testing.B) {
			s := start(b).store(b)
			prefill(b, s)
			for _, callers := range []int{1, 8} {
				b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) { benchVerbs(b, s, callers) })
			}
		})
	}
}

// BenchmarkLogin measures logins of users who were here before, one at a time, with
// the default durability.
func BenchmarkLogin(b *testing.B) {
	run := func(b *testing.B, d database) {
		auth := testapp.New(b, d.store(b))
		testapp.Login(b, auth, "user")
		for b.Loop() {
			testapp.Login(b, auth, "user")
		}
	}
	b.Run("PostgreSQL", func(b *testing.B) {
		run(b, database{sqlstore.PostgreSQL, "pgx", engine.StartPostgres(b).DSN()})
	})
	b.Run("MariaDB", func(b *testing.B) {
		run(b, database{sqlstore.MySQL, "mysql", engine.StartMariaDB(b).DSN("interpolateParams=true")})
	})
}

const (
	accounts    = 1000
	perAccount  = 10
	sessionLife = 24 * time.Hour
)

var sessionValue = []byte(fmt.Sprintf("%-160s", "a value as long as that of a session"))

// prefill gives the table some size.
func prefill(b *testing.B, s store.AccountStore) {
	b.Helper()
	inParallel(b, 8, accounts*perAccount, func(ctx context.Context, i int) error {
		_, err := s.AddFor(ctx, fmt.Sprintf("account:%d", i%accounts), fmt.Sprintf("session:%d", i), sessionValue, sessionLife)
		return err
	})
}

var fresh atomic.Int64

func benchVerbs(b *testing.B, s store.AccountStore, callers int) {
	known := func(i int) string { return fmt.Sprintf("session:%d", 1+i*7919%(accounts*perAccount)) }
	verbs := []struct {
		name string
		call func(ctx context.Context, i int) error
	}{
		{"Get", func(ctx context.Context, i int) error { _, err := s.Get(ctx, known(i)); return err }},
		{"Set", func(ctx context.Context, i int) error { return s.Set(ctx, known(i), sessionValue, sessionLife) }},
		{"Swap", func(ctx context.Context, i int) error {
			_, err := s.Swap(ctx, known(i), sessionValue, sessionValue, sessionLife)
			return err
		}},
		{"AddFor", func(ctx context.Context, i int) error {
			n := fresh.Add(1)
			_, err := s.AddFor(ctx, fmt.Sprintf("fresh:%d", n/10), fmt.Sprintf("new:%d", n), sessionValue, sessionLife)
			return err
		}},
		{"ListFor", func(ctx context.Context, i int) error {
			_, err := s.ListFor(ctx, fmt.Sprintf("account:%d", i%accounts))
			return err
		}},
		{"AddDelete", func(ctx context.Context, i int) error {
			key := fmt.Sprintf("short:%d", fresh.Add(1))
			if _, err := s.Add(ctx, key, sessionValue, sessionLife); err != nil {
				return err
			}
			return s.Delete(ctx, key)
		}},
	}
	for _, verb := range verbs {
		b.Run(verb.name, func(b *testing.B) {
			b.ResetTimer()
			inParallel(b, callers, b.N, verb.call)
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "calls/s")
		})
	}
}

// inParallel calls do n times from so many goroutines, with the numbers from 1.
func inParallel(b *testing.B, callers, n int, do func(ctx context.Context, i int) error) {
	b.Helper()
	ctx := context.Background()
	var next atomic.Int64
	var all sync.WaitGroup
	for range callers {
		all.Go(func() {
			for i := int(next.Add(1)); i <= n; i = int(next.Add(1)) {
				if err := do(ctx, i); err != nil {
					b.Errorf("call %d: %v", i, err)
					return
				}
			}
		})
	}
	all.Wait()
}
