package metadata

import (
	"context"

	"go.etcd.io/raft/v3/tracker"
)

// Quorum is the state of the metadata quorum, as its leader sees it.
type Quorum struct {
	LeaderID int32 // NoLeader while there is none
	Term     uint64
	// HighWatermark is the offset after the last committed record.
	HighWatermark int64
	// Voters is in no particular order; their numbers are known to the leader alone.
	Voters []Voter
}

// Voter is one member of the quorum.
type Voter struct {
	ID int32
	// EndOffset is the offset after the last record that the voter is known to have.
	EndOffset int64
	// Recent tells whether the voter was heard of since the last check of the quorum.
	Recent bool
}

// Quorum asks the raft loop for its state. It works without a leader, too.
func (n *Node) Quorum(ctx context.Context) (Quorum, error) {
	ask := inspection{done: make(chan Quorum, 1)}
	select {
	case n.inspections <- ask:
	case <-ctx.Done():
		return Quorum{}, context.Cause(ctx)
	case <-n.loopDone:
		return Quorum{}, ErrClosed
	}
	select {
	case q := <-ask.done:
		return q, nil
	case <-ctx.Done():
		return Quorum{}, context.Cause(ctx)
	case <-n.loopDone:
		return Quorum{}, ErrClosed
	}
}

// inspection asks the raft loop for its state.
type inspection struct{ done chan Quorum }

// quorum is the state of raft in the terms of the log.
func (c *core) quorum() Quorum {
	st := c.raw.Status()
	q := Quorum{LeaderID: c.leaderID, Term: st.GetTerm(), HighWatermark: c.state.Offset + 1}
	for _, id := range c.storage.state.voters {
		v := Voter{ID: id}
		pr, tracked := st.Progress[raftID(id)]
		switch {
		case id == c.n.o.NodeID:
			v.EndOffset, v.Recent = c.storage.end, true
		case tracked:
			v.Recent = pr.RecentActive && pr.State != tracker.StateSnapshot
			if base := c.storage.state.base; pr.Match <= base.index {
				v.EndOffset = base.offset
			} else if pr.Match <= c.storage.lastIndex() {
				v.EndOffset = c.storage.offsetOf(pr.Match + 1)
			}
		}
		q.Voters = append(q.Voters, v)
	}
	return q
}
