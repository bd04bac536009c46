package storetest_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/ginwx/wxlogin/store"
	"github.com/ginwx/wxlogin/store/storetest"
)

// The body of a test of a store of your own, TestMyStore say. With a server behind
// the store, connect in newStore and disconnect with t.Cleanup.
func ExampleRun() {
	test := func(t *testing.T) {
		storetest.Run(t, func(t *testing.T) store.Store {
			return store.NewMemory() // yours here
		})
	}
	_ = test
}

// A store that reads the time with time.Now and does no I/O needs no waiting.
func ExampleInBubble() {
	test := func(t *testing.T) {
		newStore := func(t *testing.T) store.Store { return store.NewMemory() }
		storetest.Run(t, newStore, storetest.InBubble())
	}
	_ = test
}

// A store whose clock the test can set is told how time passes.
func ExampleWithAdvance() {
	type clock interface{ Advance(time.Duration) }
	test := func(t *testing.T, c clock, newStore func(t *testing.T) store.Store) {
		storetest.Run(t, newStore, storetest.WithAdvance(c.Advance), storetest.WithTimeout(time.Minute))
	}
	_ = test
}

// An outage, and its end.
func ExampleNewFaulty() {
	inner := store.NewMemory()
	defer inner.Close()
	sessions := storetest.NewFaulty(inner)

	ctx := context.Background()
	sessions.Before(storetest.Fail(errors.New("connection refused")))
	fmt.Println(sessions.Set(ctx, "k", []byte("v"), time.Hour))
	sessions.Before(nil)
	fmt.Println(sessions.Set(ctx, "k", []byte("v"), time.Hour))
	fmt.Println(sessions.Calls(storetest.Set), sessions.Total())
	// Output:
	// connection refused
	// <nil>
	// 2 2
}

// A write that happened while its answer was lost.
func ExampleFaulty_After() {
	inner := store.NewMemory()
	defer inner.Close()
	sessions := storetest.NewFaulty(inner)

	ctx := context.Background()
	sessions.After(storetest.OnNth(storetest.Add, 1, storetest.Fail(errors.New("connection reset"))))
	fmt.Println(sessions.Add(ctx, "k", []byte("v"), time.Hour))
	fmt.Println(sessions.Add(ctx, "k", []byte("v"), time.Hour))
	// Output:
	// false connection reset
	// false <nil>
}

// A store that does not answer until the caller gives up.
func ExampleHang() {
	inner := store.NewMemory()
	defer inner.Close()
	sessions := storetest.NewFaultyAccounts(inner)
	sessions.Before(storetest.On(storetest.ListFor, storetest.Hang))

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	_, err := sessions.ListFor(ctx, "account:alice")
	fmt.Println(err)
	// Output: context deadline exceeded
}

// The body of a test of a store that several servers share. Give each its own
// client, and one of them a clock that is a day ahead if the test can set it.
func ExampleRunInstances() {
	type engine interface {
		Connect(t *testing.T) store.Store
	}
	test := func(t *testing.T, server engine) {
		storetest.RunInstances(t, func(t *testing.T) (one, other store.Store) {
			return server.Connect(t), server.Connect(t)
		})
	}
	_ = test
}
