// Package sidebyside measures one authenticated request on every store in one run.
package sidebyside

import (
	"context"
	"database/sql"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	_ "github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/redis/rueidis"
	_ "modernc.org/sqlite"

	"github.com/ginwx/wxlogin/integration/engine"
	"github.com/ginwx/wxlogin/integration/testapp"
	"github.com/ginwx/wxlogin/store"
	"github.com/ginwx/wxlogin/store/sqlstore"
)

// BenchmarkAuthenticate takes turns between the stores, so that what else the
// machine does strikes all alike, and reports medians in nanoseconds a request.
func BenchmarkAuthenticate(b *testing.B) {
	type call struct {
		name string
		do   func() error
	}
	server := engine.StartRedis(b)
	calls := []call{{"redis-bare-GET", bareGET(b, redisClient(b, rueidis.ClientOption{InitAddress: []string{server.Addr()}}))}}
	for _, c := range contestants {
		s, _ := c.open(b)
		calls = append(calls, call{c.name, authenticate(b, s)})
	}
	const turn = 200 // calls of each kind
	times := make([][]float64, len(calls))
	for b.Loop() {
		for _, i := range rand.Perm(len(calls)) { // each may come after each
			start := time.Now()
			for range turn {
				if err := calls[i].do(); err != nil {
					b.Fatal(err)
				}
			}
			times[i] = append(times[i], float64(time.Since(start).Nanoseconds())/turn)
		}
	}
	median := make(map[string]float64)
	for i, c := range calls {
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

// bareGET reads a value as long as a session, with a context that costs the client
// nothing.
func bareGET(b *testing.B, client rueidis.Client) func() error {
	set := client.B().Set().Key("bare").Value(string(make([]byte, 160))).Px(time.Hour).Build()
	if err := client.Do(b.Context(), set).Error(); err != nil {
		b.Fatal(err)
	}
	return func() error {
		_, err := client.Do(context.Background(), client.B().Get().Key("bare").Build()).AsBytes()
		return err
	}
}

func redisClient(b *testing.B, option rueidis.ClientOption) rueidis.Client {
	client, err := rueidis.NewClient(option)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(client.Close)
	return client
}

func sqliteDSN(b *testing.B) string {
	return "file:" + b.TempDir() + "/wxlogin.db?_pragma=journal_mode(WAL)&_pragma=busy_timeout(1000)"
}

func sqlStore(b *testing.B, dialect sqlstore.Dialect, driver, dsn string) store.Store {
	db, err := sql.Open(driver, dsn)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { db.Close() })
	db.SetMaxOpenConns(16)
	db.SetMaxIdleConns(16)
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
