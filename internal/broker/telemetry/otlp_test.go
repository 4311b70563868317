package telemetry

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"leat.dev/internal/metadata/config"
)

func message(b []byte, num protowire.Number, body []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, num, protowire.BytesType), body)
}

func number(b []byte, num protowire.Number, v uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, num, protowire.VarintType), v)
}

func fixed(b []byte, num protowire.Number, v uint64) []byte {
	return protowire.AppendFixed64(protowire.AppendTag(b, num, protowire.Fixed64Type), v)
}

func attribute(key, value string) []byte {
	return message(message(nil, keyValueKey, []byte(key)), keyValueValue, message(nil, anyString, []byte(value)))
}

func wrap(metric []byte) []byte {
	return message(nil, dataResourceMetrics, message(nil, resourceMetricsScopes, message(nil, scopeMetricsMetrics, metric)))
}

// otlp is a push of one metric: a gauge, or a sum that counts what was added.
func otlp(name string, value float64, delta bool, labels ...string) []byte {
	point := fixed(nil, numberDouble, math.Float64bits(value))
	for i := 0; i+1 < len(labels); i += 2 {
		point = message(point, numberAttributes, attribute(labels[i], labels[i+1]))
	}
	body, of := message(nil, dataPoints, point), protowire.Number(metricGauge)
	if delta {
		body, of = number(number(body, temporality, deltaTemporality), monotonic, 1), metricSum
	}
	return wrap(message(message(nil, metricName, []byte(name)), of, body))
}

func TestParse(t *testing.T) {
	resource := message(nil, resourceMetricsResource, message(nil, resourceAttributes, attribute("group_id", "g")))
	ints := message(nil, dataPoints, message(fixed(nil, numberInt, ^uint64(4)), numberAttributes, attribute("a.b", "c\nd")))
	histogram := message(nil, dataPoints, message(fixed(fixed(nil, histogramCount, 3), histogramSum, math.Float64bits(4.5)), histogramAttrs, attribute("h", "1")))
	metrics := message(nil, scopeMetricsMetrics, message(message(nil, metricGauge, ints), metricName, []byte("i")))
	metrics = message(metrics, scopeMetricsMetrics, message(message(nil, metricName, []byte("h")), metricHistogram, number(histogram, temporality, deltaTemporality)))
	// The resource behind its metrics, as the format allows.
	points, err := parse(message(nil, dataResourceMetrics, append(message(nil, resourceMetricsScopes, metrics), resource...)), []string{config.AllMetrics})
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprintf("%+v", points)
	want := `[{name:i labels:group_id="g",a_b="c\nd" kind:0 value:-5 delta:false} ` +
		`{name:h.count labels:group_id="g",h="1" kind:1 value:3 delta:true} {name:h.sum labels:group_id="g",h="1" kind:1 value:4.5 delta:true}]`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestParseBounds(t *testing.T) {
	var point []byte
	for i := range 10_000 {
		point = message(point, numberAttributes, attribute(fmt.Sprint("k", i), strings.Repeat("v", i%50)))
	}
	var body []byte
	for range 20 {
		body = message(body, dataPoints, point)
	}
	for range 3 * SeriesPerClientMax {
		body = message(body, dataPoints, nil)
	}
	points, err := parse(wrap(message(message(nil, metricName, []byte("m")), metricGauge, body)), []string{"m"})
	if err != nil || len(points) > SeriesPerClientMax+1 {
		t.Fatalf("%d points, %v", len(points), err)
	}
	if n := len(points[0].labels); n > 2*LabelsMax {
		t.Errorf("%d bytes of labels", n)
	}
	for _, bad := range [][]byte{{0x0a, 5, 1}, {0xff}, {0x0b}, wrap([]byte{0x2a, 0x7f})} {
		if _, err := parse(bad, []string{config.AllMetrics}); err == nil {
			t.Errorf("%x passes", bad)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(otlp("m", 1, false, "a", "b"))
	f.Add(otlp("m", 1, true))
	f.Add(wrap(message(message(nil, metricName, []byte("h")), metricHistogram, message(nil, dataPoints, fixed(nil, histogramCount, 3)))))
	f.Fuzz(func(t *testing.T, b []byte) {
		points, err := parse(b, []string{config.AllMetrics})
		if err == nil && len(points) > len(b) {
			t.Errorf("%d points of %d bytes", len(points), len(b))
		}
		for _, p := range points {
			if len(p.name) > LabelsMax+len(".count") || strings.ContainsAny(p.labels, "\n") {
				t.Errorf("%+v", p)
			}
		}
	})
}
