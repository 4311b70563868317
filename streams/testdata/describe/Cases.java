// The programs whose descriptions stand beside this file, by Kafka Streams 4.3.1. Each add("name", ...) writes
//
//     name.txt        Topology.describe()
//     name.topics     the repartition and changelog topics of application "app" with their settings
//     name.opt.txt    the description with topology.optimization=all, and name.opt.topics, if they differ
//
//     javac -cp "$LIB/*" -d /tmp/cases Cases.java && java -cp "$LIB/*:/tmp/cases" Cases .
//
// A program that Kafka refuses has a text that begins with "error: ".
import java.io.*;
import java.lang.reflect.*;
import java.nio.file.*;
import java.time.*;
import java.util.*;
import java.util.regex.Pattern;
import org.apache.kafka.common.serialization.*;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.*;
import org.apache.kafka.streams.kstream.*;
import org.apache.kafka.streams.processor.TopicNameExtractor;
import org.apache.kafka.streams.processor.api.*;
import org.apache.kafka.streams.state.*;

public class Cases {
    interface Program { void build(StreamsBuilder b); }

    static final Map<String, Program> cases = new LinkedHashMap<>();

    static void add(String name, Program p) {
        if (cases.put(name, p) != null) throw new IllegalArgumentException(name);
    }

    static final Serde<String> S = Serdes.String();
    static final Serde<Long> L = Serdes.Long();
    // Kafka's objects of options change when they are given a name, so each program gets new ones.
    static Consumed<String, String> IN() { return Consumed.with(S, S); }
    static Produced<String, String> OUT() { return Produced.with(S, S); }
    static final Grouped<String, String> G = Grouped.with(S, S);
    static final Duration MIN = Duration.ofMinutes(1);
    static final JoinWindows JW = JoinWindows.ofTimeDifferenceAndGrace(MIN, MIN);
    static final TimeWindows TW = TimeWindows.ofSizeAndGrace(MIN, MIN);
    static StreamJoined<String, String, String> SJ() { return StreamJoined.with(S, S, S); }
    static Joined<String, String, String> J() { return Joined.with(S, S, S); }
    static final ValueJoiner<String, String, String> JOIN = (l, r) -> l + r;

    static KStream<String, String> in(StreamsBuilder b, String topic) { return b.stream(topic, IN()); }
    static KTable<String, String> table(StreamsBuilder b, String topic) { return b.table(topic, IN()); }
    static <K> KStream<K, String> rekey(KStream<K, String> s) { return s.selectKey((k, v) -> k); }
    static <V, T extends org.apache.kafka.streams.processor.StateStore> Materialized<String, V, T> as(String name, Serde<V> v) {
        return Materialized.<String, V, T>as(name).withKeySerde(S).withValueSerde(v);
    }
    static <V, T extends org.apache.kafka.streams.processor.StateStore> Materialized<String, V, T> with(Serde<V> v) { return Materialized.with(S, v); }

    static class Pick implements TopicNameExtractor<String, String> {
        public String extract(String k, String v, org.apache.kafka.streams.processor.RecordContext c) { return v; }
        public String toString() { return "Pick"; }
    }
    static class Step implements Processor<String, String, String, String> {
        public void process(org.apache.kafka.streams.processor.api.Record<String, String> r) { }
    }
    static class Values implements FixedKeyProcessor<String, String, String> {
        public void process(FixedKeyRecord<String, String> r) { }
    }
    static class Last implements Processor<String, String, Void, Void> {
        public void process(org.apache.kafka.streams.processor.api.Record<String, String> r) { }
    }
    static class Stateful implements ProcessorSupplier<String, String, String, String> {
        public Processor<String, String, String, String> get() { return new Step(); }
        public Set<StoreBuilder<?>> stores() { return new LinkedHashSet<>(Arrays.asList(kv("seen"), kv("total"))); }
    }
    static class Transform implements ValueTransformerWithKey<String, String, String> {
        public void init(org.apache.kafka.streams.processor.ProcessorContext c) { }
        public String transform(String k, String v) { return v; }
        public void close() { }
    }
    static StoreBuilder<KeyValueStore<String, String>> kv(String name) {
        return Stores.keyValueStoreBuilder(Stores.inMemoryKeyValueStore(name), S, S);
    }

    static {
        // Sources and sinks
        add("stream-to", b -> in(b, "in").to("out", OUT()));
        add("stream-only", b -> in(b, "in"));
        add("stream-named", b -> b.stream("in", IN().withName("source")).to("out", OUT().withName("sink")));
        add("stream-topics", b -> b.stream(Arrays.asList("zebra", "apple", "mango"), IN()).to("out", OUT()));
        add("stream-pattern", b -> b.stream(Pattern.compile("in-.*"), IN()).to("out", OUT()));
        add("stream-twice-same-topic", b -> { in(b, "in").filter((k, v) -> true).to("a", OUT()); in(b, "in").mapValues(v -> v).to("b", OUT()); });
        add("stream-twice-same-topics", b -> {
            b.stream(Arrays.asList("x", "y"), IN()).to("a", OUT());
            b.stream(Arrays.asList("y", "x"), IN()).to("b", OUT());
        });
        add("stream-twice-same-pattern", b -> {
            b.stream(Pattern.compile("in-.*"), IN()).to("a", OUT());
            b.stream(Pattern.compile("in-.*"), IN()).to("b", OUT());
        });
        add("stream-overlapping-topics", b -> {
            b.stream(Arrays.asList("x", "y"), IN()).to("a", OUT());
            b.stream("x", IN()).to("b", OUT());
        });
        add("stream-twice-other-reset", b -> {
            b.stream("in", IN().withOffsetResetPolicy(AutoOffsetReset.earliest())).to("a", OUT());
            b.stream("in", IN().withOffsetResetPolicy(AutoOffsetReset.latest())).to("b", OUT());
        });
        add("stream-and-table-same-topic", b -> { in(b, "in").to("a", OUT()); table(b, "in").toStream().to("b", OUT()); });
        add("table-twice-same-topic", b -> { table(b, "in").toStream().to("a", OUT()); table(b, "in").toStream().to("b", OUT()); });
        add("two-subtopologies", b -> { in(b, "a").to("x", OUT()); in(b, "b").to("y", OUT()); });
        add("sink-dynamic", b -> in(b, "in").to(new Pick(), OUT()));
        add("sink-dynamic-named", b -> in(b, "in").to(new Pick(), OUT().withName("route")));
        add("written-and-read-again", b -> { in(b, "in").to("mid", OUT()); in(b, "mid").to("out", OUT()); });

        // Stateless steps
        add("filter", b -> in(b, "in").filter((k, v) -> true).filterNot((k, v) -> false).to("out", OUT()));
        add("map", b -> in(b, "in").map((k, v) -> KeyValue.pair(k, v)).to("out", OUT()));
        add("mapvalues", b -> in(b, "in").mapValues(v -> v).mapValues((k, v) -> v).to("out", OUT()));
        add("flatmap", b -> in(b, "in").flatMap((k, v) -> List.of(KeyValue.pair(k, v))).to("out", OUT()));
        add("flatmapvalues", b -> in(b, "in").flatMapValues(v -> List.of(v)).to("out", OUT()));
        add("selectkey", b -> in(b, "in").selectKey((k, v) -> v).to("out", OUT()));
        add("peek-foreach", b -> { KStream<String, String> s = in(b, "in").peek((k, v) -> { }); s.foreach((k, v) -> { }); s.to("out", OUT()); });
        add("print", b -> in(b, "in").print(Printed.toSysOut()));
        add("stateless-named", b -> in(b, "in").filter((k, v) -> true, Named.as("only-good")).map((k, v) -> KeyValue.pair(k, v), Named.as("swap"))
            .mapValues(v -> v, Named.as("upper")).flatMapValues(v -> List.of(v), Named.as("split")).selectKey((k, v) -> v, Named.as("by-word"))
            .peek((k, v) -> { }, Named.as("look")).to("out", OUT().withName("write")));
        add("merge", b -> in(b, "a").merge(in(b, "b")).to("out", OUT()));
        add("merge-named", b -> in(b, "a").merge(in(b, "b"), Named.as("both")).to("out", OUT()));
        add("merge-self", b -> { KStream<String, String> s = in(b, "a"); s.merge(s).to("out", OUT()); });
        add("merge-three", b -> in(b, "a").merge(in(b, "b")).merge(in(b, "c")).to("out", OUT()));
        add("merge-diamond", b -> { KStream<String, String> s = in(b, "a"); s.filter((k, v) -> true).merge(s.mapValues(v -> v)).to("out", OUT()); });
        add("split", b -> { Map<String, KStream<String, String>> m = in(b, "in").split().branch((k, v) -> true).branch((k, v) -> false).defaultBranch();
            for (String k : new TreeSet<>(m.keySet())) m.get(k).to("out" + k, OUT()); });
        add("split-named", b -> { Map<String, KStream<String, String>> m = in(b, "in").split(Named.as("by-size-")).branch((k, v) -> true, Branched.as("large"))
            .branch((k, v) -> false).defaultBranch(Branched.as("rest")); for (String k : new TreeSet<>(m.keySet())) m.get(k).to(k, OUT()); });
        add("split-no-default", b -> { Map<String, KStream<String, String>> m = in(b, "in").split(Named.as("s-")).branch((k, v) -> true, Branched.as("a")).noDefaultBranch();
            m.get("s-a").to("out", OUT()); });
        add("split-default-unnamed", b -> { Map<String, KStream<String, String>> m = in(b, "in").split(Named.as("s-")).branch((k, v) -> true, Branched.as("a")).defaultBranch();
            m.get("s-a").to("a", OUT()); m.get("s-0").to("b", OUT()); });
        add("split-consumers", b -> in(b, "in").split(Named.as("s-")).branch((k, v) -> true, Branched.withConsumer(s -> s.to("a", OUT())))
            .defaultBranch(Branched.withConsumer(s -> s.to("b", OUT()))));

        // Repartition and toTable
        add("repartition", b -> in(b, "in").repartition(Repartitioned.with(S, S)).to("out", OUT()));
        add("repartition-named", b -> in(b, "in").repartition(Repartitioned.with(S, S).withName("by-user")).to("out", OUT()));
        add("repartition-partitions", b -> in(b, "in").repartition(Repartitioned.with(S, S).withName("by-user").withNumberOfPartitions(7)).to("out", OUT()));
        add("repartition-then-count", b -> rekey(in(b, "in")).repartition(Repartitioned.with(S, S).withName("by-user")).groupByKey(G).count());
        add("totable", b -> in(b, "in").toTable(with(S)).toStream().to("out", OUT()));
        add("totable-store", b -> in(b, "in").toTable(as("latest", S)).toStream().to("out", OUT()));
        add("totable-rekeyed", b -> rekey(in(b, "in")).toTable(with(S)).toStream().to("out", OUT()));
        add("totable-rekeyed-store", b -> rekey(in(b, "in")).toTable(as("latest", S)).toStream().to("out", OUT()));
        add("totable-rekeyed-named", b -> rekey(in(b, "in")).toTable(Named.as("newest"), as("latest", S)).toStream().to("out", OUT()));
        add("totable-unmaterialized", b -> in(b, "in").toTable().toStream().to("out", OUT()));

        // Aggregates
        add("count", b -> in(b, "in").groupByKey(G).count().toStream().to("out", Produced.with(S, L)));
        add("count-store", b -> in(b, "in").groupByKey(G).count(as("counts", L)).toStream().to("out", Produced.with(S, L)));
        add("count-named", b -> in(b, "in").groupByKey(G).count(Named.as("counting")).toStream(Named.as("changes")).to("out", Produced.with(S, L)));
        add("count-grouped-by", b -> in(b, "in").groupBy((k, v) -> v, G).count().toStream().to("out", Produced.with(S, L)));
        add("count-grouped-by-store", b -> in(b, "in").groupBy((k, v) -> v, G).count(as("counts", L)).toStream().to("out", Produced.with(S, L)));
        add("count-grouped-by-named", b -> in(b, "in").groupBy((k, v) -> v, Grouped.with("by-word", S, S)).count(as("counts", L)).toStream().to("out", Produced.with(S, L)));
        add("count-rekeyed", b -> rekey(in(b, "in")).groupByKey(G).count());
        add("count-rekeyed-filter", b -> rekey(in(b, "in")).filter((k, v) -> true).groupByKey(G).count());
        add("count-rekeyed-mapvalues", b -> rekey(in(b, "in")).mapValues(v -> v).groupByKey(G).count());
        add("reduce", b -> in(b, "in").groupByKey(G).reduce((x, y) -> y).toStream().to("out", OUT()));
        add("reduce-store", b -> in(b, "in").groupByKey(G).reduce((x, y) -> y, as("last", S)).toStream().to("out", OUT()));
        add("aggregate", b -> in(b, "in").groupByKey(G).aggregate(() -> "", (k, v, x) -> v, with(S)).toStream().to("out", OUT()));
        add("aggregate-store", b -> in(b, "in").groupByKey(G).aggregate(() -> "", (k, v, x) -> v, as("agg", S)).toStream().to("out", OUT()));
        add("aggregate-unlogged", b -> in(b, "in").groupByKey(G).aggregate(() -> "", (k, v, x) -> v, Cases.<String, KeyValueStore<Bytes, byte[]>>as("agg", S).withLoggingDisabled()));
        add("aggregate-log-config", b -> in(b, "in").groupByKey(G).aggregate(() -> "", (k, v, x) -> v,
            Cases.<String, KeyValueStore<Bytes, byte[]>>as("agg", S).withLoggingEnabled(Map.of("min.insync.replicas", "2", "cleanup.policy", "compact,delete"))));
        add("two-aggregates-one-grouping", b -> { KGroupedStream<String, String> g = rekey(in(b, "in")).groupByKey(G); g.count(); g.reduce((x, y) -> y); });
        add("two-aggregates-one-named-grouping", b -> { KGroupedStream<String, String> g = rekey(in(b, "in")).groupByKey(Grouped.with("grouping", S, S));
            g.count(as("counts", L)); g.reduce((x, y) -> y, as("last", S)); });
        add("two-aggregates-two-groupings", b -> { KStream<String, String> s = rekey(in(b, "in")); s.groupByKey(G).count(); s.groupByKey(G).reduce((x, y) -> y); });
        add("two-aggregates-behind-a-filter", b -> { KStream<String, String> s = rekey(in(b, "in")).filter((k, v) -> true); s.groupByKey(G).count(); s.groupByKey(G).reduce((x, y) -> y); });
        add("two-aggregates-one-behind-mapvalues", b -> { KStream<String, String> s = rekey(in(b, "in")); s.groupByKey(G).count(); s.mapValues(v -> v).groupByKey(G).reduce((x, y) -> y); });
        add("two-aggregates-behind-two-filters", b -> { KStream<String, String> s = rekey(in(b, "in"));
            s.filter((k, v) -> true).groupByKey(G).count(); s.filterNot((k, v) -> true).groupByKey(G).reduce((x, y) -> y); s.to("all", OUT()); });
        add("aggregates-behind-two-keys", b -> { KStream<String, String> s = in(b, "in"); rekey(s).groupByKey(G).count(); rekey(s).groupByKey(G).reduce((x, y) -> y); });
        add("merged-rekeyed-aggregate", b -> rekey(in(b, "a")).merge(rekey(in(b, "b"))).groupByKey(G).count());
        add("merged-rekeyed-two-aggregates", b -> { KStream<String, String> m = rekey(in(b, "a")).merge(rekey(in(b, "b"))); m.groupByKey(G).count(); m.groupByKey(G).reduce((x, y) -> y); });
        add("merged-one-rekeyed", b -> rekey(in(b, "a")).merge(in(b, "b")).groupByKey(G).count());
        add("merged-and-own-aggregate", b -> { KStream<String, String> x = rekey(in(b, "a")); x.groupByKey(G).count(); x.merge(in(b, "b")).groupByKey(G).reduce((p, q) -> q); });

        add("merged-rekeyed-one-counted", b -> { KStream<String, String> s = in(b, "in"), x = rekey(s), y = rekey(s); x.groupByKey(G).count(as("c1", L)); x.merge(y).groupByKey(G).count(as("c2", L)); });

        // Windows
        add("window-count", b -> in(b, "in").groupByKey(G).windowedBy(TW).count());
        add("window-count-store", b -> in(b, "in").groupByKey(G).windowedBy(TW).count(as("counts", L)));
        add("window-rekeyed-store", b -> rekey(in(b, "in")).groupByKey(G).windowedBy(TW).count(as("counts", L)));
        add("window-hopping-retention", b -> in(b, "in").groupByKey(G).windowedBy(TW.advanceBy(Duration.ofSeconds(20)))
            .aggregate(() -> "", (k, v, a) -> v, Cases.<String, WindowStore<Bytes, byte[]>>as("agg", S).withRetention(Duration.ofHours(1))));
        add("window-final", b -> in(b, "in").groupByKey(G).windowedBy(TW).emitStrategy(EmitStrategy.onWindowClose()).count(as("counts", L)));
        add("window-reduce-named", b -> in(b, "in").groupByKey(G).windowedBy(TW).reduce((x, y) -> y, Named.as("last-of-window")));
        add("sliding-count", b -> in(b, "in").groupByKey(G).windowedBy(SlidingWindows.ofTimeDifferenceAndGrace(MIN, MIN)).count(as("counts", L)));
        add("session-count", b -> in(b, "in").groupByKey(G).windowedBy(SessionWindows.ofInactivityGapAndGrace(MIN, MIN)).count());
        add("session-aggregate-store", b -> in(b, "in").groupByKey(G).windowedBy(SessionWindows.ofInactivityGapAndGrace(MIN, MIN))
            .aggregate(() -> "", (k, v, a) -> v, (k, x, y) -> x, as("sessions", S)));
        add("window-to-stream-rekeyed", b -> in(b, "in").groupByKey(G).windowedBy(TW).count(as("counts", L)).toStream((w, v) -> w.key()).groupByKey(Grouped.with(S, L)).count(as("again", L)));
        add("suppress", b -> in(b, "in").groupByKey(G).windowedBy(TW).count(as("counts", L)).suppress(Suppressed.untilWindowCloses(Suppressed.BufferConfig.unbounded())).toStream().foreach((k, v) -> { }));
        add("suppress-named", b -> in(b, "in").groupByKey(G).count(as("counts", L)).suppress(Suppressed.untilTimeLimit(MIN, Suppressed.BufferConfig.maxRecords(10)).withName("calm")).toStream().to("out", Produced.with(S, L)));
        add("suppress-table", b -> table(b, "in").suppress(Suppressed.untilTimeLimit(MIN, Suppressed.BufferConfig.unbounded())).toStream().to("out", OUT()));

        // Cogroup
        add("cogroup", b -> in(b, "a").groupByKey(G).<String>cogroup((k, v, x) -> v).cogroup(in(b, "b").groupByKey(G), (k, v, x) -> v).aggregate(() -> "", with(S)).toStream().to("out", OUT()));
        add("cogroup-store", b -> in(b, "a").groupByKey(G).<String>cogroup((k, v, x) -> v).cogroup(in(b, "b").groupByKey(G), (k, v, x) -> v).aggregate(() -> "", as("co", S)));
        add("cogroup-named", b -> in(b, "a").groupByKey(G).<String>cogroup((k, v, x) -> v).cogroup(in(b, "b").groupByKey(G), (k, v, x) -> v).aggregate(() -> "", Named.as("together"), as("co", S)));
        add("cogroup-one", b -> in(b, "a").groupByKey(G).<String>cogroup((k, v, x) -> v).aggregate(() -> "", as("co", S)));
        add("cogroup-rekeyed", b -> rekey(in(b, "a")).groupByKey(G).<String>cogroup((k, v, x) -> v).cogroup(in(b, "b").groupByKey(G), (k, v, x) -> v).aggregate(() -> "", as("co", S)));
        add("cogroup-both-rekeyed", b -> rekey(in(b, "a")).groupByKey(Grouped.with("ga", S, S)).<String>cogroup((k, v, x) -> v).cogroup(rekey(in(b, "b")).groupByKey(Grouped.with("gb", S, S)), (k, v, x) -> v).aggregate(() -> "", as("co", S)));
        add("cogroup-window", b -> in(b, "a").groupByKey(G).<String>cogroup((k, v, x) -> v).cogroup(in(b, "b").groupByKey(G), (k, v, x) -> v).windowedBy(TW).aggregate(() -> "", as("co", S)));
        add("cogroup-session", b -> in(b, "a").groupByKey(G).<String>cogroup((k, v, x) -> v).windowedBy(SessionWindows.ofInactivityGapAndGrace(MIN, MIN)).aggregate(() -> "", (k, x, y) -> x, as("co", S)));
        add("cogroup-sliding", b -> in(b, "a").groupByKey(G).<String>cogroup((k, v, x) -> v).windowedBy(SlidingWindows.ofTimeDifferenceAndGrace(MIN, MIN)).aggregate(() -> "", as("co", S)));

        // Stream-stream joins
        add("join", b -> in(b, "a").join(in(b, "b"), JOIN, JW, SJ()).to("out", OUT()));
        add("join-left", b -> in(b, "a").leftJoin(in(b, "b"), JOIN, JW, SJ()).to("out", OUT()));
        add("join-outer", b -> in(b, "a").outerJoin(in(b, "b"), JOIN, JW, SJ()).to("out", OUT()));
        add("join-named", b -> in(b, "a").join(in(b, "b"), JOIN, JW, SJ().withName("pair")).to("out", OUT()));
        add("join-named-store", b -> in(b, "a").join(in(b, "b"), JOIN, JW, SJ().withName("pair").withStoreName("pairs")).to("out", OUT()));
        add("join-left-named-store", b -> in(b, "a").leftJoin(in(b, "b"), JOIN, JW, SJ().withName("pair").withStoreName("pairs")).to("out", OUT()));
        add("join-outer-named-store", b -> in(b, "a").outerJoin(in(b, "b"), JOIN, JW, SJ().withName("pair").withStoreName("pairs")).to("out", OUT()));
        add("join-rekeyed", b -> rekey(in(b, "a")).join(rekey(in(b, "b")), JOIN, JW, SJ()).to("out", OUT()));
        add("join-rekeyed-named", b -> rekey(in(b, "a")).join(rekey(in(b, "b")), JOIN, JW, SJ().withName("pair").withStoreName("pairs")).to("out", OUT()));
        add("join-left-rekeyed", b -> rekey(in(b, "a")).leftJoin(rekey(in(b, "b")), JOIN, JW, SJ().withName("pair")).to("out", OUT()));
        add("join-outer-rekeyed", b -> rekey(in(b, "a")).outerJoin(rekey(in(b, "b")), JOIN, JW, SJ().withName("pair")).to("out", OUT()));
        add("join-one-rekeyed", b -> in(b, "a").join(rekey(in(b, "b")), JOIN, JW, SJ().withName("pair")).to("out", OUT()));
        add("join-self", b -> { KStream<String, String> s = in(b, "a"); s.join(s, JOIN, JW, SJ()).to("out", OUT()); });
        add("join-self-two-streams", b -> in(b, "a").join(in(b, "a"), JOIN, JW, SJ()).to("out", OUT()));
        add("join-self-named", b -> { KStream<String, String> s = in(b, "a"); s.join(s, JOIN, JW, SJ().withName("pair").withStoreName("pairs")).to("out", OUT()); });
        add("join-self-left", b -> { KStream<String, String> s = in(b, "a"); s.leftJoin(s, JOIN, JW, SJ()).to("out", OUT()); });
        add("join-self-mapped", b -> { KStream<String, String> s = in(b, "a"); s.join(s.mapValues(v -> v), JOIN, JW, SJ()).to("out", OUT()); });
        add("join-self-rekeyed", b -> { KStream<String, String> s = rekey(in(b, "a")); s.join(s, JOIN, JW, SJ()).to("out", OUT()); });
        add("join-three", b -> in(b, "a").join(in(b, "b"), JOIN, JW, SJ()).join(in(b, "c"), JOIN, JW, SJ()).to("out", OUT()));
        add("join-then-count", b -> in(b, "a").join(in(b, "b"), JOIN, JW, SJ()).groupByKey(G).count());
        add("join-and-count-rekeyed", b -> { KStream<String, String> s = rekey(in(b, "a")); s.groupByKey(G).count(as("counts", L)); s.join(in(b, "b"), JOIN, JW, SJ().withName("pair")).to("out", OUT()); });
        add("join-left-and-count-rekeyed", b -> { KStream<String, String> s = rekey(in(b, "a")); s.groupByKey(G).count(as("counts", L)); s.leftJoin(in(b, "b"), JOIN, JW, SJ().withName("pair")).to("out", OUT()); });
        add("join-two-topics-each", b -> b.stream(Arrays.asList("a1", "a2"), IN()).join(b.stream(Arrays.asList("b1", "b2"), IN()), JOIN, JW, SJ()).to("out", OUT()));

        // Stream-table and global joins
        add("join-table", b -> in(b, "a").join(table(b, "t"), JOIN, J()).to("out", OUT()));
        add("join-table-left", b -> in(b, "a").leftJoin(table(b, "t"), JOIN, J()).to("out", OUT()));
        add("join-table-named", b -> in(b, "a").join(b.table("t", IN(), as("users", S)), JOIN, J().withName("enrich")).to("out", OUT()));
        add("join-table-rekeyed", b -> rekey(in(b, "a")).join(table(b, "t"), JOIN, J()).to("out", OUT()));
        add("join-table-rekeyed-named", b -> rekey(in(b, "a")).leftJoin(b.table("t", IN(), as("users", S)), JOIN, J().withName("enrich")).to("out", OUT()));
        add("join-table-grace", b -> in(b, "a").join(b.table("t", IN(), Materialized.<String, String>as(Stores.persistentVersionedKeyValueStore("users", Duration.ofHours(1)))), JOIN, J().withName("enrich").withGracePeriod(MIN)).to("out", OUT()));
        add("join-table-count", b -> { KTable<String, Long> c = in(b, "b").groupByKey(G).count(as("counts", L)); in(b, "a").join(c, (v, n) -> v, Joined.with(S, S, L)).to("out", OUT()); });
        add("join-table-filtered", b -> in(b, "a").join(table(b, "t").filter((k, v) -> true), JOIN, J()).to("out", OUT()));
        add("join-global", b -> in(b, "a").join(b.globalTable("g", IN()), (k, v) -> v, JOIN).to("out", OUT()));
        add("join-global-left", b -> in(b, "a").leftJoin(b.globalTable("g", IN()), (k, v) -> v, JOIN).to("out", OUT()));
        add("join-global-named", b -> in(b, "a").join(b.globalTable("g", IN(), as("lookup", S)), (k, v) -> v, JOIN, Named.as("find")).to("out", OUT()));
        add("global-table-first", b -> { b.globalTable("g", IN(), as("lookup", S)); in(b, "a").to("out", OUT()); });
        add("global-table-named", b -> { b.globalTable("g", IN().withName("everything"), as("lookup", S)); in(b, "a").to("out", OUT()); });

        // Tables
        add("table", b -> table(b, "t").toStream().to("out", OUT()));
        add("table-store", b -> b.table("t", IN(), as("users", S)).toStream().to("out", OUT()));
        add("table-named", b -> b.table("t", IN().withName("read-users"), as("users", S)).toStream(Named.as("changes")).to("out", OUT()));
        add("table-filter", b -> table(b, "t").filter((k, v) -> true).filterNot((k, v) -> false).toStream().to("out", OUT()));
        add("table-filter-store", b -> table(b, "t").filter((k, v) -> true, as("good", S)).toStream().to("out", OUT()));
        add("table-filter-named", b -> table(b, "t").filter((k, v) -> true, Named.as("only-good"), as("good", S)).toStream().to("out", OUT()));
        add("table-mapvalues", b -> table(b, "t").mapValues(v -> v).toStream().to("out", OUT()));
        add("table-mapvalues-store", b -> table(b, "t").mapValues(v -> v, as("mapped", S)).toStream().to("out", OUT()));
        add("table-transformvalues", b -> table(b, "t").transformValues(Transform::new).toStream().to("out", OUT()));
        add("table-transformvalues-store", b -> { b.addStateStore(kv("seen")); table(b, "t").transformValues(Transform::new, as("mapped", S), Named.as("work"), "seen").toStream().to("out", OUT()); });
        add("table-tostream-rekeyed", b -> table(b, "t").toStream((k, v) -> v).to("out", OUT()));
        add("table-groupby-count", b -> table(b, "t").groupBy((k, v) -> KeyValue.pair(v, v), G).count());
        add("table-groupby-count-store", b -> table(b, "t").groupBy((k, v) -> KeyValue.pair(v, v), G).count(as("counts", L)).toStream().to("out", Produced.with(S, L)));
        add("table-groupby-named", b -> table(b, "t").groupBy((k, v) -> KeyValue.pair(v, v), Grouped.with("by-city", S, S)).count(Named.as("counting"), as("counts", L)));
        add("table-groupby-reduce", b -> b.table("t", IN(), as("users", S)).groupBy((k, v) -> KeyValue.pair(v, v), G).reduce((x, y) -> y, (x, y) -> x, as("sums", S)));
        add("table-groupby-aggregate", b -> table(b, "t").mapValues(v -> v).groupBy((k, v) -> KeyValue.pair(v, v), G).aggregate(() -> "", (k, v, a) -> a, (k, v, a) -> a, as("agg", S)));
        add("table-groupby-twice", b -> { KGroupedTable<String, String> g = table(b, "t").groupBy((k, v) -> KeyValue.pair(v, v), Grouped.with("by-city", S, S)); g.count(as("c1", L)); g.reduce((x, y) -> y, (x, y) -> x, as("c2", S)); });
        add("table-join", b -> table(b, "l").join(table(b, "r"), JOIN).toStream().to("out", OUT()));
        add("table-join-left", b -> table(b, "l").leftJoin(table(b, "r"), JOIN).toStream().to("out", OUT()));
        add("table-join-outer", b -> table(b, "l").outerJoin(table(b, "r"), JOIN).toStream().to("out", OUT()));
        add("table-join-store", b -> table(b, "l").join(table(b, "r"), JOIN, as("joined", S)).toStream().to("out", OUT()));
        add("table-join-named", b -> table(b, "l").join(table(b, "r"), JOIN, Named.as("pair"), as("joined", S)).toStream().to("out", OUT()));
        add("table-join-self", b -> { KTable<String, String> t = table(b, "l"); t.join(t, JOIN).toStream().to("out", OUT()); });
        add("table-join-of-filtered", b -> table(b, "l").filter((k, v) -> true).join(table(b, "r").mapValues(v -> v), JOIN).toStream().to("out", OUT()));
        add("table-join-of-counts", b -> { KTable<String, Long> x = in(b, "a").groupByKey(G).count(as("ca", L)), y = rekey(in(b, "b")).groupByKey(G).count(as("cb", L)); x.join(y, (p, q) -> p + q).toStream().to("out", Produced.with(S, L)); });
        add("table-versioned", b -> b.table("t", IN(), Materialized.<String, String>as(Stores.persistentVersionedKeyValueStore("users", Duration.ofHours(1)))).toStream().to("out", OUT()));
        add("table-versioned-suppress", b -> b.table("t", IN(), Materialized.<String, String>as(Stores.persistentVersionedKeyValueStore("users", Duration.ofHours(1))).withKeySerde(S).withValueSerde(S)).mapValues(v -> v)
            .suppress(Suppressed.untilTimeLimit(MIN, Suppressed.BufferConfig.unbounded())).toStream().to("out", OUT()));
        add("table-join-foreign", b -> table(b, "l").join(table(b, "r"), v -> v, JOIN, with(S)).toStream().to("out", OUT()));
        add("table-join-foreign-left", b -> table(b, "l").leftJoin(table(b, "r"), v -> v, JOIN, with(S)).toStream().to("out", OUT()));
        add("table-join-foreign-store", b -> b.table("l", IN(), as("left", S)).join(b.table("r", IN(), as("right", S)), v -> v, JOIN, as("joined", S)).toStream().to("out", OUT()));
        add("table-join-foreign-named", b -> b.table("l", IN(), as("left", S)).join(b.table("r", IN(), as("right", S)), v -> v, JOIN, TableJoined.as("owner"), as("joined", S)).toStream().to("out", OUT()));
        add("table-join-foreign-of-count", b -> table(b, "l").join(in(b, "x").groupByKey(G).count(as("counts", L)), v -> v, (l, n) -> l, TableJoined.as("owner"), as("joined", S)));
        add("table-of-rekeyed-stream-joined", b -> rekey(in(b, "a")).toTable(as("ta", S)).join(table(b, "r"), JOIN).toStream().to("out", OUT()));

        // Processors and stores
        add("process", b -> in(b, "in").process(Step::new).to("out", OUT()));
        add("process-named-stores", b -> { b.addStateStore(kv("seen")); b.addStateStore(kv("total")); in(b, "in").process(Step::new, Named.as("work"), "seen", "total").to("out", OUT()); });
        add("process-connected-stores", b -> in(b, "in").process(new Stateful(), Named.as("work")).to("out", OUT()));
        add("process-then-count", b -> in(b, "in").process(Step::new).groupByKey(G).count());
        add("process-values", b -> in(b, "in").processValues(Values::new).to("out", OUT()));
        add("process-values-then-count", b -> in(b, "in").processValues(Values::new, Named.as("work")).groupByKey(G).count());
        add("process-shared-store", b -> { b.addStateStore(kv("seen")); in(b, "a").process(Step::new, "seen").to("x", OUT()); in(b, "b").process(Step::new, "seen").to("y", OUT()); });
        add("rekeyed-process-count", b -> { KStream<String, String> s = rekey(in(b, "in")); s.groupByKey(G).count(); s.process(Step::new).groupByKey(G).reduce((x, y) -> y); });
        add("global-store", b -> { b.addGlobalStore(kv("lookup").withLoggingDisabled(), "g", IN(), Last::new); in(b, "a").to("out", OUT()); });
        add("unused-store", b -> { b.addStateStore(kv("lonely")); in(b, "a").to("out", OUT()); });

        // Whole programs
        add("word-count", b -> in(b, "lines").flatMapValues(v -> List.of(v.split(" "))).groupBy((k, v) -> v, G).count(as("words", L)).toStream().to("counts", Produced.with(S, L)));
        add("orders", b -> {
            KStream<String, String> orders = in(b, "orders");
            KTable<String, String> users = b.table("users", IN(), as("users", S));
            KStream<String, String> rich = orders.selectKey((k, v) -> v).join(users, JOIN, J().withName("with-user"));
            Map<String, KStream<String, String>> m = rich.split(Named.as("order-")).branch((k, v) -> true, Branched.as("large")).defaultBranch(Branched.as("small"));
            m.get("order-large").to("large", OUT());
            m.get("order-small").groupByKey(G).windowedBy(TW).count(as("per-minute", L)).suppress(Suppressed.untilWindowCloses(Suppressed.BufferConfig.unbounded()).withName("final"))
                .toStream((w, n) -> w.key()).to("minutes", Produced.with(S, L));
            orders.groupBy((k, v) -> v, Grouped.with("by-product", S, S)).count(as("by-product-count", L));
        });
    }

    static String topics(Topology t) throws Exception {
        Properties p = new Properties();
        p.put("application.id", "app");
        p.put("bootstrap.servers", "none:1");
        Field f = Topology.class.getDeclaredField("internalTopologyBuilder");
        f.setAccessible(true);
        Object b = f.get(t);
        b.getClass().getMethod("rewriteTopology", StreamsConfig.class).invoke(b, new StreamsConfig(p));
        b.getClass().getMethod("buildTopology").invoke(b); // which names the changelogs
        Map<?, ?> infos = (Map<?, ?>) b.getClass().getMethod("subtopologyToTopicsInfo").invoke(b);
        TreeSet<String> out = new TreeSet<>();
        for (Map.Entry<?, ?> e : infos.entrySet()) {
            Field id = e.getKey().getClass().getDeclaredField("nodeGroupId");
            id.setAccessible(true);
            for (String kind : List.of("repartitionSourceTopics", "stateChangelogTopics")) {
                Field m = e.getValue().getClass().getDeclaredField(kind);
                m.setAccessible(true);
                for (Object c : ((Map<?, ?>) m.get(e.getValue())).values()) {
                    Method props = c.getClass().getMethod("properties", Map.class, long.class);
                    props.setAccessible(true);
                    Method name = c.getClass().getMethod("name"), n = c.getClass().getMethod("numberOfPartitions");
                    Optional<?> count = (Optional<?>) n.invoke(c);
                    out.add(id.get(e.getKey()) + (kind.startsWith("r") ? " repartition " : " changelog ") + name.invoke(c)
                        + (count.isPresent() ? " partitions=" + count.get() : "") + " " + new TreeMap<Object, Object>((Map<?, ?>) props.invoke(c, Map.of(), 86400000L)));
                }
            }
        }
        return out.isEmpty() ? "" : String.join("\n", out) + "\n";
    }

    static String[] run(Program p, boolean optimize) throws Exception {
        try {
            Properties props = new Properties();
            if (optimize) props.put("topology.optimization", "all");
            StreamsBuilder b = new StreamsBuilder();
            p.build(b);
            Topology t = b.build(props);
            return new String[] {t.describe().toString(), topics(t)};
        } catch (org.apache.kafka.streams.errors.TopologyException e) {
            return new String[] {"error: " + e.getMessage() + "\n", ""};
        } catch (RuntimeException e) {
            return new String[] {"error: " + e.getClass().getSimpleName() + ": " + String.valueOf(e.getMessage()).replaceAll("\\{[\\s\\S]*", "...") + "\n", ""};
        }
    }

    public static void main(String[] a) throws Exception {
        Path dir = Paths.get(a[0]);
        for (Map.Entry<String, Program> c : cases.entrySet()) {
            String[] plain = run(c.getValue(), false), opt = run(c.getValue(), true);
            write(dir.resolve(c.getKey() + ".txt"), plain[0]);
            write(dir.resolve(c.getKey() + ".topics"), plain[1]);
            if (!plain[0].equals(opt[0]) || !plain[1].equals(opt[1])) {
                write(dir.resolve(c.getKey() + ".opt.txt"), opt[0]);
                write(dir.resolve(c.getKey() + ".opt.topics"), opt[1]);
            }
        }
    }

    static void write(Path p, String text) throws IOException {
        if (text.isEmpty()) Files.deleteIfExists(p);
        else Files.writeString(p, text);
    }
}
