package oracle

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Header of a record.
type Header struct {
	Key   string
	Value []byte // nil: null
}

// Step is one thing that is done to a running program: a record piped into a topic, or an advance of the wall clock.
type Step struct {
	Topic      string // empty: Clock
	Key, Value []byte // nil: null
	Time       int64  // ms
	Headers    []Header
	Clock      int64 // ms by which the wall clock advances
}

// Case is a program, the options it runs with, and its input. Options are cache=off (NoCache for each store), cache=zero (no
// memory for caches), optimize, memory (Java keeps state in memory, for speed) and internal (answers hold internal topics).
type Case struct {
	Program string
	Options []string
	Steps   []Step
}

// Has tells whether an option is given.
func (c Case) Has(option string) bool {
	for _, o := range c.Options {
		if o == option {
			return true
		}
	}
	return false
}

func (c Case) head() string {
	return strings.Join(append([]string{"case", c.Program}, c.Options...), " ")
}

// String is the request as it is sent to Java, less its end.
func (c Case) String() string {
	var s strings.Builder
	s.WriteString(c.head() + "\n")
	for _, step := range c.Steps {
		s.WriteString(step.String() + "\n")
	}
	return s.String()
}

func (s Step) String() string {
	if s.Topic == "" {
		return fmt.Sprintf("clock %d", s.Clock)
	}
	return fmt.Sprintf("in %s %s %s %d%s", s.Topic, encode(s.Key), encode(s.Value), s.Time, headersText(s.Headers))
}

func headersText(headers []Header) string {
	var s strings.Builder
	for _, h := range headers {
		s.WriteString(" " + h.Key + "=" + encode(h.Value))
	}
	return s.String()
}

func parseStep(line string) (Step, error) {
	w := strings.Fields(line)
	if len(w) == 2 && w[0] == "clock" {
		n, err := strconv.ParseInt(w[1], 10, 64)
		return Step{Clock: n}, err
	}
	if len(w) < 5 || w[0] != "in" {
		return Step{}, fmt.Errorf("no step: %q", line)
	}
	s := Step{Topic: w[1]}
	var err error
	if s.Key, err = decode(w[2]); err != nil {
		return s, err
	}
	if s.Value, err = decode(w[3]); err != nil {
		return s, err
	}
	for _, h := range w[5:] {
		k, v, _ := strings.Cut(h, "=")
		b, err := decode(v)
		if err != nil {
			return s, err
		}
		s.Headers = append(s.Headers, Header{k, b})
	}
	s.Time, err = strconv.ParseInt(w[4], 10, 64)
	return s, err
}

// Answer is what became of a case: lines of text, in the order in which they are compared.
type Answer struct {
	Out   []Output
	Kept  []string // the stores whose rows are listed
	Rows  []Row
	Drops int64
	// Failed is the step at which the program failed, counted from 0; -1 while it was built. No failure is noFailure.
	Failed int
	Reason string
}

const noFailure = -2

// Output is a record written during a step; a topic's records of a step keep their order.
type Output struct {
	Step  int
	Topic string
	Text  string // key, value, time and headers
}

// Row of a store: key, value and time; -1 where the store keeps no times.
type Row struct{ Store, Text string }

// encode keeps printable bytes; null is ~, nothing is %.
func encode(b []byte) string {
	if b == nil {
		return "~"
	}
	if len(b) == 0 {
		return "%"
	}
	var s strings.Builder
	for _, c := range b {
		if c > ' ' && c < '~' && c != '%' {
			s.WriteByte(c)
		} else {
			fmt.Fprintf(&s, "%%%02X", c)
		}
	}
	return s.String()
}

func decode(s string) ([]byte, error) {
	switch s {
	case "~":
		return nil, nil
	case "%":
		return []byte{}, nil
	}
	b := []byte{}
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			b = append(b, s[i])
			continue
		}
		if i+3 > len(s) {
			return nil, fmt.Errorf("cut off: %q", s)
		}
		n, err := strconv.ParseUint(s[i+1:i+3], 16, 8)
		if err != nil {
			return nil, err
		}
		b = append(b, byte(n))
		i += 2
	}
	return b, nil
}

// readAnswer reads the lines of an answer up to its end.
func readAnswer(r *bufio.Reader) (Answer, error) {
	a := Answer{Failed: noFailure}
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return a, err
		}
		line = strings.TrimRight(line, "\n")
		if line == "end" {
			return a, nil
		}
		if err := a.line(line); err != nil {
			return a, err
		}
	}
}

func (a *Answer) line(line string) error {
	w := strings.SplitN(line, " ", 4)
	var err error
	switch {
	case w[0] == "out" && len(w) == 4:
		o := Output{Topic: w[2], Text: w[3]}
		o.Step, err = strconv.Atoi(w[1])
		a.Out = append(a.Out, o)
	case w[0] == "store" && len(w) == 4:
		a.Rows = append(a.Rows, Row{w[1], w[2] + " " + w[3]})
	case w[0] == "kept" && len(w) == 2:
		a.Kept = append(a.Kept, w[1])
	case w[0] == "drops" && len(w) == 2:
		a.Drops, err = strconv.ParseInt(w[1], 10, 64)
	case w[0] == "error" && len(w) >= 3:
		a.Failed, err = strconv.Atoi(w[1])
		a.Reason = strings.Join(w[2:], " ")
	default:
		err = fmt.Errorf("no answer: %q", line)
	}
	return err
}
