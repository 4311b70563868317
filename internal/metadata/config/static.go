package config

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Static is the broker's own settings: what a file, the environment and flags
// said, over the defaults. It never changes after Parse. Its getters take the
// names of the table only; any other name is a bug of the caller and panics.
type Static struct {
	set map[string]value
}

// gone are settings that Kafka 4 no longer has.
var gone = map[string]string{
	"zookeeper.connect":                       "metadata is kept by the brokers themselves",
	"inter.broker.protocol.version":           "brokers agree on features by themselves",
	"log.message.format.version":              "there is one record format",
	"log.message.downconversion.enable":       "old record formats are not served",
	"log.message.timestamp.difference.max.ms": "use log.message.timestamp.before.max.ms and log.message.timestamp.after.max.ms",
}

// Parse checks the settings. An unknown name or a bad value is an error that
// says what to do, and all of them are reported; warnings name accepted
// settings that have no effect here.
func Parse(values map[string]string) (s *Static, warnings []string, err error) {
	s = &Static{set: make(map[string]value, len(values))}
	var errs []error
	for _, name := range sortedKeys(values) {
		d := Broker(name)
		if d == nil {
			errs = append(errs, unknown(name))
			continue
		}
		if d.refused && values[name] != d.Default {
			errs = append(errs, fmt.Errorf("%s cannot be set: %s", name, d.ignored))
			continue
		}
		v, err := d.parse(values[name])
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if d.ignored != "" && !d.refused {
			warnings = append(warnings, fmt.Sprintf("%s has no effect: %s", name, d.ignored))
		}
		s.set[name] = v
	}
	if len(errs) == 0 {
		errs = append(errs, s.consistent())
	}
	if err := errors.Join(errs...); err != nil {
		return nil, nil, err
	}
	return s, warnings, nil
}

// Defaults is Static with nothing set.
func Defaults() *Static { return &Static{} }

// consistent checks settings against each other.
func (s *Static) consistent() error {
	if low, high := s.Int64("group.min.session.timeout.ms"), s.Int64("group.max.session.timeout.ms"); low > high {
		return fmt.Errorf("group.min.session.timeout.ms (%d) is above group.max.session.timeout.ms (%d)", low, high)
	}
	if err := errors.Join(consistentGroups(s.Live(Dynamic{})), s.consistentShares(), s.consistentStreams()); err != nil {
		return err
	}
	a, idSet := s.Lookup("node.id")
	b, oldSet := s.Lookup("broker.id")
	if idSet && oldSet && a != b {
		return fmt.Errorf("node.id is %s but broker.id is %s: set one of them", a, b)
	}
	return CheckTopic(nil, Dynamic{}, s)
}

func unknown(name string) error {
	if why, ok := gone[name]; ok {
		return fmt.Errorf("%s is gone since Kafka 4: %s", name, why)
	}
	if strings.HasPrefix(name, "listener.name.") {
		return unknownListenerSetting(name)
	}
	if t := Topic(name); t != nil && len(t.synonyms) > 0 {
		return fmt.Errorf("%s is a topic's setting; for the whole broker it is called %s", name, t.synonyms[0])
	}
	if s := nearest(name, slices.Concat(brokerDefs.defs, ignoredDefs.defs)); s != "" {
		return fmt.Errorf("unknown setting %s: did you mean %s?", name, s)
	}
	return fmt.Errorf("unknown setting %s", name)
}

// nearest is the declared name most like name, "" if none is much like it.
func nearest(name string, defs []Def) string {
	best, found := max(3, len(name)/4)+1, ""
	for i := range defs {
		if d := distance(name, defs[i].Name, best); d < best {
			best, found = d, defs[i].Name
		}
	}
	return found
}

// distance is the edit distance of a and b, or anything from limit on.
func distance(a, b string, limit int) int {
	if d := len(a) - len(b); d >= limit || -d >= limit {
		return limit
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// Lookup returns what was set, and whether anything was.
func (s *Static) Lookup(name string) (string, bool) {
	v, ok := s.set[name]
	return v.text, ok
}

// Names are the settings that were set, in order.
func (s *Static) Names() []string { return sortedKeys(s.set) }

// value is the value of a setting, its default if it was not set; ok is false
// if it has neither.
func (s *Static) value(name string) (v value, ok bool) {
	if v, ok := s.set[name]; ok {
		return v, true
	}
	d := Broker(name)
	if d == nil {
		panic("config: no broker setting is called " + name)
	}
	return d.standard, d.Default != null
}

// String returns the value of a setting, "" if it has none.
func (s *Static) String(name string) string { v, _ := s.value(name); return v.text }

// Int returns the value of an integer setting, 0 if it has none.
func (s *Static) Int(name string) int { return int(s.Int64(name)) }

// Int64 returns the value of an integer setting, 0 if it has none.
func (s *Static) Int64(name string) int64 { v, _ := s.value(name); return v.num }

// Bool returns the value of a boolean setting.
func (s *Static) Bool(name string) bool { v, _ := s.value(name); return v.truth }

// Float returns the value of a numeric setting.
func (s *Static) Float(name string) float64 { v, _ := s.value(name); return v.float }

// List returns the elements of a list setting.
func (s *Static) List(name string) []string {
	v, _ := s.value(name)
	if v.list == nil {
		return splitList(v.text) // Kafka declares some lists as strings
	}
	return v.list
}

// Millis returns the value of a setting in milliseconds as a duration; what
// does not fit one is the longest there is.
func (s *Static) Millis(name string) time.Duration { return millis(s.Int64(name)) }

func millis(ms int64) time.Duration {
	const most = int64(1<<63-1) / int64(time.Millisecond)
	return time.Duration(min(max(ms, -most), most)) * time.Millisecond
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
