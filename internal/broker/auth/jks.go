package auth

import (
	"bytes"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/asn1"
	"encoding/binary"
	"errors"
	"unicode/utf16"
)

// Java's own key store: magic, version, count, then entries with a tag, an alias and a time; a SHA-1 over all of it,
// keyed by the password, at the end. Keys are encrypted one by one with a keystream of SHA-1 hashes. It is weak, and
// still what many deployments have.
const (
	jksMagic    = 0xfeedfeed
	jksKey      = 1
	jksTrusted  = 2
	jksEntryMax = 10000
)

// jksEntry is a private key with its chain, or a trusted certificate.
type jksEntry struct {
	key   []byte // protected; nil for a trusted certificate
	certs [][]byte
}

func isJKS(data []byte) bool {
	return len(data) >= 4 && binary.BigEndian.Uint32(data) == jksMagic
}

var errJKS = errors.New("a damaged JKS file")

// parseJKS reads a store. An empty password skips the check that the file is whole, as in Java.
func parseJKS(data []byte, password string) ([]jksEntry, error) {
	if len(data) < 12+sha1.Size {
		return nil, errJKS
	}
	body, sum := data[:len(data)-sha1.Size], data[len(data)-sha1.Size:]
	if password != "" {
		h := sha1.New()
		h.Write(utf16Bytes(password))
		h.Write([]byte("Mighty Aphrodite"))
		h.Write(body)
		if subtle.ConstantTimeCompare(h.Sum(nil), sum) != 1 {
			return nil, errStorePassword
		}
	}
	r := &reader{b: body[4:]}
	version, count := r.u32(), r.u32()
	if version < 1 || version > 2 || count > jksEntryMax {
		return nil, errJKS
	}
	var out []jksEntry
	for range count {
		tag := r.u32()
		r.take(uint64(r.u16())) // the alias
		r.take(8)               // when it was made
		var e jksEntry
		certs := uint32(1)
		switch tag {
		case jksKey:
			e.key = r.take(uint64(r.u32()))
			if certs = r.u32(); e.key == nil {
				return nil, errJKS
			}
		case jksTrusted:
		default:
			return nil, errJKS
		}
		for i := uint32(0); i < certs && !r.bad; i++ {
			if version == 2 {
				r.take(uint64(r.u16())) // the type, X.509
			}
			e.certs = append(e.certs, r.take(uint64(r.u32())))
		}
		if r.bad {
			return nil, errJKS
		}
		out = append(out, e)
	}
	if len(r.b) > 0 {
		return nil, errJKS
	}
	return out, nil
}

// jksProtector is the algorithm id of Sun's key protector.
var jksProtector = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 42, 2, 17, 1, 1}

// unprotectJKS decrypts a key; what comes out is PKCS#8.
func unprotectJKS(protected []byte, password string) ([]byte, error) {
	var info encryptedKey
	if rest, err := asn1.Unmarshal(protected, &info); err != nil || len(rest) > 0 || !info.Algorithm.Algorithm.Equal(jksProtector) {
		return nil, errors.New("the key is protected in an unknown way")
	}
	if len(info.Data) < 2*sha1.Size {
		return nil, errJKS
	}
	salt, cipher, check := info.Data[:sha1.Size], info.Data[sha1.Size:len(info.Data)-sha1.Size], info.Data[len(info.Data)-sha1.Size:]
	secret := utf16Bytes(password)
	plain := make([]byte, 0, len(cipher)+sha1.Size)
	for digest := salt; len(plain) < len(cipher); {
		next := sha1.Sum(append(bytes.Clone(secret), digest...))
		digest = next[:]
		plain = append(plain, digest...)
	}
	plain = plain[:len(cipher)]
	subtle.XORBytes(plain, plain, cipher)
	got := sha1.Sum(append(secret, plain...))
	if subtle.ConstantTimeCompare(got[:], check) != 1 {
		return nil, errStorePassword
	}
	return plain, nil
}

// utf16Bytes is how Java turns a password into bytes here.
func utf16Bytes(s string) []byte {
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		b = binary.BigEndian.AppendUint16(b, u)
	}
	return b
}
