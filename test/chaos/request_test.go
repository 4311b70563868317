package chaos

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// pinned sends a request at one version: newer ones name topics by id, which is more than a model needs.
type pinned struct {
	kmsg.Request
	version int16
}

func (p *pinned) MaxVersion() int16 { return p.version }

// oneRecord is a record batch with one record whose value is the eight bytes of value.
func oneRecord(value uint64) []byte {
	record := kmsg.NewRecord()
	record.Value = binary.BigEndian.AppendUint64(nil, value)
	// The length counts what follows it; one byte for a body this small.
	body := record.AppendTo(nil)
	record.Length = int32(len(body) - 1)
	now := time.Now().UnixMilli()
	batch := kmsg.NewRecordBatch()
	batch.PartitionLeaderEpoch, batch.Magic = -1, 2
	batch.FirstTimestamp, batch.MaxTimestamp = now, now
	batch.ProducerID, batch.ProducerEpoch, batch.FirstSequence = -1, -1, -1
	batch.NumRecords = 1
	batch.Records = record.AppendTo(nil)
	raw := batch.AppendTo(nil)
	binary.BigEndian.PutUint32(raw[8:], uint32(len(raw)-12))
	binary.BigEndian.PutUint32(raw[17:], crc32.Checksum(raw[21:], crc32.MakeTable(crc32.Castagnoli)))
	return raw
}

// readAll reads a partition from its start to its high watermark, and returns its values in order as well.
func readAll(ctx context.Context, cl *kgo.Client, partition int32) (linearOutput, []uint64, error) {
	req := kmsg.NewPtrFetchRequest()
	req.MaxWaitMillis, req.MinBytes, req.MaxBytes = 0, 0, 64<<20
	req.SessionEpoch = -1
	topic := kmsg.NewFetchRequestTopic()
	topic.Topic = linearTopic
	part := kmsg.NewFetchRequestTopicPartition()
	part.Partition, part.FetchOffset, part.PartitionMaxBytes, part.CurrentLeaderEpoch = partition, 0, 64<<20, -1
	topic.Partitions = append(topic.Partitions, part)
	req.Topics = append(req.Topics, topic)
	resp, err := node(cl).Request(ctx, &pinned{req, 11})
	if err != nil {
		return linearOutput{}, nil, err
	}
	fetched := resp.(*kmsg.FetchResponse)
	if len(fetched.Topics) == 0 || len(fetched.Topics[0].Partitions) == 0 {
		return linearOutput{}, nil, errors.New("no partition in the answer")
	}
	p := fetched.Topics[0].Partitions[0]
	if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
		return linearOutput{}, nil, err
	}
	return chainOf(p.RecordBatches)
}

// chainOf folds a run of uncompressed one-record batches. A whole small log always fits an answer.
func chainOf(raw []byte) (out linearOutput, values []uint64, err error) {
	for len(raw) > 0 {
		var batch kmsg.RecordBatch
		if len(raw) < 61 {
			return out, values, errors.New("a batch is cut")
		}
		size := 12 + int(binary.BigEndian.Uint32(raw[8:]))
		if size > len(raw) {
			return out, values, errors.New("a batch is cut")
		}
		if err := batch.ReadFrom(raw[:size]); err != nil {
			return out, values, err
		}
		var record kmsg.Record
		if err := record.ReadFrom(batch.Records); err != nil {
			return out, values, err
		}
		if batch.FirstOffset != out.length || len(record.Value) != 8 {
			return out, values, fmt.Errorf("offset %d after %d records", batch.FirstOffset, out.length)
		}
		value := binary.BigEndian.Uint64(record.Value)
		out, values = linearOutput{length: out.length + 1, chain: link(out.chain, value)}, append(values, value)
		raw = raw[size:]
	}
	return out, values, nil
}

func endOffset(ctx context.Context, cl *kgo.Client, partition int32) (linearOutput, error) {
	req := kmsg.NewPtrListOffsetsRequest()
	req.ReplicaID = -1
	topic := kmsg.NewListOffsetsRequestTopic()
	topic.Topic = linearTopic
	part := kmsg.NewListOffsetsRequestTopicPartition()
	part.Partition, part.Timestamp, part.CurrentLeaderEpoch = partition, -1, -1
	topic.Partitions = append(topic.Partitions, part)
	req.Topics = append(req.Topics, topic)
	resp, err := node(cl).Request(ctx, req)
	if err != nil {
		return linearOutput{}, err
	}
	p := resp.(*kmsg.ListOffsetsResponse).Topics[0].Partitions[0]
	return linearOutput{length: p.Offset}, kerr.ErrorForCode(p.ErrorCode)
}
