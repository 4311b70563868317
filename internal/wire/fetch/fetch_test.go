package fetch

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"

	"leat.dev/internal/base/vfs"
	"leat.dev/internal/wire/field"
)

// logFile returns a file with content that differs everywhere.
func logFile(t interface{ Fatal(...any) }) vfs.File {
	f, err := vfs.NewMem(1).Create("/log")
	if err != nil {
		t.Fatal(err)
	}
	content := make([]byte, 4096)
	for i := range content {
		content[i] = byte(i) ^ byte(i>>8)
	}
	if _, err := f.WriteAt(content, 0); err != nil {
		t.Fatal(err)
	}
	return f
}

// send puts a response together as the network layer does.
func send(t interface{ Fatal(...any) }, out []byte, parts []Part) []byte {
	sent := bytes.Clone(out)
	for _, p := range parts {
		sent = append(sent, p.Bytes...)
		if p.Len == 0 {
			continue
		}
		b := make([]byte, p.Len)
		if _, err := p.File.ReadAt(b, p.Pos); err != nil && !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		sent = append(sent, b...)
	}
	return sent
}

func drawPartition(t *rapid.T, version int16, file vfs.File) (Partition, kmsg.FetchResponseTopicPartition) {
	p := NewPartition(rapid.Int32().Draw(t, "index"), rapid.Int16().Draw(t, "code"))
	o := kmsg.NewFetchResponseTopicPartition()
	if rapid.Bool().Draw(t, "offsets") {
		p.HighWatermark, p.LastStableOffset = rapid.Int64().Draw(t, "hw"), rapid.Int64().Draw(t, "lso")
		p.LogStartOffset, p.PreferredReadReplica = rapid.Int64().Draw(t, "start"), rapid.Int32().Draw(t, "replica")
	}
	o.Partition, o.ErrorCode, o.HighWatermark, o.LastStableOffset = p.Index, p.ErrorCode, p.HighWatermark, p.LastStableOffset
	o.LogStartOffset, o.PreferredReadReplica = p.LogStartOffset, p.PreferredReadReplica
	switch n := rapid.IntRange(-1, 3).Draw(t, "aborted"); {
	case n >= 0:
		p.Aborted, o.AbortedTransactions = []AbortedTransaction{}, []kmsg.FetchResponseTopicPartitionAbortedTransaction{}
		for range n {
			a := AbortedTransaction{rapid.Int64().Draw(t, "pid"), rapid.Int64().Draw(t, "first")}
			p.Aborted = append(p.Aborted, a)
			o.AbortedTransactions = append(o.AbortedTransactions,
				kmsg.FetchResponseTopicPartitionAbortedTransaction{ProducerID: a.ProducerID, FirstOffset: a.FirstOffset})
		}
	}
	o.RecordBatches = []byte{}
	for range rapid.IntRange(0, 3).Draw(t, "ranges") {
		r := Range{File: file, Pos: rapid.Int64Range(0, 3000).Draw(t, "pos"), Len: rapid.IntRange(0, 1000).Draw(t, "len")}
		p.Records = append(p.Records, r)
		b := make([]byte, r.Len)
		if _, err := file.ReadAt(b, r.Pos); err != nil {
			t.Fatal(err)
		}
		o.RecordBatches = append(o.RecordBatches, b...)
	}
	known := rapid.Int32Range(0, 50)
	if rapid.Bool().Draw(t, "diverging") {
		p.DivergingEpoch = &EpochEndOffset{known.Draw(t, "epoch"), rapid.Int64().Draw(t, "end")}
		o.DivergingEpoch.Epoch, o.DivergingEpoch.EndOffset = p.DivergingEpoch.Epoch, p.DivergingEpoch.EndOffset
	}
	if rapid.Bool().Draw(t, "leader") {
		p.CurrentLeader = &field.CurrentLeader{ID: known.Draw(t, "leader"), Epoch: known.Draw(t, "epoch")}
		o.CurrentLeader.LeaderID, o.CurrentLeader.LeaderEpoch = p.CurrentLeader.ID, p.CurrentLeader.Epoch
	}
	if rapid.Bool().Draw(t, "snapshot") {
		p.SnapshotID = &EpochEndOffset{known.Draw(t, "epoch"), rapid.Int64().Draw(t, "end")}
		o.SnapshotID.Epoch, o.SnapshotID.EndOffset = p.SnapshotID.Epoch, p.SnapshotID.EndOffset
	}
	return p, o
}

func TestEncodesAsKmsgDoes(t *testing.T) {
	file := logFile(t)
	name := rapid.StringN(0, 150, -1)
	rapid.Check(t, func(t *rapid.T) {
		version := int16(rapid.IntRange(MinVersion, MaxVersion).Draw(t, "version"))
		own, other := &Response{}, kmsg.NewPtrFetchResponse()
		other.Version = version
		own.ThrottleMillis, own.ErrorCode, own.SessionID = rapid.Int32().Draw(t, "throttle"), rapid.Int16().Draw(t, "code"), rapid.Int32().Draw(t, "session")
		other.ThrottleMillis, other.ErrorCode, other.SessionID = own.ThrottleMillis, own.ErrorCode, own.SessionID
		for range rapid.IntRange(0, 4).Draw(t, "topics") {
			topic, o := Topic{}, kmsg.NewFetchResponseTopic()
			if version < 13 {
				topic.Name = name.Draw(t, "name")
			} else {
				copy(topic.ID[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id"))
			}
			o.Topic, o.TopicID = topic.Name, topic.ID
			for range rapid.IntRange(0, 4).Draw(t, "partitions") {
				p, op := drawPartition(t, version, file)
				topic.Partitions = append(topic.Partitions, p)
				o.Partitions = append(o.Partitions, op)
			}
			own.Topics = append(own.Topics, topic)
			other.Topics = append(other.Topics, o)
		}
		for range rapid.IntRange(0, 2).Draw(t, "endpoints") {
			e := field.Endpoint{NodeID: rapid.Int32().Draw(t, "node"), Host: name.Draw(t, "host"), Port: rapid.Int32().Draw(t, "port"), Rack: name.Draw(t, "rack")}
			own.NodeEndpoints = append(own.NodeEndpoints, e)
			if version < 16 {
				continue
			}
			b := kmsg.NewFetchResponseBroker()
			b.NodeID, b.Host, b.Port = e.NodeID, e.Host, e.Port
			if e.Rack != "" {
				b.Rack = &e.Rack
			}
			other.Brokers = append(other.Brokers, b)
		}
		earlier := []Part{{Bytes: []byte("not ours")}}
		out, parts := own.Encode([]byte("head"), earlier, version)
		if string(parts[0].Bytes) != "not ours" {
			t.Fatal("an earlier part was changed")
		}
		got, want := send(t, out, parts[1:]), other.AppendTo([]byte("head"))
		if !bytes.Equal(got, want) {
			t.Fatalf("v%d\n%x, want\n%x", version, got, want)
		}
	})
}

func wide() *Response {
	p := &Response{}
	for range 10 {
		topic := Topic{Name: "a-topic"}
		for i := range int32(3) {
			part := NewPartition(i, 0)
			part.Records = []Range{{Pos: int64(i), Len: 100}}
			topic.Partitions = append(topic.Partitions, part)
		}
		p.Topics = append(p.Topics, topic)
	}
	return p
}

func TestEncodingDoesNotAllocate(t *testing.T) {
	p := wide()
	var out []byte
	var parts []Part
	run := func() { out, parts = p.Encode(out[:0], parts[:0], 18) }
	run()
	// Out ends at the first range, but its memory goes on: it is used again.
	if n := testing.AllocsPerRun(100, run); n != 0 {
		t.Errorf("%.1f allocations", n)
	}
	if len(parts) != 31 {
		t.Errorf("%d parts", len(parts))
	}
}

func BenchmarkEncode(b *testing.B) {
	p := wide()
	var out []byte
	var parts []Part
	b.ReportAllocs()
	for b.Loop() {
		out, parts = p.Encode(out[:0], parts[:0], 18)
	}
}
