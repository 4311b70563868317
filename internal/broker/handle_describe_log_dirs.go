package broker

import (
	"cmp"
	"context"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/commitlog"
	"leat.dev/internal/commitlog/logdir"
	"leat.dev/internal/metadata"
)

func (b *Broker) handleDescribeLogDirs(_ context.Context, _ *Request, req *kmsg.DescribeLogDirsRequest) kmsg.Response {
	resp := kmsg.NewPtrDescribeLogDirsResponse()
	for _, info := range b.dir.Describe() {
		dir := kmsg.NewDescribeLogDirsResponseDir()
		dir.Dir = info.Path
		dir.TotalBytes, dir.UsableBytes = -1, -1
		if info.Err != nil {
			dir.ErrorCode = kerr.KafkaStorageError.Code
			resp.Dirs = append(resp.Dirs, dir)
			continue
		}
		if total, free, err := b.opts.FS.Usage(dir.Dir); err != nil {
			b.log.Warn("disk usage is not known", "dir", dir.Dir, "err", err)
			dir.ErrorCode = kerr.KafkaStorageError.Code
		} else {
			dir.TotalBytes, dir.UsableBytes = total, free
		}
		if req.Topics == nil {
			dir.Topics = b.describeAllLogs(&info)
		} else {
			dir.Topics = b.describeLogs(&info, req.Topics)
		}
		resp.Dirs = append(resp.Dirs, dir)
	}
	return resp
}

// describeLogs lists what of the named partitions there is in a directory, each once.
func (b *Broker) describeLogs(info *logdir.DirInfo, asked []kmsg.DescribeLogDirsRequestTopic) []kmsg.DescribeLogDirsResponseDirTopic {
	var out []kmsg.DescribeLogDirsResponseDirTopic
	at := map[string]int{} // in out
	seen := map[logdir.TopicPartition]bool{}
	for i := range asked {
		name := asked[i].Topic
		if name == metadata.LogTopic {
			continue
		}
		for _, index := range asked[i].Partitions {
			tp := logdir.TopicPartition{Topic: name, Partition: index}
			if seen[tp] {
				continue
			}
			seen[tp] = true
			sizes := b.describeLog(nil, info, tp)
			if len(sizes) == 0 {
				continue
			}
			k, listed := at[name]
			if !listed {
				k = len(out)
				at[name] = k
				t := kmsg.NewDescribeLogDirsResponseDirTopic()
				t.Topic = name
				out = append(out, t)
			}
			out[k].Partitions = append(out[k].Partitions, sizes...)
		}
	}
	return out
}

func (b *Broker) describeAllLogs(info *logdir.DirInfo) []kmsg.DescribeLogDirsResponseDirTopic {
	byTopic := map[string][]kmsg.DescribeLogDirsResponseDirTopicPartition{}
	for tp := range info.Logs {
		if tp.Topic != metadata.LogTopic {
			byTopic[tp.Topic] = b.describeLog(byTopic[tp.Topic], info, tp)
		}
	}
	for tp := range info.Futures {
		if info.Logs[tp] == nil {
			byTopic[tp.Topic] = b.describeLog(byTopic[tp.Topic], info, tp)
		}
	}
	var topics []kmsg.DescribeLogDirsResponseDirTopic
	for name, parts := range byTopic {
		t := kmsg.NewDescribeLogDirsResponseDirTopic()
		t.Topic, t.Partitions = name, parts
		slices.SortFunc(parts, func(x, y kmsg.DescribeLogDirsResponseDirTopicPartition) int {
			return cmp.Compare(x.Partition, y.Partition)
		})
		topics = append(topics, t)
	}
	slices.SortFunc(topics, func(x, y kmsg.DescribeLogDirsResponseDirTopic) int { return cmp.Compare(x.Topic, y.Topic) })
	return topics
}

// describeLog adds what there is of a partition in a directory: its log, or a copy that is to become it.
func (b *Broker) describeLog(list []kmsg.DescribeLogDirsResponseDirTopicPartition, info *logdir.DirInfo, tp logdir.TopicPartition) []kmsg.DescribeLogDirsResponseDirTopicPartition {
	for i, log := range []*commitlog.Log{info.Logs[tp], info.Futures[tp]} {
		if log == nil {
			continue
		}
		out := kmsg.NewDescribeLogDirsResponseDirTopicPartition()
		out.Partition, out.Size, out.IsFuture = tp.Partition, log.Size(), i == 1
		if out.IsFuture {
			if current := b.dir.Get(tp); current != nil {
				out.OffsetLag = max(0, current.EndOffset()-log.EndOffset())
			}
		}
		list = append(list, out)
	}
	return list
}
