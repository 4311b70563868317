import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.nio.file.*;
import java.util.*;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.common.serialization.*;
import org.apache.kafka.streams.*;
import org.apache.kafka.streams.errors.*;
import org.apache.kafka.streams.kstream.*;
import org.apache.kafka.streams.processor.PunctuationType;
import org.apache.kafka.streams.processor.api.*;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.test.TestRecord;

/**
 * Writes letters.txt: what Kafka Streams writes to the dead-letter topic (KIP-1034) and to its outputs when something fails, and
 * whether it goes on. Names of exceptions and stacks are left out.
 *
 *     java -cp 'lib/*' Letters.java letters.txt
 */
public class Letters {
    interface Build { void build(StreamsBuilder b); }
    static final Serde<String> S = Serdes.String();
    static final Serde<Long> L = Serdes.Long();
    static final StringBuilder out = new StringBuilder();

    static <T> T bad(T v) {
        if ("bad".equals(v)) throw new IllegalStateException("no bad");
        if ("mute".equals(v)) throw new IllegalStateException();
        return v;
    }

    static class Cannot implements Serializer<String> {
        public byte[] serialize(String topic, String v) {
            if (v != null && v.equals("bad")) throw new IllegalStateException("cannot write");
            return v == null ? null : v.getBytes(StandardCharsets.UTF_8);
        }
    }

    static class Ticks implements ProcessorSupplier<String, String, String, String> {
        final PunctuationType type;
        Ticks(PunctuationType type) { this.type = type; }
        public Processor<String, String, String, String> get() {
            return new Processor<>() {
                public void init(ProcessorContext<String, String> c) {
                    c.schedule(Duration.ofSeconds(10), type, t -> { throw new IllegalStateException("no tick"); });
                }
                public void process(Record<String, String> r) { }
            };
        }
    }

    static String text(byte[] b) { return b == null ? "\\N" : new String(b, StandardCharsets.UTF_8).replace("\0", "\\0"); }

    static void drain(TopologyTestDriver d) {
        for (String topic : List.of("out", "dlq")) {
            if (!d.producedTopicNames().contains(topic)) continue;
            TestOutputTopic<byte[], byte[]> o = d.createOutputTopic(topic, new ByteArrayDeserializer(), new ByteArrayDeserializer());
            while (!o.isEmpty()) {
                TestRecord<byte[], byte[]> r = o.readRecord();
                out.append("  ").append(topic).append(" ").append(topic.equals("out") ? text(r.key()).length() > 40 ? "..." : text(r.key()) : text(r.key()))
                    .append("=").append(text(r.value())).append(" @").append(r.timestamp());
                for (Header h : r.headers()) {
                    String name = h.key();
                    if (name.endsWith(".exception") || name.endsWith(".stacktrace")) out.append(" ").append(name.substring(name.lastIndexOf('.') + 1));
                    else out.append(" ").append(name.replace("__streams.errors.", "")).append("=").append(text(h.value()));
                }
                out.append("\n");
            }
        }
    }

    static void run(String name, boolean goOn, Build build, String... steps) {
        Properties p = new Properties();
        p.put("application.id", "app");
        p.put("bootstrap.servers", "none:1");
        p.put("errors.dead.letter.queue.topic.name", "dlq");
        p.put("state.dir", System.getProperty("java.io.tmpdir") + "/letters-" + ProcessHandle.current().pid());
        if (goOn) {
            p.put("deserialization.exception.handler", LogAndContinueExceptionHandler.class);
            p.put("processing.exception.handler", LogAndContinueProcessingExceptionHandler.class);
        }
        out.append("# ").append(name).append("\n");
        StreamsBuilder b = new StreamsBuilder();
        build.build(b);
        TopologyTestDriver d = new TopologyTestDriver(b.build(), p, Instant.ofEpochMilli(0));
        try {
            for (String step : steps) {
                out.append(step).append("\n");
                try {
                    if (step.startsWith("clock ")) {
                        d.advanceWallClockTime(Duration.ofMillis(Long.parseLong(step.substring(6))));
                    } else {
                        String[] f = step.split(" "); // topic key=value @time
                        String[] kv = f[1].split("=", 2);
                        TestInputTopic<byte[], byte[]> in = d.createInputTopic(f[0], new ByteArraySerializer(), new ByteArraySerializer());
                        RecordHeaders h = new RecordHeaders();
                        h.add("own", "h".getBytes());
                        in.pipeInput(new TestRecord<>(bytes(kv[0]), bytes(kv[1]), h, Long.parseLong(f[2].substring(1))));
                    }
                } catch (RuntimeException e) {
                    out.append("  fails\n");
                    drain(d);
                    return;
                }
                drain(d);
            }
        } finally {
            try { d.close(); } catch (RuntimeException e) { }
        }
    }

    static byte[] bytes(String s) { return s.equals("null") ? null : s.getBytes(StandardCharsets.UTF_8); }

    public static void main(String[] a) throws Exception {
        Consumed<String, String> in = Consumed.with(S, S);
        Produced<String, String> to = Produced.with(S, S);
        for (boolean goOn : new boolean[] {true, false}) {
            String how = goOn ? "" : "-fails";
            run("value" + how, goOn, b -> b.stream("in", Consumed.with(S, L)).mapValues(String::valueOf).to("out", to), "in k=short @5");
            run("key" + how, goOn, b -> b.stream("in", Consumed.with(L, S)).selectKey((k, v) -> "x").to("out", to), "in k=v @5");
            run("process" + how, goOn, b -> b.stream("in", in).mapValues(Letters::bad).to("out", to), "in k=bad @5", "in k=fine @6");
        }
        run("no-message", true, b -> b.stream("in", in).mapValues(Letters::bad).to("out", to), "in k=mute @5");
        run("null-key", true, b -> b.stream("in", in).mapValues(Letters::bad).to("out", to), "in null=bad @5");
        run("null-value", true, b -> b.stream("in", in).mapValues(v -> { if (v == null) throw new IllegalStateException("no null"); return v; }).to("out", to), "in k=null @5");
        run("siblings", true, b -> {
            KStream<String, String> s = b.stream("in", in);
            s.mapValues(v -> v + "1").to("out", to);
            s.mapValues(Letters::bad).to("out", to);
            s.mapValues(v -> v + "2").to("out", to);
        }, "in k=bad @5");
        run("behind-other-key-and-value", true, b -> b.stream("in", in).map((k, v) -> KeyValue.pair(k + k, v.substring(1))).mapValues(Letters::bad).to("out", to), "in k=xbad @5");
        run("behind-repartition", true, b -> b.stream("in", in).map((k, v) -> KeyValue.pair(k + k, v.substring(1))).repartition(Repartitioned.<String, String>as("mid").withKeySerde(S).withValueSerde(S)).mapValues(Letters::bad).to("out", to), "in k=xbad @5");
        run("headers-of-program", true, b -> b.stream("in", in).process(() -> new Processor<String, String, String, String>() {
            ProcessorContext<String, String> c;
            public void init(ProcessorContext<String, String> c) { this.c = c; }
            public void process(Record<String, String> r) { r.headers().add("added", "x".getBytes()); c.forward(r.withTimestamp(99)); }
        }).mapValues(Letters::bad).to("out", to), "in k=bad @5");
        run("aggregate", true, b -> b.stream("in", in).groupByKey(Grouped.with(S, S)).aggregate(() -> "", (k, v, x) -> bad(v), Materialized.with(S, S)).toStream().to("out", to), "in k=bad @5", "in k=fine @6");
        run("behind-cache", true, b -> b.stream("in", in).groupByKey(Grouped.with(S, S)).reduce((x, y) -> y, Materialized.with(S, S)).toStream().mapValues(Letters::bad).to("out", to), "in k=bad @5");
        run("behind-suppress", true, b -> b.stream("in", in).groupByKey(Grouped.with(S, S)).windowedBy(TimeWindows.ofSizeWithNoGrace(Duration.ofMillis(10))).reduce((x, y) -> y, Materialized.with(S, S))
            .suppress(Suppressed.untilWindowCloses(Suppressed.BufferConfig.unbounded())).toStream((w, v) -> w.key()).mapValues(Letters::bad).to("out", to), "in k=bad @5", "in x=fine @25");
        run("left-join-unmatched", true, b -> b.stream("in", in).leftJoin(b.stream("other", in), (l, r) -> bad(l), JoinWindows.ofTimeDifferenceWithNoGrace(Duration.ofMillis(10)), StreamJoined.with(S, S, S)).to("out", to), "in k=bad @5", "in x=fine @50");
        run("join", true, b -> b.stream("in", in).join(b.stream("other", in), (l, r) -> bad(l), JoinWindows.ofTimeDifferenceWithNoGrace(Duration.ofMillis(10)), StreamJoined.with(S, S, S)).to("out", to), "in k=bad @5", "other k=right @7");
        run("table-join", true, b -> b.stream("in", in).join(b.table("other", in), (l, r) -> bad(l), Joined.with(S, S, S)).to("out", to), "other k=t @1", "in k=bad @5");
        run("stream-time", true, b -> b.stream("in", in).process(new Ticks(PunctuationType.STREAM_TIME)).to("out", to), "in k=v @5", "in k=w @10005");
        run("clock", true, b -> b.stream("in", in).process(new Ticks(PunctuationType.WALL_CLOCK_TIME)).to("out", to), "in k=v @5", "clock 10000");
        run("serialize", false, b -> b.stream("in", in).to("out", Produced.with(S, Serdes.serdeFrom(new Cannot(), new StringDeserializer()))), "in k=bad @5");
        run("serialize-key", false, b -> b.stream("in", in).selectKey((k, v) -> v).to("out", Produced.with(Serdes.serdeFrom(new Cannot(), new StringDeserializer()), S)), "in k=bad @5");
        run("serialize-to-repartition", false, b -> b.stream("in", in).selectKey((k, v) -> v).repartition(Repartitioned.<String, String>as("mid").withKeySerde(S).withValueSerde(Serdes.serdeFrom(new Cannot(), new StringDeserializer()))).to("out", to), "in k=bad @5");
        Files.writeString(Path.of(a[0]), out);
    }
}
