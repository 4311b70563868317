package auth

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/asn1"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	gofork "github.com/jcmturner/gofork/encoding/asn1"
	"github.com/jcmturner/gokrb5/v8/asn1tools"
	krbcrypto "github.com/jcmturner/gokrb5/v8/crypto"
	"github.com/jcmturner/gokrb5/v8/gssapi"
	"github.com/jcmturner/gokrb5/v8/iana/asnAppTag"
	"github.com/jcmturner/gokrb5/v8/iana/keyusage"
	"github.com/jcmturner/gokrb5/v8/iana/msgtype"
	"github.com/jcmturner/gokrb5/v8/keytab"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"

	"leat.dev/internal/base/clock"
	"leat.dev/internal/metadata/config"
)

// gssTokenMax bounds a Kerberos token: tickets with the group lists of large directories have some 50 KB.
const gssTokenMax = 128 << 10

// clockSkew is how far a client's clock may be off, and how long authenticators are remembered.
const clockSkew = 5 * time.Minute

// GSSAPIOptions say who the broker is to Kerberos.
type GSSAPIOptions struct {
	Keytab    []byte
	Principal string // "kafka/host@REALM"; empty takes any of the keytab
	Rules     KerberosRules
	Clock     clock.Clock
	Random    io.Reader
}

type gss struct {
	GSSAPIOptions
	keys    *keytab.Keytab
	service *types.PrincipalName
	replays replayCache
}

// NewGSSAPI returns GSSAPI with Kerberos (RFC 4752), without a security layer of its own: TLS does that.
func NewGSSAPI(o GSSAPIOptions) (Mechanism, error) {
	g := &gss{GSSAPIOptions: o, keys: keytab.New()}
	if err := unmarshalKeytab(g.keys, o.Keytab); err != nil {
		return nil, err
	}
	if o.Principal != "" {
		name, _, _ := strings.Cut(o.Principal, "@")
		p := types.NewPrincipalName(2, name)
		g.service = &p
	}
	return g, nil
}

func unmarshalKeytab(k *keytab.Keytab, b []byte) (err error) {
	defer recovered(&err)
	if err := k.Unmarshal(b); err != nil {
		return errors.New("the keytab cannot be read")
	}
	if len(k.Entries) == 0 {
		return errors.New("there is no key in the keytab")
	}
	return nil
}

// recovered turns a panic of the Kerberos library over a stranger's bytes into an error.
func recovered(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("%w: the Kerberos library failed: %v", ErrDenied, p)
	}
}

func (g *gss) Name() string    { return config.GSSAPI }
func (g *gss) Begin() Exchange { return &gssExchange{gss: g} }

// gssExchange goes through: the client's ticket; an empty token; what security layers there are; what the client chose.
type gssExchange struct {
	*gss
	step       int
	components []string
	realm      string
	expires    time.Time
	key        types.EncryptionKey // of the context
	sequence   uint64              // of our next token
}

// Step implements Exchange.
func (e *gssExchange) Step(_ context.Context, token []byte) (challenge []byte, who *Identity, err error) {
	defer recovered(&err)
	if len(token) > gssTokenMax {
		return nil, nil, malformed(config.GSSAPI, "the token is too large")
	}
	e.step++
	switch e.step {
	case 1:
		challenge, err = e.accept(token)
		if err == nil && challenge == nil {
			e.step++ // no mutual authentication: the offer comes at once
			challenge, err = e.offer()
		}
		return challenge, nil, err
	case 2:
		if len(token) > 0 {
			return nil, nil, malformed(config.GSSAPI, "expected an empty token")
		}
		challenge, err = e.offer()
		return challenge, nil, err
	case 3:
		return e.finish(token)
	}
	return nil, nil, malformed(config.GSSAPI, "the exchange is over")
}

// krb5OID is the mechanism's object identifier as it stands in a token.
var krb5OID = []byte{0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x12, 0x01, 0x02, 0x02}

// apReqOf takes the AP-REQ out of an initial token (RFC 2743, section 3.1).
func apReqOf(token []byte) ([]byte, error) {
	var outer asn1.RawValue
	rest, err := asn1.Unmarshal(token, &outer)
	if err != nil || len(rest) > 0 || outer.Class != asn1.ClassApplication || outer.Tag != 0 {
		return nil, errors.New("not an initial token")
	}
	body, ok := bytes.CutPrefix(outer.Bytes, krb5OID)
	if !ok || len(body) < 2 || body[0] != 1 || body[1] != 0 {
		return nil, errors.New("not a request of Kerberos 5")
	}
	return body[2:], nil
}

// mutualRequired is the bit of an AP-REQ's options; gssMutual that of the flags in its checksum (RFC 4121, 4.1.1).
const (
	mutualRequired = 2
	gssMutual      = 2
)

// accept checks the ticket and answers with an AP-REP if the client wants to know who we are.
func (e *gssExchange) accept(token []byte) ([]byte, error) {
	raw, err := apReqOf(token)
	if err != nil {
		return nil, malformed(config.GSSAPI, err.Error())
	}
	var req messages.APReq
	if err := req.Unmarshal(raw); err != nil {
		return nil, malformed(config.GSSAPI, "the request cannot be read")
	}
	if ok, err := req.Verify(e.keys, clockSkew, types.HostAddress{}, e.service); err != nil || !ok {
		return nil, deny(config.GSSAPI, fmt.Sprintf("the ticket is not valid: %v", err))
	}
	a := &req.Authenticator
	if !e.replays.add(a, e.Clock.Now()) {
		return nil, deny(config.GSSAPI, "the request was seen before")
	}
	flags := uint32(0)
	if c := a.Cksum; c.CksumType == 0x8003 && len(c.Checksum) >= 24 {
		flags = binary.LittleEndian.Uint32(c.Checksum[20:])
	}
	e.components, e.realm = a.CName.NameString, a.CRealm
	if len(e.components) == 0 || e.components[0] == "" {
		return nil, deny(config.GSSAPI, "the ticket names nobody")
	}
	e.expires = req.Ticket.DecryptedEncPart.EndTime
	session := req.Ticket.DecryptedEncPart.Key
	e.key = session
	if len(a.SubKey.KeyValue) > 0 {
		e.key = a.SubKey
	}
	if !types.IsFlagSet(&req.APOptions, mutualRequired) && flags&gssMutual == 0 {
		e.sequence = uint64(uint32(a.SeqNumber)) // both sides count from the client's number then (RFC 4121, section 4)
		return nil, nil
	}
	return e.reply(a, session)
}

// apRepPart is what an AP-REP says; the library only reads them.
type apRepPart struct {
	CTime          time.Time `asn1:"generalized,explicit,tag:0"`
	Cusec          int       `asn1:"explicit,tag:1"`
	SequenceNumber int64     `asn1:"explicit,tag:3"`
}

func (e *gssExchange) reply(a *types.Authenticator, session types.EncryptionKey) ([]byte, error) {
	var seq [4]byte
	if _, err := io.ReadFull(e.Random, seq[:]); err != nil {
		return nil, fmt.Errorf("making a sequence number: %w", err)
	}
	e.sequence = uint64(binary.BigEndian.Uint32(seq[:]) >> 2)
	part, err := gofork.Marshal(apRepPart{CTime: a.CTime.UTC().Truncate(time.Second), Cusec: a.Cusec, SequenceNumber: int64(e.sequence)})
	if err != nil {
		return nil, fmt.Errorf("writing the reply: %w", err)
	}
	sealed, err := krbcrypto.GetEncryptedData(asn1tools.AddASNAppTag(part, asnAppTag.EncAPRepPart), session, keyusage.AP_REP_ENCPART, 0)
	if err != nil {
		return nil, fmt.Errorf("sealing the reply: %w", err)
	}
	reply, err := gofork.Marshal(messages.APRep{PVNO: 5, MsgType: msgtype.KRB_AP_REP, EncPart: sealed})
	if err != nil {
		return nil, fmt.Errorf("writing the reply: %w", err)
	}
	body := append(bytes.Clone(krb5OID), 2, 0)
	body = append(body, asn1tools.AddASNAppTag(reply, asnAppTag.APREP)...)
	return asn1tools.AddASNAppTag(body, 0), nil
}

// layerNone is the one security layer that we offer.
const layerNone = 1

// offer says what security layers there are.
func (e *gssExchange) offer() ([]byte, error) {
	t := gssapi.WrapToken{Flags: 1, SndSeqNum: e.sequence, Payload: []byte{layerNone, 0, 0, 0}}
	et, err := krbcrypto.GetEtype(e.key.KeyType)
	if err != nil {
		return nil, deny(config.GSSAPI, "the key is of an unknown kind")
	}
	t.EC = uint16(et.GetHMACBitLength() / 8)
	if err := t.SetCheckSum(e.key, keyusage.GSSAPI_ACCEPTOR_SEAL); err != nil {
		return nil, fmt.Errorf("signing the offer: %w", err)
	}
	return t.Marshal()
}

// finish checks what the client chose: no security layer, and nobody else's name.
func (e *gssExchange) finish(token []byte) ([]byte, *Identity, error) {
	payload, err := e.unwrap(token)
	if err != nil {
		return nil, nil, malformed(config.GSSAPI, err.Error())
	}
	if len(payload) < 4 || payload[0] != layerNone {
		return nil, nil, malformed(config.GSSAPI, "the client wants a security layer")
	}
	full := strings.Join(e.components, "/")
	if authz := string(payload[4:]); authz != "" && authz != full && authz != full+"@"+e.realm {
		return nil, nil, deny(config.GSSAPI, "the authorization id is another user")
	}
	user, ok := e.Rules.Apply(e.components, e.realm)
	if !ok {
		return nil, nil, deny(config.GSSAPI, "no rule of sasl.kerberos.principal.to.local.rules fits "+full+"@"+e.realm)
	}
	return nil, &Identity{Principal: userPrefix + user, Mechanism: config.GSSAPI, Expires: e.expires}, nil
}

func (e *gssExchange) unwrap(token []byte) ([]byte, error) {
	if len(token) < gssapi.HdrLen || token[2]&2 != 0 {
		return nil, errors.New("not a plain wrap token")
	}
	// What follows the header may have been rotated to the right (RFC 4121, section 4.2.5).
	turned := bytes.Clone(token)
	if body := turned[gssapi.HdrLen:]; len(body) > 0 {
		n := int(binary.BigEndian.Uint16(token[6:])) % len(body)
		copy(body, token[gssapi.HdrLen+n:])
		copy(body[len(body)-n:], token[gssapi.HdrLen:gssapi.HdrLen+n])
	}
	var t gssapi.WrapToken
	if err := t.Unmarshal(turned, false); err != nil {
		return nil, errors.New("not a wrap token")
	}
	if ok, err := t.Verify(e.key, keyusage.GSSAPI_INITIATOR_SEAL); err != nil || !ok {
		return nil, errors.New("the checksum does not fit")
	}
	return t.Payload, nil
}

// replayMax bounds the authenticators that are remembered. Only those who hold a valid ticket make one.
const replayMax = 1 << 16

// replayCache remembers authenticators for as long as they would be accepted again.
type replayCache struct {
	mu    sync.Mutex
	seen  map[[sha256.Size]byte]time.Time
	order []replayEntry
}

type replayEntry struct {
	key [sha256.Size]byte
	at  time.Time
}

// add remembers an authenticator; false means that it was there. When the cache is full nobody gets in: forgetting
// would let requests be replayed.
func (c *replayCache) add(a *types.Authenticator, now time.Time) bool {
	h := sha256.Sum256(fmt.Appendf(nil, "%q %q %d %d", a.CName.NameString, a.CRealm, a.CTime.Unix(), a.Cusec))
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.seen == nil {
		c.seen = map[[sha256.Size]byte]time.Time{}
	}
	for len(c.order) > 0 && now.Sub(c.order[0].at) > 2*clockSkew {
		delete(c.seen, c.order[0].key)
		c.order = c.order[1:]
	}
	if _, ok := c.seen[h]; ok || len(c.order) >= replayMax {
		return false
	}
	c.seen[h] = now
	c.order = append(c.order, replayEntry{h, now})
	return true
}
