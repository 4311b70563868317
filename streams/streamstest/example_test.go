package streamstest_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"leat.dev/streams"
	"leat.dev/streams/streamstest"
)

// exampleT stands for the *testing.T of a test.
type exampleT struct{ testing.TB }

func (exampleT) Helper()                   {}
func (exampleT) Cleanup(func())            {}
func (exampleT) Fatal(a ...any)            { fmt.Println(a...) }
func (exampleT) Errorf(f string, a ...any) { fmt.Printf(f, a...) }

var t exampleT

type payment struct {
	Customer string
	Cents    int
}

var (
	payments = streams.NewTopic("payments", streams.String, streams.JSON[payment]())
	large    = streams.NewTopic("large", streams.String, streams.JSON[payment]())
)

func largePayments(b *streams.Builder) {
	payments.Stream(b).
		Filter(func(p payment) bool { return p.Cents >= 1000 }).
		SelectKey(streams.String, func(p payment) string { return p.Customer }).
		To(large)
}

func ExampleNew() {
	d := streamstest.New(t, largePayments)
	d.In(payments).Send("p1", payment{"ann", 1200}, 5)
	d.In(payments).Send("p2", payment{"bob", 300}, 6)
	for _, r := range d.Out(large).All() {
		fmt.Println(r.Key, r.Value.Cents, r.Time)
	}
	// Output: ann 1200 5
}

func ExampleOut_Want() {
	d := streamstest.New(t, largePayments)
	d.In(payments).Text(`
		# The time of a line is that of the line before where it has none.
		p1 | {"Customer": "ann", "Cents": 1200} @5
		p2 | {"Customer": "bob", "Cents": 300}
		p3 | {"Customer": "cay", "Cents": 4000}`)
	d.Out(large).Want(t, `
		ann | {"Customer": "ann", "Cents": 1200} @5
		bob | {"Customer": "bob", "Cents": 300}`)
	// Output:
	// topic large: (- is missing, + was not expected)
	//     ann | {"Cents":1200,"Customer":"ann"} @5
	//   - bob | {"Customer": "bob", "Cents": 300}
	//   + cay | {"Cents":4000,"Customer":"cay"} @5
}

func ExampleDriver_Try() {
	d := streamstest.New(t, func(b *streams.Builder) {
		payments.Stream(b).TryFilter(func(_ streams.Ctx, r streams.Record[string, payment]) (bool, error) {
			if r.Value.Cents < 0 {
				return false, errors.New("a negative payment")
			}
			return true, nil
		}, streams.Named("positive")).To(large)
	})
	err := d.Try(func() { d.In(payments).Send("p1", payment{"ann", -1}, 0) })
	fmt.Println(err)
	// Output: task 0_0: node positive at payments-0 offset 0: a negative payment
}

func ExamplePartitions() {
	d := streamstest.New(t, func(b *streams.Builder) {
		payments.Stream(b).SelectKey(streams.String, func(p payment) string { return p.Customer }).Repartition("by-customer").To(large)
	}, streamstest.Partitions(3))
	d.In(payments).Send("p1", payment{"ann", 1}, 0)
	d.In(payments).Send("p2", payment{"bob", 2}, 0)
	d.In(payments).Send("p3", payment{"ann", 3}, 0)
	partitions := map[string][]int32{}
	for _, r := range d.Records() {
		if strings.HasSuffix(r.Topic, "-repartition") {
			partitions[string(r.Key)] = append(partitions[string(r.Key)], r.Partition)
		}
	}
	fmt.Println(partitions["ann"][0] == partitions["ann"][1], len(d.Tasks()))
	// Output: true 6
}

func ExampleDriver_Records() {
	d := streamstest.New(t, largePayments)
	d.Pipe(streamstest.Record{
		Topic: "payments", Partition: -1, Time: 7, Value: []byte(`{"Customer":"ann","Cents":1200}`),
		Headers: streams.Headers{{Key: "trace", Value: []byte("x1")}},
	})
	for _, r := range d.Records() {
		fmt.Println(r.Topic, string(r.Key), r.Time, r.Headers[0].Key)
	}
	// Output: large ann 7 trace
}
