package streams_test

import (
	"encoding/binary"
	"encoding/json/v2"
	"errors"
	"fmt"
	"time"

	"google.golang.org/protobuf/types/known/wrapperspb"

	"leat.dev/streams"
)

// show writes a value and reads it back.
func show[T any](s streams.Serde[T], v T) {
	b, err := s.Append(nil, "topic", nil, v)
	if err != nil {
		fmt.Println(err)
		return
	}
	back, err := s.Decode(b, "topic", nil)
	fmt.Printf("%q %v %v\n", b, back, err)
}

type Trade struct {
	Symbol string  `avro:"symbol" json:"symbol"`
	Price  float64 `avro:"price"  json:"price"`
}

func ExampleSerde() {
	show(streams.String, "AAPL")
	show(streams.Int64, 1)
	show(streams.Bool, true)
	_, err := streams.Int64.Decode([]byte("AAPL"), "trades", nil)
	fmt.Println(err)
	// Output:
	// "AAPL" AAPL <nil>
	// "\x00\x00\x00\x00\x00\x00\x00\x01" 1 <nil>
	// "\x01" true <nil>
	// cannot read an int64 of topic trades: it has 8 bytes, there are 4
}

func ExampleJSON() {
	show(streams.JSON[Trade](), Trade{"AAPL", 1.5})
	strict := streams.JSON[Trade](json.RejectUnknownMembers(true))
	_, err := strict.Decode([]byte(`{"volume": 3}`), "trades", nil)
	fmt.Println(err != nil)
	// Output:
	// "{\"symbol\":\"AAPL\",\"price\":1.5}" {AAPL 1.5} <nil>
	// true
}

func ExampleAvro() {
	show(streams.Avro[Trade](`{"type": "record", "name": "trade", "fields": [
		{"name": "symbol", "type": "string"}, {"name": "price", "type": "double"}]}`), Trade{"AAPL", 1.5})
	// Output: "\bAAPL\x00\x00\x00\x00\x00\x00\xf8?" {AAPL 1.5} <nil>
}

func ExampleProto() {
	s := streams.Proto[wrapperspb.StringValue]()
	b, err := s.Append(nil, "topic", nil, wrapperspb.String("AAPL"))
	fmt.Printf("%q %v\n", b, err)
	// Output: "\n\x04AAPL" <nil>
}

func ExampleList() {
	show(streams.List(streams.Int32), []int32{1, 2})
	show(streams.List(streams.String), []string{"a", "b"})
	// Output:
	// "\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x01\x00\x00\x00\x02" [1 2] <nil>
	// "\x01\x00\x00\x00\x02\x00\x00\x00\x01a\x00\x00\x00\x01b" [a b] <nil>
}

func ExampleOptional() {
	s := streams.Optional(streams.String)
	v, err := s.Decode([]byte("text"), "topic", nil)
	fmt.Println(*v, err)
	// Output: text <nil>
}

func ExampleSerdeFunc() {
	day := streams.SerdeFunc(
		func(dst []byte, t time.Time) ([]byte, error) {
			return binary.BigEndian.AppendUint32(dst, uint32(t.Unix()/86400)), nil
		},
		func(b []byte) (time.Time, error) {
			if len(b) != 4 {
				return time.Time{}, errors.New("a day has four bytes")
			}
			return time.Unix(86400*int64(binary.BigEndian.Uint32(b)), 0).UTC(), nil
		})
	show(day, time.Date(1970, 1, 3, 0, 0, 0, 0, time.UTC))
	// Output: "\x00\x00\x00\x02" 1970-01-03 00:00:00 +0000 UTC <nil>
}

func ExampleWindowedSerde() {
	s := streams.WindowedSerde(streams.String, time.Second)
	show(s, streams.Windowed[string]{Key: "AAPL", Start: 2000, End: 3000})
	// Output: "AAPL\x00\x00\x00\x00\x00\x00\a\xd0" [AAPL@2000/3000] <nil>
}

func ExampleSessionSerde() {
	s := streams.SessionSerde(streams.String)
	show(s, streams.Windowed[string]{Key: "AAPL", Start: 2000, End: 2001})
	// Output: "AAPL\x00\x00\x00\x00\x00\x00\a\xd1\x00\x00\x00\x00\x00\x00\a\xd0" [AAPL@2000/2001] <nil>
}

func ExampleRegisteredAvro() {
	registry := &streams.RegistryClient{URLs: []string{"http://localhost:8081"}}
	schema := `{"type": "record", "name": "trade", "fields": [
		{"name": "symbol", "type": "string"}, {"name": "price", "type": "double"}]}`
	trades := streams.NewTopic("trades", streams.String, streams.RegisteredAvro[Trade](registry, schema))
	fmt.Println(trades.Name)
	// Output: trades
}
