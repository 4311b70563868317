package avro

import (
	"math"
	"strconv"

	"leat.dev/internal/registry/schema/tree"
)

// validDefault says whether a JSON value is a default of the type. A union's default may be of any branch, as
// Avro 1.12 has it. Missing members of a record are filled by their own defaults.
func validDefault(t *Type, n *tree.Node, top bool) bool {
	switch t.Kind {
	case String, Bytes, Fixed:
		return n.Kind == tree.String
	case Enum:
		return n.Kind == tree.String
	case Int:
		_, err := parseInt32(n.Text)
		return n.Kind == tree.Number && err == nil
	case Long:
		_, err := strconv.ParseInt(n.Text, 10, 64)
		return n.Kind == tree.Number && err == nil
	case Float, Double:
		return n.Kind == tree.Number
	case Boolean:
		return n.Kind == tree.Bool
	case Null:
		return n.Kind == tree.Null
	case Array:
		if n.Kind != tree.Array {
			return false
		}
		for _, item := range n.Items {
			if !validDefault(t.Items, item, false) {
				return false
			}
		}
		return true
	case Map:
		if n.Kind != tree.Object {
			return false
		}
		for _, m := range n.Members {
			if !validDefault(t.Items, m.Value, false) {
				return false
			}
		}
		return true
	case Union:
		for _, branch := range t.Types {
			if validDefault(branch, n, top) {
				return true
			}
		}
		return false
	}
	return validRecord(t, n)
}

func validRecord(t *Type, n *tree.Node) bool {
	if n.Kind != tree.Object {
		return false
	}
	for _, f := range t.Fields {
		v := n.Get(f.Name)
		if v == nil {
			v = f.Default
			if v == nil {
				return false
			}
			// The field's own default was checked where the field stands; following it here could
			// go round a recursive type for ever.
			continue
		}
		if !validDefault(f.Type, v, false) {
			return false
		}
	}
	return true
}

// typedDefault is the default as a value of its type: 1 becomes 1.0 for a double. It is nil for what Java's
// reader of defaults turns into nothing; to it a union is its first branch.
func typedDefault(t *Type, n *tree.Node) *tree.Node {
	for t != nil && t.Kind == Union && len(t.Types) > 0 {
		t = t.Types[0]
	}
	switch n.Kind {
	case tree.Number:
		return typedNumber(t, n)
	case tree.String:
		if t == nil || t.Kind == String || t.Kind == Enum || t.Kind == Bytes || t.Kind == Fixed {
			return n
		}
		return nil
	case tree.Array:
		out := &tree.Node{Kind: tree.Array}
		var items *Type
		if t != nil && t.Kind == Array {
			items = t.Items
		}
		for _, item := range n.Items {
			out.Items = append(out.Items, orNull(typedDefault(items, item)))
		}
		return out
	case tree.Object:
		members := make([]tree.Member, 0, len(n.Members))
		for _, m := range n.Members {
			var inner *Type
			if t != nil && t.Kind == Map {
				inner = t.Items
			} else if t != nil && t.Kind == Record && t.field(m.Key) != nil {
				inner = t.field(m.Key).Type
			}
			members = append(members, tree.Member{Key: m.Key, Value: orNull(typedDefault(inner, m.Value))})
		}
		return tree.NewObject(members...).Sorted()
	}
	return n
}

func orNull(n *tree.Node) *tree.Node {
	if n == nil {
		return &tree.Node{Kind: tree.Null}
	}
	return n
}

func typedNumber(t *Type, n *tree.Node) *tree.Node {
	isInt := tree.IsInteger(n.Text)
	if isInt {
		if _, err := strconv.ParseInt(n.Text, 10, 64); err != nil {
			return nil // a BigInteger is no value of any Avro type
		}
	}
	kind := Null
	if t != nil {
		kind = t.Kind
	}
	v, _ := strconv.ParseFloat(n.Text, 64)
	switch {
	case kind == Float && !math.IsInf(float64(float32(v)), 0):
		return &tree.Node{Kind: tree.Number, Text: tree.JavaFloat(float32(v))}
	case kind == Double && isInt:
		return &tree.Node{Kind: tree.Number, Text: tree.JavaDouble(v)}
	case t == nil, kind == Double, isInt && (kind == Int || kind == Long):
		return n
	}
	return nil
}
