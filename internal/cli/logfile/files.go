// Package logfile holds the commands under "leat log": they read the files of a log directory, of Leat or of
// Apache Kafka, while no broker needs to run, and never write. Files are opened for reading only.
//
// The small formats (indexes, snapshots, checkpoints) are decoded here once more, apart from the log's own code:
// a check that shared the writer's code would share its mistakes. Formats: docs/formats and Kafka's own.
package logfile

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"regexp"
	"strconv"
	"strings"
)

// Sizes of entries in Kafka's files.
const (
	offsetEntryBytes   = 8  // relative offset i32, position i32
	timeEntryBytes     = 12 // timestamp i64, relative offset i32
	abortedEntryBytes  = 34 // version i16, producer, first, last offset and last stable offset i64
	snapshotEntryBytes = 46
	snapshotHeadBytes  = 10 // version i16, CRC-32C u32, count i32
	snapshotCRCFrom    = 6
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Names of files that are not of a segment.
const (
	epochFile    = "leader-epoch-checkpoint"
	partitionIDs = "partition.metadata"
	metaFile     = "meta.properties"
	cleanFile    = ".kafka_cleanshutdown"
	lockFile     = ".lock"

	recoveryFile  = "recovery-point-offset-checkpoint"
	logStartFile  = "log-start-offset-checkpoint"
	watermarkFile = "replication-offset-checkpoint"
	cleanerFile   = "cleaner-offset-checkpoint"
)

var segmentName = regexp.MustCompile(`^(\d{20})\.(log|index|timeindex|txnindex|snapshot)$`)

// parseSegmentName splits 00000000000000000042.log into its base offset and suffix.
func parseSegmentName(name string) (base int64, suffix string, ok bool) {
	m := segmentName.FindStringSubmatch(name)
	if m == nil {
		return 0, "", false
	}
	base, err := strconv.ParseInt(m[1], 10, 64)
	return base, m[2], err == nil
}

var partitionName = regexp.MustCompile(`^(.+)-(\d+)$`)

// parsePartitionDir splits quakes-0 into topic and partition.
func parsePartitionDir(name string) (topic string, partition int32, ok bool) {
	m := partitionName.FindStringSubmatch(name)
	if m == nil {
		return "", 0, false
	}
	p, err := strconv.ParseInt(m[2], 10, 32)
	return m[1], int32(p), err == nil
}

type offsetEntry struct {
	Relative int32 `json:"relative_offset"`
	Position int32 `json:"position"`
}

// decodeOffsetIndex reads an .index file; the zeros that preallocation leaves at the end are not entries.
func decodeOffsetIndex(b []byte) ([]offsetEntry, error) {
	var out []offsetEntry
	for ; len(b) >= offsetEntryBytes; b = b[offsetEntryBytes:] {
		e := offsetEntry{int32(binary.BigEndian.Uint32(b)), int32(binary.BigEndian.Uint32(b[4:]))}
		if e == (offsetEntry{}) {
			return out, zeros(b)
		}
		if e.Relative < 0 || e.Position < 0 || len(out) > 0 && (e.Relative <= out[len(out)-1].Relative || e.Position <= out[len(out)-1].Position) {
			return out, fmt.Errorf("entry %d (offset +%d at byte %d) does not lie after the one before", len(out), e.Relative, e.Position)
		}
		out = append(out, e)
	}
	return out, leftover(b)
}

type timeEntry struct {
	Timestamp int64 `json:"timestamp"`
	Relative  int32 `json:"relative_offset"`
}

// decodeTimeIndex reads a .timeindex file.
func decodeTimeIndex(b []byte) ([]timeEntry, error) {
	var out []timeEntry
	for ; len(b) >= timeEntryBytes; b = b[timeEntryBytes:] {
		e := timeEntry{int64(binary.BigEndian.Uint64(b)), int32(binary.BigEndian.Uint32(b[8:]))}
		if e == (timeEntry{}) && (len(out) > 0 || len(b) > timeEntryBytes) {
			return out, zeros(b)
		}
		if e.Relative < 0 || len(out) > 0 && (e.Timestamp <= out[len(out)-1].Timestamp || e.Relative < out[len(out)-1].Relative) {
			return out, fmt.Errorf("entry %d (timestamp %d, offset +%d) does not lie after the one before", len(out), e.Timestamp, e.Relative)
		}
		out = append(out, e)
	}
	return out, leftover(b)
}

func zeros(b []byte) error {
	for i, c := range b {
		if c != 0 {
			return fmt.Errorf("byte %d after the last entry is not zero", i)
		}
	}
	return nil
}

func leftover(b []byte) error {
	if len(b) > 0 {
		return fmt.Errorf("%d bytes after the last entry", len(b))
	}
	return nil
}

type abortedEntry struct {
	Producer   int64 `json:"producer_id"`
	First      int64 `json:"first_offset"`
	Last       int64 `json:"last_offset"`
	LastStable int64 `json:"last_stable_offset"`
}

// decodeAborted reads a .txnindex file.
func decodeAborted(b []byte) ([]abortedEntry, error) {
	var out []abortedEntry
	for ; len(b) >= abortedEntryBytes; b = b[abortedEntryBytes:] {
		if v := int16(binary.BigEndian.Uint16(b)); v != 0 {
			return out, fmt.Errorf("entry %d has the unknown version %d", len(out), v)
		}
		n := func(at int) int64 { return int64(binary.BigEndian.Uint64(b[at:])) }
		e := abortedEntry{n(2), n(10), n(18), n(26)}
		if e.First > e.Last || len(out) > 0 && e.Last <= out[len(out)-1].Last {
			return out, fmt.Errorf("entry %d (offsets %d to %d) does not lie after the one before", len(out), e.First, e.Last)
		}
		out = append(out, e)
	}
	return out, leftover(b)
}

type producerEntry struct {
	Producer         int64 `json:"producer_id"`
	Epoch            int16 `json:"epoch"`
	LastSequence     int32 `json:"last_sequence"`
	LastOffset       int64 `json:"last_offset"`
	OffsetDelta      int32 `json:"offset_delta"`
	Timestamp        int64 `json:"timestamp"`
	CoordinatorEpoch int32 `json:"coordinator_epoch"`
	TxnFirst         int64 `json:"transaction_first_offset"`
}

// decodeSnapshot reads a producer .snapshot file.
func decodeSnapshot(b []byte) ([]producerEntry, error) {
	if len(b) < snapshotHeadBytes {
		return nil, errors.New("cut off before its header ends")
	}
	be := binary.BigEndian
	if v := be.Uint16(b); v != 1 {
		return nil, fmt.Errorf("unknown version %d", v)
	}
	if want, got := be.Uint32(b[2:]), crc32.Checksum(b[snapshotCRCFrom:], castagnoli); want != got {
		return nil, fmt.Errorf("CRC is %08x, the bytes give %08x", want, got)
	}
	count := int64(int32(be.Uint32(b[6:])))
	b = b[snapshotHeadBytes:]
	if count < 0 || count*snapshotEntryBytes != int64(len(b)) {
		return nil, fmt.Errorf("says %d producers but has %d bytes for them", count, len(b))
	}
	var out []producerEntry
	for ; len(b) > 0; b = b[snapshotEntryBytes:] {
		out = append(out, producerEntry{
			Producer: int64(be.Uint64(b)), Epoch: int16(be.Uint16(b[8:])), LastSequence: int32(be.Uint32(b[10:])),
			LastOffset: int64(be.Uint64(b[14:])), OffsetDelta: int32(be.Uint32(b[22:])), Timestamp: int64(be.Uint64(b[26:])),
			CoordinatorEpoch: int32(be.Uint32(b[34:])), TxnFirst: int64(be.Uint64(b[38:])),
		})
	}
	return out, nil
}

type epochEntry struct {
	Epoch int32 `json:"epoch"`
	Start int64 `json:"start_offset"`
}

// decodeEpochs reads a leader-epoch-checkpoint.
func decodeEpochs(b []byte) ([]epochEntry, error) {
	lines, err := checkpointLines(b, 2)
	if err != nil {
		return nil, err
	}
	var out []epochEntry
	for i, f := range lines {
		epoch, err1 := strconv.ParseInt(f[0], 10, 32)
		start, err2 := strconv.ParseInt(f[1], 10, 64)
		if err := errors.Join(err1, err2); err != nil {
			return out, fmt.Errorf("entry %d: %w", i, err)
		}
		e := epochEntry{int32(epoch), start}
		if len(out) > 0 && (e.Epoch <= out[len(out)-1].Epoch || e.Start <= out[len(out)-1].Start) {
			return out, fmt.Errorf("entry %d (epoch %d from offset %d) does not lie after the one before", i, e.Epoch, e.Start)
		}
		out = append(out, e)
	}
	return out, nil
}

type checkpointEntry struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Offset    int64  `json:"offset"`
}

// decodeCheckpoint reads one of the files with an offset per partition.
func decodeCheckpoint(b []byte) ([]checkpointEntry, error) {
	lines, err := checkpointLines(b, 3)
	if err != nil {
		return nil, err
	}
	var out []checkpointEntry
	for i, f := range lines {
		p, err1 := strconv.ParseInt(f[1], 10, 32)
		o, err2 := strconv.ParseInt(f[2], 10, 64)
		if err := errors.Join(err1, err2); err != nil {
			return out, fmt.Errorf("entry %d: %w", i, err)
		}
		out = append(out, checkpointEntry{f[0], int32(p), o})
	}
	return out, nil
}

// checkpointLines reads a version, a count and so many lines of fields. An empty file holds nothing, rightly.
func checkpointLines(b []byte, fields int) ([][]string, error) {
	if len(b) == 0 {
		return nil, nil
	}
	lines := strings.Split(strings.TrimSuffix(string(b), "\n"), "\n")
	if lines[0] != "0" {
		return nil, fmt.Errorf("unknown version %q", lines[0])
	}
	if len(lines) < 2 {
		return nil, errors.New("cut off before the number of entries")
	}
	n, err := strconv.Atoi(strings.TrimSpace(lines[1]))
	if err != nil || n != len(lines)-2 {
		return nil, fmt.Errorf("says %s entries but has %d", lines[1], len(lines)-2)
	}
	var out [][]string
	for i, l := range lines[2:] {
		f := strings.Fields(l)
		if len(f) != fields {
			return nil, fmt.Errorf("entry %d has %d fields instead of %d", i, len(f), fields)
		}
		out = append(out, f)
	}
	return out, nil
}

// decodePartitionID reads partition.metadata.
func decodePartitionID(b []byte) (id string, err error) {
	version, rest, _ := strings.Cut(strings.TrimSpace(string(b)), "\n")
	if strings.TrimSpace(version) != "version: 0" {
		return "", fmt.Errorf("unknown version line %q", version)
	}
	id, ok := strings.CutPrefix(rest, "topic_id: ")
	if !ok {
		return "", errors.New("no topic_id")
	}
	id = strings.TrimSpace(id)
	if raw, err := base64.RawURLEncoding.DecodeString(id); err != nil || len(raw) != 16 {
		return "", fmt.Errorf("%q is not a topic id", id)
	}
	return id, nil
}

// decodeProperties reads lines name=value.
func decodeProperties(b []byte) (map[string]string, error) {
	out := map[string]string{}
	for line := range strings.SplitSeq(string(b), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		if !ok {
			return out, fmt.Errorf("%q is not name=value", line)
		}
		out[strings.TrimSpace(name)] = strings.TrimSpace(value)
	}
	return out, nil
}
