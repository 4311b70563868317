// Package auth finds out who a client is: TLS key material and the principals of client certificates, and the server
// sides of the SASL mechanisms PLAIN, SCRAM, OAUTHBEARER and GSSAPI.
//
// A mechanism is a state machine: a token of the client in, a challenge or an identity out. It knows no sockets and no
// protocol frames; those belong to the broker. What users there are, it is told through functions. Files are read
// through vfs.FS.
//
// Everything here is reachable by anybody who can open a connection. So: sizes are bounded before memory is taken,
// secrets are compared in constant time and never part of an error, and a user who does not exist is answered as one
// whose password is wrong.
//
// Goroutines: a JWKS keeps at most one fetch of keys under way, which ends by its timeout or with Close. Nothing else
// runs by itself; key stores are read again when a handshake finds them changed.
package auth
