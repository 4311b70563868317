package differ

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Difference is one field of one answer in which two brokers differ.
type Difference struct {
	Answer
	Path   string // Topics[0].ErrorCode; empty for the whole answer
	Ours   string
	Theirs string
}

func (d *Difference) String() string {
	return fmt.Sprintf("%s v%d, %s: %s: %s: ours %s, Kafka's %s", kmsg.NameForKey(int16(d.Key)), d.Version, d.Script, d.Case, d.Path, d.Ours, d.Theirs)
}

// Compare finds the fields in which an answer differs from the recorded one.
func Compare(a Answer, recorded string) []Difference {
	if a.Text == recorded {
		return nil
	}
	var out []Difference
	var ours, theirs any
	if json.Unmarshal([]byte(a.Text), &ours) != nil || json.Unmarshal([]byte(recorded), &theirs) != nil {
		return []Difference{{a, "", clip(a.Text), clip(recorded)}}
	}
	compareTrees(ours, theirs, "", func(path string, x, y any) {
		out = append(out, Difference{a, path, clip(compactOrAbsent(x)), clip(compactOrAbsent(y))})
	})
	return out
}

func clip(s string) string {
	if len(s) > 300 {
		return s[:300] + "…"
	}
	return s
}

// absent stands for a field that has its default value.
type absent struct{}

func compactOrAbsent(v any) string {
	if _, ok := v.(absent); ok {
		return "absent"
	}
	return compact(v)
}

func compareTrees(x, y any, path string, differ func(string, any, any)) {
	switch a := x.(type) {
	case map[string]any:
		b, ok := y.(map[string]any)
		if !ok {
			break
		}
		names := slices.Sorted(maps.Keys(a))
		for k := range b {
			if _, ok := a[k]; !ok {
				names = append(names, k)
			}
		}
		for _, k := range names {
			p := strings.TrimPrefix(path+"."+k, ".")
			va, okA := a[k]
			vb, okB := b[k]
			switch {
			case !okA:
				differ(p, absent{}, vb)
			case !okB:
				differ(p, va, absent{})
			default:
				compareTrees(va, vb, p, differ)
			}
		}
		return
	case []any:
		b, ok := y.([]any)
		if !ok {
			break
		}
		if len(a) != len(b) {
			compareSets(a, b, path, differ)
			return
		}
		for i := range a {
			compareTrees(a[i], b[i], fmt.Sprintf("%s[%d]", path, i), differ)
		}
		return
	}
	if compact(x) != compact(y) {
		differ(path, x, y)
	}
}

// compareSets names what only one of two arrays of different lengths has. Elements that have names are compared with
// those of the same name.
func compareSets(a, b []any, path string, differ func(string, any, any)) {
	if named := byIdentity(b); named != nil && byIdentity(a) != nil {
		for _, e := range a {
			other, ok := named[identity(e)]
			if !ok {
				differ(path+"[]", e, absent{})
				continue
			}
			delete(named, identity(e))
			compareTrees(e, other, path+"[0]", differ)
		}
		for _, k := range slices.Sorted(maps.Keys(named)) {
			differ(path+"[]", absent{}, named[k])
		}
		return
	}
	count := map[string]int{}
	for _, e := range b {
		count[compact(e)]++
	}
	for _, e := range a {
		if k := compact(e); count[k] > 0 {
			count[k]--
		} else {
			differ(path+"[]", e, absent{})
		}
	}
	for _, e := range b {
		if k := compact(e); count[k] > 0 {
			count[k]--
			differ(path+"[]", absent{}, e)
		}
	}
}

// byIdentity is nil if two elements have the same name.
func byIdentity(all []any) map[string]any {
	out := map[string]any{}
	for _, e := range all {
		out[identity(e)] = e
	}
	if len(out) < len(all) {
		return nil
	}
	return out
}

// Known are the differences that stay, with their reasons.
type Known []*Reason

// Reason is why some differences stay. Text is a sentence of docs/compat.md.
type Reason struct {
	Text  string
	Lines []*KnownLine
}

// KnownLine names differences: an API, its versions, a case and a path, the last two with * for any text.
type KnownLine struct {
	API       string
	Low, High int16
	Case      string
	Path      string
	Ours      string // empty: anything
	Seen      int    // how many differences it stood for
}

// ReadKnown reads the table: "why" and a reason, then a line for each kind of difference,
//
//	CreateTopics | 2-7 | too many * | Topics[*].ErrorCode
//	* | * | * | *ErrorMessage | "TEXT"
//
// with what ours is as a fifth column, if that matters.
func ReadKnown(file string, versions Versions) (Known, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var out Known
	n := 0
	for line := range strings.Lines(string(text)) {
		n++
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if why, ok := strings.CutPrefix(line, "why "); ok {
			out = append(out, &Reason{Text: why})
			continue
		}
		f := strings.Split(line, "|")
		if len(f) < 4 || len(f) > 5 || len(out) == 0 {
			return nil, fmt.Errorf("%s:%d: want API | versions | case | path below a why", file, n)
		}
		for i := range f {
			f[i] = strings.TrimSpace(f[i])
		}
		k := &KnownLine{API: f[0], High: maxKey, Case: f[2], Path: f[3]}
		if len(f) == 5 {
			k.Ours = f[4]
		}
		if f[0] != "*" {
			key, err := keyOf(f[0])
			if err == nil {
				k.Low, k.High, err = versions.parse(key, strings.TrimPrefix(f[1], "*"))
			}
			if err != nil {
				return nil, fmt.Errorf("%s:%d: %w", file, n, err)
			}
		}
		last := out[len(out)-1]
		last.Lines = append(last.Lines, k)
	}
	return out, nil
}

// Explains finds the line that a difference is listed in, and counts it.
func (k Known) Explains(d *Difference) bool {
	for _, r := range k {
		for _, l := range r.Lines {
			if (l.API == "*" || strings.EqualFold(l.API, kmsg.NameForKey(int16(d.Key)))) && (l.Ours == "" || glob(l.Ours, d.Ours)) && d.Version >= l.Low && d.Version <= l.High && glob(l.Case, d.Case) && glob(l.Path, d.Path) {
				l.Seen++
				return true
			}
		}
	}
	return false
}

// glob matches with * for any text.
func glob(pattern, text string) bool {
	first, rest, ok := strings.Cut(pattern, "*")
	if !ok {
		return pattern == text
	}
	if !strings.HasPrefix(text, first) {
		return false
	}
	text = text[len(first):]
	for i := range len(text) + 1 {
		if glob(rest, text[i:]) {
			return true
		}
	}
	return false
}
