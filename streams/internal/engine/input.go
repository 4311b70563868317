package engine

// input is one input partition: the batches that wait in it, and what is known of the partition.
type input struct {
	tp      TopicPartition
	batches []*Batch // none is empty
	at      int      // of the head, in the first one
	count   int
	bytes   int64

	loaded   bool // the head was decoded
	headTime int64

	time     int64 // the largest timestamp taken
	position Committed
	moved    bool // records were taken since the last commit

	caughtUp bool // the broker has no more than what was added
	idle     bool // empty and caught up since deadline - max.task.idle.ms
	deadline int64
}

func (q *input) head() *In { return &q.batches[0].Records[q.at] }

// push takes a batch that has records.
func (q *input) push(b *Batch) {
	q.batches = append(q.batches, b)
	q.count += len(b.Records)
	for i := range b.Records {
		q.bytes += b.Records[i].size()
	}
}

// pop removes the head. It gives the batch of which it was the last record, whose records stay as they are.
func (q *input) pop() (done *Batch) {
	b := q.batches[0]
	q.bytes -= b.Records[q.at].size()
	q.count--
	q.at++
	if q.at < len(b.Records) {
		return nil
	}
	n := copy(q.batches, q.batches[1:])
	q.batches[n] = nil
	q.batches, q.at = q.batches[:n], 0
	return b
}

// size is what a record counts for in limits of buffered bytes.
func (r *In) size() int64 {
	n := len(r.Key) + len(r.Value)
	for i := range r.Headers {
		n += len(r.Headers[i].Key) + len(r.Headers[i].Value)
	}
	return int64(n)
}
