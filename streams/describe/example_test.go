package describe_test

import (
	"fmt"

	"leat.dev/streams/describe"
)

func ExampleParse() {
	d, err := describe.Parse(`Topologies:
   Sub-topology: 0
    Source: KSTREAM-SOURCE-0000000000 (topics: [lines])
      --> KSTREAM-SINK-0000000001
    Sink: KSTREAM-SINK-0000000001 (topic: words)
      <-- KSTREAM-SOURCE-0000000000

`)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Print(d.Terminal(80))
	// Output:
	// Sub-topology 0
	//
	// ╭─ source ──────────────────╮
	// │ KSTREAM-SOURCE-0000000000 │
	// │ reads lines               │
	// ╰─────────────┬─────────────╯
	//               │
	//               ▼
	//  ╭─ sink ──────────────────╮
	//  │ KSTREAM-SINK-0000000001 │
	//  │ writes words            │
	//  ╰─────────────────────────╯
}
