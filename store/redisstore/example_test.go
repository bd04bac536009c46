package redisstore_test

import (
	"crypto/tls"
	"log"
	"time"

	"github.com/redis/rueidis"

	"github.com/ginwx/wxlogin"
	"github.com/ginwx/wxlogin/store/redisstore"
)

// The client decides where the sessions are; New does not connect.
func ExampleNew() {
	option := rueidis.ClientOption{InitAddress: []string{"10.0.0.1:6379"}, ConnWriteTimeout: 2 * time.Second}
	option.Dialer.Timeout = time.Second
	client, err := rueidis.NewClient(option)
	if err != nil {
		log.Print(err)
		return
	}
	defer client.Close()

	auth, err := wxlogin.New(wxlogin.Config{
		Apps:  []string{"wx0123456789abcdef"},
		Store: redisstore.New(client),
		Keys:  [][]byte{[]byte("32 random bytes, from a safe place")},
	})
	if err != nil {
		log.Print(err)
		return
	}
	defer auth.Close()
}

func ExampleNew_sentinel() {
	option := rueidis.ClientOption{
		InitAddress: []string{"10.0.0.1:26379", "10.0.0.2:26379", "10.0.0.3:26379"},
		Sentinel: rueidis.SentinelOption{
			MasterSet:               "mymaster",
			TopologyRefreshInterval: 5 * time.Second,
		},
		TLSConfig: &tls.Config{ServerName: "redis.internal", MinVersion: tls.VersionTLS12},
	}
	if client, err := rueidis.NewClient(option); err == nil {
		defer client.Close()
		_ = redisstore.New(client)
	}
}

func ExampleWithPrefix() {
	var client rueidis.Client // one server for two environments
	if client != nil {
		_ = redisstore.New(client, redisstore.WithPrefix("staging:wxlogin:"))
	}
}

func ExampleWithCallTimeout() {
	var client rueidis.Client
	if client != nil {
		_ = redisstore.New(client, redisstore.WithCallTimeout(500*time.Millisecond))
	}
}

// A proxy that spreads keys over servers and speaks RESP2 alone.
func ExampleWithSingleKeyCommands() {
	option := rueidis.ClientOption{
		InitAddress:  []string{"proxy:6379"},
		DisableCache: true, AlwaysRESP2: true, ForceSingleClient: true,
	}
	if client, err := rueidis.NewClient(option); err == nil {
		defer client.Close()
		_ = redisstore.New(client, redisstore.WithSingleKeyCommands())
	}
}

// A logout elsewhere is seen at once while all is well, and within ten seconds on a
// network that is cut without a sign.
func ExampleNewLocalCache() {
	cache := redisstore.NewLocalCache(10*time.Second, 100_000)
	option := rueidis.ClientOption{InitAddress: []string{"10.0.0.1:6379"}}
	if client, err := rueidis.NewClient(cache.Listen(option)); err == nil {
		defer client.Close()
		_ = redisstore.New(client, redisstore.WithLocalCache(cache))
	}
}

func ExampleLocalCache_Listen() {
	cache := redisstore.NewLocalCache(10*time.Second, 100_000)
	option := cache.Listen(rueidis.ClientOption{InitAddress: []string{"10.0.0.1:6379"}})
	option.OnInvalidations(nil) // the client's business
}

func ExampleWithLocalCache() {
	cache := redisstore.NewLocalCache(time.Second, 1000)
	if client, err := rueidis.NewClient(cache.Listen(rueidis.ClientOption{InitAddress: []string{"10.0.0.1:6379"}})); err == nil {
		defer client.Close()
		_ = redisstore.New(client, redisstore.WithLocalCache(cache), redisstore.WithPrefix("staging:wxlogin:"))
	}
}
