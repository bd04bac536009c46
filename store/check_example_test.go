package store_test

import (
	"fmt"
	"time"

	"github.com/ginwx/wxlogin/store"
)

func ExampleCheckKey() {
	fmt.Println(store.CheckKey("session:0123abc"))
	fmt.Println(store.CheckKey("Session 1"))
	// Output:
	// <nil>
	// wxlogin/store: a key or owner must be 1 to 128 bytes of 0-9, a-z and colons
}

func ExampleCheckEntry() {
	fmt.Println(store.CheckEntry("session:0123abc", []byte("value"), time.Hour))
	fmt.Println(store.CheckEntry("session:0123abc", []byte("value"), 0))
	// Output:
	// <nil>
	// wxlogin/store: time to live must be positive
}
