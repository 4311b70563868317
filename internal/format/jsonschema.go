package format

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"leat.dev/internal/registry/schema"
	"leat.dev/internal/registry/schema/tree"
	"leat.dev/internal/row"
)

// jsonConnect makes a Connect schema of a registered JSON Schema, as Confluent's converter does.
type jsonConnect struct {
	root  *tree.Node
	named map[string]*tree.Node // referenced documents by the name they are referred to
	open  map[*tree.Node]bool   // schemas around the place that is looked at
	seen  int                   // schemas looked at so far
}

var (
	errJSONRecursive = errors.New("the JSON schema is recursive, which a row cannot be")
	errJSONUntyped   = errors.New("a JSON schema without a type has no place in a row")
)

func parseJSONSchema(src schema.Source) (*wireType, error) {
	if src.Type != schema.JSON {
		return nil, fmt.Errorf("it is a schema of type %s, not JSON", src.Type)
	}
	c := &jsonConnect{named: map[string]*tree.Node{}, open: map[*tree.Node]bool{}}
	for _, d := range src.Dependencies {
		n, _, err := tree.Parse(d.Text)
		if err != nil {
			return nil, fmt.Errorf("reference %s: %w", d.Name, err)
		}
		c.named[d.Name] = n
	}
	n, _, err := tree.Parse(src.Text)
	if err != nil {
		return nil, err
	}
	c.root = n
	return c.typ(n, n)
}

// typ makes the schema of n, which stands in the document root.
func (c *jsonConnect) typ(n, root *tree.Node) (*wireType, error) {
	if c.open[n] {
		return nil, errJSONRecursive
	}
	if c.seen++; c.seen > maxInferred {
		return nil, errInferred
	}
	c.open[n] = true
	defer delete(c.open, n)
	if ref := n.Get("$ref"); ref.Is(tree.String) {
		target, doc, err := c.follow(ref.Text, root)
		if err != nil {
			return nil, err
		}
		return c.typ(target, doc)
	}
	for _, key := range []string{"oneOf", "anyOf", "allOf"} {
		if list := n.Get(key); list.Is(tree.Array) {
			return c.combined(key, list.Items, root)
		}
	}
	if n.Has("enum") || n.Has("const") {
		return &wireType{kind: wireString}, nil
	}
	switch t := n.Get("type"); {
	case t.Is(tree.Array):
		return c.typeList(n, t.Items, root)
	case t.Is(tree.String):
		return c.ofName(n, t.Text, root)
	case n.Has("properties"):
		return c.ofName(n, "object", root)
	}
	return nil, errJSONUntyped
}

// follow finds what a reference names: a place in this document, or a referenced document, or a place in that.
func (c *jsonConnect) follow(ref string, root *tree.Node) (n, doc *tree.Node, err error) {
	name, pointer, _ := strings.Cut(ref, "#")
	doc = root
	if name != "" {
		if doc = c.named[name]; doc == nil {
			return nil, nil, fmt.Errorf("the JSON schema refers to %q, which is not among its references", ref)
		}
	}
	n = doc
	for _, step := range strings.Split(strings.Trim(pointer, "/"), "/") {
		if step == "" {
			continue
		}
		step = strings.ReplaceAll(strings.ReplaceAll(step, "~1", "/"), "~0", "~")
		if i, e := strconv.Atoi(step); n.Is(tree.Array) && e == nil && i >= 0 && i < len(n.Items) {
			n = n.Items[i]
		} else if n = n.Get(step); n == nil {
			return nil, nil, fmt.Errorf("the JSON schema refers to %q, which is not there", ref)
		}
	}
	return n, doc, nil
}

func isNullSchema(n *tree.Node) bool {
	t := n.Get("type")
	return t.Is(tree.String) && t.Text == "null"
}

func (c *jsonConnect) combined(key string, list []*tree.Node, root *tree.Node) (*wireType, error) {
	var rest []*tree.Node
	for _, n := range list {
		if !isNullSchema(n) {
			rest = append(rest, n)
		}
	}
	optional := len(rest) < len(list)
	if key == "allOf" {
		return c.merged(rest, root)
	}
	if len(rest) == 1 {
		return optionally(c.typ(rest[0], root))(optional)
	}
	out := &wireType{kind: wireStruct, optional: optional, oneOf: true}
	for i, n := range rest {
		t, err := c.typ(n, root)
		if err != nil {
			return nil, err
		}
		branch := *t
		branch.optional = true
		out.fields = append(out.fields, wireField{fmt.Sprintf("io.confluent.connect.json.OneOf.field.%d", i), &branch})
	}
	return out, nil
}

// optionally gives a copy of a type that NULL belongs to as well.
func optionally(t *wireType, err error) func(bool) (*wireType, error) {
	return func(optional bool) (*wireType, error) {
		if err != nil || !optional {
			return t, err
		}
		c := *t
		c.optional = true
		return &c, nil
	}
}

// merged is the struct of all objects' properties.
func (c *jsonConnect) merged(list []*tree.Node, root *tree.Node) (*wireType, error) {
	out := &wireType{kind: wireStruct}
	for _, n := range list {
		t, err := c.typ(n, root)
		if errors.Is(err, errJSONUntyped) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if t.kind != wireStruct {
			return t, nil
		}
		out.fields = append(out.fields, t.fields...)
	}
	return out, nil
}

func (c *jsonConnect) typeList(n *tree.Node, list []*tree.Node, root *tree.Node) (*wireType, error) {
	var names []string
	optional := false
	for _, t := range list {
		if t.Text == "null" {
			optional = true
		} else {
			names = append(names, t.Text)
		}
	}
	if len(names) == 1 {
		return optionally(c.ofName(n, names[0], root))(optional)
	}
	out := &wireType{kind: wireStruct, optional: optional, oneOf: true}
	for i, name := range names {
		t, err := optionally(c.ofName(n, name, root))(true)
		if err != nil {
			return nil, err
		}
		out.fields = append(out.fields, wireField{fmt.Sprintf("io.confluent.connect.json.OneOf.field.%d", i), t})
	}
	return out, nil
}

func text(n *tree.Node, key string) string {
	if v := n.Get(key); v.Is(tree.String) {
		return v.Text
	}
	return ""
}

// ofName is the schema of one JSON type.
func (c *jsonConnect) ofName(n *tree.Node, name string, root *tree.Node) (*wireType, error) {
	connectType := text(n, "connect.type")
	out := &wireType{logical: logicalKind(text(n, "title"))}
	switch name {
	case "boolean":
		out.kind = wireBoolean
	case "integer":
		out.kind = wireInt64
		switch connectType {
		case "int8":
			out.kind = wireInt8
		case "int16":
			out.kind = wireInt16
		case "int32":
			out.kind = wireInt32
		}
	case "number":
		switch {
		case text(n, "title") == connectDecimal:
			parameters := n.Get("connect.parameters")
			out.kind = wireDecimal
			out.precision, out.scale = intOr(text(parameters, "connect.decimal.precision"), defaultPrecision), intOr(text(parameters, "scale"), 0)
		case connectType == "float32":
			out.kind = wireFloat32
		default:
			out.kind = wireFloat64
		}
	case "string":
		if out.kind = wireString; connectType == "bytes" {
			out.kind = wireBytes
		}
	case "array":
		return c.array(n, connectType, root)
	case "object":
		return c.object(n, connectType, root)
	case "null":
		return nil, errJSONUntyped
	default:
		return nil, fmt.Errorf("the JSON schema has the unknown type %q", name)
	}
	return out, nil
}

func (c *jsonConnect) array(n *tree.Node, connectType string, root *tree.Node) (*wireType, error) {
	items := n.Get("items")
	if !items.Is(tree.Object) {
		return nil, errJSONUntyped
	}
	elem, err := c.typ(items, root)
	if err != nil {
		return nil, err
	}
	if connectType != "map" {
		return &wireType{kind: wireArray, elem: elem}, nil
	}
	out := &wireType{kind: wireMap}
	for _, f := range elem.fields {
		switch f.name {
		case "key":
			out.key = f.typ
		case "value":
			out.elem = f.typ
		}
	}
	if out.key == nil || out.elem == nil {
		return nil, errors.New("a JSON schema of a map needs items with the properties key and value")
	}
	return out, nil
}

func (c *jsonConnect) object(n *tree.Node, connectType string, root *tree.Node) (*wireType, error) {
	if connectType == "map" {
		rest := n.Get("additionalProperties")
		if !rest.Is(tree.Object) {
			return nil, errors.New("a JSON schema of a map needs additionalProperties")
		}
		elem, err := c.typ(rest, root)
		return &wireType{kind: wireMap, key: &wireType{kind: wireString}, elem: elem}, err
	}
	out := &wireType{kind: wireStruct}
	properties := n.Get("properties")
	if !properties.Is(tree.Object) {
		return out, nil
	}
	placed := map[int]wireField{}
	keys := make([]string, len(properties.Members))
	for i, m := range properties.Members {
		keys[i] = m.Key
	}
	for _, k := range row.JavaHashOrder(keys, 16) {
		p := properties.Members[k].Value
		t, err := c.typ(p, root)
		if errors.Is(err, errJSONUntyped) || errors.Is(err, errJSONRecursive) {
			continue // a property that no column can have
		}
		if err != nil {
			return nil, fmt.Errorf("property %s: %w", keys[k], err)
		}
		place := len(placed)
		if index := p.Get("connect.index"); index.Is(tree.Number) {
			place = int(intOr(index.Text, int32(place))) //nolint:gosec // bounded by the schema's size
		}
		placed[place] = wireField{keys[k], t} // the same index twice: the later property replaces the earlier
	}
	places := make([]int, 0, len(placed))
	for p := range placed {
		places = append(places, p)
	}
	slices.Sort(places)
	for _, p := range places {
		out.fields = append(out.fields, placed[p])
	}
	return out, nil
}

// InferJSON gives the columns that data of a registered JSON Schema has.
func InferJSON(src schema.Source, o Inference) ([]row.Column, error) {
	t, err := parseJSONSchema(src)
	if err != nil {
		return nil, err
	}
	return o.columns(t.sql(o))
}

// DeriveJSON gives the JSON Schema that rows of these columns are registered and written with.
func DeriveJSON(side Side) (string, error) {
	if err := checkJSON(side.Columns); err != nil {
		return "", err
	}
	if side.Unwrap {
		if len(side.Columns) != 1 {
			return "", errNoBare
		}
		return string(append(appendOneOf(nil, -1, side.Columns[0].Type), '}')), nil
	}
	return string(appendJSONSchema(nil, asStruct(side.Columns))), nil
}

// appendOneOf begins a schema that NULL belongs to as well; an index is the property's place.
func appendOneOf(dst []byte, index int, t *row.Type) []byte {
	dst = append(dst, '{')
	if index >= 0 {
		dst = append(strconv.AppendInt(append(dst, `"connect.index":`...), int64(index), 10), ',')
	}
	dst = append(dst, `"oneOf":[{"type":"null"},`...)
	return append(appendJSONSchema(dst, t), ']')
}

func appendJSONSchema(dst []byte, t *row.Type) []byte {
	switch t.Kind() {
	case row.Boolean:
		return append(dst, `{"type":"boolean"}`...)
	case row.Integer:
		return append(dst, `{"type":"integer","connect.type":"int32"}`...)
	case row.Bigint:
		return append(dst, `{"type":"integer","connect.type":"int64"}`...)
	case row.Double:
		return append(dst, `{"type":"number","connect.type":"float64"}`...)
	case row.Bytes:
		return append(dst, `{"type":"string","connect.type":"bytes"}`...)
	case row.Decimal:
		return fmt.Appendf(dst, `{"type":"number","title":"%s","connect.version":1,"connect.type":"bytes","connect.parameters":{"scale":"%d","connect.decimal.precision":"%d"}}`, connectDecimal, t.Scale(), t.Precision())
	case row.Date:
		return fmt.Appendf(dst, `{"type":"integer","title":"%s","connect.version":1,"connect.type":"int32"}`, connectDate)
	case row.Time:
		return fmt.Appendf(dst, `{"type":"integer","title":"%s","connect.version":1,"connect.type":"int32"}`, connectTime)
	case row.Timestamp:
		return fmt.Appendf(dst, `{"type":"integer","title":"%s","connect.version":1,"connect.type":"int64"}`, connectTimestamp)
	case row.Array:
		dst = append(dst, `{"type":"array","items":`...)
		return append(appendOneOf(dst, -1, t.Elem()), "}}"...)
	case row.Map:
		dst = append(dst, `{"type":"array","connect.type":"map","items":{"type":"object","properties":{"key":`...)
		dst = append(appendOneOf(dst, 0, t.Key()), `},"value":`...)
		return append(appendOneOf(dst, 1, t.Elem()), "}}}}"...)
	case row.Struct:
		dst = append(dst, `{"type":"object","properties":{`...)
		for i, f := range t.Fields() {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(appendOneOf(append(appendJSONString(dst, f.Name), ':'), i, f.Type), '}')
		}
		return append(dst, "}}"...)
	default:
		return append(dst, `{"type":"string"}`...)
	}
}
