import static java.time.Duration.ofMillis;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.HashMap;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.kstream.*;
import org.apache.kafka.streams.processor.PunctuationType;
import org.apache.kafka.streams.processor.api.ContextualProcessor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.SessionStore;
import org.apache.kafka.streams.state.Stores;
import org.apache.kafka.streams.state.WindowStore;

/** The programs of the scripts: what semantics_programs_test.go has in Go, under the same names. */
final class Programs {
    final StreamsBuilder b = new StreamsBuilder();
    final boolean cached;
    private final Map<String, Runnable> all = new HashMap<>();

    void build(String name) {
        all.get(name).run();
    }

    // The words all programs share.

    static String plus(String a, String v) {
        return "del".equals(v) ? null : a + "+" + v;
    }

    static String minus(String a, String v) {
        return a + "-" + v;
    }

    static String pair(Object l, Object r) {
        return "(" + l + "," + r + ")";
    }

    static String first(String v) {
        return v == null || v.isEmpty() ? null : v.substring(0, 1);
    }

    static String foreign(String v) {
        return v == null || !v.contains(":") ? null : v.substring(0, v.indexOf(':'));
    }

    KStream<String, String> in(String topic) {
        return b.stream(topic);
    }

    KTable<String, String> table(String topic, String store) {
        return b.table(topic, kv(store));
    }

    <V> Materialized<String, V, KeyValueStore<Bytes, byte[]>> kv(String store) {
        Materialized<String, V, KeyValueStore<Bytes, byte[]>> m = Materialized.as(store);
        return cached ? m : m.withCachingDisabled();
    }

    <V> Materialized<String, V, WindowStore<Bytes, byte[]>> win(String store) {
        Materialized<String, V, WindowStore<Bytes, byte[]>> m = Materialized.as(store);
        m.withKeySerde(Serdes.String());
        return cached ? m : m.withCachingDisabled();
    }

    <V> Materialized<String, V, SessionStore<Bytes, byte[]>> ses(String store) {
        Materialized<String, V, SessionStore<Bytes, byte[]>> m = Materialized.as(store);
        m.withKeySerde(Serdes.String());
        return cached ? m : m.withCachingDisabled();
    }

    static void to(KTable<String, String> t, String topic) {
        t.toStream().to(topic);
    }

    static void toW(KTable<Windowed<String>, String> t) {
        t.toStream().to("w10", Produced.with(WindowedSerdes.timeWindowedSerdeFrom(String.class, 10), Serdes.String()));
    }

    static void toS(KTable<Windowed<String>, String> t) {
        t.toStream().to("s", Produced.with(WindowedSerdes.sessionWindowedSerdeFrom(String.class), Serdes.String()));
    }

    KTable<Windowed<String>, String> tumbling(long grace, EmitStrategy e) {
        return in("in").groupByKey().windowedBy(TimeWindows.ofSizeAndGrace(ofMillis(10), ofMillis(grace))).emitStrategy(e)
            .aggregate(() -> "0", (k, v, a) -> plus(a, v), win("store"));
    }

    KTable<Windowed<String>, String> hopping(long grace, EmitStrategy e) {
        return in("in").groupByKey().windowedBy(TimeWindows.ofSizeAndGrace(ofMillis(10), ofMillis(grace)).advanceBy(ofMillis(5)))
            .emitStrategy(e).aggregate(() -> "0", (k, v, a) -> plus(a, v), win("store"));
    }

    KTable<Windowed<String>, String> sliding(long grace, EmitStrategy e) {
        return in("in").groupByKey().windowedBy(SlidingWindows.ofTimeDifferenceAndGrace(ofMillis(10), ofMillis(grace)))
            .emitStrategy(e).aggregate(() -> "0", (k, v, a) -> plus(a, v), win("store"));
    }

    KTable<Windowed<String>, String> sessions(long grace, EmitStrategy e) {
        return in("in").groupByKey().windowedBy(SessionWindows.ofInactivityGapAndGrace(ofMillis(10), ofMillis(grace)))
            .emitStrategy(e).aggregate(() -> "0", (k, v, a) -> plus(a, v), (k, x, y) -> "[" + x + " " + y + "]", ses("store"));
    }

    static Suppressed<Windowed<?>> closed() {
        return Suppressed.untilWindowCloses(Suppressed.BufferConfig.unbounded());
    }

    static final EmitStrategy UPDATE = EmitStrategy.onWindowUpdate();
    static final EmitStrategy CLOSE = EmitStrategy.onWindowClose();

    static JoinWindows within(long ms, long grace) {
        return JoinWindows.ofTimeDifferenceAndGrace(ofMillis(ms), ofMillis(grace));
    }

    KTable<String, String> versioned(String topic, String store, long history) {
        return b.table(topic, Materialized.<String, String>as(Stores.persistentVersionedKeyValueStore(store, ofMillis(history))));
    }

    Programs(boolean cached) {
        this.cached = cached;
        stateless();
        aggregates();
        windows();
        joins();
        tables();
        processors();
    }

    private void stateless() {
        all.put("filter", () -> in("in").filter((k, v) -> !"drop".equals(v)).to("out"));
        all.put("filter-not", () -> in("in").filterNot((k, v) -> "drop".equals(v)).to("out"));
        all.put("map-values", () -> in("in").mapValues(v -> "del".equals(v) ? null : v + "'").to("out"));
        all.put("map", () -> in("in").map((k, v) -> KeyValue.pair(v, k)).to("out"));
        all.put("select-key", () -> in("in").selectKey((k, v) -> first(v)).to("out"));
        all.put("flat-map-values", () -> in("in").flatMapValues(v -> v == null ? List.of("none") : Arrays.asList(v.split(","))).to("out"));
        all.put("merge", () -> in("left").merge(in("right").mapValues(v -> v + "'")).to("out"));
        all.put("split", () -> {
            Map<String, KStream<String, String>> s = in("in").split(Named.as("s-"))
                .branch((k, v) -> "a".equals(first(v)), Branched.as("a"))
                .branch((k, v) -> v != null && v.length() > 1, Branched.as("long"))
                .defaultBranch(Branched.as("rest"));
            s.get("s-a").to("out-a");
            s.get("s-long").to("out-long");
            s.get("s-rest").to("out-rest");
        });
        all.put("to-each", () -> in("in").to((k, v, c) -> "out-" + v));
        all.put("repartition", () -> in("in").selectKey((k, v) -> first(v)).repartition(Repartitioned.as("rp")).to("out"));
        all.put("timestamps", () -> b.stream("in", Consumed.<String, String>with((r, partition) ->
            r.value() == null ? partition : Long.parseLong(r.value().toString()))).to("out"));
        all.put("fan-out", () -> {
            in("in").mapValues(v -> v + "1").to("out");
            in("in").mapValues(v -> v + "2").to("out");
        });
    }

    private void aggregates() {
        all.put("count", () -> in("in").groupByKey().count(kv("store")).toStream().to("outn", Produced.with(Serdes.String(), Serdes.Long())));
        all.put("reduce", () -> to(in("in").groupByKey().reduce(Programs::plus, kv("store")), "out"));
        all.put("aggregate", () -> to(in("in").groupByKey().aggregate(() -> "0", (k, v, a) -> plus(a, v), kv("store")), "out"));
        all.put("aggregate-by", () -> to(in("in").groupBy((k, v) -> first(v)).aggregate(() -> "0", (k, v, a) -> plus(a, v), kv("store")), "out"));
        all.put("cogroup", () -> to(in("left").groupByKey().<String>cogroup((k, v, a) -> plus(a, v))
            .cogroup(in("right").groupByKey(), (k, v, a) -> minus(a, v)).aggregate(() -> "0", kv("store")), "out"));
    }

    private void windows() {
        all.put("tumbling", () -> toW(tumbling(0, UPDATE)));
        all.put("tumbling-grace", () -> toW(tumbling(5, UPDATE)));
        all.put("tumbling-count", () -> in("in").groupByKey().windowedBy(TimeWindows.ofSizeWithNoGrace(ofMillis(10))).count(win("store")).toStream()
            .to("w10n", Produced.with(WindowedSerdes.timeWindowedSerdeFrom(String.class, 10), Serdes.Long())));
        all.put("hopping", () -> toW(hopping(3, UPDATE)));
        all.put("sliding", () -> toW(sliding(0, UPDATE)));
        all.put("sliding-grace", () -> toW(sliding(5, UPDATE)));
        all.put("sessions", () -> toS(sessions(0, UPDATE)));
        all.put("sessions-grace", () -> toS(sessions(5, UPDATE)));
        all.put("unlimited", () -> in("in").groupByKey().windowedBy(UnlimitedWindows.of().startOn(java.time.Instant.ofEpochMilli(7)))
            .aggregate(() -> "0", (k, v, a) -> plus(a, v), win("store")).toStream((w, v) -> w.key() + "@" + w.window().start()).to("out"));
        all.put("tumbling-final", () -> toW(tumbling(5, CLOSE)));
        all.put("hopping-final", () -> toW(hopping(3, CLOSE)));
        all.put("sliding-final", () -> toW(sliding(5, CLOSE)));
        all.put("sessions-final", () -> toS(sessions(5, CLOSE)));
        all.put("tumbling-suppress", () -> toW(tumbling(5, UPDATE).suppress(closed())));
        all.put("hopping-suppress", () -> toW(hopping(3, UPDATE).suppress(closed())));
        all.put("sliding-suppress", () -> toW(sliding(5, UPDATE).suppress(closed())));
        all.put("sessions-suppress", () -> toS(sessions(5, UPDATE).suppress(closed())));
        all.put("final-suppress", () -> toW(tumbling(5, CLOSE).suppress(closed())));
        all.put("cogroup-windows", () -> toW(in("left").groupByKey().<String>cogroup((k, v, a) -> plus(a, v))
            .cogroup(in("right").groupByKey(), (k, v, a) -> minus(a, v))
            .windowedBy(TimeWindows.ofSizeWithNoGrace(ofMillis(10))).aggregate(() -> "0", win("store"))));
        all.put("windows-filter", () -> toW(tumbling(0, UPDATE).filter((k, v) -> v.length() < 6).mapValues(v -> v + "'")));
    }

    private void joins() {
        StreamJoined<String, String, String> with = StreamJoined.as("j");
        all.put("join", () -> in("left").join(in("right"), Programs::pair, within(10, 5), with).to("out"));
        all.put("left-join", () -> in("left").leftJoin(in("right"), Programs::pair, within(10, 5), with).to("out"));
        all.put("outer-join", () -> in("left").outerJoin(in("right"), Programs::pair, within(10, 5), with).to("out"));
        all.put("join-after", () -> in("left").outerJoin(in("right"), Programs::pair, within(0, 0).after(ofMillis(10)), with).to("out"));
        all.put("join-past", () -> in("left").leftJoin(in("right"), Programs::pair,
            within(10, 0).after(ofMillis(-3)), with).to("out"));
        all.put("self-join", () -> {
            KStream<String, String> s = in("in");
            s.join(s, Programs::pair, within(10, 5), with).to("out");
        });
        all.put("join-rekeyed", () -> in("left").selectKey((k, v) -> first(v))
            .leftJoin(in("right").selectKey((k, v) -> first(v)), Programs::pair, within(10, 5), with).to("out"));
        all.put("stream-table", () -> in("left").join(table("right", "store"), Programs::pair).to("out"));
        all.put("stream-table-left", () -> in("left").leftJoin(table("right", "store"), Programs::pair).to("out"));
        all.put("stream-versioned-left", () -> in("left").leftJoin(versioned("right", "store", 1000), Programs::pair).to("out"));
        all.put("stream-table-grace", () -> in("left").join(versioned("right", "store", 1000), Programs::pair,
            Joined.<String, String, String>as("g").withGracePeriod(ofMillis(10))).to("out"));
        all.put("global", () -> {
            GlobalKTable<String, String> g = b.globalTable("right", kv("store"));
            in("left").join(g, (k, v) -> foreign(v), Programs::pair).to("out");
        });
        all.put("global-left", () -> {
            GlobalKTable<String, String> g = b.globalTable("right", kv("store"));
            in("left").leftJoin(g, (k, v) -> foreign(v), Programs::pair).to("out");
        });
    }

    private void tables() {
        all.put("table", () -> to(table("in", "store"), "out"));
        all.put("table-filter", () -> to(table("in", "store").filter((k, v) -> !"drop".equals(v)), "out"));
        all.put("table-filter-kept", () -> to(table("in", "store-in").filter((k, v) -> !"drop".equals(v), kv("store")), "out"));
        all.put("table-map", () -> to(table("in", "store").mapValues(v -> v + "'"), "out"));
        all.put("to-table", () -> to(in("in").filter((k, v) -> !"drop".equals(v)).toTable(Named.as("t"), kv("store")), "out"));
        all.put("table-join", () -> to(table("left", "store-l").join(table("right", "store-r"), Programs::pair), "out"));
        all.put("table-left-join", () -> to(table("left", "store-l").leftJoin(table("right", "store-r"), Programs::pair), "out"));
        all.put("table-outer-join", () -> to(table("left", "store-l").outerJoin(table("right", "store-r"), Programs::pair), "out"));
        all.put("table-group", () -> to(table("in", "store-in").groupBy((k, v) -> KeyValue.pair(first(v), v))
            .aggregate(() -> "0", (k, v, a) -> plus(a, v), (k, v, a) -> minus(a, v), kv("store")), "out"));
        all.put("table-group-count", () -> table("in", "store-in").groupBy((k, v) -> KeyValue.pair(first(v), v))
            .count(kv("store")).toStream().to("outn", Produced.with(Serdes.String(), Serdes.Long())));
        all.put("foreign-join", () -> to(table("left", "store-l").join(table("right", "store-r"), Programs::foreign, Programs::pair,
            TableJoined.as("fk")), "out"));
        all.put("foreign-left-join", () -> to(table("left", "store-l").leftJoin(table("right", "store-r"), Programs::foreign, Programs::pair,
            TableJoined.as("fk")), "out"));
        all.put("foreign-join-kept", () -> to(table("left", "store-l").join(table("right", "store-r"), Programs::foreign, Programs::pair,
            TableJoined.as("fk"), kv("store")), "out"));
        all.put("versioned", () -> to(versioned("in", "store", 100).filter((k, v) -> !"drop".equals(v)), "out"));
        all.put("versioned-join", () -> to(versioned("left", "store-l", 100).join(versioned("right", "store-r", 100), Programs::pair), "out"));
        all.put("versioned-group", () -> to(versioned("in", "store-in", 100).groupBy((k, v) -> KeyValue.pair(first(v), v))
            .aggregate(() -> "0", (k, v, a) -> plus(a, v), (k, v, a) -> minus(a, v), kv("store")), "out"));
        all.put("suppress-time", () -> to(table("in", "store").suppress(
            Suppressed.untilTimeLimit(ofMillis(10), Suppressed.BufferConfig.unbounded())), "out"));
        all.put("suppress-records", () -> to(table("in", "store").suppress(
            Suppressed.untilTimeLimit(ofMillis(100), Suppressed.BufferConfig.maxRecords(2).emitEarlyWhenFull())), "out"));
        all.put("suppress-strict", () -> toW(tumbling(0, UPDATE).suppress(
            Suppressed.untilWindowCloses(Suppressed.BufferConfig.maxRecords(2).shutDownWhenFull()))));
        all.put("suppress-zero", () -> to(table("in", "store").suppress(
            Suppressed.untilTimeLimit(ofMillis(0), Suppressed.BufferConfig.unbounded())), "out"));
    }

    /** Forwards what it is given, and the name of the clock when that strikes. */
    static final class Clocked extends ContextualProcessor<String, String, String, String> {
        private final Long start;

        Clocked(Long start) {
            this.start = start;
        }

        @Override
        public void init(ProcessorContext<String, String> c) {
            super.init(c);
            if (start == null) {
                c.schedule(ofMillis(10), PunctuationType.STREAM_TIME, t -> c.forward(new Record<>("stream", "" + c.currentStreamTimeMs(), t)));
                c.schedule(ofMillis(10), PunctuationType.WALL_CLOCK_TIME, t -> c.forward(new Record<>("wall", "" + c.currentSystemTimeMs(), t)));
            } else {
                java.time.Instant at = java.time.Instant.ofEpochMilli(start);
                c.schedule(at, ofMillis(10), PunctuationType.STREAM_TIME, t -> c.forward(new Record<>("stream", "", t)));
                c.schedule(at, ofMillis(10), PunctuationType.WALL_CLOCK_TIME, t -> c.forward(new Record<>("wall", "", t)));
            }
        }

        @Override
        public void process(Record<String, String> r) {
            context().forward(r.withValue(r.value() + " " + context().currentStreamTimeMs()));
        }
    }

    private void processors() {
        all.put("punctuate", () -> in("in").process(() -> new Clocked(null)).to("out"));
        all.put("punctuate-anchored", () -> in("in").process(() -> new Clocked(3L)).to("out"));
        all.put("process-store", () -> {
            b.addStateStore(Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore("store"), Serdes.String(), Serdes.String()));
            in("in").process(() -> new ContextualProcessor<String, String, String, String>() {
                @Override
                public void process(Record<String, String> r) {
                    KeyValueStore<String, String> s = context().getStateStore("store");
                    String old = s.get(r.key());
                    s.put(r.key(), r.value());
                    context().forward(r.withValue(old + ">" + r.value()));
                }
            }, "store").to("out");
        });
    }
}
