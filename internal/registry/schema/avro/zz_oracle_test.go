package avro_test

import (
	"encoding/json"
	"fmt"
	"leat.dev/internal/registry/schema/avro"
	"os"
	"pgregory.net/rapid"
	"strings"
	"testing"
)

func TestZZErr(t *testing.T) {
	data, _ := os.ReadFile("/tmp/schema-probe/j/avro_err.json")
	var l [][2]string
	json.Unmarshal(data, &l)
	for _, c := range l {
		s, err := avro.Parse(c[0], nil, false)
		got := ""
		if err != nil {
			got = err.Error()
		} else {
			got = s.Text()
		}
		want := c[1]
		if strings.HasPrefix(want, "ERR ") {
			_, want, _ = strings.Cut(want, ": ")
		}
		if got != want {
			fmt.Printf("DIFF %s\n ours   %s\n theirs %s\n", c[0], got, want)
		}
	}
}
func TestZZPairs(t *testing.T) {
	f, _ := os.Create("/tmp/schema-probe/j/pairs.jsonl")
	e := json.NewEncoder(f)
	for range 40 {
		rapid.Check(t, func(t *rapid.T) {
			d := &drafts{t: t}
			a := d.schema(4)
			b := d.evolve(a, 4)
			x, y := encode(t, a), encode(t, b)
			if _, err := avro.Parse(x, nil, true); err != nil {
				return
			}
			if _, err := avro.Parse(y, nil, true); err != nil {
				return
			}
			e.Encode(map[string]string{"k": "compat", "r": x, "w": y})
			e.Encode(map[string]string{"k": "compat", "r": y, "w": x})
			e.Encode(map[string]string{"k": "avro", "t": y})
		})
	}
	f.Close()
}
func TestZZCompare(t *testing.T) {
	q, _ := os.ReadFile("/tmp/schema-probe/j/pairs.jsonl")
	r, _ := os.ReadFile("/tmp/schema-probe/j/answers.jsonl")
	qs, rs := strings.Split(strings.TrimSpace(string(q)), "\n"), strings.Split(strings.TrimSpace(string(r)), "\n")
	bad, n := 0, 0
	for i := range qs {
		var c map[string]string
		json.Unmarshal([]byte(qs[i]), &c)
		var a map[string]string
		json.Unmarshal([]byte(rs[i]), &a)
		n++
		got := ""
		if c["k"] == "avro" {
			s, _ := avro.Parse(c["t"], nil, false)
			got = s.Text()
		} else {
			rd, _ := avro.Parse(c["r"], nil, false)
			w, _ := avro.Parse(c["w"], nil, false)
			var out []string
			for _, d := range avro.Compare(rd, w) {
				out = append(out, d.Type+" "+d.Path()+" "+d.Message)
			}
			got = strings.Join(out, "\n")
		}
		if got != a["res"] {
			bad++
			if bad < 6 {
				fmt.Printf("DIFF %s\n ours   %s\n theirs %s\n", qs[i], got, a["res"])
			}
		}
	}
	fmt.Println(n, "compared", bad, "differ")
}
