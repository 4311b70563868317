package format_test

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"leat.dev/internal/format"
	"leat.dev/internal/row"
)

var recordJava = flag.Bool("record-java", false, "ask Java (19 or later) and write its answers to testdata/java.txt")

const javaAnswers = "testdata/java.txt"

// TestJavaRecorded holds our numbers and texts against answers of Java's that were written down: JDK 25's.
func TestJavaRecorded(t *testing.T) {
	t.Parallel()
	if *recordJava {
		questions := javaQuestions(1, 150)
		version, answers := askJava(t, questions)
		if version < 19 {
			t.Fatalf("Java %d prints doubles in its older way: LEAT_JAVA names a newer one", version)
		}
		var b bytes.Buffer
		for i, q := range questions {
			fmt.Fprintf(&b, "%s\t= %s\n", q, answers[i])
		}
		if err := os.WriteFile(javaAnswers, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	data, err := os.ReadFile(javaAnswers)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range strings.Lines(string(data)) {
		question, want, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t= ")
		if got := answerJava(question); got != want {
			t.Errorf("%q: %q, Java has %q", question, got, want)
		}
		n++
	}
	if n < 1_000 {
		t.Errorf("only %d answers", n)
	}
}

// TestJava asks a Java that is here; LEAT_JAVA_SEED makes it ask about other numbers.
func TestJava(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("asks Java, which takes some seconds")
	}
	seed, err := strconv.ParseUint(cmp.Or(os.Getenv("LEAT_JAVA_SEED"), "2"), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	questions := javaQuestions(seed, 10_000)
	version, answers := askJava(t, questions)
	longer := 0
	for i, q := range questions {
		got := answerJava(q)
		if got == answers[i] {
			continue
		}
		if kind, _, _ := strings.Cut(q, "\t"); version < 19 && (kind == "double" || kind == "float") {
			ours, _ := strconv.ParseFloat(got, 64)
			theirs, _ := strconv.ParseFloat(answers[i], 64)
			same := ours == theirs
			if kind == "float" {
				same = float32(ours) == float32(theirs)
			}
			if longer++; same && len(got) <= len(answers[i]) {
				continue
			}
		}
		t.Errorf("seed %d: %q: %q, Java %d has %q", seed, q, got, version, answers[i])
	}
	t.Logf("Java %d, %d questions; %d numbers that it prints with more digits than needed", version, len(questions), longer)
}

// askJava runs a Java on the questions: the one that LEAT_JAVA names, else the newest that is installed.
func askJava(t *testing.T, questions []string) (version int, answers []string) {
	t.Helper()
	java := os.Getenv("LEAT_JAVA")
	if java == "" {
		found, _ := filepath.Glob("/usr/lib/jvm/*-2?-*/bin/java")
		if path, err := exec.LookPath("java"); err == nil {
			found = append(found, path)
		}
		if len(found) == 0 {
			t.Skip("no java here")
		}
		java = found[0]
	}
	cmd := exec.CommandContext(t.Context(), java, "-Xmx256m", "testdata/Answers.java")
	cmd.Stdin = strings.NewReader(strings.Join(questions, "\n") + "\n")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Skipf("%s cannot run the program: %v %s", java, err, stderr.Bytes())
	}
	lines := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	if len(lines) != len(questions)+1 {
		t.Fatalf("%d answers to %d questions: %s", len(lines)-1, len(questions), stderr.Bytes())
	}
	version, _ = strconv.Atoi(lines[0])
	return version, lines[1:]
}

// javaQuestions makes n questions of each kind.
func javaQuestions(seed uint64, n int) []string {
	r := rand.New(rand.NewPCG(seed, 7))
	var q []string
	ask := func(kind string, args ...string) { q = append(q, kind+"\t"+strings.Join(args, "\t")) }
	pick := func(from string, most int) string {
		runes := []rune(from)
		var b strings.Builder
		for range 1 + r.IntN(most) {
			b.WriteRune(runes[r.IntN(len(runes))])
		}
		return b.String()
	}
	double := func() uint64 {
		switch r.IntN(5) {
		case 0: // a short decimal
			f, _ := strconv.ParseFloat(fmt.Sprintf("%de%d", r.IntN(100_000), r.IntN(40)-20), 64)
			return math.Float64bits(f)
		case 1: // a power of two, or next to it
			return uint64(r.IntN(2047))<<52 + uint64(r.IntN(3)) - 1
		case 2: // subnormal
			return r.Uint64N(1 << uint(1+r.IntN(52)))
		}
		return r.Uint64()
	}
	decimal := func() string {
		digits := pick("0123456789", 1+r.IntN(30))
		if p := r.IntN(len(digits) + 1); r.IntN(2) == 0 {
			digits = digits[:p] + "." + digits[p:]
		}
		if r.IntN(3) == 0 {
			digits += fmt.Sprintf("%s%s%d", pick("eE", 1), []string{"", "+", "-"}[r.IntN(3)], r.IntN(40))
		}
		return []string{"", "-", "+"}[r.IntN(3)] + digits
	}
	for range n {
		ask("double", fmt.Sprintf("%x", double()))
		ask("float", fmt.Sprintf("%x", math.Float32bits(float32(math.Float64frombits(double())))))
		ask("float", fmt.Sprintf("%x", r.Uint32()))
		ask("decimal", decimal())
		ask("decimal", pick("0123456789.eE+- ", 6))
		ask("arith", decimal(), decimal(), strconv.Itoa(r.IntN(30)-5))
		ask("parse", pick(" ", 2)+decimal()+pick(" dDfF", 1))
		ask("parse", []string{"", "-", "+"}[r.IntN(3)]+"0x"+pick("0123456789abcdefABCDEF.", 20)+"p"+[]string{"", "-", "+"}[r.IntN(3)]+pick("0123456789", 3)+[]string{"", "d", "F"}[r.IntN(3)])
		ask("parse", pick("0123456789.eExXpP+-dDfFNaInfity_ ", 7))
		ask("parse", []string{"NaN", "+NaN", "-NaN", "Infinity", "-Infinity", "+Infinity", "inf", "nan", "NaNd", "1e400", "-1e-400", "0x1p-1080", ""}[r.IntN(13)])
		keys := map[string]bool{}
		for range 1 + r.IntN(40) {
			keys[pick("abAB01_é€😀", 5)] = true
		}
		list := []string{}
		for k := range keys {
			list = append(list, k)
		}
		slices.Sort(list)
		r.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		ask("map", strings.Join(list, " "))
		raw := make([]byte, 1+r.IntN(8))
		for i := range raw {
			raw[i] = "\x7fa\x80\x8f\x90\x9f\xa0\xbf\xc0\xc1\xc2\xe0\xe1\xed\xef\xf0\xf1\xf4\xf5\xff"[r.IntN(20)]
		}
		ask("utf8", hex.EncodeToString(raw))
		ask("compare", pick("ab\ud7ff\ue000\uffff😀é", 3), pick("ab\ud7ff\ue000\uffff😀é", 3))
		ask("date", strconv.Itoa(int(int32(r.Uint32()))>>uint(r.IntN(16))))
	}
	return q
}

// answerJava is what ours says.
func answerJava(question string) string {
	q := strings.Split(question, "\t")
	switch q[0] {
	case "double":
		bits, _ := strconv.ParseUint(q[1], 16, 64)
		return string(row.AppendDouble(nil, math.Float64frombits(bits)))
	case "float":
		bits, _ := strconv.ParseUint(q[1], 16, 32)
		return string(row.AppendFloat(nil, math.Float32frombits(uint32(bits))))
	case "parse":
		f, ok := format.ParseJavaDouble(q[1])
		if !ok {
			return "error"
		}
		return bitsOf(f)
	case "decimal":
		d, err := row.ParseDec(q[1])
		if err != nil {
			return "error"
		}
		text := fmt.Sprintf("%s %d %d %d %s", d, d.Digits(), d.Scale(), d.Low64(), bitsOf(d.Double()))
		if d.Scale() < 100 && d.Scale() > -100 {
			text += " " + string(d.AppendPlain(nil))
		}
		return text
	case "arith":
		a, errA := row.ParseDec(q[1])
		b, errB := row.ParseDec(q[2])
		if errA != nil || errB != nil {
			return "error"
		}
		scale, _ := strconv.Atoi(q[3])
		show := func(d row.Dec, err error) string {
			if err != nil {
				return "error"
			}
			return d.String()
		}
		texts := []string{
			show(a.Add(b)), show(a.Sub(b)), show(a.Mul(b)), strconv.Itoa(a.Compare(b)),
			show(a.Rescale(int32(scale), row.RoundHalfUp)), show(a.Rescale(int32(scale), row.RoundHalfDown)), show(a.Rescale(int32(scale), row.RoundDown)), show(a.Div(b, int32(scale), row.RoundHalfUp)),
		}
		if b.Sign() != 0 {
			texts = append(texts, show(a.Rem(b)))
		}
		return strings.Join(texts, " ")
	case "map":
		var b strings.Builder
		for _, i := range row.JavaHashOrder(strings.Split(q[1], " "), 16) {
			fmt.Fprintf(&b, "%d ", i)
		}
		return b.String()
	case "utf8":
		raw, _ := hex.DecodeString(q[1])
		dec, _, err := format.NewKafka(format.Side{Columns: []row.Column{{Name: "F", Type: row.StringType}}})
		if err != nil {
			return err.Error()
		}
		r, err := dec.Decode(new(row.Arena), raw)
		if err != nil {
			return err.Error()
		}
		return hex.EncodeToString([]byte(r[0].Str()))
	case "compare":
		return strconv.Itoa(row.CompareStrings(q[1], q[2]))
	case "date":
		days, _ := strconv.Atoi(q[1])
		return string(row.AppendDate(nil, int32(days)))
	}
	return "what?"
}

func bitsOf(f float64) string {
	if math.IsNaN(f) {
		return "7ff8000000000000"
	}
	return strconv.FormatUint(math.Float64bits(f), 16)
}
