package engine

import (
	"math/bits"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Batch is records of one input, in offset order, on their way to the task that processes them. It has one owner at a time; who
// is done with all of its records gives it back by free, and its memory serves the next one.
type Batch struct{ Records []In }

// batchRoom is the least room for records that a batch is made with.
const batchRoom = 64

// batches are free. Their room is never less than what they are asked for by much: batches of a fetch are alike.
var batches = sync.Pool{New: func() any { return new(Batch) }}

// newBatch gives an empty batch with room for n records.
func newBatch(n int) *Batch {
	b := batches.Get().(*Batch)
	if cap(b.Records) < n {
		b.Records = make([]In, 0, max(n, batchRoom))
	}
	return b
}

// add appends what franz-go read.
func (b *Batch) add(r *kgo.Record) *In {
	b.Records = append(b.Records, In{
		Topic: r.Topic, Partition: r.Partition, Offset: r.Offset, LeaderEpoch: r.LeaderEpoch,
		Time: r.Timestamp.UnixMilli(), Key: r.Key, Value: r.Value, Headers: headersOf(r.Headers),
	})
	return &b.Records[len(b.Records)-1]
}

// free takes a batch back of which nothing is used any more, but what its records pointed to.
func (b *Batch) free() {
	clear(b.Records)
	b.Records = b.Records[:0]
	batches.Put(b)
}

// fetchedRecords lends franz-go memory for the records that it fetches, by powers of two. They come back when all of a record
// batch were recycled; keys, values and headers are not the pool's.
type fetchedRecords [maxRecordsClass + 1]sync.Pool

// maxRecordsClass bounds what is kept: 2^16 records are 10 MB.
const maxRecordsClass = 16

var recordsPool = new(fetchedRecords)

// recordPools is the option for clients whose records are recycled after they were read.
func recordPools() kgo.Opt { return kgo.WithPools(recordsPool) }

// GetRecords is franz-go's.
func (p *fetchedRecords) GetRecords(n int) []kgo.Record {
	class := bits.Len(uint(max(n, 1) - 1)) //nolint:gosec // not negative
	if class > maxRecordsClass {
		return make([]kgo.Record, n)
	}
	if free, ok := p[class].Get().(*[]kgo.Record); ok {
		return *free
	}
	return make([]kgo.Record, 1<<class)
}

// PutRecords is franz-go's.
func (p *fetchedRecords) PutRecords(r []kgo.Record) {
	if class := bits.Len(uint(cap(r))) - 1; class >= 0 && class <= maxRecordsClass && cap(r) == 1<<class {
		p[class].Put(&r)
	}
}
