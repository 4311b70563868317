package arch

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
)

// The rules are tried on small sources, so that a rule which can no longer fail is noticed.
func TestRulesCatch(t *testing.T) {
	cases := []struct {
		name, path, src string
		want            string // part of the message; "" when the source is fine
	}{
		{"down is fine", "internal/broker/a.go", `package broker; import _ "leat.dev/internal/commitlog"`, ""},
		{"inside a room is fine", "internal/broker/a.go", `package broker; import _ "leat.dev/internal/broker/session"`, ""},
		{"up", "internal/commitlog/a.go", `package commitlog; import _ "leat.dev/internal/broker/replica"`, "internal/commitlog must not import internal/broker/replica"},
		{"up from a test", "internal/coord/group/a_test.go", `package group; import _ "leat.dev/internal/commitlog"`, "state machines without I/O"},
		{"cli and the broker's inside", "internal/cli/a.go", `package cli; import _ "leat.dev/internal/broker"`, "only through the Kafka protocol"},
		{"unknown room", "internal/stuff/a.go", `package stuff`, "in no room"},
		{"import of an unknown room", "internal/broker/a.go", `package broker; import _ "leat.dev/internal/stuff"`, "in no room"},
		{"unlisted module", "internal/base/x/a.go", `package x; import _ "github.com/some/thing"`, "must not import github.com/some/thing"},
		{"test module in shipped code", "internal/coord/a.go", `package coord; import _ "pgregory.net/rapid"`, "must not import pgregory.net/rapid"},
		{"test module in a test", "internal/coord/a_test.go", `package coord; import _ "pgregory.net/rapid"`, ""},
		{"clock", "internal/commitlog/a.go", `package c; import "time"; var _ = time.Now()`, "the clock is an argument"},
		{"clock under another name", "internal/commitlog/a.go", `package c; import t "time"; var _ = t.Now`, "the clock is an argument"},
		{"clock in its room", "internal/base/clock/a.go", `package c; import "time"; var _ = time.Now()`, ""},
		{"a variable of that name", "internal/commitlog/a.go", `package c; type x struct{ Now int }; func f() int { var time x; return time.Now }`, ""},
		{"sleep in a test", "test/chaos/a_test.go", `package c; import "time"; func f() { time.Sleep(1) }`, "sleeping hides races"},
		{"sleep in a bubble", "internal/coord/a_test.go", `package c; import ("time"; _ "testing/synctest"); func f() { time.Sleep(1) }`, ""},
		{"files", "internal/metadata/a.go", `package c; import "os"; var _, _ = os.Open("x")`, "vfs.FS"},
		{"global random source", "internal/broker/a.go", `package c; import "math/rand/v2"; var _ = rand.IntN(3)`, "cannot be replayed"},
		{"own random source", "internal/broker/a.go", `package c; import "math/rand/v2"; var _ = rand.New(rand.NewPCG(1, 2))`, ""},
		{"whole package", "internal/broker/a.go", `package c; import _ "os/exec"`, "starts no others"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			p := filepath.Join(t.TempDir(), "a.go")
			if err := os.WriteFile(p, []byte(c.src), 0o600); err != nil {
				t.Fatal(err)
			}
			f, err := parse(c.path, p)
			if err != nil {
				t.Fatal(err)
			}
			f.dir = path.Dir(c.path)
			var got []string
			fail := func(format string, args ...any) { got = append(got, fmt.Sprintf(format, args...)) }
			checkImports(fail, f)
			checkBans(fail, f)
			all := strings.Join(got, "\n")
			if c.want == "" && all != "" || !strings.Contains(all, c.want) {
				t.Errorf("got %q, want it to hold %q", all, c.want)
			}
		})
	}
}
