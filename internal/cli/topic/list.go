package topic

import (
	"context"
	"regexp"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"

	"leat.dev/internal/cli/command"
	"leat.dev/internal/cli/fault"
	"leat.dev/internal/cli/screen"
)

type listedTopic struct {
	Name              string `json:"name"`
	ID                string `json:"id,omitempty"`
	Partitions        int    `json:"partitions"`
	ReplicationFactor int    `json:"replication_factor"`
	Internal          bool   `json:"internal"`
	Records           *int64 `json:"records,omitempty"`
	Bytes             *int64 `json:"bytes,omitempty"`
}

func newList(env *command.Env) *cobra.Command {
	var internal, sizes bool
	cmd := &cobra.Command{
		Use:               "list [REGEX]",
		Short:             "List topics",
		Long:              "List topics. With --sizes also the span of offsets each holds and its size on disk (one replica counted).",
		Example:           "  leat topic list\n  leat topic list '^quakes' --sizes",
		Args:              command.Args(0, 1, "at most one pattern"),
		ValidArgsFunction: command.NoCompletion,
		RunE: func(cmd *cobra.Command, args []string) error {
			return list(cmd.Context(), env, args, internal, sizes)
		},
	}
	cmd.Flags().BoolVar(&internal, "internal", false, "list internal topics too")
	cmd.Flags().BoolVar(&sizes, "sizes", false, "show offsets and bytes held")
	return cmd
}

func list(ctx context.Context, env *command.Env, args []string, internal, sizes bool) error {
	var pattern *regexp.Regexp
	if len(args) == 1 {
		var err error
		if pattern, err = regexp.Compile(args[0]); err != nil {
			return fault.Usage("%q is not a regular expression", args[0]).WithDetail("%v", err)
		}
	}
	client, err := env.Connect(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	details, err := client.Topics(ctx)
	if err != nil {
		return err
	}
	details.FilterInternal()
	if internal {
		if details, err = client.Topics(ctx); err != nil {
			return err
		}
	}
	topics := []listedTopic{}
	var names []string
	for _, d := range details.Sorted() {
		if pattern != nil && !pattern.MatchString(d.Topic) {
			continue
		}
		topics = append(topics, listedTopic{
			Name: d.Topic, ID: idText(d.ID), Partitions: len(d.Partitions),
			ReplicationFactor: d.Partitions.NumReplicas(), Internal: d.IsInternal,
		})
		names = append(names, d.Topic)
	}
	if sizes && len(names) > 0 {
		h, err := readHoldings(ctx, env, client, names)
		if err != nil {
			return err
		}
		for i := range topics {
			topics[i].Records, topics[i].Bytes = h.total(topics[i].Name)
		}
	}
	return env.Emit(topics, func() error {
		columns := []string{"NAME", "PARTITIONS>", "REPLICAS>"}
		if sizes {
			columns = append(columns, "OFFSETS>", "SIZE>")
		}
		t := screen.NewTable(columns...)
		for _, l := range topics {
			row := []any{l.Name, l.Partitions, l.ReplicationFactor}
			if sizes {
				row = append(row, screen.Optional(l.Records, screen.Count[int64]), screen.Optional(l.Bytes, screen.Bytes[int64]))
			}
			t.Row(row...)
		}
		return t.Write(env.Screen)
	})
}

// holdings is what partitions hold: their offsets, and their bytes on disk where brokers tell.
type holdings struct {
	start, end kadm.ListedOffsets
	bytes      map[string]map[int32]int64 // largest replica of each partition; nil if unknown
}

func readHoldings(ctx context.Context, env *command.Env, client *command.Client, names []string) (*holdings, error) {
	ctx, cancel := env.Deadline(ctx)
	defer cancel()
	start, err := client.Admin.ListStartOffsets(ctx, names...)
	if err != nil && len(start) == 0 {
		return nil, client.Explain("read the topics' offsets", err)
	}
	end, err := client.Admin.ListEndOffsets(ctx, names...)
	if err != nil && len(end) == 0 {
		return nil, client.Explain("read the topics' offsets", err)
	}
	h := &holdings{start: start, end: end}
	set := kadm.TopicsSet{}
	set.Add(names[0])
	for _, n := range names {
		for p := range end[n] {
			set.Add(n, p)
		}
	}
	dirs, err := client.Admin.DescribeAllLogDirs(ctx, set)
	if err != nil && len(dirs) == 0 {
		return h, nil // sizes are an extra: not every cluster tells
	}
	h.bytes = map[string]map[int32]int64{}
	for _, broker := range dirs {
		for _, dir := range broker {
			dir.Topics.Each(func(p kadm.DescribedLogDirPartition) {
				if h.bytes[p.Topic] == nil {
					h.bytes[p.Topic] = map[int32]int64{}
				}
				h.bytes[p.Topic][p.Partition] = max(h.bytes[p.Topic][p.Partition], p.Size)
			})
		}
	}
	return h, nil
}

// offsets returns the first and the next offset of a partition, or ok false if they could not be read.
func (h *holdings) offsets(topic string, partition int32) (start, end int64, ok bool) {
	s, ok1 := h.start.Lookup(topic, partition)
	e, ok2 := h.end.Lookup(topic, partition)
	return s.Offset, e.Offset, ok1 && ok2 && s.Err == nil && e.Err == nil
}

func (h *holdings) size(topic string, partition int32) (int64, bool) {
	v, ok := h.bytes[topic][partition]
	return v, ok
}

func (h *holdings) total(topic string) (records, bytes *int64) {
	var n, b int64
	for p := range h.end[topic] {
		s, e, ok := h.offsets(topic, p)
		if !ok {
			return nil, nil
		}
		n += e - s
		b += h.bytes[topic][p]
	}
	if h.bytes == nil {
		return &n, nil
	}
	return &n, &b
}
