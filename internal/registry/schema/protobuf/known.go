package protobuf

import "strings"

// knownTypes are the messages and enums of the files that every registry knows without a reference, by full
// name; an enum ends with a question mark. Sources: the .proto files of protobuf 28, googleapis and
// Confluent's serializers.
var knownTypes = types(`
google.protobuf.Any google.protobuf.Api google.protobuf.Method google.protobuf.Mixin google.protobuf.Duration
google.protobuf.Empty google.protobuf.FieldMask google.protobuf.SourceContext google.protobuf.Struct
google.protobuf.Value google.protobuf.ListValue google.protobuf.NullValue? google.protobuf.Timestamp
google.protobuf.Type google.protobuf.Field google.protobuf.Field.Kind? google.protobuf.Field.Cardinality?
google.protobuf.Enum google.protobuf.EnumValue google.protobuf.Option google.protobuf.Syntax?
google.protobuf.DoubleValue google.protobuf.FloatValue google.protobuf.Int64Value google.protobuf.UInt64Value
google.protobuf.Int32Value google.protobuf.UInt32Value google.protobuf.BoolValue google.protobuf.StringValue
google.protobuf.BytesValue google.protobuf.FileDescriptorSet google.protobuf.FileDescriptorProto
google.protobuf.DescriptorProto google.protobuf.DescriptorProto.ExtensionRange google.protobuf.DescriptorProto.ReservedRange
google.protobuf.ExtensionRangeOptions google.protobuf.FieldDescriptorProto google.protobuf.FieldDescriptorProto.Type?
google.protobuf.FieldDescriptorProto.Label? google.protobuf.OneofDescriptorProto google.protobuf.EnumDescriptorProto
google.protobuf.EnumDescriptorProto.EnumReservedRange google.protobuf.EnumValueDescriptorProto
google.protobuf.ServiceDescriptorProto google.protobuf.MethodDescriptorProto google.protobuf.FileOptions
google.protobuf.FileOptions.OptimizeMode? google.protobuf.MessageOptions google.protobuf.FieldOptions
google.protobuf.FieldOptions.CType? google.protobuf.FieldOptions.JSType? google.protobuf.FieldOptions.OptionRetention?
google.protobuf.FieldOptions.OptionTargetType? google.protobuf.OneofOptions google.protobuf.EnumOptions
google.protobuf.EnumValueOptions google.protobuf.ServiceOptions google.protobuf.MethodOptions
google.protobuf.MethodOptions.IdempotencyLevel? google.protobuf.UninterpretedOption
google.protobuf.UninterpretedOption.NamePart google.protobuf.FeatureSet google.protobuf.SourceCodeInfo
google.protobuf.SourceCodeInfo.Location google.protobuf.GeneratedCodeInfo google.protobuf.GeneratedCodeInfo.Annotation
google.protobuf.Edition?
google.type.CalendarPeriod? google.type.Color google.type.Date google.type.DateTime google.type.TimeZone
google.type.DayOfWeek? google.type.Decimal google.type.Expr google.type.Fraction google.type.Interval
google.type.LatLng google.type.LocalizedText google.type.Money google.type.Month? google.type.PhoneNumber
google.type.PhoneNumber.ShortCode google.type.PostalAddress google.type.Quaternion google.type.TimeOfDay
confluent.Meta confluent.type.Decimal confluent.type.Variant`)

// types makes a table of full names; true is a message, false an enum.
func types(text string) map[string]bool {
	m := map[string]bool{}
	for _, name := range strings.Fields(text) {
		enum := strings.HasSuffix(name, "?")
		m[strings.TrimSuffix(name, "?")] = !enum
	}
	return m
}
