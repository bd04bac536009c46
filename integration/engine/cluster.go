package engine

import (
	"fmt"
	"strconv"
	"testing"
)

// slotCount is fixed by the Redis Cluster specification.
const slotCount = 16384

// StartCluster starts a Redis Cluster of primaries, each with so many replicas,
// and waits until all of them serve. The primaries come first, then the first
// replica of each, and so on.
func StartCluster(t testing.TB, primaries, replicas int, args ...string) []*Redis {
	t.Helper()
	nodes := make([]*Redis, primaries*(1+replicas))
	for i := range nodes {
		bus := strconv.Itoa(FreePort(t))
		nodes[i] = StartRedis(t, append([]string{
			"--cluster-enabled", "yes", "--cluster-port", bus,
			"--cluster-node-timeout", "1000", "--cluster-replica-validity-factor", "0",
		}, args...)...)
		// Two nodes that vote with the same epoch delay the first failover.
		nodes[i].Must(t, "CLUSTER", "SET-CONFIG-EPOCH", strconv.Itoa(i+1))
		if i < primaries {
			nodes[i].Must(t, "CLUSTER", "ADDSLOTSRANGE",
				strconv.Itoa(i*slotCount/primaries), strconv.Itoa((i+1)*slotCount/primaries-1))
		}
		if i > 0 {
			nodes[0].Must(t, "CLUSTER", "MEET", "127.0.0.1", strconv.Itoa(nodes[i].Port), bus)
		}
	}
	for _, node := range nodes {
		node.WaitFor(t, fmt.Sprintf("cluster_known_nodes:%d", len(nodes)), "CLUSTER", "INFO")
	}
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

// WaitInStep waits until a replica has all that its primary has.
func (r *Redis) WaitInStep(t testing.TB) {
	t.Helper()
	r.WaitFor(t, "master_link_status:up", "INFO", "replication")
}
