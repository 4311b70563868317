package protobuf_test

import (
	"encoding/base64"
	"errors"
	"testing"

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
