package streams_test

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// uncompilable are programs that Go's compiler refuses: the body of a function that has a Builder b and streams of strings
// (words) and of numbers (numbers). What it says stands in testdata/compile.
var uncompilable = map[string]string{
	"to-a-topic-of-another-type": `words.To(streams.NewTopic("numbers", streams.String, streams.Int64))`,
	"windows-without-grace":      `words.GroupByKey().Windowed(streams.Tumbling(time.Minute)).Count("n")`,
	"join-window-without-grace":  `words.Join("pairs", words, streams.Within(time.Minute), func(l, r string) string { return l })`,
	"left-join-without-ok":       `words.LeftJoinTable(users, func(v string, r string) string { return v })`,
	"left-join-of-another-type":  `words.LeftJoinTable(users, func(v string, r int, ok bool) string { return v })`,
	"error-in-a-short-form":      `words.MapValues(strconv.Atoi)`,
	"aggregate-of-another-type":  `words.GroupByKey().Aggregate("n", streams.Int64, func(n int64, v int) int64 { return n })`,
	"join-of-two-kinds-of-keys":  `words.JoinTable(byNumber, func(v, r string) string { return v })`,
	"merge-of-two-types":         `words.Merge(numbers)`,
	"windowed-to-a-plain-topic":  `words.GroupByKey().Windowed(streams.Tumbling(time.Minute).NoGrace()).Count("n").ToStream().To(streams.NewTopic("n", streams.String, streams.Int64))`,
	"store-of-another-type": `words.Process("p", streams.String, func(c *streams.Context[string, string]) func(streams.Record[string, string]) error {
		seen := streams.KeyValueStore("seen", streams.String, streams.Int64).In(c)
		return func(r streams.Record[string, string]) error { return seen.Put(r.Key, r.Value) }
	})`,
	"forward-of-another-type": `words.Process("p", streams.String, func(c *streams.Context[string, int64]) func(streams.Record[string, string]) error {
		return func(r streams.Record[string, string]) error { c.Forward(r); return nil }
	})`,
	"foreign-key-without-ok": `users.JoinBy("owners", users, strings.ToLower, func(l, r string) string { return l })`,
}

const compiled = `package p

import (
	"strconv"
	"strings"
	"time"

	"leat.dev/streams"
)

var _, _, _ = strconv.Atoi, strings.ToLower, time.Minute

func build(b *streams.Builder) {
	words := streams.NewTopic("words", streams.String, streams.String).Stream(b)
	numbers := streams.NewTopic("amounts", streams.String, streams.Int64).Stream(b)
	users := streams.NewTopic("users", streams.String, streams.String).Table(b, "users")
	byNumber := streams.NewTopic("by-number", streams.Int64, streams.String).Table(b, "by-number")
	_, _, _, _ = words, numbers, users, byNumber
	BODY
}
`

var packageLine = regexp.MustCompile(`(?m)^# .*/testdata/compile/`)

var position = regexp.MustCompile(`(?m)^(vet: )?\S*\.go:\d+:\d+: `)

// TestCompileErrors holds what users read when types do not fit: names of parameters and types in it are ours.
func TestCompileErrors(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("runs go vet")
	}
	dir := t.TempDir()
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	overlay := struct{ Replace map[string]string }{map[string]string{}}
	args := []string{"vet", "-overlay=" + filepath.Join(dir, "overlay.json")}
	for name, body := range uncompilable {
		file := filepath.Join(dir, name+".go")
		if err := os.MkdirAll(filepath.Join("testdata", "compile", name), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(strings.Replace(compiled, "BODY", body, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
		overlay.Replace[filepath.Join(here, "testdata", "compile", name, "p.go")] = file
		args = append(args, "./testdata/compile/"+name)
	}
	b, err := json.Marshal(overlay)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "overlay.json"), b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "go", args...).CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		t.Fatalf("go vet: %v\n%s", err, out)
	}
	says := map[string]string{}
	for _, part := range packageLine.Split("\n"+string(out), -1) {
		name, text, _ := strings.Cut(part, "\n")
		if _, again := says[name]; !again {
			text, _, _ = strings.Cut(text, "# [")
			says[name] = position.ReplaceAllString(strings.TrimSpace(text), "") + "\n"
		}
	}
	for name := range uncompilable {
		if says[name] == "" {
			t.Errorf("%s: the compiler takes it", name)
			continue
		}
		wantText(t, filepath.Join("testdata", "compile", name, "says.txt"), says[name])
	}
}

// TestProgramsStaySmall: what a program does not use is not compiled with it. This one has no windowed aggregate, session
// or suppression, and must not pay for them.
func TestProgramsStaySmall(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-export", "-f", "{{.Export}}", "leat.dev/examples/orders").Output()
	if err != nil {
		t.Skip("the compiler cannot be asked:", err)
	}
	info, err := os.Stat(strings.TrimSpace(string(out)))
	if err != nil {
		t.Fatal(err)
	}
	const limit = 40 << 20 // it was 93 MB when every type brought everything
	if info.Size() > limit {
		t.Errorf("examples/orders compiles to %d bytes, more than %d: does a method that is not generic lead to stores or windows? See ADR 10", info.Size(), limit)
	}
	t.Logf("examples/orders compiles to %d bytes", info.Size())
}
