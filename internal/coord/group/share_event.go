package group

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/coord/group/assign"
	"leat.dev/internal/coord/share"
)

// The events of share groups. Reply types: ShareGroupHeartbeat
// *kmsg.ShareGroupHeartbeatResponse, ShareGroupDescribe
// []kmsg.ShareGroupDescribeResponseGroup, ShareOffsets assign.Partitions,
// AlterShareOffsets ShareOffsetsAltered, DeleteShareOffsets ShareOffsetsDeleting,
// ShareOffsetsDeleted nil, DeleteShareStates []ShareStatesDeleting, ShareInitialized
// nil.
//
// What has to do with the state of share-partitions takes two steps: the shard says
// what the share coordinator is to do, its owner has it done and comes back with what
// came of it.
type (
	ShareGroupHeartbeat struct {
		ID     RequestID
		Client Client
		Req    *kmsg.ShareGroupHeartbeatRequest
	}
	ShareGroupDescribe struct {
		ID     RequestID
		Groups []string
	}
	// ShareOffsets asks which partitions have state.
	ShareOffsets struct {
		ID    RequestID
		Group string
	}
	// AlterShareOffsets gives partitions new start offsets. ShareInitialized ends it.
	AlterShareOffsets struct {
		ID  RequestID
		Req *kmsg.AlterShareGroupOffsetsRequest
	}
	// DeleteShareOffsets takes topics out of a group; ShareOffsetsDeleted ends it.
	DeleteShareOffsets struct {
		ID  RequestID
		Req *kmsg.DeleteShareGroupOffsetsRequest
	}
	ShareOffsetsDeleted struct {
		ID     RequestID
		Group  string
		Topics []assign.TopicID
	}
	// DeleteShareStates comes before DeleteGroups: of those that are share groups,
	// all state shall go.
	DeleteShareStates struct {
		ID     RequestID
		Groups []string
	}
	// ShareInitialized tells which partitions of a group have got their state, and
	// which have not. An ID of 0 asks for no reply.
	ShareInitialized struct {
		ID           RequestID
		Group        string
		Done, Failed assign.Partitions
	}
)

// ShareOffsetsAltered answers AlterShareOffsets. Initialize is what the share
// coordinator is to do; what it refuses goes into the response.
type ShareOffsetsAltered struct {
	Response   *kmsg.AlterShareGroupOffsetsResponse
	Initialize []share.InitializePartition
}

// ShareOffsetsDeleting answers DeleteShareOffsets. Response says what is wrong by
// itself; what becomes of Topics has to be added.
type ShareOffsetsDeleting struct {
	Response *kmsg.DeleteShareGroupOffsetsResponse
	Topics   map[assign.TopicID]ShareTopic
}

// ShareStatesDeleting answers DeleteShareStates for one group.
type ShareStatesDeleting struct {
	Err        *kerr.Error // it cannot be deleted
	Partitions []share.TopicPartition
}

// The messages that share groups send.
type (
	// InitializeShareState asks the share coordinator for the state of new
	// partitions. ShareInitialized is the answer.
	InitializeShareState struct {
		Group      string
		Partitions []share.InitializePartition
	}
	// DeleteShareState has state deleted that the group does not want any more. There
	// is no answer: what cannot be deleted is left lying.
	DeleteShareState struct {
		Group      string
		Partitions []share.TopicPartition
	}
	// ShareMemberGone tells that a member has left or was fenced: what it holds
	// is free.
	ShareMemberGone struct{ Group, MemberID string }
)

func (ShareGroupHeartbeat) event() {}
func (ShareGroupDescribe) event()  {}
func (ShareOffsets) event()        {}
func (AlterShareOffsets) event()   {}
func (DeleteShareOffsets) event()  {}
func (ShareOffsetsDeleted) event() {}
func (DeleteShareStates) event()   {}
func (ShareInitialized) event()    {}
