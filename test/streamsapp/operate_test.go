package streamsapp

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kadm"

	"leat.dev/streams"
	"leat.dev/test/launch"
)

// leat runs the program against the cluster.
func (c *cluster) leat(args ...string) (out, errText string, err error) {
	c.t.Helper()
	cmd := exec.CommandContext(c.t.Context(), os.Getenv("LEAT"), append(args, "--bootstrap-servers", c.broker.Addr())...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err = cmd.Run()
	return stdout.String(), stderr.String(), err
}

type memberShown struct {
	Process    string             `json:"process"`
	Workers    int                `json:"workers"`
	Active     []string           `json:"active"`
	Standby    []string           `json:"standby"`
	Warmup     []string           `json:"warmup"`
	Partitions map[string][]int32 `json:"partitions"`
	Unreadable string             `json:"unreadable"`
}

// TestCommands looks at a running application as an operator does.
func TestCommands(t *testing.T) {
	onBoth(t, func(t *testing.T, c *cluster) {
		c.create(2, "lines", "counts")
		c.send("lines", "a=one two", "b=three", "c=four five", "d=six")
		r := c.run("shop", wordCount, streams.Workers(2), streams.StateDir(t.TempDir()))
		other := c.run("shop", wordCount, streams.StateDir(t.TempDir()))
		r.await(streams.Running)
		other.await(streams.Running)
		c.read("counts", total(6))

		var shown struct {
			Kind     string        `json:"kind"`
			State    string        `json:"state"`
			Members  []memberShown `json:"members"`
			Internal []struct {
				Topic string `json:"topic"`
			} `json:"internal_topics"`
		}
		kind := "leat"
		if c.protocol == streams.StreamsProtocol {
			kind = "streams-group"
		}
		c.eventually(func() error {
			out, errText, err := c.leat("streams", "describe", "shop", "-o", "json")
			if err != nil {
				return fmt.Errorf("%w: %s", err, errText)
			}
			shown.Members = nil
			if err := json.Unmarshal([]byte(out), &shown); err != nil {
				return err
			}
			var active []string
			for _, m := range shown.Members {
				if m.Unreadable != "" || m.Process == "" {
					return fmt.Errorf("member %+v", m)
				}
				active = append(active, m.Active...)
			}
			slices.Sort(active)
			if len(shown.Members) != 2 || shown.Kind != kind || shown.State != "Stable" || !slices.Equal(active, []string{"0_0", "0_1", "1_0", "1_1"}) || len(shown.Internal) != 2 {
				return fmt.Errorf("describe shows\n%s", out)
			}
			return nil
		})
		out, errText, err := c.leat("streams", "list", "-o", "json")
		if err != nil || !strings.Contains(out, `"application": "shop"`) || !strings.Contains(out, `"active_tasks": 4`) {
			t.Errorf("list: %v %s\n%s", err, errText, out)
		}
		c.eventually(func() error {
			out, errText, err := c.leat("streams", "lag", "shop", "-o", "json")
			var lag struct {
				Lag    int64
				Inputs []struct{ Task, Topic string }
			}
			if err == nil {
				err = json.Unmarshal([]byte(out), &lag)
			}
			tasks := map[string]string{}
			for _, in := range lag.Inputs {
				tasks[in.Task] = in.Topic
			}
			want := map[string]string{"0_0": "lines", "0_1": "lines", "1_0": "shop-by-word-repartition", "1_1": "shop-by-word-repartition"}
			if err != nil || lag.Lag != 0 || !maps.Equal(tasks, want) {
				return fmt.Errorf("lag: %w %s\n%s", err, errText, out)
			}
			return nil
		})
		if _, errText, err := c.leat("streams", "reset", "shop", "--input-topics", "lines"); err == nil || !strings.Contains(errText, "still active") {
			t.Errorf("a reset of a running application: %v %s", err, errText)
		}
		r.close()
		other.close()
		c.eventually(func() error {
			_, errText, err := c.leat("streams", "reset", "shop", "--input-topics", "lines")
			if err != nil {
				return fmt.Errorf("%w: %s", err, errText)
			}
			return nil
		})
		again := c.run("shop", wordCount) // everything is counted anew, from one
		got := c.read("counts", total(12))
		for _, r := range got[6:] {
			if string(r.Value) != "1" {
				t.Errorf("after the reset:\n%s", show(got))
			}
		}
		again.close()
	})
}

// eventually waits until f gives no error.
func (c *cluster) eventually(f func() error) {
	c.t.Helper()
	limit := time.After(patience)
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		err := f()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-limit:
			c.t.Fatal(err)
		}
	}
}

// TestMetrics reads an application's metrics after it worked.
func TestMetrics(t *testing.T) {
	c := start(t, launch.Leat)
	c.create(2, "lines", "counts")
	c.send("lines", "a=one two", "b=three", "c=four five", "d=six")
	reg := prometheus.NewRegistry()
	r := c.run("measured", wordCount, streams.Metrics(reg), streams.NodeMetrics(), streams.StateDir(t.TempDir()))
	r.await(streams.Running)
	c.read("counts", total(6))
	want := map[string]float64{
		`leat_streams_records_processed_total subtopology=0`:                       4,
		`leat_streams_records_processed_total subtopology=1`:                       6,
		`leat_streams_topic_consumed_records_total topic=lines`:                    4,
		`leat_streams_topic_produced_records_total topic=counts`:                   6,
		`leat_streams_topic_produced_records_total topic=measured-words-changelog`: 6,
		`leat_streams_node_records_total node=KSTREAM-SOURCE-0000000000`:           4,
		`leat_streams_node_records_total node=count`:                               6,
		`leat_streams_store_operations_total operation=get store=words`:            6,
		`leat_streams_store_operations_total operation=put store=words`:            6,
		`leat_streams_tasks state=running`:                                         4,
		`leat_streams_record_lateness_seconds subtopology=0`:                       4,
		`leat_streams_record_end_to_end_seconds node=KSTREAM-SOURCE-0000000000`:    4,
		`leat_streams_state state=RUNNING`:                                         1,
	}
	c.eventually(func() error {
		got := gathered(t, reg)
		for name, value := range want {
			if got[name] != value {
				return fmt.Errorf("%s is %v, not %v; there are\n%s", name, got[name], value, strings.Join(slices.Sorted(maps.Keys(got)), "\n"))
			}
		}
		if got["leat_streams_state_disk_bytes"] <= 0 || got["leat_streams_worker_seconds_total activity=process worker=0"] <= 0 {
			return errors.New("nothing is told of the disk or the worker")
		}
		return nil
	})
	r.close()
	if got := gathered(t, reg); got["leat_streams_object_bytes"] != 0 || got["leat_streams_cache_bytes"] != 0 {
		t.Errorf("a closed app has %v bytes of objects", got["leat_streams_object_bytes"])
	}
}

// gathered are the values of metrics, of histograms their counts, by name and labels.
func gathered(t *testing.T, reg *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, l := range m.GetLabel() {
				if l.GetName() != "application" {
					name += " " + l.GetName() + "=" + l.GetValue()
				}
			}
			switch {
			case m.GetCounter() != nil:
				out[name] = m.GetCounter().GetValue()
			case m.GetGauge() != nil:
				out[name] = m.GetGauge().GetValue()
			case m.GetHistogram() != nil:
				out[name] = float64(m.GetHistogram().GetSampleCount())
			}
		}
	}
	return out
}

// TestResetAsKafka resets one of two equal situations with Kafka's own tool and the other with ours, and compares what is left.
func TestResetAsKafka(t *testing.T) {
	if len(kinds()) < 2 {
		t.Skip("LEAT_KAFKA=1 compares with Kafka's tool, a process of Java for each case")
	}
	lib, err := launch.KafkaLib(t.Context())
	if errors.Is(err, launch.ErrUnavailable) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	cases := map[string][]string{
		"default":         {"--input-topics", "in"},
		"nothing":         {},
		"latest":          {"--input-topics", "in,in2", "--to-latest"},
		"offset":          {"--input-topics", "in", "--to-offset", "3"},
		"offset-too-far":  {"--input-topics", "in", "--to-offset", "300"},
		"shift":           {"--input-topics", "in", "--shift-by", "-2"},
		"shift-forward":   {"--input-topics", "in", "--shift-by", "50"},
		"datetime":        {"--input-topics", "in", "--to-datetime", "1970-01-01T00:00:00.004"},
		"datetime-future": {"--input-topics", "in", "--to-datetime", "2037-01-01T00:00:00.000"},
		"duration":        {"--input-topics", "in", "--by-duration", "P1DT2H"},
		"internal":        {"--input-topics", "in", "--internal-topics", "APP-x-changelog"},
		"input-gone":      {"--input-topics", "in,gone"},
		"dry-run":         {"--input-topics", "in", "--dry-run"},
		"file":            {"--input-topics", "in", "--from-file", "FILE"},
		"not-internal":    {"--internal-topics", "APP-result"},
	}
	onEach(t, func(t *testing.T, c *cluster) {
		c.create(2, "in", "in2")
		var records []string
		for i := range 20 {
			records = append(records, fmt.Sprintf("k%d=v", i))
		}
		c.send("in", records...)
		c.send("in2", records...)
		for name, args := range cases {
			t.Run(name, func(t *testing.T) {
				c := c.with(t)
				file := filepath.Join(t.TempDir(), "offsets.csv")
				if err := os.WriteFile(file, []byte("in,0,2\nin,1,1\n"), 0o600); err != nil {
					t.Fatal(err)
				}
				var left [2]string
				for i, app := range []string{"kafka-" + name, "ours-" + name} {
					c.situation(app)
					own := make([]string, len(args))
					for j, a := range args {
						own[j] = strings.ReplaceAll(strings.ReplaceAll(a, "APP", app), "FILE", file)
					}
					var said string
					if i == 0 {
						said = c.kafkaReset(lib, app, own)
					} else {
						out, errText, _ := c.leat(append([]string{"streams", "reset", app}, own...)...)
						said = out + errText
					}
					left[i] = strings.ReplaceAll(c.left(app), app, "APP")
					t.Logf("%s said:\n%s", app, said)
				}
				for range 20 { // deletions take a moment in Kafka
					if left[0] == left[1] {
						break
					}
					rest(t, 500*time.Millisecond)
					left = [2]string{strings.ReplaceAll(c.left("kafka-"+name), "kafka-"+name, "APP"), strings.ReplaceAll(c.left("ours-"+name), "ours-"+name, "APP")}
				}
				if left[0] != left[1] {
					t.Errorf("Kafka's tool leaves\n%s\nours\n%s", left[0], left[1])
				}
			})
		}
	})
}

// situation makes the topics and offsets of an application that has stopped.
func (c *cluster) situation(app string) {
	c.t.Helper()
	c.create(2, app+"-x-changelog", app+"-by-user-repartition", app+"-KTABLE-FK-JOIN-SUBSCRIPTION-REGISTRATION-0000000004-topic",
		app+"-KTABLE-FK-JOIN-SUBSCRIPTION-RESPONSE-0000000012-topic", app+"-named-subscription-registration-topic", app+"-result", app+"x-y-changelog",
		app+"-KTABLE-FK-JOIN-SUBSCRIPTION-REGISTRATION-topic")
	offsets := kadm.Offsets{}
	offsets.AddOffset("in", 0, 5, -1)
	offsets.AddOffset("in", 1, 4, -1)
	offsets.AddOffset("in2", 0, 3, -1)
	if err := c.admin.CommitAllOffsets(c.t.Context(), app, offsets); err != nil {
		c.t.Fatal(err)
	}
}

// left is what there is of an application: topics and offsets.
func (c *cluster) left(app string) string {
	c.t.Helper()
	var out []string
	c.eventually(func() error { // deletions take a moment in Kafka
		all, err := c.admin.ListTopics(c.t.Context())
		if err != nil {
			return err
		}
		out = nil
		for _, name := range all.Names() {
			if strings.HasPrefix(name, app) {
				out = append(out, name)
			}
		}
		return nil
	})
	slices.Sort(out)
	offsets, err := c.admin.FetchOffsets(c.t.Context(), app)
	if err != nil {
		c.t.Fatal(err)
	}
	for _, o := range offsets.Sorted() {
		out = append(out, fmt.Sprintf("%s-%d at %d %q", o.Topic, o.Partition, o.At, o.Metadata))
	}
	return strings.Join(out, "\n")
}

func (c *cluster) kafkaReset(lib, app string, args []string) string {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), 2*patience)
	defer cancel()
	full := []string{"-Xmx128m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", lib + "/*", "org.apache.kafka.tools.StreamsResetter", "--bootstrap-server", c.broker.Addr(), "--application-id", app}
	out, err := exec.CommandContext(ctx, "java", append(full, args...)...).CombinedOutput()
	if ctx.Err() != nil {
		c.t.Fatal(err)
	}
	return string(out)
}
