package streams_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"leat.dev/streams"
	"leat.dev/streams/streamstest"
)

var rewrite = flag.Bool("rewrite", false, "let Kafka Streams answer the scripts of testdata/semantics anew (needs a JDK and Kafka's jars)")

// TestSemantics runs the scripts of testdata/semantics, each with and without the record cache, and each of these again with
// a restart after every record: a clean one, and one that loses the state and restores it. What is expected was written by
// Kafka Streams itself; its README says how.
func TestSemantics(t *testing.T) {
	files, err := filepath.Glob("testdata/semantics/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no scripts: ", err)
	}
	var java *kafka
	if *rewrite {
		java = startKafka(t)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		s, err := parseScript(string(b))
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if java != nil {
			if err := os.WriteFile(file, []byte(s.rewritten(t, java)), 0o600); err != nil {
				t.Fatal(err)
			}
			continue
		}
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			for _, c := range s.cases {
				t.Run(c.title, c.run)
			}
		})
	}
}

// A script is a file: comments, and cases.
type script struct {
	comment string
	cases   []*scriptCase
}

// A scriptCase is one program with one input.
type scriptCase struct {
	title    string
	comment  []string
	program  string
	headers  []string // as written
	restarts bool
	noStores bool
	uncached bool      // with the cache, what Kafka Streams says without it is expected
	differs  bool      // from Kafka Streams, on purpose
	steps    []string  // lines "topic: key | value @time", or "clock: ms"
	expected [2]string // transcripts: cached, and not
}

var caseHeaders = regexp.MustCompile(`^(program|restarts|differs|cached|stores): (.*)$`)

func parseScript(text string) (*script, error) {
	s := &script{}
	parts := strings.Split("\n"+text, "\n== ")
	s.comment = strings.TrimSpace(parts[0])
	for _, part := range parts[1:] {
		title, body, _ := strings.Cut(part, "\n")
		c := &scriptCase{title: title, restarts: true}
		for body != "" {
			line, rest, _ := strings.Cut(body, "\n")
			m := caseHeaders.FindStringSubmatch(line)
			switch {
			case strings.HasPrefix(line, "#"):
				c.comment = append(c.comment, line)
			case m == nil:
				return s, c.parse(s, body)
			case m[1] == "program":
				c.program = m[2]
			case m[1] == "stores":
				c.noStores = true
			case m[1] == "cached":
				c.uncached = true
			case m[1] == "restarts":
				c.restarts = !strings.HasPrefix(m[2], "no")
			default:
				c.differs = true
			}
			if m != nil {
				c.headers = append(c.headers, line)
			}
			if body = rest; body != "" && !strings.HasPrefix(body, "#") && !caseHeaders.MatchString(firstLine(body)) {
				if err := c.parse(s, body); err != nil {
					return nil, fmt.Errorf("%s: %w", title, err)
				}
				body = ""
			}
		}
	}
	return s, nil
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

// parse reads the transcripts: one, or two behind the lines "-- cached" and "-- uncached".
func (c *scriptCase) parse(s *script, body string) error {
	if programs[c.program] == nil {
		return fmt.Errorf("there is no program %q", c.program)
	}
	s.cases = append(s.cases, c)
	one := strings.TrimSpace(body)
	if cached, ok := strings.CutPrefix(one, "-- cached\n"); ok {
		both := strings.SplitN(cached, "\n-- uncached\n", 2)
		if len(both) != 2 {
			return fmt.Errorf("a transcript with the cache has none without it")
		}
		c.expected = [2]string{strings.TrimSpace(both[0]), strings.TrimSpace(both[1])}
	} else {
		c.expected = [2]string{one, one}
	}
	for line := range strings.Lines(c.expected[0]) {
		line = strings.TrimRight(line, "\n")
		if line == "" || strings.HasPrefix(line, "\t") || strings.HasPrefix(line, "store ") || strings.HasPrefix(line, "dropped: ") || line == "error" {
			continue
		}
		c.steps = append(c.steps, line)
	}
	return nil
}

// String is the case as it stands in its file.
func (c *scriptCase) String() string {
	s := "== " + c.title + "\n"
	for _, l := range slices.Concat(c.comment, c.headers) {
		s += l + "\n"
	}
	if c.expected[0] == c.expected[1] {
		return s + c.expected[0] + "\n"
	}
	return s + "-- cached\n" + c.expected[0] + "\n-- uncached\n" + c.expected[1] + "\n"
}

func (s *script) rewritten(t *testing.T, java *kafka) string {
	t.Helper()
	out := s.comment + "\n"
	for _, c := range s.cases {
		if !c.differs {
			c.expected[1] = java.transcript(t, c, "off")
			if c.expected[0] = c.expected[1]; !c.uncached {
				c.expected[0] = java.transcript(t, c, "on")
			}
		}
		out += "\n" + c.String()
	}
	return out
}

func (c *scriptCase) run(t *testing.T) {
	for i, cache := range []string{"cached", "uncached"} {
		for kind, name := range map[streamstest.RestartKind]string{
			streamstest.NoRestart: "at once", streamstest.Clean: "restarted", streamstest.LostState: "restored",
		} {
			if !c.restarts && kind != streamstest.NoRestart {
				continue
			}
			t.Run(cache+" "+name, func(t *testing.T) {
				got := c.transcript(t, i == 0, streamstest.RestartEach(kind))
				if diff, same := streamstest.Diff(strings.Split(got, "\n"), strings.Split(c.expected[i], "\n")); !same {
					t.Errorf("program %s (- is missing, + was not expected)\n%s", c.program, diff)
				}
			})
		}
	}
}

// transcript runs the case and tells what it did, in the form of the scripts.
func (c *scriptCase) transcript(t *testing.T, cached bool, o ...streams.AppOption) string {
	t.Helper()
	d := streamstest.New(t, func(b *streams.Builder) { programs[c.program](builder{b, cached}) }, append(o, streams.GeneratedNames())...)
	var out strings.Builder
	seen := 0
	for _, step := range c.steps {
		out.WriteString(step + "\n")
		err := d.Try(func() { apply(t, d, step) })
		records := d.Records()
		var lines []string
		for _, r := range records[seen:] {
			if !strings.HasPrefix(r.Topic, "app-") {
				lines = append(lines, "\t"+r.Topic+": "+recordText(t, r)+"\n")
			}
		}
		seen = len(records)
		slices.SortStableFunc(lines, func(a, b string) int { return strings.Compare(topicOf(a), topicOf(b)) })
		out.WriteString(strings.Join(lines, ""))
		if err != nil {
			out.WriteString("error\n")
			return strings.TrimSpace(out.String())
		}
	}
	for _, name := range d.Stores() {
		if strings.HasPrefix(name, "store") && d.Listable(name) && !c.noStores {
			for line := range strings.Lines(d.StoreText(name)) {
				out.WriteString("store " + name + ": " + line)
			}
		}
	}
	if n := d.Dropped(); n > 0 {
		fmt.Fprintf(&out, "dropped: %d\n", n)
	}
	return strings.TrimSpace(out.String())
}

func topicOf(line string) string {
	topic, _, _ := strings.Cut(line, ":")
	return topic
}

func apply(t *testing.T, d *streamstest.Driver, step string) {
	t.Helper()
	topic, line, _ := strings.Cut(step, ": ")
	if topic != "clock" {
		d.In(textTopic(topic)).Text(line)
		return
	}
	n, err := strconv.Atoi(line)
	if err != nil {
		t.Fatal(err)
	}
	d.AdvanceWallClock(time.Duration(n) * time.Millisecond)
}

var windowTopic = regexp.MustCompile(`^w([0-9]+)$`)

// recordText is a record as text. Topics are typed by their names: w10 has windows of 10 ms, s sessions, other keys are strings; n
// at the end says that values are numbers.
func recordText(t *testing.T, r streamstest.Record) string {
	t.Helper()
	name, numbers := strings.CutSuffix(r.Topic, "n")
	ks := func(size time.Duration) streams.Serde[streams.Windowed[string]] {
		if size == 0 {
			return streams.SessionSerde(streams.String)
		}
		return streams.WindowedSerde(streams.String, size)
	}
	var line string
	var err error
	m := windowTopic.FindStringSubmatch(name)
	switch {
	case m != nil || name == "s":
		size := 0
		if m != nil {
			size, _ = strconv.Atoi(m[1])
		}
		if numbers {
			line, err = streamstest.Show(r, ks(ms(int64(size))), streams.Int64)
		} else {
			line, err = streamstest.Show(r, ks(ms(int64(size))), streams.String)
		}
	case numbers:
		line, err = streamstest.Show(r, streams.String, streams.Int64)
	default:
		line, err = streamstest.Show(r, streams.String, streams.String)
	}
	if err != nil {
		t.Fatal(err)
	}
	return line
}
