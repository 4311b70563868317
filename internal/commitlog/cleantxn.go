package commitlog

import (
	"slices"

	"leat.dev/internal/wire/batch"
)

// cleanedTxns follows the transactions through the batches that compaction
// reads, in order, to tell which data was aborted and which markers have no
// data left.
type cleanedTxns struct {
	aborted   []abortedTxn         // not begun yet, sorted by first offset
	ongoing   map[int64]*abortedIn // by producer id
	committed map[int64]bool       // producers with data of a transaction that was not aborted
	keep      func(abortedTxn)     // an abort whose marker stays
}

type abortedIn struct {
	abortedTxn
	seen bool // a batch of its data was read
}

func newCleanedTxns(aborted []abortedTxn, keep func(abortedTxn)) *cleanedTxns {
	slices.SortFunc(aborted, func(a, b abortedTxn) int { return int(min(max(a.first-b.first, -1), 1)) })
	return &cleanedTxns{aborted: aborted, ongoing: map[int64]*abortedIn{}, committed: map[int64]bool{}, keep: keep}
}

func (t *cleanedTxns) advance(offset int64) {
	for len(t.aborted) > 0 && t.aborted[0].first <= offset {
		a := t.aborted[0]
		t.aborted = t.aborted[1:]
		if t.ongoing[a.producerID] == nil {
			t.ongoing[a.producerID] = &abortedIn{abortedTxn: a}
		}
	}
}

// data tells whether a data batch belongs to an aborted transaction.
func (t *cleanedTxns) data(h *batch.Header) bool {
	t.advance(h.LastOffset())
	if !h.Transactional() {
		return false
	}
	if a := t.ongoing[h.ProducerID]; a != nil {
		a.seen = true
		return true
	}
	t.committed[h.ProducerID] = true
	return false
}

// control tells whether a control batch may go: a marker whose transaction has
// no data left, or a bare header.
func (t *cleanedTxns) control(b batch.Batch, h *batch.Header) (bool, error) {
	t.advance(h.LastOffset())
	if h.Count == 0 {
		return true, nil
	}
	m, _, ok, err := parseMarker(b)
	if err != nil || !ok {
		return false, err
	}
	if m.Commit {
		had := t.committed[h.ProducerID]
		delete(t.committed, h.ProducerID)
		return !had, nil
	}
	a := t.ongoing[h.ProducerID]
	delete(t.ongoing, h.ProducerID)
	if a == nil || !a.seen {
		return true, nil
	}
	t.keep(a.abortedTxn)
	return false, nil
}
