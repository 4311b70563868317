package registry

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"leat.dev/internal/base/clock"
	"leat.dev/internal/registry/store"
	"leat.dev/internal/registry/topic"
)

// metrics are those of the API and of the state.
type metrics struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	clock    clock.Clock
}

func newMetrics(to *prometheus.Registry, b *topic.Backend, c clock.Clock) *metrics {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "leat_registry_requests_total", Help: "Requests to the schema registry's API.",
		}, []string{"method", "path", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "leat_registry_request_seconds", Help: "Time from a request's headers to the end of its answer.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}, []string{"method", "path"}),
		clock: c,
	}
	to.MustRegister(m.requests, m.seconds, &stateCollector{b})
	return m
}

func (m *metrics) serve(from *prometheus.Registry) http.Handler {
	return promhttp.HandlerFor(from, promhttp.HandlerOpts{MaxRequestsInFlight: 4})
}

// count measures the requests of a handler.
func (m *metrics) count(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begin := m.clock.Now()
		seen := &statusWriter{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(seen, r)
		method, path := methodLabel(r.Method), pathLabel(r.URL.Path)
		m.requests.WithLabelValues(method, path, strconv.Itoa(seen.status)).Inc()
		m.seconds.WithLabelValues(method, path).Observe(m.clock.Now().Sub(begin).Seconds())
	})
}

type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController reach the connection.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func methodLabel(m string) string {
	switch m {
	case http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodHead, http.MethodOptions:
		return m
	}
	return "other"
}

// paths are those of the API, with {} for what the client chooses. No others become labels: there would be no end of them.
var paths = [][]string{
	{}, {"subjects"}, {"subjects", "{}"}, {"subjects", "{}", "metadata"}, {"subjects", "{}", "versions"}, {"subjects", "{}", "versions", "{}"},
	{"subjects", "{}", "versions", "{}", "schema"}, {"subjects", "{}", "versions", "{}", "referencedby"},
	{"schemas"}, {"schemas", "types"}, {"schemas", "ids", "{}"}, {"schemas", "ids", "{}", "schema"}, {"schemas", "ids", "{}", "subjects"},
	{"schemas", "ids", "{}", "versions"}, {"schemas", "guids", "{}"}, {"schemas", "guids", "{}", "ids"},
	{"compatibility", "subjects", "{}", "versions"}, {"compatibility", "subjects", "{}", "versions", "{}"},
	{"config"}, {"config", "{}"}, {"mode"}, {"mode", "{}"}, {"contexts"}, {"contexts", "{}"}, {"v1", "metadata", "id"}, {"v1", "metadata", "version"},
}

// pathLabel is a path with what the client chose taken out; a context before it is left out too.
func pathLabel(path string) string {
	const segmentsMax = 8
	segments := strings.FieldsFunc(path, func(r rune) bool { return r == '/' })
	if len(segments) > segmentsMax {
		return "other"
	}
	if len(segments) > 2 && segments[0] == "contexts" {
		segments = segments[2:]
	}
	for _, p := range paths {
		if slices.EqualFunc(p, segments, func(want, got string) bool { return want == "{}" || want == got }) {
			return "/" + strings.Join(p, "/")
		}
	}
	return "other"
}

// stateCollector reads the state when it is asked for metrics.
type stateCollector struct{ backend *topic.Backend }

var (
	leaderDesc   = prometheus.NewDesc("leat_registry_leader", "1 if this registry is the leader of its group.", nil, nil)
	knownDesc    = prometheus.NewDesc("leat_registry_leader_known", "1 if this registry knows who the leader is.", nil, nil)
	readingDesc  = prometheus.NewDesc("leat_registry_reading", "1 if the last try to read the topic went well.", nil, nil)
	schemasDesc  = prometheus.NewDesc("leat_registry_schemas", "Registered versions, by whether they are soft-deleted.", []string{"deleted"}, nil)
	subjectsDesc = prometheus.NewDesc("leat_registry_subjects", "Subjects with a version that is not deleted.", nil, nil)
	highestDesc  = prometheus.NewDesc("leat_registry_highest_id", "Highest id given out in a context.", []string{"context"}, nil)
	skippedDesc  = prometheus.NewDesc("leat_registry_skipped_records_total", "Records of the topic that were not understood.", nil, nil)
)

// Describe implements prometheus.Collector.
func (c *stateCollector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{leaderDesc, knownDesc, readingDesc, schemasDesc, subjectsDesc, highestDesc, skippedDesc} {
		to <- d
	}
}

// contextsShown bounds how many contexts have a metric of their own.
const contextsShown = 100

// Collect implements prometheus.Collector.
func (c *stateCollector) Collect(to chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	truth := map[bool]float64{true: 1}
	leads, url := c.backend.Leader()
	gauge(leaderDesc, truth[leads])
	gauge(knownDesc, truth[url != ""])
	gauge(readingDesc, truth[c.backend.Reading() == nil])
	to <- prometheus.MustNewConstMetric(skippedDesc, prometheus.CounterValue, float64(c.backend.Skipped()))
	var live, deleted, subjects int
	highest := map[string]int{}
	c.backend.Read(func(s *store.State) {
		for _, v := range s.All(":*:", store.WithDeleted, false) {
			if v.Deleted {
				deleted++
			} else {
				live++
			}
		}
		subjects = len(s.Subjects(":*:", store.LiveOnly))
		for i, name := range s.Contexts() {
			if i < contextsShown {
				highest[name] = s.HighestID(store.Qualify(name, ""))
			}
		}
	})
	gauge(schemasDesc, float64(live), "false")
	gauge(schemasDesc, float64(deleted), "true")
	gauge(subjectsDesc, float64(subjects))
	for name, id := range highest {
		gauge(highestDesc, float64(id), name)
	}
}
