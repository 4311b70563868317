package telemetry

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
)

const (
	// SeriesPerClientMax and SeriesMax bound the values kept of one client and of all.
	SeriesPerClientMax = 2000
	SeriesMax          = 100_000
	// LabelsMax bounds the bytes of a metric's name, and those of its labels together.
	LabelsMax = 1024
)

// sample is the latest value of a series.
type sample struct {
	point
}

// keep takes the points of a push.
func (m *Manager) keep(i *instance, points []point) {
	for _, p := range points {
		key := p.name + "\x00" + p.labels
		s := i.series[key]
		switch {
		case s == nil && (len(i.series) >= SeriesPerClientMax || m.series >= SeriesMax):
			m.stats.SeriesDropped++
		case s == nil:
			i.series[key] = &sample{p}
			m.series++
		case p.delta:
			s.value += p.value
		default:
			s.value = p.value
		}
	}
}

// ownLabels are the labels that the broker adds to each series.
var ownLabels = []string{`client_id=`, `client_instance_id=`}

func clientLabels(c Client, id [16]byte) string {
	return ownLabels[0] + `"` + escape(cut(c.ID)) + `",` + ownLabels[1] + `"` + formatID(id) + `"`
}

// cut bounds what a client says of itself.
func cut(s string) string { return s[:min(len(s), LabelsMax)] }

// Write writes the clients and the latest values of their metrics in Prometheus's text format. Names are those that
// clients use with _ for what Prometheus does not allow; each series has the labels client_id and client_instance_id.
func (m *Manager) Write(w io.Writer) error {
	b := bufio.NewWriter(w)
	families := m.families()
	for _, name := range slices.Sorted(maps.Keys(families)) {
		f := families[name]
		slices.Sort(f.lines)
		if _, err := fmt.Fprintf(b, "# TYPE %s %s\n", name, f.kind); err != nil {
			return err
		}
		for _, line := range f.lines {
			if _, err := b.WriteString(name + line); err != nil {
				return err
			}
		}
	}
	return b.Flush()
}

type family struct {
	kind  string
	lines []string
}

// families gathers the lines by name. A name that clients use for different kinds of metric is of no kind.
func (m *Manager) families() map[string]*family {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sweep(m.o.Clock.Now())
	out := map[string]*family{}
	add := func(name, kind, labels string, value float64) {
		f := out[name]
		if f == nil {
			f = &family{kind: kind}
			out[name] = f
		}
		if f.kind != kind {
			f.kind = "untyped"
		}
		f.lines = append(f.lines, "{"+labels+"} "+formatValue(value)+"\n")
	}
	for _, i := range m.instances {
		add("leat_client_info", "gauge", i.labels+`,client_software_name="`+escape(cut(i.client.SoftwareName))+
			`",client_software_version="`+escape(cut(i.client.SoftwareVersion))+`",client_source_address="`+escape(i.client.Address)+`"`, 1)
		seen := map[string]bool{}
		for _, s := range i.series {
			labels := i.labels
			if s.labels != "" {
				labels += "," + s.labels
			}
			// Two names that differ only in what Prometheus does not allow would be the same series twice.
			name := promName(s.name)
			if key := name + labels; !seen[key] {
				seen[key] = true
				add(name, s.kind.String(), labels, s.value)
			}
		}
	}
	return out
}

func formatValue(v float64) string {
	return strconv.FormatFloat(v, 'g', -1, 64)
}

// promName makes a name that Prometheus allows.
func promName(s string) string {
	out := []byte(s)
	for i, c := range out {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c >= '0' && c <= '9' && i > 0) {
			out[i] = '_'
		}
	}
	if len(out) == 0 {
		return "_"
	}
	return string(out)
}

var escapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

// escape makes a label's value of text.
func escape(s string) string { return escapes.Replace(strings.ToValidUTF8(s, "\uFFFD")) }
