package wxlogin

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

var testSessionKey = sessionKeyOf([]byte("an id"))

func testSession() session {
	return session{
		Identity: &Identity{
			AppID: testApp, Subject: "o-alice", OpenID: "o-alice", UnionID: "u-alice", UserID: "42",
			Device: "a phone", Data: []byte(`{"role":"admin"}`),
		},
		created: testStart.UnixMilli(), seen: testStart.Add(time.Minute).UnixMilli(), end: testStart.Add(720 * time.Hour).UnixMilli(),
		idle: time.Hour.Milliseconds(),
	}
}

func decodeSession(key, value string) (s session, err error) {
	s.Identity = new(Identity)
	err = s.decode(key, value)
	return s, err
}

func TestASessionRecordReadsBackAsItWasWritten(t *testing.T) {
	for rule, change := range map[string]func(*session){
		"all fields":         func(*session) {},
		"no optional field":  func(s *session) { s.UnionID, s.UserID, s.Device, s.Data = "", "", "", nil },
		"openid not subject": func(s *session) { s.OpenID = "o-other" },
		"no openid":          func(s *session) { s.OpenID = "" },
		"neither":            func(s *session) { s.OpenID, s.Subject = "", "" },
		"longest fields": func(s *session) {
			s.UserID = strings.Repeat("x", maxIDLen)
			s.Data = []byte(strings.Repeat("1", maxDataLen))
		},
		"seen before creation": func(s *session) { s.seen = s.created - 1000 },
	} {
		want := testSession()
		change(&want)
		got, err := decodeSession(testSessionKey, string(want.encode(testSessionKey)))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, %v; want %+v", rule, got, err, want)
		}
	}
}

func TestARecordThatIsNotWholeIsUnreadable(t *testing.T) {
	s := testSession()
	value := string(s.encode(testSessionKey))
	for n := range value {
		if _, err := decodeSession(testSessionKey, value[:n]); err == nil {
			t.Errorf("the first %d bytes of %d were read", n, len(value))
		}
	}
	if _, err := decodeSession(testSessionKey, value+"\x00"); err == nil {
		t.Error("a byte too many was read over")
	}
	if _, err := decodeSession(sessionKeyOf([]byte("another id")), value); err == nil {
		t.Error("the record of another key was taken for this one")
	}
}

func FuzzDecodeSession(f *testing.F) {
	s := testSession()
	f.Add(string(s.encode(testSessionKey)))
	f.Add("")
	f.Add(string(rune(sessionVersion)))
	f.Fuzz(func(t *testing.T, value string) {
		s, err := decodeSession(testSessionKey, value)
		if err != nil {
			return
		}
		again, err := decodeSession(testSessionKey, string(s.encode(testSessionKey)))
		if err != nil {
			t.Fatalf("what was read does not write: %v", err)
		}
		if again.Subject != s.Subject || again.OpenID != s.OpenID || string(again.Data) != string(s.Data) {
			t.Fatalf("got %+v, want %+v", again, s)
		}
	})
}

func FuzzDecodeSubject(f *testing.F) {
	s := subject{account: accountOf(Identity{UserID: "42"}), current: exchangedKey{"key", testStart.UnixMilli()}}
	f.Add(string(s.encode()))
	f.Add("")
	f.Fuzz(func(t *testing.T, plain string) {
		var s subject
		if s.decode(plain) != nil && s.current.key != "" {
			t.Fatal("a key came with the error")
		}
	})
}
