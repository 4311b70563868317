package schema

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"leat.dev/internal/cli/command"
	"leat.dev/internal/cli/fault"
)

func newShow(r *remote) *cobra.Command {
	var number string
	var id int
	var deleted, raw bool
	cmd := &cobra.Command{
		Use: "show SUBJECT | --id ID", Short: "Show a schema",
		Long:    "Show a schema: the latest of a subject, another version of it, or the one with an id. -o json shows all that the registry tells of it.",
		Example: "  leat schema show orders-value\n  leat schema show orders-value --version 2\n  leat schema show --id 17 --raw > orders.avsc",
		Args:    command.Args(0, 1, "a subject"), ValidArgsFunction: r.completeSubjects,
		RunE: func(cmd *cobra.Command, args []string) error {
			byID := cmd.Flags().Changed("id")
			if byID == (len(args) == 1) {
				return fault.Usage("which schema?").WithHint("name a subject, or an id with --id")
			}
			var v version
			var err error
			if byID {
				if err = r.call(cmd.Context(), http.MethodGet, "/schemas/ids/"+strconv.Itoa(id), nil, nil, &v); err == nil {
					v.ID = id
				}
				err = r.explain(cmd.Context(), "show schema "+strconv.Itoa(id), "", err)
			} else {
				v, err = r.version(cmd.Context(), args[0], number, deleted)
			}
			if err != nil {
				return err
			}
			return r.env.Emit(v, func() error {
				text := v.Schema
				if !raw {
					text = pretty(&v)
				}
				return r.env.Printf("%s\n", strings.TrimRight(text, "\n"))
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&number, "version", "latest", "version of the subject: a number or latest")
	f.IntVar(&id, "id", 0, "id of the schema")
	f.BoolVar(&deleted, "deleted", false, "show it even if it is soft-deleted")
	f.BoolVar(&raw, "raw", false, "write the text as it is stored, on one line for Avro and JSON Schema")
	return cmd
}

// version asks for one version of a subject.
func (r *remote) version(ctx context.Context, subject, number string, deleted bool) (version, error) {
	var v version
	var query url.Values
	if deleted {
		query = url.Values{"deleted": {"true"}}
	}
	err := r.call(ctx, http.MethodGet, subjectPath(subject)+"/versions/"+url.PathEscape(number), query, nil, &v)
	return v, r.explain(ctx, "show version "+number+" of "+subject, subject, err)
}

// pretty is the text of a schema with line breaks.
func pretty(v *version) string {
	if v.kind() == "protobuf" {
		return v.Schema
	}
	var b bytes.Buffer
	if json.Indent(&b, []byte(v.Schema), "", "  ") != nil {
		return v.Schema
	}
	return b.String()
}
