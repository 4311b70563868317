package streams

import (
	"time"

	"leat.dev/streams/internal/state"
	"leat.dev/streams/internal/topology"
)

// storeSpec is what operators and definitions say of a store, whatever its kind. Its methods give the store's place in
// the topology; in a task the store is then found under its name, as the type the method names.
type storeSpec struct {
	name           string
	inMemory       bool
	cached         bool              // has Kafka's record cache in front (see cache.go); only tables, windows and sessions can
	unlogged       bool              // has no changelog
	headers        bool              // keeps the headers of the record that wrote a value (KIP-1271)
	logsHeaders    bool              // does not, but its changelog has them
	config         map[string]string // topic configs of the changelog
	changelogTopic string            // a source topic that is the changelog as well; "" is <application id>-<name>-changelog
	readOnly       bool              // is filled from changelogTopic only
	timeFirst      bool              // windows and sessions: scans of all keys go by time (stores of emit-on-close)
}

// specOf is the spec of an operator's store by its options; cached says whether it is cached without any.
func specOf(name string, s *settings, cached bool) storeSpec {
	if s.cache != nil {
		cached = *s.cache
	}
	return storeSpec{
		name: name, inMemory: s.inMemory, cached: cached, unlogged: s.noChangelog, headers: s.keepHeaders, config: s.changelogConfig,
	}
}

// table is a store that opens as *tableStore[K, V]: the latest value of each key, with its time.
func (p storeSpec) table[K, V any](ks Serde[K], vs Serde[V]) topology.Store {
	return p.store(topology.KeyValue, 0, func(b *storeBase) (taskStore, error) { return openTable(b, p, ks, vs) })
}

// kv is a store that opens as *kvStore[K, V]: the latest value of each key, without times.
func (p storeSpec) kv[K, V any](ks Serde[K], vs Serde[V]) topology.Store {
	return p.store(topology.KeyValue, 0, func(b *storeBase) (taskStore, error) { return openKV(b, p, ks, vs) })
}

// versioned is a store that opens as *versionedStore[K, V]: what each key was at any time of its history.
func (p storeSpec) versioned[K, V any](ks Serde[K], vs Serde[V], history time.Duration) topology.Store {
	return p.store(topology.Versioned, history, func(b *storeBase) (taskStore, error) {
		return openVersioned(b, p, ks, vs, history.Milliseconds())
	})
}

// window is a store that opens as *windowStore[K, V]. Size is that of the windows (0: they have none of their own), which
// the keys of results carry.
func (p storeSpec) window[K, V any](ks Serde[K], vs Serde[V], size, retention time.Duration) topology.Store {
	return p.store(topology.Window, retention, func(b *storeBase) (taskStore, error) {
		return openWindow(b, p, ks, vs, size.Milliseconds(), retention.Milliseconds())
	})
}

// plainWindow is window without the values' times: a processor's store.
func (p storeSpec) plainWindow[K, V any](ks Serde[K], vs Serde[V], size, retention time.Duration) topology.Store {
	return p.store(topology.Window, retention, func(b *storeBase) (taskStore, error) {
		return newWindow(b, p, ks, vs, size.Milliseconds(), retention.Milliseconds(), valueFormat{}), nil
	})
}

// session is a store that opens as *sessionStore[K, V].
func (p storeSpec) session[K, V any](ks Serde[K], vs Serde[V], retention time.Duration) topology.Store {
	return p.store(topology.Session, retention, func(b *storeBase) (taskStore, error) {
		return openSession(b, p, ks, vs, retention.Milliseconds())
	})
}

// join is a store that opens as *joinStore[K, V]: one side of a stream-stream join.
func (p storeSpec) join[K, V any](ks Serde[K], vs Serde[V], retention time.Duration) topology.Store {
	return p.store(topology.JoinWindow, retention, func(b *storeBase) (taskStore, error) {
		return openJoin(b, p, ks, vs, retention.Milliseconds())
	})
}

// outer is a store that opens as *outerStore[K, L, R]: what left and outer joins hold back until it can find no match.
func (p storeSpec) outer[K, L, R any](ks Serde[K], ls Serde[L], rs Serde[R]) topology.Store {
	return p.store(topology.KeyValue, 0, func(b *storeBase) (taskStore, error) { return openOuter(b, p, ks, ls, rs) })
}

// suppressBuffer and graceBuffer are stores that open as *bufferStore: bytes in order of time, of suppressed results, and
// of records that wait for a versioned table.
func (p storeSpec) suppressBuffer() topology.Store {
	return p.store(topology.KeyValue, 0, func(b *storeBase) (taskStore, error) { return openBuffer(b, p, suppressFormat) })
}

func (p storeSpec) graceBuffer() topology.Store {
	return p.store(topology.KeyValue, 0, func(b *storeBase) (taskStore, error) { return openBuffer(b, p, graceFormat) })
}

func (p storeSpec) store(kind topology.StoreKind, retention time.Duration, open func(*storeBase) (taskStore, error)) topology.Store {
	return topology.Store{
		Name: p.name, Kind: kind, Logged: !p.unlogged, Config: p.config, ChangelogTopic: p.changelogTopic, ReadOnly: p.readOnly,
		RetentionMs: retention.Milliseconds(),
		Open: storeOpener(func(t *task, s *topology.Store) (taskStore, error) {
			return open(newStoreBase(t, s, p))
		}),
	}
}

// kind is which of Kafka's stores windows and sessions behave as.
func (p storeSpec) kind() state.Kind {
	switch {
	case p.inMemory:
		return state.InMemory
	case p.timeFirst:
		return state.TimeFirst
	}
	return state.Persistent
}
