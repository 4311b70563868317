package auth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"math/big"
)

// The signature algorithms that are accepted (RFC 7518, RFC 8037). There is no "none" among them, and none with a
// shared secret: a server's public key must never be usable as one.
var rsaAlgorithms = map[string]struct {
	hash crypto.Hash
	pss  bool
}{
	"RS256": {crypto.SHA256, false}, "RS384": {crypto.SHA384, false}, "RS512": {crypto.SHA512, false},
	"PS256": {crypto.SHA256, true}, "PS384": {crypto.SHA384, true}, "PS512": {crypto.SHA512, true},
}

var ecAlgorithms = map[string]struct {
	hash  crypto.Hash
	curve elliptic.Curve
}{
	"ES256": {crypto.SHA256, elliptic.P256()}, "ES384": {crypto.SHA384, elliptic.P384()}, "ES512": {crypto.SHA512, elliptic.P521()},
}

// suits tells whether the algorithm is one for this key.
func suits(algorithm string, key crypto.PublicKey) bool {
	switch k := key.(type) {
	case *rsa.PublicKey:
		_, ok := rsaAlgorithms[algorithm]
		return ok
	case *ecdsa.PublicKey:
		a, ok := ecAlgorithms[algorithm]
		return ok && a.curve == k.Curve
	case ed25519.PublicKey:
		return algorithm == "EdDSA" || algorithm == "Ed25519"
	}
	return false
}

// checkSignature checks a signature by an algorithm that suits the key.
func checkSignature(algorithm string, key crypto.PublicKey, signed, signature []byte) bool {
	switch k := key.(type) {
	case *rsa.PublicKey:
		a := rsaAlgorithms[algorithm]
		h := a.hash.New()
		h.Write(signed)
		if a.pss {
			return rsa.VerifyPSS(k, a.hash, h.Sum(nil), signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}) == nil
		}
		return rsa.VerifyPKCS1v15(k, a.hash, h.Sum(nil), signature) == nil
	case *ecdsa.PublicKey:
		a := ecAlgorithms[algorithm]
		size := (a.curve.Params().BitSize + 7) / 8
		if len(signature) != 2*size {
			return false
		}
		h := a.hash.New()
		h.Write(signed)
		r, s := new(big.Int).SetBytes(signature[:size]), new(big.Int).SetBytes(signature[size:])
		return ecdsa.Verify(k, h.Sum(nil), r, s)
	case ed25519.PublicKey:
		return len(signature) == ed25519.SignatureSize && ed25519.Verify(k, signed, signature)
	}
	return false
}
