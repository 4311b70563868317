package broker

import (
	"fmt"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/base/vfs"
	"leat.dev/internal/metadata"
)

// groupClient is a client that takes part in groups by hand, at any version.
type groupClient struct {
	*conn
	topic [16]byte
}

func (h *harness) groupClient() *groupClient {
	c := &groupClient{conn: h.dial()}
	id := h.meta.Image().Topic("t")
	if id != nil {
		c.topic = id.ID
	}
	find := kmsg.NewPtrFindCoordinatorRequest()
	find.CoordinatorKeys = []string{"g"}
	if resp := ask[*kmsg.FindCoordinatorResponse](c.conn, find, 6); resp.Coordinators[0].ErrorCode != 0 {
		h.t.Fatalf("FindCoordinator: %+v", resp.Coordinators[0])
	}
	return c
}

func (c *groupClient) ok(code int16, what string) {
	c.t.Helper()
	if err := kerr.ErrorForCode(code); err != nil {
		c.t.Fatalf("%s: %v", what, err)
	}
}

func joinRequest(group, member string) *kmsg.JoinGroupRequest {
	req := kmsg.NewPtrJoinGroupRequest()
	req.Group, req.MemberID = group, member
	req.SessionTimeoutMillis, req.RebalanceTimeoutMillis = 10000, 10000
	req.ProtocolType = "consumer"
	p := kmsg.NewJoinGroupRequestProtocol()
	p.Name, p.Metadata = "range", []byte{0, 1, 0, 0, 0, 1, 0, 1, 't', 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0}
	req.Protocols = append(req.Protocols, p)
	return req
}

// join takes a member from its first request to its assignment.
func (c *groupClient) join(version int16, group string) *kmsg.JoinGroupResponse {
	c.t.Helper()
	joined := ask[*kmsg.JoinGroupResponse](c.conn, joinRequest(group, ""), version)
	if joined.ErrorCode == kerr.MemberIDRequired.Code {
		joined = ask[*kmsg.JoinGroupResponse](c.conn, joinRequest(group, joined.MemberID), version)
	}
	c.ok(joined.ErrorCode, "join")
	sync := kmsg.NewPtrSyncGroupRequest()
	sync.Group, sync.MemberID, sync.Generation = group, joined.MemberID, joined.Generation
	typ := "consumer"
	sync.ProtocolType, sync.Protocol = &typ, joined.Protocol
	sync.GroupAssignment = []kmsg.SyncGroupRequestGroupAssignment{{MemberID: joined.MemberID, MemberAssignment: []byte("all")}}
	synced := ask[*kmsg.SyncGroupResponse](c.conn, sync, min(version, 5))
	c.ok(synced.ErrorCode, "sync")
	if string(synced.MemberAssignment) != "all" {
		c.t.Fatalf("assigned %q", synced.MemberAssignment)
	}
	return joined
}

func (c *groupClient) commit(version int16, group, member string, generation int32, offset int64) int16 {
	c.t.Helper()
	req := kmsg.NewPtrOffsetCommitRequest()
	req.Group, req.MemberID, req.Generation = group, member, generation
	t := kmsg.NewOffsetCommitRequestTopic()
	t.Topic, t.TopicID = "t", c.topic
	p := kmsg.NewOffsetCommitRequestTopicPartition()
	metadata := "meta"
	p.Offset, p.Metadata, p.LeaderEpoch = offset, &metadata, 0
	t.Partitions = append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	resp := ask[*kmsg.OffsetCommitResponse](c.conn, req, version)
	return resp.Topics[0].Partitions[0].ErrorCode
}

// fetch returns the committed offset of t-0 with its metadata.
func (c *groupClient) fetch(version int16, group string) (int64, string) {
	c.t.Helper()
	req := kmsg.NewPtrOffsetFetchRequest()
	req.Group = group
	req.Topics = []kmsg.OffsetFetchRequestTopic{{Topic: "t", Partitions: []int32{0}}}
	g := kmsg.NewOffsetFetchRequestGroup()
	g.Group = group
	g.Topics = []kmsg.OffsetFetchRequestGroupTopic{{Topic: "t", TopicID: c.topic, Partitions: []int32{0}}}
	req.Groups = append(req.Groups, g)
	resp := ask[*kmsg.OffsetFetchResponse](c.conn, req, version)
	if version >= 8 {
		c.ok(resp.Groups[0].ErrorCode, "fetch")
		p := resp.Groups[0].Topics[0].Partitions[0]
		c.ok(p.ErrorCode, "fetch")
		return p.Offset, *p.Metadata
	}
	c.ok(resp.ErrorCode, "fetch")
	p := resp.Topics[0].Partitions[0]
	c.ok(p.ErrorCode, "fetch")
	return p.Offset, *p.Metadata
}

// TestGroupVersions takes a member through its life at every version of every
// request.
func TestGroupVersions(t *testing.T) {
	h := startBroker(t)
	h.createTopic("t", 2)
	c := h.groupClient()
	for v := int16(0); v <= 10; v++ {
		g := fmt.Sprint("g", v)
		joined := c.join(min(v, 9), g)

		beat := kmsg.NewPtrHeartbeatRequest()
		beat.Group, beat.MemberID, beat.Generation = g, joined.MemberID, joined.Generation
		c.ok(ask[*kmsg.HeartbeatResponse](c.conn, beat, min(v, 4)).ErrorCode, "heartbeat")

		c.ok(c.commit(max(v, 2), g, joined.MemberID, joined.Generation, int64(100+v)), "commit")
		if offset, metadata := c.fetch(max(v, 1), g); offset != int64(100+v) || metadata != "meta" {
			t.Fatalf("version %d: fetched %d, %q", v, offset, metadata)
		}

		describe := kmsg.NewPtrDescribeGroupsRequest()
		describe.Groups, describe.IncludeAuthorizedOperations = []string{g}, true
		d := ask[*kmsg.DescribeGroupsResponse](c.conn, describe, min(v, 6)).Groups[0]
		if d.State != "Stable" || len(d.Members) != 1 || d.Members[0].ClientHost == "" || string(d.Members[0].MemberAssignment) != "all" {
			t.Fatalf("version %d: described %+v", v, d)
		}
		if v >= 3 && d.AuthorizedOperations != 3400 {
			t.Errorf("version %d: authorized operations %d", v, d.AuthorizedOperations)
		}
		list := ask[*kmsg.ListGroupsResponse](c.conn, kmsg.NewPtrListGroupsRequest(), min(v, 5))
		if len(list.Groups) != int(v)+1 {
			t.Errorf("version %d: %d groups listed", v, len(list.Groups))
		}

		leave := kmsg.NewPtrLeaveGroupRequest()
		leave.Group, leave.MemberID = g, joined.MemberID
		leave.Members = []kmsg.LeaveGroupRequestMember{{MemberID: joined.MemberID}}
		left := ask[*kmsg.LeaveGroupResponse](c.conn, leave, min(v, 5))
		c.ok(left.ErrorCode, "leave")
		if v >= 3 {
			c.ok(left.Members[0].ErrorCode, "leave")
		}
		if code := ask[*kmsg.HeartbeatResponse](c.conn, beat, min(v, 4)).ErrorCode; code != kerr.UnknownMemberID.Code {
			t.Errorf("version %d: heartbeat of one that left: %v", v, kerr.ErrorForCode(code))
		}
	}
	drop := kmsg.NewPtrOffsetDeleteRequest()
	drop.Group = "g10"
	drop.Topics = []kmsg.OffsetDeleteRequestTopic{{Topic: "t", Partitions: []kmsg.OffsetDeleteRequestTopicPartition{{Partition: 0}}}}
	dropped := ask[*kmsg.OffsetDeleteResponse](c.conn, drop, 0)
	c.ok(dropped.ErrorCode, "offset delete")
	c.ok(dropped.Topics[0].Partitions[0].ErrorCode, "offset delete")
	if offset, _ := c.fetch(8, "g10"); offset != -1 {
		t.Errorf("deleted offset is %d", offset)
	}
	for v := int16(0); v <= 2; v++ {
		remove := kmsg.NewPtrDeleteGroupsRequest()
		remove.Groups = []string{fmt.Sprint("g", v)}
		c.ok(ask[*kmsg.DeleteGroupsResponse](c.conn, remove, v).Groups[0].ErrorCode, "delete")
		if offset, _ := c.fetch(8, remove.Groups[0]); offset != -1 {
			t.Errorf("offset of a deleted group is %d", offset)
		}
	}
}

// The first FindCoordinator creates the topic, and the coordinator it names serves
// at once.
func TestFindCoordinator(t *testing.T) {
	h := startBroker(t)
	h.createTopic("t", 1)
	c := &groupClient{conn: h.dial()}
	if code := c.commit(9, "g", "", -1, 5); code != kerr.NotCoordinator.Code {
		t.Errorf("commit before there is a coordinator: %v", kerr.ErrorForCode(code))
	}
	for v := int16(0); v <= 6; v++ {
		req := kmsg.NewPtrFindCoordinatorRequest()
		req.CoordinatorKey, req.CoordinatorKeys = "g", []string{"g", "", "other"}
		resp := ask[*kmsg.FindCoordinatorResponse](c.conn, req, v)
		if v == 0 {
			c.ok(c.commit(9, "g", "", -1, 5), "commit right after FindCoordinator")
		}
		if v < 4 {
			if resp.ErrorCode != 0 || resp.NodeID != 1 || resp.Host != "leat.test" || resp.Port != 9092 {
				t.Errorf("version %d: %+v", v, resp)
			}
			continue
		}
		if len(resp.Coordinators) != 3 {
			t.Fatalf("version %d: %+v", v, resp)
		}
		for i, got := range resp.Coordinators {
			if got.Key != req.CoordinatorKeys[i] || got.ErrorCode != 0 || got.NodeID != 1 || got.Host != "leat.test" {
				t.Errorf("version %d: %+v", v, got)
			}
		}
	}
	for keyType := int8(2); keyType <= 3; keyType++ {
		req := kmsg.NewPtrFindCoordinatorRequest()
		req.CoordinatorType, req.CoordinatorKeys = keyType, []string{"x"}
		got := ask[*kmsg.FindCoordinatorResponse](c.conn, req, 6).Coordinators[0]
		if got.ErrorCode != kerr.InvalidRequest.Code || got.NodeID != -1 || got.ErrorMessage == nil {
			t.Errorf("key type %d: %+v", keyType, got)
		}
	}
	topic := h.meta.Image().Topic(offsetsTopic)
	if len(topic.Partitions) != 2 || h.meta.Image().Configs(metadata.TopicResource, offsetsTopic)["cleanup.policy"] != "compact" {
		t.Errorf("created %+v", topic)
	}
}

// Groups come back after an orderly restart: members go on in their generation.
func TestGroupsSurviveRestart(t *testing.T) {
	h := startBroker(t)
	h.createTopic("t", 1)
	c := h.groupClient()
	joined := c.join(9, "g")
	c.ok(c.commit(10, "g", joined.MemberID, joined.Generation, 42), "commit")
	h.restart()

	c = h.groupClient()
	beat := kmsg.NewPtrHeartbeatRequest()
	beat.Group, beat.MemberID, beat.Generation = "g", joined.MemberID, joined.Generation
	waitFor(t, func() bool {
		offset, _ := c.tryFetch("g")
		return offset == 42
	})
	c.ok(ask[*kmsg.HeartbeatResponse](c.conn, beat, 4).ErrorCode, "heartbeat")
	c.ok(c.commit(10, "g", joined.MemberID, joined.Generation, 43), "commit")
}

// tryFetch is fetch of a coordinator that may still be loading.
func (c *groupClient) tryFetch(group string) (int64, int16) {
	c.t.Helper()
	req := kmsg.NewPtrOffsetFetchRequest()
	req.Groups = []kmsg.OffsetFetchRequestGroup{{Group: group, Topics: []kmsg.OffsetFetchRequestGroupTopic{{Topic: "t", Partitions: []int32{0}}}}}
	resp := ask[*kmsg.OffsetFetchResponse](c.conn, req, 8).Groups[0]
	if resp.ErrorCode != 0 {
		return -1, resp.ErrorCode
	}
	return resp.Topics[0].Partitions[0].Offset, 0
}

// A committed offset that was answered survives the loss of power: the answer
// waited for stable storage.
func TestOffsetsSurvivePowerLoss(t *testing.T) {
	disk := vfs.NewMem(7)
	h := startOn(t, disk, "/log")
	h.createTopic("t", 1)
	c := h.groupClient()
	for i := range 50 {
		c.ok(c.commit(9, fmt.Sprint("g", i%5), "", -1, int64(i)), "commit")
	}
	after := disk.Crash()
	h.stop()

	h = startOn(t, after, "/log")
	c = h.groupClient()
	for i := range 5 {
		waitFor(t, func() bool {
			_, code := c.tryFetch(fmt.Sprint("g", i))
			return code == 0
		})
		if offset, _ := c.tryFetch(fmt.Sprint("g", i)); offset != int64(45+i) {
			t.Errorf("g%d: %d after the crash, %d was acknowledged", i, offset, 45+i)
		}
	}
}

// Deleting a topic takes its offsets away; one that follows under its name starts
// without any.
func TestTopicDeletionDropsOffsets(t *testing.T) {
	h := startBroker(t)
	h.createTopic("t", 1)
	c := h.groupClient()
	c.ok(c.commit(9, "g", "", -1, 5), "commit")
	del := kmsg.NewPtrDeleteTopicsRequest()
	del.TimeoutMillis = 10000
	name := "t"
	del.Topics = []kmsg.DeleteTopicsRequestTopic{{Topic: &name}}
	c.ok(ask[*kmsg.DeleteTopicsResponse](c.conn, del, 6).Topics[0].ErrorCode, "delete topic")
	h.createTopic("t", 1)
	waitFor(t, func() bool {
		req := kmsg.NewPtrOffsetFetchRequest()
		req.Groups = []kmsg.OffsetFetchRequestGroup{{Group: "g"}}
		return len(ask[*kmsg.OffsetFetchResponse](c.conn, req, 8).Groups[0].Topics) == 0
	})
	if offset, _ := c.fetch(8, "g"); offset != -1 {
		t.Errorf("the new topic has an offset, %d", offset)
	}
}

// While the disk refuses __consumer_offsets a group has no coordinator; when the
// cause is gone it comes back with every answered commit.
func TestGroupsSurviveDiskTrouble(t *testing.T) {
	fault := vfs.NewFault(vfs.NewMem(1))
	h := startOn(t, fault, "/log")
	h.createTopic("t", 1)
	c := h.groupClient()
	joined := c.join(9, "g")
	c.ok(c.commit(9, "g", joined.MemberID, joined.Generation, 5), "commit")
	for round := range int64(2) {
		fault.Set(func(op vfs.Op, name string) error {
			if strings.Contains(name, offsetsTopic) {
				return errNoSpace
			}
			return nil
		})
		if code := c.commit(9, "g", joined.MemberID, joined.Generation, 6+round); code != kerr.NotCoordinator.Code {
			t.Errorf("commit to a full disk: %v", kerr.ErrorForCode(code))
		}
		fault.Set(nil)
		waitFor(t, func() bool {
			offset, code := c.tryFetch("g")
			if code == 0 && offset < 5 {
				t.Fatalf("the committed offset fell to %d", offset)
			}
			return code == 0 && c.commit(9, "g", joined.MemberID, joined.Generation, 10+round) == 0
		})
		if offset, _ := c.fetch(9, "g"); offset != 10+round {
			t.Errorf("round %d: %d is committed", round, offset)
		}
	}
}
