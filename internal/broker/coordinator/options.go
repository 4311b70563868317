package coordinator

import (
	"context"
	"io"
	"log/slog"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"leat.dev/internal/base/clock"
	"leat.dev/internal/coord/group"
	"leat.dev/internal/coord/share"
)

// TxnAppend goes with a batch of a transactional producer, or its marker.
type TxnAppend struct {
	Verify  bool   // data: the log is to look at the guard
	Guard   uint64 // proves that the producer's transaction includes the partition
	Version int16  // the transaction protocol version that a marker was sent under
}

// PartitionLog is one led partition of a coordinator's topic.
type PartitionLog interface {
	// Append writes one record batch, whose offsets count from 0, and returns the
	// offset of its last record. The batch may be changed in place and must not be
	// kept. Errors that are, or wrap, a *kerr.Error are answered by Kafka's rules; a
	// *commitlog.AppendError for a transactional batch concerns only that.
	Append(batch []byte, txn TxnAppend) (lastOffset int64, err error)
	// OnCommitted calls fn once, from any goroutine: with nil when the high
	// watermark is above offset, or with an error when that will not happen here
	// (leadership lost, partition offline). fn does not block.
	OnCommitted(offset int64, fn func(error))
	// ReadBytes returns whole batches from the one holding offset up to the log
	// end: at least one, at most about maxBytes. Empty at the log end.
	ReadBytes(offset int64, maxBytes int) ([]byte, error)
	StartOffset() int64
	EndOffset() int64
}

// Topic is what the coordinator needs to know of a topic.
type Topic struct {
	Name       string
	ID         [16]byte
	Partitions int32
}

// Topics looks topics up in the broker's current metadata.
type Topics interface {
	TopicByName(name string) (Topic, bool)
	TopicByID(id [16]byte) (Topic, bool)
}

// Surroundings are what a coordinator of any kind stands on. All fields are required
// unless said otherwise.
type Surroundings struct {
	Clock  clock.Clock
	Logger *slog.Logger

	// CommitTimeout bounds how long an answer waits for its records to commit. Zero
	// means 5 s.
	CommitTimeout time.Duration
	// BatchBytes bounds an appended batch (max.message.bytes of the topic). Nil
	// means 1 MiB.
	BatchBytes func() int

	// Partitions is the number of partitions of the coordinator's topic, 0 while the
	// topic does not exist.
	Partitions func() int32
	// CreateTopic creates the coordinator's topic and returns when this broker has
	// applied it; creating an existing topic is no error.
	CreateTopic func(context.Context) error
}

// Options are the surroundings of Groups, whose topic is __consumer_offsets. All fields
// are required unless said otherwise.
type Options struct {
	Surroundings
	Topics Topics

	// Cluster returns the topics of the moment for consumer groups; nil means there
	// are none.
	Cluster func() group.Cluster
	// Settings returns the group settings in force; they are read when a
	// partition is loaded and by Reconfigure.
	Settings func() group.Settings
	// SharePersister returns the share coordinator. Nil, or a result of nil, means
	// there is none: share groups get no partitions then.
	SharePersister func() share.Persister
	// ShareMemberGone, if set, is told of members of share groups that have left or
	// were fenced. It does not block.
	ShareMemberGone func(group, memberID string)
	// LatestOffset, if set, returns the high watermark of a partition.
	LatestOffset func(topic string, partition int32) (int64, *kerr.Error)

	// Random is the source of member ids; shards read it concurrently.
	Random io.Reader
	// Metrics may be nil.
	Metrics *Metrics
}

// Metrics are called by shards, many at once; any field may be nil. They must not
// block.
type Metrics struct {
	// Groups is called with the change in the number of groups of a kind in a state.
	Groups func(kind, state string, delta int)
	// Offsets is called with the change in the number of committed offsets.
	Offsets func(delta int)
	// Loaded is called for each loaded partition.
	Loaded func(took time.Duration, records int64)
	// Committed is called for each batch with the time from append to commit.
	Committed func(took time.Duration, requests int)
}
