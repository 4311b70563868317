package state

import (
	"errors"
	"fmt"
)

var (
	// ErrLocked: another process, or another DB of this one, has the directory open.
	ErrLocked = errors.New("state directory is in use")
	// ErrOwned: the task is open already; a task has one owner at a time.
	ErrOwned = errors.New("task is owned")
	// ErrClosed: the DB, task, snapshot or iterator was closed before.
	ErrClosed = errors.New("closed")
	// ErrIteratorExpired: the iterator was open across a Commit, Discard or Wipe of its task.
	ErrIteratorExpired = errors.New("iterator was open across a commit")
	// ErrReadOnly: a write to a store of a snapshot.
	ErrReadOnly = errors.New("snapshot is read-only")
	// ErrPendingTooLarge: more would be pending than [MaxPendingBytes].
	ErrPendingTooLarge = errors.New("too much is pending: commit first")
	// ErrTooLarge: a key longer than [MaxKeyBytes] or a value longer than [MaxValueBytes].
	ErrTooLarge = errors.New("key or value is too large")
	// ErrCorrupt: what the disk gave back is not what was written. Wipe the task and restore it.
	ErrCorrupt = errors.New("state is corrupt")
	// ErrNoSpace: the disk is full. Nothing that was committed is lost.
	ErrNoSpace = errors.New("no space left for state")
	// ErrVersion: the directory was written in a format this program does not know.
	ErrVersion = errors.New("unknown format of the state directory")
)

// errEnd ends an iterator that has shown everything.
var errEnd = errors.New("end")

// Error says which task and store an operation failed on. It wraps the cause,
// so that errors.Is finds ErrCorrupt, ErrNoSpace and the others.
type Error struct {
	Task  string
	Store string // "" if the failure is the task's
	Op    string
	Err   error
}

func (e *Error) Error() string {
	if e.Store == "" {
		return fmt.Sprintf("state of task %s: %s: %v", e.Task, e.Op, e.Err)
	}
	return fmt.Sprintf("state of task %s, store %s: %s: %v", e.Task, e.Store, e.Op, e.Err)
}

func (e *Error) Unwrap() error { return e.Err }
