package jsonschema

import (
	"maps"
	"slices"
	"strconv"

	"leat.dev/internal/registry/schema/source"
	"leat.dev/internal/registry/schema/tree"
)

func (c *comparison) objects(old, upd *node, path *source.Path) {
	order := tree.JavaSetOrder(old.keys, upd.keys)
	required, properties := path.Down("required"), path.Down("properties")
	for _, name := range order {
		c.attribute(old, upd, name, required.Down(name))
	}
	for _, name := range order {
		at := properties.Down(name)
		from, to := old.properties[name], upd.properties[name]
		switch {
		case to == nil:
			c.removed(from, upd, name, at)
		case from == nil:
			c.added(to, old, upd, name, at)
		default:
			c.schemas(from, to, at)
		}
	}
	c.dependencies(old, upd, path)
	c.rest(old, upd, path.Down("additionalProperties"), "ADDITIONAL_PROPERTIES")
	c.limits(old, upd, path, "maxProperties", "MAX_PROPERTIES", "minProperties", "MIN_PROPERTIES")
}

// attribute compares whether a property of both sides is required.
func (c *comparison) attribute(old, upd *node, name string, path *source.Path) {
	from, to := old.properties[name], upd.properties[name]
	switch {
	case from == nil || to == nil || old.required[name] == upd.required[name]:
	case old.required[name]:
		c.add("REQUIRED_ATTRIBUTE_REMOVED", path)
	case to.hasDefault:
		c.add("REQUIRED_ATTRIBUTE_WITH_DEFAULT_ADDED", path)
	default:
		c.add("REQUIRED_ATTRIBUTE_ADDED", path)
	}
}

// isOpen says whether an object or array takes any further member or item.
func (n *node) isOpen() bool { return !n.closed && n.additional == nil && len(n.patterns) == 0 }

// covering is the schema that holds for a property that is not listed; nil if there is none.
func (n *node) covering(name string) *node {
	for _, p := range n.patterns {
		if p.match(name) {
			return p.schema
		}
	}
	return n.additional
}

func (c *comparison) removed(from, upd *node, name string, path *source.Path) {
	if upd.isOpen() {
		c.add("PROPERTY_REMOVED_FROM_OPEN_CONTENT_MODEL", path)
		return
	}
	if cover := upd.covering(name); cover != nil {
		c.covered(from, cover, path, "PROPERTY_REMOVED")
		return
	}
	if from.kind == kindFalse {
		c.add("PROPERTY_WITH_FALSE_REMOVED_FROM_CLOSED_CONTENT_MODEL", path)
		return
	}
	c.add("PROPERTY_REMOVED_FROM_CLOSED_CONTENT_MODEL", path)
}

// covered compares a property or item with the schema that holds where it is not listed.
func (c *comparison) covered(old, upd *node, path *source.Path, stem string) {
	list, ok := c.try(old, upd, path)
	c.list = append(c.list, list...)
	if ok {
		c.add(stem+"_IS_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL", path)
	} else {
		c.add(stem+"_NOT_COVERED_BY_PARTIALLY_OPEN_CONTENT_MODEL", path)
	}
}

func (c *comparison) added(to, old, upd *node, name string, path *source.Path) {
	if old.isOpen() {
		if to.kind == kindEmpty {
			c.add("PROPERTY_WITH_EMPTY_SCHEMA_ADDED_TO_OPEN_CONTENT_MODEL", path)
			return
		}
		if !c.lenient || upd.required[name] && !to.hasDefault {
			c.add(addedToOpen, path)
		}
		return
	}
	if cover := old.covering(name); cover != nil {
		c.covered(cover, to, path, "PROPERTY_ADDED")
	}
	switch {
	case !upd.required[name]:
		c.add("OPTIONAL_PROPERTY_ADDED_TO_UNOPEN_CONTENT_MODEL", path)
	case to.hasDefault:
		c.add("REQUIRED_PROPERTY_WITH_DEFAULT_ADDED_TO_UNOPEN_CONTENT_MODEL", path)
	default:
		c.add("REQUIRED_PROPERTY_ADDED_TO_UNOPEN_CONTENT_MODEL", path)
	}
}

func (c *comparison) dependencies(old, upd *node, path *source.Path) {
	path = path.Down("dependencies")
	for _, name := range tree.JavaSetOrder(keysOf(old.propertyDependencies, old), keysOf(upd.propertyDependencies, upd)) {
		from, had := old.propertyDependencies[name]
		to, has := upd.propertyDependencies[name]
		switch grown, shrunk := !within(to, from), !within(from, to); {
		case !had:
			c.add("DEPENDENCY_ARRAY_ADDED", path.Down(name))
		case !has:
			c.add("DEPENDENCY_ARRAY_REMOVED", path.Down(name))
		case grown && shrunk:
			c.add("DEPENDENCY_ARRAY_CHANGED", path.Down(name))
		case grown:
			c.add("DEPENDENCY_ARRAY_EXTENDED", path.Down(name))
		case shrunk:
			c.add("DEPENDENCY_ARRAY_NARROWED", path.Down(name))
		}
	}
	for _, name := range tree.JavaSetOrder(keysOf(old.schemaDependencies, old), keysOf(upd.schemaDependencies, upd)) {
		from, to := old.schemaDependencies[name], upd.schemaDependencies[name]
		switch {
		case from == nil:
			c.add("DEPENDENCY_SCHEMA_ADDED", path.Down(name))
		case to == nil:
			c.add("DEPENDENCY_SCHEMA_REMOVED", path.Down(name))
		default:
			c.schemas(from, to, path.Down(name))
		}
	}
}

func keysOf[V any](m map[string]V, n *node) []string {
	var keys []string
	for _, name := range n.dependencyOrder {
		if _, ok := m[name]; ok {
			keys = append(keys, name)
		}
	}
	if len(keys) == len(m) {
		return keys
	}
	return slices.Sorted(maps.Keys(m))
}

func within(a, b []string) bool {
	for _, v := range a {
		if !slices.Contains(b, v) {
			return false
		}
	}
	return true
}

// rest compares what is said of further properties or items.
func (c *comparison) rest(old, upd *node, path *source.Path, stem string) {
	switch {
	case old.closed && !upd.closed:
		c.add(stem+"_ADDED", path)
	case !old.closed && upd.closed:
		c.add(stem+"_REMOVED", path)
	case old.additional == nil && upd.additional != nil:
		c.add(stem+"_NARROWED", path)
	case old.additional != nil && upd.additional == nil:
		c.add(stem+"_EXTENDED", path)
	default:
		c.schemas(old.additional, upd.additional, path)
	}
}

func (c *comparison) arrays(old, upd *node, path *source.Path) {
	items := path.Down("items")
	c.schemas(old.allItems, upd.allItems, items)
	for i := range max(len(old.items), len(upd.items)) {
		at := items.Down(strconv.Itoa(i))
		switch {
		case i >= len(upd.items):
			c.itemRemoved(old.items[i], upd, at)
		case i >= len(old.items):
			c.itemAdded(upd.items[i], old, at)
		default:
			c.schemas(old.items[i], upd.items[i], at)
		}
	}
	c.rest(old, upd, path.Down("additionalItems"), "ADDITIONAL_ITEMS")
	c.limits(old, upd, path, "maxItems", "MAX_ITEMS", "minItems", "MIN_ITEMS")
	switch {
	case upd.unique && !old.unique:
		c.add("UNIQUE_ITEMS_ADDED", path.Down("uniqueItems"))
	case old.unique && !upd.unique:
		c.add("UNIQUE_ITEMS_REMOVED", path.Down("uniqueItems"))
	}
}

func (c *comparison) itemRemoved(from, upd *node, path *source.Path) {
	switch {
	case upd.isOpen():
		c.add("ITEM_REMOVED_FROM_OPEN_CONTENT_MODEL", path)
	case upd.additional != nil:
		c.covered(from, upd.additional, path, "ITEM_REMOVED")
	case from.kind == kindFalse:
		c.add("ITEM_WITH_FALSE_REMOVED_FROM_CLOSED_CONTENT_MODEL", path)
	default:
		c.add("ITEM_REMOVED_FROM_CLOSED_CONTENT_MODEL", path)
	}
}

func (c *comparison) itemAdded(to, old *node, path *source.Path) {
	switch {
	case old.isOpen() && to.kind == kindEmpty:
		c.add("ITEM_WITH_EMPTY_SCHEMA_ADDED_TO_OPEN_CONTENT_MODEL", path)
	case old.isOpen():
		c.add("ITEM_ADDED_TO_OPEN_CONTENT_MODEL", path)
	case old.additional != nil:
		c.covered(old.additional, to, path, "ITEM_ADDED")
	default:
		c.add("ITEM_ADDED_TO_CLOSED_CONTENT_MODEL", path)
	}
}
