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

const method = "/test.Orders/WhoAmI"

// orders is the service that only validates.
var orders = grpc.ServiceDesc{
	ServiceName: "test.Orders",
	HandlerType: (*any)(nil),
	Methods: []grpc.MethodDesc{{
		MethodName: "WhoAmI",
		Handler: func(_ any, ctx context.Context, decode func(any) error, interceptor grpc.UnaryServerInterceptor) (any, error) {
			in := new(emptypb.Empty)
			if err := decode(in); err != nil {
				return nil, err
			}
			return interceptor(ctx, in, &grpc.UnaryServerInfo{FullMethod: method}, func(ctx context.Context, _ any) (any, error) {
				return wrapperspb.String(wxlogin.OpenID(ctx)), nil
			})
		},
	}},
}

func connectStore(t *testing.T, server *engine.Redis) store.Store {
	t.Helper()
	option := rueidis.ClientOption{InitAddress: []string{server.Addr()}}
	option.Dialer.Timeout = time.Second
	client, err := rueidis.NewClient(option)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return redisstore.New(client, redisstore.WithCallTimeout(500*time.Millisecond))
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

// startOrders starts the service that validates: it has no provider and no secret
// of the app, only its id and the keys of the tokens.
func startOrders(t *testing.T, s store.Store) (*wxlogin.Auth, *grpc.ClientConn) {
	t.Helper()
	auth := testapp.New(t, s, func(cfg *wxlogin.Config) {
		cfg.Providers, cfg.Apps = nil, []string{testapp.AppID}
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(grpc.UnaryInterceptor(Required(auth)))
	server.RegisterService(&orders, nil)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	conn, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		conn.Close()
		server.Stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return auth, conn
}

func whoAmI(conn *grpc.ClientConn, authorization ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for _, value := range authorization {
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", value)
	}
	out := new(wrapperspb.StringValue)
	err := conn.Invoke(ctx, method, new(emptypb.Empty), out)
	return out.GetValue(), err
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

func TestATokenOfTheLoginServiceIsGoodInTheOther(t *testing.T) {
	server := engine.StartRedis(t)
	url := startLogin(t, connectStore(t, server))
	auth, conn := startOrders(t, connectStore(t, server))

	token := login(t, url, "someone")
	if got, err := whoAmI(conn, "Bearer "+token); got != "someone" || err != nil {
		t.Fatalf("WhoAmI: %q, %v; want someone", got, err)
	}
	if _, err := auth.Login(context.Background(), wxlogin.LoginRequest{Code: testapp.Code("someone")}); !errors.Is(err, wxlogin.ErrMisconfigured) {
		t.Errorf("Login at the service that only validates: %v, want %v", err, wxlogin.ErrMisconfigured)
	}
	if status, _ := post(t, url+"/wx/logout", token, map[string]string{}); status != http.StatusNoContent {
		t.Fatalf("logout: %d", status)
	}
	if got, err := whoAmI(conn, "Bearer "+token); status.Code(err) != codes.Unauthenticated {
		t.Errorf("WhoAmI after logout: %q, %v; want %v", got, err, codes.Unauthenticated)
	}
}

func TestACallWithoutALiveTokenIsUnauthenticated(t *testing.T) {
	server := engine.StartRedis(t)
	url := startLogin(t, connectStore(t, server))
	_, conn := startOrders(t, connectStore(t, server))
	token := login(t, url, "someone")
	for name, authorization := range map[string][]string{
		"none":           nil,
		"empty":          {""},
		"another scheme": {"Basic " + token},
		"no scheme":      {token},
		"forged":         {"Bearer " + token[:len(token)-4] + "AAAA"},
		"long":           {"Bearer " + strings.Repeat("A", 4000)},
		"two":            {"Bearer " + token, "Bearer " + token},
	} {
		if got, err := whoAmI(conn, authorization...); status.Code(err) != codes.Unauthenticated || got != "" {
			t.Errorf("%s: %q, %v; want %v", name, got, err, codes.Unauthenticated)
		}
	}
}

func TestAnOutageOfTheStoreIsUnavailableAndEnds(t *testing.T) {
	server := engine.StartRedis(t, "--appendonly", "yes", "--appendfsync", "always")
	url := startLogin(t, connectStore(t, server))
	_, conn := startOrders(t, connectStore(t, server))
	token := login(t, url, "someone")
	server.Kill()
	_, err := whoAmI(conn, "Bearer "+token)
	if status.Code(err) != codes.Unavailable {
		t.Errorf("WhoAmI without a store: %v, want %v", err, codes.Unavailable)
	}
	if text := status.Convert(err).Message(); text != wxlogin.ErrStoreUnavailable.Error() {
		t.Errorf("the client is told %q, want the class alone", text)
	}
	server.Restart()
	err = engine.Poll(20*time.Second, func(context.Context) error {
		_, err := whoAmI(conn, "Bearer "+token)
		return err
	})
	if err != nil {
		t.Errorf("WhoAmI after the outage: %v", err)
	}
}

func TestEveryClassHasACode(t *testing.T) {
	for _, c := range classes {
		err := statusOf(fmt.Errorf("%w: with details that are not the client's", c.class))
		if status.Code(err) != c.code || strings.Contains(err.Error(), "details") {
			t.Errorf("%v becomes %v, want code %v and the class alone", c.class, err, c.code)
		}
	}
	if code := status.Code(statusOf(errors.New("unforeseen"))); code != codes.Internal {
		t.Errorf("an error without a class becomes %v, want %v", code, codes.Internal)
	}
}
