// Package produce decodes Produce requests and encodes their responses,
// versions 3 to 13, without copying record batches and without allocating once
// its structures have grown to the size of the traffic.
//
// It checks the shape of a request only: what a batch holds, which acks exist
// and which topics there are is for others. Versions below 3 are advertised
// for the sake of old clients but not decoded, as in Kafka. The message is
// described in Kafka's protocol guide (https://kafka.apache.org/protocol). The
// package starts no goroutines.
package produce

import (
	"errors"
	"fmt"

	"leat.dev/internal/wire/field"
)

const (
	// MinVersion is the lowest version that is decoded.
	MinVersion = 3
	// MaxVersion is the highest.
	MaxVersion = 13

	flexibleVersion = 9  // compact lengths and tagged fields
	topicIDVersion  = 13 // topics by id in place of name
)

// ErrMalformed: the request is not one of its version.
var ErrMalformed = errors.New("malformed Produce request")

// Request is a decoded request. Names and records are slices of the decoded
// body. The structure is meant to be used again for the next request.
type Request struct {
	Version       int16
	TransactionID []byte // nil: none
	Acks          int16
	TimeoutMillis int32
	Topics        []Topic
}

// Topic is a topic of a request: by Name below version 13, by ID from there on.
type Topic struct {
	Name       []byte
	ID         [16]byte
	Partitions []Partition
}

// Partition is a partition of a request.
type Partition struct {
	Index   int32
	Records []byte // nil: null
}

// The fewest bytes an element of each array takes.
const (
	minTopicBytes     = 3 // an empty compact name, no partitions, no tags
	minPartitionBytes = 6 // an index, null records, no tags
)

// Decode reads the body of a request, that is what follows its header. Bytes
// after the last field are ignored. After an error q holds nothing of use.
func (q *Request) Decode(body []byte, version int16) error {
	if version < MinVersion || version > MaxVersion {
		return fmt.Errorf("%w: version %d", ErrMalformed, version)
	}
	r := field.Reader{B: body, Flexible: version >= flexibleVersion}
	q.Version = version
	q.TransactionID = r.String()
	q.Acks = r.Int16()
	q.TimeoutMillis = r.Int32()
	topics := r.ArrayLen(minTopicBytes)
	r.Bad = r.Bad || topics < 0 // neither array may be null
	q.Topics = q.Topics[:0]
	for range topics {
		if r.Bad {
			break
		}
		decodeTopic(&r, extend(&q.Topics), version)
	}
	r.EndStruct()
	if r.Bad {
		return fmt.Errorf("%w: version %d", ErrMalformed, version)
	}
	return nil
}

func decodeTopic(r *field.Reader, t *Topic, version int16) {
	t.Name, t.ID = nil, [16]byte{}
	if version >= topicIDVersion {
		t.ID = r.UUID()
	} else if t.Name = r.String(); t.Name == nil {
		r.Bad = true // a name is not nullable
	}
	partitions := r.ArrayLen(minPartitionBytes)
	r.Bad = r.Bad || partitions < 0
	t.Partitions = t.Partitions[:0]
	for range partitions {
		if r.Bad {
			return
		}
		t.Partitions = append(t.Partitions, Partition{Index: r.Int32(), Records: r.Bytes()})
		r.EndStruct()
	}
	r.EndStruct()
}

// extend lengthens s by an element, which keeps what it held when it was last
// in use: that is how the slices inside it are used again.
func extend[E any](s *[]E) *E {
	if len(*s) < cap(*s) {
		*s = (*s)[:len(*s)+1]
	} else {
		var zero E
		*s = append(*s, zero)
	}
	return &(*s)[len(*s)-1]
}
