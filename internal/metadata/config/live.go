package config

import (
	"strings"
	"time"
)

// Live is the broker's settings with what was changed while it runs: for the broker, else for all, else what the file
// said, else the default. Its getters take the names of the table only, like those of Static.
type Live struct {
	static  *Static
	dynamic Dynamic
}

// Live puts changes over the settings.
func (s *Static) Live(dynamic Dynamic) Live { return Live{s, dynamic} }

// lookup is what was set for a name, wherever it was.
func (l Live) lookup(name string) (value, bool) {
	if s, ok := l.dynamic.Lookup(name); ok {
		if v, err := Broker(name).parse(s); err == nil {
			return v, true
		}
	}
	v, ok := l.static.set[name]
	return v, ok
}

func (l Live) value(name string) value {
	if v, ok := l.lookup(name); ok {
		return v
	}
	v, _ := l.static.value(name)
	return v
}

// String, Int, Int64, Float, Bool, List and Millis return the value of a setting; it is empty or 0 if it has none.
func (l Live) String(name string) string        { return l.value(name).text }
func (l Live) Int(name string) int              { return int(l.value(name).num) }
func (l Live) Int64(name string) int64          { return l.value(name).num }
func (l Live) Float(name string) float64        { return l.value(name).float }
func (l Live) Bool(name string) bool            { return l.value(name).truth }
func (l Live) List(name string) []string        { return splitList(l.value(name).text) }
func (l Live) Millis(name string) time.Duration { return millis(l.value(name).num) }

// ListenerInt64 is the value of a setting that a listener may have of its own, by the listener's prefix alone; ok is false
// if it was not set.
func (l Live) ListenerInt64(listener, name string) (n int64, ok bool) {
	v, ok := l.lookup(listenerPrefix + strings.ToLower(listener) + "." + name)
	return v.num, ok
}
