// Runs the scripts of this folder on Kafka Streams' own stores, and prints what they answer, forward and log. How to record:
//
//	javac -cp "$HOME/.cache/leat-oracle/lib/*" -d /tmp/oracle StoreOracle.java
//	java -cp "/tmp/oracle:$HOME/.cache/leat-oracle/lib/*" StoreOracle <script >want
//
// The first line of a script declares the store; every other is one record: its time, and what a processor does with it.
// The driver commits, and thereby flushes, after each record.
import java.io.*;
import java.time.Duration;
import java.util.*;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.common.serialization.*;
import org.apache.kafka.streams.*;
import org.apache.kafka.streams.kstream.Windowed;
import org.apache.kafka.streams.kstream.internals.SessionWindow;
import org.apache.kafka.streams.processor.StateStore;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.*;
import org.apache.kafka.streams.state.internals.WrappedStateStore;
import org.apache.kafka.streams.test.TestRecord;

public class StoreOracle {
    static Map<String, String> conf = new HashMap<>();
    static PrintStream out = System.out;

    static long num(String k, long def) { return conf.containsKey(k) ? Long.parseLong(conf.get(k)) : def; }
    static boolean yes(String k) { return "true".equals(conf.get(k)); }
    static String val(Object v) {
        if (v == null) return "-";
        if (v instanceof ValueAndTimestamp) return ((ValueAndTimestamp<?>) v).value() + "@" + ((ValueAndTimestamp<?>) v).timestamp();
        return v.toString();
    }
    static String key(Object k) {
        if (k instanceof Windowed) { Windowed<?> w = (Windowed<?>) k; return w.key() + "[" + w.window().start() + "," + w.window().end() + "]"; }
        return k.toString();
    }
    // What the listeners of the DSL make of a change's time.
    static long time(Record<?, ?> r, Object v) {
        if (conf.get("store").equals("session")) return ((Windowed<?>) r.key()).window().end();
        return v instanceof ValueAndTimestamp ? ((ValueAndTimestamp<?>) v).timestamp() : r.timestamp();
    }
    static ValueAndTimestamp<String> vt(String v, String ts) {
        return v.equals("-") ? null : ValueAndTimestamp.make(v, Long.parseLong(ts));
    }

    static class P implements Processor<String, String, String, String> {
        ProcessorContext<String, String> ctx;
        StateStore store;

        @SuppressWarnings({"unchecked", "rawtypes"})
        public void init(ProcessorContext<String, String> c) {
            ctx = c;
            store = c.getStateStore("s");
            if (yes("listener")) {
                WrappedStateStore w = (WrappedStateStore) ((WrappedStateStore) store).wrapped();
                w.setFlushListener((org.apache.kafka.streams.state.internals.CacheFlushListener) r -> {
                    Record rec = (Record) r;
                    org.apache.kafka.streams.kstream.internals.Change ch = (org.apache.kafka.streams.kstream.internals.Change) rec.value();
                    out.println("  fwd " + key(rec.key()) + " " + val(ch.newValue) + " old " + (ch.oldValue instanceof ValueAndTimestamp ? ((ValueAndTimestamp<?>) ch.oldValue).value() : val(ch.oldValue)) + " time " + time(rec, ch.newValue));
                }, yes("sendold"));
            }
        }

        @SuppressWarnings("unchecked")
        public void process(Record<String, String> r) {
            for (String op : r.value().split("\\|")) {
                String[] a = op.trim().split(" +");
                if (store instanceof TimestampedKeyValueStore) table((TimestampedKeyValueStore<String, String>) store, a);
                else if (store instanceof KeyValueStore) kv((KeyValueStore<String, String>) store, a);
                else if (store instanceof TimestampedWindowStore) window((TimestampedWindowStore<String, String>) store, a);
                else session((SessionStore<String, String>) store, a);
            }
        }

        void kv(KeyValueStore<String, String> s, String[] a) {
            switch (a[0]) {
                case "put": s.put(a[1], a[2].equals("-") ? null : a[2]); break;
                case "get": out.println("  get " + a[1] + " " + val(s.get(a[1]))); break;
                case "all": kvs("all", s.all()); break;
                default: throw new RuntimeException(a[0]);
            }
        }
        void table(TimestampedKeyValueStore<String, String> s, String[] a) {
            switch (a[0]) {
                case "put": s.put(a[1], vt(a[2], a.length > 3 ? a[3] : "0")); break;
                case "get": out.println("  get " + a[1] + " " + val(s.get(a[1]))); break;
                case "range": kvs("range", s.range(a[1], a[2])); break;
                case "rrange": kvs("rrange", s.reverseRange(a[1], a[2])); break;
                case "all": kvs("all", s.all()); break;
                case "prefix": kvs("prefix", s.prefixScan(a[1], new StringSerializer())); break;
                default: throw new RuntimeException(a[0]);
            }
        }
        <K, V> void kvs(String what, KeyValueIterator<K, V> it) {
            StringBuilder b = new StringBuilder("  " + what);
            while (it.hasNext()) { KeyValue<K, V> n = it.next(); b.append(" " + key(n.key) + "=" + val(n.value)); }
            it.close();
            out.println(b);
        }
        void window(TimestampedWindowStore<String, String> s, String[] a) {
            switch (a[0]) {
                case "put": s.put(a[1], vt(a[3], a.length > 4 ? a[4] : "0"), Long.parseLong(a[2])); break;
                case "get": out.println("  get " + a[1] + " " + a[2] + " " + val(s.fetch(a[1], Long.parseLong(a[2])))); break;
                case "range": case "rrange": {
                    WindowStoreIterator<ValueAndTimestamp<String>> it = a[0].equals("range")
                        ? s.fetch(a[1], Long.parseLong(a[2]), Long.parseLong(a[3])) : s.backwardFetch(a[1], Long.parseLong(a[2]), Long.parseLong(a[3]));
                    StringBuilder b = new StringBuilder("  " + a[0]);
                    while (it.hasNext()) { KeyValue<Long, ValueAndTimestamp<String>> n = it.next(); b.append(" " + n.key + "=" + val(n.value)); }
                    it.close();
                    out.println(b);
                    break;
                }
                case "all": kvs("all", s.fetchAll(Long.parseLong(a[1]), Long.parseLong(a[2]))); break;
                default: throw new RuntimeException(a[0]);
            }
        }
        void session(SessionStore<String, String> s, String[] a) {
            switch (a[0]) {
                case "put": s.put(new Windowed<>(a[1], new SessionWindow(Long.parseLong(a[2]), Long.parseLong(a[3]))), a[4].equals("-") ? null : a[4]); break;
                case "get": out.println("  get " + a[1] + " " + a[2] + " " + a[3] + " " + val(s.fetchSession(a[1], Long.parseLong(a[2]), Long.parseLong(a[3])))); break;
                case "find": kvs("find", s.findSessions(a[1], Long.parseLong(a[2]), Long.parseLong(a[3]))); break;
                case "rfind": kvs("rfind", s.backwardFindSessions(a[1], Long.parseLong(a[2]), Long.parseLong(a[3]))); break;
                default: throw new RuntimeException(a[0]);
            }
        }
    }

    static StoreBuilder<?> builder() {
        Serde<String> S = Serdes.String();
        StoreBuilder<?> b;
        boolean mem = yes("memory");
        long ret = num("retention", 100000), size = num("size", 10);
        switch (conf.get("store")) {
            case "kv": b = Stores.keyValueStoreBuilder(mem ? Stores.inMemoryKeyValueStore("s") : Stores.persistentKeyValueStore("s"), S, S); break;
            case "table": b = Stores.timestampedKeyValueStoreBuilder(mem ? Stores.inMemoryKeyValueStore("s") : Stores.persistentTimestampedKeyValueStore("s"), S, S); break;
            case "window": b = Stores.timestampedWindowStoreBuilder(mem ? Stores.inMemoryWindowStore("s", Duration.ofMillis(ret), Duration.ofMillis(size), false)
                : Stores.persistentTimestampedWindowStore("s", Duration.ofMillis(ret), Duration.ofMillis(size), false), S, S); break;
            default: b = Stores.sessionStoreBuilder(mem ? Stores.inMemorySessionStore("s", Duration.ofMillis(ret)) : Stores.persistentSessionStore("s", Duration.ofMillis(ret)), S, S);
        }
        return yes("cached") ? b.withCachingEnabled() : b.withCachingDisabled();
    }

    public static void main(String[] args) throws Exception {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
        String first = in.readLine();
        for (String p : first.split(" ")) { String[] kv = p.split("="); if (kv.length == 2) conf.put(kv[0], kv[1]); }
        out.println(first);
        Topology t = new Topology();
        t.addSource("src", new StringDeserializer(), new StringDeserializer(), "in");
        t.addProcessor("p", P::new, "src");
        t.addStateStore(builder(), "p");
        Properties props = new Properties();
        props.put(StreamsConfig.APPLICATION_ID_CONFIG, "app");
        props.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, "x:1");
        props.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, num("bytes", 10 << 20));
        props.put(StreamsConfig.STATE_DIR_CONFIG, java.nio.file.Files.createTempDirectory("oracle").toString());
        try (TopologyTestDriver d = new TopologyTestDriver(t, props)) {
            TestInputTopic<String, String> topic = d.createInputTopic("in", new StringSerializer(), new StringSerializer());
            TestOutputTopic<byte[], byte[]> log = d.createOutputTopic("app-s-changelog", new ByteArrayDeserializer(), new ByteArrayDeserializer());
            for (String line = in.readLine(); line != null; line = in.readLine()) {
                if (line.isEmpty() || line.startsWith("#")) { out.println(line); continue; }
                out.println(line);
                int sp = line.indexOf(' ');
                topic.pipeInput("k", line.substring(sp + 1), Long.parseLong(line.substring(1, sp)));
                while (!log.isEmpty()) {
                    TestRecord<byte[], byte[]> r = log.readRecord();
                    out.println("  log " + show(r.key()) + " " + (r.value() == null ? "-" : new String(r.value())) + " time " + r.timestamp());
                }
            }
        }
    }

    static String show(byte[] b) {
        StringBuilder s = new StringBuilder();
        for (byte x : b) s.append(x >= 33 && x < 127 && x != '\\' ? "" + (char) x : String.format("\\%02x", x));
        return s.toString();
    }
}
