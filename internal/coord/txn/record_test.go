package txn

import (
	"bytes"
	"encoding/hex"
	"errors"
	"reflect"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"
)

// Bytes that Apache Kafka 4.3.1 wrote.
var kafkaValues = []struct {
	name, hex string
	want      Value
}{
	{"empty", "0001000000000000000300000000" + "03e8" + "0000000001a1ff670e88ffffffffffffffff0100080000000000000003",
		Value{Producer: Producer{3, 0}, PreviousID: 3, NextID: -1, NextEpoch: -1, TimeoutMillis: 1000,
			UpdatedMillis: 0x1a1ff670e88, StartedMillis: -1}},
	{"ongoing", "0001000000000000003200000000ea6001030274030000000100000000000275020000000200000001a1ff67a7f7000001a1ff67a6b4020008000000000000003202020002",
		Value{Producer: Producer{50, 0}, PreviousID: 50, NextID: -1, NextEpoch: -1, TimeoutMillis: 60000, State: Ongoing,
			Partitions:    []TopicPartition{{"t", 1}, {"t", 0}, {"u", 2}},
			UpdatedMillis: 0x1a1ff67a7f7, StartedMillis: 0x1a1ff67a6b4, ClientVersion: 2}},
	{"ongoing, version 1", "0001000000000000002a00000000ea6001020274020000000000000001a1ff6790d8000001a1ff6790d8010008000000000000002a",
		Value{Producer: Producer{42, 0}, PreviousID: 42, NextID: -1, NextEpoch: -1, TimeoutMillis: 60000, State: Ongoing,
			Partitions: []TopicPartition{{"t", 0}}, UpdatedMillis: 0x1a1ff6790d8, StartedMillis: 0x1a1ff6790d8}},
	{"aborting nothing", "0001000000000000003900010000ea600301000001a1ff67b676000001a1ff67b676020008000000000000003902020002",
		Value{Producer: Producer{57, 1}, PreviousID: 57, NextID: -1, NextEpoch: -1, TimeoutMillis: 60000, State: PrepareAbort,
			Partitions: []TopicPartition{}, UpdatedMillis: 0x1a1ff67b676, StartedMillis: 0x1a1ff67b676, ClientVersion: 2}},
}

func TestKafkaBytes(t *testing.T) {
	for _, test := range kafkaValues {
		raw, err := hex.DecodeString(test.hex)
		if err != nil {
			t.Fatal(err)
		}
		got, err := DecodeValue(raw)
		if err != nil || !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s: %+v, %v; want %+v", test.name, got, err, test.want)
		}
		if out := Encode("x", got, 2).Value; !bytes.Equal(out, raw) {
			t.Errorf("%s: encoded as %x", test.name, out)
		}
	}
}

func drawValue(t *rapid.T) Value {
	v := Value{
		Producer:      Producer{rapid.Int64Min(0).Draw(t, "pid"), rapid.Int16Min(0).Draw(t, "epoch")},
		PreviousID:    rapid.Int64Min(-1).Draw(t, "previous"),
		NextID:        rapid.Int64Min(-1).Draw(t, "next"),
		NextEpoch:     rapid.Int16Min(-1).Draw(t, "next epoch"),
		TimeoutMillis: rapid.Int32().Draw(t, "timeout"),
		State:         State(rapid.Int8Range(0, 5).Draw(t, "state")),
		UpdatedMillis: rapid.Int64().Draw(t, "updated"),
		StartedMillis: rapid.Int64().Draw(t, "started"),
		ClientVersion: rapid.Int16Range(0, 2).Draw(t, "version"),
	}
	if rapid.Bool().Draw(t, "partitions") {
		set := map[TopicPartition]struct{}{}
		for range rapid.IntRange(0, 6).Draw(t, "n") {
			set[TopicPartition{rapid.SampledFrom([]string{"t", "u", "long-topic-name"}).Draw(t, "topic"), rapid.Int32Range(0, 9).Draw(t, "partition")}] = struct{}{}
		}
		v.Partitions = append([]TopicPartition{}, sortedPartitions(set)...)
	}
	return v
}

// What is written is read back, and kmsg, which knows the format from Kafka's own description, reads the same.
func TestRecordRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := drawValue(t)
		version := rapid.Int16Range(0, 2).Draw(t, "transaction.version")
		r := Encode("some-id", v, version)
		id, ok, err := DecodeKey(r.Key)
		if id != "some-id" || !ok || err != nil {
			t.Fatalf("key: %q, %v, %v", id, ok, err)
		}
		if version == 0 {
			v.PreviousID, v.NextID, v.NextEpoch, v.ClientVersion = -1, -1, -1, 0
		}
		got, err := DecodeValue(r.Value)
		if err != nil || !reflect.DeepEqual(got, v) {
			t.Fatalf("%+v, %v; want %+v", got, err, v)
		}
		m := kmsg.NewTxnMetadataValue()
		if err := m.ReadFrom(r.Value); err != nil {
			t.Fatal(err)
		}
		if m.ProducerID != v.Producer.ID || m.ProducerEpoch != v.Producer.Epoch || m.TimeoutMillis != v.TimeoutMillis ||
			int8(m.State) != int8(v.State) || m.LastUpdateTimestamp != v.UpdatedMillis || m.StartTimestamp != v.StartedMillis {
			t.Fatalf("kmsg reads %+v", m)
		}
		n := 0
		for _, topic := range m.Topics {
			n += len(topic.Partitions)
		}
		if n != len(v.Partitions) {
			t.Fatalf("kmsg reads %d partitions of %d", n, len(v.Partitions))
		}
	})
}

func FuzzDecodeKey(f *testing.F) {
	f.Add(encodeKey("id"))
	f.Add([]byte{0, 1, 2, 3})
	f.Fuzz(func(t *testing.T, b []byte) {
		id, ok, err := DecodeKey(b)
		switch {
		case err != nil && !errors.Is(err, ErrMalformed):
			t.Fatal(err)
		case err == nil && ok && !bytes.Equal(encodeKey(id), b):
			t.Fatalf("%x became %x", b, encodeKey(id))
		}
	})
}

func FuzzDecodeValue(f *testing.F) {
	f.Add(Encode("id", Value{Producer: Producer{1, 2}, State: Ongoing, PreviousID: 1, NextID: -1, NextEpoch: -1, ClientVersion: 2,
		Partitions: []TopicPartition{{"t", 0}, {"t", 1}, {"u", 3}}}, 2).Value)
	f.Add(Encode("id", Value{Producer: Producer{1, 2}, Partitions: []TopicPartition{{"t", 0}}}, 0).Value)
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := DecodeValue(b)
		if err != nil {
			if !errors.Is(err, ErrMalformed) {
				t.Fatal(err)
			}
			return
		}
		version := int16(b[1])
		again, err := DecodeValue(Encode("id", v, version).Value)
		if err != nil || !reflect.DeepEqual(again, v) {
			t.Fatalf("%+v became %+v, %v", v, again, err)
		}
	})
}
