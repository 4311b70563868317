package format

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"

	"leat.dev/internal/row"
)

// kafka is the KAFKA format: one value as Kafka's own serializers write it. INTEGER 4 bytes, BIGINT and DOUBLE 8 bytes, all
// big-endian; STRING UTF-8; BYTES as they are.
type kafka struct{ side Side }

// NewKafka opens the KAFKA format for at most one column of INTEGER, BIGINT, DOUBLE, STRING or BYTES. Without a column it is
// Nothing.
func NewKafka(side Side) (Decoder, Encoder, error) {
	switch len(side.Columns) {
	case 0:
		return Nothing{}, Nothing{}, nil
	case 1:
	default:
		return nil, nil, fmt.Errorf("The 'KAFKA' format only supports a single field. Got: %s", columnTexts(side.Columns)) //nolint:staticcheck // ksqlDB's text
	}
	switch t := side.Columns[0].Type; t.Kind() {
	case row.Integer, row.Bigint, row.Double, row.String, row.Bytes:
		k := &kafka{side}
		return k, k, nil
	default:
		return nil, nil, unsupported("KAFKA", side.Columns[0], false)
	}
}

// unsupported says that a format has no place for a column's type.
func unsupported(name string, c row.Column, column bool) error {
	text := fmt.Sprintf("The '%s' format does not support type '%s'", name, c.Type.Kind())
	if column {
		text += ", column: " + row.QuoteName(c.Name)
	}
	return fmt.Errorf("%s", text)
}

func columnTexts(columns []row.Column) string {
	texts := make([]string, len(columns))
	for i, c := range columns {
		texts[i] = c.String()
	}
	return "[" + strings.Join(texts, ", ") + "]"
}

func (k *kafka) Decode(a *row.Arena, data []byte) (row.Row, error) {
	if data == nil {
		return nil, nil
	}
	v, err := k.value(a, data)
	if err != nil {
		return nil, fmt.Errorf("Error deserializing KAFKA message from topic: %s. %w", k.side.Topic, err)
	}
	r := a.Row(1)
	r[0] = v
	return r, nil
}

func (k *kafka) value(a *row.Arena, data []byte) (row.Value, error) {
	switch k.side.Columns[0].Type.Kind() {
	case row.Integer:
		if len(data) != 4 {
			return row.Value{}, fmt.Errorf("Size of data received by IntegerDeserializer is not 4") //nolint:staticcheck // Kafka's text
		}
		return row.OfInt(int32(binary.BigEndian.Uint32(data))), nil //nolint:gosec // the bits
	case row.Bigint:
		if len(data) != 8 {
			return row.Value{}, fmt.Errorf("Size of data received by LongDeserializer is not 8") //nolint:staticcheck // Kafka's text
		}
		return row.OfLong(int64(binary.BigEndian.Uint64(data))), nil //nolint:gosec // the bits
	case row.Double:
		if len(data) != 8 {
			return row.Value{}, fmt.Errorf("Size of data received by Deserializer is not 8") //nolint:staticcheck // Kafka's text
		}
		return row.OfDouble(math.Float64frombits(binary.BigEndian.Uint64(data))), nil
	case row.String:
		return row.OfString(javaText(a, data)), nil
	default:
		return row.OfBytes(data), nil
	}
}

func (k *kafka) Encode(dst []byte, r row.Row) ([]byte, error) {
	if r == nil {
		return nil, nil
	}
	if err := k.side.checkCount("serialization", len(r)); err != nil {
		return nil, err
	}
	v := r[0]
	switch {
	case v.IsNull():
		return nil, nil
	case dst == nil:
		dst = []byte{} // '' is empty bytes, which are not a tombstone
	}
	switch v.Kind() {
	case row.Integer:
		return binary.BigEndian.AppendUint32(dst, uint32(v.Int())), nil //nolint:gosec // the bits
	case row.Bigint:
		return binary.BigEndian.AppendUint64(dst, uint64(v.Long())), nil //nolint:gosec // the bits
	case row.Double:
		return binary.BigEndian.AppendUint64(dst, math.Float64bits(v.Double())), nil
	case row.String:
		return append(dst, v.Str()...), nil
	default:
		return append(dst, v.Bytes()...), nil
	}
}
