package topology

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A script is what testdata/Describe.java was told to build, with the text that Kafka gave.
type script struct {
	name  string
	lines []string
	want  string
}

func readScripts(t testing.TB, path string) []script {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var out []script
	for part := range strings.SplitSeq("\n"+strings.TrimSuffix(string(raw), "\n"), "\n== ") {
		if part == "" {
			continue
		}
		head, want, ok := strings.Cut(part, "\n--\n")
		if !ok {
			t.Fatalf("%s: no -- in %q", path, part)
		}
		name, body, _ := strings.Cut(head, "\n")
		out = append(out, script{name, strings.Split(body, "\n"), want})
	}
	return out
}

// build replays a script.
func build(lines []string) (*Topology, error) {
	b := NewBuilder()
	for _, line := range lines {
		w := strings.Fields(line)
		if len(w) == 0 {
			continue
		}
		switch w[0] {
		case "source":
			b.AddSource(Source{Name: w[1], Topics: w[2:]})
		case "pattern":
			b.AddSource(Source{Name: w[1], Pattern: w[2]})
		case "processor":
			b.AddProcessor(w[1], nil, w[2:]...)
		case "sink":
			b.AddSink(Sink{Name: w[1], Topic: w[2]}, w[3:]...)
		case "dynamic":
			b.AddSink(Sink{Name: w[1], Extractor: "Pick"}, w[2:]...)
		case "store":
			b.AddStore(Store{Name: w[1], Logged: true}, w[2:]...)
		case "connect":
			b.ConnectStores(w[1], w[2:]...)
		case "global":
			b.AddGlobal(Store{Name: w[1]}, Source{Name: w[2], Topics: w[3:4]}, w[4], nil)
		case "readonly":
			b.AddReadOnly(Store{Name: w[1]}, Source{Name: w[2], Topics: w[3:4]}, w[4], nil)
		case "internal":
			b.AddInternalTopic(InternalTopic{Name: w[1]})
		case "copartition":
			b.Copartition(w[1:]...)
		default:
			return nil, fmt.Errorf("unknown line %q", line)
		}
	}
	return b.Build()
}

func TestDescribeIsKafkasText(t *testing.T) {
	for _, file := range []string{"describe.txt", "random.txt"} {
		for _, s := range readScripts(t, filepath.Join("testdata", file)) {
			t.Run(file+"/"+s.name, func(t *testing.T) { checkScript(t, s) })
		}
	}
	// A larger file of the same form may be given for one run.
	if more := os.Getenv("LEAT_DESCRIBE_SCRIPTS"); more != "" {
		for _, s := range readScripts(t, more) {
			t.Run(s.name, func(t *testing.T) { checkScript(t, s) })
		}
	}
}

func checkScript(t *testing.T, s script) {
	topo, err := build(s.lines)
	if refused := strings.HasPrefix(s.want, "error: "); refused != (err != nil) {
		t.Fatalf("error %v, Kafka's answer:\n%s", err, s.want)
	}
	if err != nil {
		return
	}
	if got := topo.Describe(); got != s.want {
		t.Fatalf("got\n%s\nKafka's is\n%s", got, s.want)
	}
}
