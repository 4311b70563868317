package cli

import (
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"leat.dev/internal/cli/command"
)

// release is set when a release is built (-ldflags "-X leat.dev/internal/cli.release=v1.2.3").
var release = ""

type versionInfo struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"`
	Modified bool   `json:"modified,omitempty"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func version() versionInfo {
	v := versionInfo{Version: release, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	if info, ok := debug.ReadBuildInfo(); ok {
		if v.Version == "" && info.Main.Version != "(devel)" {
			v.Version = info.Main.Version
		}
		for _, s := range info.Settings {
			switch s.Key {
			case "vcs.revision":
				v.Revision = s.Value
			case "vcs.modified":
				v.Modified = s.Value == "true"
			}
		}
	}
	if v.Version == "" {
		v.Version = "devel"
	}
	return v
}

func newVersion(env *command.Env) *cobra.Command {
	return &cobra.Command{
		Use:               "version",
		Short:             "Print the version of this program",
		Args:              command.Args(0, 0, "no argument"),
		ValidArgsFunction: command.NoCompletion,
		RunE: func(*cobra.Command, []string) error {
			v := version()
			return env.Emit(v, func() error {
				line := "leat " + v.Version
				if v.Revision != "" {
					line += " (" + v.Revision[:min(12, len(v.Revision))] + ")"
				}
				return env.Printf("%s %s %s\n", line, v.Go, v.Platform)
			})
		},
	}
}
