package metadata

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"path"
	"strconv"
	"strings"

	"go.etcd.io/raft/v3/raftpb"

	"leat.dev/internal/base/vfs"
)

// stateFile is raft's hard state beside the metadata log; its format is in
// docs/formats/metadata-log.md.
const stateFile = "raft-state"

const stateVersion = 1

// noNode stands for no node where a node id is expected.
const noNode int32 = -1

// raftState is what raft must not forget and the log does not say.
type raftState struct {
	term   uint64
	vote   int32 // node voted for in term, noNode for none
	commit uint64
	voters []int32
	base   logBase
}

// logBase ties raft's count of entries to the log's offsets: the entry with
// this index and term is the last one before offset. Everything up to it is in
// the snapshot named by offset and term; the zero base has none.
type logBase struct {
	index  uint64
	term   uint64
	offset int64
}

// Raft cannot number a node 0, so node n is raft's n+1.
func raftID(node int32) uint64 { return uint64(node) + 1 }

// nodeID is the inverse of raftID; raft's None gives noNode.
func nodeID(id uint64) int32 { return int32(id) - 1 }

func (s raftState) hardState() *raftpb.HardState {
	if s.term == 0 {
		return nil
	}
	return &raftpb.HardState{Term: new(s.term), Vote: new(raftID(s.vote)), Commit: new(s.commit)}
}

func (s raftState) confState() *raftpb.ConfState {
	c := &raftpb.ConfState{}
	for _, v := range s.voters {
		c.Voters = append(c.Voters, raftID(v))
	}
	return c
}

func (s *raftState) setConfState(c *raftpb.ConfState) {
	if len(c.GetVoters()) == 0 {
		return
	}
	s.voters = nil
	for _, v := range c.GetVoters() {
		s.voters = append(s.voters, nodeID(v))
	}
}

func statePath(dir string) string { return path.Join(dir, stateFile) }

func (s raftState) encode() []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "version=%d\nterm=%d\nvote=%d\ncommit=%d\n", stateVersion, s.term, s.vote, s.commit)
	fmt.Fprintf(&b, "base.index=%d\nbase.term=%d\nbase.offset=%d\nvoters=", s.base.index, s.base.term, s.base.offset)
	for i, v := range s.voters {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.Itoa(int(v)))
	}
	b.WriteByte('\n')
	fmt.Fprintf(&b, "crc32c=%08x\n", crc32.Checksum([]byte(b.String()), castagnoli))
	return []byte(b.String())
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var errState = errors.New("damaged raft state")

func decodeRaftState(data []byte) (s raftState, err error) {
	text := string(data)
	at := strings.LastIndex(text, "crc32c=")
	if at < 0 || text[at:] != fmt.Sprintf("crc32c=%08x\n", crc32.Checksum([]byte(text[:at]), castagnoli)) {
		return s, fmt.Errorf("%w: its checksum does not match", errState)
	}
	values := map[string]string{}
	for line := range strings.Lines(text[:at]) {
		k, v, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		values[k] = v
	}
	num := func(key string) int64 {
		n, e := strconv.ParseInt(values[key], 10, 64)
		if e != nil && err == nil {
			err = fmt.Errorf("%w: %s=%q", errState, key, values[key])
		}
		return n
	}
	if v := num("version"); err == nil && v != stateVersion {
		return s, fmt.Errorf("raft state of version %d: written by a newer program", v)
	}
	s.term, s.vote, s.commit = uint64(num("term")), int32(num("vote")), uint64(num("commit"))
	s.base = logBase{uint64(num("base.index")), uint64(num("base.term")), num("base.offset")}
	for v := range strings.SplitSeq(values["voters"], ",") {
		values["voters"] = v
		s.voters = append(s.voters, int32(num("voters")))
	}
	return s, err
}

func readRaftState(fsys vfs.FS, dir string) (s raftState, found bool, err error) {
	data, err := vfs.ReadFile(fsys, statePath(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return s, false, nil
	}
	if err != nil {
		return s, false, err
	}
	if s, err = decodeRaftState(data); err != nil {
		return s, false, fmt.Errorf("%s: %w", statePath(dir), err)
	}
	return s, true, nil
}

func writeRaftState(fsys vfs.FS, dir string, s raftState) error {
	return vfs.WriteFileAtomic(fsys, statePath(dir), s.encode())
}
