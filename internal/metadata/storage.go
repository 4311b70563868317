package metadata

import (
	"encoding/binary"
	"errors"
	"fmt"

	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"

	"leat.dev/internal/base/vfs"
	"leat.dev/internal/commitlog"
	"leat.dev/internal/metadata/record"
	"leat.dev/internal/wire/batch"
)

// Log is what the node needs of its partition; *commitlog.Log is one.
type Log interface {
	AppendFollower(batches []byte) (commitlog.AppendInfo, error)
	Flush() (flushedTo int64, err error)
	ReadBytes(offset int64, maxBytes int, iso commitlog.Isolation) ([]byte, error)
	StartOffset() int64
	EndOffset() int64
	SetHighWatermark(offset int64)
	TruncateTo(offset int64) error
	TruncateFullyAndStartAt(offset int64) error
	DeleteRecords(offset int64) (low int64, err error)
	ApplyRetention() (deletedSegments int, err error)
	Offline() error
	Reopen() error
}

// tailBytesMax bounds the entries kept in memory for reading back; older ones
// are read from the log.
const tailBytesMax = 4 << 20

// scanBytes is how much of the log is read at a time.
const scanBytes = 1 << 20

// storage is raft's storage over the partition: an entry is a record batch,
// its index the batch's ordinal after a base that the raft state file holds.
// It belongs to the raft loop.
type storage struct {
	fs    vfs.FS
	dir   string
	log   Log
	state raftState

	ents []position // of the entries after the base
	end  int64      // offset after the last entry
	size int64      // bytes of those entries

	tail      []*raftpb.Entry // the newest entries, the last one at the end of ents
	tailBytes int
}

// position is where an entry lies in the log.
type position struct {
	offset int64
	term   uint32
	size   int32
}

// openStorage reads the raft state and walks the log after its base.
func openStorage(fs vfs.FS, dir string, log Log, voters []int32) (*storage, error) {
	s := &storage{fs: fs, dir: dir, log: log}
	state, found, err := readRaftState(fs, dir)
	if err != nil {
		return nil, err
	}
	if !found {
		if log.EndOffset() > 0 {
			return nil, fmt.Errorf("%s is missing but the metadata log beside it has %d records: restore the file or the whole directory", statePath(dir), log.EndOffset())
		}
		state = raftState{voters: voters, vote: noNode}
	}
	s.state = state
	s.end = state.base.offset
	if err := s.scan(); err != nil {
		return nil, err
	}
	if last := s.lastIndex(); state.commit > last {
		return nil, fmt.Errorf("the metadata log ends at entry %d but entry %d was committed: records are missing", last, state.commit)
	}
	if t := s.lastTerm(); t > state.term {
		return nil, fmt.Errorf("the metadata log is at term %d but %s is at %d", t, statePath(dir), state.term)
	}
	return s, nil
}

// scan finds the entries after the base.
func (s *storage) scan() error {
	base, end := s.state.base.offset, s.log.EndOffset()
	if s.log.StartOffset() > base || end < base {
		// A snapshot that was taken from the leader, but whose log start was
		// not moved before the crash.
		if end < base && base > 0 {
			return s.log.TruncateFullyAndStartAt(base)
		}
		return fmt.Errorf("the metadata log holds offsets %d to %d but the snapshot ends at %d", s.log.StartOffset(), end, base)
	}
	for s.end < end {
		b, err := s.log.ReadBytes(s.end, scanBytes, commitlog.ReadLogEnd)
		if err != nil {
			return fmt.Errorf("reading the metadata log at offset %d: %w", s.end, err)
		}
		if len(b) == 0 {
			return fmt.Errorf("reading the metadata log at offset %d of %d: nothing there", s.end, end)
		}
		for one, err := range batch.Split(b) {
			if err != nil {
				return fmt.Errorf("reading the metadata log at offset %d: %w", s.end, err)
			}
			e, err := s.entryOf(one, s.end, s.lastIndex()+1)
			if err != nil {
				return err
			}
			h := one.Header()
			s.push(e, position{h.BaseOffset, uint32(h.LeaderEpoch), int32(len(one))}, h.NextOffset())
		}
	}
	return nil
}

// entryOf turns a batch of the log into the raft entry it was.
func (s *storage) entryOf(b batch.Batch, offset int64, index uint64) (*raftpb.Entry, error) {
	h := b.Header()
	if h.BaseOffset != offset || h.LeaderEpoch < 0 || !b.VerifyCRC() {
		return nil, fmt.Errorf("the metadata log is corrupt at offset %d (batch at %d of %d bytes)", offset, h.BaseOffset, len(b))
	}
	e := &raftpb.Entry{Index: new(index), Term: new(uint64(h.LeaderEpoch)), Type: raftpb.EntryNormal.Enum()}
	if !h.Control() {
		e.Data = b
	}
	return e, nil
}

func (s *storage) push(e *raftpb.Entry, p position, next int64) {
	s.ents = append(s.ents, p)
	s.end = next
	s.size += int64(p.size)
	s.tail = append(s.tail, e)
	s.tailBytes += int(p.size)
	drop := 0
	for s.tailBytes > tailBytesMax && drop < len(s.tail)-1 {
		s.tailBytes -= int(s.ents[len(s.ents)-len(s.tail)+drop].size)
		drop++
	}
	if drop > 0 {
		s.tail = append([]*raftpb.Entry(nil), s.tail[drop:]...)
	}
}

func (s *storage) lastIndex() uint64 { return s.state.base.index + uint64(len(s.ents)) }

func (s *storage) lastTerm() uint64 {
	if n := len(s.ents); n > 0 {
		return uint64(s.ents[n-1].term)
	}
	return s.state.base.term
}

// offsetOf is the first offset of the entry, which must be after the base.
func (s *storage) offsetOf(index uint64) int64 {
	if index == s.lastIndex()+1 {
		return s.end
	}
	return s.ents[index-s.state.base.index-1].offset
}

// InitialState implements raft.Storage.
func (s *storage) InitialState() (*raftpb.HardState, *raftpb.ConfState, error) {
	return s.state.hardState(), s.state.confState(), nil
}

// FirstIndex implements raft.Storage.
func (s *storage) FirstIndex() (uint64, error) { return s.state.base.index + 1, nil }

// LastIndex implements raft.Storage.
func (s *storage) LastIndex() (uint64, error) { return s.lastIndex(), nil }

// Term implements raft.Storage.
func (s *storage) Term(i uint64) (uint64, error) {
	base := s.state.base
	switch {
	case i < base.index:
		return 0, raft.ErrCompacted
	case i == base.index:
		return base.term, nil
	case i > s.lastIndex():
		return 0, raft.ErrUnavailable
	}
	return uint64(s.ents[i-base.index-1].term), nil
}

// Entries implements raft.Storage.
func (s *storage) Entries(lo, hi, maxSize uint64) ([]*raftpb.Entry, error) {
	base := s.state.base.index
	switch {
	case lo <= base:
		return nil, raft.ErrCompacted
	case hi > s.lastIndex()+1:
		return nil, raft.ErrUnavailable
	}
	n, size := uint64(0), uint64(0)
	for i := lo; i < hi; i++ {
		if size += uint64(s.ents[i-base-1].size); size > maxSize && n > 0 {
			break
		}
		n++
	}
	hi = lo + n
	out := make([]*raftpb.Entry, 0, n)
	tailFirst := s.lastIndex() + 1 - uint64(len(s.tail))
	for lo < min(hi, tailFirst) {
		b, err := s.log.ReadBytes(s.offsetOf(lo), scanBytes, commitlog.ReadLogEnd)
		if err != nil {
			return nil, err
		}
		was := lo
		for one, err := range batch.Split(b) {
			if err != nil || lo == min(hi, tailFirst) {
				break
			}
			e, err := s.entryOf(one, s.offsetOf(lo), lo)
			if err != nil {
				return nil, err
			}
			out = append(out, e)
			lo++
		}
		if lo == was {
			return nil, fmt.Errorf("the metadata log has no batch at offset %d", s.offsetOf(lo))
		}
	}
	if lo < hi {
		out = append(out, s.tail[lo-tailFirst:hi-tailFirst]...)
	}
	return out, nil
}

// Snapshot implements raft.Storage: the snapshot at the base, for a peer that
// is too far behind.
func (s *storage) Snapshot() (*raftpb.Snapshot, error) {
	base := s.state.base
	if base.index == 0 {
		return nil, raft.ErrSnapshotTemporarilyUnavailable
	}
	file, err := vfs.ReadFile(s.fs, snapshotPath(s.dir, base.offset, base.term))
	if err != nil {
		return nil, err
	}
	data := binary.BigEndian.AppendUint64(make([]byte, 0, 8+len(file)), uint64(base.offset))
	return &raftpb.Snapshot{
		Data: append(data, file...),
		Metadata: &raftpb.SnapshotMetadata{
			Index: new(base.index), Term: new(base.term), ConfState: s.state.confState(),
		},
	}, nil
}

// setHardState makes raft's promises durable. A new commit index alone is not
// worth an fsync: after a restart it is found again by the next election.
func (s *storage) setHardState(h *raftpb.HardState) error {
	sync := h.GetTerm() != s.state.term || nodeID(h.GetVote()) != s.state.vote
	s.state.term, s.state.vote, s.state.commit = h.GetTerm(), nodeID(h.GetVote()), h.GetCommit()
	if !sync {
		return nil
	}
	return s.saveState()
}

// saveState writes the state file. What it says about commits must be in the
// log already, which is why the entries of the same Ready come after it.
func (s *storage) saveState() error {
	st := s.state
	st.commit = min(st.commit, s.lastIndex())
	return writeRaftState(s.fs, s.dir, st)
}

// errConfChange is returned for entries that change the quorum's members.
var errConfChange = errors.New("the metadata log cannot hold changes of the quorum's members")

// append makes entries durable, in place of any that were there from the first
// one's index on. leader is the node that leads in their term, as far as known.
func (s *storage) append(entries []*raftpb.Entry, leader int32, now int64) error {
	if len(entries) == 0 {
		return nil
	}
	if first := entries[0].GetIndex(); first <= s.lastIndex() {
		if err := s.truncate(first); err != nil {
			return err
		}
	}
	var buf []byte
	var starts []int
	next := s.end
	for _, e := range entries {
		if e.GetType() != raftpb.EntryNormal {
			return errConfChange
		}
		starts = append(starts, len(buf))
		if len(e.GetData()) == 0 {
			buf = append(buf, leaderChange(leader, s.state.voters, now)...)
		} else {
			buf = append(buf, e.GetData()...)
		}
		one := batch.Batch(buf[starts[len(starts)-1]:])
		one.SetBaseOffset(next)
		one.SetLeaderEpoch(int32(e.GetTerm()))
		next = one.Header().NextOffset()
	}
	if _, err := s.log.AppendFollower(buf); err != nil {
		return fmt.Errorf("appending to the metadata log: %w", err)
	}
	if _, err := s.log.Flush(); err != nil {
		return fmt.Errorf("flushing the metadata log: %w", err)
	}
	for i, e := range entries {
		one := buf[starts[i]:]
		if i+1 < len(entries) {
			one = buf[starts[i]:starts[i+1]]
		}
		h := batch.Batch(one).Header()
		s.push(e, position{h.BaseOffset, uint32(e.GetTerm()), int32(len(one))}, h.NextOffset())
	}
	return nil
}

// truncate drops the entries from first on, which were never committed.
func (s *storage) truncate(first uint64) error {
	if err := s.log.TruncateTo(s.offsetOf(first)); err != nil {
		return fmt.Errorf("truncating the metadata log: %w", err)
	}
	keep := int(first - s.state.base.index - 1)
	s.end = s.ents[keep].offset
	for _, p := range s.ents[keep:] {
		s.size -= int64(p.size)
	}
	gone := len(s.ents) - keep
	if gone >= len(s.tail) {
		s.tail, s.tailBytes = nil, 0
	} else {
		for _, p := range s.ents[keep:] {
			s.tailBytes -= int(p.size)
		}
		s.tail = s.tail[:len(s.tail)-gone]
	}
	s.ents = s.ents[:keep]
	return nil
}

// committed tells the log how far it may be read.
func (s *storage) committed(index uint64) {
	if index > s.state.base.index && index <= s.lastIndex() {
		s.log.SetHighWatermark(s.offsetOf(index + 1))
	}
}

// compact makes the entry at base the last one that only the snapshot holds,
// and lets the log forget it. The snapshot must be durable.
func (s *storage) compact(base logBase) error {
	old := s.state.base
	if base.index <= old.index || base.index > s.lastIndex() {
		return nil
	}
	cut := int(base.index - old.index)
	ents := append([]position(nil), s.ents[cut:]...)
	s.state.base = base
	if err := writeRaftState(s.fs, s.dir, s.state); err != nil {
		s.state.base = old
		return fmt.Errorf("writing the raft state: %w", err)
	}
	for _, p := range s.ents[:cut] {
		s.size -= int64(p.size)
	}
	s.ents = ents
	if over := len(s.tail) - len(ents); over > 0 {
		s.tail = append([]*raftpb.Entry(nil), s.tail[over:]...)
		s.tailBytes = 0
		for _, p := range s.ents {
			s.tailBytes += int(p.size)
		}
	}
	if _, err := s.log.DeleteRecords(base.offset); err != nil {
		return fmt.Errorf("moving the metadata log's start: %w", err)
	}
	if _, err := s.log.ApplyRetention(); err != nil {
		return fmt.Errorf("deleting old metadata segments: %w", err)
	}
	return removeSnapshots(s.fs, s.dir, base)
}

// restore replaces everything by a snapshot that came from the leader.
func (s *storage) restore(snap *raftpb.Snapshot) (base logBase, err error) {
	data, meta := snap.GetData(), snap.GetMetadata()
	if len(data) < 8 {
		return base, fmt.Errorf("%w: snapshot of %d bytes", record.ErrCorrupt, len(data))
	}
	base = logBase{index: meta.GetIndex(), term: meta.GetTerm(), offset: int64(binary.BigEndian.Uint64(data))}
	if err := vfs.WriteFileAtomic(s.fs, snapshotPath(s.dir, base.offset, base.term), data[8:]); err != nil {
		return base, err
	}
	s.state.base = base
	s.state.commit = max(s.state.commit, base.index)
	s.state.setConfState(meta.GetConfState())
	if err := writeRaftState(s.fs, s.dir, s.state); err != nil {
		return base, err
	}
	if err := s.log.TruncateFullyAndStartAt(base.offset); err != nil {
		return base, err
	}
	s.ents, s.tail, s.tailBytes, s.size, s.end = nil, nil, 0, 0, base.offset
	return base, removeSnapshots(s.fs, s.dir, base)
}
