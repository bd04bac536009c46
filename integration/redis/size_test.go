package redis

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/ginwx/wxlogin"
	"github.com/ginwx/wxlogin/integration/engine"
	"github.com/ginwx/wxlogin/integration/testapp"
	"github.com/ginwx/wxlogin/store/redisstore"
)

// TestBytesPerUser prints what a user costs the server, by what its memory grows
// with many users of so many sessions, and holds the documentation to it.
func TestBytesPerUser(t *testing.T) {
	const users = 4096
	var total []float64
	for _, sessions := range []int{1, 2, 3} {
		server := engine.StartRedis(t)
		auth := testapp.New(t, redisstore.New(connectTo(t, server)))
		before := usedMemory(t, server)
		for i := range users {
			// As long as real ones are: 28 bytes of openid, 24 of session_key.
			openID := fmt.Sprintf("oSyntheticOpenID%012d", i)
			for range sessions {
				if _, err := auth.Login(context.Background(), wxlogin.LoginRequest{Code: testapp.Code(openID), Device: "phone"}); err != nil {
					t.Fatal(err)
				}
			}
		}
		total = append(total, float64(usedMemory(t, server)-before)/users)
	}
	perSession := total[1] - total[0]
	t.Logf("bytes of server memory for a user: %.0f with one session, %.0f with two, %.0f with three; each further session %.0f",
		total[0], total[1], total[2], perSession)
	if total[0] > 1050 || perSession > 480 {
		t.Errorf("a user takes %.0f bytes and each further session %.0f, want at most 1050 and 480", total[0], perSession)
	}
}

func usedMemory(t *testing.T, server *engine.Redis) int {
	t.Helper()
	for line := range strings.Lines(server.Must(t, "INFO", "memory")) {
		if text, ok := strings.CutPrefix(line, "used_memory:"); ok {
			n, err := strconv.Atoi(strings.TrimSpace(text))
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatal("no used_memory")
	return 0
}
