import java.time.Duration;
import java.time.Instant;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.file.Files;
import java.util.HexFormat;
import java.util.Map;
import java.util.Properties;
import java.util.function.Supplier;
import org.apache.kafka.common.Metric;
import org.apache.kafka.common.MetricName;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.TopologyTestDriver;
import org.apache.kafka.streams.kstream.Windowed;
import org.apache.kafka.streams.kstream.internals.SessionWindow;
import org.apache.kafka.streams.processor.StateStore;
import org.apache.kafka.streams.processor.api.ContextualProcessor;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.query.MultiVersionedKeyQuery;
import org.apache.kafka.streams.query.PositionBound;
import org.apache.kafka.streams.query.QueryConfig;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.SessionStore;
import org.apache.kafka.streams.state.StoreBuilder;
import org.apache.kafka.streams.state.Stores;
import org.apache.kafka.streams.state.VersionedBytesStore;
import org.apache.kafka.streams.state.ValueAndTimestamp;
import org.apache.kafka.streams.state.VersionedKeyValueStore;
import org.apache.kafka.streams.state.VersionedRecord;
import org.apache.kafka.streams.state.VersionedRecordIterator;
import org.apache.kafka.streams.state.WindowStore;
import org.apache.kafka.streams.state.internals.RocksDbIndexedTimeOrderedWindowBytesStoreSupplier;
import org.apache.kafka.streams.state.internals.RocksDbTimeOrderedSessionBytesStoreSupplier;

/**
 * Kafka Streams' own stores, driven by lines: one operation in, one line out.
 * Bytes are hexadecimal, "-" is null, "." is empty; a list is "[a b c]".
 */
public class JavaStores {
    static final HexFormat HEX = HexFormat.of();
    static TopologyTestDriver driver;
    static StateStore store;

    static byte[] bytes(String s) {
        return s.equals("-") ? null : s.equals(".") ? new byte[0] : HEX.parseHex(s);
    }

    static Bytes key(String s) {
        byte[] b = bytes(s);
        return b == null ? null : Bytes.wrap(b);
    }

    static String hex(byte[] b) {
        return b == null ? "-" : b.length == 0 ? "." : HEX.formatHex(b);
    }

    /** A builder that hands the bare store to the task. */
    static StoreBuilder<StateStore> bare(String name, Supplier<StateStore> make) {
        return new StoreBuilder<>() {
            public StoreBuilder<StateStore> withCachingEnabled() { return this; }
            public StoreBuilder<StateStore> withCachingDisabled() { return this; }
            public StoreBuilder<StateStore> withLoggingEnabled(Map<String, String> c) { return this; }
            public StoreBuilder<StateStore> withLoggingDisabled() { return this; }
            public StateStore build() { store = make.get(); return store; }
            public Map<String, String> logConfig() { return Map.of(); }
            public boolean loggingEnabled() { return false; }
            public String name() { return name; }
        };
    }

    static Supplier<StateStore> make(String[] a) {
        Duration keep = Duration.ofMillis(Long.parseLong(a[2]));
        Duration one = Duration.ofMillis(1);
        switch (a[1]) {
            case "window":
                boolean dups = a[3].equals("dups");
                return () -> Stores.persistentWindowStore("s", keep, one, dups).get();
            case "window-mem":
                return () -> Stores.inMemoryWindowStore("s", keep, one, a[3].equals("dups")).get();
            case "window-time":
                return () -> RocksDbIndexedTimeOrderedWindowBytesStoreSupplier.create("s", keep, one, a[3].equals("dups"), true).get();
            case "session":
                return () -> Stores.persistentSessionStore("s", keep).get();
            case "session-mem":
                return () -> Stores.inMemorySessionStore("s", keep).get();
            case "session-time":
                return () -> new RocksDbTimeOrderedSessionBytesStoreSupplier("s", keep.toMillis(), true).get();
            case "versioned":
                return () -> Stores.persistentVersionedKeyValueStore("s", keep).get();
            default:
                throw new IllegalArgumentException(a[1]);
        }
    }

    static void open(String[] a) throws Exception {
        if (driver != null) driver.close();
        Topology t = new Topology();
        t.addSource("source", "in");
        t.addProcessor("p", () -> new ContextualProcessor<Object, Object, Void, Void>() {
            public void process(Record<Object, Object> r) { }
        }, "source");
        t.addStateStore(bare("s", make(a)), "p");
        Properties p = new Properties();
        p.put(StreamsConfig.APPLICATION_ID_CONFIG, "app");
        p.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, "none:1");
        p.put(StreamsConfig.STATE_DIR_CONFIG, a[0]);
        p.put(StreamsConfig.DEFAULT_KEY_SERDE_CLASS_CONFIG, Serdes.ByteArraySerde.class.getName());
        p.put(StreamsConfig.DEFAULT_VALUE_SERDE_CLASS_CONFIG, Serdes.ByteArraySerde.class.getName());
        driver = new TopologyTestDriver(t, p);
        // A record context, without which stores cannot be written.
        driver.createInputTopic("in", new ByteArraySerializer(), new ByteArraySerializer()).pipeInput(new byte[0], new byte[0], 0L);
    }

    static long dropped() {
        for (Map.Entry<MetricName, ? extends Metric> e : driver.metrics().entrySet()) {
            if (e.getKey().name().equals("dropped-records-total")) {
                return ((Number) e.getValue().metricValue()).longValue();
            }
        }
        return 0;
    }

    static String windows(KeyValueIterator<Windowed<Bytes>, byte[]> it) {
        StringBuilder b = new StringBuilder("[");
        try (it) {
            while (it.hasNext()) {
                var kv = it.next();
                b.append(b.length() > 1 ? " " : "").append(hex(kv.key.key().get())).append('@').append(kv.key.window().start()).append('=').append(hex(kv.value));
            }
        }
        return b.append(']').toString();
    }

    static String sessions(KeyValueIterator<Windowed<Bytes>, byte[]> it) {
        StringBuilder b = new StringBuilder("[");
        try (it) {
            while (it.hasNext()) {
                var kv = it.next();
                b.append(b.length() > 1 ? " " : "").append(hex(kv.key.key().get())).append('@').append(kv.key.window().start()).append('/').append(kv.key.window().end()).append('=').append(hex(kv.value));
            }
        }
        return b.append(']').toString();
    }

    static String times(KeyValueIterator<Long, byte[]> it) {
        StringBuilder b = new StringBuilder("[");
        try (it) {
            while (it.hasNext()) {
                var kv = it.next();
                b.append(b.length() > 1 ? " " : "").append(kv.key).append('=').append(hex(kv.value));
            }
        }
        return b.append(']').toString();
    }

    static String version(VersionedRecord<byte[]> r) {
        return r == null ? "-" : hex(r.value()) + "@" + r.timestamp() + r.validTo().map(t -> "/" + t).orElse("");
    }

    @SuppressWarnings("unchecked")
    static String window(String[] a) {
        WindowStore<Bytes, byte[]> w = (WindowStore<Bytes, byte[]>) store;
        boolean back = a[a.length - 1].equals("back");
        switch (a[0]) {
            case "put":
                w.put(key(a[1]), bytes(a[2]), Long.parseLong(a[3]));
                return "dropped " + dropped();
            case "get":
                return hex(w.fetch(key(a[1]), Long.parseLong(a[2])));
            case "fetch":
                return times(back ? w.backwardFetch(key(a[1]), Long.parseLong(a[2]), Long.parseLong(a[3])) : w.fetch(key(a[1]), Long.parseLong(a[2]), Long.parseLong(a[3])));
            case "range":
                return windows(back ? w.backwardFetch(key(a[1]), key(a[2]), Long.parseLong(a[3]), Long.parseLong(a[4])) : w.fetch(key(a[1]), key(a[2]), Long.parseLong(a[3]), Long.parseLong(a[4])));
            case "fetchall":
                return windows(back ? w.backwardFetchAll(Long.parseLong(a[1]), Long.parseLong(a[2])) : w.fetchAll(Long.parseLong(a[1]), Long.parseLong(a[2])));
            case "all":
                return windows(back ? w.backwardAll() : w.all());
            default:
                throw new IllegalArgumentException(a[0]);
        }
    }

    @SuppressWarnings("unchecked")
    static String session(String[] a) {
        SessionStore<Bytes, byte[]> s = (SessionStore<Bytes, byte[]>) store;
        boolean back = a[a.length - 1].equals("back");
        switch (a[0]) {
            case "put": {
                Windowed<Bytes> w = new Windowed<>(key(a[1]), new SessionWindow(Long.parseLong(a[3]), Long.parseLong(a[4])));
                s.put(w, bytes(a[2]));
                return "dropped " + dropped();
            }
            case "remove":
                s.remove(new Windowed<>(key(a[1]), new SessionWindow(Long.parseLong(a[2]), Long.parseLong(a[3]))));
                return "dropped " + dropped();
            case "get":
                return hex(s.fetchSession(key(a[1]), Long.parseLong(a[2]), Long.parseLong(a[3])));
            case "find":
                return sessions(back ? s.backwardFindSessions(key(a[1]), Long.parseLong(a[2]), Long.parseLong(a[3])) : s.findSessions(key(a[1]), Long.parseLong(a[2]), Long.parseLong(a[3])));
            case "range":
                return sessions(back ? s.backwardFindSessions(key(a[1]), key(a[2]), Long.parseLong(a[3]), Long.parseLong(a[4])) : s.findSessions(key(a[1]), key(a[2]), Long.parseLong(a[3]), Long.parseLong(a[4])));
            case "ends":
                return sessions(s.findSessions(Long.parseLong(a[1]), Long.parseLong(a[2])));
            default:
                throw new IllegalArgumentException(a[0]);
        }
    }

    static String versioned(String[] a) throws Exception {
        VersionedKeyValueStore<Bytes, byte[]> v = versions();
        switch (a[0]) {
            case "put":
                return v.put(key(a[1]), bytes(a[2]), Long.parseLong(a[3])) + " dropped " + dropped();
            case "get":
                return version(v.get(key(a[1])));
            case "asof":
                return version(v.get(key(a[1]), Long.parseLong(a[2])));
            case "range": {
                MultiVersionedKeyQuery<Bytes, byte[]> q = MultiVersionedKeyQuery.<Bytes, byte[]>withKey(key(a[1]))
                    .fromTime(Instant.ofEpochMilli(Long.parseLong(a[2]))).toTime(Instant.ofEpochMilli(Long.parseLong(a[3])));
                q = a[4].equals("back") ? q.withDescendingTimestamps() : q.withAscendingTimestamps();
                StringBuilder b = new StringBuilder("[");
                try (VersionedRecordIterator<byte[]> it = v.query(q, PositionBound.unbounded(), new QueryConfig(false)).getResult()) {
                    while (it.hasNext()) {
                        b.append(b.length() > 1 ? " " : "").append(version(it.next()));
                    }
                }
                return b.append(']').toString();
            }
            default:
                throw new IllegalArgumentException(a[0]);
        }
    }

    /** The supplier's store hides the versioned one behind another interface. */
    @SuppressWarnings("unchecked")
    static VersionedKeyValueStore<Bytes, byte[]> versions() throws Exception {
        if (store instanceof VersionedKeyValueStore) return (VersionedKeyValueStore<Bytes, byte[]>) store;
        var f = store.getClass().getDeclaredField("inner");
        f.setAccessible(true);
        return (VersionedKeyValueStore<Bytes, byte[]>) f.get(store);
    }

    public static void main(String[] args) throws Exception {
        PrintStream out = new PrintStream(System.out, false, "UTF-8");
        System.setOut(System.err);
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
        for (String line; (line = in.readLine()) != null; ) {
            String[] a = line.trim().split(" +");
            String answer;
            try {
                if (a[0].equals("new")) {
                    a[0] = Files.createTempDirectory(java.nio.file.Path.of(args[0]), "s").toString();
                    open(a);
                    answer = "ok";
                } else if (store instanceof WindowStore) {
                    answer = window(a);
                } else if (store instanceof SessionStore) {
                    answer = session(a);
                } else {
                    answer = versioned(a);
                }
            } catch (Exception e) {
                answer = "error " + e;
            }
            out.println(answer.replace('\n', ' '));
            out.flush();
        }
        if (driver != null) driver.close();
    }
}
