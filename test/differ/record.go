package differ

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const recordHead = "# What Apache Kafka 4.3.1 answers to ../scripts/%s.txt, by case and version. Written by `go test ./test/differ -update`\n" +
	"# with LEAT_DIFFER_KAFKA=1; normal.go says what its words stand for.\n"

// Answers longer than this are written once, with a label, and named by it where they come again.
const shortAnswer = 60

// WriteRecord writes answers to one file a script: cases in their order, versions with the same answer on one line.
func WriteRecord(dir string, answers []Answer) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for len(answers) > 0 {
		name := answers[0].Script
		n := slices.IndexFunc(answers, func(a Answer) bool { return a.Script != name })
		if n < 0 {
			n = len(answers)
		}
		if err := os.WriteFile(filepath.Join(dir, name+".txt"), []byte(formatRecord(name, answers[:n])), 0o644); err != nil {
			return err
		}
		answers = answers[n:]
	}
	return nil
}

func formatRecord(script string, answers []Answer) string {
	var cases []string
	rounds := map[string][]Answer{}
	for _, a := range answers {
		if rounds[a.Case] == nil {
			cases = append(cases, a.Case)
		}
		rounds[a.Case] = append(rounds[a.Case], a)
	}
	labels := map[string]string{}
	var b strings.Builder
	fmt.Fprintf(&b, recordHead, script)
	for _, c := range cases {
		fmt.Fprintf(&b, "> %s\n", c)
		all := rounds[c]
		for len(all) > 0 {
			n := 1
			for n < len(all) && all[n].Text == all[0].Text && all[n].Round == all[n-1].Round+1 {
				n++
			}
			which := fmt.Sprint(all[0].Round)
			if n > 1 {
				which = fmt.Sprintf("%d-%d", all[0].Round, all[n-1].Round)
			}
			text := all[0].Text
			if len(text) > shortAnswer {
				label, again := labels[text]
				if !again {
					label = fmt.Sprintf("#%d", len(labels)+1)
					labels[text] = label
					label += " " + text
				}
				text = label
			}
			fmt.Fprintf(&b, "%s %s\n", which, text)
			all = all[n:]
		}
	}
	return b.String()
}

// Record is what is read back: the text of an answer by script, case and round.
type Record map[recordKey]string

type recordKey struct {
	script, name string
	round        int16
}

func (a *Answer) key() recordKey { return recordKey{a.Script, a.Case, a.Round} }

// ReadRecord reads the files that WriteRecord wrote.
func ReadRecord(dir string) (Record, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.txt"))
	if err != nil {
		return nil, err
	}
	out := Record{}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			return nil, err
		}
		if err := out.parse(strings.TrimSuffix(filepath.Base(f), ".txt"), string(text)); err != nil {
			return nil, fmt.Errorf("%s: %w", f, err)
		}
	}
	return out, nil
}

func (r Record) parse(script, text string) error {
	name := ""
	labels := map[string]string{}
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if c, ok := strings.CutPrefix(line, "> "); ok {
			name = c
			continue
		}
		which, answer, _ := strings.Cut(line, " ")
		if strings.HasPrefix(answer, "#") {
			label, full, first := strings.Cut(answer, " ")
			if first {
				labels[label] = full
			}
			answer = labels[label]
		}
		var low, high int16
		if n, err := fmt.Sscanf(which, "%d-%d", &low, &high); err != nil {
			if n < 1 {
				return fmt.Errorf("%q: %w", line, err)
			}
			high = low
		}
		for v := low; v <= high; v++ {
			r[recordKey{script, name, v}] = answer
		}
	}
	return nil
}
