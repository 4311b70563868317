package group

import (
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"

	"leat.dev/internal/coord"
	"leat.dev/internal/coord/group/assign"
)

// ConsumerState is the state of a consumer group. It follows from the epochs.
type ConsumerState int8

// The states: nobody is in the group; the target assignment is older than the
// group; members are on their way to the target; all have what they shall have.
const (
	ConsumerEmpty ConsumerState = iota
	ConsumerAssigning
	ConsumerReconciling
	ConsumerStable
	consumerStates
)

func (st ConsumerState) String() string {
	return [...]string{"Empty", "Assigning", "Reconciling", "Stable"}[st]
}

// consumer is a consumer group (KIP-848): the coordinator assigns its partitions,
// and members come to their part of the target one heartbeat at a time.
//
// Three epochs follow each other. The group epoch grows with whatever may change
// who shall have what; the assignment epoch is the group epoch that the target was
// computed for; a member's epoch is the assignment epoch it has arrived at. A
// member that has to give partitions up stays at its epoch until it says it has.
// Others wait for them meanwhile, so that no partition has two owners.
//
// All fields are what the group's records say (see applyConsumer), except for
// stale, refresh and the members' timers.
type consumer struct {
	id    string
	state ConsumerState
	epoch int32
	hash  int64 // of the subscribed topics, when the epoch last grew

	target[assign.Partitions]

	members  map[string]*consumerMember
	byStatic map[string]string                    // group.instance.id -> member id
	owners   map[assign.TopicID]map[int32]*string // who holds a partition or has yet to give it up
	resolved map[string]RegexValue                // by expression

	// subscribed counts who wants each topic; nil when it has to be counted again.
	subscribed map[string]int
	// stale makes the next heartbeat compare the topics' hash.
	stale   bool
	refresh *coord.Timer // resolves the expressions
	// mayDescribe filters what expressions match: the rights of the member that
	// caused the resolution.
	mayDescribe func(topic string) bool
}

// memberState says how a member gets to its target. The numbers are stored.
type memberState int8

const (
	memberStable memberState = 0
	// memberUnrevoked has partitions to give up and has not yet said that it did.
	memberUnrevoked memberState = 1
	// memberUnreleased waits for partitions that others have yet to give up.
	memberUnreleased memberState = 2
	memberUnknown    memberState = 127
)

// leftStatic is the epoch of a static member that left and may come back.
const leftStatic int32 = -2

// consumerMember is a member of a consumer group.
type consumerMember struct {
	id string
	ConsumerMemberValue
	current CurrentAssignmentValue

	session   *coord.Timer
	rebalance *coord.Timer // while it has partitions to give up
	join      *coord.Timer // of a classic member that was told to rejoin
	sync      *coord.Timer // of a classic member that has yet to fetch its assignment
}

// newConsumerGroup makes a group; both its epochs start at 1.
func newConsumerGroup(id string) *consumer {
	return &consumer{
		id: id, epoch: 1, stale: true,
		target:   newTarget[assign.Partitions](),
		members:  map[string]*consumerMember{},
		byStatic: map[string]string{},
		owners:   map[assign.TopicID]map[int32]*string{},
		resolved: map[string]RegexValue{},
	}
}

// addConsumer puts a group into the shard.
func (s *Shard) addConsumer(g *consumer) {
	g.refresh = coord.NewTimer(func() { s.onRegexRefresh(g) })
	s.groups[g.id] = g
	s.counts.Consumer[g.state]++
}

func (g *consumer) forget(s *Shard) {
	s.timers.Cancel(g.refresh)
	for _, m := range g.members {
		s.cancelTimers(m)
	}
	s.counts.Consumer[g.state]--
	delete(s.groups, g.id)
}

// consumer returns a consumer group, nil if the id is unknown or another kind's.
func (s *Shard) consumer(id string) *consumer {
	g, _ := s.groups[id].(*consumer)
	return g
}

// settle works the group's state out anew.
func (s *Shard) settle(g *consumer) {
	st := g.computeState()
	if s.groups[g.id] == g {
		s.counts.Consumer[g.state]--
		s.counts.Consumer[st]++
	}
	g.state = st
}

func (g *consumer) computeState() ConsumerState {
	switch {
	case len(g.members) == 0:
		return ConsumerEmpty
	case g.epoch > g.assignmentEpoch:
		return ConsumerAssigning
	}
	for _, m := range g.members {
		if !m.reconciledTo(g.assignmentEpoch) {
			return ConsumerReconciling
		}
	}
	return ConsumerStable
}

func (m *consumerMember) state() memberState { return memberState(m.current.State) }

func (m *consumerMember) reconciledTo(epoch int32) bool {
	return m.state() == memberStable && m.current.Epoch == epoch
}

func (m *consumerMember) isClassic() bool { return m.Classic != nil }

// copy returns a member that can be changed apart; its timers stay with m.
func (m *consumerMember) copy() *consumerMember {
	return &consumerMember{id: m.id, ConsumerMemberValue: m.ConsumerMemberValue, current: m.current}
}

func (g *consumer) groupID() string          { return g.id }
func (g *consumer) kind() Type               { return Consumer }
func (g *consumer) empty() bool              { return len(g.members) == 0 }
func (g *consumer) stateName() string        { return g.state.String() }
func (g *consumer) protocolTypeName() string { return consumerProtocol }

// countSubscriptions counts the members that want each topic, by name or by a
// resolved expression.
func (g *consumer) countSubscriptions() map[string]int {
	if g.subscribed != nil {
		return g.subscribed
	}
	g.subscribed = map[string]int{}
	for _, m := range g.members {
		for _, t := range g.topicsOf(m) {
			g.subscribed[t]++
		}
	}
	return g.subscribed
}

// topicsOf lists the topics that a member wants, each once.
func (g *consumer) topicsOf(m *consumerMember) []string {
	if m.Regex == "" {
		return m.Topics
	}
	all := append(slices.Clone(m.Topics), g.resolved[m.Regex].Topics...)
	slices.Sort(all)
	return slices.Compact(all)
}

func (g *consumer) subscribedTo(topic string) bool { return g.countSubscriptions()[topic] > 0 }

// expressions counts the members that subscribe by each regular expression.
func (g *consumer) expressions() map[string]int {
	all := map[string]int{}
	for _, m := range g.members {
		if m.Regex != "" {
			all[m.Regex]++
		}
	}
	return all
}

// owner returns who holds a partition or has yet to give it up, "" if nobody.
func (g *consumer) owner(id assign.TopicID, partition int32) string {
	if o := g.owners[id][partition]; o != nil {
		return *o
	}
	return ""
}

func (g *consumer) own(m *consumerMember, h Held) {
	for id, ps := range h {
		for p := range ps {
			if g.owners[id] == nil {
				g.owners[id] = map[int32]*string{}
			}
			g.owners[id][p] = &m.id
		}
	}
}

func (g *consumer) disown(m *consumerMember, h Held) {
	for id, ps := range h {
		for p := range ps {
			if g.owner(id, p) == m.id {
				delete(g.owners[id], p)
			}
		}
		if len(g.owners[id]) == 0 {
			delete(g.owners, id)
		}
	}
}

// targetOf is what a member shall have. A static member that comes back under a
// new id shall have what its former self had.
func (g *consumer) targetOf(m *consumerMember) assign.Partitions {
	if m.InstanceID != nil {
		return g.shall[g.byStatic[*m.InstanceID]]
	}
	return g.shall[m.id]
}

// validateOffsetCommit: what depends on single partitions is checked by
// validateCommitOf.
func (g *consumer) validateOffsetCommit(c committing) (*member, *kerr.Error) {
	if c.generation < 0 && len(g.members) == 0 {
		return nil, nil // an admin tool, or a consumer that assigns itself
	}
	if c.transactional && c.generation == -1 && c.memberID == "" && c.instanceID == nil {
		return nil, nil // old transactional commits carry no member
	}
	m := g.members[c.memberID]
	switch {
	case m == nil:
		return nil, kerr.UnknownMemberID
	case !c.transactional && !m.isClassic() && c.version < 9:
		return nil, kerr.UnsupportedVersion
	case c.generation > m.current.Epoch:
		return nil, m.staleCommit()
	}
	return nil, nil
}

// staleCommit is the error for a wrong epoch, in the words of the member's
// protocol.
func (m *consumerMember) staleCommit() *kerr.Error {
	if m.isClassic() {
		return kerr.IllegalGeneration
	}
	return kerr.StaleMemberEpoch
}

// validateCommitOf lets a member that has not heard of its new epoch commit
// partitions it has had since before (KIP-1251).
func (g *consumer) validateCommitOf(c committing, topic Topic, partition int32) *kerr.Error {
	m := g.members[c.memberID]
	if m == nil || c.generation < 0 && c.memberID == "" || c.generation == m.current.Epoch {
		return nil
	}
	epoch, ok := m.current.Assigned.epoch(topic.ID, partition)
	if !ok {
		epoch, ok = m.current.Revoking.epoch(topic.ID, partition)
	}
	if !ok || c.generation < epoch {
		return m.staleCommit()
	}
	return nil
}

func (g *consumer) validateOffsetDelete() *kerr.Error { return nil }

func (g *consumer) expires() bool { return true }

// topicsChanged: a group that subscribes to one of them looks at them with its next
// heartbeat.
func (g *consumer) topicsChanged(topics []string) {
	if slices.ContainsFunc(topics, g.subscribedTo) {
		g.stale = true
	}
}

func (g *consumer) retentionBase(o *offset) (ms int64, ok bool) { return o.value.CommitTimestamp, true }

// assignorOf is the assignor in force: the one that most members ask for, on a tie
// the first of them as they are set; if nobody asks, the first that is set. What
// has been taken out of the settings since has no votes.
func (s *Shard) assignorOf(g *consumer) string {
	votes := map[string]int{}
	for _, m := range g.members {
		if m.Assignor != nil {
			votes[*m.Assignor]++
		}
	}
	best := s.settings.Consumer.Assignors[0]
	for _, name := range s.settings.Consumer.Assignors {
		if votes[name] > votes[best] {
			best = name
		}
	}
	return best
}

// joinNames is for messages.
func joinNames(all []string) string { return strings.Join(all, ", ") }

// validateOffsetFetch checks the member that a fetch names.
func (g *consumer) validateOffsetFetch(memberID *string, epoch int32) *kerr.Error {
	if memberID == nil && epoch < 0 {
		return nil
	}
	if memberID == nil {
		return kerr.UnknownServerError // as Kafka answers it
	}
	m := g.members[*memberID]
	switch {
	case m == nil:
		return kerr.UnknownMemberID
	case m.current.Epoch != epoch:
		return m.staleCommit()
	}
	return nil
}
