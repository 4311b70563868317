package group

import (
	"errors"
	"reflect"
	"testing"

	"leat.dev/internal/coord/group/assign"
)

// TestTopicHash holds the hash against what Apache Kafka 4.3.1 wrote for a group
// subscribed to t and u, and against what its hash library makes of a topic with
// racks.
func TestTopicHash(t *testing.T) {
	s := New(DefaultSettings(), nil)
	c := newFakeCluster()
	copy16 := func(text string) (id [16]byte) { copy(id[:], unhex(text)); return id }
	c.topics["t"] = TopicInfo{ID: copy16("e4afffe2d9954e5c921d36c7d5c5a393"), Partitions: 4}
	c.topics["u"] = TopicInfo{ID: copy16("0ba3f49b14bc49b796dfeaf5a1569af3"), Partitions: 4}
	s.cluster = c
	if h := s.subscriptionHash([]string{"missing", "t", "u"}); h != -2518821278394328396 {
		t.Errorf("hash %d", h)
	}
	if h := s.subscriptionHash([]string{"missing"}); h != 0 {
		t.Errorf("hash of nothing %d", h)
	}
	const name = "tö𝄞pic"
	c.topics[name] = TopicInfo{ID: copy16("01020304050607081112131415161718"), Partitions: 20}
	c.racks = map[string][]string{name: {"eu-1b", "eu-1a"}}
	if h := topicHash(c, name, c.topics[name]); h != -4827357782616754758 {
		t.Errorf("hash with racks %d", h)
	}
}

func topicBytes(n byte) [16]byte { return [16]byte{15: n} }

// recordCase is a value as Kafka 4.3.1 writes it.
type recordCase struct {
	name   string
	bytes  []byte
	want   any
	decode func([]byte) (any, error)
	encode func(any) []byte
}

// testRecords: values are read as they are meant and written as they were; cut ones are refused.
func testRecords(t *testing.T, cases []recordCase) {
	t.Helper()
	for _, test := range cases {
		got, err := test.decode(test.bytes)
		if err != nil || !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s: %+v, %v", test.name, got, err)
			continue
		}
		if b := test.encode(got); !reflect.DeepEqual(b, test.bytes) {
			t.Errorf("%s: written as\n%x, read from\n%x", test.name, b, test.bytes)
		}
		for i := range test.bytes {
			if _, err := test.decode(test.bytes[:i]); !errors.Is(err, ErrMalformed) {
				t.Errorf("%s cut at %d: %v", test.name, i, err)
			}
		}
	}
}

// fuzzRecords: whatever a decoder accepts survives being written and read again.
func fuzzRecords(f *testing.F, cases []recordCase) {
	for i, test := range cases {
		f.Add(i, test.bytes)
	}
	f.Fuzz(func(t *testing.T, i int, b []byte) {
		test := cases[uint(i)%uint(len(cases))]
		v, err := test.decode(b)
		if err != nil {
			return
		}
		if again, err := test.decode(test.encode(v)); err != nil || !reflect.DeepEqual(again, v) {
			t.Fatalf("%s: %+v became %+v, %v", test.name, v, again, err)
		}
	})
}

var consumerRecords = []recordCase{
	{"group", unhex("0000 00000002 01 00 08 0102030405060708"), ConsumerGroupValue{2, 0x0102030405060708},
		func(b []byte) (any, error) { return DecodeConsumerGroup(b) }, func(v any) []byte { return EncodeConsumerGroup(v.(ConsumerGroupValue)) }},
	{"group without hash", unhex("0000 00000002 00"), ConsumerGroupValue{2, 0},
		func(b []byte) (any, error) { return DecodeConsumerGroup(b) }, func(v any) []byte { return EncodeConsumerGroup(v.(ConsumerGroupValue)) }},
	{"member", unhex("0000 03 6931 00 02 63 0b 2f3132372e302e302e31 02 02 74 01 00001388 00 01 00 01 00"),
		ConsumerMemberValue{InstanceID: str("i1"), ClientID: "c", ClientHost: "/127.0.0.1", Topics: []string{"t"}, RebalanceTimeoutMillis: 5000},
		func(b []byte) (any, error) { return DecodeConsumerMember(b) }, func(v any) []byte { return EncodeConsumerMember(v.(ConsumerMemberValue)) }},
	{"classic member", unhex("0000 00 02 72 02 63 02 68 01 02 78 00001388 02 61 01 00 0c 01 000003e8 02 02 72 02 aa 00 00"),
		ConsumerMemberValue{RackID: str("r"), ClientID: "c", ClientHost: "h", Topics: []string{}, Regex: "x", RebalanceTimeoutMillis: 5000, Assignor: str("a"),
			Classic: &ClassicMemberValue{SessionTimeoutMillis: 1000, Protocols: []ClassicProtocol{{"r", []byte{0xaa}}}}},
		func(b []byte) (any, error) { return DecodeConsumerMember(b) }, func(v any) []byte { return EncodeConsumerMember(v.(ConsumerMemberValue)) }},
	{"target metadata", unhex("0000 00000002 01 00 08 0000000000000007"), TargetMetadataValue{2, 7},
		func(b []byte) (any, error) { return DecodeTargetMetadata(b) }, func(v any) []byte { return EncodeTargetMetadata(v.(TargetMetadataValue)) }},
	{"target", unhex("0000 02 00000000000000000000000000000001 03 00000000 00000002 00 00"), assign.Partitions{topicBytes(1): {0, 2}},
		func(b []byte) (any, error) { return DecodeTargetAssignment(b) }, func(v any) []byte { return EncodeTargetAssignment(v.(assign.Partitions)) }},
	{"current", unhex("0000 00000003 00000002 01 02 00000000000000000000000000000001 02 00000000 01 00 05 02 00000002 02 00000000000000000000000000000002 02 00000001 01 00 05 02 00000003 00"),
		CurrentAssignmentValue{Epoch: 3, Previous: 2, State: 1, Assigned: Held{topicBytes(1): {0: 2}}, Revoking: Held{topicBytes(2): {1: 3}}},
		func(b []byte) (any, error) { return DecodeCurrentAssignment(b) }, func(v any) []byte { return EncodeCurrentAssignment(v.(CurrentAssignmentValue)) }},
	{"expression", unhex("0000 02 02 74 0000000000000007 0000000000000009 00"), RegexValue{[]string{"t"}, 7, 9},
		func(b []byte) (any, error) { return DecodeRegex(b) }, func(v any) []byte { return EncodeRegex(v.(RegexValue)) }},
}

func TestConsumerRecords(t *testing.T) {
	testRecords(t, consumerRecords)
	// Before Kafka 4.3 partitions had no epochs of their own: the member's counts.
	old := unhex("0000 00000003 00000002 00 02 00000000000000000000000000000001 02 00000000 00 01 00")
	if v, err := DecodeCurrentAssignment(old); err != nil || v.Assigned[topicBytes(1)][0] != 3 {
		t.Errorf("%+v, %v", v, err)
	}
}

func FuzzConsumerRecord(f *testing.F) { fuzzRecords(f, consumerRecords) }

// FuzzEmbedded: what classic consumers send is read without trust.
func FuzzEmbedded(f *testing.F) {
	f.Add(subscription("t", "u"))
	f.Add(assignment("embedded/t.0.1;u.2"))
	f.Add([]byte{0, 3, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 'r'})
	f.Fuzz(func(t *testing.T, b []byte) {
		if v, ok := decodeSubscription(b); ok && len(v.topics)+len(v.owned) > len(b) {
			t.Fatalf("%d topics in %d bytes", len(v.topics), len(b))
		}
		decodeAssignment(b)
	})
}
