package protobuf_test

import (
	"encoding/base64"
	"errors"
	"testing"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	_ "google.golang.org/protobuf/types/known/anypb" // imported by a test file

	"leat.dev/internal/registry/schema/protobuf"
	"leat.dev/internal/registry/schema/source"
)

// FuzzParse: any text is a file or an error with a reason; what is printed reads back as the same, in text and
// as a descriptor.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		`syntax = "proto3"; package a.b; import "x.proto"; message M { map<string, N> m = 1; message N { oneof o { int32 a = 1 [deprecated = true]; } } reserved 2, 4 to max, "x"; }`,
		`message M { optional group G = 1 { repeated bytes b = 2 [default = "\001\xff"]; } extensions 5 to 9; extend M { optional E e = 5; } enum E { A = 0; } }`,
		`option (a.b).c = { d: [1, "x", < ] };`, `option (a).b = { c { d: -1.5 } c: e, [f.g]: "h" 'i' };`,
		`syntax = "proto3"; service S { rpc R (stream M) returns (M) { option idempotency_level = IDEMPOTENT; } } message M {}`,
		`edition = "2023";`, `/* x`, `"`, `message M { M m = 0x1F; }`, `CgdkZWZhdWx0EgFwIhQKBUNyYXRl`, `CgdkZWZhdWx0`,
	} {
		f.Add(seed, `syntax = "proto3"; message M { string a = 1; }`)
	}
	f.Fuzz(func(t *testing.T, text, other string) {
		s, err := protobuf.Parse(text, nil)
		if err != nil {
			var invalid *source.Error
			if !errors.As(err, &invalid) || invalid.Details == "" {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		again, err := protobuf.Parse(s.Text(), nil)
		if err != nil || again.Text() != s.Text() {
			t.Fatalf("%q printed as %q: %v", text, s.Text(), err)
		}
		normal, err := protobuf.Parse(s.Normalized(), nil)
		if err != nil {
			t.Fatalf("%q normalised as %q: %v", text, s.Normalized(), err)
		}
		if normal.Normalized() != s.Normalized() {
			t.Fatalf("%q normalised as %q, then as %q", text, s.Normalized(), normal.Normalized())
		}
		s.WithoutExtensions()
		if data, err := s.Serialized(); err == nil {
			_, _ = protobuf.Parse(data, nil)
		}
		o, err := protobuf.Parse(other, []source.Dependency{{Name: "x.proto", Text: text}})
		if err != nil {
			return
		}
		for _, d := range append(protobuf.Compare(s, o), protobuf.Compare(o, s)...) {
			if d.Describe("new", "old") == "" {
				t.Fatal("a difference without text")
			}
		}
	})
}

// FuzzDescriptor: bytes that are a descriptor become a file whose text can be read.
func FuzzDescriptor(f *testing.F) {
	for _, seed := range []string{"CgdkZWZhdWx0EgFwIm8KAU0SFgoBbRgBIAMoCzILLnAuTS5NRW50cnkSDgoBbxgCIAEoBUgAiAEBGjAKBk1FbnRyeRILCgNrZXkYASABKAkSFQoFdmFsdWUYAiABKA4yBi5wLk0uRToCOAEiCgoBRRIFCgFaEABCBAoCX29iBnByb3RvMw=="} {
		data, err := base64.StdEncoding.DecodeString(seed)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := protobuf.Parse(base64.StdEncoding.EncodeToString(data), nil)
		if err != nil || s.Text() == "" {
			return
		}
		if _, err := protobuf.Parse(s.Text(), nil); err != nil {
			t.Fatalf("%x gives %q: %v", data, s.Text(), err)
		}
	})
}

// TestDescriptors: a serialized file is one that other programs can load, and reads back as the same file.
func TestDescriptors(t *testing.T) {
	for name, text := range map[string]string{
		"proto3": `syntax = "proto3"; package a.b; import "google/protobuf/any.proto"; option java_package = "x"; option (my) = { k: [1, 2] };
			message M { optional int32 o = 1; map<string, N> m = 2; oneof c { string s = 3; N n = 4; } repeated E e = 5 [packed = false, json_name = "x"]; google.protobuf.Any any = 6;
				reserved 10, 12 to 14; reserved "old"; message N {} enum E { reserved 5 to max; Z = 0; Y = -1 [deprecated = true]; } }
			service S { rpc R (stream M) returns (M) { option idempotency_level = IDEMPOTENT; } }`,
		"proto2": `syntax = "proto2"; message M { required bytes b = 1 [default = "\000a\377\""]; optional group G = 2 { optional double d = 1 [default = -inf]; } extensions 100 to max; extend M { optional M x = 100; } } extend M { repeated sint64 y = 101; }`,
	} {
		s, err := protobuf.Parse(text, nil)
		if err != nil {
			t.Fatal(name, err)
		}
		encoded, err := s.Serialized()
		if err != nil {
			t.Fatal(name, err)
		}
		data, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil {
			t.Fatal(name, err)
		}
		d := &descriptorpb.FileDescriptorProto{}
		if err := proto.Unmarshal(data, d); err != nil {
			t.Fatal(name, err)
		}
		if _, err := protodesc.NewFile(d, protoregistry.GlobalFiles); err != nil {
			t.Errorf("%s: other programs cannot load it: %v\n%s", name, err, prototext.Format(d))
		}
		again, err := protobuf.Parse(encoded, nil)
		if err != nil {
			t.Fatal(name, err)
		}
		if again.Normalized() != s.Normalized() {
			t.Errorf("%s reads back as\n%s\nnot\n%s", name, again.Normalized(), s.Normalized())
		}
	}
}
