package schema

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"leat.dev/internal/cli/command"
	"leat.dev/internal/cli/screen"
)

// version is one as the registry shows it.
type version struct {
	Subject    string      `json:"subject,omitempty"`
	Version    int         `json:"version,omitempty"`
	ID         int         `json:"id"`
	GUID       string      `json:"guid,omitempty"`
	Type       string      `json:"schemaType,omitempty"`
	References []reference `json:"references,omitempty"`
	Metadata   any         `json:"metadata,omitempty"`
	RuleSet    any         `json:"ruleSet,omitempty"`
	Schema     string      `json:"schema"`
	Deleted    bool        `json:"deleted,omitempty"`
}

type reference struct {
	Name    string `json:"name"`
	Subject string `json:"subject"`
	Version int    `json:"version"`
}

// kind is the type as people write it; registries leave it out for Avro.
func (v *version) kind() string { return strings.ToLower(cmp.Or(v.Type, "AVRO")) }

type listed struct {
	Subject  string `json:"subject"`
	Type     string `json:"type"`
	Versions []int  `json:"versions"`
	LatestID int    `json:"latest_id"`
}

// pageSize is how many versions are asked for at once: what registries give at most.
const pageSize = 1000

func newList(r *remote) *cobra.Command {
	var deleted bool
	cmd := &cobra.Command{
		Use: "list [PREFIX]", Short: "List subjects and their versions",
		Long:    "List subjects whose names begin with the prefix, with their versions. A subject of a context is written :.context:name.",
		Example: "  leat schema list\n  leat schema list orders- --deleted",
		Args:    command.Args(0, 1, "at most one prefix"), ValidArgsFunction: r.completeSubjects,
		RunE: func(cmd *cobra.Command, args []string) error {
			query := url.Values{"subjectPrefix": {":*:"}}
			prefix := ""
			if len(args) == 1 {
				prefix = args[0]
			}
			if deleted {
				query.Set("deleted", "true")
			}
			list := []*listed{}
			for offset := 0; ; {
				query.Set("offset", strconv.Itoa(offset))
				query.Set("limit", strconv.Itoa(pageSize))
				var page []version
				if err := r.call(cmd.Context(), http.MethodGet, "/schemas", query, nil, &page); err != nil {
					return r.explain(cmd.Context(), "list the schemas", "", err)
				}
				offset += len(page)
				for _, v := range page {
					if !strings.HasPrefix(v.Subject, prefix) {
						continue
					}
					if len(list) == 0 || list[len(list)-1].Subject != v.Subject {
						list = append(list, &listed{Subject: v.Subject})
					}
					l := list[len(list)-1]
					l.Versions, l.LatestID, l.Type = append(l.Versions, v.Version), v.ID, v.kind()
				}
				if len(page) < pageSize {
					break
				}
			}
			slices.SortFunc(list, func(a, b *listed) int { return strings.Compare(a.Subject, b.Subject) })
			return r.env.Emit(list, func() error {
				t := screen.NewTable("SUBJECT", "TYPE", "VERSIONS", "LATEST ID>")
				for _, l := range list {
					t.Row(l.Subject, l.Type, spans(l.Versions), l.LatestID)
				}
				return t.Write(r.env.Screen)
			})
		},
	}
	cmd.Flags().BoolVar(&deleted, "deleted", false, "list soft-deleted versions too")
	return cmd
}

// spans writes numbers as 1-3,5.
func spans(list []int) string {
	slices.Sort(list)
	var parts []string
	for i := 0; i < len(list); {
		j := i
		for j+1 < len(list) && list[j+1] == list[j]+1 {
			j++
		}
		text := strconv.Itoa(list[i])
		if j > i {
			text += "-" + strconv.Itoa(list[j])
		}
		parts = append(parts, text)
		i = j + 1
	}
	return strings.Join(parts, ",")
}
