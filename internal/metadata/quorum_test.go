package metadata

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"go.etcd.io/raft/v3/raftpb"

	"leat.dev/internal/base/vfs"
)

// network carries messages between nodes of one test. Nodes that are away
// neither send nor receive.
type network struct {
	mu    sync.Mutex
	nodes map[int32]*Node
}

type port struct {
	net  *network
	from int32
}

func (p port) Send(messages []*raftpb.Message) {
	p.net.mu.Lock()
	defer p.net.mu.Unlock()
	if p.net.nodes[p.from] == nil {
		return
	}
	for _, m := range messages {
		if to := p.net.nodes[nodeID(m.GetTo())]; to != nil {
			to.Step(m)
		}
	}
}

func (n *network) set(id int32, node *Node) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.nodes[id] = node
}

// quorum is three nodes, each on its own disk.
type quorum struct {
	t     *testing.T
	net   *network
	disks map[int32]*vfs.Mem
	nodes map[int32]*testNode
}

func newQuorum(t *testing.T) *quorum {
	q := &quorum{t, &network{nodes: map[int32]*Node{}}, map[int32]*vfs.Mem{}, map[int32]*testNode{}}
	for id := range int32(3) {
		q.disks[id] = vfs.NewMem(uint64(id))
		q.start(id)
	}
	return q
}

func (q *quorum) start(id int32) {
	n := open(q.t, q.disks[id], func(o *Options) {
		o.NodeID, o.Voters = id, []int32{0, 1, 2}
		o.Transport = port{q.net, id}
		o.Tick = 5 * time.Millisecond
		o.SnapshotBytes = 4000
	})
	q.nodes[id] = n
	q.net.set(id, n.Node)
}

// stop takes the node off the network and cuts its power.
func (q *quorum) stop(id int32) {
	q.net.set(id, nil)
	q.disks[id] = q.disks[id].Crash()
	q.nodes[id].close()
	delete(q.nodes, id)
}

// leader waits for a leader that the others agree on.
func (q *quorum) leader() *testNode {
	q.t.Helper()
	var leader *testNode
	waitFor(q.t, func() bool {
		leader = nil
		agreed := noNode
		for _, n := range q.nodes {
			id := n.Image().ControllerID
			if agreed != noNode && id != agreed {
				return false
			}
			agreed = id
		}
		leader = q.nodes[agreed]
		return leader != nil && len(leader.Image().Features) > 0
	})
	return leader
}

// create creates a topic, wherever the leader is by then.
func (q *quorum) create(name string) {
	q.t.Helper()
	waitFor(q.t, func() bool {
		err := q.leader().create(name, 2)
		return err == nil || q.leader().Image().Topic(name) != nil
	})
}

// agree waits until all running nodes show the same.
func (q *quorum) agree(topics int) {
	q.t.Helper()
	waitFor(q.t, func() bool {
		seen := map[string]bool{}
		for _, n := range q.nodes {
			if n.Image().TopicCount() != topics {
				return false
			}
			seen[describe(n.Image())] = true
		}
		return len(seen) == 1
	})
}

func TestQuorumOfThree(t *testing.T) {
	q := newQuorum(t)
	defer func() {
		for _, n := range q.nodes {
			n.close()
		}
	}()
	waitFor(t, func() bool { // it may have ceased to be the leader by then
		_, err := q.leader().tryStartBroker(-1)
		return err == nil
	})
	for i := range 3 {
		q.create(fmt.Sprintf("first%d", i))
	}
	q.agree(3)

	waitFor(t, func() bool { // on a busy machine one of them may have become the leader meanwhile
		leader := q.leader()
		for _, n := range q.nodes {
			if n != leader {
				if _, _, err := n.AllocateProducerIDs(t.Context()); !errors.Is(err, ErrNotController) {
					t.Logf("a follower allocated producer ids: %v", err)
					return false
				}
			}
		}
		return true
	})

	// The leader goes; another takes over with everything.
	old := q.leader().o.NodeID
	q.stop(old)
	for i := range 60 { // enough for the old one to need a snapshot
		q.create(fmt.Sprintf("second%d", i))
	}
	q.agree(63)
	for _, n := range q.nodes { // whichever leads then
		waitFor(t, func() bool { return n.log.StartOffset() > 20 })
	}

	q.start(old)
	q.create("third")
	q.agree(64)
	if got := q.nodes[old].log.StartOffset(); got == 0 {
		t.Error("the node that was away did not get a snapshot")
	}

	// All of them go at once.
	for id := range int32(3) {
		q.stop(id)
	}
	for id := range int32(3) {
		q.start(id)
	}
	q.create("fourth")
	q.agree(65)
}
