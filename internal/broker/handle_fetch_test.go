package broker

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestFetchEveryVersion(t *testing.T) {
	h := startBroker(t)
	id := h.createTopic("t", 1)
	c := h.dial()
	c.produce("t", 0, records("a", "b"))
	c.produce("t", 0, records("c"))
	for version := int16(4); version <= 18; version++ {
		for _, isolation := range []int8{0, 1} {
			req := fetchOf("t", id, 0, 1)
			req.IsolationLevel = isolation
			resp := ask[*kmsg.FetchResponse](c, req, version)
			if resp.ErrorCode != 0 || len(resp.Topics) != 1 {
				t.Fatalf("version %d: %+v", version, resp)
			}
			p := resp.Topics[0].Partitions[0]
			if p.ErrorCode != 0 || p.HighWatermark != 3 || p.LastStableOffset != 3 || p.PreferredReadReplica != -1 && version >= 11 {
				t.Errorf("version %d: %+v", version, p)
			}
			if got := values(t, p.RecordBatches, 1); !slices.Equal(got, []string{"b", "c"}) {
				t.Errorf("version %d: %q", version, got)
			}
			if (p.AbortedTransactions != nil) != (isolation == 1) {
				t.Errorf("version %d isolation %d: aborted %v", version, isolation, p.AbortedTransactions)
			}
		}
	}
}

func TestFetchErrors(t *testing.T) {
	h := startBroker(t)
	id := h.createTopic("t", 1)
	h.createTopic("z", 1, "compression.type", "zstd")
	c := h.dial()
	c.produce("t", 0, records("a"))
	tests := []struct {
		name    string
		version int16
		change  func(*kmsg.FetchRequestTopic)
		want    *kerr.Error
	}{
		{"unknown topic", 12, func(t *kmsg.FetchRequestTopic) { t.Topic = "nope" }, kerr.UnknownTopicOrPartition},
		{"unknown id", 13, func(t *kmsg.FetchRequestTopic) { t.TopicID = [16]byte{9} }, kerr.UnknownTopicID},
		{"unknown partition", 12, func(t *kmsg.FetchRequestTopic) { t.Partitions[0].Partition = 5 }, kerr.UnknownTopicOrPartition},
		{"below the start", 12, func(t *kmsg.FetchRequestTopic) { t.Partitions[0].FetchOffset = -1 }, kerr.OffsetOutOfRange},
		{"beyond the end", 12, func(t *kmsg.FetchRequestTopic) { t.Partitions[0].FetchOffset = 2 }, kerr.OffsetOutOfRange},
		{"epoch ahead", 12, func(t *kmsg.FetchRequestTopic) { t.Partitions[0].CurrentLeaderEpoch = 1000 }, kerr.UnknownLeaderEpoch},
	}
	for _, test := range tests {
		req := fetchOf("t", id, 0, 0)
		req.MaxWaitMillis = 30000 // errors are answered at once
		test.change(&req.Topics[0])
		p := ask[*kmsg.FetchResponse](c, req, test.version).Topics[0].Partitions[0]
		if p.ErrorCode != test.want.Code || p.HighWatermark != -1 || len(p.RecordBatches) != 0 {
			t.Errorf("%s: %v, high watermark %d, want %v", test.name, kerr.ErrorForCode(p.ErrorCode), p.HighWatermark, test.want)
		}
	}
}

// Reading at the end is no error: there is only nothing yet.
func TestFetchAtEnd(t *testing.T) {
	h := startBroker(t)
	h.createTopic("t", 1)
	c := h.dial()
	if got := c.consume("t", 0, 0); len(got) != 0 {
		t.Errorf("%q", got)
	}
}

func TestFetchDivergingEpoch(t *testing.T) {
	h := startBroker(t)
	h.createTopic("t", 1)
	c := h.dial()
	c.produce("t", 0, records("a", "b"))
	p, _ := h.replicas.Partition("t", 0)
	req := fetchOf("t", [16]byte{}, 0, 1)
	req.Topics[0].Partitions[0].LastFetchedEpoch = p.LeaderEpoch() + 3
	got := ask[*kmsg.FetchResponse](c, req, 12).Topics[0].Partitions[0]
	if got.ErrorCode != kerr.OffsetOutOfRange.Code {
		t.Errorf("an epoch nobody knows: %+v", got)
	}
	req.Topics[0].Partitions[0].LastFetchedEpoch = p.LeaderEpoch()
	req.Topics[0].Partitions[0].FetchOffset = 2
	if got := ask[*kmsg.FetchResponse](c, req, 12).Topics[0].Partitions[0]; got.ErrorCode != 0 || got.DivergingEpoch.EndOffset != -1 {
		t.Errorf("in agreement: %+v", got)
	}
}

// A fetch waits until there are enough bytes.
func TestFetchWaits(t *testing.T) {
	for _, flush := range []string{"commit", "os"} {
		t.Run(flush, func(t *testing.T) {
			h := startBroker(t, "log.flush", flush)
			h.createTopic("t", 2)
			reader, writer := h.dial(), h.dial()
			req := fetchOf("t", [16]byte{}, 0, 0)
			req.Topics[0].Partitions = append(req.Topics[0].Partitions, req.Topics[0].Partitions[0])
			req.Topics[0].Partitions[1].Partition = 1
			req.MaxWaitMillis, req.MinBytes = 180_000, 250
			reader.send(req, 12)
			var total int
			for i := range 4 { // 4 batches of some 70 bytes on both partitions
				writer.produce("t", int32(i%2), records("ab"))
			}
			resp := reader.receive(req).(*kmsg.FetchResponse)
			for _, p := range resp.Topics[0].Partitions {
				total += len(p.RecordBatches)
			}
			if total < 250 {
				t.Errorf("%d bytes", total)
			}
			// With nothing new the wait ends with the time.
			req = fetchOf("t", [16]byte{}, 0, 2)
			req.MaxWaitMillis = 30
			if p := ask[*kmsg.FetchResponse](reader, req, 12).Topics[0].Partitions[0]; p.ErrorCode != 0 || len(p.RecordBatches) > 0 {
				t.Errorf("%+v", p)
			}
		})
	}
}

// Deleting a topic ends the fetches that wait on it.
func TestFetchOfDeletedTopicEnds(t *testing.T) {
	h := startBroker(t)
	h.createTopic("t", 1)
	reader := h.dial()
	req := fetchOf("t", [16]byte{}, 0, 0)
	req.MaxWaitMillis = 30000
	reader.send(req, 12)
	del := kmsg.NewPtrDeleteTopicsRequest()
	del.TopicNames, del.TimeoutMillis = []string{"t"}, 10000
	if resp := ask[*kmsg.DeleteTopicsResponse](h.dial(), del, 5); resp.Topics[0].ErrorCode != 0 {
		t.Fatalf("%+v", resp)
	}
	p := reader.receive(req).(*kmsg.FetchResponse).Topics[0].Partitions[0]
	if p.ErrorCode != kerr.UnknownTopicOrPartition.Code {
		t.Errorf("%+v", p)
	}
}

// The first batch is returned whole whatever the limits; later partitions keep to them.
func TestFetchLimits(t *testing.T) {
	h := startBroker(t)
	h.createTopic("t", 2)
	c := h.dial()
	for p := range int32(2) {
		c.produce("t", p, records(strings.Repeat("x", 1000)))
		c.produce("t", p, records(strings.Repeat("y", 1000)))
	}
	req := fetchOf("t", [16]byte{}, 0, 0)
	req.Topics[0].Partitions = append(req.Topics[0].Partitions, req.Topics[0].Partitions[0])
	req.Topics[0].Partitions[1].Partition = 1
	req.Topics[0].Partitions[0].PartitionMaxBytes = 10
	req.MaxBytes = 1100
	parts := ask[*kmsg.FetchResponse](c, req, 12).Topics[0].Partitions
	if n := len(values(t, parts[0].RecordBatches, 0)); n != 1 {
		t.Errorf("first: %d records", n)
	}
	if n := len(parts[1].RecordBatches); n != 0 {
		t.Errorf("second: %d bytes", n)
	}
}

func TestFetchSession(t *testing.T) {
	h := startBroker(t)
	id := h.createTopic("t", 3)
	c := h.dial()
	c.produce("t", 1, records("old"))
	full := fetchOf("t", id, 0, 0)
	full.SessionEpoch = 0
	for p := int32(1); p < 3; p++ {
		fp := full.Topics[0].Partitions[0]
		fp.Partition = p
		full.Topics[0].Partitions = append(full.Topics[0].Partitions, fp)
	}
	resp := ask[*kmsg.FetchResponse](c, full, 13)
	if resp.SessionID == 0 || len(resp.Topics[0].Partitions) != 3 {
		t.Fatalf("%+v", resp)
	}
	// Nothing changed: nothing is said, but the epoch goes on.
	next := func(epoch int32, change func(*kmsg.FetchRequest)) *kmsg.FetchResponse {
		req := kmsg.NewPtrFetchRequest()
		req.MaxBytes, req.MinBytes = 1<<20, 1
		req.SessionID, req.SessionEpoch = resp.SessionID, epoch
		if change != nil {
			change(req)
		}
		return ask[*kmsg.FetchResponse](c, req, 13)
	}
	advance := func(req *kmsg.FetchRequest) {
		req.Topics = fetchOf("", id, 1, 1).Topics
	}
	if r := next(1, advance); r.ErrorCode != 0 || len(r.Topics) != 0 || r.SessionID != resp.SessionID {
		t.Errorf("idle: %+v", r)
	}
	c.produce("t", 2, records("new"))
	r := next(2, nil)
	if len(r.Topics) != 1 || len(r.Topics[0].Partitions) != 1 || r.Topics[0].Partitions[0].Partition != 2 {
		t.Fatalf("with data: %+v", r)
	}
	if r := next(2, nil); r.ErrorCode != kerr.InvalidFetchSessionEpoch.Code {
		t.Errorf("epoch again: %d", r.ErrorCode)
	}
	if r := next(3, func(req *kmsg.FetchRequest) { req.SessionID++ }); r.ErrorCode != kerr.FetchSessionIDNotFound.Code {
		t.Errorf("unknown session: %d", r.ErrorCode)
	}
	// Forgetting the partition with data leaves nothing to tell.
	r = next(3, func(req *kmsg.FetchRequest) {
		req.ForgottenTopics = []kmsg.FetchRequestForgottenTopic{{TopicID: id, Partitions: []int32{2}}}
	})
	if r.ErrorCode != 0 || len(r.Topics) != 0 {
		t.Errorf("forgotten: %+v", r)
	}
	if r := next(-1, func(req *kmsg.FetchRequest) { req.Topics = full.Topics }); r.ErrorCode != 0 || r.SessionID != 0 {
		t.Errorf("closing: %+v", r)
	}
	if r := next(4, nil); r.ErrorCode != kerr.FetchSessionIDNotFound.Code {
		t.Errorf("after closing: %d", r.ErrorCode)
	}
}

// A session over many partitions serves all of them in turn although each response has room for one batch.
func TestFetchSessionIsFair(t *testing.T) {
	h := startBroker(t)
	id := h.createTopic("t", 4)
	c := h.dial()
	full := kmsg.NewPtrFetchRequest()
	full.MaxBytes, full.MinBytes, full.SessionEpoch = 1, 1, 0
	topic := kmsg.FetchRequestTopic{TopicID: id}
	for p := range int32(4) {
		c.produce("t", p, records(fmt.Sprint(p)))
		topic.Partitions = append(topic.Partitions, fetchOf("", id, p, 0).Topics[0].Partitions[0])
	}
	full.Topics = append(full.Topics, topic)
	seen := map[int32]int{}
	resp := ask[*kmsg.FetchResponse](c, full, 13)
	session := resp.SessionID
	for epoch := int32(1); epoch <= 8; epoch++ {
		for _, rt := range resp.Topics {
			for _, p := range rt.Partitions {
				if len(p.RecordBatches) > 0 {
					seen[p.Partition]++
				}
			}
		}
		req := kmsg.NewPtrFetchRequest()
		req.MaxBytes, req.MinBytes, req.SessionID, req.SessionEpoch = 1, 1, session, epoch
		resp = ask[*kmsg.FetchResponse](c, req, 13)
	}
	if len(seen) != 4 || seen[0] > 3 {
		t.Errorf("served %v", seen)
	}
}
