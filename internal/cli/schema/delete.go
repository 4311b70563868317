package schema

import (
	"net/http"
	"net/url"

	"github.com/spf13/cobra"

	"leat.dev/internal/cli/command"
)

func newDelete(r *remote) *cobra.Command {
	var number string
	var permanent bool
	cmd := &cobra.Command{
		Use: "delete SUBJECT", Short: "Delete a subject or one of its versions",
		Long: "Delete a subject with all versions, or one version. What is deleted is hidden, and its ids stay readable; --permanent removes\n" +
			"for good what was deleted before.",
		Example: "  leat schema delete orders-value --version 2\n  leat schema delete orders-value\n  leat schema delete orders-value --permanent",
		Args:    command.Args(1, 1, "a subject"), ValidArgsFunction: r.completeSubjects,
		RunE: func(cmd *cobra.Command, args []string) error {
			query := url.Values{}
			if permanent {
				query.Set("permanent", "true")
			}
			gone := []int{}
			path, into := subjectPath(args[0]), any(&gone)
			if number != "" {
				gone = []int{0}
				path, into = path+"/versions/"+url.PathEscape(number), &gone[0]
			}
			if err := r.call(cmd.Context(), http.MethodDelete, path, query, nil, into); err != nil {
				return r.explain(cmd.Context(), "delete "+args[0], args[0], err)
			}
			return r.env.Emit(map[string]any{"subject": args[0], "versions": gone, "permanent": permanent}, func() error {
				how := "deleted"
				if permanent {
					how = "permanently deleted"
				}
				noun := "version"
				if len(gone) > 1 {
					noun = "versions"
				}
				return r.env.Printf("%s %s %s of %s\n", how, noun, spans(gone), args[0])
			})
		},
	}
	cmd.Flags().StringVar(&number, "version", "", "delete this version only: a number or latest")
	cmd.Flags().BoolVar(&permanent, "permanent", false, "remove for good what was deleted before")
	return cmd
}
