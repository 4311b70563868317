package group

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// leave removes members. Up to version 2 a request names one member and its
// error is the request's; later ones name many, each with its own.
func (s *Shard) leave(ev LeaveGroup) {
	r := kmsg.NewPtrLeaveGroupResponse()
	r.Version = ev.Req.Version
	if ev.Req.Group == "" {
		r.ErrorCode = kerr.InvalidGroupID.Code
		s.reply(ev.ID, r)
		return
	}
	members := ev.Req.Members
	if ev.Req.Version < 3 {
		one := kmsg.NewLeaveGroupRequestMember()
		one.MemberID = ev.Req.MemberID
		members = []kmsg.LeaveGroupRequestMember{one}
	}
	g := s.classic(ev.Req.Group)
	removed := false
	var errs []*kerr.Error
	if c := s.consumer(ev.Req.Group); c != nil {
		errs = s.leaveConsumerClassic(c, members)
	}
	for i := range members {
		m := kmsg.NewLeaveGroupResponseMember()
		m.MemberID, m.InstanceID = members[i].MemberID, members[i].InstanceID
		if errs != nil {
			if errs[i] != nil {
				m.ErrorCode = errs[i].Code
			}
		} else if err := s.leaveOne(g, &members[i]); err != nil {
			m.ErrorCode = err.Code
		} else {
			removed = true
		}
		r.Members = append(r.Members, m)
	}
	if ev.Req.Version < 3 {
		r.ErrorCode = r.Members[0].ErrorCode
		r.Members = nil
	}
	s.reply(ev.ID, r)
	if removed {
		s.afterRemoval(g)
	}
}

func (s *Shard) leaveOne(g *classic, req *kmsg.LeaveGroupRequestMember) *kerr.Error {
	if g == nil {
		return kerr.UnknownMemberID
	}
	if req.MemberID == "" && req.InstanceID != nil {
		// An operator removes a static member by its instance id.
		m := g.byStatic[*req.InstanceID]
		if m == nil {
			return kerr.UnknownMemberID
		}
		s.expel(g, m)
		return nil
	}
	if g.pending[req.MemberID] != nil {
		s.remove(g, req.MemberID)
		return nil
	}
	m, err := g.validateMember(req.MemberID, req.InstanceID)
	if err != nil {
		return err
	}
	s.expel(g, m)
	return nil
}
