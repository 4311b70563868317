package broker

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/wire/batch"
)

// stamped builds a batch whose records have the timestamps.
func stamped(timestamps ...int64) []byte {
	b := batch.NewBuilder(batch.BuilderOptions{})
	for _, ts := range timestamps {
		b.Append(ts, nil, []byte("x"), nil)
	}
	out, err := b.Finish()
	if err != nil {
		panic(err)
	}
	return out
}

func listOffset(c *conn, version int16, topic string, partition int32, ts int64, change ...func(*kmsg.ListOffsetsRequest)) kmsg.ListOffsetsResponseTopicPartition {
	c.t.Helper()
	req := kmsg.NewPtrListOffsetsRequest()
	req.ReplicaID = -1
	t := kmsg.NewListOffsetsRequestTopic()
	t.Topic = topic
	p := kmsg.NewListOffsetsRequestTopicPartition()
	p.Partition, p.Timestamp = partition, ts
	t.Partitions = append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	for _, f := range change {
		f(req)
	}
	return ask[*kmsg.ListOffsetsResponse](c, req, version).Topics[0].Partitions[0]
}

func TestListOffsets(t *testing.T) {
	h := startBroker(t)
	h.createTopic("t", 1)
	h.createTopic("empty", 1)
	c := h.dial()
	c.produce("t", 0, stamped(1000, 3000, 2000))
	c.produce("t", 0, stamped(2500, 3000))
	tests := []struct {
		name       string
		topic      string
		version    int16
		ts         int64
		offset, at int64
	}{
		{"latest", "t", 1, -1, 5, -1},
		{"earliest", "t", 1, -2, 0, -1},
		{"max", "t", 7, -3, 1, 3000},
		{"earliest local", "t", 8, -4, 0, -1},
		{"tiered", "t", 9, -5, -1, -1},
		{"pending upload", "t", 11, -6, -1, -1},
		{"before all", "t", 2, 0, 0, 1000},
		{"exact", "t", 4, 3000, 1, 3000},
		{"inside", "t", 11, 1001, 1, 3000},
		{"after all", "t", 11, 3001, -1, -1},
		{"empty latest", "empty", 5, -1, 0, -1},
		{"empty max", "empty", 7, -3, -1, -1},
		{"empty time", "empty", 5, 5, -1, -1},
	}
	for _, test := range tests {
		p := listOffset(c, test.version, test.topic, 0, test.ts)
		if p.ErrorCode != 0 || p.Offset != test.offset || p.Timestamp != test.at {
			t.Errorf("%s: %+v, want offset %d at %d", test.name, p, test.offset, test.at)
		}
		if found := test.offset >= 0; test.version >= 4 && test.topic == "t" && found != (p.LeaderEpoch >= 0) {
			t.Errorf("%s: leader epoch %d", test.name, p.LeaderEpoch)
		}
	}
}

func TestListOffsetsErrors(t *testing.T) {
	h := startBroker(t)
	h.createTopic("t", 1)
	c := h.dial()
	for _, test := range []struct {
		version int16
		ts      int64
	}{{6, -3}, {7, -4}, {8, -5}, {10, -6}, {11, -7}, {11, -100}} {
		if p := listOffset(c, test.version, "t", 0, test.ts); p.ErrorCode != kerr.UnsupportedVersion.Code || p.Offset != -1 {
			t.Errorf("version %d timestamp %d: %+v", test.version, test.ts, p)
		}
	}
	if p := listOffset(c, 5, "nope", 0, -1); p.ErrorCode != kerr.UnknownTopicOrPartition.Code {
		t.Errorf("unknown topic: %+v", p)
	}
	if p := listOffset(c, 5, "t", 3, -1); p.ErrorCode != kerr.UnknownTopicOrPartition.Code {
		t.Errorf("unknown partition: %+v", p)
	}
	ahead := func(r *kmsg.ListOffsetsRequest) { r.Topics[0].Partitions[0].CurrentLeaderEpoch = 99 }
	if p := listOffset(c, 5, "t", 0, -1, ahead); p.ErrorCode != kerr.UnknownLeaderEpoch.Code {
		t.Errorf("epoch ahead: %+v", p)
	}
	twice := func(r *kmsg.ListOffsetsRequest) {
		r.Topics[0].Partitions = append(r.Topics[0].Partitions, r.Topics[0].Partitions[0])
	}
	if p := listOffset(c, 5, "t", 0, -1, twice); p.ErrorCode != kerr.InvalidRequest.Code {
		t.Errorf("twice: %+v", p)
	}
}

func deleteRecords(c *conn, topic string, partition int32, offset int64) kmsg.DeleteRecordsResponseTopicPartition {
	req := kmsg.NewPtrDeleteRecordsRequest()
	req.TimeoutMillis = 1000
	req.Topics = []kmsg.DeleteRecordsRequestTopic{{
		Topic: topic, Partitions: []kmsg.DeleteRecordsRequestTopicPartition{{Partition: partition, Offset: offset}},
	}}
	return ask[*kmsg.DeleteRecordsResponse](c, req, 2).Topics[0].Partitions[0]
}

func TestDeleteRecords(t *testing.T) {
	h := startBroker(t)
	h.createTopic("t", 1)
	h.createTopic("compacted", 1, "cleanup.policy", "compact")
	c := h.dial()
	c.produce("t", 0, records("a", "b", "c", "d"))
	if p := deleteRecords(c, "t", 0, 2); p.ErrorCode != 0 || p.LowWatermark != 2 {
		t.Errorf("%+v", p)
	}
	if p := deleteRecords(c, "t", 0, 1); p.ErrorCode != 0 || p.LowWatermark != 2 {
		t.Errorf("backwards: %+v", p)
	}
	for _, bad := range []struct {
		topic     string
		partition int32
		offset    int64
		want      *kerr.Error
	}{
		{"t", 0, 5, kerr.OffsetOutOfRange}, {"t", 0, -2, kerr.OffsetOutOfRange}, {"t", 9, 0, kerr.UnknownTopicOrPartition},
		{"nope", 0, 0, kerr.UnknownTopicOrPartition}, {"compacted", 0, 0, kerr.PolicyViolation},
	} {
		if p := deleteRecords(c, bad.topic, bad.partition, bad.offset); p.ErrorCode != bad.want.Code || p.LowWatermark != -1 {
			t.Errorf("%s-%d at %d: %+v", bad.topic, bad.partition, bad.offset, p)
		}
	}
	h.restart()
	c = h.dial()
	if p := listOffset(c, 5, "t", 0, -2); p.Offset != 2 {
		t.Errorf("start after a restart: %+v", p)
	}
	if p := deleteRecords(c, "t", 0, -1); p.ErrorCode != 0 || p.LowWatermark != 4 {
		t.Errorf("all: %+v", p)
	}
	if got := c.consume("t", 0, 4); len(got) != 0 {
		t.Errorf("read %q", got)
	}
}

func TestOffsetForLeaderEpoch(t *testing.T) {
	h := startBroker(t)
	h.createTopic("t", 1)
	c := h.dial()
	c.produce("t", 0, records("a", "b"))
	p, _ := h.replicas.Partition("t", 0)
	epoch := p.LeaderEpoch()
	query := func(version int16, topic string, current, asked int32) kmsg.OffsetForLeaderEpochResponseTopicPartition {
		req := kmsg.NewPtrOffsetForLeaderEpochRequest()
		req.Topics = []kmsg.OffsetForLeaderEpochRequestTopic{{
			Topic: topic, Partitions: []kmsg.OffsetForLeaderEpochRequestTopicPartition{{CurrentLeaderEpoch: current, LeaderEpoch: asked}},
		}}
		return ask[*kmsg.OffsetForLeaderEpochResponse](c, req, version).Topics[0].Partitions[0]
	}
	for version := int16(2); version <= 4; version++ {
		if r := query(version, "t", epoch, epoch); r.ErrorCode != 0 || r.LeaderEpoch != epoch || r.EndOffset != 2 {
			t.Errorf("version %d: %+v", version, r)
		}
	}
	if r := query(4, "t", -1, epoch+1); r.ErrorCode != 0 || r.LeaderEpoch != -1 || r.EndOffset != -1 {
		t.Errorf("epoch to come: %+v", r)
	}
	if r := query(4, "t", epoch+1, epoch); r.ErrorCode != kerr.UnknownLeaderEpoch.Code || r.EndOffset != -1 {
		t.Errorf("client ahead: %+v", r)
	}
	if r := query(4, "nope", -1, 0); r.ErrorCode != kerr.UnknownTopicOrPartition.Code {
		t.Errorf("unknown topic: %+v", r)
	}
}

func TestDescribeLogDirs(t *testing.T) {
	h := startBroker(t)
	h.createTopic("a", 2)
	h.createTopic("b", 1)
	c := h.dial()
	c.produce("a", 1, records("some bytes"))
	for version := int16(1); version <= 5; version++ {
		req := kmsg.NewPtrDescribeLogDirsRequest()
		resp := ask[*kmsg.DescribeLogDirsResponse](c, req, version)
		if len(resp.Dirs) != 1 || resp.Dirs[0].ErrorCode != 0 || len(resp.Dirs[0].Topics) != 2 || len(resp.Dirs[0].Topics[0].Partitions) != 2 {
			t.Fatalf("version %d: %+v", version, resp)
		}
		if version >= 4 && resp.Dirs[0].TotalBytes < 0 {
			t.Errorf("version %d: total %d", version, resp.Dirs[0].TotalBytes)
		}
		req.Topics = []kmsg.DescribeLogDirsRequestTopic{{Topic: "a", Partitions: []int32{1, 7}}, {Topic: "nope", Partitions: []int32{0}}}
		resp = ask[*kmsg.DescribeLogDirsResponse](c, req, version)
		if len(resp.Dirs[0].Topics) != 1 || len(resp.Dirs[0].Topics[0].Partitions) != 1 || resp.Dirs[0].Topics[0].Partitions[0].Size == 0 {
			t.Errorf("version %d: %+v", version, resp)
		}
	}
}

func TestDescribeProducers(t *testing.T) {
	h := startBroker(t)
	h.createTopic("t", 1)
	c := h.dial()
	c.produce("t", 0, buildBatch(batch.BuilderOptions{Producer: &batch.Producer{ID: 7, Epoch: 2}}, "x", "y"))
	req := kmsg.NewPtrDescribeProducersRequest()
	req.Topics = []kmsg.DescribeProducersRequestTopic{{Topic: "t", Partitions: []int32{0, 4}}}
	parts := ask[*kmsg.DescribeProducersResponse](c, req, 0).Topics[0].Partitions
	if len(parts[0].ActiveProducers) != 1 {
		t.Fatalf("%+v", parts)
	}
	if p := parts[0].ActiveProducers[0]; p.ProducerID != 7 || p.ProducerEpoch != 2 || p.LastSequence != 1 || p.CurrentTxnStartOffset != -1 {
		t.Errorf("%+v", p)
	}
	if parts[1].ErrorCode != kerr.UnknownTopicOrPartition.Code || parts[1].ErrorMessage != nil {
		t.Errorf("%+v", parts[1])
	}
}
