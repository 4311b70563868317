package state

import (
	"sync"
	"sync/atomic"
)

// DiskMetrics say how the state on disk fares, that of all tasks together.
type DiskMetrics struct {
	MemtableBytes, L0Files, L0Sublevels, CompactionDebt, DiskBytes int64 // now; of L0Sublevels the most that a task has
	BlockCacheHits, BlockCacheMisses, WALBytes                     int64 // since the DB was opened, as the following
	Flushes, Compactions, CompactedBytes, WriteStalls              int64
}

// Add adds those of another DB.
func (m *DiskMetrics) Add(o *DiskMetrics) {
	m.MemtableBytes += o.MemtableBytes
	m.L0Files += o.L0Files
	m.L0Sublevels = max(m.L0Sublevels, o.L0Sublevels)
	m.CompactionDebt += o.CompactionDebt
	m.DiskBytes += o.DiskBytes
	m.BlockCacheHits += o.BlockCacheHits
	m.BlockCacheMisses += o.BlockCacheMisses
	m.addCounts(o)
}

// addCounts adds what only grows.
func (m *DiskMetrics) addCounts(o *DiskMetrics) {
	m.WALBytes += o.WALBytes
	m.Flushes += o.Flushes
	m.Compactions += o.Compactions
	m.CompactedBytes += o.CompactedBytes
	m.WriteStalls += o.WriteStalls
}

// pastMetrics is what databases that are closed have counted.
type pastMetrics struct {
	mu     sync.Mutex
	counts DiskMetrics
	stalls atomic.Int64 // of all, also those that are open
}

func (p *pastMetrics) keep(m *DiskMetrics) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.counts.addCounts(m)
}

// DiskMetrics reads Pebble's counters; ok is false in memory and after Close. It costs some ten microseconds for each task
// and may be called beside the owners of tasks.
func (db *DB) DiskMetrics() (m DiskMetrics, ok bool) {
	db.mu.Lock()
	defer db.mu.Unlock()
	if !db.onDisk || db.closed {
		return m, false
	}
	for _, d := range db.bases {
		if one, ok := d.metrics(); ok {
			m.Add(&one)
		}
	}
	cache := db.cache.Metrics()
	m.BlockCacheHits, m.BlockCacheMisses = cache.Hits, cache.Misses
	db.past.mu.Lock()
	m.addCounts(&db.past.counts)
	db.past.mu.Unlock()
	m.WriteStalls = db.past.stalls.Load()
	return m, true
}

func (d *database) metrics() (m DiskMetrics, ok bool) {
	if d.fs.Err() != nil {
		return m, false
	}
	err := d.protect(func() error {
		p := d.pdb.Metrics()
		m = DiskMetrics{
			MemtableBytes: int64(p.MemTable.Size), L0Files: p.Levels[0].TablesCount, L0Sublevels: int64(p.Levels[0].Sublevels), //nolint:gosec // sizes
			CompactionDebt: int64(p.Compact.EstimatedDebt), DiskBytes: int64(p.DiskSpaceUsage()), WALBytes: int64(p.WAL.BytesWritten), //nolint:gosec // sizes
			Flushes: p.Flush.Count, Compactions: p.Compact.Count,
		}
		for i := range p.Levels {
			m.CompactedBytes += int64(p.Levels[i].TableBytesCompacted) //nolint:gosec // sizes
		}
		return nil
	})
	return m, err == nil
}
