package store

import (
	"leat.dev/internal/registry/schema"
)

// Defaults of the server, used where nothing is set.
const (
	DefaultLevel = schema.Backward
	DefaultMode  = ReadWrite
)

// scopes are the subjects under which settings for a subject are looked for, the narrowest first.
func scopes(subject string) []string {
	context := contextOf(subject)
	list := []string{subject}
	if own := Qualify(context, ""); own != subject {
		list = append(list, own)
	}
	if subject != GlobalSubject {
		list = append(list, GlobalSubject)
	}
	return list
}

// ConfigAt is the config that was set for exactly this subject ("" is the top level), nil if none was.
func (s *State) ConfigAt(subject string) *Config { return s.configs[normalSubject(subject)] }

// ConfigFor is the config that holds for a subject: the narrowest entry as a whole, then the server's default level. A few
// settings that it lacks are those of the top level.
func (s *State) ConfigFor(subject string) Config {
	var c Config
	for _, scope := range scopes(normalSubject(subject)) {
		if found := s.configs[scope]; found != nil {
			c = *found
			break
		}
	}
	if top := s.configs[""]; top != nil {
		orElse(&c.Normalize, top.Normalize)
		orElse(&c.ValidateFields, top.ValidateFields)
		orElse(&c.ValidateNewSchemas, top.ValidateNewSchemas)
		orElse(&c.ValidateRules, top.ValidateRules)
		orElse(&c.Policy, top.Policy)
		orElse(&c.Group, top.Group)
	}
	if c.Level == nil {
		level := DefaultLevel
		c.Level = &level
	}
	return c
}

func orElse[T any](p **T, otherwise *T) {
	if *p == nil {
		*p = otherwise
	}
}

func isTrue(b *bool) bool { return b != nil && *b }

// ModeAt is the mode that was set for exactly this subject.
func (s *State) ModeAt(subject string) (Mode, bool) {
	m, ok := s.modes[normalSubject(subject)]
	return m, ok
}

// ModeFor is the mode that holds for a subject.
func (s *State) ModeFor(subject string) Mode {
	if m, ok := s.modes[""]; ok && m == ReadOnlyOverride {
		return m
	}
	for _, scope := range scopes(normalSubject(subject)) {
		if m, ok := s.modes[scope]; ok {
			return m
		}
	}
	return DefaultMode
}

// where is a subject's context as messages name it: qualified, and nothing for the default one.
func where(subject string) string { return Qualify(contextOf(subject), "") }

// mayWrite refuses when the mode of a subject keeps it as it is.
func (s *State) mayWrite(subject string) *Error {
	if m := s.ModeFor(subject); m == ReadOnly || m == ReadOnlyOverride {
		return refuse(CodeNotPermitted, "Subject %s in context %s is in read-only mode", subject, where(subject))
	}
	return nil
}

// SetConfig gives the records that set the config of a subject, "" for the top level. The config is the whole one, merged
// by the caller.
func (s *State) SetConfig(subject string, c Config) ([]Record, *Error) {
	subject = normalSubject(subject)
	if err := s.maySet(subject); err != nil {
		return nil, err
	}
	if err := s.mayWrite(subject); err != nil {
		return nil, err
	}
	if subject != "" {
		c.Subject = &subject
	}
	return append(s.newContext(subject), Record{scopeKey(keyConfig, subject), Encode(c)}), nil
}

// maySet refuses subjects that settings cannot be for.
func (s *State) maySet(subject string) *Error {
	if subject == "" || subject == GlobalSubject {
		return nil
	}
	return checkSubject(subject)
}

// DeleteConfig gives the records that clear the config of a subject.
func (s *State) DeleteConfig(subject string) ([]Record, *Error) {
	subject = normalSubject(subject)
	if subject != "" && s.configs[subject] == nil {
		return nil, subjectNotFound(subject)
	}
	if err := s.mayWrite(subject); err != nil {
		return nil, err
	}
	return []Record{{scopeKey(keyConfig, subject), nil}}, nil
}

// SetMode gives the records that set the mode of a subject, "" for the top level. IMPORT needs a place without live
// subjects, or force; soft-deleted ones are forgotten then.
func (s *State) SetMode(subject string, m Mode, force bool) ([]Record, *Error) {
	subject = normalSubject(subject)
	if err := s.maySet(subject); err != nil {
		return nil, err
	}
	if m == Forward && subject != "" {
		return nil, refuse(CodeInvalidMode, "Forward mode only supported on global level")
	}
	records := s.newContext(subject)
	if m == Import && s.ModeFor(subject) != Import {
		for _, in := range s.inScope(subject) {
			if len(s.live(in)) > 0 && !force {
				return nil, refuse(CodeNotPermitted, "Cannot import since found existing subjects")
			}
			for _, v := range s.versions(in) {
				if v.Deleted {
					records = append(records, v.tombstone())
				}
			}
		}
	}
	v := modeValue{Mode: m}
	if subject != "" {
		v.Subject = &subject
	}
	return append(records, Record{scopeKey(keyMode, subject), Encode(v)}), nil
}

// inScope are the subjects that a setting for a subject is about: itself, or all of its context, or all.
func (s *State) inScope(subject string) []string {
	context, name := Split(subject)
	if name != "" {
		return []string{subject}
	}
	if context == globalContext {
		return s.names(func(string) bool { return true })
	}
	return s.names(func(n string) bool { return contextOf(n) == context })
}

// DeleteMode gives the records that clear the mode of a subject; recursive also those of the subjects below it.
func (s *State) DeleteMode(subject string, recursive bool) ([]Record, *Error) {
	subject = normalSubject(subject)
	_, set := s.modes[subject]
	if subject != "" && !set {
		return nil, subjectNotFound(subject)
	}
	records := []Record{{scopeKey(keyMode, subject), nil}}
	if recursive {
		for _, in := range s.inScope(subject) {
			if _, ok := s.modes[in]; ok && in != subject {
				records = append(records, Record{scopeKey(keyMode, in), nil})
			}
		}
	}
	return records, nil
}

// newContext is the record that makes a subject's context known, if it is not.
func (s *State) newContext(subject string) []Record {
	context := contextOf(subject)
	if context == DefaultContext || context == globalContext || s.contexts[context] != nil {
		return nil
	}
	return []Record{{Encode(key{Type: keyContext, Tenant: "default", Context: context}), Encode(contextValue{"default", context})}}
}
