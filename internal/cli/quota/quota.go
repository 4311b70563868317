// Package quota holds the commands under "leat quota": how much clients may take (KIP-546). They work with every Kafka
// cluster from version 2.6 on.
package quota

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/cli/command"
	"leat.dev/internal/cli/fault"
	"leat.dev/internal/cli/screen"
)

// anyName stands for all that have no quota of their own: the default entity.
const anyName = "*"

// kinds are the parts that an entity may have, in the order of the columns.
var kinds = []string{"user", "client-id", "ip"}

// keys are the quotas and what they count.
var keys = map[string]string{
	"producer_byte_rate":       "bytes produced per second",
	"consumer_byte_rate":       "bytes fetched per second",
	"request_percentage":       "share of one thread's time, in percent",
	"controller_mutation_rate": "partitions created and deleted per second",
	"connection_creation_rate": "connections per second (ip only)",
}

// New makes the command tree.
func New(env *command.Env) *cobra.Command {
	var b strings.Builder
	b.WriteString("Quotas of users, client ids and addresses. Whoever takes more is answered, told to wait, and not heard until then.\n\n" +
		"An entity is written as KIND NAME: \"user alice\", \"client-id app\", \"user alice client-id app\" or \"ip 10.0.0.7\". The name \"*\"\n" +
		"means all that have no quota of their own. The quotas are:\n\n")
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		b.WriteString("  " + key + strings.Repeat(" ", 26-len(key)) + keys[key] + "\n")
	}
	return command.Parent("quota", "Limit what clients take", strings.TrimRight(b.String(), "\n"), newSet(env), newList(env), newDescribe(env), newDelete(env))
}

// entity is whom quotas are for: names by kind.
type entity map[string]string

// parseEntity takes the entity off the beginning of a command's arguments.
func parseEntity(args []string) (e entity, rest []string, err error) {
	e = entity{}
	for len(args) > 0 && slices.Contains(kinds, args[0]) {
		if len(args) == 1 || strings.Contains(args[1], "_rate=") {
			return nil, nil, fault.Usage("%q needs a name", args[0]).WithHint("%s alice, or %s '*' for all that have no quota of their own", args[0], args[0])
		}
		if _, twice := e[args[0]]; twice {
			return nil, nil, fault.Usage("%q is given twice", args[0])
		}
		e[args[0]] = args[1]
		args = args[2:]
	}
	_, ip := e["ip"]
	switch {
	case len(e) == 0:
		return nil, nil, fault.Usage("whose quotas?").WithHint("name an entity: user NAME, client-id NAME, user NAME client-id NAME, or ip ADDRESS")
	case ip && len(e) > 1:
		return nil, nil, fault.Usage("quotas of an address hold for connections, before the user and the client id are known").WithHint("use ip alone")
	}
	return e, args, nil
}

// String is the entity as the commands take it.
func (e entity) String() string {
	var parts []string
	for _, kind := range kinds {
		if name, ok := e[kind]; ok {
			parts = append(parts, kind+" "+name)
		}
	}
	return strings.Join(parts, " ")
}

func (e entity) request() (out []kmsg.AlterClientQuotasRequestEntryEntity) {
	for _, kind := range kinds {
		if name, ok := e[kind]; ok {
			part := kmsg.NewAlterClientQuotasRequestEntryEntity()
			if part.Type = kind; name != anyName {
				part.Name = &name
			}
			out = append(out, part)
		}
	}
	return out
}

// row is an entity with its quotas as they are shown; a null name in JSON does not occur, "*" stands for it.
type row struct {
	Entity entity             `json:"entity"`
	Quotas map[string]float64 `json:"quotas"`
}

func number(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

func newSet(env *command.Env) *cobra.Command {
	return &cobra.Command{
		Use:     "set KIND NAME [KIND NAME] QUOTA=VALUE...",
		Short:   "Set quotas of an entity",
		Example: "  leat quota set user alice producer_byte_rate=1048576\n  leat quota set user alice client-id '*' request_percentage=50\n  leat quota set ip 10.0.0.7 connection_creation_rate=20",
		Args:    command.Args(3, -1, "an entity and quotas"), ValidArgsFunction: complete("=", slices.Sorted(maps.Keys(keys))...),
		RunE: func(cmd *cobra.Command, args []string) error {
			e, rest, err := parseEntity(args)
			if err != nil {
				return err
			}
			if len(rest) == 0 {
				return fault.Usage("no quota is given").WithHint("for example producer_byte_rate=1048576")
			}
			var ops []kmsg.AlterClientQuotasRequestEntryOp
			for _, arg := range rest {
				key, text, ok := strings.Cut(arg, "=")
				value, err := strconv.ParseFloat(text, 64)
				if !ok || err != nil {
					return fault.Usage("%q is not of the form QUOTA=NUMBER", arg).WithHint("for example producer_byte_rate=1048576")
				}
				op := kmsg.NewAlterClientQuotasRequestEntryOp()
				op.Key, op.Value = key, value
				ops = append(ops, op)
			}
			done := map[string]float64{}
			for _, op := range ops {
				done[op.Key] = op.Value
			}
			return alter(cmd.Context(), env, e, ops, "set the quotas of "+e.String(), func() error {
				for _, op := range ops {
					if err := env.Printf("set %s=%s of %s\n", op.Key, number(op.Value), e); err != nil {
						return err
					}
				}
				return nil
			}, row{e, done})
		},
	}
}

// alter changes the quotas of an entity and shows what was done.
func alter(ctx context.Context, env *command.Env, e entity, ops []kmsg.AlterClientQuotasRequestEntryOp, what string, show func() error, result any) error {
	client, ctx, err := env.Reach(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	req := kmsg.NewPtrAlterClientQuotasRequest()
	entry := kmsg.NewAlterClientQuotasRequestEntry()
	entry.Entity, entry.Ops = e.request(), ops
	req.Entries = append(req.Entries, entry)
	resp, err := req.RequestWith(ctx, client.Client)
	if err != nil {
		return client.Explain(what, err)
	}
	for _, r := range resp.Entries {
		if err := client.Refused(what, r.ErrorCode, r.ErrorMessage); err != nil {
			return explain(err, e, ops)
		}
	}
	return env.Emit(result, show)
}

// explain adds what to do about a quota that is misspelled or of another kind of entity.
func explain(err error, e entity, ops []kmsg.AlterClientQuotasRequestEntryOp) error {
	failure, ok := errors.AsType[*fault.Error](err)
	if !ok || !errors.Is(err, kerr.InvalidRequest) {
		return err
	}
	known := slices.Sorted(maps.Keys(keys))
	for _, op := range ops {
		_, ip := e["ip"]
		switch {
		case keys[op.Key] == "":
			return failure.WithHint("%s", fault.DidYouMean(op.Key, known, "the quotas are "+strings.Join(known, ", ")))
		case ip != (op.Key == "connection_creation_rate"):
			return failure.WithHint("connection_creation_rate is for ip, all others are for user and client-id")
		}
	}
	return failure
}

// complete proposes kinds of entities and, once one is named, the quotas, with after behind each.
func complete(after string, quotas ...string) command.Completion {
	return func(_ *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		directive := cobra.ShellCompDirectiveNoFileComp
		var out []string
		switch n := len(args); {
		case n%2 == 1 && n < 4 && slices.Contains(kinds, args[n-1]):
			return nil, directive // a name comes next
		case n == 0:
			out = append(out, kinds...)
		case n == 2:
			out = append(out, "user", "client-id")
		}
		if len(args) > 1 {
			for _, key := range quotas {
				out = append(out, key+after)
			}
		}
		out = slices.DeleteFunc(out, func(p string) bool { return !strings.HasPrefix(p, typed) || slices.Contains(args, p) })
		if after != "" && !slices.ContainsFunc(out, func(p string) bool { return !strings.HasSuffix(p, after) }) {
			directive |= cobra.ShellCompDirectiveNoSpace
		}
		return out, directive
	}
}

func newDelete(env *command.Env) *cobra.Command {
	return &cobra.Command{
		Use:     "delete KIND NAME [KIND NAME] [QUOTA...]",
		Short:   "Delete quotas of an entity, all if none is named",
		Example: "  leat quota delete user alice producer_byte_rate\n  leat quota delete user alice client-id '*'",
		Args:    command.Args(2, -1, "an entity"), ValidArgsFunction: complete("", slices.Sorted(maps.Keys(keys))...),
		RunE: func(cmd *cobra.Command, args []string) error {
			e, names, err := parseEntity(args)
			if err != nil {
				return err
			}
			all, err := list(cmd.Context(), env)
			if err != nil {
				return err
			}
			i := slices.IndexFunc(all, func(r row) bool { return maps.Equal(r.Entity, e) })
			if i < 0 {
				return fault.Failed("%s has no quotas", e).WithHint(`"leat quota list" shows those that have`)
			}
			if len(names) == 0 {
				names = slices.Sorted(maps.Keys(all[i].Quotas))
			}
			var ops []kmsg.AlterClientQuotasRequestEntryOp
			gone := map[string]float64{}
			for _, key := range names {
				value, set := all[i].Quotas[key]
				if !set {
					return fault.Failed("%s has no quota %q", e, key).WithHint("it has %s", strings.Join(slices.Sorted(maps.Keys(all[i].Quotas)), ", "))
				}
				op := kmsg.NewAlterClientQuotasRequestEntryOp()
				op.Key, op.Remove = key, true
				ops = append(ops, op)
				gone[key] = value
			}
			return alter(cmd.Context(), env, e, ops, "delete the quotas of "+e.String(), func() error {
				return env.Printf("deleted %s of %s\n", strings.Join(names, ", "), e)
			}, row{e, gone})
		},
	}
}

// list asks for all quotas.
func list(ctx context.Context, env *command.Env) ([]row, error) {
	client, ctx, err := env.Reach(ctx)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	resp, err := kmsg.NewPtrDescribeClientQuotasRequest().RequestWith(ctx, client.Client)
	if err != nil {
		return nil, client.Explain("list the quotas", err)
	}
	if err := client.Refused("list the quotas", resp.ErrorCode, resp.ErrorMessage); err != nil {
		return nil, err
	}
	rows := []row{}
	for _, entry := range resp.Entries {
		r := row{Entity: entity{}, Quotas: map[string]float64{}}
		for _, part := range entry.Entity {
			r.Entity[part.Type] = anyName
			if part.Name != nil {
				r.Entity[part.Type] = *part.Name
			}
		}
		for _, v := range entry.Values {
			r.Quotas[v.Key] = v.Value
		}
		rows = append(rows, r)
	}
	slices.SortFunc(rows, func(a, b row) int {
		for _, kind := range kinds {
			if c := cmp.Compare(a.Entity[kind], b.Entity[kind]); c != 0 {
				return c
			}
		}
		return 0
	})
	return rows, nil
}

func newList(env *command.Env) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List all quotas", Args: command.Args(0, 0, "no argument"), ValidArgsFunction: command.NoCompletion,
		RunE: func(cmd *cobra.Command, _ []string) error {
			rows, err := list(cmd.Context(), env)
			if err != nil {
				return err
			}
			return env.Emit(rows, func() error {
				t := screen.NewTable("USER", "CLIENT ID", "IP", "QUOTA", "VALUE>")
				for _, r := range rows {
					name := func(kind string) string { return cmp.Or(r.Entity[kind], "-") }
					for _, key := range slices.Sorted(maps.Keys(r.Quotas)) {
						t.Row(name("user"), name("client-id"), name("ip"), key, number(r.Quotas[key]))
					}
				}
				return t.Write(env.Screen)
			})
		},
	}
}
