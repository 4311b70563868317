package logfile

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"leat.dev/internal/cli/command"
	"leat.dev/internal/cli/fault"
	"leat.dev/internal/cli/screen"
	"leat.dev/internal/wire/batch"
	"leat.dev/internal/wire/compress"
)

// sample is a log directory with one partition of two segments: offsets 0 to 8 in three batches, an abort among
// them, then 9 to 11 in one. Everything fits together after an orderly stop.
type sample struct {
	t    *testing.T
	root string
	dir  string
	pos  []int64 // of the batches of the first segment
}

const firstSegment, secondSegment = "00000000000000000000", "00000000000000000009"

func data(t *testing.T, base int64, epoch int32, n int, producer *batch.Producer, codec compress.Codec) batch.Batch {
	t.Helper()
	b := batch.NewBuilder(batch.BuilderOptions{BaseOffset: base, LeaderEpoch: epoch, Codec: codec, Producer: producer, Transactional: producer != nil && producer.ID == 7})
	for i := range n {
		b.Append(1000+base+int64(i), fmt.Appendf(nil, "k%d", i), bytes.Repeat([]byte("v"), 50), nil)
	}
	out, err := b.Finish()
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Clone(out)
}

func newSample(t *testing.T) *sample {
	t.Helper()
	s := &sample{t: t, root: t.TempDir()}
	s.dir = filepath.Join(s.root, "t-0")
	if err := os.Mkdir(s.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	marker := batch.EndTxnMarker(7, 0, 1, false, 1008, 8)
	marker.SetLeaderEpoch(1)
	var first []byte
	for _, b := range []batch.Batch{
		data(t, 0, 0, 5, &batch.Producer{ID: 5, BaseSequence: 0}, compress.Zstd),
		data(t, 5, 1, 3, &batch.Producer{ID: 7, BaseSequence: 0}, compress.None),
		marker,
	} {
		s.pos = append(s.pos, int64(len(first)))
		first = append(first, b...)
	}
	be := binary.BigEndian
	s.write(firstSegment+".log", first)
	s.write(firstSegment+".index", be.AppendUint32(be.AppendUint32(nil, 7), uint32(s.pos[1])))
	s.write(firstSegment+".timeindex", be.AppendUint32(be.AppendUint64(nil, 1007), 7))
	aborted := be.AppendUint16(nil, 0)
	for _, v := range []uint64{7, 5, 8, 9} {
		aborted = be.AppendUint64(aborted, v)
	}
	s.write(firstSegment+".txnindex", aborted)
	s.write(secondSegment+".log", data(t, 9, 1, 3, &batch.Producer{ID: 5, BaseSequence: 5}, compress.None))
	s.write(secondSegment+".index", make([]byte, 80))
	s.write(secondSegment+".timeindex", make([]byte, 120))
	s.write(secondSegment+".snapshot", snapshot(producerEntry{Producer: 5, LastSequence: 4, LastOffset: 4, OffsetDelta: 4, TxnFirst: -1}))
	s.write(epochFile, []byte("0\n2\n0 0\n1 5\n"))
	s.write(partitionIDs, []byte("version: 0\ntopic_id: 69VwWRmFQ7WzVcZ7YbRw8g"))
	s.writeRoot(metaFile, "#\nversion=1\ncluster.id=c\nnode.id=1\ndirectory.id=d\n")
	s.writeRoot(recoveryFile, "0\n1\nt 0 12\n")
	s.writeRoot(watermarkFile, "0\n1\nt 0 12\n")
	s.writeRoot(logStartFile, "0\n0\n")
	s.writeRoot(cleanFile, `{"version":0,"brokerEpoch":3}`)
	return s
}

func snapshot(entries ...producerEntry) []byte {
	be := binary.BigEndian
	b := be.AppendUint32(make([]byte, snapshotCRCFrom), uint32(len(entries)))
	be.PutUint16(b, 1)
	for _, e := range entries {
		b = be.AppendUint64(b, uint64(e.Producer))
		b = be.AppendUint16(b, uint16(e.Epoch))
		b = be.AppendUint32(b, uint32(e.LastSequence))
		b = be.AppendUint64(b, uint64(e.LastOffset))
		b = be.AppendUint32(b, uint32(e.OffsetDelta))
		b = be.AppendUint64(b, uint64(e.Timestamp))
		b = be.AppendUint32(b, uint32(e.CoordinatorEpoch))
		b = be.AppendUint64(b, uint64(e.TxnFirst))
	}
	be.PutUint32(b[2:], crc32.Checksum(b[snapshotCRCFrom:], castagnoli))
	return b
}

func (s *sample) write(name string, b []byte) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), b, 0o600); err != nil {
		s.t.Fatal(err)
	}
}

func (s *sample) writeRoot(name, text string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.root, name), []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

func (s *sample) read(name string) []byte {
	s.t.Helper()
	b, err := os.ReadFile(filepath.Join(s.dir, name))
	if err != nil {
		s.t.Fatal(err)
	}
	return b
}

// edit changes a file of the partition.
func (s *sample) edit(name string, change func([]byte) []byte) { s.write(name, change(s.read(name))) }

func (s *sample) crash() {
	s.t.Helper()
	if err := os.Remove(filepath.Join(s.root, cleanFile)); err != nil {
		s.t.Fatal(err)
	}
	s.writeRoot(recoveryFile, "0\n1\nt 0 9\n")
	s.writeRoot(watermarkFile, "0\n1\nt 0 9\n")
}

// verify runs the command and returns what it wrote.
func (s *sample) verify(dir string) (string, error) {
	var out bytes.Buffer
	env := &command.Env{Screen: &screen.Screen{Out: &out, Err: &out, Format: screen.FormatTable}}
	err := verify(context.Background(), env, dir)
	return out.String(), err
}

func flip(at int) func([]byte) []byte {
	return func(b []byte) []byte {
		b[at] ^= 1
		return b
	}
}

func TestVerifySound(t *testing.T) {
	s := newSample(t)
	before := map[string]string{}
	for _, name := range []string{firstSegment + ".log", firstSegment + ".index", epochFile} {
		before[name] = string(s.read(name))
	}
	for _, dir := range []string{s.root, s.dir, filepath.Dir(s.root)} {
		out, err := s.verify(dir)
		if err != nil || !strings.Contains(out, "1 partition, 2 segments, 12 records") || !strings.Contains(out, "no damage (after a clean stop)") {
			t.Errorf("%s: %v\n%s", dir, err, out)
		}
	}
	for name, b := range before {
		if string(s.read(name)) != b {
			t.Errorf("%s was changed", name)
		}
	}
}

func TestVerifyFindsDamage(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(*sample)
		want  string
	}{
		"a flipped bit in a record":       {func(s *sample) { s.edit(firstSegment+".log", flip(70)) }, "CRC is"},
		"a flipped bit in the last batch": {func(s *sample) { s.edit(secondSegment+".log", flip(100)) }, "CRC is"},
		"a cut-off end":                   {func(s *sample) { s.edit(secondSegment+".log", func(b []byte) []byte { return b[:len(b)-3] }) }, "cut off"},
		"zeros at the end": {func(s *sample) {
			s.edit(secondSegment+".log", func(b []byte) []byte { return append(b, make([]byte, 100)...) })
		}, "zeros where a batch"},
		"a missing segment's records": {func(s *sample) { s.edit(secondSegment+".log", func([]byte) []byte { return nil }) }, "acknowledged records are missing"},
		"overlapping segments": {func(s *sample) {
			s.edit(firstSegment+".log", func(b []byte) []byte { return append(b, data(s.t, 9, 1, 2, nil, compress.None)...) })
		}, "although the segment before reaches to 10"},
		"falling epochs": {func(s *sample) { s.write(secondSegment+".log", data(s.t, 9, 0, 3, nil, compress.None)) }, "leader epoch 0 after 1"},
		"falling offsets": {func(s *sample) {
			b := data(s.t, 9, 1, 3, nil, compress.None)
			s.write(secondSegment+".log", append(b, data(s.t, 10, 1, 1, nil, compress.None)...))
		}, "begins at offset 10, which the log had passed"},
		"too few records":              {func(s *sample) { s.edit(secondSegment+".log", lie(2)) }, "3 records instead of 2|cannot be decoded"},
		"an index that points nowhere": {func(s *sample) { s.edit(firstSegment+".index", flip(7)) }, "no batch with it begins there"},
		"an index out of order":        {func(s *sample) { s.edit(firstSegment+".index", func(b []byte) []byte { return append(b, b...) }) }, "does not lie after the one before"},
		"rubbish after an index":       {func(s *sample) { s.edit(secondSegment+".index", flip(30)) }, "is not zero"},
		"a wrong time":                 {func(s *sample) { s.edit(firstSegment+".timeindex", flip(7)) }, "but they do not"},
		"an abort that is none":        {func(s *sample) { s.edit(firstSegment+".txnindex", flip(9)) }, "names an abort of producer 6"},
		"no list of aborts":            {func(s *sample) { os.Remove(filepath.Join(s.dir, firstSegment+".txnindex")) }, "although the segment holds 1 abort markers"},
		"a damaged snapshot":           {func(s *sample) { s.edit(secondSegment+".snapshot", flip(20)) }, "CRC is"},
		"a snapshot of the future": {func(s *sample) {
			s.write(secondSegment+".snapshot", snapshot(producerEntry{Producer: 5, LastOffset: 10, TxnFirst: -1}))
		}, "cannot know"},
		"epochs out of order":      {func(s *sample) { s.write(epochFile, []byte("0\n2\n1 5\n0 0\n")) }, "does not lie after"},
		"epochs that do not fit":   {func(s *sample) { s.write(epochFile, []byte("0\n1\n0 0\n")) }, "gives epoch 0 for offset 5, where the log has epoch 1"},
		"epochs beyond the end":    {func(s *sample) { s.write(epochFile, []byte("0\n3\n0 0\n1 5\n2 13\n")) }, "but the log ends at 12"},
		"a foreign topic id":       {func(s *sample) { s.write(partitionIDs, []byte("version: 0\ntopic_id: x")) }, "is not a topic id"},
		"a checkpoint cut off":     {func(s *sample) { s.writeRoot(watermarkFile, "0\n2\nt 0 12\n") }, "says 2 entries but has 1"},
		"a watermark past the end": {func(s *sample) { s.writeRoot(watermarkFile, "0\n1\nt 0 13\n") }, "acknowledged records are missing"},
		"no cluster id":            {func(s *sample) { s.writeRoot(metaFile, "version=1\nnode.id=1\n") }, "cluster.id or node.id"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSample(t)
			c.spoil(s)
			out, err := s.verify(s.root)
			if !errors.Is(err, fault.ErrReported) || !strings.Contains(out, "damage:") || !containsAny(out, c.want) {
				t.Errorf("got %v, want damage with %q\n%s", err, c.want, out)
			}
		})
	}
}

// lie makes a batch say that it has n records, with a right checksum.
func lie(n uint32) func([]byte) []byte {
	return func(b []byte) []byte {
		binary.BigEndian.PutUint32(b[57:], n)
		binary.BigEndian.PutUint32(b[17:], crc32.Checksum(b[crcFrom:], castagnoli))
		return b
	}
}

func containsAny(s, alternatives string) bool {
	for a := range strings.SplitSeq(alternatives, "|") {
		if strings.Contains(s, a) {
			return true
		}
	}
	return false
}

// What a crash leaves above the recovery point is repaired by the next start and so only a warning.
func TestVerifyAfterCrash(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(*sample)
		want  string
	}{
		"a torn end":      {func(s *sample) { s.edit(secondSegment+".log", func(b []byte) []byte { return b[:len(b)-3] }) }, "torn end of a crash"},
		"no indexes":      {func(s *sample) { os.Remove(filepath.Join(s.dir, firstSegment+".index")) }, "missing: it is made anew"},
		"an orphan index": {func(s *sample) { s.write("00000000000000000050.index", nil) }, "an index without its log"},
		"a doubled batch": {func(s *sample) {
			s.write(secondSegment+".log", data(s.t, 9, 1, 3, &batch.Producer{ID: 5, BaseSequence: 2}, compress.None))
		}, "records may be doubled"},
		"a torn last bit":  {func(s *sample) { s.edit(secondSegment+".log", flip(100)) }, "torn end of a crash"},
		"a wrong snapshot": {func(s *sample) { s.edit(secondSegment+".snapshot", flip(20)) }, "CRC is"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSample(t)
			s.crash()
			c.spoil(s)
			out, err := s.verify(s.root)
			if err != nil || !strings.Contains(out, "warning:") || !strings.Contains(out, c.want) {
				t.Errorf("got %v, want a warning with %q\n%s", err, c.want, out)
			}
		})
	}
	s := newSample(t)
	s.crash()
	s.edit(firstSegment+".log", flip(70)) // below the recovery point no start looks again
	if out, err := s.verify(s.root); !errors.Is(err, fault.ErrReported) {
		t.Errorf("damage below the recovery point: %v\n%s", err, out)
	}
}

func TestSequencesWrap(t *testing.T) {
	s := newSample(t)
	const largest = 1<<31 - 1
	b := data(t, 9, 1, 3, &batch.Producer{ID: 9, BaseSequence: largest - 2}, compress.None)
	s.write(secondSegment+".log", append(b, data(t, 12, 1, 2, &batch.Producer{ID: 9, BaseSequence: 0}, compress.None)...))
	if out, err := s.verify(s.root); err != nil || strings.Contains(out, "doubled") {
		t.Errorf("%v\n%s", err, out)
	}
}
