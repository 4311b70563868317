package engine

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// described are the names and labels of all metrics.
func described() map[string][]string {
	ch := make(chan *prometheus.Desc, 1000)
	newMetrics(nil, "app").Describe(ch)
	close(ch)
	out := map[string][]string{}
	text := regexp.MustCompile(`fqName: "([^"]*)".*variableLabels: \{([^}]*)\}`)
	for d := range ch {
		m := text.FindStringSubmatch(d.String())
		out[m[1]] = append(strings.Split(m[2], ","), "application", "instance", "le")
	}
	return out
}

// Every query of the dashboard asks for metrics and labels that there are.
func TestDashboard(t *testing.T) {
	raw, err := os.ReadFile("../../../docs/grafana/streams.json")
	if err != nil {
		t.Fatal(err)
	}
	var board struct {
		Templating struct{ List []struct{ Query string } }
		Panels     []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(raw, &board); err != nil {
		t.Fatal(err)
	}
	known := described()
	metric := regexp.MustCompile(`(leat_streams_[a-z0-9_]+)(?:\{([^}]*)\})?`)
	by := regexp.MustCompile(`by \(([^)]*)\)`)
	filter := regexp.MustCompile(`(\w+)=~?"`)
	asked := 0
	check := func(where, query string) {
		found := metric.FindAllStringSubmatch(query, -1)
		if len(found) == 0 {
			t.Errorf("%s: %q asks for nothing", where, query)
		}
		var labels []string
		for _, m := range by.FindAllStringSubmatch(query, -1) {
			labels = append(labels, strings.Split(m[1], ",")...)
		}
		for _, f := range found {
			asked++
			name, labels := f[1], slices.Clone(labels)
			for _, m := range filter.FindAllStringSubmatch(f[2], -1) {
				labels = append(labels, m[1])
			}
			has, ok := known[strings.TrimSuffix(name, "_bucket")]
			if !ok {
				t.Errorf("%s: there is no metric %s", where, name)
			}
			for _, l := range labels {
				if l = strings.TrimSpace(l); ok && !slices.Contains(has, l) {
					t.Errorf("%s: metric %s has no label %s", where, name, l)
				}
			}
		}
	}
	for _, v := range board.Templating.List {
		if strings.Contains(v.Query, "(") {
			check("variables", v.Query)
		}
	}
	for _, p := range board.Panels {
		for _, target := range p.Targets {
			check(p.Title, target.Expr)
		}
	}
	if asked < 30 {
		t.Errorf("only %d metrics are asked for", asked)
	}
}

// Counting for two apps of one id in one registry adds up, and what a task that is gone held is in no gauge.
func TestMetersAreEmptied(t *testing.T) {
	reg := prometheus.NewRegistry()
	m := newMetrics(reg, "app")
	if newMetrics(reg, "app") != m {
		t.Fatal("a second app of the id has other metrics")
	}
	e := &taskEnv{id: TaskID{1, 0}}
	s := e.meter.Store("s")
	for range 3 * SampleEvery {
		if s.Sampled(Get) {
			began := s.Begin(Get)
			s.Sampled(Get)
			s.End(Get, began)
		}
	}
	s.Iterators, s.Entries, e.meter.CacheBytes = 2, 5, 100
	n := e.meter.Node("n")
	for range 100 {
		n.Sampled()
	}
	for _, v := range []int64{-5, 0, 1, 2, 4, 5, 1 << 60} {
		e.meter.Lateness.Add(v)
	}
	e.processed = 7
	m.empty(e)
	m.empty(e)
	value := func(name string) float64 {
		families, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			if f.GetName() == "leat_streams_"+name {
				sum := 0.0
				for _, one := range f.GetMetric() {
					sum += one.GetCounter().GetValue() + one.GetGauge().GetValue()
				}
				p := f.GetMetric()[0]
				if h := p.GetHistogram(); h != nil {
					for _, b := range h.GetBucket() {
						if b.GetUpperBound() == 0.004 {
							return float64(b.GetCumulativeCount())
						}
					}
				}
				return sum
			}
		}
		return -1
	}
	for name, want := range map[string]float64{
		"store_operations_total": 3 * SampleEvery, "store_open_iterators": 2, "store_buffer_records": 5, "cache_bytes": 100,
		"node_records_total": 100, "records_processed_total": 7, "record_lateness_seconds": 5,
	} {
		if got := value(name); got != want {
			t.Errorf("%s is %v, not %v", name, got, want)
		}
	}
	m.gone(e)
	for _, name := range []string{"store_open_iterators", "store_buffer_records", "cache_bytes"} {
		if got := value(name); got != 0 {
			t.Errorf("%s is %v after the task is gone", name, got)
		}
	}
}
