package streams

import (
	"fmt"
	"reflect"

	"google.golang.org/protobuf/proto"
)

// Proto writes and reads messages of Protocol Buffers, without any frame: Proto[pb.Order]() is a Serde[*pb.Order]. A nil
// message is null; one without fields is zero bytes, which is not. Messages are written with map entries in order, so that
// equal messages of one build of a program have equal bytes; unknown fields are kept. For Confluent's frame with the id of
// a registered schema see [RegisteredProto].
func Proto[T any, P interface{ *T }]() Serde[P] { return protoSerde[T, P]{} }

type protoSerde[T any, P interface{ *T }] struct{}

var protoWrite = proto.MarshalOptions{Deterministic: true}

func (protoSerde[T, P]) check() error {
	if _, ok := any(P(nil)).(proto.Message); !ok {
		return fmt.Errorf("%s is not a message of Protocol Buffers: it lacks the methods that protoc-gen-go gives to one", reflect.TypeFor[P]())
	}
	return nil
}

func (s protoSerde[T, P]) Append(dst []byte, topic string, _ *Headers, v P) ([]byte, error) {
	m, ok := any(v).(proto.Message)
	if !ok {
		return dst, cannotWrite(typeName[P](), topic, s.check())
	}
	longer, err := protoWrite.MarshalAppend(dst, m)
	if err != nil {
		return dst, cannotWrite(typeName[P](), topic, err)
	}
	return longer, nil
}

func (s protoSerde[T, P]) Decode(b []byte, topic string, _ Headers) (P, error) {
	v := P(new(T))
	m, ok := any(v).(proto.Message)
	if !ok {
		return nil, cannotRead(typeName[P](), topic, "%w", s.check())
	}
	if err := proto.Unmarshal(b, m); err != nil {
		return nil, cannotRead(typeName[P](), topic, "%w", err)
	}
	return v, nil
}
