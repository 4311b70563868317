package txn

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/cli/command"
	"leat.dev/internal/cli/fault"
	"leat.dev/internal/cli/screen"
	"leat.dev/internal/cli/when"
)

type listed struct {
	TransactionalID string `json:"transactional_id"`
	State           string `json:"state"`
	ProducerID      int64  `json:"producer_id"`
	Coordinator     int32  `json:"coordinator"`
}

type listFlags struct {
	states      []string
	producerIDs []int64
	running     string
	match       string
}

func newList(env *command.Env) *cobra.Command {
	var f listFlags
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List transactional ids and what they are doing",
		Example: `  leat txn list --state Ongoing
  leat txn list --running 5m
  leat txn list --match 'orders-.*'`,
		Args:              command.Args(0, 0, "no argument"),
		ValidArgsFunction: command.NoCompletion,
		RunE:              func(cmd *cobra.Command, _ []string) error { return list(cmd.Context(), env, f) },
	}
	cmd.Flags().StringSliceVar(&f.states, "state", nil, "only ids in these states, such as Ongoing,PrepareCommit")
	cmd.Flags().Int64SliceVar(&f.producerIDs, "producer-id", nil, "only these producer ids")
	cmd.Flags().Lookup("producer-id").DefValue = ""
	cmd.Flags().StringVar(&f.running, "running", "", "only transactions open for longer than this, such as 90s or 5m")
	cmd.Flags().StringVar(&f.match, "match", "", "only ids that match this regular expression as a whole")
	command.CompleteFlag(cmd, "state", states...)
	return cmd
}

func (f *listFlags) request() (*kmsg.ListTransactionsRequest, error) {
	req := kmsg.NewPtrListTransactionsRequest()
	req.DurationFilterMillis = -1
	req.ProducerIDFilters = f.producerIDs
	var err error
	if req.StateFilters, err = command.Choices("--state", f.states, states...); err != nil {
		return nil, err
	}
	if f.running != "" {
		d, err := when.Span("--running", f.running)
		if err != nil {
			return nil, err
		}
		req.DurationFilterMillis = d.Milliseconds()
		if len(req.StateFilters) == 0 {
			// The clock of a transaction that ended still counts from its start.
			req.StateFilters = []string{"Ongoing", "PrepareCommit", "PrepareAbort"}
		}
	}
	if f.match != "" {
		if _, err := regexp.Compile(f.match); err != nil {
			return nil, fault.Usage("--match %q is not a regular expression", f.match).WithDetail("%v", err)
		}
		req.TransactionalIDPattern = &f.match
	}
	return req, nil
}

func list(ctx context.Context, env *command.Env, f listFlags) error {
	req, err := f.request()
	if err != nil {
		return err
	}
	client, ctx, err := env.Reach(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	ids := []listed{}
	for _, shard := range client.RequestSharded(ctx, req) {
		if shard.Err != nil {
			return client.Explain("list transactions", shard.Err)
		}
		resp := shard.Resp.(*kmsg.ListTransactionsResponse)
		if err := client.Refused("list transactions", resp.ErrorCode, nil); err != nil {
			return err
		}
		for _, s := range resp.TransactionStates {
			ids = append(ids, listed{s.TransactionalID, s.TransactionState, s.ProducerID, shard.Meta.NodeID})
		}
	}
	slices.SortFunc(ids, func(a, b listed) int { return strings.Compare(a.TransactionalID, b.TransactionalID) })
	return env.Emit(ids, func() error {
		t := screen.NewTable("TRANSACTIONAL ID", "STATE", "PRODUCER>", "COORDINATOR>")
		for _, l := range ids {
			t.Row(l.TransactionalID, l.State, l.ProducerID, l.Coordinator)
		}
		return t.Write(env.Screen)
	})
}

// ago says how long ago something was, as people do.
func ago(now, t time.Time) string { return now.Sub(t).Truncate(time.Second).String() }
