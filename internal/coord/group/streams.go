package group

import (
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"leat.dev/internal/coord"
	"leat.dev/internal/coord/group/assign"
)

// StreamsState is the state of a streams group. It follows from the epochs.
type StreamsState int8

// The states: nobody is in the group; topics are missing or do not fit; the target
// assignment is older than the group; members are on their way to the target; all
// have what they shall have.
const (
	StreamsEmpty StreamsState = iota
	StreamsNotReady
	StreamsAssigning
	StreamsReconciling
	StreamsStable
	streamsStates
)

func (st StreamsState) String() string {
	return [...]string{"Empty", "NotReady", "Assigning", "Reconciling", "Stable"}[st]
}

// streams is a streams group (KIP-1071): the members of an application of Kafka
// Streams say what their topology is, and the coordinator has its internal topics
// made and assigns its tasks. Epochs and reconciliation are those of a consumer
// group, with tasks in place of partitions.
//
// The upper fields are what the group's records say (see applyStreams). The lower
// ones are not stored: Kafka forgets them too when a coordinator loads, and when a
// group is made they begin with the heartbeat after.
type streams struct {
	id        string
	state     StreamsState
	epoch     int32
	hash      int64 // of the topics, when the epoch last grew
	validated int32 // epoch of the topology whose topics fit
	configs   []KeyValue
	topology  *topology

	target[assign.TaskSet]

	members map[string]*streamsMember
	// active says in which process a task is or has yet to end; others, how many
	// members of each process have or have yet to end it as a standby or a warm-up.
	active map[assign.TaskID]string
	others map[assign.TaskID]map[string]int

	configured *configuredTopology
	stale      bool         // topics changed since configured
	delay      *coord.Timer // before the first assignment
	// endpointEpoch grows with each change of where tasks of members with an
	// endpoint are.
	endpointEpoch int32
	shutdownBy    string // the member that asked all to shut down
}

// streamsMemberState says how a member gets to its target. The numbers are stored;
// they are not those of consumer groups.
type streamsMemberState int8

const (
	streamsMemberStable     streamsMemberState = 1
	streamsMemberUnrevoked  streamsMemberState = 2
	streamsMemberUnreleased streamsMemberState = 3
	streamsMemberUnknown    streamsMemberState = 127
)

// streamsMember is a member of a streams group: a stream thread.
type streamsMember struct {
	id string
	StreamsMemberValue
	current StreamsCurrentValue

	session   *coord.Timer
	rebalance *coord.Timer // while it has tasks to give up
}

func newStreamsMember(id string) *streamsMember {
	return &streamsMember{
		id:                 id,
		StreamsMemberValue: StreamsMemberValue{RebalanceTimeoutMillis: -1, TopologyEpoch: -1},
		current:            StreamsCurrentValue{State: int8(streamsMemberStable), Assigned: noTasks(), Revoking: noTasks()},
	}
}

func noTasks() HeldTasks {
	return HeldTasks{Active: map[string]map[int32]int32{}, Standby: assign.Tasks{}, Warmup: assign.Tasks{}}
}

func (m *streamsMember) state() streamsMemberState {
	switch st := streamsMemberState(m.current.State); st {
	case streamsMemberStable, streamsMemberUnrevoked, streamsMemberUnreleased:
		return st
	}
	return streamsMemberUnknown
}

func (m *streamsMember) reconciledTo(epoch int32) bool {
	return m.state() == streamsMemberStable && m.current.Epoch == epoch
}

// newStreamsGroup makes a group; both its epochs start at 1.
func newStreamsGroup(id string) *streams {
	return &streams{
		id: id, epoch: 1, stale: true,
		target:  newTarget[assign.TaskSet](),
		members: map[string]*streamsMember{},
		active:  map[assign.TaskID]string{},
		others:  map[assign.TaskID]map[string]int{},
	}
}

// addStreams puts a group into the shard.
func (s *Shard) addStreams(g *streams) {
	g.delay = coord.NewTimer(func() { s.onInitialDelay(g) })
	s.groups[g.id] = g
	s.counts.Streams[g.state]++
}

// streams returns a streams group, nil if the id is unknown or another kind's.
func (s *Shard) streams(id string) *streams {
	g, _ := s.groups[id].(*streams)
	return g
}

// settleStreams works the group's state out anew.
func (s *Shard) settleStreams(g *streams) {
	st := g.computeState()
	if s.groups[g.id] == g {
		s.counts.Streams[g.state]--
		s.counts.Streams[st]++
	}
	g.state = st
	if st == StreamsEmpty {
		g.shutdownBy = ""
	}
}

func (g *streams) computeState() StreamsState {
	switch {
	case len(g.members) == 0:
		return StreamsEmpty
	case g.topology == nil || g.topology.Epoch != g.validated:
		return StreamsNotReady
	case g.epoch > g.assignmentEpoch:
		return StreamsAssigning
	}
	for _, m := range g.members {
		if !m.reconciledTo(g.assignmentEpoch) {
			return StreamsReconciling
		}
	}
	return StreamsStable
}

func (g *streams) groupID() string          { return g.id }
func (g *streams) kind() Type               { return Streams }
func (g *streams) empty() bool              { return len(g.members) == 0 }
func (g *streams) stateName() string        { return g.state.String() }
func (g *streams) protocolTypeName() string { return "streams" }
func (g *streams) expires() bool            { return true }

func (g *streams) retentionBase(o *offset) (ms int64, ok bool) { return o.value.CommitTimestamp, true }

// subscribedTo: the offsets of a group without members may expire and be deleted.
func (g *streams) subscribedTo(topic string) bool {
	if len(g.members) == 0 || g.topology == nil {
		return false
	}
	_, ok := g.topology.bySource[topic]
	return ok
}

// topicsChanged makes the next heartbeat look at the topics.
func (g *streams) topicsChanged(topics []string) {
	if g.topology == nil {
		return
	}
	for _, t := range topics {
		if _, needed := slices.BinarySearch(g.topology.required, t); needed {
			g.stale = true
			return
		}
	}
}

// load starts the clocks of a group that was replayed.
func (g *streams) load(s *Shard) {
	for _, id := range sortedKeys(g.members) {
		m := g.members[id]
		s.startStreamsSession(g, m)
		if m.state() == streamsMemberUnrevoked {
			s.startRebalanceTimer(g, m)
		}
	}
	s.settleStreams(g)
}

// forget takes the group out of the shard together with its timers.
func (g *streams) forget(s *Shard) {
	s.timers.Cancel(g.delay)
	for _, m := range g.members {
		s.timers.Cancel(m.session)
		s.timers.Cancel(m.rebalance)
	}
	s.counts.Streams[g.state]--
	delete(s.groups, g.id)
}

// startStreamsSession gives a member a full session timeout.
func (s *Shard) startStreamsSession(g *streams, m *streamsMember) {
	if m.session == nil {
		m.session = coord.NewTimer(func() { s.fenceStreams(g, m) })
	}
	s.after(m.session, s.streamsConfig(g.id).SessionTimeout)
}

// startRebalanceTimer fences a member that does not give its tasks up in time.
func (s *Shard) startRebalanceTimer(g *streams, m *streamsMember) {
	epoch := m.current.Epoch
	s.timers.Cancel(m.rebalance)
	m.rebalance = coord.NewTimer(func() {
		if m.current.Epoch == epoch {
			s.fenceStreams(g, m)
		}
	})
	s.after(m.rebalance, time.Duration(m.RebalanceTimeoutMillis)*time.Millisecond)
}

// validateOffsetCommit: what depends on single partitions is checked by
// validateCommitOf.
func (g *streams) validateOffsetCommit(c committing) (*member, *kerr.Error) {
	if c.generation < 0 && len(g.members) == 0 {
		return nil, nil // an admin tool
	}
	if c.transactional && c.generation == -1 && c.memberID == "" && c.instanceID == nil {
		return nil, nil // old transactional commits carry no member
	}
	m := g.members[c.memberID]
	switch {
	case m == nil:
		return nil, kerr.UnknownMemberID
	case !c.transactional && c.version < 9:
		return nil, kerr.UnsupportedVersion
	case c.generation > m.current.Epoch:
		return nil, kerr.StaleMemberEpoch
	}
	return nil, nil
}

// validateCommitOf lets a member that has not heard of its new epoch commit for
// tasks it has had since before (KIP-1251).
func (g *streams) validateCommitOf(c committing, topic Topic, partition int32) *kerr.Error {
	m := g.members[c.memberID]
	if m == nil || c.generation < 0 && c.memberID == "" || c.generation == m.current.Epoch {
		return nil
	}
	if g.topology == nil {
		return kerr.StaleMemberEpoch
	}
	sub, ok := g.topology.bySource[topic.Name]
	if !ok {
		return kerr.StaleMemberEpoch
	}
	epoch, ok := m.current.Assigned.Active[sub][partition]
	if !ok {
		epoch, ok = m.current.Revoking.Active[sub][partition]
	}
	if !ok || c.generation < epoch {
		return kerr.StaleMemberEpoch
	}
	return nil
}

func (g *streams) validateOffsetDelete() *kerr.Error { return nil }

// validateOffsetFetch checks the member that a fetch names.
func (g *streams) validateOffsetFetch(memberID *string, epoch int32) *kerr.Error {
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
		return kerr.StaleMemberEpoch
	}
	return nil
}
