package rest

import (
	"leat.dev/internal/registry/schema"
	"leat.dev/internal/registry/store"
)

// entity is a version as the API shows it.
type entity struct {
	Subject    string             `json:"subject,omitempty"`
	ID         *int               `json:"id,omitempty"`
	Version    *int               `json:"version,omitempty"`
	GUID       string             `json:"guid,omitempty"`
	Type       schema.Type        `json:"schemaType,omitempty"`
	References []schema.Reference `json:"references,omitempty"`
	Metadata   *schema.Metadata   `json:"metadata,omitempty"`
	Rules      *schema.RuleSet    `json:"ruleSet,omitempty"`
	Schema     string             `json:"schema,omitempty"`
	Timestamp  *int64             `json:"ts,omitempty"`
	Deleted    *bool              `json:"deleted,omitempty"`
	MaxID      *int               `json:"maxId,omitempty"`
}

// whole is an entity with everything that is known.
func whole(v *store.Version, text string) entity {
	e := named(v, text)
	e.Timestamp, e.Deleted = &v.Timestamp, &v.Deleted
	return e
}

// named is an entity with its place.
func named(v *store.Version, text string) entity {
	e := content(v, text)
	e.Subject, e.ID, e.Version = v.Subject, &v.ID, &v.Version
	return e
}

// content is an entity of the schema alone.
func content(v *store.Version, text string) entity {
	return entity{GUID: v.GUID, Type: v.Source.Type, References: v.Source.References, Metadata: v.Source.Metadata, Rules: v.Source.Rules, Schema: text}
}

// modeBody is a mode as the API shows it.
type modeBody struct {
	Mode *text `json:"mode"`
}
