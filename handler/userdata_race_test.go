package handler_test

import (
	"net/http"
	"sync"
	"testing"

	"github.com/ginwx/wxlogin"
	"github.com/ginwx/wxlogin/wechat/wechattest"
)

func TestTheKeyRace(t *testing.T) {
	p := newPhone(t, wxlogin.Config{}, wechattest.RotateAlways)
	p.logIn("alice")

	// wx.login inside the button's callback: the data is of the key before.
	data := p.app.EncryptPhone("alice")
	token := p.logIn("alice")
	wantStatus(t, p.send(token, data), http.StatusNoContent)
	got, _ := p.last(1)
	if !got.PreviousKey {
		t.Error("PreviousKey: got false, want true")
	}
	_, number := p.app.Phone("alice")
	if phone, err := got.Phone(); err != nil || phone.PureNumber != number {
		t.Errorf("phone: got %v, %v", phone, err)
	}

	// One more, and the key of the data is gone; repeating is no use.
	token = p.logIn("alice")
	for range 2 {
		wantFailure(t, p.send(token, data), http.StatusConflict, "session_key_stale")
	}
	p.last(1)

	// What the answer asks the client for: wx.login, log in, fetch the data again.
	token = p.logIn("alice")
	wantStatus(t, p.send(token, p.app.EncryptPhone("alice")), http.StatusNoContent)
	if got, _ := p.last(2); got.PreviousKey {
		t.Error("PreviousKey of fresh data: got true, want false")
	}
}

func TestAProfileLivesThroughTheKeyRaceToo(t *testing.T) {
	p := newPhone(t, wxlogin.Config{}, wechattest.RotateAlways)
	p.logIn("alice")
	data := p.app.EncryptUserInfo("alice", wechattest.UserInfo{NickName: "爱丽丝", Gender: 2})
	plain := wechattest.UserData{RawData: data.RawData, Signature: data.Signature}
	token := p.logIn("alice")
	for i, d := range []wechattest.UserData{data, plain} {
		wantStatus(t, p.send(token, d), http.StatusNoContent)
		got, _ := p.last(i + 1)
		if info, err := got.UserInfo(); err != nil || info.NickName != "爱丽丝" || !got.PreviousKey || got.RawData != data.RawData {
			t.Errorf("data %d: got name %q, previous key %t, %v", i, info.NickName, got.PreviousKey, err)
		}
	}
	// Both pairs must be of one key.
	mixed := p.app.EncryptUserInfo("alice", wechattest.UserInfo{})
	mixed.RawData, mixed.Signature = data.RawData, data.Signature
	wantFailure(t, p.send(token, mixed), http.StatusUnprocessableEntity, "invalid_user_data")

	token = p.logIn("alice")
	wantFailure(t, p.send(token, data), http.StatusConflict, "session_key_stale")
	wantFailure(t, p.send(token, plain), http.StatusConflict, "session_key_stale")
	p.last(2)
}

func TestAnExchangeThatReturnsTheSameKeyLosesNothing(t *testing.T) {
	p := newPhone(t, wxlogin.Config{}, wechattest.RotateNever)
	p.logIn("alice")
	first := p.app.SessionKey("alice")
	data := p.app.EncryptPhone("alice")
	var token string
	for range 5 {
		token = p.logIn("alice")
	}
	if p.app.SessionKey("alice") != first {
		t.Fatal("the emulator changed the key")
	}
	wantStatus(t, p.send(token, data), http.StatusNoContent)
	if got, _ := p.last(1); got.PreviousKey {
		t.Error("PreviousKey: got true, want false")
	}

	// The previous key is still the one before the repeated one.
	p.app.RotateKey("alice")
	token = p.logIn("alice")
	p.logIn("alice")
	wantStatus(t, p.send(token, data), http.StatusNoContent)
	if got, _ := p.last(2); !got.PreviousKey {
		t.Error("PreviousKey: got false, want true")
	}
}

func TestKeysThatTheServerHasNotSeenAreStale(t *testing.T) {
	p := newPhone(t, wxlogin.Config{}, wechattest.RotateAlways)
	token := p.logIn("alice")
	p.app.Code("alice") // wx.login whose code never reached the login route
	wantFailure(t, p.send(token, p.app.EncryptPhone("alice")), http.StatusConflict, "session_key_stale")

	bob := p.logIn("bob")
	data := p.app.EncryptPhone("alice")
	wantFailure(t, p.send(bob, data), http.StatusConflict, "session_key_stale") // another user's data

	issued, err := p.auth.Issue(t.Context(), wxlogin.Identity{AppID: p.app.ID(), OpenID: "carol"})
	if err != nil {
		t.Fatal(err)
	}
	wantFailure(t, p.send(issued.Token.Reveal(), data), http.StatusConflict, "session_key_stale") // there is no key
	p.last(0)
}

// TestTheKeyRaceUnderLoad logs one user in again and again while the same user
// sends data. Whatever the order, an answer is 204 or 409, and a client that does
// as the 409 says gets through.
func TestTheKeyRaceUnderLoad(t *testing.T) {
	p := newPhone(t, wxlogin.Config{MaxSessions: -1}, wechattest.RotateAlways)
	token := p.logIn("alice")
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 10 {
				p.logIn("alice")
			}
		})
		wg.Go(func() {
			for range 10 {
				if w := p.send(token, p.app.EncryptPhone("alice")); w.Code != http.StatusNoContent && w.Code != http.StatusConflict {
					t.Errorf("got %d %s, want 204 or 409", w.Code, w.Body)
				}
			}
		})
	}
	wg.Wait()
	wantStatus(t, p.send(p.logIn("alice"), p.app.EncryptPhone("alice")), http.StatusNoContent)
}
