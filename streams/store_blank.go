package streams

import (
	"fmt"
	"sync"

	"leat.dev/streams/internal/engine"
	"leat.dev/streams/internal/state"
	"leat.dev/streams/internal/topology"
)

// blanks are the topology's stores without contents: what queries ask about keys, serdes and orders before they know which
// task, or which instance, has the entries.
type blanks struct {
	prog *program

	mu     sync.Mutex
	stores map[string]taskStore // those that were asked for
}

func newBlanks(p *program) *blanks { return &blanks{prog: p, stores: map[string]taskStore{}} }

// blank is the store of that name without contents. Only what depends on no contents may be asked of it.
func (a *App) blank(name string) (taskStore, error) { return a.blanks.get(name) }

func (b *blanks) get(name string) (taskStore, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if s, ok := b.stores[name]; ok {
		return s, nil
	}
	for _, s := range b.prog.topology.Stores() {
		if s.Name == name {
			opened, err := b.open(s)
			b.stores[name] = opened
			return opened, err
		}
	}
	return nil, fmt.Errorf("store %s: %w", name, ErrNoStore)
}

func (b *blanks) open(s *topology.Store) (taskStore, error) {
	st, err := state.Memory().Task("blank")
	if err != nil {
		return nil, err
	}
	t := blankTask(b.prog, engine.TaskID{Subtopology: -1, Partition: -1}, nil, st)
	defer t.cancel()
	if err := t.openStore(s); err != nil {
		return nil, err
	}
	return t.stores[s.Name], nil
}

// serialized gives the bytes of a key, in memory of their own.
func serialized[K any](b *storeBase, ks Serde[K], k K) ([]byte, error) {
	return ks.Append(make([]byte, 0, 32), b.topic, nil, k)
}

func (s *tableStore[K, V]) keyBytes(k K) ([]byte, error)     { return serialized(s.storeBase, s.ks, k) }
func (s *versionedStore[K, V]) keyBytes(k K) ([]byte, error) { return serialized(s.storeBase, s.ks, k) }
func (s *windowStore[K, V]) keyBytes(k K) ([]byte, error)    { return serialized(s.storeBase, s.ks, k) }
func (s *sessionStore[K, V]) keyBytes(k K) ([]byte, error)   { return serialized(s.storeBase, s.ks, k) }
