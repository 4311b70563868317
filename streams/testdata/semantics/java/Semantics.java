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
import java.util.TreeMap;
import java.util.TreeSet;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.common.serialization.LongDeserializer;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.TestInputTopic;
import org.apache.kafka.streams.TestOutputTopic;
import org.apache.kafka.streams.TopologyTestDriver;
import org.apache.kafka.streams.kstream.SessionWindowedDeserializer;
import org.apache.kafka.streams.kstream.TimeWindowedDeserializer;
import org.apache.kafka.streams.kstream.Windowed;
import org.apache.kafka.streams.processor.StateStore;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.SessionStore;
import org.apache.kafka.streams.state.ValueAndTimestamp;
import org.apache.kafka.streams.state.WindowStore;
import org.apache.kafka.streams.test.TestRecord;

/**
 * Runs the programs of the semantics scripts on Kafka Streams' TopologyTestDriver. Requests come on standard input, as
 * lines of fields between tabs: "case name cache", then "in topic key value time header=value..." or "clock ms", then
 * "end". Answers: "out step topic key value time headers", "store name key value time", "dropped n", "error step", "end".
 * A field that is null is \N.
 */
public final class Semantics {
    static final String NULL = "\\N";

    private final PrintStream out;
    private final String dir;

    private Semantics(PrintStream out, String dir) {
        this.out = out;
        this.dir = dir;
    }

    public static void main(String[] args) throws Exception {
        PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
        System.setOut(new PrintStream(OutputStream.nullOutputStream()));
        Semantics s = new Semantics(out, args[0]);
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        List<String[]> lines = new ArrayList<>();
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            if (!line.equals("end")) {
                lines.add(line.split("\t", -1));
                continue;
            }
            s.run(lines);
            lines.clear();
            out.println("end");
            out.flush();
        }
    }

    private void run(List<String[]> lines) {
        Programs p = new Programs(lines.get(0)[2].equals("on"));
        Properties props = new Properties();
        props.put(StreamsConfig.APPLICATION_ID_CONFIG, "app");
        props.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, "none:1");
        props.put(StreamsConfig.DEFAULT_KEY_SERDE_CLASS_CONFIG, Serdes.String().getClass());
        props.put(StreamsConfig.DEFAULT_VALUE_SERDE_CLASS_CONFIG, Serdes.String().getClass());
        props.put(StreamsConfig.STATE_DIR_CONFIG, dir);
        int step = -1;
        TopologyTestDriver driver = null;
        try {
            p.build(lines.get(0)[1]);
            driver = new TopologyTestDriver(p.b.build(props), props, Instant.ofEpochMilli(0));
            Map<String, TestInputTopic<String, String>> ins = new TreeMap<>();
            Map<String, TestOutputTopic<Object, Object>> outs = new TreeMap<>();
            for (step = 0; step < lines.size() - 1; step++) {
                String[] w = lines.get(step + 1);
                if (w[0].equals("clock")) {
                    driver.advanceWallClockTime(Duration.ofMillis(Long.parseLong(w[1])));
                } else {
                    TopologyTestDriver d = driver;
                    RecordHeaders h = new RecordHeaders();
                    for (int i = 5; i < w.length; i++) {
                        String[] kv = w[i].split("=", 2);
                        h.add(kv[0], kv[1].getBytes(StandardCharsets.UTF_8));
                    }
                    ins.computeIfAbsent(w[1], t -> d.createInputTopic(t, new StringSerializer(), new StringSerializer()))
                        .pipeInput(new TestRecord<>(text(w[2]), text(w[3]), h, Long.valueOf(w[4])));
                }
                collect(driver, outs, step);
            }
            stores(driver);
            double dropped = 0;
            for (var m : driver.metrics().entrySet()) {
                if (m.getKey().name().equals("dropped-records-total")) {
                    dropped += ((Number) m.getValue().metricValue()).doubleValue();
                }
            }
            line("dropped", (long) dropped);
        } catch (RuntimeException e) {
            line("error", step);
            if (System.getenv("TRACE") != null) {
                e.printStackTrace();
            }
        }
        try {
            if (driver != null) {
                driver.close();
            }
        } catch (RuntimeException e) {
            // It failed before.
        }
    }

    private static String text(String field) {
        return field.equals(NULL) ? null : field;
    }

    private void line(Object... fields) {
        StringBuilder s = new StringBuilder();
        for (Object f : fields) {
            if (s.length() > 0) {
                s.append('\t');
            }
            if (f instanceof Windowed<?> w) {
                s.append(w.key()).append('@').append(w.window().start()).append('/').append(w.window().end());
            } else {
                s.append(f == null ? NULL : f);
            }
        }
        out.println(s);
    }

    /** Topics are typed by their names: w10 has windows of 10 ms, s sessions, other keys are strings; n at the end: longs. */
    @SuppressWarnings({"unchecked", "rawtypes"})
    private void collect(TopologyTestDriver driver, Map<String, TestOutputTopic<Object, Object>> outs, int step) {
        for (String topic : new TreeSet<>(driver.producedTopicNames())) {
            if (topic.startsWith("app-")) {
                continue;
            }
            TestOutputTopic<Object, Object> t = outs.computeIfAbsent(topic, name -> {
                String n = name;
                Deserializer v = new StringDeserializer();
                if (n.endsWith("n")) {
                    v = new LongDeserializer();
                    n = n.substring(0, n.length() - 1);
                }
                Deserializer k = new StringDeserializer();
                if (n.matches("w[0-9]+")) {
                    k = new TimeWindowedDeserializer<>(new StringDeserializer(), Long.valueOf(n.substring(1)));
                } else if (n.equals("s")) {
                    k = new SessionWindowedDeserializer<>(new StringDeserializer());
                }
                return driver.createOutputTopic(name, k, v);
            });
            for (TestRecord<Object, Object> r : t.readRecordsToList()) {
                List<Object> f = new ArrayList<>(List.of("out", step, topic));
                f.add(r.key());
                f.add(r.value());
                f.add(r.timestamp());
                for (Header h : r.headers()) {
                    f.add(h.key() + "=" + new String(h.value(), StandardCharsets.UTF_8));
                }
                line(f.toArray());
            }
        }
    }

    private void stores(TopologyTestDriver driver) {
        for (Map.Entry<String, StateStore> e : new TreeMap<>(driver.getAllStateStores()).entrySet()) {
            if (!e.getKey().startsWith("store")) {
                continue;
            }
            if (e.getValue() instanceof KeyValueStore<?, ?> kv) {
                rows(e.getKey(), kv.all());
            } else if (e.getValue() instanceof WindowStore<?, ?> w) {
                rows(e.getKey(), w.all());
            } else if (e.getValue() instanceof SessionStore<?, ?> s) {
                rows(e.getKey(), s.fetch(null, null));
            }
        }
    }

    private void rows(String name, KeyValueIterator<?, ?> it) {
        try (it) {
            while (it.hasNext()) {
                KeyValue<?, ?> kv = it.next();
                if (kv.value instanceof ValueAndTimestamp<?> vt) {
                    line("store", name, kv.key, vt.value(), vt.timestamp());
                } else {
                    line("store", name, kv.key, kv.value, -1);
                }
            }
        }
    }
}
