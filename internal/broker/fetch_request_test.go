package broker

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// sampleFetch is a request that uses every field.
func sampleFetch(version int16) *kmsg.FetchRequest {
	req := kmsg.NewPtrFetchRequest()
	req.SetVersion(version)
	req.ReplicaID, req.MaxWaitMillis, req.MinBytes, req.MaxBytes, req.IsolationLevel = -1, 500, 7, 1<<20, 1
	req.SessionID, req.SessionEpoch, req.Rack = 11, 12, "r1"
	cluster := "cluster"
	req.ClusterID = &cluster
	for i := range 2 {
		t := kmsg.NewFetchRequestTopic()
		t.Topic, t.TopicID = string(rune('a'+i)), [16]byte{byte(i + 1)}
		for j := range 3 {
			p := kmsg.NewFetchRequestTopicPartition()
			p.Partition, p.CurrentLeaderEpoch, p.FetchOffset = int32(j), 4, int64(1)<<40+int64(j)
			p.LastFetchedEpoch, p.LogStartOffset, p.PartitionMaxBytes = 3, 9, 1000
			t.Partitions = append(t.Partitions, p)
		}
		req.Topics = append(req.Topics, t)
	}
	f := kmsg.NewFetchRequestForgottenTopic()
	f.Topic, f.TopicID, f.Partitions = "gone", [16]byte{9}, []int32{5, 6}
	req.ForgottenTopics = append(req.ForgottenTopics, f)
	req.ReplicaState.ID = 3
	return req
}

func TestFetchRequestDecode(t *testing.T) {
	var q fetchRequest // used again for each version, as on a connection
	for version := int16(4); version <= 18; version++ {
		req := sampleFetch(version)
		if err := q.decode(req.AppendTo(nil), version); err != nil {
			t.Fatalf("version %d: %v", version, err)
		}
		if q.maxWaitMs != 500 || q.minBytes != 7 || q.maxBytes != 1<<20 || q.isolation != 1 || len(q.partitions) != 6 {
			t.Errorf("version %d: %+v", version, q)
		}
		if version >= 7 && (q.sessionID != 11 || q.sessionEpoch != 12 || len(q.forgotten) != 2 || q.forgotten[1].index != 6) {
			t.Errorf("version %d: session %d %d, forgotten %v", version, q.sessionID, q.sessionEpoch, q.forgotten)
		}
		if version < 7 && q.sessionEpoch != -1 {
			t.Errorf("version %d: session epoch %d", version, q.sessionEpoch)
		}
		if want := map[bool]int32{true: 3, false: -1}[version >= 15]; q.replicaID != want {
			t.Errorf("version %d: replica %d", version, q.replicaID)
		}
		p := q.partitions[4]
		if p.index != 1 || p.offset != 1<<40+1 || p.maxBytes != 1000 {
			t.Errorf("version %d: %+v", version, p)
		}
		if version >= 13 && p.id != [16]byte{2} || version < 13 && string(p.topic) != "b" {
			t.Errorf("version %d: topic %q %v", version, p.topic, p.id)
		}
		if version >= 9 && p.leaderEpoch != 4 || version >= 12 && p.lastFetchedEpoch != 3 {
			t.Errorf("version %d: epochs %d %d", version, p.leaderEpoch, p.lastFetchedEpoch)
		}
	}
}

// A request that is cut anywhere is refused; bytes left over are ignored, as in Apache Kafka.
func TestFetchRequestCut(t *testing.T) {
	for version := int16(4); version <= 18; version++ {
		body := sampleFetch(version).AppendTo(nil)
		var q fetchRequest
		for n := range body {
			if q.decode(body[:n], version) == nil {
				t.Fatalf("version %d: %d of %d bytes were enough", version, n, len(body))
			}
		}
		if err := q.decode(append(body, 0), version); err != nil {
			t.Fatalf("version %d: a byte too many: %v", version, err)
		}
	}
}

// FuzzFetchRequest compares the decoder with kmsg's, which it must not be laxer than.
func FuzzFetchRequest(f *testing.F) {
	for version := int16(4); version <= 18; version++ {
		f.Add(sampleFetch(version).AppendTo(nil), version)
	}
	f.Add([]byte("0000000000000000000000000\x00\x00\x00\x00"), int16(12)) // a null rack
	f.Fuzz(func(t *testing.T, body []byte, version int16) {
		if version < 4 || version > 18 || len(body) > 1<<16 {
			return
		}
		var q fetchRequest
		if q.decode(body, version) != nil {
			return
		}
		if len(q.partitions) > len(body) || len(q.forgotten) > len(body) {
			t.Fatalf("%d partitions out of %d bytes", len(q.partitions), len(body))
		}
		req := kmsg.NewPtrFetchRequest()
		req.SetVersion(version)
		if err := req.ReadFrom(body); err != nil {
			t.Fatalf("decoded here, but kmsg says: %v", err)
		}
		n := 0
		for i := range req.Topics {
			n += len(req.Topics[i].Partitions)
		}
		if n != len(q.partitions) || req.MaxBytes != q.maxBytes || req.MinBytes != q.minBytes {
			t.Fatalf("kmsg reads %d partitions, this %d", n, len(q.partitions))
		}
	})
}
