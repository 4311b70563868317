package broker

import (
	"bytes"
	"flag"
	"os"
	"testing"

	wireapi "leat.dev/internal/wire/api"
)

var update = flag.Bool("update", false, "write docs/compat.md anew")

const (
	compatFile      = "../../docs/compat.md"
	differencesFile = "../../test/differ/testdata/differences.txt"
)

// docs/compat.md says what the handler table says.
func TestCompatIsCurrent(t *testing.T) {
	differences, err := os.ReadFile(differencesFile)
	if err != nil {
		t.Fatal(err)
	}
	var want bytes.Buffer
	if err := WriteCompat(&want, string(differences)); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(compatFile, want.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(compatFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want.Bytes()) {
		t.Error("docs/compat.md is out of date: go test ./internal/broker -run TestCompatIsCurrent -update")
	}
}

// Nothing is served whose request's shape cannot be checked before it is decoded.
func TestTableIsWithinTheWire(t *testing.T) {
	seen := map[int16]bool{}
	for _, a := range apis {
		if seen[int16(a.key)] {
			t.Errorf("%s stands twice", a.key.Name())
		}
		seen[int16(a.key)] = true
		w, ok := wireapi.Lookup(int16(a.key))
		if !ok {
			t.Errorf("%s is not in the wire's table", a.key.Name())
			continue
		}
		if a.min < w.Min || a.max > w.Max {
			t.Errorf("%s: %d to %d is served, the wire knows %d to %d", w.Name, a.min, a.max, w.Min, w.Max)
		}
	}
}
