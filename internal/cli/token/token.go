// Package token holds the commands under "leat token": delegation tokens, with which a program logs in for a user
// without knowing the user's password. They need a connection that authenticates.
package token

import (
	"context"
	"encoding/base64"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/internal/cli/command"
	"leat.dev/internal/cli/fault"
	"leat.dev/internal/cli/screen"
)

// New makes the command tree.
func New(env *command.Env) *cobra.Command {
	return command.Parent("token", "Make and manage delegation tokens",
		"Delegation tokens. A program logs in with a token's id as user and its secret as password, by SCRAM with the\n"+
			"extension tokenauth=true.",
		newCreate(env), newList(env), newRenew(env), newExpire(env))
}

// token is a delegation token as it is shown. The secret is shown to those who may use it anyway.
type token struct {
	ID       string    `json:"id"`
	Secret   string    `json:"secret"`
	Owner    string    `json:"owner"`
	Renewers []string  `json:"renewers,omitempty"`
	Issued   time.Time `json:"issued"`
	Expires  time.Time `json:"expires"`
	Ends     time.Time `json:"ends"`
}

func secret(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

func parseSecret(s string) ([]byte, error) {
	b, err := base64.StdEncoding.DecodeString(strings.TrimSpace(s))
	if err != nil {
		return nil, fault.Usage("that is no token's secret").WithHint(`"leat token list" shows the secrets`)
	}
	return b, nil
}

// ask runs a request on a connection of its own.
func ask[R any](ctx context.Context, env *command.Env, what string, do func(context.Context, *command.Client) (R, int16, error)) (answer R, err error) {
	client, ctx, err := env.Reach(ctx)
	if err != nil {
		return answer, err
	}
	defer client.Close()
	answer, code, err := do(ctx, client)
	if err != nil {
		return answer, client.Explain(what, err)
	}
	return answer, client.Refused(what, code, nil)
}

func show(env *command.Env, list []token) error {
	return env.Emit(list, func() error {
		t := screen.NewTable("ID", "OWNER", "RENEWERS", "EXPIRES", "ENDS", "SECRET")
		for _, k := range list {
			t.Row(k.ID, k.Owner, strings.Join(k.Renewers, ","), k.Expires.Format(time.RFC3339), k.Ends.Format(time.RFC3339), k.Secret)
		}
		return t.Write(env.Screen)
	})
}

func newCreate(env *command.Env) *cobra.Command {
	var owner string
	var renewers []string
	var lifetime time.Duration
	cmd := &cobra.Command{
		Use: "create", Short: "Make a token for yourself, or for another user",
		Example:           "  leat token create --lifetime 24h --renewer scheduler",
		Args:              command.Args(0, 0, "no argument"),
		ValidArgsFunction: command.NoCompletion,
		RunE: func(cmd *cobra.Command, _ []string) error {
			req := kmsg.NewPtrCreateDelegationTokenRequest()
			req.MaxLifetimeMillis = -1
			if lifetime > 0 {
				req.MaxLifetimeMillis = lifetime.Milliseconds()
			}
			if owner != "" {
				req.OwnerPrincipalType, req.OwnerPrincipalName = new("User"), new(strings.TrimPrefix(owner, "User:"))
			}
			for _, name := range renewers {
				r := kmsg.NewCreateDelegationTokenRequestRenewer()
				r.PrincipalType, r.PrincipalName = "User", strings.TrimPrefix(name, "User:")
				req.Renewers = append(req.Renewers, r)
			}
			resp, err := ask(cmd.Context(), env, "make a token", func(ctx context.Context, c *command.Client) (*kmsg.CreateDelegationTokenResponse, int16, error) {
				resp, err := req.RequestWith(ctx, c.Client)
				if err != nil {
					return nil, 0, err
				}
				return resp, resp.ErrorCode, nil
			})
			if err != nil {
				return err
			}
			return show(env, []token{{
				ID: resp.TokenID, Secret: secret(resp.HMAC), Owner: resp.PrincipalType + ":" + resp.PrincipalName, Renewers: renewers,
				Issued: time.UnixMilli(resp.IssueTimestamp), Expires: time.UnixMilli(resp.ExpiryTimestamp), Ends: time.UnixMilli(resp.MaxTimestamp),
			}})
		},
	}
	f := cmd.Flags()
	f.StringVar(&owner, "owner", "", "whose token it is (default yours)")
	f.StringSliceVar(&renewers, "renewer", nil, "users that may renew and end it")
	f.DurationVar(&lifetime, "lifetime", 0, "how long it lives at most (default what the broker allows)")
	return cmd
}

func newList(env *command.Env) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the tokens that you may see", Args: command.Args(0, 0, "no argument"), ValidArgsFunction: command.NoCompletion,
		RunE: func(cmd *cobra.Command, _ []string) error {
			resp, err := ask(cmd.Context(), env, "list the tokens", func(ctx context.Context, c *command.Client) (*kmsg.DescribeDelegationTokenResponse, int16, error) {
				resp, err := kmsg.NewPtrDescribeDelegationTokenRequest().RequestWith(ctx, c.Client)
				if err != nil {
					return nil, 0, err
				}
				return resp, resp.ErrorCode, nil
			})
			if err != nil {
				return err
			}
			list := []token{}
			for _, d := range resp.TokenDetails {
				k := token{
					ID: d.TokenID, Secret: secret(d.HMAC), Owner: d.PrincipalType + ":" + d.PrincipalName,
					Issued: time.UnixMilli(d.IssueTimestamp), Expires: time.UnixMilli(d.ExpiryTimestamp), Ends: time.UnixMilli(d.MaxTimestamp),
				}
				for _, r := range d.Renewers {
					k.Renewers = append(k.Renewers, r.PrincipalName)
				}
				list = append(list, k)
			}
			return show(env, list)
		},
	}
}

func newRenew(env *command.Env) *cobra.Command {
	var by time.Duration
	cmd := &cobra.Command{
		Use: "renew SECRET", Short: "Let a token live longer",
		Example: "  leat token renew yd1SE8u5eS1cHcDBqQTNBA== --for 12h",
		Args:    command.Args(1, 1, "a token's secret"), ValidArgsFunction: command.NoCompletion,
		RunE: func(cmd *cobra.Command, args []string) error {
			b, err := parseSecret(args[0])
			if err != nil {
				return err
			}
			req := kmsg.NewPtrRenewDelegationTokenRequest()
			req.HMAC, req.RenewTimeMillis = b, -1
			if by > 0 {
				req.RenewTimeMillis = by.Milliseconds()
			}
			return until(cmd.Context(), env, "renew the token", func(ctx context.Context, c *command.Client) (int64, int16, error) {
				resp, err := req.RequestWith(ctx, c.Client)
				if err != nil {
					return 0, 0, err
				}
				return resp.ExpiryTimestamp, resp.ErrorCode, nil
			})
		},
	}
	cmd.Flags().DurationVar(&by, "for", 0, "for how long from now (default what the broker sets)")
	return cmd
}

func newExpire(env *command.Env) *cobra.Command {
	var in time.Duration
	cmd := &cobra.Command{
		Use: "expire SECRET", Short: "End a token",
		Example: "  leat token expire yd1SE8u5eS1cHcDBqQTNBA==\n  leat token expire yd1SE8u5eS1cHcDBqQTNBA== --in 1h",
		Args:    command.Args(1, 1, "a token's secret"), ValidArgsFunction: command.NoCompletion,
		RunE: func(cmd *cobra.Command, args []string) error {
			b, err := parseSecret(args[0])
			if err != nil {
				return err
			}
			req := kmsg.NewPtrExpireDelegationTokenRequest()
			req.HMAC, req.ExpiryPeriodMillis = b, -1
			if in > 0 {
				req.ExpiryPeriodMillis = in.Milliseconds()
			}
			return until(cmd.Context(), env, "end the token", func(ctx context.Context, c *command.Client) (int64, int16, error) {
				resp, err := req.RequestWith(ctx, c.Client)
				if err != nil {
					return 0, 0, err
				}
				return resp.ExpiryTimestamp, resp.ErrorCode, nil
			})
		},
	}
	cmd.Flags().DurationVar(&in, "in", 0, "not now but after this time")
	return cmd
}

func until(ctx context.Context, env *command.Env, what string, do func(context.Context, *command.Client) (int64, int16, error)) error {
	at, err := ask(ctx, env, what, do)
	if err != nil {
		return err
	}
	end := time.UnixMilli(at)
	return env.Emit(map[string]time.Time{"expires": end}, func() error { return env.Printf("the token expires at %s\n", end.Format(time.RFC3339)) })
}
