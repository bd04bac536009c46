// Package sidebyside measures one authenticated request on every store in one run.
package sidebyside

import (
	"database/sql"
	"slices"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/redis/rueidis"
	_ "modernc.org/sqlite"

	"github.com/ginwx/wxlogin/integration/engine"
	"github.com/ginwx/wxlogin/integration/testapp"
	"github.com/ginwx/wxlogin/store"
	"github.com/ginwx/wxlogin/store/redisstore"
	"github.com/ginwx/wxlogin/store/sqlstore"
)

// BenchmarkAuthenticate takes turns between the stores, so that what else the
// machine does strikes all alike, and reports medians in nanoseconds a request.
func BenchmarkAuthenticate(b *testing.B) {
	client := redisClient(b)
	memory := store.NewMemory()
	b.Cleanup(func() { memory.Close() })
	contestants := []struct {
		name string
		call func() error
	}{
		{"memory", authenticate(b, memory)},
		{"redis-bare-GET", bareGET(b, client)},
		{"redis", authenticate(b, redisstore.New(client))},
		{"redis-local-cache", authenticate(b, redisstore.New(client, redisstore.WithPrefix("cached:"), redisstore.WithLocalCache(time.Minute)))},
		{"postgres", authenticate(b, sqlStore(b, sqlstore.PostgreSQL, "pgx", engine.StartPostgres(b).DSN()))},
		{"sqlite", authenticate(b, sqlStore(b, sqlstore.SQLite, "sqlite",
			"file:"+b.TempDir()+"/wxlogin.db?_pragma=journal_mode(WAL)&_pragma=busy_timeout(1000)"))},
	}
	const calls = 200 // of each kind in a turn
	times := make([][]float64, len(contestants))
	for b.Loop() {
		for i, c := range contestants {
			start := time.Now()
			for range calls {
				if err := c.call(); err != nil {
					b.Fatal(err)
				}
			}
			times[i] = append(times[i], float64(time.Since(start).Nanoseconds())/calls)
		}
	}
	median := make(map[string]float64)
	for i, c := range contestants {
		slices.Sort(times[i])
		median[c.name] = times[i][len(times[i])/2]
		b.ReportMetric(median[c.name], "ns/"+c.name)
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(median["redis"]/median["redis-bare-GET"], "redis-x-GET")
	b.ReportMetric(median["redis-local-cache"]/median["memory"], "local-cache-x-memory")
}

func authenticate(b *testing.B, s store.Store) func() error {
	auth := testapp.New(b, s)
	token := testapp.Login(b, auth, "user")
	return func() error {
		_, err := auth.Authenticate(b.Context(), token)
		return err
	}
}

// bareGET reads a value as long as a session.
func bareGET(b *testing.B, client rueidis.Client) func() error {
	set := client.B().Set().Key("bare").Value(string(make([]byte, 160))).Px(time.Hour).Build()
	if err := client.Do(b.Context(), set).Error(); err != nil {
		b.Fatal(err)
	}
	return func() error {
		_, err := client.Do(b.Context(), client.B().Get().Key("bare").Build()).AsBytes()
		return err
	}
}

func redisClient(b *testing.B) rueidis.Client {
	client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{engine.StartRedis(b).Addr()}})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(client.Close)
	return client
}

func sqlStore(b *testing.B, dialect sqlstore.Dialect, driver, dsn string) store.Store {
	db, err := sql.Open(driver, dsn)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { db.Close() })
	s, err := sqlstore.New(db, dialect)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	if err := s.Migrate(b.Context()); err != nil {
		b.Fatal(err)
	}
	return s
}
