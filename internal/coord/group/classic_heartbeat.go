package group

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// heartbeat keeps a member's session alive and tells it of a rebalance.
func (s *Shard) heartbeat(ev Heartbeat) {
	r := kmsg.NewPtrHeartbeatResponse()
	r.Version = ev.Req.Version
	if err := s.checkHeartbeat(ev.Req); err != nil {
		r.ErrorCode = err.Code
	}
	s.reply(ev.ID, r)
}

func (s *Shard) checkHeartbeat(req *kmsg.HeartbeatRequest) *kerr.Error {
	if req.Group == "" {
		return kerr.InvalidGroupID
	}
	if g := s.consumer(req.Group); g != nil {
		return s.heartbeatConsumer(g, req)
	}
	g := s.classic(req.Group)
	if g == nil {
		return kerr.UnknownMemberID
	}
	m, err := g.validateMember(req.MemberID, req.InstanceID)
	if err != nil {
		return err
	}
	if req.Generation != g.generation {
		return kerr.IllegalGeneration
	}
	s.renewSession(g, m)
	if g.state == PreparingRebalance {
		return kerr.RebalanceInProgress
	}
	// A member may heartbeat between its JoinGroup and its SyncGroup.
	return nil
}
