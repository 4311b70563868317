package commitlog

import (
	"fmt"
	"strconv"
	"strings"
)

// Suffixes of the files in a partition's directory.
const (
	logSuffix      = ".log"
	indexSuffix    = ".index"
	timeSuffix     = ".timeindex"
	txnSuffix      = ".txnindex"
	snapshotSuffix = ".snapshot"

	deletedSuffix = ".deleted" // out of the log, to be removed
	cleanedSuffix = ".cleaned" // compaction is writing it
	swapSuffix    = ".swap"    // compacted, about to replace what it covers
)

// segmentSuffixes are the files of one segment, the log first.
var segmentSuffixes = [...]string{logSuffix, indexSuffix, timeSuffix, txnSuffix}

// baseName is the 20-digit name of files that start at offset.
func baseName(offset int64) string { return fmt.Sprintf("%020d", offset) }

// parseName splits a file name into its offset and the suffix; ok is false for
// names that are not ours.
func parseName(name string) (offset int64, suffix string, ok bool) {
	digits, rest, found := strings.Cut(name, ".")
	if !found || len(digits) != 20 {
		return 0, "", false
	}
	offset, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || offset < 0 {
		return 0, "", false
	}
	return offset, "." + rest, true
}
