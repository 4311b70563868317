// Package protobuf reads .proto files and serialized file descriptors, prints them as Confluent's registry
// does, and lists the differences between two of them.
//
// The grammar is the Protocol Buffers language of proto2 and proto3
// (https://protobuf.dev/reference/protobuf/proto3-spec/), taken as leniently as upstream's parser takes it:
// field numbers, names and imports are not checked against each other, only the types that are used must be
// known. Editions are refused. Comments are dropped.
//
// No I/O, no goroutines; a Schema is immutable after Parse.
package protobuf

// A file is the syntax tree of a .proto file: what is written, in its order.
type file struct {
	syntax        string // "proto2", "proto3" or empty
	pkg           string
	imports       []string
	publicImports []string
	options       []option
	messages      []*message
	enums         []*enum
	extends       []*extend
	services      []*service
}

type message struct {
	name       string
	options    []option
	reserved   []reserved
	fields     []*field
	oneofs     []*oneof
	groups     []*group
	extensions []extensions
	extends    []*extend
	messages   []*message
	enums      []*enum
}

type field struct {
	label        string // "required", "optional", "repeated" or empty
	typ          string // a word as written, or "map<K, V>"
	key, value   string // of a map
	name         string
	number       int
	options      []option
	defaultValue *value
	jsonName     *string
}

func (f *field) isMap() bool { return f.key != "" }

type oneof struct {
	name    string
	options []option
	fields  []*field
	groups  []*group
}

type group struct {
	label   string
	name    string
	number  int
	options []option
	fields  []*field
}

// A span is a range of numbers with both ends; maxNumber as its end prints as "max".
type span struct{ from, to int }

// maxNumber stands for "max", the highest number of a field or enum constant.
const maxNumber = 1<<31 - 1

// reserved is one statement: spans and names in written order.
type reserved struct{ values []reservedValue }

type reservedValue struct {
	span span
	name string // of a reserved name; the span is then empty
}

type extensions struct {
	spans   []span
	options []option
}

type extend struct {
	name   string
	fields []*field
}

type enum struct {
	name      string
	options   []option
	reserved  []reserved
	constants []constant
}

type constant struct {
	name    string
	number  int
	options []option
}

type service struct {
	name    string
	options []option
	methods []*method
}

type method struct {
	name                            string
	request, response               string
	streamsRequest, streamsResponse bool
	options                         []option
}

// An option is a name and its value. The parts of a name like (a).b.c nest: the value of a is an option b.
type option struct {
	name          string
	parenthesized bool
	value         value
}

type valueKind uint8

const (
	kindString valueKind = iota
	kindBoolean
	kindNumber
	kindEnum
	kindMap
	kindList
	kindOption
)

type value struct {
	kind  valueKind
	text  string // of a scalar
	items []value
	pairs []pair
	index map[string]int // of pairs, once there are many
	sub   *option
}

type pair struct {
	key   string
	value value
}

// scalars are the words of the built-in types, each with the family of kinds that share an encoding.
var scalars = map[string]string{
	"int32": "varint", "int64": "varint", "uint32": "varint", "uint64": "varint", "bool": "varint",
	"sint32": "zigzag", "sint64": "zigzag", "string": "bytes", "bytes": "bytes",
	"fixed32": "fixed32", "sfixed32": "fixed32", "fixed64": "fixed64", "sfixed64": "fixed64",
	"float": "float", "double": "double",
}
