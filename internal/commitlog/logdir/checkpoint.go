package logdir

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"leat.dev/internal/base/vfs"
)

// The checkpoint files of a log directory: offsets by partition.
const (
	recoveryPointFile = "recovery-point-offset-checkpoint"
	logStartFile      = "log-start-offset-checkpoint"
	highWatermarkFile = "replication-offset-checkpoint"
	cleanerFile       = "cleaner-offset-checkpoint"
)

// encodeCheckpoint gives a file: version, count, then "topic partition offset" lines.
func encodeCheckpoint(offsets map[TopicPartition]int64) []byte {
	keys := make([]TopicPartition, 0, len(offsets))
	for tp := range offsets {
		keys = append(keys, tp)
	}
	slices.SortFunc(keys, TopicPartition.compare)
	b := make([]byte, 0, 32*len(keys)+16)
	b = append(b, "0\n"...)
	b = strconv.AppendInt(b, int64(len(keys)), 10)
	b = append(b, '\n')
	for _, tp := range keys {
		b = append(b, tp.Topic...)
		b = append(b, ' ')
		b = strconv.AppendInt(b, int64(tp.Partition), 10)
		b = append(b, ' ')
		b = strconv.AppendInt(b, offsets[tp], 10)
		b = append(b, '\n')
	}
	return b
}

func (tp TopicPartition) compare(other TopicPartition) int {
	return cmp.Or(cmp.Compare(tp.Topic, other.Topic), cmp.Compare(tp.Partition, other.Partition))
}

func (tp TopicPartition) String() string { return tp.Topic + "-" + strconv.Itoa(int(tp.Partition)) }

// decodeCheckpoint reads a file. An empty one is valid and holds nothing.
func decodeCheckpoint(data []byte) (map[TopicPartition]int64, error) {
	out := make(map[TopicPartition]int64)
	if len(data) == 0 {
		return out, nil
	}
	lines := bytes.Split(bytes.TrimSuffix(data, []byte("\n")), []byte("\n"))
	if string(lines[0]) != "0" {
		return nil, fmt.Errorf("checkpoint has version %q", lines[0])
	}
	if len(lines) < 2 {
		return nil, fmt.Errorf("checkpoint has no entry count")
	}
	if n, err := strconv.Atoi(string(lines[1])); err != nil || n != len(lines)-2 {
		return nil, fmt.Errorf("checkpoint says %q entries, has %d", lines[1], len(lines)-2)
	}
	for _, line := range lines[2:] {
		fields := strings.Split(string(line), " ")
		if len(fields) != 3 || fields[0] == "" {
			return nil, fmt.Errorf("checkpoint line %q", line)
		}
		partition, err1 := strconv.ParseInt(fields[1], 10, 32)
		offset, err2 := strconv.ParseInt(fields[2], 10, 64)
		if err1 != nil || err2 != nil || partition < 0 {
			return nil, fmt.Errorf("checkpoint line %q", line)
		}
		out[TopicPartition{fields[0], int32(partition)}] = offset
	}
	return out, nil
}

// readCheckpoint reads a file of the directory. One that is missing or damaged
// holds nothing: what it would have told is found out by reading the logs.
func (d *Dir) readCheckpoint(name string) (map[TopicPartition]int64, error) {
	data, err := vfs.ReadFile(d.o.FS, d.path(name))
	if isNotExist(err) {
		return map[TopicPartition]int64{}, nil
	}
	if err != nil {
		return nil, err
	}
	offsets, err := decodeCheckpoint(data)
	if err != nil {
		d.log.Warn("checkpoint file is damaged and ignored", "file", d.path(name), "error", err)
		return map[TopicPartition]int64{}, nil
	}
	d.checkpointMu.Lock()
	d.said[name] = offsets
	d.checkpointMu.Unlock()
	return offsets, nil
}

// disclaim takes a partition that is about to be made out of the checkpoint files, which may still tell of one of that name
// that was deleted. After a crash they would be believed: how far the log is durable, or where it begins.
func (d *Dir) disclaim(tp TopicPartition) error {
	for name, write := range map[string]func() error{
		recoveryPointFile: d.writeRecoveryPoints, logStartFile: d.writeLogStarts,
		highWatermarkFile: d.writeHighWatermarks, cleanerFile: d.writeCleanerOffsets,
	} {
		d.checkpointMu.Lock()
		_, told := d.said[name][tp]
		d.checkpointMu.Unlock()
		if !told {
			continue
		}
		if err := write(); err != nil {
			return err
		}
	}
	return nil
}

// writeCheckpoint replaces a file of the directory if its content changed. The
// offsets are collected under the lock, so that an older state never replaces
// a newer one.
func (d *Dir) writeCheckpoint(name string, collect func() map[TopicPartition]int64) error {
	d.checkpointMu.Lock()
	defer d.checkpointMu.Unlock()
	offsets := collect()
	data := encodeCheckpoint(offsets)
	if bytes.Equal(data, d.written[name]) {
		return nil
	}
	if err := vfs.WriteFileAtomic(d.o.FS, d.path(name), data); err != nil {
		delete(d.written, name)
		return err
	}
	d.written[name], d.said[name] = data, offsets
	return nil
}
