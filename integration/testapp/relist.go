package testapp

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/ginwx/wxlogin/store"
)

// AddWhileDeleted has instances add one key while others end its account's
// sessions, and looks whether an entry that survived is listed.
func AddWhileDeleted(t *testing.T, s store.AccountStore) {
	t.Helper()
	const rounds = 400
	ctx := context.Background()
	survived := 0
	for round := range rounds {
		addAndDelete(t, s)
		_, err := s.Get(ctx, relisted)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		list, listErr := s.ListFor(ctx, relistedOwner)
		if err != nil || listErr != nil {
			t.Fatal(err, listErr)
		}
		survived++
		if len(list) != 1 {
			t.Fatalf("round %d left a live entry that is not listed", round)
		}
	}
	t.Logf("in %d of %d rounds an entry survived, each one listed", survived, rounds)
	if survived == 0 {
		t.Error("no entry ever survived: the test proves nothing")
	}
}

const relisted, relistedOwner = "session:a", "account:a"

func addAndDelete(t *testing.T, s store.AccountStore) {
	t.Helper()
	const tries = 5 // at most, until an AddFor succeeds
	ctx := context.Background()
	add := func() (bool, error) { return s.AddFor(ctx, relistedOwner, relisted, []byte("v"), time.Hour) }
	if _, err := add(); err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	for range 2 {
		running.Go(func() {
			if err := s.DeleteFor(ctx, relistedOwner); err != nil {
				t.Errorf("DeleteFor: %v", err)
			}
		})
		running.Go(func() {
			for range tries {
				added, err := add()
				if err != nil {
					t.Errorf("AddFor: %v", err)
				}
				if added || err != nil {
					return
				}
			}
		})
	}
	running.Wait()
}
