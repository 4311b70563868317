package broker

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/base/vfs"
	"leat.dev/internal/wire/batch"
)

// again goes on with the same group and topic on another broker.
func (s *shareSide) again(t *testing.T, h *harness) *shareSide {
	n := &shareSide{t: t, c: h.dial(), id: s.id, topic: s.topic, group: s.group, member: s.member}
	waitFor(t, func() bool { return strings.HasPrefix(n.summary(0), "NONE") })
	return n
}

// What was acknowledged stays so after a power cut, and what was not comes again: whatever else was in flight.
func TestPowerCutKeepsAcknowledgements(t *testing.T) {
	seeds := uint64(12)
	if testing.Short() {
		seeds = 3
	}
	for seed := range seeds {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			disk := vfs.NewMem(seed)
			h := startOn(t, disk, "/log", "share.coordinator.state.topic.num.partitions", "1", "share.coordinator.snapshot.update.records.per.snapshot", "3")
			s := newShareSide(t, h.dial(), "")
			s.initialize(0, 1, 0)
			s.produceBatches(0, 10, 10, 10, 10)
			if got := s.fetch(2, []sharePart{{0, ""}}, atEpoch(0)); !strings.Contains(got, "acquired 0-39/1") {
				t.Fatal(got)
			}
			for i := range 12 { // every third is left out
				o := 3 * i
				if got := s.acknowledge(2, []sharePart{{0, fmt.Sprintf("%d-%d:1,3", o, o+1)}}, s.epoch, false); got != "NONE 0:NONE" {
					t.Fatal(got)
				}
			}
			// More that nobody was told of.
			req := kmsg.NewPtrShareAcknowledgeRequest()
			req.GroupID, req.MemberID, req.ShareSessionEpoch = &s.group, &s.member, s.epoch
			topic, p := kmsg.NewShareAcknowledgeRequestTopic(), kmsg.NewShareAcknowledgeRequestTopicPartition()
			b := kmsg.NewShareAcknowledgeRequestTopicPartitionAcknowledgementBatch()
			b.FirstOffset, b.LastOffset, b.AcknowledgeTypes = 38, 38, []int8{1}
			p.AcknowledgementBatches = append(p.AcknowledgementBatches, b)
			topic.TopicID, topic.Partitions = s.id, append(topic.Partitions, p)
			req.Topics = append(req.Topics, topic)
			s.c.send(req, 2)

			after := startOn(t, disk.Crash(), "/log", "share.coordinator.state.topic.num.partitions", "1")
			n := s.again(t, after)
			got := n.fetch(2, []sharePart{{0, ""}}, atEpoch(0))
			for o := int64(0); o < 40; o++ {
				there := false
				for _, f := range strings.Fields(got[strings.Index(got, "acquired")+len("acquired"):]) {
					var first, last, count int64
					if _, err := fmt.Sscanf(f, "%d-%d/%d", &first, &last, &count); err != nil {
						t.Fatal(err)
					}
					there = there || o >= first && o <= last
				}
				if acked := o < 36 && o%3 != 2; o != 38 && there == acked {
					t.Fatalf("offset %d, acknowledged %v:\n%s", o, acked, got)
				}
			}
		})
	}
}

func TestShareRestart(t *testing.T) {
	h := startBroker(t, "share.coordinator.state.topic.num.partitions", "1")
	s := newShareSide(t, h.dial(), "")
	s.initialize(0, 1, 0)
	s.produceBatches(0, 5, 5)
	s.fetch(2, []sharePart{{0, ""}}, atEpoch(0))
	s.acknowledge(2, []sharePart{{0, "0-3:1 5-5:2"}}, s.epoch, false)
	before := s.read(0, -1)
	h.restart()
	n := s.again(t, h)
	if after := n.read(0, -1); after != before && after != "NONE state=1 start=4 4-9:0/1" && after != "NONE state=1 start=4 4-4:0/1 5-5:0/1 6-9:0/1" {
		t.Fatalf("%s\nafter the restart\n%s", before, after)
	}
	// A shutdown gives back what members had: that counts as a delivery.
	if got := n.fetch(2, []sharePart{{0, ""}}, atEpoch(0)); !strings.Contains(got, "acquired 4-") {
		t.Fatal(got)
	}
}

func TestShareReadCommitted(t *testing.T) {
	h := startBroker(t, "share.coordinator.state.topic.num.partitions", "1", "transaction.partition.verification.enable", "false")
	s := newShareSide(t, h.dial(), "")
	s.initialize(0, 1, 0)
	alter := kmsg.NewPtrIncrementalAlterConfigsRequest()
	alter.Resources = []kmsg.IncrementalAlterConfigsRequestResource{{
		ResourceType: 32, ResourceName: s.group,
		Configs: []kmsg.IncrementalAlterConfigsRequestResourceConfig{{Name: "share.isolation.level", Value: kmsg.StringPtr("read_committed")}},
	}}
	if r := ask[*kmsg.IncrementalAlterConfigsResponse](s.c, alter, 1).Resources[0]; r.ErrorCode != 0 {
		t.Fatal(*r.ErrorMessage)
	}
	// A producer without a coordinator: its markers are written as a coordinator writes them.
	write := func(sequence int32, n int) {
		values := make([]string, n)
		o := batch.BuilderOptions{Producer: &batch.Producer{ID: 7, Epoch: 0, BaseSequence: sequence}, Transactional: true}
		req := produceRequest(s.topic, 0, -1, buildBatch(o, values...))
		req.TransactionID = kmsg.StringPtr("share")
		if code := ask[*kmsg.ProduceResponse](s.c, req, 9).Topics[0].Partitions[0].ErrorCode; code != 0 {
			t.Fatal(codeName(code))
		}
	}
	mark := func(commit bool) {
		req := kmsg.NewPtrWriteTxnMarkersRequest()
		req.Markers = []kmsg.WriteTxnMarkersRequestMarker{{ProducerID: 7, Committed: commit, Topics: []kmsg.WriteTxnMarkersRequestMarkerTopic{{Topic: s.topic, Partitions: []int32{0}}}}}
		if code := ask[*kmsg.WriteTxnMarkersResponse](s.c, req, 1).Markers[0].Topics[0].Partitions[0].ErrorCode; code != 0 {
			t.Fatal(codeName(code))
		}
	}
	write(0, 3) // 0 to 2
	if got := s.fetch(2, []sharePart{{0, ""}}, atEpoch(0)); strings.Contains(got, "acquired") {
		t.Fatal(got)
	}
	mark(false) // 3
	write(3, 2) // 4 and 5
	mark(true)  // 6
	write(5, 2) // 7 and 8
	mark(false) // 9
	if got := s.fetch(2, nil); !strings.Contains(got, "acquired 3-6/1 9-9/1") {
		t.Fatal(got)
	}
	if got := s.acknowledge(2, []sharePart{{0, "3-3:0 4-5:1 6-6:0 9-9:0"}}, s.epoch, false); got != "NONE 0:NONE" {
		t.Fatal(got)
	}
	if got := s.summary(0); !strings.Contains(got, "start=10 complete=0") {
		t.Fatal(got)
	}
}

func TestShareLogStartMoves(t *testing.T) {
	h := startBroker(t, "share.coordinator.state.topic.num.partitions", "1")
	s := newShareSide(t, h.dial(), "")
	s.initialize(0, 1, 0)
	s.produceBatches(0, 5, 5, 5)
	s.fetch(2, []sharePart{{0, ""}}, atEpoch(0), exactly(2))
	del := kmsg.NewPtrDeleteRecordsRequest()
	del.TimeoutMillis = 10000
	del.Topics = []kmsg.DeleteRecordsRequestTopic{{Topic: s.topic, Partitions: []kmsg.DeleteRecordsRequestTopicPartition{{Partition: 0, Offset: 7}}}}
	ask[*kmsg.DeleteRecordsResponse](s.c, del, 2)
	if got := s.fetch(2, nil, most(100)); !strings.Contains(got, "acquired 7-14/1") {
		t.Fatal(got)
	}
	if got := s.acknowledge(2, []sharePart{{0, "0-1:1 7-14:1"}}, s.epoch, false); got != "NONE 0:NONE" {
		t.Fatal(got)
	}
	if got := s.summary(0); !strings.Contains(got, "start=15") {
		t.Fatal(got)
	}
}

// A fetch waits for new records, for records that others give back, and no longer than it says.
func TestShareFetchWaits(t *testing.T) {
	h := startBroker(t, "share.coordinator.state.topic.num.partitions", "1")
	s := newShareSide(t, h.dial(), "")
	s.initialize(0, 1, 0)
	patient := func(r *kmsg.ShareFetchRequest) { r.MaxWaitMillis = 120_000 }
	s.fetch(2, []sharePart{{0, ""}}, atEpoch(0))

	other := &shareSide{t: t, c: h.dial(), id: s.id, topic: s.topic, group: s.group, member: "BBBBBBBBBBBBBBBBBBBBBB"}
	other.fetch(2, []sharePart{{0, ""}}, atEpoch(0))
	news := make(chan string, 1)
	began := time.Now()
	go func() { news <- other.fetch(2, nil, patient) }()
	s.produceBatches(0, 3)
	if got := <-news; !strings.Contains(got, "acquired 0-2/1") {
		t.Fatal(got)
	}
	go func() { news <- s.fetch(2, nil, patient) }()
	if got := other.acknowledge(2, []sharePart{{0, "0-2:2"}}, other.epoch, false); got != "NONE 0:NONE" {
		t.Fatal(got)
	}
	if got := <-news; !strings.Contains(got, "acquired 0-2/2") {
		t.Fatal(got)
	}
	// A connection that closes gives back too, without a word.
	go func() { news <- other.fetch(2, nil, patient) }()
	s.c.Close()
	if got := <-news; !strings.Contains(got, "acquired 0-2/3") {
		t.Fatal(got)
	}
	if took := time.Since(began); took > 110*time.Second {
		t.Fatal(took)
	}
}

func TestShareSessionLimit(t *testing.T) {
	h := startBroker(t, "share.coordinator.state.topic.num.partitions", "1", "group.share.max.share.sessions", "1", "group.share.max.size", "1")
	s := newShareSide(t, h.dial(), "")
	s.initialize(0, 1, 0)
	s.fetch(2, []sharePart{{0, ""}}, atEpoch(0))
	other := &shareSide{t: t, c: h.dial(), id: s.id, topic: s.topic, group: s.group, member: "BBBBBBBBBBBBBBBBBBBBBB"}
	if got := other.fetch(2, []sharePart{{0, ""}}, atEpoch(0)); got != "SHARE_SESSION_LIMIT_REACHED" {
		t.Fatal(got)
	}
	h.Broker.shareMemberGone(s.group, s.member)
	if got := other.fetch(2, []sharePart{{0, ""}}, atEpoch(0)); !strings.HasPrefix(got, "NONE") {
		t.Fatal(got)
	}
	if got := s.fetch(2, nil); got != "SHARE_SESSION_NOT_FOUND" {
		t.Fatal(got)
	}
}
