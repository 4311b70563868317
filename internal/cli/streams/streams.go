// Package streams has the commands for programs that process streams: those written with this project's library
// and those written with Kafka Streams. They start no goroutine.
package streams

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"leat.dev/internal/cli/command"
	"leat.dev/internal/cli/fault"
	"leat.dev/streams/describe"
)

// How wide a drawing is that does not go to a terminal, and the most a description may have.
const (
	widthDefault = 100
	widthMin     = 40
	bytesMax     = 16 << 20
)

// New makes "leat streams" with its subcommands.
func New(env *command.Env) *cobra.Command {
	return command.Parent("streams", "Look at applications that process streams, and reset them",
		"Look at applications that process streams, written with Leat's library or with Kafka Streams, and reset them.",
		newList(env), newDescribe(env), newLag(env), newReset(env))
}

var formats = []string{"terminal", "text", "json", "mermaid", "dot"}

func newDescribe(env *command.Env) *cobra.Command {
	var format string
	var width int
	cmd := &cobra.Command{
		Use:   "describe [FILE | APPLICATION]",
		Short: "Draw a topology from its description, or show a running application",
		Long: "Show the members of a running application: processes, workers, where they answer queries, their active, standby\n" +
			"and warm-up tasks (sub-topology and partition), and its internal topics. An argument that names no file is the\n" +
			"id of an application. Of members of Kafka Streams their user data of the versions 7 to 11 is understood.\n\n" +
			"Or draw a topology from its description: the text of Topology.describe() of Kafka Streams, that of Describe of\n" +
			"Leat's library, or the JSON that this command writes. Without FILE, or for -, it is read from standard input;\n" +
			"lines of a log around it do not matter.\n\n" +
			"Formats: terminal draws boxes and arrows, text is Kafka's, mermaid and dot are for Mermaid and Graphviz.",
		Example: "  leat streams describe orders\n  leat streams describe topology.txt\n  java -jar app.jar --describe | leat streams describe --format mermaid",
		Args:    command.Args(0, 1, "at most one FILE or APPLICATION"),
		RunE: func(cmd *cobra.Command, args []string) error {
			name := "-"
			if len(args) == 1 {
				name = args[0]
			}
			if !cmd.Flags().Changed("format") && !cmd.Flags().Changed("width") && !isFile(name) {
				return show(cmd.Context(), env, name)
			}
			if width != 0 && width < widthMin {
				return fault.Usage("--width %d is too narrow", width).WithHint("give at least %d columns", widthMin)
			}
			if width == 0 {
				width = env.Columns(widthDefault)
			}
			if env.JSON() {
				format = "json"
			}
			d, err := read(env, name)
			if err != nil {
				return err
			}
			switch format {
			case "terminal":
				return env.Printf("%s", d.Terminal(width))
			case "text":
				return env.Printf("%s", d.String())
			case "json":
				return env.Printf("%s", d.JSON())
			case "mermaid":
				return env.Printf("%s", d.Mermaid())
			case "dot":
				return env.Printf("%s", d.DOT())
			}
			return fault.Usage("--format %q is not a format", format).
				WithHint("%s", fault.DidYouMean(format, formats, "the formats are terminal, text, json, mermaid and dot"))
		},
	}
	f := cmd.Flags()
	f.StringVar(&format, "format", "terminal", "how to draw: terminal, text, json, mermaid or dot")
	f.IntVar(&width, "width", 0, "columns of a drawing; 0: those of the terminal, else 100")
	command.CompleteFlag(cmd, "format", formats...)
	command.CompleteFlagWith(cmd, "width", command.NoCompletion)
	return cmd
}

// isFile tells whether an argument is to be read rather than looked for in the cluster.
func isFile(name string) bool {
	if name == "-" || strings.ContainsRune(name, filepath.Separator) {
		return true
	}
	info, err := os.Stat(name)
	if err == nil && info.IsDir() { // of the program, as it happens: applications are named as their directories
		return false
	}
	return !errors.Is(err, fs.ErrNotExist)
}

func read(env *command.Env, name string) (*describe.Description, error) {
	what := name
	in := env.In
	if name == "-" {
		what = "standard input"
	} else {
		f, err := os.Open(name)
		if err != nil {
			return nil, cannotRead(what, err)
		}
		defer f.Close()
		in = f
	}
	raw, err := io.ReadAll(io.LimitReader(in, bytesMax+1))
	if err != nil {
		return nil, cannotRead(what, err)
	}
	if len(raw) > bytesMax {
		return nil, fault.Usage("%s is too large for a description", what).WithDetail("it has more than %d bytes", bytesMax)
	}
	if len(bytes.TrimSpace(raw)) == 0 {
		return nil, fault.Usage("%s is empty", what).WithHint("give it the text of Topology.describe()")
	}
	var d *describe.Description
	if bytes.HasPrefix(bytes.TrimSpace(raw), []byte("{")) {
		d, err = describe.ParseJSON(raw)
	} else {
		d, err = describe.Parse(string(raw))
	}
	if err != nil {
		hint := `it is the text of Topology.describe(), or the JSON of "leat streams describe --format json"`
		if name != "-" && !strings.ContainsRune(name, filepath.Separator) {
			hint += "; for an application of this name run it in a directory without such a file"
		}
		return nil, fault.Usage("%s is not the description of a topology", what).WithDetail("%v", err).WithHint("%s", hint)
	}
	return d, nil
}

func cannotRead(what string, err error) error {
	return fault.Usage("cannot read %s", what).WithDetail("%v", fault.PathCause(err))
}
