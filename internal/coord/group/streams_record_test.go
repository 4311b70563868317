package group

import (
	"testing"

	"leat.dev/internal/coord/group/assign"
)

var streamsRecords = []recordCase{
	{"group", unhex("0000 00000002 e0be053089f63c00 01 01 19 02 15 6e756d2e7374616e6462792e7265706c69636173 02 31 00"),
		StreamsGroupValue{Epoch: 2, Hash: -0x1f41facf7609c400, Validated: -1, AssignmentConfigs: []KeyValue{{"num.standby.replicas", "1"}}},
		func(b []byte) (any, error) { return DecodeStreamsGroup(b) }, func(v any) []byte { return EncodeStreamsGroup(v.(StreamsGroupValue)) }},
	{"group", unhex("0000 00000003 0000000000000001 02 00 04 00000000 01 01 01"),
		StreamsGroupValue{Epoch: 3, Hash: 1, AssignmentConfigs: []KeyValue{}},
		func(b []byte) (any, error) { return DecodeStreamsGroup(b) }, func(v any) []byte { return EncodeStreamsGroup(v.(StreamsGroupValue)) }},
	{"member", unhex("0000 00 02 72 02 63 0b 2f3132372e302e302e31 00001388 00000000 03 7031 01 02 68 1f90 00 03 02 61 02 32 00 02 7a 02 31 00 00"),
		StreamsMemberValue{RackID: str("r"), ClientID: "c", ClientHost: "/127.0.0.1", RebalanceTimeoutMillis: 5000, ProcessID: "p1",
			Endpoint: &EndpointValue{"h", 8080}, Tags: []KeyValue{{"a", "2"}, {"z", "1"}}},
		func(b []byte) (any, error) { return DecodeStreamsMember(b) }, func(v any) []byte { return EncodeStreamsMember(v.(StreamsMemberValue)) }},
	{"member", unhex("0000 00 00 02 63 0b 2f3132372e302e302e31 00001388 00000000 03 7032 ff 01 00"),
		StreamsMemberValue{ClientID: "c", ClientHost: "/127.0.0.1", RebalanceTimeoutMillis: 5000, ProcessID: "p2", Tags: []KeyValue{}},
		func(b []byte) (any, error) { return DecodeStreamsMember(b) }, func(v any) []byte { return EncodeStreamsMember(v.(StreamsMemberValue)) }},
	{"target", unhex("0000 03 02 30 03 00000000 00000001 00 02 31 03 00000000 00000001 00 02 02 31 03 00000002 00000003 00 01 00"),
		assign.TaskSet{Active: assign.Tasks{"0": {0, 1}, "1": {0, 1}}, Standby: assign.Tasks{"1": {2, 3}}, Warmup: assign.Tasks{}},
		func(b []byte) (any, error) { return DecodeStreamsTarget(b) }, func(v any) []byte { return EncodeStreamsTarget(v.(assign.TaskSet)) }},
	{"current", unhex("0000 00000003 00000003 02 02 02 30 03 00000000 00000001 01 00 09 03 00000003 00000003 01 01 " +
		"02 02 30 03 00000002 00000003 01 00 09 03 00000003 00000003 01 01 00"),
		StreamsCurrentValue{Epoch: 3, Previous: 3, State: 2,
			Assigned: HeldTasks{Active: map[string]map[int32]int32{"0": {0: 3, 1: 3}}, Standby: assign.Tasks{}, Warmup: assign.Tasks{}},
			Revoking: HeldTasks{Active: map[string]map[int32]int32{"0": {2: 3, 3: 3}}, Standby: assign.Tasks{}, Warmup: assign.Tasks{}}},
		func(b []byte) (any, error) { return DecodeStreamsCurrent(b) }, func(v any) []byte { return EncodeStreamsCurrent(v.(StreamsCurrentValue)) }},
	{"topology", unhex("0000 00000000 03 02 30 02 02 74 01 01 02 08 672d7265702e7a 01 01 00 " +
		"02 31 02 02 75 01 02 08 672d6c6f672e7a 00000000 0000 02 0f 636c65616e75702e706f6c696379 08 636f6d70616374 00 00 01 " +
		"02 08 672d7265702e7a 00000000 0000 01 00 02 02 0000 01 02 0000 00 00 00"),
		TopologyValue{Subtopologies: []SubtopologyValue{
			{ID: "0", SourceTopics: []string{"t"}, SourceTopicRegex: []string{}, RepartitionSinkTopics: []string{"g-rep.z"}},
			{ID: "1", SourceTopics: []string{"u"}, SourceTopicRegex: []string{}, RepartitionSinkTopics: []string{},
				StateChangelogTopics:    []TopicValue{{Name: "g-log.z", Configs: []KeyValue{{"cleanup.policy", "compact"}}}},
				RepartitionSourceTopics: []TopicValue{{Name: "g-rep.z", Configs: []KeyValue{}}},
				CopartitionGroups:       []CopartitionGroupValue{{SourceTopics: []int16{0}, SourceTopicRegex: []int16{}, RepartitionSourceTopics: []int16{0}}}},
		}},
		func(b []byte) (any, error) { return DecodeTopology(b) }, func(v any) []byte { return EncodeTopology(v.(TopologyValue)) }},
}

func TestStreamsRecords(t *testing.T) {
	testRecords(t, streamsRecords)
	// Before Kafka 4.3 tasks had no epochs of their own: the member's counts.
	old := unhex("0000 00000003 00000002 01 02 02 30 02 00000000 00 01 01 01 01 01 00")
	if v, err := DecodeStreamsCurrent(old); err != nil || v.Assigned.Active["0"][0] != 3 {
		t.Errorf("%+v, %v", v, err)
	}
}

func FuzzStreamsRecord(f *testing.F) { fuzzRecords(f, streamsRecords) }

// FuzzStreamsReplay: no streams records in a log make a shard panic, when loaded or
// afterwards.
func FuzzStreamsReplay(f *testing.F) {
	for i, typ := range []int16{keyStreamsGroup, keyStreamsGroup, keyStreamsMember, keyStreamsMember, keyStreamsTarget, keyStreamsCurrent, keyStreamsTopology} {
		f.Add(uint8(typ), streamsRecords[i].bytes, uint8(keyStreamsTopology), streamsRecords[6].bytes)
	}
	f.Fuzz(func(t *testing.T, typ1 uint8, value1 []byte, typ2 uint8, value2 []byte) {
		w := newWorld(t)
		for i, r := range []struct {
			typ   uint8
			value []byte
		}{{typ1, value1}, {typ2, value2}, {typ1, value1}} {
			typ := keyStreamsGroup + int16(r.typ)%(keyStreamsTopology-keyStreamsGroup+1)
			if !isStreamsKey(typ) {
				continue
			}
			value := r.value
			if len(value) == 0 {
				value = nil
			}
			w.log = append(w.log, LogRecord{Offset: int64(i), ProducerID: -1, Key: encodeStreamsKey(StreamsKey{typ, "g", "a"}), Value: value})
		}
		w.open()
		for _, line := range []string{
			"describe-streams g", "list", "commit g t-0 member=a gen=1", "fetch g", "offset-delete g t-0", "stream g a epoch=3",
			"stream g a epoch=3 active=0:0", "stream g b topology=rejoin", "created g-rep partitions=4", "created g-log partitions=4",
			"stream g b epoch=1", "stream g a topology=one endpoint=h:1", "advance 10s", "stream g c", "describe-streams g", "stream g c epoch=-1", "delete g",
		} {
			w.do(parseCommand(line))
		}
	})
}
