package format

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/bufbuild/protocompile"
	"google.golang.org/protobuf/reflect/protoreflect"
	"leat.dev/internal/registry/schema"
)

// knownProtos are the files that every registry knows without a reference, besides google/protobuf: what Connect's logical
// types are written with. Source of names and numbers: Confluent's serializers and googleapis.
var knownProtos = map[string]string{
	"confluent/meta.proto": `syntax = "proto3"; package confluent; import "google/protobuf/descriptor.proto";
message Meta { string doc = 1; map<string, string> params = 2; repeated string tags = 3; }
extend google.protobuf.FileOptions { Meta file_meta = 1088; }
extend google.protobuf.MessageOptions { Meta message_meta = 1088; }
extend google.protobuf.FieldOptions { Meta field_meta = 1088; }
extend google.protobuf.EnumOptions { Meta enum_meta = 1088; }
extend google.protobuf.EnumValueOptions { Meta enum_value_meta = 1088; }`,
	"confluent/type/decimal.proto": `syntax = "proto3"; package confluent.type; import public "confluent/meta.proto";
message Decimal { bytes value = 1; uint32 precision = 2; int32 scale = 3; }`,
	"google/type/date.proto":      `syntax = "proto3"; package google.type; message Date { int32 year = 1; int32 month = 2; int32 day = 3; }`,
	"google/type/timeofday.proto": `syntax = "proto3"; package google.type; message TimeOfDay { int32 hours = 1; int32 minutes = 2; int32 seconds = 3; int32 nanos = 4; }`,
	"google/type/dayofweek.proto": `syntax = "proto3"; package google.type; enum DayOfWeek { DAY_OF_WEEK_UNSPECIFIED = 0; MONDAY = 1; TUESDAY = 2; WEDNESDAY = 3; THURSDAY = 4; FRIDAY = 5; SATURDAY = 6; SUNDAY = 7; }`,
	"google/type/money.proto":     `syntax = "proto3"; package google.type; message Money { string currency_code = 1; int64 units = 2; int32 nanos = 3; }`,
	"google/type/latlng.proto":    `syntax = "proto3"; package google.type; message LatLng { double latitude = 1; double longitude = 2; }`,
	"google/type/decimal.proto":   `syntax = "proto3"; package google.type; message Decimal { string value = 1; }`,
	"google/type/fraction.proto":  `syntax = "proto3"; package google.type; message Fraction { int64 numerator = 1; int64 denominator = 2; }`,
	"google/type/interval.proto":  `syntax = "proto3"; package google.type; import "google/protobuf/timestamp.proto"; message Interval { google.protobuf.Timestamp start_time = 1; google.protobuf.Timestamp end_time = 2; }`,
}

// mainProto is the name that a schema's own text has among its files.
const mainProto = "leat-schema-itself.proto"

// maxProtoText is the longest .proto text that is compiled, 1 MiB.
const maxProtoText = 1 << 20

// compileProto links a schema with what it refers to. It reads no file and no network.
func compileProto(src schema.Source) (protoreflect.FileDescriptor, error) {
	if src.Type != schema.Protobuf {
		return nil, fmt.Errorf("it is a schema of type %s, not PROTOBUF", src.Type)
	}
	texts := map[string]string{mainProto: src.Text}
	for _, d := range src.Dependencies {
		texts[d.Name] = d.Text
	}
	total := 0
	for _, t := range texts {
		total += len(t)
	}
	if total > maxProtoText {
		return nil, fmt.Errorf("the Protobuf schema has %d bytes with its references, more than %d", total, maxProtoText)
	}
	open := func(path string) (io.ReadCloser, error) {
		text, ok := texts[path]
		if !ok {
			text, ok = knownProtos[path]
		}
		if !ok {
			return nil, fmt.Errorf("the Protobuf schema imports %q, which is not among its references", path)
		}
		return io.NopCloser(strings.NewReader(text)), nil
	}
	c := protocompile.Compiler{Resolver: protocompile.WithStandardImports(&protocompile.SourceResolver{Accessor: open}), MaxParallelism: 1}
	files, err := c.Compile(context.Background(), mainProto)
	if err != nil {
		return nil, fmt.Errorf("%s", strings.ReplaceAll(err.Error(), mainProto, "the schema"))
	}
	return files[0], nil
}

var errNoMessage = errors.New("the Protobuf schema has no message")

// findMessage is the message of a full name, the first of the file if it is empty.
func findMessage(f protoreflect.FileDescriptor, name string) (protoreflect.MessageDescriptor, error) {
	if name == "" {
		if f.Messages().Len() == 0 {
			return nil, errNoMessage
		}
		return f.Messages().Get(0), nil
	}
	if m := messageNamed(f.Messages(), protoreflect.FullName(name)); m != nil {
		return m, nil
	}
	return nil, fmt.Errorf("the Protobuf schema has no message %s", name)
}

func messageNamed(list protoreflect.MessageDescriptors, name protoreflect.FullName) protoreflect.MessageDescriptor {
	for i := range list.Len() {
		m := list.Get(i)
		if m.FullName() == name {
			return m
		}
		if strings.HasPrefix(string(name), string(m.FullName())+".") {
			return messageNamed(m.Messages(), name)
		}
	}
	return nil
}

// messageIndexes is the way from the file to a message: its place among the messages at each level.
func messageIndexes(m protoreflect.MessageDescriptor) []int {
	if outer, ok := m.Parent().(protoreflect.MessageDescriptor); ok {
		return append(messageIndexes(outer), m.Index())
	}
	return []int{m.Index()}
}

// messageAt follows such a way.
func messageAt(f protoreflect.FileDescriptor, indexes []int) (protoreflect.MessageDescriptor, error) {
	list := f.Messages()
	var m protoreflect.MessageDescriptor
	for _, i := range indexes {
		if i < 0 || i >= list.Len() {
			return nil, fmt.Errorf("the Protobuf schema has no message with the index %v", indexes)
		}
		m = list.Get(i)
		list = m.Messages()
	}
	return m, nil
}
