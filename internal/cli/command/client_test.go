package command

import (
	"crypto/tls"
	"errors"
	"net"
	"syscall"
	"testing"

	"leat.dev/internal/cli/fault"
)

// What a client library says of a refusal becomes what a person can act upon.
func TestUnreachable(t *testing.T) {
	reset := func(op string) error { return &net.OpError{Op: op, Err: syscall.ECONNRESET} }
	for _, tc := range []struct {
		name         string
		err, dialled error
		tls          *tls.Config
		want         string
	}{
		{"a token", errors.New("unexpected data in oauth response"), nil, nil, "the cluster does not accept this token"},
		{"TLS to a plain listener", errors.New("unable to dial"), reset("read"), &tls.Config{}, "the connection ended before TLS was agreed on: connection reset by peer"},
		{"nobody there", errors.New("unable to dial"), reset("dial"), &tls.Config{}, "connection reset by peer"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := &Client{env: &Env{Bootstrap: []string{"h:1"}}, dials: &dialLog{failed: map[string]error{}, tls: tc.tls}}
			if tc.dialled != nil {
				c.dials.failed["h:1"], c.dials.recent = tc.dialled, "h:1"
			}
			err, ok := errors.AsType[*fault.Error](c.unreachable(tc.err))
			if !ok || (err.Primary != tc.want && err.Detail != tc.want) || err.Hint == "" {
				t.Errorf("%+v, want %q", err, tc.want)
			}
		})
	}
}
