package logdir

import (
	"testing"
	"testing/synctest"
	"time"

	"leat.dev/internal/base/clock"
	"leat.dev/internal/base/vfs"
	"leat.dev/internal/commitlog"
)

// The cleaner takes other settings while it runs: a slow rate holds a compaction up, the change lets it go on, other
// threads begin anew.
func TestReconfigureCleaner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := options(vfs.NewMem(1), clock.System)
		o.Settings = DefaultSettings()
		o.Settings.CleanerBackoff, o.Settings.CleanerIORate = time.Second, 1
		d := mustOpen(t, o)
		defer d.Close()
		c := commitlog.DefaultConfig()
		c.Delete, c.Compact, c.MinCleanableDirtyRatio, c.SegmentBytes, c.TimestampAfterMax = false, true, 0, 500, 1<<62
		l, err := d.Create("t", [16]byte{1}, 0, c)
		if err != nil {
			t.Fatal(err)
		}
		appendTo(t, l, 50)
		l.SetHighWatermark(l.EndOffset())
		d.Start(t.Context())
		cleaned := func() bool { return l.FirstDirty() > 0 }
		time.Sleep(10 * time.Second)
		if cleaned() {
			t.Fatal("compacted faster than one byte a second")
		}
		s := o.Settings
		s.CleanerIORate = 0
		d.Reconfigure(s)
		time.Sleep(time.Second)
		if !cleaned() {
			t.Error("a compaction that waits does not notice the new rate")
		}
		before := l.FirstDirty()
		appendTo(t, l, 50)
		l.SetHighWatermark(l.EndOffset())
		s.CleanerThreads, s.CleanerBackoff = 2, 5*time.Second
		d.Reconfigure(s)
		time.Sleep(4 * time.Second)
		if l.FirstDirty() != before {
			t.Error("the old threads still run")
		}
		time.Sleep(2 * time.Second)
		if l.FirstDirty() == before {
			t.Error("the new threads do not run")
		}
	})
}
