package sim

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"

	"leat.dev/internal/commitlog"
	"leat.dev/internal/wire/batch"
)

// stored is a batch that the log accepted.
type stored struct {
	base, next int64
	bytes      []byte // as they must be read back
	pid        int64  // -1 none
	epoch      int16
	seq        int32
	txn        bool
	marker     bool
	commit     bool
}

// logModel is what a log should hold, as a list.
type logModel struct {
	batches []stored
	start   int64
	end     int64
	flushed int64
	// durableStart is what the log start checkpoint says.
	durableStart  int64
	recoveryPoint int64
	compacted     bool // batches may be missing or thinned out below the active segment
}

func (m *logModel) append(b batch.Batch, marker, commit bool) {
	h := b.Header()
	m.batches = append(m.batches, stored{
		base: h.BaseOffset, next: h.NextOffset(), bytes: bytes.Clone(b), pid: h.ProducerID,
		epoch: h.ProducerEpoch, seq: h.BaseSequence, txn: h.Transactional(), marker: marker, commit: commit,
	})
	m.end = h.NextOffset()
}

// cut removes what lies at or above offset, a boundary between batches.
func (m *logModel) cut(offset int64) {
	i, _ := slices.BinarySearchFunc(m.batches, offset, func(s stored, o int64) int { return cmp.Compare(s.base, o) })
	m.batches = m.batches[:i]
	m.end = offset
	m.flushed = min(m.flushed, offset)
	m.recoveryPoint = min(m.recoveryPoint, offset)
}

// producers returns the newest batches of each producer, at most five, of its
// newest epoch.
func (m *logModel) producers() map[int64][]stored {
	out := map[int64][]stored{}
	for _, s := range m.batches {
		if s.pid < 0 {
			continue
		}
		list := out[s.pid]
		if len(list) > 0 && list[0].epoch != s.epoch {
			list = nil
		}
		if s.marker {
			continue
		}
		list = append(list, s)
		out[s.pid] = list[max(0, len(list)-5):]
	}
	return out
}

// firstUnstable is the first offset of the open transactions, or the end.
func (m *logModel) firstUnstable() int64 {
	open := map[int64]int64{}
	for _, s := range m.batches {
		switch {
		case s.marker:
			delete(open, s.pid)
		case s.txn:
			if _, ok := open[s.pid]; !ok {
				open[s.pid] = s.base
			}
		}
	}
	first := m.end
	for _, o := range open {
		first = min(first, o)
	}
	return first
}

// aborted lists the aborted transactions.
func (m *logModel) aborted() (out []commitlog.AbortedTxn) {
	open := map[int64]int64{}
	for _, s := range m.batches {
		switch {
		case s.marker:
			if first, ok := open[s.pid]; ok && !s.commit {
				out = append(out, commitlog.AbortedTxn{ProducerID: s.pid, FirstOffset: first})
			}
			delete(open, s.pid)
		case s.txn:
			if _, ok := open[s.pid]; !ok {
				open[s.pid] = s.base
			}
		}
	}
	return out
}

// check compares the log with the model, byte by byte.
func (m *logModel) check(l *commitlog.Log) error {
	if l.EndOffset() != m.end || l.StartOffset() != m.start {
		return fmt.Errorf("log is [%d, %d), should be [%d, %d)", l.StartOffset(), l.EndOffset(), m.start, m.end)
	}
	i, _ := slices.BinarySearchFunc(m.batches, m.start, func(s stored, o int64) int { return cmp.Compare(s.next, o+1) })
	want := m.batches[i:]
	for offset := m.start; offset < m.end; {
		got, err := l.ReadBytes(offset, 700, commitlog.ReadLogEnd)
		if err != nil {
			return fmt.Errorf("read at %d: %w", offset, err)
		}
		if len(got) == 0 {
			return fmt.Errorf("nothing at %d, the end is %d", offset, m.end)
		}
		for one, err := range batch.Split(got) {
			if err != nil {
				return fmt.Errorf("read at %d: %w", offset, err)
			}
			if len(want) == 0 || !bytes.Equal(want[0].bytes, one) {
				return fmt.Errorf("batch at %d differs from what was appended", one.Header().BaseOffset)
			}
			offset, want = want[0].next, want[1:]
		}
	}
	return nil
}

// record is one data record that was appended.
type record struct {
	offset int64
	key    string
	value  []byte
}

func records(batches []stored, aborted map[int64]bool) (out []record) {
	for _, s := range batches {
		if s.marker {
			continue
		}
		for r, err := range batch.Batch(s.bytes).Records(nil, 1<<20) {
			if err != nil {
				panic(err)
			}
			if !aborted[r.Offset] {
				out = append(out, record{r.Offset, string(r.Key), bytes.Clone(r.Value)})
			}
		}
	}
	return out
}

// abortedOffsets are the offsets of all records of aborted transactions.
func (m *logModel) abortedOffsets() map[int64]bool {
	out, open := map[int64]bool{}, map[int64][]stored{}
	for _, s := range m.batches {
		switch {
		case s.marker:
			if !s.commit {
				for _, d := range open[s.pid] {
					for o := d.base; o < d.next; o++ {
						out[o] = true
					}
				}
			}
			delete(open, s.pid)
		case s.txn:
			open[s.pid] = append(open[s.pid], s)
		}
	}
	return out
}

// checkCompacted compares a compacted log with the model: every record that is
// left was appended there, and the last of every key is left.
func (m *logModel) checkCompacted(l *commitlog.Log) error {
	if l.EndOffset() != m.end || l.StartOffset() != m.start {
		return fmt.Errorf("log is [%d, %d), should be [%d, %d)", l.StartOffset(), l.EndOffset(), m.start, m.end)
	}
	appended := map[int64]record{}
	for _, r := range records(m.batches, nil) {
		appended[r.offset] = r
	}
	last := map[string]record{}
	for _, r := range records(m.batches, m.abortedOffsets()) {
		last[r.key] = r
	}
	left := map[int64]bool{}
	for offset := m.start; offset < m.end; {
		got, err := l.ReadBytes(offset, 700, commitlog.ReadLogEnd)
		if err != nil {
			return fmt.Errorf("read at %d: %w", offset, err)
		}
		if len(got) == 0 {
			break
		}
		for one, err := range batch.Split(got) {
			if err != nil {
				return err
			}
			h := one.Header()
			if h.NextOffset() <= offset || !one.VerifyCRC() {
				return fmt.Errorf("batch [%d, %d) where %d is due", h.BaseOffset, h.NextOffset(), offset)
			}
			offset = h.NextOffset()
			if h.Control() {
				continue
			}
			for r, err := range one.Records(nil, 1<<20) {
				if err != nil {
					return err
				}
				if a, ok := appended[r.Offset]; !ok || a.key != string(r.Key) || !bytes.Equal(a.value, r.Value) {
					return fmt.Errorf("record %d was not appended like that", r.Offset)
				}
				left[r.Offset] = true
			}
		}
	}
	for key, r := range last {
		if !left[r.offset] && r.value != nil && r.offset >= m.start {
			return fmt.Errorf("the last record of %s, at %d, is gone", key, r.offset)
		}
	}
	return nil
}
