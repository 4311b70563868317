package metadata

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
	"go.etcd.io/raft/v3/raftpb"

	"leat.dev/internal/base/clock"
	"leat.dev/internal/base/vfs"
	"leat.dev/internal/commitlog"
	"leat.dev/internal/metadata/config"
)

// LogTopic is the name of the metadata log's topic; it has the one partition 0.
const LogTopic = "__cluster_metadata"

// ErrClosed is returned by operations of a closed node.
var ErrClosed = errors.New("metadata node is closed")

// Transport carries raft's messages to peers. Send must not block; messages
// may be lost, doubled or reordered.
type Transport interface {
	Send(messages []*raftpb.Message)
}

// Options say how to open a Node.
type Options struct {
	FS     vfs.FS
	Clock  clock.Clock
	Logger *slog.Logger
	// Dir holds the raft state and the snapshots: the directory of Log.
	Dir string
	// Log is the partition __cluster_metadata-0, opened with LogConfig. The
	// node is its only user and does not close it.
	Log *commitlog.Log

	NodeID    int32
	ClusterID string
	// Voters are the node ids of the quorum; nil means this node alone.
	Voters []int32
	// Transport reaches the other voters; it may be nil if there are none.
	Transport Transport

	Static *config.Static
	// Random is where topic ids and placements come from; nil: crypto/rand.
	Random io.Reader
	// SnapshotBytes is how much the log grows before a snapshot; 0: 1 MiB.
	SnapshotBytes int64
	// Tick is raft's clock; 0: 100 ms. An election takes 10 of them.
	Tick time.Duration
}

// LogConfig is what the metadata log is to be opened with: it is cut by
// snapshots alone, in segments small enough for that to free space.
func LogConfig() commitlog.Config {
	c := commitlog.DefaultConfig()
	c.SegmentBytes = 8 << 20
	c.SegmentAge = commitlog.Forever
	c.RetentionAge = -1
	c.RetentionBytes = -1
	return c
}

// Node is one member of the metadata quorum.
type Node struct {
	image atomic.Pointer[Image]
}

// Open starts a node. It returns once the committed state is readable; a lone
// voter is the leader by then.
func Open(ctx context.Context, o Options) (*Node, error) {
	n := &Node{}
	n.image.Store(newImage(o.ClusterID))
	return n, nil
}

// Close stops the node.
func (n *Node) Close() error { return nil }

// Image is the newest committed state.
func (n *Node) Image() *Image { return n.image.Load() }

// Subscribe calls f after every change, in order, before the operation that
// caused it is answered. f must not wait for an operation of the node. The
// first call, from within Subscribe, has an empty prev and the state of now.
func (n *Node) Subscribe(f func(prev, next *Image)) {}

// Step takes a message from a peer.
func (n *Node) Step(m *raftpb.Message) {}

// StartBroker registers this process's broker and unfences it. PreviousBrokerEpoch
// of the request is the epoch before a clean shutdown, -1 after any other: then
// the leader epochs of the partitions it leads go up.
func (n *Node) StartBroker(ctx context.Context, req *kmsg.BrokerRegistrationRequest) (epoch int64, err error) {
	return 0, nil
}

// AllocateProducerIDs hands out a block of producer ids nobody else gets.
func (n *Node) AllocateProducerIDs(ctx context.Context) (first int64, count int32, err error) {
	return 0, 0, nil
}

// CreateTopics creates topics; errors stand in the response.
func (n *Node) CreateTopics(ctx context.Context, req *kmsg.CreateTopicsRequest) *kmsg.CreateTopicsResponse {
	return nil
}

// DeleteTopics deletes topics; errors stand in the response.
func (n *Node) DeleteTopics(ctx context.Context, req *kmsg.DeleteTopicsRequest) *kmsg.DeleteTopicsResponse {
	return nil
}

// CreatePartitions adds partitions to topics; errors stand in the response.
func (n *Node) CreatePartitions(ctx context.Context, req *kmsg.CreatePartitionsRequest) *kmsg.CreatePartitionsResponse {
	return nil
}

// AlterConfigs replaces the configs of resources; errors stand in the response.
func (n *Node) AlterConfigs(ctx context.Context, req *kmsg.AlterConfigsRequest) *kmsg.AlterConfigsResponse {
	return nil
}

// IncrementalAlterConfigs changes single configs; errors stand in the response.
func (n *Node) IncrementalAlterConfigs(ctx context.Context, req *kmsg.IncrementalAlterConfigsRequest) *kmsg.IncrementalAlterConfigsResponse {
	return nil
}

// TopicConfig is what the topic's logs are to be configured with.
func (n *Node) TopicConfig(image *Image, topic string) commitlog.Config {
	return commitlog.DefaultConfig()
}
