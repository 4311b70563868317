package streamsapp

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/streams"
	"leat.dev/test/launch"
)

// TestRacks spreads two instances in each of three racks over a cluster with a broker in each: tasks run in the rack where their
// partitions are (KIP-925), and copies of their state are in another one (KIP-708), as Kafka Streams places them.
func TestRacks(t *testing.T) {
	chaosTime(t)
	if os.Getenv("LEAT_KAFKA") == "" {
		t.Skip("it needs a cluster of three brokers: LEAT_KAFKA=1")
	}
	const racks, partitions = 3, 6
	props := func(rack int) map[string]string {
		return map[string]string{"broker.rack": rackName(rack), "group.initial.rebalance.delay.ms": "0", "group.min.session.timeout.ms": "1000", "auto.create.topics.enable": "false"}
	}
	first := run(t, launch.Spec{Kind: launch.Kafka, Dir: t.TempDir(), HeapMB: 256, Props: props(0)})
	t.Cleanup(func() { _ = first.Kill() })
	for rack := 1; rack < racks; rack++ {
		b := run(t, launch.Spec{Kind: launch.Kafka, Dir: t.TempDir(), HeapMB: 256, Props: props(rack), Peer: first})
		t.Cleanup(func() { _ = b.Kill() })
	}
	c := connect(t, first)
	until(t, "a cluster of three", func() bool {
		all, err := c.admin.ListBrokers(t.Context())
		return err == nil && len(all) == racks
	})

	// Partitions 0 and 3 are in the first rack, 1 and 4 in the second.
	place := func(topic, policy string) {
		req := kmsg.NewPtrCreateTopicsRequest()
		req.TimeoutMillis = 30_000
		r := kmsg.NewCreateTopicsRequestTopic()
		r.Topic, r.NumPartitions, r.ReplicationFactor = topic, -1, -1
		for p := range int32(partitions) {
			a := kmsg.NewCreateTopicsRequestTopicReplicaAssignment()
			a.Partition, a.Replicas = p, []int32{1 + p%racks}
			r.ReplicaAssignment = append(r.ReplicaAssignment, a)
		}
		conf := kmsg.NewCreateTopicsRequestTopicConfig()
		conf.Name, conf.Value = "cleanup.policy", &policy
		r.Configs = append(r.Configs, conf)
		req.Topics = append(req.Topics, r)
		resp, err := req.RequestWith(t.Context(), c.client)
		if err != nil || resp.Topics[0].ErrorCode != 0 {
			t.Fatal(err, resp)
		}
	}
	j := startJava(t)
	for _, side := range []string{"go", "java", "go-stateless"} {
		t.Run(side, func(t *testing.T) {
			c := c.with(t)
			id := "racks-" + side
			place(id+"-a", "delete")
			place(id+"-out", "delete")
			place(id+"-counts-changelog", "compact")
			var tasks func() map[int][2]string
			if side == "java" {
				tasks = c.racksOfJava(j, id)
			} else {
				tasks = c.racksOfGo(id, side == "go")
			}
			standbys := 1
			if side == "go-stateless" {
				standbys = 0
			}
			wrong := ""
			defer func() {
				if t.Failed() {
					t.Log(wrong)
				}
			}()
			until(t, "every task in the rack of its partitions, and its copy in another", func() bool {
				active, copies := map[string][]int{}, map[string][]int{}
				busy := tasks()
				for member, both := range busy {
					for _, task := range strings.Fields(both[0]) {
						active[task] = append(active[task], member%racks)
					}
					for _, task := range strings.Fields(both[1]) {
						copies[task] = append(copies[task], member%racks)
					}
				}
				wrong = fmt.Sprint("active: ", active, " copies: ", copies)
				for p := range partitions {
					task := "0_" + strconv.Itoa(p)
					if !slices.Equal(active[task], []int{p % racks}) || len(copies[task]) != standbys || standbys == 1 && copies[task][0] == p%racks {
						return false
					}
				}
				for _, both := range busy {
					if len(strings.Fields(both[0])) != 1 {
						return false
					}
				}
				return true
			})
			t.Log(wrong)
		})
	}
}

func rackName(n int) string { return "rack-" + string(rune('a'+n)) }

// racksOfGo starts six instances of ours, member n in rack n%3, and returns what they run and keep copies of.
func (c *cluster) racksOfGo(id string, stateful bool) func() map[int][2]string {
	var one *streams.App
	members := map[string]int{}
	for n := range 6 {
		o := []streams.AppOption{
			streams.Rack(rackName(n % 3)), streams.Tags(map[string]string{"zone": rackName(n % 3)}), streams.SpreadStandbysBy("zone"),
			streams.AcceptableLag(10_000), streams.ServeQueries("127.0.0.1:0"),
		}
		if stateful {
			o = append(o, streams.Standbys(1))
		}
		r := c.run(id, func(b *streams.Builder) {
			p := twinTopics(id)
			if stateful {
				p.topic("a").Stream(b).GroupByKey().Count("counts").ToStream().To(streams.NewTopic(id+"-out", streams.String, streams.Int64))
			} else {
				p.topic("a").Stream(b).To(p.topic("out"))
			}
		}, o...)
		r.await(streams.Running)
		one = r.app
		members[one.Endpoint()] = n
	}
	return func() map[int][2]string {
		out := map[int][2]string{}
		for _, h := range one.Hosts() {
			out[members[h.Address]] = [2]string{strings.Join(h.Active, " "), strings.Join(h.Standby, " ")}
		}
		return out
	}
}

// racksOfJava is racksOfGo for Kafka Streams.
func (c *cluster) racksOfJava(j *java, id string) func() map[int][2]string {
	var starts sync.WaitGroup
	name := func(n int) string { return id + "-" + strconv.Itoa(n) }
	for n := range 6 {
		dir := c.t.TempDir()
		starts.Go(func() {
			j.ask(c.t, name(n), "start %s by-rack %s %s at_least_once %s classic application.id=%s client.rack=%s client.tag.zone=%s rack.aware.assignment.tags=zone rack.aware.assignment.strategy=min_traffic num.standby.replicas=1",
				name(n), id, c.broker.Addr(), dir, id, rackName(n%3), rackName(n%3))
		})
	}
	starts.Wait()
	c.t.Cleanup(func() {
		for n := range 6 {
			j.tell(c.t, name(n), "close %s", name(n))
		}
	})
	return func() map[int][2]string {
		out := map[int][2]string{}
		for n := range 6 {
			active, standby, _ := strings.Cut(j.tell(c.t, name(n), "tasks %s", name(n)), "/")
			out[n] = [2]string{active, standby}
		}
		return out
	}
}
