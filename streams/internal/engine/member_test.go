package engine

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func newTestMember() *groupMember {
	topology := kmsg.NewStreamsGroupHeartbeatRequestTopology()
	for _, id := range []string{"0", "1"} {
		s := kmsg.NewStreamsGroupHeartbeatRequestTopologySubtopology()
		s.SubtopologyID = id
		topology.Subtopologies = append(topology.Subtopologies, s)
	}
	return &groupMember{group: "app", id: "m", topology: &topology}
}

var testSelf = memberInfo{Process: "p", Endpoint: "host:7000", Rack: "r", Tags: map[string]string{"zone": "a"}}

// beat makes the next heartbeat and takes an answer to it.
func (m *groupMember) beat(t *testing.T, edit func(*kmsg.StreamsGroupHeartbeatResponse)) (*kmsg.StreamsGroupHeartbeatRequest, verdict) {
	t.Helper()
	req, err := m.request(m.joins(), &testSelf)
	if err != nil {
		t.Fatal(err)
	}
	resp := kmsg.NewPtrStreamsGroupHeartbeatResponse()
	resp.MemberID, resp.MemberEpoch, resp.HeartbeatIntervalMillis = req.MemberID, max(m.epoch, 1), 5000
	edit(resp)
	return req, m.answered(req, resp, func(tp TopicPartition) (TaskID, bool) { return TaskID{0, tp.Partition}, tp.Topic == "in" })
}

func assigned(epoch int32, active, standby []TaskID) func(*kmsg.StreamsGroupHeartbeatResponse) {
	return func(r *kmsg.StreamsGroupHeartbeatResponse) {
		r.MemberEpoch = epoch
		r.ActiveTasks, r.StandbyTasks, r.WarmupTasks = taskIDs(active), taskIDs(standby), taskIDs(nil)
	}
}

func unchanged(*kmsg.StreamsGroupHeartbeatResponse) {}

// TestMemberLife goes from joining to being fenced, and back.
func TestMemberLife(t *testing.T) {
	m := newTestMember()
	one, two := TaskID{0, 1}, TaskID{1, 2}

	req, v := m.beat(t, assigned(3, []TaskID{two, one}, nil))
	switch {
	case req.MemberEpoch != 0, req.Topology == nil, *req.ProcessID != "p", *req.RackID != "r", req.UserEndpoint.Host != "host", req.UserEndpoint.Port != 7000:
		t.Fatalf("a member joins with %+v", req)
	case req.ActiveTasks == nil || req.StandbyTasks == nil || req.WarmupTasks == nil, req.RebalanceTimeoutMillis != 300_000, len(req.ClientTags) != 1:
		t.Fatalf("a member joins with %+v", req)
	case !v.told || m.epoch != 3 || !slices.Equal(m.told.active, []TaskID{one, two}) || v.wait.Seconds() != 5:
		t.Fatal(v, m)
	}
	if req, _ = m.beat(t, unchanged); req.MemberEpoch != 3 || req.Topology != nil || req.ActiveTasks != nil || req.ProcessID != nil {
		t.Fatalf("a member that has done nothing yet says %+v", req)
	}
	m.owned = m.told
	if req, _ = m.beat(t, unchanged); len(req.ActiveTasks) != 2 || req.StandbyTasks == nil || req.WarmupTasks == nil {
		t.Fatalf("a member that took its tasks says %+v", req)
	}
	if req, _ = m.beat(t, assigned(4, []TaskID{one}, []TaskID{two})); req.ActiveTasks != nil {
		t.Fatalf("what the group knows is said again: %+v", req)
	}
	if !slices.Equal(m.told.standby, []TaskID{two}) {
		t.Fatal(m.told)
	}
	_, v = m.beat(t, func(r *kmsg.StreamsGroupHeartbeatResponse) { r.ErrorCode = kerr.FencedMemberEpoch.Code })
	if !v.fenced || !m.fencing || m.epoch != 0 || len(m.told.active) != 0 || len(m.owned.active) != 2 {
		t.Fatal(v, m)
	}
}

// TestMemberLostAnswer: Kafka tells an assignment once; who did not hear of it asks anew.
func TestMemberLostAnswer(t *testing.T) {
	m := newTestMember()
	m.beat(t, assigned(3, []TaskID{{0, 0}}, nil))
	m.lost = true
	if req, _ := m.beat(t, unchanged); req.MemberEpoch != 3 || req.Topology != nil {
		t.Fatalf("a member that is settling joins again: %+v", req)
	}
	m.owned = m.told
	m.lost = true
	req, v := m.beat(t, assigned(5, []TaskID{{0, 0}, {0, 1}}, nil))
	if req.MemberEpoch != 0 || req.Topology == nil || len(req.ActiveTasks) != 0 || !v.told || m.epoch != 5 || m.lost {
		t.Fatalf("%+v %+v", req, v)
	}
	if req, _ := m.beat(t, unchanged); len(req.ActiveTasks) != 1 {
		t.Fatalf("what the member has is not said after it joined again: %+v", req)
	}
}

func TestMemberErrors(t *testing.T) {
	for _, c := range []struct {
		code    *kerr.Error
		message string
		epoch   int32
		want    string // of the error; again or fenced where there is none
	}{
		{kerr.CoordinatorLoadInProgress, "", 3, "again"},
		{kerr.NotCoordinator, "", 0, "again"},
		{kerr.UnreleasedInstanceID, "", 0, "again"},
		{kerr.UnknownMemberID, "", 3, "fenced"},
		{kerr.GroupIDNotFound, "Streams group app not found.", 3, "fenced"},
		{kerr.GroupIDNotFound, "Group app is not a streams group.", 0, "GROUP_ID_NOT_FOUND: Group app is not a streams group; the group of this application id exists under another protocol"},
		{kerr.UnsupportedVersion, "", 0, "streams.version"},
		{kerr.InvalidRequest, "Topology updates are not supported yet.", 0, "another id"},
		{kerr.InvalidRequest, "Static membership is not yet supported.", 0, "InstanceID"},
		{kerr.StreamsInvalidTopology, "Subtopology 0 has no sources.", 0, "STREAMS_INVALID_TOPOLOGY: Subtopology 0 has no sources"},
		{kerr.GroupMaxSizeReached, "", 0, "group.streams.max.size"},
		{kerr.GroupAuthorizationFailed, "", 0, "permission Read on the group"},
		{kerr.TopicAuthorizationFailed, "", 0, "permission Describe"},
	} {
		m := newTestMember()
		m.epoch = c.epoch
		_, v := m.beat(t, func(r *kmsg.StreamsGroupHeartbeatResponse) { r.ErrorCode, r.ErrorMessage = c.code.Code, &c.message })
		switch {
		case c.want == "again":
			if !v.again || v.err != nil || m.epoch != c.epoch {
				t.Errorf("%v: %+v", c.code, v)
			}
		case c.want == "fenced":
			if !v.fenced || v.err != nil {
				t.Errorf("%v: %+v", c.code, v)
			}
		case !errors.Is(v.err, c.code) || !strings.Contains(v.err.Error(), c.want):
			t.Errorf("%v: %v", c.code, v.err)
		}
	}
}

// TestMemberHosts reads where queries are answered, and refuses tasks of a program that is not this one.
func TestMemberHosts(t *testing.T) {
	m := newTestMember()
	_, v := m.beat(t, func(r *kmsg.StreamsGroupHeartbeatResponse) {
		e := kmsg.NewStreamsGroupHeartbeatResponsePartitionsByUserEndpoint()
		e.UserEndpoint.Host, e.UserEndpoint.Port = "::1", 80
		e.ActivePartitions = []kmsg.StreamsGroupHeartbeatResponsePartitionsByUserEndpointActivePartition{{Topic: "in", Partitions: []int32{1, 0}}, {Topic: "changelog", Partitions: []int32{0}}}
		e.StandbyPartitions = []kmsg.StreamsGroupHeartbeatResponsePartitionsByUserEndpointStandbyPartition{{Topic: "in", Partitions: []int32{2}}}
		r.PartitionsByUserEndpoint = append(r.PartitionsByUserEndpoint, e)
	})
	h := v.hosts["[::1]:80"]
	if !slices.Equal(h.Active, []TaskID{{0, 0}, {0, 1}}) || !slices.Equal(h.Standby, []TaskID{{0, 2}}) {
		t.Fatal(v.hosts)
	}
	_, v = m.beat(t, func(r *kmsg.StreamsGroupHeartbeatResponse) { r.ActiveTasks = taskIDs([]TaskID{{7, 0}}) })
	if v.err == nil || !strings.Contains(v.err.Error(), `sub-topology "7"`) {
		t.Fatal(v.err)
	}
	if _, err := userEndpoint("no port"); err == nil {
		t.Fatal("an address without port is told to the group")
	}
}

// FuzzMemberAnswer takes answers of any bytes.
func FuzzMemberAnswer(f *testing.F) {
	resp := kmsg.NewPtrStreamsGroupHeartbeatResponse()
	assigned(3, []TaskID{{0, 1}}, []TaskID{{1, 0}})(resp)
	f.Add(resp.AppendTo(nil))
	resp.ErrorCode = kerr.InvalidRequest.Code
	f.Add(resp.AppendTo(nil))
	f.Fuzz(func(t *testing.T, data []byte) {
		resp := kmsg.NewPtrStreamsGroupHeartbeatResponse()
		if resp.ReadFrom(data) != nil {
			return
		}
		m := newTestMember()
		req, err := m.request(true, &testSelf)
		if err != nil {
			t.Fatal(err)
		}
		v := m.answered(req, resp, func(TopicPartition) (TaskID, bool) { return TaskID{}, true })
		if v.told && v.err != nil {
			t.Fatal("an assignment in an answer that is an error")
		}
	})
}
