package avro_test

import (
	"bytes"
	"encoding/json"
	"os"
	"slices"
	"testing"

	"leat.dev/internal/registry/schema/avro"
)

// TestAgainstApacheAvro holds the differences against what SchemaCompatibility of Apache Avro for Java 1.12.0
// listed for generated pairs: type, place and message of each, in order. The file is a selection of 8,000 such
// pairs, all of which agreed; it was made by our generator and that library.
func TestAgainstApacheAvro(t *testing.T) {
	data, err := os.ReadFile("testdata/apache-avro-1.12.0.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.Split(bytes.TrimSpace(data), []byte("\n"))
	for _, line := range lines {
		var c struct {
			Reader, Writer string
			Faults         []string
		}
		if err := json.Unmarshal(line, &c); err != nil {
			t.Fatal(err)
		}
		reader, err := avro.Parse(c.Reader, nil, true)
		if err != nil {
			t.Fatal(err)
		}
		writer, err := avro.Parse(c.Writer, nil, true)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, d := range avro.Compare(reader, writer) {
			got = append(got, d.Type+" "+d.Path()+" "+d.Message)
		}
		if !slices.Equal(got, c.Faults) {
			t.Errorf("reader %s\nwriter %s\nours %q\nJava %q", c.Reader, c.Writer, got, c.Faults)
		}
	}
	t.Logf("%d pairs", len(lines))
}
