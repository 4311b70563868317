package streamsapp

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/streams"
)

// TestStreamsGroupStandbys lets the broker have tasks kept by two members each, and a member go.
func TestStreamsGroupStandbys(t *testing.T) {
	onStreams(t, func(t *testing.T, c *cluster) {
		c.create(4, "lines", "counts")
		c.setGroup("kept", "streams.num.standby.replicas", "1")
		one := c.run("kept", wordCount, streams.ExactlyOnce(), streams.StateDir(t.TempDir()))
		two := c.run("kept", wordCount, streams.ExactlyOnce(), streams.StateDir(t.TempDir()))
		n := 0
		send := func() {
			for i := range 50 {
				c.send("lines", strings.Repeat("k", i+1)+"=a b c d e f g h")
				n += 8
			}
		}
		send()
		c.describes("kept", func(members []groupMember) bool {
			active, standby := map[string]int{}, map[string]int{}
			for _, m := range members {
				for sub, partitions := range m.Tasks.Active {
					active[sub] += len(partitions)
				}
				for sub, partitions := range m.Tasks.Standby {
					standby[sub] += len(partitions)
				}
				if len(m.Tasks.Active) == 0 || len(m.Tasks.Standby) == 0 {
					return false
				}
			}
			return len(members) == 2 && active["0"] == 4 && active["1"] == 4 && standby["0"] == 0 && standby["1"] == 4
		})
		exact(t, c.read("counts", total(n)))
		send()
		one.close()
		send()
		exact(t, c.read("counts", total(n)))
		two.close()
	})
}

// groupMember is what leat group describe tells of one.
type groupMember struct {
	Tasks struct{ Active, Standby, Warmup map[string][]int32 }
}

// describes asks the command line about a group until done says that it is as it should be.
func (c *cluster) describes(group string, done func([]groupMember) bool) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		out, err := exec.CommandContext(ctx, os.Getenv("LEAT"), "group", "describe", group, "--bootstrap-servers", c.broker.Addr(), "--members", "--output", "json").CombinedOutput()
		var found []struct{ Members []groupMember }
		if err == nil {
			err = json.Unmarshal(out, &found)
		}
		if err == nil && len(found) == 1 && done(found[0].Members) {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			c.t.Fatalf("leat group describe: %v\n%s", err, out)
		}
	}
}

// setGroup sets a config of a group.
func (c *cluster) setGroup(group, name, value string) {
	c.t.Helper()
	req := kmsg.NewPtrIncrementalAlterConfigsRequest()
	r := kmsg.NewIncrementalAlterConfigsRequestResource()
	r.ResourceType, r.ResourceName = kmsg.ConfigResourceTypeGroupConfig, group
	conf := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
	conf.Name, conf.Value = name, &value
	r.Configs = append(r.Configs, conf)
	req.Resources = append(req.Resources, r)
	resp, err := req.RequestWith(c.t.Context(), c.client)
	if err != nil || len(resp.Resources) != 1 || resp.Resources[0].ErrorCode != 0 {
		c.t.Fatal(err, resp)
	}
}

// TestProtocolsFollow changes the protocol of an application there and back: it goes on where it was.
func TestProtocolsFollow(t *testing.T) {
	onEach(t, func(t *testing.T, c *cluster) {
		c.create(4, "lines", "counts")
		n := 0
		for _, p := range []streams.Protocol{streams.ClassicProtocol, streams.StreamsProtocol, streams.ClassicProtocol} {
			r := c.run("moved", wordCount, streams.ExactlyOnce(), streams.GroupProtocol(p))
			for range 20 {
				c.send("lines", "x=a b c", "y=d e f", "z=g h i")
				n += 9
			}
			exact(t, c.read("counts", total(n)))
			r.close()
		}
	})
}

// TestStreamsGroupMistakes holds errors to say what to do.
func TestStreamsGroupMistakes(t *testing.T) {
	onStreams(t, func(t *testing.T, c *cluster) {
		c.create(2, "lines", "counts", "more")
		fails := func(what string, r *running, words ...string) {
			t.Helper()
			err := r.end()
			if err == nil {
				t.Fatalf("%s: no error", what)
			}
			t.Logf("%s: %v", what, err)
			for _, w := range words {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("%s: the error does not say %q:\n%v", what, w, err)
				}
			}
		}
		fails("static", c.run("static", wordCount, streams.InstanceID("one")), "static", "leave InstanceID out")
		fails("pattern", c.run("pattern", func(b *streams.Builder) {
			streams.FromPattern(b, lines, "lin.*").To(counts)
		}), "pattern", "name the topics")

		first := c.run("first", wordCount)
		first.await(streams.Running)
		fails("classic in a streams group", c.run("first", wordCount, streams.GroupProtocol(streams.ClassicProtocol)), "protocol", "stop")
		fails("another topology", c.run("first", func(b *streams.Builder) { lines.Stream(b).To(counts) }), "another topology", "another id")
		first.close()
		fails("another topology later", c.run("first", func(b *streams.Builder) { lines.Stream(b).To(counts) }), "another topology", "another id")

		second := c.run("second", wordCount, streams.GroupProtocol(streams.ClassicProtocol))
		second.await(streams.Running)
		fails("streams in a classic group", c.run("second", wordCount), "protocol", "stop all")
		second.close()

		third := c.run("third", wordCount)
		third.await(streams.Running)
		if _, err := c.admin.DeleteTopics(t.Context(), "lines"); err != nil {
			t.Fatal(err)
		}
		fails("a source topic that is deleted", third, "lines", "create it")
	})
}
