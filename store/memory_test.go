package store_test

import (
	"testing"

	"github.com/ginwx/wxlogin/store"
	"github.com/ginwx/wxlogin/store/storetest"
)

func newMemory(*testing.T) store.Store { return store.NewMemory() }

func TestMemoryKeepsTheContract(t *testing.T) {
	t.Run("in real time", func(t *testing.T) { storetest.Run(t, newMemory) })
	t.Run("in a bubble", func(t *testing.T) { storetest.Run(t, newMemory, storetest.InBubble()) })
}
