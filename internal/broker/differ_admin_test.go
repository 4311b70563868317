package broker

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// adminSide is one of the two brokers that TestAdminAgainstKafka compares, with what its requests have to name.
type adminSide struct {
	name      string
	dial      func() *conn
	cluster   string
	dir       string // of its log
	directory [16]byte
}

// adminStep is one request of an administrator; both brokers answer it alike.
type adminStep struct {
	name     string
	versions [2]int16
	request  func(s *adminSide) kmsg.Request
	// but says why the answers may differ.
	but string
}

// TestAdminAgainstKafka sends what administrators ask to this broker and to a running Apache Kafka of one broker, whose
// id is 1, and compares what they answer, messages included:
//
//	LEAT_REFERENCE_ADMIN=127.0.0.1:9092 go test ./internal/broker -run TestAdminAgainstKafka
//
// It changes and restores the features of that cluster, so the cluster should be its own.
func TestAdminAgainstKafka(t *testing.T) {
	ours, theirs := compared(t, "LEAT_REFERENCE_ADMIN", 20*time.Second)
	sides := []*adminSide{{name: "leat", dial: ours}, {name: "kafka", dial: theirs}}
	for _, s := range sides {
		c := s.dial()
		del := kmsg.NewPtrDeleteTopicsRequest()
		del.TopicNames, del.TimeoutMillis = []string{"admin"}, 10000
		ask[*kmsg.DeleteTopicsResponse](c, del, 5)
		createUntilDone(t, c, "admin", nil)
		cluster := kmsg.NewPtrDescribeClusterRequest()
		s.cluster = ask[*kmsg.DescribeClusterResponse](c, cluster, 0).ClusterID
		dirs := kmsg.NewPtrDescribeLogDirsRequest()
		s.dir = ask[*kmsg.DescribeLogDirsResponse](c, dirs, 4).Dirs[0].Dir
	}
	for _, st := range adminSteps() {
		for v := st.versions[0]; v <= st.versions[1]; v++ {
			var got [2]string
			for i, s := range sides {
				got[i] = s.outcome(st, v)
			}
			switch {
			case got[0] != got[1] && st.but == "":
				t.Errorf("%s (version %d):\n leat  %s\n kafka %s", st.name, v, got[0], got[1])
			case got[0] != got[1]:
				t.Logf("%s (version %d): differs, %s", st.name, v, st.but)
			default:
				t.Logf("%s (version %d): %s", st.name, v, got[0])
			}
		}
	}
}

var adminNature = regexp.MustCompile(`"(CurrentLeaderEpoch|LeaderEpoch|HighWatermark|LogEndOffset|LastFetchTimestamp|LastCaughtUpTimestamp|TotalBytes|UsableBytes|Size)":-?\d+`)

var adminAddress = regexp.MustCompile(`"Host":"[^"]*","Port":\d+`)

// outcome is the response as text, without what differs by nature.
func (s *adminSide) outcome(st adminStep, version int16) string {
	c := s.dial()
	defer c.Close()
	if s.directory == [16]byte{} && strings.HasPrefix(st.name, "dynamic") {
		s.directory = directoryID(c)
	}
	req := st.request(s)
	c.send(req, version)
	resp, err := c.tryReceive(req)
	if err != nil {
		return "closed"
	}
	if v, ok := resp.(*kmsg.ApiVersionsResponse); ok {
		sortAPIVersions(v)
	}
	b, err := json.Marshal(resp)
	if err != nil {
		return err.Error()
	}
	out := strings.ReplaceAll(string(b), s.cluster, "CLUSTER")
	out = strings.ReplaceAll(out, s.dir, "DIR")
	out = adminAddress.ReplaceAllString(out, `"Host":"HOST","Port":0`)
	if s.directory != [16]byte{} {
		out = strings.ReplaceAll(out, base64.RawURLEncoding.EncodeToString(s.directory[:]), "DIRECTORY")
		out = strings.ReplaceAll(out, jsonID(s.directory), "DIRECTORY")
	}
	return adminNature.ReplaceAllStringFunc(out, func(m string) string {
		name, value, _ := strings.Cut(m, ":")
		if strings.HasPrefix(value, "-") {
			return m
		}
		return name + ":N"
	})
}

// sortAPIVersions leaves out telemetry, which Kafka advertises only with a plugin, and puts features in order.
func sortAPIVersions(v *kmsg.ApiVersionsResponse) {
	v.ApiKeys = slices.DeleteFunc(v.ApiKeys, func(k kmsg.ApiVersionsResponseApiKey) bool { return k.ApiKey == 71 || k.ApiKey == 72 })
	slices.SortFunc(v.ApiKeys, func(a, b kmsg.ApiVersionsResponseApiKey) int { return cmp.Compare(a.ApiKey, b.ApiKey) })
	slices.SortFunc(v.SupportedFeatures, func(a, b kmsg.ApiVersionsResponseSupportedFeature) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(v.FinalizedFeatures, func(a, b kmsg.ApiVersionsResponseFinalizedFeature) int { return cmp.Compare(a.Name, b.Name) })
	v.FinalizedFeaturesEpoch = min(v.FinalizedFeaturesEpoch, 1)
}

func adminSteps() []adminStep {
	var steps []adminStep
	add := func(name string, from, to int16, request func(*adminSide) kmsg.Request) *adminStep {
		steps = append(steps, adminStep{name: name, versions: [2]int16{from, to}, request: request})
		return &steps[len(steps)-1]
	}
	type level struct {
		name  string
		level int16
		how   int8
	}
	features := func(validate bool, levels ...level) func(*adminSide) kmsg.Request {
		return func(*adminSide) kmsg.Request {
			req := kmsg.NewPtrUpdateFeaturesRequest()
			req.ValidateOnly, req.TimeoutMillis = validate, 5000
			for _, l := range levels {
				u := kmsg.NewUpdateFeaturesRequestFeatureUpdate()
				u.Feature, u.MaxVersionLevel, u.UpgradeType, u.AllowDowngrade = l.name, l.level, l.how, l.how > 1
				req.FeatureUpdates = append(req.FeatureUpdates, u)
			}
			return req
		}
	}
	add("no features", 0, 2, features(false))
	for _, name := range []string{"", "foo", "metadata.version", "transaction.version", "group.version", "share.version", "streams.version", "eligible.leader.replicas.version", "kraft.version"} {
		for _, n := range []int16{-1, 0, 1, 2, 3, 6, 7, 14, 25, 29, 30, 31, 99} {
			for how := int8(-1); how <= 4; how++ {
				if n > 3 && name != "metadata.version" {
					continue
				}
				add(fmt.Sprintf("%s to %d by %d", name, n, how), 1, 2, features(true, level{name, n, how}))
			}
			if (n <= 3 || name == "metadata.version") && name != "kraft.version" {
				add(fmt.Sprintf("%s to %d", name, n), 0, 0, features(false, level{name, n, 1}))
			}
		}
	}
	for _, name := range []string{"foo", "metadata.version", "transaction.version", "group.version"} {
		add(name+" down to 1 or 29", 0, 0, features(false, level{name, map[bool]int16{true: 29, false: 1}[name == "metadata.version"], 2}))
	}
	add("transaction.version back", 0, 0, features(false, level{"transaction.version", 2, 1}))
	add("two, one wrong", 1, 2, features(true, level{"group.version", 1, 1}, level{"foo", 1, 1}))
	add("two, first wrong", 1, 2, features(true, level{"foo", 1, 1}, level{"group.version", 1, 1}))
	add("the same twice", 0, 2, features(true, level{"group.version", 1, 1}, level{"group.version", 0, 2}))
	for _, name := range []string{"transaction.version", "group.version", "share.version", "streams.version"} {
		add("with "+name+" ApiVersions", 0, 4, apiVersions)
		add("down "+name, 2, 2, features(false, level{name, 0, 2}))
		add("without "+name+" ApiVersions", 0, 4, apiVersions)
		for _, g := range governed[name] {
			key := g.request().Key()
			add("without "+name+" "+kmsg.NameForKey(key), g.from, g.to, func(*adminSide) kmsg.Request { return g.request() })
		}
		add("upgrade down "+name, 2, 2, features(false, level{name, 0, 1}))
		add("again down "+name, 1, 2, features(false, level{name, 0, 2}))
		add("up as downgrade "+name, 1, 1, features(false, level{name, 1, 2}))
		add("up "+name, 2, 2, features(false, level{name, 1, 1}))
	}
	add("up transaction.version", 1, 1, features(false, level{"transaction.version", 2, 1}))

	elect := func(kind int8, all bool, topics ...kmsg.ElectLeadersRequestTopic) func(*adminSide) kmsg.Request {
		return func(*adminSide) kmsg.Request {
			req := kmsg.NewPtrElectLeadersRequest()
			req.ElectionType, req.TimeoutMillis = kind, 5000
			if !all {
				req.Topics = append([]kmsg.ElectLeadersRequestTopic{}, topics...)
			}
			return req
		}
	}
	of := func(topic string, partitions ...int32) kmsg.ElectLeadersRequestTopic {
		return kmsg.ElectLeadersRequestTopic{Topic: topic, Partitions: partitions}
	}
	for _, kind := range []int8{-1, 0, 1, 2} {
		add(fmt.Sprintf("elect %d none", kind), 0, 2, elect(kind, false))
		add(fmt.Sprintf("elect %d admin", kind), 0, 2, elect(kind, false, of("admin", 0)))
		add(fmt.Sprintf("elect %d admin partitions", kind), 0, 2, elect(kind, false, of("admin", 0, 1, -1, 0)))
		add(fmt.Sprintf("elect %d unknown", kind), 0, 2, elect(kind, false, of("none", 0), of("admin", 0), of("", 3)))
		add(fmt.Sprintf("elect %d empty", kind), 0, 2, elect(kind, false, of("admin")))
		add(fmt.Sprintf("elect %d twice", kind), 0, 2, elect(kind, false, of("admin", 0), of("admin", 0)))
		add(fmt.Sprintf("elect %d all", kind), 0, 2, elect(kind, true))
	}

	type move struct {
		topic     string
		partition int32
		replicas  []int32
	}
	reassign := func(factor bool, moves ...move) func(*adminSide) kmsg.Request {
		return func(*adminSide) kmsg.Request {
			req := kmsg.NewPtrAlterPartitionAssignmentsRequest()
			req.TimeoutMillis, req.AllowReplicationFactorChange = 5000, factor
			for _, m := range moves {
				p := kmsg.NewAlterPartitionAssignmentsRequestTopicPartition()
				p.Partition, p.Replicas = m.partition, m.replicas
				t := kmsg.NewAlterPartitionAssignmentsRequestTopic()
				t.Topic = m.topic
				t.Partitions = append(t.Partitions, p)
				req.Topics = append(req.Topics, t)
			}
			return req
		}
	}
	for _, factor := range []bool{true, false} {
		name := func(s string) string { return fmt.Sprintf("reassign %s (factor may change: %v)", s, factor) }
		add(name("nothing"), 0, 1, reassign(factor))
		add(name("to itself"), 0, 1, reassign(factor, move{"admin", 0, []int32{1}}))
		add(name("cancel"), 0, 1, reassign(factor, move{"admin", 0, nil}))
		add(name("to none"), 0, 1, reassign(factor, move{"admin", 0, []int32{}}))
		add(name("to unknown"), 0, 1, reassign(factor, move{"admin", 0, []int32{2}}))
		add(name("to more"), 0, 1, reassign(factor, move{"admin", 0, []int32{1, 2}}))
		add(name("to twice"), 0, 1, reassign(factor, move{"admin", 0, []int32{1, 1}}))
		add(name("to negative"), 0, 1, reassign(factor, move{"admin", 0, []int32{-1}}))
		add(name("unknown partition"), 0, 1, reassign(factor, move{"admin", 1, []int32{1}}))
		add(name("negative partition"), 0, 1, reassign(factor, move{"admin", -1, []int32{1}}))
		add(name("unknown topic"), 0, 1, reassign(factor, move{"none", 0, []int32{1}}))
		add(name("cancel unknown topic"), 0, 1, reassign(factor, move{"none", 0, nil}))
		add(name("cancel unknown partition"), 0, 1, reassign(factor, move{"admin", 7, nil}))
		add(name("several"), 0, 1, reassign(factor, move{"admin", 0, []int32{1}}, move{"none", 0, []int32{1}}, move{"admin", 0, nil}))
	}
	list := func(topics []kmsg.ListPartitionReassignmentsRequestTopic) func(*adminSide) kmsg.Request {
		return func(*adminSide) kmsg.Request {
			req := kmsg.NewPtrListPartitionReassignmentsRequest()
			req.TimeoutMillis, req.Topics = 5000, topics
			return req
		}
	}
	add("list reassignments", 0, 0, list(nil))
	add("list reassignments of none", 0, 0, list([]kmsg.ListPartitionReassignmentsRequestTopic{}))
	add("list reassignments of some", 0, 0, list([]kmsg.ListPartitionReassignmentsRequestTopic{{Topic: "admin", Partitions: []int32{0, 1}}, {Topic: "none", Partitions: []int32{0}}}))

	for what, names := range map[string][]string{"nothing": {}, "what has no name": {""}} {
		add("delete "+what, 1, 6, func(*adminSide) kmsg.Request {
			req := kmsg.NewPtrDeleteTopicsRequest()
			req.TopicNames, req.TimeoutMillis = names, 5000
			for _, name := range names {
				req.Topics = append(req.Topics, kmsg.DeleteTopicsRequestTopic{Topic: &name})
			}
			return req
		})
	}

	for _, id := range []int32{-1, 0, 7} {
		add(fmt.Sprintf("unregister %d", id), 0, 0, func(*adminSide) kmsg.Request {
			req := kmsg.NewPtrUnregisterBrokerRequest()
			req.BrokerID = id
			return req
		})
	}

	quorum := func(topics ...kmsg.DescribeQuorumRequestTopic) func(*adminSide) kmsg.Request {
		return func(*adminSide) kmsg.Request {
			req := kmsg.NewPtrDescribeQuorumRequest()
			req.Topics = topics
			return req
		}
	}
	asked := func(topic string, partitions ...int32) kmsg.DescribeQuorumRequestTopic {
		t := kmsg.DescribeQuorumRequestTopic{Topic: topic}
		for _, p := range partitions {
			t.Partitions = append(t.Partitions, kmsg.DescribeQuorumRequestTopicPartition{Partition: p})
		}
		return t
	}
	add("quorum of nothing", 0, 2, quorum())
	add("quorum of no partition", 0, 2, quorum(asked("__cluster_metadata")))
	add("quorum of partition 1", 0, 2, quorum(asked("__cluster_metadata", 1)))
	add("quorum of two partitions", 0, 2, quorum(asked("__cluster_metadata", 0, 1)))
	add("quorum of admin", 0, 2, quorum(asked("admin", 0)))
	add("quorum of both", 0, 2, quorum(asked("__cluster_metadata", 0), asked("admin", 0)))

	voters := func(level string) {
		add(level+" quorum", 0, 1, quorum(asked("__cluster_metadata", 0)))
		add(level+" quorum", 2, 2, quorum(asked("__cluster_metadata", 0))).but = "there is no listener for controllers alone"
		for _, which := range []string{"right", "wrong", "null"} {
			id := func(s *adminSide) *string {
				return map[string]*string{"right": &s.cluster, "wrong": new("nobody")}[which]
			}
			for _, voter := range []int32{-1, 1, 5} {
				for _, directory := range [][16]byte{{}, {15: 7}} {
					for _, listeners := range []int{0, 1, 2} {
						add(fmt.Sprintf("%s: add voter %d with directory %v, %s cluster, %d listeners", level, voter, directory != [16]byte{}, which, listeners), 0, 1, func(s *adminSide) kmsg.Request {
							req := kmsg.NewPtrAddRaftVoterRequest()
							req.ClusterID, req.VoterID, req.VoterDirectoryID, req.TimeoutMillis, req.AckWhenCommitted = id(s), voter, directory, 500, true
							for i := range listeners {
								req.Listeners = append(req.Listeners, kmsg.AddRaftVoterRequestListener{Name: []string{"CONTROLLER", "CONTROLLER"}[i], Host: "localhost", Port: 9})
							}
							return req
						}).but = map[bool]string{true: "Kafka says how the voter could not be reached"}[voter == 5 && level == "dynamic"]
					}
					add(fmt.Sprintf("%s: remove voter %d with directory %v, %s cluster", level, voter, directory != [16]byte{}, which), 0, 0, func(s *adminSide) kmsg.Request {
						req := kmsg.NewPtrRemoveRaftVoterRequest()
						req.ClusterID, req.VoterID, req.VoterDirectoryID = id(s), voter, directory
						return req
					})
				}
			}
		}
		add(level+": remove the only voter", 0, 0, func(s *adminSide) kmsg.Request {
			req := kmsg.NewPtrRemoveRaftVoterRequest()
			req.VoterID, req.VoterDirectoryID = 1, s.directory
			return req
		})
	}
	voters("static")
	add("voters in the log by upgrade", 2, 2, features(false, level{"kraft.version", 1, 1}))
	for how := int8(1); how <= 3; how++ {
		add(fmt.Sprintf("kraft.version down by %d", how), 2, 2, features(false, level{"kraft.version", 0, how}))
	}
	voters("dynamic")

	type dirMove struct {
		dir   string // "" for the log directory itself
		topic string
		parts []int32
	}
	alterDirs := func(moves ...dirMove) func(*adminSide) kmsg.Request {
		return func(s *adminSide) kmsg.Request {
			req := kmsg.NewPtrAlterReplicaLogDirsRequest()
			for _, m := range moves {
				d := kmsg.AlterReplicaLogDirsRequestDir{Dir: m.dir}
				if m.dir == "" {
					d.Dir = s.dir
				}
				if m.topic != "" {
					d.Topics = []kmsg.AlterReplicaLogDirsRequestDirTopic{{Topic: m.topic, Partitions: m.parts}}
				}
				req.Dirs = append(req.Dirs, d)
			}
			return req
		}
	}
	add("move nothing", 1, 2, alterDirs())
	add("move nothing to a directory", 1, 2, alterDirs(dirMove{}))
	add("move to its own directory", 1, 2, alterDirs(dirMove{topic: "admin", parts: []int32{0}}))
	add("move to an unknown directory", 1, 2, alterDirs(dirMove{dir: "/nowhere", topic: "admin", parts: []int32{0, 1}}))
	add("move to a relative directory", 1, 2, alterDirs(dirMove{dir: "nowhere", topic: "admin", parts: []int32{0}}))
	add("move what is unknown", 1, 2, alterDirs(dirMove{topic: "admin", parts: []int32{4}}, dirMove{topic: "none", parts: []int32{0}}))
	add("move unknown to unknown", 1, 2, alterDirs(dirMove{dir: "/nowhere", topic: "none", parts: []int32{0}}))
	add("move twice", 1, 2, alterDirs(dirMove{topic: "admin", parts: []int32{0}}, dirMove{dir: "/nowhere", topic: "admin", parts: []int32{0}}))
	for n := 211; n < 215; n++ { // the directory it would move into has a name as well
		add(fmt.Sprintf("move a topic with a name of %d bytes", n), 1, 2, alterDirs(dirMove{dir: "/nowhere", topic: strings.Repeat("x", n), parts: []int32{17}}))
	}
	add("move no partitions", 1, 2, alterDirs(dirMove{topic: "admin"}))
	describeDirs := func(topics ...kmsg.DescribeLogDirsRequestTopic) func(*adminSide) kmsg.Request {
		return func(*adminSide) kmsg.Request {
			req := kmsg.NewPtrDescribeLogDirsRequest()
			req.Topics = append([]kmsg.DescribeLogDirsRequestTopic{}, topics...)
			return req
		}
	}
	add("log dirs", 1, 5, describeDirs(kmsg.DescribeLogDirsRequestTopic{Topic: "admin", Partitions: []int32{0}}))
	add("log dirs of nothing", 1, 5, describeDirs())
	add("log dirs of unknown", 1, 5, describeDirs(kmsg.DescribeLogDirsRequestTopic{Topic: "admin", Partitions: []int32{4, 0, 0}}, kmsg.DescribeLogDirsRequestTopic{Topic: "none", Partitions: []int32{0}}))

	for _, kind := range []int8{0, 1, 2, 3} {
		for _, fenced := range []bool{false, true} {
			add(fmt.Sprintf("cluster, endpoints %d, fenced too %v", kind, fenced), 0, 2, func(*adminSide) kmsg.Request {
				req := kmsg.NewPtrDescribeClusterRequest()
				req.EndpointType, req.IncludeFencedBrokers, req.IncludeClusterAuthorizedOperations = kind, fenced, true
				return req
			})
		}
	}
	return steps
}

// directoryID is the id of the log directory, which DescribeQuorum tells once kraft.version is 1.
func directoryID(c *conn) [16]byte {
	c.t.Helper()
	req := kmsg.NewPtrDescribeQuorumRequest()
	req.Topics = []kmsg.DescribeQuorumRequestTopic{{Topic: "__cluster_metadata", Partitions: []kmsg.DescribeQuorumRequestTopicPartition{{}}}}
	resp := ask[*kmsg.DescribeQuorumResponse](c, req, 2)
	return resp.Topics[0].Partitions[0].CurrentVoters[0].ReplicaDirectoryID
}

func apiVersions(*adminSide) kmsg.Request {
	req := kmsg.NewPtrApiVersionsRequest()
	req.ClientSoftwareName, req.ClientSoftwareVersion = "test", "1"
	return req
}

type governedRequest struct {
	from, to int16
	request  func() kmsg.Request
}

// governed are requests that are answered by what a feature's level allows.
var governed = map[string][]governedRequest{
	"group.version": {
		{0, 1, func() kmsg.Request {
			req := kmsg.NewPtrConsumerGroupHeartbeatRequest()
			req.Group, req.MemberID, req.RebalanceTimeoutMillis = "admin-group", "m", 1000
			req.SubscribedTopicNames, req.Topics = []string{"admin"}, []kmsg.ConsumerGroupHeartbeatRequestTopic{}
			return req
		}},
		{0, 1, func() kmsg.Request { return &kmsg.ConsumerGroupDescribeRequest{Groups: []string{"admin-group", ""}} }},
	},
	"share.version": {
		{1, 1, func() kmsg.Request {
			req := kmsg.NewPtrShareGroupHeartbeatRequest()
			req.GroupID, req.MemberID, req.SubscribedTopicNames = "admin-share", "m", []string{"admin"}
			return req
		}},
		{1, 1, func() kmsg.Request { return &kmsg.ShareGroupDescribeRequest{GroupIDs: []string{"admin-share", ""}} }},
		{1, 2, func() kmsg.Request {
			req := kmsg.NewPtrShareFetchRequest()
			req.GroupID, req.MemberID = new("admin-share"), new("AAAAAAAAAAAAAAAAAAAABw")
			req.Topics = []kmsg.ShareFetchRequestTopic{{TopicID: [16]byte{5}, Partitions: []kmsg.ShareFetchRequestTopicPartition{{}}}}
			return req
		}},
		{1, 2, func() kmsg.Request {
			req := kmsg.NewPtrShareAcknowledgeRequest()
			req.GroupID, req.MemberID, req.ShareSessionEpoch = new("admin-share"), new("AAAAAAAAAAAAAAAAAAAABw"), 1
			req.Topics = []kmsg.ShareAcknowledgeRequestTopic{{TopicID: [16]byte{5}, Partitions: []kmsg.ShareAcknowledgeRequestTopicPartition{{}}}}
			return req
		}},
		{0, 1, func() kmsg.Request {
			return &kmsg.DescribeShareGroupOffsetsRequest{Groups: []kmsg.DescribeShareGroupOffsetsRequestGroup{{GroupID: "admin-share", Topics: []kmsg.DescribeShareGroupOffsetsRequestGroupTopic{{Topic: "admin", Partitions: []int32{0}}}}}}
		}},
		{0, 0, func() kmsg.Request {
			return &kmsg.AlterShareGroupOffsetsRequest{GroupID: "admin-share", Topics: []kmsg.AlterShareGroupOffsetsRequestTopic{{Topic: "admin", Partitions: []kmsg.AlterShareGroupOffsetsRequestTopicPartition{{}}}}}
		}},
		{0, 0, func() kmsg.Request {
			return &kmsg.DeleteShareGroupOffsetsRequest{GroupID: "admin-share", Topics: []kmsg.DeleteShareGroupOffsetsRequestTopic{{Topic: "admin"}}}
		}},
	},
	"streams.version": {
		{0, 0, func() kmsg.Request {
			req := kmsg.NewPtrStreamsGroupHeartbeatRequest()
			req.Group, req.MemberID, req.RebalanceTimeoutMillis = "admin-streams", "m", 1000
			req.Topology = &kmsg.StreamsGroupHeartbeatRequestTopology{}
			return req
		}},
		{0, 0, func() kmsg.Request { return &kmsg.StreamsGroupDescribeRequest{Groups: []string{"admin-streams", ""}} }},
	},
}
