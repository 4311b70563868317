// Package sharefetch encodes ShareFetch responses, versions 1 and 2, whose records stay in
// files: as package fetch does for Fetch, the result is bytes and file ranges in turn.
//
// It decides nothing: what each partition answers is the caller's. The message is described
// in Kafka's protocol guide (https://kafka.apache.org/protocol) and in KIP-932. The package
// starts no goroutines.
package sharefetch

import (
	"leat.dev/internal/wire/fetch"
	"leat.dev/internal/wire/field"
)

// Response is a ShareFetch response. The zero value is an empty one. Error messages that are
// empty are sent as null.
type Response struct {
	ThrottleMillis    int32
	ErrorCode         int16
	ErrorMessage      string
	LockTimeoutMillis int32
	Topics            []Topic
	// NodeEndpoints say where the leaders named in partitions are.
	NodeEndpoints []field.Endpoint
}

// Topic is a topic of the response.
type Topic struct {
	ID         [16]byte
	Partitions []Partition
}

// Partition is the answer of a partition.
type Partition struct {
	Index           int32
	ErrorCode       int16
	ErrorMessage    string
	AckErrorCode    int16
	AckErrorMessage string
	Leader          field.CurrentLeader // the zero value names no leader in particular
	// Records are record batches, in order; none are sent as empty bytes.
	Records  []fetch.Range
	Acquired []Acquired
}

// Acquired are records that the client has acquired, for the Count-th time.
type Acquired struct {
	First, Last int64
	Count       int16
}

// Encode appends the body of the response to out, up to the first file range, and what follows
// it to parts: out and the parts, one after the other, are the response. The parts' bytes
// live behind the returned out, so nothing may be appended to it before they are sent.
func (p *Response) Encode(out []byte, parts []fetch.Part) ([]byte, []fetch.Part) {
	e := encoder{Encoder: fetch.NewEncoder(out, parts, true)}
	e.response(p)
	return e.Finish()
}

type encoder struct {
	fetch.Encoder
}

func (e *encoder) response(p *Response) {
	e.Int32(p.ThrottleMillis)
	e.Int16(p.ErrorCode)
	e.NullableString(p.ErrorMessage)
	e.Int32(p.LockTimeoutMillis)
	e.ArrayLen(len(p.Topics))
	for i := range p.Topics {
		t := &p.Topics[i]
		e.UUID(t.ID)
		e.ArrayLen(len(t.Partitions))
		for j := range t.Partitions {
			e.partition(&t.Partitions[j])
		}
		e.EndStruct()
	}
	e.ArrayLen(len(p.NodeEndpoints))
	for i := range p.NodeEndpoints {
		n := &p.NodeEndpoints[i]
		e.Int32(n.NodeID)
		e.String(n.Host)
		e.Int32(n.Port)
		e.NullableString(n.Rack)
		e.EndStruct()
	}
	e.EndStruct()
}

func (e *encoder) partition(p *Partition) {
	e.Int32(p.Index)
	e.Int16(p.ErrorCode)
	e.NullableString(p.ErrorMessage)
	e.Int16(p.AckErrorCode)
	e.NullableString(p.AckErrorMessage)
	e.Int32(p.Leader.ID)
	e.Int32(p.Leader.Epoch)
	e.EndStruct()
	e.Records(p.Records)
	e.ArrayLen(len(p.Acquired))
	for _, a := range p.Acquired {
		e.Int64(a.First)
		e.Int64(a.Last)
		e.Int16(a.Count)
		e.EndStruct()
	}
	e.EndStruct()
}
