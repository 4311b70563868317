package launch

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// KafkaLib fetches Apache Kafka's jars once and returns their folder.
func KafkaLib(ctx context.Context) (string, error) {
	if _, err := exec.LookPath("java"); err != nil {
		return "", fmt.Errorf("%w: java is not installed (Debian: apt-get install default-jdk-headless)", ErrUnavailable)
	}
	root, err := Root()
	if err != nil {
		return "", err
	}
	out, err := exec.CommandContext(ctx, filepath.Join(root, "test", "interop", "kafka", "fetch.sh")).Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			err = errors.New(lastLine(string(exit.Stderr)))
		}
		return "", fmt.Errorf("%w: Apache Kafka's jars: %w", ErrUnavailable, err)
	}
	return strings.TrimSpace(string(out)), nil
}

func lastLine(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return lines[len(lines)-1]
}

func (b *Broker) prepareKafka(ctx context.Context) error {
	lib, err := KafkaLib(ctx)
	if err != nil {
		return err
	}
	b.lib = lib
	roles, listeners := "broker", "PLAINTEXT://"+b.Addr()
	if p := b.spec.Peer; p != nil {
		p.peers++
		b.cluster, b.voter, b.node = p.cluster, p.voter, 1+p.peers
	} else {
		controller, err := FreePort()
		if err != nil {
			return err
		}
		id := make([]byte, 16)
		if _, err := rand.Read(id); err != nil {
			return err
		}
		b.cluster, b.voter, b.node = base64.RawURLEncoding.EncodeToString(id), "127.0.0.1:"+strconv.Itoa(controller), 1
		roles, listeners = roles+",controller", listeners+",CONTROLLER://"+b.voter
	}
	props := map[string]string{
		"process.roles":                  roles,
		"node.id":                        strconv.Itoa(b.node),
		"controller.quorum.voters":       "1@" + b.voter,
		"listeners":                      listeners,
		"advertised.listeners":           "PLAINTEXT://" + b.told(b.Addr()),
		"controller.listener.names":      "CONTROLLER",
		"inter.broker.listener.name":     "PLAINTEXT",
		"listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
		"log.dirs":                       b.spec.Data,
		// A single node has one replica of everything.
		"offsets.topic.replication.factor":                 "1",
		"transaction.state.log.replication.factor":         "1",
		"transaction.state.log.min.isr":                    "1",
		"share.coordinator.state.topic.replication.factor": "1",
		"share.coordinator.state.topic.min.isr":            "1",
	}
	for _, name := range b.spec.Listeners {
		props["listeners"] += "," + name + "://" + b.AddrOf(name)
		props["advertised.listeners"] += "," + name + "://" + b.told(b.AddrOf(name))
		props["listener.security.protocol.map"] += "," + name + ":" + name
	}
	maps.Copy(props, b.spec.Props)
	delete(props, "log.flush") // ours only; flush.messages is Kafka's way
	var text strings.Builder
	for _, name := range sortedKeys(props) {
		fmt.Fprintf(&text, "%s=%s\n", name, props[name])
	}
	if err := os.WriteFile(filepath.Join(b.spec.Dir, "log4j2.properties"), []byte(kafkaLogging), 0o640); err != nil {
		return err
	}
	return os.WriteFile(b.kafkaConfig(), []byte(text.String()), 0o640)
}

// Warnings only, so that a log is readable when a start fails; and what the transaction coordinator says of markers that it
// leaves out.
const kafkaLogging = `status=error
appenders=console
appender.console.type=Console
appender.console.name=STDOUT
appender.console.layout.type=PatternLayout
appender.console.layout.pattern=[%d] %p %m (%c)%n
rootLogger.level=warn
rootLogger.appenderRefs=stdout
rootLogger.appenderRef.stdout.ref=STDOUT
logger.markers.name=kafka.coordinator.transaction.TransactionMarkerChannelManager
logger.markers.level=info
`

func (b *Broker) kafkaConfig() string { return filepath.Join(b.spec.Dir, "server.properties") }

// formatKafka writes the cluster id into an empty data folder, as a user does once.
func (b *Broker) formatKafka(ctx context.Context) error {
	if _, err := os.Stat(filepath.Join(b.spec.Data, "meta.properties")); err == nil {
		return nil
	}
	out, err := exec.CommandContext(ctx, "java", "-cp", b.lib+"/*", "kafka.tools.StorageTool", "format",
		"--cluster-id="+b.cluster, "-c", b.kafkaConfig()).CombinedOutput()
	if err != nil {
		return fmt.Errorf("format Apache Kafka's data folder: %w\n%s", err, out)
	}
	return nil
}

func (b *Broker) kafkaArgs() []string {
	heap := strconv.Itoa(b.spec.HeapMB) + "m"
	// The flags of Kafka's own start script.
	return []string{
		"-Xms" + heap, "-Xmx" + heap, "-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20",
		"-XX:InitiatingHeapOccupancyPercent=35", "-XX:+ExplicitGCInvokesConcurrent", "-Djava.awt.headless=true",
		"-Dlog4j2.configurationFile=" + filepath.Join(b.spec.Dir, "log4j2.properties"),
		"-cp", b.lib + "/*", "kafka.Kafka", b.kafkaConfig(),
	}
}

func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }
