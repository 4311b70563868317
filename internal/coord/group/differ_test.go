package group

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestDiffer sends the same requests in every version to two brokers, Leat at
// LEAT_GROUPS_BROKER and Apache Kafka at LEAT_GROUPS_REFERENCE, and compares the
// whole answers, apart from ids, addresses and the order of what has none. Both
// must be set up as for TestLive.
func TestDiffer(t *testing.T) {
	ours, reference := os.Getenv("LEAT_GROUPS_BROKER"), os.Getenv("LEAT_GROUPS_REFERENCE")
	if ours == "" || reference == "" {
		t.Skip("LEAT_GROUPS_BROKER and LEAT_GROUPS_REFERENCE are not both set")
	}
	createOffsetsTopic(t, ours)
	createOffsetsTopic(t, reference)
	a, b := &differ{t: t, addr: ours}, &differ{t: t, addr: reference}
	suffix := fmt.Sprint(time.Now().UnixNano())
	got, want := a.run(suffix), b.run(suffix)
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("ours:\n%s\nApache Kafka:\n%s", got[i], want[i])
		}
	}
	t.Logf("%d answers compared", len(want))
}

type differ struct {
	t      *testing.T
	addr   string
	suffix string
	topics map[string][16]byte
	out    []string
}

func (d *differ) run(suffix string) []string {
	d.suffix = suffix
	d.findTopics()
	d.members()
	d.offsets()
	d.consumers()
	d.shares()
	d.streams()
	d.admin()
	d.find()
	return d.out
}

func (d *differ) findTopics() {
	req := kmsg.NewPtrMetadataRequest()
	req.Version = 12
	resp, err := roundTrip(d.addr, "c", req)
	if err != nil {
		d.t.Fatal(err)
	}
	d.topics = map[string][16]byte{}
	for _, t := range resp.(*kmsg.MetadataResponse).Topics {
		d.topics[*t.Topic] = t.TopicID
	}
}

var (
	longUUID     = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
	shortUUID    = regexp.MustCompile(`"MemberID":"[A-Za-z0-9_-]{22}"`)
	addressField = regexp.MustCompile(`"(Port|NodeID|ThrottleMillis)":-?[0-9]+`)
	// The message of an unknown key type is for people: ours says what the cause is.
	messageField = regexp.MustCompile(`"ErrorMessage":"(?:[Tt]his|coordinators are) [^"]*"`)
	topicIDField = regexp.MustCompile(`"TopicID":\[[0-9,]*\]`)
)

func (d *differ) ask(req kmsg.Request) kmsg.Response {
	resp, err := roundTrip(d.addr, "c", req)
	text := ""
	if err != nil {
		text = err.Error()
	} else {
		sortTopics(resp)
		sortShares(resp)
		j, _ := json.Marshal(resp)
		text = string(j)
	}
	r, _ := json.Marshal(req)
	d.out = append(d.out, d.normal(fmt.Sprintf("%s v%d %s\n  %s", kmsg.NameForKey(req.Key()), req.GetVersion(), r, text)))
	return resp
}

// sortTopics orders what brokers may order as they like.
func sortTopics(resp kmsg.Response) {
	sortStreams(resp)
	switch r := resp.(type) {
	case *kmsg.OffsetCommitResponse:
		for i := range r.Topics {
			slices.SortFunc(r.Topics[i].Partitions, func(a, b kmsg.OffsetCommitResponseTopicPartition) int { return int(a.Partition - b.Partition) })
		}
		slices.SortFunc(r.Topics, func(a, b kmsg.OffsetCommitResponseTopic) int {
			// Ids differ between brokers; the topics asked for have other partitions each.
			key := func(t kmsg.OffsetCommitResponseTopic) string {
				return fmt.Sprint(t.Topic, len(t.Partitions), t.Partitions)
			}
			return strings.Compare(key(a), key(b))
		})
	case *kmsg.ConsumerGroupHeartbeatResponse:
		if r.Assignment != nil {
			slices.SortFunc(r.Assignment.Topics, func(a, b kmsg.ConsumerGroupHeartbeatResponseAssignmentTopic) int {
				return len(a.Partitions) - len(b.Partitions) // the topics have as many
			})
			for i := range r.Assignment.Topics {
				r.Assignment.Topics[i].TopicID = [16]byte{}
				slices.Sort(r.Assignment.Topics[i].Partitions)
			}
		}
	case *kmsg.ConsumerGroupDescribeResponse:
		byName := func(a, b kmsg.AssignmentTopicPartition) int { return strings.Compare(a.Topic, b.Topic) }
		for i := range r.Groups {
			slices.SortFunc(r.Groups[i].Members, func(a, b kmsg.ConsumerGroupDescribeResponseGroupMember) int {
				return strings.Compare(a.MemberID, b.MemberID)
			})
			for j := range r.Groups[i].Members {
				m := &r.Groups[i].Members[j]
				slices.SortFunc(m.Assignment.TopicPartitions, byName)
				slices.SortFunc(m.TargetAssignment.TopicPartitions, byName)
			}
		}
	case *kmsg.OffsetDeleteResponse:
		for i := range r.Topics {
			slices.SortFunc(r.Topics[i].Partitions, func(a, b kmsg.OffsetDeleteResponseTopicPartition) int { return int(a.Partition - b.Partition) })
		}
		slices.SortFunc(r.Topics, func(a, b kmsg.OffsetDeleteResponseTopic) int { return strings.Compare(a.Topic, b.Topic) })
	}
}

// normal takes out what two brokers cannot have in common.
func (d *differ) normal(text string) string {
	for name, id := range d.topics {
		j, _ := json.Marshal(id)
		text = strings.ReplaceAll(text, string(j), `"`+name+`"`)
	}
	text = shortUUID.ReplaceAllString(text, `"MemberID":"UUID"`)
	text = longUUID.ReplaceAllString(text, "UUID")
	text = addressField.ReplaceAllString(text, `"$1":0`)
	text = messageField.ReplaceAllString(text, `"ErrorMessage":"..."`)
	text = topicIDField.ReplaceAllString(text, `"TopicID":"unknown"`)
	return strings.ReplaceAll(text, d.suffix, "")
}

// members takes one member through its life in each version.
func (d *differ) members() {
	for v := int16(0); v <= 9; v++ {
		g := fmt.Sprintf("m%d%s", v, d.suffix)
		join := parseCommand("join g protos=range:t").request().(*kmsg.JoinGroupRequest)
		join.Version, join.Group = v, g
		first := d.ask(join).(*kmsg.JoinGroupResponse)
		join.MemberID = first.MemberID
		joined := d.ask(join).(*kmsg.JoinGroupResponse)
		bad := *join
		bad.MemberID = "nobody"
		d.ask(&bad)

		sync := parseCommand("sync g").request().(*kmsg.SyncGroupRequest)
		sync.Version, sync.Group, sync.MemberID, sync.Generation = min(v, 5), g, first.MemberID, joined.Generation
		sync.GroupAssignment = []kmsg.SyncGroupRequestGroupAssignment{{MemberID: first.MemberID, MemberAssignment: []byte("A")}}
		wrong := *sync
		wrong.Generation = 77
		d.ask(&wrong)
		d.ask(sync)

		beat := kmsg.NewPtrHeartbeatRequest()
		beat.Version, beat.Group, beat.MemberID, beat.Generation = min(v, 4), g, first.MemberID, joined.Generation
		d.ask(beat)
		lost := *beat
		lost.Group = "none"
		d.ask(&lost)

		describe := kmsg.NewPtrDescribeGroupsRequest()
		describe.Version, describe.Groups, describe.IncludeAuthorizedOperations = min(v, 6), []string{g}, true
		d.ask(describe)
		describe.Groups = []string{"none" + d.suffix}
		d.ask(describe)
		describe.Groups = nil
		d.ask(describe)

		leave := kmsg.NewPtrLeaveGroupRequest()
		leave.Version, leave.Group, leave.MemberID = min(v, 5), "none", first.MemberID
		leave.Members = []kmsg.LeaveGroupRequestMember{{MemberID: first.MemberID}}
		d.ask(leave)
		leave.Group = g
		d.ask(leave)
		leave.Members = nil
		if leave.Version >= 3 {
			d.ask(leave)
		}
		describe.Groups = []string{g}
		d.ask(describe)
	}
}

// consumers takes a member of a consumer group through its life in each version,
// with offsets, and what classic requests see of its group.
func (d *differ) consumers() {
	for v := int16(0); v <= 1; v++ {
		g := fmt.Sprintf("k%d%s", v, d.suffix)
		beat := func(line string) {
			req := parseCommand("beat g " + line).request().(*kmsg.ConsumerGroupHeartbeatRequest)
			req.Version, req.Group = v, g
			if req.SubscribedTopicRegex != nil && v == 0 {
				return
			}
			realTopicIDs(req, d.id)
			d.ask(req)
		}
		for _, line := range []string{
			"m epoch=1", "m epoch=-1", "m epoch=-2", "m epoch=-2 instance=i", "m epoch=-3", "m instance=-", "m rack=-", "m owned=t:1",
			"m owned=null", "m names=null", "m rebalance=null", "m assignor=x", "m regex=(", "m names=t+u+nope", "m epoch=2",
			"m epoch=2 rebalance=1s names=t+u+nope owned=t:0", "m epoch=3", "m epoch=1", "m", "m epoch=2 names=t", "x epoch=2",
			"s instance=i names=-", "z instance=i names=-", "z epoch=2 instance=i", "s epoch=-2 instance=i", "s epoch=-1 instance=i", "s epoch=-1 instance=i",
		} {
			beat(line)
		}
		describe := kmsg.NewPtrConsumerGroupDescribeRequest()
		describe.Version, describe.IncludeAuthorizedOperations = v, true
		for _, id := range []string{g, "none" + d.suffix, "o3" + d.suffix, ""} {
			describe.Groups = []string{id}
			d.ask(describe)
		}
		for _, line := range []string{"commit g t-0 member=m gen=2", "commit g t-0 member=m gen=1", "commit g t-0 member=m gen=9", "commit g t-0 v=8 member=m gen=2", "commit g t-0", "commit g t-0 member=q gen=2"} {
			d.askOf(fmt.Sprint("k", v), line)
		}
		for _, line := range []string{"heartbeat g m gen=2", "sync g m gen=2", "leave g q", "join g session=10s protos=other:t", "join g q session=10s type=connect", "describe g", "offset-delete g t-0 u-0"} {
			d.askOf(fmt.Sprint("k", v), line)
		}
		d.ask(&kmsg.DeleteGroupsRequest{Version: 2, Groups: []string{g}})
		beat("m epoch=-1")
		describe.Groups = []string{g}
		d.ask(describe)
	}
}

func (d *differ) offsets() {
	for v := int16(2); v <= 10; v++ {
		g := fmt.Sprintf("o%d%s", v, d.suffix)
		commit := parseCommand("commit g t-0 t-9 u-1 nope-0 offset=7 epoch=3 metadata=x").request().(*kmsg.OffsetCommitRequest)
		commit.Version, commit.Group = v, g
		for i := range commit.Topics {
			commit.Topics[i].TopicID = d.id(commit.Topics[i].Topic)
		}
		d.ask(commit)
		for _, missing := range []int32{-1, 5} {
			none := *commit
			none.Group, none.Generation = g+"x", missing
			d.ask(&none)
		}
		empty := *commit
		empty.Topics, empty.Group = nil, "none"
		d.ask(&empty)
		unknown := *commit
		unknown.Group, unknown.Generation = "none", 4
		unknown.Topics = commit.Topics[2:]
		d.ask(&unknown)
		noGroup := *commit
		noGroup.Group = ""
		noGroup.Topics = commit.Topics[1:2]
		d.ask(&noGroup)
	}
	for v := int16(1); v <= 10; v++ {
		for _, g := range []string{"o9" + d.suffix, "none" + d.suffix, ""} {
			for _, stable := range []bool{false, true} {
				d.fetch(v, g, stable)
			}
		}
	}
}

func (d *differ) id(topic string) [16]byte {
	if id, ok := d.topics[topic]; ok {
		return id
	}
	return [16]byte{1, 2, 3}
}

func (d *differ) fetch(v int16, g string, stable bool) {
	r := kmsg.NewPtrOffsetFetchRequest()
	r.Version, r.Group, r.RequireStable = v, g, stable
	rg := kmsg.NewOffsetFetchRequestGroup()
	rg.Group, rg.MemberEpoch = g, -1
	for _, name := range []string{"t", "nope", "u"} {
		r.Topics = append(r.Topics, kmsg.OffsetFetchRequestTopic{Topic: name, Partitions: []int32{0, 1, 99}})
		rg.Topics = append(rg.Topics, kmsg.OffsetFetchRequestGroupTopic{Topic: name, TopicID: d.id(name), Partitions: []int32{0, 1, 99}})
	}
	r.Groups = []kmsg.OffsetFetchRequestGroup{rg}
	d.askSorted(r)
	if v < 2 {
		return
	}
	r.Topics, rg.Topics = nil, nil
	r.Groups = []kmsg.OffsetFetchRequestGroup{rg}
	d.askSorted(r)
	r.Topics, rg.Topics = []kmsg.OffsetFetchRequestTopic{}, []kmsg.OffsetFetchRequestGroupTopic{}
	r.Groups = []kmsg.OffsetFetchRequestGroup{rg, rg}
	if v >= 9 {
		member := "m"
		r.Groups[0].MemberID, r.Groups[0].MemberEpoch = &member, 3
	}
	d.askSorted(r)
}

// askSorted is ask for OffsetFetch, whose topics come in any order.
func (d *differ) askSorted(r *kmsg.OffsetFetchRequest) {
	resp := d.ask(r).(*kmsg.OffsetFetchResponse)
	lines := []string{fmt.Sprint(resp.ErrorCode)}
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			lines = append(lines, fmt.Sprint(t.Topic, p.Partition, p.Offset, p.LeaderEpoch, deref(p.Metadata), p.ErrorCode))
		}
	}
	for _, g := range resp.Groups {
		lines = append(lines, fmt.Sprint(strings.ReplaceAll(g.Group, d.suffix, ""), g.ErrorCode))
		for _, t := range g.Topics {
			name := t.Topic
			for known, id := range d.topics {
				if id == t.TopicID {
					name += "id of " + known
				}
			}
			for _, p := range t.Partitions {
				lines = append(lines, fmt.Sprint(strings.ReplaceAll(g.Group, d.suffix, ""), name, p.Partition, p.Offset, p.LeaderEpoch, deref(p.Metadata), p.ErrorCode))
			}
		}
	}
	request, _, _ := strings.Cut(d.out[len(d.out)-1], "\n")
	d.out[len(d.out)-1] = request + "\n" + sortedList(lines)
}

func (d *differ) admin() {
	for v := int16(0); v <= 5; v++ {
		for _, states := range [][]string{nil, {"stable"}, {"Bogus"}} {
			for _, types := range [][]string{nil, {"classic"}, {"bogus"}, {"bogus", "classic"}, {"consumer"}, {"Share", "classic"}} {
				if v < 5 && types != nil || v < 4 && states != nil {
					continue
				}
				r := &kmsg.ListGroupsRequest{Version: v, StatesFilter: states, TypesFilter: types}
				resp, err := roundTrip(d.addr, "c", r)
				if err != nil {
					d.t.Fatal(err)
				}
				var names []string
				for _, g := range resp.(*kmsg.ListGroupsResponse).Groups {
					if strings.HasSuffix(g.Group, d.suffix) {
						names = append(names, fmt.Sprintf("%+v", g))
					}
				}
				d.out = append(d.out, fmt.Sprintf("ListGroups v%d states=%v types=%v\n%d %s", v, states, types,
					resp.(*kmsg.ListGroupsResponse).ErrorCode, strings.ReplaceAll(sortedList(names), d.suffix, "")))
			}
		}
	}
	for v := int16(0); v <= 2; v++ {
		for _, g := range []string{fmt.Sprintf("o%d%s", v+2, d.suffix), "none" + d.suffix, ""} {
			d.ask(&kmsg.DeleteGroupsRequest{Version: v, Groups: []string{g}})
			d.ask(&kmsg.DeleteGroupsRequest{Version: v, Groups: []string{g, g}})
		}
	}
	for _, g := range []string{"o9" + d.suffix, "none" + d.suffix, ""} {
		r := parseCommand("offset-delete g t-0 t-9 nope-0 u-3").request().(*kmsg.OffsetDeleteRequest)
		r.Group = g
		d.ask(r)
		r.Topics = r.Topics[2:3]
		d.ask(r)
		r.Topics = nil
		d.ask(r)
	}
	// An empty group id, and a session timeout that is out of range.
	for v := int16(0); v <= 9; v++ {
		join := parseCommand("join - session=1ms").request().(*kmsg.JoinGroupRequest)
		join.Version = v
		d.ask(join)
		join.Group = "none" + d.suffix
		d.ask(join)
		if v <= 5 {
			sync := parseCommand("sync - m").request().(*kmsg.SyncGroupRequest)
			sync.Version = v
			d.ask(sync)
			leave := parseCommand("leave - m").request().(*kmsg.LeaveGroupRequest)
			leave.Version = v
			d.ask(leave)
		}
		if v <= 4 {
			beat := parseCommand("heartbeat - m").request().(*kmsg.HeartbeatRequest)
			beat.Version = v
			d.ask(beat)
		}
	}
}

func (d *differ) find() {
	for v := int16(0); v <= 6; v++ {
		for _, key := range []string{"g", ""} {
			r := kmsg.NewPtrFindCoordinatorRequest()
			r.Version, r.CoordinatorKey = v, key
			if v >= 4 {
				r.CoordinatorKeys = []string{key, "other"}
			}
			d.ask(r)
			r.CoordinatorType = 9
			if v >= 1 {
				d.ask(r)
			}
		}
	}
}
