package commitlog

import (
	"context"
	"errors"
	"time"
)

var errStub = errors.New("commitlog: being written")

// CleanerBuffers is the memory of one cleaner thread.
type CleanerBuffers struct{}

// NewCleanerBuffers allocates a cleaner's memory: the map of keys and the I/O buffer.
func NewCleanerBuffers(dedupeBytes, ioBytes int, loadFactor float64) *CleanerBuffers {
	return &CleanerBuffers{}
}

func (l *Log) CleanableInfo(now time.Time) (CleanableInfo, error) { return CleanableInfo{}, nil }
func (l *Log) Clean(ctx context.Context, b *CleanerBuffers) (CleanStats, error) {
	return CleanStats{}, errStub
}
