package share

import (
	"bytes"
	"encoding/hex"
	"math"
	"testing"

	"pgregory.net/rapid"

	"leat.dev/internal/coord"
)

// Records that Apache Kafka 4.3.1 wrote: keys and values.
var kafkas = []struct{ key, value string }{
	{ // an initialized share-partition
		"0000000673682d74776f053f0f3fe3844810a6c75933ffe40f2100000000",
		"0000000000000000000200000000ffffffffffffffff000001a2000b5ea7000001a2000b5ea70100",
	},
	{
		"0001000673682d74776f053f0f3fe3844810a6c75933ffe40f2100000000",
		"00000000000000000000000000000000000002000000000000000000000000000000c702000100010004000000c8",
	},
	{ // nothing complete
		"0001000a73682d74696d656f75745e194cddbfa54bfda763e49d82e3831400000000",
		"000000000000000000000000000000000000020000000000000000000000000000000900000100010004000000" + "00",
	},
}

func unhex(t testing.TB, s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestReadsAndWritesKafkasRecords(t *testing.T) {
	for _, k := range kafkas {
		r := coord.Record{Key: unhex(t, k.key), Value: unhex(t, k.value)}
		again, err := recode(r)
		if err != nil {
			t.Fatalf("%s: %v", k.value, err)
		}
		if !bytes.Equal(again.Key, r.Key) || !bytes.Equal(again.Value, r.Value) {
			t.Errorf("%x %x\nbecomes\n%x %x", r.Key, r.Value, again.Key, again.Value)
		}
	}
	kind, key, ok, err := DecodeKey(unhex(t, kafkas[0].key))
	if err != nil || !ok || kind != keySnapshot || key.Group != "sh-two" || key.Partition != 0 {
		t.Fatalf("%d %+v %v %v", kind, key, ok, err)
	}
	s, err := DecodeSnapshot(unhex(t, kafkas[0].value))
	if err != nil || s.StateEpoch != 2 || s.StartOffset != NoOffset || s.DeliveryCompleteCount != unknownCount || len(s.Batches) != 0 {
		t.Fatalf("%+v %v", s, err)
	}
	u, err := DecodeUpdate(unhex(t, kafkas[1].value))
	want := StateBatch{First: 0, Last: 199, State: Acknowledged, DeliveryCount: 1}
	if err != nil || u.DeliveryCompleteCount != 200 || len(u.Batches) != 1 || u.Batches[0] != want {
		t.Fatalf("%+v %v", u, err)
	}
}

// recode decodes and encodes a record.
func recode(r coord.Record) (coord.Record, error) {
	kind, key, _, err := DecodeKey(r.Key)
	if err != nil {
		return coord.Record{}, err
	}
	switch {
	case r.Value == nil:
		return EncodeTombstone(key), nil
	case kind == keySnapshot:
		s, err := DecodeSnapshot(r.Value)
		return EncodeSnapshot(key, s), err
	default:
		u, err := DecodeUpdate(r.Value)
		return EncodeUpdate(key, u), err
	}
}

func drawKey(t *rapid.T) Key {
	k := Key{Group: rapid.StringN(0, 12, 40).Draw(t, "group")}
	k.Partition = rapid.Int32Min(0).Draw(t, "partition")
	copy(k.TopicID[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id"))
	return k
}

func drawBatches(t *rapid.T, most int64) (out []StateBatch) {
	for range rapid.IntRange(0, 6).Draw(t, "batches") {
		first := rapid.Int64Range(0, most).Draw(t, "first")
		out = append(out, StateBatch{
			First: first, Last: first + rapid.Int64Range(0, 9).Draw(t, "size"),
			State: rapid.SampledFrom([]DeliveryState{Available, Acknowledged, Archived}).Draw(t, "state"), DeliveryCount: rapid.Int16Range(0, 4).Draw(t, "count"),
		})
	}
	return out
}

func TestRecordsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := drawKey(t)
		s := Snapshot{
			Epoch: rapid.Int32().Draw(t, "epoch"), StateEpoch: rapid.Int32().Draw(t, "state epoch"), LeaderEpoch: rapid.Int32().Draw(t, "leader epoch"),
			StartOffset: rapid.Int64().Draw(t, "start"), DeliveryCompleteCount: rapid.Int32Min(-1).Draw(t, "complete"),
			CreatedMillis: rapid.Int64().Draw(t, "created"), WrittenMillis: rapid.Int64().Draw(t, "written"), Batches: drawBatches(t, 1<<40),
		}
		r := EncodeSnapshot(key, s)
		again, err := DecodeSnapshot(r.Value)
		if err != nil {
			t.Fatal(err)
		}
		if back := EncodeSnapshot(key, again); !bytes.Equal(back.Value, r.Value) || !bytes.Equal(back.Key, r.Key) {
			t.Fatalf("%+v becomes %+v", s, again)
		}
		if n := snapshotBytes(len(s.Batches)); len(r.Value) > n {
			t.Fatalf("%d bytes, expected at most %d", len(r.Value), n)
		}
		kind, k, ok, err := DecodeKey(r.Key)
		if err != nil || !ok || kind != keySnapshot || k != key {
			t.Fatalf("%+v %v", k, err)
		}
	})
}

func FuzzRecord(f *testing.F) {
	for _, k := range kafkas {
		f.Add(unhex(f, k.key), unhex(f, k.value))
	}
	f.Add([]byte{0, 2, 0}, []byte{})
	f.Fuzz(func(t *testing.T, key, value []byte) {
		r := coord.Record{Key: key, Value: value}
		again, err := recode(r)
		if err != nil {
			return
		}
		s := New(DefaultSettings(), func(TopicPartition) bool { return true })
		if err := s.Replay(coord.LogRecord{Key: again.Key, Value: again.Value}); err != nil {
			t.Fatalf("what was decoded and encoded cannot be replayed: %v", err)
		}
		for k, st := range s.byKey {
			checkBatches(t, st.Batches, st.StartOffset)
			if twice, err := recode(EncodeSnapshot(k, st.Snapshot)); err != nil || twice.Value == nil {
				t.Fatal(err)
			}
		}
	})
}

func TestDecodersRefuse(t *testing.T) {
	good := EncodeSnapshot(Key{Group: "g"}, Snapshot{Batches: []StateBatch{{First: 1, Last: 2}}})
	for n := range good.Value {
		if _, err := DecodeSnapshot(good.Value[:n]); err == nil {
			t.Errorf("%d of %d bytes are taken for a snapshot", n, len(good.Value))
		}
	}
	for _, b := range []StateBatch{{First: 2, Last: 1}, {First: -1, Last: 1}, {First: 1, Last: math.MaxInt64}, {First: 1, Last: 1, State: 1}, {First: 1, Last: 1, DeliveryCount: -1}} {
		if _, err := DecodeUpdate(EncodeUpdate(Key{}, Update{Batches: []StateBatch{b}}).Value); err == nil {
			t.Errorf("%+v is taken", b)
		}
	}
}
