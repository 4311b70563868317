package avro_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	twmb "github.com/twmb/avro"
	"pgregory.net/rapid"

	"leat.dev/internal/registry/schema/avro"
)

// A draft is a schema as decoded JSON, which generating and editing is easiest with.
type draft = any

var primitives = []string{"null", "boolean", "int", "long", "float", "double", "bytes", "string"}

// drafts makes schemas with named types, each name once.
type drafts struct {
	t     *rapid.T
	names int
}

func (d *drafts) name() string {
	d.names++
	return fmt.Sprintf("N%d", d.names)
}

func (d *drafts) pick(label string, n int) int { return rapid.IntRange(0, n-1).Draw(d.t, label) }

func (d *drafts) schema(depth int) draft {
	kinds := 14
	if depth <= 0 {
		kinds = 8
	}
	switch k := d.pick("kind", kinds); k {
	case 8:
		return d.record(depth)
	case 9:
		return d.enum()
	case 10:
		return map[string]any{"type": "fixed", "name": d.name(), "size": 1 + d.pick("size", 2)}
	case 11:
		return map[string]any{"type": "array", "items": d.schema(depth - 1)}
	case 12:
		return map[string]any{"type": "map", "values": d.schema(depth - 1)}
	case 13:
		return d.union(depth)
	default:
		return primitives[k]
	}
}

func (d *drafts) record(depth int) draft {
	fields := []any{}
	for i := range d.pick("fields", 4) {
		fields = append(fields, d.field(fmt.Sprintf("f%d", i), depth))
	}
	return map[string]any{"type": "record", "name": d.name(), "fields": fields}
}

func (d *drafts) field(name string, depth int) map[string]any {
	f := map[string]any{"name": name, "type": d.schema(depth - 1)}
	d.giveDefault(f)
	return f
}

// giveDefault gives a field a default now and then, and always where null comes first: the other implementation
// takes null for the default of such a field even when none is written, which Avro does not.
func (d *drafts) giveDefault(f map[string]any) {
	union, _ := f["type"].([]any)
	always := len(union) > 0 && union[0] == "null"
	if value, ok := defaultOf(f["type"]); ok && (always || d.pick("default", 2) == 0) {
		f["default"] = value
	}
}

func (d *drafts) enum() draft {
	symbols := []any{"A"}
	for _, s := range []string{"B", "C", "D"} {
		if d.pick("symbol", 2) == 0 {
			symbols = append(symbols, s)
		}
	}
	e := map[string]any{"type": "enum", "name": d.name(), "symbols": symbols}
	if d.pick("enum default", 3) == 0 {
		e["default"] = "A"
	}
	return e
}

func (d *drafts) union(depth int) draft {
	var branches []any
	seen := map[string]bool{}
	for range 1 + d.pick("branches", 3) {
		b := d.schema(depth - 1)
		kind, _ := b.(string)
		if m, ok := b.(map[string]any); ok {
			kind = fmt.Sprint(m["type"])
			if m["name"] != nil {
				kind = fmt.Sprint(m["name"])
			}
		}
		if _, union := b.([]any); union || seen[kind] {
			continue
		}
		seen[kind] = true
		branches = append(branches, b)
	}
	if len(branches) == 0 {
		return []any{"int"}
	}
	return branches
}

// defaultOf gives a default for a type, if an easy one exists.
func defaultOf(typ draft) (any, bool) {
	switch t := typ.(type) {
	case string:
		values := map[string]any{"null": nil, "boolean": true, "int": 1, "long": 2, "float": 1.5, "double": 2.5, "bytes": "x", "string": "s"}
		v, ok := values[t]
		return v, ok
	case []any:
		return defaultOf(t[0])
	case map[string]any:
		switch t["type"] {
		case "array":
			return []any{}, true
		case "map":
			return map[string]any{}, true
		case "enum":
			return "A", true
		case "fixed":
			return strings.Repeat("z", t["size"].(int)), true
		}
	}
	return nil, false
}

// evolve gives a changed copy: at some places another type, symbol, size, name or field.
func (d *drafts) evolve(s draft, depth int) draft {
	if d.pick("replace", 12) == 0 {
		return d.schema(depth)
	}
	switch t := s.(type) {
	case string:
		if d.pick("promote", 3) == 0 {
			return primitives[d.pick("primitive", 8)]
		}
		if d.pick("optional", 6) == 0 && t != "null" {
			return []any{"null", t}
		}
		return t
	case []any:
		return d.evolveUnion(t, depth)
	case map[string]any:
		return d.evolveNamed(t, depth)
	}
	return s
}

func (d *drafts) evolveUnion(t []any, depth int) draft {
	out := append([]any{}, t...)
	switch d.pick("union edit", 4) {
	case 0:
		return out[d.pick("branch", len(out))]
	case 1:
		return out[:1+d.pick("branches kept", len(out))]
	case 2:
		for i := range out {
			if m, ok := out[i].(map[string]any); ok {
				out[i] = d.evolveNamed(m, depth-1)
			}
		}
	}
	return out
}

func (d *drafts) evolveNamed(t map[string]any, depth int) draft {
	out := map[string]any{}
	for k, v := range t {
		out[k] = v
	}
	if out["name"] != nil && d.pick("rename", 8) == 0 {
		old := out["name"]
		out["name"] = d.name()
		if d.pick("alias", 2) == 0 {
			out["aliases"] = []any{old}
		}
	}
	switch t["type"] {
	case "record":
		out["fields"] = d.evolveFields(t["fields"].([]any), depth)
	case "enum":
		if d.pick("resymbol", 2) == 0 {
			fresh := d.enum().(map[string]any)
			out["symbols"] = fresh["symbols"]
			delete(out, "default")
			if v, ok := fresh["default"]; ok {
				out["default"] = v
			}
		}
	case "fixed":
		if d.pick("resize", 4) == 0 {
			out["size"] = 3
		}
	case "array":
		out["items"] = d.evolve(t["items"], depth-1)
	case "map":
		out["values"] = d.evolve(t["values"], depth-1)
	}
	return out
}

func (d *drafts) evolveFields(fields []any, depth int) []any {
	out := []any{}
	for _, f := range fields {
		f := f.(map[string]any)
		switch d.pick("field edit", 6) {
		case 0: // dropped
		case 1:
			c := map[string]any{"name": f["name"].(string) + "x", "type": f["type"], "aliases": []any{f["name"]}}
			d.giveDefault(c)
			out = append(out, c)
		case 2:
			c := map[string]any{"name": f["name"], "type": d.evolve(f["type"], depth-1)}
			d.giveDefault(c)
			out = append(out, c)
		default:
			out = append(out, f)
		}
	}
	if d.pick("new field", 3) == 0 {
		out = append(out, d.field("g", depth))
	}
	return out
}

func encode(t interface{ Fatal(...any) }, s draft) string {
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestEvolutionsAgainstAnotherImplementation compares thousands of evolved pairs with twmb/avro's verdict, both
// ways, and checks that our texts mean what the given ones mean.
func TestEvolutionsAgainstAnotherImplementation(t *testing.T) {
	var pairs, readable int
	for range 20 { // rapid makes 100 schemas a time
		rapid.Check(t, func(t *rapid.T) { checkEvolution(t, &pairs, &readable) })
	}
	t.Logf("%d pairs, %d readable", pairs, readable)
}

func checkEvolution(t *rapid.T, pairs, readable *int) {
	d := &drafts{t: t}
	before := d.schema(3)
	after := d.evolve(before, 3)
	texts := [2]string{encode(t, before), encode(t, after)}
	var ours [2]*avro.Schema
	var theirs [2]*twmb.Schema
	for i, text := range texts {
		var err error
		theirs[i], err = twmb.Parse(text)
		own, ownErr := avro.Parse(text, nil, true)
		if (err == nil) != (ownErr == nil) {
			t.Fatalf("%s: ours says %v, theirs %v", text, ownErr, err)
		}
		if err != nil {
			t.Skip("no schema")
		}
		ours[i] = own
		for _, printed := range []string{own.Text(), own.Normalized(), own.Resolved()} {
			again, err := twmb.Parse(printed)
			if err != nil {
				t.Fatalf("printed %s: %v", printed, err)
			}
			if string(again.Canonical()) != string(theirs[i].Canonical()) {
				t.Fatalf("%s printed as %s means something else", text, printed)
			}
		}
		reread, err := avro.Parse(own.Text(), nil, true)
		if err != nil || reread.Text() != own.Text() || !reread.Equal(own) {
			t.Fatalf("%s does not read back: %v", own.Text(), err)
		}
	}
	for i := range 2 {
		reader, writer := i, 1-i
		faults := avro.Compare(ours[reader], ours[writer])
		err := twmb.CheckCompatibility(theirs[writer], theirs[reader])
		*pairs++
		if err == nil {
			*readable++
		}
		if (len(faults) == 0) != (err == nil) {
			t.Fatalf("reader %s\nwriter %s\nours %v\ntheirs %v", texts[reader], texts[writer], faults, err)
		}
	}
}
