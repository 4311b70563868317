package group

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/wire/batch"
	"leat.dev/internal/wire/compress"
)

// The part of TestLive for consumer groups: their scripts compare not only the
// answers but also the records that Apache Kafka writes.

// topicTable knows a broker's topics.
type topicTable struct {
	byName map[string][16]byte
	byID   map[[16]byte]string
}

func fetchTopics(t *testing.T, addr string) *topicTable {
	t.Helper()
	req := kmsg.NewPtrMetadataRequest()
	req.Version = 12
	resp, err := roundTrip(addr, "c", req)
	if err != nil {
		t.Fatal(err)
	}
	table := &topicTable{byName: map[string][16]byte{}, byID: map[[16]byte]string{}}
	for _, topic := range resp.(*kmsg.MetadataResponse).Topics {
		table.byName[*topic.Topic] = topic.TopicID
		table.byID[topic.TopicID] = *topic.Topic
	}
	return table
}

func (t *topicTable) name(id [16]byte) (string, bool) {
	name, ok := t.byID[id]
	return name, ok
}

// makeTopic carries out the topic verb on a broker.
func (w *liveWorld) makeTopic(name string, partitions int32) {
	_, exists := w.topics.byName[name]
	var req kmsg.Request
	switch {
	case partitions == 0:
		r := kmsg.NewPtrDeleteTopicsRequest()
		r.Version, r.TimeoutMillis = 3, 5000
		r.TopicNames = []string{name}
		req = r
	case exists:
		r := kmsg.NewPtrCreatePartitionsRequest()
		r.Version, r.TimeoutMillis = 3, 5000
		r.Topics = []kmsg.CreatePartitionsRequestTopic{{Topic: name, Count: partitions}}
		req = r
	default:
		r := kmsg.NewPtrCreateTopicsRequest()
		r.Version, r.TimeoutMillis = 7, 5000
		r.Topics = []kmsg.CreateTopicsRequestTopic{{Topic: name, NumPartitions: partitions, ReplicationFactor: 1}}
		req = r
	}
	if _, err := roundTrip(w.addr, "c", req); err != nil {
		w.t.Fatal(err)
	}
	<-time.After(300 * time.Millisecond) // until the coordinator has seen it
	w.topics = fetchTopics(w.t, w.addr)
}

// offsetsReader follows the broker's __consumer_offsets, which has one partition.
type offsetsReader struct {
	next int64
	it   batch.Iterator
	d    compress.Decompressor
}

// read returns the records appended since the last call.
func (o *offsetsReader) read(t *testing.T, addr string) []Record {
	req := kmsg.NewPtrFetchRequest()
	req.Version, req.ReplicaID, req.MinBytes, req.MaxBytes, req.SessionEpoch = 11, -1, 0, 10<<20, -1
	rt := kmsg.NewFetchRequestTopic()
	rt.Topic = "__consumer_offsets"
	rp := kmsg.NewFetchRequestTopicPartition()
	rp.FetchOffset, rp.PartitionMaxBytes = o.next, 10<<20
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	resp, err := roundTrip(addr, "c", req)
	if err != nil {
		t.Fatal(err)
	}
	var records []Record
	for b, err := range batch.Split(resp.(*kmsg.FetchResponse).Topics[0].Partitions[0].RecordBatches) {
		if errors.Is(err, batch.ErrShort) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		h := b.Header()
		o.it.Reset(b, &o.d, 10<<20)
		for o.it.Next() {
			if r := o.it.Record(); r.Offset >= o.next {
				records = append(records, Record{Key: slices.Clone(r.Key), Value: slices.Clone(r.Value)})
			}
		}
		o.next = h.NextOffset()
	}
	return records
}

// logEnd is where reading begins.
func logEnd(t *testing.T, addr string) int64 {
	req := kmsg.NewPtrListOffsetsRequest()
	req.Version, req.ReplicaID = 4, -1
	rt := kmsg.NewListOffsetsRequestTopic()
	rt.Topic = "__consumer_offsets"
	rp := kmsg.NewListOffsetsRequestTopicPartition()
	rp.Timestamp = -1
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	resp, err := roundTrip(addr, "c", req)
	if err != nil {
		t.Fatal(err)
	}
	return resp.(*kmsg.ListOffsetsResponse).Topics[0].Partitions[0].Offset
}

// appended shows what the broker wrote about this run's groups.
func (w *liveWorld) appended() []string {
	var out []string
	for _, r := range w.offsets.read(w.t, w.addr) {
		line := describeRecord(r, time.Time{}, w.topics.name)
		if again := reencode(r); again != nil && !sameBytes(again, r.Value) {
			line += fmt.Sprintf(" bytes %x, ours %x", r.Value, again)
		}
		if !strings.Contains(line, w.suffix) || strings.HasPrefix(line, "group ") || strings.HasPrefix(line, "offset ") {
			continue
		}
		out = append(out, "append "+strings.ReplaceAll(line, w.suffix, ""))
	}
	return out
}

// sameBytes compares records whose topics may stand in another order.
func sameBytes(a, b []byte) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return bytes.Equal(a, b)
}

// TestLiveHash compares our hash of subscribed topics with what the broker writes.
func TestLiveHash(t *testing.T) {
	addr := os.Getenv("LEAT_GROUPS_BROKER")
	if addr == "" {
		t.Skip("LEAT_GROUPS_BROKER is not set: no broker to compare with")
	}
	createOffsetsTopic(t, addr)
	table := fetchTopics(t, addr)
	var offsets offsetsReader
	offsets.next = logEnd(t, addr)
	req := parseCommand("beat hash.x m names=u+t+missing").request().(*kmsg.ConsumerGroupHeartbeatRequest)
	req.Group += fmt.Sprint(time.Now().UnixNano())
	if _, err := roundTrip(addr, "c", req); err != nil {
		t.Fatal(err)
	}
	cluster := newFakeCluster()
	for _, name := range []string{"t", "u"} {
		cluster.topics[name] = TopicInfo{ID: table.byName[name], Partitions: 4}
	}
	s := New(DefaultSettings(), nil)
	s.cluster = cluster
	want := s.subscriptionHash([]string{"missing", "t", "u"})
	for _, r := range offsets.read(t, addr) {
		if k, _ := DecodeKey(r.Key); k == (ConsumerKey{Type: keyConsumerGroup, Group: req.Group}) && r.Value != nil {
			v, err := DecodeConsumerGroup(r.Value)
			if err != nil || v.Hash != want {
				t.Errorf("the broker wrote %d, ours is %d (%v)", v.Hash, want, err)
			}
			t.Logf("t is %x, u is %x: hash %d", cluster.topics["t"].ID, cluster.topics["u"].ID, v.Hash)
			return
		}
	}
	t.Error("no group record written")
}
