package logfile

import (
	"github.com/spf13/cobra"

	"leat.dev/internal/cli/command"
)

// New makes the command tree.
func New(env *command.Env) *cobra.Command {
	return command.Parent("log", "Read and check the files of a log directory",
		"Read and check the files of a log directory, Leat's or Apache Kafka's. Nothing is changed, and no broker is needed.",
		newDump(env), newVerify(env))
}
