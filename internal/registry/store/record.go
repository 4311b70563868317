package store

import (
	"bytes"
	"encoding/json"

	"leat.dev/internal/registry/schema"
)

// Record is one record of the topic; a nil value is a tombstone.
type Record struct{ Key, Value []byte }

// The kinds of keys. No other may ever be written: a Confluent node that reads one stops.
const (
	keySchema        = "SCHEMA"
	keyConfig        = "CONFIG"
	keyMode          = "MODE"
	keyDeleteSubject = "DELETE_SUBJECT"
	keyClearSubject  = "CLEAR_SUBJECT"
	keyContext       = "CONTEXT"
	keyNoop          = "NOOP"
)

// key is a record's key; the order of its fields is the one on disk.
type key struct {
	Type    string  `json:"keytype"`
	Tenant  string  `json:"tenant,omitempty"`
	Context string  `json:"context,omitempty"`
	Subject *string `json:"subject,omitempty"`
	Version *int    `json:"version,omitempty"`
	Magic   int     `json:"magic"`
}

// schemaValue is the value of a SCHEMA record.
type schemaValue struct {
	Subject    string             `json:"subject"`
	Version    int                `json:"version"`
	ID         int                `json:"id"`
	Type       schema.Type        `json:"schemaType,omitempty"`
	References []schema.Reference `json:"references,omitempty"`
	Metadata   *schema.Metadata   `json:"metadata,omitempty"`
	Rules      *schema.RuleSet    `json:"ruleSet,omitempty"`
	Schema     string             `json:"schema"`
	Deleted    bool               `json:"deleted"`
}

// Config is what can be set for a subject, a context, or all. Nil fields are not set. The order is the one on disk.
type Config struct {
	Subject            *string          `json:"subject,omitempty"`
	Alias              *string          `json:"alias,omitempty"`
	AliasForDeks       *bool            `json:"aliasForDeks,omitempty"`
	Normalize          *bool            `json:"normalize,omitempty"`
	ValidateFields     *bool            `json:"validateFields,omitempty"`
	ValidateNewSchemas *bool            `json:"validateNewSchemas,omitempty"`
	ValidateRules      *bool            `json:"validateRules,omitempty"`
	Level              *schema.Level    `json:"compatibilityLevel,omitempty"`
	Policy             *schema.Policy   `json:"compatibilityPolicy,omitempty"`
	Group              *string          `json:"compatibilityGroup,omitempty"`
	DefaultMetadata    *schema.Metadata `json:"defaultMetadata,omitempty"`
	OverrideMetadata   *schema.Metadata `json:"overrideMetadata,omitempty"`
	DefaultRules       *schema.RuleSet  `json:"defaultRuleSet,omitempty"`
	OverrideRules      *schema.RuleSet  `json:"overrideRuleSet,omitempty"`
}

// Mode says what may be written to a subject.
type Mode string

// The modes.
const (
	ReadWrite        Mode = "READWRITE"
	ReadOnly         Mode = "READONLY"
	ReadOnlyOverride Mode = "READONLY_OVERRIDE"
	Import           Mode = "IMPORT"
	Forward          Mode = "FORWARD"
)

type modeValue struct {
	Subject *string `json:"subject,omitempty"`
	Mode    Mode    `json:"mode"`
}

type subjectValue struct {
	Subject string `json:"subject"`
	Version int    `json:"version,omitempty"`
}

type contextValue struct {
	Tenant  string `json:"tenant"`
	Context string `json:"context"`
}

// idsValue is the value of our own NOOP: the highest id that each context ever gave out, so that none is given twice after
// the record that held it was compacted away. Confluent's registry does not look at it.
type idsValue struct {
	Highest map[string]int `json:"highestIds"`
}

// Encode writes compact JSON as Jackson does: nothing is escaped that need not be.
func Encode(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil // only strings, numbers and maps of them: cannot fail
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

func schemaKey(subject string, version int) []byte {
	return Encode(key{Type: keySchema, Subject: &subject, Version: &version, Magic: 1})
}

func (v *Version) record() Record {
	return Record{schemaKey(v.Subject, v.Version), Encode(schemaValue{
		Subject: v.Subject, Version: v.Version, ID: v.ID, Type: v.Source.Type, References: v.Source.References,
		Metadata: v.Source.Metadata, Rules: v.Source.Rules, Schema: v.Source.Text, Deleted: v.Deleted,
	})}
}

func (v *Version) tombstone() Record { return Record{schemaKey(v.Subject, v.Version), nil} }

// scopeKey is the key of a config or mode; the top level has no subject.
func scopeKey(kind, subject string) []byte {
	k := key{Type: kind}
	if subject != "" {
		k.Subject = &subject
	}
	return Encode(k)
}

// Noop is the record that a new leader writes and reads back before it gives out an id. It goes with every batch that removes
// records for good, too: after those are compacted away it alone knows which ids were given out.
func (s *State) Noop() Record {
	return Record{Encode(key{Type: keyNoop}), Encode(idsValue{s.highest})}
}
