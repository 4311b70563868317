package registry

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"leat.dev/test/launch"
	"leat.dev/test/shell"
)

func TestMain(m *testing.M) { shell.TestMain(m) }

// patience is how long a test waits for what should take a moment; machines that run tests are busy.
const patience = 2 * time.Minute

// node is one registry process. It can be ended and started again at its address.
type node struct {
	t         *testing.T
	bootstrap string
	addr      string
	topic     string
	args      []string
	cmd       *exec.Cmd
	lines     *bytes.Buffer // read it after the end only
	done      chan struct{}
}

func (n *node) url() string { return "http://" + n.addr }

// start runs the process and waits until it serves.
func (n *node) start() {
	n.t.Helper()
	if err := n.try(); err != nil {
		n.t.Fatal(err)
	}
}

func (n *node) try() error {
	args := append([]string{"registry", "--bootstrap-servers", n.bootstrap, "--listen", n.addr, "--topic", n.topic, "--group", n.topic + "-group", "--store-timeout", "30s"}, n.args...)
	cmd := exec.Command(os.Getenv("LEAT"), args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "LEAT") })
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	n.cmd, n.lines, n.done = cmd, &bytes.Buffer{}, make(chan struct{})
	ready := make(chan struct{})
	go func() {
		defer close(n.done)
		s := bufio.NewScanner(stderr)
		for s.Scan() {
			fmt.Fprintln(n.lines, s.Text())
			if strings.HasPrefix(s.Text(), "leat registry is ready") {
				close(ready)
			}
		}
		_ = cmd.Wait() // the tests say how it ends
	}()
	n.t.Cleanup(func() { _ = cmd.Process.Kill() })
	select {
	case <-ready:
		return nil
	case <-n.done:
		return fmt.Errorf("the registry ended: %s", n.lines)
	case <-time.After(patience):
		return errors.New("the registry does not become ready")
	}
}

func (n *node) signal(s syscall.Signal) {
	n.t.Helper()
	if err := n.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		n.t.Fatal(err)
	}
}

func (n *node) end(s syscall.Signal) {
	n.t.Helper()
	n.signal(s)
	select {
	case <-n.done:
	case <-time.After(patience):
		n.t.Fatal("the registry does not end")
	}
}

// call asks the API and decodes a JSON answer.
func (n *node) call(ctx context.Context, method, path string, body, into any) (int, error) {
	var in io.Reader
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			return 0, err
		}
		in = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(ctx, method, n.url()+path, in)
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/vnd.schemaregistry.v1+json")
	resp, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil || into == nil {
		return resp.StatusCode, err
	}
	if err := json.Unmarshal(data, into); err != nil {
		return resp.StatusCode, fmt.Errorf("%q: %w", data, err)
	}
	return resp.StatusCode, nil
}

// client keeps no connections: the processes behind them come and go.
var client = &http.Client{Timeout: 45 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}

type answer struct {
	ID      int    `json:"id"`
	Version int    `json:"version"`
	Code    int    `json:"error_code"`
	Message string `json:"message"`
}

func enum(name string) map[string]string {
	return map[string]string{"schema": `{"type":"enum","name":"` + name + `","symbols":["A"]}`}
}

// register registers a schema of its own under a subject, trying until that is acknowledged.
func (n *node) register(name string) int {
	n.t.Helper()
	var a answer
	eventually(n.t, "register "+name, func() bool {
		a = answer{}
		status, err := n.call(n.t.Context(), http.MethodPost, "/subjects/"+name+"/versions", enum(name), &a)
		return err == nil && status == http.StatusOK
	})
	return a.ID
}

// ids are the ids that a node holds, by subject.
func (n *node) ids() map[string]int {
	n.t.Helper()
	var list []struct {
		Subject string `json:"subject"`
		ID      int    `json:"id"`
	}
	out := map[string]int{}
	for offset := 0; ; offset += len(list) {
		list = nil
		if status, err := n.call(n.t.Context(), http.MethodGet, fmt.Sprintf("/schemas?offset=%d&limit=500", offset), nil, &list); err != nil || status != http.StatusOK {
			n.t.Fatalf("list the schemas: %d %v", status, err)
		}
		if len(list) == 0 {
			return out
		}
		for _, v := range list {
			out[v.Subject] = v.ID
		}
	}
}

// ready is what /readyz says.
func (n *node) ready() string {
	resp, err := client.Get(n.url() + "/readyz")
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(data))
}

// eventually waits until something holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); !holds(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("%s: not within %s", what, patience)
		}
	}
}

// broker starts a broker of a kind for a test.
func broker(t *testing.T, kind string) *launch.Broker {
	t.Helper()
	if kind == launch.Kafka && testing.Short() {
		t.Skip("Apache Kafka needs seconds to start")
	}
	b, err := launch.New(t.Context(), launch.Spec{Kind: kind, Dir: t.TempDir(), Registry: true, Props: map[string]string{"group.initial.rebalance.delay.ms": "0"}})
	if errors.Is(err, launch.ErrUnavailable) {
		t.Skip(err)
	}
	if err == nil {
		_, err = b.Start(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Kill() })
	return b
}

// nodes prepares registries whose URLs stand in order: the first one leads.
func nodes(t *testing.T, bootstrap, topic string, count int) []*node {
	t.Helper()
	var addrs []string
	for range count {
		addr, err := launch.FreeAddr()
		if err != nil {
			t.Fatal(err)
		}
		addrs = append(addrs, addr)
	}
	slices.Sort(addrs)
	var out []*node
	for _, a := range addrs {
		out = append(out, &node{t: t, bootstrap: bootstrap, addr: a, topic: topic})
	}
	return out
}

// settled waits until all running nodes agree who leads.
func settled(t *testing.T, leader *node, followers ...*node) {
	t.Helper()
	eventually(t, "agree on the leader "+leader.url(), func() bool {
		for _, f := range followers {
			if f.ready() != "ready, the leader is "+leader.url() {
				return false
			}
		}
		return leader.ready() == "ready, leader"
	})
}

// kinds runs a test on our broker and on Apache Kafka.
func kinds(t *testing.T, test func(t *testing.T, b *launch.Broker)) {
	for _, kind := range []string{launch.Leat, launch.Kafka} {
		t.Run(kind, func(t *testing.T) { test(t, broker(t, kind)) })
	}
}
