package avro

import (
	"slices"
	"strconv"

	"leat.dev/internal/registry/schema/tree"
)

// Equal reports whether two schemas are the same structure: names, fields in order, types, defaults, docs,
// and, whatever their order, aliases and properties. How a default number was typed counts, how it was
// spelled does not.
func (s *Schema) Equal(o *Schema) bool {
	return (&equality{seen: map[[2]*Type]bool{}}).types(s.Root, o.Root)
}

type equality struct{ seen map[[2]*Type]bool }

func (e *equality) types(a, b *Type) bool {
	if a == b {
		return true
	}
	if a.Kind != b.Kind || a.Name != b.Name || a.Size != b.Size || !sameText(a.Doc, b.Doc) || !sameText(a.Default, b.Default) {
		return false
	}
	pair := [2]*Type{a, b}
	if a.Kind.named() {
		if e.seen[pair] {
			return true // being compared further up, or found equal before
		}
		e.seen[pair] = true
	}
	return slices.Equal(a.Symbols, b.Symbols) && sameSet(a.Aliases, b.Aliases) && sameProps(a.Props, b.Props) &&
		slices.EqualFunc(a.Fields, b.Fields, e.fields) && slices.EqualFunc(a.Types, b.Types, e.types) &&
		(a.Items == nil || e.types(a.Items, b.Items))
}

func (e *equality) fields(a, b *Field) bool {
	return a.Name == b.Name && a.Descending == b.Descending && a.Ignore == b.Ignore && sameText(a.Doc, b.Doc) &&
		sameSet(a.Aliases, b.Aliases) && sameProps(a.Props, b.Props) &&
		tree.Equal(a.Default, b.Default, sameNumber) && e.types(a.Type, b.Type)
}

func sameText(a, b *string) bool { return a == b || a != nil && b != nil && *a == *b }

func sameSet[T comparable](a, b []T) bool {
	if len(a) != len(b) {
		return false
	}
	for _, v := range a {
		if !slices.Contains(b, v) {
			return false
		}
	}
	return true
}

func sameProps(a, b []tree.Member) bool {
	return len(a) == len(b) && tree.Equal(tree.NewObject(a...), tree.NewObject(b...), sameNumber)
}

// sameNumber compares as Jackson's nodes do: an integer is never a double.
func sameNumber(a, b string) bool {
	if tree.IsInteger(a) != tree.IsInteger(b) {
		return false
	}
	if tree.IsInteger(a) {
		return a == b
	}
	x, _ := strconv.ParseFloat(a, 64)
	y, _ := strconv.ParseFloat(b, 64)
	return x == y
}
