package twoservices

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/redis/rueidis"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/ginwx/wxlogin"
	"github.com/ginwx/wxlogin/handler"
	"github.com/ginwx/wxlogin/integration/engine"
	"github.com/ginwx/wxlogin/integration/testapp"
	"github.com/ginwx/wxlogin/store"
	"github.com/ginwx/wxlogin/store/redisstore"
)

// service is the one that only validates: both of its methods say who calls.
type service struct {
	reached atomic.Int64 // calls that came through
}

func (s *service) openID(ctx context.Context) *wrapperspb.StringValue {
	s.reached.Add(1)
	return wrapperspb.String(wxlogin.OpenID(ctx))
}

const (
	unaryMethod  = "/test.Orders/WhoAmI"
	streamMethod = "/test.Orders/Watch"
)

var description = grpc.ServiceDesc{
	ServiceName: "test.Orders",
	HandlerType: (*any)(nil),
	Methods: []grpc.MethodDesc{{
		MethodName: "WhoAmI",
		Handler: func(srv any, ctx context.Context, decode func(any) error, interceptor grpc.UnaryServerInterceptor) (any, error) {
			in := new(emptypb.Empty)
			if err := decode(in); err != nil {
				return nil, err
			}
			return interceptor(ctx, in, &grpc.UnaryServerInfo{FullMethod: unaryMethod}, func(ctx context.Context, _ any) (any, error) {
				return srv.(*service).openID(ctx), nil
			})
		},
	}},
	Streams: []grpc.StreamDesc{{
		StreamName: "Watch", ServerStreams: true, ClientStreams: true,
		// It answers every message until the client has no more.
		Handler: func(srv any, stream grpc.ServerStream) error {
			for {
				if err := stream.RecvMsg(new(emptypb.Empty)); err == io.EOF {
					return nil
				} else if err != nil {
					return err
				}
				if err := stream.SendMsg(srv.(*service).openID(stream.Context())); err != nil {
					return err
				}
			}
		},
	}},
}

// callTimeout is the store's own time limit.
const callTimeout = time.Second

func connectStore(t *testing.T, server *engine.Redis) store.Store {
	t.Helper()
	option := rueidis.ClientOption{InitAddress: []string{server.Addr()}}
	option.Dialer.Timeout = time.Second
	client, err := rueidis.NewClient(option)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return redisstore.New(client, redisstore.WithCallTimeout(callTimeout))
}

// startLogin starts the service that logs users in, and returns its address.
func startLogin(t *testing.T, s store.Store) string {
	t.Helper()
	gin.SetMode(gin.TestMode)
	r := gin.New()
	handler.Mount(r.Group("/wx"), testapp.New(t, s))
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	return server.URL
}

// newValidator returns an Auth without a provider and without a secret of the app:
// it knows the app's id and the keys of the tokens.
func newValidator(t *testing.T, s store.Store, changes ...func(*wxlogin.Config)) *wxlogin.Auth {
	t.Helper()
	return testapp.New(t, s, append(changes, func(cfg *wxlogin.Config) {
		cfg.Providers, cfg.Apps = nil, []string{testapp.AppID}
	})...)
}

// orders is the service that validates, running, and a connection to it.
type orders struct {
	*service
	conn *grpc.ClientConn
}

// startOrders starts the service that validates. Interceptors among the options
// stand in front of those under test.
func startOrders(t *testing.T, auth *wxlogin.Auth, options ...grpc.ServerOption) *orders {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	o := &orders{service: new(service)}
	server := grpc.NewServer(append(options, grpc.ChainUnaryInterceptor(Required(auth)), grpc.ChainStreamInterceptor(RequiredStream(auth)))...)
	server.RegisterService(&description, o.service)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	o.conn, err = grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		o.conn.Close()
		server.Stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return o
}

// kinds are the ways to ask the service who one is.
var kinds = map[string]func(ctx context.Context, o *orders) (string, error){
	"unary": func(ctx context.Context, o *orders) (string, error) {
		out := new(wrapperspb.StringValue)
		err := o.conn.Invoke(ctx, unaryMethod, new(emptypb.Empty), out)
		return out.GetValue(), err
	},
	"stream": func(ctx context.Context, o *orders) (string, error) {
		w, err := watch(ctx, o)
		if err != nil {
			return "", err
		}
		who, err := w.ask()
		if err != nil {
			return "", err
		}
		return who, w.end()
	},
}

// watcher is the client's end of a stream.
type watcher struct{ grpc.ClientStream }

// watch opens a stream, which ends with ctx at the latest.
func watch(ctx context.Context, o *orders) (watcher, error) {
	stream, err := o.conn.NewStream(ctx, &description.Streams[0], streamMethod)
	return watcher{stream}, err
}

func (w watcher) ask() (string, error) {
	// A stream that was refused cannot be written to; why tells the next read.
	if err := w.SendMsg(new(emptypb.Empty)); err != nil && err != io.EOF {
		return "", err
	}
	out := new(wrapperspb.StringValue)
	err := w.RecvMsg(out)
	return out.GetValue(), err
}

// end says that there is no more to ask, and waits for the service's end.
func (w watcher) end() error {
	if err := w.CloseSend(); err != nil {
		return err
	}
	if err := w.RecvMsg(new(wrapperspb.StringValue)); err != io.EOF {
		return fmt.Errorf("the stream ends with %v, want %v", err, io.EOF)
	}
	return nil
}

// bearing is ctx with these values of the authorization header.
func bearing(ctx context.Context, authorization ...string) context.Context {
	for _, value := range authorization {
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", value)
	}
	return ctx
}

// ask asks in one of the two ways, with ten seconds of patience.
func (o *orders) ask(kind string, authorization ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return kinds[kind](bearing(ctx, authorization...), o)
}

func post(t *testing.T, url, token string, body any) (int, []byte) {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, url, bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	reply, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, reply
}

func login(t *testing.T, url, user string) string {
	t.Helper()
	status, body := post(t, url+"/wx/login", "", map[string]string{"code": testapp.Code(user).Reveal()})
	var reply struct{ Token string }
	if err := json.Unmarshal(body, &reply); err != nil || status != http.StatusOK {
		t.Fatalf("login: %d, %v", status, err)
	}
	return reply.Token
}

func logout(t *testing.T, url, token string) {
	t.Helper()
	if status, _ := post(t, url+"/wx/logout", token, map[string]string{}); status != http.StatusNoContent {
		t.Fatalf("logout: %d, want %d", status, http.StatusNoContent)
	}
}

// eachKind runs a test for both ways to ask.
func eachKind(t *testing.T, test func(t *testing.T, kind string)) {
	for kind := range kinds {
		t.Run(kind, func(t *testing.T) { test(t, kind) })
	}
}

func TestATokenOfTheLoginServiceIsGoodInTheOther(t *testing.T) {
	server := engine.StartRedis(t)
	url := startLogin(t, connectStore(t, server))
	auth := newValidator(t, connectStore(t, server))
	o := startOrders(t, auth)
	eachKind(t, func(t *testing.T, kind string) {
		token := login(t, url, "someone")
		if got, err := o.ask(kind, "Bearer "+token); got != "someone" || err != nil {
			t.Fatalf("with a good token: %q, %v; want someone", got, err)
		}
		logout(t, url, token)
		if got, err := o.ask(kind, "Bearer "+token); status.Code(err) != codes.Unauthenticated || got != "" {
			t.Errorf("after the logout: %q, %v; want %v", got, err, codes.Unauthenticated)
		}
	})
	if _, err := auth.Login(context.Background(), wxlogin.LoginRequest{Code: testapp.Code("someone")}); !errors.Is(err, wxlogin.ErrMisconfigured) {
		t.Errorf("Login at the service that only validates: %v, want %v", err, wxlogin.ErrMisconfigured)
	}
}

func TestAStreamKeepsTheIdentityItOpenedWith(t *testing.T) {
	server := engine.StartRedis(t)
	url := startLogin(t, connectStore(t, server))
	o := startOrders(t, newValidator(t, connectStore(t, server)))
	token := login(t, url, "someone")
	ctx, cancel := context.WithTimeout(bearing(context.Background(), "Bearer "+token), 10*time.Second)
	defer cancel()
	w, err := watch(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	for _, when := range []string{"at first", "once more", "after the logout"} {
		if when == "after the logout" {
			logout(t, url, token)
		}
		if who, err := w.ask(); who != "someone" || err != nil {
			t.Errorf("%s: %q, %v; want someone", when, who, err)
		}
	}
	if err := w.end(); err != nil {
		t.Error(err)
	}
}

func TestACallWithoutALiveTokenIsUnauthenticatedAndStopsThere(t *testing.T) {
	server := engine.StartRedis(t)
	url := startLogin(t, connectStore(t, server))
	o := startOrders(t, newValidator(t, connectStore(t, server)))
	later := startOrders(t, newValidator(t, connectStore(t, server), func(cfg *wxlogin.Config) {
		cfg.Now = func() time.Time { return time.Now().AddDate(10, 0, 0) }
	}))
	token, revoked := login(t, url, "someone"), login(t, url, "someone")
	logout(t, url, revoked)
	for name, c := range map[string]struct {
		at            *orders
		authorization []string
		want          error
	}{
		"none":           {o, nil, wxlogin.ErrMissingToken},
		"empty":          {o, []string{""}, wxlogin.ErrMissingToken},
		"another scheme": {o, []string{"Basic " + token}, wxlogin.ErrMissingToken},
		"no scheme":      {o, []string{token}, wxlogin.ErrMissingToken},
		"two":            {o, []string{"Bearer " + token, "Bearer " + token}, wxlogin.ErrMissingToken},
		"forged":         {o, []string{"Bearer " + token[:len(token)-4] + "AAAA"}, wxlogin.ErrInvalidToken},
		"long":           {o, []string{"Bearer " + strings.Repeat("A", 4000)}, wxlogin.ErrInvalidToken},
		"revoked":        {o, []string{"Bearer " + revoked}, wxlogin.ErrInvalidToken},
		"expired":        {later, []string{"Bearer " + token}, wxlogin.ErrSessionExpired},
	} {
		for kind := range kinds {
			got, err := c.at.ask(kind, c.authorization...)
			if status.Code(err) != codes.Unauthenticated || status.Convert(err).Message() != c.want.Error() || got != "" {
				t.Errorf("%s, %s: %q, %v; want %v and %q", name, kind, got, err, codes.Unauthenticated, c.want)
			}
		}
	}
	if n := o.reached.Load() + later.reached.Load(); n != 0 {
		t.Errorf("%d calls came through, want none", n)
	}
	if _, err := o.ask("unary", "Bearer "+token); err != nil {
		t.Errorf("the token that was tried in all those ways is not live: %v", err)
	}
}
