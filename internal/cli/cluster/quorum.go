package cluster

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/cli/command"
	"leat.dev/internal/cli/fault"
	"leat.dev/internal/cli/screen"
)

// metadataTopic is the one partition that the quorum keeps.
const metadataTopic = "__cluster_metadata"

type quorum struct {
	Leader        int32    `json:"leader"`
	Epoch         int32    `json:"epoch"`
	HighWatermark int64    `json:"high_watermark"`
	Nodes         []member `json:"nodes"`
}

type member struct {
	ID           int32      `json:"id"`
	Role         string     `json:"role"`
	LogEndOffset int64      `json:"log_end_offset"`
	Lag          int64      `json:"lag"`
	LastFetch    *time.Time `json:"last_fetch,omitempty"`
	LastCaughtUp *time.Time `json:"last_caught_up,omitempty"`
}

func newQuorum(env *command.Env) *cobra.Command {
	return &cobra.Command{
		Use: "quorum", Short: "Show the nodes that keep the metadata, and how far each is", Args: command.Args(0, 0, "no argument"), ValidArgsFunction: command.NoCompletion,
		RunE: func(cmd *cobra.Command, _ []string) error { return showQuorum(cmd.Context(), env) },
	}
}

func readQuorum(ctx context.Context, client *command.Client) (quorum, error) {
	req := kmsg.NewPtrDescribeQuorumRequest()
	t := kmsg.NewDescribeQuorumRequestTopic()
	t.Topic, t.Partitions = metadataTopic, []kmsg.DescribeQuorumRequestTopicPartition{{}}
	req.Topics = append(req.Topics, t)
	resp, err := req.RequestWith(ctx, client)
	if err != nil {
		return quorum{}, client.Explain("describe the quorum", err)
	}
	if err := client.Refused("describe the quorum", resp.ErrorCode, resp.ErrorMessage); err != nil {
		return quorum{}, err
	}
	if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
		return quorum{}, fault.Failed("the broker's answer names no quorum")
	}
	p := resp.Topics[0].Partitions[0]
	if err := client.Refused("describe the quorum", p.ErrorCode, p.ErrorMessage); err != nil {
		return quorum{}, err
	}
	q := quorum{Leader: p.LeaderID, Epoch: p.LeaderEpoch, HighWatermark: p.HighWatermark, Nodes: []member{}}
	add := func(list []kmsg.DescribeQuorumResponseTopicPartitionReplicaState, role string) {
		for _, s := range list {
			m := member{ID: s.ReplicaID, Role: role, LogEndOffset: s.LogEndOffset, LastFetch: instant(s.LastFetchTimestamp), LastCaughtUp: instant(s.LastCaughtUpTimestamp)}
			if m.ID == p.LeaderID {
				m.Role = "leader"
			}
			q.Nodes = append(q.Nodes, m)
		}
	}
	add(p.CurrentVoters, "voter")
	add(p.Observers, "observer")
	end := int64(0)
	for _, m := range q.Nodes {
		if m.Role == "leader" {
			end = m.LogEndOffset
		}
	}
	for i := range q.Nodes {
		q.Nodes[i].Lag = max(0, end-q.Nodes[i].LogEndOffset)
	}
	slices.SortFunc(q.Nodes, func(a, b member) int { return cmp.Compare(a.ID, b.ID) })
	return q, nil
}

// instant is a time that may not be known.
func instant(millis int64) *time.Time {
	if millis < 0 {
		return nil
	}
	return new(time.UnixMilli(millis).UTC())
}

func showQuorum(ctx context.Context, env *command.Env) error {
	client, ctx, err := env.Reach(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	q, err := readQuorum(ctx, client)
	if err != nil {
		return err
	}
	return env.Emit(q, func() error {
		if err := env.Printf("leader %d, epoch %d, high watermark %d\n", q.Leader, q.Epoch, q.HighWatermark); err != nil {
			return err
		}
		t := screen.NewTable("NODE>", "ROLE", "LOG END>", "LAG>", "CAUGHT UP")
		for _, m := range q.Nodes {
			seen := ""
			if m.LastCaughtUp != nil {
				seen = fmt.Sprint(m.LastCaughtUp.Format(time.RFC3339))
			}
			t.Row(m.ID, m.Role, m.LogEndOffset, m.Lag, seen)
		}
		return t.Write(env.Screen)
	})
}
