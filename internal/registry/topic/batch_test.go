package topic

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/registry/store"
)

// What is encoded is what the client's own decoder reads, checksum included.
func TestBatch(t *testing.T) {
	p := producer{id: 7, epoch: 3, sequence: 5}
	long := make([]byte, 1<<20)
	records := []store.Record{{Key: []byte("a"), Value: []byte("1")}, {Key: []byte("b")}, {Key: []byte("c"), Value: long}, {Key: []byte("d"), Value: []byte{}}}
	data := p.batch(records, 1_700_000_000_000)
	answer := kmsg.FetchResponseTopicPartition{RecordBatches: data}
	got, next := kgo.ProcessFetchPartition(kgo.ProcessFetchPartitionOpts{}, &answer, kgo.DefaultDecompressor(), nil)
	if got.Err != nil || len(got.Records) != len(records) || next != int64(len(records)) {
		t.Fatalf("%d records, next %d, %v", len(got.Records), next, got.Err)
	}
	for i, r := range got.Records {
		if string(r.Key) != string(records[i].Key) || string(r.Value) != string(records[i].Value) || (r.Value == nil) != (records[i].Value == nil) || r.Timestamp.UnixMilli() != 1_700_000_000_000 {
			t.Errorf("record %d: %q, %d bytes, %v", i, r.Key, len(r.Value), r.Timestamp)
		}
	}
	var b kmsg.RecordBatch
	if err := b.ReadFrom(data); err != nil || b.ProducerID != 7 || b.ProducerEpoch != 3 || b.FirstSequence != 5 || b.Attributes != 0 {
		t.Errorf("%+v %v", b, err)
	}
}
