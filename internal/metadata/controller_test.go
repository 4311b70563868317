package metadata

import (
	"fmt"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"

	"leat.dev/internal/base/clock"
	"leat.dev/internal/metadata/config"
	"leat.dev/internal/metadata/record"
)

// controllerUnderTest runs operations against an image without raft, keeping
// the records they return.
type controllerUnderTest struct {
	node *Node
	img  *Image
	log  [][]record.Record
}

func newController(seed uint64, brokers ...*record.RegisterBroker) *controllerUnderTest {
	c := &controllerUnderTest{
		node: &Node{o: Options{NodeID: 1, ClusterID: "c", Static: config.Defaults(), Random: newSeeded(seed), Clock: clock.System}},
		img:  newImage("c"),
	}
	c.commit(bootstrapRecords())
	for _, b := range brokers {
		b.BrokerEpoch = c.img.Offset + 1
		c.commit([]record.Record{b})
	}
	return c
}

func (c *controllerUnderTest) view() *view {
	return &view{Image: c.img, node: c.node, nextOffset: c.img.Offset + 1}
}

func (c *controllerUnderTest) commit(records []record.Record) {
	if len(records) == 0 {
		return
	}
	next, err := c.img.with(records, 1)
	if err != nil {
		panic(err)
	}
	c.img = next
	c.log = append(c.log, records)
}

func broker(id int32, rack string, fenced bool) *record.RegisterBroker {
	b := &record.RegisterBroker{BrokerID: id, Fenced: fenced, LogDirs: []record.UUID{{byte(id)}}}
	if rack != "" {
		b.Rack = &rack
	}
	return b
}

// TestReplayIsDeterministic runs random operations and rebuilds the image from
// their encoded records, batch by batch, record by record, and from a snapshot
// taken somewhere in between.
func TestReplayIsDeterministic(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := newController(rapid.Uint64().Draw(t, "seed"), broker(1, "", false), broker(2, "a", false), broker(3, "b", rapid.Bool().Draw(t, "fenced")))
		var snapshot []byte
		var snapshotBatch int
		var snapshotImage *Image
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			before := describe(c.img)
			was := c.img
			c.commit(randomOperation(t, c.view()))
			if describe(was) != before {
				t.Fatal("an operation changed the image it started from")
			}
			if rapid.IntRange(0, 9).Draw(t, "snapshot") == 0 {
				snapshot, snapshotBatch, snapshotImage = c.img.encodeSnapshot(5), len(c.log), c.img
			}
		}
		checkImage(t, c.img)
		want := describe(c.img)

		whole, single := newImage("c"), newImage("c")
		for _, records := range c.log {
			whole = replay(t, whole, records)
			for _, r := range records {
				single = replay(t, single, []record.Record{r})
			}
		}
		if got := describe(whole); got != want || whole.Offset != c.img.Offset {
			t.Fatalf("replayed:\n%s\nwant:\n%s", got, want)
		}
		if got := describe(single); got != want {
			t.Fatalf("replayed one by one:\n%s\nwant:\n%s", got, want)
		}
		if snapshot == nil {
			return
		}
		d := newImage("c").draft()
		if err := decodeSnapshot(snapshot, d); err != nil {
			t.Fatal(err)
		}
		img := d.finish()
		if got, want := describe(img), describe(snapshotImage); got != want {
			t.Fatalf("from the snapshot:\n%s\nwant:\n%s", got, want)
		}
		for _, records := range c.log[snapshotBatch:] {
			img = replay(t, img, records)
		}
		if got := describe(img); got != want {
			t.Fatalf("from the snapshot on:\n%s\nwant:\n%s", got, want)
		}
	})
}

// replay encodes and decodes the records before applying them.
func replay(t *rapid.T, img *Image, records []record.Record) *Image {
	data, err := encodeRecords(records, 1)
	if err != nil {
		t.Fatal(err)
	}
	d := img.draft()
	offset := img.Offset
	err = decodeRecords(data, func(r record.Record, _ int64) error {
		offset++
		return d.apply(r, offset)
	})
	if err != nil {
		t.Fatal(err)
	}
	return d.finish()
}

var randomNames = rapid.SampledFrom([]string{"a", "b", "a.b", "a_b", "c", "d.e", "__consumer_offsets", "bad name", ""})

func randomOperation(t *rapid.T, v *view) []record.Record {
	switch rapid.IntRange(0, 6).Draw(t, "operation") {
	case 6:
		return v.alterQuotas([]quotaAlteration{randomQuotas(t)})
	case 0, 1:
		req := topicRequest(randomNames.Draw(t, "name"), rapid.Int32Range(-2, 6).Draw(t, "partitions"), int16(rapid.IntRange(-2, 4).Draw(t, "factor")))
		if rapid.Bool().Draw(t, "configs") {
			c := kmsg.NewCreateTopicsRequestTopicConfig()
			c.Name, c.Value = "retention.ms", new(fmt.Sprint(rapid.IntRange(-3, 9).Draw(t, "retention")))
			req.Topics[0].Configs = append(req.Topics[0].Configs, c)
		}
		_, records, _ := v.createTopics(req)
		return records
	case 2:
		var topics []kmsg.DeleteTopicsRequestTopic
		for range rapid.IntRange(1, 2).Draw(t, "count") {
			d := kmsg.NewDeleteTopicsRequestTopic()
			d.Topic = new(randomNames.Draw(t, "name"))
			topics = append(topics, d)
		}
		_, records := v.deleteTopics(topics, 6)
		return records
	case 3:
		req := kmsg.NewPtrCreatePartitionsRequest()
		p := kmsg.NewCreatePartitionsRequestTopic()
		p.Topic, p.Count = randomNames.Draw(t, "name"), rapid.Int32Range(0, 9).Draw(t, "partitions")
		req.Topics = append(req.Topics, p)
		_, records, _ := v.createPartitions(req)
		return records
	case 4:
		a := &alteration{key: configKey{TopicResource, randomNames.Draw(t, "name")}}
		if rapid.Bool().Draw(t, "broker") {
			a.key = configKey{BrokerResource, rapid.SampledFrom([]string{"", "1", "9", "x"}).Draw(t, "id")}
		}
		a.replace = rapid.Bool().Draw(t, "replace")
		for range rapid.IntRange(0, 3).Draw(t, "edits") {
			a.edits = append(a.edits, config.Edit{
				Name:  rapid.SampledFrom([]string{"retention.ms", "cleanup.policy", "segment.ms", "log.retention.ms", "nonsense"}).Draw(t, "key"),
				Op:    config.Op(rapid.IntRange(0, 3).Draw(t, "op")),
				Value: rapid.SampledFrom([]string{"1", "compact", "delete", "x"}).Draw(t, "value"),
			})
		}
		records, _ := v.alter(a)
		return records
	default:
		return v.leadAgain(int32(rapid.IntRange(1, 3).Draw(t, "broker")), rapid.Bool().Draw(t, "bump"))
	}
}

// TestPlacement: brokers of a partition differ, its leader is live, it spans
// as many racks as it can, and leaders are spread.
func TestPlacement(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		racks := rapid.IntRange(1, 4).Draw(t, "racks")
		n := rapid.IntRange(1, 9).Draw(t, "brokers")
		var brokers []*record.RegisterBroker
		liveRacks, live := map[string]bool{}, 0
		allRacks := map[string]bool{}
		for id := range n {
			rack := fmt.Sprintf("r%d", rapid.IntRange(0, racks-1).Draw(t, "rack"))
			fenced := rapid.IntRange(0, 3).Draw(t, "fenced") == 0
			brokers = append(brokers, broker(int32(id), rack, fenced))
			allRacks[rack] = true
			if !fenced {
				live++
				liveRacks[rack] = true
			}
		}
		c := newController(rapid.Uint64().Draw(t, "seed"), brokers...)
		p := newPlacer(c.img, c.node.o.Random)
		factor := rapid.IntRange(1, n+1).Draw(t, "factor")
		leaders := map[int32]int{}
		const rounds = 3
		for range max(1, rounds*live) {
			replicas, why := p.place(factor)
			if factor > n || live == 0 {
				if why == nil || why.code != kerr.InvalidReplicationFactor {
					t.Fatalf("placed %v: %v", replicas, why)
				}
				return
			}
			if why != nil {
				t.Fatal(why)
			}
			used := map[string]bool{}
			for i, id := range replicas {
				if slices.Index(replicas, id) != i {
					t.Fatalf("broker %d twice in %v", id, replicas)
				}
				used[*c.img.Broker(id).Rack] = true
			}
			if !c.img.Broker(replicas[0]).Live() {
				t.Fatalf("the leader of %v is fenced", replicas)
			}
			if want := min(factor, len(allRacks)); len(used) < want {
				t.Fatalf("%v spans %d racks of %d", replicas, len(used), want)
			}
			leaders[replicas[0]]++
		}
		if len(allRacks) == 1 {
			for id, count := range leaders {
				if count > 2*rounds {
					t.Fatalf("broker %d leads %d of %d partitions on %d live brokers", id, count, rounds*live, live)
				}
			}
		}
	})
}

func TestCreateTopicsRefusals(t *testing.T) {
	c := newController(1, broker(1, "", false), broker(2, "", true))
	existing := topicRequest("my.topic", 3, 1)
	_, records, err := c.view().createTopics(existing)
	if err != nil {
		t.Fatal(err)
	}
	c.commit(records)
	manual := func(name string, partitions int32, factor int16, replicas map[int32][]int32, order ...int32) *kmsg.CreateTopicsRequest {
		req := topicRequest(name, partitions, factor)
		for _, p := range order {
			a := kmsg.NewCreateTopicsRequestTopicReplicaAssignment()
			a.Partition, a.Replicas = p, replicas[p]
			req.Topics[0].ReplicaAssignment = append(req.Topics[0].ReplicaAssignment, a)
		}
		return req
	}
	null := topicRequest("t", 1, 1, "retention.ms", "1")
	null.Topics[0].Configs[0].Value = nil
	twice := topicRequest("t", 1, 1)
	twice.Topics = append(twice.Topics, twice.Topics[0])
	for name, test := range map[string]struct {
		req     *kmsg.CreateTopicsRequest
		want    *kerr.Error
		message string
	}{
		"exists":             {existing, kerr.TopicAlreadyExists, "Topic 'my.topic' already exists."},
		"collides":           {topicRequest("my_topic", 1, 1), kerr.InvalidTopicException, "Topic 'my_topic' collides with existing topic: my.topic"},
		"empty name":         {topicRequest("", 1, 1), kerr.InvalidTopicException, "Topic name is invalid: the empty string is not allowed"},
		"metadata log":       {topicRequest("__cluster_metadata", 1, 1), kerr.InvalidRequest, "Creation of internal topic __cluster_metadata is prohibited."},
		"twice":              {twice, kerr.InvalidRequest, "Duplicate topic name."},
		"no partitions":      {topicRequest("t", 0, 1), kerr.InvalidPartitions, "Number of partitions was set to an invalid non-positive value."},
		"factor 0":           {topicRequest("t", 0, 0), kerr.InvalidReplicationFactor, "Replication factor must be larger than 0, or -1 to use the default value."},
		"factor too large":   {topicRequest("t", 1, 3), kerr.InvalidReplicationFactor, "Unable to replicate the partition 3 time(s): The target replication factor of 3 cannot be reached because only 2 broker(s) are registered."},
		"too many":           {topicRequest("t", 10_001, 1), kerr.PolicyViolation, "Excessively large number of partitions per request."},
		"null config":        {null, kerr.InvalidConfig, "Null value not supported for topic configs: retention.ms"},
		"unknown config":     {topicRequest("t", 0, 0, "foo", "1"), kerr.InvalidConfig, "Unknown topic config name: foo"},
		"bad config":         {topicRequest("t", 1, 1, "retention.ms", "x"), kerr.InvalidConfig, "Invalid value x for configuration retention.ms: Not a number of type LONG"},
		"manual and count":   {manual("t", 2, -1, map[int32][]int32{0: {1}}, 0), kerr.InvalidRequest, "A manual partition assignment was specified, but numPartitions was not set to -1."},
		"manual and factor":  {manual("t", -1, 1, map[int32][]int32{0: {1}}, 0), kerr.InvalidRequest, "A manual partition assignment was specified, but replication factor was not set to -1."},
		"manual with a gap":  {manual("t", -1, -1, map[int32][]int32{0: {1}, 2: {1}}, 0, 2), kerr.InvalidReplicaAssignment, "partitions should be a consecutive 0-based integer sequence"},
		"manual twice":       {manual("t", -1, -1, map[int32][]int32{0: {1}}, 0, 0), kerr.InvalidReplicaAssignment, "Found multiple manual partition assignments for partition 0"},
		"manual unknown":     {manual("t", -1, -1, map[int32][]int32{0: {7}}, 0), kerr.InvalidReplicaAssignment, "The manual partition assignment includes broker 7, but no such broker is registered."},
		"manual same broker": {manual("t", -1, -1, map[int32][]int32{0: {1, 1}}, 0), kerr.InvalidReplicaAssignment, "The manual partition assignment includes the broker 1 more than once."},
		"manual empty":       {manual("t", -1, -1, map[int32][]int32{0: {}}, 0), kerr.InvalidReplicaAssignment, "The manual partition assignment includes an empty replica list."},
		"manual unequal":     {manual("t", -1, -1, map[int32][]int32{0: {1}, 1: {1, 2}}, 0, 1), kerr.InvalidReplicaAssignment, "The manual partition assignment includes a partition with 2 replica(s), but this is not consistent with previous partitions, which have 1 replica(s)."},
		"manual all fenced":  {manual("t", -1, -1, map[int32][]int32{0: {2}}, 0), kerr.InvalidReplicaAssignment, "All brokers specified in the manual partition assignment for partition 0 are fenced or in controlled shutdown."},
	} {
		t.Run(name, func(t *testing.T) {
			resp, records, err := c.view().createTopics(test.req)
			why := refusalOf(err)
			if why == nil {
				if len(resp.Topics) != 1 {
					t.Fatalf("%d answers", len(resp.Topics))
				}
				why = &refusal{}
				why.code, _ = kerr.ErrorForCode(resp.Topics[0].ErrorCode).(*kerr.Error)
				if m := resp.Topics[0].ErrorMessage; m != nil {
					why.message = *m
				}
			}
			if why.code != test.want || why.message != test.message {
				t.Errorf("got %v %q, want %v %q", why.code, why.message, test.want, test.message)
			}
			if len(records) > 0 {
				t.Errorf("it also wants %d records", len(records))
			}
		})
	}
}

func TestValidateOnlyChangesNothing(t *testing.T) {
	c := newController(1, broker(1, "", false))
	req := topicRequest("t", 4, 1, "retention.ms", "7")
	req.ValidateOnly = true
	resp, records, err := c.view().createTopics(req)
	if err != nil || len(records) > 0 {
		t.Fatalf("%d records, %v", len(records), err)
	}
	got := resp.Topics[0]
	if got.ErrorCode != 0 || got.NumPartitions != 4 || got.ReplicationFactor != 1 || len(got.Configs) != 33 {
		t.Errorf("%+v", got)
	}
	for _, cfg := range got.Configs {
		if cfg.Name == "retention.ms" && (*cfg.Value != "7" || cfg.Source != 1) {
			t.Errorf("retention.ms is %s from %d", *cfg.Value, cfg.Source)
		}
	}
}

func TestReplicasOnFencedBrokersAreNotInSync(t *testing.T) {
	c := newController(1, broker(1, "", true), broker(2, "", false))
	_, records, _ := c.view().createTopics(topicRequest("t", 1, 2))
	c.commit(records)
	p := c.img.Topic("t").Partitions[0]
	if p.Leader != 2 || !slices.Equal(p.ISR, []int32{2}) || len(p.Replicas) != 2 {
		t.Errorf("%+v", p)
	}
}
