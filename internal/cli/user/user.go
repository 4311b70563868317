// Package user holds the commands under "leat user": the users that log in by SCRAM, and their passwords. A password is
// salted and hashed here; the cluster never sees it.
package user

import (
	"bufio"
	"context"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kmsg"
	"golang.org/x/term"

	"leat.dev/internal/cli/command"
	"leat.dev/internal/cli/fault"
	"leat.dev/internal/cli/screen"
)

// New makes the command tree.
func New(env *command.Env) *cobra.Command {
	return command.Parent("user", "Manage users with passwords (SCRAM)", "", newSet(env), newList(env), newDelete(env))
}

var mechanisms = []string{1: "SCRAM-SHA-256", 2: "SCRAM-SHA-512"}

func parseMechanisms(list []string) ([]int8, error) {
	var out []int8
	for _, name := range list {
		found := false
		for id, m := range mechanisms {
			if m != "" && strings.EqualFold(m, name) {
				out = append(out, int8(id))
				found = true
			}
		}
		if !found {
			return nil, fault.Usage("--mechanism %q is not known", name).WithHint("the mechanisms are SCRAM-SHA-256 and SCRAM-SHA-512")
		}
	}
	return out, nil
}

func newSet(env *command.Env) *cobra.Command {
	var names []string
	var iterations int
	cmd := &cobra.Command{
		Use:   "set NAME",
		Short: "Create a user, or change its password",
		Long: "Create a user, or change its password. The password is asked for, or read from standard input if that is not a\n" +
			"terminal.",
		Example:           "  leat user set alice\n  pass show kafka/alice | leat user set alice",
		Args:              command.Args(1, 1, "the name of a user"),
		ValidArgsFunction: command.NoCompletion,
		RunE: func(cmd *cobra.Command, args []string) error {
			return set(cmd.Context(), env, args[0], names, iterations)
		},
	}
	cmd.Flags().StringSliceVar(&names, "mechanism", []string{mechanisms[1], mechanisms[2]}, "for which mechanisms")
	cmd.Flags().IntVar(&iterations, "iterations", 8192, "how often the password is hashed, 4096 to 16384")
	return cmd
}

// readPassword asks for a password, or takes the first line of what is piped in.
func readPassword(env *command.Env, name string) (string, error) {
	if !env.InTerminal {
		line, err := bufio.NewReader(env.In).ReadString('\n')
		if line = strings.TrimRight(line, "\r\n"); line == "" {
			return "", fault.Usage("standard input holds no password").WithDetail("%v", err)
		}
		return line, nil
	}
	ask := func(prompt string) (string, error) {
		fmt.Fprint(env.Err, prompt)
		b, err := term.ReadPassword(int(os.Stdin.Fd()))
		fmt.Fprintln(env.Err)
		return string(b), err
	}
	first, err := ask("password of " + name + ": ")
	if err != nil || first == "" {
		return "", fault.Failed("no password was given")
	}
	if second, err := ask("again: "); err != nil || second != first {
		return "", fault.Failed("the passwords differ")
	}
	return first, nil
}

func set(ctx context.Context, env *command.Env, name string, names []string, iterations int) error {
	ids, err := parseMechanisms(names)
	if err != nil {
		return err
	}
	if iterations < 4096 || iterations > 16384 {
		return fault.Usage("--iterations %d is not between 4096 and 16384", iterations)
	}
	password, err := readPassword(env, name)
	if err != nil {
		return err
	}
	req := kmsg.NewPtrAlterUserSCRAMCredentialsRequest()
	for _, id := range ids {
		u := kmsg.NewAlterUserSCRAMCredentialsRequestUpsertion()
		u.Name, u.Mechanism, u.Iterations = name, id, int32(iterations)
		u.Salt = make([]byte, 24)
		_, _ = rand.Read(u.Salt) // never fails
		if id == 1 {
			u.SaltedPassword, err = pbkdf2.Key(sha256.New, password, u.Salt, iterations, sha256.Size)
		} else {
			u.SaltedPassword, err = pbkdf2.Key(sha512.New, password, u.Salt, iterations, sha512.Size)
		}
		if err != nil {
			return fault.Failed("cannot hash the password: %w", err)
		}
		req.Upsertions = append(req.Upsertions, u)
	}
	return alter(ctx, env, req, "set user "+name, fmt.Sprintf("user %q can log in by %s", name, strings.Join(names, " and ")))
}

func alter(ctx context.Context, env *command.Env, req *kmsg.AlterUserSCRAMCredentialsRequest, what, done string) error {
	client, ctx, err := env.Reach(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	resp, err := req.RequestWith(ctx, client.Client)
	if err != nil {
		return client.Explain(what, err)
	}
	for _, r := range resp.Results {
		if err := client.Refused(what, r.ErrorCode, r.ErrorMessage); err != nil {
			return err
		}
	}
	return env.Emit(map[string]string{"done": done}, func() error { return env.Printf("%s\n", done) })
}

// user is a user as it is shown.
type user struct {
	Name       string       `json:"name"`
	Mechanisms []credential `json:"mechanisms"`
}

type credential struct {
	Mechanism  string `json:"mechanism"`
	Iterations int32  `json:"iterations"`
}

func newList(env *command.Env) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List users", Args: command.Args(0, 0, "no argument"), ValidArgsFunction: command.NoCompletion,
		RunE: func(cmd *cobra.Command, _ []string) error {
			users, err := describe(cmd.Context(), env)
			if err != nil {
				return err
			}
			return env.Emit(users, func() error {
				t := screen.NewTable("NAME", "MECHANISM", "ITERATIONS>")
				for _, u := range users {
					for _, c := range u.Mechanisms {
						t.Row(u.Name, c.Mechanism, c.Iterations)
					}
				}
				return t.Write(env.Screen)
			})
		},
	}
}

func describe(ctx context.Context, env *command.Env) ([]user, error) {
	client, ctx, err := env.Reach(ctx)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	resp, err := kmsg.NewPtrDescribeUserSCRAMCredentialsRequest().RequestWith(ctx, client.Client)
	if err != nil {
		return nil, client.Explain("list the users", err)
	}
	if err := client.Refused("list the users", resp.ErrorCode, resp.ErrorMessage); err != nil {
		return nil, err
	}
	users := []user{}
	for _, r := range resp.Results {
		u := user{Name: r.User}
		for _, c := range r.CredentialInfos {
			name := fmt.Sprint(c.Mechanism)
			if c.Mechanism > 0 && int(c.Mechanism) < len(mechanisms) {
				name = mechanisms[c.Mechanism]
			}
			u.Mechanisms = append(u.Mechanisms, credential{name, c.Iterations})
		}
		users = append(users, u)
	}
	return users, nil
}

func newDelete(env *command.Env) *cobra.Command {
	var names []string
	cmd := &cobra.Command{
		Use: "delete NAME", Short: "Delete a user's passwords",
		Args: command.Args(1, 1, "the name of a user"), ValidArgsFunction: command.NoCompletion,
		RunE: func(cmd *cobra.Command, args []string) error {
			ids, err := parseMechanisms(names)
			if err != nil {
				return err
			}
			if len(names) == 0 {
				users, err := describe(cmd.Context(), env)
				if err != nil {
					return err
				}
				for _, u := range users {
					for _, c := range u.Mechanisms {
						if u.Name == args[0] {
							names = append(names, c.Mechanism)
						}
					}
				}
				if ids, err = parseMechanisms(names); err != nil {
					return err
				}
				if len(ids) == 0 {
					return fault.Failed("there is no user %q", args[0]).WithHint(`"leat user list" shows the users`)
				}
			}
			req := kmsg.NewPtrAlterUserSCRAMCredentialsRequest()
			for _, id := range ids {
				d := kmsg.NewAlterUserSCRAMCredentialsRequestDeletion()
				d.Name, d.Mechanism = args[0], id
				req.Deletions = append(req.Deletions, d)
			}
			return alter(cmd.Context(), env, req, "delete user "+args[0], fmt.Sprintf("user %q cannot log in by %s any more", args[0], strings.Join(names, " and ")))
		},
	}
	cmd.Flags().StringSliceVar(&names, "mechanism", nil, "only for these mechanisms (default all)")
	return cmd
}
