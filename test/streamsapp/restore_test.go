package streamsapp

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"leat.dev/streams"
)

// restores collects what a listener is told.
type restores struct {
	mu     sync.Mutex
	events []streams.RestoreEvent
	change chan struct{}
}

func newRestores() *restores { return &restores{change: make(chan struct{}, 1)} }

func (r *restores) option() streams.AppOption {
	return streams.OnRestore(func(e streams.RestoreEvent) {
		r.mu.Lock()
		r.events = append(r.events, e)
		r.mu.Unlock()
		select {
		case r.change <- struct{}{}:
		default:
		}
	})
}

// await waits until enough events are such as f says, and gives their records.
func (r *restores) await(t *testing.T, n int, f func(streams.RestoreEvent) bool) (records int64) {
	t.Helper()
	limit := time.After(patience)
	for {
		have := 0
		records = 0
		r.mu.Lock()
		for _, e := range r.events {
			if f(e) {
				have++
				records += e.Records
			}
		}
		all := fmt.Sprintf("%+v", r.events)
		r.mu.Unlock()
		if have >= n {
			return records
		}
		select {
		case <-r.change:
		case <-limit:
			t.Fatalf("%d of %d events after %v: %s", have, n, patience, all)
		}
	}
}

// TestRestoreFromChangelog: what was lost on one machine comes back on another, as the listener is told, and what is
// still there is not read again.
func TestRestoreFromChangelog(t *testing.T) {
	onEach(t, func(t *testing.T, c *cluster) {
		const keys = 5000
		c.create(2, "lines", "counts")
		dir := t.TempDir()
		r := c.run("again", wordCount, streams.StateDir(dir), streams.ExactlyOnce())
		for i := 0; i < keys; i += 1000 {
			var words []string
			for k := range 1000 {
				words = append(words, fmt.Sprint("w", i+k))
			}
			c.send("lines", fmt.Sprintf("x%d=%s", i, strings.Join(words, " ")))
		}
		c.read("counts", total(keys))
		if err := r.app.CleanUp(); err == nil {
			t.Fatal("the state of a running app was removed")
		}
		r.close()

		ended := func(e streams.RestoreEvent) bool { return e.Kind == streams.RestoreEnd && e.Store == "words" }
		same := newRestores()
		r = c.run("again", wordCount, streams.StateDir(dir), streams.ExactlyOnce(), same.option())
		r.await(streams.Running)
		c.send("lines", "y=w0 w4999")
		c.read("counts", total(keys+2))
		r.close()
		for _, e := range same.events {
			if e.Kind == streams.RestoreBatch {
				t.Fatalf("state that was there is read again: %+v", e)
			}
		}

		lost := newRestores()
		r = c.run("again", wordCount, streams.StateDir(t.TempDir()), streams.ExactlyOnce(), lost.option())
		r.await(streams.Running)
		if n := lost.await(t, 2, ended); n != keys+2 {
			t.Errorf("%d records were restored of %d", n, keys+2)
		}
		c.send("lines", "z=w0 w1 w4999")
		all := c.read("counts", total(keys+5))
		exact(t, all)
		r.close()

		if err := r.app.CleanUp(); err != nil {
			t.Fatal(err)
		}
		if left, _ := filepath.Glob(filepath.Join(dir, "again", "state", "tasks", "*", "db")); len(left) == 0 {
			t.Error("the directory of the first app holds no tasks")
		}
	})
}

// TestStateDirectoryInUse: a second process on the same directory is told who has it.
func TestStateDirectoryInUse(t *testing.T) {
	c := start(t, kinds()[0])
	c.create(1, "lines", "counts")
	dir := t.TempDir()
	r := c.run("one", wordCount, streams.StateDir(dir))
	r.await(streams.Running)
	second, err := streams.New("one", wordCount, streams.Brokers(c.broker.Addr()), streams.StateDir(dir))
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Run(t.Context()); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("process %d", os.Getpid())) {
		t.Fatalf("the second one says: %v", err)
	}
	r.close()
}

// TestStandbyTakesOver: a caught-up standby runs in the moment that the group gives it the task, with all that was committed.
func TestStandbyTakesOver(t *testing.T) {
	onBothGuarantees(t, func(t *testing.T, c *cluster, o ...streams.AppOption) {
		c.create(2, "lines", "counts")
		told := [2]*restores{newRestores(), newRestores()}
		var apps [2]*running
		for i := range apps {
			apps[i] = c.run("pair", wordCount, append([]streams.AppOption{
				streams.StateDir(t.TempDir()), streams.Standbys(1), told[i].option(), streams.SessionTimeout(6 * time.Second),
			}, o...)...)
		}
		for _, r := range apps {
			r.await(streams.Running)
		}
		sent := 0
		for i := range 20 {
			c.send("lines", fmt.Sprintf("k%d=a b%d c%d d%d", i, i, i%3, i%7))
			sent += 4
		}
		exact(t, c.read("counts", total(sent)))
		for i := range apps { // each has a copy of what the other one has
			told[i].await(t, 1, func(e streams.RestoreEvent) bool { return e.Standby && e.Store == "words" && e.Next > 0 })
		}
		apps[0].close()
		began := time.Now()
		c.send("lines", "k=a b0 c0 d0", "l=a b1 c1 d1")
		sent += 8
		exact(t, c.read("counts", total(sent)))
		t.Logf("the other one went on after %v", time.Since(began))
		promoted := func(e streams.RestoreEvent) bool { return e.Kind == streams.RestoreSuspended && e.Standby }
		told[1].await(t, 1, promoted)
		apps[1].close()
	})
}

func onBothGuarantees(t *testing.T, f func(t *testing.T, c *cluster, o ...streams.AppOption)) {
	onEach(t, func(t *testing.T, c *cluster) {
		t.Run("at-least-once", func(t *testing.T) { f(t, c.with(t)) })
	})
	onEach(t, func(t *testing.T, c *cluster) {
		t.Run("exactly-once", func(t *testing.T) { f(t, c.with(t), streams.ExactlyOnce()) })
	})
}

// TestCorruptState: rot in the files of one task costs that task a restore, and nobody else anything.
func TestCorruptState(t *testing.T) {
	onBothGuarantees(t, func(t *testing.T, c *cluster, o ...streams.AppOption) {
		c.create(2, "lines", "counts")
		dir := t.TempDir()
		o = append(o, streams.StateDir(dir))
		r := c.run("rotten", wordCount, o...)
		sent := 0
		for i := range 50 {
			c.send("lines", fmt.Sprintf("k%d=a b%d c%d d%d", i, i, i%3, i%7))
			sent += 4
		}
		exact(t, c.read("counts", total(sent)))
		r.close()
		rot(t, filepath.Join(dir, "rotten", "state", "tasks", "1_0", "db"))
		told := newRestores()
		r = c.run("rotten", wordCount, append(o, told.option())...)
		r.await(streams.Running)
		c.send("lines", "k=a b0 c0 d0", "l=a b1 c1 d1")
		sent += 8
		exact(t, c.read("counts", total(sent)))
		for _, e := range told.events {
			if e.Kind == streams.RestoreBatch && e.Task != "1_0" {
				t.Errorf("another task was restored: %+v", e)
			}
		}
		told.await(t, 1, func(e streams.RestoreEvent) bool { return e.Kind == streams.RestoreEnd && e.Task == "1_0" })
		r.close()
	})
}

// rot overwrites the manifest of a database, without which nothing in it can be found.
func rot(t *testing.T, db string) {
	t.Helper()
	names, _ := filepath.Glob(filepath.Join(db, "MANIFEST-*"))
	if len(names) == 0 {
		t.Fatalf("no database in %s", db)
	}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for i := range b {
			b[i] ^= 0x55
		}
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestDiskFull: on a disk that is full the tasks wait, the app does not end, and when there is space it goes on; no result
// is lost or doubled. It needs the right to mount a file system.
func TestDiskFull(t *testing.T) {
	dir := t.TempDir()
	if out, err := exec.CommandContext(t.Context(), "mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", dir).CombinedOutput(); err != nil {
		t.Skipf("a small disk cannot be made: %v: %s", err, out)
	}
	t.Cleanup(func() {
		if err := exec.Command("umount", dir).Run(); err != nil { //nolint:noctx // the test is over
			t.Error(err)
		}
	})
	onBothGuarantees(t, func(t *testing.T, c *cluster, o ...streams.AppOption) {
		c.create(2, "lines", "counts")
		own := filepath.Join(dir, strings.ReplaceAll(t.Name(), "/", "-"))
		r := c.run("full", wordCount, append(o, streams.StateDir(own))...)
		c.send("lines", "k=a b c d")
		exact(t, c.read("counts", total(4)))

		ballast := filepath.Join(dir, "ballast")
		if err := os.WriteFile(ballast, make([]byte, 24<<20), 0o600); err == nil {
			t.Fatal("24 MiB fit into 24 MiB")
		}
		sent := 4
		for i := range 60 { // more than fits into the blocks that files have already
			var words []string
			for k := range 50 {
				words = append(words, fmt.Sprintf("%d-%d-%s", i, k, strings.Repeat("w", 200)))
			}
			c.send("lines", fmt.Sprintf("k%d=%s", i, strings.Join(words, " ")))
			sent += 50
		}
		waits := time.After(3 * time.Second)
		for full := false; !full; {
			select {
			case <-r.done:
				t.Fatalf("the app ended on a full disk: %v", r.err)
			case <-waits:
				full = true
			}
		}
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
		c.send("lines", "k=there is space again") // tasks that wait take it up
		sent += 4
		all := c.read("counts", func(all []*kgo.Record) bool { return len(last(all)) >= sent })
		if len(o) > 0 {
			exact(t, all)
		}
		r.close()
		_ = os.RemoveAll(own)
	})
}
