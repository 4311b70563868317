package schema

import (
	"net/http"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"leat.dev/internal/cli/command"
	"leat.dev/internal/cli/fault"
)

// definition is a schema as it is sent.
type definition struct {
	Schema     string      `json:"schema"`
	Type       string      `json:"schemaType,omitempty"`
	References []reference `json:"references,omitempty"`
	Metadata   *metadata   `json:"metadata,omitempty"`
}

type metadata struct {
	Properties map[string]string `json:"properties"`
}

// source are the flags that say what a schema is.
type source struct {
	kind       string
	references []string
	properties []string
	normalize  bool
}

func (s *source) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&s.kind, "type", "", "avro, json or protobuf (default by the file's name: .proto, .avsc, .schema.json; else avro)")
	f.StringArrayVar(&s.references, "reference", nil, "a schema that this one refers to, NAME=SUBJECT:VERSION; repeatable")
	f.BoolVar(&s.normalize, "normalize", false, "take schemas that say the same for the same")
	command.CompleteFlag(cmd, "type", "avro", "json", "protobuf")
}

// definition reads the schema of a file.
func (s *source) definition(r *remote, file string) (definition, error) {
	d := definition{Type: strings.ToUpper(s.kind)}
	switch d.Type {
	case "AVRO", "JSON", "PROTOBUF":
	case "":
		d.Type = kindOf(file)
	default:
		return d, fault.Usage("--type %q is not known", s.kind).WithHint("%s", fault.DidYouMean(s.kind, []string{"avro", "json", "protobuf"}, "the types are avro, json and protobuf"))
	}
	for _, text := range s.references {
		name, target, ok := strings.Cut(text, "=")
		i := strings.LastIndex(target, ":")
		if !ok || i < 0 {
			return d, fault.Usage("--reference %q is not of the form NAME=SUBJECT:VERSION", text).WithHint("for example --reference shop.Address=address-value:1")
		}
		number, err := strconv.Atoi(target[i+1:])
		if err != nil {
			return d, fault.Usage("--reference %q ends in no version", text).WithHint("for example --reference shop.Address=address-value:1")
		}
		d.References = append(d.References, reference{name, target[:i], number})
	}
	if len(s.properties) > 0 {
		_, values, err := command.ParseSettings("--property", s.properties)
		if err != nil {
			return d, err
		}
		d.Metadata = &metadata{values}
	}
	text, err := readSchema(r.env, file)
	d.Schema = strings.TrimSpace(string(text))
	return d, err
}

func kindOf(file string) string {
	switch base := strings.ToLower(filepath.Base(file)); {
	case strings.HasSuffix(base, ".proto"):
		return "PROTOBUF"
	case strings.HasSuffix(base, ".schema.json"), strings.HasSuffix(base, ".jsonschema"):
		return "JSON"
	}
	return "AVRO"
}

func (s *source) query() url.Values {
	if s.normalize {
		return url.Values{"normalize": {"true"}}
	}
	return url.Values{}
}

type registered struct {
	Subject string `json:"subject"`
	ID      int    `json:"id"`
	Version int    `json:"version,omitempty"`
}

func newRegister(r *remote) *cobra.Command {
	var s source
	cmd := &cobra.Command{
		Use: "register SUBJECT FILE", Short: "Register a schema",
		Long:    "Register a schema as the next version of a subject. One that the subject has already stays as it is, and its id is told.",
		Example: "  leat schema register orders-value orders.avsc\n  leat schema register pay-value pay.proto --reference common.proto=common:1\n  echo '\"string\"' | leat schema register names-value -",
		Args:    command.Args(2, 2, "a subject and a file"), ValidArgsFunction: r.completeSubjects,
		RunE: func(cmd *cobra.Command, args []string) error {
			d, err := s.definition(r, args[1])
			if err != nil {
				return err
			}
			out := registered{Subject: args[0]}
			if err := r.call(cmd.Context(), http.MethodPost, subjectPath(args[0])+"/versions", s.query(), d, &out); err != nil {
				return r.explain(cmd.Context(), "register the schema", args[0], err)
			}
			if out.Version == 0 { // older registries tell the id only
				var v version
				if r.call(cmd.Context(), http.MethodPost, subjectPath(args[0]), s.query(), d, &v) == nil {
					out.Version = v.Version
				}
			}
			return r.env.Emit(out, func() error {
				return r.env.Printf("%s version %d has id %d\n", out.Subject, out.Version, out.ID)
			})
		},
	}
	s.flags(cmd)
	cmd.Flags().StringArrayVar(&s.properties, "property", nil, "a property of the schema's metadata, name=value; repeatable")
	return cmd
}

type verdict struct {
	Compatible bool     `json:"is_compatible"`
	Messages   []string `json:"messages"`
}

func newCheck(r *remote) *cobra.Command {
	var s source
	var against string
	cmd := &cobra.Command{
		Use: "check SUBJECT FILE", Short: "Check whether a schema may become the next version of a subject",
		Long:    "Check a schema under the subject's compatibility level, and say what is incompatible. Nothing is registered. The exit code is 1\nif it is not compatible.",
		Example: "  leat schema check orders-value orders.avsc\n  leat schema check orders-value orders.avsc --version 1",
		Args:    command.Args(2, 2, "a subject and a file"), ValidArgsFunction: r.completeSubjects,
		RunE: func(cmd *cobra.Command, args []string) error {
			d, err := s.definition(r, args[1])
			if err != nil {
				return err
			}
			path := "/compatibility" + subjectPath(args[0]) + "/versions"
			if against != "" {
				path += "/" + url.PathEscape(against)
			}
			query := s.query()
			query.Set("verbose", "true")
			var v verdict
			if err := r.call(cmd.Context(), http.MethodPost, path, query, d, &v); err != nil {
				return r.explain(cmd.Context(), "check the schema", args[0], err)
			}
			err = r.env.Emit(v, func() error {
				if v.Compatible {
					return r.env.Printf("compatible with %s\n", args[0])
				}
				if err := r.env.Printf("not compatible with %s\n", args[0]); err != nil {
					return err
				}
				for _, m := range v.Messages {
					if err := r.env.Printf("  %s\n", m); err != nil {
						return err
					}
				}
				return nil
			})
			if err == nil && !v.Compatible {
				return fault.ErrReported
			}
			return err
		},
	}
	s.flags(cmd)
	cmd.Flags().StringVar(&against, "version", "", "compare with this version only, a number or latest (default what the level asks for)")
	return cmd
}
