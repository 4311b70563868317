package schema_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"leat.dev/internal/registry/schema"
	"leat.dev/internal/registry/schema/source"
)

func TestIdentity(t *testing.T) {
	s, err := schema.Parse(schema.Source{Text: `{"type":"int"}`}, schema.Options{})
	if err != nil || s.Text() != `"int"` || s.Type() != schema.Avro {
		t.Fatal(s, err)
	}
	if s.GUID() != "ef524ea1-b91e-7317-3d93-8ade36c1db32" {
		t.Error(s.GUID())
	}
	seen := map[string]string{s.GUID(): "bare"}
	for name, other := range map[string]*schema.Schema{
		"empty metadata": s.With(&schema.Metadata{}, nil, nil),
		"property":       s.With(&schema.Metadata{Properties: map[string]string{"a": "b"}}, nil, nil),
		"tag":            s.With(&schema.Metadata{Tags: map[string][]string{"a.*": {"PII"}}}, nil, nil),
		"rules":          s.With(nil, &schema.RuleSet{DomainRules: []schema.Rule{{Name: "r", Kind: "CONDITION"}}}, nil),
		"disabled":       s.With(nil, &schema.RuleSet{DomainRules: []schema.Rule{{Name: "r", Kind: "CONDITION", Disabled: true}}}, nil),
		"reference":      s.With(nil, nil, []schema.Reference{{Name: "n", Subject: "s", Version: 1}}),
		"other version":  s.With(nil, nil, []schema.Reference{{Name: "n", Subject: "s", Version: 2}}),
	} {
		if before := seen[other.GUID()]; before != "" {
			t.Errorf("%s has the identity of %s", name, before)
		}
		seen[other.GUID()] = name
		if other.Source().GUID() != other.GUID() {
			t.Errorf("%s: what is stored has another identity", name)
		}
	}
	a := s.With(&schema.Metadata{Tags: map[string][]string{"x": {"b", "a"}}}, nil, nil)
	b := s.With(&schema.Metadata{Tags: map[string][]string{"x": {"a", "b", "a"}}}, nil, nil)
	if a.GUID() != b.GUID() || !a.Equivalent(b) {
		t.Error("tags are a set")
	}
	version := s.With(&schema.Metadata{Properties: map[string]string{"confluent:version": "3"}}, nil, nil)
	if !version.Equivalent(s) || version.GUID() == s.GUID() {
		t.Error("the version property is part of the identity and of no meaning")
	}
	if a.Equivalent(s) {
		t.Error("metadata count")
	}
}

func TestReferences(t *testing.T) {
	for text, want := range map[string]string{
		`{"name":"n","subject":"s","version":1}`: `{name='n', subject='s', version=1}`,
		`{"name":"","subject":"s","version":-1}`: `{name='', subject='s', version=-1}`,
		`{"subject":null}`:                       `{name='null', subject='null', version=null}`,
	} {
		var r schema.Reference
		if err := json.Unmarshal([]byte(text), &r); err != nil || r.String() != want {
			t.Errorf("%s: %s %v", text, r, err)
		}
		if r.Complete() != !strings.Contains(want, "null") {
			t.Errorf("%s: complete %v", text, r.Complete())
		}
	}
	store := map[string][]schema.Reference{ // a needs b and c, both need d, which needs a again
		"a": {{Name: "b", Subject: "b", Version: 1}, {Name: "c", Subject: "c", Version: 1}},
		"b": {{Name: "d", Subject: "d", Version: 1}}, "c": {{Name: "d", Subject: "d", Version: 1}},
		"d": {{Name: "a", Subject: "a", Version: 1}},
	}
	lookup := func(r schema.Reference) (string, []schema.Reference, bool, error) {
		own, ok := store[r.Subject]
		return "text of " + r.Subject, own, ok, nil
	}
	list, err := schema.Resolve([]schema.Reference{{Name: "a", Subject: "a", Version: 1}}, lookup)
	if got := fmt.Sprint(list, err); got != "[{d text of d} {b text of b} {c text of c} {a text of a}] <nil>" {
		t.Error(got)
	}
	for want, r := range map[string]schema.Reference{
		`No schema reference found for subject "x" and version 2`:                  {Name: "x", Subject: "x", Version: 2},
		`io.confluent.kafka.schemaregistry.exceptions.InvalidVersionException: 0`:  {Name: "x", Subject: "x"},
		`io.confluent.kafka.schemaregistry.exceptions.InvalidVersionException: -2`: {Name: "x", Subject: "x", Version: -2},
	} {
		if _, err := schema.Resolve([]schema.Reference{r}, lookup); err == nil || err.Error() != want {
			t.Errorf("%v, not %s", err, want)
		}
	}
	broken := errors.New("disk")
	if _, err := schema.Resolve([]schema.Reference{{Name: "x", Subject: "x", Version: 1}}, func(schema.Reference) (string, []schema.Reference, bool, error) {
		return "", nil, false, broken
	}); !errors.Is(err, broken) {
		t.Error(err)
	}
	endless := func(r schema.Reference) (string, []schema.Reference, bool, error) {
		return `"int"`, []schema.Reference{{Name: r.Name + "x", Subject: "s", Version: 1}}, true, nil
	}
	if _, err := schema.Resolve([]schema.Reference{{Name: "x", Subject: "s", Version: 1}}, endless); err == nil {
		t.Error("references without end were followed")
	}
}

func TestMessages(t *testing.T) {
	src := schema.Source{Type: schema.JSON, Text: `{"type":"nope"}`, References: []schema.Reference{{Name: "n", Subject: "s", Version: 1}}, Metadata: &schema.Metadata{Properties: map[string]string{"k": "v"}}}
	_, err := schema.Parse(src, schema.Options{New: true})
	const want = `Invalid schema {subject=s,version=0,id=-1,schemaType=JSON,references=[{name='n', subject='s', version=1}],metadata=Metadata{tags={}, properties={k=v}, sensitive=[]},ruleSet=null,schema={"type":"nope"},schemaTags=null,ts=null,deleted=null}, details: Invalid JSON Schema`
	if got := schema.InvalidMessage("s", 0, -1, src, err); got != want {
		t.Errorf("%s\nnot\n%s", got, want)
	}
	src.Text = `{`
	_, err = schema.Parse(src, schema.Options{})
	if got := schema.InvalidMessage("s", 0, -1, src, err); !strings.HasSuffix(got, ` with refs [{name='n', subject='s', version=1}] of type JSON, details: Invalid JSON {`) {
		t.Error(got)
	}
	if _, err := schema.Parse(schema.Source{Type: "XML", Text: "x"}, schema.Options{}); !errors.Is(err, schema.ErrUnknownType) || err.Error() != "Invalid schema type XML" {
		t.Error(err)
	}
	if _, err := schema.Parse(schema.Source{Text: " \n"}, schema.Options{}); !errors.Is(err, schema.ErrEmpty) {
		t.Error(err)
	}
	if level, err := schema.ParseLevel("full_Transitive"); err != nil || level != schema.FullTransitive {
		t.Error(level, err)
	}
	if _, err := schema.ParseLevel("all"); err == nil {
		t.Error("an unknown level")
	}
}

// TestCheckAcrossTypes: another type is incompatible, at every level but NONE; a long old schema is cut.
func TestCheckAcrossTypes(t *testing.T) {
	parse := func(kind schema.Type, text string) *schema.Schema {
		s, err := schema.Parse(schema.Source{Type: kind, Text: text}, schema.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	old := []schema.Previous{{Version: 4, Schema: parse(schema.Avro, `"int"`)}}
	for _, level := range []schema.Level{schema.Backward, schema.Forward, schema.Full, schema.BackwardTransitive, schema.ForwardTransitive, schema.FullTransitive} {
		got := schema.Check(parse(schema.JSON, `{}`), old, schema.CheckOptions{Level: level, ValidateFields: true})
		if len(got) != 2 || got[0] != "Incompatible because of different schema type" || got[1] != fmt.Sprintf("{validateFields: 'true', compatibility: '%s'}", level) {
			t.Error(got)
		}
	}
	if got := schema.Check(parse(schema.JSON, `{}`), old, schema.CheckOptions{Level: schema.None}); got != nil {
		t.Error(got)
	}
	if got := schema.Check(parse(schema.JSON, `{}`), nil, schema.CheckOptions{Level: schema.Full}); got != nil {
		t.Error(got)
	}
	long := `{"type":"record","name":"A","doc":"` + strings.Repeat("é", 20_000) + `","fields":[]}`
	got := schema.Check(parse(schema.Avro, `"int"`), []schema.Previous{{Version: 1, Schema: parse(schema.Avro, long)}}, schema.CheckOptions{Level: schema.Backward})
	if !strings.HasPrefix(got[2], "{oldSchema: <truncated> '{\"type\":\"record\"") || !strings.HasSuffix(got[2], "...'}") || len(got[2]) > 10*1024+100 {
		t.Error(len(got[2]))
	}
}

// TestHostileSchemas: texts that ask for much work are refused or answered soon.
func TestHostileSchemas(t *testing.T) {
	union := func(kind string) string {
		var b strings.Builder
		for i := range 3_000 {
			fmt.Fprintf(&b, `,{"type":"record","name":"%s%d","fields":[{"name":"f","type":"int"}]}`, kind, i)
		}
		return "[" + b.String()[1:] + "]"
	}
	branches := func(keyword string) string {
		var b strings.Builder
		for i := range 1_050 {
			fmt.Fprintf(&b, `,{"properties":{"p%d":{"type":"%s"}}}`, i, keyword)
		}
		return `{"anyOf":[` + b.String()[1:] + `]}`
	}
	deep := func(n int, begin, end string) string { return strings.Repeat(begin, n) + end }
	chain := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `"d%d":{"properties":{"x":{"$ref":"#/definitions/d%d"},"y":{"type":"string"}}},`, i, i+1)
		}
		return fmt.Sprintf(`{"$ref":"#/definitions/d0","definitions":{%s"d%d":{"type":"string"}}}`, b.String(), n)
	}
	for name, c := range map[string]struct {
		kind     schema.Type
		old, upd string
		refused  bool
	}{
		"unions of many records": {schema.Avro, union("A"), union("B"), false},
		"deep arrays":            {schema.Avro, deep(10_000, `{"type":"array","items":`, `"int"`) + strings.Repeat("}", 10_000), `"int"`, true},
		"long names":             {schema.Avro, `{"type":"fixed","name":"` + strings.Repeat("a", 5_000) + `","size":1}`, `"int"`, true},
		"many branches":          {schema.JSON, branches("string"), branches("integer"), false},
		"deep JSON":              {schema.JSON, deep(10_000, `{"not":`, "{}") + strings.Repeat("}", 10_000), `{}`, true},
		"references in a row":    {schema.JSON, chain(300), chain(301), false},
		"too many of them":       {schema.JSON, chain(20_000), `{}`, true},
		"deep messages":          {schema.Protobuf, deep(1_000, "message A {", "") + strings.Repeat("}", 1_000), `message A {}`, true},
		"deep options":           {schema.Protobuf, "option a = " + deep(1_000, "{ b: ", "1") + strings.Repeat("}", 1_000) + ";", `message A {}`, true},
		"a long scope":           {schema.Protobuf, "package " + strings.Repeat("a", 2_000) + "; message A {}", `message A {}`, true},
		"many dots":              {schema.Protobuf, "package " + strings.Repeat("a.", 500) + "a; message A {}", `message A {}`, true},
	} {
		old, err := schema.Parse(schema.Source{Type: c.kind, Text: c.old}, schema.Options{New: true})
		if c.refused {
			var invalid *source.Error
			if !errors.As(err, &invalid) {
				t.Errorf("%s: taken, or refused by %v", name, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		upd, err := schema.Parse(schema.Source{Type: c.kind, Text: c.upd}, schema.Options{New: true})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		total := 0
		for _, m := range schema.Check(upd, []schema.Previous{{Version: 1, Schema: old}}, schema.CheckOptions{Level: schema.Backward}) {
			total += len(m)
		}
		if total == 0 || total > 4<<20 {
			t.Errorf("%s: %d bytes of messages", name, total)
		}
	}
}
