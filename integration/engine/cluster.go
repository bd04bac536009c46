package engine

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"
)

const (
	// slotCount is fixed by the Redis Cluster specification.
	slotCount = 16384

	// formation is how long nodes may take to meet, and handshake how long it
	// takes until one is known to have failed.
	formation = 60 * time.Second
	handshake = 2 * time.Second
)

// StartCluster starts a Redis Cluster of primaries, each with so many replicas,
// and waits until all of them serve. The primaries come first, then the first
// replica of each, and so on.
func StartCluster(t testing.TB, primaries, replicas int, args ...string) []*Redis {
	t.Helper()
	nodes := make([]*Redis, primaries*(1+replicas))
	buses := make([]string, len(nodes))
	for i := range nodes {
		buses[i] = strconv.Itoa(FreePort(t))
		nodes[i] = StartRedis(t, append([]string{
			"--cluster-enabled", "yes", "--cluster-port", buses[i],
			"--cluster-node-timeout", "1000", "--cluster-replica-validity-factor", "0",
		}, args...)...)
		// Two nodes that vote with the same epoch delay the first failover.
		nodes[i].Must(t, "CLUSTER", "SET-CONFIG-EPOCH", strconv.Itoa(i+1))
		if i < primaries {
			nodes[i].Must(t, "CLUSTER", "ADDSLOTSRANGE",
				strconv.Itoa(i*slotCount/primaries), strconv.Itoa((i+1)*slotCount/primaries-1))
		}
	}
	meet(t, nodes, buses)
	for i, node := range nodes[primaries:] {
		node.Must(t, "CLUSTER", "REPLICATE", nodes[i%primaries].Must(t, "CLUSTER", "MYID"))
	}
	for _, node := range nodes {
		node.WaitFor(t, "cluster_state:ok", "CLUSTER", "INFO")
	}
	for _, node := range nodes[primaries:] {
		node.WaitInStep(t)
	}
	return nodes
}

// BeginMove puts the slots of one primary of a cluster on their way to another one:
// what the first does not have, or no more, is asked of the second.
func BeginMove(t testing.TB, from, to *Redis) {
	t.Helper()
	source, target := from.Must(t, "CLUSTER", "MYID"), to.Must(t, "CLUSTER", "MYID")
	for _, slot := range from.slots(t) {
		to.Must(t, "CLUSTER", "SETSLOT", slot, "IMPORTING", source)
		from.Must(t, "CLUSTER", "SETSLOT", slot, "MIGRATING", target)
	}
}

// Move moves so many slots and what is in them, as operators do.
func Move(t testing.TB, from, to *Redis, slots int) {
	t.Helper()
	Run(t, "", Find(t, "redis-cli", "valkey-cli"), "--cluster", "reshard", from.Addr(),
		"--cluster-from", from.Must(t, "CLUSTER", "MYID"), "--cluster-to", to.Must(t, "CLUSTER", "MYID"),
		"--cluster-slots", strconv.Itoa(slots), "--cluster-yes")
}

// slots returns the slots of a primary, of which none is on its way.
func (r *Redis) slots(t testing.TB) []string {
	t.Helper()
	const first = 8 // field of a node's line
	var slots []string
	for line := range strings.Lines(r.Must(t, "CLUSTER", "NODES")) {
		if !strings.Contains(line, "myself") {
			continue
		}
		for _, run := range strings.Fields(line)[first:] {
			from, to, ok := strings.Cut(run, "-")
			if !ok {
				to = from
			}
			begin, err1 := strconv.Atoi(from)
			end, err2 := strconv.Atoi(to)
			if err := errors.Join(err1, err2); err != nil {
				t.Fatalf("slots %q: %v", run, err)
			}
			for slot := begin; slot <= end; slot++ {
				slots = append(slots, strconv.Itoa(slot))
			}
		}
	}
	return slots
}

// meet introduces the nodes to the first one until all know all. A handshake that
// takes too long, as it may on a busy machine, is forgotten and has to be begun
// again.
func meet(t testing.TB, nodes []*Redis, buses []string) {
	t.Helper()
	all := fmt.Sprintf("cluster_known_nodes:%d\r\n", len(nodes))
	var introduced time.Time
	err := Poll(formation, func(ctx context.Context) error {
		if time.Since(introduced) > handshake {
			introduced = time.Now()
			for i, node := range nodes[1:] {
				nodes[0].Must(t, "CLUSTER", "MEET", "127.0.0.1", strconv.Itoa(node.Port), buses[i+1])
			}
		}
		for _, node := range nodes {
			info, err := node.Command(ctx, "CLUSTER", "INFO")
			if err != nil {
				return err
			}
			if !strings.Contains(info, all) {
				return fmt.Errorf("no %q in %q", all, info)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatalf("the nodes do not meet: %v", err)
	}
}

// WaitInStep waits until a replica has all that its primary has.
func (r *Redis) WaitInStep(t testing.TB) {
	t.Helper()
	r.WaitFor(t, "master_link_status:up", "INFO", "replication")
}
