package demo

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"
)

// broker is the broker as a process of its own, so that it can be killed.
type broker struct {
	cmd    *exec.Cmd
	addr   string
	exited chan struct{}
}

// readyLimit is how long a broker may take to start.
const readyLimit = 20 * time.Second

// startBroker starts a broker on the directory and waits until it serves. An empty address takes a free port.
func startBroker(ctx context.Context, program, dir, addr string) (*broker, error) {
	listen := addr
	if listen == "" {
		listen = "127.0.0.1:0"
	}
	cmd := exec.Command(program, "broker", "--data", dir, "--listeners", "PLAINTEXT://"+listen, "--http", "off",
		// A group of two need not wait three seconds for members that might still come, nor six for one that has died.
		"--set", "group.initial.rebalance.delay.ms=0", "--set", "group.min.session.timeout.ms=100")
	child(cmd)
	out, err := cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", program, err)
	}
	b := &broker{cmd: cmd, exited: make(chan struct{})}
	lines := make(chan string)
	var said bytes.Buffer
	go func() {
		s := bufio.NewScanner(out)
		for s.Scan() {
			if strings.HasPrefix(s.Text(), "leat is ready") {
				lines <- s.Text()
				break
			}
			fmt.Fprintln(&said, s.Text())
		}
		_, _ = io.Copy(io.Discard, out) // the pipe must not fill up
		_ = cmd.Wait()                  // how it ended does not matter: it is killed
		close(b.exited)
	}()
	limit := time.NewTimer(readyLimit)
	defer limit.Stop()
	select {
	case line := <-lines:
		_, rest, _ := strings.Cut(line, "PLAINTEXT://")
		b.addr, _, _ = strings.Cut(rest, ",")
		return b, nil
	case <-b.exited:
		return nil, fmt.Errorf("the broker did not start:\n%s", said.String())
	case <-limit.C:
		b.stop()
		return nil, fmt.Errorf("the broker was not ready after %s", readyLimit)
	case <-ctx.Done():
		b.stop()
		return nil, ctx.Err()
	}
}

// child keeps the demo's own settings from a process, and the process from outliving the demo.
func child(cmd *exec.Cmd) {
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "LEAT_") {
			cmd.Env = append(cmd.Env, kv)
		}
	}
	dieWithParent(cmd)
}

func (b *broker) pid() int { return b.cmd.Process.Pid }

// kill ends the process as a crash would: SIGKILL cannot be handled.
func (b *broker) kill() error {
	select {
	case <-b.exited:
		return errors.New("the broker ended by itself")
	default:
	}
	if err := b.cmd.Process.Kill(); err != nil {
		return err
	}
	<-b.exited
	return nil
}

func (b *broker) stop() {
	_ = b.cmd.Process.Kill() // it may have ended already
}
