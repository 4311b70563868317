package group

import (
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/coord"
)

// commitTxnOffsets handles TxnOffsetCommit. The offsets stay apart until the
// transaction ends. They go into a batch of the producer, which the log may
// refuse; nothing changes here before the owner hands back what was appended.
func (s *Shard) commitTxnOffsets(ev TxnOffsetCommit) {
	req := ev.Req
	answer := func(code func(*kmsg.TxnOffsetCommitRequestTopicPartition) *kerr.Error) {
		s.reply(ev.ID, txnCommitResponse(req, code))
	}
	all := func(err *kerr.Error) {
		answer(func(*kmsg.TxnOffsetCommitRequestTopicPartition) *kerr.Error {
			return err
		})
	}
	if err := s.txnCommitter(req); err != nil {
		all(err)
		return
	}
	tooLarge := func(p *kmsg.TxnOffsetCommitRequestTopicPartition) *kerr.Error {
		if p.Metadata != nil && len(*p.Metadata) > s.settings.OffsetMetadataMaxBytes {
			return kerr.OffsetMetadataTooLarge
		}
		return nil
	}
	var records []Record
	size := 0
	for i := range req.Topics {
		t := &req.Topics[i]
		for j := range t.Partitions {
			p := &t.Partitions[j]
			if tooLarge(p) != nil {
				continue
			}
			v := OffsetValue{Offset: p.Offset, LeaderEpoch: p.LeaderEpoch, CommitTimestamp: s.now.UnixMilli(), ExpireTimestamp: -1}
			if p.Metadata != nil {
				v.Metadata = *p.Metadata
			}
			r := EncodeOffset(OffsetKey{Group: req.Group, Topic: t.Topic, Partition: p.Partition}, v)
			records = append(records, r)
			size += r.Size() + recordFraming
		}
	}
	if size > s.settings.MaxRecordBytes {
		all(kerr.UnknownServerError)
		return
	}
	if len(records) > 0 {
		s.fx.Records = records
		s.fx.Txn = &coord.TxnBatch{ProducerID: req.ProducerID, ProducerEpoch: req.ProducerEpoch, Guard: ev.Guard, Verify: ev.Verify}
	}
	answer(tooLarge)
}

// recordFraming bounds what a batch adds to a record's key and value.
const recordFraming = 24

// txnCommitter checks that the sender may commit for the group. A producer that
// says nothing of the group always may: older ones know no better.
func (s *Shard) txnCommitter(req *kmsg.TxnOffsetCommitRequest) *kerr.Error {
	g := s.groups[req.Group]
	if g == nil {
		if req.Generation < 0 {
			return nil
		}
		return kerr.IllegalGeneration
	}
	m, err := g.validateOffsetCommit(txnCommitting(req))
	if err != nil {
		return err
	}
	for i := range req.Topics {
		t := &req.Topics[i]
		for j := range t.Partitions {
			if err := g.validateCommitOf(txnCommitting(req), s.identified(t.Topic, [16]byte{}), t.Partitions[j].Partition); err != nil {
				return err
			}
		}
	}
	if c, ok := g.(*classic); ok && m != nil {
		s.renewSession(c, m)
	}
	return nil
}

func txnCommitting(req *kmsg.TxnOffsetCommitRequest) committing {
	return committing{memberID: req.MemberID, instanceID: req.InstanceID, generation: req.Generation, transactional: true}
}

// endTxn writes the end marker of a producer's transaction. It is applied when it
// is appended, as on a replay.
func (s *Shard) endTxn(ev EndTxn) {
	end := ev.End
	s.fx.Txn = &coord.TxnBatch{ProducerID: ev.ProducerID, ProducerEpoch: ev.ProducerEpoch, End: &end}
	s.reply(ev.ID, nil)
}

func txnCommitResponse(req *kmsg.TxnOffsetCommitRequest, code func(*kmsg.TxnOffsetCommitRequestTopicPartition) *kerr.Error) *kmsg.TxnOffsetCommitResponse {
	r := kmsg.NewPtrTxnOffsetCommitResponse()
	r.Version = req.Version
	for i := range req.Topics {
		t := kmsg.NewTxnOffsetCommitResponseTopic()
		t.Topic = req.Topics[i].Topic
		for j := range req.Topics[i].Partitions {
			p := kmsg.NewTxnOffsetCommitResponseTopicPartition()
			p.Partition = req.Topics[i].Partitions[j].Partition
			if err := code(&req.Topics[i].Partitions[j]); err != nil {
				p.ErrorCode = err.Code
			}
			t.Partitions = append(t.Partitions, p)
		}
		r.Topics = append(r.Topics, t)
	}
	return r
}
