package codec

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
)

// OffsetMetadata goes with each committed offset: the partition's time, and numbers that processors want back after a
// restart, as how far windows have been emitted (KIP-825).
type OffsetMetadata struct {
	PartitionTime int64 // −1: unknown
	Processors    []ProcessorTime
}

// ProcessorTime is a number that a processor left behind under a key.
type ProcessorTime struct {
	Key   string
	Value int64
}

// Versions of the metadata of a committed offset.
const (
	offsetMetadata1 = 1 // partition time only
	offsetMetadata2 = 2
)

// AppendOffsetMetadata appends the text of Kafka Streams' TopicPartitionMetadata: the base64 of a version (2), the partition
// time, the count of processors' numbers and each key behind its length and its number. Keys are written in order.
func AppendOffsetMetadata(dst []byte, m *OffsetMetadata) []byte {
	sorted := slices.Clone(m.Processors)
	slices.SortFunc(sorted, func(a, b ProcessorTime) int { return strings.Compare(a.Key, b.Key) })
	raw := put64([]byte{offsetMetadata2}, m.PartitionTime)
	if len(sorted) > 0 {
		raw = put32(raw, size(len(sorted)))
	}
	for _, p := range sorted {
		raw = put64(append(put32(raw, size(len(p.Key))), p.Key...), p.Value)
	}
	return base64.StdEncoding.AppendEncode(dst, raw)
}

// ParseOffsetMetadata reads the text of AppendOffsetMetadata, or of version 1 (Kafka Streams before 3.3). Text that is not
// of Kafka Streams, or of a later version, is an error; callers then carry on as if there were none.
func ParseOffsetMetadata(text string) (OffsetMetadata, error) {
	none := OffsetMetadata{PartitionTime: -1}
	if text == "" {
		return none, nil
	}
	const what = "metadata of a committed offset"
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return none, fmt.Errorf("%s: %w: %w", what, err, ErrCorrupt)
	}
	c := cursor{b: raw, what: what}
	version := c.int8("version")
	m := OffsetMetadata{PartitionTime: c.int64("partition time")}
	switch {
	case c.err != nil:
	case version != offsetMetadata1 && version != offsetMetadata2:
		c.fail("version %d", version)
	case version == offsetMetadata2 && len(c.b) > 0:
		n := c.count(12, "processors' numbers")
		for range n {
			key := string(c.take(int(c.int32("length of a key")), "key"))
			m.Processors = append(m.Processors, ProcessorTime{key, c.int64("number")})
			if c.err != nil {
				break
			}
		}
	}
	if err := c.end(); err != nil {
		return none, err
	}
	return m, nil
}
