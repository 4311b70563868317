package record

import (
	"bytes"
	"encoding/hex"
	"errors"
	"os"
	"reflect"
	"strings"
	"testing"
)

func fill[T any](v T) *T { return &v }

// samples has every record type with all fields set, and the ones with
// optional fields without them too.
func samples() []Record {
	id := UUID{0xde, 0xad, 0xbe, 0xef, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}
	endpoints := []Endpoint{{"PLAINTEXT", "host", 65535, 0}, {"SSL", "", 1, 1}}
	features := []FeatureRange{{"metadata.version", 7, 30}}
	change := NewPartitionChange(3, id)
	full := NewPartitionChange(7, id)
	full.ISR, full.Leader, full.Replicas = []int32{1, 2}, 2, []int32{1, 2, 3}
	full.RemovingReplicas, full.AddingReplicas = []int32{1}, []int32{}
	full.LeaderRecoveryState, full.Directories = 1, []UUID{id, {}}
	full.EligibleLeaderReplicas, full.LastKnownELR = []int32{4}, []int32{}
	return []Record{
		&RegisterBroker{BrokerID: 1, IncarnationID: id, BrokerEpoch: 1 << 40, Fenced: true},
		&RegisterBroker{BrokerID: 1, IsMigratingZkBroker: true, IncarnationID: id, BrokerEpoch: 9, EndPoints: endpoints, Features: features,
			Rack: fill("r"), InControlledShutdown: true, LogDirs: []UUID{id}, CordonedLogDirs: []UUID{}},
		&UnregisterBroker{2, 3}, &FenceBroker{2, 3}, &UnfenceBroker{2, 3},
		&BrokerRegistrationChange{BrokerID: 1, BrokerEpoch: 2},
		&BrokerRegistrationChange{BrokerID: 1, BrokerEpoch: 2, Fenced: -1},
		&BrokerRegistrationChange{BrokerID: 1, BrokerEpoch: 2, Fenced: 1, InControlledShutdown: 1, LogDirs: []UUID{id}, CordonedLogDirs: []UUID{{}}},
		&RegisterController{3, id, true, endpoints, features},
		&Topic{"topic", id}, &RemoveTopic{id},
		&Partition{PartitionID: 1, TopicID: id, Replicas: []int32{1}, ISR: []int32{1}, Leader: 1},
		&Partition{1, id, []int32{1, 2}, []int32{2}, []int32{1}, []int32{3}, -1, 1, 4, 5, []UUID{id, id}, []int32{1}, []int32{}},
		change, full,
		&ClearElr{"t"}, &Config{2, "t", "k", fill("v")}, &Config{4, "", "k", nil},
		&FeatureLevel{"transaction.version", 2}, &ProducerIDs{1, -1, 5000},
		&ClientQuota{[]QuotaEntity{{"user", fill("ann")}, {"client-id", nil}}, "producer_byte_rate", 1024.5, true},
		&NoOp{}, &ZkMigrationState{1}, &BeginTransaction{}, &BeginTransaction{fill("n")}, &EndTransaction{}, &AbortTransaction{fill("why")},
		&AccessControlEntry{id, 2, "t", 3, "User:ann", "*", 3, 3}, &RemoveAccessControlEntry{id},
		&UserScramCredential{"ann", 1, []byte{1}, []byte{2, 3}, []byte{4}, 4096}, &RemoveUserScramCredential{"ann", 2},
		&DelegationToken{"o", "r", []string{"a", "b"}, 1, 2, 3, "id"}, &RemoveDelegationToken{"id"},
	}
}

func TestRoundTrip(t *testing.T) {
	types := map[int16]bool{}
	for _, r := range samples() {
		types[r.Type()] = true
		b := Append([]byte("prefix"), r)[len("prefix"):]
		got, err := Decode(b)
		if err != nil {
			t.Errorf("%T: %v", r, err)
			continue
		}
		if !reflect.DeepEqual(got, r) {
			t.Errorf("%T: decoded\n%+v, want\n%+v", r, got, r)
		}
		for n := range b {
			if _, err := Decode(b[:n]); !errors.Is(err, ErrCorrupt) {
				t.Errorf("%T cut to %d of %d bytes: %v", r, n, len(b), err)
			}
		}
		if _, err := Decode(append(b, 0)); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%T with a byte too many: %v", r, err)
		}
	}
	for typ := range uint64(40) {
		if r := newOf(typ); (r != nil) != types[int16(typ)] {
			t.Errorf("type %d: known %v, tested %v", typ, r != nil, types[int16(typ)])
		} else if r != nil && r.Type() != int16(typ) {
			t.Errorf("type %d makes a record of type %d", typ, r.Type())
		}
	}
}

// kafkaRecords are records that Apache Kafka itself wrote.
func kafkaRecords(t testing.TB) (names []string, values [][]byte) {
	data, err := os.ReadFile("testdata/kafka-4.3.1.txt")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		name, digits, ok := strings.Cut(strings.TrimSpace(line), " ")
		if !ok || name == "#" {
			continue
		}
		v, err := hex.DecodeString(digits)
		if err != nil {
			t.Fatal(err)
		}
		names, values = append(names, name), append(values, v)
	}
	return names, values
}

func TestKafkasBytes(t *testing.T) {
	names, values := kafkaRecords(t)
	for i, v := range values {
		r, err := Decode(v)
		if err != nil {
			t.Errorf("%s: %v", names[i], err)
			continue
		}
		want := strings.ReplaceAll(strings.TrimSuffix(names[i], "_RECORD"), "_", "")
		if got := strings.ToUpper(reflect.TypeOf(r).Elem().Name()); got != want {
			t.Errorf("%s decoded as %T", names[i], r)
		}
		if got := Append(nil, r); !bytes.Equal(got, v) {
			t.Errorf("%s: encoded as\n%x, Kafka wrote\n%x", names[i], got, v)
		}
	}
}

func TestUnknown(t *testing.T) {
	for name, b := range map[string][]byte{
		"frame version":  {2, 20, 0, 0},
		"type":           {1, 6, 0, 0},
		"record version": {1, 20, 1, 0},
	} {
		if _, err := Decode(b); !errors.Is(err, ErrUnknown) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// A tag that a newer writer added is skipped.
	b := append(Append(nil, &NoOp{})[:3], 1, 77, 2, 0xab, 0xcd)
	if r, err := Decode(b); err != nil {
		t.Errorf("unknown tag: %v, %v", r, err)
	}
}

func TestHostileLengths(t *testing.T) {
	// An array that claims 2^31 elements must fail before it is allocated.
	b := append([]byte{1, 3, 0, 0, 0, 0, 1}, make([]byte, 16)...)
	b = append(b, 0xff, 0xff, 0xff, 0xff, 0x0f)
	allocated := testing.AllocsPerRun(10, func() {
		if _, err := Decode(b); !errors.Is(err, ErrCorrupt) {
			t.Fatal(err)
		}
	})
	if allocated > 20 {
		t.Errorf("%v allocations", allocated)
	}
}

func FuzzDecode(f *testing.F) {
	for _, r := range samples() {
		f.Add(Append(nil, r))
	}
	_, values := kafkaRecords(f)
	for _, v := range values {
		f.Add(v)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := Decode(b)
		if err != nil {
			if !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrUnknown) {
				t.Fatalf("error of no known kind: %v", err)
			}
			return
		}
		again, err := Decode(Append(nil, r))
		if err != nil {
			t.Fatalf("%+v does not decode again: %v", r, err)
		}
		// A record of an older version may gain fields, but says the same.
		if twice, err := Decode(Append(nil, again)); err != nil || !reflect.DeepEqual(twice, again) && !hasNaN(again) {
			t.Fatalf("%+v became %+v (%v)", again, twice, err)
		}
	})
}

func hasNaN(r Record) bool {
	q, ok := r.(*ClientQuota)
	return ok && q.Value != q.Value
}
