package broker

import (
	"context"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/broker/replica"
)

// handleAlterReplicaLogDirs answers as Kafka does with one log directory: replicas are where they are to be, or the
// directory is not one of the broker's.
func (b *Broker) handleAlterReplicaLogDirs(_ context.Context, _ *Request, req *kmsg.AlterReplicaLogDirsRequest) kmsg.Response {
	resp := kmsg.NewPtrAlterReplicaLogDirsResponse()
	for i := range req.Dirs {
		d := &req.Dirs[i]
		for j := range d.Topics {
			name := d.Topics[j].Topic
			at := slices.IndexFunc(resp.Topics, func(t kmsg.AlterReplicaLogDirsResponseTopic) bool { return t.Topic == name })
			if at < 0 {
				at = len(resp.Topics)
				t := kmsg.NewAlterReplicaLogDirsResponseTopic()
				t.Topic = name
				resp.Topics = append(resp.Topics, t)
			}
			t := &resp.Topics[at]
			known := map[int32]int{}
			for k := range t.Partitions {
				known[t.Partitions[k].Partition] = k
			}
			for _, index := range d.Topics[j].Partitions {
				p := kmsg.NewAlterReplicaLogDirsResponseTopicPartition()
				p.Partition, p.ErrorCode = index, b.moveTo(d.Dir, b.replicas.Topic(name), index)
				if k, twice := known[index]; twice {
					t.Partitions[k] = p // of two directories the last counts
					continue
				}
				known[index] = len(t.Partitions)
				t.Partitions = append(t.Partitions, p)
			}
		}
	}
	return resp
}

// moveTo is the error code of moving a partition to a directory.
func (b *Broker) moveTo(dir string, topic *replica.Topic, index int32) int16 {
	if dir != b.dir.Path() {
		return kerr.LogDirNotFound.Code
	}
	if topic == nil || topic.Partition(index) == nil {
		return kerr.UnknownTopicOrPartition.Code
	}
	if topic.Partition(index).Log() == nil {
		return kerr.KafkaStorageError.Code
	}
	return 0
}
