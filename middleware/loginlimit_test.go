package middleware

import (
	"strconv"
	"testing"
	"time"
)

func TestALoginLimitRemembersABoundedNumberOfClients(t *testing.T) {
	limit := &loginLimit{perMinute: 1}
	now := time.Date(2026, 3, 1, 8, 30, 0, 0, time.UTC)
	for i := range 3 * maxLoginClients {
		if !limit.allows(strconv.Itoa(i), now) {
			t.Fatalf("the first login of client %d is refused", i)
		}
	}
	if got := limit.buckets.Len(); got > maxLoginClients {
		t.Errorf("%d clients are remembered, want at most %d", got, maxLoginClients)
	}
	if limit.allows(strconv.Itoa(3*maxLoginClients-1), now) {
		t.Error("the last client is forgotten")
	}
}

// TestAClientThatStaysIsNotForgotten has one that logs in all the time, while others
// come and go.
func TestAClientThatStaysIsNotForgotten(t *testing.T) {
	limit := &loginLimit{perMinute: 6}
	now := time.Date(2026, 3, 1, 8, 30, 0, 0, time.UTC)
	passed := 0
	const minutes = 30
	for second := range minutes * 60 {
		if limit.allows("stays", now) {
			passed++
		}
		limit.allows(strconv.Itoa(second), now)
		now = now.Add(time.Second)
	}
	if most := limit.perMinute * (minutes + 1); passed > most || passed < most-1 {
		t.Errorf("%d logins passed in %d minutes, want %d", passed, minutes, most)
	}
}

func TestAClockThatGoesBackwardsLocksNobodyOut(t *testing.T) {
	limit := &loginLimit{perMinute: 2}
	now := time.Date(2026, 3, 1, 8, 30, 0, 0, time.UTC)
	limit.allows("client", now)
	now = now.Add(-24 * time.Hour)
	passed := 0
	for range 120 {
		if limit.allows("client", now) {
			passed++
		}
		now = now.Add(time.Second)
	}
	if passed < 4 {
		t.Errorf("%d logins passed in two minutes after the clock was set back, want 4", passed)
	}
}
