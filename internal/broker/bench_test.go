package broker

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// BenchmarkFetchSession is a consumer of many partitions of which one gets data: one produce and one fetch a turn.
func BenchmarkFetchSession(b *testing.B) {
	const partitions = 2000
	h := startBench(b)
	id := h.createTopic("t", partitions)
	reader, writer := h.dial(), h.dial()
	full := kmsg.NewPtrFetchRequest()
	full.MaxBytes, full.MinBytes, full.SessionEpoch = 1<<20, 1, 0
	topic := kmsg.FetchRequestTopic{TopicID: id}
	for p := range int32(partitions) {
		topic.Partitions = append(topic.Partitions, fetchOf("", id, p, 0).Topics[0].Partitions[0])
	}
	full.Topics = append(full.Topics, topic)
	session := ask[*kmsg.FetchResponse](reader, full, 13).SessionID
	data := records("x")
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		req := kmsg.NewPtrFetchRequest()
		req.MaxBytes, req.MinBytes, req.MaxWaitMillis, req.SessionID, req.SessionEpoch = 1<<20, 1, 10000, session, int32(i+1)
		if i > 0 {
			req.Topics = fetchOf("", id, 7, int64(i)).Topics
		}
		reader.send(req, 13)
		writer.produce("t", 7, append([]byte{}, data...))
		if resp := reader.receive(req).(*kmsg.FetchResponse); len(resp.Topics) != 1 {
			b.Fatalf("%+v", resp)
		}
	}
}

// BenchmarkProduce is one small batch a turn, to a disk in memory: what the broker itself costs.
func BenchmarkProduce(b *testing.B) {
	h := startBench(b)
	h.createTopic("t", 1)
	c := h.dial()
	data := records("some value")
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		c.produce("t", 0, append([]byte{}, data...))
	}
}
