package store_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ginwx/wxlogin/store"
)

// A memory store is made once, and closed when the server has stopped.
func ExampleNewMemory() {
	sessions := store.NewMemory()
	defer sessions.Close()

	ctx := context.Background()
	if err := sessions.Set(ctx, "subject:alice", []byte("value"), time.Hour); err != nil {
		fmt.Println(err)
		return
	}
	value, err := sessions.Get(ctx, "subject:alice")
	fmt.Printf("%s %v\n", value, err)

	_, err = sessions.Get(ctx, "subject:bob")
	fmt.Println(errors.Is(err, store.ErrNotFound))
	// Output:
	// value <nil>
	// true
}

// With a limit, logins fail before the process runs out of memory; sessions that
// exist go on.
func ExampleWithMaxEntries() {
	sessions := store.NewMemory(store.WithMaxEntries(1), store.WithSweepInterval(10*time.Second))
	defer sessions.Close()

	ctx := context.Background()
	_, err := sessions.AddFor(ctx, "account:1", "session:a", []byte("one"), time.Hour)
	fmt.Println(err)
	_, err = sessions.AddFor(ctx, "account:2", "session:b", []byte("two"), time.Hour)
	fmt.Println(errors.Is(err, store.ErrFull))
	value, err := sessions.Get(ctx, "session:a")
	fmt.Printf("%s %v\n", value, err)
	// Output:
	// <nil>
	// true
	// one <nil>
}

// The time to live of a session is moved by a swap, which cannot bring back what
// was deleted meanwhile.
func ExampleMemory_Swap() {
	sessions := store.NewMemory()
	defer sessions.Close()

	ctx := context.Background()
	_, _ = sessions.Add(ctx, "session:a", []byte("seen 9:00"), time.Hour)
	fmt.Println(sessions.Swap(ctx, "session:a", []byte("seen 9:00"), []byte("seen 9:05"), time.Hour))
	fmt.Println(sessions.Swap(ctx, "session:a", []byte("seen 9:00"), []byte("seen 9:06"), time.Hour))
	_ = sessions.Delete(ctx, "session:a")
	_, err := sessions.Swap(ctx, "session:a", []byte("seen 9:05"), []byte("seen 9:10"), time.Hour)
	fmt.Println(errors.Is(err, store.ErrNotFound))
	// Output:
	// true <nil>
	// false <nil>
	// true
}

// All sessions of an account are listed and ended without knowing their keys.
func ExampleMemory_DeleteFor() {
	sessions := store.NewMemory()
	defer sessions.Close()

	ctx := context.Background()
	_, _ = sessions.AddFor(ctx, "account:alice", "session:phone", []byte("phone"), time.Hour)
	_, _ = sessions.AddFor(ctx, "account:alice", "session:tablet", []byte("tablet"), time.Hour)
	list, err := sessions.ListFor(ctx, "account:alice")
	fmt.Println(len(list), err)
	fmt.Println(sessions.DeleteFor(ctx, "account:alice"))
	list, err = sessions.ListFor(ctx, "account:alice")
	fmt.Println(len(list), err)
	// Output:
	// 2 <nil>
	// <nil>
	// 0 <nil>
}
