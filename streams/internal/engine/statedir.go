package engine

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"leat.dev/internal/base/vfs"
	"leat.dev/streams/internal/state"
)

// stateDir is where the app keeps what is its own on disk.
func (a *App) stateDir() string {
	return filepath.Join(a.prog.Settings.StateDir, a.prog.ApplicationID)
}

const (
	stateName   = "state"      // the directory of stores
	processName = "process-id" // the file with the id of the process
)

// openState opens the process's state and finds out who it is.
func (a *App) openState() (*state.DB, error) {
	if a.prog.Settings.StateDir == "" {
		id, err := a.newProcessID()
		a.processID = id
		return state.Memory(), err
	}
	dir := a.stateDir()
	fail := func(err error) error {
		return fmt.Errorf("state directory %s: %w%s", dir, err, stateAdvice(err))
	}
	if err := a.opt.Files.MkdirAll(dir); err != nil {
		return nil, fail(err)
	}
	o := state.Options{Clock: a.clk, Logger: a.log}
	db, err := state.Open(filepath.Join(dir, stateName), o)
	if err != nil {
		return nil, fail(err)
	}
	err = a.readProcessID(filepath.Join(dir, processName))
	if err == nil {
		err = a.dropOld(db)
	}
	if err != nil {
		return nil, errors.Join(fail(err), db.Close())
	}
	return db, nil
}

// dropOld removes state that was not used for longer than state.cleanup.dir.max.age.ms (KIP-1259): an instance that comes
// back after long would go on with state whose changelog has forgotten deletions.
func (a *App) dropOld(db *state.DB) error {
	limit := time.Duration(a.prog.Settings.StateMaxAgeMs) * time.Millisecond
	if limit <= 0 {
		return nil
	}
	list, err := db.Tasks()
	if err != nil {
		return err
	}
	for _, t := range list {
		if age := a.clk.Now().Sub(t.Used); age > limit {
			a.log.Info("state that was not used for long is removed", "task", t.ID, "age", age.Round(time.Second))
			if err := db.WipeTask(t.ID); err != nil {
				return err
			}
		}
	}
	return nil
}

// stateRest is how long the database of a task that left stays open, for when it comes back.
const stateRest = time.Minute

// cleanEvery is how many seconds lie between two looks for state to remove.
const cleanEvery = 10

// clean removes the state of tasks that have not been here for state.cleanup.delay.ms. idle is since when.
func (p *process) clean(idle map[string]time.Time) {
	if err := p.db.Rest(stateRest); err != nil {
		p.app.log.Warn("closing the state of a task that left failed", "error", err)
	}
	delay := time.Duration(p.app.prog.Settings.StateCleanupDelayMs) * time.Millisecond
	if delay <= 0 {
		return
	}
	list, err := p.db.Tasks()
	if err != nil {
		return // it is being closed
	}
	here := p.restorer.ids()
	now := p.app.clk.Now()
	for _, t := range list {
		if t.Owned || here[t.ID] || t.ID == globalTask {
			delete(idle, t.ID)
			continue
		}
		since, known := idle[t.ID]
		if !known {
			since = now
			if !t.Used.IsZero() && t.Used.Before(since) {
				since = t.Used
			}
			since = latest(since, now.Add(-delay/2)) // what another instance may give back soon is not removed at once
			idle[t.ID] = since
		}
		if now.Sub(since) < delay {
			continue
		}
		delete(idle, t.ID)
		err := p.db.WipeTask(t.ID)
		if errors.Is(err, state.ErrOwned) {
			continue // it came back
		}
		if err != nil {
			p.app.log.Warn("removing the state of a task that left failed", "task", t.ID, "error", err)
			continue
		}
		p.app.log.Info("the state of a task that left is removed", "task", t.ID, "unused", now.Sub(since).Round(time.Second))
	}
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// ErrNotStopped is returned by CleanUp while the app runs.
var ErrNotStopped = errors.New("the app runs: state can be removed before Run and after it")

// CleanUp removes all that the app keeps on this machine. What is there is restored from the changelogs.
func (a *App) CleanUp() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch a.state {
	case Created, NotRunning, Failed:
	default:
		return ErrNotStopped
	}
	if a.prog.Settings.StateDir == "" {
		return nil
	}
	dir := a.stateDir()
	if there, err := vfs.Exists(a.opt.Files, dir); err != nil || !there {
		return err
	}
	if err := state.Remove(filepath.Join(dir, stateName), nil); err != nil {
		return fmt.Errorf("state directory %s: %w", dir, err)
	}
	name := filepath.Join(dir, processName)
	there, err := vfs.Exists(a.opt.Files, name)
	if err == nil && there {
		err = a.opt.Files.Remove(name)
	}
	if err != nil {
		return fmt.Errorf("state directory %s: %w", dir, err)
	}
	return nil
}
