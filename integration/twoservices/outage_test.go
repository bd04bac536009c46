package twoservices

import (
	"context"
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/ginwx/wxlogin"
	"github.com/ginwx/wxlogin/integration/engine"
)

// hang makes the server accept everything and answer nothing, until it is killed
// at the end of the test: before its clients close, which would wait for it.
func hang(t *testing.T, server *engine.Redis) {
	t.Helper()
	server.Must(t, "CLIENT", "PAUSE", "600000", "ALL")
	t.Cleanup(server.Kill)
}

func checkOutage(t *testing.T, o *orders, kind, token string) {
	t.Helper()
	_, err := o.ask(kind, "Bearer "+token)
	if status.Code(err) != codes.Unavailable {
		t.Errorf("without a store: %v, want %v", err, codes.Unavailable)
	}
	if text := status.Convert(err).Message(); text != wxlogin.ErrStoreUnavailable.Error() {
		t.Errorf("the client is told %q, want the class alone", text)
	}
	if n := o.reached.Load(); n != 0 {
		t.Errorf("%d calls came through without a store", n)
	}
}

func TestAnOutageOfTheStoreIsUnavailableAndEnds(t *testing.T) {
	eachKind(t, func(t *testing.T, kind string) {
		server := engine.StartRedis(t, "--appendonly", "yes", "--appendfsync", "always")
		url := startLogin(t, connectStore(t, server))
		o := startOrders(t, newValidator(t, connectStore(t, server)))
		token := login(t, url, "someone")
		server.Kill()
		checkOutage(t, o, kind, token)
		server.Restart()
		err := engine.Poll(20*time.Second, func(context.Context) error {
			_, err := o.ask(kind, "Bearer "+token)
			return err
		})
		if err != nil {
			t.Errorf("after the outage: %v", err)
		}
	})
}

func TestAStoreThatDoesNotAnswerInItsTimeIsUnavailable(t *testing.T) {
	eachKind(t, func(t *testing.T, kind string) {
		server := engine.StartRedis(t)
		url := startLogin(t, connectStore(t, server))
		o := startOrders(t, newValidator(t, connectStore(t, server)))
		token := login(t, url, "someone")
		hang(t, server)
		checkOutage(t, o, kind, token)
	})
}

// witness sees calls before the interceptors under test do, and what those answer:
// a client that has left never learns it.
type witness struct {
	limit    time.Duration // of every call, as a service may set; 0 for none
	began    chan struct{}
	answered chan error
}

func newWitness() *witness {
	return &witness{began: make(chan struct{}, 1), answered: make(chan error, 1)}
}

func (w *witness) call(ctx context.Context, next func(context.Context) error) error {
	if w.limit > 0 {
		limited, cancel := context.WithTimeout(ctx, w.limit)
		defer cancel()
		ctx = limited
	}
	w.began <- struct{}{}
	err := next(ctx)
	w.answered <- err
	return err
}

func (w *witness) options() []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.ChainUnaryInterceptor(func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (reply any, err error) {
			err = w.call(ctx, func(ctx context.Context) error {
				reply, err = next(ctx, req)
				return err
			})
			return reply, err
		}),
		grpc.ChainStreamInterceptor(func(srv any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) error {
			return w.call(stream.Context(), func(ctx context.Context) error { return next(srv, &identified{stream, ctx}) })
		}),
	}
}

// departures are the ways in which a call is over before its store answers. The
// client's news of its own deadline comes to the service as the deadline or as a
// cancellation, whichever is faster.
var departures = map[string]struct {
	limit   time.Duration // the service's
	client  func(began <-chan struct{}) (context.Context, context.CancelFunc)
	learns  codes.Code   // the client
	answers []codes.Code // the service, any of them
}{
	"cancelled": {
		client: func(began <-chan struct{}) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(context.Background())
			go func() {
				<-began
				cancel()
			}()
			return ctx, cancel
		},
		learns: codes.Canceled, answers: []codes.Code{codes.Canceled},
	},
	"the client's time is over": {
		client: func(<-chan struct{}) (context.Context, context.CancelFunc) {
			return context.WithTimeout(context.Background(), callTimeout/2)
		},
		learns: codes.DeadlineExceeded, answers: []codes.Code{codes.DeadlineExceeded, codes.Canceled},
	},
	"the service's time for a call is over": {
		limit: callTimeout / 2,
		client: func(<-chan struct{}) (context.Context, context.CancelFunc) {
			return context.WithTimeout(context.Background(), 10*time.Second)
		},
		learns: codes.DeadlineExceeded, answers: []codes.Code{codes.DeadlineExceeded},
	},
}

func TestACallThatEndsBeforeTheStoreAnswersIsNoOutage(t *testing.T) {
	for name, d := range departures {
		t.Run(name, func(t *testing.T) {
			eachKind(t, func(t *testing.T, kind string) {
				server := engine.StartRedis(t)
				url := startLogin(t, connectStore(t, server))
				w := newWitness()
				o := startOrders(t, newValidator(t, connectStore(t, server)), w.options()...)
				token := login(t, url, "someone")
				if _, err := o.ask(kind, "Bearer "+token); err != nil {
					t.Fatal(err) // it also connects: the time below is for the call
				}
				<-w.began
				<-w.answered

				hang(t, server)
				w.limit = d.limit
				ctx, cancel := d.client(w.began)
				defer cancel()
				if _, err := kinds[kind](bearing(ctx, "Bearer "+token), o); status.Code(err) != d.learns {
					t.Errorf("the client learns of %v, want %v", err, d.learns)
				}
				limit := time.NewTimer(10 * time.Second)
				defer limit.Stop()
				select {
				case err := <-w.answered:
					if !slices.Contains(d.answers, status.Code(err)) {
						t.Errorf("the service answers %v, want one of %v", err, d.answers)
					}
				case <-limit.C:
					t.Error("the service does not answer")
				}
			})
		})
	}
}
