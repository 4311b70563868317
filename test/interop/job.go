package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"leat.dev/test/launch"
)

// A job drives one foreign client.
type job struct {
	name  string
	from  string // the registry it comes from
	limit time.Duration
	run   func(context.Context, *env) error
	props map[string]string // of the broker, besides what all jobs set
	// listeners of the broker besides the plain one, by protocol.
	listeners []string
}

// skipError ends a job that cannot run on this machine.
type skipError struct{ reason string }

func (e skipError) Error() string { return e.reason }

func skip(format string, args ...any) error { return skipError{fmt.Sprintf(format, args...)} }

// env is what a job works with. Steps are recorded: a failed one does not stop the job, so that one defect
// does not hide the next.
type env struct {
	job    string
	addr   string
	broker *launch.Broker // nil when an address was given
	root   string         // of the checkout
	work   string         // a folder for the job's files, kept between runs as a cache
	w      io.Writer

	passed int
	failed []string
}

// step runs one check and prints how it ended.
func (e *env) step(ctx context.Context, name string, f func() error) bool {
	if ctx.Err() != nil {
		e.failed = append(e.failed, name+": no time left")
		return false
	}
	begin := time.Now()
	err := f()
	took := time.Since(begin).Round(10 * time.Millisecond)
	var skipped skipError
	switch {
	case err == nil:
		e.passed++
		fmt.Fprintf(e.w, "  ok    %s (%v)\n", name, took)
		return true
	case errors.As(err, &skipped):
		fmt.Fprintf(e.w, "SKIP %s: %s: %s\n", e.job, name, skipped.reason)
		return true
	}
	e.failed = append(e.failed, name)
	fmt.Fprintf(e.w, "  FAIL  %s (%v): %s\n", name, took, indent(err.Error()))
	return false
}

func indent(s string) string { return strings.ReplaceAll(strings.TrimSpace(s), "\n", "\n        ") }

// finish turns the recorded steps into the job's result.
func (e *env) finish(err error) error {
	if err != nil {
		return err
	}
	if len(e.failed) > 0 {
		return fmt.Errorf("%d of %d steps failed: %s", len(e.failed), e.passed+len(e.failed), strings.Join(e.failed, "; "))
	}
	if e.passed == 0 {
		return errors.New("the job checked nothing")
	}
	return nil
}

// command describes one child process.
type command struct {
	dir   string
	env   []string
	stdin string
	limit time.Duration // default one minute
	fails bool          // a non-zero exit is what the check wants
}

// run runs a program and returns what it wrote to both outputs. The error holds the last lines.
func (e *env) run(ctx context.Context, c command, name string, args ...string) (string, error) {
	if c.limit == 0 {
		c.limit = time.Minute
	}
	ctx, cancel := context.WithTimeout(ctx, c.limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = c.dir
	if cmd.Dir == "" {
		cmd.Dir = e.work
	}
	cmd.Env = append(os.Environ(), c.env...)
	cmd.Stdin = strings.NewReader(c.stdin)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	// The whole group, or grandchildren that hold the output would keep us waiting.
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	err := cmd.Run()
	text := out.String()
	switch {
	case ctx.Err() != nil:
		return text, fmt.Errorf("%s: not done after %v; last lines:\n%s", filepath.Base(name), c.limit, tail(text, 12))
	case err != nil && !c.fails:
		return text, fmt.Errorf("%s %s: %w; last lines:\n%s", filepath.Base(name), strings.Join(args, " "), err, tail(text, 12))
	case err == nil && c.fails:
		return text, fmt.Errorf("%s %s: succeeded, should have failed:\n%s", filepath.Base(name), strings.Join(args, " "), tail(text, 12))
	}
	return text, nil
}

func tail(s string, lines int) string {
	all := strings.Split(strings.TrimRight(s, "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// expect checks that text holds each pattern.
func expect(text string, patterns ...string) error {
	for _, p := range patterns {
		if !regexp.MustCompile(p).MatchString(text) {
			return fmt.Errorf("expected %q in:\n%s", p, tail(text, 15))
		}
	}
	return nil
}

// have skips the job when a program is missing.
func have(program, debian string) error {
	if _, err := exec.LookPath(program); err != nil {
		return skip("%s is not installed (Debian: apt-get install %s)", program, debian)
	}
	return nil
}

// cacheDir is a folder that survives runs, for what is slow to fetch.
func cacheDir(name string) (string, error) {
	base := os.Getenv("LEAT_CACHE")
	if base == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return "", err
		}
		base = filepath.Join(user, "leat")
	}
	dir := filepath.Join(base, name)
	return dir, os.MkdirAll(dir, 0o750)
}

// source is the path of a file kept beside this program.
func (e *env) source(elem ...string) string {
	return filepath.Join(append([]string{e.root, "test", "interop"}, elem...)...)
}

// fetch runs a program that gets something from the network. It is tried again: registries refuse a request now and then.
func (e *env) fetch(ctx context.Context, c command, name string, args ...string) error {
	const tries = 3
	for try := 1; ; try++ {
		_, err := e.run(ctx, c, name, args...)
		if err == nil || try == tries {
			return err
		}
		fmt.Fprintf(e.w, "  %s %s: try %d of %d: %s\n", name, strings.Join(args, " "), try, tries, firstLine(err))
		select {
		case <-time.After(time.Duration(try) * 5 * time.Second):
		case <-ctx.Done():
			return err
		}
	}
}

// modules has the modules that a folder's go.mod names, or skips the job.
func (e *env) modules(ctx context.Context, dir string) error {
	if err := e.fetch(ctx, command{dir: dir, limit: 3 * time.Minute, env: []string{"GOFLAGS=-buildvcs=false"}}, "go", "mod", "download"); err != nil {
		return skip("the Go proxy gives no modules: %v", err)
	}
	return nil
}

// script runs a client's own program, which prints "ok NAME" or "FAIL NAME: why" for each of its checks, and
// records those as steps.
func (e *env) script(ctx context.Context, c command, name string, args ...string) error {
	out, err := e.run(ctx, c, name, args...)
	seen := 0
	for line := range strings.Lines(out) {
		line = strings.TrimSpace(line)
		if what, ok := strings.CutPrefix(line, "ok "); ok {
			seen++
			e.passed++
			fmt.Fprintf(e.w, "  ok    %s\n", what)
		}
		if what, ok := strings.CutPrefix(line, "FAIL "); ok {
			seen++
			e.failed = append(e.failed, what)
			fmt.Fprintf(e.w, "  FAIL  %s\n", what)
		}
	}
	if err != nil && len(e.failed) == 0 {
		return err
	}
	if err != nil {
		fmt.Fprintf(e.w, "%s\n", tail(out, 15))
	}
	if seen == 0 {
		return fmt.Errorf("it checked nothing:\n%s", tail(out, 15))
	}
	return nil
}
