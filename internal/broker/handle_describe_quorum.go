package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/metadata"
)

// handleDescribeQuorum tells of the metadata quorum, the only one there is: a request for anything else, or for more,
// is answered with UNKNOWN_TOPIC_OR_PARTITION for each partition.
func (b *Broker) handleDescribeQuorum(ctx context.Context, r *Request, req *kmsg.DescribeQuorumRequest) kmsg.Response {
	resp := kmsg.NewPtrDescribeQuorumResponse()
	if r.Version >= 2 {
		resp.ErrorMessage = new("")
	}
	for i := range req.Topics {
		t := kmsg.NewDescribeQuorumResponseTopic()
		t.Topic = req.Topics[i].Topic
		for j := range req.Topics[i].Partitions {
			p := kmsg.NewDescribeQuorumResponseTopicPartition()
			p.Partition = req.Topics[i].Partitions[j].Partition
			p.ErrorCode, p.ErrorMessage = kerr.UnknownTopicOrPartition.Code, new(kerr.UnknownTopicOrPartition.Description)
			t.Partitions = append(t.Partitions, p)
		}
		resp.Topics = append(resp.Topics, t)
	}
	if len(resp.Topics) != 1 || resp.Topics[0].Topic != metadata.LogTopic || len(resp.Topics[0].Partitions) != 1 || resp.Topics[0].Partitions[0].Partition != 0 {
		return resp
	}
	p := &resp.Topics[0].Partitions[0]
	q, err := b.meta.Quorum(ctx)
	if err != nil {
		resp.ErrorCode = kerr.NotLeaderForPartition.Code
		resp.Topics = nil
		return resp
	}
	p.LeaderID, p.LeaderEpoch, p.HighWatermark = q.LeaderID, int32(q.Term), q.HighWatermark
	if q.LeaderID != b.nodeID {
		p.ErrorCode, p.ErrorMessage = kerr.NotLeaderForPartition.Code, new(kerr.NotLeaderForPartition.Description)
		return resp
	}
	p.ErrorCode, p.ErrorMessage = 0, new("")
	now := b.clock.Now().UnixMilli()
	for _, v := range q.Voters {
		out := kmsg.NewDescribeQuorumResponseTopicPartitionReplicaState()
		out.ReplicaID, out.LogEndOffset = v.ID, v.EndOffset
		out.LastFetchTimestamp, out.LastCaughtUpTimestamp = -1, -1
		if v.ID == b.nodeID {
			if b.meta.Image().Features[metadata.KRaftVersion] > 0 {
				out.ReplicaDirectoryID = b.dir.Meta().DirectoryID() // voters in the settings have none
			}
			out.LastFetchTimestamp, out.LastCaughtUpTimestamp = now, now
		}
		p.CurrentVoters = append(p.CurrentVoters, out)
		node := kmsg.NewDescribeQuorumResponseNode()
		node.NodeID = v.ID
		resp.Nodes = append(resp.Nodes, node)
	}
	return resp
}
