package jsonschema

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"leat.dev/internal/registry/schema/source"
	"leat.dev/internal/registry/schema/tree"
)

// invalid is all that upstream says of a document that is JSON and no JSON Schema. What was wrong and where
// follows in our own words in the error's cause; the API shows the first line alone.
const invalid = "Invalid JSON Schema"

// Parse reads a schema. With validateFields property names that begin with "$$" are refused.
//
// Errors are *source.Error.
func Parse(text string, dependencies []source.Dependency, validateFields bool) (*Schema, error) {
	root, err := document(text)
	if err != nil {
		return nil, err
	}
	l := loader{documents: map[string]*tree.Node{}, targets: map[*tree.Node]*node{},
		anchors: map[*tree.Node]map[string]*tree.Node{}, digests: map[*tree.Node]digest{},
	}
	base := identifier(root)
	for _, d := range dependencies {
		n, err := document(d.Text)
		if err != nil {
			return nil, err
		}
		l.documents[d.Name] = n
		l.documents[resolveURI(base, d.Name)] = n
	}
	if base != "" {
		l.documents[strings.TrimSuffix(base, "#")] = root
	}
	s := &Schema{root: root}
	s.node, err = l.load(root, scope{document: root, base: base, draft: draftOf(root)}, 0)
	if err != nil {
		return nil, source.Invalidf(invalid)
	}
	if validateFields && dollarField(root) {
		return nil, source.Invalidf("#: Field names cannot start with $$ prefix")
	}
	return s, nil
}

func document(text string) (*tree.Node, error) {
	root, rest, err := tree.Parse(text)
	var limit *source.Error
	switch {
	case errors.As(err, &limit):
		return nil, err
	case err != nil, root == nil, strings.TrimSpace(text[rest:]) != "":
		return nil, source.Errorf("Invalid JSON %s", text)
	case root.Kind == tree.Null:
		return nil, source.Invalidf(invalid)
	}
	return root, nil
}

// dollarField looks for a property that a serializer could not tell from its own.
func dollarField(n *tree.Node) bool {
	for _, item := range n.Items {
		if dollarField(item) {
			return true
		}
	}
	for _, m := range n.Members {
		if m.Key == "properties" && slices.ContainsFunc(m.Value.Members, func(p tree.Member) bool { return strings.HasPrefix(p.Key, "$$") }) {
			return true
		}
		if dollarField(m.Value) {
			return true
		}
	}
	return false
}

type draft int

const (
	draft4    draft = 4
	draft6    draft = 6
	draft7    draft = 7
	draft2019 draft = 2019
	draft2020 draft = 2020
)

func draftOf(root *tree.Node) draft {
	uri := root.Get("$schema")
	if !uri.Is(tree.String) {
		return draft7
	}
	for mark, d := range map[string]draft{"draft-04": draft4, "draft-06": draft6, "2019-09": draft2019, "2020-12": draft2020} {
		if strings.Contains(uri.Text, mark) {
			return d
		}
	}
	return draft7
}

func identifier(root *tree.Node) string {
	for _, key := range []string{"$id", "id"} {
		if id := root.Get(key); id.Is(tree.String) {
			return id.Text
		}
	}
	return ""
}

// errInvalid stands for every fault: upstream tells none of them apart.
var errInvalid = errors.New("not a JSON Schema")

// A scope is where a schema stands: refs with a fragment alone look into its document, others start from base.
type scope struct {
	document *tree.Node
	base     string
	draft    draft
}

type loader struct {
	documents map[string]*tree.Node // by the URI or name a $ref would use, without fragment
	targets   map[*tree.Node]*node  // what a $ref has found, so that recursive schemas end
	anchors   map[*tree.Node]map[string]*tree.Node
	digests   map[*tree.Node]digest
	nodes     int
}

func (l *loader) load(n *tree.Node, in scope, depth int) (*node, error) {
	if l.nodes++; l.nodes > source.NodesMax || depth > 2*source.DepthMax {
		return nil, errInvalid
	}
	switch n.Kind {
	case tree.Bool:
		if in.draft < draft6 && depth > 0 {
			return nil, errInvalid
		}
		if n.Bool {
			return &node{identity: identity{digest: l.digest(n)}}, nil
		}
		return &node{kind: kindFalse, identity: identity{digest: l.digest(n)}}, nil
	case tree.Object:
	default:
		if depth == 0 { // upstream takes a root that is a number, a text or a list
			return &node{}, nil
		}
		return nil, errInvalid
	}
	list, err := l.families(n, in, depth)
	if err != nil {
		return nil, err
	}
	var out *node
	switch len(list) {
	case 0:
		out = &node{}
	case 1:
		out = list[0]
	default:
		out = &node{kind: kindCombined, criterion: allOf, branches: list}
	}
	out.identity.digest = l.digest(n)
	out.hasDefault = n.Has("default")
	if mark := n.Get("connect.type"); mark.Is(tree.String) && mark.Text == "bytes" {
		out.bytes = true
	}
	return out, nil
}

// families makes one schema of each family of keywords in n.
func (l *loader) families(n *tree.Node, in scope, depth int) ([]*node, error) {
	b := builder{l: l, n: n, in: in, depth: depth + 1}
	if n.Get("$ref").Is(tree.String) {
		b.add("$ref", b.reference(n.Get("$ref").Text))
		if in.draft < draft2019 {
			return b.list, b.err
		}
	} else if n.Has("$ref") && in.draft < draft2019 {
		return nil, errInvalid
	}
	b.annotations()
	b.enum()
	b.combined()
	b.negation()
	b.constant()
	b.typed()
	b.untyped()
	b.conditional()
	return b.list, b.err
}

// A builder collects the schemas of one JSON object; after the first error it does nothing more.
type builder struct {
	l     *loader
	n     *tree.Node
	in    scope
	depth int
	list  []*node
	used  map[string]bool // families already taken by "type"
	err   error
}

func (b *builder) add(part string, n *node) {
	if b.err == nil && n != nil {
		n.identity = identity{part, b.l.digest(b.n)}
		b.list = append(b.list, n)
	}
}

func (b *builder) fail() { b.err = errInvalid }

// schema loads the schema under a keyword.
func (b *builder) schema(n *tree.Node) *node {
	if b.err != nil {
		return nil
	}
	s, err := b.l.load(n, b.in, b.depth)
	if err != nil {
		b.err = err
	}
	return s
}

// annotations checks the words that describe a schema; none is compared.
func (b *builder) annotations() {
	if b.in.draft >= draft2019 {
		return
	}
	id := "$id"
	if b.in.draft == draft4 {
		id = "id"
	}
	for _, key := range []string{"title", "description", id} {
		if v := b.n.Get(key); v != nil && v.Kind != tree.String {
			b.fail()
		}
	}
	for _, key := range []string{"readOnly", "writeOnly"} {
		if v := b.n.Get(key); v != nil && v.Kind != tree.Bool && b.in.draft == draft7 {
			b.fail()
		}
	}
}

func (b *builder) enum() {
	v := b.n.Get("enum")
	if v == nil {
		return
	}
	if v.Kind != tree.Array {
		b.fail()
		return
	}
	out := &node{kind: kindEnum, values: make(map[string]bool, len(v.Items))}
	for _, item := range v.Items {
		out.values[compact(item.Sorted())] = true
	}
	b.add("enum", out)
}

func (b *builder) combined() {
	for _, c := range []criterion{allOf, anyOf, oneOf} {
		v := b.n.Get(string(c))
		if v == nil {
			continue
		}
		if v.Kind != tree.Array {
			b.fail()
			return
		}
		out := &node{kind: kindCombined, criterion: c}
		for _, item := range v.Items {
			out.branches = append(out.branches, b.schema(item))
		}
		b.add(string(c), out)
	}
}

func (b *builder) negation() {
	if v := b.n.Get("not"); v != nil {
		b.add("not", &node{kind: kindNot, branches: []*node{b.schema(v)}})
	}
}

func (b *builder) constant() {
	if v := b.n.Get("const"); v != nil && b.in.draft >= draft6 {
		b.add("const", &node{kind: kindConst, value: compact(v.Sorted())})
	}
}

// conditional keeps if/then/else as a schema of its own kind; its parts must be schemas and are not compared.
func (b *builder) conditional() {
	if b.in.draft < draft7 {
		return
	}
	found := false
	for _, key := range []string{"if", "then", "else"} {
		if v := b.n.Get(key); v != nil {
			found = true
			b.schema(v)
		}
	}
	if found {
		b.add("if", &node{kind: kindConditional})
	}
}

func (b *builder) typed() {
	b.used = map[string]bool{}
	v := b.n.Get("type")
	switch {
	case v == nil:
	case v.Kind == tree.String:
		b.add("type", b.ofType(v.Text))
	case v.Kind == tree.Array:
		out := &node{kind: kindCombined, criterion: anyOf}
		for _, item := range v.Items {
			if item.Kind != tree.String {
				b.fail()
				return
			}
			branch := b.ofType(item.Text)
			branch.identity = identity{item.Text, b.l.digest(b.n)}
			out.branches = append(out.branches, branch)
		}
		b.add("type", out)
	default:
		b.fail()
	}
}

func (b *builder) ofType(name string) *node {
	b.used[name] = true
	switch name {
	case "string":
		return b.text()
	case "integer":
		b.used["number"] = true
		out := b.number()
		out.integer = true
		return out
	case "number":
		return b.number()
	case "boolean":
		return &node{kind: kindBoolean}
	case "null":
		return &node{kind: kindNull}
	case "array":
		return b.array()
	case "object":
		return b.object()
	}
	b.fail()
	return &node{}
}

// untyped makes schemas of the keywords whose type was not named.
func (b *builder) untyped() {
	has := func(keys ...string) bool { return slices.ContainsFunc(keys, b.n.Has) }
	if !b.used["array"] && has("items", "additionalItems", "minItems", "maxItems", "uniqueItems", "contains", "prefixItems", "unevaluatedItems") {
		b.add("array", b.array())
	}
	if !b.used["object"] && has("properties", "required", "minProperties", "maxProperties", "dependencies", "patternProperties",
		"additionalProperties", "propertyNames", "dependentRequired", "dependentSchemas", "unevaluatedProperties") {
		b.add("object", b.object())
	}
	if !b.used["number"] && has("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf") {
		b.add("number", b.number())
	}
	if !b.used["string"] && has("minLength", "maxLength", "pattern", "format") {
		b.add("string", b.text())
	}
}

// size reads a keyword that is a count: an integer written as one, of 32 bits.
func (b *builder) size(key string) *string {
	v := b.n.Get(key)
	if v == nil {
		return nil
	}
	if _, err := strconv.ParseInt(v.Text, 10, 32); v.Kind != tree.Number || err != nil {
		b.fail()
		return nil
	}
	return &v.Text
}

func (b *builder) bound(key string) *string {
	v := b.n.Get(key)
	if v == nil {
		return nil
	}
	if v.Kind != tree.Number {
		b.fail()
		return nil
	}
	return &v.Text
}

func (b *builder) exclusive(key string) *string {
	if b.in.draft > draft4 {
		return b.bound(key)
	}
	if v := b.n.Get(key); v != nil && v.Kind != tree.Bool {
		b.fail()
	}
	return nil
}

func (b *builder) text() *node {
	out := &node{kind: kindString, minimum: b.size("minLength"), maximum: b.size("maxLength")}
	if v := b.n.Get("pattern"); v != nil {
		if v.Kind != tree.String || !plausiblePattern(v.Text) {
			b.fail()
		}
		out.pattern = &v.Text
	}
	if v := b.n.Get("format"); v != nil && v.Kind != tree.String {
		b.fail()
	}
	return out
}

func (b *builder) number() *node {
	out := &node{
		kind: kindNumber, minimum: b.bound("minimum"), maximum: b.bound("maximum"),
		exclusiveMinimum: b.exclusive("exclusiveMinimum"), exclusiveMaximum: b.exclusive("exclusiveMaximum"),
		multipleOf: b.bound("multipleOf"),
	}
	if out.multipleOf != nil && tree.CompareNumbers(*out.multipleOf, "0") == 0 {
		b.fail()
	}
	return out
}

func (b *builder) array() *node {
	out := &node{kind: kindArray, minimum: b.size("minItems"), maximum: b.size("maxItems")}
	list, rest := b.n.Get("items"), b.n.Get("additionalItems")
	if b.in.draft >= draft2020 {
		if prefix := b.n.Get("prefixItems"); prefix != nil {
			list, rest = prefix, b.n.Get("items")
			if prefix.Kind != tree.Array {
				b.fail()
			}
		} else if list.Is(tree.Array) {
			b.fail()
		}
	}
	switch {
	case list == nil:
	case list.Kind == tree.Array:
		for _, item := range list.Items {
			out.items = append(out.items, b.schema(item))
		}
	default:
		out.allItems = b.schema(list)
	}
	b.rest(out, rest)
	if out.allItems != nil { // there are no further items then
		out.closed = false
	}
	if v := b.n.Get("uniqueItems"); v != nil {
		if v.Kind != tree.Bool {
			b.fail()
		}
		out.unique = v.Bool
	}
	if v := b.n.Get("contains"); v != nil && b.in.draft >= draft6 {
		b.schema(v)
	}
	return out
}

// rest reads additionalProperties or additionalItems.
func (b *builder) rest(out *node, v *tree.Node) {
	switch {
	case v == nil:
	case v.Kind == tree.Bool:
		out.closed = !v.Bool
	default:
		out.additional = b.schema(v)
	}
}

func (b *builder) object() *node {
	out := &node{
		kind: kindObject, minimum: b.size("minProperties"), maximum: b.size("maxProperties"),
		properties: map[string]*node{}, required: map[string]bool{},
		propertyDependencies: map[string][]string{}, schemaDependencies: map[string]*node{},
	}
	for _, m := range b.members("properties") {
		out.keys = append(out.keys, m.Key)
		out.properties[m.Key] = b.schema(m.Value)
	}
	for _, name := range b.texts(b.n.Get("required")) {
		if !out.required[name] {
			out.requiredOrder = append(out.requiredOrder, name)
		}
		out.required[name] = true
	}
	b.rest(out, b.n.Get("additionalProperties"))
	for _, m := range b.members("patternProperties") {
		if !plausiblePattern(m.Key) {
			b.fail()
		}
		out.patterns = append(out.patterns, patternProperty{matcher(m.Key), b.schema(m.Value)})
	}
	keywords := []string{"dependencies"}
	if b.in.draft >= draft2019 { // which split the old keyword in two
		keywords = []string{"dependentRequired", "dependentSchemas"}
	}
	for _, key := range keywords {
		for _, m := range b.members(key) {
			b.dependency(out, m)
		}
	}
	if v := b.n.Get("propertyNames"); v != nil && b.in.draft >= draft6 {
		b.schema(v)
	}
	return out
}

func (b *builder) dependency(out *node, m tree.Member) {
	out.dependencyOrder = append(out.dependencyOrder, m.Key)
	if m.Value.Kind == tree.Array {
		out.propertyDependencies[m.Key] = b.texts(m.Value)
	} else {
		out.schemaDependencies[m.Key] = b.schema(m.Value)
	}
}

func (b *builder) members(key string) []tree.Member {
	v := b.n.Get(key)
	if v != nil && v.Kind != tree.Object {
		b.fail()
	}
	if v == nil || b.err != nil {
		return nil
	}
	return v.Members
}

func (b *builder) texts(v *tree.Node) []string {
	if v == nil {
		return nil
	}
	if v.Kind != tree.Array {
		b.fail()
		return nil
	}
	out := make([]string, 0, len(v.Items))
	for _, item := range v.Items {
		if item.Kind != tree.String {
			b.fail()
			return nil
		}
		out = append(out, item.Text)
	}
	return out
}
