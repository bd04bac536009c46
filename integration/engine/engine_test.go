package engine

import (
	"context"
	"testing"
	"time"
)

func TestAServerSurvivesAKillOnItsPort(t *testing.T) {
	r := StartRedis(t, "--appendonly", "yes", "--appendfsync", "always")
	r.Must(t, "SET", "k", "v")
	for range 3 {
		port := r.Port
		r.Kill()
		if r.Running() {
			t.Fatal("a killed server is still running")
		}
		r.Restart()
		if got := r.Must(t, "GET", "k"); got != "v" || r.Port != port {
			t.Fatalf("after a kill and a restart: GET gives %q on port %d, want v on %d", got, r.Port, port)
		}
	}
	r.Stop()
	if r.Running() {
		t.Fatal("a stopped server is still running")
	}
}

func TestAFrozenServerDoesNotAnswerUntilItThaws(t *testing.T) {
	r := StartRedis(t)
	r.Freeze()
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	if reply, err := r.Command(ctx, "PING"); err == nil {
		t.Fatalf("a frozen server answered %q", reply)
	}
	r.Thaw()
	r.Must(t, "PING")
}

func TestAClusterForms(t *testing.T) {
	nodes := StartCluster(t, 3, 0)
	nodes[2].WaitFor(t, "cluster_slots_ok:16384", "CLUSTER", "INFO")
}

func TestASentinelFindsItsMaster(t *testing.T) {
	master := StartRedis(t)
	sentinel := StartSentinel(t, master, 1)
	sentinel.WaitFor(t, "mymaster", "INFO", "sentinel")
}
