package schema

import (
	"reflect"
	"strings"
)

// Metadata is the `metadata` of a schema: marks and properties that travel with it and count for its identity.
// The field order is the one of the JSON that clients see; maps are written with sorted keys.
type Metadata struct {
	Tags       map[string][]string `json:"tags,omitempty"`       // path pattern -> tags; compared and hashed as sorted sets
	Properties map[string]string   `json:"properties,omitempty"` // free key/value pairs
	Sensitive  []string            `json:"sensitive,omitempty"`  // names of properties whose values are secret; a sorted set
}

// RuleSet is the `ruleSet` of a schema: the rules a serializer runs on its rows, and when they begin to hold.
// The registry keeps and returns them; clients execute them.
type RuleSet struct {
	MigrationRules []Rule `json:"migrationRules,omitempty"`
	DomainRules    []Rule `json:"domainRules,omitempty"`
	EncodingRules  []Rule `json:"encodingRules,omitempty"`
	EnableAt       string `json:"enableAt,omitempty"`
}

// A Rule is one entry of a RuleSet.
type Rule struct {
	Name      string            `json:"name,omitempty"`
	Doc       string            `json:"doc,omitempty"`
	Kind      string            `json:"kind,omitempty"` // TRANSFORM or CONDITION
	Mode      string            `json:"mode,omitempty"` // UPGRADE, DOWNGRADE, UPDOWN, READ, WRITE or WRITEREAD
	Type      string            `json:"type,omitempty"` // CEL, CEL_FIELD, JSONATA, ENCRYPT, ...
	Tags      []string          `json:"tags,omitempty"` // a sorted set
	Params    map[string]string `json:"params,omitempty"`
	Expr      string            `json:"expr,omitempty"`
	OnSuccess string            `json:"onSuccess,omitempty"`
	OnFailure string            `json:"onFailure,omitempty"`
	Disabled  bool              `json:"disabled,omitempty"`
}

// versionProperty is the metadata property that the registry itself writes when a version was asked for.
const versionProperty = "confluent:version"

// String gives the metadata as error messages show it.
func (m *Metadata) String() string {
	if m == nil {
		return "null"
	}
	var tags []string
	for _, key := range sortedKeys(m.Tags) {
		tags = append(tags, key+"=["+strings.Join(sortedSet(m.Tags[key]), ", ")+"]")
	}
	return "Metadata{tags={" + strings.Join(tags, ", ") + "}, properties=" + javaMap(m.Properties) +
		", sensitive=[" + strings.Join(sortedSet(m.Sensitive), ", ") + "]}"
}

// String gives the rule set as error messages show it: the names of its rules.
func (r *RuleSet) String() string {
	if r == nil {
		return "null"
	}
	names := func(list []Rule) string {
		out := make([]string, len(list))
		for i, rule := range list {
			out[i] = rule.Name
		}
		return "[" + strings.Join(out, ", ") + "]"
	}
	return "RuleSet{migrationRules=" + names(r.MigrationRules) + ", domainRules=" + names(r.DomainRules) +
		", encodingRules=" + names(r.EncodingRules) + "}"
}

func javaMap(m map[string]string) string {
	pairs := make([]string, 0, len(m))
	for _, key := range sortedKeys(m) {
		pairs = append(pairs, key+"="+m[key])
	}
	return "{" + strings.Join(pairs, ", ") + "}"
}

// sameContract compares metadata and rules, the property of the version aside.
func sameContract(a, b Source) bool {
	return reflect.DeepEqual(a.Metadata.plain(), b.Metadata.plain()) && reflect.DeepEqual(a.Rules, b.Rules)
}

// plain is the metadata in a form that compares: no version, sets sorted, and nothing at all if nothing is
// left.
func (m *Metadata) plain() Metadata {
	var out Metadata
	if m == nil {
		return out
	}
	for key, tags := range m.Tags {
		if out.Tags == nil {
			out.Tags = map[string][]string{}
		}
		out.Tags[key] = sortedSet(tags)
	}
	for key, value := range m.Properties {
		if key == versionProperty {
			continue
		}
		if out.Properties == nil {
			out.Properties = map[string]string{}
		}
		out.Properties[key] = value
	}
	if len(m.Sensitive) > 0 {
		out.Sensitive = sortedSet(m.Sensitive)
	}
	return out
}
