package serve

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	"leat.dev/internal/base/vfs"
	"leat.dev/internal/cli/fault"
	"leat.dev/internal/platform"
)

func TestExplain(t *testing.T) {
	listen := func(err error) error {
		op := &net.OpError{Op: "listen", Net: "tcp", Addr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 9092}, Err: os.NewSyscallError("bind", err)}
		return fmt.Errorf("listener PLAINTEXT: %w", op)
	}
	p := &platform.Options{Data: "/data", HTTP: "127.0.0.1:9644"}
	for _, c := range []struct {
		err           error
		primary, hint string
	}{
		{listen(syscall.EADDRINUSE), "cannot listen on 127.0.0.1:9092", "--listeners"},
		{listen(syscall.EADDRNOTAVAIL), "cannot listen on 127.0.0.1:9092", "advertised.listeners"},
		{listen(syscall.EACCES), "cannot listen on 127.0.0.1:9092", "privileges"},
		{fmt.Errorf("opening: %w", vfs.ErrLocked), "cannot use the data directory /data", "--data"},
		{&fs.PathError{Op: "mkdir", Path: "/data", Err: syscall.EACCES}, "cannot use the data directory /data", "writable"},
		{&fs.PathError{Op: "write", Path: "/data", Err: syscall.ENOSPC}, "cannot use the data directory /data", "room"},
		{errors.New("something else"), "something else", ""},
	} {
		e, ok := errors.AsType[*fault.Error](explain(c.err, p))
		if !ok || e.Primary != c.primary || !strings.Contains(e.Hint, c.hint) || e.Usage {
			t.Errorf("%v: got %+v", c.err, e)
		}
	}
	if explain(nil, p) != nil {
		t.Error("no error is an error")
	}
}

func TestHTTPPortTaken(t *testing.T) {
	op := &net.OpError{Op: "listen", Net: "tcp", Addr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 9644}, Err: os.NewSyscallError("bind", syscall.EADDRINUSE)}
	e, ok := errors.AsType[*fault.Error](explain(op, &platform.Options{HTTP: "127.0.0.1:9644"}))
	if !ok || !strings.Contains(e.Hint, "--http") {
		t.Errorf("got %+v", e)
	}
}

func TestSettingsError(t *testing.T) {
	e, ok := errors.AsType[*fault.Error](settingsError(errors.New("unknown setting a: did you mean b?"), ""))
	if !ok || e.Primary != "unknown setting a" || e.Hint != "did you mean b?" || !e.Usage {
		t.Errorf("got %+v", e)
	}
	e, ok = errors.AsType[*fault.Error](settingsError(errors.New("one\ntwo"), ""))
	if !ok || e.Primary != "one" || e.Detail != "two" {
		t.Errorf("got %+v", e)
	}
}
