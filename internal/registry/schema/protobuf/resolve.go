package protobuf

import (
	"strings"

	"leat.dev/internal/registry/schema/source"
)

// A typeInfo is what is known of a named type: its definition if a file of ours has it.
type typeInfo struct {
	full    string // without leading dot
	local   string // the full name without the package
	message *message
	enum    *enum
	known   bool // of a file that is built in
	foreign bool // of a referenced file
}

func (t *typeInfo) isEnum() bool { return t.message == nil && (t.enum != nil || !knownTypes[t.full]) }

// A universe holds every named type that a file can use, by full name.
type universe map[string]*typeInfo

func newUniverse(f *file, dependencies []*file) (universe, error) {
	u := universe{}
	for _, d := range dependencies {
		u.file(d, true)
	}
	u.file(f, false)
	for full := range u {
		if len(full) > source.NameBytesMax {
			return nil, source.Errorf("name of a type of %d bytes is longer than the limit of %d", len(full), source.NameBytesMax)
		}
	}
	return u, nil
}

func (u universe) file(f *file, foreign bool) {
	prefix := ""
	if len(f.pkg) > source.NameBytesMax {
		u[f.pkg] = &typeInfo{} // too long for anything to follow: newUniverse refuses it
		return
	}
	if f.pkg != "" {
		prefix = f.pkg + "."
	}
	u.types(f.messages, f.enums, nil, prefix, len(prefix), foreign)
}

func (u universe) types(messages []*message, enums []*enum, groups []*group, prefix string, pkg int, foreign bool) {
	for _, e := range enums {
		full := prefix + e.name
		u[full] = &typeInfo{full: full, local: full[pkg:], enum: e, foreign: foreign}
	}
	for _, g := range groups {
		full := prefix + g.name
		u[full] = &typeInfo{full: full, local: full[pkg:], message: &message{name: g.name, fields: g.fields}, foreign: foreign}
	}
	for _, m := range messages {
		full := prefix + m.name
		u[full] = &typeInfo{full: full, local: full[pkg:], message: m, foreign: foreign}
		if len(full) > source.NameBytesMax {
			continue
		}
		u.types(m.messages, m.enums, m.groups, full+".", pkg, foreign)
	}
}

// find looks a type up as the language has it: a leading dot is absolute, otherwise the innermost scope that
// has the name wins. Nil means there is no such type.
func (u universe) find(name, scope string) *typeInfo {
	if absolute, ok := strings.CutPrefix(name, "."); ok {
		return u.get(absolute)
	}
	for {
		full := name
		if scope != "" {
			full = scope + "." + name
		}
		if t := u.get(full); t != nil {
			return t
		}
		if scope == "" {
			return nil
		}
		scope = scope[:max(strings.LastIndexByte(scope, '.'), 0)]
	}
}

func (u universe) get(full string) *typeInfo {
	if t := u[full]; t != nil {
		return t
	}
	if _, ok := knownTypes[full]; ok {
		local := full[strings.LastIndexByte(full, '.')+1:]
		for _, pkg := range []string{"google.protobuf.", "google.type.", "confluent.type.", "confluent."} {
			if rest, ok := strings.CutPrefix(full, pkg); ok {
				local = rest
				break
			}
		}
		return &typeInfo{full: full, local: local, known: true}
	}
	return nil
}

// resolve is find with the error of an unknown type.
func (u universe) resolve(name, scope string) (*typeInfo, error) {
	if t := u.find(name, scope); t != nil {
		return t, nil
	}
	return nil, source.Invalidf("Could not resolve type: %s", name)
}
