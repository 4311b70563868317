package registry

import (
	"net/http"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"leat.dev/test/launch"
)

// A leader that another one replaced without its knowing is kept from writing by the partition itself. Here the other one is
// a producer with the group's transactional id: what a new leader is to the broker.
func TestFence(t *testing.T) {
	kinds(t, func(t *testing.T, b *launch.Broker) {
		n := nodes(t, b.Addr(), "_fence", 1)[0]
		n.start()
		n.register("before")
		other, err := kgo.NewClient(kgo.SeedBrokers(b.Addr()), kgo.TransactionalID("schema-registry-"+n.topic+"-group"))
		if err != nil {
			t.Fatal(err)
		}
		defer other.Close()
		if err := other.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		noop := &kgo.Record{Topic: n.topic, Key: []byte(`{"keytype":"NOOP","magic":0}`), Value: []byte("null")}
		if err := other.ProduceSync(t.Context(), noop).FirstErr(); err != nil {
			t.Fatal(err)
		}
		if err := other.EndTransaction(t.Context(), kgo.TryCommit); err != nil {
			t.Fatal(err)
		}
		var a answer
		status, err := n.call(t.Context(), http.MethodPost, "/subjects/after/versions", enum("after"), &a)
		if err != nil || status != http.StatusInternalServerError || a.Code != 50004 {
			t.Errorf("the former leader wrote: %d %+v %v", status, a, err)
		}
		if got := n.ids(); len(got) != 1 {
			t.Errorf("the former leader's state has %v", got)
		}
		n.register("after") // it takes the fence back, since the group still says that it leads
		uniqueInLog(t, b.Addr(), n.topic)
	})
}
