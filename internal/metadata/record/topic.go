package record

// Topic names a topic and its id; its partitions follow as Partition records.
type Topic struct {
	Name    string
	TopicID UUID
}

func (*Topic) Type() int16       { return 2 }
func (*Topic) Version() int16    { return 0 }
func (*Topic) maxVersion() int16 { return 0 }
func (r *Topic) fields(c *codec) {
	c.str(&r.Name)
	c.uuid(&r.TopicID)
	c.tags()
}

// RemoveTopic removes a topic, its partitions and its configs.
type RemoveTopic struct{ TopicID UUID }

func (*RemoveTopic) Type() int16       { return 9 }
func (*RemoveTopic) Version() int16    { return 0 }
func (*RemoveTopic) maxVersion() int16 { return 0 }
func (r *RemoveTopic) fields(c *codec) {
	c.uuid(&r.TopicID)
	c.tags()
}

// Partition is the whole state of one partition.
type Partition struct {
	PartitionID            int32
	TopicID                UUID
	Replicas               []int32
	ISR                    []int32
	RemovingReplicas       []int32
	AddingReplicas         []int32
	Leader                 int32
	LeaderRecoveryState    int8
	LeaderEpoch            int32
	PartitionEpoch         int32
	Directories            []UUID
	EligibleLeaderReplicas []int32 // nil: none kept
	LastKnownELR           []int32 // nil: none kept
}

func (*Partition) Type() int16       { return 3 }
func (*Partition) Version() int16    { return 2 }
func (*Partition) maxVersion() int16 { return 2 }
func (r *Partition) fields(c *codec) {
	c.i32(&r.PartitionID)
	c.uuid(&r.TopicID)
	c.i32s(&r.Replicas)
	c.i32s(&r.ISR)
	c.i32s(&r.RemovingReplicas)
	c.i32s(&r.AddingReplicas)
	c.i32(&r.Leader)
	c.i32(&r.LeaderEpoch)
	c.i32(&r.PartitionEpoch)
	if c.version >= 1 {
		c.uuids(&r.Directories)
	}
	if c.noTags(r.LeaderRecoveryState != 0 || c.version >= 2 && (r.EligibleLeaderReplicas != nil || r.LastKnownELR != nil)) {
		return
	}
	known := [3]tag{{0, r.LeaderRecoveryState != 0, func(c *codec) { c.i8(&r.LeaderRecoveryState) }}}
	n := 1
	if c.version >= 2 {
		known[1] = tag{1, r.EligibleLeaderReplicas != nil, func(c *codec) { c.nullI32s(&r.EligibleLeaderReplicas) }}
		known[2] = tag{2, r.LastKnownELR != nil, func(c *codec) { c.nullI32s(&r.LastKnownELR) }}
		n = 3
	}
	c.tags(known[:n]...)
}

// Values of PartitionChange that say that nothing changes.
const (
	LeaderUnchanged        int32 = -2
	RecoveryStateUnchanged int8  = -1
)

// PartitionChange changes parts of one partition; nil slices change nothing.
// Setting Leader raises the leader epoch, even to the same leader; every
// change raises the partition epoch.
type PartitionChange struct {
	PartitionID            int32
	TopicID                UUID
	ISR                    []int32
	Leader                 int32
	Replicas               []int32
	RemovingReplicas       []int32
	AddingReplicas         []int32
	LeaderRecoveryState    int8
	Directories            []UUID
	EligibleLeaderReplicas []int32
	LastKnownELR           []int32
}

// NewPartitionChange returns a change of the partition that changes nothing yet.
func NewPartitionChange(partition int32, topic UUID) *PartitionChange {
	return &PartitionChange{
		PartitionID: partition, TopicID: topic,
		Leader: LeaderUnchanged, LeaderRecoveryState: RecoveryStateUnchanged,
	}
}

func (*PartitionChange) Type() int16       { return 5 }
func (*PartitionChange) Version() int16    { return 2 }
func (*PartitionChange) maxVersion() int16 { return 2 }
func (r *PartitionChange) fields(c *codec) {
	c.i32(&r.PartitionID)
	c.uuid(&r.TopicID)
	known := [9]tag{
		{0, r.ISR != nil, func(c *codec) { c.nullI32s(&r.ISR) }},
		{1, r.Leader != LeaderUnchanged, func(c *codec) { c.i32(&r.Leader) }},
		{2, r.Replicas != nil, func(c *codec) { c.nullI32s(&r.Replicas) }},
		{3, r.RemovingReplicas != nil, func(c *codec) { c.nullI32s(&r.RemovingReplicas) }},
		{4, r.AddingReplicas != nil, func(c *codec) { c.nullI32s(&r.AddingReplicas) }},
		{5, r.LeaderRecoveryState != RecoveryStateUnchanged, func(c *codec) { c.i8(&r.LeaderRecoveryState) }},
	}
	n := 6
	if c.version >= 2 {
		known[n] = tag{6, r.EligibleLeaderReplicas != nil, func(c *codec) { c.nullI32s(&r.EligibleLeaderReplicas) }}
		known[n+1] = tag{7, r.LastKnownELR != nil, func(c *codec) { c.nullI32s(&r.LastKnownELR) }}
		n += 2
	}
	if c.version >= 1 {
		known[n] = tag{8, r.Directories != nil, func(c *codec) { c.nullUUIDs(&r.Directories) }}
		n++
	}
	c.tags(known[:n]...)
}

// ClearElr forgets the eligible leader replicas of a topic, or of all ("").
type ClearElr struct{ TopicName string }

func (*ClearElr) Type() int16       { return 28 }
func (*ClearElr) Version() int16    { return 0 }
func (*ClearElr) maxVersion() int16 { return 0 }
func (r *ClearElr) fields(c *codec) {
	c.str(&r.TopicName)
	c.tags()
}
