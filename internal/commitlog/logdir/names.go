package logdir

import (
	"encoding/hex"
	"io"
	"strconv"
	"strings"
)

const (
	deleteSuffix = "-delete"
	straySuffix  = "-stray"
	futureSuffix = "-future"
	maxName      = 255
)

// parseDirName splits the name of a partition's directory.
func parseDirName(name string) (TopicPartition, bool) {
	i := strings.LastIndexByte(name, '-')
	if i <= 0 || i == len(name)-1 {
		return TopicPartition{}, false
	}
	digits := name[i+1:]
	n, err := strconv.ParseInt(digits, 10, 32)
	if err != nil || n < 0 || digits[0] == '+' || len(digits) > 1 && digits[0] == '0' {
		return TopicPartition{}, false
	}
	return TopicPartition{name[:i], int32(n)}, true
}

// markedName is the name of a directory on its way out: with a random part, so
// that a partition of that name can be created and deleted again meanwhile.
func (d *Dir) markedName(tp TopicPartition, suffix string) (string, error) {
	id := make([]byte, 16)
	if _, err := io.ReadFull(d.o.Random, id); err != nil {
		return "", err
	}
	tail := "." + hex.EncodeToString(id) + suffix
	name := tp.String()
	return name[:min(len(name), maxName-len(tail))] + tail, nil
}

// doom marks the directory of a copy that is not wanted any more, to be removed.
func (d *Dir) doom(future string) error {
	name := strings.TrimSuffix(future, futureSuffix) + deleteSuffix
	if err := d.o.FS.Rename(d.path(future), d.path(name)); err != nil {
		return err
	}
	d.mu.Lock()
	d.doomed = append(d.doomed, doomedDir{d.path(name), d.o.Clock.Now()})
	d.mu.Unlock()
	return d.o.FS.SyncDir(d.o.Path)
}

// marked tells whether a name is that of a directory marked with suffix.
func marked(name, suffix string) bool {
	rest, ok := strings.CutSuffix(name, suffix)
	i := strings.LastIndexByte(rest, '.')
	if !ok || i <= 0 || len(rest)-i-1 != 32 {
		return false
	}
	_, err := hex.DecodeString(rest[i+1:])
	return err == nil
}
