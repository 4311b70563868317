package group

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestStreamsTxnCommit: transactional commits are fenced by the epochs of streams groups
// as others are, except those that name no member.
func TestStreamsTxnCommit(t *testing.T) {
	w := newWorld(t)
	w.do(parseCommand("stream g a process=p1 topology=rejoin"))
	w.do(parseCommand("created g-rep partitions=4"))
	w.do(parseCommand("created g-log partitions=4"))
	w.do(parseCommand("stream g a epoch=2"))
	w.do(parseCommand("stream g b process=p2 topology=rejoin"))
	w.do(parseCommand("stream g a epoch=3"))
	w.do(parseCommand("stream g a epoch=3 active=0:0+1,1:0+1")) // now at epoch 4
	for _, test := range []struct {
		member    string
		epoch     int32
		topic     string
		partition int32
		want      *kerr.Error
	}{
		{"a", 4, "t", 0, nil},
		{"a", 3, "t", 0, nil},     // its task since epoch 3
		{"a", 3, "g-rep", 1, nil}, // and so is what it reads of an internal topic
		{"a", 3, "t", 3, kerr.StaleMemberEpoch},
		{"a", 2, "t", 0, kerr.StaleMemberEpoch},
		{"a", 3, "nope", 0, kerr.StaleMemberEpoch},
		{"a", 5, "t", 0, kerr.StaleMemberEpoch},
		{"x", 4, "t", 0, kerr.UnknownMemberID},
		{"", -1, "t", 0, nil},
	} {
		req := kmsg.NewPtrTxnOffsetCommitRequest()
		req.Version, req.TransactionalID, req.Group, req.ProducerID = 3, "x", "g", 7
		req.MemberID, req.Generation = test.member, test.epoch
		p := kmsg.NewTxnOffsetCommitRequestTopicPartition()
		p.Partition, p.Offset = test.partition, 5
		req.Topics = []kmsg.TxnOffsetCommitRequestTopic{{Topic: test.topic, Partitions: []kmsg.TxnOffsetCommitRequestTopicPartition{p}}}
		fx := w.shard.Step(w.now, TxnOffsetCommit{ID: 99, Req: req})
		got := fx.Replies[0].Response.(*kmsg.TxnOffsetCommitResponse).Topics[0].Partitions[0].ErrorCode
		if kerr.TypedErrorForCode(got) != test.want || (fx.Txn != nil) != (test.want == nil) {
			t.Errorf("%+v: %s, written %v", test, code(got), fx.Txn != nil)
		}
	}
}
