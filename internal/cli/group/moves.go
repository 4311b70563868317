package group

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"leat.dev/internal/cli/command"
	"leat.dev/internal/cli/fault"
)

// resetter computes where each partition's offset moves to.
type resetter struct {
	client    *command.Client
	o         resetOptions
	at        time.Time // zero if no time was asked for
	group     string
	committed kadm.OffsetResponses
}

// moves returns the changes of all partitions in scope, in order.
func (r *resetter) moves(ctx context.Context, env *command.Env, chosen map[string][]int32) ([]move, error) {
	wanted := map[topicPart]int64{} // from a file
	if r.o.imported != "" {
		var err error
		if wanted, err = readOffsets(env, r.o.imported); err != nil {
			return nil, err
		}
	}
	scope, err := r.scope(ctx, chosen, wanted)
	if err != nil {
		return nil, err
	}
	if len(scope) == 0 {
		return nil, fault.Failed("group %q has no committed offsets to move", r.group).WithHint("name the topics with --topic")
	}
	topics := map[string]bool{}
	for tp := range scope {
		topics[tp.topic] = true
	}
	names := slices.Sorted(maps.Keys(topics))
	starts, err := r.client.Admin.ListStartOffsets(ctx, names...)
	if err != nil {
		return nil, r.client.Explain("read the topics' offsets", err)
	}
	ends, err := r.client.Admin.ListEndOffsets(ctx, names...)
	if err != nil {
		return nil, r.client.Explain("read the topics' offsets", err)
	}
	var byTime kadm.ListedOffsets
	if !r.at.IsZero() {
		if byTime, err = r.client.Admin.ListOffsetsAfterMilli(ctx, r.at.UnixMilli(), names...); err != nil {
			return nil, r.client.Explain("look up the time in the topics", err)
		}
	}
	var moves []move
	for tp := range scope {
		start, ok1 := starts.Lookup(tp.topic, tp.partition)
		end, ok2 := ends.Lookup(tp.topic, tp.partition)
		if err := cmp.Or(start.Err, end.Err); err != nil || !ok1 || !ok2 {
			if err == nil {
				err = fmt.Errorf("the cluster does not know it")
			}
			return nil, r.client.Explain(fmt.Sprintf("read the offsets of partition %d of topic %q", tp.partition, tp.topic), err)
		}
		m := move{Topic: tp.topic, Partition: tp.partition}
		if c, ok := r.committed.Lookup(tp.topic, tp.partition); ok && c.Err == nil && c.At >= 0 {
			m.From = &c.At
		}
		m.To = r.target(tp, m.From, start.Offset, end.Offset, byTime, wanted)
		if clamped := min(max(m.To, start.Offset), end.Offset); clamped != m.To {
			m.note = fmt.Sprintf("offset %d is outside of what it holds, %d to %d", m.To, start.Offset, end.Offset)
			m.To = clamped
		}
		moves = append(moves, m)
	}
	sortMoves(moves)
	return moves, nil
}

func (r *resetter) target(tp topicPart, from *int64, start, end int64, byTime kadm.ListedOffsets, wanted map[topicPart]int64) int64 {
	current := start
	if from != nil {
		current = *from
	}
	switch {
	case r.o.imported != "":
		return wanted[tp]
	case r.o.shiftSet:
		return current + r.o.shift
	case byTime != nil:
		if o, ok := byTime.Lookup(tp.topic, tp.partition); ok && o.Err == nil && o.Offset >= 0 {
			return o.Offset
		}
		return end
	}
	switch r.o.to {
	case "earliest":
		return start
	case "latest":
		return end
	case "current":
		return current
	}
	n, _ := strconv.ParseInt(r.o.to, 10, 64) // checked before
	return n
}

// scope is the set of partitions to move: those of the file, of the chosen topics, or all with committed offsets.
func (r *resetter) scope(ctx context.Context, chosen map[string][]int32, wanted map[topicPart]int64) (map[topicPart]bool, error) {
	scope := map[topicPart]bool{}
	allowed := func(tp topicPart) bool {
		list, ok := chosen[tp.topic]
		return len(chosen) == 0 || ok && (len(list) == 0 || slices.Contains(list, tp.partition))
	}
	if r.o.imported != "" {
		for tp := range wanted {
			if allowed(tp) {
				scope[tp] = true
			}
		}
		return scope, nil
	}
	if len(chosen) == 0 {
		r.committed.Each(func(o kadm.OffsetResponse) { scope[topicPart{o.Topic, o.Partition}] = true })
		return scope, nil
	}
	details, err := r.client.Topics(ctx, slices.Sorted(maps.Keys(chosen))...)
	if err != nil {
		return nil, err
	}
	for topic, list := range chosen {
		partitions, err := command.Partitions(details[topic], list)
		if err != nil {
			return nil, err
		}
		for _, p := range partitions {
			scope[topicPart{topic, p}] = true
		}
	}
	return scope, nil
}

// readOffsets reads lines TOPIC,PARTITION,OFFSET; topic names hold no comma.
func readOffsets(env *command.Env, file string) (map[topicPart]int64, error) {
	var in io.Reader = env.In
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return nil, fault.Usage("cannot read %s", file).WithDetail("%v", err)
		}
		defer f.Close()
		in = f
	}
	out := map[topicPart]int64{}
	s := bufio.NewScanner(in)
	for n := 1; s.Scan(); n++ {
		line := strings.TrimSpace(s.Text())
		if line == "" {
			continue
		}
		fields := strings.Split(line, ",")
		bad := fault.Usage("%s, line %d: %q is not TOPIC,PARTITION,OFFSET", file, n, line)
		if len(fields) != 3 {
			return nil, bad
		}
		p, err1 := strconv.ParseInt(strings.TrimSpace(fields[1]), 10, 32)
		at, err2 := strconv.ParseInt(strings.TrimSpace(fields[2]), 10, 64)
		if err1 != nil || err2 != nil || p < 0 || at < 0 {
			return nil, bad
		}
		out[topicPart{strings.TrimSpace(fields[0]), int32(p)}] = at
	}
	if err := s.Err(); err != nil {
		return nil, fault.Failed("cannot read %s", file).WithDetail("%v", err)
	}
	return out, nil
}
