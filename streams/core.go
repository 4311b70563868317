package streams

import (
	"fmt"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"

	"leat.dev/streams/internal/engine"
)

// A sink takes the records that one node of a task sends to the next. It must not keep r nor change what it points to.
// An error it returns is final: the handlers have decided that the task fails, and every caller passes it up as it is.
type sink[K, V any] func(r *Record[K, V]) error

// change is what tables send: the value of a key now and, where somebody downstream asked for it, before. Latest is false
// for an update of a versioned table that is older than what the table shows.
type change[V any] struct {
	New, Old       V
	HasNew, HasOld bool
	Latest         bool
}

// node is a processor as it runs in one task.
type node struct {
	name string
	task *task
}

// An opener makes a node run in a task. Openers of processors return a sink of the node's own types, those of sources a
// func() head.
type opener func(x *opening) (any, error)

// opening is what a node sees when its task opens it: its children, which are open already, and the task.
type opening struct {
	*node
	children []openChild
	stores   []string // that it is connected to
}

type openChild struct {
	name string
	take any // a sink of the types this node sends
}

// store is a store of the task that the node is connected to.
func (x *opening) store(name string) any { return x.task.stores[name] }

// next sends to all children, in the order in which they were connected.
func next[K, V any](x *opening) sink[K, V] {
	switch len(x.children) {
	case 0:
		return func(*Record[K, V]) error { return nil }
	case 1:
		return x.children[0].take.(sink[K, V])
	}
	all := make([]sink[K, V], len(x.children))
	for i, c := range x.children {
		all[i] = c.take.(sink[K, V])
	}
	return func(r *Record[K, V]) error {
		for _, take := range all {
			if err := take(r); err != nil {
				return err
			}
		}
		return nil
	}
}

// processor is the opener of a node that takes records of K, V and sends records of K2, V2.
func processor[K, V, K2, V2 any](open func(x *opening, next sink[K2, V2]) (sink[K, V], error)) opener {
	return func(x *opening) (any, error) {
		take, err := open(x, next[K2, V2](x))
		if err != nil {
			return nil, err
		}
		return around(x.node, take), nil
	}
}

// around puts the function of the option Around, if there is one, around the calls of a processor. What went wrong in or
// below the processor is final whatever the function makes of it; an error of its own is one of the record.
func around[K, V any](n *node, take sink[K, V]) sink[K, V] {
	take = metered(n, take)
	f := n.task.config().around
	if f == nil {
		return take
	}
	c := Ctx(n.ctx())
	return func(r *Record[K, V]) (final error) {
		own := guarded(func() error {
			return f(c, n.name, func() error {
				if final == nil {
					final = take(r)
				}
				return final
			})
		})
		if final != nil || own == nil {
			return final
		}
		return n.failed(own)
	}
}

// forward sends a record that may have another time or other headers than the one in hand. They are those of the record in
// hand from there on: what stores log for a deletion has its time (Kafka: ProcessorContext.forward).
func forward[K, V any](t *task, next sink[K, V], r *Record[K, V]) error {
	at, headers := t.rc.time, t.rc.headers
	t.rc.time, t.rc.headers = r.Time, r.Headers
	err := next(r)
	t.rc.time, t.rc.headers = at, headers
	return err
}

// failed asks the processing handler about an error of the user's code: nil means that the record is dropped here and
// the task goes on.
func (n *node) failed(err error) error { return n.task.processingFailed(n.name, err) }

// drop counts a record that the node does not process.
func (n *node) drop() { n.task.env.Count(engine.Dropped, n.name, 1) }

// A panicked error is a panic of user code, taken for an error.
type panicked struct {
	value any
	where string // " (file.go:12)"
	stack []byte
}

func (p *panicked) Error() string { return fmt.Sprintf("panic: %v%s", p.value, p.where) }

// Stack is where it happened, for the log.
func (p *panicked) Stack() []byte { return p.stack }

func (p *panicked) Unwrap() error {
	err, _ := p.value.(error)
	return err
}

// tried carries the error of a callback that was wrapped by Try1, Try2 or Try3 to the node that called it.
type tried struct{ err error }

func caught(p any) error {
	if t, ok := p.(tried); ok {
		return t.err
	}
	return &panicked{p, panicAt(), debug.Stack()}
}

// panicAt is the line that the panic which is being recovered from came from.
func panicAt() string {
	var pcs [32]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(0, pcs[:])])
	for under := false; ; {
		f, more := frames.Next()
		switch {
		case under && !strings.HasPrefix(f.Function, "runtime."):
			return fmt.Sprintf(" (%s:%d)", filepath.Base(f.File), f.Line)
		case !more:
			return ""
		}
		under = under || f.Function == "runtime.gopanic"
	}
}

// The calls of user code: a panic becomes the error of that record.

func call0[R any](f func() R) (r R, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = caught(p)
		}
	}()
	return f(), nil
}

func call1[A, R any](f func(A) R, a A) (r R, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = caught(p)
		}
	}()
	return f(a), nil
}

func call2[A, B, R any](f func(A, B) R, a A, b B) (r R, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = caught(p)
		}
	}()
	return f(a, b), nil
}

func call3[A, B, C, R any](f func(A, B, C) R, a A, b B, c C) (r R, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = caught(p)
		}
	}()
	return f(a, b, c), nil
}

func call4[A, B, C, D, R any](f func(A, B, C, D) R, a A, b B, c C, d D) (r R, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = caught(p)
		}
	}()
	return f(a, b, c, d), nil
}

// callTry1 and callTry2 are for callbacks that return errors of their own.
func callTry1[A any](f func(A) error, a A) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = caught(p)
		}
	}()
	return f(a)
}

func callTry2[A, B, R any](f func(A, B) (R, error), a A, b B) (r R, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = caught(p)
		}
	}()
	return f(a, b)
}

func callTry3[A, B, C, R any](f func(A, B, C) (R, error), a A, b B, c C) (r R, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = caught(p)
		}
	}()
	return f(a, b, c)
}

// Try1, Try2 and Try3 fit a callback that can fail into a short form: an error it returns goes the way of an error of a
// Try form, to the processing handler and the dead-letter topic. The wrapped callback is for operators of this package
// only; called elsewhere it panics with an unexported value where f fails.
func Try1[A, R any](f func(A) (R, error)) func(A) R {
	return func(a A) R {
		r, err := f(a)
		if err != nil {
			panic(tried{err})
		}
		return r
	}
}

// Try2 is Try1 for a callback of two arguments.
func Try2[A, B, R any](f func(A, B) (R, error)) func(A, B) R {
	return func(a A, b B) R {
		r, err := f(a, b)
		if err != nil {
			panic(tried{err})
		}
		return r
	}
}

// Try3 is Try1 for a callback of three arguments.
func Try3[A, B, C, R any](f func(A, B, C) (R, error)) func(A, B, C) R {
	return func(a A, b B, c C) R {
		r, err := f(a, b, c)
		if err != nil {
			panic(tried{err})
		}
		return r
	}
}
