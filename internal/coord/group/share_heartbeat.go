package group

import (
	"bytes"
	"slices"
	"unicode/utf16"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/coord/group/assign"
)

// CheckShareGroupHeartbeat checks a heartbeat by itself, and returns the answer to one
// that is not acceptable, else nil.
func CheckShareGroupHeartbeat(req *kmsg.ShareGroupHeartbeatRequest) *kmsg.ShareGroupHeartbeatResponse {
	if err := checkShareBeat(req); err != nil {
		return refuseShareBeat(req, err)
	}
	return nil
}

// checkShareBeat does so in Kafka's order and words.
func checkShareBeat(req *kmsg.ShareGroupHeartbeatRequest) *refusal {
	invalid := func(message string) *refusal { return refuse(kerr.InvalidRequest, "%s", message) }
	switch {
	case req.MemberID == "" || len(utf16.Encode([]rune(req.MemberID))) > maxShareMemberID:
		return invalid("Invalid member id in the request.")
	case isBlank(req.MemberID):
		return invalid("MemberId can't be empty.")
	case isBlank(req.GroupID):
		return invalid("GroupId can't be empty.")
	case req.RackID != nil && isBlank(*req.RackID):
		return invalid("RackId can't be empty.")
	case req.MemberEpoch == 0 && len(req.SubscribedTopicNames) == 0:
		return invalid("SubscribedTopicNames must be set in first request.")
	case req.MemberEpoch < -1:
		return invalid("MemberEpoch is invalid.")
	}
	return nil
}

// maxShareMemberID is how long the id may be that a member gives itself: a UUID's 36
// characters.
const maxShareMemberID = 36

func refuseShareBeat(req *kmsg.ShareGroupHeartbeatRequest, err *refusal) *kmsg.ShareGroupHeartbeatResponse {
	r := kmsg.NewPtrShareGroupHeartbeatResponse()
	r.Version = req.Version
	r.ErrorCode, r.ErrorMessage = err.code.Code, &err.message
	return r
}

// shareHeartbeat handles ShareGroupHeartbeat, the one request of a member of a share
// group to the coordinator: it joins, leaves, tells what it subscribes to, and is told
// what it has.
func (s *Shard) shareHeartbeat(ev ShareGroupHeartbeat) {
	r, err := s.beatShare(ev)
	if err != nil {
		r = refuseShareBeat(ev.Req, err)
	}
	r.Version = ev.Req.Version
	s.reply(ev.ID, r)
}

func (s *Shard) beatShare(ev ShareGroupHeartbeat) (*kmsg.ShareGroupHeartbeatResponse, *refusal) {
	if err := checkShareBeat(ev.Req); err != nil {
		return nil, err
	}
	if ev.Req.MemberEpoch < 0 {
		return s.leaveShare(ev.Req)
	}
	g, value, err := s.admitShare(ev)
	if err != nil {
		return nil, err
	}
	s.fx.Atomic = true
	settled := g.settled
	bump := !settled && g.hasUnassigned()
	if s.groups[g.id] == nil {
		s.addShare(g)
	}
	m, subscribed := s.enterShare(g, ev.Req.MemberID, value)
	before := m.current.Assigned
	bump = s.bumpShare(g, bump || subscribed)
	if g.epoch > g.assignmentEpoch && g.due(s.now, s.shareConfig(g.id).AssignmentInterval) {
		if err := s.assignShare(g); err != nil {
			return nil, err
		}
	}
	s.reconcileShare(g, m, bump)
	s.startShareSession(g, m)
	if !settled || !g.settled {
		if err := s.initializeShare(g); err != nil {
			return nil, err
		}
	}
	g.settled = len(s.fx.Records) == 0 && len(g.state.Initializing) == 0

	r := kmsg.NewPtrShareGroupHeartbeatResponse()
	r.MemberID, r.MemberEpoch = &m.id, m.current.Epoch
	r.HeartbeatIntervalMillis = int32(s.shareConfig(g.id).HeartbeatInterval.Milliseconds())
	if ev.Req.MemberEpoch == 0 || ev.Req.SubscribedTopicNames != nil || !before.Equal(m.current.Assigned) {
		r.Assignment = shareAssignmentOf(m.current.Assigned)
	}
	return r, nil
}

func shareAssignmentOf(assigned assign.Partitions) *kmsg.ShareGroupHeartbeatResponseAssignment {
	a := kmsg.NewShareGroupHeartbeatResponseAssignment()
	a.TopicPartitions = []kmsg.ShareGroupHeartbeatResponseAssignmentTopicPartition{}
	for _, id := range assigned.Topics() {
		t := kmsg.NewShareGroupHeartbeatResponseAssignmentTopicPartition()
		t.TopicID, t.Partitions = id, assigned[id]
		a.TopicPartitions = append(a.TopicPartitions, t)
	}
	return &a
}

// admitShare checks a heartbeat against its group without changing anything. It returns
// the group, perhaps a new one that is not in the shard yet, and what the member is to
// be.
func (s *Shard) admitShare(ev ShareGroupHeartbeat) (*shareGroup, ShareMemberValue, *refusal) {
	req := ev.Req
	none := ShareMemberValue{}
	g, err := s.findShare(req.GroupID, req.MemberEpoch == 0, "Share group %s not found.")
	if err != nil {
		return nil, none, err
	}
	m := g.members[req.MemberID]
	if limit := s.settings.Share.MaxSize; len(g.members) >= limit && m == nil {
		return nil, none, refuse(kerr.GroupMaxSizeReached, "The share group has reached its maximum capacity of %d members.", limit)
	}
	if m == nil {
		if req.MemberEpoch != 0 {
			return nil, none, unknownShareMember(g, req.MemberID)
		}
		m = newShareMember(req.MemberID)
	}
	if err := checkShareEpoch(m, req.MemberEpoch); err != nil {
		return nil, none, err
	}
	v := m.ShareMemberValue
	v.ClientID, v.ClientHost = ev.Client.ID, ev.Client.Host
	v.RackID = orKeep(req.RackID, v.RackID)
	if req.SubscribedTopicNames != nil {
		v.Topics = sortedSet(req.SubscribedTopicNames)
	}
	if n := len(EncodeShareMember(v)) + len(m.id) + len(g.id); n > s.settings.MaxRecordBytes {
		return nil, none, refuse(kerr.UnknownServerError, "The subscription of member %s does not fit a record.", m.id)
	}
	return g, v, nil
}

// findShare finds the group, or prepares one if it may be created.
func (s *Shard) findShare(id string, create bool, notFound string) (*shareGroup, *refusal) {
	switch g := s.groups[id].(type) {
	case *shareGroup:
		return g, nil
	case nil:
		switch {
		case len(id) > maxString:
			return nil, refuse(kerr.InvalidGroupID, "The group id is longer than %d bytes.", maxString)
		case create:
			return newShareGroup(id), nil
		}
		return nil, refuse(kerr.GroupIDNotFound, notFound, id)
	}
	return nil, refuse(kerr.GroupIDNotFound, "Group %s is not a share group.", id)
}

func unknownShareMember(g *shareGroup, id string) *refusal {
	return refuse(kerr.UnknownMemberID, "Member %s is not a member of group %s.", id, g.id)
}

// checkShareEpoch fences a member whose epoch is wrong. One that comes with the epoch
// before has not got the answer that told it the new one.
func checkShareEpoch(m *shareMember, received int32) *refusal {
	switch known := m.current.Epoch; {
	case received == 0:
		return nil
	case received > known:
		return refuse(kerr.FencedMemberEpoch, "The share group member has a greater member epoch (%d) than the one known by the group coordinator (%d). The member must abandon all its partitions and rejoin.", received, known)
	case received < known && received != m.current.Previous:
		return refuse(kerr.FencedMemberEpoch, "The share group member has a smaller member epoch (%d) than the one known by the group coordinator (%d), and it does not match the previous member epoch (%d). The member must abandon all its partitions and rejoin.", received, known, m.current.Previous)
	}
	return nil
}

// enterShare makes the member what it was admitted as; subscribed tells whether its
// topics are others than before.
func (s *Shard) enterShare(g *shareGroup, memberID string, v ShareMemberValue) (m *shareMember, subscribed bool) {
	var was ShareMemberValue
	old := g.members[memberID]
	if old != nil {
		was = old.ShareMemberValue
	}
	if old == nil || !bytes.Equal(EncodeShareMember(was), EncodeShareMember(v)) {
		s.putShare(ShareKey{keyShareMember, g.id, memberID}, EncodeShareMember(v))
	}
	return g.members[memberID], !slices.Equal(was.Topics, v.Topics)
}

// hasUnassigned tells whether partitions have got their state since the target was
// computed: then nobody has them yet.
func (g *shareGroup) hasUnassigned() bool {
	if g.assignmentEpoch < g.epoch || len(g.members) == 0 {
		return false
	}
	assigned := map[assign.TopicID]map[int32]bool{}
	for _, target := range g.shall {
		for id, ps := range target {
			if assigned[id] == nil {
				assigned[id] = map[int32]bool{}
			}
			for _, p := range ps {
				assigned[id][p] = true
			}
		}
	}
	for id, t := range g.state.Initialized {
		if !g.subscribedTo(t.Name) {
			continue
		}
		if len(assigned[id]) != len(t.Partitions) || slices.ContainsFunc(t.Partitions, func(p int32) bool { return !assigned[id][p] }) {
			return true
		}
	}
	return false
}

// bumpShare raises the group's epoch if that is called for, or if the topics have
// changed. It reports whether it did.
func (s *Shard) bumpShare(g *shareGroup, bump bool) bool {
	if !bump && !g.stale {
		return false
	}
	g.stale = false
	hash := s.subscriptionHash(sortedKeys(g.countSubscriptions()))
	if !bump && hash == g.hash {
		return false
	}
	s.putShareGroup(g, g.epoch+1, hash)
	return true
}

// assignShare computes the target for the group's epoch and writes what differs. Only
// partitions that have state are given out.
func (s *Shard) assignShare(g *shareGroup) *refusal {
	assignable := assign.Partitions{}
	members := make([]assign.Member, 0, len(g.members))
	for _, id := range sortedKeys(g.members) {
		am := assign.Member{ID: id, Current: g.shall[id]}
		for _, name := range g.members[id].Topics {
			t, ok := s.cluster.Topic(name)
			if !ok {
				continue
			}
			am.Topics = append(am.Topics, t.ID)
			if ps := existing(g.state.Initialized[t.ID].Partitions, t.Partitions); len(ps) > 0 {
				assignable[t.ID] = ps
			}
		}
		members = append(members, am)
	}
	target := assign.Simple(assignable, members)
	for _, id := range sortedKeys(target) {
		if n := len(EncodeTargetAssignment(target[id])) + len(id) + len(g.id); n > s.settings.MaxRecordBytes {
			return refuse(kerr.UnknownServerError, "Failed to compute a new target assignment for epoch %d: the assignment of member %s does not fit a record.", g.epoch, id)
		}
	}
	for _, id := range sortedKeys(target) {
		if old, ok := g.shall[id]; !ok || !old.Equal(target[id]) {
			s.putShare(ShareKey{keyShareTargetAssignment, g.id, id}, EncodeTargetAssignment(target[id]))
		}
	}
	s.putShare(ShareKey{Type: keyShareTargetMetadata, Group: g.id}, EncodeTargetMetadata(TargetMetadataValue{Epoch: g.epoch, Timestamp: s.now.UnixMilli()}))
	return nil
}

// existing leaves out partitions that a topic does not have.
func existing(ps []int32, count int32) []int32 {
	i, _ := slices.BinarySearch(ps, count)
	return ps[:i]
}

// reconcileShare gives a member what the target says, as far as it still subscribes to
// it. changed tells that subscriptions may have.
func (s *Shard) reconcileShare(g *shareGroup, m *shareMember, changed bool) {
	if !changed && m.current.Epoch == g.assignmentEpoch {
		return
	}
	next := m.current
	next.State = int8(memberStable)
	next.Assigned = assign.Partitions{}
	for _, name := range m.Topics {
		if t, ok := s.cluster.Topic(name); ok && len(g.shall[m.id][t.ID]) > 0 {
			next.Assigned[t.ID] = g.shall[m.id][t.ID]
		}
	}
	if next.Epoch != g.assignmentEpoch {
		next.Previous, next.Epoch = next.Epoch, g.assignmentEpoch
	}
	if b := EncodeShareCurrent(next); !bytes.Equal(b, EncodeShareCurrent(m.current)) {
		s.putShare(ShareKey{keyShareCurrentAssignment, g.id, m.id}, b)
	}
}

// leaveShare handles the heartbeat that says goodbye.
func (s *Shard) leaveShare(req *kmsg.ShareGroupHeartbeatRequest) (*kmsg.ShareGroupHeartbeatResponse, *refusal) {
	g, err := s.findShare(req.GroupID, false, "Group %s not found.")
	if err != nil {
		return nil, err
	}
	m := g.members[req.MemberID]
	if m == nil {
		return nil, unknownShareMember(g, req.MemberID)
	}
	s.removeShareMember(g, m)
	r := kmsg.NewPtrShareGroupHeartbeatResponse()
	r.MemberID, r.MemberEpoch = &req.MemberID, req.MemberEpoch
	return r, nil
}

// removeShareMember takes a member out of the group. The next heartbeat of another
// gives its partitions away.
func (s *Shard) removeShareMember(g *shareGroup, m *shareMember) {
	s.fx.Atomic = true
	s.putShare(ShareKey{keyShareCurrentAssignment, g.id, m.id}, nil)
	s.putShare(ShareKey{keyShareTargetAssignment, g.id, m.id}, nil)
	s.putShare(ShareKey{keyShareMember, g.id, m.id}, nil)
	s.putShareGroup(g, g.epoch+1, s.subscriptionHash(sortedKeys(g.countSubscriptions())))
	s.fx.Sends = append(s.fx.Sends, ShareMemberGone{g.id, m.id})
}
