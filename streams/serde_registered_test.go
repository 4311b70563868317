package streams

import (
	"context"
	"encoding/hex"
	"encoding/json/v2"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// fakeRegistry keeps schemas behind the REST API; it notes what it was asked.
type fakeRegistry struct {
	mu      sync.Mutex
	schemas []Schema
	log     []string
	down    bool
}

func (f *fakeRegistry) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.log = append(f.log, r.Method+" "+r.URL.Path)
	if user, _, _ := r.BasicAuth(); user != "me" {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if f.down {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	answer := func(v any) { _ = json.MarshalWrite(w, v) }
	var id int
	switch {
	case r.Method == http.MethodPost:
		var s Schema
		if err := json.UnmarshalRead(r.Body, &s); err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		for i, known := range f.schemas {
			if known.Text == s.Text {
				answer(map[string]int{"id": i + 1})
				return
			}
		}
		if !strings.HasSuffix(r.URL.Path, "/versions") {
			w.WriteHeader(http.StatusNotFound)
			answer(map[string]any{"error_code": 40403, "message": "Schema not found"})
			return
		}
		f.schemas = append(f.schemas, s)
		answer(map[string]int{"id": len(f.schemas)})
	case strings.HasPrefix(r.URL.Path, "/schemas/guids/"):
		answer(f.schemas[0])
	default:
		if _, err := fmt.Sscanf(r.URL.Path, "/schemas/ids/%d", &id); err != nil || id < 1 || id > len(f.schemas) {
			w.WriteHeader(http.StatusNotFound)
			answer(map[string]any{"error_code": 40403, "message": "Schema not found"})
			return
		}
		answer(f.schemas[id-1])
	}
}

func (f *fakeRegistry) asked() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	defer func() { f.log = nil }()
	return strings.Join(f.log, ", ")
}

func newFakeRegistry(t *testing.T) (*fakeRegistry, *RegistryClient) {
	t.Helper()
	f := &fakeRegistry{}
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	return f, &RegistryClient{URLs: []string{server.URL + "/"}, Authorize: func(r *http.Request) { r.SetBasicAuth("me", "secret") }}
}

type personV1 struct {
	Name string `avro:"name"`
}

type personV2 struct {
	Name string `avro:"name"`
	Age  int32  `avro:"age"`
}

const (
	personSchemaV1 = `{"type": "record", "name": "person", "fields": [{"name": "name", "type": "string"}]}`
	personSchemaV2 = `{"type": "record", "name": "person", "fields": [{"name": "name", "type": "string"}, {"name": "age", "type": "int", "default": 7}]}`
)

func TestRegisteredAvro(t *testing.T) {
	registry, client := newFakeRegistry(t)
	v1, v2 := RegisteredAvro[personV1](client, personSchemaV1), RegisteredAvro[personV2](client, personSchemaV2, SchemaOfKey())

	b, err := v1.Append([]byte("dst"), "people", nil, personV1{"Ann"})
	if err != nil || hex.EncodeToString(b[3:]) != "000000000106416e6e" {
		t.Fatalf("%x, %v", b, err)
	}
	b = b[3:]
	if _, err = v1.Append(nil, "people", nil, personV1{"Ben"}); err != nil {
		t.Fatal(err)
	}
	if asked := registry.asked(); asked != "POST /subjects/people-value/versions" {
		t.Errorf("two writes asked %s", asked)
	}

	for range 2 { // the reader's schema has a field that the writer's has not
		got, err := v2.Decode(b, "people", nil)
		if err != nil || got != (personV2{"Ann", 7}) {
			t.Fatalf("%+v, %v", got, err)
		}
	}
	if asked := registry.asked(); asked != "GET /schemas/ids/1" {
		t.Errorf("two reads asked %s", asked)
	}
	if _, err = v2.Append(nil, "people", nil, personV2{}); err != nil {
		t.Fatal(err)
	}
	if asked := registry.asked(); asked != "POST /subjects/people-key/versions" {
		t.Errorf("a key asked %s", asked)
	}

	guid := append([]byte{1}, make([]byte, 16)...)
	guid[1] = 0xab
	got, err := v2.Decode(b[5:], "people", Headers{{"__key_schema_id", guid}})
	if err != nil || got != (personV2{"Ann", 7}) {
		t.Errorf("named in a header: %+v, %v", got, err)
	}
	if asked := registry.asked(); asked != "GET /schemas/guids/ab000000-0000-0000-0000-000000000000" {
		t.Errorf("the header asked %s", asked)
	}
}

func TestRegisteredJSONAndProto(t *testing.T) {
	registry, client := newFakeRegistry(t)
	j := RegisteredJSON[personV1](client, `{"type": "object"}`, SchemaSubject(func(topic string) string { return "all of " + topic }))
	b, err := j.Append(nil, "people", nil, personV1{"Ann"})
	if err != nil || string(b) != "\x00\x00\x00\x00\x01"+`{"Name":"Ann"}` {
		t.Fatalf("%q, %v", b, err)
	}
	if asked := registry.asked(); asked != "POST /subjects/all of people/versions" {
		t.Errorf("asked %s", asked)
	}
	if v, err := j.Decode(b, "people", nil); err != nil || v.Name != "Ann" {
		t.Errorf("%+v, %v", v, err)
	}

	p := RegisteredProto[wrapperspb.StringValue](client, `syntax = "proto3";`)
	b, err = p.Append(nil, "texts", nil, wrapperspb.String("x"))
	// the ninth... message of its file: one number, zig-zag.
	index := wrapperspb.File_google_protobuf_wrappers_proto.Messages().ByName("StringValue").Index()
	if err != nil || string(b) != "\x00\x00\x00\x00\x02\x02"+string(rune(2*index))+"\n\x01x" {
		t.Fatalf("%x, %v", b, err)
	}
	if v, err := p.Decode(b, "texts", nil); err != nil || v.Value != "x" {
		t.Errorf("%v, %v", v, err)
	}
	if v, err := p.Decode(b[7:], "texts", Headers{{"__value_schema_id", []byte{0, 0, 0, 0, 2}}}); err != nil || v.Value != "x" {
		t.Errorf("named in a header: %v, %v", v, err)
	}
	registry.asked()
}

// The first message of a file has the place 0; others have their path.
func TestProtoPlaces(t *testing.T) {
	for _, c := range []struct {
		m    proto.Message
		want string
	}{
		{wrapperspb.Double(0), "00"},
		{&descriptorpb.DescriptorProto_ExtensionRange{}, ""},
	} {
		got := appendPlace(nil, c.m.ProtoReflect().Descriptor())
		if c.want != "" && hex.EncodeToString(got) != c.want {
			t.Errorf("%T is at %x", c.m, got)
		}
		if rest, err := cutPlace(append(got, 'x')); err != nil || string(rest) != "x" {
			t.Errorf("%T: %x leaves %q, %v", c.m, got, rest, err)
		}
	}
	nested := appendPlace(nil, (&descriptorpb.DescriptorProto_ExtensionRange{}).ProtoReflect().Descriptor())
	if nested[0] != 4 { // two numbers
		t.Errorf("a nested message is at %x", nested)
	}
	for _, bad := range []string{"\xff", "\x01", "\x04\x02", "\x7f\x00"} {
		if _, err := cutPlace([]byte(bad)); err == nil {
			t.Errorf("%x is a place", bad)
		}
	}
}

func TestRegisteredErrors(t *testing.T) {
	registry, client := newFakeRegistry(t)
	readOnly := RegisteredAvro[personV1](client, "")
	strict := RegisteredAvro[personV1](client, personSchemaV1, SchemaMustExist())
	written := func(s Serde[personV1]) error { return second(s.Append(nil, "people", nil, personV1{})) }
	for _, c := range []struct {
		err  error
		want string
	}{
		{written(readOnly), "cannot write streams.personV1 as Avro for topic people: the serde was made without a schema, it can only read"},
		{written(strict), "cannot write streams.personV1 as Avro for topic people: schema of subject people-value: the schema registry answered 404: Schema not found (40403)"},
		{second(strict.Decode([]byte("plain"), "people", nil)), "cannot read streams.personV1 as Avro of topic people: it does not begin with a zero byte and the four bytes of a schema's id"},
		{second(strict.Decode([]byte("\x00\x00\x00\x00\x09x"), "people", nil)), "cannot read streams.personV1 as Avro of topic people: schema 9: the schema registry answered 404: Schema not found (40403)"},
		{written(RegisteredAvro[personV1](&RegistryClient{}, personSchemaV1)), "cannot write streams.personV1 as Avro for topic people: schema of subject people-value: the registry's client has no URL"},
		{written(RegisteredAvro[personV1](&RegistryClient{URLs: client.URLs}, personSchemaV1)), "cannot write streams.personV1 as Avro for topic people: schema of subject people-value: the schema registry answered 401: Unauthorized (0)"},
	} {
		if c.err == nil || c.err.Error() != c.want {
			t.Errorf("the error is %v\nit should be %s", c.err, c.want)
		}
	}
	var refusal *RegistryError
	if err := written(strict); !errors.As(err, &refusal) || refusal.Code != 40403 {
		t.Errorf("the refusal is %+v", refusal)
	}
	for _, s := range []any{RegisteredAvro[personV1](client, "{"), RegisteredJSON[personV1](nil, "{}"), RegisteredProto[personV1](client, "")} {
		if serdeMistake(s) == nil {
			t.Errorf("%T has no mistake", s)
		}
	}

	// A registry that is away is asked again, and what it could not say is not remembered.
	loose := RegisteredAvro[personV1](client, personSchemaV1)
	registry.mu.Lock()
	registry.down, registry.log = true, nil
	registry.mu.Unlock()
	if err := written(loose); err == nil || strings.Count(registry.asked(), "POST") != 2 {
		t.Errorf("a registry that is away: %v", err)
	}
	registry.mu.Lock()
	registry.down = false
	registry.mu.Unlock()
	if err := written(loose); err != nil {
		t.Error(err)
	}

	// The next server is asked when one is away.
	client.URLs = append([]string{"http://127.0.0.1:1"}, client.URLs...)
	if _, err := client.SchemaByID(context.Background(), 1); err != nil {
		t.Error(err)
	}
}

func TestRememberedIsBounded(t *testing.T) {
	var r remembered[int, int]
	for i := range 3 * rememberedMax {
		r.put(i, i)
		if v, ok := r.get(i); !ok || v != i {
			t.Fatalf("%d is %d, %v", i, v, ok)
		}
		if n := len(*r.m.Load()); n > rememberedMax {
			t.Fatalf("%d are remembered", n)
		}
	}
}

func FuzzFrames(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 1, 0, 'x'}, []byte{})
	f.Add([]byte("x"), append([]byte{1}, make([]byte, 16)...))
	f.Add([]byte{0, 0, 0, 0, 1, 4, 2, 2}, []byte{0, 0, 0, 0, 1})
	p := RegisteredProto[wrapperspb.StringValue](nil, "")
	f.Fuzz(func(_ *testing.T, b, header []byte) {
		var h Headers
		if len(header) > 0 {
			h = Headers{{valueSchemaHeader, header}}
		}
		_, _ = p.Decode(b, "t", h) // must not panic
	})
}

func TestSchemaReferences(t *testing.T) {
	registry, client := newFakeRegistry(t)
	ref := SchemaReference{Name: "city", Subject: "cities-value", Version: 3}
	if _, err := RegisteredAvro[personV1](client, personSchemaV1, SchemaReferences(ref)).Append(nil, "people", nil, personV1{"Ann"}); err != nil {
		t.Fatal(err)
	}
	if got := registry.schemas[0].References; len(got) != 1 || got[0] != ref {
		t.Errorf("registered with the references %v", got)
	}
}
