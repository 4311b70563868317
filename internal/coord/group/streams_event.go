package group

import "github.com/twmb/franz-go/pkg/kmsg"

// The events of streams groups. Reply types: StreamsGroupHeartbeat
// StreamsHeartbeatReply, StreamsGroupDescribe
// []kmsg.StreamsGroupDescribeResponseGroup.
type (
	StreamsGroupHeartbeat struct {
		ID     RequestID
		Client Client
		Req    *kmsg.StreamsGroupHeartbeatRequest
	}
	StreamsGroupDescribe struct {
		ID     RequestID
		Groups []string
	}
)

// StreamsHeartbeatReply is the answer to a heartbeat and what has to be done before
// the group can go on: internal topics, by name, that its owner shall create if the
// client may.
type StreamsHeartbeatReply struct {
	Response *kmsg.StreamsGroupHeartbeatResponse
	Create   []kmsg.CreateTopicsRequestTopic
}

func (StreamsGroupHeartbeat) event() {}
func (StreamsGroupDescribe) event()  {}
