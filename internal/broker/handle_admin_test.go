package broker

import (
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/metadata"
)

// setFeature finalises one feature and fails the test if that is refused.
func setFeature(c *conn, name string, level int16) {
	c.t.Helper()
	req := kmsg.NewPtrUpdateFeaturesRequest()
	u := kmsg.NewUpdateFeaturesRequestFeatureUpdate()
	u.Feature, u.MaxVersionLevel, u.UpgradeType = name, level, 1
	req.FeatureUpdates = append(req.FeatureUpdates, u)
	resp := ask[*kmsg.UpdateFeaturesResponse](c, req, 2)
	if resp.ErrorCode == kerr.InvalidUpdateVersion.Code {
		req.FeatureUpdates[0].UpgradeType = 2
		resp = ask[*kmsg.UpdateFeaturesResponse](c, req, 2)
	}
	if resp.ErrorCode != 0 {
		c.t.Fatalf("%s to %d: %s", name, level, *resp.ErrorMessage)
	}
}

// finalised are the levels that ApiVersions tells clients.
func finalised(c *conn) (levels map[string]int16, epoch int64) {
	req := kmsg.NewPtrApiVersionsRequest()
	req.ClientSoftwareName, req.ClientSoftwareVersion = "test", "1"
	resp := ask[*kmsg.ApiVersionsResponse](c, req, 4)
	levels = map[string]int16{}
	for _, f := range resp.FinalizedFeatures {
		levels[f.Name] = f.MaxVersionLevel
	}
	return levels, resp.FinalizedFeaturesEpoch
}

// TestFeaturesGovern: a change of level is told to clients under a higher epoch, lasts through a restart, and decides
// what is served.
func TestFeaturesGovern(t *testing.T) {
	h := startBroker(t)
	c := h.dial()
	levels, before := finalised(c)
	for name, want := range map[string]int16{
		metadata.MetadataVersion: 30, metadata.TransactionVersion: 2, metadata.GroupVersion: 1, metadata.ShareVersion: 1,
		metadata.StreamsVersion: 1, metadata.EligibleLeaderReplicas: 1, metadata.KRaftVersion: 0,
	} {
		if levels[name] != want {
			t.Errorf("%s is at %d, want %d", name, levels[name], want)
		}
	}
	heartbeat := func(c *conn) int16 {
		req := kmsg.NewPtrConsumerGroupHeartbeatRequest()
		req.Group, req.MemberID, req.RebalanceTimeoutMillis = "g", "m", 1000
		req.SubscribedTopicNames, req.Topics = []string{"t"}, []kmsg.ConsumerGroupHeartbeatRequestTopic{}
		var code int16
		waitFor(t, func() bool {
			code = ask[*kmsg.ConsumerGroupHeartbeatResponse](c, req, 1).ErrorCode
			return code != kerr.CoordinatorLoadInProgress.Code // after a start
		})
		return code
	}
	h.createTopic("t", 1)
	ask[*kmsg.FindCoordinatorResponse](c, &kmsg.FindCoordinatorRequest{CoordinatorKeys: []string{"g"}}, 4) // makes its topic
	if code := heartbeat(c); code != 0 {
		t.Fatalf("with group.version 1: %v", kerr.ErrorForCode(code))
	}
	setFeature(c, metadata.GroupVersion, 0)
	setFeature(c, metadata.TransactionVersion, 1)
	if code := heartbeat(c); code != kerr.UnsupportedVersion.Code {
		t.Errorf("with group.version 0: %v", kerr.ErrorForCode(code))
	}
	levels, after := finalised(c)
	if _, there := levels[metadata.GroupVersion]; there || levels[metadata.TransactionVersion] != 1 || after <= before {
		t.Errorf("levels %v, epoch %d after %d", levels, after, before)
	}
	h.restart()
	c = h.dial()
	if again, epoch := finalised(c); again[metadata.TransactionVersion] != 1 || len(again) != len(levels) || epoch < after {
		t.Errorf("after a restart: levels %v, epoch %d", again, epoch)
	}
	setFeature(c, metadata.GroupVersion, 1)
	if code := heartbeat(c); code != 0 {
		t.Errorf("with group.version 1 again: %v", kerr.ErrorForCode(code))
	}
}

func TestElectLeadersOfOneBroker(t *testing.T) {
	h := startBroker(t)
	h.createTopic("t", 2)
	c := h.dial()
	for version := int16(0); version <= 2; version++ {
		req := kmsg.NewPtrElectLeadersRequest()
		req.Topics = []kmsg.ElectLeadersRequestTopic{{Topic: "t", Partitions: []int32{0, 7}}, {Topic: "none", Partitions: []int32{0}}}
		resp := ask[*kmsg.ElectLeadersResponse](c, req, version)
		got := []int16{resp.Topics[0].Partitions[0].ErrorCode, resp.Topics[0].Partitions[1].ErrorCode, resp.Topics[1].Partitions[0].ErrorCode}
		if got[0] != kerr.ElectionNotNeeded.Code || got[1] != kerr.UnknownTopicOrPartition.Code || got[2] != got[1] || resp.ErrorCode != 0 {
			t.Errorf("version %d: %v", version, got)
		}
		req.Topics = nil
		if resp = ask[*kmsg.ElectLeadersResponse](c, req, version); len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 0 {
			t.Errorf("version %d: all partitions: %+v", version, resp.Topics)
		}
		if req.ElectionType = 7; version > 0 {
			if resp = ask[*kmsg.ElectLeadersResponse](c, req, version); resp.ErrorCode != kerr.InvalidRequest.Code {
				t.Errorf("version %d: kind 7: code %d", version, resp.ErrorCode)
			}
		}
	}
}

func TestReassignOfOneBroker(t *testing.T) {
	h := startBroker(t)
	h.createTopic("t", 1)
	c := h.dial()
	for version := int16(0); version <= 1; version++ {
		for _, s := range []struct {
			topic    string
			replicas []int32
			want     int16
		}{
			{"t", []int32{1}, 0},
			{"t", nil, kerr.NoReassignmentInProgress.Code},
			{"t", []int32{}, kerr.InvalidReplicaAssignment.Code},
			{"t", []int32{2}, kerr.InvalidReplicaAssignment.Code},
			{"t", []int32{1, 2}, kerr.InvalidReplicaAssignment.Code},
			{"none", []int32{1}, kerr.UnknownTopicOrPartition.Code},
		} {
			req := kmsg.NewPtrAlterPartitionAssignmentsRequest()
			req.Topics = []kmsg.AlterPartitionAssignmentsRequestTopic{{Topic: s.topic, Partitions: []kmsg.AlterPartitionAssignmentsRequestTopicPartition{{Replicas: s.replicas}}}}
			resp := ask[*kmsg.AlterPartitionAssignmentsResponse](c, req, version)
			if got := resp.Topics[0].Partitions[0].ErrorCode; got != s.want || resp.ErrorCode != 0 {
				t.Errorf("version %d: %s to %v: code %d, want %d", version, s.topic, s.replicas, got, s.want)
			}
		}
	}
	if resp := ask[*kmsg.ListPartitionReassignmentsResponse](c, kmsg.NewPtrListPartitionReassignmentsRequest(), 0); len(resp.Topics) > 0 || resp.ErrorCode != 0 {
		t.Errorf("%+v", resp)
	}
}

func TestDescribeQuorum(t *testing.T) {
	h := startBroker(t)
	c := h.dial()
	req := kmsg.NewPtrDescribeQuorumRequest()
	req.Topics = []kmsg.DescribeQuorumRequestTopic{{Topic: metadata.LogTopic, Partitions: []kmsg.DescribeQuorumRequestTopicPartition{{}}}}
	for version := int16(0); version <= 2; version++ {
		for _, level := range []int16{0, 1} {
			if level == 1 && version == 2 {
				setFeature(c, metadata.KRaftVersion, 1)
			}
			resp := ask[*kmsg.DescribeQuorumResponse](c, req, version)
			p := resp.Topics[0].Partitions[0]
			image := h.meta.Image()
			if resp.ErrorCode != 0 || p.ErrorCode != 0 || p.LeaderID != 1 || p.LeaderEpoch != image.Epoch || p.HighWatermark != image.Offset+1 || len(p.CurrentVoters) != 1 || len(p.Observers) != 0 {
				t.Fatalf("version %d: %+v", version, resp)
			}
			v := p.CurrentVoters[0]
			if v.ReplicaID != 1 || v.LogEndOffset != p.HighWatermark || version > 0 && (v.LastFetchTimestamp <= 0 || v.LastCaughtUpTimestamp <= 0) {
				t.Errorf("version %d: %+v", version, v)
			}
			if named := v.ReplicaDirectoryID == h.Broker.dir.Meta().DirectoryID(); named != (level == 1 && version == 2) {
				t.Errorf("version %d, kraft.version %d: directory %v", version, level, v.ReplicaDirectoryID)
			}
		}
		other := kmsg.NewPtrDescribeQuorumRequest()
		other.Topics = []kmsg.DescribeQuorumRequestTopic{{Topic: "t", Partitions: []kmsg.DescribeQuorumRequestTopicPartition{{}}}}
		if resp := ask[*kmsg.DescribeQuorumResponse](c, other, version); resp.Topics[0].Partitions[0].ErrorCode != kerr.UnknownTopicOrPartition.Code {
			t.Errorf("version %d: %+v", version, resp)
		}
	}
}

// TestRaftVoters: voters are in the settings first; once they are in the log, a voter must follow before it is added.
func TestRaftVoters(t *testing.T) {
	h := startBroker(t)
	c := h.dial()
	self := h.Broker.dir.Meta().DirectoryID()
	addVoter := func(id int32, directory [16]byte, cluster *string, listeners int) *kerr.Error {
		req := kmsg.NewPtrAddRaftVoterRequest()
		req.VoterID, req.VoterDirectoryID, req.ClusterID = id, directory, cluster
		req.Listeners = make([]kmsg.AddRaftVoterRequestListener, listeners)
		return kerr.TypedErrorForCode(ask[*kmsg.AddRaftVoterResponse](c, req, 1).ErrorCode)
	}
	removeVoter := func(id int32, directory [16]byte) *kerr.Error {
		req := kmsg.NewPtrRemoveRaftVoterRequest()
		req.VoterID, req.VoterDirectoryID = id, directory
		return kerr.TypedErrorForCode(ask[*kmsg.RemoveRaftVoterResponse](c, req, 0).ErrorCode)
	}
	expect := func(what string, got, want *kerr.Error) {
		t.Helper()
		if got != want {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}
	expect("static add", addVoter(2, self, nil, 1), kerr.UnsupportedVersion)
	expect("static remove", removeVoter(1, self), kerr.UnsupportedVersion)
	setFeature(c, metadata.KRaftVersion, 1)
	expect("wrong cluster", addVoter(2, self, new("x"), 1), kerr.InconsistentClusterID)
	expect("no directory", addVoter(2, [16]byte{}, nil, 1), kerr.InvalidRequest)
	expect("no listener", addVoter(2, self, nil, 0), kerr.InvalidRequest)
	expect("itself", addVoter(1, self, nil, 1), kerr.DuplicateVoter)
	expect("one that does not follow", addVoter(2, self, nil, 1), kerr.RequestTimedOut)
	expect("remove another", removeVoter(2, self), kerr.VoterNotFound)
	expect("remove the only one", removeVoter(1, self), kerr.VoterNotFound)
}

func TestUnregisterBroker(t *testing.T) {
	h := startBroker(t)
	c := h.dial()
	for id, want := range map[int32]*kerr.Error{1: kerr.InvalidRequest, 7: kerr.BrokerIDNotRegistered} {
		req := kmsg.NewPtrUnregisterBrokerRequest()
		req.BrokerID = id
		if resp := ask[*kmsg.UnregisterBrokerResponse](c, req, 0); resp.ErrorCode != want.Code || !strings.Contains(*resp.ErrorMessage, "roker") {
			t.Errorf("broker %d: code %d, %v", id, resp.ErrorCode, resp.ErrorMessage)
		}
	}
}

func TestAlterReplicaLogDirs(t *testing.T) {
	h := startBroker(t)
	h.createTopic("t", 2)
	c := h.dial()
	req := kmsg.NewPtrAlterReplicaLogDirsRequest()
	req.Dirs = []kmsg.AlterReplicaLogDirsRequestDir{
		{Dir: h.path, Topics: []kmsg.AlterReplicaLogDirsRequestDirTopic{{Topic: "t", Partitions: []int32{0, 1, 5}}, {Topic: "none", Partitions: []int32{0}}}},
		{Dir: "/elsewhere", Topics: []kmsg.AlterReplicaLogDirsRequestDirTopic{{Topic: "t", Partitions: []int32{1}}}},
	}
	for version := int16(1); version <= 2; version++ {
		resp := ask[*kmsg.AlterReplicaLogDirsResponse](c, req, version)
		if len(resp.Topics) != 2 || len(resp.Topics[0].Partitions) != 3 {
			t.Fatalf("version %d: %+v", version, resp)
		}
		p := resp.Topics[0].Partitions
		if p[0].ErrorCode != 0 || p[1].ErrorCode != kerr.LogDirNotFound.Code || p[2].ErrorCode != kerr.UnknownTopicOrPartition.Code || resp.Topics[1].Partitions[0].ErrorCode != kerr.UnknownTopicOrPartition.Code {
			t.Errorf("version %d: %+v", version, resp)
		}
	}
}

// TestAdminDenied: without the permission on the cluster the refusal stands where Kafka puts it: at the top, at each
// partition, or at both.
func TestAdminDenied(t *testing.T) {
	h, w := guardedBroker(t)
	h.createTopic("t", 1)
	c := h.dial()
	w.set(func(q string) bool { return strings.HasSuffix(q, " Cluster kafka-cluster") })
	const denied = int16(31)
	same := func(what string, got []int16, want ...int16) {
		t.Helper()
		if !slices.Equal(got, want) {
			t.Errorf("%s: codes %v, want %v", what, got, want)
		}
	}
	elect := &kmsg.ElectLeadersRequest{Topics: []kmsg.ElectLeadersRequestTopic{{Topic: "t", Partitions: []int32{0, 1}}}}
	resp := ask[*kmsg.ElectLeadersResponse](c, elect, 2)
	same("elect", []int16{resp.ErrorCode, resp.Topics[0].Partitions[0].ErrorCode, resp.Topics[0].Partitions[1].ErrorCode}, denied, denied, denied)
	resp = ask[*kmsg.ElectLeadersResponse](c, &kmsg.ElectLeadersRequest{}, 1)
	same("elect all", []int16{resp.ErrorCode}, denied)
	moved := ask[*kmsg.AlterPartitionAssignmentsResponse](c, move("t", 1), 1)
	same("reassign", []int16{moved.ErrorCode, moved.Topics[0].Partitions[0].ErrorCode}, denied, denied)
	listed := ask[*kmsg.ListPartitionReassignmentsResponse](c, &kmsg.ListPartitionReassignmentsRequest{}, 0)
	same("list", []int16{listed.ErrorCode}, denied)
	quorum := &kmsg.DescribeQuorumRequest{Topics: []kmsg.DescribeQuorumRequestTopic{{Topic: metadata.LogTopic, Partitions: []kmsg.DescribeQuorumRequestTopicPartition{{}}}}}
	described := ask[*kmsg.DescribeQuorumResponse](c, quorum, 2)
	same("quorum", []int16{described.ErrorCode, int16(len(described.Topics))}, denied, 0)
	features := ask[*kmsg.UpdateFeaturesResponse](c, &kmsg.UpdateFeaturesRequest{}, 2)
	same("features", []int16{features.ErrorCode}, denied)
	same("unregister", []int16{ask[*kmsg.UnregisterBrokerResponse](c, &kmsg.UnregisterBrokerRequest{BrokerID: 7}, 0).ErrorCode}, denied)
	same("add voter", []int16{ask[*kmsg.AddRaftVoterResponse](c, &kmsg.AddRaftVoterRequest{}, 1).ErrorCode}, denied)
	same("remove voter", []int16{ask[*kmsg.RemoveRaftVoterResponse](c, &kmsg.RemoveRaftVoterRequest{}, 0).ErrorCode}, denied)
	dirs := &kmsg.AlterReplicaLogDirsRequest{Dirs: []kmsg.AlterReplicaLogDirsRequestDir{{Dir: "/x", Topics: []kmsg.AlterReplicaLogDirsRequestDirTopic{{Topic: "t", Partitions: []int32{0}}}}}}
	same("log dirs", []int16{ask[*kmsg.AlterReplicaLogDirsResponse](c, dirs, 2).Topics[0].Partitions[0].ErrorCode}, denied)
}

// move asks for one partition to be on these brokers.
func move(topic string, brokers ...int32) *kmsg.AlterPartitionAssignmentsRequest {
	req := kmsg.NewPtrAlterPartitionAssignmentsRequest()
	req.Topics = []kmsg.AlterPartitionAssignmentsRequestTopic{{Topic: topic, Partitions: []kmsg.AlterPartitionAssignmentsRequestTopicPartition{{Replicas: brokers}}}}
	return req
}

// TestDeleteByNameAndID: a topic that is named both ways stays, and is answered for once, as in Kafka.
func TestDeleteByNameAndID(t *testing.T) {
	h := startBroker(t)
	id := h.createTopic("t", 1)
	c := h.dial()
	req := kmsg.NewPtrDeleteTopicsRequest()
	req.TimeoutMillis = 5000
	req.Topics = []kmsg.DeleteTopicsRequestTopic{{Topic: new("t")}, {TopicID: id}}
	resp := ask[*kmsg.DeleteTopicsResponse](c, req, 6)
	if len(resp.Topics) != 1 || resp.Topics[0].ErrorCode != kerr.InvalidRequest.Code || resp.Topics[0].TopicID != id || h.meta.Image().Topic("t") == nil {
		t.Errorf("%+v", resp.Topics)
	}
}
