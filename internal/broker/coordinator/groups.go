package coordinator

import "leat.dev/internal/coord/group"

// Groups is the group coordinator of one broker.
type Groups struct {
	o Options
}

// New returns a coordinator that leads nothing yet.
func New(o Options) *Groups { return &Groups{o: o} }

// Lead starts (or restarts, with a newer leader epoch) the shard of a partition.
// It returns at once; requests get COORDINATOR_LOAD_IN_PROGRESS until the log is
// replayed. Call it again when a partition comes back online.
func (g *Groups) Lead(partition, leaderEpoch int32, log PartitionLog) {}

// Resign ends the shard of a partition if its epoch is not newer. Waiting
// requests get NOT_COORDINATOR.
func (g *Groups) Resign(partition, leaderEpoch int32) {}

// TopicsDeleted drops the committed offsets of topics that are gone.
func (g *Groups) TopicsDeleted(topics []group.Topic) {}

// Reconfigure hands the current settings to all shards.
func (g *Groups) Reconfigure() {}

// Close ends all shards and returns when their goroutines are gone. Later
// requests get COORDINATOR_NOT_AVAILABLE.
func (g *Groups) Close() {}
