package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os/exec"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"leat.dev/examples/quakes/regions"
	"leat.dev/streams"
)

const (
	application = "quakes-per-region"
	// sessionTimeout is how long the group waits for a dead instance.
	sessionTimeout = 500 * time.Millisecond
)

// RunInstance is an instance of the application, until ctx ends: what a child process of the demo does.
func RunInstance(ctx context.Context, addr, stateDir string, log io.Writer) error {
	app, err := streams.New(application, regions.PerRegion, streams.Brokers(addr), streams.StateDir(stateDir), streams.ExactlyOnce(),
		streams.SessionTimeout(sessionTimeout), streams.Workers(2),
		streams.Logger(slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelWarn}))),
		streams.ClientOptions(kgo.RetryBackoffFn(retrySoon), kgo.MetadataMinAge(50*time.Millisecond)))
	if err != nil {
		return err
	}
	return app.Run(ctx)
}

// instance is a process that runs the application.
type instance struct {
	cmd    *exec.Cmd
	exited chan struct{}

	mu   sync.Mutex
	said bytes.Buffer
	err  error
}

func (r *run) startInstance(state string) (*instance, error) {
	i := &instance{exited: make(chan struct{})}
	i.cmd = exec.Command(r.o.Program, "demo", "instance", "--bootstrap-servers", r.broker.addr, "--state-dir", state)
	i.cmd.Stderr = i
	child(i.cmd)
	if err := i.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting an instance: %w", err)
	}
	go func() {
		err := i.cmd.Wait()
		i.mu.Lock()
		i.err = err
		i.mu.Unlock()
		close(i.exited)
	}()
	return i, nil
}

// Write keeps what the process says, for when it fails.
func (i *instance) Write(b []byte) (int, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	const most = 64 << 10
	if i.said.Len() < most {
		i.said.Write(b)
	}
	return len(b), nil
}

// failed is why the process has ended by itself, nil while it runs.
func (i *instance) failed() error {
	select {
	case <-i.exited:
	default:
		return nil
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	return fmt.Errorf("an instance of the application ended: %w\n%s", errors.Join(i.err, errors.New("it should run")), i.said.String())
}

func (i *instance) pid() int { return i.cmd.Process.Pid }

// kill ends the process as a crash would.
func (i *instance) kill() {
	_ = i.cmd.Process.Kill() // it may have ended
	<-i.exited
}
