package rest_test

import (
	"context"
	"log/slog"
	"net/http"
	"sync"

	"leat.dev/internal/registry/rest"
	"leat.dev/internal/registry/store"
)

// memory is a Backend whose log is a slice: what the topic is in a process, without Kafka.
type memory struct {
	mu      sync.Mutex
	state   *store.State
	log     []store.Record
	leader  string // elsewhere, if not empty
	foreign bool
}

func newMemory() *memory { return &memory{state: store.New()} }

func (m *memory) Read(look func(*store.State)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	look(m.state)
}

func (m *memory) Write(_ context.Context, decide func(*store.State) ([]store.Record, error)) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.foreign {
		return &rest.NotLeader{URL: m.leader}
	}
	records, err := decide(m.state)
	if err != nil {
		return err
	}
	for _, r := range records {
		m.log = append(m.log, r)
		m.state.Apply(r, int64(1_700_000_000_000+len(m.log)))
	}
	return nil
}

func (m *memory) ClusterIDs() (string, string) { return "kafka-id", "schema-registry" }

// replayed is the state that reading the log from the start gives.
func (m *memory) replayed() *memory {
	n := newMemory()
	for i, r := range m.log {
		n.log = append(n.log, r)
		n.state.Apply(r, int64(1_700_000_000_001+i))
	}
	return n
}

func handler(m *memory) http.Handler {
	return rest.New(rest.Options{Backend: m, Logger: slog.New(slog.DiscardHandler), Version: "test", Commit: "none"})
}
