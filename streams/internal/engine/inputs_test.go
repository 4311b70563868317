package engine

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// inputScript answers the commands of testdata/inputs:
//
//	group IDLE a b ...           a group of inputs, with max.task.idle.ms
//	add a OFFSET:TIME...         records; TIME ! is an error, ? is dropped by the timestamp extractor
//	known a true|false           what the broker has
//	ready NOW, next NOW, drain NOW
//	positions [all], commit, restore a TIME, state
func inputScript(t *testing.T) func([]string) string {
	var s *Inputs
	var names []string
	at := func(name string) TopicPartition { return TopicPartition{name, 0} }
	next := func(now string) string {
		_, in, ts, ok, err := s.Next(number(t, now))
		switch {
		case err != nil:
			return "error: " + err.Error()
		case !ok:
			return "none"
		}
		return fmt.Sprintf("%s:%d@%d", in.Topic, in.Offset, ts)
	}
	return func(w []string) string {
		switch w[0] {
		case "group":
			names = w[2:]
			var tps []TopicPartition
			for _, name := range names {
				tps = append(tps, at(name))
			}
			s = NewInputs(tps, number(t, w[1]), scriptLoad)
		case "add":
			var records []In
			for _, r := range w[2:] {
				offset, ts, _ := strings.Cut(r, ":")
				records = append(records, In{Topic: w[1], Offset: number(t, offset), Value: []byte(ts), LeaderEpoch: 7})
			}
			if err := s.Add(at(w[1]), records); err != nil {
				return "error: " + err.Error()
			}
		case "known":
			s.Known(at(w[1]), w[2] == "true")
		case "ready":
			return strconv.FormatBool(s.Ready(number(t, w[1])))
		case "next":
			return next(w[1])
		case "drain":
			var all []string
			for {
				got := next(w[1])
				all = append(all, got)
				if got == "none" || strings.HasPrefix(got, "error") {
					return strings.Join(all, " ")
				}
			}
		case "positions":
			p := s.Positions(len(w) > 1, func(ms int64) string { return fmt.Sprintf("t%d", ms) })
			var all []string
			for _, tp := range slices.SortedFunc(maps.Keys(p), func(a, b TopicPartition) int { return strings.Compare(a.Topic, b.Topic) }) {
				all = append(all, fmt.Sprintf("%s:%d/%d/%s", tp.Topic, p[tp].Offset, p[tp].LeaderEpoch, p[tp].Metadata))
			}
			return "[" + strings.Join(all, " ") + "]"
		case "commit":
			s.Commit()
		case "restore":
			s.RestoreTime(at(w[1]), number(t, w[2]))
		case "state":
			all := []string{fmt.Sprintf("time %d", s.StreamTime())}
			for i, name := range names {
				n, bytes := s.Buffered(at(name))
				all = append(all, fmt.Sprintf("%s: %d records %d bytes time %d", name, n, bytes, s.PartitionTime(i)))
			}
			return strings.Join(all, ", ")
		default:
			t.Fatalf("unknown command %q", w)
		}
		return ""
	}
}

func scriptLoad(_ int, in *In, partitionTime int64) (int64, bool, error) {
	switch text := string(in.Value); text {
	case "!":
		return 0, false, errors.New("broken")
	case "?":
		return 0, false, nil
	case "p": // the extractor takes the partition time
		return partitionTime, true, nil
	default:
		ts, err := strconv.ParseInt(text, 10, 64)
		return ts, true, err
	}
}

func number(t *testing.T, s string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestInputs(t *testing.T) { runScripts(t, "inputs", inputScript) }

func TestInputsRefuseStrangers(t *testing.T) {
	s := NewInputs([]TopicPartition{{"a", 0}}, 0, scriptLoad)
	if err := s.Add(TopicPartition{"a", 1}, []In{{}}); !errors.Is(err, ErrInput) {
		t.Fatal(err)
	}
}

// TestInputsModel holds the group against a model that sorts: with everything buffered, records of one input keep their
// order, every record is seen once or dropped, and each taken record is the smallest head.
func TestInputsModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 4).Draw(t, "inputs")
		var tps []TopicPartition
		for i := range n {
			tps = append(tps, TopicPartition{"t", int32(i)})
		}
		queues := make([][]In, n)
		offsets := make([]int64, n)
		s := NewInputs(tps, -1, scriptLoad)
		stream := Unknown
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			if rapid.Bool().Draw(t, "add") {
				i := rapid.IntRange(0, n-1).Draw(t, "input")
				var batch []In
				for range rapid.IntRange(1, 40).Draw(t, "records") {
					value := "?"
					if ts := rapid.IntRange(-3, 20).Draw(t, "time"); ts >= 0 {
						value = strconv.Itoa(ts)
					}
					batch = append(batch, In{Partition: int32(i), Offset: offsets[i], Value: []byte(value)})
					offsets[i] += rapid.Int64Range(1, 3).Draw(t, "gap")
				}
				queues[i] = append(queues[i], batch...)
				if err := s.Add(tps[i], batch); err != nil {
					t.Fatal(err)
				}
				continue
			}
			best, bestTime := -1, int64(0)
			for i := range queues {
				for len(queues[i]) > 0 && string(queues[i][0].Value) == "?" {
					queues[i] = queues[i][1:]
				}
				if len(queues[i]) == 0 {
					continue
				}
				if ts, _ := strconv.ParseInt(string(queues[i][0].Value), 10, 64); best < 0 || ts < bestTime {
					best, bestTime = i, ts
				}
			}
			i, in, ts, ok, err := s.Next(0)
			if err != nil || ok != (best >= 0) {
				t.Fatalf("ok %v, want %v: %v", ok, best >= 0, err)
			}
			if ok {
				stream = max(stream, bestTime)
				if i != best || ts != bestTime || in.Offset != queues[best][0].Offset || s.StreamTime() != stream {
					t.Fatalf("took %d of input %d at %d, want %d of %d at %d", in.Offset, i, ts, queues[best][0].Offset, best, bestTime)
				}
				queues[best] = queues[best][1:]
			}
			for i := range queues {
				if got, _ := s.Buffered(tps[i]); got < len(queues[i]) {
					t.Fatalf("input %d holds %d, want %d", i, got, len(queues[i]))
				}
				if p, ok := s.Positions(true, nil)[tps[i]]; ok && len(queues[i]) > 0 && p.Offset > queues[i][0].Offset {
					t.Fatalf("input %d would commit %d with %d unprocessed", i, p.Offset, queues[i][0].Offset)
				}
			}
		}
	})
}

func BenchmarkInputs(b *testing.B) {
	tp := TopicPartition{"t", 0}
	s := NewInputs([]TopicPartition{tp}, 0, func(_ int, in *In, _ int64) (int64, bool, error) { return in.Time, true, nil })
	batch := make([]In, 500)
	for i := range batch {
		batch[i] = In{Offset: int64(i), Time: int64(i), Value: make([]byte, 100)}
	}
	b.ReportAllocs()
	for i := 0; i < b.N; i += len(batch) {
		_ = s.Add(tp, batch)
		for {
			if _, _, _, ok, _ := s.Next(0); !ok {
				break
			}
		}
	}
}
