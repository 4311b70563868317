package group

import (
	"reflect"
	"testing"
)

// Whatever a decoder accepts must survive being written and read again.

func FuzzDecodeKey(f *testing.F) {
	f.Add(encodeOffsetKey(OffsetKey{"g", "t", 3}))
	f.Add(encodeGroupKey("g"))
	f.Add([]byte{0, 0, 0, 1, 'g', 0, 1, 't', 0, 0, 0, 1})
	f.Add([]byte{0, 3, 0, 1, 'g'})
	f.Add([]byte{0, 19, 0, 1, 'g', 0, 1, 'm'})
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		k, err := DecodeKey(b)
		if err != nil {
			return
		}
		var again []byte
		switch k := k.(type) {
		case OffsetKey:
			again = encodeOffsetKey(k)
		case GroupKey:
			again = encodeGroupKey(k.Group)
		case ConsumerKey:
			again = encodeConsumerKey(k)
		case ShareKey:
			again = encodeShareKey(k)
		case StreamsKey:
			again = encodeStreamsKey(k)
		default:
			return
		}
		if k2, err := DecodeKey(again); err != nil || k2 != k {
			t.Fatalf("%#v became %#v, %v", k, k2, err)
		}
	})
}

func FuzzDecodeOffsetValue(f *testing.F) {
	for _, v := range offsetValues {
		f.Add(v.bytes)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := DecodeOffsetValue(b)
		if err != nil {
			return
		}
		if v.ExpireTimestamp >= 0 {
			v.LeaderEpoch = -1
		} else {
			v.ExpireTimestamp = -1
		}
		if len(v.Metadata) > 1<<15-1 {
			return
		}
		again, err := DecodeOffsetValue(EncodeOffset(OffsetKey{}, v).Value)
		if err != nil || again != v {
			t.Fatalf("%+v became %+v, %v", v, again, err)
		}
	})
}

func FuzzDecodeGroupValue(f *testing.F) {
	for _, v := range groupValues {
		f.Add(v.bytes)
	}
	f.Add([]byte{0, 3, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := DecodeGroupValue(b)
		if err != nil {
			return
		}
		if len(v.Members) > len(b) {
			t.Fatalf("%d members in %d bytes", len(v.Members), len(b))
		}
		if b[1] == 4 {
			return // its strings may be longer than version 3 can hold
		}
		again, err := DecodeGroupValue(EncodeGroup("g", v).Value)
		if err != nil || !reflect.DeepEqual(again, v) {
			t.Fatalf("%+v became %+v, %v", v, again, err)
		}
	})
}

func FuzzSubscriptionTopics(f *testing.F) {
	f.Add(subscription("t", "u"))
	f.Add([]byte{0, 0, 0x7f, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, b []byte) {
		topics, ok := subscriptionTopics(b)
		if ok && len(topics) > len(b) {
			t.Fatalf("%d topics in %d bytes", len(topics), len(b))
		}
	})
}

// FuzzReplay: no bytes in a log make a shard panic, when loaded or afterwards.
func FuzzReplay(f *testing.F) {
	f.Add(encodeGroupKey("g"), groupValues[3].bytes, int64(-1), false)
	f.Add(encodeOffsetKey(OffsetKey{"g", "t", 1}), offsetValues[4].bytes, int64(7), true)
	for i, typ := range []int16{keyConsumerGroup, keyConsumerGroup, keyConsumerMember, keyConsumerMember, keyTargetMetadata, keyTargetAssignment, keyCurrentAssignment, keyRegularExpression} {
		f.Add(encodeConsumerKey(ConsumerKey{typ, "g", "m1"}), consumerRecords[i].bytes, int64(-1), false)
	}
	f.Fuzz(func(t *testing.T, key, value []byte, pid int64, marker bool) {
		w := newWorld(t)
		w.log = append(w.log,
			LogRecord{Offset: 0, ProducerID: pid, Key: key, Value: value},
			LogRecord{Offset: 1, ProducerID: -1, Key: key, Value: value})
		if marker {
			w.log = append(w.log, LogRecord{Offset: 2, ProducerID: pid, Value: []byte("commit")})
		}
		if _, err := DecodeKey(key); err != nil {
			return
		}
		w.open()
		w.do(parseCommand("list"))
		w.do(parseCommand("fetch g"))
		w.do(parseCommand("describe g"))
		w.do(parseCommand("sync g m1 gen=0"))
		w.do(parseCommand("sync g m1 gen=3"))
		w.do(parseCommand("heartbeat g m1 gen=3"))
		w.do(parseCommand("join g v=3 client=a"))
		w.do(parseCommand("beat g m1 epoch=3 owned=t:0"))
		w.do(parseCommand("beat g m1 regex=t"))
		w.do(parseCommand("beat g m2 instance=i1"))
		w.do(parseCommand("advance 50s"))
		w.do(parseCommand("describe-consumer g"))
		w.do(parseCommand("leave g m1"))
		w.step(Tick{})
		w.do(parseCommand("delete g"))
	})
}
