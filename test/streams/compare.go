package oracle

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// settle brings an answer into the form that is compared: records of a step by topic, because the order in which several
// were written is not known of Java; rows by store; keys and numbers of output topics as people read them.
func (a *Answer) settle() {
	if a.Failed != noFailure {
		a.Out = slices.DeleteFunc(a.Out, func(o Output) bool { return o.Step >= a.Failed })
		a.Kept, a.Rows, a.Drops = nil, nil, 0
	}
	for i := range a.Out {
		a.Out[i].Text = readable(a.Out[i].Topic, a.Out[i].Text)
	}
	slices.SortStableFunc(a.Out, func(x, y Output) int {
		if x.Step != y.Step {
			return x.Step - y.Step
		}
		if x.Topic == y.Topic && strings.HasSuffix(x.Topic, "-sup-store-changelog") {
			return strings.Compare(x.Text, y.Text) // Kafka writes what changed in a buffer in the order of a hash table
		}
		return strings.Compare(x.Topic, y.Topic)
	})
	slices.SortFunc(a.Rows, func(x, y Row) int {
		return strings.Compare(x.Store+" "+x.Text, y.Store+" "+y.Text)
	})
}

// readable writes the keys and values of the catalogue's output topics: out-w and out-wn hold windows, out-s and out-sn
// sessions, out-n, out-wn and out-sn numbers.
func readable(topic, text string) string {
	kind, ok := strings.CutPrefix(topic, "out-")
	if !ok {
		return text
	}
	w := strings.Split(text, " ")
	key, err := decode(w[0])
	if err != nil {
		return text
	}
	number := func(b []byte) string { return strconv.FormatInt(int64(binary.BigEndian.Uint64(b)), 10) }
	switch n := len(key); {
	case kind[0] == 'w' && n >= 8:
		w[0] = encode(key[:n-8]) + "@" + number(key[n-8:])
	case kind[0] == 's' && n >= 16:
		w[0] = encode(key[:n-16]) + "@" + number(key[n-8:]) + "/" + number(key[n-16:n-8])
	}
	if value, err := decode(w[1]); kind == "n" || kind == "wn" || kind == "sn" {
		if err == nil && len(value) == 8 {
			w[1] = number(value)
		}
	}
	return strings.Join(w, " ")
}

// blocks are the answer's lines by step: index 0 is the building, the last holds stores, drops and failure.
func (a Answer) blocks(steps int) [][]string {
	all := make([][]string, steps+2)
	for _, o := range a.Out {
		if i := o.Step + 1; i <= steps {
			all[i] = append(all[i], o.Topic+" "+o.Text)
		}
	}
	last := &all[steps+1]
	for _, name := range a.Kept {
		*last = append(*last, "kept "+name)
	}
	for _, r := range a.Rows {
		*last = append(*last, "store "+r.Store+" "+r.Text)
	}
	if a.Failed != noFailure {
		*last = append(*last, fmt.Sprintf("failed %d", a.Failed))
	} else {
		*last = append(*last, fmt.Sprintf("drops %d", a.Drops))
	}
	return all
}

// Transcript is a case with its answer, as recordings hold it: what became of a step is indented below it.
func Transcript(c Case, a Answer) string {
	var s strings.Builder
	s.WriteString(c.head() + "\n")
	for i, block := range a.blocks(len(c.Steps)) {
		if i > 0 && i <= len(c.Steps) {
			s.WriteString(c.Steps[i-1].String() + "\n")
		}
		for _, line := range block {
			s.WriteString("  " + line + "\n")
		}
	}
	return s.String()
}

// readableBoth leaves only stores whose rows both sides can list.
func readableBoth(x, y *Answer) {
	if x.Failed != noFailure || y.Failed != noFailure {
		return
	}
	both := slices.DeleteFunc(slices.Clone(x.Kept), func(s string) bool { return !slices.Contains(y.Kept, s) })
	for _, a := range []*Answer{x, y} {
		a.Kept = both
		a.Rows = slices.DeleteFunc(slices.Clone(a.Rows), func(r Row) bool { return !slices.Contains(both, r.Store) })
	}
}

// Difference shows where two answers part, empty where they do not, or in a known way only: lines only Java gave begin with -, ours with +.
func Difference(c Case, java, ours Answer) string {
	readableBoth(&java, &ours)
	if Same(c, java, ours) {
		return ""
	}
	x, y := java.blocks(len(c.Steps)), ours.blocks(len(c.Steps))
	var s strings.Builder
	s.WriteString(c.head() + "\n")
	for i := range x {
		if i > 0 && i <= len(c.Steps) {
			s.WriteString(c.Steps[i-1].String() + "\n")
		}
		for _, line := range lineDiff(x[i], y[i]) {
			s.WriteString(line + "\n")
		}
	}
	for who, a := range map[string]Answer{"Java": java, "ours": ours} {
		if a.Failed != noFailure {
			s.WriteString(who + ": " + a.Reason + "\n")
		}
	}
	return s.String()
}

// lineDiff is the usual longest common subsequence.
func lineDiff(x, y []string) []string {
	n, m := len(x), len(y)
	best := make([][]int, n+1)
	for i := range best {
		best[i] = make([]int, m+1)
	}
	for i := n - 1; i >= 0; i-- {
		for j := m - 1; j >= 0; j-- {
			if x[i] == y[j] {
				best[i][j] = best[i+1][j+1] + 1
			} else {
				best[i][j] = max(best[i+1][j], best[i][j+1])
			}
		}
	}
	var out []string
	i, j := 0, 0
	for i < n || j < m {
		switch {
		case i < n && j < m && x[i] == y[j]:
			out = append(out, "    "+x[i])
			i, j = i+1, j+1
		case j == m || i < n && best[i+1][j] >= best[i][j+1]:
			out = append(out, "  - "+x[i])
			i++
		default:
			out = append(out, "  + "+y[j])
			j++
		}
	}
	return out
}

// Recorded is a case and the lines of its answer.
type Recorded struct {
	Case   Case
	Answer Answer
}

// ParseTranscripts reads what Transcript wrote, any number one after the other.
func ParseTranscripts(text string) ([]Recorded, error) {
	var all []Recorded
	for n, line := range strings.Split(text, "\n") {
		if line == "" || line[0] == '#' {
			continue
		}
		if head, ok := strings.CutPrefix(line, "case "); ok {
			w := strings.Fields(head)
			all = append(all, Recorded{Case{Program: w[0], Options: w[1:]}, Answer{Failed: noFailure}})
			continue
		}
		if len(all) == 0 {
			return nil, fmt.Errorf("line %d stands before the first case", n+1)
		}
		r := &all[len(all)-1]
		if !strings.HasPrefix(line, "  ") {
			s, err := parseStep(line)
			if err != nil {
				return nil, fmt.Errorf("line %d: %w", n+1, err)
			}
			r.Case.Steps = append(r.Case.Steps, s)
			continue
		}
		if err := r.answerLine(line[2:]); err != nil {
			return nil, fmt.Errorf("line %d: %w", n+1, err)
		}
	}
	return all, nil
}

func (r *Recorded) answerLine(line string) (err error) {
	first, rest, _ := strings.Cut(line, " ")
	switch first {
	case "store":
		store, text, _ := strings.Cut(rest, " ")
		r.Answer.Rows = append(r.Answer.Rows, Row{store, text})
	case "kept":
		r.Answer.Kept = append(r.Answer.Kept, rest)
	case "drops":
		r.Answer.Drops, err = strconv.ParseInt(rest, 10, 64)
	case "failed":
		r.Answer.Failed, err = strconv.Atoi(rest)
	default:
		r.Answer.Out = append(r.Answer.Out, Output{len(r.Case.Steps) - 1, first, rest})
	}
	return err
}
