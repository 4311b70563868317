package schema_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sort"
	"strings"
	"testing"
)

// recordings are sessions of Confluent's registry 8.0.2; the folder is not part of the project.
const recordings = "/work/shared/conformance/registry"

// deliberate lists the recorded steps that we answer otherwise, and why. A key is a case id, or case id and
// step as "avro-compat-001/3"; an entry that no longer differs fails the test.
var deliberate = map[string]string{
	"proto-canonical-045": "upstream prints the default of a bytes field without quotes and then cannot read its own text; ours quotes it",
}

type recordedCase struct {
	ID    string
	Name  string
	Area  string
	Setup []recordedRequest
	Steps []struct {
		Request  recordedRequest
		Response *struct {
			Status        int
			Body          json.RawMessage
			Text          *string
			UpstreamFault bool `json:"upstream_fault"`
			Compare       string
		}
	}
	Recorded map[string]any
}

type recordedRequest struct {
	Method  string
	Path    string
	Headers map[string]string
	Body    json.RawMessage
	Raw     *string
}

// TestRecordedSessions replays every recorded request that the part of the registry without I/O can answer,
// against the smallest registry that can hold its state.
func TestRecordedSessions(t *testing.T) {
	files, _ := filepath.Glob(filepath.Join(recordings, "*.jsonl"))
	if len(files) == 0 {
		t.Skipf("no recorded sessions in %s", recordings)
	}
	only := os.Getenv("LEAT_REPLAY_ONLY")
	seen := map[string]bool{}
	for _, file := range files {
		area := strings.TrimSuffix(filepath.Base(file), ".jsonl")
		t.Run(area, func(t *testing.T) {
			var passed, differing, faults, foreign, cases int
			for _, c := range readCases(t, file) {
				if only != "" && !strings.Contains(c.ID, only) {
					continue
				}
				if slices.ContainsFunc(c.Setup, func(q recordedRequest) bool { return served(q) != answered }) {
					foreign += len(c.Steps)
					continue
				}
				cases++
				reg := newMiniature()
				b := bindings{}
				for k, v := range c.Recorded {
					b[k] = v
				}
				for _, q := range c.Setup {
					reg.serve(q.Method, b.fill(q.Path), b.fill(string(q.Body)))
				}
				for i, s := range c.Steps {
					kind := served(s.Request)
					if kind == changes {
						foreign += len(c.Steps) - i
						break
					}
					if kind == reads || s.Response != nil && s.Response.Compare != "" {
						foreign++
						continue
					}
					status, body := reg.serve(s.Request.Method, b.fill(s.Request.Path), b.fill(requestText(s.Request)))
					if s.Response == nil {
						continue
					}
					if s.Response.UpstreamFault {
						faults++
						continue
					}
					if ok := status == s.Response.Status && b.answer(s.Response.Body, s.Response.Text, body); ok {
						passed++
						continue
					}
					key := fmt.Sprintf("%s/%d", c.ID, i)
					if deliberate[key] == "" && deliberate[c.ID] != "" {
						key = c.ID
					}
					seen[key] = true
					if deliberate[key] != "" {
						differing++
						continue
					}
					want := string(s.Response.Body)
					if s.Response.Text != nil {
						want = *s.Response.Text
					}
					t.Errorf("%s/%d %q: %s %s\n sent %s\n want %d %s\n got  %d %s", c.ID, i, c.Name, s.Request.Method, s.Request.Path,
						cut(requestText(s.Request)), s.Response.Status, cut(want), status, cut(body))
				}
			}
			t.Logf("%s: %d cases, %d steps equal, %d deliberately different, %d upstream faults passed over; %d steps need the whole registry",
				area, cases, passed, differing, faults, foreign)
		})
	}
	if only == "" {
		for _, key := range slices.Sorted(maps.Keys(deliberate)) {
			if !seen[key] {
				t.Errorf("%s is listed as deliberately different and is not", key)
			}
		}
	}
}

func requestText(q recordedRequest) string {
	if q.Raw != nil {
		return *q.Raw
	}
	return string(q.Body)
}

func cut(s string) string {
	if len(s) > 1800 {
		return s[:1800] + "..."
	}
	return s
}

func readCases(t *testing.T, file string) []recordedCase {
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var out []recordedCase
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var c recordedCase
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			t.Fatal(err)
		}
		out = append(out, c)
	}
	return out
}

// bindings hold the values of placeholders: $id1, $guid1, ... are bound where they are first seen.
type bindings map[string]any

var (
	placeholder = regexp.MustCompile(`\$(?:id|guid)\d+`)
	gap         = regexp.MustCompile(`\$(?:id|guid)\d+|\$any`)
	whole       = regexp.MustCompile(`^\$(?:id|guid)\d+$`)
)

func (b bindings) fill(text string) string {
	return placeholder.ReplaceAllStringFunc(text, func(p string) string {
		if v, ok := b[p]; ok {
			return fmt.Sprint(v)
		}
		return p
	})
}

func (b bindings) answer(want json.RawMessage, text *string, got string) bool {
	if want == nil {
		return text == nil || b.fill(*text) == got
	}
	var w, g any
	if json.Unmarshal(want, &w) != nil || json.Unmarshal([]byte(got), &g) != nil {
		return false
	}
	return b.match(w, g)
}

func (b bindings) match(want, got any) bool {
	switch w := want.(type) {
	case string:
		return b.matchText(w, got)
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok || len(g) != len(w) {
			return false
		}
		keys := slices.Collect(maps.Keys(w))
		sort.Strings(keys)
		for _, k := range keys {
			if v, ok := g[k]; !ok || !b.match(w[k], v) {
				return false
			}
		}
		return true
	case []any:
		g, ok := got.([]any)
		return ok && slices.EqualFunc(w, g, b.match)
	}
	return want == got
}

func (b bindings) matchText(want string, got any) bool {
	if want == "$ts" {
		return true
	}
	if whole.MatchString(want) {
		if v, ok := b[want]; ok {
			return v == got
		}
		for k, v := range b {
			if k[:3] == want[:3] && v == got {
				return false
			}
		}
		b[want] = got
		return true
	}
	g, ok := got.(string)
	if !ok {
		return false
	}
	want = b.fill(want)
	if !gap.MatchString(want) {
		return want == g
	}
	parts := gap.Split(want, -1)
	for i := range parts {
		parts[i] = regexp.QuoteMeta(parts[i])
	}
	return regexp.MustCompile("(?s)^" + strings.Join(parts, ".+") + "$").MatchString(g)
}
