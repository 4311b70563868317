package differ

import (
	"context"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"leat.dev/test/launch"
	"leat.dev/test/shell"
)

var (
	update   = flag.Bool("update", false, "record Apache Kafka's answers anew (with LEAT_DIFFER_KAFKA=1)")
	only     = flag.String("scripts", "", "run only scripts whose names hold this")
	progress = flag.Bool("progress", false, "print each request to standard error before it is sent")
)

const (
	scriptDir    = "testdata/scripts"
	recordDir    = "testdata/kafka"
	versionsFile = "testdata/versions.txt"
	knownFile    = "testdata/differences.txt"
)

// TestMain builds the program, unless LEAT names one.
func TestMain(m *testing.M) {
	if os.Getenv("LEAT") != "" {
		os.Exit(m.Run())
	}
	shell.TestMain(m)
}

func readVersions(t *testing.T) Versions {
	t.Helper()
	text, err := os.ReadFile(versionsFile)
	if err != nil {
		t.Fatal(err)
	}
	v, err := ParseVersions(string(text))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// goThrough runs the list, or only the scripts that are named, against a fresh broker for each profile.
func goThrough(t *testing.T, kind string, versions Versions, recorded Record, names ...string) []Answer {
	t.Helper()
	scripts, err := Scripts(scriptDir, versions)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	defer cancel()
	var out []Answer
	for _, profile := range []string{"plain", "secured"} {
		mine := slices.DeleteFunc(slices.Clone(scripts), func(s *Script) bool {
			return s.Profile != profile || !strings.Contains(s.Name, *only) || len(names) > 0 && !slices.Contains(names, s.Name)
		})
		if len(mine) == 0 {
			continue
		}
		b, err := Start(ctx, kind, profile, t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		s := &Side{Addr: b.Addr(), Kafka: kind == launch.Kafka, Recorded: recorded}
		if len(profiles[profile].Listeners) > 0 {
			s.Secured = b.AddrOf(profiles[profile].Listeners[0])
		}
		if *progress {
			s.Progress = func(what string) { fmt.Fprintln(os.Stderr, time.Now().Format("05.000"), kind, what) }
		}
		if err := s.Connect(ctx); err != nil {
			t.Fatalf("%s: %v\n%s", kind, err, b.LogTail(10))
		}
		if kind == launch.Kafka && *update && profile == "plain" {
			writeVersions(t, s.Versions)
		}
		answers, err := s.Run(ctx, mine, versions)
		if err != nil {
			t.Fatalf("%s: %v\n%s", kind, err, b.LogTail(10))
		}
		if !b.Running() {
			t.Errorf("%s ended:\n%s", kind, b.LogTail(30))
		}
		_ = b.Kill()
		out = append(out, answers...)
	}
	return out
}

func writeVersions(t *testing.T, v Versions) {
	t.Helper()
	text := "# What Apache Kafka 4.3.1 advertises on a broker's listener.\n" + v.String()
	if err := os.WriteFile(versionsFile, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// unsteady are the cases that Apache Kafka itself answers one way or the other, and why.
var unsteady = map[string]string{
	"138_Tokens: it is gone": "a token that was just ended is known until the metadata has come round",
}

// TestKafka sends the list to a live Apache Kafka and compares its answers with the recorded ones, or records them.
func TestKafka(t *testing.T) {
	if os.Getenv("LEAT_DIFFER_KAFKA") == "" {
		t.Skip("LEAT_DIFFER_KAFKA is not set: Apache Kafka is not started")
	}
	var recorded Record
	if !*update {
		var err error
		if recorded, err = ReadRecord(recordDir); err != nil {
			t.Fatal(err)
		}
	}
	answers := goThrough(t, launch.Kafka, readVersions(t), recorded)
	if *update {
		if err := WriteRecord(recordDir, answers); err != nil {
			t.Fatal(err)
		}
		return
	}
	for _, a := range answers {
		if unsteady[a.Script+": "+a.Case] != "" {
			continue
		}
		for _, d := range Compare(a, recorded[a.key()]) {
			if d.Ours == overtime { // a busy machine looks the same
				t.Logf("no answer in time: %s v%d, %s: %s", kmsg.NameForKey(int16(d.Key)), d.Version, d.Script, d.Case)
				continue
			}
			t.Errorf("Kafka answers otherwise today: %s v%d, %s: %s: %s: now %s, recorded %s",
				kmsg.NameForKey(int16(d.Key)), d.Version, d.Script, d.Case, d.Path, d.Ours, d.Theirs)
		}
	}
	t.Logf("%d answers", len(answers))
}

// TestLeat compares our broker's answers with the recorded ones of Apache Kafka.
func TestLeat(t *testing.T) {
	versions := readVersions(t)
	recorded, err := ReadRecord(recordDir)
	if err != nil {
		t.Fatal(err)
	}
	known, err := ReadKnown(knownFile, versions)
	if err != nil {
		t.Fatal(err)
	}
	answers := goThrough(t, launch.Leat, versions, recorded)
	differences := unlisted(t, answers, recorded, known)
	// Members and transactions of some cases time out while a script goes on. What a busy machine makes of that, it does not make twice.
	if scripts := scriptsOf(differences); len(scripts) > 0 {
		second := unlisted(t, goThrough(t, launch.Leat, versions, recorded, scripts...), recorded, known)
		differences = slices.DeleteFunc(differences, func(d Difference) bool {
			if slices.ContainsFunc(second, func(o Difference) bool { return o.key() == d.key() && o.Path == d.Path }) {
				return false
			}
			t.Logf("the first time, and not the second: %s", &d)
			return true
		})
	}
	found := digest{}
	for _, d := range differences {
		found.add(d)
	}
	for _, line := range found.lines() {
		t.Error(line)
	}
	t.Logf("%d answers compared, %d differences that are not listed", len(answers), found.n)
	if *only != "" {
		return
	}
	for _, r := range known {
		for _, l := range r.Lines {
			if l.Seen == 0 {
				t.Errorf("listed, but no longer there: %s | %d-%d | %s | %s", l.API, l.Low, l.High, l.Case, l.Path)
			}
		}
	}
}

// unlisted are the differences of answers that are not among the known ones.
func unlisted(t *testing.T, answers []Answer, recorded Record, known Known) []Difference {
	t.Helper()
	var out []Difference
	missing := map[kmsg.Key]int{}
	for _, a := range answers {
		theirs, ok := recorded[a.key()]
		if !ok {
			t.Errorf("no answer of Apache Kafka is recorded for %s: %s, round %d", a.Script, a.Case, a.Round)
			continue
		}
		if a.Text == notServed {
			missing[a.Key]++
			continue
		}
		for _, d := range Compare(a, theirs) {
			if !known.Explains(&d) {
				out = append(out, d)
			}
		}
	}
	for key, n := range missing {
		t.Errorf("%s is not served: %d requests not sent", kmsg.NameForKey(int16(key)), n)
	}
	return out
}

// scriptsOf are the scripts in which differences were found.
func scriptsOf(differences []Difference) []string {
	var out []string
	for i := range differences {
		if name := differences[i].Script; !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

// TestCoverage: every version of every API that Apache Kafka advertises stands in the list.
func TestCoverage(t *testing.T) {
	t.Parallel()
	versions := readVersions(t)
	scripts, err := Scripts(scriptDir, versions)
	if err != nil {
		t.Fatal(err)
	}
	covered := map[[2]int16]bool{}
	for _, s := range scripts {
		for _, p := range s.Parts {
			low, high := p.Min, p.Max
			if p.Once {
				low, high = 0, 0
			}
			for v := low; v <= high; v++ {
				for _, r := range p.Requests {
					version := r.version(p.Once, v, versions)
					covered[[2]int16{int16(r.Key), version}] = true
				}
			}
		}
	}
	for key, v := range versions {
		for n := v[0]; n <= v[1]; n++ {
			if !covered[[2]int16{int16(key), n}] {
				t.Errorf("no request in the list for %s v%d", kmsg.NameForKey(int16(key)), n)
			}
		}
	}
}
