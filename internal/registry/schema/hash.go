package schema

import (
	"crypto/md5" //nolint:gosec // the identity of a schema in every registry is its MD5
	"encoding/binary"
	"encoding/hex"
	"hash"
	"maps"
	"slices"

	"leat.dev/internal/registry/schema/tree"
)

// Hash is the MD5 that makes two schemas the same one within a context: over the canonical text, references,
// metadata and rule set, but not the type. The layout is that of Confluent's registry: present parts follow
// each other without separators, versions as four bytes, the byte 1 before metadata and before rules.
//
// Of a Source it is the hash of what is written there: right for one that comes from the store, and different
// from the schema's own for a text that is not canonical.
func (s Source) Hash() [16]byte {
	h := hasher{md5.New()} //nolint:gosec // see the import
	h.text(s.Text)
	for _, r := range s.References {
		h.text(r.Name, r.Subject)
		h.Write(binary.BigEndian.AppendUint32(nil, uint32(r.Version))) //nolint:gosec // two's complement, as Java writes an int
	}
	if m := s.Metadata; m != nil {
		h.mark()
		for _, key := range sortedKeys(m.Tags) {
			h.text(key)
			h.text(sortedSet(m.Tags[key])...)
		}
		h.pairs(m.Properties)
		h.text(sortedSet(m.Sensitive)...)
	}
	if rs := s.Rules; rs != nil {
		h.mark()
		for _, list := range [][]Rule{rs.MigrationRules, rs.DomainRules, rs.EncodingRules} {
			for _, r := range list {
				h.rule(r)
			}
		}
		h.text(rs.EnableAt)
	}
	return [16]byte(h.Sum(nil))
}

// GUID is Hash as a lower-case UUID text.
func (s Source) GUID() string {
	sum := s.Hash()
	text := hex.EncodeToString(sum[:])
	return text[:8] + "-" + text[8:12] + "-" + text[12:16] + "-" + text[16:20] + "-" + text[20:]
}

// Hash is the hash of the schema as it will be stored; see Source.Hash.
func (s *Schema) Hash() [16]byte { return s.src.Hash() }

// GUID is Hash as a lower-case UUID text.
func (s *Schema) GUID() string { return s.src.GUID() }

// Source is the schema as it will be stored.
func (s *Schema) Source() Source { return s.src }

type hasher struct{ hash.Hash }

func (h hasher) text(parts ...string) {
	for _, s := range parts {
		h.Write([]byte(s))
	}
}

func (h hasher) mark() { h.Write([]byte{1}) }

func (h hasher) pairs(m map[string]string) {
	for _, key := range sortedKeys(m) {
		h.text(key, m[key])
	}
}

func (h hasher) rule(r Rule) {
	h.text(r.Name, r.Doc, r.Kind, r.Mode, r.Type)
	h.text(sortedSet(r.Tags)...)
	h.pairs(r.Params)
	h.text(r.Expr, r.OnSuccess, r.OnFailure)
	if r.Disabled {
		h.mark()
	}
}

func sortedKeys[V any](m map[string]V) []string {
	return slices.SortedFunc(maps.Keys(m), tree.CompareJava)
}

func sortedSet(list []string) []string {
	list = slices.Clone(list)
	slices.SortFunc(list, tree.CompareJava)
	return slices.Compact(list)
}
