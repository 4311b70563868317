package commitlog

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// epochFile is the name of the leader epoch checkpoint in a partition's directory.
const epochFile = "leader-epoch-checkpoint"

// epochEntry says that records from start on were written under epoch, up to
// the start of the next entry.
type epochEntry struct {
	epoch int32
	start int64
}

// epochCache is the history of leader epochs; both fields strictly increase.
type epochCache struct {
	entries []epochEntry
	saved   []epochEntry // what the file holds
	dirty   bool         // may differ from the file
}

// assign notes a new epoch. Entries that contradict it are dropped: a later
// start or epoch in the tail means that what was there has been replaced.
func (c *epochCache) assign(epoch int32, start int64) {
	if k := len(c.entries); k > 0 && c.entries[k-1].epoch == epoch && c.entries[k-1].start <= start {
		return
	}
	n := len(c.entries)
	for n > 0 && (c.entries[n-1].epoch >= epoch || c.entries[n-1].start >= start) {
		n--
	}
	c.entries = append(c.entries[:n:n], epochEntry{epoch, start})
	c.dirty = true
}

func (c *epochCache) latest() int32 {
	if len(c.entries) == 0 {
		return -1
	}
	return c.entries[len(c.entries)-1].epoch
}

// truncateEnd drops what starts at or after offset.
func (c *epochCache) truncateEnd(offset int64) {
	n := len(c.entries)
	for n > 0 && c.entries[n-1].start >= offset {
		n--
	}
	if n != len(c.entries) {
		c.entries = c.entries[:n:n]
		c.dirty = true
	}
}

// truncateStart drops what ends before offset; the entry covering offset then
// starts there.
func (c *epochCache) truncateStart(offset int64) {
	n := 0
	for n < len(c.entries) && c.entries[n].start < offset {
		n++
	}
	if n == 0 {
		return
	}
	last := c.entries[n-1]
	rest := slices.Clone(c.entries[n:])
	c.entries = rest
	if len(rest) == 0 || rest[0].start > offset {
		c.entries = slices.Insert(rest, 0, epochEntry{last.epoch, offset})
	}
	c.dirty = true
}

// at returns the epoch of offset, -1 if it lies before the history.
func (c *epochCache) at(offset int64) int32 {
	for i := len(c.entries) - 1; i >= 0; i-- {
		if c.entries[i].start <= offset {
			return c.entries[i].epoch
		}
	}
	return -1
}

// endOffset answers OffsetForLeaderEpoch; see Log.EndOffsetForEpoch.
func (c *epochCache) endOffset(epoch int32, logEnd int64) (int32, int64) {
	if epoch < 0 || len(c.entries) == 0 || epoch > c.latest() {
		return -1, -1
	}
	if epoch == c.latest() {
		return epoch, logEnd
	}
	i, _ := slices.BinarySearchFunc(c.entries, epoch+1, func(e epochEntry, want int32) int {
		return int(int64(e.epoch) - int64(want))
	})
	// entries[i] is the first one above epoch; it exists, because epoch is
	// below the latest.
	if i == 0 {
		return epoch, c.entries[0].start
	}
	return c.entries[i-1].epoch, c.entries[i].start
}

// encode gives the checkpoint file: version, count, then "epoch start" lines.
func (c *epochCache) encode() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "0\n%d\n", len(c.entries))
	for _, e := range c.entries {
		fmt.Fprintf(&b, "%d %d\n", e.epoch, e.start)
	}
	return b.Bytes()
}

// decodeEpochs reads a checkpoint file. An empty file holds no epochs.
func decodeEpochs(data []byte) ([]epochEntry, error) {
	if len(data) == 0 {
		return nil, nil
	}
	lines := strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
	if lines[0] != "0" {
		return nil, fmt.Errorf("%s: unknown version %q", epochFile, lines[0])
	}
	if len(lines) < 2 {
		return nil, fmt.Errorf("%s: no entry count", epochFile)
	}
	n, err := strconv.Atoi(lines[1])
	if err != nil || n != len(lines)-2 {
		return nil, fmt.Errorf("%s: says %q entries, has %d", epochFile, lines[1], len(lines)-2)
	}
	entries := make([]epochEntry, 0, n)
	for _, line := range lines[2:] {
		left, right, ok := strings.Cut(line, " ")
		epoch, err1 := strconv.ParseInt(left, 10, 32)
		start, err2 := strconv.ParseInt(right, 10, 64)
		if !ok || err1 != nil || err2 != nil || epoch < 0 || start < 0 {
			return nil, fmt.Errorf("%s: bad line %q", epochFile, line)
		}
		e := epochEntry{int32(epoch), start}
		if k := len(entries); k > 0 && (entries[k-1].epoch >= e.epoch || entries[k-1].start >= e.start) {
			return nil, fmt.Errorf("%s: line %q is not above the one before", epochFile, line)
		}
		entries = append(entries, e)
	}
	return entries, nil
}
