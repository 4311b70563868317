package schema

import (
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"leat.dev/internal/cli/command"
	"leat.dev/internal/cli/fault"
)

// difference is the outcome of a comparison: lines with "  ", "- " or "+ " ahead.
type difference struct {
	Subject string   `json:"subject"`
	From    string   `json:"from"`
	To      string   `json:"to"`
	Equal   bool     `json:"equal"`
	Lines   []string `json:"lines"`
}

func newDiff(r *remote) *cobra.Command {
	var file string
	var deleted bool
	cmd := &cobra.Command{
		Use: "diff SUBJECT [FROM [TO]]", Short: "Compare two versions of a subject",
		Long: "Compare two versions of a subject line by line: without numbers the latest with the one before it, with one number that one\n" +
			"with the latest. With --file a file is compared instead of TO.",
		Example: "  leat schema diff orders-value\n  leat schema diff orders-value 1 3\n  leat schema diff orders-value --file orders.avsc",
		Args:    command.Args(1, 3, "a subject"), ValidArgsFunction: r.completeSubjects,
		RunE: func(cmd *cobra.Command, args []string) error {
			if file != "" && len(args) == 3 {
				return fault.Usage("--file stands for TO: both cannot be given")
			}
			from, to := "", "latest"
			if len(args) > 1 {
				from = args[1]
			}
			if len(args) > 2 {
				to = args[2]
			}
			newer, err := r.version(cmd.Context(), args[0], to, deleted)
			if err != nil {
				return err
			}
			older := newer
			switch {
			case from != "":
				older, err = r.version(cmd.Context(), args[0], from, deleted)
			case file == "":
				if newer.Version == 1 {
					return fault.Failed("%s has one version only", args[0]).WithHint("--file FILE compares it with a file")
				}
				older, err = r.version(cmd.Context(), args[0], strconv.Itoa(newer.Version-1), deleted)
			}
			if err != nil {
				return err
			}
			d := difference{Subject: args[0], From: "version " + strconv.Itoa(older.Version), To: "version " + strconv.Itoa(newer.Version)}
			if file != "" {
				text, err := readSchema(r.env, file)
				if err != nil {
					return err
				}
				newer.Schema, d.To = string(text), file
			}
			d.Lines = compare(strings.Split(strings.TrimSpace(pretty(&older)), "\n"), strings.Split(strings.TrimSpace(pretty(&newer)), "\n"))
			d.Equal = true
			for _, l := range d.Lines {
				d.Equal = d.Equal && strings.HasPrefix(l, "  ")
			}
			return r.env.Emit(d, func() error {
				if d.Equal {
					return r.env.Printf("%s and %s of %s are equal\n", d.From, d.To, d.Subject)
				}
				return r.env.Printf("--- %s, %s\n+++ %s\n%s\n", d.Subject, d.From, d.To, strings.Join(d.Lines, "\n"))
			})
		},
	}
	cmd.Flags().StringVar(&file, "file", "", "compare with this file, - for standard input")
	cmd.Flags().BoolVar(&deleted, "deleted", false, "take soft-deleted versions too")
	return cmd
}

// compareLinesMax bounds the table of the comparison; longer texts are shown as all old, then all new lines.
const compareLinesMax = 4000

// compare gives the lines of both texts in order, with what only one has marked, and as few marks as possible.
func compare(a, b []string) []string {
	if len(a) > compareLinesMax || len(b) > compareLinesMax {
		return append(mark("- ", a), mark("+ ", b)...)
	}
	// common[i][j] is the length of the longest common subsequence of a[i:] and b[j:].
	common := make([][]int32, len(a)+1)
	for i := range common {
		common[i] = make([]int32, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				common[i][j] = common[i+1][j+1] + 1
			} else {
				common[i][j] = max(common[i+1][j], common[i][j+1])
			}
		}
	}
	var out []string
	i, j := 0, 0
	for i < len(a) && j < len(b) {
		switch {
		case a[i] == b[j]:
			out = append(out, "  "+a[i])
			i, j = i+1, j+1
		case common[i+1][j] >= common[i][j+1]:
			out = append(out, "- "+a[i])
			i++
		default:
			out = append(out, "+ "+b[j])
			j++
		}
	}
	return append(append(out, mark("- ", a[i:])...), mark("+ ", b[j:])...)
}

func mark(with string, lines []string) []string {
	out := make([]string, len(lines))
	for i, l := range lines {
		out[i] = with + l
	}
	return out
}
