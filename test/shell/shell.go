// Package shell runs command lines against a fresh broker, as a person at a terminal would: the one program is built
// once, a broker is started with it, and commands run in a directory of their own with the program on their path.
// The script tests and the user guide stand on it. It owns no goroutine; the broker's belongs to launch.
package shell

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"leat.dev/test/launch"
)

// commandLimit is how long one command may take.
const commandLimit = 3 * time.Minute

// TestMain is the TestMain of a package whose tests run the program: it parses the flags, builds the program, and runs
// the tests.
func TestMain(m *testing.M) {
	flag.Parse()
	dir, err := os.MkdirTemp("", "leat-shell-")
	if err == nil {
		err = build(context.Background(), dir)
	}
	if err != nil {
		log.Fatal(err)
	}
	code := m.Run()
	for _, f := range atExit {
		f()
	}
	_ = os.RemoveAll(dir) // left behind at worst
	os.Exit(code)
}

var atExit []func()

// AtExit lets f run after all tests of the package, in TestMain. Tests that run beside others must not call it.
func AtExit(f func()) { atExit = append(atExit, f) }

// build builds the program into a directory and makes launch use it.
func build(ctx context.Context, dir string) error {
	root, err := launch.Root()
	if err != nil {
		return err
	}
	bin := filepath.Join(dir, "leat")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", bin, "./cmd/leat")
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build ./cmd/leat: %w\n%s", err, out)
	}
	return os.Setenv("LEAT", bin)
}

// Session is a broker and a directory to work in.
type Session struct {
	Broker *launch.Broker
	Work   string
	data   string
	shell  string

	registry    *exec.Cmd // nil if none runs
	registryURL string
}

// New starts a broker of a kind (launch.Leat or launch.Kafka) below dir. Commands are run by the given shell with the
// option that stops at the first error, if there is one.
func New(ctx context.Context, kind, dir, shell string) (*Session, error) {
	data := filepath.Join(dir, "data")
	b, err := launch.New(ctx, launch.Spec{
		Kind: kind, Dir: filepath.Join(dir, "broker"), Data: data,
		// Records have fixed times, and the machine may be slow: nothing is compacted after 15 s or deleted as too old after 30 s.
		Props: map[string]string{"group.initial.rebalance.delay.ms": "0", "log.cleaner.backoff.ms": "3600000", "log.retention.hours": "876000"},
	})
	if err != nil {
		return nil, err
	}
	s := &Session{Broker: b, Work: filepath.Join(dir, "work"), data: data, shell: shell}
	if err := os.MkdirAll(s.Work, 0o750); err != nil {
		return nil, err
	}
	if _, err := b.Start(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// Restart kills the broker and starts it again on the same data.
func (s *Session) Restart(ctx context.Context) error {
	if err := s.Broker.Kill(); err != nil {
		return err
	}
	_, err := s.Broker.Start(ctx)
	return err
}

// StartRegistry runs a schema registry beside the broker; commands find it by LEAT_REGISTRY. It outlives restarts of the
// broker, and ends with Close.
func (s *Session) StartRegistry(ctx context.Context) error {
	s.registry = exec.Command(os.Getenv("LEAT"), "registry", "--bootstrap-servers", s.Broker.Addr(), "--listen", "127.0.0.1:0", "--store-timeout", "30s")
	s.registry.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	s.registry.Dir = s.Work
	out, err := s.registry.StderrPipe()
	if err != nil {
		return err
	}
	if err := s.registry.Start(); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = s.registry.Process.Kill() })
	defer stop()
	var said strings.Builder
	for lines := bufio.NewScanner(out); lines.Scan(); { // a warning may come before
		if m := registryReady.FindStringSubmatch(lines.Text()); m != nil {
			s.registryURL = m[1]
			return nil
		}
		said.WriteString(lines.Text() + "\n")
	}
	return fmt.Errorf("the registry does not become ready: %s", said.String())
}

var registryReady = regexp.MustCompile(`^leat registry is ready in .*: (http://[0-9.:]+), `)

// Run runs a command line and returns what it wrote, to both streams, and its exit code.
func (s *Session) Run(ctx context.Context, line string) (output string, code int, err error) {
	ctx, cancel := context.WithTimeout(ctx, commandLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, s.shell, "-c", line)
	cmd.Dir = s.Work
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "LEAT") && !strings.HasPrefix(kv, "PATH=") && !strings.HasPrefix(kv, "TZ=") {
			cmd.Env = append(cmd.Env, kv)
		}
	}
	cmd.Env = append(cmd.Env,
		"PATH="+filepath.Dir(os.Getenv("LEAT"))+string(os.PathListSeparator)+os.Getenv("PATH"),
		"LEAT_BOOTSTRAP_SERVERS="+s.Broker.Addr(), "DATA="+s.data, "TZ=UTC")
	if s.registryURL != "" {
		cmd.Env = append(cmd.Env, "LEAT_REGISTRY="+s.registryURL)
	}
	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		return string(out), -1, fmt.Errorf("%q did not end within %s", line, commandLimit)
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return string(out), exit.ExitCode(), nil
	}
	return string(out), 0, err
}

// Close ends the broker, and the registry if there is one.
func (s *Session) Close() error {
	if s.registry != nil {
		_ = s.registry.Process.Kill()
		_ = s.registry.Wait() // killed: how it ended says nothing
	}
	return s.Broker.Kill()
}
