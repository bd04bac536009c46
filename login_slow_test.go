package wxlogin

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ginwx/wxlogin/store"
	"github.com/ginwx/wxlogin/store/storetest"
)

// TestALoginThatASlowStoreHoldsUpIsTheStoresFault has calls that are within the
// limit of each, and too many of them for the limit of the whole login.
func TestALoginThatASlowStoreHoldsUpIsTheStoresFault(t *testing.T) {
	for _, delay := range []time.Duration{1600 * time.Millisecond, 1900 * time.Millisecond, 4 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			memory := store.NewMemory()
			defer memory.Close()
			slow := storetest.NewFaultyAccounts(memory)
			slow.Before(func(ctx context.Context, _ storetest.Call) error {
				ctx, cancel := context.WithTimeout(ctx, 2*time.Second) // as the stores do
				defer cancel()
				select {
				case <-time.After(delay):
					return nil
				case <-ctx.Done():
					return ctx.Err()
				}
			})
			a, err := New(Config{
				Providers: []Provider{&fakeProvider{app: testApp}}, Store: slow, Keys: [][]byte{testKey("current")},
				OnLogin: func(_ context.Context, e *LoginEvent) error { e.UserID = "42"; return nil },
			})
			if err != nil {
				t.Fatal(err)
			}
			defer a.Close()
			begin := time.Now()
			_, err = a.Login(t.Context(), LoginRequest{Code: NewSecret("alice")})
			if took := time.Since(begin); took > DefaultLoginTimeout {
				t.Errorf("delay %v: the login took %v", delay, took)
			}
			wantClass(t, "Login with calls of "+delay.String(), err, ErrStoreUnavailable)
		})
	}
}
