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
	"slices"
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

// mechanisms are numbered as in the protocol.
var mechanisms = []string{1: "SCRAM-SHA-256", 2: "SCRAM-SHA-512"}

// parseMechanisms gives the names as they are written, and their numbers.
func parseMechanisms(list []string) (names []string, ids []int8, err error) {
	names, err = command.Choices("--mechanism", list, mechanisms[1:]...)
	for _, name := range names {
		ids = append(ids, int8(slices.Index(mechanisms, name)))
	}
	return names, ids, err
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
		ValidArgsFunction: completeUsers(env),
		RunE: func(cmd *cobra.Command, args []string) error {
			return set(cmd.Context(), env, args[0], names, iterations)
		},
	}
	cmd.Flags().StringSliceVar(&names, "mechanism", []string{mechanisms[1], mechanisms[2]}, "for which mechanisms")
	command.CompleteFlag(cmd, "mechanism", mechanisms[1:]...)
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
	names, ids, err := parseMechanisms(names)
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
	var reqs []*kmsg.AlterUserSCRAMCredentialsRequest
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
		req := kmsg.NewPtrAlterUserSCRAMCredentialsRequest()
		req.Upsertions = append(req.Upsertions, u)
		reqs = append(reqs, req)
	}
	return alter(ctx, env, reqs, "set user "+name, fmt.Sprintf("user %q can log in by %s", name, strings.Join(names, " and ")))
}

// alter sends a request for each mechanism: Apache Kafka refuses to change a user twice in one.
func alter(ctx context.Context, env *command.Env, reqs []*kmsg.AlterUserSCRAMCredentialsRequest, what, done string) error {
	client, ctx, err := env.Reach(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	for _, req := range reqs {
		resp, err := req.RequestWith(ctx, client.Client)
		if err != nil {
			return client.Explain(what, err)
		}
		for _, r := range resp.Results {
			if err := client.Refused(what, r.ErrorCode, r.ErrorMessage); err != nil {
				return err
			}
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
	return read(ctx, client)
}

// completeUsers proposes the names of users.
func completeUsers(env *command.Env) command.Completion {
	return env.CompleteNames(1, func(ctx context.Context, client *command.Client, _ string) ([]string, error) {
		users, err := read(ctx, client)
		var names []string
		for _, u := range users {
			names = append(names, u.Name)
		}
		return names, err
	})
}

func read(ctx context.Context, client *command.Client) ([]user, error) {
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
		slices.SortFunc(u.Mechanisms, func(a, b credential) int { return strings.Compare(a.Mechanism, b.Mechanism) })
		users = append(users, u)
	}
	slices.SortFunc(users, func(a, b user) int { return strings.Compare(a.Name, b.Name) })
	return users, nil
}

func newDelete(env *command.Env) *cobra.Command {
	var names []string
	cmd := &cobra.Command{
		Use: "delete NAME", Short: "Delete a user's passwords",
		Example: "  leat user delete alice\n  leat user delete alice --mechanism SCRAM-SHA-256",
		Args:    command.Args(1, 1, "the name of a user"), ValidArgsFunction: completeUsers(env),
		RunE: func(cmd *cobra.Command, args []string) error {
			chosen, ids, err := parseMechanisms(names)
			if err != nil {
				return err
			}
			if len(names) == 0 {
				users, err := describe(cmd.Context(), env)
				if err != nil {
					return err
				}
				var known, has []string
				for _, u := range users {
					known = append(known, u.Name)
					for _, c := range u.Mechanisms {
						if u.Name == args[0] {
							has = append(has, c.Mechanism)
						}
					}
				}
				if chosen, ids, err = parseMechanisms(has); err != nil {
					return err
				}
				if len(ids) == 0 {
					return fault.Failed("there is no user %q", args[0]).WithHint("%s", fault.DidYouMean(args[0], known, `"leat user list" shows the users`))
				}
			}
			var reqs []*kmsg.AlterUserSCRAMCredentialsRequest
			for _, id := range ids {
				d := kmsg.NewAlterUserSCRAMCredentialsRequestDeletion()
				d.Name, d.Mechanism = args[0], id
				req := kmsg.NewPtrAlterUserSCRAMCredentialsRequest()
				req.Deletions = append(req.Deletions, d)
				reqs = append(reqs, req)
			}
			return alter(cmd.Context(), env, reqs, "delete user "+args[0], fmt.Sprintf("user %q cannot log in by %s any more", args[0], strings.Join(chosen, " and ")))
		},
	}
	cmd.Flags().StringSliceVar(&names, "mechanism", nil, "only for these mechanisms (default all)")
	command.CompleteFlag(cmd, "mechanism", mechanisms[1:]...)
	return cmd
}
