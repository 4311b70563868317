// Package loglevel gives each component of a process a logger whose level can be changed while it runs.
//
// Loggers have names with dots, "leat.broker.transport". One without a level of its own has that of the name above it, in
// the end the root's. A Table is safe for concurrent use; asking whether a line would be written costs two atomic loads.
// The package starts no goroutines and keeps nothing on disk: levels last as long as the process, as in Apache Kafka.
package loglevel

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// Root is the name of the logger above all others.
const Root = "root"

// Levels that Kafka knows and slog has no name for.
const (
	Trace = slog.LevelDebug - 4
	Fatal = slog.LevelError + 4
)

var levels = map[string]slog.Level{
	"TRACE": Trace, "DEBUG": slog.LevelDebug, "INFO": slog.LevelInfo, "WARN": slog.LevelWarn, "ERROR": slog.LevelError, "FATAL": Fatal,
}

// LevelNames are the names that Parse takes, in order.
func LevelNames() []string { return slices.Sorted(maps.Keys(levels)) }

// Parse finds a level by Kafka's name for it, which is upper case.
func Parse(name string) (slog.Level, bool) {
	l, ok := levels[name]
	return l, ok
}

// Name is Kafka's name of a level: that of the highest one it reaches.
func Name(l slog.Level) string {
	best, name := slog.Level(-1<<31), "TRACE"
	for n, v := range levels {
		if v <= l && v > best {
			best, name = v, n
		}
	}
	return name
}

// Errors of Set and Unset.
var (
	ErrUnknown = errors.New("there is no such logger")
	ErrRoot    = errors.New("the root logger always has a level")
)

// Table holds the levels.
type Table struct {
	handler slog.Handler
	mu      sync.Mutex
	loggers map[string]*logger // by name; none is ever removed
}

type logger struct {
	own   bool // has a level of its own
	level atomic.Int64
}

// New returns a table with the root logger only. The handler is asked for what its Enabled allows, so it should allow
// everything that a level might be set to.
func New(h slog.Handler, level slog.Level) *Table {
	t := &Table{handler: h, loggers: map[string]*logger{}}
	root := &logger{own: true}
	root.level.Store(int64(level))
	t.loggers[Root] = root
	return t
}

// Of returns a table over a logger that has a fixed level: the table can only make it write less.
func Of(l *slog.Logger) *Table {
	for _, name := range []string{"TRACE", "DEBUG", "INFO", "WARN", "ERROR"} {
		if l.Enabled(context.Background(), levels[name]) {
			return New(l.Handler(), levels[name])
		}
	}
	return New(l.Handler(), Fatal)
}

// Logger returns the logger of a component, which is made known. Each line has the name as "logger"; the root's has none.
func (t *Table) Logger(name string) *slog.Logger {
	t.mu.Lock()
	defer t.mu.Unlock()
	l := t.loggers[name]
	if l == nil {
		l = &logger{}
		t.loggers[name] = l
		t.settle()
	}
	h := t.handler
	if name != Root {
		h = h.WithAttrs([]slog.Attr{slog.String("logger", name)})
	}
	return slog.New(handler{h, l})
}

// settle works out the levels of loggers that have none of their own. mu is held.
func (t *Table) settle() {
	for name, l := range t.loggers {
		if !l.own {
			l.level.Store(t.above(name).level.Load())
		}
	}
}

// above is the nearest logger above a name that has a level of its own.
func (t *Table) above(name string) *logger {
	for {
		at := strings.LastIndexByte(name, '.')
		if at < 0 {
			return t.loggers[Root]
		}
		name = name[:at]
		if l := t.loggers[name]; l != nil && l.own {
			return l
		}
	}
}

// Levels returns the level of each logger by its name.
func (t *Table) Levels() map[string]slog.Level {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := make(map[string]slog.Level, len(t.loggers))
	for name, l := range t.loggers {
		out[name] = slog.Level(l.level.Load())
	}
	return out
}

// Set gives a logger a level of its own. The error is ErrUnknown.
func (t *Table) Set(name string, level slog.Level) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	l := t.loggers[name]
	if l == nil {
		return ErrUnknown
	}
	l.own = true
	l.level.Store(int64(level))
	t.settle()
	return nil
}

// Unset takes a logger's own level away. The error is ErrUnknown or ErrRoot.
func (t *Table) Unset(name string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	l := t.loggers[name]
	switch {
	case l == nil:
		return ErrUnknown
	case name == Root:
		return ErrRoot
	}
	l.own = false
	t.settle()
	return nil
}

// handler asks the table's level before the handler below.
type handler struct {
	slog.Handler
	l *logger
}

func (h handler) Enabled(ctx context.Context, level slog.Level) bool {
	return int64(level) >= h.l.level.Load() && h.Handler.Enabled(ctx, level)
}

func (h handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return handler{h.Handler.WithAttrs(attrs), h.l}
}
func (h handler) WithGroup(name string) slog.Handler { return handler{h.Handler.WithGroup(name), h.l} }
