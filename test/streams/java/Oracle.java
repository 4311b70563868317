import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.apache.kafka.common.MetricName;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.TestInputTopic;
import org.apache.kafka.streams.TestOutputTopic;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.TopologyTestDriver;
import org.apache.kafka.streams.kstream.Windowed;
import org.apache.kafka.streams.processor.StateStore;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.SessionStore;
import org.apache.kafka.streams.state.ValueAndTimestamp;
import org.apache.kafka.streams.state.VersionedKeyValueStore;
import org.apache.kafka.streams.state.VersionedRecord;
import org.apache.kafka.streams.state.WindowStore;
import org.apache.kafka.streams.test.TestRecord;

/**
 * Answers what Kafka Streams does with a program of the catalogue and an input. Requests and answers are lines on
 * standard input and output; the README describes them. One process serves any number of requests.
 */
public final class Oracle {
    static final String APP = "app";
    static final long CACHE = 10L << 20;
    static final String[] KEYS = {"k1", "k2", "k3", "k4", "a", "b", "c", "d", "e", "z"};

    private final PrintStream out;
    private final String dir;
    private boolean readable; // the store that is read now
    private StringBuilder rows;

    private Oracle(PrintStream out, String dir) {
        this.out = out;
        this.dir = dir;
    }

    public static void main(String[] args) throws Exception {
        PrintStream out = new PrintStream(new java.io.BufferedOutputStream(System.out, 1 << 16), false, StandardCharsets.UTF_8);
        System.setOut(new PrintStream(OutputStream.nullOutputStream()));
        Oracle oracle = new Oracle(out, args[0]);
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        List<String[]> lines = new ArrayList<>();
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String[] words = line.split(" ");
            switch (words[0]) {
                case "catalogue" -> Catalogue.PROGRAMS.keySet().forEach(n -> out.println("program " + n));
                case "describe" -> oracle.describe(words);
                case "end" -> {
                    oracle.run(lines);
                    lines.clear();
                }
                default -> {
                    lines.add(words);
                    continue;
                }
            }
            out.println("end");
            out.flush();
        }
    }

    private Properties props(Program p) {
        Properties props = new Properties();
        props.put(StreamsConfig.APPLICATION_ID_CONFIG, APP);
        props.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, "none:1");
        props.put(StreamsConfig.DEFAULT_KEY_SERDE_CLASS_CONFIG, Serdes.String().getClass());
        props.put(StreamsConfig.DEFAULT_VALUE_SERDE_CLASS_CONFIG, Serdes.String().getClass());
        props.put(StreamsConfig.STATE_DIR_CONFIG, dir);
        props.put(StreamsConfig.ROCKSDB_CONFIG_SETTER_CLASS_CONFIG, Small.class);
        props.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, p.cache.equals("zero") ? 0L : CACHE);
        if (p.optimize) {
            props.put(StreamsConfig.TOPOLOGY_OPTIMIZATION_CONFIG, StreamsConfig.OPTIMIZE);
        }
        if (p.memory) {
            props.put(StreamsConfig.DSL_STORE_SUPPLIERS_CLASS_CONFIG,
                org.apache.kafka.streams.state.BuiltInDslStoreSuppliers.InMemoryDslStoreSuppliers.class);
        }
        return props;
    }

    private Topology topology(Program p, Properties props) {
        Catalogue.PROGRAMS.get(p.name).accept(p);
        return p.b.build(props);
    }

    private void describe(String[] words) {
        try {
            Program p = new Program(words);
            for (String line : topology(p, props(p)).describe().toString().split("\n", -1)) {
                out.println("text " + line);
            }
        } catch (RuntimeException e) {
            out.println("error -1 " + reason(e));
        }
    }

    private void run(List<String[]> lines) {
        int step = -1;
        TopologyTestDriver driver = null;
        try {
            Program p = new Program(lines.get(0));
            Properties props = props(p);
            driver = new TopologyTestDriver(topology(p, props), props, Instant.ofEpochMilli(Program.START));
            Map<String, TestInputTopic<byte[], byte[]>> inputs = new TreeMap<>();
            Map<String, TestOutputTopic<byte[], byte[]>> outputs = new TreeMap<>();
            collect(driver, outputs, step, p);
            for (step = 0; step < lines.size() - 1; step++) {
                String[] w = lines.get(step + 1);
                try {
                    if (w[0].equals("clock")) {
                        driver.advanceWallClockTime(Duration.ofMillis(Long.parseLong(w[1])));
                    } else {
                        TopologyTestDriver d = driver;
                        inputs.computeIfAbsent(w[1], t -> d.createInputTopic(t, new ByteArraySerializer(), new ByteArraySerializer()))
                            .pipeInput(new TestRecord<>(decode(w[2]), decode(w[3]), headers(w), Long.valueOf(w[4])));
                    }
                } finally {
                    collect(driver, outputs, step, p);
                }
                forget(driver, (long) props.get(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG));
            }
            stores(driver);
            long drops = 0;
            for (var m : driver.metrics().entrySet()) {
                MetricName n = m.getKey();
                if (n.name().equals("dropped-records-total") && n.group().equals("stream-task-metrics")) {
                    drops += ((Number) m.getValue().metricValue()).longValue();
                }
            }
            out.println("drops " + drops);
        } catch (RuntimeException e) {
            out.println("error " + step + " " + reason(e));
            if (System.getenv("ORACLE_TRACE") != null) {
                e.printStackTrace();
            }
        }
        try {
            if (driver != null) {
                driver.close();
            }
        } catch (RuntimeException e) {
            // What failed before has been told.
        }
    }

    /**
     * Empties the record caches, as evictions or a restart would between two records: what stays in them is seen longer than
     * the retention of its store allows, and whether it stays depends on memory.
     */
    private static void forget(TopologyTestDriver driver, long size) {
        try {
            var field = TopologyTestDriver.class.getDeclaredField("task");
            field.setAccessible(true);
            if (field.get(driver) instanceof org.apache.kafka.streams.processor.internals.StreamTask task) {
                var cache = task.processorContext().cache();
                cache.resize(0);
                cache.resize(size);
            }
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException(e);
        }
    }

    /** The innermost cause in one line. */
    private static String reason(Throwable e) {
        while (e.getCause() != null && e.getCause() != e) {
            e = e.getCause();
        }
        return (e.getClass().getSimpleName() + ": " + e.getMessage()).replaceAll("\\s+", " ");
    }

    private void collect(TopologyTestDriver driver, Map<String, TestOutputTopic<byte[], byte[]>> outputs, int step, Program p) {
        for (String topic : new TreeSet<>(driver.producedTopicNames())) {
            if (!p.internal && topic.startsWith(APP + "-")) {
                continue;
            }
            var t = outputs.computeIfAbsent(topic, n -> driver.createOutputTopic(n, new ByteArrayDeserializer(), new ByteArrayDeserializer()));
            for (TestRecord<byte[], byte[]> r : t.readRecordsToList()) {
                StringBuilder s = new StringBuilder("out ").append(step).append(' ').append(topic).append(' ')
                    .append(encode(r.key())).append(' ').append(encode(r.value())).append(' ').append(r.timestamp());
                for (Header h : r.headers()) {
                    s.append(' ').append(h.key()).append('=').append(encode(h.value()));
                }
                out.println(s);
            }
        }
    }

    private static Headers headers(String[] w) {
        RecordHeaders h = new RecordHeaders();
        for (int i = 5; i < w.length; i++) {
            int eq = w[i].indexOf('=');
            h.add(w[i].substring(0, eq), decode(w[i].substring(eq + 1)));
        }
        return h;
    }

    @SuppressWarnings({"unchecked", "rawtypes"})
    private void stores(TopologyTestDriver driver) {
        for (Map.Entry<String, StateStore> e : new TreeMap<>(driver.getAllStateStores()).entrySet()) {
            String name = e.getKey();
            StateStore s = e.getValue();
            readable = true;
            StringBuilder lines = new StringBuilder();
            rows = lines;
            try {
                if (s instanceof VersionedKeyValueStore v) {
                    for (String k : KEYS) {
                        VersionedRecord r = v.get(k);
                        if (r != null) {
                            row(name, k, r.value(), r.timestamp());
                        }
                    }
                } else if (s instanceof KeyValueStore kv) {
                    rows(name, kv.all());
                } else if (s instanceof WindowStore w) {
                    rows(name, w.all());
                } else if (s instanceof SessionStore ss) {
                    rows(name, ss.fetch(null, null));
                } else {
                    readable = false;
                }
            } catch (RuntimeException x) {
                readable = false; // buffers and stores of raw bytes
            }
            if (readable) {
                out.print("kept " + name + "\n" + lines);
            }
        }
    }

    private void rows(String name, KeyValueIterator<?, ?> it) {
        try (it) {
            while (it.hasNext()) {
                KeyValue<?, ?> kv = it.next();
                if (kv.value instanceof ValueAndTimestamp<?> vt) {
                    row(name, kv.key, vt.value(), vt.timestamp());
                } else {
                    row(name, kv.key, kv.value, -1);
                }
            }
        }
    }

    private void row(String name, Object key, Object value, long ts) {
        if (!(key instanceof String || key instanceof Windowed) || !(value instanceof String || value instanceof Long)) {
            readable = false;
            return;
        }
        String k = key instanceof Windowed<?> w
            ? encode(bytes(w.key())) + "@" + w.window().start() + "/" + w.window().end() : encode(bytes(key));
        rows.append("store ").append(name).append(' ').append(k).append(' ').append(encode(bytes(value))).append(' ').append(ts).append('\n');
    }

    private static byte[] bytes(Object o) {
        return o.toString().getBytes(StandardCharsets.UTF_8);
    }

    /** Printable bytes stand for themselves; null is ~, nothing is %. */
    static String encode(byte[] b) {
        if (b == null) {
            return "~";
        }
        if (b.length == 0) {
            return "%";
        }
        StringBuilder s = new StringBuilder();
        for (byte x : b) {
            if (x > ' ' && x < '~' && x != '%') {
                s.append((char) x);
            } else {
                s.append(String.format("%%%02X", x));
            }
        }
        return s.toString();
    }

    static byte[] decode(String s) {
        if (s.equals("~")) {
            return null;
        }
        if (s.equals("%")) {
            return new byte[0];
        }
        var b = new java.io.ByteArrayOutputStream();
        for (int i = 0; i < s.length(); i++) {
            if (s.charAt(i) == '%') {
                b.write(Integer.parseInt(s.substring(i + 1, i + 3), 16));
                i += 2;
            } else {
                b.write(s.charAt(i));
            }
        }
        return b.toByteArray();
    }

    /** Hundreds of small databases are opened a second. */
    public static final class Small implements org.apache.kafka.streams.state.RocksDBConfigSetter {
        @Override
        public void setConfig(String store, org.rocksdb.Options options, Map<String, Object> configs) {
            options.setWriteBufferSize(64 << 10);
            options.setInfoLogLevel(org.rocksdb.InfoLogLevel.FATAL_LEVEL);
            options.setMaxBackgroundJobs(1);
            options.setMaxOpenFiles(64);
        }

        @Override
        public void close(String store, org.rocksdb.Options options) {
        }
    }
}
