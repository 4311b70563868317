package produce

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"

	"leat.dev/internal/wire/field"
)

func drawRequest(t *rapid.T) *kmsg.ProduceRequest {
	req := kmsg.NewPtrProduceRequest()
	req.Version = int16(rapid.IntRange(MinVersion, MaxVersion).Draw(t, "version"))
	if rapid.Bool().Draw(t, "txn") {
		id := rapid.StringN(0, 20, -1).Draw(t, "txn id")
		req.TransactionID = &id
	}
	req.Acks = rapid.Int16().Draw(t, "acks")
	req.TimeoutMillis = rapid.Int32().Draw(t, "timeout")
	tags := func(tags *kmsg.Tags) {
		for range rapid.IntRange(0, 2).Draw(t, "tags") {
			tags.Set(rapid.Uint32Range(0, 300).Draw(t, "tag"), rapid.SliceOfN(rapid.Byte(), 0, 5).Draw(t, "tag value"))
		}
	}
	tags(&req.UnknownTags)
	for range rapid.IntRange(0, 4).Draw(t, "topics") {
		topic := kmsg.NewProduceRequestTopic()
		if req.Version < 13 {
			topic.Topic = rapid.StringN(0, 200, -1).Draw(t, "topic")
		} else {
			copy(topic.TopicID[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id"))
		}
		tags(&topic.UnknownTags)
		for range rapid.IntRange(0, 4).Draw(t, "partitions") {
			p := kmsg.NewProduceRequestTopicPartition()
			p.Partition = rapid.Int32().Draw(t, "partition")
			if rapid.IntRange(0, 4).Draw(t, "null") > 0 {
				p.Records = rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "records")
			}
			tags(&p.UnknownTags)
			topic.Partitions = append(topic.Partitions, p)
		}
		req.Topics = append(req.Topics, topic)
	}
	return req
}

func diff(got *Request, want *kmsg.ProduceRequest) error {
	if (got.TransactionID == nil) != (want.TransactionID == nil) ||
		want.TransactionID != nil && string(got.TransactionID) != *want.TransactionID {
		return fmt.Errorf("transaction id %q, want %v", got.TransactionID, want.TransactionID)
	}
	if got.Version != want.Version || got.Acks != want.Acks || got.TimeoutMillis != want.TimeoutMillis || len(got.Topics) != len(want.Topics) {
		return fmt.Errorf("%+v, want %+v", got, want)
	}
	for i := range got.Topics {
		g, w := &got.Topics[i], &want.Topics[i]
		if string(g.Name) != w.Topic || g.ID != w.TopicID || len(g.Partitions) != len(w.Partitions) {
			return fmt.Errorf("topic %d: %+v, want %+v", i, g, w)
		}
		for j := range g.Partitions {
			p, q := &g.Partitions[j], &w.Partitions[j]
			if p.Index != q.Partition || !bytes.Equal(p.Records, q.Records) || (p.Records == nil) != (q.Records == nil) {
				return fmt.Errorf("topic %d partition %d: %+v, want %+v", i, j, p, q)
			}
		}
	}
	return nil
}

func TestDecodesAsKmsgDoes(t *testing.T) {
	var got Request // used again and again, so that leftovers would show
	rapid.Check(t, func(t *rapid.T) {
		req := drawRequest(t)
		body := req.AppendTo(nil)
		want := kmsg.NewPtrProduceRequest()
		want.Version = req.Version
		if err := want.ReadFrom(body); err != nil {
			t.Fatal(err)
		}
		if err := got.Decode(append(body, 1, 2, 3), req.Version); err != nil {
			t.Fatal(err)
		}
		if err := diff(&got, want); err != nil {
			t.Fatal(err)
		}
		cut := rapid.IntRange(0, len(body)-1).Draw(t, "cut")
		if got.Decode(body[:cut], req.Version) == nil {
			t.Fatalf("%d of %d bytes are accepted", cut, len(body))
		}
	})
}

func TestRefusesOtherVersions(t *testing.T) {
	body := make([]byte, 100)
	for _, v := range []int16{-1, 0, 1, 2, 14} {
		if err := new(Request).Decode(body, v); err == nil {
			t.Errorf("version %d is accepted", v)
		}
	}
}

func TestRecordsAreNotCopiedAndNothingIsAllocated(t *testing.T) {
	req := kmsg.NewPtrProduceRequest()
	req.Version = 13
	for range 5 {
		topic := kmsg.NewProduceRequestTopic()
		for p := range int32(10) {
			topic.Partitions = append(topic.Partitions, kmsg.ProduceRequestTopicPartition{Partition: p, Records: []byte("records")})
		}
		req.Topics = append(req.Topics, topic)
	}
	body := req.AppendTo(nil)
	var q Request
	var resp Response
	out := make([]byte, 0, 8<<10)
	run := func() {
		if err := q.Decode(body, 13); err != nil {
			t.Fatal(err)
		}
		resp.Shape(&q)
		out = resp.AppendTo(out[:0], 13)
	}
	run()
	if n := testing.AllocsPerRun(100, run); n != 0 {
		t.Errorf("%.1f allocations", n)
	}
	q.Topics[0].Partitions[0].Records[0] = 'R'
	if !bytes.Contains(body, []byte("Records")) {
		t.Error("the records are a copy")
	}
}

func drawResponse(t *rapid.T, version int16) (*Response, *kmsg.ProduceResponse) {
	name := rapid.StringN(0, 150, -1)
	own, other := &Response{}, kmsg.NewPtrProduceResponse()
	other.Version = version
	own.ThrottleMillis = rapid.Int32().Draw(t, "throttle")
	other.ThrottleMillis = own.ThrottleMillis
	text := func(what string) (string, *string) {
		s := name.Draw(t, what)
		if s == "" {
			return s, nil
		}
		return s, &s
	}
	for range rapid.IntRange(0, 3).Draw(t, "topics") {
		topic, otherTopic := TopicResponse{}, kmsg.NewProduceResponseTopic()
		if version < 13 {
			otherTopic.Topic = name.Draw(t, "topic")
			topic.Name = []byte(otherTopic.Topic)
		} else {
			copy(topic.ID[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id"))
			otherTopic.TopicID = topic.ID
		}
		for range rapid.IntRange(0, 3).Draw(t, "partitions") {
			p := PartitionResponse{
				Index: rapid.Int32().Draw(t, "p"), ErrorCode: rapid.Int16().Draw(t, "code"),
				BaseOffset: rapid.Int64().Draw(t, "base"), LogAppendTimeMs: rapid.Int64().Draw(t, "time"),
				LogStartOffset: rapid.Int64().Draw(t, "start"),
			}
			o := kmsg.NewProduceResponseTopicPartition()
			o.Partition, o.ErrorCode, o.BaseOffset, o.LogAppendTime, o.LogStartOffset =
				p.Index, p.ErrorCode, p.BaseOffset, p.LogAppendTimeMs, p.LogStartOffset
			for range rapid.IntRange(0, 2).Draw(t, "record errors") {
				e, oe := RecordError{BatchIndex: rapid.Int32().Draw(t, "index")}, kmsg.NewProduceResponseTopicPartitionErrorRecord()
				e.Message, oe.ErrorMessage = text("record message")
				oe.RelativeOffset = e.BatchIndex
				p.RecordErrors = append(p.RecordErrors, e)
				o.ErrorRecords = append(o.ErrorRecords, oe)
			}
			p.ErrorMessage, o.ErrorMessage = text("message")
			if version >= 10 && rapid.Bool().Draw(t, "leader") {
				p.CurrentLeader = &field.CurrentLeader{ID: rapid.Int32Range(0, 100).Draw(t, "leader id"), Epoch: rapid.Int32Range(0, 100).Draw(t, "leader epoch")}
				o.CurrentLeader.LeaderID, o.CurrentLeader.LeaderEpoch = p.CurrentLeader.ID, p.CurrentLeader.Epoch
			}
			topic.Partitions = append(topic.Partitions, p)
			otherTopic.Partitions = append(otherTopic.Partitions, o)
		}
		own.Topics = append(own.Topics, topic)
		other.Topics = append(other.Topics, otherTopic)
	}
	for range rapid.IntRange(0, 2).Draw(t, "endpoints") {
		e := field.Endpoint{NodeID: rapid.Int32().Draw(t, "node"), Host: name.Draw(t, "host"), Port: rapid.Int32().Draw(t, "port")}
		o := kmsg.NewProduceResponseBroker()
		e.Rack, o.Rack = text("rack")
		o.NodeID, o.Host, o.Port = e.NodeID, e.Host, e.Port
		own.NodeEndpoints = append(own.NodeEndpoints, e)
		if version >= 10 {
			other.Brokers = append(other.Brokers, o)
		}
	}
	return own, other
}

func TestEncodesAsKmsgDoes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		version := int16(rapid.IntRange(MinVersion, MaxVersion).Draw(t, "version"))
		own, other := drawResponse(t, version)
		got, want := own.AppendTo([]byte("head"), version), other.AppendTo([]byte("head"))
		if !bytes.Equal(got, want) {
			t.Fatalf("v%d\n%x, want\n%x", version, got, want)
		}
	})
}

func TestShapeAnswersEveryPartition(t *testing.T) {
	q := Request{Topics: []Topic{{Name: []byte("a"), Partitions: []Partition{{Index: 4}, {Index: 2}}}, {Name: []byte("b")}}}
	var p Response
	for range 2 {
		p.Shape(&q)
		if len(p.Topics) != 2 || string(p.Topics[0].Name) != "a" || len(p.Topics[0].Partitions) != 2 || len(p.Topics[1].Partitions) != 0 {
			t.Fatalf("%+v", p)
		}
		got := &p.Topics[0].Partitions[1]
		if got.Index != 2 || got.BaseOffset != -1 || got.LogAppendTimeMs != -1 || got.LogStartOffset != -1 || got.ErrorMessage != "" || got.RecordErrors != nil {
			t.Fatalf("%+v", got)
		}
		got.ErrorMessage, got.RecordErrors, p.ThrottleMillis = "left over", []RecordError{{}}, 5
	}
}

// FuzzDecode: what is accepted must be what the other decoder sees.
func FuzzDecode(f *testing.F) {
	for v := int16(MinVersion); v <= MaxVersion; v++ {
		req := kmsg.NewPtrProduceRequest()
		req.Version = v
		topic := kmsg.NewProduceRequestTopic()
		topic.Topic = "topic"
		topic.Partitions = []kmsg.ProduceRequestTopicPartition{{Records: []byte("records")}, {Partition: 1}}
		req.Topics = append(req.Topics, topic)
		f.Add(v, req.AppendTo(nil))
	}
	var q Request
	f.Fuzz(func(t *testing.T, version int16, body []byte) {
		if q.Decode(body, version) != nil {
			return
		}
		want := kmsg.NewPtrProduceRequest()
		want.Version = version
		if err := want.ReadFrom(body); err != nil {
			t.Fatal(err)
		}
		if err := diff(&q, want); err != nil {
			t.Fatal(err)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	req := kmsg.NewPtrProduceRequest()
	req.Version = 13
	topic := kmsg.NewProduceRequestTopic()
	for p := range int32(10) {
		topic.Partitions = append(topic.Partitions, kmsg.ProduceRequestTopicPartition{Partition: p, Records: make([]byte, 1000)})
	}
	req.Topics = append(req.Topics, topic)
	body := req.AppendTo(nil)
	b.ReportAllocs()
	var q Request
	for b.Loop() {
		if err := q.Decode(body, 13); err != nil {
			b.Fatal(err)
		}
	}
}
