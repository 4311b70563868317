package broker

import (
	"errors"

	"leat.dev/internal/wire/field"
)

// fetchRequest is a decoded Fetch request, versions 4 to 18. It is decoded by hand because clients without fetch
// sessions send all their partitions each time; the structure is used again for the connection's next request. Names
// are slices of the request's body.
type fetchRequest struct {
	replicaID    int32
	maxWaitMs    int32
	minBytes     int32
	maxBytes     int32
	isolation    int8
	sessionID    int32
	sessionEpoch int32
	partitions   []fetchPartition
	forgotten    []fetchPartition
}

type fetchPartition struct {
	topic            []byte
	id               [16]byte
	index            int32
	leaderEpoch      int32
	offset           int64
	lastFetchedEpoch int32
	maxBytes         int32
}

// maxFetchPartitions bounds what a Fetch request may name, as the other requests' elements are bounded.
const maxFetchPartitions = 1 << 18

var errFetchShape = errors.New("fields do not fit the request")

func (q *fetchRequest) decode(body []byte, version int16) error {
	r := field.Reader{B: body, Flexible: version >= 12}
	*q = fetchRequest{replicaID: -1, sessionEpoch: -1, partitions: q.partitions[:0], forgotten: q.forgotten[:0]}
	if version <= 14 {
		q.replicaID = r.Int32()
	}
	q.maxWaitMs = r.Int32()
	q.minBytes = r.Int32()
	q.maxBytes = r.Int32()
	if b := r.Span(1); b != nil {
		q.isolation = int8(b[0])
	}
	if version >= 7 {
		q.sessionID = r.Int32()
		q.sessionEpoch = r.Int32()
	}
	q.topics(&r, version)
	if version >= 7 {
		q.forget(&r, version)
	}
	if version >= 11 {
		// The client's rack, which may not be null: there is no replica nearer than this one.
		r.Bad = r.String() == nil || r.Bad
	}
	if version >= 12 {
		q.tagged(&r, version)
	}
	if r.Bad { // bytes behind the last field are ignored, as with every API
		return errFetchShape
	}
	return nil
}

// arrayLen takes the length of an array, which may not be null.
func arrayLen(r *field.Reader, elemSize int) int {
	n := r.ArrayLen(elemSize)
	r.Bad = r.Bad || n < 0
	return n
}

func (q *fetchRequest) topics(r *field.Reader, version int16) {
	for range arrayLen(r, 3) {
		var p fetchPartition
		if version >= 13 {
			p.id = r.UUID()
		} else {
			p.topic = r.String()
			r.Bad = r.Bad || p.topic == nil
		}
		for range arrayLen(r, 16) {
			p.index = r.Int32()
			p.leaderEpoch = -1
			if version >= 9 {
				p.leaderEpoch = r.Int32()
			}
			p.offset = int64(r.Int32())<<32 | int64(uint32(r.Int32()))
			p.lastFetchedEpoch = -1
			if version >= 12 {
				p.lastFetchedEpoch = r.Int32()
			}
			if version >= 5 {
				_ = r.Span(8) // a follower's log start
			}
			p.maxBytes = r.Int32()
			r.EndStruct()
			if r.Bad = r.Bad || len(q.partitions) == maxFetchPartitions; r.Bad {
				return
			}
			q.partitions = append(q.partitions, p)
		}
		r.EndStruct()
		if r.Bad {
			return
		}
	}
}

func (q *fetchRequest) forget(r *field.Reader, version int16) {
	for range arrayLen(r, 3) {
		var p fetchPartition
		if version >= 13 {
			p.id = r.UUID()
		} else {
			p.topic = r.String()
			r.Bad = r.Bad || p.topic == nil
		}
		for range arrayLen(r, 4) {
			p.index = r.Int32()
			if r.Bad = r.Bad || len(q.forgotten) == maxFetchPartitions; r.Bad {
				return
			}
			q.forgotten = append(q.forgotten, p)
		}
		r.EndStruct()
		if r.Bad {
			return
		}
	}
}

// tagged reads the tagged fields of the request. Number 0 is the cluster a follower thinks it is in, number 1 names
// the follower from version 15 on; no client sends either, but their shape is checked like that of any field.
func (q *fetchRequest) tagged(r *field.Reader, version int16) {
	for n := r.Uvarint(); n > 0 && !r.Bad; n-- {
		tag := r.Uvarint()
		value := field.Reader{B: r.Span(int(r.Uvarint())), Flexible: true}
		switch tag {
		case 0:
			_ = value.String()
		case 1:
			id := value.Int32()
			_ = value.Span(8) // the follower's epoch
			value.EndStruct()
			if version >= 15 {
				q.replicaID = id
			}
		default:
			continue
		}
		r.Bad = r.Bad || value.Bad || len(value.B) > 0
	}
}
