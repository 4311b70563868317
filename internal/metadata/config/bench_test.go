package config

import "testing"

func BenchmarkResolve(b *testing.B) {
	static := Defaults()
	topic := map[string]string{"retention.ms": "1000"}
	for b.Loop() {
		Resolve(topic, Dynamic{}, static)
	}
}

func BenchmarkDescribeTopic(b *testing.B) {
	static := Defaults()
	topic := map[string]string{"retention.ms": "1000"}
	for b.Loop() {
		DescribeTopic(topic, Dynamic{}, static)
	}
}
