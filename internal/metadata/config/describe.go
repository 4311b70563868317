package config

import (
	"slices"
	"strconv"
	"strings"
)

// Source says where a value comes from, as DescribeConfigs numbers it.
type Source int8

const (
	FromUnknown Source = iota
	FromTopic
	FromBroker
	FromCluster
	FromStatic
	FromDefault
	FromLogger
	FromClientMetrics
	FromGroup
)

// Entry is one described setting.
type Entry struct {
	Name      string
	Value     *string // nil: none, or not to be shown
	Source    Source
	ReadOnly  bool
	Sensitive bool
	Type      Type
	Synonyms  []Synonym
	Doc       string
}

// Synonym is a place a value could come from, the one that counts first.
type Synonym struct {
	Name   string
	Value  *string
	Source Source
}

// DescribeTopic describes all settings of a topic, by name.
func DescribeTopic(overrides map[string]string, dynamic Dynamic, static *Static) []Entry {
	r := resolver{overrides, dynamic, static}
	out := make([]Entry, 0, len(topicDefs.defs))
	describe := func(d *Def) {
		v := r.value(d.Name)
		e := Entry{Name: d.Name, Value: new(v.text), Type: d.Type, Doc: d.Doc, Source: FromDefault}
		if s, ok := overrides[d.Name]; ok {
			if v, err := d.parse(s); err == nil {
				s = v.text
			}
			e.Synonyms = append(e.Synonyms, Synonym{d.Name, new(s), FromTopic})
		}
		if len(d.synonyms) > 0 {
			e.Synonyms = append(e.Synonyms, synonyms(Broker(d.synonyms[0]), dynamic, static)...)
		}
		if len(e.Synonyms) > 0 {
			e.Source = e.Synonyms[0].Source
		}
		out = append(out, e)
	}
	for i := range topicDefs.defs {
		describe(&topicDefs.defs[i])
	}
	for i := range hiddenTopicDefs.defs {
		if d := &hiddenTopicDefs.defs[i]; overrides[d.Name] != "" {
			describe(d)
		}
	}
	return out
}

// synonyms lists where the value of a broker setting could come from. As in
// Kafka, the list begins with the setting's own name: a coarser unit alone
// (log.retention.hours without log.retention.ms) does not show.
func synonyms(d *Def, dynamic Dynamic, static *Static) []Synonym {
	names := d.synonyms
	if len(names) == 0 {
		names = []string{d.Name}
	}
	var out []Synonym
	add := func(name, value string, source Source) {
		if len(out) == 0 && name != d.Name {
			return
		}
		s := Synonym{Name: name, Source: source}
		if !d.Sensitive() {
			s.Value = new(value)
		}
		out = append(out, s)
	}
	for _, name := range names {
		if v, ok := dynamic.Broker[name]; ok {
			add(name, v, FromBroker)
		}
	}
	for _, name := range names {
		if v, ok := dynamic.Cluster[name]; ok {
			add(name, v, FromCluster)
		}
	}
	for _, name := range names {
		if v, ok := static.Lookup(name); ok {
			add(name, v, FromStatic)
		}
	}
	for _, name := range names {
		if n := Broker(name); n != nil && n.Default != null {
			add(name, n.Default, FromDefault)
		}
	}
	return out
}

// DescribeBroker describes the settings of a broker that count, and what else
// was set for it, by name. Kafka's settings that have no effect here are not
// listed unless they were set: a value nothing follows would mislead.
func DescribeBroker(dynamic Dynamic, static *Static) []Entry {
	var out []Entry
	for i := range brokerDefs.defs {
		out = append(out, describeBroker(&brokerDefs.defs[i], dynamic, static))
	}
	for i := range ignoredDefs.defs {
		d := &ignoredDefs.defs[i]
		_, isSet := static.Lookup(d.Name)
		_, changed := dynamic.Lookup(d.Name)
		if isSet || changed {
			out = append(out, describeBroker(d, dynamic, static))
		}
	}
	for _, name := range prefixed(dynamic, static) {
		out = append(out, describeBroker(Broker(name), dynamic, static))
	}
	out = append(out, foreign(dynamic.Broker, FromBroker)...)
	out = append(out, foreign(dynamic.Cluster, FromCluster)...)
	slices.SortStableFunc(out, func(a, b Entry) int { return strings.Compare(a.Name, b.Name) })
	return slices.CompactFunc(out, func(a, b Entry) bool { return a.Name == b.Name })
}

// DescribeCluster describes what was changed for all brokers, by name.
func DescribeCluster(dynamic Dynamic) []Entry {
	var out []Entry
	for _, name := range sortedKeys(dynamic.Cluster) {
		d := Broker(name)
		if d == nil {
			continue
		}
		e := describeBroker(d, Dynamic{Cluster: dynamic.Cluster}, Defaults())
		e.Synonyms = slices.DeleteFunc(e.Synonyms, func(s Synonym) bool { return s.Source != FromCluster })
		out = append(out, e)
	}
	out = append(out, foreign(dynamic.Cluster, FromCluster)...)
	slices.SortFunc(out, func(a, b Entry) int { return strings.Compare(a.Name, b.Name) })
	return out
}

func describeBroker(d *Def, dynamic Dynamic, static *Static) Entry {
	e := Entry{
		Name: d.Name, Type: d.Type, Doc: d.Doc, ReadOnly: d.Mode == ReadOnly, Sensitive: d.Sensitive(),
		Synonyms: synonyms(d, dynamic, static), Source: FromDefault,
	}
	if len(e.Synonyms) > 0 {
		e.Source = e.Synonyms[0].Source
	}
	value, ok := dynamic.Lookup(d.Name)
	if !ok {
		value, ok = static.Lookup(d.Name)
	}
	if !ok && d.Default != null {
		value, ok = d.Default, true
	}
	if ok && !e.Sensitive {
		e.Value = new(value)
	}
	return e
}

// foreign describes stored settings nobody knows. Their type is unknown, so
// they might be secrets and are not shown.
func foreign(values map[string]string, source Source) []Entry {
	var out []Entry
	for _, name := range sortedKeys(values) {
		if Broker(name) == nil {
			out = append(out, Entry{Name: name, Source: source, ReadOnly: true, Sensitive: true, Synonyms: []Synonym{{Name: name, Source: source}}})
		}
	}
	return out
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }
