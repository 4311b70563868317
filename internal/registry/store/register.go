package store

import (
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"

	"leat.dev/internal/registry/schema"
)

// Registration is a schema that is to become a version of a subject.
type Registration struct {
	Subject   string
	Source    schema.Source // as it came; an empty text means that of the latest version
	ID        int           // asked for in the modes IMPORT and FORWARD, else NoID
	Version   int           // asked for, NoVersion for none, LatestVersion for the next
	Normalize bool
	Force     bool // no compatibility check
	Stored    bool // looked up, and so read with the rules of what is stored
}

// Values of a Registration that ask for nothing, or for the last one.
const (
	NoID          = -1
	NoVersion     = 0
	LatestVersion = -1
)

// maxSchemaBytes is the longest text that is registered: it has to fit a record of the topic with its metadata.
const maxSchemaBytes = 1_000_000

// Register gives the version that a schema is or becomes, and the records that make it one: none if the subject holds it
// already; same is false if what it holds only says the same, in another text.
func (s *State) Register(q Registration) (v *Version, same bool, records []Record, refused *Error) {
	q.Subject = normalSubject(q.Subject)
	if err := checkSubject(q.Subject); err != nil {
		return nil, false, nil, err
	}
	mode := s.ModeFor(q.Subject)
	live := s.live(q.Subject)
	if err := s.mayRegister(q, mode); err != nil {
		if v := s.held(q, live); v != nil { // what is there already needs no write
			return v, true, nil, nil
		}
		return nil, false, nil, err
	}
	if err := s.complete(&q, live); err != nil {
		return nil, false, nil, err
	}
	config := s.ConfigFor(q.Subject)
	if mode != Import && mode != Forward {
		q.Normalize = q.Normalize || isTrue(config.Normalize)
	}
	candidate, err := s.parse(q, config)
	if err != nil {
		return nil, false, nil, err
	}
	if len(candidate.Text()) > maxSchemaBytes {
		return nil, false, nil, refuse(CodeSchemaTooLarge, "Register operation failed because schema is too large")
	}
	if mode == Import || mode == Forward {
		v, records, err := s.place(q, candidate, q.ID, true)
		return v, true, records, err
	}
	if v, same := s.existing(q, candidate, live); v != nil {
		return v, same, nil, nil
	}
	if !q.Force {
		if messages := s.check(candidate, live, config); len(messages) > 0 {
			return nil, false, nil, refuse(CodeIncompatible, "Schema being registered is incompatible with an earlier schema for subject \"%s\", details: [%s]", q.Subject, strings.Join(messages, ", "))
		}
	}
	c := s.contexts[contextOf(q.Subject)]
	id, known := NoID, false
	if c != nil {
		id, known = c.byHash[candidate.Hash()]
	}
	if known {
		if other := c.byID[id]; len(other) > 0 && other[0].Source.Type != candidate.Type() {
			return nil, false, nil, refuse(CodeNotPermitted, "Overwrite new schema with id %d in context %s is not permitted.", id, where(q.Subject))
		}
	} else {
		id = s.HighestID(q.Subject) + 1
	}
	v, records, err = s.place(q, candidate, id, false)
	return v, true, records, err
}

// held is the live version with exactly the content that is to be registered.
func (s *State) held(q Registration, live []*Version) *Version {
	if q.ID != NoID || q.Version != NoVersion || s.complete(&q, live) != nil {
		return nil
	}
	candidate, err := s.parse(q, s.ConfigFor(q.Subject))
	if err != nil {
		return nil
	}
	hash := candidate.Hash()
	for _, v := range slices.Backward(live) {
		if v.hash == hash && v.Source.Type == candidate.Type() {
			return v
		}
	}
	return nil
}

func (s *State) mayRegister(q Registration, mode Mode) *Error {
	if err := s.mayWrite(q.Subject); err != nil {
		return err
	}
	switch {
	case q.ID != NoID && mode != Import && mode != Forward:
		return refuse(CodeNotPermitted, "Subject %s in context %s is not in import mode", q.Subject, where(q.Subject))
	case q.ID == NoID && mode != ReadWrite:
		return refuse(CodeNotPermitted, "Subject %s in context %s is not in read-write mode", q.Subject, where(q.Subject))
	}
	return nil
}

// complete fills in what a registration leaves out: text and references of the latest version, metadata and rules.
func (s *State) complete(q *Registration, live []*Version) *Error {
	var latest *Version
	if len(live) > 0 {
		latest = live[len(live)-1]
	}
	if strings.TrimSpace(q.Source.Text) == "" {
		if latest == nil {
			return refuse(CodeInvalidSchema, "%s", schema.ErrEmpty.Error())
		}
		q.Source.Type, q.Source.Text, q.Source.References = latest.Source.Type, latest.Source.Text, latest.Source.References
	}
	if err := checkRules(q.Source.Rules); err != nil {
		return err
	}
	s.completeContract(q, latest)
	if mode := s.ModeFor(q.Subject); q.Version != NoVersion && mode != Import && mode != Forward {
		next := 1
		if all := s.versions(q.Subject); len(all) > 0 {
			next = all[len(all)-1].Version + 1
		}
		if q.Version != LatestVersion {
			next = q.Version
		}
		q.Source.Metadata = mergeMetadata(q.Source.Metadata, &schema.Metadata{Properties: map[string]string{versionProperty: strconv.Itoa(next)}})
	}
	return nil
}

// completeContract fills in metadata and rules: the defaults, then what was given or else the latest version's, then the
// overrides.
func (s *State) completeContract(q *Registration, latest *Version) {
	config := s.ConfigFor(q.Subject)
	metadata, rules := q.Source.Metadata, q.Source.Rules
	if latest != nil {
		orElse(&metadata, withoutVersion(latest.Source.Metadata))
		orElse(&rules, latest.Source.Rules)
	}
	q.Source.Metadata = mergeMetadata(mergeMetadata(config.DefaultMetadata, metadata), config.OverrideMetadata)
	q.Source.Rules = mergeRules(mergeRules(config.DefaultRules, rules), config.OverrideRules)
}

// versionProperty is what marks a version that was asked for by number.
const versionProperty = "confluent:version"

func withoutVersion(m *schema.Metadata) *schema.Metadata {
	if m == nil || m.Properties[versionProperty] == "" {
		return m
	}
	c := *m
	c.Properties = maps.Clone(m.Properties)
	delete(c.Properties, versionProperty)
	if len(c.Properties) == 0 && len(c.Tags) == 0 && len(c.Sensitive) == 0 {
		return nil
	}
	return &c
}

// mergeMetadata is base with what over says instead.
func mergeMetadata(base, over *schema.Metadata) *schema.Metadata {
	if base == nil || over == nil {
		orElse(&base, over)
		return base
	}
	m := schema.Metadata{Tags: maps.Clone(base.Tags), Properties: maps.Clone(base.Properties), Sensitive: slices.Clone(base.Sensitive)}
	for k, v := range over.Tags {
		if m.Tags == nil {
			m.Tags = map[string][]string{}
		}
		m.Tags[k] = union(m.Tags[k], v)
	}
	for k, v := range over.Properties {
		if m.Properties == nil {
			m.Properties = map[string]string{}
		}
		m.Properties[k] = v
	}
	m.Sensitive = union(m.Sensitive, over.Sensitive)
	return &m
}

func union(a, b []string) []string {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}

// mergeRules is base with the rules of over in place of those with the same names.
func mergeRules(base, over *schema.RuleSet) *schema.RuleSet {
	if base == nil || over == nil {
		orElse(&base, over)
		return base
	}
	enableAt := base.EnableAt
	if over.EnableAt != "" {
		enableAt = over.EnableAt
	}
	return &schema.RuleSet{
		MigrationRules: mergeList(base.MigrationRules, over.MigrationRules),
		DomainRules:    mergeList(base.DomainRules, over.DomainRules),
		EncodingRules:  mergeList(base.EncodingRules, over.EncodingRules),
		EnableAt:       enableAt,
	}
}

func mergeList(base, over []schema.Rule) []schema.Rule {
	out := slices.DeleteFunc(slices.Clone(base), func(r schema.Rule) bool {
		return slices.ContainsFunc(over, func(o schema.Rule) bool { return o.Name == r.Name })
	})
	return append(out, over...)
}

// checkRules refuses a rule set at its first fault.
func checkRules(rs *schema.RuleSet) *Error {
	if rs == nil {
		return nil
	}
	names := map[string]bool{}
	for i, list := range [][]schema.Rule{rs.MigrationRules, rs.DomainRules, rs.EncodingRules} {
		for _, r := range list {
			bad := strings.ContainsFunc(r.Name, func(c rune) bool {
				return c != '_' && c != '-' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z')
			})
			switch {
			case r.Name == "":
				return refuse(CodeInvalidRuleSet, "Missing rule name")
			case bad:
				return refuse(CodeInvalidRuleSet, "Illegal character in rule name: %s", r.Name)
			case r.Type == "":
				return refuse(CodeInvalidRuleSet, "Missing rule type")
			case names[r.Name]:
				return refuse(CodeInvalidRuleSet, "Found rule with duplicate name '%s'", r.Name)
			case i == 0 && r.Mode != "UPGRADE" && r.Mode != "DOWNGRADE" && r.Mode != "UPDOWN":
				return refuse(CodeInvalidRuleSet, "Migration rules can only be UPGRADE, DOWNGRADE, UPDOWN")
			}
			names[r.Name] = true
		}
	}
	return nil
}

// parse reads the text of a registration with its references.
func (s *State) parse(q Registration, config Config) (*schema.Schema, *Error) {
	invalid := func(err error) *Error {
		return refuse(CodeInvalidSchema, "%s", schema.InvalidMessage(q.Subject, q.shownVersion(), q.ID, q.Source, err))
	}
	src := q.Source
	src.References = s.realReferences(q.Subject, src.References)
	var err error
	if src.Dependencies, err = schema.Resolve(src.References, s.lookup(q.Subject)); err != nil {
		return nil, invalid(err)
	}
	candidate, err := schema.Parse(src, schema.Options{New: !q.Stored, Normalize: q.Normalize, ValidateFields: isTrue(config.ValidateFields)})
	if err != nil {
		return nil, invalid(err)
	}
	return candidate, nil
}

func (q *Registration) shownVersion() int {
	if q.Version == NoVersion {
		return 0
	}
	return q.Version
}

// realReferences are references with -1 replaced by the number of the latest version.
func (s *State) realReferences(subject string, list []schema.Reference) []schema.Reference {
	list = slices.Clone(list)
	for i, r := range list {
		if r.Version != LatestVersion {
			continue
		}
		if live := s.live(s.referred(subject, r.Subject)); len(live) > 0 {
			list[i].Version = live[len(live)-1].Version
		}
	}
	return list
}

// lookup finds what the references of a subject's schema name.
func (s *State) lookup(subject string) schema.Lookup {
	return func(r schema.Reference) (string, []schema.Reference, bool, error) {
		name := s.referred(subject, r.Subject)
		var found *Version
		for _, v := range s.versions(name) {
			if v.Version == r.Version || (r.Version == LatestVersion && !v.Deleted) {
				found = v
			}
		}
		if found == nil {
			return "", nil, false, nil
		}
		own := slices.Clone(found.Source.References)
		for i := range own { // they belong to the context of the schema that holds them
			own[i].Subject = s.referred(name, own[i].Subject)
		}
		return found.Source.Text, own, true, nil
	}
}

// Parsed is a stored version as a schema.
func (s *State) Parsed(v *Version) (*schema.Schema, error) {
	if v.parsed != nil {
		return v.parsed, nil
	}
	src := v.Source
	var err error
	if src.Dependencies, err = schema.Resolve(src.References, s.lookup(v.Subject)); err != nil {
		return nil, err
	}
	p, err := schema.Parse(src, schema.Options{})
	if err != nil {
		return nil, err
	}
	v.parsed = p
	return p, nil
}

// existing finds the version that a candidate is already: the same text, or one that says the same in other words. One that
// was asked for by number must be that one.
func (s *State) existing(q Registration, candidate *schema.Schema, versions []*Version) (v *Version, same bool) {
	asked := func(v *Version) *Version {
		if q.Version > 0 && q.Version != v.Version {
			return nil
		}
		return v
	}
	hash := candidate.Hash()
	for _, v := range slices.Backward(versions) {
		if v.hash == hash && v.Source.Type == candidate.Type() {
			return asked(v), true
		}
	}
	for _, v := range slices.Backward(versions) {
		old, err := s.Parsed(v)
		if err != nil {
			continue // stored by somebody with other rules: no version to answer with
		}
		if candidate.Equivalent(old) {
			return asked(v), v.hash == hash
		}
	}
	return nil, false
}

// check gives the messages of a compatibility check against live versions.
func (s *State) check(candidate *schema.Schema, versions []*Version, config Config) []string {
	var previous []schema.Previous
	for _, v := range slices.Backward(versions) {
		if !sameGroup(config, candidate.Metadata(), v.Source.Metadata) {
			continue
		}
		old, err := s.Parsed(v)
		if err != nil {
			return []string{err.Error()}
		}
		previous = append(previous, schema.Previous{Version: v.Version, Schema: old})
	}
	opt := schema.CheckOptions{Level: *config.Level, ValidateFields: isTrue(config.ValidateFields)}
	if config.Policy != nil {
		opt.Policy = *config.Policy
	}
	return schema.Check(candidate, previous, opt)
}

// sameGroup reports whether two schemas are compared: those with the same value of the group's property are.
func sameGroup(config Config, a, b *schema.Metadata) bool {
	if config.Group == nil || *config.Group == "" {
		return true
	}
	value := func(m *schema.Metadata) string {
		if m == nil {
			return ""
		}
		return m.Properties[*config.Group]
	}
	return value(a) == value(b)
}

// place gives the records that make a candidate a version with an id.
func (s *State) place(q Registration, candidate *schema.Schema, id int, imported bool) (*Version, []Record, *Error) {
	all := s.versions(q.Subject)
	next := 1
	if len(all) > 0 {
		next = all[len(all)-1].Version + 1
	}
	id = max(id, 0)
	c := s.contexts[contextOf(q.Subject)]
	if c == nil {
		c = &context{} // not known before its record is applied
	}
	v := &Version{
		Subject: q.Subject, Version: next, ID: id, GUID: candidate.GUID(),
		Source: schema.Source{Type: candidate.Type(), Text: candidate.Text(), References: candidate.References(), Metadata: candidate.Metadata(), Rules: candidate.Rules()},
	}
	records := s.newContext(q.Subject)
	switch {
	case imported:
		if q.Version > 0 {
			v.Version = q.Version
		}
		for _, o := range c.byID[id] {
			if o.hash != candidate.Hash() {
				return nil, nil, refuse(CodeNotPermitted, "Overwrite new schema with id %d in context %s is not permitted.", id, where(q.Subject))
			}
		}
		for _, o := range all {
			if (o.Version == v.Version || q.Version <= 0) && o.ID == id && o.hash == candidate.Hash() && !o.Deleted {
				return o, nil, nil
			}
		}
	case q.Version > 0 && q.Version != next:
		return nil, nil, refuse(CodeInvalidSchema, "Version is not one more than previous version")
	}
	for _, o := range all { // the soft-deleted version with the same content gives way, unless others need it
		if o.Deleted && o.ID == id && o.Version != v.Version && len(s.referrers(o)) == 0 {
			records = append(records, o.tombstone())
		}
	}
	return v, append(records, v.record()), nil
}

// Compatibility checks a schema against the live versions of a subject, or only against one of them.
func (s *State) Compatibility(q Registration, version string) (messages []string, err *Error) {
	q.Subject = normalSubject(q.Subject)
	live := s.live(q.Subject)
	if version != "" {
		number, err := parseVersion(version)
		if err != nil {
			return nil, err
		}
		if live, err = s.against(q.Subject, live, number); err != nil {
			return nil, err
		}
	}
	config := s.ConfigFor(q.Subject)
	q.Normalize = q.Normalize || isTrue(config.Normalize)
	if strings.TrimSpace(q.Source.Text) == "" {
		return nil, refuse(CodeInvalidSchema, "%s", schema.ErrEmpty.Error())
	}
	candidate, err := s.parse(q, config)
	if err != nil {
		return nil, err
	}
	return s.check(candidate, live, config), nil
}

// against is the one version to compare with; the latest of an unknown subject is none.
func (s *State) against(subject string, live []*Version, number int) ([]*Version, *Error) {
	if number == LatestVersion {
		if len(live) == 0 {
			return nil, nil
		}
		return live[len(live)-1:], nil
	}
	i := slices.IndexFunc(live, func(v *Version) bool { return v.Version == number })
	if i < 0 {
		return nil, versionNotFound(number)
	}
	return live[i : i+1], nil
}

// IsInvalid reports whether a refusal is about the schema's own text.
func IsInvalid(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Code == CodeInvalidSchema
}
