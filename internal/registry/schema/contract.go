package schema

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
