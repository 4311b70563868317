package group

import (
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"leat.dev/internal/coord"
)

// Shard is the state machine of one partition of __consumer_offsets. It is not
// safe for concurrent use.
type Shard struct {
	settings Settings
	newUUID  func() string

	groups  map[string]group
	offsets offsetStore
	timers  coord.Timers
	cleanup *coord.Timer
	cluster Cluster
	hashes  topicHashes
	// newTopicsAt is the version of the metadata that last brought a topic.
	newTopicsAt int64
	counts      Counts

	// nextOrder numbers records in log order. While replaying it follows log
	// offsets; steps then count on. Only the order matters: a transaction's
	// offset must not overwrite one that was committed after it.
	nextOrder int64

	now time.Time
	fx  Effects
}

// group is what all kinds of group have in common, as offsets and administration
// see it.
type group interface {
	groupID() string
	kind() Type
	empty() bool
	stateName() string
	protocolTypeName() string
	// validateOffsetCommit checks who commits and returns the member, nil if the
	// commit comes from outside the group.
	validateOffsetCommit(c committing) (*member, *kerr.Error)
	// validateCommitOf checks the commit of one partition, whose topic id is known if it exists.
	validateCommitOf(c committing, topic Topic, partition int32) *kerr.Error
	validateOffsetDelete() *kerr.Error
	// validateOffsetFetch checks the member that a fetch names, if it names one.
	validateOffsetFetch(memberID *string, epoch int32) *kerr.Error
	subscribedTo(topic string) bool
	// retentionBase returns when the retention of an offset starts, in
	// milliseconds; ok is false while the group's offsets do not expire.
	retentionBase(o *offset) (ms int64, ok bool)
	// expires tells whether a group that is empty and has no offsets goes by itself.
	expires() bool

	// load starts the clocks of a group that was replayed.
	load(s *Shard)
	// topicsChanged tells the group of topics that came, went or grew.
	topicsChanged(topics []string)
	// forget takes the group out of the shard together with its timers; drop deletes
	// it from the log as well.
	forget(s *Shard)
	drop(s *Shard)
}

// committing is what an offset commit says of its sender.
type committing struct {
	memberID      string
	instanceID    *string
	generation    int32
	transactional bool
	version       int16 // of an OffsetCommit
}

// Type is a kind of group.
type Type int8

// The kinds of group, as ListGroups filters and names them.
const (
	Classic Type = iota
	Consumer
	Share
	Streams
)

func (t Type) String() string {
	return [...]string{"classic", "consumer", "share", "streams"}[t]
}

// Counts are the sizes that metrics show.
type Counts struct {
	Groups   [Dead]int           // classic groups by State
	Consumer [consumerStates]int // consumer groups by ConsumerState
	Share    [shareStates]int    // share groups by ShareState
	Streams  [streamsStates]int  // streams groups by StreamsState
	Offsets  int
}

// New returns an empty shard. newUUID makes the random part of member ids.
func New(settings Settings, newUUID func() string) *Shard {
	s := &Shard{
		settings: settings,
		newUUID:  newUUID,
		groups:   map[string]group{},
		offsets:  newOffsetStore(),
		cluster:  noCluster{},
		hashes:   topicHashes{},
	}
	s.cleanup = coord.NewTimer(s.onCleanup)
	return s
}

// Counts returns how much the shard holds.
func (s *Shard) Counts() Counts {
	c := s.counts
	c.Offsets = s.offsets.count
	return c
}

// Step handles one event at a time that never goes back.
func (s *Shard) Step(now time.Time, ev Event) Effects {
	s.now, s.fx = now, Effects{}
	switch ev := ev.(type) {
	case JoinGroup:
		s.join(ev)
	case SyncGroup:
		s.sync(ev)
	case Heartbeat:
		s.heartbeat(ev)
	case LeaveGroup:
		s.leave(ev)
	case DescribeGroups:
		s.describe(ev)
	case ListGroups:
		s.list(ev)
	case DeleteGroups:
		s.delete(ev)
	case OffsetCommit:
		s.commitOffsets(ev)
	case OffsetFetch:
		s.fetchOffsets(ev)
	case OffsetDelete:
		s.deleteOffsets(ev)
	case TxnOffsetCommit:
		s.commitTxnOffsets(ev)
	case EndTxn:
		s.endTxn(ev)
	case ConsumerGroupHeartbeat:
		s.consumerHeartbeat(ev)
	case ConsumerGroupDescribe:
		s.describeConsumers(ev)
	case ShareGroupHeartbeat:
		s.shareHeartbeat(ev)
	case ShareGroupDescribe:
		s.describeShares(ev)
	case ShareOffsets:
		s.shareOffsets(ev)
	case AlterShareOffsets:
		s.alterShareOffsets(ev)
	case DeleteShareOffsets:
		s.deleteShareOffsets(ev)
	case ShareOffsetsDeleted:
		s.shareOffsetsDeleted(ev)
	case DeleteShareStates:
		s.deleteShareStates(ev)
	case ShareInitialized:
		s.shareInitialized(ev)
	case StreamsGroupHeartbeat:
		s.streamsHeartbeat(ev)
	case StreamsGroupDescribe:
		s.describeStreams(ev)
	case ClusterChanged:
		s.clusterChanged(ev)
	case TopicsDeleted:
		s.topicsDeleted(ev.Topics)
		s.shareTopicsDeleted(ev.Topics)
	case Loaded:
		s.loaded()
	case Tick:
		s.timers.FireDue(now)
	case Configure:
		s.settings = ev.Settings
	default:
		panic(fmt.Sprintf("group: unknown event %T", ev))
	}
	if s.fx.Atomic && s.tooMuch() {
		// More than a batch holds. Only consumer groups come to that, and the start of
		// what they write is a state they can go on from.
		s.fx.Atomic = false
	}
	s.fx.Wakeup = s.timers.Next()
	fx := s.fx
	s.fx = Effects{}
	return fx
}

// tooMuch tells whether the step's records exceed what may be written atomically.
func (s *Shard) tooMuch() bool {
	size := 0
	for _, r := range s.fx.Records {
		size += r.Size() + recordFraming
	}
	return size > s.settings.MaxRecordBytes
}

func (s *Shard) reply(id RequestID, response any) {
	s.fx.Replies = append(s.fx.Replies, Reply{ID: id, Response: response})
}

// write adds a record to the step's effects and returns its place in log order.
func (s *Shard) write(r Record) int64 {
	s.fx.Records = append(s.fx.Records, r)
	s.nextOrder++
	return s.nextOrder - 1
}

func (s *Shard) after(t *coord.Timer, d time.Duration) { s.timers.Set(t, s.now.Add(d)) }

// classic returns a classic group, nil if the id is unknown or another kind's.
func (s *Shard) classic(id string) *classic {
	g, _ := s.groups[id].(*classic)
	return g
}

// loaded starts the clocks of what was replayed: each member gets a full session
// timeout, since nothing says when it was last heard of.
func (s *Shard) loaded() {
	for _, id := range sortedKeys(s.groups) {
		s.groups[id].load(s)
	}
	s.after(s.cleanup, s.settings.RetentionCheckInterval)
}
