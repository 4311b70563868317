package auth

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"testing"
	"time"

	gofork "github.com/jcmturner/gofork/encoding/asn1"
	"github.com/jcmturner/gokrb5/v8/asn1tools"
	krbcrypto "github.com/jcmturner/gokrb5/v8/crypto"
	"github.com/jcmturner/gokrb5/v8/gssapi"
	"github.com/jcmturner/gokrb5/v8/iana/etypeID"
	"github.com/jcmturner/gokrb5/v8/iana/keyusage"
	"github.com/jcmturner/gokrb5/v8/iana/nametype"
	"github.com/jcmturner/gokrb5/v8/keytab"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"

	"leat.dev/internal/base/clock"
)

// kdc makes what a key distribution centre would hand out.
type kdc struct {
	t    *testing.T
	keys *keytab.Keytab
}

func newKDC(t *testing.T) *kdc {
	t.Helper()
	k := &kdc{t, keytab.New()}
	if err := k.keys.AddEntry("kafka/leat.test", "TEST", "service-password", time.Now(), 1, etypeID.AES256_CTS_HMAC_SHA1_96); err != nil {
		t.Fatal(err)
	}
	return k
}

func (k *kdc) mechanism(rules ...string) Mechanism {
	k.t.Helper()
	raw, err := k.keys.Marshal()
	if err != nil {
		k.t.Fatal(err)
	}
	if len(rules) == 0 {
		rules = []string{"DEFAULT"}
	}
	r, err := ParseKerberosRules(rules, "TEST")
	if err != nil {
		k.t.Fatal(err)
	}
	m, err := NewGSSAPI(GSSAPIOptions{Keytab: raw, Principal: "kafka/leat.test@TEST", Rules: r, Clock: clock.System, Random: rand.Reader})
	if err != nil {
		k.t.Fatal(err)
	}
	return m
}

// request makes a client's first token and the key of the context.
func (k *kdc) request(client, realm string, end time.Time, mutual bool) ([]byte, types.EncryptionKey) {
	k.t.Helper()
	cname, sname := types.NewPrincipalName(nametype.KRB_NT_PRINCIPAL, client), types.NewPrincipalName(nametype.KRB_NT_SRV_INST, "kafka/leat.test")
	now := time.Now().UTC()
	ticket, session, err := messages.NewTicket(cname, realm, sname, "TEST", types.NewKrbFlags(), k.keys, etypeID.AES256_CTS_HMAC_SHA1_96, 1, now.Add(-time.Minute), now.Add(-time.Minute), end, end)
	if err != nil {
		k.t.Fatal(err)
	}
	a, err := types.NewAuthenticator(realm, cname)
	if err != nil {
		k.t.Fatal(err)
	}
	sum := make([]byte, 24)
	binary.LittleEndian.PutUint32(sum, 16)
	if mutual {
		binary.LittleEndian.PutUint32(sum[20:], gssMutual)
	}
	a.Cksum = types.Checksum{CksumType: 0x8003, Checksum: sum}
	req, err := messages.NewAPReq(ticket, session, a)
	if err != nil {
		k.t.Fatal(err)
	}
	if mutual {
		types.SetFlag(&req.APOptions, mutualRequired)
	}
	raw, err := req.Marshal()
	if err != nil {
		k.t.Fatal(err)
	}
	return asn1tools.AddASNAppTag(append(append(append([]byte{}, krb5OID...), 1, 0), raw...), 0), session
}

// choose answers the server's offer.
func choose(t *testing.T, offer []byte, key types.EncryptionKey, layer byte, authz string) []byte {
	t.Helper()
	var o gssapi.WrapToken
	if err := o.Unmarshal(offer, true); err != nil {
		t.Fatal(err)
	}
	if ok, err := o.Verify(key, keyusage.GSSAPI_ACCEPTOR_SEAL); !ok {
		t.Fatal(err)
	}
	if o.Payload[0] != layerNone {
		t.Fatal("offers", o.Payload)
	}
	w, err := gssapi.NewInitiatorWrapToken(append([]byte{layer, 0, 0, 0}, authz...), key)
	if err != nil {
		t.Fatal(err)
	}
	b, err := w.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestKerberosLogin(t *testing.T) {
	k := newKDC(t)
	for _, mutual := range []bool{true, false} {
		e := k.mechanism().Begin()
		first, session := k.request("alice", "TEST", time.Now().Add(time.Hour), mutual)
		out, _, err := e.Step(t.Context(), first)
		if err != nil {
			t.Fatal(err)
		}
		if mutual {
			checkReply(t, out, session)
			if out, _, err = e.Step(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
		}
		var offer gssapi.WrapToken
		if err := offer.Unmarshal(out, true); err != nil || offer.SndSeqNum != e.(*gssExchange).sequence {
			t.Error("the offer does not carry the sequence number that was agreed on", err)
		}
		_, who, err := e.Step(t.Context(), choose(t, out, session, layerNone, "alice@TEST"))
		if err != nil || who.Principal != "User:alice" || who.Expires.IsZero() {
			t.Fatal(who, err)
		}
	}
}

// checkReply does what a client does with the AP-REP.
func checkReply(t *testing.T, token []byte, session types.EncryptionKey) {
	t.Helper()
	var outer gofork.RawValue
	if _, err := gofork.Unmarshal(token, &outer); err != nil {
		t.Fatal(err)
	}
	var rep messages.APRep
	if err := rep.Unmarshal(outer.Bytes[len(krb5OID)+2:]); err != nil {
		t.Fatal(err)
	}
	plain, err := krbcrypto.DecryptEncPart(rep.EncPart, session, keyusage.AP_REP_ENCPART)
	if err != nil {
		t.Fatal(err)
	}
	var part messages.EncAPRepPart
	if err := part.Unmarshal(plain); err != nil {
		t.Fatal(err)
	}
	if part.CTime.IsZero() || part.SequenceNumber == 0 {
		t.Error(part)
	}
}

func TestKerberosRefusals(t *testing.T) {
	k := newKDC(t)
	m := k.mechanism()
	later := time.Now().Add(time.Hour)
	refused := func(name string, who *Identity, err error) {
		t.Helper()
		if who != nil || !errors.Is(err, ErrDenied) {
			t.Errorf("%s: %v %v", name, who, err)
		}
	}
	first, session := k.request("alice", "TEST", later, true)
	if _, _, err := m.Begin().Step(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	_, who, err := m.Begin().Step(t.Context(), first)
	refused("replay", who, err)
	expired, _ := k.request("alice", "TEST", time.Now().Add(-time.Hour), true)
	_, who, err = m.Begin().Step(t.Context(), expired)
	refused("expired", who, err)
	stranger := newKDC(t)
	stranger.keys = keytab.New()
	if err := stranger.keys.AddEntry("kafka/leat.test", "TEST", "other", time.Now(), 1, etypeID.AES256_CTS_HMAC_SHA1_96); err != nil {
		t.Fatal(err)
	}
	forged, _ := stranger.request("alice", "TEST", later, true)
	_, who, err = m.Begin().Step(t.Context(), forged)
	refused("forged", who, err)
	for _, garbage := range [][]byte{nil, {0x60}, first[:40], make([]byte, gssTokenMax+1), asn1tools.AddASNAppTag(append(append([]byte{}, krb5OID...), 1, 0, 0x30), 0)} {
		_, who, err := m.Begin().Step(t.Context(), garbage)
		refused("garbage", who, err)
	}
	for name, answer := range map[string]func(offer []byte) []byte{
		"security layer": func(o []byte) []byte { return choose(t, o, session, 4, "") },
		"another's name": func(o []byte) []byte { return choose(t, o, session, layerNone, "root") },
		"damaged": func(o []byte) []byte {
			b := choose(t, o, session, layerNone, "alice")
			b[len(b)-1] ^= 1
			return b
		},
		"short": func([]byte) []byte { return []byte{5, 4} },
	} {
		var req []byte
		req, session = k.request("alice", "TEST", later, true)
		e := m.Begin()
		if _, _, err := e.Step(t.Context(), req); err != nil {
			t.Fatal(err)
		}
		offer, _, err := e.Step(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		_, who, err := e.Step(t.Context(), answer(offer))
		refused(name, who, err)
	}
	req, key := k.request("alice", "ELSEWHERE", later, false)
	e := m.Begin()
	offer, _, err := e.Step(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	_, who, err = e.Step(t.Context(), choose(t, offer, key, layerNone, ""))
	refused("another realm", who, err)
}

func TestKerberosRules(t *testing.T) {
	for _, tc := range []struct {
		rules []string
		name  []string
		realm string
		want  string
	}{
		{[]string{"DEFAULT"}, []string{"alice"}, "TEST", "alice"},
		{[]string{"DEFAULT"}, []string{"svc", "host"}, "TEST", "svc"},
		{[]string{"DEFAULT"}, []string{"alice"}, "OTHER", ""},
		{[]string{"RULE:[1:$1@$0](.*@OTHER)s/@.*//", "DEFAULT"}, []string{"bob"}, "OTHER", "bob"},
		{[]string{"RULE:[2:$1](svc)s/svc/app/"}, []string{"svc", "h"}, "X", "app"},
		{[]string{"RULE:[1:$1]/L"}, []string{"BOB"}, "X", "bob"},
		{[]string{"RULE:[1:$1](x.*)s/x/y/g"}, []string{"xxa"}, "X", "yya"},
		{[]string{"RULE:[1:$1@$0]"}, []string{"bob"}, "X", ""},
		{[]string{"RULE:[3:$1]"}, []string{"bob"}, "X", ""},
	} {
		k, err := ParseKerberosRules(tc.rules, "TEST")
		if err != nil {
			t.Errorf("%v: %v", tc.rules, err)
			continue
		}
		if got, ok := k.Apply(tc.name, tc.realm); ok != (tc.want != "") || ok && got != tc.want {
			t.Errorf("%v of %v@%s: %q %v, want %q", tc.rules, tc.name, tc.realm, got, ok, tc.want)
		}
	}
	if _, err := ParseKerberosRules([]string{"RULE:x"}, "T"); err == nil {
		t.Error("nonsense passes")
	}
}

func FuzzKerberos(f *testing.F) {
	k := newKDC(&testing.T{})
	first, _ := k.request("alice", "TEST", time.Now().Add(time.Hour), true)
	f.Add(first)
	m := k.mechanism()
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, who, _ := m.Begin().Step(t.Context(), b); who != nil {
			t.Fatal("in after one token")
		}
	})
}
