package killtest

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestA503WithoutRetryAfterIsOdd(t *testing.T) {
	for retry, want := range map[string]int64{"": 1, "soon": 1, "0": 1, "-1": 1, "2": 0} {
		for path, status := range map[string]int{"/me": http.StatusServiceUnavailable, "/fine": http.StatusOK} {
			t.Run(retry+path, func(t *testing.T) {
				server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					if retry != "" {
						w.Header().Set("Retry-After", retry)
					}
					w.WriteHeader(status)
				}))
				defer server.Close()
				r := &run{Ledger: new(Ledger), client: server.Client()}
				if _, _, err := r.call(context.Background(), http.MethodGet, server.URL+path, "", nil); err != nil {
					t.Fatal(err)
				}
				want := want
				if status == http.StatusOK {
					want = 0
				}
				if n := r.Odd.Load(); n != want {
					t.Errorf("%d answers counted as odd, want %d", n, want)
				}
			})
		}
	}
}

func TestATokenIsBrokenOnce(t *testing.T) {
	l := new(Ledger)
	for range 3 {
		l.add(new(token))
	}
	once(&l.Lost, &l.tokens[0].lost)
	once(&l.Refused, &l.tokens[0].refused)
	once(&l.Unlisted, &l.tokens[2].unlisted)
	if n := l.Broken(); n != 2 {
		t.Errorf("%d tokens are broken, want 2", n)
	}
}
