package broker

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/wire/batch"
)

// side is one of the two brokers that are compared: ours, or the one that LEAT_REFERENCE_BROKER names.
type side struct {
	name string
	dial func() *conn
	id   [16]byte
}

// step is one request whose response both brokers have to agree on. A nil request means a fresh topic is all it takes.
type step struct {
	name    string
	version int16
	request func(s *side) kmsg.Request
}

// TestAgainstKafka sends the same requests to this broker and to a running Apache Kafka, and compares what they answer,
// field by field:
//
//	LEAT_REFERENCE_BROKER=127.0.0.1:9092 go test ./internal/broker -run TestAgainstKafka
func TestAgainstKafka(t *testing.T) {
	ours, theirs := compared(t, "LEAT_REFERENCE_BROKER", 20*time.Second)
	sides := []*side{{name: "leat", dial: ours}, {name: "kafka", dial: theirs}}
	topics := []string{"differ", "differ-compact", "differ-time", "differ-zstd"}
	configs := map[string][]string{
		"differ-compact": {"cleanup.policy", "compact"},
		"differ-time":    {"message.timestamp.type", "LogAppendTime"},
		"differ-zstd":    {"compression.type", "zstd"},
		"differ":         {"max.message.bytes", "2000"},
	}
	for _, s := range sides {
		c := s.dial()
		del := kmsg.NewPtrDeleteTopicsRequest()
		del.TopicNames, del.TimeoutMillis = topics, 10000
		ask[*kmsg.DeleteTopicsResponse](c, del, 5)
		for _, name := range topics {
			createUntilDone(t, c, name, configs[name])
		}
		s.id = topicID(c, "differ")
	}
	for _, st := range differSteps() {
		var got [2]string
		for i, s := range sides {
			got[i] = outcome(s, st)
		}
		if got[0] != got[1] {
			t.Errorf("%s (version %d):\n leat  %s\n kafka %s", st.name, st.version, got[0], got[1])
		}
	}
}

// compared starts a broker and returns how to connect to it, and to the running Apache Kafka that an environment
// variable names; a connection to that lasts for so long. Without one the test is skipped.
func compared(t *testing.T, variable string, lasting time.Duration) (ours, theirs func() *conn) {
	t.Helper()
	reference := os.Getenv(variable)
	if reference == "" {
		t.Skip(variable + " does not name an Apache Kafka to compare with")
	}
	return startBroker(t).dial, func() *conn {
		nc, err := net.Dial("tcp", reference)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { nc.Close() })
		if err := nc.SetDeadline(time.Now().Add(lasting)); err != nil {
			t.Fatal(err)
		}
		return &conn{t: t, Conn: nc, id: "test"}
	}
}

// createUntilDone creates a topic; a reference that still deletes the last run's is asked again.
func createUntilDone(t *testing.T, c *conn, name string, configs []string) {
	t.Helper()
	waitFor(t, func() bool {
		req := kmsg.NewPtrCreateTopicsRequest()
		req.TimeoutMillis = 10000
		topic := kmsg.NewCreateTopicsRequestTopic()
		topic.Topic, topic.NumPartitions, topic.ReplicationFactor = name, 1, 1
		for i := 0; i+1 < len(configs); i += 2 {
			topic.Configs = append(topic.Configs, kmsg.CreateTopicsRequestTopicConfig{Name: configs[i], Value: &configs[i+1]})
		}
		req.Topics = append(req.Topics, topic)
		return ask[*kmsg.CreateTopicsResponse](c, req, 7).Topics[0].ErrorCode == 0
	})
	// Kafka answers before the topic can be written to.
	waitFor(t, func() bool {
		return listOffset(c, 5, name, 0, -1).ErrorCode == 0
	})
}

func topicID(c *conn, name string) [16]byte {
	req := kmsg.NewPtrMetadataRequest()
	topic := kmsg.NewMetadataRequestTopic()
	topic.Topic = &name
	req.Topics = append(req.Topics, topic)
	return ask[*kmsg.MetadataResponse](c, req, 12).Topics[0].TopicID
}

// outcome is the response in a form that can be compared: without what differs by nature.
func outcome(s *side, st step) string {
	c := s.dial()
	defer c.Close()
	req := st.request(s)
	c.send(req, st.version)
	resp, err := c.tryReceive(req)
	if err != nil {
		return "closed"
	}
	if f, ok := resp.(*kmsg.FetchResponse); ok {
		f.SessionID = min(f.SessionID, 1)
	}
	b, err := json.Marshal(resp)
	if err != nil {
		return err.Error()
	}
	// Our messages say more than Kafka's, and some of Kafka's starts of the log are not given with errors here.
	out := messages.ReplaceAllString(string(b), "")
	return strings.ReplaceAll(out, jsonID(s.id), `"ID"`)
}

var messages = regexp.MustCompile(`"ErrorMessage":(null|"[^"]*"),|("ErrorCode":(87|2),"BaseOffset":-1,"LogAppendTime":-1,)"LogStartOffset":-?\d+,`)

func jsonID(id [16]byte) string {
	b, _ := json.Marshal(id)
	return string(b)
}

func differSteps() []step {
	const ts = 1_600_000_000_000
	at := func(values ...string) []byte {
		b := batch.NewBuilder(batch.BuilderOptions{})
		for i, v := range values {
			b.Append(ts+int64(i), nil, []byte(v), nil)
		}
		out, _ := b.Finish()
		return out
	}
	produce := func(topic string, partition int32, acks int16, data []byte, change ...func(*kmsg.ProduceRequest)) func(*side) kmsg.Request {
		return func(s *side) kmsg.Request {
			req := produceRequest(topic, partition, acks, append([]byte{}, data...))
			req.Topics[0].TopicID = s.id
			for _, f := range change {
				f(req)
			}
			return req
		}
	}
	patched := func(at int, v byte) []byte {
		b := records("x")
		b[at] = v
		return b
	}
	pid := func(id int64, epoch int16, seq int32) []byte {
		b := batch.NewBuilder(batch.BuilderOptions{Producer: &batch.Producer{ID: id, Epoch: epoch, BaseSequence: seq}})
		b.Append(ts, nil, []byte("x"), nil)
		out, _ := b.Finish()
		return out
	}
	txn := buildBatch(batch.BuilderOptions{Transactional: true, Producer: &batch.Producer{ID: 77}}, "x")
	var steps []step
	add := func(name string, version int16, request func(*side) kmsg.Request) {
		steps = append(steps, step{name, version, request})
	}
	for version := int16(3); version <= 13; version++ {
		add("produce", version, produce("differ", 0, -1, at("a", "b")))
		add("produce acks 1", version, produce("differ", 0, 1, at("c")))
		add("acks 3", version, produce("differ", 0, 3, at("a")))
		add("too large", version, produce("differ", 0, -1, at(strings.Repeat("x", 3000))))
		add("corrupt", version, produce("differ", 0, -1, patched(65, 0xee)))
		add("no key", version, produceTo("differ-compact", at("a", "b", "c")))
		add("out of order", version, produce("differ", 0, -1, pid(1000+int64(version), 0, 0)))
		add("sequence gap", version, produce("differ", 0, -1, pid(1000+int64(version), 0, 5)))
		add("duplicate", version, produce("differ", 0, -1, pid(1000+int64(version), 0, 0)))
		add("new epoch not at 0", version, produce("differ", 0, -1, pid(1000+int64(version), 1, 3)))
		add("new epoch", version, produce("differ", 0, -1, pid(1000+int64(version), 1, 0)))
		add("old epoch", version, produce("differ", 0, -1, pid(1000+int64(version), 0, 1)))
	}
	add("unknown topic", 9, produceTo("differ-none", at("a")))
	add("unknown id", 13, produce("x", 0, -1, at("a"), func(r *kmsg.ProduceRequest) { r.Topics[0].TopicID = [16]byte{1, 2, 3} }))
	add("zero id", 13, produce("x", 0, -1, at("a"), func(r *kmsg.ProduceRequest) { r.Topics[0].TopicID = [16]byte{} }))
	add("unknown partition", 9, produce("differ", 4, -1, at("a")))
	add("negative partition", 9, produce("differ", -2, -1, at("a")))
	add("null records", 9, produce("differ", 0, -1, nil))
	add("empty records", 9, produce("differ", 0, -1, []byte{}))
	add("two batches", 9, produce("differ", 0, -1, append(at("a"), at("b")...)))
	add("cut batch", 9, produce("differ", 0, -1, at("a")[:50]))
	add("magic 1", 9, produce("differ", 0, -1, patched(16, 1)))
	add("magic 3", 9, produce("differ", 0, -1, patched(16, 3)))
	add("control", 9, produce("differ", 0, -1, endMarker()))
	add("txn without id", 9, produce("differ", 0, -1, txn))
	add("old timestamps", 9, produce("differ", 0, -1, at("a")))
	add("timeout 0", 9, produce("differ", 0, 1, at("a"), func(r *kmsg.ProduceRequest) { r.TimeoutMillis = 0 }))
	add("acks 0 error", 9, produceTo("differ-none", at("a"), func(r *kmsg.ProduceRequest) { r.Acks = 0 }))
	add("internal topic", 9, produceTo("__consumer_offsets", at("a")))
	for version := int16(4); version <= 18; version++ {
		fetch := func(change func(*kmsg.FetchRequest)) func(*side) kmsg.Request {
			return func(s *side) kmsg.Request {
				req := fetchOf("differ", s.id, 0, 1)
				req.MaxBytes, req.Topics[0].Partitions[0].PartitionMaxBytes = 300, 300
				change(req)
				return req
			}
		}
		part := func(f func(*kmsg.FetchRequestTopicPartition)) func(*side) kmsg.Request {
			return fetch(func(r *kmsg.FetchRequest) { f(&r.Topics[0].Partitions[0]) })
		}
		add("fetch", version, fetch(func(*kmsg.FetchRequest) {}))
		add("fetch committed", version, fetch(func(r *kmsg.FetchRequest) { r.IsolationLevel = 1 }))
		add("fetch at negative", version, part(func(p *kmsg.FetchRequestTopicPartition) { p.FetchOffset = -1 }))
		add("fetch beyond", version, part(func(p *kmsg.FetchRequestTopicPartition) { p.FetchOffset = 100000 }))
		add("fetch unknown partition", version, part(func(p *kmsg.FetchRequestTopicPartition) { p.Partition = 8 }))
		add("fetch one byte", version, part(func(p *kmsg.FetchRequestTopicPartition) { p.PartitionMaxBytes = 1 }))
		add("fetch no bytes", version, fetch(func(r *kmsg.FetchRequest) { r.MaxBytes = 0 }))
		add("fetch epoch ahead", version, part(func(p *kmsg.FetchRequestTopicPartition) { p.CurrentLeaderEpoch = 50 }))
		add("fetch diverged", version, part(func(p *kmsg.FetchRequestTopicPartition) { p.LastFetchedEpoch = 40 }))
		add("fetch nothing", version, fetch(func(r *kmsg.FetchRequest) { r.Topics = nil }))
		add("fetch new session", version, fetch(func(r *kmsg.FetchRequest) { r.SessionEpoch = 0 }))
		add("fetch wrong session", version, fetch(func(r *kmsg.FetchRequest) { r.SessionID, r.SessionEpoch = 12345, 3 }))
		add("fetch empty new session", version, fetch(func(r *kmsg.FetchRequest) { r.SessionEpoch, r.Topics = 0, nil }))
		add("fetch zstd", version, fetch(func(r *kmsg.FetchRequest) { r.Topics[0].Topic = "differ-zstd" }))
		add("fetch unknown", version, fetch(func(r *kmsg.FetchRequest) { r.Topics[0].Topic, r.Topics[0].TopicID = "differ-none", [16]byte{5} }))
		if version >= 13 {
			add("fetch isolation 2", version, fetch(func(r *kmsg.FetchRequest) { r.IsolationLevel = 2 }))
		}
	}
	for version := int16(1); version <= 11; version++ {
		for _, when := range []int64{-7, -6, -5, -4, -3, -2, -1, 0, ts, ts + 1, ts + 2, 1 << 60} {
			for _, topic := range []string{"differ", "differ-compact", "differ-none"} {
				for _, isolation := range []int8{0, 1} {
					add(fmt.Sprintf("list offsets of %s at %d isolation %d", topic, when, isolation), version, func(*side) kmsg.Request {
						req := kmsg.NewPtrListOffsetsRequest()
						req.ReplicaID, req.IsolationLevel = -1, isolation
						req.Topics = []kmsg.ListOffsetsRequestTopic{{Topic: topic, Partitions: []kmsg.ListOffsetsRequestTopicPartition{{Timestamp: when, CurrentLeaderEpoch: -1}}}}
						return req
					})
				}
			}
		}
		add("list offsets epoch ahead", version, listOffsetsWith(func(r *kmsg.ListOffsetsRequest) { r.Topics[0].Partitions[0].CurrentLeaderEpoch = 9 }))
		add("list offsets twice", version, listOffsetsWith(func(r *kmsg.ListOffsetsRequest) {
			r.Topics[0].Partitions = append(r.Topics[0].Partitions, r.Topics[0].Partitions[0])
		}))
		add("list offsets as replica", version, listOffsetsWith(func(r *kmsg.ListOffsetsRequest) { r.ReplicaID = 5 }))
		add("list offsets as debugger", version, listOffsetsWith(func(r *kmsg.ListOffsetsRequest) { r.ReplicaID = -2 }))
	}
	for version := int16(2); version <= 4; version++ {
		for _, epoch := range []int32{-1, 0, 1, 7} {
			add(fmt.Sprintf("offset for epoch %d", epoch), version, func(*side) kmsg.Request {
				req := kmsg.NewPtrOffsetForLeaderEpochRequest()
				req.ReplicaID = -2
				req.Topics = []kmsg.OffsetForLeaderEpochRequestTopic{
					{Topic: "differ", Partitions: []kmsg.OffsetForLeaderEpochRequestTopicPartition{{CurrentLeaderEpoch: -1, LeaderEpoch: epoch}, {Partition: 3, CurrentLeaderEpoch: -1}}},
					{Topic: "differ-none", Partitions: []kmsg.OffsetForLeaderEpochRequestTopicPartition{{CurrentLeaderEpoch: -1}}},
				}
				return req
			})
		}
	}
	for version := int16(0); version <= 2; version++ {
		for _, offset := range []int64{-3, -2, 1, 100000, 3, 2} {
			for _, topic := range []string{"differ", "differ-compact", "differ-none", "__consumer_offsets"} {
				add(fmt.Sprintf("delete records of %s to %d", topic, offset), version, func(*side) kmsg.Request {
					req := kmsg.NewPtrDeleteRecordsRequest()
					req.TimeoutMillis = 1000
					req.Topics = []kmsg.DeleteRecordsRequestTopic{{Topic: topic, Partitions: []kmsg.DeleteRecordsRequestTopicPartition{{Offset: offset}}}}
					return req
				})
			}
		}
	}
	return append(steps, step{"fetch below the start", 12, func(s *side) kmsg.Request { return fetchOf("differ", s.id, 0, 1) }},
		step{"list earliest", 5, listOffsetsWith(func(r *kmsg.ListOffsetsRequest) { r.Topics[0].Partitions[0].Timestamp = -2 })},
		step{"describe producers", 0, func(*side) kmsg.Request {
			req := kmsg.NewPtrDescribeProducersRequest()
			req.Topics = []kmsg.DescribeProducersRequestTopic{{Topic: "differ", Partitions: []int32{5}}, {Topic: "differ-none", Partitions: []int32{0}}}
			return req
		}})
}

// produceTo produces to a topic by name; versions with ids use an id that is unknown.
func produceTo(topic string, data []byte, change ...func(*kmsg.ProduceRequest)) func(*side) kmsg.Request {
	return func(*side) kmsg.Request {
		req := produceRequest(topic, 0, -1, append([]byte{}, data...))
		req.Topics[0].TopicID = [16]byte{9, 9}
		for _, f := range change {
			f(req)
		}
		return req
	}
}

func listOffsetsWith(change func(*kmsg.ListOffsetsRequest)) func(*side) kmsg.Request {
	return func(*side) kmsg.Request {
		req := kmsg.NewPtrListOffsetsRequest()
		req.ReplicaID = -1
		req.Topics = []kmsg.ListOffsetsRequestTopic{{Topic: "differ", Partitions: []kmsg.ListOffsetsRequestTopicPartition{{Timestamp: -1, CurrentLeaderEpoch: -1}}}}
		change(req)
		return req
	}
}
