package group

import (
	"encoding/hex"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

func unhex(s string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		panic(err)
	}
	return b
}

// offsetValues holds each version of the value as bytes, field by field.
var offsetValues = []struct {
	name  string
	bytes []byte
	want  OffsetValue
}{
	{"v0", unhex("0000 000000000000002a 0001 6d 0000000000000007"),
		OffsetValue{Offset: 42, LeaderEpoch: -1, Metadata: "m", CommitTimestamp: 7, ExpireTimestamp: -1}},
	{"v1", unhex("0001 000000000000002a 0001 6d 0000000000000007 0000000000000009"),
		OffsetValue{Offset: 42, LeaderEpoch: -1, Metadata: "m", CommitTimestamp: 7, ExpireTimestamp: 9}},
	{"v2", unhex("0002 000000000000002a 0000 0000000000000007"),
		OffsetValue{Offset: 42, LeaderEpoch: -1, CommitTimestamp: 7, ExpireTimestamp: -1}},
	{"v3", unhex("0003 000000000000002a 00000005 0000 0000000000000007"),
		OffsetValue{Offset: 42, LeaderEpoch: 5, CommitTimestamp: 7, ExpireTimestamp: -1}},
	{"v4", unhex("0004 000000000000002a 00000005 02 6d 0000000000000007 01 00 10 000102030405060708090a0b0c0d0e0f"),
		OffsetValue{Offset: 42, LeaderEpoch: 5, Metadata: "m", CommitTimestamp: 7, ExpireTimestamp: -1,
			TopicID: [16]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}}},
	{"v4 without topic id, with a tag of the future", unhex("0004 000000000000002a ffffffff 01 0000000000000007 01 09 02 abcd"),
		OffsetValue{Offset: 42, LeaderEpoch: -1, CommitTimestamp: 7, ExpireTimestamp: -1}},
}

func str(s string) *string { return &s }

var groupValues = []struct {
	name  string
	bytes []byte
	want  GroupValue
}{
	{"v0", unhex("0000 0001 63 00000002 0001 72 0001 6c 00000001 0001 6c 0001 63 0002 2f68 000003e8 00000001 aa 00000001 bb"),
		GroupValue{ProtocolType: "c", Generation: 2, Protocol: str("r"), Leader: str("l"), StateTimestamp: -1, Members: []MemberValue{
			{ID: "l", ClientID: "c", ClientHost: "/h", RebalanceTimeoutMillis: -1, SessionTimeoutMillis: 1000, Subscription: []byte{0xaa}, Assignment: []byte{0xbb}}}}},
	{"v1", unhex("0001 0000 00000002 ffff ffff 00000001 0001 6c 0001 63 0002 2f68 000007d0 000003e8 00000000 00000000"),
		GroupValue{Generation: 2, StateTimestamp: -1, Members: []MemberValue{
			{ID: "l", ClientID: "c", ClientHost: "/h", RebalanceTimeoutMillis: 2000, SessionTimeoutMillis: 1000, Subscription: []byte{}, Assignment: []byte{}}}}},
	{"v2", unhex("0002 0001 63 00000002 ffff ffff 0000000000000009 00000000"),
		GroupValue{ProtocolType: "c", Generation: 2, StateTimestamp: 9}},
	{"v3", unhex("0003 0001 63 00000002 0001 72 0001 6c 0000000000000009 00000001 0001 6c 0001 69 0001 63 0002 2f68 000007d0 000003e8 00000000 00000000"),
		GroupValue{ProtocolType: "c", Generation: 2, Protocol: str("r"), Leader: str("l"), StateTimestamp: 9, Members: []MemberValue{
			{ID: "l", InstanceID: str("i"), ClientID: "c", ClientHost: "/h", RebalanceTimeoutMillis: 2000, SessionTimeoutMillis: 1000, Subscription: []byte{}, Assignment: []byte{}}}}},
	{"v4", unhex("0004 02 63 00000002 02 72 00 0000000000000009 02 02 6c 00 02 63 03 2f68 000007d0 000003e8 02 aa 01 00 00"),
		GroupValue{ProtocolType: "c", Generation: 2, Protocol: str("r"), StateTimestamp: 9, Members: []MemberValue{
			{ID: "l", ClientID: "c", ClientHost: "/h", RebalanceTimeoutMillis: 2000, SessionTimeoutMillis: 1000, Subscription: []byte{0xaa}, Assignment: []byte{}}}}},
}

func TestDecodeValues(t *testing.T) {
	for _, test := range offsetValues {
		if got, err := DecodeOffsetValue(test.bytes); err != nil || got != test.want {
			t.Errorf("offset %s: %+v, %v", test.name, got, err)
		}
		for i := range test.bytes {
			if _, err := DecodeOffsetValue(test.bytes[:i]); !errors.Is(err, ErrMalformed) {
				t.Errorf("offset %s cut at %d: %v", test.name, i, err)
			}
		}
		if _, err := DecodeOffsetValue(append(test.bytes[:len(test.bytes):len(test.bytes)], 0)); !errors.Is(err, ErrMalformed) {
			t.Errorf("offset %s with a byte too many: %v", test.name, err)
		}
	}
	for _, test := range groupValues {
		if got, err := DecodeGroupValue(test.bytes); err != nil || !reflect.DeepEqual(got, test.want) {
			t.Errorf("group %s: %+v, %v", test.name, got, err)
		}
		for i := range test.bytes {
			if _, err := DecodeGroupValue(test.bytes[:i]); !errors.Is(err, ErrMalformed) {
				t.Errorf("group %s cut at %d: %v", test.name, i, err)
			}
		}
	}
}

// TestAgainstKmsg writes with one implementation and reads with another.
func TestAgainstKmsg(t *testing.T) {
	for _, test := range offsetValues {
		r := EncodeOffset(OffsetKey{"group", "topic", 7}, test.want)
		var k kmsg.OffsetCommitKey
		if err := k.ReadFrom(r.Key); err != nil || k.Group != "group" || k.Topic != "topic" || k.Partition != 7 || k.Version != 1 {
			t.Errorf("key: %+v, %v", k, err)
		}
		var v kmsg.OffsetCommitValue
		if err := v.ReadFrom(r.Value); err != nil {
			t.Fatal(err)
		}
		if v.Offset != test.want.Offset || v.Metadata != test.want.Metadata || v.CommitTimestamp != test.want.CommitTimestamp || v.TopicID != test.want.TopicID {
			t.Errorf("%s: %+v", test.name, v)
		}
	}
	for _, test := range groupValues {
		r := EncodeGroup("group", test.want)
		var k kmsg.GroupMetadataKey
		if err := k.ReadFrom(r.Key); err != nil || k.Group != "group" || k.Version != 2 {
			t.Errorf("key: %+v, %v", k, err)
		}
		var v kmsg.GroupMetadataValue
		if err := v.ReadFrom(r.Value); err != nil {
			t.Fatal(err)
		}
		if v.Version != 3 || v.Generation != test.want.Generation || len(v.Members) != len(test.want.Members) {
			t.Errorf("%s: %+v", test.name, v)
		}
		for version := int16(0); version <= 4; version++ {
			v.Version = version
			got, err := DecodeGroupValue(v.AppendTo(nil))
			if err != nil || got.Generation != test.want.Generation || len(got.Members) != len(test.want.Members) {
				t.Errorf("%s as version %d: %+v, %v", test.name, version, got, err)
			}
		}
	}
}
