package group

import (
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/coord"
)

// What every coordinator has in common.
type (
	RequestID = coord.RequestID
	Record    = coord.Record
	LogRecord = coord.LogRecord
	Reply     = coord.Reply
	Effects   = coord.Effects
)

// Event is something that happens to a shard. Requests carry the RequestID their
// one reply will bear.
type Event interface{ event() }

// Client says who sent a JoinGroup; both are stored with the member.
type Client struct {
	ID   string
	Host string // as Kafka stores it: "/127.0.0.1"
}

// Topic names a topic together with its id.
type Topic struct {
	Name string
	ID   [16]byte
}

// The requests. Reply types: JoinGroup *kmsg.JoinGroupResponse, SyncGroup
// *kmsg.SyncGroupResponse, Heartbeat *kmsg.HeartbeatResponse, LeaveGroup
// *kmsg.LeaveGroupResponse, DescribeGroups []kmsg.DescribeGroupsResponseGroup,
// ListGroups []kmsg.ListGroupsResponseGroup, DeleteGroups
// []kmsg.DeleteGroupsResponseGroup, OffsetCommit *kmsg.OffsetCommitResponse,
// OffsetFetch kmsg.OffsetFetchResponseGroup, OffsetDelete
// *kmsg.OffsetDeleteResponse, TxnOffsetCommit *kmsg.TxnOffsetCommitResponse,
// EndTxn nil.
//
// A shard keeps the bytes of a member's metadata and assignment: they must not be
// part of a buffer that is used again.
type (
	JoinGroup struct {
		ID     RequestID
		Client Client
		Req    *kmsg.JoinGroupRequest
	}
	SyncGroup struct {
		ID  RequestID
		Req *kmsg.SyncGroupRequest
	}
	Heartbeat struct {
		ID  RequestID
		Req *kmsg.HeartbeatRequest
	}
	LeaveGroup struct {
		ID  RequestID
		Req *kmsg.LeaveGroupRequest
	}
	DescribeGroups struct {
		ID      RequestID
		Version int16
		Groups  []string
	}
	ListGroups struct {
		ID     RequestID
		States []string // lower case; empty = any
		Types  []string // lower case; empty = any
	}
	DeleteGroups struct {
		ID     RequestID
		Groups []string
	}
	// OffsetCommit carries the partitions that exist; topics bear their name
	// and, where known, their id.
	OffsetCommit struct {
		ID  RequestID
		Req *kmsg.OffsetCommitRequest
	}
	// OffsetFetch asks for one group's offsets. Topics bear names and, where
	// known, ids; All asks for every committed offset of the group.
	OffsetFetch struct {
		ID            RequestID
		Group         kmsg.OffsetFetchRequestGroup
		All           bool
		RequireStable bool
	}
	OffsetDelete struct {
		ID  RequestID
		Req *kmsg.OffsetDeleteRequest
	}
	// TxnOffsetCommit carries the partitions that exist. Guard and Verify go with the
	// batch.
	TxnOffsetCommit struct {
		ID     RequestID
		Req    *kmsg.TxnOffsetCommitRequest
		Guard  uint64
		Verify bool
	}
	// EndTxn ends a producer's transaction in this shard's partition.
	EndTxn struct {
		ID            RequestID
		ProducerID    int64
		ProducerEpoch int16
		End           coord.EndTxn
	}
)

// TopicsDeleted tells that topics are gone: their offsets go too.
type TopicsDeleted struct{ Topics []Topic }

// Loaded ends the replay of the log and starts the timers.
type Loaded struct{}

// Tick fires the timers that are due.
type Tick struct{}

// Configure replaces the settings.
type Configure struct{ Settings Settings }

func (JoinGroup) event()       {}
func (SyncGroup) event()       {}
func (Heartbeat) event()       {}
func (LeaveGroup) event()      {}
func (DescribeGroups) event()  {}
func (ListGroups) event()      {}
func (DeleteGroups) event()    {}
func (OffsetCommit) event()    {}
func (OffsetFetch) event()     {}
func (OffsetDelete) event()    {}
func (TxnOffsetCommit) event() {}
func (EndTxn) event()          {}
func (TopicsDeleted) event()   {}
func (Loaded) event()          {}
func (Tick) event()            {}
func (Configure) event()       {}
