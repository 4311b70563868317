package streamstest

import (
	"errors"
	"fmt"
	"maps"

	"leat.dev/streams/internal/engine"
)

// Commit commits all tasks: caches are written through, and what that sends on is processed and committed too.
func (d *Driver) Commit() {
	d.t.Helper()
	if d.err != nil {
		d.fail(fmt.Errorf("the tasks have stopped: %w", d.err))
		return
	}
	err := d.commitAll()
	if err == nil && d.held == 0 {
		err = d.run(false)
	}
	if err != nil {
		_ = d.stop(false) // the first error is the one to show
		d.fail(err)
	}
}

func (d *Driver) commitAll() error {
	for _, w := range d.workers {
		if err := d.commit(w); err != nil {
			return err
		}
	}
	return nil
}

// commitAfter is the commit after one record of a task.
func (d *Driver) commitAfter(w *worker) error {
	if d.set.manualCommit && !w.task.CommitRequested() {
		return nil
	}
	if d.set.manualCommit { // of all tasks, as all tasks of one worker of an app commit together
		return d.commitAll()
	}
	return d.commit(w)
}

func (d *Driver) commit(w *worker) error {
	if err := w.task.Flush(); err != nil {
		return err
	}
	maps.Copy(d.kept, w.task.Positions())
	changelogs := map[engine.TopicPartition]int64{}
	for _, s := range w.sub.Stores {
		if topic := s.Changelog(d.set.appID); topic != "" {
			tp := engine.TopicPartition{Topic: topic, Partition: w.id.Partition}
			changelogs[tp] = d.changelogEnd(s, tp)
		}
	}
	d.stable = len(d.log.records)
	return w.task.Committed(changelogs)
}

// visible tells whether a record may be read: with exactly-once, what is not committed may not.
func (d *Driver) visible(r *Record) bool {
	return r.input || !d.prog.Settings.ExactlyOnce || r.seq < d.stable
}

// stop closes all tasks.
func (d *Driver) stop(clean bool) error {
	var errs []error
	for _, w := range d.workers {
		errs = append(errs, w.task.Close(clean), w.st.Close())
	}
	d.workers = nil
	errs = append(errs, d.stopGlobal())
	return errors.Join(errs...)
}

// Restart commits all tasks, closes them and opens them again on their state, as an app does that is stopped and started.
// After an error there is nothing to commit: it is Crash then.
func (d *Driver) Restart() { d.t.Helper(); d.again(Clean) }

// Crash ends all tasks where they stand and opens them again: nothing since the last commit survives. What was written
// since then is still in its topics, and will be written again; with exactly-once it is not.
func (d *Driver) Crash() { d.t.Helper(); d.again(Killed) }

// LoseState is Crash with all state gone: it is restored from the changelogs. Stores without one are empty then.
func (d *Driver) LoseState() { d.t.Helper(); d.again(LostState) }

func (d *Driver) again(k RestartKind) {
	d.t.Helper()
	err := d.restart(k)
	if err == nil && d.held == 0 {
		err = d.run(false)
	}
	if err != nil {
		_ = d.stop(false) // the first error is the one to show
		d.fail(err)
	}
}

func (d *Driver) restart(k RestartKind) error {
	if d.err != nil && k == Clean {
		k = Killed
	}
	d.err = nil
	if k == Clean {
		if err := d.commitAll(); err != nil {
			return err
		}
	}
	if err := d.stop(k == Clean); err != nil {
		return err
	}
	if k != Clean && d.prog.Settings.ExactlyOnce {
		d.log.truncate(d.stable)
	}
	if k == LostState {
		if err := d.db.Close(); err != nil {
			return err
		}
		fresh, err := d.set.openState(d.t)
		if err != nil {
			return err
		}
		d.db = fresh
	}
	return d.start()
}

// restartEach restarts after a record where RestartEach asks for it.
func (d *Driver) restartEach() error {
	if d.set.restarts == NoRestart {
		return nil
	}
	return d.restart(d.set.restarts)
}
