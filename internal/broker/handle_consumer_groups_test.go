package broker

import (
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// beat sends a heartbeat, again while the coordinator is not there yet.
func beat(c *conn, version int16, req *kmsg.ConsumerGroupHeartbeatRequest) *kmsg.ConsumerGroupHeartbeatResponse {
	c.t.Helper()
	for deadline := time.Now().Add(patience); ; {
		resp := ask[*kmsg.ConsumerGroupHeartbeatResponse](c, req, version)
		if err := kerr.TypedErrorForCode(resp.ErrorCode); err == nil || !err.Retriable || time.Now().After(deadline) {
			return resp
		}
		<-time.After(10 * time.Millisecond)
	}
}

func joining(group, member string, topics ...string) *kmsg.ConsumerGroupHeartbeatRequest {
	req := kmsg.NewPtrConsumerGroupHeartbeatRequest()
	req.Group, req.MemberID = group, member
	req.RebalanceTimeoutMillis = 5000
	req.SubscribedTopicNames = topics
	req.Topics = []kmsg.ConsumerGroupHeartbeatRequestTopic{}
	return req
}

func staying(group, member string, epoch int32) *kmsg.ConsumerGroupHeartbeatRequest {
	req := kmsg.NewPtrConsumerGroupHeartbeatRequest()
	req.Group, req.MemberID, req.MemberEpoch = group, member, epoch
	req.RebalanceTimeoutMillis = -1
	return req
}

// makeCoordinator has __consumer_offsets created.
func makeCoordinator(c *conn) {
	find := kmsg.NewPtrFindCoordinatorRequest()
	find.CoordinatorKey = "g"
	ask[*kmsg.FindCoordinatorResponse](c, find, 0)
}

func describeConsumerGroup(c *conn, version int16, group string) kmsg.ConsumerGroupDescribeResponseGroup {
	req := kmsg.NewPtrConsumerGroupDescribeRequest()
	req.Groups, req.IncludeAuthorizedOperations = []string{group}, true
	return ask[*kmsg.ConsumerGroupDescribeResponse](c, req, version).Groups[0]
}

func TestConsumerGroup(t *testing.T) {
	h := startBroker(t, "group.consumer.assignment.interval.ms", "0")
	h.createTopic("t", 4)
	c := h.dial()

	if r := ask[*kmsg.ConsumerGroupHeartbeatResponse](c, joining("g", "m1", "t"), 1); r.ErrorCode != kerr.NotCoordinator.Code {
		t.Errorf("without a coordinator: %v", kerr.ErrorForCode(r.ErrorCode))
	}
	if r := ask[*kmsg.ConsumerGroupHeartbeatResponse](c, joining("g", "", "t"), 1); r.ErrorCode != kerr.InvalidRequest.Code || r.ErrorMessage == nil {
		t.Errorf("what is wrong by itself is said first: %+v", r)
	}
	makeCoordinator(c)

	r := beat(c, 1, joining("g", "m1", "t"))
	if r.ErrorCode != 0 || r.MemberID == nil || *r.MemberID != "m1" || r.MemberEpoch != 2 || r.HeartbeatIntervalMillis != 5000 {
		t.Fatalf("%+v", r)
	}
	topic := h.meta.Image().Topic("t")
	if len(r.Assignment.Topics) != 1 || r.Assignment.Topics[0].TopicID != topic.ID || len(r.Assignment.Topics[0].Partitions) != 4 {
		t.Fatalf("%+v", r.Assignment)
	}

	// Version 0 leaves the member id to the broker.
	first := beat(c, 0, joining("v0", "", "t"))
	if first.ErrorCode != 0 || first.MemberID == nil || len(*first.MemberID) == 0 {
		t.Errorf("%+v", first)
	}

	// A topic that grows raises the epoch with the next heartbeat.
	grow := kmsg.NewPtrCreatePartitionsRequest()
	grow.TimeoutMillis = 5000
	grow.Topics = []kmsg.CreatePartitionsRequestTopic{{Topic: "t", Count: 6}}
	if r := ask[*kmsg.CreatePartitionsResponse](c, grow, 3); r.Topics[0].ErrorCode != 0 {
		t.Fatalf("%+v", r)
	}
	r = beat(c, 1, staying("g", "m1", 2))
	if r.ErrorCode != 0 || r.MemberEpoch != 3 || r.Assignment == nil || len(r.Assignment.Topics[0].Partitions) != 6 {
		t.Errorf("after the topic grew: %+v", r)
	}

	// A regular expression is resolved soon after.
	byRegex := joining("re", "m1")
	byRegex.SubscribedTopicRegex = kmsg.StringPtr("t|nope")
	if r := beat(c, 1, byRegex); r.ErrorCode != 0 || r.MemberEpoch != 1 || len(r.Assignment.Topics) != 0 {
		t.Errorf("%+v", r)
	}
	for deadline := time.Now().Add(patience); ; <-time.After(5 * time.Millisecond) {
		if r := beat(c, 1, staying("re", "m1", 1)); r.MemberEpoch == 2 && len(r.Assignment.Topics) == 1 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the expression is not resolved")
		}
	}
	bad := joining("re", "m2")
	bad.SubscribedTopicRegex = kmsg.StringPtr("(")
	if r := beat(c, 1, bad); r.ErrorCode != kerr.InvalidRegularExpression.Code {
		t.Errorf("%v", kerr.ErrorForCode(r.ErrorCode))
	}

	// Describe.
	for version := int16(0); version <= 1; version++ {
		g := describeConsumerGroup(c, version, "g")
		if g.ErrorCode != 0 || g.State != "Stable" || g.Epoch != 3 || g.AssignmentEpoch != 3 || g.AssignorName != "uniform" || g.AuthorizedOperations != groupOperations || len(g.Members) != 1 {
			t.Fatalf("%+v", g)
		}
		m := g.Members[0]
		if m.MemberID != "m1" || m.MemberEpoch != 3 || !slices.Equal(m.SubscribedTopics, []string{"t"}) || len(m.Assignment.TopicPartitions) != 1 ||
			m.Assignment.TopicPartitions[0].Topic != "t" || version == 1 && m.MemberType != 1 {
			t.Errorf("%+v", m)
		}
		if g := describeConsumerGroup(c, version, "none"); g.ErrorCode != kerr.GroupIDNotFound.Code || g.ErrorMessage == nil {
			t.Errorf("%+v", g)
		}
		if g := describeConsumerGroup(c, version, ""); g.ErrorCode != kerr.InvalidGroupID.Code {
			t.Errorf("%+v", g)
		}
	}

	// All of it is there after a restart.
	h.stop()
	h.open()
	c = h.dial()
	if r := beat(c, 1, staying("g", "m1", 3)); r.ErrorCode != 0 || r.MemberEpoch != 3 {
		t.Errorf("after a restart: %+v", r)
	}
	leave := staying("g", "m1", -1)
	if r := beat(c, 1, leave); r.ErrorCode != 0 || r.MemberEpoch != -1 {
		t.Errorf("%+v", r)
	}
	if g := describeConsumerGroup(c, 1, "g"); g.State != "Empty" {
		t.Errorf("%+v", g)
	}
}

// TestGroupConfigs: a group's own settings count over the broker's, within its bounds.
func TestGroupConfigs(t *testing.T) {
	h := startBroker(t)
	h.createTopic("t", 1)
	c := h.dial()
	makeCoordinator(c)
	alter := func(name, key, value string) *kerr.Error {
		req := kmsg.NewPtrIncrementalAlterConfigsRequest()
		r := kmsg.NewIncrementalAlterConfigsRequestResource()
		r.ResourceType, r.ResourceName = kmsg.ConfigResourceTypeGroupConfig, name
		r.Configs = []kmsg.IncrementalAlterConfigsRequestResourceConfig{{Name: key, Value: &value}}
		req.Resources = append(req.Resources, r)
		return kerr.TypedErrorForCode(ask[*kmsg.IncrementalAlterConfigsResponse](c, req, 1).Resources[0].ErrorCode)
	}
	if r := beat(c, 1, joining("g", "m", "t")); r.HeartbeatIntervalMillis != 5000 {
		t.Errorf("%+v", r)
	}
	if err := alter("g", "consumer.heartbeat.interval.ms", "7000"); err != nil {
		t.Fatal(err)
	}
	if r := beat(c, 1, staying("g", "m", 2)); r.HeartbeatIntervalMillis != 7000 {
		t.Errorf("%+v", r)
	}
	if r := beat(c, 1, joining("other", "m", "t")); r.HeartbeatIntervalMillis != 5000 {
		t.Errorf("%+v", r)
	}
	for _, bad := range [][3]string{
		{"g", "consumer.heartbeat.interval.ms", "4999"}, {"g", "consumer.heartbeat.interval.ms", "15001"},
		{"g", "consumer.session.timeout.ms", "x"}, {"g", "nope", "1"},
	} {
		if err := alter(bad[0], bad[1], bad[2]); err != kerr.InvalidConfig {
			t.Errorf("%v: %v", bad, err)
		}
	}
	if err := alter("", "consumer.session.timeout.ms", "50000"); err != kerr.InvalidRequest {
		t.Errorf("without a name: %v", err)
	}
	got := describeConfigs(c, resource{kmsg.ConfigResourceTypeGroupConfig, "g"}, "consumer.heartbeat.interval.ms", "consumer.session.timeout.ms")
	if len(got.Configs) != 2 || *got.Configs[0].Value != "7000" || got.Configs[0].Source != kmsg.ConfigSource(8) || *got.Configs[1].Value != "45000" {
		t.Errorf("%+v", got.Configs)
	}
}

func TestConsumerGroupsSwitchedOff(t *testing.T) {
	h := startBroker(t, "group.coordinator.rebalance.protocols", "classic")
	c := h.dial()
	makeCoordinator(c)
	if r := ask[*kmsg.ConsumerGroupHeartbeatResponse](c, joining("g", "m", "t"), 1); r.ErrorCode != kerr.UnsupportedVersion.Code {
		t.Errorf("%+v", r)
	}
	if g := describeConsumerGroup(c, 1, "g"); g.ErrorCode != kerr.UnsupportedVersion.Code {
		t.Errorf("%+v", g)
	}
}

// A group is hidden by topics that its members have, as in Kafka, and not by those they only ask for.
func TestConsumerGroupRights(t *testing.T) {
	h, w := guardedBroker(t)
	h.createTopic("t", 1)
	c := h.dial()
	makeCoordinator(c)
	waitFor(t, func() bool {
		r := beat(c, 1, joining("g", "m", "t", "absent"))
		return r.ErrorCode == 0 && r.Assignment != nil && len(r.Assignment.Topics) == 1
	})
	w.set(func(q string) bool { return q == "Describe Topic absent" })
	if g := describeConsumerGroup(c, 1, "g"); g.ErrorCode != 0 || len(g.Members) != 1 {
		t.Errorf("%+v", g)
	}
	w.set(func(q string) bool { return q == "Describe Topic t" })
	if g := describeConsumerGroup(c, 1, "g"); g.ErrorCode != kerr.TopicAuthorizationFailed.Code || len(g.Members) != 0 || g.Epoch != 0 || text(g.ErrorMessage) != hiddenAssignment {
		t.Errorf("%+v", g)
	}
	w.set(func(q string) bool { return q == "Describe Group g" })
	if g := describeConsumerGroup(c, 1, "g"); g.ErrorCode != kerr.GroupAuthorizationFailed.Code {
		t.Errorf("%+v", g)
	}
}
