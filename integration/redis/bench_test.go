package redis

import (
	"context"
	"testing"
	"time"

	"github.com/ginwx/wxlogin/integration/engine"
	"github.com/ginwx/wxlogin/integration/testapp"
	"github.com/ginwx/wxlogin/store"
	"github.com/ginwx/wxlogin/store/redisstore"
)

// BenchmarkAuthenticate compares one authenticated request with a bare GET of a
// value as long as a session.
func BenchmarkAuthenticate(b *testing.B) {
	server := engine.StartRedis(b)
	client := connectTo(b, server)
	memory := store.NewMemory()
	b.Cleanup(func() { memory.Close() })
	ctx := context.Background()

	b.Run("bare GET", func(b *testing.B) {
		value := make([]byte, 160)
		if err := client.Do(ctx, client.B().Set().Key("bare").Value(string(value)).Px(time.Hour).Build()).Error(); err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if _, err := client.Do(ctx, client.B().Get().Key("bare").Build()).AsBytes(); err != nil {
					b.Error(err)
				}
			}
		})
	})
	for _, test := range []struct {
		name  string
		store store.Store
	}{
		{"redisstore", redisstore.New(client)},
		{"redisstore with a local cache", redisstore.New(client, redisstore.WithLocalCache(time.Minute))},
		{"memory", memory},
	} {
		b.Run(test.name, func(b *testing.B) {
			auth := testapp.New(b, test.store)
			token := testapp.Login(b, auth, "user")
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := auth.Authenticate(ctx, token); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}
