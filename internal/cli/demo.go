package cli

import (
	"errors"
	"os"

	"github.com/spf13/cobra"

	"leat.dev/internal/cli/command"
	"leat.dev/internal/cli/fault"
	"leat.dev/internal/demo"
)

func newDemo(env *command.Env) *cobra.Command {
	var o demo.Options
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "See real events go through a streams application, with a crash in the middle",
		Long: "Start a broker in a temporary directory, write earthquakes to it, count them per region and hour with two instances of\n" +
			"a streams application, kill the broker and an instance with SIGKILL in the middle, and check that nothing was lost and\n" +
			"nothing counted twice.",
		Args:              command.Args(0, 0, "no argument"),
		ValidArgsFunction: command.NoCompletion,
		RunE: func(cmd *cobra.Command, _ []string) error {
			program, err := os.Executable()
			if err != nil {
				return fault.Failed("cannot find this program's own file: %w", err)
			}
			o.Program, o.Out = program, env.Out
			o.Color = env.OutTerminal && env.Getenv("NO_COLOR") == ""
			if !cmd.Flags().Changed("events") {
				o.Events = demo.FindEvents(program)
			}
			err = demo.Run(cmd.Context(), o)
			if errors.Is(err, demo.ErrWrong) {
				return fault.ErrReported
			}
			if err != nil {
				return fault.Failed("the demo did not come to its end").WithDetail("%v", err)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&o.Events, "events", "", `file of earthquakes, one JSON object with id, time, mag and place per line; "" for made-up ones`)
	cmd.Flags().StringVar(&o.Dir, "data", "", "keep the data of the broker and the application in this directory")
	cmd.AddCommand(newDemoInstance())
	return cmd
}

// newDemoInstance is what the demo runs as processes of their own.
func newDemoInstance() *cobra.Command {
	var addr, state string
	cmd := &cobra.Command{
		Use: "instance", Hidden: true, Args: command.Args(0, 0, "no argument"), ValidArgsFunction: command.NoCompletion,
		Short: "Run an instance of the demo's application",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := demo.RunInstance(cmd.Context(), addr, state, os.Stderr); err != nil {
				return fault.Failed("the application ended").WithDetail("%v", err)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&addr, "bootstrap-servers", "localhost:9092", "address of the cluster")
	cmd.Flags().StringVar(&state, "state-dir", "", "where the state is kept")
	return cmd
}
