package auth

import (
	"bytes"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"fmt"

	"software.sslmate.com/src/go-pkcs12"
)

// storeBytesMax bounds a key store; real ones have some kilobytes.
const storeBytesMax = 4 << 20

// Errors of key stores name what is wrong, never a password or a key.
var errStorePassword = errors.New("the password is wrong or the file is damaged")

// keyStore is what a broker shows to clients.
func keyStore(data []byte, password, keyPassword string) (tls.Certificate, error) {
	if keyPassword == "" {
		keyPassword = password
	}
	if len(data) > storeBytesMax {
		return tls.Certificate{}, errors.New("too large for a key store")
	}
	switch {
	case isJKS(data):
		entries, err := parseJKS(data, password)
		if err != nil {
			return tls.Certificate{}, err
		}
		for _, e := range entries {
			if e.key == nil {
				continue
			}
			der, err := unprotectJKS(e.key, keyPassword)
			if err != nil {
				return tls.Certificate{}, err
			}
			key, err := parseKey(der)
			if err != nil {
				return tls.Certificate{}, err
			}
			return pair(key, e.certs)
		}
		return tls.Certificate{}, errors.New("there is no key in it")
	case isPEM(data):
		return keyFromPEM(data, data, keyPassword)
	}
	key, leaf, chain, err := pkcs12.DecodeChain(data, password)
	if errors.Is(err, pkcs12.ErrIncorrectPassword) {
		return tls.Certificate{}, errStorePassword
	}
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("neither JKS, PKCS12 nor PEM with one key: %w", err)
	}
	certs := [][]byte{leaf.Raw}
	for _, c := range chain {
		certs = append(certs, c.Raw)
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return tls.Certificate{}, errors.New("its key cannot sign")
	}
	return pair(signer, certs)
}

// trustStore is whom a broker believes.
func trustStore(data []byte, password string) (*x509.CertPool, error) {
	if len(data) > storeBytesMax {
		return nil, errors.New("too large for a trust store")
	}
	pool, n := x509.NewCertPool(), 0
	add := func(der []byte) error {
		c, err := x509.ParseCertificate(der)
		if err == nil {
			pool.AddCert(c)
			n++
		}
		return err
	}
	switch {
	case isJKS(data):
		entries, err := parseJKS(data, password)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			if e.key == nil {
				if err := add(e.certs[0]); err != nil {
					return nil, err
				}
			}
		}
	case isPEM(data):
		for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
			if block.Type != "CERTIFICATE" {
				continue
			}
			if err := add(block.Bytes); err != nil {
				return nil, err
			}
		}
	default:
		certs, err := pkcs12.DecodeTrustStore(data, password)
		if errors.Is(err, pkcs12.ErrIncorrectPassword) {
			return nil, errStorePassword
		}
		if err != nil {
			return nil, fmt.Errorf("neither JKS, PKCS12 nor PEM with certificates: %w", err)
		}
		for _, c := range certs {
			pool.AddCert(c)
			n++
		}
	}
	if n == 0 {
		return nil, errors.New("there is no certificate in it")
	}
	return pool, nil
}

func isPEM(data []byte) bool { return bytes.Contains(data, []byte("-----BEGIN ")) }

func pair(key crypto.Signer, chain [][]byte) (tls.Certificate, error) {
	if len(chain) == 0 {
		return tls.Certificate{}, errors.New("there is no certificate for the key")
	}
	leaf, err := x509.ParseCertificate(chain[0])
	if err != nil {
		return tls.Certificate{}, err
	}
	type public interface{ Equal(crypto.PublicKey) bool }
	if p, ok := key.Public().(public); !ok || !p.Equal(leaf.PublicKey) {
		return tls.Certificate{}, errors.New("the first certificate is not the key's")
	}
	return tls.Certificate{Certificate: chain, PrivateKey: key, Leaf: leaf}, nil
}

// keyFromPEM takes the certificates and the key out of PEM texts, which may be the same.
func keyFromPEM(chainText, keyText []byte, password string) (tls.Certificate, error) {
	var chain [][]byte
	for block, rest := pem.Decode(chainText); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "CERTIFICATE" {
			chain = append(chain, block.Bytes)
		}
	}
	for block, rest := pem.Decode(keyText); block != nil; block, rest = pem.Decode(rest) {
		var key crypto.Signer
		var err error
		switch block.Type {
		case "PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY":
			if block.Headers["DEK-Info"] != "" {
				return tls.Certificate{}, errors.New("the key is encrypted in OpenSSL's old way: convert it with openssl pkcs8 -topk8")
			}
			key, err = parseKey(block.Bytes)
		case "ENCRYPTED PRIVATE KEY":
			var der []byte
			if der, err = decryptPKCS8(block.Bytes, password); err == nil {
				key, err = parseKey(der)
			}
		default:
			continue
		}
		if err != nil {
			return tls.Certificate{}, err
		}
		return pair(key, chain)
	}
	return tls.Certificate{}, errors.New("there is no private key in it")
}

func parseKey(der []byte) (crypto.Signer, error) {
	if k, err := x509.ParsePKCS8PrivateKey(der); err == nil {
		if s, ok := k.(crypto.Signer); ok {
			return s, nil
		}
		return nil, errors.New("the key cannot sign")
	}
	if k, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		return k, nil
	}
	if k, err := x509.ParseECPrivateKey(der); err == nil {
		return k, nil
	}
	return nil, errors.New("the private key is of no known form")
}

// reader takes big-endian fields off a byte slice. After a failure it gives zeros.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) take(n uint64) []byte {
	if n > uint64(len(r.b)) {
		r.bad, r.b = true, nil
		return nil
	}
	out := r.b[:n:n]
	r.b = r.b[n:]
	return out
}

func (r *reader) u16() uint16 {
	if b := r.take(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

func (r *reader) u32() uint32 {
	if b := r.take(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}
