package broker

import (
	"context"
	"errors"
	"slices"
	"strconv"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/broker/replica"
	"leat.dev/internal/commitlog/logdir"
)

// handleAlterReplicaLogDirs begins moves between log directories (KIP-113); they are answered at once.
func (b *Broker) handleAlterReplicaLogDirs(_ context.Context, _ *Request, req *kmsg.AlterReplicaLogDirsRequest) kmsg.Response {
	resp := kmsg.NewPtrAlterReplicaLogDirsResponse()
	for i := range req.Dirs {
		d := &req.Dirs[i]
		for j := range d.Topics {
			name := d.Topics[j].Topic
			if len(d.Topics[j].Partitions) == 0 {
				continue
			}
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
				p.Partition, p.ErrorCode = index, b.moveTo(d.Dir, name, index)
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

// futureSuffix is how much longer than topic and partition the name of the directory is that a replica moves into: a
// dot, a UUID in hexadecimal and "-future".
const futureSuffix = 1 + 32 + 7

// fileNameMax is the longest name of a file or a directory, in bytes.
const fileNameMax = 255

// moveTo is the error code of moving a partition to a directory.
func (b *Broker) moveTo(dir, name string, index int32) int16 {
	if len(name)+len("-")+len(strconv.Itoa(int(index)))+futureSuffix > fileNameMax {
		return kerr.InvalidTopicException.Code
	}
	var p *replica.Partition
	if topic := b.replicas.Topic(name); topic != nil {
		p = topic.Partition(index)
	}
	if p != nil && (p.Log() == nil || p.Log().Offline() != nil) && b.dir.Has(dir) {
		return kerr.KafkaStorageError.Code
	}
	err := b.dir.Move(logdir.TopicPartition{Topic: name, Partition: index}, dir)
	switch {
	case errors.Is(err, logdir.ErrNoDir):
		return kerr.LogDirNotFound.Code
	case errors.Is(err, logdir.ErrOfflineDir):
		return kerr.KafkaStorageError.Code
	case p == nil:
		return kerr.UnknownTopicOrPartition.Code
	case err != nil:
		return kerr.NotLeaderForPartition.Code
	}
	return 0
}
