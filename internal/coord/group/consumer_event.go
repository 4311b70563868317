package group

import "github.com/twmb/franz-go/pkg/kmsg"

// The events of consumer groups. Reply types: ConsumerGroupHeartbeat
// *kmsg.ConsumerGroupHeartbeatResponse, ConsumerGroupDescribe
// []kmsg.ConsumerGroupDescribeResponseGroup.
type (
	ConsumerGroupHeartbeat struct {
		ID     RequestID
		Client Client
		Req    *kmsg.ConsumerGroupHeartbeatRequest
		// MayDescribe tells which topics the member's regular expression may match;
		// nil means all. It is called later, from the shard's owner, and does not
		// block.
		MayDescribe func(topic string) bool
	}
	ConsumerGroupDescribe struct {
		ID     RequestID
		Groups []string
	}
)

// ClusterChanged brings a new view of the topics. It may come before Loaded.
type ClusterChanged struct {
	Cluster Cluster
	// Changed are the topics that came, went, grew or moved to other racks.
	Changed   []string
	NewTopics bool // some of them came
}

func (ConsumerGroupHeartbeat) event() {}
func (ConsumerGroupDescribe) event()  {}
func (ClusterChanged) event()         {}
