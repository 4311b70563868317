package auth

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"hash"
)

// encryptedKey is EncryptedPrivateKeyInfo of PKCS#8.
type encryptedKey struct {
	Algorithm pkix.AlgorithmIdentifier
	Data      []byte
}

type pbes2Params struct {
	KDF, Cipher pkix.AlgorithmIdentifier
}

type pbkdf2Params struct {
	Salt       []byte
	Iterations int
	KeyLength  int                      `asn1:"optional"`
	PRF        pkix.AlgorithmIdentifier `asn1:"optional"`
}

var (
	oidPBES2  = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 13}
	oidPBKDF2 = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 12}
)

// The pseudo-random functions and ciphers that openssl and keytool write.
var pbkdf2Hashes = map[string]func() hash.Hash{
	"":                    sha1.New, // the default when none is named
	"1.2.840.113549.2.7":  sha1.New,
	"1.2.840.113549.2.9":  sha256.New,
	"1.2.840.113549.2.10": sha512.New384,
	"1.2.840.113549.2.11": sha512.New,
}

var aesKeyBytes = map[string]int{
	"2.16.840.1.101.3.4.1.2": 16, "2.16.840.1.101.3.4.1.22": 24, "2.16.840.1.101.3.4.1.42": 32,
}

// pbkdf2IterationsMax bounds what a file can make us compute.
const pbkdf2IterationsMax = 10_000_000

var errPKCS8 = errors.New("the private key is encrypted in an unknown way: use PBES2 with AES, as openssl pkcs8 -topk8 does")

// decryptPKCS8 decrypts a key that is encrypted by PBES2 with AES in CBC mode.
func decryptPKCS8(der []byte, password string) ([]byte, error) {
	var info encryptedKey
	var params pbes2Params
	var kdf pbkdf2Params
	if rest, err := asn1.Unmarshal(der, &info); err != nil || len(rest) > 0 || !info.Algorithm.Algorithm.Equal(oidPBES2) {
		return nil, errPKCS8
	}
	if _, err := asn1.Unmarshal(info.Algorithm.Parameters.FullBytes, &params); err != nil || !params.KDF.Algorithm.Equal(oidPBKDF2) {
		return nil, errPKCS8
	}
	if _, err := asn1.Unmarshal(params.KDF.Parameters.FullBytes, &kdf); err != nil || kdf.Iterations < 1 || kdf.Iterations > pbkdf2IterationsMax {
		return nil, errPKCS8
	}
	prf := ""
	if len(kdf.PRF.Algorithm) > 0 {
		prf = kdf.PRF.Algorithm.String()
	}
	newHash, size := pbkdf2Hashes[prf], aesKeyBytes[params.Cipher.Algorithm.String()]
	iv := params.Cipher.Parameters.Bytes
	if newHash == nil || size == 0 || len(iv) != aes.BlockSize {
		return nil, errPKCS8
	}
	key, err := pbkdf2.Key(newHash, password, kdf.Salt, kdf.Iterations, size)
	if err != nil {
		return nil, errPKCS8
	}
	block, err := aes.NewCipher(key)
	if err != nil || len(info.Data) == 0 || len(info.Data)%aes.BlockSize != 0 {
		return nil, errPKCS8
	}
	plain := make([]byte, len(info.Data))
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(plain, info.Data)
	pad := int(plain[len(plain)-1])
	if pad == 0 || pad > aes.BlockSize {
		return nil, errStorePassword
	}
	return plain[:len(plain)-pad], nil
}
