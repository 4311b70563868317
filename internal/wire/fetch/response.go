// Package fetch encodes Fetch responses, versions 4 to 18, whose records stay
// in files: the result is bytes and file ranges in turn, for a network layer
// that sends the ranges without reading them. Everything but the ranges is
// encoded into one buffer.
//
// It decides nothing: what each partition answers is the caller's. The message
// is described in Kafka's protocol guide (https://kafka.apache.org/protocol).
// The package starts no goroutines.
package fetch

import (
	"leat.dev/internal/base/vfs"
	"leat.dev/internal/wire/field"
)

const (
	// MinVersion and MaxVersion bound the versions that are encoded.
	MinVersion = 4
	MaxVersion = 18

	flexibleVersion      = 12
	topicIDVersion       = 13
	nodeEndpointsVersion = 16
)

// Response is a Fetch response. The zero value is an empty one.
type Response struct {
	ThrottleMillis int32
	ErrorCode      int16 // v7
	SessionID      int32 // v7
	Topics         []Topic
	// NodeEndpoints say where the leaders named in CurrentLeader are (v16).
	NodeEndpoints []field.Endpoint
}

// Topic is a topic of the response, by Name below version 13, by ID above.
type Topic struct {
	Name       string
	ID         [16]byte
	Partitions []Partition
}

// Partition is the answer of a partition. NewPartition gives the defaults.
type Partition struct {
	Index            int32
	ErrorCode        int16
	HighWatermark    int64
	LastStableOffset int64
	LogStartOffset   int64                // v5
	Aborted          []AbortedTransaction // nil: null, which differs from empty
	// PreferredReadReplica is where to fetch instead, or -1 (v11).
	PreferredReadReplica int32
	// Records are the record batches, in order. None are sent as empty bytes,
	// never as null, which some clients do not take.
	Records []Range
	// The following are left out if nil, and below version 12.
	DivergingEpoch *EpochEndOffset
	CurrentLeader  *field.CurrentLeader
	SnapshotID     *EpochEndOffset
}

// NewPartition returns an answer for a partition with no records, in which all
// offsets are unknown: what an error is sent with.
func NewPartition(index int32, errorCode int16) Partition {
	return Partition{Index: index, ErrorCode: errorCode, HighWatermark: -1, LastStableOffset: -1,
		LogStartOffset: -1, PreferredReadReplica: -1}
}

// AbortedTransaction is a producer's aborted transaction among the records.
type AbortedTransaction struct {
	ProducerID  int64
	FirstOffset int64
}

// EpochEndOffset is the end of a leader epoch.
type EpochEndOffset struct {
	Epoch     int32
	EndOffset int64
}

// Range is a piece of a file.
type Range struct {
	File vfs.File
	Pos  int64
	Len  int
}

// Part is a piece of an encoded response: Bytes, then Len bytes of File at Pos.
type Part struct {
	Bytes []byte
	File  vfs.File
	Pos   int64
	Len   int
}

// Encode appends the body of the response in the given version to out, up to
// the first file range, and what follows it to parts: out and the parts, one
// after the other, are the response. The parts' bytes live behind the returned
// out, so nothing may be appended to it before they are sent.
func (p *Response) Encode(out []byte, parts []Part, version int16) ([]byte, []Part) {
	e := encoder{Encoder: NewEncoder(out, parts, version >= flexibleVersion), version: version}
	e.response(p)
	return e.Finish()
}

type encoder struct {
	Encoder
	version int16
}

func (e *encoder) response(p *Response) {
	e.Int32(p.ThrottleMillis)
	if e.version >= 7 {
		e.Int16(p.ErrorCode)
		e.Int32(p.SessionID)
	}
	e.ArrayLen(len(p.Topics))
	for i := range p.Topics {
		t := &p.Topics[i]
		if e.version >= topicIDVersion {
			e.UUID(t.ID)
		} else {
			e.String(t.Name)
		}
		e.ArrayLen(len(t.Partitions))
		for j := range t.Partitions {
			e.partition(&t.Partitions[j])
		}
		e.EndStruct()
	}
	if e.version >= nodeEndpointsVersion && len(p.NodeEndpoints) > 0 {
		e.Uvarint(1)
		e.NodeEndpoints(0, p.NodeEndpoints)
	} else {
		e.EndStruct()
	}
}

func (e *encoder) partition(p *Partition) {
	e.Int32(p.Index)
	e.Int16(p.ErrorCode)
	e.Int64(p.HighWatermark)
	e.Int64(p.LastStableOffset)
	if e.version >= 5 {
		e.Int64(p.LogStartOffset)
	}
	if p.Aborted == nil {
		e.ArrayLen(-1)
	} else {
		e.ArrayLen(len(p.Aborted))
	}
	for i := range p.Aborted {
		e.Int64(p.Aborted[i].ProducerID)
		e.Int64(p.Aborted[i].FirstOffset)
		e.EndStruct()
	}
	if e.version >= 11 {
		e.Int32(p.PreferredReadReplica)
	}
	e.Records(p.Records)
	if e.Flexible {
		e.partitionTags(p)
	}
}

func (e *encoder) partitionTags(p *Partition) {
	var count uint32
	if p.DivergingEpoch != nil {
		count++
	}
	if p.CurrentLeader != nil {
		count++
	}
	if p.SnapshotID != nil {
		count++
	}
	e.Uvarint(count)
	const epochEndOffsetBytes = 4 + 8 + 1
	if d := p.DivergingEpoch; d != nil {
		e.Tag(0, epochEndOffsetBytes)
		e.Int32(d.Epoch)
		e.Int64(d.EndOffset)
		e.EndStruct()
	}
	if p.CurrentLeader != nil {
		e.CurrentLeader(1, *p.CurrentLeader)
	}
	if s := p.SnapshotID; s != nil {
		e.Tag(2, epochEndOffsetBytes)
		e.Int64(s.EndOffset)
		e.Int32(s.Epoch)
		e.EndStruct()
	}
}
