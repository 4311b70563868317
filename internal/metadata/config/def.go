package config

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Type is the type of a setting, as DescribeConfigs numbers it.
type Type int8

const (
	Boolean  Type = 1
	String   Type = 2
	Int      Type = 3
	Short    Type = 4
	Long     Type = 5
	Double   Type = 6
	List     Type = 7
	Class    Type = 8
	Password Type = 9
)

func (t Type) String() string {
	switch t {
	case Boolean:
		return "BOOLEAN"
	case Int:
		return "INT"
	case Short:
		return "SHORT"
	case Long:
		return "LONG"
	case Double:
		return "DOUBLE"
	case List:
		return "LIST"
	case Class:
		return "CLASS"
	case Password:
		return "PASSWORD"
	}
	return "STRING"
}

// Mode says how a broker setting may be changed while the broker runs.
type Mode int8

const (
	ReadOnly    Mode = iota // only by restarting
	ClusterWide             // for the whole cluster or for one broker
	PerBroker               // for one broker only
)

// null is the default of settings that have none.
const null = "\x00"

// Def declares one setting.
type Def struct {
	Name    string
	Type    Type
	Default string // null for none
	Doc     string
	Mode    Mode // broker settings only

	// check says what is wrong with a value that has the right type, or "".
	check func(value) string
	// synonyms are the broker settings that stand in for a topic setting, or
	// the older units of a broker setting: the first that is set wins.
	synonyms []string
	// ignored says why setting it changes nothing; "" for settings that count.
	ignored string
	refused bool // ignoring it would do harm
	// listener: it can be set for one listener, and be changed only so while the broker runs.
	listener bool

	standard value // Default, parsed; empty if there is none
}

// Sensitive tells whether the value must not be shown.
func (d *Def) Sensitive() bool { return d.Type == Password }

// value is a parsed value: what of it is set depends on the type.
type value struct {
	text  string // normalised
	num   int64
	float float64
	truth bool
	list  []string
}

// parse reads a value and checks it. The error is Kafka's sentence.
func (d *Def) parse(s string) (value, error) {
	v := value{text: strings.TrimSpace(s)}
	bad := func(why string) (value, error) {
		return value{}, fmt.Errorf("Invalid value %s for configuration %s: %s", s, d.Name, why) //nolint:staticcheck // Kafka's own sentence, shown to clients
	}
	var err error
	switch d.Type {
	case Boolean:
		switch strings.ToLower(v.text) {
		case "true":
			v.truth = true
		case "false":
		default:
			return bad("Expected value to be either true or false")
		}
		v.text = strings.ToLower(v.text)
	case Int, Short, Long:
		bits := map[Type]int{Int: 32, Short: 16, Long: 64}[d.Type]
		if v.num, err = strconv.ParseInt(v.text, 10, bits); err != nil {
			return bad("Not a number of type " + d.Type.String())
		}
		v.text = strconv.FormatInt(v.num, 10)
	case Double:
		if v.float, err = strconv.ParseFloat(v.text, 64); err != nil || math.IsNaN(v.float) {
			return bad("Not a number of type " + d.Type.String())
		}
	case List:
		v.list = splitList(v.text)
		v.text = strings.Join(v.list, ",")
	}
	if d.check != nil {
		switch why := d.check(v); {
		case strings.HasPrefix(why, "Configuration '"):
			return value{}, fmt.Errorf("%s", why) // a sentence of its own
		case why != "":
			return bad(why)
		}
	}
	return v, nil
}

// splitList cuts a comma-separated list; elements that come twice count once.
func splitList(s string) []string {
	out := []string{}
	if strings.TrimSpace(s) == "" {
		return out
	}
	for e := range strings.SplitSeq(s, ",") {
		if e = strings.TrimSpace(e); !slices.Contains(out, e) {
			out = append(out, e)
		}
	}
	return out
}

func atLeast(n int64) func(value) string {
	return func(v value) string {
		if v.num < n {
			return fmt.Sprintf("Value must be at least %d", n)
		}
		return ""
	}
}

func between(low, high int64) func(value) string {
	return func(v value) string {
		switch {
		case v.num < low:
			return fmt.Sprintf("Value must be at least %d", low)
		case v.num > high:
			return fmt.Sprintf("Value must be no more than %d", high)
		}
		return ""
	}
}

func ratio(v value) string {
	switch {
	case v.float < 0:
		return "Value must be at least 0"
	case v.float > 1:
		return "Value must be no more than 1"
	}
	return ""
}

func oneOf(options ...string) func(value) string {
	return func(v value) string {
		if !slices.Contains(options, v.text) {
			return "String must be one of: " + strings.Join(options, ", ")
		}
		return ""
	}
}

func listOf(options ...string) func(value) string {
	return func(v value) string {
		for _, e := range v.list {
			if !slices.Contains(options, e) {
				return "String must be one of: " + strings.Join(options, ", ")
			}
		}
		return ""
	}
}

// gzipLevel: 0 would store without compressing, which Kafka does not offer.
func gzipLevel(v value) string {
	if v.num != -1 && (v.num < 1 || v.num > 9) {
		return "Value must be between 1 and 9 or equal to -1"
	}
	return ""
}
