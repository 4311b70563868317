package group

import (
	"maps"
	"regexp"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/coord/group/assign"
)

// CheckConsumerGroupHeartbeat checks a heartbeat by itself, and returns the answer
// to one that is not acceptable, else nil.
func CheckConsumerGroupHeartbeat(req *kmsg.ConsumerGroupHeartbeatRequest, assignors []string) *kmsg.ConsumerGroupHeartbeatResponse {
	if err := checkBeat(req, assignors); err != nil {
		return refuseBeat(req, err)
	}
	return nil
}

// checkBeat does so in Kafka's order and words.
func checkBeat(req *kmsg.ConsumerGroupHeartbeatRequest, assignors []string) *refusal {
	invalid := func(message string) *refusal { return refuse(kerr.InvalidRequest, "%s", message) }
	blank := func(p *string) bool { return p != nil && isBlank(*p) }
	switch epoch := req.MemberEpoch; {
	case isBlank(req.MemberID) && (req.Version >= 1 || epoch > 0 || epoch == -1):
		return invalid("MemberId can't be empty.")
	case isBlank(req.Group):
		return invalid("GroupId can't be empty.")
	case blank(req.InstanceID):
		return invalid("InstanceId can't be empty.")
	case blank(req.RackID):
		return invalid("RackId can't be empty.")
	case epoch == 0 && req.RebalanceTimeoutMillis == -1:
		return invalid("RebalanceTimeoutMs must be provided in first request.")
	case epoch == 0 && (req.Topics == nil || len(req.Topics) > 0):
		return invalid("TopicPartitions must be empty when (re-)joining.")
	case epoch == 0 && req.SubscribedTopicNames == nil && req.SubscribedTopicRegex == nil:
		return invalid("Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining.")
	case epoch == leftStatic && req.InstanceID == nil:
		return invalid("InstanceId can't be null.")
	case epoch < leftStatic:
		return invalid("MemberEpoch is invalid.")
	}
	if a := req.ServerAssignor; a != nil && !slices.Contains(assignors, *a) {
		return refuse(kerr.UnsupportedAssignor, "ServerAssignor %s is not supported. Supported assignors: %s.", *a, joinNames(assignors))
	}
	return nil
}

// isBlank is Java's notion of an empty string that is trimmed.
func isBlank(s string) bool {
	for _, r := range s {
		if r > ' ' {
			return false
		}
	}
	return true
}

// admit checks a heartbeat against its group without changing anything.
func (s *Shard) admit(ev ConsumerGroupHeartbeat) (*admission, *refusal) {
	req := ev.Req
	a := &admission{owned: ownedPartitions(req.Topics), bySelf: ev.MayDescribe}
	if err := s.findConsumer(a, req.Group, req.MemberEpoch == 0); err != nil {
		return nil, err
	}
	if err := s.checkRoom(a.group, req.MemberID); err != nil {
		return nil, err
	}
	id := req.MemberID
	if id == "" {
		id = s.newUUID()
	}
	if err := s.findMember(a, id, req); err != nil {
		return nil, err
	}
	if a.member.state() == memberUnknown && (a.owned == nil || len(a.owned) > 0) {
		return nil, refuse(kerr.FencedMemberEpoch, "The consumer group member is in a unknown state. The member must abandon all its partitions and rejoin.")
	}
	a.updated = a.member.copy()
	v := &a.updated.ConsumerMemberValue
	v.ClientID, v.ClientHost, v.Classic = ev.Client.ID, ev.Client.Host, nil
	v.InstanceID = orKeep(req.InstanceID, v.InstanceID)
	v.RackID = orKeep(req.RackID, v.RackID)
	v.Assignor = orKeep(req.ServerAssignor, v.Assignor)
	if req.RebalanceTimeoutMillis != -1 {
		v.RebalanceTimeoutMillis = req.RebalanceTimeoutMillis
	}
	if req.SubscribedTopicNames != nil {
		v.Topics = sortedSet(req.SubscribedTopicNames)
	}
	if req.SubscribedTopicRegex != nil {
		v.Regex = *req.SubscribedTopicRegex
	}
	if err := s.checkRegex(a); err != nil {
		return nil, err
	}
	return a, s.checkMemberSize(a)
}

func orKeep(said, had *string) *string {
	if said == nil {
		return had
	}
	return said
}

func sortedSet(names []string) []string {
	set := slices.Clone(names)
	slices.Sort(set)
	return slices.Compact(set)
}

// ownedPartitions reads what a member says it owns; nil means it says nothing.
func ownedPartitions(topics []kmsg.ConsumerGroupHeartbeatRequestTopic) assign.Partitions {
	if topics == nil {
		return nil
	}
	owned := assign.Partitions{}
	for i := range topics {
		owned[topics[i].TopicID] = append(owned[topics[i].TopicID], topics[i].Partitions...)
	}
	return owned
}

// checkMemberSize refuses a subscription that the log would not take.
func (s *Shard) checkMemberSize(a *admission) *refusal {
	if n := len(EncodeConsumerMember(a.updated.ConsumerMemberValue)) + len(a.updated.id) + len(a.group.id); n > s.settings.MaxRecordBytes {
		return refuse(kerr.UnknownServerError, "The subscription of member %s does not fit a record.", a.updated.id)
	}
	return nil
}

// findConsumer finds the group, or prepares one if it may be created.
func (s *Shard) findConsumer(a *admission, id string, create bool) *refusal {
	switch g := s.groups[id].(type) {
	case nil:
		if !create {
			return refuse(kerr.GroupIDNotFound, "Consumer group %s not found.", id)
		}
		a.group = newConsumerGroup(id)
	case *consumer:
		a.group = g
	case *classic:
		switch {
		case !create:
			return refuse(kerr.GroupIDNotFound, "Group %s is not a consumer group.", id)
		case g.state == Empty:
			a.group = newConsumerGroup(id)
		default:
			up, err := s.upgrade(g)
			if err != nil {
				return err
			}
			a.group, a.upgrade = up, g
		}
	default:
		return refuse(kerr.GroupIDNotFound, "Group %s is not a consumer group.", id)
	}
	return nil
}

func (s *Shard) checkRoom(g *consumer, memberID string) *refusal {
	limit := s.settings.Consumer.MaxSize
	if len(g.members) >= limit && g.members[memberID] == nil {
		return refuse(kerr.GroupMaxSizeReached, "The consumer group has reached its maximum capacity of %d members.", limit)
	}
	return nil
}

// findMember finds who beats, or prepares a new member.
func (s *Shard) findMember(a *admission, id string, req *kmsg.ConsumerGroupHeartbeatRequest) *refusal {
	g, create := a.group, req.MemberEpoch == 0
	if req.InstanceID == nil {
		if a.member = g.members[id]; a.member != nil {
			return checkEpoch(a.member, req.MemberEpoch, a.owned)
		}
		if !create {
			return unknownMember(g, id)
		}
		a.member = newConsumerMember(id)
		return nil
	}
	holder := g.static(*req.InstanceID)
	switch {
	case create && holder == nil:
		if a.member = g.members[id]; a.member == nil {
			a.member = newConsumerMember(id)
		}
		return nil
	case create:
		if !holder.isClassic() && holder.current.Epoch != leftStatic {
			return refuse(kerr.UnreleasedInstanceID, "Static member %s with instance id %s cannot join the group because the instance id is owned by %s member.", id, *req.InstanceID, holder.id)
		}
		a.replace(holder, id)
		return nil
	case holder == nil:
		return refuse(kerr.UnknownMemberID, "Instance id %s is unknown.", *req.InstanceID)
	case holder.id != id:
		return fencedInstance(holder, id, *req.InstanceID)
	}
	a.member = holder
	return checkEpoch(holder, req.MemberEpoch, a.owned)
}

// replace lets a new incarnation of a static member inherit what its former self
// had.
func (a *admission) replace(holder *consumerMember, id string) {
	a.replaced = holder
	a.member = holder.copy()
	a.member.id = id
	a.member.current.Epoch, a.member.current.Previous = 0, 0
}

func (g *consumer) static(instance string) *consumerMember { return g.members[g.byStatic[instance]] }

func unknownMember(g *consumer, id string) *refusal {
	return refuse(kerr.UnknownMemberID, "Member %s is not a member of group %s.", id, g.id)
}

func fencedInstance(holder *consumerMember, id, instance string) *refusal {
	return refuse(kerr.FencedInstanceID, "Static member %s with instance id %s was fenced by member %s.", id, instance, holder.id)
}

// checkEpoch fences a member whose epoch is wrong. One that comes with the epoch
// before has not got the answer that told it the new one; it may go on if it owns
// no more than it still has.
func checkEpoch(m *consumerMember, received int32, owned assign.Partitions) *refusal {
	switch known := m.current.Epoch; {
	case received == 0:
		return nil
	case received > known:
		return refuse(kerr.FencedMemberEpoch, "The consumer group member has a greater member epoch (%d) than the one known by the group coordinator (%d). The member must abandon all its partitions and rejoin.", received, known)
	case received < known && (received != m.current.Previous || !ownsOnly(owned, m.current.Assigned)):
		return refuse(kerr.FencedMemberEpoch, "The consumer group member has a smaller member epoch (%d) than the one known by the group coordinator (%d). The member must abandon all its partitions and rejoin.", received, known)
	}
	return nil
}

// ownsOnly tells whether a member owns nothing but what it has; not saying is no.
func ownsOnly(owned assign.Partitions, has Held) bool {
	if owned == nil {
		return false
	}
	for id, ps := range owned {
		for _, p := range ps {
			if _, ok := has.epoch(id, p); !ok {
				return false
			}
		}
	}
	return true
}

func sameHeld(a, b Held) bool {
	return maps.EqualFunc(a, b, maps.Equal[map[int32]int32, map[int32]int32])
}

// compileRegex reads an expression that has to match whole topic names.
func compileRegex(expression string) (*regexp.Regexp, error) {
	if _, err := regexp.Compile(expression); err != nil {
		return nil, err
	}
	return regexp.Compile(`\A(?:` + expression + `)\z`)
}

// checkRegex checks an expression that nobody in the group has yet.
func (s *Shard) checkRegex(a *admission) *refusal {
	expression := a.updated.Regex
	if expression == "" || expression == a.member.Regex || a.group.expressions()[expression] > 0 {
		return nil
	}
	if _, err := compileRegex(expression); err != nil {
		return refuse(kerr.InvalidRegularExpression, "SubscribedTopicRegex `%s` is not a valid regular expression: %s.", expression, regexProblem(err))
	}
	return nil
}
