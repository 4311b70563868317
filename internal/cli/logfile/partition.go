package logfile

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"leat.dev/internal/cli/fault"
	"leat.dev/internal/cli/screen"
)

func dirName(e checkpointEntry) string { return fmt.Sprintf("%s-%d", e.Topic, e.Partition) }

// partition is the check of one partition's directory.
type partition struct {
	v    *verdict
	root *checkpoints
	dir  string
	bar  *screen.Progress

	epochs    []epochEntry
	hasEpochs bool
	end       int64 // the offset after the last sound batch; the log end offset if all is well
	maxEpoch  int32
	producers map[int64]producerSeen
}

// producerSeen is the last batch of a producer met so far.
type producerSeen struct {
	epoch    int16
	sequence int32
	offset   int64
}

// repairable tells that the next start looks at this offset again and repairs what a crash left: records above the
// recovery point, unless the broker stopped cleanly.
func (p *partition) repairable(offset int64) bool {
	if p.root.inUse {
		return true
	}
	return !p.root.clean && offset >= p.root.recovery[filepath.Base(p.dir)]
}

// grade is the severity of something wrong with files that are rebuilt from the log when a crash is repaired.
func (p *partition) grade(offset int64) severity {
	if p.repairable(offset) {
		return warning
	}
	return severe
}

func (p *partition) path(name string) string { return filepath.Join(p.dir, name) }

// files are the names in the directory by kind.
type segmentFiles struct {
	base int64
	has  map[string]bool // by suffix
}

func (p *partition) check(ctx context.Context) error {
	entries, err := os.ReadDir(p.dir)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // deleted meanwhile
		}
		return err
	}
	byBase := map[int64]*segmentFiles{}
	for _, e := range entries {
		base, suffix, ok := parseSegmentName(e.Name())
		if !ok {
			continue
		}
		if byBase[base] == nil {
			byBase[base] = &segmentFiles{base: base, has: map[string]bool{}}
		}
		byBase[base].has[suffix] = true
	}
	p.metadata()
	var segments []*segmentFiles
	for _, s := range byBase {
		switch {
		case s.has["log"]:
			segments = append(segments, s)
		case s.has["index"] || s.has["timeindex"] || s.has["txnindex"]:
			p.v.add(warning, p.path(fileName(s.base, "index")), -1, s.base, "an index without its log: it is deleted at the next start")
		}
	}
	slices.SortFunc(segments, func(a, b *segmentFiles) int { return int(min(1, max(-1, a.base-b.base))) })
	p.producers = map[int64]producerSeen{}
	p.maxEpoch = -1
	for i, s := range segments {
		if i == 0 {
			p.end = s.base
		}
		if s.base < p.end {
			p.v.add(severe, p.path(fileName(s.base, "log")), 0, s.base, "begins at offset %d although the segment before reaches to %d", s.base, p.end-1)
		}
		if err := p.segment(ctx, s, i == len(segments)-1); err != nil {
			return err
		}
	}
	for _, s := range byBase {
		if s.has["snapshot"] {
			p.snapshot(s.base)
		}
	}
	p.epochsInRange()
	p.fits()
	p.v.mu.Lock()
	p.v.Segments += len(segments)
	p.v.mu.Unlock()
	return nil
}

func fileName(base int64, suffix string) string { return fmt.Sprintf("%020d.%s", base, suffix) }

// metadata reads the partition's own small files.
func (p *partition) metadata() {
	if b, err := os.ReadFile(p.path(partitionIDs)); err == nil {
		if _, err := decodePartitionID(b); err != nil {
			p.v.add(severe, p.path(partitionIDs), -1, -1, "%v", err)
		}
	}
	b, err := os.ReadFile(p.path(epochFile))
	if err != nil {
		return
	}
	p.hasEpochs = true
	if p.epochs, err = decodeEpochs(b); err != nil {
		p.v.add(severe, p.path(epochFile), -1, -1, "%v", err)
		p.hasEpochs = false
	}
}

// epochAt is the leader epoch that the checkpoint gives for an offset, -1 if none.
func (p *partition) epochAt(offset int64) int32 {
	epoch := int32(-1)
	for _, e := range p.epochs {
		if e.Start > offset {
			break
		}
		epoch = e.Epoch
	}
	return epoch
}

func (p *partition) epochsInRange() {
	for _, e := range p.epochs {
		if e.Start > p.end {
			p.v.add(p.grade(e.Start), p.path(epochFile), -1, e.Start, "epoch %d begins at offset %d, but the log ends at %d", e.Epoch, e.Start, p.end)
		}
	}
}

// snapshot checks a producer snapshot against the log's end.
func (p *partition) snapshot(base int64) {
	name := p.path(fileName(base, "snapshot"))
	b, err := os.ReadFile(name)
	if err != nil {
		p.v.add(severe, name, -1, base, "cannot be read: %v", fault.PathCause(err))
		return
	}
	list, err := decodeSnapshot(b)
	if err != nil {
		p.v.add(p.grade(base), name, -1, base, "%v", err)
		return
	}
	for _, e := range list {
		if e.LastOffset >= base {
			p.v.add(p.grade(base), name, -1, base, "producer %d wrote offset %d, which a snapshot at offset %d cannot know", e.Producer, e.LastOffset, base)
		}
	}
	if base > p.end {
		p.v.add(p.grade(base), name, -1, base, "stands at offset %d, but the log ends at %d", base, p.end)
	}
}

// fits compares the directory's checkpoints with where the log ends.
func (p *partition) fits() {
	name := filepath.Base(p.dir)
	if at, ok := p.root.recovery[name]; ok && at > p.end && !p.root.inUse {
		p.v.add(severe, filepath.Join(p.root.dir, recoveryFile), -1, at, "%s is said to be on disk up to offset %d, but ends at %d: records are missing", name, at, p.end)
	}
	if at, ok := p.root.high[name]; ok && at > p.end && !p.root.inUse {
		p.v.add(severe, filepath.Join(p.root.dir, watermarkFile), -1, at, "%s had its high watermark at offset %d, but ends at %d: acknowledged records are missing", name, at, p.end)
	}
	if at, ok := p.root.logStart[name]; ok && at > p.end && !p.root.inUse {
		p.v.add(severe, filepath.Join(p.root.dir, logStartFile), -1, at, "%s starts at offset %d, but ends at %d", name, at, p.end)
	}
}
