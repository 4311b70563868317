package consume

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"leat.dev/internal/cli/command"
	"leat.dev/internal/cli/fault"
	"leat.dev/internal/cli/when"
)

// start says where reading begins in each partition.
type start struct {
	latest       bool
	last         int64           // the last N records; 0 for none
	at           int64           // an offset; -1 for none
	perPartition map[int32]int64 // offsets of chosen partitions; nil for none
	time         time.Time       // zero for none
}

func parseStart(offset, fromTime string, now time.Time) (start, error) {
	s := start{at: -1}
	if fromTime != "" {
		var err error
		s.time, err = when.Parse("--from-time", fromTime, now)
		return s, err
	}
	switch offset {
	case "earliest", "beginning", "start":
		return s, nil
	case "latest", "end":
		s.latest = true
		return s, nil
	}
	bad := fault.Usage("--offset %q is not a place to start", offset).
		WithHint("write earliest, latest, an offset such as 42, -10 for the last ten of each partition, or 0:42,1:17 for partitions")
	if strings.Contains(offset, ":") {
		s.perPartition = map[int32]int64{}
		for part := range strings.SplitSeq(offset, ",") {
			p, o, _ := strings.Cut(strings.TrimSpace(part), ":")
			partition, err1 := strconv.ParseInt(p, 10, 32)
			at, err2 := strconv.ParseInt(o, 10, 64)
			if err1 != nil || err2 != nil || partition < 0 || at < 0 {
				return s, bad
			}
			s.perPartition[int32(partition)] = at
		}
		return s, nil
	}
	n, err := strconv.ParseInt(offset, 10, 64)
	switch {
	case err != nil:
		return s, bad
	case n < 0 || offset == "-0":
		s.last = -n
	default:
		s.at = n
	}
	return s, nil
}

type topicPartition struct {
	topic     string
	partition int32
}

// span is what is to be read of one partition: the next offset, and the offset to stop before.
type span struct {
	next, end int64
	leader    int32
	topicID   [16]byte
}

// spans covers all partitions to be read.
type spans map[topicPartition]*span

// open counts partitions that have not been read to their end.
func (s spans) open() int {
	n := 0
	for _, sp := range s {
		if sp.next < sp.end {
			n++
		}
	}
	return n
}

// remaining is the number of offsets to come.
func (s spans) remaining() int64 {
	var n int64
	for _, sp := range s {
		n += max(0, sp.end-sp.next)
	}
	return n
}

// plan finds out where each partition is to be read from and to.
func plan(ctx context.Context, env *command.Env, client *command.Client, o options, args []string, wanted []int32, from start) (spans, error) {
	names, details, err := findTopics(ctx, client, o.regex, args)
	if err != nil {
		return nil, err
	}
	ctx, cancel := env.Deadline(ctx)
	defer cancel()
	l := lister{ctx: ctx, client: client, names: names}
	starts := l.list(client.Admin.ListStartOffsets)
	ends := l.list(client.Admin.ListEndOffsets)
	if o.isolation == "read-committed" {
		ends = l.list(client.Admin.ListCommittedOffsets)
	}
	fromTimes, toTimes := ends, ends
	if !from.time.IsZero() {
		fromTimes = l.after(from.time)
	}
	if o.toTime != "" {
		at, err := when.Parse("--to-time", o.toTime, time.Now())
		if err != nil {
			return nil, err
		}
		toTimes = l.after(at)
	}
	if l.err != nil {
		return nil, l.err
	}
	out := spans{}
	for _, name := range names {
		chosen := wanted
		if len(chosen) == 0 && from.perPartition != nil {
			for p := range from.perPartition {
				chosen = append(chosen, p)
			}
			slices.Sort(chosen)
		}
		partitions, err := command.Partitions(details[name], chosen)
		if err != nil {
			return nil, err
		}
		for _, p := range partitions {
			s, e := l.get(starts, name, p), l.get(ends, name, p)
			sp := &span{next: s, end: min(e, l.get(toTimes, name, p)), leader: details[name].Partitions[p].Leader, topicID: details[name].ID}
			sp.next = from.in(s, e, l.get(fromTimes, name, p), p)
			if o.toOffset >= 0 {
				sp.end = min(sp.end, o.toOffset)
			}
			if sp.next > e {
				env.Notef("partition %d of topic %q ends at offset %d: nothing to read from %d on", p, name, e, sp.next)
			}
			if sp.next < s {
				env.Notef("partition %d of topic %q starts at offset %d: reading from there", p, name, s)
				sp.next = s
			}
			out[topicPartition{name, p}] = sp
		}
	}
	return out, l.err
}

// in gives the offset where reading starts in a partition that holds the offsets from s up to e.
func (from start) in(s, e, byTime int64, partition int32) int64 {
	switch {
	case from.latest:
		return e
	case from.last > 0:
		return max(s, e-from.last)
	case from.perPartition != nil:
		if at, ok := from.perPartition[partition]; ok {
			return at
		}
		return s
	case from.at >= 0:
		return from.at
	case !from.time.IsZero():
		return byTime
	}
	return s
}

func findTopics(ctx context.Context, client *command.Client, regex bool, args []string) ([]string, kadm.TopicDetails, error) {
	if !regex {
		details, err := client.Topics(ctx, args...)
		slices.Sort(args)
		return slices.Compact(args), details, err
	}
	details, err := client.Topics(ctx)
	if err != nil {
		return nil, nil, err
	}
	var names []string
	for _, pattern := range args {
		re, err := regexp.Compile("^(?:" + pattern + ")$")
		if err != nil {
			return nil, nil, fault.Usage("%q is not a regular expression", pattern).WithDetail("%v", err)
		}
		for name, d := range details {
			if !d.IsInternal && re.MatchString(name) {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	if len(names) == 0 {
		return nil, nil, fault.Failed("no topic matches").WithHint(`"leat topic list" shows the topics`)
	}
	return names, details, nil
}

// lister asks for offsets and keeps the first error.
type lister struct {
	ctx    context.Context // one plan's; a lister does not outlive it
	client *command.Client
	names  []string
	err    error
}

func (l *lister) list(ask func(context.Context, ...string) (kadm.ListedOffsets, error)) kadm.ListedOffsets {
	if l.err != nil {
		return nil
	}
	got, err := ask(l.ctx, l.names...)
	if err != nil {
		l.err = l.client.Explain("read the topic's offsets", err)
	}
	return got
}

func (l *lister) after(t time.Time) kadm.ListedOffsets {
	return l.list(func(ctx context.Context, names ...string) (kadm.ListedOffsets, error) {
		return l.client.Admin.ListOffsetsAfterMilli(ctx, t.UnixMilli(), names...)
	})
}

func (l *lister) get(from kadm.ListedOffsets, topic string, partition int32) int64 {
	o, ok := from.Lookup(topic, partition)
	if l.err == nil && (!ok || o.Err != nil) {
		err := o.Err
		if err == nil {
			err = fmt.Errorf("the answer left it out")
		}
		l.err = l.client.Explain(fmt.Sprintf("read the offsets of partition %d of topic %q", partition, topic), err)
	}
	return o.Offset
}
