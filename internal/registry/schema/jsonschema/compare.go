package jsonschema

import (
	"math/big"

	"leat.dev/internal/registry/schema/source"
	"leat.dev/internal/registry/schema/tree"
)

// Compare lists the differences that make data of old invalid under new; none means new can read it. Lenient
// is Confluent's policy of that name.
func Compare(newer, older *Schema, isLenient bool) []Difference {
	c := &comparison{lenient: isLenient, steps: new(int), open: map[*node]bool{}}
	c.schemas(older.node, newer.node, "#")
	if *c.steps > source.CompareMax {
		return []Difference{{Type: tooLarge, Path: "#/"}}
	}
	var out []Difference
	for _, d := range c.list {
		if !d.allowed(isLenient) {
			out = append(out, d)
		}
	}
	return out
}

// A comparison collects differences. Sub-comparisons try something and may be thrown away; they share steps
// and the schemas that are being compared further up.
type comparison struct {
	lenient bool
	list    []Difference
	steps   *int
	open    map[*node]bool // old schemas being compared further up: a recursion counts as equal
}

func (c *comparison) add(typ, path string) {
	if path == "#" {
		path = "#/"
	}
	c.list = append(c.list, Difference{Type: typ, Path: path})
}

// try compares apart. The second result says whether all it found is compatible.
func (c *comparison) try(old, upd *node, path string) ([]Difference, bool) {
	sub := &comparison{lenient: c.lenient, steps: c.steps, open: c.open}
	sub.schemas(old, upd, path)
	for _, d := range sub.list {
		if !d.allowed(c.lenient) {
			return sub.list, false
		}
	}
	return sub.list, true
}

// target follows one reference; a reference to a reference stays one, as upstream has it.
func target(n *node) *node {
	if n.kind == kindReference && n.target != nil {
		return n.target
	}
	return n
}

func (c *comparison) schemas(old, upd *node, path string) {
	if *c.steps++; *c.steps > source.CompareMax {
		return
	}
	switch {
	case old == nil && upd == nil:
		return
	case old == nil:
		c.add("SCHEMA_ADDED", path)
		return
	case upd == nil:
		c.add("SCHEMA_REMOVED", path)
		return
	}
	old, upd = target(old), target(upd)
	if c.single(old, upd, path) {
		return
	}
	if old.kind != upd.kind {
		if old.kind != kindFalse && upd.kind != kindEmpty && !(old.bytes && upd.bytes) {
			c.add("TYPE_CHANGED", path)
		}
		return
	}
	if c.open[old] {
		return
	}
	c.open[old] = true
	defer delete(c.open, old)
	switch old.kind {
	case kindString:
		c.limits(old, upd, path, "maxLength", "MAX_LENGTH", "minLength", "MIN_LENGTH")
		c.pattern(old, upd, path)
	case kindNumber:
		c.numbers(old, upd, path)
	case kindObject:
		c.objects(old, upd, path)
	case kindArray:
		c.arrays(old, upd, path)
	case kindEnum:
		c.enums(old, upd, path+"/enum")
	case kindConst:
		if old.value != upd.value {
			c.add("ENUM_ARRAY_CHANGED", path+"/const")
		}
	case kindCombined:
		c.combinations(old, upd, path)
	case kindNot:
		// What is forbidden may only shrink.
		if _, ok := c.try(upd.branches[0], old.branches[0], path+"/not"); ok {
			c.add("NOT_TYPE_NARROWED", path+"/not")
		} else {
			c.add("NOT_TYPE_EXTENDED", path+"/not")
		}
	}
}

// single compares a combined schema with a plain one; it reports whether that settled the matter.
func (c *comparison) single(old, upd *node, path string) bool {
	if old.kind != kindCombined && upd.kind == kindCombined {
		if len(upd.branches) == 1 {
			if list, ok := c.try(old, upd.branches[0], path); ok {
				c.list = append(c.list, list...)
				return true
			}
		} else if upd.criterion != allOf {
			for _, branch := range upd.branches {
				if list, ok := c.try(old, branch, path); ok {
					c.list = append(c.list, list...)
					c.add("SUM_TYPE_EXTENDED", path)
					return true
				}
			}
		}
	}
	if old.kind == kindCombined && upd.kind != kindCombined {
		if len(old.branches) == 1 {
			if list, ok := c.try(old.branches[0], upd, path); ok {
				c.list = append(c.list, list...)
				return true
			}
		} else if old.criterion == allOf {
			for _, branch := range old.branches {
				if list, ok := c.try(branch, upd, path); ok {
					c.list = append(c.list, list...)
					c.add("PRODUCT_TYPE_NARROWED", path)
					return true
				}
			}
		}
	}
	return false
}

// bound compares two limits and names the change: the stem with _ADDED, _REMOVED, _INCREASED or _DECREASED.
func (c *comparison) bound(old, upd *string, path, stem string) {
	switch {
	case old == nil && upd == nil:
	case old == nil:
		c.add(stem+"_ADDED", path)
	case upd == nil:
		c.add(stem+"_REMOVED", path)
	default:
		switch tree.CompareNumbers(*old, *upd) {
		case -1:
			c.add(stem+"_INCREASED", path)
		case 1:
			c.add(stem+"_DECREASED", path)
		}
	}
}

func (c *comparison) limits(old, upd *node, path, maxKey, maxStem, minKey, minStem string) {
	c.bound(old.maximum, upd.maximum, path+"/"+maxKey, maxStem)
	c.bound(old.minimum, upd.minimum, path+"/"+minKey, minStem)
}

func (c *comparison) pattern(old, upd *node, path string) {
	path += "/pattern"
	switch {
	case old.pattern == nil && upd.pattern == nil:
	case old.pattern == nil:
		c.add("PATTERN_ADDED", path)
	case upd.pattern == nil:
		c.add("PATTERN_REMOVED", path)
	case *old.pattern != *upd.pattern:
		c.add("PATTERN_CHANGED", path)
	}
}

func (c *comparison) numbers(old, upd *node, path string) {
	c.limits(old, upd, path, "maximum", "MAXIMUM", "minimum", "MINIMUM")
	c.bound(old.exclusiveMaximum, upd.exclusiveMaximum, path+"/exclusiveMaximum", "EXCLUSIVE_MAXIMUM")
	c.bound(old.exclusiveMinimum, upd.exclusiveMinimum, path+"/exclusiveMinimum", "EXCLUSIVE_MINIMUM")
	at := path + "/multipleOf"
	switch {
	case old.multipleOf == nil && upd.multipleOf == nil:
	case old.multipleOf == nil:
		c.add("MULTIPLE_OF_ADDED", at)
	case upd.multipleOf == nil:
		c.add("MULTIPLE_OF_REMOVED", at)
	case tree.CompareNumbers(*old.multipleOf, *upd.multipleOf) == 0:
	case divides(*old.multipleOf, *upd.multipleOf):
		c.add("MULTIPLE_OF_EXPANDED", at)
	case divides(*upd.multipleOf, *old.multipleOf):
		c.add("MULTIPLE_OF_REDUCED", at)
	default:
		c.add("MULTIPLE_OF_CHANGED", at)
	}
	switch {
	case old.integer && !upd.integer:
		c.add("TYPE_EXTENDED", path)
	case upd.integer && !old.integer:
		c.add("TYPE_NARROWED", path)
	}
}

// divides reports whether b is a whole multiple of a.
func divides(a, b string) bool {
	x, okX := tree.Rational(a)
	y, okY := tree.Rational(b)
	return okX && okY && x.Sign() != 0 && new(big.Rat).Quo(y, x).IsInt()
}

func (c *comparison) enums(old, upd *node, path string) {
	switch grown, shrunk := !subset(upd.values, old.values), !subset(old.values, upd.values); {
	case grown && shrunk:
		c.add("ENUM_ARRAY_CHANGED", path)
	case grown:
		c.add("ENUM_ARRAY_EXTENDED", path)
	case shrunk:
		c.add("ENUM_ARRAY_NARROWED", path)
	}
}

func subset(a, b map[string]bool) bool {
	for v := range a {
		if !b[v] {
			return false
		}
	}
	return true
}
