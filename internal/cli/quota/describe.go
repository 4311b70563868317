package quota

import (
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"leat.dev/internal/cli/command"
	"leat.dev/internal/cli/fault"
	"leat.dev/internal/cli/screen"
)

// effective is a quota that holds for a client, and whose it is.
type effective struct {
	Quota string  `json:"quota"`
	Value float64 `json:"value"`
	From  entity  `json:"from"`
	// Shared says whose use counts together.
	Shared string `json:"shared_by"`
}

func newDescribe(env *command.Env) *cobra.Command {
	return &cobra.Command{
		Use:   "describe KIND NAME [KIND NAME]",
		Short: "Show which quotas hold for a client",
		Long: "Show which quotas hold for a client: of all that match, the most particular one. A user's quota with a client id goes before\n" +
			"the user's, that before those of all users, and those before a client id's.",
		Example: "  leat quota describe user alice client-id app\n  leat quota describe ip 10.0.0.7",
		Args:    command.Args(2, 4, "a client"), ValidArgsFunction: complete(""),
		RunE: func(cmd *cobra.Command, args []string) error {
			e, rest, err := parseEntity(args)
			if err != nil {
				return err
			}
			if len(rest) > 0 {
				return fault.Usage("%q is not understood", rest[0]).WithHint("for example user alice client-id app")
			}
			rows, err := list(cmd.Context(), env)
			if err != nil {
				return err
			}
			found := resolve(rows, e)
			return env.Emit(found, func() error {
				if len(found) == 0 {
					return env.Printf("no quotas hold for %s\n", e)
				}
				t := screen.NewTable("QUOTA", "VALUE>", "SET FOR", "SHARED BY")
				for _, f := range found {
					t.Row(f.Quota, number(f.Value), f.From.String(), f.Shared)
				}
				return t.Write(env.Screen)
			})
		},
	}
}

// resolve finds the quotas that hold for a client.
func resolve(rows []row, e entity) []effective {
	out := []effective{}
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		for _, level := range levels(e) {
			i := slices.IndexFunc(rows, func(r row) bool { return maps.Equal(r.Entity, level.entity) })
			if i < 0 {
				continue
			}
			if value, ok := rows[i].Quotas[key]; ok {
				out = append(out, effective{key, value, level.entity, level.shared})
				break
			}
		}
	}
	return out
}

type level struct {
	entity entity
	shared string
}

// levels are the entities whose quotas may hold for a client, the first that has one wins (KIP-55). What the client is
// not named by has no quota of its own.
func levels(e entity) []level {
	if ip, ok := e["ip"]; ok {
		return []level{{entity{"ip": ip}, "the address"}, {entity{"ip": anyName}, "the address"}}
	}
	user, hasUser := e["user"]
	client, hasClient := e["client-id"]
	var out []level
	add := func(ok bool, shared string, parts entity) {
		if ok {
			out = append(out, level{parts, shared})
		}
	}
	const both, users, clients = "the user's connections with the client id", "all connections of the user", "all connections with the client id"
	add(hasUser && hasClient, both, entity{"user": user, "client-id": client})
	add(hasUser, both, entity{"user": user, "client-id": anyName})
	add(hasUser, users, entity{"user": user})
	add(hasClient, both, entity{"user": anyName, "client-id": client})
	add(true, both, entity{"user": anyName, "client-id": anyName})
	add(true, users, entity{"user": anyName})
	add(hasClient, clients, entity{"client-id": client})
	add(true, clients, entity{"client-id": anyName})
	return out
}
