package handler

import (
	"testing"
	"time"
)

func TestAMomentIsInUTCAndWholeSeconds(t *testing.T) {
	beijing := time.FixedZone("CST", 8*60*60)
	text, err := moment(time.Date(2026, 3, 1, 16, 30, 0, 987654321, beijing)).MarshalJSON()
	if want := `"2026-03-01T08:30:00Z"`; err != nil || string(text) != want {
		t.Errorf("got %s, %v, want %s", text, err, want)
	}
}
