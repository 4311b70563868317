package metadata

import (
	"fmt"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"

	"leat.dev/internal/base/vfs"
	"leat.dev/internal/metadata/record"
)

// threeBrokers has a topic "t" with one partition on brokers 1, 2 and 3, which 1 leads.
func threeBrokers() *controllerUnderTest {
	c := newController(1, broker(1, "", false), broker(2, "", false), broker(3, "", false), broker(4, "", false))
	c.commit([]record.Record{
		&record.Topic{Name: "t", TopicID: record.UUID{1}},
		&record.Partition{TopicID: record.UUID{1}, Replicas: []int32{1, 2, 3}, ISR: []int32{1, 2, 3}, Leader: 1, Directories: []record.UUID{{1}, {2}, {3}}},
	})
	return c
}

func (c *controllerUnderTest) partition() *Partition { return &c.img.Topic("t").Partitions[0] }

// set changes the partition as a controller of a cluster would.
func (c *controllerUnderTest) set(change func(*record.PartitionChange)) {
	r := record.NewPartitionChange(0, record.UUID{1})
	change(r)
	c.commit([]record.Record{r})
}

func fence(c *controllerUnderTest, id int32) {
	c.commit([]record.Record{&record.FenceBroker{ID: id, Epoch: c.img.Broker(id).Epoch}})
}

func (c *controllerUnderTest) elect(kind int8) (int16, *Partition) {
	resp, records := c.view().electLeaders([]kmsg.ElectLeadersRequestTopic{{Topic: "t", Partitions: []int32{0}}}, kind)
	c.commit(records)
	return resp.Topics[0].Partitions[0].ErrorCode, c.partition()
}

func TestElections(t *testing.T) {
	c := threeBrokers()
	if code, _ := c.elect(preferredElection); code != kerr.ElectionNotNeeded.Code {
		t.Errorf("the preferred leader leads: code %d", code)
	}
	c.set(func(r *record.PartitionChange) { r.Leader = 2 })
	if code, p := c.elect(preferredElection); code != 0 || p.Leader != 1 || p.LeaderEpoch != 2 {
		t.Errorf("code %d, leader %d, epoch %d", code, p.Leader, p.LeaderEpoch)
	}
	c.set(func(r *record.PartitionChange) { r.Leader, r.ISR = 2, []int32{2, 3} })
	if code, p := c.elect(preferredElection); code != kerr.PreferredLeaderNotAvailable.Code || p.Leader != 2 {
		t.Errorf("the preferred leader is not in sync: code %d, leader %d", code, p.Leader)
	}
	if code, _ := c.elect(uncleanElection); code != kerr.ElectionNotNeeded.Code {
		t.Errorf("there is a leader: code %d", code)
	}
	c.set(func(r *record.PartitionChange) { r.Leader = NoLeader })
	fence(c, 2)
	if code, p := c.elect(uncleanElection); code != 0 || p.Leader != 3 || p.Recovering {
		t.Errorf("one in sync is there: code %d, %+v", code, p)
	}
	c.set(func(r *record.PartitionChange) { r.Leader, r.ISR = NoLeader, []int32{2} })
	if code, p := c.elect(uncleanElection); code != 0 || p.Leader != 1 || !p.Recovering || !slices.Equal(p.ISR, []int32{1}) {
		t.Errorf("none in sync is there: code %d, %+v", code, p)
	}
	c.set(func(r *record.PartitionChange) { r.Leader, r.ISR = NoLeader, []int32{2} })
	fence(c, 1)
	fence(c, 3)
	if code, p := c.elect(uncleanElection); code != kerr.EligibleLeadersNotAvailable.Code || p.Leader != NoLeader {
		t.Errorf("nobody is there: code %d, %+v", code, p)
	}
}

// TestElectAll: without topics only what was elected or failed is listed.
func TestElectAll(t *testing.T) {
	c := threeBrokers()
	resp, records := c.view().electLeaders(nil, preferredElection)
	if len(records) > 0 || len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 0 {
		t.Errorf("%d records, %+v", len(records), resp)
	}
	c.set(func(r *record.PartitionChange) { r.Leader = 3 })
	resp, records = c.view().electLeaders(nil, preferredElection)
	if len(records) != 1 || len(resp.Topics[0].Partitions) != 1 || resp.Topics[0].Partitions[0].ErrorCode != 0 {
		t.Errorf("%d records, %+v", len(records), resp)
	}
	twice := []kmsg.ElectLeadersRequestTopic{{Topic: "t", Partitions: []int32{0, 0}}}
	if _, records = c.view().electLeaders(twice, preferredElection); len(records) != 1 {
		t.Errorf("named twice: %d records", len(records))
	}
}

func move(factorMayChange bool, replicas ...[]int32) *kmsg.AlterPartitionAssignmentsRequest {
	req := kmsg.NewPtrAlterPartitionAssignmentsRequest()
	req.Version, req.AllowReplicationFactorChange = 1, factorMayChange
	for _, list := range replicas {
		req.Topics = append(req.Topics, kmsg.AlterPartitionAssignmentsRequestTopic{Topic: "t", Partitions: []kmsg.AlterPartitionAssignmentsRequestTopicPartition{{Replicas: list}}})
	}
	return req
}

func TestReassignments(t *testing.T) {
	for _, s := range []struct {
		name      string
		target    []int32
		factor    bool
		code      int16
		want      string // replicas, adding, removing, in sync, leader
		backAfter string // after taking it back; "" if there is nothing to take back
	}{
		{"the same", []int32{1, 2, 3}, true, 0, "[1 2 3] [] [] [1 2 3] 1", ""},
		{"another order", []int32{3, 2, 1}, true, 0, "[3 2 1] [] [] [1 2 3] 1", ""},
		{"one for another", []int32{1, 2, 4}, false, 0, "[1 2 4 3] [4] [3] [1 2 3] 1", "[1 2 3] [] [] [1 2 3] 1"},
		{"fewer", []int32{2, 3}, true, 0, "[2 3] [] [] [2 3] 2", ""},
		{"fewer, not allowed", []int32{2, 3}, false, kerr.InvalidReplicationFactor.Code, "[1 2 3] [] [] [1 2 3] 1", ""},
		{"more", []int32{1, 2, 3, 4}, true, 0, "[1 2 3 4] [4] [] [1 2 3] 1", "[1 2 3] [] [] [1 2 3] 1"},
		{"unknown broker", []int32{1, 2, 9}, true, kerr.InvalidReplicaAssignment.Code, "[1 2 3] [] [] [1 2 3] 1", ""},
		{"none", []int32{}, true, kerr.InvalidReplicaAssignment.Code, "[1 2 3] [] [] [1 2 3] 1", ""},
		{"twice", []int32{1, 1}, true, kerr.InvalidReplicaAssignment.Code, "[1 2 3] [] [] [1 2 3] 1", ""},
	} {
		t.Run(s.name, func(t *testing.T) {
			c := threeBrokers()
			show := func() string {
				p := c.partition()
				if len(p.Directories) != len(p.Replicas) {
					t.Errorf("%d directories for %d replicas", len(p.Directories), len(p.Replicas))
				}
				return fmt.Sprint(p.Replicas, p.Adding, p.Removing, p.ISR, p.Leader)
			}
			alter := func(list []int32) int16 {
				resp, records := c.view().reassign(move(s.factor, list))
				c.commit(records)
				checkImage(t, c.img)
				return resp.Topics[0].Partitions[0].ErrorCode
			}
			if code := alter(s.target); code != s.code || show() != s.want {
				t.Fatalf("code %d, %s, want %d, %s", code, show(), s.code, s.want)
			}
			listed := len(c.img.Reassignments(kmsg.NewPtrListPartitionReassignmentsRequest()).Topics)
			code := alter(nil)
			if s.backAfter == "" && (code != kerr.NoReassignmentInProgress.Code || listed != 0) || s.backAfter != "" && (code != 0 || show() != s.backAfter || listed != 1) {
				t.Errorf("taken back: code %d, %s, %d listed", code, show(), listed)
			}
		})
	}
}

// TestReassignTwice: a partition that one request names twice goes where it says last.
func TestReassignTwice(t *testing.T) {
	c := threeBrokers()
	_, records := c.view().reassign(move(true, []int32{1, 2, 4}, nil, []int32{4, 2, 3}))
	c.commit(records)
	checkImage(t, c.img)
	if p := c.partition(); fmt.Sprint(p.Replicas, p.Adding, p.Removing) != "[4 2 3 1] [4] [1]" {
		t.Error(p.Replicas, p.Adding, p.Removing)
	}
	req := kmsg.NewPtrListPartitionReassignmentsRequest()
	req.Topics = []kmsg.ListPartitionReassignmentsRequestTopic{{Topic: "t", Partitions: []int32{-1, 0, 5}}, {Topic: "u", Partitions: []int32{0}}}
	if got := c.img.Reassignments(req).Topics; len(got) != 1 || len(got[0].Partitions) != 1 {
		t.Errorf("%+v", got)
	}
}

func TestUnregister(t *testing.T) {
	c := threeBrokers()
	if _, why := c.view().unregister(9); why == nil || why.code != kerr.BrokerIDNotRegistered {
		t.Errorf("unknown: %v", why)
	}
	if _, why := c.view().unregister(1); why == nil || why.code != kerr.InvalidRequest {
		t.Errorf("the one that runs: %v", why)
	}
	c.set(func(r *record.PartitionChange) { r.Leader = 2 })
	for _, id := range []int32{2, 3} {
		records, why := c.view().unregister(id)
		if why != nil {
			t.Fatal(why)
		}
		c.commit(records)
		checkImage(t, c.img)
	}
	if p := c.partition(); c.img.Broker(2) != nil || p.Leader != 1 || !slices.Equal(p.ISR, []int32{1}) {
		t.Errorf("broker %v, %+v", c.img.Broker(2), p)
	}
	c.set(func(r *record.PartitionChange) { r.Leader, r.ISR, r.Replicas = 4, []int32{4}, []int32{4} })
	records, _ := c.view().unregister(4)
	c.commit(records)
	if p := c.partition(); p.Leader != NoLeader || !slices.Equal(p.ISR, []int32{4}) {
		t.Errorf("the last in sync: %+v", p)
	}
}

// TestAdministrationKeepsTheImageWhole runs random elections, moves and departures, and rebuilds the image from its
// records and from a snapshot.
func TestAdministrationKeepsTheImageWhole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := threeBrokers()
		for range rapid.IntRange(1, 20).Draw(t, "steps") {
			var records []record.Record
			switch rapid.IntRange(0, 3).Draw(t, "operation") {
			case 0:
				_, records = c.view().electLeaders(nil, int8(rapid.IntRange(0, 1).Draw(t, "kind")))
			case 1:
				list := rapid.SliceOfN(rapid.Int32Range(1, 4), 0, 4).Draw(t, "replicas")
				if rapid.Bool().Draw(t, "cancel") {
					list = nil
				}
				_, records = c.view().reassign(move(rapid.Bool().Draw(t, "factor"), list))
			case 2:
				records, _ = c.view().unregister(rapid.Int32Range(1, 4).Draw(t, "broker"))
			case 3:
				records = c.view().leaveInSync(rapid.Int32Range(1, 4).Draw(t, "broker"))
			}
			c.commit(records)
			checkImage(t, c.img)
		}
		img := newImage("c")
		for _, records := range c.log {
			img = replay(t, img, records)
		}
		if got, want := describe(img), describe(c.img); got != want {
			t.Fatalf("replayed:\n%s\nwant:\n%s", got, want)
		}
		d := newImage("c").draft()
		if err := decodeSnapshot(c.img.encodeSnapshot(5), d); err != nil {
			t.Fatal(err)
		}
		if got, want := describe(d.finish()), describe(c.img); got != want {
			t.Fatalf("from the snapshot:\n%s\nwant:\n%s", got, want)
		}
	})
}

func TestQuorum(t *testing.T) {
	n := open(t, vfs.NewMem(1))
	n.startBroker(-1)
	q, err := n.Quorum(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if end := n.Image().Offset + 1; q.LeaderID != 1 || q.Term == 0 || q.HighWatermark != end || len(q.Voters) != 1 || q.Voters[0] != (Voter{ID: 1, EndOffset: end, Recent: true}) {
		t.Errorf("%+v, want the end at %d", q, end)
	}
	n.close()
	if _, err := n.Quorum(t.Context()); err == nil {
		t.Error("a closed node answers")
	}
}
