package store

import (
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

// parseVersion reads the number of a version: 1 and up, or "latest" and -1 for the last one.
func parseVersion(text string) (int, *Error) {
	if strings.EqualFold(text, "latest") {
		return LatestVersion, nil
	}
	n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	if err != nil || n > math.MaxInt32 || n == 0 || n < LatestVersion {
		return 0, refuse(CodeInvalidVersion, "The specified version '%s' is not a valid version id. Allowed values are between [1, 2^31-1] and the string \"latest\"", text)
	}
	return int(n), nil
}

// names of subjects that have versions, in order, where keep says so.
func (s *State) names(keep func(string) bool) []string {
	var out []string
	for _, c := range s.contexts {
		for name := range c.subjects {
			if keep(name) {
				out = append(out, name)
			}
		}
	}
	slices.Sort(out)
	return out
}

// Deletion says which versions a listing shows.
type Deletion uint8

// What is shown: live versions, all, or soft-deleted ones only.
const (
	LiveOnly Deletion = iota
	WithDeleted
	DeletedOnly
)

func (d Deletion) shows(v *Version) bool {
	return d == WithDeleted || v.Deleted == (d == DeletedOnly)
}

// wildcard is the prefix that means every context.
const wildcard = ":*:"

// Subjects lists the names that begin with a prefix; ":*:" means every context and an empty one the default context.
// A subject is soft-deleted when it has no live version.
func (s *State) Subjects(prefix string, d Deletion) []string {
	match := prefixed(prefix)
	return s.names(func(name string) bool {
		if !match(name) {
			return false
		}
		switch live := len(s.live(name)) > 0; d {
		case LiveOnly:
			return live
		case DeletedOnly:
			return !live || slices.ContainsFunc(s.versions(name), func(v *Version) bool { return v.Deleted })
		default:
			return true
		}
	})
}

func prefixed(prefix string) func(string) bool {
	if rest, all := strings.CutPrefix(prefix, wildcard); all {
		return func(name string) bool {
			_, plain := Split(name)
			return strings.HasPrefix(plain, rest)
		}
	}
	context, rest := Split(prefix)
	return func(name string) bool {
		c, plain := Split(name)
		return c == context && strings.HasPrefix(plain, rest)
	}
}

// Contexts lists the names of all contexts, the default one first.
func (s *State) Contexts() []string {
	out := []string{DefaultContext}
	for _, name := range slices.Sorted(maps.Keys(s.contexts)) {
		if name != DefaultContext {
			out = append(out, name)
		}
	}
	return out
}

// DeleteContext gives the records that forget an empty context.
func (s *State) DeleteContext(name string) ([]Record, *Error) {
	c := s.contexts[name]
	if c != nil && len(c.subjects) > 0 {
		return nil, refuse(CodeContextNotEmpty, "The specified context '%s' is not empty.", Qualify(name, ""))
	}
	return []Record{{Encode(key{Type: keyContext, Tenant: "default", Context: name}), nil}}, nil
}

// Versions lists the versions of a subject in ascending order.
func (s *State) Versions(subject string, d Deletion) ([]*Version, *Error) {
	all := s.versions(normalSubject(subject))
	shown := slices.DeleteFunc(slices.Clone(all), func(v *Version) bool { return !d.shows(v) })
	if len(all) == 0 || (len(shown) == 0 && d != DeletedOnly) {
		return nil, subjectNotFound(subject)
	}
	return shown, nil
}

// Version finds one version of a subject. One in the default context that is not there is looked for in the others.
func (s *State) Version(subject, version string, d Deletion) (*Version, *Error) {
	number, err := parseVersion(version)
	if err != nil {
		return nil, err
	}
	subject = normalSubject(subject)
	if v := s.find(subject, number, d); v != nil {
		return v, nil
	}
	for _, other := range s.elsewhere(subject) {
		if v := s.find(other, number, d); v != nil {
			return v, nil
		}
	}
	if len(s.live(subject)) == 0 && (d == LiveOnly || len(s.versions(subject)) == 0) {
		return nil, subjectNotFound(subject)
	}
	return nil, versionNotFound(number)
}

func (s *State) find(subject string, number int, d Deletion) *Version {
	all := s.versions(subject)
	for _, v := range slices.Backward(all) {
		if (number == LatestVersion && !v.Deleted) || (v.Version == number && d.shows(v)) {
			return v
		}
	}
	return nil
}

// elsewhere are the subjects of the same plain name in other contexts, for one that names no context.
func (s *State) elsewhere(subject string) []string {
	if contextOf(subject) != DefaultContext {
		return nil
	}
	var out []string
	for _, name := range s.Contexts()[1:] {
		out = append(out, Qualify(name, subject))
	}
	return out
}

// Lookup finds the version of a subject that a schema already is; same is false if only what it says is the same, and not
// the text.
func (s *State) Lookup(q Registration, d Deletion) (v *Version, same bool, refused *Error) {
	q.Subject = normalSubject(q.Subject)
	config := s.ConfigFor(q.Subject)
	q.Normalize = q.Normalize || isTrue(config.Normalize)
	if strings.TrimSpace(q.Source.Text) == "" {
		if err := s.subjectKnown(q.Subject, d); err != nil {
			return nil, false, err
		}
	}
	q.Stored = true
	s.completeContract(&q, s.find(q.Subject, LatestVersion, LiveOnly))
	candidate, err := s.parse(q, config)
	if err != nil {
		return nil, false, err
	}
	if err := s.subjectKnown(q.Subject, d); err != nil {
		return nil, false, err
	}
	for _, subject := range append([]string{q.Subject}, s.elsewhere(q.Subject)...) {
		shown := slices.DeleteFunc(s.versions(subject), func(v *Version) bool { return !d.shows(v) })
		if v, same := s.existing(q, candidate, shown); v != nil {
			return v, same, nil
		}
	}
	return nil, false, refuse(CodeSchemaNotFound, "Schema not found")
}

func (s *State) subjectKnown(subject string, d Deletion) *Error {
	for _, name := range append([]string{subject}, s.elsewhere(subject)...) {
		if slices.ContainsFunc(s.versions(name), d.shows) {
			return nil
		}
	}
	return subjectNotFound(subject)
}

// ByID finds a version that holds an id, of the subject if it is given and known; soft-deleted ones are found too.
func (s *State) ByID(id int, subject string) (*Version, *Error) {
	subject = normalSubject(subject)
	contexts := []string{contextOf(subject)}
	if subject != "" && contexts[0] == DefaultContext {
		contexts = s.Contexts()
	}
	for pass := range 2 { // first the subject itself, where one is named
		for _, name := range contexts {
			c := s.contexts[name]
			if c == nil {
				continue
			}
			_, want := Split(subject)
			if want == "" || pass == 1 {
				if held := c.byID[id]; len(held) > 0 {
					return held[0], nil
				}
				continue
			}
			for _, v := range slices.Backward(c.byID[id]) {
				if _, plain := Split(v.Subject); plain == want {
					return v, nil
				}
			}
		}
		if subject == "" {
			break
		}
	}
	return nil, refuse(CodeSchemaNotFound, "Schema %d not found", id)
}

// HighestID is the highest id a subject's context ever gave out.
func (s *State) HighestID(subject string) int {
	return s.highest[contextOf(normalSubject(subject))]
}

// WithID lists the versions that hold an id, in the order of subjects and numbers.
func (s *State) WithID(id int, subject string, d Deletion) ([]*Version, *Error) {
	first, err := s.ByID(id, subject)
	if err != nil {
		return nil, refuse(CodeSchemaNotFound, "Schema not found")
	}
	_, want := Split(normalSubject(subject))
	var out []*Version
	for _, v := range s.contexts[contextOf(first.Subject)].byID[id] {
		if _, plain := Split(v.Subject); d.shows(v) && (want == "" || plain == want) {
			out = append(out, v)
		}
	}
	slices.SortFunc(out, func(a, b *Version) int {
		if c := strings.Compare(a.Subject, b.Subject); c != 0 {
			return c
		}
		return a.Version - b.Version
	})
	return out, nil
}

// ByGUID finds a version with this content hash, and the ids it has in each context.
func (s *State) ByGUID(guid string) (v *Version, ids map[string]int) {
	ids = map[string]int{}
	for _, name := range s.Contexts() {
		c := s.contexts[name]
		if c == nil {
			continue
		}
		for id, versions := range c.byID {
			for _, o := range versions {
				if o.GUID == guid {
					ids[name] = id
					if v == nil || o.Timestamp < v.Timestamp {
						v = o
					}
				}
			}
		}
	}
	return v, ids
}

// ReferencedBy lists the ids of live schemas that refer to a version.
func (s *State) ReferencedBy(v *Version) []int {
	ids := []int{}
	for _, o := range s.referrers(v) {
		ids = append(ids, o.ID)
	}
	return slices.Compact(ids)
}

// All lists the versions of the subjects with a prefix, in order.
func (s *State) All(prefix string, d Deletion, latestOnly bool) []*Version {
	var out []*Version
	for _, name := range s.names(prefixed(prefix)) {
		shown := slices.DeleteFunc(s.versions(name), func(v *Version) bool { return !d.shows(v) })
		if latestOnly && len(shown) > 1 {
			shown = shown[len(shown)-1:]
		}
		out = append(out, shown...)
	}
	return out
}
