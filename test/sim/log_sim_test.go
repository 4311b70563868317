package sim

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"leat.dev/internal/base/clock"
	"leat.dev/internal/base/vfs"
	"leat.dev/internal/commitlog"
	"leat.dev/internal/wire/batch"
	"leat.dev/internal/wire/compress"
)

// seeds returns the seeds to run.
func seeds(t *testing.T, usual int) []uint64 {
	if s := os.Getenv("LEAT_SIM_SEED"); s != "" {
		seed, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return []uint64{seed}
	}
	if s := os.Getenv("LEAT_SIM_SEEDS"); s != "" {
		n, err := strconv.Atoi(s)
		if err != nil {
			t.Fatal(err)
		}
		usual = n
	}
	out := make([]uint64, usual)
	for i := range out {
		out[i] = uint64(i + 1)
	}
	return out
}

// TestLogSurvivesCrashes drives one log by a seed, through crashes and kills
// at random moments, and compares it with the model after every restart:
// whatever was flushed is there byte by byte, nothing was invented, offsets
// are contiguous, and producers and transactions are remembered.
func TestLogSurvivesCrashes(t *testing.T) {
	for _, seed := range seeds(t, 400) {
		if err := newLogSim(seed, false).run(150); err != nil {
			t.Fatalf("LEAT_SIM_SEED=%d: %v", seed, err)
		}
	}
}

// TestCompactionSurvivesCrashes does the same with compaction, retention and
// moving log starts on top.
func TestCompactionSurvivesCrashes(t *testing.T) {
	for _, seed := range seeds(t, 400) {
		if err := newLogSim(seed, true).run(150); err != nil {
			t.Fatalf("LEAT_SIM_SEED=%d: %v", seed, err)
		}
	}
}

type logSim struct {
	rng     *rand.Rand
	disk    *vfs.Mem
	clock   *clock.Manual
	opts    commitlog.Options
	log     *commitlog.Log
	m       logModel
	next    map[int64]int32 // sequence each producer goes on with
	openTxn map[int64]bool
	trace   []string
}

func newLogSim(seed uint64, compacted bool) *logSim {
	s := &logSim{
		rng: rand.New(rand.NewPCG(seed, 1)), disk: vfs.NewMem(seed), clock: clock.NewManual(time.UnixMilli(1_700_000_000_000)),
		next: map[int64]int32{}, openTxn: map[int64]bool{},
	}
	s.m.compacted = compacted
	c := commitlog.DefaultConfig()
	c.SegmentBytes, c.IndexInterval, c.MaxMessageBytes = 2000, 150, 2000
	c.RetentionAge, c.FileDeleteDelay = -1, time.Minute
	c.Compact = compacted
	s.opts = commitlog.Options{Clock: s.clock, Dir: "/t-0", Topic: "t", TopicID: [16]byte{7}, Config: c}
	return s
}

func (s *logSim) run(steps int) error {
	if err := s.open(false); err != nil {
		return err
	}
	for i := range steps {
		name, err := s.step()
		s.trace = append(s.trace, name)
		if err != nil {
			return fmt.Errorf("step %d of %q: %w", i, s.trace[max(0, len(s.trace)-30):], err)
		}
	}
	return nil
}

func (s *logSim) open(clean bool) error {
	s.opts.FS, s.opts.Clean = s.disk, clean
	s.opts.RecoveryPoint, s.opts.LogStartOffset = s.m.recoveryPoint, s.m.durableStart
	l, err := commitlog.Open(s.opts)
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	s.log = l
	return nil
}

func (s *logSim) step() (string, error) {
	s.clock.Advance(time.Duration(s.rng.IntN(1000)) * time.Millisecond)
	switch n := s.rng.IntN(100); {
	case n < 50:
		return "append", s.append()
	case n < 62:
		return "flush", s.flush()
	case n < 66:
		return "checkpoint", s.checkpoint()
	case n < 76:
		return "read", s.check()
	case n < 79:
		return "truncate", s.truncate()
	case n < 82:
		return "delete records", s.deleteRecords()
	case n < 86:
		return "retention", s.retention()
	case n < 89:
		if s.m.compacted {
			return "clean", s.clean()
		}
		return "resend", s.resend()
	case n < 91:
		return "close", s.restartClean()
	case n < 95:
		return "kill", s.crash(s.disk.Kill(), true)
	default:
		return "crash", s.crash(s.disk.Crash(), false)
	}
}

func (s *logSim) check() error {
	if s.m.compacted {
		return s.m.checkCompacted(s.log)
	}
	return s.m.check(s.log)
}

func (s *logSim) build() batch.Batch {
	o := batch.BuilderOptions{}
	if s.rng.IntN(4) == 0 {
		o.Codec = compress.LZ4
	}
	switch s.rng.IntN(3) {
	case 0:
		id := int64(s.rng.IntN(3))
		o.Producer = &batch.Producer{ID: id, BaseSequence: s.next[id]}
	case 1:
		id := int64(10 + s.rng.IntN(3))
		o.Producer, o.Transactional = &batch.Producer{ID: id, BaseSequence: s.next[id]}, true
	}
	b := batch.NewBuilder(o)
	for range 1 + s.rng.IntN(4) {
		value := bytes.Repeat([]byte{byte('a' + s.rng.IntN(26))}, s.rng.IntN(120))
		if s.rng.IntN(8) == 0 {
			value = nil
		}
		b.Append(s.clock.Now().UnixMilli(), fmt.Appendf(nil, "key%d", s.rng.IntN(12)), value, nil)
	}
	out, err := b.Finish()
	if err != nil {
		panic(err)
	}
	return bytes.Clone(out)
}

func (s *logSim) append() error {
	b := s.build()
	h := b.Header()
	o := commitlog.AppendOptions{LeaderEpoch: 1}
	marker, commit := false, false
	if s.openTxn[h.ProducerID] && s.rng.IntN(3) == 0 {
		marker, commit = true, s.rng.IntN(2) == 0
		b = batch.EndTxnMarker(h.ProducerID, 0, 1, commit, s.clock.Now().UnixMilli(), 0)
		o.Origin = commitlog.Coordinator
	}
	info, err := s.log.AppendLeader(b, o)
	if err != nil {
		return err
	}
	if info.Duplicate || info.FirstOffset != s.m.end {
		return fmt.Errorf("appended at %d, not at %d (duplicate: %v)", info.FirstOffset, s.m.end, info.Duplicate)
	}
	s.m.append(b, marker, commit)
	switch {
	case marker:
		delete(s.openTxn, h.ProducerID)
	case h.HasProducer():
		s.next[h.ProducerID] += h.Count
		if h.Transactional() {
			s.openTxn[h.ProducerID] = true
		}
	}
	return nil
}

func (s *logSim) flush() error {
	to, err := s.log.Flush()
	if err != nil {
		return err
	}
	if to != s.m.end {
		return fmt.Errorf("flushed to %d of %d", to, s.m.end)
	}
	s.m.flushed = to
	s.log.SetHighWatermark(to)
	if got, want := s.log.LastStableOffset(), max(s.m.firstUnstable(), s.m.start); got != want {
		return fmt.Errorf("last stable offset %d, want %d", got, want)
	}
	return nil
}

func (s *logSim) checkpoint() error {
	rp, err := s.log.Checkpoint()
	s.m.recoveryPoint, s.m.durableStart = rp, s.log.StartOffset()
	return err
}

func (s *logSim) truncate() error {
	if s.m.compacted || len(s.m.batches) == 0 || s.m.end == s.m.start {
		return nil
	}
	at := s.m.batches[s.rng.IntN(len(s.m.batches))].base
	if at < s.m.start {
		return nil
	}
	if err := s.log.TruncateTo(at); err != nil {
		return err
	}
	s.m.cut(at)
	s.syncProducers()
	return s.check()
}

// syncProducers makes the producers go on after what the log still holds.
func (s *logSim) syncProducers() {
	s.next, s.openTxn = map[int64]int32{}, map[int64]bool{}
	for _, b := range s.m.batches {
		switch {
		case b.marker:
			delete(s.openTxn, b.pid)
		case b.pid >= 0:
			s.next[b.pid] = b.seq + batch.Batch(b.bytes).Header().Count
			if b.txn {
				s.openTxn[b.pid] = true
			}
		}
	}
}

func (s *logSim) deleteRecords() error {
	hw := s.log.HighWatermark()
	if s.rng.IntN(3) > 0 || hw <= s.m.start || s.m.firstUnstable() < s.m.end {
		return nil
	}
	at := s.m.start + s.rng.Int64N(min(hw-s.m.start, 20)+1)
	low, err := s.log.DeleteRecords(at)
	if err != nil || low != at {
		return fmt.Errorf("log start %d, want %d: %w", low, at, err)
	}
	s.m.start = at
	return nil
}

func (s *logSim) retention() error {
	if _, err := s.log.ApplyRetention(); err != nil {
		return err
	}
	if s.log.StartOffset() != s.m.start {
		return fmt.Errorf("retention moved the log start from %d to %d", s.m.start, s.log.StartOffset())
	}
	return s.check()
}

func (s *logSim) clean() error {
	_, err := s.log.Clean(context.Background(), commitlog.NewCleanerBuffers((4+s.rng.IntN(100))*24, 300, 0.9))
	if err != nil {
		return err
	}
	return s.check()
}

// resend sends the last five batches of every producer again.
func (s *logSim) resend() error {
	for id, list := range s.m.producers() {
		for _, b := range list {
			if b.base < s.log.StartOffset() {
				continue
			}
			again := bytes.Clone(b.bytes)
			batch.Batch(again).SetBaseOffset(0)
			info, err := s.log.AppendLeader(again, commitlog.AppendOptions{LeaderEpoch: 1})
			if err != nil || !info.Duplicate || info.FirstOffset != b.base {
				return fmt.Errorf("producer %d sequence %d, stored at %d, sent again: %+v, %w", id, b.seq, b.base, info, err)
			}
		}
	}
	return nil
}

func (s *logSim) restartClean() error {
	if err := s.log.Close(); err != nil {
		return err
	}
	s.m.flushed, s.m.recoveryPoint, s.m.durableStart = s.m.end, s.m.end, s.m.start
	s.disk = s.disk.Crash() // all of it was made durable
	if err := s.open(true); err != nil {
		return err
	}
	return s.recovered(true)
}

// crash continues with what is left of the disk.
func (s *logSim) crash(disk *vfs.Mem, killed bool) error {
	s.disk = disk
	if err := s.open(false); err != nil {
		return err
	}
	if killed && s.log.EndOffset() != s.m.end {
		return fmt.Errorf("log ends at %d after a kill, not at %d", s.log.EndOffset(), s.m.end)
	}
	return s.recovered(killed)
}

func (s *logSim) recovered(complete bool) error {
	end := s.log.EndOffset()
	if end < s.m.flushed {
		return fmt.Errorf("log ends at %d, was flushed to %d", end, s.m.flushed)
	}
	s.m.cut(end)
	s.syncProducers()
	// The log start is only as durable as its checkpoint and the deleted files.
	if got := s.log.StartOffset(); got < s.m.durableStart || got > s.m.start {
		return fmt.Errorf("log starts at %d, should be in [%d, %d]", got, s.m.durableStart, s.m.start)
	}
	s.m.start = s.log.StartOffset()
	if err := s.check(); err != nil {
		return err
	}
	if err := s.flush(); err != nil {
		return err
	}
	if !s.m.compacted {
		if err := s.checkAborted(); err != nil {
			return err
		}
		return s.resend()
	}
	return nil
}

// checkAborted reads all of the log as a read_committed consumer.
func (s *logSim) checkAborted() error {
	got := map[commitlog.AbortedTxn]bool{}
	for offset := s.m.start; ; {
		info, err := s.log.Read(offset, 400, true, commitlog.ReadStable)
		if err != nil {
			return err
		}
		for _, a := range info.Aborted {
			got[a] = true
		}
		info.Release()
		if info.Bytes == 0 {
			break
		}
		b, err := s.log.ReadBytes(offset, 400, commitlog.ReadStable)
		if err != nil {
			return err
		}
		for one, err := range batch.Split(b) {
			if err != nil {
				return errors.New("cut batch")
			}
			offset = one.Header().NextOffset()
		}
	}
	want := map[commitlog.AbortedTxn]bool{}
	stable := s.log.LastStableOffset()
	for _, a := range s.m.aborted() {
		want[a] = true // those that begin soon after the bytes read may be reported too
		if a.FirstOffset >= s.m.start && a.FirstOffset < stable && !got[a] {
			return fmt.Errorf("aborted transaction %+v is not reported", a)
		}
	}
	for a := range got {
		if !want[a] && a.FirstOffset >= s.m.start {
			return fmt.Errorf("transaction %+v is reported as aborted", a)
		}
	}
	return nil
}
