package streams

import (
	"fmt"

	"leat.dev/streams/internal/bridge"
	"leat.dev/streams/internal/engine"
)

// What the testing kit reaches.
func init() { //nolint:gochecknoinits // the one way for streamstest to call what is not exported
	bridge.Compile = func(applicationID string, build, options any, settings func(*engine.Settings)) (*engine.Program, error) {
		c := newConfig(options.([]AppOption))
		settings(&c.Settings)
		return compile(applicationID, build.(func(*Builder)), c)
	}
	bridge.Extra = func(options any) []any { return newConfig(options.([]AppOption)).extra }
	bridge.NewOption = func(v any) any {
		return AppOption{func(c *config) { c.extra = append(c.extra, v) }}
	}
	bridge.OpenStore = func(def any, stores func(string) any) (any, error) {
		d, ok := def.(interface {
			StoreRef
			openIn(f storeFinder) any
		})
		if !ok {
			return nil, fmt.Errorf("%T is no definition of a store", def)
		}
		if stores(d.storeName()) == nil {
			return nil, fmt.Errorf("there is no store %q", d.storeName())
		}
		return d.openIn(foundStores(stores)), nil
	}
	bridge.Rows = storeRows
}

// foundStores are the stores of a task, found by their names.
type foundStores func(name string) any

func (f foundStores) store(name string) any { return f(name) }

func (d StoreDef[S]) openIn(f storeFinder) any { return d.In(f) }

// A rowLister is a store that can tell all it holds.
type rowLister interface {
	listRows(add func(key, value any, at Time)) error
}

func storeRows(store any) ([]bridge.Row, error) {
	s, ok := store.(rowLister)
	if !ok {
		return nil, fmt.Errorf("a %T does not list its entries", store)
	}
	var rows []bridge.Row
	err := s.listRows(func(key, value any, at Time) {
		rows = append(rows, bridge.Row{Key: key, Value: value, Time: int64(at)})
	})
	return rows, err
}
