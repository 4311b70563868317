package broker

import (
	"encoding/base64"
	"flag"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/wire/batch"
)

var rewriteShare = flag.Bool("rewrite-share", false, "rewrite testdata/share-fetch.txt")

// shareSide speaks the protocol of share groups to one broker, and writes down what comes of it.
type shareSide struct {
	t      *testing.T
	c      *conn
	id     [16]byte
	topic  string
	group  string
	member string
	epoch  int32
	out    strings.Builder
}

func (s *shareSide) say(format string, args ...any) { fmt.Fprintf(&s.out, format+"\n", args...) }

func codeName(code int16) string {
	if err := kerr.TypedErrorForCode(code); err != nil {
		return err.Message
	}
	return "NONE"
}

// initialize makes the state of a partition of the topic.
func (s *shareSide) initialize(partition, stateEpoch int32, start int64) string {
	req := kmsg.NewPtrInitializeShareGroupStateRequest()
	req.GroupID = s.group
	t, p := kmsg.NewInitializeShareGroupStateRequestTopic(), kmsg.NewInitializeShareGroupStateRequestTopicPartition()
	t.TopicID, p.Partition, p.StateEpoch, p.StartOffset = s.id, partition, stateEpoch, start
	t.Partitions = append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	return codeName(ask[*kmsg.InitializeShareGroupStateResponse](s.c, req, 0).Topics[0].Partitions[0].ErrorCode)
}

func (s *shareSide) write(partition, stateEpoch, leaderEpoch int32, start int64, batches ...kmsg.WriteShareGroupStateRequestTopicPartitionStateBatch) string {
	req := kmsg.NewPtrWriteShareGroupStateRequest()
	req.GroupID = s.group
	t, p := kmsg.NewWriteShareGroupStateRequestTopic(), kmsg.NewWriteShareGroupStateRequestTopicPartition()
	t.TopicID, p.Partition, p.StateEpoch, p.LeaderEpoch, p.StartOffset, p.StateBatches = s.id, partition, stateEpoch, leaderEpoch, start, batches
	t.Partitions = append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	return codeName(ask[*kmsg.WriteShareGroupStateResponse](s.c, req, 1).Topics[0].Partitions[0].ErrorCode)
}

func stateBatch(first, last int64, state int8, count int16) kmsg.WriteShareGroupStateRequestTopicPartitionStateBatch {
	b := kmsg.NewWriteShareGroupStateRequestTopicPartitionStateBatch()
	b.FirstOffset, b.LastOffset, b.DeliveryState, b.DeliveryCount = first, last, state, count
	return b
}

func (s *shareSide) read(partition, leaderEpoch int32) string {
	req := kmsg.NewPtrReadShareGroupStateRequest()
	req.GroupID = s.group
	t, p := kmsg.NewReadShareGroupStateRequestTopic(), kmsg.NewReadShareGroupStateRequestTopicPartition()
	t.TopicID, p.Partition, p.LeaderEpoch = s.id, partition, leaderEpoch
	t.Partitions = append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	r := ask[*kmsg.ReadShareGroupStateResponse](s.c, req, 0).Topics[0].Partitions[0]
	out := fmt.Sprintf("%s state=%d start=%d", codeName(r.ErrorCode), r.StateEpoch, r.StartOffset)
	for _, b := range r.StateBatches {
		out += fmt.Sprintf(" %d-%d:%d/%d", b.FirstOffset, b.LastOffset, b.DeliveryState, b.DeliveryCount)
	}
	return out
}

func (s *shareSide) summary(partition int32) string {
	req := kmsg.NewPtrReadShareGroupStateSummaryRequest()
	req.GroupID = s.group
	t, p := kmsg.NewReadShareGroupStateSummaryRequestTopic(), kmsg.NewReadShareGroupStateSummaryRequestTopicPartition()
	t.TopicID, p.Partition = s.id, partition
	t.Partitions = append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	r := ask[*kmsg.ReadShareGroupStateSummaryResponse](s.c, req, 1).Topics[0].Partitions[0]
	return fmt.Sprintf("%s state=%d leader=%d start=%d complete=%d", codeName(r.ErrorCode), r.StateEpoch, r.LeaderEpoch, r.StartOffset, r.DeliveryCompleteCount)
}

func (s *shareSide) delete(partition int32) string {
	req := kmsg.NewPtrDeleteShareGroupStateRequest()
	req.GroupID = s.group
	t, p := kmsg.NewDeleteShareGroupStateRequestTopic(), kmsg.NewDeleteShareGroupStateRequestTopicPartition()
	t.TopicID, p.Partition = s.id, partition
	t.Partitions = append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	return codeName(ask[*kmsg.DeleteShareGroupStateResponse](s.c, req, 0).Topics[0].Partitions[0].ErrorCode)
}

// sharePart is a partition in a request: with acknowledgements "first-last:type[,type]".
type sharePart struct {
	partition int32
	acks      string
}

func parseAcks(text string) (out []kmsg.ShareFetchRequestTopicPartitionAcknowledgementBatch) {
	for _, one := range strings.Fields(text) {
		b := kmsg.NewShareFetchRequestTopicPartitionAcknowledgementBatch()
		span, types, _ := strings.Cut(one, ":")
		if _, err := fmt.Sscanf(span, "%d-%d", &b.FirstOffset, &b.LastOffset); err != nil {
			panic(err)
		}
		for _, t := range strings.Split(types, ",") {
			if t != "" {
				b.AcknowledgeTypes = append(b.AcknowledgeTypes, int8(t[0]-'0'))
			}
		}
		out = append(out, b)
	}
	return out
}

type fetchOption func(*kmsg.ShareFetchRequest)

func atEpoch(e int32) fetchOption { return func(r *kmsg.ShareFetchRequest) { r.ShareSessionEpoch = e } }
func most(n int32) fetchOption    { return func(r *kmsg.ShareFetchRequest) { r.MaxRecords = n } }
func exactly(n int32) fetchOption {
	return func(r *kmsg.ShareFetchRequest) { r.MaxRecords, r.ShareAcquireMode = n, 1 }
}
func renewing(r *kmsg.ShareFetchRequest) {
	r.IsRenewAck, r.MaxBytes, r.MinBytes, r.MaxRecords, r.MaxWaitMillis = true, 0, 0, 0, 0
}

// fetch sends a ShareFetch under the next epoch of the session, and says what came.
func (s *shareSide) fetch(version int16, parts []sharePart, options ...fetchOption) string {
	req := kmsg.NewPtrShareFetchRequest()
	req.GroupID, req.MemberID, req.ShareSessionEpoch = &s.group, &s.member, s.epoch
	req.MaxWaitMillis, req.MinBytes, req.MaxBytes, req.MaxRecords, req.BatchSize = 300, 1, 1<<20, 100, 100
	if len(parts) > 0 {
		t := kmsg.NewShareFetchRequestTopic()
		t.TopicID = s.id
		for _, part := range parts {
			p := kmsg.NewShareFetchRequestTopicPartition()
			p.Partition, p.AcknowledgementBatches = part.partition, parseAcks(part.acks)
			t.Partitions = append(t.Partitions, p)
		}
		req.Topics = append(req.Topics, t)
	}
	for _, o := range options {
		o(req)
	}
	resp := ask[*kmsg.ShareFetchResponse](s.c, req, version)
	if resp.ErrorCode == 0 && req.ShareSessionEpoch >= 0 {
		s.epoch = req.ShareSessionEpoch + 1
	}
	out := codeName(resp.ErrorCode)
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			if p.ErrorCode == 0 && p.AcknowledgeErrorCode == 0 && len(p.AcquiredRecords) == 0 && len(parts) == 0 {
				continue
			}
			out += fmt.Sprintf("\n  %d %s ack=%s", p.Partition, codeName(p.ErrorCode), codeName(p.AcknowledgeErrorCode))
			if len(p.Records) > 0 {
				out += " records"
			}
			for b, err := range batch.Split(p.Records) {
				if err != nil {
					s.t.Fatal(err)
				}
				h := b.Header()
				out += fmt.Sprintf(" %d-%d", h.BaseOffset, h.LastOffset())
			}
			if len(p.AcquiredRecords) > 0 {
				out += " acquired"
			}
			for i := 0; i < len(p.AcquiredRecords); i++ {
				a := p.AcquiredRecords[i]
				// Kafka keeps apart what was acquired apart before.
				for ; i+1 < len(p.AcquiredRecords) && p.AcquiredRecords[i+1].DeliveryCount == a.DeliveryCount && p.AcquiredRecords[i+1].FirstOffset == a.LastOffset+1; i++ {
					a.LastOffset = p.AcquiredRecords[i+1].LastOffset
				}
				out += fmt.Sprintf(" %d-%d/%d", a.FirstOffset, a.LastOffset, a.DeliveryCount)
			}
		}
	}
	return out
}

func (s *shareSide) acknowledge(version int16, parts []sharePart, epoch int32, renew bool) string {
	req := kmsg.NewPtrShareAcknowledgeRequest()
	req.GroupID, req.MemberID, req.ShareSessionEpoch, req.IsRenewAck = &s.group, &s.member, epoch, renew
	if len(parts) > 0 {
		t := kmsg.NewShareAcknowledgeRequestTopic()
		t.TopicID = s.id
		for _, part := range parts {
			p := kmsg.NewShareAcknowledgeRequestTopicPartition()
			p.Partition = part.partition
			for _, a := range parseAcks(part.acks) {
				b := kmsg.NewShareAcknowledgeRequestTopicPartitionAcknowledgementBatch()
				b.FirstOffset, b.LastOffset, b.AcknowledgeTypes = a.FirstOffset, a.LastOffset, a.AcknowledgeTypes
				p.AcknowledgementBatches = append(p.AcknowledgementBatches, b)
			}
			t.Partitions = append(t.Partitions, p)
		}
		req.Topics = append(req.Topics, t)
	}
	resp := ask[*kmsg.ShareAcknowledgeResponse](s.c, req, version)
	if resp.ErrorCode == 0 && epoch >= 0 {
		s.epoch = epoch + 1
	}
	out := codeName(resp.ErrorCode)
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			out += fmt.Sprintf(" %d:%s", p.Partition, codeName(p.ErrorCode))
		}
	}
	return out
}

// produceBatches writes a batch for each size.
func (s *shareSide) produceBatches(partition int32, sizes ...int) {
	for _, n := range sizes {
		values := make([]string, n)
		for i := range values {
			values[i] = strings.Repeat("x", 20)
		}
		s.c.produce(s.topic, partition, records(values...))
	}
}

func newShareSide(t *testing.T, c *conn, suffix string) *shareSide {
	s := &shareSide{t: t, c: c, topic: "share-differ" + suffix, group: "share-differ" + suffix, member: "AAAAAAAAAAAAAAAAAAAAAA"}
	createTopicBy(t, c, s.topic, 3)
	s.id = topicID(c, s.topic)
	waitFor(t, func() bool {
		find := kmsg.NewPtrFindCoordinatorRequest()
		find.CoordinatorType, find.CoordinatorKeys = 2, []string{s.group + ":" + encodeID(s.id) + ":0"}
		return ask[*kmsg.FindCoordinatorResponse](c, find, 6).Coordinators[0].ErrorCode == 0
	})
	waitFor(t, func() bool {
		return strings.HasPrefix(s.summary(2), "NONE") && strings.HasPrefix(s.summary(1), "NONE") && strings.HasPrefix(s.summary(0), "NONE")
	})
	return s
}

func createTopicBy(t *testing.T, c *conn, name string, partitions int32) {
	t.Helper()
	req := kmsg.NewPtrCreateTopicsRequest()
	req.TimeoutMillis = 10000
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic, topic.NumPartitions, topic.ReplicationFactor = name, partitions, 1
	req.Topics = append(req.Topics, topic)
	if code := ask[*kmsg.CreateTopicsResponse](c, req, 7).Topics[0].ErrorCode; code != 0 {
		t.Fatal(codeName(code))
	}
	waitFor(t, func() bool { return listOffset(c, 5, name, partitions-1, -1).ErrorCode == 0 })
}

// play is the conversation.
func (s *shareSide) play() {
	s.say("# the state of share-partitions")
	s.say("write uninitialized: %s", s.write(0, 1, 0, 5))
	s.say("read uninitialized: %s", s.read(0, 0))
	s.say("summary uninitialized: %s", s.summary(0))
	s.say("delete uninitialized: %s", s.delete(0))
	s.say("initialize a partition that is not there: %s", s.initialize(9, 1, 0))
	s.say("initialize a negative partition: %s", s.initialize(-1, 1, 0))
	s.say("initialize: %s", s.initialize(2, 3, -1))
	s.say("summary: %s", s.summary(2))
	s.say("again under an older epoch: %s", s.initialize(2, 2, 7))
	s.say("again: %s", s.initialize(2, 3, 10))
	s.say("write: %s", s.write(2, 3, 0, 10, stateBatch(10, 14, 2, 1), stateBatch(15, 19, 0, 1), stateBatch(25, 29, 4, 2)))
	s.say("read: %s", s.read(2, 0))
	s.say("overlapping write: %s", s.write(2, 3, 0, 12, stateBatch(13, 26, 0, 2), stateBatch(27, 40, 0, 1)))
	s.say("read: %s", s.read(2, 4))
	s.say("write of an older leader: %s", s.write(2, 3, 3, 13))
	s.say("read of an older leader: %s", s.read(2, 3))
	s.say("write of an older state: %s", s.write(2, 2, 4, 13))
	s.say("write that moves nothing: %s", s.write(2, 3, 4, -1))
	s.say("summary: %s", s.summary(2))
	s.say("delete: %s", s.delete(2))
	s.say("read: %s", s.read(2, 4))

	s.say("# sessions")
	part := func(n int32, acks ...string) []sharePart { return []sharePart{{n, strings.Join(acks, " ")}} }
	s.say("fetch without state: %s", s.fetch(2, part(0)))
	s.epoch = 0
	s.say("initialize: %s", s.initialize(0, 1, 0))
	s.say("continue without a session: %s", s.fetch(2, nil, atEpoch(5)))
	s.say("close without a session: %s", s.acknowledge(2, nil, -1, false))
	s.say("acknowledgements at the start: %s", s.fetch(2, part(0, "0-1:1"), atEpoch(0)))
	s.produceBatches(0, 2, 3, 1)
	s.say("open: %s", s.fetch(2, part(0), atEpoch(0)))
	s.say("an epoch too far: %s", s.fetch(2, nil, atEpoch(7)))
	s.say("acknowledge under epoch 0: %s", s.acknowledge(2, part(0, "0-0:1"), 0, false))
	s.say("nothing new: %s", s.fetch(2, nil))

	s.say("# acknowledgements")
	ack := func(acks ...string) string { return s.acknowledge(2, part(0, acks...), s.epoch, false) }
	s.say("backwards: %s", ack("3-2:1"))
	s.say("no types: %s", ack("0-1:"))
	s.say("too few types: %s", ack("0-2:1,1"))
	s.say("unknown type: %s", ack("0-1:7"))
	s.say("overlapping batches: %s", ack("0-2:1", "1-3:1"))
	s.say("renew without saying so: %s", ack("0-1:4"))
	s.say("past the end: %s", ack("4-9:1"))
	s.say("not fetched: %s", s.acknowledge(2, part(1, "0-1:1"), s.epoch, false))
	s.say("partition that is not there: %s", s.acknowledge(2, part(9, "0-1:1"), s.epoch, false))
	s.say("accept, release, reject: %s", ack("0-2:1,2,3"))
	s.say("again: %s", ack("0-0:1"))
	s.say("summary: %s", s.summaryLag(0, 6))
	s.say("what was released: %s", s.fetch(2, nil))
	s.say("another's: %s", s.as("BBBBBBBBBBBBBBBBBBBBBB", func() string { return s.fetch(2, part(0), atEpoch(0)) + "\n  then " + ack("3-3:1") }))
	s.say("renew: %s", s.acknowledge(2, part(0, "3-3:4"), s.epoch, true))
	s.say("renew with a fetch: %s", s.fetch(2, part(0, "3-3:4"), func(r *kmsg.ShareFetchRequest) { r.IsRenewAck = true }))
	s.say("renew by a fetch: %s", s.fetch(2, part(0, "3-3:4"), renewing))
	s.say("renew in version 1: %s", s.fetch(1, part(0, "3-3:4")))
	s.say("gap: %s", ack("3-3:0"))
	s.say("accept with a fetch: %s", s.fetch(1, part(0, "1-1:1", "4-5:1")))
	s.say("below the start: %s", ack("0-3:1"))
	s.say("summary: %s", s.summaryLag(0, 6))

	s.say("# how much")
	s.produceBatches(0, 4, 4, 4)
	s.say("batches are whole: %s", s.fetch(2, nil, most(5)))
	s.say("one record: %s", s.fetch(2, nil, exactly(1)))
	s.say("two more: %s", s.fetch(2, nil, exactly(2)))
	s.say("release: %s", ack("6-16:2"))
	s.say("exactly: %s", s.fetch(2, nil, exactly(3)))
	s.say("the rest: %s", s.fetch(2, nil))
	s.say("no bytes: %s", s.fetch(2, nil, func(r *kmsg.ShareFetchRequest) { r.MaxBytes = 0 }))
	s.say("no records: %s", s.fetch(2, nil, most(0)))

	s.say("# partitions")
	s.say("initialize: %s", s.initialize(1, 1, 0))
	s.produceBatches(1, 2)
	s.say("one more: %s", s.fetch(2, part(1)))
	s.say("not there: %s", s.fetch(2, part(7)))
	s.say("forgotten: %s", s.fetch(2, nil, func(r *kmsg.ShareFetchRequest) {
		f := kmsg.NewShareFetchRequestForgottenTopicsData()
		f.TopicID, f.Partitions = s.id, []int32{7}
		r.ForgottenTopicsData = append(r.ForgottenTopicsData, f)
	}))

	s.say("# the end")
	s.say("close: %s", s.fetch(2, part(1, "0-0:1"), atEpoch(-1)))
	s.say("closed: %s", s.fetch(2, nil))
	s.say("what comes again: %s", s.fetch(2, part(1), atEpoch(0)))
	s.say("close: %s", s.acknowledge(2, part(1, "1-1:1"), -1, false))
	s.say("no group: %s", s.fetch(2, nil, func(r *kmsg.ShareFetchRequest) { r.GroupID = nil }))
	s.say("no member: %s", s.fetch(2, nil, func(r *kmsg.ShareFetchRequest) { r.MemberID = nil }))
	s.say("long member: %s", s.fetch(2, nil, func(r *kmsg.ShareFetchRequest) { r.MemberID = kmsg.StringPtr(strings.Repeat("m", 37)) }))
}

// summaryLag is the number of records before end that are not done: Kafka writes down the start offset with the change
// after the one that moves it, so only the sum is the same.
func (s *shareSide) summaryLag(partition int32, end int64) string {
	var state, leader, complete int32
	var start int64
	if _, err := fmt.Sscanf(s.summary(partition), "NONE state=%d leader=%d start=%d complete=%d", &state, &leader, &start, &complete); err != nil {
		return s.summary(partition)
	}
	return fmt.Sprint("lag ", end-start-int64(complete))
}

// as does something as another member.
func (s *shareSide) as(member string, do func() string) string {
	was, epoch := s.member, s.epoch
	defer func() { s.member, s.epoch = was, epoch }()
	s.member = member
	return do()
}

// TestShareConversation compares a conversation about shared records with the one written down in testdata, which is Apache
// Kafka's too, but for the differences it names:
//
//	LEAT_REFERENCE_BROKER=127.0.0.1:9092 go test ./internal/broker -run TestShareConversation
func TestShareConversation(t *testing.T) {
	h := startBroker(t, "share.coordinator.state.topic.num.partitions", "2")
	ours := newShareSide(t, h.dial(), "")
	ours.play()
	const file = "testdata/share-fetch.txt"
	if *rewriteShare {
		if err := os.WriteFile(file, []byte(ours.out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	compareLines(t, "leat", ours.out.String(), string(want))
	reference := os.Getenv("LEAT_REFERENCE_BROKER")
	if reference == "" {
		return
	}
	nc, err := net.Dial("tcp", reference)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	theirs := newShareSide(t, &conn{t: t, Conn: nc, id: "test"}, fmt.Sprintf("-%d", time.Now().UnixNano()))
	theirs.play()
	compareLines(t, "kafka", theirs.out.String(), string(want))
}

func compareLines(t *testing.T, name, got, want string) {
	t.Helper()
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range max(len(g), len(w)) {
		var a, b string
		if i < len(g) {
			a = g[i]
		}
		if i < len(w) {
			b = w[i]
		}
		if a != b {
			t.Errorf("line %d\n %-6s %s\n wanted %s", i+1, name, a, b)
		}
	}
}

func encodeID(id [16]byte) string { return base64.RawURLEncoding.EncodeToString(id[:]) }
