package kafkafiles

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/coord/group"
	"leat.dev/test/launch"
)

// useStreams leaves a streams group of two members behind, one of which waits for
// tasks of the other, and returns how the broker describes it.
func useStreams(t *testing.T, addr string) kmsg.StreamsGroupDescribeResponseGroup {
	t.Helper()
	ctx := t.Context()
	client, err := kgo.NewClient(kgo.SeedBrokers(addr))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := kadm.NewClient(client).CreateTopic(ctx, 4, 1, nil, "lines"); err != nil {
		t.Fatal(err)
	}
	_ = kadm.NewClient(client).FindGroupCoordinators(ctx, "streams") // makes its topic

	beat := func(member string, epoch int32, change func(*kmsg.StreamsGroupHeartbeatRequest)) *kmsg.StreamsGroupHeartbeatResponse {
		req := kmsg.NewPtrStreamsGroupHeartbeatRequest()
		req.Group, req.MemberID, req.MemberEpoch, req.RebalanceTimeoutMillis = "streams", member, epoch, -1
		if change != nil {
			change(req)
		}
		for {
			resp, err := req.RequestWith(ctx, client.SeedBrokers()[0])
			if err != nil {
				t.Fatal(err)
			}
			switch err := kerr.TypedErrorForCode(resp.ErrorCode); {
			case err == nil:
				return resp
			case !err.Retriable:
				t.Fatalf("%s: %v", member, err)
			}
			<-time.After(200 * time.Millisecond)
		}
	}
	join := func(req *kmsg.StreamsGroupHeartbeatRequest) {
		req.RebalanceTimeoutMillis, req.ProcessID = 60_000, kmsg.StringPtr("process-"+req.MemberID)
		req.UserEndpoint = &kmsg.StreamsGroupHeartbeatRequestUserEndpoint{Host: "localhost", Port: 7070}
		req.ClientTags = []kmsg.StreamsGroupHeartbeatRequestClientTag{{Key: "zone", Value: "a"}}
		req.ActiveTasks, req.StandbyTasks, req.WarmupTasks = []kmsg.TaskIDs{}, []kmsg.TaskIDs{}, []kmsg.TaskIDs{}
		topology := kmsg.NewStreamsGroupHeartbeatRequestTopology()
		topology.Epoch = 3
		rep := kmsg.TopicInfo{Topic: "streams-by-word-repartition", Configs: []kmsg.TopicInfoConfig{{Key: "retention.ms", Value: "-1"}}}
		topology.Subtopologies = []kmsg.StreamsGroupHeartbeatRequestTopologySubtopology{
			{SubtopologyID: "0", SourceTopics: []string{"lines"}, RepartitionSinkTopics: []string{rep.Topic}},
			{SubtopologyID: "1", RepartitionSourceTopics: []kmsg.TopicInfo{rep}, StateChangelogTopics: []kmsg.TopicInfo{{Topic: "streams-counts-changelog"}},
				CopartitionGroups: []kmsg.StreamsGroupHeartbeatRequestTopologySubtopologyCopartitionGroup{{RepartitionSourceTopics: []int16{0}}}},
		}
		req.Topology = &topology
	}
	epoch := beat("a", 0, join).MemberEpoch
	for deadline := time.Now().Add(20 * time.Second); ; <-time.After(200 * time.Millisecond) {
		r := beat("a", epoch, nil)
		if epoch = r.MemberEpoch; len(r.ActiveTasks) > 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("no tasks after 20 s")
		}
	}
	<-time.After(1200 * time.Millisecond) // the assignment interval
	beat("b", 0, join)
	beat("a", epoch, nil)

	req := kmsg.NewPtrStreamsGroupDescribeRequest()
	req.Groups = []string{"streams"}
	resp, err := req.RequestWith(ctx, client.SeedBrokers()[0])
	if err != nil || resp.Groups[0].ErrorCode != 0 || len(resp.Groups[0].Members) != 2 {
		t.Fatalf("%+v, %v", resp, err)
	}
	return resp.Groups[0]
}

// stored leaves out what is not stored: how many partitions internal topics were
// found to need.
func stored(t *testing.T, g kmsg.StreamsGroupDescribeResponseGroup) string {
	t.Helper()
	slices.SortFunc(g.Members, func(a, b kmsg.StreamsGroupDescribeResponseGroupMember) int {
		return strings.Compare(a.MemberID, b.MemberID)
	})
	for i := range g.Topology.Subtopologies {
		s := &g.Topology.Subtopologies[i]
		for _, list := range [][]kmsg.TopicInfo{s.RepartitionSourceTopics, s.StateChangelogTopics} {
			for j := range list {
				list[j].NumPartitions = 0
			}
		}
	}
	text, err := json.Marshal(g)
	if err != nil {
		t.Fatal(err)
	}
	return strings.NewReplacer("null", "[]").Replace(string(text))
}

// TestStreamsGroupWrittenByKafka loads a streams group from the files of Apache
// Kafka and describes it as Kafka did.
func TestStreamsGroupWrittenByKafka(t *testing.T) {
	b := groupBroker(t, launch.Kafka)
	want := useStreams(t, b.Addr())
	if _, err := b.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	shard, _ := load(t, b)
	now := time.Now()
	shard.Step(now, group.Loaded{})
	fx := shard.Step(now, group.StreamsGroupDescribe{ID: 1, Groups: []string{"streams"}})
	got := fx.Replies[0].Response.([]kmsg.StreamsGroupDescribeResponseGroup)[0]
	if a, b := stored(t, got), stored(t, want); a != b {
		t.Errorf("loaded\n%s\nKafka said\n%s", a, b)
	}
}

// TestStreamsGroupReadByKafka has Kafka's dump tool decode the streams group that
// Leat wrote.
func TestStreamsGroupReadByKafka(t *testing.T) {
	b := groupBroker(t, launch.Leat)
	useStreams(t, b.Addr())
	if _, err := b.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	dir, err := b.PartitionDir("__consumer_offsets", 0)
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "java", "-Xmx256m", "-cp", os.Getenv("LEAT_KAFKA_LIB")+"/*",
		"org.apache.kafka.tools.DumpLogSegments", "--offsets-decoder", "--files", filepath.Join(dir, "00000000000000000000.log")).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	text := string(out)
	for _, want := range []string{
		`key: {"type":"19","data":{"groupId":"streams","memberId":"a"}} payload: {"version":"0","data":{"instanceId":null,"rackId":null,`,
		`"rebalanceTimeoutMs":60000,"topologyEpoch":3,"processId":"process-a","userEndpoint":{"host":"localhost","port":7070},"clientTags":[{"key":"zone","value":"a"}]`,
		`key: {"type":"23","data":{"groupId":"streams"}} payload: {"version":"0","data":{"epoch":3,"subtopologies":[{"subtopologyId":"0","sourceTopics":["lines"],`,
		`key: {"type":"17","data":{"groupId":"streams"}} payload: {"version":"0","data":{"epoch":2,`,
		`"validatedTopologyEpoch":3,"lastAssignmentConfigs":[{"key":"num.standby.replicas","value":"0"}]`,
		`key: {"type":"21","data":{"groupId":"streams","memberId":"b"}} payload: {"version":"0","data":{"activeTasks":[{"subtopologyId":"0","partitions":[2,3]}`,
		`"activeTasksPendingRevocation":[{"subtopologyId":"0","partitions":[2,3],"assignmentEpochs":[`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("Kafka's tool does not show %s", want)
		}
	}
	if t.Failed() {
		for line := range strings.Lines(text) {
			if strings.Contains(line, `"groupId":"streams"`) {
				t.Log(strings.TrimSpace(line))
			}
		}
	}
}
