package streams

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/cli/command"
	"leat.dev/internal/cli/fault"
	"leat.dev/internal/cli/position"
	"leat.dev/internal/cli/screen"
)

// lagging is how far an application is behind.
type lagging struct {
	Application string     `json:"application"`
	State       string     `json:"state"`
	Lag         int64      `json:"lag"`
	Inputs      []inputLag `json:"inputs"`
	States      []stateLag `json:"states,omitempty"` // of standby and warm-up tasks, where the group tells
}

// inputLag is an input partition.
type inputLag struct {
	Task      string `json:"task,omitempty"` // where it follows from who reads what
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Committed *int64 `json:"committed"`
	End       *int64 `json:"end"`
	Lag       *int64 `json:"lag"`
	LagMillis *int64 `json:"lag_ms"` // from the next record's time to that of the newest
	Member    string `json:"member,omitempty"`
	Failure   string `json:"failure,omitempty"`
}

// stateLag is the state of a task at a member.
type stateLag struct {
	Member string `json:"member"`
	Task   string `json:"task"`
	Role   string `json:"role"`
	Offset int64  `json:"offset_sum"`
	End    int64  `json:"end_sum"`
	Lag    int64  `json:"lag"`
}

func newLag(env *command.Env) *cobra.Command {
	var watch bool
	var every time.Duration
	cmd := &cobra.Command{
		Use:   "lag APPLICATION",
		Short: "Show how far an application is behind",
		Long: "Show for each input partition what the application has committed, where the partition ends, and the lag between\n" +
			"them: in records, and in time from the next record to the newest one by their timestamps. Input topics are\n" +
			"those of which it has committed offsets or which its members read, repartition topics too. In a streams\n" +
			"group (KIP-1071) the lag of the states that standby and warm-up tasks keep is shown as well.",
		Example:           "  leat streams lag orders\n  leat streams lag orders --watch --every 5s",
		Args:              command.Args(1, 1, "the id of an application"),
		ValidArgsFunction: env.CompleteGroups(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if every < 100*time.Millisecond {
				return fault.Usage("--every %s is too short", every).WithHint("give 100ms or more")
			}
			if !watch {
				return lagOnce(cmd.Context(), env, args[0])
			}
			return watchLag(cmd.Context(), env, args[0], every)
		},
	}
	cmd.Flags().BoolVar(&watch, "watch", false, "show it again and again until interrupted")
	cmd.Flags().DurationVar(&every, "every", 2*time.Second, "how often, with --watch")
	command.CompleteFlagWith(cmd, "every", command.NoCompletion)
	return cmd
}

func lagOnce(ctx context.Context, env *command.Env, name string) error {
	c, ctx, err := env.Reach(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	l, err := measure(ctx, env, c, name)
	if err != nil {
		return err
	}
	return env.Emit(l, func() error { return l.write(env) })
}

func watchLag(ctx context.Context, env *command.Env, name string, every time.Duration) error {
	c, err := env.Connect(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		round, cancel := env.Deadline(ctx)
		l, err := measure(round, env, c, name)
		cancel()
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return err
		}
		err = env.Emit(l, func() error {
			if env.OutTerminal {
				if err := env.Printf("\x1b[H\x1b[2J"); err != nil { // home, clear
					return err
				}
			}
			return l.write(env)
		})
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// measure finds out everything.
func measure(ctx context.Context, env *command.Env, c *command.Client, name string) (*lagging, error) {
	a, err := find(ctx, c, name)
	if err != nil {
		return nil, err
	}
	committed, err := c.Admin.FetchOffsets(ctx, name)
	if err != nil {
		return nil, c.Explain("read the offsets of application \""+name+"\"", err)
	}
	topics, owners := map[string]bool{}, map[position.Partition]*appMember{}
	parts := map[position.Partition]bool{}
	committed.Each(func(o kadm.OffsetResponse) {
		if o.Err == nil && o.At >= 0 {
			topics[o.Topic], parts[position.Partition{Topic: o.Topic, Partition: o.Partition}] = true, true
		}
	})
	for i := range a.Members {
		for topic, list := range a.Members[i].Partitions {
			topics[topic] = true
			for _, p := range list {
				owners[position.Partition{Topic: topic, Partition: p}] = &a.Members[i]
			}
		}
	}
	l := &lagging{Application: name, State: a.State, Inputs: []inputLag{}}
	if len(topics) == 0 {
		return l, l.states(ctx, c, a)
	}
	list := slices.Sorted(maps.Keys(topics))
	ends, err := c.Admin.ListEndOffsets(ctx, list...)
	if err != nil && len(ends) == 0 {
		return nil, c.Explain("read the topics' offsets", err)
	}
	starts, err := c.Admin.ListStartOffsets(ctx, list...)
	if err != nil && len(starts) == 0 {
		return nil, c.Explain("read the topics' offsets", err)
	}
	ends.Each(func(o kadm.ListedOffset) {
		if o.Err == nil {
			parts[position.Partition{Topic: o.Topic, Partition: o.Partition}] = true
		}
	})
	tasks := a.tasksByTopic()
	at := map[position.Partition]int64{} // where lagging partitions go on
	for tp := range parts {
		in := inputLag{Topic: tp.Topic, Partition: tp.Partition}
		if sub, ok := tasks[tp.Topic]; ok {
			in.Task = task(sub, int(tp.Partition))
		}
		if m := owners[tp]; m != nil {
			in.Member = cmp.Or(m.Instance, m.Member)
		}
		if o, ok := committed.Lookup(tp.Topic, tp.Partition); ok && o.Err == nil && o.At >= 0 {
			in.Committed = &o.At
		}
		start, ok1 := starts.Lookup(tp.Topic, tp.Partition)
		end, ok2 := ends.Lookup(tp.Topic, tp.Partition)
		switch {
		case !ok1 || !ok2:
			in.Failure = "the topic or partition does not exist any more"
		case start.Err != nil || end.Err != nil:
			in.Failure = cmp.Or(start.Err, end.Err).Error()
		default:
			from := start.Offset
			if in.Committed != nil {
				from = max(from, *in.Committed)
			}
			in.End, in.Lag = &end.Offset, new(max(0, end.Offset-from))
			l.Lag += *in.Lag
			if *in.Lag > 0 {
				at[tp] = from
			}
		}
		l.Inputs = append(l.Inputs, in)
	}
	slices.SortFunc(l.Inputs, func(x, y inputLag) int {
		return cmp.Or(strings.Compare(x.Topic, y.Topic), cmp.Compare(x.Partition, y.Partition))
	})
	l.times(ctx, env, c, at)
	return l, l.states(ctx, c, a)
}

// timesWait bounds how long the times of next records are waited for: partitions that hold nothing but markers of
// transactions behind the committed offset have none.
const timesWait = 3 * time.Second

// times fills in the lag in time: it reads one record of each lagging partition, and asks for the greatest timestamps.
func (l *lagging) times(ctx context.Context, env *command.Env, c *command.Client, at map[position.Partition]int64) {
	if len(at) == 0 {
		return
	}
	from, topics := map[string]map[int32]kgo.Offset{}, map[string]bool{}
	for tp, offset := range at {
		if from[tp.Topic] == nil {
			from[tp.Topic] = map[int32]kgo.Offset{}
		}
		from[tp.Topic][tp.Partition] = kgo.NewOffset().At(offset)
		topics[tp.Topic] = true
	}
	newest, err := c.Admin.ListMaxTimestampOffsets(ctx, slices.Sorted(maps.Keys(topics))...)
	if err != nil && len(newest) == 0 {
		return // an older cluster does not know them
	}
	reader, err := env.Open(kgo.ConsumePartitions(from), kgo.FetchMaxPartitionBytes(64<<10), kgo.FetchMaxWait(200*time.Millisecond))
	if err != nil {
		return // the same settings have worked above
	}
	defer reader.Close()
	ctx, cancel := context.WithTimeout(ctx, timesWait)
	defer cancel()
	first := map[position.Partition]int64{}
	for len(first) < len(at) && ctx.Err() == nil {
		fetches := reader.PollFetches(ctx)
		fetches.EachPartition(func(f kgo.FetchTopicPartition) {
			tp := position.Partition{Topic: f.Topic, Partition: f.Partition}
			if _, ok := first[tp]; !ok && len(f.Records) > 0 {
				first[tp] = f.Records[0].Timestamp.UnixMilli()
				reader.PauseFetchPartitions(map[string][]int32{tp.Topic: {tp.Partition}})
			}
		})
	}
	for i := range l.Inputs {
		in := &l.Inputs[i]
		next, ok := first[position.Partition{Topic: in.Topic, Partition: in.Partition}]
		most, found := newest.Lookup(in.Topic, in.Partition)
		if ok && found && most.Err == nil && most.Timestamp >= 0 {
			in.LagMillis = new(max(0, most.Timestamp-next))
		}
	}
}

// tasksByTopic are the sub-topologies that read topics: as the group tells it, or where it follows from who reads what and has
// which tasks.
func (a *application) tasksByTopic() map[string]int {
	if a.sources != nil {
		return a.sources
	}
	possible := map[string]map[int]bool{}
	for _, m := range a.Members {
		subs := map[string]map[int]bool{} // by partition
		for _, id := range m.Active {
			sub, partition, _ := strings.Cut(id, "_")
			n, err := strconv.Atoi(sub)
			if err != nil {
				continue // of a named topology
			}
			if subs[partition] == nil {
				subs[partition] = map[int]bool{}
			}
			subs[partition][n] = true
		}
		for topic, list := range m.Partitions {
			for _, p := range list {
				here := subs[strconv.Itoa(int(p))]
				if possible[topic] == nil {
					possible[topic] = maps.Clone(here)
					continue
				}
				maps.DeleteFunc(possible[topic], func(sub int, _ bool) bool { return !here[sub] })
			}
		}
	}
	out := map[string]int{}
	for topic, subs := range possible {
		if len(subs) == 1 {
			for sub := range subs {
				out[topic] = sub
			}
		}
	}
	return out
}

// states tells how far states are behind their changelogs, which members of streams groups report.
func (l *lagging) states(ctx context.Context, c *command.Client, a *application) error {
	if a.Kind != kindGroup {
		return nil
	}
	req := kmsg.NewPtrStreamsGroupDescribeRequest()
	req.Groups = []string{a.Application}
	resp, err := req.RequestWith(ctx, c.Broker(int(a.Coordinator)))
	if err != nil {
		return c.Explain("describe application \""+a.Application+"\"", err)
	}
	for i := range resp.Groups {
		for j := range resp.Groups[i].Members {
			m := &resp.Groups[i].Members[j]
			ends := map[string]int64{}
			for _, e := range m.TaskEndOffsets {
				ends[e.SubtopologyID+"_"+strconv.Itoa(int(e.Partition))] = e.Offset
			}
			roles := map[string]string{}
			for role, list := range map[string][]kmsg.TaskIDs{"standby": m.Assignment.StandbyTasks, "warmup": m.Assignment.WarmupTasks} {
				for _, id := range taskIDs(list) {
					roles[id] = role
				}
			}
			for _, o := range m.TaskOffsets {
				id := o.SubtopologyID + "_" + strconv.Itoa(int(o.Partition))
				if end, ok := ends[id]; ok {
					l.States = append(l.States, stateLag{Member: m.MemberID, Task: id, Role: cmp.Or(roles[id], "on disk"), Offset: o.Offset, End: end, Lag: max(0, end-o.Offset)})
				}
			}
		}
	}
	return nil
}

func (l *lagging) write(env *command.Env) error {
	if err := env.Printf("%s: %s, lag %s\n\n", l.Application, strings.ToLower(l.State), screen.Count(l.Lag)); err != nil {
		return err
	}
	t := screen.NewTable("TASK", "TOPIC", "PARTITION>", "COMMITTED>", "END>", "LAG>", "TIME>", "MEMBER")
	for _, in := range l.Inputs {
		behind := ""
		if in.LagMillis != nil && *in.LagMillis == 0 {
			behind = "0 ms"
		} else if in.LagMillis != nil {
			behind = screen.Duration(time.Duration(*in.LagMillis) * time.Millisecond)
		}
		t.Row(in.Task, in.Topic, in.Partition, screen.Optional(in.Committed, screen.Count[int64]), screen.Optional(in.End, screen.Count[int64]),
			screen.Optional(in.Lag, screen.Count[int64]), behind, cmp.Or(in.Failure, in.Member))
	}
	if err := t.Write(env.Screen); err != nil {
		return err
	}
	if len(l.States) == 0 {
		return nil
	}
	t = screen.NewTable("STATE OF", "ROLE", "OFFSETS>", "ENDS>", "LAG>", "MEMBER")
	for _, s := range l.States {
		t.Row(s.Task, s.Role, screen.Count(s.Offset), screen.Count(s.End), screen.Count(s.Lag), s.Member)
	}
	return section(env, t)
}
