package broker

import (
	"cmp"
	"context"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/broker/replica"
)

func (b *Broker) handleDescribeLogDirs(_ context.Context, r *Request, req *kmsg.DescribeLogDirsRequest) kmsg.Response {
	resp := kmsg.NewPtrDescribeLogDirsResponse()
	dir := kmsg.NewDescribeLogDirsResponseDir()
	dir.Dir = b.dir.Path()
	dir.TotalBytes, dir.UsableBytes = -1, -1
	if total, free, err := b.opts.FS.Usage(dir.Dir); err != nil {
		b.log.Warn("disk usage is not known", "dir", dir.Dir, "err", err)
		dir.ErrorCode = kerr.KafkaStorageError.Code
	} else {
		dir.TotalBytes, dir.UsableBytes = total, free
	}
	if req.Topics == nil {
		dir.Topics = b.describeAllLogs()
	} else {
		for i := range req.Topics {
			t := &req.Topics[i]
			out := kmsg.NewDescribeLogDirsResponseDirTopic()
			out.Topic = t.Topic
			topic := b.replicas.Topic(t.Topic)
			seen := map[int32]bool{}
			for _, index := range t.Partitions {
				if topic != nil && !seen[index] {
					seen[index] = true
					out.Partitions = appendLogSize(out.Partitions, topic.Partition(index))
				}
			}
			if len(out.Partitions) > 0 {
				dir.Topics = append(dir.Topics, out)
			}
		}
	}
	resp.Dirs = append(resp.Dirs, dir)
	return resp
}

func (b *Broker) describeAllLogs() []kmsg.DescribeLogDirsResponseDirTopic {
	byTopic := map[string][]kmsg.DescribeLogDirsResponseDirTopicPartition{}
	for p := range b.replicas.Partitions() {
		byTopic[p.Topic().Name] = appendLogSize(byTopic[p.Topic().Name], p)
	}
	var topics []kmsg.DescribeLogDirsResponseDirTopic
	for name, parts := range byTopic {
		if len(parts) > 0 {
			t := kmsg.NewDescribeLogDirsResponseDirTopic()
			t.Topic, t.Partitions = name, parts
			topics = append(topics, t)
		}
	}
	slices.SortFunc(topics, func(x, y kmsg.DescribeLogDirsResponseDirTopic) int { return cmp.Compare(x.Topic, y.Topic) })
	return topics
}

func appendLogSize(list []kmsg.DescribeLogDirsResponseDirTopicPartition, p *replica.Partition) []kmsg.DescribeLogDirsResponseDirTopicPartition {
	if p == nil || p.Log() == nil {
		return list
	}
	out := kmsg.NewDescribeLogDirsResponseDirTopicPartition()
	out.Partition = p.Index()
	out.Size = p.Log().Size()
	return append(list, out)
}
