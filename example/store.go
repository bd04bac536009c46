package main

import (
	"errors"
	"strings"
	"time"

	"github.com/redis/rueidis"

	"github.com/ginwx/wxlogin/store"
	"github.com/ginwx/wxlogin/store/redisstore"
)

// openStore returns the store that STORE names, nil for the default one in memory,
// and what closes it.
func openStore(url string) (store.Store, func(), error) {
	if url == "" {
		return nil, func() {}, nil
	}
	if !strings.HasPrefix(url, "redis://") && !strings.HasPrefix(url, "rediss://") {
		return nil, nil, errors.New("STORE: want redis://HOST:PORT, rediss:// for TLS, or nothing for a store in memory")
	}
	option, err := rueidis.ParseURL(url)
	if err != nil {
		return nil, nil, errors.New("STORE: not a URL that names a Redis server") // its text may hold a password
	}
	option.Dialer.Timeout = time.Second // an outage is answered, not waited for
	option.ConnWriteTimeout = 2 * time.Second
	client, err := rueidis.NewClient(option)
	if err != nil {
		return nil, nil, err
	}
	return redisstore.New(client), client.Close, nil
}
