package broker

import (
	"context"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/metadata"
)

// handleDescribeTopicPartitions answers page by page: topics in order of their names, and where a page is full, the
// cursor to go on from.
func (b *Broker) handleDescribeTopicPartitions(_ context.Context, r *Request, req *kmsg.DescribeTopicPartitionsRequest) kmsg.Response {
	img := b.meta.Image()
	from := ""
	if req.Cursor != nil {
		from = req.Cursor.Topic
	}
	names := make([]string, 0, len(req.Topics))
	for _, t := range req.Topics {
		if t.Topic >= from {
			names = append(names, t.Topic)
		}
	}
	if len(req.Topics) == 0 {
		for t := range img.TopicsFrom(from) {
			// Not even the cursor may name what the client must not know.
			if b.visible(r, t.Name) {
				names = append(names, t.Name)
			}
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	if c := req.Cursor; c != nil && (c.Partition < 0 || len(req.Topics) > 0 && (len(names) == 0 || names[0] != from)) {
		return refuseTopicPartitions(req)
	}
	page := topicPage{img: img, live: liveBrokers(img), resp: kmsg.NewPtrDescribeTopicPartitionsResponse()}
	page.room = max(1, min(int(req.ResponsePartitionLimit), b.cfg.Int("max.request.partition.size.limit")))
	for _, name := range names {
		first := int32(0)
		if req.Cursor != nil && name == from {
			first = req.Cursor.Partition
		}
		if !page.add(name, first) {
			break
		}
	}
	return page.resp
}

// refuseTopicPartitions answers a request whose cursor makes no sense.
func refuseTopicPartitions(req *kmsg.DescribeTopicPartitionsRequest) kmsg.Response {
	resp := kmsg.NewPtrDescribeTopicPartitionsResponse()
	for _, t := range req.Topics {
		m := kmsg.NewDescribeTopicPartitionsResponseTopic()
		m.Topic = new(t.Topic)
		m.ErrorCode = kerr.InvalidRequest.Code
		m.AuthorizedOperations = operationsUnasked
		resp.Topics = append(resp.Topics, m)
	}
	return resp
}

// topicPage fills one response.
type topicPage struct {
	img  *metadata.Image
	live []int32 // brokers
	resp *kmsg.DescribeTopicPartitionsResponse
	room int // for partitions
}

// add adds a topic from a partition on; it returns false when the page is full.
func (p *topicPage) add(name string, first int32) bool {
	t := p.img.Topic(name)
	m := kmsg.NewDescribeTopicPartitionsResponseTopic()
	m.Topic = &name
	m.AuthorizedOperations = topicOperations
	if t == nil {
		m.IsInternal = metadata.IsInternal(name)
		m.ErrorCode = kerr.UnknownTopicOrPartition.Code
		if metadata.CheckTopicName(name) != "" {
			m.ErrorCode = kerr.InvalidTopicException.Code
		}
		p.resp.Topics = append(p.resp.Topics, m)
		return true
	}
	if p.room == 0 {
		p.stop(name, first)
		return false
	}
	m.TopicID, m.IsInternal = t.ID, t.Internal()
	count := int32(len(t.Partitions))
	id := first
	for ; id < count && p.room > 0; id++ {
		m.Partitions = append(m.Partitions, p.partition(t, id))
		p.room--
	}
	p.resp.Topics = append(p.resp.Topics, m)
	if id < count {
		p.stop(name, id)
		return false
	}
	return true
}

// stop says where the next page begins.
func (p *topicPage) stop(topic string, partition int32) {
	c := kmsg.NewDescribeTopicPartitionsResponseNextCursor()
	c.Topic, c.Partition = topic, partition
	p.resp.NextCursor = &c
}

func (p *topicPage) partition(t *metadata.Topic, id int32) kmsg.DescribeTopicPartitionsResponseTopicPartition {
	s := &t.Partitions[id]
	m := kmsg.NewDescribeTopicPartitionsResponseTopicPartition()
	m.Partition, m.LeaderID, m.LeaderEpoch = id, s.Leader, s.LeaderEpoch
	m.Replicas, m.ISR = s.Replicas, s.ISR
	m.EligibleLeaderReplicas, m.LastKnownELR = list(s.ELR), list(s.LastKnownELR)
	m.OfflineReplicas = without(s.Replicas, p.live)
	if s.Leader == metadata.NoLeader {
		m.ErrorCode = kerr.LeaderNotAvailable.Code
	}
	return m
}

// list is ids, and never null.
func list(ids []int32) []int32 {
	if ids == nil {
		return []int32{}
	}
	return ids
}
