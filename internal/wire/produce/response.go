package produce

import "leat.dev/internal/wire/field"

const (
	recordErrorsVersion  = 8
	currentLeaderVersion = 10
)

// Response is the answer to a request. Shape it after the request, fill in the
// partitions, append it.
type Response struct {
	Topics         []TopicResponse
	ThrottleMillis int32
	// NodeEndpoints say where the leaders named in CurrentLeader are (v10).
	NodeEndpoints []field.Endpoint
}

// TopicResponse answers for a topic.
type TopicResponse struct {
	Name       []byte
	ID         [16]byte
	Partitions []PartitionResponse
}

// PartitionResponse answers for a partition.
type PartitionResponse struct {
	Index           int32
	ErrorCode       int16
	BaseOffset      int64 // -1 on an error
	LogAppendTimeMs int64 // -1 unless the topic has LogAppendTime
	LogStartOffset  int64 // -1 on an error (v5)
	RecordErrors    []RecordError
	ErrorMessage    string               // empty: null (v8)
	CurrentLeader   *field.CurrentLeader // nil: left out (v10)
}

// RecordError says what is wrong with one record of the batch (v8).
type RecordError struct {
	BatchIndex int32
	Message    string // empty: null
}

// Shape makes p answer every partition of q in order, each with no error and
// -1 for all that is not known.
func (p *Response) Shape(q *Request) {
	p.ThrottleMillis, p.NodeEndpoints = 0, nil
	p.Topics = p.Topics[:0]
	for i := range q.Topics {
		from := &q.Topics[i]
		t := extend(&p.Topics)
		t.Name, t.ID = from.Name, from.ID
		t.Partitions = t.Partitions[:0]
		for j := range from.Partitions {
			t.Partitions = append(t.Partitions, PartitionResponse{
				Index: from.Partitions[j].Index, BaseOffset: -1, LogAppendTimeMs: -1, LogStartOffset: -1,
			})
		}
	}
}

// AppendTo appends the body of the response in the given version.
func (p *Response) AppendTo(dst []byte, version int16) []byte {
	w := field.Writer{B: dst, Flexible: version >= flexibleVersion}
	w.ArrayLen(len(p.Topics))
	for i := range p.Topics {
		t := &p.Topics[i]
		if version >= topicIDVersion {
			w.UUID(t.ID)
		} else {
			w.StringBytes(t.Name)
		}
		w.ArrayLen(len(t.Partitions))
		for j := range t.Partitions {
			t.Partitions[j].write(&w, version)
		}
		w.EndStruct()
	}
	w.Int32(p.ThrottleMillis)
	if version >= currentLeaderVersion && len(p.NodeEndpoints) > 0 {
		w.Uvarint(1)
		w.NodeEndpoints(0, p.NodeEndpoints)
	} else {
		w.EndStruct()
	}
	return w.B
}

func (p *PartitionResponse) write(w *field.Writer, version int16) {
	w.Int32(p.Index)
	w.Int16(p.ErrorCode)
	w.Int64(p.BaseOffset)
	w.Int64(p.LogAppendTimeMs)
	if version >= 5 {
		w.Int64(p.LogStartOffset)
	}
	if version >= recordErrorsVersion {
		w.ArrayLen(len(p.RecordErrors))
		for i := range p.RecordErrors {
			w.Int32(p.RecordErrors[i].BatchIndex)
			w.NullableString(p.RecordErrors[i].Message)
			w.EndStruct()
		}
		w.NullableString(p.ErrorMessage)
	}
	if version >= currentLeaderVersion && p.CurrentLeader != nil {
		w.Uvarint(1)
		w.CurrentLeader(0, *p.CurrentLeader)
	} else {
		w.EndStruct()
	}
}
