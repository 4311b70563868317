package broker

import (
	"net/netip"
	"time"

	"leat.dev/internal/broker/quota"
	"leat.dev/internal/broker/transport"
)

// Request is what a handler knows about a request besides its body. Listener and connection facts are those of the
// connection the request came on; Principal is "User:ANONYMOUS" while no authentication is configured.
type Request struct {
	Key           int16
	Version       int16
	CorrelationID int32
	ClientID      string
	// ClientIDNull tells an absent client id from an empty one.
	ClientIDNull bool
	// ClientSoftwareName and ClientSoftwareVersion come from the connection's ApiVersions request (v3 and up).
	ClientSoftwareName    string
	ClientSoftwareVersion string
	RemoteAddr            netip.AddrPort
	Listener              string
	Principal             string
	// TokenAuthenticated: a delegation token stood in for the user's own credential.
	TokenAuthenticated bool
	Received           time.Time

	call      *transport.Call
	auth      *connAuth
	watch     stopwatch
	mutations *quota.Mutations // nil unless the request changes topics and there is a quota on that
}

// Host is the client's address as Kafka writes it in group descriptions: "/127.0.0.1".
func (r *Request) Host() string {
	return "/" + r.RemoteAddr.Addr().Unmap().String()
}
