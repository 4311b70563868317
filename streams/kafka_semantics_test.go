package streams_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"leat.dev/streams/streamstest"
)

// kafka is a process that runs the scripts' programs on Kafka Streams' TopologyTestDriver.
type kafka struct {
	in  io.Writer
	out *bufio.Scanner
}

const nullField = `\N`

func startKafka(t *testing.T) *kafka {
	t.Helper()
	lib := os.Getenv("LEAT_KAFKA_LIB")
	if lib == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			t.Fatal(err)
		}
		lib = filepath.Join(home, ".cache", "leat-oracle", "lib")
	}
	dir := t.TempDir()
	sources, err := filepath.Glob("testdata/semantics/java/*.java")
	if err != nil {
		t.Fatal(err)
	}
	jars := filepath.Join(lib, "*")
	if b, err := exec.CommandContext(t.Context(), "javac", append([]string{"-d", dir, "-cp", jars}, sources...)...).CombinedOutput(); err != nil {
		t.Fatalf("javac: %v\n%s", err, b)
	}
	cmd := exec.Command("java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Dorg.apache.logging.log4j.level=OFF",
		"-cp", dir+string(os.PathListSeparator)+jars, "Semantics", filepath.Join(dir, "state"))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := in.Close(); err != nil {
			t.Error(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	})
	return &kafka{in, bufio.NewScanner(out)}
}

// transcript asks for what a case does, in the form of the scripts.
func (k *kafka) transcript(t *testing.T, c *scriptCase, cache string) string {
	t.Helper()
	ask := "case\t" + c.program + "\t" + cache + "\n"
	for _, step := range c.steps {
		topic, line, _ := strings.Cut(step, ": ")
		if topic == "clock" {
			ask += "clock\t" + line + "\n"
			continue
		}
		r, err := streamstest.Parse(topic, line)
		if err != nil {
			t.Fatalf("%s: %q: %v", c.title, step, err)
		}
		ask += fmt.Sprintf("in\t%s\t%s\t%s\t%d", topic, field(r.Key), field(r.Value), r.Time)
		for _, h := range r.Headers {
			ask += "\t" + h.Key + "=" + string(h.Value)
		}
		ask += "\n"
	}
	if _, err := io.WriteString(k.in, ask+"end\n"); err != nil {
		t.Fatal(err)
	}
	outputs := make([]string, len(c.steps))
	trailer, failed := "", -1
	for k.out.Scan() && k.out.Text() != "end" {
		f := strings.Split(k.out.Text(), "\t")
		var step int
		switch f[0] {
		case "out":
			if _, err := fmt.Sscan(f[1], &step); err != nil {
				t.Fatal(err)
			}
			outputs[step] += "\t" + f[2] + ": " + line(f[3], f[4], f[5], f[6:]) + "\n"
		case "store":
			if c.noStores {
				continue
			}
			trailer += "store " + f[1] + ": " + line(f[2], f[3], f[4], nil) + "\n"
		case "dropped":
			if f[1] != "0" {
				trailer += "dropped: " + f[1] + "\n"
			}
		case "error":
			if _, err := fmt.Sscan(f[1], &failed); err != nil {
				t.Fatal(err)
			}
			if failed < 0 {
				t.Fatalf("%s: the program cannot be built", c.title)
			}
		default:
			t.Fatalf("%s: no answer: %q", c.title, k.out.Text())
		}
	}
	if err := k.out.Err(); err != nil {
		t.Fatal(err)
	}
	out := ""
	for i, step := range c.steps {
		out += step + "\n" + outputs[i]
		if i == failed {
			return out + "error"
		}
	}
	return strings.TrimSpace(out + trailer)
}

func field(b []byte) string {
	if b == nil {
		return nullField
	}
	return string(b)
}

func line(key, value, time string, headers []string) string {
	text := func(s string) string {
		switch s {
		case nullField:
			return "null"
		case "", "null":
			return `"` + s + `"`
		}
		return s
	}
	s := text(key) + " | " + text(value)
	if time != "-1" {
		s += " @" + time
	}
	if len(headers) > 0 {
		s += " {" + strings.Join(headers, ", ") + "}"
	}
	return s
}
