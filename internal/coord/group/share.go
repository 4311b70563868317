package group

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"

	"leat.dev/internal/coord"
	"leat.dev/internal/coord/group/assign"
)

// ShareState is the state of a share group: whether it has members.
type ShareState int8

// The states.
const (
	ShareEmpty ShareState = iota
	ShareStable
	shareStates
)

func (st ShareState) String() string { return [...]string{"Empty", "Stable"}[st] }

// shareProtocol is the protocol type of share groups.
const shareProtocol = "share"

// shareGroup is a share group (KIP-932): its members are given partitions, as in a
// consumer group, but a partition may have several of them and nobody has to give one
// up before another gets it. So a member comes to its part of the target in one step.
//
// How far a share group has consumed a partition is the share coordinator's to know.
// The group sees to it that this state exists before a partition is assigned, and that
// it goes with the group: initializing partitions have been asked for, initialized ones
// may be assigned, topics in deleting have been asked to be forgotten.
//
// All fields are what the group's records say (see applyShare), except for stale,
// settled, asked and the members' timers.
type shareGroup struct {
	id    string
	epoch int32
	hash  int64 // of the subscribed topics, when the epoch last grew

	target[assign.Partitions]
	members map[string]*shareMember

	state ShareStateValue
	// asked is when the share coordinator was asked for a topic's partitions, in ms
	// since 1970. An answer that does not come is not waited for ever.
	asked map[assign.TopicID]int64

	// subscribed counts who wants each topic; nil when it has to be counted again.
	subscribed map[string]int
	// stale makes the next heartbeat compare the topics' hash.
	stale bool
	// settled says that every partition that can be assigned is: set by a heartbeat
	// that found nothing to do, so that the next need not look, until the next record.
	settled bool
}

// shareMember is a member of a share group.
type shareMember struct {
	id string
	ShareMemberValue
	current ShareCurrentValue
	session *coord.Timer
}

// newShareGroup makes a group; both its epochs start at 1.
func newShareGroup(id string) *shareGroup {
	return &shareGroup{
		id: id, epoch: 1, stale: true,
		target:  newTarget[assign.Partitions](),
		members: map[string]*shareMember{},
		state:   noShareState(),
		asked:   map[assign.TopicID]int64{},
	}
}

func noShareState() ShareStateValue {
	return ShareStateValue{
		Initializing: map[assign.TopicID]ShareTopic{},
		Initialized:  map[assign.TopicID]ShareTopic{},
		Deleting:     map[assign.TopicID]string{},
	}
}

// newShareMember is a member that has just come: at epoch 0.
func newShareMember(id string) *shareMember {
	return &shareMember{id: id, current: ShareCurrentValue{Previous: -1, Assigned: assign.Partitions{}}}
}

func (s *Shard) addShare(g *shareGroup) {
	s.groups[g.id] = g
	s.counts.Share[g.stateNow()]++
}

// share returns a share group, nil if the id is unknown or another kind's.
func (s *Shard) share(id string) *shareGroup {
	g, _ := s.groups[id].(*shareGroup)
	return g
}

func (g *shareGroup) stateNow() ShareState {
	if len(g.members) == 0 {
		return ShareEmpty
	}
	return ShareStable
}

func (g *shareGroup) groupID() string          { return g.id }
func (g *shareGroup) kind() Type               { return Share }
func (g *shareGroup) empty() bool              { return len(g.members) == 0 }
func (g *shareGroup) stateName() string        { return g.stateNow().String() }
func (g *shareGroup) protocolTypeName() string { return shareProtocol }

// Share groups have no committed offsets.

func (g *shareGroup) validateOffsetCommit(committing) (*member, *kerr.Error) {
	return nil, kerr.GroupIDNotFound
}

func (g *shareGroup) validateCommitOf(committing, Topic, int32) *kerr.Error {
	return kerr.GroupIDNotFound
}

func (g *shareGroup) validateOffsetDelete() *kerr.Error { return kerr.GroupIDNotFound }

// validateOffsetFetch: as with a group that does not exist, there is nothing to fetch.
func (g *shareGroup) validateOffsetFetch(*string, int32) *kerr.Error { return nil }

func (g *shareGroup) retentionBase(*offset) (ms int64, ok bool) { return 0, false }

// expires: a share group stays until it is deleted, since its state elsewhere would be
// left behind.
func (g *shareGroup) expires() bool { return false }

// load starts the clocks. Whoever was asked for partitions before has answered a
// coordinator that is gone: it is asked again.
func (g *shareGroup) load(s *Shard) {
	clear(g.asked)
	for _, id := range sortedKeys(g.members) {
		s.startShareSession(g, g.members[id])
	}
}

func (g *shareGroup) forget(s *Shard) {
	for _, m := range g.members {
		s.timers.Cancel(m.session)
	}
	s.counts.Share[g.stateNow()]--
	delete(s.groups, g.id)
}

// topicsChanged: a group that subscribes to one of them looks at them with its next
// heartbeat.
func (g *shareGroup) topicsChanged(topics []string) {
	if slices.ContainsFunc(topics, g.subscribedTo) {
		g.stale, g.settled = true, false
	}
}

// countSubscriptions counts the members that want each topic.
func (g *shareGroup) countSubscriptions() map[string]int {
	if g.subscribed == nil {
		g.subscribed = map[string]int{}
		for _, m := range g.members {
			for _, t := range m.Topics {
				g.subscribed[t]++
			}
		}
	}
	return g.subscribed
}

func (g *shareGroup) subscribedTo(topic string) bool { return g.countSubscriptions()[topic] > 0 }

// startShareSession gives a member a full session timeout.
func (s *Shard) startShareSession(g *shareGroup, m *shareMember) {
	if m.session == nil {
		m.session = coord.NewTimer(func() {
			if s.share(g.id) == g && g.members[m.id] == m {
				s.removeShareMember(g, m)
			}
		})
	}
	s.after(m.session, s.shareConfig(g.id).SessionTimeout)
}
