package group

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// leaveStreams handles the heartbeat that says goodbye.
func (s *Shard) leaveStreams(req *kmsg.StreamsGroupHeartbeatRequest) (StreamsHeartbeatReply, *refusal) {
	g := s.streams(req.Group)
	switch {
	case s.groups[req.Group] == nil:
		return StreamsHeartbeatReply{}, refuse(kerr.GroupIDNotFound, "Group %s not found.", req.Group)
	case g == nil:
		return StreamsHeartbeatReply{}, notStreams(req.Group)
	}
	if req.ShutdownApplication && g.shutdownBy == "" && len(g.members) > 0 {
		g.shutdownBy = req.MemberID
	}
	m := g.members[req.MemberID]
	if m == nil {
		return StreamsHeartbeatReply{}, refuse(kerr.UnknownMemberID, "Member %s is not a member of group %s.", req.MemberID, g.id)
	}
	s.removeStreamsMember(g, m)
	r := newStreamsResponse(req)
	r.MemberID, r.MemberEpoch = req.MemberID, req.MemberEpoch
	return StreamsHeartbeatReply{Response: r}, nil
}

// fenceStreams removes a member that has not been heard of in time.
func (s *Shard) fenceStreams(g *streams, m *streamsMember) {
	if s.streams(g.id) == g && g.members[m.id] == m {
		s.removeStreamsMember(g, m)
	}
}

func (s *Shard) removeStreamsMember(g *streams, m *streamsMember) {
	s.fx.Atomic = true
	s.putStreamsRemoved(g, m.id)
	v := g.value()
	v.Epoch++
	s.putStreamsGroup(g, v)
	s.settleStreams(g)
}
