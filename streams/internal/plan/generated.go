package plan

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"leat.dev/streams/internal/topology"
)

// checkNames refuses numbered names for what outlives the program: stores and repartition topics (KIP-1111).
// A number changes when a step is added above, and with it the name of what was stored.
func (p *Plan) checkNames(t *topology.Topology) error {
	if p.opts.GeneratedNames {
		return nil
	}
	var errs []error
	for _, s := range t.Stores() {
		if !p.Generated(s.Name) {
			continue
		}
		what := "store"
		if s.Logged {
			what = "store and changelog topic"
		}
		errs = append(errs, fmt.Errorf("%s: the %s %q has a generated name, which changes when steps are added above: name the store, or allow generated names",
			users(t, s.Name), what, s.Name))
	}
	for _, topic := range t.InternalTopicNames() {
		if p.Generated(topic) {
			errs = append(errs, fmt.Errorf("%s: the repartition topic %q has a generated name, which changes when steps are added above: name the step that needs it, or allow generated names",
				writers(t, topic), topic))
		}
	}
	return errors.Join(errs...)
}

func users(t *topology.Topology, store string) string {
	for _, n := range t.Nodes() {
		if slices.Contains(n.Stores, store) {
			return fmt.Sprintf("processor %q", n.Name)
		}
	}
	return "a store that no processor uses"
}

func writers(t *topology.Topology, topic string) string {
	for _, n := range t.Nodes() {
		if n.Kind == topology.KindSink && n.Topic == topic && len(n.Parents) > 0 {
			return fmt.Sprintf("processor %q", n.Parents[0].Name)
		}
	}
	return "a topic that no processor writes to"
}

// containsName finds a generated name inside of another, where no further digit follows its number.
func containsName(name, generated string) bool {
	_, after, found := strings.Cut(name, generated)
	return found && (after == "" || after[0] < '0' || after[0] > '9')
}
