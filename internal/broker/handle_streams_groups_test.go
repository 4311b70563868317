package broker

import (
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// streamsBeat sends a heartbeat, again while the coordinator is not there yet.
func streamsBeat(c *conn, req *kmsg.StreamsGroupHeartbeatRequest) *kmsg.StreamsGroupHeartbeatResponse {
	c.t.Helper()
	for deadline := time.Now().Add(patience); ; {
		resp := ask[*kmsg.StreamsGroupHeartbeatResponse](c, req, 0)
		if err := kerr.TypedErrorForCode(resp.ErrorCode); err == nil || !err.Retriable || time.Now().After(deadline) {
			return resp
		}
		<-time.After(10 * time.Millisecond)
	}
}

// counting is the first heartbeat of an application that groups and counts what is in t.
func counting(group, member string) *kmsg.StreamsGroupHeartbeatRequest {
	req := kmsg.NewPtrStreamsGroupHeartbeatRequest()
	req.Group, req.MemberID, req.ProcessID = group, member, kmsg.StringPtr("p-"+member)
	req.RebalanceTimeoutMillis = 5000
	req.ActiveTasks, req.StandbyTasks, req.WarmupTasks = []kmsg.TaskIDs{}, []kmsg.TaskIDs{}, []kmsg.TaskIDs{}
	t := kmsg.NewStreamsGroupHeartbeatRequestTopology()
	rep := kmsg.TopicInfo{Topic: group + "-rep", Configs: []kmsg.TopicInfoConfig{{Key: "retention.ms", Value: "-1"}}}
	t.Subtopologies = []kmsg.StreamsGroupHeartbeatRequestTopologySubtopology{
		{SubtopologyID: "0", SourceTopics: []string{"t"}, RepartitionSinkTopics: []string{rep.Topic}},
		{SubtopologyID: "1", RepartitionSourceTopics: []kmsg.TopicInfo{rep},
			StateChangelogTopics: []kmsg.TopicInfo{{Topic: group + "-log", Configs: []kmsg.TopicInfoConfig{{Key: "cleanup.policy", Value: "compact"}}}}},
	}
	req.Topology = &t
	return req
}

func counted(group, member string, epoch int32) *kmsg.StreamsGroupHeartbeatRequest {
	req := kmsg.NewPtrStreamsGroupHeartbeatRequest()
	req.Group, req.MemberID, req.MemberEpoch, req.RebalanceTimeoutMillis = group, member, epoch, -1
	return req
}

func describeStreamsGroup(c *conn, group string) kmsg.StreamsGroupDescribeResponseGroup {
	req := kmsg.NewPtrStreamsGroupDescribeRequest()
	req.Groups, req.IncludeAuthorizedOperations = []string{group}, true
	return ask[*kmsg.StreamsGroupDescribeResponse](c, req, 0).Groups[0]
}

func statusOf(r *kmsg.StreamsGroupHeartbeatResponse) string {
	var all []string
	for _, s := range r.Status {
		all = append(all, s.StatusDetail)
	}
	return strings.Join(all, "|")
}

func TestStreamsGroup(t *testing.T) {
	h := startBroker(t, "group.streams.assignment.interval.ms", "0", "group.streams.initial.rebalance.delay.ms", "0")
	h.createTopic("t", 3)
	c := h.dial()
	if r := ask[*kmsg.StreamsGroupHeartbeatResponse](c, counting("g", "m1"), 0); r.ErrorCode != kerr.NotCoordinator.Code || r.Status == nil {
		t.Errorf("without a coordinator: %+v", r)
	}
	if r := ask[*kmsg.StreamsGroupHeartbeatResponse](c, counting("g", ""), 0); r.ErrorCode != kerr.InvalidRequest.Code || r.ErrorMessage == nil {
		t.Errorf("what is wrong by itself is said first: %+v", r)
	}
	makeCoordinator(c)

	// Internal topics are made, with their settings and as many partitions as their sources have.
	r := streamsBeat(c, counting("g", "m1"))
	if r.ErrorCode != 0 || r.MemberEpoch != 2 || statusOf(r) != "Internal topics are missing: g-log, g-rep" || len(r.ActiveTasks) != 0 {
		t.Fatalf("%+v", r)
	}
	for name, setting := range map[string][2]string{"g-rep": {"retention.ms", "-1"}, "g-log": {"cleanup.policy", "compact"}} {
		topic := h.meta.Image().Topic(name)
		if topic == nil || len(topic.Partitions) != 3 {
			t.Fatalf("%s is %+v", name, topic)
		}
		if got := describeConfigs(c, resource{kmsg.ConfigResourceTypeTopic, name}, setting[0]); *got.Configs[0].Value != setting[1] {
			t.Errorf("%s: %+v", name, got.Configs)
		}
	}
	r = streamsBeat(c, counted("g", "m1", 2))
	if r.ErrorCode != 0 || r.MemberEpoch != 3 || len(r.Status) != 0 || len(r.ActiveTasks) != 2 || len(r.ActiveTasks[1].Partitions) != 3 {
		t.Fatalf("%+v", r)
	}

	for range 2 {
		g := describeStreamsGroup(c, "g")
		if g.ErrorCode != 0 || g.State != "Stable" || g.Epoch != 3 || g.AssignmentEpoch != 3 || g.AuthorizedOperations != groupOperations || len(g.Members) != 1 || len(g.Topology.Subtopologies) != 2 {
			t.Fatalf("%+v", g)
		}
		m := g.Members[0]
		if m.MemberID != "m1" || m.MemberEpoch != 3 || m.ProcessID != "p-m1" || len(m.Assignment.ActiveTasks) != 2 || len(m.TargetAssignment.ActiveTasks) != 2 {
			t.Errorf("%+v", m)
		}
		// The same after a restart.
		h.stop()
		h.open()
		c = h.dial()
		if r := streamsBeat(c, counted("g", "m1", 3)); r.ErrorCode != 0 || r.MemberEpoch != 3 || len(r.Status) != 0 {
			t.Fatalf("after a restart: %+v", r)
		}
	}
	for id, code := range map[string]*kerr.Error{"none": kerr.GroupIDNotFound, "": kerr.InvalidGroupID} {
		if g := describeStreamsGroup(c, id); g.ErrorCode != code.Code || g.Topology != nil {
			t.Errorf("%q: %+v", id, g)
		}
	}

	// A group's own settings.
	set := kmsg.NewPtrIncrementalAlterConfigsRequest()
	set.Resources = []kmsg.IncrementalAlterConfigsRequestResource{{ResourceType: kmsg.ConfigResourceTypeGroupConfig, ResourceName: "g",
		Configs: []kmsg.IncrementalAlterConfigsRequestResourceConfig{{Name: "streams.heartbeat.interval.ms", Value: kmsg.StringPtr("7000")}, {Name: "streams.num.standby.replicas", Value: kmsg.StringPtr("1")}}}}
	if r := ask[*kmsg.IncrementalAlterConfigsResponse](c, set, 1).Resources[0]; r.ErrorCode != 0 {
		t.Fatalf("%+v", r)
	}
	if r := streamsBeat(c, counted("g", "m1", 3)); r.HeartbeatIntervalMillis != 7000 || r.MemberEpoch != 4 {
		t.Errorf("%+v", r)
	}
	r = streamsBeat(c, counting("g", "m2"))
	if r.ErrorCode != 0 || len(r.StandbyTasks) == 0 && len(r.ActiveTasks) == 0 && r.MemberEpoch != 5 {
		t.Errorf("%+v", r)
	}

	// What cannot be created is told at once.
	bad := counting("bad", "m")
	bad.Topology.Subtopologies[1].StateChangelogTopics[0].Configs = []kmsg.TopicInfoConfig{{Key: "no.such.setting", Value: "1"}}
	if r := streamsBeat(c, bad); r.ErrorCode != 0 || !strings.Contains(statusOf(r), "; Creation failed: bad-log (") {
		t.Errorf("%+v", r)
	}
	for _, name := range []string{"__consumer_offsets", "not a name"} {
		wrong := counting("wrong", "m")
		wrong.Topology.Subtopologies[0].SourceTopics = []string{name}
		if r := streamsBeat(c, wrong); r.ErrorCode != kerr.StreamsInvalidTopology.Code || !strings.Contains(*r.ErrorMessage, name) {
			t.Errorf("%+v", r)
		}
	}
}

func TestStreamsGroupsSwitchedOff(t *testing.T) {
	h := startBroker(t, "group.coordinator.rebalance.protocols", "classic,consumer")
	c := h.dial()
	makeCoordinator(c)
	if r := ask[*kmsg.StreamsGroupHeartbeatResponse](c, counting("g", "m"), 0); r.ErrorCode != kerr.UnsupportedVersion.Code {
		t.Errorf("%+v", r)
	}
	if g := describeStreamsGroup(c, "g"); g.ErrorCode != kerr.UnsupportedVersion.Code {
		t.Errorf("%+v", g)
	}
}

// TestStreamsGroupRights: what an application needs, and what it hears if it has not got it.
func TestStreamsGroupRights(t *testing.T) {
	h, w := guardedBroker(t)
	h.createTopic("t", 1)
	c := h.dial()
	makeCoordinator(c)
	denied := func(questions ...string) func(string) bool {
		return func(q string) bool {
			for _, d := range questions {
				if q == d {
					return true
				}
			}
			return false
		}
	}
	for _, test := range []struct {
		deny   []string
		code   *kerr.Error
		status string
	}{
		{[]string{"Read Group g"}, kerr.GroupAuthorizationFailed, ""},
		{[]string{"Describe Topic t"}, kerr.TopicAuthorizationFailed, ""},
		{[]string{"Describe Topic g-log"}, kerr.TopicAuthorizationFailed, ""},
		{[]string{"Create Cluster kafka-cluster", "Create Topic g-rep"}, nil, "Unauthorized to CREATE on topics g-rep."},
		{[]string{"Create Cluster kafka-cluster"}, nil, "Internal topics are missing: g-log, g-rep"},
	} {
		w.set(denied(test.deny...))
		r := streamsBeat(c, counting("g", "m"))
		if kerr.TypedErrorForCode(r.ErrorCode) != test.code || r.ErrorMessage != nil || !strings.Contains(statusOf(r), test.status) || r.Status == nil || test.code != nil && r.ActiveTasks != nil {
			t.Errorf("without %v: %+v", test.deny, r)
		}
	}
	if h.meta.Image().Topic("g-rep") == nil {
		t.Error("who may create topics has them created")
	}
	w.set(denied("Describe Topic g-log"))
	if g := describeStreamsGroup(c, "g"); g.ErrorCode != kerr.TopicAuthorizationFailed.Code || g.Topology != nil || len(g.Members) != 0 {
		t.Errorf("%+v", g)
	}
	w.set(denied("Describe Group g"))
	if g := describeStreamsGroup(c, "g"); g.ErrorCode != kerr.GroupAuthorizationFailed.Code {
		t.Errorf("%+v", g)
	}
}
