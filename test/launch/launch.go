// Package launch starts a broker as a child process, ours or Apache Kafka, and measures it from outside.
//
// It knows command lines, the first two requests of the protocol and /proc; nothing of a broker's inside.
// A Broker owns one goroutine per running child, which waits for the child to end. The package does not
// create topics or clients: its users bring their own.
package launch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Kinds of broker.
const (
	Leat  = "leat"
	Kafka = "kafka"
)

// ErrUnavailable means that a kind of broker cannot run on this machine; the text says what is missing.
var ErrUnavailable = errors.New("unavailable")

// Spec says what to run. The zero value of each field but Kind and Dir has a default.
type Spec struct {
	Kind   string
	Dir    string            // settings, logs and data; created
	Data   string            // where the partitions go; default Dir/data
	Props  map[string]string // the broker's settings, by Kafka's names
	HeapMB int               // Apache Kafka's heap; default 1024, as its own scripts
	Env    []string          // added to the child's environment
	// Listeners are the names of more listeners, each on a port of its own: "SASL_SSL".
	Listeners []string
	// Host is the name of this machine that clients are told; default its address, 127.0.0.1.
	Host string
	// Peer is an Apache Kafka whose cluster this one joins as another broker.
	Peer *Broker
	// Registry runs a schema registry beside our broker.
	Registry bool
}

// Broker is one broker that can be started, killed and started again on the same data and port.
type Broker struct {
	spec     Spec
	port     int
	more     map[string]int // ports of Spec.Listeners
	registry int            // port of Spec.Registry
	lib      string         // Apache Kafka's jars
	cluster  string         // Apache Kafka's cluster id
	voter    string         // host:port of Apache Kafka's controller
	node     int            // Apache Kafka's node.id
	peers    int            // that joined
	bin      string         // our program

	cmd  *exec.Cmd
	done chan struct{} // closed when the child has ended
	end  error         // how, readable then
}

// New prepares a broker without starting it.
func New(ctx context.Context, spec Spec) (*Broker, error) {
	if spec.Data == "" {
		spec.Data = filepath.Join(spec.Dir, "data")
	}
	if spec.HeapMB == 0 {
		spec.HeapMB = 1024
	}
	if err := os.MkdirAll(spec.Dir, 0o750); err != nil {
		return nil, err
	}
	port, err := FreePort()
	if err != nil {
		return nil, err
	}
	b := &Broker{spec: spec, port: port, more: map[string]int{}}
	for _, name := range spec.Listeners {
		if b.more[name], err = FreePort(); err != nil {
			return nil, err
		}
	}
	if b.registry, err = FreePort(); err != nil {
		return nil, err
	}
	switch spec.Kind {
	case Leat:
		b.bin, err = leatBinary()
	case Kafka:
		err = b.prepareKafka(ctx)
	default:
		err = fmt.Errorf("unknown kind of broker %q: leat or kafka", spec.Kind)
	}
	return b, err
}

// Addr is the broker's bootstrap address. It stays the same through restarts.
func (b *Broker) Addr() string { return "127.0.0.1:" + strconv.Itoa(b.port) }

// AddrOf is the address of one of Spec.Listeners.
func (b *Broker) AddrOf(listener string) string {
	return "127.0.0.1:" + strconv.Itoa(b.more[listener])
}

// RegistryAddr is the address of the schema registry's API, where Spec.Registry asked for one.
func (b *Broker) RegistryAddr() string { return "127.0.0.1:" + strconv.Itoa(b.registry) }

// told is an address as clients are told it.
func (b *Broker) told(addr string) string {
	if b.spec.Host == "" {
		return addr
	}
	return b.spec.Host + strings.TrimPrefix(addr, "127.0.0.1")
}

// Kind is Leat or Kafka.
func (b *Broker) Kind() string { return b.spec.Kind }

// PID of the running child.
func (b *Broker) PID() int { return b.cmd.Process.Pid }

// Start runs the child and returns the time from the start of the process to its first answer to a client.
func (b *Broker) Start(ctx context.Context) (time.Duration, error) {
	if b.spec.Kind == Kafka {
		if err := b.formatKafka(ctx); err != nil {
			return 0, err
		}
	}
	name, args := b.command()
	logFile, err := os.OpenFile(b.logPath(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
	if err != nil {
		return 0, err
	}
	defer logFile.Close() // the child has its own descriptor
	cmd := exec.Command(name, args...)
	cmd.Dir = b.spec.Dir
	cmd.Env = append(environment(), b.spec.Env...)
	cmd.Stdout, cmd.Stderr = logFile, logFile
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	begin := time.Now()
	if err := cmd.Start(); err != nil {
		return 0, fmt.Errorf("start %s: %w", b.spec.Kind, err)
	}
	done := make(chan struct{})
	b.cmd, b.done = cmd, done
	go func() {
		b.end = cmd.Wait()
		close(done)
	}()
	if err := b.awaitReady(ctx); err != nil {
		_ = b.Kill()
		return 0, fmt.Errorf("%s did not become ready: %w\n%s", b.spec.Kind, err, b.LogTail(20))
	}
	return time.Since(begin), nil
}

// environment is ours without LEAT_…, which the program reads as settings and the tests use for themselves.
func environment() []string {
	return slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "LEAT_") })
}

// awaitReady asks until the broker answers Metadata. A millisecond between tries: start-up is measured with it.
func (b *Broker) awaitReady(ctx context.Context) error {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	var last error
	for {
		select {
		case <-b.done:
			return fmt.Errorf("it ended: %w", cmp.Or(b.end, errors.New("with status 0")))
		case <-ctx.Done():
			return fmt.Errorf("%w; last try: %w", ctx.Err(), last)
		case <-tick.C:
			if last = ping(b.Addr()); last == nil {
				return nil
			}
		}
	}
}

// Kill ends the child with SIGKILL and waits for its end.
func (b *Broker) Kill() error {
	if b.cmd == nil {
		return nil
	}
	err := b.cmd.Process.Kill()
	<-b.done
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
}

// Stop ends the child with SIGTERM, waits, and returns how long that took. A child that ignores it is killed
// when ctx ends, which is an error.
func (b *Broker) Stop(ctx context.Context) (time.Duration, error) {
	if b.cmd == nil {
		return 0, nil
	}
	begin := time.Now()
	if err := b.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return 0, err
	}
	select {
	case <-b.done:
		return time.Since(begin), nil
	case <-ctx.Done():
		_ = b.Kill()
		return time.Since(begin), fmt.Errorf("%s did not stop: %w", b.spec.Kind, ctx.Err())
	}
}

// Running reports whether the child lives.
func (b *Broker) Running() bool {
	if b.cmd == nil {
		return false
	}
	select {
	case <-b.done:
		return false
	default:
		return true
	}
}

// PartitionDir finds the folder of a partition under the broker's data.
func (b *Broker) PartitionDir(topic string, partition int) (string, error) {
	want := topic + "-" + strconv.Itoa(partition)
	var found string
	err := filepath.WalkDir(b.spec.Data, func(p string, d os.DirEntry, err error) error {
		if err == nil && d.IsDir() && d.Name() == want {
			found = p
			return filepath.SkipAll
		}
		return nil // a file that vanished meanwhile is not our matter
	})
	if err == nil && found == "" {
		err = fmt.Errorf("no folder %s under %s", want, b.spec.Data)
	}
	return found, err
}

func (b *Broker) logPath() string { return filepath.Join(b.spec.Dir, "broker.log") }

// LogTail returns the last lines the child wrote.
func (b *Broker) LogTail(lines int) string {
	data, err := os.ReadFile(b.logPath())
	if err != nil {
		return err.Error()
	}
	all := strings.Split(strings.TrimRight(string(data), "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// LogLines returns the lines of the child's log that contain a text.
func (b *Broker) LogLines(text string) []string {
	data, err := os.ReadFile(b.logPath())
	if err != nil {
		return []string{err.Error()}
	}
	return slices.DeleteFunc(strings.Split(string(data), "\n"), func(line string) bool { return !strings.Contains(line, text) })
}

func (b *Broker) command() (string, []string) {
	if b.spec.Kind == Kafka {
		return "java", b.kafkaArgs()
	}
	listeners := "PLAINTEXT://" + b.Addr()
	for _, name := range b.spec.Listeners {
		listeners += "," + name + "://" + b.AddrOf(name)
	}
	registry := "off"
	if b.spec.Registry {
		registry = b.RegistryAddr()
	}
	args := []string{"up", "--data", b.spec.Data, "--listeners", listeners, "--http", "127.0.0.1:0", "--registry", registry}
	if b.spec.Host != "" {
		advertised := "PLAINTEXT://" + b.told(b.Addr())
		for _, name := range b.spec.Listeners {
			advertised += "," + name + "://" + b.told(b.AddrOf(name))
		}
		args = append(args, "--set", "advertised.listeners="+advertised)
	}
	for _, name := range sortedKeys(b.spec.Props) {
		args = append(args, "--set", name+"="+b.spec.Props[name])
	}
	return b.bin, args
}

// leatBinary is LEAT from the environment, else bin/leat of this checkout.
func leatBinary() (string, error) {
	bin := os.Getenv("LEAT")
	if bin == "" {
		root, err := Root()
		if err != nil {
			return "", err
		}
		bin = filepath.Join(root, "bin", "leat")
	}
	if _, err := os.Stat(bin); err != nil {
		return "", fmt.Errorf("our program: %w (run `make build`, or set LEAT)", err)
	}
	return filepath.Abs(bin)
}

// Root is the folder of this checkout, found upwards from the working directory.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		data, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && strings.HasPrefix(string(data), "module leat.dev\n") {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("not inside a checkout of leat.dev")
		}
		dir = parent
	}
}
