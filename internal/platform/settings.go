package platform

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Own names of the configuration file and the environment that are not settings of the broker.
const (
	dataKey  = "data"
	httpKey  = "http"
	pprofKey = "pprof"
)

// environmentPrefix begins the names of environment variables that are read: LEAT_LOG_RETENTION_MS is log.retention.ms.
const environmentPrefix = "LEAT_"

// Sources are where settings come from; later fields win over earlier ones.
type Sources struct {
	// File is a YAML file; empty means none. Names are Kafka's, with dots or as nested maps, besides data, http and pprof.
	File string
	// Environ is the environment as os.Environ gives it.
	Environ []string
	// Set are name=value pairs of the command line.
	Set []string
}

// LoadSettings fills Data, HTTP, Pprof and Settings of o from the sources. What o holds already is overridden by the
// file and the environment: the caller applies its own flags afterwards.
func (o *Options) LoadSettings(s Sources) error {
	all := map[string]string{}
	if s.File != "" {
		if err := readFile(s.File, all); err != nil {
			return err
		}
	}
	for _, kv := range s.Environ {
		name, value, ok := strings.Cut(kv, "=")
		if !ok || !strings.HasPrefix(name, environmentPrefix) || ownVariables[name] {
			continue
		}
		all[strings.ReplaceAll(strings.ToLower(name[len(environmentPrefix):]), "_", ".")] = value
	}
	for _, kv := range s.Set {
		name, value, ok := strings.Cut(kv, "=")
		if !ok || strings.TrimSpace(name) == "" {
			return fmt.Errorf("%q is not name=value", kv)
		}
		all[strings.TrimSpace(name)] = strings.TrimSpace(value)
	}
	return o.take(all)
}

// ownVariables are environment variables of the command line's clients, not settings.
var ownVariables = map[string]bool{
	"LEAT_BOOTSTRAP_SERVERS": true, "LEAT_OUTPUT": true, "LEAT_CONFIG": true, "LEAT_LOG_LEVEL": true, "LEAT_LOG_FORMAT": true,
}

func (o *Options) take(all map[string]string) error {
	if v, ok := all[dataKey]; ok {
		o.Data = v
	}
	if v, ok := all[httpKey]; ok {
		o.HTTP = v
	}
	if v, ok := all[pprofKey]; ok {
		on, err := strconv.ParseBool(v)
		if err != nil {
			return fmt.Errorf("pprof: %q is neither true nor false", v)
		}
		o.Pprof = on
	}
	if o.Settings == nil {
		o.Settings = map[string]string{}
	}
	for k, v := range all {
		switch k {
		case dataKey, httpKey, pprofKey:
		default:
			o.Settings[k] = v
		}
	}
	return nil
}

// readFile reads a YAML file of settings into all.
func readFile(name string, all map[string]string) error {
	b, err := os.ReadFile(name)
	if err != nil {
		return fmt.Errorf("configuration file: %w", err)
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(b, &doc); err != nil {
		return fmt.Errorf("configuration file %s: %w", name, err)
	}
	if len(doc.Content) == 0 {
		return nil // an empty file
	}
	if err := flatten(doc.Content[0], "", all); err != nil {
		return fmt.Errorf("configuration file %s: %w", name, err)
	}
	return nil
}

// flatten turns nested maps into dotted names, and lists into Kafka's comma-separated values. Scalars keep the text
// they are written with, so that 1e3 or 0644 is not interpreted twice.
func flatten(n *yaml.Node, prefix string, all map[string]string) error {
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := n.Content[i].Value
			if prefix != "" {
				key = prefix + "." + key
			}
			if err := flatten(n.Content[i+1], key, all); err != nil {
				return err
			}
		}
		return nil
	case yaml.SequenceNode:
		var items []string
		for _, c := range n.Content {
			if c.Kind != yaml.ScalarNode {
				return fmt.Errorf("line %d: %s: a list may only hold plain values", c.Line, prefix)
			}
			items = append(items, c.Value)
		}
		return put(all, prefix, strings.Join(items, ","), n.Line)
	case yaml.ScalarNode:
		return put(all, prefix, n.Value, n.Line)
	case yaml.AliasNode:
		return flatten(n.Alias, prefix, all)
	}
	return fmt.Errorf("line %d: %s: not a setting", n.Line, prefix)
}

func put(all map[string]string, name, value string, line int) error {
	if name == "" {
		return fmt.Errorf("line %d: expected name: value", line)
	}
	if _, ok := all[name]; ok {
		return fmt.Errorf("line %d: %s is set twice", line, name)
	}
	all[name] = value
	return nil
}
