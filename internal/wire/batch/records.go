package batch

import (
	"errors"
	"fmt"
	"iter"

	"leat.dev/internal/wire/compress"
)

// Record is one record. Its slices belong to the batch or the decompressor.
type Record struct {
	Offset    int64
	Timestamp int64 // milliseconds; -1 if the producer set none
	Key       []byte
	Value     []byte // nil is null, as for Key
	Headers   []RecordHeader
}

// RecordHeader is a header of a record. A nil Value is null.
type RecordHeader struct {
	Key   []byte
	Value []byte
}

// Records yields the records in order. An error ends the iteration, and
// nothing that came before it is to be trusted: it is ErrCorrupt, or
// compress.ErrTooLarge if the records exceed maxBytes decompressed.
//
// Keys and values are valid as long as the batch, or until the next use of d
// if the batch is compressed; Headers only until the next record. d may be
// nil, which costs a buffer for each compressed batch.
func (b Batch) Records(d *compress.Decompressor, maxBytes int) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		var it Iterator
		it.Reset(b, d, maxBytes)
		for it.Next() {
			if !yield(it.rec, nil) {
				return
			}
		}
		if it.err != nil {
			yield(Record{}, it.err)
		}
	}
}

// Iterator is Records for callers that go through many batches: it keeps its
// memory. The zero value needs a Reset.
type Iterator struct {
	header    Header
	remaining int32
	body      []byte
	rec       Record
	headers   []RecordHeader
	err       error
}

// Reset starts over with a batch; the arguments are those of Records.
func (it *Iterator) Reset(b Batch, d *compress.Decompressor, maxBytes int) {
	*it = Iterator{header: b.Header(), headers: it.headers[:0]}
	it.remaining = it.header.Count
	if it.remaining < 0 {
		it.fail(corruptf("record count %d", it.remaining))
		return
	}
	if len(b) == HeaderSize {
		return // nothing is not compressed, whatever the codec
	}
	body, err := d.Decompress(it.header.Codec(), b[HeaderSize:], maxBytes)
	if errors.Is(err, compress.ErrTooLarge) {
		it.fail(err)
		return
	}
	if err != nil {
		it.fail(fmt.Errorf("%w: %w", ErrCorrupt, err))
		return
	}
	it.body = body
}

// Next moves to the next record; false means the end or an error.
func (it *Iterator) Next() bool {
	if it.err != nil {
		return false
	}
	if it.remaining == 0 {
		if len(it.body) != 0 {
			it.fail(corruptf("%d bytes after the last record", len(it.body)))
		}
		return false
	}
	it.remaining--
	if err := it.parse(); err != nil {
		it.fail(err)
		return false
	}
	return true
}

// Record is the current record, valid until the next call of Next.
func (it *Iterator) Record() *Record { return &it.rec }

// Err is the error that ended the iteration, if any.
func (it *Iterator) Err() error { return it.err }

func (it *Iterator) fail(err error) {
	it.err, it.body, it.remaining = err, nil, 0
}

func (it *Iterator) parse() error {
	size, n := varint(it.body)
	if n == 0 || size < 0 || int(size) > len(it.body)-n {
		return corruptf("record length %d with %d bytes left", size, len(it.body)-n)
	}
	r := reader{b: it.body[n : n+int(size)]}
	it.body = it.body[n+int(size):]

	r.skip(1) // attributes: none are defined
	timestampDelta := r.varlong()
	offsetDelta := r.varint()
	it.rec.Key = r.bytes()
	it.rec.Value = r.bytes()
	it.rec.Headers = it.parseHeaders(&r)
	switch {
	case r.bad:
		return corruptf("record fields exceed the record")
	case len(r.b) != 0:
		return corruptf("%d bytes after the last field of a record", len(r.b))
	}
	it.rec.Offset = it.header.BaseOffset + int64(offsetDelta)
	it.rec.Timestamp = it.header.BaseTimestamp + timestampDelta
	if it.header.LogAppendTime() {
		it.rec.Timestamp = it.header.MaxTimestamp
	}
	return nil
}

func (it *Iterator) parseHeaders(r *reader) []RecordHeader {
	count := r.varint()
	// A header takes two bytes at least: a larger count is a lie.
	if count < 0 || int(count) > len(r.b)/2 {
		r.bad = true
	}
	if r.bad || count == 0 {
		return nil
	}
	it.headers = it.headers[:0]
	for range count {
		key := r.bytes()
		if key == nil {
			r.bad = true
		}
		value := r.bytes()
		if r.bad {
			return nil
		}
		it.headers = append(it.headers, RecordHeader{Key: key, Value: value})
	}
	return it.headers
}

// reader takes fields off a record; after the first that does not fit, bad is
// set and the rest read as zero.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) skip(n int) {
	if n > len(r.b) {
		r.bad, r.b = true, nil
		return
	}
	r.b = r.b[n:]
}

func (r *reader) varint() int32 {
	v, n := varint(r.b)
	if n == 0 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) varlong() int64 {
	v, n := varlong(r.b)
	if n == 0 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return v
}

// bytes reads a length and that many bytes; length -1 is nil.
func (r *reader) bytes() []byte {
	n := r.varint()
	if n == -1 {
		return nil
	}
	if n < 0 || int(n) > len(r.b) {
		r.bad, r.b = true, nil
		return nil
	}
	out := r.b[:n:n]
	r.b = r.b[n:]
	return out
}
