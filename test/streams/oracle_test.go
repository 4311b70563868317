package oracle

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"leat.dev/streams/streamstest"
	"leat.dev/test/launch"
)

var (
	seeds    = flag.Int("seeds", 0, "compare that many random inputs of each program with a live Kafka Streams; needs a JDK")
	from     = flag.Uint64("from", 1, "the first seed")
	only     = flag.String("program", "", "programs whose names match this expression only")
	minutes  = flag.Float64("minutes", 0, "end TestLive after that long; programs take turns")
	internal = flag.Bool("internal", true, "compare repartition topics and changelogs too")
	update   = flag.Bool("update", false, "record Kafka Streams' answers anew; needs a JDK")
	script   = flag.String("script", "", "a file with cases for TestAsk; needs a JDK")
)

const (
	recordedFile = "testdata/answers.txt"
	describeFile = "testdata/describe.txt"
)

// chosen are the programs that -program names.
func chosen(t *testing.T) []*Program {
	t.Helper()
	re, err := regexp.Compile("^(" + *only + ")$")
	if err != nil {
		t.Fatal(err)
	}
	if *only == "" {
		return Programs
	}
	return slices.DeleteFunc(slices.Clone(Programs), func(p *Program) bool { return !re.MatchString(p.Name) })
}

func startJava(t *testing.T) *Java {
	t.Helper()
	parent := ""
	if _, err := os.Stat("/dev/shm"); err == nil {
		parent = "/dev/shm" // hundreds of small databases a second
	}
	dir, err := os.MkdirTemp(parent, "leat-oracle-") //nolint:usetesting // in memory where it can be
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	j, err := StartJava(t.Context(), dir)
	if errors.Is(err, launch.ErrUnavailable) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = j.Close() })
	return j
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if errors.Is(err, os.ErrNotExist) {
		t.Skip("nothing is recorded: go test -update does it")
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func writeFile(t *testing.T, name, text string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o750), os.WriteFile(name, []byte(text), 0o600)); err != nil {
		t.Fatal(err)
	}
}

// TestRecorded runs the recorded inputs of every program and wants Java's recorded answers.
func TestRecorded(t *testing.T) {
	if *update {
		record(t)
	}
	all, err := ParseTranscripts(readFile(t, recordedFile))
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, p := range chosen(t) {
		names[p.Name] = true
	}
	for i, r := range all {
		if !names[r.Case.Program] {
			continue
		}
		t.Run(fmt.Sprintf("%s/%d", r.Case.Program, i), func(t *testing.T) {
			if d := Difference(r.Case, r.Answer, Run(r.Case)); d != "" {
				t.Error("\n" + d)
			}
		})
	}
}

// TestRestarted runs the recorded inputs again, with a restart after each record: what is written to output topics, and what
// stores hold in the end, has to be what Java said without one.
func TestRestarted(t *testing.T) {
	all, err := ParseTranscripts(readFile(t, recordedFile))
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]streamstest.RestartKind{"clean": streamstest.Clean, "killed": streamstest.Killed, "state lost": streamstest.LostState}
	for i, r := range all {
		p := Find(r.Case.Program)
		if p == nil || p.Clock || !strings.Contains(r.Case.Program, *only) {
			continue // timers begin anew
		}
		for name, kind := range kinds {
			t.Run(fmt.Sprintf("%s/%d/%s", r.Case.Program, i, name), func(t *testing.T) {
				java, ours := visible(r.Answer), visible(Run(r.Case, streamstest.RestartEach(kind)))
				if strings.Contains(r.Case.Program, "ss-outer") {
					// When an unmatched record is sent depends, in Kafka, on what was sent since the start: see known.go.
					java, ours = stepless(java), stepless(ours)
				}
				if d := Difference(r.Case, java, ours); d != "" {
					t.Error("\n" + d)
				}
			})
		}
	}
}

// visible is an answer without internal topics and drops, which are counted anew.
func visible(a Answer) Answer {
	a.Out = slices.DeleteFunc(slices.Clone(a.Out), func(o Output) bool { return !strings.HasPrefix(o.Topic, "out") })
	a.Drops = 0
	return a
}

// stepless is an answer that does not tell when.
func stepless(a Answer) Answer {
	for i := range a.Out {
		a.Out[i].Step = 0
	}
	slices.SortFunc(a.Out, func(x, y Output) int { return strings.Compare(x.Text, y.Text) })
	return a
}

// TestNullKeyWithGrace: Java dies of it, see known.go.
func TestNullKeyWithGrace(t *testing.T) {
	c := Case{Program: "st-left-grace", Steps: []Step{
		{Topic: "a", Key: []byte("k1"), Value: []byte("a1"), Time: 5},
		{Topic: "a", Value: []byte("b2"), Time: 7},
		{Topic: "a", Key: []byte("k1"), Value: []byte("a2"), Time: 25},
	}}
	a := Run(c)
	want := []Output{{1, "out", "~ (b2,%7E) 7"}, {2, "out", "k1 (a1,%7E) 5"}}
	if a.Failed != noFailure || !slices.Equal(a.Out, want) {
		t.Errorf("%s", Transcript(c, a))
	}
}

// recordedSteps keep the recordings small.
const recordedSteps = 18

func record(t *testing.T) {
	j := startJava(t)
	var s strings.Builder
	s.WriteString("# Answers of Kafka Streams 4.3.1, written by go test -run TestRecorded -update. Format: see the README.\n")
	for _, p := range Programs {
		s.WriteString(telling(t, j, p) + "\n")
	}
	writeFile(t, recordedFile, s.String())
}

// telling is the transcript of the seed with the most outputs, of a few.
func telling(t *testing.T, j *Java, p *Program) (transcript string) {
	t.Helper()
	most := -1
	for seed := range uint64(3) {
		c := Generate(p, seed)
		c.Steps = c.Steps[:min(len(c.Steps), recordedSteps)]
		c.Options = append(c.Options, "internal")
		a, err := j.Ask(c)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, o := range a.Out {
			if strings.HasPrefix(o.Topic, "out") {
				n++
			}
		}
		if n = min(n, 25); n > most {
			most, transcript = n, Transcript(c, a)
		}
	}
	return transcript
}

// TestTranscripts: what is written is read back as it was.
func TestTranscripts(t *testing.T) {
	all, err := ParseTranscripts(readFile(t, recordedFile))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range all {
		again, err := ParseTranscripts(Transcript(r.Case, r.Answer))
		if err != nil || len(again) != 1 {
			t.Fatal(r.Case.Program, len(again), err)
		}
		if d := Difference(r.Case, r.Answer, again[0].Answer); d != "" || again[0].Case.String() != r.Case.String() {
			t.Errorf("%s\n%s", d, again[0].Case)
		}
	}
	for _, b := range [][]byte{nil, {}, []byte("a b~%\x00\xff")} {
		if back, err := decode(encode(b)); err != nil || string(back) != string(b) || (back == nil) != (b == nil) {
			t.Errorf("%q comes back as %q (%v)", b, back, err)
		}
	}
}

// TestDescribe compares the drawing of every topology with Java's, optimised ones too.
func TestDescribe(t *testing.T) {
	if *update {
		j := startJava(t)
		var s strings.Builder
		for _, c := range describeCases() {
			text, err := j.Describe(c)
			if err != nil {
				t.Fatal(err)
			}
			s.WriteString("### " + strings.TrimPrefix(c.head(), "case ") + "\n" + text)
		}
		writeFile(t, describeFile, s.String())
	}
	recorded := map[string]string{}
	for part := range strings.SplitSeq(readFile(t, describeFile), "### ") {
		head, text, _ := strings.Cut(part, "\n")
		recorded[head] = text
	}
	for _, c := range describeCases() {
		head := strings.TrimPrefix(c.head(), "case ")
		t.Run(head, func(t *testing.T) {
			got, err := Describe(c)
			if err != nil {
				t.Fatal(err)
			}
			if want := recorded[head]; got != want {
				t.Error("\n" + strings.Join(lineDiff(strings.Split(want, "\n"), strings.Split(got, "\n")), "\n"))
			}
		})
	}
}

func describeCases() (all []Case) {
	for _, p := range Programs {
		if p.Name == "extractor" {
			continue // Java prints the name of the function's class there
		}
		all = append(all, Case{Program: p.Name})
		if p.Optimize {
			all = append(all, Case{Program: p.Name, Options: []string{"optimize"}})
		}
	}
	return all
}

// TestLive asks a live Kafka Streams, -seeds inputs for each program.
func TestLive(t *testing.T) {
	if *seeds == 0 {
		t.Skip("-seeds is not given: it compares random inputs with a live Kafka Streams")
	}
	j := startJava(t)
	names, err := j.Programs()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range Programs {
		if !slices.Contains(names, p.Name) {
			t.Errorf("there is no %s in Java", p.Name)
		}
	}
	programs, failed := chosen(t), map[string]bool{}
	end := time.Now().Add(time.Duration(*minutes * float64(time.Minute)))
	compared := 0
	// All programs get some seeds before any gets more.
	for seed := *from; seed < *from+uint64(*seeds); seed++ {
		for _, p := range programs {
			if *minutes > 0 && time.Now().After(end) {
				t.Logf("%d inputs compared, up to seed %d", compared, seed)
				return
			}
			if failed[p.Name] {
				continue
			}
			compared++
			if d := compareSeed(t, j, p, seed); d != "" {
				failed[p.Name] = true
				t.Errorf("seed %d\n%s", seed, d)
			}
		}
	}
	t.Logf("%d inputs compared", compared)
}

// compareSeed is empty where both agree, else the shortest input on which they do not, with both answers.
func compareSeed(t *testing.T, j *Java, p *Program, seed uint64) string {
	t.Helper()
	c := Generate(p, seed)
	if *internal {
		c.Options = append(c.Options, "internal")
	}
	differs := func(c Case) string {
		a, err := j.Ask(c)
		if err != nil {
			t.Fatal(err)
		}
		return Difference(c, a, Run(c))
	}
	if differs(c) == "" {
		return ""
	}
	return differs(Shrink(c, func(c Case) bool { return differs(c) != "" }))
}

// TestAsk prints what both sides make of a script.
func TestAsk(t *testing.T) {
	if *script == "" {
		t.Skip("-script names no file")
	}
	j := startJava(t)
	all, err := ParseTranscripts(readFile(t, *script))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range all {
		a, err := j.Ask(r.Case)
		if err != nil {
			t.Fatal(err)
		}
		if d := Difference(r.Case, a, Run(r.Case)); d != "" {
			t.Errorf("they differ:\n%s", d)
		} else {
			t.Logf("both say:\n%s", Transcript(r.Case, a))
		}
	}
}
