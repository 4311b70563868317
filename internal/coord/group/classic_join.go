package group

import (
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/coord"
)

// joining is a JoinGroup on its way through the checks.
type joining struct {
	JoinGroup
	protocols        []protocol
	rebalanceTimeout time.Duration
	sessionTimeout   time.Duration
}

func (j *joining) parked() *parked { return &parked{id: j.ID, version: j.Req.Version} }

// join handles JoinGroup. The checks come in Kafka's order, since several may
// apply and clients act on the first.
func (s *Shard) join(ev JoinGroup) {
	j := &joining{
		JoinGroup:      ev,
		sessionTimeout: time.Duration(ev.Req.SessionTimeoutMillis) * time.Millisecond,
	}
	j.rebalanceTimeout = time.Duration(ev.Req.RebalanceTimeoutMillis) * time.Millisecond
	if ev.Req.Version == 0 || j.rebalanceTimeout < 0 {
		j.rebalanceTimeout = j.sessionTimeout
	}
	if err := s.checkJoin(j); err != nil {
		s.refuseJoin(j, ev.Req.MemberID, err)
		return
	}
	for _, p := range ev.Req.Protocols {
		j.protocols = append(j.protocols, protocol{name: p.Name, metadata: p.Metadata})
	}

	g, known := s.groups[ev.Req.Group].(*classic)
	if !known {
		other := s.groups[ev.Req.Group]
		c := s.consumer(ev.Req.Group)
		switch {
		case c != nil && !c.empty():
			s.joinConsumer(c, j)
			return
		case other != nil && (other.kind() == Share || !other.empty()):
			s.refuseJoin(j, "", kerr.InconsistentGroupProtocol)
			return
		case ev.Req.MemberID != "":
			s.refuseJoin(j, ev.Req.MemberID, kerr.UnknownMemberID)
			return
		case other != nil:
			other.drop(s)
		}
		// The group must outlive a restart even before its first rebalance, or
		// the member id handed out would be refused.
		g = s.newClassic(ev.Req.Group)
		s.write(EncodeGroup(g.id, GroupValue{StateTimestamp: g.stateSince}))
	}
	switch {
	case !s.hasRoom(g, ev.Req.MemberID):
		s.remove(g, ev.Req.MemberID)
		s.refuseJoin(j, "", kerr.GroupMaxSizeReached)
		s.maybeCompleteJoin(g)
	case !g.accepts(ev.Req.ProtocolType, j.protocols):
		s.refuseJoin(j, ev.Req.MemberID, kerr.InconsistentGroupProtocol)
	case ev.Req.MemberID == "":
		s.joinNew(g, j)
	default:
		s.joinExisting(g, j)
	}
}

func (s *Shard) checkJoin(j *joining) *kerr.Error {
	if j.Req.Group == "" || len(j.Req.Group) > maxString {
		return kerr.InvalidGroupID
	}
	if j.sessionTimeout < s.settings.MinSessionTimeout || j.sessionTimeout > s.settings.MaxSessionTimeout {
		return kerr.InvalidSessionTimeout
	}
	// What could never be stored is refused at once. Members are kept in memory
	// with all their protocols: these are bounded as a whole, with room for the
	// few that a client offers.
	const maxID = maxString - 64 // leaves room for what makes it a member id
	if len(j.Client.ID) > maxID || j.Req.InstanceID != nil && len(*j.Req.InstanceID) > maxID || len(j.Req.ProtocolType) > maxString {
		return kerr.InvalidRequest
	}
	total := 0
	for _, p := range j.Req.Protocols {
		if len(p.Name) > maxString || len(p.Metadata) > s.settings.MaxRecordBytes {
			return kerr.InvalidRequest
		}
		total += len(p.Name) + len(p.Metadata)
	}
	if total > 8*s.settings.MaxRecordBytes {
		return kerr.InvalidRequest
	}
	return nil
}

// hasRoom applies group.max.size. During a rebalance those who rejoined count,
// not the members: so a group above a lowered limit sheds its slowest.
func (s *Shard) hasRoom(g *classic, memberID string) bool {
	m := g.byID[memberID]
	switch g.state {
	case Empty:
		return true
	case PreparingRebalance:
		return m != nil && m.join != nil || g.waiting < s.settings.MaxSize
	default:
		return m != nil || len(g.members) < s.settings.MaxSize
	}
}

func (s *Shard) joinNew(g *classic, j *joining) {
	prefix := j.Client.ID
	if j.Req.InstanceID != nil {
		prefix = *j.Req.InstanceID
	}
	id := prefix + "-" + s.newUUID()
	if j.Req.InstanceID != nil {
		if old := g.byStatic[*j.Req.InstanceID]; old != nil {
			s.replaceStatic(g, old, id, j)
			return
		}
		s.addMember(g, id, j)
		return
	}
	if j.Req.Version < 4 {
		s.addMember(g, id, j)
		return
	}
	// The client must come back with the id it was given: a retry of a lost
	// answer then names the same member instead of making another.
	t := coord.NewTimer(func() {
		s.remove(g, id)
		s.maybeCompleteJoin(g)
	})
	g.pending[id] = t
	s.after(t, j.sessionTimeout)
	s.refuseJoin(j, id, kerr.MemberIDRequired)
}

func (s *Shard) joinExisting(g *classic, j *joining) {
	id := j.Req.MemberID
	if g.pending[id] != nil && j.Req.InstanceID == nil {
		s.addMember(g, id, j)
		return
	}
	m, err := g.validateMember(id, j.Req.InstanceID)
	if err != nil {
		s.refuseJoin(j, id, err)
		return
	}
	same := m.offersSame(j.protocols)
	switch g.state {
	case PreparingRebalance:
		s.updateMember(g, m, j)
		s.rebalance(g)
	case CompletingRebalance:
		if same {
			// The answer that told it this generation may have been lost.
			s.replyJoined(g, m, j.parked(), g.leader == id)
			return
		}
		s.updateMember(g, m, j)
		s.rebalance(g)
	case Stable:
		if g.leader == id || !same {
			// A leader that rejoins has seen something the others have not, such
			// as new partitions.
			s.updateMember(g, m, j)
			s.rebalance(g)
			return
		}
		s.replyJoined(g, m, j.parked(), false)
	default:
		s.refuseJoin(j, id, kerr.UnknownMemberID)
	}
}

func (s *Shard) addMember(g *classic, id string, j *joining) {
	if t := g.pending[id]; t != nil {
		s.timers.Cancel(t)
		delete(g.pending, id)
	}
	m := &member{
		id:               id,
		instanceID:       j.Req.InstanceID,
		clientID:         j.Client.ID,
		clientHost:       j.Client.Host,
		rebalanceTimeout: j.rebalanceTimeout,
		sessionTimeout:   j.sessionTimeout,
		protocols:        j.protocols,
		isNew:            true,
		join:             j.parked(),
	}
	if g.state == PreparingRebalance && g.previous == Empty {
		g.newMember = true
	}
	if len(g.members) == 0 {
		g.protocolType = j.Req.ProtocolType
	}
	g.add(m)
	s.startSession(g, m, newMemberJoinTimeout)
	s.rebalance(g)
}

// updateMember takes over what a rejoining member now asks for and parks it.
func (s *Shard) updateMember(g *classic, m *member, j *joining) {
	g.countProtocols(m, -1)
	m.protocols = j.protocols
	g.countProtocols(m, +1)
	m.rebalanceTimeout, m.sessionTimeout = j.rebalanceTimeout, j.sessionTimeout
	if m.join == nil {
		g.waiting++
	} else {
		// A second request while the first still waits: only one can be
		// answered with the generation, and the newer is the one being read.
		s.reply(m.join.id, joinError(m.join.version, m.id, kerr.RebalanceInProgress))
	}
	m.join = j.parked()
}

// replyJoined tells a member the current generation.
func (s *Shard) replyJoined(g *classic, m *member, p *parked, withMembers bool) {
	r := kmsg.NewPtrJoinGroupResponse()
	r.Version = p.version
	r.Generation = g.generation
	protocolType := g.protocolType
	r.ProtocolType = &protocolType
	r.Protocol = g.protocol
	r.LeaderID = g.leader
	r.MemberID = m.id
	if withMembers {
		r.Members = g.joinMembers()
	}
	s.reply(p.id, r)
}

func (g *classic) joinMembers() []kmsg.JoinGroupResponseMember {
	all := make([]kmsg.JoinGroupResponseMember, 0, len(g.members))
	for _, m := range g.members {
		r := kmsg.NewJoinGroupResponseMember()
		r.MemberID = m.id
		r.InstanceID = m.instanceID
		r.ProtocolMetadata = m.metadata(*g.protocol)
		all = append(all, r)
	}
	return all
}

func (s *Shard) refuseJoin(j *joining, memberID string, err *kerr.Error) {
	s.reply(j.ID, joinError(j.Req.Version, memberID, err))
}

func joinError(version int16, memberID string, err *kerr.Error) *kmsg.JoinGroupResponse {
	r := kmsg.NewPtrJoinGroupResponse()
	r.Version = version
	r.ErrorCode = err.Code
	r.Generation = -1
	r.MemberID = memberID
	if version < 7 {
		r.Protocol = new(string)
	}
	return r
}

// failJoin answers a parked JoinGroup with an error, if there is one.
func (s *Shard) failJoin(g *classic, m *member, memberID string, err *kerr.Error) {
	if m.join == nil {
		return
	}
	s.reply(m.join.id, joinError(m.join.version, memberID, err))
	m.join = nil
	g.waiting--
}
