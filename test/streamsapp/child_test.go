package streamsapp

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"leat.dev/streams"
	"leat.dev/test/shell"
)

// TestMain runs the tests, or as a child of one an instance of an application, which can be killed.
func TestMain(m *testing.M) {
	if text := os.Getenv("STREAMSAPP_SPEC"); text != "" {
		if err := child(text); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		return
	}
	_ = flag.Set("test.parallel", "8") // what runs beside others here waits most of its time
	shell.TestMain(m)
}

// spec says what an instance of an application is; it reaches the child in its environment.
type spec struct {
	ID       string
	Program  string // a name of programs; default words
	Broker   string
	Proxy    string // where all connections of the instance go, instead of the brokers' own addresses
	Dir      string // of the state; "": in memory
	Member   string // of static membership; "": none
	EOS      bool
	Streams  bool // the streams protocol, which has no static members and whose session is the broker's
	Standbys int
	Serve    string        // where it answers queries; "": nowhere
	Workers  int           // default 2
	Session  time.Duration // default 6 s
	Commit   time.Duration // default 30 ms
}

// programs are what a child can run, by name; the argument is the application id.
var programs = map[string]func(id string) func(*streams.Builder){
	"words":      func(string) func(*streams.Builder) { return wordCount },
	"everything": everything,
}

func (s *spec) options() []streams.AppOption {
	o := []streams.AppOption{
		streams.Brokers(s.Broker), streams.Workers(s.Workers), streams.CommitEvery(s.Commit),
		streams.Logger(slog.New(slog.NewTextHandler(os.Stdout, nil))),
	}
	if s.Streams {
		o = append(o, streams.GroupProtocol(streams.StreamsProtocol))
	} else {
		o = append(o, streams.SessionTimeout(s.Session))
	}
	if s.Member != "" && !s.Streams {
		o = append(o, streams.InstanceID(s.Member))
	}
	if s.Dir != "" {
		o = append(o, streams.StateDir(s.Dir))
	}
	if s.EOS {
		o = append(o, streams.ExactlyOnce())
	}
	if s.Standbys > 0 {
		o = append(o, streams.Standbys(s.Standbys))
	}
	if s.Serve != "" {
		o = append(o, streams.ServeQueries(s.Serve))
	}
	if s.Proxy != "" {
		o = append(o, streams.ClientOptions(kgo.Dialer(func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, s.Proxy)
		})))
	}
	return o
}

func child(text string) error {
	var s spec
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return err
	}
	app, err := streams.New(s.ID, programs[s.Program](s.ID), s.options()...)
	if err != nil {
		return err
	}
	app.OnState(func(_, now streams.State) { fmt.Println(now) })
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	return app.Run(ctx)
}

// instance is a process of an application.
type instance struct {
	t    testing.TB
	spec spec
	cmd  *exec.Cmd
	out  transcript
	done chan struct{}
}

// spawn starts an instance of wordCount.
func (c *cluster) spawn(id, dir, member string, eos bool) *instance {
	c.t.Helper()
	return c.launch(spec{ID: id, Dir: dir, Member: member, EOS: eos})
}

// launch starts an instance. It is killed when the test ends.
func (c *cluster) launch(s spec) *instance {
	c.t.Helper()
	if s.Broker == "" {
		s.Broker = c.broker.Addr()
	}
	if s.Program == "" {
		s.Program = "words"
	}
	if s.Workers == 0 {
		s.Workers = 2
	}
	s.Streams = s.Streams || c.protocol == streams.StreamsProtocol
	if s.Session == 0 {
		s.Session = 6 * time.Second
	}
	if s.Commit == 0 {
		s.Commit = 30 * time.Millisecond
	}
	text, err := json.Marshal(s)
	if err != nil {
		c.t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "LEAT") }), "STREAMSAPP_SPEC="+string(text))
	p := &instance{t: c.t, spec: s, cmd: cmd, done: make(chan struct{})}
	p.out.change = make(chan struct{}, 1)
	cmd.Stdout, cmd.Stderr = &p.out, &p.out
	if err := cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	go func() { _ = cmd.Wait(); close(p.done) }()
	c.t.Cleanup(func() {
		p.kill()
		if c.t.Failed() {
			c.t.Logf("instance %d (%+v) wrote:\n%s", cmd.Process.Pid, s, p.out.tail(100))
		}
	})
	return p
}

func (p *instance) kill() {
	_ = p.cmd.Process.Kill()
	<-p.done
}

// stop ends the process by SIGTERM, and wants a clean end.
func (p *instance) stop() {
	p.t.Helper()
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(patience):
		p.t.Fatal("the instance does not end")
	}
	if !p.cmd.ProcessState.Success() {
		p.t.Fatalf("the instance ended with %v:\n%s", p.cmd.ProcessState, p.out.tail(100))
	}
}

// await waits until the instance is in a state.
func (p *instance) await(want streams.State) {
	p.t.Helper()
	p.until(string(want), func() bool { return p.out.state() == want })
}

// until waits for something that the instance writes.
func (p *instance) until(what string, ok func() bool) {
	p.t.Helper()
	limit := time.After(patience)
	for !ok() {
		select {
		case <-p.out.change:
		case <-p.done:
			p.t.Fatalf("the instance ended (%v) before %s\n%s", p.cmd.ProcessState, what, p.out.tail(100))
		case <-limit:
			p.t.Fatalf("no %s of the instance\n%s", what, p.out.tail(100))
		}
	}
}

// transcript is what a process writes: its states, one on a line, and its log.
type transcript struct {
	mu     sync.Mutex
	text   strings.Builder
	change chan struct{}
}

func (w *transcript) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	select {
	case w.change <- struct{}{}:
	default:
	}
	return w.text.Write(b)
}

func (w *transcript) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

func (w *transcript) tail(lines int) string {
	all := strings.Split(strings.TrimRight(w.String(), "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// state is the last one that was written.
func (w *transcript) state() (last streams.State) {
	for line := range strings.Lines(w.String()) {
		if line = strings.TrimSpace(line); line != "" && !strings.Contains(line, " ") {
			last = streams.State(line)
		}
	}
	return last
}
