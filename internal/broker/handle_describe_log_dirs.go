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
		dir.Topics = b.describeLogs(req.Topics)
	}
	resp.Dirs = append(resp.Dirs, dir)
	return resp
}

// describeLogs lists what of the named partitions there is, each once.
func (b *Broker) describeLogs(asked []kmsg.DescribeLogDirsRequestTopic) []kmsg.DescribeLogDirsResponseDirTopic {
	var out []kmsg.DescribeLogDirsResponseDirTopic
	at := map[string]int{} // in out
	seen := map[*replica.Partition]bool{}
	for i := range asked {
		topic := b.replicas.Topic(asked[i].Topic)
		if topic == nil {
			continue
		}
		for _, index := range asked[i].Partitions {
			p := topic.Partition(index)
			if p == nil || p.Log() == nil || seen[p] {
				continue
			}
			seen[p] = true
			k, listed := at[topic.Name]
			if !listed {
				k = len(out)
				at[topic.Name] = k
				t := kmsg.NewDescribeLogDirsResponseDirTopic()
				t.Topic = topic.Name
				out = append(out, t)
			}
			out[k].Partitions = appendLogSize(out[k].Partitions, p)
		}
	}
	return out
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
