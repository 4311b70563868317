package group

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"

	"leat.dev/internal/cli/command"
	"leat.dev/internal/cli/position"
	"leat.dev/internal/cli/screen"
)

type view struct {
	Group       string        `json:"group"`
	Type        string        `json:"type"`
	State       string        `json:"state"`
	Assignor    string        `json:"assignor,omitempty"`
	Epoch       *int32        `json:"epoch,omitempty"`
	Assignment  *int32        `json:"assignment_epoch,omitempty"`
	Coordinator int32         `json:"coordinator"`
	Lag         int64         `json:"lag"`
	Members     []member      `json:"members"`
	Offsets     []offsetRow   `json:"offsets"`
	Topology    []subtopology `json:"topology,omitempty"` // of a streams group
}

type offsetRow struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Committed *int64 `json:"committed"`
	Start     *int64 `json:"start"`
	End       *int64 `json:"end"`
	Lag       *int64 `json:"lag"`
	Member    string `json:"member,omitempty"`
	ClientID  string `json:"client_id,omitempty"`
	Host      string `json:"host,omitempty"`
	Failure   string `json:"failure,omitempty"`
}

func newDescribe(env *command.Env) *cobra.Command {
	var members bool
	cmd := &cobra.Command{
		Use:   "describe NAME...",
		Short: "Show a group's members, committed offsets and lag",
		Long: "Show a group's committed offsets, the ends of the partitions, the lag between them, and who reads what.\n" +
			"A partition without a committed offset counts from its start. A share group shows where its unread records\n" +
			"start, and how many from there on it has not delivered for good. A streams group shows the parts of its\n" +
			"application as well, and its members their tasks.",
		Example:           "  leat group describe report\n  leat group describe report --members",
		Args:              command.Args(1, -1, "the name of a group"),
		ValidArgsFunction: env.CompleteGroups(-1),
		RunE:              func(cmd *cobra.Command, args []string) error { return show(cmd.Context(), env, args, members) },
	}
	cmd.Flags().BoolVar(&members, "members", false, "show members instead of offsets")
	return cmd
}

func show(ctx context.Context, env *command.Env, names []string, members bool) error {
	client, ctx, err := env.Reach(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	views := []view{}
	for _, name := range names {
		v, err := look(ctx, client, name)
		if err != nil {
			return err
		}
		views = append(views, *v)
	}
	return env.Emit(views, func() error {
		for i, v := range views {
			if i > 0 {
				if err := env.Printf("\n"); err != nil {
					return err
				}
			}
			if err := write(env, v, members); err != nil {
				return err
			}
		}
		return nil
	})
}

// look gathers everything that is known of a group.
func look(ctx context.Context, client *command.Client, name string) (*view, error) {
	d, err := describe(ctx, client, name)
	if err != nil {
		return nil, err
	}
	offsets, lags, err := d.offsets(ctx, client)
	if err != nil {
		return nil, err
	}
	topics := map[string]bool{}
	maps.Copy(topics, d.subscribed)
	parts := map[position.Partition]bool{}
	offsets.Each(func(o kadm.OffsetResponse) {
		topics[o.Topic], parts[position.Partition{Topic: o.Topic, Partition: o.Partition}] = true, true
	})
	for _, m := range d.members {
		for tp := range m.owns {
			topics[tp.Topic] = true
			if d.kind != kindStreams { // whose tasks may have more numbers than a topic has partitions
				parts[tp] = true
			}
		}
	}
	v := &view{Group: name, Type: d.kind, State: d.state, Assignor: d.protocol, Epoch: d.epoch, Assignment: d.assignmentEpoch, Coordinator: d.coordinator, Members: d.members, Offsets: []offsetRow{}, Topology: d.topology}
	if v.Members == nil {
		v.Members = []member{}
	}
	if len(topics) == 0 {
		return v, nil
	}
	list := slices.Sorted(maps.Keys(topics))
	// Topics may have been deleted since: their partitions carry an error, the others their offsets.
	starts, err := client.Admin.ListStartOffsets(ctx, list...)
	if err != nil && len(starts) == 0 {
		return nil, client.Explain("read the topics' offsets", err)
	}
	ends, err := client.Admin.ListEndOffsets(ctx, list...)
	if err != nil && len(ends) == 0 {
		return nil, client.Explain("read the topics' offsets", err)
	}
	for topic := range d.subscribed {
		for p, o := range ends[topic] {
			if o.Err == nil {
				parts[position.Partition{Topic: topic, Partition: p}] = true
			}
		}
	}
	for tp := range parts {
		row := offsetRow{Topic: tp.Topic, Partition: tp.Partition}
		if o, ok := offsets.Lookup(tp.Topic, tp.Partition); ok && o.Err == nil {
			if o.At >= 0 {
				row.Committed = &o.At
			}
		} else if ok {
			row.Failure = o.Err.Error()
		}
		start, ok1 := starts.Lookup(tp.Topic, tp.Partition)
		end, ok2 := ends.Lookup(tp.Topic, tp.Partition)
		switch {
		case !ok1 || !ok2:
			row.Failure = "the topic or partition does not exist any more"
		case start.Err != nil || end.Err != nil:
			row.Failure = fmt.Sprint(cmp.Or(start.Err, end.Err))
		default:
			at := start.Offset
			if row.Committed != nil {
				at = *row.Committed
			}
			lag := max(0, end.Offset-at)
			row.Start, row.End = &start.Offset, &end.Offset
			if d.kind == kindShare {
				if row.Committed == nil {
					break // where it will begin is not settled before it does
				}
				if known, ok := lags[tp]; ok && known >= 0 {
					lag = known
				}
			}
			row.Lag = &lag
			v.Lag += lag
		}
		if m := d.owners(tp); m != nil {
			row.Member, row.ClientID, row.Host = m.ID, m.ClientID, m.Host
		}
		v.Offsets = append(v.Offsets, row)
	}
	slices.SortFunc(v.Offsets, func(a, b offsetRow) int {
		return cmp.Or(strings.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
	})
	return v, nil
}

func write(env *command.Env, v view, members bool) error {
	line := fmt.Sprintf("%s: %s, %s, lag %s, %s group, coordinator %d", v.Group, strings.ToLower(v.State),
		screen.Plural(len(v.Members), "member"), screen.Count(v.Lag), v.Type, v.Coordinator)
	if v.Assignor != "" {
		line += ", assignor " + v.Assignor
	}
	if v.Epoch != nil {
		line += fmt.Sprintf(", epoch %d, assigned for %d", *v.Epoch, *v.Assignment)
	}
	if err := env.Printf("%s\n\n", line); err != nil {
		return err
	}
	if members && v.Type == kindStreams {
		return writeTasks(env, v.Members)
	}
	if members && v.Epoch != nil {
		t := screen.NewTable("MEMBER", "INSTANCE", "CLIENT", "HOST", "PROTOCOL", "EPOCH>", "PARTITIONS>", "ASSIGNED", "TARGET")
		for _, m := range v.Members {
			t.Row(m.ID, m.InstanceID, m.ClientID, m.Host, m.Protocol, *m.Epoch, len(m.owns), assignedText(m.Assigned), assignedText(m.Target))
		}
		return t.Write(env.Screen)
	}
	if members {
		t := screen.NewTable("MEMBER", "INSTANCE", "CLIENT", "HOST", "PARTITIONS>", "ASSIGNED")
		for _, m := range v.Members {
			t.Row(m.ID, m.InstanceID, m.ClientID, m.Host, len(m.owns), assignedText(m.Assigned))
		}
		return t.Write(env.Screen)
	}
	committedTitle := "COMMITTED>"
	if v.Type == kindShare {
		committedTitle = "START>"
	}
	t := screen.NewTable("TOPIC", "PARTITION>", committedTitle, "END>", "LAG>", "CLIENT", "HOST", "MEMBER")
	for _, r := range v.Offsets {
		t.Row(r.Topic, r.Partition, number(r.Committed), number(r.End), number(r.Lag), r.ClientID, r.Host, r.Member)
	}
	if err := t.Write(env.Screen); err != nil {
		return err
	}
	for _, r := range v.Offsets {
		if r.Failure != "" {
			env.Notef("partition %d of topic %q: %s", r.Partition, r.Topic, r.Failure)
		}
	}
	if len(v.Topology) > 0 {
		return writeTopology(env, v.Topology)
	}
	return nil
}

func number(v *int64) string { return screen.Optional(v, screen.Count[int64]) }

// assignedText writes an assignment as topic:0,2-4 with topics in order.
func assignedText(assigned map[string][]int32) string {
	var parts []string
	for _, topic := range slices.Sorted(maps.Keys(assigned)) {
		ps := slices.Sorted(slices.Values(assigned[topic]))
		var spans []string
		for i := 0; i < len(ps); {
			j := i
			for j+1 < len(ps) && ps[j+1] == ps[j]+1 {
				j++
			}
			switch j - i {
			case 0:
				spans = append(spans, fmt.Sprint(ps[i]))
			default:
				spans = append(spans, fmt.Sprintf("%d-%d", ps[i], ps[j]))
			}
			i = j + 1
		}
		parts = append(parts, topic+":"+strings.Join(spans, ","))
	}
	return strings.Join(parts, " ")
}
