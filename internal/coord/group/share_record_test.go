package group

import (
	"testing"

	"leat.dev/internal/coord/group/assign"
)

var shareRecords = []recordCase{
	{"group", unhex("0000 00000002 0102030405060708 00"), ConsumerGroupValue{2, 0x0102030405060708},
		func(b []byte) (any, error) { return DecodeShareGroup(b) }, func(v any) []byte { return EncodeShareGroup(v.(ConsumerGroupValue)) }},
	{"member", unhex("0000 02 72 02 63 0b 2f3132372e302e302e31 03 02 74 02 75 00"),
		ShareMemberValue{RackID: str("r"), ClientID: "c", ClientHost: "/127.0.0.1", Topics: []string{"t", "u"}},
		func(b []byte) (any, error) { return DecodeShareMember(b) }, func(v any) []byte { return EncodeShareMember(v.(ShareMemberValue)) }},
	{"current", unhex("0000 00000003 00000002 00 02 00000000000000000000000000000001 03 00000000 00000002 00 00"),
		ShareCurrentValue{Epoch: 3, Previous: 2, Assigned: assign.Partitions{topicBytes(1): {0, 2}}},
		func(b []byte) (any, error) { return DecodeShareCurrent(b) }, func(v any) []byte { return EncodeShareCurrent(v.(ShareCurrentValue)) }},
	{"state", unhex("0000 02 00000000000000000000000000000001 02 74 02 00000001 00 02 00000000000000000000000000000001 02 74 02 00000000 00 02 00000000000000000000000000000002 02 75 00 00"),
		ShareStateValue{
			Initializing: map[assign.TopicID]ShareTopic{topicBytes(1): {"t", []int32{1}}},
			Initialized:  map[assign.TopicID]ShareTopic{topicBytes(1): {"t", []int32{0}}},
			Deleting:     map[assign.TopicID]string{topicBytes(2): "u"},
		},
		func(b []byte) (any, error) { return DecodeShareState(b) }, func(v any) []byte { return EncodeShareState(v.(ShareStateValue)) }},
}

func TestShareRecords(t *testing.T) {
	testRecords(t, shareRecords)
	for typ := keyShareMember; typ <= keyShareState; typ++ {
		want := ShareKey{Type: typ, Group: "g"}
		if shareKeyHasName(typ) {
			want.Name = "m"
		}
		if k, err := DecodeKey(encodeShareKey(want)); err != nil || k != want {
			t.Errorf("%+v, %v", k, err)
		}
	}
}

func FuzzShareRecord(f *testing.F) { fuzzRecords(f, shareRecords) }

// FuzzShareReplay: no bytes in a log make a share group panic, when loaded or
// afterwards.
func FuzzShareReplay(f *testing.F) {
	for i, typ := range []int16{keyShareGroup, keyShareMember, keyShareCurrentAssignment, keyShareState} {
		f.Add(encodeShareKey(ShareKey{typ, "g", "m1"}), shareRecords[i].bytes)
	}
	f.Add(encodeShareKey(ShareKey{keyShareTargetMetadata, "g", ""}), consumerRecords[4].bytes)
	f.Add(encodeShareKey(ShareKey{keyShareTargetAssignment, "g", "m1"}), consumerRecords[5].bytes)
	f.Fuzz(func(t *testing.T, key, value []byte) {
		if k, err := DecodeKey(key); err != nil {
			return
		} else if _, ok := k.(ShareKey); !ok {
			return
		}
		w := newWorld(t)
		w.log = append(w.log, LogRecord{ProducerID: -1, Key: key, Value: value})
		w.open()
		for _, line := range []string{
			"list", "share-beat g m1 epoch=3", "share-beat g m1", "share-beat g m2", "advance 5s", "share-beat g m2 epoch=2", "describe-share g",
			"share-beat g m1 epoch=-1", "advance 50s", "share-alter g t-0=1", "share-delete g t", "delete g", "restart",
		} {
			w.do(parseCommand(line))
		}
	})
}
