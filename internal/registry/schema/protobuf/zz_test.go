package protobuf

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
)

func TestZZ(t *testing.T) {
	data, _ := os.ReadFile("/tmp/schema-probe/j/wire.json")
	var l [][2]string
	json.Unmarshal(data, &l)
	for _, c := range l {
		f, err := parse(c[0])
		got := "OK"
		if err != nil {
			got = strings.TrimPrefix(err.Error(), "Could not parse Protobuf - ")
		}
		want := "OK"
		if strings.HasPrefix(c[1], "ERR ") {
			_, want, _ = strings.Cut(c[1], ": ")
		}
		if got != want {
			fmt.Printf("DIFF %q\n ours   %s\n theirs %s\n", c[0], got, want)
		} else if err == nil {
			a := strings.Join(strings.Fields(f.text()), " ")
			_, b, _ := strings.Cut(c[1], "// Source: ")
			b = strings.Join(strings.Fields(b), " ")
			b = strings.TrimSpace(b)
			if a != b {
				fmt.Printf("TEXT %q\n ours   %s\n theirs %s\n", c[0], a, b)
			}
		}
	}
}
