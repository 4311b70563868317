package group

import (
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"leat.dev/internal/coord/group/assign"
)

// MigrationPolicy says which groups with members may change their protocol
// (group.consumer.migration.policy). Groups without members always may.
type MigrationPolicy string

// The policies. MigrationDisabled also keeps members of the classic protocol out
// of consumer groups.
const (
	MigrationBidirectional MigrationPolicy = "bidirectional"
	MigrationUpgrade       MigrationPolicy = "upgrade"
	MigrationDowngrade     MigrationPolicy = "downgrade"
	MigrationDisabled      MigrationPolicy = "disabled"
)

func (p MigrationPolicy) upgrades() bool {
	return p == MigrationBidirectional || p == MigrationUpgrade
}

func (p MigrationPolicy) downgrades() bool {
	return p == MigrationBidirectional || p == MigrationDowngrade
}

// upgrade makes a consumer group of a classic one that has members: each keeps what
// its leader gave it, and the epochs begin with the generation. Nothing changes yet.
func (s *Shard) upgrade(old *classic) (*consumer, *refusal) {
	cannot := func(why string) (*consumer, *refusal) {
		return nil, refuse(kerr.GroupIDNotFound, "Cannot upgrade classic group %s to consumer group because %s", old.id, why)
	}
	switch {
	case !s.settings.Consumer.Migration.upgrades():
		return cannot("online upgrade is disabled.")
	case old.protocolType != consumerProtocol:
		return cannot("the group does not use the consumer embedded protocol.")
	case len(old.members) > s.settings.Consumer.MaxSize:
		return cannot("the group size exceeds the consumer group maximum size.")
	}
	g := newConsumerGroup(old.id)
	g.epoch, g.assignmentEpoch = old.generation, old.generation
	for _, m := range old.members {
		protocolName := m.protocols[0].name
		if old.protocol != nil {
			protocolName = *old.protocol
		}
		sub, ok := decodeSubscription(m.metadata(protocolName))
		assigned, custom, ok2 := decodeAssignment(m.assignment)
		if !ok || !ok2 {
			return cannot("the embedded consumer protocol is malformed.")
		}
		if custom {
			return cannot("an unsupported custom assignor is in use. Please refer to the documentation or switch to a default assignor before re-attempting the upgrade.")
		}
		g.addUpgraded(m, sub, s.byID(assigned))
	}
	g.hash = s.subscriptionHash(sortedKeys(g.countSubscriptions()))
	return g, nil
}

func (g *consumer) addUpgraded(old *member, sub embeddedSubscription, assigned assign.Partitions) {
	m := newConsumerMember(old.id)
	m.ConsumerMemberValue = ConsumerMemberValue{
		InstanceID:             old.instanceID,
		RackID:                 sub.rack,
		ClientID:               old.clientID,
		ClientHost:             old.clientHost,
		Topics:                 sortedSet(sub.topics),
		RebalanceTimeoutMillis: int32(old.rebalanceTimeout.Milliseconds()),
		Classic:                &ClassicMemberValue{SessionTimeoutMillis: int32(old.sessionTimeout.Milliseconds()), Protocols: classicProtocols(old.protocols)},
	}
	m.current.Epoch, m.current.Previous = g.epoch, g.epoch
	for id, ps := range assigned {
		for _, p := range ps {
			m.current.Assigned.add(id, p, g.epoch)
		}
	}
	g.members[m.id] = m
	g.setInstance(m, m.InstanceID)
	g.shall[m.id] = m.current.Assigned.partitions()
	g.own(m, m.current.Assigned)
}

func classicProtocols(all []protocol) []ClassicProtocol {
	out := make([]ClassicProtocol, len(all))
	for i, p := range all {
		out[i] = ClassicProtocol{Name: p.name, Metadata: p.metadata}
	}
	return out
}

// putUpgraded writes down what upgrade made.
func (s *Shard) putUpgraded(g *consumer) {
	ids := slices.Sorted(maps.Keys(g.members))
	for _, id := range ids {
		s.putMember(g, g.members[id].copy())
	}
	s.putGroup(g, g.epoch, g.hash)
	for _, id := range ids {
		s.putTarget(g, id, g.shall[id])
	}
	s.putTargetMetadata(g, TargetMetadataValue{Epoch: g.assignmentEpoch})
	for _, id := range ids {
		s.putCurrent(g, id, g.members[id].current)
		s.startConsumerSession(g, g.members[id])
	}
}

// mayDowngrade tells whether a group becomes classic when these members go: all
// that stay, and there are some, use the classic protocol.
func (s *Shard) mayDowngrade(g *consumer, leaving []*consumerMember) bool {
	staying := 0
	for _, m := range g.members {
		if slices.Contains(leaving, m) {
			continue
		}
		if !m.isClassic() {
			return false
		}
		staying++
	}
	return staying > 0 && s.settings.Consumer.Migration.downgrades() && staying <= s.settings.MaxSize
}

// downgrade makes a consumer group classic: what the target gives to each member
// is its assignment, and the generation is the group's epoch. joining takes the
// place of replaced, whose target it gets.
func (s *Shard) downgrade(g *consumer, leaving []*consumerMember, replaced, joining *consumerMember, rebalance bool) {
	kept := maps.Clone(g.members)
	target := maps.Clone(g.shall)
	epoch := g.epoch
	for _, m := range leaving {
		delete(kept, m.id)
	}
	if joining != nil {
		if replaced != nil && replaced.id != joining.id {
			delete(kept, replaced.id)
		}
		kept[joining.id] = joining
	}
	g.drop(s)
	c := s.newClassic(g.id)
	c.generation = epoch
	c.protocolType = consumerProtocol
	for _, id := range sortedKeys(kept) {
		c.add(classicFrom(kept[id]))
	}
	name := c.selectProtocol()
	c.protocol = &name
	for _, m := range c.members {
		m.assignment = s.encodeAssignment(target[m.id], m.metadata(name))
	}
	s.setState(c, Stable)
	c.computeSubscriptions()
	s.write(EncodeGroup(c.id, c.value()))
	for _, m := range c.members {
		s.renewSession(c, m)
	}
	if rebalance {
		s.prepareRebalance(c)
	}
}

func classicFrom(m *consumerMember) *member {
	protocols := make([]protocol, len(m.Classic.Protocols))
	for i, p := range m.Classic.Protocols {
		protocols[i] = protocol{name: p.Name, metadata: p.Metadata}
	}
	return &member{
		id:               m.id,
		instanceID:       m.InstanceID,
		clientID:         m.ClientID,
		clientHost:       m.ClientHost,
		rebalanceTimeout: time.Duration(m.RebalanceTimeoutMillis) * time.Millisecond,
		sessionTimeout:   time.Duration(m.Classic.SessionTimeoutMillis) * time.Millisecond,
		protocols:        protocols,
	}
}
