package store

import (
	"encoding/json"
	"maps"
	"slices"

	"leat.dev/internal/registry/schema"
)

// Version is one registered version of a subject.
type Version struct {
	Subject   string
	Version   int
	ID        int
	GUID      string
	Source    schema.Source // canonical text; without the texts of its references
	Deleted   bool          // soft-deleted
	Timestamp int64         // of its record, in milliseconds

	hash   [16]byte
	parsed *schema.Schema // nil until it was needed
}

// context is a space of ids of its own.
type context struct {
	subjects map[string]map[int]*Version // by full name of the subject and number
	byID     map[int][]*Version          // in the order they were registered; soft-deleted ones too
	byHash   map[[16]byte]int            // the id that holds a schema
}

// State is what the records say.
type State struct {
	contexts map[string]*context
	configs  map[string]*Config // by subject; "" is the top level
	modes    map[string]Mode
	highest  map[string]int // id that was ever given out, by context; deleted contexts stay here
}

// New is the state before any record.
func New() *State {
	return &State{contexts: map[string]*context{}, configs: map[string]*Config{}, modes: map[string]Mode{}, highest: map[string]int{}}
}

func (s *State) context(name string) *context {
	c := s.contexts[name]
	if c == nil {
		c = &context{subjects: map[string]map[int]*Version{}, byID: map[int][]*Version{}, byHash: map[[16]byte]int{}}
		s.contexts[name] = c
	}
	return c
}

// Apply takes one record of the log. Keys and values that are not understood are passed over and reported as false: some
// other program wrote them, and what is known must stay served.
func (s *State) Apply(r Record, timestamp int64) bool {
	var k key
	if json.Unmarshal(r.Key, &k) != nil {
		return false
	}
	subject := ""
	if k.Subject != nil {
		subject = normalSubject(*k.Subject)
	}
	switch k.Type {
	case keySchema:
		return k.Version != nil && s.applySchema(subject, *k.Version, r.Value, timestamp)
	case keyConfig:
		if r.Value == nil {
			delete(s.configs, subject)
			return true
		}
		var c Config
		if json.Unmarshal(r.Value, &c) != nil {
			return false
		}
		c.Subject = nil
		s.configs[subject] = &c
	case keyMode:
		if r.Value == nil {
			delete(s.modes, subject)
			return true
		}
		var m modeValue
		if json.Unmarshal(r.Value, &m) != nil {
			return false
		}
		s.modes[subject] = m.Mode
	case keyDeleteSubject:
		var v subjectValue
		if r.Value == nil {
			return true
		}
		if json.Unmarshal(r.Value, &v) != nil {
			return false
		}
		for _, old := range s.versions(subject) {
			if old.Version <= v.Version {
				old.Deleted = true
			}
		}
	case keyClearSubject:
		for _, old := range s.versions(subject) {
			if old.Deleted {
				s.remove(old)
			}
		}
	case keyContext:
		if r.Value == nil {
			delete(s.contexts, k.Context)
		} else {
			s.context(k.Context)
		}
	case keyNoop:
		var v idsValue
		if json.Unmarshal(r.Value, &v) == nil {
			for name, id := range v.Highest {
				s.highest[name] = max(s.highest[name], id)
			}
		}
	default:
		return false
	}
	return true
}

func (s *State) applySchema(subject string, version int, value []byte, timestamp int64) bool {
	c := s.context(contextOf(subject))
	old := c.subjects[subject][version]
	if value == nil {
		if old != nil {
			s.remove(old)
		}
		return true
	}
	var v schemaValue
	if json.Unmarshal(value, &v) != nil {
		return false
	}
	if old != nil {
		s.remove(old)
	}
	if v.Type == "" {
		v.Type = schema.Avro
	}
	n := &Version{
		Subject: subject, Version: version, ID: v.ID, Deleted: v.Deleted, Timestamp: timestamp,
		Source: schema.Source{Type: v.Type, Text: v.Schema, References: v.References, Metadata: v.Metadata, Rules: v.Rules},
	}
	n.hash = n.Source.Hash()
	n.GUID = n.Source.GUID()
	if c.subjects[subject] == nil {
		c.subjects[subject] = map[int]*Version{}
	}
	c.subjects[subject][version] = n
	c.byID[v.ID] = append(c.byID[v.ID], n)
	c.byHash[n.hash] = v.ID
	s.highest[contextOf(subject)] = max(s.highest[contextOf(subject)], v.ID)
	return true
}

// remove forgets a version.
func (s *State) remove(v *Version) {
	c := s.context(contextOf(v.Subject))
	delete(c.subjects[v.Subject], v.Version)
	if len(c.subjects[v.Subject]) == 0 {
		delete(c.subjects, v.Subject)
	}
	c.byID[v.ID] = slices.DeleteFunc(c.byID[v.ID], func(o *Version) bool { return o == v })
	if len(c.byID[v.ID]) == 0 {
		delete(c.byID, v.ID)
		if c.byHash[v.hash] == v.ID {
			delete(c.byHash, v.hash)
		}
	}
}

// versions of a subject in ascending order, soft-deleted ones too.
func (s *State) versions(subject string) []*Version {
	c := s.contexts[contextOf(subject)]
	if c == nil {
		return nil
	}
	all := c.subjects[subject]
	out := make([]*Version, 0, len(all))
	for _, n := range slices.Sorted(maps.Keys(all)) {
		out = append(out, all[n])
	}
	return out
}

// live versions of a subject in ascending order.
func (s *State) live(subject string) []*Version {
	return slices.DeleteFunc(s.versions(subject), func(v *Version) bool { return v.Deleted })
}

// referrers are the live versions that name this one among their references, in the order of their ids.
func (s *State) referrers(v *Version) []*Version {
	var out []*Version
	for _, c := range s.contexts {
		for _, versions := range c.subjects {
			for _, o := range versions {
				if o.Deleted {
					continue
				}
				for _, r := range o.Source.References {
					if r.Version == v.Version && s.referred(o.Subject, r.Subject) == v.Subject {
						out = append(out, o)
						break
					}
				}
			}
		}
	}
	slices.SortFunc(out, func(a, b *Version) int { return a.ID - b.ID })
	return out
}

// referred is the full name of a subject that a schema of another one refers to: without a qualifier it belongs to the
// same context.
func (s *State) referred(from, subject string) string {
	if context, _ := Split(subject); context != DefaultContext || subject != normalSubject(subject) {
		return normalSubject(subject)
	}
	return Qualify(contextOf(from), subject)
}
