package platform

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"leat.dev/internal/metadata/config"
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
	// File is a YAML file; empty means none. Names are Kafka's, with dots or as nested maps, besides data, http,
	// pprof and registry.…. A file named *.properties is read as Kafka's server.properties.
	File string
	// Environ is the environment as os.Environ gives it.
	Environ []string
	// Set are name=value pairs of the command line.
	Set []string
}

// LoadSettings fills Data, HTTP, Pprof, Registry and Settings of o from the sources. What o holds already is overridden by the
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
		name, value, err := config.ParseSet(kv)
		if err != nil {
			return err
		}
		all[name] = value
	}
	return o.take(all)
}

// ownVariables are environment variables of the command line's clients, not settings.
var ownVariables = map[string]bool{
	"LEAT_BOOTSTRAP_SERVERS": true, "LEAT_OUTPUT": true, "LEAT_CONFIG": true, "LEAT_LOG_LEVEL": true, "LEAT_LOG_FORMAT": true,
	"LEAT_CLIENT_CONFIG": true, "LEAT_USER": true, "LEAT_PASSWORD": true,
	"LEAT_REGISTRY": true, "LEAT_REGISTRY_USER": true, "LEAT_REGISTRY_PASSWORD": true, "LEAT_REGISTRY_TOKEN": true,
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
			if known, err := o.Registry.take(k, v); err != nil {
				return err
			} else if known {
				continue
			}
			o.Settings[k] = v
		}
	}
	return nil
}

// readFile reads a file of settings into all: YAML, or Kafka's own format if it is named *.properties.
func readFile(name string, all map[string]string) error {
	b, err := os.ReadFile(name)
	if err != nil {
		return fmt.Errorf("configuration file: %w", err)
	}
	var values map[string]string
	if filepath.Ext(name) == ".properties" {
		values, err = config.ParseProperties(b)
	} else {
		var doc any
		if err = yaml.Unmarshal(b, &doc); err == nil && doc != nil {
			values, err = config.Flatten(doc)
		}
	}
	if err != nil {
		return fmt.Errorf("configuration file %s: %w", name, err)
	}
	maps.Copy(all, values)
	return nil
}
