package broker

import (
	"crypto/rand"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/base/clock"
	"leat.dev/internal/base/vfs"
	"leat.dev/internal/commitlog"
	"leat.dev/internal/metadata"
	"leat.dev/internal/metadata/config"
)

func metadataRequest(create, operations bool, names ...string) *kmsg.MetadataRequest {
	req := kmsg.NewPtrMetadataRequest()
	req.AllowAutoTopicCreation = create
	req.IncludeTopicAuthorizedOperations, req.IncludeClusterAuthorizedOperations = operations, operations
	req.Topics = []kmsg.MetadataRequestTopic{}
	for _, name := range names {
		t := kmsg.NewMetadataRequestTopic()
		t.Topic = &name
		req.Topics = append(req.Topics, t)
	}
	return req
}

// topicsOf prints the topics of a response: name, error and number of partitions.
func topicsOf(resp *kmsg.MetadataResponse) string {
	var out []string
	for _, t := range resp.Topics {
		s := "-"
		if t.Topic != nil {
			s = *t.Topic
		}
		if err := kerr.ErrorForCode(t.ErrorCode); err != nil {
			s += " " + err.(*kerr.Error).Message
		}
		out = append(out, fmt.Sprintf("%s %d", s, len(t.Partitions)))
	}
	return strings.Join(out, "; ")
}

func TestMetadataAllVersions(t *testing.T) {
	h := startBroker(t)
	id := h.createTopic("a", 3)
	h.createTopic("b", 1)
	c := h.dial()
	for version := int16(0); version <= 13; version++ {
		req := metadataRequest(false, false)
		if version > 0 {
			req.Topics = nil
		}
		resp := ask[*kmsg.MetadataResponse](c, req, version)
		if got, want := topicsOf(resp), "a 3; b 1"; got != want {
			t.Errorf("version %d: %s, want %s", version, got, want)
			continue
		}
		if len(resp.Brokers) != 1 || resp.Brokers[0].NodeID != 1 || resp.Brokers[0].Host != "leat.test" || resp.Brokers[0].Port != 9092 {
			t.Errorf("version %d: brokers %+v", version, resp.Brokers)
		}
		if version >= 1 && resp.ControllerID != 1 {
			t.Errorf("version %d: controller %d", version, resp.ControllerID)
		}
		if version >= 2 && (resp.ClusterID == nil || *resp.ClusterID != h.ClusterID()) {
			t.Errorf("version %d: cluster id %v", version, resp.ClusterID)
		}
		p := resp.Topics[0].Partitions[1]
		if p.Partition != 1 || p.Leader != 1 || fmt.Sprint(p.Replicas, p.ISR, p.OfflineReplicas) != "[1] [1] []" {
			t.Errorf("version %d: partition %+v", version, p)
		}
		if version >= 7 && p.LeaderEpoch != 0 {
			t.Errorf("version %d: leader epoch %d", version, p.LeaderEpoch)
		}
		if version >= 10 && resp.Topics[0].TopicID != id {
			t.Errorf("version %d: topic id %v", version, resp.Topics[0].TopicID)
		}
		if version >= 1 {
			if got := topicsOf(ask[*kmsg.MetadataResponse](c, metadataRequest(false, false), version)); got != "" {
				t.Errorf("version %d: an empty list gives %s", version, got)
			}
		}
	}
}

func TestMetadataErrors(t *testing.T) {
	h := startBroker(t)
	h.createTopic("p1", 2)
	c := h.dial()
	resp := ask[*kmsg.MetadataResponse](c, metadataRequest(false, true, "p1", "nope", "a b", "", "p1", "__consumer_offsets"), 12)
	want := "p1 2; nope UNKNOWN_TOPIC_OR_PARTITION 0; a b INVALID_TOPIC_EXCEPTION 0;  INVALID_TOPIC_EXCEPTION 0; __consumer_offsets UNKNOWN_TOPIC_OR_PARTITION 0"
	if got := topicsOf(resp); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	for _, topic := range resp.Topics {
		if topic.AuthorizedOperations != topicOperations {
			t.Errorf("%s: authorized operations %d", *topic.Topic, topic.AuthorizedOperations)
		}
	}
	if !resp.Topics[4].IsInternal || resp.Topics[0].IsInternal {
		t.Error("the wrong topics are internal")
	}
	byID := metadataRequest(false, false)
	unknown := kmsg.NewMetadataRequestTopic()
	unknown.TopicID = [16]byte{1}
	byID.Topics = append(byID.Topics, unknown)
	known := kmsg.NewMetadataRequestTopic()
	known.TopicID = h.meta.Image().Topic("p1").ID
	byID.Topics = append(byID.Topics, known)
	named := known        // it is answered once
	named.Topic = new("") // as Java's admin client asks
	byID.Topics = append(byID.Topics, named)
	resp = ask[*kmsg.MetadataResponse](c, byID, 13)
	if got, want := topicsOf(resp), "- UNKNOWN_TOPIC_ID 0; p1 2"; got != want {
		t.Errorf("by id: %s, want %s", got, want)
	}
	if resp := ask[*kmsg.MetadataResponse](c, metadataRequest(false, true, "p1"), 8); resp.AuthorizedOperations != clusterOperations {
		t.Errorf("cluster operations %d", resp.AuthorizedOperations)
	}
	if resp := ask[*kmsg.MetadataResponse](c, metadataRequest(false, false, "p1"), 8); resp.AuthorizedOperations != operationsUnasked || resp.Topics[0].AuthorizedOperations != operationsUnasked {
		t.Error("operations nobody asked for")
	}
}

func TestAutoCreation(t *testing.T) {
	h := startBroker(t, "num.partitions", "3")
	c := h.dial()
	ask[*kmsg.MetadataResponse](c, metadataRequest(false, false, "off"), 12)
	if h.meta.Image().Topic("off") != nil {
		t.Error("a topic was created although the client forbade it")
	}
	ask[*kmsg.MetadataResponse](c, metadataRequest(true, false, "on", "bad name", "__transaction_state"), 12)
	if got := topicsOf(ask[*kmsg.MetadataResponse](c, metadataRequest(false, false, "on", "__transaction_state"), 12)); got != "on 3; __transaction_state UNKNOWN_TOPIC_OR_PARTITION 0" {
		t.Errorf("got %s", got)
	}
	// Old versions cannot forbid it.
	ask[*kmsg.MetadataResponse](c, metadataRequest(false, false, "old"), 3)
	if h.meta.Image().Topic("old") == nil {
		t.Error("version 3 did not create the topic")
	}
	resp := ask[*kmsg.MetadataResponse](c, metadataRequest(true, false, "__consumer_offsets"), 12)
	if got := topicsOf(resp); got != "__consumer_offsets 2" || !resp.Topics[0].IsInternal {
		t.Errorf("got %s", got)
	}
	c.produce("on", 2, records("x"))

	never := startOn(t, vfs.NewMem(2), "/log", "auto.create.topics.enable", "false")
	ask[*kmsg.MetadataResponse](never.dial(), metadataRequest(true, false, "on"), 12)
	if never.meta.Image().Topic("on") != nil {
		t.Error("a topic was created although the broker forbids it")
	}
}

func TestDescribeCluster(t *testing.T) {
	h := startBroker(t, "broker.rack", "r1")
	c := h.dial()
	for version := int16(0); version <= 2; version++ {
		req := kmsg.NewPtrDescribeClusterRequest()
		req.IncludeClusterAuthorizedOperations = true
		resp := ask[*kmsg.DescribeClusterResponse](c, req, version)
		if resp.ErrorCode != 0 || resp.ClusterID != h.ClusterID() || resp.ControllerID != 1 || len(resp.Brokers) != 1 ||
			resp.Brokers[0].Rack == nil || *resp.Brokers[0].Rack != "r1" || resp.ClusterAuthorizedOperations != clusterOperations {
			t.Errorf("version %d: %+v", version, resp)
		}
	}
	for endpoint, want := range map[int8]*kerr.Error{controllerEndpoints: kerr.MismatchedEndpointType, 9: kerr.UnsupportedEndpointType} {
		req := kmsg.NewPtrDescribeClusterRequest()
		req.EndpointType = endpoint
		if resp := ask[*kmsg.DescribeClusterResponse](c, req, 1); resp.ErrorCode != want.Code || len(resp.Brokers) > 0 {
			t.Errorf("endpoint type %d: %+v", endpoint, resp)
		}
	}
}

func TestDescribeTopicPartitions(t *testing.T) {
	h := startBroker(t, "max.request.partition.size.limit", "6")
	h.createTopic("d1", 5)
	h.createTopic("d2", 3)
	h.createTopic("d3", 2)
	c := h.dial()
	describe := func(limit int32, cursor string, partition int32, names ...string) string {
		req := kmsg.NewPtrDescribeTopicPartitionsRequest()
		req.ResponsePartitionLimit = limit
		if cursor != "" {
			cu := kmsg.NewDescribeTopicPartitionsRequestCursor()
			cu.Topic, cu.Partition = cursor, partition
			req.Cursor = &cu
		}
		for _, n := range names {
			topic := kmsg.NewDescribeTopicPartitionsRequestTopic()
			topic.Topic = n
			req.Topics = append(req.Topics, topic)
		}
		resp := ask[*kmsg.DescribeTopicPartitionsResponse](c, req, 0)
		var out []string
		for _, topic := range resp.Topics {
			s := *topic.Topic
			if err := kerr.ErrorForCode(topic.ErrorCode); err != nil {
				s += " " + err.(*kerr.Error).Message
			}
			for _, p := range topic.Partitions {
				s += fmt.Sprintf(" %d", p.Partition)
			}
			out = append(out, s)
		}
		if resp.NextCursor != nil {
			out = append(out, fmt.Sprintf("-> %s %d", resp.NextCursor.Topic, resp.NextCursor.Partition))
		}
		return strings.Join(out, "; ")
	}
	for _, test := range []struct{ got, want string }{
		// What Apache Kafka 4.3.1 answered.
		{describe(4, "", 0, "d1", "d2"), "d1 0 1 2 3; -> d1 4"},
		{describe(5, "", 0, "d2", "d1"), "d1 0 1 2 3 4; -> d2 0"},
		{describe(4, "d1", 4, "d1", "d2", "d3"), "d1 4; d2 0 1 2; -> d3 0"},
		{describe(100, "", 0, "nope", "d3", "a b"), "a b INVALID_TOPIC_EXCEPTION; d3 0 1; nope UNKNOWN_TOPIC_OR_PARTITION"},
		{describe(100, "d2", 1, "d1", "d2", "d3"), "d2 1 2; d3 0 1"},
		{describe(0, "", 0, "d1"), "d1 0; -> d1 1"},
		{describe(-1, "", 0, "d1"), "d1 0; -> d1 1"},
		{describe(100, "d15", 1, "d1", "d2"), "d1 INVALID_REQUEST; d2 INVALID_REQUEST"},
		{describe(100, "d1", -1, "d1"), "d1 INVALID_REQUEST"},
		{describe(100, "d1", 50, "d1", "d2"), "d1; d2 0 1 2"},
		// The broker's own limit, and all topics.
		{describe(100, "", 0), "d1 0 1 2 3 4; d2 0; -> d2 1"},
		{describe(100, "d2", 1), "d2 1 2; d3 0 1"},
		{describe(100, "d2a", 1), "d3 0 1"},
	} {
		if test.got != test.want {
			t.Errorf("got %s, want %s", test.got, test.want)
		}
	}
}

// BenchmarkMetadata answers and encodes a request for all topics, and one for
// a single small topic among them.
func BenchmarkMetadata(b *testing.B) {
	for _, shape := range []struct{ topics, partitions int }{{10_000, 1}, {100, 100}, {1, 10_000}} {
		img, node := benchmarkImage(b, shape.topics, shape.partitions)
		broker := &Broker{nodeID: 1, meta: node, cfg: config.Defaults()}
		for _, version := range []int16{7, 12} {
			b.Run(fmt.Sprintf("topics=%d/partitions=%d/v%d", shape.topics, shape.partitions, version), func(b *testing.B) {
				b.ReportAllocs()
				var buf []byte
				for b.Loop() {
					req := kmsg.NewPtrMetadataRequest()
					resp := broker.handleMetadata(b.Context(), &Request{Version: version, Listener: "PLAINTEXT"}, req)
					resp.SetVersion(version)
					buf = resp.AppendTo(buf[:0])
				}
				b.SetBytes(int64(len(buf)))
			})
		}
		b.Run(fmt.Sprintf("topics=%d/one", shape.topics), func(b *testing.B) {
			b.ReportAllocs()
			name := ""
			for t := range img.Topics() {
				name = t.Name
			}
			req := metadataRequest(false, false, name)
			for b.Loop() {
				broker.handleMetadata(b.Context(), &Request{Version: 12, Listener: "PLAINTEXT"}, req)
			}
		})
	}
}

// benchmarkImage is a metadata node with topics in memory.
func benchmarkImage(b *testing.B, topics, partitions int) (*metadata.Image, *metadata.Node) {
	fs := vfs.NewMem(1)
	logger := slog.New(slog.DiscardHandler)
	log, err := commitlog.Open(commitlog.Options{FS: fs, Clock: clock.System, Logger: logger, Dir: "/m", Topic: metadata.LogTopic, Config: metadata.LogConfig()})
	if err != nil {
		b.Fatal(err)
	}
	n, err := metadata.Open(b.Context(), metadata.Options{
		FS: fs, Clock: clock.System, Logger: logger, Dir: "/m", Log: log,
		NodeID: 1, ClusterID: "c", Static: config.Defaults(), Random: rand.Reader,
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { n.Close() })
	reg := kmsg.NewPtrBrokerRegistrationRequest()
	reg.BrokerID, reg.ClusterID, reg.PreviousBrokerEpoch, reg.LogDirs = 1, "c", -1, [][16]byte{{7}}
	l := kmsg.NewBrokerRegistrationRequestListener()
	l.Name, l.Host, l.Port = "PLAINTEXT", "localhost", 9092
	reg.Listeners = append(reg.Listeners, l)
	if _, err := n.StartBroker(b.Context(), reg); err != nil {
		b.Fatal(err)
	}
	for i := 0; i < topics; {
		req := kmsg.NewPtrCreateTopicsRequest()
		for room := 10_000; i < topics && room >= partitions; i, room = i+1, room-partitions {
			t := kmsg.NewCreateTopicsRequestTopic()
			t.Topic, t.NumPartitions, t.ReplicationFactor = fmt.Sprintf("topic-%05d", i), int32(partitions), 1
			req.Topics = append(req.Topics, t)
		}
		for _, t := range n.CreateTopics(b.Context(), req).Topics {
			if t.ErrorCode != 0 {
				b.Fatal(kerr.ErrorForCode(t.ErrorCode))
			}
		}
	}
	return n.Image(), n
}
