package avro_test

import (
	"errors"
	"testing"

	"leat.dev/internal/registry/schema/avro"
	"leat.dev/internal/registry/schema/source"
)

// FuzzParse: any text is a schema or an error with a reason; what is printed reads back as the same.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		`"int"`, `{"type":"record","name":"a.B","fields":[{"name":"f","type":["null","B"],"default":null,"aliases":["g"]}],"aliases":["C"],"x":{"y":[1.5]}}`,
		`{"type":"enum","name":"E","symbols":["A","B"],"default":"A"}`, `{"type":"fixed","name":"F","size":3,"logicalType":"decimal"}`,
		`{"type":"map","values":{"type":"array","items":"double"}}`, `["null",["int"]]`, `{"type":"record","name":"A","fields":[{"name":"b","type":"B"},{"name":"c","type":{"type":"record","name":"B","fields":[]}}]}`,
		`{"type":"record","name":"int.","fields":[]}`, `{`, `{"type":"enum","name":".E","namespace":"n","symbols":[]}`, `[{"type":"fixed","name":"x..y","size":1}]`,
	} {
		f.Add(seed, `"long"`)
	}
	f.Fuzz(func(t *testing.T, text, other string) {
		s, err := avro.Parse(text, nil, false)
		if err != nil {
			var invalid *source.Error
			if !errors.As(err, &invalid) || invalid.Details == "" {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		for _, printed := range []string{s.Text(), s.Resolved(), s.Normalized()} {
			again, err := avro.Parse(printed, nil, false)
			if err != nil {
				t.Fatalf("%q printed as %q: %v", text, printed, err)
			}
			if printed != s.Normalized() && again.Text() != printed {
				t.Fatalf("%q printed as %q and then as %q", text, printed, again.Text())
			}
		}
		o, err := avro.Parse(other, nil, false)
		if err != nil {
			return
		}
		for _, d := range append(avro.Compare(s, o), avro.Compare(o, s)...) {
			if d.Describe("new", "old") == "" {
				t.Fatal("a difference without text")
			}
		}
		s.Equal(o)
		// A reference gives its types to the schema that refers to it, and may clash with it.
		_, _ = avro.Parse(other, []source.Dependency{{Name: "x", Text: text}}, true)
	})
}
