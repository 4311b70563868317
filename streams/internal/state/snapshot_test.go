package state

import (
	"fmt"
	"sync"
	"testing"
)

// TestSnapshotsInOtherGoroutines: each snapshot shows one commit as a whole,
// whatever the owner does meanwhile.
func TestSnapshotsInOtherGoroutines(t *testing.T) {
	backends(t, func(t *testing.T, disk bool) {
		w := newWorld(t, disk)
		defer w.close()
		a, b := w.task.Store("a", false), w.task.Store("b", true)
		win := NewWindow(w.task.Store("w", false), WindowOptions{Retention: 100_000})
		done := make(chan struct{})
		var readers sync.WaitGroup
		for range 2 {
			readers.Go(func() {
				for {
					select {
					case <-done:
						return
					default:
					}
					if err := oneCommit(w.task.Snapshot()); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		for n := range 300 {
			for k := range 5 {
				w.must(a.Put([]byte{byte(k)}, fmt.Append(nil, n)))
				w.must(b.Put([]byte{byte(k)}, fmt.Append(nil, n)))
				_, _, err := win.Put([]byte{byte(k)}, fmt.Append(nil, n), int64(n))
				w.must(err)
			}
			if n%7 == 0 {
				w.must(w.task.Discard())
				continue
			}
			w.must(w.task.Commit(nil, nil))
		}
		close(done)
		readers.Wait()
	})
}

// oneCommit says what is wrong if values of several commits are to be seen.
func oneCommit(n *Snapshot) error {
	defer n.Close()
	seen := map[string]bool{}
	for _, name := range []string{"a", "b"} {
		it := n.Store(name).Scan(nil, nil, false)
		for it.Next() {
			seen[string(it.Value())] = true
		}
		if err := it.Close(); err != nil {
			return err
		}
	}
	it := NewWindow(n.Store("w"), WindowOptions{Retention: 100_000}).Fetch([]byte{0}, 0, 1<<62, true)
	if it.Next() {
		seen[string(it.Value())] = true
	}
	if err := it.Close(); err != nil {
		return err
	}
	if len(seen) > 1 {
		return fmt.Errorf("a snapshot of several commits: %v", seen)
	}
	if err := n.Store("a").Put(nil, nil); err == nil {
		return fmt.Errorf("a snapshot took a write")
	}
	return nil
}
