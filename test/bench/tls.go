package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"maps"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// overTLS is the throughput of 1 KB records when every byte is encrypted. Both brokers have the same key and choose
// the cipher with the client.
func overTLS(ctx context.Context, b *bench, s system) error {
	dir, err := os.MkdirTemp(b.dir, "leat-bench-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	store := filepath.Join(dir, "server.pem")
	trusted, err := makeCertificate(store)
	if err != nil {
		return err
	}
	s.props = maps.Clone(s.props)
	if s.props == nil {
		s.props = map[string]string{}
	}
	s.props["ssl.keystore.type"], s.props["ssl.keystore.location"] = "PEM", store
	s.listeners = []string{"SSL"}
	n, err := b.start(ctx, s)
	if err != nil {
		return err
	}
	defer n.end()
	n.over, n.opts = " over TLS", []kgo.Opt{kgo.SeedBrokers(n.AddrOf("SSL")), kgo.DialTLSConfig(&tls.Config{RootCAs: trusted, MinVersion: tls.VersionTLS12})}
	const topic, size = "tls", 1024
	if err := n.createTopic(ctx, topic, loadPartitions); err != nil {
		return err
	}
	if err := b.produceRow(ctx, s, n, topic, size); err != nil {
		return err
	}
	return b.consumeRow(ctx, s, n, topic, size)
}

// makeCertificate writes a key and its own certificate as one PEM file, and returns what trusts it.
func makeCertificate(file string) (*x509.CertPool, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "bench"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	store := bytes.Join([][]byte{pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), cert}, nil)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(cert)
	return pool, os.WriteFile(file, store, 0o600)
}
