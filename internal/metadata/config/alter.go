package config

import (
	"fmt"
	"slices"
	"strings"
)

// An Edit changes one key of a resource's configs.
type Edit struct {
	Name  string
	Op    Op
	Value string // of Set, Append and Subtract
}

// Op is what an Edit does, as IncrementalAlterConfigs numbers it.
type Op int8

const (
	Set      Op = 0
	Delete   Op = 1
	Append   Op = 2
	Subtract Op = 3
)

// Apply returns what the edits make of the current configs, with the keys that
// differ. declared gives the declarations, which say what is a list.
func Apply(current map[string]string, edits []Edit, declared func(string) *Def) (next map[string]string, err error) {
	next = make(map[string]string, len(current)+len(edits))
	for k, v := range current {
		next[k] = v
	}
	for _, e := range edits {
		switch e.Op {
		case Set:
			next[e.Name] = e.Value
		case Delete:
			delete(next, e.Name)
		case Append, Subtract:
			d := declared(e.Name)
			if d == nil || d.Type != List {
				verb := "APPEND"
				if e.Op == Subtract {
					verb = "SUBTRACT"
				}
				return nil, fmt.Errorf("Can't %s to key %s because its type is not LIST.", verb, e.Name) //nolint:staticcheck // Kafka's own sentence
			}
			was, ok := next[e.Name]
			if !ok && d.Default != null {
				was = d.Default
			}
			list := splitList(was)
			for _, v := range splitList(e.Value) {
				at := slices.Index(list, v)
				switch {
				case e.Op == Append && at < 0:
					list = append(list, v)
				case e.Op == Subtract && at >= 0:
					list = slices.Delete(list, at, at+1)
				}
			}
			next[e.Name] = strings.Join(list, ",")
		}
	}
	return next, nil
}
