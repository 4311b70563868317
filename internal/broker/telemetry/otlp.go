package telemetry

import (
	"errors"
	"math"
	"strconv"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/twmb/franz-go/pkg/kerr"

	"leat.dev/internal/metadata/config"
	"leat.dev/internal/wire/compress"
)

// PayloadMax is the most that a push may be when decompressed.
const PayloadMax = 4 << 20

// point is a number that was pushed.
type point struct {
	name   string // the metric's
	labels string // as Prometheus writes them, without braces: a="b",c="d"
	kind   kind
	value  float64
	delta  bool // to be added to what was pushed before
}

type kind uint8

const (
	gauge kind = iota
	counter
)

func (k kind) String() string { return [...]string{"gauge", "counter"}[k] }

// decode decompresses a push and reads what of it is wanted.
func (m *Manager) decode(codec int8, data []byte, wanted []string) ([]point, *kerr.Error) {
	m.decoding.Lock()
	defer m.decoding.Unlock()
	data, err := m.decompressor.Decompress(compress.Codec(codec), data, PayloadMax)
	switch {
	case errors.Is(err, compress.ErrTooLarge):
		return nil, kerr.TelemetryTooLarge
	case err != nil:
		return nil, kerr.InvalidRecord
	}
	points, err := parse(data, wanted)
	if err != nil {
		return nil, kerr.InvalidRecord
	}
	return points, nil
}

// Field numbers of opentelemetry/proto/metrics/v1/metrics.proto and common.proto.
const (
	dataResourceMetrics = 1

	resourceMetricsResource = 1
	resourceMetricsScopes   = 2
	resourceAttributes      = 1
	scopeMetricsMetrics     = 2

	metricName      = 1
	metricGauge     = 5
	metricSum       = 7
	metricHistogram = 9
	metricExpHist   = 10
	metricSummary   = 11

	dataPoints  = 1 // of gauge, sum, histograms and summary
	temporality = 2 // of sum and histograms
	monotonic   = 3 // of sum

	deltaTemporality = 1

	numberDouble      = 4
	numberInt         = 6
	numberAttributes  = 7
	histogramCount    = 4
	histogramSum      = 5
	histogramAttrs    = 9
	expHistogramAttrs = 1
	summaryAttrs      = 7

	keyValueKey   = 1
	keyValueValue = 2

	anyString = 1
	anyBool   = 2
	anyInt    = 3
	anyDouble = 4
)

var errMalformed = errors.New("malformed OTLP")

// fields calls each for the fields of a message: data for those with a length, number for the others.
func fields(b []byte, each func(num protowire.Number, data []byte, number uint64) error) error {
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return errMalformed
		}
		b = b[n:]
		var data []byte
		var number uint64
		switch typ {
		case protowire.VarintType:
			number, n = protowire.ConsumeVarint(b)
		case protowire.Fixed64Type:
			number, n = protowire.ConsumeFixed64(b)
		case protowire.BytesType:
			data, n = protowire.ConsumeBytes(b)
		default:
			n = protowire.ConsumeFieldValue(num, typ, b)
		}
		if n < 0 {
			return errMalformed
		}
		b = b[n:]
		if err := each(num, data, number); err != nil {
			return err
		}
	}
	return nil
}

// parse reads a MetricsData message. At most SeriesPerClientMax+1 points are returned, those of names that are wanted.
func parse(b []byte, wanted []string) (out []point, err error) {
	err = fields(b, func(num protowire.Number, resource []byte, _ uint64) error {
		if num != dataResourceMetrics {
			return nil
		}
		var labels labels
		// The resource may stand behind what it describes.
		if err := each(resource, resourceMetricsResource, func(r []byte) error { return labels.addAll(r, resourceAttributes) }); err != nil {
			return err
		}
		return each(resource, resourceMetricsScopes, func(scope []byte) error {
			return each(scope, scopeMetricsMetrics, func(metric []byte) error {
				out, err = parseMetric(out, metric, labels, wanted)
				return err
			})
		})
	})
	return out, err
}

// each calls f for the fields of one number.
func each(b []byte, want protowire.Number, f func([]byte) error) error {
	return fields(b, func(num protowire.Number, data []byte, _ uint64) error {
		if num != want {
			return nil
		}
		return f(data)
	})
}

func parseMetric(out []point, b []byte, resource labels, wanted []string) ([]point, error) {
	name := ""
	var body []byte
	var kindOf protowire.Number
	err := fields(b, func(num protowire.Number, data []byte, _ uint64) error {
		switch num {
		case metricName:
			name = string(data)
		case metricGauge, metricSum, metricHistogram, metricExpHist, metricSummary:
			kindOf, body = num, data
		}
		return nil
	})
	if err != nil || body == nil || !isWanted(name, wanted) || len(name) > LabelsMax {
		return out, err
	}
	p := point{name: name, kind: gauge}
	err = fields(body, func(num protowire.Number, _ []byte, v uint64) error {
		switch num {
		case temporality:
			p.delta = v == deltaTemporality
		case monotonic:
			if v == 1 {
				p.kind = counter
			}
		}
		return nil
	})
	if err != nil {
		return out, err
	}
	return out, each(body, dataPoints, func(data []byte) error {
		out, err = parsePoint(out, data, p, kindOf, resource)
		return err
	})
}

func isWanted(name string, wanted []string) bool {
	for _, w := range wanted {
		if w == config.AllMetrics || strings.HasPrefix(name, w) {
			return true
		}
	}
	return false
}

func parsePoint(out []point, b []byte, p point, of protowire.Number, own labels) ([]point, error) {
	attributes := map[protowire.Number]protowire.Number{
		metricGauge: numberAttributes, metricSum: numberAttributes,
		metricHistogram: histogramAttrs, metricExpHist: expHistogramAttrs, metricSummary: summaryAttrs,
	}[of]
	if len(out) >= SeriesPerClientMax {
		return out, nil
	}
	own = own.clone()
	numbers := of == metricGauge || of == metricSum
	var count, sum float64
	err := fields(b, func(num protowire.Number, data []byte, v uint64) error {
		switch {
		case num == attributes:
			return own.add(data)
		case numbers && num == numberDouble:
			p.value = math.Float64frombits(v)
		case numbers && num == numberInt:
			p.value = float64(int64(v))
		case !numbers && num == histogramCount:
			count = float64(v)
		case !numbers && num == histogramSum:
			sum = math.Float64frombits(v)
		}
		return nil
	})
	if err != nil {
		return out, err
	}
	p.labels = own.String()
	if numbers {
		return append(out, p), nil
	}
	p.kind = counter
	c, s := p, p
	c.name, c.value = p.name+".count", count
	s.name, s.value = p.name+".sum", sum
	return append(out, c, s), nil
}

// labelOverhead is what a label counts besides its text, so that their number is bounded too.
const labelOverhead = 16

// labels are attributes on their way to Prometheus.
type labels struct {
	pairs []string // a="b"
	bytes int
}

func (l labels) clone() labels {
	l.pairs = l.pairs[:len(l.pairs):len(l.pairs)]
	return l
}

func (l *labels) addAll(b []byte, field protowire.Number) error {
	return each(b, field, l.add)
}

// add reads a KeyValue. What goes beyond LabelsMax in all is left out.
func (l *labels) add(b []byte) error {
	key, value := "", ""
	err := fields(b, func(num protowire.Number, data []byte, _ uint64) error {
		switch num {
		case keyValueKey:
			key = string(data)
		case keyValueValue:
			return fields(data, func(num protowire.Number, data []byte, v uint64) error {
				switch num {
				case anyString:
					value = string(data)
				case anyBool:
					value = strconv.FormatBool(v == 1)
				case anyInt:
					value = strconv.FormatInt(int64(v), 10)
				case anyDouble:
					value = strconv.FormatFloat(math.Float64frombits(v), 'g', -1, 64)
				}
				return nil
			})
		}
		return nil
	})
	size := labelOverhead + len(key) + len(value)
	if err != nil || size > LabelsMax-l.bytes {
		return err
	}
	l.bytes += size
	name := promName(key)
	for _, p := range append(ownLabels, l.pairs...) {
		if strings.HasPrefix(p, name+`=`) {
			return nil // what the broker says of the client counts, then what came first
		}
	}
	l.pairs = append(l.pairs, name+`="`+escape(value)+`"`)
	return nil
}

func (l labels) String() string { return strings.Join(l.pairs, ",") }
