package topic

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/cli/command"
	"leat.dev/internal/cli/screen"
)

type describedTopic struct {
	Name              string               `json:"name"`
	ID                string               `json:"id,omitempty"`
	Internal          bool                 `json:"internal"`
	ReplicationFactor int                  `json:"replication_factor"`
	Settings          []setting            `json:"settings"`
	Partitions        []describedPartition `json:"partitions"`
}

type setting struct {
	Name  string  `json:"name"`
	Value *string `json:"value"`
}

type describedPartition struct {
	Partition   int32   `json:"partition"`
	Leader      int32   `json:"leader"`
	LeaderEpoch int32   `json:"leader_epoch"`
	Replicas    []int32 `json:"replicas"`
	InSync      []int32 `json:"in_sync_replicas"`
	Offline     []int32 `json:"offline_replicas,omitempty"`
	StartOffset *int64  `json:"start_offset,omitempty"`
	EndOffset   *int64  `json:"end_offset,omitempty"`
	Bytes       *int64  `json:"bytes,omitempty"`
	Failure     string  `json:"failure,omitempty"`
}

func newDescribe(env *command.Env) *cobra.Command {
	return &cobra.Command{
		Use:   "describe NAME...",
		Short: "Show a topic's partitions, offsets and settings",
		Long: "Show a topic's partitions with leader, replicas, offsets and size on disk, and the settings that were\n" +
			"given to the topic itself. \"leat config describe topic NAME --all\" shows every setting.",
		Example:           "  leat topic describe quakes",
		Args:              command.Args(1, -1, "the name of a topic"),
		ValidArgsFunction: env.CompleteTopics(-1),
		RunE:              func(cmd *cobra.Command, args []string) error { return describe(cmd.Context(), env, dedupe(args)) },
	}
}

func describe(ctx context.Context, env *command.Env, names []string) error {
	client, err := env.Connect(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	details, err := client.Topics(ctx, names...)
	if err != nil {
		return err
	}
	h, err := readHoldings(ctx, env, client, names)
	if err != nil {
		return err
	}
	bounded, cancel := env.Deadline(ctx)
	defer cancel()
	configs, err := client.Admin.DescribeTopicConfigs(bounded, names...)
	if err != nil {
		return client.Explain("read the topic's settings", err)
	}
	var topics []describedTopic
	for _, name := range names {
		topics = append(topics, gather(details[name], h, configs))
	}
	return env.Emit(topics, func() error {
		for i, t := range topics {
			if i > 0 {
				if err := env.Printf("\n"); err != nil {
					return err
				}
			}
			if err := writeDescribed(env, t, h); err != nil {
				return err
			}
		}
		return nil
	})
}

func gather(d kadm.TopicDetail, h *holdings, configs kadm.ResourceConfigs) describedTopic {
	t := describedTopic{
		Name: d.Topic, ID: idText(d.ID), Internal: d.IsInternal, ReplicationFactor: d.Partitions.NumReplicas(),
		Settings: []setting{}, Partitions: []describedPartition{},
	}
	for _, r := range configs {
		if r.Name != d.Topic {
			continue
		}
		for _, c := range r.Configs {
			if c.Source == kmsg.ConfigSourceDynamicTopicConfig {
				t.Settings = append(t.Settings, setting{Name: c.Key, Value: c.Value})
			}
		}
	}
	slices.SortFunc(t.Settings, func(a, b setting) int { return strings.Compare(a.Name, b.Name) })
	for _, p := range d.Partitions.Sorted() {
		out := describedPartition{
			Partition: p.Partition, Leader: p.Leader, LeaderEpoch: p.LeaderEpoch,
			Replicas: p.Replicas, InSync: p.ISR, Offline: p.OfflineReplicas,
		}
		if p.Err != nil {
			out.Failure = p.Err.Error()
		}
		if s, e, ok := h.offsets(d.Topic, p.Partition); ok {
			out.StartOffset, out.EndOffset = &s, &e
		}
		if b, ok := h.size(d.Topic, p.Partition); ok {
			out.Bytes = &b
		}
		t.Partitions = append(t.Partitions, out)
	}
	return t
}

func writeDescribed(env *command.Env, t describedTopic, h *holdings) error {
	records, bytes := h.total(t.Name)
	parts := []string{screen.Plural(len(t.Partitions), "partition"), "replication factor " + screen.Count(t.ReplicationFactor)}
	if records != nil {
		parts = append(parts, screen.Plural(*records, "offset"))
	}
	if bytes != nil {
		parts = append(parts, screen.Bytes(*bytes))
	}
	if t.Internal {
		parts = append(parts, "internal")
	}
	head := t.Name + ": " + strings.Join(parts, ", ") + "\n"
	if t.ID != "" {
		head += "id: " + t.ID + "\n"
	}
	settings := []string{}
	for _, s := range t.Settings {
		settings = append(settings, s.Name+"="+command.Text(s.Value))
	}
	if len(settings) == 0 {
		settings = []string{"all defaults"}
	}
	head += "settings: " + strings.Join(settings, " ") + "\n\n"
	if err := env.Printf("%s", head); err != nil {
		return err
	}
	table := screen.NewTable("PARTITION>", "LEADER>", "EPOCH>", "REPLICAS", "IN SYNC", "START>", "END>", "SIZE>")
	for _, p := range t.Partitions {
		leader := any(p.Leader)
		if p.Leader < 0 {
			leader = "none"
		}
		table.Row(p.Partition, leader, p.LeaderEpoch, screen.Numbers(p.Replicas), screen.Numbers(p.InSync),
			screen.Optional(p.StartOffset, screen.Count[int64]), screen.Optional(p.EndOffset, screen.Count[int64]), screen.Optional(p.Bytes, screen.Bytes[int64]))
	}
	return table.Write(env.Screen)
}
