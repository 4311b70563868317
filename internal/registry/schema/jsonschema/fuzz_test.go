package jsonschema_test

import (
	"errors"
	"testing"

	"leat.dev/internal/registry/schema/jsonschema"
	"leat.dev/internal/registry/schema/source"
)

// FuzzParse: any text is a schema or an error with a reason; what is printed reads back as the same; and a
// schema reads its own data.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		`true`, `{"type":["string","null"],"maxLength":3,"pattern":"^a"}`, `{"$ref":"#"}`, `{"properties":{"a":{"$ref":"#/properties/a"}},"required":["a"]}`,
		`{"allOf":[{"$ref":"#/definitions/x"},{"minimum":1.5}],"definitions":{"x":{"anyOf":[{"not":{}},{"$ref":"#"}]}}}`,
		`{"items":[{},false],"additionalItems":{"type":"number"}}`, `{"dependencies":{"a":["b"],"c":{}},"patternProperties":{"(":{}}}`,
		`{"$schema":"https://json-schema.org/draft/2020-12/schema","$ref":"#x","$defs":{"y":{"$anchor":"x","prefixItems":[true]}}}`,
		`{"enum":[1,{"a":1}],"const":null,"if":true,"then":false}`, `{"$id":"http://h/a","$ref":"b#/c"}`, `5`,
	} {
		f.Add(seed, `{"type":"object"}`)
	}
	f.Fuzz(func(t *testing.T, text, other string) {
		s, err := jsonschema.Parse(text, nil, true)
		if err != nil {
			var invalid *source.Error
			if !errors.As(err, &invalid) || invalid.Details == "" {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		again, err := jsonschema.Parse(s.Text(), nil, true)
		if err != nil || again.Text() != s.Text() {
			t.Fatalf("%q printed as %q: %v", text, s.Text(), err)
		}
		if _, err := jsonschema.Parse(s.Normalized(), nil, true); err != nil {
			t.Fatalf("%q normalised as %q: %v", text, s.Normalized(), err)
		}
		if list := jsonschema.Compare(s, again, false); len(list) > 0 && list[0].Type != "COMPARISON_TOO_LARGE" {
			t.Fatalf("%q does not read itself: %v", text, list)
		}
		o, err := jsonschema.Parse(other, []source.Dependency{{Name: "b", Text: text}}, false)
		if err != nil {
			return
		}
		for _, d := range append(jsonschema.Compare(s, o, false), jsonschema.Compare(o, s, true)...) {
			if d.Describe("new", "old") == "" {
				t.Fatal("a difference without text")
			}
		}
	})
}
