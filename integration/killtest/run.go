package killtest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ginwx/wxlogin"
	"github.com/ginwx/wxlogin/integration/engine"
	"github.com/ginwx/wxlogin/integration/testapp"
	"github.com/ginwx/wxlogin/store"
)

// Engine is what the store runs on. An *engine.Process is one.
type Engine interface {
	Kill()    // ends the server at once, as SIGKILL does
	Restart() // starts it again with what it had on disk, and waits until it serves
}

// Config says how to run. In every round the engine is killed and started again,
// and so is one of the instances: together with the engine in every other round,
// and after the engine in the others.
type Config struct {
	Engine Engine        // nil for a store without a server, where only instances are killed
	Store  string        // what the instances give to Open
	Rounds int           // default 10
	Load   time.Duration // between two rounds; default 700 ms

	// Staleness is for how long after a logout another instance may still serve
	// the session. Default 0.
	Staleness time.Duration
}

const (
	callers    = 6
	pace       = 5 * time.Millisecond // between the calls of one caller
	downtime   = 200 * time.Millisecond
	recovery   = 30 * time.Second
	answerTime = 15 * time.Second // more than any answer may take
)

// run is one run of the test.
type run struct {
	*Ledger
	engine    Engine // nil for none
	addrs     []string
	instances []*engine.Process
	client    *http.Client
	users     atomic.Int64
	stale     time.Duration
}

// Run does it all and returns the counts, without judging them. s is a store for
// the test itself, on the same engine.
func Run(t *testing.T, s store.Store, cfg Config) *Ledger {
	t.Helper()
	if cfg.Rounds == 0 {
		cfg.Rounds = 10
	}
	if cfg.Load == 0 {
		cfg.Load = 700 * time.Millisecond
	}
	r := &run{Ledger: new(Ledger), engine: cfg.Engine, client: &http.Client{Timeout: answerTime}, stale: cfg.Staleness}
	defer r.client.CloseIdleConnections()
	epoch := strconv.FormatInt(time.Now().UnixNano(), 10)
	for range 2 {
		addr := engine.Addr(engine.FreePort(t))
		r.addrs = append(r.addrs, addr)
		r.instances = append(r.instances, engine.Start(t, engine.Spec{
			Path: os.Args[0], AsSelf: true, Ready: r.ready(addr),
			Env: []string{envStore + "=" + cfg.Store, envAddr + "=" + addr, envEpoch + "=" + epoch},
		}))
	}
	var (
		stop atomic.Bool
		load sync.WaitGroup
	)
	for range callers {
		load.Go(func() {
			tick := time.NewTicker(pace)
			defer tick.Stop()
			for ; !stop.Load(); <-tick.C {
				r.step()
			}
		})
	}
	for round := range cfg.Rounds {
		pause(cfg.Load)
		r.round(t, round)
	}
	pause(cfg.Load)
	stop.Store(true)
	load.Wait()
	r.settle(t)
	r.revokeAll(t, s)
	return r.Ledger
}

// round kills the engine and one of the instances, each of which is the one in two
// rounds out of four.
func (r *run) round(t *testing.T, number int) {
	t.Helper()
	instance := r.instances[number/2%len(r.instances)]
	switch {
	case r.engine == nil:
		r.kill(t, nil, instance)
	case number%2 == 1:
		r.kill(t, r.engine, instance)
	default:
		r.kill(t, r.engine, nil)
		r.kill(t, nil, instance)
	}
}

// kill kills what is not nil, both at the same time, and starts it again. It fails
// the test if what it killed lives on, and counts it otherwise.
func (r *run) kill(t *testing.T, server Engine, instance *engine.Process) {
	t.Helper()
	begin := time.Now()
	if server != nil {
		server.Kill()
		if p, ok := server.(interface{ Running() bool }); ok && p.Running() {
			t.Fatal("the engine survived its kill")
		}
		r.EngineKills++
	}
	if instance != nil {
		if !instance.Running() {
			t.Fatal("the instance that is to be killed has ended by itself")
		}
		instance.Kill()
		r.InstanceKills++
	}
	pause(downtime)
	if server != nil {
		server.Restart()
	}
	if instance != nil {
		instance.Restart()
	}
	r.recovered(t)
	r.Outages = append(r.Outages, max(0, time.Unix(0, r.lastFailure.Load()).Sub(begin)))
}

func pause(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	<-timer.C
}

func (r *run) ready(addr string) func(context.Context) error {
	return func(ctx context.Context) error {
		status, _, err := r.call(ctx, http.MethodGet, "http://"+addr+"/ready", "", nil)
		if err == nil && status != http.StatusNoContent {
			err = fmt.Errorf("status %d", status)
		}
		return err
	}
}

// recovered waits until every instance can write again.
func (r *run) recovered(t *testing.T) {
	t.Helper()
	for _, addr := range r.addrs {
		err := engine.Poll(recovery, func(ctx context.Context) error {
			if status, body, err := r.login(ctx, addr, "canary"); err != nil || status != http.StatusOK {
				return fmt.Errorf("login: %d %s %v", status, body, err)
			}
			return nil
		})
		if err != nil {
			t.Fatalf("an instance does not recover: %v", err)
		}
	}
}

// step is one action of a caller: a login, a logout or a request.
func (r *run) step() {
	addr := r.addrs[rand.IntN(len(r.addrs))]
	begin := time.Now()
	defer func() { r.slow(time.Since(begin)) }()
	ctx := context.Background()
	tok := r.pick()
	switch n := rand.IntN(10); {
	case n < 3 || tok == nil:
		r.stepLogin(ctx, addr)
	case n < 5:
		r.stepLogout(ctx, addr, tok)
	default:
		r.stepRequest(ctx, addr, tok)
	}
}

func (r *run) stepLogin(ctx context.Context, addr string) {
	// Three logins for each user, so that indexes hold more than one session.
	user := fmt.Sprintf("user%d", r.users.Add(1)/3)
	status, body, err := r.login(ctx, addr, user)
	switch {
	case expectedOutage(status, err):
		r.unavailable()
	case status == http.StatusOK:
		var reply struct{ Token string }
		if err := json.Unmarshal([]byte(body), &reply); err != nil || reply.Token == "" {
			r.odd("login without a token", status, "")
			return
		}
		r.add(&token{text: reply.Token, user: user})
		r.Logins.Add(1)
	default:
		r.odd("login", status, body)
	}
}

func (r *run) stepLogout(ctx context.Context, addr string, tok *token) {
	tok.leaving.Store(true)
	status, body, err := r.call(ctx, http.MethodPost, "http://"+addr+"/wx/logout", tok.text, nil)
	switch {
	case expectedOutage(status, err):
		r.unavailable()
	case status == http.StatusNoContent:
		tok.outAt.CompareAndSwap(0, time.Now().UnixNano())
		r.Logouts.Add(1)
	default:
		r.odd("logout", status, body)
	}
}

func (r *run) stepRequest(ctx context.Context, addr string, tok *token) {
	wasOut := tok.outFor(r.stale)
	status, body, err := r.request(ctx, addr, tok)
	leaving := tok.leaving.Load()
	switch {
	case expectedOutage(status, err):
		r.unavailable()
	case status == http.StatusOK && body != tok.user:
		r.SomeoneElse.Add(1)
	case status == http.StatusOK && wasOut:
		once(&r.Revived, &tok.revived)
	case status == http.StatusUnauthorized && !leaving:
		once(&r.Refused, &tok.refused)
	case status == http.StatusOK, status == http.StatusUnauthorized:
		r.Requests.Add(1)
	default:
		r.odd("request", status, body)
	}
}

// settle asks both instances about every token there ever was.
func (r *run) settle(t *testing.T) {
	t.Helper()
	for _, tok := range r.all() {
		for _, addr := range r.addrs {
			status, body := r.certain(t, addr, tok)
			switch {
			case status == http.StatusOK && body != tok.user:
				r.SomeoneElse.Add(1)
			case status == http.StatusOK && tok.outFor(0):
				once(&r.Revived, &tok.revived)
			case status == http.StatusUnauthorized && !tok.leaving.Load():
				once(&r.Lost, &tok.lost)
			case status != http.StatusOK && status != http.StatusUnauthorized:
				r.odd("request at the end", status, body)
			}
		}
	}
}

// certain repeats a request until it is answered.
func (r *run) certain(t *testing.T, addr string, tok *token) (status int, body string) {
	t.Helper()
	err := engine.Poll(recovery, func(ctx context.Context) (err error) {
		status, body, err = r.request(ctx, addr, tok)
		if err == nil && expectedOutage(status, nil) {
			err = fmt.Errorf("status %d", status)
		}
		return err
	})
	if err != nil {
		t.Fatalf("a request is not answered at the end: %v", err)
	}
	return status, body
}

// revokeAll revokes every account: a session that survives is in no index.
func (r *run) revokeAll(t *testing.T, s store.Store) {
	t.Helper()
	auth := testapp.New(t, s)
	revoked := map[string]bool{}
	for _, tok := range r.all() {
		if revoked[tok.user] {
			continue
		}
		revoked[tok.user] = true
		err := auth.RevokeUser(context.Background(), wxlogin.Identity{AppID: testapp.AppID, Subject: tok.user})
		if errors.Is(err, wxlogin.ErrNoAccountIndex) {
			return
		}
		if err != nil {
			t.Fatalf("revoke: %v", err)
		}
	}
	for _, tok := range r.all() {
		if status, _ := r.certain(t, r.addrs[0], tok); status != http.StatusUnauthorized {
			once(&r.Unlisted, &tok.unlisted)
		}
	}
}

// checkRetryAfter counts a 503 as odd that does not say for how many seconds a
// client should wait.
func (r *run) checkRetryAfter(resp *http.Response) {
	if resp.StatusCode != http.StatusServiceUnavailable {
		return
	}
	if seconds, err := strconv.Atoi(resp.Header.Get("Retry-After")); err != nil || seconds < 1 {
		r.odd(resp.Request.Method+" "+resp.Request.URL.Path+" with Retry-After "+strconv.Quote(resp.Header.Get("Retry-After")), resp.StatusCode, "")
	}
}

func (r *run) login(ctx context.Context, addr, user string) (int, string, error) {
	code, err := json.Marshal(map[string]string{"code": testapp.Code(user).Reveal()})
	if err != nil {
		return 0, "", err
	}
	return r.call(ctx, http.MethodPost, "http://"+addr+"/wx/login", "", code)
}

func (r *run) request(ctx context.Context, addr string, tok *token) (int, string, error) {
	return r.call(ctx, http.MethodGet, "http://"+addr+"/me", tok.text, nil)
}

func (r *run) call(ctx context.Context, method, url, token string, body []byte) (int, string, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := r.client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	r.checkRetryAfter(resp)
	text, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	return resp.StatusCode, string(text), err
}
