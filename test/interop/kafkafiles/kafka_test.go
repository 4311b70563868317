package kafkafiles

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// classpath returns the jars, or skips the test.
func classpath(t *testing.T) string {
	lib := os.Getenv("LEAT_KAFKA_LIB")
	if lib == "" {
		t.Skip("LEAT_KAFKA_LIB is not set: it names the folder with Apache Kafka's jars")
	}
	if _, err := exec.LookPath("java"); err != nil {
		t.Skip("java is not installed")
	}
	return filepath.Join(lib, "*")
}

// tool runs one of Kafka's tools and returns what it printed.
func tool(t *testing.T, class string, args ...string) string {
	t.Helper()
	cmd := exec.Command("java", append([]string{"-Xmx256m", "-cp", classpath(t), class}, args...)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", class, err, out)
	}
	return string(out)
}

// kafka is a running broker of Apache Kafka.
type kafka struct {
	t    *testing.T
	addr string
	data string
	cmd  *exec.Cmd
	done chan error
}

func startKafka(t *testing.T) *kafka {
	cp := classpath(t)
	dir := t.TempDir()
	ports := freePorts(t, 2)
	k := &kafka{t: t, addr: fmt.Sprintf("127.0.0.1:%d", ports[0]), data: filepath.Join(dir, "data"), done: make(chan error, 1)}
	config := filepath.Join(dir, "server.properties")
	text := fmt.Sprintf(`process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:%[2]d
listeners=PLAINTEXT://%[1]s,CONTROLLER://127.0.0.1:%[2]d
advertised.listeners=PLAINTEXT://%[1]s
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs=%[3]s
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
offsets.topic.num.partitions=1
transaction.state.log.num.partitions=1
log.cleaner.backoff.ms=500
log.cleaner.min.cleanable.ratio=0.01
`, k.addr, ports[1], k.data)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	tool(t, "kafka.tools.StorageTool", "format", "-t", "AAAAAAAAAAAAAAAAAAAAAQ", "-c", config)
	k.cmd = exec.Command("java", "-Xmx512m", "-cp", cp, "kafka.Kafka", config)
	log, err := os.Create(filepath.Join(dir, "kafka.log"))
	if err != nil {
		t.Fatal(err)
	}
	k.cmd.Stdout, k.cmd.Stderr = log, log
	if err := k.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { k.done <- k.cmd.Wait() }()
	t.Cleanup(func() { k.stop(syscall.SIGKILL); log.Close() })
	k.awaitReady()
	return k
}

func (k *kafka) awaitReady() {
	k.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	client := k.client()
	defer client.Close()
	for client.Ping(ctx) != nil {
		select {
		case err := <-k.done:
			k.t.Fatalf("kafka ended: %v", err)
		case <-ctx.Done():
			k.t.Fatal("kafka is not ready after a minute")
		default:
		}
	}
}

func (k *kafka) client(opts ...kgo.Opt) *kgo.Client {
	k.t.Helper()
	c, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(k.addr), kgo.RetryTimeout(5 * time.Second)}, opts...)...)
	if err != nil {
		k.t.Fatal(err)
	}
	return c
}

// stop ends the broker, in order with SIGTERM.
func (k *kafka) stop(sig syscall.Signal) {
	if k.cmd == nil {
		return
	}
	_ = k.cmd.Process.Signal(sig)
	<-k.done
	k.cmd = nil
}

func freePorts(t *testing.T, n int) (ports []int) {
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports
}

// dump runs DumpLogSegments with its deepest checks.
func dump(t *testing.T, files ...string) string {
	t.Helper()
	return tool(t, "org.apache.kafka.tools.DumpLogSegments", "--deep-iteration", "--print-data-log",
		"--files", strings.Join(files, ","))
}
