package memcached

import (
	"context"
	"errors"
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/bradfitz/gomemcache/memcache"

	"github.com/ginwx/wxlogin"
	"github.com/ginwx/wxlogin/integration/engine"
	"github.com/ginwx/wxlogin/integration/testapp"
	"github.com/ginwx/wxlogin/store"
	"github.com/ginwx/wxlogin/store/storetest"
)

var _ store.Store = Store{}

func start(t *testing.T) (*engine.Process, Store) {
	t.Helper()
	port := engine.FreePort(t)
	process := engine.Start(t, engine.Spec{
		Path: engine.Find(t, "memcached"),
		Args: []string{"-l", "127.0.0.1", "-p", strconv.Itoa(port), "-U", "0"},
		Ready: func(ctx context.Context) error {
			var d net.Dialer
			conn, err := d.DialContext(ctx, "tcp", engine.Addr(port))
			if err == nil {
				conn.Close()
			}
			return err
		},
	})
	client := memcache.New(engine.Addr(port))
	client.Timeout = 2 * time.Second
	client.MaxIdleConns = 16
	t.Cleanup(func() { client.Close() })
	return process, Store{client}
}

func TestTheStoreKeepsTheContract(t *testing.T) {
	_, s := start(t)
	storetest.Run(t, func(*testing.T) store.Store { return s })
}

func TestAnApplicationRunsOnAStoreWithoutAnIndex(t *testing.T) {
	process, s := start(t)
	auth := testapp.New(t, s)
	ctx := context.Background()
	token, other := testapp.Login(t, auth, "user"), testapp.Login(t, auth, "user")
	id, err := auth.Authenticate(ctx, token)
	if err != nil || id.OpenID != "user" {
		t.Fatalf("Authenticate: %q, %v", id.OpenID, err)
	}
	if err := auth.Logout(ctx, token); err != nil {
		t.Fatal(err)
	}
	if _, err := auth.Authenticate(ctx, token); !errors.Is(err, wxlogin.ErrInvalidToken) {
		t.Errorf("Authenticate after Logout: %v, want %v", err, wxlogin.ErrInvalidToken)
	}
	if _, err := auth.Authenticate(ctx, other); err != nil {
		t.Errorf("Authenticate of another session: %v", err)
	}
	if _, err := auth.Sessions(ctx, id); !errors.Is(err, wxlogin.ErrNoAccountIndex) {
		t.Errorf("Sessions: %v, want %v", err, wxlogin.ErrNoAccountIndex)
	}
	if err := auth.RevokeUser(ctx, id); !errors.Is(err, wxlogin.ErrNoAccountIndex) {
		t.Errorf("RevokeUser: %v, want %v", err, wxlogin.ErrNoAccountIndex)
	}
	process.Kill()
	if _, err := auth.Authenticate(ctx, other); !errors.Is(err, wxlogin.ErrStoreUnavailable) {
		t.Errorf("Authenticate without a server: %v, want %v", err, wxlogin.ErrStoreUnavailable)
	}
}
