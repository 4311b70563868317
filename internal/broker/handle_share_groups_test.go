package broker

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// shareBeat sends a heartbeat, again while the coordinator is not there yet.
func shareBeat(c *conn, group, member string, epoch int32, topics ...string) *kmsg.ShareGroupHeartbeatResponse {
	c.t.Helper()
	req := kmsg.NewPtrShareGroupHeartbeatRequest()
	req.GroupID, req.MemberID, req.MemberEpoch, req.SubscribedTopicNames = group, member, epoch, topics
	for deadline := time.Now().Add(patience); ; {
		resp := ask[*kmsg.ShareGroupHeartbeatResponse](c, req, 1)
		if err := kerr.TypedErrorForCode(resp.ErrorCode); err == nil || !err.Retriable || time.Now().After(deadline) {
			return resp
		}
		<-time.After(10 * time.Millisecond)
	}
}

// shareAssigned beats until the member has so many partitions, and returns its epoch.
func shareAssigned(c *conn, group, member string, epoch int32, topics []string, partitions int) int32 {
	c.t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); <-time.After(20 * time.Millisecond) {
		r := shareBeat(c, group, member, epoch, topics...)
		if r.ErrorCode != 0 {
			c.t.Fatalf("%v: %s", kerr.ErrorForCode(r.ErrorCode), text(r.ErrorMessage))
		}
		epoch = r.MemberEpoch
		n := 0
		if r.Assignment != nil {
			for _, t := range r.Assignment.TopicPartitions {
				n += len(t.Partitions)
			}
		}
		if n == partitions {
			return epoch
		}
	}
	c.t.Fatalf("%s does not get %d partitions", member, partitions)
	return 0
}

func describeShareGroup(c *conn, group string) kmsg.ShareGroupDescribeResponseGroup {
	req := kmsg.NewPtrShareGroupDescribeRequest()
	req.GroupIDs, req.IncludeAuthorizedOperations = []string{group}, true
	return ask[*kmsg.ShareGroupDescribeResponse](c, req, 1).Groups[0]
}

func shareOffsets(c *conn, version int16, group string) kmsg.DescribeShareGroupOffsetsResponseGroup {
	req := kmsg.NewPtrDescribeShareGroupOffsetsRequest()
	req.Groups = []kmsg.DescribeShareGroupOffsetsRequestGroup{{GroupID: group}}
	return ask[*kmsg.DescribeShareGroupOffsetsResponse](c, req, version).Groups[0]
}

func alterShareOffset(c *conn, group, topic string, partition int32, offset int64) *kmsg.AlterShareGroupOffsetsResponse {
	req := kmsg.NewPtrAlterShareGroupOffsetsRequest()
	req.GroupID = group
	req.Topics = []kmsg.AlterShareGroupOffsetsRequestTopic{{Topic: topic, Partitions: []kmsg.AlterShareGroupOffsetsRequestTopicPartition{{Partition: partition, StartOffset: offset}}}}
	return ask[*kmsg.AlterShareGroupOffsetsResponse](c, req, 0)
}

func deleteGroup(c *conn, group string) int16 {
	req := kmsg.NewPtrDeleteGroupsRequest()
	req.Groups = []string{group}
	return ask[*kmsg.DeleteGroupsResponse](c, req, 2).Groups[0].ErrorCode
}

// A share group through its life: members, the offsets of its partitions, a restart, its deletion.
func TestShareGroup(t *testing.T) {
	h := startBroker(t, "group.share.assignment.interval.ms", "0", "share.coordinator.state.topic.num.partitions", "2")
	h.createTopic("t", 3)
	c := h.dial()
	makeCoordinator(c)

	epoch := shareAssigned(c, "g", "m", 0, []string{"t"}, 3)
	if r := alterShareOffset(c, "g", "t", 0, 0); r.ErrorCode != kerr.NonEmptyGroup.Code {
		t.Errorf("offsets of a group with members: %+v", r)
	}
	if code := deleteGroup(c, "g"); code != kerr.NonEmptyGroup.Code {
		t.Errorf("deleted with members: %v", kerr.ErrorForCode(code))
	}
	g := describeShareGroup(c, "g")
	if g.GroupState != "Stable" || g.Assignor != "simple" || len(g.Members) != 1 || len(g.Members[0].Assignment.TopicPartitions) != 1 || g.AuthorizedOperations == -2147483648 {
		t.Errorf("%+v", g)
	}
	shareAssigned(c, "g", "n", 0, []string{"t"}, 1)
	epoch = shareAssigned(c, "g", "m", epoch, []string{"t"}, 2)
	h.restart()
	c = h.dial()
	if r := shareBeat(c, "g", "m", epoch); r.ErrorCode != 0 || r.MemberEpoch != epoch {
		t.Errorf("after a restart: %+v", r)
	}
	shareBeat(c, "g", "n", -1)
	shareBeat(c, "g", "m", -1)

	if r := alterShareOffset(c, "g", "t", 1, 7); r.ErrorCode != 0 || r.Topics[0].Partitions[0].ErrorCode != 0 {
		t.Fatalf("%+v", r)
	}
	offsets := shareOffsets(c, 1, "g")
	if len(offsets.Topics) != 1 || len(offsets.Topics[0].Partitions) != 3 {
		t.Fatalf("%+v", offsets)
	}
	if p := offsets.Topics[0].Partitions[1]; p.StartOffset != 7 || p.Lag != -7 {
		t.Errorf("set to 7 in an empty partition: %+v", p) // a lag below zero is Kafka's answer, too
	}
	if p := offsets.Topics[0].Partitions[0]; p.StartOffset != -1 || p.Lag != -1 {
		t.Errorf("never read: %+v", p)
	}
	if r := alterShareOffset(c, "g", "t", 5, 7); r.Topics[0].Partitions[0].ErrorCode != kerr.UnknownTopicOrPartition.Code {
		t.Errorf("%+v", r)
	}
	remove := kmsg.NewPtrDeleteShareGroupOffsetsRequest()
	remove.GroupID, remove.Topics = "g", []kmsg.DeleteShareGroupOffsetsRequestTopic{{Topic: "t"}, {Topic: "nope"}}
	if r := ask[*kmsg.DeleteShareGroupOffsetsResponse](c, remove, 0); len(r.Topics) != 2 || r.Topics[0].ErrorCode != 0 || r.Topics[1].ErrorCode != kerr.UnknownTopicOrPartition.Code {
		t.Errorf("%+v", r)
	}
	if offsets := shareOffsets(c, 0, "g"); len(offsets.Topics) != 0 {
		t.Errorf("%+v", offsets)
	}
	if code := deleteGroup(c, "g"); code != 0 {
		t.Errorf("%v", kerr.ErrorForCode(code))
	}
	if g := describeShareGroup(c, "g"); g.ErrorCode != kerr.GroupIDNotFound.Code {
		t.Errorf("%+v", g)
	}
}

// A topic that is deleted is none of a share group's any more, and grows back as another.
func TestShareGroupTopicGone(t *testing.T) {
	h := startBroker(t, "group.share.assignment.interval.ms", "0", "share.coordinator.state.topic.num.partitions", "1")
	h.createTopic("t", 2)
	c := h.dial()
	makeCoordinator(c)
	epoch := shareAssigned(c, "g", "m", 0, []string{"t"}, 2)
	gone := kmsg.NewPtrDeleteTopicsRequest()
	gone.TopicNames, gone.TimeoutMillis = []string{"t"}, 5000
	ask[*kmsg.DeleteTopicsResponse](c, gone, 3)
	epoch = shareAssigned(c, "g", "m", epoch, []string{"t"}, 0)
	if offsets := shareOffsets(c, 1, "g"); len(offsets.Topics) != 0 {
		t.Errorf("%+v", offsets)
	}
	h.createTopic("t", 1)
	shareAssigned(c, "g", "m", epoch, []string{"t"}, 1)
}

// Where the cluster has no share groups, requests about them say so.
func TestNoShareGroups(t *testing.T) {
	h := startBroker(t)
	c := h.dial()
	makeCoordinator(c)
	setFeature(c, "share.version", 0)
	if r := shareBeat(c, "g", "m", 0, "t"); r.ErrorCode != kerr.UnsupportedVersion.Code {
		t.Errorf("%+v", r)
	}
	if g := describeShareGroup(c, "g"); g.ErrorCode != kerr.UnsupportedVersion.Code {
		t.Errorf("%+v", g)
	}
	if g := shareOffsets(c, 1, "g"); g.ErrorCode != kerr.UnsupportedVersion.Code {
		t.Errorf("%+v", g)
	}
	if r := alterShareOffset(c, "g", "t", 0, 0); r.ErrorCode != kerr.UnsupportedVersion.Code {
		t.Errorf("%+v", r)
	}
}

// What is refused of a request about a share group is refused as Kafka does, and names nothing that may not be seen.
func TestShareGroupRights(t *testing.T) {
	h, w := guardedBroker(t)
	h.createTopic("t", 1)
	h.createTopic("u", 1)
	c := h.dial()
	makeCoordinator(c)
	shareAssigned(c, "g", "m", 0, []string{"t"}, 1)
	deny := func(question string) { w.set(func(q string) bool { return q == question }) }

	deny("Read Group g")
	if r := shareBeat(c, "g", "n", 0, "t"); r.ErrorCode != kerr.GroupAuthorizationFailed.Code {
		t.Errorf("%+v", r)
	}
	if r := alterShareOffset(c, "g", "t", 0, 0); r.ErrorCode != kerr.GroupAuthorizationFailed.Code || r.ErrorMessage == nil {
		t.Errorf("%+v", r)
	}
	deny("Describe Topic t")
	if r := shareBeat(c, "g", "n", 0, "t"); r.ErrorCode != kerr.TopicAuthorizationFailed.Code {
		t.Errorf("%+v", r)
	}
	if g := describeShareGroup(c, "g"); g.ErrorCode != kerr.TopicAuthorizationFailed.Code || len(g.Members) != 0 || text(g.ErrorMessage) != hiddenAssignment {
		t.Errorf("%+v", g)
	}
	if g := shareOffsets(c, 1, "g"); g.ErrorCode != 0 || len(g.Topics) != 0 {
		t.Errorf("%+v", g)
	}
	req := kmsg.NewPtrDescribeShareGroupOffsetsRequest()
	req.Groups = []kmsg.DescribeShareGroupOffsetsRequestGroup{{GroupID: "g", Topics: []kmsg.DescribeShareGroupOffsetsRequestGroupTopic{{Topic: "t", Partitions: []int32{0}}}}}
	if g := ask[*kmsg.DescribeShareGroupOffsetsResponse](c, req, 1).Groups[0]; len(g.Topics) != 1 || g.Topics[0].TopicID != [16]byte{} ||
		g.Topics[0].Partitions[0].ErrorCode != kerr.TopicAuthorizationFailed.Code || g.Topics[0].Partitions[0].StartOffset != -1 || g.Topics[0].Partitions[0].Lag != -1 {
		t.Errorf("%+v", g)
	}
	deny("Describe Group g")
	if g := shareOffsets(c, 1, "g"); g.ErrorCode != kerr.GroupAuthorizationFailed.Code {
		t.Errorf("%+v", g)
	}
	if g := describeShareGroup(c, "g"); g.ErrorCode != kerr.GroupAuthorizationFailed.Code {
		t.Errorf("%+v", g)
	}
	deny("Read Topic t")
	shareBeat(c, "g", "m", -1)
	if r := alterShareOffset(c, "g", "t", 0, 0); r.ErrorCode != 0 || r.Topics[0].Partitions[0].ErrorCode != kerr.TopicAuthorizationFailed.Code {
		t.Errorf("%+v", r)
	}
	deny("Delete Group g")
	if code := deleteGroup(c, "g"); code != kerr.GroupAuthorizationFailed.Code {
		t.Errorf("%v", kerr.ErrorForCode(code))
	}
}

// A group's own settings count from the next heartbeat on, within the broker's bounds.
func TestShareGroupSettings(t *testing.T) {
	h := startBroker(t, "group.share.max.size", "2")
	h.createTopic("t", 1)
	c := h.dial()
	makeCoordinator(c)
	set := func(name, value string) int16 {
		req := kmsg.NewPtrIncrementalAlterConfigsRequest()
		r := kmsg.NewIncrementalAlterConfigsRequestResource()
		r.ResourceType, r.ResourceName = kmsg.ConfigResourceTypeGroupConfig, "g"
		r.Configs = []kmsg.IncrementalAlterConfigsRequestResourceConfig{{Name: name, Value: &value}}
		req.Resources = append(req.Resources, r)
		return ask[*kmsg.IncrementalAlterConfigsResponse](c, req, 1).Resources[0].ErrorCode
	}
	if code := set("share.heartbeat.interval.ms", "7000"); code != 0 {
		t.Fatalf("%v", kerr.ErrorForCode(code))
	}
	for name, value := range map[string]string{"share.heartbeat.interval.ms": "4999", "share.session.timeout.ms": "6999", "share.auto.offset.reset": "none"} {
		if code := set(name, value); code != kerr.InvalidConfig.Code {
			t.Errorf("%s=%s: %v", name, value, kerr.ErrorForCode(code))
		}
	}
	if r := shareBeat(c, "g", "m", 0, "t"); r.HeartbeatIntervalMillis != 7000 {
		t.Errorf("%+v", r)
	}
	if r := shareBeat(c, "other", "m", 0, "t"); r.HeartbeatIntervalMillis != 5000 {
		t.Errorf("%+v", r)
	}
	shareBeat(c, "g", "n", 0, "t")
	if r := shareBeat(c, "g", "o", 0, "t"); r.ErrorCode != kerr.GroupMaxSizeReached.Code {
		t.Errorf("%+v", r)
	}
}
