package broker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/broker/replica"
	"leat.dev/internal/commitlog"
)

// Timestamps of ListOffsets that stand for something else.
const (
	latestTimestamp        = -1
	earliestTimestamp      = -2
	maxTimestamp           = -3
	earliestLocalTimestamp = -4
	latestTieredTimestamp  = -5
	earliestPendingUpload  = -6
)

func (b *Broker) handleListOffsets(_ context.Context, r *Request, req *kmsg.ListOffsetsRequest) kmsg.Response {
	resp := kmsg.NewPtrListOffsetsResponse()
	seen := map[topicPartition]int{}
	for i := range req.Topics {
		for j := range req.Topics[i].Partitions {
			seen[topicPartition{req.Topics[i].Topic, req.Topics[i].Partitions[j].Partition}]++
		}
	}
	for i := range req.Topics {
		t := &req.Topics[i]
		out := kmsg.NewListOffsetsResponseTopic()
		out.Topic = t.Topic
		for j := range t.Partitions {
			p := &t.Partitions[j]
			answer := kmsg.NewListOffsetsResponseTopicPartition()
			answer.Partition = p.Partition
			answer.Offset, answer.Timestamp, answer.LeaderEpoch = -1, -1, -1
			var err *kerr.Error
			switch seen[topicPartition{t.Topic, p.Partition}] {
			case -1:
				continue // answered where it stands first
			default:
				seen[topicPartition{t.Topic, p.Partition}] = -1
				err = kerr.InvalidRequest
			case 1:
				err = b.listOffset(r, req, t.Topic, p, &answer)
			}
			if err != nil {
				answer.ErrorCode = err.Code
				answer.Offset, answer.Timestamp, answer.LeaderEpoch = -1, -1, -1
			}
			out.Partitions = append(out.Partitions, answer)
		}
		if len(out.Partitions) > 0 {
			resp.Topics = append(resp.Topics, out)
		}
	}
	return resp
}

// topicPartition names a partition in requests that may not name one twice.
type topicPartition struct {
	topic     string
	partition int32
}

// specialSince is the version that brought a special timestamp, 0 for those that all have.
func specialSince(ts int64) (version int16, known bool) {
	switch {
	case ts >= earliestTimestamp:
		return 0, true
	case ts == maxTimestamp:
		return 7, true
	case ts == earliestLocalTimestamp:
		return 8, true
	case ts == latestTieredTimestamp:
		return 9, true
	case ts == earliestPendingUpload:
		return 11, true
	}
	return 0, false
}

func (b *Broker) listOffset(r *Request, req *kmsg.ListOffsetsRequest, topic string, p *kmsg.ListOffsetsRequestTopicPartition, answer *kmsg.ListOffsetsResponseTopicPartition) *kerr.Error {
	if req.IsolationLevel < 0 || req.IsolationLevel > 1 {
		return kerr.UnknownServerError // Kafka fails over it
	}
	if since, known := specialSince(p.Timestamp); !known || r.Version < since {
		return kerr.UnsupportedVersion
	}
	part, err := b.replicas.Partition(topic, p.Partition)
	if err != nil {
		return err
	}
	if err := part.CheckEpoch(p.CurrentLeaderEpoch); err != nil {
		return err
	}
	log := part.Log()
	isolation := commitlog.ReadCommittedHW
	switch {
	case req.ReplicaID != -1: // a replica, or a tool that asks as one
		isolation = commitlog.ReadLogEnd
	case req.IsolationLevel == 1:
		isolation = commitlog.ReadStable
	}
	return findOffset(r.Version, part, log, isolation, p.Timestamp, answer)
}

// findOffset answers one timestamp. What lies at or beyond the bound of the isolation is not found.
func findOffset(version int16, part *replica.Partition, log *commitlog.Log, isolation commitlog.Isolation, ts int64, answer *kmsg.ListOffsetsResponseTopicPartition) *kerr.Error {
	bound := log.HighWatermark()
	switch isolation {
	case commitlog.ReadStable:
		bound = log.LastStableOffset()
	case commitlog.ReadLogEnd:
		bound = log.EndOffset()
	}
	// After an election the high watermark may lag behind what the last leader had told consumers: then the end is
	// not known yet.
	var lagging *kerr.Error
	if isolation != commitlog.ReadLogEnd && log.HighWatermark() < log.EpochStart() && log.LatestEpoch() == part.LeaderEpoch() {
		if lagging = kerr.OffsetNotAvailable; version < 5 {
			lagging = kerr.LeaderNotAvailable
		}
	}
	var found commitlog.OffsetAndTime
	var ok bool
	var err error
	switch ts {
	case latestTimestamp:
		if lagging != nil {
			return lagging
		}
		answer.Offset, answer.LeaderEpoch = bound, part.LeaderEpoch()
		return nil
	case earliestTimestamp, earliestLocalTimestamp:
		answer.Offset = log.StartOffset()
		answer.LeaderEpoch = log.EpochForOffset(answer.Offset)
		return nil
	case latestTieredTimestamp, earliestPendingUpload:
		return nil // nothing is tiered
	case maxTimestamp:
		found, ok, err = log.MaxTimestamp()
	default:
		found, ok, err = log.OffsetForTimestamp(ts, isolation)
	}
	switch {
	case err != nil:
		return errorCode(err)
	case ok && found.Offset < bound:
		answer.Offset, answer.Timestamp, answer.LeaderEpoch = found.Offset, found.Timestamp, found.LeaderEpoch
		return nil
	}
	return lagging
}
