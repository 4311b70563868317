package group

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// sync handles SyncGroup. The leader's brings the assignment, which is stored and
// makes the group Stable; the others' wait for it.
func (s *Shard) sync(ev SyncGroup) {
	if g := s.consumer(ev.Req.Group); g != nil && (ev.Req.Version < 5 || ev.Req.ProtocolType != nil && ev.Req.Protocol != nil) {
		s.syncConsumer(g, ev)
		return
	}
	g, m, err := s.checkSync(ev.Req)
	if err != nil {
		s.reply(ev.ID, syncError(ev.Req.Version, err))
		return
	}
	if m.sync != nil {
		s.failSync(m, kerr.RebalanceInProgress) // superseded, as in updateMember
	}
	delete(g.pendingSync, m.id)
	if len(g.pendingSync) == 0 {
		s.timers.Cancel(g.syncTimer)
	}
	p := &parked{id: ev.ID, version: ev.Req.Version}
	if g.state == Stable {
		s.replySynced(g, m, p)
		return
	}
	m.sync = p
	if g.leader == m.id {
		s.assign(g, ev.Req.GroupAssignment)
	}
}

func (s *Shard) checkSync(req *kmsg.SyncGroupRequest) (*classic, *member, *kerr.Error) {
	if req.Group == "" {
		return nil, nil, kerr.InvalidGroupID
	}
	if req.Version >= 5 && (req.ProtocolType == nil || req.Protocol == nil) {
		return nil, nil, kerr.InconsistentGroupProtocol
	}
	g := s.classic(req.Group)
	if g == nil {
		return nil, nil, kerr.UnknownMemberID
	}
	m, err := g.validateMember(req.MemberID, req.InstanceID)
	if err != nil {
		return nil, nil, err
	}
	if req.Generation != g.generation {
		return nil, nil, kerr.IllegalGeneration
	}
	if req.ProtocolType != nil && *req.ProtocolType != g.protocolType ||
		req.Protocol != nil && g.protocol != nil && *req.Protocol != *g.protocol {
		return nil, nil, kerr.InconsistentGroupProtocol
	}
	switch g.state {
	case Empty:
		return nil, nil, kerr.UnknownMemberID
	case PreparingRebalance:
		return nil, nil, kerr.RebalanceInProgress
	}
	return g, m, nil
}

// assign stores the leader's assignment and hands it out. A member it does not
// mention gets nothing.
func (s *Shard) assign(g *classic, assignments []kmsg.SyncGroupRequestGroupAssignment) {
	for _, m := range g.members {
		m.assignment = []byte{}
	}
	for _, a := range assignments {
		if m := g.byID[a.MemberID]; m != nil {
			m.assignment = a.MemberAssignment
		}
	}
	if err := s.store(g); err != nil {
		for _, m := range g.members {
			m.assignment = nil
		}
		s.failSyncs(g, err)
		s.rebalance(g)
		return
	}
	s.setState(g, Stable)
	for _, m := range g.members {
		if m.sync != nil {
			p := m.sync
			m.sync = nil
			s.replySynced(g, m, p)
		}
	}
}

// store writes the group's record. One that the log would refuse for its size is
// not written, and the error says so.
func (s *Shard) store(g *classic) *kerr.Error {
	r := EncodeGroup(g.id, g.value())
	if r.Size() > s.settings.MaxRecordBytes {
		return kerr.UnknownServerError
	}
	s.write(r)
	return nil
}

func (s *Shard) replySynced(g *classic, m *member, p *parked) {
	s.renewSession(g, m)
	r := kmsg.NewPtrSyncGroupResponse()
	r.Version = p.version
	protocolType := g.protocolType
	r.ProtocolType = &protocolType
	r.Protocol = g.protocol
	r.MemberAssignment = m.assignment
	s.reply(p.id, r)
}

func syncError(version int16, err *kerr.Error) *kmsg.SyncGroupResponse {
	r := kmsg.NewPtrSyncGroupResponse()
	r.Version = version
	r.ErrorCode = err.Code
	r.MemberAssignment = []byte{}
	return r
}

// failSync answers a parked SyncGroup with an error, if there is one.
func (s *Shard) failSync(m *member, err *kerr.Error) {
	if m.sync == nil {
		return
	}
	s.reply(m.sync.id, syncError(m.sync.version, err))
	m.sync = nil
}

// failSyncs clears the assignment in the making and sends all who wait for it
// back with err.
func (s *Shard) failSyncs(g *classic, err *kerr.Error) {
	for _, m := range g.members {
		m.assignment = nil
		if m.sync != nil {
			s.failSync(m, err)
			s.renewSession(g, m)
		}
	}
}
