package registry

import (
	"bufio"
	"errors"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"leat.dev/internal/cli/command"
	"leat.dev/internal/cli/fault"
	"leat.dev/internal/registry/access"
)

// newHash makes "leat registry hash".
func newHash(env *command.Env) *cobra.Command {
	var token bool
	cmd := &cobra.Command{
		Use:   "hash NAME",
		Short: "Make the line of a user or token for the file of --access",
		Long:  "Read a password, or with --token a token, from standard input, and write the line that stands for it in the file of --access.",
		Example: `  echo secret | leat registry hash ann >> registry.access
  openssl rand -hex 32 | tee ci.token | leat registry hash --token ci >> registry.access`,
		Args: command.Args(1, 1, "a name"), ValidArgsFunction: command.NoCompletion,
		RunE: func(_ *cobra.Command, args []string) error {
			line, err := bufio.NewReader(io.LimitReader(env.In, 64<<10)).ReadString('\n')
			if err != nil && !errors.Is(err, io.EOF) {
				return fault.Failed("cannot read the password: %w", err)
			}
			secret := strings.TrimRight(line, "\r\n")
			if secret == "" {
				return fault.Usage("no password on standard input").WithHint("for example: echo secret | leat registry hash %s", args[0])
			}
			if token {
				return env.Printf("token %s %s\n", args[0], access.HashToken(secret))
			}
			hash, err := access.HashPassword(secret)
			if err != nil {
				return fault.Failed("cannot hash the password: %w", err).WithHint("passwords have at most 72 bytes")
			}
			return env.Printf("user %s %s\n", args[0], hash)
		},
	}
	cmd.Flags().BoolVar(&token, "token", false, "what is read is a bearer token")
	return cmd
}
