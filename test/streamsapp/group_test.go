package streamsapp

import (
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"leat.dev/streams"
)

// gauge is the sum of a metric over the labels given, -1 when there is none.
func gauge(t testing.TB, reg *prometheus.Registry, name string, labels ...string) float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	sum := -1.0
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			if !slices.ContainsFunc(m.GetLabel(), func(l *dto.LabelPair) bool {
				return len(labels) == 2 && l.GetName() == labels[0] && l.GetValue() != labels[1]
			}) {
				sum = max(sum, 0) + m.GetGauge().GetValue() + m.GetCounter().GetValue()
			}
		}
	}
	return sum
}

type member struct {
	*running
	metrics *prometheus.Registry
}

func (m *member) tasks(t testing.TB, state string) int {
	return int(gauge(t, m.metrics, "leat_streams_tasks", "state", state))
}

// joins starts an instance in memory.
func (c *cluster) joins(id string, o ...streams.AppOption) *member {
	reg := prometheus.NewRegistry()
	o = append([]streams.AppOption{streams.Metrics(reg), streams.SessionTimeout(testSession)}, o...)
	return &member{c.run(id, wordCount, o...), reg}
}

// With standbys, the tasks of an instance that vanishes run at another one as soon as its session has timed out, without a record
// read from changelogs: less than two seconds later, measured from when it vanished. One of three times has to be so quick, and none
// where the machine is busy. An instance that joins gets tasks when it has their state.
func TestStandbys(t *testing.T) {
	if testing.Short() {
		t.Skip("a session times out")
	}
	onEach(t, func(t *testing.T, c *cluster) {
		var took []time.Duration
		for range 3 {
			if took = append(took, c.handOver(fmt.Sprint("standby-", len(took)))); took[len(took)-1] < testSession+2*time.Second {
				return
			}
		}
		if text := fmt.Sprintf("tasks were taken over after %v: a session is %v", took, testSession); busy(t) {
			t.Log(text)
		} else {
			t.Error(text)
		}
	})
}

// testSession is the session timeout of these instances.
const testSession = 6 * time.Second

// busy tells of a machine that has more than twice as much to do as it has processors: it is not held to times.
func busy(t *testing.T) bool {
	t.Helper()
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return false
	}
	var load float64
	if _, err := fmt.Sscan(string(text), &load); err != nil {
		t.Fatal(err)
	}
	return load > 2*float64(runtime.NumCPU())
}

// handOver lets one of two instances vanish, and returns how long it took until all tasks ran at the other.
func (c *cluster) handOver(id string) (took time.Duration) {
	t := c.t
	t.Helper()
	in, out := streams.NewTopic(id+"-lines", streams.String, streams.String), streams.NewTopic(id+"-counts", streams.String, streams.String)
	c.create(4, in.Name, out.Name)
	joins := func(o ...streams.AppOption) *member {
		reg := prometheus.NewRegistry()
		o = append(o, streams.Metrics(reg), streams.SessionTimeout(testSession), streams.Standbys(1), streams.AcceptableLag(0))
		return &member{c.run(id, func(b *streams.Builder) { countLines(b, in, out, func(string) error { return nil }) }, o...), reg}
	}
	a := joins(streams.OnClose(streams.RemainInGroup)) // it vanishes when it is closed
	a.await(streams.Running)
	const n = 3000
	for i := range n / 100 {
		var lines []string
		for j := range 100 {
			lines = append(lines, fmt.Sprintf("k%d=w%d", j, i*100+j))
		}
		c.send(in.Name, lines...)
	}
	c.read(out.Name, total(n))
	b := joins()
	// The four tasks with state are shared once two of them have arrived at b, and each has a copy at the other.
	until(t, "the movement of two tasks", func() bool {
		return a.tasks(t, "standby") == 2 && b.tasks(t, "standby") == 2 && a.tasks(t, "running") == 4 && b.tasks(t, "running") == 4
	})
	restored := gauge(t, b.metrics, "leat_streams_records_restored_total")
	since := time.Now()
	a.close()
	until(t, "the take-over", func() bool { return b.tasks(t, "running") == 8 })
	took = time.Since(since)
	t.Logf("taken over after %v", took)
	if now := gauge(t, b.metrics, "leat_streams_records_restored_total"); now != restored {
		t.Errorf("%v records were restored, %v before", now, restored)
	}
	c.send(in.Name, "x=w0", "y=w1")
	exact(t, c.read(out.Name, total(n+2)))
	b.close()
	return took
}

// assignments are what the members of a group have, by instance id.
func (c *cluster) assignments(group string) map[string]string {
	c.t.Helper()
	groups, err := c.admin.DescribeGroups(c.t.Context(), group)
	if err != nil {
		c.t.Fatal(err)
	}
	out := map[string]string{}
	for _, m := range groups[group].Members {
		if a, ok := m.Assigned.AsConsumer(); ok && m.InstanceID != nil {
			out[*m.InstanceID] = fmt.Sprint(a.Topics)
		}
	}
	return out
}

// A rolling restart of static members moves no task: nobody else hears of it.
func TestRollingRestart(t *testing.T) {
	onEach(t, func(t *testing.T, c *cluster) {
		c.create(6, "lines", "counts")
		ids := []string{"one", "two", "three"}
		members := map[string]*member{}
		dirs := map[string]string{}
		for _, id := range ids {
			dirs[id] = t.TempDir()
			members[id] = c.joins("rolling", streams.InstanceID(id), streams.StateDir(dirs[id]), streams.SessionTimeout(45*time.Second), streams.Standbys(1))
		}
		until(t, "balance", func() bool {
			for _, m := range members {
				if m.tasks(t, "running") != 4 || m.tasks(t, "standby") != 2 {
					return false
				}
			}
			return true
		})
		c.send("lines", "k=a b c", "l=a d e", "m=f g h")
		exact(t, c.read("counts", total(9)))
		before := c.assignments("rolling")
		rebalances := func(id string) float64 { return gauge(t, members[id].metrics, "leat_streams_rebalances_total") }
		heard := map[string]float64{}
		for _, id := range ids {
			heard[id] = rebalances(id)
		}
		for i, id := range ids {
			members[id].close()
			members[id] = c.joins("rolling", streams.InstanceID(id), streams.StateDir(dirs[id]), streams.SessionTimeout(45*time.Second), streams.Standbys(1))
			until(t, "the return", func() bool { return members[id].tasks(t, "running") == 4 && members[id].tasks(t, "standby") == 2 })
			members[id].await(streams.Running)
			for _, other := range ids[i+1:] {
				if rebalances(other) != heard[other] {
					t.Errorf("%s rebalanced when %s restarted", other, id)
				}
			}
			c.send("lines", "k=a a")
			exact(t, c.read("counts", total(9+2*(i+1))))
		}
		if after := c.assignments("rolling"); !maps.Equal(before, after) {
			t.Errorf("tasks moved: %v became %v", before, after)
		}
		// One that leaves for good says so.
		if err := members["one"].app.Close(t.Context(), streams.LeaveGroup); err != nil {
			t.Fatal(err)
		}
		until(t, "the others", func() bool {
			return members["two"].tasks(t, "running")+members["three"].tasks(t, "running") == 12
		})
		for _, id := range ids[1:] {
			members[id].close()
		}
	})
}
