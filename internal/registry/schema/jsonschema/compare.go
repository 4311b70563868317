package jsonschema

import (
	"math/big"

	"leat.dev/internal/registry/schema/source"
	"leat.dev/internal/registry/schema/tree"
)

// Compare lists the differences that make data of old invalid under new; none means new can read it. Lenient
// is Confluent's policy of that name.
func Compare(newer, older *Schema, isLenient bool) []Difference {
	c := &comparison{&budget{lenient: isLenient, open: map[*node]bool{}, trying: map[[2]*node]bool{}}, nil}
	c.schemas(older.node, newer.node, nil)
	if c.over {
		return []Difference{{Type: tooLarge}}
	}
	return c.list
}

// A comparison collects the differences that count. Sub-comparisons try something and may be thrown away; they
// share the rest.
type comparison struct {
	*budget
	list []Difference
}

type budget struct {
	lenient bool
	steps   int
	depth   int
	over    bool              // a limit was met: the result is worthless
	open    map[*node]bool    // old schemas being compared further up: a recursion counts as equal
	trying  map[[2]*node]bool // combined and plain schemas being compared further up: not tried again
}

func (c *comparison) add(typ string, path *source.Path) {
	if !compatible[typ] && !(c.lenient && lenient[typ]) {
		c.list = append(c.list, Difference{typ, path})
	}
}

// try compares apart and says whether new can read old.
func (c *comparison) try(old, upd *node, path *source.Path) ([]Difference, bool) {
	sub := &comparison{budget: c.budget}
	sub.schemas(old, upd, path)
	return sub.list, len(sub.list) == 0
}

// target follows one reference; a reference to a reference stays one, as upstream has it.
func target(n *node) *node {
	if n.kind == kindReference && n.target != nil {
		return n.target
	}
	return n
}

func (c *comparison) schemas(old, upd *node, path *source.Path) {
	c.steps++
	if c.over = c.over || c.steps > source.CompareMax || c.depth > source.CompareDepthMax; c.over {
		return
	}
	c.depth++
	defer func() { c.depth-- }()
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
		c.enums(old, upd, path.Down("enum"))
	case kindConst:
		if old.value != upd.value {
			c.add("ENUM_ARRAY_CHANGED", path.Down("const"))
		}
	case kindCombined:
		c.combinations(old, upd, path)
	case kindNot:
		// What is forbidden may only shrink.
		if _, ok := c.try(upd.branches[0], old.branches[0], path.Down("not")); ok {
			c.add("NOT_TYPE_NARROWED", path.Down("not"))
		} else {
			c.add("NOT_TYPE_EXTENDED", path.Down("not"))
		}
	}
}

// single compares a combined schema with a plain one; it reports whether that settled the matter.
func (c *comparison) single(old, upd *node, path *source.Path) bool {
	pair := [2]*node{old, upd}
	if (old.kind == kindCombined) == (upd.kind == kindCombined) || c.trying[pair] {
		return false
	}
	c.trying[pair] = true
	defer delete(c.trying, pair)
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
func (c *comparison) bound(old, upd *string, path *source.Path, stem string) {
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

func (c *comparison) limits(old, upd *node, path *source.Path, maxKey, maxStem, minKey, minStem string) {
	c.bound(old.maximum, upd.maximum, path.Down(maxKey), maxStem)
	c.bound(old.minimum, upd.minimum, path.Down(minKey), minStem)
}

func (c *comparison) pattern(old, upd *node, path *source.Path) {
	path = path.Down("pattern")
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

func (c *comparison) numbers(old, upd *node, path *source.Path) {
	c.limits(old, upd, path, "maximum", "MAXIMUM", "minimum", "MINIMUM")
	c.bound(old.exclusiveMaximum, upd.exclusiveMaximum, path.Down("exclusiveMaximum"), "EXCLUSIVE_MAXIMUM")
	c.bound(old.exclusiveMinimum, upd.exclusiveMinimum, path.Down("exclusiveMinimum"), "EXCLUSIVE_MINIMUM")
	at := path.Down("multipleOf")
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

func (c *comparison) enums(old, upd *node, path *source.Path) {
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
