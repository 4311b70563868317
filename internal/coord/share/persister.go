package share

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
)

// TopicPartition is a partition of a topic, by the topic's id: a topic made anew
// under an old name has none of its state.
type TopicPartition struct {
	TopicID   [16]byte
	Partition int32
}

// At returns the partition itself: what requests that embed one are about.
func (tp TopicPartition) At() TopicPartition { return tp }

// Key names a share-partition: what a share group has consumed of a partition.
type Key struct {
	Group string
	TopicPartition
}

// StateBatch says of the offsets First to Last, both included, how far their
// delivery is.
type StateBatch struct {
	First, Last   int64
	State         DeliveryState
	DeliveryCount int16
}

// DeliveryState is how far the delivery of a record is. The numbers are those of the
// protocol; a record that is acquired by a consumer is AVAILABLE as far as storage is
// concerned.
type DeliveryState int8

const (
	Available    DeliveryState = 0
	Acknowledged DeliveryState = 2
	Archived     DeliveryState = 4
)

// NoOffset stands for a start offset that is not known yet: the share-partition begins
// where the group's share.auto.offset.reset says. In a write it means "as it was".
const NoOffset int64 = -1

// Persister keeps the state of share-partitions. It is the share coordinator, in this
// process or elsewhere.
//
// Each call is about partitions of one group, answers all of them in the order given and
// blocks until the answers are durable or ctx ends. Errors are per partition; those to
// try again are COORDINATOR_NOT_AVAILABLE, COORDINATOR_LOAD_IN_PROGRESS and
// NOT_COORDINATOR. All methods may be called concurrently.
type Persister interface {
	// Initialize makes the state of share-partitions that have none, or replaces it
	// if the state epoch is above the one stored (FENCED_STATE_EPOCH if below).
	Initialize(ctx context.Context, group string, partitions []InitializePartition) []Result
	// Delete forgets share-partitions; one that has no state is no error.
	Delete(ctx context.Context, group string, partitions []TopicPartition) []Result
	// ReadSummary tells where share-partitions stand. One without state answers
	// with StartOffset NoOffset and no error.
	ReadSummary(ctx context.Context, group string, partitions []ReadPartition) []SummaryResult
	// Read returns the state with its batches and raises the stored leader epoch.
	Read(ctx context.Context, group string, partitions []ReadPartition) []ReadResult
	// Write changes the state.
	Write(ctx context.Context, group string, partitions []WritePartition) []Result
}

// InitializePartition is one partition of Initialize. StateEpoch is what the group
// coordinator counts: the group epoch. StartOffset may be NoOffset.
type InitializePartition struct {
	TopicPartition
	StateEpoch  int32
	StartOffset int64
}

// ReadPartition is one partition of Read or ReadSummary. LeaderEpoch is that of the
// partition's leader, -1 where the caller does not know it.
type ReadPartition struct {
	TopicPartition
	LeaderEpoch int32
}

// WritePartition is one partition of Write. StartOffset may be NoOffset, and
// DeliveryCompleteCount -1: as it was, not known.
type WritePartition struct {
	TopicPartition
	StateEpoch            int32
	LeaderEpoch           int32
	StartOffset           int64
	DeliveryCompleteCount int32
	Batches               []StateBatch
}

// Result answers for one partition; a nil Err is success.
type Result struct {
	TopicPartition
	Err     *kerr.Error
	Message string // with Err: what was wrong
}

// SummaryResult is Result with what ReadSummary found. DeliveryCompleteCount is the
// number of offsets from StartOffset on that are acknowledged or archived, -1 if
// nobody said.
type SummaryResult struct {
	Result
	StateEpoch            int32
	LeaderEpoch           int32
	StartOffset           int64
	DeliveryCompleteCount int32
}

// ReadResult is Result with what Read found: batches in order of offset that do not
// overlap.
type ReadResult struct {
	Result
	StateEpoch  int32
	StartOffset int64
	Batches     []StateBatch
}
