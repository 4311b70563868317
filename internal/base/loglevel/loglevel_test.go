package loglevel

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestTable(t *testing.T) {
	var out bytes.Buffer
	h := slog.NewTextHandler(&out, &slog.HandlerOptions{Level: Trace, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}})
	table := New(h, slog.LevelWarn)
	root, broker, deep := table.Logger(Root), table.Logger("leat.broker"), table.Logger("leat.broker.transport")
	say := func() string {
		out.Reset()
		root.Info("root")
		broker.Info("broker")
		deep.With("a", 1).WithGroup("g").Info("deep", "b", 2)
		return strings.ReplaceAll(strings.TrimSpace(out.String()), "\n", " | ")
	}
	const b, d = `level=INFO msg=broker logger=leat.broker`, `level=INFO msg=deep logger=leat.broker.transport a=1 g.b=2`
	for _, step := range []struct {
		do   func() error
		want string
	}{
		{func() error { return nil }, ""},
		{func() error { return table.Set("leat.broker", slog.LevelInfo) }, b + " | " + d},
		{func() error { return table.Set("leat.broker.transport", slog.LevelError) }, b},
		{func() error { return table.Unset("leat.broker") }, ""},
		{func() error { return table.Unset("leat.broker.transport") }, ""},
		{func() error { return table.Set(Root, slog.LevelDebug) }, "level=INFO msg=root | " + b + " | " + d},
	} {
		if err := step.do(); err != nil {
			t.Fatal(err)
		}
		if got := say(); got != step.want {
			t.Errorf("got %q, want %q", got, step.want)
		}
	}
	if err := table.Set("nosuch", 0); !errors.Is(err, ErrUnknown) {
		t.Error(err)
	}
	if err := table.Unset(Root); !errors.Is(err, ErrRoot) {
		t.Error(err)
	}
	if got := fmt.Sprint(table.Levels()); got != "map[leat.broker:DEBUG leat.broker.transport:DEBUG root:DEBUG]" {
		t.Error(got)
	}
}

func TestNames(t *testing.T) {
	for _, n := range LevelNames() {
		l, ok := Parse(n)
		if !ok || Name(l) != n {
			t.Errorf("%s is %v, which is %s", n, l, Name(l))
		}
	}
	if got := strings.Join(LevelNames(), ", "); got != "DEBUG, ERROR, FATAL, INFO, TRACE, WARN" {
		t.Error(got)
	}
	if _, ok := Parse("debug"); ok || Name(slog.LevelInfo+1) != "INFO" || Name(-100) != "TRACE" {
		t.Error("names")
	}
	if l := Of(slog.New(slog.NewTextHandler(&bytes.Buffer{}, &slog.HandlerOptions{Level: slog.LevelWarn}))).Levels()[Root]; l != slog.LevelWarn {
		t.Error(l)
	}
}
