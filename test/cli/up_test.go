package cli

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// up is a running "leat up".
type up struct {
	t     *testing.T
	cmd   *exec.Cmd
	ready string        // its one line
	rest  chan []string // what it wrote after that
}

// command makes a leat command whose environment holds no settings but the given ones.
func command(dir string, env []string, args ...string) *exec.Cmd {
	cmd := exec.Command(os.Getenv("LEAT"), args...)
	cmd.Dir = dir
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "LEAT") {
			cmd.Env = append(cmd.Env, kv)
		}
	}
	cmd.Env = append(cmd.Env, env...)
	return cmd
}

func startUp(t *testing.T, dir string, env []string, args ...string) *up {
	t.Helper()
	cmd := command(dir, env, append([]string{"up", "--data", "data", "--listeners", "PLAINTEXT://127.0.0.1:0", "--http", "127.0.0.1:0", "--registry", "127.0.0.1:0"}, args...)...)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	u := &up{t: t, cmd: cmd, rest: make(chan []string, 1)}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	first := make(chan string, 1)
	go func() {
		s := bufio.NewScanner(stderr)
		if s.Scan() {
			first <- s.Text()
		}
		close(first)
		var lines []string
		for s.Scan() {
			lines = append(lines, s.Text())
		}
		u.rest <- lines
	}()
	select {
	case u.ready = <-first:
	case <-time.After(2 * time.Minute):
		t.Fatal("leat up says nothing")
	}
	return u
}

var readyLine = regexp.MustCompile(`^leat is ready in [\d.]+ (µs|ms|s): PLAINTEXT://(127\.0\.0\.1:\d+), metrics on (http://127\.0\.0\.1:\d+)/metrics, schema registry on http://127\.0\.0\.1:\d+, \d+ partitions?, data in (.*)$`)

func (u *up) addresses() (broker, web string) {
	u.t.Helper()
	m := readyLine.FindStringSubmatch(u.ready)
	if m == nil {
		u.t.Fatalf("the line %q is not as promised", u.ready)
	}
	return m[2], m[3]
}

// interrupt presses Ctrl-C, waits for the end and returns what was written after the first line.
func (u *up) interrupt() []string {
	u.t.Helper()
	if err := u.cmd.Process.Signal(syscall.SIGINT); err != nil {
		u.t.Fatal(err)
	}
	rest := <-u.rest
	if err := u.cmd.Wait(); err != nil {
		u.t.Errorf("after Ctrl-C: %v\n%s", err, strings.Join(rest, "\n"))
	}
	return rest
}

func output(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, out)
	}
	return string(out)
}

func TestUp(t *testing.T) {
	dir := t.TempDir()
	u := startUp(t, dir, nil)
	broker, web := u.addresses()
	for _, path := range []string{"/healthz", "/readyz", "/metrics"} {
		resp, err := http.Get(web + path)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", path, resp.Status)
		}
	}
	output(t, command(dir, nil, "topic", "create", "t", "-p", "3", "--bootstrap-servers", broker))
	output(t, command(dir, nil, "produce", "t", "--value", "kept", "--bootstrap-servers", broker))

	second := command(dir, nil, "up", "--data", "data", "--listeners", "PLAINTEXT://127.0.0.1:0", "--http", "off", "--registry", "off")
	out, err := second.CombinedOutput()
	want := "error: cannot use the data directory " + filepath.Join(dir, "data") + "\n  detail: another broker is running on it\n"
	if err == nil || second.ProcessState.ExitCode() != 1 || !strings.HasPrefix(string(out), want) {
		t.Errorf("a second broker on the directory: %v\n%s", err, out)
	}
	if rest := u.interrupt(); len(rest) != 0 {
		t.Errorf("more than one line: %q", rest)
	}

	u = startUp(t, dir, []string{"LEAT_LOG_LEVEL=info", "LEAT_LOG_FORMAT=json"})
	if !strings.HasPrefix(u.ready, "{") {
		t.Errorf("the log is not JSON: %s", u.ready)
	}
	u.interrupt()
	u = startUp(t, dir, nil)
	broker, _ = u.addresses()
	if got := output(t, command(dir, nil, "consume", "t", "--bootstrap-servers", broker)); got != "kept\n" {
		t.Errorf("after a restart the topic holds %q", got)
	}
	if got := output(t, command(dir, nil, "log", "verify", "data")); !strings.Contains(got, "(in use)") {
		t.Errorf("verify does not see the broker: %s", got)
	}
	u.interrupt()
	if got := output(t, command(dir, nil, "log", "verify", "data")); !strings.Contains(got, "no damage") || !strings.Contains(got, "(after a clean stop)") {
		t.Errorf("after an orderly stop: %s", got)
	}
}

// Flags win over the environment, which wins over the file.
func TestSettings(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"a.yaml":       "num.partitions: 2\nlog:\n  retention:\n    ms: 1000\ndata: elsewhere\n",
		"a.properties": "# Kafka's own\nnum.partitions=2\nlog.retention.ms = 1000\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			env  []string
			args []string
			want string
		}{
			{nil, nil, "2"},
			{[]string{"LEAT_NUM_PARTITIONS=3"}, nil, "3"},
			{[]string{"LEAT_NUM_PARTITIONS=3"}, []string{"--set", "num.partitions=4"}, "4"},
		} {
			u := startUp(t, dir, c.env, append(c.args, "--config", name)...)
			broker, _ := u.addresses()
			got := output(t, command(dir, nil, "config", "describe", "broker", "1", "--match", "^(num.partitions|log.retention.ms)$", "--bootstrap-servers", broker))
			if fields := strings.Fields(got); len(fields) != 9 || fields[4] != "1000" || fields[7] != c.want {
				t.Errorf("%s, %v, %v:\n%s", name, c.env, c.args, got)
			}
			u.interrupt()
		}
	}
}

func TestDemo(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	out := output(t, command(t.TempDir(), nil, "demo", "--events", ""))
	for _, want := range []string{"nothing lost: 1,500 events acknowledged, 1,500 of them in the log", "results differ", "kill -9", "all in"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}

// A demo that cannot run says why and fails.
func TestDemoFails(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "few"), bytes.Repeat([]byte("{}\n"), 3), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := command(dir, nil, "demo", "--events", "few")
	out, err := cmd.CombinedOutput()
	if err == nil || cmd.ProcessState.ExitCode() != 1 || !strings.Contains(string(out), "the demo did not come to its end") {
		t.Errorf("%v\n%s", err, out)
	}
}
