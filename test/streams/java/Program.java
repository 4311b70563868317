import java.time.Duration;
import java.util.Arrays;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.GlobalKTable;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.KTable;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Named;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.Windowed;
import org.apache.kafka.streams.kstream.WindowedSerdes;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.SessionStore;
import org.apache.kafka.streams.state.Stores;
import org.apache.kafka.streams.state.WindowStore;

/** What a program of the catalogue is built with: options of the request, and the words all programs share. */
final class Program {
    /** The wall clock's beginning. */
    static final long START = 1_000_000;

    final StreamsBuilder b = new StreamsBuilder();
    final String name;
    final String cache;
    final boolean optimize;
    final boolean memory;
    final boolean internal;

    Program(String[] words) {
        name = words[1];
        var options = Arrays.asList(words);
        cache = options.contains("cache=off") ? "off" : options.contains("cache=zero") ? "zero" : "on";
        optimize = options.contains("optimize");
        memory = options.contains("memory");
        internal = options.contains("internal");
        if (!Catalogue.PROGRAMS.containsKey(name)) {
            throw new IllegalArgumentException("no program " + name);
        }
    }

    // Functions on values like "c7": the letter is a foreign key, the digit a measure. Both sides compute the same.

    static String s(Object o) {
        return o == null ? "~" : o.toString();
    }

    static int num(String v) {
        if (v == null || v.isEmpty()) {
            return 0;
        }
        char c = v.charAt(v.length() - 1);
        return c >= '0' && c <= '9' ? c - '0' : v.length() % 10;
    }

    static boolean even(String v) {
        return num(v) % 2 == 0;
    }

    /** The first of a to e in the value; null for null, and for a value whose digit is 9. */
    static String letter(String v) {
        if (v == null || num(v) == 9) {
            return null;
        }
        for (int i = 0; i < v.length(); i++) {
            if (v.charAt(i) >= 'a' && v.charAt(i) <= 'e') {
                return v.substring(i, i + 1);
            }
        }
        return "z";
    }

    static String fold(String a, String v) {
        return s(a) + "." + s(v);
    }

    static String undo(String a, String v) {
        return s(a) + "-" + s(v);
    }

    static String merge(String a, String b) {
        return "[" + s(a) + "+" + s(b) + "]";
    }

    static String pair(String l, String r) {
        return "(" + s(l) + "," + s(r) + ")";
    }

    static Duration ms(long n) {
        return Duration.ofMillis(n);
    }

    // Sources and sinks.

    KStream<String, String> stream(String topic) {
        return b.stream(topic);
    }

    /** A table; without a store name it is materialised only if somebody needs it. */
    KTable<String, String> table(String topic, String store) {
        return b.table(topic, Consumed.with(Serdes.String(), Serdes.String()), kv(store));
    }

    KTable<String, String> versioned(String topic, String store, long history) {
        return b.table(topic, Consumed.with(Serdes.String(), Serdes.String()),
            Materialized.<String, String>as(Stores.persistentVersionedKeyValueStore(store, ms(history)))
                .withKeySerde(Serdes.String()).withValueSerde(Serdes.String()));
    }

    GlobalKTable<String, String> global(String topic, String store) {
        return b.globalTable(topic, Consumed.with(Serdes.String(), Serdes.String()), kv(store));
    }

    void out(KStream<String, String> s) {
        s.to("out");
    }

    void out(KTable<String, String> t) {
        t.toStream().to("out");
    }

    void outN(KTable<String, Long> t) {
        t.toStream().to("out-n", Produced.with(Serdes.String(), Serdes.Long()));
    }

    void outW(KTable<Windowed<String>, String> t) {
        t.toStream().to("out-w", Produced.with(WindowedSerdes.timeWindowedSerdeFrom(String.class, 10), Serdes.String()));
    }

    void outWN(KTable<Windowed<String>, Long> t) {
        t.toStream().to("out-wn", Produced.with(WindowedSerdes.timeWindowedSerdeFrom(String.class, 10), Serdes.Long()));
    }

    void outS(KTable<Windowed<String>, String> t) {
        t.toStream().to("out-s", Produced.with(WindowedSerdes.sessionWindowedSerdeFrom(String.class), Serdes.String()));
    }

    void outSN(KTable<Windowed<String>, Long> t) {
        t.toStream().to("out-sn", Produced.with(WindowedSerdes.sessionWindowedSerdeFrom(String.class), Serdes.Long()));
    }

    // Materialised as the request says.

    private <V, S extends org.apache.kafka.streams.processor.StateStore> Materialized<String, V, S> mat(String store, Serde<V> vs) {
        Materialized<String, V, S> m = store == null ? Materialized.with(Serdes.String(), vs)
            : Materialized.<String, V, S>as(store).withKeySerde(Serdes.String()).withValueSerde(vs);
        return cache.equals("off") ? m.withCachingDisabled() : m;
    }

    Materialized<String, String, KeyValueStore<Bytes, byte[]>> kv(String store) {
        return mat(store, Serdes.String());
    }

    Materialized<String, Long, KeyValueStore<Bytes, byte[]>> kvN(String store) {
        return mat(store, Serdes.Long());
    }

    Materialized<String, String, WindowStore<Bytes, byte[]>> win(String store) {
        return mat(store, Serdes.String());
    }

    Materialized<String, Long, WindowStore<Bytes, byte[]>> winN(String store) {
        return mat(store, Serdes.Long());
    }

    Materialized<String, String, SessionStore<Bytes, byte[]>> ses(String store) {
        return mat(store, Serdes.String());
    }

    Materialized<String, Long, SessionStore<Bytes, byte[]>> sesN(String store) {
        return mat(store, Serdes.Long());
    }

    static Named named(String n) {
        return Named.as(n);
    }
}
