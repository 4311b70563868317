package protobuf

import (
	"fmt"
	"strconv"
	"strings"

	"leat.dev/internal/registry/schema/source"
	"leat.dev/internal/registry/schema/tree"
)

// A Difference is a change after which a new schema no longer reads all data of the old one.
type Difference struct {
	Type string // Confluent's name for it, such as FIELD_KIND_CHANGED
	path *source.Path
}

// Path is where, such as #/Msg/Inner/3 or #/Msg/oneof/3.
func (d Difference) Path() string {
	if d.path == nil {
		return "#/"
	}
	return "#" + d.path.String()
}

// templates are the texts of the incompatible types; {new} reads and {old} wrote.
var templates = map[string]string{
	"PACKAGE_CHANGED":                "The package at {path} in the {new} schema does not match the package in the {old} schema",
	"MESSAGE_REMOVED":                "The {new} schema is missing a MESSAGE type at path {path} in the {old} schema",
	"FIELD_KIND_CHANGED":             "The type of a field at path {path} in the {new} schema does not match the {old} schema",
	"FIELD_SCALAR_KIND_CHANGED":      "The kind of a SCALAR field at path {path} in the {new} schema does not match its kind in the {old} schema",
	"FIELD_NAMED_TYPE_CHANGED":       "The type of a MESSAGE field at path {path} in the {new} schema does not match its type in the {old} schema",
	"FIELD_NUMERIC_LABEL_CHANGED":    "The label for a NUMERIC field at path {path} in the {new} schema does not match its label in the {old} schema",
	"REQUIRED_FIELD_ADDED":           "A required field  at path {path} in the {new} schema is missing in the {old} schema",
	"REQUIRED_FIELD_REMOVED":         "The {new} schema is missing a required field at path: {path} in the {old} schema",
	"ONEOF_FIELD_REMOVED":            "The {new} schema is missing a oneof field at path {path} in the {old} schema",
	"MULTIPLE_FIELDS_MOVED_TO_ONEOF": "Multiple fields in the oneof at path {path} in the {new} schema are outside a oneof in the {old} schema",
	"FIELD_MOVED_TO_EXISTING_ONEOF":  "A field in the oneof at path {path} in the {new} schema is outside an existing oneof in the {old} schema",
}

// Describe is the difference as the API lists it.
func (d Difference) Describe(reader, writer string) string {
	text, ok := templates[d.Type]
	if !ok {
		return source.TooLarge
	}
	text = strings.NewReplacer("{path}", "'"+d.Path()+"'", "{new}", reader, "{old}", writer).Replace(text)
	return fmt.Sprintf(`{errorType:"%s", description:"%s"}`, d.Type, text)
}

// Compare lists why newer cannot read what older wrote; none means it can. Fields are matched by number,
// messages and enums by name.
func Compare(newer, older *Schema) []Difference {
	c := &comparison{old: older, upd: newer, open: map[[2]*message]bool{}}
	if older.file.pkg != newer.file.pkg {
		c.add("PACKAGE_CHANGED", nil)
	}
	c.types(older.file.messages, newer.file.messages, place{nil, older.file.pkg, newer.file.pkg})
	if c.steps > source.CompareMax {
		return []Difference{{Type: "COMPARISON_TOO_LARGE"}}
	}
	return c.list
}

type comparison struct {
	old, upd *Schema
	list     []Difference
	steps    int
	open     map[[2]*message]bool // referenced messages being compared further up
}

// A place is where the comparison stands: the path it shows and the scopes in which types are looked up.
type place struct {
	path               *source.Path
	oldScope, updScope string
}

func (p place) down(name string) place {
	return place{p.path.Down(name), join(p.oldScope, name), join(p.updScope, name)}
}

func (c *comparison) add(typ string, path *source.Path) {
	c.list = append(c.list, Difference{typ, path})
}

func (c *comparison) types(old, upd []*message, at place) {
	from, fromNames := byName(old)
	to, toNames := byName(upd)
	for _, name := range tree.JavaSetOrder(fromNames, toNames) {
		if c.steps++; c.steps > source.CompareMax {
			return
		}
		switch before, after := from[name], to[name]; {
		case before == nil:
		case after != nil:
			c.messages(before, after, at.down(name))
		case !isMapEntry(before):
			c.add("MESSAGE_REMOVED", at.path.Down(name))
		}
	}
}

func byName(list []*message) (map[string]*message, []string) {
	m := make(map[string]*message, len(list))
	names := make([]string, 0, len(list))
	for _, msg := range list {
		if m[msg.name] == nil {
			names = append(names, msg.name)
		}
		m[msg.name] = msg
	}
	return m, names
}

func (c *comparison) messages(old, upd *message, at place) {
	c.oneofs(old, upd, at)
	c.fields(old.fields, upd.fields, at, func(f *field, path *source.Path) {
		if f.label == "required" {
			c.add("REQUIRED_FIELD_REMOVED", path)
		}
	}, func(f *field, path *source.Path) {
		if f.label == "required" {
			c.add("REQUIRED_FIELD_ADDED", path)
		}
	})
	c.types(old.messages, upd.messages, at)
}

// fields compares two lists by number; removed and added say what to do with the fields of one side only.
func (c *comparison) fields(old, upd []*field, at place, removed, added func(f *field, path *source.Path)) {
	from, fromNumbers := numbered(old)
	to, toNumbers := numbered(upd)
	for _, number := range tree.JavaIntSetOrder(fromNumbers, toNumbers) {
		if c.steps++; c.steps > source.CompareMax {
			return
		}
		path := at.path.Down(strconv.Itoa(number))
		switch before, after := from[number], to[number]; {
		case after == nil:
			removed(before, path)
		case before == nil:
			added(after, path)
		default:
			c.field(before, after, place{path, at.oldScope, at.updScope})
		}
	}
}

func numbered(list []*field) (map[int]*field, []int) {
	m := make(map[int]*field, len(list))
	numbers := make([]int, 0, len(list))
	for _, f := range list {
		if m[f.number] == nil {
			numbers = append(numbers, f.number)
		}
		m[f.number] = f
	}
	return m, numbers
}

func (c *comparison) oneofs(old, upd *message, at place) {
	outside, _ := numbered(old.fields)
	inside := map[int]bool{}
	from, to := map[string]*oneof{}, map[string]*oneof{}
	var fromNames, toNames []string
	for _, o := range old.oneofs {
		from[o.name] = o
		fromNames = append(fromNames, o.name)
		for _, f := range o.fields {
			inside[f.number] = true
		}
	}
	for _, o := range upd.oneofs {
		to[o.name] = o
		toNames = append(toNames, o.name)
	}
	for _, name := range tree.JavaSetOrder(fromNames, toNames) {
		before, after := from[name], to[name]
		if after == nil {
			continue // a oneof may go as a whole
		}
		path := at.path.Down(name)
		moved, kept := 0, 0
		for _, f := range after.fields {
			switch {
			case outside[f.number] != nil:
				moved++
			case inside[f.number]:
				kept++
			}
		}
		switch {
		case moved > 1:
			c.add("MULTIPLE_FIELDS_MOVED_TO_ONEOF", path)
		case moved == 1 && kept > 0:
			c.add("FIELD_MOVED_TO_EXISTING_ONEOF", path)
		}
		if before != nil {
			c.fields(before.fields, after.fields, place{path, at.oldScope, at.updScope},
				func(_ *field, path *source.Path) { c.add("ONEOF_FIELD_REMOVED", path) }, func(*field, *source.Path) {})
		}
	}
}

// A kind is what a field's type comes down to.
type kind struct {
	family     string    // of the encoding: "varint", ...; empty for messages and maps
	named      *typeInfo // a message
	isMap      bool
	key, value string // words of a map's types
	scope      string // where they are looked up
	word       string // the type as written, for messages that are not known
	text       bool   // string or bytes
}

// kindOf takes a repeated map entry that was written out for the map it is.
func kindOf(f *field, types universe, scope string) kind {
	if f.isMap() {
		return kind{isMap: true, key: f.key, value: f.value, scope: scope}
	}
	k := kindOfWord(f.typ, types, scope)
	if k.named != nil && k.named.message != nil && f.label == "repeated" && isMapEntry(k.named.message) {
		k = kind{isMap: true, scope: k.named.full}
		for _, part := range types[k.scope].message.fields {
			switch part.number {
			case 1:
				k.key = part.typ
			case 2:
				k.value = part.typ
			}
		}
	}
	return k
}

func kindOfWord(word string, types universe, scope string) kind {
	if family := scalars[word]; family != "" {
		return kind{family: family, text: family == "bytes"}
	}
	t := types.find(word, scope)
	switch {
	case t == nil:
		return kind{word: word}
	case t.isEnum():
		return kind{family: "varint"}
	}
	return kind{named: t, word: word}
}

func (c *comparison) field(old, upd *field, at place) {
	from, to := kindOf(old, c.old.types, at.oldScope), kindOf(upd, c.upd.types, at.updScope)
	if from.isMap && to.isMap {
		c.kinds(kindOfWord(from.key, c.old.types, from.scope), kindOfWord(to.key, c.upd.types, to.scope), at)
		c.kinds(kindOfWord(from.value, c.old.types, from.scope), kindOfWord(to.value, c.upd.types, to.scope), at)
		return
	}
	c.kinds(from, to, at)
	// Only labels that are both written are compared, and only where a list of numbers may be packed.
	if from.family != "" && to.family != "" && !from.text && !to.text && old.label != "" && upd.label != "" && old.label != upd.label {
		c.add("FIELD_NUMERIC_LABEL_CHANGED", at.path)
	}
}

func (c *comparison) kinds(from, to kind, at place) {
	switch {
	case from.isMap != to.isMap, (from.family == "") != (to.family == ""):
		c.add("FIELD_KIND_CHANGED", at.path)
	case from.family != to.family:
		c.add("FIELD_SCALAR_KIND_CHANGED", at.path)
	case from.family == "" && !from.isMap:
		c.named(from, to, at)
	}
}

// named compares the message types of two fields: by name without package, and by structure if one of them
// comes from another file. Messages of the file itself are compared where they stand.
func (c *comparison) named(from, to kind, at place) {
	if from.named == nil || to.named == nil {
		if from.word != to.word {
			c.add("FIELD_NAMED_TYPE_CHANGED", at.path)
		}
		return
	}
	if from.named.local != to.named.local {
		c.add("FIELD_NAMED_TYPE_CHANGED", at.path)
		return
	}
	before, after := from.named.message, to.named.message
	if before == nil || after == nil || before == after || !from.named.foreign && !to.named.foreign {
		return
	}
	pair := [2]*message{before, after}
	if c.open[pair] {
		return
	}
	if len(c.open) > source.CompareDepthMax {
		c.steps = source.CompareMax + 1
		return
	}
	c.open[pair] = true
	n := len(c.list)
	c.messages(before, after, place{(*source.Path)(nil).Down(strings.ReplaceAll(to.named.local, ".", "/")), from.named.full, to.named.full})
	delete(c.open, pair)
	if len(c.list) > n {
		c.add("FIELD_NAMED_TYPE_CHANGED", at.path)
	}
}
