// Package bridge lets the testing kit reach what package streams does not export: the compiled program behind a function
// that builds a topology, and the typed stores of its tasks. Package streams fills the variables when it is initialized;
// they never change afterwards.
package bridge

import "leat.dev/streams/internal/engine"

var (
	// Compile makes a program. build is a func(*streams.Builder), options is a []streams.AppOption; settings may change the
	// app's settings before anything is compiled.
	Compile func(applicationID string, build, options any, settings func(*engine.Settings)) (*engine.Program, error)

	// NewOption is a streams.AppOption that carries v. Extra gives what the options carry.
	NewOption func(v any) any
	Extra     func(options any) []any

	// OpenStore gives what a typed definition (a streams.StoreDef) gives processors, of the stores of a task or of the
	// global part.
	OpenStore func(def any, stores func(name string) any) (any, error)

	// Rows gives the entries of a store, as Task.Store and Global.Store give it, in the order of its own scans.
	Rows func(store any) ([]Row, error)
)

// Row is an entry of a store.
type Row struct {
	Key, Value any   // as the program's types; windowed keys as streams.Windowed
	Time       int64 // of a store that keeps times, else -1
}
