// Package schema holds the commands under "leat schema". They ask a schema registry over HTTP, ours or any other that serves
// Confluent's API, and start no goroutines.
package schema

import (
	"os"

	"github.com/spf13/cobra"

	"leat.dev/internal/cli/command"
)

// DefaultURL is where a registry is looked for when nothing else is said.
const DefaultURL = "http://localhost:8081"

// New makes the command tree.
func New(env *command.Env) *cobra.Command {
	r := &remote{env: env}
	cmd := command.Parent("schema", "List, show, register, check, compare and delete schemas",
		"Schemas of a schema registry: the one of \"leat up\", \"leat registry\", or any other with Confluent's API.\n\n"+
			"--user and --password, --tls-ca, --tls-cert and --tls-key are here for the registry; the environment variables are\n"+
			"LEAT_REGISTRY_USER, LEAT_REGISTRY_PASSWORD and LEAT_REGISTRY_TOKEN.",
		newList(r), newShow(r), newRegister(r), newCheck(r), newDiff(r), newDelete(r), newConfig(r), newMode(r))
	base := DefaultURL
	if v := env.Getenv("LEAT_REGISTRY"); v != "" {
		base = v
	}
	f := cmd.PersistentFlags()
	f.StringVar(&r.base, "registry", base, "URL of the schema registry (env LEAT_REGISTRY)")
	f.StringVar(&r.token, "token", "", "bearer token for the registry (env LEAT_REGISTRY_TOKEN, which no list of processes shows)")
	command.CompleteFlagWith(cmd, "registry", command.NoCompletion)
	command.CompleteFlagWith(cmd, "token", command.NoCompletion)
	return cmd
}

// readSchema reads a schema from a file, or from standard input for "-".
func readSchema(env *command.Env, name string) ([]byte, error) {
	if name == "-" {
		return readLimited(env.In, "standard input")
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, cannotRead(name, err)
	}
	defer f.Close()
	return readLimited(f, name)
}
