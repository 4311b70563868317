package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"
)

// schemasGo starts our schema registry beside the broker, whichever that is, and lets Go's clients use it: franz-go's sr, and
// Confluent's with its serializers. Confluent's Java serializers are in a Maven repository of their own, not in Maven Central.
func schemasGo(ctx context.Context, e *env) error {
	url, stop, err := startRegistry(ctx, e)
	if err != nil {
		return err
	}
	defer stop()
	// The serializers name types of the client that wraps librdkafka, so they do not build without a C compiler.
	if err := have("gcc", "gcc"); err != nil {
		return err
	}
	if err := e.modules(ctx, e.source("srclients")); err != nil {
		return err
	}
	binary := filepath.Join(e.work, "srclients")
	build := command{dir: e.source("srclients"), limit: 5 * time.Minute, env: []string{"GOFLAGS=-buildvcs=false", "CGO_ENABLED=1"}}
	if _, err := e.run(ctx, build, "go", "build", "-o", binary, "."); err != nil {
		return err
	}
	return e.script(ctx, command{limit: 2 * time.Minute}, binary, url)
}

// schemasPython is the same with Confluent's Python client, and records that go through the broker.
func schemasPython(ctx context.Context, e *env) error {
	url, stop, err := startRegistry(ctx, e)
	if err != nil {
		return err
	}
	defer stop()
	return python(ctx, e, "schema_job.py", "confluent-kafka[avro,json,protobuf,schemaregistry]==2.14.0", url)
}

var registryReady = regexp.MustCompile(`^leat registry is ready in .*: (http://[0-9.:]+), `)

// startRegistry runs "leat registry" until stop is called.
func startRegistry(ctx context.Context, e *env) (url string, stop func(), err error) {
	bin := os.Getenv("LEAT")
	if bin == "" {
		bin = filepath.Join(e.root, "bin", "leat")
	}
	cmd := exec.Command(bin, "registry", "--bootstrap-servers", e.addr, "--listen", "127.0.0.1:0", "--store-timeout", "30s")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StderrPipe()
	if err != nil {
		return "", nil, err
	}
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	stop = func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // killed: how it ended says nothing
	}
	defer context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })()
	var said strings.Builder
	for lines := bufio.NewScanner(out); lines.Scan(); { // a warning may come before
		if m := registryReady.FindStringSubmatch(lines.Text()); m != nil {
			return m[1], stop, nil
		}
		said.WriteString(lines.Text() + "\n")
	}
	stop()
	return "", nil, fmt.Errorf("the registry does not become ready: %s", said.String())
}
