package state

import (
	"math/rand/v2"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// CrashFS is a disk in memory whose machine can lose power, for the tests of who keeps state.
type CrashFS struct{ *vfs.MemFS }

// NewCrashFS makes an empty one.
func NewCrashFS() CrashFS { return CrashFS{vfs.NewCrashableMem()} }

// Crash gives the disk as it is found when power is lost now: some of what was not synced, by the seed, is gone.
func (f CrashFS) Crash(seed uint64) CrashFS {
	return CrashFS{f.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: int(seed % 101), RNG: rand.New(rand.NewPCG(seed, 1))})} //nolint:gosec // drawn by the test
}
